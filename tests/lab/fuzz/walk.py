"""Every limit and every solde walked up to, franc by franc: the ledger says where the edge is.

It is sent as partners whose cards nobody else moves, so that chance has no part in whether an edge is met.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import httpx

from tests.lab.fuzz import land as lands
from tests.lab.fuzz import report, rules
from tests.lab.fuzz.land import Carte, Land, Partenaire
from tests.lab.fuzz.ledger import (
    CREDIT,
    DEBIT,
    MONTANT_MAXIMAL,
    TRANSFERT,
    TYPES,
    Ledger,
)
from tests.lab.fuzz.report import Part, Veil
from tests.support.contract_client import OPERATIONS, Json, check_exchange
from tests.support.patience import CALL_S

PLACES = {operation["operationId"]: place for place, operation in OPERATIONS.items()}
BY_TYPE = {type_: operation for operation, type_ in TYPES.items()}
FOUND = 6
"""Findings after which a walk ends: what follows is of the same fault."""

STEPS = 12
"""Most calls of one sort towards an edge."""


class Enough(Exception):
    """More was found than anybody reads."""


class Walk:
    """One walk: its ledger, and what it found."""

    def __init__(self, part: Part, land: Land, client: httpx.Client, veil: Veil, out: Path) -> None:
        self.part = part
        self.land = land
        self.client = client
        self.veil = veil
        self.out = out
        self.ledger = Ledger.of(land)
        self.chance = random.Random(land.seed)
        self.calls = 0
        self.refused = 0
        self.found = 0
        self._bearers: dict[str, str] = {}

    def all(self) -> None:
        """Walk up to every edge there is."""
        for one in self.land.walkers:
            limited = {
                limite.type for limite in self.land.limites or [] if limite.sujet == one.name
            }
            for carte in one.cartes:
                types = {
                    limite.type
                    for limite in self.land.limites or []
                    if limite.sujet == carte.numero
                }
                for type_ in sorted(types or limited):
                    self.to_the_limit(one, type_, carte)
        self.to_the_soldes(self.land.walkers[0])

    # ── limits ───────────────────────────────────────────────────────────────────────────────────
    def to_the_limit(self, one: Partenaire, type_: str, carte: Carte) -> None:
        """A franc too much, a part, all that is left, one franc more; then again after a reversal."""
        cible = next(other for other in one.cartes if other.kind == lands.RICH and other != carte)
        way = (one, type_, carte, cible if type_ == TRANSFERT else None)
        self.move(*way, self.room(*way) + 1)
        first = self.move(*way, 1 + self.chance.randrange(max(1, self.room(*way) // 4)))
        self.move(*way, self.room(*way) + 1)
        self._up(*way)
        self.move(*way, self.room(*way) + 1)
        if type_ == TRANSFERT:
            return
        self.reverse(one, first)
        self.reverse(one, first)
        self.move(*way, self.room(*way) + 1)
        self._up(*way)
        self.move(*way, self.room(*way) + 1)

    def _up(self, one: Partenaire, type_: str, carte: Carte, cible: Carte | None) -> None:
        """All that is left, in few steps; the last takes all of it."""
        way = (one, type_, carte, cible)
        for step in range(STEPS):
            room = self.room(*way)
            if not room:
                return
            again = self.move(*way, room if step % 2 else 1 + room // 2)
            if step == 1:
                self.send(one, BY_TYPE[type_], again)  # a repeat, which counts once

    def room(self, one: Partenaire, type_: str, carte: Carte, cible: Carte | None) -> int:
        """The most that the ledger lets move."""
        return self.ledger.room(one.name, type_, carte, cible)

    # ── soldes ───────────────────────────────────────────────────────────────────────────────────
    def to_the_soldes(self, one: Partenaire) -> None:
        """Cards emptied and filled to the franc, by every operation that can do it."""
        rich = next(carte for carte in one.cartes if carte.kind == lands.RICH)
        poor = [carte for carte in one.cartes if carte.kind == lands.POOR]
        full = [carte for carte in one.cartes if carte.kind == lands.FULL]
        for type_, carte, cible in (
            (DEBIT, poor[0], None),
            (TRANSFERT, poor[1], rich),
            (CREDIT, full[0], None),
            (TRANSFERT, rich, full[1]),
        ):
            way = (one, type_, carte, cible)
            self.move(*way, self.room(*way) + 1)
            self.move(*way, self.room(*way) - 1)
            self.move(*way, 2)
            self.move(*way, 1)
            self.move(*way, 1)
        # A reversal obeys the same edges: a credit that was spent, a debit whose place was taken.
        for type_, carte, back in ((CREDIT, poor[2], DEBIT), (DEBIT, full[2], CREDIT)):
            first = self.move(one, type_, carte, None, 100)
            room = self.room(one, back, carte, None)
            self.move(one, back, carte, None, room - 99)
            self.reverse(one, first)
            self.move(one, type_, carte, None, 1)
            self.reverse(one, first)

    # ── calls ────────────────────────────────────────────────────────────────────────────────────
    def move(
        self, one: Partenaire, type_: str, carte: Carte, cible: Carte | None, montant: int
    ) -> Json:
        """Ask for a movement; what was sent."""
        names = {f"{key}Destination": value for key, value in cible.query.items()} if cible else {}
        body = {**carte.query, **names, "montant": max(1, min(montant, MONTANT_MAXIMAL))}
        return self.send(one, BY_TYPE[type_], {**body, "reference": self._reference()})

    def reverse(self, one: Partenaire, first: Json) -> None:
        """Ask for the reversal of a movement."""
        body = {"referenceOrigine": first["reference"], "reference": self._reference()}
        self.send(one, "annulerOperation", body)

    def send(self, one: Partenaire, operation: str, body: Json) -> Json:
        """Send a call and judge its answer."""
        method, path = PLACES[operation]
        headers = {"Authorization": self._bearer(one)}
        self.calls += 1
        answer = self.client.request(method, path, json=body, headers=headers)
        self.refused += answer.status_code != 200
        faults = [*self._faults(one, operation, body, answer)]
        if faults:
            self._tell(operation, faults, answer)
        return body

    def _faults(
        self, one: Partenaire, operation: str, body: Json, answer: httpx.Response
    ) -> Iterator[str]:
        """What the ledger, and then the contract, have against an answer."""
        method, path = PLACES[operation]
        try:
            told = answer.json()
            self.ledger.judge(one.name, operation, body, answer.status_code, told, strict=True)
        except (AssertionError, KeyError, ValueError) as error:
            yield f"the ledger: {error}"
        try:
            check_exchange(method, path, answer.status_code, answer.headers, answer.content)
            if answer.status_code != 200:
                rules.check_code(operation, answer.status_code, answer.json(), "fr")
        except (AssertionError, KeyError, ValueError) as error:
            yield f"the contract: {error}"

    def _tell(self, operation: str, faults: list[str], answer: httpx.Response) -> None:
        self.found += 1
        report.store_provocation(
            self.part,
            f"{operation} walk {self.calls}",
            "\n".join([*faults, answer.text[:500]]),
            answer,
            self.veil,
            self.out,
            kind="walk",
            seed=self.land.seed,
        )
        if self.found >= FOUND:
            raise Enough

    def _reference(self) -> str:
        return f"WALK-{self.land.seed}-{self.calls + 1}"

    def _bearer(self, one: Partenaire) -> str:
        if one.name not in self._bearers:
            pair = {"client_id": one.key, "client_secret": one.secret}
            data = {"grant_type": "client_credentials", **pair}
            answer = self.client.post("/access-token", data=data)
            self._bearers[one.name] = f"Bearer {answer.raise_for_status().json()['access_token']}"
        return self._bearers[one.name]


def walk_all(part: Part, land: Land, veil: Veil, failures: Path) -> None:
    """Walk up to every edge, and say how much that was."""
    with httpx.Client(base_url=land.url, trust_env=False, timeout=CALL_S) as client:
        walk = Walk(part, land, client, veil, failures)
        try:
            walk.all()
        except Enough:
            part.notes.append(f"the walk to the limits ended after {FOUND} findings")
        except httpx.HTTPError as error:
            part.faults.append(f"the walk to the limits broke off: {type(error).__name__}: {error}")
    part.notes.append(
        f"walked to every limit and solde: {walk.calls} calls, {walk.refused} of them refused"
    )
