"""This contract served by Connexion as it comes: FlaskApp, strict, with its own check of answers.

Connexion routes, authenticates through the functions that the contract's schemes name, checks requests
and answers, and turns its own problems into the contract's envelope by its error handlers.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import uvicorn
import yaml
from connexion.apps.flask import FlaskApp
from connexion.exceptions import BadRequestProblem, OAuthProblem
from connexion.lifecycle import ConnexionRequest, ConnexionResponse
from connexion.resolver import Resolution, Resolver

from tests.lab.bench.peers import answers, store

MODULE = "tests.lab.bench.peers.connexion_peer"
CONTRACT = Path(__file__).resolve().parents[4] / "openapi.yaml"
PATHS = (
    *("/get-solde-carte", "/check-card-validity", "/get-liste-cartes", "/debit-carte"),
    *("/access-token", "/health/ready"),
)
Answered = tuple[dict[str, Any], int, dict[str, str]]


def _headers() -> dict[str, str]:
    # The contract asks for it, and Connexion's check of answers for the contract.
    return {"X-Request-Id": secrets.token_hex(16), "X-Contract-Version": "1.2.0+000000000000"}


def view(function: Callable[..., dict[str, Any]]) -> Callable[..., Answered]:
    """A success, or the refusal that was raised."""

    @wraps(function)
    def answer(*args: Any, **kwargs: Any) -> Answered:
        try:
            return function(*args, **kwargs), 200, _headers()
        except answers.Refused as refused:
            return refused.body, refused.status, _headers()

    return answer


# ── security: the names are given to Connexion in the contract's schemes ─────────────────────────
def token_info(token: str) -> dict[str, Any] | None:
    """What Connexion asks of a bearer token; it compares the scopes with the contract's itself."""
    with store.reading() as connection:
        try:
            caller, scopes = store.find_caller(connection, token)
        except answers.Refused:
            return None
    return {"caller": caller, "scope": sorted(scopes)}


def basic_info(_key: str, _secret: str) -> dict[str, Any] | None:
    """Not used by the bench."""
    return None


# ── operations ───────────────────────────────────────────────────────────────────────────────────
@view
def get_solde_carte(
    numeroCarte: str,  # noqa: N803 - the contract's
    walletId: str,  # noqa: N803
    clientId: str,  # noqa: N803
    token_info: dict[str, Any],
) -> dict[str, Any]:
    """getSoldeCarte."""
    with store.reading() as connection:
        return store.solde(connection, token_info["caller"], numeroCarte, walletId, clientId)


@view
def check_card_validity(
    numeroCarte: str,  # noqa: N803
    walletId: str,  # noqa: N803
    clientId: str,  # noqa: N803
    token_info: dict[str, Any],
) -> dict[str, Any]:
    """checkCardValidity."""
    with store.reading() as connection:
        return store.validite(connection, token_info["caller"], numeroCarte, walletId, clientId)


@view
def get_liste_cartes(
    clientId: str,  # noqa: N803
    token_info: dict[str, Any],
    limite: int = 50,
    curseur: str | None = None,
) -> dict[str, Any]:
    """getListeCartes."""
    with store.reading() as connection:
        return store.liste(connection, token_info["caller"], clientId, limite, curseur)


@view
def debit_carte(body: dict[str, Any], token_info: dict[str, Any]) -> dict[str, Any]:
    """debitCarte."""
    with store.transaction() as connection:
        return store.debiter(connection, token_info["caller"], body)


@view
def _issue(body: dict[str, Any]) -> dict[str, Any]:
    with store.transaction() as connection:
        return store.jeton(connection, body.get("client_id", ""), body.get("client_secret", ""))


def access_token(body: dict[str, Any]) -> Answered:
    """accessToken."""
    answer, status, headers = _issue(body)
    return answer, status, {**headers, "Cache-Control": "no-store", "Pragma": "no-cache"}


def health_ready() -> Answered:
    """healthReady."""
    return {"statut": "ok"}, 200, _headers()


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
_NAMED = re.compile(r"Missing query parameter '(\w+)'|Extra query parameter\(s\) (\w+)")
_VALUE = re.compile(r"On instance:\s+'(.*)'")


def refuse(request: ConnexionRequest, problem: Exception) -> ConnexionResponse:
    """Connexion's own refusals in the contract's envelope."""
    detail = str(getattr(problem, "detail", ""))
    if isinstance(problem, OAuthProblem):
        refused = answers.unauthenticated()
    elif named := _NAMED.search(detail):
        refused = answers.malformed(named[1] or named[2])
    else:
        # Of a value that does not fit, Connexion tells the value, and not whose it is.
        value = _VALUE.search(detail)
        given = request.query_params.items() if value else ()
        found = next((name for name, one in given if value and one == value[1]), None)
        refused = answers.malformed(found) if found else answers.unreadable()
    return ConnexionResponse(  # type: ignore[no-untyped-call]  # Connexion's has no types
        refused.status,
        content_type="application/json",
        body=json.dumps(refused.body, ensure_ascii=False, separators=(",", ":")),
        headers=_headers(),
    )


class Views(Resolver):
    """operationId to the function above of that name."""

    def resolve(self, operation: Any) -> Resolution:
        """Called by Connexion for each operation."""
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", operation.operation_id).lower()
        view = getattr(sys.modules[__name__], name)
        return Resolution(view, operation.operation_id)  # type: ignore[no-untyped-call]


def build() -> FlaskApp:
    """The application."""
    document = yaml.safe_load(CONTRACT.read_text(encoding="utf-8"))
    # What the bench does not call is not routed: the fewer, the quicker.
    document["paths"] = {path: document["paths"][path] for path in PATHS}
    schemes = document["components"]["securitySchemes"]
    schemes["oauth2"]["x-tokenInfoFunc"] = f"{MODULE}.token_info"
    schemes["basic"]["x-basicInfoFunc"] = f"{MODULE}.basic_info"
    made = FlaskApp(__name__, resolver=Views(), strict_validation=True, validate_responses=True)
    made.app.json.sort_keys = False  # type: ignore[attr-defined]  # Flask's own provider has it
    made.add_api(document)
    for problem in (BadRequestProblem, OAuthProblem):
        made.add_error_handler(problem, refuse)
    return made


if __name__ == "__main__":
    uvicorn.run(
        f"{MODULE}:build",
        factory=True,
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
    )
