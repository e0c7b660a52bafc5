"""The partner's page: everything it says of the API is read from the contract and from the changelog.

Imported when the page is first asked for: who serves payments should not keep a template engine, a
Markdown reader and a colourer of code that nobody uses.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markupsafe import Markup, escape
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Literal, Name, String
from pygments.token import _TokenType as TokenType

from handlers.contract.model import (
    JSON_TYPE,
    CatalogueEntry,
    Contract,
    Json,
    OperationContract,
)
from handlers.contract.scopes import declared_scopes
from handlers.contract.surface import PARTENAIRE
from handlers.site.packages import Package
from handlers.site.snippets import (
    EXAMPLE_ADDRESS,
    GENERATORS,
    SNIPPETS,
    as_json,
    example_value,
    preparations,
    snippets,
)

_UI = Path(__file__).with_name("ui")

# A schema may hold itself.
_DEEPEST = 5

_TYPES = {
    "string": "texte",
    "integer": "entier",
    "number": "nombre",
    "boolean": "booléen",
    "array": "liste",
    "object": "objet",
}
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


# ── what the template is given ───────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Heading:
    """An entry of the table of contents."""

    anchor: str
    title: str


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or of an answer, named by its path (`data[].montant`)."""

    name: str
    kind: str
    constraints: list[Markup]
    required: bool
    description: Markup
    example: str | None


