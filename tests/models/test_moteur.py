"""The engine of demandes, act by act: what is kept and what the audit says are compared whole."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property, partial
from typing import Any

import pytest

from models.agent import ACTIF, SUSPENDU, find_agent
from models.audit import AGENT, PARTENAIRE, Acteur
from models.back_office import moteur
from models.back_office.audits import FiltreAudit, list_audit
from models.back_office.corbeille import FiltreDemandes, list_demandes
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
from models.base import now
from models.database.engine import Database
from models.demande import (
    EXECUTEE,
    EXPIREE,
    REJETEE,
    RETIREE,
    SAISIE,
    Demande,
    Validation,
    find_demande,
)
from models.errors import Refusal
from models.partenaire import DroitsRetires
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.scenes import NewUrl
from tests.support.siege import personne
from tests.support.world import PEPPER, World, new_number

MACHINE = Personne(Acteur(PARTENAIRE, "erp", "ERP"))


class Office:
    """Persons whose names are not their agentId, and what they do, each act in a transaction of its own."""

    def __init__(self, database: Database) -> None:
        self.database = database

    @cached_property
    def saisie(self) -> Personne:
        """Who enters changes of rights."""
        return self.person("SECURITE_SAISIE")

    @cached_property
    def validation(self) -> Personne:
        """Who agrees to them."""
        return self.person("SECURITE_VALIDATION")

    @cached_property
    def other(self) -> Personne:
        """Who does too. The last one who may keeps his rights: there is the first one beside him."""
        assert self.validation.agent is not None
        return self.person("SECURITE_VALIDATION")

    @cached_property
    def entering(self) -> Personne:
        """Who enters clients."""
        return self.person("SAISIE")

    @cached_property
    def agreeing(self) -> list[Personne]:
        """Two who agree to them."""
        return [self.person("VALIDATION") for _ in range(2)]

    @cached_property
    def lit(self) -> str:
        """The agentId of one who is changed."""
        return self.person("LECTEUR").acteur.id

    def person(self, role: str) -> Personne:
        """A new person of this role, who has just authenticated."""
        contenu = new_person(role)
        self.enter(Personne(TESTEUR), "saisirAgent", **contenu)
        with self.database.reading() as connection:
            agent = find_agent(connection, contenu["agentId"])
        assert agent is not None
        return personne(agent)

    def act(self, act: Callable[..., Demande], *about: Any, **more: Any) -> Demande:
        with self.database.transaction() as connection:
            return act(connection, *about, **more)

    def enter(
        self, who: Personne, type_: str, *, version: int | None = None, **contenu: Any
    ) -> Demande:
        saisie = Saisie(type_, f"REF-{new_number()}", contenu, version, "un motif")
        return self.act(saisir, who, saisie)

    def roles(self, *roles: str, **more: Any) -> Demande:
        """A pending change of a person's roles."""
        return self.enter(self.saisie, "modifierAgent", agentId=self.lit, roles=list(roles), **more)

    def agree(self, who: Personne, demande: Demande) -> Demande:
        return self.act(valider, who, demande.demande_id, empreinte=demande.empreinte)

    def find(self, demande: Demande) -> Demande:
        with self.database.reading() as connection:
            found = find_demande(connection, demande_id=demande.demande_id)
        assert found is not None
        return found

    def rows(self, demande_id: str | None, **filtre: Any) -> list[tuple[Any, ...]]:
        """The rows of the audit that name the demande: what each says but when, and its seal."""
        with self.database.reading() as connection:
            page = list_audit(
                connection, None, FiltreAudit(demande_id=demande_id, **filtre), limite=100,
                curseur=None,
            )  # fmt: skip
        return [
            (
                *(one.acteur_type, one.acteur_id, one.acteur_nom, one.action),
                *(one.objet_type, one.objet_id, one.demande_id),
                *(one.avant, one.apres, one.motif, one.meme_personne),
            )
            for one in page.lignes
        ]


