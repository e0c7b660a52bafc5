"""The contract, read once: operations, error catalogue, rate classes, and what is wrong with them.

`load` refuses a contract that the server could not keep, with a sentence that says what to edit.
"""

from __future__ import annotations

import hashlib
import importlib
import re
import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import yaml

from handlers.contract.checked import CONTRACT_SHA256
from handlers.contract.deprecation import Header, deprecation_headers
from handlers.contract.links import Linked, link_problems

METHODS = ("get", "put", "post", "delete", "patch")
LANGUAGES = ("fr", "en")
JSON_TYPE = "application/json"

DEFAULT_MAX_BODY = 65_536
"""Largest request body in bytes, unless the operation says otherwise."""

_ROUTE_CODES = {"1002", "1003", "1004", "9999"}

Json = dict[str, Any]

_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class ContractError(Exception):
    """The contract, or the code beside it, cannot be served. The text says what to edit."""


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """One code of the error catalogue."""

    code: str
    nom: str
    statut: int
    message: Mapping[str, str]
    conseil: Mapping[str, str]
    reessayer: bool
    debug_message: bool
    oauth: str | None


@dataclass(frozen=True, slots=True)
class Body:
    """A request body: its one media type and its schema."""

    media_type: str
    schema: Json
    required: bool
    content: Json
    """Its media type object: the schema again, and the examples."""


@dataclass(frozen=True, slots=True)
class OperationContract:
    """Everything the contract says of one operation, references resolved one level deep."""

    operation_id: str
    module: str
    function: str
    method: str
    path: str
    summary: str
    parameters: tuple[Json, ...]
    body: Body | None
    responses: Mapping[int, Json]
    codes: frozenset[str]
    message: Mapping[str, str] | None
    rate_class: str
    scopes: frozenset[str]
    secured: bool
    by_token: bool
    issues_tokens: bool
    idempotent_on: str | None
    max_body: int
    writes: bool
    optional: bool
    deprecation: tuple[Header, ...]
    """Headers of each of its answers: none, unless it is deprecated."""

    @property
    def media_types(self) -> tuple[str, ...]:
        """The media types of a success, the default one first."""
        return tuple(self.responses[200]["content"])

    def function_for(self, media_type: str) -> str:
        """The handler's function: `get_x`, or `get_x_csv` for another media type than JSON."""
        if media_type == JSON_TYPE:
            return self.function
        return f"{self.function}_{media_type.rpartition('/')[2]}"

    @property
    def where(self) -> str:
        """The operation's place in the file, for messages."""
        return f"openapi.yaml, paths.{self.path}.{self.method}"


@dataclass(frozen=True, slots=True)
class Contract:
    """The whole contract: the file's bytes, its JSON reading, and what the server derives."""

    source: bytes
    json: bytes
    document: Json
    version: str
    sha256: str
    catalogue: Mapping[str, CatalogueEntry]
    operations: Mapping[str, OperationContract]
    rate_classes: Mapping[str, str]

    @property
    def served_version(self) -> str:
        """What each answer says of it: the version, and the first digits of the hash."""
        return f"{self.version}+{self.sha256[:12]}"

    @property
    def optional_operations(self) -> frozenset[str]:
        """The operations that a deployment may switch off."""
        return frozenset(name for name, one in self.operations.items() if one.optional)

    @property
    def scopes(self) -> frozenset[str]:
        """Every scope a partner can hold."""
        flows = self.document["components"]["securitySchemes"]["oauth2"]["flows"]
        return frozenset(flows["clientCredentials"]["scopes"])

    def resolve(self, node: Json) -> Json:
        """The object that `node` is, or that its `$ref` designates."""
        while "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """The contract that this server serves, when it last passed its check, and which operations it offers."""

    version: str
    sha256: str
    checked: datetime
    optional_operations: tuple[tuple[str, bool], ...]


def snake_case(name: str) -> str:
    """`getSoldeCarte` -> `get_solde_carte`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def load(path: Path, *, again: bool = False) -> Contract:
    """Read and check the contract. Raises ContractError.

    Whether it is OpenAPI was checked when handlers/contract/checked.py was written, and is checked here
    when it has changed since, or `again`.
    """
    document, source = read_document(path)
    return build(document, source, again=again)


