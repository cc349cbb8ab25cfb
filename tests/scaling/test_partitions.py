"""Lists part by part: everybody once, and a worker that dies leaves nothing that looks finished."""

from __future__ import annotations

import os

import pandas as pd
import pytest

from recsys_kit.scaling import partitions

POPULAR = pd.Series({"a": 5, "b": 9, "c": 1, "d": 3})


@pytest.fixture
def parts(tmp_path):
    """Two parts of pairs."""
    folder = tmp_path / "pairs"
    folder.mkdir()
    for part, users in enumerate((["u", "u", "v"], ["w"])):
        table = pd.DataFrame({"user_id": users, "item_id": ["a", "c", "d"][: len(users)], "decayed_90": 1.0})
        table.to_parquet(folder / f"part-{part:05d}.parquet", index=False)
    return sorted(folder.iterdir())


def test_own_items_come_first_and_lists_are_filled_by_what_most_buy(parts):
    lists = partitions.top_lists(pd.read_parquet(parts[0]), POPULAR, k=3)
    assert lists.groupby("user_id")["item_id"].agg(list).to_dict() == {"u": ["a", "c", "b"], "v": ["d", "b", "a"]}
    assert lists["rank"].tolist() == [1, 2, 3, 1, 2, 3]


def test_a_part_is_written_once(parts, tmp_path):
    out, asked = tmp_path / "lists", []

    def make(pairs):
        asked.append(len(pairs))
        return partitions.top_lists(pairs, POPULAR, k=2)

    for _ in range(2):
        for part in parts:
            partitions.write_lists(part, out, "monday", make)
    assert asked == [3, 1]
    assert partitions.missing(parts, out, "monday") == []
    assert partitions.missing(parts, out, "tuesday") == parts


def test_who_dies_halfway_leaves_no_lists(parts, tmp_path, monkeypatch):
    out = tmp_path / "lists"
    monkeypatch.setattr(os, "replace", lambda *names: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        partitions.write_lists(parts[0], out, "monday", lambda pairs: partitions.top_lists(pairs, POPULAR))
    monkeypatch.undo()
    assert partitions.missing(parts, out, "monday") == parts
    done = [
        partitions.write_lists(part, out, "monday", lambda p: partitions.top_lists(p, POPULAR, 2)) for part in parts
    ]
    assert done == [4, 2]
    lists = pd.concat([pd.read_parquet(path) for path in out.glob("*/part-*.parquet")])
    assert lists.groupby("user_id").size().to_dict() == {"u": 2, "v": 2, "w": 2}
