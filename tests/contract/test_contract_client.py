"""The client that judges every exchange of the tests tells a wrong answer from a right one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from jsonschema import ValidationError
from openapi_schema_validator import OAS30Validator

from tests.support.contract_client import (
    BY_ID,
    CATALOGUE,
    DOCUMENT,
    ContractClient,
    ContractViolation,
    Json,
    expand,
    judge_by,
    resolve,
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
    "requestId": HEADERS["X-Request-Id"],
    "documentation": "/#code-1003",
    "erreurs": [],
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


def _worse(value: Any) -> Iterator[Any]:
    """The value with one part wrong, for each part that it has."""
    yield from (None, 12.5, "\u2603" * 400, [], {}, True)
    if isinstance(value, dict):
        yield {**value, "surplus": 1}
        for name, part in value.items():
            yield {key: kept for key, kept in value.items() if key != name}
            yield from ({**value, name: wrong} for wrong in _worse(part))
    elif isinstance(value, list):
        yield value * 40
        for at, part in enumerate(value):
            yield from ([*value[:at], wrong, *value[at + 1 :]] for wrong in _worse(part))


ANSWERS = {
    json.dumps(content["schema"]): (content["schema"], resolve(example)["value"])
    for operation in BY_ID.values()
    for node in operation["responses"].values()
    for content in resolve(node)["content"].values()
    for example in content.get("examples", {}).values()
}
"""One example of each schema of an answer."""


@pytest.mark.parametrize(("schema", "example"), ANSWERS.values())
def test_answer_is_judged_as_by_the_library_itself(schema: Json, example: Any) -> None:
    whole = expand(schema, closed=True)
    library, ours = OAS30Validator(whole), judge_by(whole)
    wrong = 0
    for value in (example, *_worse(example)):
        expected = [told(error) for error in library.iter_errors(value)]
        assert [told(error) for error in ours.iter_errors(value)] == expected
        wrong += bool(expected)
    assert not list(ours.iter_errors(example))
    assert wrong > 3


def told(error: ValidationError) -> tuple[str, list[str | int], list[str | int]]:
    """What it says of which value by which rule."""
    return error.message, list(error.absolute_path), list(error.absolute_schema_path)
