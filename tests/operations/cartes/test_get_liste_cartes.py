"""getListeCartes: whose cards, in which order, page by page."""

from __future__ import annotations

import base64
from datetime import date, timedelta

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import update

from models.base import today
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION
from models.journal.ouverture import NouvelleCarte, find_ouverture, open_cartes
from models.membre import membres
from tests.support.contract_client import Json
from tests.support.scene import Scene, assert_refused
from tests.support.world import (
    FAR,
    OPENED,
    Carte,
    Membre,
    World,
    new_number,
)

QUICK = settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def item(carte: Carte, solde: int, **changed: str | bool | None) -> Json:
    """A line of the list."""
    return {
        "numeroCarte": carte.numero,
        "carteId": carte.carte_id,
        "membreId": carte.membre.membre_id,
        "porteur": "Awa Diop",
        "statut": "ACTIVE",
        "motifStatut": None,
        "finValidite": "31/12/2099",
        "soldeOnline": float(solde),
        "unite": "FCFA",
        "expiree": False,
        "utilisable": True,
        **changed,
    }


def page(*items: Json, curseur: str | None = None) -> Json:
    """The whole answer."""
    return {
        "success": True,
        "code": 200,
        "message": "Liste des cartes",
        "data": list(items),
        "curseurSuivant": curseur,
    }


def many_cartes(world: World, membre: Membre, count: int) -> list[str]:
    """Create cards in one go; their numbers in the order of creation."""
    numeros = [f"71{new_number():014d}" for _ in range(count)]
    with world.database.transaction() as connection:
        open_cartes(
            connection,
            [
                NouvelleCarte(
                    numero_carte=numero,
                    client_id=membre.client_id,
                    membre_id=membre.membre_id,
                    fin_validite=FAR,
                    statut="ACTIVE",
                    solde=0,
                )
                for numero in numeros
            ],
            contra=find_ouverture(connection),
            date_solde=OPENED,
        )
    return numeros


def numeros_of(answer: httpx.Response) -> list[str]:
    """The card numbers of a page."""
    assert answer.status_code == 200, answer.text
    return [line["numeroCarte"] for line in answer.json()["data"]]


def test_list_holds_every_card_of_the_client_whatever_its_state(world: World) -> None:
    awa = world.membre()
    anonymous = world.membre(awa.client_id, nom="", prenom="")
    world.carte(99)  # somebody else's
    active = world.carte(5_000, membre=awa)
    opposed = world.carte(1, membre=anonymous, statut=OPPOSITION)
    cancelled = world.carte(membre=awa, statut=ANNULEE)
    expired = world.carte(7, membre=awa, fin_validite=date(2020, 1, 31))
    issued = world.carte(membre=awa, statut=EMISE)
    world.change_carte(opposed, motif_statut="VOLEE")
    answer = world.api(active).get("/get-liste-cartes", params={"clientId": awa.client_id})
    assert answer.json() == page(
        item(active, 5_000),
        item(opposed, 1, statut="OPPOSITION", motifStatut="VOLEE", porteur="", utilisable=False),
        item(cancelled, 0, statut="ANNULEE", utilisable=False),
        item(expired, 7, finValidite="31/01/2020", expiree=True, utilisable=False),
        item(issued, 0, statut="EMISE", utilisable=False),
    )


@pytest.mark.parametrize("statut", [EMISE, ACTIVE, OPPOSITION, ANNULEE])
@pytest.mark.parametrize("days", [-1, 0, 1])
def test_list_says_of_a_card_what_its_check_says(world: World, statut: str, days: int) -> None:
    """Good until its last day included."""
    carte = world.carte(statut=statut, fin_validite=today() + timedelta(days=days))
    api = world.api(carte)
    (line,) = api.get("/get-liste-cartes", params={"clientId": carte.membre.client_id}).json()[
        "data"
    ]
    check = api.get("/check-card-validity", params=carte.query)
    assert line["utilisable"] == (check.status_code == 200)
    assert line["expiree"] == (days < 0)


def test_client_without_cards_has_an_empty_list(world: World) -> None:
    client_id = world.client()
    answer = world.api(client_id).get("/get-liste-cartes", params={"clientId": client_id})
    assert (answer.status_code, answer.json()) == (200, page())


def test_list_title_is_told_in_english(world: World) -> None:
    client_id = world.client()
    answer = world.api(client_id).get(
        "/get-liste-cartes", params={"clientId": client_id}, headers={"Accept-Language": "en-GB"}
    )
    assert answer.json() == {**page(), "message": "List of cards"}


def test_filters_keep_one_member(world: World) -> None:
    awa = world.membre()
    moussa = world.membre(awa.client_id, prenom="Moussa")
    first, second = world.carte(membre=awa), world.carte(membre=moussa)
    api = world.api(first)

    def ask(**filters: str) -> httpx.Response:
        return api.get("/get-liste-cartes", params={"clientId": awa.client_id, **filters})

    expected = page(item(second, 0, porteur="Moussa Diop"))
    assert ask(walletId=moussa.wallet_id).json() == expected
    assert ask(membreId=moussa.membre_id).json() == expected
    assert ask(walletId=moussa.wallet_id, membreId=moussa.membre_id).json() == expected
    assert_refused(ask(walletId=awa.wallet_id, membreId=moussa.membre_id), "412")
    assert_refused(ask(walletId="770000000"), "412")
    assert_refused(ask(membreId="MBR-INCONNU"), "412")
    assert_refused(ask(membreId=world.membre().membre_id), "412")


