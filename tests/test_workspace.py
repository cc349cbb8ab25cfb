"""Artifacts on disk: nothing half-written, nothing stale, the same thing on every call."""

import functools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import filelock
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation, formats, workspace
from recsys_kit.datasets import tables
from recsys_kit.workspace import Workspace

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

SLOW_WRITER = """
import sys, time
from recsys_kit import formats, workspace
def write(value, path):
    path.write_text('{"half": ')
    print("half written", flush=True)
    time.sleep(60)
formats.FORMATS[".json"] = (write, formats.FORMATS[".json"][1])
workspace.Workspace(sys.argv[1]).get("thing", lambda: {"half": 1})
"""

BUILDER = """
import sys, numpy as np
from recsys_kit.workspace import Workspace
seed = int(sys.argv[2])
got = Workspace(sys.argv[1]).get("arrays", lambda: {"a": np.full(200_000, seed)})
assert len(set(got["a"].tolist())) == 1 and got["a"].shape == (200_000,)
"""


def once(value):
    """Returns a builder that may be called once: what was built before must not be built again."""
    left = [value]

    def build():
        return left.pop()

    return build


def hidden(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_what_was_built_is_loaded_and_not_built_again(tmp_path):
    ws = Workspace(tmp_path)
    build = once({"a": 1})
    assert ws.get("n", build) == {"a": 1}
    assert ws.get("n", build) == {"a": 1}
    assert Workspace(tmp_path).get("n", build) == {"a": 1}


@given(value=JSON)
@settings(max_examples=60, deadline=None)
def test_json_comes_back_as_it_was(tmp_path_factory, value):
    ws = Workspace(tmp_path_factory.mktemp("ws"))
    build = once(value)
    assert ws.get("v", build) == value
    assert ws.get("v", build) == value


def test_the_first_call_and_a_later_one_return_the_same_thing(tmp_path):
    ws = Workspace(tmp_path)
    build = once({"pair": (1, 2), "score": np.float32(0.5), 3: "three"})
    assert ws.get("v", build) == ws.get("v", build) == {"pair": [1, 2], "score": 0.5, "3": "three"}


def test_a_table_keeps_its_types_and_a_dict_of_arrays_its_texts(tmp_path):
    ws = Workspace(tmp_path)
    table = pd.DataFrame(
        {
            "id": ["ä", "🍎", "003"],
            "time": pd.to_datetime(["2024-01-01", "2024-02-01", None], utc=True).as_unit("us"),
            "kind": pd.Categorical(["a", "b", "a"]),
        },
        index=[5, 7, 9],
    )
    build = once(table)
    for _ in range(2):
        pd.testing.assert_frame_equal(ws.get("table", build), table)
    arrays = {"ids": np.array(["x", "🍎"], dtype=object), "vectors": np.ones((2, 3), np.float32)}
    build = once(arrays)
    for _ in range(2):
        got = ws.get("arrays", build)
        assert got["ids"].tolist() == ["x", "🍎"]
        np.testing.assert_array_equal(got["vectors"], arrays["vectors"])
        assert got["vectors"].dtype == np.float32


def test_a_keras_model_gives_the_same_scores_after_loading(tmp_path):
    import keras

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])
    x = np.arange(8.0).reshape(2, 4)
    ws = Workspace(tmp_path)
    build = once(model)
    for _ in range(2):
        np.testing.assert_allclose(ws.get("model", build).predict(x, verbose=0), model.predict(x, verbose=0))
    assert visible(tmp_path) == [ws.path("model", build).name + ".keras"]


def test_other_data_params_or_code_have_another_address(tmp_path):
    ws = Workspace(tmp_path)
    addresses = {
        ws.path("a"),
        ws.path("b"),
        ws.path("a", data="x"),
        ws.path("a", data="y"),
        ws.path("a", params={"width": 8}),
        ws.path("a", params={"width": 9}),
        ws.path("a", params={"depth": 8}),
        ws.path("a", params={"width": 8}, data="x"),
        ws.path("a", tables.fingerprint),
        ws.path("a", evaluation.evaluate),
        ws.path("a", evaluation.evaluate, uses=[tables.fingerprint]),
    }
    assert len(addresses) == 11
    assert ws.path("a", params={"x": 1, "y": 2}) == ws.path("a", params={"y": 2, "x": 1})
    assert ws.path("a", params={"x": np.int64(1)}) == ws.path("a", params={"x": 1})


