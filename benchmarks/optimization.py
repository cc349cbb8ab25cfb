"""What notebook 07 says of new households and of searches: several seeds, and a rival for each claim.

    python benchmarks/optimization.py --out benchmarks/results/optimization.json

Three questions. `newcomers`: what helps a household of a few baskets, and does the meta-learned step, or would more
training without the step do the same? `search`: does Optuna's sampler find more than random trials do? `next types`:
do the small models beat a count that reads the whole history, at the usual cutoff and at an earlier one?

Finished parts are kept in `--parts` (delete them when the code or notebook 05's model has changed), so the work can be
cut up:

    python benchmarks/optimization.py --question "next types" --seeds 1

With `--question`, a file that is there keeps its rows of the other questions. `--rules` prints, in a minute, what needs
no training: the counting rules, and attention over raw text vectors.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, features, optimization, preprocessing, report, results_file, workspace
from recsys_kit.datasets import promotions
from recsys_kit.optimization import cold_items, small_task, tuning

if TYPE_CHECKING:
    import keras
    import optuna

SEEDS = (0, 1, 2)
CUTOFFS = ("", "2017-11-01")
PARTS = Path("workspace/optimization")
SIZES = (1, 2, 3, 5)  # baskets that a newcomer keeps
STEPS = (0.0, 0.0003, 0.001, 0.003, 0.01, 0.03)  # of fine-tuning; 0: the start as it is
DECAYS = (30, 60, 120, 240, 480, 0)  # days; 0: nothing is forgotten
SHARPS = (16, 32, 64, 128)  # of attention over raw text vectors
TRIALS = 12
LEARNED_ON = {
    "short histories": {"epochs": 2},
    "as many batches on whole histories": {"epochs": 8, "size": 0},  # 592 batches, beside the 600 of the pieces
}

NEWCOMERS = {
    "popularity": (),
    "decayed + 0.3 popularity": ("popularity",),
    "plain Transformer": ("decayed + 0.3 popularity",),
    "as many batches on whole histories": ("plain Transformer",),
    "short histories": ("as many batches on whole histories", "plain Transformer", "decayed + 0.3 popularity"),
    "start without lessons": ("short histories",),
    "trained on without the step": ("start without lessons",),
    "fine-tuned": ("start without lessons",),
    "meta-learned": ("start without lessons", "trained on without the step", "fine-tuned", "short histories"),
}
"""What each method for new households is compared with."""

TYPES = {
    "popular kinds": (),
    "own kinds, last 32": ("popular kinds",),
    "own kinds, decayed": ("own kinds, last 32",),
    "plain": ("own kinds, decayed",),
    "regularised": ("plain", "own kinds, decayed"),
    "searched, tpe": ("plain", "own kinds, decayed"),
    "searched, random": ("searched, tpe", "own kinds, decayed"),
}
"""The methods for the next types of product, and what each is compared with."""

RULES = ("popular kinds", "own kinds, last 32", "own kinds, decayed")


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task(cutoff: str = "") -> preprocessing.Task:
    """Returns the next-basket task at a cutoff; "": the usual one."""
    return preprocessing.task(shop(), cutoff, promotions=promotions.load())


@cache
def types(cutoff: str = "") -> small_task.NextTypes:
    """Returns the small task at a cutoff."""
    return small_task.next_types(task(cutoff), shop().items)


def newcomers(parts: Path) -> pd.DataFrame:
    """Returns NDCG@10 of each newcomer (row) for each (baskets known, method), in the test weeks.

    What learns on from one plain Transformer (short histories, whole ones) is trained with several seeds. So are the
    layers on top, each with other households to learn from; all of them read the short histories of the first seed.
    """
    path = parts / "newcomers.parquet"
    if path.exists():
        found = pd.read_parquet(path)
        return found.set_axis(pd.MultiIndex.from_tuples([(int(name[0]), name[2:]) for name in found.columns]), axis=1)
    from recsys_kit.optimization import meta_learning

    plain, learned = transformers(parts)
    short = learned["short histories 0"]
    split = {"validation": optimization.newcomers.lean(task().validation)}
    split["test"] = optimization.newcomers.lean(task().test)
    counts = {name: optimization.newcomers.basket_counts(part) for name, part in split.items()}
    layers = {}
    for seed in SEEDS:
        order = np.random.default_rng(seed).permutation(np.flatnonzero(counts["validation"] > 5))
        learn, choose = np.split(order, [2 * len(order) // 3])
        lessons = meta_learning.Lessons(
            meta_learning.training_episodes(split["validation"], shop().items, learn, seed=seed), plain=short, seed=seed
        )
        start = meta_learning.train(lessons, steps=0, trust=1.0, seed=seed).model
        more = {"start": start, "learning_rate": 1e-2, "seed": seed}
        tuned = {step: meta_learning.fine_tuning(start, step) if step else start for step in STEPS}
        if not seed:  # the step is chosen once, on households that nothing was learned from
            names = {f"step {step}": model for step, model in tuned.items()}
            tried = meta_learning.compare(split["validation"], shop().items, choose[:150], (2,), names, {"": short})[2]
            steps = {step: round(float(tried[f"step {step}"]["ndcg"].mean()), 6) for step in STEPS}
            pd.Series(steps).rename_axis("step").rename("ndcg").to_csv(parts / "steps.csv")
        layers |= {
            f"start without lessons {seed}": start,
            f"trained on without the step {seed}": meta_learning.train(lessons, steps=0, **more).model,
            f"meta-learned {seed}": meta_learning.train(lessons, **more).model,
            f"fine-tuned {seed}": tuned[max((step for step in STEPS if step), key=steps.get)],
        }
    least = min(40, max(2, int(np.median(counts["test"]))))
    cases = np.flatnonzero(counts["test"] >= least)
    others = learned | {"plain Transformer": plain}  # the first is the one that the layers read
    found = meta_learning.compare(split["test"], shop().items, cases, SIZES, layers, others)
    table = pd.DataFrame({(k, name): r["ndcg"] for k, some in found.items() for name, r in some.items()}).sort_index()
    table.set_axis([f"{k} {name}" for k, name in table.columns], axis=1).to_parquet(path)
    return table


def transformers(parts: Path) -> tuple[keras.Model, dict[str, keras.Model]]:
    """Returns notebook 05's Transformer, and after learning on from short and from whole histories, with each seed."""
    import keras

    from recsys_kit import training
    from recsys_kit.optimization import short_histories

    plain = training.trained(workspace.Workspace("workspace"), shop(), task(), training.Settings(epochs=3, seed=0))
    learned = {}
    for (name, how), seed in itertools.product(LEARNED_ON.items(), SEEDS):
        file = parts / f"{name} {seed}.keras"
        if not file.exists():
            short_histories.train(plain, shop(), task(), seed=seed, **how).model.save(parts / "new.keras")
            (parts / "new.keras").replace(file)
        learned[f"{name} {seed}"] = keras.models.load_model(file, compile=False)
    return plain, learned


