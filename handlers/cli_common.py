"""What the commands share: one sentence for a refusal, files they write, the database, scopes."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import click
import yaml
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.settings import Settings, SettingsError, find_unknown_variables, read_settings
from models import migrate
from models.db import (
    CommitUnknownError,
    Database,
    DatabaseUrlError,
    describe_error,
    is_lock_timeout,
)


class Refused(click.ClickException):
    """A command cannot do what is asked. Says so in one sentence on stderr; exit code 1."""

    def show(self, file: Any = None) -> None:
        """Write `cynod: sentence`."""
        click.echo(f"cynod: {self.format_message()}", file=file or sys.stderr)


class Interrupted(Refused):
    """Ctrl-C ended a command. Says what was not done; the exit code is the one of shells."""

    exit_code = 128 + signal.SIGINT


class Ended(Refused):
    """SIGTERM did."""

    exit_code = 128 + signal.SIGTERM


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends a command as Ctrl-C does: what was begun is undone, what is hidden removed."""


@contextlib.contextmanager
def undone_when_interrupted(sentence: str) -> Iterator[None]:
    """Say what was not done when a signal ends the block, which changes all or nothing."""
    try:
        yield
    except Terminated:
        raise Ended(f"interrupted: {sentence}.") from None
    except KeyboardInterrupt:
        raise Interrupted(f"interrupted: {sentence}.") from None


_SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextlib.contextmanager
def signals_as_exceptions() -> Iterator[None]:
    """SIGTERM raises Terminated during the block, as SIGINT raises KeyboardInterrupt."""

    def terminate(_number: int, _frame: FrameType | None) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are the main thread's
        return
    previous = {number: signal.getsignal(number) for number in _SIGNALS}
    signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def end_by_oneself() -> None:
    """Ignore signals from here to the command's end: what it is about to do it could not undo."""
    if threading.current_thread() is threading.main_thread():
        for number in _SIGNALS:
            signal.signal(number, signal.SIG_IGN)


def count(number: int, thing: str) -> str:
    """`1 row`, `2 rows`."""
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"


@contextlib.contextmanager
def one_sentence() -> Iterator[None]:
    """Turn whatever a user can cause into Refused."""
    try:
        yield
    except (click.UsageError, Refused):
        raise
    except click.Abort:
        raise Refused("not confirmed: nothing was changed.") from None
    except click.ClickException as error:
        raise Refused(error.format_message()) from None
    except (SettingsError, DatabaseUrlError) as error:
        raise Refused(f"{str(error).removesuffix('.')}.") from None
    except BrokenPipeError:
        raise  # click ends silently when nobody reads the output any more
    except OSError as error:
        raise Refused(f"{describe_os_error(error)}.") from None


def tell_unknown_variables() -> None:
    """Say on stderr which variables are set for nothing: most are mistyped, and a default rules."""
    for name, near in find_unknown_variables().items():
        hint = "" if near is None else f"; did you mean {near}?"
        click.echo(f"cynod: {name} is not known{hint or '; nothing reads it.'}", err=True)


def describe_os_error(error: OSError) -> str:
    """`FILE: No such file or directory`."""
    cause = error.strerror or str(error)
    return cause if error.filename is None else f"{error.filename}: {cause}"


