"""`cynod import`: cards from a CSV file, with a progress bar and a file of rejected rows."""

from __future__ import annotations

import contextlib
import csv
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

from handlers.cli_common import Refused, describe_os_error, open_database, tell_waiting
from models.db import OccupiedError
from models.importation import COLUMNS, Bilan, ImportationRefusee, Rejet, import_cartes


@click.command("import")
@click.argument("file", metavar="FILE.csv", type=click.Path(path_type=Path))
@click.option(
    "--skip-bad",
    metavar="REJECTS.csv",
    type=click.Path(path_type=Path),
    help="Import the good rows, and write the bad ones to this file (replaced when it exists).",
)
def import_(file: Path, skip_bad: Path | None) -> None:
    """Import clients, membres and cards with their opening soldes.

    The file is UTF-8, with commas, and begins with exactly this header:

    \b
      clientId,clientNom,membreId,nom,prenom,email,telephone,numeroPiece,
      dateNaissance,numeroCarte,finValidite,statut,solde     (on one line)

    \b
      telephone      the holder's walletId: 6 to 15 digits, or + and digits
      dateNaissance  dd/MM/yyyy or empty
      finValidite    dd/MM/yyyy, the last good day
      statut         ACTIVE, OPPOSITION or ANNULEE
      solde          francs CFA, an integer of 0 or more

    All of the file is imported in one transaction, or nothing of it: the first bad row stops the
    import and is named by line and column. A row that is already there, identical, changes nothing,
    so a file may be imported again; soldes of existing cards are never touched. A row that
    contradicts what is there is a bad row. Empty lines are ignored.

    With --skip-bad, bad rows go to REJECTS.csv, with the columns ligne, colonne and motif after
    their own. Correct them, remove these three columns, and import that file.

    The API may run meanwhile; on SQLite its credits and debits wait for the import to end.

    \b
    Example:    cynod import cards.csv --skip-bad rejects.csv
    Variables:  CYNOD_DATABASE_URL, CYNOD_ATTENTE_S
    Exit codes: 0 imported (also when --skip-bad left rows out), 1 refused, 2 wrong usage
    """
    with open_database() as database, contextlib.ExitStack() as stack:
        try:
            source = stack.enter_context(file.open("rb"))
            size = os.fstat(source.fileno()).st_size
            if skip_bad is not None and skip_bad.exists() and skip_bad.samefile(file):
                raise Refused("REJECTS.csv must be another file than FILE.csv.")
            reject = None if skip_bad is None else stack.enter_context(_rejects(skip_bad))
        except OSError as error:
            raise Refused(f"{describe_os_error(error)}.") from None
        progress = stack.enter_context(_progress(size))
        try:
            bilan = import_cartes(
                database, source, reject=reject, progress=progress, waiting=tell_waiting("import")
            )
        except OccupiedError:
            raise Refused(
                "another import is running, or a server writes all the time; nothing was imported."
            ) from None
        except ImportationRefusee as error:
            raise Refused(f"{file}, {error} Nothing was imported.") from None
    click.echo(_describe(bilan, skip_bad))


@contextlib.contextmanager
def _rejects(path: Path) -> Iterator[Callable[[Rejet], None]]:
    """Write rejected rows beside `path`, which they replace when the import has succeeded."""
    with tempfile.NamedTemporaryFile(
        "w",
        encoding="utf-8",
        newline="",
        dir=path.parent,
        prefix=f".{path.name}.",
        delete=False,
    ) as file:
        writer = csv.writer(file, lineterminator="\n")

        def reject(rejet: Rejet) -> None:
            cells = [*rejet.cellules, *[""] * (len(COLUMNS) - len(rejet.cellules))]
            writer.writerow([*cells, str(rejet.ligne), rejet.colonne, rejet.motif])

        try:
            writer.writerow([*COLUMNS, "ligne", "colonne", "motif"])
            yield reject
            file.close()
            Path(file.name).replace(path)
        except BaseException:
            Path(file.name).unlink(missing_ok=True)
            raise


@contextlib.contextmanager
def _progress(size: int) -> Iterator[Callable[[int], None]]:
    """Show a bar on stderr when it is a terminal."""
    if not sys.stderr.isatty():
        yield lambda _position: None
        return
    columns = (TextColumn("import"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("import", total=size or None)
        yield lambda position: bar.update(task, completed=position)


def _describe(bilan: Bilan, rejects: Path | None) -> str:
    speed = round(bilan.lignes / bilan.duree_s) if bilan.duree_s else bilan.lignes
    rejected = "" if rejects is None else f", {bilan.rejetees} rejected"
    cards = f"{bilan.creees} new, {bilan.inchangees} unchanged{rejected}"
    lines = [
        f"{cards}; {bilan.clients_crees} new clients, {bilan.membres_crees} new membres.",
        f"{bilan.lignes} rows in {bilan.duree_s:.1f} s ({speed} rows/s).",
    ]
    if bilan.rejetees:
        lines.append(f"The rejected rows are in {rejects}.")
    return "\n".join(lines)
