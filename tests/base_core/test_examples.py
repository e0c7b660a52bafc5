"""The examples of the back office's contract, sent as they stand to a server with the demo data and its two
agents, tell what happens there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from handlers.contract.scopes import declared_scopes
from handlers.edge.local_issuer import EMETTEUR
from models.back_office.demo import seed_agents, seed_machine
from models.books.demo import seed_demo
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import PARTENAIRE, ContractClient, Json, base_core
from tests.support.live import serving, settings_for, with_back_office
from tests.support.persons import Signer
from tests.support.scenes import NewUrl
from tests.support.world import PEPPER

READING = base_core()
PLACES = {operation["operationId"]: place for place, operation in READING.operations.items()}
STORY: list[Json] = READING.document["x-parcours"]
SCHEMAS: Json = READING.document["components"]["schemas"]

SCOPES = sorted(declared_scopes(PARTENAIRE.document))
"""The rights of the demo partner: all there are."""

INSTANT: re.Pattern[str] = re.compile(SCHEMAS["Instant"]["pattern"].strip("^$"))
DEMANDE: re.Pattern[str] = re.compile(SCHEMAS["DemandeId"]["pattern"].strip("^$"))
EMPREINTE: re.Pattern[str] = re.compile(SCHEMAS["Empreinte"]["pattern"].strip("^$"))

BY_PLACE = ("position", "lignes", "premiere", "derniere")
"""Fields that tell how long the audit is, which is as long as what was done before."""

BY_CALL = (
    *("requestId", "adresse", "emetteur", "authentifieLe", "viaApplication", "sujet"),
    *("derniereActivite", "codeRetrait"),
)
"""Fields that tell who has called, from where, with which provider's token, and what is told once: when a
person last called is noted aside."""


@contextmanager
def fresh_demo(url: str, signer: Signer) -> Iterator[dict[str, ContractClient]]:
    """The demo's agents, each with a client of a server that nobody has used."""
    database = Database(url)
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=SCOPES, pepper=PEPPER)
        seed_agents(connection, TESTEUR, EMETTEUR)
        seed_machine(connection, TESTEUR, pepper=PEPPER)
    settings = settings_for(database.url.render_as_string(hide_password=False))
    with serving(with_back_office(settings, signer)) as base:
        agents = {step["agent"]: ContractClient(base_url=base) for step in STORY}
        for agent_id, client in agents.items():
            client.headers["Authorization"] = f"Bearer {signer.token(agent_id)}"
        yield agents
        for client in agents.values():
            client.close()
    database.close()


def answer_example(operation_id: str, name: str) -> tuple[str, str, Any]:
    """Status, media type and value of the answer's example of that name."""
    for status, node in READING.by_id[operation_id]["responses"].items():
        for media_type, media in READING.resolve(node)["content"].items():
            if name in media["examples"]:
                return status, media_type, READING.resolve(media["examples"][name])["value"]
    raise AssertionError(f"base-core.yaml, {operation_id}: no answer has an example {name}.")


def request_example(operation_id: str, name: str) -> Json:
    """What is sent, as x-parcours says it."""
    operation = READING.by_id[operation_id]
    if "requestBody" in operation:
        ((_, media),) = operation["requestBody"]["content"].items()
        return {"json": READING.resolve(media["examples"][name])["value"]}
    parameters = list(map(READING.resolve, operation.get("parameters", [])))
    sent = [one for one in parameters if one["required"]]
    sent = sent or [one for one in parameters if "example" in one]
    return {"params": {one["name"]: one["example"] for one in sent}}


class Reader:
    """Reads bodies of which the same story is the same text."""

    def __init__(self) -> None:
        self._demandes: dict[str, str] = {}
        self._empreintes: dict[str, str] = {}

    def text(self, body: Any) -> str:
        """The body, in which what differs on each server has the name of its kind."""
        told = body if isinstance(body, str) else json.dumps(self._plain(body), indent=1)
        told = DEMANDE.sub(lambda found: self._named(self._demandes, "demande", found[0]), told)
        told = EMPREINTE.sub(
            lambda found: self._named(self._empreintes, "empreinte", found[0]), told
        )
        return INSTANT.sub("<instant>", told)

    def _plain(self, body: Any) -> Any:
        if isinstance(body, list):
            return [self._plain(one) for one in body]
        if not isinstance(body, dict):
            return body
        named = (*BY_PLACE, *BY_CALL)
        return {
            key: f"<{key}>" if key in named or self._is_drawn(key, value) else self._plain(value)
            for key, value in sorted(body.items())
        }

    @staticmethod
    def _is_drawn(key: str, value: Any) -> bool:
        """Whether it is the name of a partner who was not there: it is drawn."""
        return key == "consumerKey" and value is not None and not str(value).startswith("demo-")

    @staticmethod
    def _named(known: dict[str, str], kind: str, value: str) -> str:
        return known.setdefault(value, f"<{kind} {len(known) + 1}>")


def given_by(expected: Any, body: Any) -> dict[str, str]:
    """What a later step sends back: the name that this server gave a thing, by the example's."""
    if isinstance(expected, dict) and isinstance(body, dict):
        pairs = [(value, body.get(key)) for key, value in expected.items()]
    elif isinstance(expected, list) and isinstance(body, list):
        pairs = list(zip(expected, body, strict=False))
    else:
        named = isinstance(expected, str) and DEMANDE.fullmatch(expected)
        return {expected: body} if named else {}
    return {shown: one for pair in pairs for shown, one in given_by(*pair).items()}


def heads_of(csv: str) -> str:
    """The columns of a table, and how many rows it has: their values are those of the JSON."""
    head, *rows = csv.strip().split("\n")
    return f"{head.strip()}\n{len(rows)}"


def test_examples_sent_in_order_to_a_new_demo_get_the_answers_beside_them(
    new_database_url: NewUrl, signer: Signer
) -> None:
    told, heard, given = Reader(), Reader(), dict[str, str]()
    with fresh_demo(new_database_url(), signer) as agents:
        for step in STORY:
            operation_id, name = step["operation"], step["exemple"]
            method, path = PLACES[operation_id]
            status, media_type, expected = answer_example(operation_id, name)
            sent = {
                how: {key: given.get(str(value), value) for key, value in values.items()}
                for how, values in request_example(operation_id, name).items()
            }
            api = agents[step["agent"]]
            answer = api.request(method, path, headers={"Accept": media_type}, **sent)
            where = f"base-core.yaml, {operation_id}, example {name}"
            assert str(answer.status_code) == status, f"{where}: {answer.text}"
            if media_type == "text/csv":
                assert heads_of(answer.text) == heads_of(expected), where
                continue
            body: Json = answer.json()
            given |= given_by(expected, body)
            assert heard.text(body) == told.text(expected), where
