"""A refusal tells where the request is wrong, by what id it is known, and where its code is explained."""

from __future__ import annotations

import json
import sys
from types import FrameType
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from handlers.edge.checks import BodyCheck
from handlers.edge.faults import MAX_FAULTS
from handlers.edge.places import Locator
from handlers.edge.refusals import EntreesInvalides
from models.database.engine import Database
from tests.contract.test_catalogue import SERVED
from tests.support.contract_client import BY_ID, CATALOGUE, Json, places_of
from tests.support.live import URL_PUBLIQUE, serving, settings_for, with_limits
from tests.support.scene import Call, Scene
from tests.support.world import World

LIGNE = {"reference": "PAY-1", "montant": 500, "type": "DEBIT"}
CARD = "7019800100009569"


def invalid(name: str) -> str:
    return f"Paramètre {name} manquant ou invalide"


def compare(scene: Scene, corps: Json, **headers: str) -> httpx.Response:
    return scene.api.post("/verifier-references", json=corps, headers=headers)


def body_places(corps: Any) -> list[str]:
    """The places that are told of a body of verifierReferences."""
    operation = SERVED.operations["verifierReferences"]
    return places_found(operation.operation_id, corps)


def places_found(operation_id: str, corps: Json) -> list[str]:
    """The places that are told of a body; none when it is taken."""
    body = SERVED.operations[operation_id].body
    assert body is not None
    try:
        BodyCheck(SERVED, body)(json.dumps(corps).encode())
    except EntreesInvalides as refusal:
        return [fault.emplacement for fault in refusal.faults]
    return []


# ── what is told ─────────────────────────────────────────────────────────────────────────────────


def test_faults_of_a_body_are_told_together(scene: Scene) -> None:
    lignes = [LIGNE, LIGNE, {**LIGNE, "montant": 0}, {"reference": "PAY-4", "type": "X"}]
    corps = {"jour": "hier", "lignes": lignes, "surplus": 1}
    places = ["jour", "lignes[2].montant", "lignes[3].montant", "lignes[3].type", "surplus"]
    answer = compare(scene, corps, **{"X-Request-Id": "partenaire-1"})
    assert answer.status_code == 400
    assert answer.json() == {
        "success": False,
        "code": "405",
        "message": invalid("jour"),
        "debugMessage": None,
        "moreInfo": None,
        "requestId": "partenaire-1",
        "documentation": f"{URL_PUBLIQUE}/#code-405",
        "erreurs": [
            {"dans": "CORPS", "emplacement": place, "code": "405", "message": invalid(place)}
            for place in places
        ],
    }


def test_text_names_the_field_as_before_and_the_place_stands_beside_it(scene: Scene) -> None:
    answer = compare(scene, {"lignes": [LIGNE, LIGNE, {**LIGNE, "montant": "500"}]})
    assert answer.json()["message"] == invalid("lignes")
    assert places_of(answer) == ["CORPS lignes[2].montant"]


def test_places_are_told_in_the_language_of_the_text(scene: Scene) -> None:
    answer = compare(scene, {"lignes": [{**LIGNE, "type": "X"}]}, **{"Accept-Language": "en"})
    text = CATALOGUE["405"]["message"]["en"]
    assert answer.json()["message"] == text.format(parametre="lignes")
    (place,) = answer.json()["erreurs"]
    assert place["message"] == text.format(parametre="lignes[0].type")


def test_faults_of_the_parameters_are_told_together(scene: Scene) -> None:
    query = "clientId=C&numeroCarte=1&autre=x&walletId=%FF&clientId=C"
    answer = scene.api.get(f"/get-solde-carte?{query}")
    assert answer.json()["message"] == invalid("numeroCarte")
    assert places_of(answer) == [
        f"PARAMETRE {name}" for name in ("numeroCarte", "walletId", "clientId", "autre")
    ]


def test_faults_of_a_form_are_told_together_each_with_its_code(scene: Scene) -> None:
    form = "grant_type=password&client_id=a&client_id=b&client_secret=%FF&inconnu=1"
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = scene.nobody.post("/access-token", content=form, headers=headers)
    assert (answer.json()["code"], answer.json()["error"]) == ("2102", "unsupported_grant_type")
    told = [(one["emplacement"], one["code"]) for one in answer.json()["erreurs"]]
    assert told == [("grant_type", "2102"), ("client_id", "405"), ("client_secret", "405")]


def test_at_most_twenty_places_are_told(scene: Scene) -> None:
    answer = compare(scene, {"lignes": [LIGNE] * 3 + [{**LIGNE, "montant": 0}] * 30})
    assert places_of(answer) == [f"CORPS lignes[{number}].montant" for number in range(3, 23)]
    query = "&".join(f"p{number}=1" for number in range(30))
    answer = scene.api.get(f"/mes-droits?{query}")
    assert places_of(answer) == [f"PARAMETRE p{number}" for number in range(20)]


