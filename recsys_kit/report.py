"""What a notebook reports: a headline metric, comparisons, promises that it keeps, progress on long work."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from recsys_kit.evaluation import bootstrap_interval

__all__ = ["HEADLINE_MIME", "Comparison", "compare", "headline", "load_keras", "progress", "promise", "quiet"]

HEADLINE_MIME = "application/vnd.recsys-kit.headline+json"


def headline(
    metric: str,
    value: float,
    baseline_name: str,
    baseline_value: float,
    higher_is_better: bool = True,
    data: str = "",
    verdict: str = "",
) -> None:
    """Shows the notebook's main result beside its baseline; the run report picks it up from the output.

    Args:
        metric: What is measured, such as "NDCG@10, all items".
        value: The result.
        baseline_name: What it is compared with.
        baseline_value: The baseline's result on the same cases.
        higher_is_better: False for errors and costs.
        data: Whose data it was measured on, where that is not the shop of the run; empty: the shop's.
        verdict: What the interval of the difference says, as in `Comparison`; empty: the two values alone are compared.
    """
    from IPython.display import display

    better = (value > baseline_value) == higher_is_better and value != baseline_value
    said = f"by its interval {verdict} it" if verdict else "better" if better else "not better"
    text = f"{metric}: {value:.4f} ({baseline_name}: {baseline_value:.4f}; {said})"
    found = {"metric": metric, "value": float(value), "baseline": baseline_name}
    found |= {"baseline_value": float(baseline_value), "higher_is_better": higher_is_better}
    if verdict:
        found["verdict"] = verdict
    if data:
        text, found["data"] = f"{text}; measured on {data}, not on this shop", data
    display({HEADLINE_MIME: found, "text/plain": text}, raw=True)


@dataclass(frozen=True, repr=False)
class Comparison:
    """Methods beside the one that each is compared with. As the last line of a cell it shows itself as a table.

    Attributes:
        table: One row a method: `value`, `against` (the reference), `difference`, `low`, `high`, `verdict` ("above",
            "below" or "level with"), `seeds` (the value of each seed; one value if the method draws nothing) and
            `budget` (what it was given, in words).
        metric: What is measured, such as "NDCG@10, all items".
        margin: A method is above (below) its reference if its whole interval lies above `margin` (below minus it).
        level: Coverage of the intervals.
    """

    table: pd.DataFrame
    metric: str
    margin: float = 0.0
    level: float = 0.95

    def shown(self, digits: int = 4) -> pd.DataFrame:
        """Returns the table as it is read: rounded, the interval in one column, empty columns left out."""
        rows, table = [], self.table
        for name, row in table.iterrows():
            own, seeds = row["against"] == name, row["seeds"]
            spread = f"{len(seeds)}: {min(seeds):.{digits}f} to {max(seeds):.{digits}f}" if len(seeds) > 1 else "1"
            rows.append(
                {
                    self.metric: f"{row['value']:.{digits}f}",
                    "difference": "" if own else f"{row['difference']:+.{digits}f}",
                    f"{self.level:.0%} interval": "" if own else self._interval(row, digits),
                    "verdict": "reference" if own else f"{row['verdict']} {row['against']}",
                    "seeds": spread if len(seeds) else "",
                    "budget": row["budget"],
                }
            )
        found = pd.DataFrame(rows, index=table.index)
        return found.drop(columns=[name for name in ("seeds", "budget") if (found[name] == "").all()])

    def claim(self, method: str, digits: int = 4) -> str:
        """Returns what the table says of a method as a sentence: verdict, difference, interval."""
        row = self.table.loc[method]
        by = f", by more than {self.margin:g}" if self.margin and row["verdict"] != "level with" else ""
        numbers = f"{row['difference']:+.{digits}f} {self._interval(row, digits)}"
        return f"{method} is {row['verdict']} {row['against']}{by} ({self.metric}: {numbers})"

    def promise(self, method: str, verdict: str = "above", strict: bool = True) -> None:
        """Promises a verdict of the table: the same metric, opponent and margin in the sentence and in the test.

        Args:
            method: Row of the table.
            verdict: "above", "below" or "level with" its reference, or "not below" and "not above".
            strict: As in `promise`.
        """
        known = ("above", "below", "level with", "not below", "not above")
        if verdict not in known:
            raise ValueError(f"`verdict` must be one of {', '.join(known)}. Received: {verdict!r}.")
        row = self.table.loc[method]
        holds = row["verdict"] != verdict.removeprefix("not ") if verdict[:4] == "not " else row["verdict"] == verdict
        by = f" by more than {self.margin:g}" if self.margin else ""
        numbers = f"{row['difference']:+.4f} {self._interval(row, 4)}"
        promise(f"{method} is {verdict} {row['against']}{by} on {self.metric} ({numbers})", holds, strict)

    def figure(self, title: str = "") -> Any:
        """Draws each method's difference to its reference with its interval, the seeds as rings; returns the axes."""
        from recsys_kit import plots

        rows = self.table[self.table["against"] != self.table.index]
        shift = rows["value"] - rows["difference"]
        dots = [[seed - zero for seed in seeds] for seeds, zero in zip(rows["seeds"], shift, strict=True)]
        against = sorted(set(rows["against"]))
        zero = against[0] if len(against) == 1 else "the method that each is compared with"
        drawn = rows.assign(dots=[some if len(some) > 1 else [] for some in dots])
        return plots.intervals(drawn, title or self.metric, f"difference in {self.metric}", zero)

    def _interval(self, row: pd.Series, digits: int) -> str:
        return f"[{row['low']:+.{digits}f}, {row['high']:+.{digits}f}]"

    def _repr_html_(self) -> str:
        return self.shown().to_html()

    def __repr__(self) -> str:
        """Returns the table as text."""
        return self.shown().to_string()


