"""Plafonds: what a card or a partner may move per operation, per day, per month, and no more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, text

import models.annulation
import models.journal.reference
import models.mouvement
import models.plafond
from models.base import SOLDE_MAXIMAL
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import Json, envelope_of
from tests.support.plafonds import remove_plafond, set_plafond
from tests.support.scene import Scene, refusal
from tests.support.steps import (
    CALLERS,
    REPLAYED,
    all_at_once,
    assert_replayed,
    copies,
    credit,
    debit,
    holding,
    item,
    new_reference,
    noticing_waits,
    reverse,
    transfer,
)
from tests.support.world import Carte, World

MOVES: dict[str, Callable[..., httpx.Response]] = {"CREDIT": credit, "DEBIT": debit}
SUBJECTS = pytest.mark.parametrize("subject", ["CARTE", "PARTENAIRE"])
PERIODS = pytest.mark.parametrize("periode", ["JOUR", "MOIS"])


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner of the test's own, which it may change."""
    return own_scene


def limit(
    scene: Scene,
    subject: str,
    periode: str,
    *,
    type_: str = "DEBIT",
    montant: int | None = None,
    nombre: int | None = None,
) -> None:
    """Give the scene's card or its partner a limit."""
    with scene.world.database.transaction() as connection:
        put(connection, scene, subject, periode, type_=type_, montant=montant, nombre=nombre)


def put(
    connection: Connection,
    scene: Scene,
    subject: str,
    periode: str,
    *,
    type_: str,
    montant: int | None = None,
    nombre: int | None = None,
) -> None:
    """Give the scene's card or its partner a limit, in a transaction that may go on."""
    assert set_plafond(
        connection,
        TESTEUR,
        type_=type_,
        periode=periode,
        montant_maximal=montant,
        nombre_maximal=nombre,
        **whose(scene, subject),
    )


def whose(scene: Scene, subject: str) -> dict[str, str]:
    """The name of the limited card or partner."""
    if subject == "CARTE":
        return {"numero_carte": scene.carte.numero}
    return {"consumer_key": scene.pair.consumer_key}


def assert_limited(
    answer: httpx.Response,
    subject: str,
    periode: str,
    *,
    type_: str = "DEBIT",
    montant: int | None = None,
    nombre: int | None = None,
    language: str = "fr",
) -> None:
    """Assert the whole refusal, which tells the limit and what is left of it."""
    left, info = [], [f"portee={subject}", f"type={type_}", f"periode={periode}"]
    if montant is not None:
        left.append(f"{montant} FCFA")
        info.append(f"montantRestant={montant}")
    if nombre is not None:
        left.append(f"{nombre} x {type_}")
        info.append(f"nombreRestant={nombre}")
    expected = refusal("4011", language=language, reste=" / ".join(left))
    assert envelope_of(answer) == {**expected, "moreInfo": ";".join(info)}
    assert answer.status_code == 400


def send(scene: Scene, type_: str, montant: int, reference: str | None = None) -> httpx.Response:
    """Move from or to the scene's card."""
    reference = reference or new_reference()
    if type_ == "TRANSFERT":
        return transfer(scene.api, scene.carte, scene.autre, montant, reference)
    return MOVES[type_](scene.api, scene.carte, montant, reference)


# ── each kind of limit ───────────────────────────────────────────────────────────────────────────
@SUBJECTS
@pytest.mark.parametrize("type_", ["CREDIT", "DEBIT", "TRANSFERT"])
@pytest.mark.parametrize("language", ["fr", "en"])
def test_operation_above_its_limit_is_refused(
    scene: Scene, subject: str, type_: str, language: str
) -> None:
    limit(scene, subject, "OPERATION", type_=type_, montant=3_000)
    scene.api.headers["Accept-Language"] = language
    before = scene.world.solde(scene.carte)
    answer = send(scene, type_, 3_001)
    assert_limited(answer, subject, "OPERATION", type_=type_, montant=3_000, language=language)
    assert scene.world.solde(scene.carte) == before
    for _ in range(2):
        item(send(scene, type_, 3_000))
    scene.world.check_books(scene.carte, scene.autre)


