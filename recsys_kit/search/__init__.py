"""One search box for a whole shop, in stages: words, meaning, two-tower model, re-ranker (notebook 10)."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    commands=["may_not_fit", "nothing_fits", "read_queries", "run_file", "run_one", "search_file", "to_csv"],
    engine=["RESULT_COLUMNS", "LONGEST_QUERY", "check_query", "search", "search_many"],
    index=["Index", "STAGES", "build", "scores"],
    judging=["cross_validate", "logged", "task"],
)
