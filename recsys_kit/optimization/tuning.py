"""Choosing a model: regularisation one by one, a search that can be resumed, one look at the test (notebook 07)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_kit import report
from recsys_kit.optimization import small_task
from recsys_kit.optimization.small_task import NextTypes, Recipe

if TYPE_CHECKING:
    import optuna

__all__ = ["REGULARISERS", "ablation", "best_recipe", "look_once", "search", "suggest", "trials_table"]

REGULARISERS: dict[str, dict] = {
    "none (overfits)": {},
    "dropout": {"dropout": 0.4},
    "weight decay": {"weight_decay": 0.3},
    "label smoothing": {"smoothing": 0.2},
    "embedding noise": {"noise": 0.5},
    "early stopping": {"patience": 2},
    "all of them": {"dropout": 0.3, "weight_decay": 0.1, "smoothing": 0.1, "noise": 0.2, "patience": 3},
}
"""What each run of the ablation changes in the recipe; everything else stays."""


def ablation(
    task: NextTypes,
    recipe: Recipe,
    users: np.ndarray,
    unseen: np.ndarray,
    changes: Mapping[str, dict] = REGULARISERS,
) -> tuple[pd.DataFrame, dict[str, small_task.Result]]:
    """Trains the same model under each regulariser.

    Args:
        task: The task.
        recipe: The model without regularisation.
        users: (n,) the users that are learned from; few, so that the model can learn them by heart.
        unseen: (n,) other users, to measure the gap on.
        changes: What each run changes.

    Returns:
        One row a run: the losses on learned and unseen users when training ended, their `gap`, `ndcg` on the validation
        weeks, epochs and seconds; and the runs.
    """
    rows, runs = {}, {}
    for name, change in changes.items():
        run = small_task.fit(task, replace(recipe, **change), users, unseen=unseen)
        at = int(run.curve["ndcg"].argmax()) if change.get("patience") else len(run.curve) - 1  # the weights kept
        end = run.curve.iloc[at]
        rows[name] = {
            "loss, learned": end["loss"],
            "loss, unseen": end["unseen_loss"],
            "gap": end["unseen_loss"] - end["loss"],
            "ndcg": end["ndcg"],
            "epochs": len(run.curve),
            "seconds": run.seconds,
        }
        runs[name] = run
    return pd.DataFrame(rows).T, runs


def suggest(trial: optuna.Trial, recipe: Recipe) -> Recipe:
    """Lets a trial choose the recipe's parameters."""
    return replace(
        recipe,
        width=trial.suggest_categorical("width", [32, 48, 64]),
        dropout=trial.suggest_float("dropout", 0.0, 0.6),
        noise=trial.suggest_float("noise", 0.0, 0.5),
        smoothing=trial.suggest_float("smoothing", 0.0, 0.3),
        weight_decay=trial.suggest_float("weight_decay", 1e-3, 0.5, log=True),
        learning_rate=trial.suggest_float("learning_rate", 1e-3, 1e-2, log=True),
    )


