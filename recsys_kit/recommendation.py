"""From a trained model to lists that a shop could send: candidates, ranking, rules, reasons, export (notebook 08).

Letters for shapes: U households, N cases, B of a block, K places of a list, V items of the catalogue, W text width.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from sklearn.utils.extmath import randomized_svd

from recsys_kit import baselines, candidates, diversity, evaluation, features, ranking, reasons, report, rules
from recsys_kit.datasets import Shop
from recsys_kit.fallback import Newcomers
from recsys_kit.preprocessing import Split, Task, split_by_time
from recsys_kit.rules import Rules
from recsys_kit.tables import DataError
from recsys_kit.workspace import Workspace

__all__ = [
    "COLUMNS",
    "Model",
    "Recommender",
    "Rules",
    "build",
    "candidate_table",
    "check_path",
    "columns",
    "everybody",
    "fit",
    "labelled",
    "open_shop",
    "read_users",
    "sources",
    "text_vectors",
    "train_towers",
    "windows",
    "write",
]

COLUMNS = ("user_id", "rank", "item_id", "score", "reason")
"""The columns of every list that is written."""

RANKED = ("Transformer", "personal frequency", "user-kNN", "co-occurrence")
"""The sources whose scores the ranker reads; the others only propose."""

HISTORY = ("Transformer", "personal frequency")
"""The sources that choose among what a household bought before."""


@dataclass(frozen=True)
class Model:
    """What was learned: everything that does not depend on today.

    Attributes:
        transformer: The next-basket Transformer; None: the other sources do without.
        towers: By name, the retrievers of `recsys_kit.towers`.
        text: (V, W) text vectors of the catalogue of length 1; None if the shop has no titles.
        ranker: The boosted trees, a `lightgbm.Booster`; None before it is fitted.
    """

    transformer: Any = field(default=None, repr=False)
    towers: Mapping[str, Any] = field(default_factory=dict, repr=False)
    text: np.ndarray | None = field(default=None, repr=False)
    ranker: Any = field(default=None, repr=False)


def sources(model: Model, split: Split) -> dict[str, evaluation.Scorer]:
    """Returns the scorers that propose candidates, by name.

    Args:
        model: What was learned.
        split: Whose cases they score.
    """
    found, seq = {}, None
    if model.transformer is not None or model.towers:
        from recsys_kit import baskets, towers, training

        seq = baskets.sequences(split)
    if model.transformer is not None:
        found["Transformer"] = training.scorer(model.transformer, split, seq)
    found |= {
        "personal frequency": baselines.personal_frequency(split, decay=120, popularity_weight=0.3),
        "user-kNN": baselines.user_knn(split),
        "co-occurrence": baselines.cooccurrence(split),
    }
    for name, tower in model.towers.items():
        vectors = towers.user_vectors(tower, seq, split.test_users)
        found[name] = towers.vector_scorer(vectors, towers.item_vectors(tower))
    if model.text is not None:
        found["text"] = candidates.text_scorer(split, model.text)
    return found


def columns(table: pd.DataFrame, split: Split) -> list[str]:
    """Returns the names of what the ranker reads in a candidate table."""
    derived = [name for name in table if name.endswith(("_score", "_rank"))]
    return [*ranking.FACTS, *(ranking.PLAN if split.plan is not None else ()), *derived]


def candidate_table(
    facts, scorers: Mapping[str, evaluation.Scorer], rows: np.ndarray | None = None, old: int = 100, new: int = 40
) -> pd.DataFrame:
    """Collects candidates and everything that the ranker reads about them.

    Args:
        facts: A `ranking.Facts`.
        scorers: What `sources` returned.
        rows: Cases; all by default.
        old: Items of its own history that each source of `HISTORY` proposes for a household.
        new: Items that it never bought, from every source.

    Returns:
        One row a candidate, sorted by case.
    """
    table = candidates.collect(facts.split, scorers, old, new, HISTORY, rows)
    group = table.groupby("case", sort=False)
    for name in [name for name in RANKED if name in table]:
        own, score = name.replace(" ", "_"), table[name]
        table[f"{own}_rank"] = group[name].rank(ascending=False, method="first").astype(np.float32)
        # The Transformer's scores are log-odds, the same scale for everybody; the others' are not.
        table[f"{own}_score"] = score if name == "Transformer" else score - group[name].transform("mean")
    return facts.add(table)


def windows(task: Task, count: int, days: int = 14) -> list[Split]:
    """Returns tasks that lie before the validation weeks, for the ranker to learn from; the latest first.

    Args:
        task: The task; the windows share its catalogue and its plan.
        count: How many.
        days: Length of each.
    """
    found = []
    for number in range(1, count + 1):
        cutoff = task.validation.cutoff - pd.Timedelta(days=days * number)
        if not (task.events["timestamp"] < cutoff).any():
            break
        part = split_by_time(
            task.events, cutoff, cutoff + pd.Timedelta(days=days), min_items=task.min_items, items=task.test.items
        )
        if len(part.test_users):
            found.append(replace(part, plan=task.test.plan))
    return found


def fit(tables: Sequence[pd.DataFrame], names: Sequence[str], **settings):
    """Fits the boosted trees to labelled candidate tables, one a window.

    Args:
        tables: Tables with a column `label`.
        names: What to learn from.
        settings: As `ranking.boosting` takes them.
    """
    parts = [table.assign(list=table["case"] + 1_000_000 * number) for number, table in enumerate(tables)]
    return ranking.boosting(pd.concat(parts, ignore_index=True), names, **settings)


def build(
    workspace: Workspace,
    shop: Shop,
    task: Task,
    settings,
    train_windows: int = 2,
    trees: int = 120,
    tower_epochs: int = 3,
    seed: int = 0,
) -> Model:
    """Returns everything learned, from the workspace or built now: Transformer, towers, text vectors and ranker.

    The Transformer and the towers learn from what lies before the validation weeks; the ranker from the validation
    weeks and `train_windows` - 1 windows before them.

    Args:
        workspace: Where the parts are kept.
        shop: The shop.
        task: The task; its test answers are not looked at.
        settings: `training.Settings` of the Transformer; None: do without it, the towers and the texts.
        train_windows: Windows that the ranker learns from, the validation weeks among them.
        trees: Trees of the ranker.
        tower_epochs: Passes of each tower.
        seed: Seed of towers and ranker.
    """
    model = Model()
    if settings is not None:
        from recsys_kit import training

        model = Model(
            training.trained(workspace, shop, task, settings),
            train_towers(workspace, shop, task, tower_epochs, seed),
            text_vectors(workspace, shop, task),
        )
    address = _address(shop, task) | {"code": importlib.import_module(__name__)}
    address["params"] |= {"settings": str(settings), "windows": train_windows, "trees": trees, "seed": seed}
    address["params"] |= {"tower_epochs": tower_epochs}

    def fitted() -> dict:
        tables = [labelled(shop, split, model) for split in [task.validation, *windows(task, train_windows - 1)]]
        return {"model": fit(tables, columns(tables[0], task.test), trees=trees, seed=seed).model_to_string()}

    import lightgbm

    return replace(model, ranker=lightgbm.Booster(model_str=workspace.get("ranker", fitted, **address)["model"]))


def labelled(shop: Shop, split: Split, model: Model, **sizes) -> pd.DataFrame:
    """Returns the candidate table of a split with `label`: whether the next basket holds the item.

    Args:
        shop: The shop.
        split: A split with answers.
        model: What was learned.
        sizes: `old` and `new` of `candidate_table`.
    """
    table = candidate_table(ranking.Facts(split, shop.items, shop.timezone), sources(model, split), **sizes)
    return table.assign(label=features.labels(split, table))


def train_towers(workspace: Workspace, shop: Shop, task: Task, epochs: int = 3, seed: int = 0) -> dict[str, Any]:
    """Returns the average tower and the multi-interest tower, from the workspace or trained now."""
    from recsys_kit import baskets, towers

    groups = baskets.item_groups(shop.items, task.test.items)
    found = {}
    for name, interests in (("average tower", 1), ("multi-interest", 4)):
        address = _address(shop, task) | {"code": towers}
        address["params"] |= {"interests": interests, "epochs": epochs, "seed": seed}
        found[name] = workspace.get(
            "tower",
            lambda q=interests: towers.train(groups, task.validation, q, epochs=epochs, seed=seed),
            **address,
        )
    return found


def text_vectors(workspace: Workspace, shop: Shop, task: Task) -> np.ndarray | None:
    """Returns (V, W) vectors of the catalogue's titles of length 1; None if the shop has no titles."""
    titles = _titles(shop, task.test.items)
    if (titles == task.test.items.to_numpy()).all():
        return None
    address = _address(shop, task) | {"code": features}
    return workspace.get("text", lambda: {"vectors": features.text_embeddings(titles)}, **address)["vectors"]


