import json

import ladder
import pandas as pd
import pytest

from recsys_kit import report, results_file
from recsys_kit.course import notebooks

FILE = ladder.Path(__file__).parents[2] / "benchmarks" / "results" / "ladder.json"


@pytest.mark.parametrize("half", ["all", "explore"])
def test_every_rung_is_compared_with_one_that_reads_no_more(half):
    for to, pairs in ladder.opponents(half).items():
        assert set(pairs) | set(pairs.values()) <= set(ladder.METHODS)
        for method, against in pairs.items():
            reads = ", plan" in method
            assert reads or ", plan" not in against, (to, method, against)
            if to == "below" and reads and method not in ladder.WITH_PLAN:
                assert ", plan" in against, (method, against)
    below = ladder.opponents(half)["below"]
    assert below["two heads + blocks, plan"] == "two heads, plan" and below["two heads + blocks"] == "two heads"
    assert below["two heads"] == {"all": "gradient boosting", "explore": "user-kNN"}[half]
    assert below["two heads, plan"] == {"all": "gradient boosting, plan", "explore": "user-kNN, plan"}[half]
    with_plan = {name for name in ladder.METHODS if name.endswith("plan")}
    assert set(ladder.opponents(half)["no plan"]) == with_plan - ({"user-kNN, plan"} if half == "all" else set())


def test_every_part_has_a_file_of_its_own():
    names = [ladder.name("2017-12-01", method, seed, 3) for method in ladder.METHODS for seed in (0, 1)]
    drawn = [method for method in ladder.METHODS if method in (*ladder.TRAINED, ladder.NO_ANCHORS)]
    assert len(set(names)) == len(ladder.METHODS) + len(drawn)


def write(folder, method, values, seed=0):
    part = {half: {"case": [0, 1, 2], "ndcg": values} for half in ("all", "explore")}
    folder.mkdir(exist_ok=True)
    (folder / f"{ladder.name('2017-12-01', method, seed, 3)}.json").write_text(json.dumps(part))


def test_rows_are_made_of_finished_parts_only_and_seeds_are_averaged(tmp_path):
    for rule in ladder.COUNTING:
        write(tmp_path, rule, [0.1, 0.2, 0.3])
    write(tmp_path, "gradient boosting", [0.2, 0.3, 0.4])
    for seed in (0, 1):
        write(tmp_path, "two heads", [0.3 + 0.1 * seed, 0.4, 0.5], seed)
    write(tmp_path, "two heads + blocks", [0.5, 0.5, 0.5], 0)  # its second seed is missing
    rows = pd.DataFrame(ladder.rows(["2017-12-01"], [0, 1], 3, tmp_path))
    assert "two heads + blocks" not in set(rows["method"])
    (row,) = rows.query("half == 'all' and to == 'below' and method == 'two heads'").to_dict("records")
    assert row["against"] == "gradient boosting" and row["verdict"] == "above"
    assert row["seeds"] == pytest.approx([0.4, 0.433333]) and row["value"] == pytest.approx(0.416667)
    table = rows.query("half == 'all' and to == 'below'").set_index("method")
    assert report.Comparison(table, "NDCG@10").claim("two heads").startswith("two heads is above gradient boosting")


@pytest.mark.skipif(not FILE.exists(), reason="the ladder has not been climbed")
def test_no_counting_rule_is_above_the_one_that_the_ladder_calls_the_strongest():
    table = results_file.read(FILE).table.query("to == 'counting'")
    counting = table[table["method"].isin(list(ladder.COUNTING))]
    assert (counting["verdict"] != "above").all(), counting[counting["verdict"] == "above"]


@pytest.mark.skipif(not FILE.exists(), reason="the ladder has not been climbed")
def test_the_headline_of_page_06_stands_beside_trees_that_read_the_plan():
    (page,) = notebooks.find(FILE.parents[2] / "notebooks", ["06"])
    assert notebooks.headline(notebooks.read(page))["baseline"] == "gradient boosting, plan"


@pytest.mark.skipif(not FILE.exists(), reason="the ladder has not been climbed")
def test_beside_trees_that_read_the_plan_the_heads_are_level_at_three_dates_and_below_at_one_as_05_and_06_say():
    table = results_file.read(FILE).table.query("half == 'all' and to == 'below' and method == 'two heads, plan'")
    assert set(table["against"]) == {"gradient boosting, plan"}
    verdicts = table.set_index("cutoff")["verdict"]
    assert verdicts.pop("2017-08-01") == "below" and len(verdicts) == 3 and (verdicts == "level with").all()
