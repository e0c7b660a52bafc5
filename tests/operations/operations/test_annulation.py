"""annulerOperation: a credit or a debit taken back, whole, once, whatever became of the card."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx
import pytest
from sqlalchemy import text

import models.annulation
import models.journal.reference
from models.base import SOLDE_MAXIMAL, now, today
from models.carte import ANNULEE, OPPOSITION
from models.database.engine import Database
from tests.support.contract_client import Json
from tests.support.live import serving, settings_for
from tests.support.scene import Scene, assert_refused
from tests.support.steps import (
    CALLERS,
    REPLAYED,
    all_at_once,
    assert_replayed,
    copies,
    credit,
    debit,
    item,
    look_up,
    new_reference,
    operation_item,
    reverse,
    row_of,
    success,
    transfer,
)
from tests.support.world import World

Move = Callable[..., httpx.Response]

BOTH = pytest.mark.parametrize(
    ("move", "sign"), [(credit, 1), (debit, -1)], ids=["credit", "debit"]
)


def executed(scene: Scene, move: Move, montant: int = 4_000) -> str:
    """The reference of a new operation of the scene's card."""
    reference = new_reference()
    item(move(scene.api, scene.carte, montant, reference))
    return reference


# ── success ──────────────────────────────────────────────────────────────────────────────────────
@BOTH
@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("fr", "Opération annulée, votre nouveau solde est de 10000 FCFA"),
        ("en", "Operation reversed, your new balance is 10000 FCFA"),
    ],
)
def test_reversal_gives_the_solde_back_and_the_original_stays(
    scene: Scene, move: Move, sign: int, language: str, message: str
) -> None:
    world, origine, reference = scene.world, executed(scene, move), new_reference()
    before = row_of(world, origine)
    assert world.solde(scene.carte) == 10_000 + sign * 4_000
    scene.api.headers["Accept-Language"] = language
    answer = reverse(scene.api, origine, reference, motif="Erreur de pompe")
    expected = operation_item(
        world,
        reference,
        scene.carte,
        4_000,
        10_000,
        motif="Erreur de pompe",
        annulationDe=before.numero_operation,
    )
    assert (answer.status_code, answer.json()) == (200, success(message, expected))
    assert expected["type"] == "ANNULATION"
    assert REPLAYED not in answer.headers
    assert world.solde(scene.carte) == 10_000
    assert row_of(world, origine) == before
    kind = "CREDIT" if sign > 0 else "DEBIT"
    assert world.journal(scene.carte) == [
        ("OUVERTURE", 10_000),
        (kind, 4_000),
        ("ANNULATION", 4_000),
    ]
    world.check_books(scene.carte)


@BOTH
def test_reversal_uses_the_account_of_the_partner(scene: Scene, move: Move, sign: int) -> None:
    assert sign
    reverse(scene.api, executed(scene, move), new_reference())
    with scene.world.database.reading() as connection:
        moved = connection.execute(
            text(
                "SELECT k.type, sum(CASE WHEN e.compte_credit = k.id THEN e.montant"
                " ELSE -e.montant END) FROM ecritures e"
                " JOIN operations o ON o.id = e.operation_id"
                " JOIN comptes k ON k.id IN (e.compte_debit, e.compte_credit)"
                f" WHERE o.carte_id = {scene.carte.id} AND o.type <> 'OUVERTURE' GROUP BY k.type"
            )
        ).all()
    assert {tuple(row) for row in moved} == {("CARTE", 0), ("REGLEMENT", 0)}


@BOTH
def test_repeated_reversal_is_answered_again_and_moves_nothing(
    scene: Scene, move: Move, sign: int
) -> None:
    assert sign
    origine, reference = executed(scene, move), new_reference()
    first = reverse(scene.api, origine, reference, motif="Erreur")
    for _ in range(2):
        assert_replayed(reverse(scene.api, origine, reference, motif="Erreur"), first)
    assert scene.world.solde(scene.carte) == 10_000
    scene.world.check_books(scene.carte)


