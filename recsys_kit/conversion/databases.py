"""Databases as a source of tables, read only and in pieces, and as the place that lists are written to.

An address is `sqlite:///FILE`, `duckdb:///FILE` or `postgresql://USER@HOST/NAME`. A password is best left out of it:
PostgreSQL takes it from the variable PGPASSWORD or from `~/.pgpass`. One that is in the address is in no message.
"""

from __future__ import annotations

import fnmatch
import importlib.util
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pandas as pd

from recsys_kit.conversion.sources import as_text
from recsys_kit.datasets.layout import Layout
from recsys_kit.datasets.tables import DataError

__all__ = ["check_target", "is_address", "opened", "without_password", "write"]

_NEEDS = {"sqlite": ("sqlalchemy",), "duckdb": ("duckdb",), "postgresql": ("sqlalchemy", "psycopg")}
_CHUNK = 50_000  # rows that are fetched or written at once
_TABLE = r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)?"
_HIDDEN = "***"


def is_address(source: str) -> bool:
    """Whether a source is the address of a database.

    Example:
        >>> is_address("sqlite:///shop.db"), is_address("exports/orders.csv")
        (True, False)
    """
    return "://" in source


def without_password(text: str) -> str:
    """Returns a source as it may be shown.

    Example:
        >>> without_password("postgresql://ann:s3cret@host/shop")
        'postgresql://ann:***@host/shop'
    """
    if not is_address(text):
        return text
    text = re.sub(r"://([^:@/]*):(.*)@", rf"://\1:{_HIDDEN}@", text)
    return re.sub(r"(?i)((?:ssl)?password=)[^&#]*", rf"\1{_HIDDEN}", text)


class Database:
    """The tables of a database under their names.

    Args:
        kind: "duckdb", or another that SQLAlchemy connects to.
        connection: An open connection that can only read.
        address: The address, for what messages must not show.
    """

    def __init__(self, kind: str, connection: Any, address: str):
        self._kind, self._connection, self._address = kind, connection, address

    def names(self) -> list[str]:
        """Returns the names of all tables and views."""
        with _quiet(self._address):
            if self._kind == "duckdb":
                rows = self._connection.execute("SELECT table_name FROM information_schema.tables ORDER BY 1")
                return [row[0] for row in rows.fetchall()]
            import sqlalchemy

            inspector = sqlalchemy.inspect(self._connection)
            return sorted([*inspector.get_table_names(), *inspector.get_view_names()])

    def as_part(self, name: str) -> dict[str, str]:
        """Returns how a plan names a table."""
        return {"query": f"SELECT * FROM {_quoted(name)}"}

    def matching(self, pattern: str | list[str]) -> list[str]:
        """Returns the tables that fit a pattern of files: `orders.csv` is the table `orders`.

        Args:
            pattern: As a shell understands it, or a list of names.
        """
        if not isinstance(pattern, str):
            return [name for name in pattern if name in self.names()]
        stem = re.sub(r"\.(csv|dat)$", "", pattern)
        return [name for name in self.names() if name == pattern or fnmatch.fnmatch(name.lower(), stem.lower())]

    def columns(self, name: str, layout: Layout | None = None) -> list[str]:
        """Returns the names of a table's columns.

        Args:
            name: The table.
            layout: Of no use here: a database has none.
        """
        return list(self.query(f"SELECT * FROM {_quoted(name)} LIMIT 0"))

    def read(self, name: str, layout: Layout | None = None, notes: list[str] | None = None) -> pd.DataFrame:
        """Reads a table; all single values are text.

        Args:
            name: The table.
            layout: Of no use here.
            notes: Of no use here.
        """
        return self.query(f"SELECT * FROM {_quoted(name)}")

    def query(self, query: str) -> pd.DataFrame:
        """Returns what a query gives, fetched in pieces; all single values are text, whole numbers with all digits.

        Args:
            query: In the words of the database; it can't change anything.

        Raises:
            DataError: If the database refuses it.
        """
        frames = []
        with _quiet(self._address):
            if self._kind == "duckdb":
                result = self._connection.execute(query)
                names = [column[0] for column in result.description]
            else:
                result = self._connection.execution_options(no_parameters=True).exec_driver_sql(query)
                names = list(result.keys())
            while True:
                rows = [tuple(row) for row in result.fetchmany(_CHUNK)]
                if not rows:
                    break
                frames.append(as_text(pd.DataFrame(rows, columns=names, dtype=object)))
        empty = pd.DataFrame({name: pd.Series(dtype="str") for name in names})
        return pd.concat(frames, ignore_index=True) if frames else empty


