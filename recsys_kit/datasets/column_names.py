"""What other systems call the canonical columns: hints that are right or absent, never a guess between two meanings."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

__all__ = ["suggest"]

# Names in small letters without anything between the words, the surest first. What only looks alike is not here: a
# session is no customer, a product's name is no id, a line's total is no price, and an hour of the day is no timestamp.
_OTHER_NAMES = {
    "user_id": (
        "userid customerid customeruniqueid visitorid memberid clientid householdid householdkey shopperid buyerid "
        "reviewerid userpseudoid customernumber customerno customercode custid accountid uid user customer"
    ),
    "item_id": (
        "itemid productid articleid stockcode productsku itemsku lineitemsku sku skuid asin movieid productcode "
        "itemcode articlecode articlenumber productnumber goodsid offerid ean gtin upc item product"
    ),
    "timestamp": (
        "timestamp eventtimestamp orderpurchasetimestamp ordertimestamp purchasetimestamp unixreviewtime eventtime "
        "ordertime purchasetime transactiontime datetime createdat orderdatetime invoicedate orderdate purchasedate "
        "transactiondate transactiondt tdat eventdate datecreated paidat saledate date ts"
    ),
    "event_type": (
        "eventtype event eventname behavior behaviour behaviortype behaviourtype action actiontype interaction "
        "interactiontype"
    ),
    "basket_id": (
        "basketid orderid invoiceno invoice invoiceid invoicenumber transactionid receiptid receiptno ticketid "
        "ordernumber orderno checkoutid cartid"
    ),
    "quantity": "quantity qty lineitemquantity orderquantity unitssold",
    "price": "price unitprice lineitemprice priceperunit itemprice",
    "discount": "discount unitdiscount",
    "store_id": "storeid shopid branchid",
    "title": "title producttitle productname itemname articlename lineitemname productdescription",
    "category": "category categoryname productcategory productcategoryname",
    "product_type": "producttype producttypename",
    "department": "department departmentname",
    "brand": "brand brandname manufacturer",
    "start": "start startdate promotionstart",
}
_TYPED = re.compile(r":(token|float|token_seq|float_seq)$")  # RecBole writes the type behind the name


def suggest(column: str, columns: Iterable[str]) -> str:
    """Returns the column that probably is a canonical one under another name; empty if none surely is.

    Args:
        column: The canonical column that is missing.
        columns: The columns of the file.

    Example:
        >>> suggest("item_id", ["InvoiceNo", "StockCode", "Description"])
        'StockCode'
        >>> suggest("item_id", ["product_name", "order_id"])
        ''
    """
    plain = {_plain(name): name for name in reversed(list(columns))}  # of two that are alike, the first
    if column == "timestamp" and {"date", "time"} <= set(plain) and "timestamp" not in plain:
        return ""  # one half of it each
    for name in _OTHER_NAMES.get(column, "").split():
        if name in plain:
            return plain[name]
    taken = {name for other, names in _OTHER_NAMES.items() if other != column for name in names.split()}
    near = difflib.get_close_matches(_plain(column), sorted(set(plain) - taken), n=1, cutoff=0.88)  # a slip of the pen
    return plain[near[0]] if near else ""


def _plain(name: str) -> str:
    return re.sub(r"[\W_]", "", _TYPED.sub("", name.strip().lower()))
