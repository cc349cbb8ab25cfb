"""Attacks on notebook 20: who was in the training of its head and its made-up baskets, and what these are good for.

    python benchmarks/privacy_attacks.py --out benchmarks/results/privacy_attacks.json

A seed parts the households: the first third is learned from, the second is the others, the third is what an attacker
has of his own. With `--add` what is there is kept.
"""

from __future__ import annotations

import argparse
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from recsys_kit import datasets, evaluation, preprocessing, results_file
from recsys_kit.baselines import boosting
from recsys_kit.privacy import differential, membership, small_head, synthetic

HEAD_SEEDS, SAMPLER_SEEDS = (0, 1, 2, 3, 4), (0, 1, 2)
HEADS = ("untrained", "plain", "private", "overfitted")
SAMPLERS = ("real", "marginal", "markov", "chain", "gan", "copies")
EPSILON, DELTA = 8.0, 1e-4
FEW, HIDDEN = 60, 64  # the overfitted head: few households, many weights
BASKETS, TESTED = 6000, 3000  # that a sampler learns from and makes; that an attack asks about
NOISE, CHAIN_EPOCHS, GAN_EPOCHS = 32, 15, 25


@cache
def shop() -> datasets.Shop:
    """Returns the kit's own shop."""
    return datasets.load()


@cache
def task() -> preprocessing.Task:
    """Returns its task."""
    return preprocessing.task(shop())


def thirds(count: int, seed: int) -> list[np.ndarray]:
    """Parts households by chance: learned from, the others, the attacker's own."""
    return np.array_split(np.random.default_rng(seed).permutation(count), 3)


@cache
def homes() -> small_head.Households:
    """Returns what the households teach a head in the validation weeks."""
    return small_head.households(list(boosting.earlier_windows(task(), 1)), shop().timezone)


def fitted(rows: np.ndarray, seed: int, noise: float = 0.0, hidden: int = 16, **settings: float) -> keras.Model:
    """Trains a head on some households."""
    keras.utils.set_random_seed(seed)
    model = small_head.build(hidden)
    return differential.fit(model, homes()[rows], noise, differential.Settings(seed=seed, **settings))


@cache
def reference(seed: int) -> np.ndarray:
    """Returns every household's loss under the head that an attacker trained on his own third."""
    return small_head.losses(fitted(thirds(len(homes()), seed)[2], seed), homes())


def head(name: str, seed: int) -> dict[str, Any]:
    """Attacks a head by its losses, with the attacker's reference and without."""
    members, others, _ = thirds(len(homes()), seed)
    if name == "overfitted":
        members = members[:FEW]
        model = fitted(members, seed, hidden=HIDDEN, steps=500, rate=1.0, clip=1e9, learning_rate=0.03)
    elif name == "untrained":  # nobody was in it: what an attack finds here is chance
        model = small_head.build()
    else:
        own = differential.Settings()
        noise = differential.noise_for(EPSILON, own.rate, own.steps, DELTA) if name == "private" else 0.0
        model = fitted(members, seed, noise)
    losses = small_head.losses(model, homes())
    plain = membership.attack(-losses[members], -losses[others])
    signal = membership.signal(losses, reference(seed))
    row = {"members": len(members), "loss": np.nanmean(losses[members]), "others": np.nanmean(losses[others])}
    return row | {"auc_plain": plain.auc} | asdict(membership.attack(signal[members], signal[others]))


@cache
def real(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Returns for each third of the households some of its baskets, and whose they are."""
    found, user, _ = synthetic.baskets(task().test, datasets.items.item_types(shop().items, task().test.items))
    rng, parts = np.random.default_rng(seed), []
    for third in thirds(user.max() + 1, seed):
        rows = rng.permutation(np.flatnonzero(np.isin(user, third)))[:BASKETS]
        parts.append((found[rows], user[rows]))
    return parts


def made(name: str, learned: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Makes as many baskets as were learned from."""
    if name in ("marginal", "markov", "copies"):
        return getattr(synthetic, name)(learned, len(learned), rng)
    if name == "chain":
        model = synthetic.chain(learned.mean(0))
        model.fit(learned, learned, batch_size=256, epochs=CHAIN_EPOCHS, verbose=0)
        return synthetic.sample(model, len(learned), rng)
    generator, model = synthetic.gan(learned.mean(0), NOISE)
    for _ in range(GAN_EPOCHS):  # other noise for the same baskets in each
        noise = rng.standard_normal((len(learned), NOISE)).astype("float32")
        model.fit([noise, learned], np.zeros(len(learned)), batch_size=128, verbose=0)
    noise = rng.standard_normal((len(learned), NOISE)).astype("float32")
    return generator.predict(noise, verbose=0, batch_size=1000)


def sampler(name: str, seed: int) -> dict[str, Any]:
    """Judges made-up baskets by what is learned from them, how like real ones they are, and whom they give away."""
    keras.utils.set_random_seed(seed)
    (learned, buyers), (others, whose), (own, _) = real(seed)
    rng = np.random.default_rng(seed)
    baskets = learned if name == "real" else made(name, learned, rng)
    baskets = baskets[baskets.sum(1) > 0]
    found = synthetic.hits(baskets, others)
    low, high = evaluation.bootstrap_interval(found, units=whose)
    off = ~np.eye(learned.shape[1], dtype=bool)
    pairs = [(one.T @ one)[off] / len(one) for one in (learned, baskets)]
    row = {"hits": found.mean(), "hits_low": low, "hits_high": high, "size": baskets.sum(1).mean()}
    row |= {"size_sd": baskets.sum(1).std(), "pairs": np.corrcoef(*pairs)[0, 1]}
    if name == "real":  # who publishes them gives everything away; there is nothing to attack
        return row
    # How near real baskets are to made-up ones, beside how near they are to the attacker's own; a household's mean.
    signals = []
    for some, users in ((learned, buyers), (others, whose)):
        near = synthetic.nearest(some[:TESTED], baskets) - synthetic.nearest(some[:TESTED], own)
        signals.append(pd.Series(near).groupby(users[:TESTED]).mean().to_numpy())
    return row | asdict(membership.attack(*signals))


def run(kind: str, name: str, seed: int) -> dict[str, Any]:
    """Returns a row of the results file.

    Args:
        kind: "head" or "sampler".
        name: Which.
        seed: Of the thirds and the training.
    """
    row = (head if kind == "head" else sampler)(name, seed)
    return {"kind": kind, "name": name, "seed": seed} | {key: round(float(value), 5) for key, value in row.items()}


def main() -> None:
    """Attacks everything and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True, help="the results file")
    parser.add_argument("--add", action="store_true", help="keep the rows that it has; make those that are missing")
    options = parser.parse_args()
    rows = results_file.read(options.out, shop().fingerprint).rows if options.add else []
    there = {(row["kind"], row["name"], row["seed"]) for row in rows}
    grid = [("head", name, seed) for seed in HEAD_SEEDS for name in HEADS]
    grid += [("sampler", name, seed) for seed in SAMPLER_SEEDS for name in SAMPLERS]
    cheapest = {"kind": "sampler", "name": "marginal", "seed": 0}
    for one in (tuple(cheapest.values()), *grid):
        if one not in there:
            there.add(one)
            rows.append(run(*one))
            print(rows[-1], flush=True)
            results_file.write(
                options.out,
                rows,
                command=f"python benchmarks/privacy_attacks.py --out {options.out.as_posix()}",
                row="benchmarks/privacy_attacks.py:run",
                cheapest=cheapest,
                data=shop().fingerprint,
                seeds=sorted({row["seed"] for row in rows}),
            )


if __name__ == "__main__":
    main()
