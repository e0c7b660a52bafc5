"""Persons: access tokens of the company's OpenID provider, judged by the keys that it publishes.

Nothing of a token is believed before its signature is. Who the person is, and what he may do, is looked up
here afterwards (`models.agent`): the provider says only that it is he.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol, TypeGuard
from urllib.parse import urlsplit

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from models.database.waiting import aside, pause
from models.errors import AuthentificationInvalide, JetonExpire, ServiceIndisponible
from models.identite import Identite

# RFC 9864 renamed this one; providers use the old name still, and only once would be told of it.
warnings.filterwarnings("ignore", message="EdDSA is deprecated")

ALGORITHMS = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
"""Signatures of a key pair only: with `none` or a shared secret, anybody who reads the keys signs."""

TYPES = frozenset({"at+jwt", "application/at+jwt", "jwt"})
"""What the header of an access token calls itself (RFC 9068), whatever its letters."""

LEEWAY_S = 30
LIFE_S = 3_600
"""Longest life of a token that is taken: one that lives for days cannot be taken back."""

FRESH_S = 600.0
"""How long keys are used without being asked for again."""

AGAIN_S = 30.0
"""Shortest time between two readings: whoever sends unknown key ids makes us ask no more often."""

SOON_S = 1.0
"""The same while there are no keys, when nobody is served."""

KEPT_S = 86_400.0
"""How long the last good keys are used while the provider is away."""

ASK_S = 3.0
MAX_TOKEN = 8_192
MAX_DOCUMENT = 1_048_576

Ask = Callable[[str], Mapping[str, Any]]
"""The JSON object at a URL. Raises ProviderAway."""


class ProviderAway(Exception):
    """The provider did not answer, or not with what it must."""


def ask(url: str) -> Mapping[str, Any]:
    """Ask over HTTP, follow no redirection. It blocks, for an answer that comes drop by drop too no longer
    than twice `ASK_S`; raises ProviderAway."""
    import httpx  # noqa: PLC0415 - a server of partners alone never needs it

    until = time.monotonic() + 2 * ASK_S
    try:
        with (
            httpx.Client(timeout=ASK_S, follow_redirects=False) as client,
            client.stream("GET", url, headers={"Accept": "application/json"}) as answer,
        ):
            body = b""
            for part in answer.iter_bytes():
                body += part
                if len(body) > MAX_DOCUMENT or time.monotonic() > until:
                    raise ProviderAway(f"{_plain(url)} answers without end")
            if answer.status_code != 200:
                raise ProviderAway(f"{_plain(url)} answers HTTP {answer.status_code}")
            found = httpx.Response(200, content=body).json()
    except (httpx.HTTPError, ValueError) as error:
        raise ProviderAway(f"{_plain(url)}: {type(error).__name__}") from None
    if not isinstance(found, dict):
        raise ProviderAway(f"{_plain(url)} answers no object")
    return found


def _plain(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}{parts.path}"


class Issuer(Protocol):
    """Whose tokens are taken, and the keys that they are judged by."""

    @property
    def emetteur(self) -> str:
        """The `iss` of his tokens."""

    def keys(self, kid: str | None) -> KeySet:
        """The keys to judge a token by. Raises Refusal when there are none that are good."""


class Provider:
    """The keys of one issuer: read when they are needed, kept while they are good."""

    def __init__(
        self, emetteur: str, *, ask: Ask = ask, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.emetteur = emetteur
        self._ask = ask
        self._clock = clock
        self._keys: KeySet | None = None
        self._read_at = self._asked_at = -KEPT_S
        self._is_asking = False

    def keys(self, kid: str | None) -> KeySet:
        """The keys to judge a token by. Raises ServiceIndisponible when there are none that are good.

        They are asked for when they are old, or when none is called `kid`: then at most every `AGAIN_S`.
        """
        age = self._clock() - self._read_at
        unknown = kid is not None and not self._knows(kid)
        pause_s = AGAIN_S if self._has_good() else SOON_S
        if (age > FRESH_S or unknown) and self._clock() - self._asked_at > pause_s:
            self._refresh()
        while self._is_asking and not self._has_good():
            pause(0.02)  # somebody else asks; the call's deadline ends the wait
        if self._keys is None or not self._has_good():
            raise ServiceIndisponible
        return self._keys

    def _has_good(self) -> bool:
        return self._keys is not None and self._clock() - self._read_at <= KEPT_S

    def _knows(self, kid: str) -> bool:
        return self._keys is not None and any(key.kid == kid for key in self._keys.keys)

    def _refresh(self) -> None:
        if self._is_asking:
            return
        self._is_asking, self._asked_at = True, self._clock()
        aside(self._keep)

    def _keep(self) -> None:
        """Read the keys and keep them, whether or not somebody waits for them still."""
        try:
            self._keys, self._read_at = read_keys(self.emetteur, self._ask), self._clock()
        except ProviderAway:
            pass  # the last good keys are used on, and who has none is told
        finally:
            self._is_asking = False


def read_keys(emetteur: str, ask: Ask = ask) -> KeySet:
    """The keys that an issuer publishes, by way of its discovery document. Raises ProviderAway."""
    discovered = ask(f"{emetteur.rstrip('/')}/.well-known/openid-configuration")
    if discovered.get("issuer") != emetteur:
        raise ProviderAway("the discovery document is of another issuer")
    where = discovered.get("jwks_uri")
    if not isinstance(where, str) or not may_be_asked(where):
        raise ProviderAway("the discovery document names no place of keys")
    told = ask(where).get("keys")
    # Of keys that are none of ours to understand, the others are as good.
    keys = [one for one in told if isinstance(one, dict)] if isinstance(told, list) else []
    pairs = [one for one in keys if one.get("kty") in ("RSA", "EC", "OKP")]
    try:
        found = KeySet.import_key_set({"keys": [one for one in pairs if _signs(one)]})
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise ProviderAway(f"the keys cannot be read: {type(error).__name__}") from None
    if not found.keys:
        raise ProviderAway("the provider publishes no key that signs")
    return found


def _signs(key: Mapping[str, Any]) -> bool:
    return bool(key.get("use", "sig") == "sig")


def may_be_asked(url: str) -> bool:
    """Whether a provider may stand there: https, or this very machine."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    local = parts.hostname in ("localhost", "127.0.0.1", "::1")
    return bool(parts.hostname) and (parts.scheme == "https" or (parts.scheme == "http" and local))


