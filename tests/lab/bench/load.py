"""The workloads, and a round of one against a server."""

from __future__ import annotations

import base64
import json
import random
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from tests.lab.bench.ground import CLIENT, Carte, Ground
from tests.lab.bench.servers import (
    BARE,
    BARE_LOOP,
    CONNEXION,
    FASTAPI,
    FASTAPI_ASYNC,
    FLASK,
    GREENLET,
    LITESTAR,
    OURS,
    PEERS,
    PGBENCH,
    Server,
    is_on,
)

CONNECTIONS = 16
LIMITE = 20
PAGES = 30
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
LUA = Path(__file__).with_name("wrk.lua")

ON_A_LOOP = (FASTAPI_ASYNC, LITESTAR)
ALL = (CONNEXION, FASTAPI, FLASK, *ON_A_LOOP)

REFERENCE = "@REF@"
"""Stands in a body for a reference that no other request has."""


class LoadError(RuntimeError):
    """The load could not be made."""


@dataclass(frozen=True)
class Line:
    """One request."""

    method: str
    target: str
    headers: tuple[str, ...]
    body: str = ""

    def render(self) -> str:
        """As wrk.lua reads it."""
        return "\t".join((self.method, self.target, "|".join(self.headers), self.body))


Lines = Callable[[Ground], list[Line]]


@dataclass(frozen=True)
class Workload:
    """What is sent, by whom it is served, and what must come back.

    `answer` is a Lua pattern that each body must hold; `debits` says that each answer is a debit.
    """

    name: str
    lines: Lines
    peers: tuple[str, ...] = ALL
    status: int = 200
    answer: str = '"code":%s*200'
    money: bool = False
    debits: bool = False

    def peers_on(self, kind: str) -> list[str]:
        """Those that serve it on this kind of database."""
        return [name for name in self.peers if is_on(name, kind)]


def _bearer(ground: Ground, number: int) -> str:
    return f"Authorization: Bearer {ground.tokens[number % len(ground.tokens)]}"


def _get(path: str) -> Lines:
    def lines(ground: Ground) -> list[Line]:
        return [
            Line("GET", f"{path}?{carte.query}", (_bearer(ground, number),))
            for number, carte in enumerate(ground.cartes)
        ]

    return lines


