"""Whom to send a coupon: who responds, whom it changes, what the budget allows (notebook 12)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(__name__)
