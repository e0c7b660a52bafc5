"""What the commands share: one sentence for a refusal, the database, the contract's scopes."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import yaml
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.settings import Settings, SettingsError, read_settings
from models import migrate
from models.db import Database, DatabaseUrlError, describe_error, is_lock_timeout


class Refused(click.ClickException):
    """A command cannot do what is asked. Says so in one sentence on stderr; exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write `cynod: sentence`."""
        click.echo(f"cynod: {self.format_message()}", file=file or sys.stderr)


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn whatever a user can cause into Refused."""
    try:
        yield
    except (click.UsageError, Refused):
        raise
    except click.ClickException as error:
        raise Refused(error.format_message()) from None
    except (SettingsError, DatabaseUrlError) as error:
        raise Refused(f"{str(error).removesuffix('.')}.") from None
    except BrokenPipeError:
        raise  # click ends silently when nobody reads the output any more
    except OSError as error:
        raise Refused(f"{describe_os_error(error)}.") from None


def describe_os_error(error: OSError) -> str:
    """`FILE: No such file or directory`."""
    cause = error.strerror or str(error)
    return cause if error.filename is None else f"{error.filename}: {cause}"


@contextlib.contextmanager
def open_database(settings: Settings | None = None, *, migrated: bool = True) -> Iterator[Database]:
    """The database of the settings. Refused when it cannot be used or is not at its migration."""
    settings = settings or read_settings()
    database = Database(settings.database_url, pool_size=2, attente_s=settings.attente_s)
    try:
        if migrated:
            _check_migrated(database)
        yield database
    except (DBAPIError, PoolTimeoutError) as error:
        raise Refused(describe_error(database, error)) from None
    except migrate.MigrationError as error:
        raise Refused(
            f"the database cannot be migrated by this version: {str(error).removesuffix('.')}."
        ) from None
    finally:
        database.close()


def _check_migrated(database: Database) -> None:
    # To connect to a SQLite file that is not there would create an empty one.
    file = database.url.database if database.dialect == "sqlite" else None
    if file is not None and not Path(file).exists():
        raise Refused(f"the database {file} does not exist; run `cynod migrate`.")
    with database.reading() as session:
        if not migrate.is_current(session):
            raise Refused(
                "the database is not at the migration this version expects; run `cynod migrate`."
            )


def read_scopes(settings: Settings) -> list[str]:
    """The scopes that the contract declares.

    The file is read as it is: to check all of it, as the server does, takes a second.
    """
    path = settings.contract
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        document = yaml.load(path.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader, in C
        flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
        return list(flows["clientCredentials"]["scopes"])
    except OSError as error:
        raise Refused(f"the contract cannot be read: {describe_os_error(error)}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise Refused(
            f"the contract {path} declares no scopes; run `cynod contract build --check`."
        ) from None


yes_option = click.option("--yes", is_flag=True, help="Do not ask: the answer is yes.")
json_option = click.option("--json", "as_json", is_flag=True, help="Write JSON, for programs.")


def confirm(question: str, *, yes: bool) -> None:
    """Ask on a terminal before something is ended for good. Without one, `--yes` must have answered."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise click.UsageError("This cannot be undone, and nobody can be asked here; give --yes.")
    try:
        agreed = click.confirm(question, err=True)
    except click.Abort:
        agreed = False
        click.echo(err=True)
    if not agreed:
        raise Refused("nothing was changed.")


@contextlib.contextmanager
def waiting_for_operations(outcome: str) -> Iterator[None]:
    """Refused, in a sentence that begins with the `outcome`, when what is under way does not end."""
    try:
        yield
    except DBAPIError as error:
        if not is_lock_timeout(error):
            raise
        raise Refused(
            f"{outcome}: operations under way did not end in time; run the command again."
        ) from None
