"""Half a year of files, thirty nights: faults found, false alarms, what they cost, what the gate stops (notebook 17).

    python benchmarks/operations.py --out benchmarks/results/operations.json

The limits of the contracts are chosen on the first half of the year (faults planted by seeds 0 to 4, bells on days as
they are) and judged on the second (seeds 5 to 9). `closing`: how often a store is away for one, two, three or more days
though by chance it hardly could be: `Limits.closed` is what it counts. `choice`, on days that are not beside a holiday:
of the limits that aim at no more than one false alarm a month, those of absences and of all other checks together, and
rang no more often, those that find most faults of all sizes (a missing store is the day's largest, or one of the ten
largest); among equals those with the fewest bells, then with the heaviest tail. (Three rules before it were tried while
a store's absence was judged by chance alone. No limits met the first, 97% of the faults of usual size. The second aimed
at a quarter of a false alarm a month for absences, the third counted bells, at most one a month; in the second half
both rang more often than once a month.)
`holiday`: a holiday that is still to come is to ring with a chance of a tenth; how wide limits must be for that is a
prediction bound on how far off the holidays of the first half are; the next larger width is taken, or, if it finds
less than 95% of the faults of usual size planted on those days (a missing store apart), the largest that finds so
many. Then `bells` (days as they are), `by chance` (the same if no store were ever closed: `Limits.closed` of 0),
`fault` (one kind and size), `store` (one store away for a week, by when it is due to ring). `cost` is what a fault does
to lists if nobody notices, `gate` how often a kind of model is stopped, `decay` how far down slow decay gets, `night`
one of thirty in a row. What is there is kept with `--add`.
"""

from __future__ import annotations

import argparse
import itertools
import json
import tempfile
import time
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from recsys_kit import baselines, datasets, evaluation, preprocessing, results_file
from recsys_kit.operations import contracts, faults, gate, nights

HALF = pd.Timestamp("2017-08-01")  # before it limits are chosen, from it on they are judged
SEEDS = {"first": range(5), "second": range(5, 10)}
DRAWN = {"first": 6, "second": 20}  # days for each seed, kind and size of fault
ALARMS, TAILS, ABSENCES = (0.05, 0.1, 0.25, 0.5, 1.0), (4.0, 6.0, 10.0), (0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
HOLIDAYS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0)
RINGING = 0.1  # the chance that a holiday to come rings
DUE = {"on its day": (1, 1), "after two days": (2, 2), "within a week": (3, 7), "never": (0, 0)}
COST_DAY = pd.Timestamp("2017-10-16")
UNNOTICED = (1, 28)  # days that a fault goes on
FIRST_NIGHT = pd.Timestamp("2017-10-02")
NIGHTS = 30
HOUSEHOLDS = 400  # of the shop of the thirty nights
PLANTED = {3: "cents for dollars", 6: "truncated file", 20: "load twice"}
DECAYS = 15  # the night from which on each training loses another part of the households
LOST = 0.01  # that part
RULES = gate.Rules()
LIMITS = contracts.Limits()
CHANCE = contracts.Limits(closed=(0.0,))
LEVELS = {"yesterday alone": 0.0, "fixed reference": RULES.level, "fixed reference, strict": RULES.strict}
CASES = (0, 200)  # of a week: all, and as many as a shop of 400 households has
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
def year() -> tuple[pd.DataFrame, dict]:
    """Returns all days' measures and their references."""
    return contracts.replay(table(), named=named())


@cache
def named() -> dict[pd.Timestamp, str]:
    """Returns the holidays of the year."""
    return contracts.holidays([2017], shop().timezone)


def days(half: str) -> pd.DatetimeIndex:
    """Returns the judged days of half a year: those that eight weeks of files, six of them measured, come before."""
    all_days = year()[0].index
    all_days = all_days[all_days >= all_days[0] + pd.Timedelta(weeks=6)]
    return all_days[(all_days < HALF) == (half == "first")]


def judged(measures: pd.Series, day: pd.Timestamp, limits: contracts.Limits = LIMITS) -> pd.DataFrame:
    """Returns the judgement of a day's measures, by the eight weeks before it."""
    usual = year()[0]
    past = usual[(usual.index < day) & (usual.index >= day - pd.Timedelta(weeks=contracts.WEEKS))]
    return contracts.judge(measures, past, day, named(), limits)


