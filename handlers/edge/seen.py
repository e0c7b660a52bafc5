"""From which addresses partners call: counted in memory, written down beside the requests."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, date, datetime

import structlog

from models.adresse_vue import AUTRES, Vues, forget_adresses, note_adresses
from models.base import today
from models.database.engine import Database

EVERY_S = 30.0
"""How often what was counted is written down."""

MAX_PENDING = 10_000
"""Addresses that are counted by themselves meanwhile; a partner's others are counted together."""

NoteAddress = Callable[[int, str, bool], None]
"""Told of each call that is let in, or would be from elsewhere: whose, from where, whether the list of the
partner's addresses is against it."""


class AddressesSeen:
    """Counts calls by partner and address.

    A request raises a number in memory, and no more. A thread writes the numbers down, by a transaction for
    each partner, as long as there are some: it is made by the first call, since what is built before a fork
    starts no thread.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts: dict[tuple[int, str], list[float]] = {}
        self._lock = threading.Lock()
        self._writer: threading.Thread | None = None
        self._ended = threading.Event()
        self._forgotten: date | None = None
        self._log = structlog.get_logger("cynod")

    def __call__(self, partenaire_id: int, address: str, elsewhere: bool) -> None:
        """A call of this partner came from there."""
        with self._lock:
            key = partenaire_id, address
            counted = self._counts.get(key)
            if counted is None:
                if len(self._counts) >= MAX_PENDING:
                    key = partenaire_id, AUTRES
                counted = self._counts.setdefault(key, [0, 0, 0.0])
            counted[0] += 1
            counted[1] += elsewhere
            counted[2] = time.time()
            if self._writer is None:
                self._writer = threading.Thread(target=self._write, name="adresses", daemon=True)
                self._writer.start()

    def _write(self) -> None:
        while not self._ended.wait(EVERY_S):
            self._flush()
            with self._lock:
                if not self._counts:
                    self._writer = None
                    return
        self._flush()

    def _flush(self) -> None:
        with self._lock:
            counts, self._counts = self._counts, {}
        by_partner: dict[int, dict[str, Vues]] = {}
        for (partenaire_id, address), (calls, refused, last) in counts.items():
            seen = Vues(int(calls), int(refused), datetime.fromtimestamp(last, UTC))
            by_partner.setdefault(partenaire_id, {})[address] = seen
        try:
            for partenaire_id, seen_there in by_partner.items():
                with self._database.transaction() as connection:
                    note_adresses(connection, partenaire_id, seen_there)
            self._forget()
        except Exception as error:  # noqa: BLE001 - what is not written down refuses nobody
            self._log.warning("adresses vues non notées", cause=type(error).__name__)

    def _forget(self) -> None:
        """Once a day, what is too old."""
        day = today()
        if self._forgotten == day:
            return
        with self._database.transaction() as connection:
            forget_adresses(connection)
        self._forgotten = day

    def close(self, seconds: float) -> None:
        """Write down what is left, for so long at most."""
        writer = self._writer
        if writer is not None:
            self._ended.set()
            writer.join(seconds)