@pytest.mark.parametrize(
    ("lignes", "place"),
    [
        ([LIGNE] * 1001, "lignes"),
        ("une ligne", "lignes"),
        ([LIGNE, None], "lignes[1]"),
        ([LIGNE, [LIGNE]], "lignes[1]"),
    ],
)
def test_place_is_the_smallest_part_that_is_wrong(lignes: Any, place: str) -> None:
    assert body_places({"lignes": lignes}) == [place]


def test_value_that_was_sent_is_in_no_place(scene: Scene) -> None:
    names = {CARD: 1, "7019 8001.0000-9569": 1, "x" * 500: 1, "é\n": 1}
    answer = compare(scene, {"lignes": [{**LIGNE, "montant": CARD, **names}], CARD: CARD})
    assert places_of(answer)[0] == "CORPS lignes[0].montant"
    assert len(places_of(answer)) == 6
    assert "9569" not in answer.text
    assert max(len(one["emplacement"]) for one in answer.json()["erreurs"]) <= 75


# ── every refusal ────────────────────────────────────────────────────────────────────────────────


def debit(scene: Scene, **headers: str) -> Call:
    call = scene.call("debitCarte")
    content = json.dumps(call.options["json"])
    return Call(
        call.method,
        call.path,
        {"content": content, "headers": {"Content-Type": "application/json", **headers}},
    )


@pytest.mark.parametrize(
    ("code", "headers", "place"),
    [
        ("1005", {"Accept": "text/csv"}, "ENTETE Accept"),
        ("1002", {"Accept": "a" * 9_000}, "ENTETE Accept"),
        ("1007", {"Content-Type": "text/plain"}, "ENTETE Content-Type"),
        ("1007", {"Content-Encoding": "gzip"}, "ENTETE Content-Encoding"),
        ("1002", {"Host": "a/b"}, "ENTETE Host"),
        ("2001", {"Authorization": "Bearer x"}, "ENTETE Authorization"),
    ],
)
def test_refused_header_is_named(
    scene: Scene, code: str, headers: dict[str, str], place: str
) -> None:
    answer = debit(scene, **headers).send(scene.api)
    assert (answer.json()["code"], places_of(answer)) == (code, [place])


@pytest.mark.parametrize(
    ("code", "content"), [("1001", b'{"montant": 1, "montant": 2}'), ("1006", b"1" * 70_000)]
)
def test_body_that_is_not_read_is_the_place(scene: Scene, code: str, content: bytes) -> None:
    answer = debit(scene).send(scene.api, content=content)
    assert (answer.json()["code"], places_of(answer)) == (code, ["CORPS corps"])


def test_refusal_of_the_core_names_what_it_is_about(own_scene: Scene) -> None:
    call = own_scene.call("debitCarte")
    assert call.send(own_scene.api).status_code == 200
    other = call.with_values(montant=call.values["montant"] + 1).send(own_scene.api)
    assert (other.json()["code"], places_of(other)) == ("4002", ["CORPS reference"])
    much = call.with_values(montant=1_000_000, reference="R-2").send(own_scene.api)
    assert (much.json()["code"], places_of(much)) == ("4001", ["CORPS montant"])
    nobody = call.with_values(clientId="ABSENT", reference="R-3").send(own_scene.api)
    assert (nobody.json()["code"], places_of(nobody)) == ("412", [])


def test_refused_pair_is_named_where_it_stood(scene: Scene) -> None:
    form = {"grant_type": "client_credentials"}
    in_header = scene.nobody.post("/access-token", data=form, auth=("personne", "rien"))
    assert places_of(in_header) == ["ENTETE Authorization"]
    pair = {"client_id": "personne", "client_secret": "rien"}
    in_form = scene.nobody.post("/access-token", data={**form, **pair})
    assert places_of(in_form) == ["CORPS client_id"]


def test_refusal_without_a_place_says_so(scene: Scene) -> None:
    for method, path, code in (("GET", "/nowhere", "1003"), ("PUT", "/debit-carte", "1004")):
        answer = scene.api.request(method, path)
        assert (answer.json()["code"], answer.json()["erreurs"]) == (code, [])


def test_partner_who_calls_too_often_is_told_by_id(database: Database) -> None:
    url = database.url.render_as_string(hide_password=False)
    with serving(with_limits(settings_for(url), lecture="1/hour"), database) as base:
        world = World(database, base)
        api = world.api(world.carte(1_000))
        assert api.get("/mes-droits").status_code == 200
        answer = api.get("/mes-droits", headers={"X-Request-Id": "trop-1"})
        world.close()
    assert (answer.json()["code"], answer.json()["requestId"]) == ("1008", "trop-1")
    assert (answer.json()["documentation"], answer.json()["erreurs"]) == (
        f"{URL_PUBLIQUE}/#code-1008",
        [],
    )


# ── any request ──────────────────────────────────────────────────────────────────────────────────

