"""Artifacts on disk: what a notebook needs is loaded if it was built before, and built if not."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import filelock

from recsys_kit import formats
from recsys_kit.code_version import code_version

__all__ = ["Workspace", "atomic", "code_version", "size"]

_WRITING, _BUILDING = ".writing-", ".building-"
_INDEX = ".index"  # folder with a record of each artifact: what it was built from, and (its time) when it was last used
_ABANDONED = 3600  # seconds without a change after which a writer must have died
_CLOCK = 86400  # seconds that a change may lie in the future, of a machine whose clock goes differently
_PATIENCE = 5.0  # seconds of waiting for another process, after which it is said
_ADDRESS = re.compile(r"(\w[\w.-]*-[0-9a-f]{12})(\.keras|\.npz|\.json|\.parquet|\.journal)?")


class Workspace:
    """A folder of artifacts, addressed by what they were built from: data, parameters and code.

    An artifact is written under a temporary name and renamed when it is whole, so an interruption leaves nothing
    half-written; other data, other parameters or changed code have another address, so nothing stale is picked up.
    The code is that of the function that builds it, and of everything of the kit that this one uses; see
    `code_version`. Several processes may share a folder: if two need the same artifact, one builds it and the other
    waits.

    All methods that name an artifact take the same arguments:

    - `name`: what it is called;
    - `build`: the function that makes it, or a `functools.partial` of that function;
    - `data`: fingerprint of the data that it is built from;
    - `params`: parameters that it depends on;
    - `uses`: further functions, if what they returned is read by `build` (which can't be seen from its code).

    Args:
        folder: Where the artifacts are kept; created if it is missing.
        on_build: Called with the name of each artifact before it is built.

    Example:
        >>> import tempfile
        >>> ws = Workspace(tempfile.mkdtemp())
        >>> ws.get("answer", lambda: {"value": 42}, params={"question": 6})
        {'value': 42}
    """

    def __init__(self, folder: str | Path, on_build: Callable[[str], None] | None = None):
        self.folder = Path(folder).expanduser()
        if self.folder.exists() and not self.folder.is_dir():
            raise ValueError(f"`folder` must be a folder, or not exist yet. Received a file: {self.folder}.")
        self.folder.mkdir(parents=True, exist_ok=True)
        self.on_build = on_build
        self._remove_abandoned()

    def path(
        self,
        name: str,
        build: Callable | None = None,
        *,
        data: str = "",
        params: Mapping[str, Any] | None = None,
        uses: Sequence[Callable] = (),
    ) -> Path:
        """Returns the artifact's address without its suffix, whether it exists or not.

        What you keep there yourself, such as a folder of backups, is noted as used now: `clean` asks for that.

        Raises:
            ValueError: If the name is more than letters, digits, `_`, `-` and `.`.
            TypeError: If a parameter is not something that JSON can hold, or `build` is no function.
        """
        base, source = self._address(name, build, data, params, uses)
        if build is not None:
            self._note(base.name, source)
        return base

    def get(
        self,
        name: str,
        build: Callable[[], Any],
        *,
        data: str = "",
        params: Mapping[str, Any] | None = None,
        uses: Sequence[Callable] = (),
    ) -> Any:
        """Returns the artifact, building and storing it first if it is missing.

        What was just built is read back from the disk, so the first call and a later one return the same thing: in
        JSON, for one, tuples become lists and keys become texts.

        An artifact that can't be read, because the disk was full or the machine was cut off, is said and built again.

        `build` is called without arguments and makes a DataFrame (stored as Parquet), a Keras model (.keras), a dict
        of arrays (.npz), or anything that JSON can hold.

        Raises:
            TypeError: If the artifact or a parameter is of a kind that can't be stored.
            OSError: If it can't be stored, or what was stored can't be read again; the message names the file.
        """
        base, source = self._address(name, build, data, params, uses)
        path = _there(base)
        if path is None:
            with self._alone(base.name):
                path = _there(base) or self._built(base, build)
        self._note(base.name, source)
        try:
            return formats.read(path)
        except formats.Damaged:
            return self._mended(base, build)

    def file(self, name: str, build: Callable, **address: Any) -> Path | None:
        """Returns the file of an artifact that was built before; None if there is none. See `path` for `address`."""
        return _there(self._address(name, build, **address)[0])

    def forget(self, name: str, build: Callable, **address: Any) -> None:
        """Removes an artifact, or the folder that is kept at its address. See `path` for `address`."""
        base = self._address(name, build, **address)[0]
        for path in self.folder.glob(f"{base.name}*"):
            if (found := _ADDRESS.fullmatch(path.name)) and found[1] == base.name:
                _remove(path)
        (self.folder / _INDEX / f"{base.name}.json").unlink(missing_ok=True)

    def sources(self) -> dict[Path, dict[str, Any]]:
        """Returns each stored artifact, and each folder that is kept at an address, with what it was built from.

        That is `data`, `params` and `code`; an empty dictionary where no record says it.
        """
        found = {}
        for path in sorted(self.folder.iterdir()):
            if address := _ADDRESS.fullmatch(path.name):
                try:
                    record = json.loads((self.folder / _INDEX / f"{address[1]}.json").read_text(encoding="utf-8"))
                except (OSError, ValueError):
                    record = {}
                found[path] = record if isinstance(record, dict) else {}
        return found

    def remove(self, path: Path) -> None:
        """Removes an artifact that `sources` named, with its record."""
        _remove(path)
        (self.folder / _INDEX / f"{_ADDRESS.fullmatch(path.name)[1]}.json").unlink(missing_ok=True)

    def outdated(self) -> list[Path]:
        """Returns what nobody will ask for again: artifacts for whose name, data and parameters there is a later one.

        What was last used is the latest. What has no record was left by a version of the kit that kept none, and whose
        addresses are no longer made.
        """
        stored: dict[str, list[Path]] = {}
        for path in sorted(self.folder.iterdir()):
            if found := _ADDRESS.fullmatch(path.name):
                stored.setdefault(found[1], []).append(path)
        latest: dict[str, tuple[float, str]] = {}
        kept: set[str] = set()
        groups: dict[str, str] = {}
        for name in stored:
            record = self.folder / _INDEX / f"{name}.json"
            try:
                source = json.loads(record.read_text(encoding="utf-8"))
                groups[name] = json.dumps([name[:-13], source["data"], source["params"]], sort_keys=True)
                used = (record.stat().st_mtime, name)
            except (OSError, ValueError, KeyError, TypeError):
                continue
            if used[0] > time.time() + _ABANDONED:  # the clock was wrong, now or then: nobody knows what came last
                kept.add(name)
                continue
            latest[groups[name]] = max(used, latest.get(groups[name], used))
        kept |= {name for _, name in latest.values()}
        busy = {path.name.removeprefix(_BUILDING) for path in self.folder.glob(_BUILDING + "*")}
        return [path for name, paths in stored.items() if name not in kept | busy for path in paths]

    def clean(self, dry_run: bool = False, say: Callable[[str], None] = print) -> int:
        """Removes what is `outdated`, and says what and how large it was.

        Args:
            dry_run: Only say it.
            say: Called with each line.

        Returns:
            The bytes that became free, or would.
        """
        total, paths = 0, self.outdated()
        for path in paths:
            total += (large := size(path))
            say(f"{'would remove' if dry_run else 'removed'} {path.name} ({large / 1e6:.1f} MB)")
            if not dry_run:
                _remove(path)
        if not dry_run:
            there = {found[1] for path in self.folder.iterdir() if (found := _ADDRESS.fullmatch(path.name))}
            for record in (self.folder / _INDEX).glob("*.json"):
                if record.stem not in there:
                    record.unlink(missing_ok=True)
        kept = size(self.folder) - (total if dry_run else 0)
        say(f"{len(paths)} old artifacts, {total / 1e6:.1f} MB; what is kept: {kept / 1e6:.1f} MB")
        return total

    def _address(
        self,
        name: str,
        build: Callable | None,
        data: str = "",
        params: Mapping[str, Any] | None = None,
        uses: Sequence[Callable] = (),
    ) -> tuple[Path, dict[str, Any]]:
        """Returns an artifact's address, and what the address is made of."""
        if not re.fullmatch(r"\w[\w.-]*", name):
            raise ValueError(f"`name` must consist of letters, digits, `_`, `-` and `.`. Received: {name!r}.")
        code = "" if build is None else code_version(build, *uses)
        source = {"data": data, "params": dict(params or {}), "code": code}
        try:
            text = json.dumps(source, sort_keys=True, default=formats.plain)
        except TypeError as error:
            kinds = ", ".join(f"{key}: {type(value).__name__}" for key, value in source["params"].items())
            message = f"`params` must hold numbers, texts, lists and dictionaries ({error}). Received: {kinds}."
            raise TypeError(message) from None
        return self.folder / f"{name}-{hashlib.sha256(text.encode()).hexdigest()[:12]}", source

    def _note(self, name: str, source: dict[str, Any]) -> None:
        """Notes that an artifact is used now; the first time also what it is built from."""
        record = self.folder / _INDEX / f"{name}.json"
        with contextlib.suppress(OSError):  # in a folder that can't be written to nothing is cleaned, either
            if record.exists():
                os.utime(record)
                return
            record.parent.mkdir(exist_ok=True)
            with atomic(record) as part:
                part.write_text(json.dumps(source, sort_keys=True, default=formats.plain), encoding="utf-8")

    @contextlib.contextmanager
    def _alone(self, name: str) -> Iterator[None]:
        """Lets one process at a time build an artifact; the lock of a process that dies opens by itself."""
        path = self.folder / f"{_BUILDING}{name}"
        lock = filelock.FileLock(path)
        try:
            lock.acquire(timeout=_PATIENCE)
        except filelock.Timeout:
            print(f"waiting: another process is building {name}")
            lock.acquire()
        try:
            yield
        finally:
            with contextlib.suppress(OSError):  # Windows keeps an open file
                path.unlink()  # who waits makes a new one, and finds the artifact
            lock.release()

    def _built(self, base: Path, build: Callable[[], Any]) -> Path:
        """Builds and stores an artifact."""
        if self.on_build is not None:
            self.on_build(base.name[:-13])
        value = build()
        suffix = formats.suffix(value)
        path = base.with_name(base.name + suffix)
        self.folder.mkdir(parents=True, exist_ok=True)  # somebody may have deleted it meanwhile
        folder = Path(tempfile.mkdtemp(prefix=_WRITING, dir=self.folder))
        try:
            part = folder / ("part" + suffix)
            with _naming(path):
                formats.FORMATS[suffix][0](value, part)
                _rename(part, path)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return path

    def _mended(self, base: Path, build: Callable[[], Any]) -> Any:
        """Builds an artifact again whose file can't be read."""
        with self._alone(base.name):
            path = _there(base)
            try:
                return formats.read(path or self._built(base, build))  # another process may have been faster
            except formats.Damaged as error:
                print(f"{error}: it is built again")
                _remove(path or base)
            return formats.read(self._built(base, build))

    def _remove_abandoned(self) -> None:
        """Removes what killed writers left behind: temporary folders that nobody has touched for an hour."""
        for folder in self.folder.glob(_WRITING + "*"):
            try:
                changed = max(path.stat().st_mtime for path in [folder, *folder.rglob("*")])
            except OSError:  # its writer has just finished
                continue
            if not -_CLOCK < time.time() - changed < _ABANDONED:
                shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Gives a temporary name to write to; what is there at the end takes the place of `path`, whole or not at all.

    The temporary name ends like the wanted one, because some writers go by that (`.weights.h5`).

    Example:
        >>> import tempfile
        >>> target = Path(tempfile.mkdtemp()) / "record.json"
        >>> with atomic(target) as part:
        ...     written = part.write_text("[1, 2]")
        >>> target.read_text(), len(list(target.parent.iterdir()))
        ('[1, 2]', 1)
    """
    path = Path(path)
    part = path.with_name(f".{uuid.uuid4().hex[:8]}-{path.name}")
    try:
        with _naming(path):
            yield part
            _rename(part, path)
    finally:
        part.unlink(missing_ok=True)


def _rename(part: Path, path: Path) -> None:
    """Gives a written file its name; whole on the disk before, even if the power fails."""
    with part.open("rb+") as handle:
        os.fsync(handle.fileno())
    os.replace(part, path)


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Says which file could not be written: "no space left on device" alone does not."""
    try:
        yield
    except OSError as error:
        if error.filename is None and error.errno is not None:
            error.filename = str(path)
        raise


def size(path: str | Path) -> int:
    """Returns the bytes of a file, or of all files in a folder."""
    path, total = Path(path), 0
    for file in [path, *path.rglob("*")] if path.is_dir() else [path]:
        with contextlib.suppress(OSError):  # it has just been removed
            total += file.stat().st_size if file.is_file() else 0
    return total


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _there(base: Path) -> Path | None:
    """Returns the file of an artifact that was built before."""
    paths = (base.with_name(base.name + suffix) for suffix in formats.FORMATS)
    return next((path for path in paths if path.exists()), None)
