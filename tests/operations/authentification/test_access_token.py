"""accessToken: the pair against a token, as RFC 6749 and the contract say."""

from __future__ import annotations

import base64
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any
from urllib.parse import quote, quote_plus

import httpx
import pytest
from sqlalchemy import insert, select

from models.authentification import jetons
from models.base import now
from models.database.engine import Database
from models.partenaire import partenaires
from models.secret import NouveauPartenaire, hash_secret
from tests.support.contract_client import without_id
from tests.support.live import serving, settings_for
from tests.support.patience import wait_until
from tests.support.scene import Scene, assert_refused
from tests.support.world import ALL_SCOPES, PEPPER, World, new_number

GRANT = {"grant_type": "client_credentials"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
EVERYTHING = " ".join(sorted(ALL_SCOPES))


def assert_not_kept(answer: httpx.Response) -> None:
    """No cache keeps it, be it one of HTTP/1.0 (RFC 6749, 5.1 and 5.2)."""
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["pragma"] == "no-cache"


def test_refusals_carry_the_header_for_old_caches_where_it_is_declared(scene: Scene) -> None:
    """Those of the pair and of the form have it (RFC 6749, 5.2); the ones of all operations do not."""
    form = {"grant_type": "client_credentials", "client_id": "a", "client_secret": "b"}
    api = scene.world.anonymous()
    foreign = api.post("/access-token", data=form, headers={"Accept": "text/html"})
    wrong, unread = api.post("/access-token", data=form), api.post("/access-token", json=form)
    answers = [(one.status_code, one.headers.get("pragma")) for one in (wrong, foreign, unread)]
    assert answers == [(401, "no-cache"), (406, None), (415, None)]


def basic(text: str) -> str:
    """An Authorization of this text."""
    return f"Basic {base64.b64encode(text.encode()).decode()}"


def encoded(text: str, safe: str = "") -> str:
    """As a form has it, and as eagerly as a client may: every character that is no letter."""
    return "".join(
        char
        if char.isalpha() or char in safe
        else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in text
    )


def ask(scene: Scene, *, by_basic: bool = True, **form: Any) -> httpx.Response:
    """Ask for a token, the pair sent by Basic or in the form."""
    if by_basic:
        key, secret = scene.pair
        return scene.nobody.post("/access-token", auth=(key, secret), data={**GRANT, **form})
    pair = {"client_id": scene.pair.consumer_key, "client_secret": scene.pair.consumer_secret}
    return scene.nobody.post("/access-token", data={**GRANT, **pair, **form})


@pytest.mark.parametrize("by_basic", [True, False], ids=["basic", "formulaire"])
@pytest.mark.parametrize(("language", "message"), [("fr", "Jeton délivré"), ("en", "Token issued")])
def test_pair_is_exchanged_for_a_token(
    scene: Scene, by_basic: bool, language: str, message: str
) -> None:
    scene.nobody.headers["Accept-Language"] = language
    answer = ask(scene, by_basic=by_basic)
    body = answer.json()
    assert answer.status_code == 200
    assert_not_kept(answer)
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
        ("  soldes:lire   cartes:lire ", "cartes:lire soldes:lire"),
        ("", EVERYTHING),
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
    with world.database.reading() as connection:
        lives = [
            expire_le - emis_le
            for emis_le, expire_le in connection.execute(
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
        "soldes:lire\tcartes:lire",
        "soldes:lire,cartes:lire",
        " ",
        "   ",
        "\x00",
        "soldes:liré",
        "x" * 300,
    ],
)
def test_scope_that_the_partner_has_not_is_refused(world: World, scope: str) -> None:
    scene = Scene(world)
    scene.pair = world.partenaire([], scopes=["soldes:lire", "cartes:lire"])
    assert_refused(ask(scene, scope=scope), "2103")


@pytest.mark.parametrize("grant", ["password", "authorization_code", " ", "CLIENT_CREDENTIALS"])
def test_other_grant_is_refused(scene: Scene, grant: str) -> None:
    """Names and values are case sensitive (RFC 6749, 1.8 and appendix A)."""
    answer = ask(scene, grant_type=grant)
    assert_refused(answer, "2102")
    assert_not_kept(answer)


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"&", b"scope=soldes:lire", b"grant_type", b"grant_type="),
        *(b"GRANT_TYPE=client_credentials", b"grant_type =client_credentials"),
    ],
)
def test_missing_grant_is_refused(scene: Scene, body: bytes) -> None:
    """A parameter without a value is as if it were not there (RFC 6749, 3.2)."""
    key, secret = scene.pair
    answer = scene.nobody.post("/access-token", auth=(key, secret), content=body, headers=FORM)
    assert_refused(answer, "405", parametre="grant_type")
    assert_not_kept(answer)


