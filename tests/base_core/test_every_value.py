"""Every parameter and field of the back office's contract: absent, at each edge, wrong in each way.

What fits is taken, and kept whole by both databases; what does not is refused by its name before any is
asked.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from models.agent import agents
from models.audit import Objet
from models.client import clients
from models.membre import membres
from models.regle_validation import regles_validation
from tests.lab.coverage import values
from tests.lab.coverage.cells import EXAMPLE, Cell, Contract, Field
from tests.support.contract_client import BASE_CORE_CONTRACT, Json
from tests.support.every_value import (
    Values,
    assert_refused_by_name,
    changed,
    ids,
    place_of,
    stretched,
    valid_text,
)
from tests.support.office import CONTRACT, PLACES, READING, WRITES, Ask, Office
from tests.support.registry import entry_of
from tests.support.scene import Call, assert_refused
from tests.support.world import new_number

VALUES = Values(Contract.read(BASE_CORE_CONTRACT))
WITH_BODY = [name for name, (method, _) in PLACES.items() if method == "POST"]
READS = [name for name in PLACES if name not in WITH_BODY]
BOUNDS = (values.LEAST, values.GREATEST, values.MOST)
BEFORE_A_DATABASE = pytest.mark.only_on("sqlite")
"""The edge refuses these before any database is asked."""


def with_query(call: Call, query: str) -> Call:
    """The call with this text behind its parameters."""
    return call._replace(path=f"{call.path}?{query}", options={})


def full(office: Office, operation: str) -> Call:
    """A call with every field, those that may be left out as the contract's examples have them."""
    call = office.call(operation)
    given = {
        field.name: field.schema["example"]
        for field in VALUES.by_name[operation].fields
        if field.name and "." not in field.place and field.name not in call.values
        if field.schema.get("example") is not None
    }
    known = {"reseauId": office.reseau_id} if "reseauId" in given else {}
    return call._replace(options={"json": {**call.values, **given, **known}})


# ── what does not fit ────────────────────────────────────────────────────────────────────────────
@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), VALUES.parameters, ids=ids)
def test_parameter_that_breaks_its_schema_is_refused(
    office: Office, operation: str, field: Field
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    for way, wrong in VALUES.wrong_texts(operation, call, field):
        assert_refused_by_name(wrong.send(caller), field, way)
    others = {name: value for name, value in call.values.items() if name != field.name}
    rest = "&".join(f"{name}={value}" for name, value in others.items())
    text = valid_text(call, field)
    for query, way in (
        (f"{field.name}={text}&{field.name}={text}", values.REPEATED),
        (f"{field.name}=%ff", values.UNDECODABLE),
        (f"{field.name}={text}%0A", "a line end"),
    ):
        assert_refused_by_name(with_query(call, f"{query}&{rest}").send(caller), field, way)
    if field.required:
        absent = call.with_values(**{field.name: None})
        assert_refused_by_name(absent.send(caller), field, values.ABSENT)


@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), VALUES.json_fields, ids=ids)
def test_field_that_breaks_its_schema_is_refused(
    office: Office, operation: str, field: Field
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    for way, body in VALUES.wrong_bodies(operation, call.values, field):
        assert_refused_by_name(caller.post(call.path, json=body), field, way)


@BEFORE_A_DATABASE
@pytest.mark.parametrize("operation", WITH_BODY)
def test_body_that_is_no_object_of_the_declared_fields_is_refused(
    office: Office, operation: str
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    surplus = call._replace(options={"json": {**call.values, "surplus": "1"}})
    assert_refused(surplus.send(caller), "405", parametre="surplus")
    headers = {"Content-Type": "application/json"}
    for content in (b"", b"[]", b"null", b'"text"', b'{"a": 1, "a": 1}', b'{"motif": "\xff"}'):
        assert_refused(caller.post(call.path, content=content, headers=headers), "1001")


@BEFORE_A_DATABASE
@pytest.mark.parametrize("operation", READS)
def test_read_with_a_body_is_refused(office: Office, operation: str) -> None:
    ask = Ask(office.caller(operation), office.standing(operation), options={"content": b"{}"})
    assert_refused(ask.send(), "1002")


DAYS = [
    (operation, field)
    for operation, field in (*VALUES.parameters, *VALUES.json_fields)
    if field.name.startswith("date")
]


@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), DAYS, ids=ids)
def test_day_that_no_calendar_has_is_refused(office: Office, operation: str, field: Field) -> None:
    call = office.standing(operation)
    (where,) = call.options
    wrong = call._replace(options={where: {**call.values, field.name: "30/02/2026"}})
    assert_refused(wrong.send(office.caller(operation)), "405", parametre=field.name)


