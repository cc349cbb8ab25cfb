"""A household leaves tables, models and lists; what is left of a workspace is searched for it (notebook 20).

A workspace is a store of things that can be built again. So what was built from data that held the household goes, and
comes back without it once the shop's tables are without it; lists lose its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import output_file, preprocessing
from recsys_kit.datasets.tables import NotForThisShop, Shop, fingerprint
from recsys_kit.privacy.file_search import Household, NotDecoded, is_household_column, search
from recsys_kit.workspace import Workspace

__all__ = ["forget", "household", "plan", "proof", "run", "without"]

REMOVE, ROWS, LOOK, KEEP = "remove", "take rows out of", "look at", "keep"
_WEIGHTS = (".keras", ".npz", ".npy", ".h5", ".pb", ".onnx", ".tflite", ".pkl", ".pickle", ".joblib", ".pt", ".bin")
_LEARNED = "no record says what it was made from"


def without(shop: Shop, user_id: str) -> Shop:
    """Returns a shop as if the household had never been in it; its fingerprint is that of the other tables."""
    left = {
        name: table[table["user_id"] != user_id] for name, table in (("events", shop.events), ("users", shop.users))
    }
    left = {name: table.reset_index(drop=True) for name, table in left.items()}
    found = replace(shop, **left, is_reference=False)
    return replace(found, fingerprint=fingerprint(found))


def household(shop: Shop, user_id: str) -> Household:
    """Returns whom to look for: the id, and the household's row in each table of households that the shop gives.

    A household that the shop does not hold any more is looked for where its row would be.

    Args:
        shop: The shop.
        user_id: The household's id.
    """
    tables = [pd.Index(shop.users["user_id"])]
    try:
        task = preprocessing.task(shop, judged=False)
        tables += [task.test.users, task.validation.users]
    except NotForThisShop:
        pass  # then no model has made tables of its own
    places, holds = {}, bool((shop.events["user_id"] == user_id).any() or (tables[0] == user_id).any())
    for ids in tables:
        if user_id in ids:
            places[len(ids)] = int(ids.get_loc(user_id))
        elif not holds:
            places[len(ids) + 1] = int(np.searchsorted(np.sort(ids.to_numpy(str)), user_id))
    held, free = (shop.fingerprint, "") if holds else ("", shop.fingerprint)
    return Household(user_id, places, held, free)


def plan(folder: Path, who: Household) -> pd.DataFrame:
    """Says what has to happen to each file of a workspace, so that nothing in it is left of a household.

    Args:
        folder: The workspace.
        who: From `household`.

    Returns:
        One row an artifact or file: `path`, `action` (remove, take rows out of, look at: somebody must, keep) and
        `why`.
    """
    rows, addressed = [], Workspace(folder).sources()
    for path, source in addressed.items():
        rows.append((path, *_fate(path, source, who)))
    for path in _files(folder):
        top = folder / path.relative_to(folder).parts[0]
        if top in addressed or top.name == ".index":  # the index goes with the artifacts
            continue
        found = _where(path, who)
        if _is_learned(path):
            rows.append((path, REMOVE, found or _LEARNED))
        elif found:
            rows.append((path, ROWS if path.suffix in output_file.TABLES else LOOK, found))
        else:
            rows.append((path, KEEP, "searched"))
    return pd.DataFrame(rows, columns=["path", "action", "why"])


def _fate(path: Path, source: dict, who: Household) -> tuple[str, str]:
    data = source.get("data")
    if data is None:
        return REMOVE, _LEARNED
    if data == who.held != "":
        return REMOVE, "made from the shop that holds it"
    if data not in ("", who.free):
        return REMOVE, "made from other data, which may have held it"
    found = "; ".join(filter(None, (_where(file, who) for file in _files(path))))
    return (REMOVE, found) if found else (KEEP, "made from data without it" if data else "made from no shop's data")


def _is_learned(path: Path) -> bool:
    """Whether a file without a record may be a model: arrays, weights, and whatever lies beside an exported model."""
    return path.suffix in _WEIGHTS or any((part / "saved_model.pb").exists() for part in path.parents)


def forget(
    folder: Path,
    who: Household,
    lists: Sequence[Path] = (),
    dry_run: bool = False,
    say: Callable[[str], object] = print,
) -> pd.DataFrame:
    """Takes a household out of a workspace and out of lists, and searches all that is left.

    Args:
        folder: The workspace.
        who: From `household`.
        lists: Further tables (Parquet or CSV) that lose its rows.
        dry_run: Only say what would happen.
        say: Called with each line.

    Returns:
        The `proof`; empty in a dry run.
    """
    store = Workspace(folder)
    addressed = store.sources()
    steps = [tuple(row) for row in plan(store.folder, who).to_numpy()]
    steps += [(path, ROWS, _where(path, who)) for path in map(Path, lists)]
    for path, action, why in steps:
        name = path.relative_to(store.folder) if path.is_relative_to(store.folder) else path
        if action == REMOVE and path in addressed:
            why += f"; {'trained' if path.is_dir() or path.suffix == '.keras' else 'built'} again when it is asked for"
        said = f"{'would ' if dry_run and action in (REMOVE, ROWS) else ''}{action}  {name}  ({why})"
        if action == REMOVE and not dry_run:
            store.remove(path) if path in addressed else path.unlink()
        elif action == ROWS:
            said += f": {_without_rows(path, who.user_id, dry_run):,} rows"
        say(said)
    if dry_run:
        return proof([], who)
    for path in sorted((path for path in store.folder.rglob("*") if path.is_dir()), reverse=True):
        if not any(path.iterdir()):
            path.rmdir()
    return proof([store.folder, *map(Path, lists)], who)


def run(
    shop: Shop,
    user_id: str,
    folder: Path,
    lists: Sequence[Path] = (),
    dry_run: bool = False,
    say: Callable[[str], object] = print,
) -> int:
    """Does `forget` and says what the proof says: the command `recsys-kit forget`.

    Returns:
        0 if every file that is left could be searched and none holds the household, else 1.
    """
    who = household(shop, user_id)
    if who.held:
        bought = int((shop.events["user_id"] == user_id).sum())
        say(f"{shop.name} holds {user_id} with {bought:,} events: until they are gone, what is built holds it again")
    else:
        say(f"{shop.name} does not hold {user_id}: what was built from it as it is now stays")
    left = forget(folder, who, lists, dry_run, say)
    if dry_run:
        return 0
    for row in left[left["found"] != ""].itertuples():
        say(f"LEFT  {row.file}: {row.found}")
    sums = f"{len(left):,} files, {left['parts'].sum():,} arrays, columns and texts, {left['values'].sum():,} values"
    say(f"searched {sums}: {(left['found'] != '').sum()} files hold {user_id}, or can't be read")
    return int((left["found"] != "").any())


def proof(paths: Sequence[Path], who: Household) -> pd.DataFrame:
    """Searches every file, hidden ones and records included.

    Args:
        paths: Files, and folders with all that is in them.
        who: From `household`.

    Returns:
        One row a file: `file`, `parts` (columns, arrays, texts), `values`, and `found`, which is empty where the
        household is not in it; a file that can't be decoded says so there.
    """
    rows = []
    for file in (file for path in paths for file in _files(path)):
        try:
            count, values, found = search(file, who)
        except NotDecoded as error:
            count, values, found = 0, 0, [f"not decoded: {error}"]
        rows.append((str(file), count, values, "; ".join(found)))
    return pd.DataFrame(rows, columns=["file", "parts", "values", "found"])


def _where(path: Path, who: Household) -> str:
    return proof([path], who)["found"].str.cat(sep="; ")


def _files(path: Path) -> list[Path]:
    """All files of a folder in order; a file is itself. A link is not followed: what it names lies elsewhere."""
    found = [path] if path.is_file() else path.rglob("*")
    return sorted(file for file in found if file.is_file() and not file.is_symlink())


def _without_rows(path: Path, user_id: str, dry_run: bool) -> int:
    """Writes a table anew without the rows that name a household, and without a category of its name."""
    csv = path.suffix == ".csv"
    table = pd.read_csv(path, dtype=str, keep_default_na=False) if csv else pd.read_parquet(path)
    indexed = table.index.names != [None]
    columns = table.reset_index() if indexed else table
    gone = columns[[name for name in columns if is_household_column(str(name))]].astype(str).eq(user_id).any(axis=1)
    if not dry_run and gone.any():
        left = table[~gone.to_numpy()].copy()
        for name in left.select_dtypes("category"):
            left[name] = left[name].cat.remove_unused_categories()
        fill = partial(left.to_csv, index=False) if csv else partial(left.to_parquet, index=indexed or None)
        output_file.write(path, fill)
    return int(gone.sum())
