"""The proof of a cluster in short: its primary killed with -9, then switched over, under load."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from tests.lab.proof import cluster_proof
from tests.lab.proof.cluster import ADDRESSES, FILES, NODES, alone, read_variables
from tests.lab.proof.cluster_faults import BACK_WITHIN_S, Pulse
from tests.lab.proof.places import NotPossibleHereError
from tests.lab.proof.stage import Stage
from tests.support.needs import lack

ENDS_S = 240
PAGE = FILES.with_suffix(".md")


@pytest.mark.timeout(ENDS_S + 10)
def test_cluster_that_fails_over_loses_and_doubles_nothing(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    options = ["--short", "--no-persons", "--seconds", "1", "--seed", "1", "--report", str(report)]
    try:
        with alone(
            *(cluster_proof.__name__, [*options, "--inside"]),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            said, _ = process.communicate(timeout=ENDS_S)
    except NotPossibleHereError as error:
        lack(str(error))
    assert process.returncode == 0, said
    (proof,) = json.loads(report.read_text(encoding="utf-8"))["proofs"]
    assert [proof[name] for name in ("lost", "doubled", "wrong")] == [0, 0, 0], said
    assert proof["verdict"]["acknowledged"] > 0
    assert 0 < proof["silence_s"] <= BACK_WITHIN_S


def test_time_without_service_is_that_of_the_server_that_waited_longest() -> None:
    pulse = Pulse(cast(Stage, None), begun=100.0, ended=110.0)
    assert pulse.longest_s == 0
    pulse.beats = {1: [100.25, 103.0, 109.9], 2: [100.25, 101.0, 105.0]}
    assert pulse.longest_s == pytest.approx(6.9)
    pulse.beats[2] += [109.0]
    assert pulse.longest_s == pytest.approx(6.9)
    pulse.beats[3] = []
    assert pulse.longest_s == 10.0
    assert not pulse.is_back(99.0)
    pulse.beats[3] = [101.0]
    assert pulse.is_back(100.0)
    assert not pulse.is_back(100.9), "that may have been asked before"


# ── the configuration ────────────────────────────────────────────────────────────────────────────


def _patroni() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FILES / "patroni.yml").read_text(encoding="utf-8"))
    return found


def test_nodes_differ_by_their_name_and_their_address_only() -> None:
    texts = []
    for name in NODES:
        text = (FILES / f"{name}.env").read_text(encoding="utf-8")
        lines = [one for one in text.splitlines() if not one.startswith("ETCD_INITIAL_CLUSTER=")]
        texts.append("\n".join(lines).replace(name, "NAME").replace(ADDRESSES[name], "ADDRESS"))
        members = dict(
            one.split("=")
            for one in read_variables(FILES / f"{name}.env")["ETCD_INITIAL_CLUSTER"].split(",")
        )
        assert members == {node: f"http://{at}:2380" for node, at in ADDRESSES.items()}
    assert len(set(texts)) == 1


def test_every_part_knows_the_same_three_nodes() -> None:
    proxy = (FILES / "haproxy.cfg").read_text(encoding="utf-8")
    served = dict(re.findall(r"^ +server (\w+) ([0-9.]+):5432$", proxy, re.M))
    assert served == ADDRESSES
    assert _patroni()["etcd"]["hosts"] == [f"{address}:2379" for address in ADDRESSES.values()]


def test_nothing_is_acknowledged_that_one_node_alone_has() -> None:
    dcs = _patroni()["bootstrap"]["dcs"]
    strict = {name: dcs[name] for name in ("synchronous_mode", "synchronous_mode_strict")}
    assert strict == dict.fromkeys(strict, True)
    durable = {
        name: dcs["postgresql"]["parameters"][name] for name in ("fsync", "full_page_writes")
    }
    assert durable == dict.fromkeys(durable, "on")
    assert dcs["postgresql"]["parameters"]["synchronous_commit"] == "on"
    assert dcs["loop_wait"] + 2 * dcs["retry_timeout"] <= dcs["ttl"] < BACK_WITHIN_S


def test_page_has_every_file_and_what_keeps_a_lock_from_being_taken_back() -> None:
    page = PAGE.read_text(encoding="utf-8")
    linked = set(re.findall(r"\]\(cluster/([\w.]+)\)", page))
    assert linked == {file.name for file in FILES.iterdir()}
    # Patroni 3.0.2 with etcd's third interface takes the lock back from whoever has it by now.
    assert "etcd3" not in _patroni()
    assert {read_variables(FILES / f"{name}.env")["ETCD_ENABLE_V2"] for name in NODES} == {"true"}
