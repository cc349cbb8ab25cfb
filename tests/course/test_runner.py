import json
import re
import threading

import nbformat
import notebook_checks as checks
import pytest
from small_course import HEADLINE, PARAMETERS

from recsys_kit.course import notebooks, profiles, refresh, report_page, runner
from recsys_kit.course.results import Result


def texts(path):
    outputs = [output for cell in notebooks.read(path).cells for output in cell.get("outputs", [])]
    return "".join(output.get("text", "") for output in outputs)


def profile(path, text, name="quick"):
    (path.parent / "profiles" / f"{name}.yaml").write_text(text, encoding="utf-8")


# Finding notebooks and their parameters


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
    assert found["EPOCHS"] == notebooks.Parameter("EPOCHS", "int", 3, "passes over the training baskets")


def test_a_hash_inside_a_default_is_no_comment():
    cell = nbformat.v4.new_code_cell('TAG: str = "ä#1"  # é: a tag', metadata={"tags": ["parameters"]})
    found = notebooks.parameters(nbformat.v4.new_notebook(cells=[cell]))
    assert (found["TAG"].default, found["TAG"].comment) == ("ä#1", "é: a tag")


# Profiles


def test_a_misspelt_parameter_in_a_profile_is_refused_with_close_matches(write_notebook):
    path = write_notebook("01_first")
    for text in ("01_first: {EPOCH: 1}", "all: {EPOCH: 1}"):
        profile(path, text)
        with pytest.raises(ValueError, match=r"quick.yaml.*'EPOCH'; did you mean EPOCHS\?"):
            profiles.values(path.parent, "quick", [path], {})


def test_a_misspelt_parameter_on_the_command_line_is_refused_with_close_matches(write_notebook):
    path = write_notebook("01_first")
    with pytest.raises(ValueError, match=r"-p: no parameter is called 'SEDE'; did you mean SEED\?"):
        profiles.values(path.parent, "quick", [path], {"SEDE": "1"})


def test_a_misspelt_notebook_in_a_profile_is_refused(write_notebook):
    path = write_notebook("01_first")
    profile(path, "01_frist: {EPOCHS: 1}")
    with pytest.raises(ValueError, match="'01_frist'; did you mean 01_first"):
        profiles.values(path.parent, "quick", [path], {})


def test_an_unknown_profile_is_refused_with_what_there_is(write_notebook):
    path = write_notebook("01_first")
    with pytest.raises(ValueError, match="no profile is called 'large'; there is: quick"):
        profiles.values(path.parent, "large", [path], {})


@pytest.mark.parametrize("text", ["three", "1.5", "true", "[1]"])
def test_a_value_of_the_wrong_type_is_refused(write_notebook, text):
    path = write_notebook("01_first")
    with pytest.raises(ValueError, match=r"01_first: `EPOCHS` must be int. Received:"):
        profiles.values(path.parent, "quick", [path], {"EPOCHS": text})


def test_the_command_line_goes_before_the_notebook_section_and_that_before_all(write_notebook):
    path = write_notebook("01_first")
    profile(path, "all: {EPOCHS: 1, USERS: 300, SEED: 1}\n01_first: {EPOCHS: 2, SEED: 2}")
    found = profiles.values(path.parent, "quick", [path], {"SEED": "7"})
    assert found[path] == {"EPOCHS": 2, "USERS": 300, "SEED": 7}


def test_values_for_all_go_only_to_notebooks_that_have_the_parameter(write_notebook):
    one = write_notebook("01_first")
    two = write_notebook("02_second", parameters="USERS: int = 0  # sample")
    profile(one, "all: {EPOCHS: 1}")
    assert profiles.values(one.parent, "quick", [one, two], {}) == {one: {"EPOCHS": 1}, two: {}}


def test_a_date_in_a_profile_stays_text(write_notebook):
    path = write_notebook("01_first", parameters='CUTOFF: str = ""  # first day')
    profile(path, "all: {CUTOFF: 2017-12-01}")
    assert profiles.values(path.parent, "quick", [path], {})[path] == {"CUTOFF": "2017-12-01"}


# Running


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


# Pages


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


# Keeping committed notebooks up to date


def test_refresh_executes_in_place_and_twice_gives_the_same_file(write_notebook):
    path = write_notebook(
        "01_first", "from recsys_kit import report", "for _ in report.progress(range(9), 'x'): pass", HEADLINE
    )
    write_notebook("02_second")
    ids = [cell.id for cell in notebooks.read(path).cells]
    assert refresh.refresh(path.parent, ["01"], say=str) == []
    first = notebooks.read(path)
    assert [cell.id for cell in first.cells] == ids
    assert first.cells[3].outputs == [] and "\r" not in path.read_text(encoding="utf-8")
    assert [cell.execution_count for cell in first.cells[1:]] == [1, 2, 3, 4]
    assert set(first.metadata) == {"kernelspec", "language_info", "recsys_kit"}
    assert set(first.metadata.recsys_kit) == {"seconds", "peak_mb"}
    assert "[contents](../README.md#notebooks) · [02 · Second →](02_second.ipynb)" in first.cells[0].source
    assert refresh.refresh(path.parent, check=True) == []
    assert refresh.refresh(path.parent, ["01"], say=str) == []
    second = notebooks.read(path)
    first.metadata.pop("recsys_kit"), second.metadata.pop("recsys_kit")
    assert nbformat.writes(first) == nbformat.writes(second)


