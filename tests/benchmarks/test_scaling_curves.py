from pathlib import Path

import numpy as np
import pytest
import scaling_curves

from recsys_kit import results_file, transformer
from recsys_kit.large_models import curves
from recsys_kit.next_item import LeaveOneOut

FILE = Path(__file__).parents[2] / "benchmarks" / "results" / "scaling_curves.json"


@pytest.fixture
def small(monkeypatch):
    """Streams of 40 types: 30 households walk around a circle, each from a place of its own."""
    items = np.concatenate([(np.arange(120) + first) % 40 + 1 for first in range(30)]).astype(np.int32)
    data = LeaveOneOut(items, np.arange(31) * 120, 40, "")
    monkeypatch.setattr(scaling_curves, "streams", lambda: data)
    scaling_curves.households.cache_clear()
    yield data
    scaling_curves.households.cache_clear()


@pytest.mark.parametrize("point", [(8, 2), (64, 1), (16, 0)])
def test_parameters_are_those_of_the_model(small, point):
    width, blocks = point
    model = transformer.next_item_model(small.size, scaling_curves.LENGTH, width, blocks)
    found = scaling_curves.sizes(width, blocks, 1.0, 1)
    assert found["parameters"] == model.count_params()
    assert found["block_parameters"] == sum(model.get_layer(f"block_{i}").count_params() for i in range(blocks))


def test_the_largest_for_a_gpu_has_a_hundred_million_parameters(small):
    width, blocks, share, epochs = scaling_curves.LARGE[-1]
    assert 1e8 < scaling_curves.sizes(width, blocks, share, epochs)["parameters"] < 1.1e8


def test_a_smaller_share_is_a_part_of_a_larger_one(small):
    few, many = (scaling_curves.households(share) for share in (0.2, 0.5))
    rows = [{tuple(part) for part in np.split(one.items, one.start[1:-1])} for one in (few, many)]
    assert len(rows[0]) == 6 and rows[0] < rows[1]


def test_an_untrained_model_is_as_good_as_guessing_and_a_trained_one_learns_the_circle(small):
    model = transformer.next_item_model(small.size, scaling_curves.LENGTH, 8, 0)
    assert scaling_curves.test_loss(model, small) == pytest.approx(np.log(40), abs=0.2)
    assert scaling_curves.row(16, 1, 1.0, 30, 0)["loss"] < 0.5


def test_counting_knows_what_a_household_buys_and_not_when(small):
    assert scaling_curves.counted_loss(small) == pytest.approx(np.log(40), abs=0.1)


def test_the_largest_point_is_the_last_and_is_trained_after_its_forecast(small):
    points = scaling_curves.wanted(large=False)
    assert points[-1][:4] == scaling_curves.LARGEST
    assert len({point[:4] for point in points}) >= 12
    assert scaling_curves.sizes(*points[-1][:4])["flops"] > max(
        scaling_curves.sizes(*point[:4])["flops"] for point in points[1:-1]
    )


@pytest.mark.skipif(not FILE.exists(), reason="nothing was trained")
def test_the_stored_forecast_is_what_the_small_points_say():
    table = results_file.read(FILE).table
    largest, small = table[table["predicted"].notna()].iloc[0], table[table["predicted"].isna()]
    points = curves.frontier(small[small["epochs"] == 1].assign(x=small["flops"]))
    assert curves.forecast(points, largest["flops"]).value == pytest.approx(largest["predicted"], abs=1e-3)