def test_member_without_cards_has_an_empty_list(world: World) -> None:
    membre = world.membre()
    answer = world.api(membre.client_id).get(
        "/get-liste-cartes", params={"clientId": membre.client_id, "membreId": membre.membre_id}
    )
    assert answer.json() == page()


def test_two_members_of_one_phone_are_both_listed(world: World) -> None:
    """As they may have been before a phone was one active member's of a client."""
    awa = world.membre()
    twin = world.membre(awa.client_id)
    with world.database.transaction() as connection:
        # They keep it together, and nobody else can have it.
        connection.execute(
            update(membres)
            .where(membres.c.client_id == awa.client_id)
            .values(wallet_id=awa.wallet_id, wallet_partage=1)
        )
    first, second = world.carte(membre=awa), world.carte(membre=twin)
    answer = world.api(first).get(
        "/get-liste-cartes", params={"clientId": awa.client_id, "walletId": awa.wallet_id}
    )
    assert numeros_of(answer) == [first.numero, second.numero]


def test_other_client_s_cards_are_never_listed(world: World) -> None:
    mine, other = world.carte(), world.carte()
    world.partenaire([other.membre.client_id])
    api = world.api(mine)
    for client_id in (other.membre.client_id, "CLI-INCONNU"):
        assert_refused(api.get("/get-liste-cartes", params={"clientId": client_id}), "412")
    both = world.api(mine, other)
    for carte in (mine, other):
        answer = both.get("/get-liste-cartes", params={"clientId": carte.membre.client_id})
        assert numeros_of(answer) == [carte.numero]


@pytest.mark.parametrize(
    "limite", ["0", "-1", "101", "1.0", "1e1", "", "01", "+1", "99999999999999999999"]
)
def test_limit_that_is_no_limit_is_refused(standing: Scene, limite: str) -> None:
    call = standing.call("getListeCartes").with_values(limite=limite)
    answer = call.send(standing.api)
    assert_refused(answer, "405", parametre="limite")


def _encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "curseur",
    ["garbage", "MQ", "_", "A", "-" * 64, "", "é", "x" * 65, "MTox==", " MTox"]
    + [_encoded(text) for text in ("1:", "2:1", "1:-1", "1: 1", "1:01", "1:1.0", "1:1:1", "1:²")],
)
def test_cursor_that_was_never_given_is_refused(standing: Scene, curseur: str) -> None:
    call = standing.call("getListeCartes").with_values(curseur=curseur)
    answer = call.send(standing.api)
    assert_refused(answer, "405", parametre="curseur")


def test_cursor_beyond_every_number_is_an_empty_end(world: World) -> None:
    client_id = world.client()
    answer = world.api(client_id).get(
        "/get-liste-cartes", params={"clientId": client_id, "curseur": _encoded("1:" + "9" * 40)}
    )
    assert answer.json() == page()


def test_cursor_shows_nobody_else_s_cards(world: World) -> None:
    mine, other = world.membre(), world.membre()
    many_cartes(world, mine, 3)
    theirs = many_cartes(world, other, 2)
    first = world.api(mine.client_id).get(
        "/get-liste-cartes", params={"clientId": mine.client_id, "limite": 1}
    )
    answer = world.api(other.client_id).get(
        "/get-liste-cartes",
        params={"clientId": other.client_id, "curseur": first.json()["curseurSuivant"]},
    )
    assert numeros_of(answer) == theirs


def test_default_limit_is_50_and_the_largest_100(world: World) -> None:
    membre = world.membre()
    numeros = many_cartes(world, membre, 101)
    api = world.api(membre.client_id)
    query = {"clientId": membre.client_id}
    default = api.get("/get-liste-cartes", params=query)
    assert numeros_of(default) == numeros[:50]
    largest = api.get("/get-liste-cartes", params={**query, "limite": "100"})
    assert numeros_of(largest) == numeros[:100]
    last = api.get(
        "/get-liste-cartes",
        params={**query, "limite": "100", "curseur": largest.json()["curseurSuivant"]},
    )
    assert (numeros_of(last), last.json()["curseurSuivant"]) == (numeros[100:], None)


@QUICK
@given(
    count=st.integers(0, 9),
    limite=st.integers(1, 11),
    added=st.lists(st.integers(0, 2), max_size=4),
    filtered=st.booleans(),
)
def test_pages_put_together_are_the_whole_list(
    world: World, count: int, limite: int, added: list[int], filtered: bool
) -> None:
    """Also when cards are created between the pages: they come at the end."""
    membre = world.membre()
    numeros = many_cartes(world, membre, count)
    query = {"clientId": membre.client_id, "limite": str(limite)}
    if filtered:
        world.carte(membre=world.membre(membre.client_id))
        query["membreId"] = membre.membre_id
    api = world.api(membre.client_id)
    arriving = iter(added)
    collected: list[str] = []
    curseur: str | None = None
    while True:
        answer = api.get(
            "/get-liste-cartes", params=query | ({"curseur": curseur} if curseur else {})
        )
        got = numeros_of(answer)
        collected += got
        curseur = answer.json()["curseurSuivant"]
        assert len(got) == limite or curseur is None
        if curseur is None:
            break
        numeros += many_cartes(world, membre, next(arriving, 0))
    assert collected == numeros
