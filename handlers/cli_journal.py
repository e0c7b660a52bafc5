"""`cynod journal export`, and the progress that commands on the whole journal show."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from handlers.cli_common import open_database, output_to
from models.exportation import export_journal

INTERVALLE_S = 30
"""Between two lines of progress in a log."""


@click.command()
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to this file, replaced when all is written (default: standard output).",
)
def export(output: Path | None) -> None:
    """Write the whole journal as plain text that hledger (https://hledger.org) can read.

    One transaction per operation: day, numeroOperation as code, type as description; instant,
    partenaire, reference and the operation that an annulation undoes as tags. At the end, one
    balance assertion per card: hledger then proves, without this program, that each solde is the
    sum of the card's ecritures. Closed references move nothing and are left out.

    \b
    Accounts (the number is the id of the compte):
      passif:cartes:000123          a card; tags: its masked number, its client
      reglement:partenaire:000007   the settlement of a partner; tag: its consumer-key
      ouverture:000001              where opening soldes come from

    Everything is of the instant at which the command starts. The API may run meanwhile. A new FILE
    can be read by its owner only. hledger holds a whole journal in memory: about 9 kB per
    operation.

    \b
    Example:    cynod journal export --output journal.hledger
                hledger -f journal.hledger check --strict
                hledger -f journal.hledger balance reglement
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 written, 1 refused or failed, 2 wrong usage
    """
    with (
        open_database() as database,
        _opened(output) as write,
        # A bar between the lines of the output would spoil both.
        show_progress(
            "journal export", bar_wanted=output is not None or not sys.stdout.isatty()
        ) as progress,
        database.snapshot() as session,
    ):
        written = export_journal(session, write, progress)
    if output is not None:
        click.echo(
            f"{written.operations} operations and the soldes of {written.cartes} cartes"
            f" are in {output}."
        )


@contextlib.contextmanager
def show_progress(title: str, *, bar_wanted: bool = True) -> Iterator[Callable[[int, int], None]]:
    """Show a bar on stderr when it is a terminal, else a line now and then, for a log.

    What it gives is told what is done, and of how much.
    """
    if not sys.stderr.isatty():
        yield _tell_in_lines(title)
        return
    if not bar_wanted:
        yield lambda _done, _total: None
        return
    columns = (TextColumn(title), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _tell_in_lines(title: str) -> Callable[[int, int], None]:
    """What is short leaves no line: a log, or a mail of cron, then holds nothing but results."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if time.monotonic() - told >= INTERVALLE_S:
            told = time.monotonic()
            click.echo(f"cynod: {title}: {100 * done // total} %", err=True)

    return tell


@contextlib.contextmanager
def _opened(output: Path | None) -> Iterator[Callable[[str], object]]:
    """The function that writes to `output`, or to standard output."""
    if output is None:
        yield sys.stdout.write
        return
    with output_to(output, encoding="ascii") as opened:
        yield opened.file.write
