"""Excel files as text tables, where the library that reads them is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pandas as pd

from recsys_kit.datasets import tables
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError

__all__ = ["ENDING", "read"]

ENDING = ".xlsx"


def read(path: Path, layout: Layout | None = None, notes: list[str] | None = None) -> pd.DataFrame:
    """Reads an Excel file as text: all its sheets as one table, or the one that `layout` names.

    The header is row 1; in several sheets the rows are counted through, and a note says where each begins.

    Args:
        path: The file.
        layout: Its `sheet` and `header`; None: all sheets, named by their first rows.
        notes: What was assumed is appended here.

    Raises:
        DataError: If it can't be read, if the library is not installed, or if sheets differ in their columns.
    """
    notes = [] if notes is None else notes
    layout = layout or Layout()
    if importlib.util.find_spec("openpyxl") is None:
        raise DataError(
            f"{path.name}: Excel files are read by openpyxl, which is not installed: pip install 'recsys_kit[excel]'. "
            "Or save it as CSV in UTF-8."
        )
    try:
        sheets = pd.read_excel(
            path,
            sheet_name=layout.sheet or None,
            dtype="str",
            keep_default_na=False,
            na_values=[""],
            header=None if layout.header else 0,
            names=layout.header or None,
        )
    except Exception as error:  # openpyxl has many: no zip file, no sheet of this name, broken XML
        raise DataError(f"{path.name}: is no readable Excel file: {error}.") from None
    sheets = sheets if isinstance(sheets, dict) else {layout.sheet: sheets}
    sheets = {name: frame for name, frame in sheets.items() if len(frame.columns)}
    if not sheets:
        raise DataError(f"{path.name}: has no rows.")
    frames, begins, row = [], [], 1 if layout.header else 2
    first_name, first = next(iter(sheets.items()))
    for name, frame in sheets.items():
        if list(frame) != list(first):
            raise DataError(
                f"{path.name}: its sheets have different headers. {first_name} has: {', '.join(map(str, first))}. "
                f'{name} has: {", ".join(map(str, frame))}. Name one in shop.json: {{"format": {{"sheet": "{name}"}}}}.'
            )
        frames.append(frame.set_axis(pd.RangeIndex(row, row + len(frame))))
        begins.append(f"{name} from row {row}")
        row += len(frame)
    if len(sheets) > 1:
        notes.append(f"{path.name}: {len(sheets):,} sheets are read as one table, rows counted: {', '.join(begins)}.")
    whole = pd.concat(frames)
    whole.columns = [str(name).strip() for name in whole.columns]
    tables.no_twins(whole, path.name)
    return whole.dropna(how="all")