@cache
def file_of(day: pd.Timestamp) -> pd.DataFrame:
    """Returns a day's file."""
    return table()[table()["day"].to_numpy() == np.datetime64(day)]


@cache
def _planted(half: str, name: str, number: int) -> list[tuple[pd.Timestamp, pd.DataFrame]]:
    """Returns days with their files, a fault in each.

    A missing store is the day's largest in the first half, whatever the limits are, and in the second one that is due
    to ring on its day; a day without such a store is left out.
    """
    found, due = [], half == "second" and name == "store missing"
    for seed in SEEDS[half]:
        rng = np.random.default_rng([seed, number])
        for day in map(pd.Timestamp, rng.choice(days(half), DRAWN[half], replace=False)):
            hit = _store(day, "on its day", rng) if due else ""
            if hit or not due:
                found.append((day, faults.plant(name, file_of(day), rng, faults.FAULTS[name][number], hit)))
    return found


def _store(day: pd.Timestamp, due: str, rng: np.random.Generator, limits: contracts.Limits = LIMITS) -> str:
    """Returns a store that is due to ring so soon if it is away; a much visited one is drawn more often; "" if none.

    On a holiday and beside it no store is due.
    """
    if day in beside():
        return ""
    share = year()[1][day].stores
    soon = contracts.watched(share, file_of(day)["basket"].nunique(), limits).between(*DUE[due])
    if not soon.any():
        return ""
    return str(rng.choice(share.index[soon], p=share[soon] / share[soon].sum()))


def _kinds() -> list[tuple[str, int]]:
    return [(name, size) for name in faults.FAULTS for size in (0, 1) if (name, size) != ("store missing", 1)]


@cache
def beside() -> pd.DatetimeIndex:
    """Returns the holidays and the days beside them."""
    return pd.DatetimeIndex([day + pd.Timedelta(days=shift) for day in named() for shift in (-1, 0, 1)])


def closing(longest: int) -> dict[str, Any]:
    """Returns how often a store is away for so many days for another reason than chance, in the first half.

    Of all stores and days on which it may have begun, the holidays and the days beside them apart, and by chance would
    have less than once in a thousand times: `away`, and `part` with half an absence more, since none seen is not never.
    """
    known, begins, away = year()[1], 0, 0
    for day in days("first"):
        span = pd.date_range(day, periods=longest)
        if span[-1] >= HALF or span.isin(beside()).any():
            continue
        file = pd.concat([file_of(one) for one in span])
        share = known[day].stores
        share = share[share.index.isin(file_of(day - pd.Timedelta(days=1))["store"].unique())]
        here = share.index.isin(file["store"].unique())
        baskets = file["basket"].nunique() * share.where(here, share / (1 - share))  # they lack those of who is away
        rare = (baskets * LIMITS.pace > np.log(1000)).to_numpy()
        begins += int(rare.sum())
        away += int((rare & ~here).sum())
    return {"begins": begins, "away": away, "part": round((away + 0.5) / begins, 5)}


@cache
def _tables() -> tuple[dict, dict]:
    """Returns the judgements of the first half: by kind of fault those of its planted days, and by day as it is."""
    (usual, known), ordinary = year(), [day for day in days("first") if day not in beside()]
    planted = {}
    for kind in [*_kinds(), ("store missing", 1)]:
        some = [(day, file) for day, file in _planted("first", *kind) if day in ordinary]
        planted[kind] = [judged(contracts.measure(file, known[day], day), day) for day, file in some]
    return planted, {day: judged(usual.loc[day], day) for day in ordinary}


def _away(known: contracts.Reference, today: pd.DataFrame, limits: contracts.Limits, near: str) -> tuple[dict, bool]:
    """Returns for how long who is away after one more file, and whether somebody's absence rings today."""
    after = known.after(today, limits, near).away
    rung = {column: part.index[part < 0] for column, part in after.items()}
    before = {column: part.index[part < 0] for column, part in known.away.items()}
    return after, any(not names.isin(before.get(column, [])).all() for column, names in rung.items())


@cache
def _absences(absences: float) -> tuple[dict, dict]:
    """Returns whether an absence rings, as in `_tables`: that depends on these limits, and only that."""
    limits, away, before, rings = contracts.Limits(absences=absences), {}, {}, {}
    for day in (day for day in year()[0].index if day < HALF):
        before[day] = replace(year()[1][day], away=away)
        away, rings[day] = _away(before[day], file_of(day), limits, contracts.beside(day, named()))
    planted, as_they_are = _tables()
    found = {
        kind: [_away(before[day], file, limits, "")[1] for day, file in _planted("first", *kind) if day in as_they_are]
        for kind in planted
    }
    return found, {day: rings[day] for day in as_they_are}


