"""A workspace on a bad day: artifacts that can't be read, and a disk that is full."""

import errno

import numpy as np
import pandas as pd
import pytest

from recsys_kit import formats
from recsys_kit.workspace import Workspace

VALUES = {
    ".json": {"x": 1},
    ".npz": {"x": np.arange(50)},
    ".parquet": pd.DataFrame({"x": range(50)}),
}


@pytest.mark.parametrize("suffix", VALUES)
@pytest.mark.parametrize("left", ["half", "nothing", "a folder"])
def test_an_artifact_that_cannot_be_read_is_named_and_built_again(tmp_path, capsys, suffix, left):
    ws, built = Workspace(tmp_path), []

    def build():
        built.append(1)
        return VALUES[suffix]

    ws.get("a", build)
    path = ws.file("a", build)
    content = path.read_bytes()
    path.unlink()
    if left == "a folder":
        path.mkdir()
    else:
        path.write_bytes(content[: len(content) // 2] if left == "half" else b"")
    for _ in range(2):
        assert np.array_equal(ws.get("a", build)["x"], VALUES[suffix]["x"])
    (said,) = capsys.readouterr().out.splitlines()
    assert said.startswith(f"{path} can't be read (") and said.endswith("it is built again")
    assert len(built) == 2 and path.is_file()


def test_an_artifact_that_never_can_be_read_is_an_error_and_no_endless_loop(tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(
        formats.FORMATS, ".json", (lambda value, path: path.write_text("{"), formats.FORMATS[".json"][1])
    )
    with pytest.raises(OSError, match=r"a-.*\.json can't be read"):
        Workspace(tmp_path).get("a", lambda: [1])


@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), OSError(errno.EFBIG, "Too large")])
def test_a_full_disk_is_said_with_the_file_and_leaves_nothing(tmp_path, monkeypatch, error):
    def full(value, path):
        path.write_text("{")
        raise error

    monkeypatch.setitem(formats.FORMATS, ".json", (full, formats.FORMATS[".json"][1]))
    ws = Workspace(tmp_path)
    with pytest.raises(OSError, match=r"(No space left on device|Too large): '.*a-[0-9a-f]{12}\.json'"):
        ws.get("a", lambda: [1])
    assert list(tmp_path.iterdir()) == []
