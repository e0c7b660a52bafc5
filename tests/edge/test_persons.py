"""Access tokens of persons: who is let in, and every forged token that is not."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from joserfc import jws, jwt
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from handlers.edge import oidc
from handlers.edge.oidc import (
    AGAIN_S,
    FRESH_S,
    KEPT_S,
    MAX_DOCUMENT,
    SOON_S,
    Persons,
    Provider,
    ProviderAway,
    ask,
)
from handlers.edge.rooms import Turns
from models.database.waiting import DeadlinePassed, Wanted
from models.errors import AuthentificationInvalide, JetonExpire, Refusal, ServiceIndisponible
from tests.support.patience import CALL_S

ISSUER, AUDIENCE = "https://id.cynod.example", "cynod-base-core"
KEYS: dict[str, RSAKey | ECKey | OKPKey] = {
    "RS256": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "ES256": ECKey.generate_key("P-256", {"kid": "ec", "use": "sig"}),
    "EdDSA": OKPKey.generate_key("Ed25519", {"kid": "ed", "use": "sig"}),
}
STRANGER = RSAKey.generate_key(2048, {"kid": "rsa"})


class Clock:
    """A time that is set."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Place:
    """A provider: its documents, and how often it was asked. `away` answers nobody."""

    def __init__(self) -> None:
        self.keys = [key.as_dict(private=False) for key in KEYS.values()]
        self.issuer = ISSUER
        self.asked = 0
        self.away = False

    def __call__(self, url: str) -> Mapping[str, Any]:
        self.asked += 1
        if self.away:
            raise ProviderAway("away")
        if url == f"{ISSUER}/.well-known/openid-configuration":
            return {"issuer": self.issuer, "jwks_uri": f"{ISSUER}/keys"}
        assert url == f"{ISSUER}/keys"
        return {"keys": self.keys}


class Lent:
    """What a call has while it runs: nothing here."""

    is_open = False

    def close(self) -> None:
        """It was given up."""


@pytest.fixture
def place() -> Place:
    return Place()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def persons(place: Place, clock: Clock) -> Persons:
    return Persons(Provider(ISSUER, ask=place, clock=clock), AUDIENCE)


def claims(**changed: Any) -> dict[str, Any]:
    now = int(time.time())
    told = {
        "iss": ISSUER, "aud": [AUDIENCE], "sub": "awa", "iat": now, "exp": now + 600,
        "auth_time": now - 60, "azp": "back-office", "acr": "mfa",
    }  # fmt: skip
    return {name: value for name, value in (told | changed).items() if value is not ...}


def token(alg: str = "RS256", header: dict[str, Any] | None = None, **changed: Any) -> bytes:
    key = KEYS[alg]
    head = {"alg": alg, "typ": "at+jwt", "kid": key.kid} | (header or {})
    head = {name: value for name, value in head.items() if value is not ...}
    return jwt.encode(head, claims(**changed), key, algorithms=[alg]).encode()


@pytest.mark.parametrize("alg", KEYS)
def test_person_is_known_by_issuer_and_subject(persons: Persons, alg: str) -> None:
    found = persons.identify(token(alg))
    assert found[:3] == (ISSUER, "awa", "back-office")
    assert found.acr == "mfa"
    assert found.authentifie_le is not None


def _encoded(text: bytes) -> bytes:
    return base64.urlsafe_b64encode(text).rstrip(b"=")


def unsigned() -> bytes:
    parts = [{"alg": "none", "typ": "at+jwt"}, claims()]
    return b".".join([*(_encoded(json.dumps(one).encode()) for one in parts), b""])


def signed_with_the_public_key() -> bytes:
    parts = [{"alg": "HS256", "typ": "at+jwt", "kid": "rsa"}, claims()]
    told = b".".join(_encoded(json.dumps(one).encode()) for one in parts)
    secret = KEYS["RS256"].as_pem(private=False)
    return told + b"." + _encoded(hmac.digest(secret, told, "sha256"))


