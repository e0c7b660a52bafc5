"""Tokens and rights on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Never

from handlers import wire
from handlers.answer import Answer
from handlers.contract.model import Contract
from handlers.contract.scopes import declared_scopes
from handlers.views.formats import format_instant, format_jour
from models.authentification import EtatJeton, Jeton
from models.base import now
from models.mouvement import CarteDesignee
from models.opposition import DemandeLevee, DemandeOpposition, EtatCarte
from models.partenaire import Partenaire
from models.plafond import Reste
from models.retrait import Retrait
from models.rotation import (
    DELAI_HEURES,
    DemandeRenouvellement,
    DemandeRevocation,
    SecretRenouvele,
    SecretRevoque,
)
from models.secret import SecretDuPartenaire


def render_droits(
    partenaire: Partenaire,
    clients: list[str],
    secrets: list[SecretDuPartenaire],
    restes: list[Reste],
    adresse: str,
) -> Answer[wire.Droits]:
    """ReponseDroits: `secrets` are those that open something, `adresse` is where the call came from."""
    ends = [one.expire_le for one in secrets]
    fin = None if None in ends else max((end for end in ends if end is not None), default=None)
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
        "adresses": list(partenaire.adresses),
        "modeAdresses": partenaire.mode_adresses,
        "adresse": adresse,
        "secretsActifs": len(secrets),
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


def render_retrait(retrait: Retrait) -> Answer[wire.SecretRetire]:
    """ReponseRetraitSecret."""
    item: wire.SecretRetire = {
        "consumerKey": retrait.consumer_key,
        "consumerSecret": retrait.consumer_secret,
        "secretId": retrait.secret_id,
    }
    return Answer([item])


def render_secrets(secrets: list[SecretDuPartenaire]) -> Answer[wire.SecretDuPartenaire]:
    """ReponseMesSecrets."""
    moment = now()
    return Answer([_render_secret(secret, moment) for secret in secrets])


def _render_secret(secret: SecretDuPartenaire, moment: datetime) -> wire.SecretDuPartenaire:
    return {
        "secretId": secret.secret_id,
        "fin4": secret.fin4,
        "creeLe": format_instant(secret.cree_le),
        "expireLe": format_instant(secret.expire_le) if secret.expire_le else None,
        "dernierUsage": format_jour(secret.dernier_usage) or None,
        "statut": secret.statut(moment),
    }


def read_renouvellement(corps: wire.DemandeRenouvellement) -> DemandeRenouvellement:
    """The core's request from DemandeRenouvellement."""
    return DemandeRenouvellement(corps.get("delaiHeures", DELAI_HEURES), corps["reference"])


def render_secret_renouvele(made: SecretRenouvele) -> Answer[wire.SecretRenouvele]:
    """ReponseRenouvellement."""
    item: wire.SecretRenouvele = {
        "reference": made.reference,
        "secretId": made.secret_id,
        "consumerKey": made.consumer_key,
        "consumerSecret": made.consumer_secret,
        "fin4": made.fin4,
        "creeLe": format_instant(made.cree_le),
        "secretRemplace": made.remplace,
        "finSecretRemplace": format_instant(made.fin_remplace) if made.fin_remplace else None,
    }
    return Answer([item], replayed=made.replayed)


def read_revocation_secret(corps: wire.DemandeRevocationSecret) -> DemandeRevocation:
    """The core's request from DemandeRevocationSecret."""
    return DemandeRevocation(corps["secretId"], corps.get("avecJetons", False), corps["reference"])


def render_secret_revoque(ended: SecretRevoque) -> Answer[wire.SecretRevoque]:
    """ReponseRevocationSecret."""
    item: wire.SecretRevoque = {
        "reference": ended.reference,
        "secretId": ended.secret_id,
        "statut": ended.statut,
        "revoqueLe": format_instant(ended.revoque_le),
        "jetonsRevoques": ended.jetons_revoques,
    }
    return Answer([item], replayed=ended.replayed)


def render_revocation_jeton() -> Answer[Never, wire.RevocationJeton]:
    """RevocationJeton."""
    return Answer(None, {})


def render_etat_jeton(etat: EtatJeton | None) -> Answer[Never, wire.EtatJeton]:
    """EtatJeton: of a token that opens nothing for the partner, nothing else."""
    if etat is None:
        return Answer(None, {"active": False})
    return Answer(
        None,
        {
            "active": True,
            "scope": " ".join(sorted(etat.scopes)),
            "client_id": etat.consumer_key,
            "exp": int(etat.expire_le.timestamp()),
            "iat": int(etat.emis_le.timestamp()),
            "token_type": "Bearer",
        },
    )


_BY_BASIC, _IN_FORM = "client_secret_basic", "client_secret_post"


def render_metadonnees_oauth(contract: Contract, base: str) -> Answer[Never, wire.MetadonneesOauth]:
    """MetadonneesOauth: what the contract says, at the address under which partners reach the server."""
    return Answer(
        None,
        {
            "issuer": base,
            "token_endpoint": f"{base}{contract.operations['accessToken'].path}",
            "token_endpoint_auth_methods_supported": [_BY_BASIC, _IN_FORM],
            "revocation_endpoint": f"{base}{contract.operations['revoquerJeton'].path}",
            "revocation_endpoint_auth_methods_supported": [_BY_BASIC, _IN_FORM],
            "introspection_endpoint": f"{base}{contract.operations['introspecterJeton'].path}",
            "introspection_endpoint_auth_methods_supported": [_BY_BASIC],
            "grant_types_supported": ["client_credentials"],
            # RFC 8414 wants one, and no page of ours gives a token; clients refuse an empty list.
            "response_types_supported": ["none"],
            "scopes_supported": list(declared_scopes(contract.document)),
            "service_documentation": f"{base}/",
        },
    )


def render_metadonnees_ressource(
    contract: Contract, base: str
) -> Answer[Never, wire.MetadonneesRessource]:
    """MetadonneesRessource: the API is the resource, and issues its own tokens."""
    return Answer(
        None,
        {
            "resource": base,
            "authorization_servers": [base],
            "scopes_supported": list(declared_scopes(contract.document)),
            "bearer_methods_supported": ["header"],
            "resource_name": contract.document["info"]["title"],
            "resource_documentation": f"{base}/",
        },
    )


def read_opposition(corps: wire.DemandeOpposition) -> DemandeOpposition:
    """The core's request from DemandeOpposition."""
    carte = CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"])
    return DemandeOpposition(carte, corps["motifOpposition"], corps["reference"])


def read_levee(corps: wire.DemandeLevee) -> DemandeLevee:
    """The core's request from DemandeLevee."""
    carte = CarteDesignee(corps["numeroCarte"], corps["walletId"], corps["clientId"])
    return DemandeLevee(carte, corps["reference"])


def render_opposition(etat: EtatCarte) -> Answer[wire.Opposition]:
    """ReponseOpposition."""
    item: wire.Opposition = {
        "reference": etat.reference,
        "numeroCarte": etat.numero_carte,
        "statut": etat.statut,
        "motifOpposition": etat.motif,
        "dateOpposition": format_instant(etat.depuis),
    }
    return Answer([item], replayed=etat.replayed)


def render_levee(etat: EtatCarte) -> Answer[wire.Levee]:
    """ReponseLevee."""
    item: wire.Levee = {
        "reference": etat.reference,
        "numeroCarte": etat.numero_carte,
        "statut": etat.statut,
        "dateLevee": format_instant(etat.depuis),
    }
    return Answer([item], replayed=etat.replayed)
