import re

import notebook_checks as checks

from recsys_kit.course import report_page


def test_pages_show_maths_and_pictures_and_load_nothing_from_elsewhere(write_notebook, tmp_path):
    text = (
        "# 01 · Maths\n\n$\\sigma(W[u;v])$\n\n$$\\frac{a}{b}$$\n\n![box](images/box.svg) [next](02_next.ipynb#Setup) "
    )
    text += "[code](../recsys_kit/x.py) [contents](../README.md#notebooks)\n\n```mermaid\ngraph LR; A-->B\n```"
    path = write_notebook("01_maths", "1", markdown=text)
    (path.parent / "images").mkdir()
    box = '<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"><rect width="9" height="9"/></svg>'
    (path.parent / "images" / "box.svg").write_text(box)
    (tmp_path / "out").mkdir()
    executed = tmp_path / "out" / path.name
    executed.write_bytes(path.read_bytes())
    page = report_page.render(executed, path.parent, ["01_maths", "02_next"]).read_text(encoding="utf-8")
    assert checks.loads_from_elsewhere(page) == []
    assert page.count("<math") == 2 and "<mfrac>" in page and "$" not in re.sub(r"(?s)<style.*?</style>", "", page)
    assert 'alt="box"' in page and 'src="data:image/svg+xml;base64' in page
    assert 'href="02_next.html#Setup"' in page and 'href="../recsys_kit/x.py"' in page and 'href="index.html"' in page
    assert "<title>01 · Maths</title>" in page


def test_a_formula_that_cannot_be_read_stays_as_text():
    assert report_page._mathml("\\left( a", "inline").startswith(("<code>", "<math"))
