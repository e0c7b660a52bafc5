"""What `make fuzz` finds of money and of fields, what it says of it, and how it is run by hand."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from tests.lab.fuzz import __main__ as command
from tests.lab.fuzz import land as lands
from tests.lab.fuzz import report, rules
from tests.lab.fuzz.explain import request_of
from tests.lab.fuzz.land import (
    Carte,
    Land,
    Limite,
    Partenaire,
)
from tests.lab.fuzz.ledger import Ledger
from tests.lab.fuzz.progress import Progress
from tests.lab.fuzz.report import Part, Veil
from tests.lab.fuzz.run import (
    CONFIG,
    QUICK_EXAMPLES,
    QUICK_PHASES,
    Plan,
    fuzz,
)
from tests.lab.fuzz.stage import SQLITE, Stage, stage
from tests.lab.fuzz.walk import walk_all
from tests.support.contract_client import ROOT, Json
from tests.support.patience import CALL_S, PROGRAM_S
from tests.support.process import serve

SEED = 20261123

MONEY = {
    "limit-generous": (
        r"creditCarte: montant \d+ succeeds; it must be refused \(4011: .*periode=JOUR"
    ),
    "limit-strict": r"creditCarte: montant \d+ is refused with 4011; it must succeed",
    "limit-of-operation-generous": (
        r"creditCarte: montant 40001 succeeds; it must be refused \(4011: .*periode=OPERATION"
    ),
    "credit-unlimited": r"creditCarte: montant 40001 succeeds; it must be refused \(4011",
    "reversal-not-given-back": r"refused with 4011, moreInfo '.*montantRestant=0', not \['",
    "debit-below-zero": (
        r"debitCarte: montant 1000001 succeeds; it must be refused "
        r"\(4001: soldeOnline 1000000 is less than montant 1000001\)"
    ),
    "credit-too-full": (
        r"creditCarte: montant \d+ succeeds; it must be refused \(4003: soldeOnline \d+ and montant"
    ),
}
"""Each planted fault of a rule of money, and what the ledger must say of it."""


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A database as a run makes it, to be copied."""
    with stage(SQLITE, tmp_path_factory.mktemp("ground") / "stage") as made:
        yield made


def walk(ground: Stage, folder: Path, fault: str | None) -> Part:
    """Walk up to every edge of a server with a fault, on a copy of the database."""
    shutil.copytree(ground.folder, folder / "stage")
    url = ground.database_url.replace(str(ground.folder), str(folder / "stage"))
    made = replace(ground, folder=folder / "stage", database_url=url)
    part = Part(SQLITE, "A")
    with made.serve(fault=fault, workers=1) as server:
        land = made.land(server.url, SEED, "A")
        walk_all(part, land, Veil(land, []), folder / "failures")
    return part


@pytest.mark.parametrize("fault", MONEY)
def test_planted_fault_of_money_is_found_by_the_ledger(
    ground: Stage, tmp_path: Path, fault: str
) -> None:
    part = walk(ground, tmp_path, fault)
    told = "\n".join(failure["what"] for failure in part.failures)
    assert re.search(MONEY[fault], told), told
    assert part.failures[0]["what"].startswith("the ledger: "), told


def test_walk_meets_every_limit_and_finds_nothing_in_a_right_server(
    ground: Stage, tmp_path: Path
) -> None:
    part = walk(ground, tmp_path, None)
    assert (part.failures, part.faults) == ([], [])
    (note,) = part.notes
    calls, refused = map(int, re.findall(r"\d+", note))
    assert calls > 300, note
    assert calls / 3 < refused < calls / 2, note


# ── the ledger ───────────────────────────────────────────────────────────────────────────────────
CARTE = Carte("7019000000000001", "221771234567", "C", "M", lands.WALKED)
CIBLE = Carte("7019000000000002", "221771234567", "C", "M", lands.RICH)


