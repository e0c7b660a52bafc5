"""What follows from a parsed contract: its catalogue, and what the server must know of an operation."""

from __future__ import annotations

from handlers.contract.deprecation import Header, deprecation_headers
from handlers.contract.model import (
    DEFAULT_MAX_BODY,
    FORM_TYPE,
    LANGUAGES,
    Body,
    CatalogueEntry,
    Contract,
    Json,
    OperationContract,
    snake_case,
)


def catalogue_of(document: Json) -> dict[str, CatalogueEntry]:
    """The entries of a catalogue that is right, by code."""
    return {
        raw["code"]: CatalogueEntry(
            code=raw["code"],
            nom=raw["nom"],
            statut=raw["statut"],
            message={language: raw["message"][language] for language in LANGUAGES},
            conseil={language: raw["conseil"][language] for language in LANGUAGES},
            reessayer=raw["reessayer"],
            debug_message="debugMessage" not in raw,
            oauth=raw.get("oauth"),
        )
        for raw in document.get("x-catalogue-erreurs", [])
    }


def derive_operation(contract: Contract, path: str, method: str, raw: Json) -> OperationContract:
    """An operation that is right, as the server uses it."""
    operation_id = raw["operationId"]
    parameters = tuple(
        contract.resolve(node)
        for node in [
            *contract.document["paths"][path].get("parameters", []),
            *raw.get("parameters", []),
        ]
    )
    body = _body(contract, raw)
    return OperationContract(
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
        message=contract.resolve(raw["x-message-succes"]) if "x-message-succes" in raw else None,
        rate_class=raw["x-classe-debit"],
        scopes=frozenset(scope for need in raw["security"] for scope in need.get("oauth2", [])),
        secured=bool(raw["security"]) and {} not in raw["security"],
        by_token=any("oauth2" in need for need in raw["security"]),
        by_pair={} in raw["security"] and {"basic": []} in raw["security"],
        of_oauth=body is not None and body.media_type == FORM_TYPE,
        issues_tokens=path == contract.token_path,
        idempotent_on=raw.get("x-idempotence"),
        max_body=raw.get("x-corps-maximal", DEFAULT_MAX_BODY),
        writes=method != "get" and not raw.get("x-lecture-seule", False),
        optional=raw.get("x-optionnelle", False),
        by_person=any("agent" in need for need in raw["security"]),
        droit=raw.get("x-droit"),
        audited=raw.get("x-lecture-auditee", False),
        probe=raw.get("x-sonde", False),
        deprecation=_deprecation(operation_id, raw),
    )


def _deprecation(operation_id: str, raw: Json) -> tuple[Header, ...]:
    declared = raw.get("x-obsolescence")
    if declared is None:
        return ()
    return deprecation_headers(
        operation_id, declared.get("depuis"), declared.get("retrait"), declared.get("remplacement")
    )


def _body(contract: Contract, raw: Json) -> Body | None:
    if "requestBody" not in raw:
        return None
    node = contract.resolve(raw["requestBody"])
    ((media_type, content),) = node["content"].items()
    return Body(media_type, content["schema"], bool(node.get("required")), content)
