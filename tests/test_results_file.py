"""Results files say what made them, refuse other data and code, and hold what their code computes."""

import json
import platform
import re
import warnings
from pathlib import Path

import pytest

from recsys_kit import datasets, results_file
from recsys_kit.course import notebooks

ROOT = Path(__file__).parents[1]
FILES = sorted(path for folder in ("benchmarks", "notebooks") for path in (ROOT / folder).glob("results/*.json"))
RULES = ROOT / "benchmarks" / "results" / "simple_rules.json"
ALL_ITEMS = {
    "best sellers": "popularity",
    "decayed frequency": "decayed frequency",
    "decayed + popularity": "decayed frequency + popularity",
    "decayed frequency + popularity": "decayed frequency + popularity",
}
"""How pages call a simple rule when it is the baseline of their headline, NDCG@10 on all items."""

PAGE_03 = {
    "popularity, 60 days": ("popularity", "all"),
    "personal frequency": ("personal frequency", "all"),
    "decay 120 days": ("decayed frequency", "all"),
    "decay 120 days + 0.3 popularity": ("decayed frequency + popularity", "all"),
    "explore, popularity": ("popularity", "explore"),
    "explore, user-kNN": ("user-kNN", "explore"),
}


@pytest.fixture
def repository(tmp_path):
    """A repository with one script that makes rows."""
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "benchmarks").mkdir()
    script = "def squared(number):\n    return {'number': number, 'square': number**2}\n"
    (tmp_path / "benchmarks" / "squares.py").write_text(script)
    return tmp_path


def write(repository, rows, cheapest=None, packages=()):
    return results_file.write(
        repository / "benchmarks" / "results" / "squares.json",
        rows,
        command="python benchmarks/squares.py",
        row="benchmarks/squares.py:squared",
        cheapest=cheapest or {"number": 2},
        data="shop-1",
        seeds=[0, 1],
        packages=packages,
    )


ROWS = [{"number": 2, "square": 4}, {"number": 3, "square": 9}]


# The module


def test_what_was_written_is_read_with_what_made_it(repository):
    made = write(repository, ROWS)
    path = repository / "benchmarks" / "results" / "squares.json"
    assert results_file.read(path, data="shop-1", same_code=True) == made
    assert made.table.to_dict("records") == ROWS
    assert (made.seeds, made.commit) == ([0, 1], "")
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", made.date)
    assert sorted(path.name for path in path.parent.iterdir()) == ["squares.json"]


def test_a_file_holds_the_versions_of_packages_that_its_figures_depend_on(repository):
    made = write(repository, ROWS, packages=["pytest"])
    assert made.versions == {"pytest": pytest.__version__}
    path = repository / "benchmarks" / "results" / "squares.json"
    assert results_file.read(path).versions == made.versions
    old = {name: value for name, value in json.loads(path.read_text()).items() if name != "versions"}
    path.write_text(json.dumps(old))  # as files were before
    assert results_file.read(path).versions == {}


def test_a_file_names_no_machine(repository):
    write(repository, ROWS)
    text = (repository / "benchmarks" / "results" / "squares.json").read_text()
    assert set(json.loads(text)["machine"]) == {"cores", "memory_gb", "python", "system"}
    assert platform.node() not in text


def test_other_data_and_changed_code_are_refused_with_the_command_that_makes_it_anew(repository):
    write(repository, ROWS)
    path = repository / "benchmarks" / "results" / "squares.json"
    with pytest.raises(results_file.Outdated, match=r"from other data .*anew: python benchmarks/squares.py"):
        results_file.read(path, data="shop-2")
    (repository / "benchmarks" / "squares.py").write_text("def squared(number):\n    return {'number': -number}\n")
    assert results_file.read(path, data="shop-1").rows == ROWS
    with pytest.raises(results_file.Outdated, match=r"by other code .*anew: python benchmarks/squares.py"):
        results_file.read(path, data="shop-1", same_code=True)


def test_a_function_is_found_only_from_inside_a_repository(tmp_path):
    with pytest.raises(ValueError, match="`path` must be a file of the repository"):
        results_file.function(tmp_path / "results.json", "benchmarks/squares.py:squared")


def test_the_cheapest_row_is_computed_again(repository):
    write(repository, ROWS)
    stored, now = results_file.recompute(repository / "benchmarks" / "results" / "squares.json")
    assert stored == now == {"number": 2, "square": 4}


