"""Containerfile, as it is read: tests/lab/test_image_runs.py builds it and runs it where it can."""

from __future__ import annotations

import json
import re
import shlex

import pytest
from click.testing import CliRunner

from handlers.cli.root import cli
from handlers.settings import Settings, read_settings
from tests.lab.image import ACCOUNT
from tests.support.contract_client import ROOT

TEXT = (ROOT / "Containerfile").read_text(encoding="utf-8")
STEPS = [
    (line.split()[0], line.partition(" ")[2].strip())
    for line in re.sub(r"\s*\\\n\s*", " ", re.sub(r"(?m)^\s*#.*\n", "", TEXT)).splitlines()
    if line.strip()
]
FINAL = STEPS[[word for word, _ in STEPS].index("FROM", 2) :]
"""The steps of the image itself, after those that build what is in it."""


def the_only(word: str) -> str:
    """What stands after the only step of this name in the image."""
    (found,) = [rest for each, rest in FINAL if each == word]
    return found


def test_image_is_of_nobody_who_may_do_anything() -> None:
    assert the_only("USER") == f"{ACCOUNT}:{ACCOUNT}"
    after = FINAL[[word for word, _ in FINAL].index("USER") :]
    assert not {"RUN", "COPY", "ADD"} & {word for word, _ in after}
    # Nothing of the image is the account's own.
    assert "--chown" not in TEXT
    assert not re.search(r"\b(chmod|chown|sudo|apt-get|curl|wget)\b", TEXT)


def test_image_holds_what_the_lock_file_says_and_what_is_served() -> None:
    assert "ADD" not in {word for word, _ in STEPS}
    assert "://" not in re.sub(r"http://127\.0\.0\.1", "", TEXT)
    (installed,) = [rest for word, rest in STEPS if word == "RUN" and "requirements.lock" in rest]
    assert {"--no-deps", "--require-hashes", "--only-binary"} <= set(shlex.split(installed))
    assert installed.endswith("pip check")
    copied = {
        name
        for word, rest in STEPS
        if word == "COPY" and "--from" not in rest
        for name in rest.split()[:-1]
    }
    assert {name for name in copied if not (ROOT / name).exists()} == set()
    assert copied >= {"handlers", "models", "openapi.yaml", "base-core.yaml", "docs/contract"}
    assert not {name for name in copied if name.startswith(("tests", ".", "build"))}


def test_image_starts_a_server_that_looks_first_and_ends_in_order() -> None:
    command = [*_list(the_only("ENTRYPOINT")), *_list(the_only("CMD"))]
    assert command[0] == "/opt/cynod/.venv/bin/cynod"
    assert command[1:3] == ["serve", "--check"]
    assert CliRunner().invoke(cli, [*command[1:], "--help"]).exit_code == 0
    assert the_only("STOPSIGNAL") == "SIGTERM"
    variables = dict(one.split("=", 1) for one in the_only("ENV").split())
    del variables["PATH"], variables["PYTHONDONTWRITEBYTECODE"]
    settings = read_settings(variables)
    assert (settings.is_production, str(settings.port)) == (True, the_only("EXPOSE"))
    changed = {"environment", "host", "log_format"}
    assert {
        name for name in Settings.__slots__ if getattr(settings, name) != getattr(Settings(), name)
    } == changed


def test_image_says_whether_it_serves() -> None:
    health = the_only("HEALTHCHECK")
    assert "/health/ready" in health
    program = _list(health.partition("CMD ")[2])
    compile(program[2], "HEALTHCHECK", "exec")
    assert program[:2] == ["python3", "-c"]


def _list(written: str) -> list[str]:
    found: list[str] = json.loads(written)
    return found


@pytest.mark.parametrize("word", ["ENTRYPOINT", "CMD"])
def test_no_shell_stands_between_the_signal_and_the_server(word: str) -> None:
    assert the_only(word).startswith("[")
