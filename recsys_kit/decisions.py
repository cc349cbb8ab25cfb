"""Commands that decide: which model, whom to target, what to stock or charge, a night, whom to forget; and `serve`.

Also `clean`, `convert`, and what `run` does with an engine. `cli` registers them; each imports its room when it runs,
so that `--help` is instant.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "card",
    "check_engine",
    "clean",
    "convert",
    "diagnose",
    "folder",
    "forecast",
    "forget",
    "operate",
    "price",
    "serve",
    "target",
    "write_tables",
]


def folder(path: Path | None) -> str:
    """Returns the folder of a shop as text, `~` spelt out (a shell leaves it in `--data=~/shop`); empty for none."""
    return "" if path is None else str(path.expanduser())


def target(
    campaign: Annotated[str, typer.Option(help="The campaign to send: an id of campaigns.csv, or 1 to 27.")],
    budget: Annotated[float, typer.Option(help="What may be spent on sending; never more is.")],
    out: Annotated[Path, typer.Option(help="CSV or Parquet file: rank, user_id, campaign_id, chance, cost, value.")],
    cost: Annotated[float, typer.Option(help="Of sending it to one household.")] = 1.0,
    worth: Annotated[float, typer.Option(help="Of a household that redeems, its discount taken off.")] = 10.0,
    cap: Annotated[int, typer.Option(help="At most so many campaigns at once for a household, this one included.")] = 3,
    data: Annotated[
        Path | None,
        typer.Option(help="Your own shop: events, campaigns, campaign_targets, redemptions, and coupons if there are."),
    ] = None,
) -> None:
    """Choose the households that get a campaign under a budget, from what was known before it starts."""
    from recsys_kit.advertising import targeting

    wishes = targeting.Wishes(budget, cost, worth, cap)
    targeting.write(campaign, wishes, out, folder(data), typer.echo)


def forecast(
    out: Annotated[Path, typer.Option(help="Parquet or CSV file to write: a row for each series and week.")],
    weeks: Annotated[int, typer.Option(help="How many weeks ahead, 1 to 8.")] = 4,
    service: Annotated[float, typer.Option(help="Quantile of demand that the stock shall reach.")] = 0.95,
    lead: Annotated[int, typer.Option(help="Weeks until an order arrives, below --weeks.")] = 1,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
) -> None:
    """Forecast weekly units of categories, types and stores, with intervals and what to stock, into a file."""
    from recsys_kit import datasets, output_file
    from recsys_kit.demand import commands

    out = commands.check(out, weeks, service, lead)
    shop = datasets.load(folder(data))
    plan = datasets.promotions.load(folder(data))
    table = commands.forecast(shop, plan, weeks, service, lead, typer.echo)
    output_file.write_table(out, table, commands.TEXTS)
    series = len(table) // weeks
    typer.echo(f"{series:,} series, {weeks} weeks from {table['week_start'].min():%Y-%m-%d}: {out}")


def price(
    out: Annotated[Path, typer.Option(help="Parquet or CSV file to write: a row for each product.")],
    cost: Annotated[float, typer.Option(help="Cost as a part of the present price: an assumption.")] = 0.7,
    largest: Annotated[float, typer.Option(help="Largest change, as a part of the present price.")] = 0.1,
    ending: Annotated[int, typer.Option(help="Last digit of a price; -1: any.")] = 9,
    margin_floor: Annotated[float | None, typer.Option(help="Least margin of a category. Default: today's.")] = None,
    confidence: Annotated[float, typer.Option(help="Chance of a gain from which on a price is changed.")] = 0.9,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
) -> None:
    """Suggest prices of products that keep the shop's rules, with intervals, into a file."""
    from recsys_kit import datasets, output_file
    from recsys_kit.pricing import commands, suggestions

    out = output_file.check(out, output_file.TABLES)
    rules = suggestions.Rules(cost, largest, ending, margin_floor, confidence)
    shop = datasets.load(folder(data))
    table = commands.price(shop, datasets.promotions.load(folder(data)), rules, typer.echo)
    output_file.write_table(out, table, commands.TEXTS)
    typer.echo(f"{len(table):,} products, {int((table['change'] != 0).sum()):,} with another price: {out}")


def card(
    out: Annotated[Path, typer.Option(help="Markdown file to write.")],
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    cutoff: Annotated[str, typer.Option(help="First test day, YYYY-MM-DD. Default: the last 31 days.")] = "",
    language: Annotated[str, typer.Option(help="en, zh, or both.")] = "both",
) -> None:
    """Measure the counting recommender on a shop and write its model card, in English and Chinese."""
    from recsys_kit import datasets, fairness, output_file

    out = output_file.check(out, () if str(out).startswith("/dev/") else (".md",))
    if language not in (*fairness.card.LANGUAGES, "both"):
        raise ValueError(f"`--language` must be en, zh or both. Received: {language}")
    languages = fairness.card.LANGUAGES if language == "both" else (language,)
    fairness.card.write(datasets.load(folder(data)), out, cutoff, languages)
    typer.echo(f"model card: {out}")


