"""How true explanations are of the model, on more households than notebook 21 has time for, and how stable over seeds.

    python benchmarks/explainability.py --out benchmarks/results/explainability.json

Faithfulness: notebook 05's model, households drawn at random, for three targets (the first of the list, the list of
ten, the first item that was never bought) the area under the deletion and the insertion curve, case by case. Stability:
the same small model trained with two seeds, Kendall's tau between their attributions. Finished work is kept in
`--parts`, so that it can be cut up: `--until 40` stops after so many households.
"""

from __future__ import annotations

import argparse
import json
import time
from functools import cache
from pathlib import Path

import numpy as np
from scipy.stats import kendalltau

from recsys_kit import datasets, preprocessing, results_file, training, workspace
from recsys_kit.datasets import promotions
from recsys_kit.explainability import attribution, faithfulness
from recsys_kit.training import baskets
from recsys_kit.workspace import atomic

CASES, PARTS = 40, Path("workspace/explainability")
TARGETS = {"first": (1, False), "ten": (10, False), "first new": (1, True)}
METHODS = ("occlusion", "integrated gradients", "attention", "random", "recency", "counts", "same kind")
SMALL = training.Settings(width=32, blocks=2, epochs=1, candidates=1000)
SAMPLE, ASKED = 150, 8  # households that the small models learn from, and how many are asked
MOST = 250  # households with more different items are left out: the cost of occlusion grows with the square
SEEDS = ("0 1", "0 2", "1 2")


@cache
def known(users: int = 0):
    """Returns the kit's own shop, its task, the sequences of the test split and the groups of its items."""
    shop = datasets.load(users=users)
    plan = None if users else promotions.load()  # the small models do without it
    task = preprocessing.task(shop, promotions=plan)
    return shop, task, baskets.sequences(task.test), baskets.item_groups(shop.items, task.test.items)


@cache
def model(users: int, seed: int):
    """Returns notebook 05's model (all households), or a small one trained on a sample."""
    shop, task = known(users)[:2]
    settings = training.Settings(**{**SMALL.__dict__, "seed": seed}) if users else training.Settings(seed=seed)
    return training.trained(workspace.Workspace("workspace"), shop, task, settings)


def explained(
    question: attribution.Question, lists: dict, groups, seed: int, dear: bool = True
) -> dict[str, tuple[dict, float]]:
    """Returns for each target the values (H,) of every method for its items, and the completeness gap.

    Args:
        question: A household.
        lists: For each target its items.
        groups: See `faithfulness.rivals`.
        seed: Of what is drawn.
        dear: Whether also to ask the model again and again; otherwise there is attention alone.
    """
    paid, found = attribution.attention(question), {}
    if not dear:
        return {target: ({"attention": paid}, 0.0) for target in lists}
    falls = attribution.occlusion(question, np.concatenate(list(lists.values())))  # once for all: it costs most
    for (target, asked), part in zip(
        lists.items(), np.split(falls, np.cumsum([len(asked) for asked in lists.values()])[:-1]), strict=True
    ):
        gradients, gap = attribution.integrated_gradients(question, asked)
        values = {"occlusion": part.sum(0), "integrated gradients": gradients, "attention": paid}
        found[target] = values | faithfulness.rivals(question, asked, groups, seed), gap
    return found


def case(number: int, row: int) -> dict:
    """Returns what one household adds: for each target the gap, and each method's two areas."""
    part = PARTS / f"case-{number}.json"
    if part.exists():
        return json.loads(part.read_text(encoding="utf-8"))
    _, task, seq, groups = known()
    question, found = attribution.Question(model(0, 0), task.test, row, seq), {}
    lists = {target: question.ranked(k, new) for target, (k, new) in TARGETS.items()}
    for target, (values, gap) in explained(question, lists, groups, number).items():
        orders = {name: faithfulness.order(value, question) for name, value in values.items()}
        areas = faithfulness.curves(question, lists[target], orders)
        found[target] = {name: [float(x) for x in curve.mean(1)] for name, curve in areas.items()} | {"gap": gap}
    PARTS.mkdir(parents=True, exist_ok=True)
    with atomic(part) as file:
        file.write_text(json.dumps(found), encoding="utf-8")
    return found