def row_of(
    demande: Demande,
    who: Personne,
    action: str,
    avant: Mapping[str, Any] | None,
    apres: Mapping[str, Any] | None,
    motif: str | None = "un motif",
) -> tuple[Any, ...]:
    """A row of the audit about the demande itself."""
    acteur = who.acteur
    objet = ("DEMANDE", demande.demande_id, demande.demande_id)
    return (*acteur[:3], action, *objet, avant, apres, motif, False)


def entered(demande: Demande) -> dict[str, Any]:
    """What the audit says of a demande when it is entered."""
    return {
        "type": demande.type,
        "statut": SAISIE,
        "objetType": demande.objet_type,
        "objetId": demande.objet_id,
        "empreinte": demande.empreinte,
        "validationsRequises": demande.validations_requises,
    }


def code_of(act: Callable[..., Any], *about: Any, **more: Any) -> str:
    """The code of the refusal."""
    with pytest.raises(Refusal) as refused:
        act(*about, **more)
    return refused.value.code


@pytest.fixture(scope="module")
def ruled(new_database_url: NewUrl) -> Iterator[Database]:
    """A database where two agree to a new réseau, and who enters a profile may validate it."""
    database = Database(new_database_url())
    rules = (
        {"type": "saisirReseau", "validations": 2, "forte": False, "memePersonne": False},
        {"type": "saisirClient", "validations": 1, "forte": True, "memePersonne": True},
    )
    for contenu in rules:
        with database.transaction() as connection:
            saisie = Saisie("saisirRegleValidation", f"REF-{new_number()}", contenu)
            saisir(connection, Personne(TESTEUR), saisie)
    yield database
    database.close()


@pytest.fixture
def office(ruled: Database) -> Office:
    return Office(ruled)


# ── entered ──────────────────────────────────────────────────────────────────────────────────────
def test_what_is_entered_is_kept_whole(office: Office) -> None:
    begun = now()
    demande = office.roles("SUPPORT", version=1)
    contenu = {"agentId": office.lit, "roles": ["SUPPORT"]}
    told = {"contenu": contenu, "objetId": office.lit, "type": "modifierAgent", "versionObjet": 1}
    canonical = json.dumps(told, sort_keys=True, separators=(",", ":"))
    assert begun <= demande.saisie_le <= now()
    assert demande == Demande(
        demande_id=demande.demande_id,
        type="modifierAgent",
        reference=demande.reference,
        objet_type="AGENT",
        objet_id=office.lit,
        client_id=None,
        contenu=contenu,
        empreinte=hashlib.sha256(canonical.encode()).hexdigest(),
        version_objet=1,
        montant=None,
        unite=None,
        validations_requises=1,
        forte=True,
        meme_personne=False,
        saisie_par_type=AGENT,
        saisie_par_id=office.saisie.acteur.id,
        saisie_par_nom=office.saisie.acteur.nom,
        saisie_le=demande.saisie_le,
        expire_le=demande.saisie_le + timedelta(days=7),
        motif="un motif",
    )
    assert demande.saisie_par_nom != demande.saisie_par_id
    assert office.find(demande) == demande
    assert office.rows(demande.demande_id) == [
        row_of(demande, office.saisie, "demande.saisie", None, entered(demande))
    ]


def test_what_nobody_else_is_asked_for_is_executed_as_it_is_entered(office: Office) -> None:
    begun = now()
    done = office.enter(office.saisie, "changerStatutAgent", agentId=office.lit, statut=SUSPENDU)
    assert (done.statut, done.validations_requises, done.validations) == (EXECUTEE, 0, ())
    assert (done.traitee_par, done.motif_rejet) == (office.saisie.acteur.nom, None)
    assert done.traitee_le is not None
    assert begun <= done.saisie_le <= done.traitee_le <= now()
    assert done.resultat == {"agentId": office.lit}
    assert office.find(done) == done
    assert office.rows(done.demande_id) == [
        (
            *office.saisie.acteur[:3], "changerStatutAgent", "AGENT", office.lit, done.demande_id,
            {"statut": ACTIF}, {"statut": SUSPENDU}, "un motif", False,
        )
    ]  # fmt: skip


