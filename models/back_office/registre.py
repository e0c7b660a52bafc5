"""Every type of demande, by the operation that asks it."""

from __future__ import annotations

from models.back_office import (
    agents,
    cartes,
    clients,
    fonds,
    membres,
    partenaires,
    plafonds,
    profils,
    regles,
    reseaux,
)
from models.back_office.type_demande import TypeDemande

TYPES: dict[str, TypeDemande] = {
    one.nom: one
    for one in (
        *(agents.SAISIR, agents.MODIFIER, agents.CHANGER_STATUT),
        regles.SAISIR,
        *(clients.SAISIR, clients.MODIFIER, clients.CHANGER_STATUT, clients.AFFECTER_RESEAU),
        reseaux.SAISIR,
        *(profils.SAISIR, profils.MODIFIER),
        *(cartes.EMETTRE, cartes.ACTIVER, cartes.OPPOSER, cartes.LEVER),
        *(cartes.ANNULER, cartes.RENOUVELER, cartes.REMPLACER),
        *(fonds.TRANSFERER, fonds.CORRIGER),
        *(plafonds.SAISIR_CARTE, plafonds.RETIRER_CARTE),
        *(plafonds.SAISIR_PARTENAIRE, plafonds.RETIRER_PARTENAIRE),
        *(membres.SAISIR, membres.MODIFIER, membres.CHANGER_STATUT),
        *(partenaires.SAISIR, partenaires.MODIFIER, partenaires.CHANGER_STATUT),
        *(partenaires.SAISIR_ADRESSES, partenaires.RENOUVELER_SECRET),
        *(partenaires.REVOQUER_SECRET, partenaires.REVOQUER_JETONS),
    )
}
