"""One machine, more than its memory: the same tables in SQL, by DuckDB (notebook 24).

Each statement below says in SQL what a function of the kit says in pandas; the tests hold the results equal. Names are
numbered once, so that what is grouped and joined are small integers. One step is no SQL: which item follows which is a
product of two sparse matrices, and a join of every basket with the next one takes several times its seconds and memory.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import pandas as pd
import scipy.sparse as sp

from recsys_kit.features import INTERACTION_DECAYS
from recsys_kit.scaling import reference
from recsys_kit.scaling.copies import Workload

__all__ = ["STATEMENTS", "run_duckdb"]

_DECAYED = ",\n    ".join(f"sum(exp(-age / {days}))::float AS decayed_{days}" for days in INTERACTION_DECAYS)
_ROWS_AT_ONCE = 5_000_000  # of the purchases whose followers are counted

STATEMENTS = {
    "people": """
CREATE TABLE people AS
SELECT user_id, row_number() OVER (ORDER BY user_id)::int AS person
FROM (SELECT DISTINCT user_id FROM read_parquet({events}))""",
    "receipts": """
CREATE TABLE receipts AS
SELECT basket_id, row_number() OVER (ORDER BY basket_id)::int AS basket
FROM (SELECT DISTINCT basket_id FROM read_parquet({events}))""",
    "things": """
CREATE TABLE things AS
SELECT item_id, row_number() OVER (ORDER BY item_id)::int AS item
FROM read_parquet({items}) WHERE is_merchandise""",
    "past": """
CREATE TABLE past AS
SELECT DISTINCT person, basket, item, "timestamp", quantity, price, discount
FROM read_parquet({events})
JOIN things USING (item_id) JOIN people USING (user_id) LEFT JOIN receipts USING (basket_id)
WHERE event_type = 'purchase'
    AND NOT coalesce(quantity <= 0, false) AND NOT coalesce(price <= 0, false)
    AND "timestamp" < {cutoff}""",
    "lines": """
CREATE TABLE lines AS
SELECT person, basket, item, min("timestamp") AS bought_at FROM past GROUP BY person, basket, item""",
    "catalogue": """
CREATE TABLE catalogue AS
SELECT item, item_id, (row_number() OVER (ORDER BY item) - 1)::int AS place
FROM (SELECT item FROM lines GROUP BY item HAVING count(DISTINCT person) >= {min_users}) JOIN things USING (item)""",
    "bought": """
CREATE TABLE bought AS
WITH known AS (SELECT person, basket, place, bought_at FROM lines JOIN catalogue USING (item)),
visits AS (
    SELECT person, basket,
        row_number() OVER (PARTITION BY person ORDER BY min(bought_at), basket)::int AS visit,
        count(*) OVER (PARTITION BY person)::int AS baskets
    FROM known GROUP BY person, basket
)
SELECT person, place, visit, baskets, bought_at FROM known JOIN visits USING (person, basket)""",
    "users": """
COPY (
WITH sizes AS (
    SELECT person, count(*)::double AS frequency, sum(items) / count(*) AS basket_size
    FROM (SELECT person, basket, count(*) AS items FROM lines GROUP BY person, basket) GROUP BY person
), moments AS (
    SELECT person, "timestamp", count(*) AS n, sum(price * quantity) AS spend,
        sum(price * quantity) FILTER (discount IS NOT NULL) AS priced,
        sum(price * quantity) FILTER (discount > 0) AS reduced
    FROM past GROUP BY person, basket, "timestamp"
), clock AS (
    SELECT *, epoch_us({cutoff} - "timestamp") / 86400e6 AS age, timezone({zone}, "timestamp") AS local,
        (hour(local) + minute(local) / 60.0) * pi() / 12 AS angle
    FROM moments
), sums AS (
    SELECT person,
        min(age) AS recency_days,
        max(age) AS tenure_days,
        sum(spend) AS monetary,
        coalesce(sum(reduced), 0) / sum(priced) AS promotion_affinity,
        sum(n * cos(angle)) AS x, sum(n * sin(angle)) AS y, sum(n) AS rows,
        sum(n * (isodow(local) >= 6)::int) / sum(n) AS weekend_share
    FROM clock GROUP BY person
)
SELECT user_id, recency_days, tenure_days, frequency, monetary, basket_size, promotion_affinity,
    (degrees(atan2(y, x)) / 15 + 24) % 24 AS hour, sqrt(x * x + y * y) / rows AS hour_focus, weekend_share
FROM sums JOIN sizes USING (person) JOIN people USING (person) ORDER BY person
) TO {out} (FORMAT parquet)""",
    "pairs": """
