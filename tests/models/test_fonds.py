"""Money that demandes move: what is on a card out of service, and what a card began with."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from models.back_office.moteur import valider
from models.base import SOLDE_MAXIMAL, today
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION
from models.database.engine import Database
from models.demande import EXECUTEE, SAISIE, Demande
from models.errors import Refusal
from models.operation import CREDIT, DEBIT, operations
from tests.support.acteurs import TESTEUR
from tests.support.lives import Lives
from tests.support.siege import Siege, personne
from tests.support.till import Till
from tests.support.world import Carte, World, place

TRANSFERER, CORRIGER = "transfererSoldeSpecial", "corrigerSoldeOuverture"


@pytest.fixture
def siege(shared_database: Database) -> Siege:
    return Siege(shared_database)


@pytest.fixture
def world(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def lives(world: World) -> Lives:
    return Lives(world)


class Ways(NamedTuple):
    """A card out of service and one in service, of the same holder."""

    blocked: Carte
    other: Carte

    def asked(self, **more: Any) -> dict[str, Any]:
        """What a special transfer of all there is asks."""
        two = {"carteId": self.blocked.carte_id, "carteIdDestination": self.other.carte_id}
        return {**two, **more}


def two(lives: Lives, solde: int = 10_000, statut: str = OPPOSITION) -> Ways:
    blocked = lives.carte(statut, solde, motif="PERDUE")
    return Ways(blocked, lives.carte(ACTIVE, membre=blocked.membre))


def soldes(world: World, ways: Ways) -> tuple[int, int]:
    return world.solde(ways.blocked), world.solde(ways.other)


def code(act: Callable[[], Any]) -> str:
    """The statut of the demande, or the code of the refusal."""
    try:
        return str(act().statut)
    except Refusal as refused:
        return refused.code


@pytest.mark.parametrize("statut", [OPPOSITION, ANNULEE])
def test_without_an_amount_all_leaves_as_it_is_when_it_is_executed(
    world: World, lives: Lives, siege: Siege, statut: str
) -> None:
    first = lives.carte(ACTIVE, 10_000)
    till = Till(world, first)
    spent = till.move(DEBIT, first, 500)
    if statut == OPPOSITION:
        lives.opposed(first, "VOLEE")
    else:
        lives.done("annulerCarte", carteId=first.carte_id, motifAnnulation="VOLEE")
    ways = Ways(first, lives.carte(ACTIVE, 7, membre=first.membre))
    entered = siege.enter(TRANSFERER, **ways.asked())
    assert (entered.statut, entered.montant, entered.objet_id) == (SAISIE, 9_500, first.carte_id)
    assert soldes(world, ways) == (9_500, 7)
    till.reverse(spent)
    done = siege.agree(entered)
    assert (done.statut, soldes(world, ways)) == (EXECUTEE, (0, 10_007))
    with world.database.reading() as connection:
        (row,) = connection.execute(
            select(operations).where(operations.c.demande_id == entered.demande_id)
        ).all()
    assert done.resultat == {
        "carteId": first.carte_id,
        "numeroOperation": row.numero_operation,
    }
    assert (row.type, row.montant, row.carte_id, row.carte_destination_id) == (
        *("TRANSFERT_SPECIAL", 10_000, first.id, ways.other.id),
    )
    assert (row.partenaire_id, row.reference, row.motif) == (None, None, "motif")
    world.check_books(*ways)
    assert siege.do(TRANSFERER, **ways.asked()) == "4001", "nothing is left"


def test_a_part_of_it_leaves_the_rest(world: World, lives: Lives, siege: Siege) -> None:
    ways = two(lives)
    assert siege.do(TRANSFERER, **ways.asked(montant=4_000)) == EXECUTEE
    assert soldes(world, ways) == (6_000, 4_000)
    assert siege.do(TRANSFERER, **ways.asked(montant=6_001)) == "4001"
    assert soldes(world, ways) == (6_000, 4_000)
    world.check_books(*ways)


def _to_itself(_lives: Lives, ways: Ways) -> Ways:
    return Ways(ways.blocked, ways.blocked)


def _to_nobody(_lives: Lives, ways: Ways) -> Ways:
    return Ways(ways.blocked, Carte(0, "", ways.other.membre, "0" * 26))


def _from_service(lives: Lives, ways: Ways) -> Ways:
    return Ways(lives.carte(ACTIVE, 100, membre=ways.blocked.membre), ways.other)


def _from_new(lives: Lives, ways: Ways) -> Ways:
    return Ways(lives.carte(EMISE, membre=ways.blocked.membre), ways.other)


def _to(statut: str, **more: Any) -> Callable[[Lives, Ways], Ways]:
    return lambda lives, ways: Ways(
        ways.blocked, lives.carte(statut, membre=ways.blocked.membre, **more)
    )


def _to_stranger(lives: Lives, ways: Ways) -> Ways:
    return Ways(ways.blocked, lives.carte(ACTIVE))


def _to_suspended(lives: Lives, ways: Ways) -> Ways:
    stranger = lives.carte(ACTIVE)
    client_id = stranger.membre.client_id
    with lives.world.writing() as connection:
        place(connection, f"R-{client_id}", client_id, ways.blocked.membre.client_id)
    lives.done("changerStatutClient", clientId=client_id, statut="SUSPENDU")
    return Ways(ways.blocked, stranger)


REFUSED: dict[str, tuple[str, Callable[[Lives, Ways], Ways]]] = {
    "to itself": ("405", _to_itself),
    "to no card": ("6007", _to_nobody),
    "from a card in service": ("4014", _from_service),
    "from a card that is new": ("4014", _from_new),
    "to a card that is new": ("3004", _to(EMISE)),
    "to a blocked card": ("3002", _to(OPPOSITION)),
    "to a cancelled card": ("3003", _to(ANNULEE)),
    "to an expired card": ("3001", _to(ACTIVE, fin_validite=today() - timedelta(days=1))),
    "to another client's card": ("4004", _to_stranger),
    "to a suspended client's card": ("3005", _to_suspended),
    "to a card that is full": ("4003", _to(ACTIVE, solde=SOLDE_MAXIMAL)),
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_is_refused_changes_nothing(
    world: World, lives: Lives, siege: Siege, why: str
) -> None:
    expected, bend = REFUSED[why]
    ways = bend(lives, two(lives))
    before = [world.solde(one) for one in ways if one.id]
    assert siege.do(TRANSFERER, **ways.asked()) == expected
    assert [world.solde(one) for one in ways if one.id] == before
    world.check_books(*(one for one in ways if one.id))


def test_clients_of_one_reseau_may_give_each_other_what_is_left(
    world: World, lives: Lives, siege: Siege
) -> None:
    ways = two(lives)
    stranger = Ways(ways.blocked, lives.carte(ACTIVE))
    clients = [one.membre.client_id for one in stranger]
    with world.writing() as connection:
        place(connection, f"R-{clients[0]}", *clients)
    assert siege.do(TRANSFERER, **stranger.asked()) == EXECUTEE
    assert soldes(world, stranger) == (0, 10_000)
    of_one = siege.agent("SAISIE", clients[:1])
    hidden = code(lambda: siege.enter(TRANSFERER, by=of_one, **stranger.asked()))
    assert hidden == "6007", "who does not see the client that receives finds no card"


def test_what_is_judged_when_it_is_entered_is_judged_again_at_the_last_validation(
    world: World, lives: Lives, siege: Siege
) -> None:
    ways = two(lives)
    entered = siege.enter(TRANSFERER, **ways.asked())
    lives.opposed(ways.other, "PERDUE")
    assert code(lambda: siege.agree(entered)) == "3002"
    assert soldes(world, ways) == (10_000, 0)
    lives.done("leverOpposition", carteId=ways.other.carte_id)
    assert siege.agree(entered).statut == EXECUTEE


def test_a_million_takes_two_more_persons_even_where_it_grew_to_that(
    world: World, lives: Lives, siege: Siege
) -> None:
    large = two(lives, 1_000_000)
    entered = siege.enter(TRANSFERER, **large.asked())
    assert entered.validations_requises == 2
    assert siege.agree(entered).statut == SAISIE
    third = personne(siege.agent("VALIDATION"))
    with world.database.transaction() as connection:
        done = valider(connection, third, entered.demande_id, empreinte=entered.empreinte)
    assert (done.statut, soldes(world, large)) == (EXECUTEE, (0, 1_000_000))

    first = lives.carte(ACTIVE, 1_000_000)
    till = Till(world, first)
    spent = till.move(DEBIT, first, 1)
    lives.opposed(first, "VOLEE")
    grown = Ways(first, lives.carte(ACTIVE, membre=first.membre))
    entered = siege.enter(TRANSFERER, **grown.asked())
    assert entered.validations_requises == 1
    till.reverse(spent)
    assert code(lambda: siege.agree(entered)) == "6006"
    assert soldes(world, grown) == (1_000_000, 0)


def test_one_special_transfer_waits_for_a_card_at_a_time(lives: Lives, siege: Siege) -> None:
    ways = two(lives)
    siege.enter(TRANSFERER, **ways.asked())
    assert code(lambda: siege.enter(TRANSFERER, **ways.asked(montant=1))) == "6012"


# ── the opening ──────────────────────────────────────────────────────────────────────────────────
def test_an_opening_is_corrected_by_the_difference_each_time(
    world: World, lives: Lives, siege: Siege
) -> None:
    carte = lives.carte(ACTIVE, 10_000)
    Till(world, carte).move(DEBIT, carte, 3_000)
    for right, left in ((4_000, 1_000), (50_000, 47_000), (10_000, 7_000)):
        assert siege.do(CORRIGER, carteId=carte.carte_id, soldeOuverture=right) == EXECUTEE
        assert world.solde(carte) == left
    assert world.journal(carte) == [
        ("OUVERTURE", 10_000),
        ("DEBIT", 3_000),
        ("CORRECTION_OUVERTURE", 6_000),
        ("CORRECTION_OUVERTURE", 46_000),
        ("CORRECTION_OUVERTURE", 40_000),
    ]
    world.check_books(carte)


@pytest.mark.parametrize(
    ("statut", "opened", "right", "expected"),
    [
        (ACTIVE, 0, 100, "6009"),
        (EMISE, 0, 100, "6009"),
        (OPPOSITION, 10_000, 100, "6009"),
        (ANNULEE, 10_000, 100, "6009"),
        (ACTIVE, 10_000, 10_000, "6009"),
        (ACTIVE, 10_000, 2_999, "4001"),
        (ACTIVE, 10_000, 3_000, EXECUTEE),
    ],
)
def test_an_opening_that_cannot_be_corrected_stays(
    world: World, lives: Lives, siege: Siege, statut: str, opened: int, right: int, expected: str
) -> None:
    carte = lives.carte(statut, opened)
    if statut == ACTIVE and opened:
        Till(world, carte).move(DEBIT, carte, 3_000)
    before = world.journal(carte)
    assert siege.do(CORRIGER, carteId=carte.carte_id, soldeOuverture=right) == expected
    assert (world.journal(carte) == before) == (expected != EXECUTEE)
    world.check_books(carte)


def test_a_correction_fills_no_card_above_the_most_it_may_hold(
    world: World, lives: Lives, siege: Siege
) -> None:
    carte = lives.carte(ACTIVE, SOLDE_MAXIMAL - 10)
    Till(world, carte).move(CREDIT, carte, 10)
    asked = {"carteId": carte.carte_id, "soldeOuverture": SOLDE_MAXIMAL}
    assert siege.do(CORRIGER, **asked) == "4003"
    assert world.solde(carte) == SOLDE_MAXIMAL


# ── at once ──────────────────────────────────────────────────────────────────────────────────────
def at_once(*acts: Callable[[], Any]) -> list[str]:
    """What each is told, all begun together."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result() for one in [pool.submit(code, act) for act in acts]]


