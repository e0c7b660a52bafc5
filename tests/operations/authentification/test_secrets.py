"""getMesSecrets, renouvelerSecret, revoquerSecret: the rotation of its secrets in the partner's own hands."""

from __future__ import annotations

import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

import httpx
import pytest
from sqlalchemy import Connection, create_engine, select, update

import models.authentification
from handlers.edge import runner
from models.authentification import jetons
from models.geste import gestes
from models.partenaire import hold, partenaires
from models.secret import note_usage, read_secret, secrets
from tests.support.patience import wait_until
from tests.support.scene import Scene, assert_refused
from tests.support.steps import (
    all_at_once,
    copies,
    credit,
    debit,
    holding,
    item,
    new_reference,
    noticing_waits,
)

FORM = {"grant_type": "client_credentials"}
JOUR = re.compile(r"[0-3][0-9]/[01][0-9]/[0-9]{4}")


@pytest.fixture
def scene(own_scene: Scene) -> Scene:
    """A partner of the test's own, whose secrets are turned over."""
    return own_scene


def renew(scene: Scene, api: httpx.Client | None = None, **body: Any) -> httpx.Response:
    """Ask for a new secret, under a new reference unless told."""
    body = {"reference": new_reference(), **body}
    return (api or scene.api).post("/renouveler-secret", json=body)


def revoke(
    scene: Scene, secret_id: str, api: httpx.Client | None = None, **body: Any
) -> httpx.Response:
    """End a secret, under a new reference unless told."""
    body = {"reference": new_reference(), "secretId": secret_id, **body}
    return (api or scene.api).post("/revoquer-secret", json=body)


def listed(scene: Scene) -> list[dict[str, Any]]:
    """What the partner sees of its secrets."""
    answer = scene.api.get("/get-mes-secrets")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["data"]
    return found


def alive(scene: Scene) -> list[str]:
    """The secrets of the partner that are good, newest first."""
    return [one["secretId"] for one in listed(scene) if one["statut"] in ("ACTIF", "EN_FIN")]


def opens(scene: Scene, secret: str) -> bool:
    """Whether the secret opens a token."""
    auth = (scene.pair.consumer_key, secret)
    answer = scene.nobody.post("/access-token", auth=auth, data=FORM)
    return answer.status_code == 200


def at(text: str) -> datetime:
    """The moment that an answer tells."""
    return datetime.strptime(text, "%d-%m-%Y %H:%M:%S").replace(tzinfo=UTC)


# ── what a partner sees ──────────────────────────────────────────────────────────────────────────
def test_secrets_are_told_without_the_secrets(scene: Scene) -> None:
    wait_until(lambda: bool(listed(scene)[0]["dernierUsage"]), "the use was not noted")
    (only,) = listed(scene)
    today = f"{datetime.now(UTC):%d/%m/%Y}"
    assert only == {
        "secretId": only["secretId"],
        "fin4": scene.pair.consumer_secret[-4:],
        "creeLe": only["creeLe"],
        "expireLe": None,
        "dernierUsage": today,
        "statut": "ACTIF",
    }
    made = item(renew(scene, delaiHeures=2))
    newest, oldest = listed(scene)
    assert newest == {
        "secretId": made["secretId"],
        "fin4": made["fin4"],
        "creeLe": made["creeLe"],
        "expireLe": None,
        "dernierUsage": None,
        "statut": "ACTIF",
    }
    assert oldest == {**only, "expireLe": made["finSecretRemplace"], "statut": "EN_FIN"}
    item(revoke(scene, only["secretId"]))
    assert [one["statut"] for one in listed(scene)] == ["ACTIF", "REVOQUE"]
    item(renew(scene, delaiHeures=0))
    assert [one["statut"] for one in listed(scene)] == ["ACTIF", "EXPIRE", "REVOQUE"]


def _pair(scene: Scene, made: dict[str, Any]) -> Any:
    return scene.pair._replace(consumer_secret=made["consumerSecret"])


def test_day_is_told_of_a_secret_that_opens_an_operation_by_basic(scene: Scene) -> None:
    with scene.world.database.transaction() as connection:
        connection.execute(
            update(secrets)
            .where(secrets.c.partenaire_id.in_(_own(scene)))
            .values(dernier_usage=datetime.now(UTC).date() - timedelta(days=3))
        )
    # The server has noted this secret's day: what it wrote stays, and an earlier day never comes back.
    before = listed(scene)[0]["dernierUsage"]
    assert JOUR.fullmatch(before)
    made = item(renew(scene))
    auth = (scene.pair.consumer_key, made["consumerSecret"])
    assert scene.nobody.get("/mes-droits", auth=auth).status_code == 200
    wait_until(lambda: bool(listed(scene)[0]["dernierUsage"]), "the use was not noted")
    assert listed(scene)[1]["dernierUsage"] == before


