"""Does `recsys-kit diagnose` say what is true? Simulated shops with known truth, noise, and the shops of the kit.

    python benchmarks/diagnosis.py --rows truth --seeds 21 22 23 24 25
    python benchmarks/diagnosis.py --rows mixed --seeds 21 22 23
    python benchmarks/diagnosis.py --rows noise --seeds $(seq 101 160)
    python benchmarks/diagnosis.py --rows power --seeds 21 22 23
    python benchmarks/diagnosis.py --rows ablation --seeds 21 22 23 24 25
    python benchmarks/diagnosis.py --rows kit
    python benchmarks/diagnosis.py --rows file --file Beauty.txt
    python benchmarks/diagnosis.py --rows nothing --table --picture

Each call adds its rows to `results/diagnosis.json`, one after the other; what is there is kept. Rows of noise are of
500 customers, and their seeds are shops. Thresholds (`diagnosis.verdicts.THRESHOLDS`) and shops were tuned on seed 0
and frozen. Seeds 1 to 5 were judged with a network without its convolution, which missed one shop of combinations of
five, and the mixed ones; the convolution was chosen on seeds 7 to 11. So the rows that count have seeds from 21 on:
they were judged once.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import datasets, results_file
from recsys_kit.datasets.promotions import PROMOTIONS
from recsys_kit.diagnosis import experiments
from recsys_kit.next_item import laboratory, leave_one_out

ROOT = Path(__file__).parents[1]
OUT = ROOT / "benchmarks" / "results" / "diagnosis.json"
NOUNS = (
    "tea coffee milk bread cheese butter yoghurt apple banana orange grape lemon tomato potato carrot onion garlic "
    "rice pasta flour sugar salt pepper honey chocolate biscuit candy soup sauce oil vinegar fish beef chicken ham egg "
    "juice water beer wine soap shampoo toothpaste towel candle battery pencil paper doll puzzle"
).split()
KINDS = (
    "small large red green blue white black golden fresh dried sweet bitter organic classic deluxe mini double light "
    "dark royal"
).split()
ENOUGH, WORTH, LITTLE = "counting is enough", "worth it", "too little to say"
TRUTHS = {
    "counts": (ENOUGH, ("own counts", "time")),  # fading counts are counts, too
    "markov": (ENOUGH, ("follows",)),
    "pairs": (ENOUGH, ("follows",)),
    "combinations": (WORTH, ("follows",)),
    "time": (ENOUGH, ("time",)),
    "texts": (ENOUGH, ("texts",)),
    "promotion": (ENOUGH, ("promotion",)),
    "noise": (ENOUGH, ()),
    "too small": (LITTLE, None),
    "tiny": (LITTLE, None),
    "far combinations": (WORTH, None),
    "weak counts": (ENOUGH, None),
    "weak markov": (ENOUGH, None),
    "counts and markov": (ENOUGH, ("own counts", "follows")),
    "all three": (WORTH, ("own counts", "follows")),
}
"""The right verdict on shops with known truth, and the information of which one must be named (empty: none may be).

