"""From a trained model to lists that a shop could send (notebook 08)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    pipeline=[
        "build",
        "check_path",
        "default_settings",
        "lists_to_write",
        "open_shop",
        "read_users",
        "text_vectors",
        "train_towers",
        "write",
    ],
    recommender=["LIST_COLUMNS", "Recommender", "check_wishes", "everybody", "item_space", "log_odds", "with_similar"],
    rules=["Rules"],
    two_stages=["Model", "columns", "fit", "labelled", "score", "some_cases", "sources", "windows"],
)
