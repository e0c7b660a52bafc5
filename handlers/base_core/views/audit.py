"""The audit on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.base_core import wire
from handlers.views.formats import format_instant, read_periode
from models.audit import PREMIERE
from models.back_office.audits import FiltreAudit, LectureAudit, LigneAudit, PageAudit
from models.books.chaine import Verification


def read_filtre(
    acteur_id: str | None,
    objet_type: str | None,
    objet_id: str | None,
    action: str | None,
    demande_id: str | None,
    request_id: str | None,
    date_debut: str | None,
    date_fin: str | None,
) -> FiltreAudit:
    """The core's filter from the parameters of getAudit."""
    periode = read_periode(date_debut, date_fin)
    return FiltreAudit(acteur_id, objet_type, objet_id, action, demande_id, request_id, *periode)


def read_part(corps: wire.VerificationAuditDemandee) -> dict[str, Any]:
    """Which positions verifierAudit is asked to prove, all when it names none."""
    return {"depuis": corps.get("depuis", 1), "jusqua": corps.get("jusqua")}


def _render_ligne(ligne: LigneAudit) -> wire.LigneAudit:
    return {
        "position": ligne.position,
        "date": format_instant(ligne.date),
        "acteurType": ligne.acteur_type,
        "acteurId": ligne.acteur_id,
        "acteurNom": ligne.acteur_nom,
        "viaApplication": ligne.via_application,
        "pourLeCompteDe": ligne.pour_le_compte_de,
        "adresse": ligne.adresse,
        "requestId": ligne.request_id,
        "action": ligne.action,
        "objetType": ligne.objet_type,
        "objetId": ligne.objet_id,
        "demandeId": ligne.demande_id,
        "avant": ligne.avant or {},
        "apres": ligne.apres or {},
        "motif": ligne.motif,
        "memePersonne": ligne.meme_personne,
        "empreintePrecedente": ligne.empreinte_precedente,
        "empreinte": ligne.empreinte,
    }


def render_liste(page: PageAudit) -> Answer[wire.LigneAudit, wire.ReponseAuditBeside]:
    """ReponseAudit."""
    return Answer(
        [_render_ligne(one) for one in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )


def render_liste_csv(lecture: LectureAudit) -> TableAnswer:
    """AuditCsv."""

    def read(
        connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        found, suite = lecture.read(connection, position)
        return [_render_ligne(one) for one in found], suite

    columns = tuple(wire.LigneAudit.__annotations__)
    return TableAnswer(columns, read, lecture.position, lecture.curseur_suivant)


def render_verification(proved: Verification) -> Answer[wire.VerificationAudit]:
    """ReponseVerificationAudit."""
    rupture, tete = proved.rupture, proved.tete
    item: wire.VerificationAudit = {
        "lignes": proved.lignes,
        "premiere": proved.premiere,
        "derniere": proved.derniere,
        "intacte": rupture is None,
        "premiereRupture": None if rupture is None else rupture.position,
        "tete": PREMIERE if tete is None else tete.empreinte,
    }
    return Answer([item])
