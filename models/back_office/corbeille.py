"""What a person reads of demandes: lists, among which those that wait for him, and one with its object.

An agent sees the demandes of the clients that he sees, and those of none. `personne.agent` is None for a
machine of the company, which sees them all and validates none.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, and_, false, not_, or_, select

from models.agent import ACTIF, Agent, agents
from models.audit import AGENT
from models.back_office.moteur import Personne, refus_de_valider
from models.back_office.registre import TYPES
from models.base import now
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Filtre, Parcours, choose_way, read_page
from models.database.periode import between
from models.demande import (
    LISTED,
    SAISIE,
    Demande,
    Validation,
    demandes,
    find_demande,
    read_demande,
    validations,
)
from models.errors import DemandeInconnue, ParametreInvalide

_CURSEUR = "d1"
"""Kind of the curseurs of demandes, whose position is a demande's id."""

BATCH = 500
"""Demandes read at once by a stream."""


class FiltreDemandes(NamedTuple):
    """Which demandes. `a_valider` keeps those that the person may validate, once he has authenticated anew
    where a rule asks it; days are those of the saisie, both included."""

    statut: str | None = None
    type: str | None = None
    objet_type: str | None = None
    objet_id: str | None = None
    saisie_par: str | None = None
    a_valider: bool = False
    date_debut: date | None = None
    date_fin: date | None = None


class PageDemandes(NamedTuple):
    """Demandes in the order in which they were entered, and the curseur of the next page, None at the end: a
    page may hold fewer than it could before that."""

    lignes: list[Demande]
    curseur_suivant: str | None


class LectureDemandes(NamedTuple):
    """A whole reading, to be done by batches, each in a connection of its own; or a page, read already."""

    personne: Personne
    filtre: FiltreDemandes
    position: int | None
    page: PageDemandes | None

    @property
    def curseur_suivant(self) -> str | None:
        """The curseur of the page after this one, None when none follows."""
        return None if self.page is None else self.page.curseur_suivant

    def read(
        self, connection: Connection, position: int | None
    ) -> tuple[list[Demande], int | None]:
        """The next demandes after `position`, and the position after them, None at the end."""
        if self.page is not None:
            return self.page.lignes, None
        return _read_page(connection, self.personne, self.filtre, position, BATCH)


class DemandeLue(NamedTuple):
    """A demande, its object as it is now (None where there is none), and whether this person may validate it:
    otherwise `raison` is the code that he would be given."""

    demande: Demande
    etat_actuel: Mapping[str, Any] | None
    peut_valider: bool
    raison: str | None


def list_demandes(
    connection: Connection,
    personne: Personne,
    filtre: FiltreDemandes,
    *,
    limite: int,
    curseur: str | None,
) -> PageDemandes:
    """A page of demandes, without their contenu. Raises ParametreInvalide for a curseur that is none."""
    after = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    page, position = _read_page(connection, personne, filtre, after, limite)
    return PageDemandes(page, None if position is None else encode_curseur(_CURSEUR, position))


def open_demandes(
    connection: Connection,
    personne: Personne,
    filtre: FiltreDemandes,
    *,
    limite: int | None,
    curseur: str | None,
) -> LectureDemandes:
    """The reading of all demandes from `curseur` on, or of the page of `limite`."""
    if limite is not None:
        page = list_demandes(connection, personne, filtre, limite=limite, curseur=curseur)
        return LectureDemandes(personne, filtre, None, page)
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    return LectureDemandes(personne, filtre, position, None)


def lire_demande(
    connection: Connection,
    personne: Personne,
    *,
    demande_id: str | None = None,
    reference: str | None = None,
) -> DemandeLue:
    """The demande of this id, or of this reference: one of the two is given.

    Raises ParametreInvalide, DemandeInconnue.
    """
    if (demande_id is None) == (reference is None):
        raise ParametreInvalide("reference" if reference is not None else "demandeId")
    demande = find_demande(connection, demande_id=demande_id, reference=reference)
    if demande is None or not _sees(personne.agent, demande.client_id):
        raise DemandeInconnue
    etat = (
        None
        if demande.objet_id is None
        else TYPES[demande.type].lire(connection, demande.objet_id, lock=False)
    )
    refus = refus_de_valider(connection, personne, demande)
    return DemandeLue(
        demande,
        None if etat is None else etat.champs,
        peut_valider=refus is None,
        raison=None if refus is None else refus.code,
    )


