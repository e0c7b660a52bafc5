"""Who a refused caller says to be, for the log: a name that nobody has proved, and never a secret."""

from __future__ import annotations

from urllib.parse import parse_qsl

from handlers.edge.call import Call
from handlers.edge.logs import plain_text
from handlers.edge.security import Security, read_basic, split_authorization

MAX_KEY = 40
"""Characters of a key that are told whole. Those that we give have 24; our secrets and tokens have 43, and
somebody may have sent one in the place of a key."""

START = 8
"""Characters that are told of a longer one."""

MAX_FORM = 4_096
"""Bytes of a form in which a key is looked for."""


class Claims:
    """Reads the name that a request gives; `security` knows whose a token is."""

    def __init__(self, security: Security | None = None) -> None:
        self._security = security

    def __call__(self, call: Call) -> str | None:
        """The consumer-key of Basic, of a token that was looked up, or of the token's form, as the log may
        tell it. Asks no database."""
        key = self._of_header(call.headers.get(b"authorization", b""))
        if key is None and call.operation is not None and call.operation.by_pair:
            key = dict(parse_qsl(call.body[:MAX_FORM].decode("latin-1"))).get("client_id")
        if not key:
            return None
        return plain_text(key if len(key) <= MAX_KEY else f"{key[:START]}...", MAX_KEY)

    def _of_header(self, authorization: bytes) -> str | None:
        scheme, value = split_authorization(authorization)
        if scheme == b"basic":
            # The last reading is the decoded one. Without a colon it is no pair, and may be a secret.
            pairs = read_basic(value)
            return pairs[-1].key if pairs else None
        return self._security.owner_of(authorization) if self._security is not None else None
