"""What was known of a household when a campaign started: rates and windows, nothing from the first day on.

Letters for shapes: R rows (one a household and campaign), F facts.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit.advertising.campaigns import Campaigns
from recsys_kit.datasets import Shop

__all__ = ["RUNNING", "WINDOWS", "facts", "with_kinds"]

WINDOWS = (30, 90)  # days
RUNNING = ("redeemed so far", "received so far", "coupon visits so far", "baskets so far", "days known")
"""Running totals, which grow with the calendar: the page shows what they do to a model, and leaves them out."""

_PRIOR = 4.0  # campaigns that a household's rate is shrunk by


def facts(shop: Shop, campaigns: Campaigns, ids: list[str], users: pd.Index | None = None) -> pd.DataFrame:
    """Returns the facts of some campaigns' households, each from before its campaign's start.

    Args:
        shop: The shop.
        campaigns: Its campaigns.
        ids: The campaigns.
        users: Describe these households, whether they received it or not; None: those that received it.

    Returns:
        (R, F) facts, indexed by `campaign_id` and `user_id`; the columns of `RUNNING` are the last ones.
    """
    events = shop.events
    known = pd.Index(events["user_id"].unique())
    code = known.get_indexer(events["user_id"]).astype(np.int32)
    price = events["price"].fillna(0.0).to_numpy() * events["quantity"].to_numpy()
    quantity = events["quantity"].to_numpy()
    off = (events["discount"].fillna(0.0) * quantity).to_numpy()
    first = ~events.duplicated("basket_id").to_numpy()  # one row stands for its basket
    day = _days(events["timestamp"]).to_numpy()
    item, ids_of_items = pd.factorize(events["item_id"])
    frame = {"user": code, "day": day, "spend": price, "off": off, "basket": first, "item": item, "items": 1}
    frame = pd.DataFrame(frame).sort_values("day", ignore_index=True)
    visits = frame[frame["basket"]]
    category = shop.items.drop_duplicates("item_id").set_index("item_id")["category"]
    types = pd.factorize(category.reindex(ids_of_items).fillna("unknown"))[0]
    found = []
    for campaign in ids:
        now = _days(campaigns.plan.loc[campaign, "start"])
        past = visits.iloc[: visits["day"].searchsorted(now)]
        lately = frame.iloc[slice(*frame["day"].searchsorted([now - WINDOWS[-1], now]))]
        sent = campaigns.targets.loc[campaigns.targets["campaign_id"] == campaign, "user_id"]
        asked = pd.Index(sent if users is None else users).unique()
        own = known.get_indexer(asked)
        if (own < 0).any():
            raise ValueError(f"`users` must be households of the shop. Received: {asked[own < 0][0]!r}.")
        table = _habits(past, lately, now, len(known)).iloc[own]
        offered = ids_of_items.isin(_offered(campaigns, campaign))
        table = table.join(_match(lately, offered, types, len(known)).iloc[own])
        table = table.set_axis(asked).join(_responses(campaigns, campaign, asked))
        found.append(table.set_index(pd.MultiIndex.from_product([[campaign], asked], names=["campaign_id", "user_id"])))
    whole = pd.concat(found)
    return whole[[name for name in whole if name not in RUNNING] + list(RUNNING)].astype("float64")


def with_kinds(table: pd.DataFrame, campaigns: Campaigns) -> pd.DataFrame:
    """Returns the facts with a column of 0 and 1 for each kind of campaign.

    Args:
        table: (R, F) facts.
        campaigns: The campaigns.
    """
    kind = campaigns.plan["kind"].reindex(table.index.get_level_values("campaign_id")).to_numpy()
    columns = {name: (kind == name).astype(float) for name in sorted(campaigns.plan["kind"].unique())}
    return table.join(pd.DataFrame(columns, index=table.index))


def _days(moment: pd.Timestamp | pd.Series) -> float | pd.Series:
    """Returns days since 1970, a number that can be compared, summed and stored."""
    zero = pd.Timestamp(0, tz="UTC")
    return (moment - zero) / pd.Timedelta(days=1)


def _offered(campaigns: Campaigns, campaign: str) -> pd.Series:
    return campaigns.coupons.loc[campaigns.coupons["campaign_id"] == campaign, "item_id"]


def _sums(rows: pd.DataFrame, values: np.ndarray, size: int) -> np.ndarray:
    return np.bincount(rows["user"], values, size)


def _habits(past: pd.DataFrame, lately: pd.DataFrame, now: float, size: int) -> pd.DataFrame:
    """How much a household buys, in windows, and how that moved: one row for each household of the shop."""
    table = {}
    last = np.full(size, -np.inf)
    np.maximum.at(last, past["user"].to_numpy(), past["day"].to_numpy())
    table["days since a visit (log)"] = np.log1p(np.minimum(now - last, 180))
    for window in WINDOWS:
        rows = lately[lately["day"] >= now - window]
        spend, baskets = _sums(rows, rows["spend"], size), _sums(rows, rows["basket"], size)
        table[f"spend {window}d (log)"] = np.log1p(spend / window)
        table[f"baskets {window}d"] = baskets / window
        table[f"rows a basket {window}d (log)"] = np.log1p(_sums(rows, rows["items"], size) / np.maximum(baskets, 1))
        table[f"discount share {window}d"] = _sums(rows, rows["off"], size) / np.maximum(
            spend + _sums(rows, rows["off"], size), 1
        )
    since = np.full(size, now)
    np.minimum.at(since, past["user"].to_numpy(), past["day"].to_numpy())
    table["baskets so far"] = _sums(past, past["basket"], size)
    table["days known"] = now - since
    return pd.DataFrame(table)


def _match(rows: pd.DataFrame, offered: np.ndarray, types: np.ndarray, size: int) -> pd.DataFrame:
    """How well a campaign's items fit what a household buys, by item and by category."""
    total = np.maximum(_sums(rows, rows["items"], size), 1)
    hit = rows[offered[rows["item"].to_numpy()]]
    pairs = hit.drop_duplicates(["user", "item"])
    categories = np.zeros(types.max() + 2, bool)
    categories[types[offered]] = True
    near = categories[types[rows["item"].to_numpy()]] if offered.any() else np.zeros(len(rows), bool)
    return pd.DataFrame(
        {
            "offered items bought (log)": np.log1p(np.bincount(pairs["user"], minlength=size)),
            "share of offered items": _sums(hit, hit["items"], size) / total,
            "spend on offered (log)": np.log1p(_sums(hit, hit["spend"], size) / WINDOWS[-1]),
            "share of offered categories": _sums(rows, near, size) / total,
        }
    )


