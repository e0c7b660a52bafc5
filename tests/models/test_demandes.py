"""Demandes: nothing takes effect but by as many other persons as its rule asks, whatever is tried."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import select, update

from models import agent as agent_model
from models.agent import ACTIF, ROLES, SUSPENDU, agents, find_agent
from models.audit import AGENT, PARTENAIRE, Acteur, Objet, audit, record
from models.back_office.corbeille import FiltreDemandes, lire_demande, list_demandes
from models.back_office.moteur import (
    FORTE_S,
    Personne,
    Saisie,
    expirer,
    refus_de_valider,
    rejeter,
    retirer,
    saisir,
    valider,
)
from models.base import new_ulid, now
from models.books.chaine import verify_chaine
from models.database.engine import Database
from models.demande import (
    EXECUTEE,
    EXPIREE,
    RETIREE,
    SAISIE,
    VIE,
    Demande,
    demandes,
    find_demande,
    validations,
)
from models.errors import AgentInconnu, DemandeInconnue, Refusal
from models.regle_validation import REGLES, list_regles
from tests.support.acteurs import TESTEUR
from tests.support.scenes import NewUrl
from tests.support.witness import install

_numbers = itertools.count()

ROLES_OF = {
    "saisie": ("SECURITE_SAISIE",),
    "valide": ("SECURITE_VALIDATION",),
    "valide-aussi": ("SECURITE_VALIDATION", "VALIDATION"),
    "les-deux": ("SECURITE_SAISIE", "SECURITE_VALIDATION"),
    "lit": ("LECTEUR",),
    "entre": ("SAISIE", "SECURITE_SAISIE"),
    "agree": ("VALIDATION",),
}


def code_of(act: Callable[..., Demande], *about: Any, **more: Any) -> str | Demande:
    """The code of the refusal, or what the act gives."""
    try:
        return act(*about, **more)
    except Refusal as refused:
        return refused.code


@dataclass
class Bureau:
    """Persons in a database, and what they do, each act in a transaction of its own."""

    database: Database
    prefix: str = field(default_factory=lambda: f"{next(_numbers)}-{random.randrange(10**6)}")

    def __post_init__(self) -> None:
        operator = Personne(TESTEUR)
        for nom, roles in ROLES_OF.items():
            new = self.new_agent(nom) | {"roles": list(roles)}
            with self.database.transaction() as connection:
                saisir(connection, operator, Saisie("saisirAgent", new_ulid(), new))
        with self.database.transaction() as connection:
            # Those of the example before validate nothing any more.
            others = agents.c.agent_id.not_in([self.id(nom) for nom in ROLES_OF])
            connection.execute(update(agents).where(others).values(statut=SUSPENDU))
            record(connection, TESTEUR, "test", Objet("AGENT", "*"), None, {})

    def id(self, nom: str) -> str:
        return f"{nom}-{self.prefix}"

    def personne(self, nom: str, *, age_s: int = 0) -> Personne:
        """The person as she is now, who authenticated so many seconds ago."""
        with self.database.reading() as connection:
            agent = find_agent(connection, self.id(nom))
        assert agent is not None
        acteur = Acteur(AGENT, agent.agent_id, agent.nom)
        return Personne(acteur, agent, now() - timedelta(seconds=age_s))

    def saisir(self, nom: str, type_: str, reference: str, **more: Any) -> Demande:
        contenu, version = more.pop("contenu"), more.pop("version", None)
        saisie = Saisie(
            type_, f"{reference}-{self.prefix}", contenu, version, more.pop("motif", None)
        )
        with self.database.transaction() as connection:
            return saisir(connection, self.personne(nom), saisie, **more)

    def valider(
        self, nom: str, demande: Demande, *, age_s: int = 0, empreinte: str = ""
    ) -> Demande:
        personne = self.personne(nom, age_s=age_s)
        with self.database.transaction() as connection:
            return valider(
                connection, personne, demande.demande_id, empreinte=empreinte or demande.empreinte
            )

    def rejeter(self, nom: str, demande: Demande) -> Demande:
        personne = self.personne(nom)
        with self.database.transaction() as connection:
            return rejeter(connection, personne, demande.demande_id, motif="non")

    def retirer(self, nom: str, demande: Demande) -> Demande:
        personne = self.personne(nom)
        with self.database.transaction() as connection:
            return retirer(connection, personne, demande.demande_id)

    def valider_par(self, personne: Personne, demande: Demande) -> Demande:
        with self.database.transaction() as connection:
            return valider(connection, personne, demande.demande_id, empreinte=demande.empreinte)

    def pass_time(self, demande: Demande) -> None:
        """The time of a pending demande is over."""
        with self.database.transaction() as connection:
            changed = connection.execute(
                update(demandes)
                .where(demandes.c.demande_id == demande.demande_id, demandes.c.statut == SAISIE)
                .values(expire_le=now())
            )
            if changed.rowcount:
                record(connection, TESTEUR, "test", Objet("DEMANDE", "*"), None, {})

    def statut(self, nom: str, statut: str) -> dict[str, Any]:
        """The content of changerStatutAgent."""
        return {"agentId": self.id(nom), "statut": statut}

    def find(self, demande: Demande) -> Demande:
        with self.database.reading() as connection:
            found = find_demande(connection, demande_id=demande.demande_id)
        assert found is not None
        return found

    def new_agent(self, nom: str = "nouveau") -> dict[str, Any]:
        """The content of saisirAgent."""
        return {
            "agentId": self.id(nom), "nom": nom, "email": f"{nom}@cynod.example",
            "emetteur": "https://id.cynod.example", "sujet": self.id(nom), "roles": ["LECTEUR"],
        }  # fmt: skip


@pytest.fixture(scope="module")
def watched(new_database_url: NewUrl) -> Iterator[Database]:
    """A migrated database that refuses whatever goes around the audit, or around the demandes."""
    database = Database(new_database_url())
    install(database)
    yield database
    database.close()


@pytest.fixture
def bureau(watched: Database) -> Bureau:
    """Persons of the test's own."""
    return Bureau(watched)


