"""Two stages beside each of their parts and counting that reads the plan, at another cutoff, as notebook 08 shows it.

    python benchmarks/two_stages.py --seeds 0 1 2 --out benchmarks/results/two_stages.json

Notebook 08's pipeline, with its defaults, at another cutoff of The Complete Journey: the Transformer and the trees
learn from what lies before its validation weeks, nothing is chosen, and its test weeks are looked at once for each seed
(of the Transformer, the towers and the trees), and once more for the rules that read the plan, which came later; their
weights were chosen on windows that overlap these weeks. `lambdarank` has the trees' rows, number of trees and settings.
A seed's Transformer is trained here, some minutes on one core.
"""

from __future__ import annotations

import argparse
from functools import cache
from pathlib import Path

import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, recommendation, report, results_file
from recsys_kit.datasets import promotions
from recsys_kit.recommendation import ranking
from recsys_kit.workspace import Workspace

CUTOFF, DRAWS, WINDOWS, TREES, EPOCHS = "2017-10-15", 2000, 3, 150, 3
STAGES, RULE = "two stages", "decayed + popularity"
READING = {f"{RULE}, plan": baselines.promoted_frequency, "user-kNN, plan": baselines.promoted_knn}
"""Counting that reads the promotion plan, as trees and Transformer do."""

METHODS = (STAGES, "trees", "lambdarank", "Transformer", RULE, *READING)
HALVES = ("all items", "explore")
PAIRS = [(STAGES, other) for other in METHODS[1:]] + [("trees", "lambdarank"), (RULE, RULE)]


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task(cutoff: str, plan: bool = True) -> preprocessing.Task:
    """Returns its task at a cutoff; a rule that only counts needs no promotion plan, which takes seconds to read."""
    return preprocessing.task(shop(), cutoff, promotions=promotions.load() if plan else None)


@cache
def candidates(cutoff: str, seed: int, folder: str) -> tuple[pd.DataFrame, dict]:
    """Returns the candidates of the test households at a cutoff and what each learned method says of them."""
    from recsys_kit import training

    whole, store = task(cutoff), Workspace(folder)
    settings = training.Settings(epochs=EPOCHS, seed=seed)
    learn = [
        recommendation.labelled(shop(), one, recommendation.Model()) for one in recommendation.windows(whole, WINDOWS)
    ]
    names = recommendation.columns(learn[0], whole.test)
    fitted = {
        kind: recommendation.fit(learn, names, trees=TREES, seed=seed, objective=kind)
        for kind in ("binary", "lambdarank")
    }
    del learn
    model = recommendation.Model(
        training.trained(store, shop(), whole, settings),
        recommendation.train_towers(store, shop(), whole, seed=seed),
        recommendation.text_vectors(store, shop(), whole),
        fitted["binary"],
    )
    table = recommendation.labelled(shop(), whole.test, model)
    values = {
        STAGES: recommendation.score(model, table),
        "trees": fitted["binary"].predict(table[names], raw_score=True),
        "lambdarank": fitted["lambdarank"].predict(table[names], raw_score=True),
        "Transformer": table["Transformer"].to_numpy(),
    }
    return table[["case", "item"]], values


@cache
def ndcg(cutoff: str, half: str, method: str, seed: int, folder: str) -> pd.Series:
    """Returns a method's NDCG@10 of each test household."""
    split = task(cutoff, method != RULE).test
    if method == RULE:
        scorer = baselines.personal_frequency(split, decay=120, popularity_weight=0.3)
    elif method in READING:
        scorer = READING[method](split)
    else:
        table, values = candidates(cutoff, seed, folder)
        scorer = ranking.pair_scorer(split, table, values[method])
    return evaluation.evaluate(scorer, split.answers, exclude=split.seen() if half == "explore" else None)["ndcg"]


def row(
    cutoff: str, half: str, method: str, against: str, seed: int = 0, folder: str = "workspace"
) -> dict[str, object]:
    """Returns one comparison: a row of `results/two_stages.json`."""
    scores = {name: ndcg(cutoff, half, name, seed, folder) for name in (method, against)}
    found = report.compare(scores, against, draws=DRAWS).table.loc[method]
    return {
        "cutoff": cutoff,
        "half": half,
        "method": method,
        "against": against,
        "seed": seed,
        "cases": len(scores[method]),
        "value": float(found["value"]),
        "rival": float(scores[against].mean()),
        **{name: float(found[name]) for name in ("difference", "low", "high")},
        "verdict": str(found["verdict"]),
    }


def main() -> None:
    """Trains, compares and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="results file to write")
    parser.add_argument("--workspace", default="workspace", help="where trained models are, or will be")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    given = parser.parse_args()
    rows = []
    for seed in given.seeds:
        rows += [row(CUTOFF, half, *pair, seed, given.workspace) for half in HALVES for pair in PAIRS]
        candidates.cache_clear()  # they are large
    cheapest = {"cutoff": CUTOFF, "half": "all items", "method": RULE, "against": RULE, "seed": 0}
    results_file.write(
        given.out,
        rows,
        command=f"python benchmarks/two_stages.py --seeds {' '.join(map(str, given.seeds))} --out {given.out}",
        row="benchmarks/two_stages.py:row",
        cheapest=cheapest,
        data=shop().fingerprint,
        seeds=given.seeds,
        packages=["lightgbm"],
    )
    print(pd.DataFrame(rows).round(4).to_string())


if __name__ == "__main__":
    main()
