"""What commands show: tables, JSON, instants, and how far a long work has come."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

INTERVALLE_S = 30
"""Between two lines of progress in a log."""

Progression = Callable[[int, int], None]
"""Is told what is done, and of how much."""


def print_json(value: Any) -> None:
    """Write it for programs, as people can read it too."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def show_instant(instant: datetime) -> str:
    """An instant to the second, in UTC."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def print_rows(
    columns: Iterable[str], rows: Iterable[Iterable[object]], *, numbers: Collection[str] = ()
) -> None:
    """Write a table; the columns of `numbers` are set to the right, and None is a dash."""
    table = Table(box=None, pad_edge=False)
    for name in columns:
        table.add_column(name, overflow="fold", justify="right" if name in numbers else "left")
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    # A program that reads the table wants one line per row, whatever their length.
    width = None if sys.stdout.isatty() else 4000
    Console(width=width, markup=False, highlight=False, emoji=False).print(table)


@contextlib.contextmanager
def show_progress(title: str, *, bar_wanted: bool = True) -> Iterator[Progression]:
    """Show a bar on stderr when it is a terminal, else a line now and then, for a log.

    What it gives is told what is done, and of how much, 0 where nobody knows.
    """
    if not sys.stderr.isatty():
        yield _tell_in_lines(title)
        return
    if not bar_wanted:
        yield lambda _done, _total: None
        return
    with show_bar(title, TaskProgressColumn(), TimeElapsedColumn()) as progress:
        yield progress


def show_beside(title: str, file: Path | None) -> contextlib.AbstractContextManager[Progression]:
    """The progress of an export: a bar between the lines of the output would spoil both."""
    return show_progress(title, bar_wanted=file is not None or not sys.stdout.isatty())


@contextlib.contextmanager
def show_bar(title: str, *columns: ProgressColumn) -> Iterator[Progression]:
    """Show a bar on stderr, a terminal, with these columns after it; nothing is left of it at the end."""
    shown = (TextColumn(title), BarColumn(), *columns)
    with Progress(*shown, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total or None)


def _tell_in_lines(title: str) -> Progression:
    """What is short leaves no line: a log, or a mail of cron, then holds nothing but results."""
    told = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal told
        if (done or total) and time.monotonic() - told >= INTERVALLE_S:
            told = time.monotonic()
            far = f"{100 * done // total} %" if total else f"{done}"
            click.echo(f"cynod: {title}: {far}", err=True)

    return tell
