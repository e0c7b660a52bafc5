"""Every parameter and field of the contract: absent, valid, at each edge, invalid in each way.

The values are made from the contract's schemas, so that a new field brings its own tests.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.lab.coverage import values
from tests.lab.coverage.cells import (
    BODY,
    FORM,
    VALUE,
    Contract,
    Field,
    Operation,
)
from tests.support.registry import entry_of
from tests.support.scene import Call, Scene, assert_refused
from tests.support.steps import new_reference
from tests.support.world import World

CONTRACT = Contract.read()
BY_NAME = {operation.name: operation for operation in CONTRACT.operations.values()}


def _ways() -> dict[tuple[str, str], list[str]]:
    """The ways that the contract has for each place of each operation."""
    made: dict[tuple[str, str], list[str]] = defaultdict(list)
    for cell in CONTRACT.cells():
        if cell.kind == VALUE:
            made[cell.operation, cell.place].append(cell.what)
    return made


WAYS = _ways()
PARAMETERS = [(op.name, field) for op in BY_NAME.values() for field in op.parameters.values()]
FORM_FIELDS = [
    (op.name, field) for op in BY_NAME.values() if op.media_type == FORM for field in op.fields
]
JSON_FIELDS = [
    (op.name, field)
    for op in BY_NAME.values()
    if op.media_type not in (FORM, None)
    for field in op.fields
]
MONTANT_MAXIMAL = CONTRACT.document["components"]["schemas"]["Montant"]["maximum"]
SEPARATE = frozenset({values.VALID, values.ABSENT, values.REPEATED, values.UNDECODABLE})
"""Ways that are no value: each has a test of its own."""


def ids(value: Any) -> str | None:
    """A field is called by its place."""
    return value.place if isinstance(value, Field) else None


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """One scene for all: refusals change nothing."""
    return standing


def _invalid(operation: str, field: Field) -> Iterator[str]:
    ways = WAYS[operation, field.place]
    return (way for way in ways if way not in SEPARATE and not values.fits(way))


def _valid_text(call: Call, field: Field) -> str:
    """A valid text of a parameter or a field: the call's own, or the contract's example."""
    given = call.values.get(field.name)
    if given is None:
        kinds = {"integer": "1", "string": field.schema.get("example")}
        write, file = (
            "a valid text of that type into `kinds`",
            "tests/operations/test_every_value.py",
        )
        given = entry_of(kinds, field.schema["type"], write=write, file=file)
    return str(given)


def _assert_refused(answer: httpx.Response, field: Field, way: str) -> None:
    __tracebackhide__ = True
    own = field.schema.get("x-code-erreur")
    assert answer.status_code == 400, f"{field.place} {way}: {answer.text}"
    if own is not None and answer.json()["code"] == own:
        assert_refused(answer, own)
    else:
        assert_refused(answer, "405", parametre=field.top)


@pytest.mark.parametrize(("operation", "field"), PARAMETERS + FORM_FIELDS, ids=ids)
def test_text_that_breaks_its_schema_is_refused(scene: Scene, operation: str, field: Field) -> None:
    call, caller = scene.call(operation), scene.caller(operation)
    valid = _valid_text(call, field)
    for way in _invalid(operation, field):
        typed = int(valid) if field.schema["type"] == "integer" else valid
        value = values.sample(field.schema, way, typed) if way != values.EMPTY else ""
        assert values.way_of_text(field.schema, str(value)) == way
        _assert_refused(call.with_values(**{field.name: str(value)}).send(caller), field, way)


@pytest.mark.parametrize(("operation", "field"), FORM_FIELDS, ids=ids)
def test_repeated_or_undecodable_field_of_a_form_is_refused(
    scene: Scene, operation: str, field: Field
) -> None:
    call, caller = scene.call(operation), scene.caller(operation)
    rest = call.with_values(**{field.name: None}).values
    form = str(httpx.QueryParams(rest))
    for surplus, way in (
        (f"{field.name}=a&{field.name}=a", values.REPEATED),
        (f"{field.name}=%ff", values.UNDECODABLE),
    ):
        answer = caller.post(call.path, content=f"{form}&{surplus}", headers={"Content-Type": FORM})
        _assert_refused(answer, field, way)


def _changed(body: Any, place: list[str], way: str, field: Field) -> Any:
    """The body with the value at a place (`lignes`, `lignes[]`, `montant`) made invalid in a way."""
    name, *rest = place
    if name == "[]":
        return [_changed(body[0], rest, way, field) if rest else _made(body[0], way, field)]
    if rest:
        return {**body, name: _changed(body[name], rest, way, field)}
    if way == values.ABSENT:
        return {key: value for key, value in body.items() if key != name}
    valid = body.get(name, field.schema.get("example"))
    return {**body, name: _made(valid, way, field)}


def _made(valid: Any, way: str, field: Field) -> Any:
    if not values.fits(way):
        return values.sample(field.schema, way, valid)
    edge = dict(values.edges(field.schema))[way]
    if way == values.MOST:
        return [{**valid[0], "reference": f"R-{number}"} for number in range(edge)]
    return edge


def _place(field: Field) -> list[str]:
    path = field.place.removeprefix(f"{BODY} ").replace("[]", ".[]")
    return path.split(".")


@pytest.mark.parametrize(("operation", "field"), JSON_FIELDS, ids=ids)
def test_field_that_breaks_its_schema_is_refused_and_moves_nothing(
    scene: Scene, operation: str, field: Field
) -> None:
    before = scene.world.solde(scene.carte)
    call = scene.call(operation)
    ways = list(_invalid(operation, field))
    if field.required:
        ways.append(values.ABSENT)
    for way in ways:
        body = _changed(call.values, _place(field), way, field)
        raw = json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        answer = scene.api.post(call.path, content=raw, headers=headers)
        _assert_refused(answer, field, way)
    assert scene.world.solde(scene.carte) == before


def _own(operation: Operation, call: Call) -> dict[str, Any]:
    """The optional fields of an operation, with the contract's examples."""
    given = call.values
    return {
        field.name: field.schema["example"]
        for field in operation.fields
        if not field.required and field.name and field.name not in given
    }


@pytest.mark.parametrize(
    "operation", [op.name for op in BY_NAME.values() if op.media_type not in (FORM, None)]
)
def test_request_with_every_field_is_accepted(own_scene: Scene, operation: str) -> None:
    call = own_scene.call(operation)
    body = {**call.values, **_own(BY_NAME[operation], call)}
    if "reference" in body:
        body["reference"] = new_reference()
    answer = own_scene.caller(operation).post(call.path, json=body)
    assert answer.status_code == 200, answer.text


EDGES = [
    (op.name, field, way)
    for op in BY_NAME.values()
    for field in (*op.parameters.values(), *op.fields)
    for way, _ in values.edges(field.schema)
]


@pytest.mark.parametrize(("operation", "field", "way"), EDGES, ids=ids)
def test_value_at_the_edge_of_its_schema_is_accepted(
    world: World, standing: Scene, operation: str, field: Field, way: str
) -> None:
    scene = Scene(world, 2 * MONTANT_MAXIMAL, on=standing)
    call = scene.call(operation)
    if field.name in BY_NAME[operation].parameters:
        call = call.with_values(**{field.name: dict(values.edges(field.schema))[way]})
    else:
        call = call._replace(options={"json": _changed(call.values, _place(field), way, field)})
    answer = call.send(scene.caller(operation))
    assert answer.status_code == 200, answer.text
