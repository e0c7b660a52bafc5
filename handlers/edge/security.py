"""Who calls: credentials of the Authorization header or of the token form, address, scopes."""

from __future__ import annotations

import base64
import binascii
import ipaddress
import re
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection

from handlers.edge.contract import OperationContract
from handlers.edge.errors import EdgeRefusal
from handlers.settings import Network, Settings
from models.base import now
from models.errors import (
    AdresseRefusee,
    AuthentificationInvalide,
    ClientInvalide,
    DroitInsuffisant,
    JetonExpire,
    Refusal,
)
from models.partenaire import (
    Credentials,
    Partenaire,
    find_by_secret,
    find_by_token,
    hash_secret,
)

REMEMBERED_S = 5.0
"""How long a caller of a good token is remembered, for `Security.recall` alone."""

MAX_REMEMBERED = 10_000
"""Callers that one process remembers; with one more it forgets them all."""

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]{1,512}=*")

CHALLENGE = 'Bearer realm="cynod", Basic realm="cynod", charset="UTF-8"'
CHALLENGE_INVALID = 'Bearer realm="cynod", error="invalid_token"'
CHALLENGE_CLIENT = 'Basic realm="cynod", charset="UTF-8"'


class Security:
    """Authenticates calls and checks what they may do, as the contract declares it."""

    def __init__(self, settings: Settings) -> None:
        self._pepper = settings.pepper
        self._demo_allowed = not settings.is_production
        self._remembered: dict[bytes, tuple[Credentials, float]] = {}

    def recall(
        self, operation: OperationContract, authorization: bytes | None, address: str
    ) -> Partenaire | None:
        """Who sends this bearer token, if it was good for the operation a moment ago.

        It asks no database, so it may say what was true `REMEMBERED_S` seconds ago: enough to tell a
        caller that a request is malformed, never enough to serve one.
        """
        scheme, _, value = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found, until = self._remembered.get(self._hash(value.strip(b" ")), _NOBODY)
        if time.monotonic() >= until:
            return None
        try:
            return _entitled(found, operation, address)
        except Refusal:
            return None

    def authenticate(
        self,
        session: Connection,
        operation: OperationContract,
        authorization: bytes | None,
        address: str,
    ) -> Partenaire:
        """The caller, entitled to the operation.

        Raises AuthentificationInvalide, JetonExpire, AdresseRefusee, DroitInsuffisant. The address
        is checked before the secret, so that a stolen pair tells nothing from elsewhere.
        """
        scheme, _, value = (authorization or b"").partition(b" ")
        scheme = scheme.lower()
        value = value.strip(b" ")
        if scheme == b"bearer" and _TOKEN.fullmatch(value):
            empreinte = self._hash(value)
            found = find_by_token(session, empreinte, demo_allowed=self._demo_allowed)
            self._remember(empreinte, found)
        elif scheme == b"basic":
            found = self._find_pair(session, *_decode_basic(value))
        else:
            raise AuthentificationInvalide
        return _entitled(found, operation, address)

    def _hash(self, token: bytes) -> bytes:
        return hash_secret(token.decode("latin-1"), self._pepper)

    def _remember(self, empreinte: bytes, found: Credentials) -> None:
        if found.partenaire is None:
            self._remembered.pop(empreinte, None)
            return
        if len(self._remembered) >= MAX_REMEMBERED:
            self._remembered.clear()
        self._remembered[empreinte] = (found, time.monotonic() + REMEMBERED_S)

    def owner_of(self, authorization: bytes | None) -> str | None:
        """Whose bearer token this is or was, as far as it was looked up here. Asks no database."""
        scheme, _, value = (authorization or b"").partition(b" ")
        if scheme.lower() != b"bearer":
            return None
        found, _ = self._remembered.get(self._hash(value.strip(b" ")), _NOBODY)
        return found.partenaire.consumer_key if found.partenaire is not None else None

    def authenticate_client(
        self,
        session: Connection,
        form: Mapping[str, Any],
        authorization: bytes | None,
        address: str,
    ) -> Partenaire:
        """The client of a token request: Basic or form, never both (RFC 6749, 2.3).

        Raises ClientInvalide, AdresseRefusee, or EdgeRefusal when both ways are used.
        """
        in_form = "client_id" in form or "client_secret" in form
        if authorization is not None:
            if in_form:
                raise EdgeRefusal("405", parametre="client_id")
            scheme, _, value = authorization.partition(b" ")
            if scheme.lower() != b"basic":
                raise ClientInvalide
            try:
                pair = _decode_basic(value.strip(b" "))
            except AuthentificationInvalide:
                raise ClientInvalide from None
        else:
            pair = (form.get("client_id", ""), form.get("client_secret", ""))
        return _check(self._find_pair(session, *pair), address, ClientInvalide())

    def _find_pair(self, session: Connection, key: str, secret: str) -> Credentials:
        return find_by_secret(
            session, key, secret, pepper=self._pepper, demo_allowed=self._demo_allowed
        )


_NOBODY = (Credentials(None, False, None), 0.0)


def _entitled(found: Credentials, operation: OperationContract, address: str) -> Partenaire:
    partenaire = _check(found, address, AuthentificationInvalide())
    if found.expire_le is not None and found.expire_le <= now():
        raise JetonExpire
    if not operation.scopes <= partenaire.scopes:
        raise DroitInsuffisant
    return partenaire


def _check(found: Credentials, address: str, refusal: Refusal) -> Partenaire:
    if found.partenaire is None:
        raise refusal
    if found.partenaire.adresses and not _is_allowed(address, found.partenaire.adresses):
        raise AdresseRefusee
    if not found.valid:
        raise refusal
    return found.partenaire


@lru_cache(maxsize=1024)
def _is_allowed(address: str, networks: tuple[str, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in ipaddress.ip_network(network) for network in networks)


def _decode_basic(value: bytes) -> tuple[str, str]:
    try:
        key, separator, secret = (
            base64.b64decode(value, validate=True).decode("utf-8").partition(":")
        )
    except (binascii.Error, UnicodeDecodeError):
        raise AuthentificationInvalide from None
    # PostgreSQL text cannot hold NUL, and no key has one.
    if not separator or "\x00" in key or len(key) > 128:
        raise AuthentificationInvalide
    return key, secret


def client_address(peer: str, forwarded_for: list[bytes], proxies: tuple[Network, ...]) -> str:
    """The caller's address: the right-most hop that is not one of our proxies.

    Only what our own proxies wrote is believed; without configured proxies X-Forwarded-For is
    ignored altogether.
    """
    if not proxies or not forwarded_for:
        return peer
    hops = [hop.strip() for hop in b",".join(forwarded_for).decode("latin-1").split(",")]
    address = peer
    for hop in [*hops, None][::-1]:
        if not _is_proxy(address, proxies):
            return address
        if hop is None:
            continue
        address = hop
    return address


def _is_proxy(address: str, proxies: tuple[Network, ...]) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(ip in network for network in proxies)
