"""Utterances: enough of them, split by way of asking; recognisers and thresholds that do what they say."""

import hashlib
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from recsys_kit.customer_service import intents

DATA = Path(__file__).parents[2] / "data"
TABLE = intents.utterances()
INSIDE = TABLE[TABLE["intent"] != intents.OUT]


def test_there_are_twenty_intents_with_fifteen_utterances_in_each_language():
    count = INSIDE.groupby(["intent", "language"]).size().unstack()
    assert list(count.columns) == list(intents.LANGUAGES)
    assert len(count) >= 20
    assert count.to_numpy().min() >= 15
    assert (TABLE["intent"] == intents.OUT).sum() >= 60
    assert not TABLE["utterance_id"].duplicated().any()
    assert not TABLE.assign(text=TABLE["text"].str.lower()).duplicated(["language", "text"]).any()


def test_a_way_of_asking_lies_whole_in_one_split_in_both_languages():
    ways = TABLE.groupby("paraphrase")
    assert (ways["split"].nunique() == 1).all()
    assert (ways["intent"].nunique() == 1).all()
    assert (ways["language"].nunique() == 2).all()
    for _, part in TABLE.groupby(["intent", "language"]):
        assert set(part["split"]) == {"train", "test"}


def test_no_test_utterance_is_a_trivial_edit_of_a_train_one():
    for (intent, language), part in TABLE.groupby(["intent", "language"]):
        for test in part["text"][part["split"] == "test"]:
            for train in part["text"][part["split"] == "train"]:
                assert intents.overlap(test, train) < 0.5, (intent, language, test, train)


def test_the_language_of_an_utterance_is_told_by_its_script_and_its_product_is_in_it():
    assert (TABLE["text"].map(intents.language_of) == TABLE["language"]).all()
    assert all(product in text for product, text in zip(TABLE["product"], TABLE["text"], strict=True))


def test_the_readme_tells_rows_size_and_checksum_of_intents_and_answers():
    text = (DATA / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"\| \[`(\w+\.csv)`\]\(\1\) \| ([\d,]+) \| ([\d,]+) \| `([0-9a-f]{64})` \|", text)
    listed = {line[0]: line[1:] for line in lines}
    for name in ("intents.csv", "answers.csv"):
        content = (DATA / name).read_bytes()
        rows, size, checksum = listed[name]
        assert content.count(b"\n") - 1 == int(rows.replace(",", ""))
        assert len(content) == int(size.replace(",", ""))
        assert hashlib.sha256(content).hexdigest() == checksum


def test_a_file_without_a_column_is_refused(tmp_path):
    TABLE[["utterance_id", "intent"]].to_csv(tmp_path / "mine.csv", index=False)
    with pytest.raises(ValueError, match="Missing: language, text, product, split"):
        intents.utterances(tmp_path / "mine.csv")


def test_folds_keep_a_way_of_asking_together():
    fold = intents.folds(TABLE, 4)
    assert set(fold) == {0, 1, 2, 3}
    assert (TABLE.assign(fold=fold).groupby("paraphrase")["fold"].nunique() == 1).all()


def test_a_recogniser_is_never_asked_what_it_has_seen():
    seen = []

    def spy(known, intent, asked, size):
        seen.append((set(known.tolist()), set(asked.tolist())))
        return np.zeros((len(asked), size))

    intents.out_of_fold(spy, np.arange(6), np.zeros(6, int), np.array([0, 1, 0, 1, 2, 2]), 1)
    assert all(not known & asked for known, asked in seen)
    assert set().union(*(asked for _, asked in seen)) == set(range(6))


def test_nearest_and_centroid_differ_where_an_intent_has_two_sides():
    known = np.array([[1.0, 0], [0, 1], [0.8, 0.6]])
    intent, asked = np.array([0, 0, 1]), np.array([[1.0, 0]])
    assert intents.nearest(known, intent, asked, 2).argmax() == 0
    assert intents.centroids(known, intent, asked, 2).argmax() == 1


def test_words_know_what_they_have_read_in_both_scripts():
    texts = ["refund please", "my refund", "我要退款", "store hours", "open today", "几点开门"]
    scores = intents.words(texts, np.array([0, 0, 0, 2, 2, 2]), ["a refund", "退款", "几点"], 3)
    assert scores.argmax(1).tolist() == [0, 0, 2]
    assert (scores[:, 1] == 0).all()


def test_a_curve_worked_by_hand_and_the_threshold_that_it_gives():
    sure = np.array([0.9, 0.8, 0.7, 0.6])
    right, inside = np.array([True, True, False, False]), np.array([True, True, True, False])
    table = intents.curve(sure, right, inside)
    assert table["coverage"].round(3).tolist() == [1.0, 1.0, 0.667, 0.333]
    assert table["accuracy"].round(3).tolist() == [0.5, 0.667, 1.0, 1.0]
    assert table["refused"].tolist() == [0.0, 1.0, 1.0, 1.0]
    assert intents.choose_threshold(table, 0.9) == 0.8
    assert intents.choose_threshold(table, 0.5) == 0.6
    never = pd.DataFrame({"threshold": [0.1, 0.2], "accuracy": [0.5, 0.4]})
    assert intents.choose_threshold(never, 0.9) == 0.1


def test_what_is_out_of_scope_is_never_the_best_intent():
    best, sure = intents.confidence(np.array([[0.2, 0.7, 0.1]]), out=1)
    assert (best.tolist(), sure.tolist()) == ([0], [0.2])