def _own(scene: Scene) -> Any:
    return select(partenaires.c.id).where(partenaires.c.consumer_key == scene.pair.consumer_key)


# ── renouvelerSecret ─────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("asked", "hours"), [({}, 24), ({"delaiHeures": 168}, 168)])
def test_new_pair_is_good_beside_the_one_before_for_the_delay(
    scene: Scene, asked: dict[str, Any], hours: int
) -> None:
    before = alive(scene)[0]
    reference = new_reference()
    answer = renew(scene, reference=reference, **asked)
    made = item(answer)
    assert made == {
        "reference": reference,
        "secretId": made["secretId"],
        "consumerKey": scene.pair.consumer_key,
        "consumerSecret": made["consumerSecret"],
        "fin4": made["consumerSecret"][-4:],
        "creeLe": made["creeLe"],
        "secretRemplace": before,
        "finSecretRemplace": made["finSecretRemplace"],
    }
    assert len(made["consumerSecret"]) == 43
    lasts = at(made["finSecretRemplace"]) - at(made["creeLe"])
    assert abs(lasts - timedelta(hours=hours)) <= timedelta(seconds=1)
    assert (answer.headers["Cache-Control"], answer.headers["Pragma"]) == ("no-store", "no-cache")
    assert "Idempotent-Replayed" not in answer.headers
    assert opens(scene, scene.pair.consumer_secret)
    assert opens(scene, made["consumerSecret"])


def test_secret_before_ends_at_once_with_a_delay_of_zero_and_its_tokens_go_on(
    scene: Scene,
) -> None:
    made = item(renew(scene, delaiHeures=0))
    assert not opens(scene, scene.pair.consumer_secret)
    assert opens(scene, made["consumerSecret"])
    assert alive(scene) == [made["secretId"]]


def test_repeat_says_so_and_does_not_tell_the_secret(scene: Scene) -> None:
    reference = new_reference()
    first = item(renew(scene, reference=reference, delaiHeures=1))
    item(revoke(scene, first["secretRemplace"]))
    again = renew(scene, reference=reference, delaiHeures=1)
    assert item(again) == {**first, "consumerSecret": None}
    assert again.headers["Idempotent-Replayed"] == "true"
    assert alive(scene) == [first["secretId"]]
    with scene.world.database.reading() as connection:
        kept = repr(connection.execute(select(gestes)).all())
        kept += repr(connection.execute(select(secrets)).all())
    assert first["consumerSecret"] not in kept


def test_reference_of_other_content_is_refused_and_changes_nothing(scene: Scene) -> None:
    reference = new_reference()
    made = item(renew(scene, reference=reference, delaiHeures=1))
    assert_refused(renew(scene, reference=reference, delaiHeures=2), "4002")
    assert_refused(revoke(scene, made["secretRemplace"], reference=reference), "4002")
    assert alive(scene) == [made["secretId"], made["secretRemplace"]]


def test_references_of_operations_are_others(scene: Scene) -> None:
    reference = new_reference()
    made = item(renew(scene, reference=reference))
    assert credit(scene.api, scene.carte, 500, reference).status_code == 200
    assert item(renew(scene, reference=reference))["secretId"] == made["secretId"]


def test_third_secret_is_refused_until_one_of_two_ends(scene: Scene) -> None:
    reference = new_reference()
    made = item(renew(scene))
    assert_refused(renew(scene, reference=reference), "2105")
    with scene.world.database.transaction() as connection:
        moment = datetime.now(UTC)
        connection.execute(
            update(secrets)
            .where(secrets.c.secret_id == made["secretRemplace"])
            .values(expire_le=moment)
        )
    assert item(renew(scene, reference=reference))["secretRemplace"] == made["secretId"]


@pytest.mark.parametrize("hours", [-1, 169, 1.5, "24", None])
def test_delay_that_is_none_is_refused(scene: Scene, hours: Any) -> None:
    assert_refused(renew(scene, delaiHeures=hours), "405", parametre="delaiHeures")
    assert len(alive(scene)) == 1