@SUBJECTS
@PERIODS
@pytest.mark.parametrize("type_", ["CREDIT", "DEBIT", "TRANSFERT"])
def test_amount_of_a_period_is_spent_to_the_last_franc(
    scene: Scene, subject: str, periode: str, type_: str
) -> None:
    # The scene's own credit of the other card counts for the partner.
    counted = 1_000 if (subject, type_) == ("PARTENAIRE", "CREDIT") else 0
    limit(scene, subject, periode, type_=type_, montant=5_000 + counted)
    refused = partial(assert_limited, subject=subject, periode=periode, type_=type_)
    refused(send(scene, type_, 5_001), montant=5_000)
    item(send(scene, type_, 2_000))
    refused(send(scene, type_, 3_001), montant=3_000)
    item(send(scene, type_, 3_000))
    refused(send(scene, type_, 1), montant=0)
    scene.world.check_books(scene.carte, scene.autre)


@SUBJECTS
@PERIODS
def test_number_of_operations_of_a_period_is_limited(
    scene: Scene, subject: str, periode: str
) -> None:
    limit(scene, subject, periode, nombre=2)
    for _ in range(2):
        item(send(scene, "DEBIT", 1))
    assert_limited(send(scene, "DEBIT", 1), subject, periode, nombre=0)
    item(send(scene, "CREDIT", 1))


@SUBJECTS
def test_amount_and_number_are_both_told(scene: Scene, subject: str) -> None:
    limit(scene, subject, "JOUR", montant=5_000, nombre=3)
    item(send(scene, "DEBIT", 1_000))
    assert_limited(send(scene, "DEBIT", 4_001), subject, "JOUR", montant=4_000, nombre=2)
    item(send(scene, "DEBIT", 1))
    item(send(scene, "DEBIT", 1))
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", montant=3_998, nombre=0)


@SUBJECTS
@pytest.mark.parametrize("nothing", [{"montant": 0}, {"nombre": 0}], ids=["montant", "nombre"])
def test_limit_of_zero_lets_nothing_pass(scene: Scene, subject: str, nothing: Any) -> None:
    limit(scene, subject, "JOUR", **nothing)
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", **nothing)
    item(send(scene, "CREDIT", 1))


def test_tightest_of_several_limits_decides_and_the_others_are_not_used(scene: Scene) -> None:
    limit(scene, "CARTE", "MOIS", montant=9_000)
    limit(scene, "PARTENAIRE", "JOUR", montant=2_000)
    assert_limited(send(scene, "DEBIT", 2_001), "PARTENAIRE", "JOUR", montant=2_000)
    item(send(scene, "DEBIT", 2_000))
    limit(scene, "PARTENAIRE", "JOUR", montant=9_999)
    assert_limited(send(scene, "DEBIT", 7_001), "CARTE", "MOIS", montant=7_000)
    item(send(scene, "DEBIT", 7_000))


def test_limit_of_a_card_counts_every_partner_and_of_a_partner_every_card(scene: Scene) -> None:
    other = scene.world.api(scene.carte)
    limit(scene, "CARTE", "JOUR", montant=1_000)
    item(debit(other, scene.carte, 600, new_reference()))
    assert_limited(send(scene, "DEBIT", 401), "CARTE", "JOUR", montant=400)
    limit(scene, "CARTE", "JOUR", montant=100_000)
    limit(scene, "PARTENAIRE", "JOUR", montant=1_000)
    item(debit(scene.api, scene.autre, 700, new_reference()))
    assert_limited(send(scene, "DEBIT", 301), "PARTENAIRE", "JOUR", montant=300)
    item(debit(other, scene.carte, 5_000, new_reference()))


# ── what consumes ────────────────────────────────────────────────────────────────────────────────
@SUBJECTS
def test_refused_call_consumes_nothing_and_leaves_the_reference_free(
    scene: Scene, subject: str
) -> None:
    limit(scene, subject, "JOUR", montant=8_000, nombre=2)
    scene.world.change_carte(scene.autre, statut="OPPOSITION")
    reference = new_reference()
    assert_limited(send(scene, "DEBIT", 8_001, reference), subject, "JOUR", montant=8_000, nombre=2)
    drained = scene.world.carte(500, membre=scene.carte.membre)
    for answer in (
        debit(scene.api, drained, 501, new_reference()),
        debit(scene.api, scene.autre, 1, new_reference()),
        scene.call("debitCarte").with_values(walletId="770000001").send(scene.api),
    ):
        assert answer.json()["code"] in ("4001", "3002", "412")
    answer = send(scene, "DEBIT", 1_000, reference)
    assert REPLAYED not in answer.headers
    item(answer)
    item(send(scene, "DEBIT", 1_000))
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", montant=6_000, nombre=0)


