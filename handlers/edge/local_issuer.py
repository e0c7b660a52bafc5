"""Where there is no OpenID provider: a key of this machine signs the tokens of agents.

For a demo, a developer, a test. In production nothing that it signs is taken.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, OKPKey

from models.errors import AuthentificationInvalide, ServiceIndisponible

EMETTEUR = "https://localhost/cynod"
"""What its tokens say of who issued them. Nobody can be asked there."""

DUREE_S = 900
ALGORITHM = "Ed25519"


class LocalIssuer:
    """The key in a file that only its owner reads; made by who signs with it first."""

    emetteur = EMETTEUR

    def __init__(self, file: Path) -> None:
        self._file = file
        self._known: KeySet | None = None

    def keys(self, kid: str | None) -> KeySet:
        """The key to judge a token by. Raises AuthentificationInvalide as long as there is none, and
        ServiceIndisponible for a file that holds something else."""
        if self._known is None or all(one.kid != kid for one in self._known.keys):
            try:
                key = self._read()
            except (OSError, ValueError):
                raise ServiceIndisponible from None
            if key is None:
                raise AuthentificationInvalide
            self._known = KeySet([key])
        return self._known

    def sign(self, sujet: str, audience: str) -> str:
        """A token of this subject who has just authenticated. Raises OSError, ValueError."""
        moment = int(time.time())
        key = self._read() or self._make()
        claims = {
            "iss": EMETTEUR,
            "aud": audience,
            "sub": sujet,
            "azp": "cynod agent jeton",
            "iat": moment,
            "auth_time": moment,
            "exp": moment + DUREE_S,
        }
        head = {"alg": ALGORITHM, "typ": "at+jwt", "kid": key.kid}
        return jwt.encode(head, claims, key, algorithms=[ALGORITHM])

    def _read(self) -> OKPKey | None:
        """The key, None when there is none. Raises OSError, and ValueError for what is none."""
        try:
            text = self._file.read_bytes()
        except FileNotFoundError:
            return None
        try:
            key = OKPKey.import_key(text)
        except (JoseError, ValueError):
            raise ValueError("it holds no key of ours") from None
        if not key.is_private or key.curve_name != "Ed25519":
            raise ValueError("it holds another key than ours")
        key.ensure_kid()
        return key

    def _make(self) -> OKPKey:
        """A new key in the file, which is there whole or not at all. Of two who make one, one is kept."""
        made = OKPKey.generate_key("Ed25519").as_pem(private=True)
        beside = self._file.with_name(f"{self._file.name}.{os.getpid()}")
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(made)
        with suppress(FileExistsError):
            os.link(beside, self._file)
        beside.unlink()
        key = self._read()
        assert key is not None, "it was linked there, by us or by another"
        return key
