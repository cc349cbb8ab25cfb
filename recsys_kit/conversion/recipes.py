"""Well-known exports, each as a plan in the words of `shop.json`: which files, which steps, which columns.

A recipe is data. `source` is where the columns are documented; `notes` is what its owner should know before he uses
it. A `file` is a pattern; `*` is any file that has the columns.
"""

from __future__ import annotations

from typing import Any

from recsys_kit.conversion.shop_recipes import SHOP_RECIPES

__all__ = ["RECIPES"]

_YOOCHOOSE_CLICKS = ["Session ID", "Timestamp", "Item ID", "Category"]
_YOOCHOOSE_BUYS = ["Session ID", "Timestamp", "Item ID", "Price", "Quantity"]
_DIGINETICA_USER = [
    {"prefix": "session ", "to": "sessionId", "into": "session"},
    {"first": "customer", "of": ["userId", "session"], "not": ["NA"]},
    {"add_ms": "timeframe", "to": "eventdate", "into": "time"},
]
_SEMICOLON = {"separator": ";"}
_TAOBAO = ["user", "item", "category", "behavior", "timestamp"]
_MOVIE_LENS_1M = {"separator": "::", "encoding": "latin-1", "quote": ""}


def _movie_lens(ratings: dict[str, Any], movies: dict[str, Any]) -> dict[str, Any]:
    words = {"yes": "purchase", "no": "view", "into": "event"}
    return {
        "events": {
            **ratings,
            "steps": [{"at_least": "rating", "value": 4, **words}],
            "columns": {
                "userId": "user_id",
                "movieId": "item_id",
                "timestamp": "timestamp",
                "event": "event_type",
                "rating": "rating",
            },
            "timestamp": {"unit": "s"},
        },
        "items": {
            **movies,
            "steps": [{"blank": ["genres"], "is": "(no genres listed)"}],
            "columns": {"movieId": "item_id", "title": "title", "genres": "category"},
        },
    }


