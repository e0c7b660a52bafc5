"""`make fuzz` finds what is planted, hides what it must, and leaves nothing out.

CI runs `make fuzz` itself beside these tests; they prove that its green means something.
"""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from tests.lab.fuzz import remote, report, rules
from tests.lab.fuzz.land import (
    SOLDE_MAXIMAL,
    Land,
    Partenaire,
    make_cartes,
)
from tests.lab.fuzz.replay import replay
from tests.lab.fuzz.run import CONFIG, Plan, fuzz
from tests.lab.fuzz.stage import SQLITE
from tests.support.contract_client import ROOT, Json

SETTINGS = tomllib.loads((ROOT / CONFIG).read_text(encoding="utf-8"))

PLANTED = {
    "wrong-text": ("code_and_text_are_the_contract_s", "getSoldeCarte", "coverage"),
    "refusal-that-moves": ("money_moves_only_as_answered", "debitCarte", "coverage"),
    "card-of-another": ("no_card_but_the_partner_s_own", "getListeCartes", "coverage"),
    "undeclared-header": ("headers_are_declared", "healthLive", "examples"),
    "undeclared-code": ("code_and_text_are_the_contract_s", "mesDroits", "examples"),
}
"""Each planted fault: the check that must find it, the operation and the phase tried to that end."""


@pytest.mark.parametrize("fault", PLANTED)
def test_planted_fault_is_found_told_and_replayed(fault: str, tmp_path: Path) -> None:
    check, operation, phase = PLANTED[fault]
    plan = Plan(
        1,
        tmp_path / "out",
        fault=fault,
        options=[f"--include-operation-id={operation}", "--phases", phase],
        provoked=False,
        whole=False,
    )
    (part,) = fuzz(SQLITE, "A", plan, tmp_path / "run")
    found = [failure for failure in part.failures if failure["what"].startswith(f"{check}:")]
    assert found, (part.failures, part.faults)
    assert found[0]["curl"].startswith("curl ")
    assert_hidden(tmp_path / "out")
    stored = tmp_path / "out" / "failures" / found[0]["file"]
    if fault == "wrong-text":
        still_there, said = replay(stored, tmp_path / "again", fault)
        assert still_there, said
        still_there, said = replay(stored, tmp_path / "mended")
        assert not still_there, said


def assert_hidden(folder: Path) -> None:
    """No report holds a card number of the land or a token."""
    numbers = [carte.numero for name in "AB" for carte in make_cartes(name)]
    files = [file for file in folder.rglob("*") if file.is_file()]
    assert {file.name for file in files} >= {"junit.xml", "har.json", "index.html"}
    for file in files:
        text = file.read_text(encoding="utf-8", errors="replace")
        assert not any(number in text for number in numbers), file
        assert report.Veil(LAND, []).hide(text) == text, file


LAND = Land(
    "http://host",
    1,
    [
        Partenaire(name, f"key-{name}", f"secret-of-{name}", ["C"], make_cartes(name))
        for name in "AB"
    ],
)


def test_what_is_hidden_comes_back_for_a_replay() -> None:
    carte, secret = LAND.cartes[3], LAND.partenaires[1].secret
    text = json.dumps({"numeroCarte": carte.numero, "walletId": carte.wallet, "s": secret})
    hidden = report.Veil(LAND, ["a-token"]).hide(f"{text} Bearer a-token")
    for secret_text in (carte.numero, carte.wallet, secret, "a-token"):
        assert secret_text not in hidden
    assert report.show(hidden, LAND, "new") == f"{text} Bearer new"


def test_no_check_no_phase_and_no_operation_is_left_out() -> None:
    """What the settings switch off is told here, with its reason: nothing."""
    assert SETTINGS["checks"]["enabled"] is True
    assert all(SETTINGS["phases"][name]["enabled"] for name in SETTINGS["phases"])
    assert set(SETTINGS["phases"]) == {"examples", "coverage", "fuzzing", "stateful"}
    assert "operations" not in SETTINGS
    text = (ROOT / CONFIG).read_text(encoding="utf-8")
    assert "exclude" not in text
    off = [line for line in text.splitlines() if line.replace(" ", "").endswith("=false")]
    assert off == [
        "warnings = false",  # a list of hints, no check
        "enabled = false",  # Schemathesis's hiding: ours is wider, see tests/lab/fuzz/report.py
    ]


