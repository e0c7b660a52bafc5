"""Who may call what: tokens, Basic, scopes, addresses, expiry, rotation, revocation."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, NamedTuple

import httpx
import pytest
from sqlalchemy import select, update

from models.authentification import jetons
from models.base import now
from models.database.engine import Database
from models.partenaire import APPLIQUER, partenaires
from models.secret import NouveauPartenaire, create, list_all, rotate
from tests.support.acteurs import TESTEUR
from tests.support.live import BEARER, serving, settings_for
from tests.support.partners import allow_basic, resume, revoke, suspend
from tests.support.patience import CALL_S
from tests.support.scene import (
    SCOPES,
    SECURED,
    Scene,
    assert_refused,
)
from tests.support.world import (
    ALL_SCOPES,
    PEPPER,
    TLS,
    Carte,
    World,
)

ELSEWHERE = ["192.0.2.0/24", "2001:db8::/32"]

Authorize = Callable[[World, NouveauPartenaire], str]


def _bearer(world: World, pair: NouveauPartenaire) -> str:
    return f"Bearer {world.token(pair)}"


def _basic(_world: World, pair: NouveauPartenaire) -> str:
    return _basic_of(":".join(pair))


def _basic_of(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


METHODS = pytest.mark.parametrize("authorize", [_bearer, _basic], ids=["jeton", "basic"])


def send(scene: Scene, operation: str, authorization: str | None) -> httpx.Response:
    """Call an operation with this Authorization."""
    headers = {} if authorization is None else {"Authorization": authorization}
    return scene.call(operation).send(scene.nobody, headers=headers)


OF_ITS_CALLER = {"revoquerSecret": "2104", "leverMonOpposition": "3007"}
"""What undoes what the same partner did, and what it tells another one."""


def admitted(answer: httpx.Response, operation: str) -> bool:
    """Whether the operation was reached: it succeeded, or refused what is another partner's."""
    return answer.json().get("code", 200) in (200, OF_ITS_CALLER.get(operation))


@METHODS
@pytest.mark.parametrize("operation", SECURED)
def test_both_ways_of_authentication_open_every_operation(
    scene: Scene, operation: str, authorize: Authorize
) -> None:
    assert (
        send(scene, operation, authorize(scene.world, scene.pair_of(operation))).status_code == 200
    )


@pytest.mark.parametrize("operation", SECURED)
def test_scheme_is_read_without_regard_to_case(scene: Scene, operation: str) -> None:
    pair = scene.pair_of(operation)
    bearer = _bearer(scene.world, pair).replace("Bearer", "bEARER")
    basic = _basic(scene.world, pair).replace("Basic", "basic")
    assert admitted(send(scene, operation, bearer), operation)
    assert admitted(send(scene, operation, basic), operation)


@pytest.mark.parametrize("operation", SECURED)
def test_absent_or_unknown_credentials_are_refused(scene: Scene, operation: str) -> None:
    assert_refused(send(scene, operation, None), "2001")
    assert_refused(send(scene, operation, "Bearer inconnu"), "2001")
    assert_refused(send(scene, operation, _basic_of("inconnu:inconnu")), "2001")


@pytest.mark.parametrize("operation", ["getSoldeCarte", "debitCarte"])
def test_bad_credentials_are_refused(scene: Scene, operation: str) -> None:
    key, secret = scene.pair
    for authorization in (
        None,
        "",
        "Bearer",
        "Bearer inconnu",
        f"Bearer {secret}",
        "Bearer a b",
        "Bearer 'OR 1=1",
        "Digest x",
        "Basic",
        "Basic ###",
        _basic_of(key),
        _basic_of(f"{key}:"),
        _basic_of(f"{key}:{secret} "),
        _basic_of(f"{key}:{secret[:-1]}"),
        _basic_of(f"{key.swapcase()}:{secret}"),
        _basic_of(f"inconnu:{secret}"),
        _basic_of(":"),
        _basic_of(f"\x00{key}:{secret}"),
        _basic_of(f"{'x' * 5000}:{secret}"),
        f"Basic {base64.b64encode(b'caf' + bytes([0xE9]) + b':x').decode()}",
    ):
        answer = send(scene, operation, authorization)
        assert_refused(answer, "2001")
        # RFC 6750, 3.1: who sent no token is told no error.
        sent_a_token = (authorization or "").startswith("Bearer ")
        assert answer.headers["WWW-Authenticate"] == (
            f'{BEARER}, error="invalid_token"'
            if sent_a_token
            else f'{BEARER}, Basic realm="cynod", charset="UTF-8"'
        )


