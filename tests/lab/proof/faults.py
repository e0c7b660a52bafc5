"""The faults: what is done to the servers and the database while the load runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from tests.lab.proof import waits
from tests.lab.proof.load import WHOLE
from tests.lab.proof.places import (
    POSTGRESQL,
    SQLITE,
    Far,
    OwnServer,
    Pair,
    Place,
    PostgresqlPlace,
    SmallPostgresql,
    SmallSqlite,
    SqlitePlace,
)
from tests.lab.proof.record import (
    ANSWERED,
    UNANSWERED,
    UNSENT,
    Exchange,
)
from tests.lab.proof.stage import Server, Stage


class Spell:
    """The time that a fault has. `margin` is the load before the first and after the last."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self.is_long = seconds >= 10
        self.margin = min(0.5, seconds / 5)

    @property
    def left(self) -> float:
        return self._ends - time.monotonic()

    def rounds(self, every: float) -> Iterator[int]:
        """A number for each time that the fault shall happen: at least once, then as time allows."""
        number = 0
        time.sleep(self.margin)
        while number == 0 or self.left > every + self.margin:
            yield number
            number += 1
            time.sleep(min(every, max(0, self.left - self.margin)))

    def rest(self) -> None:
        """Let the load run to the end of the time."""
        time.sleep(max(0, self.left))


Act = Callable[[Stage, Spell], None]
Felt = Callable[[Sequence[Exchange]], bool]


@dataclass(frozen=True)
class Fault:
    """A fault and the stage that it needs. Unless the clients' records tell of it (`felt`), it did not
    happen."""

    name: str
    summary: str
    act: Act
    places: Mapping[str, Callable[[], Place]]
    felt: Felt = bool
    spoil: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    kept_alive: bool = False
    once: bool = False
    shareable: bool = False
    hurried: bool = True
    """Whether some demandes are brief: not where clocks tell nothing."""

    @property
    def stage_key(self) -> tuple[object, ...]:
        """Faults of one key may follow one another on one stage."""
        return (
            *(self.spoil, *self.settings.items(), *self.places.values()),
            "" if self.shareable else self.name,
        )


def servers_on(kind: str) -> int:
    """An embedded database has one server process; production has several."""
    return 1 if kind == SQLITE else 2


def _unavailable(exchanges: Sequence[Exchange]) -> bool:
    """Somebody was told that the database is away."""
    return any(e.status == 503 and '"5001"' in e.body for e in exchanges)


def _nobody_there(exchanges: Sequence[Exchange]) -> bool:
    """Somebody found no server."""
    return any(e.end == UNSENT for e in exchanges)


def _cut_off(exchanges: Sequence[Exchange]) -> bool:
    """Somebody patient lost the connection in place of the answer."""
    return any(
        (e.way, e.end) == (WHOLE, UNANSWERED) and e.cause != TimeoutError.__name__
        for e in exchanges
    )


def _another_time(exchanges: Sequence[Exchange]) -> bool:
    """Some operation was dated by a clock that was hours wrong."""
    now, hours = datetime.now(UTC), timedelta(hours=6)
    for exchange in exchanges:
        if exchange.end == ANSWERED and exchange.status == 200:
            told = json.loads(exchange.body)["data"][0].get("dateOperation")
            if told and now - _instant(told) > hours:
                return True
    return False


def _instant(text: str) -> datetime:
    return datetime.strptime(text, "%d-%m-%Y %H:%M:%S").replace(tzinfo=UTC)


def _nothing(_stage: Stage, _spell: Spell) -> None:
    pass


def _kill_server(stage: Stage, spell: Spell) -> None:
    for number in spell.rounds(2.5):
        server = stage.servers[number % len(stage.servers)]
        server.kill9()
        time.sleep(0.1)
        server.start()


def _kill_database(stage: Stage, spell: Spell) -> None:
    postgresql = _postgresql(stage)
    for _ in spell.rounds(4):
        postgresql.server.kill9()
        time.sleep(0.2)
        postgresql.server.start()


def _restart_database(stage: Stage, spell: Spell) -> None:
    postgresql = _postgresql(stage)
    for _ in spell.rounds(4):
        postgresql.server.stop("immediate")
        postgresql.server.start()


def _fail_over(stage: Stage, spell: Spell) -> None:
    pair = stage.place
    assert isinstance(pair, Pair)
    assert pair.standby is not None
    time.sleep(max(spell.margin, spell.left / 3))
    # Commits now wait for the standby: what they wrote on the primary was acknowledged to nobody.
    pair.standby.pause()
    time.sleep(0.5)
    pair.fail_over()


def _exhaust_pool(stage: Stage, spell: Spell) -> None:
    for _ in spell.rounds(3):
        with stage.place.lock():
            time.sleep(2 if spell.is_long else 1.3)


def _pause_database(stage: Stage, spell: Spell) -> None:
    postgresql = _postgresql(stage)
    for _ in spell.rounds(20):
        postgresql.server.pause()
        begun = time.monotonic()
        watchers = [threading.Thread(target=_watch, args=(stage, s)) for s in stage.servers]
        for watcher in watchers:
            watcher.start()
        stage.await_work(stage.servers, 0.3)
        for watcher in watchers:
            watcher.join()
        length = 10.0 if spell.is_long else 2.5
        time.sleep(max(0, begun + length - time.monotonic()))
        stage.moments.frozen.append((int(begun * 1e9), time.monotonic_ns()))
        postgresql.server.resume()