def _rings(tables: list[pd.DataFrame], limits: contracts.Limits) -> np.ndarray:
    """Returns which of the judgements ring, absences apart: how many spreads a day is away does not go with limits."""
    checks = {name: check for name, check in contracts.CHECKS.items() if not check.absence}
    furthest = pd.Series({name: _furthest(check, limits) for name, check in checks.items()})
    return np.array([(table.loc[furthest.index, "spreads"] > furthest).any() for table in tables])


def _furthest(check: contracts.Check, limits: contracts.Limits) -> float:
    """Returns how many spreads a day may be away before a check rings that is none of an absence."""
    others = sum(not one.absence for one in contracts.CHECKS.values())
    if check.chance:
        return -np.log10(limits.false_alarms / 30 / others)
    return stats.t.isf(limits.false_alarms / 30 / others / (1 if check.sides else 2), limits.tail)


def _rung(half: str, limits: contracts.Limits) -> pd.DataFrame:
    """Returns which checks ring on days as they are."""
    usual = year()[0]
    return pd.DataFrame({day: judged(usual.loc[day], day, limits)["alarm"] for day in days(half)}).T


def choice(name: str) -> dict[str, Any]:
    """Returns faults found and bells in the first half with some limits: "false alarms, tail, those of absences"."""
    false_alarms, tail, absences = map(float, name.split(", "))
    limits = contracts.Limits(false_alarms=false_alarms, tail=tail)
    (planted, as_they_are), (missed, away) = _tables(), _absences(absences)
    found = {kind: (_rings(tables, limits) | missed[kind]).mean() for kind, tables in planted.items()}
    usual = [part for (_, number), part in found.items() if number == 0]
    others = _rings(list(as_they_are.values()), limits)
    absent = np.array(list(away.values()))
    rung = others | absent
    row = {"found": np.mean(list(found.values())), "usual": np.mean(usual), "least": np.min(usual)}
    row |= {"largest_store": found["store missing", 0]}
    row = {key: round(float(part), 4) for key, part in row.items()}
    row |= {"days": len(rung), "rung": int(rung.sum()), "others": int(others.sum()), "away": int(absent.sum())}
    return row | {"a_month": round(float(rung.mean()) * 30.4, 3)}


def holiday(number: float) -> dict[str, Any]:
    """Returns what rings on and beside the holidays of the first half with a width of limits there.

    `rung`: days that ring as they are, absences apart; `found`: the part of the faults of usual size, a missing store
    apart, that is found if they are planted on each of these days; `bound`: the width that a holiday to come needs, see
    the top of this file.
    """
    limits, (usual, known) = contracts.Limits(holiday=number), year()
    near = days("first")[days("first").isin(beside())]
    rung = _rung("first", limits).loc[near].drop(columns=["stores", "categories"]).any(axis=1)
    found = []
    for place, day in enumerate(near):
        for name in set(faults.FAULTS) - {"store missing"}:
            file = faults.plant(name, file_of(day), np.random.default_rng([0, place]))
            found.append(judged(contracts.measure(file, known[day], day, limits), day, limits)["alarm"].any())
    needed = np.log([max(_needed(usual.loc[day], day) for day in group) for group in _groups(near)])
    spread = needed.std(ddof=1) * np.sqrt(1 + 1 / len(needed)) * stats.t.ppf(1 - RINGING, len(needed) - 1)
    row = {"days": len(near), "holidays": len(needed), "rung": int(rung.sum())}
    return row | {"found": round(float(np.mean(found)), 4), "bound": round(float(np.exp(needed.mean() + spread)), 3)}


def _groups(near: pd.DatetimeIndex) -> list[list[pd.Timestamp]]:
    """Returns the days on and beside each holiday."""
    one_day = pd.Timedelta(days=1)
    return [[one for one in near if abs(one - day) <= one_day] for day in named() if day in near]


