"""What would another policy have earned? Values from logs, and what it costs to find out (notebook 17).

A log says who came, what was shown, with what chance, and what it earned. The truth is a table of chances that the
simulation knows. Letters for shapes: U households, A actions, N rounds of a log, F facts of a household.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats
from scipy.special import softmax

__all__ = ["ESTIMATORS", "LEARNERS", "Log", "coverage", "draw", "estimates", "explore", "soft", "true_value"]

ESTIMATORS = ("direct", "IPS", "SNIPS", "doubly robust")
LEARNERS = ("greedy", "Thompson", "LinUCB")


@dataclass(frozen=True)
class Log:
    """What a shop wrote down.

    Attributes:
        users: (N,) who came.
        actions: (N,) what was shown.
        chances: (N,) with what chance.
        rewards: (N,) what it earned, 0 or 1.
    """

    users: np.ndarray
    actions: np.ndarray
    chances: np.ndarray
    rewards: np.ndarray


def soft(scores: np.ndarray, sharpness: float, floor: float = 0.0) -> np.ndarray:
    """Returns (U, A) the chances of a policy that prefers high scores.

    Args:
        scores: (U, A) what the policy thinks of each action.
        sharpness: 0 shows everything alike.
        floor: Least chance of each action.
    """
    return floor + (1 - floor * scores.shape[1]) * softmax(sharpness * scores, axis=1)


def true_value(truth: np.ndarray, policy: np.ndarray) -> float:
    """Returns what a policy earns a round, households coming equally often.

    Args:
        truth: (U, A) chance that an action is taken.
        policy: (U, A) chance that it is shown.
    """
    return float((truth * policy).sum(1).mean())


def draw(truth: np.ndarray, policy: np.ndarray, rounds: int, rng: np.random.Generator) -> Log:
    """Returns the log of a policy, `rounds` households long."""
    users = rng.integers(0, len(truth), rounds)
    edges = policy.cumsum(1)[users]
    actions = np.minimum((rng.random((rounds, 1)) > edges).sum(1), truth.shape[1] - 1)
    rewards = (rng.random(rounds) < truth[users, actions]).astype(float)
    return Log(users, actions, policy[users, actions], rewards)


def estimates(log: Log, policy: np.ndarray, facts: np.ndarray) -> pd.DataFrame:
    """Estimates what a policy would have earned from the log of another one.

    The direct estimate trusts a linear model of the reward a action; IPS weighs what was seen by how much likelier the
    new policy shows it; SNIPS divides by the sum of these weights; doubly robust corrects the model where it was seen
    to be wrong (Dudík et al., 2011), the model fitted on the other half of the log (Chernozhukov et al., 2018).

    Args:
        log: The log.
        policy: (U, A) the new policy.
        facts: (U, F) what the model knows of a household.

    Returns:
        One row an estimator: `value`, `low`, `high` (95%, from the log's own spread).
    """
    weight = policy[log.users, log.actions] / log.chances
    half = np.arange(len(weight)) % 2 == 0
    guessed = np.empty((len(weight), policy.shape[1]))
    for part in (half, ~half):
        guessed[part] = _ridge(log, facts, ~part, policy.shape[1])[log.users[part]]
    shown = (guessed * policy[log.users]).sum(1)
    ratio = (weight * log.rewards).sum() / weight.sum()
    parts = {
        "direct": shown,
        "IPS": weight * log.rewards,
        "SNIPS": ratio + weight * (log.rewards - ratio) / weight.mean(),
        "doubly robust": shown + weight * (log.rewards - guessed[np.arange(len(weight)), log.actions]),
    }
    table = pd.DataFrame({name: {"value": own.mean(), "error": stats.sem(own)} for name, own in parts.items()}).T
    half_width = stats.norm.isf(0.025) * table["error"]
    return pd.DataFrame(
        {"value": table["value"], "low": table["value"] - half_width, "high": table["value"] + half_width}
    )


def coverage(
    truth: np.ndarray,
    logging: np.ndarray,
    policy: np.ndarray,
    facts: np.ndarray,
    rounds: int,
    logs: int,
    seed: int = 0,
    written: np.ndarray | None = None,
) -> pd.DataFrame:
    """Draws many logs of one policy and asks how well each estimator tells what another one earns.

    Args:
        truth: (U, A) the chances that the simulation knows.
        logging: (U, A) the policy that makes the logs.
        policy: (U, A) the one to be valued.
        facts: (U, F) what the model of the reward knows.
        rounds: Length of a log.
        logs: How many logs.
        seed: Of the draws.
        written: (U, A) the chances that are written into the log; None: the right ones.

    Returns:
        One row an estimator: `truth`, `bias`, `spread`, `covered` (part of the intervals that hold the truth).
    """
    rng, value = np.random.default_rng(seed), true_value(truth, policy)
    found = []
    for _ in range(logs):
        log = draw(truth, logging, rounds, rng)
        if written is not None:
            log = Log(log.users, log.actions, written[log.users, log.actions], log.rewards)
        found.append(estimates(log, policy, facts))
    table = pd.concat(found).rename_axis("estimator").reset_index()
    table["covered"] = (table["low"] <= value) & (table["high"] >= value)
    by = table.groupby("estimator", sort=False)
    return pd.DataFrame(
        {
            "truth": value,
            "bias": by["value"].mean() - value,
            "spread": by["value"].std(),
            "covered": by["covered"].mean(),
        }
    )


def _ridge(log: Log, facts: np.ndarray, part: np.ndarray, actions: int, strength: float = 1.0) -> np.ndarray:
    """Returns (U, A) rewards as a linear model a action guesses them, fitted on a part of the log."""
    known = np.column_stack([np.ones(len(facts)), facts])
    rows, found = known[log.users], np.zeros((len(facts), actions))
    for action in range(actions):
        own = part & (log.actions == action)
        inner = rows[own].T @ rows[own] + strength * np.eye(known.shape[1])
        found[:, action] = known @ np.linalg.solve(inner, rows[own].T @ log.rewards[own])
    return found


def explore(
    learner: str,
    truth: np.ndarray,
    facts: np.ndarray,
    rounds: int = 30,
    visits: int = 300,
    width: float = 0.5,
    seed: int = 0,
) -> pd.DataFrame:
    """Lets a learner fill one place of the list, day after day, from what it saw on the days before.

    All three learn a Bayesian linear model of the reward for each action, from the same start. The greedy one shows
    what it thinks best; Thompson draws from what it believes; LinUCB adds `width` standard errors (Li et al., 2010).

    Args:
        learner: One of `LEARNERS`.
        truth: (U, A) chance that an action is taken: the choice model.
        facts: (U, F) what is known of a household.
        rounds: Days.
        visits: Households a day.
        width: How bold: factor of the standard error for Thompson and LinUCB.
        seed: Of visits, rewards and draws.

    Returns:
        One row a day: `regret` (what the best action of each household would have earned more, a visit), `discovered`
        (actions shown at least 10 times so far), `best` (part of visits that were shown their best action).
    """
    if learner not in LEARNERS:
        raise ValueError(f"`learner` must be one of {', '.join(LEARNERS)}. Received: {learner!r}.")
    rng = np.random.default_rng(seed)
    known = np.column_stack([np.ones(len(facts)), facts])
    (users, actions), size = truth.shape, known.shape[1]
    inner, moment, shown = np.tile(np.eye(size), (actions, 1, 1)), np.zeros((actions, size)), np.zeros(actions)
    rows = []
    for day in range(rounds):
        came = rng.integers(0, users, visits)
        cover = np.linalg.inv(inner)
        weights = np.einsum("aij,aj->ai", cover, moment)
        if learner == "Thompson":
            roots = np.linalg.cholesky(cover)
            noise = rng.normal(size=(visits, actions, size))
            drawn = weights + width * np.einsum("aij,vaj->vai", roots, noise)
            scores = np.einsum("vi,vai->va", known[came], drawn)
        else:
            scores = known[came] @ weights.T
            if learner == "LinUCB":
                scores = scores + width * np.sqrt(np.einsum("vi,aij,vj->va", known[came], cover, known[came]))
        choice = (scores + 1e-9 * rng.random(scores.shape)).argmax(1)
        reward = rng.random(visits) < truth[came, choice]
        for action in np.unique(choice):
            own = known[came[choice == action]]
            inner[action] += own.T @ own
            moment[action] += own.T @ reward[choice == action]
        shown += np.bincount(choice, minlength=actions)
        best = truth[came].max(1)
        gap = best - truth[came, choice]
        rows.append(
            {"day": day + 1, "regret": gap.mean(), "discovered": int((shown >= 10).sum()), "best": (gap == 0).mean()}
        )
    return pd.DataFrame(rows).set_index("day")
