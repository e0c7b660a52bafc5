"""The table of metrics as a dashboard of Grafana: a panel or two for each metric, in the table's order."""

from __future__ import annotations

from typing import Any

from handlers.metrics.table import METRICS, Kind, Metric

_JOB = '{job=~"$job"}'
_WIDTH, _HEIGHT, _COLUMNS = 12, 8, 24
_UNITS = {"s": "s", "1": "short"}
_RATE = "[$__rate_interval]"


def dashboard() -> dict[str, Any]:
    """What Grafana imports; the same of each call, so that a file may be compared with it."""
    panels = [panel for metric in METRICS for panel in _panels(metric)]
    return {
        "uid": "cynod-api",
        "title": "CYNOD API",
        "tags": ["cynod"],
        "timezone": "utc",
        "schemaVersion": 39,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {"list": [_source_variable(), _job_variable()]},
        "panels": [_placed(number, panel) for number, panel in enumerate(panels)],
    }


def _source_variable() -> dict[str, Any]:
    return {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}


def _job_variable() -> dict[str, Any]:
    return {
        "name": "job",
        "label": "Serveur",
        "type": "query",
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "query": {"query": "label_values(cynod_workers, job)", "refId": "job"},
        "refresh": 2,
        "includeAll": True,
        "multi": True,
        "allValue": ".*",
    }


def _panels(metric: Metric) -> list[dict[str, Any]]:
    if metric.kind is Kind.HISTOGRAM:
        counted = f"sum by ({', '.join(metric.labels)}) (rate({metric.name}_count{_JOB}{_RATE}))"
        by = ", ".join(("le", *metric.labels[:1]))
        slow = f"histogram_quantile(0.99, sum by ({by}) (rate({metric.name}_bucket{_JOB}{_RATE})))"
        return [
            _panel(metric, f"{metric.name} : par seconde", counted, "ops", metric.labels),
            _panel(metric, f"{metric.name} : 99e centile", slow, "s", metric.labels[:1]),
        ]
    if metric.kind is Kind.COUNTER:
        rate = f"sum by ({', '.join(metric.labels)}) (rate({metric.name}{_JOB}{_RATE}))"
        return [_panel(metric, f"{metric.name} : par seconde", rate, "ops", metric.labels)]
    value = f"{metric.across} by ({', '.join(metric.labels)}) ({metric.name}{_JOB})"
    return [_panel(metric, metric.name, value, _UNITS[metric.unit], metric.labels)]


def _panel(
    metric: Metric, title: str, expression: str, unit: str, labels: tuple[str, ...]
) -> dict[str, Any]:
    return {
        "type": "timeseries",
        "title": title,
        "description": metric.sentence,
        "datasource": {"type": "prometheus", "uid": "${source}"},
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {
                "refId": "A",
                "expr": expression,
                "legendFormat": " ".join(f"{{{{{label}}}}}" for label in labels) or metric.name,
            }
        ],
    }


def _placed(number: int, panel: dict[str, Any]) -> dict[str, Any]:
    across = _COLUMNS // _WIDTH
    place = {"x": number % across * _WIDTH, "y": number // across * _HEIGHT}
    return {"id": number + 1, "gridPos": {**place, "w": _WIDTH, "h": _HEIGHT}, **panel}
