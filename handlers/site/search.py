"""What the pages' search looks in: a line per operation, code, concept, version and download.

It is a script that assigns a list, not JSON: a copy that is opened from a disk may load the one and not
fetch the other. The browser reads it when somebody begins to search.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator

from handlers.contract.model import Contract, Json
from handlers.site.prose import FOLDER, Places, Writer, anchor_of, typeset

FILE = "recherche.js"

Line = tuple[str, str, str, str]
"""What is found: its title, what kind it is, its address from the first page, and its words."""


def render(contract: Contract, sections: Iterable[tuple[str, str, str]]) -> bytes:
    """The script. `sections` are those of the pages that are no operation's: address, title, Markdown."""
    writer = Writer(contract, Places("", static=False))
    lines = [*_operations(contract, writer), *_codes(contract)]
    lines += [
        (typeset(title), "", address, writer.plain(text)) for address, title, text in sections
    ]
    text = json.dumps(lines, ensure_ascii=False, separators=(",", ":"))
    return f"window.cynodRecherche={text};\n".encode()


def cut(markdown: str) -> Iterator[tuple[str, str, str]]:
    """The sections of a text below their highest headings: anchor, title, text."""
    for section in re.split(r"^(?=## )", markdown, flags=re.MULTILINE):
        title, _, text = section.partition("\n")
        if title.startswith("## "):
            name = title.removeprefix("## ").strip()
            yield anchor_of(name), name, text


def _operations(contract: Contract, writer: Writer) -> Iterator[Line]:
    for one in contract.operations.values():
        raw = contract.document["paths"][one.path][one.method]
        names = [parameter["name"] for parameter in one.parameters]
        if one.body:
            names += _names(contract, one.body.schema)
        for content in one.responses[200]["content"].values():
            names += _names(contract, content["schema"])
        words = [one.operation_id, *dict.fromkeys(names), *sorted(one.scopes), *sorted(one.codes)]
        yield (
            typeset(one.summary),
            f"{one.method.upper()} {one.path}",
            f"{FOLDER}{one.operation_id}.html",
            f"{' '.join(words)} {writer.plain(raw['description'])}",
        )


def _names(contract: Contract, schema: Json, depth: int = 0) -> list[str]:
    schema = contract.resolve(schema)
    found = []
    for name, node in schema.get("properties", {}).items():
        one = contract.resolve(node)
        found.append(name)
        if depth < 3:  # A schema may hold itself.
            found += _names(contract, contract.resolve(one.get("items", one)), depth + 1)
    return found


def _codes(contract: Contract) -> Iterator[Line]:
    for code, entry in contract.catalogue.items():
        title = typeset(f"{code} {entry.message['fr']}")
        words = typeset(f"{entry.nom} HTTP {entry.statut} {entry.conseil['fr']}")
        yield title, "code d’erreur", f"{FOLDER}codes.html#code-{code}", words
