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
from pydantic import BaseModel, ConfigDict, Field

from tests.lab.bench.peers import store

app = FastAPI(title="CYNOD")

NumeroCarte = Annotated[str, Field(pattern=r"^[0-9]{12,19}$")]
WalletId = Annotated[str, Field(pattern=r"^[+]?[0-9]{6,15}$")]
ClientId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Place = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$")]
Jour = Annotated[str, Field(pattern=r"^[0-9]{2}/[0-9]{2}/[0-9]{4}$")]
Instant = Annotated[str, Field(pattern=r"^[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
Reference = Annotated[str, Field(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]


class Model(BaseModel):
    """Undeclared fields are refused, both ways."""

    model_config = ConfigDict(extra="forbid")


class Envelope(Model):
    """What each success has."""

    success: bool
    code: int
    message: str = Field(min_length=1)


class Solde(Model):
    """SoldeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815 - the contract's
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateSolde: Instant  # noqa: N815
    unite: str


class ReponseSolde(Envelope):
    """ReponseSoldeCarte."""

    data: list[Solde]


class Validite(Model):
    """ValiditeCarte."""

    numeroCarte: NumeroCarte  # noqa: N815
    finValidite: Jour  # noqa: N815
    nom: str
    prenom: str
    email: str
    telephone: str
    numeroPiece: str  # noqa: N815
    dateNaissance: str  # noqa: N815


class ReponseValidite(Envelope):
    """ReponseValiditeCarte."""

    data: list[Validite]


class CarteListee(Model):
    """CarteListe."""

    numeroCarte: NumeroCarte  # noqa: N815
    membreId: str  # noqa: N815
    porteur: str
    statut: str
    finValidite: Jour  # noqa: N815
    soldeOnline: float = Field(ge=0)  # noqa: N815
    unite: str


class ReponseListe(Envelope):
    """ReponseListeCartes."""

    data: list[CarteListee]
    curseurSuivant: str | None  # noqa: N815


class Demande(Model):
    """DemandeMouvement."""

    numeroCarte: NumeroCarte  # noqa: N815
    walletId: WalletId  # noqa: N815
    clientId: ClientId  # noqa: N815
    montant: int = Field(ge=1, le=1_000_000_000, strict=True)
    reference: Reference
    motif: str | None = Field(default=None, max_length=140)
    pointDeService: Place | None = None  # noqa: N815
    terminal: Place | None = None


class Mouvement(Model):
    """Mouvement."""

    reference: Reference
    numeroOperation: str = Field(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")  # noqa: N815
    type: str
    statut: str
    numeroCarte: NumeroCarte  # noqa: N815
    montant: int
    unite: str
    soldeOnline: float = Field(ge=0)  # noqa: N815
    dateOperation: Instant  # noqa: N815


class ReponseMouvement(Envelope):
    """ReponseMouvement."""

    data: list[Mouvement]


class Jeton(Envelope):
    """Jeton."""

    access_token: str = Field(min_length=20)
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
    curseur: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{1,64}$")


class Demandeur(Model):
    """DemandeJeton."""

    grant_type: str = Field(pattern="^client_credentials$")
    client_id: str = Field(default="", max_length=128)
    client_secret: str = Field(default="", max_length=256)


@app.exception_handler(store.Refused)
async def refused(_request: Request, error: store.Refused) -> JSONResponse:
    """The envelope of a refusal."""
    return JSONResponse(error.body, error.status)


@app.exception_handler(RequestValidationError)
async def malformed(_request: Request, error: RequestValidationError) -> JSONResponse:
    """The envelope of a request that does not fit."""
    first = error.errors()[0]
    name = str(first["loc"][-1])
    found = store.unreadable() if first["type"] == "json_invalid" else store.malformed(name)
    return JSONResponse(found.body, found.status)


def caller_with(scope: str) -> Callable[..., store.Caller]:
    """The dependency that gives the caller, entitled to the scope."""

    def authenticate(authorization: Annotated[str | None, Header()] = None) -> store.Caller:
        with store.reading() as connection:
            return store.authenticate(connection, authorization, scope)

    return authenticate


SoldesLire = Annotated[store.Caller, Depends(caller_with("soldes:lire"))]
CartesLire = Annotated[store.Caller, Depends(caller_with("cartes:lire"))]
CartesDebiter = Annotated[store.Caller, Depends(caller_with("cartes:debiter"))]


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