def diagnose(
    out: Annotated[Path, typer.Option(help="Folder for diagnosis.json and diagnosis.html; made if missing.")] = Path(
        "diagnosis"
    ),
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
) -> None:
    """Say whether a sequence model is worth it in a shop, and what carries information there, with intervals."""
    from recsys_kit import datasets, diagnosis, output_file, report

    out = output_file.check_folder(out)
    shop = datasets.load(folder(data))
    report.load_keras()
    found = diagnosis.diagnose(shop, datasets.promotions.load(folder(data)), say=typer.echo)
    for line in diagnosis.page.lines(found):
        typer.echo(line)
    typer.echo(f"with a picture: {diagnosis.page.write(found, out)}")


def forget(
    user: Annotated[str, typer.Option(help="The id of the household.")],
    workspace: Annotated[Path, typer.Option(help="Where built artifacts are kept.")] = Path("workspace"),
    lists: Annotated[list[Path] | None, typer.Option(help="Parquet or CSV files that lose its rows, too.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop, from which its rows are gone.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Change nothing, only say what would happen.")] = False,
) -> None:
    """Remove a household from the workspace and from lists, and search every file that is left for it.

    What was built from data that held it is removed, and built without it when it is asked for. Your own tables are
    not changed: delete its rows there first. The exit code is 0 only if every file could be searched and none has it.
    """
    from recsys_kit import datasets, output_file
    from recsys_kit.privacy import forgetting

    workspace = workspace.expanduser()
    if not workspace.is_dir():
        raise ValueError(f"{workspace} is no folder: there is no workspace")
    files = [output_file.check(path, output_file.TABLES) for path in lists or ()]
    for path in files:
        if not path.exists():
            raise ValueError(f"{path} does not exist")
    raise typer.Exit(forgetting.run(datasets.load(folder(data)), user, workspace, files, dry_run, typer.echo))


def operate(
    day: Annotated[str, typer.Option(help="The day that has just ended, YYYY-MM-DD, by the shop's clock.")] = "",
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    out: Annotated[Path, typer.Option(help="Where the nights leave lists, reports and decisions.")] = Path(
        "operations"
    ),
    every: Annotated[int, typer.Option(help="Days from one training to the next, 1 or more.")] = 7,
    margin: Annotated[float, typer.Option(help="Part of the live model's NDCG@10 that a new one may lose.")] = 0.02,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Bring back lists and search of the night before.")
    ] = False,
    release: Annotated[str, typer.Option(help="A day that rang and was looked at: nights learn from it again.")] = "",
    reason: Annotated[str, typer.Option(help="With --release: what was found; it is kept.")] = "",
) -> None:
    """Run one night: check what arrived, retrain if due, let a gate decide, write lists, search index and a report.

    The exit code is 0 if the lists are of this night, 1 if the data rang an alarm and the old lists stay. The same
    night again changes nothing; one that was cut off goes on. A day that rang teaches nobody until it is released.
    """
    from recsys_kit import datasets, output_file
    from recsys_kit.operations import gate, nights

    out = output_file.check_folder(out)
    if sum(map(bool, (day, rollback, release))) > 1:
        raise ValueError("`--day`, `--rollback` and `--release` are three commands: give one of them")
    if rollback:
        nights.roll_back(out, typer.echo)
        return
    if bool(release) != bool(reason.strip()):
        raise ValueError("`--release DATE` and `--reason TEXT` go together: what was found is kept")
    if release:
        nights.release(out, release, reason.strip(), typer.echo)
        return
    if not day:
        raise ValueError("`--day` is missing: the day that has just ended, YYYY-MM-DD")
    if every < 1 or not 0 < margin < 1:
        raise ValueError(f"`--every` must be 1 or more, `--margin` between 0 and 1. Received: {every}, {margin}")
    out.mkdir(parents=True, exist_ok=True)
    settings = nights.Settings(every=every, rules=gate.Rules(margin=margin, total=1.5 * margin))
    row = nights.Nights(datasets.load(folder(data)), out, settings).run(day, typer.echo)
    typer.echo(f"{row['day']}: {row['verdict']}: {row['why']}; lists of {row['lists'] or 'no night'}: {out}")
    raise typer.Exit(1 if row["verdict"] == "alarm" else 0)


