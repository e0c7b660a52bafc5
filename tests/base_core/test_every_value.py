"""Every parameter and field of the back office's contract: absent, at each edge, wrong in each way.

What fits is taken, and kept whole by both databases; what does not is refused by its name before any is
asked.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import pytest

from models.agent import agents
from models.audit import Objet
from models.client import clients
from models.membre import membres
from models.partenaire import INTERNE, objet_partenaire, partenaires
from models.profil_carte import profils_carte
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
    body = {name: part for name, part in call.options.items() if name == "json"}
    return call._replace(path=f"{call.path}?{query}", options=body)


def full(office: Office, operation: str) -> Call:
    """A call with every field, those that may be left out as the contract's examples have them."""
    call = office.call(operation)
    given = {
        field.name: field.schema["example"]
        for field in VALUES.by_name[operation].fields
        if field.name and "." not in field.place and field.name not in call.values
        if field.schema.get("example") is not None
    }
    known: Json = {
        "reseauId": office.reseau_id,
        "profilId": office.profil_id,
        "numeroCarte": f"70{new_number():014d}",
        **(_found(office) if operation == "rechercherCartes" else {}),
    }
    known = {name: value for name, value in known.items() if name in given}
    return call._replace(
        options={**call.options, "json": {**call.options["json"], **given, **known}}
    )


def _found(office: Office) -> Json:
    """What a card is looked for by, all of it right."""
    carte = office.carte
    return {
        "carteId": carte.carte_id,
        "numeroCarte": carte.numero,
        "dernierQuatre": carte.numero[-4:],
        "walletId": carte.membre.wallet_id,
        "membreId": carte.membre.membre_id,
    }


# ── what does not fit ────────────────────────────────────────────────────────────────────────────
@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), VALUES.parameters, ids=ids)
def test_parameter_that_breaks_its_schema_is_refused(
    office: Office, operation: str, field: Field
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    for way, wrong in VALUES.wrong_texts(operation, call, field):
        assert_refused_by_name(wrong.send(caller), field, way)
    params = call.options["params"]
    others = {name: value for name, value in params.items() if name != field.name}
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
    for way, body in VALUES.wrong_bodies(operation, call.options["json"], field):
        assert_refused_by_name(caller.post(call.path, json=body), field, way)


@BEFORE_A_DATABASE
@pytest.mark.parametrize("operation", WITH_BODY)
def test_body_that_is_no_object_of_the_declared_fields_is_refused(
    office: Office, operation: str
) -> None:
    caller, call = office.caller(operation), office.standing(operation)
    surplus = call._replace(options={"json": {**call.options["json"], "surplus": "1"}})
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
    wrong = call.with_values(**{field.name: "30/02/2026"})
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
    "modifierProfilCarte": [{"plafonds": None}],
    "rechercherCartes": [{"clientId": None}, {"clientId": None, "membreId": "MBR-1"}],
    "getHistoriqueOperations": [
        {"clientId": None},
        {"consumerKey": "demo-partenaire"},
        {"dateDebut": "02/01/2026", "dateFin": "01/01/2026"},
    ],
    "opposerCarte": [{"motifOpposition": "AUTRE", "commentaire": None}],
    "emettreCartes": [{"porteurs": [{"membreId": "M", "numeroCarte": "7019800100000001"}] * 2}],
    "saisirPlafondCarte": [
        {"montantMaximal": None, "nombreMaximal": None},
        {"periode": "OPERATION"},
    ],
    "saisirPlafondPartenaire": [
        {"montantMaximal": None, "nombreMaximal": None},
        {"periode": "OPERATION"},
    ],
    "saisirPartenaire": [{"clients": None}, {"type": "INTERNE"}, {"scopes": ["base-core:lire"]}],
    "modifierPartenaire": [{"scopes": None, "clients": None, "contactTechnique": None}],
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


def _names_of_a_demande(office: Office) -> Json:
    return office.maker.data("/get-demande", demandeId=office.waiting()["demandeId"])[0]


NAMES: dict[str, tuple[tuple[str, ...], Callable[[Office], Json]]] = {
    "getDemande": (("demandeId", "reference"), _names_of_a_demande),
    "getHistoriqueOperations": (
        ("carteId", "clientId", "consumerKey"),
        lambda office: {
            "carteId": office.carte.carte_id,
            "clientId": office.client_id,
            "consumerKey": office.consumer_key,
        },
    ),
}
"""What an operation tells of is named in one of several ways: these, and what has each of them."""


def named_otherwise(operation: str, call: Call, field: Field) -> Call:
    """The call without what names its object, where the field is another name of one."""
    names, _ = NAMES.get(operation, ((), None))
    return call.with_values(**dict.fromkeys(names)) if field.name in names else call


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
    if operation in NAMES and field.name in NAMES[operation][0]:
        named = {field.name: NAMES[operation][1](office)[field.name]}
        alone = named_otherwise(operation, call, field).with_values(**named)
        assert alone.send(caller).status_code == 200
        return
    if field.name == "curseur":
        first = office.furnished.standing(operation).send(caller).json()
        given = {"curseur": first["curseurSuivant"] or given["curseur"]}
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


LEFT_OUT_WITH: dict[tuple[str, str], Json] = {
    ("rechercherCartes", "clientId"): {"dernierQuatre": None, "membreId": None},
    ("saisirPartenaire", "clients"): {"type": INTERNE, "scopes": ["base-core:lire"]},
}
"""What else is left out or said otherwise where a field may be left out in some calls only."""


@BEFORE_A_DATABASE
@pytest.mark.parametrize(("operation", "field"), OPTIONAL, ids=ids)
def test_optional_field_may_be_left_out(office: Office, operation: str, field: Field) -> None:
    call = full(office, operation).with_values(**LEFT_OUT_WITH.get((operation, field.name), {}))
    without = changed(call.options["json"], place_of(field), values.ABSENT, field)
    answer = call._replace(options={"json": without}).send(office.caller(operation))
    assert answer.status_code == 200, answer.text


def _of_partner(call: Call) -> tuple[Any, Objet, Any]:
    consumer_key = call.values["consumerKey"]
    return partenaires, objet_partenaire(consumer_key), partenaires.c.consumer_key == consumer_key


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
    "modifierProfilCarte": lambda call: (
        profils_carte,
        Objet("PROFIL", call.values["profilId"]),
        profils_carte.c.profil_id == call.values["profilId"],
    ),
    "modifierPartenaire": _of_partner,
    "saisirAdressesPartenaire": _of_partner,
}
"""Where the object is whose version a call expects."""


