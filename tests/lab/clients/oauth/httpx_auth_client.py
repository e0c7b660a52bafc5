"""httpx-auth, as its README says to use it for client credentials."""

import json
import os
import re
import sys

import httpx
from httpx_auth import InvalidGrantRequest, OAuth2, OAuth2ClientCredentials

env = os.environ
CARTE = {"numeroCarte": env["CARTE"], "walletId": env["WALLET"], "clientId": env["CLIENT"]}


def auth(url: str, secret: str) -> OAuth2ClientCredentials:
    """What makes httpx ask for tokens when it has none that is good."""
    return OAuth2ClientCredentials(
        f"{url}/access-token", client_id=env["KEY"], client_secret=secret
    )


def ask(url: str, secret: str) -> httpx.Response:
    """Ask for the balance."""
    with httpx.Client(base_url=url, auth=auth(url, secret), trust_env=False) as api:
        return api.get("/get-solde-carte", params=CARTE)


answer = ask(env["URL"], env["SECRET"])
jeton = answer.request.headers["Authorization"].partition(" ")[0]
solde = answer.json()["data"][0]["soldeOnline"]
again = ask(env["URL"], env["SECRET"])
kept = again.request.headers["Authorization"] == answer.request.headers["Authorization"]

OAuth2.token_cache.clear()
# Within half a minute of its end, the library renews it by itself.
tokens = [ask(env["SHORT_URL"], env["SECRET"]) for _ in range(2)]
renewed = tokens[0].request.headers["Authorization"] != tokens[1].request.headers["Authorization"]
renewed = renewed and [each.status_code for each in tokens] == [200, 200]

refusal = None
try:
    ask(env["URL"], env["SECRET"] + "x")
except InvalidGrantRequest as error:
    # It makes one text of all that the answer says.
    name, code = re.match(r"(\w+): .*'code': '(\w+)'", str(error), re.DOTALL).groups()
    refusal = {"error": name, "code": code}

json.dump(
    {"jeton": jeton, "solde": solde, "renouvele": kept and renewed, "refus": refusal}, sys.stdout
)
