"""What every answer must keep beyond its schema: pure judgements, shared by all that sends calls.

They read openapi.yaml with another reader than the server's, and raise AssertionError.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from openapi_schema_validator import OAS30Validator

from tests.support.contract_client import (
    BY_ID,
    OPERATIONS,
    PARTENAIRE,
    Json,
    Reading,
    check_header_names,
    expand,
    resolve,
)

ROUTE_CODES = {405: {"1004"}, 404: {"1003"}}
WRITES = frozenset(
    operation["operationId"]
    for (method, _), operation in OPERATIONS.items()
    if method == "POST"
    and not operation.get("x-lecture-seule")
    and operation["tags"][0] in ("mouvements", "operations")
)
"""The operations that may move money or take a reference."""

MANAGING = frozenset({"secrets:gerer", "cartes:opposer"})
"""Rights of partners of a run's own: who turns its secrets over at random is soon without the one that it
was given, and of cards that are blocked at random the ledger could not tell what a debit must answer."""

MANAGED = frozenset(
    operation["operationId"]
    for operation in OPERATIONS.values()
    for need in operation.get("security", [])
    if MANAGING.intersection(need.get("oauth2", []))
)
"""The operations that these rights open."""

BY_PAIR = frozenset({"accessToken", "revoquerJeton"})
"""The operations whose caller proves itself by its pair, in the form or by Basic, and sends no token."""

CARD_FIELDS = frozenset({"numeroCarte", "numeroCarteDestination"})
DIGITS = re.compile(r"[0-9]{12,19}")


def basic(key: str, secret: str) -> str:
    """The header of a pair."""
    return f"Basic {base64.b64encode(f'{key}:{secret}'.encode()).decode()}"


def language_of(accept_language: str | None) -> str:
    """The language of the answer to the two headers that a run sends."""
    return "en" if accept_language == "en" else "fr"


def pattern_of(template: str) -> re.Pattern[str]:
    """What a text of the catalogue may look like once its {fields} are filled."""
    parts = re.split(r"\{[A-Za-z_]+\}", template)
    return re.compile(".+".join(re.escape(part) for part in parts), re.DOTALL)


def check_code(
    operation_id: str | None, status: int, body: Json, language: str, contract: Reading = PARTENAIRE
) -> None:
    """A refusal carries a code that the operation lists, and the catalogue's text in that language.

    None stands for a route or a method that is none of the contract's.
    """
    code = body.get("code")
    if operation_id is None:
        listed = ROUTE_CODES.get(status, set())
    else:
        listed = set(contract.by_id[operation_id]["x-codes-erreur"])
    name = operation_id or "an unknown route"
    assert code in listed, f"{name} answers the code {code!r}, which it does not list"
    entry = contract.catalogue[code]
    assert status == entry["statut"], f"the code {code} travels under HTTP {status}"
    text = entry["message"][language]
    assert pattern_of(text).fullmatch(body["message"]), (
        f"the code {code} says {body['message']!r}, not the catalogue's {text!r} ({language})"
    )
    debug = None if "debugMessage" in entry else body["message"]
    assert body["debugMessage"] == debug, f"the code {code} has the debugMessage {body!r}"
    contract.check_places(name, listed, body)


def check_success_text(
    operation_id: str, body: Json, language: str, contract: Reading = PARTENAIRE
) -> None:
    """A success says the operation's text, made from its first item."""
    data = body.get("data")
    expected = contract.success_text(operation_id, language, data[0] if data else body)
    if expected is None:
        return
    assert body["message"] == expected, (
        f"{operation_id} says {body['message']!r}, not {expected!r} ({language})"
    )


check_headers = check_header_names


def check_forms(text: str) -> None:
    """Instants and days exist in the calendar; amounts are whole, soldes are JSON numbers with `.0`."""
    body = json.loads(text, parse_float=_Float)
    for name, value in walk(body):
        if value is None or value == "":
            continue
        if name in ("dateSolde", "dateOperation", "date", "dernierControle"):
            _parse(name, value, "%d-%m-%Y %H:%M:%S")
        elif name in ("finValidite", "dateNaissance"):
            _parse(name, value, "%d/%m/%Y")
        elif name.startswith("montant"):
            assert type(value) is int, f"{name} is {value!r}, not an integer"
        elif name == "soldeOnline":
            whole = isinstance(value, _Float) and value.text.endswith(".0")
            assert whole, f"soldeOnline is {getattr(value, 'text', value)!r}"
            assert value >= 0, f"soldeOnline is {value}"


class _Float(float):
    """A number with a point, and how it was written."""

    text: str

    def __new__(cls, text: str) -> _Float:
        made = super().__new__(cls, text)
        made.text = text
        return made


def _parse(name: str, value: Any, form: str) -> None:
    try:
        parsed = datetime.strptime(value, form)  # noqa: DTZ007 - only its form is asked
    except (TypeError, ValueError):
        raise AssertionError(f"{name} is {value!r}, which is no date") from None
    assert parsed.strftime(form).lstrip("0") == value.lstrip("0"), f"{name} is {value!r}"


