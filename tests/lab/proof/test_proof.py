"""The proof in short: each fault under load on each database; and the machine against broken servers."""

from __future__ import annotations

import ast
import contextlib
import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.lab.proof.__main__ import main
from tests.lab.proof.answers import DOUBLED, LOST, WRONG, Verdict
from tests.lab.proof.auditor import audit
from tests.lab.proof.books import Books, Row, read_books
from tests.lab.proof.faults import FAULTS, Fault, servers_on
from tests.lab.proof.judge import judge
from tests.lab.proof.places import (
    POSTGRESQL,
    SQLITE,
    NotPossibleHereError,
    OwnServer,
    Place,
    PostgresqlPlace,
    SqlitePlace,
)
from tests.lab.proof.record import Exchange, Moments, read_records
from tests.lab.proof.registers import Audit, Objet, Registers, read_registers
from tests.lab.proof.run import Proof, prove
from tests.lab.proof.stage import Stage, staged
from tests.lab.proof.states import Beside, States
from tests.lab.proof.story import PASSED, Story
from tests.support import exchanges
from tests.support.contract_client import ROOT
from tests.support.needs import REQUIRED, lack, need
from tests.support.nursery import Nursery, shared
from tests.support.postgresql import PostgresqlServer, running_server

SECONDS = 1.0
SEED = "1"
ATTEMPTS = 5
"""A mistake that spoils few transactions may miss a short load on a busy machine."""

WITH_PERSONS = {("kill-database", POSTGRESQL), ("none", SQLITE), ("kill-server", SQLITE)}
"""Where persons work in short; in `make proof` they do everywhere. A server of theirs starts later."""

BY_NAME = {fault.name: fault for fault in FAULTS}
IN_SHORT: list[tuple[str, str]] = [
    (fault.name, kind)
    for kind in (POSTGRESQL, SQLITE)
    # Those that share a stage follow one another.
    for fault in sorted(
        FAULTS, key=lambda fault: (not fault.shareable, (fault.name, kind) in WITH_PERSONS)
    )
    # A killed transaction is a killed transaction: its short version is kill-after-commit.
    if kind in fault.places and fault.name != "kill-around-commit"
]


@pytest.fixture(scope="module")
def nursery() -> Nursery:
    """Starts the servers."""
    return shared()


@pytest.fixture(scope="module")
def breakable() -> Iterator[PostgresqlServer]:
    """A PostgreSQL server that faults may kill; no other test sees it."""
    need("postgresql")
    with running_server() as server:
        yield server


Open = Callable[[Fault, str], Stage]
Models = Callable[[Place], Stage | None]


@pytest.fixture(scope="module")
def models(nursery: Nursery) -> Iterator[Models]:
    """Gives the world that a new place can begin with as a copy."""
    made: dict[object, Stage] = {}

    def find(place: Place) -> Stage | None:
        if place.family is not None and place.family not in made:
            same = PostgresqlPlace(place.server) if isinstance(place, PostgresqlPlace) else None
            made[place.family] = Stage(same or SqlitePlace(), nursery, servers=0)
            made[place.family].open_model()
        return made.get(place.family)

    yield find
    for stage in made.values():
        stage.close()


