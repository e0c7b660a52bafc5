"""One HTTP call on its way through the edge, and the answer it gets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from handlers.contract.model import JSON_TYPE, OperationContract
from handlers.edge.lanes import Row
from handlers.edge.rooms import Room
from handlers.edge.trace_context import Parent, Traced
from models.database.waiting import Wanted
from models.identite import Identite
from models.partenaire import Partenaire


class ClientGone(Exception):
    """The client closed the connection before its request was whole: nobody to answer."""


@dataclass(slots=True)
class Call:
    """What the front knows of a request. Written by one stage after the other, by one at a time.

    `arguments` are there once the call was counted and its input checked, which happens once, and
    `parametre` names what a refusal found wrong.
    """

    method: str
    path: str
    query: bytes
    headers: dict[bytes, bytes]
    repeated: frozenset[bytes]
    address: str
    request_id: str
    language: str
    wanted: Wanted
    parent: Parent | None = None
    """What of the caller's own trace this call is a part of."""
    trace: Traced | None = None
    """What this call is in that trace, where traces are sent."""
    operation: OperationContract | None = None
    media_type: str = JSON_TYPE
    path_parameters: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    arguments: dict[str, Any] | None = None
    facultatifs: list[str] | None = None
    """What it sent without having to: names of parameters and fields, once its input was checked."""
    partenaire: str | None = None
    agent: str | None = None
    """The agentId of the person who calls, once it is known."""
    identite: Identite | None = None
    """What a person's token has proved."""
    remembered: Partenaire | None = None
    """Who sent the same token a moment ago: nobody is served for it."""
    rows: Sequence[Row] = ()
    """What it will write and others may want at the same time, in order, as far as that is known."""
    parametre: str | None = None
    quota: tuple[tuple[bytes, bytes], ...] = ()
    """The headers that tell an authenticated caller what is left of his limit, once the call was counted."""
    reply: Reply | None = None
    room: Room | None = None
    """Where it ran, and where the rest of its reply is made."""


@dataclass(slots=True)
class Reply:
    """A finished answer: HTTP status, catalogue code (or "200"), body bytes, extra headers.

    A `stream` is what follows the body, chunk by chunk, each made when it is its turn.
    """

    status: int
    code: str
    body: bytes
    headers: list[tuple[str, str]]
    media_type: str = JSON_TYPE
    stream: Iterator[bytes] | None = None


CALL_KEY = "cynod.call"
"""Where the call rides: in the ASGI scope's extensions and in the WSGI environ."""


def call_of(scope: Any) -> Call:
    """The call of an ASGI scope."""
    call: Call = scope["extensions"][CALL_KEY]
    return call
