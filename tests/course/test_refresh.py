import base64
import io

import nbformat
import pytest
from PIL import Image
from small_course import HEADLINE, PARAMETERS

from recsys_kit.course import notebooks, refresh


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
        ("one\n\repoch 2:   0%|          | 0/3 [00:00<?, ?it/s]stopped\n", "one\nstopped\n"),
        ("\repoch 2:  33%|###       | 1/3 [00:00<00:01,  1.2it/s]\n", ""),
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


FIGURE = """import matplotlib.pyplot as plt
from recsys_kit import plots
plots.use_style()
plt.plot([1, 2]);"""


def test_a_committed_figure_has_twice_the_pixels_of_its_place_and_a_palette(write_notebook):
    path = write_notebook("01_first", FIGURE)
    assert refresh.refresh(path.parent, say=str) == []
    (output,) = (o for o in notebooks.read(path).cells[2].outputs if "image/png" in o.data)
    picture = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    shown = output.metadata["image/png"]
    assert [side // 2 for side in picture.size] == [shown["width"], shown["height"]] and picture.mode == "P"
    assert refresh.refresh(path.parent, check=True) == []


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