COPY (
WITH ages AS (
    SELECT person, place, visit, baskets, epoch_us({cutoff} - bought_at) / 86400e6 AS age FROM bought
), sums AS (
    SELECT person, place, count(*)::float AS count,
    {decayed},
    (count(*) / max(baskets))::float AS basket_share,
    (max(baskets) - max(visit))::float AS visits_since,
    min(age) AS last,
    CASE WHEN count(*) > 1 THEN greatest((max(age) - min(age)) / (count(*) - 1), 1) END AS gap
    FROM ages GROUP BY person, place
)
SELECT user_id, item_id, sums.* EXCLUDE (person, place, last, gap),
    last::float AS recency_days, gap::float AS gap_days, (last / gap)::float AS overdue
FROM sums JOIN people USING (person) JOIN catalogue USING (place) ORDER BY person, place
) TO {out} (FORMAT parquet)""",
}
"""The whole work but the followers: seven tables that stay in the database, two that are written."""


def run_duckdb(load: Workload, out: str | Path, memory_gb: float = 0.0, threads: int = 0) -> dict[str, int]:
    """Computes the three tables with DuckDB; what does not fit into memory spills into a folder beside the result.

    Args:
        load: The workload.
        out: Folder of `users.parquet`, `pairs.parquet` and `followers.parquet`.
        memory_gb: Limit of memory; 0: DuckDB's own, eight tenths of the machine's.
        threads: Limit of threads; 0: all cores.

    Returns:
        The rows of each table.
    """
    import duckdb

    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        # a database in a file of its own: one in memory would not spill its tables
        config = {"temp_directory": scratch, "preserve_insertion_order": "false"}
        config |= {"memory_limit": f"{memory_gb}GB"} if memory_gb else {}
        config |= {"threads": str(threads)} if threads else {}
        with duckdb.connect(Path(scratch, "work.duckdb"), config=config) as database:
            database.execute("SET enable_progress_bar = false")
            for name, statement in STATEMENTS.items():
                database.execute(statement.format(**_words(load, out / f"{name}.parquet")))
            followers = _followers(database, load)
            followers.to_parquet(out / "followers.parquet", index=False)
            rows = {name: _rows(database, out / f"{name}.parquet") for name in ("users", "pairs")}
            return rows | {"followers": len(followers)}


def _rows(database, path: Path) -> int:
    return database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()[0]


def _followers(database, load: Workload) -> pd.DataFrame:
    """Counts what follows what, some of the users at a time, and keeps the most frequent."""
    catalogue = database.execute("SELECT item_id FROM catalogue ORDER BY place").df()["item_id"]
    rows, people = database.execute("SELECT count(*), max(person) FROM bought").fetchone()
    counts = sp.csr_matrix((len(catalogue), len(catalogue)), dtype="float32")
    step = max(1, _ROWS_AT_ONCE * (people or 0) // max(rows, 1))
    for first in range(1, (people or 0) + 1, step):
        part = f"SELECT person, visit, place FROM bought WHERE person BETWEEN {first} AND {first + step - 1}"
        found = database.execute(part).fetchnumpy()
        counts += reference.next_counts(found["person"] - first, found["visit"], found["place"], len(catalogue))
    return reference.kept(counts, pd.Index(catalogue), load.followers)


def _words(load: Workload, path: Path) -> dict[str, str]:
    """What the statements name, as SQL; paths and zones are texts with quotes doubled."""

    def text(value: str) -> str:
        return "'" + str(value).replace("'", "''") + "'"

    return {
        "events": "[" + ", ".join(text(name) for name in load.events) + "]",
        "items": text(f"{load.folder}/items.parquet"),
        "cutoff": f"{text(load.cutoff)}::timestamptz",
        "zone": text(load.timezone),
        "min_users": str(load.min_users),
        "followers": str(load.followers),
        "decayed": _DECAYED,
        "out": text(str(path)),
    }