def test_rules_of_a_new_database_are_those_of_the_code(watched: Database) -> None:
    with watched.reading() as connection:
        assert list_regles(connection) == sorted(REGLES)


def test_change_of_rights_takes_effect_with_a_second_person_only(bureau: Bureau) -> None:
    contenu = bureau.new_agent()
    entered = bureau.saisir("saisie", "saisirAgent", "R1", contenu=contenu)
    assert (entered.statut, entered.validations_requises) == (SAISIE, 1)
    with bureau.database.reading() as connection:
        assert find_agent(connection, contenu["agentId"]) is None
    done = bureau.valider("valide", entered)
    assert (done.statut, done.resultat) == (EXECUTEE, {"agentId": contenu["agentId"]})
    assert [one.agent_id for one in done.validations] == [bureau.id("valide")]
    with bureau.database.reading() as connection:
        made = find_agent(connection, contenu["agentId"])
        told = connection.execute(
            select(audit.c.action, audit.c.acteur_id, audit.c.objet_id, audit.c.demande_id)
            .where(audit.c.demande_id == done.demande_id)
            .order_by(audit.c.position)
        ).all()
    assert made is not None
    assert made.droits == ROLES["LECTEUR"]
    assert [tuple(row) for row in told] == [
        ("demande.saisie", bureau.id("saisie"), done.demande_id, done.demande_id),
        ("saisirAgent", bureau.id("valide"), contenu["agentId"], done.demande_id),
    ]


REFUSED: dict[str, tuple[str, Callable[[Bureau, Demande], Demande]]] = {
    "by who entered it, who may validate too": (
        "6003", lambda bureau, demande: bureau.valider("les-deux", demande)
    ),
    "by who has no right to": ("2003", lambda bureau, demande: bureau.valider("lit", demande)),
    "of another content": (
        "6005", lambda bureau, demande: bureau.valider("valide", demande, empreinte="0" * 64)
    ),
    "by who authenticated long ago": (
        "2008", lambda bureau, demande: bureau.valider("valide", demande, age_s=FORTE_S + 5)
    ),
    "rejected by who entered it": (
        "6003", lambda bureau, demande: bureau.rejeter("les-deux", demande)
    ),
    "withdrawn by another one": ("2003", lambda bureau, demande: bureau.retirer("saisie", demande)),
}  # fmt: skip


