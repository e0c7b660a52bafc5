"""`cynod` with a fault that was put into it on purpose: `python -m tests.lab.fuzz.planted FAULT serve …`.

`obedient` serves as it ships, except that a header of the request makes it fail or dawdle: so are the
accidents provoked that nothing sent from outside can cause. The others are what the tests of the
command plant, to see it go red.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

import handlers.cartes
from handlers.cli import root as cli
from handlers.edge import front
from handlers.edge.refusals import Envelopes
from handlers.edge.runner import OperationRunner
from models.carte import cartes
from models.database.engine import sqlite_module
from models.errors import OperationInconnue, Refusal

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
            time.sleep(DAWDLE_S)
        return reply

    _break(OperationRunner, "_execute", obey)


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
            with runner._database.transaction() as session:  # noqa: SLF001 - as above
                session.execute(
                    update(cartes).where(cartes.c.solde > 1000).values(solde=cartes.c.solde - 1)
                )
            raise

    _break(OperationRunner, "_run", leak)


def card_of_another() -> None:
    """The list of cards forgets whose clients they are."""
    module: Any = handlers.cartes
    listing = module.list_cartes

    def show_all(session: Any, partenaire: Any, **filters: Any) -> Any:
        page = listing(session, partenaire, **filters)
        other = session.execute(
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


FAULTS: Mapping[str, Callable[[], None]] = {
    "obedient": obedient,
    "wrong-text": wrong_text,
    "refusal-that-moves": refusal_that_moves,
    "card-of-another": card_of_another,
    "undeclared-header": undeclared_header,
    "undeclared-code": undeclared_code,
}


def main() -> None:
    """Plant the fault, then be `cynod`."""
    name = sys.argv.pop(1)
    FAULTS[name]()
    cli.main()


if __name__ == "__main__":
    main()
