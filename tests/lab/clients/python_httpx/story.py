"""The whole story with the client of openapi-python-client, as its README says to use it."""

import json
import os
import sys
from base64 import b64encode
from typing import Any

from cynod_httpx import AuthenticatedClient
from cynod_httpx.api.authentification import access_token
from cynod_httpx.api.cartes import get_liste_cartes, get_solde_carte
from cynod_httpx.api.mouvements import credit_carte, debit_carte
from cynod_httpx.models import (
    DemandeJeton,
    DemandeMouvement,
    Jeton,
    Refus,
    ReponseListeCartes,
    ReponseMouvement,
    ReponseSoldeCarte,
)
from cynod_httpx.types import Response

env = os.environ
carte, wallet, client_id = env["CARTE"], env["WALLET"], env["CLIENT"]


def authenticate() -> AuthenticatedClient:
    pair = b64encode(f"{env['KEY']}:{env['SECRET']}".encode()).decode()
    basic = AuthenticatedClient(base_url=env["URL"], token=pair, prefix="Basic")
    demande = DemandeJeton.from_dict({"grant_type": "client_credentials"})
    jeton = access_token.sync(client=basic, body=demande)
    assert isinstance(jeton, Jeton)
    seen["jeton"] = jeton.token_type
    return AuthenticatedClient(base_url=env["URL"], token=jeton.access_token)


def solde(client: AuthenticatedClient, numero: str) -> float:
    answer = get_solde_carte.sync(
        client=client, numero_carte=numero, wallet_id=wallet, client_id=client_id
    )
    assert isinstance(answer, ReponseSoldeCarte)
    return answer.data[0].solde_online


def pages(client: AuthenticatedClient) -> list[list[str]]:
    found: list[list[str]] = []
    curseur: str | None = None
    while True:
        if curseur is None:
            page = get_liste_cartes.sync(client=client, client_id=client_id, limite=2)
        else:
            page = get_liste_cartes.sync(
                client=client, client_id=client_id, limite=2, curseur=curseur
            )
        assert isinstance(page, ReponseListeCartes)
        found.append([one.numero_carte for one in page.data])
        curseur = page.curseur_suivant
        if curseur is None:
            return found


def etats(client: AuthenticatedClient) -> list[list[str | None]]:
    page = get_liste_cartes.sync(client=client, client_id=client_id)
    assert isinstance(page, ReponseListeCartes)
    return [[one.carte_id, one.statut, one.motif_statut] for one in page.data]


def demande(montant: int, reference: str, numero: str = carte) -> DemandeMouvement:
    return DemandeMouvement(
        numero_carte=numero,
        wallet_id=wallet,
        client_id=client_id,
        montant=montant,
        reference=f"{env['REFERENCE']}-{reference}",
    )


def moved(answer: Response[Refus | ReponseMouvement]) -> dict[str, object]:
    assert isinstance(answer.parsed, ReponseMouvement)
    mouvement = answer.parsed.data[0]
    return {
        "montant": mouvement.montant,
        "solde": mouvement.solde_online,
        "numero": mouvement.numero_operation,
        "rejoue": answer.headers.get("Idempotent-Replayed") == "true",
    }


def refused(answer: Response[Any]) -> dict[str, object]:
    assert isinstance(answer.parsed, Refus)
    return {"statut": answer.status_code.value, "code": answer.parsed.code}


seen: dict[str, object] = {}
client = authenticate()
seen["solde"] = solde(client, carte)
seen["pages"] = pages(client)
seen["credit"] = moved(credit_carte.sync_detailed(client=client, body=demande(1000, "C")))
seen["debit"] = moved(debit_carte.sync_detailed(client=client, body=demande(500, "D")))
seen["encore"] = moved(debit_carte.sync_detailed(client=client, body=demande(500, "D")))
seen["insuffisant"] = refused(
    debit_carte.sync_detailed(client=client, body=demande(999_999_999, "I"))
)
seen["inconnue"] = refused(
    get_solde_carte.sync_detailed(
        client=client, numero_carte="000000000000", wallet_id=wallet, client_id=client_id
    )
)
expired = AuthenticatedClient(base_url=env["URL"], token=env["EXPIRED"])
seen["expire"] = refused(
    get_solde_carte.sync_detailed(
        client=expired, numero_carte=carte, wallet_id=wallet, client_id=client_id
    )
)
down = AuthenticatedClient(base_url=env["DOWN"], token=env["DOWN_TOKEN"])
seen["indisponible"] = refused(
    debit_carte.sync_detailed(client=down, body=demande(500, "INDISPONIBLE"))
)
tomorrow = AuthenticatedClient(base_url=env["NEXT"], token="x")
seen["demain"] = {
    "solde": solde(tomorrow, carte),
    **refused(debit_carte.sync_detailed(client=tomorrow, body=demande(500, "X"))),
}
if "EMISE" in env:
    seen["etats"] = etats(client)
    seen["emise"] = refused(
        debit_carte.sync_detailed(client=client, body=demande(500, "E", env["EMISE"]))
    )
    suspended = AuthenticatedClient(base_url=env["URL"], token=env["SUSPENDED"])
    seen["suspendu"] = refused(
        get_solde_carte.sync_detailed(
            client=suspended, numero_carte=carte, wallet_id=wallet, client_id=client_id
        )
    )
sys.stdout.write(json.dumps(seen))
