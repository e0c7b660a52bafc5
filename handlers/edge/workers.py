"""Threads that serve calls: one hop into a thread, one hop out of it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol, TypeVar

from handlers.edge.rooms import Closing, Deadlines
from handlers.metrics.recorder import RoomState
from models.database.seat import LostTogether, SharedSeat
from models.database.waiting import DeadlinePassed, InterruptedWork, Wanted, run_wanted

Result = TypeVar("Result")

JOIN_S = 2.0
"""How long running functions may take to end when the server ends: a disk that hangs is no reason to stay."""


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    function: Callable[[], Any]
    wanted: Wanted


class Workers:
    """A room of at most `count` threads, started as they are needed.

    An executor of the standard library makes a future that any thread may wait for, with a lock and
    a condition, and asyncio one more that copies it, for each call. Here the event loop alone waits.
    """

    def __init__(
        self, count: int, name: str, make_seat: Callable[[], Closing | None] = lambda: None
    ) -> None:
        """What `make_seat` makes for a thread, that lends to each of its functions."""
        self._count = count
        self._name = name
        self._make_seat = make_seat
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running = 0
        self._deadlines = Deadlines()

    async def run(
        self, function: Callable[[], Result], wanted: Wanted, _rows: object = (), /
    ) -> Result:
        """Run the function in a thread, once one is free. The threads that write are one each process."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        wanted.on_ended = partial(_end, future)
        self._deadlines.add(wanted)
        self._running += 1
        if self._running > len(self._threads) and len(self._threads) < self._count:
            self._start_thread()
        self._jobs.put(_Job(loop, future, function, wanted))
        try:
            return await future
        finally:
            self._running -= 1
            wanted.on_ended = None
            self._deadlines.discard(wanted)

    def close(self) -> None:
        """Let what was given be run, for a while, and end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        until = time.monotonic() + JOIN_S
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def state(self, now: float) -> RoomState:
        """See Room. They run in the order in which they came."""
        used = min(self._running, self._count)
        idle = max(0, len(self._threads) - used)
        waiting, oldest_s = self._running - used, self._deadlines.wait_after(self._count, now)
        return RoomState(self._running, waiting, oldest_s, used, idle, self._count)

    def _start_thread(self) -> None:
        # Work that is lost with the process is work that was not acknowledged: nothing waits for it.
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        seat = self._make_seat()
        while (job := self._jobs.get()) is not None:
            _tell([_run(job, seat)])
            del job  # while it waits for the next one, nothing of a call is kept
        if seat is not None:
            seat.close()


def _end(future: asyncio.Future[Any], reason: type[InterruptedWork]) -> None:
    # The thread learns of it before its next transaction or COMMIT.
    if reason is DeadlinePassed and not future.done():
        future.set_exception(reason())


MOST_TOGETHER = 16
"""Calls that share a COMMIT at most: with more, what each of them saves hardly grows, and the first waits."""


class MakeSharedSeat(Protocol):
    """See Database.make_shared_seat."""

    def __call__(
        self, *, is_awaited: Callable[[], bool], tell: Callable[[list[Any]], None]
    ) -> SharedSeat: ...


class Together(Workers):
    """A room of one thread, whose functions' transactions end in one COMMIT where several wait for it.

    Nobody is told anything before what he has written, and what he has seen, is committed. Where that fails
    all of them run again, each by itself.
    """

    def __init__(self, name: str, make_seat: MakeSharedSeat) -> None:
        super().__init__(1, name)
        self._make_shared_seat = make_seat

    def _work(self) -> None:
        seat = self._make_shared_seat(is_awaited=self._is_awaited, tell=_tell)
        while (job := self._jobs.get()) is not None:
            self._serve(job, seat)
            del job
        self._end(seat)
        seat.close()

    def _is_awaited(self) -> bool:
        return not self._jobs.empty()

    def _serve(self, job: _Job, seat: SharedSeat) -> None:
        outcome = _run(job, seat)
        if isinstance(outcome.error, LostTogether):
            seat.lost.append(outcome)
        elif seat.group is None:
            _tell([outcome])
        else:
            seat.group.kept.append(outcome)
            if len(seat.group.kept) < MOST_TOGETHER and self._is_awaited():
                return
        self._end(seat)

    def _end(self, seat: SharedSeat) -> None:
        with contextlib.suppress(LostTogether):
            seat.end()
        if seat.lost:
            again, seat.lost = seat.lost, []
            seat.is_alone = True
            for outcome in again:
                _tell([_run(outcome.job, seat)])
            seat.is_alone = False


class Outcome(NamedTuple):
    """What a job has returned or raised; neither where nobody waits for it any more."""

    job: _Job
    result: Any = None
    error: BaseException | None = None


def _run(job: _Job, seat: Closing | None) -> Outcome:
    if job.future.done():
        return Outcome(job)
    try:
        return Outcome(job, run_wanted(job.function, job.wanted, seat))
    except BaseException as raised:  # noqa: BLE001 - it is raised again where the result is awaited
        return Outcome(job, error=raised)


def _tell(outcomes: list[Outcome]) -> None:
    """Give outcomes to those who wait for them, all on one event loop."""
    if outcomes:
        with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody waits
            outcomes[0].job.loop.call_soon_threadsafe(_settle, outcomes)


def _settle(outcomes: list[Outcome]) -> None:
    for (_, future, _, _), result, error in outcomes:
        if future.done():
            continue
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)