def of_no_type() -> bytes:
    head = {"alg": "RS256", "kid": "rsa"}
    return jws.serialize_compact(head, json.dumps(claims()), KEYS["RS256"]).encode()


def signed_by_a_stranger() -> bytes:
    head = {"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}
    return jwt.encode(head, claims(), STRANGER).encode()


def with_another_subject() -> bytes:
    head, _, signature = token().split(b".")
    return b".".join([head, _encoded(json.dumps(claims(sub="root")).encode()), signature])


NOW = int(time.time())
FORGED: dict[str, Callable[[], bytes]] = {
    "unsigned": unsigned,
    "signed with the public key as a secret": signed_with_the_public_key,
    "signed by a stranger under a known key id": signed_by_a_stranger,
    "of another subject than was signed": with_another_subject,
    "of another issuer": lambda: token(iss="https://id.example"),
    "of the issuer with a slash": lambda: token(iss=f"{ISSUER}/"),
    "for another audience": lambda: token(aud=["other"]),
    "for no audience": lambda: token(aud=...),
    "for an audience that is a number": lambda: token(aud=7),
    "without a subject": lambda: token(sub=...),
    "with an empty subject": lambda: token(sub=""),
    "with a subject that is a number": lambda: token(sub=7),
    "with a subject without end": lambda: token(sub="x" * 256),
    "without an end": lambda: token(exp=...),
    "with an end that is a text": lambda: token(exp="tomorrow"),
    "with an end that is true": lambda: token(exp=True),
    "without a beginning": lambda: token(iat=...),
    "that begins later": lambda: token(nbf=NOW + 3_600),
    "made in the future": lambda: token(iat=NOW + 3_600, exp=NOW + 3_700),
    "that lives for a day": lambda: token(exp=NOW + 86_400),
    "that is an identity token": lambda: token(header={"typ": "id+jwt"}),
    "that is of no type": of_no_type,
    "with a key id that is unknown": lambda: token(header={"kid": "none of ours"}),
    "without a key id where there are several": lambda: token(header={"kid": ...}),
    "of an opaque kind": lambda: b"Zm9vYmFyYmF6",
    "with two dots and nothing": lambda: b"..",
    "of other characters": lambda: token() + b"\xc3\xa9",
    "too long": lambda: token(sub="a", filler="x" * 10_000),
}  # fmt: skip


@pytest.mark.parametrize("kind", FORGED)
def test_token_is_refused(persons: Persons, kind: str) -> None:
    with pytest.raises(AuthentificationInvalide):
        persons.identify(FORGED[kind]())


ANSWERS: dict[str, tuple[int, dict[str, str], bytes]] = {
    "moved": (302, {"Location": "/other"}, b"{}"),
    "not found": (404, {}, b"{}"),
    "no JSON": (200, {}, b"<html>"),
    "no object": (200, {}, b"[]"),
    "without end": (200, {}, b"[" * (MAX_DOCUMENT + 1)),
    "right": (200, {"Content-Type": "application/json"}, b'{"issuer": "x"}'),
}


@pytest.fixture(scope="module")
def answering() -> Iterator[str]:
    """The address of a server that answers as the first part of the path says."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers, body = ANSWERS[self.path.strip("/").replace("-", " ")]
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):  # it hung up, having heard enough
                self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Nobody reads it."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("kind", ANSWERS)
def test_provider_is_asked_over_http(answering: str, kind: str) -> None:
    url = f"{answering}/{kind.replace(' ', '-')}"
    if kind == "right":
        assert ask(url) == {"issuer": "x"}
        return
    with pytest.raises(ProviderAway):
        ask(url)


def test_answer_that_comes_drop_by_drop_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, answering: str
) -> None:
    monkeypatch.setattr(oidc, "ASK_S", -1.0)
    monkeypatch.setattr(httpx, "Client", partial(httpx.Client, transport=Drops()))
    with pytest.raises(ProviderAway, match="without end"):
        ask(f"{answering}/right")


class Drops(httpx.BaseTransport):
    """Answers a drop."""

    def handle_request(self, _request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([b"{", b"}"]))


def test_token_that_was_good_is_told_to_be_too_old(persons: Persons) -> None:
    with pytest.raises(JetonExpire):
        persons.identify(token(iat=NOW - 700, exp=NOW - 100))


def test_clocks_may_differ_by_half_a_minute(persons: Persons) -> None:
    now = int(time.time())
    persons.identify(token(iat=now + 20, nbf=now + 20, exp=now + 100))
    persons.identify(token(iat=now - 100, exp=now - 20))


def refusal(persons: Persons, sent: bytes) -> type[Refusal] | None:
    try:
        persons.identify(sent)
    except Refusal as refused:
        return type(refused)
    return None


def test_keys_are_asked_for_once_in_ten_minutes(
    persons: Persons, place: Place, clock: Clock
) -> None:
    for _ in range(5):
        persons.identify(token())
    assert place.asked == 2, "the discovery document and the keys"
    clock.now += FRESH_S + 1
    persons.identify(token())
    assert place.asked == 4


def test_new_key_is_learnt_and_made_up_ones_ask_seldom(
    persons: Persons, place: Place, clock: Clock
) -> None:
    persons.identify(token())
    added = RSAKey.generate_key(2048, {"kid": "new", "use": "sig"})
    place.keys.append(added.as_dict(private=False))
    sent = jwt.encode({"alg": "RS256", "typ": "JWT", "kid": "new"}, claims(), added).encode()
    assert refusal(persons, sent) is AuthentificationInvalide, "asked a moment ago"
    clock.now += AGAIN_S + 1
    assert refusal(persons, sent) is None
    asked = place.asked
    for number in range(20):
        made_up = token(header={"kid": f"made up {number}"})
        assert refusal(persons, made_up) is AuthentificationInvalide
    assert place.asked == asked


def test_provider_that_is_away_is_not_missed_for_a_day(
    persons: Persons, place: Place, clock: Clock
) -> None:
    persons.identify(token())
    place.away = True
    clock.now += KEPT_S - 1
    assert refusal(persons, token()) is None
    clock.now += 2 + AGAIN_S
    assert refusal(persons, token()) is ServiceIndisponible
    place.away = False
    clock.now += AGAIN_S + 1
    assert refusal(persons, token()) is None, "it is back"


def test_provider_that_was_never_there_is_asked_again_soon(
    persons: Persons, place: Place, clock: Clock
) -> None:
    place.away = True
    for _ in range(5):
        assert refusal(persons, token()) is ServiceIndisponible
    assert place.asked == 1
    place.away = False
    clock.now += SOON_S + 0.1
    assert refusal(persons, token()) is None


def test_keys_are_kept_though_who_asked_for_them_waits_no_longer(
    place: Place, clock: Clock
) -> None:
    release = threading.Event()

    def ask_slowly(url: str) -> Mapping[str, Any]:
        release.wait(CALL_S)
        return place(url)

    persons = Persons(Provider(ISSUER, ask=ask_slowly, clock=clock), AUDIENCE)
    identify = partial(persons.identify, token())

    async def call() -> str:
        room = Turns([Lent()])
        with pytest.raises(DeadlinePassed):
            await room.run(identify, Wanted(0.05))
        release.set()
        identite = await room.run(identify, Wanted(CALL_S))
        return str(identite.sujet)

    assert asyncio.run(call()) == "awa"
    assert place.asked == 2, "the discovery document and the keys, once"


@pytest.mark.parametrize("spoil", ["issuer", "keys", "secret"])
def test_provider_that_says_something_else_gives_no_keys(
    persons: Persons, place: Place, spoil: str
) -> None:
    if spoil == "issuer":
        place.issuer = "https://id.example"
    elif spoil == "keys":
        place.keys = []
    else:
        place.keys = [OctKey.generate_key(256, {"kid": "rsa"}).as_dict()]
    assert refusal(persons, token()) is ServiceIndisponible
