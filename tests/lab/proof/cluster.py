"""A PostgreSQL cluster on one machine: three nodes with etcd and Patroni, and an API host.

A node is a namespace of its own, of network, processes and mounts: it has its own address, its own /var/lib,
and is switched off by the end of its first process, which takes every other along. The files of
docs/exploitation/cluster are used as they stand. The program that plays runs in such namespaces itself
(`alone`): no address of the machine is taken, and nothing is left when it ends, however that happens.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg

from tests.lab.proof.places import POSTGRESQL, NotPossibleHereError
from tests.support.machine import FAKETIME, TOOLS, find_binaries, find_sbin, how_to_get

ROOT = Path(__file__).resolve().parents[3]
FILES = ROOT / "docs" / "exploitation" / "cluster"
NODES = ("bd1", "bd2", "bd3")
ADDRESSES = {name: f"192.0.2.{11 + at}" for at, name in enumerate(NODES)}
API_HOST, BRIDGE = "192.0.2.10", "cynod0"

"""RFC 5737 sets these addresses aside for documentation: the configuration has them."""

MODEL = "cynod_model"
FORMS_S = 60.0
NOBODY = "02:00:00:00:00:ff"
"""The address of a network card that nobody has."""

_AS_POSTGRES = ("setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--")
# The first process of a node reaps what others leave behind, and ends with whoever started it.
_INIT = """
mount --bind "$1/lib" /var/lib/postgresql && mount --bind "$1/etcd" /var/lib/etcd &&
mount -t tmpfs -o mode=1777 tmpfs /run/postgresql && mount -t tmpfs -o mode=1777 tmpfs /dev/shm &&
ip link set lo up && echo up
sleep infinity & wait
"""


@contextlib.contextmanager
def alone(module: str, arguments: Sequence[str], **more: Any) -> Iterator[subprocess.Popen[str]]:
    """Run `python -m MODULE ARGUMENTS` in namespaces of its own, which end with the block.

    Raises NotPossibleHereError where this machine has none to give.
    """
    check_possible()
    with tempfile.TemporaryDirectory(prefix="cynod-cluster-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        process = subprocess.Popen(
            [
                # They end with whoever asks, be that one killed.
                *("setpriv", "--pdeathsig", "KILL"),
                *("unshare", "--net", "--pid", "--mount", "--fork", "--kill-child", "--mount-proc"),
                *(sys.executable, "-m", module, *arguments),
            ],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": folder},
            text=True,
            **more,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()


def check_possible() -> None:
    """Raises NotPossibleHereError, which says what this machine lacks."""
    for name in ("postgresql", "ip", "cluster", "pgbouncer", "redis"):
        if not TOOLS[name].is_here():
            raise NotPossibleHereError(how_to_get(name))
    if os.geteuid() != 0:
        raise NotPossibleHereError("only root can give nodes a network of their own")
    probe = (
        "ip link add cynodp type veth peer name cynodq && ip link add cynodr type bridge"
        " && mount -t tmpfs tmpfs /mnt"
    )
    done = subprocess.run(
        ["unshare", "--net", "--pid", "--mount", "--fork", "--mount-proc", "sh", "-c", probe],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise NotPossibleHereError(f"this machine gives no namespaces: {done.stderr.strip()}")


class Node:
    """One machine of the cluster: it can be switched off, cut off from others, slowed, misdated."""

    def __init__(
        self, name: str, folder: Path, passwords: Mapping[str, str], *, has_clock: bool
    ) -> None:
        self.name = name
        self.address = ADDRESSES[name]
        self.folder = folder / name
        self.end = f"cynod-{name}"
        """Of its cable, at the switch."""
        self._passwords = passwords
        self._machine: subprocess.Popen[str] | None = None
        self._programs: dict[str, subprocess.Popen[bytes]] = {}
        self._init = 0
        self._has_clock = has_clock
        self._clock = self.folder / "clock"
        for each in ("lib", "etcd"):
            (self.folder / each).mkdir(parents=True)
            shutil.chown(self.folder / each, "postgres", "postgres")
        self.set_clock(0)

    @property
    def is_on(self) -> bool:
        return self._machine is not None and self._machine.poll() is None

    def switch_on(self) -> None:
        """Start it, with a cable to the switch, and its two services."""
        self._machine = subprocess.Popen(
            [
                *("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child"),
                *("--mount-proc", "bash", "-c", _INIT, self.name, str(self.folder)),
            ],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._machine.stdout is not None
        if self._machine.stdout.readline().strip() != "up":
            raise RuntimeError(f"the node {self.name} did not start")
        self._init = _children(self._machine.pid)[0]
        # Of its life before: the kernel takes down what a dead namespace held when it finds the time.
        _run("ip", "link", "del", self.end, check=False)
        _run("ip", "link", "add", self.end, "type", "veth", "peer", "name", "eth0",
             "netns", str(self._init))  # fmt: skip
        _run("ip", "link", "set", self.end, "master", BRIDGE, "up")
        self.run("ip", "address", "add", f"{self.address}/24", "dev", "eth0")
        self.run("ip", "link", "set", "eth0", "up")
        self.start("etcd", "etcd")
        self.start("patroni", *self._patroni)

    def start(self, name: str, *command: str) -> None:
        """Start a service of it, unless it runs."""
        found = self._programs.get(name)
        if found is not None and found.poll() is None:
            return
        with (self.folder / f"{name}.log").open("ab") as log:
            self._programs[name] = subprocess.Popen(
                [*self._inside(), *_AS_POSTGRES, *command],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def keep_running(self) -> None:
        """Start again what has ended, as its supervisor would."""
        if not self.is_on:
            self.switch_on()
        self.start("etcd", "etcd")
        self.start("patroni", *self._patroni)

    def _inside(self) -> list[str]:
        return ["nsenter", "-t", str(self._init), "--net", "--pid", "--mount", "--"]

    def _environment(self) -> dict[str, str]:
        settings = read_variables(FILES / f"{self.name}.env")
        return {
            "PATH": os.environ["PATH"],
            "LC_ALL": "C.UTF-8",
            "HOME": "/var/lib/postgresql",
            **settings,
            **self._passwords,
            "PATRONI_POSTGRESQL_BIN_DIR": str(self._programs_folder()),
        }

    def _programs_folder(self) -> Path:
        """PostgreSQL's programs; the server itself with the node's clock, when it has one."""
        binaries = find_binaries()
        assert binaries is not None
        if not self._has_clock:
            return binaries
        made = self.folder / "bin"
        if not made.exists():
            made.mkdir()
            for program in binaries.iterdir():
                (made / program.name).symlink_to(program)
            (made / "postgres").unlink()
            (made / "postgres").write_text(
                f"#!/bin/sh\nexec env LD_PRELOAD={FAKETIME} FAKETIME_TIMESTAMP_FILE={self._clock}"
                " FAKETIME_CACHE_DURATION=1 FAKETIME_DONT_FAKE_MONOTONIC=1"
                f' {binaries / "postgres"} "$@"\n'
            )
            (made / "postgres").chmod(0o755)
        return made

    @property
    def _patroni(self) -> list[str]:
        program = shutil.which("patroni")
        assert program is not None
        misdated = ["/usr/bin/python3", str(Path(__file__).with_name("misdated.py"))]
        clock = [*misdated, str(self._clock)] if self._has_clock else []
        return [*clock, program, str(FILES / "patroni.yml")]

    @property
    def is_misdated(self) -> bool:
        """Whether its clock is wrong."""
        return float(self._clock.read_text()) != 0

    def set_clock(self, hours: float) -> None:
        """Have the clock of Patroni and PostgreSQL be so wrong. etcd, linked as a whole, keeps its own."""
        self._clock.write_text(f"{hours * 3600:+.0f}\n")

    def run(self, *command: str, check: bool = True) -> str:
        """Run a program on it to its end; what it printed."""
        return _run(*self._inside(), *command, check=check)

    def switch_off(self) -> None:
        """Take its power: nothing of it runs any more, and nobody is told."""
        if self._machine is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._init, signal.SIGKILL)
        self._machine.kill()
        self._machine.wait()
        for program in self._programs.values():
            program.wait()
        self._machine = None
        self._programs = {}

    def kill9_postgresql(self) -> None:
        """End PostgreSQL's first process without a word; its others end by themselves."""
        lines = (self.folder / "lib/15/cynod/postmaster.pid").read_text().split()
        self.run("kill", "-9", lines[0])

    def kill9(self, name: str) -> None:
        """End one of its services without a word, and leave it so."""
        found = self._programs[name]
        # Between it and this process stands nsenter, which is not of its namespace.
        for child in _children(found.pid):
            os.kill(child, signal.SIGKILL)
        found.wait()

    def cut_from(self, other: Node) -> None:
        """Lose what it sends to another, and what that sends to it, without a word to either."""
        for one, peer in ((self, other), (other, self)):
            if one.is_on:
                one.run(
                    "ip", "neigh", "replace", peer.address, "lladdr", NOBODY, "dev", "eth0",
                    "nud", "permanent",
                )  # fmt: skip

    def rejoin(self, other: Node) -> None:
        """Undo `cut_from`."""
        for one, peer in ((self, other), (other, self)):
            if one.is_on:
                one.run("ip", "neigh", "del", peer.address, "dev", "eth0", check=False)


