"""FastAPI with pydantic models in and out, sync endpoints in its thread pool, SQLAlchemy, psycopg 3."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Annotated, Any

import uvicorn
from fastapi import Body, Depends, FastAPI, Form, Header, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from tests.bench.peers import store

database = store.open_database()
app = FastAPI(title="CYNOD")

NumeroCarte = Annotated[str, Field(pattern=r"^[0-9]{12,19}$")]
WalletId = Annotated[str, Field(pattern=r"^[+]?[0-9]{6,15}$")]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Authorization = Annotated[str | None, Header()]


class Model(BaseModel):
    """Undeclared fields are refused, on both ways."""

    model_config = ConfigDict(extra="forbid")


class Solde(Model):
    """SoldeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateSolde: str = Field(pattern=r"^\d{2}-\d{2}-\d{4} \d{2}:\d{2}:\d{2}$")  # noqa: N815
    unite: str


class ReponseSolde(Model):
    """ReponseSoldeCarte."""

    success: bool
    code: int
    message: str
    data: list[Solde]


class Validite(Model):
    """ValiditeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815
    finValidite: str = Field(pattern=r"^\d{2}/\d{2}/\d{4}$")  # noqa: N815
    nom: str
    prenom: str
    email: str
    telephone: str
    numeroPiece: str  # noqa: N815
    dateNaissance: str  # noqa: N815


class ReponseValidite(Model):
    """ReponseValiditeCarte."""

    success: bool
    code: int
    message: str
    data: list[Validite]


class CarteListee(Model):
    """CarteListe."""

    numeroCarte: NumeroCarte  # noqa: N815
    membreId: str  # noqa: N815
    porteur: str
    statut: str
    finValidite: str  # noqa: N815
    soldeOnline: float  # noqa: N815
    unite: str


class ReponseListe(Model):
    """ReponseListeCartes."""

    success: bool
    code: int
    message: str
    data: list[CarteListee]
    curseurSuivant: str | None  # noqa: N815


class Demande(Model):
    """DemandeMouvement."""

    numeroCarte: NumeroCarte  # noqa: N815
    walletId: WalletId  # noqa: N815
    clientId: ClientId  # noqa: N815
    montant: int = Field(ge=1, le=1_000_000_000, strict=True)
    reference: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")
    motif: str | None = Field(default=None, max_length=140)
    pointDeService: str | None = Field(default=None, max_length=64)  # noqa: N815
    terminal: str | None = Field(default=None, max_length=64)


class Mouvement(Model):
    """Mouvement."""

    reference: str
    numeroOperation: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")  # noqa: N815
    type: str
    statut: str
    numeroCarte: NumeroCarte  # noqa: N815
    montant: int
    unite: str
    soldeOnline: float  # noqa: N815
    dateOperation: str  # noqa: N815


class ReponseMouvement(Model):
    """ReponseMouvement."""

    success: bool
    code: int
    message: str
    data: list[Mouvement]


class Jeton(Model):
    """Jeton."""

    success: bool
    code: int
    message: str
    access_token: str
    token_type: str
    expires_in: int
    scope: str


class CarteQuery(Model):
    """The three parameters of a card."""

    numeroCarte: NumeroCarte  # noqa: N815
    walletId: WalletId  # noqa: N815
    clientId: ClientId  # noqa: N815


class ListeQuery(Model):
    """The parameters of the list."""

    clientId: ClientId  # noqa: N815
    limite: int = Field(default=50, ge=1, le=100)


@app.exception_handler(store.Refused)
def refused(_request: Request, error: store.Refused) -> JSONResponse:
    """The envelope of a refusal."""
    return JSONResponse(error.body, error.status)


@app.exception_handler(RequestValidationError)
def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
    """The envelope of a request that does not fit."""
    found = store.malformed(str(error.errors()[0]["loc"][-1]))
    return JSONResponse(found.body, found.status)


def reading() -> Iterator[Any]:
    """A connection for a request that only reads."""
    with database.reading() as session:
        yield session


Reading = Annotated[Any, Depends(reading)]


def caller_with(scope: str) -> Callable[..., store.Caller]:
    """The caller, looked up before anything is said of the request's form."""

    def authenticate(session: Reading, authorization: Authorization = None) -> store.Caller:
        return store.authenticate(session, authorization, scope)

    return authenticate


SoldesLire = Annotated[store.Caller, Depends(caller_with("soldes:lire"))]
CartesLire = Annotated[store.Caller, Depends(caller_with("cartes:lire"))]
CartesDebiter = Annotated[store.Caller, Depends(caller_with("cartes:debiter"))]


@app.get("/health/ready")
def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


@app.get("/get-solde-carte", response_model=ReponseSolde)
def get_solde(caller: SoldesLire, query: Annotated[CarteQuery, Query()], session: Reading) -> Any:
    """getSoldeCarte."""
    item = store.solde(session, caller, query.numeroCarte, query.walletId, query.clientId)
    return store.answer(store.SOLDE, item)


@app.get("/check-card-validity", response_model=ReponseValidite)
def check(caller: CartesLire, query: Annotated[CarteQuery, Query()], session: Reading) -> Any:
    """checkCardValidity."""
    item = store.validite(session, caller, query.numeroCarte, query.walletId, query.clientId)
    return store.answer(store.VALIDE, item)


@app.get("/get-liste-cartes", response_model=ReponseListe)
def liste(caller: CartesLire, query: Annotated[ListeQuery, Query()], session: Reading) -> Any:
    """getListeCartes."""
    return store.page(store.liste(session, caller, query.clientId, query.limite), query.limite)


@app.post("/debit-carte", response_model=ReponseMouvement)
def debit(caller: CartesDebiter, body: Annotated[Demande, Body()], session: Reading) -> Any:
    """debitCarte."""
    with database.transaction(on=session):
        item = store.debiter(session, caller, body.model_dump())
    return store.answer(store.DEBITE, item)


@app.post("/access-token", response_model=Jeton)
def token(
    grant_type: Annotated[str, Form(pattern="^client_credentials$")],  # noqa: ARG001 - checked
    client_id: Annotated[str, Form()],
    client_secret: Annotated[str, Form()],
) -> Any:
    """accessToken."""
    with database.transaction() as session:
        return store.jeton(session, client_id, client_secret)


if __name__ == "__main__":
    uvicorn.run(
        "tests.bench.peers.fastapi_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
    )
