"""A spoken question: errors counted by hand, and what is said in the shop's own words is heard."""

import numpy as np
import pytest

from recsys_kit.multimodal import voice

installed = pytest.mark.skipif(
    bool(voice.missing()), reason=f"not installed: {', '.join(voice.missing())}; pip install --no-deps them"
)


@pytest.mark.parametrize(
    ("said", "heard", "errors"),
    [("dog food", "dog food", 0), ("dog food", "", 2), ("milk", "the milk", 1), ("a b c", "a c d", 2), ("", "x", 1)],
)
def test_word_errors_by_hand(said, heard, errors):
    assert voice.word_errors(said, heard) == errors


def test_a_package_that_is_not_there_is_named(monkeypatch):
    monkeypatch.setattr(voice, "PACKAGES", ("no_such_package", "numpy"))
    assert voice.missing() == ["no_such_package"]


@installed
def test_what_is_said_in_the_shop_s_words_is_heard():
    listener = voice.Listener(["dog", "food", "pizza", "Frozen", "milk", "qqxzq"])
    assert listener.words == ["dog", "food", "frozen", "milk", "pizza"]
    texts = ["dog food", "frozen pizza", "milk"]
    sounds = voice.say(texts)
    assert all(sound.dtype == np.int16 and len(sound) > voice.RATE / 2 for sound in sounds)
    heard = [listener.hear(sound) for sound in sounds]
    assert sum(map(voice.word_errors, texts, heard)) <= 1, heard


@installed
def test_without_a_word_that_can_be_said_there_is_nothing_to_hear():
    with pytest.raises(ValueError, match="no word of `texts` has a known pronunciation"):
        voice.Listener(["qqxzq"])
