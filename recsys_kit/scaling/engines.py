"""What the command does with an engine: tables by any of three, lists by many workers (notebook 24).

Tables are what `reference` says, written by the engine that is asked for. Lists are those of the kit's recommender:
each worker opens it once and makes the lists of parts of the customers. What comes back is written by who asked, so the
workers need no folder in common; who is interrupted finds the finished parts again.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import pickle
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import output_file, report
from recsys_kit.code_version import code_version
from recsys_kit.datasets import samples
from recsys_kit.datasets.shops import Shop
from recsys_kit.recommendation.recommender import Recommender
from recsys_kit.recommendation.rules import Rules
from recsys_kit.scaling import cluster, copies, reference, sql

__all__ = ["ENGINES", "ListsInParts", "check", "opened", "tables"]

ENGINES = ("pandas", "duckdb", "dask")
"""What `--engine` may be."""

_SECONDS = 20  # within which a scheduler must answer; a busy machine takes some
_SECONDS_FOR_WORKERS = 5  # within which it must have one
_GREETINGS = 3  # how often a scheduler is asked at most
_PART = 1024  # customers; a multiple of `Recommender.recommend`'s block, so that its blocks are those of one process


def check(engine: str, scheduler: str = "", known: Sequence[str] = ENGINES) -> None:
    """Raises a ValueError if an engine is none of those known, or an address comes with one that has no use for it."""
    if engine not in known:
        if engine in ENGINES:
            raise ValueError(
                f"--engine {engine} makes tables, not lists: it goes with `recsys-kit run`. Lists are made by "
                f"{' or '.join(known)}."
            )
        raise ValueError(f"`--engine` must be {', '.join(known[:-1])} or {known[-1]}. Received: {engine}")
    if scheduler and engine != "dask":
        raise ValueError(f"--scheduler goes with --engine dask. Received: --engine {engine} --scheduler {scheduler}")


@contextlib.contextmanager
def opened(engine: str, scheduler: str = "", count: int = 2) -> Iterator[Any]:
    """Opens a client of Dask, or None for an engine that needs none; what goes wrong is a ValueError in a line.

    Args:
        engine: One of `ENGINES`.
        scheduler: Address of a cluster; empty: processes on this machine, which share nine tenths of its free memory.
        count: How many processes.

    Raises:
        ValueError: If no scheduler answers within seconds, it has no workers, these lack this version of the kit, or
            the cluster breaks down while the block runs.
    """
    if engine != "dask":
        yield None
        return
    from concurrent.futures import CancelledError

    import psutil
    from dask.distributed import KilledWorker

    broken = f"the cluster {scheduler} broke down" if scheduler else "the workers broke down"
    memory = 0.9 * psutil.virtual_memory().available / 1e9 / count
    with contextlib.ExitStack() as stack:
        if scheduler:
            client = stack.enter_context(_connected(scheduler))
        else:
            client = stack.enter_context(cluster.workers(count=count, memory_gb=memory))
        try:
            yield client
        except KilledWorker as error:
            raise ValueError(f"{broken}: one task ended several workers, often for memory. {error}") from error
        except CancelledError as error:
            raise ValueError(f"{broken} in the middle of the work") from error


@contextlib.contextmanager
def _connected(address: str) -> Iterator[Any]:
    client = _client(address)
    with client:
        try:
            client.wait_for_workers(1, timeout=_SECONDS_FOR_WORKERS)
        except TimeoutError as error:
            raise ValueError(f"the Dask scheduler at {address} has no workers") from error
        try:
            codes = set(client.run(_code).values())
        except ModuleNotFoundError as error:
            raise ValueError(f"the workers of {address} lack a package of the kit: {error}") from error
        if codes != {_code()}:
            raise ValueError(f"the workers of {address} have another version of the kit than this machine")
        yield client


def _client(address: str) -> Any:
    """Returns a client in a few seconds or raises: Dask itself waits for ever for one who listens and says nothing.

    A busy scheduler sends its greeting and the message after it in one parcel, and Dask's client, which takes the
    greeting to come alone, gives up with an AssertionError: it is asked anew.
    """
    from dask.distributed import Client

    found: list[Any] = []

    def connect() -> None:
        for _ in range(_GREETINGS):
            try:
                found[:] = [Client(address, timeout=_SECONDS)]
            except Exception as error:  # whatever listens there may answer anything
                found[:] = [error]
            if not isinstance(found[0], AssertionError):
                break

    thread = threading.Thread(target=connect, daemon=True)
    thread.start()
    thread.join(_SECONDS + 2)
    if found and not isinstance(found[0], Exception):
        return found[0]
    said = str(found[0]).splitlines() if found else ["it listens, and says nothing"]
    raise ValueError(
        f"no Dask scheduler answers at {address} within {_SECONDS} seconds: {said[0] if said else type(found[0])}"
    )


def _code() -> str:
    return code_version(Recommender)


def tables(shop: Shop, cutoff: pd.Timestamp, out: str | Path, engine: str, client: Any = None) -> dict[str, int]:
    """Cleans a shop's events and writes the tables `copies.TABLES` by an engine.

    Args:
        shop: The shop.
        cutoff: First instant of the future (UTC).
        out: Folder of the tables; with workers on other machines, one that all of them see.
        engine: One of `ENGINES`.
        client: Of `opened`, for Dask.

    Returns:
        The rows of each table.
    """
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    for name in copies.TABLES:  # of another engine, which may have written files where this one writes folders
        (out / f"{name}.parquet").unlink(missing_ok=True)
        shutil.rmtree(out / name, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        least = samples.least_buyers(shop.events["user_id"].nunique())
        load = copies.write(shop, scratch, cutoff, min_users=least)
        if engine == "dask":
            return cluster.run_dask(load, out, client)
        return {"pandas": reference.run_pandas, "duckdb": sql.run_duckdb}[engine](load, out)


class ListsInParts:
    """Lists of a recommender by workers, part by part, each part once; called as `Recommender.recommend` is.

    Args:
        client: Of `opened`.
        recommender: Whose lists are wanted.
        folder: Where finished parts lie until `finish`; they are found again by the same wishes, models and code.
        say: Called with each line of progress.
        part: Customers of a part.
    """

    def __init__(
        self,
        client: Any,
        recommender: Recommender,
        folder: str | Path,
        say: Callable[[str], object] = print,
        part: int = _PART,
    ):
        self.client, self.recommender, self.folder, self.say, self.part = client, recommender, Path(folder), say, part
        self._done: Path | None = None

    def __call__(
        self,
        users: Sequence[str] | None = None,
        k: int = 10,
        rules: Rules | None = None,
        diversity_weight: float = 0.0,
        allow_new: bool = False,
    ) -> pd.DataFrame:
        """Returns the lists; see `Recommender.recommend`."""
        from dask.distributed import as_completed

        users = self.recommender.asked(users, allow_new)
        known = users.isin(self.recommender.place)  # who is served in blocks; the others are served one by one
        parts = [*self._cut(users[known]), *self._cut(users[~known])]
        wishes = {"k": k, "rules": rules, "diversity_weight": diversity_weight, "allow_new": allow_new}
        version = _version(self.recommender, users, wishes, self.part)
        self._done = self.folder / version
        self._done.mkdir(parents=True, exist_ok=True)
        paths = [self._done / f"part-{number:05d}.parquet" for number in range(len(parts))]
        todo = [(path, part) for path, part in zip(paths, parts, strict=True) if not path.exists()]
        if len(todo) < len(parts):
            self.say(f"{len(parts) - len(todo)} of {len(parts)} parts were finished before, and are kept")
        if todo:
            # A name of its own: the same content of a call that was interrupted may be let go of at any time.
            content = self.client.scatter(_packed(self.recommender), broadcast=True, hash=False)
            asked = {
                self.client.submit(_lists, version, content, part, wishes, pure=False): path for path, part in todo
            }
            try:
                for number, task in enumerate(as_completed(list(asked)), len(parts) - len(todo) + 1):
                    output_file.write_table(asked.pop(task), task.result())
                    self.say(f"part {number} of {len(parts)}")
            except KeyboardInterrupt:
                self.say(
                    f"{len(parts) - len(asked)} of {len(parts)} parts are finished: the same command goes on there"
                )
                raise
        found = [pd.read_parquet(path) for path in paths]
        lists = pd.concat([part for part in found if len(part)] or found, ignore_index=True)
        return lists.iloc[np.lexsort((lists["rank"], users.get_indexer(lists["user_id"])))].reset_index(drop=True)

    def finish(self) -> None:
        """Removes the parts: what they hold is written elsewhere."""
        if self._done is not None:
            shutil.rmtree(self._done)
            with contextlib.suppress(OSError):  # parts of other wishes stay
                self.folder.rmdir()

    def _cut(self, users: pd.Index) -> list[list[str]]:
        return [list(users[start : start + self.part]) for start in range(0, len(users), self.part)]


_OPEN: dict[str, Recommender] = {}  # of a worker: the last recommender that it opened
_LOCK = threading.Lock()


def _content(recommender: Recommender) -> tuple:
    return recommender.shop, recommender.split, recommender.model, recommender.old, recommender.new


def _packed(recommender: Recommender) -> tuple[list[str], bytes]:
    """Packs what a worker needs, and names the modules that it must import first: those of layers and losses."""
    names = []
    if "keras" in sys.modules:
        names = sorted({one.__module__ for one in sys.modules["keras"].saving.get_custom_objects().values()})
    return names, pickle.dumps(_content(recommender))


def _lists(version: str, packed: tuple[list[str], bytes], users: list[str], wishes: dict[str, Any]) -> pd.DataFrame:
    """Makes the lists of a part, on a worker."""
    with _LOCK:  # a worker of a cluster may have several threads
        if version not in _OPEN:
            _OPEN.clear()
            names, content = packed
            with report.quiet():  # TensorFlow loads
                for name in names:
                    importlib.import_module(name)
                _OPEN[version] = Recommender(*pickle.loads(content))
        return _OPEN[version].recommend(users, **wishes)


def _version(recommender: Recommender, users: pd.Index, wishes: dict[str, Any], part: int) -> str:
    """Names what the lists depend on: data, moment, plan, code, everything learned, customers and wishes."""
    shop, split, model, *sizes = _content(recommender)
    plan = split.plan.fingerprint() if split.plan is not None else ""
    hashed = hashlib.sha256(repr((shop.fingerprint, split.cutoff, plan, _code(), sizes, wishes, part)).encode())
    hashed.update("\n".join([*users, *split.items]).encode())
    for name in sorted(vars(model)):
        hashed.update(name.encode())
        _add(hashed, getattr(model, name))
    return hashed.hexdigest()[:12]


def _add(hashed: Any, learned: Any) -> None:
    if hasattr(learned, "get_weights"):  # a Keras model
        for weight in learned.get_weights():
            hashed.update(np.ascontiguousarray(weight).tobytes())
    elif hasattr(learned, "model_to_string"):  # trees
        hashed.update(learned.model_to_string().encode())
    elif isinstance(learned, dict):
        for name in sorted(learned):
            hashed.update(str(name).encode())
            _add(hashed, learned[name])
    elif isinstance(learned, np.ndarray):
        hashed.update(np.ascontiguousarray(learned).tobytes())
    elif hasattr(learned, "__dataclass_fields__"):
        _add(hashed, dict(vars(learned)))
    else:
        hashed.update(repr(learned).encode())
