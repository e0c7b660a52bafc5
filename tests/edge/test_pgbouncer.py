"""Behind pgbouncer in transaction mode each transaction may have another session: all works as without.

pgbouncer is Debian's 1.18, which keeps no prepared statements, with the configuration of
docs/exploitation/cluster and two sessions for everybody.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import func, literal, select, text
from sqlalchemy.engine import make_url

from models.database.engine import Database
from models.database.prepared import Prepared
from tests.support.contract_client import BY_ID, ROOT
from tests.support.live import serving, settings_for, with_back_office
from tests.support.machine import find_sbin
from tests.support.needs import need
from tests.support.office import ALL, Office
from tests.support.patience import wait_until
from tests.support.persons import Bureau, Signer
from tests.support.scene import Scene
from tests.support.world import World

FILE = ROOT / "docs" / "exploitation" / "cluster" / "pgbouncer.ini"
AS_POSTGRES = (
    ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
    if os.geteuid() == 0
    else ()
)
"""It refuses to run as root."""

SESSIONS, CALLERS = 2, 8

pytestmark = pytest.mark.only_on("postgresql")


def configure(folder: Path, url: str, port: int) -> Path:
    """The documented file, with this machine's places, and fewer sessions than callers."""
    server = make_url(url)
    (line,) = [one for one in FILE.read_text(encoding="utf-8").splitlines() if "dbname=" in one]
    assert "host=127.0.0.1 port=5000 dbname=cynod" in line
    (folder / "userlist.txt").write_text(f'"{server.username}" "secret"\n')
    # A copy: its account need not be able to read where the project lies.
    shutil.copy(FILE, folder / "documented.ini")
    made = folder / "pgbouncer.ini"
    made.write_text(
        f"%include {folder}/documented.ini\n"
        f"listen_port = {port}\nauth_file = {folder}/userlist.txt\n"
        f"default_pool_size = {SESSIONS}\n[databases]\n"
        + line.replace(
            "host=127.0.0.1 port=5000 dbname=cynod",
            f"host={server.host} port={server.port} dbname={server.database}",
        )
    )
    if AS_POSTGRES:
        for one in (folder, *folder.iterdir()):
            shutil.chown(one, "postgres", "postgres")
    return made


@pytest.fixture(scope="module")
def pooled_url(shared_database: Database) -> Iterator[str]:
    """The shared database's address by way of pgbouncer."""
    need("pgbouncer")
    program = find_sbin("pgbouncer")
    assert program is not None
    url = shared_database.url.render_as_string(hide_password=False)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    # Not below pytest's own folder, which nobody else may look into.
    with tempfile.TemporaryDirectory(prefix="cynod-pgbouncer-") as made:
        folder = Path(made)
        file = configure(folder, url, port)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen([*AS_POSTGRES, program, str(file)], stdout=log, stderr=log)
        try:
            wait_until(
                lambda: (
                    b"process up" in (folder / "log").read_bytes() or process.poll() is not None
                ),
                "pgbouncer neither listens nor ends",
            )
            assert process.poll() is None, (folder / "log").read_text()
            pooled = make_url(url).set(
                host="127.0.0.1", port=port, password="secret", database="cynod"
            )
            yield pooled.render_as_string(hide_password=False)
        finally:
            process.terminate()
            process.wait()


@pytest.fixture(scope="module")
def pooled_server(pooled_url: str, signer: Signer) -> Iterator[str]:
    """A server of both surfaces whose database is behind pgbouncer."""
    with serving(with_back_office(settings_for(pooled_url), signer)) as url:
        yield url


@pytest.fixture(scope="module")
def pooled_world(shared_database: Database, pooled_server: str) -> Iterator[World]:
    """Makes cards and partners directly, and asks the server behind pgbouncer."""
    made = World(shared_database, pooled_server)
    yield made
    made.close()


@pytest.fixture(scope="module")
def pooled_scene(pooled_world: World) -> Scene:
    """A card and a partner of that server."""
    return Scene(pooled_world, solde=1_000_000)


