"""The server's check of itself, at start: the contract's examples pass the checks that it applies.

What a partner reads in the examples is then what this server takes and gives, whatever was edited.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from handlers.contract.lines import Lines, Problem, tell
from handlers.contract.model import (
    JSON_TYPE,
    Contract,
    ContractError,
    Json,
    OperationContract,
    SelfCheck,
)
from handlers.contract.schema import AnswerCheck, compile_schema


def check_oneself(contract: Contract, switched_off: frozenset[str]) -> SelfCheck:
    """Check all examples. Raises ContractError naming each that is wrong."""
    faults = [
        fault
        for operation in contract.operations.values()
        for fault in example_faults(contract, operation)
    ]
    if faults:
        raise ContractError(tell(faults, contract.surface.file, Lines(None)))
    return SelfCheck(
        version=contract.version,
        sha256=contract.sha256,
        checked=datetime.now(UTC),
        optional_operations=tuple(
            (name, name not in switched_off) for name in sorted(contract.optional_operations)
        ),
    )


def example_faults(contract: Contract, operation: OperationContract) -> Iterator[Problem]:
    """What is wrong with the examples of one operation: one sentence each."""
    content: tuple[str, ...]
    for number, parameter in enumerate(operation.parameters):
        schema = contract.resolve(parameter["schema"])
        example = parameter.get("example", schema.get("example"))
        inside = ("parameters", number, "example")
        if example is None:
            text = f"parameter {parameter['name']} has no example."
            yield Problem(operation.place, text, inside=inside)
        elif not compile_schema(contract, schema)(example):
            text = f"the example of parameter {parameter['name']} does not fit its schema."
            yield Problem(operation.place, text, inside=inside)
    if operation.body is not None:
        fits = compile_schema(contract, operation.body.schema)
        for name, value in _examples(contract, operation.body.content):
            if not fits(value):
                text = f"the example {name!r} of its request body does not fit the schema."
                content = ("requestBody", "content", operation.body.media_type)
                yield Problem(operation.place, text, inside=(*content, "examples", name, "value"))
    check = AnswerCheck(contract, operation)
    for status, response in operation.responses.items():
        for name, value in _examples(contract, response["content"][JSON_TYPE]):
            if not check.fits(status, value):
                text = f"the example {name!r} of response {status} does not fit its schema."
                content = ("responses", str(status), "content", JSON_TYPE)
                yield Problem(operation.place, text, inside=(*content, "examples", name, "value"))


def _examples(contract: Contract, media: Json) -> Iterator[tuple[str, Any]]:
    for name, node in media.get("examples", {}).items():
        yield name, contract.resolve(node).get("value")
