"""What is wrong with a contract, each with its place and its line: `openapi.yaml:12: paths./x.get: …`.

Lines come from the YAML as it was composed: only a contract that is checked is read this way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import yaml

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

MAX_CHAIN = 8
"""References that are followed one after the other."""

Place = tuple[Any, ...]
"""Keys and indices, from the root."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, and what to write."""

    place: Place
    text: str
    joint: str = ": "
    """What stands between the place and the text: a space where the text goes on from it."""
    inside: Place = ()
    """Where in the place, for the line alone."""
    line: int | None = None


def dotted(place: Place) -> str:
    """`paths./get-solde-carte.get`, `x-catalogue-erreurs[3]`."""
    text = ""
    for part in place:
        text += f"[{part}]" if isinstance(part, int) else f"{'.' if text else ''}{part}"
    return text


class Lines:
    """Where the parts of a composed document stand."""

    def __init__(self, root: yaml.Node | None) -> None:
        self._root = root

    def line_of(self, place: Place) -> int:
        """The line of the place, or of the nearest part around it; 0 when nothing was composed."""
        line = 0 if self._root is None else 1
        for mark, _ in self._down(place):
            line = mark.start_mark.line + 1
        return line

    def node_of(self, place: Place) -> yaml.Node | None:
        """The node at the place, if there is one."""
        found = list(self._down(place))
        if len(found) < len(place):
            return None
        return found[-1][1] if found else self._root

    def _referred(self, node: yaml.Node | None) -> yaml.Node | None:
        """The node, or the one that it refers to."""
        for _ in range(MAX_CHAIN):
            pointer = _reference(node)
            if not pointer.startswith("#/"):
                break
            target: yaml.Node | None = self._root
            for part in pointer.removeprefix("#/").split("/"):
                target = (_inner(target, part) or (None, None))[1]
            if target is None:
                break
            node = target
        return node

    def _down(self, place: Place) -> Iterator[tuple[yaml.Node, yaml.Node]]:
        """What marks each part of the place, its key or its item, and its value."""
        node = self._root
        for part in place:
            inner = _inner(node, part) or _inner(self._referred(node), part)
            if inner is None:
                return
            yield inner
            node = inner[1]


def _reference(node: yaml.Node | None) -> str:
    found = _inner(node, "$ref") if isinstance(node, yaml.MappingNode) else None
    return found[1].value if found and isinstance(found[1], yaml.ScalarNode) else ""


def _inner(node: yaml.Node | None, part: Any) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        # Of a key that is given twice, the last is the one that is read.
        for key, value in reversed(node.value):
            if key.value == str(part):
                return key, value
    elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
        return node.value[part], node.value[part]
    return None


def tell(problems: Iterable[Problem], name: str, lines: Lines) -> str:
    """All of them, one a line, in the order of the file."""
    told: dict[str, int] = {}
    for problem in problems:
        line = problem.line or lines.line_of((*problem.place, *problem.inside))
        mark = f"{name}:{line}" if line else name
        place = f": {dotted(problem.place)}" if problem.place else ""
        told.setdefault(f"{mark}{place}{problem.joint}{problem.text}", line)
    return "\n".join(sorted(told, key=lambda text: told[text]))


# ── what YAML itself lets through ─────────────────────────────────────────────────────────────────

_CORE = (
    ("null", re.compile(r"~|null|Null|NULL|")),
    ("bool", re.compile(r"true|True|TRUE|false|False|FALSE")),
    ("int", re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")),
    (
        "float",
        re.compile(
            r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
            r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
        ),
    ),
)
"""What is no text in YAML 1.2's core schema, which newer tools read; the loader reads YAML 1.1."""

_AMBIGUOUS = re.compile(
    r"y|Y|yes|Yes|YES|n|N|no|No|NO|on|On|ON|off|Off|OFF"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}.*|[0-9]+(:[0-9]+)+|[-+]?0[0-9]+|0o[0-7]+|[0-9]+_[0-9_]*"
)

_TAG = "tag:yaml.org,2002:"


def read_yaml(source: bytes) -> tuple[Any, Lines, list[Problem]]:
    """What the YAML says, its lines, and what its reader lets through. Raises yaml.YAMLError."""
    loader = LOADER(source)
    try:
        root = loader.get_single_node()
        if root is None:
            return None, Lines(None), []
        problems = list(_node_problems((), root, ()))
        # A text that holds itself has no end for whoever reads it.
        endless = any(problem.text.startswith("holds itself") for problem in problems)
        return None if endless else loader.construct_document(root), Lines(root), problems
    finally:
        loader.dispose()


def _node_problems(place: Place, node: yaml.Node, above: tuple[int, ...]) -> Iterator[Problem]:
    if id(node) in above:
        yield Problem(place, "holds itself, by an alias; write it out.", " ", line=_line(node))
    elif isinstance(node, yaml.MappingNode):
        yield from _mapping_problems(place, node, (*above, id(node)))
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            yield from _node_problems((*place, number), item, (*above, id(node)))
    else:
        assert isinstance(node, yaml.ScalarNode)
        yield from _scalar_problems(place, node)


def _mapping_problems(
    place: Place, node: yaml.MappingNode, above: tuple[int, ...]
) -> Iterator[Problem]:
    first: dict[tuple[str, str], yaml.Node] = {}
    for key, value in node.value:
        inner = (*place, key.value if isinstance(key, yaml.ScalarNode) else "?")
        yield from _node_problems(inner, key, above)
        yield from _node_problems(inner, value, above)
        if isinstance(key, yaml.ScalarNode):
            before = first.setdefault((key.tag, key.value), key)
            if before is not key:
                twice = f"is given twice, at lines {_line(before)} and {_line(key)}; keep one."
                yield Problem(inner, twice, " ", line=_line(key))


def _scalar_problems(place: Place, node: yaml.ScalarNode) -> Iterator[Problem]:
    """A plain word that readers of YAML 1.1 and 1.2 understand in two ways."""
    if node.style not in (None, ""):
        return
    older = node.tag.removeprefix(_TAG)
    newer, ambiguous = _read_by_others(node.value)
    if older == "merge":
        yield Problem(place, "YAML 1.2 has no merge key; write the keys out.", line=_line(node))
    elif older != newer:
        reason = f"it is {older} in YAML 1.1 and {newer} in YAML 1.2"
        yield Problem(place, f"quote {node.value!r}: {reason}.", line=_line(node))
    elif ambiguous:
        yield Problem(
            place, f"quote {node.value!r}: not all tools read it alike.", line=_line(node)
        )


# A contract says few plain words, each of them often.
@lru_cache(maxsize=16_384)
def _read_by_others(word: str) -> tuple[str, bool]:
    """What a plain word is in YAML 1.2, and whether tools differ about it."""
    newer = next((kind for kind, words in _CORE if words.fullmatch(word)), "str")
    return newer, _AMBIGUOUS.fullmatch(word) is not None


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1
