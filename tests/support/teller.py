"""The partners' state machine: what two of them may ask, and in plain Python what is then right."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

import httpx
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from sqlalchemy import text

from models.books.controle import verify_seals
from models.books.scellement import seal
from models.books.verification import verify
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import CATALOGUE, ContractClient, Json
from tests.support.plafonds import remove_plafond, set_plafond
from tests.support.world import Carte, World, place

PATHS = {"CREDIT": "/credit-carte", "DEBIT": "/debit-carte", "TRANSFERT": "/transferer-solde"}
REPLAYED = "Idempotent-Replayed"

PARTNERS, CARDS = ("both", "first"), ("A1", "A2", "B1")
OFFICE, OPENING = "office", "opening"
"""Whose the operations are that no partner asks; the account that openings come from."""

UNUSABLE = {ACTIVE: "", EMISE: "3004", OPPOSITION: "3002", ANNULEE: "3003"}
"""What is said of a card in each of its states."""

NEW = "a new reference"
SEALED_EVERY = 6
"""Steps between two seals of what was done."""

partners = st.sampled_from([*PARTNERS, "both"])
cards = st.sampled_from(CARDS)
ways = st.sampled_from(
    [("A1", "A2"), ("A2", "A1"), ("A1", "B1"), ("B1", "A2"), ("A1", "A2"), ("B1", "B1")]
)
# Few names and few amounts, so that the same ones meet again; but most calls shall do something.
references = st.sampled_from([NEW, NEW, NEW, "R-0", "R-1", "R-2"])
amounts = st.sampled_from([1, 400, 700, 1_000])

# A month, and not a day too: the machine may run at midnight.
periods = st.sampled_from(["MOIS", "MOIS", "OPERATION"])
subjects = st.sampled_from(
    [("carte", "A1"), ("carte", "B1"), *(("partner", one) for one in PARTNERS)]
)
maxima = st.sampled_from([(0, None), (500, None), (1_100, None), (None, 1), (2_000, 3)])

WRONG: list[tuple[str, Any]] = [
    ("montant", 0),
    ("montant", -1),
    ("montant", 1.5),
    ("montant", "400"),
    ("montant", 10**9 + 1),
    ("montant", None),
    ("reference", ""),
    ("reference", "a b"),
    ("reference", 7),
    ("numeroCarte", "12"),
    ("walletId", None),
    ("motif", ""),
    ("surplus", 1),
]


class Request(NamedTuple):
    """What was sent: by whom, where, which body."""

    partner: str
    path: str
    body: Json


@dataclass
class Entry:
    """What a reference became in the model: an operation or a closing, and its first answer."""

    kind: str
    request: Request
    answer: bytes = b""
    carte: str = ""
    destination: str | None = None
    montant: int = 0
    origine: Entry | None = None
    reversed_by: Entry | None = None


class Line(NamedTuple):
    """An operation as the model, or SQL, has it."""

    partner: str
    reference: str
    type: str
    carte: str | None
    destination: str | None
    montant: int | None
    annulation_de: str | None


class Posting(NamedTuple):
    """An ecriture: from which account to which, and the soldes of the cards after it."""

    debit: str
    credit: str
    montant: int
    solde_debit: int | None
    solde_credit: int | None


class Limit(NamedTuple):
    """A plafond by what it is of: a card or a partner, a type of operations, a period."""

    whose: str
    name: str
    kind: str
    periode: str


@dataclass
class Model:
    """What the books must be."""

    soldes: dict[str, int] = field(default_factory=lambda: {"A1": 2_000, "A2": 0, "B1": 1_000})
    statuts: dict[str, str] = field(default_factory=lambda: dict.fromkeys(CARDS, ACTIVE))
    before: dict[str, str] = field(default_factory=dict)
    """Of a card, the one whose place it has taken."""
    one_reseau: bool = False
    used: dict[tuple[str, str], Entry] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    postings: list[Posting] = field(default_factory=list)
    answered: list[tuple[Request, bytes]] = field(default_factory=list)
    limits: dict[Limit, tuple[int | None, int | None]] = field(default_factory=dict)
    named: int = 0

    def name(self, reference: str) -> str:
        """The reference that was drawn, or one that nobody has used."""
        if reference != NEW:
            return reference
        self.named += 1
        return f"N-{self.named}"

    def owns(self, partner: str, carte: str) -> bool:
        """Whether the partner has access to the card's client."""
        return partner == "both" or carte.startswith("A")

    def reasons(
        self, partner: str, kind: str, carte: str, destination: str | None, montant: int
    ) -> set[str]:
        """Every code that would be right for this movement; none when it must be done."""
        found = set()
        touched = [carte] if destination is None else [carte, destination]
        if carte == destination:
            found.add("405")
        if not all(self.owns(partner, each) for each in touched):
            found.add("412")
        found |= {UNUSABLE[self.statuts[each]] for each in touched} - {""}
        if kind != "CREDIT" and self.soldes[carte] < montant:
            found.add("4001")
        if destination and carte[0] != destination[0] and not self.one_reseau:
            found.add("4004")
        if any(
            self.exceeds(limit, montant)
            for limit in self.limits
            if limit[:3] in (("carte", carte, kind), ("partner", partner, kind))
        ):
            found.add("4011")
        return found

    def counted(self, limit: Limit) -> tuple[int, int]:
        """The amount and the number of what a limit must have counted: what was not reversed."""
        mine = self.ancestry(limit.name)
        amounts = [
            entry.montant
            for (partner, _), entry in self.used.items()
            if (entry.kind, entry.reversed_by) == (limit.kind, None)
            and (entry.carte if limit.whose == "carte" else partner) in mine
        ]
        return sum(amounts), len(amounts)

    def ancestry(self, name: str) -> list[str]:
        """A card, and those whose place it has taken, one after the other."""
        before = self.before.get(name)
        return [name, *(self.ancestry(before) if before else ())]

    def exceeds(self, limit: Limit, montant: int) -> bool:
        """Whether one operation more, of this amount, would pass the limit."""
        most, times = self.limits[limit]
        moved, number = (0, 0) if limit.periode == "OPERATION" else self.counted(limit)
        too_much = most is not None and moved + montant > most
        return too_much or (times is not None and number + 1 > times)

    def post(self, debit: str, credit: str, montant: int) -> int | None:
        """Move money between two accounts; the solde of the debited card."""
        for account, sign in ((debit, -1), (credit, 1)):
            if account in self.soldes:
                self.soldes[account] += sign * montant
        after = self.soldes.get(debit), self.soldes.get(credit)
        self.postings.append(Posting(debit, credit, montant, *after))
        return after[0]


