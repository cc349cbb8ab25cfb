"""Lists, search and events over HTTP: what is refused, what survives, and what a swap of lists does."""

import json
import os
import threading
import time

import pandas as pd
import pytest
from busy_shop import busy_shop

from recsys_kit.operations import service, stream

pytest.importorskip("starlette", reason="comes with the extra `serve`")
testclient = pytest.importorskip("starlette.testclient", reason="comes with the extra `serve`")

NOW = 1_500_000_000.0


def write_lists(path, word, users=5, k=10):
    rows = [
        (f"u{user:03d}", rank, f"{word}{rank}", f"{word} {rank}") for user in range(users) for rank in range(1, k + 1)
    ]
    part = path.with_suffix(".part")
    pd.DataFrame(rows, columns=["user_id", "rank", "item_id", "reason"]).to_parquet(part, index=False)
    os.replace(part, path)


def event(number=1, user="u001", item="i07", time=NOW):
    return {"id": f"e{number}", "user": user, "item": item, "time": time}


@pytest.fixture
def opened(tmp_path):
    made = []

    def build(search=None, history=None, **limits):
        if not (tmp_path / "lists.parquet").exists():
            write_lists(tmp_path / "lists.parquet", "old")
        limits = service.Limits(**limits)
        made.append(service.Service(tmp_path / "lists.parquet", tmp_path / "live", history, search, limits))
        return testclient.TestClient(service.application(made[-1]), raise_server_exceptions=False)

    yield build
    for one in made:
        one.close()


def items(answer):
    return [one["item_id"] for one in answer.json()["items"]]


def test_a_household_gets_the_list_of_the_night_in_its_order(opened):
    found = opened().get("/lists/u001?k=3")
    assert found.status_code == 200 and found.json()["source"] == "night"
    assert found.json()["items"][0] == {"item_id": "old1", "rank": 1, "reason": "old 1"}
    assert items(found) == ["old1", "old2", "old3"]


def test_a_purchase_is_in_the_list_of_the_next_request(opened):
    client = opened()
    assert client.post("/events", json=[event(1), event(2, item="i08")]).json() == {"received": 2, "new": 2}
    found = client.get("/lists/u001")
    assert found.json()["source"] == "events" and set(items(found)) == {"i07", "i08"}
    assert client.get("/lists/u002").json()["source"] == "night"


def test_who_is_not_known_gets_what_is_popular(opened):
    client = opened()
    client.post("/events", json=[event(1), event(2, user="u002"), event(3, user="u003", item="i09")])
    assert items(client.get("/lists/nobody?k=1")) == ["i07"]


def test_the_next_night_takes_over_again(opened, tmp_path):
    client = opened()
    client.post("/events", json=[event(1)])
    time.sleep(0.02)  # the clock of files is coarser than that of events
    write_lists(tmp_path / "lists.parquet", "new")
    assert items(client.get("/lists/u001?k=2")) == ["new1", "new2"]


def test_an_event_that_comes_twice_counts_once_also_after_a_restart(opened):
    opened().post("/events", json=[event(1), event(1)])
    again = opened()
    assert again.post("/events", json=[event(1)]).json() == {"received": 1, "new": 0}
    assert again.get("/lists/u001").json()["source"] == "events"


def test_what_was_logged_before_a_crash_is_in_the_state_after_it(opened, tmp_path):
    (tmp_path / "live").mkdir()
    log = stream.SqliteLog(tmp_path / "live" / "log.db")
    log.append([event(1)])  # and here the power failed
    log.close()
    assert items(opened().get("/lists/u001?k=1")) == ["i07"]


def test_a_new_state_begins_with_the_history(opened):
    shop = busy_shop()
    client = opened(history=shop.events)
    assert len(items(client.get("/lists/stranger"))) == 10
    one = stream.messages(shop.events.head(1))[0]
    assert client.post("/events", json=[one]).json()["new"] == 0  # it is in the history


def test_lists_that_cannot_be_read_leave_the_old_ones_and_are_told(opened, tmp_path):
    client = opened()
    assert client.get("/health").json()["status"] == "ok"
    (tmp_path / "lists.parquet").write_bytes(b"cut off")
    assert items(client.get("/lists/u001?k=1")) == ["old1"]
    health = client.get("/health").json()
    assert health["status"] == "degraded" and "lists.parquet" in health["problem"] and health["households"] == 5


