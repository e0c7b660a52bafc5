"""The whole story with the client of openapi-generator for Python, as its README says to use it."""

import json
import os
import sys
from collections.abc import Callable
from typing import Any

from cynod_client import (
    ApiClient,
    ApiException,
    ApiResponse,
    AuthentificationApi,
    CartesApi,
    Configuration,
    DemandeMouvement,
    MouvementsApi,
    Refus,
    ReponseMouvement,
)

env = os.environ
carte, wallet, client_id = env["CARTE"], env["WALLET"], env["CLIENT"]


def api(url: str, token: str | None = None) -> ApiClient:
    return ApiClient(Configuration(host=url, access_token=token))


def token() -> str:
    jeton = AuthentificationApi(api(env["URL"])).access_token(
        grant_type="client_credentials", client_id=env["KEY"], client_secret=env["SECRET"]
    )
    seen["jeton"] = jeton.token_type
    return jeton.access_token


def solde(client: ApiClient) -> float:
    answer = CartesApi(client).get_solde_carte(
        numero_carte=carte, wallet_id=wallet, client_id=client_id
    )
    return answer.data[0].solde_online


def pages(client: ApiClient) -> list[list[str]]:
    found: list[list[str]] = []
    curseur: str | None = None
    while True:
        page = CartesApi(client).get_liste_cartes(client_id=client_id, limite=2, curseur=curseur)
        found.append([one.numero_carte for one in page.data])
        curseur = page.curseur_suivant
        if curseur is None:
            return found


def etats(client: ApiClient) -> list[list[str | None]]:
    page = CartesApi(client).get_liste_cartes(client_id=client_id)
    return [[one.carte_id, one.statut, one.motif_statut] for one in page.data]


def demande(montant: int, reference: str, numero: str = carte) -> DemandeMouvement:
    return DemandeMouvement(
        numeroCarte=numero,
        walletId=wallet,
        clientId=client_id,
        montant=montant,
        reference=f"{env['REFERENCE']}-{reference}",
    )


def moved(answer: ApiResponse[ReponseMouvement]) -> dict[str, object]:
    mouvement = answer.data.data[0]
    headers = {name.lower(): value for name, value in (answer.headers or {}).items()}
    return {
        "montant": mouvement.montant,
        "solde": mouvement.solde_online,
        "numero": mouvement.numero_operation,
        "rejoue": headers.get("idempotent-replayed") == "true",
    }


def refused(call: Callable[[], Any]) -> dict[str, object]:
    try:
        call()
    except ApiException as error:
        refus: Refus | None = error.data
        return {"statut": error.status, "code": refus.code if refus else None}
    raise AssertionError("it was not refused")


seen: dict[str, object] = {}
client = api(env["URL"], token())
mouvements = MouvementsApi(client)
seen["solde"] = solde(client)
seen["pages"] = pages(client)
seen["credit"] = moved(mouvements.credit_carte_with_http_info(demande(1000, "C")))
seen["debit"] = moved(mouvements.debit_carte_with_http_info(demande(500, "D")))
seen["encore"] = moved(mouvements.debit_carte_with_http_info(demande(500, "D")))
seen["insuffisant"] = refused(lambda: mouvements.debit_carte(demande(999_999_999, "I")))
seen["inconnue"] = refused(
    lambda: CartesApi(client).get_solde_carte("000000000000", wallet, client_id)
)
expired = api(env["URL"], env["EXPIRED"])
seen["expire"] = refused(lambda: CartesApi(expired).get_solde_carte(carte, wallet, client_id))
down = MouvementsApi(api(env["DOWN"], env["DOWN_TOKEN"]))
seen["indisponible"] = refused(lambda: down.debit_carte(demande(500, "INDISPONIBLE")))
tomorrow = api(env["NEXT"], "x")
seen["demain"] = {
    "solde": solde(tomorrow),
    **refused(lambda: MouvementsApi(tomorrow).debit_carte(demande(500, "X"))),
}
if "EMISE" in env:
    seen["etats"] = etats(client)
    seen["emise"] = refused(lambda: mouvements.debit_carte(demande(500, "E", env["EMISE"])))
    suspended = api(env["URL"], env["SUSPENDED"])
    seen["suspendu"] = refused(
        lambda: CartesApi(suspended).get_solde_carte(carte, wallet, client_id)
    )
sys.stdout.write(json.dumps(seen))
