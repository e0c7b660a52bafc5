"""The whole story with the models of datamodel-code-generator, which makes no calls: httpx makes them."""

import json
import os
import sys
from typing import TypeVar

import cynod
import httpx
from pydantic import BaseModel

env = os.environ
carte = {"numeroCarte": env["CARTE"], "walletId": env["WALLET"], "clientId": env["CLIENT"]}
Read = TypeVar("Read", bound=BaseModel)


def api(url: str, token: str) -> httpx.Client:
    return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"})


def token() -> str:
    form = {
        "grant_type": "client_credentials",
        "client_id": env["KEY"],
        "client_secret": env["SECRET"],
    }
    cynod.DemandeJeton.model_validate(form)
    jeton = read(cynod.Jeton, httpx.post(f"{env['URL']}/access-token", data=form))
    seen["jeton"] = jeton.token_type
    return jeton.access_token


def read(model: type[Read], answer: httpx.Response) -> Read:
    assert answer.status_code == 200, answer.text
    return model.model_validate_json(answer.content)


def balance(client: httpx.Client, **other: str) -> httpx.Response:
    return client.get("/get-solde-carte", params={**carte, **other})


def solde(client: httpx.Client) -> float:
    return read(cynod.ReponseSoldeCarte, balance(client)).data[0].soldeOnline.root


def pages(client: httpx.Client) -> list[list[str]]:
    found: list[list[str]] = []
    query = {"clientId": carte["clientId"], "limite": "2"}
    while True:
        page = read(cynod.ReponseListeCartes, client.get("/get-liste-cartes", params=query))
        found.append([one.numeroCarte.root for one in page.data])
        if page.curseurSuivant is None:
            return found
        query["curseur"] = page.curseurSuivant


def etats(client: httpx.Client) -> list[list[str | None]]:
    query = {"clientId": carte["clientId"]}
    page = read(cynod.ReponseListeCartes, client.get("/get-liste-cartes", params=query))
    return [[one.carteId.root, one.statut, one.motifStatut] for one in page.data]


def move(
    client: httpx.Client, path: str, montant: int, reference: str, **other: str
) -> httpx.Response:
    demande = cynod.DemandeMouvement.model_validate(
        {**carte, **other, "montant": montant, "reference": f"{env['REFERENCE']}-{reference}"}
    )
    return client.post(path, json=demande.model_dump(mode="json", exclude_none=True))


def moved(answer: httpx.Response) -> dict[str, object]:
    mouvement = read(cynod.ReponseMouvement, answer).data[0]
    return {
        "montant": mouvement.montant.root,
        "solde": mouvement.soldeOnline.root,
        "numero": mouvement.numeroOperation.root,
        "rejoue": answer.headers.get("Idempotent-Replayed") == "true",
    }


def refused(answer: httpx.Response) -> dict[str, object]:
    refus = cynod.Refus.model_validate_json(answer.content)
    return {"statut": answer.status_code, "code": refus.code.root}


seen: dict[str, object] = {}
client = api(env["URL"], token())
seen["solde"] = solde(client)
seen["pages"] = pages(client)
seen["credit"] = moved(move(client, "/credit-carte", 1000, "C"))
seen["debit"] = moved(move(client, "/debit-carte", 500, "D"))
seen["encore"] = moved(move(client, "/debit-carte", 500, "D"))
seen["insuffisant"] = refused(move(client, "/debit-carte", 999_999_999, "I"))
seen["inconnue"] = refused(balance(client, numeroCarte="000000000000"))
seen["expire"] = refused(balance(api(env["URL"], env["EXPIRED"])))
seen["indisponible"] = refused(
    move(api(env["DOWN"], env["DOWN_TOKEN"]), "/debit-carte", 500, "INDISPONIBLE")
)
tomorrow = api(env["NEXT"], "x")
seen["demain"] = {
    "solde": solde(tomorrow),
    **refused(move(tomorrow, "/debit-carte", 500, "X")),
}
seen["etats"] = etats(client)
seen["emise"] = refused(move(client, "/debit-carte", 500, "E", numeroCarte=env["EMISE"]))
seen["suspendu"] = refused(balance(api(env["URL"], env["SUSPENDED"])))
sys.stdout.write(json.dumps(seen))
