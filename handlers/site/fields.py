"""What a schema asks, in French: a line per parameter and per field."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

from handlers.contract.model import Contract, Json
from handlers.site.patterns import in_words
from handlers.site.prose import Writer, typeset
from handlers.site.snippets import as_json, example_value

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


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body or of an answer, named by its path (`data[].montant`)."""

    name: str
    kind: str
    constraints: list[Markup]
    required: bool
    description: Markup
    example: str | None


class SchemaReader:
    """Says what a schema asks, a line per field."""

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


def thousands(number: int) -> str:
    """The number as French writes it."""
    return f"{number:,}".replace(",", "\u202f")


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
        found.append(escape(f"toujours {thousands(low)}"))
    elif low is not None and high is not None:
        found.append(escape(f"de {thousands(low)} à {thousands(high)}"))
    elif low is not None:
        found.append(escape(f"au moins {thousands(low)}"))
    if "maxLength" in schema:
        found.append(escape(f"au plus {schema['maxLength']} caractères"))
    if "maxItems" in schema and schema["maxItems"] != schema.get("minItems"):
        found.append(escape(f"au plus {thousands(schema['maxItems'])} éléments"))
    if "default" in schema:
        found.append(Markup("par défaut ") + _code(_short(schema["default"])))
    if "pattern" in schema:
        said = in_words(schema["pattern"])
        # A form that has no words here is told as it is checked.
        found.append(escape(typeset(said)) if said else _code(schema["pattern"]))
    return found


def _code(text: str | None) -> Markup:
    return Markup("<code>{}</code>").format(text)


def _short(value: Any) -> str | None:
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else as_json(value)