def searched(sampler: str, parts: Path) -> optuna.Study:
    """Returns the study of a search; it goes on where it was interrupted."""
    base = small_task.Recipe(epochs=4, patience=2)
    some = np.random.default_rng(0).permutation(len(types().users))[:800]
    file = parts / f"search-{sampler}.journal"
    return tuning.search(types(), base, file, TRIALS, 3600, some, sampler)


def decay(cutoff: str) -> float:
    """Returns the decay of the counting rule that is best on the validation weeks."""
    split, look = task(cutoff).validation, types(cutoff).validation
    found = {
        days: small_task.judge(small_task.decayed_types(types(cutoff), split, shop().items, days), look)["ndcg"].mean()
        for days in DECAYS
    }
    return max(found, key=found.get)


def next_types(method: str, cutoff: str, seed: int, parts: Path) -> dict[str, pd.Series]:
    """Returns NDCG@10 of each household in the validation and in the test weeks."""
    path = parts / f"types-{method}-{cutoff}-{seed}.json"
    if path.exists():
        return {name: pd.Series(values) for name, values in pd.read_json(path, typ="series").items()}
    data = types(cutoff)
    splits = {"validation": task(cutoff).validation, "test": task(cutoff).test}
    looks = {"validation": data.validation, "test": data.test}
    if method == "popular kinds":
        scores = {name: np.tile(small_task.popular_types(data), (len(look.cases), 1)) for name, look in looks.items()}
    elif method == "own kinds, last 32":
        scores = {name: small_task.frequent_types(data, look) for name, look in looks.items()}
    elif method == "own kinds, decayed":
        best = decay(cutoff)
        scores = {name: small_task.decayed_types(data, split, shop().items, best) for name, split in splits.items()}
    else:
        recipe = small_task.Recipe(epochs=6, patience=2, seed=seed)  # all of them stop in the same way
        if method == "regularised":
            recipe = replace(recipe, **(tuning.REGULARISERS["all of them"] | {"patience": 2}))
        elif method != "plain":  # what was found once serves at the other cutoff, too
            recipe = tuning.best_recipe(searched(method.partition(", ")[2], parts), recipe)
        model = small_task.fit(data, recipe).model
        scores = {name: small_task.score(model, look) for name, look in looks.items()}
    found = {name: small_task.judge(values, looks[name])["ndcg"] for name, values in scores.items()}
    pd.Series({name: values.round(6).tolist() for name, values in found.items()}).to_json(path)
    return found


