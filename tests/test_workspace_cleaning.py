"""Cleaning a workspace: what is still found stays, and nothing is touched that is no artifact."""

import os
import time

from recsys_kit.workspace import Workspace


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def versions_of(ws, name, numbers, **address):
    """Builds an artifact with one version of a function after the other, as if its code had been changed."""
    builders = []
    for age, number in enumerate(numbers):
        names = {"__name__": "__main__"}
        exec(compile(f"def build():\n    return [{number}]", "<cell>", "exec"), names)
        builders.append(names["build"])
        ws.get(name, names["build"], **address)
        used = time.time() - 100 * (len(numbers) - age)
        os.utime(ws.folder / ".index" / f"{ws.file(name, names['build'], **address).stem}.json", (used, used))
    return builders


def test_cleaning_keeps_the_latest_of_each_name_data_and_parameters(tmp_path):
    ws = Workspace(tmp_path)
    old, new = versions_of(ws, "a", [1, 2])
    versions_of(ws, "a", [1], data="x")
    versions_of(ws, "a", [1], params={"width": 8})
    versions_of(ws, "b", [1])
    said = []
    before = visible(tmp_path)
    ws.clean(dry_run=True, say=said.append)
    assert visible(tmp_path) == before
    assert len(said) == 2 and said[0].startswith("would remove a-") and said[1].startswith("1 old artifacts, 0.0 MB")
    wanted = ws.file("a", old).name
    assert ws.clean(say=said.append) == 3
    assert said[2] == f"removed {wanted} (0.0 MB)"
    assert sorted({*before} - {wanted}) == visible(tmp_path)
    assert ws.file("a", new) is not None
    assert sorted(path.stem for path in (tmp_path / ".index").iterdir()) == [name[:-5] for name in visible(tmp_path)]
    assert ws.outdated() == []


def test_what_is_used_again_is_the_latest(tmp_path):
    ws = Workspace(tmp_path)
    old, new = versions_of(ws, "a", [1, 2])
    ws.get("a", old)  # back on an older branch
    assert ws.outdated() == [ws.file("a", new)]


def test_cleaning_removes_what_has_no_record_but_no_file_that_is_not_an_artifact(tmp_path):
    ws = Workspace(tmp_path)
    versions_of(ws, "a", [1])
    kept = visible(tmp_path)
    for name in ("notes.txt", "a-0123456789ab.csv", "my-folder"):
        (tmp_path / name).mkdir()
    (tmp_path / "ranker-0123456789ab.json").write_text("[]")
    (tmp_path / "training-0123456789ab").mkdir()
    (tmp_path / "training-0123456789ab" / "record.json").write_text("[]")
    ws.clean(say=[].append)
    assert visible(tmp_path) == sorted([*kept, "notes.txt", "a-0123456789ab.csv", "my-folder"])


def test_the_folder_of_a_training_is_kept_and_replaced_like_an_artifact(tmp_path):
    ws = Workspace(tmp_path)
    first, second = versions_of(ws, "model", [1, 2])
    for build in (first, second):
        ws.path("training", build).mkdir()
        time.sleep(0.02)  # the clock of some file systems is coarse
    assert {path.name.split("-")[0] for path in ws.outdated()} == {"model", "training"}
    assert ws.path("training", second) not in ws.outdated()


def test_what_was_used_by_a_clock_that_was_ahead_does_not_push_out_what_is_used_now(tmp_path):
    ws = Workspace(tmp_path)
    old, ahead, new = versions_of(ws, "a", [1, 2, 3])
    later = time.time() + 30 * 86400
    os.utime(tmp_path / ".index" / f"{ws.file('a', ahead).stem}.json", (later, later))
    assert ws.outdated() == [ws.file("a", old)]
    ws.get("a", ahead)  # used again, by a clock that is right
    assert ws.outdated() == sorted([ws.file("a", old), ws.file("a", new)])
