"""Whom to send which campaign when money does not reach for all: expected value, a knapsack, a cap (notebook 12)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import output_file
from recsys_kit.advertising import response
from recsys_kit.advertising.campaigns import Campaigns
from recsys_kit.datasets import DataError, NotForThisShop, Shop, load

__all__ = ["Wishes", "choose", "running", "target", "value_curve", "write"]


@dataclass(frozen=True)
class Wishes:
    """What the shop wants.

    Attributes:
        budget: What may be spent on sending.
        cost: What it costs to send the campaign to one household.
        worth: What a household that redeems is worth to the shop, the coupon's discount taken off.
        cap: At most so many campaigns run for a household at once, this one included.
    """

    budget: float
    cost: float = 1.0
    worth: float = 10.0
    cap: int = 3

    def __post_init__(self):
        """Refuses what makes no sense."""
        for name, low in (("budget", 0), ("cost", 0), ("worth", 0)):
            if not (np.isfinite(getattr(self, name)) and getattr(self, name) > low):
                raise ValueError(f"`{name}` must be a number above {low}. Received: {getattr(self, name)}.")
        if self.cap < 1:
            raise ValueError(f"`cap` must be 1 or more. Received: {self.cap}.")


def choose(offers: pd.DataFrame, budget: float, cap: int | None = None, exact: bool = True) -> np.ndarray:
    """Chooses the offers of the largest value that the budget pays for.

    Args:
        offers: `user_id`, `cost` (above 0) and `value` of each possible offer; one that loses money is never chosen.
        budget: The costs of the chosen ones sum to no more.
        cap: At most so many offers for a household; None: as many as there are.
        exact: Solve the knapsack; False: take the best value for money first, which is what a hurried shop does.

    Returns:
        Whether each offer is chosen.

    Example:
        >>> offers = pd.DataFrame({"user_id": ["a", "b", "c"], "cost": [6.0, 5.0, 5.0], "value": [7.0, 5.5, 5.5]})
        >>> choose(offers, 10.0).tolist(), choose(offers, 10.0, exact=False).tolist()
        ([False, True, True], [True, False, False])
    """
    cost, value = offers["cost"].to_numpy(float), offers["value"].to_numpy(float)
    if not (np.isfinite(cost).all() and (cost > 0).all() and np.isfinite(value).all()):
        raise ValueError("`offers` must have a cost above 0 and a value each, all of them numbers.")
    user = pd.factorize(offers["user_id"])[0]
    chosen = np.zeros(len(offers), bool)
    good = np.flatnonzero((value > 0) & (cost <= budget))
    greedy, spent, sent = chosen.copy(), 0.0, np.zeros(user.max(initial=-1) + 1, int)
    for place in good[np.lexsort((cost[good], -value[good] / cost[good]))]:
        if spent + cost[place] <= budget and (cap is None or sent[user[place]] < cap):
            greedy[place] = True
            spent += cost[place]
            sent[user[place]] += 1
    if not exact or not len(good) or np.ptp(cost[good]) == 0:  # at one price, the best first is the best
        return greedy
    for limit in (budget, budget * (1 - 1e-9)):  # the solver lets a limit be passed by its tolerance: then a lower one
        chosen[good] = _knapsack(value[good], cost[good], user[good], limit, cap)
        if within := cost[chosen].sum() <= budget:
            break
    return chosen if within and value[chosen].sum() >= value[greedy].sum() else greedy


def _knapsack(value: np.ndarray, cost: np.ndarray, user: np.ndarray, budget: float, cap: int | None) -> np.ndarray:
    """Returns whether each offer is chosen, by SciPy's HiGHS; nothing if it finds no answer in ten seconds."""
    import scipy.sparse as sp
    from scipy.optimize import Bounds, LinearConstraint, milp

    limits = [LinearConstraint(cost[None], ub=budget)]
    if cap is not None:
        _, code = np.unique(user, return_inverse=True)
        limits.append(LinearConstraint(sp.csr_matrix((np.ones(len(code)), (code, np.arange(len(code))))), ub=cap))
    options = {"time_limit": 10, "mip_rel_gap": 1e-4}
    found = milp(-value, integrality=np.ones(len(value)), bounds=Bounds(0, 1), constraints=limits, options=options)
    return np.zeros(len(value), bool) if found.x is None else found.x > 0.5


