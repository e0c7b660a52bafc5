"""Demandes about membres, their list, and all that is known of one."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, func, select

from models.agent import Agent
from models.audit import Acteur, Objet, record
from models.back_office.clients import CLIENT, by_names, check_no_use, hold_open_client
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.carte import cartes
from models.client import CLOS as CLIENT_CLOS
from models.client import Nombres, count_up, find_client
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Filtre, Parcours, read_page
from models.demande import count_pending
from models.errors import (
    EtatInterdit,
    ObjetExistant,
    ObjetInconnu,
    VersionPerimee,
)
from models.membre import (
    CLOS,
    PASSAGES,
    Membre,
    WalletTaken,
    create_membre,
    find_membre,
    find_of_wallet,
    membres,
    update_membre,
)

MEMBRE_OBJET = "MEMBRE"
MEMBRE = "Membre"
"""What a refusal calls it."""

_CURSEUR = "m1"
_CURSEUR_RECHERCHE = "m2"
"""Kinds of the list's curseurs, which is in another order when names are looked for."""

CARTES_MONTREES = 100
"""Cards of a membre that are told with him, the first ones."""

_TEXTS = {
    "nom": "nom",
    "prenom": "prenom",
    "email": "email",
    "telephone": "telephone",
    "numeroPiece": "numero_piece",
}
"""Fields of the contract that may be empty, and their columns."""


def name_of(client_id: str, membre_id: str) -> str:
    """A membre as the audit names it."""
    return f"{client_id}:{membre_id}"


def told(membre: Membre) -> dict[str, Any]:
    """A membre under the names of the contract."""
    jour = membre.date_naissance
    return {
        "clientId": membre.client_id,
        "membreId": membre.membre_id,
        "walletId": membre.wallet_id,
        **{field: getattr(membre, column) for field, column in _TEXTS.items()},
        "dateNaissance": "" if jour is None else f"{jour:%d/%m/%Y}",
        "statut": membre.statut,
    }


# ── the list ─────────────────────────────────────────────────────────────────────────────────────
class FiltreMembres(NamedTuple):
    """Which membres of a client. `recherche` is how the membreId, or the nom and prenom, begin."""

    statut: str | None = None
    wallet_id: str | None = None
    recherche: str | None = None


class MembreListe(NamedTuple):
    """A line of the list."""

    membre: Membre
    nombre_cartes: int


