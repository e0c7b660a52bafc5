"""The operator's day, docs/exploitation.md, pasted into a shell as it stands."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

import pytest

from tests.support.contract_client import ROOT, Json
from tests.support.needs import need
from tests.support.pasted import paste
from tests.support.process import serve
from tests.support.scenes import NewUrl

PAGE = ROOT / "docs" / "exploitation.md"
MARK = "── "
NEVER = "http://127.0.0.1:8080"


def tasks() -> dict[str, str]:
    """What is pasted, by the title over it."""
    sections = re.split(r"^#+ (.*)\n", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    pairs = zip(sections[::2], sections[1::2], strict=True)
    return {title: "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)) for title, text in pairs}


class Day:
    """What each task printed, line by line."""

    def __init__(self, printed: str) -> None:
        self._printed = dict(
            part.partition("\n")[::2] for part in printed.split(MARK) if part.strip()
        )

    def lines(self, title: str) -> list[str]:
        """The lines of a task."""
        return [line for line in self._printed[title].splitlines() if line]

    def answers(self, title: str) -> list[Json]:
        """Those that are answers of the API, which must be successes, or refusals."""
        return [json.loads(line) for line in self.lines(title) if line.startswith("{")]

    def demandes(self, title: str) -> list[tuple[str, str]]:
        """Type and statut of each demande that was told."""
        told = [one["data"][0] for one in self.answers(title) if one["success"]]
        return [(one["type"], one["statut"]) for one in told if "empreinte" in one]


@pytest.fixture(scope="module")
def day(new_database_url: NewUrl, tmp_path_factory: pytest.TempPathFactory) -> Day:
    """The whole page, pasted from its beginning to its end."""
    need("curl")
    folder = tmp_path_factory.mktemp("day")
    variables: dict[str, Any] = {
        "CYNOD_DATABASE_URL": new_database_url(),
        "CYNOD_SURFACES": "partenaire,base-core",
        "CYNOD_CLE_LOCALE": str(folder / "agents.pem"),
        "CYNOD_LOG_FORMAT": "json",
    }

    script = "\n".join(
        f"echo {shlex.quote(MARK + title)}\n{text}" for title, text in tasks().items()
    )
    with serve("--demo", folder=folder, **variables) as server:
        # What is looked for on the day after is of this one.
        meant = {
            NEVER: server.url,
            "-d yesterday": "-d today",
            " cynod.log ": f" {server.log_file} ",
        }
        return Day(paste(script, meant, folder, **variables))


def test_stolen_card_is_blocked_by_one_command(day: Day) -> None:
    blocked, *shown = day.lines("A card is stolen at night")
    assert blocked == "carte 701980******9577: OPPOSITION, VOLEE."
    assert any(line.split()[:2] == ["statut", "OPPOSITION"] for line in shown)


def test_replacement_is_paid_with_and_the_old_card_is_over(day: Day) -> None:
    title = "It is replaced, and its holder pays with the new one"
    assert day.demandes(title) == [
        ("remplacerCarte", "SAISIE"),
        ("remplacerCarte", "EXECUTEE"),
        ("activerCarte", "EXECUTEE"),
    ]
    *_, paid = day.answers(title)
    assert (paid["success"], paid["data"][0]["soldeOnline"]) == (True, 23_000.0)


def test_name_and_phone_are_corrected_by_two(day: Day) -> None:
    title = "A name and a phone are corrected"
    assert day.demandes(title) == [("modifierMembre", "SAISIE"), ("modifierMembre", "EXECUTEE")]


def test_expired_cards_of_a_client_are_renewed(day: Day) -> None:
    *renewed, told = day.lines("The expired cards of a client are renewed")
    assert [line.partition(":")[0] for line in renewed] == ["carte 701980******9593"]
    assert told == "1 expired card of CLI-0001 renewed."


def test_client_is_closed_once_its_cards_are_over_and_empty(day: Day) -> None:
    title = "A client is closed"
    assert day.lines(title)[0] == "carte 701980******0017: ANNULEE, FIN_DE_CONTRAT."
    assert day.demandes(title) == [
        ("transfererSoldeSpecial", "SAISIE"),
        ("transfererSoldeSpecial", "EXECUTEE"),
        ("changerStatutClient", "SAISIE"),
        ("changerStatutClient", "EXECUTEE"),
    ]


def test_client_is_given_a_reseau(day: Day) -> None:
    title = "A client is given a réseau"
    assert day.demandes(title) == [
        ("saisirReseau", "SAISIE"),
        ("saisirReseau", "EXECUTEE"),
        ("affecterReseau", "SAISIE"),
        ("affecterReseau", "EXECUTEE"),
    ]


def test_partner_is_suspended_and_resumed(day: Day) -> None:
    title = "A partner is suspended, and resumed"
    (refused,) = day.answers(title)
    assert (refused["code"], refused["success"]) == ("2005", False)
    assert len(day.lines(title)) == 3


def test_reason_of_a_refusal_is_found_in_the_log(day: Day) -> None:
    title = "Why a partner was refused yesterday"
    line, entry, partner = day.lines(title)
    refused = json.loads(line)
    assert (refused["operation"], refused["code"]) == ("debitCarte", "2005")
    assert "PartenaireSuspendu" in entry
    assert json.loads(partner)["data"][0]["consumerKey"] == "demo-partenaire"


def test_wrong_opening_balance_is_undone_and_the_journal_tells(day: Day) -> None:
    title = "A wrong opening balance is undone"
    assert day.demandes(title) == [
        ("corrigerSoldeOuverture", "SAISIE"),
        ("corrigerSoldeOuverture", "EXECUTEE"),
    ]
    corrected = [line for line in day.lines(title) if "CORRECTION_OUVERTURE" in line]
    assert any(",2000," in line for line in corrected)


def test_operations_of_a_client_are_a_table(day: Day) -> None:
    head, *rows = day.lines("Yesterday's operations of a client, as a table")
    column = head.strip().split(",").index("type")
    kinds = [row.split(",")[column] for row in rows]
    assert kinds.count("DEBIT") == 1
    assert {"TRANSFERT_SPECIAL", "CORRECTION_OUVERTURE"} <= set(kinds)
