"""The faults: what is done to the servers and the database while the load runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tests.proof.places import (
    POSTGRESQL,
    SQLITE,
    OwnServer,
    Pair,
    Place,
    PostgresqlPlace,
    SmallPostgresql,
    SmallSqlite,
    SqlitePlace,
)
from tests.proof.record import UNSENT
from tests.proof.stage import Server, Stage

WARM_S, TAIL_S = 0.5, 0.6
"""The load before the first fault and after the last."""


class Spell:
    """The time that a fault has."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self.is_long = seconds >= 10

    @property
    def left(self) -> float:
        return self._ends - time.monotonic()

    def rounds(self, every: float) -> Iterator[int]:
        """A number for each time that the fault shall happen: at least once, then as time allows."""
        number = 0
        time.sleep(WARM_S)
        while number == 0 or self.left > every + TAIL_S:
            yield number
            number += 1
            time.sleep(min(every, max(0, self.left - TAIL_S)))

    def rest(self) -> None:
        """Let the load run to the end of the time."""
        time.sleep(max(0, self.left))


Act = Callable[[Stage, Spell], None]


@dataclass(frozen=True)
class Fault:
    """A fault and the stage that it needs. Unless some exchange ended as `felt`, it did not happen."""

    name: str
    summary: str
    act: Act
    places: Mapping[str, Callable[[], Place]]
    felt: str = ""
    spoil: str = ""
    settings: Mapping[str, str] = field(default_factory=dict)
    kept_alive: bool = False
    shareable: bool = False

    @property
    def stage_key(self) -> tuple[object, ...]:
        """Faults of one key may follow one another on one stage."""
        return (self.spoil, *self.settings.items(), "" if self.shareable else self.name)


def servers_on(kind: str) -> int:
    """An embedded database has one server process; production has several."""
    return 1 if kind == SQLITE else 2


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
    time.sleep(max(WARM_S, spell.left / 3))
    # Commits now wait for the standby: what they wrote on the primary was acknowledged to nobody.
    pair.standby.pause()
    time.sleep(0.5)
    pair.fail_over()


def _exhaust_pool(stage: Stage, spell: Spell) -> None:
    for _ in spell.rounds(3):
        with stage.place.lock():
            time.sleep(2)


def _pause_database(stage: Stage, spell: Spell) -> None:
    postgresql = _postgresql(stage)
    for _ in spell.rounds(20):
        postgresql.server.pause()
        watchers = [threading.Thread(target=_watch, args=(stage, s)) for s in stage.servers]
        for watcher in watchers:
            watcher.start()
        time.sleep(10 if spell.is_long else 1.5)
        for watcher in watchers:
            watcher.join()
        postgresql.server.resume()


def _watch(stage: Stage, server: Server) -> None:
    """A server whose database does not answer is alive all the same, while its readiness is asked."""
    for _ in range(4):
        server.answers("/health/ready", timeout=0.2)
    if not server.answers(timeout=2):
        stage.complain("GET /health/live was not answered while the database was paused")


def _end_server(stage: Stage, spell: Spell) -> None:
    for number in spell.rounds(2.5):
        server = stage.servers[number % len(stage.servers)]
        # Held up behind a lock, many requests are in the middle of their work at the signal.
        with stage.place.lock():
            time.sleep(0.3)
            server.tell_to_end()
            time.sleep(0.3)
        code = server.wait()
        if code != 0:
            stage.complain(f"a server told to end ended with {code}")
        server.start()


def _fill_disk(stage: Stage, spell: Spell) -> None:
    place = stage.place
    assert isinstance(place, SmallSqlite | SmallPostgresql)
    for _ in spell.rounds(3):
        place.fill([server.pid for server in stage.servers])
        time.sleep(1)
        place.heal()


def _set_clock(stage: Stage, spell: Spell) -> None:
    clock = stage.folder / "clock"
    hours = (-12, 0.5, -1, 0)
    for number in spell.rounds(0.5):
        clock.write_text(str(hours[number % len(hours)] * 3600))
    clock.unlink()


def _postgresql(stage: Stage) -> PostgresqlPlace:
    assert isinstance(stage.place, PostgresqlPlace)
    return stage.place


_BOTH: Mapping[str, Callable[[], Place]] = {POSTGRESQL: OwnServer, SQLITE: SqlitePlace}
_SERVER: Mapping[str, Callable[[], Place]] = {POSTGRESQL: OwnServer}
_SPOILT = "tests.proof.spoilt"

FAULTS = (
    Fault("none", "the load alone", _nothing, _BOTH, shareable=True),
    Fault("kill-server", "a server killed, started again", _kill_server, _BOTH, UNSENT, shareable=True),
    Fault("end-server", "a server told to end in mid-work", _end_server, _BOTH, UNSENT, shareable=True),
    Fault("kill-database", "PostgreSQL killed, restarted", _kill_database, _SERVER, "5001", shareable=True),
    Fault(
        "restart-database", "PostgreSQL restarted at once", _restart_database, _SERVER, "5001",
        shareable=True,
    ),
    Fault("pause-database", "PostgreSQL frozen", _pause_database, _SERVER, shareable=True),
    Fault("fail-over", "primary killed, standby promoted", _fail_over, {POSTGRESQL: Pair}, "5001"),
    Fault(
        "exhaust-pool", "two connections, hot card locked", _exhaust_pool, _BOTH, "5001",
        settings={"CYNOD_POOL_SIZE": "1", "CYNOD_ATTENTE_S": "1"},
    ),
    Fault(
        "fill-disk", "no room left, then room again", _fill_disk,
        {POSTGRESQL: SmallPostgresql, SQLITE: SmallSqlite}, "5001",
    ),
    Fault("set-clock", "clock set back and forth", _set_clock, _BOTH,
        spoil=f"{_SPOILT}:loses_its_clock"),
    Fault(
        "kill-after-commit", "killed between commit and answer", _nothing, _BOTH, UNSENT,
        f"{_SPOILT}:dies_after_commit", kept_alive=True,
    ),
    Fault(
        "kill-around-commit", "killed at any instant of a commit", _nothing, _BOTH, UNSENT,
        f"{_SPOILT}:dies_around_commit", kept_alive=True,
    ),
)  # fmt: skip