@pytest.mark.parametrize("how", REFUSED)
def test_demande_stays_as_it_was(bureau: Bureau, how: str) -> None:
    demande = bureau.saisir("les-deux", "saisirAgent", "R1", contenu=bureau.new_agent())
    code, act = REFUSED[how]
    assert code_of(act, bureau, demande) == code
    assert bureau.find(demande) == demande


def test_one_person_with_two_names_is_one_person(bureau: Bureau) -> None:
    """The provider's subject says who somebody is, not the agentId that was given twice."""
    demande = bureau.saisir("les-deux", "saisirAgent", "R1", contenu=bureau.new_agent())
    one, other = bureau.personne("les-deux").agent, bureau.personne("valide").agent
    assert one is not None
    assert other is not None
    assert one.is_same_person(other._replace(sujet=one.sujet))
    twin = bureau.personne("valide")._replace(agent=other._replace(sujet=one.sujet))
    with bureau.database.transaction() as connection, pytest.raises(Refusal) as refused:
        valider(connection, twin, demande.demande_id, empreinte=demande.empreinte)
    assert refused.value.code == "6003"


def test_machine_enters_and_never_validates(bureau: Bureau) -> None:
    machine = Personne(Acteur(PARTENAIRE, "erp", "ERP"))
    saisie = Saisie("saisirAgent", f"R1-{bureau.prefix}", bureau.new_agent())
    with bureau.database.transaction() as connection:
        demande = saisir(connection, machine, saisie)
    with bureau.database.transaction() as connection, pytest.raises(Refusal) as refused:
        valider(connection, machine, demande.demande_id, empreinte=demande.empreinte)
    assert refused.value.code == "2009"
    assert bureau.valider("valide", demande).statut == EXECUTEE


def test_same_reference_is_the_same_demande_and_runs_once(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("lit"), "statut": SUSPENDU}
    first = bureau.saisir("saisie", "changerStatutAgent", "R1", contenu=contenu, motif="départ")
    again = bureau.saisir("saisie", "changerStatutAgent", "R1", contenu=contenu, motif="départ")
    assert first.statut == EXECUTEE, "what protects is immediate"
    assert again == first._replace(replayed=True)
    for nom, changed in (("saisie", {**contenu, "statut": ACTIF}), ("les-deux", contenu)):
        act = partial(
            bureau.saisir, nom, "changerStatutAgent", "R1", contenu=changed, motif="départ"
        )
        assert code_of(act) == "4002"


def test_what_changed_meanwhile_is_not_overwritten(bureau: Bureau) -> None:
    lit = bureau.id("lit")
    wider = {"agentId": lit, "roles": ["LECTEUR", "SUPPORT"]}
    assert (
        code_of(bureau.saisir, "saisie", "modifierAgent", "R0", contenu=wider, version=7) == "6006"
    )
    demande = bureau.saisir("saisie", "modifierAgent", "R1", contenu=wider, version=1)
    bureau.saisir(
        "saisie", "changerStatutAgent", "R2", contenu={"agentId": lit, "statut": SUSPENDU}
    )
    assert code_of(bureau.valider, "valide", demande) == "6006"
    assert bureau.find(demande) == demande, "the validation is not counted"


def test_one_demande_of_a_type_is_pending_for_an_object(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("lit"), "roles": ["SUPPORT"]}
    first = bureau.saisir("saisie", "modifierAgent", "R1", contenu=contenu)
    act = partial(bureau.saisir, "saisie", "modifierAgent", "R2", contenu=contenu)
    assert code_of(act) == "6012"
    bureau.retirer("saisie", first)
    assert act().statut == SAISIE


def test_last_who_validates_rights_is_not_suspended(bureau: Bureau) -> None:
    for nom in ("valide-aussi", "les-deux"):
        bureau.saisir("saisie", "changerStatutAgent", nom, contenu=bureau.statut(nom, SUSPENDU))
    contenu = {"agentId": bureau.id("valide"), "statut": SUSPENDU}
    act = partial(bureau.saisir, "saisie", "changerStatutAgent", "R3", contenu=contenu)
    assert code_of(act) == "6013"


