"""Ranking metrics over the whole catalogue, and what it takes to trust them (notebook 06).

This room depends on no other room of the kit.
"""

from recsys_kit.evaluation.exposure import beyond_accuracy
from recsys_kit.evaluation.intervals import bootstrap_interval, by_group, paired_difference, summary
from recsys_kit.evaluation.probabilities import calibration_error, captured, paired_statistic, qini, reliability
from recsys_kit.evaluation.ranking import (
    TIES,
    Negatives,
    Scorer,
    best_first,
    discounts,
    evaluate,
    evaluate_halves,
    graded_ndcg,
    top_k,
    top_lists,
)

__all__ = [
    "TIES",
    "Negatives",
    "Scorer",
    "best_first",
    "beyond_accuracy",
    "bootstrap_interval",
    "by_group",
    "calibration_error",
    "captured",
    "discounts",
    "evaluate",
    "evaluate_halves",
    "graded_ndcg",
    "paired_difference",
    "paired_statistic",
    "qini",
    "reliability",
    "summary",
    "top_k",
    "top_lists",
]
