"""A workspace to the second and to the byte: what is too old, what is the latest, what is said, what is removed."""

import errno
import json
import os
import re
import shutil
from pathlib import Path

import filelock
import pytest

from recsys_kit import formats, workspace
from recsys_kit.workspace import Workspace

NOW = 1_700_000_000
HOUR, DAY = 3600, 86400


def builder(number=1):
    """Returns a builder that differs from those of other numbers, as if its code had been changed."""
    names = {"__name__": "__main__"}
    exec(compile(f"def build():\n    return [{number}]", "<cell>", "exec"), names)
    return names["build"]


def record(ws, name, build, **address):
    return ws.folder / ".index" / f"{ws.path(name, **address, build=build).name}.json"


def build_at(ws, second, name, number=1, **address):
    """Builds an artifact that was last used at a second, and returns its file."""
    build = builder(number)
    ws.get(name, build, **address)
    os.utime(record(ws, name, build, **address), (second, second))
    return ws.file(name, build, **address)


@pytest.fixture
def ws(tmp_path, monkeypatch):
    """A workspace in which it always is NOW."""
    monkeypatch.setattr(workspace.time, "time", lambda: NOW)
    return Workspace(tmp_path / "ws")


@pytest.fixture
def nothing_can_be_removed(monkeypatch):
    def refused(*_, **__):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "rmdir", refused)


# Addresses


def test_an_address_is_the_name_and_twelve_digits_and_depends_on_no_order(ws):
    one = ws.path("a.b-c_1", params={"x": {"p": 1, "q": 2}, "y": 2})
    assert re.fullmatch(r"a\.b-c_1-[0-9a-f]{12}", one.name) and one.parent == ws.folder
    assert ws.path("a.b-c_1", params={"y": 2, "x": {"q": 2, "p": 1}}) == one
    assert ws.path("a", params={}) == ws.path("a", params=None) == ws.path("a")
    assert ws.path("a", builder(1)) != ws.path("a", builder(2)) != ws.path("a")


def test_a_folder_below_the_home_may_be_made_twice_and_a_missing_one_with_its_parents(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    for _ in range(2):
        assert Workspace("~/deep/er/ws").folder == tmp_path / "deep" / "er" / "ws"
    assert (tmp_path / "deep" / "er" / "ws").is_dir()


def test_what_has_a_builder_is_noted_as_used_and_what_has_none_is_not(ws):
    ws.path("a", params={"x": 1})
    assert list(ws.folder.iterdir()) == []
    path = ws.path("a", builder(), params={"y": 2, "x": 1}, data="d")
    (found,) = (ws.folder / ".index").iterdir()
    assert found.name == f"{path.name}.json"
    noted = json.loads(found.read_text(encoding="utf-8"))
    assert noted.keys() == {"data", "params", "code"}
    assert noted["data"] == "d" and list(noted["params"].items()) == [("x", 1), ("y", 2)]


# Builds


def test_after_five_seconds_it_is_said_that_another_process_builds(ws, monkeypatch, capsys):
    asked = []

    def acquire(lock, timeout=None, **_):
        asked.append(timeout)
        if len(asked) == 1:
            raise filelock.Timeout(str(lock.lock_file))

    monkeypatch.setattr(filelock.FileLock, "acquire", acquire)
    assert ws.get("a", builder()) == [1]
    assert asked == [5, None]
    assert capsys.readouterr().out == f"waiting: another process is building {ws.path('a', builder()).name}\n"


def test_who_listens_is_told_the_whole_name_and_nothing_but_the_name(ws):
    for name in ("a", "a-b", "a-long-name.2", "0123456789ab"):
        heard = []
        ws.on_build = heard.append
        ws.get(name, builder())
        assert heard == [name]


def test_nothing_is_said_if_nobody_else_builds(ws, capsys):
    assert ws.get("a", builder()) == [1]
    assert capsys.readouterr().out == ""


def test_a_lock_names_what_is_built_and_is_gone_afterwards(ws):
    def build():
        found.extend(path.name for path in ws.folder.iterdir())
        return [1]

    found = []
    ws.get("a", build)
    assert found == [f".building-{ws.path('a', build).name}"]
    assert sorted(path.name for path in ws.folder.iterdir()) == [".index", ws.file("a", build).name]


def test_a_damaged_artifact_that_disappears_meanwhile_is_built_again(ws, monkeypatch, capsys):
    build = builder()
    ws.get("a", build)
    path = ws.file("a", build)
    path.write_text("[")
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda lock, **_: path.unlink())
    assert ws.get("a", build) == [1]
    assert capsys.readouterr().out == ""


