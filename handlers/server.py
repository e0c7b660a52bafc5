"""`cynod serve`: start-up with clear sentences, uvicorn as we need it, an orderly end."""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import click
import structlog
import uvicorn
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from uvicorn.config import Config

from handlers.app import create_app, open_database
from handlers.contract.model import Contract, ContractError
from handlers.contracts import load_contracts
from handlers.edge.bridge import CynodApp
from handlers.edge.logs import configure_logs
from handlers.edge.protocol import Protocol, teach_protocol
from handlers.metrics.table import METRICS_PATH
from handlers.operateur import read_operateur
from handlers.processes import Counted, Family
from handlers.settings import Settings, SettingsError
from models import migrate
from models.database.engine import (
    describe_error,
    describe_missing,
    find_durability_gap,
    is_missing,
)
from models.database.failures import DatabaseUrlError, OccupiedError
from models.database.presence import enlisted, held, this_server
from models.partenaire import database_holds_anything

BACKLOG = 1024

WORKER_PATIENCE_S = 60
"""How long a worker process may be silent. uvicorn's 5 s kill workers that start slowly on a busy
machine, again and again: a worker answers nothing while it still imports."""


class Server(uvicorn.Server):
    """uvicorn's server, which ends with exit code 0 after SIGINT or SIGTERM."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Upstream raises the captured signal again after the shutdown, so that the process dies of
        it; an orderly end is a success here."""
        previous = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)


def serve(
    settings: Settings,
    contracts: Sequence[Contract] = (),
    *,
    workers: int = 1,
    demo: bool = False,
) -> int:
    """Serve until SIGINT or SIGTERM. The exit code: 0 after an orderly end, 1 when it cannot start.

    `contracts` are those of the settings, where they were read already.
    """
    configure_logs(settings)
    with ExitStack() as known:
        return _serve(settings, contracts, known, workers=workers, demo=demo)


def _serve(
    settings: Settings,
    contracts: Sequence[Contract],
    known: ExitStack,
    *,
    workers: int,
    demo: bool,
) -> int:
    try:
        contracts = contracts or load_contracts(settings)
        app = create_app(settings, contracts=contracts)  # refuses what is wrong, before listening
        seeded = _prepare_database(settings, contracts, known, demo=demo)
        demo = demo and not settings.is_production
        agents = _seed_agents(settings, contracts) if demo else []
        # With processes of their own nobody is let in before one of them can answer.
        alone = workers == 1 and app.recorder is None
        listener = listen(settings) if alone else bind(settings.host, settings.port)
        metrics = _metrics(settings)
    except (ContractError, SettingsError, DatabaseUrlError, StartupError) as error:
        click.echo(f"cynod: {error}", err=True)
        return 1
    _announce(settings, contracts, listener, demo=demo, seeded=seeded, agents=agents)
    if metrics is not None:
        click.echo(f"Metrics: {address_of(metrics)}{METRICS_PATH}")
    teach_protocol(contracts[0], settings.url_publique)
    config = server_config(app, settings, workers=workers)
    _keep_what_is_built(config)
    if alone:
        Server(config).run(sockets=[listener])
    else:
        Family(config, [listener], _counted(app, metrics, settings)).run()
    return 0


def _counted(app: CynodApp, metrics: socket.socket | None, settings: Settings) -> Counted | None:
    if app.recorder is None or metrics is None:
        return None
    return Counted(app.recorder, metrics, settings)


def _metrics(settings: Settings) -> socket.socket | None:
    """The socket on which Prometheus asks; None where nothing is counted. Raises StartupError."""
    if settings.metriques is None:
        return None
    listener = bind(*settings.metriques)
    listener.listen(BACKLOG)
    return listener


def _keep_what_is_built(config: Config) -> None:
    """Build what is left, and have the collector of garbage look at none of it again.

    A collection stops all calls for a tenth of a second, finds nothing there, and writes to each object
    that it looks at: workers would share none of them any more.
    """
    config.load()
    config.get_loop_factory()  # imports the event loop, and makes none
    gc.freeze()
    gc.enable()


def server_config(app: Any, settings: Settings, *, workers: int = 1) -> Config:
    """uvicorn as we need it."""
    return Config(
        app,
        workers=workers,
        http=partial(Protocol, request_s=settings.deadline_s),  # type: ignore[arg-type]  # it makes one
        ws="none",
        lifespan="on",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        backlog=BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=settings.stop_s,
        timeout_worker_healthcheck=WORKER_PATIENCE_S,
    )


class StartupError(Exception):
    """The server cannot start; the text is one sentence."""


