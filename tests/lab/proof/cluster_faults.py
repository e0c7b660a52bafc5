"""What is done to a cluster while the load runs, and for how long nobody is served then.

A pulse asks each server four times a second for something that must be committed: its longest silence is
the time without service. Nobody lends a hand before the service is back; then all is made whole again, still
under load.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from tests.lab.proof.cluster import ADDRESSES, Cluster
from tests.lab.proof.faults import Fault, Spell
from tests.lab.proof.load import Caller, Intent
from tests.lab.proof.places import POSTGRESQL
from tests.lab.proof.record import ANSWERED, CLOTURE, Recorder
from tests.lab.proof.stage import Stage

EVERY_S, PATIENCE_S = 0.25, 4.0
BACK_WITHIN_S = 30.0
"""What the service is held to: it is back by then, by itself."""

GIVEN_UP_S = 60.0
CALM_S = 1.5
"""Of load before the fault, and after each change of it."""


@dataclass
class Pulse:
    """When each server committed something, on the monotonic clock, by its port."""

    stage: Stage
    beats: dict[int, list[float]] = field(default_factory=dict)
    begun: float = field(default_factory=time.monotonic)
    ended: float = 0.0

    @property
    def longest_s(self) -> float:
        """The longest time in which one server committed nothing."""
        end = self.ended or time.monotonic()
        every = ([self.begun, *beats, end] for beats in self.beats.values())
        return max(
            (later - one for times in every for one, later in itertools.pairwise(times)),
            default=0.0,
        )

    def is_back(self, since: float) -> bool:
        """Whether every server has committed something that was asked after this instant."""
        return all(beats and beats[-1] > since + EVERY_S for beats in self.beats.values())

    def await_back(self, since: float) -> None:
        """Wait for that, and complain when it lasts."""
        while not self.is_back(since):
            if time.monotonic() > since + GIVEN_UP_S:
                late = [
                    port for port, beats in self.beats.items() if not beats or beats[-1] < since
                ]
                self.stage.complain(f"no service for {GIVEN_UP_S:g} s at the ports {late}")
                return
            time.sleep(0.1)

    def beat(self, port: int, stopped: threading.Event) -> None:
        """Close one reference after the other at a server, which nothing but a COMMIT answers."""
        assert self.stage.load is not None
        plan = self.stage.load.plan
        recorder = Recorder(plan.folder, f"pulse-{port}")
        caller = Caller(recorder)
        partner = self.stage.partners[0]
        for number in itertools.count():
            if stopped.wait(EVERY_S):
                break
            intent = Intent(partner, CLOTURE, f"{plan.prefix}-pulse-{port}-{number}", {})
            asked = time.monotonic()
            end, status, _ = caller.call(intent, port, patience=PATIENCE_S)
            if end == ANSWERED and status == 200:
                self.beats[port].append(asked)
        caller.close()
        recorder.close()


@contextlib.contextmanager
def pulsing(stage: Stage) -> Iterator[Pulse]:
    """A pulse of every server, for the block."""
    pulse, stopped = Pulse(stage), threading.Event()
    pulse.beats = {port: [] for port in stage.ports}
    threads = [threading.Thread(target=pulse.beat, args=(port, stopped)) for port in stage.ports]
    for thread in threads:
        thread.start()
    try:
        yield pulse
    finally:
        pulse.ended = time.monotonic()
        stopped.set()
        for thread in threads:
            thread.join()


Deed = Callable[[Cluster], None]


@dataclass(frozen=True)
class ClusterFault:
    """What happens to a cluster, one thing after the other, and how long the last one lasts once the service
    is back."""

    name: str
    summary: str
    deeds: tuple[Deed, ...]
    lasts_s: float = 2.0
    beside: Callable[[Stage], AbstractContextManager[Any]] = contextlib.nullcontext

    def _do(self, stage: Stage, spell: Spell, pulse: Pulse) -> None:
        cluster = stage.place
        assert isinstance(cluster, Cluster)
        for deed in self.deeds:
            since = time.monotonic()
            deed(cluster)
            pulse.await_back(since)
        time.sleep(max(self.lasts_s, spell.left))
        cluster.heal()
        time.sleep(CALM_S)
        pulse.await_back(time.monotonic() - CALM_S)

    def as_fault(self, silences: dict[str, float]) -> Fault:
        """The fault of a proof, which notes the time without service under its name."""

        def act(stage: Stage, spell: Spell) -> None:
            with pulsing(stage) as pulse, self.beside(stage):
                time.sleep(CALM_S)
                self._do(stage, spell, pulse)
            silences[self.name] = pulse.longest_s
            if pulse.longest_s > BACK_WITHIN_S:
                stage.complain(f"{pulse.longest_s:.1f} s without service")

        places = {POSTGRESQL: Cluster}
        return Fault(self.name, self.summary, act, places, once=True, hurried=False)


class Witness:
    """Writes to every node that takes it, without HAProxy, and remembers what was acknowledged.

    Whoever is still connected to a primary that was replaced is told of no success that then is gone.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._stopped = threading.Event()
        self._numbers = itertools.count()
        self.acknowledged: dict[str, list[int]] = {name: [] for name in ADDRESSES}

    def write(self, name: str) -> None:
        """Insert one number after the other at one node."""
        while not self._stopped.is_set():
            with contextlib.suppress(psycopg.Error):
                self._write_on(name)
            self._stopped.wait(0.2)

    def _write_on(self, name: str) -> None:
        address = self._cluster.direct_url(name)
        with psycopg.connect(address, autocommit=True) as connection:
            while not self._stopped.is_set():
                number = next(self._numbers)
                connection.execute("INSERT INTO witness VALUES (%s)", (number,))
                self.acknowledged[name].append(number)
                self._stopped.wait(0.1)

    def lost(self) -> int:
        """How many acknowledged numbers the primary of now does not have."""
        with psycopg.connect(self._cluster.judged_url) as connection:
            kept = {row[0] for row in connection.execute("SELECT number FROM witness")}
        return sum(number not in kept for each in self.acknowledged.values() for number in each)

    def stop(self) -> None:
        """Let each end."""
        self._stopped.set()


