"""A server in a thread of the tests' own process, over a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import httpx
import uvicorn
from uvicorn.config import Config

import handlers.app
from handlers.app import create_app
from handlers.contract.model import Contract
from handlers.contracts import load_contracts
from handlers.edge import seen
from handlers.edge.protocol import Protocol, teach_protocol
from handlers.server import listen
from handlers.settings import Settings
from models.database.engine import Database
from tests.support.patience import CALL_S
from tests.support.persons import Signer
from tests.support.world import PEPPER

# What a server has counted is written down when it ends, and not in the middle of somebody's test.
seen.EVERY_S = 3_600.0

GRACE_S = 10
"""How long a server that is told to end waits for the calls that it has."""

PATIENT = {"echec": "off", "echec-adresse": "off", "retrait": "off"}


URL_PUBLIQUE = "https://api.cynod.example"
BEARER = (
    f'Bearer realm="cynod", resource_metadata="{URL_PUBLIQUE}/.well-known/oauth-protected-resource"'
)
"""How such a server asks for a token."""
"""Where the test servers say that they are."""


@cache
def _load(
    path: Path, surfaces: tuple[str, ...], _sources: tuple[bytes, ...]
) -> tuple[Contract, ...]:
    return load_contracts(Settings(contract=path, surfaces=surfaces))


def settings_for(url: str) -> Settings:
    """The settings of a test server: as shipped, with the tests' pepper, and patient with failures,
    since all tests call from one address."""
    return with_limits(
        Settings(
            environment="test",
            database_url=url,
            pepper=PEPPER,
            log_format="json",
            url_publique=URL_PUBLIQUE,
        )
    )


handlers.app.ENDING_S = 10.0
"""A server of the tests ends in a process that goes on: what it still writes is waited for, on a slow machine
too, or its connections would be found open by another test."""


@contextmanager
def serving(
    settings: Settings, database: Database | None = None, *, request_s: float | None = None
) -> Iterator[str]:
    """Serve on a free port of the settings' host; yields a base URL of 127.0.0.1; ends in order.

    `request_s` is how long the rest of a request may take to come, where that is not what a call may take.
    """
    beside = {settings.contract, *settings.contract.parent.glob("*.yaml")}
    sources = tuple(file.read_bytes() for file in sorted(beside))
    contracts = _load(settings.contract, settings.surfaces, sources)
    teach_protocol(contracts[0], settings.url_publique)
    app = create_app(settings, contracts=contracts, database=database)
    listener = listen(replace(settings, port=0))
    # handlers.server.Server takes the process's signals, which a thread cannot.
    server = uvicorn.Server(
        Config(
            app,
            http=partial(Protocol, request_s=request_s or settings.deadline_s),  # type: ignore[arg-type]  # it makes one
            ws="none",
            lifespan="on",
            interface="asgi3",
            access_log=False,
            log_config=None,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=75,  # as handlers.server has it: uvicorn's own ends what pauses for 5 s
            timeout_graceful_shutdown=GRACE_S,
        )
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + CALL_S
        while not server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.005)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(15)


def let_notice(client: httpx.Client) -> None:
    """Have the server of this client serve calls: its loop then knows which connections are closed."""
    for _ in range(3):
        assert client.get("/health/live").status_code == 200


def with_limits(settings: Settings, **limites: str) -> Settings:
    """The same settings with other rate limits; failures to authenticate have none unless told."""
    return replace(settings, limites={**PATIENT, **limites})


def with_back_office(settings: Settings, signer: Signer) -> Settings:
    """The same settings of a server that serves the back office too, to whom this key has signed for."""
    return replace(settings, surfaces=("partenaire", "base-core"), cle_locale=str(signer.file))
