"""From where partners call: counted beside the calls, judged as their list is to be judged."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

import handlers.app
import handlers.edge.seen
from handlers.edge.seen import AddressesSeen
from models.adresse_vue import AUTRES, list_adresses
from models.database.engine import Database
from models.fiche import find_fiche
from models.partenaire import APPLIQUER, LIBRE, OBSERVER
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import ContractClient
from tests.support.live import serving, settings_for
from tests.support.partners import change, suspend
from tests.support.patience import CALL_S
from tests.support.scene import Scene
from tests.support.world import TLS, World

HERE = "127.0.0.1"
Told = tuple[str, int, int]


def seen(database: Database, key: str) -> list[Told]:
    """What is written down of the partner: address, calls, refusals."""
    with database.reading() as connection:
        fiche = find_fiche(connection, key)
        assert fiche is not None
        return [(one.adresse, one.appels, one.refus) for one in list_adresses(connection, fiche.id)]


def calling(scene: Scene, call: Callable[[ContractClient], object]) -> None:
    """Call a server of its own, which has ended afterwards."""
    database = scene.world.database
    url = database.url.render_as_string(hide_password=False)
    with (
        serving(settings_for(url), database) as address,
        ContractClient(base_url=address, verify=TLS) as api,
    ):
        api.headers["Authorization"] = scene.api.headers["Authorization"]
        call(api)


@pytest.mark.parametrize(
    ("mode", "adresses", "codes", "refused"),
    [
        (LIBRE, [], [200] * 3, 0),
        (LIBRE, ["192.0.2.0/24"], [200] * 3, 0),
        (OBSERVER, ["192.0.2.0/24"], [200] * 3, 3),
        (OBSERVER, ["192.0.2.0/24", "127.0.0.0/16"], [200] * 3, 0),
        (OBSERVER, [], [200] * 3, 3),
        (APPLIQUER, ["192.0.2.0/24"], ["2004"] * 3, 3),
        (APPLIQUER, ["127.0.0.1"], [200] * 3, 0),
    ],
)
def test_calls_are_counted_with_what_the_list_refuses_or_would(
    own_scene: Scene, mode: str, adresses: list[str], codes: list[object], refused: int
) -> None:
    database, key = own_scene.world.database, own_scene.pair.consumer_key
    own_scene.api.get("/mes-droits")
    with database.transaction() as connection:
        told = {"adresses": adresses, "mode": mode}
        change(connection, TESTEUR, "saisirAdressesPartenaire", key, **told)
    answers: list[object] = []
    calling(
        own_scene,
        lambda api: answers.extend(api.get("/mes-droits").json()["code"] for _ in range(3)),
    )
    assert answers == codes
    assert seen(database, key) == [(HERE, 3, refused)]


def test_calls_of_who_is_suspended_are_counted_and_of_who_is_not_let_in_are_not(
    own_scene: Scene,
) -> None:
    database, key = own_scene.world.database, own_scene.pair.consumer_key
    own_scene.api.get("/mes-droits")
    with database.transaction() as connection:
        assert suspend(connection, TESTEUR, key)

    def call(api: ContractClient) -> None:
        assert api.get("/mes-droits").json()["code"] == "2005"
        assert api.get("/mes-droits", auth=(key, "wrong")).json()["code"] == "2001"

    calling(own_scene, call)
    assert seen(database, key) == [(HERE, 1, 0)]


def test_token_of_a_pair_is_a_call_too(own_scene: Scene) -> None:
    form = {"grant_type": "client_credentials"}
    key, secret = own_scene.pair

    def call(api: ContractClient) -> None:
        del api.headers["Authorization"]
        assert api.post("/access-token", data=form, auth=(key, secret)).status_code == 200

    calling(own_scene, call)
    assert seen(own_scene.world.database, own_scene.pair.consumer_key) == [(HERE, 1, 0)]


# ── the counter ──────────────────────────────────────────────────────────────────────────────────
@pytest.fixture
def partenaire(shared_database: Database) -> tuple[str, int]:
    """A partner that nobody calls as: its key, its row."""
    ground = World(shared_database, "")
    key = ground.partenaire([ground.client()]).consumer_key
    with shared_database.reading() as connection:
        fiche = find_fiche(connection, key)
    assert fiche is not None
    return key, fiche.id


def test_no_call_is_lost_or_counted_twice(
    shared_database: Database, partenaire: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.edge.seen, "EVERY_S", 0.002)
    key, id_ = partenaire
    counter = AddressesSeen(shared_database)

    def call(number: int) -> None:
        for turn in range(200):
            counter(id_, f"192.0.2.{number % 2}", turn % 4 == 0)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(call, range(4)))
    counter.close(CALL_S)
    assert sorted(seen(shared_database, key)) == [("192.0.2.0", 400, 100), ("192.0.2.1", 400, 100)]


def test_memory_of_addresses_has_an_end(
    shared_database: Database, partenaire: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.edge.seen, "MAX_PENDING", 2)
    key, id_ = partenaire
    counter = AddressesSeen(shared_database)
    for number in (1, 2, 3, 4, 1):
        counter(id_, f"192.0.2.{number}", number == 4)
    counter.close(CALL_S)
    told = [("192.0.2.1", 2, 0), ("192.0.2.2", 1, 0), (AUTRES, 2, 1)]
    assert sorted(seen(shared_database, key)) == told


def test_what_cannot_be_written_refuses_nobody_and_is_told(
    shared_database: Database,
    partenaire: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    key, id_ = partenaire

    def fail(*_: object) -> None:
        raise RuntimeError("the disk is full")

    counter = AddressesSeen(shared_database)
    with monkeypatch.context() as patched:
        patched.setattr(handlers.edge.seen, "note_adresses", fail)
        counter(id_, HERE, False)
        counter.close(CALL_S)
    out, err = capfd.readouterr()
    assert "adresses vues non notées" in out + err
    assert seen(shared_database, key) == []
    after = AddressesSeen(shared_database)
    after(id_, HERE, False)
    after.close(CALL_S)
    assert seen(shared_database, key) == [(HERE, 1, 0)]


@pytest.mark.only_on("postgresql")  # SQLite has one writer: with that one stuck, nobody is let in
def test_what_cannot_be_written_down_does_not_keep_a_server_from_its_end(
    shared_database: Database, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handlers.app, "ENDING_S", 2.0)
    stuck = threading.Event()
    waiting: list[str] = []

    def wait(name: str, *_: object) -> None:
        waiting.append(name)
        stuck.wait(2 * CALL_S)

    monkeypatch.setattr(handlers.edge.seen, "note_adresses", partial(wait, "addresses"))
    for name in ("note_usage", "forget_jetons"):
        monkeypatch.setattr(handlers.app, name, partial(wait, name))
    client_id = world.client()
    pair = world.partenaire([client_id])
    url = shared_database.url.render_as_string(hide_password=False)
    database, before = Database(url), set(threading.enumerate())
    try:
        with serving(settings_for(url), database) as base:
            token = world.token(pair, world.anonymous(base))
            bearer = {"Authorization": f"Bearer {token}"}
            client = {"clientId": client_id}
            answer = world.anonymous(base).get("/get-liste-cartes", headers=bearer, params=client)
            assert answer.status_code == 200
            began = time.monotonic()
        took = time.monotonic() - began
    finally:
        stuck.set()
        for thread in set(threading.enumerate()) - before:
            thread.join(CALL_S)
        database.close()
    assert set(waiting) == {"addresses", "note_usage", "forget_jetons"}
    assert took < 3 * handlers.app.ENDING_S, f"{took:.1f} s"
