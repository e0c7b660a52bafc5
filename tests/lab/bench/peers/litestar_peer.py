"""Litestar with msgspec structs in and out, `async def` handlers, asyncpg, SQL by hand. PostgreSQL only.

The connection is a generator dependency, the caller and then the query dependencies above it, as Litestar's
chapter on dependencies has it. Parameters are one struct, since handlers' own refuse no name too many.
"""

from __future__ import annotations

import os
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import msgspec
import uvicorn
from asyncpg.pool import PoolConnectionProxy as Connection
from litestar import Litestar, Request, Response, get, post
from litestar.datastructures import CacheControlHeader, ResponseHeader, State
from litestar.di import NamedDependency, Provide
from litestar.exceptions import ClientException, ValidationException
from litestar.params import JSONBody, SkipValidation, URLEncodedBody
from msgspec import Meta

from tests.lab.bench.peers import answers, async_store

NumeroCarte = Annotated[str, Meta(pattern=r"^[0-9]{12,19}$")]
WalletId = Annotated[str, Meta(pattern=r"^[+]?[0-9]{6,15}$")]
ClientId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,31}$")]
Place = Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._/-]{0,63}$")]
Jour = Annotated[str, Meta(pattern=r"^[0-9]{2}/[0-9]{2}/[0-9]{4}$")]
Instant = Annotated[str, Meta(pattern=r"^[0-9]{2}-[0-9]{2}-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}$")]
Numero = Annotated[str, Meta(pattern=r"^[0-9A-HJKMNP-TV-Z]{26}$")]
Reference = Annotated[str, Meta(pattern=r"^[A-Za-z0-9._:-]{1,64}$")]
Curseur = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Limite = Annotated[int, Meta(ge=1, le=100)]
Solde = Annotated[float, Meta(ge=0)]


class Item(msgspec.Struct, rename="camel", forbid_unknown_fields=True):
    """Undeclared fields are refused, both ways."""


class Envelope(Item):
    """What each success has."""

    success: bool
    code: int
    message: Annotated[str, Meta(min_length=1)]


class SoldeCarte(Item):
    """SoldeCarte."""

    numero_carte: NumeroCarte
    solde_online: Solde
    date_solde: Instant
    unite: str


class ReponseSolde(Envelope):
    """ReponseSoldeCarte."""

    data: list[SoldeCarte]


class Validite(Item):
    """ValiditeCarte."""

    numero_carte: NumeroCarte
    fin_validite: Jour
    nom: str
    prenom: str
    email: str
    telephone: str
    numero_piece: str
    date_naissance: str


class ReponseValidite(Envelope):
    """ReponseValiditeCarte."""

    data: list[Validite]


class CarteListee(Item):
    """CarteListe."""

    numero_carte: NumeroCarte
    carte_id: str
    membre_id: str
    porteur: str
    statut: str
    motif_statut: str | None
    fin_validite: Jour
    solde_online: Solde
    unite: str
    expiree: bool
    utilisable: bool


class ReponseListe(Envelope):
    """ReponseListeCartes."""

    data: list[CarteListee]
    curseur_suivant: str | None


class Ligne(Item):
    """LigneHistorique."""

    numero_operation: Numero
    reference: str | None
    type: str
    sens: str
    montant: Annotated[int, Meta(ge=1)]
    unite: str
    solde_online: Solde
    date_operation: Instant
    motif: str | None
    point_de_service: str | None
    terminal: str | None


class ReponseHistorique(Envelope):
    """ReponseHistorique."""

    data: list[Ligne]
    curseur_suivant: str | None


class Demande(Item):
    """DemandeMouvement."""

    numero_carte: NumeroCarte
    wallet_id: WalletId
    client_id: ClientId
    montant: Annotated[int, Meta(ge=1, le=1_000_000_000)]
    reference: Reference
    motif: Annotated[str, Meta(max_length=140)] | None = None
    point_de_service: Place | None = None
    terminal: Place | None = None


class Mouvement(Item):
    """Mouvement."""

    reference: Reference
    numero_operation: Numero
    type: str
    statut: str
    numero_carte: NumeroCarte
    montant: int
    unite: str
    solde_online: Solde
    date_operation: Instant


class ReponseMouvement(Envelope):
    """ReponseMouvement."""

    data: list[Mouvement]


class Jeton(Envelope, rename=None):
    """Jeton."""

    access_token: Annotated[str, Meta(min_length=20)]
    token_type: str
    expires_in: int
    scope: str


class CarteQuery(Item):
    """The three parameters of a card."""

    numero_carte: NumeroCarte
    wallet_id: WalletId
    client_id: ClientId


class ListeQuery(Item):
    """The parameters of the list."""

    client_id: ClientId
    limite: Limite = 50
    curseur: Curseur | None = None


class HistoriqueQuery(CarteQuery):
    """The parameters of the historique that the bench sends."""

    limite: Limite = 50
    curseur: Curseur | None = None


class Demandeur(Item, rename=None):
    """DemandeJeton."""

    grant_type: Annotated[str, Meta(pattern="^client_credentials$")]
    client_id: Annotated[str, Meta(max_length=128)] = ""
    client_secret: Annotated[str, Meta(max_length=256)] = ""


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
_FIELD = re.compile(r"field `(\w+)`|\$\.(\w+)`$")


def refused(_request: Request[Any, Any, Any], error: answers.Refused) -> Response[Any]:
    """The envelope of a refusal."""
    return Response(error.body, status_code=error.status)


