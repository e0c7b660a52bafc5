"""create_app: the only place that wires contracts, settings, database and edge together."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from connexion.spec import OpenAPISpecification
from sqlalchemy import Engine

from handlers.contract.model import Contract
from handlers.contract.selfcheck import check_oneself
from handlers.contract.surface import PARTENAIRE
from handlers.contract.together import check_together
from handlers.contracts import load_contracts
from handlers.edge.bridge import PROBES, CynodApp, Runners
from handlers.edge.claims import Claims
from handlers.edge.limits import RateLimits
from handlers.edge.replies import Refusals
from handlers.edge.resolver import HandlerResolver
from handlers.edge.rooms import Patient, Rooms, Turns
from handlers.edge.runner import OperationRunner
from handlers.edge.security import Security
from handlers.edge.seen import AddressesSeen
from handlers.edge.traces import Tracing, find_tracing, is_configured
from handlers.edge.usage import Usage
from handlers.edge.voices import Voice, Voices
from handlers.edge.watching import Watching
from handlers.edge.workers import Together, Workers
from handlers.metrics.recorder import Recorder
from handlers.settings import Settings, SettingsError
from handlers.site.packages import Package, packages
from handlers.site.pages import pages
from models.agent import note_activite
from models.authentification import forget_jetons
from models.base import now, today
from models.database import observed
from models.database.engine import Database
from models.database.presence import Serveur, introduce, this_server
from models.migrate import expected_revision
from models.secret import note_usage

# A contract is checked when it is read, against OpenAPI's own schema too, with its defaults, and each fault
# is told with its place. Connexion's check of the same takes longer than all the rest of an application.
OpenAPISpecification.openapi_schema = {}

READERS = 2
"""Threads that read from SQLite. They wait for nothing but each other: more of them are slower."""

ENDING_S = 2.0
"""How long the end waits for all that is written down beside the calls: a database that does not answer then
does not answer any more, and whoever ends a server waits for it."""

DAY_S = 86_400
"""A secret is noted as used once in so many seconds."""

ACTIVITE_S = 300
"""An agent is noted as active once in so many seconds."""

JETONS_S = 60
"""Old tokens of a partner who asks for one are forgotten once in so many seconds."""

KEPT = 2
"""Connections that serve reads alone, whatever writes wait for: one reads a card in half a millisecond. The
more transactions commit at once, the more of them share a flush of the log."""


def open_database(settings: Settings, serveur: Serveur | None = None) -> Database:
    """The database of the settings, which is told whose the sessions of a server are.

    Raises models.database.engine.DatabaseUrlError.
    """
    return Database(
        settings.database_url,
        pool_size=settings.pool_size + PROBES + READERS,
        wait_s=settings.wait_s,
        introduce=partial(_introduce, settings, serveur),
        standby_url=settings.lecture_url,
        standby_s=settings.lecture_retard_s,
    )


def _introduce(settings: Settings, serveur: Serveur | None, engine: Engine) -> None:
    if serveur is not None:
        introduce(engine, serveur)
    if settings.metriques is not None or is_configured():
        observed.watch(engine)


def check_contracts(contracts: Sequence[Contract], settings: Settings) -> None:
    """Raises ContractError for contracts that cannot stand side by side, and SettingsError for an
    operation that cannot be switched off."""
    check_together(contracts)
    optional = sorted(name for one in contracts for name in one.optional_operations)
    unknown = sorted(settings.desactivees - set(optional))
    if unknown:
        raise SettingsError(
            f"CYNOD_OPERATIONS_DESACTIVEES names {unknown[0]}; the optional operations are "
            f"{', '.join(optional) or 'none'}."
        )


def check_provider(contracts: Sequence[Contract], settings: Settings) -> None:
    """Raises SettingsError for persons in production whom no provider would identify."""
    of_persons = _names_of_persons(contracts)
    if of_persons and settings.is_production and not settings.oidc_emetteur:
        raise SettingsError(
            f"CYNOD_SURFACES names {of_persons[0]}, whose callers are persons: set CYNOD_OIDC_EMETTEUR to the"
            " issuer of their tokens."
        )


def _names_of_persons(contracts: Sequence[Contract]) -> list[str]:
    """The surfaces that have operations which persons call."""
    return [
        one.surface.name
        for one in contracts
        if any(operation.by_person for operation in one.operations.values())
    ]


@dataclass(frozen=True, slots=True)
class Mounted:
    """A contract with what answers its operations."""

    contract: Contract
    resolver: HandlerResolver
    refusals: Refusals
    runners: Runners


def create_app(
    settings: Settings,
    *,
    contracts: Sequence[Contract] | None = None,
    database: Database | None = None,
) -> CynodApp:
    """The ASGI application. Raises ContractError, SettingsError or DatabaseUrlError.

    `contracts` are those of the settings unless given. `database`, when given, stays the caller's to close.
    """
    contracts = contracts or load_contracts(settings)
    own_database = database is None
    serveur = this_server(contracts[0].version, expected_revision())
    database = database or open_database(settings, serveur)
    usage = Usage(database, note_usage, today, every_s=DAY_S, undone="usage d'un secret non noté")
    activite = Usage(
        database, note_activite, now, every_s=ACTIVITE_S, undone="usage d'un agent non noté"
    )
    adresses = AddressesSeen(database)
    jetons = Usage(
        database, forget_jetons, now, every_s=JETONS_S, undone="jetons expirés non oubliés"
    )
    security = Security(settings, usage, adresses, jetons)
    resolvers = [HandlerResolver(contract) for contract in contracts]
    # Behind the resolvers, which import whatever asks the database: its statements have names.
    recorder = None if settings.metriques is None else Recorder(contracts)
    common = {
        "settings": settings,
        "database": database,
        "security": security,
        "limits": RateLimits(contracts, settings, recorder),
        "recorder": recorder,
    }
    check_contracts(contracts, settings)
    check_provider(contracts, settings)
    of_persons = _runner_of_persons(contracts, settings, activite)
    return assemble(
        [
            _mount(contract, resolver, common, of_persons)
            for contract, resolver in zip(contracts, resolvers, strict=True)
        ],
        settings,
        claims=Claims(security),
        rooms=_rooms(database, settings),
        recorder=recorder,
        tracing=find_tracing(contracts[0].version, database.dialect),
        on_close=partial(
            _close, (adresses, usage, activite, jetons), database if own_database else None
        ),
    )


MakeRunner = Callable[..., OperationRunner]


def _runner_of_persons(
    contracts: Sequence[Contract], settings: Settings, note_activite: Callable[[str], None]
) -> MakeRunner:
    """What makes runners of operations that persons call."""
    if not _names_of_persons(contracts):
        return OperationRunner  # it makes none of them
    from handlers.edge import persons  # noqa: PLC0415 - 9 MiB that a server of partners never needs

    return partial(
        persons.PersonRunner,
        persons=persons.open_persons(settings),
        note_activite=note_activite,
    )


def _mount(
    contract: Contract,
    resolver: HandlerResolver,
    common: Mapping[str, Any],
    of_persons: MakeRunner,
) -> Mounted:
    """A contract with a runner for each operation, made of what all runners share."""
    settings: Settings = common["settings"]
    refusals = Refusals(contract, settings)
    given = {
        **common,
        "contract": contract,
        "refusals": refusals,
        "conformite": check_oneself(contract, settings.switched_off),
    }
    runners = {
        name: (of_persons if operation.by_person else OperationRunner)(
            operation, resolver.handlers[name], **given
        )
        for name, operation in contract.operations.items()
    }
    return Mounted(contract, resolver, refusals, runners)


def _close(usages: Iterable[Usage[Any, Any] | AddressesSeen], database: Database | None) -> None:
    until = time.monotonic() + ENDING_S
    for usage in usages:
        usage.close(max(0.0, until - time.monotonic()))
    if database is not None:
        database.close()


def assemble(
    mounted: Sequence[Mounted],
    settings: Settings,
    *,
    claims: Claims,
    rooms: Rooms,
    recorder: Recorder | None = None,
    tracing: Tracing | None = None,
    on_close: Callable[[], None] | None = None,
) -> CynodApp:
    """The application around what answers each operation; `on_close` is called when it ends."""
    watching = Watching(recorder, tracing)

    def close() -> None:
        watching.stop()
        app.close()
        if on_close is not None:
            on_close()

    voices = [
        Voice(one.contract, one.refusals, pages(one.contract, _packages(one.contract, settings)))
        for one in mounted
    ]
    app = CynodApp(
        __name__,
        contracts=[(one.contract, one.resolver) for one in mounted],
        runners={name: runner for one in mounted for name, runner in one.runners.items()},
        rooms=rooms,
        front={
            "voices": Voices(voices),
            "proxies": settings.proxies,
            "claims": claims,
            "deadline_s": settings.deadline_s,
            "on_shutdown": close,
            "on_startup": partial(watching.start, rooms),
            "recorder": recorder,
            "tracing": tracing,
        },
        recorder=recorder,
    )
    # Upstream does it at the first event: each worker would do it, for itself alone.
    middleware = app.middleware
    middleware.app, middleware.middleware_stack = middleware._build_middleware_stack()  # noqa: SLF001
    return app


def _rooms(database: Database, settings: Settings) -> Rooms:
    """Calls wait for PostgreSQL on the event loop; SQLite does its work in the thread that asks."""
    if database.has_places:
        size = settings.pool_size
        places = database.make_places(size + PROBES)
        turns = Turns(places[PROBES:], kept=min(KEPT, size - 1))
        return Rooms(turns, Patient(turns), Turns(places[:PROBES]))
    return Rooms(
        Workers(READERS, "read", database.make_seat),
        Together("write", database.make_shared_seat),
        Workers(PROBES, "probe", database.make_seat),
    )


def _packages(contract: Contract, settings: Settings) -> list[Package]:
    """The ready clients, which are made of the partners' contract only."""
    return packages(settings.clients, contract) if contract.surface is PARTENAIRE else []
