"""Does order matter? Blocks against their twin without attention, in simulated shops with known truth and in real ones.

    python benchmarks/laboratory.py --rows simulated --seeds 0 1 2
    python benchmarks/laboratory.py --rows combinations=0.5 --seeds 1
    python benchmarks/laboratory.py --rows "first purchases" --seeds 0 1 2
    python benchmarks/laboratory.py --rows "first purchases, as listed"
    python benchmarks/laboratory.py --rows "basket completion"
    python benchmarks/laboratory.py --rows "next basket"
    python benchmarks/laboratory.py --rows "benchmark file" --file Beauty.txt

Each call adds its rows to `results/laboratory.json`, one after the other. What is there is kept, unless `--anew` is
said: so an interrupted call goes on where it stopped. A simulated shop takes about a minute on one core, a real task
some minutes.
"""

from __future__ import annotations

import argparse
import itertools
import tempfile
from dataclasses import replace
from functools import cache
from pathlib import Path

import keras
import numpy as np
import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, results_file, training, transformer
from recsys_kit.cross_sell import association, basket_completion
from recsys_kit.next_item import LeaveOneOut, additive, laboratory, leave_one_out
from recsys_kit.next_item.batches import NextItemScores
from recsys_kit.next_item.prior import ItemPrior
from recsys_kit.training import baskets
from recsys_kit.workspace import atomic

OUT = Path(__file__).parent / "results" / "laboratory.json"
KNOBS = (0.0, 1.0, 0.5, 0.75, 0.25)
INGREDIENTS = ("counts", "markov", "combinations")
ORDERS = ("as it is", "shuffled when asked", "shuffled")
USERS, LENGTH, READ = 3000, 19, 8  # households of a simulated shop, purchases of each, and how many models read
COUNTING = {
    "household": lambda data: laboratory.by_household(data, 1),
    "household, decayed": lambda data: laboratory.by_household(data, 1, decay=0.8),
    "last item (Markov)": lambda data: laboratory.by_last_item(data, 1),
    "pairs of the last two": lambda data: laboratory.by_pairs(data, 1),
    "co-occurrence": lambda data: ItemPrior(data, 2).scorer(1),
}
MODELS = {"last item's vector": 0, "means of vectors": None, "one block": 1, "two blocks": 2}
"""By name, how many blocks; None is the twin without attention."""
TWIN = "means of vectors"
START = "start vectors"
"""Vectors factorised from the counts that the models of basket completion start from, wider and untrained."""
LISTED = "first purchases, as listed"
"""The task with a leak: inside a basket the order is the file's."""
ONE_AT_A_TIME = ("household", "household, decayed", "last item (Markov)", "co-occurrence", TWIN)
ARGUMENTS = ("task", "ingredient", "knob", "order", "seed", "method")
CHEAPEST = ("simulated", "counts", 0.0, ORDERS[0], 0, "oracle")


def row(task: str, ingredient: str, knob: float, order: str, seed: int, method: str) -> dict[str, object]:
    """Returns what a method reaches on a task: a row of `results/laboratory.json`.

    A method with blocks is compared case by case with its twin (`gain`), and in a simulated shop with the best of all
    that look at one item at a time (`over`, `over_gain`); so are both models of basket completion with untrained
    vectors of the same counts. Each with its 95% interval.
    """
    where = (task, ingredient, knob, order, seed)
    values = cases(*where, method)
    found = dict(zip(ARGUMENTS, (*where, method), strict=True)) | {"cases": len(values), "ndcg": float(values.mean())}
    found |= dict.fromkeys(("gain", "low", "high", "over", "over_gain", "over_low", "over_high"))
    if method.endswith(("block", "blocks")) and method != "no blocks":
        found |= _against(values, cases(*where, "no blocks" if task in OTHERS else TWIN), "")
        if task == "simulated":
            rivals = {name: cases(*where, name) for name in ONE_AT_A_TIME}
            found["over"] = max(rivals, key=lambda name: rivals[name].mean())
            found |= _against(values, rivals[found["over"]], "over_")
    if task == "basket completion" and method.endswith("blocks"):
        found |= {"over": START} | _against(values, cases(*where, START), "over_")
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in found.items()}


