import os

import pytest

from recsys_kit import report


def test_the_headline_says_whether_the_result_is_better_and_carries_its_numbers(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    report.headline("NDCG@10", 0.25, "popularity", 0.2)
    report.headline("loss", 0.25, "mean", 0.2, higher_is_better=False)
    first, second = shown
    assert first["text/plain"] == "NDCG@10: 0.2500 (popularity: 0.2000; better)"
    assert second["text/plain"].endswith("not better)")
    assert first[report.HEADLINE_MIME]["baseline_value"] == 0.2


def test_a_broken_promise_is_an_error_where_it_is_strict_and_a_sentence_elsewhere(capsys):
    with pytest.raises(AssertionError, match="promise broken: it holds"):
        report.promise("it holds", False, strict=True)
    report.promise("it holds", False, strict=False)
    assert "does not hold on this data" in capsys.readouterr().out


def test_what_a_library_writes_while_it_starts_is_hidden_and_an_exception_comes_through(capfd):
    with pytest.raises(KeyError), report.quiet():
        os.write(2, b"noise")
        raise KeyError
    assert capfd.readouterr().err == ""


def test_a_headline_on_other_data_says_whose(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, raw: shown.append(data))
    report.headline("NDCG@10", 0.25, "popularity", 0.2, data="The Complete Journey")
    assert shown[0]["text/plain"].endswith("better); measured on The Complete Journey, not on this shop")
    assert shown[0][report.HEADLINE_MIME]["data"] == "The Complete Journey"
    report.headline("NDCG@10", 0.25, "popularity", 0.2)
    assert "data" not in shown[1][report.HEADLINE_MIME]
