"""Values from logs are right where their assumptions hold and wrong where they don't; exploring beats greed."""

import numpy as np
import pytest
from scipy.special import expit

from recsys_kit.operations import logged


@pytest.fixture(scope="module")
def world():
    """Households with facts, chances that a line does not describe, a policy that logs and one to value."""
    rng = np.random.default_rng(0)
    facts = rng.normal(size=(200, 3))
    truth = expit(2 * np.sin(2 * facts @ rng.normal(size=(3, 6))) - 1)
    return facts, truth, logged.soft(truth, 2.0, 0.02), logged.soft(truth, 8.0, 0.0)


def test_policies_are_chances(world):
    _, truth, logging, policy = world
    assert np.allclose(logging.sum(1), 1) and np.allclose(policy.sum(1), 1) and logging.min() >= 0.02
    assert logged.true_value(truth, policy) > logged.true_value(truth, logging)


def test_a_log_shows_what_its_policy_says(world):
    _, truth, logging, _ = world
    log = logged.draw(truth, logging, 40_000, np.random.default_rng(0))
    assert np.allclose(np.bincount(log.actions, minlength=6) / 40_000, logging.mean(0), atol=0.01)
    assert log.rewards.mean() == pytest.approx(logged.true_value(truth, logging), abs=0.01)
    assert np.allclose(log.chances, logging[log.users, log.actions])


def test_intervals_cover_the_truth_where_the_assumptions_hold(world):
    facts, truth, logging, policy = world
    found = logged.coverage(truth, logging, policy, facts, 1500, 200)
    for name in ("IPS", "SNIPS", "doubly robust"):
        assert 0.90 <= found.loc[name, "covered"] <= 0.99, found
        assert abs(found.loc[name, "bias"]) < 0.01
    assert found.loc["direct", "covered"] < 0.5  # a line is not what the truth is
    assert found.loc["doubly robust", "spread"] < found.loc["IPS", "spread"]


def test_wrong_chances_in_the_log_mislead(world):
    facts, truth, logging, policy = world
    even = np.full_like(logging, 1 / 6)
    found = logged.coverage(truth, logging, policy, facts, 1500, 60, written=even)
    assert found.loc["IPS", "covered"] < 0.5


def test_what_was_never_shown_can_not_be_valued(world):
    facts, truth, _, policy = world
    narrow = np.where(np.arange(6) < 3, logged.soft(truth, 1.0, 0.0), 0)
    found = logged.coverage(truth, narrow / narrow.sum(1, keepdims=True), policy, facts, 1500, 60)
    assert found.loc["IPS", "bias"] < -0.05 and found.loc["IPS", "covered"] < 0.5


def test_greed_stays_with_what_it_knows_and_explorers_find_what_is_better():
    truth, facts = np.tile([0.3] * 7 + [0.7], (50, 1)), np.zeros((50, 0))
    runs = {
        name: [logged.explore(name, truth, facts, 150, 4, 1.0, seed) for seed in range(5)] for name in logged.LEARNERS
    }
    late = {name: np.mean([run["best"].iloc[-20:].mean() for run in found]) for name, found in runs.items()}
    assert late["greedy"] < 0.7 < min(late["Thompson"], late["LinUCB"])


def test_a_seed_gives_the_same_days_again(world):
    facts, truth, _, _ = world
    one, two = (logged.explore("Thompson", truth, facts, 5, 50, seed=3) for _ in range(2))
    assert one.equals(two)
    assert one["discovered"].is_monotonic_increasing


def test_an_unknown_learner_is_refused(world):
    facts, truth, _, _ = world
    with pytest.raises(ValueError, match="must be one of greedy"):
        logged.explore("bold", truth, facts)
