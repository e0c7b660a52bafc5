"""One proof: the load on a stage, a fault, the questions after it, the verdict."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.lab.proof.acts import DEMANDE, SAISIES, Act
from tests.lab.proof.answers import WRONG, Verdict
from tests.lab.proof.auditor import audit
from tests.lab.proof.books import read_books
from tests.lab.proof.clerks import CLERKS, Desks, Office
from tests.lab.proof.faults import Fault, Spell
from tests.lab.proof.judge import judge
from tests.lab.proof.load import (
    Caller,
    Intent,
    Load,
    Plan,
)
from tests.lab.proof.passing import Passing
from tests.lab.proof.record import (
    ANSWERED,
    MONEY,
    QUESTION,
    Exchange,
    Moments,
    Recorder,
    read_records,
)
from tests.lab.proof.registers import read_registers
from tests.lab.proof.staff import Person, sign_in
from tests.lab.proof.stage import Stage
from tests.lab.proof.states import seen_beside

ASKED_PER_S = 20
"""Answered references about which the service is asked after the load, for each second of it; about
every reference without an answer it is asked anyway."""

BACK_S = 30.0
"""How long a service that was healed may take until it answers what it is asked."""

ATTEMPTS = 5
"""A fault that no client felt, by bad luck or on a busy machine, is done again."""

PASSES_S = 3.0
"""In a run of this length some demande must end by time. In a shorter one, on a busy machine, none may: there
the story of a brief one tells (tests/lab/proof/story.py)."""


@dataclass(frozen=True)
class Proof:
    """What a run was and what it proved."""

    fault: str
    database: str
    seconds: float
    seed: str
    verdict: Verdict
    not_played: str = ""
    """Why this machine does not allow the fault: nothing is proved then, nor refuted."""

    @property
    def ok(self) -> bool:
        """Nothing speaks against the service."""
        return self.verdict.ok or bool(self.not_played)

    @property
    def row(self) -> list[str]:
        """The line of the table."""
        verdict = self.verdict
        numbers = (verdict.sent, verdict.acknowledged, verdict.refused, verdict.unknown)
        result = "not played" if self.not_played else "ok" if verdict.ok else "FAULT"
        return [self.fault, self.database, *map(str, (*numbers, *verdict.counts())), result]

    def as_json(self) -> dict[str, Any]:
        """For the report."""
        return {**asdict(self), "ok": self.ok}


def prove(stage: Stage, fault: Fault, *, seconds: float, seed: str, clerks: int = CLERKS) -> Proof:
    """Run the load on the stage for `seconds`, do the fault to it until it is felt, and judge."""
    verdict, attempts = Verdict(), 1 if fault.once else ATTEMPTS
    for _ in range(attempts):
        seeded = f"{seed}:{fault.name}:{stage.place.kind}"
        verdict, felt = _try(stage, fault, seconds, seeded, clerks if stage.has_office else 0)
        if felt or not verdict.ok:
            break
    else:
        verdict.findings[WRONG].append(
            f"no client felt the fault, or no person worked, done {attempts} times"
        )
    return Proof(fault.name, stage.place.kind, seconds, seed, verdict)


def _try(
    stage: Stage, fault: Fault, seconds: float, seed: str, clerks: int
) -> tuple[Verdict, bool]:
    prefix = stage.new_prefix()
    folder = stage.folder / f"records-{prefix}"
    folder.mkdir()
    stage.complaints.clear()
    stage.moments = Moments()
    plan = Plan(stage.ports, stage.cards, stage.partners, prefix, seed, folder)
    staff = sign_in(stage.staff)
    desks = Desks(stage.ports, stage.cards, staff, prefix, seed, _bureau(folder), clerks)
    with Load(plan) as load, Office(desks) as office, Passing(stage) as passing:
        stage.load = load
        spell = Spell(seconds)
        with stage.armed(), stage.keeping_alive() if fault.kept_alive else contextlib.nullcontext():
            fault.act(stage, spell)
            spell.rest()
        stage.heal()
        time.sleep(spell.margin)
        load.stop()
        office.stop()
    _settle(stage)
    passing.end()
    ask_after(stage, folder, int(ASKED_PER_S * seconds))
    _ask_persons_after(stage, staff, _bureau(folder), int(ASKED_PER_S * seconds))
    exchanges = read_records(folder)
    registers, of_persons = read_registers(stage.place.judged_url), read_records(_bureau(folder))
    verdict = judge(
        exchanges,
        read_books(stage.place.judged_url),
        prefix=f"{prefix}-",
        moments=stage.moments,
        beside=seen_beside(of_persons, registers),
    )
    verdict.findings[WRONG] += [*stage.complaints, *stage.read_faults()]
    if not clerks:
        return verdict, fault.felt(exchanges)
    verdict.back_office = audit(
        of_persons,
        registers,
        prefix=f"{prefix}-",
        moments=stage.moments,
    )
    # A run in which no person got anything done proves nothing of them.
    worked = verdict.back_office.acknowledged > 0
    worked &= verdict.back_office.expired > 0 or not stage.is_hurried or seconds < PASSES_S
    return verdict, (worked or fault.once) and fault.felt(exchanges)


def _bureau(folder: Path) -> Path:
    """Where the records of the back office are."""
    made = folder / "bureau"
    made.mkdir(exist_ok=True)
    return made


def _settle(stage: Stage) -> None:
    """Wait until what was left behind by cut connections has run: twice a queue's worth behind it."""
    for _ in range(2):
        threads = [
            threading.Thread(target=_ask_one, args=(stage, port))
            for port in stage.ports
            for _ in range(16)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    time.sleep(0.1)


def _ask_one(stage: Stage, port: int) -> None:
    caller = Caller(_Silent())
    caller.call(Intent(stage.partners[0], QUESTION, "settle", {}), port)
    caller.close()


class _Silent(Recorder):
    """Records nothing."""

    def __init__(self) -> None:
        pass

    def begin(self, **_request: Any) -> int:
        return 0

    def end(self, number: int, **seen: Any) -> None:
        pass


def ask_after(stage: Stage, folder: Path, sample: int) -> None:
    """Ask what became of every reference that has no answer, and of some that have."""
    exchanges = read_records(folder)
    answered = {e.key for e in exchanges if e.what in MONEY and _is_answered(e)}
    keys = list(dict.fromkeys(e.key for e in exchanges if e.what in MONEY))
    known = [key for key in keys if key in answered]
    step = max(1, len(known) // sample)
    asked = [key for key in keys if key not in answered] + known[::step]
    partners = {partner.key: partner for partner in stage.partners}
    recorder = Recorder(folder, "after")
    caller = Caller(recorder, phase="after")
    for number, (partner, reference) in enumerate(asked):
        intent = Intent(partners[partner], QUESTION, reference, {})
        _ask(caller, intent, stage.ports[number % len(stage.ports)])
    caller.close()
    recorder.close()


def _ask_persons_after(stage: Stage, staff: list[Person], folder: Path, sample: int) -> None:
    """Ask a person's way what became of every reference without an answer, and of some that have one."""
    exchanges = [one for one in read_records(folder) if one.what in SAISIES]
    answered = {one.reference for one in exchanges if _is_answered(one)}
    references = list(dict.fromkeys(one.reference for one in exchanges))
    known = [one for one in references if one in answered]
    asked = [one for one in references if one not in answered]
    asked += known[:: max(1, len(known) // sample)]
    recorder = Recorder(folder, "after")
    caller = Caller(recorder, phase="after")
    for number, reference in enumerate(asked):
        act = Act(staff[number % len(staff)], DEMANDE, reference, {})
        _ask(caller, act, stage.ports[number % len(stage.ports)])
    caller.close()
    recorder.close()


def _ask(caller: Caller, intent: Intent, port: int) -> None:
    """Ask until the service says what it knows: on a busy machine it may not be back yet."""
    until = time.monotonic() + BACK_S
    while True:
        end, status, _ = caller.call(intent, port)
        if (end == ANSWERED and status != 503) or time.monotonic() > until:
            return
        time.sleep(0.2)


def _is_answered(exchange: Exchange) -> bool:
    return exchange.end == ANSWERED and exchange.status is not None and exchange.status == 200
