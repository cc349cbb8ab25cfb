"""`recsys-kit serve`: lists, search and events over HTTP, while the nights go on underneath (notebook 17).

A household's list is the night's until it buys something; from then on it is the list of the moment (`stream.State`),
until the next night's lists are there. New lists are taken up whole, between two requests: nobody gets half of each.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import logging
import re
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pandas as pd

from recsys_kit.datasets.tables import DataError
from recsys_kit.operations import stream
from recsys_kit.operations.served import NightLists, NightSearch

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request

__all__ = ["Limits", "LiveState", "Service", "application", "check_events", "run"]

Found = TypeVar("Found")
Search = Callable[[str, int], list[dict[str, Any]]]

_LOG = logging.getLogger(__name__)
_DAY = 86400.0
_SURROGATE = re.compile("[\\ud800-\\udfff]")  # half a letter: JSON can write it, a file can't hold it


@dataclass(frozen=True)
class Limits:
    """What one request may ask for; more is refused, with a sentence that says so.

    Attributes:
        items: Length of a list.
        events: Of one request.
        size: Bytes of one request.
        text: Letters of an id.
        waiting: Requests that wait for the state, or for the search; the next one is told to come again (503).
    """

    items: int = 100
    events: int = 1000
    size: int = 1_000_000
    text: int = 200
    waiting: int = 64


class LiveState(stream.State):
    """The sums of every household, who bought something when, and the newest purchase: the shop's clock."""

    def __init__(self, path: str | Path):
        super().__init__(path)
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS arrived (user TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID"
        )
        self.newest = float(self.place("newest") or 0)

    def _add(self, event: dict[str, Any]) -> bool:
        new = super()._add(event)
        if new:
            self._connection.execute("INSERT OR REPLACE INTO arrived VALUES (?, ?)", (event["user"], time.time()))
            if event["time"] > self.newest:
                self.newest = event["time"]
                self.note("newest", repr(event["time"]))
        return new

    def arrived(self, user: str) -> float:
        """Returns when a household's last purchase arrived here, in seconds; 0 if none did."""
        found = self._connection.execute("SELECT at FROM arrived WHERE user = ?", (user,)).fetchone()
        return found[0] if found else 0.0

    def seed(self, events: pd.DataFrame) -> None:
        """Fills an empty state with a shop's history, in one transaction; one that is not empty stays as it is.

        Args:
            events: Purchases: `user_id`, `item_id`, `basket_id` and `timestamp`.
        """
        if self.place("newest") or not len(events):
            return
        sums, run = stream.batch(events), self._connection
        popular = sums.groupby(level="item").sum()
        run.execute("BEGIN IMMEDIATE")
        rows = ((str(user), str(item), float(weight)) for (user, item), weight in sums.items())
        run.executemany("INSERT INTO sums VALUES (?, ?, ?)", rows)
        run.executemany("INSERT INTO popular VALUES (?, ?)", ((str(i), float(w)) for i, w in popular.items()))
        run.executemany("INSERT OR IGNORE INTO seen VALUES (?)", ((one["id"],) for one in stream.messages(events)))
        self.newest = (events["timestamp"].max() - pd.Timestamp(0, tz="UTC")).total_seconds()
        self.note("newest", repr(self.newest))
        run.execute("COMMIT")


def check_events(value: object, limits: Limits, now: float) -> list[dict[str, Any]]:
    """Returns events that keep the rules: `id`, `user` and `item` are texts, `time` is a number of seconds.

    Raises:
        ValueError: If one does not, naming its place in the list, the field, the rule, and what was received.
    """
    if not isinstance(value, list) or not 1 <= len(value) <= limits.events:
        had = f"a list of {len(value)}" if isinstance(value, list) else type(value).__name__
        raise ValueError(f"the body must be a JSON list of 1 to {limits.events} events. Received: {had}")
    for number, event in enumerate(value):
        if not isinstance(event, dict):
            raise ValueError(f"event {number} must be an object. Received: {type(event).__name__}")
        for name in ("id", "user", "item"):
            text = event.get(name)
            if not isinstance(text, str) or not 1 <= len(text) <= limits.text or _SURROGATE.search(text):
                rule = f"a text of 1 to {limits.text} letters"
                raise ValueError(f"event {number}: `{name}` must be {rule}. Received: {str(text)[:40]!r}")
        at = event.get("time")
        if isinstance(at, bool) or not isinstance(at, int | float) or not 0 <= at <= now + _DAY:
            rule = "seconds since 1970, at most a day ahead"
            raise ValueError(f"event {number}: `time` must be {rule}. Received: {str(at)[:40]!r}")
    return [{"id": e["id"], "user": e["user"], "item": e["item"], "time": float(e["time"])} for e in value]


