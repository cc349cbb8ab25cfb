"""Lessons of newcomers: what is known before each of their baskets, and what is bought in it (notebook 07).

Letters for shapes: N newcomers, B of a batch, P lessons (at most k), R rows (lessons and query of each newcomer), C
candidate items, F facts, D width, V items of the catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import keras
import numpy as np
import scipy.sparse as sp
from sklearn.preprocessing import normalize

from recsys_kit.neural import devices, sampling
from recsys_kit.neural.ranges import ragged
from recsys_kit.optimization.newcomers import Episode
from recsys_kit.training import baskets
from recsys_kit.training.scores import joined

__all__ = ["NEWCOMER_FACTS", "batch", "facts", "own_scores", "query", "vectors"]

NEWCOMER_FACTS = (
    "known",
    "count",
    "fresh",
    "in last basket",
    "known x rebuy rate",
    "known x popularity",
    "known / baskets",
    "popularity",
    "popularity, two weeks",
    "type bought",
    "type count",
    "type x share",
    "category count",
    "neighbours",
    "popularity / baskets",
    "neighbours / baskets",
    "display",
    "mailer",
    "front page",
    "usual display",
    "usual mailer",
    "usual front page",
    "Transformer, known",
    "Transformer, new",
    "Transformer, known / baskets",
    "Transformer, new / baskets",
)
"""What a scoring layer reads of each household and item; the last four need the next-basket Transformer."""


def _prefixes(ep: Episode, cases: np.ndarray, length: int) -> dict[str, np.ndarray | sp.csr_matrix]:
    """Cuts each newcomer's baskets into lessons.

    Returns:
        `count` (R, V) and `last` (R, V) sparse: how often, and on which day each item was bought; `newest` (R, V)
        the last basket before; `day` (R,) when the row is asked; `baskets` (R,) before; `target` (R, V)
        the basket that follows (empty for the query); R = B (length + 1): lesson 0 to length - 1, then the query.
    """
    seq, split = ep.seq, ep.split
    users = split.test_users[cases]
    end = seq.basket_start[users + 1]
    have = np.minimum(end - seq.basket_start[users], length)
    basket, owner, place = ragged(end - have, end)
    rows, who, _ = ragged(seq.row_start[basket], seq.row_start[basket + 1])
    item = seq.items[seq.item_start[users[owner[who]]] + seq.row_item[rows]] - 1
    owner, place, day = owner[who], place[who], seq.days[basket][who]
    shape = (len(cases) * (length + 1), len(split.items))
    steps = np.arange(length + 1)
    asked = np.zeros((len(cases), length + 1), np.float32)
    asked[:, length] = seq.day(split.answer_times[cases])
    asked[owner, place] = day
    size = np.minimum(steps, have[:, None])
    size[:, length] = have
    valid = steps < have[:, None]
    # A purchase in basket `place` is known to all later lessons and to the query.
    entry, step = np.nonzero((place[:, None] < steps) & (steps < have[owner][:, None]) | (steps == length))
    row = owner[entry] * (length + 1) + step
    count = sp.coo_matrix((np.ones(len(row), np.float32), (row, item[entry])), shape).tocsr()
    order = np.lexsort((day[entry], item[entry], row))
    row, column, when, which = row[order], item[entry][order], day[entry][order], place[entry][order]
    newest = np.r_[(np.diff(row) != 0) | (np.diff(column) != 0), True] if len(row) else np.zeros(0, bool)
    last = sp.csr_matrix((when[newest] + 1, (row[newest], column[newest])), shape)
    in_last = newest & (which == size[row // (length + 1), row % (length + 1)] - 1)
    return {
        "count": count,
        "last": last,
        "newest": sp.csr_matrix((np.ones(in_last.sum(), np.float32), (row[in_last], column[in_last])), shape),
        "day": asked.ravel(),
        "baskets": size.ravel(),
        "valid": valid[:, :length],
        "target": sp.csr_matrix((np.ones(len(item), np.float32), (owner * (length + 1) + place, item)), shape),
    }


def facts(
    ep: Episode, rows: dict, pick: np.ndarray, candidates: np.ndarray, logits: np.ndarray | None = None
) -> Iterator[np.ndarray]:
    """Yields what is known of each row and candidate, in the order of `NEWCOMER_FACTS`.

    Args:
        ep: The episode.
        rows: What `_prefixes` returned.
        pick: (R,) which of the rows.
        candidates: (C,) columns.
        logits: (R, C) of the next-basket Transformer, if there is one.

    Yields:
        Each fact as (R, C), or as something that broadcasts to it.
    """
    seq, item = ep.seq, {name: values[candidates] for name, values in ep.facts.items()}
    count, day = rows["count"][pick], rows["day"][pick]
    known = count[:, candidates].toarray()  # (R, C)
    bought = (known > 0).astype(np.float32)
    yield bought
    yield np.log1p(known)
    last = rows["last"][pick].copy()
    owner = np.repeat(np.arange(len(day)), np.diff(last.indptr))
    last.data = np.exp(-(day[owner] + 1 - last.data) / 30).astype(np.float32)
    yield last[:, candidates].toarray()
    yield rows["newest"][pick][:, candidates].toarray()
    yield bought * item["rebuy"]
    yield bought * item["popular"]
    few = (1 / (1 + rows["baskets"][pick]))[:, None].astype(np.float32)  # (R, 1): what is known of is weighed by this
    yield bought * few
    yield item["popular"][None]
    yield item["recent"][None]
    types = _summed(count, ep.facts["item_type"])  # (R, types)
    some = (types > 0).astype(np.float32)[:, item["item_type"]]
    yield some
    yield np.log1p(types)[:, item["item_type"]]
    yield some * item["share"]
    yield np.log1p(_summed(count, ep.facts["category"]))[:, item["category"]]
    count.data = np.log1p(count.data)
    taste = count @ seq.basis[1:]  # (R, V) @ (V, rank)
    neighbours = np.maximum(taste @ seq.lately[-1][candidates + 1].T, 0)
    neighbours = np.log1p(neighbours * np.float32(300)) / 4
    yield neighbours
    yield few * item["popular"]
    yield few * neighbours
    if not seq.plan.shape[-1]:
        yield from [np.zeros((1, 1), np.float32)] * 6
    else:
        week = seq.plan_week(day)
        now = np.stack([seq.plan[w, candidates + 1] for w in np.unique(week)])[np.unique(week, return_inverse=True)[1]]
        usual = seq.usual[-1][candidates + 1]
        yield from np.moveaxis(now, -1, 0)
        yield from np.moveaxis(usual[None], -1, 0)
    if logits is not None:
        yield bought * logits
        yield (1 - bought) * logits
        yield few * bought * logits
        yield few * (1 - bought) * logits


def _inputs(
    ep: Episode, cases: np.ndarray, length: int, candidates: np.ndarray, query_only: bool = False
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Returns what a Transformer reads before each lesson and the query, or the query alone, and the places asked."""
    seq, split = ep.seq, ep.split
    users = split.test_users[cases]
    end = seq.basket_start[users + 1]
    have = np.minimum(end - seq.basket_start[users], length)
    x = baskets.history_arrays(seq, users, end - have, end)
    position = np.minimum(np.arange(length + 1) - 1, have[:, None] - 1)
    position[:, -1] = have - 1
    day = np.take_along_axis(x["days"], np.minimum(position + 1, x["days"].shape[1] - 1), 1)
    day[:, -1] = seq.day(split.answer_times[cases])
    if query_only:
        position, day = position[:, -1:], day[:, -1:]
    x |= baskets.position_arrays(np.maximum(position, 0), np.maximum(day, 0))
    x |= baskets.market_arrays(seq, x, (candidates + 1).astype(np.int32))
    return x, position


