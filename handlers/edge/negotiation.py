"""Content negotiation (RFC 9110, 12): the language and the media type of an answer."""

from __future__ import annotations

import re
from collections.abc import Sequence

from handlers.contract.model import LANGUAGES

MAX_PREFERENCES = 8_192
"""Bytes of an `Accept` or `Accept-Language` that are read."""


# A comma or a semicolon in quotes parts nothing. What is not closed goes until the end: one look at each.
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)', re.DOTALL)


def choose_language(accept_language: bytes | None) -> str:
    """The best of our languages for an Accept-Language (RFC 9110): French unless English is preferred."""
    if not accept_language:
        return LANGUAGES[0]
    weights: dict[str, float] = {}
    for tag, weight in _read_preferences(accept_language).items():
        language = tag.partition("-")[0]
        weights[language] = max(weight, weights.get(language, 0.0))
    best, best_weight = LANGUAGES[0], 0.0
    for language in (*weights, *LANGUAGES):
        weight = weights.get(language, weights.get("*", 0.0))
        if language in LANGUAGES and weight > best_weight:
            best, best_weight = language, weight
    return best


def choose_media_type(accept: bytes | None, offered: Sequence[str]) -> str | None:
    """The offered media type that an Accept header prefers, the first on a tie, None when it excludes
    them all (RFC 9110: the most specific range decides for each)."""
    if accept is None or accept in (b"*/*", b"application/json"):
        return offered[0]
    weights = _read_preferences(accept)
    if not weights:
        return offered[0]
    best, best_weight = None, 0.0
    for media_type in offered:
        family = media_type.partition("/")[0]
        ranges = (media_type, f"{family}/*", "*/*")
        weight = next((weights[name] for name in ranges if name in weights), 0.0)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best


def _read_preferences(header: bytes) -> dict[str, float]:
    """What a list names (RFC 9110, 12.4.2), in small letters, each with the most that it weighs there."""
    text = header[:MAX_PREFERENCES].decode("latin-1").lower()
    if '"' in text:
        text = _QUOTED.sub("", text)
    weights: dict[str, float] = {}
    for part in text.split(","):
        name, _, parameters = part.partition(";")
        name = name.strip()
        if name:
            weights[name] = max(_weight(parameters), weights.get(name, 0.0))
    return weights


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return min(max(0.0, float(value)), 1.0)  # of what is no number, the 0 is the larger
            except ValueError:
                return 0.0
    return 1.0
