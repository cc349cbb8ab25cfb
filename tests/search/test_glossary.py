"""The glossary spells the shop's codes out, in English and Chinese."""

import pytest

from recsys_kit.search import glossary


def test_the_glossary_spells_codes_out_and_prefers_the_longest():
    table = glossary.entries()
    assert not table["code"].duplicated().any()
    assert (table["code"] == table["code"].str.upper()).all()
    assert {"FRZN", "SFT DRNK", "PLSTC"} <= set(table["code"])
    assert glossary.readable(["SFT DRNK 2 LITER BTL CARB INCL"]) == ["soft drink 2 liter bottle carbonated including"]
    assert glossary.readable(["BEERALEMALT LIQUORS"])[0].startswith("beer")
    assert glossary.readable(["TOOTHPASTE", "FRZN PIZZA"], "chinese") == ["牙膏", "冷冻 披萨"]
    assert glossary.readable(["Käse 500 g", "东北大米"]) == ["käse 500 g", "东北大米"]
    with pytest.raises(ValueError, match="`language` must be"):
        glossary.readable(["x"], "klingon")
