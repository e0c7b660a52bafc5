"""revoquerJeton (RFC 7009) and introspecterJeton (RFC 7662): tokens in their partner's own hands."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import update

from models.authentification import jetons
from models.base import now
from models.partenaire import partenaires
from models.secret import hash_secret
from tests.support.live import serving, settings_for
from tests.support.scene import Scene, assert_refused
from tests.support.steps import debit, new_reference
from tests.support.world import ALL_SCOPES, PEPPER

SCOPES = " ".join(sorted(ALL_SCOPES))


def revoke(scene: Scene, token: str, **more: Any) -> httpx.Response:
    """End a token, with the pair by Basic unless told."""
    options = {"auth": httpx.BasicAuth(*scene.pair), **more}
    data = {"token": token, **options.pop("data", {})}
    return scene.nobody.post("/revoquer-jeton", data=data, **options)


def inspect(scene: Scene, token: str, **more: Any) -> httpx.Response:
    """Ask what a token opens."""
    return scene.api.post("/introspecter-jeton", data={"token": token, **more})


def told(scene: Scene, token: str) -> Any:
    """The whole body of what is told of a token."""
    answer = inspect(scene, token)
    assert answer.status_code == 200, answer.text
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    return answer.json()


# ── introspecterJeton ────────────────────────────────────────────────────────────────────────────
def test_token_is_told_with_its_rights_and_its_life(scene: Scene) -> None:
    before = int(time.time())
    token = scene.world.token(scene.pair, scope="soldes:lire cartes:lire")
    found = told(scene, token)
    assert found == {
        "active": True,
        "scope": "cartes:lire soldes:lire",
        "client_id": scene.pair.consumer_key,
        "exp": found["iat"] + 3600,
        "iat": found["iat"],
        "token_type": "Bearer",
    }
    assert before <= found["iat"] <= time.time()


def test_rights_that_the_partner_has_lost_are_not_told(own_scene: Scene) -> None:
    token = own_scene.world.token(own_scene.pair, scope="soldes:lire cartes:lire")
    with own_scene.world.database.transaction() as connection:
        connection.execute(
            update(partenaires)
            .where(partenaires.c.consumer_key == own_scene.pair.consumer_key)
            .values(scopes="jetons:verifier soldes:lire")
        )
    assert told(own_scene, token)["scope"] == "soldes:lire"


def test_of_a_token_that_opens_nothing_for_the_partner_nothing_is_told(scene: Scene) -> None:
    theirs = Scene(scene.world)
    expired, ended = scene.world.token(scene.pair), scene.world.token(scene.pair)
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(jetons)
            .where(jetons.c.empreinte == hash_secret(expired, PEPPER))
            .values(expire_le=now())
        )
    assert revoke(scene, ended).status_code == 200
    others = theirs.world.token(theirs.pair)
    for token in (expired, ended, others, scene.pair.consumer_secret, "x", "x" * 1024):
        assert told(scene, token) == {"active": False}, token
    assert told(theirs, others)["active"]


def test_client_of_oauth_asks_with_its_pair(scene: Scene) -> None:
    token = scene.world.token(scene.pair)
    answer = scene.nobody.post(
        "/introspecter-jeton",
        auth=httpx.BasicAuth(*scene.pair),
        data={"token": token, "token_type_hint": "refresh_token", "client_id": "ignored"},
    )
    assert answer.json()["scope"] == SCOPES
    wrong = (scene.pair.consumer_key, "wrong")
    refused = scene.nobody.post("/introspecter-jeton", auth=wrong, data={"token": token})
    assert_refused(refused, "2001")


def test_token_that_is_none_is_refused_with_the_error_of_oauth(scene: Scene) -> None:
    for token in ("", "a b", "é", "x" * 1025):
        answer = inspect(scene, token)
        assert_refused(answer, "405", parametre="token")
        assert answer.json()["error"] == "invalid_request"
        assert answer.headers["Pragma"] == "no-cache"


# ── revoquerJeton ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("in_form", [False, True], ids=["basic", "form"])
def test_revoked_token_opens_nothing_that_moment_on_every_server(
    scene: Scene, second_url: str, in_form: bool
) -> None:
    here, stays = scene.world.api_of(scene.pair), scene.world.api_of(scene.pair)
    token = here.headers["Authorization"].removeprefix("Bearer ")
    there = scene.world.anonymous(second_url)
    there.headers.update(here.headers)
    for api in (here, there):
        assert debit(api, scene.carte, 1, new_reference()).status_code == 200
    pair = {"client_id": scene.pair.consumer_key, "client_secret": scene.pair.consumer_secret}
    answer = revoke(scene, token, **({"auth": None, "data": pair} if in_form else {}))
    assert (answer.status_code, answer.json()) == (200, {})
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    for api in (here, there):
        assert_refused(debit(api, scene.carte, 1, new_reference()), "2001")
    assert debit(stays, scene.carte, 1, new_reference()).status_code == 200
    assert revoke(scene, token).status_code == 200


def test_unknown_token_and_another_partner_s_are_answered_alike_and_stay(scene: Scene) -> None:
    theirs = Scene(scene.world)
    token = theirs.api.headers["Authorization"].removeprefix("Bearer ")
    for one in ("unknown", "x" * 1024, token):
        answer = revoke(scene, one, data={"token_type_hint": "refresh_token"})
        assert (answer.status_code, answer.content) == (200, b"{}")
    assert told(theirs, token)["active"]


def test_pair_that_opens_nothing_revokes_nothing(scene: Scene) -> None:
    token = scene.world.token(scene.pair)
    for more in ({"auth": (scene.pair.consumer_key, "wrong")}, {"auth": None}):
        answer = revoke(scene, token, **more)
        assert_refused(answer, "2101")
        assert answer.json()["error"] == "invalid_client"
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
    by_token = scene.api.post("/revoquer-jeton", data={"token": token})
    assert_refused(by_token, "2101")
    twice = {"client_id": scene.pair.consumer_key, "client_secret": scene.pair.consumer_secret}
    assert_refused(revoke(scene, token, data=twice), "405", parametre="client_id")
    assert told(scene, token)["active"]


def test_failures_to_authenticate_are_counted(own_scene: Scene) -> None:
    url = own_scene.world.database.url.render_as_string(hide_password=False)
    settings = replace(settings_for(url), limites={"echec": "2/hour", "echec-adresse": "off"})
    wrong = (own_scene.pair.consumer_key, "wrong")
    with serving(settings) as base:
        client = own_scene.world.anonymous(base)
        answers = [
            client.post("/revoquer-jeton", auth=wrong, data={"token": "x"}) for _ in range(4)
        ]
        assert answers[-1].json()["code"] == "1008"
        good = client.post(
            "/revoquer-jeton", auth=httpx.BasicAuth(*own_scene.pair), data={"token": "x"}
        )
        assert good.status_code == 200
