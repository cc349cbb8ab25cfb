"""Semantic ids: a model that writes an item's codes against one that has a row for each item, at the same budget.

    python benchmarks/semantic_ids.py --out benchmarks/results/semantic_ids.json

Both read what a household bought last and learn, for the same number of steps, what it bought next. The validation
weeks choose the code books, of at most a quarter of the softmax's numbers, and whether codes begin as their centroids
or by chance. The chosen ones are judged on the next basket, on all items and on those that are new to the household,
and on items that were never sold. A softmax whose rows begin as the vectors that codes are made of stands beside them.
What is finished is kept in `--parts`; `--methods 1` makes one trained method that is missing.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import pandas as pd
from keras import ops
from next_basket import SIMPLE
from sklearn.decomposition import PCA
from sklearn.preprocessing import normalize

from recsys_kit import datasets, evaluation, preprocessing, results_file, transformer
from recsys_kit.large_models import generative, semantic_codes
from recsys_kit.neural import fitting, losses, text_encoder
from recsys_kit.next_item import LeaveOneOut, NextItemBatches, prior, training_model
from recsys_kit.optimization import cold_items
from recsys_kit.workspace import atomic

LAST, LENGTH = 200, 100  # purchases of each household that are learned from, and how many a model reads
WIDTH, EPOCHS, RATE, TOKENS, CANDIDATES = 64, 3, 3e-3, 1536, 2048
BEAMS = 200
NEW_ITEMS = 0.2  # part of the catalogue that was never sold, drawn as notebook 07 draws it
PARTS = Path("workspace/semantic_ids")
OUT_OF_REACH = -1e9  # of an item that no beam found


class Codes(NamedTuple):
    """How items are cut into codes: how many, of how many values, and where these begin.

    In the k-means an item counts for a power of its sales.
    """

    levels: int
    size: int
    sales: float = 0.0
    begin: str = "centroids"

    def __str__(self):
        return f"{self.levels} x {self.size}, sales ^ {self.sales:g}, from {self.begin}"


CHOSEN = Codes(1, 3500, 1)
BY_CHANCE = CHOSEN._replace(begin="chance")
SOFTMAX, COUNTING, TIED = "softmax", "decayed frequency + popularity", "text-tied, frozen"
STARTED = "softmax, from text + behaviour"
CODED = {
    "in turn, text + behaviour": (False, "text + behaviour", CHOSEN),
    "in turn, text + behaviour, from chance": (False, "text + behaviour", BY_CHANCE),
    "in parallel, text + behaviour": (True, "text + behaviour", CHOSEN),
    "in turn, random codes": (False, "random", BY_CHANCE),
    "in turn, text": (False, "text", CHOSEN),
    "in parallel, text": (True, "text", CHOSEN),
}
"""Methods that write codes: whether all at once, what the codes come from, and how many there are."""
GRID = {
    str(one): (False, "text + behaviour", one)
    for one in (Codes(3, 512), Codes(3, 1024, 0.5), Codes(2, 1900, 1), BY_CHANCE, CHOSEN)
}
"""Code books that `CHOSEN` was chosen from, by the validation weeks; each within a quarter of the softmax's numbers."""
METHODS = {
    "validation": [SOFTMAX, STARTED, *GRID],
    "next basket": ["popularity", COUNTING, SOFTMAX, STARTED, *list(CODED)[:4]],
    "never sold": ["popularity in category", "own kinds", TIED, *list(CODED)[4:]],
}
AGAINST = {"validation": SOFTMAX, "next basket": SOFTMAX, "never sold": TIED}
LEARNED = {SOFTMAX, STARTED, *CODED, *GRID}
TRAINED = [(task, name) for task, names in METHODS.items() for name in names if name in LEARNED]
SEEDS = [0, 1, 2]
AGAIN = [("next basket", name) for name in (SOFTMAX, STARTED, *list(CODED)[:2])]
"""What is trained with every seed; the others with the first."""
HALVES = {"validation": ("all",), "next basket": ("all", "explore"), "never sold": ("all",)}
ARGUMENTS = ("task", "half", "method", "seed")
CHEAPEST = ("next basket", "all", "popularity", 0)
FACTS = ("item_parameters", "steps", "minutes")
CHECKS = ("beams", "beams_no_item", "free_beams_no_item", "lists_equal", "largest_error", "equal_codes", "explained")


