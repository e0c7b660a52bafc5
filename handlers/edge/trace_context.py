"""Where a call stands in a trace: what its caller says (W3C Trace Context), and what we make of it."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

_TRACEPARENT = re.compile(
    rb"(?P<version>[0-9a-f]{2})-(?P<trace>[0-9a-f]{32})-(?P<parent>[0-9a-f]{16})-(?P<flags>[0-9a-f]{2})"
    rb"(?P<more>-.*)?",
    re.DOTALL,
)


class Parent(NamedTuple):
    """The caller's span, of which the call is a part."""

    trace_id: str
    span_id: str
    sampled: bool


class Traced(NamedTuple):
    """The call as a span that goes on: its ids, and what the SDK calls it."""

    trace_id: str
    span_id: str
    span: Any
    context: Any
    """Of the spans inside it."""


def read_traceparent(header: bytes) -> Parent | None:
    """What the header says; None for one that is not as https://www.w3.org/TR/trace-context/ has it (3.2).

    A version that we do not know may say more behind what ours says, and never less.
    """
    found = _TRACEPARENT.fullmatch(header)
    if found is None or found["version"] == b"ff":
        return None
    if found["version"] == b"00" and found["more"] is not None:
        return None
    trace, parent = found["trace"].decode(), found["parent"].decode()
    if not (trace.strip("0") and parent.strip("0")):
        return None
    return Parent(trace, parent, bool(int(found["flags"], 16) & 1))