def _needed(measures: pd.Series, day: pd.Timestamp) -> float:
    """Returns how wide the limits of what goes with the calendar must be for a day not to ring."""
    away = judged(measures, day, contracts.Limits(holiday=1.0))["spreads"]
    checks = {name: check for name, check in contracts.CHECKS.items() if check.calendar}
    return max(0.1, *(away[name] / _furthest(check, LIMITS) for name, check in checks.items()))


def bells(half: str) -> dict[str, Any]:
    """Returns what rings on days of half a year as they are."""
    return _told(_rung(half, contracts.Limits()))


def _told(rung: pd.DataFrame) -> dict[str, Any]:
    absent = rung[["stores", "categories"]].any(axis=1)
    others = rung.drop(columns=["stores", "categories"]).any(axis=1)
    said = [f"{day:%m-%d} {', '.join(rung.columns[row])}" for day, row in rung.iterrows() if row.any()]
    row = {"days": len(rung), "rung": len(said), "absences": int(absent.sum()), "others": int(others.sum())}
    return row | {"a_month": round(len(said) / len(rung) * 30.4, 3), "when": "; ".join(said)}


def by_chance(half: str) -> dict[str, Any]:
    """Returns what rings on days of half a year as they are if stores are never closed, only empty by chance."""
    usual, _ = contracts.replay(table(), limits=CHANCE, named=named())
    return _told(pd.DataFrame({day: judged(usual.loc[day], day, CHANCE)["alarm"] for day in days(half)}).T)


def fault(name: str, number: int) -> dict[str, Any]:
    """Returns how often a fault of one size (0: usual, 1: small) is found on its day in the second half."""
    found = []
    for day, file in _planted("second", name, number):
        table = judged(contracts.measure(file, year()[1][day], day), day)
        found.append(table.index[table["alarm"]].tolist())
    first = pd.Series([check for checks in found for check in checks]).value_counts()
    row = {"size": faults.FAULTS[name][number], "days": len(found), "found": sum(map(bool, found))}
    drawn = [
        np.random.default_rng([seed, number]).choice(days("second"), DRAWN["second"], False) for seed in SEEDS["second"]
    ]
    row |= {"drawn": sum(map(len, drawn)), "beside": int(np.isin(np.concatenate(drawn), beside()).sum())}
    return row | {"by": ", ".join(first.index[:3])}


def store(due: str) -> dict[str, Any]:
    """Returns on which day a store that is away for a week rings, by the day on which it is due to."""
    rang, stores, part, known = [], [], [], year()[1]
    for seed in SEEDS["second"]:
        rng = np.random.default_rng([seed, 2])
        for day in map(pd.Timestamp, rng.choice(days("second")[:-7], DRAWN["second"], replace=False)):
            away, name = known[day].away, _store(day, due, rng)
            if not name:
                continue
            soon = contracts.watched(known[day].stores, file_of(day)["basket"].nunique()).between(*DUE[due])
            stores.append(int(soon.sum()))
            part.append(known[day].stores[soon].sum())
            week, at = days("second")[days("second") >= day][:7], 8
            for number, one in enumerate(week):
                today, reference = faults.plant("store missing", file_of(one), rng, hit=name), known[one]
                away = replace(reference, away=away).after(today, near=contracts.beside(one, named())).away
                if away["store"].get(name, 0) < 0:
                    at = number + 1
                    break
            rang.append(at)
    found = {f"day_{last}": int((np.array(rang) <= last).sum()) for last in (1, 2, 3, 7)}
    sizes = {"stores": round(float(np.mean(stores)), 1), "part": round(float(np.mean(part)), 4)}
    return {"planted": len(rang), **sizes, **found}


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


def stopped(name: str, cases: int) -> dict[str, Any]:
    """Returns how often the gate stops a model, by three weeks and households drawn from them."""
    how = dict(BAD[name])
    if "lost" in how:
        how["lost"] = _lost(how["lost"])
    new = [gate.value(gate.spoil(MODEL, **how), _week(back)) for back in range(3)]
    rates = pd.DataFrame([gate.rejected(one, _live(back), cases) for back, one in enumerate(new)]).mean()
    loss = 1 - np.mean([one.mean() for one in new]) / np.mean([_live(back).mean() for back in range(3)])
    return {"loss": round(float(loss), 4), **rates.round(4), "cases": cases or int(np.mean([len(one) for one in new]))}


