"""A membre: the person of a client who holds cards."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Date,
    ForeignKey,
    Index,
    String,
    Table,
    UniqueConstraint,
    select,
    text,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from models.base import BigId, metadata
from models.database.bulk import insert_rows
from models.database.parcours import Cle, fold

ACTIF, CLOS = "ACTIF", "CLOS"
STATUTS = (ACTIF, CLOS)

PASSAGES = frozenset({(ACTIF, CLOS)})
"""The whole life of a membre: CLOS is final."""

_ONE_OF_A_WALLET = text("statut = 'ACTIF' AND wallet_partage = 0")


def _cle_id(context: Any) -> str:
    return fold(context.get_current_parameters()["membre_id"])


def _cle_nom(context: Any) -> str:
    given = context.get_current_parameters()
    return name_of(given.get("nom", ""), given.get("prenom", ""))


def name_of(nom: str, prenom: str) -> str:
    """A membre's name as it is searched."""
    return fold(f"{nom} {prenom}")


membres = Table(
    "membres",
    metadata,
    Column("id", BigId, primary_key=True, doc="order of creation"),
    Column("client_id", ForeignKey("clients.client_id"), nullable=False),
    Column("membre_id", String(32), nullable=False),
    Column("wallet_id", String(16), nullable=False, doc="phone number that identifies the holder"),
    Column("nom", String(200), nullable=False, server_default=""),
    Column("prenom", String(200), nullable=False, server_default=""),
    Column("email", String(254), nullable=False, server_default=""),
    Column("telephone", String(32), nullable=False, server_default=""),
    Column("numero_piece", String(64), nullable=False, server_default=""),
    Column("date_naissance", Date),
    Column("statut", String(8), nullable=False, server_default=ACTIF),
    Column("version", BigId, nullable=False, server_default="1"),
    Column(
        "wallet_partage",
        BigId,
        nullable=False,
        server_default="0",
        doc="1: it had the wallet of another one before a wallet was one membre's",
    ),
    Column("cle_id", Cle, nullable=False, server_default="", default=_cle_id),
    Column("cle_nom", Cle, nullable=False, server_default="", default=_cle_nom),
    UniqueConstraint("client_id", "membre_id"),
    CheckConstraint("statut IN ('ACTIF', 'CLOS')", name="statut_connu"),
    CheckConstraint("version > 0", name="version_positive"),
    CheckConstraint("wallet_partage IN (0, 1)", name="wallet_partage_booleen"),
    Index(None, "client_id", "wallet_id"),
    Index(None, "wallet_id"),
    Index(
        "uq_membres_wallet_actif",
        "client_id",
        "wallet_id",
        unique=True,
        postgresql_where=_ONE_OF_A_WALLET,
        sqlite_where=_ONE_OF_A_WALLET,
    ),
    Index(None, "client_id", "id"),
    Index(None, "client_id", "cle_id", "id"),
    Index(None, "client_id", "cle_nom", "id"),
    Index(None, "client_id", "statut", "id"),
)


class Membre(NamedTuple):
    """A membre. Unknown texts are empty, an unknown date is None."""

    client_id: str
    membre_id: str
    wallet_id: str
    nom: str = ""
    prenom: str = ""
    email: str = ""
    telephone: str = ""
    numero_piece: str = ""
    date_naissance: date | None = None
    statut: str = ACTIF
    version: int = 1


COLUMNS = [membres.c[name] for name in Membre._fields]

OF_CHANGE = tuple(
    name for name in Membre._fields if name not in ("client_id", "membre_id", "version")
)
"""What somebody changes."""


def find_membre(
    connection: Connection, client_id: str, membre_id: str, *, lock: bool = False
) -> Membre | None:
    """The membre of this id, held with `lock` until the transaction ends: whoever gives him a card waits."""
    statement = select(*COLUMNS).where(
        membres.c.client_id == client_id, membres.c.membre_id == membre_id
    )
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else Membre._make(row)


def find_of_wallet(connection: Connection, client_id: str, wallet_id: str) -> str | None:
    """The membreId of the client's active membre of this wallet, None when there is none."""
    return connection.scalar(
        select(membres.c.membre_id)
        .where(
            membres.c.client_id == client_id,
            membres.c.wallet_id == wallet_id,
            membres.c.statut == ACTIF,
        )
        .limit(1)
    )


def create_membre(connection: Connection, membre: Membre) -> bool:
    """Write a new membre. False when the client has one of this id, or an active one of this wallet; waits
    for whoever is making it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = connection.execute(
        dialect.insert(membres)
        .values(**membre._asdict())
        .on_conflict_do_nothing()
        .returning(membres.c.id)
    )
    return made.first() is not None


def create_membres(connection: Connection, new: Sequence[Membre]) -> None:
    """Write many membres at once. Neither their ids nor their wallets may be known at their clients."""
    insert_rows(
        connection,
        membres,
        (*Membre._fields, "cle_id", "cle_nom"),
        ((*one, fold(one.membre_id), name_of(one.nom, one.prenom)) for one in new),
    )


class WalletTaken(Exception):
    """Another active membre of the client has the wallet."""


def update_membre(connection: Connection, before: Membre, after: Membre) -> bool:
    """Replace what was read by what shall be, one version later. False when it was changed meanwhile.

    Raises WalletTaken, with which nothing of the transaction may stay.
    """
    of_him = (membres.c.client_id == before.client_id, membres.c.membre_id == before.membre_id)
    values = {name: getattr(after, name) for name in OF_CHANGE} | {
        "version": before.version + 1,
        "cle_nom": name_of(after.nom, after.prenom),
    }
    if after.wallet_id != before.wallet_id:
        values["wallet_partage"] = 0
    try:
        changed = connection.execute(
            update(membres).where(*of_him, membres.c.version == before.version).values(values)
        )
    except IntegrityError as error:
        raise WalletTaken from error
    return changed.rowcount == 1
