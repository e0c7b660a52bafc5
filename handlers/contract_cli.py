"""`cynod contract`: check the contract and write again what is generated from it."""

from __future__ import annotations

import difflib

import click

from handlers.edge.contract import Contract, ContractError, load
from handlers.edge.generate import GeneratorMissing, generate_wire
from handlers.settings import ROOT

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