@pytest.fixture
def ledger() -> Ledger:
    """Two cards of a partner, the first with limits."""
    limites = [
        Limite(CARTE.numero, "DEBIT", "JOUR", 100, 3),
        Limite("P", "CREDIT", "OPERATION", 50, None),
    ]
    one = Partenaire("P", "k", "s", ["C"], [CARTE, CIBLE])
    return Ledger.of(
        Land("http://host", 1, [one], limites=limites), {CARTE.numero: 120, CIBLE.numero: 0}
    )


def sent(montant: int, reference: str = "r", carte: Carte = CARTE) -> Json:
    """A movement of a card."""
    return {**carte.query, "montant": montant, "reference": reference}


def done(operation: str, body: Json, solde: int, day: str = "28-11-2026") -> Json:
    """The answer to a success."""
    type_ = {"debitCarte": "DEBIT", "creditCarte": "CREDIT"}.get(operation, "ANNULATION")
    item = {**body, "type": type_, "soldeOnline": float(solde), "dateOperation": f"{day} 10:00:00"}
    return {"data": [{**item, "numeroOperation": "N"}]}


def judge(ledger: Ledger, operation: str, body: Json, status: int, answer: Json) -> None:
    """As a call of ours."""
    ledger.judge("P", operation, body, status, answer, strict=True)


def test_ledger_follows_what_is_right(ledger: Ledger) -> None:
    judge(ledger, "debitCarte", sent(60, "a"), 200, done("debitCarte", sent(60, "a"), 60))
    judge(ledger, "debitCarte", sent(61, "b"), 400, {"code": "4001"})
    judge(ledger, "creditCarte", sent(50, "c"), 200, done("creditCarte", sent(50, "c"), 110))
    assert ledger.soldes[CARTE.numero] == 110
    judge(ledger, "debitCarte", sent(60, "a"), 200, done("debitCarte", sent(60, "a"), 60))
    assert ledger.soldes[CARTE.numero] == 110, "a repeat moves nothing"
    judge(ledger, "debitCarte", sent(1, "a"), 400, {"code": "4002"})


def test_ledger_finds_a_limit_of_another_day_counted(ledger: Ledger) -> None:
    yesterday = done("debitCarte", sent(60, "a"), 60, "27-11-2025")
    judge(ledger, "debitCarte", sent(60, "a"), 200, yesterday)
    more = {"code": "4011", "moreInfo": "portee=CARTE;type=DEBIT;periode=JOUR;montantRestant=40"}
    with pytest.raises(AssertionError, match="refused with 4011; it must succeed"):
        judge(ledger, "debitCarte", sent(60, "b"), 400, more)


