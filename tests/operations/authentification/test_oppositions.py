"""opposerMaCarte and leverMonOpposition: a card that its partner blocks, and lets go again."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import select

import models.mouvement
from models.carte import ACTIVE, ANNULEE, OPPOSITION, cartes
from models.partenaire import partenaires
from tests.support.contract_client import envelope_of
from tests.support.scene import Scene, assert_refused, refusal
from tests.support.steps import (
    all_at_once,
    copies,
    credit,
    debit,
    holding,
    item,
    new_reference,
    transfer,
)
from tests.support.world import Carte

TEMPORARY = "BLOCAGE_TEMPORAIRE"


def block(api: httpx.Client, carte: Carte, motif: str = TEMPORARY, **more: Any) -> httpx.Response:
    """Block a card, under a new reference unless told."""
    body = {**carte.query, "motifOpposition": motif, "reference": new_reference(), **more}
    return api.post("/opposer-carte", json=body)


def lift(api: httpx.Client, carte: Carte, **more: Any) -> httpx.Response:
    """Lift the block of a card, under a new reference unless told."""
    body = {**carte.query, "reference": new_reference(), **more}
    return api.post("/lever-opposition", json=body)


def state(scene: Scene, carte: Carte) -> tuple[Any, ...]:
    """What the card's row says of its state, and its version of the journal, which is 1 from its opening."""
    columns = (
        *(cartes.c.statut, cartes.c.motif_statut, cartes.c.statut_avant_opposition),
        *(cartes.c.etat_version, cartes.c.version),
    )
    with scene.world.database.reading() as connection:
        found = connection.execute(
            select(*columns, partenaires.c.consumer_key)
            .outerjoin(partenaires, partenaires.c.id == cartes.c.oppose_par)
            .where(cartes.c.id == carte.id)
        ).one()
    return tuple(found)


@pytest.mark.parametrize("motif", [TEMPORARY, "PERDUE", "VOLEE"])
def test_blocked_card_moves_no_money_and_keeps_its_solde(scene: Scene, motif: str) -> None:
    carte, reference = scene.carte, new_reference()
    answer = block(scene.api, carte, motif, reference=reference)
    assert answer.json()["message"] == f"Carte OPPOSITION : {motif}"
    assert item(answer) == {
        "reference": reference,
        "numeroCarte": carte.numero,
        "statut": OPPOSITION,
        "motifOpposition": motif,
        "dateOpposition": item(answer)["dateOpposition"],
    }
    key = scene.pair.consumer_key
    assert state(scene, carte) == (OPPOSITION, motif, ACTIVE, 2, 1, key)
    for refused in (
        debit(scene.api, carte, 1, new_reference()),
        credit(scene.api, carte, 1, new_reference()),
        transfer(scene.api, carte, scene.autre, 1, new_reference()),
    ):
        assert_refused(refused, "3002")
    assert scene.api.get("/get-solde-carte", params=carte.query).status_code == 200
    assert scene.world.solde(carte) == 10_000


def test_lifted_card_is_what_it_was(scene: Scene) -> None:
    carte, reference = scene.carte, new_reference()
    item(block(scene.api, carte))
    answer = lift(scene.api, carte, reference=reference)
    assert answer.json()["message"] == "Opposition levée, carte ACTIVE"
    assert item(answer) == {
        "reference": reference,
        "numeroCarte": carte.numero,
        "statut": ACTIVE,
        "dateLevee": item(answer)["dateLevee"],
    }
    assert state(scene, carte) == (ACTIVE, None, None, 3, 1, None)
    item(debit(scene.api, carte, 1, new_reference()))


def test_repeat_gives_the_first_answer_whatever_the_card_has_become(scene: Scene) -> None:
    carte, first, second = scene.carte, new_reference(), new_reference()
    blocked = block(scene.api, carte, reference=first)
    lifted = lift(scene.api, carte, reference=second)
    for again, answer in (
        (block(scene.api, carte, reference=first), blocked),
        (lift(scene.api, carte, reference=second), lifted),
    ):
        assert again.content == answer.content
        assert again.headers["Idempotent-Replayed"] == "true"
        assert "Idempotent-Replayed" not in answer.headers
    assert state(scene, carte)[0] == ACTIVE
    assert_refused(block(scene.api, carte, "VOLEE", reference=first), "4002")
    assert_refused(lift(scene.api, carte, reference=first), "4002")


