"""create_app: the only place that wires contract, settings, database and edge together."""

from __future__ import annotations

from collections.abc import Callable

from handlers.contract.model import Contract
from handlers.contract.reading import load
from handlers.contract.selfcheck import check_oneself
from handlers.edge.bridge import PROBES, CynodApp, Runners
from handlers.edge.claims import Claims
from handlers.edge.limits import RateLimits
from handlers.edge.replies import Refusals
from handlers.edge.resolver import HandlerResolver
from handlers.edge.runner import OperationRunner
from handlers.edge.security import Security
from handlers.settings import Settings, SettingsError
from handlers.site.packages import packages
from handlers.site.pages import pages
from models.database.engine import Database


def open_database(settings: Settings) -> Database:
    """The database of the settings. Raises models.database.engine.DatabaseUrlError."""
    return Database(
        settings.database_url,
        pool_size=settings.pool_size + PROBES,
        attente_s=settings.attente_s,
    )


def check_switched_off(contract: Contract, settings: Settings) -> None:
    """Raises SettingsError for an operation that cannot be switched off."""
    unknown = sorted(settings.desactivees - contract.optional_operations)
    if unknown:
        raise SettingsError(
            f"CYNOD_OPERATIONS_DESACTIVEES names {unknown[0]}; the optional operations are "
            f"{', '.join(sorted(contract.optional_operations)) or 'none'}."
        )


def create_app(
    settings: Settings, *, contract: Contract | None = None, database: Database | None = None
) -> CynodApp:
    """The ASGI application. Raises ContractError, SettingsError or DatabaseUrlError.

    `database`, when given, stays the caller's to close.
    """
    contract = contract or load(settings.contract)
    own_database = database is None
    database = database or open_database(settings)
    resolver = HandlerResolver(contract)
    refusals = Refusals(contract)
    security = Security(settings)
    limits = RateLimits(contract, settings)
    check_switched_off(contract, settings)
    conformite = check_oneself(contract, settings.desactivees)
    runners = {
        operation_id: OperationRunner(
            operation,
            resolver.handlers[operation_id],
            contract=contract,
            settings=settings,
            database=database,
            security=security,
            limits=limits,
            refusals=refusals,
            conformite=conformite,
        )
        for operation_id, operation in contract.operations.items()
    }

    return assemble(
        contract,
        settings,
        resolver=resolver,
        refusals=refusals,
        runners=runners,
        claims=Claims(security),
        threads=settings.pool_size,
        on_close=database.close if own_database else None,
    )


def assemble(
    contract: Contract,
    settings: Settings,
    *,
    resolver: HandlerResolver,
    refusals: Refusals,
    runners: Runners,
    claims: Claims,
    threads: int,
    on_close: Callable[[], None] | None = None,
) -> CynodApp:
    """The application around what answers each operation; `on_close` is called when it ends."""

    def close() -> None:
        app.close()
        if on_close is not None:
            on_close()

    app = CynodApp(
        __name__,
        contract=contract,
        resolver=resolver,
        runners=runners,
        threads=threads,
        front={
            "refusals": refusals,
            "pages": pages(contract, packages(settings.clients, contract)),
            "served_version": contract.served_version,
            "proxies": settings.proxies,
            "claims": claims,
            "on_shutdown": close,
        },
    )
    return app
