"""All that a page says of one operation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from markupsafe import Markup

from handlers.contract.model import (
    JSON_TYPE,
    CatalogueEntry,
    Contract,
    Json,
    OperationContract,
)
from handlers.contract.scopes import declared_scopes
from handlers.site.fields import Field, SchemaReader, thousands
from handlers.site.prose import Example, Writer, colour, typeset
from handlers.site.snippets import SNIPPETS, snippets

_SPANS = {"minute": "par minute", "second": "par seconde", "hour": "par heure", "day": "par jour"}
_MONTHS = (
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
)

_CLASS_NAMES = {
    "ecriture": "écriture",
    "echec": "échec d’authentification, par consumer-key ou par jeton",
    "echec-adresse": "échec d’authentification, par adresse",
}
"""Rate classes whose names are not spelt as people read them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A status that an operation can answer, with what it carries."""

    status: int
    description: Markup
    headers: list[Field]
    examples: list[Example]
    entries: list[CatalogueEntry]


@dataclass(frozen=True, slots=True)
class Next:
    """What a link of the contract proposes to call next."""

    operation_id: str
    description: Markup


@dataclass(frozen=True, slots=True)
class End:
    """How a deprecated operation ends; the dates as people say them."""

    since: str
    until: str
    successor: str | None


@dataclass(frozen=True, slots=True)
class Code:
    """A code in one language."""

    language: str
    title: str
    code: Markup


@dataclass(frozen=True, slots=True)
class OperationView:
    """All that the page says of an operation."""

    operation_id: str
    method: str
    path: str
    summary: str
    description: Markup
    access: str
    scopes: list[tuple[str, str]]
    right: str
    roles: list[str]
    """The right that a person needs, and the roles that have it."""
    rate: str
    max_body: int | None
    idempotent_on: str | None
    optional: bool
    end: End | None
    parameters: list[Field]
    body: list[Field]
    body_type: str
    requests: list[Example]
    snippets: list[Code]
    success: Answer
    result: list[Field]
    refusals: list[Answer]
    nexts: list[Next]


def view(contract: Contract, writer: Writer, operation: OperationContract) -> OperationView:
    """What its page is given."""
    raw = contract.document["paths"][operation.path][operation.method]
    schemas = SchemaReader(contract, writer)
    body, success = operation.body, operation.responses[200]
    described, _ = writer.prose(raw["description"], level=2)
    scopes = declared_scopes(contract.document)
    codes = snippets(contract, operation)
    return OperationView(
        operation_id=operation.operation_id,
        method=operation.method.upper(),
        path=operation.path,
        summary=operation.summary,
        description=described,
        access=_access(operation, raw),
        scopes=[(scope, scopes[scope]) for scope in scopes if scope in operation.scopes],
        right=_right(operation),
        roles=_roles(contract, operation),
        rate=_rate(contract, operation),
        max_body=operation.max_body if body else None,
        idempotent_on=operation.idempotent_on,
        optional=operation.optional,
        end=_end(raw),
        parameters=[schemas.parameter(one) for one in operation.parameters],
        body=list(schemas.fields(body.schema)) if body else [],
        body_type=body.media_type if body else "",
        requests=writer.examples(body.content, body.media_type) if body else [],
        snippets=[
            Code(one.name, one.title, colour(codes[one.name], one.lexer))
            for one in SNIPPETS
            if one.name in codes
        ],
        success=_answer(contract, writer, operation, 200),
        result=list(schemas.fields(success["content"][JSON_TYPE]["schema"])),
        refusals=[
            _answer(contract, writer, operation, status)
            for status in sorted(operation.responses)
            if status != 200
        ],
        nexts=_nexts(contract, writer, success),
    )


def is_deprecated(contract: Contract, operation: OperationContract) -> bool:
    """Whether its end is announced."""
    return "x-obsolescence" in contract.document["paths"][operation.path][operation.method]


def spoken_rate(rate: str, what: str = "appels") -> str:
    """A rate of the contract: `10/minute` is "10 appels par minute"."""
    count, _, span = rate.partition("/")
    return f"{thousands(int(count))} {what} {_SPANS[span]}" if span in _SPANS else rate


def spoken_limit(contract: Contract, operation: OperationContract) -> str:
    """How often an operation may be called, and by whom."""
    by = "par adresse" if operation.by_pair else "par partenaire"
    by = "par agent" if operation.by_person else by
    return f"{spoken_rate(contract.rate_classes[operation.rate_class])} et {by}"


def spoken_class(name: str) -> str:
    """A rate class as people read it."""
    return _CLASS_NAMES.get(name, name)


def _answer(
    contract: Contract, writer: Writer, operation: OperationContract, status: int
) -> Answer:
    response = operation.responses[status]
    schemas = SchemaReader(contract, writer)
    return Answer(
        status=status,
        description=writer.inline(response["description"]),
        headers=[
            schemas.header(name, contract.resolve(node))
            for name, node in response.get("headers", {}).items()
        ],
        examples=[
            example
            for media_type, content in response["content"].items()
            for example in writer.examples(content, media_type)
        ],
        entries=[
            entry
            for code, entry in contract.catalogue.items()
            if code in operation.codes and entry.statut == status
        ],
    )


def _nexts(contract: Contract, writer: Writer, success: Json) -> list[Next]:
    links = [contract.resolve(node) for node in success.get("links", {}).values()]
    return [Next(link["operationId"], writer.inline(link["description"])) for link in links]


def _access(operation: OperationContract, raw: Json) -> str:
    if operation.by_pair:
        return "Consumer-key et consumer-secret"
    if not operation.secured:
        return "Publique, sans authentification"
    named = {scheme for need in raw["security"] for scheme in need}
    if operation.by_person:
        machine = " ; celui d’une machine de la société" if "oauth2" in named else ""
        return typeset(f"Jeton d’une personne (Bearer){machine}")
    ways = ["Jeton (Bearer)"] if "oauth2" in named else []
    if "basic" in named:
        ways.append("HTTP Basic, avec la même paire, déconseillé" if ways else "HTTP Basic")
    said = " ; ".join(ways)
    return typeset(f"{said}, ou sans authentification" if {} in raw["security"] else said)


_RIGHTS = {
    "*:valider": "celui de valider ce type de demande",
    "*:saisir": "celui de saisir ce type de demande",
    "aucun": "aucun, être agent suffit",
}
"""What stands in place of a right, in words."""


def _right(operation: OperationContract) -> str:
    droit = operation.droit or ""
    return _RIGHTS.get(droit, droit)


def _roles(contract: Contract, operation: OperationContract) -> list[str]:
    roles = contract.document.get("x-roles", {})
    return [role for role, rights in roles.items() if operation.droit in rights]


def _rate(contract: Contract, operation: OperationContract) -> str:
    if operation.rate_class == "libre":
        return "Aucune"
    return f"{spoken_limit(contract, operation)} (classe {spoken_class(operation.rate_class)})"


def _end(raw: Json) -> End | None:
    declared = raw.get("x-obsolescence")
    if declared is None:
        return None
    return End(_day(declared["depuis"]), _day(declared["retrait"]), declared.get("remplacement"))


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"