# ── revoquerSecret ───────────────────────────────────────────────────────────────────────────────
def test_revoked_secret_and_its_tokens_open_nothing_that_moment(
    scene: Scene, second_url: str
) -> None:
    token = scene.api.headers["Authorization"]
    made = item(renew(scene))
    by_new = scene.world.api_of(_pair(scene, made))
    elsewhere = scene.world.anonymous(second_url)
    elsewhere.headers["Authorization"] = token
    assert debit(elsewhere, scene.carte, 1, new_reference()).status_code == 200
    reference = new_reference()
    asked = {"avecJetons": True, "reference": reference}
    ended = item(revoke(scene, made["secretRemplace"], by_new, **asked))
    assert ended == {
        "reference": reference,
        "secretId": made["secretRemplace"],
        "statut": "REVOQUE",
        "revoqueLe": ended["revoqueLe"],
        "jetonsRevoques": 1,
    }
    assert not opens(scene, scene.pair.consumer_secret)
    for api in (scene.api, elsewhere):
        assert_refused(debit(api, scene.carte, 1, new_reference()), "2001")
    assert debit(by_new, scene.carte, 1, new_reference()).status_code == 200
    again = revoke(scene, made["secretRemplace"], by_new, **asked)
    assert item(again) == ended
    assert again.headers["Idempotent-Replayed"] == "true"


def test_secret_that_stays_has_no_end_any_more(scene: Scene) -> None:
    made = item(renew(scene, delaiHeures=1))
    item(revoke(scene, made["secretId"]))
    (stays, _ended) = listed(scene)
    assert (stays["secretId"], stays["expireLe"], stays["statut"]) == (
        made["secretRemplace"],
        None,
        "ACTIF",
    )
    assert not opens(scene, made["consumerSecret"])


def test_last_secret_is_not_revoked(scene: Scene) -> None:
    (only,) = alive(scene)
    assert_refused(revoke(scene, only), "2106")
    made = item(renew(scene, delaiHeures=0))
    assert_refused(revoke(scene, made["secretId"]), "2106")
    # One that ended by itself may be, and takes its tokens along: the one that asks for it, too.
    assert item(revoke(scene, only, avecJetons=True))["jetonsRevoques"] == 1
    assert_refused(scene.api.get("/get-mes-secrets"), "2001")


