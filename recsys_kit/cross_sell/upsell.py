"""Up-sell: pack sizes as numbers, unit prices, who trades up, and what to suggest instead (notebook 11).

Letters for shapes: N test cases, V items, P pairs.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from recsys_kit.datasets.items import item_types, look_up
from recsys_kit.preprocessing import Split

__all__ = [
    "UNITS",
    "balance",
    "dearer_rival",
    "next_steps",
    "parse_size",
    "price_table",
    "suggestions",
    "switches",
    "upgrades",
]

# Unit -> what it measures, and how many g, ml or pieces it is.
UNITS = {
    **dict.fromkeys(("OZ", "OZS", "Z"), ("weight", 28.349523)),
    **dict.fromkeys(("LB", "LBS"), ("weight", 453.59237)),
    **dict.fromkeys(("G", "GM", "GR"), ("weight", 1.0)),
    "KG": ("weight", 1000.0),
    "FLOZ": ("volume", 29.57353),
    **dict.fromkeys(("GAL", "GA"), ("volume", 3785.41178)),
    **dict.fromkeys(("QT", "QTS"), ("volume", 946.352946)),
    **dict.fromkeys(("PT", "PTS"), ("volume", 473.176473)),
    "ML": ("volume", 1.0),
    "CL": ("volume", 10.0),
    "DL": ("volume", 100.0),
    **dict.fromkeys(("L", "LT", "LTR"), ("volume", 1000.0)),
    **dict.fromkeys(("CT", "PK", "PC", "PCS", "ROLL", "ROLLS", "SHEETS", "STÜCK", "STK"), ("count", 1.0)),
    **dict.fromkeys(("LOAD", "LOADS", "LD", "LDS", "USE", "USES"), ("loads", 1.0)),
    **dict.fromkeys(("DZ", "DOZ"), ("count", 12.0)),
}
_AMOUNT = r"(?:\d+ )?\d+/\d+|\d*\.\d+|\d+"
_PART = re.compile(rf"({_AMOUNT})\s*(FL OZ|[A-ZÜ]+)")
_PACKS = re.compile(r"(\d+)\s*(PK|P)?\s*/\s*(\d*\.?\d+.*)")
_FRACTIONS = {"1/2", "1/3", "1/4", "3/4", "1/8"}  # without a whole number before it, 2/3 OZ is two of 3 oz
_LARGEST = 50_000.0  # g, ml or pieces: more is a misprint
_FLUID = UNITS["FLOZ"][1] / UNITS["OZ"][1]


def parse_size(text: str) -> tuple[float, str]:
    """Reads a pack size.

    The rules, where the text leaves room: "6 PK/8 OZ", "6/8 OZ" and "8 OZ/6 PK" are six times 8 oz; "6 CT/15 OZ" is
    15 oz in six pieces; "1/2 GAL" is half a gallon. What can't be read for sure (ranges, lengths, "LARGE") is unknown.

    Args:
        text: Such as "16 OZ", "12 PK/12 OZ" or "1.5 L".

    Returns:
        The content in g, ml or pieces, and "weight", "volume", "count" or "loads"; NaN and "" if it is unknown.

    Example:
        >>> parse_size("2 L"), parse_size("12 CT"), parse_size("LARGE")
        ((2000.0, 'volume'), (12.0, 'count'), (nan, ''))
        >>> round(parse_size("1 LB")[0] / parse_size("8 OZ")[0], 6), round(parse_size("4/187 ML")[0])
        (2.0, 748)
    """
    text = re.sub(r"\s+", " ", str(text).upper().replace(",", ".")).strip()
    text = re.sub(r"^[A-Z]{1,2} (?=\d*\.?\d+ OZ$)", "", text)  # "P   16 OZ"
    text = re.sub(r" (BTL|BAG|CAN|PET|BOX|NR|LOOSE|REC|CUP)$", "", text)
    text = {"PT": "1 PT", "QT": "1 QT", "GAL": "1 GAL", "LB": "1 LB", "L": "1 L", "DZ": "1 DZ"}.get(text, text)
    text = text.replace("HALF GAL", "1/2 GAL")
    whole = _PART.fullmatch(text)
    if whole and _is_number(whole[1]):
        return _content(whole[1], whole[2])
    packs = _PACKS.fullmatch(text)
    if packs and not packs[3].rstrip().endswith(("PK", "CT")):
        content, measure = parse_size(packs[3])
        return (int(packs[1]) * content, measure) if measure in ("weight", "volume") else _NO_CONTENT
    both = re.fullmatch(rf"(?P<a>{_PART.pattern})\s*/\s*(?P<b>{_PART.pattern})", text)
    if not both:
        return _NO_CONTENT
    parts = [_PART.fullmatch(both[name]) for name in "ab"]
    counts = [part for part in parts if part[2] in ("PK", "CT", "PC")]
    contents = [_content(part[1], part[2]) for part in parts if part not in counts and _is_number(part[1])]
    if len(counts) != 1 or len(contents) != 1 or contents[0][1] not in ("weight", "volume"):
        return _NO_CONTENT
    times = _value(counts[0][1]) if counts[0][2] == "PK" else 1.0
    return times * contents[0][0], contents[0][1]


_NO_CONTENT = (float("nan"), "")


def _is_number(text: str) -> bool:
    return "/" not in text or " " in text or text in _FRACTIONS


def _value(text: str) -> float:
    whole, _, part = text.rpartition(" ")
    over, _, under = part.partition("/")
    return (float(whole) if whole else 0.0) + float(over) / float(under or 1)


def _content(number: str, unit: str) -> tuple[float, str]:
    measure, scale = UNITS.get(unit.replace(" ", ""), ("", 0.0))
    value = _value(number)
    return (value * scale, measure) if measure and value > 0 else _NO_CONTENT


def price_table(events: pd.DataFrame, items: pd.DataFrame, catalogue: pd.Index, min_rows: int = 10) -> pd.DataFrame:
    """Prices and unit prices of the catalogue; items sold by weight are left without.

    An item sold by weight (meat, fruit) has a "price" that is a price times a weight: almost every sale has another
    one. It is known by that: more than four tenths of its sales have a price of their own. In a type with bottles or
    cartons (ML, L, PT, QT, GAL) an ounce is a fluid ounce.

    Args:
        events: Cleaned events; `price` paid for one unit and `discount` may be missing (NaN).
        items: Item table with `item_id`, `category`, `product_type`, `brand`, `size`, `title`.
        catalogue: (V,) item ids.
        min_rows: Least number of sales behind a price.

    Returns:
        (V,) rows in the order of the catalogue: `item_id`, `title`, `item_type`, `brand`, `maker` (the
        manufacturer where it is known), `content` (g, ml or pieces), `measure`, `price` (median of the regular price:
        paid + discount), `by_weight`, `unit_price` (of 100 g, 100 ml or a piece).
    """
    known, item_type = look_up(items, catalogue), item_types(items, catalogue)
    parsed = {size: parse_size(size) for size in known["size"].fillna("").unique()}
    read = [parsed[size] for size in known["size"].fillna("")]
    table = pd.DataFrame({"title": known["title"], "item_type": item_type, "brand": known["brand"].fillna("unknown")})
    table["maker"] = known["manufacturer"] if "manufacturer" in known else known["brand"]
    table["content"], table["measure"] = [value for value, _ in read], [name for _, name in read]
    metric = known["size"].fillna("").str.upper().str.contains(r"\d\s*(?:FL OZ|ML|L|PT|QT|GAL|GA)\b")
    fluid = metric.groupby(item_type).transform("sum") > 1
    ounces = (table["measure"] == "weight") & fluid & known["size"].str.upper().str.contains("OZ", na=False)
    table.loc[ounces, "content"] *= _FLUID
    table.loc[ounces, "measure"] = "volume"
    regular = (events["price"] + events["discount"].fillna(0)).round(2)
    sold = events["item_id"].isin(catalogue) & regular.notna() & (regular > 0)
    prices = regular[sold].groupby(events["item_id"][sold], observed=True).agg(["median", "nunique", "size"])
    prices = prices.reindex(catalogue)
    table["by_weight"] = (prices["nunique"] > 0.4 * prices["size"]) & (prices["size"] >= min_rows)
    table["price"] = prices["median"].where((prices["size"] >= min_rows) & ~table["by_weight"])
    per = np.where(table["measure"].isin(["weight", "volume"]), 100.0, 1.0)
    table.loc[table["content"] > _LARGEST, ["content", "measure"]] = [np.nan, ""]
    table["unit_price"] = table["price"] / table["content"] * per
    return table.rename_axis("item_id").reset_index()


def switches(split: Split, prices: pd.DataFrame) -> pd.DataFrame:
    """Lists what each household took the next time it bought of a type: the same, a larger pack, a dearer one, ...

    Only items with a known content and unit price take part, and only steps within one type and measure. Where a
    household takes several items of a type on one day, the last row of the day counts.

    Args:
        split: Its history is used.
        prices: What `price_table` returned for the split's catalogue.

    Returns:
        One row a step: `user`, `time`, `item_type`, `a`, `b` (columns of the items) and `step`: "same item",
        "larger pack", "smaller pack", "dearer brand", "cheaper brand" or "other item".
    """
    good = (prices["unit_price"].notna() & ~prices["item_type"].str.contains("unknown")).to_numpy()
    group = pd.factorize(prices["item_type"] + prices["measure"])[0]
    rows = split.history[["user", "item", "timestamp"]]
    rows = rows[good[rows["item"]]]
    rows = rows.assign(group=group[rows["item"]], day=rows["timestamp"].dt.floor("D"))
    rows = rows.sort_values(["user", "group", "timestamp"], kind="stable").drop_duplicates(
        ["user", "group", "day"], keep="last"
    )
    follows = (rows["user"].diff() == 0) & (rows["group"].diff() == 0)
    a, b = rows["item"].shift()[follows].to_numpy(int), rows["item"][follows].to_numpy(int)
    return pd.DataFrame(
        {
            "user": rows["user"][follows].to_numpy(),
            "time": rows["timestamp"][follows].array,
            "item_type": prices["item_type"].to_numpy()[b],
            "a": a,
            "b": b,
            "step": _step(prices, a, b),
        }
    )


def _step(
    prices: pd.DataFrame, a: np.ndarray, b: np.ndarray, larger: float = 1.2, dearer: float = 1.1, alike: float = 1.15
) -> np.ndarray:
    """Names the step from items a (P,) to items b (P,)."""
    content, unit = prices["content"].to_numpy(), prices["unit_price"].to_numpy()
    size, cost = content[b] / content[a], unit[b] / unit[a]
    similar = (size < alike) & (size > 1 / alike)
    rules = {
        "same item": a == b,
        "larger pack": size >= larger,
        "smaller pack": size <= 1 / larger,
        "dearer brand": similar & (cost >= dearer),
        "cheaper brand": similar & (cost <= 1 / dearer),
    }
    return np.select(list(rules.values()), list(rules), "other item")


def balance(steps: pd.DataFrame) -> pd.DataFrame:
    """Counts each household's steps up (larger pack, dearer brand) and down (smaller pack, cheaper brand).

    Args:
        steps: What `switches` returned.

    Returns:
        One row a household with steps up or down: `up`, `down`, and `z`, by how many standard deviations of coin flips
        there are more steps up than half of them.
    """
    kinds = {"larger pack": "up", "dearer brand": "up", "smaller pack": "down", "cheaper brand": "down"}
    way = steps["step"].map(kinds)
    table = pd.crosstab(steps["user"], way).reindex(columns=["up", "down"], fill_value=0)
    count = table["up"] + table["down"]
    return table.assign(z=(table["up"] - count / 2) / np.sqrt(count / 4))


def next_steps(steps: pd.DataFrame, step: str) -> pd.Series:
    """Returns what households do after a step: stay with the new item, go back to the old one, or something else.

    Args:
        steps: What `switches` returned.
        step: Such as "larger pack".

    Returns:
        Shares of "stays", "goes back" and "moves on", over the steps that have a next one.
    """
    later = steps.groupby(["user", "item_type"], sort=False)["b"].shift(-1)
    asked = (steps["step"] == step) & later.notna()
    answer = np.select([later == steps["b"], later == steps["a"]], ["stays", "goes back"], "moves on")
    return pd.Series(answer[asked]).value_counts(normalize=True).reindex(["stays", "goes back", "moves on"]).fillna(0.0)


def upgrades(
    steps: pd.DataFrame, prices: pd.DataFrame, min_from: int = 20, prior: float = 50.0, most: float = 4.0
) -> pd.DataFrame:
    """Lists the upgrades that a shop could suggest, with how often households take them of their own accord.

    Larger pack: at least a fifth more content (at most `most` times), at a lower price per unit. Dearer brand: about
    the same content, at least a tenth dearer per unit, and another brand or maker. Both cost more at the till.

    Args:
        steps: What `switches` returned.
        prices: What `price_table` returned.
        min_from: Least number of steps away from or staying with an item.
        prior: Steps by which a pair's share is drawn to the share of all pairs.
        most: Largest ratio of contents, and of unit prices.

    Returns:
        One row a pair that was taken at least once: `a`, `b`, `step`, `count`, `out` (steps from a), `chance` (shrunk
        share of the steps from a that lead to b), `extra` (price of b - price of a), `unit_saving` (1 - unit price of b
        / unit price of a).
    """
    chosen = steps["step"].isin(["larger pack", "dearer brand"])
    pairs = steps[chosen].groupby(["a", "b", "step"], as_index=False).size().rename(columns={"size": "count"})
    out = np.bincount(steps["a"], minlength=len(prices))
    price, unit, content = (prices[name].to_numpy() for name in ("price", "unit_price", "content"))
    a, b = pairs["a"].to_numpy(), pairs["b"].to_numpy()
    pairs["out"], pairs["extra"], pairs["unit_saving"] = out[a], price[b] - price[a], 1 - unit[b] / unit[a]
    brand, maker = prices["brand"].to_numpy(), prices["maker"].to_numpy()
    other = (brand[a] != brand[b]) | (maker[a] != maker[b])
    fits = np.where(
        pairs["step"] == "larger pack",
        (pairs["unit_saving"] > 0) & (content[b] <= most * content[a]),
        other & (unit[b] <= most * unit[a]),
    )
    pairs = pairs[fits & (pairs["extra"] > 0) & (pairs["out"] >= min_from)].reset_index(drop=True)
    usual = pairs["count"].sum() / max(1, pairs["out"].sum())
    pairs["chance"] = (pairs["count"] + prior * usual) / (pairs["out"] + prior)
    return pairs


def suggestions(
    split: Split, pairs: pd.DataFrame, prices: pd.DataFrame, days: int = 60, per_user: int = 1
) -> pd.DataFrame:
    """Suggests to each test user an upgrade of something that he or she bought lately.

    Never suggested: what the user has bought before. Ranked by chance x extra, the expected extra revenue.

    Args:
        split: The split.
        pairs: What `upgrades` returned.
        prices: What `price_table` returned.
        days: How far back "lately" reaches.
        per_user: Most suggestions a user.

    Returns:
        One row a suggestion: `user` (position), `user_id`, `bought`, `suggested` (titles), `reason`, `extra` (more to
        pay), `chance`, `expected`, `a`, `b`.
    """
    recent = split.history[split.history["timestamp"] >= split.cutoff - pd.Timedelta(days=days)]
    recent = recent[recent["user"].isin(split.test_users)][["user", "item"]].drop_duplicates()
    table = recent.merge(pairs, left_on="item", right_on="a")
    known = split.counts()
    old = np.asarray(known[table["user"].to_numpy(), table["b"].to_numpy()]).ravel() > 0 if len(table) else []
    table = table[~np.asarray(old, bool)]
    table = table.assign(expected=table["chance"] * table["extra"])
    table = table.sort_values(["user", "expected"], ascending=[True, False], kind="stable")
    table = table.drop_duplicates(["user", "b"])
    table = table.groupby("user", sort=False).head(per_user)
    title, content = prices["title"].to_numpy(), prices["content"].to_numpy()
    a, b = table["a"].to_numpy(), table["b"].to_numpy()
    larger = (table["step"] == "larger pack").to_numpy()
    sizes = content[b] / content[a]
    reasons = [
        f"{ratio:.1f} times the content, {saving:.0%} less per unit"
        if large
        else f"{prices['brand'].iloc[j]} brand of the same size, {-saving:.0%} dearer per unit"
        for ratio, saving, large, j in zip(sizes, table["unit_saving"], larger, b, strict=True)
    ]
    return pd.DataFrame(
        {
            "user": table["user"].to_numpy(),
            "user_id": split.users[table["user"]].to_numpy(),
            "bought": title[a],
            "suggested": title[b],
            "reason": reasons,
            "extra": table["extra"].to_numpy(),
            "chance": table["chance"].to_numpy(),
            "expected": table["expected"].to_numpy(),
            "a": a,
            "b": b,
        }
    )


def dearer_rival(
    offers: pd.DataFrame, prices: pd.DataFrame, split: Split, seed: int = 0, sold: np.ndarray | None = None
) -> np.ndarray:
    """Finds for each suggestion a rival: a dearer item of the same type and measure, new to the household.

    Args:
        offers: What `suggestions` returned.
        prices: What `price_table` returned.
        split: The split that the suggestions were made for.
        seed: Seed of the draw.
        sold: (V,) sales; the rival is the best seller then, be it what was suggested. None: another one at random.

    Returns:
        (P,) columns of items; -1 where there is no other than the suggestion.
    """
    usable = prices["unit_price"].notna()
    columns = pd.Series(np.arange(len(prices)), index=prices.index)[usable]
    pool = columns.groupby([prices["item_type"][usable], prices["measure"][usable]]).agg(np.array)
    price, owned, rng = prices["price"].to_numpy(), split.counts().tocsr(), np.random.default_rng(seed)
    alike, pool = list(zip(prices["item_type"], prices["measure"], strict=True)), pool.to_dict()
    picks = []
    for user, a, b in offers[["user", "a", "b"]].itertuples(index=False):
        own = owned.indices[owned.indptr[user] : owned.indptr[user + 1]]
        dearer = pool[alike[a]]
        dearer = dearer[(price[dearer] > price[a]) & ~np.isin(dearer, own)]
        others = dearer[dearer != b]
        if not len(others):
            picks.append(-1)
        else:
            picks.append(rng.choice(others) if sold is None else dearer[np.argmax(sold[dearer])])
    return np.array(picks, int)
