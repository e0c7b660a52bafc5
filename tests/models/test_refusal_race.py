"""What a blocked card refused is done when the card is free by the time that the reason is read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Connection

from models.journal import ecriture
from models.journal.reference import CarteCle
from tests.support.world import Carte, World

pytestmark = pytest.mark.only_on("postgresql")  # SQLite has one writer: nothing changes meanwhile


@pytest.fixture
def blocked(world: World, monkeypatch: pytest.MonkeyPatch) -> Carte:
    """A card that another session frees between the movement and the reading of its reason."""
    read, made = ecriture.read_state, world.carte(5_000)

    def read_later(connection: Connection, carte: CarteCle) -> Any:
        if carte.id == made.id:
            # In a thread of its own: what runs here is the call's work, on the call's connection.
            with ThreadPoolExecutor(1) as another:
                another.submit(
                    world.change_carte, made, statut="ACTIVE", motif_statut=None
                ).result()
        return read(connection, carte)

    monkeypatch.setattr(ecriture, "read_state", read_later)
    return made


@pytest.mark.parametrize("path", ["/debit-carte", "/credit-carte", "/transferer-solde"])
def test_card_that_is_free_again_is_not_said_to_lack_francs(
    world: World, path: str, blocked: Carte
) -> None:
    carte, api = blocked, world.api(blocked)
    body = carte.mouvement(1_000, "LIBRE-1")
    if path == "/transferer-solde":
        autre = world.carte(membre=world.membre(carte.membre.client_id))
        body = carte.transfert(autre, 1_000, "LIBRE-1")
    world.change_carte(carte, statut="OPPOSITION", motif_statut="BLOCAGE_TEMPORAIRE")
    answer = api.post(path, json=body)
    assert answer.status_code == 200, answer.text
    assert world.solde(carte) == (6_000 if path == "/credit-carte" else 4_000)


def test_card_that_never_stays_free_is_said_to_be_busy(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Read as free each time, and blocked each time that it is moved: neither refused nor tried for ever."""
    read = ecriture.read_state

    def read_as_free(connection: Connection, carte: CarteCle) -> Any:
        return read(connection, carte)._replace(statut="ACTIVE")

    monkeypatch.setattr(ecriture, "read_state", read_as_free)
    carte = world.carte(5_000)
    api = world.api(carte)
    world.change_carte(carte, statut="OPPOSITION", motif_statut="BLOCAGE_TEMPORAIRE")
    answer = api.post("/debit-carte", json=carte.mouvement(1_000, "OCCUPEE-1"))
    assert (answer.status_code, answer.json()["code"]) == (503, "5001")
    assert world.solde(carte) == 5_000
