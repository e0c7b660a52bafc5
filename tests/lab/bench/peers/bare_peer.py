"""The limit on SQLite, no peer: an ASGI function with the same SQL, that checks next to nothing.

It looks the token up with its expiry, then the card of the partner, and writes getSoldeCarte's answer.
The database is asked from a pool of threads, one connection each, or (`BENCH_BARE=loop`) on the event
loop, which nothing else can use meanwhile: not a probe of its health, not another caller.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import orjson
import uvicorn
from sqlalchemy.engine import make_url

from models.database.engine import sqlite_module

PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
URL = make_url(os.environ["CYNOD_DATABASE_URL"])
IN_THREADS = os.environ.get("BENCH_BARE") != "loop"
THREADS = int(os.environ.get("BENCH_POOL", "10"))
TOKEN = (
    "SELECT p.id, p.compte_id, p.scopes, j.scopes, j.expire_le FROM jetons j"
    " JOIN partenaires p ON p.id = j.partenaire_id WHERE j.empreinte = ?"
    " AND p.revoque_le IS NULL"
)
CARTE = (
    "SELECT c.id, c.numero_carte, c.compte_id, c.unite, c.solde, c.date_solde"
    " FROM cartes c, acces a, membres m WHERE c.numero_carte = ? AND c.client_id = ?"
    " AND a.client_id = c.client_id AND a.partenaire_id = ? AND m.client_id = c.client_id"
    " AND m.membre_id = c.membre_id AND m.wallet_id = ?"
)
_own = threading.local()


def connection() -> Any:
    """This thread's connection of the driver."""
    found = getattr(_own, "connection", None)
    if found is None:
        found = sqlite_module().connect(URL.database, isolation_level=None, timeout=10)
        found.execute("PRAGMA journal_mode = WAL")
        found.execute("PRAGMA synchronous = FULL")
        _own.connection = found
    return found


def _moment(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=UTC)


def balance(token: bytes, query: dict[str, str]) -> bytes:
    """The body of getSoldeCarte."""
    asked = connection()
    empreinte = hmac.digest(PEPPER, token, hashlib.sha256)
    caller = asked.execute(TOKEN, (empreinte,)).fetchone()
    if _moment(caller[4]) <= datetime.now(UTC) or "soldes:lire" not in caller[3]:
        raise PermissionError
    values = (query["numeroCarte"], query["clientId"], caller[0], query["walletId"])
    row = asked.execute(CARTE, values).fetchone()
    solde = float(row[4])
    return orjson.dumps(
        {
            "success": True,
            "code": 200,
            "message": "Sauf omission* de notre part votre nouveau solde est de"
            f" {solde:.0f}  FCFA ",
            "data": [
                {
                    "numeroCarte": row[1],
                    "soldeOnline": solde,
                    "dateSolde": f"{_moment(row[5]):%d-%m-%Y %H:%M:%S}",
                    "unite": row[3],
                }
            ],
        }
    )


pool = ThreadPoolExecutor(THREADS) if IN_THREADS else None


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answers a balance, and readiness."""
    body = b"{}"
    if scope["path"] == "/get-solde-carte":
        token = dict(scope["headers"])[b"authorization"][7:]
        query = dict(parse_qsl(scope["query_string"].decode()))
        if pool is None:
            body = balance(token, query)
        else:
            loop = asyncio.get_running_loop()
            body = await loop.run_in_executor(pool, balance, token, query)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        "tests.lab.bench.peers.bare_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        lifespan="off",
    )