@SUBJECTS
def test_debit_above_the_solde_consumes_nothing(scene: Scene, subject: str) -> None:
    limit(scene, subject, "JOUR", montant=20_000)
    assert send(scene, "DEBIT", 10_001).json()["code"] == "4001"
    item(send(scene, "DEBIT", 10_000))
    item(send(scene, "CREDIT", 20_000))
    item(send(scene, "DEBIT", 10_000))
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", montant=0)


@SUBJECTS
def test_repeat_consumes_nothing_and_is_answered_when_nothing_is_left(
    scene: Scene, subject: str
) -> None:
    limit(scene, subject, "JOUR", nombre=2)
    reference = new_reference()
    first = send(scene, "DEBIT", 1_000, reference)
    for _ in range(3):
        assert_replayed(send(scene, "DEBIT", 1_000, reference), first)
    item(send(scene, "DEBIT", 1_000))
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", nombre=0)
    assert_replayed(send(scene, "DEBIT", 1_000, reference), first)


@SUBJECTS
@PERIODS
def test_what_was_moved_before_the_limit_was_set_counts(
    scene: Scene, subject: str, periode: str
) -> None:
    for _ in range(2):
        item(send(scene, "DEBIT", 1_000))
    item(send(scene, "CREDIT", 7_000))
    limit(scene, subject, periode, montant=3_000, nombre=5)
    assert_limited(send(scene, "DEBIT", 1_001), subject, periode, montant=1_000, nombre=3)
    limit(scene, subject, periode, montant=1_500, nombre=1)
    assert_limited(send(scene, "DEBIT", 1), subject, periode, montant=0, nombre=0)


@SUBJECTS
def test_limit_that_is_removed_limits_no_more(scene: Scene, subject: str) -> None:
    limit(scene, subject, "JOUR", montant=0)
    limit(scene, subject, "MOIS", montant=5_000)

    def remove(periode: str) -> bool:
        with scene.world.database.transaction() as connection:
            return remove_plafond(
                connection, TESTEUR, type_="DEBIT", periode=periode, **whose(scene, subject)
            )

    assert remove("JOUR")
    assert not remove("JOUR")
    assert_limited(send(scene, "DEBIT", 5_001), subject, "MOIS", montant=5_000)
    assert remove("MOIS")
    item(send(scene, "DEBIT", 6_000))


def test_limit_of_an_unknown_card_or_partner_is_not_set(scene: Scene) -> None:
    values: Json = {"type_": "DEBIT", "periode": "JOUR"}
    with scene.world.database.transaction() as connection:
        for unknown in ({"numero_carte": "700000000000"}, {"consumer_key": "inconnu"}):
            given: dict[str, Any] = {**values, **unknown}
            assert not set_plafond(
                connection, TESTEUR, montant_maximal=1, nombre_maximal=None, **given
            )
            assert not remove_plafond(connection, TESTEUR, **given)


def test_reversal_is_not_limited(scene: Scene) -> None:
    reference = new_reference()
    item(send(scene, "DEBIT", 4_000, reference))
    for type_ in ("CREDIT", "DEBIT", "TRANSFERT"):
        limit(scene, "CARTE", "JOUR", type_=type_, nombre=0)
    assert item(reverse(scene.api, reference, new_reference()))["soldeOnline"] == 10_000


# ── the calendar ─────────────────────────────────────────────────────────────────────────────────
NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


