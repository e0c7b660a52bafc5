"""A back office at work: who enters, who agrees, and one valid call of each operation of base-core.yaml."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
from sqlalchemy import Integer, Table, cast, func, select, update

from handlers.edge.local_issuer import EMETTEUR
from models.agent import agents
from models.audit import AGENT, Acteur, Objet, record
from models.back_office.moteur import DUREE, Personne, Saisie, retirer, saisir
from models.base import today
from models.carte import OPPOSITION, cartes
from models.client import clients
from models.demande import SAISIE, Demande, demandes, validations
from models.membre import membres
from models.operation import operations
from models.partenaire import APPLIQUER, objet_partenaire, partenaires
from models.plafond import plafonds
from models.profil_carte import profils_carte
from models.regle_validation import REGLES, regles_validation
from models.reseau import reseaux
from models.secret import add_secret, new_secret, secrets
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import BASE_CORE_PREFIX, ContractClient, Json, base_core
from tests.support.lives import Lives
from tests.support.persons import MACHINE_SCOPES, Bureau, PersonClient, new_reference
from tests.support.registry import entry_of
from tests.support.scene import Call
from tests.support.world import PEPPER, Carte, Membre, new_number, place

READING = base_core()
CONTRACT = READING.by_id
PLACES = {
    operation["operationId"]: (method, path.removeprefix(BASE_CORE_PREFIX))
    for (method, path), operation in READING.operations.items()
}
"""Method and path, as `PersonClient` takes it, of each operation."""

ROLES: dict[str, list[str]] = READING.document["x-roles"]
MAKER, CHECKER = ("SAISIE", "SECURITE_SAISIE"), ("VALIDATION", "SECURITE_VALIDATION", "AUDITEUR")
ALL = list(CONTRACT)
WRITES = [name for name in ALL if "x-idempotence" in CONTRACT[name]]
"""What enters a demande, under a reference."""

CONTACT = {"nom": "Ibrahima Sow", "email": "contact@sahel.example", "telephone": "338000000"}
REGLE = {
    "type": "saisirClient",
    "validations": 1,
    "forte": False,
    "memePersonne": False,
    "versionAttendue": 1,
}
STATES: tuple[Table, ...] = (
    *(agents, clients, membres, reseaux, regles_validation, profils_carte, partenaires),
    cartes,
)
"""What only a demande changes, a version later each time; of a card, also what is on it."""

COUNTED: tuple[Table, ...] = (demandes, validations, operations, plafonds, secrets, *STATES)

# Made once: to put a statement together takes longer than to run it. Versions are at most 2**53 - 1, and some
# are, so that their sum is of their ends.
_STATE = select(
    *(select(func.count()).select_from(table).scalar_subquery() for table in COUNTED),
    select(func.count()).where(demandes.c.statut == SAISIE).scalar_subquery(),
    select(func.count()).where(secrets.c.revoque_le.is_(None)).scalar_subquery(),
    select(func.sum(plafonds.c.montant_maximal)).scalar_subquery(),
    select(func.sum(cast(cartes.c.etat_version % 1_000_000, Integer))).scalar_subquery(),
    *(
        select(func.sum(cast(table.c.version % 1_000_000, Integer))).scalar_subquery()
        for table in STATES
    ),
)


def opens(droit: str, role: str) -> bool:
    """Whether a role has the right that an operation asks for."""
    if droit.startswith("*:"):
        return any(one.endswith(droit.removeprefix("*")) for one in ROLES[role])
    return droit == "aucun" or droit in ROLES[role]


def _nothing() -> None:
    """There is nothing to undo."""


class Ask(NamedTuple):
    """A call that is ready to be sent, by whom, what stands in the text of its refusal, what that tells
    programs, and what is done once it was answered."""

    client: PersonClient
    call: Call
    told: Mapping[str, str] = MappingProxyType({})
    options: Mapping[str, Any] = MappingProxyType({})
    more_info: str | None = None
    after: Callable[[], object] = _nothing

    def send(self, *, language: str = "fr") -> httpx.Response:
        """Send it."""
        headers = {"Accept-Language": language, **self.options.get("headers", {})}
        return self.call.send(self.client, **{**self.options, "headers": headers})


class Office:
    """One who enters and one who agrees, and objects of their own for each call that changes some."""

    def __init__(self, bureau: Bureau) -> None:
        """Engage the two."""
        self.bureau, self.world = bureau, bureau.world
        self.maker, self.checker = bureau.agent(*MAKER), bureau.agent(*CHECKER)
        self.lives = Lives(self.world)
        self._calls: dict[str, Call] = {}
        self._by_role: dict[str, PersonClient] = {}

    # ── who ───────────────────────────────────────────────────────────────────────────────────────
    def caller(self, operation: str) -> PersonClient:
        """Who may call the operation."""
        droit = CONTRACT[operation]["x-droit"]
        return self.maker if any(opens(droit, role) for role in MAKER) else self.checker

    def another(self, operation: str) -> PersonClient:
        """A new agent who may call the operation."""
        roles = MAKER if self.caller(operation) is self.maker else CHECKER
        return self.bureau.agent(*roles)

    def with_role(self, role: str) -> PersonClient:
        """An agent who has this role alone."""
        if role not in self._by_role:
            self._by_role[role] = self.bureau.agent(role)
        return self._by_role[role]

    @cached_property
    def both(self) -> PersonClient:
        """An agent who may enter and agree."""
        return self.bureau.agent(*MAKER, *CHECKER)

    @cached_property
    def machine(self) -> PersonClient:
        """A machine of the company, with both scopes."""
        return self.bureau.machine()

    @cached_property
    def machine_that_enters(self) -> PersonClient:
        """A machine that may enter, and reads nothing."""
        return self.bureau.machine(MACHINE_SCOPES[1])

    @cached_property
    def machine_elsewhere(self) -> PersonClient:
        """A machine whose token comes from an address that it does not have."""
        made = self.bureau.machine()
        with self.world.writing() as connection:
            is_it = partenaires.c.consumer_key == made.agent_id
            elsewhere = {"adresses": "203.0.113.7/32", "mode_adresses": APPLIQUER}
            connection.execute(update(partenaires).where(is_it).values(**elsewhere))
            record(connection, TESTEUR, "preparer", objet_partenaire(made.agent_id), None, {})
        return made

    @cached_property
    def machine_suspended(self) -> PersonClient:
        """A machine that is suspended, with a token of before."""
        made = self.bureau.machine()
        named = {"consumerKey": made.agent_id, "statut": "SUSPENDU"}
        self.changed("changerStatutPartenaire", named)
        return made

    @cached_property
    def stranger(self) -> PersonClient:
        """A person of the provider who is no agent."""
        return self.bureau.known(f"nobody-{new_number()}")

    @cached_property
    def unsigned(self) -> PersonClient:
        """Somebody with a token that nobody has signed."""
        return self.bureau.with_token("a.b.c")

    @cached_property
    def late(self) -> PersonClient:
        """The one who enters, with a token that is past its end."""
        moment = int(time.time())
        return self.bureau.known(self.maker.agent_id, iat=moment - 700, exp=moment - 60)

    @cached_property
    def stale(self) -> PersonClient:
        """The one who agrees, who authenticated too long ago for a strong rule."""
        return self.bureau.known(self.checker.agent_id, auth_time=int(time.time()) - 1_000)

    # ── what ──────────────────────────────────────────────────────────────────────────────────────
    @cached_property
    def client_id(self) -> str:
        """A client that stands: nothing changes it."""
        return self.world.client()

    @cached_property
    def other_client_id(self) -> str:
        """Another one that stands."""
        return self.world.client()

    @cached_property
    def membre(self) -> Membre:
        """A membre that stands, of the client that stands."""
        return self.world.membre(self.client_id)

    @cached_property
    def reseau_id(self) -> str:
        """A réseau that stands, with a client of its own."""
        reseau_id = f"RES-{new_number()}"
        with self.world.writing() as connection:
            place(connection, reseau_id, self.world.client())
        return reseau_id

    @cached_property
    def profil_id(self) -> str:
        """A profile that stands."""
        return self.lives.standing_profil

    @cached_property
    def carte(self) -> Carte:
        """A card that stands, of the membre that stands: it was opened with money, which nothing moves."""
        return self.world.carte(1_000, membre=self.membre)

    @cached_property
    def consumer_key(self) -> str:
        """A partner that stands, of the client that stands."""
        return self.partner()

    @cached_property
    def till(self) -> ContractClient:
        """What a partner of the client that stands calls with."""
        return self.world.api(self.client_id)

    def new_carte(self, statut: str = "ACTIVE", solde: int = 0, **more: Any) -> Carte:
        """A card of this call alone, of the membre that stands."""
        return self.lives.carte(statut, solde, membre=self.membre, **more)

    def partner(self, *, secrets_alive: int = 1) -> str:
        """The consumerKey of a new partner of the client that stands."""
        made = self.world.partenaire([self.client_id])
        for _ in range(secrets_alive - 1):
            self.second_secret(made.consumer_key)
        return made.consumer_key

    def second_secret(self, consumer_key: str) -> str:
        """Give a partner another secret: its secretId."""
        with self.world.writing() as connection:
            is_it = partenaires.c.consumer_key == consumer_key
            partenaire_id = connection.scalars(select(partenaires.c.id).where(is_it)).one()
            made = add_secret(connection, partenaire_id, new_secret(), PEPPER)
            record(connection, TESTEUR, "preparer", objet_partenaire(consumer_key), None, {})
        return made.secret_id

    def limited(self, type_: str, contenu: Json) -> Json:
        """What names a new limit of 100,000 francs."""
        self.changed(type_, {**contenu, **LIMITE, "montantMaximal": 100_000})
        return {**contenu, **LIMITE}

    @cached_property
    def furnished(self) -> Office:
        """The same, with two at least of all that lists show."""
        for _ in range(2):
            self.new_carte(solde=1_000)
            self.partner()
            self.lives.profil()
            self.agent("LECTEUR")
            self.world.membre(self.client_id)
            self.changed("saisirReseau", {"reseauId": f"RES-{new_number()}", "nom": "Réseau"})
            self.waiting()
        return self

    def agent(self, *roles: str) -> str:
        """The agentId of a new agent."""
        agent_id = f"agent-{new_number()}"
        self.changed("saisirAgent", {**self.person(agent_id), "roles": list(roles), "clients": []})
        return agent_id

    def person(self, agent_id: str | None = None) -> Json:
        """What is said of a new agent, but for his rights."""
        agent_id = agent_id or f"agent-{new_number()}"
        return {
            "agentId": agent_id,
            "nom": f"Agent {agent_id}",
            "email": f"{agent_id}@cynod.example",
            "emetteur": EMETTEUR,
            "sujet": agent_id,
        }

    def changed(self, type_: str, contenu: Json) -> Demande:
        """A demande that whoever has a shell enters: it is executed at once."""
        with self.world.writing() as connection:
            saisie = Saisie(type_, new_reference(), contenu)
            return saisir(connection, Personne(TESTEUR), saisie)

    def entered(
        self, type_: str, contenu: Json, *, duree: timedelta = DUREE, motif: str | None = None
    ) -> Json:
        """What names a new demande of the one who enters, to those who judge it."""
        maker = self.maker.agent_id
        with self.world.writing() as connection:
            demande = saisir(
                connection,
                Personne(Acteur(AGENT, maker, f"Agent {maker}")),
                Saisie(type_, new_reference(), contenu, motif=motif),
                duree=duree,
            )
        return {"demandeId": demande.demande_id, "empreinte": demande.empreinte}

    def entered_as_if(self, type_: str, contenu: Json) -> Json:
        """The same of what waits for nobody, as it does where a rule asks somebody."""
        lift = self.asked_of_two(type_)
        entered = self.entered(type_, contenu)
        lift()
        return entered

    def asked_of_two(self, type_: str) -> Callable[[], object]:
        """Have a rule ask that somebody agrees; what undoes it."""
        rule = next(one for one in REGLES if one.type == type_)
        said = {"type": type_, "forte": rule.forte, "memePersonne": False}
        self.changed("saisirRegleValidation", {**said, "validations": 1})
        return lambda: self.changed("saisirRegleValidation", {**said, "validations": 0})

    def waiting(self, *, duree: timedelta = DUREE) -> Json:
        """A demande for a new client, which waits for one who agrees."""
        contenu = {"clientId": f"CLI-{new_number()}", "nom": "Transports Sahel"}
        return self.entered("saisirClient", contenu, duree=duree)

    def regle(self, montant_minimal: int = 0) -> str:
        """The type of a new rule, which nobody asks for, as long as one may be."""
        letters = str(new_number()).translate(str.maketrans("0123456789", "abcdefghij"))
        type_ = f"{letters.ljust(40, 'x')}:{'v' * 20}"
        values = {
            "type": type_, "montant_minimal": montant_minimal, "validations": 1, "minimum": 0,
            "forte": 0, "meme_personne": 0, "version": 1,
        }  # fmt: skip
        with self.world.database.transaction() as connection:
            connection.execute(regles_validation.insert().values(**values))
            record(connection, TESTEUR, "ajouter", Objet("REGLE", type_), None, {})
        return type_

    def withdraw(self, objet_type: str) -> None:
        """End what waits for objects of this type, so that another one may."""
        with self.world.writing() as connection:
            waits = (demandes.c.objet_type == objet_type, demandes.c.statut == SAISIE)
            columns = demandes.c["demande_id", "saisie_par_type", "saisie_par_id", "saisie_par_nom"]
            for demande_id, *acteur in connection.execute(select(*columns).where(*waits)).all():
                retirer(connection, Personne(Acteur(*acteur)), demande_id)

    def alter(self, table: Table, objet: Objet, *where: Any, **columns: Any) -> None:
        """Change rows behind the API's back."""
        with self.world.database.transaction() as connection:
            connection.execute(update(table).where(*where).values(**columns))
            record(connection, TESTEUR, "changer", objet, None, {})

    # ── calls ─────────────────────────────────────────────────────────────────────────────────────
    def call(self, operation: str) -> Call:
        """A call of the operation that succeeds, once."""
        values = entry_of(
            CALLS, operation, write="what a call of it sends into CALLS", file="tests/support/office.py"
        )(self)  # fmt: skip
        if operation in WRITES:
            values = {**values, "reference": new_reference()}
        method, path = PLACES[operation]
        named = {READING.resolve(one)["name"] for one in CONTRACT[operation].get("parameters", [])}
        if method == "GET":
            return Call(method, path, {"params": values})
        beside = {name: value for name, value in values.items() if name in named}
        body = {name: value for name, value in values.items() if name not in named}
        return Call(method, path, {**({"params": beside} if named else {}), "json": body})

    def standing(self, operation: str) -> Call:
        """The same call each time, for those who will be refused before it changes anything."""
        if operation not in self._calls:
            self._calls[operation] = self.call(operation)
        return self._calls[operation]

    def ask(self, operation: str, *, told: Json | None = None, **values: Any) -> Ask:
        """A new call by who may call, with some of its values replaced."""
        call = self.call(operation).with_values(**values)
        return Ask(self.caller(operation), call, told or {})

    def state(self) -> tuple[Any, ...]:
        """What a refused call must leave as it was: how many there are of everything, and the versions."""
        with self.world.database.reading() as connection:
            return tuple(connection.execute(_STATE).one())


