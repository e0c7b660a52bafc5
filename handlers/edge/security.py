"""Who calls: credentials of the Authorization header or of the token form, address, scopes."""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote_plus

from sqlalchemy import Connection

from handlers.contract.model import (
    Contract,
    OperationContract,
)
from handlers.edge.address import is_within
from handlers.edge.call import Call
from handlers.edge.seen import NoteAddress
from handlers.settings import Settings
from models.authentification import find_by_token
from models.base import now
from models.errors import (
    AdresseRefusee,
    AuthentificationInvalide,
    BasicInterdit,
    ClientInvalide,
    JetonExpire,
    ParametreInvalide,
    PartenaireSuspendu,
    Refusal,
)
from models.partenaire import APPLIQUER, LIBRE, SUSPENDU, Credentials, Partenaire
from models.secret import find_by_secret, hash_secret

REMEMBERED_S = 5.0
"""How long a caller of a good token is remembered, for `Security.recall` alone."""

MAX_REMEMBERED = 10_000
"""Callers that one process remembers; with one more it forgets them all."""

_TOKEN = re.compile(rb"[A-Za-z0-9._~+/-]{1,512}=*")

REPEATED = b""
"""What stands for an Authorization header that was sent twice: it is good for nothing."""

MAX_KEY = 128
"""Characters of the longest consumer-key that is looked up."""

_BASIC = 'Basic realm="cynod", charset="UTF-8"'
_METADATA = "metadonneesRessource"
"""The operation that tells OAuth's clients what this resource is."""


class Pair(NamedTuple):
    """A consumer-key and a consumer-secret, as somebody sent them."""

    key: str
    secret: str


def bearer_challenge(contract: Contract, settings: Settings) -> str:
    """What asks for a token, and says where the resource describes itself if it does (RFC 9728, 5.1)."""
    realm = 'Bearer realm="cynod"'
    operation = contract.operations.get(_METADATA)
    if operation is None or _METADATA in settings.switched_off:
        return realm
    return f'{realm}, resource_metadata="{settings.url_publique}{operation.path}"'


def challenge(
    code: str, operation: OperationContract, authorization: bytes | None, bearer: str
) -> str | None:
    """The WWW-Authenticate of a refusal, None for one that has none; `bearer` is what asks for a token.

    RFC 6750, 3: a token that was sent is told what is wrong with it, and who sent none is told no
    error. A person is told the right that he lacks as the scope that it is to others. RFC 6749, 5.2: the
    token's operation asks for the scheme that it takes.
    """
    if code == "2101":
        return _BASIC
    if code == "2010":
        return bearer
    if code not in ("2001", "2002", "2003"):
        return None
    scheme, value = split_authorization(authorization)
    if code == "2003":
        needed = _droits(operation) if is_jwt(value) else sorted(operation.scopes)
        scopes = f', scope="{" ".join(needed)}"' if needed else ""
        return f'{bearer}, error="insufficient_scope"{scopes}'
    if scheme == b"bearer" and value:
        return f'{bearer}, error="invalid_token"'
    return bearer if operation.by_person else f"{bearer}, {_BASIC}"


def _droits(operation: OperationContract) -> list[str]:
    """The right that opens an operation; none where any of several does."""
    droit = operation.droit or ""
    return [droit] if ":" in droit and "*" not in droit else []


def is_jwt(token: bytes) -> bool:
    """Whether a bearer token is one of a provider: ours have no dot."""
    return b"." in token


class Security:
    """Authenticates calls and checks what they may do, as the contract declares it."""

    def __init__(
        self,
        settings: Settings,
        note_usage: Callable[[int], None],
        note_address: NoteAddress,
        forget_jetons: Callable[[int], None],
    ) -> None:
        self._note_usage = note_usage
        self._forget_jetons = forget_jetons
        self._note_address = note_address
        self._pepper = settings.pepper
        self._demo_allowed = not settings.is_production
        self._remembered: dict[bytes, tuple[Credentials, float]] = {}
        self._hashed = (b"", hash_secret("", settings.pepper))

    def recall(
        self, operation: OperationContract, authorization: bytes | None, address: str
    ) -> Partenaire | None:
        """Who sends this bearer token, if it was good for the operation a moment ago.

        It asks no database, so it may say what was true `REMEMBERED_S` seconds ago: enough to tell a
        caller that a request is malformed, never enough to serve one.
        """
        scheme, value = split_authorization(authorization)
        if scheme != b"bearer":
            return None
        found, until = self._remembered.get(self._hash(value), _NOBODY)
        if time.monotonic() >= until:
            return None
        try:
            partenaire = _admit(found, address)
        except Refusal:
            return None
        return partenaire if operation.scopes <= partenaire.scopes else None

    def authenticate(
        self,
        connection: Connection,
        authorization: bytes | None,
        address: str,
        *,
        of_oauth: bool = False,
    ) -> Partenaire:
        """The caller, who may call; whether he has the scopes of the operation is not asked here.

        `of_oauth` says that it is OAuth's own operation, where Basic is every client's way. Raises
        AuthentificationInvalide, JetonExpire, AdresseRefusee, PartenaireSuspendu, BasicInterdit. The address
        is checked after the secret: from elsewhere, a wrong secret of a known key is told what that of an
        unknown key is told.
        """
        scheme, value = split_authorization(authorization)
        if scheme == b"bearer" and _TOKEN.fullmatch(value):
            empreinte = self._hash(value)
            found = find_by_token(connection, empreinte, demo_allowed=self._demo_allowed)
            self._remember(empreinte, found)
        elif scheme == b"basic":
            found = self._find_pair(connection, read_basic(value))
            by_basic = not of_oauth
            return _admit(found, address, by_basic=by_basic, note_address=self._note_address)
        else:
            raise AuthentificationInvalide
        return _admit(found, address, note_address=self._note_address)

    def _hash(self, token: bytes) -> bytes:
        # A token is hashed early, on the event loop, and again when its call runs, mostly at once.
        last, empreinte = self._hashed
        if not hmac.compare_digest(last, token):
            empreinte = hash_secret(token.decode("latin-1"), self._pepper)
            self._hashed = (token, empreinte)
        return empreinte

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
        connection: Connection,
        form: Mapping[str, Any],
        authorization: bytes | None,
        address: str,
    ) -> Partenaire:
        """The client of a token request: Basic or form, never both (RFC 6749, 2.3).

        Raises ClientInvalide, AdresseRefusee, PartenaireSuspendu, or EdgeRefusal when both ways are used.
        """
        found = self._find_pair(connection, _client_pairs(form, authorization))
        partenaire = _admit(found, address, ClientInvalide, note_address=self._note_address)
        self._forget_jetons(partenaire.id)
        return partenaire

    def _find_pair(self, connection: Connection, pairs: tuple[Pair, ...]) -> Credentials:
        if not pairs:
            return _NOTHING
        found = find_by_secret(
            connection,
            *pairs[0],
            decoded=pairs[1] if len(pairs) > 1 else None,
            pepper=self._pepper,
            demo_allowed=self._demo_allowed,
        )
        if found.partenaire is not None and found.partenaire.secret is not None:
            self._note_usage(found.partenaire.secret)
        return found


