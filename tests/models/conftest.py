"""Databases of a test's own."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from models.database.engine import Database
from tests.support.postgresql import create_database

NewDatabase = Callable[[], Database]


@pytest.fixture
def new_database(
    backend: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[NewDatabase]:
    """Makes databases without any table."""
    opened: list[Database] = []

    def make() -> Database:
        name = f"empty_{uuid.uuid4().hex[:12]}"
        url = (
            f"sqlite:///{tmp_path / name}.db"
            if backend == "sqlite"
            else create_database(request.getfixturevalue("postgresql_url"), name)
        )
        opened.append(Database(url))
        opened[-1].create_file()
        return opened[-1]

    yield make
    for database in opened:
        database.close()
