import json
from functools import partial

import keras
import numpy as np
import pandas as pd
import pytest
from light_shop import FOLDER, shop
from typer.testing import CliRunner

from recsys_kit import baselines, datasets, preprocessing, recommendation
from recsys_kit.cli import app
from recsys_kit.privacy import forgetting
from recsys_kit.workspace import Workspace


@pytest.fixture
def user():
    return shop().events["user_id"].value_counts().index[0]


def fill(folder, user):
    """A workspace with an artifact of every format and with files that no record explains; returns its store."""
    store = Workspace(folder)
    held = {"data": shop().fingerprint}
    store.get("events", lambda: shop().events, **held)
    store.get("factors", lambda: {"users": np.zeros((len(shop().users), 4))}, **held)
    store.get("known", lambda: {"ids": list(shop().users["user_id"])}, **held)
    store.get("model", lambda: keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)]), **held)
    store.get("sample", lambda: {"weights": np.zeros(3)}, data="another shop")
    store.get("network", lambda: {"weights": np.zeros(3)})
    run = store.path("training", fill, **held)
    run.mkdir()
    (run / "record.json").write_text("[]")
    lists = pd.DataFrame({"user_id": pd.Categorical([user, "somebody"]), "rank": [1, 1], "item_id": ["a", "b"]})
    lists.to_parquet(folder / "recs.parquet")
    lists.to_csv(folder / "recs.csv", index=False)
    np.savez(folder / "adapter.npz", a=np.zeros(2))
    (folder / "part.pickle").write_bytes(b"\x80")
    (folder / "notes.txt").write_text("nothing about anybody")
    return store


def test_a_forgotten_household_is_in_no_file_of_the_workspace(tmp_path, user):
    store = fill(tmp_path, user)
    who = forgetting.household(shop(), user)
    before = forgetting.proof([tmp_path], who)
    assert (before["found"] != "").sum() >= 6
    left = forgetting.forget(tmp_path, who, say=lambda line: None)
    assert (left["found"] == "").all() and left["values"].sum()
    names = {path.name for path in tmp_path.iterdir()}
    assert {"recs.parquet", "recs.csv", "notes.txt"} <= names
    assert store.file("network", lambda: {"weights": np.zeros(3)}) is not None
    assert not [name for name in names if name.startswith(("events", "factors", "known", "model", "training", "part"))]
    assert not {"adapter.npz"} & names
    assert user.encode() not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.json"))


def test_lists_lose_its_rows_and_nothing_else(tmp_path, user):
    fill(tmp_path / "store", user)
    lists = tmp_path / "lists.csv"
    pd.DataFrame({"user_id": [user, "b"], "item_id": ["007", user], "score": [0.5, 0.25]}).to_csv(lists, index=False)
    forgetting.forget(tmp_path / "store", forgetting.household(shop(), user), [lists], say=lambda line: None)
    assert lists.read_text() == f"user_id,item_id,score\nb,{user},0.25\n"
    assert pd.read_parquet(tmp_path / "store" / "recs.parquet")["user_id"].tolist() == ["somebody"]


def test_a_dry_run_changes_nothing(tmp_path, user):
    fill(tmp_path, user)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    forgetting.forget(tmp_path, forgetting.household(shop(), user), dry_run=True, say=lambda line: None)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_what_was_built_after_the_tables_lost_it_stays(tmp_path, user):
    later = forgetting.without(shop(), user)
    store = Workspace(tmp_path)
    address = {"build": lambda: {"weights": np.zeros(3)}, "data": later.fingerprint}
    store.get("new", **address)
    store.get("old", lambda: {"weights": np.zeros(3)}, data=shop().fingerprint)
    forgetting.forget(tmp_path, forgetting.household(later, user), say=lambda line: None)
    assert store.file("new", **address) is not None and len(store.sources()) == 1


def test_what_names_it_and_is_no_table_is_shown_to_somebody(tmp_path, user):
    (tmp_path / "letter.txt").write_text(f"to {user}")
    (tmp_path / "picture.png").write_bytes(b"\x89\xff")
    said = []
    assert forgetting.run(shop(), user, tmp_path, say=said.append) == 1
    assert (tmp_path / "letter.txt").exists() and "not decoded" in "\n".join(said)