def test_repeated_authorization_is_refused(scene: Scene) -> None:
    good = _bearer(scene.world, scene.pair)
    headers = [("Authorization", good), ("Authorization", good)]
    answer = scene.call("getSoldeCarte").send(scene.nobody, headers=headers)
    assert_refused(answer, "2001")


# ── rights ───────────────────────────────────────────────────────────────────────────────────────
def without(operation: str) -> list[str]:
    """Every scope but the operation's."""
    return [scope for scope in ALL_SCOPES if scope != SCOPES[operation]]


def insufficient(operation: str) -> str:
    """The challenge of a 403: what the operation needs (RFC 6750, 3 and 3.1)."""
    return f'{BEARER}, error="insufficient_scope", scope="{SCOPES[operation]}"'


@METHODS
@pytest.mark.parametrize("operation", SECURED)
def test_partner_without_the_scope_is_refused(
    scene: Scene, operation: str, authorize: Authorize
) -> None:
    clients = [scene.carte.membre.client_id]
    without_it = scene.world.partenaire(clients, scopes=without(operation))
    answer = send(scene, operation, authorize(scene.world, without_it))
    assert_refused(answer, "2003")
    assert answer.headers["WWW-Authenticate"] == insufficient(operation)
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000)]
    only = scene.world.partenaire(clients, scopes=[SCOPES[operation] or ""])
    assert admitted(send(scene, operation, authorize(scene.world, only)), operation)


@pytest.mark.parametrize("operation", SECURED)
def test_token_without_the_scope_is_refused(scene: Scene, operation: str) -> None:
    pair = scene.pair_of(operation)
    reduced = scene.world.token(pair, scope=" ".join(without(operation)))
    answer = send(scene, operation, f"Bearer {reduced}")
    assert_refused(answer, "2003")
    assert answer.headers["WWW-Authenticate"] == insufficient(operation)
    only = scene.world.token(pair, scope=SCOPES[operation] or "")
    assert admitted(send(scene, operation, f"Bearer {only}"), operation)


def test_scope_taken_from_a_partner_is_lost_by_its_tokens(own_scene: Scene) -> None:
    token = _bearer(own_scene.world, own_scene.pair)
    _change(own_scene, scopes="cartes:lire")
    assert_refused(send(own_scene, "debitCarte", token), "2003")
    assert send(own_scene, "checkCardValidity", token).status_code == 200


def test_right_is_checked_before_the_parameters(scene: Scene) -> None:
    """Who may not call learns nothing of what the operation would say."""
    reduced = scene.world.token(scene.pair, scope="cartes:lire")
    answer = scene.nobody.get("/get-solde-carte", headers={"Authorization": f"Bearer {reduced}"})
    assert_refused(answer, "2003")
    assert_refused(scene.nobody.get("/get-solde-carte"), "2001")


# ── addresses ────────────────────────────────────────────────────────────────────────────────────
def _change(scene: Scene, **columns: object) -> None:
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(partenaires)
            .where(partenaires.c.consumer_key == scene.pair.consumer_key)
            .values(**columns)
        )


def _apply(scene: Scene, adresses: list[str]) -> None:
    _change(scene, adresses=" ".join(adresses), mode_adresses=APPLIQUER)


def _end_tokens(scene: Scene) -> None:
    with scene.world.database.transaction() as connection:
        owned = select(partenaires.c.id).where(
            partenaires.c.consumer_key == scene.pair.consumer_key
        )
        connection.execute(
            update(jetons)
            .where(jetons.c.partenaire_id.in_(owned))
            .values(expire_le=now() - timedelta(milliseconds=1))
        )


