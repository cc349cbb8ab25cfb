"""One machine, more than its memory: the same tables in SQL, by DuckDB (notebook 24).

Each statement below says in SQL what a function of the kit says in pandas; the tests hold the results equal.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from recsys_kit.features import INTERACTION_DECAYS
from recsys_kit.scaling.copies import COLUMNS, TABLES, Workload

__all__ = ["STATEMENTS", "run_duckdb"]

_DECAYED = ",\n    ".join(f"sum(exp(-age / {days}))::float AS decayed_{days}" for days in INTERACTION_DECAYS)

STATEMENTS = {
    "past": """
CREATE TABLE past AS
SELECT DISTINCT {columns} FROM read_parquet({events}) AS e
JOIN read_parquet({items}) AS i USING (item_id)
WHERE event_type = 'purchase' AND i.is_merchandise
    AND NOT coalesce(quantity <= 0, false) AND NOT coalesce(price <= 0, false)
    AND "timestamp" < {cutoff}""",
    "catalogue": """
CREATE TABLE catalogue AS
SELECT item_id FROM past GROUP BY item_id HAVING count(DISTINCT user_id) >= {min_users}""",
    "bought": """
CREATE TABLE bought AS
SELECT user_id, basket_id, item_id, min("timestamp") AS bought_at
FROM past SEMI JOIN catalogue USING (item_id)
GROUP BY user_id, basket_id, item_id""",
    "visits": """
CREATE TABLE visits AS
SELECT user_id, basket_id,
    row_number() OVER (PARTITION BY user_id ORDER BY min(bought_at), basket_id) AS visit,
    count(*) OVER (PARTITION BY user_id) AS baskets
FROM bought GROUP BY user_id, basket_id""",
    "users": """
COPY (
WITH rows AS (
    SELECT *, epoch_us({cutoff} - "timestamp") / 86400e6 AS age, price * quantity AS spend,
        timezone({zone}, "timestamp") AS local
    FROM past
), clock AS (
    SELECT *, (hour(local) + minute(local) / 60.0) * pi() / 12 AS angle FROM rows
), sums AS (
    SELECT user_id,
        min(age) AS recency_days,
        max(age) AS tenure_days,
        count(DISTINCT basket_id)::double AS frequency,
        sum(spend) AS monetary,
        count(DISTINCT (basket_id, item_id)) / count(DISTINCT basket_id) AS basket_size,
        sum(CASE WHEN discount > 0 THEN spend ELSE 0 END) FILTER (discount IS NOT NULL)
            / sum(spend) FILTER (discount IS NOT NULL) AS promotion_affinity,
        sum(cos(angle)) AS x, sum(sin(angle)) AS y, count(*) AS n,
        avg((isodow(local) >= 6)::int) AS weekend_share
    FROM clock GROUP BY user_id
)
SELECT user_id, recency_days, tenure_days, frequency, monetary, basket_size, promotion_affinity,
    (degrees(atan2(y, x)) / 15 + 24) % 24 AS hour, sqrt(x * x + y * y) / n AS hour_focus, weekend_share
FROM sums ORDER BY user_id
) TO {out} (FORMAT parquet)""",
    "pairs": """
COPY (
WITH rows AS (
    SELECT user_id, item_id, visit, baskets, epoch_us({cutoff} - bought_at) / 86400e6 AS age
    FROM bought JOIN visits USING (user_id, basket_id)
), sums AS (
    SELECT user_id, item_id, count(*)::float AS count,
    {decayed},
    (count(*) / max(baskets))::float AS basket_share,
    (max(baskets) - max(visit))::float AS visits_since,
    min(age) AS last,
    CASE WHEN count(*) > 1 THEN greatest((max(age) - min(age)) / (count(*) - 1), 1) END AS gap
    FROM rows GROUP BY user_id, item_id
)
SELECT * EXCLUDE (last, gap), last::float AS recency_days, gap::float AS gap_days, (last / gap)::float AS overdue
FROM sums ORDER BY user_id, item_id
) TO {out} (FORMAT parquet)""",
    "followers": """
COPY (
WITH rows AS (SELECT user_id, visit, item_id FROM bought JOIN visits USING (user_id, basket_id)),
counts AS (
    SELECT a.item_id, b.item_id AS follower_id, count(*) AS count
    FROM rows AS a JOIN rows AS b ON a.user_id = b.user_id AND b.visit = a.visit + 1
    GROUP BY a.item_id, b.item_id
)
SELECT item_id, follower_id, count FROM counts
QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY count DESC, follower_id) <= {followers}
ORDER BY item_id, count DESC, follower_id
) TO {out} (FORMAT parquet)""",
}
"""The whole work: four tables that stay in the database, three that are written."""


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
            return {name: _rows(database, out / f"{name}.parquet") for name in TABLES}


def _rows(database, path: Path) -> int:
    return database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()[0]


def _words(load: Workload, path: Path) -> dict[str, str]:
    """What the statements name, as SQL; paths and zones are texts with quotes doubled."""

    def text(value: str) -> str:
        return "'" + str(value).replace("'", "''") + "'"

    return {
        "columns": ", ".join(f'e."{name}"' if name != "item_id" else "item_id" for name in COLUMNS),
        "events": "[" + ", ".join(text(name) for name in load.events) + "]",
        "items": text(f"{load.folder}/items.parquet"),
        "cutoff": f"{text(load.cutoff)}::timestamptz",
        "zone": text(load.timezone),
        "min_users": str(load.min_users),
        "followers": str(load.followers),
        "decayed": _DECAYED,
        "out": text(str(path)),
    }
