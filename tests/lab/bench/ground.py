"""The data that every server of a run acts on: one database, its partner's tokens, its cards."""

from __future__ import annotations

import contextlib
import random
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection, func, insert, select, text

from models import migrate
from models.authentification import issue_token
from models.base import UNITE
from models.carte import cartes
from models.client import clients
from models.compte import comptes
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.journal.ouverture import find_ouverture
from models.operation import operations
from models.partenaire import partenaires
from models.secret import NouveauPartenaire, create, find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.postgresql import PostgresqlServer, create_database

SQLITE, POSTGRESQL = "sqlite", "postgresql"
PEPPER = b"bench"
CLIENT = "CLI-BENCH"
TOKENS = 32
SHOWN = 1_000
"""Cards that a load draws from, spread over all of them."""

REST_S = 3.0
"""At most: until what was under way when a load ended is done."""

PER_MEMBRE = 50
SOLDE = 900_000_000_000
SCOPES = ["soldes:lire", "cartes:lire", "cartes:crediter", "cartes:debiter"]


@dataclass(frozen=True)
class Carte:
    """What designates a card. `place` is its number in the ground, from 0."""

    place: int

    @property
    def numero(self) -> str:
        """numeroCarte."""
        return f"70{self.place:014d}"

    @property
    def wallet(self) -> str:
        """walletId."""
        return f"77{self.place // PER_MEMBRE:010d}"

    @property
    def query(self) -> str:
        """As a query."""
        return f"numeroCarte={self.numero}&walletId={self.wallet}&clientId={CLIENT}"


@dataclass(frozen=True)
class Size:
    """How much is in a database: cards, debits of each, and more debits of the first card."""

    cartes: int
    debits: int = 0
    deep: int = 0

    @property
    def operations(self) -> int:
        """Operations, openings included."""
        return self.cartes * (1 + self.debits) + self.deep


