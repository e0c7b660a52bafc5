"""What a contract must say beyond OpenAPI, for the server to keep it: each rule yields a sentence."""

from __future__ import annotations

import string
from collections.abc import Iterator
from typing import Any

from handlers.contract.deprecation import deprecation_headers
from handlers.contract.lines import Lines, Place, Problem, tell
from handlers.contract.message import variants
from handlers.contract.model import (
    LANGUAGES,
    METHODS,
    Contract,
    ContractError,
    Json,
    OperationContract,
)

Said = tuple[str, ...]
"""A sentence, and where in the operation it looks."""

DEPRECATION_HEADERS = ("Deprecation", "Sunset", "Link")


def check_openapi(document: Json, name: str = "openapi.yaml") -> None:
    """Raises ContractError, with the validator's first reason, unless it is OpenAPI 3.0."""
    problems = list(openapi_problems(document))
    if problems:
        raise ContractError(tell(problems[:1], name, Lines(None)))


def openapi_problems(document: Json, *, whole: bool = True) -> Iterator[Problem]:
    """Why it is not OpenAPI 3.0: the structure of each part, then what the parts say of each other.

    Not `whole`, it has references that lead nowhere, which are told elsewhere.
    """
    # A server of the contract that was built never needs it.
    from openapi_spec_validator import (  # noqa: PLC0415 - 15 MiB with what it imports
        OpenAPIV30SpecValidator,
    )

    errors: list[Exception] = []
    try:
        errors = list(OpenAPIV30SpecValidator(document).iter_errors())
    except Exception as error:  # noqa: BLE001 - the validator raises many kinds for one fault: the file
        errors = [error]
    if not errors:
        return
    told = list(_structure_problems(document))
    if not told and whole:
        told = [
            Problem(
                tuple(getattr(error, "absolute_path", ())),
                f"is not valid OpenAPI 3.0: {_first_line(error)}.",
                " ",
            )
            for error in errors
        ]
    yield from told


def _structure_problems(document: Json) -> Iterator[Problem]:
    """The validator that reports first is quick and tells a whole part; this one tells the place in it."""
    from jsonschema import Draft4Validator  # noqa: PLC0415 - as above
    from openapi_spec_validator.schemas import schema_v30  # noqa: PLC0415 - as above

    for error in Draft4Validator(schema_v30).iter_errors(document):
        inner = _innermost(error)
        yield Problem(
            tuple(inner.absolute_path), f"is not valid OpenAPI 3.0: {_first_line(inner)}.", " "
        )


def _innermost(error: Any) -> Any:
    """The reason inside of a choice: of the branch that was meant, which is no reference."""
    while error.context:
        branches: dict[Any, list[Any]] = {}
        for one in error.context:
            branches.setdefault(one.schema_path[0], []).append(one)
        meant = [
            branch
            for branch in branches.values()
            if not any(
                one.validator == "required" and "$ref" in one.validator_value for one in branch
            )
        ]
        if not meant:
            break
        branch = min(meant, key=lambda branch: sum(one.validator == "enum" for one in branch))
        error = max(branch, key=lambda one: len(one.absolute_path))
    return error


def _first_line(error: Any) -> str:
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    return text.splitlines()[0][:300]


_NEEDED = {
    "operationId": str,
    "summary": str,
    "description": str,
    "tags": list,
    "security": list,
    "x-codes-erreur": list,
}


def raw_problems(document: Json, place: Place, raw: Json) -> Iterator[Problem]:
    """What an operation lacks to be read at all."""
    for key, kind in _NEEDED.items():
        if key not in raw:
            yield Problem(place, f"lacks `{key}`; every operation declares it.", " ")
        elif not isinstance(raw[key], kind):
            yield Problem((*place, key), f"must be a {'text' if kind is str else 'list'}.", " ")
    tags = raw.get("tags", [])
    if "tags" in raw and len(tags) != 1:
        yield Problem(place, "must have exactly one tag: it names the module of its handler.", " ")
    known = [tag.get("name") for tag in document.get("tags", [])]
    for tag in tags:
        if tag not in known:
            yield Problem(
                place,
                f"has the tag {tag!r}, which the root list `tags` does not describe.",
                " ",
                inside=("tags",),
            )
    classes = document.get("x-classes-debit", {})
    if raw.get("x-classe-debit") not in {*classes, "libre"}:
        yield Problem(
            place,
            f"has x-classe-debit {raw.get('x-classe-debit')!r}; use `libre` or one of x-classes-debit.",
            " ",
            inside=("x-classe-debit",),
        )
    for code in raw.get("x-codes-erreur", []):
        if not isinstance(code, str):
            yield Problem((*place, "x-codes-erreur"), f"quote the code {code!r}.")


ANY_RIGHT = ("*:valider", "*:saisir", "aucun")
"""What may stand in place of a right: any of a kind, where the demande decides which, or none at all."""


