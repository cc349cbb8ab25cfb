"""Who hides among whom in a table of households: pseudonyms, classes of equal rows, and coarser values (notebook 20).

Letters for shapes: N rows, A attributes.
"""

from __future__ import annotations

import hmac
import itertools
import re
from collections.abc import Sequence

import numpy as np
import pandas as pd

__all__ = ["ANY", "UNRECORDED", "classes", "generalise", "levels", "pseudonyms"]

ANY, UNRECORDED = "any", "not recorded"
_MOST = 200_000  # combinations of levels that are tried


def pseudonyms(ids: pd.Series, key: bytes, digits: int = 16) -> pd.Series:
    """Replaces ids by keyed hashes (HMAC-SHA256): whoever lacks the key can't compute the pseudonym of a guessed id.

    Args:
        ids: The ids.
        key: The secret: 32 random bytes, kept apart from the tables. Another key for each release.
        digits: Hexadecimal digits that are kept.

    Example:
        >>> pseudonyms(pd.Series(["7", "8", "7"]), b"secret", 6).tolist()
        ['074d7d', '4fc991', '074d7d']
    """
    if len(key) < 1:
        raise ValueError("`key` must hold at least one byte: without a key anybody can hash all ids. Received: none.")
    return ids.map({name: hmac.new(key, str(name).encode(), "sha256").hexdigest()[:digits] for name in ids.unique()})


def classes(table: pd.DataFrame, known: Sequence[str], sensitive: str = "") -> pd.DataFrame:
    """Returns for each row how many rows have the same known values (`k`), and what these tell.

    Args:
        table: One row a household.
        known: Columns that an attacker may know of a household; a value that is not recorded counts as one.
        sensitive: A column that he does not know; empty: none.

    Returns:
        `k`, the size of the row's class; `l`, how many different values of `sensitive` the class holds (a missing one
        is a value, too).

    Example:
        >>> table = pd.DataFrame({"age": ["30", "30", "60"], "income": ["low", "high", "low"]})
        >>> classes(table, ["age"], "income").to_dict("list")
        {'k': [2, 2, 1], 'l': [2, 2, 1]}
    """
    code = _codes([pd.factorize(table[name], use_na_sentinel=False)[0] for name in known], len(table))
    found = pd.DataFrame({"k": np.bincount(code)[code]}, index=table.index)
    if sensitive:
        found["l"] = _distinct(code, pd.factorize(table[sensitive], use_na_sentinel=False)[0])[code]
    return found


def levels(values: pd.Series) -> list[pd.Series]:
    """Returns a column ever coarser: as it is, then (bands with numbers) neighbours joined by 2, 4, …, then `ANY`.

    Example:
        >>> [level.tolist() for level in levels(pd.Series(["19-24", "25-34", "65+"]))]
        [['19-24', '25-34', '65+'], ['19-24 … 25-34', '19-24 … 25-34', '65+'], ['any', 'any', 'any']]
    """
    values = values.astype(object).where(values.notna(), UNRECORDED).astype(str)
    names = [name for name in values.unique() if name != UNRECORDED]
    found = [values]
    if all(re.search(r"\d", name) for name in names):
        names.sort(key=lambda name: (float(re.search(r"\d+(\.\d+)?", name)[0]), name[0].isdigit(), name))
        width = 2
        while width < len(names):
            parts = [names[i : i + width] for i in range(0, len(names), width)]
            label = {name: part[0] if len(part) == 1 else f"{part[0]} … {part[-1]}" for part in parts for name in part}
            found.append(values.map(label | {UNRECORDED: UNRECORDED}))
            width *= 2
    return [*found, pd.Series(ANY, values.index)]


def generalise(
    table: pd.DataFrame, known: Sequence[str], k: int, sensitive: str = "", distinct: int = 1, part: float = 0.0
) -> tuple[pd.DataFrame, pd.Series]:
    """Makes known columns as coarse as it takes until every row hides among `k` (full-domain generalisation).

    All combinations of `levels` are tried; of those that do it the one is taken that keeps most entropy, the sum over
    the columns of the part that is left.

    Args:
        table: One row a household.
        known: The columns to make coarser.
        k: Least size of a class.
        sensitive: A column of which each class must hold `distinct` values; empty: none.
        distinct: l of l-diversity.
        part: At most this part of the rows may be left out instead.

    Returns:
        The table without the rows that were left out, and the entropy that each known column keeps, 0..1.

    Raises:
        ValueError: If the rows are fewer than `k`, there are too many combinations, or nothing does it.
    """
    if len(table) < k:
        raise ValueError(f"`k` can't be more than the rows. Received: k={k} for {len(table)} rows.")
    steps = [levels(table[name]) for name in known]
    if (count := int(np.prod([len(step) for step in steps]))) > _MOST:
        raise ValueError(f"`known` has {count:,} combinations of levels, and {_MOST:,} are possible. Choose fewer.")
    codes = [[pd.factorize(level)[0] for level in step] for step in steps]
    left = [[_entropy(code) / max(_entropy(step[0]), 1e-12) for code in step] for step in codes]
    secret = pd.factorize(table[sensitive], use_na_sentinel=False)[0] if sensitive else None
    best, kept = None, None
    for choice in itertools.product(*(range(len(step)) for step in steps)):
        worth = sum(entropies[i] for entropies, i in zip(left, choice, strict=True))
        if best is not None and worth <= best[0]:
            continue
        code = _codes([step[i] for step, i in zip(codes, choice, strict=True)], len(table))
        hidden = np.bincount(code)[code] >= k
        if secret is not None:
            hidden &= _distinct(code, secret)[code] >= distinct
        if (~hidden).mean() <= part:
            best, kept = (worth, choice), hidden
    if best is None:
        raise ValueError(f"no coarser table has {distinct} values of {sensitive!r} in classes of {k} rows.")
    coarse = table.assign(**{name: step[i] for name, step, i in zip(known, steps, best[1], strict=True)})
    return coarse[kept], pd.Series({name: left[a][i] for a, (name, i) in enumerate(zip(known, best[1], strict=True))})


def _codes(columns: list[np.ndarray], rows: int) -> np.ndarray:
    """(N,) the number of each row's class."""
    code = np.zeros(rows, np.int64)
    for column in columns:
        code = np.unique(code * (column.max(initial=0) + 1) + column, return_inverse=True)[1]
    return code


def _distinct(code: np.ndarray, secret: np.ndarray) -> np.ndarray:
    """How many values of `secret` each class holds."""
    pairs = np.unique(code.astype(np.int64) * (secret.max(initial=0) + 1) + secret) // (secret.max(initial=0) + 1)
    return np.bincount(pairs, minlength=code.max(initial=0) + 1)


def _entropy(code: np.ndarray) -> float:
    share = np.bincount(code) / max(len(code), 1)
    share = share[share > 0]
    return abs(float((share * np.log2(share)).sum()))