@SUBJECTS
@pytest.mark.parametrize(
    ("periode", "length"), [("JOUR", timedelta(days=1)), ("MOIS", timedelta(days=31))]
)
def test_limit_is_whole_again_when_its_period_ends(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    subject: str,
    periode: str,
    length: timedelta,
) -> None:
    def at(moment: datetime) -> None:
        for module in (models.journal.reference, models.plafond):
            monkeypatch.setattr(module, "now", lambda: moment)

    tick = timedelta(microseconds=1)
    at(NEW_YEAR - tick)
    limit(scene, subject, periode, montant=1_000)
    item(send(scene, "DEBIT", 1_000))
    assert_limited(send(scene, "DEBIT", 1), subject, periode, montant=0)
    at(NEW_YEAR)
    item(send(scene, "DEBIT", 400))
    at(NEW_YEAR + length - tick)
    assert_limited(send(scene, "DEBIT", 601), subject, periode, montant=600)
    item(send(scene, "DEBIT", 600))
    at(NEW_YEAR + length)
    item(send(scene, "DEBIT", 1_000))
    if subject == "PARTENAIRE":
        assert left_of(scene) == [(periode, 0)]
        at(NEW_YEAR + length + timedelta(days=40))
        assert left_of(scene) == [(periode, 1_000)]


def left_of(scene: Scene) -> list[tuple[str, int]]:
    """What mesDroits tells of the partner's limits."""
    plafonds = item(scene.api.get("/mes-droits"))["plafonds"]
    return [(each["periode"], each["montantRestant"]) for each in plafonds]


