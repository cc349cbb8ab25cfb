import json
import subprocess
import sys
from pathlib import Path

import compare_reports
import pytest

SCRIPT = Path(compare_reports.__file__)


def result(name, value=0.25, baseline=0.2, status="ok"):
    return {"name": name, "status": status, "headline": {"value": value, "baseline_value": baseline}}


def by_name(*results):
    return {one["name"]: one for one in results}


def test_a_difference_above_the_tolerance_is_told_of_the_value_and_of_the_baseline_apart():
    old, new = by_name(result("a"), result("b")), by_name(result("a", value=0.2501), result("b", baseline=0.2 + 1e-9))
    table = compare_reports.compare(old, new)
    assert table["verdict"].tolist() == ["differs", "ok", "ok", "ok"]
    assert table["difference"][0] == pytest.approx(1e-4)
    assert set(compare_reports.compare(old, new, tolerance=1e-3)["verdict"]) == {"ok"}


def test_a_notebook_that_is_missing_or_failed_is_told_and_a_new_one_is_no_fault():
    old = by_name(result("a"), result("b"), result("c") | {"headline": None})
    new = by_name(result("b", status="failed") | {"headline": None}, result("c") | {"headline": None}, result("d"))
    table = compare_reports.compare(old, new).drop_duplicates("notebook").set_index("notebook")["verdict"]
    assert table.to_dict() == {"a": "missing", "b": "failed", "c": "ok", "d": "new"}


def test_a_headline_that_vanished_is_told():
    table = compare_reports.compare(by_name(result("a")), by_name(result("a") | {"headline": None}))
    assert set(table["verdict"]) == {"no headline"}


@pytest.mark.parametrize(("value", "code"), [(0.25, 0), (0.3, 1)])
def test_the_exit_status_says_whether_anything_differs(tmp_path, value, code):
    for name, own in (("old", 0.25), ("new", value)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "results.json").write_text(json.dumps({"results": [result("a", own)]}))
    command = [sys.executable, str(SCRIPT), str(tmp_path / "old" / "results.json"), str(tmp_path / "new")]
    assert subprocess.run(command, capture_output=True).returncode == code
