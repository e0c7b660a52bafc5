"""What the machine knows of a contract, written into its YAML: `cynod contract build --fix`.

Codes that the server can always answer, the shared responses of their statuses, the headers of an
operation that ends, the order of keys and codes, the version and the messages that examples show. Lines
are edited where they stand: comments are kept, nothing else moves, and a second run finds nothing to do.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any

import yaml

from handlers.contract.check import partial_contract
from handlers.contract.derived import derive_operation
from handlers.contract.lines import Lines, Place, dotted, read_yaml
from handlers.contract.model import Contract, ContractError, Json
from handlers.contract.rules import DEPRECATION_HEADERS, inevitable_codes
from handlers.contract.style import OPERATION_KEYS, by_length
from handlers.contract.style_examples import other_messages, other_versions
from handlers.contract.surface import PARTENAIRE, Surface
from handlers.contract.view import Declared, View
from handlers.workbench.outline import end_line

MAX_EDITS = 1000
MAX_WIDTH = 120
"""Of a line that lists codes."""

HEADERS = {
    "Deprecation": (
        "Depuis quand l'opération est déconseillée (RFC 9745).",
        "@1796083200",
    ),
    "Sunset": (
        "Quand l'opération sera retirée (RFC 8594).",
        "Wed, 01 Dec 2027 00:00:00 GMT",
    ),
    "Link": (
        "Où lire la suite, et l'opération qui remplace celle-ci.",
        '</#getSoldeCarte>; rel="deprecation"; type="text/html"',
    ),
}
"""The headers of a deprecated operation: description and example."""


@dataclass(frozen=True, slots=True)
class Edit:
    """Lines from `first` (from 1) to before `end` are replaced by others; `said` tells what for."""

    first: int
    end: int
    lines: list[str]
    place: Place
    said: str


Join = Callable[[Json], Json]
"""What a document is with all that it refers to in other files. Raises ContractError."""


def repair(
    text: str,
    name: str = "openapi.yaml",
    *,
    surface: Surface = PARTENAIRE,
    join: Join = lambda document: document,
) -> tuple[str, list[str]]:
    """The text with what the machine knows, and a sentence for each edit. Raises yaml.YAMLError.

    Nothing is edited while it refers to what another file does not have.
    """
    told: list[str] = []
    for _ in range(MAX_EDITS):
        edit = _next_edit(text, surface, join)
        if edit is None:
            break
        lines = text.split("\n")
        lines[edit.first - 1 : edit.end - 1] = edit.lines
        text = "\n".join(lines)
        told.append(f"{name}:{edit.first}: {dotted(edit.place)}: {edit.said}")
    return text, told


def _next_edit(text: str, surface: Surface, join: Join) -> Edit | None:
    document, lines, problems = read_yaml(text.encode())
    if not isinstance(document, dict) or any("is given twice" in one.text for one in problems):
        return None
    try:
        view = View(join(document), surface)
    except ContractError:
        return None
    source = _Source(text.split("\n"), lines, view, partial_contract(view))
    for one in source.view.operations:
        # What is written in another shape than the rules want is left to its author.
        with contextlib.suppress(LookupError, TypeError, AttributeError, ValueError):
            for edit in source.edits_of(one):
                return edit
    for place, _, node in source.view.named("responses"):
        with contextlib.suppress(LookupError, TypeError, AttributeError, ValueError):
            for edit in source.code_edits((*place, "x-codes-erreur"), node, set()):
                return edit
    with contextlib.suppress(LookupError, TypeError, AttributeError, ValueError):
        for edit in source.example_edits():
            return edit
    return None


@dataclass(frozen=True, slots=True)
class _Source:
    text: list[str]
    lines: Lines
    view: View
    contract: Contract

    def edits_of(self, one: Declared) -> Iterator[Edit]:
        """What an operation lacks, the order last."""
        operation = derive_operation(self.contract, one.path, one.method, one.raw)
        known = inevitable_codes(operation) & self.contract.catalogue.keys()
        yield from self.code_edits((*one.place, "x-codes-erreur"), one.raw, known)
        yield from self._response_edits(one)
        if one.raw.get("deprecated") and "x-obsolescence" in one.raw:
            yield from self._header_edits(one)
        yield from self._order_edits(one.place, list(OPERATION_KEYS), "its keys are put in order.")
        statuses = sorted(one.raw["responses"])
        yield from self._order_edits(
            (*one.place, "responses"), statuses, "the responses are sorted by status."
        )

    def code_edits(self, place: Place, raw: Json, needed: set[str]) -> Iterator[Edit]:
        """Codes that are absent, twice, or in disorder."""
        codes, node = raw["x-codes-erreur"], self.lines.node_of(place)
        wanted = sorted({*codes, *needed}, key=by_length)
        if codes == wanted or node is None or not set(wanted) <= self.contract.catalogue.keys():
            return
        first, last = self.lines.line_of(place), end_line(node)
        if any("#" in line for line in self.text[first - 1 : last]):
            return  # a comment has its place beside a code that only its author knows
        absent = [code for code in wanted if code not in codes]
        said = f"{', '.join(absent)} added." if absent else "sorted, each code once."
        head = self.text[first - 1].partition("x-codes-erreur")[0]
        yield Edit(first, last + 1, _code_lines(head, wanted), place, said)

    def example_edits(self) -> Iterator[Edit]:
        """Versions and messages in examples, which stand elsewhere too."""
        messages = (other_messages(self.view, one) for one in self.view.operations)
        # Messages show versions: those come first.
        for place, old, new in chain(other_versions(self.view), *messages):
            number = self.lines.line_of(place)
            line = self.text[number - 1]
            if line.count(old) == 1:
                yield Edit(number, number + 1, [line.replace(old, new)], place, f"{new!r} written.")

    def _response_edits(self, one: Declared) -> Iterator[Edit]:
        by_status: dict[str, set[str]] = {}
        for code in one.raw["x-codes-erreur"]:
            status = str(self.contract.catalogue[code].statut)
            by_status.setdefault(status, set()).add(code)
        place = (*one.place, "responses")
        for status in sorted(by_status.keys() - one.raw["responses"].keys()):
            name = self._shared_response(one, by_status[status])
            if name is None:
                continue
            spans = self._spans(place)
            after = [span for key, span in spans if key < status]
            at = after[-1][1] if after else spans[0][1][0]
            indent = _indent(self.text[self.lines.line_of((*place, spans[0][0])) - 1])
            file = self._file_of("responses", name)
            line = f'{indent}"{status}": {{$ref: "{file}#/components/responses/{name}"}}'
            yield Edit(at, at, [line], (*place, status), f"{name} added.")

    def _file_of(self, kind: str, name: str) -> str:
        """The file to name before a component: none where it stands in this one."""
        return "" if self.lines.node_of(("components", kind, name)) is not None else PARTENAIRE.file

    def _shared_response(self, one: Declared, codes: set[str]) -> str | None:
        """The response that carries exactly these codes, of the envelope that the operation has."""
        envelopes = {
            self._envelope(self.view.resolve(node))
            for status, node in one.raw["responses"].items()
            if status != "200"
        }
        found = [
            (name, self._envelope(node))
            for _, name, node in self.view.named("responses")
            if set(node.get("x-codes-erreur", [])) == codes
        ]
        fitting = [name for name, envelope in found if not envelopes or envelope in envelopes]
        return fitting[0] if len(fitting) == 1 else None

    @staticmethod
    def _envelope(node: Json) -> str:
        return str(node["content"]["application/json"]["schema"]["$ref"])

    def _header_edits(self, one: Declared) -> Iterator[Edit]:
        place = (*one.place, "responses", "200")
        declared = one.raw["responses"]["200"].get("headers", {})
        for name in DEPRECATION_HEADERS:
            if name in declared:
                continue
            if name not in self.view.components["headers"]:
                yield self._new_header(name)
            spans = self._spans((*place, "headers"))
            at = spans[-1][1][1]
            indent = _indent(self.text[spans[0][1][0] - 1])
            line = f'{indent}{name}: {{$ref: "#/components/headers/{name}"}}'
            yield Edit(at, at, [line], (*place, "headers"), f"{name} added.")

    def _new_header(self, name: str) -> Edit:
        """The component that the headers of deprecated operations refer to."""
        place: Place = ("components", "headers")
        description, example = HEADERS[name]
        at = self._spans(place)[-1][1][1]
        lines = [
            f"    {name}:",
            f'      description: "{description}"',
            "      required: true",
            "      schema: {type: string, minLength: 1}",
            f"      example: {_quoted(example)}",
        ]
        return Edit(at, at, lines, place, f"{name} added.")

    def _order_edits(self, place: Place, order: list[str], said: str) -> Iterator[Edit]:
        spans = self._spans(place)
        ranks: list[tuple[int, int]] = []
        rank = -1
        for number, (key, _) in enumerate(spans):
            # What has no place of its own follows what it stands after.
            rank = order.index(key) if key in order else rank
            ranks.append((rank, number))
        if ranks == sorted(ranks):
            return
        chunks = [self.text[first - 1 : end - 1] for _, (first, end) in spans]
        moved = [line for _, number in sorted(ranks) for line in chunks[number]]
        yield Edit(spans[0][1][0], spans[-1][1][1], moved, place, said)

    def _spans(self, place: Place) -> list[tuple[str, tuple[int, int]]]:
        """The keys of a mapping, each with its lines: the comments above it are its own."""
        node = self.lines.node_of(place)
        if not isinstance(node, yaml.MappingNode) or node.flow_style or not node.value:
            raise ValueError(f"{dotted(place)} is not written one key a line")
        spans: list[tuple[str, tuple[int, int]]] = []
        begin: Any = None
        for key, value in node.value:
            first = key.start_mark.line + 1 if begin is None else begin
            begin = max(end_line(value), key.start_mark.line + 1) + 1
            spans.append((str(key.value), (first, begin)))
        return spans


def _code_lines(head: str, codes: list[str]) -> list[str]:
    """`x-codes-erreur: ["405", …]`, on lines of its own where it is long."""
    quoted = [f'"{code}"' for code in codes]
    line = f"{head}x-codes-erreur: [{', '.join(quoted)}]"
    if len(line) <= MAX_WIDTH:
        return [line]
    lines, row = [f"{head}x-codes-erreur:"], f"{head}  ["
    for number, code in enumerate(quoted):
        mark = "]" if number == len(quoted) - 1 else ","
        if len(row) + len(code) + 2 > MAX_WIDTH:
            lines.append(row.rstrip())
            row = f"{head}   "
        row += f"{code}{mark} "
    return [*lines, row.rstrip()]


def _indent(line: str) -> str:
    return line[: len(line) - len(line.lstrip())]


def _quoted(text: str) -> str:
    return f"'{text}'" if '"' in text else f'"{text}"'
