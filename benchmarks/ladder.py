"""The ladder: what each rung brings, from counting to the Transformer, each with and without the promotion plan.

    python benchmarks/ladder.py --out benchmarks/results/ladder.json

Judges every rung on the test households and writes the comparisons to a results file. A finished rung is kept in
`--parts` and an interrupted training goes on from its last epoch, so the work can be cut up or spread over cores:

    python benchmarks/ladder.py --row "two heads + blocks, plan" --seeds 1 --cutoffs 2017-12-01

makes one rung and writes no file; `--counting` makes those that train nothing. `--users 300` tries it on a sample.
A file that is there keeps its rows of other cutoffs.
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
from next_basket import CUTOFFS, SIMPLE

from recsys_kit import baselines, datasets, evaluation, preprocessing, report, results_file
from recsys_kit.baselines import boosting
from recsys_kit.datasets import promotions

SEEDS = (0, 1, 2)
PARTS = Path("workspace/ladder")

COUNTING = SIMPLE | {"TIFU-kNN": baselines.tifu_knn, "UP-CF": baselines.up_cf, "TAIW": baselines.taiw}
RULE, NEIGHBOURS = "decayed frequency + popularity", "user-kNN"
STRONGEST = {"all": RULE, "explore": NEIGHBOURS}
"""The counting rule that is hardest to beat on each half of the question, if it reads no plan."""

WITH_PLAN = {f"{RULE}, plan": RULE, f"{NEIGHBOURS}, plan": NEIGHBOURS}
"""Counting that reads the promotion plan, and the rule that it is without it; `--weights` prints what chose weights."""

READING = dict(zip(WITH_PLAN, (baselines.promoted_frequency, baselines.promoted_knn), strict=True))

BOOSTING, HEADS, BLOCKS = "gradient boosting", "two heads", "two heads + blocks"
NO_ANCHORS = "two heads + blocks, plan, anchors 0"
TRAINED = [f"{rung}{plan}" for rung in (HEADS, BLOCKS) for plan in ("", ", plan")]
METHODS = [*COUNTING, *WITH_PLAN, BOOSTING, f"{BOOSTING}, plan", *TRAINED, NO_ANCHORS]

KEY = ("cutoff", "half", "method", "to")
"""What tells a row of the results file from others."""

WINDOWS = 6  # on which `--weights` chooses: those that boosting learns from


def opponents(half: str) -> dict[str, dict[str, str]]:
    """Returns what each method is compared with: counting's strongest rule, the rung below, its twin without plan.

    Methods that read the plan stand beside counting that reads it as well.

    Of new items, boosting says no more than popularity does: there the heads stand above the strongest counting rule.
    """
    known = half == "all"
    rules = f"{RULE}, plan" if known else f"{NEIGHBOURS}, plan"
    below = {
        BOOSTING: STRONGEST[half],
        HEADS: BOOSTING if known else STRONGEST[half],
        BLOCKS: HEADS,
        rules: STRONGEST[half],
        f"{BOOSTING}, plan": rules,
        f"{HEADS}, plan": f"{BOOSTING}, plan" if known else rules,
        f"{BLOCKS}, plan": f"{HEADS}, plan",
        NO_ANCHORS: f"{BLOCKS}, plan",
    }
    twin = WITH_PLAN | {f"{rung}, plan": rung for rung in (BOOSTING, HEADS, BLOCKS)}
    counting = dict.fromkeys(METHODS, STRONGEST[half])
    if known:  # neighbours with the plan were made for new items
        del twin[f"{NEIGHBOURS}, plan"], counting[f"{NEIGHBOURS}, plan"]
    reading = {f"{rung}, plan": rules for rung in (BOOSTING, HEADS, BLOCKS)}
    return {"counting": counting, "counting, plan": reading, "below": below, "no plan": twin}


@cache
def shop(users: int = 0) -> datasets.Shop:
    """Returns the kit's own shop, or a sample of it."""
    return datasets.load("", users)


@cache
def task(cutoff: str, plan: bool, users: int = 0) -> preprocessing.Task:
    """Returns the next-basket task at a cutoff, with or without the promotion plan."""
    return preprocessing.task(shop(users), cutoff, promotions=promotions.load() if plan else None)


def weights(users: int = 0) -> pd.DataFrame:
    """Returns what both rules reach with each choice of weights: the mean of the windows of boosting, best first."""
    windows = boosting.earlier_windows(task(CUTOFFS[0], True, users), WINDOWS)
    found = pd.concat([_weights(split) for split in windows])
    return (
        found.groupby(["half", "rule", "habits", "lift", "news"])["ndcg"]
        .mean()
        .reset_index()
        .sort_values("ndcg", ascending=False)
    )


