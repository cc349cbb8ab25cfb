"""The command `recsys-kit`; every command imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

import io
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand, TyperGroup

from recsys_kit import decisions

__all__ = ["app"]


class Commands(TyperGroup):
    """All commands: what one of them refuses is said in a line, without the way through the code."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except (ValueError, OSError) as error:
            typer.echo(f"error: {error}", err=True)
            raise typer.Exit(2) from error


_SCHEDULER = "With --engine dask: a cluster's address, such as tcp://10.0.0.5:8786. Default: two processes here."

app = typer.Typer(cls=Commands, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False)


class LongWork(TyperCommand):
    """A command that may be interrupted: a line instead of a traceback, and the exit code that a shell expects."""

    def invoke(self, ctx):
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            typer.echo(f"interrupted: {ctx.info_name} wrote no result", err=True)
            raise typer.Exit(130) from None


class ManyValues(LongWork):
    """A command whose options may be followed by several values: `--only 04 05`, `--seeds 0 1 2`, `-p NAME VALUE`."""

    many = ("--only", "--seeds", "--users", "--lists")

    def parse_args(self, ctx, args):
        return super().parse_args(ctx, spread(args, self.many))


def spread(args: list[str], many: tuple[str, ...]) -> list[str]:
    """Repeats an option's name before each of its values, and joins `-p NAME VALUE` into `-p NAME=VALUE`.

    Example:
        >>> spread(["--only", "04", "05", "-p", "SEED", "1"], ("--only",))
        ['--only', '04', '--only', '05', '-p', 'SEED=1']
    """
    spreaded, current, rest = [], "", list(args)
    while rest:
        word = rest.pop(0)
        if word == "-p" and len(rest) > 1 and "=" not in rest[0]:
            spreaded += ["-p", f"{rest.pop(0)}={rest.pop(0)}"]
            current = ""
        elif word in many:
            current = word
            spreaded += [word, rest.pop(0)] if rest else [word]
        elif word.startswith("-") or not current:
            current = ""
            spreaded.append(word)
        else:
            spreaded += [current, word]
    return spreaded


