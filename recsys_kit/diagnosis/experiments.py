"""The experiments of a diagnosis: what counting knows, and what a sequence model adds to all of it (any shop).

Letters for shapes: U users, V items, N cases, B cases of a block.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field, replace

import numpy as np
import pandas as pd
from scipy.special import log_softmax

from recsys_kit import datasets, preprocessing
from recsys_kit.datasets import NotForThisShop, Shop
from recsys_kit.diagnosis import logit, networks, sources, verdicts
from recsys_kit.evaluation import Scorer
from recsys_kit.neural import devices
from recsys_kit.preprocessing import Split, Task

__all__ = ["Settings", "diagnose"]


@dataclass(frozen=True)
class Settings:
    """How much is computed.

    Attributes:
        users: Customers; a larger shop is sampled.
        purchases: The same, for shops with long histories.
        cases: Most cases that are judged. Where there are few customers each is asked at up to three moments.
        fitted: Most cases that weights are fitted on, at up to two moments.
        steps: Most batches of a training.
        places: Most places of sequences, all users together; the newest are kept.
        controls: Whether the twin and the network without order are trained, too; the verdict does not need them.
        parts: Shares of the customers of whom the learning curve learns.
        seed: Seed of everything random.
        without: A part of the sequence model that is left out, for an ablation; see `networks.Network`.
    """

    users: int = 3000
    purchases: int = 500_000
    cases: int = 3000
    fitted: int = 1500
    steps: int = 1200
    places: int = 120_000
    controls: bool = True
    parts: tuple[float, ...] = (0.25, 0.5)
    seed: int = 0
    without: str = ""


@dataclass
class _Bench:
    """One moment: a split with its sources and cases."""

    split: Split
    rows: np.ndarray
    families: dict[str, sources.Source] = field(default_factory=dict)


def diagnose(
    shop: Shop,
    promotions: pd.DataFrame | None = None,
    settings: Settings = Settings(),
    say: Callable[[str], object] = print,
    encode: Callable | None = None,
) -> dict:
    """Says whether a sequence model is worth it in a shop, and what carries information there.

    Counted sources are weighed by a conditional logit; small networks are added to it. All is fitted on the weeks of
    validation and judged once on the test, with intervals over customers. It takes minutes; nothing is written.

    Args:
        shop: The shop.
        promotions: Its promotion plan, see `datasets.promotions`.
        settings: How much is computed.
        say: Gets a line for each stage.
        encode: Function from titles to vectors; None: the kit's own encoder.

    Returns:
        What JSON can hold: `verdict` (its `verdict` is "worth it", "counting is enough" or "too little to say"; `gain`,
        `low`, `high`, `needed`, `first`, and the sentences `english` and `chinese`), `kind`, `scores` (NDCG@10 and
        interval of each method), `answers` (differences with intervals), `curve`, `seconds`, `notes`. Of a shop that no
        test can be made of: `shop`, `verdict` and `notes` alone.
    """
    began, notes, whole = time.perf_counter(), [], shop.events["user_id"].nunique()
    users = min(settings.users, whole * settings.purchases // max(1, len(shop.events)))
    shop = datasets.sample_users(shop, users, settings.seed)
    if users < whole:
        notes.append(f"{users:,} of {whole:,} customers were sampled; more may show more.")
    try:
        task = preprocessing.task(shop, promotions=promotions)
    except NotForThisShop as reason:
        return {"shop": shop.name, "verdict": verdicts.refused(str(reason)), "notes": notes}
    say(task.kind.sentence())
    run = _Run(shop, task, settings, encode, notes)
    with devices.one_blas_thread() if run.large else nullcontext():  # a second one mostly waits
        say("counting…")
        run.count()
        say("sequence models…")
        run.train()
        say("judging…")
        found = run.judge()
    found["seconds"]["all"] = time.perf_counter() - began
    return found


class _Run:
    """What the stages of a diagnosis hand on to each other."""

    def __init__(self, shop: Shop, task: Task, settings: Settings, encode: Callable | None, notes: list):
        self.shop, self.task, self.settings, self.notes = shop, task, settings, notes
        rng = np.random.default_rng(settings.seed)
        self.large = len(task.test.items) > networks.WHOLE
        self.valid = _moments(task, task.validation, settings.fitted, 2, rng)
        self.test = _moments(task, task.test, settings.cases, 3, rng)
        self.curved = 1 if self.large else len(self.test)  # moments of the curve
        if self.large:
            notes.append(_LARGE.format(len(task.test.items)))
        self.checked = task.validation.test_users[self.valid[0].rows[:_CHECKED]]
        self.baskets = task.kind.single < 0.5
        self.titles = self._titles(encode)
        self.seconds: dict[str, float] = {}

    def _titles(self, encode: Callable | None) -> np.ndarray | None:
        ids = self.task.test.items
        titles = datasets.items.titles(self.shop.items, ids).astype(str)
        if (titles.to_numpy() == ids.astype(str).to_numpy()).all() or titles.nunique() < 5:
            self.notes.append("Items have no titles of their own: what texts say was not asked.")
            return None
        from recsys_kit.neural import text_encoder

        return text_encoder.encode(titles.tolist(), encode, lower=True)

    def count(self, learners: np.ndarray | None = None) -> None:
        """Makes the families of counted sources, at both cutoffs."""
        began, tables, until = time.perf_counter(), None, self.task.validation.cutoff
        for bench in (*self.valid, *(self.test if learners is None else self.test[: self.curved])):
            known = None if learners is None else np.isin(bench.split.users, learners)
            tables = tables or sources.tables(bench.split, known, until)  # the same at each moment
            bench.families = sources.counting(bench.split, known, self.titles, until, tables)
        self.seconds.setdefault("counting, to build", time.perf_counter() - began)

    def train(self) -> None:
        """Trains the networks and adds each as a source: with order, its twin, without order."""
        users, benches = len(self.task.validation.users), (*self.valid, *self.test)
        newest = max(8, self.settings.places // max(1, users))
        plain, mixed = ([self._sequences(bench, newest, shuffle) for bench in benches] for shuffle in (False, True))
        sizes = np.diff(plain[0].start)
        self.length = int(np.clip(np.quantile(sizes[sizes > 0], 0.75) - 1, 2, 64))
        self.network = networks.Network(plain[0].size, self.length, True, self.settings.seed, self.settings.without)
        self.plain, trainings = plain, [("sequence model", self.network, plain)]
        if self.settings.controls:
            twin = networks.Network(plain[0].size, self.length, False, self.settings.seed)
            trainings = [("without order", self.network, mixed), ("twin", twin, plain), *trainings]
        for name, network, asked in trainings:
            self.seconds[f"{name}, to train"] = network.fit(
                asked[0], self._check, asked[0], self.settings.steps, self.checked
            )
            began = time.perf_counter()
            for bench, sequences in zip(benches, asked, strict=True):
                bench.families[name] = _source(network, sequences, bench.split)
            self.seconds[f"{name}, to serve"] = time.perf_counter() - began

    def _sequences(self, bench: _Bench, newest: int, shuffle: bool):
        return networks.sequences(bench.split, self.baskets, newest, shuffle)

    def _check(self, scorer: Scorer) -> float:
        """Returns what a training watches: the likelihood of some of validation's answers, their geometric mean."""
        first = self.valid[0]
        answers = first.split.answers[first.rows[:_CHECKED]].astype(float)
        logs = log_softmax(scorer(self.checked)[:, : answers.shape[1]], axis=1)
        return float(np.exp(answers.multiply(1 / answers.sum(axis=1)).multiply(logs).sum() / len(logs)))

    def judge(self) -> dict:
        """Fits all logits on validation, judges them once on the test, and reads the verdict off the intervals."""
        counted = tuple(name for name in self.test[0].families if name not in NETWORKS)
        timeless = tuple(name for name in counted if name not in ("follows", "time"))
        wanted = {"popularity": ("popularity",), RIVAL: counted}
        own = ("popularity", "own counts")
        wanted |= {OWN: own} | {f"own counts and {name}": (*own, name) for name in counted if name not in own}
        wanted |= {"sequence model alone": ("sequence model",), MODEL: (*counted, "sequence model")}
        compared = {}
        if self.settings.controls:
            wanted |= {"twin beside counting": (*counted, "twin")}
            wanted |= {f"order, {name}": (*timeless, name) for name in ("sequence model", "without order")}
            compared["order"] = ("order, sequence model", "order, without order")
            compared["combinations"] = (MODEL, "twin beside counting")
        for name in counted[1:]:  # popularity stays
            wanted[f"without {name}"] = tuple(other for other in counted if other != name)
            compared[name] = (RIVAL, f"without {name}")
        moments = self._fitted(wanted, len(self.test))
        scores = _of_customers(moments)
        answers = verdicts.answers(scores, compared)
        added = {"own counts": (OWN, "popularity")}
        added |= {name: (f"own counts and {name}", OWN) for name in counted if name not in own}
        first = verdicts.first(scores, added)
        found = verdicts.verdict(scores[MODEL], scores[RIVAL], first, self.seconds["sequence model, to train"])
        shown = [name for name in wanted if not name.startswith(("without", "order", "twin"))]
        return {
            "shop": self.shop.name,
            "verdict": found,
            "kind": {"sentence": self.task.kind.sentence(), **asdict(self.task.kind)},
            "customers": len(scores),
            "cases": sum(len(bench.rows) for bench in self.test),
            "scores": [{"method": name, **verdicts.mean(scores[name])} for name in shown],
            "answers": answers,
            "curve": self._curve(counted, _of_customers(moments[: self.curved])),
            "seconds": self.seconds,
            "notes": self.notes,
        }

    def _fitted(self, wanted: Mapping[str, tuple[str, ...]], count: int) -> list[pd.DataFrame]:
        """Returns scores of customers by method, for the first moments of the test."""
        used = {name for families in wanted.values() for name in families}

        def families(bench):
            return {name: source for name, source in bench.families.items() if name in used}

        asked = [(families(bench), bench.split.answers, bench.rows) for bench in self.valid]
        drawn = logit.candidates(asked, seed=self.settings.seed)
        ridge = logit.best_ridge(drawn, wanted[RIVAL])  # one for all, chosen for the rival
        logits = {name: logit.fit_logit(drawn, named, ridge) for name, named in wanted.items()}
        began, parts = time.perf_counter(), []
        for bench in self.test[:count]:
            found = logit.evaluated(families(bench), logits, bench.split.answers, bench.rows)
            parts.append(found.set_index(bench.split.users[bench.split.test_users[found.index]]))
        self.seconds.setdefault("all sources, to serve and judge", time.perf_counter() - began)
        return parts

    def _curve(self, counted: tuple[str, ...], scores: pd.DataFrame) -> list[dict]:
        """Returns what both reach where they learn from a part of the customers; all customers are asked."""
        rng, users = np.random.default_rng(self.settings.seed), self.task.test.users
        order, curve = rng.permutation(len(users)), []
        for part in self.settings.parts:
            learners = users[order[: int(part * len(users))]]
            self.count(learners)
            data = networks.sequences(
                self.task.validation,
                self.baskets,
                max(8, self.settings.places // len(users)),
                learners=np.isin(self.task.validation.users, learners),
            )
            self.network.fit(data, self._check, self.plain[0], int(part * self.settings.steps), self.checked)
            for bench, sequences in zip((*self.valid, *self.test), self.plain, strict=True):
                bench.families["sequence model"] = _source(self.network, sequences, bench.split)
            found = self._fitted({RIVAL: counted, MODEL: (*counted, "sequence model")}, self.curved)
            found = _of_customers(found)
            curve.append({"part": part, "counting": verdicts.mean(found[RIVAL]), "model": verdicts.mean(found[MODEL])})
        return [*curve, {"part": 1.0, "counting": verdicts.mean(scores[RIVAL]), "model": verdicts.mean(scores[MODEL])}]


RIVAL, MODEL = "counting, all together", "counting and sequence model"
OWN = "popularity and own counts"
_CHECKED = 400  # cases of validation that a training watches
NETWORKS = ("sequence model", "twin", "without order")
_LARGE = (
    "With {:,} items each customer is asked once for the learning curve, and a training ends when a fifth of its "
    "epochs in a row brought nothing better."
)


def _moments(task: Task, split: Split, most: int, count: int, rng: np.random.Generator) -> list[_Bench]:
    """Returns a split at one or more moments of its period, with the cases of customers who bought before.

    Of the others no method knows anything. A customer who did not come since the last moment is not asked again.
    """
    rows = np.flatnonzero(np.isin(split.test_users, split.history["user"]))
    found = [_Bench(split, np.sort(rng.permutation(rows)[:most]))]
    count = int(np.clip(most // max(1, len(rows)), 1, count))
    asked = dict(zip(split.users[split.test_users], split.answer_times, strict=True))
    for place in range(1, count):
        cutoff = (split.cutoff + place / count * (split.end - split.cutoff)).floor("D")
        if cutoff <= found[-1].split.cutoff:
            continue
        later = preprocessing.split_by_time(task.events, cutoff, split.end, min_items=task.min_items, items=split.items)
        later = replace(later, plan=split.plan)
        users = later.users[later.test_users]
        new = [asked.get(user) != when for user, when in zip(users, later.answer_times, strict=True)]
        rows = np.flatnonzero(np.isin(later.test_users, later.history["user"]) & new)
        asked |= dict(zip(users, later.answer_times, strict=True))
        if len(rows):
            found.append(_Bench(later, rows))
    return found


def _of_customers(moments: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(moments).groupby(level=0).mean()  # a customer is one case, however often asked


def _source(network: networks.Network, asked, split: Split) -> sources.Source:
    scorer, size = network.scorer(asked), len(split.items)
    return lambda rows: [log_softmax(scorer(split.test_users[rows])[:, :size], axis=1)]
