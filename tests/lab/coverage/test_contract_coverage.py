"""The judge of what was observed: it finds what is missing, and tells no secret."""

from __future__ import annotations

import copy
import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.coverage import values
from tests.lab.coverage.__main__ import main
from tests.lab.coverage.cells import (
    ANSWER,
    BODY,
    EXAMPLE,
    FORM,
    HEADER,
    MEDIA,
    QUERY,
    VALUE,
    Cell,
    Contract,
)
from tests.lab.coverage.observe import Observation, read_exchanges
from tests.lab.coverage.page import anchor
from tests.lab.coverage.recording import (
    FUZZ,
    PART,
    SUMMARY,
    WHOLE,
    fingerprint,
)
from tests.lab.coverage.report import Report, curl
from tests.support import exchanges
from tests.support.contract_client import BASE_CORE_CONTRACT, DOCUMENT, ROOT, Json

CONTRACT = Contract.read()
SOLDE = "/get-solde-carte"
CARD, OTHER_CARD = "7019800100009569", "7019812345679569"
"""One of the demo, which is no secret, and one that might be somebody's."""

QUERY_OF_SOLDE = f"numeroCarte={CARD}&walletId=221771234567&clientId=CLI-0001"
OWN = ("--contract", str(ROOT / "openapi.yaml"))
WHOLE_RUN = {"whole": True, "reasons": [], "ended": "2026-11-23", "contract": fingerprint()}
REFUSED = {"success": False, "code": "405", "message": "Paramètre walletId manquant ou invalide"}
TEST = "tests/operations/cartes/test_cartes.py::test_one[sqlite]"


def everything(contract: Contract, database: str = "sqlite") -> list[Json]:
    """Made-up exchanges that show every answer, header and media type that a contract declares."""
    made: dict[tuple[str, str], list[Json]] = {}
    places = {op.name: (op.method, op.path) for op in contract.operations.values()}
    prefix, known = (
        ("/base-core", next(iter(contract.paths))) if contract.is_base_core else ("", SOLDE)
    )
    places |= {"(unknown path)": ("GET", f"{prefix}/x"), "(other method)": ("PATCH", known)}
    for cell in contract.cells():
        if cell.kind == ANSWER:
            method, path = places[cell.operation]
            made.setdefault((cell.operation, cell.place), []).append(
                {
                    "test": f"tests/operations/test_made.py::test_up[{database}]",
                    "method": method,
                    "path": path,
                    "query": "surplus=1",
                    "headers": [],
                    "body": "",
                    "status": int(cell.place),
                    "code": cell.what,
                    "message": None,
                    "answer_headers": [],
                    "media_type": "",
                    "shape": None,
                }
            )
    for cell in contract.cells():
        for exchange in made.get((cell.operation, cell.place), []):
            if cell.kind == HEADER:
                exchange["answer_headers"].append(cell.what.lower())
            elif cell.kind == MEDIA:
                exchange["media_type"] = cell.what
    return [exchange for of_place in made.values() for exchange in of_place]


def keep(folder: Path, made: list[Json], run: Json = WHOLE_RUN) -> Path:
    """A folder as a run of pytest leaves it."""
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(exchange) + "\n" for exchange in made)
    (folder / "1.jsonl").write_text(lines, encoding="utf-8")
    (folder / SUMMARY).write_text(json.dumps(run), encoding="utf-8")
    return folder


def run(folder: Path, *more: str) -> tuple[int, Json]:
    """Judge a folder; the exit code and the JSON."""
    output = folder.parent / "output"
    code = main(["--exchanges", str(folder), "--output", str(output), *(more or OWN)])
    found: Json = json.loads((output / "contract-coverage.json").read_text(encoding="utf-8"))
    return code, found


@pytest.fixture
def positive() -> list[Json]:
    """Everything, its successes without the surplus parameter that would not be accepted."""
    made = everything(CONTRACT)
    for exchange in made:
        if exchange["status"] == 200:
            exchange["body"] = None
            exchange["query"] = _fitting(exchange)
    return made


