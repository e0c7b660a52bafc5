"""Where calls run: on the event loop, or in threads. A room takes so many at once; the others queue."""

from __future__ import annotations

import asyncio
import itertools
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from handlers.edge.lanes import Lanes, Row
from handlers.metrics.recorder import RoomState
from models.database.waiting import CallerGone, DeadlinePassed, InterruptedWork, Wanted, Work

Result = TypeVar("Result")

TICK_S = 0.05
"""How late a deadline may be kept: one timer looks at all of them."""


class Room(Protocol):
    """Runs functions for callers who wait for a while, and no longer."""

    async def run(
        self, function: Callable[[], Result], wanted: Wanted, rows: Sequence[Row] = (), /
    ) -> Result:
        """What the function returns or raises. Raises InterruptedWork: its time is over, or nobody waits.

        `rows` are what it will write and others may want at the same time, as far as that is known: in one
        order whoever asks, so that no two wait for each other.
        """

    def close(self) -> None:
        """Let running functions end, and take no more."""

    def state(self, now: float) -> RoomState:
        """What is under way, and what waits, at this moment of the monotonic clock."""


class Rooms(NamedTuple):
    """The rooms of a server."""

    reads: Room
    writes: Room
    """For what may wait for a lock or a standby: however many do, reads go on."""
    probes: Room
    """For those that ask the database how it does, and wait behind no operation."""


class Closing(Protocol):
    """What work is lent, and what ends with its room."""

    @property
    def is_open(self) -> bool:
        """Whether it holds a connection."""

    def close(self) -> None:
        """Give up what it holds."""


class Deadlines:
    """Ends what is not done in time. One for each event loop."""

    def __init__(self) -> None:
        self._running: dict[Wanted, None] = {}
        self._timer: asyncio.TimerHandle | None = None

    def add(self, wanted: Wanted) -> None:
        """Watch it until it is discarded."""
        self._running[wanted] = None
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def discard(self, wanted: Wanted) -> None:
        """It is done."""
        self._running.pop(wanted, None)

    def __len__(self) -> int:
        """How many are not done."""
        return len(self._running)

    def wait_after(self, number: int, now: float) -> float:
        """How long the one has waited that came after so many of those that are not done; 0 for none."""
        found = next(itertools.islice(self._running, number, None), None)
        return 0.0 if found is None else now - found.began

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(TICK_S, self._tick) if self._running else None
        now = loop.time()
        for wanted in [one for one in self._running if one.until <= now]:
            self._running.pop(wanted, None)
            wanted.end(DeadlinePassed)


class Turns:
    """Runs each function as a piece of work on the event loop, and lends it one of the places.

    `kept` places are left to those who do not say that they may wait long.
    """

    def __init__(self, places: Sequence[Closing], *, kept: int = 0) -> None:
        self._places = places
        self._kept = kept
        self._free = list(places)
        self._queues: tuple[_Queue, _Queue] = (deque(), deque())
        self._numbers = itertools.count()
        self._deadlines = Deadlines()
        self._lanes = Lanes()

    async def run(
        self,
        function: Callable[[], Result],
        wanted: Wanted,
        rows: Sequence[Row] = (),
        /,
        *,
        long: bool = False,
    ) -> Result:
        """See Room. The functions that are `long` leave some places to the others."""
        self._deadlines.add(wanted)
        inside = 0
        try:
            for row in rows:
                await self._lanes.enter(row, wanted)
                inside += 1
            place = self._free.pop() if self._has_place(long) else await self._queue(wanted, long)
            work = Work(function, wanted, place)
            wanted.on_ended = partial(_end_work, work)
            work.start()
            if work.is_done:
                self._give(place)
            else:
                await self._end_of(work, place)
        finally:
            wanted.on_ended = None
            self._deadlines.discard(wanted)
            for row in rows[:inside]:
                self._lanes.leave(row)
        if work.failure is not None:
            raise work.failure
        result: Result = work.result
        return result

    def _has_place(self, long: bool) -> bool:
        return len(self._free) > (self._kept if long else 0)

    async def _end_of(self, work: Work, place: Closing) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def leave() -> None:
            self._give(place)
            if not future.done():
                future.set_result(None)

        work.on_done = leave
        try:
            await future
        except asyncio.CancelledError:
            work.interrupt(DeadlinePassed)
            raise

    async def _queue(self, wanted: Wanted, long: bool) -> Closing:
        future: asyncio.Future[Closing] = asyncio.get_running_loop().create_future()
        wanted.on_ended = partial(_end_waiting, future)
        self._queues[long].append((next(self._numbers), future, wanted))
        try:
            place = await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._give(future.result())
            raise
        if wanted.ended_by is not None:  # while the place was on its way
            self._give(place)
            raise wanted.ended_by
        return place

    def _give(self, place: Closing) -> None:
        """Hand it to whoever has waited longest of those that may have it."""
        self._free.append(place)
        for queue in self._queues:
            while queue and queue[0][1].done():
                queue.popleft()
        waiting = [
            queue
            for long, queue in enumerate(self._queues)
            if queue and self._has_place(bool(long))
        ]
        if waiting:
            _, future, _ = min(waiting, key=_number_of_first).popleft()
            future.set_result(self._free.pop())

    def close(self) -> None:
        """See Room. Whatever ran was ended with the task that waited for it."""
        for place in self._places:
            place.close()

    def state(self, now: float) -> RoomState:
        """See Room. Everything that is under way in the places is told here, also what is `long`."""
        used = len(self._places) - len(self._free)
        idle = sum(place.is_open for place in self._free)
        waiting, oldest_s = self.waiting(now, long=False)
        return RoomState(len(self._deadlines), waiting, oldest_s, used, idle, len(self._places))

    def waiting(self, now: float, *, long: bool) -> tuple[int, float]:
        """How many wait for a place, or before a row, and how long the first of them has."""
        left = [wanted for _, future, wanted in self._queues[long] if not future.done()]
        if long:  # as all are that have a row
            left += self._lanes.waiting()
        return len(left), now - min(one.began for one in left) if left else 0.0


_Queue = deque[tuple[int, "asyncio.Future[Closing]", Wanted]]


def _number_of_first(queue: _Queue) -> int:
    return queue[0][0]


class Patient:
    """A room whose functions may wait long: the places of another one, all but those that it keeps."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns

    async def run(
        self, function: Callable[[], Result], wanted: Wanted, rows: Sequence[Row] = (), /
    ) -> Result:
        """See Room."""
        return await self._turns.run(function, wanted, rows, long=True)

    def close(self) -> None:
        """See Room. The places are the other one's."""

    def state(self, now: float) -> RoomState:
        """See Room. What is not waiting is told by the other one."""
        return RoomState(0, *self._turns.waiting(now, long=True), 0, 0, 0)


def _end_work(work: Work, reason: type[InterruptedWork]) -> None:
    # Who is gone is learnt by the work itself, at its next statement: to break a statement off would cost the
    # connection, and whoever hangs up could make us open one for each call.
    if reason is not CallerGone:
        asyncio.get_running_loop().call_soon(work.interrupt, reason)


def _end_waiting(future: asyncio.Future[Any], reason: type[InterruptedWork]) -> None:
    if not future.done():
        future.set_exception(reason())