def test_nobody_changes_his_own_rights(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("les-deux"), "roles": ["SAISIE", "VALIDATION"]}

    def act(nom: str) -> Demande:
        return bureau.saisir(nom, "modifierAgent", nom, contenu=contenu)

    assert code_of(act, "les-deux") == "6003"
    demande = act("saisie")
    assert code_of(bureau.valider, "les-deux", demande) == "6003"
    assert bureau.valider("valide", demande).statut == EXECUTEE


def test_last_who_validates_rights_keeps_the_role(bureau: Bureau) -> None:
    for nom in ("valide-aussi", "les-deux"):
        bureau.saisir("saisie", "changerStatutAgent", nom, contenu=bureau.statut(nom, SUSPENDU))
    contenu: dict[str, Any] = {"agentId": bureau.id("valide"), "roles": ["LECTEUR"]}
    act = partial(bureau.saisir, "saisie", "modifierAgent", "R3", contenu=contenu)
    assert code_of(act) == "6013"


def test_demande_that_waited_too_long_is_over(bureau: Bureau) -> None:
    demande = bureau.saisir(
        "saisie", "saisirAgent", "R1", contenu=bureau.new_agent(), duree=timedelta(0)
    )
    assert code_of(bureau.valider, "valide", demande) == "6004", "before the task ran"
    with bureau.database.transaction() as connection:
        assert expirer(connection) == 1
        assert expirer(connection) == 0
    assert bureau.find(demande).statut == EXPIREE
    assert code_of(bureau.valider, "valide", demande) == "6002"


RULE = {"montantMinimal": None, "forte": True, "memePersonne": False}


@pytest.mark.parametrize(
    "changed",
    [
        {"type": "saisirRegleValidation", "validations": 0},
        {"type": "saisirAgent", "validations": 0},
        {"type": "saisirAgent", "validations": 1, "memePersonne": True},
        {"type": "saisirAgent", "validations": 1, "forte": False},
    ],
    ids=str,
)
def test_rule_is_not_lowered_below_its_minimum(bureau: Bureau, changed: dict[str, Any]) -> None:
    act = partial(bureau.saisir, "saisie", "saisirRegleValidation", "R1", contenu=RULE | changed)
    assert code_of(act) == "6011"


def test_rule_that_asks_two_is_kept_by_three_persons(bureau: Bureau) -> None:
    wider = {"type": "saisirReseau", "validations": 2, "forte": False, "memePersonne": False}
    rule_ = bureau.saisir("saisie", "saisirRegleValidation", "R0", contenu=wider)
    bureau.valider("valide", rule_)
    contenu = {"reseauId": f"R{bureau.prefix}", "nom": "Réseau"}
    demande = bureau.saisir("entre", "saisirReseau", "R1", contenu=contenu)
    once = bureau.valider("agree", demande)
    assert (once.statut, len(once.validations)) == (SAISIE, 1)
    assert code_of(bureau.valider, "agree", demande) == "6003"
    assert bureau.valider("valide-aussi", demande).statut == EXECUTEE


@pytest.mark.parametrize("rival", ["another validation", "a withdrawal", "its end"])
def test_of_two_at_once_one_ends_a_demande(bureau: Bureau, rival: str) -> None:
    for number in range(4):
        demande = bureau.saisir(
            "saisie", "saisirAgent", f"R{number}", contenu=bureau.new_agent(f"n{number}")
        )

        def end(demande: Demande = demande) -> Demande:
            bureau.pass_time(demande)
            with bureau.database.transaction() as connection:
                expirer(connection)
            return bureau.find(demande)

        rivals = {
            "another validation": lambda d=demande: bureau.valider("valide-aussi", d),
            "a withdrawal": lambda d=demande: bureau.retirer("saisie", d),
            "its end": end,
        }
        with ThreadPoolExecutor(2) as pool:
            acts = [lambda d=demande: bureau.valider("valide", d), rivals[rival]]
            told = [pool.submit(code_of, act) for act in acts]
            results = [one.result() for one in told]
        # Its end is left to the next time where somebody held it, who was then told that it is over.
        with bureau.database.transaction() as connection:
            expirer(connection)
        found = bureau.find(demande)
        with bureau.database.reading() as connection:
            made = find_agent(connection, bureau.id(f"n{number}"))
        assert (found.statut == EXECUTEE) == (made is not None)
        ended = [one for one in results if isinstance(one, Demande) and one.statut == found.statut]
        refused = [one for one in results if isinstance(one, str)]
        assert found.statut in (EXECUTEE, RETIREE, EXPIREE)
        assert ended or refused == ["6004"], results
        assert set(refused) <= {"6002", "6004"}, results


