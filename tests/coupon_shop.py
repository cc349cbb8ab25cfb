"""A shop with campaigns, small enough to know who redeems: households that used a coupon before do it again."""

from pathlib import Path

import numpy as np
import pandas as pd

CAMPAIGNS = {"spring": "2024-03-01", "may": "2024-05-01", "summer": "2024-07-01", "autumn": "2024-09-01"}


def write_coupon_shop(folder: Path, users: int = 60, seed: int = 0) -> Path:
    """Writes events, campaigns, campaign_targets, redemptions and coupons as CSV files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    people, goods = [f"u{n:02d}" for n in range(users)], [f"i{n:02d}" for n in range(30)]
    days = pd.date_range("2024-01-02", "2024-10-30", freq="5D")
    visits = [(user, day + pd.Timedelta(hours=12)) for user in people for day in days if rng.random() < 0.5]
    rows = [(user, item, when) for user, when in visits for item in rng.choice(goods, 3, replace=False)]
    events = pd.DataFrame(rows, columns=["user_id", "item_id", "timestamp"]).assign(
        price=2.0, quantity=1.0, discount=0.1
    )
    events.to_csv(folder / "events.csv", index=False)
    plan = pd.DataFrame({"campaign_id": list(CAMPAIGNS), "start": list(CAMPAIGNS.values())})
    plan["end"] = (pd.to_datetime(plan["start"]) + pd.Timedelta(days=30)).dt.strftime("%Y-%m-%d")
    plan.to_csv(folder / "campaigns.csv", index=False)
    sent = pd.MultiIndex.from_product([CAMPAIGNS, people], names=["campaign_id", "user_id"]).to_frame(index=False)
    sent = sent[rng.random(len(sent)) < 0.7]
    sent.to_csv(folder / "campaign_targets.csv", index=False)
    keen = sent["user_id"].isin(people[: users // 3])
    redeemed = sent[rng.random(len(sent)) < np.where(keen, 0.7, 0.05)]
    start = pd.to_datetime(redeemed["campaign_id"].map(CAMPAIGNS))
    redeemed.assign(date=(start + pd.Timedelta(days=6)).dt.strftime("%Y-%m-%d")).to_csv(
        folder / "redemptions.csv", index=False
    )
    pairs = [(name, item) for name in CAMPAIGNS for item in rng.choice(goods, 8, replace=False)]
    pd.DataFrame(pairs, columns=["campaign_id", "item_id"]).to_csv(folder / "coupons.csv", index=False)
    return folder
