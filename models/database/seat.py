"""What a thread lends to one call of SQLite after the other, and the COMMIT that several of them share.

A COMMIT of SQLite costs as much as all else that a debit does: each page that it changed is written, and the
disk is waited for. Calls that wait for the thread anyway write into one transaction, each behind a savepoint
of its own, so that who fails undoes nothing of his neighbours; none of them is told anything before COMMIT.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from models.database.ends import BEGIN, commit, roll_back_driver, send_commit
from models.database.prepared import Kind, run_command
from models.database.running import forget_running
from models.database.waiting import Wanted, seconds_left, wanted
from models.errors import Refusal


class Seat:
    """What a thread lends to one call after the other. Its connection stays open from one to the next,
    unless the engine was disposed of between them."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = engine.pool
        self._connection: Connection | None = None

    def __enter__(self) -> Connection:
        """The connection. Raises DBAPIError."""
        pool = self._engine.pool
        if self._connection is None or self._connection.invalidated or self._pool is not pool:
            self.close()
            self._pool = pool
            self._connection = self._engine.connect()
        return self._connection

    def __exit__(self, *_: object) -> None:
        """End what SQLAlchemy takes for a transaction, and what it is at the driver."""
        if self._connection is not None and self._connection.in_transaction():
            try:
                self._connection.rollback()
            except Exception:  # noqa: BLE001 - a connection that cannot roll back must not be reused
                self.close()

    @property
    def is_open(self) -> bool:
        """Whether it has a connection."""
        return self._connection is not None

    def close(self) -> None:
        """Give the connection back; the next call takes another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()


def take_turn(writer: threading.Lock, wait_s: float) -> None:
    """Wait for the turn of a writer: SQLite has one, and those of this process queue here rather than poll
    its lock. Raises TimeoutError, or what ended the caller's wait."""
    if not writer.acquire(timeout=seconds_left(wait_s)):
        raise PoolTimeoutError("another writer holds the database")
    try:
        caller = wanted()
        if caller is not None:
            caller.check()
    except BaseException:
        writer.release()
        raise


class LostTogether(BaseException):
    """The transaction that several calls shared is gone, and all of them have to run again. It is no
    Exception: nothing below may take it for a fault that it handles."""


class Group:
    """A transaction of SQLite in which several calls write."""

    __slots__ = ("callers", "connection", "driver", "kept", "size")

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.driver: Any = connection.connection.dbapi_connection
        self.size = 0
        """How many have written, and wait for its COMMIT."""
        self.callers: list[Wanted] = []
        self.kept: list[Any] = []
        """What is told after it: whoever runs the calls puts it there."""


_SAVEPOINT, _UNDO = "SAVEPOINT appel", "ROLLBACK TO appel"


