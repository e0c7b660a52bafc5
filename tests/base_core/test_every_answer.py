"""Every answer that base-core.yaml declares, asked for once: each code of each operation, and its success."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType
from typing import Any, NamedTuple, NoReturn

import psycopg
import pytest
from sqlalchemy.exc import OperationalError

from handlers.contract.model import snake_case
from handlers.contract.surface import BASE_CORE
from tests.base_core import ways
from tests.base_core.ways import OTHERS, SCENES, Way, way_to
from tests.support.accidents import Outage, core_of
from tests.support.office import ALL, CONTRACT, PLACES, READING, WRITES, Ask, Office
from tests.support.persons import new_reference
from tests.support.quota import assert_told, policy_of
from tests.support.registry import missing
from tests.support.scene import assert_refused

HURRIED, AWAY, LAST, FAULT = "1008", "5001", "6013", "9999"
APART = (HURRIED, AWAY, LAST, FAULT)
"""Codes that call for a server of their own, or for an accident."""

EVERYWHERE = (
    *("405", "1002", "1005", HURRIED, "2001", "2002", "2003", "2004", "2005", "2007"),
    *(AWAY, FAULT),
)
OF_BODIES = ("1001", "1006", "1007")
"""What any operation answers, and any that takes a body, whether or not the contract remembers it."""


def codes_of(operation: str) -> list[str]:
    """The codes that an operation lists or must list."""
    bodies = OF_BODIES if PLACES[operation][0] == "POST" else ()
    return list(dict.fromkeys([*CONTRACT[operation]["x-codes-erreur"], *EVERYWHERE, *bodies]))


REFUSALS = [
    (operation, code) for operation in ALL for code in codes_of(operation) if code not in APART
]
READS = [name for name in ALL if PLACES[name][0] == "GET"]
JUDGING = ("validerDemande", "rejeterDemande", "retirerDemande")
LISTS = [
    name
    for name in ALL
    if "curseur" in {READING.resolve(one)["name"] for one in CONTRACT[name].get("parameters", [])}
]


def answering(code: str) -> list[str]:
    """The operations that list this code."""
    return [name for name in ALL if code in codes_of(name)]


LANGUAGES = ("fr", "en")


def language_of(operation: str, backend: str) -> str:
    """One half of the operations is asked in French, the other one in English; on the other database it is
    the other way round."""
    return LANGUAGES[(ALL.index(operation) + (backend == "sqlite")) % 2]


# ── what tells a new operation where it goes ─────────────────────────────────────────────────────
def test_operation_without_a_call_says_where_it_goes(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(PLACES, "noSuchOperation", ("GET", "/none"))
    with pytest.raises(AssertionError, match=r"know noSuchOperation yet: .*CALLS in tests/support"):
        office.call("noSuchOperation")


def test_code_without_a_way_says_where_it_goes() -> None:
    with pytest.raises(AssertionError, match=r"@scene\('6099', 'getClient'\) in tests/base_core"):
        way_to("getClient", "6099")


def test_every_scene_is_of_a_code_that_its_operation_declares() -> None:
    undeclared = [
        f"{operation} {code}"
        for operation, code in (*SCENES, *((operation, code) for operation, code, _ in OTHERS))
        if code not in CONTRACT[operation]["x-codes-erreur"]
    ]
    assert undeclared == [], f"take these out of {ways.HERE}, or into base-core.yaml"


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(("operation", "code"), REFUSALS)
def test_declared_refusal_is_given_and_changes_nothing(
    office: Office, operation: str, code: str
) -> None:
    refuse(office, way_to(operation, code)(office, operation), code)


def refuse(office: Office, ask: Ask, code: str) -> None:
    """Assert that what is asked is refused in both languages, and changes nothing."""
    before = office.state() if ask.call.method == "POST" else None
    try:
        for language in LANGUAGES:
            answer = ask.send(language=language)
            assert_refused(answer, code, language=language, more_info=ask.more_info, **ask.told)
            if answer.status_code == 401:
                assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="cynod"')
        assert before is None or office.state() == before
    finally:
        ask.after()


@pytest.mark.parametrize(
    ("operation", "code", "way"), OTHERS, ids=[way.__name__ for _, _, way in OTHERS]
)
def test_scene_ends_in_a_refusal_that_changes_nothing(
    office: Office, operation: str, code: str, way: Way
) -> None:
    refuse(office, way(office, operation), code)


@pytest.mark.parametrize("operation", answering(HURRIED))
def test_call_above_the_rate_is_refused_and_says_when_to_return(
    office: Office, hurried_url: str, operation: str
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    # A new hour may start between two calls, never between three.
    for _ in range(2):
        if caller.get(f"{hurried_url}/base-core/get-mon-profil").status_code != 200:
            break
    ask = Ask(caller, call._replace(path=f"{hurried_url}/base-core{call.path}"))
    for language in LANGUAGES:
        refused = ask.send(language=language)
        assert_refused(refused, HURRIED, language=language)
        assert 1 <= int(refused.headers["Retry-After"]) <= 3600


def work_of(operation: str) -> tuple[ModuleType, str]:
    """Where the handler of an operation does its work."""
    module = import_module(f"{BASE_CORE.package}.{CONTRACT[operation]['tags'][0]}")
    return core_of(getattr(module, snake_case(operation)))


@pytest.mark.parametrize("operation", ALL)
def test_fault_of_ours_is_answered_without_its_details_and_changes_nothing(
    office: Office, backend: str, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise RuntimeError("SELECT secret FROM postgresql://user:password@host/path")

    ask = office.ask(operation)
    before, language = office.state(), language_of(operation, backend)
    monkeypatch.setattr(*work_of(operation), fail)
    assert_refused(ask.send(language=language), FAULT, language=language)
    assert office.state() == before


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", answering(AWAY))
def test_database_that_is_lost_behind_the_door_is_counted_as_a_call(
    office: Office, operation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lose(*_args: Any, **_kwargs: Any) -> NoReturn:
        raise OperationalError("SELECT", None, psycopg.OperationalError("it went away"))

    ask = office.ask(operation)
    monkeypatch.setattr(*work_of(operation), lose)
    answer = ask.send()
    assert_refused(answer, AWAY)
    assert "base-core" in answer.headers["RateLimit-Policy"]
    assert "base-core" in answer.headers["RateLimit"]


# ── the last one who may judge rights; this comes before the database of the lone office goes away ─
def suspension_of_the_last_one(office: Office) -> Ask:
    """Somebody would suspend the only one who validates rights."""
    return office.ask("changerStatutAgent", agentId=office.checker.agent_id)


def loss_of_the_last_one_s_role(office: Office) -> Ask:
    """Somebody would leave him without that role."""
    return office.ask("modifierAgent", agentId=office.checker.agent_id, clients=None)


def suspension_that_the_last_one_agrees_to(office: Office) -> Ask:
    """Where a suspension waits for others, the last one would agree to his own."""
    ask = office.ask("validerDemande")
    rule = {"type": "changerStatutAgent:SUSPENDU", "forte": True, "memePersonne": False}
    office.changed("saisirRegleValidation", {**rule, "validations": 1})
    second = office.agent("SECURITE_VALIDATION")
    checker = office.checker.agent_id
    asked = office.entered("changerStatutAgent", {"agentId": checker, "statut": "SUSPENDU"})
    office.changed("changerStatutAgent", {"agentId": second, "statut": "SUSPENDU"})
    office.changed("saisirRegleValidation", {**rule, "validations": 0})
    return ask._replace(call=ask.call.with_values(**asked))


LAST_ONES = {
    "changerStatutAgent": suspension_of_the_last_one,
    "modifierAgent": loss_of_the_last_one_s_role,
    "validerDemande": suspension_that_the_last_one_agrees_to,
}


@pytest.mark.parametrize("operation", answering(LAST))
def test_last_one_who_validates_rights_stays(lone_office: Office, operation: str) -> None:
    if operation not in LAST_ONES:
        missing(f"{operation} {LAST}", write="a scene into LAST_ONES", file=__file__)
    refuse(lone_office, LAST_ONES[operation](lone_office), LAST)


class Away(NamedTuple):
    """What was to be asked of an office when its database went away."""

    office: Office
    asks: dict[str, Ask]


@pytest.fixture(scope="module")
def away(lone_office: Office) -> Iterator[Away]:
    """One for all: nothing can be changed while a database is away."""
    asks = {name: lone_office.ask(name) for name in ALL}
    outage = Outage(lone_office.world.database)
    outage.begin()
    yield Away(lone_office, asks)
    outage.end()


@pytest.mark.parametrize("operation", answering(AWAY))
def test_database_that_is_away_is_answered_with_503(away: Away, operation: str) -> None:
    for language in LANGUAGES:
        answer = away.asks[operation].send(language=language)
        assert_refused(answer, AWAY, language=language)
        assert int(answer.headers["Retry-After"]) >= 1


# ── successes ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", ALL)
def test_success_says_the_message_of_the_contract(office: Office, operation: str) -> None:
    ask = office.ask(operation)
    for language in LANGUAGES:
        answer = ask.send(language=language)
        assert answer.status_code == 200, answer.text
        body = answer.json()
        fields = body["data"][0] if body["data"] else {}
        assert body["message"] == READING.success_text(operation, language, fields)
        assert_told(answer, policy_of(READING, operation))
        if operation in JUDGING:
            # What was done is not done again; a demande that is entered again, or read, is told as it was.
            ask = office.ask(operation)


@pytest.mark.parametrize("operation", WRITES)
def test_same_reference_with_the_same_content_is_the_same_demande(
    office: Office, operation: str
) -> None:
    ask = office.ask(operation)
    first = ask.send()
    before = office.state()
    again = ask.send()
    expected = first.json()
    # What is told once is not in it any more.
    expected["data"][0]["resultat"]["codeRetrait"] = None
    assert (again.status_code, again.json()) == (200, expected)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert office.state() == before
    other = ask._replace(client=office.both).send()
    assert_refused(other, "4002")


@pytest.mark.parametrize("operation", LISTS)
def test_page_names_the_next_one_and_the_last_page_names_none(
    office: Office, operation: str
) -> None:
    ask = office.furnished.ask(operation, limite="1")
    first = ask.send()
    assert first.status_code == 200, first.text
    curseur = first.json()["curseurSuivant"]
    assert f"curseur={curseur}" in first.headers["Link"]
    (one,) = first.json()["data"]
    second = ask._replace(call=ask.call.with_values(curseur=curseur)).send()
    assert one not in second.json()["data"]
    assert second.status_code == 200


@pytest.mark.parametrize(
    "operation",
    [name for name in ALL if "text/csv" in CONTRACT[name]["responses"]["200"]["content"]],
)
def test_csv_has_the_same_lines_as_json(office: Office, operation: str) -> None:
    ask = office.furnished.ask(operation)
    csv = ask._replace(options={"headers": {"Accept": "text/csv"}}).send()
    assert csv.status_code == 200, csv.text
    header, *lines = csv.text.split("\r\n")
    (first, _) = ask.send().json()["data"]
    assert header.split(",") == list(first)
    assert len([one for one in lines if one]) == 2


# ── around the operations ────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", ALL)
def test_other_methods_are_refused_with_those_that_are_allowed(
    office: Office, operation: str
) -> None:
    method, path = PLACES[operation]
    allowed = ["GET", "HEAD"] if method == "GET" else ["POST"]
    for other in ("GET", "PUT", "POST", "DELETE", "PATCH"):
        if other not in allowed:
            answer = office.maker.request(other, path)
            assert_refused(answer, "1004")
            assert answer.headers["Allow"] == ", ".join(allowed)


def test_path_or_method_that_is_none_is_refused_in_both_languages(office: Office) -> None:
    for language in LANGUAGES:
        headers = {"Accept-Language": language}
        unknown = office.maker.get("/no-such-path", headers=headers)
        assert_refused(unknown, "1003", language=language)
        other = office.maker.delete("/get-mon-profil", headers=headers)
        assert_refused(other, "1004", language=language)


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", READS)
def test_head_is_answered_as_get_is_without_a_body(office: Office, operation: str) -> None:
    call = office.standing(operation)._replace(method="HEAD")
    assert call.send(office.caller(operation)).status_code == 200


def test_reference_is_the_name_of_a_demande_as_well(office: Office) -> None:
    reference = new_reference()
    entered = office.maker.enter("/saisir-reseau", reference, reseauId="R-1", nom="Réseau")
    (found,) = office.maker.data("/get-demande", reference=reference)
    assert found["demandeId"] == entered["demandeId"]
