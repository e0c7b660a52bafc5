"""Partners on the wire."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from handlers.answer import Answer
from handlers.base_core import wire
from handlers.base_core.views.demandes import read_modification
from handlers.views.formats import format_instant, format_jour
from models.adresse_vue import AdresseVue
from models.back_office.moteur import Saisie
from models.back_office.partenaires import FichePartenaire, LignePartenaire, PagePartenaires
from models.base import now
from models.plafond import Reste
from models.secret import SecretDuPartenaire


def read_modification_partenaire(corps: Mapping[str, Any]) -> Saisie:
    """What modifierPartenaire asks. Raises ParametreInvalide when it is nothing."""
    fields = ("nom", "scopes", "clients", "contactTechnique", "basicAutorise")
    return read_modification("modifierPartenaire", corps, fields)


def _render_ligne(ligne: LignePartenaire) -> wire.LignePartenaire:
    fiche = ligne.fiche
    return {
        "consumerKey": fiche.consumer_key,
        "nom": fiche.nom,
        "type": fiche.type,
        "statut": fiche.statut,
        "scopes": list(fiche.scopes),
        "clients": list(fiche.clients),
        "secretsActifs": ligne.secrets_actifs,
        "modeAdresses": fiche.mode_adresses,
        "dernierAppel": _instant(ligne.dernier_appel),
        "version": fiche.version,
    }


def _instant(moment: datetime | None) -> str | None:
    return None if moment is None else format_instant(moment)


def render_liste(
    page: PagePartenaires,
) -> Answer[wire.LignePartenaire, wire.ReponseListePartenairesBeside]:
    """ReponseListePartenaires."""
    return Answer(
        [_render_ligne(one) for one in page.lignes], {"curseurSuivant": page.curseur_suivant}
    )


def render_partenaire(lue: FichePartenaire) -> Answer[wire.PartenaireDetaille]:
    """ReponsePartenaire."""
    fiche = lue.ligne.fiche
    moment = now()
    item: wire.PartenaireDetaille = {
        **_render_ligne(lue.ligne),
        "basicAutorise": fiche.basic_autorise,
        "contactTechnique": {
            "email": fiche.contact_email,
            "telephone": fiche.contact_telephone,
        },
        "adresses": list(fiche.adresses),
        "adressesVues": [_render_adresse(one) for one in lue.adresses_vues],
        "secrets": [_render_secret(one, moment) for one in lue.secrets],
        "plafonds": [_render_plafond(one) for one in lue.plafonds],
        "demandesEnAttente": lue.demandes_en_attente,
    }
    return Answer([item])


def _render_adresse(vue: AdresseVue) -> wire.AdresseVue:
    return {
        "adresse": vue.adresse,
        "jour": format_jour(vue.jour),
        "appels": vue.appels,
        "refus": vue.refus,
    }


def _render_secret(secret: SecretDuPartenaire, moment: datetime) -> wire.SecretBo:
    return {
        "secretId": secret.secret_id,
        "fin4": secret.fin4,
        "creeLe": format_instant(secret.cree_le),
        "expireLe": _instant(secret.expire_le),
        "dernierUsage": format_jour(secret.dernier_usage) or None,
        "statut": secret.statut(moment),
        "retireLe": _instant(secret.retire_le),
    }


def _render_plafond(reste: Reste) -> wire.PlafondRestant:
    return {
        "type": reste.type,
        "periode": reste.periode,
        "montantMaximal": reste.montant_maximal,
        "montantRestant": reste.montant_restant,
        "nombreMaximal": reste.nombre_maximal,
        "nombreRestant": reste.nombre_restant,
    }
