"""The one wrapper around every operation: the way of a request from route to answer.

security -> parameters and body against the contract -> handler -> render -> answer against the
contract -> commit -> reply. A refusal or an answer off contract rolls back; nobody else commits.
"""

from __future__ import annotations

import csv
import inspect
import io
import random
import time
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import structlog
from sqlalchemy import Connection

from handlers.answer import Answer, TableAnswer
from handlers.contract.model import Contract, OperationContract, SelfCheck
from handlers.contract.schema import AnswerCheck
from handlers.edge.address import rate_key
from handlers.edge.call import Call, Reply
from handlers.edge.checks import BodyCheck, ParameterCheck
from handlers.edge.errors import EdgeRefusal, Envelopes
from handlers.edge.limits import RateLimits
from handlers.edge.resolver import Handler
from handlers.edge.security import REPEATED, Security, challenge, presented
from handlers.settings import Settings
from models.db import Database, is_retriable, is_unavailable
from models.errors import AuthentificationInvalide, ClientInvalide, Refusal, ServiceIndisponible
from models.partenaire import DroitsRetires, Partenaire
from models.redaction.tableur import escape_formula

ATTEMPTS = 3
"""Times that a call may run when the database lost it before COMMIT. An unknown COMMIT never runs again."""

RETRY_DELAY_S = 0.02

MAX_EARLY_BODY = 65_536
"""Bytes of a body that is parsed and checked on the event loop: a fraction of a millisecond."""

RETRY_AFTER_S = 2
"""Seconds that a 503 asks to wait: long enough for a restart of the database to be under way."""

NOT_KEPT = ("Pragma", "no-cache")
"""For caches of HTTP/1.0, beside the Cache-Control that each answer has (RFC 6749, 5.1)."""


def _declared(operation: OperationContract, status: int) -> Mapping[str, Any]:
    """The headers that the contract declares for an answer of this status."""
    headers: Mapping[str, Any] = operation.responses.get(status, {}).get("headers", {})
    return headers


class OffContract(Exception):
    """An answer or a refusal that the contract does not declare: a fault of ours, never sent."""


class Refusals:
    """Turns an exception into the operation's declared refusal."""

    def __init__(self, contract: Contract) -> None:
        self._envelopes = Envelopes(contract)
        self._log = structlog.get_logger("cynod")

    def reply(self, error: BaseException, call: Call) -> Reply:
        """The refusal that `error` stands for: its own, 5001 for a database away, else 9999."""
        refusal = self._refusal(error, call)
        call.parametre = refusal.fields.get("parametre")
        operation = call.operation
        if operation is not None and refusal.code not in operation.codes:
            self._log.error(
                "refus hors contrat",
                operation=operation.operation_id,
                code=refusal.code,
                request_id=call.request_id,
            )
            refusal = EdgeRefusal("9999")
        issues_tokens = operation is not None and operation.issues_tokens
        status, body = self._envelopes.render(refusal, call.language, oauth=issues_tokens)
        headers = list(getattr(refusal, "headers", {}).items())
        scopes = operation.scopes if operation is not None else frozenset()
        asked = challenge(refusal.code, scopes, _authorization(call))
        if asked is not None:
            headers.append(("WWW-Authenticate", asked))
        # Only a token's operation declares it, and this is the way of every refusal.
        if operation is not None and issues_tokens and NOT_KEPT[0] in _declared(operation, status):
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
        return EdgeRefusal("9999")


