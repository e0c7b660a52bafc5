"""The contract's examples, sent as they stand to a server with the demo data, tell what happens there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
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

BY_ID = {operation["operationId"]: operation for operation in OPERATIONS.values()}
PLACES = {operation["operationId"]: place for place, operation in OPERATIONS.items()}
STORY: list[Json] = DOCUMENT["x-parcours"]

BY_FORM = (
    "adresse",
    *("access_token", "empreinte", "exp", "iat"),
    *("consumerSecret", "fin4", "dernierUsage", "finSecretRemplace", "expireLe"),
)
"""Fields of the examples that differ on each server. So do instants, and the names that the server gives to
operations and secrets, of which the same one must stand wherever an example has the same one."""

GIVEN = ("access_token", "consumerSecret", "secretId", "secretRemplace")
"""Fields whose values a later step sends back: that of this server in the place of the example's."""

PUBLIC = "https://api.cynod.example"
"""The address of the examples."""

LOCATING = {"requestId", "documentation", "erreurs"}

EXTRACTS = ("getCodesErreur",)
"""Operations whose example shows some of the answer's `data`."""

SCHEMAS: Json = DOCUMENT["components"]["schemas"]
INSTANT = re.compile(SCHEMAS["Instant"]["pattern"].strip("^$"))
NUMERO = re.compile(SCHEMAS["NumeroOperation"]["pattern"].strip("^$"))

QUERIES = [
    (name, parameter["name"])
    for name, operation in BY_ID.items()
    for parameter in map(resolve, operation.get("parameters", []))
]
BEFORE = {"getOperation": ("debitCarte", "debit")}
"""The step of the story that gives an operation's examples their object."""


@contextmanager
def fresh_demo(url: str) -> Iterator[World]:
    """A server with the demo data, which nobody has used."""
    database = Database(url)
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=list(ALL_SCOPES), pepper=PEPPER)
    settings = settings_for(database.url.render_as_string(hide_password=False))
    with serving(replace(settings, url_publique=PUBLIC)) as base:
        world = World(database, base)
        yield world
        world.close()
    database.close()


# ── the story ─────────────────────────────────────────────────────────────────────────────────────


def answer_example(operation_id: str, name: str) -> tuple[str, str, Any]:
    """Status, media type and value of the answer's example of that name."""
    for status, node in BY_ID[operation_id]["responses"].items():
        for media_type, media in resolve(node)["content"].items():
            if name in media["examples"]:
                return status, media_type, resolve(media["examples"][name])["value"]
    raise AssertionError(f"openapi.yaml, {operation_id}: no answer has an example {name}.")


def request_example(operation_id: str, name: str) -> Json:
    """What is sent, as x-parcours says it."""
    operation = BY_ID[operation_id]
    if "requestBody" in operation:
        ((media_type, media),) = resolve(operation["requestBody"])["content"].items()
        how = "json" if media_type == "application/json" else "data"
        return {how: resolve(media["examples"][name])["value"]}
    parameters = list(map(resolve, operation.get("parameters", [])))
    sent = [one for one in parameters if one["required"]]
    sent = sent or [one for one in parameters if "example" in one]
    return {"params": {one["name"]: one["example"] for one in sent}}


class Reader:
    """Reads bodies of which the same story is the same text."""

    def __init__(self) -> None:
        self._numbers: dict[str, str] = {}

    def text(self, body: Any) -> str:
        """The body, in which what differs on each server has the name of its kind."""
        if isinstance(body, dict):
            body = {key: f"<{key}>" if key in BY_FORM else value for key, value in body.items()}
            if isinstance(body.get("data"), list):
                body["data"] = [self._item(item) for item in body["data"]]
        told = (
            body
            if isinstance(body, str)
            else json.dumps(body, sort_keys=True, indent=1, ensure_ascii=False)
        )
        told = NUMERO.sub(self._number, told)
        return INSTANT.sub("<instant>", told)

    @staticmethod
    def _item(item: Json) -> Json:
        return {key: f"<{key}>" if key in BY_FORM else value for key, value in item.items()}

    def _number(self, found: re.Match[str]) -> str:
        return self._numbers.setdefault(found[0], f"<operation {len(self._numbers) + 1}>")


def given_by(body: Json) -> list[str]:
    """The values of an answer that a later step may send back, in order."""
    items = [body, *body.get("data", [])] if isinstance(body.get("data"), list) else [body]
    return [str(item[name]) for item in items for name in GIVEN if item.get(name)]


def with_given(sent: Json, given: dict[str, str]) -> Json:
    """What is sent, with what this server gave in the place of what the examples show."""
    return {
        how: {key: given.get(str(value), value) for key, value in values.items()}
        for how, values in sent.items()
    }


def test_examples_sent_in_order_to_a_new_demo_get_the_answers_beside_them(
    new_database_url: NewUrl,
) -> None:
    told, heard, given = Reader(), Reader(), dict[str, str]()
    with fresh_demo(new_database_url()) as demo, demo.anonymous() as api:
        for step in STORY:
            operation_id, name = step["operation"], step["exemple"]
            method, path = PLACES[operation_id]
            status, media_type, expected = answer_example(operation_id, name)
            sent = with_given(request_example(operation_id, name), given)
            answer = api.request(method, path, headers={"Accept": media_type}, **sent)
            where = f"openapi.yaml, {operation_id}, example {name}"
            assert str(answer.status_code) == status, f"{where}: {answer.text}"
            body: Any = answer.json() if media_type == "application/json" else answer.text
            if operation_id == "accessToken":
                api.headers["Authorization"] = f"Bearer {body['access_token']}"
            if media_type == "application/json":
                given |= dict(zip(given_by(expected), given_by(body), strict=True))
            if operation_id in EXTRACTS:
                kept = [item for item in body["data"] if item in expected["data"]]
                body = {**body, "data": kept}
            if int(status) >= 400:
                # An example of a refusal may leave out what helps to find the fault.
                body = {key: body[key] for key in body if key in expected or key not in LOCATING}
            assert heard.text(body) == told.text(expected), where


# ── parameters ────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def demo(new_database_url: NewUrl) -> Iterator[World]:
    """A server with the demo data, for the examples of parameters alone."""
    with fresh_demo(new_database_url()) as made:
        yield made


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


@pytest.mark.parametrize(("operation", "name"), QUERIES)
def test_parameter_example_is_understood_on_the_demo(
    api: ContractClient, operation: str, name: str
) -> None:
    if operation in BEFORE:
        before, example = BEFORE[operation]
        method, path = PLACES[before]
        made = api.request(method, path, **request_example(before, example))
        assert made.status_code == 200, made.text
    parameters = {p["name"]: p for p in map(resolve, BY_ID[operation]["parameters"])}
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
