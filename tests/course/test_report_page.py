import re

import notebook_checks as checks

from recsys_kit.course import notebooks, report_page
from recsys_kit.course.results import Result
from recsys_kit.datasets import shipped


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


def test_tags_inside_a_sentence_keep_what_they_hold(write_notebook, tmp_path):
    path = write_notebook(
        "01_keys", markdown='# 01 · Keys\n\nPress <kbd>Shift</kbd> and <b>*wait*</b>. <img alt="box" src="a.svg">'
    )
    (path.parent / "a.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    page = report_page.render(path, path.parent, []).read_text(encoding="utf-8")
    assert 'Press <kbd>Shift</kbd> and <b><em>wait</em></b>. <img alt="box" src="data:image/svg+xml;base64,' in page


def test_a_formula_that_cannot_be_read_stays_as_text():
    assert report_page._mathml("\\left( a", "inline").startswith(("<code>", "<math"))


def index(tmp_path, results, **about):
    told = report_page.About(**({"profile": "quick", "data": "", "started": 0.0} | about))
    return report_page.write_index(tmp_path, results, told).read_text(encoding="utf-8")


def found(value):
    return {"metric": "NDCG@10", "value": value, "baseline": "counting", "baseline_value": 0.2445}


def test_the_committed_result_stands_beside_the_quick_one_with_what_a_sample_can_tell(tmp_path):
    beside = {"06_evaluation": "NDCG@10 0.2553 against counting 0.2447"}
    page = index(tmp_path, [Result("06_evaluation", "ok", headline=found(0.2429))], users=300, committed=beside)
    assert "<td>NDCG@10 0.2429 against counting 0.2445</td><td>NDCG@10 0.2553 against counting 0.2447</td>" in page
    assert "This is a sample of 300 households." in page and "2.9 times as wide as with all 2,469, ±0.011" in page


def test_a_run_on_all_households_says_nothing_of_a_sample(tmp_path):
    page = index(tmp_path, [Result("06_evaluation", "ok")], committed={"06_evaluation": "NDCG@10 0.2553"})
    assert "a sample of" not in page and "<td>NDCG@10 0.2553</td>" in page


def test_a_shop_of_ones_own_has_no_committed_result_beside_it(tmp_path):
    page = index(tmp_path, [Result("06_evaluation", "ok")], data="shop", users=300)
    assert "Committed" not in page and "This is a sample of 300 households." in page and "2,469" not in page


def test_each_notebook_shows_its_picture_which_leads_to_its_page_and_to_the_log(tmp_path):
    for name in ("04_transformer.html", "04_transformer.log"):
        (tmp_path / name).touch()
    results = [Result("04_transformer", "ok"), Result("05_training")]
    page = index(tmp_path, results, pictures={"04_transformer": "data:image/webp;base64,AAAA"})
    assert page.count("<img") == 1
    assert '<a href="04_transformer.html"><img src="data:image/webp;base64,AAAA" alt="the main figure of' in page
    assert '<a href="04_transformer.log">log</a>' in page


def test_every_notebook_of_the_course_has_its_committed_result():
    folder = shipped.folder("notebooks")
    headlines = {path.stem: notebooks.headline(notebooks.read(path)) for path in notebooks.find(folder)}
    assert report_page.committed(folder) == {
        name: report_page.describe_headline(headline) for name, headline in headlines.items()
    }


def test_without_a_readme_there_is_nothing_committed(tmp_path):
    assert report_page.committed(tmp_path / "notebooks") == {}


def test_a_redacted_report_says_so_and_does_not_name_the_folder(tmp_path):
    page = index(tmp_path, [], data="/home/anna/shop", redacted="41 customers got numbers & all texts are gone.")
    assert "This report is redacted." in page and "41 customers got numbers &amp; all texts are gone." in page
    assert "anna" not in page + (tmp_path / "results.json").read_text(encoding="utf-8")
