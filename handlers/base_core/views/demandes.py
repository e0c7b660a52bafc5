"""Demandes and the rules of validation on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core import wire
from handlers.views.formats import format_instant, read_periode
from models.back_office.corbeille import DemandeLue, FiltreDemandes, LectureDemandes, PageDemandes
from models.back_office.moteur import Saisie
from models.demande import SAISIE, Demande
from models.errors import ParametreInvalide
from models.regle_validation import Regle

OUTSIDE = frozenset({"reference", "motif", "versionAttendue", "pourLeCompteDe"})
"""Fields of a body that are no part of what is asked."""


def read_saisie(type_: str, corps: Mapping[str, Any]) -> Saisie:
    """What a write asks, as the engine takes it."""
    return Saisie(
        type_,
        corps["reference"],
        {name: value for name, value in corps.items() if name not in OUTSIDE},
        corps.get("versionAttendue"),
        corps.get("motif"),
    )


def read_modification(type_: str, corps: Mapping[str, Any], fields: Sequence[str]) -> Saisie:
    """As `read_saisie`, of what changes at least one of these fields. Raises ParametreInvalide."""
    if not any(name in corps for name in fields):
        raise ParametreInvalide(fields[0])
    return read_saisie(type_, corps)


def read_filtre(
    statut: str | None,
    type_: str | None,
    objet_type: str | None,
    objet_id: str | None,
    saisie_par: str | None,
    a_valider: bool | None,
    date_debut: str | None,
    date_fin: str | None,
) -> FiltreDemandes:
    """The core's filter from the parameters of getListeDemandes."""
    return FiltreDemandes(
        statut,
        type_,
        objet_type,
        objet_id,
        saisie_par,
        bool(a_valider),
        *read_periode(date_debut, date_fin),
    )


def _render_ligne(demande: Demande) -> wire.LigneDemande:
    waits = demande.statut == SAISIE
    missing = demande.validations_requises - len(demande.validations)
    resultat = demande.resultat or {}
    return {
        "demandeId": demande.demande_id,
        "type": demande.type,
        "statut": demande.statut,
        "reference": demande.reference,
        "objetType": demande.objet_type,
        "objetId": demande.objet_id,
        "empreinte": demande.empreinte,
        "versionObjet": demande.version_objet,
        "montant": demande.montant,
        "unite": demande.unite,
        "validationsRequises": demande.validations_requises,
        "validationsManquantes": missing if waits else 0,
        "validations": [
            {"agentId": one.agent_id, "nom": one.nom, "date": format_instant(one.date)}
            for one in demande.validations
        ],
        "saisiePar": {
            "type": demande.saisie_par_type,
            "id": demande.saisie_par_id,
            "nom": demande.saisie_par_nom,
        },
        "saisieLe": format_instant(demande.saisie_le),
        "expireLe": format_instant(demande.expire_le),
        "traiteePar": demande.traitee_par,
        "traiteeLe": None if demande.traitee_le is None else format_instant(demande.traitee_le),
        "motif": demande.motif,
        "motifRejet": demande.motif_rejet,
        "resultat": {
            "clientId": resultat.get("clientId"),
            "reseauId": resultat.get("reseauId"),
            "membreId": resultat.get("membreId"),
            "profilId": resultat.get("profilId"),
            "carteId": resultat.get("carteId"),
            "numeroCarte": resultat.get("numeroCarte"),
            "consumerKey": resultat.get("consumerKey"),
            "agentId": resultat.get("agentId"),
            "numeroOperation": resultat.get("numeroOperation"),
            "plafondId": resultat.get("plafondId"),
            "cartes": resultat.get("cartes", []),
            "codeRetrait": resultat.get("codeRetrait"),
            "jetonsRevoques": resultat.get("jetonsRevoques"),
        },
    }


def render_demande(demande: Demande) -> Answer[wire.Demande]:
    """ReponseDemande."""
    item: wire.Demande = {**_render_ligne(demande), "contenu": demande.contenu}
    return Answer([item], replayed=demande.replayed)


def render_detail(lue: DemandeLue) -> Answer[wire.DemandeDetaillee]:
    """ReponseDemandeDetaillee."""
    item: wire.DemandeDetaillee = {
        **_render_ligne(lue.demande),
        "contenu": lue.demande.contenu,
        "etatActuel": lue.etat_actuel or {},
        "peutValider": lue.peut_valider,
        "raison": lue.raison,
    }
    return Answer([item])


def render_liste(
    page: PageDemandes,
) -> Answer[wire.LigneDemande, wire.ReponseListeDemandesBeside]:
    """ReponseListeDemandes."""
    return Answer(
        [_render_ligne(one) for one in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )


def render_liste_csv(lecture: LectureDemandes) -> TableAnswer:
    """ListeDemandesCsv."""

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        found, suite = lecture.read(connection, position)
        return [_render_ligne(one) for one in found], suite

    columns = tuple(wire.LigneDemande.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)


def render_regles(regles: list[Regle]) -> Answer[wire.RegleValidation]:
    """ReponseReglesValidation."""
    items: list[wire.RegleValidation] = [
        {
            "type": one.type,
            "montantMinimal": one.montant_minimal or None,
            "validations": one.validations,
            "minimum": one.minimum,
            "forte": one.forte,
            "memePersonne": one.meme_personne,
            "version": one.version,
        }
        for one in regles
    ]
    return Answer(items)