def test_a_reference_is_of_one_demande_whatever_differs(office: Office) -> None:
    contenu = {"agentId": office.lit, "roles": ["SUPPORT"]}
    first = Saisie("modifierAgent", f"REF-{new_number()}", contenu, 1, "un motif")
    demande = office.act(saisir, office.saisie, first)
    again = demande._replace(replayed=True)
    assert office.act(saisir, office.saisie, first) == again
    # Who does not say which version he saw says nothing against it.
    assert office.act(saisir, office.saisie, first._replace(version=None)) == again
    others = [
        (office.saisie, first._replace(type="changerStatutAgent", contenu=contenu | {"statut": ACTIF})),
        (office.saisie, first._replace(contenu=contenu | {"roles": ["LECTEUR"]})),
        (office.saisie, first._replace(version=2)),
        (office.saisie, first._replace(motif=None)),
        (office.validation._replace(agent=office.saisie.agent), first),
        (Personne(office.saisie.acteur._replace(type=PARTENAIRE)), first),
    ]  # fmt: skip
    for who, saisie in others:
        assert code_of(office.act, saisir, who, saisie) == "4002", saisie
    assert office.find(demande) == demande
    assert len(office.rows(demande.demande_id)) == 1


def test_the_version_that_was_seen_is_that_of_the_object(office: Office) -> None:
    assert code_of(office.roles, "SUPPORT", version=2) == "6006"
    assert office.roles("SUPPORT", version=1).version_objet == 1


def test_what_waits_for_somebody_has_no_second_of_its_kind(office: Office) -> None:
    office.roles("SUPPORT")
    assert code_of(office.roles, "AUDITEUR") == "6012"


@pytest.mark.parametrize(
    ("clients", "client_id", "code", "objet"),
    [
        (frozenset({"CLI-VU"}), "CLI-AUTRE", "6007", "Client"),
        (frozenset({"CLI-VU"}), "CLI-VU", None, None),
        (None, "CLI-AUTRE", None, None),
    ],
)
def test_a_person_of_some_clients_asks_for_theirs_alone(
    office: Office,
    clients: frozenset[str] | None,
    client_id: str,
    code: str | None,
    objet: str | None,
) -> None:
    assert office.entering.agent is not None
    who = office.entering._replace(agent=office.entering.agent._replace(clients=clients))
    name = f"{client_id}-{new_number()}"
    if clients is not None and client_id in clients:
        name = client_id
    act = partial(office.enter, who, "saisirClient", clientId=name, nom="Client")
    if code is None:
        demande = act()
        assert (demande.client_id, demande.objet_id, demande.version_objet) == (name, None, None)
        assert office.act(retirer, who, demande.demande_id).statut == RETIREE
        return
    with pytest.raises(Refusal) as refused:
        act()
    assert (refused.value.code, refused.value.fields) == (code, {"objet": objet})


def test_what_is_not_there_is_named(office: Office) -> None:
    for type_, contenu, objet in (
        ("modifierAgent", {"agentId": "personne", "roles": ["SUPPORT"]}, "Agent"),
        ("modifierProfilCarte", {"profilId": "RIEN", "nom": "x"}, "Profil"),
    ):
        with pytest.raises(Refusal) as refused:
            office.enter(office.saisie, type_, **contenu)
        assert refused.value.code == "6007"
        assert refused.value.fields["objet"].startswith(objet), type_


def test_attempt_to_change_ones_own_rights_is_written_down(office: Office) -> None:
    own = office.saisie.acteur.id
    act = partial(
        office.enter, office.saisie, "modifierAgent", agentId=own, roles=["SECURITE_VALIDATION"]
    )
    assert code_of(act) == "6003"
    (row,) = office.rows(None, objet_id=own, acteur_id=own)
    assert row == (
        *office.saisie.acteur[:3], "modifierAgent", "AGENT", own, None,
        None, {"refus": "6003"}, None, False,
    )  # fmt: skip


