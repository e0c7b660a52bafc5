"""Several server processes, forked from one that has imported and built everything, so that they share it.

uvicorn starts each worker as a new interpreter, which imports and builds the same again for itself alone.
Here its supervisor forks them instead, and looks after them as before: what was built takes no memory of a
worker until somebody writes to it.

A process that forks must have nothing that cannot be in two: no other thread, no event loop, no connection.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
from functools import partial

import uvicorn.supervisors.multiprocess as upstream
from uvicorn.config import Config

THREADS_S = 5.0
"""How long threads that libraries started while they were built may take to end."""


class Worker(upstream.Process):
    """A process that serves what its parent has built."""

    def __init__(self, family: Family, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        self._family = family
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
        super().target(sockets)

    def always_pong(self) -> None:
        """Answer the parent as long as it is there, and end in order when it is gone, however it went:
        orphans would keep the port."""
        with contextlib.suppress(EOFError, OSError):
            super().always_pong()
        os.kill(os.getpid(), signal.SIGTERM)


class Family(upstream.Multiprocess):
    """The parent of the workers: replaces those that end or fall silent, and ends them in order."""

    def run(self) -> None:
        """Serve until SIGINT or SIGTERM."""
        # Upstream names the class of its workers in four places, and asks nobody for it.
        upstream.Process = partial(Worker, self)  # type: ignore[assignment, misc]
        for thread in threading.enumerate():
            if thread is not threading.current_thread():
                thread.join(THREADS_S)
        super().run()