_NOTHING = Credentials(None, False, None)
_NOBODY = (_NOTHING, 0.0)


def _admit(
    found: Credentials,
    address: str,
    refusal: type[Refusal] = AuthentificationInvalide,
    *,
    by_basic: bool = False,
    note_address: NoteAddress | None = None,
) -> Partenaire:
    """The partner of these credentials, who may call from there. Nobody else learns in what statut it is."""
    if found.expire_le is not None and found.expire_le <= now():
        raise JetonExpire
    partenaire = found.partenaire
    if partenaire is None or not found.valid:
        raise refusal
    mode = partenaire.mode_adresses
    elsewhere = mode != LIBRE and not is_within(address, partenaire.adresses)
    if note_address is not None:
        note_address(partenaire.id, address, elsewhere)
    if elsewhere and mode == APPLIQUER:
        raise AdresseRefusee
    if partenaire.statut == SUSPENDU:
        raise PartenaireSuspendu
    if by_basic and not partenaire.basic_autorise:
        raise BasicInterdit
    return partenaire


def presented(authorization: bytes | None, form: Mapping[str, str]) -> bytes | None:
    """What a caller who was not let in presented: a consumer-key, or a token. None when it was nothing.

    It is the same however the pair was written, and for the pair of a token request wherever it was.
    """
    scheme, value = split_authorization(authorization)
    if scheme == b"basic":
        pairs = read_basic(value)
        return pairs[-1].key.encode() if pairs else value
    if form.get("client_id") or form.get("client_secret"):
        return form.get("client_id", "").encode()
    return authorization


def split_authorization(authorization: bytes | None) -> tuple[bytes, bytes]:
    """Scheme, in small letters, and what follows it."""
    scheme, _, value = (authorization or b"").strip(b" \t").partition(b" ")
    return scheme.lower(), value.strip(b" \t")


def _client_pairs(form: Mapping[str, str], authorization: bytes | None) -> tuple[Pair, ...]:
    """The pair of a token request, in each of its readings.

    Only Basic is a way to authenticate there: beside it, the form may repeat who calls, and no more
    (RFC 6749, 2.3). What else a client puts into Authorization, say a token that it had, is not one.
    """
    in_form = Pair(form.get("client_id", ""), form.get("client_secret", ""))
    scheme, value = split_authorization(authorization)
    if authorization == REPEATED:
        return ()
    if scheme != b"basic":
        return (in_form,)
    pairs = read_basic(value)
    if in_form.secret or in_form.key not in ("", *(pair.key for pair in pairs)):
        raise ParametreInvalide("client_id")
    return pairs


def read_basic(value: bytes) -> tuple[Pair, ...]:
    """The pair of Basic credentials: as it is, and decoded when that makes another one; none when bad.

    OAuth clients encode both halves as forms do (RFC 6749, 2.3.1), others do not (RFC 7617), and a
    secret may hold a percent or a plus: only the database can say which reading is meant.
    """
    try:
        text = base64.b64decode(value, validate=True).decode("utf-8")
    except (binascii.Error, UnicodeDecodeError):
        return ()
    key, separator, secret = text.partition(":")
    if not separator:
        return ()
    readings = [Pair(key, secret)]
    if "%" in text or "+" in text:
        # An encoding that is none changes nothing, or leaves text that no key has.
        readings.append(Pair(unquote_plus(key), unquote_plus(secret)))
    return tuple(dict.fromkeys(pair for pair in readings if _may_exist(pair.key)))


def _may_exist(key: str) -> bool:
    # PostgreSQL text cannot hold NUL, and no key has one.
    return len(key) <= MAX_KEY and "\x00" not in key


def authorization_of(call: Call) -> bytes | None:
    """The Authorization header, None when it is absent or empty."""
    if b"authorization" in call.repeated:
        return REPEATED
    return call.headers.get(b"authorization") or None