def decay(name: str, cases: int) -> dict[str, Any]:
    """Returns how far down a gate lets a model go that loses another hundredth of the households with each training.

    Thirty nights, two hundred times, each night a week of households drawn anew.
    """
    rng, size, level = np.random.default_rng(0), cases or len(_live(0)), LEVELS[name]
    sound, lost = _live(0).to_numpy(), gate.value(gate.spoil(MODEL, lost=1.0), _week(0)).to_numpy()
    at = np.zeros(200)  # part of the households that the live model has lost
    for night in range(1, NIGHTS + 1):
        rows, order = rng.integers(0, len(sound), (len(at), size)), rng.random((len(at), size))
        base, new, live = sound[rows], night * LOST, np.where(order < at[:, None], lost[rows], sound[rows])
        fresh = np.where(order < new, lost[rows], base)
        passes = gate.low(fresh - live, RULES.level) >= -RULES.margin * live.mean(1)
        if level:
            passes &= gate.low(fresh - base, level) >= -RULES.total * base.mean(1)
        at = np.where(passes, new, at)
    gone = at * (1 - lost.mean() / sound.mean())
    row = {"cases": size, "mean": gone.mean(), "worst": gone.max(), "too_far": (gone > RULES.total).mean()}
    return {key: round(float(one), 4) for key, one in row.items()}


def run(kind: str, name: str, number: float) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: See the top of this file; the rows "night" are made in one go.
        name: The fault, the model, the gate, the half of the year, or the limits.
        number: The size, for how many days, the number of cases, or the width.
    """
    makes = {
        "choice": lambda: choice(name),
        "holiday": lambda: holiday(number),
        "bells": lambda: bells(name),
        "closing": lambda: closing(int(number)),
        "by chance": lambda: by_chance(name),
        "fault": lambda: fault(name, int(number)),
        "store": lambda: store(name),
        "cost": lambda: cost(name, int(number)),
        "gate": lambda: stopped(name, int(number)),
        "decay": lambda: decay(name, int(number)),
    }
    return {"kind": kind, "name": name, "number": number, **makes[kind]()}


@cache
def _small() -> tuple[datasets.Shop, pd.DataFrame, pd.DataFrame]:
    """Returns the shop of the thirty nights, what arrived in it and its cleaned events: read once for all nights."""
    sample = datasets.sample_users(shop(), HOUSEHOLDS)
    return sample, contracts.arrivals(sample), preprocessing.clean(sample)[0]


def _bad(night: int) -> dict[str, Any]:
    """Returns what is wrong with the model of a night."""
    plan = {8: {"permuted": True}, 10: {"stale_days": 28}, 12: {"lost": _lost(0.05)}, 13: {"lost": _lost(0.02)}}
    return plan.get(night) or ({"lost": round(LOST * (night - DECAYS + 1), 2)} if night >= DECAYS else {})


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
    rows = [("choice", ", ".join(map(str, one)), 0) for one in itertools.product(ALARMS, TAILS, ABSENCES)]
    rows += [("closing", "", days_away) for days_away in (1, 2, 3)]
    rows += [("holiday", "", width) for width in HOLIDAYS]
    rows += [(kind, half, 0) for kind in ("bells", "by chance") for half in SEEDS]
    rows += [("fault", *kind) for kind in _kinds()]
    rows += [("store", due, 0) for due in DUE]
    rows += [("cost", name, days) for name in faults.FAULTS for days in UNNOTICED]
    rows += [("gate", name, cases) for name in BAD for cases in CASES]
    return [*rows, *[("decay", name, cases) for name in LEVELS for cases in CASES]]


def main() -> None:
    """Makes all rows and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--only", nargs="*", default=[], help="kinds of rows to make; default: all")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["name"], row["number"]) for row in rows}

    def keep() -> None:
        cheapest = next((row for row in rows if (row["kind"], row["name"]) == ("gate", "the same")), rows[0])
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/operations.py --out {options.out.as_posix()}",
            row="benchmarks/operations.py:run",
            cheapest={key: cheapest[key] for key in ("kind", "name", "number")},
            data=shop().fingerprint,
            seeds=list(range(10)),
        )

    for one in wanted():
        if one not in there and (not options.only or one[0] in options.only):
            began = time.process_time()
            rows.append(run(*one))
            print(rows[-1], f"{time.process_time() - began:.1f} s", flush=True)
            keep()
    keep()
    if not any(row["kind"] == "night" for row in rows) and (not options.only or "night" in options.only):
        rows += thirty_nights()
        keep()


if __name__ == "__main__":
    main()
