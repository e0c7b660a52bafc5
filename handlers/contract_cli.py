"""`cynod contract`: check the contract and write again what is generated from it."""

from __future__ import annotations

import difflib
import os
import subprocess
import sys
from pathlib import Path

import click
import httpx

from handlers.cli_common import Refused
from handlers.edge.contract import Contract, ContractError, load
from handlers.edge.generate import GeneratorMissing, generate_wire
from handlers.settings import ROOT, read_settings
from handlers.tools.replay import CONFORM, IDENTICAL, LEFT, WRONG, Credentials, Report, replay
from handlers.tools.skeleton import SkeletonError, make_skeleton

CONTRACT = ROOT / "openapi.yaml"
WIRE = ROOT / "handlers" / "wire.py"

MAX_SHOWN_LINES = 20


@click.group()
def contract() -> None:
    """Check openapi.yaml and write again what is generated from it."""


@contract.command()
@click.option("--check", is_flag=True, help="Write nothing; fail when a file would change.")
def build(*, check: bool) -> None:
    """Write handlers/wire.py from openapi.yaml."""
    try:
        checked = load(CONTRACT, again=True)
        wanted = generate_wire(CONTRACT, checked)
    except (ContractError, GeneratorMissing) as error:
        raise click.ClickException(str(error)) from None
    found = WIRE.read_text(encoding="utf-8") if WIRE.exists() else ""
    if found != wanted:
        if check:
            raise click.ClickException(_difference(found, wanted))
        WIRE.write_text(wanted, encoding="utf-8")
    state = "is up to date" if found == wanted else "written"
    click.echo(f"{_summary(checked)}; handlers/wire.py {state}.")


@contract.command()
@click.argument("operation")
@click.option("--dry-run", is_flag=True, help="Print the files, write nothing.")
def new(operation: str, *, dry_run: bool) -> None:
    """Write the first lines of an operation that openapi.yaml has and the code has not.

    OPERATION is its operationId. Adds its function to handlers/<tag>.py and makes
    tests/operations/test_<function>.py; then says what is left to do. What is already there is kept.

    \b
    Example:    cynod contract new getPlafondCarte
    Exit codes: 0 written, 1 refused, 2 wrong usage
    """
    try:
        skeleton = make_skeleton(load(CONTRACT), operation, ROOT)
    except (ContractError, SkeletonError) as error:
        raise click.ClickException(str(error)) from None
    for path, text in skeleton.files.items():
        shown = path.relative_to(ROOT)
        if dry_run:
            click.echo(f"# {shown}\n{text}")
        else:
            path.write_text(text, encoding="utf-8")
            click.echo(f"{shown} written.")
    if not dry_run:
        _tidy(list(skeleton.files))
    click.echo("Next:")
    for number, step in enumerate(skeleton.todo, 1):
        click.echo(f"  {number}. {step}")


def _tidy(files: list[Path]) -> None:
    """Sort the imports and lay the lines out, where ruff is installed."""
    ruff = Path(sys.executable).with_name("ruff")
    if ruff.exists():
        names = [str(path) for path in files]
        for arguments in (["check", "--quiet", "--select", "I", "--fix"], ["format", "--quiet"]):
            subprocess.run([str(ruff), *arguments, *names], cwd=ROOT, check=False)  # noqa: S603


@contract.command()
@click.argument("url")
@click.option(
    "--consumer-key",
    envvar="CYNOD_CONSUMER_KEY",
    help="Of the partner to ask as; the secret is CYNOD_CONSUMER_SECRET.",
)
@click.option(
    "--writes",
    is_flag=True,
    help="Send the examples that write too: they move money on that server.",
)
@click.option(
    "--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True
)
@click.pass_context
def selfcheck(
    ctx: click.Context, url: str, consumer_key: str | None, format_: str, *, writes: bool
) -> None:
    """Send every example of the contract to the server at URL, and judge what it answers.

    Each answer must have a declared status, the declared headers, a body that fits its schema, and a
    code that the operation lists. Each operation is also asked in the ways that any server of this
    contract must refuse. Without credentials, only what is public is asked, and who is refused.

    \b
    Example:    CYNOD_CONSUMER_SECRET=... cynod contract selfcheck https://api.example \\
                    --consumer-key demo-partenaire
    Variables:  CYNOD_CONSUMER_KEY, CYNOD_CONSUMER_SECRET, CYNOD_CONTRACT
    Exit codes: 0 all conform, 1 something does not or the server is away, 2 wrong usage
    """
    secret = os.environ.get("CYNOD_CONSUMER_SECRET", "")
    if consumer_key and not secret:
        raise Refused("CYNOD_CONSUMER_SECRET is not set: it is the secret of --consumer-key.")
    credentials = Credentials(consumer_key, secret) if consumer_key else None
    if not url.startswith(("http://", "https://")):
        raise click.UsageError("URL must begin with http:// or https://.")
    try:
        checked = load(read_settings().contract)
        report = replay(checked, url.rstrip("/"), credentials=credentials, writes=writes)
    except ContractError as error:
        raise Refused(str(error)) from None
    except httpx.HTTPError as error:
        raise Refused(f"{url} cannot be asked: {error}.") from None
    click.echo(report.as_json() if format_ == "json" else _text(report))
    ctx.exit(0 if report.passed else 1)


def _text(report: Report) -> str:
    lines = []
    for one in report.outcomes:
        told = f"HTTP {one.status}" if one.status is not None else "-"
        if one.code not in (None, "200"):
            told += f" {one.code}"
        tail = f": {one.reason}" if one.reason else ""
        lines.append(f"{one.verdict:>9}  {one.operation_id}, {one.case}: {told}{tail}")
    if report.served_version != report.version:
        lines.append(
            f"The server serves {report.served_version}, this contract is {report.version}."
        )
    counts = {
        verdict: sum(one.verdict == verdict for one in report.outcomes)
        for verdict in (IDENTICAL, CONFORM, WRONG, LEFT)
    }
    lines.append(", ".join(f"{count} {verdict}" for verdict, count in counts.items()) + ".")
    return "\n".join(lines)


def _summary(checked: Contract) -> str:
    schemas = len(checked.document["components"]["schemas"])
    return (
        f"openapi.yaml {checked.version}: {len(checked.operations)} operations, {schemas} schemas, "
        f"{len(checked.catalogue)} error codes"
    )


def _difference(found: str, wanted: str) -> str:
    lines = list(
        difflib.unified_diff(
            found.splitlines(), wanted.splitlines(), "handlers/wire.py", "openapi.yaml", lineterm=""
        )
    )
    shown = "\n".join(lines[:MAX_SHOWN_LINES])
    return (
        "handlers/wire.py is not what openapi.yaml gives; `make contract` repairs it, never edit "
        f"the file by hand.\n{shown}"
    )
