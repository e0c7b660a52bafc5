"""The one way from a write of the back office to the engine."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core import wire
from handlers.base_core.views.demandes import render_demande
from handlers.settings import Settings
from models.back_office.moteur import Personne, Saisie, saisir


def enter(
    connection: Connection,
    personne: Personne,
    settings: Settings,
    saisie: Saisie,
    corps: Mapping[str, Any],
) -> Answer[wire.Demande]:
    """Enter a demande for a person, or for a machine that says for whom."""
    acteur = personne.acteur._replace(pour_le_compte_de=corps.get("pourLeCompteDe"))
    duree = timedelta(hours=settings.demande_duree_h)
    who = personne._replace(acteur=acteur)
    return render_demande(saisir(connection, who, saisie, duree=duree, pepper=settings.pepper))
