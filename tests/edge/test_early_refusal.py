"""What a server does before a call has a thread: who is remembered, and what is counted."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import httpx
import pytest
from sqlalchemy.exc import DBAPIError

from handlers.edge import security
from handlers.edge.runner import OperationRunner
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.live import serving, settings_for, with_limits
from tests.support.partners import revoke
from tests.support.patience import CALL_S
from tests.support.scene import Scene, assert_refused
from tests.support.world import World

SHORT_S = 0.5


def test_revoked_caller_is_remembered_for_malformed_requests_only_and_not_for_long(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "REMEMBERED_S", SHORT_S)
    balance, api = own_scene.call("getSoldeCarte"), own_scene.api
    malformed = balance.with_values(numeroCarte="7019")
    assert balance.send(api).status_code == 200
    with own_scene.world.database.transaction() as connection:
        assert revoke(connection, TESTEUR, own_scene.pair.consumer_key)
    assert_refused(malformed.send(api), "405", parametre="numeroCarte")
    assert_refused(balance.send(api), "2001")  # and from here on it is forgotten
    assert_refused(malformed.send(api), "2001")


def test_remembered_caller_is_forgotten_after_a_while(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "REMEMBERED_S", SHORT_S)
    malformed = own_scene.call("getSoldeCarte").with_values(numeroCarte="7019")
    headers = {"Authorization": f"Bearer {own_scene.world.token(own_scene.pair)}"}
    assert_refused(
        malformed.send(own_scene.nobody, headers=headers), "405", parametre="numeroCarte"
    )
    with own_scene.world.database.transaction() as connection:
        assert revoke(connection, TESTEUR, own_scene.pair.consumer_key)
    time.sleep(SHORT_S)
    assert_refused(malformed.send(own_scene.nobody, headers=headers), "2001")


def test_server_that_remembers_many_callers_forgets_them_all_and_serves_on(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(security, "MAX_REMEMBERED", 1)
    balance, world = own_scene.call("getSoldeCarte"), own_scene.world
    for _ in range(3):
        headers = {"Authorization": f"Bearer {world.token(own_scene.pair)}"}
        for _ in range(2):
            assert balance.send(own_scene.nobody, headers=headers).status_code == 200


@pytest.mark.parametrize("malformed", [True, False])
def test_each_call_is_counted_once_whether_its_caller_is_remembered_or_not(
    shared_database: Database, world: World, malformed: bool
) -> None:
    scene = Scene(world)
    call = scene.call("getSoldeCarte")
    if malformed:
        call = call.with_values(numeroCarte="7019")
    url = shared_database.url.render_as_string(hide_password=False)
    with serving(with_limits(settings_for(url), lecture="3/hour")) as base_url:
        headers = dict(scene.api.headers)
        with httpx.Client(
            base_url=base_url, headers=headers, trust_env=False, timeout=CALL_S
        ) as api:
            statuses = [call.send(api).status_code for _ in range(5)]
    assert statuses == [400 if malformed else 200] * 3 + [429] * 2


@pytest.mark.parametrize("operation", ["accessToken", "getSoldeCarte"])
def test_call_that_runs_again_is_counted_once(
    shared_database: Database, world: World, monkeypatch: pytest.MonkeyPatch, operation: str
) -> None:
    scene = Scene(world)
    execute: Any = OperationRunner._execute  # noqa: SLF001 - a conflict as late as it can be
    runs: list[str] = []

    def lose_twice(runner: OperationRunner, *rest: Any) -> Any:
        runs.append(runner.operation.operation_id)
        if runs.count(operation) in (1, 2) and runs[-1] == operation:
            raise DBAPIError("SELECT", None, Exception(), connection_invalidated=True)
        return execute(runner, *rest)

    call = scene.call(operation)
    authorization = scene.caller(operation).headers.get("Authorization")
    headers = {"Authorization": authorization} if authorization else {}
    monkeypatch.setattr(OperationRunner, "_execute", lose_twice)
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    with serving(with_limits(settings, lecture="2/hour", jeton="2/hour")) as base_url:
        client = world.anonymous(base_url)
        statuses = [call.send(client, headers=headers).status_code for _ in range(2)]
    assert runs.count(operation) == 4
    assert statuses == [200, 200]


def test_tokens_are_counted_by_the_address_of_who_asks(
    shared_database: Database, world: World
) -> None:
    scene = Scene(world)
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, proxies=(ip_network("127.0.0.1"),))
    with serving(with_limits(settings, jeton="1/hour")) as base_url:
        client = world.anonymous(base_url)
        statuses = [
            scene.call("accessToken").send(client, headers={"X-Forwarded-For": address}).status_code
            for address in ("192.0.2.1", "192.0.2.2", "192.0.2.1", "192.0.2.1")
        ]
    assert statuses[:2] == [200, 200]
    assert 429 in statuses[2:]  # a new hour may start between two calls, never between three
