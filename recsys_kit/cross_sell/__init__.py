"""What goes with what is in the basket, what stands in for it, and what would be worth more (notebook 11)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["association", "basket_completion", "complements", "upsell", "value"],
    submod_attrs={
        "value": ["Calibration", "best_weights", "chances", "fit_calibration", "mixture", "revenue", "value_lists"],
    },
)
