"""Each metric moves with what it tells: a real server of two processes, read as Prometheus reads it."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import time
from typing import Any

import httpx
import pytest

from handlers.metrics import table
from handlers.metrics.exposer import Asked
from handlers.settings import Settings
from tests.support.counting import CARTE, DEMO, HOLDER, Counting
from tests.support.needs import need
from tests.support.patience import CALL_S, wait_until
from tests.support.process import PIPES, finish, run_cynod, start_cynod

# What only a server has that has seen one: a demande that waits, a verification.
LATER = {
    one.name for one in (table.PENDING, table.PENDING_OLDEST, table.VERIFIED, table.VERIFIED_AT)
}


def test_every_metric_of_the_table_is_told_and_no_other(counted: Counting) -> None:
    assert counted.names() | LATER == {one.name for one in table.METRICS}


def test_prometheus_itself_finds_nothing_wrong(counted: Counting) -> None:
    need("promtool")
    done = subprocess.run(
        ["promtool", "check", "metrics"],
        input=counted.text(),
        capture_output=True,
        text=True,
        check=False,
    )
    # Its taste for names is older than OpenTelemetry's.
    said = [
        line
        for line in (done.stdout + done.stderr).splitlines()
        if not re.match(r"db_client_connection_count .*_count", line)
    ]
    assert said == []


def test_calls_are_counted_by_operation_status_and_code(counted: Counting) -> None:
    ok = {"operation": "debitCarte", "http_request_method": "POST", "code": "200"}
    before = counted.value(table.CALLS, "_count", **ok)
    assert counted.debit("MESURE-1").status_code == 200
    refused = counted.call("GET", "/get-operation?reference=NULLE-PART", auth=DEMO)
    assert counted.value(table.CALLS, "_count", **ok) == before + 1
    none = {
        "operation": "getOperation",
        "http_response_status_code": str(refused.status_code),
        "code": refused.json()["code"],
    }
    assert counted.value(table.CALLS, "_count", **none) == 1
    assert counted.value(table.CALLS, "_bucket", **none, le="+Inf") == 1
    assert 0 < counted.value(table.CALLS, "_sum", **none) < CALL_S


def test_what_is_no_operation_is_counted_without_its_path(counted: Counting) -> None:
    where = {"operation": "_OTHER", "code": "1003", "http_response_status_code": "404"}
    before = counted.value(table.CALLS, "_count", **where)
    for path in ("/nulle-part", table.METRICS_PATH):
        answer = counted.call("GET", path)
        assert answer.status_code == 404, "the metrics are no route of a contract"
    assert counted.value(table.CALLS, "_count", **where) == before + 2
    assert "nulle-part" not in counted.text()


def test_statements_are_timed_by_name(counted: Counting) -> None:
    claims, commits = {"db_query_summary": "reference.claim"}, {"db_query_summary": "COMMIT"}
    claimed = counted.value(table.STATEMENTS, "_count", **claims)
    committed = counted.value(table.STATEMENTS, "_sum", **commits)
    counted.debit("MESURE-2")
    assert counted.value(table.STATEMENTS, "_count", **claims) == claimed + 1
    assert counted.value(table.STATEMENTS, "_sum", **commits) > committed


def test_replays_tokens_and_refusals_by_limit_are_counted(counted: Counting) -> None:
    replayed = counted.value(table.REPLAYED, operation="debitCarte")
    tokens = counted.value(table.TOKENS)
    limited = counted.value(table.LIMITED, classe="echec")
    assert counted.debit("MESURE-3").json() == counted.debit("MESURE-3").json()
    form = {"grant_type": "client_credentials"}
    token = counted.call("POST", "/access-token", auth=DEMO, data=form)
    assert token.status_code == 200
    # Each process counts failures alone: of three, one process sees two.
    codes = [
        counted.call(
            "POST",
            "/debit-carte",
            auth=("personne", "faux"),
            json={**HOLDER, "montant": 1, "reference": "FAUX"},
        ).json()["code"]
        for _ in range(3)
    ]
    assert codes.count("1008") >= 1
    assert counted.value(table.REPLAYED, operation="debitCarte") == replayed + 1
    assert counted.value(table.TOKENS) == tokens + 1
    assert counted.value(table.LIMITED, classe="echec") == limited + codes.count("1008")


def _at_rest(counted: Counting) -> bool:
    used = counted.value(table.CONNECTIONS, db_client_connection_state="used")
    return counted.value(table.ACTIVE) == counted.value(table.WAITING) == used == 0


def test_calls_that_wait_are_told_while_they_wait(counted: Counting) -> None:
    with counted.debits(6, "ATTENTE") as begin, counted.held():
        calls = begin()
        wait_until(lambda: counted.value(table.ACTIVE) == 6, "not all are under way")
        wait_until(lambda: counted.value(table.WAITING, room="writes") >= 4, "none waits")
        oldest = counted.value(table.OLDEST, room="writes")
        wait_until(lambda: counted.value(table.OLDEST, room="writes") > oldest, "time stands still")
        assert counted.value(table.WAITING, room="reads") == 0
        used = {
            "db_client_connection_pool_name": "operations",
            "db_client_connection_state": "used",
        }
        assert 1 <= counted.value(table.CONNECTIONS, **used) <= 2
        pool = {"db_client_connection_pool_name": "operations"}
        assert counted.value(table.CONNECTIONS_MAX, **pool) == 6
    assert {one.result().status_code for one in calls} == {200}
    wait_until(lambda: _at_rest(counted), "what has ended is still told")
    idle = counted.value(table.CONNECTIONS, db_client_connection_state="idle")
    assert idle >= 1


@pytest.mark.only_on("postgresql")
def test_call_that_runs_again_is_counted(counted: Counting) -> None:
    before = counted.value(table.RETRIED, operation="debitCarte")
    with counted.debits(1, "ENCORE") as begin, counted.psql() as owner, counted.held():
        calls = begin()
        wait_until(
            lambda: bool(
                owner.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND wait_event_type = 'Lock'"
                ).fetchall()
            ),
            "none waits for the card",
        )
        wait_until(
            lambda: counted.value(table.RETRIED, operation="debitCarte") == before + 1,
            "it did not run again",
        )
    assert [one.result().status_code for one in calls] == [200]


@pytest.mark.only_on("postgresql")
def test_commit_of_unknown_outcome_is_counted(counted: Counting) -> None:
    before = counted.value(table.UNKNOWN_COMMITS), counted.value(table.FAILED, code="5001")
    with counted.psql() as owner:
        owner.execute(
            "CREATE FUNCTION lente() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN PERFORM pg_sleep({CALL_S}); RETURN NULL; END $$"
        )
        owner.execute(
            "CREATE CONSTRAINT TRIGGER lente AFTER INSERT ON operations DEFERRABLE INITIALLY DEFERRED"
            " FOR EACH ROW WHEN (NEW.reference = 'INCONNUE-0') EXECUTE FUNCTION lente()"
        )
        with counted.debits(1, "INCONNUE") as begin:
            calls = begin()
            wait_until(
                lambda: bool(
                    owner.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                        " WHERE datname = current_database() AND query = 'COMMIT'"
                        " AND wait_event = 'PgSleep'"
                    ).fetchall()
                ),
                "no COMMIT waits",
            )
        owner.execute("DROP TRIGGER lente ON operations")
    answer = calls[0].result()
    assert (answer.status_code, answer.json()["code"]) == (503, "5001")
    after = counted.value(table.UNKNOWN_COMMITS), counted.value(table.FAILED, code="5001")
    assert after == (before[0] + 1, before[1] + 1)


def test_event_loop_that_does_not_turn_is_told_while_it_does_not(counted: Counting) -> None:
    before = counted.value(table.LOOP_DELAY, "_sum")
    stopped = min(counted.workers())
    os.kill(stopped, signal.SIGSTOP)
    try:
        wait_until(lambda: counted.value(table.LOOP_STALLED) > 0.5, "nobody notices")
    finally:
        os.kill(stopped, signal.SIGCONT)
    wait_until(lambda: counted.value(table.LOOP_STALLED) < 0.5, "it still does not turn")
    assert counted.value(table.LOOP_DELAY, "_sum") > before + 0.4


def test_worker_that_is_killed_leaves_what_it_had_counted_and_no_ghost(counted: Counting) -> None:
    ok = {"operation": "debitCarte", "code": "200"}
    for one in range(4):
        counted.debit(f"AVANT-{one}")
    before = counted.value(table.CALLS, "_count", **ok)
    started = counted.value(table.WORKERS_STARTED)
    with counted.debits(4, "PERDU") as begin, counted.held():
        calls = begin()
        wait_until(lambda: counted.value(table.ACTIVE) == 4, "not all are under way")
        for worker in counted.workers():
            os.kill(worker, signal.SIGKILL)
        for call in calls:
            with contextlib.suppress(httpx.HTTPError):
                call.result(CALL_S)
        wait_until(
            lambda: counted.value(table.WORKERS_STARTED) == started + 2, "they are not replaced"
        )
    wait_until(lambda: counted.value(table.WORKERS) == 2, "they do not serve")
    assert _at_rest(counted)
    assert counted.value(table.CALLS, "_count", **ok) == before
    assert counted.debit("APRES").status_code == 200
    assert counted.value(table.CALLS, "_count", **ok) == before + 1


def test_process_that_tells_is_replaced_and_has_lost_nothing(counted: Counting) -> None:
    before = counted.value(table.CALLS, "_count")
    old = counted.exposer()
    os.kill(old, signal.SIGKILL)

    def is_back() -> bool:
        with contextlib.suppress(httpx.HTTPError, ValueError):
            return counted.exposer() != old and counted.value(table.CALLS, "_count") >= before
        return False

    wait_until(is_back, "nobody tells")


def test_demande_that_waits_is_told_with_its_age(counted: Counting) -> None:
    assert counted.value(table.DATABASE_UP) == 1
    assert counted.value(table.PENDING) == 0
    token = run_cynod(
        "agent", "jeton", "awa.diop", folder=counted.folder, **counted.variables
    ).stdout.strip()
    entered = counted.call(
        "POST",
        "/base-core/saisir-reseau",
        headers={"Authorization": f"Bearer {token}"},
        json={"reseauId": "RES-0009", "nom": "Mesure", "reference": "MESURE"},
    )
    assert entered.json()["data"][0]["statut"] == "SAISIE", entered.text
    one = {"type": "saisirReseau"}
    wait_until(lambda: counted.value(table.PENDING, **one) == 1, "it is not told")
    age = counted.value(table.PENDING_OLDEST, **one)
    wait_until(lambda: counted.value(table.PENDING_OLDEST, **one) > age, "it does not age")


def test_last_result_of_each_verification_is_told(counted: Counting) -> None:
    now = time.time()
    commands = {
        "journal": ("journal", "verify"),
        "seal": ("journal", "seal"),
        "audit": ("audit", "verify"),
    }
    for name, command in commands.items():
        done = run_cynod(*command, folder=counted.folder, **counted.variables)
        assert done.returncode == 0, done.stderr
        assert counted.value(table.VERIFIED, verification=name) == 1
        assert counted.value(table.VERIFIED_AT, verification=name) >= now - 1
    # A head that was never given: the seals were made anew, or it is somebody else's.
    wrong = run_cynod(
        "journal", "verify", "--head", "ab" * 32, folder=counted.folder, **counted.variables
    )
    assert wrong.returncode == 1
    assert counted.value(table.VERIFIED, verification="journal") == 0
    assert counted.value(table.VERIFIED, verification="audit") == 1
    usage = run_cynod("audit", "verify", "--nothing", folder=counted.folder, **counted.variables)
    assert usage.returncode == 2
    assert counted.value(table.VERIFIED, verification="audit") == 1


def test_contract_is_told(counted: Counting) -> None:
    served = httpx.get(
        f"{counted.server.url}/health/live", timeout=CALL_S, trust_env=False
    ).headers["X-Contract-Version"]
    version, _, digest = served.partition("+")
    (line,) = re.findall(
        r"cynod_contract_info\{(.*surface=\"partenaire\".*)\} 1\.0", counted.text()
    )
    assert f'version="{version}"' in line
    assert f'sha256="{digest}' in line


def test_nothing_told_names_a_card_or_a_partner(counted: Counting) -> None:
    text = counted.text()
    assert CARTE not in text
    assert "demo-partenaire" not in text


def test_address_of_metrics_tells_nothing_else(counted: Counting) -> None:
    answer = httpx.get(f"http://127.0.0.1:{counted.port}/", timeout=CALL_S, trust_env=False)
    assert (answer.status_code, answer.text) == (404, "/metrics\n")


def test_address_that_is_taken_is_one_sentence(counted: Counting) -> None:
    process = start_cynod(
        "serve", folder=counted.folder, streams=PIPES, **{**counted.variables, "PORT": "0"}
    )
    done = finish(process)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"cynod: cannot listen on 127.0.0.1:{counted.port}: address already in use.\n"
    )


def test_database_that_is_away_is_told_as_such(tmp_path: Any) -> None:
    asked = Asked(Settings(database_url=f"sqlite:///{tmp_path}/nowhere.db"))
    assert asked().pending is None
