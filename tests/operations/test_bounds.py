"""Every value that a request may hold, at the edges of what the contract says of it and just beyond.

What fits may be refused for what it asks, never for its form; what does not fit is refused by its name.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import date
from functools import cache
from typing import Any

import httpx
import pytest

from models.database.engine import Database
from tests.support.contract_client import OPERATIONS, Json, resolve
from tests.support.edges import SIGNS
from tests.support.every_value import stretched
from tests.support.scene import (
    ALL,
    BY_PAIR,
    CONTRACT,
    PLACES,
    WITH_FORM,
    Call,
    Scene,
    assert_refused,
    body_schema,
)
from tests.support.world import World

pytestmark = pytest.mark.only_on("sqlite")  # the edge refuses these before any database is asked

MAX_BODY = 65_536
METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH")

CURSOR = "any text that it could be fits the contract; only those that the server gave are accepted"
FITTING_BUT_REFUSED = {
    ("getListeCartes", "curseur"): CURSOR,
    ("getHistoriqueCarte", "curseur"): CURSOR,
}


@pytest.fixture(scope="module")
def scenes(shared_database: Database, server_url: str) -> Iterator[Callable[[str], Scene]]:
    """A scene for the tests of each operation: what one moves, another would list in its answers."""
    world = World(shared_database, server_url)
    yield cache(lambda _operation: Scene(world, solde=100_000_000))
    world.close()


@pytest.fixture
def scene(scenes: Callable[[str], Scene], world: World, request: pytest.FixtureRequest) -> Scene:
    """One scene for all tests of an operation, except where it can be done once only."""
    operation = request.node.callspec.params.get("operation", "verifierReferences")
    return Scene(world) if operation == "annulerOperation" else scenes(operation)


def texts(schema: Json) -> Iterator[tuple[str, bool]]:
    """Texts at the edges of a schema, and whether each fits."""
    example = schema["example"]

    def fits(text: str) -> bool:
        return (
            re.fullmatch(schema.get("pattern", r"(?s:.*)"), text) is not None
            and schema.get("minLength", 0) <= len(text) <= schema.get("maxLength", len(text))
            and text in schema.get("enum", [text])
        )

    lengths = [fits(stretched(example, length)) for length in range(400)]
    edges = {0, len(example)}
    for length in range(1, len(lengths)):
        if lengths[length] != lengths[length - 1]:
            edges |= {length - 1, length}
    longest = max((length for length in edges if lengths[length]), default=len(example))
    made = [stretched(example, length) for length in sorted(edges)]
    for base in {example, stretched(example, longest)}:
        for at in sorted({0, 1, len(base) // 2, len(base) - 1}):
            made += [base[:at] + sign + base[at + 1 :] for sign in SIGNS]
    for value in schema.get("enum", []):
        made += [value, value.lower(), value[:-1], f"{value}S", "AUTRE"]
    for text in dict.fromkeys(made):
        yield text, fits(text)


def numbers(schema: Json) -> Iterator[tuple[int, bool]]:
    """Integers at the edges of a schema, and whether each fits."""
    low, high = schema["minimum"], schema["maximum"]
    yield from ((low - 1, False), (low, True), (high, True), (high + 1, False))


def is_day(schema: Json, text: str) -> bool:
    """Whether a fitting text is a day of the calendar, when days are what the schema asks."""
    if not schema.get("pattern", "").startswith("^[0-3][0-9]/"):
        return True
    try:
        date(int(text[6:]), int(text[3:5]), int(text[:2]))
    except ValueError:
        return False
    return True


def judge(answer: httpx.Response, name: str, value: object, *, fits: bool, code: str) -> None:
    """Assert that a value is refused by its name exactly when it does not fit."""
    if not fits:
        assert_refused(answer, code, **({"parametre": name} if code == "405" else {}))
        return
    body = answer.json()
    refused = body.get("code") in ("405", "1001", "1002", "2102")
    assert not refused, f"{name}: {value!r} fits the contract, but: {body['message']}"


def values(schema: Json) -> Iterator[tuple[Any, bool]]:
    """Values at the edges of a schema of a text or of an integer."""
    made: Iterator[tuple[Any, bool]] = (
        numbers(schema) if schema["type"] == "integer" else texts(schema)
    )
    for value, fits in made:
        if not fits or not isinstance(value, str) or is_day(schema, value):
            yield value, fits


def with_value(call: Call, name: str, value: Any) -> Call:
    """The call with one value; `getOperation` takes one of its two parameters at a time."""
    if name == "numeroOperation":
        call = call.with_values(reference=None)
    return call.with_values(**{name: value})


PARAMETERS = [
    (operation, parameter["name"], resolve(parameter["schema"]), parameter)
    for operation in ALL
    for parameter in map(resolve, CONTRACT[operation].get("parameters", []))
]


@pytest.mark.parametrize(
    ("operation", "name", "schema", "parameter"),
    [pytest.param(*case, id=f"{case[0]}-{case[1]}") for case in PARAMETERS],
)
def test_parameter_is_taken_up_to_its_edges_and_no_further(
    scene: Scene, operation: str, name: str, schema: Json, parameter: Json
) -> None:
    schema = {**schema, "example": parameter.get("example", schema.get("example"))}
    call = scene.call(operation)
    for value, fits in values(schema):
        if fits and (operation, name) in FITTING_BUT_REFUSED:
            continue
        answer = with_value(call, name, str(value)).send(scene.api)
        judge(answer, name, value, fits=fits, code="405")


FIELDS = [
    (operation, name, resolve(node))
    for operation in ALL
    if "requestBody" in CONTRACT[operation]
    for name, node in body_schema(operation)["properties"].items()
]
LINE = body_schema("verifierReferences")["properties"]["lignes"]


@pytest.mark.parametrize(
    ("operation", "name", "schema"),
    [
        pytest.param(*case, id=f"{case[0]}-{case[1]}")
        for case in FIELDS
        if resolve(case[2])["type"] in ("string", "integer")
    ],
)
def test_field_is_taken_up_to_its_edges_and_no_further(
    scene: Scene, operation: str, name: str, schema: Json
) -> None:
    code = schema.get("x-code-erreur", "405")
    call = scene.call(operation)
    for value, fits in values(schema):
        if fits and name == "scope":
            continue  # a right that the partner does not have has the same code as one that is none
        answer = call.with_values(**{name: value}).send(scene.caller(operation))
        if answer.status_code == 200:  # what was done may not be there to be done again
            call = scene.call(operation)
        # In a form, what has no value is not there (RFC 6749, 3.2).
        absent = operation in WITH_FORM and value == ""
        judge(answer, name, value, fits=fits, code="405" if absent else code)


@pytest.mark.parametrize("name", resolve(LINE["items"])["properties"])
def test_field_of_a_line_is_taken_up_to_its_edges_and_no_further(scene: Scene, name: str) -> None:
    call = scene.call("verifierReferences")
    (line,) = call.values["lignes"]
    for value, fits in values(resolve(resolve(LINE["items"])["properties"][name])):
        answer = call.with_values(lignes=[{**line, name: value}]).send(scene.api)
        judge(answer, "lignes", value, fits=fits, code="405")


def test_line_lacks_no_field_and_has_no_other(scene: Scene) -> None:
    call = scene.call("verifierReferences")
    (line,) = call.values["lignes"]
    required = resolve(LINE["items"])["required"]
    wrong: list[Any] = [{k: v for k, v in line.items() if k != name} for name in required]
    for bad in (*wrong, {**line, "surplus": "1"}, None, "x", [line]):
        answer = call.with_values(lignes=[bad]).send(scene.api)
        assert_refused(answer, "405", parametre="lignes")


def test_lines_are_taken_up_to_their_number_and_no_further(scene: Scene) -> None:
    call = scene.call("verifierReferences")
    (line,) = call.values["lignes"]
    most = LINE["maxItems"]
    for count, fits in ((0, True), (most, True), (most + 1, False)):
        answer = call.with_values(lignes=[line] * count).send(scene.api)
        judge(answer, "lignes", count, fits=fits, code="405")


OPTIONAL = [
    *((operation, node["name"]) for operation, _, _, node in PARAMETERS if not node["required"]),
    *((op, name) for op, name, _ in FIELDS if name not in body_schema(op)["required"]),
]


@pytest.mark.parametrize(("operation", "name"), OPTIONAL)
def test_optional_value_may_be_left_out(scene: Scene, operation: str, name: str) -> None:
    call = scene.call(operation)
    if operation in BY_PAIR and name in ("client_id", "client_secret"):
        call, name = call.with_values(client_id=None), "client_secret"
    elif operation == "getOperation" and name == "reference":
        call = call.with_values(numeroOperation="01KB0QJ5R8X9V4T2M7N6P3S1ZC")
    answer = call.with_values(**{name: None}).send(scene.caller(operation))
    assert answer.json().get("code", 200) in (200, "2101", "4006"), answer.text


@pytest.mark.parametrize(
    ("operation", "name", "schema"),
    [
        pytest.param(operation, name, schema, id=f"{operation}-{name}")
        for operation, name, schema in (
            *FIELDS,
            *((op, name, {**schema, **node}) for op, name, schema, node in PARAMETERS),
        )
        if operation not in (*WITH_FORM, "getOperation") and name != "curseur"
        if (operation, name) in OPTIONAL
    ],
)
def test_optional_value_is_taken(scene: Scene, operation: str, name: str, schema: Json) -> None:
    example = schema["example"]
    if name in ("walletId", "membreId"):
        membre = scene.carte.membre
        example = {"walletId": membre.wallet_id, "membreId": membre.membre_id}[name]
    answer = with_value(scene.call(operation), name, example).send(scene.caller(operation))
    assert answer.status_code == 200, answer.text


# ── what is around the values ────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", ALL)
def test_other_methods_are_refused_with_those_that_are_allowed(
    scene: Scene, operation: str
) -> None:
    _, path = PLACES[operation]
    allowed = [method for method, other in OPERATIONS if other == path]
    allowed += ["HEAD"] if "GET" in allowed else []
    for method in METHODS:
        if method not in allowed:
            answer = scene.api.request(
                method, path, params=scene.call(operation).options.get("params")
            )
            assert_refused(answer, "1004")
            assert answer.headers["Allow"] == ", ".join(sorted(allowed))


@pytest.mark.parametrize("operation", [name for name in ALL if "requestBody" in CONTRACT[name]])
def test_body_is_read_up_to_its_size_and_no_further(scene: Scene, operation: str) -> None:
    most = CONTRACT[operation].get("x-corps-maximal", MAX_BODY)
    (media_type,) = resolve(CONTRACT[operation]["requestBody"])["content"]
    headers, client = {"Content-Type": media_type}, scene.caller(operation)
    path = scene.call(operation).path
    largest = client.post(path, content=b" " * most, headers=headers)
    assert largest.json()["code"] in ("405", "1001"), largest.text
    assert_refused(client.post(path, content=b" " * (most + 1), headers=headers), "1006")


@pytest.mark.parametrize(
    "operation", [name for name in ALL if "x-message-succes" in CONTRACT[name]]
)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_success_says_the_message_of_the_contract(
    scene: Scene, operation: str, language: str
) -> None:
    answer = scene.call(operation).send(
        scene.caller(operation), headers={"Accept-Language": language}
    )
    body = answer.json()
    fields = body["data"][0] if body.get("data") else body
    assert answer.status_code == 200, answer.text
    expected = CONTRACT[operation]["x-message-succes"][language].format_map(fields)
    assert body["message"] == expected