def row(task: str, half: str, method: str, seed: int) -> dict[str, object]:
    """Returns what a method reaches on a task: a row of `results/semantic_ids.json`.

    `difference` is to the softmax model, or on items never sold to notebook 07's model, with its 95% interval over
    households; `share` is the ratio of the two means.
    """
    found, facts = cases(task, method, seed)
    against = AGAINST[task] if method not in (AGAINST[task], "popularity", "popularity in category") else ""
    mine, theirs = found[half], cases(task, against, seed)[0][half] if against else None
    made = dict(zip(ARGUMENTS, (task, half, method, seed), strict=True))
    made |= {"cases": len(mine), "ndcg": float(mine.mean()), "against": against}
    made |= dict.fromkeys(("difference", "low", "high", "share"))
    if theirs is not None:
        pair = evaluation.paired_difference(mine, theirs)
        made |= {name: pair[name] for name in ("difference", "low", "high")}
        made["share"] = made["ndcg"] / float(theirs.mean())
    made |= {name: facts.get(name) for name in (*FACTS, *CHECKS)}
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in made.items()}


@cache
def cases(task: str, method: str, seed: int) -> tuple[dict[str, pd.Series], dict[str, object]]:
    """Returns NDCG@10 of each case, and facts of the model; where `main` keeps what it has computed, from there."""
    if KEPT is None:
        return computed(task, method, seed)
    path = part(task, method, seed)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic(path) as unfinished:
            pd.to_pickle(computed(task, method, seed), unfinished)
    return pd.read_pickle(path)


KEPT: Path | None = None
"""Where an interrupted call left what it had; None for who wants a row computed."""


def part(task: str, method: str, seed: int) -> Path:
    """Returns where a method's cases are kept."""
    return KEPT / f"{task}-{method}-{seed}.pickle".replace(" ", "_")


def computed(task: str, method: str, seed: int) -> tuple[dict[str, pd.Series], dict[str, object]]:
    """Trains a method if it has to be trained, and judges it."""
    began = time.perf_counter()
    if task != "never sold":
        split = dated().validation if task == "validation" else dated().test
        scorer, facts = warm(method, seed, split)
        found = evaluation.evaluate_halves(scorer, split.answers, split.seen())
    else:
        scorer, facts = cold(method, seed)
        new, answers = arrived("test").new, arrived("test").split.answers
        scores = lambda rows: np.where(new, scorer(rows), -np.inf)  # noqa: E731
        found = {"all": evaluation.evaluate(scores, answers, ties="shuffled", seed=seed)}
    if (task, method) in TRAINED:
        facts["minutes"] = math.ceil((time.perf_counter() - began) / 60)
    return {half: table["ndcg"] for half, table in found.items()}, facts


# The next basket


def warm(method: str, seed: int, split: preprocessing.Split) -> tuple[evaluation.Scorer, dict[str, object]]:
    """Returns a method's scores of all items for a split's households, and facts of its model.

    All are trained on what lies before the validation weeks, so that these can choose and the test is looked at once.
    """
    if method in SIMPLE:
        return SIMPLE[method](split), {}
    data = stream(dated().validation)
    if method in (SOFTMAX, STARTED):
        return softmax(data, seed, split, method == STARTED)
    parallel, source, codes = (CODED | GRID)[method]
    words, begin, facts = item_codes(source, data, seed, codes)
    made, more = trained(words, begin, data, parallel, seed)
    facts |= more
    step, sizes = generative.log_chances(made.writer), words.max(axis=0) + 1
    trie, hidden = semantic_codes.Trie(words, sizes), states(made.encoder, split)
    facts |= checks(step, hidden, trie)
    if parallel:
        return lambda rows: _summed(made.writer, hidden[rows], words), facts
    return lambda rows: _found(step, hidden[rows], trie), facts