def _against(values: pd.Series, rival: pd.Series, prefix: str) -> dict[str, float]:
    pair = evaluation.paired_difference(values, rival)
    return {f"{prefix}{name}": pair[key] for name, key in (("gain", "difference"), ("low", "low"), ("high", "high"))}


@cache
def cases(task: str, ingredient: str, knob: float, order: str, seed: int, method: str) -> pd.Series:
    """Returns NDCG@10 of each case; where `main` keeps what it has computed, it is read from there."""
    where = (task, ingredient, knob, order, seed, method)
    if PARTS is None:
        return computed(*where)
    path = PARTS / f"{'-'.join(map(str, where))}.pickle"
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as part:
            computed(*where).to_pickle(part)
    return pd.read_pickle(path)


PARTS: Path | None = None
"""Where an interrupted call left what it had; None for who wants a row computed."""


def computed(task: str, ingredient: str, knob: float, order: str, seed: int, method: str) -> pd.Series:
    """Returns NDCG@10 of each case."""
    if task in OTHERS:
        return OTHERS[task](order, seed, method)
    data, repeats = sequences(task, ingredient, knob, seed), task == "simulated"
    asked = data if order == ORDERS[0] else laboratory.shuffled(data, 1, seed)
    learned = asked if order == ORDERS[2] else data
    if method == "oracle":
        scorer = laboratory.oracle(truth(ingredient, knob, seed), asked, 1)
    elif method in COUNTING:
        scorer = COUNTING[method](asked)
    else:
        model = trained(task, ingredient, knob, order == ORDERS[2], seed, method)
        scorer = NextItemScores(model, asked, length_of(learned)).scorer(1)
    return laboratory.judge(scorer, asked, 1, repeats=repeats)


def truth(ingredient: str, knob: float, seed: int) -> laboratory.Truth:
    """Returns the shop in which one ingredient has so much to say, and the rest is noise."""
    return laboratory.Truth(**{ingredient: knob}, seed=seed)


@cache
def sequences(task: str, ingredient: str = "", knob: float = 0.0, seed: int = 0) -> LeaveOneOut:
    """Returns a next-item task: simulated, the order of first purchases, or the benchmark file of this name."""
    if task == "simulated":
        return laboratory.simulate(truth(ingredient, knob, seed), USERS, LENGTH, seed)
    if task in FILES:
        return leave_one_out.read(FILES[task])
    return first_purchases(seed, task == LISTED)


FILES: dict[str, Path] = {}
"""Where the benchmark files lie, by name; they are no part of this repository."""


def first_purchases(seed: int = 0, listed: bool = False, last: int = 100) -> LeaveOneOut:
    """Returns what each household bought for the first time, in that order; the last so many items of it.

    Tables list a basket by the items' numbers, and numbers tell of departments. Inside a basket there is no order, so
    one is drawn: what follows what in the file would be a leak. `listed` keeps the file's order, to show that leak.
    """
    dated = dated_task()
    events = dated.events[dated.events["item_id"].isin(dated.test.items)]
    if not listed:
        events = events.sample(frac=1, random_state=seed).sort_values(["user_id", "timestamp"], kind="stable")
    events = events.drop_duplicates(["user_id", "item_id"])
    user = pd.factorize(events["user_id"])[0]
    back = events.groupby("user_id").cumcount(ascending=False).to_numpy()
    enough = np.bincount(user)[user] >= 4
    kept = enough & (back < last)
    user, item = pd.factorize(user[kept])[0], dated.test.items.get_indexer(events["item_id"][kept])
    order = np.argsort(user, kind="stable")
    start = np.searchsorted(user[order], np.arange(user.max() + 2))
    return LeaveOneOut((item[order] + 1).astype(np.int32), start, len(dated.test.items), dated_shop().fingerprint)