class Slowed:
    """A node whose cable goes through a program that carries each frame a while later."""

    def __init__(self, node: Node, delay_s: float) -> None:
        self._node = node
        near, far = f"{node.end}s", f"{node.end}f"
        self._near = near
        _run("ip", "link", "add", near, "type", "veth", "peer", "name", far)
        _run("ip", "link", "set", near, "master", BRIDGE, "up")
        _run("ip", "link", "set", far, "promisc", "on", "up")
        _run("ip", "link", "set", node.end, "nomaster", "promisc", "on")
        program = (sys.executable, str(Path(__file__).with_name("slow.py")))
        _run(*program, "plain", near)
        node.run(*program, "plain", "eth0")
        self._carrier = subprocess.Popen([*program, "delay", str(delay_s), node.end, far])

    def end(self) -> None:
        """Have its own cable again."""
        self._carrier.kill()
        self._carrier.wait()
        _run("ip", "link", "del", self._near)
        if self._node.is_on:
            _run("ip", "link", "set", self._node.end, "promisc", "off", "master", BRIDGE)


class Cluster:
    """The place of a stage: three nodes, and what the API's host has to reach the primary.

    `urls` are the ways that servers take: HAProxy, libpq's list of hosts, pgbouncer before HAProxy.
    """

    kind = POSTGRESQL
    family = None

    def __init__(self, *, has_clocks: bool = False) -> None:
        """`has_clocks`: its nodes' clocks can be set, which makes every look at them slower."""
        self.folder = Path(tempfile.mkdtemp(prefix="cynod-cluster-"))
        self.folder.chmod(0o711)
        self.folders: Sequence[Path] = [self.folder]
        names = ("SUPERUSER", "REPLICATION", "REWIND", "RESTAPI")
        self._passwords = {f"PATRONI_{name}_PASSWORD": secrets.token_hex(16) for name in names}
        self._password = secrets.token_hex(16)
        self.url = f"postgresql+psycopg://cynod:{self._password}@127.0.0.1:5000/cynod"
        self.nodes = [
            Node(name, self.folder, self._passwords, has_clock=has_clocks) for name in NODES
        ]
        self.slow: Slowed | None = None
        self._helpers: dict[str, tuple[list[str], subprocess.Popen[bytes]]] = {}

    # ── where it is ──────────────────────────────────────────────────────────────────────────────

    @property
    def judged_url(self) -> str:
        return f"postgresql://cynod:{self._password}@127.0.0.1:5000/cynod"

    @property
    def urls(self) -> list[str]:
        hosts = ",".join(ADDRESSES.values())
        return [
            f"postgresql://cynod:{self._password}@127.0.0.1:5000/cynod",
            f"postgresql://cynod:{self._password}@{hosts}/cynod?target_session_attrs=read-write",
            f"postgresql://cynod:{self._password}@127.0.0.1:6432/cynod",
        ]

    def direct_url(self, name: str) -> str:
        """One node alone, whatever it is now."""
        address = ADDRESSES[name]
        return f"postgresql://cynod:{self._password}@{address}/cynod?connect_timeout=2"

    # ── its life ─────────────────────────────────────────────────────────────────────────────────

    def form(self) -> None:
        """Lay the network, start everything, and wait until it is whole."""
        _run("ip", "link", "set", "lo", "up")
        _run("ip", "link", "add", BRIDGE, "type", "bridge")
        _run("ip", "address", "add", f"{API_HOST}/24", "dev", BRIDGE)
        _run("ip", "link", "set", BRIDGE, "up")
        for node in self.nodes:
            node.switch_on()
        self._start_helpers()
        self.await_whole()

    def open(self) -> None:
        """Create the database, and whose it is."""
        admin = self._admin("postgres")
        with psycopg.connect(admin, autocommit=True) as connection:
            connection.execute(f"CREATE ROLE cynod LOGIN PASSWORD '{self._password}'")
            connection.execute("CREATE DATABASE cynod OWNER cynod")

    def _admin(self, database: str) -> str:
        password = self._passwords["PATRONI_SUPERUSER_PASSWORD"]
        hosts = ",".join(ADDRESSES.values())
        return (
            f"postgresql://postgres:{password}@{hosts}/{database}"
            "?target_session_attrs=read-write&connect_timeout=2"
        )

    def _start_helpers(self) -> None:
        # The mounts are this program's own: the machine's file stays as it is.
        _run("mount", "-t", "tmpfs", "tmpfs", "/etc/pgbouncer")
        users = Path("/etc/pgbouncer/userlist.txt")
        users.write_text(f'"cynod" "{self._password}"\n')
        shutil.chown(users, "postgres", "postgres")
        users.chmod(0o600)
        self._help("redis", "redis-server", "--port", "6379", "--bind", "127.0.0.1", "--save", "")
        self._help("haproxy", _sbin("haproxy"), "-db", "-f", str(FILES / "haproxy.cfg"))
        self._help("pgbouncer", *_AS_POSTGRES, _sbin("pgbouncer"), str(FILES / "pgbouncer.ini"))

    def _help(self, name: str, *command: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            made = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT
            )
        self._helpers[name] = list(command), made

    def close(self) -> None:
        """The next stage plays on it too: `end` ends it."""

    def end(self) -> None:
        """End everything, and delete the files."""
        if self.slow is not None:
            self.slow.end()
        for _, helper in self._helpers.values():
            helper.kill()
            helper.wait()
        for node in self.nodes:
            node.switch_off()
        shutil.rmtree(self.folder, ignore_errors=True)

    def copy(self, _other: Any) -> None:
        """Begin again with the database as `keep` kept it."""
        self._replace("cynod", by=MODEL)

    def keep(self) -> None:
        """Keep the database as it is now, which nobody uses."""
        self._replace(MODEL, by="cynod")

    def _replace(self, name: str, *, by: str) -> None:
        with psycopg.connect(self._admin("postgres"), autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (by,)
            )
            connection.execute(f"CREATE DATABASE {name} OWNER cynod TEMPLATE {by}")
            # PostgreSQL 15 forgets what sequences of a copy gave when it is killed before its checkpoint.
            connection.execute("CHECKPOINT")

    def lock(self) -> contextlib.AbstractContextManager[None]:
        """No fault of a cluster locks a card."""
        raise NotImplementedError

    # ── what is known of it ──────────────────────────────────────────────────────────────────────

    def members(self) -> list[dict[str, Any]]:
        """What Patroni tells of each member, asked of any that answers."""
        for node in self.nodes:
            status, body = _ask(node, "/cluster")
            if status == 200:
                found: list[dict[str, Any]] = json.loads(body)["members"]
                return found
        return []

    def find_primary(self) -> Node | None:
        """The node whose Patroni says that it leads."""
        return next((node for node in self.nodes if _ask(node, "/primary")[0] == 200), None)

    @property
    def primary(self) -> Node:
        """The one that leads now. Raises RuntimeError when none does."""
        found = self.find_primary()
        if found is None:
            raise RuntimeError(f"nobody leads: {self.members()}")
        return found

    @property
    def others(self) -> list[Node]:
        """Those that follow."""
        primary = self.primary
        return [node for node in self.nodes if node is not primary]

    def _synchronous(self) -> list[Node]:
        named = [one["name"] for one in self.members() if one["role"] == "sync_standby"]
        return [node for node in self.nodes if node.name in named]

    def await_synchronous(self) -> Node:
        """A standby without which nothing is acknowledged, once there is one. Raises RuntimeError."""
        deadline = time.monotonic() + FORMS_S
        while not (found := self._synchronous()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"no standby is synchronous: {self.members()}")
            time.sleep(0.1)
        return found[0]

    def is_whole(self) -> bool:
        """Whether one leads, and two follow closely and synchronously."""
        members = self.members()
        roles = sorted(str(one["role"]) for one in members)
        states = {str(one["state"]) for one in members}
        lags = [one.get("lag", 0) for one in members if one["role"] != "leader"]
        return (
            roles == ["leader", "sync_standby", "sync_standby"]
            and states <= {"running", "streaming"}
            and all(isinstance(lag, int) and lag < 2**20 for lag in lags)
            and len({one.get("timeline") for one in members}) == 1
        )

    def await_whole(self, seconds: float = FORMS_S) -> None:
        """Wait until it is. Raises RuntimeError when that lasts."""
        if not _wait(self.is_whole, seconds):
            logs = [(node.folder / "patroni.log").read_text()[-1500:] for node in self.nodes]
            raise RuntimeError("\n".join([f"the cluster is not whole: {self.members()}", *logs]))

    # ── what is done to it ───────────────────────────────────────────────────────────────────────

    def switch_over(self, candidate: Node | None = None) -> None:
        """As an operator does it: `patronictl switchover` to a synchronous standby, any unless told."""
        leader, chosen = self.primary, candidate or self.await_synchronous()
        leader.run(
            *("env", f"PATRONI_RESTAPI_PASSWORD={self._passwords['PATRONI_RESTAPI_PASSWORD']}"),
            *("patronictl", "-c", str(FILES / "patroni.yml"), "switchover", "cynod"),
            *("--master", leader.name, "--candidate", chosen.name, "--force"),
        )

    def misdate(self, hours: float) -> None:
        """Have a standby start again with a wrong clock, and lead."""
        node = self.await_synchronous()
        node.switch_off()
        node.set_clock(hours)
        node.switch_on()
        self.await_whole()
        self.switch_over(node)

    def _date_right(self) -> None:
        """Undo it. Not while the node runs: Patroni counts by the clock, and would wait for what was."""
        for node in [one for one in self.nodes if one.is_misdated]:
            if self.find_primary() is node:
                self.switch_over()
            node.switch_off()
            node.set_clock(0)

    def cut_off(self, node: Node) -> None:
        """Cut a node from the other two; the API's host still reaches it."""
        for other in self.nodes:
            if other is not node:
                node.cut_from(other)

    def kill9_redis(self) -> None:
        """End what counts rates for all servers."""
        redis = self._helpers["redis"][1]
        redis.kill()
        redis.wait()

    def slow_down(self, node: Node, delay_s: float) -> None:
        """Have all that a node sends and gets arrive later."""
        self.slow = Slowed(node, delay_s)

    def heal(self) -> None:
        """Undo whatever was done to it, and wait until it is whole."""
        if self.slow is not None:
            self.slow.end()
            self.slow = None
        for at, node in enumerate(self.nodes):
            for other in self.nodes[at + 1 :]:
                node.rejoin(other)
        self._date_right()
        for node in self.nodes:
            node.keep_running()
        for name, (command, helper) in list(self._helpers.items()):
            if helper.poll() is not None:
                self._help(name, *command)
        self.await_whole()


def _sbin(name: str) -> str:
    found = find_sbin(name)
    assert found is not None, how_to_get(name)
    return found


def _wait(condition: Callable[[], bool], seconds: float, every: float = 0.1) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True


def _ask(node: Node, path: str) -> tuple[int, bytes]:
    """What a node's Patroni answers: no status, 0, when it does not."""
    connection = http.client.HTTPConnection(node.address, 8008, timeout=1)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def read_variables(file: Path) -> dict[str, str]:
    """The variables of a file as systemd's EnvironmentFile= reads it: NAME=value, one a line."""
    lines = file.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name: value for name, _, value in pairs}


def _children(pid: int) -> list[int]:
    return [*map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]


def _run(*command: str, check: bool = True) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stdout}{done.stderr}")
    return done.stdout
