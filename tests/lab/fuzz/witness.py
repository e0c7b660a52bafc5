"""What a run remembers while it calls, and the second look that it takes at the soldes.

The hooks of Schemathesis are thin: what they know and decide is here.
"""

from __future__ import annotations

import json
import os
import random
import zlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx

from tests.lab.fuzz import land as lands
from tests.lab.fuzz.land import Carte, Land, Partenaire
from tests.lab.fuzz.ledger import TYPES, Ledger
from tests.support.contract_client import Json

KEPT = 500
"""How many references a run remembers of each kind, and how many answers for the second look."""

HEALTHY = (lands.RICH,) * 24 + (lands.POOR, lands.FULL, lands.LIMITED)
SICK = (lands.OPPOSITION, lands.EXPIRED, lands.ANNULEE, lands.EMISE)


@dataclass
class Known:
    """References that bear an operation of the acting partner, by what became of it."""

    executed: dict[str, Json] = field(default_factory=dict)
    reversible: list[str] = field(default_factory=list)
    reversed: list[str] = field(default_factory=list)
    transfers: list[str] = field(default_factory=list)
    closed: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def note(self, operation_id: str, sent: Json, item: Json) -> None:
        """Note a success."""
        reference = item["reference"]
        if operation_id == "cloturerReference":
            if item["etat"] == "CLOTUREE":
                self.closed.append(reference)
            return
        if reference in self.executed:
            return
        self.executed[reference] = item
        if operation_id in ("creditCarte", "debitCarte"):
            self.reversible.append(reference)
        elif operation_id == "transfererSolde":
            self.transfers.append(reference)
        else:
            origine = sent["referenceOrigine"]
            self.reversed.append(origine)
            if origine in self.reversible:
                self.reversible.remove(origine)


