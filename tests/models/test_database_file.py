"""The file of a SQLite database: who makes it, and who may read it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.exc import DBAPIError

from models import migrate
from models.database.engine import Database
from models.database.failures import DatabaseUrlError


@pytest.fixture
def open_umask() -> Iterator[None]:
    """A process that hides nothing from anybody by itself."""
    before = os.umask(0)
    yield
    os.umask(before)


def _modes(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()}


@pytest.mark.usefixtures("open_umask")
def test_a_new_database_and_its_side_files_are_its_owners_alone(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    migrate.upgrade(database)
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO clients (client_id, nom) VALUES ('C', 'N')")
        modes = _modes(tmp_path)
    database.close()
    assert len(modes) > 1, "a write has a side file"
    assert set(modes.values()) == {0o600}, modes
    assert _modes(tmp_path) == {"a.db": 0o600}


@pytest.mark.parametrize(("before", "after"), [(0o644, 0o600), (0o666, 0o600), (0o640, 0o640)])
def test_a_database_that_everybody_could_read_is_taken_back_by_migrate(
    tmp_path: Path, before: int, after: int
) -> None:
    file = tmp_path / "a.db"
    database = Database(f"sqlite:///{file}")
    migrate.upgrade(database)
    file.chmod(before)
    assert not migrate.upgrade(database)
    database.close()
    assert _modes(tmp_path) == {"a.db": after}


def test_a_database_that_is_not_there_is_made_by_no_reader_and_no_writer(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a b#é.db'}")
    for opened in (database.reading, database.transaction, database.snapshot):
        with pytest.raises(DBAPIError, match="unable to open"), opened():
            raise AssertionError("it was opened")
    assert list(tmp_path.iterdir()) == []
    migrate.upgrade(database)
    database.close()
    assert [path.name for path in tmp_path.iterdir()] == ["a b#é.db"]


def test_a_path_that_is_a_uri_is_refused() -> None:
    with pytest.raises(DatabaseUrlError, match="plain path"):
        Database("sqlite:///file:a.db?mode=rwc&uri=true")


WAL_TABLE = 4_062
"""Pages that one table of a WAL's index has (https://sqlite.org/walformat.html, the first hash table)."""


def test_wal_is_copied_into_the_file_before_a_reader_looks_twice_for_a_page(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'a.db'}")
    database.create_file()
    with database.reading() as connection:
        pages = connection.exec_driver_sql("PRAGMA wal_autocheckpoint").scalar_one()
    with database.transaction() as connection:
        connection.exec_driver_sql("CREATE TABLE t (b)")
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(2000 * 4096))")
    before = (tmp_path / "a.db").stat().st_size
    with database.transaction() as connection:
        connection.exec_driver_sql("INSERT INTO t VALUES (zeroblob(2000 * 4096))")
    after = (tmp_path / "a.db").stat().st_size
    database.close()
    assert pages < WAL_TABLE
    assert before < 2000 * 4096 < after
