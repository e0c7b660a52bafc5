"""From the core's values to the wire: one function per response schema of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any, Never

from sqlalchemy import Connection

from handlers import wire
from handlers.answer import Answer, TableAnswer
from handlers.contract.model import CatalogueEntry, SelfCheck
from models.base import today
from models.carte import Carte, CarteDuPorteur, CarteListee, Page
from models.errors import ParametreInvalide
from models.historique import Filtre, Lecture, Ligne, PageHistorique
from models.journal import Details
from models.mouvement import CarteDesignee, Demande
from models.operation import Operation
from models.partenaire import Jeton, Partenaire
from models.plafond import Reste
from models.rapprochement import LigneDuPartenaire, Rapprochement
from models.suivi import Cloture


def format_instant(instant: datetime) -> str:
    """`dd-MM-yyyy HH:mm:ss`, in UTC, which is the time of Dakar."""
    return f"{instant:%d-%m-%Y %H:%M:%S}"


def format_jour(jour: date | None) -> str:
    """`dd/MM/yyyy`, empty for an unknown day."""
    return f"{jour:%d/%m/%Y}" if jour else ""


def render_solde(carte: Carte) -> Answer[wire.SoldeCarte]:
    """ReponseSoldeCarte."""
    item: wire.SoldeCarte = {
        "numeroCarte": carte.numero_carte,
        "soldeOnline": float(carte.solde),
        "dateSolde": format_instant(carte.date_solde),
        "unite": carte.unite,
    }
    return Answer([item])


def render_validite(carte: CarteDuPorteur) -> Answer[wire.ValiditeCarte]:
    """ReponseValiditeCarte."""
    item: wire.ValiditeCarte = {
        "numeroCarte": carte.numero_carte,
        "finValidite": format_jour(carte.fin_validite),
        "nom": carte.nom,
        "prenom": carte.prenom,
        "email": carte.email,
        "telephone": carte.telephone,
        "numeroPiece": carte.numero_piece,
        "dateNaissance": format_jour(carte.date_naissance),
    }
    return Answer([item])


def render_validite_membre(carte: CarteDuPorteur) -> Answer[wire.ValiditeCarteMembre]:
    """ReponseValiditeCarteMembre."""
    item: wire.ValiditeCarteMembre = {
        "numeroCarte": carte.numero_carte,
        "membreId": carte.membre_id,
        "finValidite": format_jour(carte.fin_validite),
        "nom": carte.nom,
        "prenom": carte.prenom,
        "email": carte.email,
        "telephone": carte.telephone,
        "numeroPiece": carte.numero_piece,
        "dateNaissance": format_jour(carte.date_naissance),
    }
    return Answer([item])


def render_liste(page: Page) -> Answer[wire.CarteListe, wire.ReponseListeCartesBeside]:
    """ReponseListeCartes."""
    return Answer(
        [_render_carte_listee(carte) for carte in page.cartes],
        {"curseurSuivant": page.curseur_suivant},
    )


def _render_carte_listee(carte: CarteListee) -> wire.CarteListe:
    return {
        "numeroCarte": carte.numero_carte,
        "membreId": carte.membre_id,
        "porteur": f"{carte.prenom} {carte.nom}".strip(),
        "statut": carte.statut,
        "finValidite": format_jour(carte.fin_validite),
        "soldeOnline": float(carte.solde),
        "unite": carte.unite,
    }


def render_mouvement(operation: Operation) -> Answer[wire.Mouvement]:
    """ReponseMouvement."""
    item: wire.Mouvement = {
        "reference": operation.reference,
        "numeroOperation": operation.numero_operation,
        "type": operation.type,
        "statut": operation.statut,
        "numeroCarte": operation.numero_carte,
        "montant": operation.montant,
        "unite": operation.unite,
        "soldeOnline": float(operation.solde),
        "dateOperation": format_instant(operation.date_operation),
    }
    return Answer([item], replayed=operation.replayed)


def read_demande(corps: wire.DemandeMouvement) -> Demande:
    """The core's request from DemandeMouvement."""
    return Demande(
        carte=CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"]),
        montant=corps["montant"],
        reference=corps["reference"],
        details=Details(corps.get("motif"), corps.get("pointDeService"), corps.get("terminal")),
    )


def read_transfert(corps: wire.DemandeTransfert) -> Demande:
    """The core's request from DemandeTransfert."""
    return Demande(
        carte=CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"]),
        montant=corps["montant"],
        reference=corps["reference"],
        details=Details(corps.get("motif")),
        destination=CarteDesignee(
            corps["numeroCarteDestination"],
            corps["walletIdDestination"],
            corps["clientIdDestination"],
        ),
    )


def read_jour(text: str, parametre: str) -> date:
    """The day of a `dd/MM/yyyy`. Raises ParametreInvalide when the calendar does not have it."""
    try:
        return date(int(text[6:]), int(text[3:5]), int(text[:2]))
    except ValueError:
        raise ParametreInvalide(parametre) from None


def read_filtre(date_debut: str | None, date_fin: str | None, type_: str | None) -> Filtre:
    """The core's filter from the parameters of getHistoriqueCarte."""
    return Filtre(
        read_jour(date_debut, "dateDebut") if date_debut else None,
        read_jour(date_fin, "dateFin") if date_fin else None,
        type_,
    )


