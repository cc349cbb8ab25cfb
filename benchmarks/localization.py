"""Hour, weekday and store for the next basket: what notebook 15 shows of the Transformer.

    python benchmarks/localization.py --out benchmarks/results/localization.json

Two ways to tell the trained next-basket Transformer of a visit: a term added to its scores, whose weight is chosen on
the validation weeks, and an input, with which it goes on learning beside a twin without it. Every row compares a method
with its rival on the test households of The Complete Journey. The Transformer comes from the workspace, or is trained
now.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, report, results_file
from recsys_kit.datasets import promotions
from recsys_kit.localization import context
from recsys_kit.workspace import Workspace

RULE, TERM, AWARE, INPUT = "decayed frequency", "Transformer + ", "aware model", "context as an input"
PARTS = {"hour": ("hour",), "weekday": ("weekday",), "store": ("store",), "all three": context.FACTORS}
WEIGHTS = (0, 0.1, 0.3, 1.0, 3.0)
WEEKS, EPOCHS, BATCHES, LARGE, DRAWS = 8, 3, 60, 200, 2000


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task(plan: bool = True) -> preprocessing.Task:
    """Returns its task; counting needs no promotion plan, which takes seconds to read."""
    return preprocessing.task(shop(), promotions=promotions.load() if plan else None)


@cache
def groups():
    """Returns the number of each item's category."""
    return pd.factorize(datasets.items.look_up(shop().items, task().test.items)["category"].fillna("unknown"))[0]


@cache
def stores() -> pd.Index:
    """Returns the stores that are told apart."""
    traffic = task().validation.history.groupby("store_id")["basket_id"].nunique()
    return traffic.index[traffic >= LARGE]


@cache
def small_models():
    """Returns the small model without and the one with the context, as notebook 15 trains them."""
    rows = context.training_rows(task().validation, shop().timezone, stores(), WEEKS)
    return [context.train(rows, groups(), len(stores()) + 1, aware)[0] for aware in (False, True)]


@cache
def transformer(folder: str):
    """Returns the Transformer of notebook 05."""
    from recsys_kit import training

    return training.trained(Workspace(folder), shop(), task(), training.Settings(epochs=EPOCHS))


@cache
def lists(folder: str, part: str) -> context.Shortlists:
    """Returns the Transformer's best items of the validation or test households."""
    from recsys_kit import training

    split = getattr(task(), part)
    return context.shortlists(training.scorer(transformer(folder), split), split)


@cache
def visits(part: str):
    """Returns part of the day, weekday and store of each case's coming basket."""
    split = getattr(task(), part)
    who, when = pd.Series(split.users[split.test_users]), pd.Series(split.answer_times)
    return context.visit_context(who, when, task().events, shop().timezone, stores())


def added(folder: str, part: str, factors) -> object:
    """Returns what the context adds to each listed item."""
    return context.term(small_models()[1], groups(), visits(part), lists(folder, part).columns, factors)


@cache
def weight_of(folder: str, name: str) -> float:
    """Returns the weight of a part of the context that is best on the validation weeks."""
    term, short = added(folder, "validation", PARTS[name]), lists(folder, "validation")
    curve = {weight: short.ndcg(weight * term).mean() for weight in WEIGHTS}
    return max(curve, key=curve.get)


@cache
def learned_on(folder: str, aware: bool, seed: int) -> pd.Series:
    """Returns the NDCG of the Transformer after it went on learning, with the context or without."""
    from recsys_kit import training
    from recsys_kit.localization import context_transformer

    known = stores() if aware else None
    model = context_transformer.train(transformer(folder), shop(), task(), known, 1, BATCHES, seed=seed).model
    scorer = training.scorer(model, task().test, context=visits("test") if aware else None)
    return evaluation.evaluate(scorer, task().test.answers)["ndcg"]


def scores(method: str, seed: int, folder: str) -> tuple[pd.Series, pd.Series, float]:
    """Returns the NDCG of each case with a method and with its rival, and the weight of the term."""
    if method == RULE:
        split = task(plan=False).test
        own = context.shortlists(baselines.personal_frequency(split, 120, 0.3), split).ndcg()
        return own, own, 0.0
    if method == INPUT:
        return learned_on(folder, True, seed), learned_on(folder, False, seed), 1.0
    if method == AWARE:
        split = task().test
        twin, aware = (context.shortlists(context.history_scores(m, split, groups()), split) for m in small_models())
        term = context.term(small_models()[1], groups(), visits("test"), aware.columns, context.FACTORS)
        return aware.ndcg(term), twin.ndcg(), 1.0
    name, _, full = method.removeprefix(TERM).partition(", weight ")
    weight = float(full) if full else weight_of(folder, name)
    short = lists(folder, "test")
    return short.ndcg(weight * added(folder, "test", PARTS[name])), short.ndcg(), weight


def row(method: str, seed: int, folder: str = "workspace") -> dict[str, object]:
    """Returns one comparison: a row of `results/localization.json`."""
    own, rival, weight = scores(method, seed, folder)
    found = report.compare({"with": own, "without": rival}, "without", draws=DRAWS).table.loc["with"]
    numbers = {name: float(found[name]) for name in ("difference", "low", "high")}
    made = {"method": method, "seed": seed, "weight": weight, "without": float(rival.mean()), "with": float(own.mean())}
    return made | numbers | {"verdict": str(found["verdict"])}


def main() -> None:
    """Compares one after the other and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--workspace", default="workspace", help="where trained models are")
    parser.add_argument("--seeds", type=int, default=1, help="trainings with the context as an input")
    options = parser.parse_args()
    asked = [(RULE, 0), *((TERM + name, 0) for name in PARTS), (f"{TERM}all three, weight 1", 0), (AWARE, 0)]
    asked += [(INPUT, seed) for seed in range(options.seeds)]
    rows = []
    for method, seed in asked:
        rows.append(row(method, seed, options.workspace))
        print(rows[-1], flush=True)
    results_file.write(
        options.out,
        rows,
        command=f"python benchmarks/localization.py --out {options.out.as_posix()} --seeds {options.seeds}",
        row="benchmarks/localization.py:row",
        cheapest={"method": RULE, "seed": 0},
        data=shop().fingerprint,
        seeds=list(range(options.seeds)),
    )


if __name__ == "__main__":
    main()
