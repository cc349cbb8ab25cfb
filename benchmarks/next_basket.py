"""Is it luck? The next-basket Transformer against the simple rules, for several cutoffs and seeds.

    python benchmarks/next_basket.py --cutoffs 2017-12-01 2017-10-15 2017-09-01 --seeds 0 1 2

Prints a JSON line for each training: the scores on the test households, and the paired differences with their 95%
bootstrap intervals. Then, for each cutoff, the median over the seeds. A training takes some minutes on two cores.

    python benchmarks/next_basket.py --only-rules benchmarks/results/simple_rules.json

Trains nothing: writes what the simple rules reach at these three cutoffs, in a minute.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import cache
from pathlib import Path

import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, results_file, training
from recsys_kit.datasets import promotions

RULES = ("decayed frequency", "decayed frequency + popularity", "user-kNN")
SIMPLE = {
    "popularity": baselines.popularity,
    "personal frequency": baselines.personal_frequency,
    "decayed frequency": lambda split: baselines.personal_frequency(split, decay=120.0),
    "decayed frequency + popularity": lambda split: baselines.personal_frequency(
        split, decay=120.0, popularity_weight=0.3
    ),
    "user-kNN": baselines.user_knn,
}
CUTOFFS = ("2017-12-01", "2017-10-15", "2017-09-01")


def rules(split: preprocessing.Split) -> dict[str, evaluation.Scorer]:
    """Returns the simple rules that are hardest to beat, on all items and on new ones."""
    return {name: SIMPLE[name](split) for name in RULES}


def judge(scorer: evaluation.Scorer, split: preprocessing.Split) -> dict[str, pd.Series]:
    """Returns NDCG@10 of each case, on all items and on items that a household never bought."""
    found = evaluation.evaluate_halves(scorer, split.answers, split.seen())
    return {half: result["ndcg"] for half, result in found.items()}


def against(ours: pd.Series, theirs: pd.Series) -> list[float]:
    """Returns the difference of two means and its interval."""
    pair = evaluation.paired_difference(ours, theirs)
    return [round(float(pair[key]), 4) for key in ("difference", "low", "high")]


@cache
def task(cutoff: str) -> preprocessing.Task:
    """Returns the kit's own shop as a task that ends at a cutoff."""
    return preprocessing.task(datasets.load(), cutoff)


def rule_row(cutoff: str, rule: str) -> dict[str, object]:
    """Returns what a simple rule reaches at a cutoff: a row of `results/simple_rules.json`."""
    split = task(cutoff).test
    found = judge(SIMPLE[rule](split), split)
    means = {half: round(float(values.mean()), 6) for half, values in found.items()}
    return {"cutoff": cutoff, "rule": rule, "households": len(found["all"]), **means}


def write_rules(path: Path) -> None:
    """Writes what the simple rules reach at all cutoffs to a results file."""
    rows = [rule_row(cutoff, rule) for cutoff in CUTOFFS for rule in SIMPLE]
    results_file.write(
        path,
        rows,
        command=f"python benchmarks/next_basket.py --only-rules {path.as_posix()}",
        row="benchmarks/next_basket.py:rule_row",
        cheapest={"cutoff": CUTOFFS[0], "rule": "popularity"},
        data=datasets.load().fingerprint,
    )
    print(pd.DataFrame(rows).round(4).to_string(index=False))


def main() -> None:
    """Runs all trainings, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--cutoffs", nargs="+", default=["2017-12-01"], help="first days of the test period")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--epochs", type=int, default=training.Settings.epochs)
    parser.add_argument("--no-promotions", action="store_true", help="the model must not read the promotion plan")
    parser.add_argument("--only-rules", type=Path, metavar="FILE", help="train nothing, write the rules' figures here")
    options = parser.parse_args()
    if options.only_rules:
        write_rules(options.only_rules)
        return
    shop = datasets.load()
    plan = None if options.no_promotions else promotions.load()
    rows = []
    for cutoff in options.cutoffs:
        dated = preprocessing.task(shop, cutoff, promotions=plan)
        simple = {name: judge(scorer, dated.test) for name, scorer in rules(dated.test).items()}
        for seed in options.seeds:
            settings, began = training.Settings(epochs=options.epochs, seed=seed), time.perf_counter()
            with tempfile.TemporaryDirectory() as folder:
                model, record = training.train(shop, dated, settings, folder)
            ours = judge(training.scorer(model, dated.test), dated.test)
            row = {"cutoff": cutoff, "seed": seed, "promotions": plan is not None, "households": len(ours["all"])}
            row |= {"train_seconds": round(time.perf_counter() - began), "best_epoch": int(record["ndcg"].idxmax()) + 1}
            row |= {
                f"validation {half}": round(float(record[name].max()), 4)
                for half, name in (("all", "ndcg"), ("explore", "explore"))
            }
            for half, values in ours.items():
                row[half] = round(float(values.mean()), 4)
                row |= {f"{half}: {name}": round(float(simple[name][half].mean()), 4) for name in RULES}
                row |= {f"{half} minus {name}": against(values, simple[name][half]) for name in RULES}
            print(json.dumps(row), flush=True)
            rows.append(row)
    numbers = pd.DataFrame(rows).groupby("cutoff", sort=False)[["all", "explore"]]
    print(numbers.agg(["median", "min", "max"]).round(4).to_string())


if __name__ == "__main__":
    main()