def _fitting(exchange: Json) -> str:
    operation = CONTRACT.operations[exchange["method"], exchange["path"]]
    examples = {
        "numeroCarte": CARD,
        "walletId": "221771234567",
        "clientId": "CLI-0001",
        "membreId": "MBR-0001",
    }
    names = [field.name for field in operation.parameters.values() if field.required]
    return "&".join(f"{name}={examples[name]}" for name in names)


def test_everything_observed_is_green(
    tmp_path: Path, positive: list[Json], capsys: pytest.CaptureFixture[str]
) -> None:
    code, found = run(keep(tmp_path / "run", positive))
    assert (code, found["red"]) == (0, [])
    assert not any(cell["kind"] == ANSWER for cell in found["missing"])
    assert any(cell["kind"] == VALUE for cell in found["missing"])
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith("contract coverage green: ")
    assert "answer 100 %" in last
    assert " exchanges on sqlite, " in last
    assert "PART" not in last


def test_each_contract_is_judged_by_what_was_asked_under_its_prefix(
    tmp_path: Path, positive: list[Json], capsys: pytest.CaptureFixture[str]
) -> None:
    own = everything(Contract.read(ROOT / "base-core.yaml"))
    folder = keep(tmp_path / "run", [*positive, *own])
    main(["--exchanges", str(folder), "--output", str(tmp_path)])
    lines = capsys.readouterr().out.splitlines()
    told = [line for line in lines if line.startswith("contract coverage")]
    assert [line.rpartition(" of ")[2] for line in told] == ["openapi.yaml", "base-core.yaml"]
    assert told[0].startswith("contract coverage green")
    assert not [line for line in lines if line.startswith("never observed")]
    page = (tmp_path / "contract-coverage-base-core.html").read_text(encoding="utf-8")
    assert "validerDemande" in page
    assert "debitCarte" not in page


def test_an_answer_never_observed_is_named_and_red(
    tmp_path: Path, positive: list[Json], capsys: pytest.CaptureFixture[str]
) -> None:
    rest = [e for e in positive if (e["path"], e["code"]) != (SOLDE, "2002")]
    code, found = run(keep(tmp_path / "run", rest))
    line = "never observed: getSoldeCarte, HTTP 401, answer 2002"
    assert (code, found["red"]) == (1, [line])
    missing = {"kind": ANSWER, "operation": "getSoldeCarte", "place": "401", "what": "2002"}
    assert missing in found["missing"]
    assert line in capsys.readouterr().out


def test_a_new_code_of_the_contract_is_missing(tmp_path: Path, positive: list[Json]) -> None:
    document = copy.deepcopy(DOCUMENT)
    document["paths"][SOLDE]["get"]["x-codes-erreur"].append("4001")
    contract = tmp_path / "openapi.yaml"
    contract.write_text(yaml.safe_dump(document), encoding="utf-8")
    code, found = run(keep(tmp_path / "run", positive), "--contract", str(contract))
    assert (code, found["red"]) == (1, ["never observed: getSoldeCarte, HTTP 400, answer 4001"])


def test_a_status_without_a_code_is_missing(positive: list[Json]) -> None:
    document = copy.deepcopy(DOCUMENT)
    responses = document["paths"][SOLDE]["get"]["responses"]
    responses["413"] = {"$ref": "#/components/responses/CorpsTropGrand"}
    contract = Contract(document)
    report = Report(contract, Observation(contract).add_all(positive), WHOLE_RUN)
    assert report.red == ["never observed: getSoldeCarte, HTTP 413, answer no code"]


def test_each_database_must_have_shown_each_answer(tmp_path: Path, positive: list[Json]) -> None:
    other = [{**e, "test": e["test"].replace("sqlite", "postgresql")} for e in positive]
    rest = [e for e in other if (e["path"], e["code"]) != (SOLDE, "2002")]
    code, found = run(keep(tmp_path / "run", [*positive, *rest]))
    line = "never observed: getSoldeCarte, HTTP 401, answer 2002 on postgresql"
    assert (code, found["red"]) == (1, [line])