# ── the rules ────────────────────────────────────────────────────────────────────────────────────
REFUSED: Json = {"success": False, "code": "4001"}
BEFORE = {"1": 100, "2": 50}


@pytest.mark.parametrize(
    ("operation", "status", "after", "replayed"),
    [
        ("debitCarte", 400, {"1": 90, "2": 50}, False),
        ("debitCarte", 200, {"1": 100, "2": 50}, False),
        ("debitCarte", 200, {"1": 90, "2": 60}, False),
        ("debitCarte", 200, {"1": 90, "2": 50}, True),
        ("creditCarte", 200, {"1": 90, "2": 50}, False),
    ],
)
def test_money_that_does_not_move_as_told_is_a_fault(
    operation: str, status: int, after: dict[str, int], *, replayed: bool
) -> None:
    item = {"numeroCarte": "1", "montant": 10, "soldeOnline": 90.0}
    answer: Json = {"data": [item]} if status == 200 else REFUSED
    with pytest.raises(AssertionError):
        rules.check_moves(operation, {}, status, answer, BEFORE, after, replayed=replayed)


def test_money_that_moves_as_told_is_none() -> None:
    answer = {"data": [{"numeroCarte": "1", "montant": 10, "soldeOnline": 90.0}]}
    after = {"1": 90, "2": 50}
    rules.check_moves("debitCarte", {}, 200, answer, BEFORE, after, replayed=False)
    rules.check_moves("debitCarte", {}, 400, REFUSED, BEFORE, BEFORE, replayed=False)


@pytest.mark.parametrize(
    "text",
    [
        '{"dateSolde": "31-02-2026 10:00:00"}',
        '{"finValidite": "2026-01-01"}',
        '{"montant": 10.0}',
        '{"soldeOnline": 10}',
        '{"soldeOnline": 10.5}',
        '{"soldeOnline": -1.0}',
    ],
)
def test_date_or_amount_of_another_form_is_a_fault(text: str) -> None:
    with pytest.raises(AssertionError):
        rules.check_forms(text)


def test_dates_and_amounts_of_the_declared_form_are_none() -> None:
    rules.check_forms(
        '{"dateSolde": "03-02-2026 10:00:00", "finValidite": "01/12/2030", "montant": 1,'
        f' "soldeOnline": {SOLDE_MAXIMAL}.0, "dateNaissance": ""}}'
    )


# ── a deployment ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "url",
    [
        "https://api.cynod.sn",
        "https://latest.cynod.sn",
        "https://api.cynod.sn/staging",
        "http://staging.cynod.sn",
        "ftp://staging.cynod.sn",
        "staging.cynod.sn",
    ],
)
def test_address_that_may_be_of_production_is_refused(url: str) -> None:
    with pytest.raises(remote.RemoteRefused):
        remote.check_address(url, None)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://127.0.0.1:8080", None),
        ("https://staging.cynod.sn", None),
        ("https://api-recette2.cynod.sn", None),
        ("https://api.cynod.sn", "api.cynod.sn"),
    ],
)
def test_address_of_a_test_server_is_tried(url: str, allowed: str | None) -> None:
    remote.check_address(url, allowed)


def test_phones_are_read_as_import_reads_them(tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_text("\ufeffnumeroCarte,telephone\n7019800100009569,221771234567\n", "utf-8")
    assert remote.read_phones(str(file)) == {"7019800100009569": "221771234567"}
    assert remote.read_phones("") == {}


@pytest.mark.parametrize("content", [None, b"carte,phone\n1,2\n", b"numeroCarte\n\xff\n"])
def test_unreadable_file_of_cards_is_told_in_a_sentence(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "cards.csv"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(remote.RemoteRefused, match=r"^CYNOD_FUZZ_CARTES=.*cards\.csv .*\.$"):
        remote.read_phones(str(file))
