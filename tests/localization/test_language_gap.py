import pandas as pd

from recsys_kit.localization import language_gap


def test_the_gap_compares_the_same_intents_only():
    asked = pd.DataFrame({"intent_id": ["a", "a", "b", "b", "c"], "language": ["en", "zh", "en", "zh", "en"]})
    table = language_gap.gap(pd.Series([1.0, 0.5, 0.6, 0.3, 0.0]), asked, draws=50)
    assert table.loc["zh", ["intents", "english", "own", "part"]].round(3).tolist() == [2, 0.8, 0.4, 0.5]
    assert table.loc["zh", "low"] <= table.loc["zh", "difference"] <= table.loc["zh", "high"] < 0