def test_an_answer_that_nothing_declares_is_red(tmp_path: Path, positive: list[Json]) -> None:
    stray = next(e for e in positive if (e["path"], e["code"]) == (SOLDE, "2002"))
    code, found = run(keep(tmp_path / "run", [*positive, {**stray, "code": "4001"}]))
    assert (code, found["red"]) == (
        1,
        ["answered, not declared: getSoldeCarte, HTTP 401, answer 4001"],
    )


def test_an_accepted_value_that_breaks_the_contract_is_red(
    tmp_path: Path, positive: list[Json]
) -> None:
    good = next(e for e in positive if (e["path"], e["code"]) == (SOLDE, "200"))
    wrong = {**good, "query": good["query"].replace("walletId=221771234567", "walletId=22")}
    code, found = run(keep(tmp_path / "run", [*positive, wrong]))
    place = "getSoldeCarte, query walletId, value too short"
    assert (code, found["red"]) == (1, [f"accepted, not valid: {place}"])
    page = (tmp_path / "output" / "contract-coverage.html").read_text(encoding="utf-8")
    told = page.partition("Why the build is red:")[2].partition("</div>")[0]
    assert "walletId=22" in told, "the request that was wrongly accepted is not shown"
    assert wrong["test"] in told


def test_a_partial_record_is_said_to_be_one(
    tmp_path: Path, positive: list[Json], capsys: pytest.CaptureFixture[str]
) -> None:
    part = {**WHOLE_RUN, "whole": False, "reasons": ["7 tests were deselected"], "contract": "old"}
    run(keep(tmp_path / "run", positive, part))
    out = capsys.readouterr().out
    assert "Only a part was judged: 7 tests were deselected." in out
    assert "openapi.yaml has changed since" in out
    assert "of a PART of the tests" in out
    page = (tmp_path / "output" / "contract-coverage.html").read_text(encoding="utf-8")
    assert "Only a part of the tests was judged: 7 tests were deselected." in page


def test_a_whole_run_is_judged_before_a_later_part_and_this_is_said(
    tmp_path: Path, positive: list[Json], capsys: pytest.CaptureFixture[str]
) -> None:
    part = {**WHOLE_RUN, "whole": False, "reasons": ["1 tests failed"], "ended": "2026-11-24"}
    keep(tmp_path / WHOLE, positive)
    keep(tmp_path / PART, [], part)
    assert main(["--recorded", str(tmp_path), "--output", str(tmp_path), *OWN]) == 0
    out = capsys.readouterr().out
    assert "ended 2026-11-23, not the later one of 2026-11-24, a part (1 tests failed)" in out
    keep(tmp_path / PART, [], {**part, "ended": "2026-11-22"})
    assert main(["--recorded", str(tmp_path), "--output", str(tmp_path), *OWN]) == 0
    assert "not the later one" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("contract", "red"),
    [
        (fingerprint(), ["answered, not declared: getSoldeCarte, HTTP 401, answer 4001"]),
        ("old", []),
    ],
)
def test_the_last_fuzz_on_the_same_contract_is_judged_with_the_tests(
    tmp_path: Path, positive: list[Json], contract: str, red: list[str]
) -> None:
    stray = next(e for e in positive if (e["path"], e["code"]) == (SOLDE, "2002"))
    keep(tmp_path / WHOLE, positive, {**WHOLE_RUN, "contract": fingerprint()})
    fuzzed = {**stray, "code": "4001", "test": "tests/lab/fuzz/[sqlite]"}
    keep(tmp_path / FUZZ, [fuzzed], {"contract": contract, "seed": 1})
    assert main(["--recorded", str(tmp_path), "--output", str(tmp_path), *OWN]) == int(bool(red))
    found = json.loads((tmp_path / "contract-coverage.json").read_text(encoding="utf-8"))
    assert found["red"] == red


