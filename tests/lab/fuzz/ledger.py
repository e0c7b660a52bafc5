"""A book of our own beside the server's: what each money call must be answered, and by which rule.

It knows the cards and the limits that the land has, and is fed with each call and its answer. It is
written from the texts of the contract, as sums over the operations that were answered, and shares
nothing with models/.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from tests.lab.fuzz import land as lands
from tests.lab.fuzz.land import (
    Carte,
    Land,
    Limite,
    Partenaire,
)
from tests.lab.fuzz.rules import differences
from tests.support.contract_client import DOCUMENT, Json

CREDIT, DEBIT, TRANSFERT, ANNULATION = "CREDIT", "DEBIT", "TRANSFERT", "ANNULATION"
TYPES = {"creditCarte": CREDIT, "debitCarte": DEBIT, "transfererSolde": TRANSFERT}
MONTANT_MAXIMAL: int = DOCUMENT["components"]["schemas"]["Montant"]["maximum"]
SOLDE_MAXIMAL = lands.SOLDE_MAXIMAL
UNUSABLE = {
    lands.EXPIRED: "3001",
    lands.OPPOSITION: "3002",
    lands.ANNULEE: "3003",
    lands.EMISE: "3004",
}
MIDNIGHT = timedelta(seconds=60)
"""How long an answer may travel over it."""

RULED = frozenset(
    {"412", "3001", "3002", "3003", "3004", "4001", "4002", "4003", "4004", "4005", "4006", "4008"}
    | {"4010", "4011"}
)
"""The codes that the rules of money give. Others are of a request's form, of rights, of a machine."""


@dataclass
class Done:
    """An operation that a partner's reference bears. Of a closed reference, only its answer."""

    operation: str
    content: Json
    item: Json
    jour: str = ""
    reversed: bool = False


class Expected(NamedTuple):
    """What a call must be answered: a success, or a refusal by one of these codes, each with the rule
    that gives it. `item` is what a success must say; `left` what a refusal by a limit may tell."""

    codes: dict[str, str]
    item: Json
    left: list[str]
    replayed: bool = False

    def __str__(self) -> str:
        """For whoever reads a finding."""
        if not self.codes:
            return f"must succeed{' as a repeat' if self.replayed else ''}"
        rules = "; ".join(f"{code}: {why}" for code, why in sorted(self.codes.items()))
        return f"must be refused ({rules})"


