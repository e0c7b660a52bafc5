"""Clients and membres under whatever is asked in whatever order, against a model of a few lines."""

from __future__ import annotations

from dataclasses import dataclass, field

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test
from sqlalchemy import func, select

from models import client as client_model
from models import membre as membre_model
from models.carte import ANNULEE, cartes
from models.client import clients
from models.database.engine import Database
from models.demande import EXECUTEE
from models.membre import ACTIF, CLOS, membres
from tests.support.siege import Siege
from tests.support.world import Carte, World, new_number
from tests.support.world import Membre as Named

WALLETS = ("221770000001", "221770000002")
IDS = ("M1", "M2", "M3")


@dataclass
class Person:
    """A membre as he must be."""

    wallet_id: str
    statut: str = ACTIF
    version: int = 1
    cartes: list[Carte] = field(default_factory=list)


class Machine(RuleBasedStateMachine):
    """One client, three ids and two wallets: what is fought over is met soon."""

    database: Database

    def __init__(self) -> None:
        super().__init__()
        self.siege = Siege(self.database)
        self.world = World(self.database, "")
        self.client_id = f"CLI-{new_number()}"
        self.statut = ACTIF
        self.persons: dict[str, Person] = {}
        assert self.siege.do("saisirClient", clientId=self.client_id, nom="Client") == EXECUTEE

    def takes(self, wallet_id: str, but: str = "") -> bool:
        """Whether an active membre, other than this one, has the wallet."""
        return any(
            one.wallet_id == wallet_id and one.statut == ACTIF
            for membre_id, one in self.persons.items()
            if membre_id != but
        )

    @rule(membre_id=st.sampled_from(IDS), wallet_id=st.sampled_from(WALLETS))
    def enter(self, membre_id: str, wallet_id: str) -> None:
        done = self.siege.do(
            "saisirMembre", clientId=self.client_id, membreId=membre_id, walletId=wallet_id
        )
        if self.statut == CLOS:
            assert done == "6009"
        elif membre_id in self.persons or self.takes(wallet_id):
            assert done == "6008"
        else:
            assert done == EXECUTEE
            self.persons[membre_id] = Person(wallet_id)

    @rule(membre_id=st.sampled_from(IDS), wallet_id=st.sampled_from(WALLETS), late=st.booleans())
    def modify(self, membre_id: str, wallet_id: str, *, late: bool) -> None:
        person = self.persons.get(membre_id)
        version = (person.version if person else 1) - late
        done = self.siege.do(
            "modifierMembre",
            version=version,
            clientId=self.client_id,
            membreId=membre_id,
            walletId=wallet_id,
        )
        if person is None:
            assert done == "6007"
        elif late:
            assert done == "6006"
        elif CLOS in (person.statut, self.statut):
            assert done == "6009"
        elif wallet_id != person.wallet_id and self.takes(wallet_id, but=membre_id):
            assert done == "6008"
        else:
            assert done == EXECUTEE
            person.wallet_id = wallet_id
            person.version += 1

    @rule(membre_id=st.sampled_from(IDS))
    def close(self, membre_id: str) -> None:
        person = self.persons.get(membre_id)
        done = self.siege.do(
            "changerStatutMembre", clientId=self.client_id, membreId=membre_id, statut=CLOS
        )
        if person is None:
            assert done == "6007"
        elif person.statut == CLOS:
            assert done == "6009"
        elif person.cartes:
            assert done == "6010"
        else:
            assert done == EXECUTEE
            person.statut = CLOS
            person.version += 1

    @rule(statut=st.sampled_from(client_model.STATUTS))
    def change_client(self, statut: str) -> None:
        done = self.siege.do("changerStatutClient", clientId=self.client_id, statut=statut)
        if (self.statut, statut) not in client_model.PASSAGES:
            assert done == "6009"
        elif statut == CLOS and any(one.cartes for one in self.persons.values()):
            assert done == "6010"
        else:
            assert done == EXECUTEE
            self.statut = statut

    @rule(membre_id=st.sampled_from(IDS))
    def give_a_card(self, membre_id: str) -> None:
        """As an import does, which gives none to who is closed."""
        person = self.persons.get(membre_id)
        if person is None or CLOS in (person.statut, self.statut):
            return
        named = Named(self.client_id, membre_id, person.wallet_id)
        person.cartes.append(self.world.carte(0, membre=named))

    @rule(membre_id=st.sampled_from(IDS))
    def cancel_his_cards(self, membre_id: str) -> None:
        for carte in self.persons[membre_id].cartes if membre_id in self.persons else ():
            self.world.change_carte(carte, statut=ANNULEE)
        if membre_id in self.persons:
            self.persons[membre_id].cartes.clear()

    @invariant()
    def database_is_the_model(self) -> None:
        of_client = membres.c.client_id == self.client_id
        columns = [membres.c[name] for name in ("membre_id", "wallet_id", "statut", "version")]
        with self.database.reading() as connection:
            told = connection.execute(select(*columns).where(of_client)).all()
            client = client_model.find_client(connection, self.client_id)
            in_use = connection.scalar(
                select(func.count())
                .join_from(cartes, clients, clients.c.client_id == cartes.c.client_id)
                .join(
                    membres,
                    (membres.c.client_id == cartes.c.client_id)
                    & (membres.c.membre_id == cartes.c.membre_id),
                )
                .where(
                    cartes.c.client_id == self.client_id,
                    cartes.c.statut != ANNULEE,
                    (clients.c.statut == CLOS) | (membres.c.statut == CLOS),
                )
            )
        assert {row.membre_id: (row.wallet_id, row.statut, row.version) for row in told} == {
            membre_id: (one.wallet_id, one.statut, one.version)
            for membre_id, one in self.persons.items()
        }
        assert client is not None
        assert (client.statut, client.nombre_membres) == (self.statut, len(self.persons))
        assert in_use == 0, "nobody who is closed has a card in use"


def test_clients_and_membres_are_those_of_the_model(shared_database: Database) -> None:
    class OnThis(Machine):
        database = shared_database

    run_state_machine_as_test(
        OnThis,
        settings=settings(
            max_examples=5,
            stateful_step_count=12,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )


def test_statuts_of_a_membre_are_in_its_life() -> None:
    assert {one for passage in membre_model.PASSAGES for one in passage} == set(
        membre_model.STATUTS
    )
