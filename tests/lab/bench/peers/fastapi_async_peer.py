"""FastAPI with pydantic models in and out, `async def` endpoints, asyncpg, SQL by hand. PostgreSQL only.

The connection is a dependency with `yield` and the caller one above it, as FastAPI's chapters on
dependencies and on security have it; both are of one request, and so is the connection.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any

import uvicorn
from asyncpg.pool import PoolConnectionProxy as Connection
from fastapi import Body, Depends, FastAPI, Form, Header, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from tests.lab.bench.peers import answers, async_store
from tests.lab.bench.peers.pydantic_models import (
    CarteQuery,
    Demande,
    Demandeur,
    HistoriqueQuery,
    Jeton,
    ListeQuery,
    ReponseHistorique,
    ReponseListe,
    ReponseMouvement,
    ReponseSolde,
    ReponseValidite,
)


@asynccontextmanager
async def lifespan(started: FastAPI) -> AsyncIterator[None]:
    """The pool, for as long as the process serves."""
    async with async_store.open_pool() as pool:
        started.state.pool = pool
        yield


app = FastAPI(title="CYNOD", lifespan=lifespan)


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


async def connect(request: Request) -> AsyncIterator[Connection]:
    """The connection of a request."""
    async with request.app.state.pool.acquire(timeout=answers.WAIT_S) as connection:
        yield connection


Connected = Annotated[Connection, Depends(connect)]


def caller_with(scope: str) -> Callable[..., Awaitable[answers.Caller]]:
    """The dependency that gives the caller, entitled to the scope."""

    async def authenticate(
        connection: Connected, authorization: Annotated[str | None, Header()] = None
    ) -> answers.Caller:
        return await async_store.authenticate(connection, authorization, scope)

    return authenticate


SoldesLire = Annotated[answers.Caller, Depends(caller_with("soldes:lire"))]
CartesLire = Annotated[answers.Caller, Depends(caller_with("cartes:lire"))]
CartesDebiter = Annotated[answers.Caller, Depends(caller_with("cartes:debiter"))]


@app.get("/health/ready")
async def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


@app.get("/get-solde-carte", response_model=ReponseSolde)
async def get_solde_carte(
    connection: Connected, caller: SoldesLire, query: Annotated[CarteQuery, Query()]
) -> Any:
    """getSoldeCarte."""
    ids = (query.numeroCarte, query.walletId, query.clientId)
    return await async_store.solde(connection, caller, *ids)


@app.get("/check-card-validity", response_model=ReponseValidite)
async def check_card_validity(
    connection: Connected, caller: CartesLire, query: Annotated[CarteQuery, Query()]
) -> Any:
    """checkCardValidity."""
    ids = (query.numeroCarte, query.walletId, query.clientId)
    return await async_store.validite(connection, caller, *ids)


@app.get("/get-liste-cartes", response_model=ReponseListe)
async def get_liste_cartes(
    connection: Connected, caller: CartesLire, query: Annotated[ListeQuery, Query()]
) -> Any:
    """getListeCartes."""
    page = (query.limite, query.curseur)
    return await async_store.liste(connection, caller, query.clientId, *page)


@app.get("/get-historique-carte", response_model=ReponseHistorique)
async def get_historique_carte(
    connection: Connected, caller: SoldesLire, query: Annotated[HistoriqueQuery, Query()]
) -> Any:
    """getHistoriqueCarte."""
    ids = (query.numeroCarte, query.walletId, query.clientId)
    return await async_store.historique(connection, caller, ids, query.limite, query.curseur)


@app.post("/debit-carte", response_model=ReponseMouvement)
async def debit_carte(
    connection: Connected, caller: CartesDebiter, body: Annotated[Demande, Body()]
) -> Any:
    """debitCarte."""
    return await async_store.debiter(connection, caller, body.model_dump())


@app.post("/access-token", response_model=Jeton)
async def access_token(
    connection: Connected, form: Annotated[Demandeur, Form()], response: Response
) -> Any:
    """accessToken."""
    response.headers["Cache-Control"] = "no-store"
    response.headers["Pragma"] = "no-cache"
    return await async_store.jeton(connection, form.client_id, form.client_secret)


if __name__ == "__main__":
    uvicorn.run(
        "tests.lab.bench.peers.fastapi_async_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
    )
