"""One search box for a whole shop, in stages: words, meaning, two-tower model, re-ranker (notebook 10)."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=[
        "commands",
        "corpus",
        "engine",
        "fusion",
        "glossary",
        "index",
        "judging",
        "lexical",
        "personal",
        "queries",
        "reranker",
        "translation",
        "two_tower",
        "vectors",
        "word_lists",
    ],
    submod_attrs={
        "commands": ["open_index", "read_queries", "run_file", "run_one", "search_file", "to_csv"],
        "engine": ["RESULT_COLUMNS", "LONGEST_QUERY", "check_query", "search", "search_many"],
        "index": ["Index", "STAGES", "build", "scores"],
        "judging": ["cross_validate", "task"],
    },
)
