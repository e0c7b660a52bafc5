"""A client that is suspended: its cards move nothing and are not valid, from the next call on (3005).

One that is closed keeps no money, and gets none back.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

import httpx
import pytest
from sqlalchemy import select

from models.carte import ANNULEE, OPPOSITION, cartes
from models.client import ACTIF, CLOS, SUSPENDU
from models.demande import EXECUTEE
from tests.support.contract_client import ContractClient
from tests.support.scene import Scene, assert_refused
from tests.support.siege import Siege
from tests.support.steps import (
    REPLAYED,
    credit,
    debit,
    look_up,
    new_reference,
    reverse,
    transfer,
    wait_for_locks,
)
from tests.support.world import Carte, new_number, place


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner and a card of 10,000 francs, of the test's own."""
    return own_scene


@pytest.fixture
def siege(scene: Scene) -> Siege:
    return Siege(scene.world.database)


def change(siege: Siege, scene: Scene, statut: str) -> None:
    """Bring the scene's client into this statut."""
    client_id = scene.carte.membre.client_id
    assert siege.do("changerStatutClient", clientId=client_id, statut=statut) == EXECUTEE


REFUSED: dict[str, Callable[[Scene], httpx.Response]] = {
    "credit": lambda scene: credit(scene.api, scene.carte, 5, new_reference()),
    "debit": lambda scene: debit(scene.api, scene.carte, 5, new_reference()),
    "debit of too much": lambda scene: debit(scene.api, scene.carte, 99_999, new_reference()),
    "validity": lambda scene: scene.call("checkCardValidity").send(scene.api),
    "validity by member": lambda scene: scene.call("checkCardValidityByMember").send(scene.api),
}


@pytest.mark.parametrize("what", REFUSED)
def test_cards_of_a_suspended_client_are_refused(scene: Scene, siege: Siege, what: str) -> None:
    before = scene.world.solde(scene.carte)
    change(siege, scene, SUSPENDU)
    assert_refused(REFUSED[what](scene), "3005")
    scene.world.change_carte(scene.carte, statut=OPPOSITION)
    assert_refused(REFUSED[what](scene), "3005")
    assert scene.world.solde(scene.carte) == before
    scene.world.check_books(scene.carte)


@pytest.mark.parametrize("to_it", [False, True], ids=["from it", "to it"])
def test_nothing_is_transferred_from_or_to_a_suspended_client(
    scene: Scene, siege: Siege, *, to_it: bool
) -> None:
    other = scene.world.carte(500)
    api = scene.world.api(scene.carte, other)
    with scene.world.database.transaction() as connection:
        place(
            connection,
            f"RES-{new_number()}",
            scene.carte.membre.client_id,
            other.membre.client_id,
        )
    pair = (other, scene.carte) if to_it else (scene.carte, other)
    change(siege, scene, SUSPENDU)
    assert_refused(transfer(api, *pair, 100, new_reference()), "3005")
    change(siege, scene, ACTIF)
    assert transfer(api, *pair, 100, new_reference()).status_code == 200
    scene.world.check_books(*pair)


def test_what_was_done_before_stays_readable_replayable_and_reversible(
    scene: Scene, siege: Siege
) -> None:
    reference = new_reference()
    first = debit(scene.api, scene.carte, 1_000, reference)
    change(siege, scene, SUSPENDU)
    again = debit(scene.api, scene.carte, 1_000, reference)
    assert (again.json(), again.headers[REPLAYED]) == (first.json(), "true")
    for operation in ("getSoldeCarte", "getListeCartes", "getHistoriqueCarte"):
        assert scene.call(operation).send(scene.api).status_code == 200
    assert look_up(scene.api, reference=reference).status_code == 200
    assert reverse(scene.api, reference, new_reference()).status_code == 200
    scene.world.check_books(scene.carte)


def test_cards_of_a_client_that_is_active_again_are_as_before(scene: Scene, siege: Siege) -> None:
    change(siege, scene, SUSPENDU)
    change(siege, scene, ACTIF)
    assert debit(scene.api, scene.carte, 1_000, new_reference()).status_code == 200


@pytest.mark.only_on("postgresql")
def test_suspension_waits_for_a_debit_that_waits_for_its_card(scene: Scene, siege: Siege) -> None:
    """Whoever is told that a client is suspended sees no movement of it later: what had begun has ended."""
    world, client_id = scene.world, scene.carte.membre.client_id
    with ThreadPoolExecutor(2) as pool:
        with world.database.transaction() as holder:
            of_card = select(cartes.c.id).where(cartes.c.id == scene.carte.id)
            holder.execute(of_card.with_for_update())
            waiting = pool.submit(debit, scene.api, scene.carte, 1_000, new_reference())
            wait_for_locks(world.database)
            suspension = pool.submit(
                siege.do, "changerStatutClient", clientId=client_id, statut=SUSPENDU
            )
            wait_for_locks(world.database, 2)
            assert not suspension.done()
        assert waiting.result().status_code == 200
        assert suspension.result() == EXECUTEE
    assert_refused(debit(scene.api, scene.carte, 1_000, new_reference()), "3005")
    assert world.journal(scene.carte)[1:] == [("DEBIT", 1_000)]


class Spent(NamedTuple):
    """The only card of a client, cancelled and empty, and the debit that emptied it."""

    carte: Carte
    api: ContractClient
    reference: str


@pytest.fixture
def spent(scene: Scene) -> Spent:
    carte, reference = scene.world.carte(1_000), new_reference()
    api = scene.world.api(carte)
    assert debit(api, carte, 1_000, reference).status_code == 200
    scene.world.change_carte(carte, statut=ANNULEE)
    return Spent(carte, api, reference)


def test_reversal_is_too_late_once_the_client_is_closed(
    scene: Scene, siege: Siege, spent: Spent
) -> None:
    client_id = spent.carte.membre.client_id
    assert siege.do("changerStatutClient", clientId=client_id, statut=CLOS) == EXECUTEE
    assert_refused(reverse(spent.api, spent.reference, new_reference()), "4009")
    assert scene.world.solde(spent.carte) == 0
    scene.world.check_books(spent.carte)


@pytest.mark.only_on("postgresql")
def test_closing_waits_for_a_reversal_and_is_refused_for_its_money(
    scene: Scene, siege: Siege, spent: Spent
) -> None:
    world, client_id = scene.world, spent.carte.membre.client_id
    with ThreadPoolExecutor(2) as pool:
        with world.database.transaction() as holder:
            of_card = select(cartes.c.id).where(cartes.c.id == spent.carte.id)
            holder.execute(of_card.with_for_update())
            waiting = pool.submit(reverse, spent.api, spent.reference, new_reference())
            wait_for_locks(world.database)
            closing = pool.submit(siege.do, "changerStatutClient", clientId=client_id, statut=CLOS)
            wait_for_locks(world.database, 2)
            assert not closing.done()
        assert waiting.result().status_code == 200
        assert closing.result() == "6010"
    assert world.solde(spent.carte) == 1_000
