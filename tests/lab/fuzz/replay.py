"""A stored failure, sent again: to a server made for it, or to the deployment that it was found on."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.lab.fuzz import provoke, report
from tests.lab.fuzz.land import Land
from tests.lab.fuzz.persons import HOOKS, SAISIE, SURFACE, served
from tests.lab.fuzz.report import Part, Veil
from tests.lab.fuzz.run import environment_of, write_config, write_hooked
from tests.lab.fuzz.stage import stage
from tests.lab.fuzz.walk import walk_all
from tests.lab.fuzz.witness import Witness
from tests.support.contract_client import ROOT, Json


def replay(file: Path, folder: Path, fault: str | None = None) -> tuple[bool, str]:
    """Whether the stored failure is still there, and what was seen."""
    stored: Json = json.loads(file.read_text(encoding="utf-8"))
    if stored["on"].endswith(SURFACE):
        kind = stored["on"].removesuffix(SURFACE)
        with (
            stage(kind, folder / "stage") as made,
            served(made, folder / "then", 0, replay=True) as one,
        ):
            config = write_hooked(folder, HOOKS)
            token = one.office.tokens[SAISIE]
            variables = {**environment_of(one.land, folder), **one.variables}
            return _send(stored, folder, one.land, token, config, one.place, variables)
    with stage(stored["on"], folder / "stage") as made, made.serve(fault=fault) as server:
        land = made.land(server.url, 0, stored["acting"], replay=True)
        if stored["kind"] == "provocation":
            part = Part(stored["on"], stored["acting"], whole=False)
            veil = Veil(land, [])
            only = stored["provocation"]
            provoke.provoke_all(part, made, server, land, veil, folder / "failures", only)
            return bool(part.failures), "\n".join(one["what"] for one in part.failures)
        if stored["kind"] == "walk":
            part = Part(stored["on"], stored["acting"], whole=False)
            land = made.land(server.url, stored["seed"], stored["acting"], replay=True)
            walk_all(part, land, Veil(land, []), folder / "failures")
            return bool(part.failures), "\n".join(one["what"] for one in part.failures)
        return replay_case(stored, land, folder)


def replay_case(stored: Json, land: Land, folder: Path) -> tuple[bool, str]:
    """Let Schemathesis send the steps of a stored case again and judge the last."""
    land.replay = True
    with contextlib.closing(Witness(land)) as witness:
        token = witness.bearer(land.acting).removeprefix("Bearer ")
    config, variables = write_config(land, folder), environment_of(land, folder)
    return _send(stored, folder, land, token, config, f"{land.url}/openapi.yaml", variables)


def _send(
    stored: Json,
    folder: Path,
    land: Land,
    token: str,
    config: str,
    place: str,
    variables: Mapping[str, str],
) -> tuple[bool, str]:
    crashes = folder / "crashes"
    crashes.mkdir(parents=True)
    text = report.show(json.dumps(stored["crash"]), land, token)
    (crashes / "case.json").write_text(text, encoding="utf-8")
    result = subprocess.run(
        [
            *(sys.executable, "-m", "schemathesis.cli"),
            *("--config-file", config, "replay"),
            *("--url", land.url, "--schema-location", place, "--keep"),
            str(crashes / "case.json"),
        ],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
    )
    said = Veil(land, [token]).hide(result.stdout + result.stderr)
    return result.returncode != 0, said
