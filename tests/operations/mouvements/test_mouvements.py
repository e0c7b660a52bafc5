"""creditCarte and debitCarte: what they move, how often, and what they leave alone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Row, select, update

from models.base import SOLDE_MAXIMAL, now, today
from models.carte import OPPOSITION
from models.membre import membres
from models.operation import operations
from models.partenaire import partenaires
from tests.support.contract_client import ContractClient, Json
from tests.support.scene import MONEY, Scene, assert_refused
from tests.support.world import Carte, World, new_number

VERBS = {"creditCarte": ("créditée", 1), "debitCarte": ("débitée", -1)}
PATHS = {"creditCarte": "/credit-carte", "debitCarte": "/debit-carte"}
REPLAYED = "Idempotent-Replayed"

BOTH = pytest.mark.parametrize("operation", MONEY)


def move(
    api: ContractClient, operation: str, carte: Carte, montant: Any, reference: str, **more: Any
) -> httpx.Response:
    """Ask for a movement."""
    return api.post(PATHS[operation], json=carte.mouvement(montant, reference, **more))


def new_reference() -> str:
    """A reference never used before."""
    return f"R-{new_number()}"


def row_of(world: World, reference: str) -> Row[Any]:
    """The operation's row."""
    with world.database.reading() as connection:
        return connection.execute(
            select(operations).where(operations.c.reference == reference)
        ).one()


def assert_moved(
    world: World, answer: httpx.Response, operation: str, carte: Carte, montant: int, solde: int
) -> None:
    """Assert a whole success against the request, the row it left, and the card."""
    assert answer.status_code == 200, answer.text
    reference = answer.json()["data"][0]["reference"]
    row = row_of(world, reference)
    verb, _ = VERBS[operation]
    assert answer.json() == {
        "success": True,
        "code": 200,
        "message": f"Votre carte a été {verb} de {montant} FCFA, votre nouveau solde est de {solde} FCFA",
        "data": [
            {
                "reference": reference,
                "numeroOperation": row.numero_operation,
                "type": operation.removesuffix("Carte").upper(),
                "statut": "EXECUTEE",
                "numeroCarte": carte.numero,
                "montant": montant,
                "unite": "FCFA",
                "soldeOnline": float(solde),
                "dateOperation": f"{row.date_operation:%d-%m-%Y %H:%M:%S}",
            }
        ],
    }
    assert f'"soldeOnline":{solde}.0,'.encode() in answer.content
    assert f'"montant":{montant},'.encode() in answer.content
    assert timedelta(0) <= now() - row.date_operation < timedelta(seconds=30)


# ── success ──────────────────────────────────────────────────────────────────────────────────────
@BOTH
def test_movement_changes_the_solde_once_and_is_written_down(scene: Scene, operation: str) -> None:
    world, carte = scene.world, scene.carte
    reference = new_reference()
    texts = {"motif": "Gazole", "pointDeService": "STATION-DKR-12", "terminal": "TPE-0042"}
    answer = move(scene.api, operation, carte, 5_000, reference, **texts)
    solde = 10_000 + 5_000 * VERBS[operation][1]
    assert_moved(world, answer, operation, carte, 5_000, solde)
    assert REPLAYED not in answer.headers
    assert world.solde(carte) == solde
    kind = operation.removesuffix("Carte").upper()
    assert world.journal(carte) == [("OUVERTURE", 10_000), (kind, 5_000)]
    row = row_of(world, reference)
    assert (row.motif, row.point_de_service, row.terminal) == tuple(texts.values())
    world.check_books(carte)


@BOTH
def test_message_is_told_in_english(scene: Scene, operation: str) -> None:
    scene.api.headers["Accept-Language"] = "en"
    answer = move(scene.api, operation, scene.carte, 1_000, new_reference())
    verb = "credited with 1000" if operation == "creditCarte" else "debited by 1000"
    solde = 10_000 + 1_000 * VERBS[operation][1]
    assert (
        answer.json()["message"] == f"Your card was {verb} FCFA, your new balance is {solde} FCFA"
    )


def test_debit_of_the_whole_solde_leaves_zero(scene: Scene) -> None:
    answer = move(scene.api, "debitCarte", scene.carte, 10_000, new_reference())
    assert_moved(scene.world, answer, "debitCarte", scene.carte, 10_000, 0)
    assert scene.world.solde(scene.carte) == 0


@BOTH
def test_largest_amount_is_moved(world: World, operation: str) -> None:
    carte = world.carte(10**9)
    answer = move(world.api(carte), operation, carte, 10**9, new_reference())
    solde = 2 * 10**9 if operation == "creditCarte" else 0
    assert_moved(world, answer, operation, carte, 10**9, solde)


