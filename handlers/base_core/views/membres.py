"""Membres on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.answer import Answer
from handlers.base_core import wire
from handlers.base_core.views.demandes import read_modification, read_saisie
from handlers.views.formats import format_jour, read_jour
from models.back_office.membres import FicheMembre, PageMembres
from models.back_office.moteur import Saisie
from models.membre import Membre

_FIELDS = ("nom", "prenom", "walletId", "email", "telephone", "numeroPiece", "dateNaissance")


def read_saisie_membre(corps: Mapping[str, Any]) -> Saisie:
    """What saisirMembre asks. Raises ParametreInvalide for a day that the calendar does not have."""
    _check_jour(corps)
    return read_saisie("saisirMembre", corps)


def read_modification_membre(corps: Mapping[str, Any]) -> Saisie:
    """What modifierMembre asks. Raises ParametreInvalide as above, and when it is nothing."""
    _check_jour(corps)
    return read_modification("modifierMembre", corps, _FIELDS)


def _check_jour(corps: Mapping[str, Any]) -> None:
    if corps.get("dateNaissance"):
        read_jour(corps["dateNaissance"], "dateNaissance")


def _render_ligne(membre: Membre, nombre_cartes: int) -> wire.LigneMembre:
    return {
        "clientId": membre.client_id,
        "membreId": membre.membre_id,
        "nom": membre.nom,
        "prenom": membre.prenom,
        "walletId": membre.wallet_id,
        "statut": membre.statut,
        "nombreCartes": nombre_cartes,
        "version": membre.version,
    }


def render_liste(page: PageMembres) -> Answer[wire.LigneMembre, wire.ReponseListeMembresBeside]:
    """ReponseListeMembres."""
    return Answer(
        [_render_ligne(*one) for one in page.membres], {"curseurSuivant": page.curseur_suivant}
    )


def render_membre(fiche: FicheMembre) -> Answer[wire.MembreDetaille]:
    """ReponseMembre."""
    membre = fiche.membre
    item: wire.MembreDetaille = {
        **_render_ligne(membre, fiche.nombre_cartes),
        "email": membre.email,
        "telephone": membre.telephone,
        "numeroPiece": membre.numero_piece,
        "dateNaissance": format_jour(membre.date_naissance),
        "cartes": [
            {
                "numeroCarte": one.numero_carte,
                "statut": one.statut,
                "finValidite": format_jour(one.fin_validite),
                "soldeOnline": float(one.solde),
                "unite": one.unite,
            }
            for one in fiche.cartes
        ],
        "demandesEnAttente": fiche.demandes_en_attente,
    }
    return Answer([item])
