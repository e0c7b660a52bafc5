"""Demandes about limits: what lowers one is immediate; and limits of a card that took another one's place."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
from sqlalchemy import func, select

from models.database.engine import Database
from models.demande import EXECUTEE, SAISIE
from models.errors import Refusal
from models.operation import DEBIT, operations
from models.plafond import list_restes, plafonds
from tests.support.lives import Lives
from tests.support.siege import Siege
from tests.support.till import Till
from tests.support.world import Carte, World

SAISIR, RETIRER = "saisirPlafondCarte", "retirerPlafondCarte"


@pytest.fixture
def siege(shared_database: Database) -> Siege:
    return Siege(shared_database)


@pytest.fixture
def security(shared_database: Database) -> Siege:
    """Those who enter and agree to what is of partners."""
    return Siege(shared_database, of="SECURITE_")


@pytest.fixture
def world(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def lives(world: World) -> Lives:
    return Lives(world)


Limit = tuple[int | None, int | None]
NONE: Limit = (None, None)


def asked(carte: Carte, limit: Limit = NONE, periode: str = "MOIS") -> dict[str, Any]:
    """What a demande about the debits of a card asks."""
    bounds = dict(zip(("montantMaximal", "nombreMaximal"), limit, strict=True))
    given = {name: bound for name, bound in bounds.items() if bound is not None}
    return {"carteId": carte.carte_id, "type": DEBIT, "periode": periode, **given}


def limit_of(world: World, carte: Carte, periode: str = "MOIS") -> list[Limit]:
    """The card's limit, none or one; and what is left of it."""
    with world.database.reading() as connection:
        found = list_restes(connection, carte_id=carte.id)
    return [
        bounds
        for one in found
        if one.periode == periode
        for bounds in (
            (one.montant_maximal, one.nombre_maximal),
            (one.montant_restant, one.nombre_restant),
        )
    ]


def code(act: Callable[[], Any]) -> str:
    """The statut of what was done, or the code of the refusal."""
    try:
        return str(act().statut)
    except Refusal as refused:
        return refused.code


@pytest.mark.parametrize(
    ("before", "after", "waits"),
    [
        (NONE, (100, None), False),
        (NONE, (0, 0), False),
        ((100, None), (100, None), False),
        ((100, None), (99, None), False),
        ((100, None), (101, None), True),
        ((100, None), (100, 5), False),
        ((100, 5), (100, None), True),
        ((100, 5), (99, 6), True),
        ((100, 5), (99, 5), False),
        ((None, 5), (1, None), True),
        ((None, 5), (None, 4), False),
    ],
)
def test_what_permits_nothing_more_is_immediate_and_all_else_waits(
    world: World, lives: Lives, siege: Siege, before: Limit, after: Limit, *, waits: bool
) -> None:
    carte = lives.carte()
    if before != NONE:
        lives.done(SAISIR, **asked(carte, before))
    entered = siege.enter(SAISIR, **asked(carte, after))
    assert entered.statut == (SAISIE if waits else EXECUTEE)
    now_is = [] if before == NONE else [before] * 2
    assert limit_of(world, carte) == (now_is if waits else [after] * 2)
    if waits:
        entered = siege.agree(entered)
    name = f"{carte.carte_id}:DEBIT:MOIS"
    assert (limit_of(world, carte), entered.objet_id) == ([after] * 2, name)
    assert entered.resultat == {"carteId": carte.carte_id, "plafondId": name}


def test_a_limit_is_taken_away_by_two_persons(world: World, lives: Lives, siege: Siege) -> None:
    carte = lives.carte(solde=100)
    lives.done(SAISIR, **asked(carte, (0, None)))
    till = Till(world, carte)
    assert code(lambda: till.move(DEBIT, carte, 1)) == "4011"
    entered = siege.enter(RETIRER, **asked(carte))
    assert (entered.statut, limit_of(world, carte)) == (SAISIE, [(0, None)] * 2)
    assert siege.agree(entered).statut == EXECUTEE
    assert limit_of(world, carte) == []
    assert till.move(DEBIT, carte, 1).statut == EXECUTEE
    assert siege.do(RETIRER, **asked(carte)) == "6007"


def test_who_lowers_a_limit_makes_a_higher_one_that_waits_be_read_again(
    world: World, lives: Lives, siege: Siege
) -> None:
    carte = lives.carte()
    siege.do(SAISIR, **asked(carte, (100, None)))
    waiting = siege.enter(SAISIR, **asked(carte, (200, None)))
    assert siege.do(SAISIR, **asked(carte, (10, None))) == EXECUTEE
    assert code(lambda: siege.agree(waiting)) == "6006"
    assert limit_of(world, carte) == [(10, None)] * 2


@pytest.mark.parametrize(
    ("bend", "expected"),
    [
        ({}, "405"),
        ({"montantMaximal": 1, "nombreMaximal": 1, "periode": "OPERATION"}, "405"),
        ({"montantMaximal": 1, "carteId": "0" * 26}, "6007"),
    ],
)
def test_a_limit_that_cannot_be_is_refused(
    world: World, lives: Lives, siege: Siege, bend: dict[str, Any], expected: str
) -> None:
    carte = lives.carte()
    assert siege.do(SAISIR, **{**asked(carte), **bend}) == expected
    assert limit_of(world, carte) == []


def test_a_cancelled_card_gets_no_limit(lives: Lives, siege: Siege) -> None:
    carte = lives.carte("ANNULEE")
    assert siege.do(SAISIR, **asked(carte, (1, None))) == "3003"


