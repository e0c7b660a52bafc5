"""docs/exploitation/systemd: the units are right, give nothing away, and do what they are for."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from handlers.settings import Settings
from tests.support.contract_client import ROOT
from tests.support.needs import need
from tests.support.patience import CALL_S
from tests.support.process import CYNOD, environment, run_cynod, serve

UNITS = ROOT / "docs" / "exploitation" / "systemd"
SERVICES = sorted(UNITS.glob("*.service"))
EXPOSURE = 15
"""The tenths of a point that `systemd-analyze security` may find of each: it finds 12."""


def _analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    need("systemd")
    return subprocess.run(
        ["systemd-analyze", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=CALL_S,
        check=False,
    )


def _installed(folder: Path) -> list[Path]:
    """The units as they are where cynod is installed."""
    made = []
    for unit in sorted([*UNITS.glob("*.service"), *UNITS.glob("*.timer")]):
        text = unit.read_text(encoding="utf-8")
        file = folder / unit.name
        file.write_text(text.replace("/opt/cynod/.venv/bin/cynod", "/bin/true"), encoding="utf-8")
        made.append(file)
    return made


def test_units_are_verified_by_systemd(tmp_path: Path) -> None:
    units = _installed(tmp_path)
    done = _analyze("verify", "--man=no", *units)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    server = tmp_path / "cynod.service"
    server.write_text(server.read_text().replace("NoNewPrivileges", "NoNewPrivilege"))
    assert re.search(
        "Unknown key.* 'NoNewPrivilege'", _analyze("verify", "--man=no", server).stderr
    )


def test_units_give_away_nothing_that_they_do_not_need(tmp_path: Path) -> None:
    _installed(tmp_path)
    for unit in SERVICES:
        arguments = ("security", "--offline=true", "--no-pager", f"--threshold={EXPOSURE}")
        done = _analyze(*arguments, tmp_path / unit.name)
        assert done.returncode == 0, done.stdout[-300:]
    laid_open = tmp_path / "cynod.service"
    laid_open.write_text(re.sub("(?m)^(Restrict|Protect|Private).*\n", "", laid_open.read_text()))
    assert _analyze("security", "--offline=true", f"--threshold={EXPOSURE}", laid_open).returncode


def test_a_server_has_the_time_to_finish_what_it_began() -> None:
    (stop_s,) = re.findall(r"TimeoutStopSec=(\d+)", (UNITS / "cynod.service").read_text())
    assert int(stop_s) > Settings().stop_s + 10


def test_each_unit_is_told_in_the_documentation() -> None:
    page = (ROOT / "docs" / "deploiement.md").read_text(encoding="utf-8")
    names = {unit.name for unit in [*SERVICES, *UNITS.glob("*.timer")]}
    told = {
        f"{name}.{kind}" for name, kind in re.findall(r"(cynod[-a-z@]*)\.(service|timer)", page)
    }
    by_a_timer = {name.replace(".timer", ".service") for name in names if name.endswith(".timer")}
    assert told <= names
    assert names - told <= by_a_timer


def _confined(unit: str) -> tuple[str, ...]:
    """What runs a command with all that this unit takes away from it."""
    return (sys.executable, str(ROOT / "tests" / "support" / "confined.py"), str(UNITS / unit))


def test_what_a_unit_takes_away_is_away(tmp_path: Path) -> None:
    need("systemd")
    # Anybody may be less favoured than he is, unless the call itself is refused.
    program = "import os; os.setpriority(os.PRIO_PROCESS, 0, 19)"
    command = [*_confined("cynod.service"), sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.stderr.splitlines()[-1] == "PermissionError: [Errno 1] Operation not permitted"


@pytest.mark.only_on("sqlite")
@pytest.mark.usefixtures("backend")
def test_what_units_run_works_with_what_they_leave_to_it(tmp_path: Path) -> None:
    """The server, then twice the night that docs/exploitation/systemd plans, and a proof that fails."""
    need("systemd")
    for folder in ("log", "backups"):
        (tmp_path / folder).mkdir()
    cynod = tmp_path / "cynod"
    cynod.write_text(f'#!/bin/sh\nexec {shlex.join(CYNOD)} "$@"\n', encoding="utf-8")
    cynod.chmod(0o700)
    assert run_cynod("migrate", folder=tmp_path).returncode == 0
    confined = (*_confined("cynod.service"), *CYNOD)
    with serve("--check", "--workers", "2", folder=tmp_path, command=confined) as server:
        assert server.stop() == 0
    for unit in ("verification", "scellement", "verification", "echeances", "sauvegarde"):
        done = _run_unit(unit, tmp_path)
        assert done.returncode == 0, f"{unit}: {done.stderr}"
        if unit == "verification":
            # Before the first operation nothing is sealed; then the night has what it proves.
            run_cynod("seed", "--demo", folder=tmp_path)
    heads = (tmp_path / "log" / "audit-tetes.log").read_text().splitlines()
    assert [re.fullmatch("[0-9]+ [0-9a-f]{64}", head) is not None for head in heads] == [True, True]
    told = (tmp_path / "output.log").read_text()
    assert told.count("nothing differs.\n") == 1
    assert told.count("nothing differs. Sealed: 6 operations, 6 ecritures up to sceau 1, head") == 1
    (backup,) = (tmp_path / "backups").iterdir()
    assert backup.stat().st_mode & 0o777 == 0o600
    with (tmp_path / "log" / "audit-tetes.log").open("a") as file:
        file.write(f"1 {'f' * 64}\n")
    assert _run_unit("verification", tmp_path).returncode == 1


def _run_unit(name: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """What a unit runs, in its order, until one fails; where it appends, it appends here."""
    unit = f"cynod-{name}.service"
    text = (UNITS / unit).read_text(encoding="utf-8")
    places = {
        "/opt/cynod/.venv/bin/cynod": str(folder / "cynod"),
        "/var/log/cynod": str(folder / "log"),
        "/var/backups/cynod": str(folder / "backups"),
        "/etc/cynod/cynod.env": str(folder / "cynod"),
        "%%": "%",
    }
    for there, here in places.items():
        text = text.replace(there, here)
    lines = re.findall(r"(?m)^ExecStart(?:Post)?=(.*)$", text)
    # systemd knows no pattern of names, and its own quotes are those of a shell.
    script = "set -ef\n" + "\n".join(lines)
    kept = re.search(r"(?m)^StandardOutput=append:(.*)$", text)
    output = folder / "output.log" if kept is None else Path(kept[1])
    with output.open("a") as file:
        return subprocess.run(
            [*_confined(unit), "sh", "-c", script],
            cwd=folder,
            env=environment(folder),
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            timeout=CALL_S,
            check=False,
        )


def test_postgresql_is_backed_up_by_the_command_of_the_documentation() -> None:
    page = (ROOT / "docs" / "exploitation" / "sauvegarde.md").read_text(encoding="utf-8")
    (told,) = re.findall(r"(?m)^pg_basebackup .*$", page)
    unit = (UNITS / "cynod-sauvegarde-postgresql.service").read_text(encoding="utf-8")
    (run,) = re.findall(r"(?m)^ExecStart=/bin/sh -c 'exec (.*)'$", unit)
    assert run.replace("%%", "%") == told
