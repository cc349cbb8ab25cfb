"""A verdict never says more than its intervals do."""

import numpy as np
import pandas as pd
import pytest

from recsys_kit.diagnosis import verdicts


def ask(gain, spread, cases=2000, rival=0.2, first=None):
    """A verdict on a mean gain of exactly `gain`, with the given spread from case to case."""
    noise = np.random.default_rng(0).standard_normal(cases) * spread
    base = pd.Series(np.full(cases, rival))
    return verdicts.verdict(base + gain + noise - noise.mean(), base, first, 12.0)


@pytest.mark.parametrize(
    ("gain", "spread", "word"),
    [
        (0.02, 0.1, "worth it"),
        (0.003, 0.01, "counting is enough"),  # sure, and too small to matter
        (0.0, 0.1, "counting is enough"),
        (-0.05, 0.1, "counting is enough"),
        (0.02, 1.0, "too little to say"),
        (0.0, 1.0, "too little to say"),
    ],
)
def test_the_word_follows_from_the_interval(gain, spread, word):
    assert ask(gain, spread)["verdict"] == word


def test_worth_it_is_never_said_where_the_interval_holds_zero():
    for spread in np.geomspace(0.01, 2, 12):
        said = ask(0.02, spread)
        assert (said["verdict"] == "worth it") == (said["low"] > 0)


def test_so_many_cases_as_it_says_would_be_enough():
    few = ask(0.0, 0.4, cases=1000)
    assert few["verdict"] == "too little to say" and few["needed"] > 1000
    assert ask(0.0, 0.4, cases=int(1.2 * few["needed"]))["verdict"] == "counting is enough"


def test_few_customers_never_make_counting_enough():
    said = ask(0.0, 0.001, cases=47)
    assert said["verdict"] == "too little to say" and said["needed"] == 300
    assert ask(0.0, 0.001, cases=300)["verdict"] == "counting is enough"


def test_both_sentences_hold_the_numbers():
    said = ask(0.02, 0.1)
    for language in ("english", "chinese"):
        assert "+0.0200" in said[language] and "+10.0%" in said[language] and "99%" in said[language]
    assert "12 s" in said["english"] and "12 秒" in said["chinese"]
    assert "best sellers" in said["english"] and "畅销" in said["chinese"]


def test_what_to_try_first_is_named_in_both_sentences():
    said = ask(0.0, 0.1, first="texts")
    assert said["first"] == "texts" and "similar titles" in said["english"] and "标题" in said["chinese"]


@pytest.mark.parametrize(
    ("gains", "kind"),
    [
        ({"own counts": 0.1, "time": 0.02, "follows": 0.0}, "own counts"),
        ({"own counts": 0.01, "time": 0.02, "follows": 0.0}, "time"),
        ({"own counts": 0.0, "time": 0.0, "follows": 0.0}, None),
    ],
)
def test_what_brings_most_of_what_was_shown_is_tried_first(gains, kind):
    rng = np.random.default_rng(0)
    base = rng.random(800)
    noise = {name: 0.02 * rng.standard_normal(800) for name in gains}
    table = pd.DataFrame({"base": base} | {name: base + gain + noise[name] for name, gain in gains.items()})
    assert verdicts.first(table, {name: (name, "base") for name in gains}) == kind


def test_more_questions_have_wider_intervals():
    table = pd.DataFrame(np.random.default_rng(0).standard_normal((500, 2)), columns=["with", "without"])
    (one,) = verdicts.answers(table, {"a": ("with", "without")})
    many = verdicts.answers(table, {name: ("with", "without") for name in "abcdefgh"})
    assert len(many) == 8
    assert many[0]["high"] - many[0]["low"] > 1.2 * (one["high"] - one["low"])


def test_a_shop_that_no_test_can_be_made_of_is_told_why():
    said = verdicts.refused("only 3 had bought before")
    assert said["verdict"] == "too little to say" and "only 3 had bought before" in said["english"]
