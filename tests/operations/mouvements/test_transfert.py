"""transfererSolde: from a card to another, both or none, without a deadlock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy import text

from models.base import SOLDE_MAXIMAL, today
from models.carte import ANNULEE, OPPOSITION
from tests.support.contract_client import ContractClient, Json
from tests.support.scene import Scene, assert_refused
from tests.support.steps import (
    CALLERS,
    REPLAYED,
    all_at_once,
    ask,
    assert_replayed,
    copies,
    debit,
    item,
    new_reference,
    operation_item,
    row_of,
    success,
    transfer,
)
from tests.support.world import Carte, World, place


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner and two cards of the test's own."""
    return own_scene


def set_reseau(world: World, reseau: str | None, *owned: Carte) -> None:
    """Put the clients of these cards into a réseau, or into none."""
    with world.database.transaction() as connection:
        place(connection, reseau, *(carte.membre.client_id for carte in owned))


# ── success ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("fr", "4000 FCFA ont été transférés, votre nouveau solde est de 6000 FCFA"),
        ("en", "4000 FCFA were transferred, your new balance is 6000 FCFA"),
    ],
)
def test_transfer_moves_the_amount_from_one_card_to_the_other(
    scene: Scene, language: str, message: str
) -> None:
    world, carte, autre, reference = scene.world, scene.carte, scene.autre, new_reference()
    scene.api.headers["Accept-Language"] = language
    body = carte.transfert(autre, 4_000, reference, motif="Voyage")
    answer = ask(scene.api, "transfererSolde", body)
    expected = operation_item(
        world, reference, carte, 4_000, 6_000, numeroCarteDestination=autre.numero, motif="Voyage"
    )
    assert (answer.status_code, answer.json()) == (200, success(message, expected))
    assert expected["type"] == "TRANSFERT"
    assert REPLAYED not in answer.headers
    assert (world.solde(carte), world.solde(autre)) == (6_000, 5_000)
    world.check_books(carte, autre)


def test_transfer_is_one_ecriture_between_the_two_cards(scene: Scene) -> None:
    reference = new_reference()
    transfer(scene.api, scene.carte, scene.autre, 4_000, reference)
    row = row_of(scene.world, reference)
    with scene.world.database.reading() as connection:
        found = connection.execute(
            text(
                "SELECT d.id, c.id, e.montant, e.solde_debit, e.solde_credit FROM ecritures e"
                " JOIN cartes d ON d.compte_id = e.compte_debit"
                " JOIN cartes c ON c.compte_id = e.compte_credit"
                f" WHERE e.operation_id = {row.id}"
            )
        ).all()
    assert [tuple(each) for each in found] == [
        (scene.carte.id, scene.autre.id, 4_000, 6_000, 5_000)
    ]


@pytest.mark.parametrize("order", [1, -1], ids=["to a newer card", "to an older card"])
def test_transfer_of_the_whole_solde_leaves_zero(world: World, order: int) -> None:
    membre = world.membre()
    source, destination = [world.carte(5_000, membre=membre) for _ in range(2)][::order]
    item(transfer(world.api(source), source, destination, 5_000, new_reference()))
    assert (world.solde(source), world.solde(destination)) == (0, 10_000)
    world.check_books(source, destination)


@pytest.mark.parametrize(
    "change",
    [
        {"walletIdDestination": "770000001"},
        {"walletId": "770000001"},
        {"clientIdDestination": "CLI-INCONNU"},
        {"numeroCarteDestination": "7000000000000000"},
    ],
)
def test_transfer_needs_both_cards_to_be_designated(scene: Scene, change: Json) -> None:
    reference = new_reference()
    body = scene.carte.transfert(scene.autre, 1_000, reference)
    assert_refused(ask(scene.api, "transfererSolde", {**body, **change}), "412")
    assert REPLAYED not in ask(scene.api, "transfererSolde", body).headers


def test_card_of_a_client_that_is_not_the_partner_s_is_unknown(scene: Scene) -> None:
    foreign = scene.world.carte(1_000)
    set_reseau(scene.world, "RESEAU-1", scene.carte, foreign)
    assert_refused(transfer(scene.api, scene.carte, foreign, 1, new_reference()), "412")
    assert_refused(transfer(scene.api, foreign, scene.carte, 1, new_reference()), "412")


# ── réseau ───────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def far(world: World) -> Iterator[tuple[ContractClient, Carte, Carte]]:
    """A partner of two clients, and a card of each."""
    first, second = world.carte(10_000), world.carte(1_000)
    yield world.api(first, second), first, second
    world.check_books(first, second)


