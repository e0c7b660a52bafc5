"""The card programme's state machine: persons change what cards are, while partners move money on them.

Beside what partners may ask (`teller.py`), three persons issue, activate, block, lift, cancel, renew and
replace cards, move what is left on those out of service, correct openings, set limits, and agree to each
other's demandes at once, later or never. The model knows the table of states and nothing else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule
from sqlalchemy import text

from models.base import SOLDE_MAXIMAL
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION
from tests.support.contract_client import Json, base_core
from tests.support.persons import PersonClient, new_reference
from tests.support.teller import (
    OFFICE,
    OPENING,
    UNUSABLE,
    Limit,
    Line,
    Request,
    Teller,
    assert_code,
    cards,
    maxima,
    partners,
    periods,
)
from tests.support.world import Carte, World

TEMPORARY = "BLOCAGE_TEMPORAIRE"
SEVERITY = (TEMPORARY, "SUSPICION", "AUTRE", "PERDUE", "VOLEE", "FRAUDE")
"""Reasons of a block, the mildest first."""

FINAL = ("VOLEE", "FRAUDE")
"""Those that nobody lifts."""

AT_ONCE = ("PERDUE", "VOLEE", "FRAUDE")
"""Reasons of a replacement that block the card when it is asked."""

REPLACED = "REMPLACEE"
MOST_CARDS = 4
"""Of one holder: what is drawn shall meet again."""

CATALOGUE = base_core().catalogue

kinds = st.sampled_from(["CREDIT", "DEBIT", "TRANSFERT"])
persons = st.sampled_from([0, 1, 2])
how = st.sampled_from(["at once", "at once", "at once", "by its maker", "later"])
block_reasons = st.sampled_from([TEMPORARY, TEMPORARY, "SUSPICION", "AUTRE", "PERDUE", "VOLEE"])
replacement_reasons = st.sampled_from(
    ["PERDUE", "VOLEE", "DEGRADEE", "DEGRADEE", "CHANGEMENT_PROFIL"]
)
openings = st.sampled_from([0, 300, 1_000, 2_000, 3_000])
parts = st.sampled_from([None, None, 400, 5_000])


@dataclass
class Life:
    """What a card has been through, beside its statut: `model.statuts` has that."""

    carte_id: str
    opening: int | None = None
    last: bool = False
    """Whether it is good for as long as renewing it could make it."""
    motif: str | None = None
    avant: str | None = None
    blocked_by: str | None = None
    version: int = 1
    replaces: str | None = None
    renewed: int = 0


Effect = Callable[[Json], None]
Reasons = Callable[[], set[str]]


class Pending(NamedTuple):
    """A demande that waits, and what is right once it is agreed to."""

    maker: int
    demande: Json
    reasons: Reasons
    effect: Effect
    on: str
    version: int


@dataclass
class Desk:
    """What the model knows of the back office."""

    lives: dict[str, Life] = field(default_factory=dict)
    family: dict[str, list[str]] = field(default_factory=dict)
    pending: dict[tuple[str, str], Pending] = field(default_factory=dict)
    made: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    """Of limits, named as the audit names them."""


class Programme(Teller):
    """Two partners and three persons, on cards that come, change and go."""

    staff: ClassVar[list[PersonClient]]
    profil_id: ClassVar[str]

    # Persons and partners do it here, through the API.
    oppose_or_free = None  # type: ignore[assignment]

    def __init__(self) -> None:
        """Open the cards, and look what they are called."""
        super().__init__()
        self.desk = Desk()
        for name, carte in self.place.cartes.items():
            opening = self.model.soldes[name] or None
            carte_id = carte_id_of(self.world, carte.numero)
            self.desk.lives[name] = Life(carte_id, opening, last=True)
            self.desk.family[name] = [name]

    def found(self, carte: str) -> str:
        """One of the cards that its holder has, by what was done so far."""
        family = self.desk.family[carte]
        return family[self.steps % len(family)]

    # ── demandes ─────────────────────────────────────────────────────────────────────────────────
    def demand(
        self,
        person: int,
        what: str,
        body: Json,
        *,
        on: str,
        way: str,
        reasons: Reasons,
        effect: Effect,
        asks: int = 1,
        at_entry: Callable[[], None] = lambda: None,
    ) -> None:
        """Enter a demande about a card, and see it through in the way that was drawn."""
        key = (what, on or new_reference())
        expected = reasons()
        if asks and key in self.desk.pending:
            expected.add("6012")
        path = PATHS[what]
        answer = self.staff[person].post(path, json={**body, "reference": new_reference()})
        if expected:
            refused(answer, expected)
            return
        demande = done(answer)
        if not asks:
            assert demande["statut"] == "EXECUTEE", demande
            effect(demande)
            return
        assert (demande["statut"], demande["validationsRequises"]) == ("SAISIE", asks), demande
        at_entry()

        seen = self.version_of(on)
        self.desk.pending[key] = Pending(person, demande, reasons, effect, on, seen)
        if way == "by its maker":
            refused(self.staff[person].agree(demande), {"6003"})
        if way != "later":
            self.agree(key, (person + 1) % len(self.staff))

    def version_of(self, on: str) -> int:
        """How often the object of a demande has changed: a card, a limit, or nothing yet."""
        life = self.desk.lives.get(on)
        return self.desk.changes[on] if life is None else life.version

    def agree(self, key: tuple[str, str], person: int) -> None:
        """Agree to what waits: done, or refused for what is so now."""
        waits = self.desk.pending[key]
        fresh = self.version_of(waits.on) == waits.version
        expected = waits.reasons() if fresh else {"6006"}
        answer = self.staff[person].agree(waits.demande)
        if person == waits.maker:
            expected = {"6003"}
        if expected:
            refused(answer, expected)
            return
        demande = done(answer)
        assert demande["statut"] == "EXECUTEE", demande
        del self.desk.pending[key]
        waits.effect(demande)

    @precondition(lambda self: bool(self.desk.pending))
    @rule(data=st.data(), person=persons)
    def agree_later(self, data: st.DataObject, person: int) -> None:
        """Agree to one of the demandes that wait."""
        self.agree(data.draw(st.sampled_from(sorted(self.desk.pending))), person)

    @precondition(lambda self: bool(self.desk.pending))
    @rule(data=st.data(), rejected=st.booleans())
    def drop(self, data: st.DataObject, rejected: bool) -> None:
        """Reject one of the demandes that wait, or take it back: nothing comes of it."""
        key = data.draw(st.sampled_from(sorted(self.desk.pending)))
        waits = self.desk.pending.pop(key)
        named = {"demandeId": waits.demande["demandeId"]}
        if rejected:
            other = self.staff[(waits.maker + 1) % len(self.staff)]
            answer = other.post("/rejeter-demande", json={**named, "motif": "preuve"})
        else:
            answer = self.staff[waits.maker].post("/retirer-demande", json=named)
        assert done(answer)["statut"] == ("REJETEE" if rejected else "RETIREE")

    # ── cards that come ──────────────────────────────────────────────────────────────────────────
    @rule(person=persons, carte=cards, way=how)
    def issue(self, person: int, carte: str, way: str) -> None:
        """Issue a card to the holder of another one."""
        if len(self.desk.family[carte]) >= MOST_CARDS:
            return
        membre = self.place.cartes[carte].membre
        body = {
            "clientId": membre.client_id,
            "profilId": self.profil_id,
            "porteurs": [{"membreId": membre.membre_id}],
        }

        def effect(demande: Json) -> None:
            (told,) = demande["resultat"]["cartes"]
            self.welcome(carte, told["carteId"], told["numeroCarte"])

        self.demand(person, "emettreCartes", body, on="", way=way, reasons=set, effect=effect)

    def welcome(self, carte: str, carte_id: str, numero: str, replaces: str | None = None) -> None:
        """A new card of a holder is there, and cannot be used yet."""
        self.desk.made += 1
        name = f"{carte[0]}{self.desk.made + 2}"
        first = self.place.cartes[carte]
        row = row_of(self.world, numero)
        self.place.cartes[name] = Carte(row, numero, first.membre)
        self.desk.lives[name] = Life(carte_id, replaces=replaces)
        family = next(names for names in self.desk.family.values() if carte in names)
        family.append(name)
        self.model.soldes[name] = 0
        self.model.statuts[name] = EMISE

    # ── states ───────────────────────────────────────────────────────────────────────────────────
    def forbidden(self, name: str, *of: str, canceled: str = "3006") -> set[str]:
        """The code for a transition of a card that is in none of these states."""
        statut = self.model.statuts[name]
        if statut in of:
            return set()
        return {canceled} if statut == ANNULEE else {"3006"}

    def turn(self, name: str, statut: str, **columns: Any) -> None:
        """The card is in another state."""
        life = self.desk.lives[name]
        self.model.statuts[name] = statut
        life.version += 1
        life.motif, life.avant, life.blocked_by = None, None, None
        for column, value in columns.items():
            setattr(life, column, value)

    @rule(person=persons, carte=cards)
    def activate(self, person: int, carte: str) -> None:
        """Activate a card: one that replaces another takes its money, its limits and its place."""
        self.activate_one(person, self.found(carte))

    def activate_one(self, person: int, name: str) -> None:
        """Activate this card."""
        numero = self.place.cartes[name].numero
        body = {"carteId": self.desk.lives[name].carte_id, "dernierQuatre": numero[-4:]}

        def effect(demande: Json) -> None:
            self.turn(name, ACTIVE)
            old = self.desk.lives[name].replaces
            if old is not None:
                self.take_over(demande, old, name)

        self.demand(
            person, "activerCarte", body, on=name, way="", asks=0, effect=effect,
            reasons=lambda: self.forbidden(name, EMISE),
        )  # fmt: skip

    def take_over(self, demande: Json, old: str, new: str) -> None:
        """A card has taken the place of another."""
        model, montant = self.model, self.model.soldes[old]
        if montant:
            model.post(old, new, montant)
            self.note(demande, "TRANSFERT_SPECIAL", old, new, montant)
        for limit in [one for one in model.limits if one[:2] == ("carte", old)]:
            most = model.limits.pop(limit)
            model.limits.setdefault(limit._replace(name=new), most)
        model.before[new] = old
        if model.statuts[old] != ANNULEE:
            self.turn(old, ANNULEE, motif=REPLACED)

    def note(
        self, demande: Json, kind: str, carte: str, destination: str | None, montant: int
    ) -> None:
        """The line of what a demande has moved."""
        line = (OFFICE, demande["demandeId"], kind, carte, destination, montant, None)
        self.model.lines.append(Line(*line))

    @rule(person=persons, carte=cards, motif=block_reasons)
    def block(self, person: int, carte: str, motif: str) -> None:
        """Block a card, or say a worse reason of one that is blocked."""
        name = self.found(carte)
        life, statuts = self.desk.lives[name], self.model.statuts
        body: Json = {"carteId": life.carte_id, "motifOpposition": motif}
        if motif == "AUTRE":
            body["commentaire"] = "preuve"

        def reasons() -> set[str]:
            if statuts[name] == OPPOSITION:
                worse = SEVERITY.index(motif) > SEVERITY.index(life.motif or TEMPORARY)
                return set() if worse else {"3006"}
            return self.forbidden(name, EMISE, ACTIVE, canceled="3003")

        def effect(_demande: Json) -> None:
            avant = life.avant if statuts[name] == OPPOSITION else statuts[name]
            self.turn(name, OPPOSITION, motif=motif, avant=avant)

        self.demand(
            person, "opposerCarte", body, on=name, way="", asks=0, reasons=reasons, effect=effect
        )

    @rule(person=persons, carte=cards, way=how)
    def unblock(self, person: int, carte: str, way: str) -> None:
        """Lift a block: the card is what it was before."""
        name = self.found(carte)
        life = self.desk.lives[name]

        def reasons() -> set[str]:
            found = self.forbidden(name, OPPOSITION)
            return found or ({"3007"} if life.motif in FINAL else set())

        self.demand(
            person, "leverOpposition", {"carteId": life.carte_id, "motif": "preuve"},
            on=name, way=way, reasons=reasons, asks=int(life.motif != TEMPORARY),
            effect=lambda _: self.turn(name, str(life.avant)),
        )  # fmt: skip

    @rule(person=persons, carte=cards, way=how)
    def cancel(self, person: int, carte: str, way: str) -> None:
        """Cancel a card, for ever: what is on it stays."""
        name = self.found(carte)
        body = {"carteId": self.desk.lives[name].carte_id, "motifAnnulation": "FIN_DE_CONTRAT"}
        self.demand(
            person, "annulerCarte", body, on=name, way=way,
            reasons=lambda: self.forbidden(name, EMISE, ACTIVE, OPPOSITION, canceled="3003"),
            effect=lambda _: self.turn(name, ANNULEE, motif="FIN_DE_CONTRAT"),
        )  # fmt: skip

    @rule(person=persons, carte=cards, way=how)
    def renew(self, person: int, carte: str, way: str) -> None:
        """A card is good for longer."""
        name = self.found(carte)
        life = self.desk.lives[name]

        def reasons() -> set[str]:
            sick = {UNUSABLE[self.model.statuts[name]]} - {"", "3004"}
            return sick or ({"405"} if life.last else set())

        def effect(_demande: Json) -> None:
            life.last = True
            life.renewed += 1
            life.version += 1

        body = {"carteId": life.carte_id, "validiteMois": 60}
        self.demand(
            person, "renouvelerCarte", body, on=name, way=way, reasons=reasons, effect=effect
        )

    @rule(person=persons, carte=cards, motif=replacement_reasons, way=how, whole=st.booleans())
    def replace(self, person: int, carte: str, motif: str, way: str, whole: bool) -> None:
        """Ask for another card in the place of this one; and activate it, if all of it was drawn."""
        name = self.found(carte)
        if len(self.desk.family[carte]) >= MOST_CARDS:
            return
        life, statuts = self.desk.lives[name], self.model.statuts

        def at_entry() -> None:
            if motif not in AT_ONCE:
                return
            if statuts[name] == ACTIVE:
                self.turn(name, OPPOSITION, motif=motif, avant=ACTIVE)
            elif SEVERITY.index(motif) > SEVERITY.index(life.motif or TEMPORARY):
                self.turn(name, OPPOSITION, motif=motif, avant=life.avant)

        def effect(demande: Json) -> None:
            told = demande["resultat"]
            self.welcome(carte, told["carteId"], told["numeroCarte"], replaces=name)

        body = {
            "carteId": life.carte_id,
            "motifRemplacement": motif,
            "profilId": self.profil_id,
        }
        self.demand(
            person, "remplacerCarte", body, on=name, way=way, effect=effect,
            reasons=lambda: self.irreplaceable(name), at_entry=at_entry,
        )  # fmt: skip
        heir = self.desk.family[carte][-1]
        if whole and self.desk.lives[heir].replaces == name:
            self.activate_one(person, heir)

    def irreplaceable(self, name: str) -> set[str]:
        """The code for which a card is given no successor."""
        statuts = self.model.statuts
        if statuts[name] in (ANNULEE, EMISE):
            return {"3003" if statuts[name] == ANNULEE else "3006"}
        heirs = [one for one, life in self.desk.lives.items() if life.replaces == name]
        return {"3009"} if any(statuts[one] != ANNULEE for one in heirs) else set()

    # ── money ────────────────────────────────────────────────────────────────────────────────────
    @rule(person=persons, carte=cards, other=cards, part=parts, way=how)
    def rescue(self, person: int, carte: str, other: str, part: int | None, way: str) -> None:
        """Move what is on a card out of service to one that is in service."""
        name, to = self.found(carte), self.found(other)
        model = self.model

        def reasons() -> set[str]:
            montant = model.soldes[name] if part is None else part
            found = {UNUSABLE[model.statuts[to]]} - {""}
            if name == to:
                found.add("405")
            if model.statuts[name] not in (OPPOSITION, ANNULEE):
                found.add("4014")
            if montant > model.soldes[name] or not montant:
                found.add("4001")
            if name[0] != to[0] and not model.one_reseau:
                found.add("4004")
            return found

        def effect(demande: Json) -> None:
            montant = model.soldes[name] if part is None else part
            model.post(name, to, montant)
            self.note(demande, "TRANSFERT_SPECIAL", name, to, montant)

        lives = self.desk.lives
        body = {
            "carteId": lives[name].carte_id,
            "carteIdDestination": lives[to].carte_id,
            "motif": "preuve",
            **({} if part is None else {"montant": part}),
        }
        self.demand(
            person, "transfererSoldeSpecial", body, on=name, way=way, reasons=reasons, effect=effect
        )

    @rule(person=persons, carte=cards, right=openings, way=how)
    def correct(self, person: int, carte: str, right: int, way: str) -> None:
        """Say what the opening of a card should have been."""
        name = self.found(carte)
        life, model = self.desk.lives[name], self.model

        def reasons() -> set[str]:
            if life.opening is None or model.statuts[name] in (OPPOSITION, ANNULEE):
                return {"6009"}
            more = right - life.opening
            if not more:
                return {"6009"}
            after = model.soldes[name] + more
            return {"4001"} if after < 0 else {"4003"} if after > SOLDE_MAXIMAL else set()

        def effect(demande: Json) -> None:
            more = right - (life.opening or 0)
            accounts = (OPENING, name) if more > 0 else (name, OPENING)
            model.post(*accounts, abs(more))
            self.note(demande, "CORRECTION_OUVERTURE", name, None, abs(more))
            life.opening = right

        body = {"carteId": life.carte_id, "soldeOuverture": right, "motif": "preuve"}
        self.demand(
            person, "corrigerSoldeOuverture", body, on=name, way=way, reasons=reasons, effect=effect
        )

    # ── limits ───────────────────────────────────────────────────────────────────────────────────
    def limit_changed(self, limit: Limit) -> None:
        """What was decided about it is stale."""
        self.desk.changes[name_of(limit)] += 1

    @rule(person=persons, carte=cards, kind=kinds, periode=periods, most=maxima, way=how)
    def set_limit(
        self,
        person: int,
        carte: str,
        kind: str,
        periode: str,
        most: tuple[int | None, int | None],
        way: str,
    ) -> None:
        """Limit a card: at once when nothing more is permitted than before."""
        if periode == "OPERATION":
            most = (most[0] or 700, None)
        limit = Limit("carte", self.found(carte), kind, periode)
        before = self.model.limits.get(limit, (None, None))
        lower = all(
            was is None or (now is not None and now <= was)
            for now, was in zip(most, before, strict=True)
        )

        def effect(_demande: Json) -> None:
            self.model.limits[limit] = most
            self.limit_changed(limit)

        body = {**self.named(limit), "montantMaximal": most[0], "nombreMaximal": most[1]}
        self.demand(
            person, "saisirPlafondCarte", {k: v for k, v in body.items() if v is not None},
            on=name_of(limit), way=way, asks=int(not lower), effect=effect,
            reasons=lambda: {"3003"} if self.model.statuts[limit.name] == ANNULEE else set(),
        )  # fmt: skip

    @precondition(lambda self: any(one.whose == "carte" for one in self.model.limits))
    @rule(data=st.data(), person=persons, way=how)
    def lift_limit(self, data: st.DataObject, person: int, way: str) -> None:
        """Take a limit of a card away."""
        known = sorted(one for one in self.model.limits if one.whose == "carte")
        limit = data.draw(st.sampled_from(known))

        def effect(_demande: Json) -> None:
            del self.model.limits[limit]
            self.limit_changed(limit)

        self.demand(
            person, "retirerPlafondCarte", self.named(limit), on=name_of(limit), way=way,
            effect=effect,
            reasons=lambda: set() if limit in self.model.limits else {"6007"},
        )  # fmt: skip

    def named(self, limit: Limit) -> Json:
        """What names a limit of a card to persons."""
        carte_id = self.desk.lives[limit.name].carte_id
        return {"carteId": carte_id, "type": limit.kind, "periode": limit.periode}

    # ── what partners may do of it ───────────────────────────────────────────────────────────────
    @rule(partner=partners, carte=cards, motif=st.sampled_from([TEMPORARY, "PERDUE", "VOLEE"]))
    def block_mine(self, partner: str, carte: str, motif: str) -> None:
        """A partner blocks a card."""
        name = self.found(carte)
        answer = self.ask_of_state(partner, "/opposer-carte", name, motifOpposition=motif)
        expected = self.forbidden(name, EMISE, ACTIVE, canceled="3003")
        if not self.model.owns(partner, name):
            expected = {"412"}
        if expected:
            assert_code(answer, expected)
            return
        assert answer.status_code == 200, answer.text
        avant = self.model.statuts[name]
        self.turn(name, OPPOSITION, motif=motif, avant=avant, blocked_by=partner)

    @rule(partner=partners, carte=cards)
    def unblock_mine(self, partner: str, carte: str) -> None:
        """A partner lifts a block: only one of his own, and only for a time."""
        name = self.found(carte)
        life = self.desk.lives[name]
        answer = self.ask_of_state(partner, "/lever-opposition", name)
        if not self.model.owns(partner, name):
            assert_code(answer, {"412"})
        elif (life.motif, life.blocked_by) == (TEMPORARY, partner):
            assert answer.status_code == 200, answer.text
            self.turn(name, str(life.avant))
        else:
            assert_code(answer, {"3007"})

    def ask_of_state(self, partner: str, path: str, name: str, **more: Any) -> httpx.Response:
        """Ask as a partner for another state of a card."""
        query = self.place.cartes[name].query
        return self.ask(Request(partner, path, {**query, **more, "reference": new_reference()}))

    # ── after every step ─────────────────────────────────────────────────────────────────────────
    @invariant()
    def cards_are_what_the_model_says(self) -> None:
        """SQL alone tells each card's reason, what it was before, its changes, and whose place it takes."""
        named = {life.carte_id: name for name, life in self.desk.lives.items()}
        expected = {
            name: (life.motif, life.avant, life.version, life.replaces, life.renewed)
            for name, life in self.desk.lives.items()
        }
        with self.world.database.reading() as connection:
            rows = connection.execute(text(_STATES), self.place.before).all()
        found = {named[row[0]]: (*row[1:4], named.get(row[4]), row[5]) for row in rows}
        assert found == expected, f"{found}, expected {expected}"

    @invariant()
    def what_waits_is_told(self) -> None:
        """Demandes of a card that nobody has agreed to are counted on it."""
        name = self.found("A1")
        (told,) = self.staff[0].data("/get-carte", carteId=self.desk.lives[name].carte_id)
        waits = sum(on.partition(":")[0] == name for _, on in self.desk.pending)
        found = (told["statut"], told["soldeOnline"], told["demandesEnAttente"])
        expected = (self.model.statuts[name], self.model.soldes[name], waits)
        assert found == expected, f"{found}, expected {expected}"


