"""The state of a card as it is kept: whole, one version later, held with the card that it replaces."""

from __future__ import annotations

from datetime import date

import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from models.audit import record
from models.base import now
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, cartes, objet_carte
from models.database.engine import Database
from models.etat_carte import (
    EtatCarte,
    find_by_id,
    find_etat_carte,
    hold_etat_carte,
    is_being_replaced,
    update_etat_carte,
)
from models.partenaire import partenaires
from tests.support.acteurs import TESTEUR
from tests.support.lives import Lives
from tests.support.world import Carte, World


@pytest.fixture
def ground(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def lives(ground: World) -> Lives:
    return Lives(ground)


def state_of(world: World, carte: Carte) -> EtatCarte:
    """What is kept of a card."""
    with world.database.reading() as connection:
        found = find_etat_carte(connection, carte.carte_id)
        assert found == find_by_id(connection, carte.id)
    assert found is not None
    return found


def change(world: World, before: EtatCarte, after: EtatCarte) -> bool:
    """Whether it was written."""
    with world.writing() as connection:
        done = update_etat_carte(connection, before, after)
        record(connection, TESTEUR, "changer", objet_carte(before.carte_id), None, {})
    return done


def everything_else(before: EtatCarte, partenaire_id: int) -> EtatCarte:
    """Another value for each field of a card's life."""
    return before._replace(
        statut=OPPOSITION,
        motif_statut="PERDUE",
        commentaire_statut="dans le bus",
        statut_avant_opposition=EMISE,
        oppose_par=partenaire_id,
        fin_validite=date(2031, 1, 31),
        activee_le=now(),
        annulee_par="Awa",
        renouvellements=3,
    )


def partner_of(world: World, carte: Carte) -> int:
    """The id of a partner of the card's client."""
    pair = world.partenaire([carte.membre.client_id])
    with world.database.reading() as connection:
        wanted = partenaires.c.consumer_key == pair.consumer_key
        id_: int = connection.execute(select(partenaires.c.id).where(wanted)).scalar_one()
    return id_


def test_state_is_kept_whole_one_version_later_and_once(ground: World) -> None:
    carte = ground.carte()
    before = state_of(ground, carte)
    assert (before.statut, before.etat_version) == (ACTIVE, 1)
    after = everything_else(before, partner_of(ground, carte))
    assert change(ground, before, after)
    kept = state_of(ground, carte)
    assert kept == after._replace(etat_version=2)
    # Who read it before that changes nothing.
    assert not change(ground, before, before._replace(statut=ANNULEE))
    assert state_of(ground, carte) == kept


def test_nothing_of_a_block_is_left_on_a_card_that_is_freed_or_cancelled(ground: World) -> None:
    carte = ground.carte()
    before = state_of(ground, carte)
    blocked = everything_else(before, partner_of(ground, carte))
    freed = blocked._replace(
        statut=EMISE,
        motif_statut=None,
        commentaire_statut=None,
        statut_avant_opposition=None,
        oppose_par=None,
    )
    assert blocked.freed(EMISE) == freed
    assert blocked.cancelled("FRAUDE", "vue", "Awa Diop") == freed._replace(
        statut=ANNULEE, motif_statut="FRAUDE", commentaire_statut="vue", annulee_par="Awa Diop"
    )
    assert before.opposed("VOLEE", "hier") == before._replace(
        statut=OPPOSITION,
        motif_statut="VOLEE",
        commentaire_statut="hier",
        statut_avant_opposition=ACTIVE,
    )


def test_a_card_is_replaced_by_one_that_is_not_cancelled(ground: World, lives: Lives) -> None:
    old = lives.carte(ACTIVE)
    new = lives.replaced(old)
    with ground.database.reading() as connection:
        assert is_being_replaced(connection, old.id)
        assert not is_being_replaced(connection, new.id)
    lives.done("annulerCarte", carteId=new.carte_id, motifAnnulation="NON_DISTRIBUEE")
    with ground.database.reading() as connection:
        assert not is_being_replaced(connection, old.id)


@pytest.mark.only_on("postgresql")
def test_a_card_is_held_with_the_one_whose_place_it_takes(ground: World, lives: Lives) -> None:
    """And no other; who only refers to one of them does not wait. SQLite holds everything at once."""
    old, apart = lives.carte(ACTIVE), lives.carte(ACTIVE)
    new = lives.replaced(old)
    with ground.database.transaction() as holder:
        held = hold_etat_carte(holder, new.carte_id)
        assert held == state_of(ground, new)
        waits = [
            [is_locked(ground, one, read=refers) for one in (old, new, apart)]
            for refers in (False, True)
        ]
    assert waits == [[True, True, False], [False, False, False]]


def is_locked(world: World, carte: Carte, *, read: bool) -> bool:
    """Whether who changes the card's row, or only refers to it, would wait."""
    statement = select(cartes.c.id).where(cartes.c.id == carte.id)
    statement = statement.with_for_update(nowait=True, read=read, key_share=read)
    try:
        with world.database.transaction() as connection:
            connection.execute(statement).one()
    except OperationalError:
        return True
    return False


def test_a_card_that_is_none_is_not_held(ground: World) -> None:
    with ground.database.transaction() as connection:
        assert hold_etat_carte(connection, "7ZZZZZZZZZZZZZZZZZZZZZZZZZ") is None
