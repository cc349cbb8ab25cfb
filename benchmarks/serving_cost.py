"""What a list costs, and how good it is: one method of each family of the course, on one core, as notebook 09 shows it.

    python benchmarks/serving_cost.py --out benchmarks/results/serving_cost.json

Every method ranks the whole catalogue for the test households of The Complete Journey. *Seconds* is the processor time
of one list when 256 are asked at once, after a warm-up; *ready* is the time before the first list: counting, or one
training on one core. Trained models come from the workspace; what is missing is trained now, which takes minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import baselines, datasets, evaluation, features, preprocessing, recommendation, results_file
from recsys_kit.baselines import boosting
from recsys_kit.datasets import promotions
from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import pipeline, ranking, two_stages
from recsys_kit.workspace import Workspace

POPULARITY, TREES, STAGES = "popularity", "boosted trees", "two stages"
HEADS = {"two heads": 0, "two heads + blocks": 2}
RULES = {
    POPULARITY: lambda split: baselines.popularity(split),
    "decayed frequency": lambda split: baselines.personal_frequency(split, decay=120, popularity_weight=0.3),
    "user-kNN": lambda split: baselines.user_knn(split),
    "item-kNN": lambda split: baselines.item_knn(split, decay=120),
    "co-occurrence": lambda split: baselines.cooccurrence(split),
}
ASKED, WARM, WINDOWS, NEGATIVES = 256, 32, 6, 0.1
Serve = Callable[[Split], np.ndarray]


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task() -> preprocessing.Task:
    """Returns its task, with the promotion plan."""
    return preprocessing.task(shop(), promotions=promotions.load())


def trees() -> Serve:
    """Returns notebook 02's boosted trees with the plan's facts, as a function from cases to scores."""
    columns, rng = boosting.read_columns(plan=True), np.random.default_rng(0)
    tables = [boosting.labelled(one, facts(one), NEGATIVES, rng) for one in boosting.earlier_windows(task(), WINDOWS)]
    fitted = boosting.fit_trees(pd.concat(tables, ignore_index=True), columns)

    def serve(split: Split) -> np.ndarray:
        table = facts(split)
        scorer = features.table_scorer(split, table, boosting.predict(fitted, table[columns]))
        return scorer(np.arange(len(split.test_users)))

    return serve


def facts(split: Split) -> pd.DataFrame:
    """Returns the columns of notebook 02, and what the plan says of each item."""
    return boosting.facts(split, shop().timezone, plan=True)


def heads(blocks: int, store: Workspace) -> tuple[Serve, float]:
    """Returns a next-basket model as a function from cases to scores, and the seconds of its training."""
    from recsys_kit import training
    from recsys_kit.training import baskets

    settings = training.Settings(blocks=blocks)
    model = training.trained(store, shop(), task(), settings)
    seconds = float(training.history(store, shop(), task(), settings)["seconds"].sum())
    seq = baskets.sequences(task().test)
    return lambda split: training.scorer(model, split, seq)(np.arange(len(split.test_users))), seconds


def stages(store: Workspace) -> Serve:
    """Returns notebook 08's two stages as a function from cases to scores; what is no candidate has none."""
    from recsys_kit import training

    model = pipeline.build(store, shop(), task(), training.Settings())

    def serve(split: Split) -> np.ndarray:
        scorers = two_stages.sources(model, split)
        known = ranking.Facts(split, shop().items, shop().timezone)
        table = two_stages.candidate_table(known, scorers)
        scorer = ranking.pair_scorer(split, table, recommendation.score(model, table))
        return scorer(np.arange(len(split.test_users)))

    return serve


def row(method: str, folder: str = "workspace") -> dict[str, object]:
    """Returns what a method costs and reaches: a row of `results/serving_cost.json`."""
    began, store = time.process_time(), Workspace(folder)
    trained = 0.0
    if method in RULES:
        scorer = RULES[method](task().test)
        all_users = {int(user): place for place, user in enumerate(task().test.test_users)}
        serve = lambda split: scorer(np.array([all_users[int(user)] for user in split.test_users]))  # noqa: E731
    elif method in HEADS:
        serve, trained = heads(HEADS[method], store)
    else:
        serve = trees() if method == TREES else stages(store)
    ready = trained or time.process_time() - began
    serve(two_stages.some_cases(task().test, WARM, seed=1))
    began = time.process_time()
    serve(two_stages.some_cases(task().test, ASKED))
    seconds = (time.process_time() - began) / ASKED
    parts = np.array_split(np.arange(len(task().test.test_users)), 6)
    found = [evaluation.evaluate(serve(_part(rows)), _part(rows).answers)["ndcg"] for rows in parts]
    made = {"method": method, "ndcg": round(float(np.concatenate(found).mean()), 5)}
    cost = {"seconds": float(f"{seconds:.3g}"), "ready": round(ready, 1)}
    return made | (cost if method != POPULARITY else {})  # a row to be computed again holds no time


def _part(rows: np.ndarray) -> Split:
    """Returns the test split with some of its cases."""
    from dataclasses import replace

    split = task().test
    return replace(
        split,
        test_users=split.test_users[rows],
        answers=split.answers[rows],
        answer_times=split.answer_times[rows],
    )


def main() -> None:
    """Measures one method after the other and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--workspace", default="workspace", help="where trained models are")
    options = parser.parse_args()
    rows = []
    for method in (*RULES, TREES, *HEADS, STAGES):
        rows.append(row(method, options.workspace))
        print(rows[-1], flush=True)
    results_file.write(
        options.out,
        rows,
        command=f"python benchmarks/serving_cost.py --out {options.out.as_posix()}",
        row="benchmarks/serving_cost.py:row",
        cheapest={"method": POPULARITY},
        data=shop().fingerprint,
        seeds=[0],
    )


if __name__ == "__main__":
    main()
