"""Makes `events.csv` and `users.csv` of the example shop from `items.csv`, which is written by hand.

Run it with `python data/example_shop/make.py`.

The shop is invented: a small market hall with 60 customers, twelve weeks of 2025. Customers have habits (an item that
runs out after so many days), cook meals (items bought together), and now and then try something that is popular. A few
rows are wrong on purpose, for the cleaning step to find. The same seed gives the same files.
"""

from pathlib import Path

import numpy as np
import pandas as pd

FOLDER = Path(__file__).parent
ZONE = "Europe/Zurich"
FIRST_DAY = pd.Timestamp("2025-01-13", tz=ZONE)  # a Monday; the clocks change on 30 March
DAYS = 84
USERS = 60
MEALS = (  # what is cooked together is bought together
    ("KÄS-04", "GEM-01", "GEM-06", "GET-04"),
    ("KÄS-05", "BRO-01", "GET-04"),
    ("PAS-01", "SAU-01", "KÄS-08", "GEM-04"),
    ("PAS-03", "SAU-02", "KÄS-08"),
    ("PAS-04", "GEM-05", "KÄS-08", "GET-05"),
    ("PAS-06", "SAU-04", "FLE-05"),
    ("PAS-05", "SAU-05", "GEM-07", "SAU-04"),
    ("PAS-02", "MIL-06", "KÄS-02", "FRU-01"),
    ("KÄS-06", "GEM-04", "SAU-03", "BRO-06"),
    ("FRÜ-01", "MIL-03", "FRU-01"),
    ("FRÜ-02", "MIL-02", "FRU-04"),
    ("BRO-03", "MIL-05", "FRÜ-03", "MIL-07"),
    ("FLE-01", "KÄS-01", "BRO-05", "GET-05"),
    ("FLE-03", "SAU-06", "GET-06", "BRO-02"),
)
OPENING = (9, 10, 11, 12, 16, 17, 18, 19)  # hours of visits, local time
SHARES = (0.06, 0.10, 0.14, 0.14, 0.08, 0.18, 0.20, 0.10)


def simulate(items: pd.DataFrame, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Returns the events and the users of the invented shop.

    Args:
        items: The catalogue, with `item_id`, `category` and `price`.
        seed: Seed of all choices.
    """
    random = np.random.RandomState(seed)  # its stream is frozen: the files stay the same with every NumPy
    ids = items["item_id"].to_numpy()
    price = dict(zip(ids, items["price"], strict=True))
    popular = random.dirichlet(np.full(len(ids), 1.0))
    baskets = []
    for user in range(USERS):
        habits = {ids[k]: random.randint(4, 18) for k in random.choice(len(ids), random.randint(3, 7), False, popular)}
        meals = random.choice(len(MEALS), 4, replace=False)
        bought = {item: -random.randint(0, days + 1) for item, days in habits.items()}
        day = random.randint(0, 12)
        while day < DAYS:
            basket = [item for item, days in habits.items() if day - bought[item] >= days and random.rand() < 0.7]
            if random.rand() < 0.5:
                basket += [item for item in MEALS[random.choice(meals)] if random.rand() < 0.8]
            basket += list(random.choice(ids, random.poisson(1.2), p=popular))
            basket = list(dict.fromkeys(basket))
            bought.update((item, day) for item in basket if item in habits)
            if basket:
                hour = int(random.choice(OPENING, p=SHARES))
                time = FIRST_DAY.tz_localize(None) + pd.Timedelta(days=day, hours=hour, minutes=random.randint(60))
                baskets.append((time.tz_localize(ZONE), f"kd-{user + 1:03d}", basket))
            day += 1 + random.poisson(6)
    baskets.sort(key=lambda visit: visit[:2])
    rows = []
    for number, (time, user, basket) in enumerate(baskets, start=1):
        week = (time - FIRST_DAY).days // 7
        for item in basket:
            reduced = on_offer(item, week)
            discount = round(0.2 * price[item], 2) if reduced else 0.0
            quantity = 1 + int(random.rand() < 0.15)
            rows.append((user, item, time, f"b{number:04d}", quantity, round(price[item] - discount, 2), discount))
    columns = ["user_id", "item_id", "timestamp", "basket_id", "quantity", "price", "discount"]
    events = add_mistakes(pd.DataFrame(rows, columns=columns), random)
    events["timestamp"] = events["timestamp"].map(lambda time: time.isoformat())
    return events, make_users(random)


def on_offer(item: str, week: int) -> bool:
    """Tells whether an item is on offer in a week: every item once in eleven weeks, each in its own week."""
    return sum(map(ord, item)) % 11 == week % 11


def add_mistakes(events: pd.DataFrame, random: np.random.RandomState) -> pd.DataFrame:
    """Adds what real files hold: rows twice, a return, a gift, an item that is not in the catalogue."""
    twice = events.iloc[random.choice(len(events), 3, replace=False)]
    wrong = events.iloc[random.choice(len(events), 3, replace=False)].copy().reset_index(drop=True)
    wrong.loc[0, "quantity"] = -1
    wrong.loc[1, "price"] = 0.0
    wrong.loc[2, "item_id"] = "ALT-99"
    return pd.concat([events, twice, wrong]).sort_values(["timestamp", "basket_id"], kind="stable", ignore_index=True)


def make_users(random: np.random.RandomState) -> pd.DataFrame:
    """Returns what is known about the customers: nothing about a quarter of them, not everything about the others."""
    known = np.sort(random.choice(USERS, 45, replace=False)) + 1
    users = pd.DataFrame({"user_id": [f"kd-{number:03d}" for number in known]})
    users["age_group"] = random.choice(["18-34", "35-54", "55+"], len(users))
    users["district"] = random.choice(["Altstadt", "Wiedikon", "Höngg", "Oerlikon"], len(users))
    users["newsletter"] = random.choice(["yes", "no"], len(users))
    users.loc[random.rand(len(users)) < 0.2, "age_group"] = None
    return users


def main() -> None:
    """Writes the two files beside `items.csv`."""
    events, users = simulate(pd.read_csv(FOLDER / "items.csv"))
    events.to_csv(FOLDER / "events.csv", index=False, lineterminator="\n")
    users.to_csv(FOLDER / "users.csv", index=False, lineterminator="\n")
    print(f"{len(events):,} events, {events['user_id'].nunique()} users, {events['basket_id'].nunique():,} baskets")


if __name__ == "__main__":
    main()
