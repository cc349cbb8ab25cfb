import re
import string

import pytest
from unseen_shop import write_unseen_shop

from recsys_kit import datasets
from recsys_kit.fairness import card


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return card.figures(datasets.load(str(write_unseen_shop(tmp_path_factory.mktemp("card") / "shop"))), k=5)


@pytest.mark.parametrize("language", card.LANGUAGES)
def test_a_card_holds_the_numbers_that_were_measured(found, language):
    text = card.build(found, language)
    assert f"{found['ndcg']:.4f} [{found['low']:.4f}, {found['high']:.4f}]" in text
    assert f"{found['popularity']:.4f}" in text
    assert not re.search(r"[{}]|nan", text)


def test_other_numbers_make_another_card(found):
    assert "0.9876" in card.build({**found, "ndcg": 0.9876})


def test_both_languages_say_the_same_things():
    def placeholders(words):
        if isinstance(words, str):
            return {name for _, name, _, _ in string.Formatter().parse(words) if name}
        return len(words)

    english, chinese = ({key: placeholders(value) for key, value in card.WORDS[one].items()} for one in ("en", "zh"))
    assert english == chinese


def test_the_command_writes_one_file_and_refuses_before_it_measures(recsys_kit, tmp_path):
    shop = write_unseen_shop(tmp_path / "shop")
    done = recsys_kit("card", "--data", str(shop), "--out", str(tmp_path / "card.md"))
    assert done.exit_code == 0, done.output
    text = (tmp_path / "card.md").read_text(encoding="utf-8")
    assert "# Model card" in text and "# 模型卡" in text
    for wrong in (["--language", "fr", "--out", str(tmp_path / "x.md")], ["--out", str(tmp_path / "x.txt")]):
        assert recsys_kit("card", "--data", str(shop), *wrong).exit_code == 2


def test_an_unknown_language_is_refused(found):
    with pytest.raises(ValueError, match="language='fr'"):
        card.build(found, "fr")
