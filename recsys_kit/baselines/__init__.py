"""Classic recommenders, from counting to a recurrent network: every method returns a scorer (notebook 03)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["frequency", "lstm"],
    submod_attrs={
        "frequency": [
            "als",
            "bpr",
            "cooccurrence",
            "cooccurrence_table",
            "decayed_counts",
            "item_knn",
            "personal_frequency",
            "popularity",
            "recent_items",
            "recent_popularity",
            "svd",
            "user_knn",
            "warp",
        ],
    },
)
