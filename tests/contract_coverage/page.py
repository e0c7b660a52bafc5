"""The page."""

from __future__ import annotations

from tests.contract_coverage.report import Report


def render_page(report: Report) -> str:
    """The whole page."""
    return report.line
