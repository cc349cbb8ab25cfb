"""What a language model of 135 million parameters knows of shopping, before and after it has seen the shop's baskets.

    python benchmarks/language_model.py --out benchmarks/results/language_model.json

A list to rank: the 50 best-selling product types that a household never bought. Judged on households whose next basket
holds one of them. Every method orders the same 50. `--parts` keeps what is done, and `--minutes 4` stops after so many:
called again, the script goes on. Needs the extra `large`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import scipy.sparse as sp

from recsys_kit import baselines, datasets, evaluation, preprocessing, report, results_file
from recsys_kit.datasets.items import type_names
from recsys_kit.neural import text_encoder
from recsys_kit.search import glossary

CUTOFF, CANDIDATES, RECENT, SOLD_DAYS = "2017-12-01", 50, 10, 60
TEST, VALIDATION = 160, 48  # households: judged, for the weight of the mixture
SMALL, WORDED = 40, 24  # households: for what was trained (rank 4: as many as the test), for other words
PARTS = Path("workspace/language_model")
WEIGHTS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4, 0.8, 1.6)
STEPS, EPOCHS, SEED = 30, 3, 0

WORDINGS = ("list", "sentence", "lines")
ORDERS = ("order 1", "order 2")
ADAPTED = {"rank 2": 2, "rank 4": 4, "rank 8": 8}
TOP = "top 2 blocks"
OVERFIT = "rank 8, 16 sentences"
TUNED = (*ADAPTED, TOP, OVERFIT)

POPULARITY, COUNTS, ENCODER, SEQUENCE = "popularity", "co-occurrence", "text encoder", "sequence model"
LIKELIHOOD, LIFT, MIXED = "log-likelihood", "lift", "popularity + lift"
METHODS = (POPULARITY, COUNTS, ENCODER, SEQUENCE, LIKELIHOOD, LIFT, MIXED)


@dataclass(frozen=True)
class Lists:
    """What is ranked.

    Attributes:
        names: (V,) the product types in words.
        users: (N,) positions of the households in the split.
        recent: For each household its latest types, oldest first.
        candidates: (N, 50) types.
        answers: (N, 50) whether the next basket holds them.
        counts: (V,) how many households bought each type in the last days.
    """

    names: np.ndarray
    users: np.ndarray
    recent: list[np.ndarray]
    candidates: np.ndarray
    answers: np.ndarray
    counts: np.ndarray


@cache
def task() -> preprocessing.Task:
    """Returns the kit's own shop, split."""
    return preprocessing.task(datasets.load(), CUTOFF)


@cache
def types() -> tuple[np.ndarray, np.ndarray]:
    """Returns the type of each item of the catalogue, and what the types are called in words."""
    spelt = glossary.readable(type_names(datasets.load().items, task().test.items).fillna("unknown").tolist())
    kind, names = pd.factorize(np.array(spelt, object))
    return kind, names


@cache
def lists(when: str = "test") -> Lists:
    """Returns the lists of the test (or validation) households, in a random order."""
    split, (kind, names) = getattr(task(), when), types()
    history = split.history.assign(type=kind[split.history["item"]])
    late = history[history["timestamp"] >= split.cutoff - pd.Timedelta(days=SOLD_DAYS)]
    counts = np.bincount(late.drop_duplicates(["user", "type"])["type"], minlength=len(names))
    best = np.argsort(-counts, kind="stable")
    last = history.drop_duplicates(["user", "type"], keep="last").groupby("user")["type"].agg(np.array)
    found = []
    for case in np.random.default_rng(SEED).permutation(len(split.test_users)):
        user = split.test_users[case]
        known = last.get(user, np.array([], int))
        shown = best[~np.isin(best, known)][:CANDIDATES]
        held = np.isin(shown, kind[split.answers[case].indices])
        if held.any() and len(known):
            found.append((user, known[-RECENT:], shown, held))
    users, recent, shown, held = zip(*found, strict=True)
    return Lists(names, np.array(users), list(recent), np.array(shown), np.array(held), counts)


def chosen(when: str, wanted: int) -> np.ndarray:
    """Returns the rows of the first so many households."""
    return np.arange(min(wanted, len(lists(when).users)))


def by_popularity(when: str, rows: np.ndarray) -> np.ndarray:
    """Returns the log of how many households bought each candidate lately."""
    some = lists(when)
    return np.log1p(some.counts[some.candidates[rows]])


