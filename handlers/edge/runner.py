"""The one wrapper around every operation: the way of a request from route to answer.

Four stages: identify who calls, count the call, check its parameters and body against the contract, execute
(handler, answer against the contract, commit, reply). A `Way` is their order for one kind of operation. A
refusal or an answer off contract rolls back; nobody else commits.
"""

from __future__ import annotations

import inspect
import random
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar

import orjson
from sqlalchemy import Connection

from handlers.ahead import AHEAD, Foresee
from handlers.answer import Answer, TableAnswer
from handlers.contract.message import templates
from handlers.contract.model import JSON_TYPE, Contract, OperationContract, SelfCheck
from handlers.contract.schema import AnswerCheck
from handlers.edge.address import rate_key
from handlers.edge.call import Call, Reply
from handlers.edge.checks import BodyCheck, ParameterCheck
from handlers.edge.limits import RateLimits
from handlers.edge.optional import OptionalParameters, optional_fields, required_fields
from handlers.edge.paging import CURSOR, NEXT_CURSOR, next_page
from handlers.edge.refusals import EdgeRefusal, OperationDesactivee, TropDeRequetes
from handlers.edge.replies import NOT_KEPT, Refusals, declared_headers
from handlers.edge.resolver import Handler
from handlers.edge.security import Security, authorization_of, presented
from handlers.edge.streaming import OffContract, csv_lines
from handlers.metrics.recorder import Recorder
from handlers.settings import Settings
from models.database.engine import Database
from models.database.failures import is_retriable
from models.database.waiting import DeadlinePassed, aside, pause
from models.errors import AuthentificationInvalide, ClientInvalide, DroitInsuffisant
from models.partenaire import DroitsRetires, Partenaire

if TYPE_CHECKING:
    # The whole back office, which a server of partners never needs.
    from models.back_office.moteur import Personne

ATTEMPTS = 3
"""Times that a call may run when the database lost it before COMMIT. An unknown COMMIT never runs again."""

RETRY_DELAY_S = 0.02

UNCOUNTED = "libre"
"""The rate class of what anybody may ask as often as he likes."""

CARDS = frozenset({"numeroCarte", "numeroCarteDestination"})
"""The fields by which a body names cards that a call writes."""

MAX_EARLY_BODY = 65_536
"""Bytes of a body that is parsed and checked on the event loop: a fraction of a millisecond."""


T = TypeVar("T")
Stage = Callable[[Call], None]
Caller: TypeAlias = "Partenaire | Personne"
Identify = Callable[[Call, Connection], Caller]


class Way(NamedTuple):
    """The stages before `execute`, in their order. Those that admit a call are passed once, however often
    it has to run; who calls is identified each time."""

    before: tuple[Stage, ...]
    """Without a connection."""
    identify: Identify | None
    after: tuple[Stage, ...]
    """Admit a caller who is known: when `identify` has told, or already early, when he is remembered."""


def _asked(handler: Handler) -> set[str]:
    """What a handler wants beside the parameters of its operation."""
    parameters = inspect.signature(handler).parameters.values()
    return {one.name for one in parameters if one.kind is one.KEYWORD_ONLY}


