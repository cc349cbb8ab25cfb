"""How fast a model ages: the same weeks, judged with models of different ages (notebook 17).

    python benchmarks/freshness.py --out benchmarks/results/freshness.json

Rows: `counting` (decayed frequency with popularity; its histories end so many days before the week), `trees, fresh
histories` (trees that learned so long ago, and read tonight's histories) and `trees, old histories` (nothing is fresh).
`sequence, ...` is notebook 05's next-basket model without blocks, each trained from scratch on all that lies before its
day: three epochs, a thousand candidates. It knows no item that came later; `known` is its difference to the fresh model
among the items that it knows, so that news and age are told apart. `sequence, warm start` goes on each night for three
weeks from the weights of the night before, on a tenth of all households; `sequence, warm start on the day` on the
baskets of the day alone. Neither learns new items; their settings were not tuned.

`search, tower`: notebook 10's two towers, trained on the documents that had been sold so long before a day, by sales
until then, and judged on the judged queries whose right documents include one first sold since: NDCG@10 among all that
had been sold by the day, with the new ones as right answers and the right ones that are not new taken out. Beside it
what is not trained: the encoder alone, words (BM25, glossary, spelling), and the gated sum of both. `fresh` is the
tower trained on the day, `difference` the distance to it with an interval over intents, `known` the distance on all
queries among the documents that the old tower knows. Mean of three seeds; queries of both halves: nothing is chosen.
What is there is kept with `--add`; `--only` makes some kinds.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, features, preprocessing, results_file, search, training
from recsys_kit.neural.losses import inclusion_bce
from recsys_kit.operations import freshness
from recsys_kit.search import corpus, fusion, lexical, queries, two_tower
from recsys_kit.search import index as search_index
from recsys_kit.search import vectors as search_vectors
from recsys_kit.training import baskets

WEEKS = tuple(f"{day:%Y-%m-%d}" for day in pd.date_range("2017-06-04", periods=8, freq="28D"))
COUNTED = (0, 1, 7, 28, 84)
LEARNED = (0, 28, 84)
KINDS = ("counting", "trees, fresh histories", "trees, old histories")
FRESH, OLD, UNTRAINED = "sequence, fresh histories", "sequence, old histories", "sequence, untrained"
WARM, ON_THE_DAY = "sequence, warm start", "sequence, warm start on the day"
SEQUENCE = (FRESH, OLD, UNTRAINED, WARM, ON_THE_DAY)
CHAINS = ("2017-11-19", "2017-08-27")  # days from which on there are so many nights of a warm start
NIGHTS = 21
TOWER = "search, tower"
SEARCH = (TOWER, "search, encoder", "search, words", "search, words and encoder")
SEARCHED = {"2017-12-01": (28, 84, 168, 252), "2017-09-01": (28, 84, 168)}  # before them the year has begun
SEEDS = (0, 1, 2)  # of the towers
SETTINGS = training.Settings(blocks=0, candidates=1000, epochs=3)
GENTLE = 5e-4  # learning rate of a warm start: a tenth of the usual peak
PART = 23  # batches of a night's training: a tenth


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def events() -> pd.DataFrame:
    """Returns its cleaned events."""
    return preprocessing.clean(shop())[0]


@cache
def week(start: str) -> preprocessing.Split:
    """Returns a judged week."""
    return freshness.week(events(), pd.Timestamp(start, tz="UTC"))


@cache
def _rows(start: str) -> pd.DataFrame:
    return features.ranking_features(week(start), shop().timezone)


@cache
def values(kind: str, start: str, age: int) -> pd.Series:
    """Returns NDCG@10 in each case of a week, by a model that is so many days old."""
    split, at = week(start), pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    if kind in SEQUENCE:
        return _ndcg(_scores(kind, start, age), split.answers)
    if kind == "counting":
        return freshness.counting(split, at)
    if kind == "trees, old histories" and not age:
        return values("trees, fresh histories", start, 0)
    model = _trees(start, age)
    if kind == "trees, fresh histories":
        return freshness.tree_values(model, split, _rows(start))
    old = freshness.aged(split, at)
    return freshness.tree_values(model, old, features.ranking_features(old, shop().timezone))


@cache
def _trees(start: str, age: int):
    at = pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    return freshness.trees(events(), shop().timezone, at)


def _ndcg(scores: np.ndarray, answers) -> pd.Series:
    return evaluation.evaluate(lambda rows: scores[rows], answers)["ndcg"]


@lru_cache(maxsize=3)
def _scores(kind: str, start: str, age: int) -> np.ndarray:
    """Returns what a sequence model says in each case of a week, (N, V); an item that it does not know comes last."""
    split, at = week(start), pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    if kind in (WARM, ON_THE_DAY):
        model, items, _ = _warm(kind, f"{at:%Y-%m-%d}", age)
    else:
        model, items, _ = _sequence(f"{at:%Y-%m-%d}", 0 if kind == UNTRAINED else SETTINGS.epochs)
    column = split.items.get_indexer(items)
    read = freshness.aged(split, at) if kind == OLD else split
    found = training.scorer(model, _among(read, items))(np.arange(len(split.test_users)))
    scores = np.full((len(found), len(split.items)), found.min() - 1, np.float32)
    scores[:, column] = found
    return scores


def _among(split: preprocessing.Split, items: pd.Index) -> preprocessing.Split:
    """Returns a split whose catalogue, a part of the split's, is all that its history tells of."""
    place = items.get_indexer(split.items)[split.history["item"]]
    history = split.history.assign(item=place.astype(np.int32))[place >= 0].reset_index(drop=True)
    return replace(split, items=items, history=history)


