"""Faults in which a database lets its servers wait: how long each is kept, and what must hold meanwhile.

Liveness is answered at once; readiness says no while calls cannot be served, and yes again by itself; every
call is answered soon after its deadline (the judge looks at that); a server told to end does so in time.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import httpx
import psycopg

from tests.lab.proof.load import Caller, Intent
from tests.lab.proof.places import Far, Pair, PostgresqlPlace
from tests.lab.proof.record import ANSWERED, DEBIT, QUESTION, Recorder
from tests.lab.proof.stage import Server, Stage
from tests.lab.proof.watch import LIVE, READY, Watch, watching

DEADLINE_S, STOP_S = 1, 5
SETTINGS = {"CYNOD_DELAI_S": str(DEADLINE_S), "CYNOD_ARRET_S": str(STOP_S)}
"""Short ones, so that a short fault is longer."""

READY_AGAIN_S = 10.0
"""What a client's retries and a server's next probe need once the database answers again."""

CROWD, READERS = 100, 4


@dataclass(frozen=True)
class Bounds:
    """How late things may be. A test runs on machines that are busy with others; a proof does not."""

    live_s: float
    late_s: float


STRICT, PATIENT = Bounds(0.1, 1.0), Bounds(DEADLINE_S, 4.0)

State = Callable[[Stage], AbstractContextManager[None]]


@dataclass
class Kept:
    """One time that a database was kept in a state."""

    stage: Stage
    bounds: Bounds
    begun: int = field(default_factory=time.monotonic_ns)
    told: dict[int, int] = field(default_factory=dict)
    """When the servers that had to end were told so, by their ports."""

    def since(self) -> float:
        """For how many seconds it has lasted."""
        return (time.monotonic_ns() - self.begun) / 1e9

    def end_one(self, server: Server) -> None:
        """Tell a server to end in the middle of it."""
        began = self.told[server.port] = time.monotonic_ns()
        server.tell_to_end()
        code = server.wait()
        took = (time.monotonic_ns() - began) / 1e9
        if code != 0:
            self.stage.complain(f"a server told to end ended with {code}")
        if took > STOP_S + self.bounds.late_s:
            self.stage.complain(f"a server told to end took {took:.1f} s")

    def await_no(self, watch: Watch) -> None:
        """Wait until every server has said that it is not ready: two deadlines are enough.

        Each is asked for a token meanwhile: of the load, all that one of them was asked may wait for cards
        that the other one holds, so that none of its own COMMITs waits for anything.
        """
        ports = set(self.stage.ports)
        for port in ports:
            threading.Thread(target=self._ask_for_token, args=(port,), daemon=True).start()
        while ports := ports - self._ports_that_said(watch, 503, self.begun):
            if self.since() > 2 * DEADLINE_S + self.bounds.late_s:
                self.stage.complain(f"{len(ports)} servers still say that they are ready")
                return
            time.sleep(0.02)

    def _ask_for_token(self, port: int) -> None:
        pair = self.stage.partners[0]
        with contextlib.suppress(httpx.HTTPError):
            httpx.post(
                f"http://127.0.0.1:{port}/access-token",
                auth=(pair.key, pair.secret),
                data={"grant_type": "client_credentials"},
                timeout=4 * DEADLINE_S,
                trust_env=False,
            )

    def await_yes(self, watch: Watch) -> None:
        """Wait until the servers that run on say that they are ready, without being touched."""
        over = time.monotonic_ns()
        ports = set(self.stage.ports) - set(self.told)
        while ports := ports - self._ports_that_said(watch, 200, over):
            if time.monotonic_ns() > over + (READY_AGAIN_S + self.bounds.late_s) * 1e9:
                self.stage.complain(f"{len(ports)} servers do not become ready again")
                return
            time.sleep(0.02)

    @staticmethod
    def _ports_that_said(watch: Watch, status: int, since: int) -> set[int]:
        return {
            seen.port
            for seen in watch.seen()
            if (seen.path, seen.status) == (READY, status) and seen.asked > since
        }

    def judge_liveness(self, watch: Watch) -> None:
        """Complain of each server that was slow to say that it lives."""
        for port in self.stage.ports:
            until = self.told.get(port, time.monotonic_ns())
            asked = [s for s in watch.seen() if (s.port, s.path) == (port, LIVE)]
            lives = [s for s in asked if self.begun < s.asked and s.answered < until]
            wrong = {s.status for s in lives} - {200}
            slowest = max((s.seconds for s in lives), default=0.0)
            if not lives or wrong or slowest > self.bounds.live_s:
                self.stage.complain(
                    f"{len(lives)} answers of /health/live, {wrong or 'all 200'}, {slowest:.3f} s at most"
                )

    def judge_readiness(self, watch: Watch) -> None:
        """Complain of each server that said it was not ready although it could serve calls."""
        for seen in watch.seen():
            until = self.told.get(seen.port, time.monotonic_ns())
            meanwhile = self.begun < seen.asked and seen.answered < until
            # It had no time to answer, when the machine ran others until the deadline was over.
            is_held_up = seen.wall_seconds >= DEADLINE_S > seen.seconds
            if seen.path == READY and meanwhile and seen.status != 200 and not is_held_up:
                self.stage.complain(
                    f"/health/ready answered {seen.status} beside a locked card, "
                    f"{seen.seconds:.3f} of {seen.wall_seconds:.3f} s after the question"
                )


def keep(
    stage: Stage, number: int, state: State, *, is_long: bool, can_serve: bool | None = False
) -> None:
    """Keep the database in the state, and end a server in it; `can_serve` tells what readiness must say,
    None that it may say either."""
    bounds = STRICT if is_long else PATIENT
    server = stage.servers[number % len(stage.servers)]
    pids = {server.port: server.pid for server in stage.servers}
    with watching(pids, stage.folder / "watch.jsonl") as watch:
        with state(stage):
            kept = Kept(stage, bounds)
            stage.await_work(stage.servers, 0.3)
            if can_serve is False:
                kept.await_no(watch)
            time.sleep(max(0, (5 if is_long else DEADLINE_S) - kept.since()))
            kept.end_one(server)
            stage.moments.waited.append(
                (kept.begun, time.monotonic_ns(), int((DEADLINE_S + bounds.late_s) * 1e9))
            )
        kept.await_yes(watch)
        kept.judge_liveness(watch)
        if can_serve:
            kept.judge_readiness(watch)
    server.start()


# ── the states ───────────────────────────────────────────────────────────────────────────────────


def _place(stage: Stage) -> PostgresqlPlace:
    assert isinstance(stage.place, PostgresqlPlace)
    return stage.place


_OTHERS = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"


@contextlib.contextmanager
def backends_stopped(stage: Stage) -> Iterator[None]:
    """Whoever is connected is heard no more; the locks that were held stay held; others may connect."""
    with psycopg.connect(_place(stage).judged_url, autocommit=True) as connection:
        pids = [pid for (pid,) in connection.execute(f"SELECT pid {_OTHERS}").fetchall()]
    try:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGSTOP)
        yield
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@contextlib.contextmanager
def postmaster_stopped(stage: Stage) -> Iterator[None]:
    """Connections end, and nobody takes new ones, although the port is open."""
    place = _place(stage)
    with psycopg.connect(place.judged_url, autocommit=True) as connection:
        postmaster = place.server.pid
        os.kill(postmaster, signal.SIGSTOP)
        try:
            connection.execute(f"SELECT pg_terminate_backend(pid) {_OTHERS}")
            yield
        finally:
            os.kill(postmaster, signal.SIGCONT)


@contextlib.contextmanager
def standby_gone(stage: Stage) -> Iterator[None]:
    """Every COMMIT waits for a standby that is not there; reads need none."""
    pair = stage.place
    assert isinstance(pair, Pair)
    assert pair.standby is not None
    pair.standby.kill9()
    try:
        yield
    finally:
        pair.standby.start()


@contextlib.contextmanager
def silent_port(stage: Stage) -> Iterator[None]:
    """The database is gone, and what has its address takes connections and never says a word."""
    server = _place(stage).server
    server.stop("immediate")
    try:
        with socket.create_server(("127.0.0.1", server.port), backlog=200):
            yield
    finally:
        server.start()


@contextlib.contextmanager
def packets_dropped(stage: Stage) -> Iterator[None]:
    """What servers send arrives, and no answer comes back: a COMMIT is executed and nobody learns it."""
    far = stage.place
    assert isinstance(far, Far)
    far.drop()
    try:
        yield
    finally:
        far.pass_on()


@contextlib.contextmanager
def card_locked(stage: Stage) -> Iterator[None]:
    """Somebody holds the hot card; a hundred callers debit it, and others read."""
    assert stage.load is not None
    folder, over = stage.load.plan.folder, threading.Event()
    recent = list(stage.load.board.recent)

    def call(number: int) -> None:
        recorder = Recorder(folder, f"crowd-{stage.load_number}-{number:03d}")
        caller = Caller(recorder)
        port = stage.ports[number % len(stage.ports)]
        over.wait(DEADLINE_S * number / CROWD)  # a crowd, not a wave
        while not over.is_set():
            if number < CROWD:
                caller.call(_debit(stage, number), port)
                over.wait(0.2)
            else:
                _read(stage, caller, recent[number % len(recent)], port)
                over.wait(0.02)
        caller.close()
        recorder.close()

    stage.load_number += 1
    threads = [threading.Thread(target=call, args=(n,)) for n in range(CROWD + READERS)]
    with stage.place.lock():
        for thread in threads:
            thread.start()
        yield
        over.set()
    for thread in threads:
        thread.join()


def _debit(stage: Stage, number: int) -> Intent:
    assert stage.load is not None
    card, partner = stage.cards[0], stage.partners[number % len(stage.partners)]
    content = {
        "numeroCarte": card.numero,
        "walletId": card.wallet,
        "clientId": card.client,
        "montant": 1,
    }
    reference = f"{stage.load.plan.prefix}-crowd-{stage.load_number}-{number}"
    return Intent(partner, DEBIT, reference, content)


def _read(stage: Stage, caller: Caller, intent: Intent, port: int) -> None:
    question = Intent(intent.partner, QUESTION, intent.reference, {})
    end, status, _ = caller.call(question, port)
    if end == ANSWERED and status == 503:
        stage.complain("a read was refused because of a locked card")
