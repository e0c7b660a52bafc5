"""`cynod metrics`: what the server counts, as documentation and as a dashboard."""

from __future__ import annotations

import click

from handlers.cli.common import json_option
from handlers.cli.shown import print_json
from handlers.metrics.dashboard import dashboard as make_dashboard
from handlers.metrics.table import METRICS, as_markdown


@click.group("metrics")
def group() -> None:
    """Tell the metrics that Prometheus reads at CYNOD_METRIQUES, and make a dashboard of them."""


@group.command("list")
@json_option
def list_(*, as_json: bool) -> None:
    """Tell each metric: name, type, labels, unit, and what it says, as a table of Markdown.

    \b
    Example:    cynod metrics list
    Exit codes: 0 told, 2 wrong usage
    """
    if as_json:
        print_json([{**one._asdict(), "kind": one.kind.value} for one in METRICS])
    else:
        click.echo(as_markdown(), nl=False)


@group.command("dashboard")
def dashboard() -> None:
    """Print a dashboard of Grafana, made of the list of metrics: import it as JSON.

    \b
    Example:    cynod metrics dashboard > docs/exploitation/grafana.json
    Exit codes: 0 printed, 2 wrong usage
    """
    print_json(make_dashboard())
