"""The demo data: one partner, its client, cards in each state, and a client it must not see."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime

from sqlalchemy import Connection, select, update

from models import secret
from models.audit import Acteur, Objet, record
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, PERDUE, REMPLACEE, cartes
from models.client import Client, Nombres, count_up, create_clients
from models.journal.ouverture import NouvelleCarte, find_ouverture, open_cartes
from models.membre import Membre, create_membres
from models.partenaire import database_holds_anything, hold
from models.profil_carte import PlafondProfil, Profil, create_profil
from models.reseau import count_clients, create_reseau
from models.retrait import give_code

CONSUMER_KEY, CONSUMER_SECRET = "demo-partenaire", "demo-secret"
"""The pair of the demo partner, which opens nothing in production."""

SECRET_ID = "01KB2M9F4D5E6F7G8H9J0K1M2N"  # noqa: S105 - its name
"""The name of its secret: that of the contract's examples, which can be sent as they stand."""

CODE_RETRAIT = "codeDeDemonstrationQuiNOuvreRienEnProduction"
"""With it the demo partner withdraws a second secret: that too is of the contract's examples."""

DATE_SOLDE = datetime(2021, 8, 23, 10, 11, 42, tzinfo=UTC)


class DatabaseNotEmpty(Exception):
    """The demo goes to an empty database only."""


_RESEAU = ("RES-0001", "Réseau de démonstration")
_CLIENTS = {"CLI-0001": "Client de démonstration", "CLI-0002": "Autre client de démonstration"}
_MEMBRE, _AUTRE_MEMBRE = ("CLI-0001", "MBR-0001"), ("CLI-0002", "MBR-0002")
_WALLETS = {_MEMBRE: "221771234567", _AUTRE_MEMBRE: "221770000002"}
_STANDARD = "PRF-STANDARD"
_PROFILS = (
    Profil(_STANDARD, "Carte standard", "701980"),
    Profil(
        "PRF-FLOTTE", "Carte flotte", "70198020", validite_mois=24,
        plafonds=(PlafondProfil("DEBIT", "JOUR", 200_000, None),),
    ),
)  # fmt: skip
_LONG = date(2029, 7, 18)


def _carte(
    place: int, numero: str, membre: tuple[str, str], statut: str, solde: int,
    fin: date = _LONG, profil_id: str | None = None,
) -> NouvelleCarte:  # fmt: skip
    """A card under the name that the contract's examples give it."""
    carte_id = f"01KB0QJ5R8X9V4T2M7N6P3C0{place:02}"
    return NouvelleCarte(numero, *membre, fin, statut, solde, carte_id, profil_id)


_REPLACEMENT, _REPLACED = "7019800100009577", "7019800100009619"
_CARTES = (
    _carte(1, "7019800100009569", _MEMBRE, ACTIVE, 142_000),
    _carte(2, _REPLACEMENT, _MEMBRE, ACTIVE, 25_000, date(2028, 12, 31)),
    _carte(3, "7019800100009585", _MEMBRE, OPPOSITION, 5_000),
    _carte(4, "7019800100009593", _MEMBRE, ACTIVE, 5_000, date(2020, 1, 31)),
    _carte(5, "7019800100009601", _MEMBRE, ANNULEE, 5_000),
    _carte(6, "7019800200000017", _AUTRE_MEMBRE, ACTIVE, 50_000),
    _carte(7, _REPLACED, _MEMBRE, ANNULEE, 0),
    _carte(8, "7019800100009627", _MEMBRE, EMISE, 0, profil_id=_STANDARD),
)
_MOTIFS = {
    "7019800100009585": (PERDUE, ACTIVE),
    "7019800100009601": ("DEMANDE_CLIENT", None),
    _REPLACED: (REMPLACEE, None),
}
"""Why cards are as they are, and what one that is blocked was before."""


def _tell_lives(connection: Connection) -> None:
    """Say of each card why it is as it is, and which one took another's place."""
    for numero, (motif, before) in _MOTIFS.items():
        connection.execute(
            update(cartes)
            .where(cartes.c.numero_carte == numero)
            .values(motif_statut=motif, statut_avant_opposition=before, activee_le=DATE_SOLDE)
        )
    replaced = select(cartes.c.id).where(cartes.c.numero_carte == _REPLACED).scalar_subquery()
    is_new = cartes.c.numero_carte == _REPLACEMENT
    connection.execute(update(cartes).where(is_new).values(remplace_id=replaced))


def seed_demo(
    connection: Connection, acteur: Acteur, *, scopes: Sequence[str], pepper: bytes
) -> None:
    """Write the demo data. The partner gets `scopes` on the first client only.

    Raises DatabaseNotEmpty when any client or partner exists.
    """
    if database_holds_anything(connection):
        raise DatabaseNotEmpty
    create_reseau(connection, *_RESEAU)
    create_clients(connection, [Client(*one, reseau_id=_RESEAU[0]) for one in _CLIENTS.items()])
    create_membres(
        connection,
        [Membre(*key, wallet_id, nom="xxx", prenom="xxx") for key, wallet_id in _WALLETS.items()],
    )
    for profil in _PROFILS:
        create_profil(connection, profil)
    open_cartes(connection, _CARTES, contra=find_ouverture(connection), date_solde=DATE_SOLDE)
    _tell_lives(connection)
    held = Counter(carte.client_id for carte in _CARTES)
    count_clients(connection, {_RESEAU[0]: len(_CLIENTS)})
    count_up(connection, {client_id: Nombres(1, held[client_id]) for client_id in _CLIENTS})
    written = {"clients": len(_CLIENTS), "membres": len(_WALLETS), "cartes": len(_CARTES)}
    secret.create(
        connection,
        acteur,
        nom="Partenaire de démonstration",
        client_ids=["CLI-0001"],
        scopes=list(scopes),
        adresses=[],
        pepper=pepper,
        consumer_key=CONSUMER_KEY,
        consumer_secret=CONSUMER_SECRET,
        demo=True,
        basic_autorise=True,
        secret_id=SECRET_ID,
    )
    partenaire_id = hold(connection, CONSUMER_KEY)
    assert partenaire_id is not None
    give_code(connection, partenaire_id, pepper=pepper, delai_heures=24, code=CODE_RETRAIT)
    record(connection, acteur, "seed", Objet("FICHIER", "demo"), None, written)