def test_a_writer_whose_folder_was_taken_away_says_what_it_met_first(ws, monkeypatch):
    def write(value, path):
        shutil.rmtree(path.parent)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setitem(formats.FORMATS, ".json", (write, formats.FORMATS[".json"][1]))
    with pytest.raises(OSError, match="No space left on device"):
        ws.get("a", builder())


def test_what_cannot_be_removed_stops_nothing(ws, nothing_can_be_removed):
    old = ws.folder / ".writing-old"
    old.mkdir()
    os.utime(old, (NOW - DAY, NOW - DAY))
    Workspace(ws.folder)
    build = builder()
    assert ws.get("a", build) == [1]
    ws.path("folder", build).mkdir()
    ws.forget("folder", build)
    (ws.folder / "old-0123456789ab").mkdir()
    ws.clean(say=[].append)
    assert old.exists() and (ws.folder / "old-0123456789ab").exists() and ws.get("a", build) == [1]


def test_a_build_makes_its_folder_again_with_all_above_it(ws):
    assert ws.get("a", lambda: shutil.rmtree(ws.folder.parent) or [1]) == [1]


def test_what_an_artifact_is_built_from_is_said_by_name(ws):
    with pytest.raises(TypeError):
        ws.get("a", builder(), "data")
    with pytest.raises(TypeError):
        ws.path("a", builder(), "data")


# What writers left


@pytest.mark.parametrize(
    ("age", "kept"),
    [(HOUR - 1, True), (HOUR, False), (HOUR + 1, False), (0, True), (1 - DAY, True), (-DAY, False), (-DAY - 1, False)],
)
def test_a_writer_is_dead_after_an_hour_or_if_its_clock_is_a_day_ahead(ws, age, kept):
    folder = ws.folder / ".writing-x"
    folder.mkdir()
    os.utime(folder, (NOW - age, NOW - age))
    Workspace(ws.folder)
    assert folder.exists() == kept


def test_of_a_writers_folder_the_last_change_counts(ws):
    for name, ages in {"busy": (DAY, 10), "dead": (DAY, 2 * HOUR)}.items():
        path = ws.folder / f".writing-{name}" / "below" / "part.json"
        path.parent.mkdir(parents=True)
        path.write_text("{")
        for place, age in zip((path.parent.parent, path.parent, path), (ages[0], *ages), strict=True):
            os.utime(place, (NOW - age, NOW - age))
    Workspace(ws.folder)
    assert [path.name for path in ws.folder.iterdir()] == [".writing-busy"]


def test_a_folder_that_disappears_while_it_is_looked_at_does_not_hide_the_others(ws, monkeypatch):
    for name in "abc":
        folder = ws.folder / f".writing-{name}"
        folder.mkdir()
        os.utime(folder, (NOW - DAY, NOW - DAY))
    (ws.folder / ".writing-a" / "gone").symlink_to(ws.folder / "nothing")
    unordered = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, pattern: sorted(unordered(path, pattern)))
    Workspace(ws.folder)
    assert [path.name for path in ws.folder.iterdir()] == [".writing-a"]


# What is out of date


def test_a_later_one_pushes_out_only_what_has_its_name_data_and_parameters(ws):
    names = ("a", "b", "aa", "ab", "a-b")
    kept = [build_at(ws, NOW - 50 - n, name, 2) for n, name in enumerate(names)]
    kept += [build_at(ws, NOW - 90, "a", data="d"), build_at(ws, NOW - 91, "a", params={"x": 1})]
    assert ws.outdated() == []
    old = [build_at(ws, NOW - 100, name) for name in names]
    assert set(ws.outdated()) == set(old) and not set(old) & set(kept)