def test_a_partner_is_limited_at_once_and_freed_by_two_persons(
    world: World, lives: Lives, security: Siege
) -> None:
    carte = lives.carte(solde=1_000)
    till = Till(world, carte)
    till.move(DEBIT, carte, 100)
    named: dict[str, Any] = {"consumerKey": till.consumer_key, "type": DEBIT, "periode": "JOUR"}
    done = security.enter("saisirPlafondPartenaire", **named, montantMaximal=150)
    plafond_id = f"{till.consumer_key}:DEBIT:JOUR"
    assert done.statut == EXECUTEE
    assert done.resultat == {"consumerKey": till.consumer_key, "plafondId": plafond_id}
    assert code(lambda: till.move(DEBIT, carte, 51)) == "4011", "what was moved before counts"
    entered = security.enter("retirerPlafondPartenaire", **named)
    assert (entered.statut, entered.forte) == (SAISIE, True)
    assert security.agree(entered).statut == EXECUTEE
    assert till.move(DEBIT, carte, 51).statut == EXECUTEE
    assert security.do("retirerPlafondPartenaire", **named) == "6007"


# ── a card that took another one's place ─────────────────────────────────────────────────────────
def test_a_replacement_keeps_the_limits_and_what_they_counted(world: World, lives: Lives) -> None:
    first = lives.carte(solde=1_000)
    till = Till(world, first)
    lives.done(SAISIR, **asked(first, (500, 3)))
    lives.done(SAISIR, **asked(first, (400, None), "OPERATION"))
    spent = till.move(DEBIT, first, 300)
    second = lives.replaced(first)
    assert limit_of(world, second) == [], "it has taken no place yet"
    lives.activated(second)
    assert (limit_of(world, first), limit_of(world, second)) == ([], [(500, 3), (200, 2)])
    assert limit_of(world, second, "OPERATION") == [(400, None)] * 2
    assert code(lambda: till.move(DEBIT, second, 201)) == "4011"
    till.move(DEBIT, second, 200)
    assert code(lambda: till.move(DEBIT, second, 1)) == "4011"
    till.reverse(spent)
    assert limit_of(world, second) == [(500, 3), (300, 2)]
    assert (world.solde(first), world.solde(second)) == (300, 500)
    world.check_books(first, second)


def test_a_limit_counts_what_every_card_before_has_moved(world: World, lives: Lives) -> None:
    first = lives.carte(solde=1_000)
    till = Till(world, first)
    spent = till.move(DEBIT, first, 300)
    second = lives.replaced(first)
    lives.activated(second)
    till.move(DEBIT, second, 50)
    third = lives.replaced(second)
    lives.done(SAISIR, **asked(third, (500, 9)))
    assert limit_of(world, third) == [(500, 9)] * 2, "those before it are in service"
    lives.activated(third)
    assert limit_of(world, third) == [(500, 9), (150, 7)]
    till.reverse(spent)
    assert limit_of(world, third) == [(500, 9), (450, 8)]


def test_a_limit_that_the_new_card_has_of_its_own_stays(world: World, lives: Lives) -> None:
    first = lives.carte(solde=1_000)
    till = Till(world, first)
    lives.done(SAISIR, **asked(first, (500, None)))
    second = lives.replaced(first)
    lives.done(SAISIR, **asked(second, (None, 2)))
    till.move(DEBIT, first, 300)
    lives.activated(second)
    assert limit_of(world, second) == [(None, 2), (None, 1)]
    with world.database.reading() as connection:
        left = connection.scalar(
            select(func.count()).where(plafonds.c.carte_id.in_([first.id, second.id]))
        )
    assert left == 1


# ── at once ──────────────────────────────────────────────────────────────────────────────────────
def test_once_a_lower_limit_is_answered_no_debit_passes_it(
    world: World, lives: Lives, siege: Siege
) -> None:
    """Those before count, those after are judged by it: whatever the order, its sum is what was moved."""
    carte = lives.carte(solde=10_000)
    till = Till(world, carte)
    debits = [lambda: till.move(DEBIT, carte, 10)] * 6
    with ThreadPoolExecutor(7) as pool:
        running = [pool.submit(code, act) for act in debits]
        lowered = pool.submit(code, lambda: siege.enter(SAISIR, **asked(carte, (30, None))))
        assert lowered.result() == EXECUTEE
        after = [code(act) for act in debits]
        answers = [one.result() for one in running] + after
    passed = answers.count(EXECUTEE)
    assert set(answers) <= {EXECUTEE, "4011"}
    assert 3 <= passed <= 6, "30 francs may be moved, or all that was before it"
    ((_, nombre), (left, _)) = limit_of(world, carte)
    with world.database.reading() as connection:
        moved = connection.scalar(
            select(func.count()).where(
                operations.c.carte_id == carte.id, operations.c.type == DEBIT
            )
        )
    assert (moved, nombre, left) == (passed, None, max(0, 30 - 10 * passed))


def test_a_reversal_while_the_card_is_replaced_frees_what_it_had_counted(
    world: World, lives: Lives
) -> None:
    first = lives.carte(solde=1_000)
    till = Till(world, first)
    lives.done(SAISIR, **asked(first, (500, None)))
    spent = [till.move(DEBIT, first, 100) for _ in range(3)]
    second = lives.replaced(first)
    with ThreadPoolExecutor(4) as pool:
        acts = [pool.submit(code, partial(till.reverse, one)) for one in spent]
        acts.append(pool.submit(code, partial(lives.activated, second)))
        assert [one.result() for one in acts] == [EXECUTEE] * 4
    assert limit_of(world, second) == [(500, None)] * 2
    assert world.solde(first) + world.solde(second) == 1_000
    world.check_books(first, second)
