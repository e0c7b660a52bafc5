"""Clients on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core import wire
from handlers.base_core.views.demandes import read_modification
from handlers.views.formats import format_instant
from models.back_office.clients import EXPIREES, FicheClient, LectureClients, PageClients
from models.back_office.moteur import Saisie
from models.base import UNITE
from models.carte import ACTIVE, ANNULEE, OPPOSITION
from models.client import Client


def read_modification_client(corps: Mapping[str, Any]) -> Saisie:
    """What modifierClient asks. Raises ParametreInvalide when it is nothing."""
    return read_modification("modifierClient", corps, ("nom", "contact", "ninea"))


def _render_ligne(client: Client) -> wire.LigneClient:
    return {
        "clientId": client.client_id,
        "nom": client.nom,
        "statut": client.statut,
        "reseauId": client.reseau_id,
        "nombreMembres": client.nombre_membres,
        "nombreCartes": client.nombre_cartes,
        "version": client.version,
    }


def render_liste(page: PageClients) -> Answer[wire.LigneClient, wire.ReponseListeClientsBeside]:
    """ReponseListeClients."""
    return Answer(
        [_render_ligne(one) for one in page.clients], {"curseurSuivant": page.curseur_suivant}
    )


def render_liste_csv(lecture: LectureClients) -> TableAnswer:
    """ListeClientsCsv."""

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        found, suite = lecture.read(connection, position)
        return [_render_ligne(one) for one in found], suite

    columns = tuple(wire.LigneClient.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)


def render_client(fiche: FicheClient) -> Answer[wire.ClientDetaille]:
    """ReponseClient."""
    client, counted = fiche.client, fiche.cartes_par_statut
    item: wire.ClientDetaille = {
        **_render_ligne(client),
        "contact": {
            "nom": client.contact_nom,
            "email": client.contact_email,
            "telephone": client.contact_telephone,
        },
        "ninea": client.ninea,
        "soldeTotal": fiche.solde_total,
        "unite": UNITE,
        "cartesParStatut": {
            "emises": counted["EMISE"],
            "actives": counted[ACTIVE],
            "enOpposition": counted[OPPOSITION],
            "annulees": counted[ANNULEE],
            "expirees": counted[EXPIREES],
        },
        "demandesEnAttente": fiche.demandes_en_attente,
        "creeLe": None if fiche.cree_le is None else format_instant(fiche.cree_le),
    }
    return Answer([item])
