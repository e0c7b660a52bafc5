"""A limit, no peer: an ASGI function with the same SQL on the driver, that checks next to nothing.

In a thread, it looks up the token and the card, each by the statement that the server uses, and writes the
answer of getSoldeCarte.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

import psycopg
import uvicorn
from sqlalchemy.engine import make_url

from models.db import Database, sqlite_module
from models.partenaire import hash_secret

THREADS = 8
PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
URL = make_url(os.environ["CYNOD_DATABASE_URL"])
TOKEN = (
    "SELECT p.id, p.compte_id, p.scopes, j.scopes, j.expire_le FROM jetons j"
    " JOIN partenaires p ON p.id = j.partenaire_id WHERE j.empreinte = ? AND p.revoque_le IS NULL"
)
CARTE = (
    "SELECT c.id, c.numero_carte, c.compte_id, c.unite, c.solde, c.date_solde"
    " FROM cartes c, acces a, membres m WHERE c.numero_carte = ? AND c.client_id = ?"
    " AND a.client_id = c.client_id AND a.partenaire_id = ? AND m.client_id = c.client_id"
    " AND m.membre_id = c.membre_id AND m.wallet_id = ?"
)
IS_SQLITE = URL.get_backend_name() == "sqlite"
connections: queue.SimpleQueue[Any] = queue.SimpleQueue()
pool = ThreadPoolExecutor(THREADS)


def connect() -> Any:
    """One connection of the driver's own."""
    if IS_SQLITE:
        made = sqlite_module().connect(
            URL.database, isolation_level=None, check_same_thread=False, timeout=10
        )
        made.execute("PRAGMA synchronous = FULL")
        return made
    return psycopg.connect(
        host=URL.host, port=URL.port, user=URL.username, dbname=URL.database, autocommit=True
    )


# Opened by the product's own code first, so that SQLite's journal mode is the one it chooses.
with Database(os.environ["CYNOD_DATABASE_URL"]).reading():
    pass
if not IS_SQLITE:
    TOKEN, CARTE = TOKEN.replace("?", "%s"), CARTE.replace("?", "%s")
for _ in range(THREADS):
    connections.put(connect())


def balance(token: bytes, query: dict[str, str]) -> bytes:
    """The body of getSoldeCarte."""
    connection = connections.get()
    try:
        empreinte = hash_secret(token.decode(), PEPPER)
        caller = connection.execute(TOKEN, (empreinte,)).fetchone()
        values = (query["numeroCarte"], query["clientId"], caller[0], query["walletId"])
        row = connection.execute(CARTE, values).fetchone()
    finally:
        connections.put(connection)
    quand = datetime.fromisoformat(row[5]) if IS_SQLITE else row[5].astimezone(UTC)
    solde = float(row[4])
    return json.dumps(
        {
            "success": True,
            "code": 200,
            "message": "Sauf omission* de notre part votre nouveau solde est de"
            f" {solde:.0f}  FCFA ",
            "data": [
                {
                    "numeroCarte": row[1],
                    "soldeOnline": solde,
                    "dateSolde": f"{quand:%d-%m-%Y %H:%M:%S}",
                    "unite": row[3],
                }
            ],
        },
        ensure_ascii=False,
        separators=(",", ":"),
    ).encode()


async def app(scope: Any, _receive: Any, send: Any) -> None:
    """Answers a balance, and readiness."""
    body = b"{}"
    if scope["path"] == "/get-solde-carte":
        headers = dict(scope["headers"])
        token = headers[b"authorization"][7:]
        query = dict(parse_qsl(scope["query_string"].decode()))
        loop = asyncio.get_running_loop()
        body = await loop.run_in_executor(pool, balance, token, query)
    head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": head})
    await send({"type": "http.response.body", "body": body})


if __name__ == "__main__":
    uvicorn.run(
        "tests.bench.peers.bare_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        access_log=False,
        lifespan="off",
    )
