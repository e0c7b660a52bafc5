"""Threads that serve calls: one hop into a thread, one hop out of it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, TypeVar

from handlers.edge.rooms import Closing, Deadlines
from handlers.metrics.recorder import RoomState
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

    async def run(self, function: Callable[[], Result], wanted: Wanted) -> Result:
        """Run the function in a thread, once one is free."""
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
            _run(job, seat)
            del job  # while it waits for the next one, nothing of a call is kept
        if seat is not None:
            seat.close()


def _end(future: asyncio.Future[Any], reason: type[InterruptedWork]) -> None:
    # The thread learns of it before its next transaction or COMMIT.
    if reason is DeadlinePassed and not future.done():
        future.set_exception(reason())


def _run(job: _Job, seat: Closing | None) -> None:
    if job.future.done():
        return
    result, error = None, None
    try:
        result = run_wanted(job.function, job.wanted, seat)
    except BaseException as raised:  # noqa: BLE001 - it is raised again where the result is awaited
        error = raised
    with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody waits
        job.loop.call_soon_threadsafe(_settle, job.future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
