"""References: an operation claims its own before anything moves, so that it happens once."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from sqlalchemy import (
    Connection,
    bindparam,
    func,
    select,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import now
from models.database.prepared import Prepared
from models.database.running import is_marked_running, mark_running
from models.journal.empreinte import Contenu
from models.operation import (
    EXECUTEE,
    new_numero_operation,
    operations,
)
from models.partenaire import Partenaire, partenaire_lock


class Demandeur(NamedTuple):
    """Who moves money under which reference, and what is asked: nothing, to close a reference."""

    partenaire_id: int
    compte_id: int
    reference: str
    contenu: Contenu | None
    generation: int

    @classmethod
    def of(cls, partenaire: Partenaire, reference: str, contenu: Contenu | None) -> Demandeur:
        """The partner as it asks for something under this reference."""
        return cls(partenaire.id, partenaire.compte_id, reference, contenu, partenaire.generation)


class CarteCle(Protocol):
    """What the journal needs to know of a card."""

    @property
    def id(self) -> int: ...
    @property
    def compte_id(self) -> int: ...
    @property
    def unite(self) -> str: ...


class Details(NamedTuple):
    """What a partner says of an operation beside its amount."""

    motif: str | None = None
    point_de_service: str | None = None
    terminal: str | None = None


_CLAIMED = (
    "numero_operation",
    "partenaire_id",
    "reference",
    "empreinte",
    "empreinte_version",
    "type",
    "statut",
    "carte_id",
    "carte_destination_id",
    "annulation_de",
    "montant",
    "unite",
    "motif",
    "point_de_service",
    "terminal",
    "date_operation",
)


_CLAIM_VALUES: dict[str, Any] = {name: bindparam(name) for name in _CLAIMED}


_NOTHING_CLAIMED: dict[str, Any] = dict.fromkeys(_CLAIMED)


# The unique reference comes first: a twin that is still running makes this statement wait for its
# end, and then insert nothing. Nothing else is locked meanwhile.
_CLAIM = Prepared(
    {
        # The advisory lock ends with the transaction: find_operation tells by it that an operation of
        # the reference is running. It rides on the insert, so it costs no round trip. It waits for
        # nothing but a look of find_operation, whose lock is shared, so that two looks do not see
        # each other. The partner's lock is shared by its operations; it waits for one who holds the
        # partner to limit or to revoke it.
        "postgresql": postgresql.insert(operations)
        .values(_CLAIM_VALUES)
        .on_conflict_do_nothing()
        .returning(
            operations.c.id,
            func.pg_advisory_xact_lock(bindparam("verrou")),
            func.pg_advisory_xact_lock_shared(bindparam("verrou_du_partenaire")),
        ),
        "sqlite": sqlite.insert(operations)
        .values(_CLAIM_VALUES)
        .on_conflict_do_nothing()
        .returning(operations.c.id),
    }
)


class Entree(NamedTuple):
    """What an operation is known by before it has its row."""

    numero_operation: str
    date_operation: datetime

    @classmethod
    def new(cls) -> Entree:
        """Of an operation that begins now."""
        return cls(new_numero_operation(), now())


def claim(
    connection: Connection,
    demandeur: Demandeur,
    *,
    type_: str,
    entree: Entree | None = None,
    statut: str = EXECUTEE,
    carte: CarteCle | None = None,
    montant: int | None = None,
    details: Details = Details(),  # noqa: B008 - immutable
    carte_destination_id: int | None = None,
    annulation_de: int | None = None,
) -> Claim | None:
    """Take the reference for an operation, or None when an operation has it already.

    Waits for the end of a twin that is still running, and of whoever holds the partner: whether it
    may still act is told by `post`, or by `check_entitled` where nothing is posted.
    """
    numero_operation, date_operation = entree or Entree.new()
    values = {
        **_NOTHING_CLAIMED,
        "numero_operation": numero_operation,
        "partenaire_id": demandeur.partenaire_id,
        "reference": demandeur.reference,
        "empreinte": demandeur.contenu.empreinte if demandeur.contenu else None,
        "empreinte_version": demandeur.contenu.version if demandeur.contenu else None,
        "type": type_,
        "statut": statut,
        "carte_id": carte.id if carte else None,
        "carte_destination_id": carte_destination_id,
        "annulation_de": annulation_de,
        "montant": montant,
        "unite": carte.unite if carte else None,
        **details._asdict(),
        "date_operation": date_operation,
    }
    key = _lock_key(demandeur.partenaire_id, demandeur.reference)
    if connection.dialect.name == "sqlite":
        mark_running(connection, (connection.engine.url, key))
    else:
        values["verrou"] = key
        values["verrou_du_partenaire"] = partenaire_lock(demandeur.partenaire_id)
    row = _CLAIM.first(connection, values)
    if row is None:
        return None
    return Claim(row[0], numero_operation, date_operation)


class Claim(NamedTuple):
    """A reference taken: the row of its operation, to be followed by its ecriture."""

    operation_id: int
    numero_operation: str
    date_operation: datetime


def is_running(connection: Connection, partenaire_id: int, reference: str) -> bool:
    """Whether an operation of this reference is being executed at this instant.

    On SQLite, by this process: an embedded database has one server process.
    """
    key = _lock_key(partenaire_id, reference)
    if connection.dialect.name == "sqlite":
        return is_marked_running((connection.engine.url, key))
    return not connection.scalar(select(func.pg_try_advisory_xact_lock_shared(key)))


def _lock_key(partenaire_id: int, reference: str) -> int:
    digest = hashlib.sha256(f"{partenaire_id}:{reference}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
