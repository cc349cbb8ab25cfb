"""Recipes for what shops and web analytics export (and shops that published it); in the words of `recipes`."""

from __future__ import annotations

from typing import Any

__all__ = ["SHOP_RECIPES"]

_NO_CUSTOMER = "no customer"
_GA4_ITEM = ["items.item_id", "items.item_name", "items.item_brand", "items.item_category"]
_GA4_MORE = ["items.price", "items.quantity"]
_GA4_USER = {"first": "customer", "of": ["user_id", "user_pseudo_id"]}
_GA4_EXPLODE = {"explode": "items", "keys": [*_GA4_ITEM, *_GA4_MORE], "why": "an event without items"}
_GA4_NOT_SET = {"drop": "items.item_id", "is": ["(not set)", ""], "why": "an item that is `(not set)`"}
_GA4_IGNORED = (
    "view_item_list view_promotion select_promotion remove_from_cart view_cart begin_checkout add_payment_info "
    "add_shipping_info refund"
).split()
_SHOPIFY_ITEM = {"first": "item", "of": ["Lineitem sku", "Lineitem name"]}
_SHOPIFY_USER = [
    {"fill": ["Email", "Financial Status", "Cancelled at"], "within": "Name"},
    {"drop": "Email", "empty": True, "why": "no e-mail address, so no customer"},
    {"hash": "Email"},
]


def _online_retail(invoice: str, customer: str, price: str, **how: Any) -> dict[str, Any]:
    kept = [
        {"drop": invoice, "starts": "C", "why": "a cancelled invoice"},
        {"drop": "StockCode", "unlike": r"\d{5}.*", "why": "no product: postage, fees, samples, corrections"},
        {"drop": customer, "empty": True, "why": _NO_CUSTOMER},
        {"drop": "Quantity", "below": 1, "why": "a return or a correction of the stock"},
    ]
    named = [
        {"drop": "StockCode", "unlike": r"\d{5}.*", "why": "no product: postage, fees, samples, corrections"},
        {"unique": "StockCode", "prefer": "Description"},
    ]
    people = [{"drop": customer, "empty": True, "why": _NO_CUSTOMER}, {"unique": customer}]
    columns = {customer: "user_id", "StockCode": "item_id", "InvoiceDate": "timestamp", invoice: "basket_id"}
    clock = {"timezone": "Europe/London"} | how.pop("timestamp", {})
    return {
        "events": {
            "file": "*",
            "steps": kept,
            "columns": columns | {"Quantity": "quantity", price: "price"},
            "timestamp": clock,
            **how,
        },
        "items": {"file": "*", "steps": named, "columns": {"StockCode": "item_id", "Description": "title"}, **how},
        "users": {"file": "*", "steps": people, "columns": {customer: "user_id", "Country": "country"}, **how},
    }


