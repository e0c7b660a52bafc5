"""The servers that ours is measured beside answer what ours answers, on both databases."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.lab.bench.ground import (
    POSTGRESQL,
    SQLITE,
    Ground,
    Size,
    ground,
)
from tests.lab.bench.load import WORKLOADS
from tests.lab.bench.pgbench import ask_debit
from tests.lab.bench.same import find_difference
from tests.lab.bench.servers import (
    FASTAPI,
    FASTAPI_ASYNC,
    LITESTAR,
    OURS,
    PEERS,
    PGBENCH,
    Server,
    is_on,
    serve,
)
from tests.support.needs import need
from tests.support.postgresql import running_server


def cases(kind: str) -> list[tuple[str, str]]:
    """Each workload with each peer that is measured under it on this kind of database."""
    return [
        (workload, peer)
        for workload in WORKLOADS
        for peer in WORKLOADS[workload].peers_on(kind)
        if peer != PGBENCH
    ]


@dataclass(frozen=True)
class Scene:
    """A database and every server on it."""

    land: Ground
    servers: dict[str, Server]


@contextlib.contextmanager
def opened(kind: str, folder: Path) -> Iterator[Scene]:
    """All servers of this kind of database, each one process."""
    names = [name for name in (OURS, *PEERS) if name != PGBENCH and is_on(name, kind)]
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(running_server()) if kind == POSTGRESQL else None
        land = stack.enter_context(ground(kind, Size(50), folder, cluster))
        yield Scene(
            land, {name: stack.enter_context(serve(name, land, 1, folder)) for name in names}
        )


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """On SQLite."""
    with opened(SQLITE, tmp_path_factory.mktemp("bench")) as scene:
        yield scene


@pytest.fixture(scope="module")
def postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """On PostgreSQL."""
    need("postgresql")
    with opened(POSTGRESQL, tmp_path_factory.mktemp("bench")) as scene:
        yield scene


@pytest.mark.parametrize(("workload", "peer"), cases(SQLITE))
def test_peer_answers_as_ours_on_sqlite(sqlite: Scene, workload: str, peer: str) -> None:
    ours, other = sqlite.servers[OURS], sqlite.servers[peer]
    assert find_difference(ours, other, WORKLOADS[workload], sqlite.land) is None


@pytest.mark.parametrize(("workload", "peer"), cases(POSTGRESQL))
def test_peer_answers_as_ours_on_postgresql(postgresql: Scene, workload: str, peer: str) -> None:
    ours, other = postgresql.servers[OURS], postgresql.servers[peer]
    assert find_difference(ours, other, WORKLOADS[workload], postgresql.land) is None


@pytest.mark.parametrize("peer", [FASTAPI, FASTAPI_ASYNC, LITESTAR])
def test_debit_of_a_peer_is_the_seven_statements_that_ours_are_made_of(
    postgresql: Scene, peer: str
) -> None:
    land = postgresql.land
    sent = {
        name: [
            one.sql.split()[0].rstrip(";") for one in ask_debit(land, postgresql.servers[name].url)
        ]
        for name in (OURS, peer)
    }
    assert sent[peer] == ["SELECT", "BEGIN", "SELECT", "INSERT", "UPDATE", "INSERT", "COMMIT"]
    # The token and the card in one flush; the claim and, as one statement, the movement and its ecriture.
    assert sent[OURS] == ["SELECT", "SELECT", "BEGIN", "INSERT", "WITH", "COMMIT"]