@pytest.mark.parametrize("number", [5, None])
def test_the_cheapest_row_must_be_one_row_of_the_file(repository, number):
    rows = ROWS if number else [*ROWS, *ROWS]
    with pytest.raises(ValueError, match="`cheapest` must be the arguments of one row"):
        write(repository, rows, {"number": number or 2})
    assert not (repository / "benchmarks" / "results").exists()


# The files of this repository


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_one_row_of_every_results_file_comes_out_again(path):
    made = results_file.read(path)
    if "cosmic-ray" in made.versions:
        pytest.importorskip("cosmic_ray", reason='cosmic-ray is missing: pip install -e ".[mutation]"')
    if "jax" in made.versions:
        pytest.importorskip("jax", reason="jax is missing: `make test BACKENDS=jax` installs it")
    if made.data:  # without it, the rows need no shop
        results_file.read(path, data=datasets.load().fingerprint)
    try:
        results_file.read(path, same_code=True)
    except results_file.Outdated as outdated:  # most changes of code change no figure: it is said, and a row computed
        warnings.warn(str(outdated), stacklevel=1)
    stored, now = results_file.recompute(path)
    assert list(now) == list(stored)
    for name, value in stored.items():
        if name.endswith("seconds"):  # measured, and never the same
            continue
        near = 0.3 if name.endswith("_mb") else 1e-4  # memory is measured, not calculated
        assert now[name] == (pytest.approx(value, rel=near) if isinstance(value, float) else value), name


@pytest.fixture
def rules():
    """What the simple rules reach on the kit's own task, by rule."""
    return results_file.read(RULES).table.query("cutoff == '2017-12-01'").set_index("rule")


def test_the_baseline_of_a_headline_is_what_the_results_file_says(rules):
    compared = 0
    for path in notebooks.find(ROOT / "notebooks"):
        found = notebooks.headline(notebooks.read(path))
        if found["metric"].startswith("NDCG@10, all items") and found["baseline"] in ALL_ITEMS:
            known = rules.loc[ALL_ITEMS[found["baseline"]], "all"]
            assert found["baseline_value"] == pytest.approx(known, abs=1e-5), path.stem
            compared += 1
        if found["metric"].startswith("NDCG@10, all items") and found["baseline"].startswith("gradient boosting"):
            assert found["baseline_value"] == pytest.approx(boosting(found["baseline"]), abs=1e-5), path.stem
            compared += 1
    assert compared >= 4


def boosting(method):
    """What 02's trees reach on all items, with the plan or without it, as the ladder has it."""
    table = results_file.read(ROOT / "benchmarks" / "results" / "ladder.json").table
    (row,) = table[
        (table["cutoff"] == "2017-12-01")
        & (table["half"] == "all")
        & (table["to"] == "below")
        & (table["method"] == method)
    ]["value"]
    return row


def test_what_03_promises_of_the_simple_rules_is_what_the_results_file_says(rules):
    (page,) = notebooks.find(ROOT / "notebooks", ["03"])
    outputs = [output for cell in notebooks.read(page).cells for output in cell.get("outputs", [])]
    text = "".join(output.get("text", "") for output in outputs)
    for name, (rule, half) in PAGE_03.items():
        (printed,) = re.findall(rf"^holds: {re.escape(name)}: (0\.\d+),", text, re.MULTILINE)
        assert float(printed) == pytest.approx(rules.loc[rule, half], abs=1e-4), name


def test_the_table_in_the_readme_of_the_benchmarks_is_the_results_file():
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for row in results_file.read(RULES).rows:
        assert f"| {row['cutoff']} | {row['rule']} | {row['all']:.4f} | {row['explore']:.4f} |" in text


def test_the_table_of_growth_in_the_readme_is_its_results_file():
    path = ROOT / "benchmarks" / "results" / "growth.json"
    fitted = results_file.function(path, "benchmarks/growth.py:growth")(results_file.read(path).rows)
    text = (ROOT / "benchmarks" / "README.md").read_text(encoding="utf-8")
    for _, row in fitted.iterrows():
        numbers = f"| {row['users^']:.1f} | {row['items^']:.1f} | {row.iloc[2]:.0f} | {row.iloc[-1]:.1f} |"
        assert any(line.startswith(f"| {row['method']} |") and line.endswith(numbers) for line in text.splitlines())
