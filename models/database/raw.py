"""Values as a database holds them, for who looks for what should not be there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection


@contextlib.contextmanager
def as_stored(connection: Connection) -> Iterator[None]:
    """Let SQLite give a text that is not Unicode as one that no UTF-8 says, where it gives an error.

    PostgreSQL lets nobody write such a text.
    """
    if connection.dialect.name != "sqlite":
        yield
        return
    driver: Any = connection.connection.driver_connection
    previous = driver.text_factory
    driver.text_factory = lambda raw: raw.decode("utf-8", "surrogateescape")
    try:
        yield
    finally:
        driver.text_factory = previous
