"""Invented exports in the shapes of well-known public data sets, each with the quirks that it is documented to have.

Every writer returns what a right conversion must give, counted while the rows are made and not by the code under test.
The column lists are those of the recipe's `source`.
"""

import csv
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np


@dataclass
class Expected:
    """What must come out: rows of each table, money of the purchases, reasons, and one event to look at closely."""

    events: int = 0
    purchases: int = 0
    money: float = 0.0
    items: int = 0
    users: int = 0
    queries: int = 0
    gone: dict = field(default_factory=dict)  # part of the reason -> rows
    event: dict = field(default_factory=dict)  # columns of one event that must be there
    title: str = ""  # one title that must be there, exactly

    def lose(self, why, rows=1):
        self.gone[why] = self.gone.get(why, 0) + rows

    def buy(self, quantity, price):
        self.events += 1
        self.purchases += 1
        self.money += quantity * price


def table(path, columns, rows, separator=",", header=True, encoding="utf-8", **how):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding=encoding, newline="") as handle:
        writer = csv.writer(handle, delimiter=separator, lineterminator="\n", **how)
        writer.writerows([columns] * header + list(rows))


def online_retail_ii(folder, n=2400):
    """Cancellations with C, returns, missing customers, fees as products, customers as floats, several blank titles."""
    rng, rows, want, known, people = np.random.default_rng(1), [], Expected(), set(), set()
    for i in range(n):
        user = f"{12346 + int(rng.integers(60))}.0"
        code = f"{20000 + int(rng.integers(80))}" + "AB"[i % 2] * (i % 3 == 0)
        count, price = int(rng.integers(1, 12)), round(float(rng.integers(20, 900)) / 100, 2)
        when = datetime(2010, 1, 4, 9) + timedelta(hours=3 * i // 2, minutes=i % 60)
        invoice, title, kind = f"{489434 + i // 4}", f'Mug "{code}", red', i % 20
        if kind == 1:
            invoice, count = f"C{invoice}", -count
            want.lose("a cancelled invoice")
        elif kind == 2:
            code, title = ["POST", "DOT", "M", "BANK CHARGES"][i % 4], "Postage"
            want.lose("no product")
        elif kind in (3, 4, 5, 6, 7):
            user = ""
            want.lose("no customer")
        elif kind == 8:
            count = -count
            want.lose("a return or a correction")
        else:
            want.buy(count, price)
        title = "" if kind == 9 and code in known else title
        known |= {code} if code[0].isdigit() else set()
        people |= {user} if user else set()
        rows.append([invoice, code, title, count, f"{when:%Y-%m-%d %H:%M:%S}", price, user, "United Kingdom"])
    rows[10][4] = "2010-07-01 10:30:00"
    want.items, want.users, want.title = len(known), len(people), rows[0][2]
    want.event = {"user_id": rows[10][6][:-2], "item_id": rows[10][1], "timestamp": "2010-07-01 09:30:00+00:00"}
    columns = "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country".split(",")
    table(folder / "online_retail_II.csv", columns, rows)
    return want


def instacart(folder, orders=900):
    """No dates, gaps cut at 30 and empty for the first order, orders without products, titles with quotes."""
    rng, want, lines, products, order = np.random.default_rng(2), Expected(), [], {"prior": [], "train": []}, 0
    for user in range(1, 61):
        count = orders // 60
        for number in range(1, count + 1):
            order += 1
            part = "test" if number == count and user % 3 == 0 else "train" if number == count else "prior"
            gap = "" if number == 1 else f"{7.0 if user == 1 else float(rng.integers(1, 31))}"
            day = 2 if user == 1 else int(rng.integers(7))
            lines.append([order, user, part, number, day, f"{int(rng.integers(24)):02d}", gap])
            for place in range(0 if part == "test" else 3):
                products[part].append([order, 1 + (user * number + 7 * place) % 50, place + 1, 0])
                want.events, want.purchases = want.events + 1, want.purchases + 1
    table(
        folder / "orders.csv",
        "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order".split(","),
        lines,
    )
    for part, rows in products.items():
        columns = ["order_id", "product_id", "add_to_cart_order", "reordered"]
        table(folder / f"order_products__{part}.csv", columns, rows)
    items = [[i, f'Cookies, "No. {i}"', 1 + i % 5, 1 + i % 2] for i in range(1, 51)]
    table(folder / "products.csv", ["product_id", "product_name", "aisle_id", "department_id"], items)
    table(folder / "aisles.csv", ["aisle_id", "aisle"], [[i, f"aisle {i}"] for i in range(1, 6)])
    table(folder / "departments.csv", ["department_id", "department"], [[1, "pantry"], [2, "bakery"]])
    hour = int(lines[count - 2][5])  # a week before the last of user 1, on the same day of the week
    want.event = {"user_id": "1", "basket_id": str(count - 1), "timestamp": f"2017-01-02 {hour:02d}:00:00+00:00"}
    want.items, want.users, want.title = 50, 60, 'Cookies, "No. 7"'
    return want


def hm(folder, n=2400):
    """A row is a unit, article ids with a leading zero, customers in hexadecimal, days without an hour, empty ages."""
    rng, rows, want = np.random.default_rng(3), [], Expected()
    for i in range(n):
        user, article = f"{int(rng.integers(80)):064x}", f"0{108775000 + int(rng.integers(60))}"
        day, price = datetime(2020, 3, 1) + timedelta(days=i // 25), f"0.0{100 + i % 700}"
        units = 1 + (i % 10 == 0)
        row = [f"{day:%Y-%m-%d}", user, article, price, 1 + i % 2]
        if row in rows:
            continue
        rows += [row] * units
        want.buy(units, float(price))
        want.lose("one more unit", units - 1)
    columns = ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"]
    table(folder / "transactions_train.csv", columns, rows)
    names = (
        "article_id product_code prod_name product_type_no product_type_name product_group_name "
        "graphical_appearance_no graphical_appearance_name colour_group_code colour_group_name "
        "perceived_colour_value_id perceived_colour_value_name perceived_colour_master_id "
        "perceived_colour_master_name department_no department_name index_code index_name index_group_no "
        "index_group_name section_no section_name garment_group_no garment_group_name detail_desc"
    ).split()
    articles = [
        [f"0{108775000 + i}", *[f"{name} {i}" for name in names[1:-1]], "" if i == 5 else "Top, with straps"]
        for i in range(60)
    ]
    table(folder / "articles.csv", names, articles)
    people = [[f"{i:064x}", "", 1.0, "ACTIVE", "NONE", "" if i % 9 == 0 else 20 + i, "abc"] for i in range(80)]
    columns = ["customer_id", "FN", "Active", "club_member_status", "fashion_news_frequency", "age", "postal_code"]
    table(folder / "customers.csv", columns, people)
    first = rows[0]
    want.event = {"user_id": first[1], "item_id": first[2], "timestamp": "2020-02-29 23:00:00+00:00", "quantity": 2.0}
    want.items, want.users, want.title = 60, 80, "prod_name 3"
    return want


def retailrocket(folder, n=2600):
    """Times in milliseconds, three words for events, orders on purchases only, properties in two files, over time."""
    rng, rows, want, seen = np.random.default_rng(4), [], Expected(), set()
    for i in range(n):
        word = ["view"] * 8 + ["addtocart", "transaction"]
        user, item, when = int(rng.integers(150)), int(rng.integers(90)), 1433221332117 + i * 900_000
        rows.append([when, user, word[i % 10], item, 5000 + i if i % 10 == 9 else ""])
        want.events, want.purchases = want.events + 1, want.purchases + (i % 10 == 9)
        seen.add(item)
    table(folder / "events.csv", ["timestamp", "visitorid", "event", "itemid", "transactionid"], rows)
    want.event = {"user_id": str(rows[0][1]), "timestamp": "2015-06-02 05:02:12.117000+00:00", "event_type": "view"}
    parts = {1: [], 2: []}
    for item in range(85):
        parts[1].append([1433041200000, item, "categoryid", 100])
        parts[2].append([1433646000000, item, "categoryid", 200 + item])
        parts[1].append([1433041200000, item, "790", "n15360.000"])
        want.lose("a property other than the category")
    for part, lines in parts.items():
        table(folder / f"item_properties_part{part}.csv", ["timestamp", "itemid", "property", "value"], lines)
    table(folder / "category_tree.csv", ["categoryid", "parentid"], [[200, ""]])
    want.items, want.users = 85 + len([item for item in seen if item >= 85]), len({row[1] for row in rows})
    return want


def yoochoose(folder, n=2200):
    """No header, sessions instead of customers, price and quantity 0 where they are not known, S for special offers."""
    rng, clicks, buys, want, items = np.random.default_rng(5), [], [], Expected(), set()
    for i in range(n):
        session, item = 1 + i // 4, 214530000 + int(rng.integers(70))
        when = f"{datetime(2014, 4, 7, 10, 51, 9) + timedelta(minutes=20 * i):%Y-%m-%dT%H:%M:%S}.277Z"
        clicks.append([session, when, item, ["0", "S", "3", "214576500"][i % 4]])
        want.events += 1
        items.add(item)
        if i % 8 == 5:
            known = i % 16 == 5
            buys.append([session, when, item, 1046 if known else 0, 2 if known else 0])
            want.buy(2 if known else 0, 1046)
    buys.append([1, clicks[0][1], 999, 5, 1])  # an item that nobody clicked
    want.buy(1, 5)
    for name, rows in {"clicks": clicks, "buys": buys}.items():
        table(folder / f"yoochoose-{name}.dat", [], rows, header=False)
    want.items, want.users = len(items) + 1, (n + 3) // 4
    want.event = {"user_id": "1", "item_id": str(clicks[0][2]), "timestamp": "2014-04-07 10:51:09.277000+00:00"}
    return want


def diginetica(folder, n=2300):
    """Semicolons, NA for most customers, a date and milliseconds, logarithms of prices, hashed words, a search log."""
    rng, views, bought, want, people = np.random.default_rng(6), [], [], Expected(), set()
    for i in range(n):
        session, item = 1 + i // 5, 1 + int(rng.integers(60))
        user = str(session) if session % 4 == 0 else "NA"  # a number that sessions have, too
        people.add(user if user != "NA" else f"session {session}")
        day = f"{datetime(2016, 5, 9) + timedelta(days=i // 40):%Y-%m-%d}"
        views.append([session, user, item, 1000 * (i % 5) + 250, day])
        want.events += 1
        if i % 6 == 2:
            bought.append([session, user, 1000 * (i % 5) + 900, day, 7000 + i, item])
            want.buy(1, float(2 ** (item % 8)))
    table(folder / "train-item-views.csv", ["sessionId", "userId", "itemId", "timeframe", "eventdate"], views, ";")
    names = ["sessionId", "userId", "timeframe", "eventdate", "ordernumber", "itemId"]
    table(folder / "train-purchases.csv", names, bought, ";")
    goods = [[i, i % 8, f"4875,776,{i}"] for i in range(1, 61)]
    table(folder / "products.csv", ["itemId", "pricelog2", "product.name.tokens"], goods, ";")
    table(folder / "product-categories.csv", ["itemId", "categoryId"], [[i, i % 7] for i in range(1, 61)], ";")
    names = (
        "queryId sessionId userId timeframe duration eventdate searchstring.tokens categoryId items is.test"
    ).split()
    words = ["" if i % 3 == 0 else f"16655,{i}" for i in range(60)]
    asked = [
        [i, 1 + i, "NA", 5 * i, 300, "2016-05-09", words[i], 0 if words[i] else 12, "7,8,9", "FALSE"] for i in range(60)
    ]
    table(folder / "train-queries.csv", names, asked, ";")
    table(folder / "train-clicks.csv", ["queryId", "timeframe", "itemId"], [[i, 9, 7] for i in range(0, 60, 2)], ";")
    want.queries = 40 + sum(bool(words[i]) for i in range(0, 60, 2))
    want.lose("a page of a category", 20 + sum(not words[i] for i in range(0, 60, 2)))
    want.items, want.users, want.title = 60, len(people), "4875,776,9"
    want.event = {"user_id": "session 1", "item_id": str(views[0][2]), "timestamp": "2016-05-09 00:00:00.250000+00:00"}
    return want


def taobao(folder, n=2500):
    """No header, four words, times in seconds, some of them years off; nine days, however many people."""
    rng, rows, want = np.random.default_rng(7), [], Expected()
    gap, people = 300 * 2500 // n, 70 * max(1, n // 2500)
    for i in range(n):
        word = ["pv"] * 7 + ["cart", "fav", "buy"]
        user, item, when = 1 + int(rng.integers(people)), 2268318 + int(rng.integers(80)), 1511544070 + gap * i
        if i % 50 == 3:
            when = [-2134949234, 1511000000, 2122867355][i % 3]
            want.lose("before 25 November" if when < 1511539200 else "after 3 December")
        else:
            want.events, want.purchases = want.events + 1, want.purchases + (i % 10 == 9)
        rows.append([user, item, item % 9, word[i % 10], when])
    table(folder / "UserBehavior.csv", [], rows, header=False)
    want.items, want.users = len({row[1] for row in rows}), len({row[0] for row in rows})
    want.event = {"user_id": str(rows[0][0]), "event_type": "view", "timestamp": "2017-11-24 17:21:10+00:00"}
    return want


def movielens(folder, n=2200):
    """Half stars, titles with commas and quotes, films without a genre, times in seconds.

    Most people rate in one sitting; one in three comes back a month later.
    """
    rng, rows, want = np.random.default_rng(8), {}, Expected()
    for i in range(n):
        user, film, stars = 1 + i // 22, 1 + int(rng.integers(120)), float(rng.integers(1, 11)) / 2
        back = 30 * 24 * 3600 if user % 3 == 0 and i % 22 >= 11 else 0
        rows[user, film] = [user, film, stars, 964982703 + 4 * 3600 * (user - 1) + 60 * (i % 22) + back]
    want.events, want.purchases = len(rows), sum(row[2] >= 4 for row in rows.values())
    table(folder / "ratings.csv", ["userId", "movieId", "rating", "timestamp"], rows.values())
    films = [
        [i, f'American President, The "{i}" (1995)', "(no genres listed)" if i % 9 == 0 else "Comedy|Drama"]
        for i in range(1, 121)
    ]
    table(folder / "movies.csv", ["movieId", "title", "genres"], films)
    table(folder / "links.csv", ["movieId", "imdbId", "tmdbId"], [[1, "0114709", 862]])
    want.items, want.users, want.title = 120, 100, 'American President, The "4" (1995)'
    first = next(iter(rows.values()))
    want.event = {"user_id": "1", "item_id": str(first[1]), "timestamp": "2000-07-30 18:45:03+00:00"}
    return want


def json_lines(path, rows):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
