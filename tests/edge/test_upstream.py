"""Every operation does to a request what Connexion as it comes does with the same contract and handlers.

Ours is quicker because it builds once what Connexion builds for each request. Left out of the comparison is
where ours is stricter on purpose: a newline behind a value (Connexion's `$` lets it pass), a name given twice
(it takes one), a body that is no UTF-8 (it answers 500); where a form of OAuth is to be read as RFC 6749
wants it (Connexion refuses a field that is unknown); and the words of a refusal that Connexion makes.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.contract.reading import load
from models.database.engine import Database
from tests.support.contract_client import Json, envelope_of, resolve
from tests.support.live import settings_for
from tests.support.patience import CALL_S
from tests.support.scene import (
    ALL,
    BY_PAIR,
    CONTRACT,
    WITH_FORM,
    Scene,
    body_schema,
)
from tests.support.upstream import build_upstream
from tests.support.world import TLS

pytestmark = pytest.mark.only_on("sqlite")  # what is compared is in front of the database

OPERATIONS = [name for name in ALL if name not in BY_PAIR]
"""Those that Connexion can serve: it has no words for a pair in a form."""

JSON, FORM = "application/json", "application/x-www-form-urlencoded"


@pytest.fixture(scope="module")
def upstream(shared_database: Database) -> Iterator[str]:
    """The URL of Connexion's own application on the shared database."""
    url = shared_database.url.render_as_string(hide_password=False)
    mine = settings_for(url)
    app = build_upstream(load(mine.contract), mine, shared_database)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(app, ws="none", log_config=None, access_log=False))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join(15)


WORDS = ["", " ", "0", "-1", "1", "1.0", "1e3", "true", "null", "x" * 300, "é", "70198001000095"]
TEXTS = st.sampled_from(WORDS) | st.text(st.characters(codec="utf-8"), max_size=30)
VALUES: st.SearchStrategy[Any] = (
    TEXTS
    | st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.lists(st.integers(), max_size=2)
    | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=3), st.integers(), max_size=2)
)
REMOVED = object()


def heads(content_type: str) -> list[tuple[str, str]]:
    """Authorization and Content-Type. Never both wrong: we tell the media type first, Connexion the other."""
    return [
        *[("good", content_type)] * 12,
        *[(wrong, content_type) for wrong in ("", "Bearer x", "Basic eDp5", "Digest a")],
        *[("good", content) for content in ("", "text/plain", f"{content_type}; charset=utf-8")],
    ]


@st.composite
def changes(draw: st.DrawFn, names: list[str], values: st.SearchStrategy[Any]) -> Json:
    """What is replaced, removed or added of a request."""
    chosen = draw(st.lists(st.sampled_from(names), max_size=2, unique=True))
    return {name: draw(st.just(REMOVED) | values) for name in chosen}


def changed(values: Json, change: Json) -> Json:
    """The values of a request after the change."""
    return {name: value for name, value in {**values, **change}.items() if value is not REMOVED}


def names_of(operation: str) -> list[str]:
    """The parameters or the fields of an operation, and one that it does not have."""
    declared = CONTRACT[operation]
    if "requestBody" in declared:
        fields = list(body_schema(operation)["properties"])
        return fields if operation in WITH_FORM else [*fields, "surplus"]
    return [
        *(resolve(parameter)["name"] for parameter in declared.get("parameters", [])),
        "surplus",
    ]


OF_ONE = ("dernierControle", "consumerSecret")
"""What is not the same from both: the instant of the check that each made of itself, and a secret, which only
the first who is asked tells."""


def without_what_is_of_one(answer: httpx.Response) -> Json:
    """The body of an answer, without OF_ONE."""
    if answer.status_code != 200:
        return envelope_of(answer)  # Connexion finds one fault where we find all
    body: Json = answer.json()
    for line in body.get("data", []):
        for name in OF_ONE:
            line.pop(name, None)
    return body


@pytest.mark.parametrize("operation", OPERATIONS)
def test_answers_are_those_of_connexion(standing: Scene, upstream: str, operation: str) -> None:
    call, names = standing.call(operation), names_of(operation)
    is_post, is_form = call.method == "POST", operation in WITH_FORM
    (sent,) = call.options.values()
    ours = standing.caller(operation)
    if operation == "retirerSecretInitial":
        call.send(ours)  # A code works once: both are asked for it afterwards.

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        change=changes(names, VALUES if is_post and not is_form else TEXTS),
        head=st.sampled_from(heads(FORM if is_form else JSON)),
        raw=st.sampled_from([None] * 9 + [b"", b"{", b"[]", b"1", b"null"]),
    )
    def compare(change: Json, head: tuple[str, str], raw: bytes | None) -> None:
        authorization, content_type = head
        values = changed(sent, change)
        headers = {"Authorization": authorization}
        if authorization == "good":
            headers["Authorization"] = ours.headers["Authorization"]
        more: Json = {"params": values}
        if is_post:
            headers |= {"Content-Type": content_type}
            written = (urlencode(values) if is_form else json.dumps(values)).encode()
            more = {"content": written if raw is None else raw}
        answers = [
            client.request(call.method, call.path, headers=headers, **more)
            for client in (ours, theirs)
        ]
        told = f"{call.method} {call.path} {headers} {more}: {[a.text for a in answers]}"
        assert answers[0].status_code == answers[1].status_code, told
        if answers[1].headers["content-type"] == JSON:
            mine, other = map(without_what_is_of_one, answers)
            assert mine == other, told

    with httpx.Client(base_url=upstream, verify=TLS, trust_env=False, timeout=CALL_S) as theirs:
        compare()
