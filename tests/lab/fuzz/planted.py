"""Faults that are put into `cynod` on purpose, one a function: run inside a server, before it starts.

`obedient` serves as it ships, except that a header of the request makes it fail or dawdle: so are the
accidents provoked that nothing sent from outside can cause. `telling` serves as it ships and logs which
field was off contract. The others are what the tests of the
command plant, to see it go red: a test names them with hyphens.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import Engine, event, text, update
from sqlalchemy.exc import OperationalError

import handlers.cartes
import handlers.mouvements
from handlers.contract.schema import AnswerCheck
from handlers.edge import front
from handlers.edge.refusals import Envelopes
from handlers.edge.runner import OperationRunner
from models import plafond
from models.base import SOLDE_MAXIMAL
from models.carte import cartes
from models.database.engine import sqlite_module
from models.database.waiting import pause
from models.errors import OperationInconnue, Refusal
from models.journal import ecriture as journal
from models.operation import CREDIT
from tests.lab.fuzz.explain import TOLD
from tests.lab.fuzz.rules import off_contract

FAULT_HEADER = b"x-cynod-fuzz"
DAWDLE_S = 1.5


def _break(owner: type, name: str, broken: Callable[..., Any]) -> None:
    setattr(owner, name, broken)


def obedient() -> None:
    """Fail, or wait before COMMIT, when the request asks for it."""
    execute: Callable[..., Any] = OperationRunner._execute  # noqa: SLF001 - the place to break

    def obey(runner: OperationRunner, call: Any, *rest: Any) -> Any:
        order = call.headers.get(FAULT_HEADER)
        if order == b"fail":
            raise RuntimeError("a fault that the fuzz asked for")
        if order == b"outage":
            cause = sqlite_module().OperationalError("unable to open database file")
            raise OperationalError("SELECT", None, cause)
        reply = execute(runner, call, *rest)
        if order == b"dawdle":
            pause(DAWDLE_S)
        return reply

    _break(OperationRunner, "_execute", obey)


def telling() -> None:
    """The log names the fields that made an answer off contract, which a server as it ships does not."""
    answer: Callable[..., Any] = OperationRunner._envelope  # noqa: SLF001 - as above

    def tell(runner: OperationRunner, *arguments: Any) -> Any:
        body = answer(runner, *arguments)
        name = runner.operation.operation_id
        fields = off_contract(name, 200, json.loads(json.dumps(body)))
        if fields:
            line = {"event": TOLD, "level": "error", "operation": name, "champs": fields}
            sys.stderr.write(f"{json.dumps(line, ensure_ascii=False)}\n")
            sys.stderr.flush()
        return body

    _break(OperationRunner, "_envelope", tell)


def wrong_text() -> None:
    """The text of one code is not the catalogue's."""
    render = Envelopes.render

    def misspell(self: Envelopes, *args: Any, **options: Any) -> tuple[int, dict[str, Any]]:
        status, body = render(self, *args, **options)
        if body["code"] == "405":
            body["message"] = body["message"].replace("invalide", "incorrect")
        return status, body

    _break(Envelopes, "render", misspell)


def refusal_that_moves() -> None:
    """A debit that is refused takes a franc all the same."""
    run: Callable[..., Any] = OperationRunner._run  # noqa: SLF001 - the place to break

    def leak(runner: OperationRunner, call: Any) -> Any:
        try:
            return run(runner, call)
        except Refusal:
            if call.operation.operation_id != "debitCarte":
                raise
            with runner._database.transaction() as connection:  # noqa: SLF001 - as above
                connection.execute(
                    update(cartes).where(cartes.c.solde > 1000).values(solde=cartes.c.solde - 1)
                )
            raise

    _break(OperationRunner, "_run", leak)


def card_of_another() -> None:
    """The list of cards forgets whose clients they are."""
    module: Any = handlers.cartes
    listing = module.list_cartes

    def show_all(connection: Any, partenaire: Any, **filters: Any) -> Any:
        page = listing(connection, partenaire, **filters)
        other = connection.execute(
            text("SELECT min(numero_carte) FROM cartes WHERE numero_carte LIKE '7019807766%'")
        ).scalar_one()
        return page._replace(cartes=[one._replace(numero_carte=other) for one in page.cartes])

    module.list_cartes = show_all


def undeclared_header() -> None:
    """A header that the contract does not have leaves with every answer."""
    module: Any = front
    module._DEFAULTS = (*module._DEFAULTS, (b"x-node", b"api-1"))  # noqa: SLF001 - as above