def test_a_right_may_be_asked_for_one_content_alone(office: Office) -> None:
    """Who may suspend a partner may not, by that alone, have it resumed."""
    world = World(office.database, "")
    key = world.partenaire({world.carte().membre.client_id}).consumer_key
    told = []
    for who, statut in (
        (office.validation, SUSPENDU),
        (office.validation, ACTIF),
        (office.saisie, ACTIF),
    ):
        act = partial(office.enter, who, "changerStatutPartenaire", consumerKey=key, statut=statut)
        try:
            told.append(act().statut)
        except Refusal as refused:
            told.append(refused.code)
    assert told == [EXECUTEE, "2003", SAISIE]


# ── agreed to ────────────────────────────────────────────────────────────────────────────────────
def test_two_who_agree_are_told_one_after_the_other(office: Office) -> None:
    name = f"R{new_number()}"
    demande = office.enter(office.entering, "saisirReseau", reseauId=name, nom="Réseau")
    first, second = office.agreeing
    once = office.agree(first, demande)
    assert once == demande._replace(validations=once.validations)
    assert office.find(demande) == once
    begun = now()
    done = office.agree(second, demande)
    assert done.validations == (
        Validation(first.acteur.id, first.acteur.nom, done.validations[0].date),
        Validation(second.acteur.id, second.acteur.nom, done.validations[1].date),
    )
    assert demande.saisie_le <= done.validations[0].date <= begun <= done.validations[1].date
    assert done.traitee_le is not None
    assert begun <= done.traitee_le <= now()
    assert done == once._replace(
        statut=EXECUTEE,
        traitee_par=second.acteur.nom,
        traitee_le=done.traitee_le,
        resultat={"reseauId": name},
        validations=done.validations,
    )
    assert office.find(demande) == done
    one, two = first.acteur.id, second.acteur.id
    *steps, last = office.rows(demande.demande_id)
    assert steps == [
        row_of(demande, office.entering, "demande.saisie", None, entered(demande)),
        row_of(demande, first, "demande.validee", {"validations": []}, {"validations": [one]}),
    ]
    assert last[:7] == (*second.acteur[:3], "saisirReseau", "RESEAU", name, demande.demande_id)
    assert (last[7], last[9:]) == (None, ("un motif", False))
    assert two != one


def test_the_audit_says_where_one_person_did_both(office: Office) -> None:
    agreeing = office.agreeing[0]
    assert office.entering.agent is not None
    assert agreeing.agent is not None
    roles = ("SAISIE", "VALIDATION")
    both = agreeing._replace(agent=agreeing.agent._replace(roles=roles))
    office.enter(Personne(TESTEUR), "modifierAgent", agentId=agreeing.acteur.id, roles=list(roles))
    told = []
    # A machine that is called as the person is not the person.
    named = Personne(Acteur(PARTENAIRE, both.acteur.id, "ERP"))
    for who in (both, office.entering, named):
        demande = office.enter(who, "saisirClient", clientId=f"C{new_number()}", nom="Client")
        assert demande.meme_personne
        done = office.agree(both, demande)
        told.append((done.statut, office.rows(demande.demande_id)[-1][-1]))
    assert told == [(EXECUTEE, True), (EXECUTEE, False), (EXECUTEE, False)]


def test_authentication_is_old_after_a_quarter_of_an_hour_and_not_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    demande = office.roles("SUPPORT")
    moment = now()
    monkeypatch.setattr(moteur, "now", lambda: moment)
    told: list[str | None] = []
    for ago in (timedelta(seconds=FORTE_S), timedelta(seconds=FORTE_S, microseconds=1), None):
        when = None if ago is None else moment - ago
        who = office.validation._replace(authentifie_le=when)
        with office.database.reading() as connection:
            refus = refus_de_valider(connection, who, demande)
        told.append(None if refus is None else refus.code)
    assert told == [None, "2008", "2008"]
    assert FORTE_S == 15 * 60