def test_without_a_record_the_command_says_so(tmp_path: Path) -> None:
    assert main(["--recorded", str(tmp_path)]) == 2


def test_the_page_stands_alone_and_names_every_operation(
    tmp_path: Path, positive: list[Json]
) -> None:
    run(keep(tmp_path / "run", positive))
    page = (tmp_path / "output" / "contract-coverage.html").read_text(encoding="utf-8")
    assert "http://" not in page
    assert "https://" not in page
    assert "src=" not in page
    for operation in CONTRACT.operations.values():
        assert f'<h2 id="{operation.name}">' in page
    assert anchor("(unknown path)") == "unknown-path"
    ids = re.findall(r'\bid="([^"]*)"', page)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', page)) <= set(ids)


# ── the record ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test records."""
    monkeypatch.setenv(exchanges.FOLDER, str(tmp_path / "kept"))
    return tmp_path / "kept"


def _record(path: str, body: bytes = b"", answer: Any = REFUSED, **more: Any) -> None:
    options: dict[str, Any] = {
        "status": 400,
        "answer_headers": [("Content-Type", "application/json"), ("X-Request-Id", "1")],
        "answer": json.dumps(answer).encode(),
        **more,
    }
    headers = {"Authorization": "Bearer s3cr3t-token", "Content-Type": FORM}
    exchanges.record("POST" if body else "GET", path, headers, body, **options)


def test_no_secret_and_no_card_number_is_recorded(folder: Path) -> None:
    _record(f"{SOLDE}?numeroCarte={OTHER_CARD}&walletId=1")
    _record("/access-token", b"client_id=k&client_secret=s3cr3t&grant_type=client_credentials")
    _record("/access-token", b'{"client_secret": "s3cr3t", "numeroCarte": "7019812345679569"}')
    _record("/retirer-secret-initial", b'{"codeRetrait": "s3cr3t"}')
    answer = {"access_token": "s3cr3t", "code": 200, "message": f"carte {OTHER_CARD}"}
    _record("/access-token", b"x", answer, status=200)
    exchanges.record_bytes(
        b"GET /x HTTP/1.1\r\nAuthorization: Basic s3cr3t\r\nCookie: s3cr3t\r\n\r\n",
        status=404,
        answer_headers=[],
        answer=b"",
    )
    exchanges.close_all()
    (file,) = folder.glob("*.jsonl")
    text = file.read_text(encoding="utf-8")
    assert "s3cr3t" not in text
    assert OTHER_CARD not in text
    assert exchanges.mask(OTHER_CARD) == "7019810000009569"
    assert exchanges.star(exchanges.mask(f"{CARD} {OTHER_CARD}")) == f"{CARD} 701981******9569"
    for escaped in ("%C0%B7", "%20", r"\u00e9", r"\u0000"):
        assert OTHER_CARD not in exchanges.mask(f"{escaped}{OTHER_CARD}")
    made = list(read_exchanges(folder))
    shown = curl(made[0])
    assert shown == (
        f"curl -i \"$API\"'{SOLDE}?numeroCarte=701981******9569&walletId=1'"
        f" -H \"Authorization: Bearer $TOKEN\" -H 'content-type: {FORM}'"
    )


def test_a_value_is_observed_only_when_the_answer_is_about_it(folder: Path) -> None:
    query = QUERY_OF_SOLDE.replace("221771234567", "22")
    _record(f"{SOLDE}?{query}")
    _record(f"{SOLDE}?{QUERY_OF_SOLDE.replace(CARD, '1')}")
    _record(f"{SOLDE}?{query.replace('22', '')}")
    exchanges.close_all()
    seen = Observation(CONTRACT).add_all(read_exchanges(folder)).seen
    found = {cell for cell in seen if cell.kind == VALUE}
    wallet = f"{QUERY} walletId"
    assert found == {
        Cell(VALUE, "getSoldeCarte", wallet, values.TOO_SHORT),
        Cell(VALUE, "getSoldeCarte", wallet, values.EMPTY),
    }