class Persons:
    """Judges tokens of one provider, meant for this API."""

    def __init__(
        self, provider: Issuer, audience: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._provider = provider
        self._audience = audience
        self._clock = clock

    def identify(self, token: bytes) -> Identite:
        """Whom the token names. Raises AuthentificationInvalide, JetonExpire, ServiceIndisponible."""
        if len(token) > MAX_TOKEN:
            raise AuthentificationInvalide
        try:
            text = token.decode("ascii")
            header = jws.extract_compact(text.encode("ascii")).headers()
        except (JoseError, ValueError, TypeError):
            raise AuthentificationInvalide from None
        kid = header.get("kid")
        if not _is_access_token(header) or not (kid is None or isinstance(kid, str)):
            raise AuthentificationInvalide
        keys = self._provider.keys(kid)
        if kid is None and len(keys.keys) > 1:
            raise AuthentificationInvalide
        try:
            claims = jwt.decode(text, keys, algorithms=list(ALGORITHMS)).claims
        except (JoseError, ValueError, TypeError, KeyError):
            raise AuthentificationInvalide from None
        return self._judge(claims)

    def _judge(self, claims: Mapping[str, Any]) -> Identite:
        audience = claims.get("aud")
        meant = [audience] if isinstance(audience, str) else audience
        sujet, ends, begins = claims.get("sub"), claims.get("exp"), claims.get("iat")
        earliest = claims.get("nbf", begins)
        if (
            claims.get("iss") != self._provider.emetteur
            or not isinstance(meant, list)
            or self._audience not in meant
            or not isinstance(sujet, str)
            or not 1 <= len(sujet) <= 255
            or not _is_time(ends)
            or not _is_time(begins)
            or not _is_time(earliest)
        ):
            raise AuthentificationInvalide
        moment = self._clock()
        if max(begins, earliest) > moment + LEEWAY_S or ends - begins > LIFE_S:
            raise AuthentificationInvalide
        if ends <= moment - LEEWAY_S:
            raise JetonExpire
        told = claims.get("auth_time")
        return Identite(
            self._provider.emetteur,
            sujet,
            _text(claims.get("azp")) or _text(claims.get("client_id")),
            datetime.fromtimestamp(told, UTC)
            if _is_time(told) and told <= moment + LEEWAY_S
            else None,
            _text(claims.get("acr")),
            datetime.fromtimestamp(ends, UTC),
        )


def _is_access_token(header: Mapping[str, Any]) -> bool:
    kind = header.get("typ")
    # `crit` names what must be understood, and nothing of it is (RFC 7515, 4.1.11).
    return (
        isinstance(kind, str)
        and kind.lower() in TYPES
        and header.get("alg") in ALGORITHMS
        and "crit" not in header
    )


def _is_time(value: object) -> TypeGuard[float]:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and 0 <= value < 253_402_300_800
    )


def _text(value: object) -> str | None:
    return value[:200] if isinstance(value, str) and value else None