def measured(part: str, target: str, method: str, users: int, seeds: str) -> dict:
    """Returns a row: a method's areas case by case in hundredths, or its tau between two seeds."""
    row = {"part": part, "target": target, "method": method, "users": users, "seeds": seeds}
    if part == "stability":
        return row | stability(target, method, users, *map(int, seeds.split()))
    rows = drawn()
    cases = [case(number, row)[target] for number, row in enumerate(rows)]
    for place, name in enumerate(("deletion", "insertion")):
        values = np.array([found[method][place] for found in cases])
        row |= {name: round(float(values.mean()), 4), f"{name}_cases": " ".join(f"{v * 100:.0f}" for v in values)}
    return row | {"largest_gap": round(max(found["gap"] for found in cases), 5)}


def drawn() -> np.ndarray:
    """Returns the cases of the test split that are asked."""
    return some(0, CASES)


def some(users: int, count: int) -> np.ndarray:
    """Returns households at random whose histories hold 30 to `MOST` different items."""
    _, task, seq, _ = known(users)
    held = np.diff(seq.item_start)[task.test.test_users]
    fit = np.flatnonzero((held >= 30) & (held <= MOST))
    return np.random.default_rng(0).permutation(fit)[:count]


@cache
def attributions(users: int, seed: int, dear: bool) -> list[dict]:
    """Returns the attributions of a small model for some households; what is explained is what seed 0's model lists."""
    _, task, seq, groups = known(users)
    found = []
    for row in some(users, ASKED):
        first = attribution.Question(model(users, 0), task.test, row, seq)
        lists = {target: first.ranked(k, new) for target, (k, new) in TARGETS.items()}
        question = attribution.Question(model(users, seed), task.test, row, seq)
        found.append(explained(question, lists, groups, int(row), dear))
    return found


def stability(target: str, method: str, users: int, one: int, other: int) -> dict:
    """Returns Kendall's tau between two seeds: over the whole history, and over what either puts in its first ten."""
    whole, top = [], []
    dear = method != "attention"
    for left, right in zip(attributions(users, one, dear), attributions(users, other, dear), strict=True):
        a, b = left[target][0][method], right[target][0][method]
        either = np.union1d(np.argsort(-a)[:10], np.argsort(-b)[:10])
        whole.append(kendalltau(a, b).statistic)
        top.append(kendalltau(a[either], b[either]).statistic)
    return {
        "tau": round(float(np.nanmean(whole)), 4),
        "tau_first": round(float(np.nanmean(top)), 4),
        "tau_cases": " ".join(f"{value:.3f}" for value in whole),
    }


def main() -> None:
    """Reads the command line, does what is missing and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--until", type=int, default=CASES)
    chosen = parser.parse_args()
    for number, row in enumerate(drawn()[: chosen.until]):
        case(number, row)
        print(f"household {number + 1} of {CASES}, {time.process_time():.0f} s", flush=True)
    if not chosen.out:
        return
    rows = [measured("faithfulness", target, method, 0, "0") for target in TARGETS for method in METHODS]
    for seeds in SEEDS:
        rows += [measured("stability", target, method, SAMPLE, seeds) for target in TARGETS for method in METHODS[:3]]
    results_file.write(
        chosen.out,
        rows,
        command="python benchmarks/explainability.py --out benchmarks/results/explainability.json",
        row="benchmarks/explainability.py:measured",
        cheapest={"part": "stability", "target": "first", "method": "attention", "users": SAMPLE, "seeds": "0 1"},
        data=known()[0].fingerprint,
        seeds=[0, 1, 2],
        packages=["keras"],
    )


if __name__ == "__main__":
    main()
