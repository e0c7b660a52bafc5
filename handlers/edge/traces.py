"""Traces: which call of which caller a statement belongs to, sent to a collector where one is named.

Names and attributes follow OpenTelemetry's semantic conventions. No span has a path as it was sent, a query
string, a value of a statement, a partner or a card.
"""

from __future__ import annotations

import os
from typing import Protocol

import structlog

from handlers.edge.call import Call, Reply
from handlers.edge.trace_context import Parent, Traced
from models.database.observed import Observer

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
"""The variables of OpenTelemetry that name a collector; its SDK reads them, and others."""


class Tracing(Observer, Protocol):
    """Makes spans and sends them; a collector that is away costs those spans, and nothing else."""

    def start(self) -> None:
        """Send from now on: in the process that serves."""

    def stop(self) -> None:
        """Send what is left, for a moment."""

    def enter(self, parent: Parent | None) -> Traced | None:
        """A call has come; None before `start`."""

    def leave(self, traced: Traced, call: Call, reply: Reply) -> None:
        """It was answered."""


def is_configured() -> bool:
    """Whether a collector is named."""
    return any(os.environ.get(name) for name in ENDPOINTS)


def find_tracing(version: str, database: str) -> Tracing | None:
    """What traces the calls of this version on this kind of database; None where no collector is named.

    Without the libraries of the extra `traces` that is said in the log, and nothing is traced.
    """
    if not is_configured():
        return None
    try:
        from handlers.edge.otlp import OtlpTracing  # noqa: PLC0415 - an extra, not installed everywhere
    except ImportError:
        structlog.get_logger("cynod").warning(
            "traces non envoyées : installer cynod-api[traces]", manque="opentelemetry-sdk"
        )
        return None
    return OtlpTracing(version, database)
