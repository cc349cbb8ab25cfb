"""CSV files as text tables: one file or a folder of parts, with what would be read wrongly named by its line."""

from __future__ import annotations

import csv
import re
import warnings
from pathlib import Path

import pandas as pd

from recsys_kit.datasets import packed, tables
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError

__all__ = ["ENDINGS", "read"]

ENDINGS = (".csv", ".tsv", ".txt")
"""How the name of a CSV file, or of a part, may end, before the ending of what packs it."""

_SEPARATORS = ",;\t|"
_PACKED = {
    b"\x1f\x8b": 'is packed by gzip. Call it NAME.csv.gz, or say {"format": {"compression": "gzip"}} in shop.json.',
    b"PK\x03\x04": "is an Excel or zip file. Call it NAME.xlsx or NAME.csv.zip, or save it as CSV in UTF-8.",
    b"PAR1": "is a Parquet file. Give it a name that ends in .parquet.",
}


def read(path: Path, layout: Layout | None = None, notes: list[str] | None = None) -> pd.DataFrame:
    """Reads a CSV file, or a folder of CSV parts with the same columns, as text.

    The header is row 1, as in a spreadsheet; where `layout` gives the names, the first line is row 1. In a folder the
    rows are counted through the parts in the order of their names; a note says where each begins. Files whose names
    start with `.` or `_` are no parts. A file or part may be packed (see `packed`).

    Args:
        path: The file or folder.
        layout: What is special about it; None: nothing.
        notes: What was assumed is appended here.

    Raises:
        DataError: If a file is empty, damaged, in another encoding, names two columns alike, or has a quote that is
            not closed; if parts differ in their columns.
    """
    notes = [] if notes is None else notes
    layout = layout or Layout()
    first_row = 1 if layout.header else 2
    if not path.is_dir():
        return _read_packed(path, path.name, layout, notes).dropna(how="all")
    parts = sorted(part for part in path.iterdir() if part.name[0] not in "._")
    wrong = [part.name for part in parts if part.is_dir() or packed.bare(part).suffix not in ENDINGS]
    if wrong or not parts:
        there = ", ".join(wrong[:10]) or "nothing"
        raise DataError(f"{path.name}: is a folder; its parts must be files that end in .csv. It holds: {there}.")
    frames: list[pd.DataFrame] = []
    begins: list[str] = []
    rows = 0
    for part in parts:
        frame = _read_packed(part, f"{path.name}/{part.name}", layout, notes)
        if frames and sorted(frame) != sorted(frames[0]):
            raise DataError(
                f"{path.name}: parts must have the same header. {parts[0].name} has: {', '.join(frames[0])}. "
                f"{part.name} has: {', '.join(frame)}."
            )
        frame.index += rows
        begins.append(f"{part.name} from row {rows + first_row}")
        rows += len(frame)
        frames.append(frame)
    more = f" and {len(begins) - 10:,} more" if len(begins) > 10 else ""
    count = "1 part is" if len(parts) == 1 else f"{len(parts):,} parts are"
    notes.append(f"{path.name}: {count} read as one table, rows counted through: {', '.join(begins[:10])}{more}.")
    return pd.concat(frames).dropna(how="all")


def _read_packed(path: Path, name: str, layout: Layout, notes: list[str]) -> pd.DataFrame:
    with packed.unpacked(path, layout.compression) as plain:
        return _read_one(plain, name, layout, notes)


def _read_one(path: Path, name: str, layout: Layout, notes: list[str]) -> pd.DataFrame:
    """Returns all rows of one file, those of blank lines too, numbered from 2 (without a header: 1)."""
    encoding = layout.encoding
    with path.open("rb") as handle:
        start = handle.read(4096)
    if not start:
        raise DataError(f"{name}: is empty (0 bytes).")
    other = next((words for mark, words in _PACKED.items() if start.startswith(mark)), "")
    if other:
        raise DataError(f"{name}: {other}")
    if not encoding:
        encoding = "utf-16" if start[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    zero, ends = _scan(path)
    if zero and not re.match(r"utf[-_]?(16|32)", encoding, re.IGNORECASE):
        shown = encoding.removesuffix("-sig").upper() if encoding.startswith("utf") else encoding
        wide = start.count(b"\0") > len(start) / 4
        way_out = ", or name its encoding in shop.json, such as" + ' {"encoding": "utf-16-le"}' if wide else ""
        raise DataError(
            f"{name}: is not {shown} text (it holds zero bytes, the first in line {zero}). "
            f"Save it as CSV in UTF-8{way_out}."
        )
    try:
        with path.open(encoding=encoding, newline="") as handle:
            first = handle.readline()
            separator = layout.separator or max(_SEPARATORS, key=first.count)
            handle.seek(0)
            header = _header(handle, first, separator, layout, name)
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)  # rows longer than the header
            frame = pd.read_csv(
                path,
                encoding=encoding,
                dtype="str",
                keep_default_na=False,  # an item may be called "NA" or "None"
                na_values=[""],
                skip_blank_lines=False,  # row numbers stay those of the file
                index_col=False,
                **{"sep": separator} | _special(layout, separator, header),
            )
    except (UnicodeError, LookupError) as error:
        raise DataError(_encoding_message(path, name, encoding, error)) from None
    except (
        pd.errors.ParserError,
        pd.errors.ParserWarning,
        pd.errors.EmptyDataError,
        csv.Error,
        StopIteration,
    ) as error:
        open_quote = re.search(r"EOF inside string starting at row (\d+)", str(error))
        if open_quote:
            raise DataError(
                f"{name}: is not a CSV table: a quote that opens in row {int(open_quote[1]) + 1} is never closed. "
                'Close it, or write "" where the text has a quote.'
            ) from None
        raise DataError(f"{name}: is not a CSV table: {str(error).strip()}.") from None
    frame.columns = header
    frame.index += 1 if layout.header else 2
    tables.no_twins(frame, name)
    if encoding == "utf-8-sig":
        _look_for_a_cut(path, separator, header, name)
    if ends > len(frame) + (not layout.header) and layout.quote:
        _look_for_open_quotes(frame, separator, name, notes)
    return frame


