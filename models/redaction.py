"""How an exported journal is written: for hledger, for beancount.

Each is a Redaction, made of pure functions from values to text. What partners and clients wrote comes
out as text only, whatever it holds: it ends no line, opens no tag, and can be had back unchanged.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple, Protocol
from urllib.parse import quote

from models.compte import CARTE, OUVERTURE, REGLEMENT


class Entete(NamedTuple):
    """What the file is of. `debut` and `fin` are the days asked for, both included."""

    debut: date | None
    fin: date | None
    premier_jour: date
    dernier_jour: date
    client_id: str | None
    client_nom: str | None
    consumer_key: str | None
    partenaire_nom: str | None
    par_carte: bool
    unites: list[str]


class Compte(NamedTuple):
    """An account of the file: a compte, or all those of a client's cards, by the first of them.
    `numero` is a card's masked number."""

    id: int
    type: str
    unite: str
    client_id: str | None
    client_nom: str | None
    numero: str | None
    consumer_key: str | None
    partenaire_nom: str | None


class Cote(NamedTuple):
    """One side of an ecriture: `montant` francs, above zero when the compte is debited."""

    compte_id: int
    type: str | None
    client_id: str | None
    numero_carte: str | None
    consumer_key: str | None
    montant: int
    unite: str


class Mouvement(NamedTuple):
    """An operation with the sides of its ecritures."""

    numero_operation: str
    type: str
    instant: datetime
    consumer_key: str | None
    partenaire_nom: str | None
    reference: str | None
    annulation_de: str | None
    motif: str | None
    point_de_service: str | None
    terminal: str | None
    cotes: list[Cote]


class Redaction(Protocol):
    """A way to write the journal. Amounts are debits less credits, in francs.

    The order is: head, accounts, opening_head and openings, mouvements, soldes_head and soldes, end.
    """

    def head(self, entete: Entete) -> str:
        """What the file is of, and what its reader must know."""

    def account(self, compte: Compte, entete: Entete) -> str:
        """A line of the chart of accounts."""

    def opening_head(self, entete: Entete) -> str:
        """The beginning of the one transaction that opens the period."""

    def opening(self, compte: Compte, montant: int) -> str:
        """What an account brings into the period."""

    def mouvement(self, mouvement: Mouvement) -> str:
        """An operation."""

    def soldes_head(self, entete: Entete) -> str:
        """What comes before the soldes at the end of the period."""

    def solde(self, compte: Compte, montant: int, entete: Entete) -> str:
        """The assertion of an account's solde at the end of the period."""

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """The last line, which says that nothing was cut off."""


def mask(numero_carte: str) -> str:
    """The first six and the last four digits of a card number, and stars between."""
    return f"{numero_carte[:6]}******{numero_carte[-4:]}"