class _Refused(Exception):
    """What the caller is told in place of an answer: a status, and a sentence."""


def _checked(check: Callable[..., Found], *args: Any) -> Found:
    """Tells the caller what a check of the input says; a ValueError from anywhere else is a fault of this service."""
    try:
        return check(*args)
    except ValueError as error:
        raise _Refused(400, str(error)) from None


class _Worker:
    """One thread for what may be used by one thread only, and a bound on who waits for it."""

    def __init__(self, most: int):
        self._pool, self._most, self._waiting = ThreadPoolExecutor(1), most, 0

    async def __call__(self, work: Callable[..., Found], *args: Any) -> Found:
        if self._waiting >= self._most:
            raise _Refused(503, "too many requests are waiting")
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._pool, work, *args)
        finally:
            self._waiting -= 1

    def now(self, work: Callable[..., Found], *args: Any) -> Found:
        """Waits for the result, as a start and an end do."""
        return self._pool.submit(work, *args).result()


class Service:
    """Lists, search and events of a shop.

    Args:
        lists: Parquet file of the night's lists.
        folder: Where log and state are kept; what was in the log and not yet in the state is brought in now.
        events: The shop's history, for a state that is new; None: it begins with nothing.
        search: Answers a query with so many products; None: there is no search.
        limits: What one request may ask for.
    """

    def __init__(
        self,
        lists: str | Path,
        folder: str | Path,
        events: pd.DataFrame | None = None,
        search: Search | None = None,
        limits: Limits | None = None,
    ):
        self.limits, self.search, self.lists = limits or Limits(), search, NightLists(Path(lists))
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.state, self.searcher = _Worker(self.limits.waiting), _Worker(self.limits.waiting)
        self.state.now(self._open, Path(folder), events)

    def _open(self, folder: Path, events: pd.DataFrame | None) -> None:
        self._log, self._state = stream.SqliteLog(folder / "log.db"), LiveState(folder / "state.db")
        if events is not None:
            self._state.seed(events)
        self._state.follow(self._log)

    def close(self) -> None:
        """Closes log and state."""
        self.state.now(self._state.close)
        self.state.now(self._log.close)

    def list_of(self, user: str, k: int) -> dict[str, Any]:
        """Returns a household's list of at most `k` items, and what it was made of: the night, or the moment."""
        found = self.lists.get(user, k)
        if found is not None and self._state.arrived(user) <= self.lists.written:
            return {"user": user, "source": "night", "written": _when(self.lists.written), "items": found}
        items = self._state.top(user, self._state.newest, k)
        ranked = [{"item_id": item, "rank": rank} for rank, item in enumerate(items, 1)]
        return {"user": user, "source": "events", "items": ranked}

    def take(self, events: list[dict[str, Any]]) -> dict[str, int]:
        """Keeps events; when it returns, they are on disk and in the lists. What came before is not counted again."""
        self._log.append(events)
        return {"received": len(events), "new": self._state.follow(self._log)}

    def health(self) -> dict[str, Any]:
        """Returns whether there is anything to serve, and from when it is."""
        households = len(self.lists)
        problem = self.lists.problem or getattr(self.search, "problem", "")
        found: dict[str, Any] = {"status": "ok" if households and not problem else "degraded"}
        found |= {"households": households, "written": _when(self.lists.written) if households else None}
        found |= {"search": self.search is not None}
        return found | ({"problem": problem} if problem else {})