@pytest.mark.parametrize(
    ("operation", "body", "solde", "said"),
    [
        ("debitCarte", sent(121), -1, "4001: soldeOnline 120 is less than montant 121"),
        ("debitCarte", sent(101), 19, "4011: portee=CARTE;type=DEBIT;periode=JOUR"),
        ("creditCarte", sent(51), 171, "4011: portee=PARTENAIRE;type=CREDIT;periode=OPERATION"),
        ("debitCarte", sent(60), 61, "debitCarte: soldeOnline is 61.0, not 60"),
        ("debitCarte", sent(60, carte=replace(CARTE, client="D")), 60, "412: no such card"),
    ],
)
def test_ledger_says_what_is_wrong_with_a_success(
    ledger: Ledger, operation: str, body: Json, solde: int, said: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        judge(ledger, operation, body, 200, done(operation, body, solde))


@pytest.mark.parametrize(
    ("body", "answer", "said"),
    [
        (sent(60), {"code": "4001"}, "refused with 4001; it must succeed"),
        (sent(60), {"code": "9999"}, "refused with 9999; it must succeed"),
        (
            sent(101),
            {
                "code": "4011",
                "moreInfo": "portee=CARTE;type=DEBIT;periode=JOUR;montantRestant=101;nombreRestant=3",
            },
            "montantRestant=101;nombreRestant=3', not",
        ),
    ],
)
def test_ledger_says_what_is_wrong_with_a_refusal(
    ledger: Ledger, body: Json, answer: Json, said: str
) -> None:
    with pytest.raises(AssertionError, match=re.escape(said)):
        judge(ledger, "debitCarte", body, 400, answer)


def test_ledger_goes_on_in_another_process(ledger: Ledger) -> None:
    judge(ledger, "debitCarte", sent(60, "a"), 200, done("debitCarte", sent(60, "a"), 60))
    other = replace(ledger, soldes={}, done={})
    other.load(json.loads(json.dumps(ledger.dump())))
    assert other == ledger


def test_limits_that_nobody_knows_are_not_judged(ledger: Ledger) -> None:
    ledger.limites = None
    judge(ledger, "debitCarte", sent(60), 400, {"code": "4011", "moreInfo": "whatever"})


# ── what a finding says ──────────────────────────────────────────────────────────────────────────
NAMED = {
    "field-renamed": (
        "getSoldeCarte",
        "fuzzing",
        r"^getSoldeCarte answers off contract: .*'dateSolde' is a required property.*'date' was",
    ),
    "repeat-differs": (
        "debitCarte",
        "fuzzing",
        (
            r"^repeated_reference_answers_the_same: the same debitCarte again is answered 200, not as"
            r' the first time: data\.0\.numeroOperation was "[0-9A-Z]{26}", is "[0-9A-Z]{26}"'
        ),
    ),
}
"""Each planted fault of a field: the operation and the phase tried to that end, and what is said. Many calls
are made in it: of those of an example, one in twenty is of a card that the caller may not see."""


@pytest.mark.parametrize("fault", NAMED)
def test_finding_names_the_operation_and_the_field(fault: str, tmp_path: Path) -> None:
    operation, phase, said = NAMED[fault]
    options = [f"--include-operation-id={operation}", "--phases", phase]
    plan = Plan(SEED, tmp_path / "out", fault=fault, options=options, provoked=False, whole=False)
    (part,) = fuzz(SQLITE, "B", plan, tmp_path / "run")
    assert any(re.match(said, failure["what"]) for failure in part.failures), (
        part.failures,
        part.faults,
    )
    text = report.write_summary([part], SEED, tmp_path / "out", "make fuzz")
    files = re.findall(r"make fuzz FILE=(\S+)", text)
    assert len(files) == len(part.failures)
    assert all(Path(file).is_file() for file in files), files
    told = (tmp_path / "out" / SQLITE / "schemathesis.txt").read_text(encoding="utf-8")
    assert str(tmp_path / "run") not in told, "it names what is gone after the run"


def test_differences_name_the_field_and_both_values() -> None:
    first = {"data": [{"a": 1, "b": "x", "c": None}], "n": 1.0}
    assert rules.differences(first, {"data": [{"a": 1, "b": "x", "c": None}], "n": 1}) == []
    assert rules.differences(first, {"data": [{"a": True, "b": "y"}], "n": 1.0}) == [
        ("data.0.a", "1", "true"),
        ("data.0.b", '"x"', '"y"'),
        ("data.0.c", "null", "absent"),
    ]


def test_repeat_in_other_bytes_is_told_as_such() -> None:
    rules.check_repeat("debitCarte", b'{"a": 1}', 200, b'{"a": 1}')
    with pytest.raises(AssertionError, match="the same values, in other bytes"):
        rules.check_repeat("debitCarte", b'{"a": 1}', 200, b'{"a":1}')


def test_stored_curl_line_is_a_request_again() -> None:
    curl = (
        """curl -X POST -H 'Authorization: Bearer t' -d '{"a": "it'"'"'s"}' 'http://old:1/p?x=1'"""
    )
    with httpx.Client(base_url="http://new:2") as client:
        request = request_of(curl, client)
    assert request is not None
    assert (request.method, str(request.url)) == ("POST", "http://new:2/p?x=1")
    assert (request.headers["authorization"], request.content) == ("Bearer t", b'{"a": "it\'s"}')


@pytest.mark.parametrize(
    ("body", "missing"),
    [
        ({"data": [{"n": 1}]}, False),
        ({"data": [{"n": None}]}, False),
        ({"data": []}, False),
        ({"data": [{"m": 1}]}, True),
        ({"donnees": []}, True),
    ],
)
def test_link_lacks_only_what_an_answer_should_have(body: Json, missing: bool) -> None:
    assert rules.lacks(body, "/data/0/n") is missing


def test_codes_are_asked_of_a_run_that_provokes_them_only() -> None:
    deployment = Part("deployment", "A", whole=False)
    deployment.judge({})
    assert deployment.faults == []
    ours = Part(SQLITE, "A", whole=False, asked=True)
    ours.judge({})
    assert ours.faults[0].startswith("declared, and never reached: ")


# ── the command ──────────────────────────────────────────────────────────────────────────────────
def test_folder_with_other_things_is_not_cleared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "mine.txt"
    mine.write_text("x", encoding="utf-8")
    assert command.main(["--on", SQLITE, "--out", str(tmp_path)]) == 2
    assert mine.exists()
    assert "holds other things than the reports of a run" in capsys.readouterr().out
    mine.unlink()
    report.clear(tmp_path, 7, ours=False)
    report.clear(tmp_path, 8, ours=False)
    assert (tmp_path / "seed.txt").read_text(encoding="utf-8") == "8\n"


def test_paths_are_told_as_they_are_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert report.as_typed(tmp_path / "out" / "a.json") == "out/a.json"
    assert report.as_typed(Path("/elsewhere/a.json")) == "/elsewhere/a.json"


def test_run_that_cannot_be_ends_with_2_and_so_does_make() -> None:
    for words in (
        [sys.executable, "-m", "tests.lab.fuzz", "--url", "ftp://x"],
        ["make", "-o", ".venv/.dev", "-o", ".venv/.project", "fuzz", "URL=ftp://x"],
    ):
        ended = subprocess.run(
            words, cwd=ROOT, capture_output=True, text=True, check=False, timeout=PROGRAM_S
        )
        assert ended.returncode == 2, ended.stdout + ended.stderr
        assert "fuzz: URL=ftp://x is no http or https address." in ended.stdout


def test_run_says_where_it_is(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_text('{"event":"requete"}\n' * 3, encoding="utf-8")
    said = ""
    ends = time.monotonic() + CALL_S
    with Progress(every_s=0.02) as progress:
        progress.at("sqlite", "generated calls", log)
        while "requests" not in said and time.monotonic() < ends:
            time.sleep(0.02)
            said += capsys.readouterr().out
    assert "sqlite: generated calls (3 requests)" in said


def test_short_run_lowers_settings_that_are_there_and_leaves_no_phase_out() -> None:
    text = (ROOT / CONFIG).read_text(encoding="utf-8")
    assert all(text.count(setting) == 1 for setting in QUICK_EXAMPLES)
    phases = {phase for value in QUICK_PHASES.values() for phase in value.split(",")}
    assert phases == {"examples", "coverage", "fuzzing", "stateful"}


# ── by hand ──────────────────────────────────────────────────────────────────────────────────────
def test_schemathesis_runs_by_hand_against_the_demo(tmp_path: Path) -> None:
    line = next(
        line.strip()
        for line in (ROOT / "docs" / "qa.md").read_text(encoding="utf-8").splitlines()
        if line.strip().startswith(".venv/bin/schemathesis ")
    )
    with serve("--demo", folder=tmp_path) as server:
        words = line.replace("http://127.0.0.1:8080", server.url).split()
        assert words[0] == ".venv/bin/schemathesis"
        few = [
            *("--include-operation-id", "debitCarte", "--include-operation-id", "mesDroits"),
            *("--phases", "examples,fuzzing", "--max-examples", "3", "--seed", "1"),
        ]
        ended = subprocess.run(
            [str(Path(sys.executable).parent / "schemathesis"), *words[1:], *few],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=PROGRAM_S,
        )
        log = server.log
    assert ended.returncode == 0, ended.stdout[-3000:] + ended.stderr[-1000:]
    assert '"operation":"debitCarte","partenaire":"demo-partenaire","statut":200' in log
