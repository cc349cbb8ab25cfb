"""The command on an engine: lists as in one process, each customer once, and errors in a line."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import signal
import socket
import subprocess
import sys
import threading

import light_shop
import numpy as np
import pandas as pd
import pytest
import scaling_shop
from typer.testing import CliRunner

from recsys_kit import cli, recommendation
from recsys_kit.datasets.tables import DataError
from recsys_kit.scaling import copies, engines


@pytest.fixture(scope="module")
def client():
    """Two processes."""
    with engines.opened("dask") as opened:
        yield opened


def same(found, expected):
    pd.testing.assert_frame_equal(found, expected, check_dtype=False, check_exact=True)


@pytest.mark.slow
def test_lists_in_parts_are_those_of_one_process_and_strangers_get_theirs(client, tmp_path):
    recommender, said = light_shop.recommender(), []
    users = ["stranger", *recommender.place[::-1]]
    made = engines.ListsInParts(client, recommender, tmp_path / "lists", said.append, part=16)
    rules = recommendation.Rules(discovery=2)
    same(made(users, 5, rules, 0.3, allow_new=True), recommender.recommend(users, 5, rules, 0.3, allow_new=True))
    assert said[-1] == "part 5 of 5"
    made.finish()
    assert not (tmp_path / "lists").exists()
    with pytest.raises(DataError, match="stranger"):
        made(users, 5)


@pytest.mark.slow
def test_interrupted_and_resumed_each_customer_has_one_list(client, tmp_path):
    recommender, said = light_shop.recommender(), []

    def interrupt(line):
        said.append(line)
        if line == "part 2 of 4":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        engines.ListsInParts(client, recommender, tmp_path / "lists", interrupt, part=16)()
    assert said[-1] == "2 of 4 parts are finished: the same command goes on there"
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "lists").rglob("part-*")}
    assert len(before) == 2
    resumed = engines.ListsInParts(client, recommender, tmp_path / "lists", said.append, part=16)
    lists = resumed()
    assert "2 of 4 parts were finished before, and are kept" in said
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())
    assert not lists.duplicated(["user_id", "rank"]).any()
    assert (lists.groupby("user_id").size().reindex(recommender.place) == 10).all()
    same(lists, recommender.recommend())
    other = engines.ListsInParts(client, recommender, tmp_path / "lists", said.append, part=16)
    same(other(k=3), recommender.recommend(k=3))  # other wishes find no parts of these
    other.finish()
    assert len(list((tmp_path / "lists").iterdir())) == 1


@pytest.mark.slow
def test_a_worker_that_dies_loses_no_list(client, tmp_path):
    recommender, pids = light_shop.recommender(), list(client.run(os.getpid).values())

    def kill(line):
        if line == "part 1 of 8":
            os.kill(pids[0], signal.SIGKILL)

    same(engines.ListsInParts(client, recommender, tmp_path / "lists", kill, part=8)(), recommender.recommend())


def test_parts_are_named_by_all_that_they_depend_on():
    recommender = light_shop.recommender()
    users, wishes = recommender.place, {"k": 3}

    def named(**changed):
        other = recommendation.Recommender(
            recommender.shop, recommender.split, dataclasses.replace(recommender.model, **changed)
        )
        return engines._version(other, users, wishes, 16)

    names = [
        named(),
        named(text=np.ones((len(recommender.split.items), 2))),
        engines._version(recommender, users[1:], wishes, 16),
        engines._version(recommender, users, {"k": 4}, 16),
        engines._version(recommender, users, wishes, 32),
    ]
    assert named() == names[0] and len(set(names)) == len(names)


@pytest.mark.slow
def test_the_command_writes_the_same_lists_by_dask_here_and_at_an_address(client, tmp_path):
    common = ["recommend", "--data", str(light_shop.FOLDER), "--workspace", str(tmp_path / "ws"), "--light", "--out"]
    address = client.scheduler.address
    for name, more in {"pandas": [], "dask": ["--engine", "dask", "--scheduler", address]}.items():
        done = CliRunner().invoke(cli.app, [*common, str(tmp_path / f"{name}.parquet"), *more])
        assert done.exit_code == 0, done.output
        assert "60 users, 600 recommendations" in done.output
    found, expected = (pd.read_parquet(tmp_path / f"{name}.parquet") for name in ("dask", "pandas"))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)
    assert not (tmp_path / "ws" / "lists").exists()


@pytest.mark.slow
def test_tables_are_those_of_pandas_by_every_engine_and_replace_each_other(client, tmp_path):
    shop = scaling_shop.shop()
    rows = engines.tables(shop, scaling_shop.CUTOFF, tmp_path / "pandas", "pandas")
    for engine in ("duckdb", "dask", "duckdb"):
        assert engines.tables(shop, scaling_shop.CUTOFF, tmp_path / "out", engine, client) == rows
        for name in copies.TABLES:
            found, expected = copies.table(tmp_path / "out", name), copies.table(tmp_path / "pandas", name)
            pd.testing.assert_frame_equal(found, expected, check_dtype=False, rtol=1e-6)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [f"{name}.parquet" for name in sorted(rows)]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "spark"], "`--engine` must be pandas or dask. Received: spark"),
        (["--engine", "duckdb"], "--engine duckdb makes tables, not lists"),
        (["--scheduler", "tcp://10.0.0.5:8786"], "--scheduler goes with --engine dask"),
        (["--engine", "dask", "--scheduler", "nowhere"], "no Dask scheduler answers at nowhere"),
    ],
)
def test_what_can_not_be_is_said_in_a_line(words, message, tmp_path):
    options = ["--data", str(light_shop.FOLDER), "--workspace", str(tmp_path / "ws"), "--light"]
    done = CliRunner().invoke(cli.app, ["recommend", *options, "--out", str(tmp_path / "lists.parquet"), *words])
    assert done.exit_code == 2 and message in done.output and "Traceback" not in done.output
    assert not (tmp_path / "ws").exists()  # before any work


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--engine", "spark"], "`--engine` must be pandas, duckdb or dask. Received: spark"),
        (["--engine", "duckdb", "--scheduler", "tcp://10.0.0.5:8786"], "--scheduler goes with --engine dask"),
        (["--scheduler", "tcp://10.0.0.5:8786"], "--scheduler goes with --engine dask"),
        (["--engine", "pandas", "--redact"], "doesn't go with --redact"),
    ],
)
def test_run_says_it_too(words, message, tmp_path):
    done = CliRunner().invoke(cli.app, ["run", "--out", str(tmp_path / "out"), *words])
    assert done.exit_code == 2 and message in done.output
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n" * 9])
def test_what_is_no_scheduler_is_told_within_seconds(answer, monkeypatch):
    monkeypatch.setattr(engines, "_SECONDS", 1)
    with socket.create_server(("127.0.0.1", 0)) as server, contextlib.ExitStack() as kept:

        def serve():
            with contextlib.suppress(OSError):
                while True:
                    kept.enter_context(server.accept()[0]).sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        address = f"tcp://127.0.0.1:{server.getsockname()[1]}"
        with (
            pytest.raises(ValueError, match=f"no Dask scheduler answers at {address}"),
            engines.opened("dask", address),
        ):
            pass


@pytest.mark.parametrize("hasty", [0, 1, 2, 3])
def test_a_scheduler_whose_greeting_is_not_alone_in_its_parcel_is_asked_anew(hasty, monkeypatch):
    asked = []

    def client(address, timeout):
        asked.append(address)
        if len(asked) <= hasty:
            raise AssertionError  # as Dask does
        return "a client"

    monkeypatch.setattr("dask.distributed.Client", client)
    if hasty == 3:
        with pytest.raises(ValueError, match="no Dask scheduler answers at here"):
            engines._client("here")
    else:
        assert engines._client("here") == "a client" and len(asked) == hasty + 1


@pytest.mark.slow
def test_a_cluster_without_workers_is_told():
    command = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", "0"]
    # A process: its loop is nobody else's.
    with subprocess.Popen([*command, "--no-dashboard"], stderr=subprocess.PIPE, text=True) as alone:
        try:
            address = next(line.split()[-1] for line in alone.stderr if "Scheduler at:" in line)
            with pytest.raises(ValueError, match="has no workers"), engines.opened("dask", address):
                pass
        finally:
            alone.terminate()


@pytest.mark.slow
def test_workers_with_other_code_are_refused(client, monkeypatch):
    monkeypatch.setattr(engines, "code_version", lambda function: "other")
    with pytest.raises(ValueError, match="another version of the kit"):
        with engines.opened("dask", client.scheduler.address):
            pass