def _responses(campaigns: Campaigns, campaign: str, users: pd.Index) -> pd.DataFrame:
    """What a household did with earlier campaigns and with coupons of any source, before this campaign's start."""
    start, kind = campaigns.plan.loc[campaign, ["start", "kind"]]
    past = campaigns.before(start)
    now = _days(start)
    sent = past.targets.join(past.plan[["start", "end", "kind"]], on="campaign_id")
    sent["ago"] = now - _days(sent["start"])
    pairs = past.redemptions.groupby(["campaign_id", "user_id"])["timestamp"].max().rename("redeemed").reset_index()
    sent = sent.merge(pairs, how="left", on=["campaign_id", "user_id"])
    sent["hit"] = sent["redeemed"].notna()
    base = sent["hit"].mean() if len(sent) else 0.1

    def rate(rows: pd.DataFrame) -> pd.Series:
        grouped = rows.groupby("user_id")["hit"].agg(["sum", "count"]).reindex(users, fill_value=0)
        return (grouped["sum"] + _PRIOR * base) / (grouped["count"] + _PRIOR)

    def count(table: pd.DataFrame) -> pd.Series:
        return table.groupby("user_id").size().reindex(users, fill_value=0)

    redeemed, uses = past.redemptions, past.uses
    ago = now - _days(redeemed["timestamp"])
    last = ago.groupby(redeemed["user_id"]).min().reindex(users)
    used = now - _days(uses["timestamp"])
    ended = sent[sent["end"] < start]
    table = {
        "redeems": rate(sent),
        "redeems, ended campaigns": rate(ended),
        "redeems this kind": rate(sent[sent["kind"] == kind]),
        "redeems lately": rate(sent[sent["ago"] <= 120]),
        "campaigns 90d": count(sent[sent["ago"] <= 90]),
        "days since a redemption (log)": np.log1p(last.clip(upper=180).fillna(180)),
        "coupons redeemed 90d (log)": np.log1p(count(redeemed[ago <= 90])),
        "coupon visits 30d": count(uses[used <= 30]) / 30,
        "coupon visits 90d": count(uses[used <= 90]) / 90,
        "redeemed so far": count(sent[sent["hit"]]),
        "received so far": count(sent),
        "coupon visits so far": count(uses),
    }
    return pd.DataFrame(table, index=users)