def softmax(
    data: LeaveOneOut, seed: int, split: preprocessing.Split, started: bool
) -> tuple[evaluation.Scorer, dict[str, object]]:
    """Trains the next-item model with a row for each item; `started`: the rows begin as what the codes are made of."""
    keras.utils.set_random_seed(seed)
    model = transformer.next_item_model(data.size, LENGTH, WIDTH)
    if started:
        vectors = described("text + behaviour", data)
        begin = narrow(vectors).transform(vectors)
        rows = np.array(model.get_layer("item").own)
        rows[1 : len(begin) + 1] = begin * (generative.SPREAD / begin.std())
        model.get_layer("item").own.assign(rows)
    feed = NextItemBatches(data, 0, LENGTH, "sampled_softmax", TOKENS, CANDIDATES, seed=seed)
    steps = fit(training_model(model, "sampled_softmax"), feed)
    table, bias = (
        ops.convert_to_numpy(one)[1:] for one in (model.get_layer("item").own, model.get_layer("logits").bias)
    )
    hidden = states(keras.Model(model.inputs, model.get_layer("norm").output), split)
    return lambda rows: hidden[rows] @ table.T + bias, {"item_parameters": table.size + bias.size, "steps": steps}


def trained(
    words: np.ndarray, begin: list[np.ndarray], data: LeaveOneOut, parallel: bool, seed: int
) -> tuple[generative.Generator, dict]:
    """Trains a model that writes codes; says how many numbers it has for the items, and how many steps it took."""
    keras.utils.set_random_seed(seed)
    made = generative.build(words, LENGTH, WIDTH, parallel)
    made.writer.embedding.start(begin)
    feed = generative.CodeBatches(words, data, 0, LENGTH, tokens=TOKENS, candidates=1, seed=seed)
    steps = fit(made.training, feed)
    own = [*made.writer.embedding.tables, *made.writer.biases]
    return made, {"item_parameters": int(sum(np.prod(one.shape) for one in own)), "steps": steps}


