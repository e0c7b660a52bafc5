"""A connection of PostgreSQL that one piece of work after the other uses, on an event loop."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.engine import URL

from models.database.green import GreenConnection, Unanswered
from models.database.hosts import Hosts
from models.database.libpq import PostgresqlLine
from models.database.prepared import LINE
from models.database.waiting import aside


class Source:
    """Opens connections that wait on an event loop."""

    def __init__(self, engine: Engine, **options: Any) -> None:
        """`options` are those of execution of its connections."""
        self._engine = engine.execution_options(cynod_lecture=True, **options)
        self._is_known = False

    def open(self) -> Connection:
        """A new connection. Raises DBAPIError or InterruptedWork."""
        if not self._is_known:
            # SQLAlchemy asks a server that it meets what it can do, and holds a lock meanwhile that is
            # one of threads: whoever waited for it on the loop would stop the loop.
            aside(self._meet)
            self._is_known = True
        return self._engine.connect()

    def _meet(self) -> None:
        with self._engine.connect():
            pass


class Place:
    """Lent to one piece of work at a time. Its connection stays open from one to the next.

    `late` is its place at the standby, where there is one: as many connections as here, so that nobody waits
    for one of them while he holds one of these.
    """

    def __init__(self, source: Source, late: Place | None = None) -> None:
        self._source = source
        self.late = late
        self._connection: Connection | None = None
        self._driver: GreenConnection | None = None
        self._line: PostgresqlLine | None = None

    def __enter__(self) -> Connection:
        """The connection, another one when the last has ended. Raises DBAPIError or InterruptedWork."""
        if self._connection is not None and self._driver is not None and self._driver.is_usable:
            return self._connection
        self.close()
        self._connection = self._source.open()
        self._driver = self._connection.connection.driver_connection
        self._line = self._connection.info[LINE]
        return self._connection

    def __exit__(self, *_: object) -> None:
        """End what SQLAlchemy takes for a transaction; one that is open at the server ends its connection."""
        connection, line = self._connection, self._line
        if connection is None or line is None:
            return
        line.forget()
        if connection.in_transaction():
            with contextlib.suppress(Exception):
                connection.rollback()
        if self._driver is None or not self._driver.is_usable:
            self.close()

    @property
    def is_open(self) -> bool:
        """Whether it has a connection."""
        return self._connection is not None

    def close(self) -> None:
        """Close the connection; the next work opens another."""
        if self.late is not None:
            self.late.close()
        connection, self._connection, self._driver, self._line = self._connection, None, None, None
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.invalidate()
            with contextlib.suppress(Exception):
                connection.close()


def loop_engine(
    url: URL, options: dict[str, Any], introduce: Callable[[Engine], None] = lambda _engine: None
) -> Engine:
    """An engine without a pool, whose connections wait on an event loop; `options` are psycopg's.

    Who is to say something of them beforehand (`introduce`) is asked first: what is below connects.
    """
    engine = create_engine(
        url,
        poolclass=NullPool,
        hide_parameters=True,
        isolation_level="AUTOCOMMIT",
        connect_args=options,
    )
    introduce(engine)
    unanswered, hosts = Unanswered(), Hosts()

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, args: list[Any], given: dict[str, Any]) -> Any:
        def open_one() -> GreenConnection:
            made = GreenConnection.connect(*args, **hosts.in_order(given))
            # Also when its caller is gone by now: the next one then need not wait as long.
            hosts.remember(given, made.info.host, made.info.port)
            return made

        # In a thread of its own: libpq looks names up by asking the system, which blocks.
        made = aside(open_one, unwanted=GreenConnection.close)
        made.unanswered = unanswered
        return made

    return engine
