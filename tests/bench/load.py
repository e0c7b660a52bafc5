"""The workloads, and a round of one against a server."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.bench.ground import CLIENT, Ground
from tests.bench.servers import BARE, CONNEXION, FASTAPI, FLASK, Server

CONNECTIONS = 16
JSON = "Content-Type: application/json"
FORM = "Content-Type: application/x-www-form-urlencoded"
LUA = Path(__file__).with_name("wrk.lua")

ALL = (CONNEXION, FASTAPI, FLASK)


class LoadError(RuntimeError):
    """The load could not be made, or the server answered wrongly."""


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


Lines = Callable[[Ground, random.Random], list[Line]]


@dataclass(frozen=True)
class Workload:
    """What is sent, by whom it is served, and what must come back."""

    name: str
    lines: Lines
    peers: tuple[str, ...] = ALL
    refused: bool = False
    money: bool = False


def _bearer(ground: Ground, number: int) -> str:
    return f"Authorization: Bearer {ground.tokens[number % len(ground.tokens)]}"


def _get(path: str) -> Lines:
    def lines(ground: Ground, _chance: random.Random) -> list[Line]:
        return [
            Line("GET", f"{path}?{carte.query}", (_bearer(ground, number),))
            for number, carte in enumerate(ground.cartes)
        ]

    return lines


def _list(ground: Ground, _chance: random.Random) -> list[Line]:
    target = f"/get-liste-cartes?clientId={CLIENT}&limite=20"
    return [Line("GET", target, (_bearer(ground, number),)) for number in range(64)]


def _debits(hot: bool) -> Lines:
    def lines(ground: Ground, _chance: random.Random) -> list[Line]:
        chosen = ground.cartes[:1] if hot else ground.cartes
        return [
            Line(
                "POST",
                "/debit-carte",
                (_bearer(ground, number), JSON),
                json.dumps(
                    {
                        "numeroCarte": carte.numero,
                        "walletId": carte.wallet,
                        "clientId": CLIENT,
                        "montant": 1,
                        "reference": "@REF@",
                    }
                ),
            )
            for number, carte in enumerate(chosen)
        ]

    return lines


def _mixed(ground: Ground, chance: random.Random) -> list[Line]:
    reads = chance.sample(_get("/get-solde-carte")(ground, chance), 400)
    return reads + chance.sample(_debits(hot=False)(ground, chance), 100)


def _tokens(ground: Ground, _chance: random.Random) -> list[Line]:
    body = (
        f"grant_type=client_credentials&client_id={ground.pair.consumer_key}"
        f"&client_secret={ground.pair.consumer_secret}"
    )
    return [Line("POST", "/access-token", (FORM,), body)]


def _refused(ground: Ground, _chance: random.Random) -> list[Line]:
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
        Workload("balance", _get("/get-solde-carte"), (*ALL, BARE)),
        Workload("validity", _get("/check-card-validity")),
        Workload("list", _list),
        Workload("debit", _debits(hot=False), money=True),
        Workload("debit_hot", _debits(hot=True), money=True),
        Workload("mixed", _mixed, money=True),
        Workload("token", _tokens, (FASTAPI, FLASK)),
        Workload("refused", _refused, refused=True),
    )
}


@dataclass(frozen=True)
class Round:
    """What one round of load measured."""

    rps: float
    cpu_s_per_1000: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    requests: int
    errors: int


def find_wrk() -> str:
    """The path of wrk. Raises LoadError."""
    found = shutil.which("wrk")
    if found is None:
        raise LoadError("wrk is not installed (on Debian and Ubuntu: the package wrk).")
    return found


def run_round(
    server: Server, workload: Workload, ground: Ground, seconds: float, folder: Path, seed: int
) -> Round:
    """Load the server for some seconds. An answer that is not what it must be counts as an error."""
    file = folder / f"{workload.name}.txt"
    lines = workload.lines(ground, random.Random(seed))
    file.write_text("\n".join(line.render() for line in lines) + "\n", encoding="utf-8")
    before = server.cpu_s()
    result = subprocess.run(
        [
            *(find_wrk(), "--threads", "1", "--connections", str(CONNECTIONS)),
            *("--duration", f"{max(1, round(seconds))}s", "--timeout", "10s"),
            *("--script", str(LUA), server.url),
            *("--", str(file), f"B-{uuid.uuid4().hex[:12]}", str(seed)),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    used = server.cpu_s() - before
    told = [line for line in result.stdout.splitlines() if line.startswith("JSON ")]
    if not told:
        raise LoadError(f"wrk: {result.stdout}{result.stderr}"[-1000:])
    found = json.loads(told[0][5:])
    good = found["requests"] - found["not2xx"]
    # What must be refused is refused every time, and the other way round.
    wrong = good if workload.refused else found["not2xx"]
    return Round(
        rps=found["requests"] / found["us"] * 1e6,
        cpu_s_per_1000=used / max(1, found["requests"]) * 1000,
        p50_ms=found["p50"] / 1000,
        p95_ms=found["p95"] / 1000,
        p99_ms=found["p99"] / 1000,
        requests=found["requests"],
        errors=wrong + found["broken"],
    )
