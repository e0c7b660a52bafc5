"""`cynod journal`: verify, seal and export."""

from __future__ import annotations

import json
import re
import time
from datetime import date
from pathlib import Path
from typing import IO, Any

import click
from sqlalchemy import Connection

from handlers.cli.common import (
    Jour,
    Refused,
    count,
    json_option,
    undone_when_interrupted,
)
from handlers.cli.keeping import keeping_its_end
from handlers.cli.opening import open_database
from handlers.cli.output import opened
from handlers.cli.shown import (
    print_json,
    show_beside,
    show_instant,
    show_progress,
)
from models.books import scellement, verification
from models.books.controle import Controle, verify_seals
from models.books.exportation import (
    Choix,
    Exportation,
    Inconnu,
    export_journal,
    find_names,
)
from models.books.redaction import REDACTIONS
from models.books.scellement import Scellement
from models.books.verification import Fault, Report
from models.database.failures import OccupiedError


@click.group()
def journal() -> None:
    """Prove the journal of operations, seal it, and export it."""


class _Tete(click.ParamType[bytes]):
    """The head of a sceau."""

    name = "head"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> bytes:
        """The bytes of 64 hexadecimal digits."""
        if re.fullmatch("[0-9a-fA-F]{64}", value, re.ASCII):
            return bytes.fromhex(value)
        return self.fail(f"{value!r} is not a head, of 64 hexadecimal digits.", param, ctx)


@journal.command()
@click.option(
    "--head",
    "heads",
    metavar="HASH",
    type=_Tete(),
    multiple=True,
    help="A head that `cynod journal seal` printed and that was kept elsewhere. Repeatable.",
)
@click.option(
    "--heads",
    "log",
    metavar="FILE",
    type=click.File(encoding="utf-8", errors="replace"),
    help="A file with lines that it printed, whatever else is in it; - is standard input.",
)
@json_option
@keeping_its_end("journal")
def verify(*, heads: tuple[bytes, ...], log: IO[str] | None, as_json: bool) -> None:
    """Prove the journal: every operation balances, every solde is the sum of its ecritures.

    Also that no reference was executed twice, that each plafond has counted its operations, and that
    what `cynod journal seal` has sealed is as it was. Who may alter the tables could make all the
    seals anew: that is found by a head that was kept elsewhere (--head, --heads).

    Reads everything, writes nothing; the API may run meanwhile. Prints one line when all is right,
    else what differs, at most 20 lines per rule, card numbers masked. Progress goes to stderr: a
    bar on a terminal, else a line every 30 seconds.

    \b
    Example:    cynod journal verify
                cynod journal verify --heads /var/log/cynod-seals.log
    Variables:  CYNOD_DATABASE_URL, CYNOD_VERIFICATIONS
    Exit codes: 0 all is right, 1 something differs or failed, 2 wrong usage
    """
    kept = _read_heads(heads, log)
    begun = time.monotonic()
    with open_database() as database:
        with show_progress("journal verify") as progress, database.reading() as connection:
            report = verification.verify(connection, progress)
        with show_progress("journal verify: sceaux") as progress, database.snapshot() as connection:
            control = verify_seals(connection, kept, progress)
    faults = [*report.faults, *control.faults]
    if as_json:
        print_json(_describe(report, control, time.monotonic() - begun))
    elif faults:
        _print_fautes(faults, [*report.rules_cut, *control.rules_cut])
    else:
        counted = ", ".join(
            count(number, noun)
            for number, noun in (
                (report.operations, "operation"),
                (report.ecritures, "ecriture"),
                (report.cartes, "carte"),
            )
        )
        click.echo(f"Journal verified: {counted}; nothing differs.{_tell_seals(control)}")
    if faults:
        raise Refused("the journal does not hold; the list above says where.")


_KEPT = re.compile(r"\bsceau ([0-9]{1,18})\b.*\bhead ([0-9a-f]{64})\b", re.ASCII)


def _read_heads(heads: tuple[bytes, ...], log: IO[str] | None) -> dict[bytes, int | None]:
    """The heads that were kept, with the numbers of their seals where they were kept too."""
    kept: dict[bytes, int | None] = dict.fromkeys(heads)
    if log is not None:
        found = [match for match in map(_KEPT.search, log) if match]
        if not found:
            raise click.UsageError(f"--heads: {log.name} has no line of `cynod journal seal`.")
        kept.update((bytes.fromhex(match[2]), int(match[1])) for match in found)
    return kept


