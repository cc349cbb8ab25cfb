"""Classic recommenders, from counting to a recurrent network: what a Transformer has to beat (notebook 03).

Every method takes a `Split` and returns a scorer: a function from rows (B,) of the split's test cases to scores (B, V).
"""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    boosting=["boosted_trees"],
    factorisation=["als", "bpr", "svd", "warp"],
    frequency=["decayed_counts", "personal_frequency", "popularity", "promoted_frequency", "recent_popularity"],
    neighbours=["item_knn", "promoted_knn", "user_knn"],
    next_basket_neighbours=["taiw", "tifu_knn", "up_cf"],
    scorers=["promoted"],
    transitions=[
        "PairWeights",
        "basket_steps",
        "cooccurrence",
        "cooccurrence_table",
        "largest_entries",
        "recent_items",
    ],
)
