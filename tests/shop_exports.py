"""Invented exports in the shapes of shop systems and web analytics, with their quirks; see foreign_exports."""

import hashlib
from datetime import datetime, timedelta

import numpy as np
from foreign_exports import Expected, json_lines, table

SHOPIFY = (
    "Name,Email,Financial Status,Paid at,Fulfillment Status,Fulfilled at,Accepts Marketing,Currency,Subtotal,Shipping,"
    "Taxes,Total,Discount Code,Discount Amount,Shipping Method,Created at,Lineitem quantity,Lineitem name,"
    "Lineitem price,Lineitem compare at price,Lineitem sku,Lineitem requires shipping,Lineitem taxable,"
    "Lineitem fulfillment status,Billing Name,Billing Street,Billing Address1,Billing Address2,Billing Company,"
    "Billing City,Billing Zip,Billing Province,Billing Country,Billing Phone,Shipping Name,Shipping Street,"
    "Shipping Address1,Shipping Address2,Shipping Company,Shipping City,Shipping Zip,Shipping Province,"
    "Shipping Country,Shipping Phone,Notes,Note Attributes,Cancelled at,Payment Method,Payment Reference,"
    "Refunded Amount,Vendor,Outstanding Balance,Employee,Location,Device ID,Id,Tags,Risk Level,Source,"
    "Lineitem discount,Tax 1 Name,Tax 1 Value,Phone,Receipt Number,Duties"
).split(",")

# The columns of the export "one row per item" of the extension Customer/Order/Coupon Export, from its source file
# Orders_Export_Format_Definition.php.
WOOCOMMERCE = (
    "order_id order_number order_number_formatted order_date status shipping_total shipping_tax_total fee_total "
    "fee_tax_total tax_total discount_total order_total refunded_total order_currency payment_method shipping_method "
    "customer_id billing_first_name billing_last_name billing_full_name billing_company vat_number billing_email "
    "billing_phone billing_address_1 billing_address_2 billing_postcode billing_city billing_state billing_state_code "
    "billing_country shipping_first_name shipping_last_name shipping_full_name shipping_address_1 shipping_address_2 "
    "shipping_postcode shipping_city shipping_state shipping_state_code shipping_country shipping_company "
    "customer_note item_id item_product_id item_name item_sku item_quantity item_subtotal item_subtotal_tax item_total "
    "item_total_tax item_refunded item_refunded_qty item_meta item_price line_items shipping_items fee_items tax_items "
    "coupon_items refunds order_notes download_permissions"
).split()


def digest(address):
    return hashlib.blake2s(address.strip().lower().encode(), digest_size=8).hexdigest()


def olist(folder, orders=1500):
    """A new customer id with each order, a row is a unit, cancelled orders, a translation with a byte order mark."""
    rng, want, lines, heads, people = np.random.default_rng(11), Expected(), [], [], []
    for i in range(orders):
        status = ["delivered", "shipped", "canceled", "delivered", "unavailable"][i % 5]
        person, when = f"person{int(rng.integers(200)):04d}", datetime(2017, 10, 2, 10, 56, 33) + timedelta(hours=4 * i)
        heads.append([f"o{i}", f"c{i}", status, f"{when:%Y-%m-%d %H:%M:%S}", "", "", "", "2018-01-01 00:00:00"])
        people.append([f"c{i}", person, f"{i % 99999:05d}", "sao paulo", "SP"])
        for line in range(1 + i % 2):
            product, price, units = f"p{int(rng.integers(90))}", 10 + i % 50 + line / 2, 1 + (i % 7 == 0)
            for _ in range(units):
                lines.append([f"o{i}", len(lines) + 1, product, f"s{i % 3}", "2017-10-09 00:00:00", price, 8.72])
            if status in ("canceled", "unavailable"):
                want.lose("an order that was cancelled", units)
            else:
                want.buy(units, price)
                want.lose("one more unit", units - 1)
    columns = "order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value".split(",")
    table(folder / "olist_order_items_dataset.csv", columns, lines, quoting=2)
    columns = (
        "order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,order_delivered_carrier_date,"
        "order_delivered_customer_date,order_estimated_delivery_date"
    ).split(",")
    table(folder / "olist_orders_dataset.csv", columns, heads)
    columns = ["customer_id", "customer_unique_id", "customer_zip_code_prefix", "customer_city", "customer_state"]
    table(folder / "olist_customers_dataset.csv", columns, people)
    columns = (
        "product_id,product_category_name,product_name_lenght,product_description_lenght,product_photos_qty,"
        "product_weight_g,product_length_cm,product_height_cm,product_width_cm"
    ).split(",")
    goods = [[f"p{i}", ["perfumaria", "artes", "pc_gamer", ""][i % 4], 40, 287, 1, 225, 16, 10, 14] for i in range(90)]
    table(folder / "olist_products_dataset.csv", columns, goods)
    table(
        folder / "product_category_name_translation.csv",
        ["product_category_name", "product_category_name_english"],
        [["perfumaria", "perfumery"], ["artes", "art"]],
        encoding="utf-8-sig",
    )
    want.items, want.users = 90, len({person[1] for person in people})
    want.event = {"user_id": people[0][1], "basket_id": "o0", "timestamp": "2017-10-02 13:56:33+00:00"}
    return want