def _plural(count: int, noun: str) -> str:
    """`1 compte`, `2 comptes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _write_instant(instant: datetime) -> str:
    return f"{instant.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _end(operations: int, comptes: int, soldes: int) -> str:
    counted = ", ".join(
        (_plural(operations, "operation"), _plural(comptes, "compte"), _plural(soldes, "solde"))
    )
    empty = "" if operations else " Nothing was moved in this period."
    return f"\n; End: {counted}.{empty}\n"


def _describe(entete: Entete, names: dict[str, str], encode: Callable[[str], str]) -> Iterable[str]:
    """The comment at the head, by lines."""
    since = "its beginning" if entete.debut is None else entete.debut.isoformat()
    until = "now" if entete.fin is None else f"{entete.fin.isoformat()} included"
    yield f"The journal of CYNOD, from {since} to {until} (days of UTC, which are those of Dakar)."
    if entete.client_id is not None:
        yield f"Only operations on cards of the client {encode(entete.client_id)},"
        yield f"{encode(entete.client_nom or '')}."
    if entete.consumer_key is not None:
        yield f"Only operations of the partenaire {encode(entete.consumer_key)},"
        yield f"{encode(entete.partenaire_nom or '')}."
    yield ""
    what = "a card" if entete.par_carte else "a client's cards"
    yield f"{names[CARTE]}: what CYNOD owes to the holder of {what}, hence below zero."
    yield f"{names[REGLEMENT]}: what a partenaire owes CYNOD, credits through it less debits."
    yield f"{names[OUVERTURE]}: where the soldes of imported cards come from."
    if entete.debut is not None:
        yield "The first transaction brings in what was selected before the period, in one sum per account."
    yield from _describe_whole(entete)


def _describe_whole(entete: Entete) -> Iterable[str]:
    if entete.client_id is None and entete.consumer_key is None:
        yield "Every account is whole: its solde at the end is asserted."
        return
    yield "An account holds what the selected operations moved on it, since the first of them."
    if entete.client_id is not None and entete.consumer_key is not None:
        yield "None is whole: no solde is asserted."
    elif entete.client_id is not None:
        yield "Those of the client's cards are whole: their soldes at the end are real, and asserted."
    else:
        yield "That of the partenaire is whole: its solde at the end is real, and asserted."


# ── hledger ──────────────────────────────────────────────────────────────────────────────────────
_LISIBLE = re.compile(r"[^A-Za-z0-9 .'&/+-]+")
_PLAIN = re.compile(r"[A-Za-z0-9._:-]+(?: [A-Za-z0-9._:-]+)*")
"""Most texts: they are their own encoding."""

# hledger's strict check walks the sorted accounts from the first one, for each posting: those of many
# postings come before those of which there are many.
_HLEDGER = {
    REGLEMENT: "actif:partenaires",
    OUVERTURE: "capital:ouverture",
    CARTE: "passif:clients",
}
_HLEDGER_INCONNUS = {REGLEMENT: "actif:inconnu", CARTE: "passif:inconnu"}


class Hledger:
    """Plain text that hledger reads, and ledger. It is ASCII, since hledger reads by the locale: but
    in a description, a byte that is not, or that could mean something, is %XX."""

    def __init__(self, *, par_carte: bool) -> None:
        self._account = lru_cache(maxsize=4096)(partial(_hledger_account, par_carte))

    def head(self, entete: Entete) -> str:
        """See Redaction. The commodity has no format, for which each program has its own form."""
        lines = [
            *_describe(entete, _HLEDGER, _tag),
            "%XX in an account or a tag is a byte of UTF-8.",
        ]
        roots = "".join(
            f"account {name}\n    ; type:{letter}\n"
            for name, letter in (("actif", "A"), ("capital", "E"), ("passif", "L"))
        )
        commodities = "".join(f"commodity {_commodity(unite)}\n" for unite in entete.unites)
        return f"{_comment_lines(lines)}\n{commodities}\n{roots}"

    def account(self, compte: Compte, entete: Entete) -> str:
        """See Redaction."""
        tags = {
            "client": compte.client_id,
            "nom": compte.client_nom if compte.type == CARTE else compte.partenaire_nom,
            "numero": compte.numero if entete.par_carte else None,
            "partenaire": compte.consumer_key,
        }
        parts = [] if (tags["nom"] or "").isascii() else [_lisible(tags["nom"] or "")]
        comment = ", ".join(part for part in (*parts, _tags(tags)) if part)
        # On a line of its own, which ledger does not take for a part of the name.
        return f"account {self._name(compte)}\n" + (f"    ; {comment}\n" if comment else "")

    def opening_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f"\n{entete.premier_jour.isoformat()} * Soldes au debut de la periode\n"

    def opening(self, compte: Compte, montant: int) -> str:
        """See Redaction. What the account becomes, not what it receives: nothing, when the period
        before has been read too."""
        return f"    {self._name(compte)}  = {montant} {_commodity(compte.unite)}\n"

    def mouvement(self, mouvement: Mouvement) -> str:
        """See Redaction."""
        payee = ""
        if mouvement.partenaire_nom is not None:
            payee = f"{_lisible(mouvement.partenaire_nom) or _tag(mouvement.consumer_key)} | "
        tags = {
            "instant": _write_instant(mouvement.instant),
            "partenaire": mouvement.consumer_key,
            "reference": mouvement.reference,
            "annule": mouvement.annulation_de,
            "motif": mouvement.motif,
            "pointDeService": mouvement.point_de_service,
            "terminal": mouvement.terminal,
        }
        head = (
            f"\n{mouvement.instant.date().isoformat()} * ({mouvement.numero_operation})"
            f" {payee}{mouvement.type}  ; {_tags(tags)}\n"
        )
        return head + "".join(map(self._posting, mouvement.cotes))

    def _posting(self, cote: Cote) -> str:
        name = self._account(cote.type, cote.compte_id, cote.client_id, cote.consumer_key)
        carte = ""
        if cote.numero_carte is not None:
            carte = f"  ; carte:{cote.compte_id:06d}, numero:{mask(cote.numero_carte)}"
        return f"    {name}  {cote.montant} {_commodity(cote.unite)}{carte}\n"

    def soldes_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f"\n{entete.dernier_jour.isoformat()} * Soldes a la fin de la periode\n"

    def solde(self, compte: Compte, montant: int, _entete: Entete) -> str:
        """See Redaction."""
        unite = _commodity(compte.unite)
        return f"    {self._name(compte)}  0 {unite} = {montant} {unite}\n"

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """See Redaction."""
        return _end(operations, comptes, soldes)

    def _name(self, compte: Compte) -> str:
        return self._account(compte.type, compte.id, compte.client_id, compte.consumer_key)


def _hledger_account(
    par_carte: bool,
    type_: str | None,
    compte_id: int,
    client_id: str | None,
    consumer_key: str | None,
) -> str:
    number = f"{compte_id:06d}"
    if type_ is None:
        # An account that was never declared: hledger's strict check stops at it.
        return f"inconnu:{number}"
    if type_ == OUVERTURE:
        return f"{_HLEDGER[OUVERTURE]}:{number}"
    owner = client_id if type_ == CARTE else consumer_key
    if owner is None:
        return f"{_HLEDGER_INCONNUS[type_]}:{number}"
    name = f"{_HLEDGER[type_]}:{quote(owner, safe='')}"
    return f"{name}:{number}" if par_carte and type_ == CARTE else name


def _comment_lines(lines: Iterable[str]) -> str:
    return "".join(f"; {line}".rstrip() + "\n" for line in lines)


def _commodity(unite: str) -> str:
    return unite if unite.isascii() and unite.isalpha() else f'"{_tag(unite)}"'


@lru_cache(maxsize=4096)
def _lisible(value: str) -> str:
    """A text without its accents and signs, for the eye."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode("ascii")
    return " ".join(_LISIBLE.sub(" ", plain).split())


