"""What persons and machines ask of the back office: names and paths that load and auditor both know."""

from __future__ import annotations

import json
from dataclasses import dataclass
from urllib.parse import urlencode

from tests.lab.proof.load import Intent

VALIDER, REJETER, RETIRER = "validerDemande", "rejeterDemande", "retirerDemande"
DEMANDE, AUDIT = "getDemande", "getAudit"

PATHS = {
    "saisirClient": "saisir-client",
    "modifierClient": "modifier-client",
    "changerStatutClient": "changer-statut-client",
    "affecterReseau": "affecter-reseau",
    "saisirReseau": "saisir-reseau",
    "saisirMembre": "saisir-membre",
    "emettreCartes": "emettre-cartes",
    "activerCarte": "activer-carte",
    "opposerCarte": "opposer-carte",
    "leverOpposition": "lever-opposition",
    "annulerCarte": "annuler-carte",
    "remplacerCarte": "remplacer-carte",
    "transfererSoldeSpecial": "transferer-solde-special",
    VALIDER: "valider-demande",
    REJETER: "rejeter-demande",
    RETIRER: "retirer-demande",
    DEMANDE: "get-demande",
    AUDIT: "get-audit",
}
SAISIES = frozenset(PATHS) - {VALIDER, REJETER, RETIRER, DEMANDE, AUDIT}
"""What enters a demande, under a reference of the caller's."""

BRIEF = "-bref"
"""Ends the reference of a demande whose time is over in a moment."""

JUDGEMENTS = frozenset({VALIDER, REJETER, RETIRER})
"""What is done to a demande; `reference` of such an act is the demandeId."""


@dataclass(frozen=True)
class Act(Intent):
    """What one of them wants done: `partner` is who, `reference` what it is about."""

    @property
    def request(self) -> tuple[str, str, bytes]:
        """Method, path and body of what is sent."""
        path = f"/base-core/{PATHS[self.what]}"
        if self.what == DEMANDE:
            return "GET", f"{path}?{urlencode({'reference': self.reference})}", b""
        if self.what == AUDIT:
            # Nothing bears such an id: what matters is that the reading is written down.
            return "GET", f"{path}?{urlencode({'objetId': self.reference})}", b""
        name = "demandeId" if self.what in JUDGEMENTS else "reference"
        return "POST", path, json.dumps({**self.content, name: self.reference}).encode()
