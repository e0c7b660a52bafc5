"""`cynod backup` and `cynod restore`: copies of the database, which are proven when they are made."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import click

from handlers.cli.common import (
    Refused,
    count,
    end_by_oneself,
    json_option,
    undone_when_interrupted,
)
from handlers.cli.opening import open_database
from handlers.cli.shown import show_progress
from models import migrate
from models.database.backup import BackupError, Copie, back_up
from models.database.backup import restore as restore_copy
from models.database.engine import Database, describe_missing, is_missing

_FILE = click.argument("file", metavar="FILE", type=click.Path(path_type=Path))


@click.command()
@_FILE
@json_option
def backup(file: Path, *, as_json: bool) -> None:
    """Copy a SQLite database to FILE, while servers write to it.

    FILE holds all that was answered before the command began, and nothing of what was not committed.
    It appears when it is whole and its pages were checked, can be read by its owner only, and never
    replaces another. To copy the database's own file by other means under a running server loses
    operations.

    PostgreSQL is backed up by its own pg_dump: the command then says how.

    \b
    Example:    cynod backup /backups/cynod-$(date +%F).db
                CYNOD_DATABASE_URL=sqlite:////backups/cynod-2026-11-28.db cynod journal verify
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 written, 1 refused or failed, 2 wrong usage, 130 or 143 interrupted: nothing is left
    """
    with (
        undone_when_interrupted(f"{file} was not written"),
        open_database(migrated=False) as database,
    ):
        _refuse_postgresql(database, "--format=custom --file={file} {url}", "pg_dump", file)
        if is_missing(database):
            raise Refused(describe_missing(database))
        try:
            with show_progress("backup") as progress:
                copie = back_up(database, file.absolute(), progress)
        except BackupError as error:
            raise Refused(f"{error}.") from None
        _tell(copie, file, f"The backup is in {file}", as_json=as_json)


@click.command()
@_FILE
@json_option
def restore(file: Path, *, as_json: bool) -> None:
    """Make the SQLite database of CYNOD_DATABASE_URL from the backup FILE.

    The database must not exist: stop the servers and move the old file away first, with its -wal and
    -shm. FILE stays as it is.

    PostgreSQL is restored by its own pg_restore: the command then says how.

    \b
    Example:    cynod restore /backups/cynod-2026-11-28.db
                cynod migrate
                cynod journal verify
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 restored, 1 refused or failed, 2 wrong usage, 130 or 143 interrupted: nothing is left
    """
    with (
        undone_when_interrupted("nothing was restored"),
        open_database(migrated=False) as database,
    ):
        _refuse_postgresql(
            database,
            "--exit-on-error --single-transaction --no-owner --dbname={url} {file}",
            "pg_restore",
            file,
        )
        try:
            with show_progress("restore") as progress:
                copie = restore_copy(file, database, progress)
        except BackupError as error:
            raise Refused(f"{error}.") from None
        _tell(copie, file, f"The database {database.file} is made from {file}", as_json=as_json)


def _refuse_postgresql(database: Database, arguments: str, program: str, file: Path) -> None:
    if database.dialect != "postgresql":
        return
    # What is shown may end in a history of commands: no password, and no query, which may hold one.
    url = database.url.set(drivername="postgresql", query={})._replace(password=None)
    shown = {
        "url": shlex.quote(url.render_as_string(hide_password=False)),
        "file": shlex.quote(str(file)),
    }
    raise Refused(
        "PostgreSQL has its own program for this, which asks for the password itself:"
        f" {program} {arguments.format(**shown)}"
    )


def _tell(copie: Copie, file: Path, sentence: str, *, as_json: bool) -> None:
    end_by_oneself()
    current = copie.revision == migrate.expected_revision()
    if as_json:
        click.echo(
            json.dumps(
                {
                    "file": str(file),
                    "bytes": copie.octets,
                    "operations": copie.operations,
                    "revision": copie.revision,
                    "current": current,
                }
            )
        )
        return
    click.echo(
        f"{sentence}: {count(copie.operations, 'operation')}, {copie.octets} bytes, checked."
    )
    if not current:
        click.echo(f"It is at migration {copie.revision}; run `cynod migrate` before it is served.")
