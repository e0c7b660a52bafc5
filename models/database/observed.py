"""What the database tells whoever observes it: how long each statement took, and COMMITs of unknown outcome.

Nobody observes unless a server was told to; then `observer` is None, and a statement pays for one look at it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from time import perf_counter
from typing import Any, Protocol

from sqlalchemy import Engine, event

from models.base import metadata
from models.database.waiting import Wanted

OTHER = "_OTHER"
"""The name of what has none, as OpenTelemetry's conventions write it."""

COMMANDS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "PRAGMA")

VERBS = ("SELECT", "INSERT", "UPDATE", "DELETE")

_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE)\s+\"?(\w+)")


Asked = tuple[str, float, float]
"""A statement that has ended, well or not: its name, when it was asked for, and its end (`perf_counter`)."""


class Observer(Protocol):
    """Whoever wants to know. It is told on the thread that asked the database."""

    @property
    def statement(self) -> Callable[[Asked], object]:
        """Told of each statement."""

    def shared(self, asked: Asked, callers: Sequence[Wanted]) -> None:
        """Told of one that was done for several callers at once: the COMMIT of what they wrote together."""

    def commit_unknown(self) -> None:
        """A COMMIT was sent, and nobody knows whether it was done."""


observer: Observer | None = None


def observe(by: Observer | None) -> None:
    """Have this process's statements told to this one, to nobody when None."""
    global observer  # noqa: PLW0603 - a process is observed or not; statements are made when it starts
    observer = by


def command_name(sql: str) -> str:
    """The name of a command without parameters: its first word."""
    word = sql.partition(" ")[0]
    return word if word in COMMANDS else OTHER


@lru_cache(maxsize=1_024)
def summary(sql: str) -> str:
    """The name of a statement that SQLAlchemy runs: what it does, and to which table first."""
    verb = next((one for one in VERBS if re.search(rf"\b{one}\b", sql)), None)
    found = _TABLE.search(sql)
    if verb is None or found is None or found[1] not in metadata.tables:
        return OTHER
    return f"{verb} {found[1]}"


def summaries() -> list[str]:
    """Every name that `summary` may give."""
    return [f"{verb} {table}" for verb in VERBS for table in sorted(metadata.tables)]


def watch(engine: Engine) -> None:
    """Have the observer told of what SQLAlchemy itself runs on an engine."""

    @event.listens_for(engine, "before_cursor_execute")
    def begin(_c: Any, _cursor: Any, _sql: str, _p: Any, context: Any, _many: bool) -> None:
        context.cynod_began = perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def end(_c: Any, _cursor: Any, sql: str, _p: Any, context: Any, _many: bool) -> None:
        if observer is not None:
            observer.statement((summary(sql), context.cynod_began, perf_counter()))
