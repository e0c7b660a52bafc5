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
from tests.lab.bench.same import find_difference
from tests.lab.bench.servers import (
    OURS,
    PEERS,
    PGBENCH,
    Server,
    serve,
)
from tests.support.needs import need
from tests.support.postgresql import running_server

PAIRS = [
    (workload, peer)
    for workload in WORKLOADS
    for peer in PEERS
    if peer in WORKLOADS[workload].peers and peer != PGBENCH
]


@dataclass(frozen=True)
class Scene:
    """A database and every server on it."""

    land: Ground
    servers: dict[str, Server]


@pytest.fixture(scope="module", params=[SQLITE, POSTGRESQL])
def scene(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Scene]:
    """All servers, each one process."""
    folder: Path = tmp_path_factory.mktemp("bench")
    with contextlib.ExitStack() as stack:
        cluster = None
        if request.param == POSTGRESQL:
            need("postgresql")
            cluster = stack.enter_context(running_server())
        land = stack.enter_context(ground(request.param, Size(50), folder, cluster))
        names = [OURS, *(name for name in PEERS if name != PGBENCH)]
        yield Scene(
            land, {name: stack.enter_context(serve(name, land, 1, folder)) for name in names}
        )


@pytest.mark.parametrize(("workload", "peer"), PAIRS)
def test_peer_answers_as_ours(scene: Scene, workload: str, peer: str) -> None:
    ours, other = scene.servers[OURS], scene.servers[peer]
    assert find_difference(ours, other, WORKLOADS[workload], scene.land) is None
