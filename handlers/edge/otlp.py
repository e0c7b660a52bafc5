"""Spans by OpenTelemetry's SDK, sent by OTLP over HTTP: what the extra `traces` installs.

The SDK keeps some thousand spans and sends them from a thread of its own: past that they are dropped, so that
no call ever waits for a collector.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Sequence

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.trace import (
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    Status,
    StatusCode,
    TraceFlags,
    Tracer,
    set_span_in_context,
)

from handlers.edge.call import Call, Reply
from handlers.edge.logs import scrub
from handlers.edge.trace_context import Parent, Traced
from models.database import observed
from models.database.prepared import name_statements
from models.database.waiting import Wanted, wanted

SERVICE = "cynod-api"

STOP_S = 2.0
"""How long the end of a server waits for what is left to be sent."""

_CARD = re.compile(r"[0-9]{12}")


class _Ids(RandomIdGenerator):
    """Ids that no log takes for the number of a card."""

    def generate_span_id(self) -> int:
        """See the SDK's."""
        while True:
            made = super().generate_span_id()
            if not _CARD.search(f"{made:016x}"):
                return made


class OtlpTracing:
    """See handlers.edge.traces.Tracing."""

    def __init__(self, version: str, database: str) -> None:
        name_statements()
        self._version = version
        self._database = database
        self._provider: TracerProvider | None = None
        self._tracer: Tracer | None = None

    def start(self) -> None:
        """See Tracing. The SDK begins a thread, which a fork does not copy."""
        told = {SERVICE_VERSION: self._version}
        if not os.environ.get("OTEL_SERVICE_NAME"):
            told[SERVICE_NAME] = SERVICE
        self._provider = TracerProvider(
            resource=Resource.create(told), id_generator=_Ids(), shutdown_on_exit=False
        )
        self._provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        self._tracer = self._provider.get_tracer(SERVICE, self._version)

    def stop(self) -> None:
        """See Tracing. A collector that does not answer is waited for no longer than that."""
        provider, self._provider, self._tracer = self._provider, None, None
        if provider is not None:
            ending = threading.Thread(target=provider.shutdown, name="traces", daemon=True)
            ending.start()
            ending.join(STOP_S)

    def enter(self, parent: Parent | None) -> Traced | None:
        """See Tracing."""
        if self._tracer is None:
            return None
        above = None
        if parent is not None:
            told = SpanContext(
                int(parent.trace_id, 16),
                int(parent.span_id, 16),
                is_remote=True,
                trace_flags=TraceFlags(int(parent.sampled)),
            )
            above = set_span_in_context(NonRecordingSpan(told))
        span = self._tracer.start_span("HTTP", context=above, kind=SpanKind.SERVER)
        made = span.get_span_context()
        return Traced(
            f"{made.trace_id:032x}", f"{made.span_id:016x}", span, set_span_in_context(span)
        )

    def leave(self, traced: Traced, call: Call, reply: Reply) -> None:
        """See Tracing."""
        span, operation = traced.span, call.operation
        if not span.is_recording():
            return
        method = call.method if operation is not None else "HTTP"
        span.update_name(method if operation is None else f"{method} {operation.path}")
        span.set_attribute("http.request.method", method if operation is not None else "_OTHER")
        span.set_attribute("http.response.status_code", reply.status)
        span.set_attribute("cynod.code", reply.code)
        span.set_attribute("cynod.request_id", scrub(call.request_id))
        if operation is not None:
            span.set_attribute("http.route", operation.path)
            span.set_attribute("cynod.operation", operation.operation_id)
        if reply.status >= 500:
            span.set_attribute("error.type", reply.code)
            span.set_status(Status(StatusCode.ERROR))
        span.end()

    def statement(self, asked: observed.Asked) -> None:
        """See models.database.observed.Observer."""
        caller = wanted()
        if caller is not None:
            self._tell(caller.trace, asked, time.time_ns())

    def shared(self, asked: observed.Asked, callers: Sequence[Wanted]) -> None:
        """See models.database.observed.Observer. Each of them waited for all of it."""
        ended_ns = time.time_ns()
        for caller in callers:
            self._tell(caller.trace, asked, ended_ns)

    def _tell(self, traced: Traced | None, asked: observed.Asked, ended_ns: int) -> None:
        tracer = self._tracer
        if traced is None or tracer is None or not traced.span.is_recording():
            return
        name, began, ended = asked
        span = tracer.start_span(
            name,
            context=traced.context,
            kind=SpanKind.CLIENT,
            start_time=ended_ns - int((ended - began) * 1e9),
            attributes={"db.system.name": self._database, "db.query.summary": name},
        )
        span.end(ended_ns)

    def commit_unknown(self) -> None:
        """See models.database.observed.Observer. The call's own span says what was answered."""
