"""A partner from its creation to its end: no employee sees its secret, and its key stays its own."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
from sqlalchemy import MetaData

from models.partenaire import EXTERNE
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import Json
from tests.support.office import Office
from tests.support.partners import suspend
from tests.support.persons import new_reference
from tests.support.scene import assert_refused
from tests.support.steps import noticing_waits
from tests.support.world import Carte, new_number

SCOPES = ["cartes:debiter", "soldes:lire"]


@pytest.fixture
def carte(office: Office) -> Carte:
    return office.world.carte(10_000)


def created(office: Office, *client_ids: str, **more: Any) -> Json:
    """A partner that was entered and agreed to: what its demande gave."""
    told = {"nom": "Banque", "type": EXTERNE, "scopes": SCOPES, "clients": client_ids, **more}
    demande = office.maker.enter("/saisir-partenaire", **told)
    resultat: Json = office.checker.agreed(demande)["resultat"]
    return resultat


def withdrawn(office: Office, code: str) -> httpx.BasicAuth:
    """The pair that the partner's engineer takes."""
    answer = office.world.anonymous().post("/retirer-secret-initial", json={"codeRetrait": code})
    (pair,) = answer.json()["data"]
    return httpx.BasicAuth(pair["consumerKey"], pair["consumerSecret"])


def debit(office: Office, pair: httpx.BasicAuth, carte: Carte, reference: str) -> httpx.Response:
    """A debit of 100 francs."""
    body = carte.mouvement(100, reference)
    return office.world.anonymous().post("/debit-carte", json=body, auth=pair)


def test_partner_is_shown_as_it_was_entered(office: Office, carte: Carte) -> None:
    client_id = carte.membre.client_id
    key = created(
        office, client_id, adresses=["192.0.2.0/28"], mode="OBSERVER",
        contactTechnique={"email": "it@banque.example"},
    )["consumerKey"]  # fmt: skip
    line = {
        "consumerKey": key,
        "nom": "Banque",
        "type": "EXTERNE",
        "statut": "ACTIF",
        "scopes": SCOPES,
        "clients": [client_id],
        "secretsActifs": 0,
        "modeAdresses": "OBSERVER",
        "dernierAppel": None,
        "version": 1,
    }
    assert office.maker.data("/get-partenaire", consumerKey=key) == [
        {
            **line,
            "basicAutorise": False,
            "contactTechnique": {"email": "it@banque.example", "telephone": ""},
            "adresses": ["192.0.2.0/28"],
            "adressesVues": [],
            "secrets": [],
            "plafonds": [],
            "demandesEnAttente": 0,
        }
    ]
    assert line in every(office, statut="ACTIF", type="EXTERNE")


def every(office: Office, **filtre: str) -> list[Json]:
    """All partners of the list."""
    found: list[Json] = []
    suite: Json = {}
    while True:
        answer = office.maker.get(
            "/get-liste-partenaires", params={**filtre, **suite, "limite": "100"}
        ).json()
        found += answer["data"]
        if answer["curseurSuivant"] is None:
            return found
        suite = {"curseur": answer["curseurSuivant"]}


def test_code_is_told_to_who_agrees_last_and_to_nobody_again(office: Office, carte: Carte) -> None:
    told = {"nom": "Banque", "type": EXTERNE, "scopes": SCOPES, "clients": [carte.membre.client_id]}
    reference = new_reference()
    demande = office.maker.enter("/saisir-partenaire", reference, **told)
    assert demande["resultat"]["codeRetrait"] is None
    agreed = office.checker.agreed(demande)
    assert agreed["resultat"]["codeRetrait"]
    hidden = {**agreed["resultat"], "codeRetrait": None}
    assert office.maker.enter("/saisir-partenaire", reference, **told)["resultat"] == hidden
    for client in (office.maker, office.checker):
        (found,) = client.data("/get-demande", demandeId=demande["demandeId"])
        assert found["resultat"] == hidden