def test_a_special_transfer_and_reversals_at_once_keep_every_franc(
    world: World, lives: Lives, siege: Siege
) -> None:
    """A reversed debit comes back before it, and goes along, or after it, and stays."""
    first = lives.carte(ACTIVE, 10_000)
    till = Till(world, first)
    spent = [till.move(DEBIT, first, 100) for _ in range(3)]
    lives.opposed(first, "VOLEE")
    ways = Ways(first, lives.carte(ACTIVE, membre=first.membre))
    entered = siege.enter(TRANSFERER, **ways.asked())
    acts = [lambda one=one: till.reverse(one) for one in spent]
    answers = at_once(*acts, lambda: siege.agree(entered))
    assert answers == [EXECUTEE] * 4
    left, moved = soldes(world, ways)
    assert (left + moved, left % 100, left <= 300) == (10_000, 0, True)
    world.check_books(*ways)


def test_two_special_transfers_across_each_other_both_end(
    world: World, lives: Lives, siege: Siege
) -> None:
    """Each of two cards is out of service when the other one's is entered; neither waits for ever."""
    a = lives.carte(OPPOSITION, 100, motif="PERDUE")
    b = lives.carte(ACTIVE, 100, membre=a.membre)
    there = siege.enter(TRANSFERER, **Ways(a, b).asked())
    lives.opposed(b, "PERDUE")
    lives.done("leverOpposition", carteId=a.carte_id)
    back = siege.enter(TRANSFERER, **Ways(b, a).asked())
    assert sorted(at_once(lambda: siege.agree(there), lambda: siege.agree(back))) == [
        *("6006", EXECUTEE),
    ]
    assert soldes(world, Ways(a, b)) == (200, 0)


def test_who_has_a_shell_needs_nobody_else_and_the_demande_says_what_moved(
    world: World, lives: Lives
) -> None:
    ways = two(lives, 250)
    done: Demande = lives.done(TRANSFERER, **ways.asked())
    assert (done.statut, done.montant, done.unite) == (EXECUTEE, 250, "FCFA")
    assert (done.saisie_par_type, soldes(world, ways)) == (TESTEUR.type, (0, 250))