def test_card_of_nobody_is_unknown(scene: Scene) -> None:
    theirs = Scene(scene.world).carte
    for carte in (theirs, Carte(0, "7019999999999999", scene.carte.membre)):
        assert_refused(block(scene.api, carte), "412")
        assert_refused(lift(scene.api, carte), "412")
    assert state(scene, theirs)[0] == ACTIVE


def test_card_that_cannot_be_blocked_says_from_which_state(scene: Scene) -> None:
    item(block(scene.api, scene.carte))
    answer = block(scene.api, scene.carte, "VOLEE")
    more = {"moreInfo": "de=OPPOSITION;vers=OPPOSITION"}
    assert (answer.status_code, envelope_of(answer)) == (400, {**refusal("3006"), **more})
    assert state(scene, scene.carte)[1] == TEMPORARY
    cancelled = scene.world.carte(membre=scene.carte.membre, statut=ANNULEE)
    assert_refused(block(scene.api, cancelled), "3003")
    expired = scene.world.carte(membre=scene.carte.membre, fin_validite=date(2020, 1, 31))
    item(block(scene.api, expired))


def test_only_a_block_for_a_time_of_this_partner_is_lifted(scene: Scene) -> None:
    membre = scene.carte.membre
    other = scene.world.api(scene.carte)
    definitive, theirs = (scene.world.carte(membre=membre) for _ in range(2))
    item(block(scene.api, definitive, "PERDUE"))
    item(block(other, theirs))
    of_cynod = scene.world.carte(membre=membre, statut=OPPOSITION)
    cancelled = scene.world.carte(membre=membre, statut=ANNULEE)
    for carte in (definitive, theirs, of_cynod, cancelled, scene.carte):
        before = state(scene, carte)
        assert_refused(lift(scene.api, carte), "3007")
        assert state(scene, carte) == before
    item(lift(other, theirs))


# ── at once ──────────────────────────────────────────────────────────────────────────────────────
def test_of_blocks_at_once_one_is_placed_and_of_lifts_one_lifts(
    scene: Scene, second_url: str
) -> None:
    apis = [*copies(scene, 3), *copies(scene, 3, second_url)]
    blocks = all_at_once([partial(block, api, scene.carte) for api in apis])
    assert Counter(one.json()["code"] for one in blocks) == {200: 1, "3006": 5}
    lifts = all_at_once([partial(lift, api, scene.carte) for api in apis])
    assert Counter(one.json()["code"] for one in lifts) == {200: 1, "3007": 5}
    assert state(scene, scene.carte) == (ACTIVE, None, None, 3, 1, None)


def test_debits_against_a_block_are_done_before_it_or_refused(
    scene: Scene, second_url: str
) -> None:
    apis = [*copies(scene, 4), *copies(scene, 4, second_url)]
    calls = [partial(debit, api, scene.carte, 1, new_reference()) for api in apis]
    calls.insert(4, partial(block, scene.api, scene.carte))
    answers = all_at_once(calls)
    seen = Counter(one.json()["code"] for one in answers)
    assert seen[200] + seen["3002"] == len(calls)
    assert scene.world.solde(scene.carte) == 10_000 - (seen[200] - 1)
    assert_refused(debit(scene.api, scene.carte, 1, new_reference()), "3002")
    scene.world.check_books(scene.carte)


def test_debit_that_is_held_while_its_card_is_blocked_is_refused(scene: Scene) -> None:
    if scene.world.database.dialect == "sqlite":
        # It runs alone there: the block comes after it.
        return
    with ThreadPoolExecutor(1) as pool, holding(models.mouvement, "claim") as held:
        running = pool.submit(debit, scene.api, scene.carte, 1, new_reference())
        held.wait()
        item(block(scene.api, scene.carte))
        held.release()
        assert_refused(running.result(20), "3002")
    assert scene.world.solde(scene.carte) == 10_000
