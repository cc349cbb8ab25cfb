"""The example shop with a recommender that needs no Transformer: what several test files of notebook 08 share."""

from __future__ import annotations

import dataclasses
from functools import cache
from pathlib import Path

from recsys_kit import datasets, preprocessing, recommendation

FOLDER = Path(__file__).parents[1] / "data" / "example_shop"


@cache
def shop():
    return datasets.load(str(FOLDER))


@cache
def task():
    return preprocessing.task(shop())


@cache
def tables():
    """Labelled candidates of the validation days and of one window before them."""
    splits = [task().validation, *recommendation.windows(task(), 1)]
    return [recommendation.labelled(shop(), split, recommendation.Model()) for split in splits]


@cache
def model():
    names = recommendation.columns(tables()[0], task().test)
    return dataclasses.replace(recommendation.Model(), ranker=recommendation.fit(tables(), names, trees=30, threads=1))


@cache
def recommender():
    return recommendation.Recommender(shop(), recommendation.everybody(task().test), model())