def test_code_of_a_renewal_that_is_repeated_is_not_told_again(office: Office, carte: Carte) -> None:
    key = created(office, carte.membre.client_id)["consumerKey"]
    reference = new_reference()
    asked = {"consumerKey": key, "delaiHeures": 1}
    first, again = (
        office.maker.enter("/renouveler-secret-partenaire", reference, **asked) for _ in range(2)
    )
    assert first["resultat"]["codeRetrait"]
    assert again == {**first, "resultat": {**first["resultat"], "codeRetrait": None}}


def test_code_and_secret_are_in_no_log_and_no_table(
    office: Office, carte: Carte, capfd: pytest.CaptureFixture[str]
) -> None:
    code = created(office, carte.membre.client_id, basicAutorise=True)["codeRetrait"]
    anybody = office.world.anonymous()
    answers = [
        anybody.post("/retirer-secret-initial", json=corps)
        for corps in ({code: "x"}, {"codeRetrait": code}, {"codeRetrait": code})
    ]
    assert [one.json()["code"] for one in answers] == ["405", 200, "2108"]
    secret = answers[1].json()["data"][0]["consumerSecret"]
    told = "".join(capfd.readouterr()) + answers[0].text + answers[2].text
    assert "retirerSecretInitial" in told
    tables = MetaData()
    with office.world.database.reading() as connection:
        tables.reflect(connection)
        told += repr([connection.execute(table.select()).all() for table in tables.sorted_tables])
    for hidden in (code, secret):
        assert hidden not in told


def test_change_keeps_the_key_the_secret_and_the_references(office: Office, carte: Carte) -> None:
    resultat = created(office, carte.membre.client_id, basicAutorise=True)
    pair = withdrawn(office, resultat["codeRetrait"])
    first = debit(office, pair, carte, "R-1").json()
    change = {
        "consumerKey": resultat["consumerKey"],
        "nom": "Autre",
        "scopes": [*SCOPES, "cartes:lire"],
        "clients": [carte.membre.client_id, office.world.client()],
        "versionAttendue": 1,
    }
    office.checker.agreed(office.maker.enter("/modifier-partenaire", **change))
    repeated = debit(office, pair, carte, "R-1")
    assert (repeated.json(), repeated.headers["Idempotent-Replayed"]) == (first, "true")
    (found,) = office.maker.data("/get-partenaire", consumerKey=resultat["consumerKey"])
    assert {name: found[name] for name in ("nom", "version", "secretsActifs")} == {
        "nom": "Autre",
        "version": 2,
        "secretsActifs": 1,
    }


def test_partner_is_suspended_by_who_may_and_resumed_by_two(office: Office, carte: Carte) -> None:
    resultat = created(office, carte.membre.client_id, basicAutorise=True)
    pair = withdrawn(office, resultat["codeRetrait"])
    named = {"consumerKey": resultat["consumerKey"], "motif": "débits de nuit"}
    path = "/changer-statut-partenaire"
    assert debit(office, pair, carte, "R-1").status_code == 200
    # Who validates may suspend too, and no more.
    judge = office.with_role("SECURITE_VALIDATION")
    assert judge.enter(path, **named, statut="SUSPENDU")["statut"] == "EXECUTEE"
    assert_refused(debit(office, pair, carte, "R-2"), "2005")
    for statut in ("ACTIF", "REVOQUE"):
        body = {**named, "statut": statut, "reference": new_reference()}
        assert_refused(judge.post(path, json=body), "2003")
    demande = office.maker.enter(path, **named, statut="ACTIF")
    assert_refused(debit(office, pair, carte, "R-2"), "2005")
    assert office.checker.agreed(demande)["statut"] == "EXECUTEE"
    assert debit(office, pair, carte, "R-2").status_code == 200
    office.checker.agreed(office.maker.enter(path, **named, statut="REVOQUE"))
    assert_refused(debit(office, pair, carte, "R-3"), "2001")