@pytest.mark.only_on("postgresql")
def test_last_secret_stays_though_its_use_is_written_down_meanwhile(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The day of its last use is written beside the calls: a secret that is read twice reads otherwise."""
    (only,) = alive(scene)
    beside = create_engine(scene.world.database.url)

    def read_and_use(connection: Connection, partenaire_id: int, secret_id: str) -> Any:
        found = read_secret(connection, partenaire_id, secret_id)
        assert found is not None
        with beside.begin() as other:
            note_usage(other, found.id, date(2039, 12, 31))
        return found

    monkeypatch.setattr("models.rotation.read_secret", read_and_use)
    try:
        assert_refused(revoke(scene, only), "2106")
    finally:
        beside.dispose()
    assert alive(scene) == [only]


def test_tokens_of_a_revoked_secret_live_to_their_end_unless_it_is_asked(scene: Scene) -> None:
    made = item(renew(scene))
    assert item(revoke(scene, made["secretRemplace"]))["jetonsRevoques"] == 0
    assert not opens(scene, scene.pair.consumer_secret)
    assert debit(scene.api, scene.carte, 1, new_reference()).status_code == 200


def test_secret_of_nobody_and_of_another_partner_are_unknown_alike(scene: Scene) -> None:
    other = Scene(scene.world)
    (theirs,) = alive(other)
    item(renew(scene))
    for secret_id in (theirs, "01KB2M9F4D5E6F7G8H9J0K1M2N"):
        assert_refused(revoke(scene, secret_id), "2104")
    assert alive(other) == [theirs]


def test_secret_that_was_revoked_is_revoked_again_without_effect(scene: Scene) -> None:
    made = item(renew(scene))
    first = item(revoke(scene, made["secretId"]))
    second = item(revoke(scene, made["secretId"]))
    assert second == {**first, "reference": second["reference"], "jetonsRevoques": 0}


# ── at once ──────────────────────────────────────────────────────────────────────────────────────
def test_of_renewals_at_once_one_gives_a_secret(scene: Scene, second_url: str) -> None:
    apis = [*copies(scene, 4), *copies(scene, 4, second_url)]
    answers = all_at_once([partial(renew, scene, api) for api in apis])
    assert Counter(answer.json()["code"] for answer in answers) == {200: 1, "2105": 7}
    assert len(alive(scene)) == 2


def test_twins_of_a_renewal_give_one_secret_and_one_tells_it(scene: Scene, second_url: str) -> None:
    apis = [*copies(scene, 3), *copies(scene, 3, second_url)]
    reference = new_reference()
    answers = all_at_once([partial(renew, scene, api, reference=reference) for api in apis])
    told = [item(answer)["consumerSecret"] for answer in answers]
    assert len({item(answer)["secretId"] for answer in answers}) == 1
    assert sum(secret is not None for secret in told) == 1
    assert len(alive(scene)) == 2


def test_of_both_secrets_revoked_at_once_one_stays(scene: Scene, second_url: str) -> None:
    made = item(renew(scene))
    apis = [*copies(scene, 3), *copies(scene, 3, second_url)]
    ids = [made["secretId"], made["secretRemplace"]]
    answers = all_at_once(
        [partial(revoke, scene, ids[turn % 2], api) for turn, api in enumerate(apis)]
    )
    assert Counter(answer.json()["code"] for answer in answers) == {200: 3, "2106": 3}
    with scene.world.database.reading() as connection:
        rows = connection.execute(
            select(secrets.c.secret_id, secrets.c.expire_le).where(
                secrets.c.partenaire_id.in_(_own(scene)), secrets.c.revoque_le.is_(None)
            )
        ).all()
    assert len(rows) == 1
    assert rows[0].expire_le is None


def test_renewals_against_revocations_leave_one_or_two(
    scene: Scene, second_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A deadlock is not hidden by another attempt: it takes a second each time, and would be told as 5001.
    monkeypatch.setattr(runner, "ATTEMPTS", 1)
    (first,) = alive(scene)
    seen: set[int] = set()

    def turn(api: httpx.Client, *, renews: bool) -> set[object]:
        codes: set[object] = set()
        for _ in range(6):
            found = api.get("/get-mes-secrets").json()["data"]
            good = [one["secretId"] for one in found if one["statut"] in ("ACTIF", "EN_FIN")]
            seen.add(len(good))
            newer = [one for one in good if one != first]
            if renews:
                codes.add(renew(scene, api, delaiHeures=168).json()["code"])
            elif newer:
                codes.add(revoke(scene, newer[0], api).json()["code"])
        return codes

    apis = [*copies(scene, 2), *copies(scene, 2, second_url)]
    with ThreadPoolExecutor(len(apis)) as pool:
        turns = [pool.submit(turn, api, renews=number % 2 == 0) for number, api in enumerate(apis)]
        codes = set().union(*(one.result(60) for one in turns))
    assert codes <= {200, "2105", "2106"}
    assert seen <= {1, 2}
    assert len(alive(scene)) in (1, 2)


def test_token_that_is_being_issued_does_not_survive_its_secret(scene: Scene) -> None:
    made = item(renew(scene))
    by_new = scene.world.api_of(_pair(scene, made))
    with ThreadPoolExecutor(2) as pool, holding(models.authentification, "Jeton") as held:
        running = pool.submit(scene.call("accessToken").send, scene.nobody)
        held.wait()
        with noticing_waits(scene.world.database) as wait:
            ending = pool.submit(revoke, scene, made["secretRemplace"], by_new, avecJetons=True)
            if scene.world.database.dialect == "postgresql":
                wait(1)  # on SQLite it waits for its turn: there is one writer
        assert not ending.done()
        held.release()
        answer = running.result(20)
        assert item(ending.result(20))["jetonsRevoques"] == 2
    scene.api.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
    assert_refused(scene.api.get("/mes-droits"), "2001")
    with scene.world.database.reading() as connection:
        left = connection.execute(
            select(jetons).where(jetons.c.partenaire_id.in_(_own(scene)))
        ).all()
    assert len(left) == 1


def test_token_is_not_issued_for_a_secret_that_is_revoked_meanwhile(scene: Scene) -> None:
    made = item(renew(scene))
    database = scene.world.database
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            hold(connection, scene.pair.consumer_key)
            connection.execute(
                update(secrets)
                .where(secrets.c.secret_id == made["secretRemplace"])
                .values(revoque_le=datetime.now(UTC))
            )
            with noticing_waits(database) as wait:
                running = pool.submit(scene.call("accessToken").send, scene.nobody)
                wait(1)
            assert not running.done()
        assert_refused(running.result(20), "2101")
