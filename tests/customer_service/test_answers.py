"""What may be said: a template for every intent in both languages, and no broken file of them."""

import pandas as pd
import pytest

from recsys_kit.customer_service import answers, intents

TABLE = intents.utterances()


def test_a_broken_file_of_answers_is_refused(tmp_path):
    good = pd.DataFrame({"intent": ["a", "a"], "case": "default", "language": ["en", "zh"], "text": "x"})
    for change, message in (
        (good.assign(text="{password}"), "Received|field must be one of"),
        (good.head(1), "must be there in zh"),
        (pd.concat([good, good]), "Twice"),
        (good.drop(columns="case"), "Missing: case"),
    ):
        change.to_csv(tmp_path / "answers.csv", index=False)
        with pytest.raises(ValueError, match=message):
            answers.templates(tmp_path / "answers.csv")


def test_every_intent_has_an_answer():
    known = answers.templates()
    wanted = [*sorted(set(TABLE["intent"]) - {intents.OUT}), *answers.CASES]
    assert [name for name in wanted if (name, "default", "zh") not in known] == []
