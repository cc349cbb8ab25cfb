"""What a price does to sales, how sure that is, and which price to charge under a shop's rules (notebook 14)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