def by_counts(when: str, rows: np.ndarray) -> np.ndarray:
    """Returns what usually follows the types of the household's last baskets."""
    some, split = lists(when), getattr(task(), when)
    kind, names = types()
    events = (split.history["user"].to_numpy(), baselines.basket_steps(split.history), kind[split.history["item"]])
    table = baselines.cooccurrence_table(*events, len(names), 3, baselines.PairWeights(to_power=0.5), None)
    recent = baselines.recent_items(*events, len(split.users), len(names), 20, 0.8)
    scores = np.asarray((recent[some.users[rows]] @ table).todense())
    return np.take_along_axis(scores, some.candidates[rows], 1)


def by_encoder(when: str, rows: np.ndarray) -> np.ndarray:
    """Returns how near each candidate's text is to those of the latest types."""
    some = lists(when)
    vectors = text_encoder.encode(some.names.tolist())
    return np.stack([vectors[some.candidates[i]] @ vectors[some.recent[i]].mean(0) for i in rows])


def by_sequence(when: str, rows: np.ndarray, parts: Path) -> np.ndarray:
    """Returns the logits of a small next-item Transformer over product types, trained on the test's history."""
    import keras

    from recsys_kit import transformer

    if when != "test":
        raise ValueError("the sequence model is trained for the test only.")
    some, split, path, longest = lists(when), task().test, parts / "sequence.weights.h5", 128
    kind, names = types()
    history = split.history.assign(type=kind[split.history["item"]] + 1)
    sequences = history.groupby("user")["type"].agg(np.array)
    model = transformer.next_item_model(len(names), longest, width=64)
    if not path.exists():
        keras.utils.set_random_seed(SEED)
        pieces = [one[i : i + longest + 1] for one in sequences for i in range(0, len(one) - 2, longest)]
        ids = keras.utils.pad_sequences(pieces, longest + 1, padding="post")
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, ignore_class=0)
        model.compile(keras.optimizers.Adam(2e-3), loss)
        model.fit(ids[:, :-1], ids[:, 1:], batch_size=64, epochs=EPOCHS, verbose=2)
        parts.mkdir(parents=True, exist_ok=True)
        model.save_weights(path)
    model.load_weights(path)
    latest = [sequences[user][-longest:] for user in some.users[rows]]
    ids = keras.utils.pad_sequences(latest, longest, padding="post")
    logits = model.predict(ids, batch_size=32, verbose=0)[np.arange(len(ids)), [len(one) - 1 for one in latest]]
    return np.take_along_axis(logits, some.candidates[rows] + 1, 1)


@cache
def language_model(tuned: str = "", parts: Path = PARTS):
    """Returns the language model with its memory, and its tokenizer; fine-tuned as asked for, from what is kept."""
    from recsys_kit.large_models import gguf_file, llama, lora

    file = gguf_file.read(gguf_file.model_path())
    model = llama.load(file)
    if tuned in ADAPTED:
        lora.load(model, parts / f"{tuned}.npz")
    elif tuned:
        model.load_weights(parts / f"{tuned}.weights.h5")
    return llama.Reader(model), gguf_file.tokenizer(file)


def asked(wording: str, when: str, wanted: int, parts: Path, until: float, tuned: str = "") -> pd.DataFrame | None:
    """Returns log-likelihood, prior and seconds of each candidate of each list; None while some are missing."""
    from recsys_kit.large_models import lm_ranker

    rows, some, folder = chosen(when, wanted), lists(when), parts / f"{tuned or 'frozen'}-{wording}-{when}"
    folder.mkdir(parents=True, exist_ok=True)
    missing = [row for row in rows if not (folder / f"{row}.csv").exists()]
    if missing and time.time() < until:
        frame = lm_ranker.FRAMES[wording if wording in WORDINGS else "list"]
        ranker = lm_ranker.LanguageModelRanker(*language_model(tuned, parts), frame)
        ranker.prior(some.names[np.unique(some.candidates[rows])].tolist())  # once for all lists
        for row in missing:
            if time.time() > until:
                return None
            began, names = time.perf_counter(), some.names[some.candidates[row]].tolist()
            recent = some.recent[row]
            if wording in ORDERS:
                recent = np.random.default_rng([int(wording[-1]), row]).permutation(recent)
            after = ranker.log_likelihood(frame.prompt(some.names[recent]), names)
            table = pd.DataFrame({"after": after, "before": ranker.prior(names)})
            table.assign(seconds=time.perf_counter() - began).to_csv(folder / f"{row}.csv", index=False)
        missing = []
    if missing:
        return None
    return pd.concat([pd.read_csv(folder / f"{row}.csv") for row in rows], keys=rows, names=["row"])