class Witness:
    """The memory of one run."""

    def __init__(self, land: Land) -> None:
        self.enter(land)

    def enter(self, land: Land) -> None:
        """Begin to remember a land."""
        self.land = land
        self.known = Known()
        self.first: dict[str, str] = {}
        """The content that each reference was first sent with."""
        self.cursors: dict[str, list[str]] = {}
        self.tokens: set[str] = set()
        self.revoked: set[str] = set()
        self.cartes = {carte.numero: carte for carte in land.cartes}
        self.own = [self.cartes[carte.numero] for carte in land.acting.cartes]
        self.own_numbers = frozenset(carte.numero for carte in self.own)
        self.other_numbers = frozenset(self.cartes) - self.own_numbers
        self.others = [self.cartes[numero] for numero in sorted(self.other_numbers)]
        self.managed = [carte for one in land.managers[:1] for carte in one.cartes]
        self.managed_numbers = frozenset(carte.numero for carte in self.managed)
        self.secrets: list[tuple[str | None, str]] = [
            (None, one.secret) for one in land.managers[:1]
        ]
        """The secrets of who manages, by secretId, the newest last: one of them always opens."""
        self.blocked: list[str] = []
        self.client = httpx.Client(base_url=land.url, trust_env=False, timeout=30)
        self.minted: list[str] = []
        self._bearers: dict[str, str] = {}
        self.last: dict[str, int] | None = None
        """The soldes after the last call that could change them."""
        self.since: list[str] = []
        """The calls since, which cannot."""
        self.pending: dict[str, dict[str, int]] = {}
        self.after: dict[str, dict[str, int]] = {}
        self.answers: dict[str, dict[str, set[str]]] = {}
        self.chains: Counter[int] = Counter()
        self.longest: list[str] = []
        self.checks: Counter[str] = Counter()
        self.moved = 0
        self.ledger: Ledger | None = None
        """Made at the first call that may move money, from what the cards then have."""
        self.verdicts: dict[str, str] = {}
        """What the ledger has against the answer to a case."""

    def close(self) -> None:
        """Close its connections."""
        self.client.close()

    # ── who manages its secrets and cards ────────────────────────────────────────────────────────
    @property
    def manager(self) -> Partenaire | None:
        """The partner that turns secrets over and blocks cards, None where there is none."""
        if not self.secrets:
            return None
        return replace(self.land.managers[0], secret=self.secrets[-1][1])

    def note_managed(self, operation_id: str, sent: Json, item: Json) -> None:
        """Note a secret that came or went, and a card that may be opened again."""
        if operation_id == "opposerMaCarte" and sent["motifOpposition"] == "BLOCAGE_TEMPORAIRE":
            self.blocked.append(sent["numeroCarte"])
        if operation_id == "renouvelerSecret" and item["consumerSecret"]:
            self.secrets.append((item["secretId"], item["consumerSecret"]))
            self.minted.append(item["consumerSecret"])
        elif operation_id == "revoquerSecret":
            kept = [one for one in self.secrets if one[0] != sent["secretId"]]
            self.secrets = kept or self.secrets

    def block(self, values: Json, chance: random.Random) -> None:
        """Give a request a card of who manages; one that an answer named stays."""
        known = {carte.numero: carte for carte in self.managed}
        carte = known.get(values["numeroCarte"]) or chance.choice(self.managed)
        if "motifOpposition" not in values and self.blocked and chance.random() < 0.8:
            carte = known[chance.choice(self.blocked[-3:])]
        values["numeroCarte"] = carte.numero
        values |= {"walletId": carte.wallet, "clientId": carte.client}

    # ── the ledger ───────────────────────────────────────────────────────────────────────────────
    def open_ledger(self, soldes: dict[str, int]) -> None:
        """Open a book with these soldes, or go on with that of the run before this one."""
        self.ledger = Ledger.of(self.land, soldes)
        before = os.environ.get("CYNOD_FUZZ_LEDGER")
        if before and not self.land.replay and Path(before).exists():
            self.ledger.load(json.loads(Path(before).read_text(encoding="utf-8")))

    def edge(self, operation_id: str, body: Json, chance: random.Random) -> int | None:
        """Half of the time, the most that a card with an edge may move, or a franc more."""
        carte = self.cartes.get(body.get("numeroCarte", ""))
        cible = self.cartes.get(body.get("numeroCarteDestination", ""))
        edged = {lands.POOR, lands.FULL, lands.LIMITED}
        if carte is None or self.ledger is None or chance.random() < 0.5:
            return None
        if not {one.numero for one in (carte, cible) if one} <= self.own_numbers:
            return None
        if not edged & {carte.kind, cible.kind if cible else ""}:
            return None
        type_ = TYPES[operation_id]
        room = self.ledger.room(self.land.acting.name, type_, carte, cible)
        most = room + chance.randrange(2)
        return most if 1 <= most <= self.land.montant_maximal else None

    # ── the second look ──────────────────────────────────────────────────────────────────────────
    def bearer(self, partenaire: Partenaire, *, new: bool = False) -> str:
        """A token of the partner, asked for once."""
        if new or partenaire.key not in self._bearers:
            answer = self.client.post(
                "/access-token",
                data={
                    "grant_type": "client_credentials",
                    "client_id": partenaire.key,
                    "client_secret": partenaire.secret,
                },
            )
            token = answer.raise_for_status().json()["access_token"]
            self.tokens.add(token)
            self._bearers[partenaire.key] = f"Bearer {token}"
        return self._bearers[partenaire.key]

    def soldes(self) -> dict[str, int]:
        """The solde of every card of the land, as its partner lists it."""
        found: dict[str, int] = {}
        for partenaire in self.land.partenaires:
            wanted = {carte.numero for carte in partenaire.cartes}
            for client_id in sorted({carte.client for carte in partenaire.cartes}):
                params = {"clientId": client_id, "limite": "100"}
                while True:
                    answer = self._list(partenaire, params)
                    for item in answer["data"]:
                        if item["numeroCarte"] in wanted:
                            found[item["numeroCarte"]] = int(item["soldeOnline"])
                    if answer["curseurSuivant"] is None:
                        break
                    params["curseur"] = answer["curseurSuivant"]
        return found

    def _list(self, partenaire: Partenaire, params: dict[str, str]) -> Json:
        for _ in range(2):
            answer = self.client.get(
                "/get-liste-cartes",
                params=params,
                headers={"Authorization": self.bearer(partenaire)},
            )
            if answer.status_code == 401:
                del self._bearers[partenaire.key]
                continue
            body: Json = answer.raise_for_status().json()
            return body
        raise AssertionError("the token of the second look is refused")

    # ── realistic values ─────────────────────────────────────────────────────────────────────────
    def chance(self, *content: Any) -> random.Random:
        """Chance that depends on the seed and the case alone, so that a repeat is the same."""
        text = json.dumps([self.land.seed, *content], sort_keys=True, default=str)
        return random.Random(zlib.crc32(text.encode("utf-8", "surrogatepass")))

    def pick(self, chance: random.Random) -> Carte | None:
        """A card to act on; None to leave what was generated, which nobody has."""
        draw = chance.random()
        if draw < 0.02:
            return None
        if draw < 0.05 and self.others:
            return chance.choice(self.others)
        kind = chance.choice(HEALTHY if draw < 0.94 else SICK)
        choice = [carte for carte in self.own if carte.kind == kind] or self.own
        return chance.choice(choice)

    def place(self, values: Json, chance: random.Random, suffix: str = "") -> None:
        """Give a request a card, with the other names of that card. One that is known stays."""
        numero = f"numeroCarte{suffix}"
        carte = self.cartes.get(values.get(numero, "")) or self.pick(chance)
        if carte is None:
            return
        values[numero] = carte.numero
        other = {
            f"walletId{suffix}": carte.wallet,
            f"clientId{suffix}": carte.client,
            f"membreId{suffix}": carte.membre,
        }
        for name, value in other.items():
            if name in values and chance.random() < 0.99:
                values[name] = value

    def fresh(self, chance: random.Random) -> str:
        """A reference never used, recognised as this tool's."""
        while True:
            reference = f"FUZZ-{self.land.seed}-{chance.getrandbits(48):x}"
            if reference not in self.first:
                return reference

    def known_reference(self, chance: random.Random) -> str | None:
        """A reference that bears something, most often an executed operation."""
        pools = [list(self.known.executed)[-KEPT:]] * 10 + [
            self.known.closed[-KEPT:],
            self.known.unknown[-KEPT:],
        ]
        pool = chance.choice([one for one in pools if one] or [[]])
        return chance.choice(pool) if pool else None

    def settle_reference(self, place: str, body: Json, chance: random.Random) -> None:
        """Give most requests a reference of their own, else nearly all would be refused (4002)."""
        reference = body["reference"]
        content = json.dumps([place, {**body, "reference": ""}], sort_keys=True)
        if self.first.get(reference) == content:
            return
        draw = chance.random()
        if draw < 0.03 and self.known.closed:
            reference = chance.choice(self.known.closed)
        elif draw < 0.06 and self.known.executed:
            reference = chance.choice(list(self.known.executed)[-KEPT:])
        elif draw < 0.08 and self.land.montant_maximal > 1_000_000:
            pass  # on a deployment every reference must say whose it is
        else:
            reference = self.fresh(chance)
        body["reference"] = reference
        self.first.setdefault(reference, content)

    def settle_origine(self, body: Json, chance: random.Random) -> None:
        """Name an operation that can be reversed, or sometimes one that cannot."""
        if body["referenceOrigine"] in self.known.executed and chance.random() < 0.9:
            return
        draw = chance.random()
        pools = (
            (0.80, self.known.reversible),
            (0.86, self.known.reversed),
            (0.92, self.known.transfers),
            (0.97, self.known.closed),
        )
        for limit, pool in pools:
            if draw < limit and pool:
                body["referenceOrigine"] = chance.choice(pool[-KEPT:])
                return

    # ── the record ───────────────────────────────────────────────────────────────────────────────
    def note(self, operation_id: str, status: int, code: str, case_id: str) -> None:
        """Note how a case was answered."""
        by_answer = self.answers.setdefault(operation_id, {})
        by_answer.setdefault(f"{status} {code}", set()).add(case_id)

    def note_chain(self, steps: list[str]) -> None:
        """Note a chain of successful steps of the stateful phase, by its length."""
        self.chains[len(steps)] += 1
        if len(steps) > len(self.longest):
            self.longest = steps

    def write(self, path: Path) -> None:
        """Write what the report says, and the tokens that it must not."""
        record = {
            "answers": {
                name: {answer: len(cases) for answer, cases in sorted(answers.items())}
                for name, answers in sorted(self.answers.items())
            },
            "chains": {str(steps): number for steps, number in sorted(self.chains.items())},
            "longest": self.longest,
            "checks": dict(self.checks),
            "operations": self.known.executed,
            "reversed": self.known.reversed,
            "unknown": self.known.unknown,
            "closed": len(self.known.closed),
            "tokens": sorted(self.tokens | set(self.minted)),
            "manager": self.secrets[-1][1] if self.secrets else None,
        }
        path.touch(mode=0o600)
        path.write_text(json.dumps(record), encoding="utf-8")
        after = os.environ.get("CYNOD_FUZZ_LEDGER")
        if after and self.ledger is not None:
            Path(after).touch(mode=0o600)
            Path(after).write_text(json.dumps(self.ledger.dump()), encoding="utf-8")


def from_environment() -> Witness:
    """The witness of the run whose land CYNOD_FUZZ_LAND names; without, of one that is not known yet."""
    file = os.environ.get("CYNOD_FUZZ_LAND")
    return Witness(lands.read_land(Path(file)) if file else lands.nowhere())