def _when(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()


async def _body(request: Request, most: int) -> bytes:
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _Refused(413, f"the body must be at most {most:,} bytes")
        parts.append(part)
    return b"".join(parts)


def application(service: Service) -> Starlette:
    """Returns the service as an ASGI application: /health, /lists/USER, /search, /events, /metrics.

    Raises:
        DataError: If the extra `serve` is not installed.
    """
    try:
        import prometheus_client
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse, Response
        from starlette.routing import Route
    except ModuleNotFoundError as error:
        raise DataError(f"serve needs {error.name}, which is not installed: pip install 'recsys_kit[serve]'") from None
    from recsys_kit.search import check_query

    limits, registry = service.limits, prometheus_client.CollectorRegistry()
    answered = prometheus_client.Counter("recsys_kit_requests", "Requests", ["path", "status"], registry=registry)
    seconds = prometheus_client.Histogram("recsys_kit_seconds", "Seconds to the answer", ["path"], registry=registry)

    def measured(path: str, answer: Callable[[Request], Awaitable[Any]]) -> Callable[[Request], Awaitable[Response]]:
        async def endpoint(request: Request) -> Response:
            began = time.perf_counter()
            try:
                status, found = 200, await answer(request)
            except _Refused as error:
                status, found = error.args[0], {"error": error.args[1]}
            except Exception:
                _LOG.exception("%s failed", path)
                status, found = 500, {"error": "a fault of this service; its log says more"}
            answered.labels(path, str(status)).inc()
            seconds.labels(path).observe(time.perf_counter() - began)
            return JSONResponse(found, status, {"Retry-After": "1"} if status == 503 else None)

        return endpoint

    def asked_length(request: Request) -> int:
        text = request.query_params.get("k", "10")
        if not text.isascii() or not text.isdigit() or not 1 <= int(text[:9]) <= limits.items:
            raise _Refused(400, f"`k` must be a whole number from 1 to {limits.items}. Received: {text[:40]!r}")
        return int(text)

    async def health(request: Request) -> dict[str, Any]:
        return await service.state(service.health)

    async def lists(request: Request) -> dict[str, Any]:
        user, k = request.path_params["user"], asked_length(request)
        if len(user) > limits.text:
            raise _Refused(400, f"`user` must be a text of 1 to {limits.text} letters. Received: {user[:40]!r}")
        return await service.state(service.list_of, user, k)

    async def search(request: Request) -> dict[str, Any]:
        if service.search is None:
            raise _Refused(404, "this service was started without search")
        k = asked_length(request)
        query = _checked(check_query, request.query_params.get("q", ""))
        return {"query": query, "items": await service.searcher(service.search, query, k)}

    async def events(request: Request) -> dict[str, int]:
        body = await _body(request, limits.size)
        try:
            value = json.loads(body)
        except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
            raise _Refused(400, f"the body must be JSON. Received: {str(error)[:80]}") from None
        return await service.state(service.take, _checked(check_events, value, limits, time.time()))

    async def metrics(request: Request) -> Response:
        return Response(prometheus_client.generate_latest(registry), media_type="text/plain; version=0.0.4")

    routes = [
        Route("/health", measured("/health", health)),
        Route("/lists/{user}", measured("/lists", lists)),
        Route("/search", measured("/search", search)),
        Route("/events", measured("/events", events), methods=["POST"]),
        Route("/metrics", metrics),
    ]
    return Starlette(routes=routes)


def run(
    lists: Path,
    folder: Path,
    data: str,
    store: Path | None,
    address: tuple[str, int],
    say: Callable[[str], object],
    *,
    search: bool = True,
) -> None:
    """Serves a shop until it is stopped.

    Args:
        lists: Parquet file of the night's lists.
        folder: Where log and state are kept.
        data: Folder of the shop; empty: The Complete Journey.
        store: A workspace whose search index answers, with tower and re-ranker; what it lacks is built. None: the
            index that the nights left beside the lists, or where there is none, that of the folder `workspace`.
        address: Host and port.
        say: Told what happens.
        search: Whether queries are answered.

    Raises:
        DataError: If the lists can't be read, or the extra `serve` is not installed.
    """
    from recsys_kit import datasets, preprocessing

    night = NightLists(Path(lists))
    if not len(night):
        raise DataError(f"--lists: {night.problem}. `recsys-kit operate` and `recsys-kit recommend` write such a file")
    answer: Search | None = None
    if search and store is None:
        found = NightSearch(Path(lists).parent)
        answer, store = (found, None) if found else (None, Path("workspace"))
    if not search or answer:
        shop = datasets.load(data)
    else:
        from recsys_kit.search import commands, engine

        shop, index = commands.open_index(data, store, say)

        def answer(text: str, k: int) -> list[dict[str, Any]]:
            return json.loads(engine.search(index, text, k).to_json(orient="records"))

    service = Service(lists, folder, preprocessing.clean(shop)[0], answer)
    served = application(service)
    import uvicorn

    say(f"{len(night):,} households; http://{address[0]}:{address[1]}/health; stop with Ctrl-C")
    try:
        uvicorn.run(served, host=address[0], port=address[1], log_level="warning", limit_concurrency=1000)
    finally:
        service.close()