def tuned_lists(name: str) -> int:
    """Returns on how many households a fine-tuned model is judged."""
    return TEST if name == "rank 4" else SMALL


def ndcg(scores: np.ndarray, when: str, rows: np.ndarray) -> pd.Series:
    """Returns NDCG@10 of each list."""
    return evaluation.evaluate(scores, sp.csr_matrix(lists(when).answers[rows]))["ndcg"]


def table_of(found: pd.DataFrame, column: str) -> np.ndarray:
    """Returns (N, 50) numbers of `asked`."""
    return found[column].to_numpy().reshape(-1, CANDIDATES)


def lift_of(found: pd.DataFrame) -> np.ndarray:
    """Returns (N, 50) lifts."""
    return table_of(found, "after") - table_of(found, "before")


def weight(parts: Path) -> float:
    """Returns the weight of the lift beside log-popularity that is best on the validation households."""
    found = asked("list", "validation", VALIDATION, parts, 0.0)
    rows = chosen("validation", VALIDATION)
    reached = [ndcg(by_popularity("validation", rows) + w * lift_of(found), "validation", rows).mean() for w in WEIGHTS]
    return WEIGHTS[int(np.argmax(reached))]


def scored(method: str, rows: np.ndarray, parts: Path, frozen: pd.DataFrame | None) -> np.ndarray:
    """Returns (N, 50) scores of a method on the test's lists."""
    simple = {POPULARITY: by_popularity, COUNTS: by_counts, ENCODER: by_encoder}
    if method in simple:
        return simple[method]("test", rows)
    if method == SEQUENCE:
        return by_sequence("test", rows, parts)
    if method == LIKELIHOOD:
        return table_of(frozen, "after")
    return lift_of(frozen) if method == LIFT else by_popularity("test", rows) + weight(parts) * lift_of(frozen)


def row(part: str, method: str, parts: Path = PARTS) -> dict[str, object]:
    """Returns a row of the results file: a method beside popularity, or beside the frozen model, on the same lists.

    Args:
        part: "rerank", "wording" or "tuned".
        method: What is judged.
        parts: Where the finished parts lie; popularity needs none.
    """
    wanted = {"rerank": TEST, "wording": WORDED, "tuned": tuned_lists(method)}[part]
    rows, extra = chosen("test", wanted), {}
    frozen = asked("list", "test", wanted, parts, 0.0) if method != POPULARITY else None
    if part == "rerank":
        base, reference = ndcg(by_popularity("test", rows), "test", rows), POPULARITY
        began = time.perf_counter()
        own = ndcg(scored(method, rows, parts, frozen), "test", rows)
        language = method in (LIKELIHOOD, LIFT, MIXED)
        # Some lists were asked while the machine did other work: the fastest tenth tells what one costs.
        each = np.quantile(table_of(frozen, "seconds")[:, 0], 0.1) if frozen is not None else 0.0
        taken = each if language else (time.perf_counter() - began) / len(rows)
        extra = {"seconds": round(float(taken), 5)} if method != POPULARITY else {}
        extra |= {"weight": weight(parts)} if method == MIXED else {}
    else:
        base, reference = ndcg(lift_of(frozen), "test", rows), "frozen, list" if part == "wording" else "frozen"
        tuned = method if part == "tuned" else ""
        own_found = asked("list" if tuned else method, "test", wanted, parts, 0.0, tuned)
        own = ndcg(lift_of(own_found), "test", rows)
        extra = pd.read_json(parts / f"{tuned}.json", typ="series").to_dict() if tuned else {}
        extra |= {"plain": round(float(ndcg(table_of(own_found, "after"), "test", rows).mean()), 6)}
        if len(rows) > SMALL:  # what fewer lists would have said
            extra |= {"difference_of_first": round(float((own - base)[:SMALL].mean()), 6)}
    made = report.compare({reference: base, method: own}, reference).table.loc[method]
    numbers = {key: round(float(made[key]), 6) for key in ("value", "difference", "low", "high")}
    return {"part": part, "method": method, "lists": len(rows), "against": reference} | numbers | extra


@cache
def sentences(when: str) -> list[str]:
    """Returns baskets as sentences: those before the validation weeks to learn from, those within them to check on."""
    from recsys_kit.large_models import lora

    kind, names = types()
    history = task().test.history.assign(type=kind[task().test.history["item"]])
    learned = history["timestamp"] < task().validation.cutoff
    part = history[learned if when == "train" else ~learned].drop_duplicates(["user", "basket_id", "type"])
    baskets = part.groupby("basket_id")["type"].agg(lambda some: names[some.to_numpy()])
    baskets = baskets[baskets.map(len).between(4, 12)]
    return lora.sentences(baskets.sample(2000 if when == "train" else 64, random_state=SEED), seed=SEED)


