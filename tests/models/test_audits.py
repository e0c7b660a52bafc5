"""What persons read of the audit: what filters keep, what an agent of some clients sees, who read it."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text

from models.audit import AGENT, Acteur, Objet, audit, record
from models.back_office import audits
from models.back_office.audits import (
    TOUT,
    FiltreAudit,
    LigneAudit,
    list_audit,
    open_audit,
    record_lecture,
)
from models.base import today
from models.database.engine import Database
from models.errors import ParametreInvalide
from tests.support.acteurs import TESTEUR
from tests.support.siege import Siege
from tests.support.world import new_number

AWA = Acteur(AGENT, "awa", "Awa", request_id="R-1")


def listed(database: Database, limite: int = 100, **filtre: Any) -> list[LigneAudit]:
    """All that a list holds, page by page."""
    agent = filtre.pop("agent", None)
    found: list[LigneAudit] = []
    curseur = None
    while True:
        with database.reading() as connection:
            page = list_audit(
                connection, agent, FiltreAudit(**filtre), limite=limite, curseur=curseur
            )
        found += page.lignes
        curseur = page.curseur_suivant
        if curseur is None:
            return found


def test_list_holds_what_its_filters_say(database: Database) -> None:
    for number, acteur in enumerate((TESTEUR, AWA, TESTEUR)):
        objet = Objet("CLIENT" if number else "PARTENAIRE", f"CLI-{number}")
        with database.transaction() as connection:
            record(
                connection, acteur, f"action{number}", objet, {"nom": "é"}, {"nom": f"{number}"},
                demande_id=f"{number:026d}",
            )  # fmt: skip
    jour = today()
    kept: list[tuple[dict[str, Any], list[int]]] = [
        ({}, [1, 2, 3]),
        ({"acteur_id": "awa"}, [2]),
        ({"objet_type": "CLIENT"}, [2, 3]),
        ({"objet_type": "CLIENT", "objet_id": "CLI-2"}, [3]),
        ({"objet_id": "CLI"}, []),
        ({"action": "action0"}, [1]),
        ({"demande_id": f"{1:026d}"}, [2]),
        ({"request_id": "R-1"}, [2]),
        ({"date_debut": jour, "date_fin": jour}, [1, 2, 3]),
        ({"date_debut": jour + timedelta(days=1)}, []),
        ({"date_fin": jour - timedelta(days=1)}, []),
        ({"date_debut": date.min, "date_fin": date.max}, [1, 2, 3]),
    ]
    for filtre, positions in kept:
        for limite in (1, 100):
            assert [one.position for one in listed(database, limite, **filtre)] == positions, filtre
    (second,) = listed(database, acteur_id="awa")
    assert (second.avant, second.apres, second.meme_personne) == ({"nom": "é"}, {"nom": "1"}, False)
    with database.reading() as connection, pytest.raises(ParametreInvalide):
        list_audit(connection, None, FiltreAudit(), limite=1, curseur="bm9wZQ")


def test_agent_of_some_clients_sees_what_is_of_these(database: Database) -> None:
    siege = Siege(database)
    mine, other = (f"CLI-{new_number()}" for _ in range(2))
    for client_id in (mine, other):
        siege.do("saisirClient", clientId=client_id, nom="Client")
        siege.do("saisirMembre", clientId=client_id, membreId="M", walletId="221770000001")
    restricted = siege.agent("AUDITEUR", [mine])
    seen = listed(database, agent=restricted)
    assert {one.objet_id for one in seen if one.objet_type in ("CLIENT", "MEMBRE")} == {
        mine,
        f"{mine}:M",
    }
    assert [one.action for one in seen] == [
        "demande.saisie", "saisirClient", "demande.saisie", "saisirMembre",
    ]  # fmt: skip


def test_whole_reading_goes_on_from_batch_to_batch(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "BATCH", 4)
    with database.transaction() as connection:
        for number in range(9):
            record(connection, AWA, "x", Objet("CLIENT", f"{number}"), None, {})
    read: list[int] = []
    with database.reading() as connection:
        lecture = open_audit(connection, None, FiltreAudit(), limite=None, curseur=None)
        position = lecture.position
        while True:
            lines, position = lecture.read(connection, position)
            read += [one.position for one in lines]
            if position is None:
                break
    assert read == list(range(1, 10))


def test_reading_is_written_down_with_its_filters(database: Database) -> None:
    with database.transaction() as connection:
        record_lecture(
            connection,
            AWA,
            "getAudit",
            TOUT,
            FiltreAudit(acteur_id="x", date_debut=date(2026, 1, 2)),
        )
    with database.reading() as connection:
        row = connection.execute(
            select(audit.c.acteur_id, audit.c.action, audit.c.objet_id, audit.c.apres)
        ).one()
    assert tuple(row) == (
        "awa", "getAudit", "AUDIT", '{"acteurId":"x","dateDebut":"2026-01-02"}',
    )  # fmt: skip


@pytest.mark.only_on("sqlite")
def test_row_that_somebody_damaged_hides_no_other(database: Database) -> None:
    for _ in range(2):
        with database.transaction() as connection:
            record(connection, AWA, "x", Objet("CLIENT", "C"), {"nom": "a"}, {"nom": "b"})
    with database.transaction() as connection:
        connection.execute(text("DROP TRIGGER audit_append_only_update"))
        connection.execute(text("UPDATE audit SET apres = '{' WHERE position = 1"))
    assert [(one.position, one.apres) for one in listed(database)] == [(1, None), (2, {"nom": "b"})]
