"""Figures of notebooks: stored small without a visible difference, and the right one as a thumbnail."""

import base64
import io

import nbformat
import numpy as np
import pytest
from PIL import Image, ImageDraw

from recsys_kit.course import figures
from recsys_kit.report import HEADLINE_MIME


def drawn(colour="#0072B2", mode="RGBA"):
    """A picture with smooth edges, as a plotting library makes it."""
    picture = Image.new("RGB", (1200, 900), "white")
    ImageDraw.Draw(picture).ellipse((90, 90, 900, 700), fill=colour, outline="black", width=9)
    return picture.resize((400, 300), Image.Resampling.LANCZOS).convert(mode)


def png(picture):
    written = io.BytesIO()
    picture.save(written, "png")
    return written.getvalue()


def notebook(*cells):
    """A notebook of cells that show something: pictures, or "headline"; a tuple is a picture and the cell's tag."""
    made = []
    for shown in cells:
        shown, *tags = shown if isinstance(shown, tuple) else (shown,)
        data = {HEADLINE_MIME: {}} if shown == "headline" else {figures.PNG: base64.b64encode(shown).decode()}
        output = nbformat.v4.new_output("display_data", data)
        made.append(nbformat.v4.new_code_cell("1", outputs=[output], metadata={"tags": tags}))
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A"), *made])


def stored(made):
    return [base64.b64decode(output.data[figures.PNG]) for _, output in figures._outputs(made)]


def pixels(content):
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(int)


def test_a_figure_is_stored_with_a_palette_and_looks_the_same():
    old = png(drawn())
    made = figures.shrink(notebook(old))
    (new,) = stored(made)
    assert len(new) < len(old) / 1.5 and Image.open(io.BytesIO(new)).mode == "P"
    assert np.abs(pixels(new) - pixels(old)).max() <= 3
    assert stored(figures.shrink(made)) == [new]


@pytest.mark.parametrize("kind", ["transparent", "a photograph"])
def test_a_figure_that_a_palette_would_change_stays_as_it_is(kind):
    picture = drawn()
    if kind == "transparent":
        picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    else:
        picture = Image.fromarray(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8))
    assert stored(figures.shrink(notebook(png(picture)))) == [png(picture)]


A, B, C = (png(drawn(colour)) for colour in ("red", "green", "blue"))


@pytest.mark.parametrize(
    ("cells", "main"),
    [
        ((A, B, "headline", C), B),
        (("headline", A, B), B),
        (((A, figures.MAIN), B, "headline"), A),
        (("headline",), None),
        ((), None),
    ],
)
def test_the_main_figure_is_the_tagged_one_else_the_last_down_to_the_headline(cells, main):
    assert figures.main_figure(notebook(*cells)) == main


def test_a_thumbnail_is_a_small_picture_in_a_page():
    address = figures.thumbnail(png(drawn().resize((1366, 694))))
    kind, _, content = address.partition(",")
    assert kind == "data:image/webp;base64" and len(content) < 12_000
    assert Image.open(io.BytesIO(base64.b64decode(content))).size == (440, 224)
