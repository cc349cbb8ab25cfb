"""Shops as three canonical tables: The Complete Journey, or a folder with your own data.

Every notebook after 01 sees only these tables, whatever the shop:

- `events`: `user_id`, `item_id`, `timestamp` (UTC), `event_type`, `basket_id`, `quantity`,
  `price` (paid, one unit), `discount` (one unit), `store_id`.
- `items`: `item_id`, `title`, `category`, `product_type`, `department`, `brand`, `size`, `is_merchandise`;
  `image` where a shop has pictures (see `pictures`).
- `users`: `user_id` and whatever is known about the user.
"""

from __future__ import annotations

from dataclasses import replace

from recsys_kit.datasets import complete_journey, samples
from recsys_kit.datasets.own_shop import read_shop
from recsys_kit.datasets.tables import DataError, NotForThisShop, Shop, fingerprint, positions

__all__ = ["DataError", "NotForThisShop", "Shop", "load", "positions", "read_shop", "sample_users"]


def load(folder: str = "", users: int = 0, seed: int = 0) -> Shop:
    """Loads a shop: your own from a folder, or The Complete Journey if no folder is given.

    What was assumed about your own shop (filled-in columns, the time zone) is printed, a line each.

    Args:
        folder: Folder with `events.csv|parquet` and, if there are any, `items.*` and `users.*`; empty for
            The Complete Journey.
        users: Keep a sample of so many users; 0 keeps all.
        seed: Seed of that sample.
    """
    shop = read_shop(folder) if folder else complete_journey.load()
    sample = sample_users(shop, users, seed) if users else shop
    for note in sample.notes:
        print(note)
    return sample


def sample_users(shop: Shop, users: int, seed: int = 0) -> Shop:
    """Keeps a sample of the users that have events, with all their events; see `samples` for how they are chosen.

    It is random where that keeps the shop's density; where it isn't, the notes of the result say how it differs.

    Args:
        shop: The shop to sample from.
        users: How many users to keep; a shop with no more is returned as it is.
        seed: Seed of the sample.
    """
    active = shop.users.loc[shop.users["user_id"].isin(shop.events["user_id"].unique()), "user_id"]
    if users >= len(active):
        return shop
    keep, note = samples.choose(shop.events, active, users, seed)
    sampled = replace(
        shop,
        events=shop.events[shop.events["user_id"].isin(keep)].reset_index(drop=True),
        users=shop.users[shop.users["user_id"].isin(keep)].reset_index(drop=True),
        is_reference=False,
        notes=(*shop.notes, note) if note else shop.notes,
    )
    return replace(sampled, fingerprint=fingerprint(sampled))