def test_transfer_within_a_reseau_is_done(
    world: World, far: tuple[ContractClient, Carte, Carte]
) -> None:
    api, first, second = far
    set_reseau(world, f"RES-{first.numero}", first, second)
    item(transfer(api, first, second, 4_000, new_reference()))
    item(transfer(api, second, first, 1_000, new_reference()))
    assert (world.solde(first), world.solde(second)) == (7_000, 4_000)


@pytest.mark.parametrize(
    ("one", "other"), [(None, None), ("RES-A", "RES-B"), ("RES-A", None), (None, "RES-A")]
)
def test_transfer_out_of_the_reseau_is_refused(
    world: World, far: tuple[ContractClient, Carte, Carte], one: str | None, other: str | None
) -> None:
    api, first, second = far
    set_reseau(world, one, first)
    set_reseau(world, other, second)
    reference = new_reference()
    for language in ("fr", "en"):
        api.headers["Accept-Language"] = language
        answer = transfer(api, first, second, 1_000, reference)
        assert_refused(answer, "4004", language=language)
    assert (world.solde(first), world.solde(second)) == (10_000, 1_000)
    set_reseau(world, "RES-C", first, second)
    assert REPLAYED not in transfer(api, first, second, 1_000, reference).headers


def test_transfer_between_members_of_one_client_needs_no_reseau(scene: Scene) -> None:
    assert scene.carte.membre.membre_id != scene.autre.membre.membre_id
    item(transfer(scene.api, scene.carte, scene.autre, 1_000, new_reference()))


# ── refusal ──────────────────────────────────────────────────────────────────────────────────────
def assert_nothing_moved(scene: Scene) -> None:
    """Assert that both cards are as they were."""
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (10_000, 1_000)
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000)]
    scene.world.check_books(scene.carte, scene.autre)


def test_transfer_to_the_same_card_is_refused(scene: Scene) -> None:
    answer = transfer(scene.api, scene.carte, scene.carte, 1_000, new_reference())
    assert_refused(answer, "405", parametre="numeroCarteDestination")
    assert_nothing_moved(scene)


def test_transfer_above_the_solde_is_refused_and_leaves_the_reference_free(scene: Scene) -> None:
    reference = new_reference()
    assert_refused(transfer(scene.api, scene.carte, scene.autre, 10_001, reference), "4001")
    assert_nothing_moved(scene)
    assert REPLAYED not in transfer(scene.api, scene.carte, scene.autre, 1, reference).headers
    back = new_reference()
    assert_refused(transfer(scene.api, scene.autre, scene.carte, 1_002, back), "4001")


@pytest.mark.parametrize("order", [1, -1], ids=["to a newer card", "to an older card"])
def test_transfer_above_the_maximum_is_refused(world: World, order: int) -> None:
    membre = world.membre()
    cartes = [world.carte(solde, membre=membre) for solde in (10, SOLDE_MAXIMAL - 5)[::order]]
    source, destination = cartes[::order]
    api, reference = world.api(source), new_reference()
    assert_refused(transfer(api, source, destination, 6, reference), "4003")
    assert (world.solde(source), world.solde(destination)) == (10, SOLDE_MAXIMAL - 5)
    item(transfer(api, source, destination, 5, reference))
    world.check_books(source, destination)


@pytest.mark.parametrize("side", ["carte", "autre"])
@pytest.mark.parametrize("way", [1, -1], ids=["from", "to"])
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"statut": OPPOSITION}, "3002"),
        ({"statut": ANNULEE}, "3003"),
        ({"fin_validite": today() - timedelta(days=1)}, "3001"),
    ],
    ids=["opposition", "annulee", "expiree"],
)
def test_transfer_with_an_unusable_card_is_refused(
    scene: Scene, side: str, way: int, change: Json, code: str
) -> None:
    world, reference = scene.world, new_reference()
    world.change_carte(getattr(scene, side), **change)
    source, destination = (scene.carte, scene.autre)[::way]
    assert_refused(transfer(scene.api, source, destination, 1_000, reference), code)
    assert_nothing_moved(scene)
    world.change_carte(getattr(scene, side), statut="ACTIVE", fin_validite=today())
    assert REPLAYED not in transfer(scene.api, source, destination, 1_000, reference).headers


