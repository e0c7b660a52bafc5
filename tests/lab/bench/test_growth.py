"""What a page costs SQLite in a large database, counted in steps of its engine rather than in time."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from models.carte import find_carte, list_cartes
from models.database.engine import Database
from models.historique import Filtre, list_operations
from models.partenaire import Partenaire
from models.secret import find_by_secret
from tests.lab.bench.ground import CLIENT, PEPPER, SQLITE, Carte, Ground, Size, ground

SIZE = Size(5_000, deep=2_000)
LIMITE = 20
MOST_STEPS = 100 * LIMITE
"""Of a page; it takes 25 for a line of the list and 80 for one of a history, a walk over all cards 3,000."""

STATISTICS = {
    "none": ("DELETE FROM sqlite_stat1", "DELETE FROM sqlite_stat4"),
    "averages": ("ANALYZE", "DELETE FROM sqlite_stat4"),
    "samples": ("ANALYZE",),
}
"""SQLite chooses by what ANALYZE left it; samples of values are not kept by every library."""


@pytest.fixture(scope="module")
def land(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    """A database whose first card has most operations."""
    with ground(SQLITE, SIZE, tmp_path_factory.mktemp("growth"), None) as made:
        yield made


@pytest.fixture(params=STATISTICS)
def connection(land: Ground, request: pytest.FixtureRequest) -> Iterator[Connection]:
    """A connection that chose nothing yet."""
    database = Database(land.url)
    with database.reading() as reading:
        tables = reading.scalars(text("SELECT name FROM sqlite_schema WHERE type = 'table'")).all()
        for statement in STATISTICS[request.param]:
            if statement.rpartition(" ")[2] in (*tables, "ANALYZE"):
                reading.exec_driver_sql(statement)
    database.close()
    database = Database(land.url)
    with database.reading() as reading:
        yield reading
    database.close()


def count_steps(connection: Connection, work: Callable[[], None]) -> int:
    """How many steps of SQLite's engine the work takes."""
    driver = connection.connection.dbapi_connection
    assert driver is not None
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    driver.set_progress_handler(step, 1)
    work()
    driver.set_progress_handler(None, 0)
    return steps


def partner(connection: Connection, land: Ground) -> Partenaire:
    """The partner of the ground."""
    found = find_by_secret(connection, *land.pair, pepper=PEPPER, demo_allowed=True).partenaire
    assert found is not None
    return found


def test_page_of_cards_costs_the_same_wherever_it_is(connection: Connection, land: Ground) -> None:
    partenaire = partner(connection, land)
    curseur: str | None = None
    read = 0
    steps: list[int] = []

    def turn() -> None:
        nonlocal curseur, read
        page = list_cartes(
            connection,
            partenaire,
            client_id=CLIENT,
            wallet_id=None,
            membre_id=None,
            limite=LIMITE,
            curseur=curseur,
        )
        curseur = page.curseur_suivant
        read += len(page.cartes)

    while curseur is not None or not steps:
        steps.append(count_steps(connection, turn))
    assert read == SIZE.cartes
    assert max(steps) < MOST_STEPS, steps


def test_page_of_a_history_costs_the_same_wherever_it_is(
    connection: Connection, land: Ground
) -> None:
    partenaire = partner(connection, land)
    first = Carte(0)
    carte = find_carte(
        connection,
        partenaire,
        numero_carte=first.numero,
        wallet_id=first.wallet,
        client_id=CLIENT,
    )
    curseur: str | None = None
    read = 0
    steps: list[int] = []

    def turn() -> None:
        nonlocal curseur, read
        page = list_operations(
            connection, partenaire, carte, Filtre(), limite=LIMITE, curseur=curseur
        )
        curseur = page.curseur_suivant
        read += len(page.lignes)

    while curseur is not None or not steps:
        steps.append(count_steps(connection, turn))
    assert read == SIZE.deep + 1
    assert max(steps) < MOST_STEPS, steps
