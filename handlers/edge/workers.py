"""Threads that serve calls: one hop into a thread, one hop out of it."""

from __future__ import annotations

import asyncio
import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

Argument = TypeVar("Argument")
Result = TypeVar("Result")


class _Job(NamedTuple):
    loop: asyncio.AbstractEventLoop
    future: asyncio.Future[Any]
    argument: Any


class Workers(Generic[Argument, Result]):
    """At most `count` threads that run one function, started as they are needed.

    An executor of the standard library makes a future that any thread may wait for, with a lock and
    a condition, and asyncio one more that copies it, for each call. Here the event loop alone waits.
    """

    def __init__(self, function: Callable[[Argument], Result], count: int, name: str) -> None:
        self._function = function
        self._count = count
        self._name = name
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._threads: list[threading.Thread] = []
        self._running = 0

    async def run(self, argument: Argument) -> Result:
        """Run the function in a thread, once one is free."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        self._running += 1
        if self._running > len(self._threads) and len(self._threads) < self._count:
            self._start_thread()
        self._jobs.put(_Job(loop, future, argument))
        try:
            return await future
        finally:
            self._running -= 1

    def close(self) -> None:
        """Let what was given be run, and end the threads."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _start_thread(self) -> None:
        # Work that is lost with the process is work that was not acknowledged: nothing waits for it.
        name = f"{self._name}_{len(self._threads)}"
        thread = threading.Thread(target=self._work, name=name, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            _run(self._function, job)
            del job  # while it waits for the next one, nothing of a call is kept


def _run(function: Callable[[Any], Any], job: _Job) -> None:
    if job.future.cancelled():
        return
    result, error = None, None
    try:
        result = function(job.argument)
    except BaseException as raised:  # noqa: BLE001 - it is raised again where the result is awaited
        error = raised
    with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody waits
        job.loop.call_soon_threadsafe(_settle, job.future, result, error)


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.cancelled():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
