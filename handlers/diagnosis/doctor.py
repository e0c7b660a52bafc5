"""The table of the checks, and the way through it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.diagnosis import configuration, database, machine, neighbours
from handlers.diagnosis.constat import (
    ETATS,
    FAUX,
    LONGEST_S,
    Constat,
    Look,
    Subject,
    doubtful,
    look,
    wrong,
)
from models.database.engine import describe_error


class Controle(NamedTuple):
    """A check: what it looks with, what it looks at, the checks without which it cannot be asked, and how
    long it may look."""

    look: Look
    purpose: str
    needs: tuple[str, ...] = ("settings",)
    seconds: float = LONGEST_S


_OF_THE_DATABASE = ("settings", "database")
_OF_THE_TABLES = (*_OF_THE_DATABASE, "migration")

CONTROLES: Mapping[str, Controle] = {
    "settings": Controle(
        configuration.check_settings, "each variable has a value that it can have", ()
    ),
    "variables": Controle(configuration.check_variables, "no `CYNOD_` variable is mistyped", ()),
    "contract": Controle(
        configuration.check_contract,
        "the installed contract is the published one, and these settings can serve it",
        # It waits for nobody: to judge a contract that was changed takes seconds of computing.
        seconds=60,
    ),
    "database": Controle(database.check_database, "it answers; its version and its encoding"),
    "durability": Controle(
        database.check_durability,
        "PostgreSQL: `fsync`, `full_page_writes`, `synchronous_commit`; SQLite: `journal_mode`, "
        "`synchronous`, the pages of the file",
        _OF_THE_DATABASE,
    ),
    "connections": Controle(
        database.check_connections,
        "`max_connections` and the role's limit have room for the pools of `--workers` processes",
        _OF_THE_DATABASE,
    ),
    "sessions": Controle(
        database.check_sessions,
        "time zone and deadlines of connections arrive; PostgreSQL does not close idle ones",
        _OF_THE_DATABASE,
    ),
    "migration": Controle(
        database.check_migration, "the database is where this version serves", _OF_THE_DATABASE
    ),
    "rights": Controle(
        database.check_rights,
        "the role does a server's work and can alter, disable and truncate nothing (`docs/roles.sql`)",
        _OF_THE_TABLES,
    ),
    "seals": Controle(
        database.check_seals, "the last sceau is of last night and agrees", _OF_THE_TABLES
    ),
    "standby": Controle(
        neighbours.check_standby,
        "where it is set: it follows this primary, and the role is told so",
        _OF_THE_DATABASE,
    ),
    "redis": Controle(neighbours.check_redis, "where it is set: it answers and forgets nothing"),
    "provider": Controle(
        neighbours.check_oidc, "where it is set: the OpenID provider is found and publishes keys"
    ),
    "clock": Controle(
        machine.check_clock, "this machine's clock, the database's and the provider's agree"
    ),
    "files": Controle(
        machine.check_files,
        "the database's file, keys, passwords, `.env` and each `--file` are their owner's alone",
    ),
    "proxies": Controle(configuration.check_proxies, "who is believed about a caller's address"),
}
"""By name, in the order in which they are asked and told."""


def diagnose(subject: Subject, only: Collection[str] = ()) -> Iterator[tuple[str, Constat]]:
    """Each check and what it found, as soon as it has. `only` some of them are told; what they stand on is
    asked all the same."""
    wanted = _with_needs(only) if only else set(CONTROLES)
    try:
        for name, controle in CONTROLES.items():
            if name not in wanted:
                continue
            found = subject.found[name] = _ask(controle, subject)
            if not only or name in only:
                yield name, found
    finally:
        if subject.database is not None:
            subject.database.close()


def _with_needs(names: Collection[str]) -> set[str]:
    return {need for name in names for need in CONTROLES[name].needs} | set(names)


def _ask(controle: Controle, subject: Subject) -> Constat:
    for need in controle.needs:
        if subject.found[need].etat == FAUX:
            return doubtful(f"not looked at: {need} is wrong", f"mend {need} first")
    try:
        return look(controle.look, subject, controle.seconds)
    except (DBAPIError, PoolTimeoutError) as error:
        assert subject.database is not None, "nothing else raises them"
        told = describe_error(subject.database, error).removesuffix(".")
        return wrong(told, "start the database, or correct CYNOD_DATABASE_URL")
    except OSError as error:
        return wrong(
            f"{error.filename or ''}: {error.strerror or error}", "let this account read it"
        )


def worst(found: Collection[Constat]) -> str:
    """The worst of the states."""
    return max((one.etat for one in found), key=ETATS.index)