@contextlib.contextmanager
def witnessed(stage: Stage) -> Iterator[None]:
    """A client of every node beside the load; whatever it was told and lost is complained of."""
    cluster = stage.place
    assert isinstance(cluster, Cluster)
    with psycopg.connect(cluster.judged_url, autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS witness (number bigint)")
    witness = Witness(cluster)
    threads = [threading.Thread(target=witness.write, args=(name,)) for name in ADDRESSES]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        witness.stop()
        for thread in threads:
            thread.join(30)
        with psycopg.connect(cluster.judged_url, autocommit=True) as connection:
            lost = witness.lost()
            connection.execute("DROP TABLE witness")
    if lost:
        stage.complain(f"{lost} acknowledged rows of a client of one node are lost")
    if sum(map(bool, witness.acknowledged.values())) < 2:
        stage.complain("only one node ever acknowledged anything: nobody was replaced")


def _switch_over(cluster: Cluster) -> None:
    cluster.switch_over()


def _kill_primary(cluster: Cluster) -> None:
    cluster.primary.kill9_postgresql()


def _switch_off_primary(cluster: Cluster) -> None:
    cluster.primary.switch_off()


def _cut_off_primary(cluster: Cluster) -> None:
    cluster.cut_off(cluster.primary)


def _lose_standby(cluster: Cluster) -> None:
    cluster.await_synchronous().switch_off()


def _lose_etcd(cluster: Cluster) -> None:
    for node in cluster.others:
        node.kill9("etcd")


def _slow_down(cluster: Cluster) -> None:
    cluster.slow_down(cluster.primary, 0.02)


def _misdate_ahead(cluster: Cluster) -> None:
    cluster.misdate(1.5)


def _lose_redis(cluster: Cluster) -> None:
    cluster.kill9_redis()


CLUSTER_FAULTS: Sequence[ClusterFault] = (
    ClusterFault("switchover", "an operator's `patronictl switchover`", (_switch_over,)),
    ClusterFault("kill-primary", "the primary's PostgreSQL killed with -9", (_kill_primary,)),
    ClusterFault("power-cut", "the primary's whole node without power", (_switch_off_primary,)),
    ClusterFault(
        "split-brain",
        "the primary cut off from the other nodes, not from its clients",
        (_cut_off_primary,),
        lasts_s=25,
        beside=witnessed,
    ),
    ClusterFault(
        "standby-gone", "the synchronous standby without power", (_lose_standby,), lasts_s=10
    ),
    ClusterFault("etcd-minority", "two of three etcd killed", (_lose_etcd,), lasts_s=30),
    ClusterFault("slow-network", "20 ms more each way to the primary", (_slow_down,), lasts_s=15),
    ClusterFault(
        "clock-skew", "a primary whose clock is 90 minutes ahead", (_misdate_ahead,), lasts_s=5
    ),
    ClusterFault("redis-gone", "what counts rates killed", (_lose_redis,), lasts_s=5),
)

IN_SHORT = ClusterFault(
    "in-short", "killed with -9, then switched over", (_kill_primary, _switch_over), lasts_s=0.5
)
"""What the tests play, in less than a minute."""
