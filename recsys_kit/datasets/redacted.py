"""A copy of a shop for a report that leaves the house: what notebooks never see, they can't show.

Names and ids are replaced before anything runs, not in what was written: a figure is a picture, and nobody can search
it for a name.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import own_shop, promotions, shop_json
from recsys_kit.datasets.tables import DataError, Shop

__all__ = ["FEWEST", "MARK", "check_folder", "note", "prepared", "redact", "write"]

MARK = "redacted.json"
"""File in a shop's folder, and in a report's, that says that it was redacted, and how much."""

FEWEST = 10
"""An item, or a word about items or customers, that fewer customers share is rare."""

_LABELS = ("category", "product_type", "department", "brand", "size")
_OTHER = "other"


def redact(shop: Shop) -> Shop:
    """Returns a shop in which nobody is named, and nothing that hardly anybody bought.

    Customers, baskets and stores get numbers in an order that is drawn and kept nowhere. All titles and other texts
    are gone: an item's title is its id. A rare item gets a number for its id. A label of items, such as the category,
    and an attribute of customers stay where at least `FEWEST` customers share them. Times, quantities, prices and the
    ids of items that many buy stay as they are.

    Args:
        shop: The shop.
    """
    events, rng = shop.events, np.random.default_rng()  # unseeded: a seed would be the key
    buyers = events.groupby("item_id")["user_id"].nunique()
    rare = shop.items.loc[~shop.items["item_id"].isin(buyers.index[buyers >= FEWEST]), "item_id"]
    rare = pd.concat([rare, buyers.index[buyers < FEWEST].to_series()]).drop_duplicates()
    items = _numbered(rare, "rare item", rng)
    users = _numbered(pd.concat([shop.users["user_id"], events["user_id"]]), "customer", rng)
    kept = [name for name in ("timestamp", "event_type", "quantity", "price", "discount") if name in events]
    renamed = pd.DataFrame(
        {
            "user_id": events["user_id"].map(users),
            "item_id": events["item_id"].map(items).fillna(events["item_id"]),
            **{name: events[name] for name in kept},
            "basket_id": events["basket_id"].map(_numbered(events["basket_id"], "basket", rng)),
            "store_id": events["store_id"].map(_numbered(events["store_id"], "store", rng)),
        }
    ).sort_values(["timestamp", "user_id"], ignore_index=True)
    ids = shop.items["item_id"].map(items).fillna(shop.items["item_id"])
    labels = {name: _common(shop, name) for name in _LABELS if name in shop.items}
    named = {"item_id": ids, "title": ids, **labels, "is_merchandise": shop.items["is_merchandise"]}
    people = {"user_id": shop.users["user_id"].map(users)}
    for name in shop.users.columns.drop("user_id"):
        counts = shop.users[name].value_counts()
        values = shop.users[name].where(shop.users[name].isin(counts.index[counts >= FEWEST]))
        people |= {name: values} if values.notna().any() else {}
    return Shop(
        "A redacted shop",
        renamed,
        pd.DataFrame(named).sort_values("item_id", ignore_index=True),
        pd.DataFrame(people).sort_values("user_id", ignore_index=True),
        shop.timezone,
        "",
        currency=shop.currency,
        notes=(f"{len(users):,} customers and {len(items):,} rare items got numbers; all texts are gone.",),
    )


def write(source: str | Path, folder: Path) -> None:
    """Writes a redacted copy of a shop's folder; pictures, search logs and campaigns stay behind.

    Args:
        source: The shop's folder.
        folder: Where the copy goes; made if it is missing.
    """
    original = own_shop.read_shop(source)
    shop = redact(original)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("events", "items", "users"):
        getattr(shop, name).to_parquet(folder / f"{name}.parquet", index=False)
    plan = promotions.load(source)
    if plan is not None:  # what is promoted and sold to few would name a rare item
        plan[plan["item_id"].isin(shop.items["item_id"])].to_parquet(folder / "promotions.parquet", index=False)
    settings = {"name": shop.name, "timezone": shop.timezone, "currency": shop.currency}
    (folder / shop_json.FILE).write_text(json.dumps(settings), encoding="utf-8")
    (folder / MARK).write_text(json.dumps({"note": " ".join([*shop.notes, _KNOWN])}), encoding="utf-8")


_KNOWN = (
    f"Rare is what fewer than {FEWEST} customers bought. Pages that need texts say so. Times and prices are "
    "as they were: whoever knows when somebody bought may still find him (notebook 20), so give the report to those "
    "only who would not look."
)


def note(folder: str | Path) -> str:
    """Returns what a report must say of a redacted shop's folder; empty if it is not one.

    Args:
        folder: The shop's folder; empty for the kit's own.
    """
    path = Path(folder) / MARK
    return json.loads(path.read_text(encoding="utf-8"))["note"] if folder and path.exists() else ""


@contextmanager
def prepared(source: str | Path | None, out: Path) -> Iterator[Path]:
    """Gives a folder with a redacted copy of a shop in `shop`, while the block lasts; what is made there goes with it.

    Args:
        source: The shop's folder.
        out: Where the report goes: empty, or one that was redacted.

    Raises:
        DataError: If no folder is given, or the report's holds what was not redacted.
    """
    if not source:
        raise DataError("--redact goes with --data FOLDER: the kit's own shop is public")
    check_folder(out)
    with tempfile.TemporaryDirectory(prefix="recsys_kit_redacted_") as work:
        write(source, Path(work) / "shop")
        out.mkdir(parents=True, exist_ok=True)
        (out / MARK).write_text((Path(work) / "shop" / MARK).read_text(encoding="utf-8"), encoding="utf-8")
        yield Path(work)


def check_folder(out: Path) -> None:
    """Refuses a report's folder that holds pages which were not redacted.

    Args:
        out: The folder.

    Raises:
        DataError: If it does.
    """
    if out.exists() and any(out.iterdir()) and not (out / MARK).exists():
        raise DataError(f"{out}: holds files already that were not redacted. Name an empty folder with --out.")


def _numbered(ids: pd.Series, word: str, rng: np.random.Generator) -> dict[str, str]:
    """Returns a number for each id, in an order that says nothing of it."""
    different = ids.dropna().unique()
    return {old: f"{word} {place + 1}" for old, place in zip(different, rng.permutation(len(different)), strict=True)}


def _common(shop: Shop, name: str) -> pd.Series:
    """Returns a label of the items, `other` where fewer than `FEWEST` customers bought something that has it."""
    label = shop.items.set_index("item_id")[name]
    shared = shop.events["user_id"].groupby(shop.events["item_id"].map(label)).nunique()
    common = shop.items[name].isin(shared.index[shared >= FEWEST]) | (shop.items[name] == "unknown")
    return shop.items[name].where(common, _OTHER)
