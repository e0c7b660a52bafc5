"""The demo data: one partner, its client, cards in each state, and a client it must not see."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import NamedTuple

from sqlalchemy import Connection, insert

from models import partenaire
from models.base import UNITE
from models.carte import ACTIVE, ANNULEE, OPPOSITION, cartes
from models.client import clients
from models.compte import CARTE, comptes
from models.journal import Ouverture, open_soldes
from models.membre import membres

CONSUMER_KEY, CONSUMER_SECRET = "demo-partenaire", "demo-secret"
"""The pair of the demo partner, which opens nothing in production."""

DATE_SOLDE = datetime(2021, 8, 23, 10, 11, 42, tzinfo=UTC)


class DatabaseNotEmpty(Exception):
    """The demo goes to an empty database only."""


class _Carte(NamedTuple):
    numero_carte: str
    membre: tuple[str, str]
    statut: str
    fin_validite: date
    solde: int


_CLIENTS = {"CLI-0001": "Client de démonstration", "CLI-0002": "Autre client de démonstration"}
_MEMBRE, _AUTRE_MEMBRE = ("CLI-0001", "MBR-0001"), ("CLI-0002", "MBR-0002")
_WALLETS = {_MEMBRE: "221771234567", _AUTRE_MEMBRE: "221770000002"}
_CARTES = (
    _Carte("7019800100009569", _MEMBRE, ACTIVE, date(2029, 7, 18), 142_000),
    _Carte("7019800100009577", _MEMBRE, ACTIVE, date(2028, 12, 31), 25_000),
    _Carte("7019800100009585", _MEMBRE, OPPOSITION, date(2029, 7, 18), 5_000),
    _Carte("7019800100009593", _MEMBRE, ACTIVE, date(2020, 1, 31), 5_000),
    _Carte("7019800100009601", _MEMBRE, ANNULEE, date(2029, 7, 18), 5_000),
    _Carte("7019800200000017", _AUTRE_MEMBRE, ACTIVE, date(2029, 7, 18), 50_000),
)


def seed_demo(session: Connection, *, scopes: Sequence[str], pepper: bytes) -> None:
    """Write the demo data. The partner gets `scopes` on the first client only.

    Raises DatabaseNotEmpty when any client or partner exists.
    """
    if partenaire.database_holds_anything(session):
        raise DatabaseNotEmpty
    session.execute(
        insert(clients),
        [{"client_id": client_id, "nom": nom} for client_id, nom in _CLIENTS.items()],
    )
    session.execute(
        insert(membres),
        [
            {
                "client_id": client_id,
                "membre_id": membre_id,
                "wallet_id": wallet_id,
                "nom": "xxx",
                "prenom": "xxx",
            }
            for (client_id, membre_id), wallet_id in _WALLETS.items()
        ],
    )
    open_soldes(session, [_create_carte(session, carte) for carte in _CARTES])
    partenaire.create(
        session,
        nom="Partenaire de démonstration",
        client_ids=["CLI-0001"],
        scopes=list(scopes),
        adresses=[],
        pepper=pepper,
        consumer_key=CONSUMER_KEY,
        consumer_secret=CONSUMER_SECRET,
        demo=True,
    )


def _create_carte(session: Connection, carte: _Carte) -> Ouverture:
    compte_id = session.execute(
        insert(comptes).values(type=CARTE, unite=UNITE).returning(comptes.c.id)
    ).scalar_one()
    client_id, membre_id = carte.membre
    carte_id = session.execute(
        insert(cartes)
        .values(
            numero_carte=carte.numero_carte,
            client_id=client_id,
            membre_id=membre_id,
            compte_id=compte_id,
            fin_validite=carte.fin_validite,
            statut=carte.statut,
            unite=UNITE,
            date_solde=DATE_SOLDE,
        )
        .returning(cartes.c.id)
    ).scalar_one()
    return Ouverture(carte_id, compte_id, carte.solde, DATE_SOLDE)