@METHODS
@pytest.mark.parametrize("operation", SECURED)
def test_call_from_another_address_is_refused(
    own_scene: Scene, operation: str, authorize: Authorize
) -> None:
    authorization = authorize(own_scene.world, own_scene.pair)
    _apply(own_scene, ELSEWHERE)
    assert_refused(send(own_scene, operation, authorization), "2004")
    _apply(own_scene, [*ELSEWHERE, "127.0.0.0/8"])
    assert admitted(send(own_scene, operation, authorization), operation)


def test_wrong_secret_from_another_address_tells_not_that_the_key_exists(own_scene: Scene) -> None:
    _apply(own_scene, ELSEWHERE)
    for authorization in (
        _basic_of(f"{own_scene.pair.consumer_key}:faux"),
        _basic_of("inconnu:faux"),
        "Bearer inconnu",
    ):
        assert_refused(send(own_scene, "getSoldeCarte", authorization), "2001")


def test_expired_token_from_another_address_is_told_to_be_expired(own_scene: Scene) -> None:
    """It is good for nothing any more, wherever it comes from."""
    token = _bearer(own_scene.world, own_scene.pair)
    _apply(own_scene, ELSEWHERE)
    assert_refused(send(own_scene, "getSoldeCarte", token), "2004")
    _end_tokens(own_scene)
    assert_refused(send(own_scene, "getSoldeCarte", token), "2002")


def test_good_credentials_from_another_address_have_no_challenge(own_scene: Scene) -> None:
    """No other credentials would open (RFC 9110, 15.5.4)."""
    _apply(own_scene, ELSEWHERE)
    answer = send(own_scene, "getSoldeCarte", _basic(own_scene.world, own_scene.pair))
    assert_refused(answer, "2004")
    assert "WWW-Authenticate" not in answer.headers


def test_forwarded_address_is_not_believed(own_scene: Scene) -> None:
    _apply(own_scene, ELSEWHERE)
    answer = own_scene.call("getSoldeCarte").send(
        own_scene.nobody,
        headers={
            "Authorization": _basic(own_scene.world, own_scene.pair),
            "X-Forwarded-For": "192.0.2.1",
            "Forwarded": "for=192.0.2.1",
        },
    )
    assert_refused(answer, "2004")


# ── the end of tokens and secrets ────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", SECURED)
def test_expired_token_is_refused_as_expired(own_scene: Scene, operation: str) -> None:
    token = _bearer(own_scene.world, own_scene.pair)
    _end_tokens(own_scene)
    answer = send(own_scene, operation, token)
    assert_refused(answer, "2002")
    assert answer.headers["WWW-Authenticate"] == f'{BEARER}, error="invalid_token"'
    assert admitted(send(own_scene, operation, _bearer(own_scene.world, own_scene.pair)), operation)


@METHODS
@pytest.mark.parametrize("operation", SECURED)
def test_revoked_partner_is_refused_at_once(
    own_scene: Scene, operation: str, authorize: Authorize
) -> None:
    authorization = authorize(own_scene.world, own_scene.pair)
    assert admitted(send(own_scene, operation, authorization), operation)
    with own_scene.world.database.transaction() as connection:
        assert revoke(connection, TESTEUR, own_scene.pair.consumer_key)
    assert_refused(send(own_scene, operation, authorization), "2001")
    assert_refused(own_scene.call("accessToken").send(own_scene.nobody), "2101")


# ── a partner that is suspended ──────────────────────────────────────────────────────────────────
def _suspend(scene: Scene) -> None:
    with scene.world.database.transaction() as connection:
        assert suspend(connection, TESTEUR, scene.pair.consumer_key)


