"""The land that a run acts in: two partners, and their cards of every kind, by their whole numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

SOLDE_MAXIMAL = 9_007_199_254_740_991

RICH, POOR, FULL, LIMITED = "rich", "poor", "full", "limited"
OPPOSITION, EXPIRED, ANNULEE = "opposition", "expired", "annulee"
SOLDES = {
    RICH: 1_000_000_000_000,
    POOR: 500,
    FULL: SOLDE_MAXIMAL - 1_000,
    LIMITED: 1_000_000_000,
    OPPOSITION: 5_000,
    EXPIRED: 5_000,
    ANNULEE: 5_000,
}
KINDS = (RICH, RICH, RICH, RICH, POOR, FULL, LIMITED, OPPOSITION, EXPIRED, ANNULEE)
"""The cards of each client, which its two members share."""

HEADER = (
    "clientId,clientNom,membreId,nom,prenom,email,telephone,numeroPiece,"
    "dateNaissance,numeroCarte,finValidite,statut,solde"
)


@dataclass(frozen=True)
class Carte:
    """A card, how it is designated, and what it is good for."""

    numero: str
    wallet: str
    client: str
    membre: str
    kind: str = RICH

    @property
    def query(self) -> dict[str, str]:
        """What designates it."""
        return {"numeroCarte": self.numero, "walletId": self.wallet, "clientId": self.client}


@dataclass(frozen=True)
class Partenaire:
    """A partner: its pair, its clients, its cards."""

    name: str
    key: str
    secret: str
    clients: list[str]
    cartes: list[Carte]


@dataclass
class Land:
    """Where a run acts. `acting` is the partner that makes the generated calls, the first of the list."""

    url: str
    seed: int
    partenaires: list[Partenaire]
    montant_maximal: int = 1_000_000_000
    replay: bool = False
    secrets: list[str] = field(default_factory=list)

    @property
    def acting(self) -> Partenaire:
        """Who calls."""
        return self.partenaires[0]

    @property
    def cartes(self) -> list[Carte]:
        """Every card, of both partners, in an order that a replay finds again."""
        everyone = sorted(self.partenaires, key=lambda one: one.name)
        return [carte for one in everyone for carte in one.cartes]

    def write(self, path: Path) -> None:
        """Write it for the hooks, for the owner's eyes only."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def read_land(path: Path) -> Land:
    """Read what `Land.write` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    partenaires = [
        Partenaire(**{**one, "cartes": [Carte(**carte) for carte in one["cartes"]]})
        for one in raw.pop("partenaires")
    ]
    return Land(**{**raw, "partenaires": partenaires})


CLIENTS = {"A": ["FUZZ-A1", "FUZZ-A2"], "B": ["FUZZ-B1", "FUZZ-B2"]}
"""The clients of each partner of a server that the run starts itself."""


def make_cartes(name: str) -> list[Carte]:
    """The cards of a partner: the same in every run, so that a stored failure finds them again."""
    made = []
    for client_id in CLIENTS[name]:
        block = f"{ord(name[0])}{client_id[-1]}"
        for number, kind in enumerate(KINDS):
            membre = number % 2 + 1
            made.append(
                Carte(
                    numero=f"70198077{block}{number:05d}",
                    wallet=f"2217{block}{membre:05d}",
                    client=client_id,
                    membre=f"MBR-{client_id[-2:]}-{membre}",
                    kind=kind,
                )
            )
    return made


def write_csv(path: Path) -> None:
    """Every card of both partners, as `cynod import` reads it."""
    lines = [HEADER]
    for name in CLIENTS:
        for carte in make_cartes(name):
            fin = "31/01/2020" if carte.kind == EXPIRED else "18/07/2039"
            statut = carte.kind.upper() if carte.kind in (OPPOSITION, ANNULEE) else "ACTIVE"
            lines.append(
                f"{carte.client},Client {carte.client},{carte.membre},Nom,Prenom,,{carte.wallet},,,"
                f"{carte.numero},{fin},{statut},{SOLDES[carte.kind]}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
