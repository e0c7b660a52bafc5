"""One story through HTTP: what one person enters, another one agrees to, and the audit tells."""

from __future__ import annotations

from tests.support.contract_client import Json
from tests.support.persons import Bureau, new_reference
from tests.support.world import new_number

IN_COMMON = ("type", "reference", "objetType", "contenu", "empreinte", "saisiePar", "motif")


def kept(demande: Json) -> Json:
    """What a demande keeps all its life."""
    return {name: demande[name] for name in IN_COMMON}


def test_client_is_entered_seen_pending_validated_and_found_in_the_audit(bureau: Bureau) -> None:
    maker, checker = bureau.agent("SAISIE"), bureau.agent("VALIDATION", "AUDITEUR")
    client_id, reference = f"CLI-{new_number()}", new_reference()
    asked = {"clientId": client_id, "nom": "Société des Routes", "motif": "Contrat signé"}

    entered = maker.enter("/saisir-client", reference, **asked)
    assert (entered["statut"], entered["validationsManquantes"]) == ("SAISIE", 1)
    assert entered["contenu"] == {"clientId": client_id, "nom": "Société des Routes"}
    again = maker.post("/saisir-client", json={"reference": reference, **asked})
    assert (again.json()["data"], again.headers["idempotent-replayed"]) == ([entered], "true")
    unknown = checker.get("/get-client", params={"clientId": client_id})
    assert unknown.json()["code"] == "6007", "nothing took effect"

    of_maker = maker.data("/get-demande", reference=reference)[0]
    assert (of_maker["peutValider"], of_maker["raison"]) == (False, "2003")
    (seen,) = checker.data("/get-demande", demandeId=entered["demandeId"])
    assert (kept(seen), seen["peutValider"], seen["raison"]) == (kept(entered), True, None)
    waiting = checker.data("/get-liste-demandes", aValider="true", saisiePar=maker.agent_id)
    assert [one["demandeId"] for one in waiting] == [entered["demandeId"]]

    done = checker.agreed(seen)
    assert (done["statut"], done["resultat"]["clientId"]) == ("EXECUTEE", client_id)
    assert [one["agentId"] for one in done["validations"]] == [checker.agent_id]
    assert checker.agree(seen).json()["code"] == "6002"
    (client,) = maker.data("/get-client", clientId=client_id)
    assert (client["nom"], client["statut"], client["version"]) == (
        "Société des Routes",
        "ACTIF",
        1,
    )

    lines = checker.data("/get-audit", demandeId=entered["demandeId"])
    assert [(one["action"], one["acteurId"]) for one in lines] == [
        ("demande.saisie", maker.agent_id),
        ("saisirClient", checker.agent_id),
    ]
    assert (lines[1]["avant"], lines[1]["apres"]["nom"]) == ({}, "Société des Routes")
    (proof,) = checker.post("/verifier-audit", json={}).json()["data"]
    assert proof["intacte"]