def test_refresh_leaves_a_failing_notebook_as_it_was(write_notebook):
    path = write_notebook("01_bad", "1 / 0")
    refresh.refresh(path.parent, execute_them=False, say=str)
    before = path.read_bytes()
    problems = refresh.refresh(path.parent, say=str)
    assert len(problems) == 1 and "01_bad.ipynb: code cell 2" in problems[0]
    assert path.read_bytes() == before


def test_check_finds_stale_links_metadata_and_tables_and_changes_nothing(write_notebook, tmp_path):
    path = write_notebook("01_first")
    readme = tmp_path / "README.md"
    readme.write_text("<!-- notebooks -->\n<!-- /notebooks -->\n", encoding="utf-8")
    before = path.read_bytes()
    problems = refresh.refresh(path.parent, check=True)
    assert [problem.partition(":")[0] for problem in problems] == ["01_first.ipynb", "README.md"]
    assert path.read_bytes() == before
    refresh.refresh(path.parent, execute_them=False, say=str)
    assert refresh.refresh(path.parent, check=True) == []
    assert "| [01 · First](notebooks/01_first.ipynb) | One plain sentence. |" in readme.read_text(encoding="utf-8")


def test_a_translated_readme_keeps_its_words_and_gets_the_numbers(write_notebook, tmp_path):
    path = write_notebook("01_first")
    notebook = notebooks.read(path)
    notebook.metadata["recsys_kit"] = {"seconds": 30, "peak_mb": 900}
    notebooks.write(notebook, path)
    row = "| [01](notebooks/01_first.ipynb) | 一句话 | 9 | 9 GB | |"
    old = f"<!-- notebooks -->\n| 笔记本 | 内容 |\n|---|---|\n{row}\n<!-- /notebooks -->"
    new = refresh.table([path], old, "README.zh-CN.md")
    assert "| 笔记本 | 内容 |" in new
    assert "| [01 · First](notebooks/01_first.ipynb) | 一句话 | 0.5 | 0.9 GB |  |" in new


def test_solutions_link_back_to_their_notebook(write_notebook):
    path = write_notebook("01_first")
    solution = path.parent / "solutions" / path.name
    solution.parent.mkdir()
    solution.write_bytes(path.read_bytes())
    refresh.refresh(path.parent, execute_them=False, say=str)
    assert "[← back to the notebook](../01_first.ipynb) · [contents](../../README.md#notebooks)" in (
        notebooks.read(solution).cells[0].source
    )


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("a\nb\n", "a\nb\n"),
        ("\r 10%\r 20%\r      \rdone\n", "done\n"),
        ("before\n\r 10%\r      \rafter", "before\nafter"),
        ("1/2\r2/2\n", "2/2\n"),
        ("\r 50%\r     \r", ""),
    ],
)
def test_only_the_last_state_of_a_progress_bar_stays(written, seen):
    output = nbformat.v4.new_output("stream", name="stdout", text=written)
    cell = nbformat.v4.new_code_cell("x", outputs=[output])
    tidied = notebooks.tidy(nbformat.v4.new_notebook(cells=[cell])).cells[0].outputs
    assert "".join(output.text for output in tidied) == seen


def test_tidying_drops_what_tensorflow_writes_on_loading_and_keeps_a_real_warning():
    chatter = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:17.547582 198 cudart_stub.cc:31] Could not find cuda drivers on your machine.\n"
        "I0000 00:00:17.601148 198 cpu_feature_guard.cc:227] This TensorFlow binary is optimized to use this CPU.\n"
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n"
        "E0000 00:00:17.668168 198 cuda_platform.cc:52] failed call to cuInit: INTERNAL: CUDA error\n"
    )
    outputs = [nbformat.v4.new_output("stream", name="stderr", text=text) for text in (chatter, chatter + "careful!\n")]
    cells = [nbformat.v4.new_code_cell("1", outputs=[output]) for output in outputs]
    alone, mixed = notebooks.tidy(nbformat.v4.new_notebook(cells=cells)).cells
    assert not alone.outputs
    assert [output.text for output in mixed.outputs] == ["careful!\n"]


def test_tidying_drops_widgets_timing_and_other_editors_metadata():
    view = {"application/vnd.jupyter.widget-view+json": {"model_id": "1"}, "text/plain": "a slider"}
    cell = nbformat.v4.new_code_cell(
        PARAMETERS,
        metadata={"tags": ["parameters"], "execution": {"iopub.status.busy": "now"}, "scrolled": True},
        outputs=[nbformat.v4.new_output("display_data", view)],
    )
    notebook = nbformat.v4.new_notebook(
        cells=[cell], metadata={"widgets": {"state": {}}, "language_info": {"name": "python", "version": "3"}}
    )
    notebook = notebooks.tidy(notebook)
    assert "widgets" not in notebook.metadata and "version" not in notebook.metadata.language_info
    assert notebook.cells[0].metadata == {"tags": ["parameters"]}
    assert notebook.cells[0].outputs[0].data == {"text/plain": "a slider"}


def test_no_thread_outlives_the_measurement():
    before = threading.active_count()
    with runner.PeakMemory():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before
