"""The refusals that HTTP, the contract's checks and accidents call for, on every operation alike."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from typing import Any, NamedTuple, NoReturn

import httpx
import pytest
from sqlalchemy import text, update

from handlers.contract.reading import load
from handlers.edge.resolver import HandlerResolver
from models.carte import cartes
from models.database.engine import Database
from models.database.presence import read_etat
from models.migrate import expected_revision
from tests.support.accidents import Outage, core_of
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import CATALOGUE, PARTENAIRE, ROOT, resolve
from tests.support.partners import suspend
from tests.support.quota import assert_told, policy_of
from tests.support.scene import (
    ALL,
    CONTRACT,
    MONEY,
    ROTATION,
    WITH_BODY,
    WITH_FORM,
    WITH_JSON,
    WITHOUT_BODY,
    Call,
    Scene,
    answering,
    assert_refused,
    body_schema,
)
from tests.support.scenes import NewWorld
from tests.support.world import World

MAX_BODY = 65_536
JSON = {"Content-Type": "application/json"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@pytest.fixture
def scene(standing: Scene) -> Scene:
    """One scene for all: nothing here depends on what the other tests did."""
    return standing


def query_parameters() -> list[tuple[str, str, bool]]:
    """Operation, parameter, required or not, of the whole contract."""
    return [
        (name, parameter["name"], parameter["required"])
        for name in ALL
        for parameter in map(resolve, CONTRACT[name].get("parameters", []))
    ]


def with_query(call: Call, query: str) -> Call:
    """The call with this text behind its parameters."""
    given = str(httpx.QueryParams(call.options.get("params", {})))
    path = f"{call.path}?{given}&{query}" if given else f"{call.path}?{query}"
    options = {name: value for name, value in call.options.items() if name != "params"}
    return call._replace(path=path, options=options)


# ── 405: parameters and fields ───────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("query", ["surplus=1", "surplus", "surplus=%ff", "surplus=1&surplus=1"])
def test_undeclared_parameter_is_refused(scene: Scene, operation: str, query: str) -> None:
    answer = with_query(scene.call(operation), query).send(scene.caller(operation))
    assert_refused(answer, "405", parametre="surplus")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("", "?"),
        ("a b/é", "a?b??"),
        ("x7019800100009569", "x…"),
        ("x" * 40, "x" * 40),
        ("x" * 41, "x" * 8 + "..."),
    ],
)
def test_undeclared_name_is_told_in_few_plain_characters(
    scene: Scene, name: str, told: str
) -> None:
    call = scene.call("getSoldeCarte")
    answer = with_query(call, str(httpx.QueryParams({name: "1"}))).send(scene.api)
    assert_refused(answer, "405", parametre=told)


@pytest.mark.parametrize(
    ("operation", "name"), [(op, name) for op, name, required in query_parameters() if required]
)
def test_missing_parameter_is_refused(scene: Scene, operation: str, name: str) -> None:
    answer = scene.call(operation).with_values(**{name: None}).send(scene.api)
    assert_refused(answer, "405", parametre=name)


@pytest.mark.parametrize(("operation", "name"), [(op, name) for op, name, _ in query_parameters()])
def test_malformed_parameter_is_refused(scene: Scene, operation: str, name: str) -> None:
    values = ["", " ", "é", "１２３４５６７８９０１２３", "x" * 500, "-1\n", "'; --"]
    if name not in ("clientId", "membreId", "reference"):
        values += ["null", "1.0"]
    for value in values:
        answer = scene.call(operation).with_values(**{name: value}).send(scene.api)
        assert_refused(answer, "405", parametre=name)


@pytest.mark.parametrize(("operation", "name"), [(op, name) for op, name, _ in query_parameters()])
def test_valid_parameter_with_a_line_end_is_refused(
    scene: Scene, operation: str, name: str
) -> None:
    call = scene.call(operation)
    value = f"{call.options['params'].get(name, '1')}\n"
    answer = call.with_values(**{name: value}).send(scene.api)
    assert_refused(answer, "405", parametre=name)


@pytest.mark.parametrize(("operation", "name"), [(op, name) for op, name, _ in query_parameters()])
def test_repeated_or_undecodable_parameter_is_refused(
    scene: Scene, operation: str, name: str
) -> None:
    call = scene.call(operation)
    value = call.options["params"].get(name, "1")
    call = call.with_values(**{name: value})
    assert_refused(with_query(call, f"{name}={value}").send(scene.api), "405", parametre=name)
    without = call.with_values(**{name: None})
    assert_refused(with_query(without, f"{name}=%ff").send(scene.api), "405", parametre=name)


BODY_FIELDS = [(op, name) for op in WITH_BODY for name in body_schema(op)["properties"]]
REQUIRED_FIELDS = [(op, name) for op in WITH_BODY for name in body_schema(op)["required"]]


@pytest.mark.parametrize(("operation", "name"), REQUIRED_FIELDS)
def test_missing_field_is_refused(scene: Scene, operation: str, name: str) -> None:
    answer = scene.call(operation).with_values(**{name: None}).send(scene.caller(operation))
    assert_refused(answer, "405", parametre=name)


@pytest.mark.parametrize("operation", WITH_JSON)
def test_undeclared_field_is_refused(scene: Scene, operation: str) -> None:
    answer = scene.call(operation).with_values(surplus="1").send(scene.caller(operation))
    assert_refused(answer, "405", parametre="surplus")


MONEY_FIELDS = [(op, name) for op, name in BODY_FIELDS if op in MONEY]


@pytest.mark.parametrize(("operation", "name"), MONEY_FIELDS)
def test_malformed_field_is_refused_and_moves_nothing(
    scene: Scene, operation: str, name: str
) -> None:
    before = scene.world.solde(scene.carte)
    call = scene.call(operation)
    body = json.dumps({**call.options["json"], name: "@"})
    for value in ("null", '""', "[]", "{}", "true", "-1", r'"\ud800"', r'"a\u0000"', r'"a\n"'):
        raw = body.replace('"@"', value).encode()
        answer = scene.api.post(call.path, content=raw, headers=JSON)
        assert_refused(answer, "405", parametre=name)
    assert scene.world.solde(scene.carte) == before


@pytest.mark.parametrize("operation", MONEY)
@pytest.mark.parametrize(
    ("montant", "code"),
    [
        ("0", "405"),
        ("-1", "405"),
        ("1000000001", "405"),
        ("0.5", "405"),
        ("1000.5", "405"),
        ("1000.0", "405"),
        ("1e3", "405"),
        ('"1000"', "405"),
        ("1" + "0" * 30, "405"),
        ("1" + "0" * 5000, "1001"),
        ("1e400", "1001"),
        ("01000", "1001"),
    ],
)
def test_amount_that_is_no_amount_is_refused(
    scene: Scene, operation: str, montant: str, code: str
) -> None:
    before = scene.world.solde(scene.carte)
    call = scene.call(operation)
    raw = json.dumps({**call.options["json"], "montant": "@"}).replace('"@"', montant)
    answer = scene.api.post(call.path, content=raw.encode(), headers=JSON)
    assert_refused(answer, code, **({"parametre": "montant"} if code == "405" else {}))
    assert scene.world.solde(scene.carte) == before


@pytest.mark.parametrize("name", ["client_id", "client_secret"])
@pytest.mark.parametrize("value", ["é", "x" * 500, "a\n"])
def test_malformed_field_of_the_form_is_refused(scene: Scene, name: str, value: str) -> None:
    answer = scene.call("accessToken").with_values(**{name: value}).send(scene.nobody)
    assert_refused(answer, "405", parametre=name)


def test_repeated_field_of_the_form_is_refused(scene: Scene) -> None:
    answer = scene.nobody.post(
        "/access-token",
        content=b"grant_type=client_credentials&grant_type=client_credentials",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    assert_refused(answer, "405", parametre="grant_type")


# ── 1xxx: HTTP ───────────────────────────────────────────────────────────────────────────────────
def media_type(operation: str) -> dict[str, str]:
    """The Content-Type of the operation."""
    return FORM if operation in WITH_FORM else JSON


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        (operation, body)
        for operation in WITH_JSON
        for body in (
            b"",
            b"{",
            b"[]",
            b"null",
            b'"text"',
            b'{"montant": NaN}',
            b'{"montant": Infinity}',
            b'{"montant": 1, "montant": 1}',
            b'{"motif": "\xff"}',
            b'\xef\xbb\xbf{"montant": 1}',
            b"[" * 5_000,
            b'{"motif":' * 5_000,
        )
    ]
    + [(operation, body) for operation in WITH_FORM for body in (b"grant%ff=1", b"\xff=1")],
)
def test_unreadable_body_is_refused(scene: Scene, operation: str, body: bytes) -> None:
    answer = scene.caller(operation).post(
        scene.call(operation).path, content=body, headers=media_type(operation)
    )
    assert_refused(answer, "1001")


@pytest.mark.parametrize("operation", WITHOUT_BODY)
def test_get_with_a_body_is_refused(scene: Scene, operation: str) -> None:
    assert_refused(scene.call(operation).send(scene.api, content=b"{}"), "1002")
    chunks = scene.call(operation).send(scene.api, content=iter([b"{}"]))
    assert_refused(chunks, "1002")


@pytest.mark.parametrize("operation", ALL)
def test_parameter_name_that_is_no_text_is_refused(scene: Scene, operation: str) -> None:
    answer = with_query(scene.call(operation), "%ff=1").send(scene.caller(operation))
    assert_refused(answer, "1002")


@pytest.mark.parametrize("operation", ALL)
def test_address_that_is_too_long_is_refused(scene: Scene, operation: str) -> None:
    answer = with_query(scene.call(operation), "x" * 9_000).send(scene.caller(operation))
    assert_refused(answer, "1002")


@pytest.mark.parametrize("operation", ALL)
def test_too_many_or_too_long_headers_are_refused(scene: Scene, operation: str) -> None:
    call, client = scene.call(operation), scene.caller(operation)
    many = {f"X-Header-{number}": "1" for number in range(120)}
    assert_refused(call.send(client, headers=many), "1002")
    assert_refused(call.send(client, headers={"X-Header": "x" * 40_000}), "1002")


@pytest.mark.parametrize("operation", ALL)
def test_other_format_than_json_is_refused(scene: Scene, operation: str) -> None:
    for accept in ("text/html", "application/xml, image/*;q=0.5", "application/json;q=0"):
        call = scene.call(operation)
        answer = call.send(scene.caller(operation), headers={"Accept": accept})
        assert_refused(answer, "1005")


@pytest.mark.parametrize("operation", ALL)
def test_format_that_admits_json_is_served(scene: Scene, operation: str) -> None:
    for accept in ("", "*/*", "application/*", "text/html, */*;q=0.1", "Application/JSON; q=0.5"):
        call = scene.call(operation)
        answer = call.send(scene.caller(operation), headers={"Accept": accept})
        assert answer.status_code == 200


@pytest.mark.parametrize("operation", WITH_BODY)
def test_body_above_the_maximum_is_refused(scene: Scene, operation: str) -> None:
    call, client, headers = (
        scene.call(operation),
        scene.caller(operation),
        media_type(operation),
    )
    maximum = CONTRACT[operation].get("x-corps-maximal", MAX_BODY)
    too_large = b" " * (maximum + 1)
    assert_refused(client.post(call.path, content=too_large, headers=headers), "1006")
    chunks = iter([b" " * maximum, b" "])
    assert_refused(client.post(call.path, content=chunks, headers=headers), "1006")


@pytest.mark.parametrize("operation", MONEY)
def test_body_of_the_maximum_is_served(scene: Scene, operation: str) -> None:
    call = scene.call(operation)
    body = json.dumps(call.options["json"]).encode().ljust(MAX_BODY)
    assert scene.api.post(call.path, content=body, headers=JSON).status_code == 200
    other = json.dumps(scene.call(operation).options["json"]).encode().ljust(MAX_BODY)
    chunks = iter([other[:1000], other[1000:]])
    assert scene.api.post(call.path, content=chunks, headers=JSON).status_code == 200


@pytest.mark.parametrize("operation", WITH_BODY)
def test_other_content_type_is_refused(scene: Scene, operation: str) -> None:
    call, client = scene.call(operation), scene.caller(operation)
    expected = media_type(operation)["Content-Type"]
    other = (JSON if operation in WITH_FORM else FORM)["Content-Type"]
    for content_type in (other, "text/plain", f"{expected}; charset=iso-8859-1", "", "*/*"):
        answer = client.post(call.path, content=b"{}", headers={"Content-Type": content_type})
        assert_refused(answer, "1007")
    assert_refused(client.post(call.path, content=b"{}"), "1007")
    compressed = {"Content-Type": expected, "Content-Encoding": "gzip"}
    answer = client.post(call.path, content=gzip.compress(b"{}"), headers=compressed)
    assert_refused(answer, "1007")


@pytest.mark.parametrize("operation", MONEY)
@pytest.mark.parametrize(
    "content_type", ["application/json; charset=utf-8", 'Application/JSON;charset="UTF-8"']
)
def test_utf8_content_type_is_served(scene: Scene, operation: str, content_type: str) -> None:
    answer = scene.call(operation).send(scene.api, headers={"Content-Type": content_type})
    assert answer.status_code == 200


@pytest.mark.parametrize("operation", answering("1008"))
def test_call_above_the_rate_is_refused_and_says_when_to_return(
    world: World, limited_url: str, operation: str
) -> None:
    scene = Scene(world)
    client = world.anonymous(limited_url)
    client.headers.update(scene.caller(operation).headers)
    # A new hour may start between two calls, never between three.
    answers = [scene.call(operation).send(client) for _ in range(3)]
    refused = [answer for answer in answers if answer.status_code != 200]
    assert_refused(refused[0], "1008")
    assert 1 <= int(refused[0].headers["Retry-After"]) <= 3600
    for name in ("RateLimit-Policy", "RateLimit"):
        counted_as = refused[0].headers[name].partition(";")[0]
        assert counted_as == f'"{CONTRACT[operation]["x-classe-debit"]}"'


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", ALL)
def test_answer_tells_the_limit_of_its_class_where_it_is_counted(
    scene: Scene, operation: str
) -> None:
    policy = policy_of(PARTENAIRE, operation)
    call, caller = scene.call(operation), scene.caller(operation)
    for answer in (call.send(caller), call.send(caller, params={"surplus": "1"})):
        assert_told(answer, policy)


def test_rate_of_one_partner_is_not_another_s(world: World, limited_url: str) -> None:
    for each in (Scene(world), Scene(world)):
        client = world.anonymous(limited_url)
        client.headers.update(each.api.headers)
        assert each.call("getSoldeCarte").send(client).status_code == 200


# ── 9999 and 5001: accidents ─────────────────────────────────────────────────────────────────────
HANDLERS = HandlerResolver(load(ROOT / "openapi.yaml")).handlers


@pytest.mark.parametrize("operation", ALL)
@pytest.mark.parametrize("language", ["fr", "en"])
def test_fault_of_ours_is_answered_without_its_details(
    scene: Scene, operation: str, language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError("SELECT secret FROM postgresql://user:password@host/path")

    before = scene.world.solde(scene.carte)
    module, name = core_of(next(iter(HANDLERS[operation].values())))
    monkeypatch.setattr(module, name, fail)
    answer = scene.call(operation).send(
        scene.caller(operation), headers={"Accept-Language": language}
    )
    assert_refused(answer, "9999", language=language)
    assert scene.world.solde(scene.carte) == before


class Away(NamedTuple):
    """A scene whose database went away after it was made, with its calls."""

    scene: Scene
    calls: dict[str, Call]

    def send(self, operation: str) -> httpx.Response:
        """The answer to a call of the operation."""
        return self.calls[operation].send(self.scene.caller(operation))


@pytest.fixture(scope="module")
def away(own_world: NewWorld) -> Iterator[Away]:
    """One for all: nothing can be changed while its database is away."""
    with own_world() as world:
        scene = Scene(world)
        calls = {name: scene.call(name) for name in ALL}
        outage = Outage(world.database)
        outage.begin()
        yield Away(scene, calls)
        outage.end()


@pytest.mark.parametrize("operation", answering("5001"))
def test_database_that_is_away_is_answered_with_503(away: Away, operation: str) -> None:
    answer = away.send(operation)
    assert_refused(answer, "5001")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("operation", [name for name in ALL if name not in answering("5001")])
def test_operation_without_a_database_is_served_while_it_is_away(
    away: Away, operation: str
) -> None:
    assert away.send(operation).status_code == 200


# ── 2010 and 2004: whose pair it is, and where it comes from ─────────────────────────────────────
@pytest.mark.parametrize("operation", answering("2010"))
def test_pair_of_a_partner_that_has_to_ask_for_tokens_is_refused(
    scene: Scene, operation: str
) -> None:
    pair = scene.world.partenaire([], basic=False)
    answer = scene.call(operation).send(scene.nobody, auth=httpx.BasicAuth(*pair))
    assert_refused(answer, "2010")


def test_pair_that_ends_a_token_from_another_address_is_refused(scene: Scene) -> None:
    pair = scene.world.partenaire([], adresses=["192.0.2.0/24"])
    answer = scene.nobody.post("/revoquer-jeton", auth=httpx.BasicAuth(*pair), data={"token": "x"})
    assert_refused(answer, "2004")


def test_suspended_partner_is_told_so_whatever_it_calls(own_scene: Scene) -> None:
    calls = {name: own_scene.call(name) for name in answering("2005") if name not in ROTATION}
    with own_scene.world.database.transaction() as connection:
        assert suspend(connection, TESTEUR, own_scene.pair.consumer_key)
    for name, call in calls.items():
        assert_refused(call.send(own_scene.caller(name)), "2005")


@pytest.fixture(scope="module")
def fragile(own_world: NewWorld) -> Iterator[World]:
    """A world whose database each test may break, and repairs."""
    with own_world() as world:
        yield world


def test_service_returns_with_its_database_and_the_retried_debit_is_done_once(
    fragile: World,
) -> None:
    scene, outage = Scene(fragile), Outage(fragile.database)
    debit = scene.call("debitCarte")
    outage.begin()
    assert_refused(debit.send(scene.api), "5001")
    outage.end()
    fragile.database.engine.dispose()  # the connections of the test itself are gone, too
    first, second = debit.send(scene.api), debit.send(scene.api)
    assert (first.status_code, second.content) == (200, first.content)
    assert scene.call("healthReady").send(scene.api).status_code == 200
    assert fragile.solde(scene.carte) == 9_000
    fragile.check_books(scene.carte)


def test_busy_database_is_answered_with_503_and_the_reference_stays_free(fragile: World) -> None:
    scene = Scene(fragile)
    debit = scene.call("debitCarte")
    blocker = Database(fragile.database.url.render_as_string(hide_password=False))
    with blocker.transaction() as connection:
        connection.execute(
            update(cartes).where(cartes.c.id == scene.carte.id).values(version=cartes.c.version)
        )
        assert_refused(debit.send(scene.api), "5001")
    blocker.close()
    answer = debit.send(scene.api)
    assert (answer.status_code, answer.json()["data"][0]["soldeOnline"]) == (200, 9000.0)
    assert "Idempotent-Replayed" not in answer.headers


def test_database_of_another_migration_is_not_ready(fragile: World) -> None:
    def migrate_to(revision: str, compatible: str | None) -> None:
        with fragile.database.transaction() as connection:
            connection.execute(
                text("UPDATE alembic_version SET version_num = :now, compatible_depuis = :since"),
                {"now": revision, "since": compatible},
            )

    with fragile.database.reading() as connection:
        before = read_etat(connection)
    # A later one that needed a stop, one of which nobody knows, and one of before.
    for revision, compatible in (("9999", "9999"), ("other", None), ("0001", "0001")):
        migrate_to(revision, compatible)
        assert_refused(fragile.anonymous().get("/health/ready"), "5001")
        assert fragile.anonymous().get("/health/live").json() == {"statut": "ok"}
    # A later one beside which this version goes on serving.
    migrate_to("9999", expected_revision())
    assert fragile.anonymous().get("/health/ready").json() == {"statut": "ok"}
    assert before.revision == expected_revision()
    migrate_to(expected_revision(), before.compatible_depuis)
    assert fragile.anonymous().get("/health/ready").json() == {"statut": "ok"}


# ── successes that have no file of their own ─────────────────────────────────────────────────────
@pytest.mark.parametrize("path", ["/health/live", "/health/ready"])
def test_health_is_ok(world: World, path: str) -> None:
    answer = world.anonymous().get(path)
    assert (answer.status_code, answer.json()) == (200, {"statut": "ok"})


@pytest.mark.parametrize(
    ("language", "message"),
    [("fr", "Codes d'erreur de l'API CYNOD"), ("en", "Error codes of the CYNOD API")],
)
def test_catalogue_is_the_contract_s(world: World, language: str, message: str) -> None:
    answer = world.anonymous().get("/codes-erreur", headers={"Accept-Language": language})
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": message,
        "data": [
            {
                "code": entry["code"],
                "nom": entry["nom"],
                "statutHttp": entry["statut"],
                "message": entry["message"],
                "conseil": entry["conseil"],
                "reessayer": entry["reessayer"],
            }
            for entry in CATALOGUE.values()
        ],
    }
