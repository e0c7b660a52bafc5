"""`cynod agent`, and the machines of the company that `cynod partenaire create --interne` makes."""

from __future__ import annotations

import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from handlers.cli.root import cli
from handlers.edge.local_issuer import EMETTEUR, LocalIssuer
from handlers.edge.oidc import Persons
from models.database.engine import Database
from tests.support.persons import AUDIENCE, MACHINE_SCOPES

Cynod = Callable[..., Result]
AWA = ("agent", "creer", "--nom", "Awa Diop", "--sujet", "awa.diop", "--role", "SAISIE", "SUPPORT")
BOSS = ("agent", "creer", "--nom", "Boss", "--sujet", "boss", "--role", "SECURITE_VALIDATION")


@pytest.fixture
def cynod(database: Database, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cynod:
    """Run `cynod` on an empty database, with a local key of its own."""
    monkeypatch.setenv("CYNOD_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("CYNOD_CLE_LOCALE", str(tmp_path / "agents.pem"))

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner(env=variables).invoke(cli, arguments, prog_name="cynod")

    return run


def answer(result: Result) -> tuple[int, str, str]:
    """Exit code and what was said."""
    return result.exit_code, result.stdout, result.stderr


def known(cynod: Cynod) -> list[dict[str, Any]]:
    """The agents."""
    found: list[dict[str, Any]] = json.loads(cynod("agent", "list", "--json").stdout)
    return found


def audited(cynod: Cynod) -> list[tuple[str, str, str]]:
    """Action, kind of acteur and objet of each row of the audit."""
    lines = cynod("audit", "export", "--format", "jsonl").stdout.splitlines()
    rows = [json.loads(line) for line in lines]
    return [(one["action"], one["acteurType"], one["objetId"]) for one in rows]


def test_agent_is_created_listed_and_audited(cynod: Cynod) -> None:
    assert answer(cynod(*AWA)) == (0, "Agent awa.diop created: SAISIE SUPPORT.\n", "")
    assert known(cynod) == [
        {
            "agentId": "awa.diop",
            "nom": "Awa Diop",
            "email": "",
            "emetteur": EMETTEUR,
            "sujet": "awa.diop",
            "roles": ["SAISIE", "SUPPORT"],
            "clients": [],
            "statut": "ACTIF",
            "version": 1,
        }
    ]
    assert audited(cynod) == [("saisirAgent", "CLI", "awa.diop")]


def test_agents_are_listed_for_a_person_and_made_for_a_program(cynod: Cynod) -> None:
    assert answer(cynod("agent", "list")) == (0, "No agent.\n", "")
    assert json.loads(cynod(*AWA, "--json").stdout)["agentId"] == "awa.diop"
    head, line = cynod("agent", "list").stdout.splitlines()
    assert head.split() == ["agent", "nom", "roles", "clients", "emetteur", "sujet", "statut"]
    assert line.split() == [
        *("awa.diop", "Awa", "Diop", "SAISIE", "SUPPORT", "tous", EMETTEUR, "awa.diop", "actif"),
    ]


def test_agent_of_a_client_that_nobody_knows_is_not_made(cynod: Cynod) -> None:
    said = "cynod: a client of --client is not known; no agent was created.\n"
    assert answer(cynod(*AWA, "--client", "CLI-INCONNU")) == (1, "", said)
    assert known(cynod) == []


def test_agent_is_of_the_provider_that_the_server_asks(cynod: Cynod) -> None:
    cynod(*AWA, CYNOD_OIDC_EMETTEUR="https://id.cynod.example/")
    assert [one["emetteur"] for one in known(cynod)] == ["https://id.cynod.example/"]


def test_agent_who_is_there_is_not_created_again(cynod: Cynod) -> None:
    cynod(*AWA)
    refused = "cynod: an agent is called awa.diop already, or has this sujet; none was created.\n"
    assert answer(cynod(*AWA)) == (1, "", refused)
    same_person = cynod(*AWA, "--id", "awa2")
    assert (same_person.exit_code, len(known(cynod))) == (1, 1)


@pytest.mark.parametrize(
    "options",
    [("--role", "ROOT"), ("--id", "a b"), ("--nom", ""), ("--sujet", "a\nb"), ("--emetteur", "x")],
)
def test_what_no_agent_can_be_is_told(cynod: Cynod, options: tuple[str, ...]) -> None:
    refused = cynod(*AWA, *options)
    assert (refused.exit_code, refused.stdout, known(cynod)) == (2, "", [])


def test_agent_is_suspended_once_and_the_last_validator_never(cynod: Cynod) -> None:
    cynod(*AWA)
    cynod(*BOSS)
    suspend = ("agent", "suspendre", "awa.diop", "--motif", "Départ")
    assert answer(cynod(*suspend)) == (0, "Agent awa.diop suspended.\n", "")
    assert answer(cynod(*suspend)) == (
        *(1, ""),
        "cynod: the agent awa.diop is suspended already.\n",
    )
    last = cynod("agent", "suspendre", "boss", "--motif", "Départ")
    assert answer(last) == (
        *(1, ""),
        (
            "cynod: boss is the last active SECURITE_VALIDATION: nobody could validate a change of rights"
            " any more.\n"
        ),
    )
    nobody = cynod("agent", "suspendre", "nobody", "--motif", "x")
    assert answer(nobody) == (1, "", "cynod: no active agent is called 'nobody'.\n")
    assert [one["statut"] for one in known(cynod)] == ["SUSPENDU", "ACTIF"]
    assert audited(cynod)[2:] == [("changerStatutAgent", "CLI", "awa.diop")]


def test_token_is_one_of_the_agent_by_a_key_that_only_its_owner_reads(
    cynod: Cynod, tmp_path: Path
) -> None:
    cynod(*AWA)
    told = cynod("agent", "jeton", "awa.diop")
    assert (told.exit_code, told.stderr) == (0, "cynod: it is good for 15 minutes.\n")
    file = tmp_path / "agents.pem"
    found = Persons(LocalIssuer(file), AUDIENCE).identify(told.stdout.strip().encode())
    assert found[:2] == (EMETTEUR, "awa.diop")
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    before = file.read_bytes()
    cynod("agent", "jeton", "awa.diop")
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"CYNOD_ENV": "production"},
            "in production the tokens of agents come from the provider alone.",
        ),
        (
            {"CYNOD_OIDC_EMETTEUR": "https://id.cynod.example"},
            "CYNOD_OIDC_EMETTEUR is set: a server with it takes tokens of that provider only.",
        ),
    ],
)
def test_token_is_made_nowhere_else_than_where_there_is_no_provider(
    cynod: Cynod, tmp_path: Path, variables: dict[str, str], told: str
) -> None:
    cynod(*AWA)
    assert answer(cynod("agent", "jeton", "awa.diop", **variables)) == (1, "", f"cynod: {told}\n")
    assert not (tmp_path / "agents.pem").exists()


