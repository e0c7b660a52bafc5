"""PostgreSQL's connection on an event loop: psycopg's, whose waits give the loop back.

libpq sends and reads without blocking; between the two, the work that asked waits for the socket to become
readable. Elsewhere (commands, migrations, tests) the same connection blocks, as psycopg's own does.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
from collections.abc import Generator, Sequence
from typing import Any, TypeVar

import psycopg
from psycopg import generators, waiting
from psycopg.pq import ConnStatus, ExecStatus, Format, TransactionStatus
from psycopg.pq.abc import PGresult
from psycopg.waiting import Ready, Wait

from models.database.waiting import InterruptedWork, Work, current_work

Made = TypeVar("Made")

Message = tuple[bytes, Any, list[Format]]
"""A prepared statement's name, or its text where names are not kept; its parameters as the server takes them;
their formats."""

CANCEL_S = 2.0
"""How long the server may take to hear that a statement is not wanted any more."""


class Watch:
    """Wakes the work that waits for a connection. It is registered once, for as long as that lives.

    It watches a descriptor of its own for the socket: libpq closes its one when the connection breaks, and
    the next connection of anybody would have the same number.
    """

    def __init__(self, descriptor: int) -> None:
        self._loop = asyncio.get_running_loop()
        self._descriptor = os.dup(descriptor)
        self._work: Work | None = None
        self._heard = 0
        self.has_news = False
        """The server said something that nobody had asked: most likely that it ends the connection."""
        self._poll = select.poll()
        self._poll.register(self._descriptor, select.POLLIN)
        self._loop.add_reader(self._descriptor, self._wake)

    def has_more(self) -> bool:
        """Whether there is something to read at once, be it the end.

        libuv tells of a connection that broke once, and watches it no more, although half of what the server
        said may still be there to be read.
        """
        return bool(self._poll.poll(0))

    def _wake(self) -> None:
        work = self._work
        if work is not None:
            self._heard |= Ready.R
            self._loop.call_soon(work.resume, work.pauses)
        elif self.has_more():  # and not what the work has read since the loop heard of it
            self.has_news = True
            self._loop.remove_reader(self._descriptor)

    def _wake_writer(self) -> None:
        work = self._work
        if work is not None:
            self._heard |= Ready.W
            self._loop.call_soon(work.resume, work.pauses)

    def readable(self, work: Work) -> None:
        """Wait for what the server says. Raises InterruptedWork."""
        if self.has_news:
            self.has_news = False
            self._loop.add_reader(self._descriptor, self._wake)
        self._work = work
        try:
            work.pause()
        finally:
            self._work = None

    def ready(self, work: Work, wait: Wait) -> int:
        """Wait to read or to write, or for either. Raises InterruptedWork."""
        if self.has_more() and wait & Wait.R:
            return Ready.R
        self._heard = 0
        if wait & Wait.W:
            self._loop.add_writer(self._descriptor, self._wake_writer)
        try:
            self.readable(work)
        finally:
            if wait & Wait.W:
                self._loop.remove_writer(self._descriptor)
        return self._heard

    def close(self) -> None:
        """Watch no more."""
        self._work = None
        if self._descriptor >= 0:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1


class Unanswered:
    """Connections whose COMMIT got no answer in time.

    They are kept open and used no more: to cancel a COMMIT that waits for a standby would make visible what
    a failover then loses. When the server answers in the end, it has one such transaction less.
    """

    def __init__(self) -> None:
        self._watches: set[Watch] = set()

    def __len__(self) -> int:
        """How many are still unanswered."""
        for watch in [one for one in self._watches if one.has_news]:
            watch.close()
            self._watches.discard(watch)
        return len(self._watches)

    def add(self, watch: Watch) -> None:
        """Take over what watches such a connection."""
        self._watches.add(watch)


class GreenConnection(psycopg.Connection[Any]):
    """A connection whose waits, inside a piece of work, give the event loop back."""

    begin: bytes | None = None
    """A BEGIN that goes to the server with the first statement of its transaction."""
    watch: Watch | None = None
    unanswered: Unanswered | None = None
    keeps_names = True
    """Whether the server still knows in the next transaction what it prepared by name in this one."""

    def _watched(self) -> Watch:
        if self.watch is None:
            self.watch = Watch(self.pgconn.socket)
        return self.watch

    @property
    def is_usable(self) -> bool:
        """Whether the next work may have it: nothing is open, and the server has said nothing of itself."""
        # A connection that was closed has no status: UNKNOWN.
        return (
            self.pgconn.transaction_status == TransactionStatus.IDLE
            and self.begin is None
            and (self.watch is None or not self.watch.has_news)
        )

    def wait(
        self,
        gen: Generator[Any, Any, Made],
        interval: float = 0.1,
        timeout: float | None = None,
    ) -> Made:
        """Run one of psycopg's own exchanges with the server."""
        work = current_work()
        if work is None:
            return super().wait(gen, interval, timeout)
        work.wanted.check()
        if self.begin is not None:
            begin, self.begin = self.begin, None
            self.command(work, begin)
        watch = self._watched()
        try:
            wish = next(gen)
            while True:
                wish = gen.send(watch.ready(work, wish))
        except StopIteration as end:
            made: Made = end.value
            return made
        except InterruptedWork:
            self._abandon(work)
            raise

    def run(self, work: Work, message: Message) -> PGresult:
        """The result of a prepared statement, in one round trip, be it the first of its transaction."""
        if self.begin is not None:
            return self.run_all(work, [message])[0]
        work.wanted.check()
        self._send(message)
        return self._fetch(work)[-1]

    def run_all(self, work: Work, messages: Sequence[Message]) -> list[PGresult]:
        """The results of prepared statements, all in one round trip, or the error of one of them alone."""
        work.wanted.check()
        pgconn, begin = self.pgconn, self.begin
        self.begin = None
        pgconn.enter_pipeline_mode()
        if begin is not None:
            pgconn.send_query_params(begin, None)
        for message in messages:
            self._send(message)
        pgconn.pipeline_sync()
        results = self._fetch(work)
        pgconn.exit_pipeline_mode()
        for result in results:
            if result.status == ExecStatus.FATAL_ERROR:
                return [result]
        if begin is not None:
            del results[0]
        if len(results) != len(messages):
            raise psycopg.OperationalError("the server sent too few results")
        return results

    def _send(self, message: Message) -> None:
        if self.keeps_names:
            self.pgconn.send_query_prepared(*message, Format.BINARY)
        else:
            text, parameters, formats = message
            self.pgconn.send_query_params(text, parameters, None, formats, Format.BINARY)

    def prepare(self, work: Work, name: bytes, sql: bytes) -> PGresult:
        """Have the server prepare a statement."""
        self.pgconn.send_prepare(name, sql)
        return self._fetch(work)[-1]

    def command(self, work: Work, sql: bytes) -> PGresult:
        """Run SQL without parameters."""
        work.wanted.check()
        self.pgconn.send_query(sql)
        return self._fetch(work)[-1]

    def _fetch(self, work: Work) -> list[PGresult]:
        """The results of what was sent: of each statement, up to one that failed. At least one."""
        pgconn = self.pgconn
        in_pipeline = pgconn.pipeline_status
        results: list[PGresult] = []
        try:
            if pgconn.flush():
                self._flush(work)
            while True:
                if pgconn.is_busy():
                    self._listen(work, again=bool(results))
                found = pgconn.get_result()
                if found is None:
                    # In a pipeline, nothing stands behind the result of each statement.
                    if not in_pipeline or pgconn.status != ConnStatus.OK:
                        break
                elif found.status == ExecStatus.PIPELINE_SYNC:
                    break
                elif found.status != ExecStatus.PIPELINE_ABORTED:
                    results.append(found)
        except InterruptedWork:
            self._abandon(work)
            raise
        if not results:
            raise psycopg.OperationalError("the server sent no result")
        return results

    def _flush(self, work: Work) -> None:
        while True:
            if self._watched().ready(work, Wait.RW) & Ready.R:
                self.pgconn.consume_input()
            if not self.pgconn.flush():
                return

    def _listen(self, work: Work, *, again: bool) -> None:
        watch, pgconn = self.watch or self._watched(), self.pgconn
        while True:
            if not (again and watch.has_more()):
                watch.readable(work)
            pgconn.consume_input()
            if not pgconn.is_busy():
                return
            again = True

    def _abandon(self, work: Work) -> None:
        """Leave a connection in the middle of a statement: nobody can use it any more."""
        if work.wanted.is_committing and self.watch is not None and self.unanswered is not None:
            self.unanswered.add(self.watch)
            self.watch = None
        else:
            loop = asyncio.get_running_loop()
            with contextlib.suppress(psycopg.Error):
                cancel = self.pgconn.cancel_conn()
                cancel.start()
                _CANCELLING.add(task := loop.create_task(_cancel(cancel)))
                task.add_done_callback(_CANCELLING.discard)
        self.close()

    def rollback(self) -> None:
        """Undo what was begun, at the server or not yet."""
        self.begin = None
        super().rollback()

    def close(self) -> None:
        """Close it; what watches it goes first, as the socket's number will be another one's."""
        if self.watch is not None:
            self.watch.close()
            self.watch = None
        super().close()


_CANCELLING: set[asyncio.Task[None]] = set()
"""The loop itself keeps no task alive."""


async def _cancel(cancel: Any) -> None:
    # A server that hears nothing ends the statement by its own deadline (statement_timeout).
    with contextlib.suppress(psycopg.Error):
        await waiting.wait_conn_async(generators.cancel(cancel), timeout=CANCEL_S)
    cancel.finish()