def test_an_example_is_observed_when_it_was_sent_as_it_stands(folder: Path) -> None:
    example = DOCUMENT["components"]["examples"]["DemandeDebit"]["value"]
    for body in ({**example, "montant": 1}, example):
        _record("/debit-carte", json.dumps(body).encode(), {"code": 200}, status=200)
        exchanges.close_all()
        seen = Observation(CONTRACT).add_all(read_exchanges(folder)).seen
        cell = Cell(EXAMPLE, "debitCarte", BODY, "debit")
        assert (cell in seen) is (body == example)


def test_an_example_of_a_request_may_name_what_another_server_has_named(folder: Path) -> None:
    contract = Contract.read(BASE_CORE_CONTRACT)
    cell = Cell(EXAMPLE, "retirerDemande", BODY, "retrait")
    example = next(op for op in contract.operations.values() if op.name == cell.operation)
    path, shown = example.path, example.examples[cell]
    for demande_id in ("not-one", "0" * 26):
        body = json.dumps({**shown, "demandeId": demande_id}).encode()
        _record(path, body, {"code": 200}, status=200)
        exchanges.close_all()
        seen = Observation(contract).add_all(read_exchanges(folder)).seen
        assert (cell in seen) is (demande_id != "not-one")


def test_an_example_of_a_refusal_may_leave_out_what_finds_the_fault(folder: Path) -> None:
    cell = Cell(EXAMPLE, "getSoldeCarte", "401", "jetonExpire")
    example = DOCUMENT["components"]["examples"]["JetonExpire"]["value"]
    for more in ({"other": "1"}, {"requestId": "1", "documentation": "/#code-2002"}):
        _record(f"{SOLDE}?{QUERY_OF_SOLDE}", answer={**example, **more}, status=401)
        exchanges.close_all()
        seen = Observation(CONTRACT).add_all(read_exchanges(folder)).seen
        assert (cell in seen) is ("requestId" in more)


def test_a_field_of_an_object_is_observed_when_its_path_is_named(folder: Path) -> None:
    contract = Contract.read(BASE_CORE_CONTRACT)
    for told, contact in (
        ("contact.nom", {"nom": 1}),
        ("contact.email", {"telephone": 1}),
        ("contact.surplus", {"surplus": "1"}),
    ):
        answer = {**REFUSED, "message": f"Paramètre {told} manquant ou invalide"}
        _record("/base-core/saisir-client", json.dumps({"contact": contact}).encode(), answer)
    exchanges.close_all()
    seen = Observation(contract).add_all(read_exchanges(folder)).seen
    assert {cell for cell in seen if cell.kind == VALUE} == {
        Cell(VALUE, "saisirClient", f"{BODY} contact.nom", values.WRONG_TYPE),
        Cell(VALUE, "saisirClient", f"{BODY} contact", values.UNDECLARED),
    }


def test_values_of_the_items_of_a_list_are_observed(folder: Path) -> None:
    contract = Contract.read(BASE_CORE_CONTRACT)
    body = json.dumps({"roles": ["SAISIE", "AUDITEUR"]}).encode()
    _record("/base-core/modifier-agent", body, {"code": 200}, status=200)
    exchanges.close_all()
    seen = Observation(contract).add_all(read_exchanges(folder)).seen
    found = {cell.what for cell in seen if cell.place == f"{BODY} roles[]"}
    assert found == {"valid, SAISIE", "valid, AUDITEUR"}


def test_a_request_that_can_be_sent_as_it_is_told_is_shown_first(folder: Path) -> None:
    for card in (OTHER_CARD, CARD, OTHER_CARD):
        _record(f"{SOLDE}?{QUERY_OF_SOLDE.replace(CARD, card)}", answer={"code": 200}, status=200)
    exchanges.close_all()
    seen = Observation(CONTRACT).add_all(read_exchanges(folder)).seen
    shown = seen[Cell(ANSWER, "getSoldeCarte", "200", "200")].exchange
    assert shown is not None
    assert CARD in curl(shown)


