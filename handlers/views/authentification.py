"""Tokens and rights on the wire."""

from __future__ import annotations

from datetime import datetime
from typing import Never

from handlers import wire
from handlers.answer import Answer
from handlers.views.formats import format_instant
from models.authentification import Jeton
from models.partenaire import Partenaire
from models.plafond import Reste


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
