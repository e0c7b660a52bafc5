"""Every parameter and field of the contract: absent, valid, at each edge, invalid in each way.

The values are made from the contract's schemas, so that a new field brings its own tests.
"""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.lab.coverage import values
from tests.lab.coverage.cells import FORM, Contract, Field, Operation
from tests.support.every_value import Values, assert_refused_by_name, ids
from tests.support.scene import Call, Scene
from tests.support.steps import new_reference
from tests.support.world import World

VALUES = Values(Contract.read())
BY_NAME = VALUES.by_name
MONTANT_MAXIMAL = VALUES.contract.document["components"]["schemas"]["Montant"]["maximum"]


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """One scene for all: refusals change nothing."""
    return standing


@pytest.mark.parametrize(("operation", "field"), VALUES.parameters + VALUES.form_fields, ids=ids)
def test_text_that_breaks_its_schema_is_refused(scene: Scene, operation: str, field: Field) -> None:
    caller = scene.caller(operation)
    for way, call in VALUES.wrong_texts(operation, scene.call(operation), field):
        assert_refused_by_name(call.send(caller), field, way)


@pytest.mark.parametrize(("operation", "field"), VALUES.form_fields, ids=ids)
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
        assert_refused_by_name(answer, field, way)


@pytest.mark.parametrize(("operation", "field"), VALUES.json_fields, ids=ids)
def test_field_that_breaks_its_schema_is_refused_and_moves_nothing(
    scene: Scene, operation: str, field: Field
) -> None:
    before = scene.world.solde(scene.carte)
    call = scene.call(operation)
    headers = {"Content-Type": "application/json"}
    for way, body in VALUES.wrong_bodies(operation, call.values, field):
        answer = scene.api.post(call.path, content=json.dumps(body).encode(), headers=headers)
        assert_refused_by_name(answer, field, way)
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


@pytest.mark.parametrize(("operation", "field", "way"), VALUES.edges, ids=ids)
def test_value_at_the_edge_of_its_schema_is_accepted(
    world: World, standing: Scene, operation: str, field: Field, way: str
) -> None:
    scene = Scene(world, 2 * MONTANT_MAXIMAL, on=standing)
    call = VALUES.at_edge(operation, scene.call(operation), field, way)
    answer = call.send(scene.caller(operation))
    assert answer.status_code == 200, answer.text
