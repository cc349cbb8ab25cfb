"""From a trained model to lists that a shop could send (notebook 08)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "candidates",
        "cold_start",
        "diversity",
        "listwise",
        "nearest",
        "page",
        "pipeline",
        "ranking",
        "reasons",
        "recommender",
        "rules",
        "serving",
        "towers",
        "two_stages",
    ],
    submod_attrs={
        "pipeline": [
            "build",
            "check_path",
            "default_settings",
            "open_shop",
            "read_users",
            "text_vectors",
            "train_towers",
            "write",
        ],
        "recommender": ["LIST_COLUMNS", "Recommender", "everybody", "item_space", "log_odds"],
        "rules": ["Rules"],
        "two_stages": [
            "Model",
            "candidate_table",
            "columns",
            "fit",
            "labelled",
            "score",
            "some_cases",
            "sources",
            "windows",
        ],
    },
)
