"""The stage of a proof: a database, server processes on it, and a small world to move money in."""

from __future__ import annotations

import contextlib
import csv
import http.client
import itertools
import json
import os
import random
import shutil
import signal
import socket
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from tests.lab.proof.books import reading
from tests.lab.proof.load import Card, Load, Partner
from tests.lab.proof.places import Place
from tests.lab.proof.provider import provider
from tests.lab.proof.record import Moments
from tests.lab.proof.staff import Person, hire
from tests.support.nursery import Nursery

CLIENT, MEMBRES = "CLI-PREUVE", (("MBR-1", "221770000001"), ("MBR-2", "221770000002"))
CARDS = 4
OPENING = (60_000, 20_000, 20_000, 0)
COLUMNS = (
    *("clientId", "clientNom", "membreId", "nom", "prenom", "email", "telephone", "numeroPiece"),
    *("dateNaissance", "numeroCarte", "finValidite", "statut", "solde"),
)
SCOPES = ("soldes:lire", "cartes:lire", "cartes:crediter", "cartes:debiter")
PEPPER = "pepper of the proof"
START_S = 30.0
TASK = ("demande", "expirer")
SPOILT, SHORTENS = "tests.lab.proof.spoilt", "shortens_demandes"


class Server:
    """One `cynod serve` on a port of its own, which it keeps over its lives."""

    def __init__(self, stage: Stage, number: int) -> None:
        self._stage = stage
        self._number = number
        self.port = _free_port()
        self.log = stage.folder / f"server-{number}.log"
        self.pid = 0
        self._read = 0

    def start(self) -> None:
        """Start and wait until it answers; it needs a database that answers too."""
        self.pid = self._stage.nursery.spawn(
            ["serve", "--port", str(self.port)],
            folder=self._stage.folder,
            output=self.log,
            variables=self._stage.variables_of(self._number),
            spoil=self._stage.spoil_of_servers,
        )
        deadline = time.monotonic() + START_S
        while not self.answers():
            if self._stage.nursery.poll(self.pid) is not None:
                if self._stage.keeping:
                    return
                raise RuntimeError(f"a server ended while it started: {self.log.read_text()}")
            if time.monotonic() > deadline:
                raise RuntimeError("a server did not answer in time")
            time.sleep(0.02)

    def answers(self, path: str = "/health/live", *, timeout: float = 1.0) -> bool:
        """Whether a GET is answered by 200 within the time."""
        return self.status(path, timeout=timeout) == 200

    def status(self, path: str, *, timeout: float) -> int | None:
        """The status that answers a GET, None when nothing does within the time."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            connection.request("GET", path)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return None
        finally:
            connection.close()

    @property
    def is_running(self) -> bool:
        return self.pid != 0 and self._stage.nursery.poll(self.pid) is None

    def describe(self) -> str:
        """What is known of it, for whoever must find out why it is not ready."""
        running = "running" if self.is_running else "ended"
        status = self.status("/health/ready", timeout=5)
        return f"{self.pid} {running}, ready: {status}, {self.log.read_text()[-500:]}"

    def read_new(self) -> list[Any]:
        """The lines of its log that were not read yet; one that a kill cut is left out."""
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        new, self._read = lines[self._read :], len(lines)
        read = []
        for line in new:
            with contextlib.suppress(ValueError):
                read.append(json.loads(line))
        return [line for line in read if isinstance(line, dict)]

    def kill9(self) -> None:
        """End it without a word."""
        os.kill(self.pid, signal.SIGKILL)
        self._stage.nursery.wait(self.pid)

    def tell_to_end(self) -> None:
        """SIGTERM; `wait` tells how it ended."""
        self._stage.moments.told_to_end.append((self.port, time.monotonic_ns()))
        os.kill(self.pid, signal.SIGTERM)

    def wait(self) -> int:
        """The exit code, once it has ended."""
        return self._stage.nursery.wait(self.pid)


class Stage:
    """Everything that a fault can be done to."""

    def __init__(
        self,
        place: Place,
        nursery: Nursery,
        *,
        servers: int = 2,
        spoil: str = "",
        settings: Mapping[str, str] | None = None,
        model: Stage | None = None,
        office: bool = True,
        hurried: bool = False,
    ) -> None:
        self.place = place
        self.has_office = office
        self.is_hurried = office and hurried
        self.nursery = nursery
        self.spoil = spoil
        self._model = model
        self.folder = Path(tempfile.mkdtemp(prefix="cynod-proof-"))
        self.moments = Moments()
        self.load: Load | None = None
        self.load_number = 0
        self.keeping = False
        for path in (self.folder, *place.folders):
            nursery.adopt(path)
        self.variables = {
            "CYNOD_ENV": "production",
            "CYNOD_PEPPER": PEPPER,
            "CYNOD_LOG_FORMAT": "json",
            "CYNOD_ATTENTE_S": "2",
            "CYNOD_SURFACES": "partenaire,base-core" if office else "partenaire",
            "CYNOD_OIDC_EMETTEUR": provider().emetteur,
            "HOST": "127.0.0.1",
            **(settings or {}),
        }
        self.cards: list[Card] = []
        self.partners: list[Partner] = []
        self.staff: list[Person] = []
        self.complaints: list[str] = []
        self.servers = [Server(self, number) for number in range(servers)]
        self._runs = itertools.count(1)

    @property
    def ports(self) -> list[int]:
        return [server.port for server in self.servers]

    @property
    def spoil_of_servers(self) -> str:
        """What its servers are spoilt by: on a hurried stage, demandes can be brief."""
        if not self.is_hurried:
            return self.spoil
        module, _, names = self.spoil.partition(":")
        return ":".join((module or SPOILT, "+".join(filter(None, (names, SHORTENS)))))

    def variables_of(self, _number: int) -> Mapping[str, str]:
        """The settings of one of its servers."""
        return self.variables

    def open(self) -> None:
        """Migrate, make the world by the commands of an administrator, start the servers."""
        model = self._model
        if model is None:
            self.place.open()
        else:
            self.place.copy(model.place)
            self.cards = list(model.cards)
            self.partners = [Partner(each.key, each.secret) for each in model.partners]
            self.staff = [Person(each.key, each.secret) for each in model.staff]
        self.variables["CYNOD_DATABASE_URL"] = self.place.url
        if model is None:
            self._populate()
        self._start_servers()
        for partner in (*self.partners, *self.staff):
            if partner.secret:
                partner.token = _ask_token(self.ports[0], partner)

    def open_model(self) -> None:
        """Make the world only, for others to copy."""
        self.place.open()
        self.variables["CYNOD_DATABASE_URL"] = self.place.url
        self._populate()

    def _start_servers(self) -> None:
        with ThreadPoolExecutor(len(self.servers)) as pool:
            for started in [pool.submit(server.start) for server in self.servers]:
                started.result()

    @contextlib.contextmanager
    def armed(self) -> Iterator[None]:
        """Let servers that were spoilt do what they were spoilt for."""
        flag = self.folder / "armed"
        flag.touch()
        try:
            yield
        finally:
            flag.unlink()

    def complain(self, text: str) -> None:
        """Say what a fault's own driver saw go wrong."""
        self.complaints.append(text)

    def await_work(self, servers: Sequence[Server], seconds: float) -> None:
        """Wait until a request has waited, from now on, this long at one of the servers."""
        assert self.load is not None
        begun = time.monotonic_ns()
        ports = [server.port for server in servers]
        while time.monotonic_ns() < begun + START_S * 1e9:
            limit = time.monotonic_ns() - seconds * 1e9
            if any(max(sent, begun) < limit for sent in self.load.waiting(ports)):
                return
            time.sleep(0.01)
        self.complain("no request came to wait for what the fault had stopped")

    def read_faults(self) -> list[str]:
        """What the servers logged as an error since this was last read: no fault of others is one."""
        lines = itertools.chain.from_iterable(server.read_new() for server in self.servers)
        return [
            f"a server logged {line['event']!r} ({line.get('operation')}): {line.get('exception')}"
            for line in lines
            if line.get("level") == "error"
        ]

    def end_demandes(self) -> None:
        """Run the task that ends what has waited too long."""
        self.run(*TASK)

    def try_to_end_demandes(self, *, tasks: int) -> None:
        """Run it so often at once; each may be killed at it, or find no database."""
        pids = [
            self.nursery.spawn(
                list(TASK),
                folder=self.folder,
                output=self.folder / "task.log",
                variables=self.variables,
                spoil=f"{SPOILT}:dies_in_mid_work",
            )
            for _ in range(tasks)
        ]
        for pid in pids:
            self.nursery.wait(pid)

    def new_prefix(self) -> str:
        """What begins the references of one more run."""
        return f"P{next(self._runs)}"

    def run(self, *arguments: str) -> str:
        """Run a command to its end; what it printed."""
        return self.nursery.run(list(arguments), folder=self.folder, variables=self.variables)

    def _populate(self) -> None:
        run = self.run
        run("migrate")
        self.cards = [
            Card(f"70198001{number:08d}", MEMBRES[number % 2][1], CLIENT, MEMBRES[number % 2][0])
            for number in range(CARDS)
        ]
        file = self.folder / "cards.csv"
        with file.open("w", encoding="utf-8", newline="") as target:
            writer = csv.writer(target)
            writer.writerow(COLUMNS)
            for number, card in enumerate(self.cards):
                membre, wallet = MEMBRES[number % 2]
                who = (CLIENT, "Client de la preuve", membre, "Diop", "Awa", "", wallet, "", "")
                writer.writerow((*who, card.numero, "31/12/2099", "ACTIVE", OPENING[number]))
        run("import", str(file))
        with reading(self.place.judged_url) as connection:
            rows = connection.execute("SELECT numero_carte, carte_id FROM cartes").fetchall()
        named = {str(row[0]): str(row[1]) for row in rows}
        self.cards = [replace(card, carte_id=named[card.numero]) for card in self.cards]
        for number in range(2):
            made = json.loads(
                run(
                    *("partenaire", "create", "--json", "--basic", "--nom", f"Partenaire {number}"),
                    *("--client", CLIENT, "--scope", *SCOPES),
                )
            )
            self.partners.append(Partner(made["consumerKey"], made["consumerSecret"]))
        if self.has_office:
            self.staff = hire(self.place.url, PEPPER, self.cards)

    @contextlib.contextmanager
    def keeping_alive(self) -> Iterator[None]:
        """Start again every server that ends, as a supervisor would."""
        done = threading.Event()

        def keep() -> None:
            while not done.is_set():
                for server in self.servers:
                    if not server.is_running:
                        server.start()
                done.wait(0.02)

        self.keeping = True
        keeper = threading.Thread(target=keep)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()
            self.keeping = False

    def heal(self) -> None:
        """Bring back whatever is down, or ends while this looks."""
        self.place.heal()
        deadline = time.monotonic() + START_S
        while not all(self._is_ready(server) for server in self.servers):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not ready again: {[s.describe() for s in self.servers]}")
            time.sleep(0.05)

    @staticmethod
    def _is_ready(server: Server) -> bool:
        # Asked each time: a server that was killed counts as running until the system has ended it.
        if not server.is_running:
            server.start()
        return server.answers("/health/ready", timeout=5)

    def close(self) -> None:
        """End everything and delete the files."""
        for server in self.servers:
            if server.is_running:
                server.kill9()
        self.place.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextlib.contextmanager
