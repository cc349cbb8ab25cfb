"""The first hour: is the machine ready, the course as a picture, a first search (notebook 00).

Letters for shapes: D documents (kinds of products).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from recsys_kit import preprocessing, shop_kind
from recsys_kit.course.course_map import contents, course_map
from recsys_kit.course.environment import check_environment
from recsys_kit.datasets.tables import NotForThisShop, Shop, titles_without_size
from recsys_kit.neural import text_encoder
from recsys_kit.workspace import Workspace

__all__ = [
    "Search",
    "build_search",
    "check_environment",
    "contents",
    "course_map",
    "describe_shop",
    "encode",
    "search_documents",
    "semantic_search",
    "side_by_side",
]


@dataclass(frozen=True)
class Search:
    """What a semantic search needs: the texts that can be found, and a vector for each.

    Attributes:
        documents: (D) rows with the columns title, category, products (how many items it stands for), sold (rows).
        vectors: (D, 512) unit vectors, so that a dot product with a unit query vector is their cosine.
    """

    documents: pd.DataFrame = field(repr=False)
    vectors: np.ndarray = field(repr=False)


def search_documents(shop: Shop, limit: int = 8000) -> pd.DataFrame:
    """Returns what can be searched for: the distinct (category, title without its size) of the items that were sold.

    Sixty sizes of one product are one document. A title that is filed under a second category by mistake (there it
    has less than 2% of its sales) is left out there. A shop without titles (each is its item_id) has no document.

    Notebook 10 searches in more: in what nobody bought yet, in each product type, and it counts no sale of the test.

    Args:
        shop: The shop.
        limit: Keep so many documents, the best sold ones.

    Returns:
        The columns title, category, products, sold; best sold first.
    """
    items = shop.items[shop.items["is_merchandise"] & (shop.items["title"] != shop.items["item_id"])]
    titles = titles_without_size(items)
    sold = items["item_id"].map(shop.events["item_id"].value_counts()).fillna(0).astype(int)
    documents = (
        pd.DataFrame({"title": titles, "category": items["category"].to_numpy(), "sold": sold.to_numpy()})
        .groupby(["title", "category"], as_index=False)
        .agg(products=("sold", "size"), sold=("sold", "sum"))
    )
    share = documents["sold"] / documents.groupby("title")["sold"].transform("sum").clip(lower=1)
    documents = documents[(documents["sold"] > 0) & (share >= 0.02)]
    return documents.sort_values("sold", ascending=False, kind="stable", ignore_index=True).head(limit)


def build_search(shop: Shop, workspace: Workspace, limit: int = 8000) -> Search:
    """Turns every document into a vector, or takes the vectors from the workspace if they are there.

    A document's vector is the mean of two: of its title, and of its category with its title.

    Args:
        shop: The shop.
        workspace: Where the vectors are kept.
        limit: How many documents, the best sold ones.
    """
    documents = search_documents(shop, limit)

    def build() -> dict[str, np.ndarray]:
        category = documents["category"].where(documents["category"] != "unknown", "")
        both = encode(documents["title"]) + encode((category + " " + documents["title"]).str.strip())
        return {"vectors": both / np.linalg.norm(both, axis=1, keepdims=True)}

    if documents.empty:
        return Search(documents, np.zeros((0, 512), np.float32))
    arrays = workspace.get("search", build, data=shop.fingerprint, params={"limit": limit})
    return Search(documents, arrays["vectors"])


def encode(texts: Sequence[str], lower: bool = True) -> np.ndarray:
    """Returns a (len(texts), 512) unit vector for each text, whatever its language (16 are known).

    Args:
        texts: The texts.
        lower: Write them in small letters first: the encoder reads TOOTHPASTE worse than toothpaste.
    """
    return text_encoder.encode(texts, lower=lower) if len(texts) else np.zeros((0, 512), np.float32)


def semantic_search(query: str, search: Search, k: int = 5) -> pd.DataFrame:
    """Finds the documents that mean the same as the query: the highest dot products of their vectors.

    Args:
        query: What somebody types, in any language that the encoder knows.
        search: What `build_search` returned.
        k: How many to show. A title in two categories is shown once.

    Returns:
        The columns title, category, products and score (the cosine), best first.

    Raises:
        ValueError: If the query is empty, or the shop has no titles to search in.
    """
    if not query.strip():
        raise ValueError(f"`query` must hold a word. Received: query={query!r}")
    if search.documents.empty:
        raise ValueError("this shop has no titles: search needs an items file with a `title` for each item_id")
    scores = search.vectors @ encode([query])[0]  # (D, 512) @ (512,) -> (D,)
    found = search.documents.assign(score=scores).sort_values("score", ascending=False, kind="stable")
    found = found.drop_duplicates("title").head(k)
    return found[["title", "category", "products", "score"]].set_axis(range(1, len(found) + 1)).rename_axis("rank")


def side_by_side(pairs: Sequence[tuple[str, str]], search: Search, k: int = 3) -> pd.DataFrame:
    """Searches for the same thing twice, in two languages, and puts what is found side by side.

    Args:
        pairs: The same query in two languages.
        search: What `build_search` returned.
        k: How many titles to show for each query.

    Returns:
        One row a pair: the two queries, the titles that each finds, and how many titles they have in common.
    """
    rows = []
    for pair in pairs:
        first, second = (list(semantic_search(query, search, k)["title"]) for query in pair)
        both = f"{len(set(first) & set(second))} of {k}"
        rows.append((pair[0], " · ".join(first), pair[1], " · ".join(second), both))
    return pd.DataFrame(rows, columns=["query", "finds", "the same query", "finds too", "in common"])


def describe_shop(shop: Shop, cutoff: str = "", wanted: str = "") -> list[str]:
    """Says what kind of shop it is, as far as the course depends on it, and what can be taught on it.

    Args:
        shop: The whole shop; a sample of it may allow less.
        cutoff: First day of the test period, as in the notebooks.
        wanted: The task, as in the notebooks.

    Returns:
        Sentences: one that counts, one with the task that fits and a small table below it, and two more where the
        course's main task has too little to stand on.

    Raises:
        ValueError: If `cutoff` is no day inside the data, or `wanted` no task.
    """
    events = preprocessing.clean(shop)[0]
    kind = shop_kind.measure(events)
    baskets = events.groupby("user_id")["basket_id"].nunique()
    parts = [(part.sum() / max(len(baskets), 1)) for part in (baskets == 1, baskets == 2, baskets >= 3)]
    said = [
        f"{len(baskets):,} customers bought something: {parts[0]:.1%} in one basket, {parts[1]:.1%} in two, "
        f"{parts[2]:.1%} in three or more. Of what is bought, {kind.repeats:.1%} the same customer had bought before.",
        f"{kind.sentence(wanted)}\n{kind.table().to_string(index=False, header=False)}",
    ]
    try:
        preprocessing.task(shop, cutoff, wanted=wanted)
        return said
    except NotForThisShop as error:
        said.append(
            f"The course's main task, a customer's next basket, can't be shown here: {str(error).rstrip('.')}. "
            "Notebooks that need it are skipped and say why; search (10), baskets (11) and the assistant (16) need "
            "nobody who comes back."
        )
    try:
        preprocessing.task(shop, cutoff, judged=False)
        recommend = "recsys-kit recommend works; customers who bought once get little more than what all buy."
    except NotForThisShop:
        recommend = "recsys-kit recommend has too little to learn from, too."
    titled = (shop.items["title"] != shop.items["item_id"]).any()
    search = "recsys-kit search works." if titled else "recsys-kit search needs an items file with titles."
    return [*said, f"Commands: {recommend} {search}"]
