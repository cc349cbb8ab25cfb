"""The hint for a missing column is right or absent: tables of well-known exports, and names that only look alike."""

import pytest
from shop_files import GOOD, error, folder_with

from recsys_kit.datasets import column_names

# The header of an export, and what it calls customer, item and time; empty: it has none, so nothing may be offered.
EXPORTS = {
    "Online Retail": (
        "InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country",
        ("CustomerID", "StockCode", "InvoiceDate"),
    ),
    "Online Retail II": (
        "Invoice,StockCode,Description,Quantity,InvoiceDate,Price,Customer ID,Country",
        ("Customer ID", "StockCode", "InvoiceDate"),
    ),
    "Instacart orders": (
        "order_id,user_id,eval_set,order_number,order_dow,order_hour_of_day,days_since_prior_order",
        ("user_id", "", ""),
    ),
    "Instacart lines": ("order_id,product_id,add_to_cart_order,reordered", ("", "product_id", "")),
    "H&M": ("t_dat,customer_id,article_id,price,sales_channel_id", ("customer_id", "article_id", "t_dat")),
    "RetailRocket": ("timestamp,visitorid,event,itemid,transactionid", ("visitorid", "itemid", "timestamp")),
    "YooChoose": ("Session ID,Timestamp,Item ID,Category", ("", "Item ID", "Timestamp")),
    "Diginetica": ("sessionId;userId;itemId;timeframe;eventdate", ("userId", "itemId", "eventdate")),
    "Olist orders": (
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,"
        "order_delivered_customer_date,order_estimated_delivery_date",
        ("customer_id", "", "order_purchase_timestamp"),
    ),
    "Olist lines": (
        "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value",
        ("", "product_id", ""),
    ),
    "Taobao": ("user_id,item_id,category_id,behavior_type,timestamp", ("user_id", "item_id", "timestamp")),
    "Tmall": ("user,item,cat,merchant,brand,action,ts", ("user", "item", "ts")),
    "MovieLens": ("userId,movieId,rating,timestamp", ("userId", "movieId", "timestamp")),
    "RecBole": (
        "user_id:token,item_id:token,rating:float,timestamp:float",
        ("user_id:token", "item_id:token", "timestamp:float"),
    ),
    "Shopify": (
        "Name,Email,Financial Status,Paid at,Fulfillment Status,Currency,Subtotal,Shipping,Total,Created at,"
        "Lineitem quantity,Lineitem name,Lineitem price,Lineitem sku,Vendor,Id",
        ("", "Lineitem sku", "Created at"),
    ),
    "WooCommerce": (
        "order_id,order_number,order_date,status,customer_id,billing_email,product_name,product_id,item_total,quantity",
        ("customer_id", "product_id", "order_date"),
    ),
    "WooCommerce lines": ("order_number,order_date,billing_email,item_name,sku,quantity", ("", "sku", "order_date")),
    "GA4": (
        "event_date,event_timestamp,event_name,event_params,user_pseudo_id,ecommerce,items",
        ("user_pseudo_id", "", "event_timestamp"),
    ),
    "Dunnhumby": (
        "household_key,BASKET_ID,DAY,PRODUCT_ID,QUANTITY,SALES_VALUE,STORE_ID,RETAIL_DISC,TRANS_TIME,WEEK_NO",
        ("household_key", "PRODUCT_ID", ""),
    ),
    "Amazon reviews": (
        "reviewerID,asin,reviewerName,helpful,reviewText,overall,summary,unixReviewTime,reviewTime",
        ("reviewerID", "asin", "unixReviewTime"),
    ),
    "REES46": (
        "event_time,event_type,product_id,category_id,category_code,brand,price,user_id,user_session",
        ("user_id", "product_id", "event_time"),
    ),
    "Ta-Feng": (
        "TRANSACTION_DT,CUSTOMER_ID,AGE_GROUP,PIN_CODE,PRODUCT_SUBCLASS,PRODUCT_ID,AMOUNT,ASSET,SALES_PRICE",
        ("CUSTOMER_ID", "PRODUCT_ID", "TRANSACTION_DT"),
    ),
    "date and time apart": ("customer,sku,date,time", ("customer", "sku", "")),
}


@pytest.mark.parametrize("export", EXPORTS)
def test_the_hints_for_well_known_exports_are_right_or_absent(export):
    header, expected = EXPORTS[export]
    columns = header.replace(";", ",").split(",")
    found = [column_names.suggest(column, columns) for column in ("user_id", "item_id", "timestamp")]
    assert found == list(expected)


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("user_id", "session_id"),
        ("user_id", "order_id"),
        ("user_id", "customer_name"),
        ("user_id", "user_session"),
        ("item_id", "product_name"),
        ("item_id", "title"),
        ("item_id", "time_id"),
        ("item_id", "item_name"),
        ("item_id", "items"),
        ("timestamp", "time_of_day"),
        ("timestamp", "order_hour_of_day"),
        ("timestamp", "order_status"),
        ("price", "sales_value"),
        ("price", "item_total"),
        ("quantity", "quality"),
        ("basket_id", "session_id"),
        ("event_type", "event_date"),
        ("event_type", "event_params"),
    ],
)
def test_a_name_that_only_looks_alike_is_not_offered(column, name):
    assert column_names.suggest(column, [name, "other"]) == ""


@pytest.mark.parametrize(
    ("column", "name"),
    [
        ("user_id", "usr_id"),
        ("timestamp", "timestmp"),
        ("quantity", "quantiy"),
        ("price", "Unit Price"),
        ("price", "Lineitem price"),
        ("basket_id", "InvoiceNo"),
        ("event_type", "behavior_type"),
        ("event_type", "event"),
    ],
)
def test_other_names_and_slips_of_the_pen_are_found(column, name):
    assert column_names.suggest(column, ["country", name]) == name


def test_an_id_is_preferred_to_a_name(tmp_path):
    events = GOOD.replace("item_id,", "product_name,product_id,").replace("tea,", "tea,1,").replace("soup,", "soup,2,")
    message = error(folder_with(tmp_path, events=events))
    assert "Is it `product_id`? Then rename it." in message


def test_a_file_without_a_header_is_recognised(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD.split("\n", 1)[1]))
    assert "column `user_id` is missing" in message
    assert "Are these values? The first line must name the columns." in message
