"""accessToken: the pair against a token, as RFC 6749 and the contract say."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, update

from models.base import now
from models.db import Database
from models.partenaire import jetons, partenaires
from tests.live import serving, settings_for
from tests.operations.answers import Scene, assert_refused
from tests.world import World

GRANT = {"grant_type": "client_credentials"}
EVERYTHING = "cartes:crediter cartes:debiter cartes:lire soldes:lire"


def ask(scene: Scene, *, basic: bool = True, **form: Any) -> httpx.Response:
    """Ask for a token, the pair sent by Basic or in the form."""
    if basic:
        key, secret = scene.pair
        return scene.nobody.post("/access-token", auth=(key, secret), data={**GRANT, **form})
    pair = {"client_id": scene.pair.consumer_key, "client_secret": scene.pair.consumer_secret}
    return scene.nobody.post("/access-token", data={**GRANT, **pair, **form})


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "formulaire"])
@pytest.mark.parametrize(("language", "message"), [("fr", "Jeton délivré"), ("en", "Token issued")])
def test_pair_is_exchanged_for_a_token(
    scene: Scene, basic: bool, language: str, message: str
) -> None:
    scene.nobody.headers["Accept-Language"] = language
    answer = ask(scene, basic=basic)
    body = answer.json()
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    assert body == {
        "access_token": body["access_token"],
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": EVERYTHING,
        "success": True,
        "code": 200,
        "message": message,
    }
    assert len(body["access_token"]) >= 43
    token = {"Authorization": f"Bearer {body['access_token']}"}
    assert scene.call("getSoldeCarte").send(scene.nobody, headers=token).status_code == 200


def test_each_token_is_new_and_the_older_ones_stay_good(scene: Scene) -> None:
    tokens = [ask(scene).json()["access_token"] for _ in range(5)]
    assert len(set(tokens)) == 5
    for token in tokens:
        headers = {"Authorization": f"Bearer {token}"}
        assert scene.call("getSoldeCarte").send(scene.nobody, headers=headers).status_code == 200


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("soldes:lire", "soldes:lire"),
        ("soldes:lire cartes:lire", "cartes:lire soldes:lire"),
        ("soldes:lire soldes:lire", "soldes:lire"),
        (EVERYTHING, EVERYTHING),
    ],
)
def test_token_has_the_scopes_asked_for(scene: Scene, asked: str, given: str) -> None:
    assert ask(scene, scope=asked).json()["scope"] == given


def test_lifetime_is_the_deployment_s(shared_database: Database, world: World) -> None:
    scene = Scene(world)
    url = shared_database.url.render_as_string(hide_password=False)
    with serving(replace(settings_for(url), jeton_duree_s=60), shared_database) as base_url:
        scene.nobody = world.anonymous(base_url)
        answer = ask(scene)
    assert answer.json()["expires_in"] == 60
    with world.database.reading() as session:
        lives = [
            expire_le - emis_le
            for emis_le, expire_le in session.execute(
                select(jetons.c.emis_le, jetons.c.expire_le)
                .join(partenaires)
                .where(partenaires.c.consumer_key == scene.pair.consumer_key)
            )
        ]
    assert sorted(lives) == [timedelta(seconds=60), timedelta(seconds=3600)]


@pytest.mark.parametrize(
    "scope",
    [
        "cartes:detruire",
        "cartes:debiter",
        "SOLDES:LIRE",
        "soldes:lire  cartes:lire",
        "",
        " ",
        "x" * 300,
    ],
)
def test_scope_that_the_partner_has_not_is_refused(world: World, scope: str) -> None:
    scene = Scene(world)
    scene.pair = world.partenaire([], scopes=["soldes:lire", "cartes:lire"])
    assert_refused(ask(scene, scope=scope), "2103")


@pytest.mark.parametrize("grant", ["password", "authorization_code", "", "CLIENT_CREDENTIALS"])
def test_other_grant_is_refused(scene: Scene, grant: str) -> None:
    assert_refused(ask(scene, grant_type=grant), "2102")


def test_missing_grant_is_refused(scene: Scene) -> None:
    key, secret = scene.pair
    answer = scene.nobody.post("/access-token", auth=(key, secret), data={"scope": "soldes:lire"})
    assert_refused(answer, "405", parametre="grant_type")


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "formulaire"])
def test_wrong_pair_is_refused_and_challenged(own_scene: Scene, basic: bool) -> None:
    key, secret = own_scene.pair
    for pair in (
        (key, "faux"),
        (key, secret[:-1]),
        ("inconnu", secret),
        (secret, key),
        (key.swapcase(), secret),
    ):
        own_scene.pair = own_scene.pair._replace(consumer_key=pair[0], consumer_secret=pair[1])
        answer = ask(own_scene, basic=basic)
        assert_refused(answer, "2101")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="cynod", charset="UTF-8"'


def test_absent_or_half_pair_is_refused(scene: Scene) -> None:
    key, secret = scene.pair
    for form in ({}, {"client_id": key}, {"client_secret": secret}):
        assert_refused(scene.nobody.post("/access-token", data={**GRANT, **form}), "2101")


@pytest.mark.parametrize(
    "authorization", ["Bearer x", "Basic", "Basic ###", "Basic YQ==", "Digest x", ""]
)
def test_authorization_that_is_no_pair_is_refused(scene: Scene, authorization: str) -> None:
    answer = scene.nobody.post(
        "/access-token", headers={"Authorization": authorization}, data=GRANT
    )
    assert_refused(answer, "2101")


def test_pair_sent_in_both_ways_is_refused(scene: Scene) -> None:
    forms: list[dict[str, Any]] = [{"client_id": scene.pair[0]}, {"client_secret": scene.pair[1]}]
    for form in forms:
        assert_refused(ask(scene, **form), "405", parametre="client_id")


@pytest.mark.parametrize("basic", [True, False], ids=["basic", "formulaire"])
def test_pair_from_another_address_is_refused(scene: Scene, basic: bool) -> None:
    scene.pair = scene.world.partenaire([], adresses=["192.0.2.0/24"])
    assert_refused(ask(scene, basic=basic), "2004")
    scene.pair = scene.world.partenaire([], adresses=["192.0.2.0/24", "127.0.0.1/32"])
    assert ask(scene, basic=basic).status_code == 200


def test_tokens_long_expired_are_forgotten(own_scene: Scene) -> None:
    def count() -> int:
        with own_scene.world.database.reading() as session:
            return int(
                session.scalar(
                    select(func.count())
                    .select_from(jetons)
                    .join(partenaires)
                    .where(partenaires.c.consumer_key == own_scene.pair.consumer_key)
                )
                or 0
            )

    ask(own_scene)
    owned = select(partenaires.c.id).where(
        partenaires.c.consumer_key == own_scene.pair.consumer_key
    )
    with own_scene.world.database.transaction() as session:
        session.execute(
            update(jetons)
            .where(jetons.c.partenaire_id.in_(owned))
            .values(expire_le=now() - timedelta(days=2))
        )
    assert count() == 2
    ask(own_scene)
    assert count() == 1
