"""Classic recommenders, from counting to a recurrent network: what a Transformer has to beat (notebook 03).

Every method takes a `Split` and returns a scorer: a function from rows (B,) of the split's test cases to scores (B, V).
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["factorisation", "frequency", "lstm", "neighbours", "scorers", "transitions"],
    submod_attrs={
        "factorisation": ["als", "bpr", "svd", "warp"],
        "frequency": ["decayed_counts", "personal_frequency", "popularity", "recent_popularity"],
        "neighbours": ["item_knn", "user_knn"],
        "transitions": ["basket_steps", "cooccurrence", "cooccurrence_table", "largest_entries", "recent_items"],
    },
)
