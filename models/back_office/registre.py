"""Every type of demande, by the operation that asks it."""

from __future__ import annotations

from models.back_office import agents, regles
from models.back_office.type_demande import TypeDemande

TYPES: dict[str, TypeDemande] = {
    one.nom: one for one in (agents.SAISIR, agents.MODIFIER, agents.CHANGER_STATUT, regles.SAISIR)
}
