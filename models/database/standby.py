"""Reads that may be a little old, from a standby, and never older than the operator allows.

A watcher asks the primary how far its log is, and the standby how far it has replayed it. What was committed
on the primary before it was asked is on the standby once that has replayed as much: the standby is as old as
the question, whether or not anything was written since. One that follows no primary, or another timeline
than the primary's, as after a failover, is of no use, and nor is one of which nobody knows.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from typing import Any, NamedTuple

from sqlalchemy import Connection, Engine, NullPool, create_engine, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import SQLAlchemyError

LATE = "cynod_retard"
"""Execution option of a connection to a standby."""

LOOK_S = 0.5
"""Between two looks, or a fourth of what is allowed if that is less."""

_OF_PRIMARY = text(
    "SELECT pg_current_wal_lsn() - '0/0'::pg_lsn AS lsn,"
    " ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::int AS timeline"
)
_OF_STANDBY = text(
    "SELECT pg_last_wal_replay_lsn() - '0/0'::pg_lsn AS lsn,"
    " (SELECT received_tli FROM pg_stat_wal_receiver WHERE status = 'streaming') AS timeline,"
    " EXISTS (SELECT 1 FROM pg_stat_wal_receiver WHERE pid IS NOT NULL) AS follows"
    " WHERE pg_is_in_recovery()"
)


class BehindError(Exception):
    """A page goes on from a line that the standby has not got yet: it would leave out those before it."""


def is_late(connection: Connection) -> bool:
    """Whether what is read here may be older than what was acknowledged."""
    return bool(connection.get_execution_options().get(LATE))


class Followed(NamedTuple):
    """How a standby stands to a primary, at one moment."""

    is_standby: bool
    """False for a server that takes writes itself."""
    follows: bool
    """Whether it receives a log from somebody."""
    timeline: int | None
    """Whose; None where the role is not told."""
    of_primary: int
    behind: int
    """Bytes of the primary's log that it has not replayed."""


def compare(primary: Connection, standby: Connection) -> Followed:
    """How one stands to the other. Raises DBAPIError."""
    there = primary.execute(_OF_PRIMARY).one()
    here = standby.execute(_OF_STANDBY).one_or_none()
    if here is None:
        return Followed(False, False, None, there.timeline, 0)
    behind = max(0, int(there.lsn) - int(here.lsn or 0))
    return Followed(True, here.follows, here.timeline, there.timeline, behind)


class Look(NamedTuple):
    """How far the primary's log was, at a moment of this process's clock."""

    moment: float
    lsn: int


class Standby:
    """A standby, watched by a thread of its own from the first time that somebody asks for it.

    `most_s`: how old, in seconds, what is read from it may be. The standby's role needs `pg_monitor`:
    without it nobody is told which timeline it follows.
    """

    def __init__(self, primary: URL, standby: URL, most_s: float, options: dict[str, Any]) -> None:
        self.url = standby
        self._most_s = most_s
        self._engines = [_engine(url, options) for url in (primary, standby)]
        self._looks: deque[Look] = deque()
        self._caught_up = float("-inf")
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._watcher: threading.Thread | None = None

    @property
    def age_s(self) -> float:
        """How old what is read from it is at most; infinite when that is not known."""
        return time.monotonic() - self._caught_up

    def is_fresh(self) -> bool:
        """Whether what is read from it now is as young as it must be."""
        if self._watcher is None:
            self._start()
        return self.age_s <= self._most_s

    def leave(self) -> None:
        """It failed a reader: nobody else reads from it before it was looked at again."""
        self._caught_up = float("-inf")

    def close(self) -> None:
        """End the watching. A look that nobody answers ends with the process at the latest."""
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join(LOOK_S)

    def _start(self) -> None:
        # A server forks its workers once it is made: the thread is the worker's.
        with self._lock:
            if self._watcher is None:
                self._watcher = threading.Thread(target=self._watch, name="standby", daemon=True)
                self._watcher.start()

    def _watch(self) -> None:
        pause_s = min(LOOK_S, self._most_s / 4)
        with contextlib.ExitStack() as stack:
            connections: list[Connection] = []
            while not self._ended.is_set():
                try:
                    if not connections:
                        connections = [stack.enter_context(one.connect()) for one in self._engines]
                    self._look(*connections)
                except SQLAlchemyError:
                    self.leave()
                    stack.close()
                    connections = []
                self._ended.wait(pause_s)

    def _look(self, primary: Connection, standby: Connection) -> None:
        moment = time.monotonic()
        there = primary.execute(_OF_PRIMARY).one()
        self._looks.append(Look(moment, int(there.lsn)))
        here = standby.execute(_OF_STANDBY).one_or_none()
        if here is None or here.timeline != there.timeline:
            self.leave()
            return
        while self._looks and self._looks[0].lsn <= here.lsn:
            self._caught_up = self._looks.popleft().moment
        # What is older than it may be says nothing any more.
        while len(self._looks) > 1 and self._looks[1].moment < moment - self._most_s:
            self._looks.popleft()


def _engine(url: URL, options: dict[str, Any]) -> Engine:
    return create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        connect_args=options,
    )
