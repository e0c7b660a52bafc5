"""Refusals as they leave the server: the catalogue's texts in the contract's envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.edge.contract import LANGUAGES, CatalogueEntry, Contract
from models.errors import Refusal


class EdgeRefusal(Refusal):
    """A refusal that HTTP itself calls for; `code` is the catalogue's."""

    def __init__(self, code: str, headers: Mapping[str, str] | None = None, **fields: str) -> None:
        self.code = code
        super().__init__(**fields)
        self.headers = dict(headers or {})


class Envelopes:
    """Makes the envelope of a refusal in the caller's language."""

    def __init__(self, contract: Contract) -> None:
        self._catalogue = contract.catalogue

    def entry(self, code: str) -> CatalogueEntry:
        """The catalogue's entry of a code."""
        return self._catalogue[code]

    def render(
        self, refusal: Refusal, language: str, *, oauth: bool = False
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and body. `oauth` adds the `error` of RFC 6749 for the token's operation."""
        entry = self._catalogue[refusal.code]
        message = entry.message[language]
        if refusal.fields:
            message = message.format_map(refusal.fields)
        body: dict[str, Any] = {
            "success": False,
            "code": entry.code,
            "message": message,
            "debugMessage": message if entry.debug_message else None,
            "moreInfo": getattr(refusal, "more_info", None),
        }
        if oauth and entry.oauth is not None:
            body = {"error": entry.oauth, **body}
        return entry.statut, body


def choose_language(accept_language: bytes | None) -> str:
    """The best of our languages for an Accept-Language (RFC 9110): French unless English is preferred."""
    if not accept_language:
        return LANGUAGES[0]
    weights: dict[str, float] = {}
    for part in accept_language[:200].decode("latin-1").lower().split(","):
        tag, _, parameters = part.strip().partition(";")
        language = tag.strip().partition("-")[0]
        weights[language] = max(_weight(parameters), weights.get(language, 0.0))
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
    weights: dict[str, float] = {}
    for part in accept[:1000].decode("latin-1").lower().split(","):
        media_range, _, parameters = part.partition(";")
        weights[media_range.strip()] = _weight(parameters)
    if set(weights) == {""}:
        return offered[0]
    best, best_weight = None, 0.0
    for media_type in offered:
        family = media_type.partition("/")[0]
        ranges = (media_type, f"{family}/*", "*/*")
        weight = next((weights[name] for name in ranges if name in weights), 0.0)
        if weight > best_weight:
            best, best_weight = media_type, weight
    return best


def _weight(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0