def _tell_seals(control: Controle) -> str:
    """What is sealed, in a form that --heads reads too; nothing where nobody seals."""
    if control.tete is None:
        return ""
    return (
        f" Sealed: {count(control.operations, 'operation')}, {count(control.ecritures, 'ecriture')}"
        f" up to sceau {control.dernier}, head {control.tete.hex()};"
        f" {count(control.depuis, 'operation')} since."
    )


@journal.command()
@json_option
@keeping_its_end("seal")
def seal(*, as_json: bool) -> None:
    """Seal what was written of the journal since the last sceau: any change of it is found for ever.

    A sceau covers operations, with their ecritures, that nothing under way can join any more: those
    that are being executed are waited for, and none waits for this. It is chained to the one before.
    Prints one line with its head, for a log: kept outside the database, the head proves all that was
    sealed up to it, even against who may alter the tables (cynod journal verify --heads).

    Two at once seal everything once. Run it every night; where nothing is new, no sceau is made, and
    the line says the last one.

    \b
    Example:    cynod journal seal >> /var/log/cynod-seals.log
    Variables:  CYNOD_DATABASE_URL, CYNOD_ATTENTE_S, CYNOD_VERIFICATIONS
    Exit codes: 0 sealed or nothing new, 1 refused or failed, 2 wrong usage
    """
    with (
        undone_when_interrupted("what was sealed stays so, run it again for the rest"),
        open_database() as database,
        show_progress("journal seal") as progress,
    ):
        try:
            sealed = scellement.seal(
                database,
                waiting=lambda: click.echo(
                    "cynod: operations are under way; waiting for them to end.", err=True
                ),
                progress=progress,
            )
        except OccupiedError:
            raise Refused(
                "operations under way did not end in time; nothing was sealed, run it again."
            ) from None
        except scellement.SealChanged as error:
            raise Refused(
                f"sceau {error} was changed since it was made, and nothing is chained to it;"
                " `cynod journal verify` says more."
            ) from None
    if as_json:
        print_json(_describe_seals(sealed))
    else:
        _print_seals(sealed)


def _describe_seals(sealed: Scellement) -> dict[str, Any]:
    last = sealed.dernier
    return {
        "sceau": None if last is None else last.numero,
        "scelleLe": None if last is None else show_instant(last.instant),
        "tete": None if last is None else last.empreinte.hex(),
        "sceaux": sealed.sceaux,
        "operations": sealed.operations,
        "ecritures": sealed.ecritures,
    }


def _print_seals(sealed: Scellement) -> None:
    last = sealed.dernier
    if last is None:
        click.echo("Nothing to seal.")
        return
    which = f"sceau {last.numero} of {show_instant(last.instant)}, head {last.empreinte.hex()}"
    if not sealed.sceaux:
        click.echo(f"Nothing new since {which}.")
        return
    counted = f"{count(sealed.operations, 'operation')}, {count(sealed.ecritures, 'ecriture')}"
    click.echo(f"Sealed: {counted} up to {which}.")


def _describe(report: Report, control: Controle, seconds: float) -> dict[str, Any]:
    faults = [*report.faults, *control.faults]
    return {
        "exact": not faults,
        "operations": report.operations,
        "ecritures": report.ecritures,
        "cartes": report.cartes,
        "sceaux": {
            "nombre": control.sceaux,
            "operations": control.operations,
            "ecritures": control.ecritures,
            "dernier": control.dernier,
            "tete": None if control.tete is None else control.tete.hex(),
            "operationsDepuis": control.depuis,
        },
        "secondes": round(seconds, 3),
        "fautes": [
            {
                "regle": fault.regle,
                # `carte 701980******9577`: what kind of row it is, and which.
                "objet": fault.sujet.partition(" ")[0],
                "cle": fault.sujet.partition(" ")[2],
                "detail": fault.detail,
            }
            for fault in faults
        ],
        "reglesTronquees": [*report.rules_cut, *control.rules_cut],
    }


def _print_fautes(faults: list[Fault], rules_cut: list[str]) -> None:
    regle = ""
    for fault in faults:
        if fault.regle != regle:
            regle = fault.regle
            more = ""
            if regle in rules_cut:
                more = f" (the first {verification.MAX_FAULTS})"
            click.echo(f"Not so: {regle}{more}")
        click.echo(f"  {fault.sujet}: {fault.detail}")