def test_a_ranker_rebuilt_after_forgetting_is_the_one_that_never_saw_it(tmp_path, user):
    def ranker(folder, one):
        task = preprocessing.task(one)
        return recommendation.build(Workspace(folder), one, task, None, train_windows=1, trees=5).ranker

    ranker(tmp_path / "a", shop())
    never = tmp_path / "shop"
    never.mkdir()
    for file in FOLDER.iterdir():
        if file.name.startswith(("events", "users")):
            table = pd.read_csv(file, dtype=str, keep_default_na=False)
            table[table["user_id"] != user].to_csv(never / file.name, index=False)
        elif file.is_file():
            (never / file.name).write_bytes(file.read_bytes())
    forgetting.forget(tmp_path / "a", forgetting.household(shop(), user), say=lambda line: None)
    assert not Workspace(tmp_path / "a").sources()
    again = ranker(tmp_path / "a", forgetting.without(shop(), user))
    assert again.model_to_string() == ranker(tmp_path / "b", datasets.load(str(never))).model_to_string()


def small_head(split, left_out=""):
    """One weight for each of three decayed counts of a household's own items: will they be bought again?"""
    counts = [baselines.decayed_counts(split, days)[split.test_users] for days in (7, 30, 120)]
    case = np.repeat(np.arange(counts[0].shape[0]), np.diff(counts[0].indptr))
    kept = (split.users[split.test_users] != left_out)[case]
    x = np.log(np.stack([one.data for one in counts], 1) + 0.02)[kept]
    y = np.asarray(split.answers[case, counts[0].indices]).ravel()[kept].astype("float32")
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
    model.compile("adam", keras.losses.BinaryCrossentropy(from_logits=True))
    model.fit(x, y, batch_size=64, epochs=2, verbose=0)
    return np.concatenate([value.ravel() for value in model.get_weights()])


def test_a_head_that_forgets_rows_is_the_head_of_tables_that_never_had_them(user):
    later = preprocessing.task(forgetting.without(shop(), user)).test
    events = preprocessing.clean(shop())[0]
    with_it = preprocessing.split_by_time(events, later.cutoff, min_items=1, items=later.items)
    assert user in with_it.users[with_it.test_users] and user not in later.users
    without_it = preprocessing.split_by_time(
        preprocessing.clean(forgetting.without(shop(), user))[0], later.cutoff, min_items=1, items=later.items
    )
    assert (small_head(with_it, user) == small_head(without_it)).all()
    assert (small_head(with_it) != small_head(without_it)).any()


def test_the_place_is_that_of_the_tables_and_of_the_gap_that_it_leaves(user):
    held, gone = forgetting.household(shop(), user), forgetting.household(forgetting.without(shop(), user), user)
    users = preprocessing.task(shop(), judged=False).test.users
    assert held.places[len(users)] == users.get_loc(user)
    assert held.held == shop().fingerprint and gone.held == "" and gone.free != shop().fingerprint
    assert set(gone.places) <= set(held.places)


def test_the_command_forgets_and_proves_it(tmp_path, user):
    fill(tmp_path / "w", user)
    words = ["forget", "--user", user, "--workspace", str(tmp_path / "w"), "--data", str(FOLDER)]
    said = CliRunner().invoke(app, [*words, "--dry-run"])
    assert said.exit_code == 0 and "would remove" in said.output
    said = CliRunner().invoke(app, words)
    assert said.exit_code == 0, said.output
    assert "0 files hold" in said.output and "until they are gone" in said.output


@pytest.mark.parametrize("more", [["--workspace", "nowhere"], ["--lists", "lists.txt"], ["--lists", "gone.csv"]])
def test_what_is_not_there_is_named_before_anything_is_removed(tmp_path, monkeypatch, more):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "workspace").mkdir()
    said = CliRunner().invoke(app, ["forget", "--user", "1", *more])
    assert said.exit_code == 2 and more[1] in said.output


def test_a_workspace_says_what_each_artifact_was_built_from(tmp_path):
    store = Workspace(tmp_path)
    store.get("one", partial(dict, a=1), data="x", params={"p": 2})
    (tmp_path / "two-0123456789ab.json").write_text(json.dumps(1))
    found = {path.name[:3]: source for path, source in store.sources().items()}
    assert found["one"]["data"] == "x" and found["one"]["params"] == {"p": 2} and found["two"] == {}
    store.remove(next(iter(store.sources())))
    assert list(tmp_path.rglob("one*")) == []