class SharedSeat(Seat):
    """A seat on which calls end in one COMMIT where several wait for it.

    `is_awaited` says whether somebody waits. `tell` is given what was kept of a group, once it is committed.
    Who is lent the seat and does not ask for `joined` has the group before it end first.
    """

    def __init__(
        self,
        engine: Engine,
        writer: threading.Lock,
        wait_s: float,
        *,
        is_awaited: Callable[[], bool],
        tell: Callable[[list[Any]], None],
    ) -> None:
        super().__init__(engine)
        self._writer = writer
        self._wait_s = wait_s
        self._is_awaited = is_awaited
        self._tell = tell
        self._is_inside = False
        self.is_alone = False
        """Whether each call commits by itself."""
        self.group: Group | None = None
        """The one that is open, from one call to the next."""
        self.lost: list[Any] = []
        """What was kept of groups that are gone: their calls have to run again."""
        self.joined = _Joined(self)
        self.transaction = _Transaction(self)

    def __enter__(self) -> Connection:
        """See Seat. What others have left open is committed first."""
        if self.group is not None and not self._is_inside:
            with contextlib.suppress(LostTogether):  # they run again, after this one
                self.end()
        return super().__enter__()

    def take(self) -> Connection:
        """The connection, for a call that shares. Raises DBAPIError."""
        return super().__enter__()

    def give(self, *, failed: bool) -> None:
        """The call is over. Nothing that others wrote waits for what is made of a failure."""
        try:
            if self.group is not None and (failed or self.group.connection.in_transaction()):
                self.end()
        finally:
            super().__exit__()

    def begin(self) -> Connection:
        """Begin a transaction, or go on with the one that is open.

        Raises DBAPIError, TimeoutError, LostTogether.
        """
        connection, group = self._connection, self.group
        assert connection is not None, "it was lent"
        if group is None:
            take_turn(self._writer, self._wait_s)
            try:
                run_command(connection, BEGIN["sqlite"], kind=Kind.FIRST)
            except BaseException:
                self._writer.release()
                raise
            self.group = Group(connection)
        else:
            try:
                # Where it is gone, as on a disk that is full, a savepoint would begin another one.
                if not group.driver.in_transaction:
                    raise LostTogether
                run_command(connection, _SAVEPOINT)
            except BaseException as error:
                self._lose(group)
                raise LostTogether from error
        self._is_inside = True
        return connection

    def finish(self) -> None:
        """COMMIT, or leave that to the end of the group where others wait. Raises what keeps it from that."""
        group = self.group
        assert group is not None, "it was begun"
        caller = wanted()
        if caller is not None:
            caller.check()
            caller.is_committing = True
            group.callers.append(caller)
        if group.size or (self._is_awaited() and not self.is_alone):
            group.size += 1
        else:
            commit(partial(send_commit, group.connection))
            self._leave(group)
        self._is_inside = False

    def undo(self) -> None:
        """Undo what the running call has written, and end what others wrote before it."""
        group, self._is_inside = self.group, False
        if group is None:
            return
        if not group.size:
            roll_back_driver(group.connection)
            self._leave(group)
            return
        try:
            run_command(group.connection, _UNDO)
        except BaseException as error:
            self._lose(group)
            raise LostTogether from error
        self.end()

    def end(self) -> None:
        """COMMIT what a group has written, and have it told. Raises LostTogether."""
        group = self.group
        if group is None:
            return
        try:
            commit(partial(send_commit, group.connection, group.callers))
        except BaseException as error:
            self._lose(group)
            raise LostTogether from error
        self._leave(group)
        self._tell(group.kept)

    def close(self) -> None:
        """See Seat. A group that is open is lost."""
        if self.group is not None:
            self._lose(self.group)
        super().close()

    def _lose(self, group: Group) -> None:
        roll_back_driver(group.connection)
        self._leave(group)
        self.lost += group.kept

    def _leave(self, group: Group) -> None:
        self.group = None
        for caller in group.callers:
            caller.is_committing = False
        forget_running(group.connection)
        self._writer.release()


class _Joined:
    """The seat's connection, lent to a call that may share a COMMIT."""

    def __init__(self, seat: SharedSeat) -> None:
        self._seat = seat

    def __enter__(self) -> Connection:
        """See Seat."""
        return self._seat.take()

    def __exit__(self, kind: object, *_: object) -> None:
        """See Seat. Raises LostTogether."""
        self._seat.give(failed=kind is not None)


class _Transaction:
    """A transaction on the seat's connection."""

    def __init__(self, seat: SharedSeat) -> None:
        self._seat = seat

    def __enter__(self) -> Connection:
        """Begin it. Raises DBAPIError, TimeoutError, LostTogether."""
        return self._seat.begin()

    def __exit__(self, kind: object, error: BaseException | None, *_: object) -> None:
        """COMMIT, by itself or with others, or undo what failed. Raises DBAPIError, LostTogether."""
        seat = self._seat
        if error is None:
            try:
                seat.finish()
            except BaseException:
                seat.undo()
                raise
            return
        seat.undo()
        if isinstance(error, Refusal) and error.trace is not None:
            with self as connection:
                error.trace(connection)