NOT_TOGETHER: dict[str, list[Json]] = {
    "getDemande": [
        {"demandeId": None},
        {"reference": "ONB-2026-000001"},
    ],
    "modifierAgent": [{"roles": None, "clients": None}],
    "modifierClient": [{"contact": None}],
    "modifierMembre": [{"nom": None}],
    "verifierAudit": [{"depuis": 2}],
    "getListeDemandes": [{"dateDebut": "02/01/2026", "dateFin": "01/01/2026"}],
    "getAudit": [{"dateDebut": "02/01/2026", "dateFin": "01/01/2026"}],
}
"""Values that fit each by itself, and are not taken together."""


@BEFORE_A_DATABASE
@pytest.mark.parametrize(
    ("operation", "changes"),
    [(operation, one) for operation, ones in NOT_TOGETHER.items() for one in ones],
)
def test_values_that_do_not_go_together_are_refused(
    office: Office, operation: str, changes: Json
) -> None:
    answer = office.standing(operation).with_values(**changes).send(office.caller(operation))
    assert answer.json()["code"] == "405", answer.text


# ── what fits ────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("operation", WITH_BODY)
def test_request_with_every_field_is_accepted(office: Office, operation: str) -> None:
    answer = full(office, operation).send(office.caller(operation))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("operation", "field"),
    [(operation, field) for operation, field in VALUES.parameters if not field.required],
    ids=ids,
)
def test_parameter_is_taken_and_may_be_left_out(
    office: Office, operation: str, field: Field
) -> None:
    call, caller = office.standing(operation), office.caller(operation)
    example = Cell(EXAMPLE, operation, field.place, "request")
    given = {field.name: VALUES.by_name[operation].examples.get(example) or valid_text(call, field)}
    if operation == "getDemande":
        demande = caller.data("/get-demande", **call.values)[0]
        alone = Call(call.method, call.path, {"params": {field.name: demande[field.name]}})
        assert alone.send(caller).status_code == 200
        return
    taken = call.with_values(**given).send(caller)
    assert taken.status_code == 200, taken.text
    if field.name not in call.values:
        return  # each of the other calls leaves it out
    left_out = call.with_values(**{field.name: None}).send(caller)
    assert left_out.status_code == 200, left_out.text


OPTIONAL = [
    (operation, field)
    for operation, field in VALUES.json_fields
    if not field.required and field.name
]


@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), OPTIONAL, ids=ids)
def test_optional_field_may_be_left_out(office: Office, operation: str, field: Field) -> None:
    call = full(office, operation)
    without = changed(call.values, place_of(field), values.ABSENT, field)
    answer = call._replace(options={"json": without}).send(office.caller(operation))
    assert answer.status_code == 200, answer.text


GREATEST_VERSION: dict[str, Callable[[Call], tuple[Any, Objet, Any]]] = {
    "saisirRegleValidation": lambda call: (
        regles_validation,
        Objet("REGLE", call.values["type"]),
        regles_validation.c.type == call.values["type"],
    ),
    "modifierAgent": lambda call: (
        agents,
        Objet("AGENT", call.values["agentId"]),
        agents.c.agent_id == call.values["agentId"],
    ),
    "modifierClient": lambda call: (
        clients,
        Objet("CLIENT", call.values["clientId"]),
        clients.c.client_id == call.values["clientId"],
    ),
    "affecterReseau": lambda call: (
        clients,
        Objet("CLIENT", call.values["clientId"]),
        clients.c.client_id == call.values["clientId"],
    ),
    "modifierMembre": lambda call: (
        membres,
        Objet("MEMBRE", call.values["membreId"]),
        membres.c.membre_id == call.values["membreId"],
    ),
}
"""Where the object is whose version a call expects."""


def at_edge(office: Office, operation: str, field: Field, way: str) -> Call:
    """A call with a value at an edge, and an object that is in the state for it."""
    call = office.call(operation)
    if field.name == "versionAttendue" and way == values.GREATEST:
        table, objet, is_it = entry_of(
            GREATEST_VERSION, operation, write="where its object is", file=__file__
        )(call)
        office.alter(table, objet, is_it, version=dict(values.edges(field.schema))[way])
    if field.name == "montantMinimal" and way == values.GREATEST:
        call = call.with_values(type=office.regle(dict(values.edges(field.schema))[way]))
    if operation == "saisirRegleValidation" and field.name == "forte":
        call = call.with_values(forte=True)
    if field.name == "statut" and way == "valid, ACTIF":
        named = call.values.keys() & {"agentId", "clientId"}
        kept: Json = {name: call.values[name] for name in named}
        if operation.startswith("changerStatut"):
            office.changed(operation, {**kept, "statut": "SUSPENDU"})
    if field.name == "depuis" and way == values.GREATEST:
        call = call.with_values(jusqua=dict(values.edges(field.schema))[way])
    return VALUES.at_edge(operation, call, field, way)


