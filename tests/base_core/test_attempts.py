"""Who tries to agree to what is his own is refused, and the audit tells that he tried."""

from __future__ import annotations

import psycopg
import pytest
from sqlalchemy import Connection, text

from models.back_office import moteur
from models.back_office.moteur import Personne
from models.database.engine import Database
from models.demande import Demande
from models.errors import Refusal
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


@pytest.mark.only_on("postgresql")
def test_attempt_whose_connection_is_lost_is_refused_and_written_down_on_another(
    bureau: Bureau, shared_database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    both, auditor = bureau.agent("SAISIE", "VALIDATION"), bureau.agent("AUDITEUR")
    asked = {"clientId": f"CLI-{new_number()}", "nom": "Société"}
    entered = both.enter("/saisir-client", new_reference(), **asked)
    url = shared_database.url.set(drivername="postgresql")
    address = url.render_as_string(hide_password=False)
    judge = moteur.refus_de_valider
    lost: list[int | None] = []

    def lose(connection: Connection, personne: Personne, demande: Demande) -> Refusal | None:
        refus = judge(connection, personne, demande)
        if not lost:
            lost.append(connection.scalar(text("SELECT pg_backend_pid()")))
            with psycopg.connect(address, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s, 5000)", lost)
        return refus

    monkeypatch.setattr(moteur, "refus_de_valider", lose)
    refused = both.agree(entered)
    assert lost
    assert (refused.status_code, refused.json()["code"]) == (400, "6003")
    lines = auditor.data("/get-audit", demandeId=entered["demandeId"])
    assert [one["action"] for one in lines] == ["demande.saisie", "demande.refusee"]
