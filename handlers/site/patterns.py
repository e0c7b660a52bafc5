"""A regular expression of the contract in French: `^[0-9]{12,19}$` is "12 à 19 chiffres".

It reads the few forms that a contract uses: classes, literals, groups, alternatives and counts. What it
does not read it does not describe, and the page then shows the expression as it stands.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

DATES = {
    "99/99/9999": "jj/MM/aaaa",
    "99-99-9999": "jj-MM-aaaa",
    "99-99-9999 99:99:99": "jj-MM-aaaa HH:mm:ss",
    "9999-99-99": "aaaa-MM-jj",
    "9999-99-99T99:99:99": "aaaa-MM-jjTHH:mm:ss",
    "9999-99-99T99:99:99Z": "aaaa-MM-jjTHH:mm:ssZ",
}
"""What people call a text whose digits are 9."""

_DIGITS = frozenset(string.digits)
_UPPER, _LOWER = frozenset(string.ascii_uppercase), frozenset(string.ascii_lowercase)
_PRINTABLE = frozenset(map(chr, range(0x20, 0x7F)))
_CONTROLS = frozenset(map(chr, range(0x20)))
_HEXADECIMAL = frozenset("0123456789abcdef")

_QUANTIFIER = re.compile(r"\{(\d+)(?:(,)(\d*))?\}|([?*+])")
_COUNTS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@dataclass(frozen=True, slots=True)
class _Part:
    """A set of characters, or alternatives, and how many times: `most` is None without a limit."""

    characters: frozenset[str] | None
    negated: bool
    alternatives: tuple[tuple[_Part, ...], ...]
    least: int = 1
    most: int | None = 1

    @property
    def literal(self) -> str | None:
        """The one character that it is, if it is one."""
        if self.characters is None or self.negated or len(self.characters) != 1:
            return None
        return next(iter(self.characters))


class _UnreadError(Exception):
    """The expression has a form that is not read here."""


def in_words(pattern: str) -> str | None:
    """The words, or None where the expression is not one of those that are read here."""
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return None
    try:
        reader = _Reader(pattern[1:-1])
        alternatives = reader.alternatives()
        reader.expect_end()
        # `^a|b$` begins with a, or ends with b: neither is anchored at both ends.
        return _sequence(alternatives[0]) if len(alternatives) == 1 else None
    except (_UnreadError, IndexError):
        return None


# ── reading ──────────────────────────────────────────────────────────────────────────────────────


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def alternatives(self) -> tuple[tuple[_Part, ...], ...]:
        found: list[tuple[_Part, ...]] = [tuple(self._parts())]
        while self._take("|"):
            found.append(tuple(self._parts()))
        return tuple(found)

    def expect_end(self) -> None:
        if self._at != len(self._text):
            raise _UnreadError

    def _parts(self) -> Iterator[_Part]:
        while self._at < len(self._text) and self._text[self._at] not in "|)":
            part = self._atom()
            least, most = self._count()
            yield _Part(part.characters, part.negated, part.alternatives, least, most)

    def _atom(self) -> _Part:
        if self._take("("):
            if self._take("?") and not self._take(":"):
                raise _UnreadError
            inner = self.alternatives()
            if not self._take(")"):
                raise _UnreadError
            return _Part(None, False, inner)
        if self._take("["):
            return self._set()
        if self._text[self._at] in ".^$":
            raise _UnreadError
        return _Part(self._escaped(), False, ())

    def _set(self) -> _Part:
        negated, found = self._take("^"), set[str]()
        while not self._take("]"):
            first = self._escaped()
            if self._text[self._at] == "-" and self._text[self._at + 1] != "]":
                self._at += 1
                (low,), (high,) = first, self._escaped()
                found |= set(map(chr, range(ord(low), ord(high) + 1)))
            else:
                found |= first
        return _Part(frozenset(found), negated, ())

    def _escaped(self) -> frozenset[str]:
        """The characters that the next one stands for, behind a backslash or not."""
        if not self._take("\\"):
            return frozenset(self._next())
        kind = self._next()
        if kind == "d":
            return _DIGITS
        if kind in "ux":
            width = 4 if kind == "u" else 2
            digits = self._text[self._at : self._at + width]
            self._at += width
            return frozenset(chr(int(digits, 16)))
        if kind.isalnum():
            raise _UnreadError
        return frozenset(kind)

    def _count(self) -> tuple[int, int | None]:
        found = _QUANTIFIER.match(self._text, self._at)
        if not found:
            return 1, 1
        self._at = found.end()
        least, comma, most, mark = found.groups()
        if mark:
            return _COUNTS[mark]
        if not comma:
            return int(least), int(least)
        return int(least), int(most) if most else None

    def _next(self) -> str:
        self._at += 1
        return self._text[self._at - 1]

    def _take(self, wanted: str) -> bool:
        if not self._text.startswith(wanted, self._at):
            return False
        self._at += len(wanted)
        return True


# ── saying ───────────────────────────────────────────────────────────────────────────────────────


def _sequence(parts: tuple[_Part, ...]) -> str:
    optional = _optional(parts)
    if optional:
        return optional
    literals = [part.literal for part in parts if (part.least, part.most) == (1, 1)]
    if len(literals) == len(parts) and None not in literals:
        return f"toujours « {''.join(map(str, literals))} »"
    shape = _shape(parts)
    if shape in DATES:
        return DATES[shape]
    if shape and set(shape) == {"9"}:
        return _counted(len(shape), len(shape), _DIGITS)
    return _two(parts) or ", ".join(_each(parts))


def _each(parts: tuple[_Part, ...]) -> Iterator[str]:
    """Part by part; literals that follow each other are one."""
    for is_literal, group in groupby(
        parts, lambda one: bool(one.literal) and one.most == 1 == one.least
    ):
        if is_literal:
            yield f"« {''.join(str(one.literal) for one in group)} »"
        else:
            yield from map(_part, group)


def _optional(parts: tuple[_Part, ...]) -> str | None:
    """What may be absent, as a whole."""
    if len(parts) != 1 or parts[0].characters is not None or parts[0].least != 0:
        return None
    inner = " ou ".join(map(_sequence, parts[0].alternatives))
    return f"{inner}, ou chaîne vide"


def _shape(parts: tuple[_Part, ...]) -> str | None:
    """The text with a 9 for each digit, where its length is always the same."""
    found = ""
    for part in parts:
        if part.least != part.most:
            return None
        if part.characters is None:
            shapes = {_shape(one) for one in part.alternatives}
            one = shapes.pop() if len(shapes) == 1 else None
        elif part.negated:
            one = None
        else:
            one = part.literal or ("9" if part.characters <= _DIGITS else None)
            one = "9" if one and one in _DIGITS else one
        if one is None:
            return None
        found += one * part.least
    return found


def _two(parts: tuple[_Part, ...]) -> str | None:
    """A text whose first character is a matter of its own: a sign that may be left out, or fewer kinds."""
    if len(parts) != 2 or parts[0].characters is None or parts[1].characters is None:
        return None
    first, rest = parts
    assert first.characters is not None
    assert rest.characters is not None
    if (first.least, first.most) == (0, 1) and first.literal:
        return f"{_part(rest)}, avec ou sans « {first.literal} » en tête"
    wholly = first.characters < rest.characters and not (first.negated or rest.negated)
    if (first.least, first.most) != (1, 1) or not wholly:
        return None
    most = None if rest.most is None else rest.most + 1
    whole = _counted(rest.least + 1, most, rest.characters)
    return f"{whole}, en tête {_one_of(first.characters)}"


def _part(part: _Part) -> str:
    if part.characters is None:
        said = " ou ".join(map(_sequence, part.alternatives))
        return said if (part.least, part.most) == (1, 1) else _refuse()
    if part.negated:
        if part.characters >= _CONTROLS and (part.least, part.most) == (0, None):
            return "sans caractère de contrôle"
        s = "s" if _is_many(part.most) else ""
        return f"{_count(part.least, part.most)} caractère{s} sauf {_listed(part.characters)}"
    return _counted(part.least, part.most, part.characters)


def _refuse() -> str:
    raise _UnreadError


def _count(least: int, most: int | None) -> str:
    if most is None:
        few = ("zéro, un ou plusieurs", "un ou plusieurs")
        return few[least] if least < len(few) else f"au moins {least}"
    if least == most:
        return str(least)
    return f"{least} à {most}" if least else f"au plus {most}"


def _counted(least: int, most: int | None, characters: frozenset[str]) -> str:
    return f"{_count(least, most)} {_kind(characters, many=_is_many(most))}"


def _is_many(most: int | None) -> bool:
    return most is None or most > 1


def _kind(characters: frozenset[str], *, many: bool) -> str:
    s = "s" if many else ""
    if characters == _DIGITS:
        return f"chiffre{s}"
    if characters == _HEXADECIMAL:
        return f"chiffre{s} hexadécima{'ux' if many else 'l'}"
    if characters == _PRINTABLE:
        return f"caractère{s} ASCII imprimable{s}"
    return f"caractère{s} ({_listed(characters)})"


def _one_of(characters: frozenset[str]) -> str:
    if characters == _DIGITS | _UPPER | _LOWER:
        return "une lettre ou un chiffre"
    if characters == _UPPER | _LOWER:
        return "une lettre"
    if characters == _DIGITS:
        return "un chiffre"
    return f"l'un de : {_listed(characters)}"


def _listed(characters: frozenset[str]) -> str:
    if not characters <= _PRINTABLE:
        return _refuse()
    found = _some(characters & _DIGITS, _DIGITS, "chiffres")
    if characters >= _UPPER | _LOWER:
        found.append("lettres sans accent")
    else:
        found += _some(characters & _UPPER, _UPPER, "lettres majuscules")
        found += _some(characters & _LOWER, _LOWER, "lettres minuscules")
    marks = sorted(characters - _UPPER - _LOWER - _DIGITS)
    found += ["espace" if mark == " " else f"« {mark} »" for mark in marks]
    return ", ".join(found)


def _some(found: frozenset[str], whole: frozenset[str], name: str) -> list[str]:
    if not found:
        return []
    absent = sorted(whole - found)
    if not absent:
        return [name]
    if len(absent) < len(found):
        return [f"{name} sauf {', '.join(absent)}"]
    return [", ".join(sorted(found))]
