"""Operations as the back office reads them, of a card, a client or a partner: by pages, or as one stream."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import Connection

from models.agent import Agent
from models.back_office import operations as reading
from models.back_office.operations import (
    FiltreOperations,
    LigneOperation,
    list_operations,
    open_operations,
)
from models.base import today
from models.carte import ACTIVE
from models.database.engine import Database
from models.errors import ObjetInconnu, ParametreInvalide
from models.operation import CREDIT, DEBIT, TRANSFERT, Operation
from tests.support.lives import Lives
from tests.support.siege import Siege
from tests.support.till import Till
from tests.support.world import OPENED, Carte, World, place


class Story(NamedTuple):
    """Two clients of a réseau, what was moved of their cards, and whose partner did it."""

    mine: Carte
    second: Carte
    theirs: Carte
    till: Till
    done: dict[str, Operation]
    special: str
    demande_id: str
    reference: str


@pytest.fixture(scope="module")
def world(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture(scope="module")
def story(world: World) -> Story:
    lives = Lives(world)
    mine = lives.carte(ACTIVE, 1_000)
    second, theirs = lives.carte(ACTIVE, membre=mine.membre), lives.carte(ACTIVE)
    clients = [one.membre.client_id for one in (mine, theirs)]
    with world.writing() as connection:
        place(connection, f"R-{clients[0]}", *clients)
    till = Till(world, mine, theirs)
    done = {
        "credit": till.move(CREDIT, mine, 10),
        "debit": till.move(DEBIT, mine, 20),
        "within": till.move(TRANSFERT, mine, 30, second),
        "across": till.move(TRANSFERT, mine, 40, theirs),
        "theirs": till.move(DEBIT, theirs, 5),
    }
    done["annulation"] = till.reverse(done["debit"])
    lives.opposed(mine, "PERDUE")
    two = {"carteId": mine.carte_id, "carteIdDestination": second.carte_id}
    demande = lives.done("transfererSoldeSpecial", **two, montant=100)
    assert demande.resultat is not None
    special = demande.resultat["numeroOperation"]
    return Story(mine, second, theirs, till, done, special, demande.demande_id, demande.reference)


def read(
    world: World, filtre: FiltreOperations, agent: Agent | None = None, limite: int = 2
) -> list[LigneOperation]:
    """All that is found, page by page; as one stream it is the same."""
    found: list[LigneOperation] = []
    curseur: str | None = None
    with world.database.reading() as connection:
        while True:
            page = list_operations(connection, agent, filtre, limite=limite, curseur=curseur)
            found += page.lignes
            curseur = page.curseur_suivant
            if curseur is None:
                break
        assert [*streamed(connection, filtre, agent)] == found
    return found


def streamed(
    connection: Connection, filtre: FiltreOperations, agent: Agent | None
) -> Iterator[LigneOperation]:
    lecture = open_operations(connection, agent, filtre, limite=None, curseur=None)
    lignes, position = lecture.read(connection, lecture.position)
    yield from lignes
    while position is not None:
        lignes, position = lecture.read(connection, position)
        yield from lignes


def names(story: Story, found: list[LigneOperation]) -> list[str]:
    """What each line is, by the name it has in the story; an opening by its type."""
    known = {one.numero_operation: name for name, one in story.done.items()}
    known[story.special] = "special"
    return [known.get(one.numero_operation, one.type) for one in found]


def test_a_card_shows_what_it_gave_and_received_the_newest_first(
    world: World, story: Story
) -> None:
    of_mine = read(world, FiltreOperations(carte_id=story.mine.carte_id))
    assert names(story, of_mine) == [
        *("special", "annulation", "across", "within", "debit", "credit", "OUVERTURE"),
    ]
    of_second = read(world, FiltreOperations(carte_id=story.second.carte_id))
    assert names(story, of_second) == ["special", "within"]


def test_a_client_shows_each_operation_of_its_cards_once(world: World, story: Story) -> None:
    mine = read(world, FiltreOperations(client_id=story.mine.membre.client_id), limite=3)
    assert names(story, mine) == [
        *("special", "annulation", "across", "within", "debit", "credit", "OUVERTURE"),
    ]
    theirs = read(world, FiltreOperations(client_id=story.theirs.membre.client_id))
    assert names(story, theirs) == ["theirs", "across"]


def test_a_partner_shows_what_it_asked_and_nothing_of_demandes(world: World, story: Story) -> None:
    found = read(world, FiltreOperations(consumer_key=story.till.consumer_key))
    assert names(story, found) == [
        *("annulation", "theirs", "across", "within", "debit", "credit"),
    ]


def test_a_line_tells_who_asked_it_and_what_it_left(world: World, story: Story) -> None:
    found = read(world, FiltreOperations(carte_id=story.mine.carte_id))
    by_name = dict(zip(names(story, found), found, strict=True))
    assert by_name["special"]._replace(date_operation=OPENED) == LigneOperation(
        numero_operation=story.special,
        reference=story.reference,
        type="TRANSFERT_SPECIAL",
        statut="EXECUTEE",
        partenaire=None,
        demande_id=story.demande_id,
        numero_carte=story.mine.numero,
        numero_carte_destination=story.second.numero,
        montant=100,
        unite="FCFA",
        solde=840,
        date_operation=OPENED,
        motif=None,
        point_de_service=None,
        terminal=None,
        annulation_de=None,
        annulee_par=None,
    )
    debit, annulation = by_name["debit"], by_name["annulation"]
    assert (debit.partenaire, debit.reference, debit.solde) == (
        *(story.till.consumer_key, story.done["debit"].reference, 990),
    )
    assert debit.annulee_par == annulation.numero_operation
    assert annulation.annulation_de == debit.numero_operation
    assert [by_name[one].solde for one in ("within", "across", "annulation")] == [960, 920, 940]


@pytest.mark.parametrize("whose", ["carte_id", "client_id", "consumer_key"])
def test_a_type_and_days_leave_the_others_out(world: World, story: Story, whose: str) -> None:
    named: dict[str, Any] = {
        "carte_id": story.mine.carte_id,
        "client_id": story.mine.membre.client_id,
        "consumer_key": story.till.consumer_key,
    }
    filtre = FiltreOperations(**{whose: named[whose]})
    transfers = read(world, filtre._replace(type="TRANSFERT"), limite=1)
    assert names(story, transfers) == ["across", "within"]
    now = today()
    assert read(world, filtre._replace(date_debut=now + timedelta(days=1))) == []
    before = read(world, filtre._replace(date_fin=OPENED.date()))
    assert names(story, before) == ([] if whose == "consumer_key" else ["OUVERTURE"])
    since = read(world, filtre._replace(date_debut=OPENED.date() + timedelta(days=1)))
    assert {one.type for one in since}.isdisjoint({"OUVERTURE"})
    assert len(since) == len(read(world, filtre)) - len(before)
    assert read(world, filtre._replace(date_fin=date.max)) == read(world, filtre)


def test_who_sees_one_client_reads_nothing_of_the_other_ones_card(
    world: World, story: Story, shared_database: Database
) -> None:
    agent = Siege(shared_database).agent("LECTEUR", [story.theirs.membre.client_id])
    of_partner = read(world, FiltreOperations(consumer_key=story.till.consumer_key), agent)
    assert names(story, of_partner) == ["theirs", "across"]
    of_client = read(world, FiltreOperations(client_id=story.theirs.membre.client_id), agent)
    assert of_client == of_partner
    across = of_client[1]
    assert (across.numero_carte, across.numero_carte_destination, across.solde) == (
        *(story.theirs.numero, None, 40),
    )
    for hidden in (
        FiltreOperations(carte_id=story.mine.carte_id),
        FiltreOperations(client_id=story.mine.membre.client_id),
    ):
        with world.database.reading() as connection, pytest.raises(ObjetInconnu):
            list_operations(connection, agent, hidden, limite=1, curseur=None)


@pytest.mark.parametrize(
    "filtre",
    [
        FiltreOperations(),
        FiltreOperations(carte_id="0" * 26, client_id="CLI-0"),
        FiltreOperations(client_id="CLI-0", consumer_key="key"),
    ],
)
def test_operations_are_of_one_card_client_or_partner(
    world: World, filtre: FiltreOperations
) -> None:
    with world.database.reading() as connection, pytest.raises(ParametreInvalide):
        list_operations(connection, None, filtre, limite=1, curseur=None)


@pytest.mark.parametrize("whose", ["carte_id", "client_id", "consumer_key"])
def test_nobody_is_read_of_who_is_not_there(world: World, whose: str) -> None:
    named: dict[str, Any] = {whose: "0" * 26}
    filtre = FiltreOperations(**named)
    with world.database.reading() as connection, pytest.raises(ObjetInconnu):
        open_operations(connection, None, filtre, limite=None, curseur=None)


def test_a_curseur_of_no_operation_is_none(world: World, story: Story) -> None:
    filtre = FiltreOperations(carte_id=story.mine.carte_id)
    with world.database.reading() as connection:
        for curseur in ("bzE6OTk5OTk5OTk5OTk", "c", "h1:5"):
            with pytest.raises(ParametreInvalide):
                list_operations(connection, None, filtre, limite=1, curseur=curseur)
            with pytest.raises(ParametreInvalide):
                open_operations(connection, None, filtre, limite=None, curseur=curseur)


def test_pages_may_be_short_and_the_whole_is_the_same(
    world: World, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page looks at few operations, and at two days: what it does not reach stands on the next one."""
    filtre = FiltreOperations(client_id=story.mine.membre.client_id, type="OUVERTURE")
    whole = read(world, filtre)
    assert [one.type for one in whole] == ["OUVERTURE"]
    monkeypatch.setattr(reading, "EXAMINED", 3)
    monkeypatch.setattr(reading, "JOURS", 2)
    assert read(world, filtre, limite=1) == whole
