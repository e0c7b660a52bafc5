"""`cynod carte` as an operator runs it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from click.testing import CliRunner, Result

from handlers.cli.carte import REFUSALS
from handlers.cli.root import cli
from models.base import today
from models.books.demo import seed_demo
from models.carte import MOTIFS_ANNULATION, MOTIFS_OPPOSITION
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import base_core

CARD, MASKED = "7019800100009569", "701980******9569"
CARTE_ID = "01KB0QJ5R8X9V4T2M7N6P3C001"
BLOCKED, EXPIRED, CANCELLED, ISSUED = (
    "7019800100009585",
    "7019800100009593",
    "7019800100009601",
    "7019800100009627",
)


@pytest.fixture
def demo(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The demo data, in the database of the commands."""
    url = database.url.render_as_string(hide_password=False)
    monkeypatch.setenv("CYNOD_DATABASE_URL", url)
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=["cartes:debiter"], pepper=b"pepper")
    return database


def cynod(*arguments: str) -> tuple[int, str, str]:
    """Exit code and what `cynod carte` said. It shows no card number, whatever happens."""
    result: Result = CliRunner().invoke(cli, ["carte", *arguments], prog_name="cynod")
    assert "70198001000" not in result.output
    return result.exit_code, result.stdout, result.stderr


def shown(card: str = CARD) -> dict[str, Any]:
    """All that is told of a card."""
    code, out, _ = cynod("show", card, "--json")
    assert code == 0
    told: dict[str, Any] = json.loads(out)
    return told


def last_row() -> dict[str, Any]:
    """The end of the audit."""
    result = CliRunner().invoke(cli, ["audit", "export", "--format", "jsonl"])
    row: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return row


def test_motifs_are_those_of_the_contract() -> None:
    contract = base_core()
    schemas = contract.document["components"]["schemas"]
    told = [
        tuple(contract.resolve(schemas[schema]["properties"][field])["enum"])
        for schema, field in (
            ("OppositionCarte", "motifOpposition"),
            ("AnnulationCarte", "motifAnnulation"),
        )
    ]
    assert told == [MOTIFS_OPPOSITION, MOTIFS_ANNULATION]


@pytest.mark.usefixtures("demo")
def test_card_is_blocked_for_a_graver_motif_each_time_and_lifted() -> None:
    said = f"carte {MASKED}: OPPOSITION, BLOCAGE_TEMPORAIRE.\n"
    assert cynod("opposer", CARD, "--motif", "BLOCAGE_TEMPORAIRE") == (0, said, "")
    said = f"carte {MASKED}: OPPOSITION, PERDUE.\n"
    assert cynod("opposer", CARTE_ID, "--motif", "PERDUE", "--commentaire", "Dakar") == (
        *(0, said),
        "",
    )
    refused = f"cynod: carte {MASKED} is OPPOSITION: it cannot become OPPOSITION.\n"
    assert cynod("opposer", CARD, "--motif", "SUSPICION") == (1, "", refused)
    said = f"carte {MASKED}: ACTIVE, good until 2029-07-18.\n"
    assert cynod("lever", CARD, "--motif", "Retrouvée") == (0, said, "")
    row = last_row()
    told = ("acteurType", "action", "objetType", "objetId", "motif")
    assert [row[name] for name in told] == [
        *("CLI", "leverOpposition", "CARTE", CARTE_ID),
        "Retrouvée",
    ]
    assert [(one["de"], one["vers"]) for one in shown()["historiqueStatuts"]] == [
        ("OPPOSITION", "ACTIVE"),
        ("OPPOSITION", "OPPOSITION"),
        ("ACTIVE", "OPPOSITION"),
    ]


@pytest.mark.usefixtures("demo")
def test_block_of_a_stolen_card_stays() -> None:
    assert cynod("opposer", CARD, "--motif", "VOLEE")[0] == 0
    refused = (
        f"cynod: carte {MASKED} was stolen or misused: its block is not lifted, it is replaced.\n"
    )
    assert cynod("lever", CARD, "--motif", "Retrouvée") == (1, "", refused)
    assert shown()["statut"] == "OPPOSITION"


@pytest.mark.usefixtures("demo")
def test_card_is_cancelled_once_for_good() -> None:
    cancel = ("annuler", CARD, "--motif", "FIN_DE_CONTRAT")
    code, out, err = cynod(*cancel)
    assert (code, out) == (2, "")
    assert "give --yes" in err
    assert cynod(*cancel, "--yes") == (0, f"carte {MASKED}: ANNULEE, FIN_DE_CONTRAT.\n", "")
    refused = f"cynod: carte {MASKED} is cancelled for good.\n"
    assert cynod(*cancel, "--yes") == (1, "", refused)
    assert cynod("opposer", CARD, "--motif", "PERDUE") == (1, "", refused)
    assert cynod("renouveler", CARD) == (1, "", refused)
    assert (shown()["statut"], shown()["soldeOnline"]) == ("ANNULEE", 142_000)