SHOP_RECIPES: dict[str, dict[str, Any]] = {
    "online_retail_ii": {
        "title": "Online Retail II (UCI)",
        "source": "https://archive.ics.uci.edu/dataset/502/online+retail+ii",
        "notes": ["Returns are left out, not set against the purchases that they undo."],
        "timezone": "Europe/London",
        "currency": "GBP",
        "tables": _online_retail("Invoice", "Customer ID", "Price"),
    },
    "online_retail": {
        "title": "Online Retail (UCI)",
        "source": "https://archive.ics.uci.edu/dataset/352/online+retail",
        "notes": ["Returns are left out, not set against the purchases that they undo."],
        "timezone": "Europe/London",
        "currency": "GBP",
        "tables": _online_retail(
            "InvoiceNo",
            "CustomerID",
            "UnitPrice",
            timestamp={"format": "%m/%d/%Y %H:%M"},
            format={"encoding": "cp1252"},
        ),
    },
    "olist": {
        "title": "Brazilian E-Commerce by Olist",
        "source": "https://www.kaggle.com/datasets/olistbr/brazilian-ecommerce",
        "notes": ["`customer_id` is new with each order; `customer_unique_id` is the person."],
        "timezone": "America/Sao_Paulo",
        "currency": "BRL",
        "tables": {
            "events": {
                "file": "olist_order_items_dataset.csv",
                "steps": [
                    {"join": "olist_orders_dataset.csv", "on": "order_id"},
                    {"join": "olist_customers_dataset.csv", "on": "customer_id"},
                    {
                        "drop": "order_status",
                        "is": ["canceled", "unavailable"],
                        "why": "an order that was cancelled or could not be filled",
                    },
                    {
                        "count": "units",
                        "of": ["order_id", "product_id", "seller_id", "price"],
                        "why": "one more unit of the same order (a row is a unit)",
                    },
                ],
                "columns": {
                    "customer_unique_id": "user_id",
                    "product_id": "item_id",
                    "order_purchase_timestamp": "timestamp",
                    "order_id": "basket_id",
                    "units": "quantity",
                    "price": "price",
                    "seller_id": "store_id",
                },
                "timestamp": {"timezone": "America/Sao_Paulo"},
            },
            "items": {
                "file": "olist_products_dataset.csv",
                "steps": [
                    {"join": "product_category_name_translation.csv", "on": "product_category_name"},
                    {"first": "category", "of": ["product_category_name_english", "product_category_name"]},
                ],
                "columns": {"product_id": "item_id", "category": "category"},
            },
            "users": {
                "file": "olist_customers_dataset.csv",
                "steps": [{"unique": "customer_unique_id"}],
                "columns": {"customer_unique_id": "user_id", "customer_city": "city", "customer_state": "state"},
            },
        },
    },
    "shopify": {
        "title": "Shopify orders export",
        "source": "https://help.shopify.com/en/manual/fulfillment/managing-orders/exporting-orders",
        "notes": [
            "E-mail addresses are replaced by digests. Whoever has an address can compute its digest: keep the tables "
            "where the addresses may be.",
            "An item is its SKU, or its name where there is none.",
        ],
        "timezone": "UTC",
        "tables": {
            "events": {
                "file": "*",
                "steps": [
                    *_SHOPIFY_USER,
                    {"drop": "Cancelled at", "known": True, "why": "an order that was cancelled"},
                    {
                        "drop": "Financial Status",
                        "is": ["voided", "refunded", "expired"],
                        "why": "an order that was not paid, or paid back",
                    },
                    _SHOPIFY_ITEM,
                    {"divide": "Lineitem discount", "by": "Lineitem quantity", "into": "discount"},
                    {"subtract": "Lineitem price", "less": "discount", "into": "paid"},
                ],
                "columns": {
                    "Email": "user_id",
                    "item": "item_id",
                    "Created at": "timestamp",
                    "Name": "basket_id",
                    "Lineitem quantity": "quantity",
                    "paid": "price",
                    "discount": "discount",
                },
                "timestamp": {"format": "%Y-%m-%d %H:%M:%S %z"},
            },
            "items": {
                "file": "*",
                "steps": [_SHOPIFY_ITEM, {"unique": "item"}],
                "columns": {"item": "item_id", "Lineitem name": "title", "Vendor": "brand"},
            },
        },
    },
    "woocommerce": {
        "title": "WooCommerce Customer/Order/Coupon Export, one row per item",
        "source": "https://woocommerce.com/document/ordercustomer-csv-export-developer-documentation/",
        "notes": [
            "Addresses of guests are replaced by digests. Whoever has an address can compute its digest.",
            "Times are by the clock of the site, which the export does not name: say its zone under `timestamp`.",
            "Prices are what was paid for one unit, without tax.",
        ],
        "timezone": "UTC",
        "tables": {
            "events": {
                "file": "*",
                "steps": [
                    {
                        "drop": "status",
                        "is": ["cancelled", "failed", "refunded", "pending", "checkout-draft", "trash"],
                        "why": "an order that was not paid, or paid back",
                    },
                    {"subtract": "item_quantity", "less": "item_refunded_qty", "unsigned": True, "into": "kept"},
                    {"drop": "kept", "below": 1, "why": "a line that was sent back whole"},
                    {"hash": "billing_email"},
                    {"prefix": "guest ", "to": "billing_email", "into": "guest"},
                    {"first": "customer", "of": ["customer_id", "guest"], "not": ["0"]},
                    {"drop": "customer", "empty": True, "why": "no customer and no e-mail address"},
                    {"divide": "item_total", "by": "item_quantity", "into": "paid"},
                    {"divide": "item_subtotal", "by": "item_quantity", "into": "full"},
                    {"subtract": "full", "less": "paid", "into": "discount"},
                ],
                "columns": {
                    "customer": "user_id",
                    "item_product_id": "item_id",
                    "order_date": "timestamp",
                    "order_id": "basket_id",
                    "kept": "quantity",
                    "paid": "price",
                    "discount": "discount",
                },
            },
            "items": {
                "file": "*",
                "steps": [{"unique": "item_product_id"}],
                "columns": {"item_product_id": "item_id", "item_name": "title", "item_sku": "sku"},
            },
        },
    },
    "ga4": {
        "title": "Google Analytics 4, BigQuery export as JSON lines or Parquet",
        "source": "https://support.google.com/analytics/answer/7029846",
        "notes": [
            "A customer is the `user_id` where there is one, else a browser (`user_pseudo_id`).",
            "A purchase that a page sent twice counts once: by transaction and item.",
        ],
        "timezone": "UTC",
        "tables": {
            "events": {
                "file": "*",
                "steps": [
                    _GA4_EXPLODE,
                    _GA4_NOT_SET,
                    {"flatten": "ecommerce", "keys": ["ecommerce.transaction_id"]},
                    {"blank": ["ecommerce.transaction_id"], "is": "(not set)"},
                    _GA4_USER,
                    {
                        "unique": ["ecommerce.transaction_id", "items.item_id"],
                        "among": {"event_name": "purchase"},
                        "why": "the same purchase sent again",
                    },
                ],
                "columns": {
                    "customer": "user_id",
                    "items.item_id": "item_id",
                    "event_timestamp": "timestamp",
                    "event_name": "event_type",
                    "ecommerce.transaction_id": "basket_id",
                    "items.quantity": "quantity",
                    "items.price": "price",
                },
                "event_types": {
                    "purchase": "purchase",
                    "view_item": "view",
                    "select_item": "click",
                    "add_to_cart": "cart",
                    "add_to_wishlist": "favourite",
                    **dict.fromkeys(_GA4_IGNORED, "ignore"),
                },
                "timestamp": {"unit": "us"},
            },
            "items": {
                "file": "*",
                "steps": [_GA4_EXPLODE, _GA4_NOT_SET, {"unique": "items.item_id", "prefer": "items.item_name"}],
                "columns": {
                    "items.item_id": "item_id",
                    "items.item_name": "title",
                    "items.item_brand": "brand",
                    "items.item_category": "category",
                },
            },
            "queries": {
                "file": "*",
                "steps": [
                    {"drop": "event_name", "is_not": "view_search_results", "why": "no search"},
                    _GA4_USER,
                    {"parameter": "search_term", "from": "event_params", "into": "query"},
                    {"drop": "query", "empty": True, "why": "a search without words"},
                    {"text": ["customer", "event_timestamp"], "into": "id"},
                ],
                "columns": {"id": "query_id", "query": "query", "customer": "user_id", "event_timestamp": "timestamp"},
                "timestamp": {"unit": "us"},
            },
        },
    },
}
"""Name of a recipe -> what it says."""