@dataclass(frozen=True)
class Ground:
    """A database with this much in it."""

    kind: str
    url: str
    size: Size
    tokens: list[str]
    pair: NouveauPartenaire
    cluster: PostgresqlServer | None
    hot: int = field(default=0, kw_only=True)
    """The place of the card that a crowd debits."""

    @property
    def cartes(self) -> list[Carte]:
        """Cards that a load draws from: the first, and others at even distances, in no order."""
        step = max(1, self.size.cartes // SHOWN)
        shown = [Carte(place) for place in range(0, self.size.cartes, step)][:SHOWN]
        random.Random(7).shuffle(shown)
        return shown

    def count_operations(self) -> int:
        """Rows of the table, once no request that a load left behind adds to them."""
        database = Database(self.url, wait_s=60)
        deadline = time.monotonic() + REST_S
        counted = -1
        try:
            with database.reading() as connection:
                while True:
                    before = counted
                    counted = int(
                        connection.scalar(select(func.count()).select_from(operations)) or 0
                    )
                    if counted == before or time.monotonic() > deadline:
                        return counted
                    time.sleep(REST_S / 30)
        finally:
            database.close()


# Words that differ between the databases: a series of integers from 0, a number with zeros before it.
_SERIES = {
    "sqlite": "(WITH RECURSIVE s(i) AS (SELECT 0 WHERE {0} > 0 UNION ALL SELECT i + 1 FROM s"
    " WHERE i + 1 < {0}) SELECT i FROM s) AS s",
    "postgresql": "generate_series(0, {0} - 1) AS s(i)",
}
_PADDED = {"sqlite": "printf('%0{1}d', {0})", "postgresql": "lpad(({0})::text, {1}, '0')"}
_THEN = {"sqlite": "'2026-01-01 00:00:00.000000'", "postgresql": "'2026-01-01 00:00:00+00'"}
_DAY = {"sqlite": "'2099-12-31'", "postgresql": "DATE '2099-12-31'"}


def _statements(
    kind: str, size: Size, start: int, ouverture: int, connection: Connection
) -> list[str]:
    """SQL that fills the tables, each by one statement. Ids follow from a card's place."""

    def series(count: int) -> str:
        return _SERIES[kind].format(count)

    def padded(value: str, width: int) -> str:
        return _PADDED[kind].format(value, width)

    then, day = _THEN[kind], _DAY[kind]
    partenaire, reglement = connection.execute(
        select(partenaires.c.id, partenaires.c.compte_id)
    ).one()
    n = size.cartes
    mine = f"{size.debits} + CASE WHEN i = 0 THEN {size.deep} ELSE 0 END"
    holders = (n + PER_MEMBRE - 1) // PER_MEMBRE
    operation = (
        "INSERT INTO operations (id, numero_operation, partenaire_id, reference, empreinte, type,"
        " statut, carte_id, montant, unite, date_operation)"
    )
    ecriture = (
        "INSERT INTO ecritures (operation_id, compte_debit, compte_credit, montant, unite,"
        " version_debit, solde_debit, version_credit, solde_credit)"
    )
    # A debit by its number k: the card it is of, and its rank among that card's, from 1.
    many = n * size.debits
    card = f"CASE WHEN i < {many} THEN i / {max(1, size.debits)} ELSE 0 END"
    rank = (
        f"CASE WHEN i < {many} THEN i % {max(1, size.debits)} + 1"
        f" ELSE i - {many} + {size.debits} + 1 END"
    )
    made = [
        (
            f"INSERT INTO membres (client_id, membre_id, wallet_id, nom, prenom, telephone)"
            f" SELECT '{CLIENT}', 'MBR-' || i, '77' || {padded('i', 10)}, 'Diop', 'Awa',"
            f" '77' || {padded('i', 10)} FROM {series(holders)}"
        ),
        (
            f"INSERT INTO comptes (id, type, unite) SELECT {start} + i, 'CARTE', '{UNITE}'"
            f" FROM {series(n)}"
        ),
        (
            "INSERT INTO cartes (id, carte_id, numero_carte, client_id, membre_id, compte_id,"
            " fin_validite, statut, unite, solde, version, date_solde)"
            f" SELECT i + 1, {padded('i', 26)}, '70' || {padded('i', 14)}, '{CLIENT}',"
            f" 'MBR-' || (i / {PER_MEMBRE}),"
            f" {start} + i, {day}, 'ACTIVE', '{UNITE}', {SOLDE} - ({mine}), 1 + {mine}, {then}"
            f" FROM {series(n)}"
        ),
        (
            f"{operation} SELECT i + 1, {padded('i', 26)}, NULL, NULL, NULL, 'OUVERTURE', 'EXECUTEE',"
            f" i + 1, {SOLDE}, '{UNITE}', {then} FROM {series(n)}"
        ),
        (
            f"{ecriture} SELECT i + 1, {ouverture}, {start} + i, {SOLDE}, '{UNITE}', NULL, NULL, 1, {SOLDE}"
            f" FROM {series(n)}"
        ),
    ]
    if many + size.deep:
        debits = series(many + size.deep)
        made += [
            (
                f"{operation} SELECT {n} + 1 + i, {padded(f'{n} + i', 26)}, {partenaire}, 'OLD-' || i, NULL,"
                f" 'DEBIT', 'EXECUTEE', ({card}) + 1, 1, '{UNITE}', {then} FROM {debits}"
            ),
            (
                f"{ecriture} SELECT {n} + 1 + i, {start} + ({card}), {reglement}, 1, '{UNITE}',"
                f" 1 + ({rank}), {SOLDE} - ({rank}), NULL, NULL FROM {debits}"
            ),
        ]
    return made


def _fill(database: Database, size: Size, ouverture: int) -> None:
    """Write the cards and their operations as the journal would, in seconds for a million.

    `cynod journal verify` judges the outcome, like that of any other write.
    """
    postgresql = database.dialect == POSTGRESQL
    with database.transaction() as connection:
        if postgresql:
            # Foreign keys hold by construction; checking two million one by one takes minutes.
            connection.execute(text("SET LOCAL session_replication_role = replica"))
            connection.execute(text("SET LOCAL statement_timeout = 0"))
        start = int(connection.scalar(select(func.max(comptes.c.id))) or 0) + 1
        for statement in _statements(database.dialect, size, start, ouverture, connection):
            connection.exec_driver_sql(statement.replace("%", "%%") if postgresql else statement)
        if postgresql:
            for table in (comptes, cartes, operations, ecritures):
                connection.exec_driver_sql(
                    f"SELECT setval(pg_get_serial_sequence('{table.name}', 'id'),"
                    f" (SELECT max(id) FROM {table.name}))"
                )


def settle(database: Database) -> None:
    """Leave nothing of the loading for the measurements to pay."""
    with database.reading() as connection:
        if database.dialect == POSTGRESQL:
            connection.exec_driver_sql("SET statement_timeout = 0")
            connection.exec_driver_sql("VACUUM (ANALYZE)")
            connection.exec_driver_sql("CHECKPOINT")
        else:
            connection.exec_driver_sql("ANALYZE")
            connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")


@contextlib.contextmanager
def ground(
    kind: str, size: Size, folder: Path, cluster: PostgresqlServer | None
) -> Iterator[Ground]:
    """A database of this kind with this much in it, made by the migrations."""
    name = f"bench_{uuid.uuid4().hex[:12]}"
    if kind == POSTGRESQL:
        assert cluster is not None, "a PostgreSQL ground needs a server"
        url = create_database(cluster.url, name)
    else:
        url = f"sqlite:///{folder / name}.db"
    database = Database(url, wait_s=60)
    try:
        migrate.upgrade(database)
        with database.transaction() as connection:
            connection.execute(insert(clients).values(client_id=CLIENT, nom="Client of the bench"))
            pair = create(
                connection,
                TESTEUR,
                nom="Bench",
                client_ids=[CLIENT],
                scopes=SCOPES,
                adresses=[],
                pepper=PEPPER,
            )
            known = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
            assert known is not None
            tokens = [
                issue_token(
                    connection, known, scope=None, duree_s=86_400, pepper=PEPPER
                ).access_token
                for _ in range(TOKENS)
            ]
            ouverture = find_ouverture(connection)
        _fill(database, size, ouverture)
        settle(database)
    finally:
        database.close()
    yield Ground(kind, url, size, tokens, pair, cluster)
    if kind == SQLITE:
        for file in folder.glob(f"{name}.db*"):
            file.unlink()