def test_new_card_without_opening_is_credited(world: World) -> None:
    carte = world.carte(0)
    answer = move(world.api(carte), "creditCarte", carte, 1, new_reference())
    assert_moved(world, answer, "creditCarte", carte, 1, 1)
    world.check_books(carte)


def test_credit_to_the_maximum_is_accepted_and_above_it_refused(world: World) -> None:
    carte = world.carte(SOLDE_MAXIMAL - 5)
    api = world.api(carte)
    assert_refused(move(api, "creditCarte", carte, 6, new_reference()), "4003")
    answer = move(api, "creditCarte", carte, 5, new_reference())
    assert_moved(world, answer, "creditCarte", carte, 5, SOLDE_MAXIMAL)
    assert_refused(move(api, "creditCarte", carte, 1, new_reference()), "4003")
    assert_refused(move(api, "creditCarte", carte, 10**9, new_reference()), "4003")
    world.check_books(carte)


# ── refusal ──────────────────────────────────────────────────────────────────────────────────────
def test_debit_above_solde_is_refused_and_leaves_the_reference_free(scene: Scene) -> None:
    reference = new_reference()
    for montant in (10_001, 10**9):
        assert_refused(move(scene.api, "debitCarte", scene.carte, montant, reference), "4001")
    assert scene.world.journal(scene.carte) == [("OUVERTURE", 10_000)]
    answer = move(scene.api, "debitCarte", scene.carte, 10_000, reference)
    assert_moved(scene.world, answer, "debitCarte", scene.carte, 10_000, 0)
    assert REPLAYED not in answer.headers


def test_debit_of_an_empty_card_is_refused(world: World) -> None:
    carte = world.carte(0)
    assert_refused(move(world.api(carte), "debitCarte", carte, 1, new_reference()), "4001")


@BOTH
@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"statut": OPPOSITION}, "3002"),
        ({"statut": "ANNULEE"}, "3003"),
        ({"fin_validite": today() - timedelta(days=1)}, "3001"),
    ],
)
def test_refusal_of_an_unusable_card_leaves_the_reference_free(
    scene: Scene, operation: str, change: Json, code: str
) -> None:
    world, carte, reference = scene.world, scene.carte, new_reference()
    world.change_carte(carte, **change)
    assert_refused(move(scene.api, operation, carte, 1_000, reference), code)
    world.change_carte(carte, statut="ACTIVE", fin_validite=today())
    answer = move(scene.api, operation, carte, 1_000, reference)
    assert_moved(world, answer, operation, carte, 1_000, 10_000 + 1_000 * VERBS[operation][1])


@BOTH
def test_refusal_of_an_unknown_user_leaves_the_reference_free(scene: Scene, operation: str) -> None:
    reference = new_reference()
    call = scene.call(operation).with_values(reference=reference)
    assert_refused(call.with_values(walletId="770000000").send(scene.api), "412")
    answer = call.send(scene.api)
    assert (answer.status_code, REPLAYED in answer.headers) == (200, False)


def test_refusal_above_the_maximum_leaves_the_reference_free(world: World) -> None:
    carte = world.carte(SOLDE_MAXIMAL)
    api, reference = world.api(carte), new_reference()
    assert_refused(move(api, "creditCarte", carte, 1, reference), "4003")
    answer = move(api, "debitCarte", carte, 1, reference)
    assert_moved(world, answer, "debitCarte", carte, 1, SOLDE_MAXIMAL - 1)


# ── repetition ───────────────────────────────────────────────────────────────────────────────────
def assert_replayed(answer: httpx.Response, first: httpx.Response) -> None:
    """Assert that an answer is the first one again, byte for byte, and says so."""
    assert answer.status_code == 200, answer.text
    assert answer.content == first.content
    assert answer.headers[REPLAYED] == "true"


@BOTH
def test_repeated_movement_is_answered_again_and_moves_nothing(
    scene: Scene, operation: str
) -> None:
    call = scene.call(operation).with_values(motif="Gazole", pointDeService="A", terminal="B")
    first = call.send(scene.api)
    solde = scene.world.solde(scene.carte)
    for _ in range(3):
        assert_replayed(call.send(scene.api), first)
    assert scene.world.solde(scene.carte) == solde
    assert len(scene.world.journal(scene.carte)) == 2
    scene.world.check_books(scene.carte)


@BOTH
def test_repeated_movement_is_recognised_in_another_spelling(scene: Scene, operation: str) -> None:
    """The order of the fields, the spaces and the escapes are no content."""
    call = scene.call(operation).with_values(motif="Été")
    first = call.send(scene.api)
    fields = [f'"{name}" :  "{value}"' for name, value in call.values.items() if name != "montant"]
    raw = "{" + ",\n".join(reversed([*fields, '"montant":1000'])) + "}"
    answer = scene.api.post(
        call.path,
        content=raw.replace("É", "\\u00c9").encode(),
        headers={"Content-Type": "application/json"},
    )
    assert_replayed(answer, first)