def test_parameters_are_the_same_in_any_order_also_in_records_of_another_hand(ws):
    old = build_at(ws, NOW - 20, "a", 1, params={"x": 1, "y": {"p": 1, "q": 2}})
    new = build_at(ws, NOW - 10, "a", 2, params={"y": {"q": 2, "p": 1}, "x": 1})
    assert ws.outdated() == [old]
    (ws.folder / ".index" / f"{new.stem}.json").write_text('{"params": {"y": {"q": 2, "p": 1}, "x": 1}, "data": ""}')
    os.utime(ws.folder / ".index" / f"{new.stem}.json", (NOW - 10, NOW - 10))
    assert ws.outdated() == [old]


@pytest.mark.parametrize("damage", [None, "{", "[]", '"text"', '{"data": ""}', '{"params": {}}', "\udc80"])
def test_an_artifact_without_a_readable_record_is_out_of_date_and_hides_no_other(ws, damage):
    first = build_at(ws, NOW - 10, "a")
    old, new = build_at(ws, NOW - 20, "b", 1), build_at(ws, NOW - 10, "b", 2)
    path = ws.folder / ".index" / f"{first.stem}.json"
    path.unlink()
    if damage is not None:
        path.write_bytes(damage.encode("utf-8", "surrogateescape"))
    assert ws.outdated() == sorted([first, old])
    assert new not in ws.outdated()


@pytest.mark.parametrize(("ahead", "counts"), [(0, True), (HOUR, True), (HOUR + 1, False), (DAY, False)])
def test_a_clock_an_hour_ahead_is_believed_and_one_further_ahead_is_not(ws, ahead, counts):
    first = build_at(ws, NOW + ahead, "a", 1)
    second = build_at(ws, NOW - 10, "a", 2)
    old, new = build_at(ws, NOW - 20, "b", 1), build_at(ws, NOW - 10, "b", 2)
    assert set(ws.outdated()) == ({second, old} if counts else {old})
    assert first.exists() and new.exists()


def test_what_is_being_built_is_not_out_of_date(ws):
    old, other = build_at(ws, NOW - 20, "a", 1), build_at(ws, NOW - 20, "b", 1)
    latest = [build_at(ws, NOW - 10, name, 2) for name in "ab"]
    for path in (old, latest[0]):
        (ws.folder / f".building-{path.stem}").touch()
    assert ws.outdated() == [other]


# Cleaning


def test_cleaning_says_what_it_frees_and_what_it_keeps_to_the_byte(ws, monkeypatch):
    old = build_at(ws, NOW - 20, "a", 1)
    kept = build_at(ws, NOW - 10, "a", 2)
    said, freed = [], 7 * 10**12
    monkeypatch.setattr(workspace, "size", lambda path: 10**13 if path == ws.folder else freed)
    assert ws.clean(dry_run=True, say=said.append) == freed
    assert said == [
        f"would remove {old.name} (7000000.0 MB)",
        "1 old artifacts, 7000000.0 MB; what is kept: 3000000.0 MB",
    ]
    assert ws.clean(say=said.append) == freed
    assert said[2:] == [
        f"removed {old.name} (7000000.0 MB)",
        "1 old artifacts, 7000000.0 MB; what is kept: 10000000.0 MB",
    ]
    assert not old.exists() and kept.exists()


@pytest.mark.parametrize("length", [1_350_000, 1_450_000])  # a byte less, or more, would be rounded to another number
def test_what_is_kept_is_the_size_of_the_folder_after_cleaning(ws, monkeypatch, length):
    said = []
    monkeypatch.setattr(workspace, "size", lambda path: length)
    ws.clean(say=said.append)
    assert said == ["0 old artifacts, 0.0 MB; what is kept: 1.4 MB"]