def search(
    task: NextTypes,
    recipe: Recipe,
    file: str | Path,
    trials: int = 8,
    seconds: float = 60.0,
    users: np.ndarray | None = None,
    sampler: str = "tpe",
) -> optuna.Study:
    """Searches with Optuna until the study holds `trials` finished trials, or the time is up.

    Every trial is written to `file` when it ends. Called again, the search goes on where it stopped: after an
    interruption, or with more trials. The first trial is the recipe as it is.

    Args:
        task: The task; trials are judged on its validation weeks.
        recipe: Where the search starts, and what it leaves alone.
        file: Journal of the study; one study a data set and recipe.
        trials: How many trials the study shall hold.
        seconds: Budget of this call; a trial that has begun is finished.
        users: (n,) the users to learn from; None for all.
        sampler: "tpe" looks where good trials were; "random" does not, and is what it has to beat.
    """
    import optuna
    from optuna.storages import JournalStorage
    from optuna.storages.journal import JournalFileBackend

    if trials < 1:
        raise ValueError(f"`trials` must be at least 1. Received: trials={trials}.")
    if sampler not in ("tpe", "random"):
        raise ValueError(f"`sampler` must be 'tpe' or 'random'. Received: {sampler!r}.")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    Path(file).parent.mkdir(parents=True, exist_ok=True)
    study = optuna.create_study(
        study_name="next types",
        storage=JournalStorage(JournalFileBackend(str(file))),
        direction="maximize",
        load_if_exists=True,
    )
    finished = (optuna.trial.TrialState.COMPLETE,)
    # A sampler's own state is not stored; seeding it with the number of trials keeps a resumed search reproducible.
    seed = recipe.seed + len(study.trials)
    random = optuna.samplers.RandomSampler(seed)
    study.sampler = random if sampler == "random" else optuna.samplers.TPESampler(seed=seed, n_startup_trials=4)
    if not study.trials:
        known = ("width", "dropout", "noise", "smoothing", "learning_rate")
        first = {key: value for key, value in asdict(recipe).items() if key in known}
        study.enqueue_trial(first | {"weight_decay": max(recipe.weight_decay, 1e-3)})

    def objective(trial: optuna.Trial) -> float:
        run = small_task.fit(task, suggest(trial, recipe), users)
        trial.set_user_attr("seconds", run.seconds)
        trial.set_user_attr("epochs", int(run.curve["ndcg"].argmax()) + 1)
        return float(run.curve["ndcg"].max())

    began = time.perf_counter()
    while len(study.get_trials(deepcopy=False, states=finished)) < trials and time.perf_counter() - began < seconds:
        study.optimize(objective, n_trials=1)
    return study


def best_recipe(study: optuna.Study, recipe: Recipe) -> Recipe:
    """Returns the recipe of the best trial; what the search left alone is taken from `recipe`."""
    return replace(recipe, **study.best_trial.params)


def trials_table(study: optuna.Study) -> pd.DataFrame:
    """Returns one row a finished trial, best first: its score, what it tried, epochs and seconds."""
    rows = [
        {"trial": trial.number, "ndcg": trial.value} | trial.params | trial.user_attrs
        for trial in study.trials
        if trial.value is not None
    ]
    table = pd.DataFrame(rows, columns=None if rows else ["trial", "ndcg"])
    table = table.sort_values(["ndcg", "trial"], ascending=[False, True], ignore_index=True)
    return table.set_index("trial")


def look_once(
    task: NextTypes, candidates: Mapping[str, small_task.Result], reference: str, extra: Sequence[tuple] = ()
) -> tuple[str, pd.Series, report.Comparison]:
    """Chooses on the validation weeks, then ranks the test weeks once.

    Args:
        task: The task.
        candidates: The fitted models to choose from.
        reference: What all are compared with on the test weeks: a candidate, or one of the further ones.
        extra: Further (name, scores on validation, scores on test) to choose from, such as popularity.

    Returns:
        The chosen name, everybody's NDCG@10 on the validation weeks, best first, and the comparison on the test weeks
        in the same order.
    """
    names = [*candidates, *(name for name, *_ in extra)]
    if reference not in names:
        raise ValueError(f"`reference` must be one of {', '.join(names)}. Received: {reference!r}.")
    looks = {"validation": task.validation, "test": task.test}
    scores = {name: [small_task.score(run.model, look) for look in looks.values()] for name, run in candidates.items()}
    scores |= {name: values for name, *values in extra}
    found = {
        name: {key: small_task.judge(part, look)["ndcg"] for part, (key, look) in zip(both, looks.items(), strict=True)}
        for name, both in scores.items()
    }
    validation = pd.Series({name: values["validation"].mean() for name, values in found.items()})
    validation = validation.sort_values(ascending=False)
    test = {name: found[name]["test"] for name in validation.index}
    return str(validation.index[0]), validation, report.compare(test, reference, "NDCG@10, test weeks")
