"""A client: the company that owns cards, the réseau that it is in, its life."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    Index,
    String,
    Table,
    bindparam,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from models import reseau
from models.base import BigId, Instant, metadata, now
from models.database.bulk import insert_rows
from models.database.parcours import Cle, fold

ACTIF, SUSPENDU, CLOS = "ACTIF", "SUSPENDU", "CLOS"
STATUTS = (ACTIF, SUSPENDU, CLOS)

PASSAGES = frozenset({(ACTIF, SUSPENDU), (SUSPENDU, ACTIF), (ACTIF, CLOS), (SUSPENDU, CLOS)})
"""The whole life of a client, from where to where: CLOS is final."""


def _folded(name: str) -> Any:
    return lambda context: fold(context.get_current_parameters()[name])


clients = Table(
    "clients",
    metadata,
    Column("id", BigId, primary_key=True, doc="order of creation"),
    Column("client_id", String(32), nullable=False, unique=True, doc="clientId of the contract"),
    Column("nom", String(200), nullable=False),
    Column(
        "reseau_id",
        ForeignKey("reseaux.reseau_id"),
        doc="clients of one réseau may transfer to each other",
    ),
    Column("statut", String(8), nullable=False, server_default=ACTIF),
    Column("contact_nom", String(200), nullable=False, server_default=""),
    Column("contact_email", String(254), nullable=False, server_default=""),
    Column("contact_telephone", String(32), nullable=False, server_default=""),
    Column("ninea", String(32), nullable=False, server_default="", doc="number of the company"),
    Column("nombre_membres", BigId, nullable=False, server_default="0"),
    Column("nombre_cartes", BigId, nullable=False, server_default="0"),
    Column("version", BigId, nullable=False, server_default="1"),
    Column("cree_le", Instant, doc="null for those that were there before it was written down"),
    Column("cle_id", Cle, nullable=False, server_default="", default=_folded("client_id")),
    Column("cle_nom", Cle, nullable=False, server_default="", default=_folded("nom")),
    CheckConstraint("statut IN ('ACTIF', 'SUSPENDU', 'CLOS')", name="statut_connu"),
    CheckConstraint("nombre_membres >= 0 AND nombre_cartes >= 0", name="nombres_positifs"),
    CheckConstraint("version > 0", name="version_positive"),
    Index(None, "statut", "id"),
    Index(None, "reseau_id", "id"),
    Index(None, "reseau_id", "statut", "id"),
    Index(None, "cle_id", "id"),
    Index(None, "cle_nom", "id"),
)


class Client(NamedTuple):
    """A client. `nombre_membres` and `nombre_cartes` count all it ever had; unknown texts are empty."""

    client_id: str
    nom: str
    reseau_id: str | None = None
    statut: str = ACTIF
    contact_nom: str = ""
    contact_email: str = ""
    contact_telephone: str = ""
    ninea: str = ""
    nombre_membres: int = 0
    nombre_cartes: int = 0
    version: int = 1


COLUMNS = [clients.c[name] for name in Client._fields]

OF_CHANGE = (
    "nom",
    "reseau_id",
    "statut",
    *(f"contact_{one}" for one in ("nom", "email", "telephone")),
    "ninea",
)
"""What somebody changes; the rest follows from what happens to membres and cards."""


def find_client(connection: Connection, client_id: str, *, lock: bool = False) -> Client | None:
    """The client of this id, held with `lock` until the transaction ends: against other changes of it, and
    not against whoever gives it a membre or moves money."""
    statement = select(*COLUMNS).where(clients.c.client_id == client_id)
    row = connection.execute(
        statement.with_for_update(key_share=True) if lock else statement
    ).first()
    return None if row is None else Client._make(row)


def create_client(connection: Connection, client: Client) -> bool:
    """Write a new client. False when there is one of this id; waits for whoever is making it."""
    dialect = postgresql if connection.dialect.name == "postgresql" else sqlite
    made = connection.execute(
        dialect.insert(clients)
        .values(**client._asdict(), cree_le=now())
        .on_conflict_do_nothing()
        .returning(clients.c.id)
    )
    if made.first() is None:
        return False
    if client.reseau_id is not None:
        reseau.count_clients(connection, {client.reseau_id: 1})
    return True


def create_clients(connection: Connection, new: Sequence[Client]) -> None:
    """Write many clients at once. None of their ids may be known yet.

    Whoever calls it counts those that it puts into a réseau, at the end of his work: `reseau.count_clients`.
    """
    moment = now()
    insert_rows(
        connection,
        clients,
        (*Client._fields, "cree_le", "cle_id", "cle_nom"),
        ((*one, moment, fold(one.client_id), fold(one.nom)) for one in new),
    )


def update_client(connection: Connection, before: Client, after: Client) -> bool:
    """Replace what was read by what shall be, one version later. False when it was changed meanwhile."""
    changed = connection.execute(
        update(clients)
        .where(clients.c.client_id == before.client_id, clients.c.version == before.version)
        .values(
            {name: getattr(after, name) for name in OF_CHANGE}
            | {"version": before.version + 1, "cle_nom": fold(after.nom)}
        )
    )
    if changed.rowcount != 1:
        return False
    if before.reseau_id != after.reseau_id:
        moved = {before.reseau_id: -1, after.reseau_id: 1}
        reseau.count_clients(
            connection, {name: by for name, by in moved.items() if name is not None}
        )
    return True


class Nombres(NamedTuple):
    """How many membres and cards a client has got."""

    membres: int = 0
    cartes: int = 0


_COUNT = (
    update(clients)
    .where(clients.c.client_id == bindparam("le_client"), clients.c.statut != CLOS)
    .values(
        nombre_membres=clients.c.nombre_membres + bindparam("membres"),
        nombre_cartes=clients.c.nombre_cartes + bindparam("cartes"),
    )
)


def count_up(connection: Connection, more: Mapping[str, Nombres]) -> str | None:
    """Count the membres and cards that clients have just got: whoever creates one calls it, at the end of
    his work, for a list says how many there are without looking for them.

    From here to the end of the transaction nobody closes these clients. Gives the first that is closed
    already, and then may have no more.
    """
    for client_id, nombres in sorted(more.items()):
        counted = connection.execute(_COUNT, {"le_client": client_id, **nombres._asdict()})
        if counted.rowcount != 1:
            return client_id
    return None


def en_service(client_id: Column[Any]) -> ColumnElement[bool]:
    """Whether the cards of a client may move money, as a condition of a statement about other rows.

    As a value of one row: of an EXISTS, a database could think that it has few rows of this statut.
    """
    return _statut_of(client_id) != SUSPENDU


def pas_clos(client_id: Column[Any]) -> ColumnElement[bool]:
    """Whether a client may still have money, as a condition of a statement about other rows."""
    return _statut_of(client_id) != CLOS


def _statut_of(client_id: Column[Any]) -> ColumnElement[str]:
    statut = select(clients.c.statut).where(clients.c.client_id == client_id)
    return statut.correlate_except(clients).scalar_subquery()
