"""The contract's examples, sent as they stand to a server with the demo data: each is understood."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import select, update

from models.books.demo import seed_demo
from models.carte import cartes
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import (
    DOCUMENT,
    OPERATIONS,
    ContractClient,
    Json,
    resolve,
)
from tests.support.live import serving, settings_for
from tests.support.scenes import NewUrl
from tests.support.world import ALL_SCOPES, PEPPER, World

PLACES = {operation["operationId"]: place for place, operation in OPERATIONS.items()}
BODIES = [
    (operation["operationId"], name)
    for operation in OPERATIONS.values()
    if "requestBody" in operation
    for name in next(iter(resolve(operation["requestBody"])["content"].values()))["examples"]
]
QUERIES = [
    (operation["operationId"], parameter["name"])
    for operation in OPERATIONS.values()
    for parameter in map(resolve, operation.get("parameters", []))
]
BEFORE = {
    "annulerOperation": "debitCarte",
    "getOperation": "debitCarte",
    "revoquerSecret": "renouvelerSecret",
    "leverMonOpposition": "opposerMaCarte",
}
"""What must have been sent for an example to have an object: its own example."""


@pytest.fixture(scope="module")
def demo(new_database_url: NewUrl) -> Iterator[World]:
    """A server with the demo data, for the examples alone."""
    database = Database(new_database_url())
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=list(ALL_SCOPES), pepper=PEPPER)
    with serving(settings_for(database.url.render_as_string(hide_password=False))) as base:
        world = World(database, base)
        yield world
        world.close()
    database.close()


@pytest.fixture
def api(demo: World) -> Iterator[ContractClient]:
    """A new partner of the demo's client: the references of the examples are free again.

    The cards are afterwards in the state that the demo gave them: the examples name the same ones.
    """
    with demo.database.reading() as connection:
        before = connection.execute(select(cartes.c.id, cartes.c.statut)).all()
    yield demo.api("CLI-0001")
    with demo.database.transaction() as connection:
        for carte_id, statut in before:
            connection.execute(update(cartes).where(cartes.c.id == carte_id).values(statut=statut))


def _example(operation_id: str, name: str) -> tuple[str, Json]:
    body = resolve(OPERATIONS[PLACES[operation_id]]["requestBody"])
    ((media_type, content),) = body["content"].items()
    value: Json = resolve(content["examples"][name])["value"]
    return ("json" if media_type == "application/json" else "data"), value


def _send(api: ContractClient, operation_id: str, name: str, **changes: Any) -> Json:
    method, path = PLACES[operation_id]
    how, value = _example(operation_id, name)
    kept = {key: item for key, item in {**value, **changes}.items() if item is not None}
    options: dict[str, Any] = {how: kept}
    if how == "data" and "client_id" in value:
        # The pair is in the form, and never in two places.
        del api.headers["Authorization"]
    answer = api.request(method, path, **options)
    assert answer.status_code == 200, f"openapi.yaml, example {name}: {answer.text}"
    body: Json = answer.json()
    return body


def _prepare(api: ContractClient, operation_id: str) -> Json:
    """What must be there; the fields of the example whose values nobody chooses."""
    if operation_id in BEFORE:
        before = _send(api, BEFORE[operation_id], dict(BODIES)[BEFORE[operation_id]])
        if operation_id == "revoquerSecret":
            return {"secretId": before["data"][0]["secretRemplace"]}
    return {}


@pytest.mark.parametrize(("operation", "name"), BODIES)
def test_body_example_succeeds_on_the_demo(api: ContractClient, operation: str, name: str) -> None:
    _send(api, operation, name, **_prepare(api, operation))


@pytest.mark.parametrize(("operation", "name"), QUERIES)
def test_parameter_example_is_understood_on_the_demo(
    api: ContractClient, operation: str, name: str
) -> None:
    _prepare(api, operation)
    parameters = {p["name"]: p for p in map(resolve, OPERATIONS[PLACES[operation]]["parameters"])}
    query = {
        called: node.get("example", resolve(node["schema"]).get("example"))
        for called, node in parameters.items()
        if node["required"] or called == name
    }
    answer = api.get(PLACES[operation][1], params=query)
    if name == "numeroOperation":
        # No operation of the demo can bear the number of an example.
        assert answer.json()["code"] == "4006"
    else:
        assert answer.status_code == 200, f"openapi.yaml, example of {name}: {answer.text}"


def test_example_of_an_operation_has_the_form_of_one(api: ContractClient) -> None:
    _send(api, "debitCarte", dict(BODIES)["debitCarte"], terminal=None)
    answer = api.get("/get-operation", params={"reference": "PAY-2026-000001"}).json()
    example = DOCUMENT["components"]["examples"]["Operation"]["value"]
    changing = ("numeroOperation", "dateOperation", "soldeOnline")
    for item in (answer["data"][0], expected := dict(example["data"][0])):
        for field in changing:
            item[field] = ""
    assert answer == {**example, "data": [expected]}
