"""Which optional parameters and fields a call used: their names, for the log, and never their values.

The log says by them whom a change of the contract would touch (`cynod contract usage`). What must be sent
is used by whoever calls. A name comes from the contract, so there are as many as that has, at most; that
of a secret is not written down.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import unquote_plus

from handlers.contract.model import Contract, Json, OperationContract

_NAMES = re.compile(rb"(?:^|&)([^=&]+)")


def optional_fields(contract: Contract, operation: OperationContract) -> frozenset[str]:
    """The fields that the body of an operation may do without, but for secrets."""
    schema = contract.resolve(operation.body.schema) if operation.body else {}
    fields: Json = schema.get("properties", {})
    return frozenset(
        name
        for name, node in fields.items()
        if name not in schema.get("required", [])
        and contract.resolve(node).get("format") != "password"
    )


def required_fields(contract: Contract, operation: OperationContract) -> frozenset[str]:
    """The fields without which no call of an operation is right."""
    body = operation.body
    schema = contract.resolve(body.schema) if body is not None and body.required else {}
    return frozenset(schema.get("required", []))


class OptionalParameters:
    """Parameters that an operation may do without, found in the query of a call that was checked."""

    def __init__(self, parameters: Iterable[Json]) -> None:
        self._by_bytes = {one["name"].encode("ascii"): one["name"] for one in parameters}

    def __call__(self, query: bytes) -> list[str]:
        """The names that are there, in their order."""
        given = _NAMES.findall(query)
        if b"%" in b"".join(given):
            given = [unquote_plus(name.decode("ascii", "replace")).encode() for name in given]
        return sorted(map(self._by_bytes.__getitem__, self._by_bytes.keys() & given))
