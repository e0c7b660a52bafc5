"""Databases with the land's cards in them, and servers on them as they ship."""

from __future__ import annotations

import atexit
import contextlib
import copy
import functools
import json
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, select, text

from models.audit import CLI, Acteur, record
from models.database.engine import Database
from models.partenaire import objet_partenaire, partenaires
from models.retrait import give_code
from tests.lab.fuzz.land import (
    CLIENTS,
    EMISE,
    MANAGERS,
    OWNERS,
    WALKERS,
    Carte,
    Land,
    Limite,
    Partenaire,
    limites_of,
    make_cartes,
    write_csv,
)
from tests.lab.fuzz.rules import MANAGING
from tests.support.contract_client import DOCUMENT
from tests.support.patience import PROGRAM_S
from tests.support.postgresql import PostgresqlServer, create_database, running_server
from tests.support.process import ServerProcess, finish, run_cynod, serve, start_cynod

SQLITE, POSTGRESQL = "sqlite", "postgresql"
KINDS = (POSTGRESQL, SQLITE)
PEPPER = "fuzz"
WORKERS = 2
PATIENT = "echec=off,echec-adresse=off,retrait=off"
"""Limits of servers that are asked from one address for nothing but refusals."""

SCOPES = DOCUMENT["components"]["securitySchemes"]["oauth2"]["flows"]["clientCredentials"]["scopes"]


class StageError(RuntimeError):
    """The data or the server could not be made."""


