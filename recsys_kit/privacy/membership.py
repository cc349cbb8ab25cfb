"""Membership inference: can one tell from a model who was in its training?

The attack of Yeom et al. (2018), "Privacy Risk in Machine Learning": who fits well was there. Some households fit well
anywhere; a reference model that was trained on other households says so, and is subtracted (Watson et al. 2022, "On the
Importance of Difficulty Calibration in Membership Inference Attacks"). An average over all households can hide the few
who are exposed, so the rate at one false alarm in a hundred is counted as well (Carlini et al. 2022, "Membership
Inference Attacks From First Principles").

Letters for shapes: M members, N others (households that were not in the training).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

__all__ = ["Attack", "attack", "signal"]


@dataclass(frozen=True)
class Attack:
    """How well members are told from others.

    Attributes:
        auc: The chance that a member looks more like one than somebody else does; 0.5 is guessing.
        low: Lower end of its interval.
        high: Upper end.
        found: The part of the members that is found at `alarms` false alarms; guessing finds as many as that.
        alarms: The part of the others that is taken for members.
    """

    auc: float
    low: float
    high: float
    found: float
    alarms: float


def signal(losses: np.ndarray, reference: np.ndarray | None = None) -> np.ndarray:
    """Returns how much each household looks like a member: the better it fits, the more.

    Args:
        losses: (M,) or (N,) each household's loss under the attacked model.
        reference: The same under a model that saw none of them; None: the plain attack.

    Example:
        The first household fits well everywhere, the second one only under the attacked model:

        >>> signal(np.array([0.5, 1.0])).tolist(), signal(np.array([0.5, 1.0]), np.array([0.5, 2.0])).tolist()
        ([-0.5, -1.0], [0.0, 1.0])
    """
    losses = np.asarray(losses, float)
    return -losses if reference is None else np.asarray(reference, float) - losses


def attack(
    members: np.ndarray, others: np.ndarray, alarms: float = 0.01, level: float = 0.95, draws: int = 1000, seed: int = 0
) -> Attack:
    """Measures an attack by what it says of members (M,) and of others (N,).

    Args:
        members: Their signals; NaN: nothing is known of the household, it is left out.
        others: The others' signals.
        alarms: See `Attack`.
        level: Coverage of the interval.
        draws: Bootstrap samples; members and others are drawn apart.
        seed: Of the samples.

    Raises:
        ValueError: If there is nobody on one side.

    Example:
        >>> attack(np.array([3.0, 4.0]), np.array([1.0, 2.0])).auc
        1.0
    """
    members, others = (np.asarray(side, float)[~np.isnan(side)] for side in (members, others))
    if not len(members) or not len(others):
        raise ValueError(f"there must be members and others. Received: {len(members)} and {len(others)}.")
    rng = np.random.default_rng(seed)
    found = [
        _auc(rng.choice(members, len(members)), rng.choice(others, len(others)))  # (M,) and (N,)
        for _ in range(draws)
    ]
    low, high = np.quantile(found, [(1 - level) / 2, (1 + level) / 2])
    bar = np.quantile(others, 1 - alarms, method="higher")
    return Attack(_auc(members, others), float(low), float(high), float((members > bar).mean()), alarms)


def _auc(members: np.ndarray, others: np.ndarray) -> float:
    """Returns how often a member's signal is higher than another's; a tie counts half."""
    ranks = rankdata(np.r_[members, others])[: len(members)].sum()
    return float((ranks - len(members) * (len(members) + 1) / 2) / (len(members) * len(others)))