def _tags(values: dict[str, str | None]) -> str:
    return ", ".join(f"{name}:{_tag(value)}" for name, value in values.items() if value is not None)


def _tag(value: str | None) -> str:
    """A text that ends no tag, opens no other and is ASCII: `unquote` gives it back."""
    if value is not None and _PLAIN.fullmatch(value):
        return value
    encoded = quote(value or "", safe=" :/'()*!@&+=#?$")
    # hledger takes white space at either end for no part of the value.
    inner = encoded.strip(" ")
    before = len(encoded) - len(encoded.lstrip(" "))
    return "%20" * before + inner + "%20" * (len(encoded) - before - len(inner))


# ── beancount ────────────────────────────────────────────────────────────────────────────────────
_BEANCOUNT = {
    REGLEMENT: "Assets:Partenaires",
    OUVERTURE: "Equity:Ouverture",
    CARTE: "Liabilities:Clients",
}
_BEANCOUNT_INCONNUS = {REGLEMENT: "Assets:Inconnu", CARTE: "Liabilities:Inconnu"}
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
        self._account = lru_cache(maxsize=4096)(partial(_beancount_account, par_carte))

    def head(self, entete: Entete) -> str:
        """See Redaction."""
        lines = [
            *_describe(entete, _BEANCOUNT, _one_line),
            "-xXX in an account is a byte of UTF-8. Each period is a file of its own.",
        ]
        day = entete.premier_jour.isoformat()
        unites = [_currency(unite) for unite in entete.unites]
        options = "".join(f'option "operating_currency" "{unite}"\n' for unite in unites)
        commodities = "".join(f"{day} commodity {unite}\n" for unite in unites)
        return f'{_comment_lines(lines)}\noption "title" "CYNOD"\n{options}\n{commodities}\n'

    def account(self, compte: Compte, entete: Entete) -> str:
        """See Redaction."""
        metadata = {
            "client": compte.client_id,
            "nom": compte.client_nom if compte.type == CARTE else compte.partenaire_nom,
            "numero": compte.numero if entete.par_carte else None,
            "partenaire": compte.consumer_key,
        }
        opened = f"{entete.premier_jour.isoformat()} open {self._name(compte)}"
        return f"{opened} {_currency(compte.unite)}\n{_metadata(metadata)}"

    def opening_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f'\n{entete.premier_jour.isoformat()} * "Soldes au début de la période"\n'

    def opening(self, compte: Compte, montant: int) -> str:
        """See Redaction."""
        return f"  {self._name(compte)}  {montant} {_currency(compte.unite)}\n"

    def mouvement(self, mouvement: Mouvement) -> str:
        """See Redaction."""
        payee = "" if mouvement.partenaire_nom is None else f"{_string(mouvement.partenaire_nom)} "
        metadata = {
            "numero": mouvement.numero_operation,
            "instant": _write_instant(mouvement.instant),
            "partenaire": mouvement.consumer_key,
            "reference": mouvement.reference,
            "annule": mouvement.annulation_de,
            "motif": mouvement.motif,
            "point-de-service": mouvement.point_de_service,
            "terminal": mouvement.terminal,
        }
        day = mouvement.instant.date().isoformat()
        head = f"\n{day} * {payee}{_string(mouvement.type)}\n{_metadata(metadata)}"
        return head + "".join(map(self._posting, mouvement.cotes))

    def _posting(self, cote: Cote) -> str:
        name = self._account(cote.type, cote.compte_id, cote.client_id, cote.consumer_key)
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
        return (
            f"{day.isoformat()} balance {self._name(compte)}  {montant} {_currency(compte.unite)}\n"
        )

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """See Redaction."""
        return _end(operations, comptes, soldes)

    def _name(self, compte: Compte) -> str:
        return self._account(compte.type, compte.id, compte.client_id, compte.consumer_key)