@pytest.mark.parametrize("by_basic", [True, False], ids=["basic", "formulaire"])
def test_wrong_pair_is_refused_and_challenged(own_scene: Scene, by_basic: bool) -> None:
    key, secret = own_scene.pair
    for pair in (
        (key, "faux"),
        (key, secret[:-1]),
        ("inconnu", secret),
        (secret, key),
        (key.swapcase(), secret),
    ):
        own_scene.pair = own_scene.pair._replace(consumer_key=pair[0], consumer_secret=pair[1])
        answer = ask(own_scene, by_basic=by_basic)
        assert_refused(answer, "2101")
        assert answer.headers["WWW-Authenticate"] == 'Basic realm="cynod", charset="UTF-8"'
        assert_not_kept(answer)


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


def test_pair_sent_in_both_ways_is_refused_by_rfc_6749_2_3(scene: Scene) -> None:
    key, secret = scene.pair
    forms: list[dict[str, Any]] = [
        {"client_id": "inconnu"},
        {"client_secret": secret},
        {"client_id": key, "client_secret": secret},
        {"client_id": key.swapcase()},
    ]
    for form in forms:
        assert_refused(ask(scene, **form), "405", parametre="client_id")


def test_client_id_beside_basic_is_harmless_when_it_is_the_same(own_scene: Scene) -> None:
    """RFC 6749, 2.3 and 3.2.1: it identifies, and authenticates nobody."""
    key, secret = own_scene.pair
    assert ask(own_scene, client_id=key).status_code == 200
    answer = own_scene.nobody.post(
        "/access-token",
        headers={"Authorization": basic(f"{encoded(key)}:{encoded(secret)}")},
        data={**GRANT, "client_id": key},
    )
    assert answer.status_code == 200
    own_scene.pair = own_scene.pair._replace(consumer_secret="faux")
    assert_refused(ask(own_scene, client_id=key), "2101")


@pytest.mark.parametrize(
    "authorization", ["Bearer perime", "Bearer", "bearer x y", "Digest a=b", "Negotiate", ""]
)
def test_other_authorization_beside_the_form_is_ignored(scene: Scene, authorization: str) -> None:
    """The scheme is no way of a client to authenticate here (RFC 6749, 2.3.1): the pair counts."""
    key, secret = scene.pair
    headers = {"Authorization": authorization}
    form = {**GRANT, "client_id": key, "client_secret": secret}
    assert scene.nobody.post("/access-token", headers=headers, data=form).status_code == 200
    for wrong in ({"client_secret": "faux"}, {"client_id": "inconnu"}, {"client_secret": ""}):
        answer = scene.nobody.post("/access-token", headers=headers, data={**form, **wrong})
        assert_refused(answer, "2101")


def test_good_token_beside_a_wrong_pair_opens_nothing(scene: Scene) -> None:
    headers = {"Authorization": scene.api.headers["Authorization"]}
    form = {**GRANT, "client_id": scene.pair.consumer_key, "client_secret": "faux"}
    assert_refused(scene.nobody.post("/access-token", headers=headers, data=form), "2101")


def test_repeated_authorization_beside_the_form_is_refused(scene: Scene) -> None:
    key, secret = scene.pair
    headers = [("Authorization", "Bearer x"), ("Authorization", "Bearer x")]
    form = {**GRANT, "client_id": key, "client_secret": secret}
    assert_refused(scene.nobody.post("/access-token", headers=headers, data=form), "2101")


# ── what OAuth clients send beside what is needed ────────────────────────────────────────────────
@pytest.mark.parametrize(
    "more",
    [
        *("scope=", "scope", "client_id=", "client_secret=", "client_id=&client_secret=&scope="),
        *("audience=https://api", "resource=a&resource=b", "inconnu=%ff", "Scope=x", "=x", "&&"),
        *("x=" + "a" * 10_000, "numero%20carte=7019800100009569", "client_assertion=", "%00=%00"),
    ],
)
def test_field_without_a_value_or_unknown_is_ignored_by_rfc_6749_3_2(
    scene: Scene, more: str
) -> None:
    answer = scene.nobody.post(
        "/access-token",
        auth=(scene.pair[0], scene.pair[1]),
        content=f"grant_type=client_credentials&{more}",
        headers=FORM,
    )
    assert (answer.status_code, answer.json()["scope"]) == (200, EVERYTHING)