def length_of(data: LeaveOneOut) -> int:
    """Returns how many items models read: what 98 of 100 users' histories fit in, 100 at most."""
    if data.read_as.startswith("a simulated shop"):
        return READ
    return int(np.clip(np.percentile(np.diff(data.start), 98), 1, 100))


@cache
def trained(task: str, ingredient: str, knob: float, shuffle: bool, seed: int, method: str) -> keras.Model:
    """Returns a next-item model, trained on the sequences as they are or on shuffled ones."""
    data = sequences(task, ingredient, knob, seed)
    data = laboratory.shuffled(data, 1, seed) if shuffle else data
    simulated = task == "simulated"
    width, dropout = (32, 0.1) if simulated else (64, 0.3)
    keras.utils.set_random_seed(seed)
    if method == TWIN:
        model = additive.mean_model(data.size, width, dropout)
    else:
        model = transformer.next_item_model(data.size, length_of(data), width, MODELS[method], dropout=dropout)
    settings = additive.Settings(seed=seed)
    if not simulated:
        real = {"epochs": 15, "learning_rate": 4e-3, "patience": 3, "repeats": False, "counted": True}
        settings = additive.Settings(**real, loss="sampled_softmax", tokens=None, seed=seed)
    additive.fit(model, data, length_of(data), settings)
    return model


@cache
def dated_shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def dated_task() -> preprocessing.Task:
    """Returns its task, without the promotion plan: what is asked here is what the history says."""
    return preprocessing.task(dated_shop())


def next_basket(order: str, seed: int, method: str) -> pd.Series:
    """Returns NDCG@10 on next baskets of each household; baskets are shuffled whole, with their time stamps."""
    split = dated_task().test
    asked = split if order == ORDERS[0] else laboratory.shuffled_baskets(split, seed)
    if method == "decayed frequency":
        scorer = baselines.personal_frequency(asked, decay=120)
    else:
        scorer = training.scorer(
            _next_basket_model(order == ORDERS[2], seed, 2 if method == "two blocks" else 0), asked
        )
    return evaluation.evaluate(scorer, split.answers)["ndcg"]


@cache
def _next_basket_model(shuffle: bool, seed: int, blocks: int) -> keras.Model:
    past, split = dated_task(), dated_task().validation
    if shuffle:
        past = replace(past, validation=laboratory.shuffled_baskets(split, seed))
    with tempfile.TemporaryDirectory() as folder:
        return training.train(dated_shop(), past, training.Settings(blocks=blocks, seed=seed), folder).model


def completion(order: str, seed: int, method: str) -> pd.Series:
    """Returns NDCG@10 of a hidden item, the mean of each household's baskets. A basket has no order to shuffle."""
    past, check, final = _completion_data(seed)
    ours = {"check": (check, past[0]), "final": (final, past[1])}
    counted = {
        name: basket_completion.Counted(rows, neighbours=None).scorer(asked.rest)
        for name, (asked, rows) in ours.items()
    }
    if method == "co-occurrence":
        return _household_ndcg(final, counted["final"])
    weights = (0.0, 0.5, 1.0, 2.0, 4.0) if method == START else (0.0, 0.35, 0.7, 1.0)
    if method == START:  # of the same baskets as the models: two weeks older than the counts
        alone = {name: association.by_vectors(past[0], asked.rest) for name, (asked, _) in ours.items()}
    else:
        model = _completion_model(seed, 2 if method == "two blocks" else 0)
        alone = {name: basket_completion.scorer(model, asked.rest) for name, (asked, _) in ours.items()}

    def beside(name: str, weight: float) -> pd.Series:
        both = lambda rows: counted[name](rows) + np.float32(weight) * alone[name](rows)  # noqa: E731
        return _household_ndcg(ours[name][0], both)

    return beside("final", max(weights, key=lambda weight: beside("check", weight).mean()))  # chosen on validation


def _household_ndcg(asked: basket_completion.Cases, scorer: evaluation.Scorer) -> pd.Series:
    found = evaluation.evaluate(scorer, asked.answers, exclude=asked.rest)
    return basket_completion.household_means(found, asked, "ndcg")