@contextmanager
def opened(address: str) -> Iterator[Database]:
    """Gives a database that can only be read, while the block lasts.

    Args:
        address: Its address.

    Raises:
        DataError: If it can't be reached, or a library is missing.
    """
    kind, engine = _connected(address, write=False)
    with _quiet(address):
        if kind == "duckdb":
            connection = engine
        else:
            readonly = {"postgresql_readonly": True, "stream_results": True} if kind == "postgresql" else {}
            connection = engine.connect().execution_options(**readonly)
    try:
        yield Database(kind, connection, address)
    finally:
        connection.close()
        if kind != "duckdb":
            engine.dispose()


def check_target(address: str, columns: list[str]) -> None:
    """Complains, before anything is computed, about a table that can't be written to.

    Args:
        address: Of the database, with the table behind it: `sqlite:///shop.db#lists`.
        columns: The columns that will be written.

    Raises:
        DataError: If it names no table, can't be reached, or the table is there with other columns: then it is not one
            of lists, and would be emptied.
    """
    base, name = _target(address)
    kind, engine = _connected(base, write=True)
    with _quiet(base):
        if kind == "duckdb":
            rows = engine.execute(f"SELECT column_name FROM (DESCRIBE {_quoted(name)})") if _has(engine, name) else None
            there = [row[0] for row in rows.fetchall()] if rows else []
            engine.close()
        else:
            import sqlalchemy

            schema, _, table = name.rpartition(".")
            inspector = sqlalchemy.inspect(engine)
            exists = inspector.has_table(table, schema=schema or None)
            there = [column["name"] for column in inspector.get_columns(table, schema or None)] if exists else []
            engine.dispose()
    if there and set(there) != set(columns):
        raise DataError(
            f"the table {name} has the columns {', '.join(there)}, not {', '.join(columns)}: all its rows would be "
            "replaced. Name another table."
        )


def write(address: str, frame: pd.DataFrame) -> str:
    """Replaces all rows of a table in one transaction; the table is made if it is missing.

    Whoever reads it sees the old rows until all new ones are there, and still sees them if something fails.

    Args:
        address: Of the database, with the table behind it: `sqlite:///shop.db#lists`.
        frame: The rows.

    Returns:
        The address as it may be shown.

    Raises:
        DataError: If the database refuses it.
    """
    base, name = _target(address)
    kind, engine = _connected(base, write=True)
    with _quiet(base):
        if kind == "duckdb":
            _write_duckdb(engine, name, frame)
        else:
            _write_sql(engine, name, frame)
            engine.dispose()
    return without_password(address)


def _write_sql(engine: Any, name: str, frame: pd.DataFrame) -> None:
    import sqlalchemy

    kinds = {"i": sqlalchemy.BigInteger, "f": sqlalchemy.Double}
    columns = [sqlalchemy.Column(each, kinds.get(frame[each].dtype.kind, sqlalchemy.Text)) for each in frame]
    schema, _, table = name.rpartition(".")
    target = sqlalchemy.Table(table, sqlalchemy.MetaData(), *columns, schema=schema or None)
    with engine.begin() as connection:
        target.create(connection, checkfirst=True)
        connection.execute(target.delete())
        for start in range(0, len(frame), _CHUNK):
            piece = frame.iloc[start : start + _CHUNK].astype(object)
            connection.execute(target.insert(), piece.where(piece.notna(), None).to_dict("records"))