class PageMembres(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    membres: list[MembreListe]
    curseur_suivant: str | None


def list_membres(
    connection: Connection,
    agent: Agent | None,
    client_id: str,
    filtre: FiltreMembres,
    *,
    limite: int,
    curseur: str | None,
) -> PageMembres:
    """A page of a client's membres, in the order of their creation; of those that are looked for, first those
    whose membreId begins so, then those whose name does, by name.

    A page may have fewer lines than `limite`, and another one after it. Raises ObjetInconnu for a client that
    the agent does not see, ParametreInvalide for a curseur that this API did not give.
    """
    kind = _CURSEUR if filtre.recherche is None else _CURSEUR_RECHERCHE
    position = None if curseur is None else decode_curseur(kind, curseur)
    _check_seen(connection, agent, client_id)
    ways = _ways(client_id, filtre)
    lue = read_page(connection, membres, ways, position=position, limite=limite)
    found = [Membre._make(getattr(row, name) for name in Membre._fields) for row in lue.lignes]
    counted = _count_cartes(connection, client_id, [one.membre_id for one in found])
    return PageMembres(
        [MembreListe(one, counted.get(one.membre_id, 0)) for one in found],
        None if lue.suite is None else encode_curseur(kind, lue.suite),
    )


def _check_seen(connection: Connection, agent: Agent | None, client_id: str) -> None:
    hidden = agent is not None and not agent.sees(client_id)
    if hidden or find_client(connection, client_id) is None:
        raise ObjetInconnu(objet=CLIENT)


def _ways(client_id: str, filtre: FiltreMembres) -> list[Parcours]:
    of_client = {"client_id": client_id}
    few: ColumnElement[bool] | None = None
    if filtre.wallet_id is not None:
        # One of them is active, and those who had it before are few.
        few = and_(membres.c.client_id == client_id, membres.c.wallet_id == filtre.wallet_id)
    elif filtre.recherche is None and filtre.statut is not None:
        return [Parcours({**of_client, "statut": filtre.statut})]
    filtres: list[Filtre] = []
    if filtre.statut is not None:
        filtres.append(lambda c: c.statut == filtre.statut)
    if filtre.recherche is None:
        return [Parcours(of_client, filtres=filtres, parmi=few)]
    return by_names(filtre.recherche, filtres, of_client, few)


def _count_cartes(connection: Connection, client_id: str, membre_ids: list[str]) -> dict[str, int]:
    """How many cards each of these has, by the index in which they stand together."""
    counted = (
        select(cartes.c.membre_id, func.count())
        .where(cartes.c.client_id == client_id, cartes.c.membre_id.in_(membre_ids))
        .group_by(cartes.c.membre_id)
    )
    return {row[0]: row[1] for row in connection.execute(counted)}


# ── one ──────────────────────────────────────────────────────────────────────────────────────────
class CarteDuMembre(NamedTuple):
    """A card of a membre. `solde` in units of `unite`."""

    numero_carte: str
    statut: str
    fin_validite: date
    solde: int
    unite: str


class FicheMembre(NamedTuple):
    """All that is known of a membre, and his first cards."""

    membre: Membre
    nombre_cartes: int
    cartes: list[CarteDuMembre]
    demandes_en_attente: int


def consult_membre(
    connection: Connection, acteur: Acteur, agent: Agent | None, client_id: str, membre_id: str
) -> FicheMembre:
    """A membre as he is now, for somebody whom the audit names: who looked at whom is a fact too.

    It is to be committed. Raises ObjetInconnu for one whom the agent does not see.
    """
    membre = find_membre(connection, client_id, membre_id)
    if membre is None or (agent is not None and not agent.sees(client_id)):
        raise ObjetInconnu(objet=MEMBRE)
    columns = [cartes.c[name] for name in CarteDuMembre._fields]
    shown = (
        select(*columns)
        .where(cartes.c.client_id == client_id, cartes.c.membre_id == membre_id)
        .order_by(cartes.c.id)
        .limit(CARTES_MONTREES)
    )
    name = name_of(client_id, membre_id)
    fiche = FicheMembre(
        membre,
        _count_cartes(connection, client_id, [membre_id]).get(membre_id, 0),
        [CarteDuMembre._make(row) for row in connection.execute(shown)],
        count_pending(connection, MEMBRE_OBJET, name),
    )
    record(connection, acteur, "getMembre", Objet(MEMBRE_OBJET, name), {}, {})
    return fiche


# ── demandes ─────────────────────────────────────────────────────────────────────────────────────
def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    client_id, _, membre_id = objet_id.partition(":")
    membre = find_membre(connection, client_id, membre_id, lock=lock)
    return None if membre is None else Etat(membre.version, told(membre), client_id)


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    client_id = contenu["clientId"]
    hold_open_client(connection, client_id)
    if find_membre(connection, client_id, contenu["membreId"]) is not None:
        raise ObjetExistant(objet=MEMBRE)
    _check_wallet(connection, client_id, contenu["walletId"])


def _check_wallet(connection: Connection, client_id: str, wallet_id: str) -> None:
    if find_of_wallet(connection, client_id, wallet_id) is not None:
        raise ObjetExistant(objet=MEMBRE)


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
    named = Membre(contenu["clientId"], contenu["membreId"], contenu["walletId"])
    membre = _changed(named, contenu)
    if not create_membre(connection, membre):
        raise ObjetExistant(objet=MEMBRE)
    count_up(connection, {membre.client_id: Nombres(membres=1)})
    return _effet(None, membre)


def _changed(membre: Membre, contenu: Contenu) -> Membre:
    changes: dict[str, Any] = {
        column: contenu[field] for field, column in _TEXTS.items() if contenu.get(field) is not None
    }
    if contenu.get("walletId") is not None:
        changes["wallet_id"] = contenu["walletId"]
    if contenu.get("dateNaissance") is not None:
        changes["date_naissance"] = _read_jour(contenu["dateNaissance"])
    return membre._replace(**changes)


def _read_jour(jour: str) -> date | None:
    return datetime.strptime(jour, "%d/%m/%Y").date() if jour else None  # noqa: DTZ007 - a day


def _held(connection: Connection, contenu: Contenu) -> Membre:
    membre = find_membre(connection, contenu["clientId"], contenu["membreId"], lock=True)
    assert membre is not None, "the engine refuses what is not there"
    return membre


def _check_changes(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    membre = _held(connection, contenu)
    client = find_client(connection, membre.client_id)
    if membre.statut == CLOS or (client is not None and client.statut == CLIENT_CLOS):
        raise EtatInterdit(statut=CLOS)
    if _changed(membre, contenu).wallet_id != membre.wallet_id:
        _check_wallet(connection, membre.client_id, contenu["walletId"])


def _modify(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    return _replace(connection, before, _changed(before, acte.contenu))


def _variante(contenu: Contenu, etat: Etat | None) -> str:
    """Who changes the wallet takes over the holder's identity: that has a rule of its own."""
    assert etat is not None, "the engine refuses what is not there"
    wallet_id = contenu.get("walletId")
    return "" if wallet_id in (None, etat.champs["walletId"]) else "walletId"


def _check_statut(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:
    assert etat is not None, "the engine refuses what is not there"
    if (etat.champs["statut"], contenu["statut"]) not in PASSAGES:
        raise EtatInterdit(statut=etat.champs["statut"])
    whose = (cartes.c.client_id == contenu["clientId"], cartes.c.membre_id == contenu["membreId"])
    check_no_use(connection, *whose)


def _change_statut(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    return _replace(connection, before, before._replace(statut=acte.contenu["statut"]))


def _replace(connection: Connection, before: Membre, after: Membre) -> Effet:
    try:
        changed = update_membre(connection, before, after)
    except WalletTaken:
        raise ObjetExistant(objet=MEMBRE) from None
    if not changed:
        raise VersionPerimee
    return _effet(before, after)


def _effet(before: Membre | None, after: Membre) -> Effet:
    return Effet(
        Objet(MEMBRE_OBJET, name_of(after.client_id, after.membre_id)),
        None if before is None else told(before),
        told(after),
        {"clientId": after.client_id, "membreId": after.membre_id},
    )


_VALIDER = "clients:valider"
_CLE = ("clientId", "membreId")

SAISIR = TypeDemande(
    "saisirMembre", MEMBRE_OBJET, _VALIDER, _read, _check_new, _create,
    client=lambda contenu: str(contenu["clientId"]),
)  # fmt: skip
MODIFIER = TypeDemande(
    "modifierMembre", MEMBRE_OBJET, _VALIDER, _read, _check_changes, _modify,
    cle=_CLE, variante=_variante,
)  # fmt: skip
CHANGER_STATUT = TypeDemande(
    "changerStatutMembre", MEMBRE_OBJET, _VALIDER, _read, _check_statut, _change_statut, cle=_CLE
)
