"""The load of the back office: persons enter, agree at once, reject, withdraw, repeat, try too much."""

from __future__ import annotations

import contextlib
import json
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.lab.proof.acts import (
    AUDIT,
    BRIEF,
    DEMANDE,
    JUDGEMENTS,
    REJETER,
    RETIRER,
    SAISIES,
    VALIDER,
    Act,
)
from tests.lab.proof.load import CUT, HALF, PATIENCE_S, SHORT, WHOLE, Caller, Card
from tests.lab.proof.record import ANSWERED, UNSENT, Json, Recorder
from tests.lab.proof.staff import PROFIL, Person

CLERKS = 4
ATTEMPTS = 4
THINK_S = 0.01
_OVER = ("6002", "6004")
"""What is said of a demande about which nothing is left to do."""


@dataclass
class Board:
    """What clerks tell each other, so that they meet on the same demandes and objects."""

    pending: deque[Json] = field(default_factory=lambda: deque(maxlen=12))
    recent: deque[Act] = field(default_factory=lambda: deque(maxlen=40))
    versions: dict[str, int] = field(default_factory=dict)
    """The latest version of a client that somebody was told of."""
    reseaux: list[str] = field(default_factory=list)
    new_cards: deque[Json] = field(default_factory=lambda: deque(maxlen=8))
    """Cards that were issued, and are not in service yet."""
    out_of_service: deque[str] = field(default_factory=lambda: deque(maxlen=12))
    """The carteId of some that are blocked or cancelled, as far as is known."""


@dataclass(frozen=True)
class Desks:
    """One load: who works at which servers, and the seed of every choice."""

    ports: Sequence[int]
    cards: list[Card]
    """Those that partners move money on: what takes the place of one takes it here too."""
    staff: Sequence[Person]
    prefix: str
    seed: str
    folder: Path
    clerks: int = CLERKS