@dataclass
class Books:
    """What SQL alone tells of an example: everything that was written since it began."""

    soldes: dict[str, int]
    versions: dict[str, int]
    statuts: dict[str, str]
    lines: list[Line]
    postings: list[Posting]
    counted: dict[Limit, tuple[int, int]]
    untouched: tuple[int, ...]


class Place(NamedTuple):
    """Where an example happens: its cards and partners, and the last rows before its own."""

    cartes: dict[str, Carte]
    keys: dict[str, str]
    before: dict[str, int]


def read_books(database: Database, place: Place) -> Books:
    """Read the books of an example with SQL, without the product's own notions."""
    named = {carte.numero: name for name, carte in place.cartes.items()}
    keys = {key: name for name, key in place.keys.items()}
    before = place.before
    with database.reading() as connection:

        def rows(statement: str) -> list[Any]:
            return list(connection.execute(text(statement), before).all())

        mine = {row[0]: row for row in rows(
            "SELECT numero_carte, compte_id, solde, version, statut FROM cartes WHERE id > :cartes"
        )}  # fmt: skip
        accounts = {row[1]: named[row[0]] for row in mine.values()}
        for key, compte in rows("SELECT consumer_key, compte_id FROM partenaires"):
            if key in keys:
                accounts[compte] = keys[key]
        for (compte,) in rows("SELECT id FROM comptes WHERE type = 'OUVERTURE'"):
            accounts[compte] = OPENING
        lines = [
            Line(
                keys.get(row[0], OFFICE),
                row[1],
                row[2],
                named.get(row[3]),
                named.get(row[4]),
                *row[5:],
            )
            for row in rows(
                "SELECT p.consumer_key, coalesce(o.reference, o.demande_id), o.type,"
                " c.numero_carte, d.numero_carte,"
                " o.montant, a.reference FROM operations o"
                " LEFT JOIN partenaires p ON p.id = o.partenaire_id"
                " LEFT JOIN cartes c ON c.id = o.carte_id"
                " LEFT JOIN cartes d ON d.id = o.carte_destination_id"
                " LEFT JOIN operations a ON a.id = o.annulation_de"
                " WHERE o.id > :operations ORDER BY o.id"
            )
        ]
        postings = [
            Posting(accounts[row[0]], accounts[row[1]], *row[2:])
            for row in rows(
                "SELECT compte_debit, compte_credit, montant, solde_debit, solde_credit"
                " FROM ecritures WHERE id > :ecritures ORDER BY id"
            )
        ]
        counted = {
            Limit("carte", named[row[0]], *row[2:4])
            if row[1] is None
            else Limit("partner", keys[row[1]], *row[2:4]): (row[4], row[5])
            for row in rows(
                "SELECT c.numero_carte, p.consumer_key, l.type, l.periode, n.montant, n.nombre"
                " FROM consommations n JOIN plafonds l ON l.id = n.plafond_id"
                " LEFT JOIN cartes c ON c.id = l.carte_id"
                " LEFT JOIN partenaires p ON p.id = l.partenaire_id"
                " WHERE l.id > :plafonds"
            )
        }
        (untouched,) = rows(
            "SELECT (SELECT count(*) FROM operations WHERE id <= :operations),"
            " (SELECT count(*) FROM ecritures WHERE id <= :ecritures),"
            " (SELECT coalesce(sum(solde), 0) FROM cartes WHERE id <= :cartes),"
            " (SELECT coalesce(sum(version), 0) FROM cartes WHERE id <= :cartes)"
        )
    return Books(
        {named[row[0]]: row[2] for row in mine.values()},
        {named[row[0]]: row[3] for row in mine.values()},
        {named[row[0]]: row[4] for row in mine.values()},
        lines,
        postings,
        counted,
        tuple(map(int, untouched)),
    )


