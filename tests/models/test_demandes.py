"""Demandes: nothing takes effect but by as many other persons as its rule asks, whatever is tried."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import insert, select, update

from models import agent as agent_model
from models.agent import ACTIF, ROLES, SUSPENDU, Agent, agents, create_agent, find_agent
from models.audit import AGENT, PARTENAIRE, Acteur, audit, audit_tete
from models.back_office.moteur import (
    FORTE_S,
    Personne,
    Saisie,
    expirer,
    rejeter,
    retirer,
    saisir,
    valider,
)
from models.base import now
from models.database.engine import Database
from models.demande import (
    EXECUTEE,
    EXPIREE,
    RETIREE,
    SAISIE,
    Demande,
    demandes,
    find_demande,
    validations,
)
from models.errors import Refusal
from models.regle_validation import REGLES, regles_validation
from models.schema import metadata
from tests.models.conftest import NewDatabase

_numbers = itertools.count()

ROLES_OF = {
    "saisie": ("SECURITE_SAISIE",),
    "valide": ("SECURITE_VALIDATION",),
    "valide-aussi": ("SECURITE_VALIDATION",),
    "les-deux": ("SECURITE_SAISIE", "SECURITE_VALIDATION"),
    "lit": ("LECTEUR",),
}


def code_of(act: Callable[[], Demande]) -> str | Demande:
    """The code of the refusal, or what the act gives."""
    try:
        return act()
    except Refusal as refused:
        return refused.code


@dataclass
class Bureau:
    """Persons in a database, and what they do, each act in a transaction of its own."""

    database: Database
    prefix: str = field(default_factory=lambda: f"{next(_numbers)}-{random.randrange(10**6)}")

    def __post_init__(self) -> None:
        with self.database.transaction() as connection:
            # Those of the example before validate nothing any more.
            connection.execute(update(agents).values(statut=SUSPENDU))
            for nom, roles in ROLES_OF.items():
                create_agent(connection, self.agent(nom, roles))

    def id(self, nom: str) -> str:
        return f"{nom}-{self.prefix}"

    def agent(self, nom: str, roles: tuple[str, ...], sujet: str | None = None) -> Agent:
        sujet = sujet or self.id(nom)
        return Agent(
            self.id(nom), nom, f"{nom}@cynod.example", "https://id.cynod.example", sujet, roles,
            None, ACTIF, 1,
        )  # fmt: skip

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


@pytest.fixture
def bureau(new_database: NewDatabase) -> Bureau:
    return Bureau(prepare(new_database()))


def prepare(database: Database) -> Database:
    """All tables, the rules of a new database, and the end of an audit that is empty."""
    with database.transaction() as connection:
        metadata.create_all(connection)
        connection.execute(insert(audit_tete).values(id=1, position=0, empreinte="0" * 64))
        for regle in REGLES:
            told = regle._asdict() | {"forte": int(regle.forte), "meme_personne": 0}
            connection.execute(insert(regles_validation).values(told))
    return database


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
            select(
                audit.c.action, audit.c.acteur_id, audit.c.objet_id, audit.c.demande_id
            ).order_by(audit.c.position)
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
    assert code_of(lambda: act(bureau, demande)) == code
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
        act = lambda nom=nom, changed=changed: bureau.saisir(  # noqa: E731
            nom, "changerStatutAgent", "R1", contenu=changed, motif="départ"
        )
        assert code_of(act) == "4002"


def test_what_changed_meanwhile_is_not_overwritten(bureau: Bureau) -> None:
    lit = bureau.id("lit")
    wider = {"agentId": lit, "roles": ["LECTEUR", "SUPPORT"]}
    assert (
        code_of(lambda: bureau.saisir("saisie", "modifierAgent", "R0", contenu=wider, version=7))
        == "6006"
    )
    demande = bureau.saisir("saisie", "modifierAgent", "R1", contenu=wider, version=1)
    bureau.saisir(
        "saisie", "changerStatutAgent", "R2", contenu={"agentId": lit, "statut": SUSPENDU}
    )
    assert code_of(lambda: bureau.valider("valide", demande)) == "6006"
    assert bureau.find(demande) == demande, "the validation is not counted"


def test_one_demande_of_a_type_is_pending_for_an_object(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("lit"), "roles": ["SUPPORT"]}
    first = bureau.saisir("saisie", "modifierAgent", "R1", contenu=contenu)
    act = lambda: bureau.saisir("saisie", "modifierAgent", "R2", contenu=contenu)  # noqa: E731
    assert code_of(act) == "6012"
    bureau.retirer("saisie", first)
    assert act().statut == SAISIE


def test_last_who_validates_rights_is_not_suspended(bureau: Bureau) -> None:
    for nom in ("valide-aussi", "les-deux"):
        contenu = {"agentId": bureau.id(nom), "statut": SUSPENDU}
        bureau.saisir("saisie", "changerStatutAgent", nom, contenu=contenu)
    contenu = {"agentId": bureau.id("valide"), "statut": SUSPENDU}
    act = lambda: bureau.saisir("saisie", "changerStatutAgent", "R3", contenu=contenu)  # noqa: E731
    assert code_of(act) == "6013"


def test_nobody_changes_his_own_rights(bureau: Bureau) -> None:
    contenu = {"agentId": bureau.id("les-deux"), "roles": ["SAISIE", "VALIDATION"]}
    act = lambda nom: bureau.saisir(nom, "modifierAgent", nom, contenu=contenu)  # noqa: E731
    assert code_of(lambda: act("les-deux")) == "6003"
    demande = act("saisie")
    assert code_of(lambda: bureau.valider("les-deux", demande)) == "6003"
    assert bureau.valider("valide", demande).statut == EXECUTEE


def test_last_who_validates_rights_keeps_the_role(bureau: Bureau) -> None:
    for nom in ("valide-aussi", "les-deux"):
        contenu = {"agentId": bureau.id(nom), "statut": SUSPENDU}
        bureau.saisir("saisie", "changerStatutAgent", nom, contenu=contenu)
    contenu = {"agentId": bureau.id("valide"), "roles": ["LECTEUR"]}
    act = lambda: bureau.saisir("saisie", "modifierAgent", "R3", contenu=contenu)  # noqa: E731
    assert code_of(act) == "6013"


def test_demande_that_waited_too_long_is_over(bureau: Bureau) -> None:
    demande = bureau.saisir(
        "saisie", "saisirAgent", "R1", contenu=bureau.new_agent(), duree=timedelta(0)
    )
    assert code_of(lambda: bureau.valider("valide", demande)) == "6004", "before the task ran"
    with bureau.database.transaction() as connection:
        assert expirer(connection) == 1
        assert expirer(connection) == 0
    assert bureau.find(demande).statut == EXPIREE
    assert code_of(lambda: bureau.valider("valide", demande)) == "6002"


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
    act = lambda: bureau.saisir(  # noqa: E731
        "saisie", "saisirRegleValidation", "R1", contenu=RULE | changed
    )
    assert code_of(act) == "6011"


def test_rule_that_asks_two_is_kept_by_three_persons(bureau: Bureau) -> None:
    wider = RULE | {"type": "saisirAgent", "validations": 2}
    rule_ = bureau.saisir("saisie", "saisirRegleValidation", "R0", contenu=wider)
    bureau.valider("valide", rule_)
    demande = bureau.saisir("saisie", "saisirAgent", "R1", contenu=bureau.new_agent())
    once = bureau.valider("valide", demande)
    assert once.statut == SAISIE
    assert code_of(lambda: bureau.valider("valide", demande)) == "6003"
    assert bureau.valider("valide-aussi", demande).statut == EXECUTEE


@pytest.mark.parametrize("rival", ["another validation", "a withdrawal", "its end"])
def test_of_two_at_once_one_ends_a_demande(bureau: Bureau, rival: str) -> None:
    for number in range(4):
        demande = bureau.saisir(
            "saisie", "saisirAgent", f"R{number}", contenu=bureau.new_agent(f"n{number}")
        )

        def end(demande: Demande = demande) -> Demande:
            with bureau.database.transaction() as connection:
                connection.execute(
                    update(demandes)
                    .where(demandes.c.demande_id == demande.demande_id)
                    .values(expire_le=now())
                )
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


# ── any sequence of acts ─────────────────────────────────────────────────────────────────────────
noms = st.sampled_from([*ROLES_OF])


class Life(RuleBasedStateMachine):
    """Several persons act on several demandes; what holds is asked of the database after each act."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.bureau = Bureau(self.database)
        self.known: list[Demande] = []

    def pick(self, number: int) -> Demande | None:
        return self.known[number % len(self.known)] if self.known else None

    @rule(nom=noms, of=noms, statut=st.sampled_from([ACTIF, SUSPENDU]))
    def change_statut(self, nom: str, of: str, statut: str) -> None:
        contenu = {"agentId": self.bureau.id(of), "statut": statut}
        self.enter(nom, "changerStatutAgent", contenu)

    @rule(nom=noms, of=noms, role=st.sampled_from([*ROLES]))
    def modify(self, nom: str, of: str, role: str) -> None:
        self.enter(nom, "modifierAgent", {"agentId": self.bureau.id(of), "roles": [role]})

    @rule(nom=noms, number=st.integers(0, 3))
    def create(self, nom: str, number: int) -> None:
        self.enter(nom, "saisirAgent", self.bureau.new_agent(f"n{number}"))

    def enter(self, nom: str, type_: str, contenu: dict[str, Any]) -> None:
        reference = f"R{len(self.known)}-{next(_numbers)}"
        told = code_of(lambda: self.bureau.saisir(nom, type_, reference, contenu=contenu))
        if isinstance(told, Demande):
            self.known.append(told)

    @rule(nom=noms, number=st.integers(0, 20))
    def agree(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(lambda: self.bureau.valider(nom, demande))

    @rule(nom=noms, number=st.integers(0, 20))
    def reject(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(lambda: self.bureau.rejeter(nom, demande))

    @rule(nom=noms, number=st.integers(0, 20))
    def withdraw(self, nom: str, number: int) -> None:
        demande = self.pick(number)
        if demande is not None:
            code_of(lambda: self.bureau.retirer(nom, demande))

    @invariant()
    def every_effect_has_its_persons(self) -> None:
        with self.database.reading() as connection:
            rows = connection.execute(select(demandes)).all()
            agreed = connection.execute(select(validations)).all()
            told = connection.execute(select(audit.c.action, audit.c.demande_id)).all()
        by = {
            row.demande_id: [v.agent_id for v in agreed if v.demande_id == row.demande_id]
            for row in rows
        }
        for row in rows:
            persons = by[row.demande_id]
            assert row.saisie_par_id not in persons
            assert len(persons) <= row.validations_requises
            if row.statut == EXECUTEE:
                assert len(persons) == row.validations_requises
            actions = [one.action for one in told if one.demande_id == row.demande_id]
            effects = [one for one in actions if one == row.type]
            assert len(effects) == (row.statut == EXECUTEE), "one row of the audit for each effect"

    @invariant()
    def somebody_can_validate_rights(self) -> None:
        with self.database.reading() as connection:
            rows = connection.execute(select(agents).where(agents.c.statut == ACTIF)).all()
        assert any(agent_model.VALIDEURS_DE_SECURITE in row.roles.split() for row in rows)


def test_any_sequence_of_acts(new_database: NewDatabase) -> None:
    class Here(Life):
        database = prepare(new_database())

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=8,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            suppress_health_check=list(HealthCheck),
        ),
    )
