"""Who works in the back office of a proof: four persons who enter and validate, and a machine."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from models.audit import CLI, Acteur
from models.back_office.moteur import Personne, Saisie, saisir
from models.database.engine import Database
from models.partenaire import INTERNE
from models.regle_validation import find_regle
from models.secret import create
from tests.lab.proof.load import Card, Partner
from tests.lab.proof.provider import provider
from tests.support.plafonds import set_plafond

ROLES = ("SAISIE", "VALIDATION", "AUDITEUR")
AGENTS = ("awa", "binta", "cheikh", "demba")
"""Each may enter and validate: that nobody does both to one demande is for the service to see."""

PROFIL = "PRF-PREUVE"
"""The profile of the cards that they issue."""

BY_THREE = "affecterReseau"
"""The type of demande that two others validate."""

MACHINE_SCOPES = ("base-core:lire", "base-core:saisir")
_ADMIN = Personne(Acteur(CLI, "preuve", "preuve"))


class Person(Partner):
    """A person by his agentId, without a secret; or the machine by its consumer key."""

    @property
    def is_machine(self) -> bool:
        """Whether it has a secret, as no person does."""
        return bool(self.secret)


def hire(url: str, pepper: str, cards: Sequence[Card]) -> list[Person]:
    """Write all of them into a database, with what they work with: the persons, then the machine."""
    database = Database(url)
    try:
        with database.transaction() as connection:
            for agent_id in AGENTS:
                contenu = {
                    "agentId": agent_id,
                    "nom": f"Agent {agent_id}",
                    "email": "",
                    "emetteur": provider().emetteur,
                    "sujet": f"sujet-{agent_id}",
                    "roles": list(ROLES),
                    "clients": [],
                }
                saisir(connection, _ADMIN, Saisie("saisirAgent", f"PREUVE-{agent_id}", contenu))
            profil = {"profilId": PROFIL, "nom": "Preuve", "prefixe": "70198009"}
            saisir(connection, _ADMIN, Saisie("saisirProfilCarte", "PREUVE-profil", profil))
            for card in cards[1:]:
                # It refuses nothing, and counts everything.
                set_plafond(
                    connection,
                    _ADMIN.acteur,
                    numero_carte=card.numero,
                    type_="DEBIT",
                    periode="MOIS",
                    montant_maximal=10**9,
                    nombre_maximal=None,
                )
            regle = find_regle(connection, BY_THREE)
            rule = {"type": BY_THREE, "validations": 2, "forte": False, "memePersonne": False}
            changed = Saisie("saisirRegleValidation", "PREUVE-regle", rule, regle.version)
            saisir(connection, _ADMIN, changed)
            pair = create(
                connection,
                _ADMIN.acteur,
                nom="Machine",
                client_ids=[],
                scopes=list(MACHINE_SCOPES),
                adresses=[],
                pepper=pepper.encode(),
                type_=INTERNE,
            )
    finally:
        database.close()
    persons = [Person(agent_id, "") for agent_id in AGENTS]
    return [*persons, Person(pair.consumer_key, pair.consumer_secret)]


def sign_in(staff: list[Person]) -> list[Person]:
    """The same with fresh tokens of the provider; the machine keeps its own."""
    return [
        one if one.is_machine else replace(one, token=provider().token(f"sujet-{one.key}"))
        for one in staff
    ]