def _weights(split: preprocessing.Split) -> pd.DataFrame:
    """Returns NDCG@10 of both rules, and of UP-CF in the place of the neighbours, in one window."""
    seen, everyone = split.seen(), np.arange(len(split.test_users))
    scorers = {one: COUNTING[one](split) for one in (NEIGHBOURS, "UP-CF", "popularity")}
    scorers["own"] = baselines.personal_frequency(split, 120.0, 0.0)
    whole = {one: scorer(everyone) for one, scorer in scorers.items()}
    found = []

    def times(name: str, display: float, mailing: float, lift: bool) -> np.ndarray:
        return baselines.promoted(lambda rows: whole[name][rows], split, (display, mailing, mailing), lift)(everyone)

    def add(half: str, scores: np.ndarray, **settings: object) -> None:
        exclude = seen if half == "explore" else None
        result = evaluation.evaluate(lambda rows: scores[rows], split.answers, exclude=exclude)
        found.append({"half": half, **settings, "ndcg": result["ndcg"].mean()})

    for rule, lift in itertools.product((NEIGHBOURS, "UP-CF"), (False, True)):
        for news in itertools.product((0, 2, 4, 8, 16), (0, 1, 2, 4)):
            add("explore", times(rule, *news, lift), rule=rule, habits="", lift=lift, news=news)
    for habits, news in itertools.product(
        itertools.product((0, 0.25), (0, 0.1)), itertools.product((0, 4, 8, 16), (0, 4))
    ):
        scores = times("own", *habits, False) + 0.3 * times("popularity", *news, False)
        add("all", scores, rule=RULE, habits=habits, lift=False, news=news)
    return pd.DataFrame(found)


def train(cutoff: str, method: str, seed: int, epochs: int, parts: Path, users: int = 0) -> dict[str, object]:
    """Trains the two heads, with or without blocks, and returns what it reaches; anchors 0: asks a trained model."""
    import keras

    from recsys_kit import training
    from recsys_kit.training import basket_transformer  # noqa: F401 - the layers that a saved model asks Keras for

    plan = ", plan" in method
    dated, whole = task(cutoff, plan, users), method.removesuffix(", anchors 0")
    folder = parts / "training" / f"{name(cutoff, whole, seed, epochs)}-{users}"
    done = folder / "model.keras"
    if not done.exists():
        blocks = {"blocks": 0} if BLOCKS not in whole else {}
        settings = training.Settings(epochs=epochs, seed=seed, **blocks)
        training.train(shop(users), dated, settings, folder).model.save(folder / "whole.keras")
        (folder / "whole.keras").replace(done)
    model = keras.models.load_model(done, compile=False)
    if method == NO_ANCHORS:
        for head in ("repeat", "discover"):
            model.get_layer(head).anchor = 0.0
    return judged(training.scorer(model, dated.test), dated.test)


def judged(scorer: evaluation.Scorer, split: preprocessing.Split) -> dict[str, object]:
    """Returns NDCG@10 of each case, on all items and on those that a household never bought."""
    found = evaluation.evaluate_halves(scorer, split.answers, split.seen())
    return {
        half: {"case": result.index.tolist(), "ndcg": result["ndcg"].round(6).tolist()}
        for half, result in found.items()
    }


def name(cutoff: str, method: str, seed: int, epochs: int) -> str:
    """Returns the file name of a part."""
    plain = method.replace(", ", "-").replace(" + ", "+").replace(" ", "_")
    return f"{cutoff}-{plain}" + (f"-seed{seed}-epochs{epochs}" if method in (*TRAINED, NO_ANCHORS) else "")


def part(cutoff: str, method: str, seed: int, epochs: int, parts: Path | None, users: int = 0) -> dict[str, object]:
    """Returns what a method reaches case by case, from its part if that is there."""
    path = parts / f"{name(cutoff, method, seed, epochs)}{f'-{users}' if users else ''}.json" if parts else None
    if path and path.exists():
        return json.loads(path.read_text(encoding="utf-8"))
    if method in COUNTING:
        split = task(cutoff, False, users).test
        found = judged(COUNTING[method](split), split)
    elif method in WITH_PLAN:
        split = task(cutoff, True, users).test
        found = judged(READING[method](split), split)
    elif BOOSTING in method:
        plan = ", plan" in method
        dated, known = task(cutoff, plan, users), shop(users)
        trees = baselines.boosted_trees(dated, known.timezone, plan=plan)
        found = judged(trees, dated.test)
    else:
        found = train(cutoff, method, seed, epochs, parts or PARTS, users)
    if path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found), encoding="utf-8")
    return found


def scores(half: str, parts: Sequence[dict]) -> list[pd.Series]:
    """Returns one series a part."""
    return [pd.Series(found[half]["ndcg"], index=found[half]["case"]) for found in parts]


