"""The land that a run acts in: two partners, and their cards of every kind, by their whole numbers."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

SOLDE_MAXIMAL = 9_007_199_254_740_991

RICH, POOR, FULL, LIMITED = "rich", "poor", "full", "limited"
OPPOSITION, EXPIRED, ANNULEE, EMISE = "opposition", "expired", "annulee", "emise"
SOLDES = {
    RICH: 1_000_000_000_000,
    POOR: 500,
    FULL: SOLDE_MAXIMAL - 1_000,
    LIMITED: 1_000_000_000,
    OPPOSITION: 5_000,
    EXPIRED: 5_000,
    ANNULEE: 5_000,
    EMISE: 0,
}
WALKED = "walked"
"""The kind of the cards whose limits and soldes are walked up to, franc by franc."""

SOLDES[WALKED] = 1_000_000
KINDS = (RICH, RICH, RICH, RICH, POOR, FULL, LIMITED, OPPOSITION, EXPIRED, ANNULEE, EMISE)
"""The cards of each client, which its two members share."""

TYPES = ("CREDIT", "DEBIT", "TRANSFERT")
_EACH: tuple[tuple[str, int | None, int | None], ...] = (
    ("OPERATION", 40_000, None),
    ("JOUR", 90_000, None),
    ("JOUR", None, 3),
    ("MOIS", 150_000, None),
    ("MOIS", None, 4),
    ("JOUR", 90_000, 9),
)
"""The limits of the walked cards, one a card, of every type: period, francs, number."""

_OF_PARTNER: tuple[tuple[str, str, int | None, int | None], ...] = (
    ("CREDIT", "OPERATION", 50_000, None),
    ("CREDIT", "JOUR", 120_000, None),
    ("DEBIT", "JOUR", None, 6),
    ("DEBIT", "MOIS", 130_000, None),
    ("TRANSFERT", "JOUR", 110_000, 9),
)

HEADER = (
    "clientId,clientNom,membreId,nom,prenom,email,telephone,numeroPiece,"
    "dateNaissance,numeroCarte,finValidite,statut,solde"
)


class Limite(NamedTuple):
    """A limit (plafond): of the card of this number, or of the partner of this name."""

    sujet: str
    type: str
    periode: str
    montant: int | None
    nombre: int | None

    @property
    def of_partner(self) -> bool:
        """Whether it is a partner's."""
        return not self.sujet.isdecimal()

    @property
    def most(self) -> str:
        """What it lets through, for whoever reads a finding."""
        francs = [] if self.montant is None else [f"{self.montant} FCFA"]
        number = [] if self.nombre is None else [f"{self.nombre} operations"]
        return f"at most {' and '.join([*francs, *number])}"

    @property
    def command(self) -> list[str]:
        """What sets it, after `cynod plafond set` and whose it is."""
        most = [("--montant", self.montant), ("--nombre", self.nombre)]
        given = [word for name, value in most if value is not None for word in (name, str(value))]
        return ["--type", self.type, "--periode", self.periode, *given]


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
    walkers: list[Partenaire] = field(default_factory=list)
    """Partners whose limits and soldes are walked up to; nobody else acts on their cards."""

    managers: list[Partenaire] = field(default_factory=list)
    """Who turns secrets over and blocks cards, its own alone: of the generated calls, then of those that ask
    for every code. None on a deployment, where nobody can be given a pair to lose."""

    limites: list[Limite] | None = None
    """Every limit there is; None where nobody knows, as of a deployment."""

    @property
    def is_nowhere(self) -> bool:
        """Whether the server is not known yet."""
        return not self.url

    @property
    def acting(self) -> Partenaire:
        """Who calls."""
        return self.partenaires[0]

    @property
    def cartes(self) -> list[Carte]:
        """Every card, of all partners, in an order that a replay finds again."""
        everyone = [*self.partenaires, *self.walkers, *self.managers]
        everyone.sort(key=lambda one: one.name)
        return [carte for one in everyone for carte in one.cartes]

    def write(self, path: Path) -> None:
        """Write it for the hooks, for the owner's eyes only."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")


def nowhere() -> Land:
    """A land without a server, until one is known."""
    return Land("", 0, [Partenaire("A", "", "", [], [])])


def read_land(path: Path) -> Land:
    """Read what `Land.write` wrote."""
    raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    people = {
        name: [
            Partenaire(**{**one, "cartes": [Carte(**carte) for carte in one["cartes"]]})
            for one in raw.pop(name)
        ]
        for name in ("partenaires", "walkers", "managers")
    }
    limites = raw.pop("limites")
    known = None if limites is None else [Limite(*one) for one in limites]
    raw |= people
    return Land(**raw, limites=known)


CLIENTS = {"A": ["FUZZ-A1", "FUZZ-A2"], "B": ["FUZZ-B1", "FUZZ-B2"]}
"""The clients of each partner of a server that the run starts itself."""

WALKERS = {"D": ["FUZZ-D1"], "E": ["FUZZ-E1"]}
"""And of those whose limits are walked up to: D's are of its cards, E has limits itself."""

MANAGERS = {"G": ["FUZZ-G1"], "H": ["FUZZ-H1"]}
"""And of those who turn secrets over and block cards: G's are for generated calls, H's for every code."""

OWNERS = {**CLIENTS, **WALKERS, **MANAGERS}

_CARTES = {
    "D": (*(WALKED,) * (len(TYPES) * len(_EACH)), RICH, POOR, POOR, POOR, FULL, FULL, FULL),
    "E": (RICH, RICH),
    **dict.fromkeys(MANAGERS, (*(RICH,) * 20, OPPOSITION, EXPIRED, ANNULEE, EMISE)),
}


def limites_of(cartes: list[Carte]) -> list[Limite]:
    """Every limit of these cards, and of the partners that have some."""
    made = [
        Limite(carte.numero, type_, "JOUR", 1_500_000, 3)
        for carte in cartes
        if carte.kind == LIMITED
        for type_ in TYPES
    ]
    walked = [carte.numero for carte in cartes if carte.kind == WALKED]
    each = [(type_, *one) for type_ in TYPES for one in _EACH]
    made += [Limite(numero, *one) for numero, one in zip(walked, each, strict=True)]
    return [*made, *(Limite("E", *one) for one in _OF_PARTNER)]


def make_cartes(name: str) -> list[Carte]:
    """The cards of a partner: the same in every run, so that a stored failure finds them again."""
    made = []
    for client_id in OWNERS[name]:
        block = f"{ord(name[0])}{client_id[-1]}"
        for number, kind in enumerate(_CARTES.get(name, KINDS)):
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
    """Every card of every partner, as `cynod import` reads it."""
    lines = [HEADER]
    for name in OWNERS:
        for carte in make_cartes(name):
            fin = "31/01/2020" if carte.kind == EXPIRED else "18/07/2039"
            statut = carte.kind.upper() if carte.kind in (OPPOSITION, ANNULEE) else "ACTIVE"
            lines.append(
                f"{carte.client},Client {carte.client},{carte.membre},Nom,Prenom,,{carte.wallet},,,"
                f"{carte.numero},{fin},{statut},{SOLDES[carte.kind]}"
            )
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
