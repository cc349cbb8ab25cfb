"""The public next-item benchmark: leave one out, a Transformer and what counting says beside it."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    batches=["MaskedItemBatches", "NextItemBatches", "NextItemScores", "training_model"],
    customers=["Choice"],
    fit=["Settings", "Trainer"],
    leave_one_out=["LeaveOneOut", "judge", "judge_each", "read"],
)
