"""Refusals as they leave the server: the catalogue's texts in the contract's envelope."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from handlers.contract.model import (
    Contract,
)
from models.errors import Refusal


class EdgeRefusal(Refusal):
    """A refusal that HTTP itself calls for, before the core is asked. `headers` go with its answer."""

    def __init__(self, headers: Mapping[str, str] | None = None, **fields: str) -> None:
        super().__init__(**fields)
        self.headers = dict(headers or {})


class CorpsIllisible(EdgeRefusal):
    """The body is no JSON, or no form, or no object."""

    code = "1001"


class RequeteMalFormee(EdgeRefusal):
    """What HTTP itself does not allow (RFC 9110, 9112), or a head beyond its limits."""

    code = "1002"


class RessourceInconnue(EdgeRefusal):
    """No operation has this path."""

    code = "1003"


class MethodeInterdite(EdgeRefusal):
    """The path has other methods: those of `Allow`."""

    code = "1004"

    def __init__(self, allow: str) -> None:
        super().__init__({"Allow": allow})


class ReponseNonAcceptable(EdgeRefusal):
    """Accept excludes every media type of the operation."""

    code = "1005"


class CorpsTropGrand(EdgeRefusal):
    """The body has more bytes than the operation takes."""

    code = "1006"


class TypeContenuRefuse(EdgeRefusal):
    """The body is of another media type, or coded."""

    code = "1007"


class TropDeRequetes(EdgeRefusal):
    """The caller has had enough of a rate class, for so many seconds."""

    code = "1008"

    def __init__(self, wait_s: int) -> None:
        super().__init__({"Retry-After": str(wait_s)})
        self.wait_s = wait_s


class OperationDesactivee(EdgeRefusal):
    """The deployment does not offer this optional operation."""

    code = "1009"


class ErreurSysteme(EdgeRefusal):
    """A fault of ours."""

    code = "9999"


class FieldRefusal(EdgeRefusal):
    """A field that does not fit, where the contract gives it a code of its own (`x-code-erreur`)."""

    def __init__(self, code: str, parametre: str) -> None:
        self.code = code
        super().__init__(parametre=parametre)


class Envelopes:
    """Makes the envelope of a refusal in the caller's language."""

    def __init__(self, contract: Contract) -> None:
        self._catalogue = contract.catalogue

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