@dataclass(frozen=True, slots=True)
class Example:
    """An example of the contract, its code coloured."""

    title: str
    media_type: str
    code: Markup


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


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of a tag."""

    name: str
    title: str
    description: Markup
    operations: list[OperationView] = field(default_factory=list)


def render(
    contract: Contract,
    clients: list[Package],
    changelog: str,
    *,
    static_policy: str | None = None,
) -> bytes:
    """The page in HTML, UTF-8. `static_policy` is the policy of a copy that no server of ours serves."""
    environment = Environment(
        loader=FileSystemLoader(_UI),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {"lacunes": _with_gaps, "francais": _unbroken}
    writer = Writer(contract)
    described, headings = writer.prose(contract.document["info"].get("description", ""), level=2)
    changes, _ = writer.prose(_without_title(changelog), level=3)
    return (
        environment.get_template("page.html")
        .render(
            info=contract.document["info"],
            prefix=contract.surface.prefix,
            readers=" des partenaires" if contract.surface is PARTENAIRE else "",
            version=contract.version,
            served_version=contract.served_version,
            description=described,
            headings=headings,
            languages=SNIPPETS,
            preparations=[
                Code(one.name, one.title, colour(code, one.lexer))
                for one, code in zip(SNIPPETS, preparations(contract).values(), strict=False)
            ],
            groups=list(_groups(contract, writer)),
            catalogue=_catalogue(contract),
            scopes=declared_scopes(contract.document),
            places=contract.operations,
            generators=[
                Code(name, title, colour(command, "bash")) for name, title, command in GENERATORS
            ],
            openapi=contract.document["openapi"],
            example_address=EXAMPLE_ADDRESS,
            clients=clients,
            changes=changes,
            static_policy=static_policy,
        )
        .lstrip()
        .encode()
    )


def _groups(contract: Contract, writer: Writer) -> Iterator[Group]:
    raw_by_id = {
        raw["operationId"]: raw
        for item in contract.document["paths"].values()
        for raw in item.values()
        if isinstance(raw, dict) and "operationId" in raw
    }
    for tag in contract.document["tags"]:
        title = tag.get("x-displayName", tag["name"].capitalize())
        group = Group(tag["name"], title, writer.inline(tag.get("description", "")))
        for operation_id, operation in contract.operations.items():
            raw = raw_by_id[operation_id]
            if raw["tags"][0] == tag["name"]:
                group.operations.append(_view(contract, writer, operation, raw))
        yield group


def _view(
    contract: Contract, writer: Writer, operation: OperationContract, raw: Json
) -> OperationView:
    schemas = SchemaReader(contract, writer)
    body, success = operation.body, operation.responses[200]
    described, _ = writer.prose(raw["description"], level=4)
    scopes = declared_scopes(contract.document)
    codes = snippets(contract, operation)
    return OperationView(
        operation_id=operation.operation_id,
        method=operation.method.upper(),
        path=operation.path,
        summary=operation.summary,
        description=described,
        access=_access(operation),
        scopes=[(scope, scopes[scope]) for scope in scopes if scope in operation.scopes],
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
            Code(one.name, one.title, colour(codes[one.name], one.lexer)) for one in SNIPPETS
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


def _answer(
    contract: Contract, writer: Writer, operation: OperationContract, status: int
) -> Answer:
    response = operation.responses[status]
    schemas = SchemaReader(contract, writer)
    return Answer(
        status=status,
        description=writer.inline(response["description"], linked=False),
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


def _access(operation: OperationContract) -> str:
    if operation.issues_tokens:
        return "Consumer-key et consumer-secret"
    if not operation.secured:
        return "Publique, sans authentification"
    return "Jeton (Bearer)"


def _rate(contract: Contract, operation: OperationContract) -> str:
    if operation.rate_class == "libre":
        return "Sans limite de débit"
    rate = contract.rate_classes[operation.rate_class]
    count, _, span = rate.partition("/")
    spoken = f"{_thousands(int(count))} appels {_SPANS[span]}" if span in _SPANS else rate
    by = "par adresse" if operation.issues_tokens else "par partenaire"
    return f"{spoken} et {by} (classe {operation.rate_class})"


def _end(raw: Json) -> End | None:
    declared = raw.get("x-obsolescence")
    if declared is None:
        return None
    return End(_day(declared["depuis"]), _day(declared["retrait"]), declared.get("remplacement"))


def _day(text: str) -> str:
    day = date.fromisoformat(text)
    return f"{'1er' if day.day == 1 else day.day} {_MONTHS[day.month - 1]} {day.year}"


def _catalogue(contract: Contract) -> list[tuple[CatalogueEntry, list[str]]]:
    """Each code, with the operations that can answer it."""
    return [
        (entry, [one.operation_id for one in contract.operations.values() if code in one.codes])
        for code, entry in contract.catalogue.items()
    ]


def _with_gaps(text: str) -> Markup:
    """A text of the catalogue, whose `{gaps}` are filled when it is sent."""
    return Markup(re.sub(r"\{(\w+)\}", r"<var>\1</var>", str(escape(text))))  # noqa: S704 - escaped


def _unbroken(text: str) -> str:
    """The text, of which no line begins with a mark that French separates by a space."""
    return re.sub(r" (?=[;:!?»])|(?<=«) ", "\u00a0", text)


def _without_title(markdown: str) -> str:
    return re.sub(r"\A# .*\n", "", markdown)


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")


# ── schemas ──────────────────────────────────────────────────────────────────────────────────────


class SchemaReader:
    """Says what a schema asks, in French, a line per field."""

    def __init__(self, contract: Contract, writer: Writer) -> None:
        self._contract = contract
        self._writer = writer

    def parameter(self, parameter: Json) -> Field:
        """A parameter of an operation."""
        schema = self._contract.resolve(parameter["schema"])
        return Field(
            parameter["name"],
            _kind(schema) + (", dans le chemin" if parameter.get("in") == "path" else ""),
            _constraints(schema),
            bool(parameter.get("required")),
            self._writer.inline(str(parameter.get("description", schema.get("description", "")))),
            _short(example_value(self._contract, parameter)),
        )

    def header(self, name: str, header: Json) -> Field:
        """A header of an answer."""
        return self.parameter({**header, "name": name})

    def fields(self, schema: Json, prefix: str = "") -> Iterator[Field]:
        """The fields of an object and of what it holds, in the order of the contract."""
        schema = self._contract.resolve(schema)
        required = schema.get("required", [])
        for name, node in schema.get("properties", {}).items():
            one = self._contract.resolve(node)
            items = self._contract.resolve(one.get("items", {}))
            yield Field(
                prefix + name,
                _kind(one, items),
                _constraints(one),
                name in required,
                self._writer.inline(one.get("description", "")),
                _short(one.get("example")),
            )
            inner, mark = (items, "[].") if one.get("type") == "array" else (one, ".")
            if prefix.count(".") < _DEEPEST:
                yield from self.fields(inner, f"{prefix}{name}{mark}")


def _kind(schema: Json, items: Json | None = None) -> str:
    kind = _TYPES.get(schema.get("type", ""), "valeur")
    if items:
        kind += f" d’{_plural(items)}" if items.get("type") == "object" else f" de {_plural(items)}"
    return kind + (" ou nul" if schema.get("nullable") else "")


def _plural(schema: Json) -> str:
    kind = _TYPES.get(schema.get("type", ""), "valeur")
    return kind if kind.endswith("s") else f"{kind}s"


def _constraints(schema: Json) -> list[Markup]:
    found = []
    if "enum" in schema:
        values = [value for value in schema["enum"] if value is not None]
        found.append(Markup(", ").join(_code(_short(value)) for value in values))
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None and low == high:
        found.append(escape(f"toujours {_thousands(low)}"))
    elif low is not None and high is not None:
        found.append(escape(f"de {_thousands(low)} à {_thousands(high)}"))
    elif low is not None:
        found.append(escape(f"au moins {_thousands(low)}"))
    if "maxLength" in schema:
        found.append(escape(f"au plus {schema['maxLength']} caractères"))
    if "maxItems" in schema and schema["maxItems"] != schema.get("minItems"):
        found.append(escape(f"au plus {_thousands(schema['maxItems'])} éléments"))
    if "default" in schema:
        found.append(Markup("par défaut ") + _code(_short(schema["default"])))
    if "pattern" in schema:
        found.append(_code(schema["pattern"]))
    return found


def _code(text: str | None) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _short(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else as_json(value)


# ── prose and code ───────────────────────────────────────────────────────────────────────────────


class Writer:
    """The contract's CommonMark in HTML. HTML in it is text; the name of an operation leads to it."""

    def __init__(self, contract: Contract) -> None:
        self._contract = contract
        self._markdown = MarkdownIt("commonmark", {"html": False}).enable("table")
        self._places = {name: name for name in contract.operations}
        for one in contract.operations.values():
            self._places.setdefault(one.path, one.operation_id)
            self._places.setdefault(f"{one.method.upper()} {one.path}", one.operation_id)

    def prose(self, markdown: str, *, level: int) -> tuple[Markup, list[Heading]]:
        """The HTML, whose highest heading is `h{level}`, and the anchors of those of that level."""
        tokens = self._markdown.parse(markdown)
        found = [int(token.tag[1]) for token in tokens if token.type == "heading_open"]
        shift = level - min(found, default=level)
        headings = []
        for number, token in enumerate(tokens):
            if token.type in ("heading_open", "heading_close"):
                token.tag = f"h{min(int(token.tag[1]) + shift, 6)}"
            if token.type == "heading_open":
                heading = Heading(_anchor(tokens[number + 1].content), tokens[number + 1].content)
                token.attrSet("id", heading.anchor)
                if token.tag == f"h{level}":
                    headings.append(heading)
        return self._html(tokens), headings

    def inline(self, markdown: str, *, linked: bool = True) -> Markup:
        """The HTML of one paragraph, without its element; without links where it is to be clicked itself."""
        return self._html(self._markdown.parseInline(markdown), linked=linked)

    def examples(self, content: Json, media_type: str) -> list[Example]:
        """The examples of a media type object."""
        found = []
        for name, node in content.get("examples", {}).items():
            example = self._contract.resolve(node)
            value = example["value"]
            is_json = media_type == JSON_TYPE
            text = as_json(value) if is_json or not isinstance(value, str) else value
            code = escape(text) if text is value else colour(text, "json")
            found.append(Example(example.get("summary", name), media_type, code))
        return found

    def _html(self, tokens: list[Token], *, linked: bool = True) -> Markup:
        for token in tokens:
            if token.children and linked:
                token.children = [made for one in token.children for made in self._linked(one)]
        # The renderer escapes all text, since `html` is off.
        return Markup(self._markdown.renderer.render(tokens, self._markdown.options, {}))  # noqa: S704

    def _linked(self, token: Token) -> list[Token]:
        if token.type == "text":
            token.content = _unbroken(token.content)
        place = self._places.get(token.content) if token.type == "code_inline" else None
        if place is None:
            return [token]
        opened = Token("link_open", "a", 1, attrs={"href": f"#{place}"})
        return [opened, token, Token("link_close", "a", -1)]


def _anchor(title: str) -> str:
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-")


_CLASSES: tuple[tuple[TokenType, str], ...] = (
    (Comment, "c"),
    (Name.Tag, "n"),
    (Keyword, "k"),
    (String, "s"),
    (Literal.Number, "m"),
    (Name.Variable, "v"),
    (Name.Function, "f"),
)


@cache
def colour(text: str, lexer_name: str) -> Markup:
    """The text with its comments, names, strings … in spans; spaces and marks stay bare, to stay small."""
    options = {"startinline": True} if lexer_name == "php" else {}
    pieces: list[tuple[str, str]] = []
    for kind, value in get_lexer_by_name(lexer_name, **options).get_tokens(text):
        css = next((css for wide, css in _CLASSES if kind in wide), "")
        if pieces and pieces[-1][0] == css:
            pieces[-1] = (css, pieces[-1][1] + value)
        else:
            pieces.append((css, value))
    made = Markup("").join(
        Markup('<span class="{}">{}</span>').format(css, value) if css else escape(value)
        for css, value in pieces
    )
    address = Markup('<span class="adresse">{}</span>').format(EXAMPLE_ADDRESS)
    return made.rstrip().replace(EXAMPLE_ADDRESS, address)