def test_limit_set_today_counts_no_operation_of_yesterday(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    yesterday = NEW_YEAR - timedelta(microseconds=1)
    monkeypatch.setattr(models.journal.reference, "now", lambda: yesterday)
    item(send(scene, "DEBIT", 900))
    for module in (models.journal.reference, models.plafond):
        monkeypatch.setattr(module, "now", lambda: NEW_YEAR)
    limit(scene, "CARTE", "JOUR", montant=1_000)
    item(send(scene, "DEBIT", 1_000))


# ── races ────────────────────────────────────────────────────────────────────────────────────────
def owned(world: World, scene: Scene, subject: str) -> list[Carte]:
    """The card of the limit, or for a partner four cards that share its limit."""
    if subject == "CARTE":
        return [scene.carte]
    return [scene.carte] + [world.carte(50_000, membre=scene.carte.membre) for _ in range(3)]


@SUBJECTS
@pytest.mark.parametrize("servers", [1, 2], ids=["one server", "two servers"])
@pytest.mark.parametrize("by", ["montant", "nombre"])
def test_calls_at_once_never_pass_a_limit_together(
    world: World, second_url: str, subject: str, servers: int, by: str
) -> None:
    scene = Scene(world, solde=50_000)
    cartes = owned(world, scene, subject)
    most: Any = {"montant": 10_000} if by == "montant" else {"nombre": 10}
    limit(scene, subject, "JOUR", **most)
    urls = [world.url, second_url][:servers]
    calls = [
        partial(
            debit,
            copies(scene, 1, urls[number % servers])[0],
            cartes[number % len(cartes)],
            1_000,
            new_reference(),
        )
        for number in range(CALLERS)
    ]
    answers = all_at_once(calls)
    assert Counter(answer.json()["code"] for answer in answers) == {200: 10, "4011": 10}
    nothing: dict[str, Any] = dict.fromkeys(most, 0)
    for answer in answers:
        if answer.status_code != 200:
            assert_limited(answer, subject, "JOUR", **nothing)
    total = 50_000 * len(cartes) - sum(map(world.solde, cartes))
    assert total == 10_000
    world.check_books(*cartes)


def test_limits_of_both_under_transfers_across_each_other_never_deadlock(world: World) -> None:
    scene = Scene(world, solde=50_000)
    limit(scene, "PARTENAIRE", "JOUR", type_="TRANSFERT", montant=SOLDE_MAXIMAL)
    limit(scene, "CARTE", "JOUR", type_="TRANSFERT", montant=SOLDE_MAXIMAL)
    credit(scene.api, scene.autre, 49_000, new_reference())
    pairs = [(scene.carte, scene.autre), (scene.autre, scene.carte)]
    for _ in range(3):
        calls = [
            partial(transfer, api, *pairs[number % 2], 10, new_reference())
            for number, api in enumerate(copies(scene))
        ]
        assert {answer.status_code for answer in all_at_once(calls)} == {200}
    assert (world.solde(scene.carte), world.solde(scene.autre)) == (50_000, 50_000)
    world.check_books(scene.carte, scene.autre)


def counted(scene: Scene, subject: str) -> tuple[int, int]:
    """What the only limit of the scene's card, or of its partner, has counted."""
    column = "carte_id" if subject == "CARTE" else "partenaire_id"
    owner, name, value = {
        "CARTE": ("cartes", "numero_carte", scene.carte.numero),
        "PARTENAIRE": ("partenaires", "consumer_key", scene.pair.consumer_key),
    }[subject]
    with scene.world.database.reading() as connection:
        montant, nombre = connection.execute(
            text(
                "SELECT n.montant, n.nombre FROM consommations n JOIN plafonds l ON l.id = n.plafond_id"
                f" JOIN {owner} s ON s.id = l.{column} WHERE s.{name} = :value"
            ),
            {"value": value},
        ).one()
    return montant, nombre


@SUBJECTS
@pytest.mark.parametrize("type_", ["CREDIT", "DEBIT", "TRANSFERT"])
@pytest.mark.parametrize("before", ["no limit", "a higher limit", "a removed limit"])
def test_limit_that_is_being_set_judges_whoever_waits_for_it(
    scene: Scene, subject: str, type_: str, before: str
) -> None:
    # The scene's own credit of the other card counts for the partner.
    past = 1_000 if (subject, type_) == ("PARTENAIRE", "CREDIT") else 0
    if before != "no limit":
        limit(scene, subject, "JOUR", type_=type_, montant=100_000)
    database = scene.world.database
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            if before == "a removed limit":
                assert remove_plafond(
                    connection, TESTEUR, type_=type_, periode="JOUR", **whose(scene, subject)
                )
            put(connection, scene, subject, "JOUR", type_=type_, montant=past + 10)
            with noticing_waits(database) as wait:
                running = pool.submit(send, scene, type_, 5_000)
                wait(1)
            assert not running.done()
        assert_limited(running.result(20), subject, "JOUR", type_=type_, montant=10)
    assert counted(scene, subject) == (past, past // 1_000)


@SUBJECTS
def test_limit_that_is_being_removed_limits_nobody_who_waits_for_it(
    scene: Scene, subject: str
) -> None:
    limit(scene, subject, "JOUR", montant=10)
    database = scene.world.database
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert remove_plafond(
                connection, TESTEUR, type_="DEBIT", periode="JOUR", **whose(scene, subject)
            )
            with noticing_waits(database) as wait:
                running = pool.submit(send, scene, "DEBIT", 5_000)
                wait(1)
        item(running.result(20))


@SUBJECTS
def test_limit_waits_for_the_operation_under_way_and_counts_it(scene: Scene, subject: str) -> None:
    database = scene.world.database
    with ThreadPoolExecutor(2) as pool, holding(models.mouvement, "Operation") as held:
        running = pool.submit(send, scene, "DEBIT", 5_000)
        held.wait()
        with noticing_waits(database) as wait:
            setting = pool.submit(limit, scene, subject, "JOUR", montant=10)
            wait(1)
        assert not setting.done()
        held.release()
        item(running.result(20))
        setting.result(20)
    assert counted(scene, subject) == (5_000, 1)
    assert_limited(send(scene, "DEBIT", 1), subject, "JOUR", montant=0)


@SUBJECTS
def test_limit_set_while_thirty_two_callers_spend_is_passed_by_none(
    world: World, second_url: str, subject: str
) -> None:
    for _ in range(3):
        scene = Scene(world, solde=50_000)
        cartes = owned(world, scene, subject)
        urls = (world.url, second_url)
        calls = [
            partial(
                debit,
                copies(scene, 1, urls[number % 2])[0],
                cartes[number % len(cartes)],
                1_000,
                new_reference(),
            )
            for number in range(32)
        ]

        def set_limit(scene: Scene = scene) -> httpx.Response:
            limit(scene, subject, "JOUR", montant=12_000)
            return httpx.Response(204)

        *answers, _ = all_at_once([*calls, set_limit])
        done = [answer for answer in answers if answer.status_code == 200]
        assert {answer.json()["code"] for answer in answers} <= {200, "4011"}
        assert len(done) >= 12
        assert counted(scene, subject) == (1_000 * len(done), len(done))
        assert 50_000 * len(cartes) - sum(map(world.solde, cartes)) == 1_000 * len(done)


# ── reversals ────────────────────────────────────────────────────────────────────────────────────
KINDS = pytest.mark.parametrize("type_", ["CREDIT", "DEBIT"])


def moved(scene: Scene, type_: str, montant: int) -> str:
    """The reference of a new operation of the scene's card."""
    reference = new_reference()
    item(send(scene, type_, montant, reference))
    return reference


def undone(scene: Scene, origine: str) -> httpx.Response:
    """The answer of a reversal that succeeded."""
    answer = reverse(scene.api, origine, new_reference())
    item(answer)
    return answer


@SUBJECTS
@PERIODS
@KINDS
def test_reversal_gives_back_the_amount_and_the_number(
    scene: Scene, subject: str, periode: str, type_: str
) -> None:
    # The scene's own credit of the other card counts for the partner.
    past, number = (1_000, 1) if (subject, type_) == ("PARTENAIRE", "CREDIT") else (0, 0)
    limit(scene, subject, periode, type_=type_, montant=past + 500, nombre=number + 1)
    for _ in range(3):
        origine = moved(scene, type_, 400)
        assert_limited(send(scene, type_, 1), subject, periode, type_=type_, montant=100, nombre=0)
        undone(scene, origine)
        assert counted(scene, subject) == (past, number)
    moved(scene, type_, 500)


def test_reversal_gives_back_to_the_card_and_to_the_partner(scene: Scene) -> None:
    for subject in ("CARTE", "PARTENAIRE"):
        for periode in ("JOUR", "MOIS"):
            limit(scene, subject, periode, montant=500)
        limit(scene, subject, "OPERATION", montant=400)
    undone(scene, moved(scene, "DEBIT", 400))
    moved(scene, "DEBIT", 300)
    assert_limited(send(scene, "DEBIT", 201), "CARTE", "JOUR", montant=200)
    moved(scene, "DEBIT", 200)
    assert left_of(scene) == [("JOUR", 0), ("MOIS", 0), ("OPERATION", 400)]


@SUBJECTS
def test_reversal_that_is_repeated_or_refused_gives_back_nothing(
    scene: Scene, subject: str
) -> None:
    limit(scene, subject, "JOUR", type_="CREDIT", montant=9_000)
    past = counted(scene, subject)
    origine, reference = moved(scene, "CREDIT", 1_000), new_reference()
    item(send(scene, "DEBIT", 10_500))
    before = counted(scene, subject)
    assert reverse(scene.api, origine, reference).json()["code"] == "4001"
    assert counted(scene, subject) == before
    item(credit(scene.world.api(scene.carte), scene.carte, 500, new_reference()))
    first = reverse(scene.api, origine, reference)
    item(first)
    assert_replayed(reverse(scene.api, origine, reference), first)
    assert reverse(scene.api, origine, new_reference()).json()["code"] == "4008"
    if subject == "PARTENAIRE":
        assert counted(scene, subject) == past


@SUBJECTS
def test_limit_set_after_a_reversal_counts_neither_and_before_it_both(
    scene: Scene, subject: str
) -> None:
    undone(scene, moved(scene, "DEBIT", 400))
    origine = moved(scene, "DEBIT", 300)
    limit(scene, subject, "JOUR", montant=500)
    assert counted(scene, subject) == (300, 1)
    undone(scene, origine)
    assert counted(scene, subject) == (0, 0)
    moved(scene, "DEBIT", 500)


@SUBJECTS
def test_reversal_after_its_limit_is_gone_gives_back_nothing_twice(
    scene: Scene, subject: str
) -> None:
    limit(scene, subject, "JOUR", montant=500)
    first, second = moved(scene, "DEBIT", 200), moved(scene, "DEBIT", 300)
    with scene.world.database.transaction() as connection:
        remove_plafond(connection, TESTEUR, type_="DEBIT", periode="JOUR", **whose(scene, subject))
    undone(scene, first)
    limit(scene, subject, "JOUR", montant=500)
    assert counted(scene, subject) == (300, 1)
    undone(scene, second)
    assert counted(scene, subject) == (0, 0)


@SUBJECTS
@PERIODS
def test_reversal_gives_back_to_the_period_that_counted_and_to_no_other(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, subject: str, periode: str
) -> None:
    def at(moment: datetime) -> None:
        for module in (models.annulation, models.journal.reference, models.plafond):
            monkeypatch.setattr(module, "now", lambda: moment)

    at(NEW_YEAR - timedelta(hours=2))
    limit(scene, subject, periode, montant=500)
    origine = moved(scene, "DEBIT", 400)
    at(NEW_YEAR + timedelta(hours=18))
    moved(scene, "DEBIT", 300)
    undone(scene, origine)
    assert_limited(send(scene, "DEBIT", 201), subject, periode, montant=200)
    moved(scene, "DEBIT", 200)
    at(NEW_YEAR - timedelta(hours=1))
    moved(scene, "DEBIT", 500)


@SUBJECTS
def test_limit_of_a_later_period_gets_nothing_back(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, subject: str
) -> None:
    for module in (models.annulation, models.journal.reference, models.plafond):
        monkeypatch.setattr(module, "now", lambda: NEW_YEAR - timedelta(hours=2))
    origine = moved(scene, "DEBIT", 400)
    for module in (models.annulation, models.journal.reference, models.plafond):
        monkeypatch.setattr(module, "now", lambda: NEW_YEAR)
    limit(scene, subject, "JOUR", montant=500)
    moved(scene, "DEBIT", 100)
    undone(scene, origine)
    assert counted(scene, subject) == (100, 1)


@SUBJECTS
def test_reversals_and_debits_and_a_limit_at_once_count_what_stays(
    world: World, second_url: str, subject: str
) -> None:
    scene = Scene(world, solde=50_000)
    cartes = owned(world, scene, subject)
    origines = [new_reference() for _ in range(12)]
    for number, origine in enumerate(origines):
        item(debit(scene.api, cartes[number % len(cartes)], 1_000, origine))
    apis = [*copies(scene, 12), *copies(scene, 12, second_url)]
    calls = [
        partial(reverse, api, origine, new_reference())
        for api, origine in zip(apis[::2], origines, strict=True)
    ] + [
        partial(debit, api, cartes[number % len(cartes)], 100, new_reference())
        for number, api in enumerate(apis[1::2])
    ]

    def set_limit() -> httpx.Response:
        limit(scene, subject, "JOUR", montant=13_200)
        return httpx.Response(204)

    *answers, _ = all_at_once([*calls, set_limit])
    assert {answer.status_code for answer in answers} == {200}
    assert counted(scene, subject) == (1_200, 12)
    world.check_books(*cartes)


def test_limits_that_come_and_go_under_transfers_and_reversals_never_deadlock(
    world: World, second_url: str
) -> None:
    scene = Scene(world, solde=50_000)
    credit(scene.api, scene.autre, 49_000, new_reference())
    pairs = [(scene.carte, scene.autre), (scene.autre, scene.carte)]
    apis = [*copies(scene, 8), *copies(scene, 8, second_url)]

    def spend(number: int) -> httpx.Response:
        api, (source, target) = apis[number], pairs[number % 2]
        for _ in range(6):
            origine = new_reference()
            answers = [
                transfer(api, source, target, 10, new_reference()),
                debit(api, source, 10, origine),
                reverse(api, origine, new_reference()),
            ]
            assert {answer.status_code for answer in answers} == {200}
        return httpx.Response(200)

    def come_and_go(subject: str, type_: str) -> httpx.Response:
        for _ in range(6):
            for periode in ("MOIS", "JOUR"):
                limit(scene, subject, periode, type_=type_, montant=SOLDE_MAXIMAL)
            with world.database.transaction() as connection:
                assert remove_plafond(
                    connection, TESTEUR, type_=type_, periode="MOIS", **whose(scene, subject)
                )
        return httpx.Response(200)

    changes = [
        (subject, type_) for subject in ("CARTE", "PARTENAIRE") for type_ in ("DEBIT", "TRANSFERT")
    ]
    calls = [partial(spend, number) for number in range(len(apis))]
    calls += [partial(come_and_go, *change) for change in changes]
    assert {answer.status_code for answer in all_at_once(calls)} == {200}
    with world.database.transaction() as connection:
        for subject in ("CARTE", "PARTENAIRE"):
            assert remove_plafond(
                connection, TESTEUR, type_="TRANSFERT", periode="JOUR", **whose(scene, subject)
            )
    assert counted(scene, "CARTE") == counted(scene, "PARTENAIRE") == (0, 0)
    assert (world.solde(scene.carte), world.solde(scene.autre)) == (50_000, 50_000)
    world.check_books(scene.carte, scene.autre)