def undeclared_code() -> None:
    """A code that the operation does not list leaves where the edge's own guard should stop it."""
    check: Callable[..., Any] = OperationRunner._check  # noqa: SLF001 - the place to break

    def refuse(runner: OperationRunner, call: Any) -> None:
        check(runner, call)
        if runner.operation.operation_id == "mesDroits":
            object.__setattr__(runner.operation, "codes", runner.operation.codes | {"4006"})
            raise OperationInconnue

    _break(OperationRunner, "_check", refuse)


# ── the rules of money ───────────────────────────────────────────────────────────────────────────
class _Moved:
    """A statement some of whose values are moved by francs before it runs."""

    def __init__(self, statement: Any, name: str, francs: int) -> None:
        self._statement = statement
        self._name = name
        self._francs = francs

    def all(self, connection: Any, values: Mapping[str, Any]) -> Any:
        return self._statement.all(connection, self._move(values))

    def first(self, connection: Any, values: Mapping[str, Any]) -> Any:
        return self._statement.first(connection, self._move(values))

    def _move(self, values: Mapping[str, Any]) -> dict[str, Any]:
        given = values[self._name]
        return {**values, self._name: None if given is None else given + self._francs}


def _limit_by(francs: int) -> None:
    module: Any = plafond
    module._CONSUME = _Moved(module._CONSUME, "montant_maximal", francs)  # noqa: SLF001 - as above


def limit_generous() -> None:
    """The UPDATE that counts an operation takes one franc more than the limit of a day or a month."""
    _limit_by(1)


def limit_strict() -> None:
    """And one franc less."""
    _limit_by(-1)


def limit_of_operation_generous() -> None:
    """One operation may move one franc more than its limit."""
    module: Any = plafond
    consume_one = module._consume_one  # noqa: SLF001 - as above

    def consume(connection: Any, limit: Any, montant: int, jour: Any) -> None:
        fits = limit.periode == plafond.OPERATION and montant - 1 == limit.montant_maximal
        consume_one(connection, limit, montant - 1 if fits else montant, jour)

    module._consume_one = consume  # noqa: SLF001 - as above


def credit_unlimited() -> None:
    """A credit is held to no limit, and counts in none."""
    module: Any = plafond
    consume = module.consume

    def forget(connection: Any, counted: Any) -> None:
        if counted.type != CREDIT:
            consume(connection, counted)

    module.consume = forget


def reversal_not_given_back() -> None:
    """What is reversed goes on counting in the limits."""
    module: Any = plafond
    module.give_back = lambda *_: None


def _without_constraints() -> None:
    """What the tables and the check of answers would still stop is let through, on SQLite."""

    def connect(connection: Any, _record: Any) -> None:
        connection.execute("PRAGMA ignore_check_constraints=ON")

    event.listen(Engine, "connect", connect)
    _break(AnswerCheck, "fits", lambda *_: True)


def _guarded_by(name: str, guard: Any, moved: Any) -> None:
    module: Any = journal
    usable = module._USABLE  # noqa: SLF001 - as above
    update = module._update(usable, guard, solde=moved)  # noqa: SLF001 - as above
    setattr(module, name, module.Prepared(update, module.Position))


def debit_below_zero() -> None:
    """A debit may leave a solde of -1."""
    _without_constraints()
    module: Any = journal
    guard = cartes.c.solde >= module.bindparam("somme") - 1
    _guarded_by("_TAKE", guard, module._TAKEN)  # noqa: SLF001 - as above


def credit_too_full() -> None:
    """A credit may leave one franc more than a card holds."""
    _without_constraints()
    module: Any = journal
    guard = cartes.c.solde <= SOLDE_MAXIMAL + 1 - module.bindparam("somme")
    _guarded_by("_GIVE", guard, module._GIVEN)  # noqa: SLF001 - as above


# ── the fields of answers ────────────────────────────────────────────────────────────────────────
def field_renamed() -> None:
    """The view of a solde gives a field another name."""
    module: Any = handlers.cartes
    render = module.render_solde

    def rename(*arguments: Any) -> Any:
        answer = render(*arguments)
        for line in answer.data:
            line["date"] = line.pop("dateSolde")
        return answer

    module.render_solde = rename


def repeat_differs() -> None:
    """The answer to a repeated movement has another of its fields."""
    module: Any = handlers.mouvements
    render = module.render_mouvement

    def differ(done: Any) -> Any:
        answer = render(done)
        if answer.replayed:
            answer.data[0]["numeroOperation"] = answer.data[0]["numeroOperation"][::-1]
        return answer

    module.render_mouvement = differ
