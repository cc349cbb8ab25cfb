"""A diagnosis is written whole: lines, JSON, and a page with its picture that loads nothing."""

import json

import pytest

from recsys_kit.diagnosis import page, verdicts

MEAN = {"ndcg": 0.2, "low": 0.19, "high": 0.21}
FOUND = {
    "shop": "Tea & <more>",
    "verdict": {"verdict": "worth it", "english": "Worth <it>.", "chinese": "值得。", "level": 0.99},
    "kind": {"sentence": "In this <shop> customers buy things again.", "customers": 500},
    "customers": 480,
    "cases": 900,
    "scores": [{"method": "popularity", **MEAN}, {"method": "counting, all together", **MEAN}],
    "answers": [
        {"question": "order", "difference": 0.02, "low": 0.01, "high": 0.03, "matters": True},
        {"question": "texts", "difference": 0.0, "low": -0.01, "high": 0.01, "matters": False},
    ],
    "curve": [{"part": 1.0, "counting": MEAN, "model": MEAN}],
    "seconds": {"all": 20.0},
    "notes": ["A note."],
}


def test_the_terminal_is_told_the_verdict_and_what_it_rests_on():
    lines = page.lines(FOUND)
    assert lines[:2] == ["Worth <it>.", "值得。"]
    assert "order" in lines[2] and "yes" in lines[2] and "+0.0200 [+0.0100, +0.0300]" in lines[2]
    assert "not shown" in lines[3] and lines[4:] == ["  note: A note.", f"  note: {page.LIMITS[0]}"]


def test_the_page_holds_everything_and_loads_nothing(tmp_path):
    path = page.write(FOUND, tmp_path / "new")
    text = path.read_text(encoding="utf-8")
    assert "Worth &lt;it&gt;." in text and "Tea &amp; &lt;more&gt;" in text and "值得。" in text
    assert "data:image/png;base64," in text and "http" not in text
    assert "In this &lt;shop&gt; customers buy things again." in text and "A note." in text
    assert json.loads((tmp_path / "new" / "diagnosis.json").read_text(encoding="utf-8")) == FOUND


@pytest.mark.parametrize("reason", ["only 3 had bought before"])
def test_a_refused_shop_has_a_page_too(tmp_path, reason):
    found = {"shop": "small", "verdict": verdicts.refused(reason), "notes": []}
    assert reason in page.write(found, tmp_path).read_text(encoding="utf-8")
    assert reason in page.lines(found)[0]
