"""At entry nothing is guessed or lost silently: words for events, unknown items, stand-ins, too few days."""

import subprocess
import sys

import pandas as pd
import pytest
from shop_files import GOOD, error, folder_with, least
from unseen_shop import unseen_events, write_unseen_shop

from recsys_kit import datasets, preprocessing
from recsys_kit.datasets import entry


def words(folder, *kinds, column="event_type", rows=100):
    events = unseen_events().head(rows)
    events[column] = [kinds[min(place // (rows // len(kinds)), len(kinds) - 1)] for place in range(rows)]
    events.to_csv(folder / "events.csv", index=False)
    return folder


@pytest.mark.parametrize(
    "kinds",
    [
        ("view", "addtocart", "transaction"),
        ("pv", "buy", "cart", "fav"),
        ("view",),
        ("purchased", "returned"),
        ("1", "2"),
    ],
)
def test_a_log_without_the_word_purchase_is_refused_with_its_words(tmp_path, kinds):
    message = error(words(tmp_path, *kinds))
    assert "events.csv: column `event_type` must call purchases `purchase`" in message
    assert all(f"{kind!r} (" in message for kind in kinds)
    assert "Rename the one that is a purchase" in message


@pytest.mark.parametrize("word", ["Purchase", "PURCHASE", " purchase ", "purchase\t"])
@pytest.mark.parametrize("others", [("view",), ("view", "purchase")])
def test_case_and_blanks_are_named_as_the_difference(tmp_path, word, others):
    message = error(words(tmp_path, *others, word))
    assert "must write `purchase` in small letters and without blanks" in message
    assert f"Write {word!r} as `purchase`." in message


def test_an_empty_word_among_others_is_no_purchase(tmp_path):
    message = error(words(tmp_path, "purchase", "view", None))
    assert "column `event_type` must not be empty where other rows have a word. 34 of 100 rows are empty" in message
    assert "the first of them row 68" in message


def test_many_words_are_counted_and_the_first_ten_shown(tmp_path):
    message = error(words(tmp_path, *(f"word{n}" for n in range(20))))
    assert message.count("'word") == 10 and "and 10 more" in message


@pytest.mark.parametrize("column", ["Event_Type", "event", "behavior", "action"])
def test_a_column_of_words_under_another_name_is_not_passed_over(tmp_path, column):
    message = error(words(tmp_path, "view", "purchase", column=column))
    assert f"column `event_type` is missing, and `{column}` looks like it: 'view' (50), 'purchase' (50)" in message


@pytest.mark.parametrize("kinds", [(None,), ("purchase",)])
def test_without_words_or_with_purchases_alone_every_row_is_one(tmp_path, kinds):
    shop = datasets.read_shop(words(tmp_path, *kinds))
    assert shop.events["event_type"].eq("purchase").all()
    assert len(preprocessing.clean(shop)[0]) > 90


def test_only_purchases_are_kept(tmp_path):
    shop = datasets.read_shop(words(tmp_path, "view", "purchase", "cart", rows=90))
    report = preprocessing.clean(shop)[1].set_index("step")["removed"]
    assert report["not a purchase"] == 60


def test_events_of_unknown_items_are_counted_with_examples(tmp_path):
    items = "item_id\ntea\nrice\n"
    shop = datasets.read_shop(folder_with(tmp_path, events=GOOD, items=items))
    assert (
        "events.csv: 1 of 3 rows (33%) are of 1 items that the items file does not have, such as 'soup': they are left "
        "out." in shop.notes
    )


def test_most_events_without_an_item_are_an_error_that_knows_other_spellings(tmp_path):
    message = error(folder_with(tmp_path, events=GOOD, items="item_id\nsoup\nTEA\n"))
    assert "events.csv: 2 of 3 rows (67%) are of 1 items that the items file does not have, such as 'tea'." in message
    assert "leave it out. Spelled otherwise? There is 'TEA'." in message
    numbers = GOOD.replace("tea", "7").replace("soup", "8")
    assert "There is '007'." in error(folder_with(tmp_path, events=numbers, items="item_id\n007\n008\n"))
    assert "Spelled" not in error(folder_with(tmp_path, items="item_id\nx\ny\n"))


def test_half_of_the_events_without_an_item_are_still_read(tmp_path):
    events = GOOD + "bob,soup,2024-01-04,1\n"
    notes = datasets.read_shop(folder_with(tmp_path, events=events, items="item_id\ntea\nx\n")).notes
    assert any("2 of 4 rows (50%)" in note for note in notes)


def test_ids_that_stand_for_nothing_are_said(tmp_path):
    notes = datasets.read_shop(least(tmp_path, user_id=["NA", "b", "NA"])).notes
    assert "events.csv: 2 rows have the `user_id` 'NA'. It counts as one, like any other id." in notes


def test_a_customer_with_a_large_part_of_all_events_is_said(tmp_path):
    events = unseen_events()
    write_unseen_shop(tmp_path)
    assert not any("one customer" in note for note in datasets.read_shop(tmp_path).notes)
    events.loc[events.index[::2], "user_id"] = "0"
    events.to_csv(tmp_path / "events.csv", index=False)
    assert any("50% of the rows are of one customer, '0'" in note for note in datasets.read_shop(tmp_path).notes)


def of_days(folder, days):
    events = unseen_events()
    first = events["timestamp"].min().normalize()
    events["timestamp"] = first + (events["timestamp"] - first) % pd.Timedelta(days=days)
    events.to_csv(folder / "events.csv", index=False)
    return datasets.read_shop(folder)


@pytest.mark.parametrize("days", [1, 2])
def test_a_shop_of_two_days_is_refused_with_what_is_missing(tmp_path, days):
    shop = of_days(tmp_path, days)
    with pytest.raises(datasets.DataError, match=rf"the events are of {days} days? .*; 3 or more are needed"):
        entry.check_span(shop)
    with pytest.raises(ValueError, match=r"holds no basket|there is nothing to learn from"):
        preprocessing.task(shop)


def test_a_shop_of_three_days_has_a_past(tmp_path):
    shop = of_days(tmp_path, 3)
    entry.check_span(shop)
    task = preprocessing.task(shop)
    assert len(task.validation.history) and len(task.validation.test_users) and len(task.test.test_users)


def test_the_command_refuses_two_days_and_a_bad_plan_before_it_runs_anything(tmp_path):
    def run():
        command = [sys.executable, "-c", "from recsys_kit.cli import app; app()", "run"]
        done = subprocess.run(
            [*command, "--data", str(tmp_path), "--out", str(tmp_path / "out")], capture_output=True, text=True
        )
        assert done.returncode == 2 and "Traceback" not in done.stderr and not (tmp_path / "out").exists()
        return done.stderr

    of_days(tmp_path, 2)
    assert "the events are of 2 days (2019-10-20 to 2019-10-21); 3 or more are needed" in run()
    write_unseen_shop(tmp_path)
    (tmp_path / "promotions.csv").write_text("item_id,start,display\na,2024-01-01,7\n")
    assert "promotions.csv: column `display` must be a part of the stores, 0 to 1. 1 row breaks it (of 1)" in run()
