"""Rights that are taken away: what is under way is waited for, and nothing is executed afterwards."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, Table, func, select, text

import models.annulation
import models.authentification
import models.mouvement
import models.suivi
from models.audit import Acteur
from models.authentification import jetons
from models.operation import operations
from models.partenaire import partenaires
from tests.support.acteurs import TESTEUR
from tests.support.partners import change, resume, revoke, revoke_jetons, suspend
from tests.support.scene import Scene, assert_refused
from tests.support.steps import (
    ask,
    copies,
    credit,
    debit,
    holding,
    item,
    new_reference,
    noticing_waits,
    reverse,
    transfer,
    wait_for_locks,
)

KINDS = ["credit", "debit", "transfert", "annulation", "cloture"]
WRITES = pytest.mark.parametrize("kind", KINDS)
Call = Callable[[], httpx.Response]


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner of the test's own, whose rights are taken away."""
    return own_scene


def calls(scene: Scene, api: httpx.Client) -> dict[str, tuple[ModuleType, str, Call]]:
    """For each write: a step in the middle of its transaction, and the call."""
    origine = new_reference()
    item(credit(scene.api, scene.carte, 1_000, origine))
    carte, reference = scene.carte, new_reference()
    close = partial(ask, api, "cloturerReference", {"reference": reference})
    return {
        "credit": (models.mouvement, "move", partial(credit, api, carte, 500, reference)),
        "debit": (models.mouvement, "move", partial(debit, api, carte, 500, reference)),
        "transfert": (
            models.mouvement,
            "post",
            partial(transfer, api, carte, scene.autre, 500, reference),
        ),
        "annulation": (models.annulation, "post", partial(reverse, api, origine, reference)),
        "cloture": (models.suivi, "check_entitled", close),
    }


def revoked(scene: Scene) -> bool:
    """Revoke the scene's partner."""
    with scene.world.database.transaction() as connection:
        return revoke(connection, TESTEUR, scene.pair.consumer_key)


def end_tokens(scene: Scene) -> int | None:
    """End the tokens of the scene's partner."""
    with scene.world.database.transaction() as connection:
        return revoke_jetons(connection, TESTEUR, scene.pair.consumer_key)


def suspended(scene: Scene) -> bool:
    """Suspend the scene's partner."""
    with scene.world.database.transaction() as connection:
        return suspend(connection, TESTEUR, scene.pair.consumer_key)


def written(scene: Scene) -> tuple[int, int]:
    """How many operations, and how many tokens, the scene's partner has."""
    with scene.world.database.reading() as connection:
        return _count(connection, scene, operations), _count(connection, scene, jetons)


def _count(connection: Connection, scene: Scene, table: Table) -> int:
    own = select(partenaires.c.id).where(partenaires.c.consumer_key == scene.pair.consumer_key)
    found = select(func.count()).select_from(table).where(table.c.partenaire_id.in_(own))
    return connection.execute(found).scalar_one()


# ── what is under way ────────────────────────────────────────────────────────────────────────────
@WRITES
@pytest.mark.parametrize(
    ("end", "code"), [(revoked, "2001"), (end_tokens, "2001"), (suspended, "2005")]
)
def test_taking_rights_away_waits_for_what_is_under_way(
    scene: Scene, kind: str, end: Callable[[Scene], object], code: str
) -> None:
    module, step, call = calls(scene, scene.api)[kind]
    before, tokens = written(scene)
    with ThreadPoolExecutor(2) as pool, holding(module, step) as held:
        running = pool.submit(call)
        held.wait()
        with noticing_waits(scene.world.database) as wait:
            ending = pool.submit(end, scene)
            wait(1)
        assert not ending.done()
        held.release()
        assert running.result(20).status_code == 200
        assert ending.result(20)
    # Who is suspended keeps its tokens: they open again when it is resumed.
    assert written(scene) == (before + 1, tokens if end is suspended else 0)
    assert_refused(call(), code)