def print_rules(parts: Path) -> None:
    """Prints what needs no training: counts of kinds at both cutoffs, and rules for items that were never sold."""
    for cutoff in CUTOFFS:
        found = {name: next_types(name, cutoff, 0, parts) for name in RULES}
        print(cutoff or "usual cutoff", {n: round(f["validation"].mean(), 4) for n, f in found.items()}, decay(cutoff))
        print(report.compare({n: f["test"] for n, f in found.items()}, RULES[-1], "NDCG@10, next types"), flush=True)
    catalogue = task().test.items
    code, texts = pd.factorize(pd.Series(cold_items.item_text(shop().items, catalogue)))
    vectors = features.text_embeddings(list(texts), None)
    table = datasets.items.look_up(shop().items, catalogue)
    kinds = pd.factorize(datasets.items.item_types(shop().items, catalogue))[0], pd.factorize(table["category"])[0]
    new = np.random.default_rng(0).random(len(code)) < 0.2  # as the notebook draws them
    for when in ("validation", "test"):
        case = cold_items.arrivals(getattr(task(), when), new)
        rules = {f"attention, sharp {n}": cold_items.untrained_attention(case, vectors, code, n) for n in SHARPS}
        rules = {"own kinds": cold_items.own_types(case, *kinds)} | rules
        judged = {}
        for name, scorer in rules.items():
            asked = lambda rows, scorer=scorer: np.where(case.new, scorer(rows), -np.inf)  # noqa: E731, B023
            judged[name] = evaluation.evaluate(asked, case.split.answers, ties="shuffled", seed=0)["ndcg"]
        print(when, report.compare(judged, "own kinds", "NDCG@10, new items"), flush=True)