def test_a_demande_is_over_at_its_end_and_not_before(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as later, office.database.transaction() as connection:
        later.setattr(moteur, "now", lambda: now() + timedelta(days=8))
        expirer(connection, most=1_000)
    demande = office.roles("SUPPORT")

    def at(moment: datetime) -> tuple[str | None, int]:
        monkeypatch.setattr(moteur, "now", lambda: moment)
        who = office.validation._replace(authentifie_le=moment)
        with office.database.transaction() as connection:
            refus = refus_de_valider(connection, who, demande)
            return None if refus is None else refus.code, expirer(connection)

    assert at(demande.expire_le - timedelta(microseconds=1)) == (None, 0)
    assert at(demande.expire_le) == ("6004", 1)
    assert office.find(demande) == demande._replace(
        statut=EXPIREE, traitee_par="Système", traitee_le=demande.expire_le
    )
    system = ("SYSTEME", "SYSTEME", "Système")
    objet = ("DEMANDE", demande.demande_id, demande.demande_id)
    assert office.rows(demande.demande_id)[1:] == [
        (
            *system, "demande.expiree", *objet,
            {"statut": SAISIE}, {"statut": EXPIREE}, "un motif", False,
        )
    ]  # fmt: skip


def test_what_ended_first_is_ended_first_and_as_many_as_are_asked(office: Office) -> None:
    ends = [timedelta(seconds=-one) for one in (1, 3, 2)]
    made = [
        office.act(
            saisir, office.entering,
            Saisie("saisirClient", f"REF-{new_number()}", {"clientId": f"C{n}{new_number()}", "nom": "C"}),
            duree=end,
        )
        for n, end in enumerate(ends)
    ]  # fmt: skip
    ended: list[int | list[str]] = []
    for most in (2, 100, 100):
        with office.database.transaction() as connection:
            ended.append(expirer(connection, most=most))
        ended.append([office.find(one).statut for one in made])
    assert ended == [
        2, [SAISIE, EXPIREE, EXPIREE],
        1, [EXPIREE, EXPIREE, EXPIREE],
        0, [EXPIREE, EXPIREE, EXPIREE],
    ]  # fmt: skip


# ── ended otherwise ──────────────────────────────────────────────────────────────────────────────
def test_a_rejected_demande_says_who_when_and_why(office: Office) -> None:
    demande = office.roles("SUPPORT")
    begun = now()
    done = office.act(rejeter, office.validation, demande.demande_id, motif="non")
    assert done.traitee_le is not None
    assert begun <= done.traitee_le <= now()
    assert done == demande._replace(
        statut=REJETEE,
        traitee_par=office.validation.acteur.nom,
        traitee_le=done.traitee_le,
        motif_rejet="non",
    )
    assert office.find(demande) == done
    assert office.rows(demande.demande_id)[1:] == [
        row_of(
            demande, office.validation, "demande.rejetee",
            {"statut": SAISIE}, {"statut": REJETEE}, "non",
        )
    ]  # fmt: skip
    for act in (
        partial(rejeter, motif="encore"),
        partial(valider, empreinte=demande.empreinte),
    ):
        assert code_of(office.act, act, office.other, demande.demande_id) == "6002"
    assert code_of(office.act, retirer, office.saisie, demande.demande_id) == "6002"
    assert office.find(demande) == done


def test_a_withdrawn_demande_says_who_and_when(office: Office) -> None:
    demande = office.roles("SUPPORT")
    who = office.saisie.acteur
    for other in (office.validation, Personne(who._replace(type=PARTENAIRE))):
        assert code_of(office.act, retirer, other, demande.demande_id) == "2003"
    begun = now()
    done = office.act(retirer, office.saisie, demande.demande_id)
    assert done.traitee_le is not None
    assert begun <= done.traitee_le <= now()
    assert done == demande._replace(statut=RETIREE, traitee_par=who.nom, traitee_le=done.traitee_le)
    assert office.find(demande) == done
    assert office.rows(demande.demande_id)[1:] == [
        row_of(demande, office.saisie, "demande.retiree", {"statut": SAISIE}, {"statut": RETIREE})
    ]


@pytest.mark.parametrize("what", ["valider", "rejeter"])
def test_attempts_against_four_eyes_are_written_down_and_no_others(
    office: Office, what: str
) -> None:
    demande = office.enter(
        office.entering, "saisirReseau", reseauId=f"R{new_number()}", nom="Réseau"
    )
    acts: dict[str, Callable[..., Demande]] = {
        "valider": partial(valider, empreinte=demande.empreinte),
        "rejeter": partial(rejeter, motif="non"),
    }
    first = office.agreeing[0]
    office.agree(first, demande)
    before = office.rows(demande.demande_id)
    told = [
        code_of(office.act, acts[what], who, demande.demande_id)
        for who in (MACHINE, Personne(TESTEUR), first, office.validation)
    ]
    assert told == ["2009", "2009", "6003", "2003"]
    assert office.rows(demande.demande_id)[len(before) :] == [
        row_of(demande, who, "demande.refusee", None, {"refus": code}, motif=None)
        for who, code in ((MACHINE, "2009"), (Personne(TESTEUR), "2009"), (first, "6003"))
    ]


# ── who lost his rights meanwhile ────────────────────────────────────────────────────────────────
def test_who_lost_the_right_meanwhile_agrees_to_nothing(office: Office) -> None:
    """The rights with which he was let in are not those that count."""
    demande = office.roles("SUPPORT")
    office.enter(
        Personne(TESTEUR), "modifierAgent", agentId=office.other.acteur.id, roles=["LECTEUR"]
    )
    assert code_of(office.agree, office.other, demande) == "2003"
    # Whoever rejects or enters is asked for no right there: he had it when he was let in.
    assert office.find(demande) == demande
    assert office.agree(office.validation, demande).statut == EXECUTEE


def test_who_was_suspended_meanwhile_enters_and_ends_nothing(office: Office) -> None:
    demande = office.roles("SUPPORT")
    for who in (office.saisie, office.other):
        office.enter(
            Personne(TESTEUR), "changerStatutAgent", agentId=who.acteur.id, statut=SUSPENDU
        )
    told = [
        code_of(office.act, retirer, office.saisie, demande.demande_id),
        code_of(office.act, rejeter, office.other, demande.demande_id, motif="non"),
        code_of(office.enter, office.saisie, "saisirAgent", **new_person("LECTEUR")),
    ]
    assert told == ["2007", "2007", "2007"]
    assert office.find(demande) == demande


def new_person(role: str) -> dict[str, Any]:
    """The content of saisirAgent."""
    name = f"agent-{new_number()}"
    return {
        "agentId": name, "nom": f"Mme {name[-6:]}", "email": f"{name}@cynod.example",
        "emetteur": "https://id.cynod.example", "sujet": name, "roles": [role],
    }  # fmt: skip


def test_a_machine_whose_tokens_were_revoked_meanwhile_enters_nothing(office: Office) -> None:
    world = World(office.database, "")
    pair = world.partenaire({world.carte().membre.client_id})
    with office.database.reading() as connection:
        found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
    assert found is not None
    acteur = Acteur(PARTENAIRE, found.consumer_key, found.nom)
    contenu = {"clientId": f"C{new_number()}", "nom": "Client"}
    saisie = Saisie("saisirClient", f"REF-{new_number()}", contenu)
    stale = Personne(acteur, machine=found._replace(generation=found.generation + 1))
    with pytest.raises(DroitsRetires), office.database.transaction() as connection:
        saisir(connection, stale, saisie)
    assert office.act(saisir, Personne(acteur, machine=found), saisie).statut == SAISIE


def test_an_agreed_demande_is_seen_in_the_list_with_who_agreed(office: Office) -> None:
    name = f"R{new_number()}"
    demande = office.enter(office.entering, "saisirReseau", reseauId=name, nom="Réseau")
    once = office.agree(office.agreeing[0], demande)
    with office.database.reading() as connection:
        page = list_demandes(
            connection, office.entering, FiltreDemandes(saisie_par=office.entering.acteur.id),
            limite=10, curseur=None,
        )  # fmt: skip
    assert page.lignes == [once._replace(contenu={})]
