"""What the contract says beyond the shape of answers: values, scopes, texts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

import pytest

from models import (
    agent,
    carte,
    client,
    demande,
    membre,
    partenaire,
    plafond,
    profil_carte,
)
from models import operation as operations_of
from models.back_office.registre import TYPES
from models.base import UNITE
from tests.support.contract_client import Json
from tests.support.office import ALL, CONTRACT, PLACES, READING, Office
from tests.support.persons import MACHINE_SCOPES, PersonClient
from tests.support.scene import assert_refused
from tests.support.world import new_number

resolve = READING.resolve

LIMITED = ("saisirProfilCarte", "modifierProfilCarte", "saisirPlafondCarte", "retirerPlafondCarte")
LIMITED_PARTNERS = ("saisirPlafondPartenaire", "retirerPlafondPartenaire")
VALUES: dict[tuple[str, tuple[str, ...]], Iterable[str]] = {
    ("statut", ("getListeDemandes",)): demande.STATUTS,
    ("objetType", ("getListeDemandes",)): {one.objet_type for one in TYPES.values()},
    ("statut", ("getListeAgents", "changerStatutAgent")): agent.STATUTS,
    ("role", ("getListeAgents",)): agent.ROLES,
    ("roles", ("saisirAgent", "modifierAgent")): agent.ROLES,
    ("statut", ("getListeClients", "changerStatutClient")): client.STATUTS,
    ("statut", ("getListeMembres",)): membre.STATUTS,
    ("statut", ("changerStatutMembre",)): {membre.CLOS},
    ("statut", ("getListeProfilsCarte", "modifierProfilCarte")): {
        profil_carte.ACTIF,
        profil_carte.RETIRE,
    },
    ("unite", ("saisirProfilCarte", "modifierProfilCarte")): {UNITE},
    ("type", (*LIMITED, *LIMITED_PARTNERS)): plafond.TYPES,
    ("periode", (*LIMITED, *LIMITED_PARTNERS)): plafond.PERIODES,
    ("statut", ("rechercherCartes",)): {
        carte.EMISE, carte.ACTIVE, carte.OPPOSITION, carte.ANNULEE,
    },
    ("motifOpposition", ("opposerCarte",)): carte.MOTIFS_OPPOSITION,
    ("motifAnnulation", ("annulerCarte",)): carte.MOTIFS_ANNULATION,
    ("motifRemplacement", ("remplacerCarte",)): {
        *(carte.PERDUE, carte.VOLEE, carte.FRAUDE, "DEGRADEE", "CHANGEMENT_PROFIL"),
    },
    ("type", ("getHistoriqueOperations",)): {
        *(operations_of.CREDIT, operations_of.DEBIT, operations_of.TRANSFERT),
        *(operations_of.ANNULATION, operations_of.OUVERTURE),
        *(operations_of.TRANSFERT_SPECIAL, operations_of.CORRECTION_OUVERTURE),
    },
    ("statut", ("getListePartenaires", "changerStatutPartenaire")): {
        *(partenaire.ACTIF, partenaire.SUSPENDU, partenaire.REVOQUE),
    },
    ("type", ("getListePartenaires", "saisirPartenaire")): {
        partenaire.EXTERNE,
        partenaire.INTERNE,
    },
    ("mode", ("saisirPartenaire", "saisirAdressesPartenaire")): partenaire.MODES,
}  # fmt: skip
"""By field and operations, the values that requests may have."""


def listed(schema: Json, field: str = "") -> Iterator[tuple[str, list[str]]]:
    """The fields below a schema that have a list of values."""
    schema = resolve(schema)
    if "enum" in schema:
        yield field, schema["enum"]
    for name, node in schema.get("properties", {}).items():
        yield from listed(node, name)
    if "items" in schema:
        yield from listed(schema["items"], field)


def schemas_of(operation: str) -> Iterator[tuple[str, Json]]:
    """The schemas of what a request holds, with the names of its parameters."""
    for node in map(resolve, CONTRACT[operation].get("parameters", [])):
        yield node["name"], node["schema"]
    if "requestBody" in CONTRACT[operation]:
        for media in resolve(CONTRACT[operation]["requestBody"])["content"].values():
            yield "", media["schema"]


def test_requests_may_have_the_values_that_the_code_knows() -> None:
    said: dict[tuple[str, str], list[list[str]]] = defaultdict(list)
    for operation in ALL:
        for name, schema in schemas_of(operation):
            for field, values in listed(schema, name):
                said[operation, field].append(sorted(values))
    known = {
        (operation, field): [sorted(values)]
        for (field, operations), values in VALUES.items()
        for operation in operations
    }
    assert said == known, f"say in VALUES of {__file__} which constant of the code it is"


# ── machines ─────────────────────────────────────────────────────────────────────────────────────
@pytest.fixture(scope="module")
def machines(office: Office) -> dict[frozenset[str], PersonClient]:
    """Machines by their scopes: none has both."""
    return {frozenset({one}): office.bureau.machine(one) for one in MACHINE_SCOPES} | {
        frozenset(MACHINE_SCOPES): office.machine
    }


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", ALL)
def test_machine_is_let_in_by_the_scopes_that_the_contract_names_and_by_no_others(
    office: Office, machines: dict[frozenset[str], PersonClient], operation: str
) -> None:
    call = office.standing(operation)
    named = [need["oauth2"] for need in CONTRACT[operation]["security"] if "oauth2" in need]
    if not named:
        judges = operation in ("validerDemande", "rejeterDemande")
        assert_refused(call.send(office.machine), "2009" if judges else "2003")
        return
    (scopes,) = map(frozenset, named)
    both = frozenset(MACHINE_SCOPES)
    for too_few in {both - scopes, *(both - {one} for one in scopes)}:
        if too_few:
            assert_refused(call.send(machines[too_few]), "2003")
    # What succeeds is of objects and a reference of its own: others ask the standing call.
    ask = office.ask(operation)._replace(client=machines[scopes])
    if operation == "retirerDemande":
        # Each withdraws what he entered himself.
        client_id = f"CLI-{new_number()}"
        entered = machines[scopes].enter("/saisir-client", clientId=client_id, nom="Client")
        ask = ask._replace(call=ask.call.with_values(demandeId=entered["demandeId"]))
    assert ask.send().json()["code"] != "2003"


# ── texts and numbers ────────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", [name for name in ALL if PLACES[name][0] == "GET"])
def test_a_reading_says_its_message_in_both_languages(office: Office, operation: str) -> None:
    ask = office.ask(operation)
    for language in ("fr", "en"):
        body = ask.send(language=language).json()
        fields = body["data"][0] if body["data"] else {}
        assert body["message"] == READING.success_text(operation, language, fields)


WHOLE = [
    name
    for name in ALL
    if PLACES[name][0] == "POST"
    and any(
        resolve(node).get("type") == "integer"
        for _, schema in schemas_of(name)
        for node in resolve(schema).get("properties", {}).values()
    )
]
"""The operations with a whole number in their body."""


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize("operation", WHOLE)
def test_a_whole_number_is_written_without_a_fraction(office: Office, operation: str) -> None:
    """1000.0 is no amount, though JSON Schema would have it so."""
    call = office.standing(operation)
    for _, schema in schemas_of(operation):
        for name, node in resolve(schema).get("properties", {}).items():
            if resolve(node).get("type") == "integer":
                least = float(resolve(node).get("minimum", 0))
                answer = call.with_values(**{name: least + 1}).send(office.caller(operation))
                assert_refused(answer, "405", parametre=name)
