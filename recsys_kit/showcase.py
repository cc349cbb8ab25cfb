"""Recommendations for people to look at: tables with titles, and a card with what was bought ticked.

The card is an SVG: it shows any script with the reader's own fonts, stays sharp, and weighs a few kilobytes.
Letters for shapes: V items of the catalogue.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from html import escape

import numpy as np
import pandas as pd
from IPython.display import HTML

from recsys_kit import evaluation
from recsys_kit.datasets.items import titles
from recsys_kit.datasets.shops import Shop
from recsys_kit.plots import COLOURS
from recsys_kit.preprocessing import Split

__all__ = ["history_table", "readable", "recommendation_card", "recommendation_table", "typical_case"]

_LIST, _GAP, _ROW, _TOP = 320, 20, 25, 96  # widths and heights in SVG units


def readable(table: pd.DataFrame, decimals: int = 2, index: bool = False) -> HTML:
    """Returns a table to look at: text on the left, few decimals, no row numbers.

    Args:
        table: The table.
        decimals: Decimals of fractions.
        index: Whether to show the index.
    """
    text = [name for name in table.columns if not pd.api.types.is_numeric_dtype(table[name])]
    left = [{"selector": "th", "props": "text-align: left"}]
    # The id comes from the content: with a random one the same table would be another file each time.
    name = hashlib.sha256(table.to_csv().encode()).hexdigest()[:8]
    style = table.style.set_uuid(name).format(precision=decimals, thousands=",", escape="html")
    style = style.set_properties(subset=text, **{"text-align": "left"}).set_table_styles(left)
    return HTML((style if index else style.hide(axis="index")).to_html())


def typical_case(result: pd.DataFrame) -> int:
    """Returns the test case whose NDCG is nearest to the mean: no showcase, and no failure.

    Args:
        result: What `evaluation.evaluate` returned.
    """
    return int((result["ndcg"] - result["ndcg"].mean()).abs().idxmin())


def history_table(split: Split, shop: Shop, case: int, k: int = 10) -> pd.DataFrame:
    """Shows what a test user bought most often before the cutoff.

    Args:
        split: The split.
        shop: The shop, for titles and local days.
        case: Row of the test case.
        k: How many items to show.

    Returns:
        The columns item_id, title, bought (baskets) and last_bought (local day), most often bought first.
    """
    own = split.history[split.history["user"] == split.test_users[case]]
    table = own.groupby("item_id").agg(bought=("basket_id", "nunique"), last_bought=("timestamp", "max"))
    table = table.sort_values(["bought", "last_bought"], ascending=False).head(k).reset_index()
    table["last_bought"] = table["last_bought"].dt.tz_convert(shop.timezone).dt.strftime("%Y-%m-%d")
    table.insert(1, "title", titles(shop.items, table["item_id"]).tolist())
    return table.set_axis(range(1, len(table) + 1))


def recommendation_table(split: Split, shop: Shop, scores: np.ndarray, case: int, k: int = 10) -> pd.DataFrame:
    """Shows a test user's list, and whether the next basket holds what it recommends.

    Args:
        split: The split.
        shop: The shop, for titles.
        scores: (V,) scores of the items for this user; -inf: not to be recommended.
        case: Row of the test case.
        k: Length of the list.

    Returns:
        The columns item_id, title, bought_before (how often) and next_basket ("✓" where it was bought), best first.
    """
    best = evaluation.top_k(np.asarray(scores)[None], k)[0]
    best = best[np.isfinite(scores[best])]
    own = split.history["item"][split.history["user"] == split.test_users[case]]
    bought = np.bincount(own, minlength=len(split.items))
    answer = split.answers[case].indices
    ids = split.items[best]
    columns = {
        "item_id": ids,
        "title": titles(shop.items, ids).tolist(),
        "bought_before": bought[best],
        "next_basket": np.where(np.isin(best, answer), "✓", ""),
    }
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(ids) + 1, name="rank"))


def recommendation_card(lists: Mapping[str, pd.DataFrame], means: Mapping[str, float], cases: int) -> str:
    """Draws lists side by side, ticks what the next basket held, and draws a bar for each method's mean.

    Args:
        lists: For each method what `recommendation_table` returned, the baseline first.
        means: For each method its mean NDCG@10 over all test cases.
        cases: Number of the test cases.

    Returns:
        The SVG as text.
    """
    rows = max(len(table) for table in lists.values())
    width = _GAP + len(lists) * (_LIST + _GAP)
    bars_top = _TOP + rows * _ROW + 48
    height = bars_top + len(means) * 28 + 14
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        'font-family="Helvetica, Arial, sans-serif" font-size="13">',
        f"<title>Recommended lists for one household: {escape(', '.join(lists))}; bought items are ticked</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        _text(_GAP, 30, "One household, two lists. ✓ = it is in the next basket.", size=17, bold=True),
        _text(_GAP, 51, "The household whose list is as good as the average household's.", colour="#444444"),
    ]
    for column, (name, table) in enumerate(lists.items()):
        left = _GAP + column * (_LIST + _GAP)
        parts.append(_text(left, _TOP - 14, f"{name}: {(table['next_basket'] != '').sum()} of {len(table)}", bold=True))
        for rank, row in enumerate(table.itertuples()):
            top = _TOP + rank * _ROW
            hit = row.next_basket != ""
            fill, edge = (COLOURS[2], COLOURS[2]) if hit else ("#888888", "#cccccc")
            parts.append(
                f'<rect x="{left}" y="{top}" width="{_LIST}" height="{_ROW - 4}" rx="4" fill="{fill}" '
                f'fill-opacity="{0.2 if hit else 0.05}" stroke="{edge}"/>'
            )
            room = 33 if hit else 36  # letters: bold ones are wider, and the sign stands behind them
            title = row.title if len(row.title) <= room else row.title[: room - 1].rstrip(" ,") + "…"
            parts.append(_text(left + 26, top + 15, str(rank + 1), colour="#666666", anchor="end"))
            parts.append(_text(left + 36, top + 15, title, bold=hit))
            if hit:
                parts.append(_text(left + _LIST - 22, top + 15, "✓", bold=True))
    parts.append(_text(_GAP, bars_top - 12, f"NDCG@10, mean over {cases:,} households", bold=True))
    longest = max(max(means.values()), 1e-9)
    for place, (name, value) in enumerate(means.items()):
        top = bars_top + place * 28
        colour = COLOURS[1] if place == 0 else COLOURS[0]
        parts.append(_text(_GAP, top + 15, name))
        length = 0.36 * width * value / longest
        parts.append(f'<rect x="{_GAP + 240}" y="{top}" width="{length:.0f}" height="20" fill="{colour}"/>')
        parts.append(_text(_GAP + 248 + length, top + 15, f"{value:.3f}", bold=True))
    return "\n".join([*parts, "</svg>", ""])


def _text(x: float, y: float, text: str, size: int = 0, bold: bool = False, colour: str = "", anchor: str = "") -> str:
    style = f' font-size="{size}"' if size else ""
    style += ' font-weight="bold"' if bold else ""
    style += f' fill="{colour}"' if colour else ""
    style += f' text-anchor="{anchor}"' if anchor else ""
    return f'<text x="{x:.0f}" y="{y:.0f}"{style}>{escape(text)}</text>'
