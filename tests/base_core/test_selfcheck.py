"""`cynod contract selfcheck --surface base-core` asks a back office what its contract's examples show."""

from __future__ import annotations

import json

from click.testing import CliRunner

from handlers.cli.contract import contract
from tests.support.contract_client import Json, base_core
from tests.support.persons import Bureau

READS = {
    name
    for (method, _), one in base_core().operations.items()
    if method == "GET" or one.get("x-lecture-seule")
    for name in [one["operationId"]]
}


def selfcheck(url: str, token: str) -> tuple[int, Json]:
    """Exit code and report."""
    done = CliRunner().invoke(
        contract,
        ["selfcheck", url, "--surface", "base-core", "--format", "json"],
        env={"CYNOD_JETON_AGENT": token},
    )
    assert done.stdout, done.output
    report: Json = json.loads(done.stdout)
    return done.exit_code, report


def of(report: Json, verdict: str) -> set[str]:
    """The operations of the outcomes with this verdict."""
    return {one["operation"] for one in report["outcomes"] if one["verdict"] == verdict}


def test_back_office_passes_what_a_person_may_read(bureau: Bureau) -> None:
    agent = bureau.agent("SAISIE", "SECURITE_SAISIE", "AUDITEUR")
    token = agent.headers["Authorization"].removeprefix("Bearer ")
    code, report = selfcheck(bureau.url, token)
    wrong = [one for one in report["outcomes"] if one["verdict"] == "wrong"]
    assert (code, report["passed"], wrong) == (0, True, [])
    assert report["servedVersion"] == report["version"]
    assert of(report, "conform") | of(report, "identical") >= READS
    # Nothing that writes is sent unless it is asked for.
    assert {one["reason"] for one in report["outcomes"] if one["verdict"] == "not sent"} == {
        "it writes"
    }


def test_without_a_token_only_who_is_refused_is_asked(bureau: Bureau) -> None:
    code, report = selfcheck(bureau.url, "")
    assert (code, of(report, "wrong")) == (0, set())
    sent = {one["code"] for one in report["outcomes"] if one["verdict"] != "not sent"}
    assert sent == {"2001"}
