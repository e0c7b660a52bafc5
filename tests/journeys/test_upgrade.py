"""A new version takes over from the last published one, under load; then one comes that needs a stop."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.proof.places import PostgresqlPlace
from tests.lab.proof.rolling import (
    EXPANDS,
    Upgrade,
    add_migration,
    copy_tree,
    describe,
    last_published,
    play,
)
from tests.lab.proof.stage import Server
from tests.support.contract_client import ROOT, read_contract
from tests.support.exchanges import FOLDER
from tests.support.needs import need
from tests.support.nursery import Nursery
from tests.support.postgresql import running_server

VERSION = read_contract()["info"]["version"]


@pytest.fixture
def upgrade(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Upgrade]:
    """Two servers of the last published version on a PostgreSQL of their own."""
    need("postgresql")
    monkeypatch.delenv(
        FOLDER, raising=False
    )  # what that version answered is no news of this contract
    nursery = Nursery(bare=True)
    with running_server() as server:
        upgrade = Upgrade(nursery, PostgresqlPlace(server), tmp_path)
        try:
            yield upgrade
        finally:
            upgrade.close()
            nursery.close()


def _beside(upgrade: Upgrade, tree: Path) -> Server:
    """One more server, of a version."""
    server = Server(upgrade.stage, len(upgrade.stage.servers))
    upgrade.stage.variables["PYTHONPATH"] = str(tree)
    upgrade.stage.servers.append(server)
    server.start()
    return server


def test_no_call_fails_while_the_next_version_takes_over_and_one_that_needs_a_stop_says_so(
    upgrade: Upgrade, tmp_path: Path
) -> None:
    old, tree = tuple(upgrade.stage.servers), copy_tree(tmp_path / "next")
    number = add_migration(tree, kind="expand", up=EXPANDS)
    rolled = play(upgrade, tree, rest_s=0.2, seed="1")
    assert rolled.ok, (describe(rolled), rolled.calls.failed, rolled.verdict.all_findings)
    assert rolled.migrated == f"Migrated to {number}."
    assert rolled.calls.again > 0, "servers ended under the load"

    # The version before serves on what only adds, and says so.
    behind = _beside(upgrade, ROOT)
    assert behind.answers("/health/ready", timeout=5)
    last = f"{int(number) - 1:04d}"
    ahead = f"the database is at migration {number}, ahead of this version ({last}), which serves on it."
    assert f"cynod: {ahead}\n" in behind.log.read_text()

    after = copy_tree(tmp_path / "after", tree)
    stop = add_migration(after, kind="stop", up='op.drop_column("operations", "essai")')
    behind.kill9()  # who vanished is in nobody's way
    code, text = upgrade.run(after, "migrate")
    lives = f"version {VERSION} (migration {number}) on {socket.gethostname()[:24]}, process "
    assert (code, text) == (
        1,
        (
            f"cynod: migration {stop} needs a stop, and servers of an older version live:"
            f" {', '.join(sorted(f'{lives}{server.pid}' for server in old))}."
            " Stop them (`systemctl stop cynod`, or SIGTERM to the process), run `cynod migrate` again, then"
            " start this version; those of a machine that is gone are forgotten after 25 s."
            " Nothing was migrated.\n"
        ),
    )
    for server in old:
        server.tell_to_end()
        assert server.wait() == 0
    assert upgrade.run(after, "migrate") == (0, f"Migrated to {stop}.\n")
    code, text = upgrade.run(tree, "serve", "--port", "0")
    assert (code, text) == (
        1,
        (
            f"cynod: the database is at migration {stop}, which serves versions from {stop} on, and this"
            f" one is {number}; start the version that migrated it.\n"
        ),
    )


def test_clone_without_history_says_what_it_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    version, commit = last_published()
    assert (ROOT / "docs" / "contract" / f"{version}.yaml").exists()
    assert len(commit) == 40
    monkeypatch.setenv("GIT_DIR", os.devnull)
    with pytest.raises(RuntimeError, match="fetch it whole"):
        last_published()
