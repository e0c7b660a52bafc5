"""A server of several processes whose metrics are read as Prometheus reads them."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy.engine import make_url

from handlers.metrics.table import CALLS, METRICS_PATH, Metric
from models.database.engine import sqlite_module
from tests.support.patience import CALL_S, wait_until
from tests.support.process import ServerProcess, children_of, free_port, serve

DEMO = ("demo-partenaire", "demo-secret")
CARTE = "7019800100009569"
HOLDER = {"numeroCarte": CARTE, "walletId": "221771234567", "clientId": "CLI-0001"}


class Counting(NamedTuple):
    """The server, and where it tells what it counts."""

    server: ServerProcess
    port: int
    url: str
    """Of its database."""
    folder: Path
    variables: dict[str, Any]

    def text(self) -> str:
        """What Prometheus reads."""
        address = f"http://127.0.0.1:{self.port}{METRICS_PATH}"
        answer = httpx.get(address, timeout=CALL_S, trust_env=False)
        assert answer.status_code == 200
        return answer.text

    def names(self) -> set[str]:
        """The metrics that are told, whatever their kind adds to a name."""
        return {
            f"{family.name}_total" if family.type == "counter" else family.name
            for family in text_string_to_metric_families(self.text())
        }

    def value(self, metric: Metric, suffix: str = "", **labels: str) -> float:
        """The sum of a metric's numbers that have these labels."""
        name = f"{metric.name}{suffix}"
        return sum(
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    def call(self, method: str, path: str, **options: Any) -> httpx.Response:
        """A call, once it is counted: some time after its answer has left."""
        url = f"{self.server.url}{path}"
        before = self.value(CALLS, "_count")
        answer = httpx.request(method, url, timeout=CALL_S, trust_env=False, **options)
        wait_until(lambda: self.value(CALLS, "_count") > before, "it is not counted")
        return answer

    def post(self, path: str, **fields: Any) -> httpx.Response:
        """A call of the demo's partner."""
        return self.call("POST", path, auth=DEMO, json=fields)

    def debit(self, reference: str, montant: int = 100) -> httpx.Response:
        """A debit of the demo's card."""
        return self.post("/debit-carte", **HOLDER, montant=montant, reference=reference)

    def exposer(self) -> int:
        """The process that tells the metrics."""
        rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
        mark = f":{self.port:04X}"
        inodes = {row[9] for row in rows if row[1].endswith(mark) and row[3] == "0A"}
        (found,) = [pid for pid in children_of(self.server.process.pid) if inodes & _sockets(pid)]
        return found

    def workers(self) -> set[int]:
        """The processes that serve."""
        return children_of(self.server.process.pid) - {self.exposer()}

    @contextlib.contextmanager
    def held(self) -> Iterator[Any]:
        """Hold what every debit of the demo's card must have; yields the connection."""
        url = make_url(self.url)
        if url.get_backend_name() == "sqlite":
            blocker: sqlite3.Connection = sqlite_module().connect(
                url.database, isolation_level=None
            )
            blocker.execute("BEGIN IMMEDIATE")
            try:
                yield blocker
            finally:
                blocker.execute("ROLLBACK")
                blocker.close()
            return
        with self.psql() as connection, connection.transaction():
            connection.execute("SELECT 1 FROM cartes WHERE numero_carte = %s FOR UPDATE", [CARTE])
            yield connection

    @contextlib.contextmanager
    def psql(self) -> Iterator[Any]:
        """A connection of one's own to PostgreSQL, which commits each statement."""
        import psycopg  # noqa: PLC0415 - a tenth of a second that SQLite need not wait for

        url = make_url(self.url).set(drivername="postgresql")
        with psycopg.connect(
            url.render_as_string(hide_password=False), autocommit=True
        ) as connection:
            yield connection

    @contextlib.contextmanager
    def debits(
        self, number: int, prefix: str
    ) -> Iterator[Callable[[], list[Future[httpx.Response]]]]:
        """What begins so many debits at once; they are waited for at the end."""
        with ThreadPoolExecutor(number) as pool:
            yield lambda: [pool.submit(self.debit, f"{prefix}-{one}") for one in range(number)]


def _sockets(pid: int) -> set[str]:
    found = set()
    for one in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            found.add(str(one.readlink()).removeprefix("socket:[").removesuffix("]"))
    return found


@contextlib.contextmanager
def counting(url: str, folder: Path, **more: str) -> Iterator[Counting]:
    """The demo on this database, by two processes."""
    port = free_port()
    variables: dict[str, Any] = {
        "CYNOD_DATABASE_URL": url,
        "CYNOD_METRIQUES": f"127.0.0.1:{port}",
        "CYNOD_VERIFICATIONS": str(folder / "verifications.json"),
        "CYNOD_SURFACES": "partenaire,base-core",
        "CYNOD_CLE_LOCALE": str(folder / "agents.pem"),
        "CYNOD_LOG_FORMAT": "json",
        # One place for what may wait long, in each process.
        "CYNOD_POOL_SIZE": "3",
        "CYNOD_LIMITES": "echec=1/minute",
        **more,
    }
    with serve("--demo", "--workers", "2", folder=folder, **variables) as server:
        yield Counting(server, port, url, folder, variables)