@BOTH
@pytest.mark.parametrize(
    "change",
    [
        {"statut": OPPOSITION},
        {"statut": "ANNULEE"},
        {"fin_validite": today() - timedelta(days=1)},
    ],
    ids=["opposition", "annulee", "expiree"],
)
def test_repeated_movement_is_answered_again_after_the_card_became_unusable(
    scene: Scene, operation: str, change: Json
) -> None:
    call = scene.call(operation)
    first = call.send(scene.api)
    scene.world.change_carte(scene.carte, **change)
    assert_replayed(call.send(scene.api), first)


def test_repeated_debit_is_answered_again_after_the_card_was_emptied(scene: Scene) -> None:
    debit = scene.call("debitCarte")
    first = debit.send(scene.api)
    move(scene.api, "debitCarte", scene.carte, 9_000, new_reference())
    assert_replayed(debit.send(scene.api), first)
    assert scene.world.solde(scene.carte) == 0


@BOTH
def test_repeated_movement_is_answered_again_after_the_holder_changed_phone(
    own_scene: Scene, operation: str
) -> None:
    call = own_scene.call(operation)
    first = call.send(own_scene.api)
    with own_scene.world.database.transaction() as connection:
        connection.execute(
            update(membres)
            .where(membres.c.membre_id == own_scene.carte.membre.membre_id)
            .values(wallet_id="770000001")
        )
    assert_replayed(call.send(own_scene.api), first)


@BOTH
def test_repeated_movement_is_answered_again_through_another_token(
    scene: Scene, operation: str
) -> None:
    call = scene.call(operation)
    first = call.send(scene.api)
    assert_replayed(call.send(scene.world.api_of(scene.pair)), first)


CONTENT = {"motif": "Gazole", "pointDeService": "STATION", "terminal": "TPE"}


CHANGES: list[dict[str, Any]] = [
    {"montant": 1_001},
    {"motif": "gazole"},
    {"motif": "Gazole "},
    {"motif": None},
    {"pointDeService": "STATION-2"},
    {"pointDeService": None},
    {"terminal": "TPE2"},
    {"terminal": None},
    {"walletId": "770000000"},
    {"clientId": "CLI-INCONNU"},
    {"numeroCarte": "7000000000000000"},
    # The same texts in each other's place.
    {"pointDeService": "TPE", "terminal": "STATION"},
    {"motif": None, "terminal": "Gazole"},
]


@BOTH
def test_reference_of_another_content_is_refused(scene: Scene, operation: str) -> None:
    call = scene.call(operation).with_values(**CONTENT)
    assert {name for change in CHANGES for name in change} == set(call.values) - {"reference"}
    first = call.send(scene.api)
    solde = scene.world.solde(scene.carte)
    for change in CHANGES:
        assert_refused(call.with_values(**change).send(scene.api), "4002")
    assert scene.world.solde(scene.carte) == solde
    assert_replayed(call.send(scene.api), first)


@BOTH
def test_reference_of_an_operation_on_another_own_card_is_refused(
    scene: Scene, operation: str
) -> None:
    call = scene.call(operation)
    call.send(scene.api)
    sister = scene.world.carte(10_000, membre=scene.carte.membre)
    assert_refused(call.with_values(numeroCarte=sister.numero).send(scene.api), "4002")
    assert scene.world.solde(sister) == 10_000


@BOTH
def test_reference_of_the_other_direction_is_refused(scene: Scene, operation: str) -> None:
    call = scene.call(operation)
    assert call.send(scene.api).status_code == 200
    (other,) = set(MONEY) - {operation}
    assert_refused(call._replace(path=PATHS[other]).send(scene.api), "4002")
    assert len(scene.world.journal(scene.carte)) == 2


@BOTH
def test_reference_of_a_used_one_is_refused_before_the_card_is_judged(
    scene: Scene, operation: str
) -> None:
    call = scene.call(operation)
    call.send(scene.api)
    scene.world.change_carte(scene.carte, statut=OPPOSITION)
    assert_refused(call.with_values(montant=999_999).send(scene.api), "4002")


def test_references_of_two_partners_are_independent(scene: Scene) -> None:
    other = scene.world.api(scene.carte)
    debit = scene.call("debitCarte")
    first, second = debit.send(scene.api), debit.send(other)
    assert REPLAYED not in second.headers
    assert [a.json()["data"][0]["soldeOnline"] for a in (first, second)] == [9_000.0, 8_000.0]
    assert_replayed(debit.send(scene.api), first)
    assert_replayed(debit.send(other), second)
    scene.world.check_books(scene.carte)