def staged(
    place: Place,
    nursery: Nursery,
    *,
    servers: int = 2,
    spoil: str = "",
    settings: Mapping[str, str] | None = None,
    model: Stage | None = None,
    office: bool = True,
    hurried: bool = False,
) -> Iterator[Stage]:
    """A stage for the block, its world a copy of the model's when there is one; with persons at work in its
    back office, unless told otherwise, whose demandes can be brief when time is `hurried`."""
    stage = Stage(
        *(place, nursery),
        servers=servers,
        spoil=spoil,
        settings=settings,
        model=model,
        office=office,
        hurried=hurried,
    )
    try:
        stage.open()
        yield stage
    finally:
        stage.close()


def _ask_token(port: int, partner: Partner) -> str:
    for _ in range(50):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        try:
            connection.request(
                "POST",
                "/access-token",
                urlencode({"grant_type": "client_credentials"}),
                {
                    "Authorization": partner.basic,
                    "Content-Type": "application/x-www-form-urlencoded",
                },
            )
            answer = connection.getresponse()
            body = json.loads(answer.read())
            if answer.status == 200:
                return str(body["access_token"])
        except (OSError, http.client.HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError("no token could be had")


def _free_port() -> int:
    # Below the ports that systems give to clients: a server that starts again finds its own free.
    for port in random.sample(range(10_000, 15_000), 200):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise RuntimeError("no port is free")