@dataclass
class Ledger:
    """The book of one run: the soldes, and what each partner's references bear."""

    partenaires: list[Partenaire]
    soldes: dict[str, int]
    limites: list[Limite] | None
    """Every limit there is; None where nobody knows, as of a deployment."""

    done: dict[str, dict[str, Done]] = field(default_factory=dict)
    doubtful: bool = False
    """Whether an answer was lost: from then on, what limits counted is not known."""

    @classmethod
    def of(cls, land: Land, soldes: dict[str, int] | None = None) -> Ledger:
        """The book of a land that nobody has acted in, with its cards' first soldes."""
        first = soldes or {carte.numero: lands.SOLDES[carte.kind] for carte in land.cartes}
        return cls([*land.partenaires, *land.walkers], dict(first), land.limites)

    def dump(self) -> Json:
        """What the next process needs to go on."""
        done = {
            name: {reference: asdict(one) for reference, one in book.items()}
            for name, book in self.done.items()
        }
        return {"soldes": self.soldes, "done": done, "doubtful": self.doubtful}

    def load(self, dumped: Json) -> None:
        """Go on from what `dump` gave."""
        self.soldes = dict(dumped["soldes"])
        self.doubtful = dumped["doubtful"]
        self.done = {
            name: {reference: Done(**one) for reference, one in book.items()}
            for name, book in dumped["done"].items()
        }

    # ── what must be answered ────────────────────────────────────────────────────────────────────
    def expect(self, name: str, operation: str, sent: Json, jour: date | None = None) -> Expected:
        """What a fitting call of a partner must be answered on that day."""
        bears = self._book(name).get(sent["reference"])
        if operation == "cloturerReference":
            return self._expect_closing(sent, bears)
        refused: dict[str, str] = {}
        if bears is not None:
            if bears.operation == "cloturerReference":
                refused["4005"] = "the reference is closed"
            elif bears.operation == operation and bears.content == content_of(sent):
                return Expected({}, bears.item, [], replayed=True)
            else:
                refused["4002"] = "the reference bears another operation"
        if operation == "annulerOperation":
            return self._expect_reversal(name, sent, refused)
        left: list[str] = []
        item = self._check_movement(name, operation, sent, refused)
        if item:
            type_, numero = TYPES[operation], sent["numeroCarte"]
            for limite in self._exceeded(name, type_, numero, sent["montant"], jour or _today()):
                said = self._left(limite, jour or _today())
                left.append(said)
                refused["4011"] = f"{said}, {limite.most}"
        return Expected(refused, item, left)

    def _check_movement(
        self, name: str, operation: str, sent: Json, refused: dict[str, str]
    ) -> Json:
        """The rules of a credit, a debit or a transfer but its limits; what a success says, if it may
        be one as far as cards go."""
        type_, montant = TYPES[operation], sent["montant"]
        carte = self._find(name, sent, "")
        cible = self._find(name, sent, "Destination") if type_ == TRANSFERT else None
        if carte is None or (type_ == TRANSFERT and cible is None):
            refused["412"] = "no such card of the partner's"
            return {}
        if cible == carte:
            refused["405"] = "a card is not its own destination"
            return {}
        for one in (carte, cible):
            if one is not None and one.kind in UNUSABLE:
                refused[UNUSABLE[one.kind]] = f"a card is {one.kind}"
        if cible is not None and cible.client != carte.client:
            refused["4004"] = "the cards are of two clients"
        solde = self.soldes[carte.numero]
        filled = carte if type_ == CREDIT else cible
        if type_ != CREDIT and solde < montant:
            refused["4001"] = f"soldeOnline {solde} is less than montant {montant}"
        if filled is not None and self.soldes[filled.numero] + montant > SOLDE_MAXIMAL:
            held = self.soldes[filled.numero]
            refused["4003"] = f"soldeOnline {held} and montant {montant} exceed {SOLDE_MAXIMAL}"
        return {
            "reference": sent["reference"],
            "type": type_,
            "numeroCarte": carte.numero,
            "montant": montant,
            "soldeOnline": solde + (montant if type_ == CREDIT else -montant),
            **({"numeroCarteDestination": cible.numero} if cible else {}),
        }

    def _find(self, name: str, sent: Json, suffix: str) -> Carte | None:
        for carte in self._partenaire(name).cartes:
            named = (
                carte.numero == sent[f"numeroCarte{suffix}"]
                and carte.wallet == sent[f"walletId{suffix}"].removeprefix("+")
                and carte.client == sent[f"clientId{suffix}"]
            )
            if named:
                return carte
        return None

    def _expect_closing(self, sent: Json, bears: Done | None) -> Expected:
        item = {"reference": sent["reference"], "etat": "CLOTUREE", "numeroOperation": None}
        if bears is None:
            return Expected({}, item, [])
        if bears.operation == "cloturerReference":
            return Expected({}, bears.item, [])
        number = bears.item.get("numeroOperation")
        return Expected({}, {**item, "etat": "EXECUTEE", "numeroOperation": number}, [])

    def _expect_reversal(self, name: str, sent: Json, refused: dict[str, str]) -> Expected:
        origine = self._book(name).get(sent["referenceOrigine"])
        if origine is None:
            refused["4006"] = "nothing bears referenceOrigine"
            return Expected(refused, {}, [])
        if origine.operation == "cloturerReference":
            refused["4005"] = "referenceOrigine is closed"
            return Expected(refused, {}, [])
        if origine.operation not in ("creditCarte", "debitCarte"):
            refused["4010"] = f"referenceOrigine is {origine.operation}"
            return Expected(refused, {}, [])
        if origine.reversed:
            refused["4008"] = "referenceOrigine is reversed already"
        numero, montant = origine.item["numeroCarte"], origine.item["montant"]
        solde = self.soldes[numero]
        moved = -montant if origine.operation == "creditCarte" else montant
        if solde + moved < 0:
            refused["4001"] = f"soldeOnline {solde} is less than montant {montant}"
        if solde + moved > SOLDE_MAXIMAL:
            refused["4003"] = f"soldeOnline {solde} and montant {montant} exceed {SOLDE_MAXIMAL}"
        item = {
            "reference": sent["reference"],
            "type": ANNULATION,
            "numeroCarte": numero,
            "montant": montant,
            "soldeOnline": solde + moved,
            "annulationDe": origine.item["numeroOperation"],
        }
        return Expected(refused, item, [])

    # ── limits ───────────────────────────────────────────────────────────────────────────────────
    def _applicable(self, name: str, type_: str, numero: str) -> Iterator[Limite]:
        for limite in self.limites or []:
            if limite.type == type_ and limite.sujet in (numero, name):
                yield limite

    def _used(self, limite: Limite, jour: date) -> tuple[int, int]:
        """Francs and operations that a limit has counted in its period of that day."""
        shape = {"JOUR": "%Y-%m-%d", "MOIS": "%Y-%m"}.get(limite.periode)
        if shape is None:
            return 0, 0
        counted = [
            one.item["montant"]
            for name, book in self.done.items()
            for one in book.values()
            if TYPES.get(one.operation) == limite.type
            and limite.sujet in (name, one.item["numeroCarte"])
            and one.jour.startswith(jour.strftime(shape))
            and not one.reversed
        ]
        return sum(counted), len(counted)

    def _exceeded(
        self, name: str, type_: str, numero: str, montant: int, jour: date
    ) -> Iterator[Limite]:
        for limite in self._applicable(name, type_, numero):
            francs, nombre = self._used(limite, jour)
            too_much = limite.montant is not None and francs + montant > limite.montant
            too_many = limite.nombre is not None and nombre + 1 > limite.nombre
            if too_much or too_many:
                yield limite

    def _left(self, limite: Limite, jour: date) -> str:
        """What `moreInfo` says of a limit."""
        francs, nombre = self._used(limite, jour)
        portee = "PARTENAIRE" if limite.of_partner else "CARTE"
        said = f"portee={portee};type={limite.type};periode={limite.periode}"
        if limite.montant is not None:
            said += f";montantRestant={max(0, limite.montant - francs)}"
        if limite.nombre is not None:
            said += f";nombreRestant={max(0, limite.nombre - nombre)}"
        return said

    def room(self, name: str, type_: str, carte: Carte, cible: Carte | None = None) -> int:
        """The most francs that such a movement may move today; 0 when none may."""
        filled = carte if type_ == CREDIT else cible
        rooms = [MONTANT_MAXIMAL]
        if type_ != CREDIT:
            rooms.append(self.soldes[carte.numero])
        if filled is not None:
            rooms.append(SOLDE_MAXIMAL - self.soldes[filled.numero])
        for limite in self._applicable(name, type_, carte.numero):
            francs, nombre = self._used(limite, _today())
            if limite.montant is not None:
                rooms.append(limite.montant - francs)
            if limite.nombre is not None and nombre >= limite.nombre:
                rooms.append(0)
        return max(0, min(rooms))

    # ── an answer ────────────────────────────────────────────────────────────────────────────────
    def judge(
        self, name: str, operation: str, sent: Json | None, status: int, body: Json, *, strict: bool
    ) -> None:
        """Judge an answer to a call of a partner, and note what it did. Raises AssertionError.

        A refusal by a code that no rule of money gives is judged when `strict`: the call was sent by
        us, and so fits.
        """
        code = "200" if status == 200 else str(body.get("code"))
        if status >= 500:
            self.doubtful = True
        if code not in RULED and status != 200 and not strict:
            return
        assert sent is not None, f"{operation}: answered {code} to a body that is no JSON object"
        try:
            days = [_day_of(body["data"][0])] if status == 200 else _days_of_now()
            expected, *others = [self.expect(name, operation, sent, day) for day in days]
        except (LookupError, TypeError, AttributeError, ValueError):
            # Not a request of the contract's: that it was taken at all is told by another check.
            assert status != 200, f"{operation}: a body that is not the contract's succeeds"
            return
        if status == 200:
            item = body["data"][0]
            self._note(name, operation, sent, item)
            self._check_success(operation, sent, item, expected)
        else:
            expected = next((one for one in others if code in one.codes), expected)
            self._check_refusal(operation, sent, code, body, expected)

    def _check_success(self, operation: str, sent: Json, item: Json, expected: Expected) -> None:
        codes = set(expected.codes) - self.unsure
        assert not codes, f"{operation}: montant {_montant(sent)} succeeds; it {expected}"
        said = {key: item.get(key) for key in expected.item}
        differs = [
            f"{where} is {told}, not {right}"
            for where, right, told in differences(expected.item, said)
        ]
        assert not differs, f"{operation}: {'; '.join(differs)}"

    def _check_refusal(
        self, operation: str, sent: Json, code: str, body: Json, expected: Expected
    ) -> None:
        what = f"{operation}: montant {_montant(sent)} is refused with {code}"
        if code in self.unsure:
            return
        assert code in expected.codes, f"{what}; it {expected}"
        if code == "4011":
            told = body["moreInfo"]
            assert told in expected.left, f"{what}, moreInfo {told!r}, not {expected.left}"

    @property
    def unsure(self) -> frozenset[str]:
        """Codes of rules that are not known: of a deployment the limits and the networks of its clients;
        the limits, once an answer was lost."""
        if self.limites is None:
            return frozenset({"4004", "4011"})
        return frozenset({"4011"}) if self.doubtful else frozenset()

    def _note(self, name: str, operation: str, sent: Json, item: Json) -> None:
        """Note what the server says that it did, whether it was right or not."""
        book = self.done.setdefault(name, {})
        if sent["reference"] in book:
            return
        if operation == "cloturerReference":
            if item["etat"] == "CLOTUREE":
                book[sent["reference"]] = Done(operation, {}, item)
            return
        book[sent["reference"]] = Done(operation, content_of(sent), item, _day_of(item).isoformat())
        numero, montant = item["numeroCarte"], item["montant"]
        self.soldes[numero] = int(item["soldeOnline"])
        if operation == "transfererSolde":
            self.soldes[sent["numeroCarteDestination"]] += montant
        elif operation == "annulerOperation" and sent["referenceOrigine"] in book:
            book[sent["referenceOrigine"]].reversed = True

    def _book(self, name: str) -> dict[str, Done]:
        return self.done.get(name, {})

    def _partenaire(self, name: str) -> Partenaire:
        return next(one for one in self.partenaires if one.name == name)


def content_of(sent: Json) -> Json:
    """What tells a repeat from another operation: all but the reference."""
    kept = {key: value for key, value in sent.items() if key != "reference" and value is not None}
    content: Json = json.loads(json.dumps(kept, sort_keys=True))
    return content


def _montant(sent: Json) -> Any:
    return sent.get("montant", f"of {sent.get('referenceOrigine', sent['reference'])!r}")


def _day_of(item: Json) -> date:
    """The day on which an operation was executed, as its answer says."""
    told = item.get("dateOperation") or item.get("date") or ""
    return datetime.strptime(told[:10], "%d-%m-%Y").replace(tzinfo=UTC).date()


def _today() -> date:
    return datetime.now(UTC).date()


def _days_of_now() -> list[date]:
    """Today, and just after midnight the day before too: a refusal does not say when it was decided."""
    now = datetime.now(UTC)
    return sorted({now.date(), (now - MIDNIGHT).date()}, reverse=True)
