"""`schemathesis run` by hand, with the project's settings: the server is asked for what a run prepares.

Of a server that was not made for the run nobody knows the limits, the other partners or the log: those
checks look on, all others are as in `make fuzz`.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import schemathesis

from tests.fuzz.remote import RemoteRefused, check_address, discover, is_local, read_pairs
from tests.fuzz.witness import Witness

DEMO = ("demo-partenaire", "demo-secret")
"""The partner of `make run`, as the README tells it."""


def enter(witness: Witness, url: str, environ: Mapping[str, str]) -> None:
    """Ask the server for the cards of the partner that CYNOD_FUZZ_KEY names, or of the demo's.

    Raises SystemExit with a sentence when that cannot be.
    """
    parts = urlsplit(url)
    base = f"{parts.scheme}://{parts.netloc}"
    try:
        check_address(base, None)
        demo = is_local(parts.hostname or "") and "CYNOD_FUZZ_KEY" not in environ
        pairs = [DEMO] if demo else read_pairs(environ)[:1]
        # References of an earlier run stay taken, so that a seed cannot be used twice.
        witness.enter(discover(base, random.SystemRandom().randrange(2**32), pairs))
    except RemoteRefused as error:
        raise SystemExit(f"schemathesis: {error}") from None


def auth_of(witness: Witness) -> type[Any]:
    """How Schemathesis logs that partner in."""

    class Auth:
        """A token, sent with each call."""

        def get(self, _case: schemathesis.Case[Any], _ctx: schemathesis.AuthContext) -> str:
            """Ask for one."""
            return witness.bearer(witness.land.acting, new=True)

        def set(
            self, case: schemathesis.Case[Any], data: str, _ctx: schemathesis.AuthContext
        ) -> None:
            """Put it into the call."""
            case.headers["Authorization"] = data

    return Auth