def serve(
    lists: Annotated[Path, typer.Option(help="Parquet file of lists: what `operate` or `recommend` writes.")] = Path(
        "operations/lists.parquet"
    ),
    state: Annotated[Path, typer.Option(help="Folder of what arrives, and of what follows from it.")] = Path(
        "operations/live"
    ),
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(help="Where the search index with tower and re-ranker is, or will be; default: the night's."),
    ] = None,
    search: Annotated[bool, typer.Option("--search/--no-search", help="Answer queries too.")] = True,
    host: Annotated[str, typer.Option(help="Address to listen at; the default is this machine alone.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen at, 1 to 65535.")] = 8000,
) -> None:
    """Serve lists, search and events over HTTP, until it is stopped; new lists are taken up while it runs.

    GET /lists/USER?k=10, GET /search?q=WORDS&k=10, POST /events (a JSON list of id, user, item, time), GET /health,
    GET /metrics. There is no password: put it behind what your shop has. Search reads the index that `operate` left
    beside the lists, without TensorFlow; with --workspace, or where there is none, the larger one of `search`.
    """
    from recsys_kit import output_file
    from recsys_kit.operations import service

    if not 1 <= port <= 65535:
        raise ValueError(f"`--port` must be 1 to 65535. Received: {port}")
    store = None if workspace is None else output_file.check_folder(workspace)
    service.run(lists, output_file.check_folder(state), folder(data), store, (host, port), typer.echo, search=search)


def clean(
    keep_latest: Annotated[
        bool, typer.Option("--keep-latest", help="Keep what is still found; remove what changed code left behind.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
    workspace: Annotated[Path, typer.Option(help="The workspace to clean.")] = Path("workspace"),
) -> None:
    """Remove old artifacts from a workspace: those with a later one of the same name, data and parameters."""
    from recsys_kit.workspace import Workspace

    if not keep_latest:
        raise ValueError("say --keep-latest: what was built last is kept, and what other code built before is removed")
    if not workspace.is_dir():
        raise ValueError(f"{workspace} is no folder; --workspace FOLDER names another")
    Workspace(workspace).clean(dry_run, typer.echo)


def convert(
    source: Annotated[
        str, typer.Argument(help="A file, folder or zip archive, or sqlite:///, duckdb:/// or postgresql://.")
    ],
    folder: Annotated[Path, typer.Argument(help="Where the shop goes; made if it is missing.")],
    yes: Annotated[bool, typer.Option("--yes", help="Carry out a recipe that fits whole; else nothing.")] = False,
    recipe: Annotated[str, typer.Option(help="Name of a recipe. Default: found by the columns.")] = "",
) -> None:
    """Make a shop's folder of an export or a database: proposes how in shop.json, then does what is written there."""
    from recsys_kit import conversion

    conversion.convert(source, folder, yes, recipe, typer.echo)


def check_engine(engine: str, scheduler: str, redact: bool) -> None:
    """Raises a ValueError if the engine of `run` is none, or can't go with the other options."""
    if scheduler and not engine:
        raise ValueError("--scheduler goes with --engine dask")
    if engine:
        from recsys_kit import scaling

        scaling.engines.check(engine, scheduler)
        if redact:
            raise ValueError("--engine writes tables with customers' ids: it doesn't go with --redact")


def write_tables(
    engine: str,
    scheduler: str,
    data: Path | None,
    out: Path,
    parameters: Mapping[str, str],
    pages: tuple[Path, Collection[str]],
) -> dict[str, str]:
    """Writes the tables of a run by an engine; returns the parameters that the engine gives to the run's notebooks.

    Args:
        engine: One of `scaling.engines.ENGINES`.
        scheduler: Address of a cluster, for Dask; empty: processes here.
        data: Folder of the shop.
        out: Folder of the run; the tables go to `tables` in it.
        parameters: Those of the run; `CUTOFF` is the first day after the tables' past.
        pages: Folder of the notebooks, and which of them run.
    """
    import time

    import pandas as pd

    from recsys_kit import datasets, preprocessing, scaling
    from recsys_kit.course import notebooks

    names = [path.stem for path in notebooks.find(*pages)]
    shop = datasets.load(folder(data))
    day = parameters.get("CUTOFF", "")
    cutoff = pd.Timestamp(day, tz="UTC") if day else preprocessing.default_cutoff(shop)
    start = time.perf_counter()
    with scaling.engines.opened(engine, scheduler) as client:
        rows = scaling.engines.tables(shop, cutoff, out.resolve() / "tables", engine, client)
    counts = ", ".join(f"{count:,} {name}" for name, count in rows.items())
    typer.echo(f"tables by {engine}, {time.perf_counter() - start:.0f} s: {counts}: {out / 'tables'}")
    return {"SCHEDULER": scheduler} if scheduler and "24_scaling" in names and "SCHEDULER" not in parameters else {}
