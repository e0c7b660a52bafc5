"""retirerSecretInitial: a pair for a code, once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import select

from models.audit import audit
from models.base import now
from models.database.engine import Database
from models.fiche import find_fiche
from models.retrait import give_code
from models.secret import list_alive
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import ContractClient
from tests.support.live import serving, settings_for, with_limits
from tests.support.partners import change, revoke, suspend
from tests.support.scene import Scene, assert_refused
from tests.support.steps import item
from tests.support.world import PEPPER, TLS, World

PATH = "/retirer-secret-initial"


@pytest.fixture
def key(world: World) -> str:
    """A partner that has one secret."""
    return world.partenaire([world.client()]).consumer_key


def new_code(world: World, key: str, **more: int) -> str:
    """A code for another secret of the partner."""
    with world.database.transaction() as connection:
        demande = change(connection, TESTEUR, "renouvelerSecretPartenaire", key, **more)
    assert demande.resultat is not None
    code: str = demande.resultat["codeRetrait"]
    return code


def withdraw(api: httpx.Client, code: str) -> httpx.Response:
    """Ask for the pair."""
    return api.post(PATH, json={"codeRetrait": code})


@pytest.fixture
def nobody(world: World) -> ContractClient:
    return world.anonymous()


@pytest.mark.parametrize(
    ("language", "told"), [("fr", "Secret retiré"), ("en", "Secret withdrawn")]
)
def test_code_gives_a_pair_that_opens(
    world: World, nobody: ContractClient, key: str, language: str, told: str
) -> None:
    nobody.headers["Accept-Language"] = language
    answer = withdraw(nobody, new_code(world, key))
    pair = item(answer)
    with world.database.reading() as connection:
        fiche = find_fiche(connection, key)
        assert fiche is not None
        newest, _ = list_alive(connection, fiche.id)
    secret = pair["consumerSecret"]
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": told,
        "data": [{"consumerKey": key, "consumerSecret": secret, "secretId": newest.secret_id}],
    }
    assert answer.headers["Cache-Control"] == "no-store"
    assert item(nobody.get("/mes-droits", auth=httpx.BasicAuth(key, secret)))["secretsActifs"] == 2


def test_audit_tells_who_withdrew_from_where(
    world: World, nobody: ContractClient, key: str
) -> None:
    secret_id = item(withdraw(nobody, new_code(world, key)))["secretId"]
    with world.database.reading() as connection:
        row = connection.execute(
            select(audit.c.acteur_type, audit.c.acteur_id, audit.c.adresse, audit.c.apres).where(
                audit.c.action == "retirerSecretInitial", audit.c.objet_id == key
            )
        ).one()
    assert row[:3] == ("PARTENAIRE", key, "127.0.0.1")
    assert secret_id in row.apres


def test_code_that_is_used_unknown_or_followed_by_another_tells_no_more(
    world: World, nobody: ContractClient, key: str
) -> None:
    forgotten, code = new_code(world, key), new_code(world, key)
    item(withdraw(nobody, code))
    for dead in (code, forgotten, "x" * 43):
        assert_refused(withdraw(nobody, dead), "2108")


def test_code_of_who_may_not_call_gives_nothing(world: World, nobody: ContractClient) -> None:
    for end in (suspend, revoke):
        key = world.partenaire([world.client()]).consumer_key
        code = new_code(world, key)
        with world.database.transaction() as connection:
            assert end(connection, TESTEUR, key)
        assert_refused(withdraw(nobody, code), "2108")


@pytest.mark.parametrize("code", ["x" * 31, "x" * 65, "é" * 32, "", 32])
def test_what_is_no_code_is_told_so(nobody: ContractClient, code: object) -> None:
    assert_refused(nobody.post(PATH, json={"codeRetrait": code}), "405", parametre="codeRetrait")


def test_many_at_once_get_one_pair(world: World, key: str) -> None:
    code = new_code(world, key, delaiHeures=0)
    apis = [world.anonymous() for _ in range(6)]
    with ThreadPoolExecutor(len(apis)) as pool:
        answers = list(pool.map(lambda api: withdraw(api, code), apis))
    assert sorted(str(one.json()["code"]) for one in answers) == ["200", *["2108"] * 5]
    with world.database.reading() as connection:
        fiche = find_fiche(connection, key)
        assert fiche is not None
        assert len(list_alive(connection, fiche.id)) == 1


def test_withdrawal_beside_the_partner_s_own_renewal_leaves_two_secrets(
    world: World, nobody: ContractClient
) -> None:
    """Both give a second secret, and one of the two comes first."""
    carte = world.carte()
    pair = world.partenaire([carte.membre.client_id])
    api, code = world.api_of(pair), new_code(world, pair.consumer_key)
    with ThreadPoolExecutor(2) as pool:
        renewing = pool.submit(api.post, "/renouveler-secret", json={"reference": "R-1"})
        withdrawing = pool.submit(withdraw, nobody, code)
        answers = renewing.result(20).json(), withdrawing.result(20).json()
    assert answers[0]["code"] in (200, "2105")
    assert answers[1]["code"] == 200
    with world.database.reading() as connection:
        fiche = find_fiche(connection, pair.consumer_key)
        assert fiche is not None
        alive = list_alive(connection, fiche.id)
    # An older one ends at once, when there are two already.
    assert len(alive) == 2
    assert alive[0].expire_le is None or alive[1].expire_le is None


def test_secret_before_ends_after_the_delay_and_no_later_than_it_would(
    world: World, nobody: ContractClient, key: str
) -> None:
    item(withdraw(nobody, new_code(world, key, delaiHeures=2)))
    with world.database.transaction() as connection:
        fiche = find_fiche(connection, key)
        assert fiche is not None
        # While two are good, the back office gives no code: this one was given before.
        code = give_code(connection, fiche.id, pepper=PEPPER, delai_heures=100)
        ends = [one.expire_le for one in list_alive(connection, fiche.id)]
    item(withdraw(nobody, code))
    with world.database.reading() as connection:
        newest, before = list_alive(connection, fiche.id)
    assert (ends[0], newest.expire_le) == (None, None)
    assert before.expire_le is not None
    assert timedelta(hours=99) < before.expire_le - now() <= timedelta(hours=100)


def test_guesses_from_one_address_have_an_end(shared_database: Database, scene: Scene) -> None:
    url = shared_database.url.render_as_string(hide_password=False)
    settings = with_limits(settings_for(url), retrait="2/minute")
    with (
        serving(settings, shared_database) as address,
        ContractClient(base_url=address, verify=TLS) as api,
    ):
        assert_refused(withdraw(api, "short"), "405", parametre="codeRetrait")
        assert_refused(withdraw(api, "x" * 43), "2108")
        answer = withdraw(api, "x" * 43)
        assert_refused(answer, "1008")
        assert int(answer.headers["Retry-After"]) > 0
        assert scene.call("getSoldeCarte").send(scene.api).status_code == 200
