"""A year of files and thirty nights: faults found and false alarms, what they cost, what the gate stops (notebook 17).

    python benchmarks/operations.py --out benchmarks/results/operations.json

The kinds of rows: `fault` (one kind and size on random days), `cost` (what a fault
does to lists if nobody notices), `gate` (how often a kind of model is stopped), `night` (one of thirty in a row). What
is there is kept with `--add`.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from recsys_kit import baselines, datasets, evaluation, preprocessing, results_file
from recsys_kit.operations import contracts, faults, gate, nights

DRAWN = 50  # days for each kind and size of fault
COST_DAY = pd.Timestamp("2017-10-16")
UNNOTICED = (1, 28)  # days that a fault goes on
FIRST_NIGHT = pd.Timestamp("2017-10-02")
NIGHTS = 30
HOUSEHOLDS = 400  # of the shop of the thirty nights
PLANTED = {5: "cents for dollars", 12: "truncated file", 20: "load twice"}
LOST = 0.01  # part of the households lost with each training of the model that decays slowly
BAD = {
    "the same": {},
    "another decay": {"decay": 150.0},
    "2% worse": {"lost": 0.02},
    "5% worse": {"lost": 0.05},
    "stale features, 7 days": {"stale_days": 7},
    "stale features, 28 days": {"stale_days": 28},
    "permuted ids": {"permuted": True},
}
"""Models of the gate's table. What "2% worse" loses is drawn until it is 2%: see `_lost`."""
MODEL = {"decay": 120.0, "popularity_weight": 0.3}


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def table() -> pd.DataFrame:
    """Returns what arrived in it, all year."""
    return contracts.arrivals(shop())


@cache
def year() -> tuple:
    """Returns all days' measures, their references, the holidays, and the days that are judged."""
    usual, known = contracts.replay(table())
    judged = usual.index[usual.index >= usual.index[0] + pd.Timedelta(weeks=6)]
    return usual, known, contracts.holidays([2017], shop().timezone), judged


def judged(today: pd.DataFrame, day: pd.Timestamp) -> pd.DataFrame:
    """Returns the judgement of a day's file, by the eight weeks before it."""
    usual, known, named, _ = year()
    past = usual[(usual.index < day) & (usual.index >= day - pd.Timedelta(weeks=contracts.WEEKS))]
    return contracts.judge(contracts.measure(today, known[day], day), past, day, named)


def file_of(day: pd.Timestamp) -> pd.DataFrame:
    """Returns a day's file."""
    rows = table()["day"].to_numpy()
    return table()[rows == np.datetime64(day)]


def fault(name: str, number: int) -> dict[str, Any]:
    """Returns how often a fault of one size (0: usual, 1: small) is found on its day."""
    days = np.random.default_rng(7).choice(year()[3], DRAWN, replace=False)
    rng, size, found = np.random.default_rng(number), faults.FAULTS[name][number], []
    for day in map(pd.Timestamp, days):
        table = judged(faults.plant(name, file_of(day), rng, size), day)
        found.append(table.index[table["alarm"]].tolist())
    first = pd.Series([check for checks in found for check in checks]).value_counts()
    return {"size": size, "days": DRAWN, "found": sum(map(bool, found)), "by": ", ".join(first.index[:3])}


def _events(rows: pd.DataFrame) -> pd.DataFrame:
    """Returns events in the form of `preprocessing`, from what arrived, faults and all."""
    events = rows[["user", "item", "basket", "price"]].set_axis(["user_id", "item_id", "basket_id", "price"], axis=1)
    events["timestamp"] = (rows["day"] + pd.to_timedelta(rows["hour"], unit="h")).dt.tz_localize("UTC")
    return events.sort_values("timestamp", ignore_index=True)


