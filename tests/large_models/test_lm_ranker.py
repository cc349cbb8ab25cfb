from __future__ import annotations

import numpy as np
import pytest

from recsys_kit.large_models import llama, lm_ranker


def by_hand(model, tokenizer, prompt, name):
    """Log-likelihood of a name after a text, the whole read at once."""
    before, after = tokenizer.encode(prompt).ids, tokenizer.encode(f" {name}").ids
    x, _ = llama.Reader(model).read([before + after])
    logs = llama.log_probabilities(model, x)[0]
    return sum(logs[len(before) - 1 + i, token] for i, token in enumerate(after))


def test_a_shared_prompt_gives_the_log_likelihood_of_each_name_read_alone(small, letters):
    ranker = lm_ranker.LanguageModelRanker(llama.Reader(small), letters, batch=2)
    names = ["tea", "milk", "", "oats", "salt", "jam"]
    found = ranker.log_likelihood("I need", names)
    np.testing.assert_allclose(found, [by_hand(small, letters, "I need", name) for name in names], atol=1e-4)


def test_lift_without_a_history_is_nothing(small, letters):
    ranker = lm_ranker.LanguageModelRanker(llama.Reader(small), letters)
    np.testing.assert_allclose(ranker.lift([], ["tea", "milk"]), 0, atol=1e-5)


def test_lift_is_the_difference_that_the_history_makes(small, letters):
    ranker = lm_ranker.LanguageModelRanker(llama.Reader(small), letters)
    frame = ranker.frame
    expected = by_hand(small, letters, frame.prompt(["jam"]), "tea") - by_hand(small, letters, frame.none, "tea")
    assert ranker.lift(["jam"], ["tea"])[0] == pytest.approx(expected, abs=1e-4)


def test_what_is_known_of_a_name_is_computed_once(small, letters, monkeypatch):
    ranker = lm_ranker.LanguageModelRanker(llama.Reader(small), letters)
    first = ranker.prior(["tea", "milk", "tea"])
    monkeypatch.setattr(ranker, "log_likelihood", None)
    assert ranker.prior(["milk", "tea"]).tolist() == first[[1, 0]].tolist()


@pytest.mark.parametrize("name", lm_ranker.FRAMES)
def test_a_prompt_ends_where_a_name_follows_a_space(name):
    frame = lm_ranker.FRAMES[name]
    for prompt in (frame.prompt(["milk", "eggs"]), frame.prompt([])):
        assert prompt == prompt.rstrip()
    assert "milk" in frame.prompt(["milk"]) and frame.prompt([]) == frame.none


@pytest.mark.slow
def test_the_real_model_adds_cheese_to_pasta(real_file, real_words):
    ranker = lm_ranker.LanguageModelRanker(llama.Reader(llama.load(real_file)), real_words)
    names = ["parmesan cheese", "dog food", "shampoo", "motor oil", "diapers"]
    lift = ranker.lift(["spaghetti", "tomato sauce", "ground beef"], names)
    assert names[int(lift.argmax())] == "parmesan cheese"
