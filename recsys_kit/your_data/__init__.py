"""A folder of your own as it comes in: what is there, and what it is good for (notebook 25)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    entry_report=["columns", "numbers", "pages"],
    orders_export=["as_customer", "write_orders"],
)
