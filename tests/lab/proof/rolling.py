"""`python -m tests.lab.proof.rolling`: from one version to the next, a server at a time, under load.

Two servers of the last published version, as git has it, serve clients that move money. The next version
migrates their database meanwhile and takes their places, one after the other. No call may fail: a client
whose server ends sends the same request, under its reference, to the other one, as docs/clients.md says.
"""

from __future__ import annotations

import contextlib
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import click

from tests.lab.proof.answers import Verdict
from tests.lab.proof.books import read_books
from tests.lab.proof.judge import judge
from tests.lab.proof.load import WHOLE, Client, Intent, Load, Plan
from tests.lab.proof.places import PostgresqlPlace
from tests.lab.proof.record import ANSWERED, UNSENT, read_records
from tests.lab.proof.run import ask_after
from tests.lab.proof.stage import Stage
from tests.support.contract_client import ROOT
from tests.support.nursery import Nursery
from tests.support.postgresql import running_server

SHIPPED = (
    "handlers",
    "models",
    "docs/contract",
    "openapi.yaml",
    "base-core.yaml",
    "pyproject.toml",
)
"""What a server needs of a tree."""

TRIES = 40
PAUSE_S = 0.05
"""A client tries again so often before a call has failed: two seconds, and one of two servers is there."""


# ── versions ─────────────────────────────────────────────────────────────────────────────────────
def last_published() -> tuple[str, str]:
    """The version that was published last, and the commit that did it. Raises RuntimeError."""
    files = sorted((ROOT / "docs" / "contract").glob("*.yaml"), key=_in_order, reverse=True)
    for file in files:
        name = file.relative_to(ROOT).as_posix()
        found = _git("log", "--diff-filter=A", "--format=%H", "--", name).split()
        if found and found[0] != _git("rev-parse", "HEAD").strip():
            return file.stem, found[0]
    raise RuntimeError(
        "this clone has not the history of a published version: fetch it whole (git fetch --unshallow)"
    )


def _in_order(file: Path) -> list[int]:
    return [int(part) for part in file.stem.split(".")]


def _git(*arguments: str) -> str:
    """What git says; nothing where it knows nothing of this folder."""
    done = subprocess.run(
        ["git", *arguments], cwd=ROOT, check=False, capture_output=True, text=True
    )
    return done.stdout if done.returncode == 0 else ""


def export(commit: str, folder: Path) -> Path:
    """The tree of a commit, as far as it is shipped."""
    folder.mkdir()
    packed = subprocess.run(
        ["git", "archive", commit, *SHIPPED], cwd=ROOT, check=True, capture_output=True
    )
    subprocess.run(["tar", "-x", "-C", str(folder)], input=packed.stdout, check=True)
    return folder


def copy_tree(folder: Path, source: Path = ROOT) -> Path:
    """This very tree, as far as it is shipped."""
    for name in SHIPPED:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (source / name).is_dir():
            shutil.copytree(source / name, target)  # with what is compiled of it, which stays valid
        else:
            shutil.copy(source / name, target)
    return folder


MIGRATION = '''"""A migration that {words}

Revision: {number}
Follows: {last}
"""

import sqlalchemy as sa
from alembic import op

revision = "{number}"
down_revision = "{last}"
branch_labels = None
depends_on = None
kind = "{kind}"


def upgrade() -> None:
    {up}


def downgrade() -> None:
    raise NotImplementedError
'''


def add_migration(tree: Path, *, kind: str, up: str) -> str:
    """One more migration of the tree; its number."""
    versions = tree / "models" / "migrations" / "versions"
    last = max(file.name[:4] for file in versions.glob("0*.py"))
    number = f"{int(last) + 1:04d}"
    words = "adds" if kind == "expand" else "takes"
    text = MIGRATION.format(number=number, last=last, kind=kind, words=words, up=up)
    (versions / f"{number}_{words}.py").write_text(text, encoding="utf-8")
    return number


# ── clients ──────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Calls:
    """What became of the calls of a load."""

    answered: int = 0
    again: int = 0
    """Tries that another one followed."""
    failed: list[str] = field(default_factory=list)
    longest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)


class PatientClient(Client):
    """One that does what docs/clients.md tells it: an answer that did not come is asked for again."""

    calls: Calls

    def _choose_way(self) -> str:
        return WHOLE

    def _send(self, intent: Intent, way: str = WHOLE) -> tuple[str, int | None, str]:
        began = time.monotonic()
        done: tuple[str, int | None, str] = (UNSENT, None, "")
        for _ in range(TRIES):
            done = super()._send(intent, way)
            if done[0] == ANSWERED and done[1] is not None and done[1] < 500:
                with self.calls.lock:
                    self.calls.answered += 1
                    self.calls.longest_s = max(self.calls.longest_s, time.monotonic() - began)
                return done
            with self.calls.lock:
                self.calls.again += 1
            self._wait(PAUSE_S)
        with self.calls.lock:
            self.calls.failed.append(f"{intent.what} {intent.reference}: {done[:2]}")
        return done