SEVERAL = settings(
    max_examples=60,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
GOOD, ABSENT = "good", "absent"
WRONG: st.SearchStrategy[Any] = st.sampled_from(
    [None, -1, "", [], {}, True, 1.5, "\u2603", {"montant": 1}]
)
STATES = st.one_of(st.just(GOOD), st.just(ABSENT), st.tuples(WRONG))
"""A field that is as it should be, one that is missing, or one with a wrong value."""
UNKNOWN = st.lists(st.from_regex(r"[a-z]{3,8}_", fullmatch=True), max_size=2, unique=True)


def mutate(valid: Json, required: list[str], states: Json, unknown: list[str]) -> tuple[Json, Any]:
    """A valid object with fields of these states and others that it must not have; the wrong ones."""
    made = dict(valid)
    wrong = []
    for name in valid:
        state = states.get(name, GOOD)
        if state == ABSENT:
            del made[name]
            wrong += [name] if name in required else []
        elif state != GOOD:
            made[name] = state[0]
            wrong.append(name)
    return {**made, **dict.fromkeys(unknown, 1)}, wrong + unknown


@SEVERAL
@given(st.data())
def test_places_of_a_credit_are_exactly_what_was_made_wrong(data: st.DataObject) -> None:
    body = SERVED.operations["creditCarte"].body
    assert body is not None
    schema = SERVED.resolve(body.schema)
    debit = SERVED.operations["debitCarte"].body
    assert debit is not None, "whose examples have the fields that a credit's have not"
    examples = [*debit.content["examples"].values(), *body.content["examples"].values()]
    example = {
        key: item for node in examples for key, item in SERVED.resolve(node)["value"].items()
    }
    # A motif is free: what is no value of the others is one of its.
    valid = {name: example[name] for name in schema["properties"] if name != "motif"}
    states = data.draw(st.fixed_dictionaries(dict.fromkeys(valid, STATES)))
    corps, wrong = mutate(valid, schema["required"], states, data.draw(UNKNOWN))
    assert places_found("creditCarte", corps) == wrong


@SEVERAL
@given(
    st.sampled_from([GOOD, ABSENT, ("hier",), (1,)]),
    st.lists(
        st.one_of(
            st.tuples(WRONG.filter(lambda value: not isinstance(value, dict))),
            st.tuples(st.fixed_dictionaries(dict.fromkeys(LIGNE, STATES)), UNKNOWN),
            st.just(({}, [])),
        ),
        max_size=40,
    ),
    UNKNOWN,
)
def test_places_of_a_reconciliation_are_exactly_what_was_made_wrong(
    jour: Any, lignes: list[Any], unknown: list[str]
) -> None:
    sent: list[Any] = []
    wrong: list[str] = []
    for number, ligne in enumerate(lignes):
        place = f"lignes[{number}]"
        if len(ligne) == 1:
            sent.append(ligne[0])
            wrong.append(place)
        else:
            made, inside = mutate(LIGNE, list(LIGNE), *ligne)
            sent.append(made)
            wrong += [f"{place}.{name}" for name in inside]
    day = {"jour": "23/11/2026"}
    corps, outside = mutate({**day, "lignes": sent}, [], {"jour": jour}, unknown)
    expected = [name for name in outside if name == "jour"] + wrong
    expected += [name for name in outside if name != "jour"]
    assert body_places(corps) == expected[:MAX_FAULTS]


# ── its work ─────────────────────────────────────────────────────────────────────────────────────


class Calls:
    """Counts the functions of Python that are called."""

    count = 0

    def __call__(self, _frame: FrameType, kind: str, _argument: Any) -> None:
        self.count += kind == "call"


@pytest.fixture
def locator() -> Locator:
    """What finds the places of a reconciliation."""
    body = SERVED.operations["verifierReferences"].body
    assert body is not None
    return Locator(SERVED, body.schema)


BAD = {"reference": "", "montant": -1, "type": "X", "surplus": 1}


@pytest.mark.parametrize(
    ("lignes", "places", "most"),
    [
        pytest.param([BAD] * 1000, 20, 300, id="a thousand wrong lines"),
        pytest.param([LIGNE] * 980 + [BAD] * 20, 20, 1_300, id="the last lines are wrong"),
        pytest.param([{}] * 80_000, 1, 25, id="too many lines"),
        pytest.param(
            [dict.fromkeys(map(str, range(20_000)), 1)], 20, 300, id="many unknown fields"
        ),
    ],
)
def test_work_of_a_refusal_is_bounded(
    locator: Locator, lignes: list[Json], places: int, most: int
) -> None:
    calls = Calls()
    sys.setprofile(calls)
    try:
        found = locator.locate({"lignes": lignes})
    finally:
        sys.setprofile(None)
    assert len(found) == places
    assert calls.count <= most


def test_every_body_is_located() -> None:
    """A body that is refused tells a place, whatever operation takes it."""
    for name in BY_ID:
        body = SERVED.operations[name].body
        if body is not None and body.media_type == "application/json":
            required = SERVED.resolve(body.schema)["required"]
            assert places_found(name, {}) == required
