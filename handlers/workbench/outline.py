"""The contract as a maintainer looks things up: the order of the file, and an operation with all it needs."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from handlers.contract.lines import Lines, Place, dotted
from handlers.contract.model import Json
from handlers.contract.reading import read_with_lines
from handlers.contract.view import View, walk


class OutlineError(Exception):
    """There is no such operation. The text is one sentence."""


CATALOGUE = "x-catalogue-erreurs"


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a contract that an operation needs, and where it stands."""

    file: str
    place: Place
    line: int
    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class _Source:
    """A file of a contract: what it says, and where."""

    file: str
    document: Json
    lines: Lines
    numbered: list[str]


def show(path: Path, operation_id: str, form: str) -> str:
    """An operation and all that it refers to, each once. Raises ContractError or OutlineError."""
    parts = find_parts(path, operation_id)
    if form == "json":
        told = [
            {
                "file": part.file,
                "place": dotted(part.place),
                "line": part.line,
                "value": part.value,
            }
            for part in parts
        ]
        return json.dumps({"operation": operation_id, "parts": told}, ensure_ascii=False, indent=2)
    return "\n".join(f"# {part.file}:{part.line}\n{part.text}" for part in parts)


def find_parts(path: Path, operation_id: str) -> list[Part]:
    """The operation, what it refers to in the order of reading, then the catalogue's entries of its codes.

    What stands in another file of the contract is found there. Raises ContractError or OutlineError.
    """
    files = _Files(path)
    view = View(files.own.document)
    one = view.by_id.get(operation_id)
    if one is None:
        near = difflib.get_close_matches(operation_id, list(view.by_id), 1)
        hint = f"did you mean {near[0]}?" if near else "`cynod contract outline` lists them."
        raise OutlineError(f"{operation_id} is no operation; {hint}")
    places = [(files.own, one.place), *files.referred(files.own, one.raw)]
    listed = one.raw.get("x-codes-erreur", [])
    places += filter(None, (files.entry(files.own, code) for code in listed))
    return [_part(source, place) for source, place in places]


class _Files:
    """The file of a contract, and those beside it that it refers to, each read once."""

    def __init__(self, path: Path) -> None:
        self._folder = path.parent
        self._read: dict[str, _Source] = {}
        self.own = self._source(path.name)

    def _source(self, name: str) -> _Source:
        if name not in self._read:
            document, lines, source = read_with_lines(self._folder / name)
            self._read[name] = _Source(name, document, lines, source.decode().split("\n"))
        return self._read[name]

    def referred(self, source: _Source, root: Any) -> list[tuple[_Source, Place]]:
        """The components that a part refers to, and those that they refer to."""
        found: dict[tuple[str, Place], _Source] = {}
        waiting = [(source, root)]
        while waiting:
            standing, part = waiting.pop(0)
            for _, node in walk(part):
                reference = node.get("$ref") if isinstance(node, dict) else None
                name, _, pointer = str(reference or "").partition("#/")
                if not pointer.startswith("components/"):
                    continue
                place = tuple(pointer.split("/"))
                where = self._source(name or standing.file)
                target = _at(where.document, place)
                if (where.file, place) not in found and target is not None:
                    found[where.file, place] = where
                    waiting.append((where, target))
        return [(where, place) for (_, place), where in found.items()]

    def entry(self, source: _Source, code: str) -> tuple[_Source, Place] | None:
        """Where the catalogue's entry of a code stands, in this file or in the one that it refers to."""
        for number, entry in enumerate(source.document.get(CATALOGUE, [])):
            if entry.get("code") == code:
                return source, (CATALOGUE, number)
            name, _, pointer = str(entry.get("$ref", "")).partition("#/")
            if pointer == f"{CATALOGUE}/{code}":
                return self.entry(self._source(name), code)
        return None


def _at(document: Any, place: Place) -> Any:
    for part in place:
        try:
            document = document[part]
        except (LookupError, TypeError):
            return None
    return document


def _part(source: _Source, place: Place) -> Part:
    """The text as it is written, moved to the margin, under its whole name."""
    first = source.lines.line_of(place)
    last = end_line(source.lines.node_of(place))
    block = source.numbered[first - 1 : last]
    indent = len(block[0]) - len(block[0].lstrip())
    if isinstance(place[-1], int):
        rest = "\n  " + block[0].lstrip().removeprefix("- ")
    else:
        head = block[0][indent:]
        rest = head[len(_written(head, str(place[-1]))) + 1 :]
    body = [line[indent:] for line in block[1:]]
    text = "\n".join([f"{dotted(place)}:{rest}", *body])
    return Part(source.file, place, first, text, _at(source.document, place))


def _written(line: str, key: str) -> str:
    """The key as the line has it: bare, or in quotes."""
    return next(text for text in (f'"{key}"', f"'{key}'", key) if line.startswith(text))


def end_line(node: yaml.Node | None) -> int:
    """The last line, from 1, of what a node says."""
    if node is None:
        return 0
    if isinstance(node, yaml.CollectionNode) and node.value and not node.flow_style:
        inner = node.value[-1]
        return end_line(inner[1] if isinstance(inner, tuple) else inner)
    end = node.end_mark
    # A block of text ends where the next line begins.
    return int(end.line) + (1 if end.column or end.line == node.start_mark.line else 0)


# ── the order of the file ─────────────────────────────────────────────────────────────────────────


def outline(path: Path) -> str:
    """Sections, tags, operations and components, each with its line. Raises ContractError."""
    document, lines, _ = read_with_lines(path)
    rows = list(_rows(View(document), lines))
    width = len(str(max((line for line, _ in rows), default=0)))
    return "\n".join(f"{line or '':>{width}}  {text}".rstrip() for line, text in rows)


def _rows(view: View, lines: Lines) -> Iterator[tuple[int, str]]:
    for section in view.document:
        yield lines.line_of((section,)), section
        if section == "tags":
            for number, tag in enumerate(view.document["tags"]):
                yield lines.line_of(("tags", number)), f"  {tag['name']}"
        elif section == "paths":
            yield from _operation_rows(view, lines)
        elif section == "components":
            for kind in view.components:
                yield lines.line_of(("components", kind)), f"  {kind}"
                for place, name, _ in view.named(kind):
                    yield lines.line_of(place), f"    {name}"
        elif section == "x-catalogue-erreurs":
            for number, (code, entry) in enumerate(view.catalogue.items()):
                yield lines.line_of((section, number)), f"  {code} {entry.get('nom', '')}"


def _operation_rows(view: View, lines: Lines) -> Iterator[tuple[int, str]]:
    tag = ""
    methods = max((len(one.method) for one in view.operations), default=0)
    paths = max((len(one.path) for one in view.operations), default=0)
    for one in view.operations:
        (own, *_) = one.raw.get("tags") or [""]
        if own != tag:
            tag = own
            yield 0, f"  {tag}"
        told = f"    {one.method.upper():{methods}} {one.path:{paths}} {one.name}"
        yield lines.line_of(one.place), told
