"""The command `recsys-kit`; every command imports what it needs when it runs, so that `--help` is instant."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperCommand

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


class ManyValues(TyperCommand):
    """A command whose options may be followed by several values: `--only 04 05`, `--seeds 0 1 2`, `-p NAME VALUE`."""

    many = ("--only", "--seeds")

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


@app.command(cls=ManyValues)
def notebooks(
    only: Annotated[list[str] | None, typer.Option(help="Notebooks to execute: 04 05, or names. Default: all.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Change nothing; fail if something is out of date.")] = False,
    execute: Annotated[bool, typer.Option(help="Execute them, or only renew links, metadata and tables.")] = True,
    folder: Annotated[Path, typer.Option(help="Where the notebooks lie.")] = Path("notebooks"),
) -> None:
    """Re-execute the committed notebooks in place and renew their links, metadata and README tables."""
    from recsys_kit import refresh

    try:
        problems = refresh.refresh(folder, only or (), execute, check, typer.echo)
    except ValueError as error:
        _stop(str(error))
    for problem in problems:
        typer.echo(f"problem: {problem}", err=True)
    raise typer.Exit(1 if problems else 0)


def _stop(message: str) -> None:
    typer.echo(f"error: {message}", err=True)
    raise typer.Exit(2)
