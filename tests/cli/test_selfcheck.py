"""`cynod contract selfcheck URL` asks a server what the contract's examples show, and finds what differs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import httpx
import pytest
import yaml
from click.testing import CliRunner

from handlers.cli.root import cli
from handlers.contract.reading import load
from handlers.workbench.conformance import replay
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET
from tests.support.contract_client import CONTRACT, Json, at_version
from tests.support.patience import PROGRAM_S
from tests.support.process import (
    ServerProcess,
    free_port,
    run_cynod,
    serve,
)
from tests.support.scene import ALL, NEEDED

DEMO = {"CYNOD_CONSUMER_KEY": CONSUMER_KEY, "CYNOD_CONSUMER_SECRET": CONSUMER_SECRET}
ANYBODY = {"CYNOD_CONSUMER_KEY": "anybody", "CYNOD_CONSUMER_SECRET": "anything"}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The API with the demo data, which the contract's examples show."""
    with serve("--demo", folder=tmp_path_factory.mktemp("demo")) as process:
        yield process


def selfcheck(url: str, folder: Path, *arguments: str, **variables: str) -> tuple[int, Json]:
    """Exit code and report."""
    done = run_cynod(
        "contract",
        "selfcheck",
        url,
        "--format",
        "json",
        *arguments,
        folder=folder,
        timeout=PROGRAM_S,
        **variables,
    )
    assert done.stdout, done.stderr
    report: Json = json.loads(done.stdout)
    return done.returncode, report


def of(report: Json, verdict: str) -> set[tuple[str, str]]:
    """Operation and case of the outcomes with this verdict."""
    return {
        (one["operation"], one["case"]) for one in report["outcomes"] if one["verdict"] == verdict
    }


def test_server_of_this_contract_passes_whole(server: ServerProcess, tmp_path: Path) -> None:
    code, report = selfcheck(server.url, tmp_path, "--writes", **DEMO)
    assert (code, report["passed"], of(report, "wrong"), of(report, "not sent")) == (
        0,
        True,
        set(),
        set(),
    )
    assert report["version"] == report["servedVersion"]
    assert {one["operation"] for one in report["outcomes"]} == set(ALL)
    # The two examples that are exact, and the refusals that anybody can bring about.
    required = "the required parameters of the contract"
    assert {
        ("getSoldeCarte", required),
        ("checkCardValidity", required),
        ("getSoldeCarte", "an unknown card"),
        ("debitCarte", "no Authorization"),
        ("debitCarte", "an unknown card"),
    } <= of(report, "identical")


def test_nothing_is_written_unless_asked(tmp_path: Path) -> None:
    with serve("--demo", folder=tmp_path) as fresh:
        before = run_cynod("journal", "verify", folder=tmp_path).stdout
        code, report = selfcheck(fresh.url, tmp_path, **DEMO)
    assert code == 0
    assert {operation for operation, _ in of(report, "not sent")} == {
        "creditCarte",
        "debitCarte",
        "transfererSolde",
        "cloturerReference",
        "annulerOperation",
        "opposerMaCarte",
        "leverMonOpposition",
        "renouvelerSecret",
        "revoquerSecret",
    }
    assert run_cynod("journal", "verify", folder=tmp_path).stdout == before


def test_without_credentials_only_refusals_are_asked_of_what_is_secured(
    server: ServerProcess, tmp_path: Path
) -> None:
    code, report = selfcheck(server.url, tmp_path)
    secured = {name for name in ALL if NEEDED[name] is not None}
    asked = {
        case for name, case in of(report, "identical") | of(report, "conform") if name in secured
    }
    assert (code, asked) == (0, {"no Authorization"})


def test_text_counts_what_it_found(server: ServerProcess, tmp_path: Path) -> None:
    done = run_cynod("contract", "selfcheck", server.url, folder=tmp_path)
    assert done.returncode == 0
    assert "identical  healthReady, Accept: text/html: HTTP 406 1005\n" in done.stdout
    assert done.stdout.rstrip().endswith(" not sent.")
    assert " 0 wrong, " in done.stdout.splitlines()[-1]


def test_wrong_secret_is_told(server: ServerProcess, tmp_path: Path) -> None:
    done = run_cynod(
        *("contract", "selfcheck", server.url),
        folder=tmp_path,
        CYNOD_CONSUMER_KEY=CONSUMER_KEY,
        CYNOD_CONSUMER_SECRET="wrong",
    )
    assert (done.returncode, done.stdout, done.stderr) == (
        1,
        "",
        f"cynod: the server gives no token for {CONSUMER_KEY}: HTTP 401.\n",
    )


