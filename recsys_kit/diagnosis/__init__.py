"""Is a sequence model worth it in this shop? Experiments on its own data, and a verdict that its intervals carry."""

from recsys_kit import door

__getattr__, __dir__, __all__ = door(
    __name__,
    experiments=["Settings", "diagnose"],
    verdicts=["Thresholds", "verdict"],
)
