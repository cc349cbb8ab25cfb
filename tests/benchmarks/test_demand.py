import demand
import numpy as np

from recsys_kit import results_file

FILE = demand.Path(__file__).parents[2] / "benchmarks" / "results" / "demand.json"


def test_validation_ends_before_the_test_begins():
    assert demand.VALIDATION[-1] + demand.AHEAD <= demand.TEST[0]
    assert demand.TEST[-1] + demand.AHEAD == 52


def test_the_file_holds_each_series_of_every_method():
    table = results_file.read(FILE).table
    sizes = {"category": 150, "type": 500, "store": 1000}
    for column in ("wape", "pinball_90", "pinball_90_stretched", "coverage", "coverage_stretched"):
        cases = table[f"{column}_cases"].map(lambda text: np.array(text.split(), float) / 1e4)
        assert (cases.map(len) == table["level"].map(sizes)).all()
        assert np.allclose(cases.map(np.mean), table[column], atol=1e-4)
    assert set(table["method"]) == set(demand.METHODS)