def value_curve(
    offers: pd.DataFrame, budgets: Sequence[float], truth: np.ndarray, cap: int | None = None
) -> pd.DataFrame:
    """Returns what each budget promises and what it brings.

    Args:
        offers: As `choose` takes them.
        budgets: The budgets.
        truth: What each offer really brought, such as worth times redeemed - cost.
        cap: As in `choose`.

    Returns:
        A row a budget: `sent`, `spent`, `promised` and `brought`.
    """
    rows = []
    for budget in budgets:
        chosen = choose(offers, budget, cap)
        spent = offers["cost"].to_numpy()[chosen].sum()
        promised = offers["value"].to_numpy()[chosen].sum()
        rows.append((budget, chosen.sum(), spent, promised, np.asarray(truth)[chosen].sum()))
    return pd.DataFrame(rows, columns=["budget", "sent", "spent", "promised", "brought"]).set_index("budget")


def running(campaigns: Campaigns, campaign: str) -> pd.Series:
    """Returns how many other campaigns each household has at the start of one, indexed by user_id."""
    plan, start = campaigns.plan, campaigns.plan.loc[campaign, "start"]
    others = plan.index[(plan["start"] < start) & (plan["end"] > start)]
    sent = campaigns.targets[campaigns.targets["campaign_id"].isin(others)]
    return sent.groupby("user_id").size()


def target(shop: Shop, campaigns: Campaigns, campaign: str, wishes: Wishes) -> pd.DataFrame:
    """Chooses the households that get a campaign, from what was known before it started.

    Args:
        shop: The shop.
        campaigns: Its campaigns, those to learn from among them.
        campaign: The campaign to send.
        wishes: Budget, cost, worth and cap.

    Returns:
        `rank`, `user_id`, `campaign_id`, `chance`, `cost` and `value`, the best first.

    Raises:
        DataError: If there is no such campaign.
        NotForThisShop: If fewer than two campaigns with households ended before it, or nobody redeemed any of them.
    """
    plan = campaigns.plan
    if campaign not in plan.index:
        raise DataError(f"there is no campaign {campaign!r}. Known: {', '.join(plan.index)}.")
    start = plan.loc[campaign, "start"]
    past, history = campaigns.before(start), shop.events["timestamp"] < start
    ended = [name for name in past.plan.index[past.plan["end"] < start] if name in set(past.targets["campaign_id"])]
    pairs = past.rows()
    redeemed = pairs.loc[pairs["campaign_id"].isin(ended), "redeemed"]
    if len(ended) < 2 or redeemed.nunique() < 2:
        raise NotForThisShop(
            f"to choose who gets campaign {campaign} takes two campaigns that ended before it, some of whose "
            f"households redeemed and some did not. Received: {len(ended)} campaigns; {redeemed.sum()} of "
            f"{len(redeemed)} households redeemed."
        )
    known = pd.Index(shop.events.loc[history, "user_id"].unique())
    busy = running(campaigns, campaign).reindex(known).fillna(0) + 1 > wishes.cap
    users = known[~busy.to_numpy()].sort_values()
    if not len(users):
        return pd.DataFrame(columns=["rank", "user_id", "campaign_id", "chance", "cost", "value"])
    chance = response.fit(shop, campaigns, ended, start).chances(shop, campaigns, campaign, users)
    offers = pd.DataFrame({"user_id": users, "campaign_id": campaign, "chance": chance.to_numpy()})
    offers["cost"] = wishes.cost
    offers["value"] = offers["chance"] * wishes.worth - wishes.cost
    chosen = offers[choose(offers, wishes.budget)].sort_values(["value", "user_id"], ascending=[False, True])
    chosen.insert(0, "rank", np.arange(1, len(chosen) + 1))
    return chosen.reset_index(drop=True)


def write(campaign: str, wishes: Wishes, out: Path, folder: str = "", say: Callable[[str], None] = print) -> None:
    """Does what the command `recsys-kit target` is asked for.

    Args:
        campaign: The campaign to send.
        wishes: Budget, cost, worth and cap.
        out: CSV or Parquet file to write.
        folder: Folder with your own shop; empty for The Complete Journey.
        say: Prints a line.
    """
    from recsys_kit.advertising import campaigns

    out = output_file.check(out, output_file.TABLES)
    shop = load(folder)
    chosen = target(shop, campaigns.load(shop, folder), campaign, wishes)
    output_file.write_table(out, chosen)
    say(
        f"campaign {campaign}: {len(chosen):,} households, "
        f"cost {chosen['cost'].sum():,.2f} of {wishes.budget:,.2f}: {out}"
    )
