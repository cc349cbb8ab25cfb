import json
import subprocess
import sys
import threading

import nbformat
import pytest
from small_course import HEADLINE

from recsys_kit.course import notebooks, runner
from recsys_kit.course.results import Result


def texts(path):
    outputs = [output for cell in notebooks.read(path).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def test_notebooks_are_found_by_number_name_or_both(write_notebook):
    one, two = write_notebook("01_first"), write_notebook("02_second")
    assert notebooks.find(one.parent) == [one, two]
    assert notebooks.find(one.parent, ["second", "1"]) == [one, two]
    assert notebooks.find(one.parent, ["02_second.ipynb"]) == [two]


def test_an_unknown_notebook_is_refused_with_close_matches(write_notebook):
    path = write_notebook("04_transformer")
    with pytest.raises(ValueError, match=r"'transfomer'; did you mean .*transformer"):
        notebooks.find(path.parent, ["transfomer"])


def test_parameters_are_read_with_type_default_and_comment(write_notebook):
    found = notebooks.parameters(notebooks.read(write_notebook("01_first")))
    assert list(found) == ["DATA", "USERS", "WORKSPACE", "SEED", "EPOCHS"]
    assert found["EPOCHS"] == notebooks.Parameter("EPOCHS", "int", 3, "passes over the training baskets (1 or more)")


def test_a_hash_inside_a_default_is_no_comment():
    cell = nbformat.v4.new_code_cell('TAG: str = "ä#1"  # é: a tag', metadata={"tags": ["parameters"]})
    found = notebooks.parameters(nbformat.v4.new_notebook(cells=[cell]))
    assert (found["TAG"].default, found["TAG"].comment) == ("ä#1", "é: a tag")


def test_quick_cells_are_saved_together_and_all_of_them_at_the_end(write_notebook, tmp_path, monkeypatch):
    from papermill import engines

    saved = []
    monkeypatch.setattr(engines, "write_ipynb", lambda *given: (saved.append(given[1]), nbformat.write(*given)))
    sources = [f"print({number})" for number in range(20)]
    monkeypatch.setattr(runner, "_EVERY", 0.0)
    runner.execute(write_notebook("01_first", *sources, "1 / 0"), tmp_path / "each.ipynb", progress=False)
    each = len(saved)
    monkeypatch.setattr(runner, "_EVERY", 3600.0)
    result = runner.execute(tmp_path / "notebooks" / "01_first.ipynb", tmp_path / "01_first.ipynb", progress=False)
    assert each > 40 and len(saved) - each == 2  # before the first cell, and after the last
    assert texts(tmp_path / "01_first.ipynb").split() == [str(number) for number in range(20)]
    assert "ZeroDivisionError" in result.error and "1 / 0" in result.error


def test_a_failing_notebook_is_named_with_cell_and_error_and_the_others_run(write_notebook, tmp_path):
    bad = write_notebook("01_bad", "x = 0", "\n# the culprit\n1 / x", "print('never')")
    before = bad.read_bytes()
    write_notebook("02_good", HEADLINE, "print(DATA, WORKSPACE, EPOCHS)")
    lines = []
    results = runner.run(bad.parent, tmp_path / "out", parameters={"EPOCHS": "9"}, say=lines.append)
    assert [result.status for result in results] == ["failed", "ok"]
    assert results[0].error == (
        "code cell 3, which begins with\n    # the culprit\nZeroDivisionError: division by zero"
    )
    assert bad.read_bytes() == before
    assert results[1].headline["metric"] == "NDCG@10"
    assert texts(tmp_path / "out" / "02_good.ipynb").split() == [str(tmp_path / "out" / "workspace"), "9"]
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "1 of 2 notebooks ran to the end" in page and "division by zero" in page
    assert "NDCG@10 0.2500 against popularity 0.1000" in page
    for result in results:
        assert f'href="{result.name}.html"' in page and (tmp_path / "out" / f"{result.name}.html").exists()
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [result["status"] for result in data["results"]] == ["failed", "ok"]


def test_a_kernel_that_dies_names_its_cell(write_notebook, tmp_path):
    path = write_notebook("01_dead", "import os", "os._exit(1)  # as the kernel does when memory runs out")
    result = runner.execute(path, tmp_path / "dead.ipynb", progress=False)
    assert result.status == "failed"
    assert "code cell 3, which begins with\n    os._exit(1)" in result.error and "out of memory" in result.error


NATIVE = "import os, sys\nos.write(2, b'failed call to cuInit\\n')\nprint('said', file=sys.stderr)"


def test_what_a_library_writes_past_python_goes_to_a_log_and_not_between_the_lines_of_progress(
    write_notebook, tmp_path, capfd
):
    path = write_notebook("01_native", NATIVE, "import subprocess\nsubprocess.run(['echo', 'from a child'])")
    assert [result.status for result in runner.run(path.parent, tmp_path / "out")] == ["ok"]
    said = capfd.readouterr()
    assert "cuInit" not in said.out + said.err and "child" not in said.out + said.err
    log = (tmp_path / "out" / "01_native.log").read_text(encoding="utf-8")
    assert "failed call to cuInit\n" in log and "from a child\n" in log
    assert "said\n" in texts(tmp_path / "out" / "01_native.ipynb")


def test_a_kernel_that_writes_nothing_leaves_no_log(write_notebook, tmp_path):
    runner.execute(write_notebook("01_silent", "print(1)"), tmp_path / "silent.ipynb", progress=False)
    assert not (tmp_path / "silent.log").exists()


def test_an_error_of_python_stays_in_the_report_and_the_last_words_of_a_dead_kernel_too(write_notebook, tmp_path):
    folder = write_notebook("01_wrong", "1 / 0").parent
    write_notebook("02_dead", NATIVE, "os._exit(1)")
    wrong, dead = runner.run(folder, tmp_path / "out")
    assert "ZeroDivisionError: division by zero" in wrong.error
    assert dead.error.endswith("the last that it wrote:\n    failed call to cuInit")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "ZeroDivisionError: division by zero" in page and "failed call to cuInit" in page


FIGURE = """import matplotlib.pyplot as plt
from recsys_kit import plots
plots.use_style()
plt.plot([1, 2]);"""


def test_the_report_shows_the_figure_and_the_committed_result_of_each_notebook(write_notebook, tmp_path):
    path = write_notebook("01_figure", FIGURE, HEADLINE)
    (path.parent / "profiles" / "quick.yaml").write_text("all: {USERS: 300}")
    row = "| [01 · Figure](notebooks/01_figure.ipynb) | One plain sentence. | 1 | 1 GB | NDCG@10 0.3 against counting |"
    (tmp_path / "README.md").write_text(f"{row}\n", encoding="utf-8")
    runner.run(path.parent, tmp_path / "out")
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert page.count('<img src="data:image/webp') == 1
    assert "<td>NDCG@10 0.3 against counting</td>" in page and "a sample of 300 households" in page


def test_peak_memory_counts_what_the_kernel_and_its_children_hold(write_notebook, tmp_path):
    child = "import subprocess, sys\n" + (
        'subprocess.run([sys.executable, "-c", "import time; block = b\'x\' * 300_000_000; time.sleep(1)"])'
    )
    lean = runner.execute(write_notebook("01_lean", "1"), tmp_path / "lean.ipynb", progress=False)
    fat = runner.execute(write_notebook("02_fat", child), tmp_path / "fat.ipynb", progress=False)
    assert 20 < lean.peak_mb < 200
    assert fat.peak_mb > lean.peak_mb + 280


def test_after_every_notebook_there_is_a_report_also_when_interrupted(write_notebook, tmp_path, monkeypatch):
    paths = [write_notebook("01_first"), write_notebook("02_second"), write_notebook("03_third")]
    seen = []

    def fake(path, output, values, progress):
        seen.append((tmp_path / "out" / "index.html").read_text(encoding="utf-8"))
        return Result(path.stem, "ok" if path == paths[0] else "interrupted", 1.0)

    monkeypatch.setattr(runner, "execute", fake)
    results = runner.run(paths[0].parent, tmp_path / "out")
    assert [result.status for result in results] == ["ok", "interrupted", "waiting"]
    assert "0 of 3" in seen[0] and "running" in seen[0]
    assert "1 of 3" in seen[1] and "✓ ok" in seen[1]
    assert "✗ interrupted" in (tmp_path / "out" / "index.html").read_text(encoding="utf-8")


def test_stop_leaves_the_rest_unrun(write_notebook, tmp_path, monkeypatch):
    path = write_notebook("01_first")
    write_notebook("02_second")
    monkeypatch.setattr(runner, "execute", lambda path, *_, **__: Result(path.stem, "failed"))
    results = runner.run(path.parent, tmp_path / "out", keep_going=False)
    assert [result.status for result in results] == ["failed", "waiting"]


def test_nothing_runs_when_a_parameter_is_misspelt(write_notebook, tmp_path, monkeypatch):
    path = write_notebook("01_first")
    monkeypatch.setattr(runner, "execute", lambda *_, **__: pytest.fail("it ran"))
    with pytest.raises(ValueError, match="did you mean EPOCHS"):
        runner.run(path.parent, tmp_path / "out", parameters={"EPOCHES": "1"})
    assert not (tmp_path / "out").exists()


def test_no_thread_outlives_the_measurement():
    before = threading.active_count()
    with runner.PeakMemory():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells each process's part of shared pages")
def test_memory_that_two_processes_share_counts_once():
    with runner.PeakMemory(0.05) as memory:
        shared = "import os, time; a = b'1' * 200_000_000; os.fork(); time.sleep(1)"
        subprocess.run([sys.executable, "-c", shared], check=True)
    assert 200 < memory.peak_mb < 300  # MB


SKIP = "from recsys_kit import datasets\nraise datasets.NotForThisShop('of 9 customers none had bought before')"
NOTHING = 'from recsys_kit import report\nreport.headline("NDCG@10", 0.0, "popularity", 0.0)'
BORROWED = HEADLINE.replace("0.1)", "0.1, data='The Complete Journey')")


def test_a_notebook_that_is_not_for_this_shop_is_skipped_with_the_reason_and_stops_nothing(write_notebook, tmp_path):
    folder = write_notebook("01_skipped", SKIP).parent
    write_notebook("02_zero", NOTHING)
    write_notebook("03_borrowed", BORROWED)
    results = runner.run(folder, tmp_path / "out", keep_going=False)
    assert [result.status for result in results] == ["skipped", "skipped", "ok"]
    assert results[0].error == "of 9 customers none had bought before" and results[0].traceback == ""
    assert results[1].headline is None and "NDCG@10 is 0.0000 for all" in results[1].error
    page = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    assert "1 of 3 notebooks ran to the end. 2 can't show on this shop" in page
    assert "skipped: of 9 customers none had bought before" in page and "0.0000 against" not in page
    assert "NDCG@10 0.2500 against popularity 0.1000 (data: The Complete Journey)" in page
    data = json.loads((tmp_path / "out" / "results.json").read_text(encoding="utf-8"))
    assert [result["status"] for result in data["results"]] == ["skipped", "skipped", "ok"]


@pytest.mark.parametrize(
    ("value", "baseline", "higher", "nothing"),
    [(0.0, 0.0, True, True), (float("nan"), 0.1, True, True), (0.0, 0.1, True, False), (0.0, 0.0, False, False)],
)
def test_a_headline_of_two_zeros_or_of_no_case_is_no_result(
    write_notebook, tmp_path, monkeypatch, value, baseline, higher, nothing
):
    found = {"metric": "m", "value": value, "baseline": "b", "baseline_value": baseline, "higher_is_better": higher}
    monkeypatch.setattr("papermill.execute_notebook", lambda *_, **__: None)
    monkeypatch.setattr(notebooks, "headline", lambda _: found)
    path = write_notebook("01_first")
    assert (runner.execute(path, path, progress=False).status == "skipped") == nothing


def test_two_runs_into_one_folder_are_kept_apart(write_notebook, tmp_path, monkeypatch):
    path, out = write_notebook("01_first"), tmp_path / "out"

    def second(*_, **__):
        with pytest.raises(ValueError, match=r"another run writes to .*out now: wait for it"):
            runner.run(path.parent, out)
        return Result(path.stem, "ok")

    monkeypatch.setattr(runner, "execute", second)
    assert [result.status for result in runner.run(path.parent, out)] == ["ok"]
    monkeypatch.setattr(runner, "execute", lambda *_, **__: Result(path.stem, "ok"))
    assert [result.status for result in runner.run(path.parent, out)] == ["ok"]
