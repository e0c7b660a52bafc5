"""The load: clients that repeat, contradict, close, ask, lose patience and cut connections."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import random
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

from tests.lab.proof.record import (
    ANNULATION,
    ANSWERED,
    CLOTURE,
    CREDIT,
    DEBIT,
    QUESTION,
    TRANSFERT,
    UNANSWERED,
    UNSENT,
    Json,
    Recorder,
)
from tests.support import exchanges

CLIENTS = 16
PATIENCE_S = 6.0
ATTEMPTS = 4
THINK_S = 0.004

WHOLE, SHORT, CUT, HALF = "whole", "short", "cut", "half"
"""Ways to send: to the end; with little patience; gone once sent; gone in the middle of the body."""

PATHS = {
    CREDIT: "/credit-carte",
    DEBIT: "/debit-carte",
    TRANSFERT: "/transferer-solde",
    ANNULATION: "/annuler-operation",
    CLOTURE: "/cloturer-reference",
    QUESTION: "/get-operation",
}
KEPT_HEADERS = ("retry-after", "idempotent-replayed", "content-type")


@dataclass(frozen=True)
class Card:
    """How a partner designates a card."""

    numero: str
    wallet: str
    client: str
    membre: str = ""
    carte_id: str = ""


@dataclass
class Partner:
    """A partner's pair, and its token once it has one."""

    key: str
    secret: str
    token: str = ""

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.key}:{self.secret}".encode()).decode()


@dataclass(frozen=True)
class Intent:
    """What a client wants done, under which reference."""

    partner: Partner
    what: str
    reference: str
    content: Json

    @property
    def request(self) -> tuple[str, str, bytes]:
        """Method, path and body of what is sent."""
        fields = {"reference": self.reference}
        if self.what == QUESTION:
            return "GET", f"{PATHS[self.what]}?{urlencode(fields)}", b""
        return "POST", PATHS[self.what], json.dumps({**self.content, **fields}).encode()


@dataclass
class Board:
    """What the clients of a run tell each other, so that they meet on the same references."""

    recent: deque[Intent] = field(default_factory=lambda: deque(maxlen=40))
    reversible: deque[Intent] = field(default_factory=lambda: deque(maxlen=40))


@dataclass(frozen=True)
class Plan:
    """One load: who calls whom about which cards, for how long, and the seed of every choice."""

    ports: Sequence[int]
    cards: Sequence[Card]
    partners: Sequence[Partner]
    prefix: str
    seed: str
    folder: Path
    clients: int = CLIENTS


