"""The judge: do the books and the clients' records agree? It reads SQL and records, nothing else.

What it holds the service to:

- an acknowledged operation is in the journal exactly once, as acknowledged, with one ecriture;
- a reference that was only ever refused has no operation, and each refusal was true when it was given;
- an unanswered operation is there once or not at all, and GET /get-operation says the same;
- the same request always gets the same answer, byte for byte; a closed reference has no operation;
- no solde was ever below zero, versions have no gap, soldes are the sums of their ecritures, all sums
  to zero, an operation is reversed at most once, a transfer moves both cards;
- what was acknowledged before a request left is seen by that request;
- money moves on cards in service alone: once a block was answered, nothing is done until somebody lifts it;
- a server told to end answers what it had been sent; nothing is told while the database is frozen;
- while the database lets calls wait, each is answered soon after its deadline.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property
from itertools import accumulate
from typing import Any

from tests.lab.proof.answers import (
    DOUBLED,
    LOST,
    WRONG,
    Answer,
    Verdict,
    check_times,
    describe,
    read_answer,
)
from tests.lab.proof.books import (
    Books,
    Carte,
    Ecriture,
    Row,
)
from tests.lab.proof.cards import ACTIVE, ANNULEE, EMISE, OPPOSITION
from tests.lab.proof.record import (
    ANNULATION,
    ANSWERED,
    CLOTURE,
    CREDIT,
    DEBIT,
    MONEY,
    QUESTION,
    SPECIAL,
    TRANSFERT,
    UNSENT,
    Exchange,
    Moments,
)
from tests.lab.proof.states import NEVER, Beside

REFUSALS = {
    CREDIT: {"3002", "3003", "3004", "4002", "4005"},
    DEBIT: {"3002", "3003", "3004", "4001", "4002", "4005"},
    TRANSFERT: {"3002", "3003", "3004", "4001", "4002", "4005"},
    ANNULATION: {"4001", "4002", "4005", "4006", "4008"},
    CLOTURE: set[str](),
    QUESTION: {"4005", "4006", "4007"},
}
"""The only refusals that this load can truly meet: any other is a false one."""

SICK = {"3002": OPPOSITION, "3003": ANNULEE, "3004": EMISE}
"""In which state a card is of which this is said."""


def judge(
    exchanges: Iterable[Exchange],
    books: Books,
    *,
    prefix: str,
    moments: Moments | None = None,
    beside: Beside | None = None,
) -> Verdict:
    """Hold the books against the records. `prefix` begins every reference of this run; `beside` is what
    persons did to cards meanwhile, nothing unless told."""
    court = _Court(list(exchanges), books, prefix, beside or Beside({}, {}))
    court.check_answers()
    court.check_references()
    court.check_questions()
    court.check_closings()
    court.check_rows()
    court.check_reversals()
    court.check_cards()
    court.check_order()
    check_times(court.exchanges, court.answers, moments or Moments(), court.find)
    return court.verdict


class _Court:
    def __init__(
        self, exchanges: list[Exchange], books: Books, prefix: str, beside: Beside
    ) -> None:
        self.exchanges = exchanges
        self.beside = beside
        self.books = books
        self.verdict = Verdict(exchanges=len(exchanges))
        self.by_key: dict[tuple[str, str], list[Row]] = defaultdict(list)
        self.ours = [row for row in books.rows if (row.reference or "").startswith(prefix)]
        for row in self.ours:
            assert row.partner is not None
            assert row.reference is not None
            self.by_key[row.partner, row.reference].append(row)
        self.by_number = {row.numero: row for row in books.rows}
        self.by_id = {row.id: row for row in books.rows}
        self.ecritures: dict[int, list[Ecriture]] = defaultdict(list)
        for ecriture in books.ecritures:
            self.ecritures[ecriture.operation_id].append(ecriture)
        self.cartes = {carte.numero: carte for carte in books.cartes}
        self.answers: list[Answer] = []
        self.attempts: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        self.closings: dict[tuple[str, str], list[Exchange]] = defaultdict(list)
        for exchange in exchanges:
            if exchange.what in MONEY:
                self.attempts[exchange.key].append(exchange)
            elif exchange.what == CLOTURE:
                self.closings[exchange.key].append(exchange)
        self.acknowledged: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        self.refused: dict[tuple[str, str], list[Answer]] = defaultdict(list)

    def find(self, kind: str, text: str) -> None:
        self.verdict.findings[kind].append(text)

    # ── what was answered ────────────────────────────────────────────────────────────────────────

    def check_answers(self) -> None:
        """Every answer is a declared one, and none is a false success or a false refusal by itself."""
        statuses: Counter[str] = Counter()
        for exchange in self.exchanges:
            if exchange.end != ANSWERED:
                statuses[exchange.end] += 1
                continue
            answer = self._read(exchange)
            if answer is None:
                statuses["unreadable"] += 1
                continue
            statuses[str(exchange.status) if answer.acknowledges else answer.code] += 1
            self.answers.append(answer)
            if exchange.what not in MONEY:
                continue
            if answer.acknowledges:
                self.acknowledged[exchange.key].append(answer)
            elif answer.refuses:
                self.refused[exchange.key].append(answer)
        self.verdict.statuses = dict(sorted(statuses.items()))

    def _read(self, exchange: Exchange) -> Answer | None:
        answer = read_answer(exchange, REFUSALS[exchange.what], self.find)
        if answer is None or not answer.acknowledges:
            return answer
        if answer.item.get("reference") != exchange.reference:
            told = answer.item.get("reference")
            self.find(WRONG, f"{describe(exchange)} about {told!r}")
            return None
        return answer

    # ── references ───────────────────────────────────────────────────────────────────────────────

    def check_references(self) -> None:
        """Each reference that any client sent for an operation."""
        for key, attempts in self.attempts.items():
            acknowledged, rows = self.acknowledged[key], self.by_key[key]
            if all(attempt.end == UNSENT for attempt in attempts):
                continue  # `check_rows` finds what is there although nobody sent it
            self.verdict.sent += 1
            executed = [row for row in rows if row.type != CLOTURE]
            if len(rows) > 1:
                self.find(DOUBLED, f"{key[1]} has {len(rows)} rows")
            if acknowledged:
                self.verdict.acknowledged += 1
                self._check_acknowledged(key, acknowledged, executed)
            elif self._is_open(key, attempts):
                self.verdict.unknown += 1
                self.verdict.unknown_executed += bool(executed)
                if key not in self._asked:
                    self.find(WRONG, f"{key[1]} is unknown and was not asked about after the load")
            else:
                self.verdict.refused += 1
                if executed:
                    self.find(WRONG, f"{key[1]} was refused and never sent again, yet executed")
            for answer in self.refused[key]:
                self._check_refusal(key, answer)

    def _is_open(self, key: tuple[str, str], attempts: list[Exchange]) -> bool:
        """Whether an attempt may have been executed without a word of it to its client."""
        refused = {id(answer.exchange) for answer in self.refused[key]}
        return any(a.end != UNSENT and id(a) not in refused for a in attempts)

    def _check_acknowledged(
        self, key: tuple[str, str], answers: list[Answer], executed: list[Row]
    ) -> None:
        reference = key[1]
        if not executed:
            self.find(LOST, f"{reference} was acknowledged and is not in the journal")
            return
        numbers = {answer.item["numeroOperation"] for answer in answers}
        if len(numbers) > 1:
            self.find(DOUBLED, f"{reference} was acknowledged as {len(numbers)} operations")
        if len({answer.exchange.fingerprint for answer in answers}) > 1:
            self.find(WRONG, f"{reference} was acknowledged for two contents")
        if len({answer.exchange.body for answer in answers}) > 1:
            self.find(WRONG, f"{reference} was replayed with another body than the first answer's")
        if sum(not answer.replayed for answer in answers) > 1:
            self.find(WRONG, f"{reference} was acknowledged as new more than once")
        for answer in answers:
            self._check_as_acknowledged(answer, executed[0])
        # Done by one of the attempts: by the first answer at the latest.
        span = (self._begun[key], self._known[key])
        for numero in _cards_of(answers[0].exchange):
            if ACTIVE not in self._states_within(numero, *span):
                self.find(WRONG, f"{reference} was done, and card {numero[-4:]} was out of service")

    def _states_within(self, numero: str, start: int, end: int) -> set[str]:
        """The states that a card can have been in between two instants."""
        states = self.beside.states.get(numero)
        return {ACTIVE} if states is None else states.within(start, end)

    def _check_as_acknowledged(self, answer: Answer, row: Row) -> None:
        item, reference = answer.item, answer.exchange.reference
        if item["numeroOperation"] not in self.by_number:
            self.find(LOST, f"{reference}: {item['numeroOperation']} is not in the journal")
            return
        told = (item["numeroOperation"], item["type"], item["numeroCarte"], item["montant"])
        if told != (row.numero, row.type, row.carte, row.montant):
            self.find(WRONG, f"{reference} was acknowledged as {told}, the journal has {row}")
        if answer.exchange.what in MONEY and not _matches(row, answer.exchange, self.by_id):
            self.find(WRONG, f"{reference} was acknowledged, the journal has another content")
        if item.get("numeroCarteDestination") != row.destination:
            self.find(WRONG, f"{reference} was acknowledged to another card than the journal's")
        for ecriture in self.ecritures[row.id][:1]:
            solde = _solde_of(ecriture, row, self.cartes)
            if item["soldeOnline"] != solde:
                self.find(WRONG, f"{reference}: soldeOnline {item['soldeOnline']}, not {solde}")

    def _check_refusal(self, key: tuple[str, str], answer: Answer) -> None:
        """A refusal must have been true at some instant between the request and its answer."""
        exchange, code, rows = answer.exchange, answer.code, self.by_key[key]
        where = f"{exchange.what} {exchange.reference} was refused by {code}"
        for other in self.acknowledged[key]:
            same = other.exchange.fingerprint == exchange.fingerprint
            if same and other.ended < exchange.started:
                self.find(WRONG, f"{where} after it had been acknowledged")
        others = [row for row in rows if not _matches(row, exchange, self.by_id)]
        if code == "4002" and not any(row.type != CLOTURE for row in others):
            self.find(WRONG, f"{where}, but no other content bears the reference")
        elif code == "4005":
            origin = self.by_key[key[0], str(exchange.content.get("referenceOrigine"))]
            if not any(row.type == CLOTURE for row in [*rows, *origin]):
                self.find(WRONG, f"{where}, but nobody closed the reference")
        elif code == "4001" and not self._could_lack_solde(key[0], answer):
            self.find(WRONG, f"{where}, but the card had enough all the time")
        elif code in SICK:
            self._check_sick(answer, where)
        elif code in ("4006", "4008"):
            self._check_refused_reversal(key[0], answer, where)

    def _check_sick(self, answer: Answer, where: str) -> None:
        numeros, span = _cards_of(answer.exchange), (answer.exchange.started, answer.ended)
        if not any(SICK[answer.code] in self._states_within(one, *span) for one in numeros):
            self.find(WRONG, f"{where}, but no card was {SICK[answer.code]} at any time")

    def _check_refused_reversal(self, partner: str, answer: Answer, where: str) -> None:
        origin = (partner, str(answer.exchange.content["referenceOrigine"]))
        if answer.code == "4006":
            if any(known.ended < answer.exchange.started for known in self.acknowledged[origin]):
                self.find(WRONG, f"{where}, but the original had been acknowledged")
            return
        ids = {row.id for row in self.by_key[origin]}
        if not any(row.annulation_de in ids for row in self.ours if row.annulation_de is not None):
            self.find(WRONG, f"{where}, but nothing reverses the original")

    # ── questions and closings ───────────────────────────────────────────────────────────────────

    def check_questions(self) -> None:
        """GET /get-operation, during the load and after it."""
        for answer in self.answers:
            exchange = answer.exchange
            if exchange.what != QUESTION or exchange.status not in (200, 400):
                continue
            rows = self.by_key[exchange.key]
            where = f"get-operation of {exchange.reference} said {answer.code}"
            executed = [row for row in rows if row.type != CLOTURE]
            if answer.acknowledges:
                if not executed:
                    self.find(LOST, f"{where}, and it is not in the journal")
                else:
                    self._check_as_acknowledged(answer, executed[0])
            elif answer.code == "4005" and not any(row.type == CLOTURE for row in rows):
                self.find(WRONG, f"{where}, but nobody closed the reference")
            elif answer.code == "4006":
                self._check_unknown(answer, where)
                if exchange.phase == "after" and rows:
                    self.find(WRONG, f"{where} after the load, the journal has {rows[0].type}")
            elif answer.code == "4007" and exchange.phase == "after":
                self.find(WRONG, f"{where} although nothing runs any more")

    @cached_property
    def _asked(self) -> set[tuple[str, str]]:
        """References of which the service told after the load what became of them."""
        return {
            answer.exchange.key
            for answer in self.answers
            if answer.exchange.phase == "after" and answer.exchange.status in (200, 400)
        }

    def _check_unknown(self, answer: Answer, where: str) -> None:
        exchange = answer.exchange
        known = [*self.acknowledged[exchange.key], *self._closed_answers[exchange.key]]
        if any(other.ended < exchange.started for other in known):
            self.find(WRONG, f"{where} after it had been acknowledged or closed")

    @cached_property
    def _closed_answers(self) -> dict[tuple[str, str], list[Answer]]:
        closed: dict[tuple[str, str], list[Answer]] = defaultdict(list)
        for answer in self.answers:
            if answer.exchange.what == CLOTURE and answer.acknowledges:
                closed[answer.exchange.key].append(answer)
        return closed

    def check_closings(self) -> None:
        """POST /cloturer-reference: either executed, or closed for ever."""
        for key, answers in self._closed_answers.items():
            rows = self.by_key[key]
            if len({answer.exchange.body for answer in answers}) > 1:
                self.find(WRONG, f"{key[1]}: two closings were answered differently")
            for answer in answers:
                numbers = {row.numero for row in rows if row.type != CLOTURE}
                if answer.item["etat"] == "EXECUTEE":
                    if answer.item["numeroOperation"] not in numbers:
                        self.find(LOST, f"{key[1]}: told executed when closed, and is not")
                elif numbers:
                    self.find(WRONG, f"{key[1]} is closed and has an operation")
                elif not rows:
                    self.find(LOST, f"{key[1]}: its closing was acknowledged and is not there")

    # ── the journal ──────────────────────────────────────────────────────────────────────────────

    def check_rows(self) -> None:
        """Every row has a request that explains it and exactly one ecriture, as its type wants it."""
        for row in self.ours:
            key = (row.partner or "", row.reference or "")
            if row.type == CLOTURE:
                if not any(c.end != UNSENT for c in self.closings[key]):
                    self.find(WRONG, f"{row.reference} is closed and nobody asked for it")
            elif not any(
                attempt.end != UNSENT and _matches(row, attempt, self.by_id)
                for attempt in self.attempts[key]
            ):
                self.find(WRONG, f"{row.numero} ({row.reference}) is what nobody asked for")
        for row in self.books.rows:
            self._check_ecriture(row)
        for operation_id in self.ecritures.keys() - self.by_id.keys():
            self.find(WRONG, f"an ecriture belongs to no operation ({operation_id})")

    def _check_ecriture(self, row: Row) -> None:
        found = self.ecritures[row.id]
        if row.type == CLOTURE:
            if found:
                self.find(WRONG, f"{row.reference} is closed and has an ecriture")
            return
        if len(found) != 1:
            kind = DOUBLED if found else LOST
            self.find(kind, f"{row.numero} ({row.reference}) has {len(found)} ecritures")
            return
        ecriture, expected = found[0], self._accounts(row)
        if ecriture.montant != row.montant or ecriture.montant <= 0:
            self.find(WRONG, f"{row.numero}: amount {row.montant}, ecriture {ecriture.montant}")
        if expected is not None and (ecriture.debit, ecriture.credit) != expected:
            self.find(WRONG, f"{row.numero} ({row.type}) moves the wrong accounts")

    def _accounts(self, row: Row) -> tuple[int, int] | None:
        """The accounts that a row of this type debits and credits; None for an opening."""
        carte = self.cartes[row.carte or ""].compte
        if row.type == SPECIAL:
            return carte, self.cartes[row.destination or ""].compte
        if row.partner is None:
            return None
        reglement = self.books.reglements[row.partner]
        if row.type == TRANSFERT:
            return carte, self.cartes[row.destination or ""].compte
        gives = row.type == CREDIT
        if row.type == ANNULATION:
            original = self.by_id.get(row.annulation_de or 0)
            gives = original is not None and original.type == DEBIT
        return (reglement, carte) if gives else (carte, reglement)

    def check_reversals(self) -> None:
        """At most one reversal of an operation; of the same partner, card and amount."""
        reversals = [row for row in self.books.rows if row.type == ANNULATION]
        for origin, number in Counter(row.annulation_de for row in reversals).items():
            if number > 1:
                self.find(DOUBLED, f"operation {origin} is reversed {number} times")
        for row in reversals:
            original = self.by_id.get(row.annulation_de or 0)
            if original is None or original.type not in (CREDIT, DEBIT):
                self.find(WRONG, f"{row.numero} reverses what cannot be reversed")
            elif (row.partner, row.carte, row.montant) != (
                original.partner,
                original.carte,
                original.montant,
            ):
                self.find(WRONG, f"{row.numero} is not the reversal of {original.numero}")

    def check_cards(self) -> None:
        """Versions without a gap, no solde below zero, soldes equal to their sums, all sums to zero."""
        total = 0
        contra = Counter(dict.fromkeys(self.books.comptes, 0))
        for ecriture in self.books.ecritures:
            contra[ecriture.debit] -= ecriture.montant
            contra[ecriture.credit] += ecriture.montant
        for carte in self.books.cartes:
            total += carte.solde
            self._check_card(carte)
            if contra[carte.compte] != carte.solde:
                self.find(
                    WRONG, f"card {carte.numero[-4:]}: {carte.solde}, sum {contra[carte.compte]}"
                )
        total += sum(
            contra[compte] for compte, kind in self.books.comptes.items() if kind != "CARTE"
        )
        if total != 0:
            self.find(WRONG, f"all soldes together are {total}, not zero")

    def _check_card(self, carte: Carte) -> None:
        name = f"card {carte.numero[-4:]}"
        moves = self._moves[carte.compte]
        versions = [version for version, _, _, _ in moves]
        if versions != list(range(1, carte.version + 1)):
            self.find(WRONG, f"{name}: version {carte.version}, {len(versions)} movements")
        running = list(accumulate(amount for _, amount, _, _ in moves))
        if running != [solde for _, _, solde, _ in moves]:
            self.find(WRONG, f"{name}: a running solde is not the sum of what came before")
        if any(solde < 0 for solde in running) or carte.solde < 0:
            self.find(WRONG, f"{name}: the solde was below zero")

    @cached_property
    def _moves(self) -> dict[int, list[tuple[int, int, int, int]]]:
        """Of each card's account, by version: version, amount, solde after it, operation."""
        moves: dict[int, list[tuple[int, int, int, int]]] = defaultdict(list)
        for e in self.books.ecritures:
            for compte, sign, version, solde in (
                (e.debit, -1, e.version_debit, e.solde_debit),
                (e.credit, 1, e.version_credit, e.solde_credit),
            ):
                if self.books.comptes.get(compte) != "CARTE":
                    continue
                if version is None or solde is None:
                    self.find(WRONG, f"an ecriture of a card lacks its version or solde ({e.id})")
                else:
                    moves[compte].append((version, sign * e.montant, solde, e.operation_id))
        return {compte: sorted(found) for compte, found in moves.items()} | {
            carte.compte: [] for carte in self.books.cartes if carte.compte not in moves
        }

    # ── time ─────────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def _begun(self) -> dict[tuple[str, str], int]:
        return {
            key: min((a.started for a in attempts if a.end != UNSENT), default=0)
            for key, attempts in self.attempts.items()
        }

    @cached_property
    def _known(self) -> dict[tuple[str, str], int]:
        known: dict[tuple[str, str], int] = defaultdict(lambda: NEVER)
        for key, answers in self.acknowledged.items():
            for answer in answers:
                known[key] = min(known[key], answer.ended)
        return known

    @cached_property
    def _times(self) -> dict[str, _Timeline]:
        return {numero: self._timeline(carte) for numero, carte in self.cartes.items()}

    def _timeline(self, carte: Carte) -> _Timeline:
        begun, known, soldes = [0], [0], [0]
        for _, _, solde, operation_id in self._moves[carte.compte]:
            row = self.by_id.get(operation_id)
            key = ("", "") if row is None else (row.partner or "", row.reference or "")
            span = (self._begun.get(key, 0), self._known[key] if key in self.attempts else 0)
            if row is not None and row.demande_id is not None:
                span = self.beside.effects.get(row.demande_id, (0, NEVER))
            begun.append(span[0])
            known.append(span[1])
            soldes.append(solde)
        return _Timeline(begun, known, soldes)

    def check_order(self) -> None:
        """What was acknowledged before a request left comes before it in the versions of a card."""
        for numero, line in self._times.items():
            for version, (begun, known) in enumerate(zip(line.begun, line.known_by, strict=True)):
                if known < begun:
                    self.find(WRONG, f"card {numero[-4:]}: version {version} is out of order")

    def _could_lack_solde(self, partner: str, answer: Answer) -> bool:
        exchange = answer.exchange
        content = exchange.content
        if exchange.what == ANNULATION:
            rows = self.by_key[partner, str(content["referenceOrigine"])]
            if not rows or rows[0].carte is None or rows[0].montant is None:
                return False
            numero, montant = rows[0].carte, rows[0].montant
        else:
            numero, montant = content["numeroCarte"], content["montant"]
        return self._times[numero].lowest(exchange.started, answer.ended) < montant