@pytest.fixture(scope="module")
def open_stage(nursery: Nursery, models: Models, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens the stage that a fault needs, or gives the one that is open if they can share it."""
    with contextlib.ExitStack() as stack:
        opened: dict[tuple[object, str, bool], Stage] = {}

        def open_it(fault: Fault, kind: str) -> Stage:
            office = (fault.name, kind) in WITH_PERSONS
            key = (fault.stage_key, kind, office)
            if key not in opened:
                stack.close()
                opened.clear()
                place = _place(fault, kind, request)
                opened[key] = stack.enter_context(
                    staged(
                        place,
                        nursery,
                        servers=servers_on(kind),
                        spoil=fault.spoil,
                        settings=fault.settings,
                        model=models(place),
                        office=office,
                        hurried=fault.hurried,
                    )
                )
            return opened[key]

        yield open_it


def _place(fault: Fault, kind: str, request: pytest.FixtureRequest) -> Place:
    make = fault.places[kind]
    if kind == POSTGRESQL:
        # Its databases are cheaper than servers, and faults that break them leave them whole.
        server: PostgresqlServer = request.getfixturevalue("breakable")
        if make is OwnServer:
            return PostgresqlPlace(server)
    try:
        return make()
    except NotPossibleHereError as error:
        lack(str(error))


def _tell(proof: Proof) -> str:
    verdict = proof.verdict
    found = verdict.all_findings.items()
    lines = [f"{kind}: {text}" for kind, texts in found for text in texts]
    return "\n".join(
        ["  ".join(proof.row), str(verdict.statuses), str(verdict.back_office), *lines[:20]]
    )


@pytest.mark.parametrize(("name", "kind"), IN_SHORT, ids=str)
def test_nothing_is_lost_or_doubled(name: str, kind: str, open_stage: Open) -> None:
    fault = BY_NAME[name]
    proof = prove(open_stage(fault, kind), fault, seconds=SECONDS, seed=SEED, clerks=2)
    assert proof.verdict.ok, _tell(proof)


# ── the machine itself ───────────────────────────────────────────────────────────────────────────

BROKEN = [
    ("drops_what_it_was_sent", SQLITE, WRONG),
    ("forgets_references", SQLITE, DOUBLED),
    ("reads_then_writes", SQLITE, WRONG),
    ("reads_then_writes", POSTGRESQL, WRONG),
    ("acknowledges_before_commit", SQLITE, LOST),
    ("commits_before_the_check", SQLITE, WRONG),
    ("refuses_after_commit", SQLITE, WRONG),
    ("replays_another_answer", SQLITE, WRONG),
    ("executes_closed_references", SQLITE, LOST),
]


@pytest.mark.parametrize(("mistake", "kind", "finding"), BROKEN)
def test_broken_server_is_found(
    mistake: str,
    kind: str,
    finding: str,
    nursery: Nursery,
    models: Models,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # What a server answers that was broken on purpose is no evidence of anything.
    monkeypatch.delenv(exchanges.FOLDER, raising=False)
    fault = BY_NAME["end-server" if mistake == "drops_what_it_was_sent" else "none"]
    # Two processes, since one of the mistakes is a memory that they do not share.
    servers = 2 if mistake == "reads_then_writes" else 1
    place = _place(fault, kind, request)
    with staged(
        place,
        nursery,
        servers=servers,
        spoil=f"tests.lab.proof.broken:{mistake}",
        model=models(place),
        office=False,
    ) as stage:
        proof = prove(stage, fault, seconds=SECONDS, seed=SEED)
        for attempt in range(1, ATTEMPTS):
            if proof.verdict.findings[finding]:
                break
            proof = prove(stage, fault, seconds=SECONDS, seed=f"{SEED}:{attempt}")
    assert not proof.verdict.ok
    assert proof.verdict.findings[finding], _tell(proof)


@pytest.fixture(scope="module")
def calm(nursery: Nursery, models: Models) -> Iterator[Stage]:
    """A stage to which nothing is done."""
    place = SqlitePlace()
    with staged(place, nursery, servers=1, model=models(place), hurried=True) as stage:
        yield stage


@pytest.fixture(scope="module")
def clean(calm: Stage) -> tuple[list[Exchange], Books]:
    """The records and the books of a run without a fault."""
    prove(calm, BY_NAME["none"], seconds=1, seed=SEED, clerks=0)
    return read_records(calm.folder / "records-P1"), read_books(calm.place.judged_url)


def _without_operation(books: Books) -> Books:
    row = _find(books, "CREDIT")
    rest = [e for e in books.ecritures if e.operation_id != row.id]
    return replace(books, rows=[r for r in books.rows if r is not row], ecritures=rest)


def _without_ecriture(books: Books) -> Books:
    row = _find(books, "DEBIT")
    return replace(books, ecritures=[e for e in books.ecritures if e.operation_id != row.id])


def _twice(books: Books) -> Books:
    row = _find(books, "DEBIT")
    return replace(books, rows=[*books.rows, row._replace(id=10**9, numero="0" * 26)])


def _ecriture_twice(books: Books) -> Books:
    return replace(books, ecritures=[*books.ecritures, books.ecritures[-1]._replace(id=10**9)])


def _other_amount(books: Books) -> Books:
    row = _find(books, "DEBIT")
    more = row._replace(montant=(row.montant or 0) + 1)
    return replace(books, rows=[more if r is row else r for r in books.rows])


def _other_card(books: Books) -> Books:
    row = _find(books, "DEBIT")
    other = next(c.numero for c in books.cartes if c.numero != row.carte)
    return replace(books, rows=[row._replace(carte=other) if r is row else r for r in books.rows])


def _unasked(books: Books) -> Books:
    row = _find(books, "CREDIT")._replace(id=10**9, numero="0" * 26, reference="P1-nobody")
    return replace(books, rows=[*books.rows, row])


def _reversed_twice(books: Books) -> Books:
    row = _find(books, "ANNULATION")._replace(id=10**9, numero="0" * 26, reference="P1-nobody")
    return replace(books, rows=[*books.rows, row])


def _one_sided_transfer(books: Books) -> Books:
    row = _find(books, "TRANSFERT")
    return replace(
        books,
        ecritures=[
            e._replace(version_credit=None, solde_credit=None) if e.operation_id == row.id else e
            for e in books.ecritures
        ],
    )


def _other_solde(books: Books) -> Books:
    first, *rest = books.cartes
    return replace(books, cartes=[first._replace(solde=first.solde + 1), *rest])


def _gap(books: Books) -> Books:
    first, *rest = books.cartes
    return replace(books, cartes=[first._replace(version=first.version + 1), *rest])


def _swapped_versions(books: Books) -> Books:
    """The first and the last movement of a card change places: its order contradicts the clients."""
    compte = books.cartes[0].compte
    version = books.cartes[0].version

    def swap(number: int | None) -> int | None:
        return {2: version, version: 2}.get(number or 0, number)

    return replace(
        books,
        ecritures=[
            e._replace(version_debit=swap(e.version_debit))
            if e.debit == compte
            else e._replace(version_credit=swap(e.version_credit))
            if e.credit == compte
            else e
            for e in books.ecritures
        ],
    )


def _find(books: Books, kind: str) -> Row:
    return next(row for row in books.rows if row.type == kind and row.reference)


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (_without_operation, LOST, "is not in the journal"),
        (_without_ecriture, LOST, "has 0 ecritures"),
        (_twice, DOUBLED, "has 2 rows"),
        (_ecriture_twice, DOUBLED, "has 2 ecritures"),
        (_other_amount, WRONG, "was acknowledged as"),
        (_other_card, WRONG, "moves the wrong accounts"),
        (_unasked, WRONG, "what nobody asked for"),
        (_reversed_twice, DOUBLED, "is reversed 2 times"),
        (_one_sided_transfer, WRONG, "lacks its version or solde"),
        (_other_solde, WRONG, "all soldes together"),
        (_gap, WRONG, "version"),
        (_swapped_versions, WRONG, "is out of order"),
    ],
)
def test_damaged_books_are_found(
    clean: tuple[list[Exchange], Books],
    damage: Callable[[Books], Books],
    kind: str,
    words: str,
) -> None:
    exchanges, books = clean
    verdict = judge(exchanges, damage(books), prefix="P1-")
    assert any(words in text for text in verdict.findings[kind]), verdict.findings


def _refused(exchange: Exchange, code: str) -> Exchange:
    body = {"success": False, "code": code, "message": "m", "debugMessage": None, "moreInfo": None}
    return replace(exchange, status=400, body=json.dumps(body))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda e: _refused(e, "4001"), "was refused and never sent again, yet executed"),
        (lambda e: _refused(e, "4002"), "no other content bears the reference"),
        (lambda e: _refused(e, "4005"), "nobody closed the reference"),
        (lambda e: _refused(e, "2001"), "nothing here justifies"),
        (lambda e: _refused(e, "3002"), "but no card was OPPOSITION at any time"),
        (lambda e: _refused(e, "3004"), "but no card was EMISE at any time"),
        (lambda e: replace(_refused(e, "5001"), status=503, headers={}), "without Retry-After"),
        (lambda e: replace(_refused(e, "9999"), status=500), "a fault of the database is a 503"),
        (lambda e: replace(e, status=200, body='{"success":false}'), "with success False"),
        (lambda e: replace(e, status=503, body="<html>"), "no JSON"),
        (lambda e: replace(e, status=503, body="{}"), "without the envelope"),
    ],
)
def test_false_answers_are_found(
    clean: tuple[list[Exchange], Books], change: Callable[[Exchange], Exchange], words: str
) -> None:
    exchanges, books = clean
    keys = Counter(e.key for e in exchanges)
    chosen = next(
        e
        for e in exchanges
        if e.what == "DEBIT" and e.status == 200 and keys[e.key] - _after(exchanges, e) == 1
    )
    changed = [change(e) if e is chosen else e for e in exchanges]
    verdict = judge(changed, books, prefix="P1-")
    assert any(words in text for text in verdict.findings[WRONG]), verdict.findings


@pytest.mark.parametrize(
    ("blocked", "freed", "is_found"),
    [(-2, None, True), (-2, -1, False), (1, None, False), (-2, 1, True)],
    ids=["blocked before", "freed before", "blocked afterwards", "freed afterwards"],
)
def test_payment_with_a_card_that_was_out_of_service_is_found(
    clean: tuple[list[Exchange], Books], blocked: int, freed: int | None, is_found: bool
) -> None:
    exchanges, books = clean
    paid = next(
        e
        for e in exchanges
        if e.what == "DEBIT"
        and e.status == 200
        and not e.headers.get("idempotent-replayed")
        and sum(other.key == e.key and other.phase == "load" for other in exchanges) == 1
    )
    assert paid.ended is not None

    def at(when: int) -> tuple[int, int]:
        instant = paid.started + when if when < 0 else (paid.ended or 0) + when
        return instant, instant

    changes = [("OPPOSITION", at(blocked))]
    changes += [("ACTIVE", at(freed))] if freed is not None else []
    states = {paid.content["numeroCarte"]: States("ACTIVE", changes)}
    verdict = judge(exchanges, books, prefix="P1-", beside=Beside(states, {}))
    words = f"{paid.reference} was done, and card {paid.content['numeroCarte'][-4:]} was out of"
    assert any(words in text for text in verdict.findings[WRONG]) == is_found


def _after(exchanges: list[Exchange], exchange: Exchange) -> int:
    return sum(e.phase == "after" and e.key == exchange.key for e in exchanges)


def test_answer_given_while_the_database_was_frozen_is_found(
    clean: tuple[list[Exchange], Books],
) -> None:
    exchanges, books = clean
    verdict = judge(exchanges, books, prefix="P1-", moments=Moments(frozen=[(0, 2**63)]))
    assert any("the database was frozen" in text for text in verdict.findings[WRONG])


def test_answer_that_came_long_after_its_deadline_is_found(
    clean: tuple[list[Exchange], Books],
) -> None:
    exchanges, books = clean
    chosen = next(e for e in exchanges if e.status == 200 and e.way == "whole" and e.sent)
    late = replace(chosen, ended=(chosen.sent or 0) + 2 * 10**9)
    changed = [late if e is chosen else e for e in exchanges]
    waited = [((chosen.sent or 0) - 1, (chosen.sent or 0) + 1, 10**9)]
    verdict = judge(changed, books, prefix="P1-", moments=Moments(waited=waited))
    assert any("waited 2000 ms" in text for text in verdict.findings[WRONG])


def test_request_dropped_by_a_server_told_to_end_is_found(
    clean: tuple[list[Exchange], Books],
) -> None:
    exchanges, books = clean
    chosen = next(e for e in exchanges if e.what == "DEBIT" and e.status == 200 and e.sent)
    late = replace(chosen, end="unanswered", cause="reset", status=None, ended=2**62)
    changed = [late if e is chosen else e for e in exchanges]
    told = [(chosen.port, (chosen.sent or 0) + 10**9)]
    verdict = judge(changed, books, prefix="P1-", moments=Moments(told_to_end=told))
    assert any("told to end and got no answer" in text for text in verdict.findings[WRONG])


def test_untouched_books_pass(clean: tuple[list[Exchange], Books]) -> None:
    exchanges, books = clean
    verdict = judge(exchanges, books, prefix="P1-")
    assert verdict.ok, verdict.findings


# ── the auditor ──────────────────────────────────────────────────────────────────────────────────
STORY = "S1"
Seen = tuple[list[Exchange], Registers]


@pytest.fixture(scope="module")
def tidy(calm: Stage) -> Seen:
    """The records and the registers of one story, in which everything went well."""
    exchanges = Story(calm, STORY).tell()
    return exchanges, read_registers(calm.place.judged_url)


def test_registers_of_a_story_pass(tidy: Seen) -> None:
    verdict = audit(*tidy, prefix=f"{STORY}-")
    assert verdict.ok, verdict.findings
    codes = {"2009": 1, "3006": 1, "6001": 2, "6002": 2, "6003": 3, "6004": 1, "unanswered": 1}
    assert verdict.statuses == {"200": 54, **codes}


BROKEN_OFFICE = {
    "asks_nobody_else": (WRONG, "its rule asks 1, it asked 0"),
    "takes_one_for_two": (WRONG, "took effect with 1 of 2"),
    "lets_makers_validate": (WRONG, "was validated by its maker"),
    "lets_machines_validate": (WRONG, "demba never validated it"),
    "does_it_twice": (DOUBLED, "was changed to version 5, not 4"),
    "forgets_rejections": (LOST, "told REJETEE, the registers have SAISIE"),
    "agrees_too_late": (WRONG, "answered 200, after the end of its time"),
    "lies_of_references": (WRONG, "told SAISIE, the registers have RETIREE"),
    "forgets_a_row": (LOST, "0 rows of the audit, 1 changes"),
    "audits_what_is_undone": (DOUBLED, "rows of the audit, 1 changes"),
    "breaks_the_chain": (WRONG, "it was changed"),
    "forgets_blocks": (WRONG, "led it from ACTIVE to ANNULEE, it was OPPOSITION"),
    "leaves_a_franc": (WRONG, "left 1 on the card that was replaced"),
    "forgets_limits": (LOST, "was replaced, and has kept its limit"),
    "keeps_what_was_replaced": (WRONG, "was replaced, and is OPPOSITION"),
}
"""Each mistake of the back office, and what is said of it."""


@pytest.fixture(scope="module")
def untidy(nursery: Nursery, models: Models) -> Verdict:
    """What the auditor says of a server that makes all of these mistakes."""
    place = SqlitePlace()
    spoil = f"tests.lab.proof.broken:{'+'.join(BROKEN_OFFICE)}"
    kept = os.environ.pop(exchanges.FOLDER, None)
    try:
        with staged(
            place, nursery, servers=1, spoil=spoil, model=models(place), hurried=True
        ) as stage:
            told = Story(stage, STORY).tell()
            return audit(told, read_registers(stage.place.judged_url), prefix=f"{STORY}-")
    finally:
        if kept is not None:
            os.environ[exchanges.FOLDER] = kept


@pytest.mark.parametrize("mistake", BROKEN_OFFICE)
def test_mistake_of_the_back_office_is_found(untidy: Verdict, mistake: str) -> None:
    kind, words = BROKEN_OFFICE[mistake]
    assert any(words in text for text in untidy.findings[kind]), untidy.findings


def _change(registers: Registers, named: str, /, **columns: Any) -> Registers:
    """One demande of the story with other columns."""
    return replace(
        registers,
        demandes=[
            one._replace(**columns) if one.reference == f"{STORY}-{named}" else one
            for one in registers.demandes
        ],
    )


def _demande(registers: Registers, reference: str) -> str:
    return next(
        one.demande_id for one in registers.demandes if one.reference == f"{STORY}-{reference}"
    )


def _agreed(registers: Registers, reference: str, *agents: str) -> Registers:
    validations = {**registers.validations, _demande(registers, reference): list(agents)}
    return replace(registers, validations=validations)


def _one_person(registers: Registers) -> Registers:
    awa, binta = registers.agents["awa"], registers.agents["binta"]
    same = binta._replace(emetteur=awa.emetteur, sujet=awa.sujet)
    return replace(registers, agents={**registers.agents, "binta": same})


def _objet(registers: Registers, objet: tuple[str, str], found: Objet | None) -> Registers:
    rest = {key: one for key, one in registers.objets.items() if key != objet}
    return replace(registers, objets=rest if found is None else {**rest, objet: found})


def _carte(registers: Registers, named: str, **columns: Any) -> Registers:
    """A card of the story, named by the demande that is about it, with other columns."""
    found = registers.cartes[_carte_id(registers, named)]
    return replace(
        registers, cartes={**registers.cartes, found.carte_id: found._replace(**columns)}
    )


def _carte_id(registers: Registers, named: str) -> str:
    demande_id = _demande(registers, named)
    demande = next(one for one in registers.demandes if one.demande_id == demande_id)
    return str(demande.contenu["carteId"])


def _special(registers: Registers, named: str, **columns: Any) -> Registers:
    """What a demande of the story moved, with other columns."""
    demande_id = _demande(registers, named)
    return replace(
        registers,
        specials=[
            one._replace(**columns) if one.demande_id == demande_id else one
            for one in registers.specials
        ],
    )


def _special_twice(registers: Registers) -> Registers:
    return replace(registers, specials=[*registers.specials, registers.specials[-1]])


def _replaced_twice(registers: Registers) -> Registers:
    heir = registers.cartes[_carte_id(registers, "remise")]
    twin = heir._replace(carte_id="0" * 26, numero="0" * 16)
    return replace(registers, cartes={**registers.cartes, twin.carte_id: twin})


def _nothing_counted(registers: Registers) -> Registers:
    heir = _carte_id(registers, "remise")
    return replace(
        registers,
        plafonds=[
            one._replace(montant=0) if one.carte_id == heir else one for one in registers.plafonds
        ],
    )


CLIENT = ("CLIENT", f"C-{STORY}-1")


def _version(registers: Registers, by: int) -> Registers:
    found = registers.objets[CLIENT]
    return _objet(registers, CLIENT, found._replace(version=found.version + by))


def _line(registers: Registers, reference: str, action: str) -> Audit:
    demande_id = _demande(registers, reference)
    return next(one for one in registers.audit if one[2:5:2] == (action, demande_id))


def _lines(registers: Registers, *more: Audit, without: Audit | None = None) -> Registers:
    kept = [one for one in registers.audit if one is not without]
    return replace(registers, audit=[*kept, *more])


def _without_line(registers: Registers, reference: str, action: str) -> Registers:
    return _lines(registers, without=_line(registers, reference, action))


def _line_twice(registers: Registers, reference: str, action: str) -> Registers:
    return _lines(registers, _line(registers, reference, action))


def _line_of_what_was_undone(registers: Registers) -> Registers:
    line = _line(registers, "reseau", "saisirReseau")
    return _lines(registers, line._replace(demande_id=_demande(registers, "rejetee")))


def _other_actor(registers: Registers) -> Registers:
    line = _line(registers, "client", "saisirClient")
    return _lines(registers, line._replace(acteur=("AGENT", "demba")), without=line)


def _ended_by_a_person(registers: Registers) -> Registers:
    line = _line(registers, PASSED[1], "demande.expiree")
    return _lines(registers, line._replace(acteur=("AGENT", "demba")), without=line)


def _without_reading(registers: Registers) -> Registers:
    line = next(one for one in registers.audit if one.action == "getAudit")
    return _lines(registers, without=line)


def _sealed_otherwise(registers: Registers) -> Registers:
    first, *rest = registers.audit
    return replace(registers, audit=[first._replace(said={**first.said, "motif": "x"}), *rest])


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (lambda r: _agreed(r, "nom"), WRONG, "took effect with 0 of 1"),
        (lambda r: _agreed(r, "place", "binta"), WRONG, "took effect with 1 of 2"),
        (lambda r: _agreed(r, "place", "binta", "binta"), WRONG, "took effect with 1 of 2"),
        (lambda r: _agreed(r, "nom", "binta", "demba"), WRONG, "more validators than its rule"),
        (lambda r: _agreed(r, "client", "awa"), WRONG, "was validated by its maker"),
        (_one_person, WRONG, "was validated by its maker"),
        (lambda r: _agreed(r, "client", "machine"), WRONG, "by what is no person"),
        (lambda r: _agreed(r, "nom", "demba"), WRONG, "demba never validated it"),
        (lambda r: _agreed(r, "pendante", "binta"), LOST, "has all its validators and is SAISIE"),
        (lambda r: _change(r, "nom", requises=0), WRONG, "its rule asks 1, it asked 0"),
        (lambda r: _change(r, "nom", statut="SAISIE"), LOST, "told EXECUTEE, the registers have"),
        (lambda r: _change(r, "nom", reference="x"), LOST, "no demande bears it"),
        (lambda r: _change(r, "nom", empreinte="x"), WRONG, "it tells of another demande"),
        (lambda r: _change(r, "nom", contenu={}), WRONG, "for another content or caller"),
        (lambda r: _change(r, "nom", traitee_par="x"), WRONG, "another person ended it"),
        (lambda r: _change(r, "nom", resultat={}), WRONG, "told another result"),
        (lambda r: _change(r, "pendante", statut="RETIREE"), WRONG, "which nobody asked for"),
        (lambda r: _change(r, PASSED[1], expire_le=2**62), WRONG, "ended by time before its time"),
        (lambda r: _change(r, "nom", expire_le=0), WRONG, "after the end of its time"),
        (lambda r: _without_line(r, PASSED[1], "demande.expiree"), LOST, "0 rows of the audit"),
        (_ended_by_a_person, WRONG, "the audit says that ('AGENT', 'demba') was its time"),
        (lambda r: _version(r, -1), LOST, "was changed to version 3, not 4"),
        (lambda r: _version(r, 1), DOUBLED, "was changed to version 5, not 4"),
        (lambda r: _objet(r, CLIENT, None), LOST, "is not there"),
        (lambda r: _objet(r, CLIENT, Objet(4, {"nom": "Beta"})), WRONG, "'nom': 'Beta'"),
        (
            lambda r: _objet(r, ("RESEAU", f"R-{STORY}-2"), Objet(1, {})),
            *(WRONG, "comes from nothing"),
        ),
        (lambda r: replace(r, inside={"C": (1, 2)}), WRONG, "says that it has 1, and has 2"),
        (lambda r: _without_line(r, "pendante", "demande.saisie"), LOST, "0 rows of the audit"),
        (lambda r: _without_line(r, "place", "demande.validee"), LOST, "0 rows of the audit"),
        (lambda r: _without_line(r, "nom", "modifierClient"), LOST, "0 rows of the audit"),
        (lambda r: _without_line(r, "retiree", "demande.retiree"), LOST, "0 rows of the audit"),
        (lambda r: _without_line(r, "nom", "demande.refusee"), LOST, "the audit has 0"),
        (lambda r: _line_twice(r, "nom", "modifierClient"), DOUBLED, "2 rows of the audit"),
        (lambda r: _line_twice(r, "nom", "demande.refusee"), WRONG, "the audit has 2"),
        (lambda r: _carte(r, "remise", statut="ACTIVE"), LOST, "is ACTIVE, its last change made"),
        (lambda r: _carte(r, "vol", statut="ACTIVE"), WRONG, "was replaced, and is ACTIVE"),
        (lambda r: _carte(r, "remise", changes=9), DOUBLED, "is in its state 9, by the audit in"),
        (lambda r: _carte(r, "remise", remplace=None), WRONG, "as replaced, and nothing replaces"),
        (
            lambda r: _without_line(r, "blocage", "opposerCarte"),
            WRONG,
            "led it from OPPOSITION to ACTIVE",
        ),
        (lambda r: _special(r, "remise", left=1), WRONG, "left 1 on the card that was replaced"),
        (lambda r: _special(r, "reste", left=7), WRONG, "left 7, and all of it was asked"),
        (lambda r: _special(r, "sauvetage", montant=1), WRONG, "moves another amount"),
        (lambda r: _special(r, "sauvetage", vers="x"), WRONG, "between other cards than was asked"),
        (lambda r: _special(r, "sauvetage", demande_id="x"), LOST, "moved money 0 times"),
        (_special_twice, DOUBLED, "moved money 2 times"),
        (_replaced_twice, DOUBLED, "was replaced 2 times"),
        (_nothing_counted, WRONG, "has counted 0 of 1, its lineage moved 200 of 1"),
        (_line_of_what_was_undone, WRONG, "1 rows of the audit, 0 changes"),
        (_other_actor, WRONG, "the audit says that"),
        (_without_reading, LOST, "written down 0 times"),
        (_sealed_otherwise, WRONG, "the chain breaks at position 1"),
        (lambda r: _lines(r, without=r.audit[3]), WRONG, "the chain breaks before position 5"),
        (lambda r: _lines(r, without=r.audit[-1]), WRONG, "its end says"),
    ],
)
def test_damaged_registers_are_found(
    tidy: Seen, damage: Callable[[Registers], Registers], kind: str, words: str
) -> None:
    told, registers = tidy
    verdict = audit(told, damage(registers), prefix=f"{STORY}-")
    assert any(words in text for text in verdict.findings[kind]), verdict.findings


def _body(exchange: Exchange, **changes: Any) -> Exchange:
    """The same, but it was told something else of the demande."""
    body = json.loads(exchange.body)
    body["data"][0] |= changes
    return replace(exchange, body=json.dumps(body))


def _ended_for_two(told: list[Exchange]) -> list[Exchange]:
    first = _validations(told)[0]
    return [*told, replace(first, started=first.started + 1)]


def _told_again(told: list[Exchange], **changes: Any) -> list[Exchange]:
    """Somebody is told of a demande after its end, during the load."""
    last = next(e for e in reversed(told) if e.what == "getDemande" and e.status == 200)
    executed = next(e for e in told if e.phase == "after" and '"EXECUTEE"' in e.body)
    assert last.ended is not None
    return [*told, _body(replace(executed, phase="load", started=last.ended), **changes)]


def _validations(told: list[Exchange]) -> list[Exchange]:
    return [e for e in told if e.what == "validerDemande" and e.status == 200]


def _refuse(code: str, what: str, named: str = "") -> Callable[[list[Exchange]], list[Exchange]]:
    """The first acknowledged exchange of its kind was refused."""

    def change(told: list[Exchange]) -> list[Exchange]:
        chosen = next(
            e for e in told if e.what == what and e.status == 200 and e.reference.endswith(named)
        )
        return [_refused(e, code) if e is chosen else e for e in told]

    return change


def _unknown_after(told: list[Exchange]) -> list[Exchange]:
    chosen = next(e for e in told if e.phase == "after" and e.status == 200)
    return [_refused(e, "6001") if e is chosen else e for e in told]


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (_ended_for_two, DOUBLED, "was ended for 2 callers"),
        (lambda t: _told_again(t, statut="SAISIE"), WRONG, "pending, after somebody was told"),
        (lambda t: _told_again(t, demandeId="0" * 26), LOST, "there is no demande 0000"),
        (
            lambda t: _told_again(t, validations=[{"agentId": "demba"}]),
            *(LOST, "a validation that it tells of is not there"),
        ),
        (lambda t: t[1:], WRONG, "is a demande that nobody entered so"),
        (_unknown_after, LOST, "is unknown, after it was acknowledged"),
        (_refuse("6002", "validerDemande"), WRONG, "never validated it"),
        (_refuse("6003", "validerDemande"), LOST, "tried 1 times, the audit has 0"),
        (_refuse("6005", "validerDemande"), WRONG, "(6005), which is not so"),
        (_refuse("2009", "validerDemande"), WRONG, "(2009), which is not so"),
        (_refuse("6004", "validerDemande"), WRONG, "(6004), which is not so"),
        (_refuse("6006", "rejeterDemande"), WRONG, "which nothing here justifies"),
        (_refuse("4002", "saisirReseau", "pendante"), WRONG, "(4002), which is not so"),
        (_refuse("6008", "saisirReseau", "pendante"), WRONG, "(6008), which is not so"),
        (_refuse("6008", "saisirReseau", "pendante"), WRONG, "every time, and was entered"),
        (_refuse("6012", "modifierClient"), WRONG, "(6012), which is not so"),
        (_refuse("3006", "activerCarte"), WRONG, "every time, and was entered"),
        (_refuse("3006", "remplacerCarte"), WRONG, "(3006), which is not so"),
        (_refuse("3003", "opposerCarte"), WRONG, "(3003), which is not so"),
        (_refuse("3009", "remplacerCarte"), WRONG, "(3009), which is not so"),
        (_refuse("4014", "transfererSoldeSpecial"), WRONG, "(4014), which is not so"),
    ],
)
def test_false_answers_to_persons_are_found(
    tidy: Seen, change: Callable[[list[Exchange]], list[Exchange]], kind: str, words: str
) -> None:
    told, registers = tidy
    verdict = audit(change(told), registers, prefix=f"{STORY}-")
    assert any(words in text for text in verdict.findings[kind]), verdict.findings


def test_demande_that_still_waits_after_its_end_was_looked_for_is_found(tidy: Seen) -> None:
    told, registers = tidy
    moments = Moments(expired=time.monotonic_ns())
    assert audit(told, registers, prefix=f"{STORY}-", moments=moments).ok
    waiting = _change(registers, PASSED[1], statut="SAISIE")
    verdict = audit(told, waiting, prefix=f"{STORY}-", moments=moments)
    assert any("waits, after its end" in text for text in verdict.findings[LOST])


def test_answer_to_a_person_while_the_database_was_frozen_is_found(tidy: Seen) -> None:
    verdict = audit(*tidy, prefix=f"{STORY}-", moments=Moments(frozen=[(0, 2**63)]))
    assert any("the database was frozen" in text for text in verdict.findings[WRONG])


def test_server_that_the_system_has_not_ended_yet_is_started_again(
    nursery: Nursery, models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = SqlitePlace()
    with staged(place, nursery, servers=2, model=models(place)) as stage:
        dying = {server.pid for server in stage.servers}
        for server in stage.servers:
            server.kill9()
        poll = nursery.poll

        def poll_too_early(pid: int) -> int | None:
            if pid in dying:
                dying.remove(pid)
                return None
            return poll(pid)

        monkeypatch.setattr(nursery, "poll", poll_too_early)
        stage.heal()
        assert [server.status("/health/ready", timeout=5) for server in stage.servers] == [200, 200]


@pytest.mark.parametrize("required", [False, True])
def test_fault_that_the_machine_does_not_allow_is_told_and_counts_only_where_all_must_be_tested(
    required: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse() -> Place:
        raise NotPossibleHereError("no cable can be laid")

    fault = replace(BY_NAME["drop-packets"], places={POSTGRESQL: refuse})
    monkeypatch.setattr("tests.lab.proof.__main__.FAULTS", [fault])
    monkeypatch.setattr("signal.signal", lambda *_: None)  # the signals are those of the tests
    monkeypatch.delenv(REQUIRED, raising=False)
    if required:
        monkeypatch.setenv(REQUIRED, "1")
    told = CliRunner().invoke(main, ["--report", str(tmp_path / "proof.json")])
    assert told.exit_code == int(required), told.output
    assert "not played: no cable can be laid" in told.output
    (proof,) = json.loads((tmp_path / "proof.json").read_text())["proofs"]
    assert (proof["ok"], proof["not_played"]) == (True, "no cable can be laid")


def test_judge_knows_nothing_of_the_application() -> None:
    for name in ("judge", "books", "record", "answers", "auditor", "registers", "cards", "states"):
        tree = ast.parse(
            (ROOT / "tests" / "lab" / "proof" / f"{name}.py").read_text(encoding="utf-8")
        )
        imported = {
            alias.name if isinstance(node, ast.Import) else node.module or ""
            for node in ast.walk(tree)
            if isinstance(node, ast.Import | ast.ImportFrom)
            for alias in node.names
        }
        assert not {i for i in imported if i.partition(".")[0] in ("handlers", "models")}, name