@journal.command()
@click.option(
    "--from", "debut", metavar="DATE", type=Jour(), help="First day, included (YYYY-MM-DD)."
)
@click.option("--to", "fin", metavar="DATE", type=Jour(), help="Last day, included.")
@click.option("--client", metavar="ID", help="Only operations on cards of this client.")
@click.option("--partenaire", metavar="KEY", help="Only operations of this partner.")
@click.option(
    "--format",
    "format_",
    type=click.Choice(list(REDACTIONS)),
    default="hledger",
    show_default=True,
    help="What is to read it; csv is for spreadsheets.",
)
@click.option(
    "--detail",
    type=click.Choice(["client", "carte"]),
    default="client",
    show_default=True,
    help="One account per client, or per card.",
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
    client: str | None,
    partenaire: str | None,
    format_: str,
    detail: str,
    output: Path | None,
    as_json: bool,
) -> None:
    """Write the journal for an accountant: for hledger (https://hledger.org), beancount, or as CSV.

    Days are those of UTC, which are those of Dakar, and both are included: --from 2026-01-01 --to
    2026-01-31 is January. First the accounts with their names, then the soldes before the period as
    one transaction, then one transaction per operation, with partenaire, reference, motif, point de
    service, terminal, and its card: the masked number and the id of its compte.

    At the end each solde is asserted, so that the accountant's program proves, without this one,
    that it is the sum of what the file holds. With --client or --partenaire accounts hold what the
    selected operations moved; those of the client's cards, or that of the partenaire, are whole:
    their soldes are real and asserted. For hledger, months in a row may be joined into one file.

    \b
    Accounts of hledger:               of beancount:
      passif:clients:CLI-0001            Liabilities:Clients:CLI-0001 (:000123 for each card)
      actif:partenaires:KEY              Assets:Partenaires:KEY
      capital:ouverture:000001           Equity:Ouverture:000001

    hledger's strict check takes a time that grows with accounts times operations: --detail carte is
    for some thousand cards. The API may run meanwhile. A new FILE is its owner's only.

    \b
    Example:    cynod journal export --from 2026-01-01 --to 2026-01-31 --output january.hledger
                hledger -f january.hledger check --strict
    Variables:  CYNOD_DATABASE_URL
    Exit codes: 0 written, 1 refused or failed, 2 wrong usage
    """
    if debut is not None and fin is not None and debut > fin:
        raise click.UsageError(f"--from {debut} is after --to {fin}.")
    choix = Choix(debut, fin, client, partenaire, par_carte=detail == "carte")
    with open_database() as database, database.snapshot() as connection:
        _check_names(connection, choix)
        with opened(output) as (write, file), show_beside("journal export", file) as progress:
            written = export_journal(connection, write, choix, format_, progress)
    _tell(file, format_, choix, written, as_json=as_json)


def _check_names(connection: Connection, choix: Choix) -> None:
    """Refuse a client or a partenaire that nobody is, before anything is written."""
    options = {"client_id": ("--client", "client"), "consumer_key": ("--partenaire", "partenaire")}
    try:
        for champ in options:
            # PostgreSQL refuses a text that nobody has: one with NUL, or not Unicode.
            valeur = getattr(choix, champ)
            if valeur is not None and not valeur.isprintable():
                raise Inconnu(champ, valeur)
        find_names(connection, choix)
    except Inconnu as error:
        option, noun = options[error.champ]
        raise click.UsageError(f"{option}: there is no {noun} {error.valeur!r}.") from None


def _tell(
    file: Path | None, format_: str, choix: Choix, written: Exportation, *, as_json: bool
) -> None:
    """Say what was written: as a line when it is in a file, or as JSON when asked for."""
    if as_json:
        told = {
            "fichier": None if file is None else str(file),
            "format": format_,
            "debut": None if choix.debut is None else choix.debut.isoformat(),
            "fin": None if choix.fin is None else choix.fin.isoformat(),
            "clientId": choix.client_id,
            "consumerKey": choix.consumer_key,
            "detail": "carte" if choix.par_carte else "client",
            **written._asdict(),
        }
        click.echo(json.dumps(told, ensure_ascii=False, indent=2), err=file is None)
    elif file is not None:
        counted = [count(number, nouns[:-1]) for nouns, number in written._asdict().items()]
        click.echo(f"{', '.join(counted)} are in {file}.")
