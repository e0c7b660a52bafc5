"""FastAPI with pydantic models in and out, `def` endpoints in its thread pool, SQLAlchemy, psycopg 3.

The caller is a dependency, as FastAPI's chapter on security has it, so that who may not call learns
nothing of the form. Sessions are opened in the function that needs them: a dependency with `yield`
would cost two more passages through the thread pool, and would commit after the answer has left.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Form, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from tests.lab.bench.peers import answers, store
from tests.lab.bench.peers.pydantic_models import (
    CarteQuery,
    Demande,
    Demandeur,
    Jeton,
    ListeQuery,
    ReponseListe,
    ReponseMouvement,
    ReponseSolde,
    ReponseValidite,
)

app = FastAPI(title="CYNOD")


@app.exception_handler(answers.Refused)
async def refused(_request: Request, error: answers.Refused) -> JSONResponse:
    """The envelope of a refusal."""
    return JSONResponse(error.body, error.status)


@app.exception_handler(RequestValidationError)
async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
    """The envelope of a request that does not fit."""
    first = error.errors()[0]
    name = str(first["loc"][-1])
    found = answers.unreadable() if first["type"] == "json_invalid" else answers.malformed(name)
    return JSONResponse(found.body, found.status)


def caller_with(scope: str) -> Callable[..., answers.Caller]:
    """The dependency that gives the caller, entitled to the scope."""

    def authenticate(authorization: Annotated[str | None, Header()] = None) -> answers.Caller:
        with store.reading() as connection:
            return store.authenticate(connection, authorization, scope)

    return authenticate


SoldesLire = Annotated[answers.Caller, Depends(caller_with("soldes:lire"))]
CartesLire = Annotated[answers.Caller, Depends(caller_with("cartes:lire"))]
CartesDebiter = Annotated[answers.Caller, Depends(caller_with("cartes:debiter"))]


@app.get("/health/ready")
def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


@app.get("/get-solde-carte", response_model=ReponseSolde)
def get_solde_carte(caller: SoldesLire, query: Annotated[CarteQuery, Query()]) -> Any:
    """getSoldeCarte."""
    with store.reading() as connection:
        return store.solde(connection, caller, query.numeroCarte, query.walletId, query.clientId)


@app.get("/check-card-validity", response_model=ReponseValidite)
def check_card_validity(caller: CartesLire, query: Annotated[CarteQuery, Query()]) -> Any:
    """checkCardValidity."""
    with store.reading() as connection:
        return store.validite(connection, caller, query.numeroCarte, query.walletId, query.clientId)


@app.get("/get-liste-cartes", response_model=ReponseListe)
def get_liste_cartes(caller: CartesLire, query: Annotated[ListeQuery, Query()]) -> Any:
    """getListeCartes."""
    with store.reading() as connection:
        return store.liste(connection, caller, query.clientId, query.limite, query.curseur)


@app.post("/debit-carte", response_model=ReponseMouvement)
def debit_carte(caller: CartesDebiter, body: Annotated[Demande, Body()]) -> Any:
    """debitCarte."""
    with store.transaction() as connection:
        return store.debiter(connection, caller, body.model_dump())


@app.post("/access-token", response_model=Jeton)
def access_token(form: Annotated[Demandeur, Form()], response: Response) -> Any:
    """accessToken."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    with store.transaction() as connection:
        return store.jeton(connection, form.client_id, form.client_secret)


if __name__ == "__main__":
    uvicorn.run(
        "tests.lab.bench.peers.fastapi_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
    )
