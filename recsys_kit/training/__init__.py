"""The next-basket Transformer: its sequences, its two heads, its training and its scores (notebook 05)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    basket_batches=["BasketBatches", "Settings"],
    fit=["build", "history", "inclusion_bce", "is_trained", "run_folder", "train", "trained"],
    scores=["scorer"],
)
