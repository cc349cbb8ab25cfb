import pytest

from recsys_kit.course import limits


@pytest.mark.parametrize(
    ("text", "good", "bad"),
    [
        ("1 or more", [1, 1.0, 10**9], [0, -1, 0.999, float("nan")]),
        ("0 to 1", [0, 0.5, 1], [-0.001, 1.001]),
        ("-1.5 to -0.5", [-1.5, -1], [0, -2]),
        ("above 0, below 1", [0.001, 0.999], [0, 1, 1.5, -1, float("nan")]),
        ("above 0, at most 1", [1, 0.1], [0, 1.001]),
        ("even, 2 or more", [2, 64], [0, 1, 63]),
        ("one of old, quite new", ["", "old", "quite new"], ["new", "older", 3]),
        ("any of keras, onnx", [[], ["onnx"], ["keras", "onnx"]], [["oxxn"], ["keras", 3]]),
    ],
)
def test_a_value_is_held_against_the_range_in_the_comment(text, good, bad):
    comment = f"of the model, as in 05 (minutes each) ({text})"
    assert limits.stated(comment) == text
    assert [limits.broken(value, comment) for value in good] == [""] * len(good)
    assert [limits.broken(value, comment) for value in bad] == [text] * len(bad)


@pytest.mark.parametrize(
    "comment", ["", "a third (1/e) in the baseline", "about a minute (1 or so)", "(1 or more) passes"]
)
def test_a_comment_without_a_range_at_its_end_states_none(comment):
    assert limits.stated(comment) == limits.broken(-1, comment) == ""


@pytest.mark.parametrize("day", ["yesterday", "2017-13-01", "2017-2-1", "01.12.2017", "20171201", "2017-12-01 10:00"])
def test_a_day_must_be_a_day(day):
    comment = "first day of the test period, YYYY-MM-DD; empty: the last 31 days"
    assert limits.broken(day, comment) == "a day written YYYY-MM-DD"
    assert limits.broken("", comment) == limits.broken("2016-02-29", comment) == ""
