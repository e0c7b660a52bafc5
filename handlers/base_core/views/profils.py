"""Card profiles on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.answer import Answer
from handlers.base_core import wire
from handlers.base_core.views.demandes import read_modification
from models.back_office.moteur import Saisie
from models.back_office.profils import PageProfils
from models.profil_carte import Profil


def read_modification_profil(corps: Mapping[str, Any]) -> Saisie:
    """What modifierProfilCarte asks. Raises ParametreInvalide when it is nothing."""
    fields = (
        *("nom", "unite", "validiteMois", "prefixe"),
        *("plafonds", "horsLigneAutorise", "statut"),
    )
    return read_modification("modifierProfilCarte", corps, fields)


def _render_profil(profil: Profil) -> wire.ProfilCarte:
    return {
        "profilId": profil.profil_id,
        "nom": profil.nom,
        "unite": profil.unite,
        "validiteMois": profil.validite_mois,
        "prefixe": profil.prefixe,
        "plafonds": [
            {
                "type": one.type,
                "periode": one.periode,
                "montantMaximal": one.montant_maximal,
                "nombreMaximal": one.nombre_maximal,
            }
            for one in profil.plafonds
        ],
        "horsLigneAutorise": profil.hors_ligne_autorise,
        "statut": profil.statut,
        "version": profil.version,
    }


def render_liste(
    page: PageProfils,
) -> Answer[wire.ProfilCarte, wire.ReponseListeProfilsCarteBeside]:
    """ReponseListeProfilsCarte."""
    return Answer(
        [_render_profil(one) for one in page.profils], {"curseurSuivant": page.curseur_suivant}
    )