def compare(
    scores: Mapping[str, pd.Series | Sequence[pd.Series]],
    against: str | Mapping[str, str],
    metric: str = "NDCG@10",
    *,
    margin: float = 0.0,
    units: Iterable | None = None,
    budget: Mapping[str, str] | None = None,
    level: float = 0.95,
    draws: int = 2000,
) -> Comparison:
    """Compares methods on the same cases: values, paired differences with intervals, verdicts, seeds and budgets.

    The interval covers the chance of who was in the test; the seeds show the chance of the training. Several seeds
    are averaged case by case first.

    Args:
        scores: For each method one number a case, such as `evaluate(...)["ndcg"]`; a list of them for several seeds (of
            one for a trained model of which there is one).
        against: The method that all are compared with, or for each method its own (a method left out: itself).
        metric: What is measured.
        margin: Differences up to this size count as none: an interval must lie beyond it.
        units: Whom each case belongs to (household, intent, campaign), in the order of the cases, if several cases
            belong to one: whole units are drawn for the interval.
        budget: What each method was given, in words, such as "60 s" or "1 of 3 settings".
        level: Coverage of the intervals.
        draws: Bootstrap samples.

    Returns:
        The comparison, methods in the order of `scores`.

    Raises:
        ValueError: If methods were judged on different cases, a value is not a number, or a reference is missing.

    Example:
        >>> found = compare({"counting": pd.Series([0.2, 0.4]), "model": pd.Series([0.3, 0.5])}, "counting")
        >>> found.claim("model", digits=1)
        'model is above counting (NDCG@10: +0.1 [+0.1, +0.1])'
    """
    runs = {name: [some] if isinstance(some, pd.Series) else list(some) for name, some in scores.items()}
    drawn = {name: not isinstance(some, pd.Series) for name, some in scores.items()}
    opponents = {name: against if isinstance(against, str) else against.get(name, name) for name in runs}
    for name, opponent in opponents.items():
        if opponent not in runs:
            raise ValueError(f"`against` must name methods ({', '.join(runs)}). Received: {opponent!r}, for {name!r}.")
    cases = next((run.index for some in runs.values() for run in some), pd.Index([]))
    for name, some in runs.items():
        if not some or not len(cases) or any(not run.index.equals(cases) for run in some):
            raise ValueError(f"all methods must be judged on the same cases, one or more; {name!r} has others.")
        if any(run.isna().any() for run in some):
            raise ValueError(f"each case must have a number; {name!r} lacks some.")
    means = {name: np.mean([run.to_numpy(float) for run in some], axis=0) for name, some in runs.items()}
    units = None if units is None else np.asarray(list(units))
    if units is not None and len(units) != len(cases):
        raise ValueError(f"`units` must hold one unit a case. Received: {len(units)} for {len(cases)} cases.")
    rows = {}
    for name, opponent in opponents.items():
        pairs = means[name] - means[opponent]
        difference, (low, high) = float(pairs.mean()), bootstrap_interval(pairs, level, draws, 0, units)
        low, high = min(low, difference), max(high, difference)  # rounding must not put it outside
        rows[name] = {
            "value": float(means[name].mean()),
            "against": opponent,
            "difference": difference,
            "low": low,
            "high": high,
            "verdict": "above" if low > margin else "below" if high < -margin else "level with",
            "seeds": [float(run.mean()) for run in runs[name]] if drawn[name] else [],
            "budget": (budget or {}).get(name, ""),
        }
    return Comparison(pd.DataFrame.from_dict(rows, orient="index").rename_axis("method"), metric, margin, level)


def promise(text: str, holds: bool, strict: bool) -> None:
    """Keeps a promise of the course, or says that it does not hold here.

    Args:
        text: The promise, in words.
        holds: Whether it holds.
        strict: True on the kit's own, whole data: there a broken promise is an error.

    Raises:
        AssertionError: If the promise is broken and `strict` is True.
    """
    if strict and not holds:
        raise AssertionError(f"promise broken: {text}")
    print(f"{'holds' if holds else 'does not hold on this data'}: {text}")


def progress(iterable: Iterable | None = None, label: str = "", total: int | None = None) -> Any:
    """Shows a progress bar that vanishes when the work is done."""
    return tqdm(iterable, desc=label, total=total, file=sys.stdout, leave=False, mininterval=0.5)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Hides what a native library writes to stderr while it starts, such as TensorFlow looking for a GPU driver.

    A Python exception still comes through. Afterwards TensorFlow logs errors only: its advice about batches of many
    lengths is not for us, ours are meant.

    Example:
        >>> with quiet():
        ...     os.write(2, b"hidden") and None
    """
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
        logging.getLogger("tensorflow").setLevel("ERROR")  # loading it sets the level, so this comes after


def load_keras() -> None:
    """Loads Keras and its backend, without what the backend says of hardware that most of us do not have."""
    with quiet():
        import keras

        keras.ops.zeros(1)  # now it has looked for a GPU
