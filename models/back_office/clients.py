"""Demandes about clients, their list, and all that is known of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, case, exists, func, select

from models.agent import Agent
from models.audit import Objet
from models.back_office.reseaux import RESEAU
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.base import today
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, cartes
from models.client import (
    CLOS,
    PASSAGES,
    SUSPENDU,
    Client,
    clients,
    create_client,
    find_client,
    update_client,
)
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Filtre, Parcours, begins_with, read_page
from models.demande import count_pending
from models.errors import (
    EtatInterdit,
    ObjetExistant,
    ObjetInconnu,
    ObjetUtilise,
    VersionPerimee,
)
from models.partenaire import acces, partenaire_lock
from models.reseau import find_reseau

CLIENT_OBJET = "CLIENT"
CLIENT = "Client"
"""What a refusal calls it."""

_CURSEUR = "c1"
_CURSEUR_RECHERCHE = "c2"
"""Kinds of the list's curseurs, which is in another order when names are looked for."""

BATCH = 500
"""Lines read at once by a stream."""


def told(client: Client) -> dict[str, Any]:
    """A client under the names of the contract."""
    return {
        "clientId": client.client_id,
        "nom": client.nom,
        "statut": client.statut,
        "reseauId": client.reseau_id,
        "contact": {
            "nom": client.contact_nom,
            "email": client.contact_email,
            "telephone": client.contact_telephone,
        },
        "ninea": client.ninea,
    }


# ── the list ─────────────────────────────────────────────────────────────────────────────────────
class FiltreClients(NamedTuple):
    """Which clients. `recherche` is how the clientId or the nom begins."""

    statut: str | None = None
    reseau_id: str | None = None
    recherche: str | None = None


