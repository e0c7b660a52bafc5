"""requests-oauthlib, as its page on the "backend application flow" says to use it."""

import json
import os
import sys
import time

from oauthlib.oauth2 import BackendApplicationClient, InvalidClientError, TokenExpiredError
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

env = os.environ
CARTE = {"numeroCarte": env["CARTE"], "walletId": env["WALLET"], "clientId": env["CLIENT"]}


def fetch(session: OAuth2Session, url: str, secret: str) -> str:
    """Ask for a token; its text."""
    auth = HTTPBasicAuth(env["KEY"], secret)
    token: str = session.fetch_token(f"{url}/access-token", auth=auth)["access_token"]
    return token


session = OAuth2Session(client=BackendApplicationClient(client_id=env["KEY"]))
fetch(session, env["URL"], env["SECRET"])
jeton = session.token["token_type"]
solde = session.get(f"{env['URL']}/get-solde-carte", params=CARTE).json()["data"][0]["soldeOnline"]

first = fetch(session, env["SHORT_URL"], env["SECRET"])
while time.time() <= session.token["expires_at"]:
    time.sleep(0.02)
renewed = False
try:
    session.get(f"{env['URL']}/get-solde-carte", params=CARTE)
except TokenExpiredError:
    second = fetch(session, env["URL"], env["SECRET"])
    answer = session.get(f"{env['URL']}/get-solde-carte", params=CARTE)
    renewed = answer.status_code == 200 and second != first

refusal = None
try:
    fetch(session, env["URL"], env["SECRET"] + "x")
except InvalidClientError as error:
    refusal = {"error": error.error, "statut": error.status_code}

json.dump({"jeton": jeton, "solde": solde, "renouvele": renewed, "refus": refusal}, sys.stdout)
