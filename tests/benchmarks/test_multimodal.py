import multimodal
import numpy as np
import pandas as pd

from recsys_kit import results_file

FILE = multimodal.Path(__file__).parents[2] / "benchmarks" / "results" / "multimodal.json"


def test_every_way_is_tried_with_and_without_a_picture_and_with_the_control():
    for method in multimodal.ALL_WAYS:
        assert [way for name, way in multimodal.TRAINED if name == method] == list(multimodal.fusion.WAYS)
    assert {"text + id", "text + id + picture", "dealt out"} == set(multimodal.ALL_WAYS)
    assert {method for method, _ in multimodal.TRAINED} == set(multimodal.METHODS)


def test_a_row_holds_the_mean_and_each_case():
    row = multimodal.columns("cold", pd.Series([0.25, 0.5]))
    assert row == {"cold": 0.375, "cold_cases": "2500 5000"}


def test_the_file_holds_each_case_of_every_method_and_as_many_seeds_as_its_claims_need():
    table = results_file.read(FILE).table
    for part in ("cold", "warm"):
        cases = table[f"{part}_cases"].map(lambda text: np.array(text.split(), float) / 1e4)
        assert cases.map(len).nunique() == 1
        assert np.allclose(cases.map(np.mean), table[part], atol=1e-4)
    early = table[table["way"] == "early"].groupby("method")["seed"].nunique()
    assert (early[list(multimodal.MANY)] == len(multimodal.SEEDS)).all()
    assert (early[list(multimodal.CONTROLS)] >= multimodal.FEW).all()
