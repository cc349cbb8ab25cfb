"""Event by event: a purchase changes its household's list at once, and a crash changes nothing (notebook 17).

A source hands events to a **log** and may hand them over twice. A reader takes them from the log, in the order in which
they arrived, and brings them into the **state**. The state keeps, in one transaction, the sums, the ids of the events
that are in them, and how far the log was read: so each event counts once, wherever a crash falls.

A sum is over exp((time - start) / decay): it does not depend on the order, and at any moment it differs from the
decayed count of notebook 03 by one factor for all.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

__all__ = ["DECAY", "Log", "RedisLog", "SqliteLog", "State", "batch", "messages", "replay"]

DECAY = 120.0
"""Days after which a purchase weighs 1/e."""

_START = 1_451_606_400.0  # 2016-01-01: a sum of 120 days' decay stays far from the largest number for a century


def messages(events: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns events as messages: `id` (the same for the same purchase), `user`, `item`, `time` in seconds.

    Args:
        events: `user_id`, `item_id`, `basket_id` and `timestamp`.
    """
    seconds = (events["timestamp"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    columns = (events["user_id"], events["item_id"], events["basket_id"], seconds)
    return [
        {"id": f"{basket}/{user}/{item}/{time:.0f}", "user": str(user), "item": str(item), "time": float(time)}
        for user, item, basket, time in zip(*columns, strict=True)
    ]


def batch(events: pd.DataFrame, decay: float = DECAY) -> pd.Series:
    """Returns the same sums as a nightly batch computes them: by user and item, each purchase once.

    Args:
        events: As for `messages`, in any order, some perhaps twice.
        decay: Days after which a purchase weighs 1/e.
    """
    once = events.drop_duplicates(["user_id", "item_id", "basket_id", "timestamp"])
    seconds = (once["timestamp"] - pd.Timestamp(0, tz="UTC")).dt.total_seconds()
    weight = np.exp((seconds - _START) / 86400 / decay)
    return weight.groupby([once["user_id"].to_numpy(), once["item_id"].to_numpy()]).sum().rename_axis(["user", "item"])


class Log(Protocol):
    """Where events wait: what was appended stays, in one order, and can be read again from any place."""

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Keeps events; when it returns, they are on disk."""

    def read(self, after: str, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Returns the next events after a place, each with its own place; "" is the beginning."""


def _open(path: str | Path) -> sqlite3.Connection:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")  # when a commit returns, it is on disk
    return connection


class SqliteLog:
    """A log in one SQLite file.

    Args:
        path: The file.
    """

    def __init__(self, path: str | Path):
        self._connection = _open(path)
        self._connection.execute("CREATE TABLE IF NOT EXISTS log (place INTEGER PRIMARY KEY, event TEXT NOT NULL)")

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Keeps events; when it returns, they are on disk."""
        rows = [(json.dumps(event),) for event in events]
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.executemany("INSERT INTO log (event) VALUES (?)", rows)
        except BaseException:  # a full disk: the next call must be able to begin
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    def read(self, after: str, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Returns the next events after a place, each with its own place; "" is the beginning."""
        query = "SELECT place, event FROM log WHERE place > ? ORDER BY place LIMIT ?"
        return [(str(place), json.loads(text)) for place, text in self._connection.execute(query, (after or 0, count))]

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


class RedisLog:
    """A log in a stream of a Redis server (`XADD`, `XREAD`); durable if the server is (`appendfsync always`).

    Args:
        client: A connection, such as `redis.Redis.from_url("redis://localhost:6379")`.
        name: Name of the stream.
    """

    def __init__(self, client: Any, name: str = "purchases"):
        self._client, self._name = client, name

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Keeps events; when it returns, the server has them."""
        pipeline = self._client.pipeline(transaction=True)
        for event in events:
            pipeline.xadd(self._name, {"event": json.dumps(event)})
        pipeline.execute()

    def read(self, after: str, count: int) -> list[tuple[str, dict[str, Any]]]:
        """Returns the next events after a place, each with its own place; "" is the beginning."""
        found = self._client.xread({self._name: after or "0"}, count=count)
        return [(place.decode(), json.loads(fields[b"event"])) for _, rows in found for place, fields in rows]


class State:
    """The sums of every household, in one SQLite file, and the lists that follow from them.

    Args:
        path: The file.
        decay: Days after which a purchase weighs 1/e.
        popularity_weight: What an item's share of the best seller's sum adds to the household's own.
    """

    def __init__(self, path: str | Path, decay: float = DECAY, popularity_weight: float = 0.3):
        self._connection, self._decay, self._weight = _open(path), decay, popularity_weight
        for table in (
            "sums (user TEXT, item TEXT, weight REAL, PRIMARY KEY (user, item)) WITHOUT ROWID",
            "popular (item TEXT PRIMARY KEY, weight REAL) WITHOUT ROWID",
            "seen (id TEXT PRIMARY KEY) WITHOUT ROWID",
            "progress (name TEXT PRIMARY KEY, place TEXT) WITHOUT ROWID",
        ):
            self._connection.execute(f"CREATE TABLE IF NOT EXISTS {table}")
        self._connection.execute("CREATE INDEX IF NOT EXISTS best ON popular (weight DESC, item)")

    def place(self, name: str = "log") -> str:
        """Returns how far something was read; "" is the beginning."""
        found = self._connection.execute("SELECT place FROM progress WHERE name = ?", (name,)).fetchone()
        return found[0] if found else ""

    def note(self, name: str, place: str) -> None:
        """Writes down how far something was read."""
        self._connection.execute("INSERT OR REPLACE INTO progress VALUES (?, ?)", (name, place))

    def apply(
        self, events: Iterable[tuple[str, dict[str, Any]]], pause: Callable[[str], object] = lambda point: None
    ) -> int:
        """Brings events into the sums, all of them or none; one that is in them already changes nothing.

        Args:
            events: What a log's `read` returned.
            pause: Called at each point where a crash would hurt; a test crashes there.

        Returns:
            How many were new.
        """
        run, new = self._connection.execute, 0
        run("BEGIN IMMEDIATE")
        try:
            for place, event in events:
                new += self._add(event)
                self.note("log", place)
                pause("in the transaction")
            pause("before the commit")
        except BaseException:
            run("ROLLBACK")
            raise
        run("COMMIT")
        return new

    def _add(self, event: dict[str, Any]) -> bool:
        run = self._connection.execute
        if not run("INSERT OR IGNORE INTO seen VALUES (?)", (event["id"],)).rowcount:
            return False
        weight = float(np.exp((event["time"] - _START) / 86400 / self._decay))
        add = "ON CONFLICT DO UPDATE SET weight = weight + excluded.weight"
        run(f"INSERT INTO sums VALUES (?, ?, ?) {add}", (event["user"], event["item"], weight))
        run(f"INSERT INTO popular VALUES (?, ?) {add}", (event["item"], weight))
        return True

    def follow(self, log: Log, count: int = 500, pause: Callable[[str], object] = lambda point: None) -> int:
        """Reads a log to its end; returns how many events were new."""
        new = 0
        while events := log.read(self.place(), count):
            new += self.apply(events, pause)
            pause("after the commit")
        return new

    def sums(self) -> pd.Series:
        """Returns all sums by user and item, as `batch` does."""
        table = pd.read_sql("SELECT user, item, weight FROM sums ORDER BY user, item", self._connection)
        return table.set_index(["user", "item"])["weight"]

    def top(self, user: str, now: float, k: int = 10) -> list[str]:
        """Returns a household's list at a moment: its decayed counts, and popularity, as notebook 03 ranks them.

        Args:
            user: The household; an unknown one gets what is popular.
            now: The moment, in seconds.
            k: Length of the list.
        """
        best = self._connection.execute("SELECT item, weight FROM popular ORDER BY weight DESC, item LIMIT ?", (k,))
        popular = dict(best.fetchall())
        largest = max(popular.values(), default=1.0)
        query = (
            "SELECT sums.item, sums.weight, popular.weight FROM sums JOIN popular USING (item) "
            "WHERE user = ? ORDER BY sums.item"
        )
        scores = {item: self._weight * weight / largest for item, weight in popular.items()}
        factor = np.exp(-(now - _START) / 86400 / self._decay)
        for item, own, weight in self._connection.execute(query, (user,)):
            scores[item] = own * factor + self._weight * weight / largest
        return sorted(scores, key=lambda item: (-scores[item], item))[:k]

    def close(self) -> None:
        """Closes the file."""
        self._connection.close()


def replay(
    events: Sequence[dict[str, Any]],
    log: Log,
    state: State,
    size: int = 1000,
    pause: Callable[[str], object] = lambda point: None,
) -> None:
    """Hands events to a log, some at a time, and follows it; goes on where an earlier call was cut off.

    The source writes down how far it came after the log has the events: a crash in between sends them twice.

    Args:
        events: What the source has, in its order.
        log: The log.
        state: The state that follows.
        size: How many events at a time.
        pause: Called at each point where a crash would hurt.
    """
    for first in range(int(state.place("source") or 0), len(events), size):
        pause("before the log")
        log.append(events[first : first + size])
        pause("sent, and not written down")
        state.note("source", str(min(first + size, len(events))))
        state.follow(log, size, pause)
    state.follow(log, size, pause)
