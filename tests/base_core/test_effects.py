"""What a modification changes, and what it leaves: an empty text erases, what is absent stays."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.contract_client import Json
from tests.support.office import ROLES, Office
from tests.support.world import new_number

CONTACT = {"nom": "Ibrahima Sow", "email": "contact@sahel.example", "telephone": "338000000"}
OF_A_CLIENT: Json = {"nom": "Transports Sahel", "contact": CONTACT, "ninea": "00012345 2G3"}
OF_A_MEMBRE: Json = {
    "nom": "Ndiaye",
    "prenom": "Fatou",
    "email": "fatou@sahel.example",
    "telephone": "770000000",
    "numeroPiece": "1 751 1990 00001",
    "dateNaissance": "14/03/1990",
}


class Known:
    """A client and a membre of whom everything is known, each entered by one and agreed to by another."""

    def __init__(self, office: Office) -> None:
        self.office = office
        number = new_number()
        self.client = {"clientId": f"CLI-{number}"}
        self.membre = {**self.client, "membreId": f"MBR-{number}"}
        self.do("saisir-client", {**self.client, **OF_A_CLIENT})
        wallet_id = f"{number:012d}"[-12:]
        self.do("saisir-membre", {**self.membre, **OF_A_MEMBRE, "walletId": wallet_id})

    def do(self, path: str, values: Json) -> Json:
        """Enter a demande and agree to it."""
        return self.office.checker.agreed(self.office.maker.enter(f"/{path}", **values))

    def read(self, what: str) -> tuple[Json, Json]:
        """What names the client or the membre, and what is known of it now."""
        named = getattr(self, what)
        (found,) = self.office.maker.data(f"/get-{what}", **named)
        return named, found


@pytest.fixture
def known(office: Office) -> Known:
    """Those of this test alone."""
    return Known(office)


@pytest.mark.parametrize(("what", "fields"), [("client", OF_A_CLIENT), ("membre", OF_A_MEMBRE)])
def test_what_was_entered_is_what_is_found(known: Known, what: str, fields: Json) -> None:
    _, found = known.read(what)
    assert {name: found[name] for name in fields} == fields


ERASED: list[tuple[str, Json]] = [
    ("client", {"ninea": ""}),
    ("client", {"contact": {"nom": "Un autre"}}),
    ("client", {"contact": {}}),
    *(("membre", {name: ""}) for name in OF_A_MEMBRE),
]


@pytest.mark.parametrize(("what", "change"), ERASED)
def test_modification_changes_what_it_names_and_nothing_else(
    known: Known, what: str, change: dict[str, Any]
) -> None:
    named, before = known.read(what)
    known.do(f"modifier-{what}", {**named, **change, "versionAttendue": before["version"]})
    _, after = known.read(what)
    if "contact" in change:
        change = {"contact": {**dict.fromkeys(CONTACT, ""), **change["contact"]}}
    expected = {**before, **change, "version": before["version"] + 1}
    assert after == expected


def test_rights_of_an_agent_are_replaced_and_what_is_absent_stays(office: Office) -> None:
    agent_id = office.agent("LECTEUR", "SAISIE")
    change: Json = {"agentId": agent_id, "clients": [office.client_id], "versionAttendue": 1}
    office.checker.agreed(office.maker.enter("/modifier-agent", **change))
    change = {"agentId": agent_id, "roles": ["AUDITEUR"], "versionAttendue": 2}
    office.checker.agreed(office.maker.enter("/modifier-agent", **change))
    found = [
        one
        for one in office.checker.data("/get-liste-agents", role="AUDITEUR", limite="100")
        if one["agentId"] == agent_id
    ]
    assert [(one["roles"], one["clients"], one["version"]) for one in found] == [
        (["AUDITEUR"], [office.client_id], 3)
    ]
    assert found[0]["email"] == f"{agent_id}@cynod.example"


@pytest.mark.parametrize("role", ROLES)
def test_agent_who_is_given_a_role_has_its_rights(office: Office, role: str) -> None:
    person = office.person()
    office.checker.agreed(
        office.maker.enter("/saisir-agent", **person, roles=["LECTEUR"], clients=[])
    )
    change: Json = {"agentId": person["agentId"], "roles": [role], "versionAttendue": 1}
    office.checker.agreed(office.maker.enter("/modifier-agent", **change))
    (found,) = office.bureau.known(person["agentId"]).data("/get-mon-profil")
    assert (found["roles"], set(found["droits"])) == ([role], set(ROLES[role]))


def test_agent_may_have_every_role(office: Office) -> None:
    person = office.person()
    office.checker.agreed(
        office.maker.enter("/saisir-agent", **person, roles=list(ROLES), clients=[])
    )
    (found,) = office.bureau.known(person["agentId"]).data("/get-mon-profil")
    assert sorted(found["roles"]) == sorted(ROLES)


def test_client_goes_into_a_reseau_and_out_of_it(office: Office) -> None:
    client = {"clientId": office.world.client()}
    for version, reseau_id in ((1, office.reseau_id), (2, None)):
        change: Json = {**client, "reseauId": reseau_id, "versionAttendue": version}
        office.checker.agreed(office.maker.enter("/affecter-reseau", **change))
        (found,) = office.maker.data("/get-client", **client)
        assert (found["reseauId"], found["version"]) == (reseau_id, version + 1)
