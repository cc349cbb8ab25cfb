"""One look for all figures: readable at a glance, in print, and by colour-blind readers."""

from __future__ import annotations

import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd

__all__ = ["COLOURS", "bars", "intervals", "plain", "use_style"]

# Okabe and Ito (2008): distinguishable with every common colour vision.
COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")


def use_style() -> None:
    """Sets the look of all figures that follow; in a notebook they have twice the pixels that they are shown with."""
    mpl.rcParams.update(
        {
            "axes.prop_cycle": mpl.cycler(color=COLOURS),
            "axes.spines.right": False,
            "axes.spines.top": False,
            "axes.titlelocation": "left",
            "axes.titlesize": 11,
            "figure.dpi": 96,  # what a browser takes for an inch: text of 10 points is as large as the page's
            "figure.figsize": (7, 3.5),
            "figure.constrained_layout.use": True,
            "font.size": 10,
            "grid.alpha": 0.3,
        }
    )
    from IPython import get_ipython

    if get_ipython() is not None:
        from matplotlib_inline.backend_inline import set_matplotlib_formats

        set_matplotlib_formats("retina")


def plain(text: object) -> str:
    r"""Returns a text of a shop so that a figure shows it as it is: between two `$` matplotlib would read a formula.

    To switch formulas off for all figures (`text.parse_math`) would spoil the numbers of logarithmic axes, which are
    some.

    Example:
        >>> plain("Gift card $5 or $10")
        'Gift card \\$5 or \\$10'
    """
    return str(text).replace("$", r"\$")


def bars(values: pd.Series, title: str, label: str, highlight: str | None = None) -> plt.Axes:
    """Draws one horizontal bar a row, largest on top, with its value beside it.

    Args:
        values: One number a name (index).
        title: The finding, in words.
        label: What the axis measures.
        highlight: Name of the row to colour differently.
    """
    values = values.sort_values()
    _, axes = plt.subplots(figsize=(7, 0.6 + 0.32 * len(values)))
    colours = [COLOURS[1] if name == highlight else COLOURS[0] for name in values.index]
    drawn = axes.barh([plain(name) for name in values.index], values, color=colours)
    axes.bar_label(drawn, fmt="%.4f" if values.abs().max() < 10 else "%.1f", padding=3)  # scores; or milliseconds
    axes.margins(x=0.12)
    axes.set(title=plain(title), xlabel=plain(label))
    return axes


def intervals(table: pd.DataFrame, title: str, label: str, zero: str = "") -> plt.Axes:
    """Draws one dot with its interval a row, first row on top, beside a line at 0.

    Args:
        table: One row a name (index), with `difference`, `low` and `high`; and, if there is such a column, `dots`: a
            list of further numbers of each row, such as the seeds', drawn as small rings.
        title: The finding, in words.
        label: What the axis measures.
        zero: What the line at 0 stands for.
    """
    _, axes = plt.subplots(figsize=(7, 0.9 + 0.3 * len(table)))
    place = range(len(table))[::-1]
    axes.axvline(0, color="0.6", linewidth=1)
    axes.hlines(place, table["low"], table["high"], color=COLOURS[0], linewidth=2)
    axes.plot(table["difference"], place, "o", color=COLOURS[0])
    for row, dots in zip(place, table["dots"] if "dots" in table else [], strict=False):
        axes.plot(dots, [row] * len(dots), "o", color=COLOURS[1], markersize=4, fillstyle="none")
    axes.set_yticks(place, [plain(name) for name in table.index])
    axes.set(title=plain(title), xlabel=plain(f"{label} (0: {zero})" if zero else label))
    axes.locator_params(axis="x", nbins=6)  # signed numbers of four digits are wide
    axes.margins(y=0.15)
    return axes
