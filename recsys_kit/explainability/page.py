"""A page that answers "why am I seeing this?": a list, and for each item a reason that was tried on the model.

It stands beside notebook 08's page; the reasons are counterfactuals (notebook 21).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import ipywidgets as widgets
import keras
import pandas as pd

from recsys_kit.explainability.attribution import Question
from recsys_kit.explainability.counterfactual import counterfactual, sentence
from recsys_kit.preprocessing import Split
from recsys_kit.training import baskets

__all__ = ["page", "why"]


def why(
    question: Question, titles: dict[str, Sequence[str]], k: int = 10, language: str = "en", most: int = 3
) -> pd.DataFrame:
    """Returns a household's list with a sentence for each item.

    Args:
        question: The household's.
        titles: For each language (V + 1,) titles by item id.
        k: Length of the list.
        language: "en" or "zh".
        most: The largest change that is tried.

    Returns:
        k rows, best first: `rank`, `item` (title), `why`.
    """
    rows = []
    for rank, item in enumerate(question.ranked(k), start=1):
        found = counterfactual(question, int(item), k, most, tries=(8, 4))
        rows.append((rank, titles[language][item], sentence(found, titles[language], language)))
    return pd.DataFrame(rows, columns=["rank", "item", "why"])


def page(
    model: keras.Model, split: Split, titles: dict[str, Sequence[str]], k: int = 5, first: int = 0
) -> widgets.Widget:
    """Builds the page.

    Args:
        model: A trained next-basket model.
        split: Whose households are shown.
        titles: For each language (V + 1,) titles by item id.
        k: Length of the list.
        first: The case shown first.

    Returns:
        A widget for a notebook or Voilà; `page.parts` names what is in it.
    """
    seq = baskets.sequences(split)
    options = [(str(split.users[user]), row) for row, user in enumerate(split.test_users)]
    parts = {
        "user": widgets.Dropdown(options=options, value=first, description="household"),
        "language": widgets.ToggleButtons(options=[("English", "en"), ("中文", "zh")]),
        "list": widgets.HTML(),
    }

    def show(_=None) -> None:
        question = Question(model, split, parts["user"].value, seq)
        table = why(question, titles, k, parts["language"].value)
        lines = "".join(f"<li><b>{escape(row.item)}</b><br>{escape(row.why)}</li>" for row in table.itertuples())
        parts["list"].value = f'<ol style="line-height:1.4">{lines}</ol>'

    for name in ("user", "language"):
        parts[name].observe(show, "value")
    show()
    box = widgets.VBox([widgets.HBox([parts["user"], parts["language"]]), parts["list"]])
    box.parts = parts
    return box
