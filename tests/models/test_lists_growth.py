"""What a page of the back office's lists costs SQLite in a large database, in steps of its engine."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Connection, text

from models import migrate
from models.back_office.clients import FiltreClients, list_clients
from models.back_office.membres import FiltreMembres, list_membres
from models.back_office.reseaux import list_reseaux
from models.database.engine import Database
from models.database.parcours import EXAMINEES

SMALL, LARGE = 1_500, 15_000
"""Clients, and membres of one of them."""

MOST = 1.2
"""Times the cost in the small database."""

LIMITE = 20

_SERIES = "(WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i + 1 < :n) SELECT i FROM s)"
ROWS = (
    "INSERT INTO reseaux (reseau_id, nom) VALUES ('R0', 'R0'), ('R1', 'R1')",
    (
        "INSERT INTO clients (client_id, nom, reseau_id, statut, cle_id, cle_nom) SELECT"
        " printf('CLI-%06d', i), printf('Client %06d', i * 7919 % :n), 'R' || (i % 2),"
        " CASE WHEN i % 10 = 3 THEN 'SUSPENDU' ELSE 'ACTIF' END,"
        f" printf('cli-%06d', i), printf('client %06d', i * 7919 % :n) FROM {_SERIES}"
    ),
    (
        "INSERT INTO membres (client_id, membre_id, wallet_id, nom, statut, cle_id, cle_nom) SELECT"
        " 'CLI-000000', printf('MBR-%06d', i), printf('%012d', i), 'N',"
        " CASE WHEN i % 50 = 3 THEN 'CLOS' ELSE 'ACTIF' END,"
        f" printf('mbr-%06d', i), printf('nom %06d', i * 7919 % :n) FROM {_SERIES}"
    ),
)

Read = Callable[[Connection, str | None], str | None]
"""Reads a page, and gives the curseur of the next one."""


def _clients(filtre: FiltreClients) -> Read:
    return lambda connection, curseur: (
        list_clients(connection, None, filtre, limite=LIMITE, curseur=curseur).curseur_suivant
    )


def _membres(filtre: FiltreMembres) -> Read:
    return lambda connection, curseur: (
        list_membres(
            connection, None, "CLI-000000", filtre, limite=LIMITE, curseur=curseur
        ).curseur_suivant
    )


LISTS: dict[str, Read] = {
    "clients": _clients(FiltreClients()),
    "clients of a statut": _clients(FiltreClients(statut="SUSPENDU")),
    "clients of a réseau": _clients(FiltreClients(reseau_id="R1")),
    "clients of both": _clients(FiltreClients("SUSPENDU", "R1")),
    "clients by name": _clients(FiltreClients(recherche="client")),
    "clients by id": _clients(FiltreClients(recherche="cli-0")),
    "clients whom nobody has": _clients(FiltreClients(recherche="zz")),
    "membres": _membres(FiltreMembres()),
    "membres who are closed": _membres(FiltreMembres(statut="CLOS")),
    "membres who are active": _membres(FiltreMembres(statut="ACTIF")),
    "membres by name": _membres(FiltreMembres(recherche="nom")),
    "membres of a wallet": _membres(FiltreMembres(wallet_id="000000000042")),
    "réseaux": lambda connection, curseur: (
        list_reseaux(connection, limite=LIMITE, curseur=curseur).curseur_suivant
    ),
}


@pytest.fixture(scope="module", params=[False, True], ids=["unknown", "analysed"])
def grounds(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Database]]:
    """A small database and a large one: SQLite chooses by what ANALYZE left it, if it was run."""
    made = []
    for number in (SMALL, LARGE):
        database = Database(f"sqlite:///{tmp_path_factory.mktemp('lists') / str(number)}.db")
        migrate.upgrade(database)
        with database.transaction() as connection:
            for statement in ROWS:
                connection.execute(text(statement), {"n": number} if ":n" in statement else {})
            if request.param:
                connection.execute(text("ANALYZE"))
        made.append(database)
    yield made
    for database in made:
        database.close()


def _count_steps(connection: Connection, work: Callable[[], None]) -> int:
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


def _cost(database: Database, read: Read) -> list[int]:
    """Steps of the first pages, one after the other."""
    costs: list[int] = []
    curseur: str | None = None

    def turn() -> None:
        nonlocal curseur
        curseur = read(connection, curseur)

    with database.reading() as connection:
        while len(costs) < 4 and (curseur is not None or not costs):
            costs.append(_count_steps(connection, turn))
    return costs


@pytest.mark.parametrize("which", LISTS)
def test_page_costs_what_it_costs_in_a_small_database(grounds: list[Database], which: str) -> None:
    small, large = (_cost(database, LISTS[which]) for database in grounds)
    assert max(large) <= MOST * max(small), (small, large)


def test_page_of_what_is_rare_looks_at_no_more_rows_than_it_may(grounds: list[Database]) -> None:
    """Nobody is closed, and every one of them is looked at, `EXAMINEES` rows a page."""
    filtre = FiltreClients("CLOS", recherche="client")
    pages = 0
    curseur: str | None = None
    with grounds[1].reading() as connection:
        while curseur is not None or not pages:
            page = list_clients(connection, None, filtre, limite=LIMITE, curseur=curseur)
            assert page.clients == []
            curseur, pages = page.curseur_suivant, pages + 1
    assert pages == LARGE // EXAMINEES + 1
