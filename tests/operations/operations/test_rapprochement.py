"""verifierReferences: a partner's list of a day against ours, line by line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

import models.journal.reference
from models.base import now
from models.rapprochement import MAX_ABSENTES
from tests.operations.cartes.test_historique import fill
from tests.support.contract_client import Json
from tests.support.scene import ORIGINE, Scene, assert_refused
from tests.support.steps import (
    ask,
    close,
    credit,
    debit,
    new_reference,
    reverse,
    row_of,
    success,
    transfer,
)
from tests.support.world import World

LONG_AGO = "01/01/2001"
MESSAGE = "Rapprochement effectué"


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner and two cards of the test's own."""
    return own_scene


def line(reference: str, montant: int, type_: str) -> Json:
    """A line of the partner."""
    return {"reference": reference, "montant": montant, "type": type_}


def compare(api: httpx.Client, *lignes: Json, **more: Any) -> httpx.Response:
    """Ask for the comparison, of a day without operations unless told."""
    return ask(api, "verifierReferences", {"lignes": list(lignes), "jour": LONG_AGO, **more})


def compared(
    world: World, resultat: str, given: Json | None, ours: Json | None, reference: str
) -> Json:
    """A line of the answer: what the partner gave, what CYNOD has."""
    row = row_of(world, reference) if ours else None
    return {
        "reference": reference,
        "resultat": resultat,
        "type": ours["type"] if ours else None,
        "montant": ours["montant"] if ours else None,
        "typePartenaire": given["type"] if given else None,
        "montantPartenaire": given["montant"] if given else None,
        "numeroOperation": row.numero_operation if row else None,
        "dateOperation": f"{row.date_operation:%d-%m-%Y %H:%M:%S}" if row else None,
    }


@pytest.mark.parametrize(("language", "message"), [("fr", MESSAGE), ("en", "Reconciliation done")])
def test_each_line_is_told_in_its_place(scene: Scene, language: str, message: str) -> None:
    world, api = scene.world, scene.api
    same, more, other, unknown, closed = (new_reference() for _ in range(5))
    credit(api, scene.carte, 1_000, same)
    debit(api, scene.carte, 2_000, more)
    debit(api, scene.carte, 3_000, other)
    close(api, closed)
    given = [
        line(unknown, 1, "DEBIT"),
        line(same, 1_000, "CREDIT"),
        line(more, 2_001, "DEBIT"),
        line(other, 3_001, "CREDIT"),
        line(closed, 4_000, "DEBIT"),
        line(same, 999, "CREDIT"),
    ]
    ours = {same: given[1], more: line(more, 2_000, "DEBIT"), other: line(other, 3_000, "DEBIT")}
    results = [
        "INCONNUE",
        "CONCORDANT",
        "MONTANT_DIFFERENT",
        "TYPE_DIFFERENT",
        "INCONNUE",
        "MONTANT_DIFFERENT",
    ]
    expected = [
        compared(world, resultat, each, ours.get(each["reference"]), each["reference"])
        for resultat, each in zip(results, given, strict=True)
    ]
    api.headers["Accept-Language"] = language
    answer = compare(api, *given)
    assert (answer.status_code, answer.json()) == (200, success(message, *expected, absentes=0))


def test_every_type_of_operation_agrees(scene: Scene) -> None:
    references = [new_reference() for _ in range(4)]
    credit(scene.api, scene.carte, 10, references[0])
    debit(scene.api, scene.carte, 20, references[1])
    transfer(scene.api, scene.carte, scene.autre, 30, references[2])
    reverse(scene.api, references[0], references[3])
    given = [
        line(references[0], 10, "CREDIT"),
        line(references[1], 20, "DEBIT"),
        line(references[2], 30, "TRANSFERT"),
        line(references[3], 10, "ANNULATION"),
    ]
    body = compare(scene.api, *given).json()
    assert [each["resultat"] for each in body["data"]] == ["CONCORDANT"] * 4
    assert body["absentes"] == 0


def test_operations_of_the_day_that_the_partner_lacks_are_told_oldest_first(scene: Scene) -> None:
    known, lacked, closed = new_reference(), [new_reference() for _ in range(2)], new_reference()
    debit(scene.api, scene.carte, 1_000, known)
    debit(scene.api, scene.carte, 2_000, lacked[0])
    transfer(scene.api, scene.carte, scene.autre, 500, lacked[1])
    close(scene.api, closed)
    given = [line(known, 1_000, "DEBIT"), line(ORIGINE, 1_000, "CREDIT")]
    for jour in ({}, {"jour": f"{now():%d/%m/%Y}"}):
        answer = ask(scene.api, "verifierReferences", {"lignes": given, **jour})
        agreed = answer.json()["data"][:2]
        assert [each["resultat"] for each in agreed] == ["CONCORDANT"] * 2
        assert answer.json() == success(
            MESSAGE,
            *agreed,
            compared(
                scene.world,
                "ABSENTE_CHEZ_PARTENAIRE",
                None,
                line(lacked[0], 2_000, "DEBIT"),
                lacked[0],
            ),
            compared(
                scene.world,
                "ABSENTE_CHEZ_PARTENAIRE",
                None,
                line(lacked[1], 500, "TRANSFERT"),
                lacked[1],
            ),
            absentes=2,
        )


