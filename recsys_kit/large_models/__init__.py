"""What "large" buys: scaling curves, a real language model as recommender, semantic ids (notebook 09)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