def _sees(agent: Agent | None, client_id: str | None) -> bool:
    return agent is None or agent.sees(client_id)


# ── statements ───────────────────────────────────────────────────────────────────────────────────
def _read_page(
    connection: Connection,
    personne: Personne,
    filtre: FiltreDemandes,
    position: int | None,
    most: int,
) -> tuple[list[Demande], int | None]:
    """At most so many behind this position, and the one behind which others follow, None at the end."""
    way = between(
        connection, _choose_way(personne.agent, filtre), demandes.c.id, demandes.c.saisie_le,
        debut=filtre.date_debut, fin=filtre.date_fin,
    )  # fmt: skip
    page = read_page(connection, demandes, [way], position=position, limite=most, columns=LISTED)
    agreed = _find_agreed(connection, [row.demande_id for row in page.lignes])
    return [read_demande(row, agreed.get(row.demande_id, ())) for row in page.lignes], page.suite


def _find_agreed(
    connection: Connection, demande_ids: list[str]
) -> dict[str, tuple[Validation, ...]]:
    rows = connection.execute(
        select(validations.c.demande_id, validations.c.agent_id, agents.c.nom, validations.c.date)
        .join_from(validations, agents)
        .where(validations.c.demande_id.in_(demande_ids))
        .order_by(validations.c.date, validations.c.agent_id)
    )
    agreed: dict[str, tuple[Validation, ...]] = {}
    for demande_id, *one in rows:
        agreed[demande_id] = (*agreed.get(demande_id, ()), Validation(*one))
    return agreed


def _choose_way(agent: Agent | None, filtre: FiltreDemandes) -> Parcours:
    # What tells most comes first: the list is walked by it. Each has an index.
    way = choose_way(
        {
            "objet_id": filtre.objet_id,
            "saisie_par_id": filtre.saisie_par,
            "statut": SAISIE if filtre.a_valider else filtre.statut,
            "type": filtre.type,
            "objet_type": filtre.objet_type,
        }
    )
    also: list[Filtre] = []
    if filtre.a_valider:
        also.append(partial(_may_validate, agent))
        if filtre.statut not in (None, SAISIE):
            also.append(lambda _row: false())
    if agent is not None and agent.clients is not None:
        also.append(partial(_is_seen, sorted(agent.clients)))
    return way._replace(filtres=[*way.filtres, *also])


def _is_seen(clients: list[str], row: Any) -> ColumnElement[bool]:
    return or_(row.client_id.is_(None), row.client_id.in_(clients))


def _may_validate(agent: Agent | None, row: Any) -> ColumnElement[bool]:
    """What `refus_de_valider` says of each, said of all at once, but for how long ago he authenticated."""
    if agent is None or agent.statut != ACTIF:
        return false()
    droits = agent.droits
    types = [type_.nom for type_ in TYPES.values() if type_.valider in droits]
    about_persons = [type_.nom for type_ in TYPES.values() if type_.of_others]
    himself = and_(row.type.in_(about_persons), row.objet_id == agent.agent_id)
    entered = and_(
        row.saisie_par_type == AGENT,
        row.saisie_par_id == agent.agent_id,
        row.meme_personne == 0,
    )
    agreed = select(validations.c.demande_id).where(
        validations.c.demande_id == row.demande_id, validations.c.agent_id == agent.agent_id
    )
    return and_(
        row.expire_le > now(),
        row.type.in_(types),
        # An object that there is not yet is nobody.
        or_(row.objet_id.is_(None), not_(himself)),
        not_(entered),
        not_(agreed.exists()),
    )
