"""Waiting without a thread: code that reads as if it blocked, and gives the event loop back meanwhile.

A piece of `Work` is a greenlet on the thread of an event loop. Where it would have to wait it switches to the
loop, which serves others and switches back. So handlers stay plain functions, a thousand waits cost no
thread, and a wait can be ended from outside: by its deadline, or because its caller is gone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from typing import Any, NamedTuple, TypeVar

from greenlet import GreenletExit, getcurrent, greenlet

Result = TypeVar("Result")


class InterruptedWork(BaseException):
    """Ends work from outside. It is no Exception: nothing below may take it for a fault that it handles."""


class DeadlinePassed(InterruptedWork):
    """The work took longer than its caller was promised to wait."""


class CallerGone(InterruptedWork):
    """Nobody waits for the result any more."""


class Wanted:
    """Whether somebody still waits for what a thread or a greenlet does, and until when.

    Asked by the work before each statement, told by whoever learns otherwise. Once COMMIT was sent nobody can
    take it back, and it is not asked any more.
    """

    __slots__ = ("began", "ended_by", "is_committing", "is_told", "on_ended", "trace", "until")

    def __init__(self, seconds: float) -> None:
        self.began = time.monotonic()
        self.until = self.began + seconds
        self.trace: Any = None
        """What the caller's statements belong to, for who traces them."""
        self.ended_by: type[InterruptedWork] | None = None
        self.is_committing = False
        self.is_told = False
        self.on_ended: Callable[[type[InterruptedWork]], None] | None = None

    def end(self, reason: type[InterruptedWork]) -> None:
        """Say on the event loop that nobody waits any more. The first reason counts."""
        if self.ended_by is None:
            self.ended_by = reason
        if self.on_ended is not None:
            self.on_ended(reason)

    def check(self) -> None:
        """Raises InterruptedWork when the work has become useless before it began to commit: once, since what
        follows undoes it."""
        if self.ended_by is not None and not self.is_committing and not self.is_told:
            self.is_told = True
            raise self.ended_by


_of_thread = threading.local()


def wanted() -> Wanted | None:
    """What this work is wanted for; None for code that no caller waits for: a command, a test."""
    work = current_work()
    if work is not None:
        return work.wanted
    found: Wanted | None = getattr(_of_thread, "wanted", None)
    return found


def run_wanted(function: Callable[[], Result], given: Wanted, lent: Any = None) -> Result:
    """Run a function on this thread for a caller, and lend it something, as `Work` is lent."""
    _of_thread.wanted, _of_thread.lent = given, lent
    try:
        given.check()
        return function()
    finally:
        _of_thread.wanted = _of_thread.lent = None


def lent() -> Any:
    """What this work was lent: a place for a connection. None for code that was lent nothing."""
    work = current_work()
    return getattr(_of_thread, "lent", None) if work is None else work.lent


def seconds_left(most: float) -> float:
    """How long a wait may take: until the deadline of the work, and `most`."""
    found = wanted()
    return most if found is None else max(0.0, min(most, found.until - time.monotonic()))


class _Carrier(greenlet):
    """A greenlet that carries out one piece of work after the other.

    A new one for each would cost a call some hundredths: Python asks the system for the memory of each
    greenlet's frames, and gives it back.
    """

    work: Work | None = None

    def run(self) -> None:
        """Called by `switch`, the first time."""
        while self.work is not None:
            loop, goes_on = self.work.loop, self.work.carry_out()
            self.work = None
            if not goes_on:
                return
            _idle().append(self)
            loop.switch()


def _idle() -> list[_Carrier]:
    """Those of this thread that wait for work."""
    found: list[_Carrier] | None = getattr(_of_thread, "idle", None)
    if found is None:
        found = _of_thread.idle = []
    return found