def _watch(stage: Stage, server: Server) -> None:
    """A server whose database does not answer is alive all the same, while its readiness is asked."""
    ready = server.status("/health/ready", timeout=2.4)
    if ready not in (None, 503):
        stage.complain(f"GET /health/ready answered {ready} while the database was frozen")
    if server.status("/health/live", timeout=5) != 200:
        stage.complain("GET /health/live was not answered while the database was frozen")


def _end_server(stage: Stage, spell: Spell) -> None:
    for number in spell.rounds(2.5):
        server = stage.servers[number % len(stage.servers)]
        # Held up behind a lock, many requests are in the middle of their work at the signal.
        with stage.place.lock():
            stage.await_work([server], 0.4)
            server.tell_to_end()
            time.sleep(0.2)
        code = server.wait()
        if code != 0:
            stage.complain(f"a server told to end ended with {code}")
        server.start()


def _fill_disk(stage: Stage, spell: Spell) -> None:
    place = stage.place
    assert isinstance(place, SmallSqlite | SmallPostgresql)
    for _ in spell.rounds(3):
        place.fill([server.pid for server in stage.servers])
        time.sleep(1 if spell.is_long else 0.5)
        place.heal()


def _set_clock(stage: Stage, spell: Spell) -> None:
    clock = stage.folder / "clock"
    hours = (-12, 0.5, -1, 0)
    for number in spell.rounds(spell.margin):
        clock.write_text(str(hours[number % len(hours)] * 3600))
    clock.unlink()


def _keep(state: waits.State, *, can_serve: bool | None = False) -> Act:
    def act(stage: Stage, spell: Spell) -> None:
        for number in spell.rounds(12):
            waits.keep(stage, number, state, is_long=spell.is_long, can_serve=can_serve)

    return act


def _postgresql(stage: Stage) -> PostgresqlPlace:
    assert isinstance(stage.place, PostgresqlPlace)
    return stage.place


_BOTH: Mapping[str, Callable[[], Place]] = {POSTGRESQL: OwnServer, SQLITE: SqlitePlace}
_SERVER: Mapping[str, Callable[[], Place]] = {POSTGRESQL: OwnServer}
_SPOILT = "tests.lab.proof.spoilt"

FAULTS = (
    Fault("none", "the load alone", _nothing, _BOTH, shareable=True),
    Fault(
        "kill-server", "a server killed, started again", _kill_server, _BOTH, _nobody_there,
        shareable=True,
    ),
    Fault("end-server", "a server told to end in mid-work", _end_server, _BOTH, shareable=True),
    Fault(
        "kill-database", "PostgreSQL killed, restarted", _kill_database, _SERVER, _unavailable,
        shareable=True,
    ),
    Fault(
        "restart-database", "PostgreSQL restarted at once", _restart_database, _SERVER, _unavailable,
        shareable=True,
    ),
    Fault("pause-database", "PostgreSQL frozen", _pause_database, _SERVER, shareable=True),
    Fault(
        "stop-backends", "who is connected is heard no more",
        _keep(waits.backends_stopped, can_serve=None), _SERVER, _unavailable,
        settings=waits.SETTINGS, shareable=True,
    ),
    Fault(
        "stop-postmaster", "nobody takes connections", _keep(waits.postmaster_stopped), _SERVER,
        _unavailable, settings=waits.SETTINGS, shareable=True,
    ),
    Fault(
        "silence-port", "what has the address says nothing", _keep(waits.silent_port), _SERVER,
        _unavailable, settings=waits.SETTINGS, shareable=True,
    ),
    Fault(
        "lock-card", "100 callers of one locked card", _keep(waits.card_locked, can_serve=True),
        _SERVER, _unavailable, settings=waits.SETTINGS, shareable=True,
    ),
    # The two share a pair, of which the second leaves one.
    Fault(
        "lose-standby", "commits wait for a standby", _keep(waits.standby_gone),
        {POSTGRESQL: Pair}, _unavailable, settings=waits.SETTINGS, shareable=True,
    ),
    Fault(
        "fail-over", "primary killed, standby promoted", _fail_over, {POSTGRESQL: Pair}, _unavailable,
        settings=waits.SETTINGS, once=True, shareable=True,
    ),
    Fault(
        "exhaust-pool", "few connections, hot card locked", _exhaust_pool, _BOTH, _unavailable,
        settings={"CYNOD_POOL_SIZE": "1", "CYNOD_ATTENTE_S": "1"},
    ),
    Fault(
        "fill-disk", "no room left, then room again", _fill_disk,
        {POSTGRESQL: SmallPostgresql, SQLITE: SmallSqlite}, _unavailable,
    ),
    Fault(
        "set-clock", "clock set back and forth", _set_clock, _BOTH, _another_time,
        spoil=f"{_SPOILT}:loses_its_clock", hurried=False,
    ),
    Fault(
        "kill-after-commit", "killed between commit and answer", _nothing, _BOTH, _cut_off,
        spoil=f"{_SPOILT}:dies_after_commit", kept_alive=True,
    ),
    Fault(
        "kill-around-commit", "killed at any instant of a commit", _nothing, _BOTH, _cut_off,
        spoil=f"{_SPOILT}:dies_around_commit", kept_alive=True,
    ),
    Fault(
        "drop-packets", "no answer comes back", _keep(waits.packets_dropped), {POSTGRESQL: Far},
        _unavailable, settings=waits.SETTINGS,
    ),
)  # fmt: skip