def shopify(folder, orders=1100):
    """What belongs to an order stands in its first line only; items without SKU; discounts by line; refunds; tills."""
    rng, want, rows, items, people = np.random.default_rng(12), Expected(), [], set(), set()
    for i in range(orders):
        email = "" if i % 25 == 4 else f"Customer{int(rng.integers(90))}@Example.com"
        status = "voided" if i % 25 == 7 else "refunded" if i % 25 == 9 else "paid"
        cancelled = "2025-03-01 10:00:00 -0500" if i % 25 == 7 or i % 25 == 11 else ""
        when = f"{datetime(2025, 1, 2, 12, 0, 5) + timedelta(hours=5 * i):%Y-%m-%d %H:%M:%S} -0500"
        for line in range(2 + i % 2):
            number, count = int(rng.integers(50)), 1 + i % 3
            price, off = 5 + number / 2, 1.5 if line == 0 and i % 4 == 0 else 0
            name, sku = f"Candle {number}, small", "" if number % 10 == 0 else f"CDL-{number:03d}"
            row = dict.fromkeys(SHOPIFY, "") | {"Name": f"#{1001 + i}", "Created at": when, "Vendor": "Leaf"}
            row |= {"Lineitem quantity": count, "Lineitem name": name, "Lineitem price": f"{price:.2f}"}
            row |= {"Lineitem sku": sku, "Lineitem discount": f"{off:.2f}"}
            if line == 0:
                row |= {"Email": email, "Financial Status": status, "Cancelled at": cancelled, "Currency": "USD"}
            rows.append([row[column] for column in SHOPIFY])
            items.add(sku or name)
            if not email:
                want.lose("no e-mail address")
            elif cancelled:
                want.lose("an order that was cancelled")
            elif status == "refunded":
                want.lose("not paid, or paid back")
            else:
                people.add(digest(email))
                want.buy(count, price - off / count)
    table(folder / "orders_export_1.csv", SHOPIFY, rows)
    want.items, want.users, want.title = len(items), len(people), rows[0][17]
    user = digest(rows[0][1])
    want.event = {"user_id": user, "basket_id": "#1001", "timestamp": "2025-01-02 17:00:05+00:00"}
    return want


