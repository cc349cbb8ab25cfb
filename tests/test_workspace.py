"""Artifacts on disk: nothing half-written, nothing stale, the same thing on every call."""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recsys_kit import evaluation, workspace
from recsys_kit.datasets import tables
from recsys_kit.workspace import Workspace, code_version

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)

SLOW_WRITER = """
import sys, time
from recsys_kit import workspace
def write(value, path):
    path.write_text('{"half": ')
    print("half written", flush=True)
    time.sleep(60)
workspace._FORMATS[".json"] = (write, workspace._FORMATS[".json"][1])
workspace.Workspace(sys.argv[1]).get("thing", lambda: {"half": 1})
"""

BUILDER = """
import sys, numpy as np
from recsys_kit.workspace import Workspace
seed = int(sys.argv[2])
got = Workspace(sys.argv[1]).get("arrays", lambda: {"a": np.full(200_000, seed)})
assert len(set(got["a"].tolist())) == 1 and got["a"].shape == (200_000,)
"""


def never():
    raise AssertionError("this was built before and must not be built again")


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_what_was_built_is_loaded_and_not_built_again(tmp_path):
    ws = Workspace(tmp_path)
    assert ws.get("n", lambda: {"a": 1}) == {"a": 1}
    assert ws.get("n", never) == {"a": 1}
    assert Workspace(tmp_path).get("n", never) == {"a": 1}


@given(value=JSON)
@settings(max_examples=60, deadline=None)
def test_json_comes_back_as_it_was(tmp_path_factory, value):
    ws = Workspace(tmp_path_factory.mktemp("ws"))
    assert ws.get("v", lambda: value) == value
    assert ws.get("v", never) == value


def test_the_first_call_and_a_later_one_return_the_same_thing(tmp_path):
    ws = Workspace(tmp_path)
    first = ws.get("v", lambda: {"pair": (1, 2), "score": np.float32(0.5), 3: "three"})
    assert first == ws.get("v", never) == {"pair": [1, 2], "score": 0.5, "3": "three"}


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
    for build in (lambda: table, never):
        pd.testing.assert_frame_equal(ws.get("table", build), table)
    arrays = {"ids": np.array(["x", "🍎"], dtype=object), "vectors": np.ones((2, 3), np.float32)}
    for build in (lambda: arrays, never):
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
    for build in (lambda: model, never):
        np.testing.assert_allclose(ws.get("model", build).predict(x, verbose=0), model.predict(x, verbose=0))
    assert visible(tmp_path) == [ws.path("model").name + ".keras"]


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
        ws.path("a", code=tables),
        ws.path("a", code=evaluation),
    }
    assert len(addresses) == 10
    assert ws.path("a", params={"x": 1, "y": 2}) == ws.path("a", params={"y": 2, "x": 1})
    assert ws.path("a", params={"x": np.int64(1)}) == ws.path("a", params={"x": 1})


def test_a_changed_source_has_another_version_and_so_has_a_changed_import(tmp_path, monkeypatch):
    package = tmp_path / "recsys_kit"
    package.mkdir()
    monkeypatch.setattr(workspace, "__file__", str(package / "workspace.py"))
    sources = {
        "one": "from recsys_kit import two\nimport numpy\n",
        "two": "def later():\n    import recsys_kit.three\n",
        "three": "from .four import x\n",
        "four": "x = 1\n",
        "apart": "x = 1\n",
    }
    for name, text in sources.items():
        (package / f"{name}.py").write_text(text)
    module = ModuleType("one")
    module.__file__ = str(package / "one.py")
    versions = [code_version(module)]
    for name in ("one", "two", "three", "four"):
        (package / f"{name}.py").write_text(sources[name] + "# changed\n")
        versions.append(code_version(module))
    assert len(set(versions)) == 5
    (package / "apart.py").write_text("x = 2\n")
    assert code_version(module) == versions[-1]


def test_a_module_outside_the_kit_counts_with_its_source(tmp_path):
    module = ModuleType("mine")
    module.__file__ = str(tmp_path / "mine.py")
    versions = []
    for text in ("x = 1\n", "x = 2\n", "from recsys_kit import tables\n"):
        (tmp_path / "mine.py").write_text(text)
        versions.append(code_version(module))
    assert len(set(versions)) == 3
    with pytest.raises(TypeError, match="`code` must be a module with a source file"):
        code_version(sys)


