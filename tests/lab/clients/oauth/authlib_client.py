"""Authlib, as its page on OAuth 2 sessions of httpx says to use it."""

import json
import os
import sys

from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client

env = os.environ
CARTE = {"numeroCarte": env["CARTE"], "walletId": env["WALLET"], "clientId": env["CLIENT"]}


def client(secret: str, url: str) -> OAuth2Client:
    """A session that asks for tokens, and for another one when its own has expired."""
    return OAuth2Client(
        env["KEY"],
        secret,
        token_endpoint=f"{url}/access-token",
        grant_type="client_credentials",
        base_url=url,
        trust_env=False,
    )


with client(env["SECRET"], env["URL"]) as api:
    jeton = api.fetch_token()
    solde = api.get("/get-solde-carte", params=CARTE).json()["data"][0]["soldeOnline"]

with client(env["SECRET"], env["SHORT_URL"]) as api:
    first = api.fetch_token()["access_token"]
    # Within a minute of its end, the session renews it by itself.
    status = api.get("/get-solde-carte", params=CARTE).status_code
    renewed = status == 200 and api.token["access_token"] != first

refusal = None
with client(env["SECRET"] + "x", env["URL"]) as api:
    try:
        api.fetch_token()
    except OAuthError as error:
        refusal = {"error": error.error}

json.dump(
    {"jeton": jeton["token_type"], "solde": solde, "renouvele": renewed, "refus": refusal},
    sys.stdout,
)