@BOTH
def test_repeated_movement_is_answered_again_after_its_reversal(
    scene: Scene, move: Move, sign: int
) -> None:
    reference = new_reference()
    first = move(scene.api, scene.carte, 4_000, reference)
    assert item(first)["soldeOnline"] == 10_000 + sign * 4_000
    reverse(scene.api, reference, new_reference())
    assert_replayed(move(scene.api, scene.carte, 4_000, reference), first)
    assert scene.world.solde(scene.carte) == 10_000


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"statut": OPPOSITION},
        {"statut": ANNULEE},
        {"fin_validite": today() - timedelta(days=1)},
    ],
    ids=["opposition", "annulee", "expiree"],
)
def test_reversal_works_on_a_card_that_is_no_longer_usable(
    scene: Scene, move: Move, sign: int, change: Json
) -> None:
    assert sign
    origine = executed(scene, move)
    scene.world.change_carte(scene.carte, **change)
    assert item(reverse(scene.api, origine, new_reference()))["soldeOnline"] == 10_000
    scene.world.check_books(scene.carte)


# ── refusal ──────────────────────────────────────────────────────────────────────────────────────
def assert_nothing_moved(scene: Scene, answer: httpx.Response, code: str) -> None:
    """Assert that a reversal was refused and that its reference is free."""
    before = scene.world.solde(scene.carte)
    assert_refused(answer, code)
    reference = str(answer.request.content).split('"reference":"')[1].split('"')[0]
    assert_refused(look_up(scene.api, reference=reference), "4006")
    assert scene.world.solde(scene.carte) == before
    scene.world.check_books(scene.carte)


def test_reversal_of_a_credit_that_was_spent_is_refused(scene: Scene) -> None:
    origine = executed(scene, credit)
    debit(scene.api, scene.carte, 10_001, new_reference())
    assert_nothing_moved(scene, reverse(scene.api, origine, new_reference()), "4001")
    credit(scene.api, scene.carte, 1, new_reference())
    assert item(reverse(scene.api, origine, new_reference()))["soldeOnline"] == 0


def test_reversal_of_a_debit_of_a_card_that_was_filled_is_refused(world: World) -> None:
    scene = Scene(world, solde=SOLDE_MAXIMAL)
    origine = executed(scene, debit)
    credit(scene.api, scene.carte, 1, new_reference())
    assert_nothing_moved(scene, reverse(scene.api, origine, new_reference()), "4003")
    debit(scene.api, scene.carte, 1, new_reference())
    assert item(reverse(scene.api, origine, new_reference()))["soldeOnline"] == SOLDE_MAXIMAL


@BOTH
def test_second_reversal_is_refused(scene: Scene, move: Move, sign: int) -> None:
    assert sign
    origine = executed(scene, move)
    item(reverse(scene.api, origine, new_reference()))
    for _ in range(2):
        assert_nothing_moved(scene, reverse(scene.api, origine, new_reference()), "4008")


def test_unknown_operation_is_not_reversed(scene: Scene) -> None:
    assert_nothing_moved(scene, reverse(scene.api, new_reference(), new_reference()), "4006")


@BOTH
def test_operation_of_another_partner_is_not_reversed(scene: Scene, move: Move, sign: int) -> None:
    assert sign
    origine = executed(scene, move)
    other = scene.world.api(scene.carte)
    answer = reverse(other, origine, new_reference())
    assert_nothing_moved(scene, answer, "4006")


def test_reversal_and_transfer_are_not_reversed(scene: Scene) -> None:
    origine, reversal, moved = executed(scene, debit), new_reference(), new_reference()
    reverse(scene.api, origine, reversal)
    transfer(scene.api, scene.carte, scene.autre, 1_000, moved)
    assert_nothing_moved(scene, reverse(scene.api, reversal, new_reference()), "4010")
    assert_nothing_moved(scene, reverse(scene.api, moved, new_reference()), "4010")


def test_closed_reference_is_neither_reversed_nor_reverses(scene: Scene) -> None:
    origine, closed = executed(scene, debit), new_reference()
    scene.api.post("/cloturer-reference", json={"reference": closed})
    assert_nothing_moved(scene, reverse(scene.api, closed, new_reference()), "4005")
    assert_refused(reverse(scene.api, origine, closed), "4005")
    assert scene.world.solde(scene.carte) == 6_000


def test_reference_of_another_operation_does_not_reverse(scene: Scene) -> None:
    origine, other, reversal = executed(scene, debit), executed(scene, debit, 100), new_reference()
    for used in (origine, other):
        assert_refused(reverse(scene.api, origine, used), "4002")
    item(reverse(scene.api, origine, reversal, motif="Erreur"))
    assert_refused(reverse(scene.api, origine, reversal), "4002")
    assert_refused(reverse(scene.api, origine, reversal, motif="erreur"), "4002")
    assert_refused(reverse(scene.api, other, reversal, motif="Erreur"), "4002")
    assert_refused(debit(scene.api, scene.carte, 4_000, reversal), "4002")
    assert scene.world.solde(scene.carte) == 9_900


