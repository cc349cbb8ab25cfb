"""Does `recsys-kit diagnose` say what is true? Simulated shops with known truth, noise, and the shops of the kit.

    python benchmarks/diagnosis.py --rows truth --seeds 0 1 2 3 4
    python benchmarks/diagnosis.py --rows noise --seeds 0 1 2
    python benchmarks/diagnosis.py --rows power --seeds 0
    python benchmarks/diagnosis.py --rows kit

Each call adds its rows to `results/diagnosis.json`, one after the other; what is there is kept. Rows of noise are of
500 customers, and their seeds are shops. The thresholds of a verdict (`diagnosis.verdicts.THRESHOLDS`) were frozen
before these shops were judged.
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
from recsys_kit.next_item import laboratory

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
TRUTHS = {
    "counts": "counting is enough",
    "markov": "counting is enough",
    "combinations": "worth it",
    "time": "counting is enough",
    "texts": "counting is enough",
    "promotion": "counting is enough",
    "noise": "counting is enough",
    "too small": "too little to say",
    "tiny": "too little to say",
}
"""The shops with known truth, and the right verdict on each."""
USERS = 1000
SMALL = {"too small": 100, "tiny": 9}


def shop(name: str, users: int = USERS, seed: int = 0) -> tuple[datasets.Shop, pd.DataFrame | None]:
    """Returns a shop and its promotion plan.

    Args:
        name: A name in `TRUTHS`, one with its strength (`markov=0.5`; the rest is noise), `kit` or `example`.
        users: Customers of a simulated shop.
        seed: Seed of everything that is drawn.
    """
    if name in ("kit", "example"):
        folder = "" if name == "kit" else str(ROOT / "data" / "example_shop")
        return datasets.load(folder), datasets.promotions.load(folder)
    name, _, strength = name.partition("=")
    knob, rng = float(strength or 1), np.random.default_rng([seed, 18])
    if name in SIMULATED:
        events, titles, plan = SIMULATED[name](users, knob, rng)
    else:
        name = "combinations" if name in ("too small", "tiny") else name
        truth = laboratory.Truth(**({} if name == "noise" else {name: knob}), seed=seed)
        events, titles, plan = laboratory.to_events(laboratory.simulate(truth, users, 24, seed), seed), None, None
    return _shop(events, titles, seed), plan


def row(name: str, users: int, seed: int) -> dict[str, Any]:
    """Diagnoses a shop; returns the verdict beside what is true, with its numbers."""
    began = time.perf_counter()
    controls = name != "noise" or users != 500  # a false alarm is a matter of the verdict alone
    settings = experiments.Settings(controls=controls, parts=())  # no learning curve, the rest as the command has it
    found = experiments.diagnose(*shop(name, users, seed), settings, say=lambda line: None)
    verdict = found["verdict"]
    numbers = {key: verdict.get(key) for key in ("gain", "low", "high", "rival", "cases", "needed", "first")}
    numbers = {key: round(value, 5) if isinstance(value, float) else value for key, value in numbers.items()}
    answers = {one["question"]: round(one["difference"], 5) for one in found.get("answers", ())}
    matters = [one["question"] for one in found.get("answers", ()) if one["matters"]]
    true = TRUTHS.get(name.partition("=")[0])
    said = {"name": name, "users": users, "seed": seed, "true": true, "verdict": verdict["verdict"], **numbers}
    seconds = round(time.perf_counter() - began, 1) if answers else None
    return said | {"matters": matters, "answers": answers, "seconds": seconds}


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
    """Each customer likes two of 50 nouns, in 20 kinds each, and hardly buys a thing twice: titles tell it."""
    liked = np.array([rng.choice(len(NOUNS), 2, replace=False) for _ in range(users)])
    size = len(NOUNS) * len(KINDS)
    rows = []
    for user in range(users):
        noun = np.where(rng.random(10) < knob, rng.choice(liked[user], 10), rng.integers(0, len(NOUNS), 10))
        item = noun * len(KINDS) + rng.integers(0, len(KINDS), 10)
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
        "truth": [(name, SMALL.get(name, USERS)) for name in TRUTHS],
        "noise": [("noise", 500)],
        "power": [(f"combinations={knob}", USERS) for knob in (0.25, 0.5, 0.75)],
        "kit": [("kit", 0), ("example", 0)],
    }.get(rows, [(rows, SMALL.get(rows, USERS))])
    return [(name, users, seed) for seed in seeds for name, users in names]


def main() -> None:
    """Computes the rows that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="truth", help="truth, noise, power, kit, or a shop")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--users", type=int, help="customers of a simulated shop, where not the usual number")
    options = parser.parse_args()
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
            command="python benchmarks/diagnosis.py --rows truth --seeds 0 1 2 3 4",
            row="benchmarks/diagnosis.py:row",
            cheapest={"name": CHEAPEST[0], "users": CHEAPEST[1], "seed": CHEAPEST[2]},
            data="",
            seeds=sorted({one["seed"] for one in [*there, new]}),
        )
        print(new["name"], new["seed"], new["verdict"], new["gain"], new["seconds"], flush=True)


CHEAPEST = ("tiny", 9, 0)


if __name__ == "__main__":
    main()
