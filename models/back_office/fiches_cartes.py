"""What persons read of cards: those that answer to what is looked for, and all that is known of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select, tuple_

from models.agent import Agent
from models.audit import audit
from models.back_office.cartes import CARTE
from models.back_office.clients import CLIENT
from models.carte import ANNULEE, CARTE_OBJET, OPPOSITION, cartes, objet_carte, objet_compte
from models.client import find_client
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Filtre, Parcours, read_page
from models.demande import SAISIE, demandes
from models.errors import ObjetInconnu, ParametreInvalide
from models.etat_carte import VIE
from models.membre import membres
from models.plafond import PERIODES, TYPES, Reste, list_restes

_CURSEUR = "k1"
"""Kind of the list's curseurs."""

BATCH = 500
"""Lines read at once by a stream."""

CHANGEMENTS_MONTRES = 50
"""Changes of a card's state that are told with it, the last ones."""


class CarteLue(NamedTuple):
    """A card as persons see it. `solde` in units of `unite`; `remplace` and `remplacee_par` are names."""

    carte_id: str
    numero_carte: str
    client_id: str
    membre_id: str
    prenom: str
    nom: str
    profil_id: str | None
    statut: str
    motif_statut: str | None
    commentaire_statut: str | None
    fin_validite: date
    solde: int
    unite: str
    date_solde: datetime
    emise_le: datetime | None
    activee_le: datetime | None
    annulee_par: str | None
    remplace: str | None
    remplacee_par: str | None
    renouvellements: int
    etat_version: int


# ── the list ─────────────────────────────────────────────────────────────────────────────────────
class FiltreCartes(NamedTuple):
    """Which cards: those that answer to all of it. Days are Dakar's."""

    numero_carte: str | None = None
    carte_id: str | None = None
    dernier_quatre: str | None = None
    wallet_id: str | None = None
    client_id: str | None = None
    membre_id: str | None = None
    statut: str | None = None
    motif_statut: str | None = None
    expire_avant: date | None = None
    sans_transaction_depuis: date | None = None


