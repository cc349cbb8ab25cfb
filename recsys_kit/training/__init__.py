"""The next-basket Transformer: its sequences, its two heads, its training and its scores (notebook 05)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["basket_batches", "basket_transformer", "baskets", "fit", "scores"],
    submod_attrs={
        "basket_batches": ["BasketBatches", "Settings"],
        "fit": ["build", "history", "is_trained", "run_folder", "train", "trained"],
        "scores": ["scorer"],
    },
)
