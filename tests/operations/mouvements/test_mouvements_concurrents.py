"""Money under simultaneous calls: nothing is lost, nothing is doubled, nothing goes below zero."""

from __future__ import annotations

from collections import Counter
from functools import partial

import httpx
import pytest

from tests.support.scene import Scene, assert_refused
from tests.support.steps import all_at_once
from tests.support.world import new_number

CALLERS = 20


def callers(scene: Scene, second_url: str, servers: int) -> list[httpx.Client]:
    """Twenty clients of the scene's partner, in turn on one or two servers of one database."""
    urls = [scene.world.url, second_url][:servers]
    made: list[httpx.Client] = []
    for number in range(CALLERS):
        client = scene.world.anonymous(urls[number % servers])
        client.headers.update(scene.api.headers)
        made.append(client)
    return made


SERVERS = pytest.mark.parametrize("servers", [1, 2], ids=["one server", "two servers"])


@SERVERS
def test_debits_at_once_spend_exactly_what_the_card_holds(
    scene: Scene, second_url: str, servers: int
) -> None:
    answers = all_at_once(
        [
            partial(scene.call("debitCarte").send, client)
            for client in callers(scene, second_url, servers)
        ]
    )
    done = [answer for answer in answers if answer.status_code == 200]
    assert len(done) == 10
    for answer in answers:
        if answer not in done:
            assert_refused(answer, "4001")
    soldes = [answer.json()["data"][0]["soldeOnline"] for answer in done]
    assert sorted(soldes) == [1000.0 * number for number in range(10)]
    assert scene.world.solde(scene.carte) == 0
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000)] + [("DEBIT", 1_000)] * 10
    scene.world.check_books(scene.carte)


@SERVERS
@pytest.mark.parametrize("solde", [1_000, 10_000], ids=["just enough", "more than enough"])
@pytest.mark.parametrize("operation", ["creditCarte", "debitCarte"])
def test_copies_at_once_move_the_money_once_and_all_succeed(
    scene: Scene, second_url: str, servers: int, solde: int, operation: str
) -> None:
    scene.carte = scene.world.carte(solde, membre=scene.carte.membre)
    call = scene.call(operation)
    answers = all_at_once(
        [partial(call.send, client) for client in callers(scene, second_url, servers)]
    )
    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert len({answer.content for answer in answers}) == 1
    marks = Counter(answer.headers.get("Idempotent-Replayed") for answer in answers)
    assert marks == {None: 1, "true": CALLERS - 1}
    moved = 1_000 if operation == "creditCarte" else -1_000
    assert scene.world.solde(scene.carte) == solde + moved
    assert len(scene.world.journal(scene.carte)) == 2
    scene.world.check_books(scene.carte)


@SERVERS
def test_reference_fought_over_by_different_contents_is_won_once(
    scene: Scene, second_url: str, servers: int
) -> None:
    call = scene.call("debitCarte")
    answers = all_at_once(
        [
            partial(call.with_values(montant=100 + number).send, client)
            for number, client in enumerate(callers(scene, second_url, servers))
        ]
    )
    done = [answer for answer in answers if answer.status_code == 200]
    assert len(done) == 1
    for answer in answers:
        if answer not in done:
            assert_refused(answer, "4002")
    assert scene.world.solde(scene.carte) == 10_000 - done[0].json()["data"][0]["montant"]
    scene.world.check_books(scene.carte)


@SERVERS
def test_credits_and_debits_at_once_lose_nothing(
    scene: Scene, second_url: str, servers: int
) -> None:
    world = scene.world
    first, second = scene.carte, world.carte(10_000, membre=scene.carte.membre)
    jobs = []
    expected = {first.id: 10_000, second.id: 10_000}
    for number, client in enumerate(callers(scene, second_url, servers)):
        carte = (first, second)[number // 2 % 2]
        operation, sign = (("creditCarte", 1), ("debitCarte", -1))[number % 2]
        montant = 100 + number
        expected[carte.id] += sign * montant
        call = scene.call(operation).with_values(
            numeroCarte=carte.numero, montant=montant, reference=f"M-{new_number()}"
        )
        jobs.append(partial(call.send, client))
    answers = all_at_once(jobs)
    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert not any("Idempotent-Replayed" in answer.headers for answer in answers)
    assert {carte.id: world.solde(carte) for carte in (first, second)} == expected
    world.check_books(first, second)


def test_two_partners_at_once_on_one_card_lose_nothing(scene: Scene) -> None:
    other = scene.world.api(scene.carte)
    call = scene.call("debitCarte")
    answers = all_at_once(
        [
            partial(call.with_values(reference=f"P-{number}", montant=500).send, client)
            for number in range(10)
            for client in (scene.api, other)
        ]
    )
    assert [answer.status_code for answer in answers] == [200] * CALLERS
    assert scene.world.solde(scene.carte) == 0
    scene.world.check_books(scene.carte)
