"""`cynod audit`: head, verify and export."""

from __future__ import annotations

import json
import re
import time
from datetime import date
from pathlib import Path
from typing import Any

import click

from handlers.cli.common import Jour, Refused, count, json_option
from handlers.cli.keeping import keeping_its_end
from handlers.cli.opening import open_database
from handlers.cli.output import opened
from handlers.cli.shown import print_json, show_beside, show_progress
from models.audit import ACTEURS, find_tete
from models.books.chaine import (
    FORMATS,
    Choix,
    Rupture,
    Verification,
    export_audit,
    verify_chaine,
)


@click.group()
def audit() -> None:
    """Prove the audit, who changed what, and export it.

    Whatever is changed and is not money has one row: by whom, when, what it was and what it is. Each row
    is sealed to the one before. Money has its journal.
    """


@audit.command()
@json_option
def head(*, as_json: bool) -> None:
    """Print the end of the chain: the last position, and the empreinte that proves all before it.

    Keep it where nobody who may write to the database may write: `cynod audit verify --head` finds by
    it a chain that was written again as a whole.

    \b
    Example:    cynod audit head >> /mnt/elsewhere/audit-heads
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 printed, 1 failed, 2 wrong usage
    """
    with open_database() as database, database.reading() as connection:
        tete = find_tete(connection)
    if tete is None:
        raise Refused("the audit has no end any more: somebody removed it.")
    if as_json:
        print_json({"position": tete.position, "tete": tete.empreinte})
    else:
        click.echo(f"{tete.position} {tete.empreinte}")


class _Empreinte(click.ParamType[str]):
    """An empreinte as `head` and `verify` print it, with or without its position."""

    name = "hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The 64 digits."""
        found = re.fullmatch(r"(?:[0-9]+ +)?([0-9a-f]{64})", value.strip())
        if found is None:
            self.fail(f"{value!r} is not the 64 hexadecimal digits of a head.", param, ctx)
        return found[1]


@audit.command()
@click.option(
    "--head",
    "kept",
    metavar="HASH",
    type=_Empreinte(),
    help="A head that was kept elsewhere, of any day: the chain must still have it.",
)
@json_option
@keeping_its_end("audit")
def verify(*, kept: str | None, as_json: bool) -> None:
    """Prove the audit: compute its chain again, and tell the first row at which it breaks.

    Finds any row that was changed, removed or slipped in, by whomever, and with --head also a chain
    that was written again from some row on. Reads everything, writes nothing; the API may run
    meanwhile. Prints one line when all is right. Progress goes to stderr: a bar on a terminal, else a
    line every 30 seconds.

    \b
    Example:    cynod audit verify --head "$(tail -n 1 /mnt/elsewhere/audit-heads)"
    Variables:  CYNOD_DATABASE_URL, CYNOD_VERIFICATIONS
    Exit codes: 0 all is right, 1 the chain breaks, or failed, 2 wrong usage
    """
    begun = time.monotonic()
    with (
        open_database() as database,
        show_progress("audit verify") as progress,
        database.reading() as connection,
    ):
        proved = verify_chaine(connection, progress, kept=kept)
    if as_json:
        print_json(_describe(proved, time.monotonic() - begun))
    elif proved.rupture is None:
        assert proved.tete is not None, "a chain without an end breaks"
        rows = count(proved.lignes, "row")
        click.echo(f"Audit verified: {rows}; head {proved.tete.position} {proved.tete.empreinte}")
    if proved.rupture is not None:
        raise Refused(_tell(proved.rupture))


def _describe(proved: Verification, seconds: float) -> dict[str, Any]:
    return {
        "lignes": proved.lignes,
        "premiere": proved.premiere,
        "derniere": proved.derniere,
        "intacte": proved.rupture is None,
        "premiereRupture": None if proved.rupture is None else proved.rupture._asdict(),
        "tete": None if proved.tete is None else proved.tete.empreinte,
        "secondes": round(seconds, 3),
    }


def _tell(rupture: Rupture) -> str:
    where = "" if rupture.position is None else f" at row {rupture.position}"
    return f"the audit does not hold{where}: {rupture.motif}."


@audit.command()
@click.option(
    "--from", "debut", metavar="DATE", type=Jour(), help="First day, included (YYYY-MM-DD)."
)
@click.option("--to", "fin", metavar="DATE", type=Jour(), help="Last day, included.")
@click.option(
    "--objet", metavar="ID", help="Only this objet and what is of it: a client and its members."
)
@click.option("--acteur", metavar="[TYPE:]ID", help="Only what this acteur did, as CLI:awa.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(FORMATS),
    default=FORMATS[0],
    show_default=True,
    help="For spreadsheets, or one JSON object a line.",
)
@click.option(
    "--output",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="Write to this file, replaced when all is written (default: -, standard output).",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Say in JSON what was written; on stderr without --output.",
)
def export(
    *,
    debut: date | None,
    fin: date | None,
    objet: str | None,
    acteur: str | None,
    format_: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the rows of the audit, oldest first: who did what to which objet, before and after.

    Days are those of UTC, which are those of Dakar, and both are included. Objets are partners by
    their consumer-key, clients by their clientId, cards by the number of their compte, limits as
    KEY:DEBIT:JOUR, imported files by their SHA-256. Card numbers are masked, e-mail addresses and
    numbers of papers are the beginning of their SHA-256; secrets are never in it.

    With jsonl each row proves itself without this program: its empreinte is the SHA-256 of the line
    without it (keys in order, no space, UTF-8), followed by its empreintePrecedente.

    \b
    Example:    cynod audit export --from 2026-01-01 --to 2026-01-31 --output january.csv
                cynod audit export --objet 3fQx7ZkT0yBn5LwAcE2uRs9d --format jsonl
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 written, 1 refused or failed, 2 wrong usage
    """
    if debut is not None and fin is not None and debut > fin:
        raise click.UsageError(f"--from {debut} is after --to {fin}.")
    # PostgreSQL refuses a text that nobody has: one with NUL, or not Unicode.
    if not f"{objet or ''}{acteur or ''}".isprintable():
        raise click.UsageError("--objet and --acteur are printable texts.")
    choix = Choix(debut, fin, objet, *_read_acteur(acteur))
    with (
        open_database() as database,
        database.snapshot() as connection,
        opened(output) as (write, file),
        show_beside("audit export", file) as progress,
    ):
        written = export_audit(connection, write, choix, format_, progress)
    if as_json:
        told = {
            "fichier": None if file is None else str(file),
            "format": format_,
            "lignes": written,
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2), err=file is None)
    elif file is not None:
        click.echo(f"{count(written, 'row')} of the audit are in {file}.")


def _read_acteur(given: str | None) -> tuple[str | None, str | None]:
    """The type and the id of `CLI:awa`; of `awa` no type."""
    if given is None:
        return None, None
    type_, colon, id_ = given.partition(":")
    return (type_, id_) if colon and type_ in ACTEURS else (None, given)