class Office:
    """Runs the clerks of a plan until it is told to stop."""

    def __init__(self, plan: Desks) -> None:
        self.stopped = threading.Event()
        self.faults: list[BaseException] = []
        board = Board()
        self._clerks = [Clerk(plan, board, number, self.stopped) for number in range(plan.clerks)]
        self._threads = [threading.Thread(target=self._run, args=(one,)) for one in self._clerks]

    def __enter__(self) -> Office:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Let each clerk end what he is doing. One who failed by himself fails the load."""
        self.stopped.set()
        for thread in self._threads:
            thread.join(60)
            if thread.is_alive():
                raise RuntimeError("a clerk of the load did not end")
        if self.faults:
            raise self.faults[0]

    def _run(self, clerk: Clerk) -> None:
        try:
            clerk.run()
        except BaseException as error:  # noqa: BLE001 - told to whoever stops the load
            self.faults.append(error)
        finally:
            clerk.close()


class Clerk:
    """One desk: at it sits now this person, now that one. A second caller acts at the very same time."""

    def __init__(self, plan: Desks, board: Board, number: int, stopped: threading.Event) -> None:
        self._plan = plan
        self._board = board
        self._stopped = stopped
        self._random = random.Random(f"{plan.seed}:clerk:{number}")
        self._persons = [one for one in plan.staff if not one.is_machine]
        self._machine = next(one for one in plan.staff if one.is_machine)
        self._name = f"{plan.prefix}-{number}"
        self._counter = 0
        self._recorders = [Recorder(plan.folder, f"clerk-{number:02d}-{two}") for two in "ab"]
        self._callers = [Caller(recorder) for recorder in self._recorders]

    def run(self) -> None:
        """Tell stories until the load stops."""
        stories: list[tuple[Callable[[], None], int]] = [
            (self._enter, 42),
            (self._agree, 30),
            (self._agree_at_once, 14),
            (self._end, 6),
            (self._end_at_once, 4),
            (self._repeat, 5),
            (self._contradict, 3),
            (self._let_machine_agree, 2),
            (self._ask, 4),
            (self._read_audit, 3),
            (self._block_for_a_moment, 14),
            (self._activate, 12),
            (self._rescue, 4),
        ]
        while not self._stopped.is_set():
            story = self._random.choices([s for s, _ in stories], [w for _, w in stories])[0]
            story()
            time.sleep(self._random.uniform(0, 2 * THINK_S))
        # Whoever comes after them finds cards that can be used, as far as it was theirs to say.
        for card in list(self._plan.cards):
            self._free(card.carte_id, way=WHOLE)

    def close(self) -> None:
        """Close connections and records."""
        for caller in self._callers:
            caller.close()
        for recorder in self._recorders:
            recorder.close()

    # ── stories ──────────────────────────────────────────────────────────────────────────────────
    def _enter(self) -> None:
        what, content = self._draw()
        by = self._machine if self._random.random() < 0.05 else self._one()
        self._counter += 1
        # Of some, the first one too, the time is over before somebody comes to them.
        brief = BRIEF if self._counter % 5 == 1 else ""
        act = Act(by, what, f"{self._name}-{self._counter}{brief}", content)
        self._board.recent.append(act)
        self._pursue(act)

    def _draw(self) -> tuple[str, Json]:
        """A type of demande and what it asks."""
        known = list(self._board.versions)[-12:]
        reseaux = self._board.reseaux[-6:]
        types = ["saisirClient", "saisirReseau"]
        weights = [30, 8]
        if known:
            types += ["modifierClient", "changerStatutClient", "saisirMembre"]
            weights += [25, 14, 14]
        if known and reseaux:
            types.append("affecterReseau")
            weights.append(25)
        what = self._random.choices(types, weights)[0]
        new = f"{self._name}-{self._counter}"
        if self._random.random() < 0.25:
            return self._draw_of_cards()
        if what == "saisirReseau":
            return what, {"reseauId": f"R-{new}", "nom": f"Réseau {new}"}
        if what == "saisirClient":
            # Now and then two want to make the same.
            of = new if self._random.random() < 0.85 else f"{self._plan.prefix}-{new[-1]}"
            within = {"reseauId": self._random.choice(reseaux)} if reseaux else {}
            return what, {"clientId": f"C-{of}", "nom": f"Client {new}", **within}
        client_id = self._random.choice(known)
        version = {"versionAttendue": self._board.versions[client_id]}
        contents: dict[str, Json] = {
            "modifierClient": {"nom": f"Client {new} changé", **version},
            "changerStatutClient": {
                "statut": self._random.choice(["SUSPENDU", "ACTIF"]),
                "motif": "preuve",
            },
            "saisirMembre": {
                "membreId": f"M-{new}",
                "walletId": f"22177{self._random.randrange(10**7):07d}",
                "nom": "Diop",
                "prenom": "Awa",
            },
            "affecterReseau": {"reseauId": self._random.choice(reseaux or [""]), **version},
        }
        return what, {"clientId": client_id, **contents[what]}

    def _draw_of_cards(self) -> tuple[str, Json]:
        # The first card is the hot one: it stays in service, or little would move.
        card = self._random.choice(self._plan.cards[1:])
        what = self._random.choices(["remplacerCarte", "emettreCartes", "annulerCarte"], [6, 3, 1])[
            0
        ]
        if what == "emettreCartes":
            porteurs = [{"membreId": card.membre}] * self._random.randint(1, 2)
            return what, {"clientId": card.client, "profilId": PROFIL, "porteurs": porteurs}
        if what == "annulerCarte":
            new = list(self._board.new_cards)
            carte_id = self._random.choice(new)["carteId"] if new else card.carte_id
            return what, {"carteId": carte_id, "motifAnnulation": "NON_DISTRIBUEE"}
        motif = self._random.choice(["DEGRADEE", "DEGRADEE", "PERDUE"])
        asked = {"carteId": card.carte_id, "motifRemplacement": motif, "profilId": PROFIL}
        return what, asked

    def _at_a_desk(self, what: str, content: Json, *, way: str | None = None) -> None:
        """Something about a card, under a reference of its own."""
        self._counter += 1
        act = Act(self._one(), what, f"{self._name}-{self._counter}", content)
        self._board.recent.append(act)
        self._pursue(act) if way is None else self._send(act, way)

    def _block_for_a_moment(self) -> None:
        """A card is blocked while partners move money on it, and freed again."""
        card = self._random.choice(self._plan.cards)
        asked = {"carteId": card.carte_id, "motifOpposition": "BLOCAGE_TEMPORAIRE"}
        self._board.out_of_service.append(card.carte_id)
        self._at_a_desk("opposerCarte", asked)
        time.sleep(self._random.uniform(0, 0.03))
        self._free(card.carte_id)

    def _free(self, carte_id: str, *, way: str | None = None) -> None:
        self._at_a_desk("leverOpposition", {"carteId": carte_id, "motif": "preuve"}, way=way)

    def _activate(self) -> None:
        """A new card is put into service: what it replaces is out of it in the same instant."""
        new = list(self._board.new_cards)
        if new:
            card = self._random.choice(new)
            asked = {"carteId": card["carteId"], "dernierQuatre": card["numeroCarte"][-4:]}
            self._at_a_desk("activerCarte", asked)

    def _rescue(self) -> None:
        """What is left on a card out of service is asked for: by one person, for another to agree."""
        to = self._plan.cards[0].carte_id
        out = [one for one in list(self._board.out_of_service) if one != to]
        if out:
            asked: Json = {
                "carteId": self._random.choice(out),
                "carteIdDestination": to,
                "motif": "preuve",
            }
            if self._random.random() < 0.5:
                asked["montant"] = self._random.randint(1, 500)
            self._at_a_desk("transfererSoldeSpecial", asked)

    def _agree(self) -> None:
        demande = self._pending()
        if demande is not None:
            self._pursue(self._agreement(demande, self._one()))

    def _agree_at_once(self) -> None:
        """Two persons validate, or one and the other another demande of him, at the same instant."""
        demande = self._pending()
        if demande is not None:
            first, second = self._random.sample(self._persons, 2)
            self._at_once(self._agreement(demande, first), self._agreement(demande, second))

    def _end(self) -> None:
        demande = self._pending()
        if demande is not None:
            self._pursue(self._ending(demande))

    def _end_at_once(self) -> None:
        """One validates what another rejects or takes back at the same instant."""
        demande = self._pending()
        if demande is not None:
            self._at_once(self._agreement(demande, self._one()), self._ending(demande))

    def _repeat(self) -> None:
        if self._board.recent:
            self._pursue(self._random.choice(list(self._board.recent)))

    def _contradict(self) -> None:
        """The same reference with another content, or of another person."""
        if not self._board.recent:
            return
        act = self._random.choice(list(self._board.recent))
        if self._random.random() < 0.5:
            self._send(Act(act.partner, act.what, act.reference, {**act.content, "motif": "autre"}))
        else:
            other = self._random.choice([p for p in self._persons if p.key != act.partner.key])
            self._send(Act(other, act.what, act.reference, act.content))

    def _let_machine_agree(self) -> None:
        demande = self._pending()
        if demande is not None:
            self._send(self._agreement(demande, self._machine))

    def _ask(self) -> None:
        if self._board.recent:
            self._question(self._random.choice(list(self._board.recent)).reference)

    def _read_audit(self) -> None:
        self._counter += 1
        self._send(Act(self._one(), AUDIT, f"{self._name}-{self._counter}", {}), self._way())

    # ── parts of them ────────────────────────────────────────────────────────────────────────────
    def _one(self) -> Person:
        return self._random.choice(self._persons)

    def _pending(self) -> Json | None:
        pending = list(self._board.pending)
        return self._random.choice(pending) if pending else None

    def _agreement(self, demande: Json, person: Person) -> Act:
        empreinte = demande["empreinte"] if self._random.random() < 0.97 else "0" * 64
        return Act(person, VALIDER, demande["demandeId"], {"empreinte": empreinte})

    def _ending(self, demande: Json) -> Act:
        maker = demande["saisiePar"]["id"]
        mine = [one for one in self._plan.staff if one.key == maker]
        if mine and self._random.random() < 0.5:
            return Act(mine[0], RETIRER, demande["demandeId"], {})
        return Act(self._one(), REJETER, demande["demandeId"], {"motif": "preuve du rejet"})

    def _at_once(self, first: Act, second: Act) -> None:
        port = self._random.choice(self._plan.ports)
        other = self._random.choice(self._plan.ports)
        beside = threading.Thread(target=self._callers[1].call, args=(second, other))
        beside.start()
        self._learn(first, *self._callers[0].call(first, port)[1:])
        beside.join()

    def _pursue(self, act: Act) -> None:
        """Send, and after a lost answer do what an application does: again, ask, or give up."""
        for attempt in range(ATTEMPTS):
            end, status = self._send(act, self._way())
            if (end == ANSWERED and status is not None and status < 500) or attempt + 1 == ATTEMPTS:
                return
            chosen = self._random.random()
            if chosen < 0.08:
                return
            if chosen < 0.3 and act.what in SAISIES:
                self._question(act.reference)
            pause = 0.3 if status == 503 or end == UNSENT else 0.03
            time.sleep(self._random.uniform(0, 2 * pause))

    def _way(self) -> str:
        return self._random.choices([WHOLE, SHORT, CUT, HALF], [84, 8, 6, 2])[0]

    def _question(self, reference: str) -> None:
        self._send(Act(self._one(), DEMANDE, reference, {}))

    def _send(self, act: Act, way: str = WHOLE) -> tuple[str, int | None]:
        patience = self._random.uniform(0.001, 0.06) if way == SHORT else PATIENCE_S
        port = self._random.choice(self._plan.ports)
        end, status, body = self._callers[0].call(act, port, way=way, patience=patience)
        self._learn(act, status, body)
        return end, status

    def _learn(self, act: Act, status: int | None, body: str) -> None:
        """Tell the others what an answer says of demandes and objects."""
        if status == 400 and act.what in JUDGEMENTS and json.loads(body)["code"] in _OVER:
            self._strike(act.reference)
        if status != 200 or act.what == AUDIT:
            return
        demande, pending = json.loads(body)["data"][0], self._board.pending
        if demande["statut"] != "SAISIE":
            self._strike(demande["demandeId"])
        elif all(one["demandeId"] != demande["demandeId"] for one in list(pending)):
            pending.append(demande)
        if demande["statut"] == "EXECUTEE":
            self._learn_of_objects(demande)

    def _strike(self, demande_id: str) -> None:
        """Nobody need come to this demande any more."""
        for one in list(self._board.pending):
            if one["demandeId"] == demande_id:
                with contextlib.suppress(ValueError):  # another clerk was told of it first
                    self._board.pending.remove(one)

    def _learn_of_objects(self, demande: Json) -> None:
        resultat, versions = demande["resultat"], self._board.versions
        if demande["objetType"] == "CARTE":
            self._learn_of_cards(demande)
        elif demande["type"] == "saisirReseau":
            self._board.reseaux.append(resultat["reseauId"])
        elif demande["objetType"] == "CLIENT":
            client_id, version = resultat["clientId"], (demande["versionObjet"] or 0) + 1
            versions[client_id] = max(version, versions.get(client_id, 0))

    def _learn_of_cards(self, demande: Json) -> None:
        asked, resultat, new_cards = demande["contenu"], demande["resultat"], self._board.new_cards
        known = {one["carteId"] for one in list(new_cards)}
        if demande["type"] == "emettreCartes":
            new_cards.extend(one for one in resultat["cartes"] if one["carteId"] not in known)
        elif demande["type"] == "remplacerCarte" and resultat["carteId"] not in known:
            new_cards.append({**resultat, "replaces": asked["carteId"]})
        elif demande["type"] == "activerCarte":
            for new in [one for one in list(new_cards) if one["carteId"] == asked["carteId"]]:
                with contextlib.suppress(ValueError):
                    new_cards.remove(new)
                self._put_into_service(new)

    def _put_into_service(self, new: Json) -> None:
        """Partners move money on what takes a place, in that place."""
        for number, card in enumerate(list(self._plan.cards)):
            if card.carte_id == new.get("replaces"):
                self._board.out_of_service.append(card.carte_id)
                self._plan.cards[number] = replace(
                    card, numero=new["numeroCarte"], carte_id=new["carteId"]
                )
