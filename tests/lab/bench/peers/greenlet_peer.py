"""The limit on PostgreSQL, no peer: an ASGI function, greenlets, libpq's calls that do not wait.

It looks the token up with its expiry, then the card of the partner, and writes getSoldeCarte's answer,
as bare_peer.py does. A call's code is synchronous and runs in a greenlet of its own, which leaves the event
loop to others while the database is asked; a connection is one call's at a time, in the order of calls.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import orjson
import uvicorn
from greenlet import getcurrent, greenlet
from psycopg.conninfo import make_conninfo
from psycopg.pq import ExecStatus, Format, PGconn

PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
URL = urlsplit(os.environ["CYNOD_DATABASE_URL"])
CONNECTIONS = int(os.environ.get("BENCH_POOL", "10"))
TOKEN, CARTE = b"token", b"carte"
STATEMENTS = {
    TOKEN: (
        b"SELECT p.id, p.compte_id, p.scopes, j.scopes, j.expire_le FROM jetons j"
        b" JOIN partenaires p ON p.id = j.partenaire_id WHERE j.empreinte = $1"
        b" AND p.revoque_le IS NULL"
    ),
    CARTE: (
        b"SELECT c.id, c.numero_carte, c.compte_id, c.unite, c.solde, c.date_solde"
        b" FROM cartes c, acces a, membres m WHERE c.numero_carte = $1 AND c.client_id = $2"
        b" AND a.client_id = c.client_id AND a.partenaire_id = $3 AND m.client_id = c.client_id"
        b" AND m.membre_id = c.membre_id AND m.wallet_id = $4"
    ),
}
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


def _sleep() -> Any:
    """Let the event loop go on; what the greenlet is switched to with."""
    loop = getcurrent().parent
    assert loop is not None, "only a greenlet of a call may sleep"
    return loop.switch()


class Line:
    """A connection of libpq, one question at a time. Whoever asks sleeps until the answer is there."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._pgconn = PGconn.connect(
            make_conninfo(
                host=URL.hostname, port=URL.port, user=URL.username, dbname=URL.path[1:]
            ).encode()
        )
        for name, sql in STATEMENTS.items():
            prepared = self._pgconn.prepare(name, sql)
            if prepared.status != ExecStatus.COMMAND_OK:
                raise RuntimeError(prepared.error_message)
        self._pgconn.nonblocking = 1
        self._asker: greenlet | None = None
        self._result: Any = None
        loop.add_reader(self._pgconn.socket, self._read)

    def ask(self, name: bytes, values: Sequence[bytes], formats: Sequence[int]) -> Any:
        """The row of a prepared statement, None when there is none. Called in a greenlet."""
        self._pgconn.send_query_prepared(name, values, formats, Format.BINARY)
        if self._pgconn.flush():
            self._loop.add_writer(self._pgconn.socket, self._write)
        self._asker = getcurrent()
        result = _sleep()
        if result.status != ExecStatus.TUPLES_OK:
            raise RuntimeError(result.error_message)
        if not result.ntuples:
            return None
        return [result.get_value(0, column) for column in range(result.nfields)]

    def close(self) -> None:
        """End the connection."""
        self._loop.remove_reader(self._pgconn.socket)
        self._pgconn.finish()

    def _write(self) -> None:
        if not self._pgconn.flush():
            self._loop.remove_writer(self._pgconn.socket)

    def _read(self) -> None:
        self._pgconn.consume_input()
        while self._asker is not None and not self._pgconn.is_busy():
            found = self._pgconn.get_result()
            if found is not None:
                self._result = found
                continue
            # The end of the answer: only now may the connection be asked again.
            asker, self._asker = self._asker, None
            asker.switch(self._result)


class Lines:
    """The connections of a process. One that is given back goes to who has waited longest."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._all = [Line(self._loop) for _ in range(CONNECTIONS)]
        self._idle = list(self._all)
        self._waiting: deque[greenlet] = deque()

    def take(self) -> Line:
        """A connection that nobody else has. Called in a greenlet."""
        if self._idle:
            return self._idle.pop()
        self._waiting.append(getcurrent())
        line: Line = _sleep()
        return line

    def give(self, line: Line) -> None:
        """Give it back, once: to the first who waits, and never also to the idle ones."""
        if self._waiting:
            self._loop.call_soon(self._waiting.popleft().switch, line)
        else:
            self._idle.append(line)

    def close(self) -> None:
        """End all."""
        for line in self._all:
            line.close()


def _number(value: bytes) -> int:
    return int.from_bytes(value, signed=True)


def _moment(value: bytes) -> datetime:
    return EPOCH + timedelta(microseconds=_number(value))


def balance(line: Line, token: bytes, query: dict[str, str]) -> bytes:
    """The body of getSoldeCarte."""
    empreinte = hmac.digest(PEPPER, token, hashlib.sha256)
    caller = line.ask(TOKEN, (empreinte,), (Format.BINARY,))
    if _moment(caller[4]) <= datetime.now(UTC) or b"soldes:lire" not in caller[3]:
        raise PermissionError
    numero, client, wallet = (
        query[name].encode() for name in ("numeroCarte", "clientId", "walletId")
    )
    values = (numero, client, caller[0], wallet)
    row = line.ask(CARTE, values, (Format.TEXT, Format.TEXT, Format.BINARY, Format.TEXT))
    solde = float(_number(row[4]))
    return orjson.dumps(
        {
            "success": True,
            "code": 200,
            "message": "Sauf omission* de notre part votre nouveau solde est de"
            f" {solde:.0f}  FCFA ",
            "data": [
                {
                    "numeroCarte": row[1].decode(),
                    "soldeOnline": solde,
                    "dateSolde": f"{_moment(row[5]):%d-%m-%Y %H:%M:%S}",
                    "unite": row[3].decode(),
                }
            ],
        }
    )


class App:
    """Answers a balance, and readiness."""

    lines: Lines

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """What uvicorn calls."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        body = b"{}"
        if scope["path"] == "/get-solde-carte":
            token = dict(scope["headers"])[b"authorization"][7:]
            query = dict(parse_qsl(scope["query_string"].decode()))
            answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
            greenlet(self._serve).switch(answer, token, query)
            body = await answer
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": head})
        await send({"type": "http.response.body", "body": body})

    async def _live(self, receive: Any, send: Any) -> None:
        await receive()
        self.lines = Lines()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self.lines.close()
        await send({"type": "lifespan.shutdown.complete"})

    def _serve(self, answer: asyncio.Future[bytes], token: bytes, query: dict[str, str]) -> None:
        line = self.lines.take()
        try:
            answer.set_result(balance(line, token, query))
        except Exception as error:  # noqa: BLE001 - it is the call's, whatever it is
            answer.set_exception(error)
        finally:
            self.lines.give(line)


app = App()

if __name__ == "__main__":
    uvicorn.run(
        "tests.lab.bench.peers.greenlet_peer:app",
        port=int(os.environ["PORT"]),
        workers=int(os.environ["WORKERS"]),
        loop="uvloop",
        http="httptools",
        access_log=False,
        lifespan="on",
    )