def right_problems(contract: Contract, place: Place, raw: Json) -> Iterator[Problem]:
    """An operation of persons says which right it needs, and no other operation does."""
    right = raw.get("x-droit")
    if not contract.surface.persons:
        if right is not None:
            yield Problem(
                place, "has x-droit, but its callers are no persons.", " ", inside=("x-droit",)
            )
        return
    known = sorted(
        {one for rights in contract.document.get("x-roles", {}).values() for one in rights}
    )
    if right not in {*known, *ANY_RIGHT}:
        yield Problem(
            place,
            f"has x-droit {right!r}; write a right of x-roles, or one of {', '.join(ANY_RIGHT)}: whoever "
            "calls it is let in by that alone.",
            " ",
            inside=("x-droit",),
        )
    if not any("agent" in need for need in raw.get("security", [])):
        yield Problem(
            place, "security lacks `agent`: its callers are persons.", inside=("security",)
        )


def shape_problems(contract: Contract, place: Place, raw: Json) -> Iterator[Problem]:
    """What hinders that an operation is derived: its body, the dates of its end."""
    if "requestBody" in raw and len(contract.resolve(raw["requestBody"])["content"]) != 1:
        yield Problem(
            place, "requestBody must have exactly one media type.", inside=("requestBody",)
        )
    declared = raw.get("x-obsolescence")
    if bool(raw.get("deprecated")) != (declared is not None):
        yield Problem(
            place,
            "must have `deprecated: true` and `x-obsolescence` together: the one tells the tools, the "
            "other the dates.",
            " ",
            inside=("x-obsolescence" if declared is not None else "deprecated",),
        )
    elif declared is not None:
        yield from _deprecation_problems(contract, place, raw, declared)


def _deprecation_problems(
    contract: Contract, place: Place, raw: Json, declared: Json
) -> Iterator[Problem]:
    inside = ("x-obsolescence",)
    successor = declared.get("remplacement")
    known = {
        one.get("operationId")
        for item in contract.document["paths"].values()
        for method, one in item.items()
        if method in METHODS
    }
    if successor is not None and successor not in known - {raw["operationId"]}:
        yield Problem(
            place,
            f"x-obsolescence.remplacement names {successor!r}, which is no other operation.",
            inside=(*inside, "remplacement"),
        )
    try:
        deprecation_headers(
            raw["operationId"], declared.get("depuis"), declared.get("retrait"), successor
        )
    except ValueError as error:
        yield Problem(place, f"x-obsolescence.{error}.", inside=inside)
    answer = contract.resolve(raw["responses"].get("200", {}))
    absent = [name for name in DEPRECATION_HEADERS if name not in answer.get("headers", {})]
    if absent:
        yield Problem(
            place,
            f"is deprecated, so its response 200 must declare the headers {', '.join(absent)}.",
            " ",
            inside=("responses", "200"),
        )


def operation_problems(contract: Contract, operation: OperationContract) -> Iterator[Problem]:
    """What is wrong with one operation: one sentence each."""
    place = operation.place
    for text, *inside in _operation_texts(contract, operation):
        yield Problem(place, text, inside=tuple(inside))


def _operation_texts(contract: Contract, operation: OperationContract) -> Iterator[Said]:
    """Each sentence, and where in the operation it looks."""
    if 200 not in operation.responses:
        yield "it declares no response 200.", "responses"
    if operation.probe:
        yield from _probe_problems(operation)
    yield from _code_problems(contract, operation)
    yield from _response_problems(contract, operation)
    if operation.body is not None:
        yield from _body_problems(contract, operation)
    elif operation.idempotent_on:
        yield (
            f"x-idempotence names {operation.idempotent_on}, but it has no request body.",
            "x-idempotence",
        )
    for parameter in operation.parameters:
        name, schema = parameter["name"], contract.resolve(parameter["schema"])
        if parameter["in"] not in ("query", "path"):
            yield (
                f"parameter {name} is in {parameter['in']}; query and path are served.",
                "parameters",
            )
        if schema.get("type") not in ("string", "integer", "boolean"):
            yield f"parameter {name} must be a string, an integer or a boolean.", "parameters"
    if operation.secured and not (operation.by_token or operation.by_person):
        yield (
            "security lacks `oauth2`, with the scopes that the operation needs ([] for none).",
            "security",
        )


def _probe_problems(operation: OperationContract) -> Iterator[Said]:
    # Its threads are few, and nothing limits who asks: an operation that does work has no place there.
    if operation.probe is not True:
        yield "x-sonde must be true, or left out.", "x-sonde"
    if operation.method != "get" or operation.parameters:
        yield (
            "x-sonde is of a GET without parameters: a health probe asks about nothing else.",
            "x-sonde",
        )
    if operation.secured or operation.rate_class != "libre":
        yield (
            "x-sonde needs `security: []` and `x-classe-debit: libre`: a health probe is never refused.",
            "x-sonde",
        )


