"""Copies of a SQLite database: one file, of one instant, made while servers write to it."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from models.database.engine import Database, create_private, sqlite_module

PAGES = 4096
"""Copied between two looks at signals and at the progress."""

_SIDE_FILES = ("-wal", "-shm", "-journal")


class BackupError(Exception):
    """A copy cannot be made, or is not whole; the text is one sentence."""


class Copie(NamedTuple):
    """What a copy holds: its migration (None when there was none), its operations, its bytes."""

    revision: str | None
    operations: int
    octets: int


def back_up(
    database: Database, target: Path, progress: Callable[[int, int], None] = lambda _d, _t: None
) -> Copie:
    """Copy what is committed at this instant to a new file, which is whole or not there at all.

    Its owner alone may read it. `progress` is told the pages copied and their total. On a SQLite
    library too old for WAL, writers wait for it. Raises BackupError, OSError.
    """
    with _new_file(target) as hidden, database.snapshot() as connection:
        # It fixes the instant: a copy whose source is being read is never begun again.
        connection.exec_driver_sql("SELECT count(*) FROM sqlite_master").scalar()
        return _copy(connection.connection.driver_connection, hidden, progress)


def restore(
    source: Path, database: Database, progress: Callable[[int, int], None] = lambda _d, _t: None
) -> Copie:
    """Make the file of the database from a copy; it must not be there. Raises BackupError, OSError."""
    target = database.file
    assert target is not None, "only SQLite has a file"
    source.open("rb").close()  # its own words for what is not there, or may not be read
    with _new_file(target) as hidden:
        for side in _SIDE_FILES:
            left = Path(f"{target}{side}")
            if left.exists():
                raise BackupError(f"{left} is left of another database, and would spoil this one")
        connection = sqlite_module().connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)
        with contextlib.closing(connection):
            copie = _copy(connection, hidden, progress)
        if copie.revision is None:
            raise BackupError(f"{source} is no database of this program")
        return copie


@contextlib.contextmanager
def _new_file(target: Path) -> Iterator[Path]:
    """A hidden file beside the target, which it becomes when the block succeeds."""
    if os.path.lexists(target):
        raise BackupError(f"{target} exists already, and is never replaced")
    hidden = target.with_name(f".{target.name}.{secrets.token_hex(6)}")
    try:
        os.close(create_private(hidden))
    except OSError as error:
        error.filename = str(target)
        raise
    try:
        yield hidden
        _sync(hidden)
        try:
            target.hardlink_to(hidden)
        except FileExistsError:
            raise BackupError(f"{target} exists already, and is never replaced") from None
        _sync(target.parent)
    finally:
        for side in ("", *_SIDE_FILES):
            Path(f"{hidden}{side}").unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _copy(source: Any, target: Path, progress: Callable[[int, int], None]) -> Copie:
    """Copy page by page, then read the copy as a stranger would. Raises BackupError."""
    module = sqlite_module()
    try:
        with contextlib.closing(module.connect(target, isolation_level=None)) as copy:
            copy.execute("PRAGMA synchronous = OFF")  # the file is synced once, at the end
            source.backup(
                copy,
                pages=PAGES,
                progress=lambda _status, left, total: progress(total - left, total),
            )
            # One file: a reader of the copy needs no side file, and makes none.
            copy.execute("PRAGMA journal_mode = DELETE")
        with contextlib.closing(module.connect(f"{target.as_uri()}?mode=ro", uri=True)) as copy:
            return _examine(copy, target)
    except module.DatabaseError as error:
        raise BackupError(f"the copy failed: {error}") from None


def _examine(copy: Any, target: Path) -> Copie:
    found = [row[0] for row in copy.execute("PRAGMA integrity_check(1)")]
    if found != ["ok"]:
        raise BackupError(f"the copy is not whole: {found[0]}")
    tables = {row[0] for row in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    revision, operations = None, 0
    if "alembic_version" in tables:
        row = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        revision = None if row is None else str(row[0])
    if "operations" in tables:
        operations = copy.execute("SELECT count(*) FROM operations").fetchone()[0]
    return Copie(revision, operations, target.stat().st_size)