def _judged_lists(rows: pd.DataFrame, clean: preprocessing.Split) -> tuple[pd.Series, pd.Series]:
    """Returns NDCG@10 and what a list sells, in each case of the clean task, from a history that may have a fault."""
    events = _events(rows)
    events = events[events["timestamp"] < clean.cutoff]
    everybody = events[events["timestamp"] >= clean.cutoff - pd.Timedelta(days=60)]
    known, user = clean.items.get_indexer(events["item_id"]), clean.users.get_indexer(events["user_id"])
    history = events.assign(user=user, item=known)[(known >= 0) & (user >= 0)]
    place = clean.items.get_indexer(everybody["item_id"])
    popular = np.bincount(place[place >= 0], minlength=len(clean.items)).astype(float)
    split = preprocessing.Split(**{**clean.__dict__, "history": history.reset_index(drop=True)})
    counts = baselines.decayed_counts(split, 120)[split.test_users]

    def scorer(cases: np.ndarray) -> np.ndarray:
        return counts[cases].toarray() + 0.3 * popular / popular.max()

    ndcg = evaluation.evaluate(scorer, clean.answers)["ndcg"]
    lists = evaluation.top_lists(scorer, len(clean.test_users), 10)
    price = np.exp(contracts.learn(table()[table()["day"] < COST_DAY]).prices)
    worth = clean.items.to_series().map(price).fillna(0).to_numpy()
    hit = np.take_along_axis(clean.answers.toarray(), lists, 1) * worth[lists]
    return ndcg, pd.Series(hit.sum(1), index=range(len(lists)))


@cache
def _clean() -> tuple:
    end = COST_DAY + pd.Timedelta(days=7)
    rows = table()[(table()["day"] < end) & (table()["day"] >= COST_DAY - pd.Timedelta(days=180))]
    split = preprocessing.split_by_time(_events(rows), COST_DAY.tz_localize("UTC"), end.tz_localize("UTC"), 10, 3)
    before = rows[rows["day"] < COST_DAY]
    return before, split, _judged_lists(before, split)


def cost(name: str, number: int) -> dict[str, Any]:
    """Returns what a fault costs downstream if it goes on for some days before the lists are made."""
    before, split, (ndcg, sales) = _clean()
    rng, parts = np.random.default_rng(number), []
    since = COST_DAY - pd.Timedelta(days=number)
    for _, rows in before[before["day"] >= since].groupby("day"):
        parts.append(faults.plant(name, rows, rng))
    broken = pd.concat([before[before["day"] < since], *parts], ignore_index=True)
    bad_ndcg, bad_sales = _judged_lists(broken, split)
    ndcg_pair, sales_pair = (
        evaluation.paired_difference(bad, good, draws=500) for bad, good in ((bad_ndcg, ndcg), (bad_sales, sales))
    )
    told = broken.loc[broken["day"] >= since, "price"].sum() / before.loc[before["day"] >= since, "price"].sum() - 1
    row = {
        "clean_ndcg": ndcg.mean(),
        "ndcg": ndcg_pair["difference"],
        "low": ndcg_pair["low"],
        "high": ndcg_pair["high"],
    }
    row |= {"clean_sales": sales.mean(), "sales": sales_pair["difference"], "sales_low": sales_pair["low"]}
    row |= {"sales_high": sales_pair["high"], "told": told}
    return {key: round(float(one), 5) for key, one in row.items()}


@cache
def _cleaned() -> pd.DataFrame:
    return preprocessing.clean(shop())[0]


@cache
def _week(back: int) -> preprocessing.Split:
    end = (FIRST_NIGHT - pd.Timedelta(days=7 * back)).tz_localize(shop().timezone).tz_convert("UTC")
    return preprocessing.split_by_time(_cleaned(), end - pd.Timedelta(days=7), end, min_items=1)


@cache
def _live(back: int) -> pd.Series:
    return gate.value(MODEL, _week(back))


def _lost(loss: float) -> float:
    """Returns which part of the households must be lost so that NDCG falls by a part of it, on the average."""
    whole = np.mean([_live(back).mean() for back in range(3)])
    none = np.mean([gate.value(gate.spoil(MODEL, lost=1.0), _week(back)).mean() for back in range(3)])
    return loss * whole / (whole - none)