def _response_problems(contract: Contract, operation: OperationContract) -> Iterator[Said]:
    for status, response in operation.responses.items():
        content = response.get("content", {})
        served = ("application/json", "text/csv") if status == 200 else ("application/json",)
        if next(iter(content), None) != "application/json" or not set(content) <= set(served):
            yield (
                f"response {status} must be application/json (a 200 may be text/csv too).",
                "responses",
                f"{status}",
            )
        elif not all(media.get("examples") for media in content.values()):
            yield f"response {status} has no examples.", "responses", f"{status}"
        elif status == 200:
            schema = contract.resolve(content["application/json"]["schema"])
            yield from _message_problems(contract, operation, schema.get("properties", {}))


def _message_problems(
    contract: Contract, operation: OperationContract, fields: Json
) -> Iterator[Said]:
    message = operation.message
    if ("message" in fields) != (message is not None):
        yield (
            "it must have x-message-succes exactly when its answer has a `message`.",
            "x-message-succes",
        )
    if message is None:
        return
    if "data" in fields:
        fields = contract.resolve(contract.resolve(fields["data"])["items"])["properties"]
    for texts, when in variants(message):
        names = set(when)
        for language in LANGUAGES:
            text = texts.get(language)
            if not isinstance(text, str):
                yield f"x-message-succes has no text in {language!r}.", "x-message-succes"
                continue
            names |= {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
        for name in sorted(names - fields.keys()):
            yield (
                f"x-message-succes names {{{name}}}, which its answer does not have.",
                "x-message-succes",
            )


def inevitable_codes(operation: OperationContract) -> set[str]:
    """What the edge can answer to such an operation, whatever its handler does."""
    codes = {"405", "1002", "1005", "9999"}
    if operation.body is not None:
        codes |= {"1001", "1006", "1007"}
    if operation.secured:
        codes |= {"2001", "2002", "2004", "2005", "5001"}
    if operation.by_person:
        # A machine may come where it has no right to be, and a person who is no agent any more.
        codes |= {"2003", "2007"}
    elif operation.secured and not operation.of_oauth:
        # A client of OAuth authenticates by Basic where OAuth's own operations are.
        codes.add("2010")
    if operation.scopes:
        codes.add("2003")
    if operation.by_pair:
        codes |= {"2004", "2005", "2101", "5001"}
    # Failed authentications are counted whatever the class.
    if operation.rate_class != "libre" or operation.secured:
        codes.add("1008")
    if operation.optional:
        codes.add("1009")
    return codes


def _code_problems(contract: Contract, operation: OperationContract) -> Iterator[Said]:
    unknown = sorted(operation.codes - contract.catalogue.keys())
    if unknown:
        yield (
            f"x-codes-erreur lists {', '.join(unknown)}, which x-catalogue-erreurs does not have.",
            "x-codes-erreur",
        )
        return
    absent = sorted(inevitable_codes(operation) - operation.codes)
    if absent:
        yield (
            f"x-codes-erreur lacks {', '.join(absent)}, which the server can always answer to it.",
            "x-codes-erreur",
        )
    by_status: dict[int, set[str]] = {}
    for code in operation.codes:
        by_status.setdefault(contract.catalogue[code].statut, set()).add(code)
    for status, codes in by_status.items():
        if status not in operation.responses:
            yield (
                f"code {min(codes)} is answered with HTTP {status}, which its responses lack.",
                "responses",
            )
    for status, response in operation.responses.items():
        carried, listed = set(response.get("x-codes-erreur", [])), by_status.get(status, set())
        if status != 200 and carried != listed:
            yield (
                (
                    f"response {status} carries the codes {sorted(carried)}, but x-codes-erreur lists "
                    f"{sorted(listed)} of that status."
                ),
                "responses",
                f"{status}",
            )


def _body_problems(contract: Contract, operation: OperationContract) -> Iterator[Said]:
    body = operation.body
    assert body is not None
    schema = contract.resolve(body.schema)
    if not body.content.get("examples"):
        yield "its request body has no examples.", "requestBody"
    if schema.get("type") != "object":
        yield "its request body must be an object.", "requestBody"
    closed = schema.get("additionalProperties") is False
    if not closed and not operation.of_oauth:
        yield "its request body must be an object with additionalProperties: false.", "requestBody"
    if closed and operation.of_oauth:
        yield (
            (
                "its request body must not say additionalProperties: false; who issues tokens ignores the "
                "fields that it does not know (RFC 6749, 3.2)."
            ),
            "requestBody",
        )
    for name, node in schema.get("properties", {}).items():
        code = node.get("x-code-erreur")
        if code is not None and code not in operation.codes:
            yield (
                f"field {name} answers code {code}, which x-codes-erreur does not list.",
                "x-codes-erreur",
            )
    if operation.idempotent_on and operation.idempotent_on not in schema.get("required", []):
        yield (
            f"x-idempotence names {operation.idempotent_on}, which is not a required field.",
            "x-idempotence",
        )