class _Timeline:
    """Of one card, by version from 0: the earliest and the latest instant it can have begun to hold."""

    def __init__(self, begun: list[int], known: list[int], soldes: list[int]) -> None:
        self.begun = begun
        self.soldes = soldes
        # Versions follow one another: what holds for a later one bounds an earlier one.
        self.known_by = list(accumulate(reversed(known), min))[::-1]
        self.earliest = list(accumulate(begun, max))

    def lowest(self, start: int, end: int) -> int:
        """The lowest solde that the card can have had at some instant from `start` to `end`."""
        last = bisect_right(self.earliest, end) - 1
        # Version v may still hold at `start` unless v + 1 was known before it.
        first = max(0, bisect_left(self.known_by, start) - 1)
        return min(self.soldes[first : last + 1], default=0)


def _matches(row: Row, exchange: Exchange, by_id: dict[int, Row]) -> bool:
    """Whether the row is what the request asked for."""
    content: dict[str, Any] = exchange.content
    if row.type != exchange.what:
        return False
    if row.type == ANNULATION:
        original = by_id.get(row.annulation_de or 0)
        asked_of = (content["referenceOrigine"], content.get("motif"))
        return original is not None and (original.reference, row.motif) == asked_of
    asked = (content["numeroCarte"], content["montant"], content.get("numeroCarteDestination"))
    return (row.carte, row.montant, row.destination) == asked


def _cards_of(exchange: Exchange) -> list[str]:
    """The cards that a movement names; a reversal names none, and is done in any state."""
    names = ("numeroCarte", "numeroCarteDestination")
    return [exchange.content[name] for name in names if name in exchange.content]


def _solde_of(ecriture: Ecriture, row: Row, cartes: dict[str, Carte]) -> int | None:
    """The solde after the operation of the card that its answer tells of."""
    debited = ecriture.debit == cartes[row.carte or ""].compte
    return ecriture.solde_debit if debited else ecriture.solde_credit
