"""Traces: a caller's traceparent is in the log, and spans reach a collector without anything secret."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from handlers.edge.trace_context import Parent, read_traceparent
from handlers.edge.traces import find_tracing
from handlers.metrics import table
from tests.support.counting import CARTE, DEMO, HOLDER, counting
from tests.support.patience import CALL_S, wait_until
from tests.support.process import ServerProcess, free_port, serve
from tests.support.scenes import NewUrl

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize(
    ("header", "meant"),
    [
        (GOOD, Parent(TRACE, PARENT, sampled=True)),
        (f"00-{TRACE}-{PARENT}-00", Parent(TRACE, PARENT, sampled=False)),
        # A version that nobody knows yet may say more.
        (f"01-{TRACE}-{PARENT}-03-more", Parent(TRACE, PARENT, sampled=True)),
        (f"00-{TRACE}-{PARENT}-01-more", None),
        (f"ff-{TRACE}-{PARENT}-01", None),
        (f"00-{'0' * 32}-{PARENT}-01", None),
        (f"00-{TRACE}-{'0' * 16}-01", None),
        (f"00-{TRACE.upper()}-{PARENT}-01", None),
        (f"00-{TRACE[:-1]}-{PARENT}-01", None),
        (f"{GOOD}\n", None),
        (f" {GOOD}", None),
        ("", None),
    ],
)
def test_traceparent_is_read_as_w3c_has_it(header: str, meant: Parent | None) -> None:
    assert read_traceparent(header.encode()) == meant


class Collector(NamedTuple):
    """A small receiver of OTLP over HTTP."""

    url: str
    bodies: list[bytes]

    def spans(self) -> list[Span]:
        """All that it was sent."""
        return [
            span
            for body in self.bodies
            for resource in ExportTraceServiceRequest.FromString(body).resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@contextmanager
def collecting() -> Iterator[Collector]:
    """Listen until the block ends."""
    bodies: list[bytes] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            assert self.path == "/v1/traces"
            assert self.headers["Content-Type"] == "application/x-protobuf"
            bodies.append(body)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Receiver) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Collector(f"http://127.0.0.1:{server.server_port}", bodies)
        finally:
            server.shutdown()
            thread.join()


def debit(server: ServerProcess, reference: str, *traceparents: str) -> httpx.Response:
    """A debit of the demo's card, with these headers, and a query that is none of the operation's."""
    return httpx.post(
        f"{server.url}/debit-carte",
        auth=DEMO,
        headers=[("traceparent", one) for one in traceparents],
        json={**HOLDER, "montant": 100, "reference": reference},
        timeout=CALL_S,
        trust_env=False,
    )


def line_of(server: ServerProcess, answer: httpx.Response) -> Any:
    """What the log says of a call."""
    mark = answer.headers["X-Request-Id"]

    def found() -> list[str]:
        return [line for line in server.log.splitlines() if mark in line and "requete" in line]

    wait_until(lambda: bool(found()), "the log says nothing of it")
    return json.loads(found()[0])


def attributes(span: Span) -> dict[str, Any]:
    """Those of a span, as plain values."""
    return {one.key: one.value.string_value or one.value.int_value for one in span.attributes}


def test_spans_of_a_call_and_its_statements_reach_a_collector(
    new_database_url: NewUrl, tmp_path: Path
) -> None:
    with collecting() as collector:
        variables: dict[str, Any] = {
            "CYNOD_DATABASE_URL": new_database_url(),
            "CYNOD_LOG_FORMAT": "json",
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with serve("--demo", folder=tmp_path, **variables) as server:
            told = line_of(server, debit(server, "TRACE-1", GOOD))
            assert told["trace_id"] == TRACE
            doubtful = line_of(server, debit(server, "TRACE-2", GOOD, GOOD))
            assert doubtful["trace_id"] != TRACE
            unsampled = line_of(server, debit(server, "TRACE-3", f"00-{'ab' * 16}-{PARENT}-00"))
            assert unsampled["trace_id"] == "ab" * 16
            assert server.stop() == 0, "what is left is sent at the end"
        spans = [one for one in collector.spans() if one.trace_id.hex() == TRACE]
        (call,) = [one for one in spans if one.kind == Span.SPAN_KIND_SERVER]
        assert (call.parent_span_id.hex(), call.span_id.hex()) == (PARENT, told["span_id"])
        assert call.name == "POST /debit-carte"
        assert attributes(call) == {
            "http.request.method": "POST",
            "http.route": "/debit-carte",
            "http.response.status_code": 200,
            "cynod.operation": "debitCarte",
            "cynod.code": "200",
            "cynod.request_id": told["request_id"],
        }
        inside = [one for one in spans if one.kind == Span.SPAN_KIND_CLIENT]
        assert {one.parent_span_id for one in inside} == {call.span_id}
        assert {"reference.claim", "COMMIT"} <= {one.name for one in inside}
        for one in inside:
            assert attributes(one).keys() == {"db.system.name", "db.query.summary"}
            assert call.start_time_unix_nano - 10**7 <= one.start_time_unix_nano
            assert one.end_time_unix_nano <= call.end_time_unix_nano + 10**7
        assert not [one for one in collector.spans() if one.trace_id.hex() == "ab" * 16]
        sent = b"".join(collector.bodies)
        assert CARTE.encode() not in sent
        assert b"demo-partenaire" not in sent
        assert b"221771234567" not in sent


@pytest.mark.only_on("sqlite")
def test_each_of_those_who_share_a_commit_has_its_span(
    new_database_url: NewUrl, tmp_path: Path
) -> None:
    traces = [f"{number:032x}" for number in range(1, 7)]
    with collecting() as collector, ThreadPoolExecutor(len(traces)) as pool:
        tracing = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
            "OTEL_BSP_SCHEDULE_DELAY": "50",
        }
        with counting(new_database_url(), tmp_path, **tracing) as counted:
            with counted.held():
                calls = [
                    pool.submit(
                        debit, counted.server, f"ENSEMBLE-{trace}", f"00-{trace}-{PARENT}-01"
                    )
                    for trace in traces
                ]
                wait_until(
                    lambda: counted.value(table.ACTIVE) == len(traces), "not all are under way"
                )
            assert {call.result(CALL_S).status_code for call in calls} == {200}
            assert counted.server.stop() == 0
        spans = collector.spans()
    commits = [one for one in spans if one.name == "COMMIT" and one.trace_id.hex() in traces]
    assert sorted(one.trace_id.hex() for one in commits) == traces
    # Six calls of two processes: three of one waited there at once, and two behind the first.
    assert len({one.end_time_unix_nano for one in commits}) < len(commits)
    above = {one.span_id: one.trace_id for one in spans if one.kind == Span.SPAN_KIND_SERVER}
    assert [above[one.parent_span_id] for one in commits] == [one.trace_id for one in commits]


def test_collector_that_is_away_harms_nothing(tmp_path: Path) -> None:
    variables: dict[str, Any] = {
        "CYNOD_LOG_FORMAT": "json",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}",
        "OTEL_BSP_SCHEDULE_DELAY": "20",
    }
    with serve("--demo", folder=tmp_path, **variables) as server:
        answers = [debit(server, f"SEUL-{one}") for one in range(3)]
        assert [one.status_code for one in answers] == [200, 200, 200]
        began = time.monotonic()
        assert server.stop() == 0
        assert time.monotonic() - began < 30
    assert CARTE not in server.log


def test_without_the_extra_nothing_is_traced_and_the_log_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318")
    monkeypatch.setitem(sys.modules, "handlers.edge.otlp", None)
    assert find_tracing("1.0.0", "sqlite") is None
    said = capsys.readouterr()
    assert "cynod-api[traces]" in said.out + said.err
