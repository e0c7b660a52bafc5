"""getSoldeCarte, checkCardValidity, checkCardValidityByMember: a card, its state, who may see it."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from models.base import today
from models.carte import ANNULEE, OPPOSITION
from models.secret import NouveauPartenaire
from tests.support.contract_client import Json, without_id
from tests.support.scene import (
    MONEY,
    ON_A_CARD,
    Scene,
    assert_refused,
    call_of,
)
from tests.support.world import (
    Carte,
    Membre,
    World,
    new_number,
)

NOT_MADE = Carte(0, "", Membre("", "", ""))
NO_PAIR = NouveauPartenaire("", "")
VALIDITY = ["checkCardValidity", "checkCardValidityByMember"]


def solde_answer(carte: Carte, solde: int, date_solde: str) -> Json:
    """The whole answer of getSoldeCarte."""
    return {
        "success": True,
        "code": 200,
        "message": f"Sauf omission* de notre part votre nouveau solde est de {solde}  FCFA ",
        "data": [
            {
                "numeroCarte": carte.numero,
                "soldeOnline": float(solde),
                "dateSolde": date_solde,
                "unite": "FCFA",
            }
        ],
    }


@pytest.mark.parametrize("solde", [0, 1, 142_000, 9_007_199_254_740_991])
def test_solde_is_told_in_whole_francs(world: World, solde: int) -> None:
    carte = world.carte(solde, date_solde=datetime(2024, 2, 29, 23, 59, 59, 999_999, tzinfo=UTC))
    answer = world.api(carte).get("/get-solde-carte", params=carte.query)
    assert answer.status_code == 200
    assert answer.json() == solde_answer(carte, solde, "29-02-2024 23:59:59")
    assert f'"soldeOnline":{solde}.0,'.encode() in answer.content


def test_solde_is_told_in_english(world: World) -> None:
    carte = world.carte(5)
    answer = world.api(carte).get(
        "/get-solde-carte", params=carte.query, headers={"Accept-Language": "en"}
    )
    expected = solde_answer(carte, 5, "01-01-2026 00:00:00")
    expected["message"] = "Unless we are mistaken, your new balance is 5 FCFA"
    assert answer.json() == expected


@pytest.mark.parametrize(
    "state",
    [{"statut": OPPOSITION}, {"statut": ANNULEE}, {"fin_validite": date(2020, 1, 31)}],
    ids=["opposition", "annulee", "expiree"],
)
def test_solde_of_an_unusable_card_stays_readable(world: World, state: Json) -> None:
    carte = world.carte(5_000, **state)
    answer = world.api(carte).get("/get-solde-carte", params=carte.query)
    assert (answer.status_code, answer.json()) == (
        200,
        solde_answer(carte, 5_000, "01-01-2026 00:00:00"),
    )


def test_solde_bears_the_date_of_the_last_movement(scene: Scene) -> None:
    moved = scene.call("debitCarte").send(scene.api).json()["data"][0]
    answer = scene.call("getSoldeCarte").send(scene.api)
    assert answer.json() == solde_answer(scene.carte, 9_000, moved["dateOperation"])


@pytest.mark.parametrize("operation", VALIDITY)
@pytest.mark.parametrize(
    ("language", "message"),
    [
        ("fr", "Votre carte est valide et valable jusqu'au 18/07/2049"),
        ("en", "Your card is valid until 18/07/2049"),
    ],
)
def test_valid_card_tells_its_holder(
    world: World, operation: str, language: str, message: str
) -> None:
    membre = world.membre(
        nom="N'Diaye",
        prenom="Aïssatou",
        email="aissatou@example.sn",
        telephone="+221 77 123 45 67",
        numero_piece="1 234 1999 00001",
        date_naissance=date(1999, 3, 1),
    )
    carte = world.carte(membre=membre, fin_validite=date(2049, 7, 18))
    pair = world.partenaire([membre.client_id])
    answer = call_of(operation, carte, pair).send(
        world.api_of(pair), headers={"Accept-Language": language}
    )
    item = {
        "numeroCarte": carte.numero,
        "finValidite": "18/07/2049",
        "nom": "N'Diaye",
        "prenom": "Aïssatou",
        "email": "aissatou@example.sn",
        "telephone": "+221 77 123 45 67",
        "numeroPiece": "1 234 1999 00001",
        "dateNaissance": "01/03/1999",
    }
    if operation == "checkCardValidityByMember":
        item["membreId"] = membre.membre_id
    assert (answer.status_code, answer.json()) == (
        200,
        {"success": True, "code": 200, "message": message, "data": [item]},
    )


@pytest.mark.parametrize("operation", [*VALIDITY, *MONEY])
@pytest.mark.parametrize(
    ("statut", "days", "code"),
    [
        ("ACTIVE", -1, "3001"),
        ("OPPOSITION", 400, "3002"),
        ("ANNULEE", 400, "3003"),
        ("OPPOSITION", -1, "3002"),
        ("ANNULEE", -1, "3003"),
    ],
)
def test_unusable_card_is_refused_with_its_code(
    scene: Scene, operation: str, statut: str, days: int, code: str
) -> None:
    fin_validite = today() + timedelta(days=days)
    scene.world.change_carte(scene.carte, statut=statut, fin_validite=fin_validite)
    assert_refused(scene.call(operation).send(scene.api), code)
    assert scene.world.solde(scene.carte) == 10_000
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000)]


@pytest.mark.parametrize("operation", [*VALIDITY, *MONEY])
def test_last_day_is_valid(scene: Scene, operation: str) -> None:
    scene.world.change_carte(scene.carte, fin_validite=today())
    assert scene.call(operation).send(scene.api).status_code == 200


# ── 412: who may see a card ──────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        (operation, name)
        for operation in ON_A_CARD
        for name in call_of(operation, NOT_MADE, NO_PAIR).values
        if name.endswith(("Carte", "Id"))
    ],
)
def test_identifiers_that_do_not_match_are_an_unknown_user(
    scene: Scene, operation: str, name: str
) -> None:
    world, carte = scene.world, scene.carte
    colleague = world.membre(carte.membre.client_id)
    elsewhere = world.membre()
    allowed = world.partenaire([carte.membre.client_id, elsewhere.client_id])
    api = world.api_of(allowed)
    others = {
        "numeroCarte": [world.carte(membre=elsewhere).numero, f"70{new_number():014d}"],
        "walletId": [colleague.wallet_id, elsewhere.wallet_id, "770000000"],
        "clientId": [elsewhere.client_id, "CLI-INCONNU", carte.membre.client_id.lower()],
        "membreId": [colleague.membre_id, elsewhere.membre_id, "MBR-INCONNU"],
    }[name]
    for other in others:
        call = scene.call(operation).with_values(**{name: other})
        assert_refused(call.send(api), "412")
    assert world.journal(carte) == [("OUVERTURE", 10_000)]


@pytest.mark.parametrize("operation", ["getListeCartes", *ON_A_CARD])
def test_foreign_card_answers_like_no_card(scene: Scene, operation: str) -> None:
    """Byte for byte, whatever the foreign card's state, so that nothing can be guessed from it."""
    world = scene.world
    foreign = world.membre()
    world.partenaire([foreign.client_id])  # the card is somebody's, not nobody's
    states: list[Json] = [{}, {"statut": OPPOSITION}, {"fin_validite": date(2020, 1, 31)}]
    cards = [world.carte(10**9, membre=foreign, **state) for state in states]
    cards.append(Carte(0, f"70{new_number():014d}", foreign))
    cards.append(Carte(0, f"70{new_number():014d}", Membre("CLI-X", "MBR-X", "770000000")))
    answers = [call_of(operation, card, scene.pair).send(scene.api) for card in cards]
    for answer in answers:
        assert_refused(answer, "412")
        assert without_id(answer) == without_id(answers[0])
        assert list(answer.headers) == list(answers[0].headers)
    assert [world.solde(card) for card in cards[:3]] == [10**9] * 3


@pytest.mark.parametrize("operation", MONEY)
def test_foreign_card_under_a_used_reference_answers_like_no_card(
    scene: Scene, operation: str
) -> None:
    used = scene.call(operation)
    assert used.send(scene.api).status_code == 200
    foreign = scene.world.carte(10**9)
    scene.world.partenaire([foreign.membre.client_id])
    absent = Carte(0, f"70{new_number():014d}", foreign.membre)
    answers = [used.with_values(**card.query).send(scene.api) for card in (foreign, absent)]
    for answer in answers:
        assert_refused(answer, "4002")
    assert without_id(answers[0]) == without_id(answers[1])
    assert scene.world.solde(foreign) == 10**9


def test_access_that_ends_hides_the_cards_at_once(own_scene: Scene) -> None:
    with own_scene.world.database.transaction() as connection:
        connection.exec_driver_sql(
            f"DELETE FROM acces WHERE client_id = '{own_scene.carte.membre.client_id}'"
        )
    for operation in ("getListeCartes", *ON_A_CARD):
        assert_refused(own_scene.call(operation).send(own_scene.api), "412")
