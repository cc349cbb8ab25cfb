"""One night of the shop: check, update, retrain if due, gate, lists, search index, report (notebook 17).

Each step leaves a file in the night's folder, written whole; a step whose file is there is not done again. So a night
that was cut off goes on where it stopped, and a night that is done changes nothing when it is called again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import evaluation, output_file, preprocessing
from recsys_kit.datasets import samples
from recsys_kit.datasets.tables import DataError, Shop
from recsys_kit.operations import contracts, gate
from recsys_kit.preprocessing import Split
from recsys_kit.recommendation import recommender

__all__ = ["COLUMNS", "Nights", "Settings", "history", "release", "roll_back"]

COLUMNS = ("day", "verdict", "model", "why", "lists", "ndcg")
"""Of the table of decisions."""

_BY_HAND = ("rolled back", "released")  # what somebody decided, beside what the nights did


@dataclass(frozen=True)
class Settings:
    """How the nights go.

    Attributes:
        every: Days from one training to the next.
        k: Length of a list.
        rules: Of the gate.
        named: Holidays; None: those of the shop's country, where they are known.
        search: Whether a search index is left beside the lists, if items have titles.
    """

    every: int = 7
    k: int = 10
    rules: gate.Rules = field(default_factory=gate.Rules)
    named: Mapping[pd.Timestamp, str] | None = None
    search: bool = True


@dataclass(frozen=True)
class Nights:
    """A shop that is looked after every night.

    Attributes:
        shop: The shop, with all that has arrived so far.
        folder: Where the nights leave their files.
        settings: How they go.
        train: Makes a new model from a week.
        receive: Gets a day's file (rows of `contracts.arrivals`) and returns what really arrives: faults, for a trial.
    """

    shop: Shop
    folder: Path
    settings: Settings = field(default_factory=Settings)
    train: Callable[[Split], dict[str, Any]] = gate.train
    receive: Callable[[pd.DataFrame], pd.DataFrame] = lambda today: today

    @cached_property
    def _table(self) -> pd.DataFrame:
        return contracts.arrivals(self.shop)

    @cached_property
    def _events(self) -> pd.DataFrame:
        return preprocessing.clean(self.shop)[0]

    def run(self, day: str, say: Callable[[str], object] = print) -> dict[str, str]:
        """Runs the night after a day; returns its row of the table of decisions.

        Args:
            day: The day that has just ended, as YYYY-MM-DD, by the shop's clock.
            say: Told what happens.

        Raises:
            DataError: If the day is not in the data, or a later night has run.
        """
        at = self._day(day)
        done, live = history(self.folder), _read(self.folder / "live.json")
        if (self.folder / "nights" / day / "report.md").exists():
            say(f"{day}: done already, nothing changed")
            return done[(done["day"] == day) & (done["verdict"] != "released")].iloc[-1].to_dict()
        if len(done) and day < done["day"].max():
            raise DataError(f"the night of {done['day'].max()} has run: nights run in order. Received: {day}")
        here = self.folder / "nights" / day
        here.mkdir(parents=True, exist_ok=True)
        check = _step(here / "check.json", lambda: self._check(at))
        say(f"{day}: {check['says']}")
        row = {
            "day": day,
            "verdict": "alarm",
            "model": "",
            "why": check["says"],
            "lists": live.get("night", ""),
            "ndcg": "",
        }
        if not check["alarm"]:
            before = live.get("before", {}) if live.get("night") == day else live  # cut off after it went live
            row = self._update(day, at, here, before, say)
        if row["verdict"] != "alarm":
            self._publish(day, row, live)
        elif not live:
            say("there are no lists yet: nothing is live")
        _write(self.folder / "decisions.csv", _with(history(self.folder), row).to_csv(index=False))
        _write(here / "report.md", _report(row, check, _read(here / "search.json")))
        return row

    def _day(self, day: str) -> pd.Timestamp:
        try:
            at = pd.to_datetime(day, format="%Y-%m-%d")
        except ValueError:
            raise DataError(f"`day` must be a day written YYYY-MM-DD. Received: {day!r}") from None
        first, last = self._table["day"].min(), self._table["day"].max()
        if not first + pd.Timedelta(days=28) <= at <= last:
            raise DataError(
                f"`day` must lie between {first + pd.Timedelta(days=28):%Y-%m-%d} (four weeks teach what is usual) and "
                f"{last:%Y-%m-%d}, the last day of the data. Received: {day}"
            )
        return at

    def _check(self, at: pd.Timestamp) -> dict[str, Any]:
        table, weeks = self._table, pd.Timedelta(weeks=contracts.WEEKS)
        today = self.receive(table[table["day"] == at])
        named = self.settings.named
        if named is None:
            named = contracts.holidays([at.year - 1, at.year, at.year + 1], self.shop.timezone)
        if not len(today):
            closed = named.get(at, "")
            says = f"closed: {closed}" if closed else "nothing arrived"
            return {"alarm": not closed, "says": says, "holiday": closed, "checks": []}
        past = table[(table["day"] < at) & (table["day"] >= at - 2 * weeks) & ~table["day"].isin(self._set_aside())]
        usual, _ = contracts.replay(past, first=max(at - weeks, past["day"].min() + pd.Timedelta(days=14)))
        known = contracts.learn(past[past["day"] >= at - weeks])
        lately = table[(table["day"] < at) & (table["day"] >= at - pd.Timedelta(weeks=2))]
        for one, file in lately.groupby("day"):  # days that rang count here, too: who is away since then is no news
            known = known.after(file, near=contracts.beside(pd.Timestamp(one), named))
        found = contracts.judge(contracts.measure(today, known, at), usual, at, named)
        rung = found.index[found["alarm"]]
        holiday = next((name for name in found["holiday"] if name), "")
        says = ", ".join(f"{name} ({contracts.CHECKS[name].says}): {found.loc[name, 'value']:.3g}" for name in rung)
        says = says or ("as usual" + (f" ({holiday}: wider limits)" if holiday else ""))
        checks = found.reset_index().assign(chance=found["chance"].round(6).to_numpy()).round(4).to_dict("records")
        return {"alarm": bool(len(rung)), "says": says, "holiday": holiday, "checks": checks}

    def _set_aside(self) -> pd.Series:
        """Returns the days that rang: nobody learns from them until somebody has looked, and released them."""
        return pd.to_datetime(pd.Series(_aside(history(self.folder)), dtype=str))

    def _update(self, day: str, at: pd.Timestamp, here: Path, live: Mapping, say: Callable) -> dict[str, str]:
        end = (at + pd.Timedelta(days=1)).tz_localize(self.shop.timezone).tz_convert("UTC")
        events = self._events[self._events["timestamp"] < end]
        local = events["timestamp"].dt.tz_convert(self.shop.timezone).dt.tz_localize(None).dt.normalize()
        events = events[~local.isin(self._set_aside())]
        week, least = pd.Timedelta(days=7), samples.least_buyers(events["user_id"].nunique())
        latest = preprocessing.split_by_time(events, end - week, min_users=least, min_items=1)
        trained = live.get("trained", "")
        due = not trained or at - pd.Timestamp(trained) >= pd.Timedelta(days=self.settings.every)
        if due:
            before = preprocessing.split_by_time(events, end - 2 * week, end - week, least, 1)
            new = _step(here / "model.json", lambda: self.train(before))
            found = _step(here / "gate.json", lambda: self._gate(new, live, latest))
            say(f"{day}: trained; {'goes live' if found['passes'] else 'the old model stays'}: {found['why']}")
        else:
            new, found = live["model"], {"passes": True, "raises": False, "why": "no training was due", "new": ""}
        model = new if found["passes"] else live["model"]
        _lists(here / "lists.parquet", latest, events, end, model, self.settings.k)
        if self.settings.search:
            index = _step(here / "search.json", lambda: self._search(day, here, events, live))
            say(f"{day}: search index: {index['says']}")
        verdict = ("accepted" if found["passes"] else "rejected") if due else "updated"
        row = {"day": day, "verdict": verdict, "model": json.dumps(model), "why": found["why"], "lists": day}
        return row | {"ndcg": str(found["new"])}

    def _search(self, day: str, here: Path, events: pd.DataFrame, live: Mapping) -> dict[str, Any]:
        """Leaves how often each item was sold, and the index of the items, unless the night before left the same."""
        from recsys_kit.search import nightly

        before = _read(self.folder / "nights" / live.get("night", "") / "search.json").get("index", "")
        made = nightly.write(self.shop, self.folder / "search", before)
        if not made:
            return {"night": day, "index": "", "says": "none: no item has a title"}
        sold = events["item_id"].value_counts().rename_axis("item_id").rename("sold").sort_index().reset_index()
        output_file.write_table(here / "sold.parquet", sold)
        same = "the items are those of the night before" if made["index"] == before else f"{made['new']:,} of them new"
        return {"night": day, "says": f"{made['documents']:,} documents, {same}", **made}

    def _gate(self, new: Mapping, live: Mapping, latest: Split) -> dict[str, Any]:
        score = gate.value(new, latest)
        if not live:
            why = "the first model, and the reference from now on"
            return {"passes": True, "raises": True, "why": why, "new": round(score.mean(), 6)}
        live_score, fixed = gate.value(live["model"], latest), gate.value(live["reference"], latest)
        return gate.decide(score, live_score, fixed, self.settings.rules)

    def _publish(self, day: str, row: Mapping[str, str], live: Mapping) -> None:
        if live.get("night") != day:
            model = json.loads(row["model"])
            gate_says = _read(self.folder / "nights" / day / "gate.json")
            raised = gate_says.get("raises") or not live
            fresh = {"night": day, "model": model, "reference": model if raised else live["reference"]}
            fresh["trained"] = live["trained"] if row["verdict"] == "updated" else day
            fresh["before"] = {name: live[name] for name in live if name != "before"}
            _write(self.folder / "live.json", json.dumps(fresh, indent=1) + "\n")
        _bring(self.folder, day)
        self._tidy()

    def _tidy(self) -> None:
        """Removes the search indices that no way leads back to."""
        from recsys_kit.search import nightly

        live = _read(self.folder / "live.json")
        ways = [one.get("night") for one in (live, live.get("before", {})) if one]
        nightly.keep_only(
            self.folder / "search",
            {_read(self.folder / "nights" / way / "search.json").get("index", "") for way in ways},
        )


def history(folder: Path) -> pd.DataFrame:
    """Returns the table of decisions (`COLUMNS`), oldest first."""
    path = Path(folder) / "decisions.csv"
    if not path.exists():
        return pd.DataFrame(columns=list(COLUMNS), dtype=str)
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def roll_back(folder: str | Path, say: Callable[[str], object] = print) -> str:
    """Brings back the lists, the search index and the model of the night before, byte for byte; returns that night.

    Raises:
        DataError: If there is no night before, or it has been brought back already.
    """
    folder = Path(folder)
    live = _read(folder / "live.json")
    if not live.get("before"):
        raise DataError(f"{folder} has no night to go back to: a night must have gone live after another one")
    before = live["before"]
    _bring(folder, before["night"])
    row = {"day": live["night"], "verdict": "rolled back", "model": json.dumps(before["model"])}
    row |= {"why": f"lists of {before['night']} again", "lists": before["night"], "ndcg": ""}
    done = history(folder)
    _write(folder / "decisions.csv", pd.concat([done, pd.DataFrame([row])], ignore_index=True).to_csv(index=False))
    _write(folder / "live.json", json.dumps(before, indent=1) + "\n")
    say(f"{before['night']}: its lists and its model are live again")
    return before["night"]


def release(folder: str | Path, day: str, reason: str, say: Callable[[str], object] = print) -> bool:
    """Says that somebody has looked at a day that rang: from the next night on it teaches like any other.

    Args:
        folder: Where the nights leave their files.
        day: The day, as YYYY-MM-DD.
        reason: What was found; it stands in the table of decisions.
        say: Told what happens.

    Returns:
        Whether anything changed: a day that is released already stays as it is.

    Raises:
        DataError: If the day did not ring.
    """
    folder = Path(folder)
    done = history(folder)
    if not (of_day := done[done["day"] == day])["verdict"].isin(["alarm", "released"]).any():
        waiting = ", ".join(_aside(done)) or "none"
        raise DataError(
            f"the day did not ring: there is nothing to release. Received: {day!r}; days that wait: {waiting}"
        )
    if day not in _aside(done):
        why = of_day.loc[of_day["verdict"] == "released", "why"].iloc[-1]
        say(f"{day}: released already ({why}), nothing changed")
        return False
    row = {"day": day, "verdict": "released", "model": "", "why": reason}
    row |= {"lists": _read(folder / "live.json").get("night", ""), "ndcg": ""}
    _write(folder / "decisions.csv", pd.concat([done, pd.DataFrame([row])], ignore_index=True).to_csv(index=False))
    say(f"{day}: released ({reason}); the next night learns from it")
    return True


def _aside(done: pd.DataFrame) -> list[str]:
    """Returns the days that rang and were not released since."""
    last = done[done["verdict"].isin(["alarm", "released"])].drop_duplicates("day", keep="last")
    return last.loc[last["verdict"] == "alarm", "day"].tolist()


def _bring(folder: Path, night: str) -> None:
    """Makes a night's lists and its search index those that are live."""
    here = folder / "nights" / night
    _copy(here / "lists.parquet", folder / "lists.parquet")
    if (here / "search.json").exists():  # nights of an earlier version have none
        _copy(here / "search.json", folder / "search.json")


