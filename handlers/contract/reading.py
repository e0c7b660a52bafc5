"""The contract, read once: operations, error catalogue, rate classes, and what is wrong with them.

`load` refuses a contract that the server could not keep, with a sentence that says what to edit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import orjson
import yaml

from handlers.contract.bundle import read_whole
from handlers.contract.checked import CONTRACT_SHA256
from handlers.contract.deprecation import Header, deprecation_headers
from handlers.contract.links import Linked, link_problems
from handlers.contract.model import (
    DEFAULT_MAX_BODY,
    LANGUAGES,
    METHODS,
    Body,
    CatalogueEntry,
    Contract,
    ContractError,
    Json,
    OperationContract,
    snake_case,
)
from handlers.contract.rules import check_openapi, check_tag, operation_problems
from handlers.contract.surface import PARTENAIRE, Surface

_ROUTE_CODES = {"1002", "1003", "1004", "9999"}


_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path, *, again: bool = False, surface: Surface = PARTENAIRE) -> Contract:
    """Read and check the contract of a surface. Raises ContractError.

    Whether it is OpenAPI was checked when handlers/contract/checked.py was written, and is checked here
    when it has changed since, or `again`.
    """
    document, source = read_published(path)
    return build(document, source, again=again, surface=surface)


def read_published(path: Path) -> tuple[Json, bytes]:
    """The document of a contract as it is published, self-contained, and its bytes. Raises ContractError."""
    return read_whole(path, read_document)


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


def build(
    document: Json, source: bytes, *, again: bool = False, surface: Surface = PARTENAIRE
) -> Contract:
    """Derive everything from a parsed contract. Raises ContractError."""
    sha256 = hashlib.sha256(source).hexdigest()
    if again or sha256 != CONTRACT_SHA256.get(surface.file):
        check_openapi(document, surface.file)
    contract = Contract(
        surface=surface,
        source=source,
        json=orjson.dumps(document),
        document=document,
        version=document["info"]["version"],
        sha256=sha256,
        catalogue=_catalogue(document, surface.file),
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


def _linked(operation: OperationContract) -> Linked:
    return Linked(
        operation_id=operation.operation_id,
        where=operation.where,
        parameters=frozenset(parameter["name"] for parameter in operation.parameters),
        body=operation.body.schema if operation.body else None,
        responses=operation.responses,
    )


def _catalogue(document: Json, file: str) -> dict[str, CatalogueEntry]:
    entries: dict[str, CatalogueEntry] = {}
    for number, raw in enumerate(document.get("x-catalogue-erreurs", [])):
        where = f"{file}, x-catalogue-erreurs[{number}]"
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
            f"{file}, x-catalogue-erreurs lacks {', '.join(absent)}, which the server answers "
            "to requests that reach no operation."
        )
    return entries


def _rate_classes(document: Json) -> dict[str, str]:
    return dict(document.get("x-classes-debit", {}))


def _operation(contract: Contract, path: str, method: str, raw: Json) -> OperationContract:
    where = f"{contract.surface.file}, paths.{path}.{method}"
    for key in ("operationId", "summary", "description", "tags", "security", "x-codes-erreur"):
        if key not in raw:
            raise ContractError(f"{where} lacks `{key}`; every operation declares it.")
    check_tag(contract, where, raw["tags"])
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
        file=contract.surface.file,
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
        issues_tokens=path == contract.token_path,
        idempotent_on=raw.get("x-idempotence"),
        max_body=raw.get("x-corps-maximal", DEFAULT_MAX_BODY),
        writes=method != "get" and not raw.get("x-lecture-seule", False),
        optional=raw.get("x-optionnelle", False),
        deprecation=_deprecation(contract, where, operation_id, raw),
    )
    for problem in operation_problems(contract, operation):
        raise ContractError(f"{where}: {problem}")
    return operation


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