def test_the_cards_of_the_demo_are_those_that_it_makes() -> None:
    text = (ROOT / "models" / "books" / "demo.py").read_text(encoding="utf-8")
    assert set(re.findall(r'"([0-9]{12,})"', text)) == exchanges.DEMO


def test_a_half_written_line_is_passed_over(folder: Path) -> None:
    _record(SOLDE)
    exchanges.close_all()
    with next(folder.glob("*.jsonl")).open("a", encoding="utf-8") as file:
        file.write('{"test": "ha')
    assert len(list(read_exchanges(folder))) == 1


def test_a_process_that_just_ends_leaves_its_exchanges_and_no_warning(folder: Path) -> None:
    program = (
        "from tests.support import exchanges\n"
        "exchanges.record('GET', '/x', {}, b'', status=404, answer_headers={}, answer=b'')\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("", "")
    assert [exchange["path"] for exchange in read_exchanges(folder)] == ["/x"]


def test_nothing_is_recorded_where_no_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(exchanges.FOLDER, raising=False)
    _record(SOLDE)
    assert list(tmp_path.iterdir()) == []


# ── values ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("schema", "way", "value"),
    [
        ({"type": "string", "pattern": "^[0-9]{12,19}$"}, values.TOO_SHORT, "1" * 11),
        ({"type": "string", "pattern": "^[0-9]{12,19}$"}, values.TOO_LONG, "1" * 20),
        ({"type": "string", "pattern": "^[0-9]{12,19}$"}, values.PATTERN, "1" * 12 + "\n"),
        ({"type": "string", "pattern": "^[0-9]{12,19}$"}, values.VALID, "1" * 12),
        ({"type": "string", "enum": ["A"]}, values.ENUM, "B"),
        ({"type": "string", "minLength": 1}, values.EMPTY, ""),
        ({"type": "string", "nullable": True}, values.VALID, None),
        ({"type": "string"}, values.NULL, None),
        ({"type": "integer", "minimum": 1}, values.BELOW, 0),
        ({"type": "integer", "maximum": 1}, values.ABOVE, 2),
        ({"type": "integer"}, values.FRACTION, 1.0),
        ({"type": "integer"}, values.WRONG_TYPE, True),
        ({"type": "array", "maxItems": 1}, values.TOO_MANY, [1, 2]),
        (
            {"type": "object", "properties": {}, "additionalProperties": False},
            values.UNDECLARED,
            {"a": 1},
        ),
    ],
)
def test_way_of_a_value(schema: Json, way: str, value: Any) -> None:
    assert values.way_of(schema, value) == way
    assert way in (values.VALID, *values.ways(schema, text=False))


@pytest.mark.parametrize(
    ("text", "way"),
    [("true", values.VALID), ("1", values.WRONG_TYPE), ("", values.EMPTY)],
)
def test_way_of_the_text_of_a_boolean(text: str, way: str) -> None:
    assert values.way_of_text({"type": "boolean"}, text) == way


def test_values_at_the_edges_of_a_schema_are_cells_of_their_own(folder: Path) -> None:
    for limite in ("1", "100", "50"):
        _record(f"/get-liste-cartes?clientId=A&limite={limite}", answer={"code": 200}, status=200)
    refused = {**REFUSED, "message": "Paramètre limite manquant ou invalide"}
    _record("/get-liste-cartes?clientId=A&limite=101", answer=refused)
    exchanges.close_all()
    seen = Observation(CONTRACT).add_all(read_exchanges(folder)).seen
    place = f"{QUERY} limite"
    shown = [cell for cell in seen if (cell.kind, cell.place) == (VALUE, place)]
    assert {(cell.what, seen[cell].kinds.total()) for cell in shown} == {
        (values.VALID, 3),
        (values.LEAST, 1),
        (values.GREATEST, 1),
        (values.ABOVE, 1),
    }
    declared = {c.what for c in CONTRACT.cells() if c.operation == "getHistoriqueCarte"}
    assert {"valid, CREDIT", "valid, OUVERTURE"} <= declared