def _list(ground: Ground) -> list[Line]:
    """Pages at even distances through the client's cards, the first among them."""
    step = max(1, ground.size.cartes // PAGES)
    lines = []
    for number in range(PAGES):
        target = f"/get-liste-cartes?clientId={CLIENT}&limite={LIMITE}"
        if number:
            position = base64.urlsafe_b64encode(b"1:%d" % (number * step)).rstrip(b"=").decode()
            target += f"&curseur={position}"
        lines.append(Line("GET", target, (_bearer(ground, number),)))
    return lines


def _history(ground: Ground) -> list[Line]:
    """Newest lines: every other time of the first card, which has most of them."""
    lines = []
    for number, carte in enumerate(ground.cartes):
        for one in (carte, _first(ground)):
            target = f"/get-historique-carte?{one.query}&limite={LIMITE}"
            lines.append(Line("GET", target, (_bearer(ground, number),)))
    return lines


def _first(ground: Ground) -> Carte:
    return min(ground.cartes, key=lambda carte: carte.place)


def of_server(ground: Ground, name: str) -> Ground:
    """The ground as one server is loaded on it: its hot card is its own.

    A look-up of the card that a crowd debits passes the old versions of its row that the crowd left, until
    PostgreSQL vacuums: another server would pay for them.
    """
    return replace(ground, hot=(OURS, *PEERS).index(name))


def debits(*, hot: bool = False, path: str = "/debit-carte") -> Lines:
    """Debits of many cards, or of one `hot` one; or what another `path` does of the same form."""

    def lines(ground: Ground) -> list[Line]:
        chosen = [Carte(ground.hot)] * len(ground.tokens) if hot else ground.cartes
        return [
            Line(
                "POST",
                path,
                (_bearer(ground, number), JSON),
                json.dumps(
                    {
                        "numeroCarte": carte.numero,
                        "walletId": carte.wallet,
                        "clientId": CLIENT,
                        "montant": 1,
                        "reference": REFERENCE,
                    }
                ),
            )
            for number, carte in enumerate(chosen)
        ]

    return lines


def _mixed(ground: Ground) -> list[Line]:
    """Four balances for each debit."""
    chance = random.Random(80)
    reads, writes = _get("/get-solde-carte")(ground), debits()(ground)
    return [*chance.sample(reads, len(reads) * 4 // 5), *chance.sample(writes, len(writes) // 5)]


def _tokens(ground: Ground) -> list[Line]:
    body = (
        f"grant_type=client_credentials&client_id={ground.pair.consumer_key}"
        f"&client_secret={ground.pair.consumer_secret}"
    )
    return [Line("POST", "/access-token", (FORM,), body)]


def _refused(ground: Ground) -> list[Line]:
    """A value that does not fit, a parameter too many, one that is missing."""
    return [
        Line("GET", f"/get-solde-carte?{query}", (_bearer(ground, number),))
        for number, carte in enumerate(ground.cartes)
        for query in (
            carte.query.replace("numeroCarte=70", "numeroCarte=7x"),
            f"{carte.query}&surplus=1",
            carte.query.partition("&clientId")[0],
        )
    ]


WORKLOADS = {
    workload.name: workload
    for workload in (
        Workload(
            *("balance", _get("/get-solde-carte"), (*ALL, BARE, BARE_LOOP, GREENLET)),
            answer='"soldeOnline"',
        ),
        Workload("validity", _get("/check-card-validity"), answer='"finValidite"'),
        Workload("list", _list, answer='"curseurSuivant"'),
        Workload("history", _history, ON_A_LOOP, answer='"numeroOperation"'),
        Workload(
            *("debit", debits(), (*ALL, PGBENCH)),
            answer='"numeroOperation"',
            money=True,
            debits=True,
        ),
        Workload(
            *("debit_hot", debits(hot=True), (*ALL, PGBENCH)),
            answer='"numeroOperation"',
            money=True,
            debits=True,
        ),
        Workload("mixed", _mixed, money=True),
        Workload("token", _tokens, answer='"access_token"'),
        Workload("refused", _refused, status=400, answer='"code":%s*"405"'),
    )
}
"""What servers are compared under."""


@dataclass(frozen=True)
class Round:
    """What one round of load measured. A wrong answer makes it void."""

    rps: float
    cpu_s_per_1000: float | None = None
    p50_ms: float = 0
    p95_ms: float = 0
    p99_ms: float = 0
    requests: int = 0
    errors: int = 0
    complaint: str = ""

    @property
    def void(self) -> bool:
        return self.errors > 0 or self.requests == 0


def find_wrk() -> str:
    """The path of wrk. Raises LoadError."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadError(
            "wrk is not installed, and the load is made by it; on Debian and Ubuntu: apt-get install wrk"
        )
    return found


def run_round(
    server: Server,
    workload: Workload,
    ground: Ground,
    seconds: int,
    folder: Path,
    *,
    connections: int = CONNECTIONS,
) -> Round:
    """Load the server for some seconds. Any answer that is not what it must be is an error.

    Where each answer is a debit, the database must have as many operations more.
    """
    file = folder / f"{workload.name}.txt"
    lines = workload.lines(ground)
    file.write_text("\n".join(line.render() for line in lines) + "\n", encoding="utf-8")
    prefix = f"B-{uuid.uuid4().hex[:12]}"
    held = ground.count_operations() if workload.debits else 0
    before = server.cpu_s()
    result = subprocess.run(
        [
            *(find_wrk(), "--threads", "1", "--connections", str(connections)),
            *("--duration", f"{seconds}s", "--timeout", "10s", "--script", str(LUA), server.url),
            *("--", str(file), prefix, str(random.randrange(10**6))),
            *(str(workload.status), workload.answer),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    used = server.cpu_s() - before
    found = read_wrk(result.stdout)
    if found is None:
        return Round(0, errors=1, complaint=f"wrk: {result.stdout}{result.stderr}"[-500:])
    requests, us, wrong, broken, p50, p95, p99 = (int(word) for word in found[:7])
    complaint = found[7] if wrong else ""
    if broken:
        complaint = complaint or f"{broken} connections failed or timed out"
    errors = wrong + broken
    if workload.debits:
        # Those under way when the load ended are done, and were not answered.
        grown, answered = ground.count_operations() - held, requests - wrong
        if not answered <= grown <= answered + connections:
            errors += max(1, abs(grown - answered))
            complaint = complaint or f"{answered} debits answered, {grown} operations written"
    return Round(
        requests / us * 1e6,
        used / max(1, requests) * 1000,
        p50 / 1000,
        p95 / 1000,
        p99 / 1000,
        requests=requests,
        errors=errors,
        complaint=complaint,
    )


def read_wrk(output: str) -> list[str] | None:
    """The fields of wrk.lua's line, None when there is none."""
    for line in output.splitlines():
        if line.startswith("BENCH\t"):
            return line.split("\t")[1:]
    return None
