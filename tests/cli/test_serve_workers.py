"""`cynod serve --workers`: processes that share what their parent has built, and nothing else."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.support.patience import CALL_S, wait_until
from tests.support.postgresql import create_database
from tests.support.process import (
    CYNOD,
    PIPES,
    Process,
    ServerProcess,
    builds_slowly,
    children_of,
    forks_slowly,
    free_port,
    run_cynod,
    serve,
    start_cynod,
)


def two_workers(server: ServerProcess) -> list[int]:
    """Its workers, once there are two that serve."""
    wait_until(lambda: len(children_of(server.process.pid)) == 2, "there are not two workers")
    return sorted(children_of(server.process.pid))


def ask(server: ServerProcess) -> str:
    """The id of a request on a connection of its own."""
    answer = httpx.get(f"{server.url}/health/ready", timeout=CALL_S, trust_env=False)
    assert answer.status_code == 200
    return answer.headers["X-Request-Id"]


def memory_of(pid: int) -> dict[str, int]:
    """What /proc tells of the memory of a process, in KiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(rest.split()[0]) for name, _, rest in (one.partition(":") for one in lines)}


def test_workers_share_what_their_parent_has_built(tmp_path: Path) -> None:
    with serve("--demo", "--workers", "2", folder=tmp_path, command=CYNOD) as server:
        for worker in two_workers(server):
            memory = memory_of(worker)
            assert memory["Private_Dirty"] < memory["Anonymous"] / 3, memory
        assert server.stop() == 0


def test_ids_of_requests_are_of_one_worker_each(tmp_path: Path) -> None:
    """Chance is a state of the process, which a fork copies."""
    ids = []
    with serve("--demo", "--workers", "2", folder=tmp_path) as server:
        for stopped in two_workers(server):
            os.kill(stopped, signal.SIGSTOP)
            try:
                ids += [ask(server) for _ in range(5)]
            finally:
                os.kill(stopped, signal.SIGCONT)
        assert server.stop() == 0
    assert len(set(ids)) == 10


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_parent_has_nothing_that_cannot_be_in_two_processes(
    tmp_path: Path, kind: str, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path / 'cynod.db'}"
    if kind == "postgresql":
        url = create_database(request.getfixturevalue("postgresql_url"), "parent")
    with serve("--demo", "--workers", "2", folder=tmp_path, CYNOD_DATABASE_URL=url) as server:
        two_workers(server)
        ask(server)
        parent = Path(f"/proc/{server.process.pid}")
        assert len(list((parent / "task").iterdir())) == 1, "a thread would not be in a worker"
        opened = [str(one.readlink()) for one in (parent / "fd").iterdir()]
        # The lock by which a server is known is of all its processes: it ends with the last of them.
        known = f"{tmp_path / 'cynod.db'}-serveur-{server.process.pid}"
        assert opened.count(known) == (kind == "sqlite")
        opened = [one for one in opened if one != known]
        assert not [one for one in opened if "cynod.db" in one or "eventpoll" in one]
        assert not _connections(parent, opened), "a connection would be that of several workers"
        assert server.stop() == 0


def _connections(process: Path, opened: list[str]) -> list[str]:
    """Of what is open, the TCP connections."""
    rows = [line.split() for line in (process / "net" / "tcp").read_text().splitlines()[1:]]
    established = {f"socket:[{row[9]}]" for row in rows if row[3] == "01"}
    return [one for one in opened if one in established]


def is_running(pid: int) -> bool:
    """Whether a process has not ended, be there somebody to ask how or not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize("place", [0, 1])
def test_worker_ends_with_its_parent_although_another_one_hangs(tmp_path: Path, place: int) -> None:
    with serve("--demo", "--workers", "2", folder=tmp_path) as server:
        workers = two_workers(server)
        hanging = workers.pop(place)
        os.kill(hanging, signal.SIGSTOP)
        try:
            server.process.kill()
            server.process.wait(CALL_S)
            wait_until(lambda: not is_running(workers[0]), "it stays")
        finally:
            os.kill(hanging, signal.SIGCONT)
        wait_until(lambda: not is_running(hanging), "it stays")
    assert "Traceback" not in server.log


@contextmanager
def two_of_a_fresh_process(folder: Path, variables: dict[str, str]) -> Iterator[Process]:
    """A server that was started afresh with these variables, which has two workers; it ends in order."""
    assert run_cynod("migrate", folder=folder).returncode == 0
    with start_cynod(
        *("serve", "--workers", "2"),
        folder=folder,
        streams=PIPES,
        command=CYNOD,
        **variables,
        PORT=str(free_port()),
    ) as process:
        try:
            wait_until(lambda: len(children_of(process.pid)) == 2, "there are not two workers")
            yield process
        finally:
            process.terminate()
            assert process.wait(CALL_S) == 0


def test_worker_that_is_told_to_end_before_it_hears_anything_ends(tmp_path: Path) -> None:
    with two_of_a_fresh_process(tmp_path, forks_slowly(tmp_path, 1.5)) as process:
        told = min(children_of(process.pid))
        os.kill(told, signal.SIGTERM)
        wait_until(lambda: told not in children_of(process.pid), "it did not hear of it")


def test_sighup_replaces_each_worker_while_calls_go_on(tmp_path: Path) -> None:
    with serve("--demo", "--workers", "2", folder=tmp_path) as server:
        before = set(two_workers(server))
        server.process.send_signal(signal.SIGHUP)

        def are_replaced() -> bool:
            ask(server)
            now = children_of(server.process.pid)
            return len(now) == 2 and not now & before

        wait_until(are_replaced, "they were not replaced")
        assert server.stop() == 0


def test_worker_that_is_asked_while_it_is_built_says_so_once_it_serves(tmp_path: Path) -> None:
    with two_of_a_fresh_process(tmp_path, builds_slowly(tmp_path, 0.3)) as process:
        before = set(children_of(process.pid))
        process.send_signal(signal.SIGHUP)
        wait_until(lambda: not before & set(children_of(process.pid)), "they were not replaced")
