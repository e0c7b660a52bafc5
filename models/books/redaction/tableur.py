"""The journal as CSV, for spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from io import StringIO
from typing import NamedTuple

from models.base import mask, write_instant
from models.books.formule import escape_formula
from models.books.redaction.base import (
    Accounts,
    Compte,
    Cote,
    Entete,
    Mouvement,
)
from models.books.redaction.hledger import CHART
from models.compte import COMPTE_CARTE

MARK = "\ufeff"
"""Of UTF-8, before the first line: without it Excel takes the file for another encoding."""

_Cellule = str | int | None


class Ligne(NamedTuple):
    """A line of the CSV, by its columns: one side of an ecriture, or a solde of an account."""

    date: _Cellule = "date"
    type: _Cellule = "type"
    numero_operation: _Cellule = "numeroOperation"
    instant: _Cellule = "instant"
    compte: _Cellule = "compte"
    nom: _Cellule = "nom"
    debit: _Cellule = "debit"
    credit: _Cellule = "credit"
    solde: _Cellule = "solde"
    unite: _Cellule = "unite"
    carte: _Cellule = "carte"
    numero_carte: _Cellule = "numeroCarte"
    partenaire: _Cellule = "partenaire"
    partenaire_nom: _Cellule = "partenaireNom"
    reference: _Cellule = "reference"
    annule: _Cellule = "annule"
    motif: _Cellule = "motif"
    point_de_service: _Cellule = "pointDeService"
    terminal: _Cellule = "terminal"
    demande: _Cellule = "demandeId"


_VIDE = Ligne._make([None] * len(Ligne._fields))


class Csv:
    """Lines of RFC 4180 in UTF-8, for spreadsheets: the accounts are those of hledger. Debits less
    credits of an account are its solde at the end, which its last line says."""

    def __init__(self, *, par_carte: bool) -> None:
        self._accounts = Accounts(CHART, par_carte=par_carte)

    def head(self, _entete: Entete) -> str:
        """See Redaction."""
        return MARK + write_cells(Ligne())

    def account(self, _compte: Compte, _entete: Entete) -> str:
        """See Redaction: names stand on the lines of soldes."""
        return ""

    def opening_head(self, _entete: Entete) -> str:
        """See Redaction."""
        return ""

    def opening(self, compte: Compte, montant: int, entete: Entete) -> str:
        """See Redaction."""
        line = self._of_account(compte, "SOLDE INITIAL", entete.premier_jour.isoformat())
        return write_cells(_put(line, montant))

    def mouvement(self, mouvement: Mouvement) -> str:
        """See Redaction."""
        same = _VIDE._replace(
            date=mouvement.instant.date().isoformat(),
            type=mouvement.type,
            numero_operation=mouvement.numero_operation,
            instant=write_instant(mouvement.instant),
            partenaire=mouvement.consumer_key,
            partenaire_nom=mouvement.partenaire_nom,
            reference=mouvement.reference,
            annule=mouvement.annulation_de,
            motif=mouvement.motif,
            point_de_service=mouvement.point_de_service,
            terminal=mouvement.terminal,
            demande=mouvement.demande_id,
        )
        return "".join(write_cells(self._side(same, cote)) for cote in mouvement.cotes)

    def _side(self, same: Ligne, cote: Cote) -> Ligne:
        of_carte = cote.numero_carte is not None
        line = same._replace(
            compte=self._accounts.of_side(cote),
            unite=cote.unite,
            carte=f"{cote.compte_id:06d}" if of_carte else None,
            numero_carte=mask(cote.numero_carte) if cote.numero_carte is not None else None,
        )
        return _put(line, cote.montant)

    def soldes_head(self, _entete: Entete) -> str:
        """See Redaction."""
        return ""

    def solde(self, compte: Compte, montant: int, entete: Entete) -> str:
        """See Redaction."""
        line = self._of_account(compte, "SOLDE FINAL", entete.dernier_jour.isoformat())
        return write_cells(line._replace(solde=montant))

    def _of_account(self, compte: Compte, type_: str, day: str) -> Ligne:
        return _VIDE._replace(
            date=day,
            type=type_,
            compte=self._accounts.of(compte),
            nom=compte.client_nom if compte.type == COMPTE_CARTE else compte.partenaire_nom,
            unite=compte.unite,
        )

    def end(self, _operations: int, _comptes: int, _soldes: int) -> str:
        """See Redaction. A comment would be a line of data."""
        return ""


def _put(line: Ligne, montant: int) -> Ligne:
    return line._replace(debit=montant) if montant > 0 else line._replace(credit=-montant)


def write_cells(cells: Iterable[_Cellule]) -> str:
    """A line of a CSV file, which no spreadsheet runs."""
    written = StringIO()
    escaped = [escape_formula(cell) if isinstance(cell, str) else cell for cell in cells]
    csv.writer(written, lineterminator="\r\n").writerow(escaped)
    return written.getvalue()
