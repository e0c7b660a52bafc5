"""Refusals as they leave the server: the catalogue's texts in the contract's envelope."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from handlers.contract.model import (
    Contract,
)
from handlers.edge.faults import ENTETE, Fault
from models.errors import Refusal


class EdgeRefusal(Refusal):
    """A refusal that HTTP itself calls for, before the core is asked. `headers` go with its answer.

    `faults` are the places that are wrong, where the code alone does not say which.
    """

    faults: Sequence[Fault] = ()

    def __init__(self, headers: Mapping[str, str] | None = None, **fields: str) -> None:
        super().__init__(**fields)
        self.headers = dict(headers or {})


class CorpsIllisible(EdgeRefusal):
    """The body is no JSON, or no form, or no object."""

    code = "1001"


class RequeteMalFormee(EdgeRefusal):
    """What HTTP itself does not allow (RFC 9110, 9112), or a head beyond its limits."""

    code = "1002"

    def __init__(self, header: str | None = None) -> None:
        super().__init__()
        if header is not None:
            self.faults = [Fault(ENTETE, header, self.code)]


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

    def __init__(self, header: str = "Content-Type") -> None:
        super().__init__()
        self.faults = [Fault(ENTETE, header, self.code)]


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


class EntreesInvalides(EdgeRefusal):
    """Parameters or fields that do not fit. The first of them gives the code and the name in the text."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.code = faults[0].code
        self.faults = faults
        super().__init__(parametre=faults[0].emplacement.partition("[")[0])


class Envelopes:
    """Makes the envelope of a refusal in the caller's language. `base` is the server's address, if known."""

    def __init__(self, contract: Contract, base: str = "") -> None:
        self._catalogue = contract.catalogue
        self._documentation = {
            code: contract.documentation_of(code, base) for code in contract.catalogue
        }

    def render(
        self,
        refusal: Refusal,
        language: str,
        *,
        request_id: str,
        faults: Sequence[Fault] = (),
        oauth: bool = False,
    ) -> tuple[int, dict[str, Any]]:
        """HTTP status and body. `oauth` adds the `error` of RFC 6749 for the token's operation."""
        entry = self._catalogue[refusal.code]
        message = entry.message[language]
        if refusal.fields:
            message = message.format_map(refusal.fields)
        places = []
        for dans, emplacement, code in faults:
            fields = {**refusal.fields, "parametre": emplacement}
            text = self._catalogue[code].message[language].format_map(fields)
            places.append({"dans": dans, "emplacement": emplacement, "code": code, "message": text})
        body: dict[str, Any] = {
            "success": False,
            "code": entry.code,
            "message": message,
            "debugMessage": message if entry.debug_message else None,
            "moreInfo": getattr(refusal, "more_info", None),
            "requestId": request_id,
            "documentation": self._documentation[entry.code],
            "erreurs": places,
        }
        if oauth and entry.oauth is not None:
            body = {"error": entry.oauth, **body}
        return entry.statut, body