def test_of_two_who_suspend_each_other_one_stays(bureau: Bureau) -> None:
    """Each is the last but one who validates rights; neither holds the other's row."""
    gone = bureau.statut("les-deux", SUSPENDU)
    bureau.saisir("saisie", "changerStatutAgent", "R0", contenu=gone)
    both = ("valide", "valide-aussi")
    with ThreadPoolExecutor(2) as pool:
        acts = [
            lambda nom=nom: bureau.saisir(
                "saisie", "changerStatutAgent", f"R-{nom}", contenu=bureau.statut(nom, SUSPENDU)
            )
            for nom in both
        ]
        told = [one.result() for one in [pool.submit(code_of, act) for act in acts]]
    assert sorted(one if isinstance(one, str) else one.statut for one in told) == ["6013", EXECUTEE]


def test_who_was_suspended_meanwhile_changes_nothing(bureau: Bureau) -> None:
    """Whoever was let in a moment ago is looked up again where no other change can be under way."""
    demande = bureau.saisir("saisie", "saisirAgent", "R1", contenu=bureau.new_agent())
    before = bureau.personne("valide")
    bureau.saisir("saisie", "changerStatutAgent", "R2", contenu=bureau.statut("valide", SUSPENDU))
    with pytest.raises(AgentInconnu), bureau.database.transaction() as connection:
        valider(connection, before, demande.demande_id, empreinte=demande.empreinte)
    assert bureau.find(demande) == demande


def test_what_protects_does_not_wait_for_what_is_pending(bureau: Bureau) -> None:
    """A demande that nobody else is asked for is never pending, so it is no rival of one that is."""
    bureau.saisir("saisie", "changerStatutAgent", "R1", contenu=bureau.statut("lit", SUSPENDU))
    back = bureau.saisir("saisie", "changerStatutAgent", "R2", contenu=bureau.statut("lit", ACTIF))
    assert back.statut == SAISIE
    bureau.valider("valide", back)
    again = bureau.saisir(
        "saisie", "changerStatutAgent", "R3", contenu=bureau.statut("lit", SUSPENDU)
    )
    assert again.statut == EXECUTEE


def test_twins_at_once_are_one_demande(bureau: Bureau) -> None:
    """The second waits for the first, and is not judged by what the first has changed."""
    for number in range(4):
        contenu = bureau.statut("lit", (SUSPENDU, ACTIF)[number % 2])
        with ThreadPoolExecutor(2) as pool:
            act = partial(
                bureau.saisir,
                "saisie",
                "changerStatutAgent",
                f"T{number}",
                contenu=contenu,
                motif="x",
            )
            told = [one.result() for one in [pool.submit(code_of, act) for _ in range(2)]]
        first, second = (one for one in told if isinstance(one, Demande))
        assert first.demande_id == second.demande_id
        assert {first.replayed, second.replayed} == {True, False}
        if first.statut == SAISIE:
            bureau.valider("valide", first)


def test_attempt_to_agree_to_ones_own_is_written_down(bureau: Bureau) -> None:
    demande = bureau.saisir("les-deux", "saisirAgent", "R1", contenu=bureau.new_agent())
    assert code_of(bureau.valider, "les-deux", demande) == "6003"
    assert code_of(bureau.valider, "lit", demande) == "2003", "who may not is no fraud"
    with bureau.database.reading() as connection:
        told = connection.execute(
            select(audit.c.action, audit.c.acteur_id, audit.c.apres)
            .where(audit.c.demande_id == demande.demande_id)
            .order_by(audit.c.position)
        ).all()
    assert [row.action for row in told] == ["demande.saisie", "demande.refusee"]
    assert tuple(told[1])[1:] == (bureau.id("les-deux"), '{"refus":"6003"}')


