"""`cynod migrate`: what it would do, and whom it refuses to leave behind."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from handlers.cli.root import cli
from models import migrate
from models.database.engine import Database
from models.database.presence import Serveur, enlisted

OLD = Serveur("1.4.0", "0007", "hote-1", 4711)
LIVES = "version 1.4.0 (migration 0007) on hote-1, process 4711"
LAST = migrate.expected_revision()
STOPS = ("0009", "0010", "0011", "0012")
"""The first steps, after one that only adds."""


@pytest.fixture
def at_0007(tmp_path: Path) -> Iterator[Database]:
    """A database of version 1.4.0."""
    database = Database(f"sqlite:///{tmp_path / 'cynod.db'}")
    migrate.upgrade(database, "0007")
    yield database
    database.close()


def _run(database: Database, *arguments: str) -> Result:
    url = database.url.render_as_string(hide_password=False)
    return CliRunner(env={"CYNOD_DATABASE_URL": url}).invoke(cli, ["migrate", *arguments])


def test_plan_tells_each_migration_and_who_must_end_and_changes_nothing(at_0007: Database) -> None:
    with enlisted(at_0007, OLD):
        told = _run(at_0007, "--plan")
        described = json.loads(_run(at_0007, "--plan", "--json").stdout)
        refused = _run(at_0007)
    assert (told.exit_code, told.stderr) == (0, "")
    first, *steps, server = told.stdout.splitlines()
    assert first == f"The database is at migration 0007; {int(LAST) - 7} migrations to come."
    assert server == f"  lives, must end first: {LIVES}"
    assert [(line[2:6], line[8:].partition(":")[0]) for line in steps[:5]] == [
        ("0008", "servers go on"),
        *((number, "needs a stop") for number in STOPS),
    ]
    assert [(one["revision"], one["kind"]) for one in described.pop("migrations")[:5]] == [
        ("0008", "expand"),
        *((number, "stop") for number in STOPS),
    ]
    assert described == {
        "revision": "0007",
        "expected": LAST,
        "servers": [{"version": "1.4.0", "revision": "0007", "machine": "hote-1", "pid": 4711}],
        "stop": [LIVES],
    }
    assert (refused.exit_code, refused.stdout) == (1, "")
    stop = migrate.plan_upgrade(at_0007).stop
    assert stop is not None
    start = f"cynod: migration {stop.revision} needs a stop, and servers of an older version live: "
    assert refused.stderr.startswith(f"{start}{LIVES}. Stop them (")
    assert refused.stderr.endswith(" Nothing was migrated.\n")
    done = _run(at_0007)
    assert (done.exit_code, done.stdout) == (0, f"Migrated to {LAST}.\n")
    assert _run(at_0007, "--plan").stdout == (
        f"The database is at migration {LAST}; 0 migrations to come.\n"
    )
