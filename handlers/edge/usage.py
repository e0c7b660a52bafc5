"""When a secret was last used, by day: noted in memory, written down beside the requests."""

from __future__ import annotations

import threading
import time
from datetime import date

import structlog

from models.base import today
from models.database.engine import Database
from models.secret import note_usage

DAY_S = 86_400

ENDING_S = 5.0
"""How long the end of the application waits for what is being written."""


class Usage:
    """Notes that a secret has opened something.

    A request looks into a dictionary, and no more: the first use of a secret in a day is written by a
    thread, in a transaction of its own, that touches the row of the secret alone. So each process writes
    once a day for each secret. What cannot be written is noted again by the next use.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: dict[int, int] = {}
        self._pending: dict[int, date] = {}
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._log = structlog.get_logger("cynod")

    def __call__(self, secret: int) -> None:
        """The secret of this row has opened something today."""
        day = int(time.time()) // DAY_S
        if self._known.get(secret) == day:
            return
        with self._lock:
            self._known[secret] = day
            self._pending[secret] = today()
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
                secret, jour = self._pending.popitem()
            try:
                with self._database.transaction() as connection:
                    note_usage(connection, secret, jour)
            except Exception as error:  # noqa: BLE001 - a day that is not written down refuses nobody
                self._known.pop(secret, None)
                self._log.warning("usage d'un secret non noté", cause=type(error).__name__)

    def close(self) -> None:
        """Wait a moment for what is being written."""
        writer = self._writer
        if writer is not None:
            writer.join(ENDING_S)