def test_agent_of_a_client_that_nobody_has_is_refused(bureau: Bureau) -> None:
    contenu = bureau.new_agent() | {"clients": ["CLI-INCONNU"]}
    act = partial(bureau.saisir, "saisie", "saisirAgent", "R1", contenu=contenu)
    assert code_of(act) == "6007"


def test_two_who_create_the_same_agent_at_once(bureau: Bureau) -> None:
    """Both demandes were right when they were entered: the second is told so when it is executed."""
    entered = [
        bureau.saisir("saisie", "saisirAgent", f"R{n}", contenu=bureau.new_agent())
        for n in range(2)
    ]
    with ThreadPoolExecutor(2) as pool:
        acts = [
            lambda nom=nom, one=one: bureau.valider(nom, one)
            for nom, one in zip(("valide", "valide-aussi"), entered, strict=True)
        ]
        told = [one.result() for one in [pool.submit(code_of, act) for act in acts]]
    assert sorted(one if isinstance(one, str) else one.statut for one in told) == ["6008", EXECUTEE]


# ── what is read of them ─────────────────────────────────────────────────────────────────────────
def ids(bureau: Bureau, nom: str, filtre: FiltreDemandes, *, limite: int = 100) -> list[str]:
    """The demandes that a person's list holds, all pages of it, those of this test alone."""
    found, curseur = [], None
    while True:
        with bureau.database.reading() as connection:
            page = list_demandes(
                connection, bureau.personne(nom), filtre, limite=limite, curseur=curseur
            )
        found += [one for one in page.lignes if one.reference.endswith(f"-{bureau.prefix}")]
        curseur = page.curseur_suivant
        if curseur is None:
            return [one.demande_id for one in found]


def test_list_holds_what_its_filters_say(bureau: Bureau) -> None:
    today_ = now().date()
    lit = bureau.id("lit")
    entered = {
        "agent": bureau.saisir("saisie", "saisirAgent", "R1", contenu=bureau.new_agent()),
        "statut": bureau.saisir(
            "saisie", "changerStatutAgent", "R2", contenu=bureau.statut("lit", SUSPENDU)
        ),
        "roles": bureau.saisir(
            "les-deux", "modifierAgent", "R3", contenu={"agentId": lit, "roles": ["SUPPORT"]}
        ),
    }
    wanted: list[tuple[FiltreDemandes, tuple[str, ...]]] = [
        (FiltreDemandes(), ("agent", "statut", "roles")),
        (FiltreDemandes(statut=SAISIE), ("agent", "roles")),
        (FiltreDemandes(type="saisirAgent"), ("agent",)),
        (FiltreDemandes(objet_type="AGENT", objet_id=lit), ("statut", "roles")),
        (FiltreDemandes(saisie_par=bureau.id("les-deux")), ("roles",)),
        (FiltreDemandes(date_debut=today_, date_fin=today_), ("agent", "statut", "roles")),
        (FiltreDemandes(date_debut=today_ + timedelta(days=1)), ()),
        (FiltreDemandes(date_fin=today_ - timedelta(days=1)), ()),
        (FiltreDemandes(date_debut=date.min, date_fin=date.max), ("agent", "statut", "roles")),
    ]
    for filtre, names in wanted:
        assert ids(bureau, "lit", filtre) == [entered[name].demande_id for name in names], filtre
    assert ids(bureau, "lit", FiltreDemandes(), limite=1) == ids(bureau, "lit", FiltreDemandes())
    with bureau.database.reading() as connection:
        page = list_demandes(
            connection, bureau.personne("lit"), FiltreDemandes(objet_id=lit), limite=1, curseur=None
        )
    assert page.lignes == [entered["statut"]._replace(contenu={})]


