"""getOperation and cloturerReference: what became of a call, under calm, races and accidents."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import OperationalError

import handlers.mouvements
import models.annulation
import models.journal.reference
import models.mouvement
from handlers.edge.runner import ATTEMPTS
from models.database.engine import Database
from models.database.prepared import run_command
from models.database.waiting import aside
from models.journal.reference import is_running
from models.operation import operations
from models.partenaire import partenaires
from tests.support.scene import Scene, assert_refused
from tests.support.scenes import NewWorld
from tests.support.steps import (
    CALLERS,
    REPLAYED,
    all_at_once,
    ask,
    assert_replayed,
    close,
    copies,
    credit,
    debit,
    holding,
    item,
    look_up,
    new_reference,
    operation_item,
    reverse,
    row_of,
    success,
    transfer,
    wait_for_locks,
)


# ── getOperation ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("language", "message"), [("fr", "Opération exécutée"), ("en", "Operation executed")]
)
def test_executed_debit_is_told_by_reference_and_by_number(
    scene: Scene, language: str, message: str
) -> None:
    reference = new_reference()
    texts = {"motif": "Gazole", "pointDeService": "STATION-DKR-12", "terminal": "TPE-0042"}
    ask(scene.api, "debitCarte", scene.carte.mouvement(4_000, reference, **texts))
    told = operation_item(scene.world, reference, scene.carte, 4_000, 6_000, **texts)
    scene.api.headers["Accept-Language"] = language
    for answer in (
        look_up(scene.api, reference=reference),
        look_up(scene.api, numeroOperation=told["numeroOperation"]),
    ):
        assert (answer.status_code, answer.json()) == (200, success(message, told))
        assert REPLAYED not in answer.headers
    assert told["type"] == "DEBIT"


def test_later_operations_do_not_change_what_is_told(scene: Scene) -> None:
    reference = new_reference()
    credit(scene.api, scene.carte, 1_000, reference)
    debit(scene.api, scene.carte, 11_000, new_reference())
    told = operation_item(scene.world, reference, scene.carte, 1_000, 11_000)
    assert look_up(scene.api, reference=reference).json() == success("Opération exécutée", told)
    assert told["type"] == "CREDIT"


def test_transfer_is_told_with_its_two_cards_and_the_solde_of_the_first(scene: Scene) -> None:
    reference = new_reference()
    transfer(scene.api, scene.carte, scene.autre, 4_000, reference)
    told = operation_item(
        scene.world, reference, scene.carte, 4_000, 6_000, numeroCarteDestination=scene.autre.numero
    )
    assert look_up(scene.api, reference=reference).json() == success("Opération exécutée", told)
    assert told["type"] == "TRANSFERT"


@pytest.mark.parametrize("move", [credit, debit], ids=["credit", "debit"])
def test_reversal_and_reversed_name_each_other(
    scene: Scene, move: Callable[..., httpx.Response]
) -> None:
    world, origine, reference = scene.world, new_reference(), new_reference()
    after = item(move(scene.api, scene.carte, 4_000, origine))["soldeOnline"]
    reverse(scene.api, origine, reference)
    numbers = [row_of(world, each).numero_operation for each in (origine, reference)]
    first = operation_item(world, origine, scene.carte, 4_000, after, annuleePar=numbers[1])
    second = operation_item(world, reference, scene.carte, 4_000, 10_000, annulationDe=numbers[0])
    message = "Opération exécutée"
    assert look_up(scene.api, reference=origine).json() == success(message, first)
    assert look_up(scene.api, numeroOperation=numbers[1]).json() == success(message, second)


def test_operation_of_another_partner_is_unknown(scene: Scene) -> None:
    reference = new_reference()
    numero = item(debit(scene.api, scene.carte, 1_000, reference))["numeroOperation"]
    stranger = scene.world.api(scene.carte)
    assert_refused(look_up(stranger, reference=reference), "4006")
    assert_refused(look_up(stranger, numeroOperation=numero), "4006")


@pytest.mark.parametrize("language", ["fr", "en"])
def test_unknown_operation_is_refused(scene: Scene, language: str) -> None:
    scene.api.headers["Accept-Language"] = language
    assert_refused(look_up(scene.api, reference=new_reference()), "4006", language=language)
    answer = look_up(scene.api, numeroOperation="01KB0QJ5R8X9V4T2M7N6P3S1ZC")
    assert_refused(answer, "4006", language=language)


def test_reference_or_number_must_be_given_and_not_both(scene: Scene) -> None:
    reference = new_reference()
    numero = item(debit(scene.api, scene.carte, 1_000, reference))["numeroOperation"]
    assert_refused(look_up(scene.api), "405", parametre="reference")
    answer = look_up(scene.api, reference=reference, numeroOperation=numero)
    assert_refused(answer, "405", parametre="numeroOperation")


def test_opening_of_a_card_is_no_operation_of_a_partner(scene: Scene) -> None:
    with scene.world.database.reading() as connection:
        numero = connection.scalar(
            select(operations.c.numero_operation).where(
                operations.c.carte_id == scene.carte.id, operations.c.type == "OUVERTURE"
            )
        )
    assert numero is not None
    assert_refused(look_up(scene.api, numeroOperation=numero), "4006")


# ── an operation that is running ─────────────────────────────────────────────────────────────────
def movements(scene: Scene, reference: str) -> dict[str, tuple[Any, str, Callable[[], Any]]]:
    """Every kind of operation: the module and the step to hold it in, and its call."""
    api, carte, origine = scene.api, scene.carte, new_reference()
    debit(api, carte, 1_000, origine)
    return {
        "credit": (models.mouvement, "move", partial(credit, api, carte, 1_000, reference)),
        "debit": (models.mouvement, "move", partial(debit, api, carte, 1_000, reference)),
        "transfert": (
            models.mouvement,
            "take",
            partial(transfer, api, carte, scene.autre, 1_000, reference),
        ),
        "annulation": (models.annulation, "post", partial(reverse, api, origine, reference)),
    }


@pytest.mark.parametrize("kind", ["credit", "debit", "transfert", "annulation"])
def test_running_operation_is_told_as_running_until_it_ends(scene: Scene, kind: str) -> None:
    reference = new_reference()
    module, step, call = movements(scene, reference)[kind]
    asking, stranger = scene.world.api_of(scene.pair), scene.world.api(scene.carte)
    with ThreadPoolExecutor(1) as pool, holding(module, step) as held:
        running = pool.submit(call)
        held.wait()
        for _ in range(3):
            assert_refused(look_up(asking, reference=reference), "4007")
        assert_refused(look_up(asking, reference=new_reference()), "4006")
        assert_refused(look_up(stranger, reference=reference), "4006")
        held.release()
        done = item(running.result(20))
    told = item(look_up(asking, reference=reference))
    assert {**done, **told} == told


def test_refused_operation_is_no_longer_running(scene: Scene) -> None:
    reference = new_reference()
    asking = scene.world.api_of(scene.pair)
    with ThreadPoolExecutor(1) as pool, holding(models.mouvement, "move") as held:
        running = pool.submit(debit, scene.api, scene.carte, 10_001, reference)
        held.wait()
        assert_refused(look_up(asking, reference=reference), "4007")
        held.release()
        assert_refused(running.result(20), "4001")
    assert_refused(look_up(asking, reference=reference), "4006")
    item(debit(scene.api, scene.carte, 10_000, reference))


# SQLite locks no rows: its debits wait before they begin.
@pytest.mark.only_on("postgresql")
def test_debit_that_waits_for_its_card_is_told_as_running(scene: Scene) -> None:
    reference = new_reference()
    asking = scene.world.api_of(scene.pair)
    with ThreadPoolExecutor(1) as pool:
        with scene.world.database.transaction() as connection:
            connection.execute(text(f"SELECT 1 FROM cartes WHERE id = {scene.carte.id} FOR UPDATE"))
            running = pool.submit(debit, scene.api, scene.carte, 1_000, reference)
            wait_for_locks(scene.world.database)
            assert_refused(look_up(asking, reference=reference), "4007")
            assert not running.done()
        item(running.result(20))
    assert item(look_up(asking, reference=reference))["soldeOnline"] == 9_000


def test_many_who_ask_at_once_never_take_each_other_for_the_operation(scene: Scene) -> None:
    reference = new_reference()

    def ask_often(api: httpx.Client) -> Counter[str]:
        return Counter(look_up(api, reference=reference).json()["code"] for _ in range(15))

    with ThreadPoolExecutor(8) as pool:
        seen = sum(pool.map(ask_often, copies(scene, 8)), Counter[str]())
    assert seen == {"4006": 120}


def test_one_who_asks_hides_nothing_from_another(scene: Scene) -> None:
    """A look at the reference is held open: others see what there is, now and when a debit comes."""
    reference = new_reference()
    asking = scene.world.api_of(scene.pair)
    with scene.world.database.reading() as connection:
        partenaire_id = connection.scalar(
            select(partenaires.c.id).where(partenaires.c.consumer_key == scene.pair.consumer_key)
        )
    assert partenaire_id is not None
    with ThreadPoolExecutor(1) as pool, holding(models.mouvement, "move") as held:
        with scene.world.database.engine.connect() as looking:
            if scene.world.database.dialect == "postgresql":
                looking.begin()
            assert not is_running(looking, partenaire_id, reference)
            assert_refused(look_up(asking, reference=reference), "4006")
            running = pool.submit(debit, scene.api, scene.carte, 1_000, reference)
            held.entered.wait(0.3)
        held.wait()
        assert_refused(look_up(asking, reference=reference), "4007")
        held.release()
        item(running.result(20))


def test_running_operation_is_never_unknown_to_one_who_asks_without_pause(scene: Scene) -> None:
    """Whoever asks at the very instant at which the operation begins does not hide it."""
    askers = copies(scene, 4)
    for _ in range(8):
        reference, stop = new_reference(), threading.Event()

        def ask_without_pause(
            api: httpx.Client, reference: str = reference, stop: threading.Event = stop
        ) -> None:
            while not stop.is_set():
                look_up(api, reference=reference)

        with ThreadPoolExecutor(5) as pool, holding(models.mouvement, "move") as held:
            asking = [pool.submit(ask_without_pause, api) for api in askers]
            running = pool.submit(debit, scene.api, scene.carte, 1_000, reference)
            held.wait()
            stop.set()
            for each in asking:
                each.result(20)
            assert_refused(look_up(askers[0], reference=reference), "4007")
            held.release()
            item(running.result(20))


# ── cloturerReference ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("language", "message"),
    [("fr", "Référence {} : CLOTUREE"), ("en", "Reference {}: CLOTUREE")],
)
def test_unused_reference_is_closed_and_repeats_say_the_same(
    scene: Scene, language: str, message: str
) -> None:
    reference = new_reference()
    scene.api.headers["Accept-Language"] = language
    first = close(scene.api, reference)
    closed = {
        "reference": reference,
        "etat": "CLOTUREE",
        "numeroOperation": None,
        "date": f"{row_of(scene.world, reference).date_operation:%d-%m-%Y %H:%M:%S}",
    }
    assert (first.status_code, first.json()) == (200, success(message.format(reference), closed))
    for _ in range(2):
        assert_replayed(close(scene.api, reference), first)
    assert_refused(look_up(scene.api, reference=reference), "4005", language=language)


def test_executed_reference_is_told_as_executed_and_stays_so(scene: Scene) -> None:
    reference = new_reference()
    first = debit(scene.api, scene.carte, 1_000, reference)
    done = item(first)
    executed = {
        "reference": reference,
        "etat": "EXECUTEE",
        "numeroOperation": done["numeroOperation"],
        "date": done["dateOperation"],
    }
    expected = success(f"Référence {reference} : EXECUTEE", executed)
    for _ in range(2):
        answer = close(scene.api, reference)
        assert (answer.status_code, answer.json()) == (200, expected)
    assert_replayed(debit(scene.api, scene.carte, 1_000, reference), first)
    item(look_up(scene.api, reference=reference))


@pytest.mark.parametrize("kind", ["credit", "debit", "transfert", "annulation"])
def test_nothing_is_executed_under_a_closed_reference(own_scene: Scene, kind: str) -> None:
    scene, reference = own_scene, new_reference()
    _, _, call = movements(scene, reference)[kind]
    before = scene.world.journal(scene.carte)
    close(scene.api, reference)
    for _ in range(2):
        assert_refused(call(), "4005")
    assert scene.world.journal(scene.carte) == before
    assert (scene.world.solde(scene.carte), scene.world.solde(scene.autre)) == (9_000, 1_000)
    scene.world.check_books(scene.carte, scene.autre)


def test_closing_is_of_one_partner_only(scene: Scene) -> None:
    reference = new_reference()
    other = scene.world.api(scene.carte)
    close(scene.api, reference)
    item(debit(other, scene.carte, 1_000, reference))
    assert item(close(other, reference))["etat"] == "EXECUTEE"
    assert item(close(scene.api, reference))["etat"] == "CLOTUREE"


def test_reference_of_a_refused_debit_can_be_closed(scene: Scene) -> None:
    reference = new_reference()
    assert_refused(debit(scene.api, scene.carte, 10_001, reference), "4001")
    assert item(close(scene.api, reference))["etat"] == "CLOTUREE"


def test_partner_without_any_right_on_money_may_close_and_ask(scene: Scene) -> None:
    api = scene.world.api(scene.carte, scopes=["soldes:lire"])
    reference = new_reference()
    assert_refused(look_up(api, reference=reference), "4006")
    assert item(close(api, reference))["etat"] == "CLOTUREE"


@pytest.mark.parametrize(
    ("montant", "code", "etat"), [(1_000, "200", "EXECUTEE"), (10_001, "4001", "CLOTUREE")]
)
def test_closing_waits_for_a_call_that_is_running(
    scene: Scene, montant: int, code: str, etat: str
) -> None:
    reference = new_reference()
    closing = scene.world.api_of(scene.pair)
    with ThreadPoolExecutor(2) as pool, holding(models.mouvement, "move") as held:
        running = pool.submit(debit, scene.api, scene.carte, montant, reference)
        held.wait()
        closed = pool.submit(close, closing, reference)
        pause = threading.Event()
        pause.wait(0.3)
        assert not closed.done()
        held.release()
        assert str(running.result(20).json()["code"]) == code
        assert item(closed.result(20))["etat"] == etat
    assert scene.world.solde(scene.carte) == (9_000 if etat == "EXECUTEE" else 10_000)


def test_copies_of_a_closing_at_once_all_say_the_same(scene: Scene) -> None:
    reference = new_reference()
    answers = all_at_once([partial(close, api, reference) for api in copies(scene)])
    assert {answer.content for answer in answers} == {answers[0].content}
    assert item(answers[0])["etat"] == "CLOTUREE"
    marks = Counter(answer.headers.get(REPLAYED) for answer in answers)
    assert marks == {None: 1, "true": CALLERS - 1}


@pytest.mark.parametrize("servers", [1, 2], ids=["one server", "two servers"])
def test_debits_and_closings_at_once_agree_on_one_end(
    scene: Scene, second_url: str, servers: int
) -> None:
    urls = [scene.world.url, second_url][:servers]
    clients = [copies(scene, 1, urls[number // 2 % servers])[0] for number in range(CALLERS)]
    solde = 10_000
    for _ in range(6):
        reference = new_reference()
        calls = [
            partial(close, api, reference)
            if number % 2
            else partial(debit, api, scene.carte, 100, reference)
            for number, api in enumerate(clients)
        ]
        answers = all_at_once(calls)
        debits, closings = answers[::2], answers[1::2]
        etats = {item(answer)["etat"] for answer in closings}
        if etats == {"EXECUTEE"}:
            solde -= 100
            assert len({answer.content for answer in debits}) == 1
            assert item(debits[0])["soldeOnline"] == solde
        else:
            assert etats == {"CLOTUREE"}
            for answer in debits:
                assert_refused(answer, "4005")
        assert scene.world.solde(scene.carte) == solde
    scene.world.check_books(scene.carte)


# ── accidents: what the wrapper runs again, and what it never does ───────────────────────────────
Failure = type[psycopg.Error]
CONFLICTS = [psycopg.errors.SerializationFailure, psycopg.errors.DeadlockDetected]


class Accident:
    """A core function that fails a number of times, after it did its work, and then works."""

    def __init__(self, original: Callable[..., Any], failure: Failure, times: int) -> None:
        self.original, self.failure, self.left, self.calls = original, failure, times, 0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        self.calls += 1
        done = self.original(*args, **kwargs)
        if self.left:
            self.left -= 1
            raise OperationalError("UPDATE", {}, self.failure("the database lost it"))
        return done


def meet(patch: pytest.MonkeyPatch, failure: Failure, times: int) -> Accident:
    """Let the next debits meet an accident."""
    accident = Accident(models.mouvement.debiter, failure, times)
    patch.setattr(handlers.mouvements, "debiter", accident)
    return accident


@pytest.mark.parametrize("failure", CONFLICTS)
@pytest.mark.parametrize("times", range(1, ATTEMPTS))
def test_lost_conflict_is_run_again_and_the_money_moves_once(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, failure: Failure, times: int
) -> None:
    reference = new_reference()
    accident = meet(monkeypatch, failure, times)
    answer = debit(scene.api, scene.carte, 1_000, reference)
    assert item(answer)["soldeOnline"] == 9_000
    assert REPLAYED not in answer.headers
    assert accident.calls == times + 1
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000), ("DEBIT", 1_000)]
    scene.world.check_books(scene.carte)


@pytest.mark.parametrize("failure", CONFLICTS)
def test_conflict_that_is_always_lost_ends_with_503_and_the_reference_stays_free(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, failure: Failure
) -> None:
    reference = new_reference()
    with monkeypatch.context() as patch:
        accident = meet(patch, failure, 100)
        answer = debit(scene.api, scene.carte, 1_000, reference)
        assert_refused(answer, "5001")
        assert int(answer.headers["Retry-After"]) >= 1
        assert accident.calls == ATTEMPTS
    assert_refused(look_up(scene.api, reference=reference), "4006")
    assert scene.world.solde(scene.carte) == 10_000
    assert REPLAYED not in debit(scene.api, scene.carte, 1_000, reference).headers


@pytest.mark.parametrize(
    ("drawn", "expected"), [(min, [0.01, 0.02]), (max, [0.03, 0.06])], ids=["shortest", "longest"]
)
def test_call_that_lost_waits_longer_each_time_and_not_just_as_long_as_its_rival(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    drawn: Callable[[float, float], float],
    expected: list[float],
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("handlers.edge.runner.pause", waited.append)
    monkeypatch.setattr("handlers.edge.runner.random.uniform", drawn)
    meet(monkeypatch, psycopg.errors.SerializationFailure, 2)
    item(debit(scene.api, scene.carte, 1_000, new_reference()))
    assert waited == pytest.approx(expected)


def test_other_failure_is_not_run_again(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    accident = meet(monkeypatch, psycopg.errors.DiskFull, 100)
    assert_refused(debit(scene.api, scene.carte, 1_000, new_reference()), "5001")
    assert accident.calls == 1


# SQLite has no connection to lose.
@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(
    ("step", "at_commit"),
    [("claim", False), ("move", True)],
    ids=["before a statement", "before COMMIT"],
)
def test_connection_lost_before_commit_is_replaced_and_at_commit_is_left_to_the_reference(
    own_world: NewWorld, monkeypatch: pytest.MonkeyPatch, step: str, *, at_commit: bool
) -> None:
    with own_world() as world:
        scene, reference = Scene(world), new_reference()
        lost: list[int] = []
        original = getattr(models.mouvement, step)

        def lose_beside(connection: Any, *args: Any, **kwargs: Any) -> Any:
            done = original(connection, *args, **kwargs) if at_commit else None
            if not lost:
                lost.append(connection.scalar(select(func.pg_backend_pid())))
                aside(partial(terminate, world.database, lost[0]))
            return done if at_commit else original(connection, *args, **kwargs)

        monkeypatch.setattr(models.mouvement, step, lose_beside)
        answer = debit(scene.api, scene.carte, 1_000, reference)
        if at_commit:
            # Nobody can tell whether a COMMIT that was on its way was done.
            assert_refused(answer, "5001")
            assert_refused(look_up(scene.api, reference=reference), "4006")
            assert world.journal(scene.carte) == [("OUVERTURE", 10_000)]
            answer = debit(scene.api, scene.carte, 1_000, reference)
        assert item(answer)["soldeOnline"] == 9_000
        assert len(lost) == 1
        assert world.journal(scene.carte) == [("OUVERTURE", 10_000), ("DEBIT", 1_000)]
        world.check_books(scene.carte)
        assert_replayed(debit(scene.api, scene.carte, 1_000, reference), answer)


def terminate(database: Database, pid: int) -> None:
    """End a connection of the database, and wait until it is gone."""
    with database.reading() as connection:
        connection.execute(text(f"SELECT pg_terminate_backend({pid}, 5000)"))


class UnknownCommit:
    """A COMMIT whose answer is lost: done or not, the caller is told only that the line broke."""

    def __init__(self, patch: pytest.MonkeyPatch, *, done: bool) -> None:
        self.done, self.commits = done, 0

        def run(connection: Connection, sql: str, **how: Any) -> None:
            if sql != "COMMIT" or self.commits:
                run_command(connection, sql, **how)
                return
            self.commits += 1
            if self.done:
                run_command(connection, sql, **how)
            raise OperationalError("COMMIT", {}, psycopg.errors.AdminShutdown("the line broke"))

        patch.setattr("models.database.ends.run_command", run)


@pytest.mark.parametrize("done", [True, False], ids=["done", "not done"])
def test_commit_of_unknown_outcome_is_not_run_again_and_the_reference_tells_the_truth(
    own_world: NewWorld, monkeypatch: pytest.MonkeyPatch, *, done: bool
) -> None:
    with own_world() as world:
        scene, reference = Scene(world), new_reference()
        with monkeypatch.context() as patch:
            unknown = UnknownCommit(patch, done=done)
            answer = debit(scene.api, scene.carte, 1_000, reference)
            assert_refused(answer, "5001")
            assert int(answer.headers["Retry-After"]) >= 1
            assert unknown.commits == 1
        told = look_up(scene.api, reference=reference)
        if done:
            expected = operation_item(world, reference, scene.carte, 1_000, 9_000)
            assert told.json() == success("Opération exécutée", expected)
        else:
            assert_refused(told, "4006")
        assert world.solde(scene.carte) == (9_000 if done else 10_000)
        again = debit(scene.api, scene.carte, 1_000, reference)
        assert item(again)["soldeOnline"] == 9_000
        assert again.headers.get(REPLAYED) == ("true" if done else None)
        assert world.solde(scene.carte) == 9_000
        world.check_books(scene.carte)