RECIPES: dict[str, dict[str, Any]] = {
    "instacart": {
        "title": "Instacart Market Basket Analysis",
        "source": "https://gist.github.com/jeremystan/c3b39d947d9b88b3ccff3147dbcf6c6b",
        "notes": [
            "The export has no dates: everybody's last order is put into the week from 2017-01-07, the others before "
            "it by the days between orders, which the export cuts at 30. Compare nothing across customers by date.",
            "Weekday 0 is taken for Saturday; the export does not say.",
        ],
        "timezone": "UTC",
        "tables": {
            "events": {
                "file": "order_products__*.csv",
                "steps": [
                    {"join": "orders.csv", "on": "order_id"},
                    {
                        "order_clock": {
                            "user": "user_id",
                            "number": "order_number",
                            "weekday": "order_dow",
                            "hour": "order_hour_of_day",
                            "gap": "days_since_prior_order",
                        },
                        "last": "2017-01-07",
                        "into": "time",
                    },
                ],
                "columns": {
                    "user_id": "user_id",
                    "product_id": "item_id",
                    "time": "timestamp",
                    "order_id": "basket_id",
                },
            },
            "items": {
                "file": "products.csv",
                "steps": [
                    {"join": "aisles.csv", "on": "aisle_id"},
                    {"join": "departments.csv", "on": "department_id"},
                ],
                "columns": {
                    "product_id": "item_id",
                    "product_name": "title",
                    "aisle": "category",
                    "department": "department",
                },
            },
        },
    },
    "hm": {
        "title": "H&M Personalized Fashion Recommendations",
        "source": "https://www.kaggle.com/competitions/h-and-m-personalized-fashion-recommendations/data",
        "notes": ["Prices are scaled by the publisher and have no currency. Days have no hour: they are midnights."],
        "timezone": "Europe/Stockholm",
        "tables": {
            "events": {
                "file": "transactions_train.csv",
                "steps": [
                    {
                        "count": "units",
                        "of": ["t_dat", "customer_id", "article_id", "price", "sales_channel_id"],
                        "why": "one more unit of the same purchase (a row is a unit)",
                    }
                ],
                "columns": {
                    "customer_id": "user_id",
                    "article_id": "item_id",
                    "t_dat": "timestamp",
                    "units": "quantity",
                    "price": "price",
                    "sales_channel_id": "store_id",
                },
                "timestamp": {"timezone": "Europe/Stockholm"},
            },
            "items": {
                "file": "articles.csv",
                "columns": {
                    "article_id": "item_id",
                    "prod_name": "title",
                    "product_type_name": "product_type",
                    "garment_group_name": "category",
                    "index_group_name": "department",
                    "colour_group_name": "colour",
                    "detail_desc": "description",
                },
            },
            "users": {
                "file": "customers.csv",
                "columns": {"customer_id": "user_id", "age": "age", "club_member_status": "club_member_status"},
            },
        },
    },
    "retailrocket": {
        "title": "RetailRocket recommender system dataset",
        "source": "https://www.kaggle.com/datasets/retailrocket/ecommerce-dataset",
        "notes": ["Items have no titles: properties are hashed, all but the category."],
        "timezone": "UTC",
        "tables": {
            "events": {
                "file": "events.csv",
                "columns": {
                    "visitorid": "user_id",
                    "itemid": "item_id",
                    "timestamp": "timestamp",
                    "event": "event_type",
                    "transactionid": "basket_id",
                },
                "event_types": {"view": "view", "addtocart": "cart", "transaction": "purchase"},
                "timestamp": {"unit": "ms"},
            },
            "items": [
                {
                    "file": "item_properties_part*.csv",
                    "steps": [
                        {"drop": "property", "is_not": "categoryid", "why": "a property other than the category"},
                        {"latest": "timestamp", "of": "itemid"},
                    ],
                    "columns": {"itemid": "item_id", "value": "category"},
                },
                {"file": "events.csv", "steps": [{"unique": "itemid"}], "columns": {"itemid": "item_id"}},
            ],
        },
    },
    "yoochoose": {
        "title": "YooChoose (RecSys Challenge 2015)",
        "source": "https://2015.recsyschallenge.com/challenge.html",
        "notes": ["There are no customers: each session stands as one. Nobody comes back."],
        "timezone": "UTC",
        "currency": "",
        "tables": {
            "events": [
                {
                    "file": "yoochoose-clicks.dat",
                    "format": {"separator": ",", "header": _YOOCHOOSE_CLICKS},
                    "columns": {"Session ID": "user_id", "Item ID": "item_id", "Timestamp": "timestamp"},
                    "values": {"event_type": "view"},
                },
                {
                    "file": "yoochoose-buys.dat",
                    "format": {"separator": ",", "header": _YOOCHOOSE_BUYS},
                    "steps": [{"blank": ["Price", "Quantity"], "is": "0"}],
                    "columns": {
                        "Session ID": "user_id",
                        "Item ID": "item_id",
                        "Timestamp": "timestamp",
                        "Price": "price",
                        "Quantity": "quantity",
                    },
                    "values": {"event_type": "purchase"},
                },
            ],
            "items": [
                {
                    "file": "yoochoose-clicks.dat",
                    "format": {"separator": ",", "header": _YOOCHOOSE_CLICKS},
                    "steps": [
                        {"blank": ["Category"], "is": ["0", "S"]},
                        {"unique": "Item ID", "prefer": "Category"},
                    ],
                    "columns": {"Item ID": "item_id", "Category": "category"},
                },
                {
                    "file": "yoochoose-buys.dat",
                    "format": {"separator": ",", "header": _YOOCHOOSE_BUYS},
                    "steps": [{"unique": "Item ID"}],
                    "columns": {"Item ID": "item_id"},
                },
            ],
        },
    },
    "diginetica": {
        "title": "Diginetica (CIKM Cup 2016)",
        "source": "https://competitions.codalab.org/competitions/11161",
        "notes": [
            "Most sessions have no customer: such a session stands as one.",
            "Words are hashed: titles and queries are numbers of words.",
        ],
        "timezone": "UTC",
        "tables": {
            "events": [
                {
                    "file": "train-item-views.csv",
                    "format": _SEMICOLON,
                    "steps": _DIGINETICA_USER,
                    "columns": {"customer": "user_id", "itemId": "item_id", "time": "timestamp"},
                    "values": {"event_type": "view"},
                },
                {
                    "file": "train-purchases.csv",
                    "format": _SEMICOLON,
                    "steps": [
                        *_DIGINETICA_USER,
                        {"join": "products.csv", "on": "itemId", "format": _SEMICOLON},
                        {"power_of_2": "pricelog2", "into": "price"},
                    ],
                    "columns": {
                        "customer": "user_id",
                        "itemId": "item_id",
                        "time": "timestamp",
                        "ordernumber": "basket_id",
                        "price": "price",
                    },
                    "values": {"event_type": "purchase"},
                },
            ],
            "items": {
                "file": "products.csv",
                "format": _SEMICOLON,
                "steps": [{"join": "product-categories.csv", "on": "itemId", "format": _SEMICOLON}],
                "columns": {"itemId": "item_id", "product.name.tokens": "title", "categoryId": "category"},
            },
            "queries": [
                {
                    "file": "train-queries.csv",
                    "format": _SEMICOLON,
                    "optional": True,
                    "steps": [
                        {"drop": "searchstring.tokens", "empty": True, "why": "a page of a category, no query"},
                        *_DIGINETICA_USER,
                    ],
                    "columns": {
                        "queryId": "query_id",
                        "searchstring.tokens": "query",
                        "customer": "user_id",
                        "time": "timestamp",
                    },
                    "values": {"event_type": "query"},
                },
                {
                    "file": "train-clicks.csv",
                    "format": _SEMICOLON,
                    "optional": True,
                    "steps": [
                        {"join": "train-queries.csv", "on": "queryId", "format": _SEMICOLON},
                        {"drop": "searchstring.tokens", "empty": True, "why": "a page of a category, no query"},
                        *_DIGINETICA_USER,
                    ],
                    "columns": {
                        "queryId": "query_id",
                        "searchstring.tokens": "query",
                        "customer": "user_id",
                        "time": "timestamp",
                        "itemId": "item_id",
                    },
                    "values": {"event_type": "click"},
                },
            ],
        },
    },
    "taobao": {
        "title": "Taobao UserBehavior",
        "source": "https://tianchi.aliyun.com/dataset/649",
        "notes": ["Only the nine days that the publisher names are kept. There are no prices and no titles."],
        "timezone": "Asia/Shanghai",
        "tables": {
            "events": {
                "file": "UserBehavior*.csv",
                "format": {"separator": ",", "header": _TAOBAO},
                "steps": [
                    {"drop": "timestamp", "below": 1511539200, "why": "before 25 November 2017 in Shanghai"},
                    {"drop": "timestamp", "above": 1512316799, "why": "after 3 December 2017 in Shanghai"},
                ],
                "columns": {
                    "user": "user_id",
                    "item": "item_id",
                    "timestamp": "timestamp",
                    "behavior": "event_type",
                },
                "event_types": {"pv": "view", "cart": "cart", "fav": "favourite", "buy": "purchase"},
                "timestamp": {"unit": "s"},
            },
            "items": {
                "file": "UserBehavior*.csv",
                "format": {"separator": ",", "header": _TAOBAO},
                "steps": [{"unique": "item"}],
                "columns": {"item": "item_id", "category": "category"},
            },
        },
    },
    "movielens": {
        "title": "MovieLens (ratings.csv, movies.csv)",
        "source": "https://files.grouplens.org/datasets/movielens/ml-latest-README.html",
        "notes": ["Nothing is sold: a rating of 4 or more stands for a purchase, a lower one for a view."],
        "timezone": "UTC",
        "tables": _movie_lens({"file": "ratings.csv"}, {"file": "movies.csv"}),
    },
    "movielens_1m": {
        "title": "MovieLens 1M (ratings.dat, movies.dat)",
        "source": "https://files.grouplens.org/datasets/movielens/ml-1m-README.txt",
        "notes": ["Nothing is sold: a rating of 4 or more stands for a purchase, a lower one for a view."],
        "timezone": "UTC",
        "tables": _movie_lens(
            {
                "file": "ratings.dat",
                "format": _MOVIE_LENS_1M | {"header": ["userId", "movieId", "rating", "timestamp"]},
            },
            {"file": "movies.dat", "format": _MOVIE_LENS_1M | {"header": ["movieId", "title", "genres"]}},
        ),
    },
    **SHOP_RECIPES,
}
"""Name of a recipe -> what it says."""
