from pathlib import Path

import pytest

from recsys_kit.course import notebooks, profiles

FOLDER = Path(__file__).parents[2] / "notebooks"


def profile(path, text, name="quick"):
    (path.parent / "profiles" / f"{name}.yaml").write_text(text, encoding="utf-8")


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


@pytest.mark.parametrize("name", sorted(path.stem for path in (FOLDER / "profiles").glob("*.yaml")))
def test_what_a_profile_says_lies_in_the_ranges_of_the_notebooks(name):
    paths = notebooks.find(FOLDER)
    assert set(profiles.values(FOLDER, name, paths, {})) == set(paths)


@pytest.mark.parametrize(
    ("notebook", "name", "value", "must_be"),
    [
        ("05", "EPOCHS", "-1", "1 or more"),
        ("05", "EPOCHS", "0", "1 or more"),
        ("06", "K", "0", "1 or more"),
        ("01", "SEED", "-1", "0 to 2000000000"),
        ("03", "BASKETS", "0", "1 or more"),
        ("04", "BATCH", "0", "1 or more"),
        ("04", "WIDTH", "63", "even, 2 or more"),
        ("01", "HELD_OUT", "1.5", "above 0, below 1"),
        ("01", "CUTOFF", "yesterday", "a day written YYYY-MM-DD"),
        ("08", "WINDOWS", "0", "1 or more"),
        ("08", "FORMATS", "['onxx']", "any of saved_model, keras, litert, onnx"),
        ("16", "PARTS", "1", "2 or more"),
        ("07", "SEARCH_SECONDS", "0", "above 0"),
        ("11", "MARGIN_OWN", "35", "0 to 1"),
        ("00", "USERS", "-5", "0 or more"),
    ],
)
def test_a_value_out_of_range_is_refused_before_anything_runs(notebook, name, value, must_be):
    paths = notebooks.find(FOLDER, [notebook])
    with pytest.raises(ValueError, match=f"`{name}` must be {must_be}. Received: "):
        profiles.values(FOLDER, "default", paths, {name: value})


def test_a_profile_out_of_range_is_refused(write_notebook):
    path = write_notebook("01_first")
    profile(path, "01_first: {EPOCHS: 0}")
    with pytest.raises(ValueError, match=r"01_first: `EPOCHS` must be 1 or more\. Received: 0"):
        profiles.values(path.parent, "quick", [path], {})


def told(name):
    """What a profile says by notebook and parameter, and what the comment on its line says."""
    lines, found, notebook = (FOLDER / "profiles" / f"{name}.yaml").read_text().splitlines(), {}, ""
    for line in lines:
        setting, _, why = line.partition("#")
        key, _, value = setting.strip().partition(": ")
        if line[:1].isalnum():
            notebook = key.rstrip(":")
        elif value:
            found[notebook, key] = value.strip(), why.strip()
    return found


def test_where_the_profile_for_a_gpu_differs_from_full_it_says_why():
    full, gpu = told("full"), told("gpu")
    assert set(full) <= set(gpu)
    other = {key for key, (value, _) in gpu.items() if value != full.get(key, ("", ""))[0]}
    assert len(other) >= 5
    assert {key for key, (_, why) in gpu.items() if why} == other


@pytest.mark.parametrize("name", ["full", "gpu"])
def test_the_notebooks_of_a_profile_ask_for_one_and_the_same_transformer(name):
    found = told(name)
    keys = [
        (notebook, "EPOCHS") for notebook in ("05_training", "06_evaluation", "07_optimization", "08_recommendation")
    ]
    keys.append(("10_search", "SEQUENCE_EPOCHS"))
    assert len({found[key][0] for key in keys}) == 1
