"""The same intent in another language: what is lost in search (notebook 15); translations are in `translation`.

Letters for shapes: Q queries, P documents.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from recsys_kit import evaluation
from recsys_kit.search import index as search_index
from recsys_kit.search import queries

__all__ = ["gap", "reranked"]


def reranked(index: search_index.Index, found: dict[str, np.ndarray], translated: np.ndarray) -> np.ndarray:
    """Runs the index's re-ranker over shortlists made by other scores; without a re-ranker the scores stay.

    Args:
        index: The index.
        found: What `index.scores` returned for the Q queries.
        translated: (Q, P) the scores to use in place of `found["translated"]`.
    """
    return search_index.reranked(index, found | {"translated": translated}) if index.rerankers else translated


def gap(value: pd.Series, asked: pd.DataFrame, by: str = "", against: str = "en", draws: int = 2000) -> pd.DataFrame:
    """Compares each language with English on the intents that both have, with paired bootstrap intervals over intents.

    Args:
        value: (Q,) a metric, rows as in `asked`.
        asked: The queries: intent_id, language and the column `by`.
        by: Compare within each value of this column, such as "kind".
        against: The language to compare with.
        draws: Bootstrap samples.

    Returns:
        One row a language (and value of `by`): intents, english, own, difference, low, high, part (own / english).
    """
    columns = ["intent_id", "language"] + ([by] if by else [])
    table = asked[columns].assign(value=np.asarray(value))
    rows = {}
    for label, part in table.groupby(by, sort=False) if by else [("", table)]:
        wide = part.pivot_table(index="intent_id", columns="language", values="value")
        for language in (name for name in queries.LANGUAGES if name != against and name in wide and against in wide):
            both = wide[[against, language]].dropna()
            if both.empty:
                continue
            low, high = evaluation.bootstrap_interval((both[language] - both[against]).to_numpy(), draws=draws)
            english, own = both[against].mean(), both[language].mean()
            row = {"intents": len(both), "english": english, "own": own, "difference": own - english}
            rows[(language, label) if by else language] = row | {"low": low, "high": high, "part": own / english}
    columns = ["intents", "english", "own", "difference", "low", "high", "part"]
    found = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    if by and len(found):
        found.index = pd.MultiIndex.from_tuples(found.index, names=["language", by])
    return found
