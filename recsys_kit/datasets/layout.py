"""What is special about the file of a table: separator, decimal comma, quotes, encoding, names of columns, packing."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["COMPRESSIONS", "Layout"]

COMPRESSIONS = {"gzip": ".gz", "zip": ".zip", "bz2": ".bz2", "xz": ".xz"}
"""What a file may be packed by, and how its name then ends."""


@dataclass(frozen=True)
class Layout:
    r"""How a CSV file is laid out, where it is not the ordinary way.

    Args:
        separator: What stands between values, one or two signs; empty: found among comma, semicolon, tab and `|`.
        decimal: "." or ",": what stands before the decimals of a number.
        quote: What stands around a value that holds a separator; empty: nothing does.
        encoding: Such as "cp1252"; empty: UTF-8, or UTF-16 if the file starts with that mark.
        header: Names of the columns, for a file whose first line has values; empty: the first line names them.
        compression: What the file is packed by, one of `COMPRESSIONS`; empty: the ending of its name tells.
        sheet: Sheet of an Excel file; empty: all of them, if they have the same header.
    """

    separator: str = ""
    decimal: str = "."
    quote: str = '"'
    encoding: str = ""
    header: tuple[str, ...] = ()
    compression: str = ""
    sheet: str = ""
