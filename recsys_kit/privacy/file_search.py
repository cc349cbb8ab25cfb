"""Files decoded and searched for one household: for its id, and for its place in tables without ids (notebook 20).

A file that is not decoded proves nothing: the bytes of an id can't be found in what is compressed, or holds a household
as row 1,228 of a matrix.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

__all__ = ["Household", "NotDecoded", "is_household_column", "mentions", "parts", "search"]

_NO_HOUSEHOLDS = frozenset("item_id store_id basket_id campaign_id coupon_id rank quantity price discount".split())
_HOUSEHOLDS = re.compile(r"user|household|hshd|hh_|customer|member|client|shopper|buyer|person|account", re.IGNORECASE)
_PICKLES = (".pkl", ".pickle", ".joblib")


class NotDecoded(ValueError):
    """A file whose content can't be read, so that nothing can be said of it."""


@dataclass(frozen=True)
class Household:
    """Whom to look for.

    Attributes:
        user_id: Its id.
        places: For each length that a table of households has: the household's row in it.
        held: Fingerprint of the shop that holds it; empty if the shop does not, or not any more.
        free: Fingerprint of the shop that does not hold it; empty if it does.
    """

    user_id: str
    places: Mapping[int, int]
    held: str = ""
    free: str = ""


def is_household_column(name: str) -> bool:
    """Says whether a column's name is one for households."""
    return bool(_HOUSEHOLDS.search(name)) and name not in _NO_HOUSEHOLDS


def search(path: Path, who: Household) -> tuple[int, int, list[str]]:
    """Searches a file.

    Returns:
        How many columns, arrays and texts it holds, how many values these hold, and where the household is.

    Raises:
        NotDecoded: If the file's content can't be read.
    """
    count, values, found = 0, 0, []
    for name, part in parts(path):
        count, values = count + 1, values + part.size
        if said := mentions(name, part, who):
            found.append(f"{name}: {said}")
    return count, values, found


def mentions(name: str, values: np.ndarray, who: Household) -> str:
    """Says in which way an array mentions a household; empty if it does not.

    Args:
        name: What the array is called: a number in a column `user` is a household, in `item` it is none.
        values: Texts or numbers of any shape.
        who: The household.

    Example:
        >>> who = Household("7", {40: 3})
        >>> mentions("user", np.array([1, 3, 3]), who), mentions("quantity", np.array([3, 7]), who)
        ('2 times its place 3', '')
        >>> mentions("vectors", np.zeros((40, 8)), who)
        'a row for each of 40 households'
    """
    last = name.rpartition(" ")[2]
    if last in _NO_HOUSEHOLDS or values.dtype.kind in "mM":
        return ""
    if values.dtype.kind not in "iufb":
        texts = pd.Series(values.ravel(), dtype=object).dropna().astype(str)
        same = texts == who.user_id
        if not who.user_id.isdigit():  # a number stands everywhere; a name that stands in a long text is no chance
            same |= texts.str.contains(rf"(?<!\w){re.escape(who.user_id)}(?!\w)", regex=True)
        return f"{int(same.sum())} times its id" if same.any() else ""
    for length, place in who.places.items():
        if length > 1 and any(size in (length, length + 1) for size in values.shape):
            return f"a row for each of {length:,} households"
        if values.dtype.kind in "iu" and values.size and (_HOUSEHOLDS.search(last) or _are_places(values, length)):
            shift = int(values.max() == length and values.min() == 1)  # 0 was kept for padding
            if times := int((values == place + shift).sum()):
                return f"{times} times its place {place}"
    if who.user_id.isdigit() and _HOUSEHOLDS.search(last) and (times := int((values == int(who.user_id)).sum())):
        return f"{times} times its id"
    return ""


def _are_places(values: np.ndarray, length: int) -> bool:
    """Whether whole numbers look like rows of a table of households: all of its range, and hardly a gap."""
    return values.min() in (0, 1) and values.max() in (length - 1, length) and len(np.unique(values)) > length / 2


