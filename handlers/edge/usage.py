"""What is done seldom for whoever calls, beside the requests: the day of a secret's last use and the minutes
of an agent's are written down, a partner's old tokens forgotten."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Generic, TypeVar

import structlog
from sqlalchemy import Connection

from models.database.engine import Database

Key = TypeVar("Key")
When = TypeVar("When")


class Usage(Generic[Key, When]):
    """Notes that something has opened something.

    A request looks into a dictionary, and no more: the first use in each `every_s` is written by a thread, by
    `note`, in a transaction of its own, that touches the row of what was used alone. So each process writes
    that seldom for each. What cannot be written is noted again by the next use.
    """

    def __init__(
        self,
        database: Database,
        note: Callable[[Connection, Key, When], None],
        clock: Callable[[], When],
        *,
        every_s: int,
        undone: str,
    ) -> None:
        self._database = database
        self._note = note
        self._clock = clock
        self._every_s = every_s
        self._undone = undone
        self._known: dict[Key, int] = {}
        self._pending: dict[Key, When] = {}
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._log = structlog.get_logger("cynod")

    def __call__(self, used: Key) -> None:
        """What has this key has opened something now."""
        period = int(time.time()) // self._every_s
        if self._known.get(used) == period:
            return
        with self._lock:
            self._known[used] = period
            self._pending[used] = self._clock()
            if self._writer is None:
                # Made by the first use: what is built before a fork starts no thread.
                self._writer = threading.Thread(target=self._write, name="usage", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        while True:
            with self._lock:
                if not self._pending:
                    self._writer = None
                    return
                used, moment = self._pending.popitem()
            try:
                with self._database.transaction() as connection:
                    self._note(connection, used, moment)
            except Exception as error:  # noqa: BLE001 - what is not written down refuses nobody
                self._known.pop(used, None)
                self._log.warning(self._undone, cause=type(error).__name__)

    def close(self, seconds: float) -> None:
        """Wait so long at most for what is being written."""
        writer = self._writer
        if writer is not None:
            writer.join(seconds)
