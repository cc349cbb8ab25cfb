"""What the nights left, as `recsys-kit serve` reads it: lists and a search index, each taken up whole (notebook 17)."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread
from typing import Any

import pandas as pd

__all__ = ["NightLists", "NightSearch"]


@dataclass
class NightLists:
    """The lists of the last night, as `recsys-kit operate` or `recommend` writes them.

    Attributes:
        path: A Parquet file: user_id, rank, item_id, and perhaps score and reason.
        problem: Why the newest file could not be read; empty if it could. The lists before it are served then.
    """

    path: Path
    problem: str = ""
    _signature: tuple = ()
    _columns: dict[str, list[Any]] = field(default_factory=dict)
    _rows: dict[str, range] = field(default_factory=dict)

    def get(self, user: str, k: int) -> list[dict[str, Any]] | None:
        """Returns the first `k` of a household's list; None for one without a list."""
        self._refresh()
        rows = self._rows.get(user)
        return rows and [{name: values[row] for name, values in self._columns.items()} for row in rows[:k]]

    @property
    def written(self) -> float:
        """When the file that is served was written, in seconds; 0 if none is."""
        return self._signature[1] / 1e9 if self._rows else 0.0

    def __len__(self) -> int:
        self._refresh()
        return len(self._rows)

    def _refresh(self) -> None:
        try:
            status = self.path.stat()
            signature = (status.st_ino, status.st_mtime_ns, status.st_size)
            if signature == self._signature:
                return
            table = pd.read_parquet(self.path).sort_values(["user_id", "rank"], ignore_index=True)
            shown = [name for name in ("item_id", "rank", "score", "reason") if name in table]
            plain = table[shown].astype(object).where(table[shown].notna(), None)
            users = table["user_id"].astype(str)
            last = users.drop_duplicates(keep="last").index + 1
            rows = dict(zip(users[last - 1], map(range, [0, *last[:-1]], last), strict=True))
        except (OSError, KeyError, ValueError) as error:
            self.problem = f"{self.path.name}: {str(error).splitlines()[0]}"
            return
        self._columns, self._rows = {name: plain[name].tolist() for name in shown}, rows
        self._signature, self.problem = signature, ""


class NightSearch:
    """Answers queries by the search index of the last night, as `recsys-kit operate` leaves it beside the lists.

    The next night's is read in a thread of its own and taken up when it is whole: no query waits for it.

    Args:
        folder: Where the nights leave their files.
    """

    def __init__(self, folder: str | Path):
        self._folder, self._index, self.problem = Path(folder), None, ""
        self._seen, self._reading = self._signature(), None
        self._read()

    def __call__(self, text: str, k: int) -> list[dict[str, Any]]:
        """Returns the best `k` products for a query that `search.check_query` let through."""
        from recsys_kit.search import engine

        signature = self._signature()
        if signature != self._seen and not (self._reading and self._reading.is_alive()):
            self._seen, self._reading = signature, Thread(target=self._read, daemon=True)
            self._reading.start()
        return json.loads(engine.search(self._index, text, k).to_json(orient="records"))

    def __bool__(self) -> bool:
        """Whether there is an index."""
        return self._index is not None

    def _signature(self) -> tuple:
        try:
            status = (self._folder / "search.json").stat()
        except OSError:
            return ()
        return status.st_ino, status.st_mtime_ns, status.st_size

    def _read(self) -> None:
        try:
            night = json.loads((self._folder / "search.json").read_text(encoding="utf-8"))
            if not night["index"]:
                self.problem = f"search.json: {night['says']}"
                return
            from recsys_kit.search import nightly

            table = pd.read_parquet(self._folder / "nights" / night["night"] / "sold.parquet")
            sold = table.set_index("item_id")["sold"]
            self._index = nightly.read(self._folder / "search", night["index"], sold)
            self.problem = ""
        except (OSError, KeyError, ValueError) as error:
            self.problem = f"search.json: {str(error).splitlines()[0]}"
