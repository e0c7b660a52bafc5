"""What a check found, and how long it may look."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from handlers.contract.model import Contract
from handlers.settings import Settings
from models.base import now
from models.database.engine import Database

OK, ATTENTION, FAUX = "ok", "attention", "faux"
"""Right; to be looked at, while the server serves; wrong: a server is not to be started so."""

ETATS = (OK, ATTENTION, FAUX)

LONGEST_S = 10.0
"""How long one check may look, whatever does not answer: what is asked has shorter deadlines of its own."""


class Constat(NamedTuple):
    """What was found, and what to do about it; `a_faire` is empty where nothing is."""

    etat: str
    constat: str
    a_faire: str = ""


def right(constat: str) -> Constat:
    """What is as it must be."""
    return Constat(OK, constat)


def doubtful(constat: str, a_faire: str) -> Constat:
    """What an operator should look at."""
    return Constat(ATTENTION, constat, a_faire)


def wrong(constat: str, a_faire: str) -> Constat:
    """What must be mended before a server starts."""
    return Constat(FAUX, constat, a_faire)


def join(found: Iterable[Constat]) -> Constat:
    """One for all: the worst, with the others that are not right; or what is right, when all is."""
    every = list(found)
    amiss = sorted((one for one in every if one.etat != OK), key=lambda one: one.etat != FAUX)
    told = amiss or every
    return Constat(
        told[0].etat,
        "; ".join(one.constat for one in told),
        "; ".join(dict.fromkeys(one.a_faire for one in told if one.a_faire)),
    )


@dataclass(slots=True)
class Subject:
    """The installation that is looked at. What one check has opened or found serves those after it."""

    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    workers: int = 1
    files: tuple[Path, ...] = ()
    clock: Callable[[], datetime] = now
    settings: Settings | None = None
    contracts: tuple[Contract, ...] = ()
    database: Database | None = None
    found: dict[str, Constat] = field(default_factory=dict)

    def read(self) -> Settings:
        """The settings, which the first check has read."""
        assert self.settings is not None, "a check that needs them is not asked without"
        return self.settings

    def opened(self) -> Database:
        """The database, which an earlier check has opened."""
        assert self.database is not None, "a check that needs it is not asked without"
        return self.database

    def in_production(self, constat: str, a_faire: str) -> Constat:
        """Wrong in production, and to be looked at elsewhere."""
        serious = self.read().is_production
        return wrong(constat, a_faire) if serious else doubtful(constat, a_faire)


Look = Callable[[Subject], Iterator[Constat]]


def look(check: Look, subject: Subject, seconds: float = LONGEST_S) -> Constat:
    """Ask a check, for so many seconds at most. What it waits for then is left behind in its thread."""
    done: list[Constat] = []
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            done.append(join(check(subject)))
        except BaseException as error:  # noqa: BLE001 - raised again by who waits
            failed.append(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(seconds)
    if failed:
        raise failed[0]
    if not done:
        return wrong(f"no answer within {seconds:.0f} s", "find out what does not answer")
    return done[0]
