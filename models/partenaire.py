"""A partenaire: who calls the API, its secrets, its rights, its clients, its life.

Secrets are 256-bit random values kept as HMAC-SHA-256 under a pepper: a slow hash would protect
nothing more and would make every Basic call an easy denial of service.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    ForeignKey,
    PrimaryKeyConstraint,
    String,
    Table,
    bindparam,
    exists,
    func,
    or_,
    select,
    text,
)

from models.audit import Objet
from models.base import BigId, Instant, metadata
from models.client import clients
from models.database.prepared import Prepared
from models.errors import AuthentificationInvalide

EXTERNE, INTERNE = "EXTERNE", "INTERNE"
"""Kinds of partners: one of another company acts for clients, a machine of the company enters demandes."""

SCOPES = {
    EXTERNE: frozenset(
        {
            *("soldes:lire", "cartes:lire", "cartes:crediter", "cartes:debiter"),
            *("secrets:gerer", "jetons:verifier", "cartes:opposer"),
        }
    ),
    INTERNE: frozenset({"base-core:lire", "base-core:saisir"}),
}
"""What partners of each kind may be given: the scopes that the contracts declare."""

ACTIF, SUSPENDU, REVOQUE = "ACTIF", "SUSPENDU", "REVOQUE"

PASSAGES: dict[str, frozenset[str]] = {
    ACTIF: frozenset({SUSPENDU, REVOQUE}),
    SUSPENDU: frozenset({ACTIF, REVOQUE}),
    REVOQUE: frozenset(),
}
"""To which statuts a partner may pass from each."""

LIBRE, OBSERVER, APPLIQUER = "LIBRE", "OBSERVER", "APPLIQUER"
MODES = (LIBRE, OBSERVER, APPLIQUER)
"""What is done with the list of addresses of a partner: nothing; calls from elsewhere are counted; they are
refused."""

partenaires = Table(
    "partenaires",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("nom", String(200), nullable=False),
    Column("consumer_key", String(64), nullable=False, unique=True),
    Column("compte_id", ForeignKey("comptes.id"), nullable=False, unique=True),
    Column("scopes", String(500), nullable=False, doc="separated by a space"),
    Column("adresses", String(2500), nullable=False, server_default="", doc="CIDR, by a space"),
    Column("demo", BigId, nullable=False, server_default="0", doc="1: opens nothing in production"),
    Column("plafonne", BigId, nullable=False, server_default="0", doc="1: the partner has limits"),
    Column(
        "generation",
        BigId,
        nullable=False,
        server_default="0",
        doc="times that rights of it were taken away",
    ),
    Column("cree_le", Instant, nullable=False),
    Column("revoque_le", Instant),
    Column(
        "basic_autorise",
        BigId,
        nullable=False,
        server_default="0",
        doc="1: its pair opens operations by Basic, not only what gives and ends tokens",
    ),
    Column("type", String(8), nullable=False, server_default=EXTERNE),
    Column("statut", String(8), nullable=False, server_default=ACTIF),
    Column("mode_adresses", String(9), nullable=False, server_default=LIBRE),
    Column("contact_email", String(254), nullable=False, server_default=""),
    Column("contact_telephone", String(32), nullable=False, server_default=""),
    Column("version", BigId, nullable=False, server_default="1", doc="of what persons change"),
    CheckConstraint("basic_autorise IN (0, 1)", name="basic_autorise_booleen"),
    CheckConstraint("plafonne IN (0, 1)", name="plafonne_booleen"),
    CheckConstraint("demo IN (0, 1)", name="demo_booleen"),
    CheckConstraint("type IN ('EXTERNE', 'INTERNE')", name="type_connu"),
    CheckConstraint("statut IN ('ACTIF', 'SUSPENDU', 'REVOQUE')", name="statut_connu"),
    CheckConstraint("(statut = 'REVOQUE') = (revoque_le IS NOT NULL)", name="revoque_depuis"),
    CheckConstraint("mode_adresses IN ('LIBRE', 'OBSERVER', 'APPLIQUER')", name="mode_connu"),
    CheckConstraint("mode_adresses <> 'APPLIQUER' OR adresses <> ''", name="liste_appliquee"),
    CheckConstraint("version > 0", name="version_positive"),
)


acces = Table(
    "acces",
    metadata,
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False),
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    PrimaryKeyConstraint("partenaire_id", "client_id"),
)


class Partenaire(NamedTuple):
    """The caller of an operation: who, with which scopes, from which addresses.

    `generation` says how often rights of it had been taken away when the call was authenticated,
    `secret` is the row of the secret that it was authenticated with, None for a token. `adresses` are
    judged as `mode_adresses` says.
    """

    id: int
    nom: str
    consumer_key: str
    compte_id: int
    scopes: frozenset[str]
    adresses: tuple[str, ...]
    generation: int
    basic_autorise: bool = False
    secret: int | None = None
    statut: str = ACTIF
    type: str = EXTERNE
    mode_adresses: str = LIBRE


class PartenaireRow(NamedTuple):
    """The columns by which a partner is known, whatever it authenticates with."""

    id: int
    nom: str
    consumer_key: str
    compte_id: int
    scopes: str
    adresses: str
    demo: int
    generation: int
    basic_autorise: int
    statut: str
    type: str
    mode_adresses: str


PARTENAIRE_COLUMNS = [partenaires.c[name] for name in PartenaireRow._fields]


class DroitsRetires(AuthentificationInvalide):
    """The partner was suspended or revoked, or rights of it were taken away, since it was authenticated.

    A caller who is authenticated again, and still may, may go on: its secret may be as good as before.
    """


@lru_cache(maxsize=1024)
def partenaire_lock(partenaire_id: int) -> int:
    """The key of PostgreSQL's advisory lock that a partner's operations share, see `hold`."""
    digest = hashlib.sha256(f"partenaire {partenaire_id}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)


def hold(connection: Connection, consumer_key: str) -> int | None:
    """Wait until nothing of the partner is under way, and let nothing begin until the transaction ends.

    Gives the partner's id, or None when there is none of that key. What waits meanwhile must read
    `ENTITLED` when it goes on. On SQLite the transaction itself is alone.
    """
    id_ = connection.scalar(
        select(partenaires.c.id).where(partenaires.c.consumer_key == consumer_key)
    )
    if id_ is None:
        return None
    if connection.dialect.name == "postgresql":
        # The row's own lock would not do: an operation takes it FOR KEY SHARE, for its foreign key,
        # and PostgreSQL lets any number of these pass by one who waits, who then waits for seconds.
        # The queue of an advisory lock lets nobody pass.
        connection.execute(select(func.pg_advisory_xact_lock(partenaire_lock(id_))))
    return connection.scalar(
        select(partenaires.c.id).where(partenaires.c.id == id_).with_for_update()
    )


def hold_row(connection: Connection, partenaire_id: int) -> None:
    """Wait for whoever changes what the partner authenticates with, and let nobody until the end of the
    transaction. Its operations go on.

    Whoever takes the lock of `hold`, or a share of it, in the same transaction takes that one first.
    """
    connection.execute(
        select(partenaires.c.id)
        .where(partenaires.c.id == partenaire_id)
        .with_for_update(key_share=True)
    )


_STILL = (
    partenaires.c.id == bindparam("le_partenaire"),
    partenaires.c.statut == ACTIF,
    partenaires.c.generation == bindparam("la_generation"),
)

ENTITLED = select(partenaires.c.plafonne).where(*_STILL).scalar_subquery().label("plafonne")
"""Whether the partner has limits (0, 1), or NULL when what it authenticated with opens nothing more.

