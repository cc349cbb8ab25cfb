import matplotlib as mpl
import matplotlib.pyplot as plt
import pandas as pd
import pytest

from recsys_kit import plots


def test_bars_stand_in_order_with_one_coloured_differently():
    axes = plots.bars(pd.Series({"a": 0.1, "c": 0.3, "b": 0.2}), "c is best", "NDCG", highlight="c")
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "b", "c"]
    colours = [mpl.colors.to_hex(bar.get_facecolor(), keep_alpha=False).upper() for bar in axes.patches]
    assert colours == [plots.COLOURS[0]] * 2 + [plots.COLOURS[1]]
    assert [text.get_text() for text in axes.texts] == ["0.1000", "0.2000", "0.3000"]
    plt.close(axes.figure)


def test_large_values_are_told_without_digits_that_mean_nothing():
    axes = plots.bars(pd.Series({"a": 130.8520, "b": 0.1210}), "a is slow", "ms")
    assert [text.get_text() for text in axes.texts] == ["0.1", "130.9"]
    plt.close(axes.figure)


@pytest.mark.parametrize("text", ["$5 or $10", "a $", r"a \$ b $x$", "$$", "100 % $\\alpha$", "Tea_2^3"])
def test_a_text_with_dollars_is_drawn_as_it_is(text):
    axes = plots.bars(pd.Series({text: 0.1, "b": 0.2}), f"{text} is dear", text)
    axes.figure.draw_without_rendering()
    title = next(part for part in (axes.title, axes._left_title) if part.get_text())
    texts = [axes.get_yticklabels()[0], title, axes.xaxis.label]
    for drawn, meant in zip(texts, [text, f"{text} is dear", text], strict=True):
        assert drawn._preprocess_math(drawn.get_text()) == (meant, False)
    plt.close(axes.figure)


def test_the_style_gives_every_figure_the_same_colours():
    with mpl.rc_context():
        plots.use_style()
        assert tuple(mpl.rcParams["axes.prop_cycle"].by_key()["color"]) == plots.COLOURS


def test_figures_are_sharper_than_80_dots_an_inch():
    with mpl.rc_context():
        plots.use_style()
        assert mpl.rcParams["figure.dpi"] > 80  # and twice as many in a notebook: tests/course/test_refresh.py