# SQLite has one writer at a time: nobody can pass by.
@pytest.mark.only_on("postgresql")
@pytest.mark.parametrize(("end", "code"), [(revoked, "2001"), (suspended, "2005")])
def test_write_that_comes_later_does_not_pass_by_who_takes_its_rights_away(
    scene: Scene, end: Callable[[Scene], bool], code: str
) -> None:
    database, (one, other) = scene.world.database, copies(scene, 2)
    with ThreadPoolExecutor(3) as pool, holding(models.mouvement, "move") as held:
        running = pool.submit(debit, one, scene.carte, 500, new_reference())
        held.wait()
        with noticing_waits(database) as wait:
            ending = pool.submit(end, scene)
            wait(1)
            following = pool.submit(debit, other, scene.carte, 500, new_reference())
            wait(1)
            wait_for_locks(database, 2)
        held.release()
        assert running.result(20).status_code == 200
        assert ending.result(20)
        assert_refused(following.result(20), code)


ENDS = pytest.mark.parametrize(("end", "code"), [(revoke, "2001"), (suspend, "2005")])
Ends = Callable[[Connection, Acteur, str], bool]


@WRITES
@ENDS
def test_write_that_waits_while_its_partner_loses_its_rights_is_refused(
    scene: Scene, kind: str, end: Ends, code: str
) -> None:
    *_, call = calls(scene, scene.api)[kind]
    database, (before, tokens) = scene.world.database, written(scene)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert end(connection, TESTEUR, scene.pair.consumer_key)
            with noticing_waits(database) as wait:
                running = pool.submit(call)
                wait(1)
            assert not running.done()
        assert_refused(running.result(20), code)
    assert written(scene) == (before, tokens if end is suspend else 0)


def test_write_that_waits_while_its_partner_is_suspended_and_resumed_goes_on(scene: Scene) -> None:
    *_, call = calls(scene, scene.api)["debit"]
    database, (before, tokens) = scene.world.database, written(scene)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert suspend(connection, TESTEUR, scene.pair.consumer_key)
            with noticing_waits(database) as wait:
                running = pool.submit(call)
                wait(1)
            assert resume(connection, TESTEUR, scene.pair.consumer_key)
        assert running.result(20).status_code == 200
    assert written(scene) == (before + 1, tokens)


TAKEN: dict[str, tuple[Callable[[Scene], dict[str, Any]], str]] = {
    "client": (lambda scene: {"clients": [scene.world.client()]}, "412"),
    "scope": (lambda _: {"scopes": ["soldes:lire"]}, "2003"),
}


@pytest.mark.parametrize(("taken", "code"), TAKEN.values(), ids=TAKEN)
def test_debit_that_waits_while_what_it_needs_is_taken_away_is_refused(
    scene: Scene, taken: Callable[[Scene], dict[str, Any]], code: str
) -> None:
    key, left = scene.pair.consumer_key, taken(scene)
    database, before = scene.world.database, written(scene)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            change(connection, TESTEUR, "modifierPartenaire", key, **left)
            with noticing_waits(database) as wait:
                running = pool.submit(debit, scene.api, scene.carte, 500, new_reference())
                wait(1)
        assert_refused(running.result(20), code)
    assert written(scene) == before


@pytest.mark.parametrize("operation", ["debitCarte", "accessToken"])
def test_call_that_waits_while_its_partner_is_renamed_goes_on(scene: Scene, operation: str) -> None:
    database, key = scene.world.database, scene.pair.consumer_key
    call = scene.call(operation)
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            change(connection, TESTEUR, "modifierPartenaire", key, nom="Autre")
            with noticing_waits(database) as wait:
                running = pool.submit(call.send, scene.caller(operation))
                wait(1)
        assert running.result(20).status_code == 200


def test_debit_that_waits_for_its_card_ends_before_the_revocation_or_not_at_all(
    scene: Scene,
) -> None:
    database = scene.world.database
    before = written(scene)[0]
    with ThreadPoolExecutor(2) as pool:
        with database.transaction() as connection:
            if database.dialect == "postgresql":
                connection.execute(
                    text(f"SELECT 1 FROM cartes WHERE id = {scene.carte.id} FOR UPDATE")
                )
            with noticing_waits(database) as wait:
                running = pool.submit(debit, scene.api, scene.carte, 1_000, new_reference())
                wait(1)
                ending = pool.submit(lambda: (revoked(scene), written(scene)))
                wait(1)
            assert not running.done()
            assert not ending.done()
        done, after = ending.result(20)
        answer = running.result(20)
    assert done
    assert after == written(scene)
    assert after[0] == before + (answer.status_code == 200)
    if answer.status_code != 200:
        assert_refused(answer, "2001")