class Output:
    """A file that a command writes, whole or not at all; or a pipe, a device, which is written through.

    A file is written beside its path and takes its place by `publish`. Until then nobody sees it, and
    where the system can keep a file without a name, nothing is left of it even by `kill -9`.
    """

    def __init__(self, path: Path, *, encoding: str = "utf-8") -> None:
        """Raises OSError when it cannot be written, or is a folder."""
        self.path = path
        self.is_standard_output = str(path) == "-" or _is_open_as(path, 1)
        self._target: Path | None = None
        self._hidden: Path | None = None
        if self.is_standard_output or _is_open_as(path, 2):
            # Opened again, what a shell redirects to a file would be written from its start.
            descriptor = os.dup(1 if self.is_standard_output else 2)
        elif _is_written_through(path):
            descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC | os.O_NOCTTY)
        else:
            self._target = _check_replaceable(path)
            descriptor = self._open_beside(self._target)
        self.file: TextIO = os.fdopen(descriptor, "w", encoding=encoding, newline="")

    def _open_beside(self, target: Path) -> int:
        try:
            if not Path("/proc/self/fd").exists():
                raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
            descriptor = os.open(target.parent, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
        except OSError:
            descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            self._hidden = Path(name)
        os.fchmod(descriptor, 0o600)
        return descriptor

    def settle(self) -> None:
        """Make sure that all of it is kept, before what depends on it is done. Raises OSError."""
        self.file.flush()
        if self._target is not None:
            os.fsync(self.file.fileno())
            if self._hidden is None:
                self._hidden = self._give_name(self._target)

    def _give_name(self, target: Path) -> Path:
        hidden = target.with_name(f".{target.name}.{os.urandom(6).hex()}")
        # Linux's way to name a file that has none: open(2), at O_TMPFILE.
        # Python follows the link only when it is given a folder, which an absolute path then ignores.
        number = self.file.fileno()
        os.link(f"/proc/self/fd/{number}", hidden, src_dir_fd=number, follow_symlinks=True)
        return hidden

    def publish(self) -> None:
        """Put the settled file in its place. Raises OSError when that cannot be taken any more."""
        self.file.close()
        if self._target is not None and self._hidden is not None:
            self._hidden.replace(self._target)
            self._hidden = None

    def keep(self) -> Path:
        """Where the settled file is when it could not be published: it stays there."""
        kept, self._hidden = self._hidden, None
        return kept or self.path

    def discard(self) -> None:
        """Leave nothing of a file that was not published."""
        with contextlib.suppress(OSError):
            self.file.close()
        if self._hidden is not None:
            self._hidden.unlink(missing_ok=True)


def _is_open_as(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False


def _check_replaceable(path: Path) -> Path:
    """The file that the path stands for, behind links. Raises OSError when nobody may replace it."""
    target = path.resolve()
    if target.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if target.exists() and not os.access(target, os.W_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
    return target


def _is_written_through(path: Path) -> bool:
    """Whether it is a pipe, a device, or what a name like /dev/fd/3 stands for."""
    if not path.exists():
        return False
    named_by_system = path.absolute().parts[1:2] in (("dev",), ("proc",))
    return not path.is_dir() and (named_by_system or not path.is_file())


@contextlib.contextmanager
def output_to(path: Path, *, encoding: str = "utf-8") -> Iterator[Output]:
    """The output of a block that writes it: published when the block succeeds, else nothing is left.

    Refused when it cannot be written.
    """
    try:
        output = Output(path, encoding=encoding)
        try:
            yield output
            output.settle()
            output.publish()
        finally:
            output.discard()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}.") from None


@contextlib.contextmanager
def open_database(
    settings: Settings | None = None, *, migrated: bool = True, create: bool = False
) -> Iterator[Database]:
    """The database of the settings. Refused when it cannot be used or is not at its migration.

    With `create`, a SQLite file that is not there is made and migrated.
    """
    settings = settings or read_settings()
    database = Database(settings.database_url, pool_size=2, attente_s=settings.attente_s)
    try:
        if create and is_missing(database):
            migrate.upgrade(database)
        if migrated:
            _check_migrated(database)
        yield database
    except (DBAPIError, PoolTimeoutError) as error:
        raise Refused(describe_error(database, error)) from None
    except CommitUnknownError:
        raise Refused(
            "the connection to the database broke at the very end: all was done, or nothing; look"
            " before you run it again."
        ) from None
    except migrate.MigrationError as error:
        raise Refused(
            f"the database cannot be migrated by this version: {str(error).removesuffix('.')}."
        ) from None
    finally:
        database.close()


def _check_migrated(database: Database) -> None:
    if is_missing(database):
        raise Refused(describe_missing(database))
    with database.reading() as session:
        if not migrate.is_current(session):
            raise Refused(
                "the database is not at the migration this version expects; run `cynod migrate`."
            )


def tell_waiting(database: Database, what: str) -> Callable[[], None]:
    """What says on stderr, once, that the command waits for another of its kind.

    SQLite does not say of what kind the other is: a server's write is one too.
    """
    holder = (
        "another process writes to the database"
        if database.dialect == "sqlite"
        else f"another {what} is running"
    )
    return lambda: click.echo(f"cynod: {holder}; waiting for it to end.", err=True)


def is_missing(database: Database) -> bool:
    """Whether a SQLite database has no file: its path is mistyped, or it was never migrated."""
    return database.file is not None and not database.file.exists()


def describe_missing(database: Database) -> str:
    """One sentence for it."""
    return (
        f"the database {database.file} does not exist; correct CYNOD_DATABASE_URL, or run"
        " `cynod migrate` to create it."
    )


def read_scopes(settings: Settings) -> list[str]:
    """The scopes that the contract declares.

    The file is read as it is: to check all of it, as the server does, takes a second.
    """
    with _reading(settings.contract, "scopes") as document:
        flows = document["components"]["securitySchemes"]["oauth2"]["flows"]
        return list(flows["clientCredentials"]["scopes"])


def read_version(settings: Settings) -> str:
    """The contract's version."""
    with _reading(settings.contract, "version") as document:
        return str(document["info"]["version"])


@contextlib.contextmanager
def _reading(contract: Path, what: str) -> Iterator[Any]:
    try:
        loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
        yield yaml.load(contract.read_bytes(), Loader=loader)  # noqa: S506 - a safe loader, in C
    except OSError as error:
        raise Refused(f"the contract cannot be read: {describe_os_error(error)}.") from None
    except (yaml.YAMLError, UnicodeDecodeError, KeyError, TypeError):
        raise Refused(
            f"the contract {contract} declares no {what}; run `cynod contract build --check`."
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