class Load:
    """Runs the clients of a plan until it is told to stop."""

    def __init__(self, plan: Plan, kind: type[Client] | None = None) -> None:
        self.plan = plan
        self.board = Board()
        self.stopped = threading.Event()
        self.faults: list[BaseException] = []
        self._clients = [
            (kind or Client)(plan, self.board, number, self.stopped)
            for number in range(plan.clients)
        ]
        self._threads = [
            threading.Thread(target=self._run, args=(client,)) for client in self._clients
        ]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each client end what it is doing. A client that failed by itself fails the load."""
        self.stopped.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                raise RuntimeError("a client of the load did not end")
        if self.faults:
            raise self.faults[0]

    def waiting(self, ports: Sequence[int]) -> list[int]:
        """When the requests left that now wait for an answer at these ports, clients being patient."""
        waiting = [client.waiting for client in self._clients]
        return [sent for port, sent in filter(None, waiting) if port in ports]

    def _run(self, client: Client) -> None:
        try:
            client.run()
        except BaseException as error:  # noqa: BLE001 - told to whoever stops the load
            self.faults.append(error)
        finally:
            client.close()


class Caller:
    """Sends one request at a time over kept connections, and records it."""

    def __init__(self, recorder: Recorder, *, phase: str = "load") -> None:
        self._recorder = recorder
        self._phase = phase
        self._connections: dict[int, http.client.HTTPConnection] = {}
        self.waiting: tuple[int, int] | None = None

    def call(
        self,
        intent: Intent,
        port: int,
        *,
        way: str = WHOLE,
        patience: float = PATIENCE_S,
        authorization: str | None = None,
    ) -> tuple[str, int | None, str]:
        """Send it and record how it ended: answered, unanswered or unsent; status and code."""
        number = self._recorder.begin(
            partner=intent.partner.key,
            what=intent.what,
            reference=intent.reference,
            content=intent.content,
            way=way,
            port=port,
            phase=self._phase,
        )
        sent: list[int] = []
        try:
            status, headers, body = self._exchange(
                intent, port, way, patience, authorization or f"Bearer {intent.partner.token}", sent
            )
        except (OSError, http.client.HTTPException) as error:
            self._drop(port)
            end = UNANSWERED if sent else UNSENT
            at = sent[1] if len(sent) > 1 else None
            self._recorder.end(number, end=end, cause=type(error).__name__, sent=at)
            return end, None, ""
        finally:
            self.waiting = None
        self._recorder.end(
            number, end=ANSWERED, cause="", sent=sent[1], status=status, headers=headers, body=body
        )
        return ANSWERED, status, body

    def _exchange(
        self,
        intent: Intent,
        port: int,
        way: str,
        patience: float,
        authorization: str,
        sent: list[int],
    ) -> tuple[int, dict[str, str], str]:
        connection = self._connection(port, patience)
        method, path, body = intent.request
        # From here on the server may have the request, whatever this side is told.
        sent.append(time.monotonic_ns())
        connection.putrequest(method, path)
        connection.putheader("Authorization", authorization)
        if body:
            connection.putheader("Content-Type", "application/json")
            connection.putheader("Content-Length", str(len(body)))
        if way == HALF:
            connection.endheaders(body[: len(body) // 2])
            raise ConnectionAbortedError
        connection.endheaders(body or None)
        sent.append(time.monotonic_ns())
        if way == CUT:
            raise ConnectionAbortedError
        if way == WHOLE:
            self.waiting = port, sent[1]
        response = connection.getresponse()
        text = response.read().decode("utf-8", "replace")
        kept = {
            name: value
            for name, value in ((k.lower(), v) for k, v in response.getheaders())
            if name in KEPT_HEADERS
        }
        if response.will_close:
            self._drop(port)
        exchanges.record(
            method,
            path,
            {
                "Authorization": authorization,
                **({"Content-Type": "application/json"} if body else {}),
            },
            body,
            status=response.status,
            answer_headers=response.getheaders(),
            answer=text.encode(),
        )
        return response.status, kept, text

    def _connection(self, port: int, patience: float) -> http.client.HTTPConnection:
        connection = self._connections.get(port)
        if connection is None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=patience)
            connection.connect()
            assert connection.sock is not None
            connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._connections[port] = connection
        assert connection.sock is not None
        connection.sock.settimeout(patience)
        return connection

    def _drop(self, port: int) -> None:
        connection = self._connections.pop(port, None)
        if connection is None:
            return
        if connection.sock is not None and connection.sock.fileno() % 2:
            # Half of the cut connections end with a reset, the others with an orderly end.
            with contextlib.suppress(OSError):
                linger = struct.pack("ii", 1, 0)
                connection.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        connection.close()

    def close(self) -> None:
        """Close the connections."""
        for port in list(self._connections):
            self._drop(port)


class Client:
    """One client of the load: a loop of small stories, each under a reference."""

    def __init__(self, plan: Plan, board: Board, number: int, stopped: threading.Event) -> None:
        self._plan = plan
        self._board = board
        self._stopped = stopped
        self._random = random.Random(f"{plan.seed}:{number}")
        self._partner = plan.partners[number % len(plan.partners)]
        self._name = f"{plan.prefix}-{number}"
        self._counter = 0
        self._recorder = Recorder(plan.folder, f"client-{number:02d}")
        self._caller = Caller(self._recorder)
        self._port = plan.ports[number % len(plan.ports)]

    @property
    def waiting(self) -> tuple[int, int] | None:
        """The port of the request that now waits for an answer, and when it left."""
        return self._caller.waiting

    def run(self) -> None:
        """Tell stories until the load stops."""
        stories: list[tuple[Callable[[], None], int]] = [
            (self._pay, 78),
            (self._repeat, 8),
            (self._contradict, 3),
            (self._ask, 5),
            (self._shut, 3),
            (self._share, 3),
        ]
        while not self._stopped.is_set():
            story = self._random.choices([s for s, _ in stories], [w for _, w in stories])[0]
            story()
            self._wait(self._random.uniform(0, 2 * THINK_S))

    def close(self) -> None:
        """Close connections and record."""
        self._caller.close()
        self._recorder.close()

    def _pay(self) -> None:
        self._pursue(self._new_intent())

    def _repeat(self) -> None:
        """The same request as somebody sent a moment ago, perhaps while it still runs."""
        if self._board.recent:
            self._pursue(self._random.choice(list(self._board.recent)))

    def _contradict(self) -> None:
        """The same reference with another content."""
        if not self._board.recent:
            return
        intent = self._random.choice(list(self._board.recent))
        content = dict(intent.content)
        if intent.what == ANNULATION:
            content["motif"] = "autre motif"
        else:
            content["montant"] += 1
        self._send(Intent(intent.partner, intent.what, intent.reference, content))

    def _ask(self) -> None:
        if self._board.recent:
            self._question(self._random.choice(list(self._board.recent)))

    def _shut(self) -> None:
        """Close a reference: somebody's who is still busy with it, or one that is then used."""
        recent = list(self._board.recent)
        intent = (
            self._random.choice(recent)
            if recent and self._random.random() < 0.5
            else self._new_intent(announce=False)
        )
        self._closing(intent)
        if self._random.random() < 0.5:
            self._send(intent)

    def _share(self) -> None:
        """A new operation that other clients are told of before it is sent."""
        intent = self._new_intent()
        self._wait(0.002)
        self._pursue(intent)

    def _new_intent(self, *, announce: bool = True) -> Intent:
        self._counter += 1
        reference = f"{self._name}-{self._counter}"
        what = self._random.choices([CREDIT, DEBIT, TRANSFERT, ANNULATION], [33, 40, 17, 10])[0]
        origin = list(self._board.reversible)
        if what == ANNULATION and not origin:
            what = DEBIT
        if what == ANNULATION:
            original = self._random.choice(origin)
            content: Json = {"referenceOrigine": original.reference}
            partner = original.partner
        else:
            content, partner = self._movement(what), self._partner
        intent = Intent(partner, what, reference, content)
        if announce:
            self._board.recent.append(intent)
        return intent

    def _movement(self, what: str) -> Json:
        # The first card is the hot one: most meet there.
        cards = list(self._plan.cards)
        card = self._random.choices(cards, [6] + [2] * (len(cards) - 1))[0]
        content: Json = {
            "numeroCarte": card.numero,
            "walletId": card.wallet,
            "clientId": card.client,
            "montant": self._random.randint(1, 4_000 if what == CREDIT else 3_000),
        }
        if what == TRANSFERT:
            other = self._random.choice([c for c in cards if c is not card])
            content |= {
                "numeroCarteDestination": other.numero,
                "walletIdDestination": other.wallet,
                "clientIdDestination": other.client,
            }
        return content

    def _pursue(self, intent: Intent) -> None:
        """Send, and after a lost answer do what a partner does: again, ask, close, or give up."""
        for attempt in range(ATTEMPTS):
            end, status, _ = self._send(intent, self._choose_way())
            if end == ANSWERED and status is not None and status < 500:
                if status == 200:
                    self._done(intent)
                return
            if attempt + 1 == ATTEMPTS:
                return
            chosen = self._random.random()
            if chosen < 0.08:
                return
            if chosen < 0.13:
                self._closing(intent)
                return
            if chosen < 0.25:
                self._question(intent)
            # Whoever was told that nothing works waits a little; a cut is followed up at once.
            pause = 0.3 if status == 503 or end == UNSENT else 0.03
            self._wait(self._random.uniform(0, 2 * pause))

    def _done(self, intent: Intent) -> None:
        if intent.what in (CREDIT, DEBIT):
            self._board.reversible.append(intent)
        if self._random.random() < 0.04:
            self._send(intent)

    def _choose_way(self) -> str:
        return self._random.choices([WHOLE, SHORT, CUT, HALF], [84, 8, 6, 2])[0]

    def _send(self, intent: Intent, way: str = WHOLE) -> tuple[str, int | None, str]:
        patience = self._random.uniform(0.001, 0.06) if way == SHORT else PATIENCE_S
        # Few partners use Basic; those who do are served the same.
        basic = intent.partner.basic if self._random.random() < 0.05 else None
        done = self._caller.call(
            intent, self._port, way=way, patience=patience, authorization=basic
        )
        if done[0] != ANSWERED or done[1] == 503 or self._random.random() < 0.05:
            self._port = self._random.choice(self._plan.ports)
        return done

    def _question(self, intent: Intent) -> None:
        self._send(Intent(intent.partner, QUESTION, intent.reference, {}))

    def _closing(self, intent: Intent) -> None:
        self._send(Intent(intent.partner, CLOTURE, intent.reference, {}), self._choose_way())

    def _wait(self, seconds: float) -> None:
        # Waiting for the end would be woken by it; a story may end a moment late instead.
        time.sleep(seconds)
