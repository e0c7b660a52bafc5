"""What is written of an exported journal, and what every way to write it shares."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import lru_cache, partial
from typing import NamedTuple, Protocol

from models.compte import COMPTE_CARTE, COMPTE_OUVERTURE, COMPTE_REGLEMENT


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
    demande_id: str | None
    motif: str | None
    point_de_service: str | None
    terminal: str | None
    cotes: list[Cote]


class Chart(NamedTuple):
    """How a way to write names its accounts: roots by type, those of owners that are not known, that of
    an account that was never opened (the reader's own check tells it), and an owner inside a name."""

    roots: Mapping[str, str]
    unknown: Mapping[str, str]
    stray: str
    encode: Callable[[str], str]

    def name(
        self,
        par_carte: bool,
        type_: str | None,
        compte_id: int,
        client_id: str | None,
        consumer_key: str | None,
    ) -> str:
        """The name of a compte, or that of all the cards of its client."""
        number = f"{compte_id:06d}"
        if type_ is None:
            return f"{self.stray}:{number}"
        if type_ == COMPTE_OUVERTURE:
            return f"{self.roots[COMPTE_OUVERTURE]}:{number}"
        owner = client_id if type_ == COMPTE_CARTE else consumer_key
        if owner is None:
            return f"{self.unknown[type_]}:{number}"
        name = f"{self.roots[type_]}:{self.encode(owner)}"
        return f"{name}:{number}" if par_carte and type_ == COMPTE_CARTE else name


class Accounts:
    """The names of one file's accounts, each made once."""

    def __init__(self, chart: Chart, *, par_carte: bool) -> None:
        self._name = lru_cache(maxsize=4096)(partial(chart.name, par_carte))

    def of(self, compte: Compte) -> str:
        """The name of an account of the file."""
        return self._name(compte.type, compte.id, compte.client_id, compte.consumer_key)

    def of_side(self, cote: Cote) -> str:
        """The name of the account of one side of an ecriture."""
        return self._name(cote.type, cote.compte_id, cote.client_id, cote.consumer_key)


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

    def opening(self, compte: Compte, montant: int, entete: Entete) -> str:
        """What an account brings into the period."""

    def mouvement(self, mouvement: Mouvement) -> str:
        """An operation."""

    def soldes_head(self, entete: Entete) -> str:
        """What comes before the soldes at the end of the period."""

    def solde(self, compte: Compte, montant: int, entete: Entete) -> str:
        """The assertion of an account's solde at the end of the period."""

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """The last line, which says that nothing was cut off."""


def _plural(count: int, noun: str) -> str:
    """`1 compte`, `2 comptes`."""
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def write_end(operations: int, comptes: int, soldes: int) -> str:
    counted = ", ".join(
        (_plural(operations, "operation"), _plural(comptes, "compte"), _plural(soldes, "solde"))
    )
    empty = "" if operations else " Nothing was moved in this period."
    return f"\n; End: {counted}.{empty}\n"


def describe(
    entete: Entete, names: Mapping[str, str], encode: Callable[[str], str]
) -> Iterable[str]:
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
    yield f"{names[COMPTE_CARTE]}: what CYNOD owes to the holder of {what}, hence below zero."
    yield f"{names[COMPTE_REGLEMENT]}: what a partenaire owes CYNOD, credits through it less debits."
    yield f"{names[COMPTE_OUVERTURE]}: where the soldes of imported cards come from, corrections included."
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


def write_comments(lines: Iterable[str]) -> str:
    return "".join(f"; {line}".rstrip() + "\n" for line in lines)