@pytest.mark.usefixtures("demo")
def test_card_is_renewed_for_longer() -> None:
    before = shown()
    code, out, _ = cynod("renouveler", CARD, "--mois", "60", "--json")
    after = json.loads(out)
    assert code == 0
    assert after["finValidite"] > before["finValidite"]
    assert (after["statut"], after["carteId"]) == ("ACTIVE", CARTE_ID)
    refused = f"cynod: carte {MASKED} is good for longer than that: give --mois.\n"
    assert cynod("renouveler", CARD, "--mois", "1") == (1, "", refused)
    refused = "cynod: carte 701980******9585 is blocked: lift that, or replace it.\n"
    assert cynod("renouveler", BLOCKED) == (1, "", refused)


@pytest.mark.usefixtures("demo")
def test_expired_cards_of_a_client_are_renewed_and_no_other() -> None:
    others = [shown(card) for card in (CARD, BLOCKED, CANCELLED, ISSUED)]
    code, out, err = cynod("renouveler", "--client", "CLI-0001")
    first, last = out.splitlines()
    assert (code, err, last) == (0, "", "1 expired card of CLI-0001 renewed.")
    assert first.startswith("carte 701980******9593: ACTIVE")
    assert shown(EXPIRED)["finValidite"] > today().isoformat()
    assert [shown(card) for card in (CARD, BLOCKED, CANCELLED, ISSUED)] == others
    nothing = cynod("renouveler", "--client", "CLI-0001")
    assert nothing == (0, "0 expired cards of CLI-0001 renewed.\n", "")
    assert json.loads(cynod("renouveler", "--client", "CLI-0001", "--json")[1]) == []


@pytest.mark.usefixtures("demo")
def test_card_is_shown_to_people() -> None:
    cynod("opposer", CARD, "--motif", "AUTRE", "--commentaire", "Pliée")
    code, out, _ = cynod("show", CARD)
    lines = dict(line.split(maxsplit=1) for line in out.split("\n\n")[0].splitlines())
    assert code == 0
    assert lines["numeroCarte"] == MASKED
    assert (lines["statut"], lines["motifStatut"]) == ("OPPOSITION", "AUTRE")
    assert lines["commentaireStatut"] == "Pliée"
    assert lines["soldeOnline"] == "142000"


@pytest.mark.usefixtures("demo")
def test_card_that_is_not_there_is_told() -> None:
    refused = (1, "", "cynod: no card has this number or this carteId.\n")
    commands = (
        ("show",),
        ("lever", "--motif", "x"),
        ("opposer", "--motif", "PERDUE"),
        ("renouveler",),
    )
    for named in ("7019800100009999", "01KB0QJ5R8X9V4T2M7N6P3ZZZZ", "a\0b", "٣"):
        for command, *options in commands:
            assert cynod(command, named, *options) == refused, (command, named)


@pytest.mark.usefixtures("demo")
def test_client_that_is_not_there_is_told() -> None:
    for named in ("CLI-9", "a\0b"):
        refused = f"cynod: there is no client {named!r}.\n"
        assert cynod("renouveler", "--client", named) == (1, "", refused)


WRONG = (
    ("opposer", CARD, "--motif", "VOL"),
    ("opposer", CARD, "--motif", "AUTRE"),
    ("opposer", CARD, "--motif", "AUTRE", "--commentaire", "x" * 256),
    ("opposer", CARD, "--motif", "AUTRE", "--commentaire", "a\nb"),
    ("lever", CARD),
    ("lever", CARD, "--motif", ""),
    ("annuler", CARD, "--motif", "AUTRE"),
    ("renouveler",),
    ("renouveler", CARD, "--client", "CLI-0001"),
    ("renouveler", CARD, "--mois", "0"),
    ("renouveler", CARD, "--mois", "61"),
)


@pytest.mark.only_on("sqlite")
@pytest.mark.usefixtures("demo")
def test_what_cannot_be_meant_is_wrong_usage_and_changes_nothing() -> None:
    before = shown()
    for arguments in WRONG:
        assert cynod(*arguments)[:2] == (2, ""), arguments
    assert shown() == before


def test_each_refusal_that_is_told_has_a_sentence() -> None:
    assert all(sentence == sentence.strip(". ") for sentence in REFUSALS.values())