@cache
def _completion_data(seed: int) -> tuple:
    dated = dated_task()
    table = association.basket_table(dated.events, dated.test.items)
    valid, test = dated.validation.cutoff, dated.test.cutoff
    parts = [table.rows(np.flatnonzero(kept)) for kept in (table.time < valid, table.time < test)]
    check = table.rows(np.flatnonzero((table.time >= valid) & (table.time < test)))
    future = table.rows(np.flatnonzero(table.time >= test))
    check = basket_completion.cases(check, 3, seed).sample(1200, seed)
    return parts, check, basket_completion.cases(future, 3, seed).sample(4000, seed)


@cache
def _completion_model(seed: int, blocks: int) -> keras.Model:
    rows = _completion_data(seed)[0][0]
    groups = baskets.item_groups(dated_shop().items, dated_task().test.items)
    settings = basket_completion.Settings(blocks=blocks, seed=seed)
    return basket_completion.train(rows, basket_completion.Counted(rows), settings, groups).model


OTHERS = {"next basket": next_basket, "basket completion": completion}
"""Tasks that are not of the form next item; their twin is `no blocks`."""


def wanted(rows: str, seeds: list[int]) -> list[tuple]:
    """Returns the arguments of the rows that a word of the command line stands for."""
    if "=" in rows:
        ingredient, knob = rows.split("=")
        return [one for one in wanted("simulated", seeds) if one[1:3] == (ingredient, float(knob))]
    if rows == "simulated":
        shops = [(i, k) for k, i in itertools.product(KNOBS, INGREDIENTS) if k or i == INGREDIENTS[0]]  # 0 is all noise
        methods = ("oracle", *COUNTING, TWIN, "one block")
        grid = [("simulated", i, k, ORDERS[0], seed, m) for i, k in shops for seed in seeds for m in methods]
        more = [one for one in MODELS if one not in methods and 0 in seeds]  # one seed, at full strength
        return grid + [("simulated", i, 1.0, ORDERS[0], 0, m) for i in INGREDIENTS for m in more]
    methods = {"next basket": ("decayed frequency", "no blocks", "two blocks")}
    methods["basket completion"] = ("co-occurrence", START, "no blocks", "two blocks")
    orders = ORDERS[:1] if rows == "basket completion" else ORDERS
    methods = methods.get(rows, ("co-occurrence", "last item's vector", TWIN, "two blocks"))
    return [(rows, "", 0.0, order, seed, method) for seed in seeds for order in orders for method in methods]


def main() -> None:
    """Computes the rows that are asked for and not there yet."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default="simulated", help="simulated, one of its shops, or a task; see above")
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    parser.add_argument("--file", type=Path, help="the benchmark file, with --rows 'benchmark file'")
    parser.add_argument("--anew", action="store_true", help="compute again what is there (not --parts: delete them)")
    parser.add_argument("--parts", type=Path, default=Path("workspace/laboratory"), help="where parts are kept")
    options = parser.parse_args()
    if options.file:
        options.rows = options.file.name
        FILES[options.rows] = options.file
    global PARTS
    PARTS = options.parts
    for arguments in wanted(options.rows, options.seeds):
        if arguments in stored() and not options.anew:
            continue
        made = {one: row(*one) for one in (CHEAPEST, arguments)}
        print({name: value for name, value in made[arguments].items() if value not in ("", None)}, flush=True)
        rows = list((stored() | made).values())
        results_file.write(
            OUT,
            rows,
            command="python benchmarks/laboratory.py --rows simulated --seeds 0 1 2",
            row="benchmarks/laboratory.py:row",
            cheapest=dict(zip(ARGUMENTS, CHEAPEST, strict=True)),
            data=dated_shop().fingerprint,
            seeds=sorted({one["seed"] for one in rows}),
        )


def stored() -> dict[tuple, dict]:
    """Returns the rows that are there, by their arguments."""
    rows = results_file.read(OUT).rows if OUT.exists() else []
    return {tuple(one[name] for name in ARGUMENTS): one for one in rows}


if __name__ == "__main__":
    main()
