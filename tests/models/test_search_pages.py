"""What a search reads of PostgreSQL's indexes, in pages: hardly more than the rows that it shows."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Connection, event, text

from models import migrate
from models.back_office.membres import FiltreMembres, list_membres
from models.database.engine import Database
from tests.support.postgresql import create_database

MEMBRES = 20_000
LIMITE = 20
MOST = 60
"""Pages: some levels of two indexes, and one of the table for each line. The index of one client has 300."""


@pytest.fixture(scope="module")
def crowd(postgresql_url: str) -> Iterator[Database]:
    """One client with many membres, and as many of others."""
    database = Database(create_database(postgresql_url, "search_pages"))
    migrate.upgrade(database)
    with database.transaction() as connection:
        connection.execute(
            text("INSERT INTO clients (client_id, nom) VALUES ('A', 'A'), ('B', 'B')")
        )
        connection.execute(
            text(
                "INSERT INTO membres (client_id, membre_id, wallet_id, nom, cle_id, cle_nom)"
                " SELECT c, 'MBR-' || lpad(i::text, 6, '0'), lpad(i::text, 12, '0'), 'N',"
                " 'mbr-' || lpad(i::text, 6, '0'), 'nom ' || lpad((i * 7919 % 20000)::text, 6, '0')"
                f" FROM generate_series(1, {MEMBRES}) AS i, unnest(ARRAY['A', 'B']) AS c"
            )
        )
    with database.reading() as connection:
        connection.exec_driver_sql("VACUUM (ANALYZE) membres")
    yield database
    database.close()


def pages_read(connection: Connection, recherche: str) -> tuple[int, int]:
    """Lines of a search, and the pages that its statements read."""
    asked: list[tuple[str, Any]] = []

    def note(_c: Any, _u: Any, statement: str, parameters: Any, _x: Any, _m: Any) -> None:
        if "FROM membres" in statement:
            asked.append((statement, parameters))

    event.listen(connection, "before_cursor_execute", note)
    page = list_membres(
        connection, None, "A", FiltreMembres(recherche=recherche), limite=LIMITE, curseur=None
    )
    event.remove(connection, "before_cursor_execute", note)
    driver = connection.connection.dbapi_connection
    assert driver is not None
    read = 0
    for statement, parameters in asked:
        with contextlib.closing(driver.cursor()) as cursor:
            explain = f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {statement}"
            cursor.execute(explain, parameters)
            row = cursor.fetchone()
            assert row is not None
            told = row[0]
        plan = (json.loads(told) if isinstance(told, str) else told)[0]["Plan"]
        read += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    return len(page.membres), read


@pytest.mark.parametrize(
    ("recherche", "lines"),
    [("aaa", 0), ("mbr-0123", LIMITE), ("mbr-012345", 1), ("nom 00010", 10), ("nom 000100", 1)],
)
def test_search_reads_no_names_beyond_those_that_it_seeks(
    crowd: Database, recherche: str, lines: int
) -> None:
    with crowd.reading() as connection:
        found, read = pages_read(connection, recherche)
    assert found == lines
    assert read <= MOST