def everybody(split: Split, at: pd.Timestamp | None = None, events: pd.DataFrame | None = None) -> Split:
    """Returns a split whose cases are all households, looked at in one moment: what a nightly run serves.

    Args:
        split: Gives the catalogue and the plan.
        at: The moment; None: the split's cutoff.
        events: Cleaned events to take as history, those before `at`; None: the split's own history.
    """
    history, users, at = split.history, split.users, at or split.cutoff
    if events is not None:
        past = events[events["timestamp"] < at]
        item = split.items.get_indexer(past["item_id"])
        past, item = past[item >= 0], item[item >= 0]
        users = pd.Index(np.sort(past["user_id"].unique()), name="user_id")
        user = users.get_indexer(past["user_id"])
        history = past.assign(user=user.astype(np.int32), item=item.astype(np.int32)).reset_index(drop=True)
    return replace(
        split,
        cutoff=at,
        users=users,
        history=history,
        test_users=np.arange(len(users)),
        answers=sp.csr_matrix((len(users), len(split.items)), dtype=bool),
        answer_times=pd.DatetimeIndex([at] * len(users)),
    )


class Recommender:
    """Lists for households, as many at once as you like.

    Args:
        shop: The shop.
        split: Whose cases are served; see `everybody`.
        model: What was learned; with its ranker.
        old: Items of its own history that compete for a household's list.
        new: Items that it never bought, from every source.
    """

    def __init__(self, shop: Shop, split: Split, model: Model, old: int = 100, new: int = 40):
        if model.ranker is None:
            raise ValueError("`model` must have a ranker: use `build`, or put what `fit` returned into it.")
        self.shop, self.split, self.model, self.old, self.new = shop, split, model, old, new
        self.columns = model.ranker.feature_name()
        self.sources = sources(model, split)
        self.facts = ranking.Facts(split, shop.items, shop.timezone)
        self.companions = reasons.Companions(split)
        self.newcomers = Newcomers(split, shop.users)
        self.titles = _titles(shop, split.items)
        details = shop.items.drop_duplicates("item_id").set_index("item_id").reindex(split.items)
        self.details = details.reset_index()
        kinds = details["product_type"].where(details["product_type"] != "unknown", details["category"])
        self.kinds = None if kinds.nunique() < 2 else kinds.to_numpy()
        counts = np.asarray((split.counts() > 0).sum(axis=0)).ravel()
        self.rarity = -np.log2(np.maximum(counts, 0.5) / max(1, len(split.users)))
        self.rarity = ((self.rarity - self.rarity.min()) / max(np.ptp(self.rarity), 1e-9)).astype(np.float32)
        self.space = diversity.unit(self._space())
        place = pd.Index(split.users[split.test_users])
        self.place = place

    def _space(self) -> np.ndarray:
        """Returns (V, W) what makes two items alike: their texts, or without titles who buys them."""
        if self.model.text is not None:
            return self.model.text - self.model.text.mean(0)
        counts = self.split.counts().log1p()
        _, strength, right = randomized_svd(counts, max(1, min(32, min(counts.shape) - 1)), random_state=0)
        return (right.T * strength).astype(np.float32)

    def table(self, rows: np.ndarray) -> pd.DataFrame:
        """Returns the candidates of cases (B,) with their facts and the ranker's `score`, sorted by case."""
        table = candidate_table(self.facts, self.sources, np.sort(np.asarray(rows)), self.old, self.new)
        return table.assign(score=self.model.ranker.predict(table[self.columns]).astype(np.float32))

    def recommend(
        self,
        users: Sequence[str] | None = None,
        k: int = 10,
        rules: Rules | None = None,
        diversity_weight: float = 0.0,
        novelty: float = 0.0,
        method: str = "MMR",
        allow_new: bool = False,
        block: int = 256,
        explain: bool = True,
    ) -> pd.DataFrame:
        """Recommends to households.

        Args:
            users: Their ids; None: all with a history.
            k: Length of a list.
            rules: What the shop insists on.
            diversity_weight: 0 keeps the ranker's order, 1 looks at nothing but difference within the list.
            novelty: 0 to 1, how much a rare item is preferred to a best seller.
            method: "MMR" or "DPP".
            allow_new: Whether ids that the shop does not know are new customers; otherwise they are an error.
            block: Households at a time; bounds the memory.
            explain: Whether to write reasons.

        Returns:
            `user_id`, `rank` (from 1), `item_id`, `score` and `reason`, best first; in the order of `users`. A list is
            shorter than k if rules leave nothing else.

        Raises:
            DataError: If an id is not known.
            ValueError: If an argument breaks its rule.
        """
        if k < 1:
            raise ValueError(f"`k` must be 1 or more. Received: k={k}.")
        for name, value in (("diversity_weight", diversity_weight), ("novelty", novelty)):
            if not 0 <= value <= 1:
                raise ValueError(f"`{name}` must lie in 0..1. Received: {name}={value}.")
        users = self.place if users is None else pd.Index([str(user) for user in users])
        twice = users[users.duplicated()]
        if len(twice):
            raise DataError(f"every user must be asked for once. Received twice: {', '.join(map(repr, twice[:3]))}.")
        rows = self.place.get_indexer(users)
        unknown = users[(rows < 0) & ~users.isin(self.shop.users["user_id"])]
        if len(unknown) and not allow_new:
            raise DataError(
                f"{len(unknown)} of {len(users)} users are not known to the shop: "
                f"{', '.join(map(repr, unknown[:3]))}{', ...' if len(unknown) > 3 else ''}. "
                "Say that they are new customers (allow_new, --allow-new), and they get a start."
            )
        rules = rules or Rules()
        good = rules_allowed(rules, self)
        parts = []
        known = rows[rows >= 0]
        for start in range(0, len(known), block):
            part = known[start : start + block]
            parts.append(self._known(part, k, rules, good, diversity_weight, novelty, method, explain))
        if (rows < 0).any():
            parts.append(self._unknown(users[rows < 0], k, rules, good))
        lists = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=list(COLUMNS))
        order = users.get_indexer(lists["user_id"])
        return lists.iloc[np.lexsort((lists["rank"], order))].reset_index(drop=True)

    def _known(self, rows, k, wanted, good, weight, novelty, method, explain) -> pd.DataFrame:
        table = self.table(rows)
        keep = good[table["item"].to_numpy()]
        if wanted.new_only:
            keep &= ~table["seen"].to_numpy()
        if wanted.not_again_hours:
            case, item = rules.bought_today(self.split, self.split.answer_times, wanted.not_again_hours)
            size = len(self.split.items)
            today = np.unique(case.astype(np.int64) * size + item)
            keep &= ~np.isin(table["case"].to_numpy(np.int64) * size + table["item"], today)
        table = table[keep]
        if not len(table):
            return pd.DataFrame(columns=list(COLUMNS))
        cases, items, score, index = ranking.ordered(table, table["score"].to_numpy(), max(60, 4 * k))
        value = _logit(score)
        if novelty:
            there = np.isfinite(value)
            low = np.where(there, value, np.inf).min(1, keepdims=True)
            high = np.where(there, value, -np.inf).max(1, keepdims=True)
            with np.errstate(invalid="ignore"):
                value = (1 - novelty) * (value - low) / np.maximum(high - low, 1e-9) + novelty * self.rarity[items]
            value = np.where(there, value, -np.inf)
            order = np.argsort(-value, axis=1, kind="stable")
            items, value, index = (np.take_along_axis(array, order, 1) for array in (items, value, index))
        if wanted.most:
            labels = self.details[wanted.column].to_numpy()
            stays = rules.cap(items, labels, wanted.most)
            items, value = np.where(stays, items, -1), np.where(stays, value, -np.inf)
        if weight:
            lists = diversity.rerank(items, value, self.space, k, weight, method)
            at = (items[:, None, :] == lists[:, :, None]).argmax(2)
        else:
            at = np.argsort(items < 0, axis=1, kind="stable")[:, :k]
            lists = np.take_along_axis(items, at, 1)
        case, rank = np.nonzero(lists >= 0)
        chosen = table.iloc[np.take_along_axis(index, at, 1)[case, rank]]
        frame = pd.DataFrame(
            {
                "user_id": self.place[cases[case]],
                "rank": rank + 1,
                "item_id": self.split.items[lists[case, rank]],
                "score": chosen["score"].to_numpy(),
            }
        )
        chosen = chosen.assign(user=self.split.test_users[chosen["case"]])
        frame["reason"] = reasons.sentences(chosen, self.titles, self.kinds, self.companions) if explain else ""
        return frame

    def _unknown(self, users: pd.Index, k: int, wanted: Rules, good: np.ndarray) -> pd.DataFrame:
        """Lists for households without a history: by their attributes if there are any, else what is popular."""
        known = self.shop.users.drop_duplicates("user_id").set_index("user_id")
        parts = []
        for user in users:
            attributes = known.loc[user].dropna().to_dict() if user in known.index else {}
            scores, used = self.newcomers.scores(attributes)
            order = np.argsort(-np.where(good, scores, -np.inf), kind="stable")
            order = order[good[order]]
            if wanted.most:
                order = order[rules.cap(order[None], self.details[wanted.column].to_numpy(), wanted.most)[0]]
            order = order[:k]
            reason = "popular with households like yours" if used else "popular in the last weeks"
            parts.append(
                pd.DataFrame(
                    {
                        "user_id": user,
                        "rank": np.arange(len(order)) + 1,
                        "item_id": self.split.items[order],
                        "score": scores[order],
                        "reason": reason,
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)


def rules_allowed(wanted: Rules, recommender: Recommender) -> np.ndarray:
    """Returns (V,) which items the rules let anybody have."""
    return rules.allowed(wanted, recommender.split.items, recommender.shop.items)


def open_shop(
    data: str = "", folder: str | Path = "workspace", users: int = 0, light: bool = False, say: Callable = print
) -> Recommender:
    """Returns a recommender of all that is known of a shop up to the last event, building what is missing.

    Args:
        data: Folder with your own shop; empty: The Complete Journey.
        folder: The workspace, where notebook 05 left the trained Transformer.
        users: Random sample of so many users; 0: all.
        light: Do without the Transformer and the towers: ready in seconds, and a little less good.
        say: Called with each line of progress.
    """
    from recsys_kit import datasets, preprocessing, promotions

    shop = datasets.load(data, users)
    task = preprocessing.task(shop, promotions=promotions.load(data))
    store = Workspace(folder)
    settings = None
    if not light:
        with report.quiet():
            from recsys_kit import training

        settings = training.Settings()
        there = training.run_folder(store, shop, task, settings).name.replace("training", "basket_transformer", 1)
        if not (store.folder / f"{there}.keras").exists():
            say(f"no trained model of this shop in {store.folder}: training it now, which takes minutes")
    model = build(store, shop, task, settings)
    at = task.events["timestamp"].max() + pd.Timedelta(seconds=1)
    return Recommender(shop, everybody(task.test, at, task.events), model)


def check_path(path: str | Path) -> Path:
    """Returns the path of a Parquet file that can be written; complains before anything is computed."""
    path = Path(path)
    if path.suffix != ".parquet":
        raise ValueError(f"the file must end in .parquet. Received: {path.name}")
    if not path.resolve().parent.is_dir():
        raise ValueError(f"the folder of {path} does not exist")
    return path


def write(lists: pd.DataFrame, path: str | Path) -> Path:
    """Writes lists to a Parquet file: `user_id`, `rank`, `item_id`, `score`, `reason`; whole or not at all.

    Args:
        lists: What `Recommender.recommend` returned.
        path: The file; its folder must exist.
    """
    path = check_path(path)
    types = {"user_id": "str", "rank": "int32", "item_id": "str", "score": "float32", "reason": "str"}
    part = path.with_name(f".{path.name}.part")
    lists[list(COLUMNS)].astype(types).to_parquet(part, index=False)
    part.replace(path)
    return path


def read_users(words: Collection[str]) -> list[str]:
    """Returns user ids from words: ids themselves, or a file with one id a line.

    Args:
        words: What followed `--users`.
    """
    found: list[str] = []
    for word in words:
        path = Path(word)
        if path.suffix in (".txt", ".csv") and path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            found += [line.strip() for line in lines if line.strip() and line.strip() != "user_id"]
        else:
            found.append(word)
    return list(dict.fromkeys(found))


def _address(shop: Shop, task: Task) -> dict:
    plan = task.test.plan
    params = {"cutoff": str(task.test.cutoff), "promotions": plan.fingerprint() if plan else ""}
    return {"data": shop.fingerprint, "params": params}


def _titles(shop: Shop, catalogue: pd.Index) -> np.ndarray:
    titles = shop.items.drop_duplicates("item_id").set_index("item_id")["title"].reindex(catalogue)
    return titles.fillna(pd.Series(catalogue, index=catalogue)).to_numpy()


def _logit(chance: np.ndarray) -> np.ndarray:
    """Returns log-odds; -inf stays."""
    there = np.isfinite(chance)
    chance = np.clip(np.where(there, chance, 0.5), 1e-7, 1 - 1e-7)
    return np.where(there, np.log(chance / (1 - chance)), -np.inf).astype(np.float32)