def test_server_that_is_away_is_told(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    done = run_cynod("contract", "selfcheck", url, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith(f"cynod: {url} cannot be asked: ")


def test_missing_secret_and_wrong_address_are_told(tmp_path: Path) -> None:
    done = run_cynod(
        "contract", "selfcheck", "http://127.0.0.1:1", "--consumer-key", "a", folder=tmp_path
    )
    assert "CYNOD_CONSUMER_SECRET is not set" in done.stderr
    done = run_cynod("contract", "selfcheck", "127.0.0.1:1", folder=tmp_path)
    assert (done.returncode, "must begin with http" in done.stderr) == (2, True)


# ── servers that are not of this contract ─────────────────────────────────────────────────────────
def _schema(name: str) -> Callable[[Json], Json]:
    return lambda document: document["components"]["schemas"][name]


def _field_gone(document: Json) -> None:
    schema = _schema("CarteListe")(document)
    schema["required"].remove("porteur")
    del schema["properties"]["porteur"]
    for card in document["components"]["examples"]["ListeCartes"]["value"]["data"]:
        del card["porteur"]


def _text_as_number(document: Json) -> None:
    _schema("SoldeOnline")(document).update(type="string")
    for name in ("minimum", "maximum", "format"):
        del _schema("SoldeOnline")(document)[name]
    _schema("SoldeOnline")(document)["example"] = "142000"
    for node in document["components"]["examples"].values():
        value = node.get("value")
        for line in value.get("data", []) if isinstance(value, dict) else []:
            if "soldeOnline" in line:
                line["soldeOnline"] = "142000"
    for operation in ("/credit-carte", "/debit-carte", "/transferer-solde", "/annuler-operation"):
        texts = document["paths"][operation]["post"]["x-message-succes"]
        texts.update(fr="Fait", en="Done")
    document["paths"]["/get-solde-carte"]["get"]["x-message-succes"].update(
        fr="Solde", en="Balance"
    )
    document["components"]["examples"]["SoldeCarte"]["value"]["message"] = "Solde"
    for name in ("Credit", "Debit", "Transfert", "Annulation"):
        document["components"]["examples"][name]["value"]["message"] = "Fait"


WRONG: dict[str, tuple[Callable[[Json], None], tuple[str, str], str]] = {
    "field gone": (
        _field_gone,
        ("getListeCartes", "the required parameters of the contract"),
        "the body does not fit the schema of response 200",
    ),
    "text for a number": (
        _text_as_number,
        ("getSoldeCarte", "the required parameters of the contract"),
        "the body does not fit the schema of response 200",
    ),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_server_that_answers_otherwise_is_found_out(wrong: str, tmp_path: Path) -> None:
    edit, place, reason = WRONG[wrong]
    document = at_version(yaml.safe_load(CONTRACT.read_bytes()), "1.99.0")
    edit(document)
    path = tmp_path / "other.yaml"
    path.write_text(json.dumps(document), encoding="utf-8")
    with serve(folder=tmp_path, verb="mock", CYNOD_CONTRACT=str(path)) as other:
        code, report = selfcheck(other.url, tmp_path, **ANYBODY)
        asked = CliRunner(env=ANYBODY).invoke(cli, ["contract", "selfcheck", other.url])
    assert code == asked.exit_code == 1
    *_, versions, _ = asked.stdout.splitlines()
    assert versions == (
        f"The server serves {report['servedVersion']}, this contract is {report['version']}."
    )
    assert place in of(report, "wrong")
    (found,) = [one for one in report["outcomes"] if (one["operation"], one["case"]) == place]
    assert found["reason"] == reason
    assert report["servedVersion"].startswith("1.99.0+")


class _Silent(httpx.BaseTransport):
    """A server that has no word of the contract."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, text=f"<html>{request.url.path}</html>")


def test_server_of_another_kind_fails_in_every_answer() -> None:
    report = replay(load(CONTRACT), "http://127.0.0.1", transport=_Silent())
    sent = [one for one in report.outcomes if one.verdict != "not sent"]
    assert {one.verdict for one in sent} == {"wrong"}
    assert {one.reason for one in sent} <= {
        "Content-Type is text/plain",
        "HTTP 200 is not declared",
    }


RIGHT = load(CONTRACT)
SOLDE = RIGHT.operations["getSoldeCarte"]
DECLARED = {name: "1" for answer in SOLDE.responses.values() for name in answer.get("headers", {})}
REQUIRED, SURPLUS = "the required parameters of the contract", "an undeclared parameter"
OTHER_400 = next(
    code for code in sorted(SOLDE.codes) if code != "405" and RIGHT.catalogue[code].statut == 400
)


def _example(status: int, **changed: str) -> Json:
    """An example of an answer of getSoldeCarte, with these fields."""
    examples = SOLDE.responses[status]["content"]["application/json"]["examples"].values()
    return {**RIGHT.resolve(next(iter(examples)))["value"], **changed}


class _Same(httpx.BaseTransport):
    """A server that has one answer for everything."""

    def __init__(self, status: int, body: object, headers: Mapping[str, str]) -> None:
        self._answer = (status, body, headers)

    def handle_request(self, _request: httpx.Request) -> httpx.Response:
        status, body, headers = self._answer
        return httpx.Response(status, json=body, headers=headers)


@pytest.mark.parametrize(
    ("status", "body", "case", "reason"),
    [
        (418, {}, REQUIRED, "HTTP 418 is not declared"),
        (400, "no object", SURPLUS, "the body does not fit the schema of response 400"),
        (200, _example(200), SURPLUS, "HTTP 200 where code 405 was due"),
        (400, _example(400, code="9999"), SURPLUS, "code 9999 came with HTTP 400"),
        (400, _example(400, code="1001"), SURPLUS, "code 1001 is not declared"),
        (400, _example(400, code=OTHER_400), SURPLUS, f"code {OTHER_400} where 405 was due"),
        (400, _example(400, code="405"), SURPLUS, ""),
    ],
)
def test_each_way_of_being_wrong_is_told(status: int, body: object, case: str, reason: str) -> None:
    report = replay(RIGHT, "http://127.0.0.1", token="a", transport=_Same(status, body, DECLARED))
    found = {(one.operation_id, one.case): one.reason for one in report.outcomes}
    assert found["getSoldeCarte", case] == reason


def test_header_that_is_declared_and_absent_is_told() -> None:
    report = replay(RIGHT, "http://127.0.0.1", token="a", transport=_Same(200, _example(200), {}))
    found = {(one.operation_id, one.case): one.reason for one in report.outcomes}
    needed = [
        name
        for name, node in SOLDE.responses[200]["headers"].items()
        if RIGHT.resolve(node).get("required")
    ]
    assert needed
    told = found["getSoldeCarte", REQUIRED]
    assert told == "; ".join(f"the header {name} is absent" for name in needed)
