"""The queue before a row: of those who will write the same card, a few are let to the database at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from functools import partial
from itertools import chain
from typing import NamedTuple

from models.database.waiting import InterruptedWork, Wanted

Row = Hashable
"""Whatever tells one row from another."""

MOST = 3
"""One has the row, one waits for it at the database, which hands it on, and one is on its way there."""


class _Waiting(NamedTuple):
    future: asyncio.Future[None]
    wanted: Wanted


class Lanes:
    """A lane for each row that somebody writes: so many may be inside at once, the others wait in turn.

    PostgreSQL makes a crowd before one row pay twice. Each COMMIT wakes all who wait for it, to have all but
    one wait again; and what each of them saw when it began to wait keeps the row's old versions from being
    thrown away, until they fill its page and every look-up passes them all. Whoever waits here holds no
    connection either: callers of other cards have it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._inside: dict[Row, int] = {}
        self._queues: dict[Row, deque[_Waiting]] = {}

    async def enter(self, row: Row, wanted: Wanted) -> None:
        """Go in, in turn. Raises InterruptedWork: then one is not inside."""
        inside = self._inside.get(row, 0)
        if inside < self._most:
            self._inside[row] = inside + 1
        else:
            await self._wait(row, wanted)

    async def _wait(self, row: Row, wanted: Wanted) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wanted.on_ended = partial(_end, future)
        self._queues.setdefault(row, deque()).append(_Waiting(future, wanted))
        try:
            await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self.leave(row)
            raise
        if wanted.ended_by is not None:  # while the word was on its way
            self.leave(row)
            raise wanted.ended_by

    def leave(self, row: Row) -> None:
        """Go out, and let in whoever has waited longest."""
        queue = self._queues.get(row)
        while queue:
            future = queue.popleft().future
            if not future.done():
                future.set_result(None)
                return
        self._queues.pop(row, None)
        self._inside[row] -= 1
        if not self._inside[row]:
            del self._inside[row]

    def waiting(self) -> list[Wanted]:
        """Who waits, of all lanes."""
        queued = chain.from_iterable(self._queues.values())
        return [one.wanted for one in queued if not one.future.done()]


def _end(future: asyncio.Future[None], reason: type[InterruptedWork]) -> None:
    if not future.done():
        future.set_exception(reason())
