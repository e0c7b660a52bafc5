"""Clients, their réseaux and their membres: who is what, who may not be what, and how they are listed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select

from models.agent import Agent
from models.audit import audit
from models.back_office.clients import (
    FiltreClients,
    find_fiche_client,
    list_clients,
    open_clients,
)
from models.back_office.membres import FiltreMembres, consult_membre, list_membres
from models.back_office.reseaux import list_reseaux
from models.books.demo import seed_demo
from models.carte import ACTIVE, ANNULEE, OPPOSITION, cartes
from models.client import (
    ACTIF,
    CLOS,
    PASSAGES,
    STATUTS,
    SUSPENDU,
    Client,
    clients,
    find_client,
)
from models.database import parcours
from models.database.engine import Database
from models.database.parcours import fold
from models.demande import EXECUTEE, SAISIE
from models.errors import ObjetInconnu, ParametreInvalide, Refusal
from models.membre import Membre, find_membre, membres
from models.regle_validation import find_regle
from models.reseau import find_reseau, reseaux
from tests.support.acteurs import TESTEUR
from tests.support.siege import Siege, personne
from tests.support.world import PEPPER, Carte, World, new_number
from tests.support.world import Membre as Named


@pytest.fixture
def siege(shared_database: Database) -> Siege:
    return Siege(shared_database)


@pytest.fixture
def ground(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


def of(database: Database, client_id: str) -> Client:
    """The client as it is."""
    with database.reading() as connection:
        found = find_client(connection, client_id)
    assert found is not None
    return found


def membre_of(database: Database, client_id: str, membre_id: str) -> Membre:
    """The membre as he is."""
    with database.reading() as connection:
        found = find_membre(connection, client_id, membre_id)
    assert found is not None
    return found


def new_client(siege: Siege, **more: Any) -> str:
    """A client that was entered and agreed to."""
    client_id = f"CLI-{new_number()}"
    told = {"nom": f"Client {client_id}", **more}
    assert siege.do("saisirClient", clientId=client_id, **told) == EXECUTEE
    return client_id


def new_membre(siege: Siege, client_id: str, **more: Any) -> dict[str, Any]:
    """A membre that was entered and agreed to: what names him."""
    number = new_number()
    named = {"clientId": client_id, "membreId": f"MBR-{number}"}
    told = {"walletId": f"221{number}"[:15], **more}
    assert siege.do("saisirMembre", **named, **told) == EXECUTEE
    return named


def refusal_of(act: Callable[[], object]) -> tuple[str, dict[str, str]]:
    """Code and fields of the refusal."""
    with pytest.raises(Refusal) as refused:
        act()
    return refused.value.code, refused.value.fields


# ── a client's life ──────────────────────────────────────────────────────────────────────────────
def test_client_is_what_was_entered_once_another_person_agreed(siege: Siege) -> None:
    reseau_id, client_id = f"RES-{new_number()}", f"CLI-{new_number()}"
    assert siege.do("saisirReseau", reseauId=reseau_id, nom="Réseau du Nord") == EXECUTEE
    contact = {"nom": "Awa", "email": "awa@exemple.sn", "telephone": "338200000"}
    demande = siege.enter(
        "saisirClient", clientId=client_id, nom="Société", reseauId=reseau_id,
        contact=contact, ninea="0012345",
    )  # fmt: skip
    with siege.database.reading() as connection:
        assert find_client(connection, client_id) is None
    assert siege.agree(demande).resultat == {"clientId": client_id}
    assert of(siege.database, client_id) == Client(
        client_id, "Société", reseau_id, ACTIF, "Awa", "awa@exemple.sn", "338200000", "0012345"
    )
    with siege.database.reading() as connection:
        assert find_reseau(connection, reseau_id) == (reseau_id, "Réseau du Nord", 1, 1)
        rows = connection.execute(
            select(audit.c.action, audit.c.acteur_id, audit.c.apres)
            .where(audit.c.objet_id == client_id)
            .order_by(audit.c.position)
        ).all()
    assert [row[:2] for row in rows] == [("saisirClient", siege.validation.agent_id)]
    assert "awa@exemple.sn" not in rows[0].apres


@pytest.mark.parametrize("vers", STATUTS)
@pytest.mark.parametrize("de", STATUTS)
def test_client_changes_its_statut_as_its_life_says_and_not_otherwise(
    siege: Siege, de: str, vers: str
) -> None:
    client_id = new_client(siege)
    if de != ACTIF:
        assert siege.do("changerStatutClient", clientId=client_id, statut=de) == EXECUTEE
    before = of(siege.database, client_id)
    done = siege.do("changerStatutClient", clientId=client_id, statut=vers)
    after = of(siege.database, client_id)
    if (de, vers) in PASSAGES:
        assert (done, after) == (
            EXECUTEE,
            before._replace(statut=vers, version=before.version + 1),
        )
    else:
        assert (done, after) == ("6009", before)


def test_suspension_is_immediate_and_its_end_waits_for_another_person(siege: Siege) -> None:
    client_id = new_client(siege)
    assert (
        siege.enter("changerStatutClient", clientId=client_id, statut=SUSPENDU).statut == EXECUTEE
    )
    assert siege.enter("changerStatutClient", clientId=client_id, statut=ACTIF).statut == SAISIE


@pytest.mark.parametrize(
    ("statut", "solde", "code"),
    [
        (ACTIVE, 0, "6010"),
        (OPPOSITION, 0, "6010"),
        (ANNULEE, 5, "6010"),
        (ANNULEE, 0, EXECUTEE),
    ],
)
@pytest.mark.parametrize("what", ["Client", "Membre"])
def test_nobody_is_closed_who_has_a_card_in_use_or_money(
    siege: Siege, ground: World, what: str, statut: str, solde: int, code: str
) -> None:
    membre = ground.membre(new_client(siege))
    ground.carte(solde, membre=membre, statut=statut)
    named = {"clientId": membre.client_id}
    if what == "Membre":
        named["membreId"] = membre.membre_id
    assert siege.do(f"changerStatut{what}", **named, statut=CLOS) == code


def test_closed_client_and_closed_membre_are_final(siege: Siege) -> None:
    client_id = new_client(siege)
    named = new_membre(siege, client_id)
    assert siege.do("changerStatutMembre", **named, statut=CLOS) == EXECUTEE
    assert siege.do("changerStatutMembre", **named, statut=ACTIF) == "6009"
    assert siege.do("modifierMembre", **named, nom="Autre", version=2) == "6009"
    assert siege.do("changerStatutClient", clientId=client_id, statut=CLOS) == EXECUTEE
    assert siege.do("modifierClient", clientId=client_id, nom="Autre", version=2) == "6009"
    assert siege.do("affecterReseau", clientId=client_id, reseauId=None, version=2) == "6009"
    told = {"membreId": "M2", "walletId": "221770000000"}
    assert siege.do("saisirMembre", clientId=client_id, **told) == "6009"


def test_client_is_changed_in_what_is_told_and_nothing_else(siege: Siege) -> None:
    contact = {"nom": "Awa", "email": "awa@exemple.sn", "telephone": "338200000"}
    client_id = new_client(siege, contact=contact, ninea="1")
    before = of(siege.database, client_id)
    assert siege.do("modifierClient", clientId=client_id, nom="Nouveau nom", version=1) == EXECUTEE
    assert of(siege.database, client_id) == before._replace(nom="Nouveau nom", version=2)
    told = {"contact": {"nom": "Bineta"}, "ninea": ""}
    assert siege.do("modifierClient", clientId=client_id, **told, version=2) == EXECUTEE
    assert of(siege.database, client_id) == before._replace(
        nom="Nouveau nom", contact_nom="Bineta", contact_email="", contact_telephone="", ninea="",
        version=3,
    )  # fmt: skip
    assert siege.do("modifierClient", clientId=client_id, nom="Tard", version=2) == "6006"


def test_reseau_counts_the_clients_that_come_and_go(siege: Siege) -> None:
    one, other = (f"RES-{new_number()}" for _ in range(2))
    for reseau_id in (one, other):
        assert siege.do("saisirReseau", reseauId=reseau_id, nom="Réseau") == EXECUTEE
    client_id = new_client(siege, reseauId=one)
    new_client(siege, reseauId=one)

    def counts() -> list[int]:
        with siege.database.reading() as connection:
            found = [find_reseau(connection, reseau_id) for reseau_id in (one, other)]
        return [reseau.nombre_clients for reseau in found if reseau is not None]

    assert counts() == [2, 0]
    assert siege.do("affecterReseau", clientId=client_id, reseauId=other, version=1) == EXECUTEE
    assert counts() == [1, 1]
    assert siege.do("affecterReseau", clientId=client_id, reseauId=None, version=2) == EXECUTEE
    assert counts() == [1, 0]


ABSENT = f"ABSENT-{new_number()}"
UNKNOWN: dict[str, tuple[str, dict[str, Any], str]] = {
    "client": ("modifierClient", {"clientId": ABSENT, "nom": "x"}, "Client"),
    "réseau of a new client": (
        "saisirClient", {"clientId": "CLI-X", "nom": "x", "reseauId": ABSENT}, "Réseau"
    ),
    "client of a new membre": (
        "saisirMembre", {"clientId": ABSENT, "membreId": "M", "walletId": "221770000000"}, "Client"
    ),
    "membre": ("modifierMembre", {"clientId": ABSENT, "membreId": "M", "nom": "x"}, "Membre"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNKNOWN)
def test_what_is_not_there_is_told_as_such(siege: Siege, what: str) -> None:
    type_, contenu, objet = UNKNOWN[what]
    assert refusal_of(lambda: siege.enter(type_, **contenu)) == ("6007", {"objet": objet})


def test_what_exists_is_not_made_twice(siege: Siege) -> None:
    client_id = new_client(siege)
    named = new_membre(siege, client_id, walletId="221770000001")
    reseau_id = f"RES-{new_number()}"
    assert siege.do("saisirReseau", reseauId=reseau_id, nom="Réseau") == EXECUTEE
    wallets = {"walletId": "221770000002"}
    for type_, contenu, objet in (
        ("saisirClient", {"clientId": client_id, "nom": "x"}, "Client"),
        ("saisirReseau", {"reseauId": reseau_id, "nom": "x"}, "Réseau"),
        ("saisirMembre", {**named, **wallets}, "Membre"),
        ("saisirMembre", {**named, "membreId": "M2", "walletId": "221770000001"}, "Membre"),
    ):
        entered = refusal_of(lambda: siege.enter(type_, **contenu))  # noqa: B023 - called at once
        assert entered == ("6008", {"objet": objet}), type_


# ── membres and their wallets ────────────────────────────────────────────────────────────────────
def test_change_of_a_wallet_has_a_rule_of_its_own(siege: Siege) -> None:
    named = new_membre(siege, new_client(siege), walletId="221770000001")
    with siege.database.transaction() as connection:
        assert find_regle(connection, "modifierMembre:walletId").minimum == 1
    demande = siege.enter("modifierMembre", **named, walletId="221770000009", version=1)
    assert demande.validations_requises == 1
    assert siege.agree(demande).statut == EXECUTEE
    assert membre_of(siege.database, *named.values()).wallet_id == "221770000009"


def test_wallet_of_a_closed_membre_is_free_again(siege: Siege) -> None:
    client_id = new_client(siege)
    first = new_membre(siege, client_id, walletId="221770000001")
    second = new_membre(siege, client_id, walletId="221770000002")
    taken = siege.do("modifierMembre", **second, walletId="221770000001", version=1)
    assert taken == "6008"
    assert siege.do("changerStatutMembre", **first, statut=CLOS) == EXECUTEE
    freed = siege.do("modifierMembre", **second, walletId="221770000001", version=1)
    assert freed == EXECUTEE


def test_wallet_is_given_once_of_many_times_at_once(siege: Siege) -> None:
    client_id = new_client(siege)
    demandes = [
        siege.enter(
            "saisirMembre", clientId=client_id, membreId=f"M{number}", walletId="221770000001"
        )
        for number in range(4)
    ]

    def agree(number: int) -> str:
        try:
            return siege.agree(demandes[number]).statut
        except Refusal as refused:
            return refused.code

    with ThreadPoolExecutor(4) as pool:
        done = sorted(pool.map(agree, range(4)))
    assert done == ["6008"] * 3 + [EXECUTEE]
    assert of(siege.database, client_id).nombre_membres == 1


# ── what is known of one ─────────────────────────────────────────────────────────────────────────
def test_fiche_of_a_client_sums_its_cards(siege: Siege, ground: World) -> None:
    membre = ground.membre(new_client(siege))
    for statut, solde, days in (
        (ACTIVE, 1_000, "2099-12-31"),
        (ACTIVE, 200, "2020-01-31"),
        (OPPOSITION, 30, "2099-12-31"),
        (ANNULEE, 4, "2020-01-31"),
    ):
        ground.carte(solde, membre=membre, statut=statut, fin_validite=date.fromisoformat(days))
    siege.enter("modifierClient", clientId=membre.client_id, nom="Autre")
    with siege.database.reading() as connection:
        fiche = find_fiche_client(connection, None, membre.client_id)
    assert fiche.client == of(siege.database, membre.client_id)
    assert fiche.solde_total == 1_234
    assert fiche.cartes_par_statut == {
        "EMISE": 0, "ACTIVE": 2, "OPPOSITION": 1, "ANNULEE": 1, "expirees": 1,
    }  # fmt: skip
    assert fiche.demandes_en_attente == 1
    assert fiche.cree_le is not None


def test_who_looked_at_a_membre_is_in_the_audit(siege: Siege, ground: World) -> None:
    carte = ground.carte(500, membre=ground.membre(new_client(siege)))
    membre, reader = carte.membre, siege.agent("LECTEUR")
    with siege.database.transaction() as connection:
        fiche = consult_membre(
            connection, personne(reader).acteur, reader, membre.client_id, membre.membre_id
        )
    assert (fiche.membre.wallet_id, fiche.nombre_cartes) == (membre.wallet_id, 1)
    assert [(one.numero_carte, one.solde) for one in fiche.cartes] == [(carte.numero, 500)]
    with siege.database.reading() as connection:
        told = connection.execute(
            select(audit.c.action, audit.c.objet_type, audit.c.objet_id).where(
                audit.c.acteur_id == reader.agent_id
            )
        ).all()
    assert told == [("getMembre", "MEMBRE", f"{membre.client_id}:{membre.membre_id}")]


def test_agent_of_some_clients_finds_no_other(siege: Siege, ground: World) -> None:
    mine, others = new_client(siege), new_client(siege)
    membre = ground.membre(others)
    agent = siege.agent("SAISIE", [mine])
    filtre = FiltreMembres()
    with siege.database.transaction() as connection:
        page = list_clients(connection, agent, FiltreClients(), limite=50, curseur=None)
        assert [one.client_id for one in page.clients] == [mine]
        for read in (
            lambda: find_fiche_client(connection, agent, others),
            lambda: list_membres(connection, agent, others, filtre, limite=1, curseur=None),
            lambda: consult_membre(
                connection, personne(agent).acteur, agent, others, membre.membre_id
            ),
        ):
            with pytest.raises(ObjetInconnu):
                read()
    hidden: dict[str, Any] = {"clientId": others, "membreId": "M", "walletId": "221770000000"}
    absent = {**hidden, "clientId": ABSENT}
    assert refusal_of(lambda: siege.enter("saisirMembre", by=agent, **hidden)) == refusal_of(
        lambda: siege.enter("saisirMembre", by=agent, **absent)
    )


# ── lists ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("given", "folded"),
    [
        ("  Société  ÉLÉGANTE ", "societe elegante"),
        ("Straße", "strasse"),
        ("x" * 100, "x" * 64),
        ("́", ""),
    ],
)
def test_names_are_searched_without_case_accents_or_spaces(given: str, folded: str) -> None:
    assert fold(given) == folded


NAMES = st.sampled_from(["Alpha", "alphabet", "ÁLPHA", "Bêta", "be", "Béton armé", "CLI-A", "zz"])
LISTED = st.lists(
    st.tuples(NAMES, st.sampled_from(STATUTS), st.sampled_from([None, "R1", "R2"])), max_size=12
)
FILTRES = st.builds(
    FiltreClients,
    st.sampled_from([None, *STATUTS]),
    st.sampled_from([None, "R1", "R2"]),
    st.sampled_from([None, "al", "BE", "cli", "nobody"]),
)


@pytest.fixture
def listed(database: Database) -> Iterator[Connection]:
    """A connection whose work is undone."""
    with database.engine.connect() as connection:
        yield connection


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    rows=LISTED, filtre=FILTRES, limite=st.integers(1, 4), looked_at=st.sampled_from([2, 3, 1000]),
    few=st.booleans(),
)  # fmt: skip
def test_pages_of_clients_hold_each_that_is_meant_once(
    listed: Connection,
    siege: Siege,
    rows: list[tuple[str, str, str | None]],
    filtre: FiltreClients,
    limite: int,
    looked_at: int,
    few: bool,
) -> None:
    """Whatever is filtered, wherever pages end, however few rows one looks at."""
    names = ["CLI-1", "alpha-2", "cli-3", "Be-4", *(f"X-{number}" for number in range(12))]
    with listed.begin_nested() if listed.in_transaction() else listed.begin() as transaction:
        listed.execute(insert(reseaux), [{"reseau_id": one, "nom": one} for one in ("R1", "R2")])
        made = [
            Client(client_id, nom, reseau_id, statut)
            for client_id, (nom, statut, reseau_id) in zip(names, rows, strict=False)
        ]
        for one in made:
            listed.execute(insert(clients).values(one._asdict()))
        agent: Agent | None = None
        if few:
            agent = siege.saisie._replace(clients=frozenset(names[::2]))
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(parcours, "EXAMINEES", looked_at)
            found = _walk(listed, agent, filtre, limite)
            whole = _read_whole(listed, agent, filtre)
        transaction.rollback()
    wanted = [
        one
        for one in made
        if (agent is None or agent.sees(one.client_id))
        and filtre.statut in (None, one.statut)
        and filtre.reseau_id in (None, one.reseau_id)
    ]
    if filtre.recherche is not None:
        begins = fold(filtre.recherche)
        by_id = [one for one in wanted if fold(one.client_id).startswith(begins)]
        by_nom = [one for one in wanted if fold(one.nom).startswith(begins) and one not in by_id]
        by_id.sort(key=lambda one: fold(one.client_id))
        wanted = by_id + sorted(by_nom, key=lambda one: fold(one.nom))
    assert found == whole == wanted


def _walk(
    connection: Connection, agent: Agent | None, filtre: FiltreClients, limite: int
) -> list[Client]:
    found: list[Client] = []
    curseur: str | None = None
    for _ in range(100):
        page = list_clients(connection, agent, filtre, limite=limite, curseur=curseur)
        assert len(page.clients) <= limite
        found += page.clients
        curseur = page.curseur_suivant
        if curseur is None:
            return found
    raise AssertionError("the list has no end")


def _read_whole(connection: Connection, agent: Agent | None, filtre: FiltreClients) -> list[Client]:
    lecture = open_clients(connection, agent, filtre, limite=None, curseur=None)
    found, position = lecture.read(connection, lecture.position)
    while position is not None:
        more, position = lecture.read(connection, position)
        found += more
    return found


@pytest.mark.parametrize("filtre", [FiltreClients(), FiltreClients(recherche="cli")])
def test_curseur_of_another_list_is_refused(siege: Siege, filtre: FiltreClients) -> None:
    client_id = new_client(siege)
    new_client(siege)
    with siege.database.reading() as connection:
        page = list_reseaux(connection, limite=1, curseur=None)
        other = FiltreClients(recherche="cli") if filtre.recherche is None else FiltreClients()
        first = list_clients(connection, None, other, limite=1, curseur=None)
        assert first.curseur_suivant is not None
        for curseur in (first.curseur_suivant, "abc", page.curseur_suivant or "abd"):
            with pytest.raises(ParametreInvalide):
                list_clients(connection, None, filtre, limite=1, curseur=curseur)
    assert client_id


def test_list_goes_on_behind_what_was_read_when_others_come(siege: Siege) -> None:
    reseau_id = f"RES-{new_number()}"
    assert siege.do("saisirReseau", reseauId=reseau_id, nom="Réseau") == EXECUTEE
    made = [new_client(siege, reseauId=reseau_id) for _ in range(3)]
    filtre = FiltreClients(reseau_id=reseau_id)
    with siege.database.reading() as connection:
        first = list_clients(connection, None, filtre, limite=2, curseur=None)
    made.append(new_client(siege, reseauId=reseau_id))
    with siege.database.reading() as connection:
        rest = list_clients(connection, None, filtre, limite=2, curseur=first.curseur_suivant)
    assert [one.client_id for one in (*first.clients, *rest.clients)] == made
    assert rest.curseur_suivant is None


def test_membres_are_listed_with_their_cards(siege: Siege, ground: World) -> None:
    client_id = new_client(siege)
    made = [
        new_membre(siege, client_id, nom=nom, prenom="Fatou")
        for nom in ("Ndiaye", "Diop", "Ndiaye")
    ]
    owned: list[Carte] = []
    for number, named in enumerate(made):
        membre = membre_of(siege.database, *named.values())
        whose = ground_membre(membre)
        owned += [ground.carte(0, membre=whose) for _ in range(number)]
    assert siege.do("changerStatutMembre", **made[0], statut=CLOS) == EXECUTEE

    def read(**filtre: str) -> list[tuple[str, int]]:
        with siege.database.reading() as connection:
            page = list_membres(
                connection, None, client_id, FiltreMembres(**filtre), limite=10, curseur=None
            )
        return [(one.membre.membre_id, one.nombre_cartes) for one in page.membres]

    all_ = [(named["membreId"], number) for number, named in enumerate(made)]
    assert read() == all_
    assert read(statut=CLOS) == all_[:1]
    assert read(statut=ACTIF) == all_[1:]
    assert read(recherche="ndiaye f") == [all_[0], all_[2]]
    assert read(recherche="NDIAYE", statut=ACTIF) == [all_[2]]
    assert sorted(read(recherche="mbr")) == sorted(all_)
    wallet = membre_of(siege.database, *made[1].values()).wallet_id
    assert read(wallet_id=wallet) == [all_[1]]
    assert read(wallet_id=wallet, statut=CLOS) == []
    assert len(owned) == 3


def ground_membre(membre: Membre) -> Named:
    """The membre as the ground names him."""
    return Named(membre.client_id, membre.membre_id, membre.wallet_id)


def test_counts_are_those_of_the_rows(database: Database) -> None:
    """A list says how many there are without looking for them: whoever creates one counts it."""
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=["soldes:lire"], pepper=PEPPER)
    siege = Siege(database)
    new_membre(siege, "CLI-0001")
    with database.reading() as connection:
        told = connection.execute(
            select(clients.c.client_id, clients.c.nombre_membres, clients.c.nombre_cartes).order_by(
                clients.c.id
            )
        ).all()
        for client_id, nombre_membres, nombre_cartes in told:
            for table, nombre in ((membres, nombre_membres), (cartes, nombre_cartes)):
                counted = select(func.count()).where(table.c.client_id == client_id)
                assert connection.scalar(counted) == nombre
        assert [row[1:] for row in told] == [(2, 7), (1, 1)]
        assert find_reseau(connection, "RES-0001") == (
            "RES-0001", "Réseau de démonstration", 2, 1,
        )  # fmt: skip
