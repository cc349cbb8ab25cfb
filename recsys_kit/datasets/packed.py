"""Files packed by gzip, zip, bzip2 or xz, unpacked beside the work and thrown away after it."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from recsys_kit.datasets.layout import COMPRESSIONS
from recsys_kit.datasets.tables import DataError

__all__ = ["bare", "unpacked"]

_OPENERS = {"gzip": gzip.open, "bz2": bz2.open, "xz": lzma.open}
_BROKEN = (OSError, EOFError, zipfile.BadZipFile, lzma.LZMAError, zlib.error, RuntimeError)


def bare(path: Path) -> Path:
    """Returns a path without the ending of what packs it.

    Example:
        >>> bare(Path("events.csv.gz")).name
        'events.csv'
    """
    return path.with_suffix("") if path.suffix in COMPRESSIONS.values() else path


@contextmanager
def unpacked(path: Path, compression: str = "") -> Iterator[Path]:
    """Gives the plain file of a packed one, while the block lasts; a file that is not packed is given as it is.

    Args:
        path: The file.
        compression: One of `COMPRESSIONS`; empty: what the ending of its name says.

    Raises:
        DataError: If it is damaged, or a zip file that holds none or several files.
    """
    packing = compression or {ending: name for name, ending in COMPRESSIONS.items()}.get(path.suffix, "")
    if not packing:
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="recsys_kit_") as folder:
        plain = Path(folder) / "plain"
        try:
            with _opened(path, packing) as source, plain.open("wb") as target:
                shutil.copyfileobj(source, target, 1 << 20)
        except _BROKEN as error:
            raise DataError(f"{path.name}: is no readable {packing} file: {error}.") from None
        yield plain


@contextmanager
def _opened(path: Path, packing: str) -> Iterator:
    if packing != "zip":
        with _OPENERS[packing](path, "rb") as source:
            yield source
        return
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/") and "__MACOSX" not in name]
        if len(names) != 1:
            there = ", ".join(names[:10]) or "nothing"
            raise DataError(f"{path.name}: must hold one file. It holds: {there}.")
        with archive.open(names[0]) as source:
            yield source