class OperationRunner:
    """Runs one operation of the contract; everything it needs is built at start."""

    def __init__(
        self,
        operation: OperationContract,
        handlers: Mapping[str, Handler],
        *,
        contract: Contract,
        settings: Settings,
        database: Database,
        security: Security,
        limits: RateLimits,
        refusals: Refusals,
        conformite: SelfCheck,
    ) -> None:
        self.operation = operation
        self._offered = operation.operation_id not in settings.desactivees
        self._handlers = handlers
        self._database = database
        self._security = security
        self._limits = limits
        self._refusals = refusals
        self._check_parameters = ParameterCheck(contract, operation)
        self._check_body = BodyCheck(contract, operation.body) if operation.body else None
        self._check_answer = AnswerCheck(contract, operation)
        self._check_line = self._check_answer.line
        self._wanted = {
            media_type: {
                p.name
                for p in inspect.signature(handler).parameters.values()
                if p.kind is p.KEYWORD_ONLY
            }
            for media_type, handler in handlers.items()
        }
        self.needs_database = any("session" in names for names in self._wanted.values())
        self._constants = {"settings": settings, "contract": contract, "conformite": conformite}

    def check_early(self, call: Call) -> None:
        """Refuse on the event loop what needs no thread to be refused, and keep what was found.

        Raises the refusal of an operation that this server does not offer, or of a malformed request,
        or of one too many, whose sender is remembered.
        Nobody is served for being remembered: who calls is looked up again, in the thread.
        """
        if not self._offered:
            raise EdgeRefusal("1009")
        operation = self.operation
        if not operation.secured or self._limits.waits or len(call.body) > MAX_EARLY_BODY:
            return
        partenaire = self._security.recall(operation, _authorization(call), call.address)
        if partenaire is None:
            return
        call.partenaire = partenaire.consumer_key
        self._limits.count(operation.rate_class, partenaire.consumer_key)
        call.arguments = self._check(call)

    def __call__(self, call: Call) -> Reply:
        """Answer the call. Never raises: whatever goes wrong becomes a declared refusal."""
        for attempt in range(ATTEMPTS):
            try:
                return self._run(call)
            except Exception as error:  # noqa: BLE001 - the edge answers for everything below it
                # Rights that were taken away since they were checked are checked again: a token may
                # have ended, and the secret beside it be as good as before.
                again = is_retriable(error) or isinstance(error, DroitsRetires)
                if attempt + 1 == ATTEMPTS or not again:
                    return self._refusals.reply(self._slowed(error, call), call)
                # Nothing was committed, so the whole call runs again, after its rival has ended.
                time.sleep(random.uniform(0.5, 1.5) * RETRY_DELAY_S * 2**attempt)  # noqa: S311
        raise AssertionError("the last attempt returns")

    def _slowed(self, error: Exception, call: Call) -> Exception:
        """The error, or what is answered in its place to who has failed to authenticate too often.

        Nothing of the database is held any more: the count may be on another machine.
        """
        if not isinstance(error, AuthentificationInvalide | ClientInvalide):
            return error
        form = self._check(call)["corps"] if self.operation.issues_tokens else {}
        name = presented(_authorization(call), form)
        if name is None:
            return error
        try:
            self._limits.count_failure(name, call.address)
        except EdgeRefusal as too_often:
            return too_often
        return error

    def _run(self, call: Call) -> Reply:
        operation = self.operation
        if operation.issues_tokens:
            self._limits.count(operation.rate_class, rate_key(call.address))
            arguments = self._check(call)
            with self._database.reading() as session:
                partenaire = self._security.authenticate_client(
                    session, arguments["corps"], _authorization(call), call.address
                )
                call.partenaire = partenaire.consumer_key
                with self._database.transaction(on=session):
                    return self._execute(call, arguments, session, partenaire)
        if not operation.secured:
            arguments = self._check(call)
            if not self.needs_database:
                return self._execute(call, arguments, None, None)
            with self._database.reading() as session:
                return self._execute(call, arguments, session, None)
        with self._database.reading() as session:
            partenaire = self._security.authenticate(
                session, operation, _authorization(call), call.address
            )
            call.partenaire = partenaire.consumer_key
            if call.arguments is None:
                self._limits.count(operation.rate_class, partenaire.consumer_key)
                call.arguments = self._check(call)
            arguments = dict(call.arguments)
            if not operation.writes:
                return self._execute(call, arguments, session, partenaire)
            with self._database.transaction(on=session):
                return self._execute(call, arguments, session, partenaire)

    def _check(self, call: Call) -> dict[str, Any]:
        arguments = self._check_parameters(call.query, call.path_parameters)
        if self._check_body is not None:
            arguments["corps"] = self._check_body(call.body)
        return arguments

    def _execute(
        self,
        call: Call,
        arguments: dict[str, Any],
        session: Connection | None,
        partenaire: Partenaire | None,
    ) -> Reply:
        offered = {"session": session, "partenaire": partenaire, **self._constants}
        for name in self._wanted[call.media_type]:
            arguments[name] = offered[name]
        answer = self._handlers[call.media_type](**arguments)
        if isinstance(answer, TableAnswer):
            return self._table(answer, call.media_type)
        body = self._envelope(answer, call.language)
        if not self._check_answer.fits(200, body):
            raise OffContract(f"{self.operation.operation_id}: the answer is off contract")
        headers = [("Idempotent-Replayed", "true")] if answer.replayed else []
        if NOT_KEPT[0] in _declared(self.operation, 200):
            headers.append(NOT_KEPT)
        return Reply(200, "200", orjson.dumps(body), headers)

    def _table(self, answer: TableAnswer, media_type: str) -> Reply:
        """CSV (RFC 4180), read and checked by batches, each with a connection of its own: a slow
        reader holds none."""

        def stream() -> Iterator[bytes]:
            position = answer.position
            while True:
                with self._database.reading() as session:
                    lines, position = answer.read(session, position)
                if not all(map(self._check_line, lines)):
                    raise OffContract(f"{self.operation.operation_id}: a line is off contract")
                if lines:
                    yield csv_lines([list(line.values()) for line in lines])
                if position is None:
                    return

        header = csv_lines([list(answer.columns)])
        return Reply(
            200, "200", header, [], media_type=f"{media_type}; charset=utf-8", stream=stream()
        )

    def _envelope(self, answer: Answer[Any, Any], language: str) -> dict[str, Any]:
        template = self.operation.message
        body: dict[str, Any] = {}
        if template is not None:
            source: Mapping[str, Any] = answer.data[0] if answer.data else answer.fields
            body["success"] = True
            body["code"] = 200
            body["message"] = template[language].format_map(source)
        if answer.data is not None:
            body["data"] = answer.data
        body.update(answer.fields)
        return body


def csv_lines(rows: list[list[Any]]) -> bytes:
    """Rows as CSV lines (RFC 4180) in UTF-8; None is empty.

    A text that a spreadsheet would run has an apostrophe before it, for texts are other people's; numbers
    stay what they are (OWASP, CSV injection).
    """
    written = io.StringIO()
    csv.writer(written, lineterminator="\r\n").writerows(
        [escape_formula(cell) if isinstance(cell, str) else cell for cell in row] for row in rows
    )
    return written.getvalue().encode()


def _authorization(call: Call) -> bytes | None:
    """The Authorization header, None when it is absent or empty."""
    if b"authorization" in call.repeated:
        return REPEATED
    return call.headers.get(b"authorization") or None
