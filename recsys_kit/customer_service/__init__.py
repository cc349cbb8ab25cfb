"""An assistant for orders and products that would rather hand over than guess (notebook 16)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__, assistant=["ORDERS", "OTHERS", "PRODUCTS", "Assistant", "Memory", "Reply"]
)
