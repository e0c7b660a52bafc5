"""What processes note is what Prometheus reads: no more, no less, each in the bucket where it belongs."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from handlers.contracts import load_contracts
from handlers.metrics import table
from handlers.metrics.collector import Collected, Told, Waiting
from handlers.metrics.recorder import OTHER, Recorder
from handlers.metrics.table import CALL_BOUNDS, STATEMENT_BOUNDS, Metric
from handlers.metrics.verifications import Result
from handlers.settings import Settings
from models.database.waiting import Wanted

CONTRACTS = load_contracts(Settings(environment="test"))

SECONDS = st.one_of(
    st.sampled_from((0.0, *CALL_BOUNDS, *STATEMENT_BOUNDS)),
    st.floats(0, 100, allow_nan=False),
)
"""How long something took; an edge belongs to the bucket that it ends."""

ENDS = st.sampled_from(
    [
        ("debitCarte", "200"),
        ("debitCarte", "4001"),
        ("getSoldeCarte", "200"),
        ("accessToken", "200"),
        (OTHER, "1003"),
        ("nulle-part", "9"),
    ]
)
NAMES = st.sampled_from(["COMMIT", "BEGIN", "ROLLBACK", "jamais vu"])
PROCESSES = st.lists(
    st.tuples(
        st.lists(st.tuples(ENDS, SECONDS), max_size=40),
        st.lists(st.tuples(NAMES, SECONDS), max_size=40),
    ),
    min_size=1,
    max_size=3,
)


SILENT = Told(None)
"""A database that does not answer."""


def read(recorder: Recorder, told: Told = SILENT, **results: Result) -> dict[Any, float]:
    """What Prometheus reads: by name and labels."""
    registry = CollectorRegistry()
    registry.register(Collected(recorder, lambda: told, lambda: results))
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(generate_latest(registry).decode())
        for sample in family.samples
    }


def expected(
    metric: Metric, bounds: tuple[float, ...], taken: dict[Any, list[float]]
) -> dict[Any, Any]:
    """What a histogram tells of these, by labels."""
    found: dict[Any, Any] = {}
    for labels, values in taken.items():
        found[f"{metric.name}_count", labels] = len(values)
        for edge in bounds:
            where = f"{metric.name}_bucket", labels | {("le", str(edge))}
            found[where] = sum(value <= edge for value in values)
        found[f"{metric.name}_bucket", labels | {("le", "+Inf")}] = len(values)
        found[f"{metric.name}_sum", labels] = sum(values)
    return found


def labels_of(operation: str, code: str) -> frozenset[tuple[str, str]]:
    """Those of a call that ended so; what is not known when a server starts is of none."""
    known = {
        one.operation_id: one for contract in CONTRACTS for one in contract.operations.values()
    }
    statuses = {"200": "200", **{c: str(e.statut) for c, e in CONTRACTS[0].catalogue.items()}}
    method = known[operation].method.upper() if operation in known else OTHER
    status = statuses.get(code, OTHER)
    if status == OTHER:
        operation = method = code = OTHER
    labels = (operation, method, status, code)
    return frozenset(zip(table.CALLS.labels, labels, strict=True))


@settings(max_examples=30, deadline=None)
@given(PROCESSES)
def test_what_processes_note_is_what_prometheus_reads(processes: Any) -> None:
    recorder = Recorder(CONTRACTS)
    calls: defaultdict[Any, list[float]] = defaultdict(list)
    statements: defaultdict[Any, list[float]] = defaultdict(list)
    for row, (ended, asked) in enumerate(processes, 1):
        recorder.claim(row)
        recorder.attach(row)
        for (operation, code), seconds in ended:
            recorder.call_ended((operation, code, seconds))
            calls[labels_of(operation, code)].append(seconds)
        for name, seconds in asked:
            recorder.statement((name, 0.0, seconds))
            known = OTHER if name == "jamais vu" else name
            statements[frozenset({("db_query_summary", known)})].append(seconds)
        assert recorder.rows()[row][recorder.started] == 0
        recorder.stop()  # what was noted since the last look is not lost
    found = read(recorder)
    wanted = {
        **expected(table.CALLS, CALL_BOUNDS, calls),
        **expected(table.STATEMENTS, STATEMENT_BOUNDS, statements),
    }
    histograms = (table.CALLS.name, table.STATEMENTS.name)
    told = {where: value for where, value in found.items() if where[0].startswith(histograms)}
    assert told.keys() == wanted.keys()
    for where, value in wanted.items():
        assert abs(told[where] - value) < 1e-6, where
    assert found[table.WORKERS_STARTED.name, frozenset()] == len(processes)
    tokens = sum(len(v) for k, v in calls.items() if ("operation", "accessToken") in k)
    assert found[table.TOKENS.name, frozenset()] == tokens


def test_commit_that_is_shared_is_counted_once() -> None:
    recorder = Recorder(CONTRACTS)
    recorder.shared(("COMMIT", 1.0, 1.25), [Wanted(1), Wanted(1)])
    recorder.add()
    labels = frozenset({("db_query_summary", "COMMIT")})
    found = read(recorder)
    assert found[f"{table.STATEMENTS.name}_count", labels] == 1
    assert found[f"{table.STATEMENTS.name}_sum", labels] == 0.25


def test_what_was_noted_before_a_fork_is_the_parent_s_to_tell() -> None:
    recorder = Recorder(CONTRACTS)
    recorder.call_ended(("debitCarte", "200", 0.5))
    recorder.attach(1)
    recorder.add()
    assert f"{table.CALLS.name}_count" not in {name for name, _ in read(recorder)}


def test_what_the_database_and_the_disk_say_is_told_beside() -> None:
    recorder = Recorder(CONTRACTS)
    of_type = frozenset({("type", "AJUSTEMENT")})
    silent = read(recorder)
    assert silent[table.DATABASE_UP.name, frozenset()] == 0
    assert table.PENDING.name not in {name for name, _ in silent}
    told = read(recorder, Told({"AJUSTEMENT": Waiting(3, 60.5)}), sceau=Result(True, 1_700_000_000))
    assert told[table.DATABASE_UP.name, frozenset()] == 1
    assert (told[table.PENDING.name, of_type], told[table.PENDING_OLDEST.name, of_type]) == (
        3,
        60.5,
    )
    (verified,) = [key for key in told if key[0] == table.VERIFIED.name]
    assert (told[verified], told[table.VERIFIED_AT.name, verified[1]]) == (1, 1_700_000_000)
