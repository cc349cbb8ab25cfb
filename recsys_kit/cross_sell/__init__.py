"""What goes with what is in the basket, what stands in for it, and what would be worth more (notebook 11)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    value=[
        "Calibration",
        "best_weights",
        "chances",
        "evaluate_all",
        "fit_calibration",
        "mixture",
        "remembering",
        "revenue",
        "value_lists",
    ],
)
