"""Flask under gunicorn's threads, with checks written by hand and nothing checked on the way out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import flask

from tests.bench.peers import store

database = store.open_database()
app = flask.Flask(__name__)

CARTE = {
    "numeroCarte": re.compile(r"[0-9]{12,19}"),
    "walletId": re.compile(r"[+]?[0-9]{6,15}"),
    "clientId": re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}"),
}
REFERENCE = re.compile(r"[A-Za-z0-9._:-]{1,64}")
OPTIONAL = {"motif": 140, "pointDeService": 64, "terminal": 64}


@app.errorhandler(store.Refused)
def refused(error: store.Refused) -> tuple[Any, int]:
    """The envelope of a refusal."""
    return error.body, error.status


def check_query(names: dict[str, re.Pattern[str]], *optional: str) -> dict[str, str]:
    """The parameters. Raises Refused."""
    given = flask.request.args
    for name, pattern in names.items():
        if len(given.getlist(name)) != 1 or not pattern.fullmatch(given[name]):
            raise store.malformed(name)
    for name in given:
        if name not in names and name not in optional:
            raise store.malformed(name)
    return given.to_dict()


def check_body() -> dict[str, Any]:
    """The body of a debit. Raises Refused."""
    body = flask.request.get_json(silent=True)
    if not isinstance(body, dict):
        raise store.Refused(400, "1001", "Corps de la requête illisible", debug=True)
    for name, pattern in {**CARTE, "reference": REFERENCE}.items():
        if not isinstance(body.get(name), str) or not pattern.fullmatch(body[name]):
            raise store.malformed(name)
    montant = body.get("montant")
    if type(montant) is not int or not 1 <= montant <= 1_000_000_000:
        raise store.malformed("montant")
    for name, longest in OPTIONAL.items():
        if name in body and (not isinstance(body[name], str) or len(body[name]) > longest):
            raise store.malformed(name)
    for name in body:
        if name not in CARTE and name not in OPTIONAL and name not in ("montant", "reference"):
            raise store.malformed(name)
    return body


def authorization() -> str | None:
    """The header."""
    return flask.request.headers.get("Authorization")


@app.get("/health/ready")
def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


def item_of(find: Callable[..., dict[str, Any]], scope: str) -> dict[str, Any]:
    """What `find` tells of the card that the query names."""
    with database.reading() as session:
        caller = store.authenticate(session, authorization(), scope)
        query = check_query(CARTE)
        return find(session, caller, *(query[name] for name in CARTE))


@app.get("/get-solde-carte")
def get_solde() -> Any:
    """getSoldeCarte."""
    return store.answer(store.SOLDE, item_of(store.solde, "soldes:lire"))


@app.get("/check-card-validity")
def check() -> Any:
    """checkCardValidity."""
    return store.answer(store.VALIDE, item_of(store.validite, "cartes:lire"))


@app.get("/get-liste-cartes")
def liste() -> Any:
    """getListeCartes."""
    with database.reading() as session:
        caller = store.authenticate(session, authorization(), "cartes:lire")
        query = check_query({"clientId": CARTE["clientId"]}, "limite")
        limite = query.get("limite", "50")
        if not limite.isdecimal() or not 1 <= int(limite) <= 100:
            raise store.malformed("limite")
        rows = store.liste(session, caller, query["clientId"], int(limite))
    return store.page(rows, int(limite))


@app.post("/debit-carte")
def debit() -> Any:
    """debitCarte."""
    with database.transaction() as session:
        caller = store.authenticate(session, authorization(), "cartes:debiter")
        item = store.debiter(session, caller, check_body())
    return store.answer(store.DEBITE, item)


@app.post("/access-token")
def token() -> Any:
    """accessToken."""
    form = flask.request.form
    if form.get("grant_type") != "client_credentials":
        raise store.malformed("grant_type")
    with database.transaction() as session:
        return store.jeton(session, form.get("client_id", ""), form.get("client_secret", ""))
