"""From the core's values to the wire: one function per response schema of the contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

from handlers import wire
from models.carte import Carte, CarteDuPorteur, CarteListee, Page
from models.mouvement import Demande
from models.operation import Operation
from models.partenaire import Jeton

if TYPE_CHECKING:
    from handlers.edge.contract import CatalogueEntry


@dataclass(frozen=True, slots=True)
class Answer:
    """A success: items of `data` (None for an answer without), fields beside it, a replay or not.

    The wrapper adds success, code and message, whose text the contract declares.
    """

    data: Sequence[Mapping[str, Any]] | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    replayed: bool = False


def format_instant(instant: datetime) -> str:
    """`dd-MM-yyyy HH:mm:ss`, in UTC, which is the time of Dakar."""
    return f"{instant:%d-%m-%Y %H:%M:%S}"


def format_jour(jour: date | None) -> str:
    """`dd/MM/yyyy`, empty for an unknown day."""
    return f"{jour:%d/%m/%Y}" if jour else ""


def render_solde(carte: Carte) -> Answer:
    """ReponseSoldeCarte."""
    item: wire.SoldeCarte = {
        "numeroCarte": carte.numero_carte,
        "soldeOnline": float(carte.solde),
        "dateSolde": format_instant(carte.date_solde),
        "unite": carte.unite,
    }
    return Answer([item])


def render_validite(carte: CarteDuPorteur) -> Answer:
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


def render_validite_membre(carte: CarteDuPorteur) -> Answer:
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


def render_liste(page: Page) -> Answer:
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


def render_mouvement(operation: Operation) -> Answer:
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
        numero_carte=corps["numeroCarte"],
        wallet_id=corps["walletId"],
        client_id=corps["clientId"],
        montant=corps["montant"],
        reference=corps["reference"],
        motif=corps.get("motif"),
        point_de_service=corps.get("pointDeService"),
        terminal=corps.get("terminal"),
    )


def render_jeton(jeton: Jeton) -> Answer:
    """Jeton."""
    return Answer(
        fields={
            "access_token": jeton.access_token,
            "token_type": "Bearer",
            "expires_in": jeton.duree_s,
            "scope": " ".join(sorted(jeton.scopes)),
        }
    )


def render_catalogue(entries: Sequence[CatalogueEntry]) -> Answer:
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


def render_sante() -> Answer:
    """Sante."""
    item: wire.Sante = {"statut": "ok"}
    return Answer(fields=item)