def read_document(path: Path) -> tuple[Json, bytes]:
    """What a file says, and its bytes, unchecked. Raises ContractError when it is no mapping in YAML."""
    try:
        source = path.read_bytes()
    except OSError as error:
        raise ContractError(f"the contract {path} cannot be read: {error.strerror}.") from None
    try:
        document = yaml.load(source, Loader=_LOADER)  # noqa: S506 - a safe loader, the C one if there is
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" at line {mark.line + 1}" if mark else ""
        raise ContractError(
            f"{path.name} is not YAML{line}: {getattr(error, 'problem', error)}."
        ) from None
    if not isinstance(document, dict):
        raise ContractError(f"{path.name} is not an OpenAPI document.")
    return document, source


def build(document: Json, source: bytes, *, again: bool = False) -> Contract:
    """Derive everything from a parsed contract. Raises ContractError."""
    sha256 = hashlib.sha256(source).hexdigest()
    if again or sha256 != CONTRACT_SHA256:
        check_openapi(document)
    contract = Contract(
        source=source,
        json=orjson.dumps(document),
        document=document,
        version=document["info"]["version"],
        sha256=sha256,
        catalogue=_catalogue(document),
        operations={},
        rate_classes=_rate_classes(document),
    )
    operations: dict[str, OperationContract] = {}
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                operation = _operation(contract, path, method, item[method])
                operations[operation.operation_id] = operation
    object.__setattr__(contract, "operations", operations)
    for problem in link_problems([_linked(one) for one in operations.values()], contract.resolve):
        raise ContractError(problem)
    return contract


def check_openapi(document: Json, name: str = "openapi.yaml") -> None:
    """Raises ContractError, with the validator's reason, unless it is OpenAPI 3.0."""
    # 15 MiB with what it imports, which a server of the contract that was built never needs.
    validator = importlib.import_module("openapi_spec_validator").OpenAPIV30SpecValidator
    try:
        validator(document).validate()
    except Exception as error:  # noqa: BLE001 - the validator raises many kinds for one fault: the file
        raise ContractError(f"{name} is not valid OpenAPI 3.0: {_first_line(error)}.") from None


def _linked(operation: OperationContract) -> Linked:
    return Linked(
        operation_id=operation.operation_id,
        where=operation.where,
        parameters=frozenset(parameter["name"] for parameter in operation.parameters),
        body=operation.body.schema if operation.body else None,
        responses=operation.responses,
    )


def _first_line(error: Exception) -> str:
    text = str(getattr(error, "message", "") or error).strip() or type(error).__name__
    path = ".".join(str(part) for part in getattr(error, "absolute_path", ()))
    return text.splitlines()[0][:300] + (f" (at {path})" if path else "")


def _catalogue(document: Json) -> dict[str, CatalogueEntry]:
    entries: dict[str, CatalogueEntry] = {}
    for number, raw in enumerate(document.get("x-catalogue-erreurs", [])):
        where = f"openapi.yaml, x-catalogue-erreurs[{number}]"
        try:
            entry = CatalogueEntry(
                code=raw["code"],
                nom=raw["nom"],
                statut=raw["statut"],
                message={language: raw["message"][language] for language in LANGUAGES},
                conseil={language: raw["conseil"][language] for language in LANGUAGES},
                reessayer=raw["reessayer"],
                debug_message="debugMessage" not in raw,
                oauth=raw.get("oauth"),
            )
        except (KeyError, TypeError) as error:
            raise ContractError(
                f"{where} lacks {error}; give code, nom, statut, message, conseil (fr, en), reessayer."
            ) from None
        if entry.code in entries:
            raise ContractError(f"{where}: code {entry.code} is already in the catalogue.")
        entries[entry.code] = entry
    absent = sorted(_ROUTE_CODES - entries.keys())
    if absent:
        raise ContractError(
            f"openapi.yaml, x-catalogue-erreurs lacks {', '.join(absent)}, which the server answers "
            "to requests that reach no operation."
        )
    return entries


def _rate_classes(document: Json) -> dict[str, str]:
    return dict(document.get("x-classes-debit", {}))


