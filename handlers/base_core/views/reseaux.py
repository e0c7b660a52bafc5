"""Réseaux on the wire."""

from __future__ import annotations

from handlers.answer import Answer
from handlers.base_core import wire
from models.back_office.reseaux import PageReseaux


def render_liste(page: PageReseaux) -> Answer[wire.Reseau, wire.ReponseListeReseauxBeside]:
    """ReponseListeReseaux."""
    items: list[wire.Reseau] = [
        {
            "reseauId": one.reseau_id,
            "nom": one.nom,
            "nombreClients": one.nombre_clients,
            "version": one.version,
        }
        for one in page.reseaux
    ]
    return Answer(items, {"curseurSuivant": page.curseur_suivant})