def test_transfer_needs_the_right_to_debit_and_to_credit(scene: Scene) -> None:
    client = scene.carte.membre.client_id
    for scopes in (["cartes:crediter"], ["cartes:debiter"], ["soldes:lire", "cartes:lire"]):
        api = scene.world.api(client, scopes=scopes)
        answer = transfer(api, scene.carte, scene.autre, 1_000, new_reference())
        assert_refused(answer, "2003")
    assert_nothing_moved(scene)
    api = scene.world.api(client, scopes=["cartes:crediter", "cartes:debiter"])
    item(transfer(api, scene.carte, scene.autre, 1_000, new_reference()))


# ── repetition ───────────────────────────────────────────────────────────────────────────────────
def test_repeated_transfer_is_answered_again_and_moves_nothing(scene: Scene) -> None:
    reference = new_reference()
    first = transfer(scene.api, scene.carte, scene.autre, 4_000, reference)
    debit(scene.api, scene.carte, 6_000, new_reference())
    scene.world.change_carte(scene.autre, statut=OPPOSITION)
    for _ in range(2):
        again = transfer(scene.api, scene.carte, scene.autre, 4_000, reference)
        assert_replayed(again, first)
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (0, 5_000)


def test_reference_with_another_content_is_refused(scene: Scene) -> None:
    third = scene.world.carte(100, membre=scene.carte.membre)
    reference = new_reference()
    transfer(scene.api, scene.carte, scene.autre, 4_000, reference)
    other = [
        scene.carte.transfert(scene.autre, 4_001, reference),
        scene.carte.transfert(third, 4_000, reference),
        third.transfert(scene.autre, 4_000, reference),
        scene.autre.transfert(scene.carte, 4_000, reference),
        scene.carte.transfert(scene.autre, 4_000, reference, motif="Voyage"),
    ]
    for body in other:
        assert_refused(ask(scene.api, "transfererSolde", body), "4002")
    assert_refused(debit(scene.api, scene.carte, 4_000, reference), "4002")
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (6_000, 5_000)


def test_reference_of_a_debit_does_not_transfer(scene: Scene) -> None:
    reference = new_reference()
    debit(scene.api, scene.carte, 1_000, reference)
    answer = transfer(scene.api, scene.carte, scene.autre, 1_000, reference)
    assert_refused(answer, "4002")
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (9_000, 1_000)


# ── races ────────────────────────────────────────────────────────────────────────────────────────
def test_transfers_across_each_other_never_deadlock(scene: Scene) -> None:
    world, one, other = scene.world, scene.carte, scene.autre
    first, second = copies(scene, 2)

    def send(api: ContractClient, source: Carte, destination: Carte) -> Counter[int]:
        return Counter(
            transfer(api, source, destination, 1, new_reference()).status_code for _ in range(100)
        )

    with ThreadPoolExecutor(2) as pool:
        there = pool.submit(send, first, one, other)
        back = pool.submit(send, second, other, one)
        assert (there.result(60), back.result(60)) == ({200: 100}, {200: 100})
    assert (world.solde(one), world.solde(other)) == (10_000, 1_000)
    world.check_books(one, other)


@pytest.mark.parametrize("servers", [1, 2], ids=["one server", "two servers"])
def test_transfers_at_once_preserve_the_sum(scene: Scene, second_url: str, servers: int) -> None:
    world = scene.world
    cartes = [scene.carte, scene.autre, world.carte(500, membre=scene.autre.membre)]
    urls = [world.url, second_url][:servers]
    soldes = {carte.id: world.solde(carte) for carte in cartes}
    jobs, pairs = [], []
    for number in range(CALLERS):
        source, destination = cartes[number % 3], cartes[(number + 1 + number % 2) % 3]
        (api,) = copies(scene, 1, urls[number % servers])
        pairs.append((source, destination))
        jobs.append(partial(transfer, api, source, destination, 300, new_reference()))
    for (source, destination), answer in zip(pairs, all_at_once(jobs), strict=True):
        if answer.status_code == 200:
            soldes[source.id] -= 300
            soldes[destination.id] += 300
        else:
            assert_refused(answer, "4001")
    assert {carte.id: world.solde(carte) for carte in cartes} == soldes
    assert sum(soldes.values()) == 11_500
    world.check_books(*cartes)


def test_copies_of_a_transfer_at_once_move_the_money_once_and_all_succeed(scene: Scene) -> None:
    reference = new_reference()
    calls = [
        partial(transfer, api, scene.carte, scene.autre, 10_000, reference) for api in copies(scene)
    ]
    answers = all_at_once(calls)
    assert {answer.content for answer in answers} == {answers[0].content}
    assert item(answers[0])["soldeOnline"] == 0
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (0, 11_000)
    scene.world.check_books(scene.carte, scene.autre)
