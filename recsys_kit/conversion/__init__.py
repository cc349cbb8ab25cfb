"""Foreign exports and databases become the tables of a shop: by a recipe, or by a proposal that its owner reads."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    commands=["convert"],
    databases=["is_address"],
)