def test_a_build_that_raises_leaves_nothing(tmp_path):
    ws = Workspace(tmp_path)

    def fails():
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        ws.get("a", fails)
    with pytest.raises(TypeError):  # built, but can't be stored
        ws.get("a", lambda: {"lambda": fails})
    with pytest.raises(TypeError, match="'a' holds objects"):
        ws.get("a", lambda: {"a": np.array([1, "x"], dtype=object)})
    assert list(tmp_path.iterdir()) == []
    assert ws.get("a", lambda: [1]) == [1]
    with pytest.raises(TypeError, match="`build` must be a function"):
        ws.get("a", [1])


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(value, path):
        path.write_text('{"half": ')
        raise KeyboardInterrupt

    monkeypatch.setitem(formats.FORMATS, ".json", (interrupted, formats.FORMATS[".json"][1]))
    with pytest.raises(KeyboardInterrupt):
        Workspace(tmp_path).get("a", lambda: {"half": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_that_is_picked_up(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "half written\n"
        child.send_signal(signal.SIGKILL)
    assert visible(tmp_path) == []
    build = once({"half": 2})
    assert Workspace(tmp_path).get("thing", build) == {"half": 2}
    assert Workspace(tmp_path).get("thing", build) == {"half": 2}


def test_what_killed_writers_left_is_removed_but_a_living_writer_is_left_alone(tmp_path):
    for name, age in (("old", 2 * 3600), ("young", 60)):
        folder = tmp_path / f".writing-{name}"
        folder.mkdir()
        (folder / "part.json").write_text("{")
        for path in (folder / "part.json", folder):
            os.utime(path, (time.time() - age, time.time() - age))
    future = tmp_path / ".writing-future"  # of a machine whose clock was days ahead
    future.mkdir()
    os.utime(future, (time.time() + 9 * 86400, time.time() + 9 * 86400))
    busy = tmp_path / ".writing-busy"  # created long ago, written to a moment ago
    busy.mkdir()
    (busy / "part.json").write_text("{")
    os.utime(busy, (time.time() - 7200, time.time() - 7200))
    Workspace(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-busy", ".writing-young"]


def test_threads_that_build_the_same_artifact_each_get_a_whole_one(tmp_path):
    ws = Workspace(tmp_path)

    def build(seed=0):
        return {"a": np.full(50_000, seed)}

    def ask(seed):
        return ws.get("arrays", functools.partial(build, seed))["a"]

    with ThreadPoolExecutor(8) as pool:
        for array in pool.map(ask, range(24)):
            assert array.shape == (50_000,)
            assert (array == array[0]).all()
    assert visible(tmp_path) == [ws.path("arrays", build).name + ".npz"]
    assert hidden(tmp_path) == [".index"]


def test_processes_that_build_the_same_artifact_each_get_a_whole_one(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", BUILDER, str(tmp_path), str(seed)]) for seed in range(2)]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert len(visible(tmp_path)) == 1 and hidden(tmp_path) == [".index"]


ONCE = """
import pathlib, sys, time
from recsys_kit import formats, workspace
workspace._PATIENCE = 0.1
folder = pathlib.Path(sys.argv[1])
def build():
    with (folder.parent / "built").open("a") as file:
        file.write(sys.argv[2])
    time.sleep(1)
    return {"by": sys.argv[2]}
print(workspace.Workspace(folder).get("slow", build))
"""


def test_of_processes_that_need_the_same_artifact_one_builds_it_and_the_others_say_that_they_wait(tmp_path):
    folder = tmp_path / "ws"
    start = [sys.executable, "-c", ONCE, str(folder)]
    children = [subprocess.Popen([*start, str(i)], stdout=subprocess.PIPE, text=True) for i in range(3)]
    said = [child.communicate(timeout=120)[0].splitlines() for child in children]
    assert len((tmp_path / "built").read_text()) == 1
    assert len({lines[-1] for lines in said}) == 1
    assert all(len(lines) == 1 or lines[0].startswith("waiting: another process is building slow-") for lines in said)
    assert len(visible(folder)) == 1 and hidden(folder) == [".index"]


def test_a_build_may_need_another_artifact_and_a_failed_one_opens_its_lock(tmp_path):
    ws = Workspace(tmp_path)
    assert ws.get("outer", lambda: [ws.get("inner", lambda: [1]), 2]) == [[1], 2]
    with pytest.raises(ZeroDivisionError):
        ws.get("failing", lambda: 1 / 0)
    assert ws.get("failing", lambda: [3]) == [3]


def test_what_another_process_made_whole_meanwhile_is_not_built_again(tmp_path, monkeypatch):
    ws, build = Workspace(tmp_path), once([1])
    ws.get("a", build)
    path = ws.file("a", build)
    path.write_text("[")
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda lock, **_: path.write_text("[2]"))
    assert ws.get("a", build) == [2]


def test_a_workspace_that_is_deleted_during_a_build_is_made_again(tmp_path):
    ws = Workspace(tmp_path / "ws")

    def build():
        shutil.rmtree(ws.folder)
        return [1]

    assert ws.get("a", build) == [1]
    assert visible(ws.folder) == [ws.file("a", build).name]


@pytest.mark.parametrize("name", ["two words", "商店 été", "a%20b#c", "-p"])
def test_a_workspace_may_lie_anywhere(tmp_path, name):
    ws, build = Workspace(tmp_path / name / "ws"), once({"x": np.arange(3)})
    for _ in range(2):
        assert ws.get("a", build)["x"].tolist() == [0, 1, 2]
    assert ws.outdated() == []


def test_names_and_params_that_make_no_address_are_refused(tmp_path):
    ws = Workspace(tmp_path)
    for name in ("", "../up", "a/b", ".hidden"):
        with pytest.raises(ValueError, match="`name` must consist of"):
            ws.path(name)
    with pytest.raises(TypeError, match=r"`params` must hold numbers.*table: DataFrame"):
        ws.path("a", params={"table": pd.DataFrame({"x": [1]})})
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="`folder` must be a folder"):
        Workspace(tmp_path / "file")


def test_an_artifact_is_readable_without_the_kit(tmp_path):
    ws = Workspace(tmp_path)
    build = once({"ä": [1, 2]})
    ws.get("plain", build)
    assert json.loads(ws.file("plain", build).read_text("utf-8")) == {"ä": [1, 2]}


def test_what_is_forgotten_is_built_again_and_nothing_else_is_touched(tmp_path):
    ws = Workspace(tmp_path)
    built = []

    def build():
        built.append(1)
        return [len(built)]

    assert ws.file("a", build) is None
    ws.get("a", build)
    ws.get("a-b", build)
    folder = ws.path("a", build)
    folder.mkdir()
    (folder / "record.json").write_text("[]")
    ws.forget("a", build)
    assert ws.file("a", build) is None and not folder.exists()
    assert ws.file("a-b", build) is not None
    assert ws.get("a", build) == [3]


def test_who_wants_to_know_is_told_before_something_is_built_and_only_then(tmp_path):
    said = []
    ws = Workspace(tmp_path, on_build=said.append)
    build = once([1])
    ws.get("long-name.2", build)
    ws.get("long-name.2", build)
    assert said == ["long-name.2"]


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "best.weights.h5"
    for text in ("one", "two"):
        with workspace.atomic(path) as part:
            assert part.name.endswith(".weights.h5") and part.name.startswith(".")
            part.write_text(text)
    with pytest.raises(KeyboardInterrupt), workspace.atomic(path) as part:
        part.write_text("half of thr")
        raise KeyboardInterrupt
    assert path.read_text() == "two"
    assert len(list(tmp_path.iterdir())) == 1


STORE = """
import sys
import keras, numpy as np
from recsys_kit.neural import fitting, losses
from recsys_kit.recommendation import towers
from recsys_kit.search import two_tower
from recsys_kit.training import basket_transformer
from recsys_kit.workspace import Workspace
ws = Workspace(sys.argv[1])
def build():
    return models[name]
transformer = basket_transformer.basket_model([[0, 1, 1, 2, 2]], width=8, blocks=1, heads=2)
rate = fitting.WarmCosine(1e-3, 10, warm=2)
transformer.compile(keras.optimizers.AdamW(rate), loss={"repeat": losses.inclusion_bce})
models = {"transformer": transformer, "search": two_tower.tower_model(8, 2)}
models |= {f"tower{n}": towers.tower([[0, 1, 1, 2, 2]], n, width=6) for n in (1, 3)}
for name in models:
    ws.get(name, build)
"""

LOAD = """
import sys
from recsys_kit import formats, workspace
known = {"recsys_kit"} | {f"recsys_kit.{name}" for name in ("formats", "workspace", "code_version", "source_names")}
assert {name for name in sys.modules if name.startswith("recsys_kit")} == known
for path in sorted(workspace.Path(sys.argv[1]).glob("*.keras")):
    print(path.name.split("-")[0], formats.read(path).count_params())
"""


@pytest.mark.slow
def test_a_model_is_loaded_whatever_the_caller_has_imported(tmp_path):
    subprocess.run([sys.executable, "-c", STORE, str(tmp_path)], check=True)
    done = subprocess.run([sys.executable, "-c", LOAD, str(tmp_path)], check=True, capture_output=True, text=True)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["search", "tower1", "tower3", "transformer"]