class PageCartes(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    cartes: list[CarteLue]
    curseur_suivant: str | None


def search_cartes(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreCartes,
    *,
    limite: int,
    curseur: str | None,
) -> PageCartes:
    """A page of the cards that the agent sees (None: all) and that are looked for, in the order of their
    creation, client by client for an agent of some clients.

    A page may have fewer lines than `limite`, and another one after it. Raises ParametreInvalide for what
    would look through all cards, and for a curseur that this API did not give; ObjetInconnu for a client that
    the agent does not see.
    """
    _check(connection, agent, filtre)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    found, suite = _read_list(connection, agent, filtre, position, limite)
    return PageCartes(found, None if suite is None else encode_curseur(_CURSEUR, suite))


class LectureCartes(NamedTuple):
    """The reading of a whole list by batches, each in a connection of its own; or of the page of `limite`."""

    agent: Agent | None
    filtre: FiltreCartes
    position: int | None
    page: PageCartes | None

    @property
    def curseur_suivant(self) -> str | None:
        """The curseur of the page after this one, None when none follows."""
        return self.page.curseur_suivant if self.page is not None else None

    def read(
        self, connection: Connection, position: int | None
    ) -> tuple[list[CarteLue], int | None]:
        """The next cards after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.cartes, None
        return _read_list(connection, self.agent, self.filtre, position, BATCH)


def open_recherche(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreCartes,
    *,
    limite: int | None,
    curseur: str | None,
) -> LectureCartes:
    """The reading of all cards from `curseur` on, or of the page of `limite`. Raises as `search_cartes`."""
    if limite is not None:
        page = search_cartes(connection, agent, filtre, limite=limite, curseur=curseur)
        return LectureCartes(agent, filtre, None, page)
    _check(connection, agent, filtre)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    return LectureCartes(agent, filtre, position, None)


def _check(connection: Connection, agent: Agent | None, filtre: FiltreCartes) -> None:
    few = (filtre.numero_carte, filtre.carte_id, filtre.wallet_id, filtre.client_id)
    within = filtre.dernier_quatre is None and filtre.membre_id is None
    if filtre.client_id is None and not (within and any(few)):
        raise ParametreInvalide("clientId")
    if filtre.client_id is None:
        return
    hidden = agent is not None and not agent.sees(filtre.client_id)
    if hidden or find_client(connection, filtre.client_id) is None:
        raise ObjetInconnu(objet=CLIENT)


def _read_list(
    connection: Connection,
    agent: Agent | None,
    filtre: FiltreCartes,
    position: int | None,
    limite: int,
) -> tuple[list[CarteLue], int | None]:
    lue = read_page(
        connection, cartes, [_way(agent, filtre)],
        position=position, limite=limite, columns=_READ,
    )  # fmt: skip
    return _complete(connection, lue.lignes), lue.suite


def _way(agent: Agent | None, filtre: FiltreCartes) -> Parcours:
    """By which index the cards are read: a number, a name and a wallet find few of them, a client's stand
    together, and in them those of a membre, of four digits, or of a statut."""
    few = _few(filtre)
    egaux: dict[str, str] = {}
    if few is None and filtre.client_id is not None:
        egaux["client_id"] = filtre.client_id
        narrow = ("dernier_quatre", "membre_id", "statut")
        egaux |= [(name, value) for name in narrow if (value := getattr(filtre, name))][:1]
    filtres = [
        _is(name, value)
        for name, value in _equal(filtre).items()
        if value is not None and name not in egaux
    ]
    if filtre.expire_avant is not None:
        filtres.append(_before("fin_validite", filtre.expire_avant))
    if filtre.sans_transaction_depuis is not None:
        since = datetime.combine(filtre.sans_transaction_depuis, time.min, UTC)
        filtres.append(_before("date_solde", since))
    if agent is not None and agent.clients is not None and filtre.client_id is None:
        seen = sorted(agent.clients)
        filtres.append(lambda c: c.client_id.in_(seen))
    return Parcours(egaux, filtres=filtres, parmi=few)


def _few(filtre: FiltreCartes) -> ColumnElement[bool] | None:
    if filtre.carte_id is not None:
        return cartes.c.carte_id == filtre.carte_id
    if filtre.numero_carte is not None:
        return cartes.c.numero_carte == filtre.numero_carte
    if filtre.wallet_id is None:
        return None
    holders = select(membres.c.client_id, membres.c.membre_id).where(
        membres.c.wallet_id == filtre.wallet_id
    )
    return tuple_(cartes.c.client_id, cartes.c.membre_id).in_(holders)


_EQUAL = ("numero_carte", "carte_id", "dernier_quatre", "client_id", "membre_id", "statut")


def _equal(filtre: FiltreCartes) -> Mapping[str, str | None]:
    return {name: getattr(filtre, name) for name in (*_EQUAL, "motif_statut")}


def _is(name: str, value: str) -> Filtre:
    return lambda c: c[name] == value


def _before(name: str, value: object) -> Filtre:
    return lambda c: c[name] < value


# ── what else is known of each ───────────────────────────────────────────────────────────────────
_OF_CARTE = [name for name in CarteLue._fields if name in cartes.c]
_READ = [*_OF_CARTE, "remplace_id"]


def _complete(connection: Connection, rows: list[Row[Any]]) -> list[CarteLue]:
    """The cards with the names of their holders and of those that take each other's place: one look-up each
    for the whole page."""
    holders = _find_porteurs(connection, {(row.client_id, row.membre_id) for row in rows})
    replaced = _find_remplacees(connection, {row.remplace_id for row in rows} - {None})
    replacing = _find_remplacantes(connection, [row.id for row in rows])
    return [
        CarteLue(
            **{name: getattr(row, name) for name in _OF_CARTE},
            **holders[row.client_id, row.membre_id],
            remplace=replaced.get(row.remplace_id),
            remplacee_par=replacing.get(row.id),
        )
        for row in rows
    ]


def _find_porteurs(
    connection: Connection, named: set[tuple[str, str]]
) -> dict[tuple[str, str], dict[str, Any]]:
    by_client: dict[str, list[str]] = {}
    for client_id, membre_id in named:
        by_client.setdefault(client_id, []).append(membre_id)
    found = {}
    for client_id, membre_ids in by_client.items():
        columns = membres.c["membre_id", "nom", "prenom"]
        of_client = (membres.c.client_id == client_id, membres.c.membre_id.in_(membre_ids))
        for row in connection.execute(select(*columns).where(*of_client)):
            found[client_id, row.membre_id] = {"nom": row.nom, "prenom": row.prenom}
    return found


def _find_remplacees(connection: Connection, ids: Iterable[int]) -> dict[int, str]:
    named = select(cartes.c.id, cartes.c.carte_id).where(cartes.c.id.in_(ids))
    return {row.id: row.carte_id for row in connection.execute(named)}


def _find_remplacantes(connection: Connection, ids: list[int]) -> dict[int, str]:
    """By the id of the card whose place it takes; one that was cancelled before it was active takes none."""
    taking = or_(cartes.c.statut != ANNULEE, cartes.c.activee_le.isnot(None))
    named = (
        select(cartes.c.remplace_id, cartes.c.carte_id)
        .where(cartes.c.remplace_id.in_(ids), taking)
        .order_by(cartes.c.id)
    )
    return {row.remplace_id: row.carte_id for row in connection.execute(named)}


# ── one ──────────────────────────────────────────────────────────────────────────────────────────
class ChangementStatut(NamedTuple):
    """A change of a card's state: from which statut to which, why, and who did it when."""

    de: str | None
    vers: str
    motif: str | None
    commentaire: str | None
    acteur: str
    date: datetime
    demande_id: str | None


class FicheCarte(NamedTuple):
    """All that is known of a card; the last change of its state comes first."""

    carte: CarteLue
    historique_statuts: list[ChangementStatut]
    plafonds: list[Reste]
    demandes_en_attente: int


def find_fiche_carte(connection: Connection, agent: Agent | None, carte_id: str) -> FicheCarte:
    """A card as it is now. Raises ObjetInconnu for one of a client that the agent does not see."""
    columns = [cartes.c[name] for name in ("id", "compte_id", *_READ)]
    row = connection.execute(select(*columns).where(cartes.c.carte_id == carte_id)).first()
    if row is None or (agent is not None and not agent.sees(row.client_id)):
        raise ObjetInconnu(objet=CARTE)
    (carte,) = _complete(connection, [row])
    return FicheCarte(
        carte,
        _list_changements(connection, carte_id, row.compte_id),
        list_restes(connection, carte_id=row.id),
        _count_waiting(connection, carte_id),
    )


_ACTIONS = sorted({one.par for one in VIE} - {"renouvelerCarte"})
"""What changes a card's state: a later last day does not."""


def _list_changements(
    connection: Connection, carte_id: str, compte_id: int
) -> list[ChangementStatut]:
    """What the audit says of it, under its name and under that of before cards had one."""
    names = [objet_carte(carte_id).id, objet_compte(compte_id).id]
    rows = connection.execute(
        select(audit)
        .where(
            audit.c.objet_id.in_(names),
            audit.c.objet_type == CARTE_OBJET,
            audit.c.action.in_(_ACTIONS),
        )
        .order_by(audit.c.position.desc())
        .limit(CHANGEMENTS_MONTRES)
    )
    return [_read_changement(row) for row in rows]


def _read_changement(row: Row[Any]) -> ChangementStatut:
    """Only what differs was written: of a block that became more severe, the reason alone."""
    avant: Mapping[str, Any] = json.loads(row.avant or "{}")
    apres: Mapping[str, Any] = json.loads(row.apres or "{}")
    de = None if row.avant is None else avant.get("statut", OPPOSITION)
    return ChangementStatut(
        de,
        apres.get("statut", OPPOSITION),
        apres.get("motif"),
        apres.get("commentaire"),
        row.acteur_nom,
        row.date,
        row.demande_id,
    )


def _count_waiting(connection: Connection, carte_id: str) -> int:
    """Demandes about the card itself, its limits and what is on it."""
    names = [carte_id, *(f"{carte_id}:{one}:{periode}" for one in TYPES for periode in PERIODES)]
    waiting = (
        select(func.count())
        .select_from(demandes)
        .where(demandes.c.objet_id.in_(names), demandes.c.statut == SAISIE)
    )
    return connection.scalar(waiting) or 0