@app.callback()
def main() -> None:
    """Learn, teach and try Transformer-based search and recommendation, notebook by notebook."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # a log of a long run shows how far it is, as a terminal does


@app.command()
def start(
    folder: Annotated[Path, typer.Argument(help="Where the course goes; made if it is missing.")],
    upgrade: Annotated[
        bool, typer.Option("--upgrade", help="Replace files that differ; yours stay beside them as mine_NAME.")
    ] = False,
) -> None:
    """Lay the course down in a folder: notebooks and all that they need."""
    import shlex

    from recsys_kit.course.start import lay_down

    laid = lay_down(folder, upgrade)
    where = shlex.quote(str(folder))
    typer.echo(f"{folder}: laid down: {len(laid.new)} files; there already: {len(laid.same)}")
    for name, mine in laid.kept.items():
        typer.echo(f"  {name} is new; yours is {mine} now")
    if laid.different:
        typer.echo("these differ from this version's and are left as they are:")
        typer.echo("".join(f"  {name}\n" for name in laid.different), nl=False)
        typer.echo(f"To get this version's too, yours beside them as mine_NAME: recsys-kit start {where} --upgrade")
    typer.echo(f"next: cd {where} && recsys-kit run, or: jupyter lab notebooks")


@app.command(cls=ManyValues)
def run(
    profile: Annotated[str, typer.Option(help="quick, default, full or gpu: see notebooks/profiles.")] = "quick",
    only: Annotated[list[str] | None, typer.Option(help="Notebooks to run: 04 05, or names. Default: all.")] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where the results go. Default: runs/PROFILE.")] = None,
    parameter: Annotated[
        list[str] | None, typer.Option("-p", metavar="NAME VALUE", help="A parameter's value, for notebooks with it.")
    ] = None,
    keep_going: Annotated[bool, typer.Option("--keep-going/--stop", help="What a failing notebook does.")] = True,
    redact: Annotated[
        bool,
        typer.Option("--redact", help="With --data: replace customers, texts, rare items before anything runs."),
    ] = False,
    folder: Annotated[Path, typer.Option(help="Where the notebooks lie.")] = Path("notebooks"),
    engine: Annotated[
        str,
        typer.Option(
            help="pandas, duckdb or dask: before the pages run, write OUT/tables, what this engine makes of the whole "
            "shop: its events cleaned, features of customers and of pairs, candidates. The pages themselves run on "
            "pandas; 24 compares all three. Default: no tables."
        ),
    ] = "",
    scheduler: Annotated[str, typer.Option(help=_SCHEDULER + " Its workers must see OUT. Page 24 uses it, too.")] = "",
) -> None:
    """Run notebooks with papermill and write a report; exits with 1 if one fails, with 0 if one was skipped."""
    from recsys_kit.course import runner

    pairs = dict(_pair(text) for text in parameter or ())
    decisions.check_engine(engine, scheduler, redact)
    if data is not None:
        from recsys_kit import datasets, start_here

        shop = datasets.load(str(data))
        datasets.entry.check_span(shop)
        for line in start_here.describe_shop(shop, pairs.get("CUTOFF", ""), pairs.get("TASK", "")):
            typer.echo(line)
    out = out or Path("runs") / (f"{profile}-redacted" if redact else profile)
    if engine:
        pairs |= decisions.write_tables(engine, scheduler, data, out, pairs, pages=(folder, only or ()))
    if redact:
        results = _run_redacted(
            data, out, pairs, folder=folder, profile=profile, only=only or (), keep_going=keep_going
        )
    else:
        results = runner.run(folder, out, profile, only or (), str(data or ""), pairs, keep_going)
    if any(result.status == "interrupted" for result in results):
        raise typer.Exit(130)
    raise typer.Exit(0 if all(result.status in ("ok", "skipped") for result in results) else 1)


@app.command()
def doctor() -> None:
    """Check this machine: Python, memory, disk, packages, GPU, data; exits with 1 if something is missing."""
    from recsys_kit import start_here

    table = start_here.check_environment()
    width = table["check"].str.len().max()
    for row in table.itertuples():
        typer.echo(f"{row.status:8} {row.check:{width}}  {row.detail}")
        if row.what_to_do:
            typer.echo(f"{'':8} {'':{width}}  -> {row.what_to_do}")
    raise typer.Exit(1 if (table["status"] == "missing").any() else 0)


@app.command(cls=ManyValues)
def bench(
    file: Annotated[
        Path, typer.Argument(help="One user a line (id, then items in time order), .inter, u.data, ratings.dat, CSV.")
    ],
    seeds: Annotated[list[int] | None, typer.Option(help="One training run each: 0 1 2. Default: 0.")] = None,
    time_limit: Annotated[float, typer.Option(help="Seconds for everything, all seeds together.")] = 900,
    epochs: Annotated[int, typer.Option(help="Most passes over the data.")] = 40,
    loss: Annotated[str, typer.Option(help="bce, gbce, sampled_softmax or softmax.")] = "sampled_softmax",
    objective: Annotated[str, typer.Option(help="causal (GPT-style) or masked (BERT-style).")] = "causal",
    blocks: Annotated[int | None, typer.Option(help="Transformer blocks; 0: none.")] = None,
    width: Annotated[int | None, typer.Option(help="Width of the vectors.")] = None,
    heads: Annotated[int | None, typer.Option(help="Attention heads a block.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share dropped while training.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="The optimizer's, at the start.")] = None,
    halving: Annotated[float | None, typer.Option(help="Epochs after which it is half; 0: never.")] = None,
    weight_decay: Annotated[float | None, typer.Option(help="The optimizer's.")] = None,
    averaging: Annotated[float | None, typer.Option(help="Momentum of the average of the weights.")] = None,
    block_start: Annotated[float | None, typer.Option(help="Scale of the blocks' outputs at the start.")] = None,
    candidates: Annotated[int | None, typer.Option(help="Items that a batch's next ones are compared with.")] = None,
    ablation: Annotated[
        bool, typer.Option("--ablation", help="Train the same without blocks beside it, and tell the difference.")
    ] = False,
    precision: Annotated[str, typer.Option(help="float32, or bfloat16 for products in 16 bits.")] = "float32",
    xla: Annotated[
        bool | None, typer.Option(help="Compile whole steps, for batches of few shapes. Default: with jax.")
    ] = None,
    devices: Annotated[int, typer.Option(help="How many share each batch (jax).")] = 1,
    backend: Annotated[str | None, typer.Option(help="tensorflow, torch or jax. Default: $KERAS_BACKEND.")] = None,
    json_file: Annotated[Path | None, typer.Option("--json", help="Write the JSON line to this file, too.")] = None,
) -> None:
    """Train the sequence model on a public next-item benchmark (leave one out) and print one JSON line."""
    import json

    from recsys_kit import output_file, report

    json_file = json_file and output_file.check(json_file)
    if backend is not None:
        _use_backend(backend)
    report.load_keras()
    from recsys_kit import next_item
    from recsys_kit.neural.devices import Hardware

    settings = {"loss": loss, "objective": objective, "blocks": blocks, "width": width, "heads": heads}
    settings |= {"dropout": dropout, "learning_rate": learning_rate, "halving": halving, "weight_decay": weight_decay}
    settings |= {"averaging": averaging, "block_start": block_start, "candidates": candidates}
    settings = {name: value for name, value in settings.items() if value is not None}  # None: the model's default
    settings["hardware"] = Hardware(precision, xla, devices)
    result = next_item.bench.bench(
        file, tuple(seeds or [0]), time_limit, epochs, ablation=ablation, say=_say_aside, **settings
    )
    line = json.dumps(result)
    typer.echo(line)  # before the file: whatever happens to that, the work is not lost
    if json_file:
        output_file.write(json_file, lambda part: part.write_text(line + "\n", encoding="utf-8"))


@app.command(cls=ManyValues)
def recommend(
    out: Annotated[
        str,
        typer.Option(
            help="Parquet file to write: user_id, rank, item_id, score, reason. Or a table: sqlite:///FILE#TABLE, "
            "duckdb:///FILE#TABLE, postgresql://USER@HOST/NAME#TABLE; its rows are replaced."
        ),
    ],
    users: Annotated[
        list[str] | None, typer.Option(help="User ids, a .txt file of them, or a .csv file with user_id. Default: all.")
    ] = None,
    k: Annotated[int, typer.Option("--k", help="Length of each list.")] = 10,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    workspace: Annotated[Path, typer.Option(help="Where the trained model is, or will be.")] = Path("workspace"),
    new_only: Annotated[bool, typer.Option("--new-only", help="Only what a household never bought.")] = False,
    diversity: Annotated[float, typer.Option(help="0: the ranker's order; 1: as different as can be.")] = 0.0,
    discovery: Annotated[int, typer.Option(help="Places of a list for what a household never bought.")] = 0,
    not_again_hours: Annotated[float, typer.Option(help="Leave out what was bought so shortly before.")] = 24.0,
    allow_new: Annotated[bool, typer.Option("--allow-new", help="Ids that are not known are new customers.")] = False,
    light: Annotated[bool, typer.Option("--light", help="Without the Transformer: ready in seconds.")] = False,
    task: Annotated[str, typer.Option(help='"next basket", "next item" or "both". Default: what fits the shop.')] = "",
    engine: Annotated[
        str,
        typer.Option(
            help="pandas: one process. dask: the candidates, their features and the lists by workers, 1,024 customers "
            "at a time; interrupted, the same command goes on with what is missing. Reading, cleaning and training "
            "stay in this process, and each worker holds the whole shop."
        ),
    ] = "pandas",
    scheduler: Annotated[str, typer.Option(help=_SCHEDULER)] = "",
) -> None:
    """Recommend items to households and write the lists to a Parquet file."""
    from recsys_kit import conversion, output_file, recommendation, scaling, shop_kind

    scaling.engines.check(engine, scheduler, ("pandas", "dask"))
    shop_kind.check(task)
    path = None if conversion.is_address(out) else recommendation.check_path(out)
    if path is None:
        conversion.databases.check_target(out, list(recommendation.LIST_COLUMNS))
    recommendation.check_wishes(k, diversity)
    rules = recommendation.Rules(new_only=new_only, discovery=discovery, not_again_hours=not_again_hours)
    ids = recommendation.read_users(users, typer.echo) if users is not None else None
    folder = output_file.check_folder(workspace)
    with scaling.engines.opened(engine, scheduler) as client:
        recommender = recommendation.open_shop(decisions.folder(data), folder, light=light, say=typer.echo, wanted=task)
        parts = client and scaling.engines.ListsInParts(client, recommender, folder / "lists", typer.echo)
        lists = recommendation.lists_to_write(recommender, ids, k, rules, diversity, allow_new, typer.echo, parts)
    if path is None:
        shown = conversion.databases.write(out, lists[list(recommendation.LIST_COLUMNS)])
    else:
        shown = recommendation.write(lists, path)
    if parts:
        parts.finish()
    typer.echo(f"{lists['user_id'].nunique():,} users, {len(lists):,} recommendations: {shown}")


@app.command(cls=LongWork)
def search(
    query: Annotated[str | None, typer.Argument(help="What a shopper types, in any of 16 languages.")] = None,
    user: Annotated[str | None, typer.Option(help="A user id: items that this user likes come first.")] = None,
    k: Annotated[int, typer.Option("--k", help="How many items for a query.")] = 10,
    queries: Annotated[
        Path | None, typer.Option(help="CSV file of queries: query_id, query and perhaps user_id.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="CSV file for the results of --queries; a title that looks like a formula gets a ' first."),
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder with your own shop: events.csv or events.parquet.")] = None,
    workspace: Annotated[Path, typer.Option(help="Where index and models are, or will be.")] = Path("workspace"),
) -> None:
    """Search the shop: one query on the screen, or a file of them into another file."""
    from recsys_kit import output_file
    from recsys_kit.search import check_query, read_queries, run_file, run_one, to_csv

    if (query is None) == (queries is None):
        raise ValueError("give either a query or --queries FILE")
    if k < 1:
        raise ValueError(f"`--k` must be 1 or more. Received: {k}")
    if queries is None and out is not None:
        raise ValueError("--out goes with --queries; one query's results are shown on the screen")
    if queries is not None and user is not None:
        raise ValueError("--user goes with one query; a file of queries says it in its column user_id")
    if queries is not None:
        if out is None:
            raise ValueError("--queries needs --out FILE.csv")
        out = output_file.check(out, () if str(out).startswith("/dev/") else (".csv",))
        table = read_queries(queries)
        lists, notes = run_file(table, k, decisions.folder(data), output_file.check_folder(workspace), typer.echo)
        for note in notes:
            typer.echo(note, err=True)
        try:
            output_file.write(out, lambda part: to_csv(lists, part))
        except OSError:
            to_csv(lists, sys.stdout)  # the work is not lost
            raise
        answered = lists["query_id"].nunique()
        typer.echo(f"{answered:,} of {len(table):,} queries answered, {len(lists):,} results: {out}")
    else:
        check_query(query)
        typer.echo(run_one(query, user, k, decisions.folder(data), output_file.check_folder(workspace), typer.echo))


app.command()(decisions.clean)
for name in ("convert", "diagnose", "target", "forecast", "price", "card", "operate", "serve"):
    app.command(cls=LongWork)(getattr(decisions, name))
app.command(cls=ManyValues)(decisions.forget)


@app.command(cls=ManyValues)
def notebooks(
    only: Annotated[list[str] | None, typer.Option(help="Notebooks to execute: 04 05, or names. Default: all.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if something is out of date.")] = False,
    execute: Annotated[bool, typer.Option(help="Execute them, or only renew links, metadata and tables.")] = True,
    fresh: Annotated[bool, typer.Option("--fresh", help="Delete the workspace first, so that costs are true.")] = False,
    folder: Annotated[Path, typer.Option(help="Where the notebooks lie.")] = Path("notebooks"),
) -> None:
    """Re-execute the committed notebooks in place and renew their links, metadata and README tables."""
    from recsys_kit.course import refresh

    problems = refresh.refresh(folder, only or (), execute, check, fresh, typer.echo)
    for problem in problems:
        typer.echo(f"problem: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


def _run_redacted(data, out, pairs, **how):
    """Runs on a redacted copy; models and tables stay out of the report's folder and go when the run ends."""
    from recsys_kit.course import runner
    from recsys_kit.datasets import redacted

    if {"DATA", "WORKSPACE"} & set(pairs):
        raise ValueError("--redact chooses DATA and WORKSPACE itself: leave them out of -p")
    with redacted.prepared(data, out) as work:
        own = {"WORKSPACE": str(work / "workspace")}
        return runner.run(out=out, data=str(work / "shop"), parameters=pairs | own, **how)


def _use_backend(name: str) -> None:
    """Chooses Keras's backend, which is possible only before keras is imported."""
    import importlib.util
    import os

    if name not in ("tensorflow", "torch", "jax"):
        raise ValueError(f"`--backend` must be tensorflow, torch or jax. Received: {name}")
    if importlib.util.find_spec(name) is None:
        extra = "" if name == "tensorflow" else f"; it comes with the extra: pip install 'recsys_kit[{name}]'"
        raise ValueError(f"the backend {name} is not installed{extra}")
    if "keras" in sys.modules and sys.modules["keras"].backend.backend() != name:
        raise ValueError(f"keras already runs on {sys.modules['keras'].backend.backend()}; start anew to use {name}")
    os.environ["KERAS_BACKEND"] = name


def _say_aside(line: str) -> None:
    typer.echo(line, err=True)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"-p must be followed by a name and a value. Received: {text!r}")
    return name, value