def read_lignes(corps: wire.DemandeRapprochement) -> tuple[date, list[LigneDuPartenaire]]:
    """The day, today unless told, and the partner's lines, from DemandeRapprochement."""
    jour = read_jour(corps["jour"], "jour") if "jour" in corps else today()
    lignes = [
        LigneDuPartenaire(ligne["reference"], ligne["montant"], ligne["type"])
        for ligne in corps["lignes"]
    ]
    return jour, lignes


def render_operation(operation: Operation) -> Answer[wire.Operation]:
    """ReponseOperation."""
    item: wire.Operation = {
        "reference": operation.reference,
        "numeroOperation": operation.numero_operation,
        "type": operation.type,
        "statut": operation.statut,
        "numeroCarte": operation.numero_carte,
        "numeroCarteDestination": operation.numero_carte_destination,
        "montant": operation.montant,
        "unite": operation.unite,
        "soldeOnline": float(operation.solde),
        "dateOperation": format_instant(operation.date_operation),
        "motif": operation.motif,
        "pointDeService": operation.point_de_service,
        "terminal": operation.terminal,
        "annulationDe": operation.annulation_de,
        "annuleePar": operation.annulee_par,
    }
    return Answer([item], replayed=operation.replayed)


def render_cloture(cloture: Cloture) -> Answer[wire.Cloture]:
    """ReponseCloture."""
    item: wire.Cloture = {
        "reference": cloture.reference,
        "etat": cloture.etat,
        "numeroOperation": cloture.numero_operation,
        "date": format_instant(cloture.date),
    }
    return Answer([item], replayed=cloture.replayed)


def _render_ligne(ligne: Ligne) -> wire.LigneHistorique:
    return {
        "numeroOperation": ligne.numero_operation,
        "reference": ligne.reference,
        "type": ligne.type,
        "sens": ligne.sens,
        "montant": ligne.montant,
        "unite": ligne.unite,
        "soldeOnline": float(ligne.solde),
        "dateOperation": format_instant(ligne.date_operation),
        "motif": ligne.motif,
        "pointDeService": ligne.point_de_service,
        "terminal": ligne.terminal,
    }


def render_historique(
    page: PageHistorique,
) -> Answer[wire.LigneHistorique, wire.ReponseHistoriqueBeside]:
    """ReponseHistorique."""
    return Answer(
        [_render_ligne(ligne) for ligne in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )


def render_historique_csv(lecture: Lecture) -> TableAnswer:
    """HistoriqueCsv."""

    def read(
        session: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        lignes, suite = lecture.read(session, position)
        return [_render_ligne(ligne) for ligne in lignes], suite

    return TableAnswer(tuple(wire.LigneHistorique.__annotations__), read, lecture.position)


def render_rapprochement(
    rapprochement: Rapprochement,
) -> Answer[wire.LigneRapprochee, wire.ReponseRapprochementBeside]:
    """ReponseRapprochement."""
    items: list[wire.LigneRapprochee] = [
        {
            "reference": ligne.reference,
            "resultat": ligne.resultat,
            "type": ligne.type,
            "montant": ligne.montant,
            "typePartenaire": ligne.type_partenaire,
            "montantPartenaire": ligne.montant_partenaire,
            "numeroOperation": ligne.numero_operation,
            "dateOperation": (
                format_instant(ligne.date_operation) if ligne.date_operation else None
            ),
        }
        for ligne in rapprochement.lignes
    ]
    return Answer(items, {"absentes": rapprochement.absentes})


def render_droits(
    partenaire: Partenaire, clients: list[str], fin: datetime | None, restes: list[Reste]
) -> Answer[wire.Droits]:
    """ReponseDroits."""
    item: wire.Droits = {
        "partenaire": partenaire.nom,
        "consumerKey": partenaire.consumer_key,
        "scopes": sorted(partenaire.scopes),
        "clients": clients,
        "finIdentifiants": format_instant(fin) if fin else None,
        "plafonds": [
            {
                "type": reste.type,
                "periode": reste.periode,
                "montantMaximal": reste.montant_maximal,
                "montantRestant": reste.montant_restant,
                "nombreMaximal": reste.nombre_maximal,
                "nombreRestant": reste.nombre_restant,
            }
            for reste in restes
        ],
    }
    return Answer([item])


def render_jeton(jeton: Jeton) -> Answer[Never, wire.JetonBeside]:
    """Jeton."""
    return Answer(
        None,
        {
            "access_token": jeton.access_token,
            "token_type": "Bearer",
            "expires_in": jeton.duree_s,
            "scope": " ".join(sorted(jeton.scopes)),
        },
    )


def render_catalogue(entries: Sequence[CatalogueEntry]) -> Answer[wire.CodeErreurCatalogue]:
    """ReponseCodesErreur."""
    items: list[wire.CodeErreurCatalogue] = [
        {
            "code": entry.code,
            "nom": entry.nom,
            "statutHttp": entry.statut,
            "message": {"fr": entry.message["fr"], "en": entry.message["en"]},
            "conseil": {"fr": entry.conseil["fr"], "en": entry.conseil["en"]},
            "reessayer": entry.reessayer,
        }
        for entry in entries
    ]
    return Answer(items)


def render_conformite(conformite: SelfCheck) -> Answer[wire.Conformite]:
    """ReponseConformite."""
    item: wire.Conformite = {
        "version": conformite.version,
        "empreinte": conformite.sha256,
        "dernierControle": format_instant(conformite.checked),
        "operationsFacultatives": [
            {"operation": name, "activee": offered}
            for name, offered in conformite.optional_operations
        ],
    }
    return Answer([item])


def render_sante() -> Answer[Never, wire.Sante]:
    """Sante."""
    return Answer(None, {"statut": "ok"})