It stands in the first statement after the one that took the partner's shared lock. That one had its
snapshot before it waited for the lock, and would tell what was so before.
"""

_ENTITLED = Prepared(select(partenaires.c.plafonne).where(*_STILL))


def check_entitled(connection: Connection, partenaire_id: int, generation: int) -> None:
    """Raises DroitsRetires when what the partner authenticated with opens nothing more."""
    values = {"le_partenaire": partenaire_id, "la_generation": generation}
    if _ENTITLED.first(connection, values) is None:
        raise DroitsRetires


@lru_cache(maxsize=1024)  # a partner's row is the same from one call to the next
def read_partenaire(
    row: PartenaireRow, among: frozenset[str] | None = None, secret: int | None = None
) -> Partenaire:
    """The partner of a row, with those of its scopes that are `among` these."""
    scopes = frozenset(row.scopes.split())
    return Partenaire(
        row.id,
        row.nom,
        row.consumer_key,
        row.compte_id,
        scopes if among is None else scopes & among,
        tuple(row.adresses.split()),
        row.generation,
        row.basic_autorise == 1,
        secret,
        row.statut,
        row.type,
        row.mode_adresses,
    )


def objet_partenaire(consumer_key: str) -> Objet:
    """A partner as the audit names it."""
    return Objet("PARTENAIRE", consumer_key)


def check_client(connection: Connection, client_id: str) -> bool:
    """Whether a client of this clientId exists."""
    return bool(connection.scalar(select(exists().where(clients.c.client_id == client_id))))


def database_holds_anything(connection: Connection) -> bool:
    """Whether any client or partner exists: the demo seed goes to an empty database only."""
    return bool(
        connection.scalar(
            select(
                or_(
                    exists(select(text("1")).select_from(clients)), exists(select(partenaires.c.id))
                )
            )
        )
    )


def list_clients(connection: Connection, partenaire: Partenaire) -> list[str]:
    """The clientIds that the partner may act for, sorted."""
    return list(
        connection.scalars(
            select(acces.c.client_id)
            .where(acces.c.partenaire_id == partenaire.id)
            .order_by(acces.c.client_id)
        )
    )


class Credentials(NamedTuple):
    """What the database knows of presented credentials, before anything is decided.

    `valid` says whether they open something; `expire_le` is a token's end. `partenaire` is known
    even when the secret is wrong: who is refused may be told to the log, never to the caller.
    """

    partenaire: Partenaire | None
    valid: bool
    expire_le: datetime | None
