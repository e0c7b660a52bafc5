"""What the machine has of it: modes of files, the clock."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

from handlers.diagnosis.constat import FAUX, Constat, Subject, doubtful, right, wrong
from handlers.edge.oidc import LEEWAY_S
from models.database.engine import Database
from models.database.failures import DatabaseUrlError
from models.database.state import read_clock
from models.operation import read_last_date

NEAR = timedelta(seconds=2)
"""A difference of clocks that nobody notices; a `Date` of HTTP alone is a second wrong."""

FAR = timedelta(seconds=LEEWAY_S)
"""What tokens of persons forgive."""

SIDES = ("", "-wal", "-shm", "-journal")


def check_files(subject: Subject) -> Iterator[Constat]:
    """That what is secret is its owner's alone: the database, keys, passwords, files of variables."""
    looked, database = 0, _database_of(subject)
    for file, mask in _secret_files(subject, database):
        try:
            mode = stat.S_IMODE(file.stat().st_mode)
        except FileNotFoundError:
            continue
        looked += 1
        if mode & mask:
            who = "everybody" if mode & 0o007 else "its group"
            yield wrong(f"{file} is open to {who} (mode {mode:04o})", f"chmod {0o600:o} {file}")
    if database is not None and database.file is not None:
        yield from _check_folder(database.file.parent)
    for file in subject.files:
        if not file.exists():
            yield wrong(f"{file} does not exist", "correct --file")
    if subject.read().is_production and (key := Path(subject.read().cle_locale)).exists():
        yield doubtful(f"{key} is of no use in production", f"remove {key}")
    yield right("no secret file" if not looked else f"{looked} looked at, their owner's alone")


def _database_of(subject: Subject) -> Database | None:
    """The database by its address, which is not asked; None when that is none."""
    try:
        return Database(subject.read().database_url)
    except DatabaseUrlError:
        return None


def _secret_files(subject: Subject, database: Database | None) -> Iterator[tuple[Path, int]]:
    """Files, each with the bits that it must not have. The database's group may be given it on purpose."""
    settings = subject.read()
    if database is not None and database.file is not None:
        for side in SIDES:
            yield Path(f"{database.file}{side}"), 0o007
    private = {Path(settings.cle_locale), Path(".env"), *subject.files}
    if database is not None and database.file is None:
        query = database.url.query
        for name, variable in (("passfile", "PGPASSFILE"), ("sslkey", "PGSSLKEY")):
            given = query.get(name) or subject.environ.get(variable)
            if isinstance(given, str):
                private.add(Path(given))
        private.add(Path("~/.pgpass").expanduser())
    for file in sorted(private):
        yield file, 0o077


def _check_folder(folder: Path) -> Iterator[Constat]:
    """Whoever may write to the folder of a SQLite database may put another file in its place."""
    if not folder.is_dir():
        return
    mode = stat.S_IMODE(folder.stat().st_mode)
    if mode & 0o002 and not mode & stat.S_ISVTX:
        yield wrong(f"{folder} is open to everybody (mode {mode:04o})", f"chmod o-w {folder}")
    if not os.access(folder, os.W_OK):
        yield wrong(f"{folder} cannot be written to", "let this account write there")


def check_clock(subject: Subject) -> Iterator[Constat]:
    """This machine's clock against the database's, the provider's, and the newest operation."""
    if subject.database is not None and _is_well(subject, "database"):
        with subject.database.reading() as connection:
            before = subject.clock()
            theirs, after = read_clock(connection), subject.clock()
            if theirs is not None:
                yield _compare("the database", theirs - before - (after - before) / 2)
            last = read_last_date(connection) if _is_well(subject, "migration") else None
        if last is not None and last > after + NEAR:
            yield wrong(
                f"the newest operation is of {last:%Y-%m-%dT%H:%M:%SZ}, which is still to come",
                "set this machine's clock (NTP), or that of the machine which wrote it",
            )
    if _is_well(subject, "provider") and subject.read().oidc_emetteur:
        date = _ask_date(subject.read().oidc_emetteur)
        if date is not None:
            yield _compare("the OpenID provider", date - subject.clock())
    yield right(f"{subject.clock():%Y-%m-%dT%H:%M:%SZ}")


def _is_well(subject: Subject, check: str) -> bool:
    found = subject.found.get(check)
    return found is not None and found.etat != FAUX


def _compare(whose: str, ahead: timedelta) -> Constat:
    seconds = ahead.total_seconds()
    told = f"{abs(seconds):.1f} s {'behind' if seconds > 0 else 'ahead of'} {whose}"
    if abs(ahead) <= NEAR:
        return right(f"agrees with {whose}")
    judged = wrong if abs(ahead) > FAR else doubtful
    return judged(told, "set the clocks by NTP")


def _ask_date(emetteur: str) -> datetime | None:
    """The `Date` of the provider's answer, None where it gives none."""
    import httpx  # noqa: PLC0415 - a server of partners alone never needs it

    url = f"{emetteur.rstrip('/')}/.well-known/openid-configuration"
    with httpx.Client(timeout=2, follow_redirects=False) as client:
        try:
            told = client.get(url).headers.get("date")
            return None if told is None else parsedate_to_datetime(told)
        except (httpx.HTTPError, ValueError):
            return None