def test_empty_list_tells_all_operations_of_the_day(scene: Scene) -> None:
    body = ask(scene.api, "verifierReferences", {"lignes": []}).json()
    assert [(each["reference"], each["resultat"]) for each in body["data"]] == [
        (ORIGINE, "ABSENTE_CHEZ_PARTENAIRE")
    ]
    assert body["absentes"] == 1
    assert compare(scene.api).json() == success(MESSAGE, absentes=0)


def test_day_is_that_of_dakar_and_a_line_is_found_on_any_day(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    midnight = datetime(2026, 3, 1, tzinfo=UTC)
    references = []
    for moment in (midnight - timedelta(microseconds=1), midnight, midnight + timedelta(days=1)):
        references.append(new_reference())
        monkeypatch.setattr(models.journal.reference, "now", lambda moment=moment: moment)
        debit(scene.api, scene.carte, 100, references[-1])
    for jour, lacked in zip(("28/02/2026", "01/03/2026", "02/03/2026"), references, strict=True):
        body = compare(scene.api, jour=jour).json()
        assert [each["reference"] for each in body["data"]] == [lacked]
    body = compare(scene.api, line(references[0], 100, "DEBIT"), jour="01/03/2026").json()
    assert [each["resultat"] for each in body["data"]] == ["CONCORDANT", "ABSENTE_CHEZ_PARTENAIRE"]


def test_operations_of_another_partner_are_unknown(scene: Scene) -> None:
    reference = new_reference()
    debit(scene.api, scene.carte, 1_000, reference)
    other = scene.world.api(scene.carte)
    given = line(reference, 1_000, "DEBIT")
    body = ask(other, "verifierReferences", {"lignes": [given]}).json()
    expected = compared(scene.world, "INCONNUE", given, None, reference)
    assert body == success(MESSAGE, expected, absentes=0)


@pytest.mark.parametrize("jour", ["30/02/2026", "00/01/2026", "01/13/2026"])
def test_day_that_is_none_is_refused(scene: Scene, jour: str) -> None:
    assert_refused(compare(scene.api, jour=jour), "405", parametre="jour")


@pytest.mark.parametrize(
    "change",
    [{"type": "OUVERTURE"}, {"montant": 0}, {"montant": "1000"}, {"reference": ""}, {"surplus": 1}],
)
def test_line_that_is_none_is_refused(scene: Scene, change: Json) -> None:
    answer = compare(scene.api, line("A", 1, "DEBIT"), {**line("B", 1, "DEBIT"), **change})
    assert_refused(answer, "405", parametre="lignes")


# ── sizes ────────────────────────────────────────────────────────────────────────────────────────
def test_thousand_lines_are_compared_and_one_more_is_refused(scene: Scene) -> None:
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, 1_000)
    lignes = [line(f"F-{number}", number, "CREDIT") for number in range(1, 1_001)]
    answer = compare(scene.api, *lignes, jour="01/02/2026")
    body = answer.json()
    assert [each["reference"] for each in body["data"]] == [each["reference"] for each in lignes]
    assert {each["resultat"] for each in body["data"]} == {"CONCORDANT"}
    assert body["absentes"] == 0
    too_many = compare(scene.api, *lignes, line("ONE-MORE", 1, "DEBIT"))
    assert_refused(too_many, "405", parametre="lignes")


def test_absent_operations_are_counted_beyond_those_that_are_told(scene: Scene) -> None:
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, MAX_ABSENTES + 5)
    body = compare(scene.api, jour="01/02/2026").json()
    told = [each["reference"] for each in body["data"]]
    assert told == [f"F-{number}" for number in range(1, MAX_ABSENTES + 1)]
    assert body["absentes"] == MAX_ABSENTES + 5


def test_body_above_64_kib_is_accepted_here_and_refused_elsewhere(scene: Scene) -> None:
    lignes = [line(f"{number:064d}", 10**9, "ANNULATION") for number in range(1_000)]
    body = json.dumps({"lignes": lignes}).encode()
    assert len(body) > 65_536
    headers = {"Content-Type": "application/json"}
    answer = scene.api.post("/verifier-references", content=body, headers=headers)
    assert {each["resultat"] for each in answer.json()["data"][:1_000]} == {"INCONNUE"}
    padded = json.dumps({"lignes": []}).encode().ljust(262_144)
    answer = scene.api.post("/verifier-references", content=padded, headers=headers)
    assert answer.status_code == 200
    answer = scene.api.post("/verifier-references", content=padded + b" ", headers=headers)
    assert_refused(answer, "1006")
    for path in ("/cloturer-reference", "/annuler-operation", "/transferer-solde"):
        answer = scene.api.post(path, content=b" " * 65_537, headers=headers)
        assert_refused(answer, "1006")


def test_comparison_changes_nothing(scene: Scene) -> None:
    reference = new_reference()
    compare(scene.api, line(reference, 1_000, "DEBIT"))
    before = scene.world.journal(scene.carte)
    assert before == [("OUVERTURE", 10_000)]
    assert debit(scene.api, scene.carte, 1_000, reference).status_code == 200
