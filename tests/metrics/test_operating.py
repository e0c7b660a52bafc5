"""What an operator is given of the metrics: rules of alerts, a dashboard, the list, the runbook."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from handlers.cli.root import cli
from handlers.metrics.table import METRICS, Kind, as_markdown
from tests.support.contract_client import ROOT
from tests.support.counting import Counting
from tests.support.needs import need
from tests.support.pasted import paste

PLACE = ROOT / "docs" / "exploitation"
RULES = PLACE / "alertes.yml"
CASES = Path(__file__).with_name("alertes_test.yml")

SUFFIXES = {Kind.HISTOGRAM: ("_count", "_sum", "_bucket"), Kind.COUNTER: ("",), Kind.GAUGE: ("",)}
TOLD = {f"{one.name}{suffix}" for one in METRICS for suffix in SUFFIXES[one.kind]}
OF_PROMETHEUS = {"up"}


def alerts() -> dict[str, Any]:
    """The rules, by name."""
    document = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    return {rule["alert"]: rule for group in document["groups"] for rule in group["rules"]}


def metrics_in(expression: str) -> set[str]:
    """The metrics that an expression names."""
    bare = re.sub(r"\{[^}]*\}|by \([^)]*\)", "", expression)
    return set(re.findall(r"\b(?:up|(?:cynod|http_server|db_client)_\w+)\b", bare))


def test_promtool_takes_the_rules_and_each_speaks_when_it_should_alone(tmp_path: Path) -> None:
    need("promtool")
    cases = tmp_path / "cases.yml"
    text = CASES.read_text(encoding="utf-8")
    cases.write_text(text.replace("[ALERTES]", f"[{RULES}]"), encoding="utf-8")
    for command in (["check", "rules", str(RULES)], ["test", "rules", str(cases)]):
        done = subprocess.run(["promtool", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    quiet, loud = yaml.safe_load(text)["tests"]
    assert {one["alertname"] for one in quiet["alert_rule_test"]} == alerts().keys()
    assert {one["alertname"] for one in loud["alert_rule_test"] if one["exp_alerts"]} == (
        alerts().keys()
    )


@pytest.mark.parametrize("name", alerts())
def test_rule_asks_for_metrics_that_there_are(name: str) -> None:
    named = metrics_in(alerts()[name]["expr"])
    assert named, "it asks for no metric"
    assert named <= TOLD | OF_PROMETHEUS


def test_dashboard_is_what_the_command_makes_of_the_list() -> None:
    made = CliRunner().invoke(cli, ["metrics", "dashboard"], catch_exceptions=False)
    kept = (PLACE / "grafana.json").read_text(encoding="utf-8")
    assert made.stdout == kept, "cynod metrics dashboard > docs/exploitation/grafana.json"
    named = {
        name
        for panel in json.loads(kept)["panels"]
        for target in panel["targets"]
        for name in metrics_in(target["expr"])
    }
    assert named <= TOLD
    assert {name for one in METRICS for name in named if name.startswith(one.name)} == named
    assert all(any(name.startswith(one.name) for name in named) for one in METRICS)


def test_page_has_the_list_of_the_metrics() -> None:
    page = (PLACE / "metriques.md").read_text(encoding="utf-8")
    listed = CliRunner().invoke(cli, ["metrics", "list"], catch_exceptions=False).stdout
    assert listed == as_markdown()
    assert f"\n{listed}\n" in page, "put there what `cynod metrics list` prints"
    as_json = CliRunner().invoke(cli, ["metrics", "list", "--json"], catch_exceptions=False)
    assert [one["name"] for one in json.loads(as_json.stdout)] == [one.name for one in METRICS]


def sections() -> dict[str, str]:
    """The runbook, by title."""
    page = (PLACE / "runbook.md").read_text(encoding="utf-8")
    parts = re.split(r"^#+ (.*)\n", page, flags=re.M)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def test_runbook_has_a_section_of_each_alert_and_of_nothing_else() -> None:
    (_, preface), *rest = sections().items()
    assert "alertes.yml" in preface
    assert [title for title, _ in rest] == list(alerts())
    for title, text in rest:
        said = re.findall(r"^\*\*([^*]*)\.\*\*", text, re.M)
        assert said == ["Ce qu'elle veut dire", "Regarder", "Faire"], title
        assert "```sh\n" in text, title


def test_each_command_of_the_runbook_works_as_pasted(counted: Counting) -> None:
    need("curl")

    script = "\n".join(
        "\n".join(re.findall(r"```sh\n(.*?)```", text, re.S)) for text in sections().values()
    )
    assert counted.debit("RUNBOOK").status_code == 200  # a COMMIT, for who looks at its time
    meant = {
        "http://127.0.0.1:9464": f"http://127.0.0.1:{counted.port}",
        "http://127.0.0.1:8080": counted.server.url,
        "=cynod.log": f"={counted.server.log_file}",
    }
    told = paste(script, meant, counted.folder, **counted.variables)
    # Each metric that it looks at is there, but what only a failure or a demande brings.
    missing = set(re.findall(r"^(\w+).* : rien$", told, re.M))
    assert missing <= {"cynod_demandes_pending"}
    assert told.count("Journal verified: ") >= 3
    assert "cynod_contract_info{" in told
