"""The front of the server: who is let in, how many, and what every answer bears."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from sqlalchemy import Connection, select

import handlers.catalogue
import handlers.edge.bridge
from handlers.contract.edition import edition_31_json
from handlers.contract.model import Contract
from models.carte import find_carte
from models.database.engine import Database
from models.database.waiting import aside
from tests.support.contract_client import CONTRACT, DOCUMENT
from tests.support.live import serving, settings_for, with_limits
from tests.support.patience import CALL_S
from tests.support.world import World


def test_address_is_checked_after_the_secret(world: World) -> None:
    """From elsewhere, only who has the secret learns that the key exists."""
    carte = world.carte(1000)
    pair = world.partenaire([carte.membre.client_id], adresses=["10.0.0.0/8"])
    form = {"grant_type": "client_credentials"}
    for secret, expected in (
        (pair.consumer_secret, [(403, "2004"), (403, "2004")]),
        ("wrong", [(401, "2101"), (401, "2001")]),
    ):
        auth = (pair.consumer_key, secret)
        token = world.anonymous().post("/access-token", auth=auth, data=form)
        basic = world.anonymous().get("/get-solde-carte", params=carte.query, auth=auth)
        answers = [(answer.status_code, answer.json()["code"]) for answer in (token, basic)]
        assert answers == expected


def test_allowed_address_passes(world: World) -> None:
    carte = world.carte(1000)
    api = world.api(carte, adresses=["127.0.0.0/8"])
    assert api.get("/get-solde-carte", params=carte.query).status_code == 200


def test_calls_over_the_limit_wait_and_other_partners_do_not(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    settings = with_limits(settings_for(url), lecture="2/minute")
    with serving(settings, database) as base:
        world = World(database, base)
        carte = world.carte(1000)
        api, other = world.api(carte), world.api(carte)
        answers = [api.get("/get-solde-carte", params=carte.query) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[2].json()["code"] == "1008"
        assert 1 <= int(answers[2].headers["retry-after"]) <= 60
        assert other.get("/get-solde-carte", params=carte.query).status_code == 200
        world.close()


@pytest.fixture
def slow_operations(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Balances that do not end before the event is set."""
    release = threading.Event()

    def slow(*args: Any, **options: Any) -> Any:
        aside(lambda: release.wait(CALL_S))
        return find_carte(*args, **options)

    monkeypatch.setattr("handlers.cartes.find_carte", slow)
    yield release
    release.set()


def test_health_does_not_wait_behind_slow_operations(
    database: Database, slow_operations: threading.Event
) -> None:
    url = database.url.render_as_string(hide_password=False)
    patient = replace(settings_for(url), deadline_s=CALL_S)
    with serving(patient) as base, ThreadPoolExecutor(20) as pool:
        world = World(database, base)
        carte = world.carte(1000)
        api = world.api(carte)
        slow = [pool.submit(api.get, "/get-solde-carte", params=carte.query) for _ in range(20)]
        time.sleep(0.5)
        try:
            for path in ("/health/live", "/health/ready", "/codes-erreur"):
                # Not in how many seconds, which a busy machine decides, but before any of the others.
                answer = httpx.get(base + path, trust_env=False, timeout=CALL_S / 4)
                assert answer.status_code == 200
                assert not any(call.done() for call in slow)
        finally:
            slow_operations.set()
        assert [call.result(CALL_S).status_code for call in slow] == [200] * 20
        world.close()


def test_health_does_not_wait_behind_an_uncounted_operation_that_holds_the_database(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`libre` says that nobody counts its calls, not that it is soon done."""
    release = threading.Event()
    served = handlers.catalogue.get_codes_erreur

    def get_codes_erreur(*, connection: Connection, contract: Contract) -> Any:
        connection.execute(select(1))
        aside(lambda: release.wait(CALL_S))
        return served(contract=contract)

    get_codes_erreur.__module__ = served.__module__
    monkeypatch.setattr("handlers.catalogue.get_codes_erreur", get_codes_erreur)
    url = database.url.render_as_string(hide_password=False)
    patient = replace(settings_for(url), deadline_s=CALL_S)
    with serving(patient) as base, ThreadPoolExecutor(20) as pool:
        slow = [
            pool.submit(httpx.get, f"{base}/codes-erreur", trust_env=False, timeout=CALL_S)
            for _ in range(20)
        ]
        time.sleep(0.5)
        try:
            for path in ("/health/ready", "/health/live"):
                answer = httpx.get(base + path, trust_env=False, timeout=CALL_S / 4)
                assert answer.status_code == 200
            assert not any(call.done() for call in slow)
        finally:
            release.set()
        assert [call.result(CALL_S).status_code for call in slow] == [200] * 20


@pytest.mark.parametrize("path", ["/health/live", "/absent", "/get-solde-carte", "/ui"])
def test_every_answer_bears_the_common_headers(world: World, path: str) -> None:
    answer = world.anonymous().get(path, headers={"X-Request-Id": "essai-1"})
    assert answer.headers["x-request-id"] == "essai-1"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] in ("no-store", "no-cache")
    assert "server" not in answer.headers


def test_full_queue_asks_to_return_and_only_those_calls_that_can_say_so(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = world.api(world.carte(1_000))
    monkeypatch.setattr(handlers.edge.bridge, "MAX_WAITING", 0)
    for path, expected in (
        ("/mes-droits", "5001"),
        ("/health/ready", "5001"),
        ("/health/live", None),
        ("/codes-erreur", 200),
    ):
        assert api.get(path).json().get("code") == expected


def test_contract_is_served_byte_for_byte_and_cached_by_its_etag(world: World) -> None:
    api = world.anonymous()
    answer = api.get("/openapi.yaml")
    assert answer.content == CONTRACT.read_bytes()
    assert api.get("/openapi.json").json() == DOCUMENT
    edition = api.get("/openapi-3.1.json")
    assert edition.content == edition_31_json(DOCUMENT)
    for path, served in (("/openapi.yaml", answer), ("/openapi-3.1.json", edition)):
        again = api.get(path, headers={"If-None-Match": served.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        assert api.head(path).headers["content-length"] == str(len(served.content))
        assert served.headers["x-contract-version"].startswith(DOCUMENT["info"]["version"])


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/doc/concepts.html", "/ui", "/ui/", "/ui/index.html"]
)
def test_links_of_a_page_are_relative_and_lead_somewhere_from_each_of_its_addresses(
    world: World, path: str
) -> None:
    api = world.anonymous()
    page = api.get(path)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    links = set(re.findall(r'(?:href|src|data-contrat)="(?!mailto:)([^"#]+)["#]', page.text))
    assert len(links) >= 5
    # Terms, a licence or more documentation may lie elsewhere, where the contract says.
    named = json.dumps(DOCUMENT)
    for link in {link for link in links if f'"{link}"' not in named or "://" not in link}:
        assert not link.startswith(("/", "http")), link
        assert api.get(urljoin(path, link)).status_code == 200, link