@METHODS
@pytest.mark.parametrize("operation", SECURED)
def test_suspended_partner_is_told_so_until_it_is_resumed(
    own_scene: Scene, operation: str, authorize: Authorize
) -> None:
    authorization = authorize(own_scene.world, own_scene.pair)
    _suspend(own_scene)
    answer = send(own_scene, operation, authorization)
    assert_refused(answer, "2005")
    assert "WWW-Authenticate" not in answer.headers
    with own_scene.world.database.transaction() as connection:
        assert resume(connection, TESTEUR, own_scene.pair.consumer_key)
    assert admitted(send(own_scene, operation, authorization), operation)


@pytest.mark.parametrize("operation", ["accessToken", "revoquerJeton", "introspecterJeton"])
def test_suspended_partner_gets_and_ends_no_token(own_scene: Scene, operation: str) -> None:
    call = own_scene.call(operation)
    _suspend(own_scene)
    assert_refused(call.send(own_scene.caller(operation)), "2005")


def test_nobody_else_learns_that_a_partner_is_suspended(own_scene: Scene) -> None:
    """Neither who has not its secret, nor who calls from elsewhere, nor by a token that ended."""
    world, pair = own_scene.world, own_scene.pair
    token = _bearer(world, pair)
    _suspend(own_scene)
    assert_refused(send(own_scene, "getSoldeCarte", _basic_of(f"{pair.consumer_key}:faux")), "2001")
    _apply(own_scene, ELSEWHERE)
    assert_refused(send(own_scene, "getSoldeCarte", token), "2004")
    _end_tokens(own_scene)
    assert_refused(send(own_scene, "getSoldeCarte", token), "2002")


def test_suspended_partner_is_told_so_before_how_it_should_call(
    world: World, modern: Modern
) -> None:
    with world.database.transaction() as connection:
        assert suspend(connection, TESTEUR, modern.pair.consumer_key)
    assert_refused(modern.api.get("/mes-droits"), "2005")


def test_two_secrets_are_good_until_the_older_one_ends(own_scene: Scene) -> None:
    world = own_scene.world
    delay = timedelta(hours=1)
    with world.database.transaction() as connection:
        second = rotate(
            connection, TESTEUR, own_scene.pair.consumer_key, delai=delay, pepper=PEPPER
        )
    old_token = world.token(own_scene.pair)
    for pair in (own_scene.pair, second):
        assert send(own_scene, "getSoldeCarte", _basic(world, pair)).status_code == 200
        assert send(own_scene, "getSoldeCarte", _bearer(world, pair)).status_code == 200
    with world.database.transaction() as connection:
        third = rotate(connection, TESTEUR, own_scene.pair.consumer_key, delai=delay, pepper=PEPPER)
    assert_refused(send(own_scene, "getSoldeCarte", _basic(world, own_scene.pair)), "2001")
    assert_refused(own_scene.call("accessToken").send(own_scene.nobody), "2101")
    for pair in (second, third):
        assert send(own_scene, "getSoldeCarte", _basic(world, pair)).status_code == 200
    assert send(own_scene, "getSoldeCarte", f"Bearer {old_token}").status_code == 200


def test_rotation_without_delay_ends_the_old_secret_at_once(own_scene: Scene) -> None:
    world = own_scene.world
    with world.database.transaction() as connection:
        new = rotate(
            connection, TESTEUR, own_scene.pair.consumer_key, delai=timedelta(0), pepper=PEPPER
        )
    assert_refused(send(own_scene, "getSoldeCarte", _basic(world, own_scene.pair)), "2001")
    assert send(own_scene, "getSoldeCarte", _basic(world, new)).status_code == 200


def test_demo_credentials_open_nothing_in_production(
    shared_database: Database, world: World
) -> None:
    scene = Scene(world)
    demo = world.partenaire([scene.carte.membre.client_id], demo=True)
    token, basic = _bearer(world, demo), _basic(world, demo)
    assert send(scene, "getSoldeCarte", token).status_code == 200
    settings = replace(
        settings_for(shared_database.url.render_as_string(hide_password=False)),
        environment="production",
    )
    with serving(settings, shared_database) as url:
        scene.nobody = world.anonymous(url)
        for operation in SECURED:
            for authorization in (token, basic):
                assert_refused(send(scene, operation, authorization), "2001")
        answer = scene.nobody.post(
            "/access-token", auth=(demo[0], demo[1]), data={"grant_type": "client_credentials"}
        )
        assert_refused(answer, "2101")
        real = _bearer(world, scene.pair)
        assert send(scene, "getSoldeCarte", real).status_code == 200