def _logits(model: keras.Model, x: dict, position: np.ndarray, candidates: np.ndarray, size: int) -> np.ndarray:
    """Returns a Transformer's logits (B, P, C) of the candidates; `size` is V."""
    place = np.full(size + 1, -1)
    place[candidates[::-1] + 1] = np.arange(len(candidates))[::-1]  # of equal ones (padding), the first
    place[0] = -1  # padding
    scores = joined(devices.trace_once(model).predict_on_batch(x), place[x["items"]], baskets.known(x))
    scores[position < 0] = -4.0  # nothing to go by
    return (scores + 4) / 2  # about as large as the other facts


def _summed(count: sp.csr_matrix, code: np.ndarray) -> np.ndarray:
    """Adds up counts (R, V) by group."""
    group = sp.csr_matrix((np.ones(len(code), np.float32), (np.arange(len(code)), code)))
    return (count @ group).toarray()


def vectors(ep: Episode) -> np.ndarray:
    """Returns (V, D) directions of length 1 in which a newcomer's taste may move: the shop's directions of taste."""
    return normalize(ep.seq.basis[1:].astype(np.float64)).astype(np.float32)  # in float32, tiny ones would count as 0


def batch(
    ep: Episode,
    cases: np.ndarray,
    length: int,
    drawn: int,
    rng: np.random.Generator,
    plain: keras.Model | None = None,
    with_answers: bool = True,
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Builds the lessons and the query of some newcomers over shared candidates.

    Candidates are all items that the baskets hold, and a sample in proportion to popularity^0.75, in which each stands
    for those that were not drawn: see `sampling.weights`.

    Args:
        ep: The episode.
        cases: (B,) newcomers.
        length: P.
        drawn: Items drawn.
        rng: Random numbers.
        plain: The next-basket Transformer.
        with_answers: False: the answers are not looked at, and the labels mean nothing.

    Returns:
        `lessons` (B, P, C, F), `bought` (B, P, C), `valid` (B, P), `weight` (C,), `vectors` (C, D), `query` (B, C, F);
        and labels and weights of the answers (B, C, 2).
    """
    rows = _prefixes(ep, cases, length)
    answers = ep.split.answers[cases]
    forced = np.unique(np.r_[rows["target"].indices, answers.indices if with_answers else []]).astype(int)
    share = sampling.popularity_share(np.exp(ep.facts["popular"]))
    size = min(len(share), drawn + 36 * len(cases))
    candidates, _ = sampling.draw(share, drawn, forced, size, rng)
    weight = np.zeros(size, np.float32)
    weight[: len(candidates)] = sampling.weights(share[candidates], drawn)
    weight[: len(forced)] = np.minimum(weight[: len(forced)], 1)
    candidates = np.pad(candidates, (0, size - len(candidates)))
    logits = None
    if plain is not None:
        read, position = _inputs(ep, cases, length, candidates)
        logits = _logits(plain, read, position, candidates, len(share)).reshape(-1, size)
    known = np.zeros((len(rows["day"]), size, len(NEWCOMER_FACTS)), np.float32)
    for place, fact in enumerate(facts(ep, rows, np.arange(len(known)), candidates, logits)):
        known[..., place] = fact
    known = known.reshape(len(cases), length + 1, size, -1)
    bought = rows["target"][:, candidates].toarray().reshape(len(cases), length + 1, size)
    x = {
        "lessons": known[:, :length],
        "bought": bought[:, :length],
        "valid": rows["valid"].astype(np.float32),
        "weight": weight,
        "vectors": vectors(ep)[candidates],
        "query": known[:, length],
    }
    y = answers[:, candidates].toarray().astype(np.float32) * with_answers
    return x, np.stack([y, np.broadcast_to(weight, y.shape)], axis=-1)


def query(ep: Episode, cases: np.ndarray, length: int, logits: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Returns the facts (B, V) of the next basket over the whole catalogue one by one.

    Args:
        ep: The episode.
        cases: (B,) newcomers.
        length: P.
        logits: (B, V) what `own_scores` returned, if the Transformer's logits are among the facts.
    """
    pick = np.arange(len(cases)) * (length + 1) + length
    return facts(ep, _prefixes(ep, cases, length), pick, np.arange(len(ep.split.items)), logits)


def own_scores(models: Mapping[str, keras.Model], ep: Episode, cases: np.ndarray, length: int) -> dict[str, np.ndarray]:
    """Returns next-basket Transformers' own scores (B, V) of newcomers' next baskets.

    Args:
        models: The Transformers by name.
        ep: The episode.
        cases: (B,) newcomers.
        length: P, how many baskets are read.
    """
    if not models:
        return {}
    everything = np.arange(len(ep.split.items))
    x, position = _inputs(ep, cases, length, everything, query_only=True)
    return {name: _logits(m, x, position, everything, len(everything))[:, 0] for name, m in models.items()}
