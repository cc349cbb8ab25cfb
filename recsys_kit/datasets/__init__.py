"""A shop as canonical tables: The Complete Journey, or a folder with your own data."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "complete_journey",
        "files",
        "items",
        "own_shop",
        "promotions",
        "samples",
        "shipped",
        "shops",
        "tables",
        "texts",
    ],
    submod_attrs={
        "own_shop": ["read_shop"],
        "shops": ["load", "sample_users"],
        "tables": ["DataError", "NotForThisShop", "Shop", "positions"],
    },
)