MOST_PLAFONDS = [
    {"type": type_, "periode": periode, "montantMaximal": 50_000}
    for type_ in ("CREDIT", "DEBIT", "TRANSFERT")
    for periode in ("OPERATION", "JOUR", "MOIS")
]
"""One of each kind: as many as there are."""


def _greatest_version(office: Office, operation: str, call: Call, value: int) -> Call:
    table, objet, is_it = entry_of(
        GREATEST_VERSION, operation, write="where its object is", file=__file__
    )(call)
    if value > 1:
        office.alter(table, objet, is_it, version=value)
    return call


def _active_again(office: Office, operation: str, call: Call, value: str) -> Call:
    """What is made active was suspended."""
    named = call.values.keys() & {"agentId", "clientId", "consumerKey"}
    if value == "ACTIF":
        kept: Json = {name: call.values[name] for name in named}
        office.changed(operation, {**kept, "statut": "SUSPENDU"})
    return call


def _of_kind(_office: Office, _operation: str, call: Call, value: str) -> Call:
    """A machine of the company has scopes of its own, and sees every client."""
    return call.with_values(clients=None, scopes=["base-core:lire"]) if value == INTERNE else call


def _uncounted(_office: Office, _operation: str, call: Call, value: str) -> Call:
    """Of one operation, the number is not limited."""
    return call.with_values(nombreMaximal=None) if value == "OPERATION" else call


def _limited_so(office: Office, operation: str, call: Call, value: str) -> Call:
    """A limit that is removed was set."""
    name = "type" if value in ("CREDIT", "DEBIT", "TRANSFERT") else "periode"
    limit = {**call.with_values(reference=None).values, name: value, "montantMaximal": 1_000}
    office.changed(operation.replace("retirer", "saisir"), limit)
    return call