def tune(name: str, parts: Path) -> None:
    """Fine-tunes the language model on baskets, and keeps what it learned, the loss before, after and on the way."""
    import json

    from recsys_kit.large_models import gguf_file, llama, lora

    file = gguf_file.read(gguf_file.model_path())
    model, words = llama.load(file), gguf_file.tokenizer(file)
    texts = sentences("train")[:16] if name == OVERFIT else sentences("train")
    before = lora.loss(model, words, sentences("validation"))
    top = name == TOP
    count = lora.train_top(model, 2) if top else lora.enable(model, 8 if name == OVERFIT else ADAPTED[name])
    began = time.perf_counter()
    settings = lora.Settings(steps=STEPS, learning_rate=2e-4 if top else 2e-3, seed=SEED)
    curve = lora.fit(model, words, texts, settings).curve
    found = {"trained": count, "share": round(count / sum(int(np.prod(w.shape)) for w in model.weights), 6)}
    found |= {"step_seconds": round((time.perf_counter() - began) / STEPS, 3), "loss_before": round(before, 4)}
    found |= {"loss_after": round(lora.loss(model, words, sentences("validation")), 4)}
    found |= {"loss_train": round(float(curve["loss"].tail(5).mean()), 4)}
    if top:
        model.save_weights(parts / f"{name}.weights.h5")
        found["kilobytes"] = round((parts / f"{name}.weights.h5").stat().st_size / 1024)
    else:
        found["kilobytes"] = round(lora.save(model, parts / f"{name}.npz") / 1024)
    (parts / f"{name}.json").write_text(json.dumps(found), encoding="utf-8")


def rows_there(parts: Path) -> Iterator[dict]:
    """Yields the rows of which everything is there."""
    there = {name: (parts / f"{name}.json").exists() for name in TUNED}
    for part, methods in (("rerank", METHODS), ("wording", (*WORDINGS[1:], *ORDERS)), ("tuned", TUNED)):
        for method in methods:
            if method == OVERFIT:
                if there[OVERFIT]:
                    found = pd.read_json(parts / f"{OVERFIT}.json", typ="series").to_dict()
                    yield {"part": part, "method": method} | found
                continue
            if method == SEQUENCE and not (parts / "sequence.weights.h5").exists():
                print("not there yet: the sequence model", flush=True)
                continue
            try:
                yield row(part, method, parts)
            except (TypeError, FileNotFoundError):  # a list that was not asked yet
                print(f"not there yet: {part}, {method}", flush=True)


def main() -> None:
    """Does what is missing, in the order of its weight, and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="the results file; left out: only the parts are made")
    parser.add_argument("--parts", type=Path, default=PARTS, help="where finished parts are kept")
    parser.add_argument("--minutes", type=float, default=1e6, help="stop after so many minutes")
    parser.add_argument("--only", nargs="+", default=[], help="of the parts: rerank, wording, or names of tunings")
    options = parser.parse_args()
    until, wanted = time.time() + 60 * options.minutes, options.only
    options.parts.mkdir(parents=True, exist_ok=True)
    if not wanted or "rerank" in wanted:
        asked("list", "test", TEST, options.parts, until)
        asked("list", "validation", VALIDATION, options.parts, until)
        if time.time() < until:
            by_sequence("test", chosen("test", TEST), options.parts)
    for name in TUNED:
        if (not wanted or name in wanted) and time.time() < until:
            if not (options.parts / f"{name}.json").exists():
                tune(name, options.parts)
            if name != OVERFIT:
                asked("list", "test", tuned_lists(name), options.parts, until, name)
    for wording in (*WORDINGS[1:], *ORDERS):
        if not wanted or "wording" in wanted:
            asked(wording, "test", WORDED, options.parts, until)
    if options.out:
        made = list(rows_there(options.parts))
        results_file.write(
            options.out,
            made,
            command=f"python benchmarks/language_model.py --out {options.out.as_posix()}",
            row="benchmarks/language_model.py:row",
            cheapest={"part": "rerank", "method": POPULARITY},
            data=datasets.load().fingerprint,
            seeds=[SEED],
        )
        print(pd.DataFrame(made).round(4).to_string(index=False))


if __name__ == "__main__":
    main()
