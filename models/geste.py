"""A geste: what a partner asks under a reference of its own choice, and moves no money.

Its references are apart from those of operations: a debit asks for none of them.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    Column,
    Connection,
    ForeignKey,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    UniqueConstraint,
    bindparam,
    func,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.audit import PARTENAIRE, Acteur, Champs, Objet, record
from models.base import BigId, Instant, metadata, now
from models.database.prepared import Prepared
from models.errors import ReferenceDejaUtilisee
from models.journal.empreinte import Contenu
from models.partenaire import Partenaire, check_entitled, partenaire_lock

gestes = Table(
    "gestes",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("reference", String(64), nullable=False),
    Column("type", String(32), nullable=False, doc="what was asked, as the contract calls it"),
    Column("empreinte", LargeBinary(32), nullable=False, doc="hash of the request's content"),
    Column("empreinte_version", SmallInteger, nullable=False),
    Column(
        "resultat", String(1000), doc="JSON of the first answer, without what is told once only"
    ),
    Column("date_geste", Instant, nullable=False),
    UniqueConstraint("partenaire_id", "reference"),
)

Resultat = dict[str, Any]


class Geste(NamedTuple):
    """A reference taken, since `date`; of one that was taken before, `resultat` is the first answer."""

    id: int
    type: str
    partenaire: Partenaire
    date: datetime
    resultat: Resultat | None


class _Found(NamedTuple):
    """A row of the table."""

    id: int
    type: str
    empreinte: bytes
    empreinte_version: int
    resultat: str
    date_geste: datetime


_CLAIMED = (
    "partenaire_id",
    "reference",
    "type",
    "empreinte",
    "empreinte_version",
    "date_geste",
)

_VALUES: dict[str, Any] = {name: bindparam(name) for name in _CLAIMED}

# A twin that runs makes it wait, and then insert nothing. Whoever takes the partner's rights away waits for
# the shared lock, or is waited for.
_CLAIM = Prepared(
    {
        "postgresql": postgresql.insert(gestes)
        .values(_VALUES)
        .on_conflict_do_nothing()
        .returning(gestes.c.id, func.pg_advisory_xact_lock_shared(bindparam("verrou"))),
        "sqlite": sqlite.insert(gestes)
        .values(_VALUES)
        .on_conflict_do_nothing()
        .returning(gestes.c.id),
    }
)

_FIND = Prepared(
    select(*(gestes.c[name] for name in _Found._fields)).where(
        gestes.c.partenaire_id == bindparam("partenaire_id"),
        gestes.c.reference == bindparam("reference"),
    ),
    _Found,
)


def begin(
    connection: Connection, partenaire: Partenaire, *, type_: str, reference: str, contenu: Contenu
) -> Geste:
    """Take the reference, or find what was done under it.

    Raises ReferenceDejaUtilisee when something else was, DroitsRetires.
    """
    moment = now()
    values = {
        "partenaire_id": partenaire.id,
        "reference": reference,
        "type": type_,
        "empreinte": contenu.empreinte,
        "empreinte_version": contenu.version,
        "date_geste": moment,
        "verrou": partenaire_lock(partenaire.id),
    }
    claimed = _CLAIM.first(connection, values)
    check_entitled(connection, partenaire.id, partenaire.generation)
    if claimed is not None:
        return Geste(claimed[0], type_, partenaire, moment, None)
    found = _FIND.first(connection, values)
    assert found is not None, "a reference that could not be claimed has a row"
    if found.type != type_ or not contenu.is_of(bytes(found.empreinte), found.empreinte_version):
        raise ReferenceDejaUtilisee
    return Geste(found.id, type_, partenaire, found.date_geste, json.loads(found.resultat))


def finish(
    connection: Connection,
    geste: Geste,
    resultat: Resultat,
    *,
    objet: Objet,
    avant: Champs | None,
    apres: Champs | None,
) -> None:
    """Keep the answer for whoever repeats the reference, and tell the audit what was changed."""
    connection.execute(
        update(gestes).where(gestes.c.id == geste.id).values(resultat=json.dumps(resultat))
    )
    acteur = Acteur(PARTENAIRE, geste.partenaire.consumer_key, geste.partenaire.nom)
    record(connection, acteur, geste.type, objet, avant, apres)
