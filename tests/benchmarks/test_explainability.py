import explainability
import numpy as np
import pytest


def test_the_same_attributions_have_a_tau_of_one_and_reversed_ones_of_minus_one(monkeypatch):
    values = np.arange(12.0)
    of = {0: values, 1: values, 2: -values}
    monkeypatch.setattr(
        explainability, "attributions", lambda users, seed, dear: [{"ten": ({"occlusion": of[seed]}, 0.0)}] * 2
    )
    assert explainability.stability("ten", "occlusion", 150, 0, 1)["tau"] == 1
    assert explainability.stability("ten", "occlusion", 150, 0, 2)["tau"] == -1


def test_a_row_holds_the_mean_and_each_household(monkeypatch):
    found = [{"ten": {"counts": [1.0, 2.0], "gap": 0.001}}, {"ten": {"counts": [3.0, 2.5], "gap": 0.002}}]
    monkeypatch.setattr(explainability, "drawn", lambda: np.array([0, 1]))
    monkeypatch.setattr(explainability, "case", lambda number, row: found[number])
    row = explainability.measured("faithfulness", "ten", "counts", 0, "0")
    assert (row["deletion"], row["deletion_cases"], row["insertion_cases"]) == (2.0, "100 300", "200 250")
    assert row["largest_gap"] == pytest.approx(0.002)
