"""Weekly demand: every forecaster at every level, from rolling origins, with the stock that its orders would hold.

    python benchmarks/demand.py --out benchmarks/results/demand.json

A row holds what one method reaches at one level: the error of the median on the origins of validation (ends of weeks 29
to 37) and test (41 to 49), what each series lost in the test, quantiles before and after stretching, and the stock
that it needs for two fill rates beside the 4-week mean. A finished row is kept in `--parts`, so work can be cut up:
`--method "boosting + plan" --seed 0` makes the rows of one method, and no results file.
"""

from __future__ import annotations

import argparse
import json
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from recsys_kit import datasets, results_file
from recsys_kit.demand import forecasts, inventory, plan, series
from recsys_kit.workspace import atomic

AHEAD, LEAD = 4, 1
FIRST, VALIDATION, TEST, ORDERS = 28, range(28, 37), range(40, 49), range(40, 51)
"""Weeks that are known at the origins: the first with a forecast, and those of each part."""
ALL = range(FIRST, 51)
SERVICE = [0.5, 0.6, 0.7, 0.8, 0.85, 0.9, 0.925, 0.95, 0.965, 0.98, 0.99, 0.995, 0.998, 0.9995]
FILL = (0.95, 0.98)
REFERENCE = "4-week mean"
SIMPLE = ("naive", REFERENCE, "plan rule")
BOOSTED = ("boosting, no plan", "boosting + plan, refitted")
NEURAL = ("Transformer + plan", "Transformer, no attention, + plan", "Transformer, no plan")
METHODS = (*SIMPLE, *BOOSTED)
"""Rows of the file; a network is made on request: `--method "Transformer + plan"`."""
LEVELS = ("category", "type", "store")
SEEDS = (0, 1, 2)


@cache
def known() -> tuple[str, series.Hierarchy, dict[int, np.ndarray]]:
    """Returns the fingerprint of the kit's own shop, its hierarchy and what the plan says at each origin."""
    shop, promotions = datasets.load(), datasets.promotions.load()
    starts = series.week_starts(shop, promotions)
    tree = series.hierarchy(series.sales(shop, starts), starts, TEST[0])
    facts = plan.facts(tree, plan.shares(promotions, tree, shop.timezone, AHEAD), range(8, ALL[-1] + 1))
    return shop.fingerprint, tree, facts


@cache
def simple(method: str, level: str) -> np.ndarray:
    """Returns (O, N, H, Q) of a simple or classic method: its errors so far make normal quantiles."""
    _, tree, facts = known()
    nodes, origins = tree.named(level), range(14, ALL[-1] + 1)
    units = tree.units[nodes]
    if method in forecasts.CLASSIC:
        points = forecasts.classic(units, origins, AHEAD, method)
    elif method == "plan rule":
        points = forecasts.plan_rule(units, origins, AHEAD, {o: facts[o][nodes] for o in origins})
    else:
        points = forecasts.moving_average(units, origins, AHEAD, {"naive": 1, REFERENCE: 4}.get(method, 8))
    return forecasts.normal_quantiles(points, units, origins)[FIRST - 14 :]


@cache
def learned(method: str, seed: int, stores: bool) -> np.ndarray:
    """Returns (O, N, H, Q) of a model over all stores' series, or over all categories and types."""
    _, tree, facts = known()
    nodes = together(stores)
    units = tree.units[nodes]
    told = None if "no plan" in method else {o: facts[o][nodes] for o in facts}
    if method in BOOSTED:
        settings = forecasts.Settings(every=4 if "refitted" in method else 12, seed=seed)
        return forecasts.boosting(units, ALL, AHEAD, told, forecasts.QUANTILES, settings)
    from recsys_kit.demand import quantile_transformer

    settings = quantile_transformer.Settings(blocks=0 if "no attention" in method else 1, seed=seed)
    parts = []
    for until, origins in ((FIRST, range(FIRST, TEST[0])), (TEST[0], range(TEST[0], ALL[-1] + 1))):
        model = quantile_transformer.train(units, until, AHEAD, told, settings).model
        parts.append(quantile_transformer.forecast(model, units, origins, AHEAD, told))
    return np.concatenate(parts)


def together(stores: bool) -> np.ndarray:
    """Returns the nodes that one model learns."""
    tree = known()[1]
    return tree.named("store") if stores else np.concatenate([tree.named("category"), tree.named("type")])


def quantiles(method: str, level: str, seed: int) -> np.ndarray:
    """Returns (O, N, H, Q) from all origins."""
    if method in SIMPLE:
        return simple(method, level)
    places = np.isin(together(level == "store"), known()[1].named(level))
    return learned(method, seed, level == "store")[:, places]


def shelves(forecast: np.ndarray, units: np.ndarray) -> list[inventory.Shelves]:
    """Returns the simulations of a forecaster's orders, one for each of `SERVICE`."""
    asked = forecasts.targets(units, ORDERS, 1)[..., 0]
    levels = [inventory.level(forecast, forecasts.QUANTILES, service, LEAD + 1) for service in SERVICE]
    return [inventory.simulate(level, asked, LEAD) for level in levels]


