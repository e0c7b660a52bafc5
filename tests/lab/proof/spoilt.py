"""Servers that die or lose their clock at the worst instant. Run inside a server, before it starts.

They do so while a file `armed` is in their folder.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from models import base
from models.database.engine import Database
from tests.support.nursery import replace_everywhere

ARMED = Path("armed")
CLOCK = Path("clock")
DEATHS = 1 / 40
"""Share of the transactions that the server does not survive."""


def _dies() -> bool:
    return random.random() < DEATHS and is_armed()


def is_armed() -> bool:
    """Whether the load runs: before and after it even a spoilt server is right."""
    return ARMED.exists()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_after_commit() -> None:
    """Killed between the commit of the journal and the answer."""
    whole = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database, **how: Any) -> Iterator[Connection]:
        with whole(self, **how) as connection:
            yield connection
        if _dies():
            _die()

    Database.transaction = transaction  # type: ignore[method-assign]


def dies_around_commit() -> None:
    """Killed some instants before, during or after the commit."""
    whole = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database, **how: Any) -> Iterator[Connection]:
        with whole(self, **how) as connection:
            yield connection
            if _dies():
                threading.Timer(random.uniform(0, 0.004), _die).start()

    Database.transaction = transaction  # type: ignore[method-assign]


def loses_its_clock() -> None:
    """Its clock is off by the seconds that the file `clock` holds."""
    right = base.now

    def now() -> datetime:
        return right() + _error()

    def today() -> object:
        return now().date()

    replace_everywhere("now", right, now)
    replace_everywhere("today", base.today, today)


def _error() -> timedelta:
    try:
        return timedelta(seconds=float(CLOCK.read_text()))
    except (FileNotFoundError, ValueError):
        return timedelta(0)