def fit(training: keras.Model, feed: NextItemBatches) -> int:
    """Trains for a fixed number of steps, the same for all."""
    steps = len(feed) * EPOCHS
    rate = fitting.WarmCosine(RATE, steps, max(1, steps // 10))
    training.compile(keras.optimizers.AdamW(rate, weight_decay=0.01, clipnorm=1.0), loss=losses.mean_loss)
    training.fit(feed, epochs=EPOCHS, verbose=0, shuffle=False)
    return steps


def states(encoder: keras.Model, split: preprocessing.Split, block: int = 128) -> np.ndarray:
    """Returns (N, D) the state of each test household after its last purchase; zeros where it has none."""
    data = stream(split)
    high = data.start[split.test_users + 1]
    low = np.maximum(data.start[split.test_users], high - LENGTH)
    found = np.zeros((len(high), WIDTH), np.float32)
    place = np.arange(LENGTH)
    for part in np.array_split(np.flatnonzero(high > low), math.ceil(len(high) / block)):
        flat = low[part, None] + place
        ids = np.where(flat < high[part, None], data.items[np.minimum(flat, len(data.items) - 1)], 0)
        encoded = ops.convert_to_numpy(encoder.predict_on_batch(ids.astype(np.int32)))
        found[part] = encoded[np.arange(len(part)), (high - low)[part] - 1]
    return found


def _summed(writer: generative.CodeWriter, hidden: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Returns (B, V): where codes are written in parallel, an item's score is the sum of its codes' log chances."""
    scores = writer(hidden, np.zeros((len(hidden), words.shape[1]), np.int32))
    each = [ops.convert_to_numpy(ops.log_softmax(one, axis=-1)) for one in scores]
    return sum(one[:, column] for one, column in zip(each, words.T, strict=True))


def _found(step: Callable, hidden: np.ndarray, trie: semantic_codes.Trie, block: int = 16) -> np.ndarray:
    """Returns (B, V): the scores of the items that a beam finds."""
    scores = np.full((len(hidden), len(trie.codes)), OUT_OF_REACH, np.float32)
    for first in range(0, len(hidden), block):
        words, total = generative.beam_search(step, hidden[first : first + block], trie.sizes, BEAMS, trie)
        scores[np.arange(first, first + len(words))[:, None], trie.items_of(words)] = total
    return scores


def checks(step: Callable, hidden: np.ndarray, trie: semantic_codes.Trie, asked: int = 8) -> dict[str, object]:
    """Returns how many of 10,000 beams are no item, with a trie and without, and what a beam misses of exact scores."""
    counts = {}
    for name, where in (("beams_no_item", trie), ("free_beams_no_item", None)):
        words, total = generative.beam_search(step, hidden[:200], trie.sizes, 50, where)
        counts[name] = int((trie.items_of(words) < 0).sum() + np.isinf(total).sum())
    exact = np.concatenate([generative.exact_scores(step, one[None], trie) for one in hidden[:asked]])
    words, total = generative.beam_search(step, hidden[:asked], trie.sizes, BEAMS, trie)
    items = trie.items_of(words)
    best = np.argsort(-exact, axis=1, kind="stable")[:, :10]
    equal = np.mean([set(one[:10]) == set(other) for one, other in zip(items, best, strict=True)])
    error = np.abs(np.take_along_axis(exact, items, axis=1) - total).max()
    return {"beams": 10_000, **counts, "lists_equal": float(equal), "largest_error": float(error)}


# Items that were never sold


def cold(method: str, seed: int) -> tuple[evaluation.Scorer, dict[str, object]]:
    """Returns a method's scores of the items that were never sold, and facts of its model."""
    case, items = arrived("test"), dated().test.items
    table = datasets.items.look_up(shop().items, items)
    category = pd.factorize(table["category"])[0]
    if method == "popularity in category":
        return cold_items.category_popularity(case, category), {}
    if method == "own kinds":
        types = pd.factorize(datasets.items.item_types(shop().items, items))[0]
        return cold_items.own_types(case, types, category), {}
    if method == TIED:
        vectors, code = text_vectors()
        model, _ = cold_items.train(arrived("validation"), vectors, code, settings=cold_items.Settings(windows=1))
        return cold_items.model_scorer(model, case, code), {}
    parallel, source, codes = CODED[method]
    data, new = stream(arrived("validation").split), case.new
    words, begin, facts = item_codes(source, data, seed, codes, new)
    made, more = trained(words, begin, data, parallel, seed)
    unnumbered, at = np.unique(words[new, :-1], axis=0, return_inverse=True)
    trie = semantic_codes.Trie(unnumbered, words.max(axis=0)[:-1] + 1)
    hidden, step = states(made.encoder, case.split), generative.log_chances(made.writer)

    def score(rows: np.ndarray) -> np.ndarray:
        scores = np.full((len(rows), len(new)), -np.inf, np.float32)
        parts = [
            generative.exact_scores(step, hidden[part], trie) for part in np.array_split(rows, len(rows) // 16 + 1)
        ]
        scores[:, new] = np.concatenate(parts)[:, at.ravel()]
        return scores

    return score, facts | more


# What all read


def item_codes(
    source: str, data: LeaveOneOut, seed: int, codes: Codes, new: np.ndarray | None = None
) -> tuple[np.ndarray, list[np.ndarray], dict]:
    """Returns (V, M) codes, the last one the number among equal ones; what the others begin as; and what they leave."""
    sold = prior.popularity(data, 0)
    if source == "random":
        words, begin, facts = semantic_codes.random_codes(data.size, codes.levels, codes.size, seed), [], {}
    else:
        vectors = described(source, data)
        old = np.ones(len(vectors), bool) if new is None else ~new
        book = semantic_codes.learn_codes(vectors[old], codes.levels, codes.size, seed, sold[old] ** codes.sales)
        words, view = book.codes(vectors), narrow(vectors[old]).components_.T
        begin = [one @ view for one in book.levels] if codes.begin == "centroids" else []
        left = ((vectors - book.vectors(words)) ** 2).sum() / ((vectors - vectors.mean(axis=0)) ** 2).sum()
        facts = {"explained": float(1 - left)}
    numbers = semantic_codes.numbered(words, sold)
    return numbers, begin, facts | {"equal_codes": int((numbers[:, -1] > 0).sum())}


def described(source: str, data: LeaveOneOut) -> np.ndarray:
    """Returns (V, T) what is known of items: their texts, and with "behaviour" what they are bought with."""
    known = [small_text()]
    if "behaviour" in source:
        known.append(normalize(prior.cooccurrence_vectors(data, 0, WIDTH)))
    return np.hstack(known)


def narrow(vectors: np.ndarray) -> PCA:
    """Returns what cuts vectors (V, T) to the model's width."""
    return PCA(WIDTH, random_state=0).fit(vectors)


@cache
def text_vectors() -> tuple[np.ndarray, np.ndarray]:
    """Returns the vectors of the distinct texts, and which of them each item has."""
    code, distinct = pd.factorize(pd.Series(cold_items.item_text(shop().items, dated().test.items)))
    return text_encoder.encode(list(distinct)), code


@cache
def small_text() -> np.ndarray:
    """Returns (V, 64) the text vectors' largest directions, of length 1."""
    vectors, code = text_vectors()
    return normalize(PCA(WIDTH, random_state=0).fit_transform(vectors))[code]


@cache
def arrived(name: str) -> cold_items.Arrivals:
    """Returns a split without any purchase of the new items."""
    split = getattr(dated(), name)
    return cold_items.arrivals(split, np.random.default_rng(0).random(len(split.items)) < NEW_ITEMS)


def stream(split: preprocessing.Split) -> LeaveOneOut:
    """Returns the last purchases of each household in the order of its baskets, and in random order within a basket.

    The tables list a basket by item number, an order that says nothing of a household and that a model would learn.
    """
    table = split.history[["user", "item", "timestamp", "basket_id"]]
    table = table.assign(draw=np.random.default_rng(0).random(len(table)))
    table = table.sort_values(["user", "timestamp", "basket_id", "draw"]).groupby("user").tail(LAST)
    start = np.searchsorted(table["user"].to_numpy(), np.arange(len(split.users) + 1))
    return LeaveOneOut((table["item"].to_numpy() + 1).astype(np.int32), start, len(split.items), shop().fingerprint)


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def dated() -> preprocessing.Task:
    """Returns its task, without the promotion plan: what is asked here is what the history says."""
    return preprocessing.task(shop())


def main() -> None:
    """Makes what is missing, and writes the results file if one is named."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the results file; left out: only the parts are made")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where finished methods are kept")
    parser.add_argument("--methods", type=int, default=len(TRAINED) + 2 * len(AGAIN), help="train so many at most")
    options = parser.parse_args()
    global KEPT
    KEPT = options.parts
    wanted = [(*one, seed) for seed in SEEDS for one in AGAIN]
    wanted += [(*one, SEEDS[0]) for one in TRAINED if one not in AGAIN]
    there = [one for one in wanted if part(*one).exists()]
    for one in [one for one in wanted if one not in there][: options.methods]:
        found, facts = cases(*one)
        print(*one, {half: round(float(value.mean()), 4) for half, value in found.items()}, facts, flush=True)
        there.append(one)
    if options.out:
        rows = [
            row(task, half, method, seed)
            for task, names in METHODS.items()
            for half in HALVES[task]
            for method in names
            for seed in SEEDS
            if (task, method, seed) in there or ((task, method) not in TRAINED and seed == 0)
        ]
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/semantic_ids.py --out {options.out.as_posix()}",
            row="benchmarks/semantic_ids.py:row",
            cheapest=dict(zip(ARGUMENTS, CHEAPEST, strict=True)),
            data=shop().fingerprint,
            seeds=SEEDS,
        )
        print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    main()
