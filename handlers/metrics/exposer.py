"""The process that tells Prometheus: it serves no call, so that it answers when those that do are stuck.

It listens on an address of its own (`CYNOD_METRIQUES`), which no partner can reach by the API's.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer
from sqlalchemy import func, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from handlers.metrics.collector import Collected, Told, Waiting
from handlers.metrics.recorder import Recorder
from handlers.metrics.table import METRICS_PATH
from handlers.metrics.verifications import read_results
from handlers.settings import Settings
from models.base import now
from models.database import observed
from models.database.engine import Database
from models.demande import SAISIE, demandes

ASKED_EVERY_S = 1.0
"""How old what the database told may be: whoever scrapes often asks it no more often for that."""

DATABASE_WAIT_S = 3
READ_S = 5
LOOKS_S = 0.5
"""Between two looks at whether the server, whose child this is, still lives."""


class Asked:
    """Asks the database, and keeps what it told for a moment."""

    def __init__(self, settings: Settings) -> None:
        self._database = Database(settings.database_url, pool_size=1, wait_s=DATABASE_WAIT_S)
        self._lock = threading.Lock()
        self._told = Told(None)
        self._until = 0.0

    def __call__(self) -> Told:
        """What it told within the last seconds."""
        with self._lock:
            if time.monotonic() >= self._until:
                self._told = Told(self._ask())
                self._until = time.monotonic() + ASKED_EVERY_S
            return self._told

    def _ask(self) -> Mapping[str, Waiting] | None:
        counted = (
            select(demandes.c.type, func.count(), func.min(demandes.c.saisie_le))
            .where(demandes.c.statut == SAISIE)
            .group_by(demandes.c.type)
        )
        try:
            with self._database.reading() as connection:
                rows = connection.execute(counted).all()
        except (DBAPIError, PoolTimeoutError):
            return None
        moment = now()
        return {
            name: Waiting(number, max(0.0, (moment - oldest).total_seconds()))
            for name, number, oldest in rows
        }


class _Handler(WSGIRequestHandler):
    timeout = READ_S

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - upstream's name
        """Nothing: whoever scrapes does so for ever."""


class _Server(ThreadingWSGIServer):
    def __init__(self, listener: socket.socket) -> None:
        super().__init__(listener.getsockname()[:2], _Handler, bind_and_activate=False)
        self.socket.close()
        self.socket = listener
        self.server_name, self.server_port = "cynod", listener.getsockname()[1]
        self.setup_environ()

    def handle_error(self, *_: object) -> None:
        """Whoever hangs up hurts nobody."""


def _only_metrics(app: Callable[..., Iterable[bytes]]) -> Callable[..., Iterable[bytes]]:
    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] != METRICS_PATH:
            start_response("404 Not Found", [("Content-Type", "text/plain; charset=utf-8")])
            return [b"/metrics\n"]
        return app(environ, start_response)

    return answer


def expose(recorder: Recorder, listener: socket.socket, settings: Settings) -> None:
    """Answer on the listener until SIGTERM, or the end of the server whose child this process is."""
    parent = os.getppid()
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches it too: the server ends it, last
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    observed.observe(None)
    registry = CollectorRegistry()
    registry.register(
        Collected(recorder, Asked(settings), partial(read_results, settings.verifications))
    )
    server = _Server(listener)
    server.set_app(_only_metrics(make_wsgi_app(registry)))
    threading.Thread(target=server.serve_forever, name="metrics", daemon=True).start()
    while os.getppid() == parent:
        time.sleep(LOOKS_S)
