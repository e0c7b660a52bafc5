"""What the log's line of a refused call tells: who it claimed to be, from where, and what was wrong."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import select, update

from models.authentification import jetons
from models.base import now
from models.database.engine import Database
from models.partenaire import partenaires
from tests.support.acteurs import TESTEUR
from tests.support.live import serving, settings_for, with_limits
from tests.support.log import Log, logged
from tests.support.partners import revoke
from tests.support.raw import exchange
from tests.support.scene import Scene

FORM = {"grant_type": "client_credentials"}


@pytest.fixture
def log() -> Iterator[Log]:
    """What the server writes from now on."""
    with logged() as made:
        yield made


def told(log: Log, answer: httpx.Response) -> dict[str, Any]:
    """What the log tells of the call, but for what every line tells."""
    line = log.line_of(answer.headers["X-Request-Id"])
    assert (line.pop("statut"), line.pop("code")) == (answer.status_code, answer.json()["code"])
    for name in ("methode", "chemin", "operation", "media", "facultatifs"):
        del line[name]
    return line


def line(
    *, partenaire: str | None = None, pretendu: str | None = None, parametre: str | None = None
) -> dict[str, Any]:
    """The same, as it must be for a call from this machine."""
    return {
        "partenaire": partenaire,
        "adresse": "127.0.0.1",
        "pretendu": pretendu,
        "parametre": parametre,
    }


# ── who ──────────────────────────────────────────────────────────────────────────────────────────


def test_wrong_secret_is_told_by_the_key_it_came_with(scene: Scene, log: Log) -> None:
    key = scene.pair.consumer_key
    for told_by in ({"auth": (key, "wrong-secret")}, {"auth": (key.replace("x", "%78"), "wrong")}):
        answer = scene.nobody.get("/mes-droits", **told_by)  # type: ignore[arg-type]
        assert (answer.status_code, told(log, answer)) == (401, line(pretendu=key))
    answer = scene.nobody.post("/access-token", auth=(key, "wrong-secret"), data=FORM)
    assert (answer.status_code, told(log, answer)) == (401, line(pretendu=key))
    pair = {"client_id": key, "client_secret": "wrong-secret"}
    answer = scene.nobody.post("/access-token", data={**FORM, **pair})
    assert (answer.status_code, told(log, answer)) == (401, line(pretendu=key))
    assert "wrong-secret" not in log.getvalue()


def test_refusal_of_a_token_is_told_by_whose_it_is(own_scene: Scene, log: Log) -> None:
    key = own_scene.pair.consumer_key
    limited = own_scene.world.partenaire(
        [own_scene.carte.membre.client_id], scopes=["cartes:lister"]
    )
    balance = own_scene.call("getSoldeCarte")
    answer = balance.send(own_scene.world.api_of(limited))
    assert (answer.status_code, told(log, answer)) == (403, line(partenaire=limited.consumer_key))
    assert balance.send(own_scene.api).status_code == 200
    with own_scene.world.database.transaction() as connection:
        owned = select(partenaires.c.id).where(partenaires.c.consumer_key == key)
        past = now() - timedelta(milliseconds=1)
        expire = update(jetons).where(jetons.c.partenaire_id.in_(owned)).values(expire_le=past)
        connection.execute(expire)
    answer = balance.send(own_scene.api)
    assert (answer.json()["code"], told(log, answer)) == ("2002", line(pretendu=key))


def test_caller_who_was_remembered_and_is_refused_is_no_partner(own_scene: Scene, log: Log) -> None:
    balance = own_scene.call("getSoldeCarte")
    assert balance.send(own_scene.api).status_code == 200
    with own_scene.world.database.transaction() as connection:
        assert revoke(connection, TESTEUR, own_scene.pair.consumer_key)
    answer = balance.send(own_scene.api)
    assert (answer.status_code, told(log, answer)) == (401, line())


def test_foreign_address_is_told_with_the_key(scene: Scene, log: Log) -> None:
    pair = scene.world.partenaire([scene.carte.membre.client_id], adresses=["192.0.2.0/24"])
    answer = scene.nobody.get("/mes-droits", auth=(pair.consumer_key, pair.consumer_secret))
    assert (answer.status_code, told(log, answer)) == (403, line(pretendu=pair.consumer_key))


def test_caller_who_is_known_claims_nothing(scene: Scene, log: Log) -> None:
    answer = scene.call("getSoldeCarte").with_values(numeroCarte="7019").send(scene.api)
    expected = line(partenaire=scene.pair.consumer_key, parametre="numeroCarte")
    assert (answer.status_code, told(log, answer)) == (400, expected)


def test_early_refusal_is_told_by_the_key_that_nobody_has_looked_at(scene: Scene, log: Log) -> None:
    auth = (scene.pair.consumer_key, scene.pair.consumer_secret)
    answer = scene.nobody.post("/debit-carte", auth=auth, content=b"{")
    assert (answer.status_code, told(log, answer)) == (415, line(pretendu=auth[0]))
    answer = scene.nobody.put("/debit-carte", auth=auth)
    assert (answer.status_code, told(log, answer)) == (405, line(pretendu=auth[0]))


def test_one_call_too_many_is_told_by_its_key(
    shared_database: Database, scene: Scene, log: Log
) -> None:
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    limited = with_limits(settings, jeton="1/hour")
    with serving(limited) as base_url, scene.world.anonymous(base_url) as api:
        answers = [scene.call("accessToken").send(api) for _ in range(3)]
    assert answers[-1].status_code == 429  # a new hour may start between two calls
    assert told(log, answers[-1]) == line(pretendu=scene.pair.consumer_key)


@pytest.mark.parametrize(
    ("header", "pretendu"),
    [
        (b"", None),
        (b"Basic", None),
        (b"Basic !", None),
        (b"Basic " + b64encode(b"no-colon-so-it-may-be-a-secret"), None),
        (b"Basic " + b64encode(b":only-a-secret"), None),
        (b"Basic " + b64encode(b"7019800100009569:x"), "701980******9569"),
        (b"Basic " + b64encode("clé\n\x1b[31m:x".encode()), "cl???[31m"),
        (b"Basic " + b64encode(b"s" * 43 + b":x"), "ssssssss..."),
        (b"Basic " + b64encode(b"a" * 40 + b":x"), "a" * 40),
        (b"Bearer " + b"t" * 43, None),
        (b"Digest username=x", None),
    ],
)  # fmt: skip
def test_name_that_is_told_is_plain_and_short_and_no_secret(
    scene: Scene, log: Log, header: bytes, pretendu: str | None
) -> None:
    answer = scene.nobody.get("/mes-droits", headers={b"Authorization": header})
    assert (answer.status_code, told(log, answer)) == (401, line(pretendu=pretendu))
    secrets = ("no-colon", "only-a-secret", "s" * 9, "t" * 9, "7019800100009569")
    assert not [secret for secret in secrets if secret in log.getvalue()]


# ── from where ───────────────────────────────────────────────────────────────────────────────────


def test_address_is_the_one_that_is_believed(
    shared_database: Database, scene: Scene, log: Log
) -> None:
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, proxies=(ip_network("127.0.0.1"),))
    forwarded = {"X-Forwarded-For": "198.51.100.1, 192.0.2.77"}
    with serving(settings) as base_url, scene.world.anonymous(base_url) as api:
        answer = api.get("/mes-droits", headers=forwarded)
    assert told(log, answer)["adresse"] == "192.0.2.77"
    answer = scene.nobody.get("/mes-droits", headers=forwarded)
    assert told(log, answer)["adresse"] == "127.0.0.1"


# ── what ─────────────────────────────────────────────────────────────────────────────────────────


def test_parameter_that_was_wrong_is_named_and_its_value_is_not(scene: Scene, log: Log) -> None:
    key = scene.pair.consumer_key
    debit, token = scene.call("debitCarte"), scene.call("accessToken")
    balance = scene.call("getSoldeCarte")
    for call, api, code, parametre in (
        (balance.with_values(walletId=None), scene.api, "405", "walletId"),
        (balance.with_values(clientId="\u00e9"), scene.api, "405", "clientId"),
        (balance.with_values(surplus="valeur-lue"), scene.api, "405", "surplus"),
        (debit.with_values(montant=-7777777), scene.api, "405", "montant"),
        (debit.with_values(**{"7019-8001-0000-9569": 1}), scene.api, "405", "…"),
        (token.with_values(grant_type="valeur-lue"), scene.nobody, "2102", "grant_type"),
        (balance.with_values(numeroCarte="7019800199999999"), scene.api, "412", None),
    ):
        answer = call.send(api)
        assert answer.json()["code"] == code
        whose = {"partenaire": key} if api is scene.api else {"pretendu": key}
        assert told(log, answer) == line(parametre=parametre, **whose)
    for value in ("valeur-lue", "7777777", "7019800199999999", "7019-8001"):
        assert value not in log.getvalue()


def test_success_tells_what_was_used_and_no_more(scene: Scene, log: Log) -> None:
    answer = scene.call("getSoldeCarte").send(scene.api)
    assert log.line_of(answer.headers["X-Request-Id"]) == {
        "methode": "GET",
        "chemin": "/get-solde-carte",
        "operation": "getSoldeCarte",
        "partenaire": scene.pair.consumer_key,
        "statut": 200,
        "code": "200",
        "media": "application/json",
        "facultatifs": [],
    }


def test_what_is_no_http_is_told_by_its_address(scene: Scene, log: Log) -> None:
    answer = exchange(scene.world.url, b"GET /?secret HTTP/1.1\r\nHost : x\r\n\r\n", "GET")
    expected = {"statut": 400, "code": "1002", "adresse": "127.0.0.1"}
    assert log.line_of(answer.headers["x-request-id"]) == expected


@pytest.mark.parametrize(
    "target",
    [
        *("7019%208001%200000%209569", "7019-8001-0000-9569", "7019.8001.0000.9569"),
        *(
            "7019+8001+0000+9569",
            "7019/8001/0000/9569",
            "7019:8001:0000:9569",
            "7%30198001%30%30%3009569",
        ),
        *("%37%30%31%39%38%30%30%31%30%30%30%30%39%35%36%39", "%2537019800100009569"),
        "%EF%BC%97%EF%BC%90%EF%BC%91%EF%BC%99800100009569",
        "7019%C2%A08001%E2%80%890000%E2%80%939569",
    ],
)
def test_card_number_in_an_unknown_path_is_masked_however_it_is_written(
    scene: Scene, log: Log, target: str
) -> None:
    request = f"GET /cartes/{target} HTTP/1.1\r\nHost: x\r\n\r\n"
    answer = exchange(scene.world.url, request.encode(), "GET")
    told = log.line_of(answer.headers["x-request-id"])
    assert (told["statut"], told["chemin"]) == (404, "/cartes/701980******9569")


def test_card_number_in_a_name_is_in_no_text(scene: Scene, log: Log) -> None:
    for name in (
        "7019800100009569",
        "7019 8001.0000-9569",
        "%37%30%31%39800100009569",
        "７０１９800100009569",
    ):
        answer = scene.call("getSoldeCarte").with_values(**{name: "1"}).send(scene.api)
        assert answer.json()["code"] == "405"
        for text in (answer.text, str(told(log, answer)["parametre"])):
            assert "9569" not in text
            assert "7019" not in text


# ── with what ────────────────────────────────────────────────────────────────────────────────────


def test_optional_inputs_and_media_type_are_named_and_their_values_are_not(
    scene: Scene, log: Log
) -> None:
    history, debit = scene.call("getHistoriqueCarte"), scene.call("debitCarte")
    token = scene.call("accessToken")
    csv = {"Accept": "text/csv"}
    named = {"terminal": "valeur-lue", "motif": "autre-valeur"}
    for answer, media, facultatifs in (
        (history.send(scene.api), "application/json", []),
        (history.with_values(limite=7).send(scene.api), "application/json", ["limite"]),
        (history.with_values(limite=7).send(scene.api, headers=csv), "text/csv", ["limite"]),
        (debit.with_values(**named).send(scene.api), "application/json", ["motif", "terminal"]),
        # The name of the other field of the pair looks like that of a secret, which it is.
        (token.send(scene.nobody), "application/json", ["client_id"]),
        (
            history.with_values(numeroCarte="7019800199999999", limite=7).send(scene.api),
            "application/json",
            ["limite"],
        ),
        (history.with_values(limite="x").send(scene.api), None, None),
        (history.send(scene.nobody), None, None),
        (history.send(scene.api, headers={"Accept": "image/png"}), None, None),
    ):
        line = log.line_of(answer.headers["X-Request-Id"])
        assert (line["media"], line["facultatifs"]) == (media, facultatifs), line
    assert "valeur" not in log.getvalue()


def test_optional_parameter_is_recognised_however_its_name_is_written(
    scene: Scene, log: Log
) -> None:
    query = urlencode(scene.call("getHistoriqueCarte").values)
    for more in ("limite=7", "%6Cimit%65=7", "&limite=7&"):
        answer = scene.api.get(f"/get-historique-carte?{query}&{more}")
        assert answer.status_code == 200
        line = log.line_of(answer.headers["X-Request-Id"])
        assert line["facultatifs"] == ["limite"]