@pytest.mark.parametrize("name", ["grant_type", "scope", "client_id", "client_secret"])
def test_repeated_field_is_refused_by_rfc_6749_3_2(scene: Scene, name: str) -> None:
    key, secret = scene.pair
    values = {**GRANT, "client_id": key, "client_secret": secret, "scope": "soldes:lire"}
    body = str(httpx.QueryParams(values))
    for again in (f"{name}={values[name]}", f"{name}=", f"inconnu=1&{name}=x"):
        answer = scene.nobody.post("/access-token", content=f"{body}&{again}", headers=FORM)
        assert_refused(answer, "405", parametre=name)


@pytest.mark.parametrize(
    "content_type",
    [
        "application/x-www-form-urlencoded; charset=UTF-8",
        "application/x-www-form-urlencoded;charset=utf-8",
        'application/x-www-form-urlencoded; charset="UTF-8"',
        "Application/X-WWW-Form-Urlencoded",
    ],
)
def test_form_may_name_its_charset(scene: Scene, content_type: str) -> None:
    answer = scene.nobody.post(
        "/access-token",
        auth=(scene.pair[0], scene.pair[1]),
        content="grant_type=client_credentials",
        headers={"Content-Type": content_type},
    )
    assert answer.status_code == 200


# ── Basic, as clients write it ───────────────────────────────────────────────────────────────────
SECRETS = [
    *("avec-tiret_et.point~tilde", "cent%25pour+cent", "100%", "%", "%zz", "%2", "a+b c", "+"),
    *(
        "deux:points::",
        ":",
        "é€𐍈",
        "%C3%A9",
        "a%00b",
        "%ff",
        "a/b?c&d=e#f",
        " espaces ",
        "x" * 2_000,
    ),
]


@pytest.mark.parametrize("secret", SECRETS)
def test_basic_is_read_as_it_is_and_as_rfc_6749_2_3_1_encodes_it(world: World, secret: str) -> None:
    """Who encodes and who does not are both let in, whatever the secret looks like."""
    scene = Scene(world)
    key = f"clef-{new_number()}.~%2B+_"
    pair = world.partenaire([scene.carte.membre.client_id], pair=(key, secret))
    solde = scene.call("getSoldeCarte")
    for text in (
        f"{key}:{secret}",
        f"{encoded(key)}:{encoded(secret)}",
        f"{quote_plus(key)}:{quote_plus(secret)}",
        f"{quote(key, safe='')}:{quote(secret, safe='')}",
    ):
        headers = {"Authorization": basic(text)}
        answer = scene.nobody.post("/access-token", headers=headers, data=GRANT)
        assert answer.status_code == 200, text
        assert solde.send(scene.nobody, headers=headers).status_code == 200, text
    for wrong in (f"{key}:{secret}x", f"{encoded(key)}:{encoded(secret + 'x')}"):
        headers = {"Authorization": basic(wrong)}
        assert_refused(scene.nobody.post("/access-token", headers=headers, data=GRANT), "2101")
        assert_refused(solde.send(scene.nobody, headers=headers), "2001")
    assert pair == (key, secret)


def test_two_readings_of_one_pair_open_the_partner_whose_secret_fits(world: World) -> None:
    scene, number = Scene(world), new_number()
    client = [scene.carte.membre.client_id]
    plain = world.partenaire(client, pair=(f"a+{number}", "s+t"))
    spaced = world.partenaire(client, pair=(f"a {number}", "autre"), scopes=["soldes:lire"])
    for pair, scope in ((plain, EVERYTHING), (spaced, "soldes:lire")):
        for text in (":".join(pair), ":".join(map(encoded, pair))):
            headers = {"Authorization": basic(text)}
            answer = scene.nobody.post("/access-token", headers=headers, data=GRANT)
            assert answer.json()["scope"] == scope
    for crossed in (f"a+{number}:autre", f"a%20{number}:s%2Bt"):
        headers = {"Authorization": basic(crossed)}
        answer = scene.nobody.post("/access-token", headers=headers, data=GRANT)
        # The key's second reading is the other partner's, and so is the secret.
        expected = 200 if crossed.endswith(":autre") else 401
        assert answer.status_code == expected


