"""The arithmetic of the bench, what it shows, and what it makes of PostgreSQL's log."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from models.secret import NouveauPartenaire
from tests.lab.bench import before, counted, in_turns, report
from tests.lab.bench.__main__ import is_whole, parse, plan_of
from tests.lab.bench.before import Beside
from tests.lab.bench.ground import Ground, Size
from tests.lab.bench.load import WORKLOADS, LoadError, Round, of_server, read_wrk
from tests.lab.bench.paced import percentile
from tests.lab.bench.page import page
from tests.lab.bench.pgbench import (
    Statement,
    _find,
    read_log,
    write_script,
)
from tests.lab.bench.report import Series
from tests.lab.bench.run import PARTS
from tests.lab.bench.same import plain
from tests.lab.bench.servers import OURS

GOOD = Round(0, 1.5, 1, 2, 3, 100)


def series(server: str, *rps: float, void: int = -1, processes: int = 1) -> Series:
    """Rounds of so many requests a second; the one numbered `void` has a wrong answer."""
    rounds = [
        replace(GOOD, rps=one, errors=int(number == void), complaint="500" * (number == void))
        for number, one in enumerate(rps)
    ]
    return Series("balance", "sqlite", processes, server, rounds)


def test_ratio_is_of_medians_and_spread_of_neighbours() -> None:
    (found,) = report.compare([series("ours", 300, 330, 900), series("fastapi", 100, 220, 200)])
    assert found == {
        "workload": "balance",
        "database": "sqlite",
        "processes": 1,
        "peer": "fastapi",
        "ours_over_peer": 1.65,
        "spread": [1.5, 4.5],
        "errors": 0,
        "ours_rps": 330,
        "peer_rps": 200,
        "rounds": 3,
    }


@pytest.mark.parametrize(
    ("ours", "undecided"),
    [(224, False), (226, True), (249, True), (250, True), (274, True), (276, False)],
)
def test_target_is_undecided_within_a_tenth_of_it_whether_reached_or_missed(
    ours: float, undecided: bool
) -> None:
    # A balance on SQLite must be 2.5 times as fast as FastAPI's, and 3 times as fast as Connexion's.
    measured = [series("ours", ours), series("fastapi", 100), series("connexion", 1)]
    assert report.is_undecided(measured) is undecided


def test_what_has_no_target_or_no_good_round_is_not_measured_for_longer() -> None:
    assert not report.is_undecided([series("ours", 250), series("flask", 100)])
    of_two = [series("ours", 250, processes=2), series("fastapi", 100, processes=2)]
    assert not report.is_undecided(of_two)
    assert not report.is_undecided([series("ours", 250, void=0), series("fastapi", 100)])


def test_round_with_a_wrong_answer_is_void_and_told() -> None:
    bad = series("fastapi", 100, 9000, 100, void=1)
    (found,) = report.compare([series("ours", 300, 300, 300), bad])
    assert (found["ours_over_peer"], found["spread"], found["errors"]) == (3.0, [3.0, 3.0], 1)
    assert (found["rounds"], bad.complaint) == (2, "500")


def test_peer_that_answers_otherwise_has_no_ratio_and_reaches_nothing() -> None:
    peer = Series("balance", "sqlite", 1, "fastapi", fault="it answers 500")
    (found,) = report.compare([series("ours", 300), peer])
    assert (found["ours_over_peer"], found["spread"], found["errors"]) == (None, None, 1)
    (target,) = report.judge({"results": [found]})
    assert (target["measured"], target["reached"]) == (None, False)


def body(value: float, void: int = -1) -> dict[str, Any]:
    """A run of one workload."""
    made = [series("ours", value, value), series("fastapi", 1.0, 1.0, void=void)]
    memory = {"database": "sqlite", "processes": 1, "pss_mib": 50.0}
    told: dict[str, Any] = {
        "date": "2026-11-23",
        "machine": "a <machine>",
        "how": ["quickly"],
        "results": report.compare(made),
        "throughput": report.throughput(made),
        "cpu": report.cpu(made),
        "scaling": report.scaling([*made, series("ours", 2 * value, processes=2)]),
        "memory": [
            {**memory, "server": "ours", "peak_mib": 111.0},
            {**memory, "server": "fastapi", "peak_mib": 100.0},
        ],
        "start": [
            {
                "database": "sqlite",
                "server": "ours",
                "median_s": 1.0,
                "least_s": 1.0,
                "most_s": 2.0,
            }
        ],
        "growth": [
            {
                "workload": "balance",
                "database": "sqlite",
                "grown": "cards",
                "small": 1,
                "large": 2,
                "cost": 1.15,
                "spread": [1.0, 1.3],
                "errors": 0,
            }
        ],
        "latency": [
            {
                "workload": "balance",
                "database": "sqlite",
                "server": "ours",
                "rate": 60,
                "p50": 1.0,
                "p95": 2.0,
                "p99": 3.0,
                "errors": 0,
            }
        ],
        "faults": [],
    }
    told["targets"] = report.judge(told)
    return told


@pytest.mark.parametrize(
    ("value", "void", "reached"), [(2.5, -1, True), (2.49, -1, False), (3, 1, False)]
)
def test_target_is_reached_at_its_value_and_without_a_wrong_answer(
    value: float, void: int, *, reached: bool
) -> None:
    first, growth, memory = body(value, void)["targets"]
    assert first == {
        "target": "balance, sqlite, against fastapi",
        "wanted": "≥ 2.5",
        "measured": value,
        "reached": reached,
    }
    assert (growth["reached"], memory["reached"], memory["measured"]) == (True, False, 1.11)


def growth(workload: str, grown: str, cost: float) -> dict[str, Any]:
    """How the cost of a call on SQLite grew."""
    place = {"workload": workload, "database": "sqlite", "grown": grown, "large": 1_000_000}
    return {**place, "cost": cost, "errors": 0}


def test_costs_are_judged_each_by_its_own_limit() -> None:
    shared = {"database": "postgresql", "processes": report.CROWD, "peak_mib": 0.0}
    start = {"database": "postgresql"}
    found = report.judge(
        {
            "results": [],
            "growth": [
                *(growth("list", "cards", 1.2), growth("list", "history", 9.0)),
                *(growth("history", "history", 1.16), growth("debit", "cards", 9.0)),
            ],
            "memory": [
                {**shared, "server": "ours", "pss_mib": 60.0},
                {**shared, "server": "fastapi-async", "pss_mib": 50.0},
            ],
            "start": [
                {**start, "server": "ours", "median_s": 1.3},
                {**start, "server": "fastapi", "median_s": 1.0},
                {**start, "server": "fastapi-async", "median_s": 0.1},
            ],
        }
    )
    assert [(one["target"], one["measured"], one["reached"]) for one in found] == [
        ("cost of list at 1,000,000 cards, sqlite", 1.2, True),
        ("cost of history at 1,000,000 operations, sqlite", 1.16, False),
        (
            "proportional memory of a worker of 4 against fastapi-async, postgresql",
            *(1.2, True),
        ),
        ("start to ready against fastapi, postgresql", 1.3, False),
    ]


def proof(rows: int, peak: float, complaint: str = "") -> dict[str, Any]:
    """What the proof of an audit took."""
    return {
        "database": "sqlite",
        "rows": rows,
        "seconds": 1.0,
        "peak_mib": peak,
        "progress": [],
        "complaint": complaint,
    }


@pytest.mark.parametrize(
    ("peak", "complaint", "reached"), [(120, "", True), (121, "", False), (100, "row 7", False)]
)
def test_proof_of_the_audit_holds_no_more_of_many_rows_than_of_few(
    peak: float, complaint: str, *, reached: bool
) -> None:
    body = {"results": [], "audit": [proof(1_000, 100), proof(1_000_000, peak, complaint)]}
    assert report.judge(body) == [
        {
            "target": "memory of audit verify at 1,000,000 rows, sqlite",
            "wanted": "≤ 1.2",
            "measured": peak / 100,
            "reached": reached,
        }
    ]


def test_what_moves_money_is_judged_against_the_commit_before() -> None:
    kept, slower = [replace(GOOD, rps=950)] * 2, [replace(GOOD, rps=940)] * 2
    then = [replace(GOOD, rps=1_000)] * 2
    rows = [
        Beside("debit", "sqlite", kept, then),
        Beside("credit", "sqlite", slower, then),
        Beside("credit", "postgresql", kept, [replace(GOOD, rps=1_000, errors=1)] * 2),
        Beside("balance", "sqlite", slower, then),
    ]
    body = {
        "results": [],
        "before": {"commit": "abc1234 a subject", "rows": [one.told() for one in rows]},
    }
    found = report.judge(body)
    assert [(one["target"], one["measured"], one["reached"]) for one in found] == [
        ("debit, sqlite, against abc1234", 0.95, True),
        ("credit, sqlite, against abc1234", 0.94, False),
        ("credit, postgresql, against abc1234", None, False),
    ]
    assert before.table(body).rows[3][:4] == ("balance", "sqlite", "0.94", "0.94–0.94")


def test_metrics_are_judged_by_the_median_of_turns_and_by_what_they_take_of_themselves() -> None:
    calls = in_turns.CALLS
    turns = [(1e-6 * calls * 200, 1e-6 * calls * (200 + more)) for more in (2, 2.5, 90)]
    cheap = counted.told("sqlite", turns, 250, 0.0023)
    dear = counted.told("postgresql", turns, 150, 0.006)
    assert cheap == {
        "database": "sqlite",
        "balance_us": 250,
        "more_us": 2.5,
        "middle": [2.0, 90.0],
        "idle": 0.0023,
        "cost": 1.012,
        "pairs": 3,
    }
    body = {"results": [], "counted": [cheap, dear]}
    assert [(one["measured"], one["reached"]) for one in report.judge(body)] == [
        *((1.012, True), (1.023, False)),
    ]
    assert counted.table(body).rows[0] == (
        *("sqlite", "1.012", "250", "2.50", "2.00–90.00", "0.0023", "3"),
    )


def test_part_of_a_run_is_no_record() -> None:
    assert plan_of(parse([])).parts == PARTS
    assert plan_of(parse(["--parts", "office", "--before", "HEAD"])).parts == ["office"]
    assert not is_whole(parse(["--parts"]))
    assert is_whole(parse(["--before", "HEAD"]))


def test_two_processes_are_measured_under_what_was_asked_for() -> None:
    assert not plan_of(parse([])).has("refused", 2)
    assert plan_of(parse([])).has("debit", 2)
    assert plan_of(parse(["--workloads", "refused"])).has("refused", 2)


def test_lists_of_the_back_office_are_judged() -> None:
    grown = {
        "workload": "audit",
        "database": "sqlite",
        "grown": "rows of the back office",
        "large": 1_000_000,
        "cost": 1.21,
        "errors": 0,
    }
    (found,) = report.judge({"results": [], "growth": [grown]})
    name = "cost of audit at 1,000,000 rows of the back office, sqlite"
    assert (found["target"], found["reached"]) == (name, False)


def test_servers_of_one_kind_of_database_are_measured_on_no_other() -> None:
    balance = WORKLOADS["balance"]
    assert {"fastapi-async", "litestar", "greenlet"} <= set(balance.peers_on("postgresql"))
    assert {"bare", "bare-loop"} <= set(balance.peers_on("sqlite"))
    assert not set(balance.peers_on("sqlite")) & {"fastapi-async", "litestar", "greenlet"}
    assert WORKLOADS["history"].peers_on("sqlite") == []


def test_each_server_has_a_hot_card_of_its_own() -> None:
    land = Ground("postgresql", "", Size(1000), ["a token"], NouveauPartenaire("a", "b"), None)
    cards = {}
    for server in (OURS, *WORKLOADS["debit_hot"].peers):
        lines = WORKLOADS["debit_hot"].lines(of_server(land, server))
        (cards[server],) = {json.loads(line.body)["numeroCarte"] for line in lines}
    assert len(set(cards.values())) == len(cards)
    assert set(cards.values()) < {carte.numero for carte in land.cartes}


def test_page_and_record_show_every_result_and_stand_alone() -> None:
    shown, record = page(body(1.0)), report.markdown(body(1.0))
    assert "a &lt;machine&gt;" in shown
    assert report.MISSED in shown
    assert "balance / fastapi" in shown
    assert shown.count("<svg") == 5
    assert "http" not in shown
    assert "| balance | sqlite | 1 | fastapi | 1.00 | 1.00–1.00 |" in record
    assert "| balance | sqlite | 2.00 | 1 | 2 |" in record
    json.dumps(body(1.0))


def test_page_of_a_run_in_which_nothing_was_measured_is_still_a_page() -> None:
    empty: dict[str, Any] = {key: [] for key in body(1.0)} | {"date": "", "machine": ""}
    assert "<h1>" in page(empty)
    assert "# Performance" in report.markdown(empty)


def test_percentile_is_a_value_that_was_measured() -> None:
    values = [float(one) for one in range(1, 101)]
    assert [percentile(values, share) for share in (50, 95, 99)] == [50, 95, 99]
    assert percentile([7.0], 99) == 7.0


def test_line_of_the_load_is_found_among_others() -> None:
    assert read_wrk("Running\nBENCH\t1\t2\t3\t4\t5\t6\t7\t500 x\n") == [*"1234567", "500 x"]
    assert read_wrk("nothing") is None


def test_order_and_values_of_an_answer_count_except_what_chance_gave() -> None:
    one = {"code": 200, "data": [{"reference": "A", "montant": 1}]}
    assert plain(one, money=False) == plain(
        {"code": 200, "data": [{"reference": "B", "montant": 1}]}, money=False
    )
    assert plain(one, money=False) != plain(
        {"data": [{"reference": "A", "montant": 1}], "code": 200}, money=False
    )
    assert plain({"soldeOnline": 1}, money=False) != plain({"soldeOnline": 2}, money=False)


def test_only_a_run_without_choices_is_the_record() -> None:
    assert is_whole(parse([]))
    assert is_whole(parse(["--judge"]))
    assert not is_whole(parse(["--quick"]))
    assert not is_whole(parse(["--rounds", "1"]))
    assert not is_whole(parse(["--databases", "sqlite"]))


def test_what_targets_judge_is_measured_for_longer() -> None:
    plan = plan_of(parse([]))
    assert plan.lengths("balance", "sqlite", 1) == (6, 1)
    assert plan.lengths("debit", "postgresql", 2) == (6, 1)
    assert plan.lengths("list", "sqlite", 1) == (3, 1)


LOG = """\
2026-11-23 17:00:00.000 UTC [42] LOG:  execute <unnamed>: SELECT cartes.id, cartes.compte_id
\tFROM cartes WHERE cartes.numero_carte = $1::VARCHAR AND note = $2
2026-11-23 17:00:00.000 UTC [42] DETAIL:  parameters: $1 = '70', $2 = 'it''s'
2026-11-23 17:00:00.001 UTC [43] LOG:  statement: BEGIN
2026-11-23 17:00:00.002 UTC [43] LOG:  checkpoint starting: time
2026-11-23 17:00:00.003 UTC [43] LOG:  execute _pg3_0: UPDATE cartes SET version = $2 WHERE id = $1
2026-11-23 17:00:00.003 UTC [43] DETAIL:  parameters: $1 = '778', $2 = NULL
2026-11-23 17:00:00.004 UTC [43] LOG:  statement: COMMIT
"""


def test_statements_of_a_log_become_a_script() -> None:
    statements = read_log(LOG)
    assert [one.values for one in statements] == [("70", "it's"), (), ("778", None), ()]
    card = _find(statements, "FROM", "cartes", "id")
    script = write_script(statements, {"70": "(:place)::text", "778": card}, 0, 9)
    assert script.text.splitlines()[2:] == [
        (
            "SELECT cartes.id, cartes.compte_id FROM cartes WHERE cartes.numero_carte = (:place)::text"
            "::VARCHAR AND note = 'it''s' \\gset s0_"
        ),
        "BEGIN;",
        "UPDATE cartes SET version = NULL WHERE id = :s0_id;",
        "COMMIT;",
    ]


def test_value_that_no_statement_gives_is_told() -> None:
    with pytest.raises(LoadError, match=r"no UPDATE … cartes of a debit returns solde"):
        _find([Statement("SELECT 1", ())], "UPDATE", "cartes", "solde")