@pytest.mark.parametrize(("end", "code"), [(revoked, "2001"), (suspended, "2005")])
def test_partner_who_never_pauses_loses_its_rights_and_nothing_follows(
    scene: Scene, second_url: str, end: Callable[[Scene], bool], code: str
) -> None:
    def spend(api: httpx.Client) -> Counter[object]:
        seen: Counter[object] = Counter()
        while not seen[code]:
            seen[debit(api, scene.carte, 1, new_reference()).json()["code"]] += 1
        return seen

    apis = [*copies(scene, 6), *copies(scene, 6, second_url)]
    before = written(scene)[0]
    with ThreadPoolExecutor(len(apis)) as pool:
        spending = [pool.submit(spend, api) for api in apis]
        while written(scene)[0] < before + 20:
            assert not any(one.done() for one in spending)
        assert end(scene)
        after = written(scene)
        seen = sum((one.result(30) for one in spending), Counter[object]())
    assert written(scene) == after
    assert (after[1] == 0) == (end is revoked)
    assert seen == {200: after[0] - before, code: len(apis)}


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("end", "code"), [(revoke, "2101"), (revoke_jetons, "2101"), (suspend, "2101")]
)
def test_token_that_is_asked_for_meanwhile_is_not_issued(
    scene: Scene, end: Callable[[Connection, Acteur, str], object], code: str
) -> None:
    database, before = scene.world.database, written(scene)[1]
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert end(connection, TESTEUR, scene.pair.consumer_key)
            with noticing_waits(database) as wait:
                running = pool.submit(scene.call("accessToken").send, scene.nobody)
                wait(1)
            assert not running.done()
        assert_refused(running.result(20), code)
    assert written(scene)[1] == (before if end is suspend else 0)


@pytest.mark.parametrize("end", [revoked, end_tokens])
def test_token_that_is_being_issued_does_not_survive(
    scene: Scene, end: Callable[[Scene], object]
) -> None:
    with ThreadPoolExecutor(2) as pool, holding(models.authentification, "Jeton") as held:
        running = pool.submit(scene.call("accessToken").send, scene.nobody)
        held.wait()
        with noticing_waits(scene.world.database) as wait:
            ending = pool.submit(end, scene)
            wait(1)
        assert not ending.done()
        held.release()
        answer = running.result(20)
        assert ending.result(20)
    assert answer.status_code == 200
    assert written(scene)[1] == 0
    scene.api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    assert_refused(debit(scene.api, scene.carte, 1, new_reference()), "2001")


@WRITES
def test_write_by_a_token_that_is_ended_meanwhile_is_refused(scene: Scene, kind: str) -> None:
    *_, call = calls(scene, scene.api)[kind]
    database, before = scene.world.database, written(scene)[0]
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert revoke_jetons(connection, TESTEUR, scene.pair.consumer_key) == 1
            with noticing_waits(database) as wait:
                running = pool.submit(call)
                wait(1)
        assert_refused(running.result(20), "2001")
    assert written(scene) == (before, 0)


@WRITES
def test_write_by_the_secret_goes_on_when_tokens_are_ended_meanwhile(
    scene: Scene, kind: str
) -> None:
    api = scene.world.anonymous()
    api.auth = httpx.BasicAuth(*scene.pair)
    *_, call = calls(scene, api)[kind]
    database, before = scene.world.database, written(scene)[0]
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert revoke_jetons(connection, TESTEUR, scene.pair.consumer_key) == 1
            with noticing_waits(database) as wait:
                running = pool.submit(call)
                wait(1)
        assert running.result(20).status_code == 200
    assert written(scene) == (before + 1, 0)


def test_ended_token_opens_nothing_that_moment_and_a_new_one_everything(scene: Scene) -> None:
    for api in (scene.api, other := scene.world.api_of(scene.pair)):
        item(debit(api, scene.carte, 1, new_reference()))
    assert end_tokens(scene) == 2
    for api in (scene.api, other):
        assert_refused(debit(api, scene.carte, 1, new_reference()), "2001")
        assert_refused(api.get("/mes-droits"), "2001")
        assert_refused(scene.call("debitCarte").with_values(montant=0).send(api), "2001")
    item(debit(scene.world.api_of(scene.pair), scene.carte, 1, new_reference()))
    assert end_tokens(scene) == 1
    assert end_tokens(scene) == 0
