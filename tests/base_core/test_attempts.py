"""Who tries to agree to what is his own is refused, and the audit tells that he tried."""

from __future__ import annotations

from tests.support.persons import Bureau, new_reference
from tests.support.world import new_number


def test_attempt_against_four_eyes_stays_in_the_audit(bureau: Bureau) -> None:
    both, auditor = bureau.agent("SAISIE", "VALIDATION"), bureau.agent("AUDITEUR")
    asked = {"clientId": f"CLI-{new_number()}", "nom": "Société"}
    entered = both.enter("/saisir-client", new_reference(), **asked)
    refused = both.agree(entered)
    assert refused.json()["code"] == "6003"
    lines = auditor.data("/get-audit", demandeId=entered["demandeId"])
    assert [(one["action"], one["acteurId"], one["apres"]) for one in lines][1:] == [
        ("demande.refusee", both.agent_id, {"refus": "6003"})
    ]
    assert lines[1]["requestId"] == refused.headers["x-request-id"]
    (seen,) = auditor.data("/get-demande", demandeId=entered["demandeId"])
    assert (seen["statut"], seen["validations"]) == ("SAISIE", [])


def test_machine_that_tries_to_validate_stays_in_the_audit_too(bureau: Bureau) -> None:
    maker, auditor, machine = bureau.agent("SAISIE"), bureau.agent("AUDITEUR"), bureau.machine()
    asked = {"clientId": f"CLI-{new_number()}", "nom": "Société"}
    entered = maker.enter("/saisir-client", new_reference(), **asked)
    assert machine.agree(entered).json()["code"] == "2009"
    lines = auditor.data("/get-audit", demandeId=entered["demandeId"])
    assert [(one["action"], one["acteurType"], one["apres"]) for one in lines][1:] == [
        ("demande.refusee", "PARTENAIRE", {"refus": "2009"})
    ]