def test_token_of_somebody_else_is_not_made(cynod: Cynod, tmp_path: Path) -> None:
    cynod(*AWA, "--emetteur", "https://id.cynod.example")
    told = (
        "cynod: awa.diop is an agent of https://id.cynod.example, which alone makes its tokens.\n"
    )
    assert answer(cynod("agent", "jeton", "awa.diop")) == (1, "", told)
    nobody = "cynod: no active agent is called 'nobody'.\n"
    assert answer(cynod("agent", "jeton", "nobody")) == (1, "", nobody)
    cynod(*BOSS)
    (tmp_path / "agents.pem").write_text("something else")
    told = f"cynod: {tmp_path / 'agents.pem'} holds no key of ours; remove it.\n"
    assert answer(cynod("agent", "jeton", "boss")) == (1, "", told)


def test_machine_of_the_company_has_scopes_of_the_back_office_and_no_client(cynod: Cynod) -> None:
    create = ("partenaire", "create", "--nom", "ERP", "--interne", "--json", "--scope")
    made = json.loads(cynod(*create, *MACHINE_SCOPES).stdout)
    assert (made["clients"], made["scopes"]) == ([], list(MACHINE_SCOPES))
    change = ("partenaire", "scopes", made["consumerKey"], "--scope")
    assert cynod(*change, "base-core:lire").exit_code == 0
    for command in (create, change):
        mixed = cynod(*command, "base-core:lire", "soldes:lire")
        assert (mixed.exit_code, mixed.stderr) == (
            1,
            "cynod: unknown scope soldes:lire; known: base-core:lire, base-core:saisir.\n",
        )
    assert cynod(*create, "base-core:lire", "--client", "CLI-0001").exit_code == 2
    assert cynod(*(one for one in create if one != "--interne"), "soldes:lire").exit_code == 2