def comparison(
    cutoff: str, half: str, method: str, to: str, seeds: Sequence[int] = SEEDS, epochs: int = 3, parts=None, users=0
) -> dict[str, object]:
    """Compares a method with one of its opponents: a row of `results/ladder.json`."""
    against = opponents(half)[to][method]
    found = {}
    for one in {method: 0, against: 0}:
        drawn = one in (*TRAINED, NO_ANCHORS)
        own = [part(cutoff, one, seed, epochs, parts, users) for seed in (seeds if drawn else seeds[:1])]
        found[one] = scores(half, own) if drawn else scores(half, own)[0]
    made = report.compare(found, against).table.loc[method]
    budget = f"{epochs} epochs" if method in (*TRAINED, NO_ANCHORS) else ""
    row = {"cutoff": cutoff, "half": half, "method": method, "to": to, "cases": len(scores(half, own)[0])}
    numbers = {key: round(float(made[key]), 6) for key in ("value", "difference", "low", "high")}
    seeds_found = [round(value, 6) for value in made["seeds"]]
    return row | numbers | {"against": against, "verdict": made["verdict"], "seeds": seeds_found, "budget": budget}


def rows(cutoffs: Sequence[str], seeds: Sequence[int], epochs: int, parts: Path, users: int = 0) -> Iterator[dict]:
    """Yields the comparisons of all methods of which all seeds are there."""
    for cutoff in cutoffs:
        there = [method for method in METHODS if _is_there(cutoff, method, seeds, epochs, parts, users)]
        for half in ("all", "explore"):
            for to, pairs in opponents(half).items():
                for method, against in pairs.items():
                    if method in there and against in there:
                        yield comparison(cutoff, half, method, to, seeds, epochs, parts, users)


def _place(row: dict) -> tuple:
    """Returns where a row stands in the file: newest cutoff first, then as `rows` makes them."""
    pairs = opponents(row["half"])
    return (
        -int(row["cutoff"].replace("-", "")),
        row["half"],
        [*pairs].index(row["to"]),
        [*pairs[row["to"]]].index(row["method"]),
    )


def _is_there(cutoff: str, method: str, seeds: Sequence[int], epochs: int, parts: Path, users: int) -> bool:
    end = f"-{users}.json" if users else ".json"
    return all((parts / f"{name(cutoff, method, seed, epochs)}{end}").exists() for seed in seeds)


def main() -> None:
    """Makes the parts that are asked for, and writes the results file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the results file; left out: only the parts are made")
    parser.add_argument("--cutoffs", nargs="+", default=list(CUTOFFS), help="first days of the test period")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="seeds of what is trained")
    parser.add_argument("--epochs", type=int, default=3, help="passes of what is trained")
    parser.add_argument("--row", nargs="+", choices=METHODS, help="make these rungs only", metavar="METHOD")
    parser.add_argument("--counting", action="store_true", help="make the rungs that train nothing, and boosting")
    parser.add_argument("--weights", action="store_true", help="print what chose the weights of the plan, no more")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where finished rungs are kept")
    parser.add_argument("--users", type=int, default=0, help="a sample of so many households; 0: all")
    options = parser.parse_args()
    if options.weights:
        print(weights(options.users).groupby("rule").head(8).round(4).to_string(index=False))
        return
    methods = options.row or [one for one in METHODS if not options.counting or one not in (*TRAINED, NO_ANCHORS)]
    for cutoff in options.cutoffs:
        for method in methods:
            for seed in options.seeds if method in (*TRAINED, NO_ANCHORS) else options.seeds[:1]:
                found = part(cutoff, method, seed, options.epochs, options.parts, options.users)
                means = {half: round(float(np.mean(found[half]["ndcg"])), 4) for half in ("all", "explore")}
                print(cutoff, f"{method}, seed {seed}", means, flush=True)
    if options.out:
        made = list(rows(options.cutoffs, options.seeds, options.epochs, options.parts, options.users))
        if options.out.exists():  # refused if other data made it
            before = results_file.read(options.out, data=shop(options.users).fingerprint).rows
            before = [one for one in before if opponents(one["half"])[one["to"]].get(one["method"]) == one["against"]]
            made = list({tuple(row[name] for name in KEY): row for row in [*before, *made]}.values())
            made.sort(key=_place)
        results_file.write(
            options.out,
            made,
            command=f"python benchmarks/ladder.py --out {options.out.as_posix()}",
            row="benchmarks/ladder.py:comparison",
            cheapest={"cutoff": made[0]["cutoff"], "half": "all", "method": "popularity", "to": "counting"},
            data=shop(options.users).fingerprint,
            seeds=options.seeds,
        )
        print(pd.DataFrame(made).drop(columns=["seeds", "budget"]).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
