"""A page to try recommendations on: pick a household, move two sliders, read the reasons (notebook 08, `make demo`)."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

import ipywidgets as widgets
import numpy as np
import pandas as pd

from recsys_kit.datasets import pictures
from recsys_kit.datasets.items import look_up
from recsys_kit.recommendation.recommender import Recommender
from recsys_kit.recommendation.rules import Rules

__all__ = ["history", "html_table", "item_pictures", "page"]

_STYLE = (
    "<style>.rk table{border-collapse:collapse;font-size:13px;line-height:1.35}.rk th,.rk td{text-align:left;"
    "padding:3px 10px 3px 0;border-bottom:1px solid #ddd;vertical-align:top}.rk th{color:#555;font-weight:600}"
    ".rk h4{margin:6px 0;font-size:15px}.rk img{width:28px;height:28px;object-fit:contain;vertical-align:middle}"
    ".rk .new{color:#0072B2;font-weight:600}</style>"
)


def history(recommender: Recommender, user: str, k: int = 12) -> pd.DataFrame:
    """Returns what a household bought most often: `item`, `times` and `last` (local day).

    Args:
        recommender: Whose history is shown.
        user: A user id.
        k: How many items.
    """
    table = _bought(recommender, user, k)
    return table.assign(item=recommender.titles[table["item"]])


def _bought(recommender: Recommender, user: str, k: int) -> pd.DataFrame:
    """Returns what `history` does, with places in the catalogue for titles."""
    split = recommender.split
    own = split.history[split.history["user"] == recommender.place.get_loc(user)]
    table = own.groupby("item").agg(times=("basket_id", "nunique"), last=("timestamp", "max"))
    table = table.sort_values(["times", "last"], ascending=False).head(k).reset_index()
    table["last"] = table["last"].dt.tz_convert(recommender.shop.timezone).dt.strftime("%Y-%m-%d")
    return table


def item_pictures(recommender: Recommender, data: str | Path = "") -> np.ndarray | None:
    """Returns (V,) the picture file of each item, None for an item without one; None if no item has a picture.

    The kit's own shop is drawn with its drawings of types, any other with its column `items.image`.

    Args:
        recommender: Whose catalogue is drawn.
        data: The shop's own folder, from which `image` is seen; empty: The Complete Journey.
    """
    shop = recommender.shop
    if not pictures.has_pictures(shop.items) and not shop.is_kits_own:
        return None
    drawn = look_up(pictures.with_pictures(shop).items, recommender.split.items)["image"]
    return np.array([pictures.folder(data) / name if isinstance(name, str) else None for name in drawn], dtype=object)


def html_table(
    table: pd.DataFrame, title: str, mark: pd.Series | None = None, drawn: Sequence[Path | None] | None = None
) -> str:
    """Writes a table as HTML; everything in it is escaped.

    Args:
        table: What to show.
        title: Its heading.
        mark: Rows to set off.
        drawn: A picture file for each row, None for a row without one; None: no column of pictures.

    Example:
        >>> "&lt;b&gt;" in html_table(pd.DataFrame({"item": ["<b>"]}), "List")
        True
    """
    head = ("" if drawn is None else "<th></th>") + "".join(f"<th>{escape(str(name))}</th>" for name in table.columns)
    rows = []
    for place, row in enumerate(table.itertuples(index=False)):
        style = ' class="new"' if mark is not None and bool(mark.iloc[place]) else ""
        seen = "" if drawn is None else f"<td>{_tag(drawn[place])}</td>"
        rows.append(f"<tr{style}>{seen}" + "".join(f"<td>{escape(str(value))}</td>" for value in row) + "</tr>")
    body = "".join(rows) or "<tr><td>nothing</td></tr>"
    return f'{_STYLE}<div class="rk"><h4>{escape(title)}</h4><table><tr>{head}</tr>{body}</table></div>'


def _tag(picture: Path | None) -> str:
    """Returns a picture in HTML, nothing for a file that is gone; the title stands beside it, so it has no text."""
    return "" if picture is None or not picture.is_file() else f'<img src="{pictures.data_uri(picture)}" alt="">'


def page(recommender: Recommender, user: str | None = None, k: int = 10, data: str | Path = "") -> widgets.Widget:
    """Builds the page.

    Args:
        recommender: Who recommends.
        user: The household shown first; None: the first one.
        k: Length of the list.
        data: The shop's own folder, where its pictures are; empty: The Complete Journey.

    Returns:
        A widget for a notebook or Voilà; `page.parts` names what is in it.
    """
    drawings = item_pictures(recommender, data)
    ids = [str(user) for user in recommender.place]
    wide = {"description_width": "90px"}
    parts = {
        "user": widgets.Dropdown(options=ids, value=user or ids[0], description="household", style=wide),
        "diversity": widgets.FloatSlider(0.0, min=0, max=0.9, step=0.1, description="diversity", style=wide),
        "novelty": widgets.FloatSlider(0.0, min=0, max=0.9, step=0.1, description="novelty", style=wide),
        "new_only": widgets.Checkbox(False, description="only what it never bought", indent=False),
        "history": widgets.HTML(),
        "list": widgets.HTML(),
    }
    for name in ("diversity", "novelty"):
        parts[name].continuous_update = False

    def show(_=None) -> None:
        chosen = parts["user"].value
        found = recommender.recommend(
            [chosen],
            k,
            Rules(new_only=parts["new_only"].value),
            diversity_weight=parts["diversity"].value,
            novelty=parts["novelty"].value,
        )
        place = recommender.split.items.get_indexer(found["item_id"])
        table = pd.DataFrame({"#": found["rank"], "item": recommender.titles[place], "why": found["reason"]})
        fresh = ~found["reason"].str.startswith("you b")
        title = f"Recommended to household {chosen} (new to it in colour)"
        parts["list"].value = html_table(table, title, fresh, None if drawings is None else drawings[place])

    def show_history(_=None) -> None:
        chosen = parts["user"].value
        table = _bought(recommender, chosen, 12)
        drawn = None if drawings is None else drawings[table["item"]]
        table["item"] = recommender.titles[table["item"]]
        parts["history"].value = html_table(table, f"Household {chosen} buys most often", drawn=drawn)

    parts["user"].observe(show_history, "value")
    for name in ("user", "diversity", "novelty", "new_only"):
        parts[name].observe(show, "value")
    show_history()
    show()
    controls = widgets.HBox(
        [parts["user"], parts["diversity"], parts["novelty"], parts["new_only"]],
        layout={"flex_flow": "row wrap"},
    )
    tables = widgets.HBox([parts["history"], parts["list"]], layout={"flex_flow": "row wrap", "grid_gap": "40px"})
    box = widgets.VBox([controls, tables])
    box.parts = parts
    return box
