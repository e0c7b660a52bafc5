"""mesDroits, and who may call the operations of follow-up."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import httpx
import pytest
from sqlalchemy import select, update

import models.secret
from models.authentification import jetons
from models.base import now
from models.partenaire import APPLIQUER, LIBRE, OBSERVER, partenaires
from models.secret import rotate, secrets
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import ContractClient, Json
from tests.support.live import BEARER
from tests.support.partners import change, revoke
from tests.support.plafonds import set_plafond
from tests.support.scene import (
    AUTHENTICATED,
    NEEDED,
    SCOPES,
    Scene,
    assert_refused,
)
from tests.support.steps import (
    REPLAYED,
    copies,
    debit,
    item,
    new_reference,
    success,
)
from tests.support.world import ALL_SCOPES, PEPPER

WITHOUT_SCOPE = [name for name in AUTHENTICATED if not NEEDED[name]]
NOT_ONE_SCOPE = [name for name in AUTHENTICATED if SCOPES[name] is None]
NEW = [*NOT_ONE_SCOPE, "getHistoriqueCarte"]


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner of the test's own, which it may change."""
    return own_scene


def rights(scene: Scene, api: ContractClient | None = None) -> Json:
    """What mesDroits tells."""
    return item((api or scene.api).get("/mes-droits"))


def expected(scene: Scene, **more: object) -> Json:
    """What mesDroits must tell of the scene's partner."""
    with scene.world.database.reading() as connection:
        nom = connection.scalar(
            select(partenaires.c.nom).where(partenaires.c.consumer_key == scene.pair.consumer_key)
        )
    return {
        "partenaire": nom,
        "consumerKey": scene.pair.consumer_key,
        "scopes": sorted(ALL_SCOPES),
        "clients": [scene.carte.membre.client_id],
        "finIdentifiants": None,
        "plafonds": [],
        "adresses": [],
        "modeAdresses": "LIBRE",
        "adresse": "127.0.0.1",
        "secretsActifs": 1,
        **more,
    }


# ── mesDroits ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("language", "message"), [("fr", "Vos droits"), ("en", "Your rights")])
def test_rights_tell_who_calls_with_what(scene: Scene, language: str, message: str) -> None:
    scene.api.headers["Accept-Language"] = language
    answer = scene.api.get("/mes-droits")
    assert (answer.status_code, answer.json()) == (200, success(message, expected(scene)))


def test_rights_of_a_token_are_those_of_the_token(scene: Scene) -> None:
    token = scene.world.token(scene.pair, scope="soldes:lire cartes:lire")
    scene.nobody.headers["Authorization"] = f"Bearer {token}"
    assert rights(scene, scene.nobody) == expected(scene, scopes=["cartes:lire", "soldes:lire"])


def test_rights_by_basic_are_the_partner_s(scene: Scene) -> None:
    answer = scene.nobody.get("/mes-droits", auth=httpx.BasicAuth(*scene.pair))
    assert item(answer) == expected(scene)


def test_clients_are_told_in_order(scene: Scene) -> None:
    clients = [scene.world.client() for _ in range(3)]
    pair = scene.world.partenaire(reversed(clients))
    assert rights(scene, scene.world.api_of(pair))["clients"] == sorted(clients)


def test_limits_are_told_with_what_is_left(scene: Scene) -> None:
    limits = [
        ("CREDIT", "OPERATION", 5_000, None),
        ("DEBIT", "JOUR", 9_000, 4),
        ("DEBIT", "MOIS", None, 10),
        ("TRANSFERT", "MOIS", 0, None),
    ]
    with scene.world.database.transaction() as connection:
        for type_, periode, montant, nombre in limits:
            set_plafond(
                connection,
                TESTEUR,
                type_=type_,
                periode=periode,
                montant_maximal=montant,
                nombre_maximal=nombre,
                consumer_key=scene.pair.consumer_key,
            )
        # A card's limit is not the partner's.
        set_plafond(
            connection,
            TESTEUR,
            type_="DEBIT",
            periode="JOUR",
            montant_maximal=8_000,
            nombre_maximal=None,
            numero_carte=scene.carte.numero,
        )
    for _ in range(2):
        item(debit(scene.api, scene.carte, 1_500, new_reference()))
    assert debit(scene.api, scene.carte, 6_500, new_reference()).json()["code"] == "4011"
    left = [(5_000, None), (6_000, 2), (None, 8), (0, None)]
    assert rights(scene) == expected(
        scene,
        plafonds=[
            {
                "type": type_,
                "periode": periode,
                "montantMaximal": montant,
                "montantRestant": rest,
                "nombreMaximal": nombre,
                "nombreRestant": count,
            }
            for (type_, periode, montant, nombre), (rest, count) in zip(limits, left, strict=True)
        ],
    )


