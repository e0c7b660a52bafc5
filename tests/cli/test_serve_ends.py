"""How `cynod serve` ends, and how its workers do: whatever PostgreSQL does, and whoever is killed."""

from __future__ import annotations

import os
import signal
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from models import migrate
from models.database.engine import Database
from tests.support.machine import find_binaries
from tests.support.needs import lack
from tests.support.patience import CALL_S, wait_until
from tests.support.postgresql import create_database, running_server
from tests.support.process import CYNOD, ServerProcess, children_of, forks_slowly, serve

DEMO = ("demo-partenaire", "demo-secret")
STOP_S = 2


def is_open(server: ServerProcess) -> bool:
    """Whether anybody listens on its port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", int(server.url.rpartition(":")[2]))) == 0


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told"])
def test_workers_end_with_their_parent(tmp_path: Path, number: signal.Signals) -> None:
    with serve("--demo", "--workers", "2", folder=tmp_path) as server:
        wait_until(lambda: len(children_of(server.process.pid)) == 2, "there are not two workers")
        os.kill(server.process.pid, number)
        server.process.wait(CALL_S)
        wait_until(lambda: not is_open(server), "somebody keeps the port")


def test_worker_that_was_killed_is_replaced(tmp_path: Path) -> None:
    with serve("--demo", "--workers", "2", folder=tmp_path) as server:
        wait_until(lambda: len(children_of(server.process.pid)) == 2, "there are not two workers")
        before = children_of(server.process.pid)
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        wait_until(
            lambda: len(children_of(server.process.pid) - {killed}) == 2, "nobody took its place"
        )
        for _ in range(10):
            assert httpx.get(f"{server.url}/health/ready", timeout=CALL_S).status_code == 200
        assert server.stop() == 0


def test_port_is_closed_until_a_worker_can_answer(tmp_path: Path) -> None:
    """A connection that nobody takes would wait for a worker that is not there yet."""
    refused = 0
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(_serve_once, tmp_path, forks_slowly(tmp_path, 2))
        while not started.done():
            port = _port_of(tmp_path)
            if port is not None:
                with socket.socket() as probe:
                    if probe.connect_ex(("127.0.0.1", port)) == 0:
                        break
                    refused += 1
            time.sleep(0.05)
        assert refused > 10
        assert started.result(CALL_S) == 0


def _serve_once(folder: Path, variables: dict[str, str]) -> int:
    with serve("--demo", "--workers", "2", folder=folder, command=CYNOD, **variables) as server:
        return server.stop()


def _port_of(folder: Path) -> int | None:
    logs = list(folder.glob("serve-*.log"))
    return int(logs[0].stem.rpartition("-")[2]) if logs else None


def test_server_ends_in_time_although_postgresql_answers_no_more(tmp_path: Path) -> None:
    if find_binaries() is None:
        lack("postgresql")
    with running_server() as postgresql:
        url = create_database(postgresql.url, "ends")
        database = Database(url)
        migrate.upgrade(database)
        database.close()
        settings = {"CYNOD_DATABASE_URL": url, "CYNOD_ARRET_S": str(STOP_S)}
        with serve("--demo", folder=tmp_path, command=None, **settings) as server:
            postgresql.pause()
            try:
                with ThreadPoolExecutor(6) as pool:
                    asked = [pool.submit(_ask, server) for _ in range(6)]
                    time.sleep(0.5)
                    began = time.monotonic()
                    assert server.stop() == 0
                    assert time.monotonic() - began < STOP_S + 4
                    assert all(one.result(CALL_S) != 200 for one in asked)
            finally:
                postgresql.resume()


def _ask(server: ServerProcess) -> int:
    try:
        with httpx.Client(timeout=CALL_S, trust_env=False) as client:
            return client.get(f"{server.url}/mes-droits", auth=DEMO).status_code
    except httpx.HTTPError:
        return 0
