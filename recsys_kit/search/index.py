"""The search index and its stages: words, meaning, two-tower model, fusion, translation, re-ranker (notebook 10).

A query is answered in stages, each reading the one before: words (`lexical`), meaning (`fusion`), the two-tower model
(`two_tower`) fused with the words, the same for the query's translation if there is one (`translation`), and a
re-ranker (`reranker`) over the shortlist. For a household, the sequence model's view of what it buys joins in
(`personal`).

Letters for shapes: Q queries, P documents, K candidates of a shortlist, E width of the encoder, F facts.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import workspace
from recsys_kit.datasets.shops import Shop
from recsys_kit.search import attributes, corpus, fusion, glossary, lexical, nothing, queries, translation, word_lists
from recsys_kit.search.vectors import encode, two_tower, vectors

__all__ = [
    "LEAST",
    "RERANKER",
    "SALES",
    "SHORTLIST",
    "STAGES",
    "TRANSLATED",
    "TRANSLATION",
    "WEIGHT",
    "Index",
    "ahead",
    "assembled",
    "build",
    "facts",
    "fit_reranker",
    "learned_doubt",
    "reranked",
    "reranker_version",
    "scores",
    "shortlists",
    "space",
    "translation_scores",
    "verdicts",
    "with_rerankers",
]

STAGES = ("words", "meaning", "tower", "fused", "corrected", "wished", "translated", "reranked")

WEIGHT, SALES, LEAST, SHORTLIST = 0.2, 0.02, 0.6, 50  # chosen on the dev queries, see notebook 10
TRANSLATED, TRANSLATION = translation.ENOUGH, 0.5  # least part of a query that must be translated, and its weight

CORRECTED, HEAD, NOUN = 0.5, 0.5, 0.2
"""Weights of a query with its slips put right, of its product without what is said about it, and of the last noun of a
query in a language that puts it last ("egg noodles" are noodles); likewise."""

_SHARPNESS = 20.0  # of belief: a candidate that scores 0.1 more is believed e^2 times as much
_TOP = 10  # the candidates whose middle others are compared with: as many as NDCG@10 reads


@dataclass(frozen=True)
class Index:
    """Everything that answers a query.

    Attributes:
        documents: The P documents, see `corpus.documents`.
        items: Which document each item belongs to.
        words: The lexical index.
        views: (P, S, E) frozen vectors of the documents.
        query_tower: Maps (Q, E) encoder vectors into the trained space; None: the encoder's own space.
        tower_views: (P, S, E) the documents there.
        codes: Whether the glossary spells the documents out; then Chinese queries are put into English, too.
        rerankers: Trained re-rankers; empty: the order before them is final.
        texts: P readable English texts of the documents.
        traits: Which attributes the documents have, see `attributes.traits`.
        doubt: Tells queries that nothing answers; None: only what is made of no words is refused, and nothing doubted.
    """

    documents: pd.DataFrame = field(repr=False)
    items: pd.DataFrame = field(repr=False)
    words: lexical.Lexical = field(repr=False)
    views: np.ndarray = field(repr=False)
    query_tower: Callable[[np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    tower_views: np.ndarray | None = field(default=None, repr=False)
    codes: bool = False
    rerankers: Sequence[Any] = field(default=(), repr=False)
    texts: Sequence[str] = field(default=(), repr=False)
    traits: dict[str, np.ndarray] = field(default_factory=dict, repr=False)
    doubt: nothing.Doubt | None = field(default=None, repr=False)


def build(
    shop: Shop,
    store: workspace.Workspace,
    sold: pd.Series | None = None,
    *,
    light: bool = False,
    rerank: bool = True,
    epochs: int = 3,
    models: int = 1,
    limit: int = 0,
) -> Index:
    """Builds the index, or loads from the workspace what was built before.

    Args:
        shop: The shop.
        store: Where vectors and models are kept.
        sold: How often each item id was sold; None: before the last 31 days.
        light: Only words and meaning: nothing is trained.
        rerank: Whether to use the re-ranker, which is trained on the kit's judged dev queries: only for the kit's shop.
        epochs: Passes over the tower's training pairs.
        models: Re-rankers whose scores are averaged.
        limit: Only so many documents, the best sold ones; 0 for all.
    """
    documents, items = corpus.documents(shop, sold, limit)
    parts = vectors(shop, store, documents, light)
    index = assembled(documents, items, fusion.views(parts), glossary.uses_codes(shop))
    index = replace(index, doubt=_doubt(index, shop, store))
    if light:
        return index
    from recsys_kit.search.two_tower import transform

    model = two_tower(shop, store, documents, parts, epochs)
    index = replace(
        index,
        query_tower=functools.partial(transform, model, tower="query"),
        tower_views=transform(model, index.views, "document"),
    )
    return with_rerankers(index, shop, store, epochs, models) if rerank else index


def assembled(documents: pd.DataFrame, items: pd.DataFrame, views: np.ndarray, codes: bool) -> Index:
    """Returns an index by words and meaning, of what `corpus.documents` returned.

    Args:
        documents: The documents.
        items: Their items.
        views: (P, S, E) frozen vectors of the documents, see `fusion.views`.
        codes: Whether the shop's texts are codes that the glossary spells out.
    """
    text = corpus.texts(documents, codes)
    every = [
        " ".join(words) for words in zip(*(text[name] for name in ("both", "both_zh") if name in text), strict=True)
    ]
    words = lexical.Lexical(every, spelling=True)
    traits = attributes.traits(text["both"])
    return Index(documents, items, words, views, codes=codes, texts=text["both"], traits=traits)


def with_rerankers(index: Index, shop: Shop, store: workspace.Workspace, epochs: int = 3, models: int = 1) -> Index:
    """Returns an index with re-rankers, trained now or from the workspace; as it is if the shop is not the kit's.

    Args:
        index: What `build` returned without them.
        shop: The shop.
        store: Where the models are kept.
        epochs: As `build` took them.
        models: Re-rankers whose scores are averaged.
    """
    if not index.codes:
        return index
    found = []
    for seed in range(models):

        def make(seed=seed):
            judged = queries.judged()
            return fit_reranker(index, judged[judged["split"] == "dev"], seed=seed)

        params = {"epochs": epochs, "seed": seed} | reranker_version(index)
        found.append(store.get("search_reranker", make, data=shop.fingerprint, params=params))
    return replace(index, rerankers=tuple(found))


def _doubt(index: Index, shop: Shop, store: workspace.Workspace) -> nothing.Doubt | None:
    """Returns what tells queries that nothing answers: only the kit's shop has judged queries to learn it from."""
    if not index.codes:
        return None
    params = {"documents": len(index.documents), "glossary": glossary.version(), "good": _judged_version()}
    params["bad"] = nothing.unanswerable()

    def make() -> dict[str, np.ndarray]:
        return learned_doubt(index).arrays()

    return nothing.Doubt.of(store.get("search_doubt", make, data=shop.fingerprint, params=params, uses=[_evidence]))