def test_one_reads_what_he_would_agree_to(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("lit"), "roles": ["SUPPORT"]}
    demande = bureau.saisir("les-deux", "modifierAgent", "R1", contenu=contenu)
    told = {}
    for nom, age_s in (("valide", 0), ("valide", FORTE_S + 5), ("les-deux", 0), ("lit", 0)):
        with bureau.database.reading() as connection:
            read = lire_demande(
                connection, bureau.personne(nom, age_s=age_s), reference=demande.reference
            )
        assert read.demande == demande
        assert read.etat_actuel is not None
        assert read.etat_actuel["roles"] == ["LECTEUR"]
        told[nom, age_s] = (read.peut_valider, read.raison)
    assert list(told.values()) == [(True, None), (False, "2008"), (False, "6003"), (False, "2003")]
    with bureau.database.reading() as connection, pytest.raises(Refusal) as refused:
        lire_demande(connection, bureau.personne("lit"), demande_id=new_ulid())
    assert refused.value.code == "6001"
    with bureau.database.reading() as connection, pytest.raises(Refusal) as refused:
        lire_demande(connection, bureau.personne("lit"))
    assert refused.value.code == "405"


def test_agent_of_some_clients_sees_no_demande_of_others(bureau: Bureau) -> None:
    """Nor agrees to one: it is as if there were none."""
    contenu = {"clientId": f"C{bureau.prefix}"[:32], "nom": "Client"}
    demande = bureau.saisir("entre", "saisirClient", "R1", contenu=contenu)
    whole = bureau.personne("agree")
    assert whole.agent is not None
    for clients, seen in ((frozenset({"CLI-X"}), False), (frozenset({contenu["clientId"]}), True)):
        person = whole._replace(agent=whole.agent._replace(clients=clients))
        with bureau.database.reading() as connection:
            page = list_demandes(
                connection, person, FiltreDemandes(type="saisirClient", a_valider=True), limite=100,
                curseur=None,
            )  # fmt: skip
            assert (demande.demande_id in [one.demande_id for one in page.lignes]) == seen
        act = partial(bureau.valider_par, person, demande)
        if not seen:
            assert code_of(act) == "6001"
            with bureau.database.reading() as connection, pytest.raises(DemandeInconnue):
                lire_demande(connection, person, demande_id=demande.demande_id)
        else:
            assert act().statut == EXECUTEE


# ── any sequence of acts ─────────────────────────────────────────────────────────────────────────
noms = st.sampled_from([*ROLES_OF])
numbers = st.integers(0, 20)