def last_ids(database: Database, *tables: str) -> dict[str, int]:
    """The last id of each table."""
    with database.reading() as connection:
        return {
            table: connection.execute(
                text(f"SELECT coalesce(max(id), 0) FROM {table}")
            ).scalar_one()
            for table in tables
        }


class Teller(RuleBasedStateMachine):
    """Two partners, two cards of a client and one of another, and whatever they are asked."""

    world: ClassVar[World]

    def __init__(self) -> None:
        """Open the cards, and remember where the books stand."""
        super().__init__()
        world = self.world
        self.steps = 0
        self.model = Model()
        before = last_ids(world.database, "cartes")
        first, second = world.membre(), world.membre()
        owners = {"A1": first, "A2": world.membre(first.client_id), "B1": second}
        cartes = {
            name: world.carte(self.model.soldes[name], membre=membre)
            for name, membre in owners.items()
        }
        self.clients = {"A": first.client_id, "B": second.client_id}
        pairs = {
            "both": world.partenaire([first.client_id, second.client_id]),
            "first": world.partenaire([first.client_id]),
        }
        self.apis: dict[str, ContractClient] = {
            name: world.api_of(pair) for name, pair in pairs.items()
        }
        before.update(last_ids(world.database, "operations", "ecritures", "plafonds"))
        self.place = Place(cartes, {name: pair[0] for name, pair in pairs.items()}, before)
        opened = read_books(world.database, self.place)
        self.untouched, self.versions = opened.untouched, opened.versions

    def teardown(self) -> None:
        """Prove the whole journal, and let the connections go."""
        with self.world.database.reading() as connection:
            assert verify(connection).faults == []
        with self.world.database.snapshot() as connection:
            assert verify_seals(connection).faults == []
        for client in self.world.opened:
            client.close()
        self.world.opened.clear()

    # ── asking and judging ───────────────────────────────────────────────────────────────────────
    def ask(self, request: Request) -> httpx.Response:
        """Send a request."""
        return self.apis[request.partner].post(request.path, json=request.body)

    def judge(
        self, request: Request, reference: str, reasons: set[str]
    ) -> tuple[bool, httpx.Response]:
        """Send a request that takes a reference; whether it must do something new, and the answer.

        A repeat must give the first answer, byte for byte; a refusal one of the right codes.
        """
        answer = self.ask(request)
        entry = self.model.used.get((request.partner, reference))
        if entry is not None and entry.request == request:
            assert (answer.status_code, answer.content) == (200, entry.answer)
            assert answer.headers[REPLAYED] == "true"
            return False, answer
        if entry is not None:
            reasons = reasons | {"4005" if entry.kind == "CLOTURE" else "4002"}
        if reasons:
            assert_code(answer, reasons)
            return False, answer
        assert answer.status_code == 200, answer.text
        assert REPLAYED not in answer.headers
        return True, answer

    def write(self, reference: str, entry: Entry, answer: httpx.Response) -> None:
        """Note in the model what was done."""
        entry.answer = answer.content
        partner = entry.request.partner
        self.model.used[partner, reference] = entry
        self.model.answered.append((entry.request, answer.content))
        origine = entry.origine.request.body["reference"] if entry.origine else None
        self.model.lines.append(
            Line(
                partner,
                reference,
                entry.kind,
                entry.carte or None,
                entry.destination,
                entry.montant or None,
                origine,
            )
        )

    def limit_changed(self, limit: Limit) -> None:
        """Somebody has set a limit, or taken it away."""

    def found(self, carte: str) -> str:
        """The card that a rule is about, by what was drawn."""
        return carte

    # ── rules ────────────────────────────────────────────────────────────────────────────────────
    @rule(partner=partners, carte=cards, montant=amounts, reference=references)
    def credit(self, partner: str, carte: str, montant: int, reference: str) -> None:
        """Credit a card."""
        self.move(partner, "CREDIT", carte, montant, self.model.name(reference))

    @rule(partner=partners, carte=cards, montant=amounts, reference=references)
    def debit(self, partner: str, carte: str, montant: int, reference: str) -> None:
        """Debit a card."""
        self.move(partner, "DEBIT", carte, montant, self.model.name(reference))

    def move(self, partner: str, kind: str, carte: str, montant: int, reference: str) -> None:
        """Credit or debit a card."""
        carte = self.found(carte)
        body = self.place.cartes[carte].mouvement(montant, reference)
        request = Request(partner, PATHS[kind], body)
        reasons = self.model.reasons(partner, kind, carte, None, montant)
        done, answer = self.judge(request, reference, reasons)
        if done:
            accounts = (partner, carte) if kind == "CREDIT" else (carte, partner)
            self.model.post(*accounts, montant)
            self.write(reference, Entry(kind, request, carte=carte, montant=montant), answer)
            assert answer.json()["data"][0]["soldeOnline"] == self.model.soldes[carte]

    @rule(
        partner=partners,
        way=ways,
        montant=amounts,
        reference=references,
    )
    def transfer(self, partner: str, way: tuple[str, str], montant: int, reference: str) -> None:
        """Transfer from a card to another, or to itself."""
        carte, destination = map(self.found, way)
        reference = self.model.name(reference)
        cartes = self.place.cartes
        body = cartes[carte].transfert(cartes[destination], montant, reference)
        request = Request(partner, PATHS["TRANSFERT"], body)
        reasons = self.model.reasons(partner, "TRANSFERT", carte, destination, montant)
        done, answer = self.judge(request, reference, reasons)
        if done:
            solde = self.model.post(carte, destination, montant)
            entry = Entry(
                "TRANSFERT", request, carte=carte, destination=destination, montant=montant
            )
            self.write(reference, entry, answer)
            assert answer.json()["data"][0]["soldeOnline"] == solde

    @precondition(lambda self: bool(self.model.used))
    @rule(data=st.data(), reference=references)
    def reverse(self, data: st.DataObject, reference: str) -> None:
        """Reverse whatever a reference became, most often a credit or a debit."""
        used = self.model.used
        reversible = [key for key, entry in used.items() if entry.kind in ("CREDIT", "DEBIT")]
        partner, origine = data.draw(
            st.sampled_from([*reversible, *reversible, *used, ("both", "R-0"), ("first", "R-0")])
        )
        reference = self.model.name(reference)
        body = {"referenceOrigine": origine, "reference": reference}
        request = Request(partner, "/annuler-operation", body)
        original = self.model.used.get((partner, origine))
        done, answer = self.judge(request, reference, self.irreversible(original))
        if done:
            assert original is not None
            credit = original.kind == "CREDIT"
            accounts = (original.carte, partner) if credit else (partner, original.carte)
            self.model.post(*accounts, original.montant)
            entry = Entry(
                "ANNULATION",
                request,
                carte=original.carte,
                montant=original.montant,
                origine=original,
            )
            original.reversed_by = entry
            self.write(reference, entry, answer)

    def irreversible(self, original: Entry | None) -> set[str]:
        """Every code that would be right for a reversal."""
        if original is None:
            return {"4006"}
        if original.kind == "CLOTURE":
            return {"4005"}
        if original.kind not in ("CREDIT", "DEBIT"):
            return {"4010"}
        found = {"4008"} if original.reversed_by else set()
        if original.kind == "CREDIT" and self.model.soldes[original.carte] < original.montant:
            found.add("4001")
        return found

    @rule(partner=partners, reference=references)
    def close(self, partner: str, reference: str) -> None:
        """Close a reference, used or not."""
        reference = self.model.name(reference)
        request = Request(partner, "/cloturer-reference", {"reference": reference})
        entry = self.model.used.get((partner, reference))
        if entry is None or entry.kind == "CLOTURE":
            done, answer = self.judge(request, reference, set())
            if done:
                self.write(reference, Entry("CLOTURE", request), answer)
            assert answer.json()["data"][0]["etat"] == "CLOTUREE"
        else:
            answer = self.ask(request)
            assert answer.json()["data"][0]["etat"] == "EXECUTEE"

    @precondition(lambda self: bool(self.model.answered))
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Send an earlier request again, whatever happened since."""
        request, first = data.draw(st.sampled_from(self.model.answered))
        answer = self.ask(request)
        assert (answer.status_code, answer.content) == (200, first)
        assert answer.headers[REPLAYED] == "true"

    @rule(
        partner=partners,
        kind=st.sampled_from(list(PATHS)),
        wrong=st.sampled_from(WRONG),
        reference=references,
    )
    def ask_nonsense(self, partner: str, kind: str, wrong: tuple[str, Any], reference: str) -> None:
        """Send what the contract does not admit."""
        reference = self.model.name(reference)
        first, second = self.place.cartes["A1"], self.place.cartes["A2"]
        body = first.mouvement(400, reference)
        if kind == "TRANSFERT":
            body = first.transfert(second, 400, reference)
        name, value = wrong
        answer = self.ask(Request(partner, PATHS[kind], {**body, name: value}))
        assert_code(answer, {"405"})
        assert name in answer.json()["message"]

    @rule(partner=partners, reference=references)
    def look_up(self, partner: str, reference: str) -> None:
        """Ask what became of a reference."""
        reference = self.model.name(reference)
        answer = self.apis[partner].get("/get-operation", params={"reference": reference})
        entry = self.model.used.get((partner, reference))
        if entry is None or entry.kind == "CLOTURE":
            assert_code(answer, {"4006" if entry is None else "4005"})
            return
        told, first = answer.json()["data"][0], numero_of(entry)
        assert (told["type"], told["montant"], told["numeroOperation"]) == (
            entry.kind,
            entry.montant,
            first,
        )
        origine, reversal = entry.origine, entry.reversed_by
        assert told["annulationDe"] == (numero_of(origine) if origine else None)
        assert told["annuleePar"] == (numero_of(reversal) if reversal else None)

    @rule(carte=cards)
    def oppose_or_free(self, carte: str) -> None:
        """Block a card, or let the one that is blocked go."""
        statuts = self.model.statuts
        carte = next((name for name in CARDS if statuts[name] == OPPOSITION), carte)
        statuts[carte] = OPPOSITION if statuts[carte] == ACTIVE else ACTIVE
        self.world.change_carte(self.place.cartes[carte], statut=statuts[carte])

    def whose(self, limit: Limit) -> dict[str, str]:
        """The limited card or partner, as the product names it."""
        if limit.whose == "carte":
            return {"numero_carte": self.place.cartes[limit.name].numero}
        return {"consumer_key": self.place.keys[limit.name]}

    @rule(subject=subjects, kind=st.sampled_from(list(PATHS)), periode=periods, most=maxima)
    def limit(
        self, subject: tuple[str, str], kind: str, periode: str, most: tuple[int | None, int | None]
    ) -> None:
        """Set a limit, or another in its place."""
        if periode == "OPERATION":
            most = (most[0] or 700, None)
        whose, name = subject
        limit = Limit(whose, self.found(name) if whose == "carte" else name, kind, periode)
        if self.model.statuts.get(limit.name) == ANNULEE:
            return
        with self.world.database.transaction() as connection:
            assert set_plafond(
                connection,
                TESTEUR,
                type_=kind,
                periode=periode,
                montant_maximal=most[0],
                nombre_maximal=most[1],
                **self.whose(limit),
            )
        self.model.limits[limit] = most
        self.limit_changed(limit)

    @precondition(lambda self: bool(self.model.limits))
    @rule(data=st.data())
    def lift(self, data: st.DataObject) -> None:
        """Take a limit away."""
        limit = data.draw(st.sampled_from(list(self.model.limits)))
        with self.world.database.transaction() as connection:
            assert remove_plafond(
                connection, TESTEUR, type_=limit.kind, periode=limit.periode, **self.whose(limit)
            )
        del self.model.limits[limit]
        self.limit_changed(limit)

    @rule()
    def join_or_leave_reseau(self) -> None:
        """Put the two clients into one réseau, or part them."""
        self.model.one_reseau = not self.model.one_reseau
        reseau = f"RES-{self.clients['A']}" if self.model.one_reseau else None
        with self.world.database.transaction() as connection:
            place(connection, reseau, self.clients["A"], self.clients["B"])

    # ── after every step ─────────────────────────────────────────────────────────────────────────
    @invariant()
    def books_are_those_of_the_model(self) -> None:
        """SQL alone tells the model's operations, ecritures and soldes, and nothing else moved."""
        books, model = read_books(self.world.database, self.place), self.model
        assert books.soldes == model.soldes
        assert books.statuts == model.statuts
        assert books.lines == model.lines
        assert books.postings == model.postings
        assert books.untouched == self.untouched
        assert books.counted == {
            limit: model.counted(limit) for limit in model.limits if limit.periode == "MOIS"
        }
        for name in model.soldes:
            moved = sum(name in (posting.debit, posting.credit) for posting in model.postings)
            assert books.versions[name] == self.versions.get(name, 0) + moved

    @invariant()
    def what_was_sealed_stays_as_it_was(self) -> None:
        """Whatever is asked after a seal: it is judged once more at the end."""
        self.steps += 1
        if self.steps % SEALED_EVERY == 0:
            seal(self.world.database)

    @invariant()
    def soldes_are_those_of_the_model(self) -> None:
        """The API tells each card's solde."""
        for name, carte in self.place.cartes.items():
            answer = self.apis["both"].get("/get-solde-carte", params=carte.query)
            assert answer.json()["data"][0]["soldeOnline"] == self.model.soldes[name]


def numero_of(entry: Entry) -> str:
    """The numeroOperation of an entry's first answer."""
    return str(httpx.Response(200, content=entry.answer).json()["data"][0]["numeroOperation"])


def assert_code(answer: httpx.Response, codes: set[str], catalogue: Json = CATALOGUE) -> None:
    """Assert that an answer is a refusal with one of these codes, under its status."""
    code = answer.json()["code"]
    assert code in codes, f"{answer.text}, expected {sorted(codes)}"
    assert answer.status_code == catalogue[code]["statut"]