class PageClients(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    clients: list[Client]
    curseur_suivant: str | None


def list_clients(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreClients,
    *,
    limite: int,
    curseur: str | None,
) -> PageClients:
    """A page of the clients that the agent sees (None: all), in the order of their creation; of those that
    are looked for, first those whose clientId begins so, then those whose nom does, by name.

    A page may have fewer lines than `limite`, and another one after it. Raises ParametreInvalide for a
    curseur that this API did not give.
    """
    kind = _kind(filtre)
    position = None if curseur is None else decode_curseur(kind, curseur)
    found, suite = _read_list(connection, agent, filtre, position, limite)
    return PageClients(found, None if suite is None else encode_curseur(kind, suite))


class LectureClients(NamedTuple):
    """The reading of a whole list by batches, each in a connection of its own; or of the page of `limite`."""

    agent: Agent | None
    filtre: FiltreClients
    position: int | None
    page: PageClients | None

    @property
    def curseur_suivant(self) -> str | None:
        """The curseur of the page after this one, None when none follows."""
        return self.page.curseur_suivant if self.page is not None else None

    def read(self, connection: Connection, position: int | None) -> tuple[list[Client], int | None]:
        """The next clients after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.clients, None
        return _read_list(connection, self.agent, self.filtre, position, BATCH)


def open_clients(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreClients,
    *,
    limite: int | None,
    curseur: str | None,
) -> LectureClients:
    """The reading of all clients from `curseur` on, or of the page of `limite`. Raises as `list_clients`."""
    if limite is not None:
        page = list_clients(connection, agent, filtre, limite=limite, curseur=curseur)
        return LectureClients(agent, filtre, None, page)
    position = None if curseur is None else decode_curseur(_kind(filtre), curseur)
    return LectureClients(agent, filtre, position, None)


def _kind(filtre: FiltreClients) -> str:
    return _CURSEUR if filtre.recherche is None else _CURSEUR_RECHERCHE


def _read_list(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreClients,
    position: int | None,
    limite: int,
) -> tuple[list[Client], int | None]:
    ways = _ways(agent, filtre)
    lue = read_page(connection, clients, ways, position=position, limite=limite)
    found = [Client._make(getattr(row, name) for name in Client._fields) for row in lue.lignes]
    return found, lue.suite


def _ways(agent: Agent | None, filtre: FiltreClients) -> list[Parcours]:
    """By which index the list is read. What an agent may see is so few clients that they are found by id."""
    wanted: dict[str, str] = {
        name: value for name, value in filtre._asdict().items() if value and name != "recherche"
    }
    if agent is not None and agent.clients is not None:
        return _of_few(sorted(agent.clients), wanted, filtre.recherche)
    if filtre.recherche is None:
        return [Parcours(dict(sorted(wanted.items())))]
    return by_names(filtre.recherche, _filtres(wanted))


def by_names(
    recherche: str,
    filtres: Sequence[Filtre],
    egaux: Mapping[str, str] = MappingProxyType({}),
    parmi: ColumnElement[bool] | None = None,
) -> list[Parcours]:
    """First those whose id begins so, then those of the others whose name does."""
    others = [*filtres, _not_by_id(recherche)]
    return [
        Parcours(egaux, "cle_id", recherche, filtres, parmi),
        Parcours(egaux, "cle_nom", recherche, others, parmi),
    ]


def _filtres(wanted: dict[str, str]) -> list[Filtre]:
    return [_is(name, value) for name, value in wanted.items()]


def _is(name: str, value: str) -> Filtre:
    return lambda c: c[name] == value


def _not_by_id(recherche: str) -> Filtre:
    return lambda c: ~begins_with(c.cle_id, recherche)


def _of_few(client_ids: list[str], wanted: dict[str, str], recherche: str | None) -> list[Parcours]:
    parmi = clients.c.client_id.in_(client_ids)
    if recherche is None:
        return [Parcours(filtres=_filtres(wanted), parmi=parmi)]
    return by_names(recherche, _filtres(wanted), parmi=parmi)


# ── one ──────────────────────────────────────────────────────────────────────────────────────────
_STATUTS_CARTE = (EMISE, ACTIVE, OPPOSITION, ANNULEE)

EXPIREES = "expirees"
"""Cards that are not cancelled and whose last day is past, in whatever statut they are counted too."""


class FicheClient(NamedTuple):
    """All that is known of a client. `solde_total` in francs, of all its cards."""

    client: Client
    solde_total: int
    cartes_par_statut: dict[str, int]
    demandes_en_attente: int
    cree_le: datetime | None


def find_fiche_client(connection: Connection, agent: Agent | None, client_id: str) -> FicheClient:
    """A client as it is now. Raises ObjetInconnu for one that the agent does not see."""
    client = find_client(connection, client_id)
    if client is None or (agent is not None and not agent.sees(client_id)):
        raise ObjetInconnu(objet=CLIENT)
    par_statut = dict.fromkeys((*_STATUTS_CARTE, EXPIREES), 0)
    total = 0
    for statut, nombre, expirees, soldes in connection.execute(_par_statut(client_id)):
        par_statut[statut] = nombre
        par_statut[EXPIREES] += 0 if statut == ANNULEE else int(expirees)
        total += int(soldes)
    return FicheClient(
        client,
        total,
        par_statut,
        count_pending(connection, CLIENT_OBJET, client_id),
        connection.scalar(select(clients.c.cree_le).where(clients.c.client_id == client_id)),
    )


def _par_statut(client_id: str) -> Any:
    return (
        select(
            cartes.c.statut,
            func.count(),
            func.sum(case((cartes.c.fin_validite < today(), 1), else_=0)),
            func.sum(cartes.c.solde),
        )
        .where(cartes.c.client_id == client_id)
        .group_by(cartes.c.statut)
    )


# ── demandes ─────────────────────────────────────────────────────────────────────────────────────
def hold_open_client(connection: Connection, client_id: str) -> Client:
    """The client, held. Raises ObjetInconnu, EtatInterdit when it is closed for ever."""
    client = find_client(connection, client_id, lock=True)
    if client is None:
        raise ObjetInconnu(objet=CLIENT)
    if client.statut == CLOS:
        raise EtatInterdit(statut=CLOS)
    return client


def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    client = find_client(connection, objet_id, lock=lock)
    return None if client is None else Etat(client.version, told(client), objet_id)


def _check_reseau(connection: Connection, reseau_id: str | None) -> None:
    if reseau_id is not None and find_reseau(connection, reseau_id) is None:
        raise ObjetInconnu(objet=RESEAU)


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    if find_client(connection, contenu["clientId"]) is not None:
        raise ObjetExistant(objet=CLIENT)
    _check_reseau(connection, contenu.get("reseauId"))


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
    client = _changed(Client(contenu["clientId"], contenu["nom"]), contenu)
    client = client._replace(reseau_id=contenu.get("reseauId"))
    if not create_client(connection, client):
        raise ObjetExistant(objet=CLIENT)
    return _effet(None, client)


def _changed(client: Client, contenu: Contenu) -> Client:
    """The client with what the content says of it. A contact is replaced as a whole."""
    changes: dict[str, Any] = {
        name: contenu[name] for name in ("nom", "ninea") if contenu.get(name) is not None
    }
    contact = contenu.get("contact")
    if contact is not None:
        changes |= {
            f"contact_{one}": contact.get(one) or "" for one in ("nom", "email", "telephone")
        }
    return client._replace(**changes)


def _check_open(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    hold_open_client(connection, contenu["clientId"])


def _modify(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = hold_open_client(connection, acte.contenu["clientId"])
    return _replace(connection, before, _changed(before, acte.contenu))


def _check_place(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:
    _check_open(connection, contenu, etat)
    _check_reseau(connection, contenu.get("reseauId"))


def _place(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = hold_open_client(connection, acte.contenu["clientId"])
    return _replace(connection, before, before._replace(reseau_id=acte.contenu.get("reseauId")))


def _check_statut(connection: Connection, contenu: Contenu, etat: Etat | None) -> None:
    assert etat is not None, "the engine refuses what is not there"
    if (etat.champs["statut"], contenu["statut"]) not in PASSAGES:
        raise EtatInterdit(statut=etat.champs["statut"])
    if contenu["statut"] == CLOS:
        check_no_use(connection, cartes.c.client_id == contenu["clientId"])


def check_no_use(connection: Connection, *whose: Any) -> None:
    """Raises ObjetUtilise while one of these cards is not cancelled, or holds money."""
    for condition, par in ((cartes.c.statut != ANNULEE, "cartes"), (cartes.c.solde != 0, "solde")):
        if connection.scalar(select(exists().where(*whose, condition))):
            raise ObjetUtilise(par=par)


def _change_statut(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
    before = find_client(connection, contenu["clientId"], lock=True)
    assert before is not None, "it was read before"
    if contenu["statut"] in (SUSPENDU, CLOS):
        _wait_for_movements(connection, before.client_id)
    if contenu["statut"] == CLOS:
        # A reversal that was under way has given money back to a card that was empty.
        check_no_use(connection, cartes.c.client_id == before.client_id)
    return _replace(connection, before, before._replace(statut=contenu["statut"]))


def _wait_for_movements(connection: Connection, client_id: str) -> None:
    """Wait until no partner of the client moves anything, and let nobody begin until the transaction ends:
    a debit that waits for its card would not see what becomes of the client meanwhile. See
    `models.partenaire.hold`. On SQLite the transaction itself is alone."""
    if connection.dialect.name != "postgresql":
        return
    partners = select(acces.c.partenaire_id).where(acces.c.client_id == client_id)
    for partenaire_id in connection.scalars(partners.order_by(acces.c.partenaire_id)).all():
        connection.execute(select(func.pg_advisory_xact_lock(partenaire_lock(partenaire_id))))


def _replace(connection: Connection, before: Client, after: Client) -> Effet:
    if not update_client(connection, before, after):
        raise VersionPerimee
    return _effet(before, after)


def _effet(before: Client | None, after: Client) -> Effet:
    return Effet(
        Objet(CLIENT_OBJET, after.client_id),
        None if before is None else told(before),
        told(after),
        {"clientId": after.client_id},
    )


_VALIDER = "clients:valider"

SAISIR = TypeDemande(
    "saisirClient", CLIENT_OBJET, _VALIDER, _read, _check_new, _create,
    client=lambda contenu: str(contenu["clientId"]),
)  # fmt: skip
MODIFIER = TypeDemande(
    "modifierClient", CLIENT_OBJET, _VALIDER, _read, _check_open, _modify, cle=("clientId",)
)
CHANGER_STATUT = TypeDemande(
    "changerStatutClient", CLIENT_OBJET, _VALIDER, _read, _check_statut, _change_statut,
    cle=("clientId",), variante=lambda contenu, _etat: str(contenu["statut"]),
)  # fmt: skip
AFFECTER_RESEAU = TypeDemande(
    "affecterReseau", CLIENT_OBJET, _VALIDER, _read, _check_place, _place, cle=("clientId",)
)