def _regle(office: Office) -> Json:
    # One demande about a rule waits at a time.
    office.withdraw("REGLE")
    return {**REGLE}


def _of_membre(membre: Membre) -> Json:
    return {"clientId": membre.client_id, "membreId": membre.membre_id}


LIMITE = {"type": "DEBIT", "periode": "JOUR"}
PLAFOND = {**LIMITE, "montantMaximal": 50_000, "nombreMaximal": 5}
CONTACT_TECHNIQUE = {"email": "technique@wari.example", "telephone": "338000001"}


def _of_carte(carte: Carte) -> Json:
    return {"carteId": carte.carte_id}


def _activation(office: Office) -> Json:
    carte = office.new_carte("EMISE")
    return {**_of_carte(carte), "dernierQuatre": carte.numero[-4:]}


def _transfer(office: Office) -> Json:
    return {
        **_of_carte(office.new_carte(OPPOSITION, 5_000)),
        "carteIdDestination": office.carte.carte_id,
        "motif": "Carte perdue",
    }


def _revocation(office: Office) -> Json:
    consumer_key = office.partner()
    return {"consumerKey": consumer_key, "secretId": office.second_secret(consumer_key)}


CALLS: dict[str, Callable[[Office], Json]] = {
    "getListeDemandes": lambda _: {"limite": "2"},
    "getDemande": lambda office: {"demandeId": office.waiting()["demandeId"]},
    "validerDemande": lambda office: office.waiting(),
    "rejeterDemande": lambda office: {
        "demandeId": office.waiting()["demandeId"],
        "motif": "À confirmer",
    },
    "retirerDemande": lambda office: {"demandeId": office.waiting()["demandeId"]},
    "getReglesValidation": lambda _: {},
    "saisirRegleValidation": _regle,
    "getMonProfil": lambda _: {},
    "getListeAgents": lambda _: {"limite": "2"},
    "saisirAgent": lambda office: {
        **office.person(),
        "roles": ["LECTEUR"],
        "clients": [office.client_id],
    },
    "modifierAgent": lambda office: {
        "agentId": office.agent("LECTEUR"),
        "roles": ["SUPPORT"],
        "clients": [office.client_id],
        "versionAttendue": 1,
    },
    "changerStatutAgent": lambda office: {
        "agentId": office.agent("LECTEUR"),
        "statut": "SUSPENDU",
        "motif": "Départ",
    },
    "getListeClients": lambda _: {"limite": "2"},
    "getClient": lambda office: {"clientId": office.client_id},
    "saisirClient": lambda _: {
        "clientId": f"CLI-{new_number()}",
        "nom": "Transports Sahel",
        "contact": CONTACT,
    },
    "modifierClient": lambda office: {
        "clientId": office.world.client(),
        "contact": CONTACT,
        "versionAttendue": 1,
    },
    "changerStatutClient": lambda office: {
        "clientId": office.world.client(),
        "statut": "CLOS",
        "motif": "Fin du contrat",
    },
    "getListeReseaux": lambda _: {"limite": "2"},
    "saisirReseau": lambda _: {"reseauId": f"RES-{new_number()}", "nom": "Réseau de Thiès"},
    "affecterReseau": lambda office: {
        "clientId": office.world.client(),
        "reseauId": office.reseau_id,
        "versionAttendue": 1,
    },
    "getListeMembres": lambda office: {"clientId": office.membre.client_id},
    "getMembre": lambda office: _of_membre(office.membre),
    "saisirMembre": lambda office: {
        "clientId": office.client_id,
        "membreId": f"MBR-{new_number()}",
        "walletId": f"{new_number():012d}"[-12:],
    },
    "modifierMembre": lambda office: {
        **_of_membre(office.world.membre(office.client_id)),
        "nom": "Ndiaye",
        "versionAttendue": 1,
    },
    "changerStatutMembre": lambda office: {
        **_of_membre(office.world.membre(office.client_id)),
        "statut": "CLOS",
        "motif": "Départ",
    },
    "getListeProfilsCarte": lambda _: {"limite": "2"},
    "saisirProfilCarte": lambda _: {
        "profilId": f"PRF-{new_number()}",
        "nom": "Carte flotte",
        "unite": "FCFA",
        "validiteMois": 24,
        "prefixe": f"{new_number() % 10**8:08d}",
        "plafonds": [PLAFOND],
        "horsLigneAutorise": False,
    },
    "modifierProfilCarte": lambda office: {
        "profilId": office.lives.profil(),
        "plafonds": [PLAFOND],
        "versionAttendue": 1,
    },
    "rechercherCartes": lambda office: {"clientId": office.client_id, "limite": "2"},
    "getCarte": lambda office: _of_carte(office.carte),
    "emettreCartes": lambda office: {
        "clientId": office.client_id,
        "profilId": office.profil_id,
        "porteurs": [{"membreId": office.membre.membre_id}],
    },
    "activerCarte": _activation,
    "opposerCarte": lambda office: {
        **_of_carte(office.new_carte()),
        "motifOpposition": "PERDUE",
        "commentaire": "Vue à Thiès",
    },
    "leverOpposition": lambda office: {
        **_of_carte(office.new_carte(OPPOSITION)),
        "motif": "Retrouvée",
    },
    "annulerCarte": lambda office: {
        **_of_carte(office.new_carte()),
        "motifAnnulation": "FIN_DE_CONTRAT",
    },
    "renouvelerCarte": lambda office: _of_carte(office.new_carte(fin_validite=today())),
    "remplacerCarte": lambda office: {
        **_of_carte(office.new_carte()),
        "motifRemplacement": "DEGRADEE",
        "profilId": office.profil_id,
    },
    "saisirPlafondCarte": lambda office: {**_of_carte(office.new_carte()), **PLAFOND},
    "retirerPlafondCarte": lambda office: office.limited(
        "saisirPlafondCarte", _of_carte(office.new_carte())
    ),
    "saisirPlafondPartenaire": lambda office: {"consumerKey": office.partner(), **PLAFOND},
    "retirerPlafondPartenaire": lambda office: office.limited(
        "saisirPlafondPartenaire", {"consumerKey": office.partner()}
    ),
    "transfererSoldeSpecial": _transfer,
    "corrigerSoldeOuverture": lambda office: {
        **_of_carte(office.new_carte(solde=5_000)),
        "soldeOuverture": 4_000,
        "motif": "Reprise erronée",
    },
    "getHistoriqueOperations": lambda office: {
        "clientId": office.carte.membre.client_id,
        "limite": "2",
    },
    "getListePartenaires": lambda _: {"limite": "2"},
    "getPartenaire": lambda office: {"consumerKey": office.consumer_key},
    "saisirPartenaire": lambda office: {
        "nom": "Wari",
        "type": "EXTERNE",
        "scopes": ["soldes:lire"],
        "clients": [office.client_id],
        "contactTechnique": CONTACT_TECHNIQUE,
        "adresses": ["192.0.2.0/24"],
    },
    "modifierPartenaire": lambda office: {
        "consumerKey": office.partner(),
        "scopes": ["soldes:lire"],
        "clients": [office.client_id],
        "contactTechnique": CONTACT_TECHNIQUE,
        "versionAttendue": 1,
    },
    "changerStatutPartenaire": lambda office: {
        "consumerKey": office.partner(),
        "statut": "SUSPENDU",
        "motif": "Appels suspects",
    },
    "saisirAdressesPartenaire": lambda office: {
        "consumerKey": office.partner(),
        "adresses": ["192.0.2.0/24"],
        "mode": "OBSERVER",
        "versionAttendue": 1,
    },
    "renouvelerSecretPartenaire": lambda office: {"consumerKey": office.partner()},
    "revoquerSecretPartenaire": _revocation,
    "revoquerJetonsPartenaire": lambda office: {"consumerKey": office.partner()},
    "getAudit": lambda _: {"limite": "2"},
    "verifierAudit": lambda _: {"depuis": 1, "jusqua": 1},
}
"""What a call of each operation sends that succeeds; a reference is added where it needs one."""
