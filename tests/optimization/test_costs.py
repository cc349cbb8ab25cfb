"""What the steps of an experiment cost."""

import time

import pytest

from recsys_kit import optimization


def test_costs_add_up_and_are_kept_even_if_a_step_fails():
    cost = optimization.Costs()
    for _ in range(2):
        with cost("sleep"):
            time.sleep(0.01)
    with pytest.raises(RuntimeError), cost("broken"):
        raise RuntimeError
    assert cost.table().index.tolist() == ["sleep", "broken"]
    assert cost.table().loc["sleep", "seconds"] >= 0.02
