"""What an answer tells of the limit of its operation's class, and what the contract says of it."""

from __future__ import annotations

import httpx

from tests.support.contract_client import Reading
from tests.support.live import PATIENT

_SECONDS = {"second": 1, "minute": 60, "hour": 3_600, "day": 86_400}
UNCOUNTED = "libre"


def policy_of(reading: Reading, operation: str) -> str | None:
    """The policy of a patient server, whose other limits are the contract's; None of what is not counted."""
    name = reading.by_id[operation]["x-classe-debit"]
    if name == UNCOUNTED or PATIENT.get(name) == "off":
        return None
    calls, _, unit = reading.document["x-classes-debit"][name].partition("/")
    return f'"{name}";q={calls};w={_SECONDS[unit]}'


def assert_told(answer: httpx.Response, policy: str | None) -> None:
    """Assert that an answer tells this policy and what is left of it, or neither."""
    __tracebackhide__ = True
    assert answer.headers.get("RateLimit-Policy") == policy, answer.text
    left = answer.headers.get("RateLimit")
    assert (left is None) == (policy is None), answer.headers
    if policy is not None and left is not None:
        assert left.startswith(f"{policy.partition(';')[0]};r=")