def _uncounted_in_profile(_office: Office, _operation: str, call: Call, value: str) -> Call:
    if value != "OPERATION":
        return call
    return call.with_values(plafonds=MOST_PLAFONDS[1:2])


def _transferable(office: Office, _operation: str, call: Call, value: int) -> Call:
    """As much as is asked for is on the one card, and the other has room for it."""
    named = {
        "carteId": office.new_carte("OPPOSITION", value).carte_id,
        "carteIdDestination": office.new_carte().carte_id,
    }
    return call.with_values(**named)


PREPARED: dict[tuple[str, str], Callable[[Office, str, Call, Any], Call]] = {
    ("saisirRegleValidation", "montantMinimal"): lambda office, _, call, value: (
        call.with_values(type=office.regle(value)) if value else call
    ),
    ("saisirRegleValidation", "forte"): lambda _office, _, call, _value: call.with_values(
        forte=True
    ),
    ("verifierAudit", "depuis"): lambda _office, _, call, value: call.with_values(jusqua=value),
    **{(operation, "versionAttendue"): _greatest_version for operation in GREATEST_VERSION},
    **{
        (operation, "statut"): _active_again
        for operation in ("changerStatutAgent", "changerStatutClient", "changerStatutPartenaire")
    },
    ("saisirPartenaire", "type"): _of_kind,
    ("saisirPlafondCarte", "periode"): _uncounted,
    ("saisirPlafondPartenaire", "periode"): _uncounted,
    **{
        (operation, name): _limited_so
        for operation in ("retirerPlafondCarte", "retirerPlafondPartenaire")
        for name in ("type", "periode")
    },
    ("saisirProfilCarte", "periode"): _uncounted_in_profile,
    ("modifierProfilCarte", "periode"): _uncounted_in_profile,
    ("transfererSoldeSpecial", "montant"): _transferable,
}
"""What a call with a value at an edge needs, by operation and field: an object in the state for it."""


def at_edge(office: Office, operation: str, field: Field, way: str) -> Call:
    """A call with a value at an edge, and an object that is in the state for it."""
    call, value = office.call(operation), dict(values.edges(field.schema))[way]
    prepare = PREPARED.get((operation, field.name))
    if prepare is not None:
        call = prepare(office, operation, call, value)
    if field.name == "plafonds":
        assert value == len(MOST_PLAFONDS)
        return call.with_values(plafonds=MOST_PLAFONDS)
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


NEW = (
    *("reference", "clientId", "membreId", "reseauId", "agentId", "sujet", "walletId"),
    *("profilId", "numeroCarte", "carteId", "carteIdDestination", "dernierQuatre"),
    *("consumerKey", "secretId"),
)
"""What names something new where it is entered; elsewhere it names what must be there."""


@pytest.mark.parametrize("operation", WRITES)
def test_texts_as_long_as_the_contract_allows_are_kept_whole(
    office: Office, operation: str
) -> None:
    body = copy.deepcopy(full(office, operation).options["json"])
    for field in VALUES.by_name[operation].fields:
        listed = "[]" in field.place or field.name in ("", "type")
        text = None if listed else longest(field.name, field.schema)
        if text is None or (field.name in NEW and not names_new(operation, field.name)):
            continue
        *above, _ = place_of(field)
        holder = body[above[0]] if above else body
        holder[field.name] = unique(text) if field.name in NEW else text
    if operation == "saisirRegleValidation":
        body["type"] = office.regle()
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
        "saisirProfilCarte": ("profilId",),
        "remplacerCarte": ("numeroCarte",),
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
        call = named_otherwise(operation, office.standing(operation), field)
        answer = call.with_values(**{field.name: text}).send(caller)
        assert answer.json()["code"] in (200, "6001", "6007"), answer.text


def test_every_write_has_its_new_names() -> None:
    """What `names_new` tells is of operations and fields that there are."""
    for operation in WRITES:
        fields = {field.name for field in VALUES.by_name[operation].fields}
        assert {name for name in NEW if names_new(operation, name)} <= fields, operation
    assert CONTRACT.keys() == PLACES.keys()
    assert READING.file == BASE_CORE_CONTRACT.name
