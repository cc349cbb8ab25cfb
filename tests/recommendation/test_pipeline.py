"""From a shop to files of lists: the command, and what is written."""

import dataclasses
import subprocess
import sys

import light_shop
import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from recsys_kit import cli, recommendation
from recsys_kit.recommendation import pipeline


def test_parquet_is_written_whole_with_its_columns(everyone, tmp_path):
    path = recommendation.write(everyone, tmp_path / "recs.parquet")
    back = pd.read_parquet(path)
    assert tuple(back.columns) == recommendation.LIST_COLUMNS and len(back) == len(everyone)
    assert [path.name for path in tmp_path.iterdir()] == ["recs.parquet"]
    with pytest.raises(ValueError, match=r"must end in \.parquet"):
        recommendation.write(everyone, tmp_path / "recs.csv")
    with pytest.raises(ValueError, match="does not exist"):
        recommendation.write(everyone, tmp_path / "nowhere" / "recs.parquet")


def test_the_command_writes_lists_and_refuses_unknown_ids(tmp_path):
    common = ["recommend", "--data", str(light_shop.FOLDER), "--workspace", str(tmp_path / "ws"), "--light"]
    out = tmp_path / "recs.parquet"
    (tmp_path / "ids.txt").write_text("kd-003\n\nkd-001\n")
    done = CliRunner().invoke(
        cli.app, [*common, "--users", str(tmp_path / "ids.txt"), "kd-002", "--k", "4", "--out", str(out)]
    )
    assert done.exit_code == 0, done.output
    assert "3 users, 12 recommendations" in done.output
    assert pd.read_parquet(out)["user_id"].unique().tolist() == ["kd-003", "kd-001", "kd-002"]
    done = CliRunner().invoke(cli.app, [*common, "--users", "nobody", "--out", str(tmp_path / "other.parquet")])
    assert done.exit_code == 2 and "'nobody'" in done.output
    assert not (tmp_path / "other.parquet").exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.txt", "a1\nb, 2\n"),
        ("header.txt", "\ufeffuser_id\r\n a1 \r\n\r\nb, 2\r\n"),
        ("two_columns.csv", 'user_id,group\na1,x\n"b, 2",y\n'),
        ("mark_and_quotes.csv", '\ufeff"group";"user_id"\n1;"a1"\n2;" b, 2"\n\n'),
    ],
)
def test_users_come_from_a_file_as_they_are_written_there(tmp_path, name, content):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert recommendation.read_users([str(tmp_path / name)]) == ["a1", "b, 2"]


def test_users_come_from_several_files_and_words_once_each_and_it_is_said(tmp_path):
    pd.DataFrame({"user_id": [7, 8]}).to_parquet(tmp_path / "ids.parquet")
    (tmp_path / "ids.txt").write_text("7\n9\n")
    said = []
    words = ["5", str(tmp_path / "ids.parquet"), " 9 ", str(tmp_path / "ids.txt")]
    assert recommendation.read_users(words, said.append) == ["5", "7", "8", "9"]
    assert said == ["2 user ids are there more than once, and get one list each: '7', '9'"]
    assert recommendation.read_users(["5", "6"], pytest.fail) == ["5", "6"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("headless.csv", "kd-003\nkd-001\n", r"column `user_id` is missing. Columns found: 'kd-003'.*in a .txt file"),
        ("gap.csv", "user_id,group\na,x\n,y\n", r"`user_id` must not be empty. 1 row"),
        ("blank.csv", 'user_id,group\n" ",x\n', "`user_id` must not be empty"),
        ("none.csv", "user_id\n", "has no user ids"),
        ("none.txt", "user_id\n\n", "has no user ids"),
        ("table.txt", "user_id,group\na,x\n", "is a CSV table"),
        ("quoted.txt", '"user_id"\n"a"\n', "is a CSV table"),
        ("latin.txt", "müller\n".encode("latin-1"), "is not UTF-8 text"),
        ("ids.xlsx", b"PK", r"must end in .txt, .csv or .parquet. Received: ids.xlsx"),
    ],
)
def test_a_file_that_is_no_list_of_users_invents_none(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ValueError, match=message):
        recommendation.read_users([str(tmp_path / name)])


