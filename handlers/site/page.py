"""The partner's pages: everything they say of the API is read from the contract and from the changelog.

Imported when the first of them is asked for: who serves payments should not keep a template engine, a
Markdown reader and a colourer of code that nobody uses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from handlers.contract.model import CatalogueEntry, Contract, OperationContract
from handlers.contract.scopes import declared_scopes
from handlers.contract.surface import PARTENAIRE
from handlers.site import search
from handlers.site.operation import (
    Code,
    is_deprecated,
    spoken_class,
    spoken_limit,
    spoken_rate,
    view,
)
from handlers.site.packages import Package
from handlers.site.prose import FOLDER, Example, Heading, Places, Writer, colour, typeset, with_gaps
from handlers.site.snippets import (
    EXAMPLE_ADDRESS,
    GENERATORS,
    SNIPPETS,
    first_call,
    preparations,
    snippets,
)

_TEMPLATES = Path(__file__).with_name("ui") / "pages"

_TITLES = {
    "concepts": "Concepts",
    "codes": "Codes d’erreur",
    "telechargements": "Téléchargements",
    "changements": "Journal des changements",
}

_OWN_CONCEPTS = (
    ("debits", "Limites d’appels"),
    ("droits", "Droits"),
    ("serveurs", "Serveurs"),
)


@dataclass(frozen=True, slots=True)
class Download:
    """A file beside the first page, and what it is."""

    name: str
    words: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation in the contents."""

    operation_id: str
    summary: str
    route: str
    deprecated: bool


