"""The auditor: do the registers of the back office and its persons' records agree? It reads nothing else.

What it holds the service to:

- nothing took effect without as many validators as its rule asks: persons, all others than the maker;
- of those who validate at once one executes; an effect is there exactly once, and whole;
- what has waited too long is agreed to by nobody, and is ended by time alone, never before its time;
- every acknowledged answer is still true; of a reference the service tells the truth at any time;
- each refusal was true when it was given; what is there, somebody asked for;
- cards are what their changes make of them, and what moves with them moves once (`cards.py`);
- every change has exactly one row of the audit, what was rolled back has none, and the chain holds.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import cached_property

from tests.lab.proof.acts import (
    AUDIT,
    DEMANDE,
    JUDGEMENTS,
    REJETER,
    RETIRER,
    SAISIES,
    VALIDER,
)
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
from tests.lab.proof.cards import (
    ACTIVE,
    ANNULEE,
    CARTE,
    EMISE,
    MOVES,
    OPPOSITION,
    check_cards,
)
from tests.lab.proof.record import ANSWERED, UNSENT, Exchange, Json, Moments
from tests.lab.proof.registers import Demande, Registers
from tests.lab.proof.states import Clock, States, states_of

SAISIE, EXECUTEE, REJETEE, RETIREE = "SAISIE", "EXECUTEE", "REJETEE", "RETIREE"
EXPIREE = "EXPIREE"
AGENT, CLI = "AGENT", "CLI"
OF_CARDS = frozenset(
    name for name in SAISIES if "Carte" in name or name in ("leverOpposition", *MOVES)
)
"""Types of demandes about cards, which `cards` looks at."""

SYSTEME = ("SYSTEME", "SYSTEME")
SLACK_NS = 50_000_000
"""Between two clocks that are read one after the other."""

REFUSALS = {
    "saisirClient": {"4002", "6008"},
    "modifierClient": {"4002", "6006", "6012"},
    "changerStatutClient": {"4002", "6009", "6012"},
    "affecterReseau": {"4002", "6006", "6012"},
    "saisirReseau": {"4002", "6008"},
    "saisirMembre": {"4002", "6008"},
    "emettreCartes": {"4002"},
    "activerCarte": {"3006", "4002"},
    "opposerCarte": {"3003", "3006", "4002"},
    "leverOpposition": {"3006", "3007", "4002", "6012"},
    "annulerCarte": {"3003", "4002", "6012"},
    "remplacerCarte": {"3003", "3006", "3009", "4002", "6012"},
    "transfererSoldeSpecial": {"3002", "3003", "3004", "4001", "4002", "4014", "6012"},
    VALIDER: {
        *("2009", "6002", "6003", "6004", "6005", "6006", "6008", "6009"),
        *("3002", "3003", "3004", "3006", "3007", "3009", "4001", "4014"),
    },
    REJETER: {"6002", "6003", "6004"},
    RETIRER: {"6002", "6004"},
    DEMANDE: {"6001"},
    AUDIT: set[str](),
}
"""The only refusals that this load can truly meet: any other is a false one."""

WRONG_STATES = {
    "3002": {OPPOSITION},
    "3003": {ANNULEE},
    "3004": {EMISE},
    "4014": {EMISE, ACTIVE},
}
"""In which states a card is of which this is said, whatever was asked."""

NO_PASSAGE = {
    "activerCarte": {ACTIVE, OPPOSITION, ANNULEE},
    "opposerCarte": {OPPOSITION},
    "leverOpposition": {EMISE, ACTIVE, ANNULEE},
    "remplacerCarte": {EMISE},
}
"""In which states a card is from which this leads nowhere (3006)."""

OUTSIDE = ("motif", "versionAttendue")
"""Fields of a body beside what is asked."""

ATTEMPT = "demande.refusee"

Line = tuple[str, str | None]
"""Rows of the audit are counted by their action, or by who acted, and the demande."""
_ENDS = {REJETEE: (REJETER, "demande.rejetee"), RETIREE: (RETIRER, "demande.retiree")}
_END_OF_TIME = "demande.expiree"


def audit(
    exchanges: Iterable[Exchange],
    registers: Registers,
    *,
    prefix: str,
    moments: Moments | None = None,
) -> Verdict:
    """Hold the registers against the records. `prefix` begins every reference of this run."""
    moments = moments or Moments()
    auditor = _Auditor(list(exchanges), registers, prefix, moments)
    auditor.check_answers()
    auditor.check_references()
    auditor.check_told()
    auditor.check_judgements()
    auditor.check_ends_of_time()
    auditor.check_cards()
    auditor.check_refusals()
    auditor.check_four_eyes()
    auditor.check_effects()
    auditor.check_audit()
    auditor.check_chain()
    check_times(auditor.exchanges, auditor.answers, moments, auditor.find)
    return auditor.verdict


class _Auditor:
    def __init__(
        self, exchanges: list[Exchange], registers: Registers, prefix: str, moments: Moments
    ) -> None:
        self.exchanges = exchanges
        self.moments = moments
        self.registers = registers
        self.prefix = prefix
        self.verdict = Verdict(exchanges=len(exchanges))
        self.by_id = {one.demande_id: one for one in registers.demandes}
        self.by_reference = {one.reference: one for one in registers.demandes}
        self.ours = [one for one in registers.demandes if one.reference.startswith(prefix)]
        self.answers: list[Answer] = []
        self.by_what: dict[str, dict[str, list[Exchange]]] = defaultdict(lambda: defaultdict(list))
        for exchange in exchanges:
            self.by_what[exchange.what][exchange.reference].append(exchange)
        self.refused: set[int] = set()
        self.states: dict[str, States] = {}

    def find(self, kind: str, text: str) -> None:
        self.verdict.findings[kind].append(text)

    # ── what was answered ────────────────────────────────────────────────────────────────────────
    def check_answers(self) -> None:
        """Every answer is a declared one."""
        statuses: Counter[str] = Counter()
        for exchange in self.exchanges:
            answer = None
            if exchange.end == ANSWERED:
                answer = read_answer(exchange, REFUSALS[exchange.what], self.find)
            if answer is None:
                statuses["unreadable" if exchange.end == ANSWERED else exchange.end] += 1
                continue
            statuses[str(exchange.status) if answer.acknowledges else answer.code] += 1
            self.answers.append(answer)
            if answer.refuses:
                self.refused.add(id(exchange))
        self.verdict.statuses = dict(sorted(statuses.items()))

    def _may_have_done(self, exchange: Exchange) -> bool:
        """Whether it was sent, and its client was not told that nothing came of it."""
        return exchange.end != UNSENT and id(exchange) not in self.refused

    # ── references ───────────────────────────────────────────────────────────────────────────────
    @cached_property
    def _entries(self) -> dict[str, list[Exchange]]:
        """What was sent under each reference to enter a demande."""
        entries: dict[str, list[Exchange]] = defaultdict(list)
        for exchange in self.exchanges:
            if exchange.what in SAISIES and exchange.end != UNSENT:
                entries[exchange.reference].append(exchange)
        return entries

    def check_references(self) -> None:
        """Each reference means one demande, as its first caller asked it, or none."""
        acknowledged = self._told_of(SAISIES)
        for reference, attempts in self._entries.items():
            self.verdict.sent += 1
            answers = acknowledged[reference]
            row = self.by_reference.get(reference)
            if answers:
                self.verdict.acknowledged += 1
                self._check_entered(reference, answers, row)
            elif any(map(self._may_have_done, attempts)):
                self.verdict.unknown += 1
                self.verdict.unknown_executed += row is not None
                if reference not in self._asked_after:
                    self.find(WRONG, f"{reference} is unknown and was not asked about afterwards")
            else:
                self.verdict.refused += 1
                if row is not None:
                    self.find(WRONG, f"{reference} was refused every time, and was entered")
        for row in self.ours:
            attempts = self._entries.get(row.reference, [])
            if not any(_asks(one, row) and self._may_have_done(one) for one in attempts):
                self.find(WRONG, f"{row.reference} is a demande that nobody entered so")

    def _told_of(self, whats: Iterable[str]) -> dict[str, list[Answer]]:
        found: dict[str, list[Answer]] = defaultdict(list)
        for answer in self.answers:
            if answer.acknowledges and answer.exchange.what in whats:
                found[answer.exchange.reference].append(answer)
        return found

    @cached_property
    def _asked_after(self) -> set[str]:
        return {
            one.exchange.reference
            for one in self.answers
            if one.exchange.phase == "after" and one.exchange.status in (200, 400)
        }

    def _check_entered(self, reference: str, answers: list[Answer], row: Demande | None) -> None:
        if len({one.item["demandeId"] for one in answers}) > 1:
            self.find(DOUBLED, f"{reference} was acknowledged as two demandes")
        if row is None:
            self.find(LOST, f"{reference} was acknowledged, and no demande bears it")
            return
        if sum(not one.replayed for one in answers) > 1:
            self.find(DOUBLED, f"{reference} was acknowledged as new more than once")
        for answer in answers:
            if not _asks(answer.exchange, row):
                self.find(WRONG, f"{reference} was acknowledged for another content or caller")

    # ── what was told of demandes ────────────────────────────────────────────────────────────────
    def check_told(self) -> None:
        """What an answer says of a demande is so, and nobody was told otherwise later."""
        final: dict[str, int] = {}
        told = [one for one in self.answers if one.acknowledges and one.exchange.what != AUDIT]
        for answer in told:
            item = answer.item
            self._check_item(answer, item)
            if item["statut"] != SAISIE:
                known = final.get(item["demandeId"], answer.ended)
                final[item["demandeId"]] = min(known, answer.ended)
        for answer in told:
            item, exchange = answer.item, answer.exchange
            if item["statut"] == SAISIE and exchange.started > final.get(item["demandeId"], 2**63):
                self.find(WRONG, f"{describe(exchange)}: pending, after somebody was told its end")
        known_by: dict[str, int] = {}
        for reference, answers in self._told_of(SAISIES).items():
            known_by[reference] = min(one.ended for one in answers)
        for answer in self.answers:
            exchange = answer.exchange
            if exchange.what != DEMANDE or answer.code != "6001":
                continue
            if known_by.get(exchange.reference, 2**63) < exchange.started:
                self.find(LOST, f"{exchange.reference} is unknown, after it was acknowledged")
            if exchange.phase == "after" and exchange.reference in self.by_reference:
                self.find(WRONG, f"{exchange.reference} is told unknown, and is there")

    def _check_item(self, answer: Answer, item: Json) -> None:
        exchange = answer.exchange
        where, row = describe(exchange), self.by_id.get(item["demandeId"])
        if row is None:
            self.find(LOST, f"{where}: there is no demande {item['demandeId']}")
            return
        asked = row.reference if exchange.what not in JUDGEMENTS else row.demande_id
        if exchange.reference != asked or _kept(item) != _kept_of(row):
            self.find(WRONG, f"{where}: it tells of another demande than the registers have")
        agreed = self.registers.validations.get(row.demande_id, [])
        if not {one["agentId"] for one in item["validations"]} <= set(agreed):
            self.find(LOST, f"{where}: a validation that it tells of is not there")
        is_after = exchange.phase == "after"
        if item["statut"] == SAISIE and not is_after:
            return
        if item["statut"] != row.statut:
            kind = WRONG if is_after or row.statut != SAISIE else LOST
            self.find(kind, f"{where}: told {item['statut']}, the registers have {row.statut}")
        elif (item["traiteePar"], item["motifRejet"]) != (row.traitee_par, row.motif_rejet):
            self.find(WRONG, f"{where}: another person ended it, or for another reason")
        elif _given(item["resultat"]) != _given(row.resultat or {}):
            self.find(WRONG, f"{where}: told another result than the registers have")

    # ── judgements ───────────────────────────────────────────────────────────────────────────────
    def check_judgements(self) -> None:
        """Who validates, rejects or takes back did so, once; and nobody did who did not ask for it."""
        ends: dict[str, set[str]] = defaultdict(set)
        for answer in self.answers:
            exchange = answer.exchange
            row = self.by_id.get(exchange.reference)
            if not answer.acknowledges or exchange.what not in JUDGEMENTS or row is None:
                continue
            if answer.item["statut"] != SAISIE:
                ends[row.demande_id].add(f"{exchange.who}:{exchange.started}")
            agreed = self.registers.validations.get(row.demande_id, [])
            if exchange.what == VALIDER and exchange.partner not in agreed:
                self.find(
                    LOST, f"{describe(exchange)}: {exchange.partner}'s validation is not there"
                )
            if exchange.what == VALIDER and exchange.content["empreinte"] != row.empreinte:
                self.find(WRONG, f"{describe(exchange)}: what was validated is not what was seen")
        for demande_id, tellers in ends.items():
            if len(tellers) > 1:
                self.find(DOUBLED, f"{demande_id} was ended for {len(tellers)} callers")
        for row in self.ours:
            self._check_asked_for(row)

    def _check_asked_for(self, row: Demande) -> None:
        def asked(what: str, by: str | None = None) -> bool:
            return any(
                self._may_have_done(one) and by in (None, one.partner)
                for one in self.by_what[what][row.demande_id]
            )

        for agent_id in self.registers.validations.get(row.demande_id, []):
            if not asked(VALIDER, agent_id):
                self.find(WRONG, f"{row.reference}: {agent_id} never validated it")
        if row.statut in _ENDS and not asked(_ENDS[row.statut][0]):
            self.find(WRONG, f"{row.reference} is {row.statut}, which nobody asked for")

    def check_ends_of_time(self) -> None:
        """Nobody judges what has waited too long; time ends it, when it is over and not before."""
        for answer in self.answers:
            exchange = answer.exchange
            row = self.by_id.get(exchange.reference)
            if not answer.acknowledges or exchange.what not in JUDGEMENTS or row is None:
                continue
            if self._is_over(row, exchange.started, -SLACK_NS):
                self.find(WRONG, f"{describe(exchange)}, after the end of its time")
        looked = self.moments.expired
        for row in self.ours:
            if row.statut == EXPIREE:
                self.verdict.expired += 1
                if (row.traitee_le or 0) < row.expire_le:
                    self.find(WRONG, f"{row.reference} was ended by time before its time")
            elif row.statut == SAISIE and looked is not None and self._is_over(row, looked):
                self.find(LOST, f"{row.reference} waits, after its end was looked for")

    # ── cards ────────────────────────────────────────────────────────────────────────────────────
    def check_cards(self) -> None:
        """Cards are what their changes make of them, and when that was is known."""
        passages = check_cards(self.registers, self.find)
        clock = Clock(self.exchanges, self.answers, self.registers)
        self.states = states_of(clock, passages)

    def _states_within(self, carte_id: str, answer: Answer) -> set[str]:
        states = self.states.get(carte_id)
        return set() if states is None else states.within(answer.exchange.started, answer.ended)

    # ── refusals ─────────────────────────────────────────────────────────────────────────────────
    def check_refusals(self) -> None:
        """Each was true when it was given."""
        for answer in self.answers:
            if answer.refuses and not self._is_true(answer):
                self.find(WRONG, f"{describe(answer.exchange)} ({answer.code}), which is not so")

    def _is_true(self, answer: Answer) -> bool:
        exchange, code = answer.exchange, answer.code
        if code == "2009":
            return exchange.partner not in self.registers.agents
        if code == "4002":
            entered = self.by_reference.get(exchange.reference)
            return entered is not None and not _asks(exchange, entered)
        row = self.by_id.get(exchange.reference)
        if code in ("6006", "6008", "6009", "6012"):
            return self._is_another_change(answer, row)
        if code in ("3006", "3009", *WRONG_STATES):
            return self._is_true_of_cards(answer, row)
        if code in ("6002", "6003", "6004", "6005"):
            return row is not None and self._is_true_of(row, answer)
        return True  # of what is no refusal of this load, or of an unknown reference, others tell

    def _is_true_of_cards(self, answer: Answer, row: Demande | None) -> bool:
        """Whether a card that was named can have been in a state of which the code is true."""
        exchange, code = answer.exchange, answer.code
        if exchange.what == VALIDER and row is None:
            return False
        type_ = row.type if exchange.what == VALIDER and row else exchange.what
        contenu = row.contenu if exchange.what == VALIDER and row else exchange.content
        if code == "3009":
            return any(
                one.type == type_ and one.contenu["carteId"] == contenu["carteId"]
                for one in self.registers.demandes
                if one.reference != (row.reference if row else exchange.reference)
            )
        wrong = NO_PASSAGE.get(type_, set()) if code == "3006" else WRONG_STATES[code]
        # Of a transfer, the card that gives must be out of service, and the other one in it.
        gives = code == "4014" or "carteIdDestination" not in contenu
        named = contenu["carteId" if gives else "carteIdDestination"]
        return bool(wrong & self._states_within(named, answer))

    def _is_true_of(self, row: Demande, answer: Answer) -> bool:
        exchange = answer.exchange
        if answer.code == "6002":
            return row.statut != SAISIE and self._was_ended(row, answer.ended)
        if answer.code == "6004":
            return self._is_over(row, answer.ended, SLACK_NS)
        if answer.code == "6003":
            agreed = self.registers.validations.get(row.demande_id, [])
            return exchange.partner in (row.saisie_par[1], *agreed)
        return bool(exchange.content["empreinte"] != row.empreinte)

    def _was_ended(self, row: Demande, by: int) -> bool:
        """Whether somebody, or time, had begun to end it by then."""
        if row.statut == EXPIREE:
            return self._is_over(row, by, SLACK_NS)
        return any(
            self._may_have_done(one) and one.started < by
            for what in JUDGEMENTS
            for one in self.by_what[what][row.demande_id]
        )

    def _is_over(self, row: Demande, by: int, slack: int = 0) -> bool:
        return row.expire_le <= by + self.moments.epoch + slack

    def _is_another_change(self, answer: Answer, row: Demande | None) -> bool:
        """Whether another demande is about the same object, as the code says."""
        exchange, code = answer.exchange, answer.code
        if exchange.what == VALIDER:
            if row is None:
                return False
            type_, contenu, mine = row.type, row.contenu, row.reference
        else:
            type_, contenu, mine = exchange.what, exchange.content, exchange.reference
        objet = _objet(type_, contenu)
        if code == "6006" and objet[0] == CARTE:
            # What activates one card may change another one.
            return any(
                line.objet == objet and line.demande_id != (row and row.demande_id)
                for line in self.registers.audit
            )
        others = [
            one
            for one in self.registers.demandes
            if one.reference != mine and _objet(one.type, one.contenu) == objet
        ]
        if code == "6012":
            return any(one.type == type_ and one.requises for one in others)
        if code == "6009" and contenu["statut"] == "ACTIF":
            return True  # it is what a client begins as
        return any(one.statut == EXECUTEE for one in others)

    # ── four eyes ────────────────────────────────────────────────────────────────────────────────
    def check_four_eyes(self) -> None:
        """As many distinct persons as the rule asks, none of them the maker."""
        persons = self.registers.agents
        for row in self.registers.demandes:
            agreed = self.registers.validations.get(row.demande_id, [])
            asked = 0 if row.saisie_par[0] == CLI else self._rule(row)
            if row.requises != asked:
                self.find(WRONG, f"{row.reference}: its rule asks {asked}, it asked {row.requises}")
            if len(set(agreed)) > asked:
                self.find(WRONG, f"{row.reference} has more validators than its rule asks")
            if row.statut == EXECUTEE and len(set(agreed)) < asked:
                self.find(WRONG, f"{row.reference} took effect with {len(set(agreed))} of {asked}")
            if row.statut != EXECUTEE and asked and len(agreed) >= asked:
                self.find(LOST, f"{row.reference} has all its validators and is {row.statut}")
            if not set(agreed) <= persons.keys():
                self.find(WRONG, f"{row.reference} was validated by what is no person")
            of = [persons[one][2:] for one in agreed if one in persons]
            if row.saisie_par[0] == AGENT and row.saisie_par[1] in persons:
                of.append(persons[row.saisie_par[1]][2:])
            if len(of) != len(set(of)):
                self.find(WRONG, f"{row.reference} was validated by its maker, or twice by one")

    def _rule(self, row: Demande) -> int:
        if row.type == "leverOpposition":
            # Who lifts what was placed for a time needs nobody; what is executed tells what it was.
            return row.requises if row.statut != EXECUTEE else self._lifts(row)
        variant = f"{row.type}:{row.contenu.get('statut')}"
        return self.registers.regles.get(variant, self.registers.regles.get(row.type, 0))

    def _lifts(self, row: Demande) -> int:
        for line in self.registers.audit:
            if line.demande_id == row.demande_id and line.action == row.type:
                motif = (line.avant or {}).get("motif")
                variant = f"{row.type}:{motif}"
                return self.registers.regles.get(variant, self.registers.regles[row.type])
        return -1

    # ── effects ──────────────────────────────────────────────────────────────────────────────────
    def check_effects(self) -> None:
        """Objects of this run are what its executed demandes make of them, in the order of the audit."""
        order = {
            line.demande_id: line.position
            for line in self.registers.audit
            if line.demande_id is not None
        }
        executed = [one for one in self.ours if one.statut == EXECUTEE and one.type not in OF_CARDS]
        expected: dict[tuple[str, str], tuple[int, Json]] = {}
        for row in sorted(executed, key=lambda one: order.get(one.demande_id, 0)):
            objet = _objet(row.type, row.contenu)
            version, champs = expected.get(objet, (0, _new(row.type)))
            expected[objet] = (
                version + 1,
                {name: row.contenu.get(name, value) for name, value in champs.items()},
            )
        mine = {key: one for key, one in self.registers.objets.items() if self._is_ours(key[1])}
        for objet in expected.keys() | mine.keys():
            self._check_objet(objet, expected.get(objet), mine.get(objet))
        for whose, (said, counted) in self.registers.inside.items():
            if said != counted:
                self.find(WRONG, f"{whose} says that it has {said}, and has {counted}")

    def _is_ours(self, objet_id: str) -> bool:
        return objet_id.partition("-")[2].startswith(self.prefix)

    def _check_objet(
        self,
        objet: tuple[str, str],
        expected: tuple[int, Json] | None,
        found: tuple[int, Json] | None,
    ) -> None:
        where = " ".join(objet)
        if found is None or expected is None:
            kind, text = (LOST, "is not there") if found is None else (WRONG, "comes from nothing")
            self.find(kind, f"{where} {text}")
        elif found[0] != expected[0]:
            kind = DOUBLED if found[0] > expected[0] else LOST
            self.find(kind, f"{where} was changed to version {found[0]}, not {expected[0]}")
        elif found[1] != expected[1]:
            self.find(WRONG, f"{where} is {found[1]}, not {expected[1]}")

    # ── the audit ────────────────────────────────────────────────────────────────────────────────
    def check_audit(self) -> None:
        """Each passage of a demande has its row, and each row its passage."""
        found: Counter[Line] = Counter(
            (line.action, line.demande_id)
            for line in self.registers.audit
            if line.demande_id is not None and line.action != ATTEMPT
        )
        expected: Counter[Line] = Counter()
        for row in self.registers.demandes:
            expected.update(self._rows_of(row))
        for key in found.keys() | expected.keys():
            if found[key] > expected[key]:
                kind = DOUBLED if expected[key] else WRONG
                self.find(kind, f"{key}: {found[key]} rows of the audit, {expected[key]} changes")
            elif found[key] < expected[key]:
                self.find(LOST, f"{key}: {found[key]} rows of the audit, {expected[key]} changes")
        self._check_actors()
        self._check_attempts()
        self._check_readings()
        of_persons = {ATTEMPT, AUDIT, *(action for action, _ in expected)}
        for line in self.registers.audit:
            if line.acteur[0] != CLI and line.action not in of_persons:
                self.find(WRONG, f"the audit has {line.action} of {line.acteur}: nobody did it")

    def _rows_of(self, row: Demande) -> dict[Line, int]:
        agreed = len(self.registers.validations.get(row.demande_id, []))
        # The last validation has the row of the change itself.
        partial = agreed - (row.statut == EXECUTEE and row.requises > 0)
        rows = {
            "demande.saisie": int(row.requises > 0),
            "demande.validee": partial,
            row.type: int(row.statut == EXECUTEE) * self._changed_by(row),
            _END_OF_TIME: int(row.statut == EXPIREE),
            **{action: int(row.statut == statut) for statut, (_, action) in _ENDS.items()},
        }
        return {(action, row.demande_id): count for action, count in rows.items() if count}

    def _changed_by(self, row: Demande) -> int:
        """How many objects a demande changes, each with its row."""
        if row.type == "emettreCartes":
            return len(row.contenu["porteurs"])
        if row.type == "activerCarte":
            replaced = self.registers.cartes[row.contenu["carteId"]].remplace
            by_it = [
                line
                for line in self.registers.audit
                if (line.demande_id, line.objet) == (row.demande_id, (CARTE, replaced))
            ]
            # What somebody had cancelled before it stays as it was; `cards` says whether it may.
            return 1 + len(by_it[:1])
        return 1

    def _check_actors(self) -> None:
        """The row of an entry names its maker, that of a change its last validator."""
        for line in self.registers.audit:
            row = self.by_id.get(line.demande_id or "")
            if row is None:
                continue
            agreed = self.registers.validations.get(row.demande_id, [])
            makes = line.action == "demande.saisie" or (
                line.action == row.type and not row.requises
            )
            if line.action == _END_OF_TIME and line.acteur != SYSTEME:
                self.find(WRONG, f"{row.reference}: the audit says that {line.acteur} was its time")
            elif makes and line.acteur != row.saisie_par:
                self.find(WRONG, f"{row.reference}: the audit says that {line.acteur} entered it")
            elif line.action == row.type and row.requises and line.acteur[1] not in agreed:
                self.find(WRONG, f"{row.reference}: the audit says that {line.acteur} executed it")

    def _check_attempts(self) -> None:
        """Who was told that he may not agree is written down, once for each time."""
        mine = {row.demande_id for row in self.ours}
        written: Counter[Line] = Counter(
            (line.acteur[1], line.demande_id)
            for line in self.registers.audit
            if line.action == ATTEMPT and line.demande_id in mine
        )
        told: Counter[Line] = Counter()
        perhaps: Counter[Line] = Counter()
        for answer in self.answers:
            if answer.code in ("2009", "6003"):
                told[answer.exchange.partner, answer.exchange.reference] += 1
        for exchange in self.exchanges:
            unknown = self._may_have_done(exchange) and exchange.status != 200
            if exchange.what in (VALIDER, REJETER) and unknown:
                perhaps[exchange.partner, exchange.reference] += 1
        for key in written.keys() | told.keys():
            if written[key] < told[key]:
                self.find(LOST, f"{key} tried {told[key]} times, the audit has {written[key]}")
            elif written[key] > told[key] + perhaps[key]:
                self.find(WRONG, f"{key} tried {told[key]} times, the audit has {written[key]}")

    def _check_readings(self) -> None:
        """Who read the audit is written down, once for each time."""
        read = Counter(
            (line.apres or {}).get("objetId")
            for line in self.registers.audit
            if line.action == AUDIT and isinstance(line.apres, dict)
        )
        for reference, exchanges in self.by_what[AUDIT].items():
            for exchange in exchanges:
                most = int(self._may_have_done(exchange))
                least = int(exchange.status == 200)
                if not least <= read[reference] <= most:
                    kind = LOST if read[reference] < least else WRONG
                    self.find(kind, f"{describe(exchange)}: written down {read[reference]} times")

    def check_chain(self) -> None:
        """Positions without a gap, each row sealed to the one before, the end where it is said to be."""
        position, empreinte = 0, "0" * 64
        for line in self.registers.audit:
            text = json.dumps(line.said, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
            sealed = hashlib.sha256(f"{text}{line.precedente}".encode()).hexdigest()
            if (line.position, line.precedente) != (position + 1, empreinte):
                self.find(WRONG, f"the chain breaks before position {line.position}")
            if line.empreinte != sealed:
                self.find(WRONG, f"the chain breaks at position {line.position}: it was changed")
            position, empreinte = line.position, line.empreinte
        if self.registers.tete != (position, empreinte):
            self.find(WRONG, f"the chain ends at {position}, its end says {self.registers.tete}")


def _asks(exchange: Exchange, row: Demande) -> bool:
    """Whether the exchange, of this caller, asked for this demande."""
    content = exchange.content
    asked = {name: value for name, value in content.items() if name not in OUTSIDE}
    version = content.get("versionAttendue", row.version_objet)
    return (exchange.what, asked, content.get("motif"), version, exchange.partner) == (
        *(row.type, row.contenu, row.motif, row.version_objet),
        row.saisie_par[1],
    )


def _given(resultat: Json) -> Json:
    """What of a result is there: answers name what there is none of."""
    return {name: value for name, value in resultat.items() if value not in (None, [])}


def _kept(item: Json) -> tuple[object, ...]:
    """What a demande keeps all its life, as an answer tells it."""
    names = ("type", "reference", "objetType", "objetId", "contenu", "empreinte", "versionObjet")
    maker = item["saisiePar"]
    kept = (*(item[name] for name in names), item["validationsRequises"], item["motif"])
    return *kept, (maker["type"], maker["id"])


def _kept_of(row: Demande) -> tuple[object, ...]:
    kept = (row.type, row.reference, row.objet_type, row.objet_id, row.contenu, row.empreinte)
    return *kept, row.version_objet, row.requises, row.motif, row.saisie_par


def _objet(type_: str, contenu: Json) -> tuple[str, str]:
    """What a demande is about."""
    if type_ in OF_CARDS:
        return CARTE, str(contenu.get("carteId"))
    if type_ == "saisirReseau":
        return "RESEAU", str(contenu["reseauId"])
    if type_ == "saisirMembre":
        return "MEMBRE", f"{contenu['clientId']}:{contenu['membreId']}"
    return "CLIENT", str(contenu.get("clientId"))


def _new(type_: str) -> Json:
    """The fields of an object before anything is said of it."""
    if type_ == "saisirReseau":
        return {"nom": ""}
    if type_ == "saisirMembre":
        return {"walletId": "", "nom": "", "prenom": "", "statut": "ACTIF"}
    return {"nom": "", "statut": "ACTIF", "reseauId": None}
