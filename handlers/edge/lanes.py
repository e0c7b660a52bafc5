"""The queue before a row: of those who will write the same card, a few are let to the database at once."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Hashable
from functools import partial
from typing import NamedTuple

from models.database.waiting import InterruptedWork, Wanted

Row = Hashable
"""Whatever tells one row from another."""

MOST = 3
"""One has the row, one waits for it at the database, which hands it on, and one is on its way there."""


class _Waiting(NamedTuple):
    future: asyncio.Future[None]
    wanted: Wanted


class _Lane:
    __slots__ = ("inside", "waiting")

    def __init__(self) -> None:
        self.inside = 1
        self.waiting: deque[_Waiting] = deque()


class Lanes:
    """A lane for each row that somebody writes: so many may be inside at once, the others wait in turn.

    PostgreSQL makes a crowd before one row pay twice. Each COMMIT wakes all who wait for it, to have all but
    one wait again; and what each of them saw when it began to wait keeps the row's old versions from being
    thrown away, until they fill its page and every look-up passes them all. Whoever waits here holds no
    connection either: callers of other cards have it.
    """

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._lanes: dict[Row, _Lane] = {}

    async def enter(self, row: Row, wanted: Wanted) -> None:
        """Go in, in turn. Raises InterruptedWork: then one is not inside."""
        lane = self._lanes.get(row)
        if lane is None:
            self._lanes[row] = _Lane()
        elif lane.inside < self._most:
            lane.inside += 1
        else:
            await self._wait(row, lane, wanted)

    async def _wait(self, row: Row, lane: _Lane, wanted: Wanted) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        wanted.on_ended = partial(_end, future)
        lane.waiting.append(_Waiting(future, wanted))
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
        lane = self._lanes[row]
        while lane.waiting:
            future = lane.waiting.popleft().future
            if not future.done():
                future.set_result(None)
                return
        lane.inside -= 1
        if not lane.inside:
            del self._lanes[row]

    def waiting(self) -> list[Wanted]:
        """Who waits, of all lanes."""
        return [
            one.wanted
            for lane in self._lanes.values()
            for one in lane.waiting
            if not one.future.done()
        ]


def _end(future: asyncio.Future[None], reason: type[InterruptedWork]) -> None:
    if not future.done():
        future.set_exception(reason())