@pytest.mark.parametrize(
    "write",
    [
        lambda coded: f"basic {coded}",
        lambda coded: f"BASIC {coded}",
        lambda coded: f"Basic    {coded}",
    ],
)
def test_scheme_is_read_in_any_case_and_among_spaces(
    scene: Scene, write: Callable[[str], str]
) -> None:
    coded = basic(":".join(scene.pair)).removeprefix("Basic ")
    headers = {"Authorization": write(coded)}
    answer = scene.nobody.post("/access-token", headers=headers, data=GRANT)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "value",
    [
        *(
            b"",
            b"=",
            b"Og",
            b"Og==",
            b"YTpi YTpi",
            b"YQ",
            b"YTpi*",
            b"YTp-_w==",
            b"\xff\xfe",
            b"a" * 20_000,
        ),
        *(base64.b64encode(text) for text in (b":", b"a:", b":a", b"\x00:a", b"a:\x00", b"\xff:a")),
        *(base64.b64encode(text) for text in (b"a", b"%00:a", b"%ff:%ff", b"k" * 129 + b":a")),
        base64.b64encode(b"%41" * 100 + b":a"),
        base64.b64encode(b"k:" + b"s" * 12_000),
    ],
)
def test_basic_that_is_no_pair_is_refused(scene: Scene, value: bytes) -> None:
    headers = [(b"Authorization", (b"Basic " + value).strip())]
    assert_refused(scene.nobody.post("/access-token", headers=headers, data=GRANT), "2101")
    assert_refused(scene.call("getSoldeCarte").send(scene.nobody, headers=headers), "2001")


@pytest.mark.parametrize("by_basic", [True, False], ids=["basic", "formulaire"])
def test_good_pair_from_another_address_is_refused(scene: Scene, by_basic: bool) -> None:
    scene.pair = scene.world.partenaire([], adresses=["192.0.2.0/24"])
    assert_refused(ask(scene, by_basic=by_basic), "2004")
    scene.pair = scene.world.partenaire([], adresses=["192.0.2.0/24", "127.0.0.1/32"])
    assert ask(scene, by_basic=by_basic).status_code == 200


@pytest.mark.parametrize("by_basic", [True, False], ids=["basic", "formulaire"])
def test_wrong_secret_from_another_address_tells_not_that_the_key_exists(
    scene: Scene, by_basic: bool
) -> None:
    known = scene.world.partenaire([], adresses=["192.0.2.0/24"])._replace(consumer_secret="faux")
    answers = []
    for scene.pair in (known, known._replace(consumer_key="inconnu")):
        answers.append(ask(scene, by_basic=by_basic))
        assert_refused(answers[-1], "2101")
    told = [
        {
            name: value
            for name, value in answer.headers.items()
            if name not in ("x-request-id", "date")
        }
        for answer in answers
    ]
    assert (told[0], without_id(answers[0])) == (told[1], without_id(answers[1]))


def test_tokens_that_expired_a_day_ago_are_forgotten_by_who_asks_for_one(scene: Scene) -> None:
    """Beside the call: the partner's own, and none that may still be asked about."""
    world = scene.world
    asks, other = (world.partenaire([scene.carte.membre.client_id]) for _ in range(2))
    forgotten = {token_that_ended(world, asks, timedelta(days=days)) for days in (1, 9)}
    stay = {
        token_that_ended(world, asks, timedelta(hours=23, minutes=50)),
        token_that_ended(world, asks, timedelta(hours=-1)),
        token_that_ended(world, other, timedelta(days=9)),
    }
    new = hash_secret(world.token(asks), PEPPER)

    def found() -> set[bytes]:
        with world.database.reading() as connection:
            keys = select(jetons.c.empreinte).where(
                jetons.c.empreinte.in_({new, *forgotten, *stay})
            )
            return set(connection.scalars(keys))

    wait_until(lambda: not found() & forgotten, "they were not forgotten")
    assert found() == {new, *stay}


def token_that_ended(world: World, pair: NouveauPartenaire, ago: timedelta) -> bytes:
    """The key of a token of this partner that ended so long ago, as it was issued an hour before."""
    empreinte, expire_le = os.urandom(32), now() - ago
    owner = select(partenaires.c.id).where(partenaires.c.consumer_key == pair.consumer_key)
    with world.writing() as connection:
        connection.execute(
            insert(jetons).values(
                empreinte=empreinte,
                partenaire_id=owner.scalar_subquery(),
                scopes="soldes:lire",
                emis_le=expire_le - timedelta(hours=1),
                expire_le=expire_le,
            )
        )
    return empreinte