def unfit(request: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The envelope of a request that does not fit."""
    cause = error.__cause__ if isinstance(error, ValidationException) else error
    found = _FIELD.search(str(cause))
    name = (found[1] or found[2]) if found else ""
    return refused(request, answers.malformed(name))


def unreadable(request: Request[Any, Any, Any], _error: ClientException) -> Response[Any]:
    """The envelope of a body that is no JSON."""
    return refused(request, answers.unreadable())


# ── dependencies ─────────────────────────────────────────────────────────────────────────────────
@asynccontextmanager
async def lifespan(started: Litestar) -> AsyncIterator[None]:
    """The pool, for as long as the process serves."""
    async with async_store.open_pool() as pool:
        started.state.pool = pool
        yield


async def connect(state: State) -> AsyncGenerator[Connection, None]:
    """The connection of a request."""
    async with state.pool.acquire(timeout=answers.WAIT_S) as connection:
        yield connection


Connected = NamedDependency[SkipValidation[Connection]]
Called = NamedDependency[SkipValidation[answers.Caller]]


def caller_with(scope: str) -> Provide:
    """The dependency that gives the caller, entitled to the scope."""

    async def authenticate(
        request: Request[Any, Any, Any], connection: Connected
    ) -> answers.Caller:
        header = request.headers.get("authorization")
        return await async_store.authenticate(connection, header, scope)

    return Provide(authenticate)


def query_as(kind: type[Any]) -> Provide:
    """The dependency that gives the query as a struct, to who may call."""

    async def read(request: Request[Any, Any, Any], caller: Called) -> Any:  # noqa: ARG001 - first
        return msgspec.convert(dict(request.query_params), kind, strict=False)

    return Provide(read)


def given(scope: str, query: type[Any]) -> dict[str, Provide]:
    """The dependencies of a reading handler."""
    return {"caller": caller_with(scope), "asked": query_as(query)}


# ── operations ───────────────────────────────────────────────────────────────────────────────────
@get("/health/ready")
async def ready() -> dict[str, str]:
    """Whether it serves."""
    return {"statut": "ok"}


@get("/get-solde-carte", dependencies=given("soldes:lire", CarteQuery))
async def get_solde_carte(
    connection: Connected, caller: Called, asked: NamedDependency[SkipValidation[CarteQuery]]
) -> ReponseSolde:
    """getSoldeCarte."""
    ids = (asked.numero_carte, asked.wallet_id, asked.client_id)
    return msgspec.convert(await async_store.solde(connection, caller, *ids), ReponseSolde)


@get("/check-card-validity", dependencies=given("cartes:lire", CarteQuery))
async def check_card_validity(
    connection: Connected, caller: Called, asked: NamedDependency[SkipValidation[CarteQuery]]
) -> ReponseValidite:
    """checkCardValidity."""
    ids = (asked.numero_carte, asked.wallet_id, asked.client_id)
    return msgspec.convert(await async_store.validite(connection, caller, *ids), ReponseValidite)


@get("/get-liste-cartes", dependencies=given("cartes:lire", ListeQuery))
async def get_liste_cartes(
    connection: Connected, caller: Called, asked: NamedDependency[SkipValidation[ListeQuery]]
) -> ReponseListe:
    """getListeCartes."""
    page = (asked.limite, asked.curseur)
    found = await async_store.liste(connection, caller, asked.client_id, *page)
    return msgspec.convert(found, ReponseListe)


@get("/get-historique-carte", dependencies=given("soldes:lire", HistoriqueQuery))
async def get_historique_carte(
    connection: Connected, caller: Called, asked: NamedDependency[SkipValidation[HistoriqueQuery]]
) -> ReponseHistorique:
    """getHistoriqueCarte."""
    ids = (asked.numero_carte, asked.wallet_id, asked.client_id)
    page = (asked.limite, asked.curseur)
    found = await async_store.historique(connection, caller, ids, *page)
    return msgspec.convert(found, ReponseHistorique)


@post("/debit-carte", status_code=200, dependencies={"caller": caller_with("cartes:debiter")})
async def debit_carte(
    connection: Connected, caller: Called, data: JSONBody[Demande]
) -> ReponseMouvement:
    """debitCarte."""
    found = await async_store.debiter(connection, caller, msgspec.to_builtins(data))
    return msgspec.convert(found, ReponseMouvement)


@post(
    "/access-token",
    status_code=200,
    cache_control=CacheControlHeader(no_store=True),
    response_headers=[ResponseHeader(name="Pragma", value="no-cache")],
)
async def access_token(connection: Connected, data: URLEncodedBody[Demandeur]) -> Jeton:
    """accessToken."""
    found = await async_store.jeton(connection, data.client_id, data.client_secret)
    return msgspec.convert(found, Jeton)


app = Litestar(
    [
        *(ready, get_solde_carte, check_card_validity, get_liste_cartes, get_historique_carte),
        *(debit_carte, access_token),
    ],
    dependencies={"connection": Provide(connect)},
    exception_handlers={
        answers.Refused: refused,
        msgspec.ValidationError: unfit,
        ValidationException: unfit,
        ClientException: unreadable,
    },
    lifespan=[lifespan],
    openapi_config=None,
)

if __name__ == "__main__":
    uvicorn.run(
        "tests.lab.bench.peers.litestar_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
    )
