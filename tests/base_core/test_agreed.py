"""What was agreed to is told with who agreed, and with what came of it, wherever it is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from models.regle_validation import REGLES
from tests.support.contract_client import Json
from tests.support.office import WRITES, Ask, Office
from tests.support.persons import PersonClient

pytestmark = pytest.mark.only_on("sqlite")  # both databases keep it alike: tests/models say so


@contextmanager
def asked(office: Office, operation: str) -> Iterator[None]:
    """Have every rule of an operation ask that somebody agrees."""
    nobody = [
        one.type
        for one in REGLES
        if one.type.partition(":")[0] == operation and not one.validations
    ]
    with ExitStack() as stack:
        for type_ in nobody:
            stack.callback(office.asked_of_two(type_))
        yield


def waiting(office: Office, operation: str) -> tuple[Ask, Json]:
    """A call that entered a demande which waits for somebody, and that demande."""
    ask = office.ask(operation)
    if operation == "saisirRegleValidation":
        # A rule of nobody's: other tests are under the true ones.
        ask = ask._replace(call=ask.call.with_values(type=office.regle()))
    with asked(office, operation):
        return ask, sent(ask)


def sent(ask: Ask) -> Json:
    """The demande that an answer tells of."""
    answer = ask.send()
    assert answer.status_code == 200, answer.text
    demande: Json = answer.json()["data"][0]
    return demande


@pytest.mark.parametrize("operation", WRITES)
def test_what_is_entered_again_is_told_as_it_was_agreed_to(office: Office, operation: str) -> None:
    ask, entered = waiting(office, operation)
    assert (entered["statut"], entered["validations"]) == ("SAISIE", [])
    agreed = office.checker.agreed(entered)
    assert [one["agentId"] for one in agreed["validations"]] == [office.checker.agent_id]
    # What is told once was told to who agreed.
    told = {**agreed, "resultat": {**agreed["resultat"], "codeRetrait": None}}
    assert sent(ask) == told
    (found,) = office.checker.data("/get-demande", demandeId=entered["demandeId"])
    assert found.items() >= told.items()


@pytest.mark.parametrize("operation", WRITES)
def test_what_is_entered_again_is_told_as_it_was_rejected(office: Office, operation: str) -> None:
    ask, entered = waiting(office, operation)
    corps = {"demandeId": entered["demandeId"], "motif": "Doublon"}
    answer = office.checker.post("/rejeter-demande", json=corps)
    (rejected,) = answer.json()["data"]
    assert (rejected["statut"], rejected["motifRejet"]) == ("REJETEE", "Doublon")
    assert sent(ask) == rejected


# ── what two must agree to: of an amount, of an object that is there ──────────────────────────────
OF_TWO = 1_000_000
"""From how many francs on a special transfer is agreed to by two."""


@pytest.fixture
def agreed_to_by_one(office: Office) -> tuple[PersonClient, Json]:
    """A demande that waits for the second of two who agree, and who entered it: he entered no other."""
    maker = office.bureau.agent("SAISIE", "LECTEUR")
    transfer: Json = {
        "carteId": office.new_carte("OPPOSITION", OF_TWO).carte_id,
        "carteIdDestination": office.new_carte().carte_id,
        "montant": OF_TWO,
        "motif": "Perdue",
    }
    demande = office.checker.agreed(maker.enter("/transferer-solde-special", **transfer))
    assert (demande["statut"], len(demande["validations"])) == ("SAISIE", 1)
    assert None not in [demande[name] for name in TOLD]
    return maker, demande


TOLD = (
    *("objetType", "objetId", "versionObjet", "montant", "unite", "motif"),
    *("validationsRequises", "validations"),
)
"""What stays of a demande whatever becomes of it."""


def of(demande: Json) -> Json:
    """What stays of it."""
    return {name: demande[name] for name in TOLD}


def test_who_agreed_is_told_of_what_is_withdrawn(
    agreed_to_by_one: tuple[PersonClient, Json],
) -> None:
    maker, demande = agreed_to_by_one
    answer = maker.post("/retirer-demande", json={"demandeId": demande["demandeId"]})
    (withdrawn,) = answer.json()["data"]
    assert (withdrawn["statut"], of(withdrawn)) == ("RETIREE", of(demande))
    (found,) = maker.data("/get-demande", demandeId=demande["demandeId"])
    (listed,) = maker.data("/get-liste-demandes", saisiePar=maker.agent_id)
    assert of(found) == of(listed) == of(demande)


def test_who_agreed_is_told_of_what_is_rejected(
    office: Office, agreed_to_by_one: tuple[PersonClient, Json]
) -> None:
    maker, demande = agreed_to_by_one
    corps = {"demandeId": demande["demandeId"], "motif": "Doublon"}
    answer = office.with_role("VALIDATION").post("/rejeter-demande", json=corps)
    (rejected,) = answer.json()["data"]
    assert (rejected["statut"], of(rejected)) == ("REJETEE", of(demande))
    (found,) = maker.data("/get-demande", demandeId=demande["demandeId"])
    (listed,) = maker.data("/get-liste-demandes", saisiePar=maker.agent_id)
    assert found["motifRejet"] == listed["motifRejet"] == "Doublon"
