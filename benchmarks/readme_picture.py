"""Draws the README's picture: two lists for one household of The Complete Journey.

    python benchmarks/readme_picture.py notebooks/images/first_recommendation.svg

Run it after a change of the card or of a baseline; without one the file comes out the same, byte by byte.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from recsys_kit import baselines, datasets, evaluation, preprocessing, showcase


def picture() -> str:
    """Returns the picture, an SVG as text."""
    shop = datasets.load()
    split = preprocessing.task(shop).test
    scorers = {
        "What everybody buys": baselines.popularity(split),
        "What this household buys": baselines.personal_frequency(split, decay=120),
    }
    results = {name: evaluation.evaluate(scorer, split.answers) for name, scorer in scorers.items()}
    case = showcase.typical_case(results["What this household buys"])
    lists = {
        name: showcase.recommendation_table(split, shop, scorer(np.array([case]))[0], case)
        for name, scorer in scorers.items()
    }
    means = {name: float(result["ndcg"].mean()) for name, result in results.items()}
    return showcase.recommendation_card(lists, means, split.answers.shape[0])


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(picture(), encoding="utf-8")