def _lists(path: Path, latest: Split, events: pd.DataFrame, end: pd.Timestamp, model: Mapping, k: int) -> None:
    if path.exists():
        return
    everybody = recommender.everybody(latest, end, events)
    lists = evaluation.top_lists(gate.scorer(model, everybody), len(everybody.users), k)
    rows, places = np.nonzero(lists >= 0)
    items = everybody.items.to_numpy()[lists[rows, places]]
    table = pd.DataFrame({"user_id": everybody.users.to_numpy()[rows], "rank": places + 1, "item_id": items})
    output_file.write_table(path, table)


def _report(row: Mapping[str, str], check: Mapping[str, Any], index: Mapping[str, Any]) -> str:
    lines = [f"# Night of {row['day']}", "", f"- Data: {check['says']}", f"- Decision: {row['verdict']}: {row['why']}"]
    lines += [
        f"- Lists that are live: those of {row['lists'] or 'no night'}",
        f"- Model: {row['model'] or 'as before'}",
        f"- Search index: {index.get('says', 'as before')}",
    ]
    return "\n".join([*lines, ""])


def _with(done: pd.DataFrame, row: Mapping[str, str]) -> pd.DataFrame:
    """Returns the table with a night's row; one that a cut off run left is replaced."""
    again = (done["day"] == row["day"]) & ~done["verdict"].isin(_BY_HAND)
    return pd.concat([done[~again], pd.DataFrame([row], columns=list(COLUMNS))], ignore_index=True)


def _step(path: Path, build: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    if not path.exists():
        _write(path, json.dumps(build(), indent=1) + "\n")
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}


def _write(path: Path, text: str) -> None:
    output_file.write(path, lambda part: part.write_text(text, encoding="utf-8"))


def _copy(source: Path, target: Path) -> None:
    output_file.write(target, lambda part: part.write_bytes(source.read_bytes()))
