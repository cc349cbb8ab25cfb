"""Artifacts in files: what can't be read is said as such, and nothing else is taken for that."""

import keras
import numpy as np
import pandas as pd
import pytest

from recsys_kit import formats


def model():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(3)])


VALUES = {
    ".parquet": lambda: pd.DataFrame({"x": range(100)}),
    ".keras": model,
    ".npz": lambda: {"a": np.arange(100)},
    ".json": lambda: {"x": list(range(100))},
}


@pytest.mark.parametrize("suffix", VALUES)
@pytest.mark.parametrize("damage", ["cut", "empty", "other", "folder"])
def test_a_file_that_was_damaged_is_named(tmp_path, suffix, damage):
    value, path = VALUES[suffix](), tmp_path / f"a{suffix}"
    assert formats.suffix(value) == suffix
    formats.FORMATS[suffix][0](value, path)
    formats.read(path)
    whole = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    else:
        path.write_bytes({"cut": whole[: len(whole) // 2], "empty": b"", "other": b"\xff\xfe" * 99}[damage])
    with pytest.raises(formats.Damaged, match=rf"a\{suffix} can't be read \(") as caught:
        formats.read(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("error", [MemoryError, PermissionError, ImportError])
def test_what_says_nothing_about_the_file_is_no_damage(tmp_path, monkeypatch, error):
    def fails(path):
        raise error("no")

    monkeypatch.setitem(formats.FORMATS, ".json", (None, fails))
    with pytest.raises(error, match="no"):
        formats.read(tmp_path / "a.json")