def test_a_build_that_raises_leaves_nothing(tmp_path):
    ws = Workspace(tmp_path)

    def fails():
        raise RuntimeError("out of luck")

    with pytest.raises(RuntimeError, match="out of luck"):
        ws.get("a", fails)
    with pytest.raises(TypeError):  # built, but can't be stored
        ws.get("a", lambda: {"lambda": never})
    with pytest.raises(TypeError, match="'a' holds objects"):
        ws.get("a", lambda: {"a": np.array([1, "x"], dtype=object)})
    assert list(tmp_path.iterdir()) == []
    assert ws.get("a", lambda: [1]) == [1]


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def interrupted(value, path):
        path.write_text('{"half": ')
        raise KeyboardInterrupt

    monkeypatch.setitem(workspace._FORMATS, ".json", (interrupted, workspace._FORMATS[".json"][1]))
    with pytest.raises(KeyboardInterrupt):
        Workspace(tmp_path).get("a", lambda: {"half": 1})
    assert list(tmp_path.iterdir()) == []


def test_a_killed_writer_leaves_nothing_that_is_picked_up(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", SLOW_WRITER, str(tmp_path)], stdout=subprocess.PIPE, text=True)
    with child:
        assert child.stdout.readline() == "half written\n"
        child.send_signal(signal.SIGKILL)
    assert visible(tmp_path) == []
    assert Workspace(tmp_path).get("thing", lambda: {"half": 2}) == {"half": 2}
    assert Workspace(tmp_path).get("thing", never) == {"half": 2}


def test_what_killed_writers_left_is_removed_but_a_living_writer_is_left_alone(tmp_path):
    for name, age in (("old", 2 * 3600), ("young", 60)):
        folder = tmp_path / f".writing-{name}"
        folder.mkdir()
        (folder / "part.json").write_text("{")
        for path in (folder / "part.json", folder):
            os.utime(path, (time.time() - age, time.time() - age))
    busy = tmp_path / ".writing-busy"  # created long ago, written to a moment ago
    busy.mkdir()
    (busy / "part.json").write_text("{")
    os.utime(busy, (time.time() - 7200, time.time() - 7200))
    Workspace(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".writing-busy", ".writing-young"]


def test_threads_that_build_the_same_artifact_each_get_a_whole_one(tmp_path):
    ws = Workspace(tmp_path)

    def ask(seed):
        return ws.get("arrays", lambda: {"a": np.full(50_000, seed)})["a"]

    with ThreadPoolExecutor(8) as pool:
        for array in pool.map(ask, range(24)):
            assert array.shape == (50_000,)
            assert (array == array[0]).all()
    assert visible(tmp_path) == [ws.path("arrays").name + ".npz"]
    assert len(list(tmp_path.iterdir())) == 1


def test_processes_that_build_the_same_artifact_each_get_a_whole_one(tmp_path):
    children = [subprocess.Popen([sys.executable, "-c", BUILDER, str(tmp_path), str(seed)]) for seed in range(2)]
    assert [child.wait(timeout=60) for child in children] == [0, 0]
    assert len(list(tmp_path.iterdir())) == 1


ONCE = """
import pathlib, sys, time
from recsys_kit import workspace
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
    assert len(list(folder.iterdir())) == 1


def test_a_build_may_need_another_artifact_and_a_failed_one_opens_its_lock(tmp_path):
    ws = Workspace(tmp_path)
    assert ws.get("outer", lambda: [ws.get("inner", lambda: [1]), 2]) == [[1], 2]
    with pytest.raises(ZeroDivisionError):
        ws.get("failing", lambda: 1 / 0)
    assert ws.get("failing", lambda: [3]) == [3]


def test_a_damaged_artifact_is_named_in_the_error(tmp_path):
    ws = Workspace(tmp_path)
    ws.get("a", lambda: {"x": 1})
    path = ws.path("a").with_suffix(".json")
    path.write_text("{")
    with pytest.raises(OSError, match=f"{path.name} can't be read .* Delete it"):
        ws.get("a", never)


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
    ws.get("plain", lambda: {"ä": [1, 2]})
    assert json.loads(ws.path("plain").with_suffix(".json").read_text("utf-8")) == {"ä": [1, 2]}
