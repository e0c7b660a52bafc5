"""`cynod import`: cards from a CSV file, with a progress bar and a file of rejected rows."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import click
from rich.progress import DownloadColumn, TimeRemainingColumn

from handlers.cli.common import (
    Refused,
    count,
    describe_os_error,
    end_by_oneself,
    json_option,
    undone_when_interrupted,
)
from handlers.cli.opening import open_database, tell_waiting
from handlers.cli.output import Output
from handlers.cli.shown import show_bar
from handlers.operateur import read_operateur
from models.books.importation import (
    ImportationRefusee,
    Rejected,
    Summary,
    import_cartes,
)
from models.books.rows import COLUMNS, describe_fault
from models.database.engine import Database
from models.database.failures import CommitUnknownError, OccupiedError
from models.motifs import IDENTIFIANT
from models.telephone import REGION, REGIONS, Telephones


class _Wanted(NamedTuple):
    """What the command line asks."""

    file: Path
    skip_bad: Path | None
    last_row_unterminated: bool
    dry_run: bool
    telephones: Telephones
    reseau: str | None
    as_json: bool


def _check_region(_ctx: click.Context, _option: click.Parameter, value: str) -> str:
    if value.upper() not in REGIONS:
        raise click.BadParameter(f"{value!r} is no country, as SN or ML are.")
    return value.upper()


def _check_reseau(_ctx: click.Context, _option: click.Parameter, value: str | None) -> str | None:
    if value is not None and not IDENTIFIANT.fullmatch(value):
        raise click.BadParameter(f"{value!r} is no reseauId: 1 to 32 of A-Z a-z 0-9 . _ -")
    return value


@click.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--skip-bad",
    metavar="REJECTS.csv",
    type=click.Path(path_type=Path, allow_dash=True),
    help="Import the good rows, and write the bad ones to this file (replaced when it exists).",
)
@click.option("--dry-run", is_flag=True, help="Tell all that an import would, and change nothing.")
@click.option(
    "--last-row-unterminated",
    is_flag=True,
    help="Take a last row that has no line break, which a file that was cut off ends with.",
)
@click.option(
    "--region",
    metavar="COUNTRY",
    default=REGION,
    show_default=True,
    callback=_check_region,
    help="Where telephones without a country code are from.",
)
@click.option(
    "--normalise-telephones",
    is_flag=True,
    help="Write telephones as country code and digits, whatever their form in the file.",
)
@click.option(
    "--reseau",
    metavar="RESEAU_ID",
    callback=_check_reseau,
    help="Put new clients into this réseau, which is made when it is not there.",
)
@json_option
def import_(region: str, *, normalise_telephones: bool, **wanted: Any) -> None:
    """Import clients, membres and cards with their opening soldes.

    The file (- for standard input) is UTF-8, separated by commas (or ; or tabs), and begins with
    exactly this header:

    \b
      clientId,clientNom,membreId,nom,prenom,email,telephone,numeroPiece,
      dateNaissance,numeroCarte,finValidite,statut,solde     (on one line)

    \b
      telephone      the holder's walletId: 6 to 15 digits, or + and digits
      dateNaissance  dd/MM/yyyy or empty
      finValidite    dd/MM/yyyy, the last good day
      statut         ACTIVE, OPPOSITION or ANNULEE
      solde          francs CFA, an integer of 0 or more

    All of the file is imported in one transaction, or nothing of it: a bad row stops the import, and
    the first 20 bad rows are named by line and column. A row that is already there, identical,
    changes nothing, so a file may be imported again; soldes of existing cards are never touched. A
    row that contradicts what is there, the opening solde too, is a bad row. So is a last row without
    a line break: the file may have been cut off, or is still being written. Blank rows are ignored.

    With --skip-bad, bad rows go to REJECTS.csv, with the columns ligne, colonne and motif after
    their own. Correct them, remove these three columns, and import that file. It can be read by its
    owner only. A pipe or a device is written through, and the summary then goes to stderr.

    Clients of one réseau may transfer to each other. With --reseau, those that are there already stay
    where they are, and are told on stderr: to move one is asked and agreed to, in the back office.

    Partners name a holder by the telephone as it is written here. Those that are not country code and
    digits, as 221771234567 is, are told on stderr; --normalise-telephones writes them so.

    Another import is waited for, at most CYNOD_ATTENTE_S seconds. The API may run meanwhile; on
    SQLite its credits and debits wait for the import to end.

    \b
    Example:    cynod import cards.csv --skip-bad rejects.csv
                gunzip -c cards.csv.gz | cynod import - --dry-run
    Variables:  CYNOD_DATABASE_URL, CYNOD_ATTENTE_S
    Exit codes: 0 imported (also when --skip-bad left some rows out), 1 refused, or every row was
                rejected, 2 wrong usage, 130 or 143 interrupted: nothing was imported
    """
    telephones = Telephones(region, normalise=normalise_telephones)
    with undone_when_interrupted("nothing was imported"):
        _import(_Wanted(telephones=telephones, **wanted))


def _import(wanted: _Wanted) -> None:
    with open_database() as database, contextlib.ExitStack() as stack:
        source = stack.enter_context(_opened(wanted.file))
        rejects = stack.enter_context(_rejects(wanted)) if wanted.skip_bad else None
        try:
            summary = _run(database, wanted, source, rejects)
        except ImportationRefusee as error:
            raise _tell_bad_rows(wanted, error) from None
        except OccupiedError:
            raise Refused(
                "another import is running, or a server writes all the time; nothing was imported."
            ) from None
        except CommitUnknownError:
            kept = "" if rejects is None else f" The rejected rows are in {rejects.publish()}."
            raise Refused(
                "the connection to the database broke at the very end: all was imported, or nothing."
                f" Import the file again: what is there is left as it is.{kept}"
            ) from None
        place = None if rejects is None else rejects.publish()
        _tell(wanted, summary, place, to_stderr=rejects is not None and rejects.is_standard_output)


# ── files ────────────────────────────────────────────────────────────────────────────────────────


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    """The file, read from its start. What comes through a pipe is waited for before anything else is."""
    with contextlib.ExitStack() as stack:
        try:
            standard = str(path) == "-"
            source = sys.stdin.buffer if standard else stack.enter_context(path.open("rb"))
            if standard or not stat.S_ISREG(os.fstat(source.fileno()).st_mode):
                spooled = stack.enter_context(tempfile.TemporaryFile())
                shutil.copyfileobj(source, spooled)
                spooled.seek(0)
                source = spooled
        except OSError as error:
            raise Refused(f"{describe_os_error(error)}.") from None
        yield source


class _Rejects:
    """The file of rejected rows, which is whole before anything is imported."""

    def __init__(self, path: Path) -> None:
        self._output = Output(path)
        self._writer = csv.writer(self._output.file, lineterminator="\n")
        self._writer.writerow([*COLUMNS, "ligne", "colonne", "motif"])
        self.settle = self._output.settle
        self.discard = self._output.discard
        self.is_standard_output = self._output.is_standard_output

    def add(self, rejected: Rejected) -> None:
        """Write a row. Raises OSError."""
        cells = [*rejected.cellules, *[""] * (len(COLUMNS) - len(rejected.cellules))]
        self._writer.writerow([*cells, str(rejected.ligne), rejected.colonne, rejected.motif])

    def publish(self) -> Path:
        """Put the file in its place, or leave it beside: where it is."""
        try:
            self._output.publish()
        except OSError:
            return self._output.keep()
        return self._output.path


@contextlib.contextmanager
def _rejects(wanted: _Wanted) -> Iterator[_Rejects]:
    path = wanted.skip_bad
    assert path is not None, "asked only then"
    if path.exists() and wanted.file.exists() and path.samefile(wanted.file):
        raise Refused("REJECTS.csv must be another file than FILE.csv.")
    try:
        rejects = _Rejects(path)
    except OSError as error:
        raise Refused(f"{path}: {error.strerror or error}.") from None
    try:
        yield rejects
    finally:
        rejects.discard()


# ── the run ──────────────────────────────────────────────────────────────────────────────────────


def _run(
    database: Database, wanted: _Wanted, source: BinaryIO, rejects: _Rejects | None
) -> Summary:
    size = os.fstat(source.fileno()).st_size

    def settle() -> None:
        """The last moment at which the import can still be undone."""
        grown = os.fstat(source.fileno()).st_size
        if grown != size:
            raise Refused(
                f"{wanted.file} is still being written: it had {size} bytes, now {grown}."
                " Nothing was imported."
            )
        if rejects is not None:
            rejects.settle()
        end_by_oneself()

    with _progress(size) as progress:
        try:
            return import_cartes(
                database,
                source,
                read_operateur(),
                reject=None if rejects is None else rejects.add,
                telephones=wanted.telephones,
                reseau=wanted.reseau,
                last_row_unterminated=wanted.last_row_unterminated,
                dry_run=wanted.dry_run,
                progress=progress,
                waiting=tell_waiting(database, "import"),
                settle=settle,
            )
        except OSError as error:
            place = wanted.file if wanted.skip_bad is None else wanted.skip_bad
            raise Refused(f"{place}: {error.strerror or error}. Nothing was imported.") from None


@contextlib.contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    with show_bar("import", DownloadColumn(), TimeRemainingColumn()) as progress:
        yield lambda position: progress(position, size)


# ── what is told ─────────────────────────────────────────────────────────────────────────────────


def _tell_bad_rows(wanted: _Wanted, error: ImportationRefusee) -> Refused:
    """Name the bad rows; the refusal to end with."""
    if wanted.as_json:
        rows = [
            {"line": one.ligne, "column": one.colonne, "reason": one.motif} for one in error.faults
        ]
        click.echo(
            json.dumps({"imported": False, "rejected": error.nombre, "badRows": rows}, indent=2)
        )
    if error.nombre == 1:
        return Refused(f"{wanted.file}, {error} Nothing was imported.")
    for one in error.faults:
        click.echo(f"{wanted.file}, {describe_fault(*one[1:])}", err=True)
    shown = len(error.faults)
    told = "" if shown == error.nombre else f", of which the first {shown} are told"
    return Refused(f"{wanted.file}, {error.nombre} bad rows{told}. Nothing was imported.")


def _tell(wanted: _Wanted, summary: Summary, rejects: Path | None, *, to_stderr: bool) -> None:
    """The summary; Refused when nothing of the file was any good."""
    text = (
        json.dumps(_as_dict(wanted, summary, rejects), indent=2)
        if wanted.as_json
        else _describe(wanted, summary, rejects)
    )
    click.echo(text, err=to_stderr)
    _warn_of_telephones(wanted.telephones)
    _warn_of_places(wanted.reseau, summary)
    if _is_hopeless(summary):
        raise Refused("every row was rejected; nothing was imported.")


def _is_hopeless(summary: Summary) -> bool:
    return 0 < summary.lignes == summary.rejetees


def _as_dict(wanted: _Wanted, summary: Summary, rejects: Path | None) -> dict[str, Any]:
    telephones = wanted.telephones
    return {
        "imported": not (wanted.dry_run or _is_hopeless(summary)),
        "dryRun": wanted.dry_run,
        "rows": summary.lignes,
        "new": summary.creees,
        "unchanged": summary.inchangees,
        "rejected": summary.rejetees,
        "newClients": summary.clients_crees,
        "newMembres": summary.membres_crees,
        "newReseau": wanted.reseau if summary.reseau_cree else None,
        "clientsElsewhere": summary.non_places,
        "seconds": round(summary.duree_s, 3),
        "rejects": str(rejects) if rejects is not None and summary.rejetees else None,
        "unusualTelephones": telephones.nombre,
        "suggestedTelephones": [
            {"line": one.ligne, "given": one.given, "suggested": one.suggested}
            for one in telephones.deviations
        ],
    }


def _describe(wanted: _Wanted, summary: Summary, rejects: Path | None) -> str:
    speed = round(summary.lignes / summary.duree_s) if summary.duree_s else summary.lignes
    rejected = "" if rejects is None else f", {summary.rejetees} rejected"
    cards = f"{summary.creees} new, {summary.inchangees} unchanged{rejected}"
    dry = "Nothing was changed; an import would give: " if wanted.dry_run else ""
    others = f"{count(summary.clients_crees, 'new client')}, {count(summary.membres_crees, 'new membre')}"
    if summary.reseau_cree:
        others += f", the new réseau {wanted.reseau}"
    lines = [
        f"{dry}{cards}; {others}.",
        f"{count(summary.lignes, 'row')} in {summary.duree_s:.1f} s ({speed} rows/s).",
    ]
    if summary.rejetees:
        lines.append(f"The rejected rows are in {rejects}.")
    return "\n".join(lines)


def _warn_of_places(reseau: str | None, summary: Summary) -> None:
    if not summary.non_places:
        return
    more = "" if summary.non_places == len(summary.montres) else ", …"
    click.echo(
        f"cynod: warning: {count(summary.non_places, 'client')} known before, and not in the réseau {reseau}:"
        f" {', '.join(summary.montres)}{more}. They stay where they are; the back office moves them.",
        err=True,
    )


def _warn_of_telephones(telephones: Telephones) -> None:
    if not telephones.nombre:
        return
    first = telephones.deviations[0]
    shown = ", ".join(str(one.ligne) for one in telephones.deviations)
    more = "" if telephones.nombre == len(telephones.deviations) else ", …"
    click.echo(
        f"cynod: warning: {count(telephones.nombre, 'telephone')} not written as country code and"
        f" digits, by which partners find a holder: line {shown}{more}. {first.given} would be"
        f" {first.suggested}; --normalise-telephones writes that form.",
        err=True,
    )
