"""`cynod` with a fault that was put into it on purpose: `python -m tests.fuzz.planted FAULT serve …`.

`obedient` serves as it ships, except that a header of the request makes it fail or dawdle: so are the
accidents provoked that nothing sent from outside can cause. The others are what the tests of the
command plant, to see it go red.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sqlalchemy import text, update
from sqlalchemy.exc import OperationalError

import handlers.cartes
from handlers import cli
from handlers.edge import front
from handlers.edge.errors import Envelopes
from handlers.edge.operation import OperationRunner
from models.carte import cartes
from models.db import sqlite_module
from models.errors import OperationInconnue, SoldeInsuffisant

FAULT_HEADER = b"x-cynod-fuzz"
DAWDLE_S = 1.5


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

    OperationRunner._execute = obey  # type: ignore[method-assign] # noqa: SLF001


def wrong_text() -> None:
    """The text of one code is not the catalogue's."""
    render = Envelopes.render

    def misspell(self: Envelopes, *args: Any, **options: Any) -> tuple[int, dict[str, Any]]:
        status, body = render(self, *args, **options)
        if body["code"] == "412":
            body["message"] = "Utilisateur introuvable"
        return status, body

    Envelopes.render = misspell  # type: ignore[method-assign]


def refusal_that_moves() -> None:
    """A debit above the solde is refused, and takes a franc all the same."""
    run: Callable[..., Any] = OperationRunner._run  # noqa: SLF001 - the place to break

    def leak(runner: OperationRunner, call: Any) -> Any:
        try:
            return run(runner, call)
        except SoldeInsuffisant:
            with runner._database.transaction() as session:  # noqa: SLF001 - as above
                session.execute(
                    update(cartes).where(cartes.c.solde > 1000).values(solde=cartes.c.solde - 1)
                )
            raise

    OperationRunner._run = leak  # type: ignore[method-assign] # noqa: SLF001


def card_of_another() -> None:
    """The list of cards forgets whose clients they are."""
    listing: Any = handlers.cartes.list_cartes

    def show_all(session: Any, partenaire: Any, **filters: Any) -> Any:
        page = listing(session, partenaire, **filters)
        row = session.execute(
            text("SELECT numero_carte FROM cartes WHERE numero_carte LIKE '70198077661%' LIMIT 1")
        ).scalar_one()
        return replace(page, cartes=[replace(one, numero_carte=row) for one in page.cartes])

    handlers.cartes.list_cartes = show_all


def undeclared_header() -> None:
    """A header that the contract does not have leaves with every answer."""
    front._DEFAULTS = (*front._DEFAULTS, (b"x-node", b"api-1"))  # type: ignore[assignment] # noqa: SLF001


def undeclared_code() -> None:
    """A code that the operation does not list leaves where the edge's own guard should stop it."""
    check: Callable[..., Any] = OperationRunner._check  # noqa: SLF001 - the place to break

    def refuse(runner: OperationRunner, call: Any) -> Any:
        arguments = check(runner, call)
        if runner.operation.operation_id == "mesDroits":
            object.__setattr__(runner.operation, "codes", runner.operation.codes | {"4006"})
            raise OperationInconnue
        return arguments

    OperationRunner._check = refuse  # type: ignore[method-assign] # noqa: SLF001


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