@pytest.mark.parametrize("word", ["", "  ", "missing.csv", "missing.txt", "nowhere/ids.CSV", "folder.csv"])
def test_no_word_but_an_id_is_taken_for_a_user(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ValueError, match="--users: "):
        recommendation.read_users(["kd-003", word])


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--k", "0"], "`k` must be 1 or more"),
        (["--diversity", "2"], "`diversity_weight` must lie in 0..1"),
        (["--diversity", "-1"], "`diversity_weight` must lie in 0..1"),
        (["--diversity", "nan"], "`diversity_weight` must lie in 0..1"),
        (["--users", "missing.csv", "--allow-new"], "no such file: missing.csv"),
        (["--users", "", "--allow-new"], "must not be empty"),
        (["--workspace", "file"], "file is a file"),
        (["--out", "recs"], "must end in .parquet"),
        (["--out", "folder.parquet"], "is a folder"),
        (["--out", "nowhere/recs.parquet"], "does not exist"),
    ],
)
def test_the_command_says_what_is_wrong_before_it_opens_the_shop(tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.parquet").mkdir()
    (tmp_path / "file").touch()
    monkeypatch.setattr(pipeline, "open_shop", lambda *_, **__: pytest.fail("the work began"))
    done = CliRunner().invoke(cli.app, ["recommend", "--out", "recs.parquet", *words])
    assert done.exit_code == 2 and message in done.output


@pytest.fixture(scope="module")
def with_strangers(recommender):
    """The recommender of a shop with three more users, of whom it has seen nothing in the catalogue."""
    strangers = pd.DataFrame({"user_id": ["s1", "s2", "s3"]})
    shop = dataclasses.replace(recommender.shop, users=pd.concat([recommender.shop.users, strangers]))
    return recommendation.Recommender(shop, recommender.split, recommender.model)


def test_all_users_are_all_that_the_shop_knows_and_who_has_no_history_has_no_score(with_strangers):
    said = []
    lists = recommendation.lists_to_write(with_strangers, k=4, say=said.append)
    everybody = with_strangers.shop.users["user_id"]
    assert set(lists["user_id"]) == set(everybody) and len(lists) == 4 * everybody.nunique()
    strange = ~lists["user_id"].isin(with_strangers.place)
    assert {"s1", "s2", "s3"} <= set(lists["user_id"][strange])
    assert lists["score"][strange].isna().all() and lists["score"][~strange].between(0, 1).all()
    assert said == [
        f"{lists['user_id'][strange].nunique()} users have no history in the catalogue: "
        "they get what is popular, without a score"
    ]
    plain = with_strangers.recommend(k=4)
    pd.testing.assert_frame_equal(lists[~strange].reset_index(drop=True), plain, check_dtype=False)


def test_new_customers_are_counted_and_named_and_their_missing_score_survives_the_file(with_strangers, tmp_path):
    said = []
    users = [with_strangers.place[0], "s1", "new 1", "new 2"]
    lists = recommendation.lists_to_write(with_strangers, users, 3, allow_new=True, say=said.append)
    assert said[0].startswith("3 users have no history in the catalogue (2 of them not known to the shop: 'new 1', 'n")
    back = pd.read_parquet(recommendation.write(lists, tmp_path / "recs.parquet"))
    assert back["score"].isna().tolist() == [False] * 3 + [True] * 9 and back["user_id"].unique().tolist() == users


def test_a_list_longer_than_the_catalogue_is_cut_and_said(recommender):
    said = []
    one = [recommender.place[0]]
    lists = recommendation.lists_to_write(recommender, one, 10**9, say=said.append)
    assert len(lists) <= len(recommender.split.items)
    assert said[0].startswith("1 lists are shorter than 1,000,000,000") and "the catalogue has" in said[0]


def test_a_shop_of_two_days_is_refused_in_words(tmp_path):
    """Nobody has bought anything before the weeks that are kept for validation."""
    rng = np.random.default_rng(0)
    times = pd.Timestamp("2024-03-01") + pd.to_timedelta(rng.integers(0, 2 * 86_400, 2000), "s")
    events = {"user_id": rng.integers(0, 60, 2000), "item_id": rng.integers(0, 30, 2000), "timestamp": times}
    pd.DataFrame(events).to_csv(tmp_path / "events.csv", index=False)
    words = ["--data", tmp_path, "--workspace", tmp_path / "ws", "--light", "--out", tmp_path / "recs.parquet"]
    done = CliRunner().invoke(cli.app, ["recommend", *map(str, words)])
    assert done.exit_code == 2 and "there is nothing to learn from" in done.output
    assert not (tmp_path / "recs.parquet").exists()


def test_importing_the_module_does_not_load_keras():
    script = "import sys, recsys_kit.recommendation; print({'keras', 'tensorflow'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
