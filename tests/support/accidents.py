"""Accidents, to be had at will: a fault in what an operation does, a database that is away."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import psycopg
from psycopg import sql
from sqlalchemy.engine import make_url

from models.database.engine import Database
from tests.support.registry import missing


def core_of(handler: Callable[..., Any]) -> tuple[ModuleType, str]:
    """The module of a handler, and the last function that it has of the core: its work.

    An operation that asks nothing of the core only renders.
    """
    module = sys.modules[handler.__module__]
    names_used = handler.__code__.co_names
    used = {name: getattr(module, name, None) for name in names_used}
    names = [name for name, value in used.items() if inspect.isfunction(value)]
    of_the_core = [name for name in names if used[name].__module__.startswith("models.")]
    if not names:
        missing(
            f"what can fail in {handler.__name__}",
            write=f"{handler.__name__} with functions that are imported by their names",
            file=f"{handler.__module__.replace('.', '/')}.py",
        )
    return module, (of_the_core or names)[-1]


class Outage:
    """A database that can go away and come back."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.is_sqlite = database.dialect == "sqlite"

    def begin(self) -> None:
        """Take the database away: its open connections end and no new one opens."""
        if self.is_sqlite:
            file = self._file()
            self.database.engine.dispose()
            for part in file.parent.glob(f"{file.name}*"):
                part.rename(part.with_name(f"away-{part.name}"))
            file.mkdir()
        else:
            self._allow(connections=False)

    def end(self) -> None:
        """Bring the database back as it was."""
        if self.is_sqlite:
            file = self._file()
            self.database.engine.dispose()
            file.rmdir()
            for part in file.parent.glob("away-*"):
                part.rename(part.with_name(part.name.removeprefix("away-")))
        else:
            self._allow(connections=True)

    def _file(self) -> Path:
        assert self.database.url.database is not None
        return Path(self.database.url.database)

    def _allow(self, *, connections: bool) -> None:
        url = self.database.url
        server = make_url(url).set(drivername="postgresql", database="postgres")
        with psycopg.connect(
            server.render_as_string(hide_password=False), autocommit=True
        ) as connection:
            connection.execute(
                sql.SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}").format(
                    sql.Identifier(str(url.database)), sql.Literal(connections)
                )
            )
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s",
                (url.database,),
            )
