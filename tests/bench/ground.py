"""The data that every server of a run acts on: one database, its partners' tokens, its cards."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from sqlalchemy import insert

from models import migrate
from models.carte import ACTIVE
from models.client import clients
from models.db import Database
from models.journal import NouvelleCarte, find_ouverture, open_cartes
from models.membre import membres
from models.partenaire import NouveauPartenaire, create, find_by_secret, issue_token
from tests.postgresql import create_database, running_server
from tests.world import ALL_SCOPES

SQLITE, POSTGRESQL = "sqlite", "postgresql"
PEPPER = b"bench"
CLIENT = "CLI-BENCH"
TOKENS = 32
SHOWN = 1_000
"""Cards that a load draws from, spread over all of them."""

BATCH = 20_000
PER_MEMBRE = 50
SOLDE = 900_000_000_000


@dataclass(frozen=True)
class Carte:
    """What designates a card."""

    numero: str
    wallet: str

    @property
    def query(self) -> str:
        """As a query."""
        return f"numeroCarte={self.numero}&walletId={self.wallet}&clientId={CLIENT}"


@dataclass(frozen=True)
class Ground:
    """A database with `count` cards in it."""

    kind: str
    url: str
    count: int
    tokens: list[str]
    cartes: list[Carte]
    pair: NouveauPartenaire


def _wallet(membre: int) -> str:
    return f"77{membre:010d}"


def _fill(database: Database, count: int) -> None:
    """Cards whose numbers and holders follow from their place, in batches."""
    with database.transaction() as session:
        session.execute(insert(clients).values(client_id=CLIENT, nom="Client of the bench"))
    for start in range(0, count, BATCH):
        places = range(start, min(start + BATCH, count))
        holders = sorted({place // PER_MEMBRE for place in places if place % PER_MEMBRE == 0})
        with database.transaction() as session:
            rows = [
                {
                    "client_id": CLIENT,
                    "membre_id": f"MBR-{holder}",
                    "wallet_id": _wallet(holder),
                    "nom": "Diop",
                    "prenom": "Awa",
                    "telephone": _wallet(holder),
                }
                for holder in holders
            ]
            if rows:
                session.execute(insert(membres), rows)
            new = [
                NouvelleCarte(
                    f"70{place:014d}",
                    CLIENT,
                    f"MBR-{place // PER_MEMBRE}",
                    date(2099, 12, 31),
                    ACTIVE,
                    SOLDE,
                )
                for place in places
            ]
            contra = find_ouverture(session)
            open_cartes(session, new, contra=contra, date_solde=datetime(2026, 1, 1, tzinfo=UTC))


@contextlib.contextmanager
def ground(kind: str, count: int, folder: Path) -> Iterator[Ground]:
    """A database of this kind with `count` cards, each opened by an operation of the journal."""
    with contextlib.ExitStack() as stack:
        url = f"sqlite:///{folder / f'bench-{count}.db'}"
        if kind == POSTGRESQL:
            server = stack.enter_context(running_server())
            url = create_database(server.url, f"bench_{uuid.uuid4().hex[:12]}")
        database = Database(url, attente_s=60)
        stack.callback(database.close)
        migrate.upgrade(database)
        _fill(database, count)
        with database.transaction() as session:
            pair = create(
                session,
                nom="Bench",
                client_ids=[CLIENT],
                scopes=list(ALL_SCOPES),
                adresses=[],
                pepper=PEPPER,
            )
            known = find_by_secret(session, *pair, pepper=PEPPER, demo_allowed=True).partenaire
            assert known is not None
            tokens = [
                issue_token(session, known, scope=None, duree_s=86_400, pepper=PEPPER).access_token
                for _ in range(TOKENS)
            ]
        if kind == POSTGRESQL:
            with database.reading() as session:
                session.exec_driver_sql("VACUUM ANALYZE")
        step = max(1, count // SHOWN)
        shown = [
            Carte(f"70{place:014d}", _wallet(place // PER_MEMBRE))
            for place in range(0, count, step)
        ]
        yield Ground(kind, url, count, tokens, shown[:SHOWN], pair)
