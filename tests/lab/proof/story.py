"""One small story of the back office, told in order: whatever the auditor looks at happens in it once."""

from __future__ import annotations

import json
import time

from tests.lab.proof.acts import AUDIT, BRIEF, DEMANDE, REJETER, RETIRER, SAISIES, VALIDER, Act
from tests.lab.proof.load import HALF, WHOLE, Caller
from tests.lab.proof.record import Exchange, Json, Recorder, read_records
from tests.lab.proof.spoilt import BRIEFLY
from tests.lab.proof.staff import Person, sign_in
from tests.lab.proof.stage import Stage

PASSED = (f"tard{BRIEF}", f"perimee{BRIEF}")
"""Ends of the references of two demandes to which nobody comes in time."""


class Story:
    """Tells it, on one stage and under references that begin with its name."""

    def __init__(self, stage: Stage, name: str) -> None:
        self.name = name
        self._stage = stage
        self._folder = stage.folder / f"story-{name}"
        self._folder.mkdir()
        self._recorder = Recorder(self._folder, "story")
        self._caller = Caller(self._recorder)
        self._port = stage.ports[0]
        *persons, self._machine = sign_in(stage.staff)
        self._awa, self._binta, self._cheikh, self._demba = persons
        self._entered: dict[str, Json] = {}

    def tell(self) -> list[Exchange]:
        """All of it; what was sent and seen."""
        self._begin_what_time_ends()
        self._tell_of_a_client()
        self._tell_of_ends()
        self._let_time_pass()
        self._send(Act(self._awa, AUDIT, f"{self.name}-audit", {}))
        self._caller.close()
        self._recorder.close()
        self._ask_after()
        return read_records(self._folder)

    def _tell_of_a_client(self) -> None:
        client = {"clientId": f"C-{self.name}-1"}
        reseau = {"reseauId": f"R-{self.name}-1"}
        self._enter(self._awa, "reseau", "saisirReseau", {**reseau, "nom": "Dakar"})
        self._agree("reseau", self._binta)
        self._enter(self._awa, "client", "saisirClient", {**client, **reseau, "nom": "Alpha"})
        # A machine, he who entered it, one who may, and one who comes too late.
        for person in (self._machine, self._awa, self._binta, self._cheikh):
            self._agree("client", person)
        place = {**client, "reseauId": None, "versionAttendue": 1}
        self._enter(self._awa, "place", "affecterReseau", place)
        for person in (self._binta, self._binta, self._cheikh):
            self._agree("place", person)
        nom = {**client, "nom": "Alpha et frères", "versionAttendue": 2}
        self._enter(self._binta, "nom", "modifierClient", nom)
        for person in (self._binta, self._cheikh):
            self._agree("nom", person)
        membre = {"membreId": f"M-{self.name}", "walletId": "221770000009", "nom": "Diop"}
        self._enter(self._awa, "membre", "saisirMembre", {**client, **membre})
        self._agree("membre", self._demba)
        statut = {"statut": "SUSPENDU", "motif": "preuve"}
        self._enter(self._demba, "statut", "changerStatutClient", {**client, **statut})

    def _tell_of_ends(self) -> None:
        for name in ("retiree", "rejetee", "pendante"):
            asked = {"reseauId": f"R-{self.name}-{name}", "nom": name}
            self._enter(self._awa, name, "saisirReseau", asked)
        self._end("retiree", self._awa, RETIRER, {})
        self._end("rejetee", self._binta, REJETER, {"motif": "preuve"})
        asked = {"reseauId": f"R-{self.name}-perdue", "nom": "perdue"}
        self._send(Act(self._awa, "saisirReseau", f"{self.name}-perdue", asked), HALF)

    def _begin_what_time_ends(self) -> None:
        for name in PASSED:
            asked = {"reseauId": f"R-{self.name}-{name}", "nom": name}
            self._enter(self._awa, name, "saisirReseau", asked)

    def _let_time_pass(self) -> None:
        """Nobody comes to either in time; one is then ended, and somebody comes to it too late."""
        time.sleep(BRIEFLY.total_seconds())
        first, second = PASSED
        self._agree(first, self._binta)
        self._stage.end_demandes()
        self._agree(second, self._binta)

    # ── its acts ─────────────────────────────────────────────────────────────────────────────────
    def _enter(self, person: Person, name: str, what: str, content: Json) -> None:
        body = self._send(Act(person, what, f"{self.name}-{name}", content))
        self._entered[name] = json.loads(body)["data"][0]

    def _agree(self, name: str, person: Person) -> None:
        demande = self._entered[name]
        content = {"empreinte": demande["empreinte"]}
        self._send(Act(person, VALIDER, demande["demandeId"], content))

    def _end(self, name: str, person: Person, what: str, content: Json) -> None:
        self._send(Act(person, what, self._entered[name]["demandeId"], content))

    def _send(self, act: Act, way: str = WHOLE) -> str:
        return self._caller.call(act, self._port, way=way)[2]

    def _ask_after(self) -> None:
        recorder = Recorder(self._folder, "after")
        caller = Caller(recorder, phase="after")
        told = read_records(self._folder)
        for reference in dict.fromkeys(one.reference for one in told if one.what in SAISIES):
            caller.call(Act(self._awa, DEMANDE, reference, {}), self._port)
        caller.close()
        recorder.close()