class PatientLoad(Load):
    """A load of such clients."""

    def __init__(self, plan: Plan) -> None:
        super().__init__(plan, PatientClient)
        self.calls = Calls()
        for client in self._clients:
            assert isinstance(client, PatientClient)
            client.calls = self.calls


# ── the play ─────────────────────────────────────────────────────────────────────────────────────
@dataclass
class Rolled:
    """A rolling upgrade, as it was seen."""

    version: str
    calls: Calls
    verdict: Verdict
    migrated: str

    @property
    def ok(self) -> bool:
        """No call failed, and the books are those of the clients."""
        return self.verdict.ok and not self.calls.failed and self.calls.answered > 0


class Upgrade:
    """Servers of one version on a database, which another version takes over."""

    def __init__(self, nursery: Nursery, place: PostgresqlPlace, folder: Path) -> None:
        self.folder = folder
        self.nursery = nursery
        self.version, commit = last_published()
        self.old = export(commit, folder / "old")
        self.stage = Stage(
            place, nursery, servers=2, office=False, settings={"PYTHONPATH": str(self.old)}
        )
        self.stage.open()

    def run(self, tree: Path, *arguments: str) -> tuple[int, str]:
        """A command of a version on the database: its exit code, and all that it printed."""
        output = self.folder / "command.log"
        variables = {**self.stage.variables, "PYTHONPATH": str(tree)}
        pid = self.nursery.spawn(
            list(arguments), folder=self.folder, output=output, variables=variables
        )
        code = self.nursery.wait(pid)
        text = output.read_text(encoding="utf-8")
        output.unlink()
        return code, text

    @contextlib.contextmanager
    def load(self, seed: str) -> Iterator[PatientLoad]:
        """Clients that move money for the block."""
        prefix = self.stage.new_prefix()
        records = self.folder / f"records-{prefix}"
        records.mkdir()
        stage = self.stage
        plan = Plan(stage.ports, stage.cards, stage.partners, prefix, seed, records)
        load = PatientLoad(plan)
        with load:
            yield load

    def roll(self, tree: Path, rest_s: float) -> None:
        """Have each server end in order and one of the other version take its port."""
        self.stage.variables["PYTHONPATH"] = str(tree)
        for server in self.stage.servers:
            server.tell_to_end()
            code = server.wait()
            if code != 0:
                raise RuntimeError(f"a server ended with {code}: {server.log.read_text()[-500:]}")
            server.start()
            time.sleep(rest_s)

    def judge(self, load: PatientLoad) -> Verdict:
        """What the books say of a load that has ended."""
        ask_after(self.stage, load.plan.folder, 20)
        return judge(
            read_records(load.plan.folder),
            read_books(self.stage.place.judged_url),
            prefix=f"{load.plan.prefix}-",
            moments=self.stage.moments,
        )

    def close(self) -> None:
        """End everything."""
        self.stage.close()


EXPANDS = (
    'op.add_column("operations", sa.Column("essai", sa.String(8), nullable=True))\n'
    '    op.create_index("ix_operations_essai", "operations", ["essai"])'
)


def play(upgrade: Upgrade, tree: Path, *, rest_s: float, seed: str) -> Rolled:
    """Roll from the old version to that of the tree under load; `rest_s` before and after each step."""
    with upgrade.load(seed) as load:
        time.sleep(rest_s)
        code, text = upgrade.run(tree, "migrate")
        if code != 0:
            raise RuntimeError(f"cynod migrate ended with {code}: {text}")
        time.sleep(rest_s)
        upgrade.roll(tree, rest_s)
    return Rolled(upgrade.version, load.calls, upgrade.judge(load), text.strip())


def describe(rolled: Rolled) -> str:
    """One line."""
    calls, verdict = rolled.calls, rolled.verdict
    lost, doubled, wrong = verdict.counts()
    return (
        f"from {rolled.version}: {calls.answered} calls answered, {len(calls.failed)} failed,"
        f" {calls.again} sent again, the longest {calls.longest_s * 1000:.0f} ms;"
        f" {verdict.acknowledged} operations acknowledged, {lost} lost, {doubled} doubled, {wrong} wrong"
    )


@click.command()
@click.option("--seconds", default=15.0, show_default=True, help="Before and after each step.")
@click.option("--seed", default="", help="Of every choice of the clients. [default: a new one]")
def main(seconds: float, seed: str) -> None:
    """Upgrade from the last published version under load; exit with 1 when a call failed or is amiss."""
    nursery = Nursery(bare=True)
    with running_server() as server, tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = copy_tree(folder / "new")
        add_migration(tree, kind="expand", up=EXPANDS)
        upgrade = Upgrade(nursery, PostgresqlPlace(server), folder)
        try:
            rolled = play(upgrade, tree, rest_s=seconds, seed=seed or str(random.randrange(10**6)))
        finally:
            upgrade.close()
            nursery.close()
    click.echo(f"rolling upgrade {describe(rolled)}")
    for kind, texts in rolled.verdict.all_findings.items():
        for text in texts[:10]:
            click.echo(f"    {kind}: {text}")
    for text in rolled.calls.failed[:10]:
        click.echo(f"    failed: {text}")
    sys.exit(0 if rolled.ok else 1)


if __name__ == "__main__":
    main()