@dataclass(frozen=True, slots=True)
class Group:
    """The operations of a tag."""

    name: str
    title: str
    description: str
    operations: list[Entry] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate class: its limit, and the operations that count in it."""

    name: str
    limit: str
    operations: list[str]


@dataclass(frozen=True, slots=True)
class Start:
    """The first request, in one language: what obtains a token, and what calls an operation with it."""

    language: str
    title: str
    preparation: Markup | None
    call: Markup | None


class Site:
    """The pages of a contract by their names. A static one declares its policy itself."""

    def __init__(
        self,
        contract: Contract,
        clients: Sequence[Package],
        changelog: str,
        downloads: Sequence[Download],
        static_policy: str | None,
    ) -> None:
        self._contract = contract
        self._clients = clients
        self._changelog = changelog
        self._downloads = downloads
        self._policy = static_policy
        self._environment = Environment(
            loader=FileSystemLoader(_TEMPLATES),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=StrictUndefined,
        )
        self._environment.filters |= {"francais": typeset, "lacunes": with_gaps}

    def render(self, path: str) -> bytes:
        """A page in HTML, UTF-8, or what the search looks in, by its path below the contract's prefix."""
        if path == "index.html":
            return self._page("accueil", "", self._first())
        name = path.removeprefix(FOLDER)
        if name == search.FILE:
            return search.render(self._contract, self._sections())
        name = name.removesuffix(".html")
        if name in self._contract.operations:
            return self._page("operation", name, self._of_operation(name))
        given = {
            "concepts": self._of_concepts,
            "codes": self._of_codes,
            "telechargements": self._of_downloads,
            "changements": self._of_changes,
        }[name]()
        return self._page(name, name, {"title": _TITLES[name], **given})

    def _page(self, template: str, name: str, values: dict[str, Any]) -> bytes:
        contract = self._contract
        common = {
            "info": contract.document["info"],
            "more": contract.document.get("externalDocs"),
            "prefix": contract.surface.prefix,
            "readers": " des partenaires" if contract.surface is PARTENAIRE else "",
            "version": contract.version,
            "served_version": contract.served_version,
            "groups": self._groups,
            "concepts": [*self._concepts[1], *self._concepts[2]],
            "has_changes": bool(self._changelog),
            "static_policy": self._policy,
            "name": name,
            "titles": _TITLES,
            "to": self._places(name),
            "write": self._writer(name),
            "catalogue": contract.catalogue,
            "places": contract.operations,
        }
        made = self._environment.get_template(f"{template}.html").render({**common, **values})
        return made.lstrip().encode()

    def _places(self, name: str) -> Places:
        return Places("../" if name else "", static=self._policy is not None)

    def _writer(self, name: str) -> Writer:
        return Writer(self._contract, self._places(name))

    # ── what each page is given ──────────────────────────────────────────────────────────────────

    def _first(self) -> dict[str, Any]:
        contract, writer = self._contract, self._writer("")
        called = first_call(contract)
        calls = snippets(contract, called) if called else {}
        prepared = preparations(contract)
        presentation = str(contract.document["info"].get("description", "")).partition("\n##")[0]
        lead, *rest = re.split(r"(?<=\.)\s+", presentation.strip(), maxsplit=1)
        return {
            "title": "Démarrer",
            "lead": writer.inline(lead),
            "rest": writer.prose("".join(rest), level=3)[0],
            "starts": [
                Start(
                    one.name,
                    one.title,
                    colour(prepared[one.name], one.lexer) if prepared else None,
                    colour(calls[one.name], one.lexer) if calls else None,
                )
                for one in SNIPPETS
                if prepared or calls
            ],
            "called": called,
            "prepare": "Présenter le jeton" if contract.surface.persons else "Obtenir un jeton",
            "answer": self._answer(writer, called) if called else None,
            "downloads": self._downloads,
            "example_address": EXAMPLE_ADDRESS,
        }

    def _answer(self, writer: Writer, called: OperationContract) -> Example | None:
        contents = called.responses[200]["content"].items()
        examples = [
            one for media_type, content in contents for one in writer.examples(content, media_type)
        ]
        return next(iter(examples), None)

    def _of_operation(self, name: str) -> dict[str, Any]:
        contract = self._contract
        one = view(contract, self._writer(name), contract.operations[name])
        order = [entry for group in self._groups for entry in group.operations]
        place = next(n for n, entry in enumerate(order) if entry.operation_id == name)
        return {
            "title": typeset(one.summary),
            "one": one,
            "before": order[place - 1] if place else None,
            "after": order[place + 1] if place + 1 < len(order) else None,
        }

    def _of_concepts(self) -> dict[str, Any]:
        contract = self._contract
        return {
            "description": self._concepts[0],
            "own": dict(zip(("rates", "scopes", "servers"), self._concepts[2], strict=True)),
            "scopes": declared_scopes(contract.document),
            "persons": contract.surface.persons,
            "rates": list(self._rates()),
            "servers": contract.document.get("servers", []),
        }

    def _of_codes(self) -> dict[str, Any]:
        return {"entries": list(self._codes())}

    def _of_downloads(self) -> dict[str, Any]:
        return {
            "generators": [
                Code(name, title, colour(command, "bash")) for name, title, command in GENERATORS
            ],
            "downloads": self._downloads,
            "clients": self._clients,
        }

    def _of_changes(self) -> dict[str, Any]:
        return {"changes": self._writer("changements").prose(self._changelog, level=2)[0]}

    # ── what several are given ───────────────────────────────────────────────────────────────────

    @cached_property
    def _concepts(self) -> tuple[Markup, list[Heading], list[Heading]]:
        """The contract's own text, its headings, and those of the page."""
        text = self._contract.document["info"].get("description", "")
        described, headings = self._writer("concepts").prose(text, level=2)
        taken = {one.anchor for one in headings} | {one.title for one in headings}
        # What the contract's own text has a heading for, the page has a table for.
        own = [
            Heading(
                f"{anchor}-tableau" if anchor in taken else anchor,
                f"{title} : le tableau" if title in taken else title,
            )
            for anchor, title in _OWN_CONCEPTS
        ]
        return described, headings, own

    @cached_property
    def _groups(self) -> list[Group]:
        contract, found = self._contract, []
        for tag in contract.document["tags"]:
            title = typeset(tag.get("x-displayName", tag["name"].capitalize()))
            group = Group(tag["name"], title, tag.get("description", ""))
            for name, one in contract.operations.items():
                if contract.document["paths"][one.path][one.method]["tags"][0] == tag["name"]:
                    route = f"{one.method.upper()} {one.path}"
                    ends = is_deprecated(contract, one)
                    group.operations.append(Entry(name, typeset(one.summary), route, ends))
            found.append(group)
        return found

    def _rates(self) -> Iterator[Rate]:
        contract = self._contract
        for name, rate in contract.rate_classes.items():
            counted = [one for one in contract.operations.values() if one.rate_class == name]
            if counted:
                names = [one.operation_id for one in counted]
                yield Rate(spoken_class(name), spoken_limit(contract, counted[0]), names)
            else:
                yield Rate(spoken_class(name), spoken_rate(rate, "échecs"), [])

    def _codes(self) -> Iterator[tuple[CatalogueEntry, list[str]]]:
        """Each code, with the operations that can answer it."""
        operations = self._contract.operations.values()
        for code, entry in self._contract.catalogue.items():
            yield entry, [one.operation_id for one in operations if code in one.codes]

    def _sections(self) -> Iterator[tuple[str, str, str]]:
        """What the search finds beside operations and codes: address, title and Markdown."""
        text = self._contract.document["info"].get("description", "")
        for anchor, title, section in search.cut(text):
            yield f"{FOLDER}concepts.html#{anchor}", title, section
        rights = declared_scopes(self._contract.document)
        said = " ".join(f"{name} {words}" for name, words in rights.items())
        yield f"{FOLDER}concepts.html#droits", "Droits", f"scopes {said}"
        classes = " ".join(f"{one.name} {one.limit}" for one in self._rates())
        yield f"{FOLDER}concepts.html#debits", "Limites d’appels", f"débit quota {classes}"
        files = " ".join(f"{one.name} {one.words}" for one in self._downloads)
        clients = " ".join(one.title for one in self._clients)
        yield f"{FOLDER}telechargements.html", _TITLES["telechargements"], f"{files} {clients}"
        for anchor, title, section in search.cut(self._changelog):
            yield f"{FOLDER}changements.html#{anchor}", f"Version {title}", section