def learned_doubt(index: Index) -> nothing.Doubt:
    """Learns from the kit's judged dev queries, and from its unanswerable ones, which queries nothing answers."""
    judged = queries.judged()
    good, bad = queries.texts(judged[judged["split"] == "dev"]), nothing.unanswerable()
    vector, known = _evidence(index, [*good["query"], *bad])
    return nothing.fit(vector, known, [*good["intent_id"], *[""] * len(bad)])


def _evidence(index: Index, texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the vectors (Q, E) of queries, their slips put right, and `nothing.facts` (Q, F) of them."""
    right = [index.words.corrected(text) for text in texts]
    vector = encode(right)
    words = np.stack([index.words.scores(text) for text in right])
    known = np.array([index.words.known(text) for text in right])
    return vector, nothing.facts(fusion.best_view(vector, index.views), words, known)


def verdicts(index: Index, texts: Sequence[str]) -> np.ndarray:
    """Returns for Q queries whether anything fits, (Q,): one of `nothing.VERDICTS`."""
    vector, known = _evidence(index, texts)
    found = index.doubt.verdict(vector, known) if index.doubt else nothing.VERDICTS[0]
    rule = [nothing.is_silent(t) or nothing.is_nonsense(t, k[2], k[0]) for t, k in zip(texts, known, strict=True)]
    return np.where(rule, nothing.VERDICTS[-1], found)


RERANKER: dict[str, Any] = {"epochs": 8, "scale": 10.0, "width": 16, "dropout": 0.5, "texts": True}
"""Settings of the re-ranker, chosen by cross-validation on the dev queries."""


def reranker_version(index: Index) -> dict[str, Any]:
    """Returns what a re-ranker learns from, in short: its address in the workspace depends on it."""
    found = {"sold": int(index.documents["sold"].sum()), "judged": _judged_version(), "glossary": glossary.version()}
    found |= {"stop": list(word_lists.words("stop")), "settings": RERANKER, "dictionary": translation.cedict.version()}
    return found | {"translation": [TRANSLATED, TRANSLATION] if index.codes else []}


def _judged_version() -> str:
    judged = queries.judged()
    return str(int(pd.util.hash_pandas_object(judged[judged["split"] == "dev"], index=False).sum() % 2**32))


def fit_reranker(index: Index, judged: pd.DataFrame, seed: int = 0, **settings) -> Any:
    """Trains a re-ranker on judged queries.

    Args:
        index: An index with a tower.
        judged: Judged queries to learn from, see `queries.judged`.
        seed: Seed of everything random.
        **settings: Overrule `RERANKER`.
    """
    from recsys_kit.search import reranker

    short = shortlists(index, scores(index, queries.texts(judged)["query"].tolist(), rerank=False))
    grade = np.take_along_axis(queries.grades(judged, index.documents), short.lists, 1)
    return reranker.train(short, grade, seed=seed, **(RERANKER | settings)).model


def shortlists(index: Index, found: dict[str, np.ndarray]) -> Any:
    """Returns the `reranker.Shortlists` of the scores before the re-ranker.

    Args:
        index: An index with a tower.
        found: What `scores` returned for Q queries.
    """
    from recsys_kit.search import reranker

    lists = reranker.shortlist(found["translated"], SHORTLIST)
    base = np.take_along_axis(found["translated"], lists, 1)
    return reranker.Shortlists(found["query"], space(index), lists, facts(index, found, lists), base)


def space(index: Index) -> np.ndarray:
    """Returns the (P, E) vectors of the documents that the re-ranker reads: the mean of their tower views."""
    return fusion.unit(index.tower_views.mean(1))


def facts(index: Index, found: dict[str, np.ndarray], lists: np.ndarray) -> np.ndarray:
    """Returns what the re-ranker knows of each query and candidate, (Q, K, F).

    Args:
        index: The index.
        found: What `scores` returned.
        lists: (Q, K) shortlists.
    """
    rows = np.arange(len(lists))[:, None]
    seen = [(found["vector"], index.views), (found["query"], index.tower_views)]
    each = [np.einsum("qe,qke->qk", query, view[:, s][lists]) for query, view in seen for s in range(view.shape[1])]
    known = found["known"][:, None]
    each += [found["words_scaled"][rows, lists] * (known >= LEAST), np.broadcast_to(known, lists.shape)]
    # logarithms of sales (of 22,000 it is 10) and of places (of 50 about 4), brought to 0..1 as the other facts
    each += [np.log1p(index.documents["sold"].to_numpy())[lists] / 10]
    each += [np.broadcast_to(np.log1p(np.arange(lists.shape[1])) / 4, lists.shape)]
    base = found["translated"][rows, lists]
    belief = np.exp(_SHARPNESS * (base - base.max(1, keepdims=True)))
    belief /= belief.sum(1, keepdims=True)
    shelf = pd.factorize(index.documents["category"])[0][lists]
    same = (shelf[:, :, None] == shelf[:, None, :]) & ~np.eye(lists.shape[1], dtype=bool)
    each += [(same * belief[:, None, :]).sum(-1)]  # how much of the belief lies on the same shelf
    place = space(index)[lists].astype(np.float32)  # (Q, K, E)
    each += [np.einsum("qke,qe->qk", place, np.einsum("qk,qke->qe", belief[:, :_TOP], place[:, :_TOP]))]  # and nearby
    return np.stack(each, axis=-1).astype(np.float32)


def scores(index: Index, texts: Sequence[str], rerank: bool = True) -> dict[str, np.ndarray]:
    """Scores every document for queries, stage by stage.

    Args:
        index: The index.
        texts: Q queries.
        rerank: Whether to run the re-ranker, if the index has one.

    Returns:
        (Q, P) scores for each of `STAGES` that the index has; and `vector` (Q, E), `query` (Q, E) in the towers' space,
        `known` (Q,) the part of each query's words that the index knows, `words_scaled` (Q, P). Where nothing was put
        right, `corrected` is what `fused` is; where nothing is said about the product, `wished` is what `corrected` is;
        and where a query was not translated, `translated` is what `wished` is.
    """
    found = _until_fused(index, texts)
    right = [index.words.corrected(text) for text in texts]
    changed = [new if new != old else "" for old, new in zip(texts, right, strict=True)]
    found["corrected"] = _mixed(index, found["fused"], changed, CORRECTED)
    found["wished"] = found["translated"] = _wished(index, found["corrected"], right)
    if index.codes:
        pairs = [translation.by_cedict(text, index.words.known) for text in texts]
        english = [each if part >= TRANSLATED else "" for each, part in pairs]
        if any(english):
            sure = np.array([part for _, part in pairs])
            other = translation_scores(index, english)
            found["translated"] = translation.mixed(found["wished"], other, sure, TRANSLATED, TRANSLATION)
    if rerank and index.rerankers:
        found["reranked"] = reranked(index, found)
    return found


def _mixed(index: Index, own: np.ndarray, others: Sequence[str], weight: float) -> np.ndarray:
    """Mixes the scores of queries with those of other texts for them; an empty text changes nothing."""
    if not any(others):
        return own
    share = np.array([weight * bool(text) for text in others])[:, None]
    return (1 - share) * own + share * translation_scores(index, others)


def _wished(index: Index, own: np.ndarray, texts: Sequence[str]) -> np.ndarray:
    """Scores by what is said about the product: what it should be like, and what it should not be."""
    wishes = [attributes.read(text) for text in texts]
    said = [bool(wish.attributes or wish.without) for wish in wishes]
    # a Chinese noun is read by the glossary, which only the kit's own shop is written in
    silent = [some or not (index.codes or text.isascii()) for text, some in zip(texts, said, strict=True)]
    nouns = ["" if no else attributes.last_noun(text) for text, no in zip(texts, silent, strict=True)]
    result = _mixed(index, own, nouns, NOUN)
    if not any(said):
        return result
    read = attributes.in_english if index.codes else str
    heads = [read(wish.head) if some else "" for wish, some in zip(wishes, said, strict=True)]
    result = _mixed(index, result, heads, HEAD).copy()
    for row in np.flatnonzero(said):
        bad = index.words.scores(wishes[row].without) if wishes[row].without else np.zeros(len(index.documents))
        result[row] += attributes.worth(wishes[row], index.traits, index.texts, bad / max(bad.max(), 1e-9))
    return result


def _until_fused(index: Index, texts: Sequence[str]) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {"vector": encode(texts)}
    found["words"] = np.stack([index.words.scores(text) for text in texts]).astype(np.float64)
    found["known"] = np.array([index.words.known(text) for text in texts])
    found["words_scaled"] = found["words"] / np.maximum(found["words"].max(1, keepdims=True), 1e-9)
    found["meaning"] = fusion.best_view(found["vector"], index.views)
    last = found["meaning"]
    found["query"] = found["vector"]
    if index.query_tower is not None:
        found["query"] = index.query_tower(found["vector"])
        found["tower"] = last = fusion.best_view(found["query"], index.tower_views)
    base = last + SALES * np.log1p(index.documents["sold"].to_numpy())
    found["fused"] = fusion.gated(fusion.weighted(base, found["words"], WEIGHT), base, found["known"], LEAST)
    return found


def translation_scores(index: Index, texts: Sequence[str]) -> np.ndarray:
    """Returns the (Q, P) scores of translations; the same text is searched once, an empty one scores 0."""
    result = np.zeros((len(texts), len(index.documents)))
    distinct = sorted({text for text in texts if text})
    if distinct:
        found = _wished(index, _until_fused(index, distinct)["fused"], distinct)
        some = [row for row, text in enumerate(texts) if text]
        result[some] = found[[distinct.index(texts[row]) for row in some]]
    return result


def reranked(index: Index, found: dict[str, np.ndarray]) -> np.ndarray:
    """Runs the re-ranker over the shortlists of fused scores.

    Args:
        index: An index with a re-ranker.
        found: What `scores` returned for Q queries; `translated` may have been changed since.

    Returns:
        (Q, P) scores; what is not on a query's shortlist stays behind it.
    """
    from recsys_kit.search import reranker

    short = shortlists(index, found)
    return ahead(found["translated"], short.lists, reranker.adjust(index.rerankers, short, RERANKER["scale"]))


def ahead(base: np.ndarray, lists: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Returns (Q, P) scores: new ones (Q, K) on the shortlists (Q, K), ahead of all other documents in their order."""
    final = base - 100.0  # scores are cosines and their sums: none lies that far from another
    np.put_along_axis(final, lists, new, axis=1)
    return final