class OperationRunner:
    """Runs one operation of the contract; everything it needs is built at start."""

    caller = "partenaire"
    """What handlers call whoever calls."""

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
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self.operation = operation
        self._message = templates(operation.message) if operation.message else None
        self._offered = operation.operation_id not in settings.switched_off
        self._handlers = handlers
        self._database = database
        self._security = security
        self._limits = limits
        self._refusals = refusals
        self._check_parameters = ParameterCheck(contract, operation)
        self._check_body = BodyCheck(contract, operation.body) if operation.body else None
        self._optional_fields = optional_fields(contract, operation)
        self._cards = CARDS & required_fields(contract, operation) if operation.writes else ()
        optional = [one for one in operation.parameters if not one.get("required")]
        self._find_optional = OptionalParameters(optional) if optional else None
        self._check_answer = AnswerCheck(contract, operation)
        self._wanted = {media_type: _asked(handler) for media_type, handler in handlers.items()}
        self._is_paged = CURSOR in {parameter["name"] for parameter in operation.parameters}
        # Partners' lists and histories. A person looks for what he has just entered.
        self._may_be_late = (
            database.standby is not None and self._is_paged and not operation.by_person
        )
        self._foresee = self._choose_foresight()
        self.needs_database = (
            operation.secured
            or operation.by_pair
            or any("connection" in names for names in self._wanted.values())
        )
        self._constants = {"settings": settings, "contract": contract, "conformite": conformite}
        self._headers = [NOT_KEPT] if NOT_KEPT[0] in declared_headers(operation, 200) else []
        self._way = self._choose_way()
        self._commits = self._choose_commits()
        self._together = self._may_share()
        # Where counting asks another machine, nothing is counted on the event loop.
        self._admits_early = operation.secured and not operation.by_person and not limits.waits

    def _choose_way(self) -> Way:
        if self.operation.by_pair:
            return Way((self._count, self._check), self._identify_client, ())
        if self.operation.secured:
            return Way((), self._identify, (self._count, self._check))
        # Who is nobody is counted by where he comes from, and first: what he sends may be a guess.
        counted = self.operation.rate_class != UNCOUNTED
        return Way((self._count, self._check) if counted else (self._check,), None, ())

    def _choose_foresight(self) -> Foresee | None:
        """What is sent ahead: on SQLite there is no round trip to save, and none beside a standby."""
        ahead = self._database.has_places and not self._may_be_late
        return AHEAD.get(self.operation.operation_id) if ahead else None

    def _choose_commits(self) -> frozenset[str]:
        """The media types whose answers are committed: of a reading that is audited, its row of the audit."""
        operation = self.operation
        if operation.by_pair or operation.audited or operation.writes:
            return frozenset(operation.media_types)
        # What a person takes away as a file is audited.
        return frozenset(operation.media_types if operation.by_person else ()) - {JSON_TYPE}

    def _may_share(self) -> bool:
        """Whether a call may share its COMMIT with others: it may run again, whatever became of it. Where
        counting asks another machine, theirs would wait for that."""
        operation = self.operation
        again = operation.idempotent_on is not None or operation.issues_tokens
        return again and not (operation.by_person or self._limits.waits)

    def check_early(self, call: Call) -> None:
        """Refuse at once what needs no room to be refused, and keep what was found.

        Raises the refusal of an operation that this server does not offer, or of a malformed request,
        or of one too many, whose sender is remembered.
        Nobody is served for being remembered: who calls is looked up again when the call runs.
        """
        if not self._offered:
            raise OperationDesactivee
        if not self._admits_early or len(call.body) > MAX_EARLY_BODY:
            return
        remembered = self._security.recall(self.operation, authorization_of(call), call.address)
        if remembered is None:
            return
        call.partenaire, call.remembered = remembered.consumer_key, remembered
        for stage in self._way.after:
            stage(call)
        if self._cards and call.arguments is not None:
            corps = call.arguments["corps"]
            call.rows = sorted({(call.partenaire, corps[name]) for name in self._cards})

    def __call__(self, call: Call) -> Reply:
        """Answer the call. Whatever goes wrong becomes a declared refusal. Raises CallerGone alone."""
        for attempt in range(ATTEMPTS):
            try:
                return self._run(call)
            except Exception as error:  # noqa: BLE001 - the edge answers for everything below it
                # Rights that were taken away since they were checked are checked again: a token may
                # have ended, and the secret beside it be as good as before.
                again = is_retriable(error) or isinstance(error, DroitsRetires)
                if attempt + 1 == ATTEMPTS or not again:
                    return self._refusals.reply(self._slowed(error, call), call)
                if self._recorder is not None:
                    self._recorder.retry(self.operation.operation_id)
                # Nothing was committed, so the whole call runs again, after its rival has ended.
                pause(random.uniform(0.5, 1.5) * RETRY_DELAY_S * 2**attempt)  # noqa: S311
            except DeadlinePassed as error:
                return self._refusals.reply(error, call)
        raise AssertionError("the last attempt returns")

    def _slowed(self, error: Exception, call: Call) -> Exception:
        """The error, or what is answered in its place to who has failed to authenticate too often.

        Nothing of the database is held any more: the count may be on another machine.
        """
        if not isinstance(error, AuthentificationInvalide | ClientInvalide):
            return error
        call.quota = ()  # nobody was let in
        form = call.arguments["corps"] if call.arguments and self.operation.by_pair else {}
        name = presented(authorization_of(call), form)
        if name is None:
            return error
        try:
            self._counted(partial(self._limits.count_failure, name, call.address))
        except EdgeRefusal as too_often:
            return too_often
        return error

    def _run(self, call: Call) -> Reply:
        way = self._way
        if call.arguments is None:
            for stage in way.before:
                stage(call)
        if not self.needs_database:
            return self._execute(call, None, None)
        with self._database.reading(together=self._together) as connection:
            if (
                self._foresee is not None
                and call.remembered is not None
                and call.arguments is not None
            ):
                self._foresee(connection, call.remembered, **call.arguments)
            caller = None
            if way.identify is not None:
                # What is left of a limit is nothing for who is not, or no more, let in.
                quota, call.quota = call.quota, ()
                caller = way.identify(call, connection)
                call.quota = quota
            if call.arguments is None:
                for stage in way.after:
                    stage(call)
            if call.media_type not in self._commits:
                if self._may_be_late:
                    execute = partial(self._execute, call, caller=caller)
                    return self._database.read_late(execute, instead=connection)
                return self._execute(call, connection, caller)
            with self._database.transaction(on=connection, together=self._together):
                return self._execute(call, connection, caller)

    def _identify(self, call: Call, connection: Connection) -> Caller:
        partenaire = self._security.authenticate(
            connection,
            authorization_of(call),
            call.address,
            of_oauth=self.operation.of_oauth,
        )
        call.partenaire = partenaire.consumer_key
        if not self.operation.scopes <= partenaire.scopes:
            # He is known: it is one of his calls.
            self._count(call)
            raise DroitInsuffisant
        return partenaire

    def _identify_client(self, call: Call, connection: Connection) -> Partenaire:
        assert call.arguments is not None, "its form was checked before"
        partenaire = self._security.authenticate_client(
            connection, call.arguments["corps"], authorization_of(call), call.address
        )
        call.partenaire = partenaire.consumer_key
        return partenaire

    def _count(self, call: Call) -> None:
        caller = call.agent or call.partenaire or rate_key(call.address)
        tally = self._counted(partial(self._limits.count, self.operation.rate_class, caller))
        if tally is None:
            return
        wait_s, call.quota = tally
        if wait_s:
            raise TropDeRequetes(wait_s)

    def _counted(self, count: Callable[[], T]) -> T:
        """Count, beside the event loop where that asks another machine."""
        return aside(count) if self._limits.waits else count()

    def _check(self, call: Call) -> None:
        arguments = self._check_parameters(call.query, call.path_parameters)
        facultatifs = []
        if self._check_body is not None:
            arguments["corps"] = corps = self._check_body(call.body)
            facultatifs = sorted(self._optional_fields & corps.keys())
        if self._find_optional is not None and call.query:
            facultatifs += self._find_optional(call.query)
        call.arguments, call.facultatifs = arguments, facultatifs

    def _execute(self, call: Call, connection: Connection | None, caller: Caller | None) -> Reply:
        assert call.arguments is not None, "each way checks what came"
        arguments = dict(call.arguments)
        offered = {
            "connection": connection,
            self.caller: caller,
            "identite": call.identite,
            "adresse": call.address,
            **self._constants,
        }
        for name in self._wanted[call.media_type]:
            arguments[name] = offered[name]
        answer = self._handlers[call.media_type](**arguments)
        if isinstance(answer, TableAnswer):
            return self._table(answer, call)
        body = self._envelope(answer, call.language)
        if not self._check_answer.fits(200, body):
            raise OffContract(f"{self.operation.operation_id}: the answer is off contract")
        headers = list(self._headers)
        if answer.replayed:
            headers.append(("Idempotent-Replayed", "true"))
            if self._recorder is not None:
                self._recorder.replay(self.operation.operation_id)
        if self._is_paged and answer.fields[NEXT_CURSOR] is not None:
            headers.append(next_page(call, answer.fields[NEXT_CURSOR]))
        return Reply(200, "200", orjson.dumps(body), headers)

    def _table(self, answer: TableAnswer, call: Call) -> Reply:
        """CSV (RFC 4180), read and checked by batches, each with a connection of its own: a slow
        reader holds none."""

        def stream() -> Iterator[bytes]:
            position = answer.position
            while True:
                with self._database.reading() as connection:
                    lines, position = self._lines(answer, connection, position)
                if not all(map(self._check_answer.line, lines)):
                    raise OffContract(f"{self.operation.operation_id}: a line is off contract")
                if lines:
                    yield csv_lines([list(line.values()) for line in lines])
                if position is None:
                    return

        first = csv_lines([list(answer.columns)])
        headers = [] if answer.suivant is None else [next_page(call, answer.suivant)]
        media_type = f"{call.media_type}; charset=utf-8"
        return Reply(200, "200", first, headers, media_type=media_type, stream=stream())

    def _lines(
        self, answer: TableAnswer, connection: Connection, position: int | None
    ) -> tuple[list[Mapping[str, Any]], int | None]:
        if self._may_be_late:
            return self._database.read_late(
                lambda there: answer.read(there, position), instead=connection
            )
        return answer.read(connection, position)

    def _envelope(self, answer: Answer[Any, Any], language: str) -> dict[str, Any]:
        template = self._message
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
