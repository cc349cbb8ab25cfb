"""The public next-item benchmark: leave one out, a Transformer and what counting says beside it."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submodules=["batches", "bench", "fit", "formats", "leave_one_out", "prior"],
    submod_attrs={
        "batches": [
            "MaskedItemBatches",
            "NEGATIVES",
            "NextItemBatches",
            "NextItemScores",
            "training_model",
        ],
        "fit": ["Trainer"],
        "leave_one_out": ["LeaveOneOut", "judge", "read"],
    },
)