def walk(node: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every value of a JSON document with the name of its field."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, key)
    elif isinstance(node, list):
        for value in node:
            yield from walk(value, name)
    else:
        yield name, node


def differences(first: Any, second: Any, where: str = "") -> list[tuple[str, str, str]]:
    """The fields in which two JSON values differ: where, and both values."""
    if isinstance(first, dict) and isinstance(second, dict):
        names = [*first, *(name for name in second if name not in first)]
        pairs = [(name, first.get(name, ...), second.get(name, ...)) for name in names]
    elif isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        pairs = [(str(at), *both) for at, both in enumerate(zip(first, second, strict=True))]
    elif first == second and isinstance(first, bool) == isinstance(second, bool):
        return []
    else:
        return [(where, _told(first), _told(second))]
    return [
        told
        for name, one, other in pairs
        for told in differences(one, other, f"{where}.{name}".lstrip("."))
    ]


def _told(value: Any) -> str:
    return "absent" if value is ... else json.dumps(value, ensure_ascii=False)


def off_contract(operation_id: str, status: int, body: Json) -> list[str]:
    """Where a body is not what the contract declares: each place and what is wrong there."""
    content = resolve(BY_ID[operation_id]["responses"][str(status)])["content"]
    schema = expand(content["application/json"]["schema"], closed=True)
    return sorted(
        f"{'.'.join(map(str, error.absolute_path)) or 'body'}: {error.message}"
        for error in OAS30Validator(schema).iter_errors(body)
    )


def lacks(node: Any, pointer: str) -> bool:
    """Whether a body lacks what a JSON pointer designates. An empty list has no item to lack anything, and
    a null is a value."""
    for part in pointer.strip("/").split("/"):
        if node == [] or node is None:
            return False
        if isinstance(node, list) and part.isdecimal() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return True
    return False


def check_repeat(operation_id: str, first: bytes, status: int, again: bytes) -> None:
    """The same request again gets the same bytes."""
    if status == 200 and again == first:
        return
    try:
        fields = differences(json.loads(first), json.loads(again))
    except ValueError:
        fields = [("body", _told(first.decode()[:200]), _told(again.decode()[:200]))]
    told = "; ".join(f"{where} was {one}, is {other}" for where, one, other in fields)
    raise AssertionError(
        f"the same {operation_id} again is answered {status}, not as the first time: "
        f"{told or 'the same values, in other bytes'}"
    )


def check_cards(
    status: int,
    text: str,
    headers: Mapping[str, str],
    *,
    own: frozenset[str],
    others: frozenset[str],
    asked: str,
) -> None:
    """No card of another partner, none at all in a refusal or a header, and one of its own only where the
    contract has a card number. A CSV of a history has none."""
    told = [value for name, value in headers.items() if name.lower() != "link"]
    in_headers = set(DIGITS.findall(" ".join(told))) & (own | others)
    assert not in_headers, "a header of the answer holds a card number"
    _check_link(headers, asked, own | others)
    found = set(DIGITS.findall(text))
    assert not found & others, "the answer shows a card of another partner"
    shown = found & own
    if not shown:
        return
    assert status == 200, "a refusal holds a full card number"
    assert text.startswith("{"), "a table holds a full card number"
    fields = {
        name for name, value in walk(json.loads(text)) if isinstance(value, str) and value in shown
    }
    assert fields <= CARD_FIELDS, f"a card number is in {sorted(fields - CARD_FIELDS)}"
    buried = [
        name
        for name, value in walk(json.loads(text))
        if name not in CARD_FIELDS and isinstance(value, str) and set(DIGITS.findall(value)) & shown
    ]
    assert not buried, f"a card number is inside {buried}"


def _check_link(headers: Mapping[str, str], asked: str, cartes: frozenset[str]) -> None:
    """The address of the next page repeats the question, so it holds the card of the question alone."""
    links = [value for name, value in headers.items() if name.lower() == "link"]
    strange = set(DIGITS.findall(" ".join(links))) & cartes - set(DIGITS.findall(asked))
    assert not strange, "the Link of the answer holds a card number that was not asked for"


def expected_moves(operation_id: str, sent: Json, answer: Json) -> list[dict[str, int]]:
    """What a success may have done to the soldes: one of these, by card number."""
    item = answer["data"][0]
    if operation_id == "cloturerReference":
        return [{}]
    numero, montant = item["numeroCarte"], item["montant"]
    if operation_id == "creditCarte":
        return [{numero: montant}]
    if operation_id == "debitCarte":
        return [{numero: -montant}]
    if operation_id == "transfererSolde":
        return [{numero: -montant, sent["numeroCarteDestination"]: montant}]
    return [{numero: montant}, {numero: -montant}]


def check_moves(
    operation_id: str,
    sent: Json | None,
    status: int,
    answer: Json,
    before: Mapping[str, int],
    after: Mapping[str, int],
    *,
    replayed: bool,
) -> None:
    """A refusal or a repeat changes no solde; a success changes those that it says, by what it says."""
    moved = {
        numero: after.get(numero, 0) - before.get(numero, 0)
        for numero in before.keys() | after.keys()
        if after.get(numero, 0) != before.get(numero, 0)
    }
    amounts = sorted(moved.values())
    if status != 200:
        assert not moved, f"a refused {operation_id} changed soldes by {amounts}"
        return
    if replayed:
        assert not moved, f"a repeated {operation_id} changed soldes by {amounts}"
        return
    assert sent is not None, f"{operation_id} succeeded without a body"
    expected = expected_moves(operation_id, sent, answer)
    assert moved in expected, (
        f"{operation_id} changed soldes by {amounts}, not by {sorted(expected[0].values())}"
    )
    if operation_id != "cloturerReference":
        item = answer["data"][0]
        assert after[item["numeroCarte"]] == item["soldeOnline"], (
            f"{operation_id} says another solde than it left"
        )