LISTED = [
    one for one in VALUES.edges if one[2].startswith(f"{values.VALID}, ") and one[2] not in BOUNDS
]


@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field", "way"), LISTED, ids=ids)
def test_each_listed_value_is_accepted(
    office: Office, operation: str, field: Field, way: str
) -> None:
    answer = at_edge(office, operation, field, way).send(office.caller(operation))
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize(
    ("operation", "field", "way"), [one for one in VALUES.edges if one not in LISTED], ids=ids
)
def test_value_at_the_edge_of_its_schema_is_accepted(
    office: Office, operation: str, field: Field, way: str
) -> None:
    answer = at_edge(office, operation, field, way).send(office.caller(operation))
    if operation == "saisirRegleValidation" and field.name == "versionAttendue":
        office.withdraw("REGLE")
        office.alter(
            regles_validation, Objet("REGLE", "saisirClient"),
            regles_validation.c.type == "saisirClient", version=1,
        )  # fmt: skip
    assert answer.status_code == 200, answer.text


# ── as long as the contract allows ───────────────────────────────────────────────────────────────
LOCAL, DOMAIN = "l" * 64, "d" * 189


def longest(name: str, schema: Json) -> str | None:
    """The longest text that fits a schema, of signs that take four bytes where it allows any; None where no
    length is the longest, or all are the same."""
    if schema["type"] != "string" or "enum" in schema:
        return None
    _, high = values.lengths(schema)
    if name == "email":
        return f"{LOCAL}@{DOMAIN}"
    if high > 10_000 or name.startswith("date"):
        return None
    example = schema.get("example", "a")
    texts = ("😀" * int(high), *(stretched(one, int(high)) for one in (example, f"+{example}")))
    return next(one for one in texts if values.way_of(schema, one) == values.VALID)


def unique(text: str) -> str:
    """As long a text, of the same kind, that no other call of this run gives."""
    number = str(new_number())
    return text[:1] + number + text[len(number) + 1 :]


NEW = ("reference", "clientId", "membreId", "reseauId", "agentId", "sujet", "walletId")
"""What names something new where it is entered; elsewhere it names what must be there."""


@pytest.mark.parametrize("operation", WRITES)
def test_texts_as_long_as_the_contract_allows_are_kept_whole(
    office: Office, operation: str
) -> None:
    body = {**full(office, operation).values}
    for field in VALUES.by_name[operation].fields:
        text = longest(field.name, field.schema) if field.name not in ("", "type") else None
        if text is None or (field.name in NEW and not names_new(operation, field.name)):
            continue
        holder = body["contact"] if field.place.startswith("body contact.") else body
        holder[field.name] = unique(text) if field.name in NEW else text
    if operation == "saisirRegleValidation":
        body["type"] = office.regle()
    body["contact"] = {**body["contact"]} if "contact" in body else None
    body = {name: value for name, value in body.items() if value is not None}
    method, path = PLACES[operation]
    answer = Call(method, path, {"json": body}).send(office.caller(operation))
    assert answer.status_code == 200, answer.text
    (entered,) = answer.json()["data"]
    assert entered["contenu"].items() <= body.items()
    done = entered if entered["statut"] == "EXECUTEE" else office.checker.agreed(entered)
    assert done["contenu"] == entered["contenu"]
    lines = office.checker.data("/get-audit", demandeId=done["demandeId"])
    assert lines[-1]["motif"] == body["motif"]


def names_new(operation: str, name: str) -> bool:
    """Whether a field of an operation names what it makes, or is given anew."""
    made = {
        "saisirClient": ("clientId",),
        "saisirReseau": ("reseauId",),
        "saisirAgent": ("agentId", "sujet"),
        "saisirMembre": ("membreId", "walletId"),
        "modifierMembre": ("walletId",),
    }
    return name == "reference" or name in made.get(operation, ())


@pytest.mark.parametrize("operation", READS)
def test_parameters_as_long_as_the_contract_allows_are_looked_for(
    office: Office, operation: str
) -> None:
    caller = office.caller(operation)
    for field in VALUES.by_name[operation].parameters.values():
        text = longest(field.name, field.schema)
        if text is None or field.name == "curseur":
            continue
        call = office.standing(operation)
        if operation == "getDemande":
            call = call.with_values(demandeId=None)
        answer = call.with_values(**{field.name: text}).send(caller)
        assert answer.json()["code"] in (200, "6001", "6007"), answer.text


def test_every_write_has_its_new_names() -> None:
    """What `names_new` tells is of operations and fields that there are."""
    for operation in WRITES:
        fields = {field.name for field in VALUES.by_name[operation].fields}
        assert {name for name in NEW if names_new(operation, name)} <= fields, operation
    assert CONTRACT.keys() == PLACES.keys()
    assert READING.file == BASE_CORE_CONTRACT.name