def _header(lines, first: str, separator: str, layout: Layout, name: str) -> list[str]:
    """Returns the names of the columns: those of the first line, or of the layout if these are as many."""
    if len(separator) > 1:  # Python's csv module knows none of these
        cells = first.rstrip("\r\n").split(separator)
    else:
        quoting = {"quotechar": layout.quote} if layout.quote else {"quoting": csv.QUOTE_NONE}
        cells = next(csv.reader(lines, delimiter=separator, **quoting))
    if layout.header and len(layout.header) != len(cells):
        raise DataError(
            f"{name}: `header` in shop.json names {len(layout.header)} columns, and the first line has {len(cells)}: "
            f"{first.strip()[:60]!r}."
        )
    return list(layout.header) or [cell.strip().strip("\ufeff") for cell in cells]


def _special(layout: Layout, separator: str, header: list[str]) -> dict:
    """Returns what pandas must be told beyond the ordinary."""
    told: dict = {"header": None, "names": range(len(header))} if layout.header else {}
    if layout.quote != '"':
        told |= {"quotechar": layout.quote} if layout.quote else {"quoting": csv.QUOTE_NONE}
    if len(separator) > 1:
        told |= {"sep": re.escape(separator), "engine": "python"}
    return told


def _look_for_a_cut(path: Path, separator: str, header: list[str], name: str) -> None:
    """Refuses a file that stops within a row, as a broken download does: pandas would fill the rest up."""
    with path.open("rb") as handle:
        handle.seek(max(0, path.stat().st_size - 100_000))
        last = handle.read().decode("utf-8", "replace").replace("\r", "\n").rpartition("\n")[2]
    if last.strip() and '"' not in last and last.count(separator) < len(header) - 1:
        raise DataError(
            f"{name}: is cut off: its last line has {last.count(separator) + 1} of {len(header)} columns and no end: "
            f"{last[:60]!r}. Export or copy it again, or take the line out."
        )


def _scan(path: Path) -> tuple[int, int]:
    """Returns the line of the first zero byte (0: there is none), and the number of line ends."""
    zero = ends = 0
    with path.open("rb") as handle:
        while chunk := handle.read(1 << 24):
            if not zero and b"\0" in chunk:
                zero = ends + chunk[: chunk.index(b"\0")].count(b"\n") + 1
            ends += chunk.count(b"\n")
    return zero, ends


def _look_for_open_quotes(frame: pd.DataFrame, separator: str, name: str, notes: list[str]) -> None:
    """Refuses fields that have swallowed rows. A text may have several lines, but an id, a time or a number has one.

    What lies between the quotes of two rows is whole rows and the beginning of one, so it has as many separators as
    these. A field of two lines leaves doubt, and a note.
    """
    several = {column: frame[column].str.count("\n").fillna(0).astype(int) for column in frame}
    line = frame.index + sum(several.values()).cumsum().shift(fill_value=0)  # lines of earlier fields come on top
    swallowed, doubtful = [], []
    for place, column in enumerate(frame):
        for row, value in frame.loc[several[column] > 0, column].items():
            *whole, beginning = [text.count(separator) for text in value.split("\n")[1:]]
            like_rows = place > 0 and beginning == place and all(count == frame.shape[1] - 1 for count in whole)
            if column in tables.ONE_LINE or (like_rows and whole):
                swallowed.append((line[row], column, value))
            elif like_rows:
                doubtful.append((line[row], column, value))
    if swallowed:
        rows = sum(value.count("\n") for _, _, value in swallowed)
        at, column, value = min(swallowed)
        raise DataError(
            f"{name}: a quote that opens in line {at:,}, in column `{column}`, swallows what follows: "
            f"{value.splitlines()[0][:40]!r} and {value.count(chr(10)):,} more lines ({rows:,} in the whole file). "
            'Close it, or write "" where the text has a quote.'
        )
    if doubtful:
        at, column, value = min(doubtful)
        notes.append(
            f"{name}: {len(doubtful):,} texts have two lines that look like rows; is a quote not closed? The first "
            f"begins in line {at:,}, column `{column}`: {value[:60]!r}."
        )


def _encoding_message(path: Path, name: str, encoding: str, error: Exception) -> str:
    if not isinstance(error, UnicodeError):
        return f"{name}: the encoding {encoding!r} in shop.json is unknown."
    where = ""
    if encoding == "utf-8-sig":
        for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as broken:
                where = f" (line {number}: {line[max(0, broken.start - 15) : broken.end + 10]!r})"
                break
    return (
        f"{name}: is not in the encoding {encoding.removesuffix('-sig')}{where}. Save it as CSV in UTF-8, or name "
        'its encoding in shop.json, such as {"encoding": "latin-1"}, "cp1252" or "gb18030".'
    )