class Work:
    """A function that runs on the event loop, in a greenlet that gives back to that of the loop itself.

    It goes on only where the loop calls what `call_soon` was given, never inside the loop's own turn. While
    it runs, its stack lies where the stack of the loop was: libuv keeps there what it has heard of sockets
    (`uv__io_poll`) and the timers that are due (`uv__run_timers`), and to watch or to leave a socket, or to
    cancel a timer, would then read and write what is not there any more.
    """

    def __init__(self, function: Callable[[], Any], wanted: Wanted, lent: Any = None) -> None:
        self.loop = getcurrent()
        self._function = function
        self.wanted = wanted
        self.lent = lent
        """What whoever started it lends it for as long as it runs: a place for a connection."""
        self.result: Any = None
        self.failure: BaseException | None = None
        self.is_done = False
        self.on_done: Callable[[], object] | None = None
        self.pauses = 0
        """How often it has waited: which of its waits one is."""
        self._is_waiting = False
        self._carrier: _Carrier | None = None

    def start(self) -> None:
        """Run it until it waits for the first time, or is done."""
        idle = _idle()
        carrier = self._carrier = idle.pop() if idle else _Carrier()
        carrier.work = self
        carrier.gr_context = None  # it sees nothing of the work before
        carrier.switch()

    def carry_out(self) -> bool:
        """For its carrier alone: call the function, and say whether the carrier can go on to other work."""
        try:
            self.result = self._function()
        except BaseException as error:  # noqa: BLE001 - it is raised again where the result is awaited
            self.failure = error
        self.is_done = True
        if self.on_done is not None:
            self.on_done()
        return not isinstance(self.failure, GreenletExit)

    def pause(self) -> None:
        """Give the loop back until somebody calls `wake`. Raises InterruptedWork."""
        self.pauses += 1
        self._is_waiting = True
        try:
            self.loop.switch()
        finally:
            self._is_waiting = False

    def wake(self) -> None:
        """Have the loop go on with it, soon, where it waits now."""
        asyncio.get_running_loop().call_soon(self.resume, self.pauses)

    def resume(self, wait: int) -> None:
        """Go on, unless it has already, or waits for something else by now. For `call_soon` alone."""
        if self._is_waiting and wait == self.pauses and self._carrier is not None:
            self._carrier.switch()

    def interrupt(self, reason: type[InterruptedWork]) -> None:
        """End it where it waits. For `call_soon`, or a task, alone."""
        if self._is_waiting and self._carrier is not None:
            self.wanted.is_told = True
            self._carrier.throw(reason())


def current_work() -> Work | None:
    """The work that is running, None on a thread of its own."""
    current = getcurrent()
    return current.work if type(current) is _Carrier else None


def pause(seconds: float) -> None:
    """Sleep: the thread of a thread, and nobody else where work runs on a loop."""
    work = current_work()
    if work is None:
        time.sleep(seconds)
        return
    timer = asyncio.get_running_loop().call_later(seconds, work.wake)
    try:
        work.pause()
    finally:
        timer.cancel()


class Made(NamedTuple):
    """What a thread has made: a result, or what it raised."""

    result: Any
    error: BaseException | None

    @classmethod
    def by(cls, function: Callable[[], Any]) -> Made:
        """What this function makes."""
        try:
            return cls(function(), None)
        except BaseException as error:  # noqa: BLE001 - it is raised again in the work
            return cls(None, error)

    def told(self) -> Any:
        """The result. Raises what the thread raised."""
        if self.error is not None:
            raise self.error
        return self.result

    def refuse(self, unwanted: Callable[[Any], object] | None) -> None:
        """Give a result that nobody waits for to whoever ends it."""
        if self.error is None and unwanted is not None:
            unwanted(self.result)


def aside(
    function: Callable[[], Result], *, unwanted: Callable[[Result], object] | None = None
) -> Result:
    """What the function returns, which may block: work waits while a thread runs it.

    When the wait was ended first, or the loop, the result goes to `unwanted`.
    """
    work = current_work()
    if work is None:
        return function()
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Made] = loop.create_future()

    def wake(_: object) -> None:
        work.resume(work.pauses)

    future.add_done_callback(wake)

    def settle(made: Made) -> None:
        if future.cancelled():
            made.refuse(unwanted)
        else:
            future.set_result(made)

    def run() -> None:
        made = Made.by(function)
        try:
            loop.call_soon_threadsafe(settle, made)
        except RuntimeError:  # the loop has ended
            made.refuse(unwanted)

    # A thread that just ends with the process: nothing is acknowledged that it has not told.
    threading.Thread(target=run, name="aside", daemon=True).start()
    while not future.done():
        try:
            work.pause()
        except InterruptedWork:
            future.remove_done_callback(wake)
            if not future.cancel():  # it was made, and the work not yet told
                future.result().refuse(unwanted)
            raise
    result: Result = future.result().told()
    return result
