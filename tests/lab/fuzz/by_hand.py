"""`schemathesis run` by hand, with the project's settings: the server is asked for what a run prepares.

Of a server that was not made for the run nobody knows the limits, the other partners or the log: those
checks look on, all others are as in `make fuzz`.
"""

from __future__ import annotations

import os
import random
from typing import Any
from urllib.parse import urlsplit

import schemathesis
from schemathesis.core.failures import Failure

from tests.lab.fuzz.remote import (
    check_address,
    discover,
    is_local,
    read_pairs,
)
from tests.lab.fuzz.witness import Witness

DEMO = ("demo-partenaire", "demo-secret")
PHONES = dict.fromkeys(("7019800100009569", "7019800100009577"), "221771234567")
"""The partner of `make run` and the walletId of its valid cards, as the README tells them."""


def enter(witness: Witness, case: schemathesis.Case[Any]) -> None:
    """Ask the server of a case for the cards of the partner that CYNOD_FUZZ_KEY names, or of the demo's.

    Raises RemoteRefused with a sentence when that cannot be.
    """
    schema = case.operation.schema
    parts = urlsplit(schema.config.base_url or schema.location or "")
    base = f"{parts.scheme}://{parts.netloc}"
    check_address(base, None)
    demo = is_local(parts.hostname or "") and "CYNOD_FUZZ_KEY" not in os.environ
    pairs, phones = ([DEMO], PHONES) if demo else (read_pairs(os.environ)[:1], None)
    # References of an earlier run stay taken, so that a seed cannot be used twice.
    witness.enter(discover(base, random.SystemRandom().randrange(2**32), pairs, phones))


def is_throttled(failure: Failure, response: schemathesis.Response) -> bool:
    """Whether what a check misses is 401 where the contract answers 1008 (429) after ten wrong pairs in a
    minute, which servers made for a run do not count."""
    if failure.code == "ST401":
        return "got `429 " in failure.message
    return failure.code == "ST202" and response.status_code == 429


def auth_of(witness: Witness) -> type[Any]:
    """How Schemathesis logs that partner in."""

    class Auth:
        """A token, sent with each call."""

        def get(self, case: schemathesis.Case[Any], _ctx: schemathesis.AuthContext) -> str:
            """Ask for one."""
            if witness.land.is_nowhere:
                enter(witness, case)
            return witness.bearer(witness.land.acting, new=True)

        def set(
            self, case: schemathesis.Case[Any], data: str, _ctx: schemathesis.AuthContext
        ) -> None:
            """Put it into the call."""
            case.headers["Authorization"] = data

    return Auth