def parts(path: Path) -> Iterator[tuple[str, np.ndarray]]:
    """Yields name and values of all that a file holds.

    Raises:
        NotDecoded: If it can't be read, or reading it would run what is in it (a pickle).
    """
    if path.suffix in _PICKLES:
        raise NotDecoded("a pickle runs what is in it when it is opened")
    try:
        yield from _content(path.suffix, path.read_bytes())
    except (ValueError, OSError, KeyError, zipfile.BadZipFile) as error:
        raise NotDecoded(str(error).partition("\n")[0] or repr(error)) from error


def _content(suffix: str, content: bytes) -> Iterator[tuple[str, np.ndarray]]:
    if suffix == ".parquet":
        yield from _parquet(content)
    elif suffix == ".csv":
        table = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False)
        yield "names of columns", np.array(table.columns, dtype=object)
        yield from ((f"column {name}", _numbers(table[name])) for name in table)
    elif suffix == ".npy":
        yield "array", np.load(io.BytesIO(content), allow_pickle=False)
    elif suffix in (".keras", ".npz", ".zip"):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            yield "names of files", np.array([*archive.namelist(), ""], dtype=object)
            for name in archive.namelist():
                inside = _content(Path(name).suffix, archive.read(name))
                own = "{0} {1}" if not name.endswith(".npy") else "{2}"  # an array of an .npz has the file's name
                yield from ((own.format(name, part, name[:-4]), values) for part, values in inside)
    elif suffix in (".h5", ".hdf5"):
        yield from _hdf5(content)
    elif suffix in (".json", ".jsonl", ".journal"):
        lines = [content] if suffix == ".json" else content.splitlines()
        for line in lines:
            yield from _json(json.loads(line), "value")
    else:
        text = content.decode("utf-8")
        yield "lines", np.array([*text.splitlines(), ""], dtype=object)
        yield "words", np.array(re.split(r"""[\s,;:"'<>|=(){}\[\]]+""", text), dtype=object)


def _numbers(column: pd.Series) -> np.ndarray:
    """A column of a text file: as numbers if it holds nothing else, for a 7 among prices is no household."""
    numbers = pd.to_numeric(column, errors="coerce")
    return numbers.to_numpy() if len(column) and numbers.notna().all() else column.to_numpy(object)


def _parquet(content: bytes) -> Iterator[tuple[str, np.ndarray]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(io.BytesIO(content))  # columns that pandas makes the index are columns here
    yield "names of columns", np.array(table.column_names, dtype=object)
    for name, column in zip(table.column_names, table.columns, strict=True):
        yield f"column {name}", column.to_pandas().to_numpy()
        if pa.types.is_dictionary(column.type):  # a category without rows is stored all the same
            for chunk in column.chunks:
                yield f"categories of {name}", chunk.dictionary.to_pandas().to_numpy()


def _hdf5(content: bytes) -> Iterator[tuple[str, np.ndarray]]:
    import h5py

    found: list[tuple[str, np.ndarray]] = []

    def take(name: str, value: Any) -> None:
        stored = [(name, value[()])] if isinstance(value, h5py.Dataset) else []
        for label, one in [*stored, *((f"{name} attribute {key}", one) for key, one in value.attrs.items())]:
            values = np.asarray(one)
            if values.dtype.kind in "OS":
                texts = [each.decode("utf-8", "replace") if isinstance(each, bytes) else each for each in values.flat]
                values = np.array(texts, dtype=object)
            found.append((label, values))

    with h5py.File(io.BytesIO(content)) as file:
        take("/", file)
        file.visititems(take)
    yield from found


def _json(value: Any, name: str) -> Iterator[tuple[str, np.ndarray]]:
    """Yields each list of plain values, each plain value, and all keys."""
    if isinstance(value, dict):
        yield f"keys of {name}", np.array([*value, ""], dtype=object)
        for key, one in value.items():
            yield from _json(one, key)
    elif isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        for one in value:
            yield from _json(one, name)
    elif isinstance(value, list) and value and all(type(one) in (int, float) for one in value):
        yield name, np.array(value)
    else:
        plain = value if isinstance(value, list) else [value]
        number = len(plain) == 1 and type(plain[0]) in (int, float)
        yield name, np.array(plain) if number else np.array([*map(str, plain), ""], dtype=object)
