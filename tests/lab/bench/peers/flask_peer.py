"""Flask under gunicorn's threads, with checks written by hand and nothing checked on the way out."""

from __future__ import annotations

import re
from typing import Any

import flask

from tests.lab.bench.peers import answers, store

app = flask.Flask(__name__)
app.json.sort_keys = False  # type: ignore[attr-defined]  # the default provider has it

NUMERO = re.compile(r"[0-9]{12,19}")
WALLET = re.compile(r"[+]?[0-9]{6,15}")
CLIENT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
CARTE = {"numeroCarte": NUMERO, "walletId": WALLET, "clientId": CLIENT}
REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
PLACE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}")
CURSEUR = re.compile(r"[A-Za-z0-9_-]{1,64}")
FIELDS = frozenset((*CARTE, "montant", "reference", "motif", "pointDeService", "terminal"))
MOTIF = 140


@app.errorhandler(answers.Refused)
def refused(error: answers.Refused) -> tuple[Any, int]:
    """The envelope of a refusal."""
    return error.body, error.status


def check_query(
    names: dict[str, re.Pattern[str]], optional: dict[str, re.Pattern[str]] | None = None
) -> dict[str, str]:
    """The parameters, each once. Raises Refused."""
    given = flask.request.args
    known = {**names, **(optional or {})}
    for name, pattern in known.items():
        values = given.getlist(name)
        if not values and name not in names:
            continue
        if len(values) != 1 or not pattern.fullmatch(values[0]):
            raise answers.malformed(name)
    for name in given:
        if name not in known:
            raise answers.malformed(name)
    return given.to_dict()


def check_body() -> dict[str, Any]:
    """The body of a debit. Raises Refused."""
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise answers.unreadable()
    for name, pattern in (*CARTE.items(), ("reference", REFERENCE)):
        if not isinstance(body.get(name), str) or not pattern.fullmatch(body[name]):
            raise answers.malformed(name)
    montant = body.get("montant")
    if type(montant) is not int or not 1 <= montant <= 1_000_000_000:
        raise answers.malformed("montant")
    motif = body.get("motif", "")
    if not isinstance(motif, str) or len(motif) > MOTIF:
        raise answers.malformed("motif")
    for name in ("pointDeService", "terminal"):
        if name in body and not (isinstance(body[name], str) and PLACE.fullmatch(body[name])):
            raise answers.malformed(name)
    for name in body:
        if name not in FIELDS:
            raise answers.malformed(name)
    return body


def authorization() -> str | None:
    """The header."""
    return flask.request.headers.get("Authorization")


@app.get("/health/ready")
def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


@app.get("/get-solde-carte")
def get_solde_carte() -> Any:
    """getSoldeCarte."""
    with store.reading() as connection:
        caller = store.authenticate(connection, authorization(), "soldes:lire")
        query = check_query(CARTE)
        ids = (query["numeroCarte"], query["walletId"], query["clientId"])
        return store.solde(connection, caller, *ids)


@app.get("/check-card-validity")
def check_card_validity() -> Any:
    """checkCardValidity."""
    with store.reading() as connection:
        caller = store.authenticate(connection, authorization(), "cartes:lire")
        query = check_query(CARTE)
        ids = (query["numeroCarte"], query["walletId"], query["clientId"])
        return store.validite(connection, caller, *ids)


@app.get("/get-liste-cartes")
def get_liste_cartes() -> Any:
    """getListeCartes."""
    with store.reading() as connection:
        caller = store.authenticate(connection, authorization(), "cartes:lire")
        optional = {"limite": re.compile(r"[1-9][0-9]{0,2}"), "curseur": CURSEUR}
        query = check_query({"clientId": CLIENT}, optional)
        limite = int(query.get("limite", "50"))
        if limite > 100:
            raise answers.malformed("limite")
        return store.liste(connection, caller, query["clientId"], limite, query.get("curseur"))


@app.post("/debit-carte")
def debit_carte() -> Any:
    """debitCarte: the caller and the form are checked before the transaction begins."""
    with store.reading() as connection:
        caller = store.authenticate(connection, authorization(), "cartes:debiter")
    body = check_body()
    with store.transaction() as connection:
        return store.debiter(connection, caller, body)


@app.post("/access-token")
def access_token() -> Any:
    """accessToken."""
    form = flask.request.form
    if form.get("grant_type") != "client_credentials":
        raise answers.malformed("grant_type")
    with store.transaction() as connection:
        body = store.jeton(connection, form.get("client_id", ""), form.get("client_secret", ""))
    return body, {"Cache-Control": "no-store", "Pragma": "no-cache"}
