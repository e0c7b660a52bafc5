"""Several server processes, forked from one that has imported and built everything, so that they share it.

uvicorn starts each worker as a new interpreter, which imports and builds the same again for itself alone.
Here its supervisor forks them instead, and looks after them as before: what was built takes no memory of a
worker until somebody writes to it.

A process that forks must have nothing that cannot be in two: no other thread, no event loop, no connection.
"""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import os
import signal
import socket
import threading
from functools import partial

import uvicorn.supervisors.multiprocess as upstream
from uvicorn.config import Config

from handlers.metrics.recorder import Recorder
from handlers.settings import Settings

THREADS_S = 5.0
"""How long threads that libraries started while they were built may take to end."""


class Counted:
    """What counts the calls of a family, and the process that tells Prometheus: replaced as they are."""

    def __init__(self, recorder: Recorder, listener: socket.socket, settings: Settings) -> None:
        self.recorder = recorder
        self._listener = listener
        self._settings = settings
        self._process: multiprocessing.process.BaseProcess | None = None

    def keep(self) -> None:
        """Start the process, unless it lives."""
        if self._process is not None and self._process.is_alive():
            return
        fork = multiprocessing.get_context("fork")
        self._process = fork.Process(target=self._expose, name="metrics")
        self._process.start()

    def _expose(self) -> None:
        # A hundred milliseconds and a library, which whoever serves calls never needs.
        from handlers.metrics.exposer import expose  # noqa: PLC0415 - as it says

        expose(self.recorder, self._listener, self._settings)

    def end(self) -> None:
        """End the process: nothing is left to tell."""
        if self._process is not None:
            self._process.kill()  # it has nothing that it would have to end in order
            self._process.join()

    def attach(self, row: int) -> None:
        """In the process of a worker: count in its row."""
        self._listener.close()
        self.recorder.attach(row)


class Worker(upstream.Process):
    """A process that serves what its parent has built."""

    def __init__(self, family: Family, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._family = family
        self.row = family.free_row()
        fork = multiprocessing.get_context("fork")  # Linux and macOS have it
        self.process = fork.Process(target=self.target, args=(sockets,))  # type: ignore[assignment]

    def start(self) -> None:
        """Fork. A signal that comes before the worker can hear it waits: the parent's handlers, which it has
        until then, would keep it for a loop that is none of the worker's."""
        before = signal.pthread_sigmask(signal.SIG_BLOCK, upstream.SIGNALS)
        try:
            super().start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # The worker alone holds its side: when it ends, whoever waits for its answer learns of it.
        self.child_conn.close()

    def target(self, sockets: list[socket.socket] | None = None) -> None:
        """What the worker runs."""
        for number in upstream.SIGNALS:
            signal.signal(number, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, upstream.SIGNALS)
        # The parent alone holds the other sides: when it ends, each worker learns of it.
        for one in [self, *self._family.processes]:
            one.parent_conn.close()
        self._family.enter(self.row)
        # Upstream makes it when it is asked for, by the thread that answers the parent too: of two, that one
        # would say for ever that another server has not started.
        assert self.server is not None
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer the parent as long as it is there, and end in order when it is gone, however it went:
        orphans would keep the port."""
        with contextlib.suppress(EOFError, OSError):
            super().always_pong()
        os.kill(os.getpid(), signal.SIGTERM)


class Family(upstream.Multiprocess):
    """The parent of the workers: replaces those that end or fall silent, and ends them in order."""

    def __init__(
        self, config: Config, sockets: list[socket.socket], counted: Counted | None = None
    ) -> None:
        super().__init__(config, sockets)
        self._counted = counted

    def free_row(self) -> int:
        """A row of the metrics that no living worker has. The first is this process's own."""
        taken = {one.row for one in self._workers() if one.process.is_alive()}
        row = next(number for number in itertools.count(1) if number not in taken)
        if self._counted is not None:
            self._counted.recorder.claim(row)
        return row

    def _workers(self) -> list[Worker]:
        return [one for one in self.processes if isinstance(one, Worker)]

    def enter(self, row: int) -> None:
        """In a worker, before it serves."""
        if self._counted is not None:
            self._counted.attach(row)

    def keep_subprocess_alive(self) -> None:
        """Upstream's, and what the dead were doing is no more."""
        if self._counted is not None:
            for one in self._workers():
                if not one.process.is_alive():
                    self._counted.recorder.release(one.row)
            self._counted.keep()
        super().keep_subprocess_alive()

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        # Upstream names the class of its workers in four places, and asks nobody for it.
        upstream.Process = partial(Worker, self)  # type: ignore[assignment, misc]
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(THREADS_S)
        try:
            super().run()
        finally:
            if self._counted is not None:
                self._counted.end()