def test_secrets_travel_in_no_answer(scene: Scene) -> None:
    """A raw client: what is looked for is in headers and bodies, of successes and of refusals."""
    with httpx.Client(
        base_url=scene.world.url, trust_env=False, verify=TLS, timeout=CALL_S
    ) as client:
        for operation in SECURED:
            pair = scene.pair_of(operation)
            authorization = _basic(scene.world, pair)
            for sent in (authorization, f"{authorization}x"):
                answer = scene.call(operation).send(client, headers={"Authorization": sent})
                whole = repr(answer.headers.raw).encode() + answer.content
                assert pair.consumer_secret.encode() not in whole
                # Where the contract has it, the name of the pair is told under its own.
                told = b'"consumerKey":"%s"' % pair.consumer_key.encode()
                assert pair.consumer_key.encode() not in whole.replace(told, b"")


# ── Basic, where the partner may not ─────────────────────────────────────────────────────────────
class Modern(NamedTuple):
    """A card, its partner, and a client that sends the pair with each call."""

    carte: Carte
    pair: NouveauPartenaire
    api: httpx.Client


@pytest.fixture
def modern(world: World) -> Modern:
    """A partner as it is made now: its pair opens no operation by Basic."""
    carte = world.carte(1000)
    pair = world.partenaire([carte.membre.client_id], basic=False)
    client = world.anonymous()
    client.auth = httpx.BasicAuth(*pair)
    return Modern(carte, pair, client)


def test_new_partner_may_not_use_basic_unless_it_is_told(world: World) -> None:
    told: list[dict[str, Any]] = [{}, {"basic_autorise": True}]
    with world.database.transaction() as connection:
        made = [
            create(
                connection,
                TESTEUR,
                nom="P",
                client_ids=[],
                scopes=["soldes:lire"],
                adresses=[],
                pepper=PEPPER,
                **more,
            ).consumer_key
            for more in told
        ]
        found = {one.consumer_key: one.basic_autorise for one in list_all(connection)}
    assert [found[key] for key in made] == [False, True]


def test_basic_of_a_partner_that_may_not_is_refused_with_what_to_do(modern: Modern) -> None:
    answer = modern.api.get("/get-solde-carte", params=modern.carte.query)
    assert_refused(answer, "2010")
    assert answer.headers["WWW-Authenticate"] == BEARER
    debit = modern.carte.mouvement(1, "R1")
    assert_refused(modern.api.post("/debit-carte", json=debit), "2010")
    modern.api.auth = httpx.BasicAuth(modern.pair.consumer_key, "wrong")
    assert_refused(modern.api.get("/mes-droits"), "2001")


def test_basic_gives_inspects_and_ends_tokens_of_a_partner_that_may_not(
    world: World, modern: Modern
) -> None:
    token = world.token(modern.pair)
    asked = {"token": token}
    assert modern.api.post("/introspecter-jeton", data=asked).json()["active"]
    by_token = world.anonymous()
    by_token.headers["Authorization"] = f"Bearer {token}"
    assert by_token.get("/get-solde-carte", params=modern.carte.query).status_code == 200
    assert modern.api.post("/revoquer-jeton", data=asked).status_code == 200
    assert modern.api.post("/introspecter-jeton", data=asked).json() == {"active": False}


def test_basic_is_allowed_and_refused_from_the_next_call_on(world: World, modern: Modern) -> None:
    for allowed, code in ((True, 200), (False, "2010")):
        with world.database.transaction() as connection:
            allow_basic(connection, TESTEUR, modern.pair.consumer_key, allowed=allowed)
        assert modern.api.get("/mes-droits").json()["code"] == code
