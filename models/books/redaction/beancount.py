"""The journal for beancount (https://beancount.github.io)."""

from __future__ import annotations

import re
from datetime import date, timedelta

from models.base import mask, write_instant
from models.books.redaction.base import (
    Accounts,
    Chart,
    Compte,
    Cote,
    Entete,
    Mouvement,
    describe,
    write_comments,
    write_end,
)
from models.compte import COMPTE_CARTE, COMPTE_OUVERTURE, COMPTE_REGLEMENT

_XOF = {"FCFA": "XOF"}
"""The code of ISO 4217 for the name that holders know."""

_ODD = re.compile(r"-(?=x)|[^A-Za-z0-9-]")
_CONTROL = re.compile(r'[\\"\n\r\t\f\b]')
_ESCAPES = {
    "\\": r"\\",
    '"': r"\"",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\f": r"\f",
    "\b": r"\b",
}


class Beancount:
    """Plain text that beancount reads, in UTF-8 as it does."""

    def __init__(self, *, par_carte: bool) -> None:
        self._accounts = Accounts(_CHART, par_carte=par_carte)

    def head(self, entete: Entete) -> str:
        """See Redaction."""
        lines = [
            *describe(entete, _CHART.roots, _one_line),
            "-xXX in an account is a byte of UTF-8. Each period is a file of its own.",
        ]
        day = entete.premier_jour.isoformat()
        unites = [_currency(unite) for unite in entete.unites]
        options = "".join(f'option "operating_currency" "{unite}"\n' for unite in unites)
        commodities = "".join(f"{day} commodity {unite}\n" for unite in unites)
        return f'{write_comments(lines)}\noption "title" "CYNOD"\n{options}\n{commodities}\n'

    def account(self, compte: Compte, entete: Entete) -> str:
        """See Redaction."""
        metadata = {
            "client": compte.client_id,
            "nom": compte.client_nom if compte.type == COMPTE_CARTE else compte.partenaire_nom,
            "numero": compte.numero if entete.par_carte else None,
            "partenaire": compte.consumer_key,
        }
        opened = f"{entete.premier_jour.isoformat()} open {self._accounts.of(compte)}"
        return f"{opened} {_currency(compte.unite)}\n{_metadata(metadata)}"

    def opening_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f'\n{entete.premier_jour.isoformat()} * "Soldes au début de la période"\n'

    def opening(self, compte: Compte, montant: int, _entete: Entete) -> str:
        """See Redaction."""
        return f"  {self._accounts.of(compte)}  {montant} {_currency(compte.unite)}\n"

    def mouvement(self, mouvement: Mouvement) -> str:
        """See Redaction."""
        payee = "" if mouvement.partenaire_nom is None else f"{_string(mouvement.partenaire_nom)} "
        metadata = {
            "numero": mouvement.numero_operation,
            "instant": write_instant(mouvement.instant),
            "partenaire": mouvement.consumer_key,
            "reference": mouvement.reference,
            "annule": mouvement.annulation_de,
            "demande": mouvement.demande_id,
            "motif": mouvement.motif,
            "point-de-service": mouvement.point_de_service,
            "terminal": mouvement.terminal,
        }
        day = mouvement.instant.date().isoformat()
        head = f"\n{day} * {payee}{_string(mouvement.type)}\n{_metadata(metadata)}"
        return head + "".join(map(self._posting, mouvement.cotes))

    def _posting(self, cote: Cote) -> str:
        name = self._accounts.of_side(cote)
        line = f"  {name}  {cote.montant} {_currency(cote.unite)}\n"
        if cote.numero_carte is None:
            return line
        return f'{line}    carte: "{cote.compte_id:06d}"\n    numero: "{mask(cote.numero_carte)}"\n'

    def soldes_head(self, _entete: Entete) -> str:
        """See Redaction."""
        return "\n"

    def solde(self, compte: Compte, montant: int, entete: Entete) -> str:
        """See Redaction. Beancount judges it at the beginning of its day."""
        last = entete.dernier_jour
        day = last if last == date.max else last + timedelta(days=1)
        return f"{day.isoformat()} balance {self._accounts.of(compte)}  {montant} {_currency(compte.unite)}\n"

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """See Redaction."""
        return write_end(operations, comptes, soldes)


def _component(owner: str) -> str:
    """A part of an account's name: letters, digits and dashes, the first a capital or a digit.

    An X is put before what begins otherwise, and before another X, so that no two owners meet.
    """
    name = _ODD.sub(lambda found: "".join(f"-x{byte:02X}" for byte in found[0].encode()), owner)
    return f"X{name}" if re.match(r"[A-WYZ0-9]", name) is None else name


_CHART = Chart(
    roots={
        COMPTE_REGLEMENT: "Assets:Partenaires",
        COMPTE_OUVERTURE: "Equity:Ouverture",
        COMPTE_CARTE: "Liabilities:Clients",
    },
    unknown={COMPTE_REGLEMENT: "Assets:Inconnu", COMPTE_CARTE: "Liabilities:Inconnu"},
    stray="Equity:Inconnu",
    encode=_component,
)


def _currency(unite: str) -> str:
    known = _XOF.get(unite, unite.upper())
    return known if known.isascii() and known.isalpha() else f"X{unite.encode().hex().upper()}"


def _metadata(values: dict[str, str | None]) -> str:
    return "".join(
        f"  {name}: {_string(value)}\n" for name, value in values.items() if value is not None
    )


def _string(value: str) -> str:
    return f'"{_CONTROL.sub(lambda found: _ESCAPES[found[0]], value)}"'


def _one_line(value: str) -> str:
    return " ".join(value.split())