def judged(method: str, level: str, seed: int) -> dict:
    """Returns a row: what a method reaches at a level.

    Args:
        method: One of `METHODS`.
        level: One of `LEVELS`.
        seed: Seed of training.
    """
    _, tree, _ = known()
    units = tree.units[tree.named(level)]
    raw = quantiles(method, level, seed)
    middle, high = forecasts.QUANTILES.index(0.5), forecasts.QUANTILES.index(0.9)
    validation, test, orders = (slice(part[0] - FIRST, part[-1] + 1 - FIRST) for part in (VALIDATION, TEST, ORDERS))
    row = {"method": method, "level": level, "seed": seed}
    truth = forecasts.targets(units, VALIDATION, AHEAD)
    row["validation"] = float(forecasts.wape(raw[validation][..., middle], truth).mean())
    truth = forecasts.targets(units, TEST, AHEAD)
    lost = forecasts.wape(raw[test][..., middle], truth)
    row |= {"wape": float(lost.mean()), "wape_cases": packed(lost)}
    row["mase"] = float(forecasts.mase(raw[test][..., middle], truth, units, TEST[0]).mean())
    row["bias"] = float(np.nansum(raw[test][..., middle] - truth) / np.nansum(truth))
    row["pinball_50"] = float(forecasts.pinball(raw[test][..., middle], truth, 0.5).mean())
    by_week = [forecasts.wape(raw[test][..., [h], middle], truth[..., [h]]).mean() for h in range(AHEAD)]
    row["wape_by_week"] = [float(value) for value in by_week]
    stretched = forecasts.rolling_stretch(raw, units, ALL, TEST[0])
    for name, made in (("", raw[test]), ("_stretched", stretched[: len(TEST)])):
        lost = forecasts.pinball(made[..., high], truth, 0.9)
        row |= {f"pinball_90{name}": float(lost.mean()), f"pinball_90{name}_cases": packed(lost)}
        inside = forecasts.coverage(made[..., 0], made[..., -1], truth)
        row |= {f"coverage{name}": float(inside.mean()), f"coverage{name}_cases": packed(inside)}
    reference = shelves(simple(REFERENCE, level)[orders], units)
    for name, made in (("", raw[orders]), ("_stretched", stretched)):
        grids = {REFERENCE: reference, "this": shelves(made, units)}
        row[f"fill_at_95{name}"] = grids["this"][SERVICE.index(0.95)].fill_rate
        for fill in FILL:
            found = inventory.at_the_same_fill(grids, fill, REFERENCE).loc["this"]
            row[f"stock_{round(100 * fill)}{name}"] = [float(value) for value in found]
    return row


def packed(values: pd.Series) -> str:
    """Returns each series' number in one text, in ten-thousandths."""
    return " ".join(str(round(1e4 * value)) for value in values)


def main() -> None:
    """Reads the command line, makes the rows that are missing and writes the results file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--parts", type=Path, default=Path("workspace/demand"))
    parser.add_argument("--method", choices=(*METHODS, *NEURAL))
    parser.add_argument("--levels", choices=LEVELS, nargs="+", default=list(LEVELS))
    parser.add_argument("--seed", type=int)
    chosen = parser.parse_args()
    chosen.parts.mkdir(parents=True, exist_ok=True)
    rows = []
    wanted = [
        (method, level, seed)
        for method in (*METHODS, *NEURAL)
        for seed in (SEEDS if method in NEURAL else SEEDS[:1])
        for level in LEVELS
        if not (level == "store" and method in BOOSTED)  # an hour on a busy machine
    ]
    for method, level, seed in wanted:
        if method in NEURAL and method != chosen.method:
            continue
        if (chosen.method or method, chosen.seed or 0 if chosen.seed is not None else seed) != (method, seed):
            continue
        part = chosen.parts / f"{method} {level} {seed}.json"
        if not part.exists():
            if level not in chosen.levels:
                continue
            row = judged(method, level, seed)
            with atomic(part) as file:
                file.write_text(json.dumps(row), encoding="utf-8")
        rows.append(json.loads(part.read_text(encoding="utf-8")))
        numbers = {name: value for name, value in rows[-1].items() if isinstance(value, float)}
        print(f"{method:34} {level:8} {seed}", {name: round(value, 4) for name, value in numbers.items()}, flush=True)
    if chosen.out:
        results_file.write(
            chosen.out,
            rows,
            command="python benchmarks/demand.py --out benchmarks/results/demand.json",
            row="benchmarks/demand.py:judged",
            cheapest={"method": REFERENCE, "level": "category", "seed": 0},
            data=known()[0],
            seeds=[0],
            packages=["lightgbm"],
        )


if __name__ == "__main__":
    main()
