"""What can be searched for: the documents of a shop, their texts, and texts made from them to learn by (notebook 10).

Letters for shapes: P documents, N training texts.
"""

from __future__ import annotations

import random

import numpy as np
import pandas as pd

from recsys_kit import preprocessing
from recsys_kit.datasets.tables import Shop, titles_without_size
from recsys_kit.search import glossary

__all__ = ["co_purchases", "documents", "paraphrases", "sold_before", "texts"]


def documents(shop: Shop, sold: pd.Series | None = None, limit: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns what can be searched for: the distinct texts of a shop, and which document each item belongs to.

    Two thirds of the items repeat the attributes of another; whatever differs in size only is one document.

    Args:
        shop: The shop.
        sold: How often each item id was sold; None: before the last 31 days, which are the course's test.
        limit: Only so many documents, the best sold ones; 0 for all.

    Returns:
        The P documents: category, product_type, name (what is searched in), products (how many items), sold. And the
        items: item_id, title, brand, document, sold.

    Raises:
        ValueError: If no item has a title or a product type.
    """
    items = shop.items[shop.items["is_merchandise"]]
    own = items["title"].to_numpy() != items["item_id"].to_numpy()
    typed = items["product_type"].to_numpy() != "unknown"
    items = items[own | typed]
    if items.empty:
        raise ValueError("this shop has no titles: search needs an items file with a `title` for each item_id")
    titles = titles_without_size(items)
    built = [a.lower() == b.lower() for a, b in zip(titles, items["product_type"], strict=True)]
    types = items["product_type"].where(items["product_type"] != "unknown", "")
    names = np.where(
        built, types, [_joined(title, product_type) for title, product_type in zip(titles, types, strict=True)]
    )
    if sold is None:
        sold = sold_before(shop, preprocessing.default_cutoff(shop))
    table = pd.DataFrame(
        {
            "item_id": items["item_id"].to_numpy(),
            "title": items["title"].to_numpy(),
            "brand": items["brand"].where(items["brand"] != "unknown", "").to_numpy(),
            "category": items["category"].where(items["category"] != "unknown", "").to_numpy(),
            "product_type": types.to_numpy(),
            "name": names,
            "sold": items["item_id"].map(sold).fillna(0).astype(int).to_numpy(),
        }
    )
    keys = ["category", "product_type", "name"]
    table["document"] = table.groupby(keys, sort=True).ngroup()
    found = table.groupby("document").agg(
        **{key: (key, "first") for key in keys}, products=("item_id", "size"), sold=("sold", "sum")
    )
    if limit and limit < len(found):
        kept = found["sold"].sort_values(ascending=False, kind="stable").index[:limit].sort_values()
        found = found.loc[kept]
        table = table[table["document"].isin(kept)]
        table = table.assign(document=kept.get_indexer(table["document"]))
    return found.reset_index(drop=True), table[["item_id", "title", "brand", "document", "sold"]].reset_index(drop=True)


def sold_before(shop: Shop, cutoff: pd.Timestamp) -> pd.Series:
    """Returns how often each item id was sold before a cutoff."""
    events = shop.events
    return events["item_id"][events["timestamp"] < cutoff].value_counts()


def _joined(title: str, product_type: str) -> str:
    return title if not product_type or product_type.lower() in title.lower() else f"{title} {product_type}"


def texts(table: pd.DataFrame, codes: bool) -> dict[str, list[str]]:
    """Returns the texts of the documents, each a list of P.

    Args:
        table: The documents.
        codes: Whether they are written in The Complete Journey's codes: then the glossary spells them out.

    Returns:
        `raw` (as it is), `name`, `both` (category and name) and `category`; with codes also `name_zh`, `both_zh`.
    """
    name, category = table["name"].tolist(), table["category"].tolist()
    both = [f"{a} {b}".strip() for a, b in zip(category, name, strict=True)]
    if not codes:
        lower = {"raw": name, "name": name, "both": both, "category": category}
        return {key: [text.lower() for text in values] for key, values in lower.items()}
    return {
        "raw": [text.lower() for text in name],
        "name": glossary.readable(name),
        "both": glossary.readable(both),
        "category": glossary.readable(category),
        "name_zh": glossary.readable(name, "chinese"),
        "both_zh": glossary.readable(both, "chinese"),
    }


def paraphrases(table: pd.DataFrame, codes: bool, seed: int = 0, least: int = 7) -> tuple[list[str], np.ndarray]:
    """Makes short queries from the catalogue's own texts: a few words of a name, perhaps one of its category, a typo.

    Args:
        table: The documents.
        codes: Whether the glossary spells them out, and adds Chinese ones.
        seed: Seed of the draws.
        least: Documents sold less often are left out.

    Returns:
        N texts, and for each the document (N,) that it was made from.
    """
    draw = random.Random(seed)
    text = texts(table, codes)
    found: list[str] = []
    target: list[int] = []
    for i in np.flatnonzero(table["sold"].to_numpy() >= least):
        for _ in range(2):
            found.append(_fragment(text["name"][i], text["category"][i], " ", draw))
            target.append(i)
        if codes:
            found.append(_fragment(text["name_zh"][i], text["category"][i] and text["both_zh"][i], "", draw))
            target.append(i)
    return found, np.array(target)


def _fragment(name: str, category: str, space: str, draw: random.Random) -> str:
    words = name.split() or category.split() or ["other"]
    # one to three words, as people type; half of them with a word of the category, three in ten with a typo
    keep = sorted(draw.sample(range(len(words)), min(len(words), draw.choice((1, 2, 2, 3)))))
    part = [words[i] for i in keep]
    if draw.random() < 0.5 and category.split():
        part.insert(draw.choice((0, len(part))), draw.choice(category.split()))
    if space and draw.random() < 0.3:
        i = draw.randrange(len(part))
        part[i] = _typo(part[i], draw)
    return space.join(dict.fromkeys(part))


def _typo(word: str, draw: random.Random) -> str:
    """Drops, swaps or doubles one inner letter."""
    if len(word) < 4:
        return word
    i, slip = draw.randrange(1, len(word) - 1), draw.randrange(3)
    return (
        word[:i] + word[i + 1 :],
        word[:i] + word[i + 1] + word[i] + word[i + 2 :],
        word[:i] + word[i] + word[i:],
    )[slip]


def co_purchases(events: pd.DataFrame, document: pd.Series, size: int, each: int = 2) -> np.ndarray:
    """Returns (N, 2) documents that are bought together more than e times as often as chance has it.

    Args:
        events: `basket_id` and `item_id`, from before the test.
        document: The document of each item id.
        size: P.
        each: So many companions of a document, the strongest.
    """
    import scipy.sparse as sp

    column = events["item_id"].map(document)
    there = column.notna().to_numpy()
    basket = pd.factorize(events["basket_id"])[0][there]
    matrix = sp.csr_matrix(
        (np.ones(there.sum(), np.float32), (basket, column[there].astype(int))), (basket.max() + 1, size)
    )
    matrix.data[:] = 1  # a basket holds a document or not, however many of its items
    together = (matrix.T @ matrix).tocoo()
    count = np.asarray(matrix.sum(0)).ravel()
    keep = (together.row != together.col) & (together.data >= 20)  # fewer baskets say little about chance
    row, col = together.row[keep], together.col[keep]
    # log of P(a and b) / (P(a) P(b)): 0 is chance, 1 is e times as often
    lift = np.log(together.data[keep] * matrix.shape[0] / (count[row] * count[col]))
    table = pd.DataFrame({"a": row, "b": col, "lift": lift})
    table = table[table["lift"] > 1].sort_values("lift", ascending=False, kind="stable")
    return table.groupby("a").head(each)[["a", "b"]].to_numpy()