def test_every_operation_of_partners_is_answered(pooled_scene: Scene) -> None:
    told = {}
    for name in BY_ID:
        answer = pooled_scene.call(name).send(pooled_scene.caller(name))
        told[name] = answer.status_code
    assert told == dict.fromkeys(BY_ID, 200)


def test_every_operation_of_the_back_office_is_answered(
    pooled_world: World, pooled_server: str, signer: Signer
) -> None:
    bureau = Bureau(pooled_world, pooled_server, signer)
    office, told = Office(bureau), {}
    for name in ALL:
        told[name] = office.call(name).send(office.caller(name)).status_code
    bureau.close()
    assert told == dict.fromkeys(ALL, 200)


def test_callers_who_share_few_sessions_move_money_once_each(pooled_scene: Scene) -> None:
    """Debits, credits and transfers at once on two cards, some of them twice under one reference."""
    world = pooled_scene.world
    carte, autre = pooled_scene.new_carte(10_000), pooled_scene.new_carte(10_000)
    before = world.solde(carte), world.solde(autre)

    def call(number: int) -> list[tuple[int, bool]]:
        client = world.anonymous()
        client.headers.update(pooled_scene.api.headers)
        told = []
        for at in range(12):
            path, body = [
                ("/debit-carte", carte.mouvement(100, f"POOL-D-{number}-{at}")),
                ("/credit-carte", autre.mouvement(30, f"POOL-C-{number}-{at}")),
                ("/transferer-solde", carte.transfert(autre, 7, f"POOL-T-{number}-{at}")),
                ("/debit-carte", carte.mouvement(1, f"POOL-SHARED-{at}")),
            ][at % 4]
            answer = client.post(path, json=body)
            told.append((answer.status_code, "idempotent-replayed" in answer.headers))
        return told

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = [one for each in pool.map(call, range(CALLERS)) for one in each]
    assert {status for status, _ in answers} == {200}
    assert sum(replayed for _, replayed in answers) == 3 * (CALLERS - 1)
    moved, given = CALLERS * 3 * 7, CALLERS * 3 * 30
    assert world.solde(carte) == before[0] - CALLERS * 3 * 100 - moved - 3
    assert world.solde(autre) == before[1] + moved + given
    world.check_books(carte, autre)


def test_sessions_have_the_deadlines_that_options_ask_for(
    pooled_url: str, shared_database: Database
) -> None:
    """pgbouncer drops what a connection asks for; connect_query gives each session the same."""
    names = (
        "statement_timeout",
        "lock_timeout",
        "idle_in_transaction_session_timeout",
        "TimeZone",
    )
    asked = text("SELECT name, setting FROM pg_settings WHERE name = ANY(:names) ORDER BY name")
    pooled = Database(pooled_url)
    found: list[list[Any]] = []
    for database in (shared_database, pooled):
        with database.reading() as connection:
            found.append([tuple(row) for row in connection.execute(asked, {"names": list(names)})])
    pooled.close()
    assert len(found[0]) == len(names)
    assert found[0] == found[1]


def test_statement_finds_another_session_than_the_last_time(
    pooled_url: str, shared_database: Database
) -> None:
    """What would fail by name: the session that prepared it is somebody else's by now."""
    statement = Prepared(select(func.pg_backend_pid(), literal("ready")))
    pooled = Database(pooled_url)
    pids = set()
    with pooled.reading() as first:
        pids.add(statement.all(first, {})[0][0])
        with psycopg.connect(
            make_url(pooled_url).set(drivername="postgresql").render_as_string(hide_password=False)
        ) as other:
            other.execute("SELECT 1")  # and stays in its transaction: the session is its own
            held = other.execute("SELECT pg_backend_pid()").fetchone()
            pids.add(statement.all(first, {})[0][0])
    pooled.close()
    assert held is not None
    assert len(pids) == SESSIONS
    with shared_database.reading() as connection:
        assert statement.all(connection, {})[0][1] == "ready"
