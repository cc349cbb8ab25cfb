"""An invented export, converted with --yes, and what must be true of the shop: shared by the tests of recipes."""

import json

import pandas as pd

from recsys_kit import conversion, datasets


def converted(folder, write, recipe):
    """Returns what was expected, the folder of the shop, and what was said."""
    want, said = write(folder / "export"), []
    conversion.convert(str(folder / "export"), folder / "shop", yes=True, say=said.append)
    assert f"recipe `{recipe}`: all its files and columns are there" in "\n".join(said)
    return want, folder / "shop", "\n".join(said)


def check(want, folder, said):
    """Holds a converted shop to what its export was made of."""
    events = pd.read_parquet(folder / "events.parquet")
    bought = events[events["event_type"] == "purchase"] if "event_type" in events else events
    assert (len(events), len(bought)) == (want.events, want.purchases)
    assert len(pd.read_parquet(folder / "items.parquet")) == want.items
    if want.money:
        quantity = bought["quantity"].fillna(0) if "quantity" in bought else 1
        money = (bought["price"].fillna(0) * quantity).sum()
        assert abs(money - want.money) < 1e-4 * len(events)
    if (folder / "queries.parquet").exists():
        assert len(pd.read_parquet(folder / "queries.parquet")) == want.queries
    shop = datasets.read_shop(folder)
    assert len(shop.users) == want.users
    if want.title:
        assert want.title in set(shop.items["title"])
    close = events
    for column, value in want.event.items():
        value = pd.Timestamp(value) if column == "timestamp" else value
        close = close[close[column] == value]
    assert len(close), want.event
    counts = json.loads((folder / "conversion.json").read_text(encoding="utf-8"))
    gone = {}
    for table in counts.values():
        lost = sum(table["dropped"].values()) + sum(table["merged"].values())
        assert table["read"] + table["added"] - lost == table["written"]
    for why, rows in {**counts["events"]["dropped"], **counts["events"]["merged"]}.items():
        gone[why] = rows
        assert f"{rows:,}" in said and why in said
    for table in ("items", "queries"):
        for why, rows in counts.get(table, {}).get("dropped", {}).items():
            gone.setdefault(why, rows)
    assert counts["events"]["read"] >= 2000
    for why, rows in want.gone.items():
        found = [count for text, count in gone.items() if why in text]
        assert found == ([rows] if rows else []), (why, rows, gone)