_STATES = """
    SELECT c.carte_id, c.motif_statut, c.statut_avant_opposition, c.etat_version, r.carte_id,
           c.renouvellements
      FROM cartes c LEFT JOIN cartes r ON r.id = c.remplace_id
     WHERE c.id > :cartes
"""

PATHS = {
    "emettreCartes": "/emettre-cartes",
    "activerCarte": "/activer-carte",
    "opposerCarte": "/opposer-carte",
    "leverOpposition": "/lever-opposition",
    "annulerCarte": "/annuler-carte",
    "renouvelerCarte": "/renouveler-carte",
    "remplacerCarte": "/remplacer-carte",
    "transfererSoldeSpecial": "/transferer-solde-special",
    "corrigerSoldeOuverture": "/corriger-solde-ouverture",
    "saisirPlafondCarte": "/saisir-plafond-carte",
    "retirerPlafondCarte": "/retirer-plafond-carte",
}


def name_of(limit: Limit) -> str:
    """A limit, among what demandes are about."""
    return f"{limit.name}:{limit.kind}:{limit.periode}"


def refused(answer: httpx.Response, codes: set[str]) -> None:
    """Assert that a person was refused with one of these codes."""
    assert_code(answer, codes, CATALOGUE)


def done(answer: httpx.Response) -> Json:
    """The demande of a write that succeeds."""
    assert answer.status_code == 200, answer.text
    demande: Json = answer.json()["data"][0]
    return demande


def carte_id_of(world: World, numero: str) -> str:
    """What a card is called for life."""
    with world.database.reading() as connection:
        statement = text("SELECT carte_id FROM cartes WHERE numero_carte = :numero")
        return str(connection.execute(statement, {"numero": numero}).scalar_one())


def row_of(world: World, numero: str) -> int:
    """The row of a card."""
    with world.database.reading() as connection:
        statement = text("SELECT id FROM cartes WHERE numero_carte = :numero")
        return int(connection.execute(statement, {"numero": numero}).scalar_one())