def _write_duckdb(connection: Any, name: str, frame: pd.DataFrame) -> None:
    columns = ", ".join(_quoted(each) for each in frame)
    connection.register("recsys_kit_rows", frame)
    connection.execute("BEGIN")
    try:
        made = f"CREATE TABLE IF NOT EXISTS {_quoted(name)} AS SELECT * FROM recsys_kit_rows LIMIT 0"
        connection.execute(made)
        connection.execute(f"DELETE FROM {_quoted(name)}")
        connection.execute(f"INSERT INTO {_quoted(name)} ({columns}) SELECT {columns} FROM recsys_kit_rows")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    finally:
        connection.close()


def _has(connection: Any, name: str) -> bool:
    schema, _, table = name.rpartition(".")
    query = "SELECT count(*) FROM information_schema.tables WHERE table_name = ? AND table_schema = ?"
    return connection.execute(query, [table, schema or "main"]).fetchone()[0] > 0


def _connected(address: str, write: bool) -> tuple[str, Any]:
    """Returns the kind of a database, and its connection (DuckDB) or engine."""
    kind = address.partition("://")[0].partition("+")[0]
    kind = "postgresql" if kind == "postgres" else kind
    if kind not in _NEEDS:
        shown = address.partition("://")[0]
        raise DataError(f"databases are read from sqlite:///, duckdb:/// and postgresql://. Received: {shown}://")
    lacking = [name for name in _NEEDS[kind] if importlib.util.find_spec(name) is None]
    if lacking:
        raise DataError(f"{kind} needs {' and '.join(lacking)}: pip install 'recsys_kit[databases]'.")
    path = unquote(address.partition(":///")[2].partition("?")[0])
    if kind != "postgresql" and not write and not Path(path).is_file():
        raise DataError(f"{kind}: there is no file {path}.")
    with _quiet(address):
        if kind == "duckdb":
            import duckdb

            return kind, duckdb.connect(path, read_only=not write)
        import sqlalchemy

        if kind == "sqlite":
            mode = "rwc" if write else "ro"
            file = f"file:{quote(str(Path(path).absolute()))}?mode={mode}"
            return kind, sqlalchemy.create_engine("sqlite://", creator=lambda: sqlite3.connect(file, uri=True))
        return kind, sqlalchemy.create_engine(f"postgresql+psycopg://{address.partition('://')[2]}")


@contextmanager
def _quiet(address: str) -> Iterator[None]:
    """Turns whatever a database complains about into a message without the password, and without what led to it."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        text = str(getattr(error, "orig", None) or error).strip()
        for secret in _secrets(address):
            text = text.replace(secret, _HIDDEN)
        raise DataError(
            f"{without_password(address)}: {text.splitlines()[0] if text else type(error).__name__}"
        ) from None


def _secrets(address: str) -> list[str]:
    """Returns the password in all the forms that a message could quote it in."""
    found = re.findall(r"://[^:@/]*:(.*)@", address)
    query = parse_qs(urlsplit(address.partition("#")[0]).query)
    found += [value for key in ("password", "sslpassword") for value in query.get(key, ())]
    forms = {form for secret in found for form in (secret, unquote(secret), quote(secret, safe=""))}
    return sorted(forms - {""}, key=len, reverse=True)


def _target(address: str) -> tuple[str, str]:
    base, _, name = address.rpartition("#")
    if not base or not re.fullmatch(_TABLE, name):
        shown = without_password(address)
        raise DataError(f"name the table behind the address, such as sqlite:///shop.db#lists. Received: {shown}")
    return base, name


def _quoted(name: str) -> str:
    return ".".join('"' + part.replace('"', '""') + '"' for part in name.split("."))
