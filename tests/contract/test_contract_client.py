"""The client that judges every exchange of the tests tells a wrong answer from a right one."""

from __future__ import annotations

import json

import httpx
import pytest

from tests.support.contract_client import (
    CATALOGUE,
    DOCUMENT,
    ContractClient,
    ContractViolation,
)

VERSION = DOCUMENT["info"]["version"]
HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Request-Id": "a08fd5ae810ec5d9dfb3155a34b42ead",
    "X-Contract-Version": f"{VERSION}+0123456789ab",
    "X-Content-Type-Options": "nosniff",
}
ALIVE = {"statut": "ok"}
ENTRY = CATALOGUE["1003"]
UNKNOWN = {
    "success": False,
    "code": "1003",
    "message": ENTRY["message"]["fr"],
    "debugMessage": None if "debugMessage" in ENTRY else ENTRY["message"]["fr"],
    "moreInfo": None,
}


def ask(path: str, status: int, body: object, **headers: str) -> None:
    """Ask a server that answers so."""
    told = {**HEADERS, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = httpx.Response(status, headers=told, content=json.dumps(body))
    transport = httpx.MockTransport(lambda _request: answer)
    with ContractClient(base_url="http://cynod", transport=transport) as client:
        client.get(path)


def test_answer_of_the_contract_is_taken() -> None:
    ask("/health/live", 200, ALIVE)
    ask("/nowhere", 404, UNKNOWN)


@pytest.mark.parametrize(
    ("path", "status", "body", "name"),
    [("/health/live", 200, ALIVE, "healthLive"), ("/nowhere", 404, UNKNOWN, "unknown")],
)
def test_header_that_nothing_declares_is_told(
    path: str, status: int, body: object, name: str
) -> None:
    told = rf"{name} {status}: .* nothing declares: x-powered-by; declare them in openapi\.yaml"
    with pytest.raises(ContractViolation, match=told):
        ask(path, status, body, X_Powered_By="cynod")


def test_same_wrong_refusal_is_told_each_time() -> None:
    for _ in range(2):
        with pytest.raises(ContractViolation, match="has the text 'Tout va bien'"):
            ask("/nowhere", 404, {**UNKNOWN, "message": "Tout va bien"})
        with pytest.raises(ContractViolation, match=r"body\.moreInfo"):
            ask("/nowhere", 404, {**UNKNOWN, "moreInfo": 1})
