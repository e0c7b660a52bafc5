"""What the auditor holds cards to, by the registers alone: their states, their links, what moved with them.

- a card goes from one state to another as the table says, each passage with its row of the audit;
- who takes another's place has its money, its limits and what these have counted; the other one is cancelled;
- of a lineage, one card at most can be used;
- money that a demande moves moves once, as it was asked; "all of it" leaves nothing.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import NamedTuple

from tests.lab.proof.answers import DOUBLED, LOST, WRONG, Find
from tests.lab.proof.record import SPECIAL
from tests.lab.proof.registers import Audit, Carte, Demande, Registers, Special

EMISE, ACTIVE, OPPOSITION, ANNULEE = "EMISE", "ACTIVE", "OPPOSITION", "ANNULEE"
REPLACED = "REMPLACEE"
CARTE = "CARTE"

PASSAGES: dict[str, set[tuple[str | None, str]]] = {
    "emettreCartes": {(None, EMISE)},
    "remplacerCarte": {(None, EMISE)},
    "activerCarte": {
        *((EMISE, ACTIVE), (EMISE, ANNULEE), (ACTIVE, ANNULEE), (OPPOSITION, ANNULEE)),
    },
    "opposerCarte": {(EMISE, OPPOSITION), (ACTIVE, OPPOSITION), (OPPOSITION, OPPOSITION)},
    "opposerMaCarte": {(EMISE, OPPOSITION), (ACTIVE, OPPOSITION)},
    "leverOpposition": {(OPPOSITION, EMISE), (OPPOSITION, ACTIVE)},
    "leverMonOpposition": {(OPPOSITION, EMISE), (OPPOSITION, ACTIVE)},
    "annulerCarte": {(EMISE, ANNULEE), (ACTIVE, ANNULEE), (OPPOSITION, ANNULEE)},
    "renouvelerCarte": {(EMISE, EMISE), (ACTIVE, ACTIVE)},
}
"""From where to where each change leads; None is nowhere."""

MOVES = {"transfererSoldeSpecial": SPECIAL, "corrigerSoldeOuverture": "CORRECTION_OUVERTURE"}
"""Demandes that move money, and the type of the operation that does."""


class Passage(NamedTuple):
    """A row of the audit about a card, and the state after it."""

    line: Audit
    statut: str


def check_cards(registers: Registers, find: Find) -> dict[str, list[Passage]]:
    """Look at every card; the passages of each, by its carteId."""
    passages = {
        carte.carte_id: _check_passages(carte, lines, find) for carte, lines in _lines_of(registers)
    }
    _check_lineages(registers, find)
    _check_specials(registers, find)
    _check_limits(registers, find)
    return passages


def _lines_of(registers: Registers) -> list[tuple[Carte, list[Audit]]]:
    by_card: dict[str, list[Audit]] = defaultdict(list)
    for line in registers.audit:
        if line.objet[0] == CARTE:
            by_card[line.objet[1]].append(line)
    return [(carte, by_card[carte.carte_id]) for carte in registers.cartes.values()]


# ── states ───────────────────────────────────────────────────────────────────────────────────────
def _check_passages(carte: Carte, lines: list[Audit], find: Find) -> list[Passage]:
    where = f"card {carte.numero[-4:]}"
    changes = [line for line in lines if line.action in PASSAGES]
    made = any(_statut(line.avant) is None and _statut(line.apres) == EMISE for line in changes)
    statut = None if made else ACTIVE
    found = []
    before: str | None = None
    for line in changes:
        after = _statut(line.apres) or statut
        said = _statut(line.avant) or (statut if line.avant else None)
        if said != statut or (statut, after) not in PASSAGES[line.action]:
            find(WRONG, f"{where}: {line.action} led it from {said} to {after}, it was {statut}")
        if after == OPPOSITION and statut != OPPOSITION:
            before = statut
        if statut == OPPOSITION and after in (EMISE, ACTIVE) and after != before:
            find(WRONG, f"{where} is {after} after its block, and was {before} before it")
        statut = after
        found.append(Passage(line, str(after)))
    if (statut or ACTIVE) != carte.statut:
        kind = LOST if changes else WRONG
        find(kind, f"{where} is {carte.statut}, its last change made it {statut}")
    told = len(changes) - made + 1
    if carte.changes != told:
        kind = DOUBLED if carte.changes > told else LOST
        find(kind, f"{where} is in its state {carte.changes}, by the audit in its {told}")
    return found


def _statut(fields: object) -> str | None:
    return fields.get("statut") if isinstance(fields, dict) else None


# ── lineages ─────────────────────────────────────────────────────────────────────────────────────
def _ancestry(carte: Carte, cartes: dict[str, Carte]) -> list[Carte]:
    """The card, and those whose place it has taken, one after the other."""
    found = [carte]
    while found[-1].remplace is not None and found[-1].activated:
        found.append(cartes[found[-1].remplace])
    return found


def _check_lineages(registers: Registers, find: Find) -> None:
    heirs = Counter(
        one.remplace for one in registers.cartes.values() if one.remplace and one.activated
    )
    for carte_id, count in heirs.items():
        if count > 1:
            find(DOUBLED, f"card {_name(registers, carte_id)} was replaced {count} times")
    for carte in registers.cartes.values():
        line = _ancestry(carte, registers.cartes)
        for replaced in line[1:]:
            if replaced.statut != ANNULEE:
                find(WRONG, f"card {replaced.numero[-4:]} was replaced, and is {replaced.statut}")
        if carte.motif == REPLACED and not heirs[carte.carte_id]:
            find(
                WRONG, f"card {carte.numero[-4:]} is cancelled as replaced, and nothing replaces it"
            )


def _name(registers: Registers, carte_id: str | None) -> str:
    return registers.cartes[carte_id].numero[-4:] if carte_id else "none"


# ── money ────────────────────────────────────────────────────────────────────────────────────────
def _check_specials(registers: Registers, find: Find) -> None:
    """Whatever a demande moves it moves once, as it says; nothing else moves without a partner."""
    by_demande = {one.demande_id: one for one in registers.demandes}
    counted = Counter(one.demande_id for one in registers.specials)
    for row in registers.demandes:
        if row.type in MOVES:
            expected = int(row.statut == "EXECUTEE")
            if counted[row.demande_id] != expected:
                kind = DOUBLED if counted[row.demande_id] > expected else LOST
                find(kind, f"{row.reference} moved money {counted[row.demande_id]} times")
    for special in registers.specials:
        asked = by_demande.get(special.demande_id)
        if asked is None or asked.statut != "EXECUTEE":
            fault = "moves money for a demande that was not executed"
        elif asked.type == "activerCarte":
            fault = _fault_of_activation(special, registers.cartes.get(asked.contenu["carteId"]))
        else:
            fault = _fault_of_transfer(special, asked)
        if fault:
            find(WRONG, f"{special.numero} {fault}")


def _fault_of_activation(special: Special, new: Carte | None) -> str:
    if new is None or (special.de, special.vers) != (new.remplace, new.carte_id):
        return "moved money between other cards than those of an activation"
    return f"left {special.left} on the card that was replaced" if special.left else ""


def _fault_of_transfer(special: Special, row: Demande) -> str:
    if MOVES.get(row.type) != special.type:
        return f"is a {special.type} of {row.type}"
    if special.type != SPECIAL:
        return ""
    asked, montant = row.contenu, row.contenu.get("montant")
    if (special.de, special.vers) != (asked["carteId"], asked["carteIdDestination"]):
        return "moves money between other cards than was asked"
    if montant is None:
        return f"left {special.left}, and all of it was asked" if special.left else ""
    return "" if montant == special.montant else "moves another amount than was asked"


def _check_limits(registers: Registers, find: Find) -> None:
    """A limit is on the card that is used, and has counted what its whole lineage moved."""
    replaced = {one.remplace for one in registers.cartes.values() if one.activated}
    for plafond in registers.plafonds:
        carte = registers.cartes[plafond.carte_id]
        if carte.carte_id in replaced:
            find(LOST, f"card {carte.numero[-4:]} was replaced, and has kept its limit")
        line = _ancestry(carte, registers.cartes)
        moved = [registers.moved.get((one.carte_id, plafond.type), (0, 0)) for one in line]
        expected = (sum(francs for francs, _ in moved), sum(number for _, number in moved))
        if (plafond.montant, plafond.nombre) != expected:
            find(
                WRONG,
                f"card {carte.numero[-4:]}: its limit of {plafond.type} has counted"
                f" {plafond.montant} of {plafond.nombre}, its lineage moved {expected[0]} of"
                f" {expected[1]}",
            )