def _check_schema(connection: Connection) -> None:
    behind = migrate.describe_gap(connection)
    if behind is not None:
        raise StartupError(behind)
    ahead = migrate.describe_advance(connection)
    if ahead is not None:
        click.echo(f"cynod: {ahead}.", err=True)


def _prepare_database(
    settings: Settings, contracts: Sequence[Contract], known: ExitStack, *, demo: bool
) -> bool:
    """Migrate and seed for `--demo`, else require a database on which this version can serve, where it is
    `known` from then on. True when it was seeded."""
    database = open_database(settings)
    try:
        if demo:
            migrate.upgrade(database)
        elif is_missing(database):
            raise StartupError(describe_missing(database))
        with held(database, alone=False), database.reading() as connection:
            known.enter_context(
                enlisted(database, this_server(contracts[0].version, migrate.expected_revision()))
            )
            _check_schema(connection)
            gap = find_durability_gap(connection) if settings.is_production else None
            if gap is not None:
                raise StartupError(
                    f"the database can lose acknowledged operations ({gap}); see docs/deploiement.md."
                )
        if not demo or settings.is_production:
            return False
        from models.books.demo import seed_demo  # noqa: PLC0415 - no other server needs it

        with database.transaction() as connection:
            if database_holds_anything(connection):
                return False
            partners = [one for one in contracts if not one.surface.persons]
            scopes = sorted({scope for one in partners for scope in one.scopes})
            seed_demo(connection, read_operateur(), scopes=scopes, pepper=settings.pepper)
        return True
    except OccupiedError:
        raise StartupError(
            "a migration of the database is running; start again when it ended."
        ) from None
    except migrate.OlderServersError as error:
        raise StartupError(migrate.describe_older_servers(error)) from None
    except (DBAPIError, OSError) as error:
        raise StartupError(describe_error(database, error)) from None
    finally:
        database.close()


def _seed_agents(settings: Settings, contracts: Sequence[Contract]) -> list[str]:
    """What is told of the demo's agents, each with a token; nothing where a provider makes their tokens.

    Raises StartupError.
    """
    if settings.oidc_emetteur or not any(one.surface.persons for one in contracts):
        return []
    # The back office, which a server of partners never needs.
    from handlers.edge.local_issuer import DUREE_S, LocalIssuer  # noqa: PLC0415 - as it says
    from models.back_office.demo import (  # noqa: PLC0415 - as it says
        find_agents,
        seed_agents,
        seed_machine,
    )

    database = open_database(settings)
    issuer = LocalIssuer(Path(settings.cle_locale))
    try:
        with database.transaction() as connection:
            seed_agents(connection, read_operateur(), issuer.emetteur)
            seed_machine(connection, read_operateur(), pepper=settings.pepper)
            found = find_agents(connection, issuer.emetteur)
        return [
            f"Demo agent {one.agent_id} ({', '.join(one.roles)}), token for {DUREE_S // 60} minutes:\n"
            f"  {issuer.sign(one.sujet, settings.oidc_audience)}"
            for one in found
        ]
    except (OSError, ValueError) as error:
        raise StartupError(f"the key {settings.cle_locale} cannot be used: {error}.") from None
    finally:
        database.close()


def listen(settings: Settings) -> socket.socket:
    """The socket to serve on, which takes connections. Raises StartupError."""
    listener = bind(settings.host, settings.port)
    listener.listen(BACKLOG)
    return listener


def bind(host: str, port: int) -> socket.socket:
    """The socket to serve on; whoever serves has it listen. Raises StartupError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise StartupError(
            f"cannot listen on {host}:{port}: {(error.strerror or str(error)).lower()}."
        ) from None
    listener.set_inheritable(True)
    return listener


def address_of(listener: socket.socket) -> str:
    """`http://127.0.0.1:8080`."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _announce(
    settings: Settings,
    contracts: Sequence[Contract],
    listener: socket.socket,
    *,
    demo: bool,
    seeded: bool,
    agents: Sequence[str],
) -> None:
    address = address_of(listener)
    lines = [f"CYNOD API: {address}"]
    for one in contracts:
        of = f" of {one.surface.name}" if len(contracts) > 1 else ""
        place = f"{address}{one.surface.prefix}"
        lines += [
            f"Documentation{of}: {place}/",
            f"Console{of}: {place}/ui",
            f"Contract{of}: {place}/openapi.yaml",
        ]
    if demo:
        note = " (seeded now)" if seeded else ""
        lines.append(f"Demo credentials: demo-partenaire / demo-secret{note}")
    lines += agents
    lines.append("Stop with Ctrl-C.")
    click.echo("\n".join(lines))
    if settings.is_production and not settings.pepper:
        structlog.get_logger("cynod").warning(
            "CYNOD_PEPPER is not set: stored hashes of secrets have no key of this deployment"
        )
