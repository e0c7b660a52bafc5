"""What went wrong becomes a reply: the operation's declared refusal, its headers, its line in the log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import structlog

from handlers.contract.model import (
    Contract,
    OperationContract,
)
from handlers.edge.call import Call, Reply
from handlers.edge.faults import Fault
from handlers.edge.places import Places
from handlers.edge.refusals import Envelopes, ErreurSysteme
from handlers.edge.security import authorization_of, bearer_challenge, challenge
from handlers.settings import Settings
from models.database.failures import is_unavailable
from models.errors import Refusal, ServiceIndisponible

RETRY_AFTER_S = 2
"""Seconds that a 503 asks to wait: long enough for a restart of the database to be under way."""


NOT_KEPT = ("Pragma", "no-cache")
"""For caches of HTTP/1.0, beside the Cache-Control that each answer has (RFC 6749, 5.1)."""


def declared_headers(operation: OperationContract, status: int) -> Mapping[str, Any]:
    """The headers that the contract declares for an answer of this status."""
    headers: Mapping[str, Any] = operation.responses.get(status, {}).get("headers", {})
    return headers


class Refusals:
    """Turns an exception into the operation's declared refusal."""

    def __init__(self, contract: Contract, settings: Settings) -> None:
        self._envelopes = Envelopes(contract, settings.url_publique)
        self._bearer = bearer_challenge(contract, settings)
        self._places = Places(contract)
        self._log = structlog.get_logger("cynod")

    def reply(self, error: BaseException, call: Call) -> Reply:
        """The refusal that `error` stands for: its own, 5001 for a database away, else 9999."""
        refusal = self._refusal(error, call)
        operation = call.operation
        if operation is not None and refusal.code not in operation.codes:
            self._log.error(
                "refus hors contrat",
                operation=operation.operation_id,
                code=refusal.code,
                request_id=call.request_id,
            )
            refusal = ErreurSysteme()
        of_oauth = operation is not None and operation.of_oauth
        named = refusal.fields.get("parametre")
        faults: Sequence[Fault] = getattr(refusal, "faults", ()) or self._places.faults(
            refusal.code, named, call
        )
        if named is not None:
            call.parametre = faults[0].emplacement if faults else named
        status, body = self._envelopes.render(
            refusal,
            call.language,
            request_id=call.request_id,
            faults=faults,
            oauth=of_oauth,
        )
        headers = list(getattr(refusal, "headers", {}).items())
        if operation is not None and status in (401, 403):
            asked = challenge(refusal.code, operation, authorization_of(call), self._bearer)
            if asked is not None:
                headers.append(("WWW-Authenticate", asked))
        # Only OAuth's operations declare it, and this is the way of every refusal.
        if (
            operation is not None
            and of_oauth
            and NOT_KEPT[0] in declared_headers(operation, status)
        ):
            headers.append(NOT_KEPT)
        if status == 503:
            headers.append(("Retry-After", str(RETRY_AFTER_S)))
        return Reply(status, refusal.code, orjson.dumps(body), headers)

    def _refusal(self, error: BaseException, call: Call) -> Refusal:
        if isinstance(error, Refusal):
            return error
        operation_id = call.operation.operation_id if call.operation else None
        if is_unavailable(error):
            self._log.warning(
                "base indisponible",
                operation=operation_id,
                request_id=call.request_id,
                cause=f"{type(error).__name__}: {error}"[:300],
            )
            return ServiceIndisponible()
        self._log.error(
            "erreur système",
            operation=operation_id,
            request_id=call.request_id,
            exc_info=(type(error), error, error.__traceback__),
        )
        return ErreurSysteme()
