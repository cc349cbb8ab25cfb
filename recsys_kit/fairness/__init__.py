"""Who is served how well, what is shown, and what a recommender does to a shop over time (notebook 22).

- `audit`: NDCG by group of households, adjusted, with intervals, corrected for several looks;
- `shares`: exposure against sales, popularity bias, calibration, and re-ranking that changes them;
- `bubble`: a simulated shop in which households choose from lists and the recommender learns from that;
- `card`: a model card from measured numbers, in English and Chinese.
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
