"""Who is let in to the back office, and as what: persons by tokens of the provider, machines by ours."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from joserfc.jwk import ECKey
from sqlalchemy import func, select

from handlers.app import check_provider
from handlers.contracts import load_contracts
from handlers.edge.local_issuer import EMETTEUR, LocalIssuer
from handlers.settings import Settings, SettingsError
from models.agent import ROLES
from models.audit import audit
from models.back_office.moteur import Personne, Saisie, saisir
from models.demande import demandes
from models.errors import ServiceIndisponible
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import PARTENAIRE, Json, base_core, without_id
from tests.support.live import serving, settings_for, with_back_office
from tests.support.patience import CALL_S
from tests.support.persons import (
    AUDIENCE,
    MACHINE_SCOPES,
    Bureau,
    PersonClient,
    Signer,
    new_reference,
)
from tests.support.world import World, new_number

NOW = int(time.time())
Make = Callable[[Signer, str], str]

FORGED: dict[str, Make] = {
    "of another issuer": lambda one, sub: one.token(sub, iss="https://localhost/other"),
    "for another audience": lambda one, sub: one.token(sub, aud="cynod-partenaire"),
    "that lives too long": lambda one, sub: one.token(sub, exp=NOW + 7_200),
    "without an end": lambda one, sub: one.token(sub, exp=...),
    "of an unknown key": lambda one, sub: one.token(sub, header={"kid": "unknown"}),
    "that is an identity token": lambda one, sub: one.token(sub, header={"typ": "id+jwt"}),
    "with another signature": lambda one, sub: ".".join(
        [*one.token(sub).split(".")[:2], one.token("somebody else").split(".")[2]]
    ),
    "unsigned": lambda _, __: "eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.e30.",
    "that is no token": lambda _, __: "a.b.c",
}


def counted(bureau: Bureau) -> list[int]:
    """How many rows the database has that a write would add to."""
    with bureau.world.database.reading() as connection:
        return [
            connection.scalar(select(func.count()).select_from(table)) or 0
            for table in (audit, demandes)
        ]


def new_client(person: PersonClient, **more: Any) -> httpx.Response:
    """The answer to who enters a client."""
    corps = {"reference": new_reference(), "clientId": f"C-{new_number()}", "nom": "X", **more}
    return person.post("/saisir-client", json=corps)


def told(answer: httpx.Response) -> tuple[int, str, str | None]:
    """Status, code and challenge of a refusal."""
    return answer.status_code, answer.json()["code"], answer.headers.get("www-authenticate")


@pytest.mark.parametrize("kind", FORGED)
def test_forged_token_opens_nothing_and_writes_nothing(bureau: Bureau, kind: str) -> None:
    agent = bureau.agent("SAISIE")
    forger = bureau.with_token(FORGED[kind](bureau.signer, agent.agent_id))
    before = counted(bureau)
    challenge = 'Bearer realm="cynod", error="invalid_token"'
    assert told(new_client(forger)) == (401, "2001", challenge)
    assert counted(bureau) == before


def test_token_that_is_too_old_says_so(bureau: Bureau) -> None:
    agent = bureau.agent("SAISIE")
    late = bureau.known(agent.agent_id, iat=NOW - 700, exp=NOW - 60)
    challenge = 'Bearer realm="cynod", error="invalid_token"'
    assert told(late.get("/get-mon-profil")) == (401, "2002", challenge)


@pytest.mark.parametrize("sent", [None, "Basic ZGVtbzpkZW1v", "Bearer"])
def test_who_sends_no_token_is_told_of_the_one_way_there_is(
    bureau: Bureau, sent: str | None
) -> None:
    stranger = bureau.with_token("")
    del stranger.headers["Authorization"]
    if sent is not None:
        stranger.headers["Authorization"] = sent
    assert told(stranger.get("/get-mon-profil")) == (401, "2001", 'Bearer realm="cynod"')


def test_partner_is_no_person_and_may_do_nothing(bureau: Bureau) -> None:
    pair = bureau.world.partenaire([bureau.world.client()])
    partner = bureau.with_token(bureau.world.token(pair))
    assert told(new_client(partner))[:2] == (403, "2003")
    assert told(partner.get("/get-liste-clients"))[:2] == (403, "2003")


def test_person_whom_nobody_entered_is_unknown(bureau: Bureau) -> None:
    stranger = bureau.known(f"nobody-{new_number()}")
    before = counted(bureau)
    assert told(stranger.get("/get-mon-profil")) == (403, "2007", None)
    assert counted(bureau) == before, "nobody is created on the fly"


def test_person_who_is_suspended_is_unknown_from_the_next_call_on(bureau: Bureau) -> None:
    agent = bureau.agent("LECTEUR")
    assert agent.get("/get-mon-profil").status_code == 200
    contenu = {"agentId": agent.agent_id, "statut": "SUSPENDU"}
    with bureau.world.writing() as connection:
        saisir(
            connection, Personne(TESTEUR), Saisie("changerStatutAgent", new_reference(), contenu)
        )
    assert told(agent.get("/get-mon-profil"))[:2] == (403, "2007")


def test_profile_tells_the_agent_and_his_token(bureau: Bureau) -> None:
    agent = bureau.agent("SUPPORT", clients=[bureau.world.client()])
    (profile,) = agent.data("/get-mon-profil")
    assert (profile["agentId"], profile["roles"]) == (agent.agent_id, ["SUPPORT"])
    assert (profile["emetteur"], profile["sujet"]) == (EMETTEUR, agent.agent_id)
    assert profile["droits"] == sorted(
        [
            *("cartes:activer", "cartes:lire", "cartes:opposer"),
            *("clients:lire", "demandes:lire", "operations:lire"),
        ]
    )


def test_every_operation_asks_its_right(bureau: Bureau) -> None:
    """A person without any right of it is refused, and one whose role has it is let in."""
    by_right = {
        role: bureau.agent(role)
        for role in ("SECURITE_SAISIE", "AUDITEUR", "SAISIE", "VALIDATION", "SECURITE_VALIDATION")
    }
    roles = base_core().document["x-roles"]
    for (method, path), operation in base_core().operations.items():
        droit = operation["x-droit"]
        for role, agent in by_right.items():
            held = roles[role]
            verb = droit.removeprefix("*:") if droit.startswith("*:") else None
            may = (
                droit == "aucun"
                or droit in held
                or (verb is not None and any(one.endswith(f":{verb}") for one in held))
            )
            corps: Json | None = {} if method == "POST" else None
            answer = agent.request(method, path.removeprefix("/base-core"), json=corps)
            assert (answer.json()["code"] != "2003") is may, f"{role} {operation['operationId']}"


def test_missing_right_is_named_in_the_challenge(bureau: Bureau) -> None:
    challenge = 'Bearer realm="cynod", error="insufficient_scope", scope="clients:saisir"'
    assert told(new_client(bureau.agent("AUDITEUR"))) == (403, "2003", challenge)


def test_agent_of_some_clients_finds_no_other(bureau: Bureau) -> None:
    own, other = bureau.world.client(), bureau.world.client()
    agent = bureau.agent("SAISIE", clients=[own])
    assert [one["clientId"] for one in agent.data("/get-liste-clients")] == [own]
    hidden, absent = (
        agent.get("/get-client", params={"clientId": one}) for one in (other, f"C-{new_number()}")
    )
    assert hidden.json()["code"] == "6007"
    assert without_id(hidden) == without_id(absent)


def test_machine_enters_for_whom_it_says_and_never_validates(bureau: Bureau) -> None:
    machine, checker = bureau.machine(), bureau.agent("VALIDATION", "AUDITEUR")
    demande = machine.enter(
        "/saisir-client", clientId=f"C-{new_number()}", nom="X", pourLeCompteDe="awa"
    )
    assert demande["saisiePar"]["type"] == "PARTENAIRE"
    (line,) = checker.data("/get-audit", demandeId=demande["demandeId"])
    assert (line["acteurId"], line["pourLeCompteDe"]) == (machine.agent_id, "awa")
    assert told(machine.agree(demande))[:2] == (403, "2009")
    tried = checker.data("/get-audit", demandeId=demande["demandeId"])[1:]
    assert [one["acteurId"] for one in tried] == [machine.agent_id]
    assert checker.agreed(demande)["statut"] == "EXECUTEE"


@pytest.mark.parametrize("scope", MACHINE_SCOPES)
def test_machine_does_what_its_scopes_say(bureau: Bureau, scope: str) -> None:
    machine = bureau.machine(scope)
    answers = machine.get("/get-liste-reseaux"), new_client(machine)
    assert [one.status_code == 200 for one in answers] == [one == scope for one in MACHINE_SCOPES]
    assert told(machine.get("/get-mon-profil"))[:2] == (403, "2003"), "of persons alone"


def test_who_authenticated_long_ago_is_asked_to_again_where_a_rule_is_strong(
    bureau: Bureau,
) -> None:
    maker, checker = bureau.agent("SECURITE_SAISIE"), bureau.agent("SECURITE_VALIDATION")
    demande = maker.enter(
        "/saisir-agent", agentId=f"a-{new_number()}", nom="X", email="", emetteur=EMETTEUR,
        sujet=f"s-{new_number()}", roles=["LECTEUR"], clients=[],
    )  # fmt: skip
    stale = bureau.known(checker.agent_id, auth_time=int(time.time()) - 1_000)
    silent = bureau.known(checker.agent_id, auth_time=...)
    challenge = 'Bearer realm="cynod", error="insufficient_user_authentication", max_age=900'
    for one in (stale, silent):
        assert told(one.agree(demande)) == (401, "2008", challenge)
        assert one.data("/get-demande", demandeId=demande["demandeId"])[0]["raison"] == "2008"
    assert checker.agreed(demande)["statut"] == "EXECUTEE"


def test_nobody_agrees_to_what_he_entered_and_the_attempt_is_kept(bureau: Bureau) -> None:
    both = bureau.agent("SAISIE", "VALIDATION")
    demande = both.enter("/saisir-client", clientId=f"C-{new_number()}", nom="X")
    assert told(both.agree(demande))[:2] == (400, "6003")
    lines = bureau.agent("AUDITEUR").data("/get-audit", demandeId=demande["demandeId"])
    assert len(lines) == 2
    assert lines[1]["acteurId"] == both.agent_id


def test_calls_of_a_person_are_counted_as_his(bureau: Bureau) -> None:
    agent = bureau.agent("LECTEUR")
    first, second = (agent.get("/get-mon-profil") for _ in range(2))
    limit = '"base-core";q=6000;w=60'
    assert [one.headers["ratelimit-policy"] for one in (first, second)] == [limit, limit]
    left = [int(one.headers["ratelimit"].split("r=")[1].split(";")[0]) for one in (first, second)]
    assert left[0] - left[1] == 1


def test_back_office_that_is_not_served_is_an_unknown_path(world: World) -> None:
    """To the byte: nobody outside finds out that there is one."""
    agent = PersonClient(world.url, "", "a.b.c")
    with httpx.Client(base_url=world.url, timeout=CALL_S) as client:
        for (method, path), operation in base_core().operations.items():
            answer = client.request(method, path, headers=dict(agent.headers))
            unknown = client.request(method, "/x" + path[2:], headers=dict(agent.headers))
            assert answer.status_code == 404, operation["operationId"]
            assert without_id(answer) == without_id(unknown)
            names = [
                {name for name in one.headers if name != "x-request-id"}
                for one in (answer, unknown)
            ]
            assert names[0] == names[1]
        assert client.get("/base-core/").status_code == 404
        assert client.get("/base-core/openapi.yaml").status_code == 404
    assert "base-core" not in json.dumps(PARTENAIRE.document)


def test_what_a_person_takes_away_as_a_file_is_in_the_audit(bureau: Bureau) -> None:
    agent = bureau.agent("AUDITEUR", clients=[bureau.world.client()])
    for path in ("/get-liste-clients", "/get-liste-demandes", "/get-audit"):
        answer = agent.get(path, headers={"Accept": "text/csv"})
        assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    everything = bureau.agent("AUDITEUR").data("/get-audit", acteurId=agent.agent_id)
    assert [one["action"] for one in everything] == [
        *("getListeClients", "getListeDemandes", "getAudit"),
    ]


def test_roles_are_those_that_the_contract_says() -> None:
    told_by_contract = {
        role: frozenset(droits) for role, droits in base_core().document["x-roles"].items()
    }
    assert told_by_contract == ROLES


@pytest.mark.parametrize("held", ["nothing", "public", "other"])
def test_local_key_that_is_none_is_told_as_a_service_that_is_away(
    signer: Signer, tmp_path: Path, held: str
) -> None:
    file = tmp_path / "agents.pem"
    other = ECKey.generate_key("P-256")
    file.write_bytes(
        {
            "nothing": b"",
            "public": signer.key.as_pem(private=False),
            "other": other.as_pem(private=True),
        }[held]
    )
    with pytest.raises(ServiceIndisponible):
        LocalIssuer(file).keys(signer.key.kid)
    with pytest.raises(ValueError, match="key"):
        LocalIssuer(file).sign("awa", AUDIENCE)


def test_back_office_without_a_provider_does_not_start_in_production() -> None:
    settings = Settings(environment="production", surfaces=("partenaire", "base-core"))
    with pytest.raises(SettingsError, match="set CYNOD_OIDC_EMETTEUR to the issuer"):
        check_provider(load_contracts(settings), settings)
    check_provider(load_contracts(settings), replace(settings, oidc_emetteur="https://id.example"))
    partners = replace(settings, surfaces=("partenaire",))
    check_provider(load_contracts(partners), partners)


def test_who_authenticated_too_weakly_is_asked_to_again(bureau: Bureau) -> None:
    url = bureau.world.database.url.render_as_string(hide_password=False)
    settings = with_back_office(settings_for(url), bureau.signer)
    maker, checker = bureau.agent("SECURITE_SAISIE"), bureau.agent("SECURITE_VALIDATION")
    demande = maker.enter(
        "/saisir-agent", agentId=f"a-{new_number()}", nom="X", email="", emetteur=EMETTEUR,
        sujet=f"s-{new_number()}", roles=["LECTEUR"], clients=[],
    )  # fmt: skip
    with serving(replace(settings, oidc_acr=("mfa", "fido"))) as base_url:
        weak, strong = (
            PersonClient(base_url, checker.agent_id, bureau.signer.token(checker.agent_id, acr=acr))
            for acr in ("password", "mfa")
        )
        with weak, strong:
            assert told(weak.agree(demande)) == (
                *(401, "2008"),
                (
                    'Bearer realm="cynod", error="insufficient_user_authentication", max_age=900,'
                    ' acr_values="mfa fido"'
                ),
            )
            assert strong.agreed(demande)["statut"] == "EXECUTEE"


def test_log_names_the_agent_and_holds_no_token(
    bureau: Bureau, capsys: pytest.CaptureFixture[str]
) -> None:
    agent_id = f"awa-{new_number():x}"
    agent = bureau.agent("SAISIE", agent_id=agent_id)
    token = agent.headers["authorization"].removeprefix("Bearer ")
    capsys.readouterr()
    agent.get("/get-mon-profil")
    agent.get("/get-client", params={"clientId": token[:30]})
    agent.get("/get-audit")
    bureau.with_token(f"{token}x").get("/get-mon-profil")
    with httpx.Client(base_url=bureau.url, timeout=CALL_S) as client:
        client.post("/access-token", data={"client_id": token, "client_secret": token})
    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines()]
    told_of = [(one["operation"], one.get("agent"), one["code"]) for one in lines]
    assert told_of == [
        ("getMonProfil", agent_id, "200"),
        ("getClient", agent_id, "6007"),
        ("getAudit", agent_id, "2003"),
        ("getMonProfil", None, "2001"),
        ("accessToken", None, "405"),
    ]
    assert not any(part in said for part in token.split("."))


def test_audit_tells_persons_apart_and_shows_neither_address_nor_papers(bureau: Bureau) -> None:
    maker, checker = bureau.agent("SAISIE"), bureau.agent("VALIDATION", "AUDITEUR")
    client_id = bureau.world.client()
    seen = {"email": "awa@cynod.example", "numeroPiece": "SN-1234-5678"}
    demande = maker.enter(
        "/saisir-membre", clientId=client_id, membreId="M-1", walletId=f"{new_number():012d}"[-12:],
        nom="Diop", **seen,
    )  # fmt: skip
    assert checker.agreed(demande)["statut"] == "EXECUTEE"
    answer = checker.get("/get-audit", params={"demandeId": demande["demandeId"]})
    assert not any(value in answer.text for value in seen.values())
    (line,) = [one for one in answer.json()["data"] if one["action"] == "saisirMembre"]
    assert {name: line["apres"][name][:7] for name in seen} == dict.fromkeys(seen, "sha256:")
    (member,) = maker.data("/get-membre", clientId=client_id, membreId="M-1")
    assert {name: member[name] for name in seen} == seen
    read = checker.data("/get-audit", objetId=f"{client_id}:M-1", action="getMembre")
    assert [one["acteurId"] for one in read] == [maker.agent_id]