@cache
def _sequence(day: str, epochs: int) -> tuple[keras.Model, pd.Index, float]:
    """Returns a model trained from scratch on all before a day, its catalogue, and the CPU seconds that it took."""
    began, split = time.process_time(), week(day)
    keras.utils.set_random_seed(SETTINGS.seed)
    data = training.BasketBatches(baskets.sequences(split), SETTINGS)
    model = training.build(shop(), split, SETTINGS, len(data) * SETTINGS.epochs)
    model.get_layer("repeat").adapt([data[i][0] for i in range(0, len(data), max(1, len(data) // 8))])
    if epochs:
        model.fit(data, epochs=epochs, verbose=0, shuffle=False)
    return model, split.items, time.process_time() - began


class _OnTheDay(training.BasketBatches):
    """The last basket of the households that came yesterday, and nothing else."""

    def __init__(self, seq: baskets.Sequences, settings: training.Settings):
        super().__init__(seq, settings)
        last = np.append(seq.days, -1.0)[np.maximum(seq.basket_start[1:] - 1, 0)]
        came = np.flatnonzero((last >= seq.last - 1) & (seq.baskets() >= 3))
        came = came[np.argsort(seq.baskets()[came], kind="stable")]
        self.batches = np.array_split(came, max(1, len(came) // 16))
        self.start_epoch(0)

    def _positions(self, sizes: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return (sizes > 0).sum(1, keepdims=True) - 2  # the basket before the last


@cache
def _warm(kind: str, day: str, nights: int) -> tuple[keras.Model, pd.Index, float]:
    """Returns the model of a day after some nights of going on, its catalogue, and the CPU seconds of the nights."""
    first, items, _ = _sequence(day, SETTINGS.epochs)
    model = training.build(shop(), week(day), SETTINGS)
    model.set_weights(first.get_weights())
    optimizer = keras.optimizers.AdamW(GENTLE, weight_decay=SETTINGS.weight_decay, clipnorm=1.0)
    loss = {"repeat": inclusion_bce, "discover": inclusion_bce}
    model.compile(optimizer, loss=loss, jit_compile=False)
    began = time.process_time()
    for night in range(1, nights + 1):
        at = pd.Timestamp(day, tz="UTC") + pd.Timedelta(days=night)
        seq = baskets.sequences(freshness.week(events(), at, items))
        settings = replace(SETTINGS, seed=night, window=256 if kind == ON_THE_DAY else SETTINGS.window)
        data = _OnTheDay(seq, settings) if kind == ON_THE_DAY else training.BasketBatches(seq, settings, count=PART)
        model.fit(data, epochs=1, verbose=0, shuffle=False)
    return model, items, time.process_time() - began


def _of_sequence(kind: str, start: str, age: int) -> dict[str, Any]:
    """Returns what a row of a sequence model says beyond the others."""
    split, at = week(start), pd.Timestamp(start, tz="UTC") - pd.Timedelta(days=age)
    pair = evaluation.paired_difference(values(kind, start, age), values(FRESH, start, 0))
    found = {"low": round(float(pair["low"]), 5), "high": round(float(pair["high"]), 5)}
    if age:
        items = _sequence(f"{at:%Y-%m-%d}", SETTINGS.epochs)[1]
        column = split.items.get_indexer(items)
        answers = split.answers[:, column]
        cases = np.flatnonzero(np.diff(answers.indptr))
        one, other = (
            _ndcg(_scores(*which)[cases][:, column], answers[cases])
            for which in ((kind, start, age), (FRESH, start, 0))
        )
        found |= {"new_items": len(split.items) - len(items), "known": round(float((one - other).mean()), 5)}
    if kind in (WARM, ON_THE_DAY):
        return found | {"cpu_seconds": round(_warm(kind, f"{at:%Y-%m-%d}", age)[2], 1)}
    return found | ({} if age or kind == UNTRAINED else {"cpu_seconds": round(_sequence(start, SETTINGS.epochs)[2], 1)})


@cache
def _documents() -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    """Returns what can be searched for, the document of each item, and when each document was first sold."""
    documents, items = corpus.documents(shop())
    of_item, bought = items.set_index("item_id")["document"], shop().events
    first = bought["timestamp"].groupby(bought["item_id"].map(of_item)).min()
    return documents, of_item, first.reindex(range(len(documents)))


@cache
def _asked() -> tuple[pd.DataFrame, np.ndarray]:
    """Returns the judged queries and their (Q, P) grades."""
    return search.task(shop(), _documents()[0])


@cache
def _encoded() -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns the vectors of the documents' texts, and those of the queries."""
    parts = {name: search_vectors.encode(text) for name, text in corpus.texts(_documents()[0], True).items()}
    return parts, search_vectors.encode(_asked()[0]["query"].tolist())


@cache
def _words() -> tuple[np.ndarray, np.ndarray]:
    """Returns the (Q, P) scores of words, and which part of each query is known."""
    text = corpus.texts(_documents()[0], True)
    index = lexical.Lexical([" ".join(both) for both in zip(text["both"], text["both_zh"], strict=True)], spelling=True)
    asked = _asked()[0]["query"]
    return np.stack([index.scores(one) for one in asked]), np.array([index.known(one) for one in asked])


def _sold(day: str) -> pd.DataFrame:
    """Returns the documents with how often each was sold before a day."""
    documents, of_item, _ = _documents()
    sold = corpus.sold_before(shop(), pd.Timestamp(day, tz="UTC"))
    return documents.assign(sold=sold.groupby(of_item).sum().reindex(documents.index).fillna(0).astype(int))


@cache
def _towers(day: str) -> list[np.ndarray]:
    """Returns the (Q, P) scores of towers trained on what had been sold before a day, one for each seed."""
    documents, (parts, asked), found = _sold(day), _encoded(), []
    documents = documents[documents["sold"] > 0]
    own = {name: part[documents.index] for name, part in parts.items()}
    documents = documents.reset_index(drop=True)
    own["paraphrase"] = search_vectors.encode(corpus.paraphrases(documents, True)[0])
    text, target = search_vectors.pairs(documents, own, True)
    for seed in SEEDS:
        model = two_tower.train(text, target, fusion.views(own), 3, learning_rate=3e-4, seed=seed).model
        sides = (
            two_tower.transform(model, asked, "query"),
            two_tower.transform(model, fusion.views(parts), "document"),
        )
        found.append(fusion.best_view(*sides))
    return found


def _untrained(kind: str) -> list[np.ndarray]:
    (parts, asked), (words, known) = _encoded(), _words()
    meaning = fusion.best_view(asked, fusion.views(parts))
    if kind == "search, words":
        return [words]
    if kind == "search, encoder":
        return [meaning]
    return [fusion.gated(fusion.weighted(meaning, words, search_index.WEIGHT), meaning, known, search_index.LEAST)]


def _searched(scores: list[np.ndarray], right: np.ndarray, listed: np.ndarray) -> pd.Series:
    """Returns NDCG@10 of each intent, the mean over seeds.

    Args:
        scores: Of each seed, (Q, P).
        right: (P,) documents that count as answers; others that would answer a query are taken out of its list.
        listed: (P,) documents that can be found at all.
    """
    asked, grade = _asked()
    shown = listed & ~((grade > 0) & ~right)
    there = ((grade > 0) & right).any(1)
    ndcg = [
        queries.scores(np.where(shown, one, -np.inf)[there], np.where(right, grade, 0)[there])["ndcg"] for one in scores
    ]
    return (sum(ndcg) / len(ndcg)).groupby(asked.loc[there, "intent_id"].to_numpy()).mean()


def _of_search(kind: str, day: str, age: int) -> dict[str, Any]:
    """Returns a row on the search for what is new."""
    first, at = _documents()[2], pd.Timestamp(day, tz="UTC")
    then = at - pd.Timedelta(days=age)
    here, old = (first < at).to_numpy(), (first < then).to_numpy()
    new, fresh = here & ~old, _towers(day)
    scores = _towers(f"{then:%Y-%m-%d}") if kind == TOWER else _untrained(kind)
    found, beside = (_searched(each, new, here) for each in (scores, fresh))
    pair = evaluation.paired_difference(found, beside)
    grade = _asked()[1]
    row = {"kind": kind, "week": day, "age": age, "cases": int(((grade > 0) & new).any(1).sum()), "intents": len(found)}
    row |= {"ndcg": float(found.mean()), "fresh": float(beside.mean()), "difference": float((found - beside).mean())}
    row |= {"low": float(pair["low"]), "high": float(pair["high"])}
    taught = _sold(day)["sold"].to_numpy() >= 3
    row |= {"new_items": int(new.sum()), "learned": int((new & taught).sum())}
    known = evaluation.paired_difference(*(_searched(each, old, old) for each in (scores, fresh)))
    row |= {"known": float(known["difference"]), "known_low": float(known["low"]), "known_high": float(known["high"])}
    return {key: round(value, 5) if isinstance(value, float) else value for key, value in row.items()}


def run(kind: str, week: str, age: int) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: One of `KINDS`, `SEQUENCE` or `SEARCH`.
        week: First day of the judged week; of a search the day on which it is asked.
        age: Days since the model saw the shop; of a search that is not trained, since when documents are new.
    """
    if kind in SEARCH:
        return _of_search(kind, week, age)
    found, young = values(kind, week, age), values(FRESH if kind in SEQUENCE else kind, week, 0)
    row = {"kind": kind, "week": week, "age": age, "cases": len(found), "ndcg": round(float(found.mean()), 5)}
    row |= {"difference": round(float((found - young).mean()), 5)}
    return row | (_of_sequence(kind, week, age) if kind in SEQUENCE else {})


def main() -> None:
    """Makes all rows and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    parser.add_argument("--only", nargs="+", choices=[*KINDS, *SEQUENCE, *SEARCH], help="kinds of rows; default: all")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["week"], row["age"]) for row in rows}
    wanted = [(KINDS[0], start, age) for start in WEEKS for age in COUNTED]
    wanted += [(kind, start, age) for start in WEEKS for age in LEARNED for kind in KINDS[1:]]  # week by week
    wanted += [(kind, day, age) for day, ages in SEARCHED.items() for age in ages for kind in SEARCH]
    for start in WEEKS[:1:-1]:
        wanted += [(UNTRAINED, start, 0), (FRESH, start, 0)]
        wanted += [(kind, start, age) for age in LEARNED[1:] for kind in (FRESH, OLD)]
        if start in CHAINS:
            after = f"{pd.Timestamp(start) + pd.Timedelta(days=NIGHTS):%Y-%m-%d}"
            wanted += [(FRESH, after, 0), *((kind, after, NIGHTS) for kind in (FRESH, OLD, WARM, ON_THE_DAY))]
    for one in wanted:
        if one in there or (options.only and one[0] not in options.only):
            continue
        began = time.process_time()
        rows.append(run(*one))
        print(rows[-1], f"{time.process_time() - began:.1f} s", flush=True)
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/freshness.py --out {options.out.as_posix()}",
            row="benchmarks/freshness.py:run",
            cheapest={"kind": KINDS[0], "week": WEEKS[0], "age": 0},
            data=shop().fingerprint,
            seeds=list(SEEDS),
        )


if __name__ == "__main__":
    main()