class Life(RuleBasedStateMachine):
    """Several persons act on several demandes; what holds is asked of the database after each act, and the
    database itself refuses what goes around the audit or the demandes."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.bureau = Bureau(self.database)
        self.known: list[Demande] = []
        self.pending: list[Demande] = []
        self.ended: dict[str, Any] = {}
        self.turns = itertools.cycle(ROLES_OF)

    def pick(self, number: int) -> Demande | None:
        return self.known[number % len(self.known)] if self.known else None

    @rule(nom=noms, of=noms, statut=st.sampled_from([ACTIF, SUSPENDU]))
    def change_statut(self, nom: str, of: str, statut: str) -> None:
        self.enter(nom, "changerStatutAgent", self.bureau.statut(of, statut))

    @rule(nom=noms, of=noms, role=st.sampled_from([*ROLES]))
    def modify(self, nom: str, of: str, role: str) -> None:
        self.enter(nom, "modifierAgent", {"agentId": self.bureau.id(of), "roles": [role]})

    @rule(nom=noms, number=st.integers(0, 3))
    def create(self, nom: str, number: int) -> None:
        self.enter(nom, "saisirAgent", self.bureau.new_agent(f"n{number}"))

    @rule(nom=noms, validations_=st.integers(0, 2), same=st.booleans())
    def change_rule(self, nom: str, validations_: int, same: bool) -> None:
        """Of what a deployment may make immediate, and of what it may not."""
        for type_, forte in (("saisirClient", False), ("saisirAgent", True)):
            contenu = {"type": type_, "forte": forte, "validations": validations_}
            self.enter(nom, "saisirRegleValidation", contenu | {"memePersonne": same})

    @rule(nom=noms, number=st.integers(0, 3))
    def create_client(self, nom: str, number: int) -> None:
        client_id = f"C{number}-{self.bureau.prefix}"[:32]
        self.enter(nom, "saisirClient", {"clientId": client_id, "nom": "Client"})

    def enter(self, nom: str, type_: str, contenu: dict[str, Any]) -> None:
        reference = f"R{len(self.known)}-{next(_numbers)}"
        told = code_of(self.bureau.saisir, nom, type_, reference, contenu=contenu)
        if isinstance(told, Demande):
            self.known.append(told)
            again = code_of(self.bureau.saisir, nom, type_, reference, contenu=contenu)
            assert again == told._replace(replayed=True)

    @rule(nom=noms, number=numbers)
    def agree(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(self.bureau.valider, nom, demande)

    @rule(nom=noms, number=numbers)
    def reject(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(self.bureau.rejeter, nom, demande)

    @rule(nom=noms, number=numbers)
    def withdraw(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(self.bureau.retirer, nom, demande)

    @rule(number=numbers)
    def wait_too_long(self, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            self.bureau.pass_time(demande)
            with self.database.transaction() as connection:
                expirer(connection)

    @invariant()
    def every_effect_has_its_persons(self) -> None:
        mine = [one.demande_id for one in self.known]
        with self.database.reading() as connection:
            rows = connection.execute(select(demandes).where(demandes.c.demande_id.in_(mine))).all()
            agreed = connection.execute(
                select(validations).where(validations.c.demande_id.in_(mine))
            ).all()
            told = connection.execute(
                select(audit.c.action, audit.c.demande_id)
                .where(audit.c.demande_id.in_(mine))
                .order_by(audit.c.position)
            ).all()
        for row in rows:
            persons = [v.agent_id for v in agreed if v.demande_id == row.demande_id]
            assert row.meme_personne or row.saisie_par_id not in persons
            assert len(persons) <= row.validations_requises
            if row.statut == EXECUTEE:
                assert len(persons) == row.validations_requises
            actions = [one.action for one in told if one.demande_id == row.demande_id]
            lived = [one for one in actions if one != "demande.refusee"]
            assert lived == expected_life(row, len(persons))
            if row.statut != SAISIE:
                assert self.ended.setdefault(row.demande_id, row) == row, "what ended stays so"
        self.pending = [one for one in self.known if one.demande_id not in self.ended]

    @invariant()
    def he_finds_in_his_list_what_he_may_agree_to(self) -> None:
        """One person after the other."""
        nom = next(self.turns)
        personne = self.bureau.personne(nom)
        with self.database.reading() as connection:
            may = [
                one.demande_id
                for one in map(self.bureau.find, self.pending)
                if refus_de_valider(connection, personne, one) is None
            ]
        assert ids(self.bureau, nom, FiltreDemandes(a_valider=True)) == may

    @invariant()
    def somebody_can_validate_rights(self) -> None:
        with self.database.reading() as connection:
            rows = connection.execute(select(agents).where(agents.c.statut == ACTIF)).all()
        assert any(agent_model.VALIDEURS_DE_SECURITE in row.roles.split() for row in rows)

    def teardown(self) -> None:
        with self.database.reading() as connection:
            assert verify_chaine(connection).rupture is None


def expected_life(row: Any, agreed: int) -> list[str]:
    """The rows of the audit that a demande has by the table of its life."""
    if row.validations_requises == 0:
        return [row.type]
    actions = {(one.de, one.vers): one.action or "" for one in VIE}
    steps = [actions[None, SAISIE]]
    last = row.statut == EXECUTEE
    steps += [actions[SAISIE, SAISIE]] * (agreed - last)
    if last:
        return [*steps, row.type]
    return steps if row.statut == SAISIE else [*steps, actions[SAISIE, row.statut]]


def test_any_sequence_of_acts(new_database_url: NewUrl) -> None:
    class Here(Life):
        database = Database(new_database_url())

    install(Here.database)
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=4,
            stateful_step_count=24,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
    Here.database.close()