@pytest.mark.parametrize(
    "body, message",
    [
        ("[", "must be JSON"),
        ("{}", "a JSON list of 1 to 3 events. Received: dict"),
        ("[]", "Received: a list of 0"),
        (json.dumps([event(n) for n in range(4)]), "Received: a list of 4"),
        ('["x"]', "event 0 must be an object"),
        (json.dumps([event(), event() | {"item": 7}]), "event 1: `item` must be a text"),
        (json.dumps([event() | {"user": ""}]), "event 0: `user` must be a text"),
        (json.dumps([event() | {"id": "\ud800"}]), "event 0: `id` must be a text"),
        (json.dumps([event() | {"time": 9e12}]), "event 0: `time` must be seconds since 1970, at most a day ahead"),
        (json.dumps([event() | {"time": float("nan")}]), "event 0: `time`"),
        (json.dumps([event() | {"time": True}]), "event 0: `time`"),
        ("[" * 100_000, "must be JSON"),
    ],
)
def test_bad_events_are_refused_whole_with_the_rule_and_nothing_is_kept(opened, body, message):
    client = opened(events=3)
    found = client.post("/events", content=body)
    assert found.status_code == 400 and message in found.json()["error"]
    assert client.get("/lists/u001").json()["source"] == "night"
    assert client.post("/events", json=[event(5)]).json()["new"] == 1  # it goes on


def test_a_body_that_is_too_long_is_refused_before_it_is_read(opened):
    found = opened(size=1000).post("/events", content=b"[" + b" " * 5000)
    assert found.status_code == 413 and "1,000 bytes" in found.json()["error"]


@pytest.mark.parametrize("k", ["0", "101", "-1", "ten", "1e9", "٣", "9" * 5000])
def test_a_length_that_is_none_is_refused(opened, k):
    found = opened().get("/lists/u001", params={"k": k})
    assert found.status_code == 400 and "`k` must be a whole number from 1 to 100" in found.json()["error"]


def test_a_search_answers_or_says_what_is_wrong(opened):
    client = opened(lambda text, k: [{"item_id": text, "score": 1.0}][:k])
    assert client.get("/search", params={"q": "牛奶"}).json()["items"][0]["item_id"] == "牛奶"
    empty = client.get("/search")
    assert empty.status_code == 400 and "the query is empty" in empty.json()["error"]
    assert opened().get("/search?q=milk").status_code == 404


@pytest.mark.parametrize("fault", [ValueError, KeyError])
def test_a_fault_of_the_service_is_not_said_to_be_the_callers(opened, fault):
    def search(text, k):
        raise fault("inside")

    client = opened(search)
    found = client.get("/search?q=milk")
    assert found.status_code == 500 and "inside" not in found.text
    assert 'recsys_kit_requests_total{path="/search",status="500"} 1.0' in client.get("/metrics").text


def test_metrics_count_requests_by_path_and_status(opened):
    client = opened()
    client.get("/lists/u001")
    client.get("/lists/u002?k=0")
    text = client.get("/metrics").text
    assert 'recsys_kit_requests_total{path="/lists",status="200"} 1.0' in text
    assert 'recsys_kit_requests_total{path="/lists",status="400"} 1.0' in text


def test_who_would_wait_too_long_is_told_to_come_again(opened):
    gate, inside = threading.Event(), threading.Event()

    def search(text, k):
        inside.set()
        gate.wait(10)
        return []

    with opened(search, waiting=1) as client:  # one loop for all requests
        first = threading.Thread(target=client.get, args=("/search?q=a",))
        first.start()
        assert inside.wait(10)
        found = client.get("/search?q=b")
        gate.set()
        first.join()
    assert found.status_code == 503 and found.headers["Retry-After"] == "1"


def test_lists_that_are_swapped_under_load_come_whole_and_no_answer_is_lost(opened, tmp_path):
    client, mixed, seen, stop = opened(), [], set(), threading.Event()

    def ask():
        while not stop.is_set():
            found = items(client.get("/lists/u003"))
            words = {item[:3] for item in found}
            seen.update(words)
            if len(words) != 1 or len(found) != 10:
                mixed.append(found)

    with client:
        threads = [threading.Thread(target=ask) for _ in range(4)]
        for thread in threads:
            thread.start()
        for night in range(20):
            time.sleep(0.03)
            write_lists(tmp_path / "lists.parquet", f"n{night:02d}")
        time.sleep(0.1)
        stop.set()
        for thread in threads:
            thread.join()
    assert not mixed and len(seen) > 10 and "n19" in seen


def test_without_the_extra_it_says_what_to_install(opened, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "starlette.applications", None)
    with pytest.raises(service.DataError, match=r"pip install 'recsys_kit\[serve\]'"):
        opened()


@pytest.mark.parametrize(
    "words, message",
    [
        (("--port", "0"), "`--port` must be 1 to 65535. Received: 0"),
        (("--lists", "none.parquet", "--no-search"), "none.parquet"),
    ],
)
def test_the_command_says_what_it_lacks(recsys_kit, words, message):
    found = recsys_kit("serve", *words)
    assert found.exit_code == 2 and message in found.output