@dataclass
class Stage:
    """A database with the land in it, in a folder of its own."""

    kind: str
    folder: Path
    database_url: str
    partenaires: dict[str, Partenaire]
    limites: list[Limite]
    postgresql: PostgresqlServer | None

    def land(self, url: str, seed: int, acting: str, *, replay: bool = False) -> Land:
        """The land as one of the partners sees it, on this server."""
        names = [acting, *(name for name in CLIENTS if name != acting)]
        pairs = [self.partenaires[name] for name in names]
        return Land(
            url,
            seed,
            pairs,
            replay=replay,
            secrets=[one.secret for one in self.partenaires.values()],
            walkers=[self.partenaires[name] for name in WALKERS],
            managers=[self.partenaires[name] for name in MANAGERS],
            limites=self.limites,
        )

    @contextlib.contextmanager
    def serve(
        self, *, fault: str | None = None, workers: int = WORKERS, **variables: str
    ) -> Iterator[ServerProcess]:
        """`cynod serve` with several processes, or with one that has a planted fault."""
        given = {
            "CYNOD_DATABASE_URL": self.database_url,
            "CYNOD_LOG_FORMAT": "json",
            "CYNOD_PEPPER": PEPPER,
            "CYNOD_LIMITES": PATIENT,
            **variables,
        }
        spoil = f"tests.lab.fuzz.planted:{fault.replace('-', '_')}" if fault else ""
        number = "1" if fault else str(workers)
        with serve(
            "--workers", number, folder=self.folder, command=None, spoil=spoil, **given
        ) as server:
            yield server

    @contextlib.contextmanager
    def suspended(self, client_id: str) -> Iterator[None]:
        """A client that is suspended meanwhile."""
        engine = create_engine(self.database_url)
        statement = text("UPDATE clients SET statut = :statut WHERE client_id = :client_id")

        def become(statut: str) -> None:
            with engine.begin() as connection:
                connection.execute(statement, {"statut": statut, "client_id": client_id})

        try:
            become("SUSPENDU")
            yield
        finally:
            become("ACTIF")
            engine.dispose()

    def new_code(self) -> str:
        """A code of withdrawal, for the partner that is there for it: it ends the one before."""
        database = Database(self.database_url)
        try:
            with database.transaction() as connection:
                is_it = partenaires.c.consumer_key == self.partenaires["W"].key
                partenaire_id = connection.scalars(select(partenaires.c.id).where(is_it)).one()
                code = give_code(connection, partenaire_id, pepper=PEPPER.encode())
                objet = objet_partenaire(self.partenaires["W"].key)
                record(connection, Acteur(CLI, "fuzz", "fuzz"), "preparer", objet, None, {})
        finally:
            database.close()
        return code

    def cynod(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run one command of cynod on the database."""
        return run_cynod(
            *arguments,
            folder=self.folder,
            CYNOD_DATABASE_URL=self.database_url,
            timeout=PROGRAM_S,
            CYNOD_PEPPER=PEPPER,
            **variables,
        )

    def cynod_done(self, *arguments: str, **variables: str) -> str:
        """Run one that must succeed; what it printed. Raises StageError."""
        result = self.cynod(*arguments, **variables)
        if result.returncode != 0:
            raise StageError(f"cynod {' '.join(arguments)}: {result.stderr[-2000:]}")
        return result.stdout


def _run_all(folder: Path, url: str, commands: Sequence[Sequence[str]]) -> list[str]:
    """Run commands of cynod one after the other in one process; what each printed."""
    process = start_cynod(
        folder=folder,
        streams=(subprocess.PIPE, subprocess.PIPE, subprocess.PIPE),
        spoil="tests.lab.fuzz.commands:run_each",
        CYNOD_DATABASE_URL=url,
        CYNOD_PEPPER=PEPPER,
    )
    result = finish(process, json.dumps(commands))
    if result.returncode != 0:
        raise StageError(f"the data could not be made: {result.stderr[-2000:]}")
    return [json.loads(line) for line in result.stdout.splitlines()]


def _create(name: str, clients: Sequence[str], *more: str) -> list[str]:
    scopes = [one for one in SCOPES if name in MANAGERS or one not in MANAGING]
    return [
        *("partenaire", "create", "--nom", f"Partenaire {name}", "--json"),
        *("--client", *clients, "--scope", *scopes, *more),
    ]


def _limit(limite: Limite, partenaires: dict[str, Partenaire]) -> list[str]:
    if limite.of_partner:
        whose = ["--partenaire", partenaires[limite.sujet].key]
    else:
        whose = ["--carte", limite.sujet]
    return ["plafond", "set", *whose, *limite.command]


def _put_out_of_service(url: str, cartes: dict[str, list[Carte]]) -> None:
    """Make of some cards what no import makes: not activated yet."""
    numeros = [one.numero for of_one in cartes.values() for one in of_one if one.kind == EMISE]
    engine = create_engine(url)
    with engine.begin() as connection:
        statement = text("UPDATE cartes SET statut = 'EMISE' WHERE numero_carte = :numero")
        connection.execute(statement, [{"numero": one} for one in numeros])
    engine.dispose()


def _populate(folder: Path, url: str) -> tuple[dict[str, Partenaire], list[Limite]]:
    """Migrate the database of this address, and make the land in it."""
    csv = folder / "cartes.csv"
    write_csv(csv)
    cartes = {name: make_cartes(name) for name in OWNERS}
    limites = limites_of([carte for one in cartes.values() for carte in one])
    creations = [
        *(_create(name, clients, "--basic") for name, clients in OWNERS.items()),
        _create("C", CLIENTS["A"], "--basic", "--adresse", "192.0.2.0/24"),
        _create("N", CLIENTS["A"]),
        _create("S", CLIENTS["A"], "--basic"),
        _create("W", CLIENTS["A"]),
    ]
    said = _run_all(folder, url, [["migrate"], ["import", str(csv)], *creations])
    pairs: list[dict[str, Any]] = [json.loads(text) for text in said[2:]]
    partenaires = {
        name: Partenaire(
            name,
            pair["consumerKey"],
            pair["consumerSecret"],
            OWNERS.get(name, []),
            cartes.get(name, []),
        )
        for name, pair in zip((*OWNERS, "C", "N", "S", "W"), pairs, strict=True)
    }
    suspend = ["partenaire", "suspend", partenaires["S"].key, "--motif", "fuzz"]
    _run_all(folder, url, [suspend, *(_limit(one, partenaires) for one in limites)])
    _put_out_of_service(url, cartes)
    return partenaires, limites


@functools.cache
def _model() -> tuple[Path, dict[str, Partenaire], list[Limite]]:
    """The land on SQLite, of which each stage is a copy: to make it takes two seconds."""
    folder = Path(tempfile.mkdtemp(prefix="cynod-fuzz-land-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = folder / "cynod.db"
    return file, *_populate(folder, f"sqlite:///{file}")


@contextlib.contextmanager
def stage(kind: str, folder: Path) -> Iterator[Stage]:
    """A migrated database with limited cards, and partners: two, a third that may not call from here, one
    that has to ask for tokens, one that is suspended, one to whom codes are given, two whose limits are
    walked up to, two with secrets to turn over."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == SQLITE:
        file, partenaires, limites = copy.deepcopy(_model())
        shutil.copy(file, folder / "cynod.db")
        yield Stage(kind, folder, f"sqlite:///{folder / 'cynod.db'}", partenaires, limites, None)
        return
    with running_server() as server:
        url = create_database(server.url, f"fuzz_{uuid.uuid4().hex[:12]}")
        yield Stage(kind, folder, url, *_populate(folder, url), server)