The last four were written after the thresholds had been frozen.
"""
MIXED = {
    "weak counts": {"counts": 0.15},
    "weak markov": {"markov": 0.15},
    "counts and markov": {"counts": 0.35, "markov": 0.35},
    "all three": {"counts": 0.2, "markov": 0.2, "combinations": 0.5},
}
"""Shops of weak or several effects; the rest of each is noise."""
USERS = 1000  # of a shop, where the following does not say otherwise
SIZES = {"too small": 100, "tiny": 9, "kit": 0, "example": 0}
SIZES |= dict.fromkeys(("counts", "time", "texts", "promotion", "noise"), 500)
LENGTH = 34  # purchases of a household; about 22 lie before the weeks that are asked
LAGS = ((1, 2), (1, 3), (2, 3))  # of the combinations, by seed
FAR = (2, 4)  # of the far ones, which nothing of what follows the last item hints at
GAP = 31  # days between two purchases of a customer of a benchmark file, of which the order alone is known
FILES: dict[str, Path] = {}
"""Where benchmark files lie, by name; they are no part of this repository. Days are drawn, so `time` tells nothing."""
NOISE_LIST = 0.09467  # NDCG@10 of any list of ten among 48 items that are bought alike


def shop(name: str, users: int = USERS, seed: int = 0) -> tuple[datasets.Shop, pd.DataFrame | None]:
    """Returns a shop and its promotion plan.

    Args:
        name: A name in `TRUTHS`, one with its strength (`markov=0.5`; the rest is noise), `kit`, `example` or a name in
            `FILES`. A part of the model that is left out (`markov, without attention`) changes nothing of the shop.
        users: Customers of a simulated shop.
        seed: Seed of everything that is drawn.
    """
    if name in ("kit", "example"):
        folder = "" if name == "kit" else str(ROOT / "data" / "example_shop")
        return datasets.load(folder), datasets.promotions.load(folder)
    if name in FILES:
        return _shop(laboratory.to_events(leave_one_out.read(FILES[name]), seed, gap=GAP), None, seed), None
    name, _, strength = name.partition(", without ")[0].partition("=")
    knob, rng = float(strength or 1), np.random.default_rng([seed, 18])
    if name in SIMULATED:
        events, titles, plan = SIMULATED[name](users, knob, rng)
    else:
        drawn = laboratory.simulate(truth(name, knob, seed), users, LENGTH, seed)
        events, titles, plan = laboratory.to_events(drawn, seed), None, None
    return _shop(events, titles, seed), plan


def truth(name: str, knob: float, seed: int) -> laboratory.Truth:
    """Returns how the households of the laboratory choose.

    `pairs` is an exclusive or of two bits among 48 items: each pair of items comes up so often that counting pairs
    finds all of it. `combinations` are of two times two bits among 96 items, where a pair comes up five times, and
    three purchases in ten follow the last item, so that items show their colours.
    """
    if name in ("combinations", "far combinations", "too small", "tiny", "all three"):
        knobs = MIXED.get(name, {"combinations": 0.7 * knob, "markov": 0.3 * knob}) | {"groups": 4, "each": 6}
        return laboratory.Truth(**knobs, lags=FAR if "far" in name else LAGS[seed % len(LAGS)], seed=seed)
    knobs = ({"noise": {}, "pairs": {"combinations": knob}} | MIXED).get(name, {name: knob})
    return laboratory.Truth(**knobs, seed=seed)


def ceiling(name: str, users: int, seed: int) -> float | None:
    """Returns NDCG@10 of the list that knows the truth, on another draw of last purchases; None: not known."""
    kind, _, strength = name.partition(", without ")[0].partition("=")
    if kind in SIMULATED or kind in (*FILES, "kit", "example"):
        if name != "promotion":
            return None
        return (0.7 + 0.3 * 10 / 120) * NOISE_LIST * 4.8  # the ten that are promoted
    known = truth(kind, float(strength or 1), seed)
    drawn = laboratory.simulate(known, max(users, 1000), LENGTH, seed)
    return float(laboratory.judge(laboratory.oracle(known, drawn, 1), drawn).mean())


def row(name: str, users: int, seed: int) -> dict[str, Any]:
    """Diagnoses a shop; returns the verdict beside what is true, with its numbers."""
    began, worked = time.perf_counter(), time.process_time()
    simulated = name not in (*FILES, "kit", "example")  # there, the verdict alone is judged: no twin, no learning curve
    without = name.partition(", without ")[2]
    settings = experiments.Settings(controls=False, parts=(), without=without) if simulated else experiments.Settings()
    found = experiments.diagnose(*shop(name, users, seed), settings, say=lambda line: None)
    taken = {"seconds": time.perf_counter() - began, "cpu_seconds": time.process_time() - worked}
    taken = {key: round(value, 1) if "answers" in found else None for key, value in taken.items()}
    verdict, best = found["verdict"], ceiling(name, users, seed)
    keys = ("gain", "low", "high", "rival", "customers", "needed", "first")
    numbers = {key: verdict.get(key) for key in keys} | {"ceiling": best}
    numbers = {key: round(value, 5) if isinstance(value, float) else value for key, value in numbers.items()}
    answers = {one["question"]: round(one["difference"], 5) for one in found.get("answers", ())}
    matters = [one["question"] for one in found.get("answers", ()) if one["matters"]]
    true, kinds = TRUTHS.get(name.partition(", without ")[0].partition("=")[0], (None, None))
    said = {"name": name, "users": users, "seed": seed, "true": true, "verdict": verdict["verdict"], **numbers}
    right = None if true is None or "=" in name or without else verdict["verdict"] == true
    named = {*matters, verdict.get("first")} - {None}
    sound = None if right is None or kinds is None else bool(named & set(kinds)) if kinds else not named
    return said | {"right": right, "right_kind": sound, "matters": matters, "answers": answers, **taken}


def by_rhythm(users: int, knob: float, rng: np.random.Generator) -> tuple[pd.DataFrame, None, None]:
    """Each customer buys six things of 100, each at an interval of its own; what is due is bought."""
    rows = []
    for user in range(users):
        for item in rng.choice(100, 6, replace=False):
            gap = np.exp(rng.uniform(np.log(5), np.log(40)))
            spread = 0.08 if rng.random() < knob else 1.0
            gaps = gap * np.maximum(0.1, 1 + spread * rng.standard_normal(60))
            days = np.cumsum(gaps) - gap * rng.random()
            rows += [(user, item, day) for day in days[(days > 0) & (days < 120)]]
    return _events(rows), None, None


def by_text(users: int, knob: float, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.Series, None]:
    """Each customer likes two of 50 nouns, in 20 kinds each, and buys nothing twice: titles tell it."""
    liked = np.array([rng.choice(len(NOUNS), 2, replace=False) for _ in range(users)])
    size = len(NOUNS) * len(KINDS)
    rows = []
    for user in range(users):
        chance = np.full((len(NOUNS), len(KINDS)), (1 - knob) / size)
        chance[liked[user]] += knob / (2 * len(KINDS))
        item = rng.choice(size, 10, replace=False, p=chance.ravel() / chance.sum())
        rows += [(user, one, day) for one, day in zip(item, np.sort(rng.uniform(0, 120, 10)), strict=True)]
    titles = [f"{kind} {noun}" for noun in NOUNS for kind in KINDS]
    return _events(rows), pd.Series(titles, [f"item {number}" for number in range(size)]), None


def by_promotion(users: int, knob: float, rng: np.random.Generator) -> tuple[pd.DataFrame, None, pd.DataFrame]:
    """Of 120 items ten are promoted each week, and bought seven times in ten."""
    shelf = np.array([rng.choice(120, 10, replace=False) for _ in range(18)])
    rows = []
    for user in range(users):
        days = np.cumsum(rng.exponential(5, 40))
        days = days[days < 7 * len(shelf)]
        promoted = shelf[(days // 7).astype(int), rng.integers(0, 10, len(days))]
        item = np.where(rng.random(len(days)) < 0.7 * knob, promoted, rng.integers(0, 120, len(days)))
        rows += [(user, one, day) for one, day in zip(item, days, strict=True)]
    week = np.indices(shelf.shape)[0]
    plan = {
        "item_id": [f"item {number}" for number in shelf.ravel()],
        "start": FIRST + pd.to_timedelta(7 * week.ravel(), unit="D"),
        **dict.fromkeys(PROMOTIONS, 0.0),
    }
    return _events(rows), None, pd.DataFrame(plan | {"display": 1.0})


SIMULATED = {"time": by_rhythm, "texts": by_text, "promotion": by_promotion}
FIRST = pd.Timestamp("2017-01-01", tz="UTC")


def _events(rows: list[tuple[int, int, float]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=["user", "item", "day"]).sort_values("day", kind="stable")
    when = FIRST + pd.to_timedelta(table["day"], unit="D").dt.round("s")
    events = {
        "user_id": "household " + table["user"].astype(str),
        "item_id": "item " + table["item"].astype(str),
        "timestamp": when.astype("datetime64[us, UTC]"),
        "basket_id": [str(number) for number in range(len(table))],
        "quantity": 1.0,
        "price": 1.0,
    }
    return pd.DataFrame(events).reset_index(drop=True)


def _shop(events: pd.DataFrame, titles: pd.Series | None, seed: int) -> datasets.Shop:
    events = events.assign(event_type="purchase", discount=0.0, store_id="main")
    ids = pd.Series(sorted(events["item_id"].unique()), dtype="str")
    items = pd.DataFrame({"item_id": ids, "title": ids if titles is None else ids.map(titles)})
    unknown = dict.fromkeys(("category", "product_type", "department", "brand", "size"), "unknown")
    items = items.assign(**unknown, is_merchandise=True)
    users = pd.DataFrame({"user_id": sorted(events["user_id"].unique())})
    return datasets.Shop("simulated", events, items, users, "UTC", f"simulated {seed}")


def wanted(rows: str, seeds: list[int]) -> list[tuple[str, int, int]]:
    """Returns name, customers and seed of the rows that a word of the command line stands for."""
    names = {
        "truth": [(one, SIZES.get(one, USERS)) for one in TRUTHS if one not in ("far combinations", "noise", *MIXED)],
        "noise": [("noise", SIZES["noise"])],
        "mixed": [(name, USERS) for name in MIXED],
        "power": [
            *[(f"combinations={knob}", USERS) for knob in (0.25, 0.5, 0.75)],
            *[("combinations", users) for users in (250, 500, 2000)],
            ("far combinations", USERS),
        ],
        "ablation": [(f"combinations, without {part}", USERS) for part in ("convolution", "attention", "block")],
        "kit": [("kit", 0), ("example", 0)],
        "file": [(name, 0) for name in FILES],
        "nothing": [],
    }.get(rows, [(rows, SIZES.get(rows, USERS))])
    return [(name, users, seed) for seed in seeds for name, users in names]


def table(rows: list[dict[str, Any]]) -> pd.DataFrame:
    """Returns one line a kind and size of shop: what was said how often, and how much of what is possible is reached.

    Args:
        rows: Of the results file; seed 0, on which all was tuned, is left out.
    """
    judged = pd.DataFrame([one for one in rows if one["true"] is not None and one["seed"]])
    parts = judged.groupby(["name", "users"], sort=False)
    words = {
        word: parts["verdict"].agg(lambda said, word=word: (said == word).sum()) for word in (WORTH, ENOUGH, LITTLE)
    }
    share = {
        "counting of ceiling": parts.apply(lambda part: (part["rival"] / part["ceiling"]).mean()),
        "model of ceiling": parts.apply(lambda part: ((part["rival"] + part["gain"]) / part["ceiling"]).mean()),
    }
    found = {"true": parts["true"].first(), "shops": parts.size()} | words
    found |= {"kind right": parts["right_kind"].agg(lambda right: sum(one is True for one in right))}
    found |= {"gain": parts["gain"].mean().round(4)} | {name: one.round(2) for name, one in share.items()}
    return pd.DataFrame(found | {"cpu seconds": parts["cpu_seconds"].median()}).reset_index()


def picture(rows: list[dict[str, Any]], path: Path) -> None:
    """Draws the README's picture: gains with intervals of all judged shops, by what is true of them.

    A second panel, where there are rows for it, is the power: combinations that decide fewer purchases, or of fewer
    customers.
    """
    import io

    import matplotlib.pyplot as plt
    from PIL import Image

    from recsys_kit import plots

    plots.use_style()
    judged = pd.DataFrame([one for one in rows if one["true"] is not None and one["seed"] and one["gain"] is not None])
    judged = judged[~judged["name"].str.contains(", without ")]
    strength = judged["name"].str.startswith("combinations")
    weaker = strength & ((judged["users"] != USERS) | judged["name"].str.contains("="))
    kinds = {f"{name}: {true}": judged[~weaker & (judged["name"] == name)] for name, (true, _) in TRUTHS.items()}
    power = {}
    for (users, name), part in judged[strength].groupby(["users", "name"]):
        share = 0.7 * float(name.partition("=")[2] or 1)
        power[f"{share:.0%} of purchases, {users:,} customers"] = (users == USERS, share, part)
    power = {label: part for label, (*_, part) in sorted(power.items(), key=lambda one: one[1][:2])}
    panels = {"What is true, and what was said (colour)": kinds}
    if len(power) > 1:
        panels["Power: combinations decide …"] = power
    heights = [sum(len(part) > 0 for part in panel.values()) for panel in panels.values()]
    size, how = (7, 1.2 + 0.36 * sum(heights)), {"sharex": True, "squeeze": False, "layout": "constrained"}
    figure, all_axes = plt.subplots(len(panels), figsize=size, height_ratios=heights, **how)
    all_axes = all_axes[:, 0]
    for axes, (title, panel) in zip(all_axes, panels.items(), strict=True):
        _gains(axes, {label: part for label, part in panel.items() if len(part)})
        axes.set_title(title)
    all_axes[-1].set_xlabel("Gain over all counting, in parts of its NDCG@10; 99% interval", loc="right")
    all_axes[0].legend(loc="upper right", fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=130)
    plt.close(figure)
    path.parent.mkdir(exist_ok=True)
    Image.open(file).convert("RGB").quantize(48, dither=Image.Dither.NONE).save(path, optimize=True)


def _gains(axes, parts: dict[str, pd.DataFrame]) -> None:
    from recsys_kit import plots

    colours = {WORTH: plots.COLOURS[2], ENOUGH: plots.COLOURS[0], LITTLE: "0.65"}
    for place, part in enumerate(parts.values()):
        base = part["rival"]
        y = place + np.linspace(-0.36, 0.36, len(part)) if len(part) > 1 else np.array([place])
        spread = np.abs([(part[end] - part["gain"]) / base for end in ("low", "high")])
        for word, colour in colours.items():
            said = (part["verdict"] == word).to_numpy()
            thin = {"markersize": 1.5, "linewidth": 0.5} if len(part) > 10 else {"markersize": 3, "linewidth": 1}
            axes.errorbar((part["gain"] / base)[said], y[said], xerr=spread[:, said], fmt="o", color=colour, **thin)
    for word, colour in colours.items():
        axes.plot([], [], "o", color=colour, label=word)
    axes.axvline(0, color="0.6", linewidth=1)
    axes.set_yticks(range(len(parts)), list(parts))
    axes.xaxis.set_major_formatter("{x:+.0%}")
    axes.set_ylim(len(parts) - 0.5, -0.5)


def main() -> None:
    """Computes the rows that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    rows = "truth, noise, power, mixed, ablation, kit, file, nothing, or a shop"
    parser.add_argument("--rows", default="truth", help=rows)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--users", type=int, help="customers of a simulated shop, where not the usual number")
    parser.add_argument("--table", action="store_true", help="print what was said how often")
    parser.add_argument("--picture", action="store_true", help="draw docs/diagnosis.png")
    parser.add_argument("--file", type=Path, help="a benchmark file, with --rows file")
    options = parser.parse_args()
    if options.file:
        FILES[options.file.name] = options.file
    for name, users, seed in wanted(options.rows, options.seeds):
        where = (name, options.users or users, seed)
        there = results_file.read(OUT).rows if OUT.exists() else []
        if any((one["name"], one["users"], one["seed"]) == where for one in there):
            continue
        new = row(*where)
        there = results_file.read(OUT).rows if OUT.exists() else []  # another call may have added some
        results_file.write(
            OUT,
            [*there, new],
            command="python benchmarks/diagnosis.py --rows truth --seeds 21 22 23 24 25",
            row="benchmarks/diagnosis.py:row",
            cheapest={"name": CHEAPEST[0], "users": CHEAPEST[1], "seed": CHEAPEST[2]},
            data="",
            seeds=sorted({one["seed"] for one in [*there, new]}),
        )
        print(new["name"], new["seed"], new["verdict"], new["gain"], new["seconds"], flush=True)
    if options.table:
        print(table(results_file.read(OUT).rows).to_string(index=False))
    if options.picture:
        picture(results_file.read(OUT).rows, ROOT / "docs" / "diagnosis.png")


CHEAPEST = ("tiny", 9, 21)


if __name__ == "__main__":
    main()