def test_references_differ_by_case_and_length(scene: Scene) -> None:
    number = new_number()
    references = [f"r{number}", f"R{number}", f"R{number}.", f"r{number}".ljust(64, "0")]
    for reference in references:
        answer = move(scene.api, "debitCarte", scene.carte, 1, reference)
        assert (answer.status_code, REPLAYED in answer.headers) == (200, False)
    assert scene.world.solde(scene.carte) == 10_000 - len(references)


def test_longer_reference_than_64_is_refused(scene: Scene) -> None:
    answer = move(scene.api, "debitCarte", scene.carte, 1, "R" * 65)
    assert_refused(answer, "405", parametre="reference")


# ── motif ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "motif",
    [
        "Recharge d'été : œufs, Noël, ça",
        "⛽🚗💨",
        "👨‍👩‍👧‍👦" * 20,
        "تعبئة وقود",
        "שלום \u202eabc\u202c",
        "e\u0301a\u0300 \u200b\ufeff\u2028",
        "'; DROP TABLE operations; --",
        '\\ " % {montant} {0} </script>',
        "𝔘" * 140,
        " ",
        "\u00a0",
        "\uffff",
    ],
    ids=ascii,
)
def test_motif_of_any_script_is_kept_as_it_is(scene: Scene, motif: str) -> None:
    reference = new_reference()
    answer = move(scene.api, "debitCarte", scene.carte, 1_000, reference, motif=motif)
    assert_moved(scene.world, answer, "debitCarte", scene.carte, 1_000, 9_000)
    assert row_of(scene.world, reference).motif == motif
    again = move(scene.api, "debitCarte", scene.carte, 1_000, reference, motif=motif)
    assert_replayed(again, answer)


@pytest.mark.parametrize("code_point", [0, 1, 9, 10, 13, 0x1F, 0x7F, 0x80, 0x85, 0x9F], ids=hex)
def test_control_character_in_motif_is_refused(standing: Scene, code_point: int) -> None:
    for template in ("{}", "a{}b", "fin{}"):
        motif = template.format(chr(code_point))
        answer = standing.call("debitCarte").with_values(motif=motif).send(standing.api)
        assert_refused(answer, "405", parametre="motif")


@pytest.mark.parametrize("motif", ["", "a" * 141, "𝔘" * 141])
def test_motif_of_no_or_too_many_letters_is_refused(scene: Scene, motif: str) -> None:
    answer = move(scene.api, "debitCarte", scene.carte, 1_000, new_reference(), motif=motif)
    assert_refused(answer, "405", parametre="motif")


# ── any sequence ─────────────────────────────────────────────────────────────────────────────────
STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(MONEY), st.integers(1, 40)),
        st.tuples(st.just("replay"), st.integers(0, 10)),
    ),
    max_size=9,
)


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(opening=st.integers(0, 60), steps=STEPS)
def test_any_sequence_agrees_with_simple_arithmetic(
    world: World, opening: int, steps: list[tuple[str, int]]
) -> None:
    carte = world.carte(opening)
    api = world.api(carte)
    solde = opening
    journal = [("OUVERTURE", opening)] if opening else []
    done: list[tuple[str, int, str, httpx.Response]] = []
    for kind, number in steps:
        if kind == "replay":
            if done:
                operation, montant, reference, first = done[number % len(done)]
                assert_replayed(move(api, operation, carte, montant, reference), first)
            continue
        reference = new_reference()
        answer = move(api, kind, carte, number, reference)
        if kind == "debitCarte" and number > solde:
            assert_refused(answer, "4001")
            continue
        solde += number * VERBS[kind][1]
        assert_moved(world, answer, kind, carte, number, solde)
        journal.append((kind.removesuffix("Carte").upper(), number))
        done.append((kind, number, reference, answer))
    assert world.solde(carte) == solde
    assert world.journal(carte) == journal
    world.check_books(carte)


def test_money_comes_from_the_partner_s_settlement_and_goes_there(own_scene: Scene) -> None:
    move(own_scene.api, "creditCarte", own_scene.carte, 700, new_reference())
    move(own_scene.api, "debitCarte", own_scene.carte, 300, new_reference())
    with own_scene.world.database.reading() as connection:
        compte = connection.scalar(
            select(partenaires.c.compte_id).where(
                partenaires.c.consumer_key == own_scene.pair.consumer_key
            )
        )
        lines = connection.exec_driver_sql(
            "SELECT compte_debit, compte_credit, montant, unite FROM ecritures"
            f" WHERE {compte} IN (compte_debit, compte_credit) ORDER BY id"
        ).all()
    # The first is the credit that every scene begins with.
    assert [(line[0] == compte, line[2], line[3]) for line in lines[1:]] == [
        (True, 700, "FCFA"),
        (False, 300, "FCFA"),
    ]