@BOTH
def test_right_that_is_needed_is_that_of_the_original(scene: Scene, move: Move, sign: int) -> None:
    origine = executed(scene, move)
    right, wrong = ("cartes:crediter", "cartes:debiter")[::sign]
    api = scene.world.anonymous()
    for scopes in ("soldes:lire cartes:lire", wrong):
        api.headers["Authorization"] = f"Bearer {scene.world.token(scene.pair, scope=scopes)}"
        assert_nothing_moved(scene, reverse(api, origine, new_reference()), "2003")
    api.headers["Authorization"] = f"Bearer {scene.world.token(scene.pair, scope=right)}"
    assert item(reverse(api, origine, new_reference()))["soldeOnline"] == 10_000


# ── the window ───────────────────────────────────────────────────────────────────────────────────
DAY = timedelta(days=1)


@BOTH
def test_operation_of_a_day_ago_is_reversed_and_an_older_one_is_not(
    scene: Scene, move: Move, sign: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    origine = executed(scene, move)
    happened = row_of(scene.world, origine).date_operation
    with monkeypatch.context() as clock:
        clock.setattr(models.annulation, "now", lambda: happened + DAY + timedelta(microseconds=1))
        assert_nothing_moved(scene, reverse(scene.api, origine, new_reference()), "4009")
        clock.setattr(models.annulation, "now", lambda: happened + DAY)
        assert item(reverse(scene.api, origine, new_reference()))["soldeOnline"] == 10_000
    assert sign


def test_repeated_reversal_is_answered_again_after_the_window(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    origine, reference = executed(scene, debit), new_reference()
    first = reverse(scene.api, origine, reference)
    monkeypatch.setattr(models.annulation, "now", lambda: now() + 3 * DAY)
    assert_replayed(reverse(scene.api, origine, reference), first)


@pytest.fixture
def hasty_url(shared_database: Database) -> Iterator[str]:
    """A second server on the shared database, which reverses what is a minute old at most."""
    url = shared_database.url.render_as_string(hide_password=False)
    with serving(replace(settings_for(url), annulation_fenetre_s=60)) as base_url:
        yield base_url


def test_window_is_a_setting_of_the_server(
    scene: Scene, hasty_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (hasty,) = copies(scene, 1, hasty_url)
    with monkeypatch.context() as clock:
        clock.setattr(models.journal.reference, "now", lambda: now() - timedelta(seconds=90))
        old = executed(scene, debit, 1_000)
        clock.setattr(models.journal.reference, "now", lambda: now() - timedelta(seconds=30))
        young = executed(scene, debit, 500)
    assert_nothing_moved(scene, reverse(hasty, old, new_reference()), "4009")
    assert item(reverse(hasty, young, new_reference()))["soldeOnline"] == 9_000
    assert item(reverse(scene.api, old, new_reference()))["soldeOnline"] == 10_000


# ── races ────────────────────────────────────────────────────────────────────────────────────────
@BOTH
@pytest.mark.parametrize("servers", [1, 2], ids=["one server", "two servers"])
def test_one_of_many_reversals_at_once_is_done(
    scene: Scene, second_url: str, servers: int, move: Move, sign: int
) -> None:
    assert sign
    origine = executed(scene, move)
    urls = [scene.world.url, second_url][:servers]
    clients = [copies(scene, 1, urls[number % servers])[0] for number in range(CALLERS)]
    answers = all_at_once([partial(reverse, api, origine, new_reference()) for api in clients])
    done = [answer for answer in answers if answer.status_code == 200]
    assert [item(answer)["soldeOnline"] for answer in done] == [10_000]
    for answer in answers:
        if answer not in done:
            assert_refused(answer, "4008")
    assert scene.world.solde(scene.carte) == 10_000
    scene.world.check_books(scene.carte)


def test_copies_of_a_reversal_at_once_move_the_money_once_and_all_succeed(scene: Scene) -> None:
    origine, reference = executed(scene, debit), new_reference()
    answers = all_at_once([partial(reverse, api, origine, reference) for api in copies(scene)])
    assert {answer.content for answer in answers} == {answers[0].content}
    assert item(answers[0])["soldeOnline"] == 10_000
    marks = Counter(answer.headers.get(REPLAYED) for answer in answers)
    assert marks == {None: 1, "true": CALLERS - 1}
    scene.world.check_books(scene.carte)
