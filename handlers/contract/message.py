"""The message of a success: one text, or another one in each case that it tells apart.

`x-message-succes` holds a text per language, filled in with the fields of the answer. Its `cas`, if it has
some, are texts too, each with the values of fields (`quand`) of which it is the text: the first case that
fits is told, and the text beside `cas` where none does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from handlers.contract.model import LANGUAGES, Json

CASES, WHEN = "cas", "quand"


class Template(Protocol):
    """A text with fields to fill in: a `str` is one."""

    def format_map(self, fields: Mapping[str, Any], /) -> str:
        """The text, filled in. Raises KeyError for a field that there is not."""


@dataclass(frozen=True, slots=True)
class TextByCase:
    """The texts of one language, of which the fields choose."""

    general: str
    cases: tuple[tuple[Mapping[str, Any], str], ...]

    def format_map(self, fields: Mapping[str, Any], /) -> str:
        """The text of the first case that fits, filled in."""
        for when, text in self.cases:
            if all(fields.get(name) == value for name, value in when.items()):
                return text.format_map(fields)
        return self.general.format_map(fields)


def templates(message: Json) -> dict[str, Template]:
    """What an operation says of its success, by language."""
    cases = message.get(CASES)
    if not cases:
        return {language: message[language] for language in LANGUAGES}
    return {
        language: TextByCase(
            message[language], tuple((case[WHEN], case[language]) for case in cases)
        )
        for language in LANGUAGES
    }


def variants(message: Json) -> Iterator[tuple[Json, Json]]:
    """Each text of a message, and the fields that it is told for: {} of the general one, the first."""
    yield message, {}
    for case in message.get(CASES, ()):
        yield case, case.get(WHEN, {})
