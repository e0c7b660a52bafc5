"""One small story of the back office, told in order: whatever the auditor looks at happens in it once."""

from __future__ import annotations

import json
import time

from tests.lab.proof.acts import AUDIT, BRIEF, DEMANDE, REJETER, RETIRER, SAISIES, VALIDER, Act
from tests.lab.proof.load import HALF, WHOLE, Caller, Intent
from tests.lab.proof.record import CREDIT, DEBIT, Exchange, Json, Recorder, read_records
from tests.lab.proof.spoilt import BRIEFLY
from tests.lab.proof.staff import PROFIL, Person, sign_in
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
        self._tell_of_cards()
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

    def _tell_of_cards(self) -> None:
        """A card is issued, used, stolen and replaced; the new one is blocked, freed and cancelled."""
        first = self._stage.cards[0]
        porteurs = [{"membreId": first.membre}]
        asked: Json = {"clientId": first.client, "profilId": PROFIL, "porteurs": porteurs}
        self._enter(self._awa, "emission", "emettreCartes", asked)
        (stolen,) = self._agree("emission", self._binta)["cartes"]
        self._activate("activation", stolen)
        self._pay(stolen)
        asked = {"carteId": stolen["carteId"], "motifRemplacement": "VOLEE", "profilId": PROFIL}
        self._enter(self._awa, "vol", "remplacerCarte", asked)
        new = self._agree("vol", self._binta)
        self._activate("remise", new)
        named = {"carteId": new["carteId"]}
        blocked = {**named, "motifOpposition": "BLOCAGE_TEMPORAIRE"}
        self._enter(self._binta, "blocage", "opposerCarte", blocked)
        self._enter(self._awa, "levee", "leverOpposition", {**named, "motif": "retrouvée"})
        again = Act(self._awa, "leverOpposition", f"{self.name}-relevee", {**named, "motif": "x"})
        self._send(again)
        cancelled = {**named, "motifAnnulation": "FIN_DE_CONTRAT"}
        self._enter(self._awa, "annulation", "annulerCarte", cancelled)
        self._agree("annulation", self._demba)
        rescued = {**named, "carteIdDestination": first.carte_id, "motif": "reste"}
        self._enter(self._awa, "sauvetage", "transfererSoldeSpecial", {**rescued, "montant": 100})
        self._agree("sauvetage", self._binta)
        self._enter(self._awa, "reste", "transfererSoldeSpecial", rescued)
        self._agree("reste", self._binta)

    def _activate(self, name: str, card: Json) -> None:
        asked = {"carteId": card["carteId"], "dernierQuatre": card["numeroCarte"][-4:]}
        self._enter(self._cheikh, name, "activerCarte", asked)

    def _pay(self, card: Json) -> None:
        """Partners move money on it, within a limit: that is in no record of persons."""
        limit = [*("--carte", card["numeroCarte"]), *("--type", "DEBIT", "--periode", "MOIS")]
        self._stage.run("plafond", "set", *limit, "--montant", "1000000")
        first = self._stage.cards[0]
        named = {"walletId": first.wallet, "clientId": first.client}
        recorder = Recorder(self._stage.folder, f"paid-{self.name}")
        caller = Caller(recorder)
        for what, montant in ((CREDIT, 700), (DEBIT, 200)):
            content = {**named, "numeroCarte": card["numeroCarte"], "montant": montant}
            intent = Intent(self._stage.partners[0], what, f"{self.name}-{what}", content)
            caller.call(intent, self._port)
        caller.close()
        recorder.close()

    # ── its acts ─────────────────────────────────────────────────────────────────────────────────
    def _enter(self, person: Person, name: str, what: str, content: Json) -> None:
        body = json.loads(self._send(Act(person, what, f"{self.name}-{name}", content)))
        if body["success"]:
            self._entered[name] = body["data"][0]

    def _agree(self, name: str, person: Person) -> Json:
        """What came of it; nothing when it was refused."""
        demande = self._entered[name]
        content = {"empreinte": demande["empreinte"]}
        body = json.loads(self._send(Act(person, VALIDER, demande["demandeId"], content)))
        resultat: Json = body["data"][0]["resultat"] if body["success"] else {}
        return resultat

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