def stopped(name: str) -> dict[str, Any]:
    """Returns how often the gate stops a model, by three weeks and households drawn from them."""
    how = dict(BAD[name])
    if "lost" in how:
        how["lost"] = _lost(how["lost"])
    new = [gate.value(gate.spoil(MODEL, **how), _week(back)) for back in range(3)]
    rates = [gate.rejected(one, _live(back)) for back, one in enumerate(new)]
    loss = 1 - np.mean([one.mean() for one in new]) / np.mean([_live(back).mean() for back in range(3)])
    cases = int(np.mean([len(one) for one in new]))
    return {"loss": round(float(loss), 4), "stopped": round(float(np.mean(rates)), 4), "cases": cases}


def run(kind: str, name: str, number: int) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: "fault", "cost" or "gate"; the rows "night" are made in one go.
        name: The fault, or the model.
        number: The size, or for how many days.
    """
    makes = {
        "fault": lambda: fault(name, number),
        "cost": lambda: cost(name, number),
        "gate": lambda: stopped(name),
    }
    return {"kind": kind, "name": name, "number": number, **makes[kind]()}


@cache
def _small() -> tuple[datasets.Shop, pd.DataFrame, pd.DataFrame]:
    """Returns the shop of the thirty nights, what arrived in it and its cleaned events: read once for all nights."""
    sample = datasets.sample_users(shop(), HOUSEHOLDS)
    return sample, contracts.arrivals(sample), preprocessing.clean(sample)[0]


def _bad(night: int) -> dict[str, Any]:
    """Returns what is wrong with the model of a night."""
    plan = {8: {"permuted": True}, 15: {"stale_days": 28}, 18: {"lost": _lost(0.05)}, 22: {"lost": _lost(0.02)}}
    return plan.get(night) or ({"lost": round(LOST * (night - 23), 2)} if night > 23 else {})


def a_night(number: int, folder: Path) -> dict[str, Any]:
    """Runs one of thirty nights in a row, each with a training, and runs it again; returns its row.

    Args:
        number: From 0 on; the nights before it have left their files.
        folder: Where they are.
    """
    name, bad, (sample, rows, events) = PLANTED.get(number, ""), _bad(number), _small()
    one = nights.Nights(
        sample,
        folder,
        nights.Settings(every=1),
        lambda split: gate.spoil(gate.train(split, gate.GRID[2:4]), **bad),
        lambda today: faults.plant(name, today, np.random.default_rng(number)) if name else today,
    )
    one.__dict__.update(_table=rows, _events=events)
    began = time.perf_counter()
    row = one.run(f"{FIRST_NIGHT + pd.Timedelta(days=number):%Y-%m-%d}", lambda text: None)
    seconds = round(time.perf_counter() - began, 1)
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    one.run(row["day"], lambda text: None)
    same = before == {path: path.read_bytes() for path in folder.rglob("*.*")}
    planted = {"fault": name, "bad": json.dumps(bad) if bad else "", "seconds": seconds, "again_the_same": same}
    return {"kind": "night", "name": row["day"], "number": number, **row, **planted}


def thirty_nights() -> list[dict[str, Any]]:
    """Returns thirty nights in a row: three faults, good models and bad ones."""
    with tempfile.TemporaryDirectory() as folder:
        return [a_night(number, Path(folder)) for number in range(NIGHTS)]


def wanted() -> list[tuple[str, str, int]]:
    """Returns the arguments of all rows but the nights."""
    rows = [("gate", name, 0) for name in BAD]
    rows += [("fault", name, size) for name in faults.FAULTS for size in (0, 1)]
    rows += [("cost", name, days) for name in faults.FAULTS for days in UNNOTICED]
    return rows


def main() -> None:
    """Makes all rows and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["name"], row["number"]) for row in rows}

    def keep() -> None:
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/operations.py --out {options.out.as_posix()}",
            row="benchmarks/operations.py:run",
            cheapest={"kind": "gate", "name": "the same", "number": 0},
            data=shop().fingerprint,
            seeds=[0, 1, 7],
        )

    for one in wanted():
        if one not in there:
            rows.append(run(*one))
            print(rows[-1], flush=True)
            keep()
    keep()
    if not any(row["kind"] == "night" for row in rows):
        rows += thirty_nights()
        keep()


if __name__ == "__main__":
    main()