def test_end_of_the_secret_is_told_and_a_new_secret_has_none(scene: Scene) -> None:
    key = scene.pair.consumer_key
    end = datetime(2030, 5, 17, 8, 30, 15, tzinfo=UTC)
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(secrets)
            .where(
                secrets.c.partenaire_id
                == select(partenaires.c.id)
                .where(partenaires.c.consumer_key == key)
                .scalar_subquery()
            )
            .values(expire_le=end)
        )
    assert rights(scene) == expected(scene, finIdentifiants="17-05-2030 08:30:15")
    with scene.world.database.transaction() as connection:
        rotate(connection, TESTEUR, key, delai=timedelta(days=7), pepper=PEPPER)
    assert rights(scene) == expected(scene, secretsActifs=2)


def test_rotated_secret_is_good_until_its_end(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = scene.pair
    with scene.world.database.transaction() as connection:
        new = rotate(connection, TESTEUR, old.consumer_key, delai=timedelta(hours=1), pepper=PEPPER)
    both = expected(scene, secretsActifs=2)
    for pair in (old, new):
        assert item(scene.nobody.get("/mes-droits", auth=httpx.BasicAuth(*pair))) == both
    monkeypatch.setattr(models.secret, "now", lambda: now() + timedelta(hours=2))
    assert_refused(scene.nobody.get("/mes-droits", auth=httpx.BasicAuth(*old)), "2001")
    assert item(scene.nobody.get("/mes-droits", auth=httpx.BasicAuth(*new))) == expected(scene)


# ── who may call ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", NEW)
def test_caller_without_good_credentials_is_refused(scene: Scene, operation: str) -> None:
    before = scene.world.journal(scene.carte)
    for authorization in (None, "", "Bearer inconnu", "Basic ###", "Digest x"):
        headers = {} if authorization is None else {"Authorization": authorization}
        answer = scene.call(operation).send(scene.nobody, headers=headers)
        assert_refused(answer, "2001")
        assert answer.headers["WWW-Authenticate"].startswith(BEARER)
    assert scene.world.journal(scene.carte) == before


@pytest.mark.parametrize("operation", NEW)
def test_expired_token_is_refused_and_a_revoked_partner_too(scene: Scene, operation: str) -> None:
    call = scene.call(operation)
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(jetons)
            .where(
                jetons.c.partenaire_id
                == select(partenaires.c.id)
                .where(partenaires.c.consumer_key == scene.pair.consumer_key)
                .scalar_subquery()
            )
            .values(expire_le=now() - timedelta(seconds=1))
        )
    assert_refused(call.send(scene.api), "2002")
    fresh = scene.world.api_of(scene.pair)
    assert call.send(fresh).status_code == 200
    with scene.world.database.transaction() as connection:
        assert revoke(connection, TESTEUR, scene.pair.consumer_key)
    assert_refused(call.send(fresh), "2001")


@pytest.mark.parametrize("operation", NEW)
def test_partner_that_calls_from_elsewhere_is_refused(scene: Scene, operation: str) -> None:
    call = scene.call(operation)
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(partenaires)
            .where(partenaires.c.consumer_key == scene.pair.consumer_key)
            .values(adresses="192.0.2.0/24", mode_adresses=APPLIQUER)
        )
    assert_refused(call.send(scene.api), "2004")


@pytest.mark.parametrize("mode", [LIBRE, OBSERVER])
def test_list_that_is_not_applied_is_told_and_refuses_nobody(scene: Scene, mode: str) -> None:
    listed = ["192.0.2.0/24", "2001:db8::/48"]
    with scene.world.database.transaction() as connection:
        change(
            connection, TESTEUR, "saisirAdressesPartenaire", scene.pair.consumer_key,
            adresses=listed, mode=mode,
        )  # fmt: skip
    assert rights(scene) == expected(scene, adresses=listed, modeAdresses=mode)


@pytest.mark.parametrize("operation", ["transfererSolde", "getHistoriqueCarte", "annulerOperation"])
def test_token_without_the_rights_is_refused(scene: Scene, operation: str) -> None:
    (api,) = copies(scene, 1)
    api.headers["Authorization"] = f"Bearer {scene.world.token(scene.pair, scope='cartes:lire')}"
    assert_refused(scene.call(operation).send(api), "2003")
    assert scene.world.journal(scene.autre) == [("CREDIT", 1_000)]


@pytest.mark.parametrize(
    "operation", [name for name in WITHOUT_SCOPE if name != "annulerOperation"]
)
def test_operation_without_a_right_is_open_to_every_token(scene: Scene, operation: str) -> None:
    (api,) = copies(scene, 1)
    for scope in ALL_SCOPES:
        api.headers["Authorization"] = f"Bearer {scene.world.token(scene.pair, scope=scope)}"
        answer = scene.call(operation).send(api)
        assert answer.status_code == 200
        assert REPLAYED not in answer.headers
