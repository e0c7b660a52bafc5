"""Servers that die or lose their clock at the worst instant. Run inside a server, before it starts.

They do so while a file `armed` is in their folder.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import threading
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from models import base
from models.back_office import moteur
from models.database import ends
from models.database.engine import Database
from models.demande import Demande
from tests.lab.proof.acts import BRIEF
from tests.support.nursery import replace_everywhere

ARMED = Path("armed")
CLOCK = Path("clock")
DEATHS = 1 / 40
"""Share of the transactions that the server does not survive."""

BRIEFLY = timedelta(seconds=0.25)
"""How long a demande waits whose reference says that it is brief: no setting allows so little."""


def _dies() -> bool:
    return random.random() < DEATHS and is_armed()


def is_armed() -> bool:
    """Whether the load runs: before and after it even a spoilt server is right."""
    return ARMED.exists()


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def dies_after_commit() -> None:
    """Killed between the commit of the journal and the answer, or the answers to all who shared it."""
    right = ends.commit

    def commit(send: Callable[[], None]) -> None:
        right(send)
        if _dies():
            _die()

    replace_everywhere("commit", right, commit)


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


def dies_in_mid_work() -> None:
    """Killed in half of its transactions, before the commit or after it."""
    whole = Database.transaction

    @contextlib.contextmanager
    def transaction(self: Database, **how: Any) -> Iterator[Connection]:
        chosen = random.random()
        with whole(self, **how) as connection:
            yield connection
            if chosen < 0.25:
                _die()
        if chosen < 0.5:
            _die()

    Database.transaction = transaction  # type: ignore[method-assign]


def shortens_demandes() -> None:
    """Demandes that say so wait for a moment only."""
    right = moteur.saisir

    def saisir(
        connection: Connection, personne: moteur.Personne, saisie: moteur.Saisie, **how: Any
    ) -> Demande:
        if saisie.reference.endswith(BRIEF):
            how["duree"] = BRIEFLY
        return right(connection, personne, saisie, **how)

    replace_everywhere("saisir", right, saisir)


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