def row(question: str, method: str, against: str, known: int, cutoff: str, parts: Path | None = None) -> dict:
    """Returns a row of `results/optimization.json`.

    Args:
        question: "newcomers", "step" (of fine-tuning, on validation), "search" or "next types".
        method: The method.
        against: What it is compared with; "": nothing.
        known: Baskets that are known of a newcomer; else 0.
        cutoff: First day of the test weeks; "": the usual one.
        parts: Where finished parts are kept.
    """
    parts = parts or PARTS
    parts.mkdir(parents=True, exist_ok=True)
    made = {"question": question, "method": method, "against": against, "known": known, "cutoff": cutoff}
    if question == "step":
        newcomers(parts)
        steps = pd.read_csv(parts / "steps.csv", index_col="step")["ndcg"]
        return made | {"value": float(steps[float(method)])}
    if question == "search":
        table = tuning.trials_table(searched(method, parts)).sort_index()
        return made | {"trials": table["ndcg"].round(6).tolist(), "seconds": round(float(table["seconds"].sum()), 1)}
    pair, validation = (method, against) if against else (method,), {}
    if question == "newcomers":
        table = newcomers(parts)[known]
        once = {name: [table[name]] for name in pair if name in table}
        scores = {name: once.get(name) or [table[f"{name} {seed}"] for seed in SEEDS] for name in pair}
    else:
        runs = {
            name: [next_types(name, cutoff, s, parts) for s in (SEEDS if name not in RULES else (0,))] for name in pair
        }
        scores = {name: [run["test"] for run in some] for name, some in runs.items()}
        validation = {"validation": round(float(np.mean([run["validation"].mean() for run in runs[method]])), 6)}
    found = report.compare(scores, pair[-1]).table.loc[method]
    numbers = {key: round(float(found[key]), 6) for key in ("value", "difference", "low", "high")}
    seeds = [round(value, 6) for value in found["seeds"]]
    return made | numbers | validation | {"verdict": found["verdict"], "seeds": seeds, "cases": len(scores[method][0])}


def wanted(questions: list[str]) -> Iterator[dict]:
    """Yields the arguments of all rows."""
    if "next types" in questions:
        for cutoff in CUTOFFS:
            for method, rivals in TYPES.items():
                for against in rivals or ("",):
                    yield {"question": "next types", "method": method, "against": against, "known": 0, "cutoff": cutoff}
    if "search" in questions:
        for sampler in ("tpe", "random"):
            yield {"question": "search", "method": sampler, "against": "", "known": 0, "cutoff": ""}
    if "newcomers" in questions:
        for step in STEPS:
            yield {"question": "step", "method": str(step), "against": "", "known": 2, "cutoff": ""}
        for method, rivals in NEWCOMERS.items():
            for against in rivals or ("",):
                for known in SIZES:
                    yield {"question": "newcomers", "method": method, "against": against, "known": known, "cutoff": ""}


def main() -> None:
    """Makes the parts that are asked for, and writes the results file if one is named."""
    questions = ["next types", "search", "newcomers"]
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the results file; left out: only the parts are made")
    parser.add_argument("--question", nargs="+", choices=questions, default=questions, help="make these parts only")
    parser.add_argument("--seeds", nargs="+", type=int, default=list(SEEDS), help="seeds of the parts")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where finished parts are kept")
    parser.add_argument("--rules", action="store_true", help="print what needs no training, and stop")
    options = parser.parse_args()
    options.parts.mkdir(parents=True, exist_ok=True)
    if options.rules:
        print_rules(options.parts)
        return
    if "search" in options.question:
        for sampler in ("tpe", "random"):
            print(sampler, round(searched(sampler, options.parts).best_value, 4), flush=True)
    for seed in options.seeds:
        if "next types" in options.question:
            for method in [name for name in TYPES if name not in RULES or seed == SEEDS[0]]:
                for cutoff in CUTOFFS:
                    found = next_types(method, cutoff, seed, options.parts)
                    print(method, cutoff, seed, {n: round(v.mean(), 4) for n, v in found.items()}, flush=True)
    if "newcomers" in options.question:
        print(newcomers(options.parts).mean().unstack(0).round(4).to_string(), flush=True)
    if options.out:
        rows = [row(**one, parts=options.parts) for one in wanted(options.question)]
        if options.out.exists():  # refused if other data made it
            asked = {one["question"] for one in rows}
            before = results_file.read(options.out, data=shop().fingerprint).rows
            rows += [one for one in before if one["question"] not in asked]
            place = ["next types", "search", "step", "newcomers"].index
            rows.sort(key=lambda one: place(one["question"]))  # stable: as `wanted` has them
        results_file.write(
            options.out,
            rows,
            command=f"python benchmarks/optimization.py --out {options.out.as_posix()}",
            row="benchmarks/optimization.py:row",
            cheapest={"question": "next types", "method": "popular kinds", "against": "", "known": 0, "cutoff": ""},
            data=shop().fingerprint,
            seeds=SEEDS,
        )


if __name__ == "__main__":
    main()
