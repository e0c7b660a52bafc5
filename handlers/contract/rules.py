"""What a contract must say beyond OpenAPI, for the server to keep it: each rule yields a sentence."""

from __future__ import annotations

import string
from collections.abc import Iterator

from handlers.contract.model import LANGUAGES, Contract, ContractError, Json, OperationContract


def check_openapi(document: Json, name: str = "openapi.yaml") -> None:
    """Raises ContractError, with the validator's reason, unless it is OpenAPI 3.0."""
    # A server of the contract that was built never needs it.
    from openapi_spec_validator import (  # noqa: PLC0415 - 15 MiB with what it imports
        OpenAPIV30SpecValidator,
    )

    try:
        OpenAPIV30SpecValidator(document).validate()
    except Exception as error:  # noqa: BLE001 - the validator raises many kinds for one fault: the file
        raise ContractError(f"{name} is not valid OpenAPI 3.0: {_first_line(error)}.") from None


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    path = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
    return text.splitlines()[0][:300] + (f" (at {path})" if path else "")


def check_tag(contract: Contract, where: str, tags: list[str]) -> None:
    """Raises ContractError unless an operation has one tag, which the root describes."""
    if len(tags) != 1:
        raise ContractError(
            f"{where} must have exactly one tag: it names the module of its handler."
        )
    if tags[0] not in [tag["name"] for tag in contract.document.get("tags", [])]:
        raise ContractError(
            f"{where} has the tag {tags[0]!r}, which the root list `tags` does not describe."
        )


def operation_problems(contract: Contract, operation: OperationContract) -> Iterator[str]:
    """What is wrong with one operation: one sentence each."""
    if 200 not in operation.responses:
        yield "it declares no response 200."
    if operation.probe:
        yield from _probe_problems(operation)
    yield from _code_problems(contract, operation)
    yield from _response_problems(contract, operation)
    if operation.body is not None:
        yield from _body_problems(contract, operation)
    elif operation.idempotent_on:
        yield f"x-idempotence names {operation.idempotent_on}, but it has no request body."
    for parameter in operation.parameters:
        name, schema = parameter["name"], contract.resolve(parameter["schema"])
        if parameter["in"] not in ("query", "path"):
            yield f"parameter {name} is in {parameter['in']}; query and path are served."
        if schema.get("type") not in ("string", "integer", "boolean"):
            yield f"parameter {name} must be a string, an integer or a boolean."
    if operation.secured and not operation.by_token:
        yield "security lacks `oauth2`, with the scopes that the operation needs ([] for none)."


def _probe_problems(operation: OperationContract) -> Iterator[str]:
    # Its threads are few, and nothing limits who asks: an operation that does work has no place there.
    if operation.probe is not True:
        yield "x-sonde must be true, or left out."
    if operation.method != "get" or operation.parameters:
        yield "x-sonde is of a GET without parameters: a health probe asks about nothing else."
    if operation.secured or operation.rate_class != "libre":
        yield "x-sonde needs `security: []` and `x-classe-debit: libre`: a health probe is never refused."


def _response_problems(contract: Contract, operation: OperationContract) -> Iterator[str]:
    for status, response in operation.responses.items():
        content = response.get("content", {})
        served = ("application/json", "text/csv") if status == 200 else ("application/json",)
        if next(iter(content), None) != "application/json" or not set(content) <= set(served):
            yield f"response {status} must be application/json (a 200 may be text/csv too)."
        elif not all(media.get("examples") for media in content.values()):
            yield f"response {status} has no examples."
        elif status == 200:
            schema = contract.resolve(content["application/json"]["schema"])
            yield from _message_problems(contract, operation, schema.get("properties", {}))


def _message_problems(
    contract: Contract, operation: OperationContract, fields: Json
) -> Iterator[str]:
    message = operation.message
    if ("message" in fields) != (message is not None):
        yield "it must have x-message-succes exactly when its answer has a `message`."
    if message is None:
        return
    if "data" in fields:
        fields = contract.resolve(contract.resolve(fields["data"])["items"])["properties"]
    for language in LANGUAGES:
        text = message.get(language)
        if not isinstance(text, str):
            yield f"x-message-succes has no text in {language!r}."
            continue
        for _, name, _, _ in string.Formatter().parse(text):
            if name is not None and name not in fields:
                yield f"x-message-succes names {{{name}}}, which its answer does not have."


def inevitable_codes(operation: OperationContract) -> set[str]:
    """What the edge can answer to such an operation, whatever its handler does."""
    codes = {"405", "1002", "1005", "9999"}
    if operation.body is not None:
        codes |= {"1001", "1006", "1007"}
    if operation.secured:
        codes |= {"2001", "2002", "2004", "5001"}
    if operation.scopes:
        codes.add("2003")
    if operation.issues_tokens:
        codes |= {"2004", "2101", "5001"}
    # Failed authentications are counted whatever the class.
    if operation.rate_class != "libre" or operation.secured:
        codes.add("1008")
    if operation.optional:
        codes.add("1009")
    return codes


def _code_problems(contract: Contract, operation: OperationContract) -> Iterator[str]:
    unknown = sorted(operation.codes - contract.catalogue.keys())
    if unknown:
        yield f"x-codes-erreur lists {', '.join(unknown)}, which x-catalogue-erreurs does not have."
        return
    absent = sorted(inevitable_codes(operation) - operation.codes)
    if absent:
        yield f"x-codes-erreur lacks {', '.join(absent)}, which the server can always answer to it."
    by_status: dict[int, set[str]] = {}
    for code in operation.codes:
        by_status.setdefault(contract.catalogue[code].statut, set()).add(code)
    for status, codes in by_status.items():
        if status not in operation.responses:
            yield f"code {min(codes)} is answered with HTTP {status}, which its responses lack."
    for status, response in operation.responses.items():
        carried, listed = set(response.get("x-codes-erreur", [])), by_status.get(status, set())
        if status != 200 and carried != listed:
            yield (
                f"response {status} carries the codes {sorted(carried)}, but x-codes-erreur lists "
                f"{sorted(listed)} of that status."
            )


def _body_problems(contract: Contract, operation: OperationContract) -> Iterator[str]:
    body = operation.body
    assert body is not None
    schema = contract.resolve(body.schema)
    if not body.content.get("examples"):
        yield "its request body has no examples."
    if schema.get("type") != "object":
        yield "its request body must be an object."
    closed = schema.get("additionalProperties") is False
    if not closed and not operation.issues_tokens:
        yield "its request body must be an object with additionalProperties: false."
    if closed and operation.issues_tokens:
        yield (
            "its request body must not say additionalProperties: false; who issues tokens ignores the "
            "fields that it does not know (RFC 6749, 3.2)."
        )
    for name, node in schema.get("properties", {}).items():
        code = node.get("x-code-erreur")
        if code is not None and code not in operation.codes:
            yield f"field {name} answers code {code}, which x-codes-erreur does not list."
    if operation.idempotent_on and operation.idempotent_on not in schema.get("required", []):
        yield f"x-idempotence names {operation.idempotent_on}, which is not a required field."