def test_cleaning_adds_up_what_it_frees_and_prints_it_if_nobody_listens(ws, capsys):
    for number, length in enumerate((160_000, 240_000)):
        (ws.folder / f"a-{number:012x}.json").write_bytes(b" " * length)
    (ws.folder / "notes.txt").write_bytes(b" " * 1_300_000)
    assert ws.clean() == 400_000
    lines = capsys.readouterr().out.splitlines()
    assert [line[-8:] for line in lines[:2]] == ["(0.2 MB)"] * 2
    assert len(lines) == 3 and lines[2] == "2 old artifacts, 0.4 MB; what is kept: 1.3 MB"
    assert ws.clean() == 0


def test_records_go_with_their_artifacts_and_a_dry_run_touches_none(ws):
    kept, gone = build_at(ws, NOW - 10, "a"), build_at(ws, NOW - 10, "b")
    gone.unlink()
    names = {f"{path.stem}.json" for path in (kept, gone)}
    ws.clean(dry_run=True, say=[].append)
    assert {path.name for path in (ws.folder / ".index").iterdir()} == names
    ws.clean(say=[].append)
    assert {path.name for path in (ws.folder / ".index").iterdir()} == {f"{kept.stem}.json"}


def test_what_disappears_before_it_is_removed_stops_nothing(ws):
    old = build_at(ws, NOW - 20, "a", 1)
    build_at(ws, NOW - 10, "a", 2)
    ws.clean(say=lambda line: old.unlink(missing_ok=True))
    assert ws.outdated() == []


def test_a_record_that_another_process_removes_meanwhile_stops_nothing(ws, monkeypatch):
    there = Path.glob
    monkeypatch.setattr(Path, "glob", lambda path, what: [path / "gone-0123456789ab.json", *there(path, what)])
    assert ws.clean(say=[].append) == 0


# Forgetting


def test_what_was_never_built_is_forgotten_without_a_word(ws):
    ws.forget("a", builder())
    assert list(ws.folder.iterdir()) == []


def test_forgetting_touches_no_file_whose_name_only_begins_alike(ws):
    build = builder()
    ws.get("a", build)
    base = ws.path("a", build)
    longer = build_at(ws, NOW, base.name)
    notes = base.with_name(f"{base.name}.txt")
    notes.write_text("mine")
    ws.forget("a", build)
    assert ws.file("a", build) is None and longer.exists() and notes.exists()
    assert [path.stem for path in (ws.folder / ".index").iterdir()] == [longer.stem]


# Files


def test_a_temporary_name_is_hidden_random_and_ends_like_the_wanted_one(tmp_path):
    names = set()
    for _ in range(3):
        with workspace.atomic(tmp_path / "best.weights.h5") as part:
            part.touch()
            assert part.parent == tmp_path and re.fullmatch(r"\.[0-9a-f]{8}-best\.weights\.h5", part.name)
            names.add(part.name)
    assert len(names) == 3


def test_a_writer_that_wrote_nothing_replaces_nothing(tmp_path):
    path = tmp_path / "record.json"
    path.write_text("[1]")
    with pytest.raises(FileNotFoundError), workspace.atomic(path):
        pass
    with pytest.raises(ZeroDivisionError), workspace.atomic(path):
        raise ZeroDivisionError
    assert path.read_text() == "[1]" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ((errno.ENOSPC, "No space left on device"), "wanted"),
        ((errno.EACCES, "Permission denied", "other"), "other"),
        (("broken",), None),
    ],
)
def test_an_error_without_a_file_is_given_the_wanted_one_and_one_with_a_file_keeps_it(tmp_path, words, name):
    path, error = tmp_path / "record.json", OSError(*words)
    with pytest.raises(OSError) as caught, workspace.atomic(path):
        raise error
    assert caught.value is error
    assert error.filename == (str(path) if name == "wanted" else name)


def test_the_size_of_a_folder_is_that_of_all_its_files(tmp_path):
    assert workspace.size(tmp_path / "nothing") == 0
    (tmp_path / "one").write_bytes(b"1234567")
    assert workspace.size(tmp_path / "one") == workspace.size(str(tmp_path)) == 7
    (tmp_path / "below" / "deeper").mkdir(parents=True)
    (tmp_path / "below" / "deeper" / "two").write_bytes(b"123")
    (tmp_path / "below" / "empty").touch()
    assert workspace.size(tmp_path) == 10 and workspace.size(tmp_path / "below") == 3