def _operation(contract: Contract, path: str, method: str, raw: Json) -> OperationContract:
    where = f"openapi.yaml, paths.{path}.{method}"
    for key in ("operationId", "summary", "description", "tags", "security", "x-codes-erreur"):
        if key not in raw:
            raise ContractError(f"{where} lacks `{key}`; every operation declares it.")
    _check_tag(contract, where, raw["tags"])
    operation_id = raw["operationId"]
    rate_class = raw.get("x-classe-debit")
    if rate_class not in {*contract.rate_classes, "libre"}:
        raise ContractError(
            f"{where} has x-classe-debit {rate_class!r}; use `libre` or one of x-classes-debit."
        )
    parameters = tuple(
        contract.resolve(node)
        for node in [
            *contract.document["paths"][path].get("parameters", []),
            *raw.get("parameters", []),
        ]
    )
    body = _body(contract, where, raw)
    operation = OperationContract(
        operation_id=operation_id,
        module=snake_case(raw["tags"][0]),
        function=snake_case(operation_id),
        method=method,
        path=path,
        summary=raw["summary"],
        parameters=parameters,
        body=body,
        responses={
            int(status): contract.resolve(node) for status, node in raw["responses"].items()
        },
        codes=frozenset(raw["x-codes-erreur"]),
        message=raw.get("x-message-succes"),
        rate_class=rate_class,
        scopes=frozenset(scope for need in raw["security"] for scope in need.get("oauth2", [])),
        secured=bool(raw["security"]) and {} not in raw["security"],
        by_token=any("oauth2" in need for need in raw["security"]),
        issues_tokens=path == _token_path(contract.document),
        idempotent_on=raw.get("x-idempotence"),
        max_body=raw.get("x-corps-maximal", DEFAULT_MAX_BODY),
        writes=method != "get" and not raw.get("x-lecture-seule", False),
        optional=raw.get("x-optionnelle", False),
        deprecation=_deprecation(contract, where, operation_id, raw),
    )
    for problem in _problems(contract, operation):
        raise ContractError(f"{where}: {problem}")
    return operation


def _check_tag(contract: Contract, where: str, tags: list[str]) -> None:
    if len(tags) != 1:
        raise ContractError(
            f"{where} must have exactly one tag: it names the module of its handler."
        )
    if tags[0] not in [tag["name"] for tag in contract.document.get("tags", [])]:
        raise ContractError(
            f"{where} has the tag {tags[0]!r}, which the root list `tags` does not describe."
        )


def _deprecation(
    contract: Contract, where: str, operation_id: str, raw: Json
) -> tuple[Header, ...]:
    declared = raw.get("x-obsolescence")
    if bool(raw.get("deprecated")) != (declared is not None):
        raise ContractError(
            f"{where} must have `deprecated: true` and `x-obsolescence` together: the one tells the "
            "tools, the other the dates."
        )
    if declared is None:
        return ()
    successor = declared.get("remplacement")
    known = {
        one.get("operationId")
        for item in contract.document["paths"].values()
        for one in item.values()
        if isinstance(one, dict)
    }
    if successor is not None and successor not in known - {operation_id}:
        raise ContractError(
            f"{where}: x-obsolescence.remplacement names {successor!r}, which is no other operation."
        )
    try:
        headers = deprecation_headers(
            operation_id, declared.get("depuis"), declared.get("retrait"), successor
        )
    except ValueError as error:
        raise ContractError(f"{where}: x-obsolescence.{error}.") from None
    answer = contract.resolve(raw["responses"].get("200", {}))
    absent = [name for name, _ in headers if name not in answer.get("headers", {})]
    if absent:
        raise ContractError(
            f"{where} is deprecated, so its response 200 must declare the headers {', '.join(absent)}."
        )
    return headers


def _body(contract: Contract, where: str, raw: Json) -> Body | None:
    if "requestBody" not in raw:
        return None
    node = contract.resolve(raw["requestBody"])
    if len(node["content"]) != 1:
        raise ContractError(f"{where}: requestBody must have exactly one media type.")
    ((media_type, content),) = node["content"].items()
    return Body(media_type, content["schema"], bool(node.get("required")), content)


def _token_path(document: Json) -> str | None:
    for scheme in document.get("components", {}).get("securitySchemes", {}).values():
        flow = scheme.get("flows", {}).get("clientCredentials")
        if flow:
            return str(flow["tokenUrl"])
    return None


def _problems(contract: Contract, operation: OperationContract) -> Iterator[str]:
    if 200 not in operation.responses:
        yield "it declares no response 200."
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
