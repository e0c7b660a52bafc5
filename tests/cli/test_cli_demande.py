"""`cynod demande`: what nobody validated in its time is ended, by SYSTEME."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from click.testing import CliRunner
from sqlalchemy import select

from handlers.cli.root import cli
from models.audit import AGENT, Acteur, audit
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import new_ulid
from models.database.engine import Database
from models.demande import EXPIREE, SAISIE, find_demande

AWA = Personne(Acteur(AGENT, "awa", "Awa"))


def test_what_waited_too_long_is_ended_once(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_DATABASE_URL", database.url.render_as_string(hide_password=False))
    entered = {}
    for name, hours in (("late", 0), ("young", 1)):
        with database.transaction() as connection:
            saisie = Saisie("saisirReseau", new_ulid(), {"reseauId": name, "nom": name})
            entered[name] = saisir(connection, AWA, saisie, duree=timedelta(hours=hours)).demande_id
    told = [
        json.loads(CliRunner().invoke(cli, ["demande", "expirer", "--json"]).stdout)["expirees"]
        for _ in range(2)
    ]
    assert told == [1, 0]
    with database.reading() as connection:
        found = {name: find_demande(connection, demande_id=one) for name, one in entered.items()}
        rows = connection.execute(
            select(audit.c.acteur_type, audit.c.action).where(
                audit.c.demande_id == entered["late"], audit.c.acteur_id != "awa"
            )
        ).all()
    assert {name: one and one.statut for name, one in found.items()} == {
        "late": EXPIREE,
        "young": SAISIE,
    }
    assert [tuple(row) for row in rows] == [("SYSTEME", "demande.expiree")]
