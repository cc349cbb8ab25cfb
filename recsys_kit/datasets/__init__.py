"""A shop as canonical tables: The Complete Journey, or a folder with your own data."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    own_shop=["read_shop"],
    shops=["load", "sample_users"],
    tables=["DataError", "NotForThisShop", "Shop", "positions"],
)
