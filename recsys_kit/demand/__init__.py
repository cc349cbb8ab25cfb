"""How much will be sold, and how much to stock: the index of notebook 13.

- `series`: weekly units of a shop's categories, types and stores, in a hierarchy that adds up;
- `plan`: what the promotion plan says of a coming week, weighed by what was sold before;
- `forecasts`: rolling origins, simple and classic methods, boosting, intervals, and figures that judge them;
- `quantile_transformer`: one small Transformer over all series, whose quantiles can't cross;
- `inventory`: orders, stock and what it costs;
- `commands`: the command `recsys-kit forecast`.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