def test_machine_enters_by_its_type_and_not_by_its_scopes(office: Office) -> None:
    machine = office.bureau.machine()
    assert machine.get("/get-liste-clients").status_code == 200
    suspended = {"consumerKey": machine.agent_id, "statut": "SUSPENDU", "motif": "essai"}
    office.maker.enter("/changer-statut-partenaire", **suspended)
    assert_refused(machine.get("/get-liste-clients"), "2005")
    stranger = office.world.partenaire([], scopes=["base-core:lire"])
    by_scope = office.bureau.with_token(office.world.token(stranger))
    assert_refused(by_scope.get("/get-liste-clients"), "2003")


def test_machine_that_is_suspended_meanwhile_enters_nothing(office: Office) -> None:
    machine, database = office.bureau.machine(), office.world.database
    reseau = {"reseauId": f"RES-{new_number()}", "nom": "Réseau", "reference": new_reference()}
    with ThreadPoolExecutor(1) as pool:
        with database.transaction() as connection:
            assert suspend(connection, TESTEUR, machine.agent_id)
            with noticing_waits(database) as wait:
                running = pool.submit(machine.post, "/saisir-reseau", json=reseau)
                wait(1)
            assert not running.done()
        assert_refused(running.result(20), "2005")
    unknown = office.maker.get("/get-demande", params={"reference": reseau["reference"]})
    assert_refused(unknown, "6001")


def test_machine_is_made_by_persons_and_enters_what_persons_validate(office: Office) -> None:
    scopes = ["base-core:lire", "base-core:saisir"]
    told: Json = {"nom": "ERP", "type": "INTERNE", "scopes": scopes}
    resultat = office.checker.agreed(office.maker.enter("/saisir-partenaire", **told))["resultat"]
    pair = withdrawn(office, resultat["codeRetrait"])
    form = {"grant_type": "client_credentials"}
    token = office.world.anonymous().post("/access-token", data=form, auth=pair).json()
    machine = office.bureau.with_token(token["access_token"])
    demande = machine.enter("/saisir-reseau", reseauId=f"RES-{new_reference()}"[:32], nom="Réseau")
    assert demande["saisiePar"] == {
        "type": "PARTENAIRE",
        "id": resultat["consumerKey"],
        "nom": "ERP",
    }


def test_tokens_are_ended_and_counted(office: Office, carte: Carte) -> None:
    resultat = created(office, carte.membre.client_id)
    pair = withdrawn(office, resultat["codeRetrait"])
    form = {"grant_type": "client_credentials"}
    token = office.world.anonymous().post("/access-token", data=form, auth=pair).json()
    api = office.world.anonymous()
    api.headers["Authorization"] = f"Bearer {token['access_token']}"
    assert api.get("/mes-droits").status_code == 200
    ended = office.maker.enter("/revoquer-jetons-partenaire", consumerKey=resultat["consumerKey"])
    assert ended["resultat"]["jetonsRevoques"] == 1
    assert_refused(api.get("/mes-droits"), "2001")


def test_partner_of_a_key_that_this_api_would_not_draw_is_listed_like_any_other(
    office: Office, carte: Carte
) -> None:
    key, client_id = f"clé d'avant+{new_number()}", carte.membre.client_id
    office.world.partenaire([client_id], pair=(key, "secret"), scopes=SCOPES)
    auditor = office.bureau.agent("AUDITEUR", clients=[client_id])
    page: Json = {"curseurSuivant": ""}
    lines: Json = {}
    while page["curseurSuivant"] is not None:  # it sees those of no client too
        suite = {"curseur": page["curseurSuivant"]} if page["curseurSuivant"] else {}
        page = auditor.get("/get-liste-partenaires", params={"limite": "100", **suite}).json()
        lines |= {line["consumerKey"]: line for line in page["data"]}
    assert lines[key]["scopes"] == SCOPES