def woocommerce(folder, orders=1200):
    """Guests are customer 0, totals of a line without tax after the discount, refunds by line, orders not paid."""
    rng, want, rows, items, people = np.random.default_rng(13), Expected(), [], set(), set()
    for i in range(orders):
        guest = i % 5 == 0
        customer, email = (
            (0, f"Guest{i % 30}@example.org") if guest else (1 + int(rng.integers(80)), "known@example.org")
        )
        status = ["completed", "processing", "completed", "cancelled", "on-hold", "failed"][i % 6]
        for line in range(2):
            number, count = 100 + int(rng.integers(60)), 1 + i % 4
            full, back = (
                3 * number * count / 10,
                count if i % 11 == 3 and line else 1 if i % 11 == 5 and count > 1 else 0,
            )
            paid = round(full * 0.9, 2) if i % 3 == 0 else full
            row = dict.fromkeys(WOOCOMMERCE, "") | {"order_id": 9000 + i, "status": status, "customer_id": customer}
            row |= {"order_date": f"{datetime(2025, 2, 1, 8, 30) + timedelta(hours=3 * i):%Y-%m-%d %H:%M:%S}"}
            row |= {"billing_email": email, "item_product_id": number, "item_name": f"Tea no. {number}"}
            row |= {"item_sku": f"T{number}", "item_quantity": count, "item_subtotal": full, "item_total": paid}
            row |= {"item_refunded_qty": -back if i % 2 else back, "order_currency": "EUR"}  # both signs are in use
            rows.append([row[column] for column in WOOCOMMERCE])
            items.add(number)
            if status in ("cancelled", "failed"):
                want.lose("not paid, or paid back")
            elif back == count:
                want.lose("a line that was sent back whole")
            else:
                people.add(f"guest {digest(email)}" if guest else str(customer))
                want.buy(count - back, round(paid / count, 6))
    table(folder / "orders-export-2025.csv", WOOCOMMERCE, rows)
    want.items, want.users, want.title = len(items), len(people), rows[0][WOOCOMMERCE.index("item_name")]
    user = f"guest {digest('guest0@example.org')}"
    want.event = {"user_id": user, "basket_id": "9000", "timestamp": "2025-02-01 08:30:00+00:00"}
    return want


def ga4(folder, n=2600):
    """Nested items and parameters, keys without a value left out, `(not set)`, a purchase sent twice, searches."""
    rng, want, rows, items, people = np.random.default_rng(14), Expected(), [], set(), set()
    names = ["page_view", "view_item_list", "view_item", "view_item", "add_to_cart", "purchase", "view_search_results"]
    for i in range(n):
        name, browser = names[i % 7], f"{1000 + int(rng.integers(120))}.16{i % 3}"
        micros = 1609459200000000 + i * 600_000_000 + 7
        row = {"event_date": "20210101", "event_timestamp": str(micros), "event_name": name}
        row |= {"event_params": [{"key": "page_title", "value": {"string_value": "Shop"}}], "user_pseudo_id": browser}
        row |= {"ecommerce": {"total_item_quantity": "1"}, "items": [], "platform": "WEB"}
        if i % 10 == 0:
            row["user_id"] = f"member{i % 17}"
        if name in ("view_item_list", "view_item", "add_to_cart", "purchase"):
            for place in range(3 if name == "view_item_list" else 1 + (name == "purchase")):
                number = (i + 5 * place) % 40
                item = {"item_id": f"GG{number}", "item_name": f"Tee {number}", "item_brand": "Brand", "quantity": "2"}
                row["items"].append(item | {"price": 12.5 + number, "item_category": "Apparel"})
        if i % 70 == 2:
            row["items"].append({"item_id": "(not set)", "item_name": "(not set)"})
            want.lose("(not set)")
        if name == "purchase":
            row["ecommerce"]["transaction_id"] = "(not set)" if i % 5 == 1 else f"T{i}"
        if name == "view_search_results":
            term = "" if i % 14 == 6 else f"tee {i}"
            row["event_params"].append({"key": "search_term", "value": {"string_value": term}})
            want.queries += bool(term)
        for again in range(1 + (name == "purchase" and i % 4 == 0)):
            copy = row | {"event_timestamp": str(micros + 30_000_000 * again)}
            rows.append(copy)
            for item in row["items"]:
                known = item["item_id"] != "(not set)"
                if known and again and row["ecommerce"]["transaction_id"] != "(not set)":
                    want.lose("the same purchase sent again")
                elif known and name != "view_item_list":
                    want.events += 1
                    people.add(row.get("user_id", browser))
                    if name == "purchase":
                        want.purchases, want.money = want.purchases + 1, want.money + 2 * item["price"]
                elif known:
                    want.lose("an event that is ignored")
                items |= {item["item_id"]} if known else set()
        if not row["items"]:
            want.lose("an event without items")
    json_lines(folder / "events_20210101.json", rows)
    want.items, want.users, want.title = len(items), len(people), "Tee 7"
    want.event = {
        "user_id": rows[2]["user_pseudo_id"],
        "item_id": "GG2",
        "timestamp": "2021-01-01 00:20:00.000007+00:00",
    }
    return want