def _beancount_account(
    par_carte: bool,
    type_: str | None,
    compte_id: int,
    client_id: str | None,
    consumer_key: str | None,
) -> str:
    number = f"{compte_id:06d}"
    if type_ is None:
        # An account that was never opened: bean-check tells it.
        return f"Equity:Inconnu:{number}"
    if type_ == OUVERTURE:
        return f"{_BEANCOUNT[OUVERTURE]}:{number}"
    owner = client_id if type_ == CARTE else consumer_key
    if owner is None:
        return f"{_BEANCOUNT_INCONNUS[type_]}:{number}"
    name = f"{_BEANCOUNT[type_]}:{_component(owner)}"
    return f"{name}:{number}" if par_carte and type_ == CARTE else name


def _component(owner: str) -> str:
    """A part of an account's name: letters, digits and dashes, the first a capital or a digit.

    An X is put before what begins otherwise, and before another X, so that no two owners meet.
    """
    name = _ODD.sub(lambda found: "".join(f"-x{byte:02X}" for byte in found[0].encode()), owner)
    return f"X{name}" if re.match(r"[A-WYZ0-9]", name) is None else name


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


REDACTIONS: dict[str, Callable[..., Redaction]] = {"hledger": Hledger, "beancount": Beancount}
"""By the name of their program."""
