"""The life of a card: from each statut each operation of both surfaces passes as the table says, or nothing
changes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

import pytest
from sqlalchemy import select

from models.base import today
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, cartes
from models.etat_carte import VIE
from tests.support.contract_client import Json
from tests.support.lives import Lives
from tests.support.office import Office
from tests.support.persons import new_reference
from tests.support.world import Carte

STATUTS = (EMISE, ACTIVE, OPPOSITION, ANNULEE)


class Asked(NamedTuple):
    """An operation of the back office, what it is asked, and what becomes of a card of each statut: its next
    statut and motif, or the code of the refusal with what it says of the passage."""

    operation: str
    contenu: Json
    becomes: dict[str, tuple[str, str | None]]


SUSPICION = "SUSPICION"
REFUSED = {OPPOSITION: "de=OPPOSITION;vers=OPPOSITION"}
BACK_OFFICE = (
    Asked(
        "activer-carte",
        {},
        {
            EMISE: (ACTIVE, None),
            ACTIVE: ("3006", "de=ACTIVE;vers=ACTIVE"),
            OPPOSITION: ("3006", "de=OPPOSITION;vers=ACTIVE"),
            ANNULEE: ("3006", "de=ANNULEE;vers=ACTIVE"),
        },
    ),
    Asked(
        "opposer-carte",
        {"motifOpposition": "VOLEE", "commentaire": "Déposition faite"},
        {
            EMISE: (OPPOSITION, "VOLEE"),
            ACTIVE: (OPPOSITION, "VOLEE"),
            OPPOSITION: (OPPOSITION, "VOLEE"),
            ANNULEE: ("3003", None),
        },
    ),
    Asked(
        "opposer-carte",
        {"motifOpposition": "BLOCAGE_TEMPORAIRE"},
        {
            EMISE: (OPPOSITION, "BLOCAGE_TEMPORAIRE"),
            ACTIVE: (OPPOSITION, "BLOCAGE_TEMPORAIRE"),
            OPPOSITION: ("3006", "de=OPPOSITION;vers=OPPOSITION"),
            ANNULEE: ("3003", None),
        },
    ),
    Asked(
        "lever-opposition",
        {"motif": "Carte retrouvée"},
        {
            EMISE: ("3006", "de=EMISE;vers=EMISE"),
            ACTIVE: ("3006", "de=ACTIVE;vers=ACTIVE"),
            OPPOSITION: (ACTIVE, None),
            ANNULEE: ("3006", "de=ANNULEE;vers=ACTIVE"),
        },
    ),
    Asked(
        "annuler-carte",
        {"motifAnnulation": "DEMANDE_CLIENT", "commentaire": "Départ de l'entreprise"},
        {
            EMISE: (ANNULEE, "DEMANDE_CLIENT"),
            ACTIVE: (ANNULEE, "DEMANDE_CLIENT"),
            OPPOSITION: (ANNULEE, "DEMANDE_CLIENT"),
            ANNULEE: ("3003", None),
        },
    ),
    Asked(
        "renouveler-carte",
        {"validiteMois": 60},
        {
            EMISE: (EMISE, None),
            ACTIVE: (ACTIVE, None),
            OPPOSITION: ("3002", None),
            ANNULEE: ("3003", None),
        },
    ),
    Asked(
        "remplacer-carte",
        {"motifRemplacement": "DEGRADEE"},
        {
            EMISE: ("3006", "de=EMISE;vers=ANNULEE"),
            ACTIVE: (ACTIVE, None),
            OPPOSITION: (OPPOSITION, SUSPICION),
            ANNULEE: ("3003", None),
        },
    ),
    Asked(
        "remplacer-carte",
        {"motifRemplacement": "VOLEE"},
        {
            EMISE: ("3006", "de=EMISE;vers=ANNULEE"),
            ACTIVE: (OPPOSITION, "VOLEE"),
            OPPOSITION: (OPPOSITION, "VOLEE"),
            ANNULEE: ("3003", None),
        },
    ),
)
OF_PARTNER = {
    "debit": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "credit": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "transfert": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "transfert vers elle": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "validité": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "validité du membre": {EMISE: "3004", ACTIVE: "200", OPPOSITION: "3002", ANNULEE: "3003"},
    "solde": dict.fromkeys(STATUTS, "200"),
    "levée": dict.fromkeys(STATUTS, "3007"),
    "opposition": {EMISE: "200", ACTIVE: "200", OPPOSITION: "3006", ANNULEE: "3003"},
}
SOLDE = 1_000


@pytest.fixture
def lives(office: Office) -> Lives:
    return Lives(office.world)


def seen(office: Office, carte: Carte) -> Json:
    """The card as the back office shows it."""
    (shown,) = office.maker.data("/get-carte", carteId=carte.carte_id)
    return shown


def block_of(office: Office, carte: Carte) -> tuple[str | None, int | None]:
    """What a card is again once its block is lifted, and the partner who placed that."""
    columns = cartes.c["statut_avant_opposition", "oppose_par"]
    with office.world.database.reading() as connection:
        row = connection.execute(select(*columns).where(cartes.c.id == carte.id)).one()
    return row.statut_avant_opposition, row.oppose_par


def made(lives: Lives, statut: str) -> Carte:
    """A card in this statut, whose last day is near."""
    solde = 0 if statut == EMISE else SOLDE
    return lives.carte(statut, solde, fin_validite=today() + timedelta(9))


@pytest.mark.parametrize("statut", STATUTS)
def test_each_operation_of_the_back_office_passes_as_the_table_says_or_changes_nothing(
    office: Office, lives: Lives, statut: str
) -> None:
    for operation, contenu, becomes in BACK_OFFICE:
        carte = made(lives, statut)
        before = seen(office, carte)
        code, told = becomes[statut]
        corps = {"reference": new_reference(), "carteId": carte.carte_id, **contenu}
        if operation == "activer-carte":
            corps["dernierQuatre"] = carte.numero[-4:]
        if operation == "remplacer-carte":
            corps["profilId"] = lives.standing_profil
        answer = office.maker.post(f"/{operation}", json=corps)
        if code.isdigit():
            refused = answer.json()
            assert (refused["code"], refused["moreInfo"] if told else None) == (code, told), corps
            assert seen(office, carte) == before, "nothing changed"
            continue
        assert answer.status_code == 200, answer.text
        (demande,) = answer.json()["data"]
        if demande["statut"] == "SAISIE":
            demande = office.checker.agreed(demande)
        assert demande["statut"] == "EXECUTEE"
        after = seen(office, carte)
        assert (after["statut"], after["motifStatut"]) == (code, told), operation
        assert after["commentaireStatut"] == contenu.get("commentaire"), operation
        blocked = code == OPPOSITION
        assert block_of(office, carte) == (
            (EMISE if statut == EMISE else ACTIVE) if blocked else None,
            None,
        )
        assert after["soldeOnline"] == before["soldeOnline"], "what is on it stays"


@pytest.mark.parametrize("statut", STATUTS)
def test_each_operation_of_partners_passes_as_the_table_says_or_changes_nothing(
    office: Office, lives: Lives, statut: str
) -> None:
    carte = made(lives, statut)
    other = lives.carte(ACTIVE, SOLDE, membre=carte.membre)
    api = office.world.api(carte)

    def named() -> Json:
        return {**carte.query, "reference": new_reference()}

    membre = {"membreId": carte.membre.membre_id}
    asked: dict[str, Callable[[], Any]] = {
        "debit": lambda: api.post("/debit-carte", json=carte.mouvement(1, new_reference())),
        "credit": lambda: api.post("/credit-carte", json=carte.mouvement(1, new_reference())),
        "transfert": lambda: api.post(
            "/transferer-solde", json=carte.transfert(other, 1, new_reference())
        ),
        "transfert vers elle": lambda: api.post(
            "/transferer-solde", json=other.transfert(carte, 1, new_reference())
        ),
        "validité": lambda: api.get("/check-card-validity", params=carte.query),
        "validité du membre": lambda: api.get(
            "/check-card-validity-by-member",
            params={
                **{name: value for name, value in carte.query.items() if name != "walletId"},
                **membre,
            },
        ),
        "solde": lambda: api.get("/get-solde-carte", params=carte.query),
        "levée": lambda: api.post("/lever-opposition", json=named()),
        "opposition": lambda: api.post(
            "/opposer-carte", json={**named(), "motifOpposition": "PERDUE"}
        ),
    }
    assert asked.keys() == OF_PARTNER.keys()
    for operation, by_statut in OF_PARTNER.items():
        before = seen(office, carte)
        answer = asked[operation]()
        got = "200" if answer.status_code == 200 else answer.json()["code"]
        assert got == by_statut[statut], (operation, answer.text)
        if got != "200":
            assert seen(office, carte) == before, "nothing changed"
    after = seen(office, carte)
    blocked = statut in (EMISE, ACTIVE)
    assert after["statut"] == (OPPOSITION if blocked else statut)


def test_the_table_of_the_code_is_the_table_of_the_contract() -> None:
    """Who changes `VIE` changes the two tables above."""
    names = {
        "activer-carte": "activerCarte",
        "opposer-carte": "opposerCarte",
        "lever-opposition": "leverOpposition",
        "annuler-carte": "annulerCarte",
        "renouveler-carte": "renouvelerCarte",
    }
    tested = {
        (de, vers, names[operation])
        for operation, _, becomes in BACK_OFFICE
        if operation in names
        for de, (vers, _) in becomes.items()
        if not vers.isdigit()
    }
    tested |= {
        (de, OPPOSITION, "opposerMaCarte")
        for de, code in OF_PARTNER["opposition"].items()
        if code == "200"
    }
    elsewhere = {
        # What a card was before it was blocked it is again.
        (OPPOSITION, EMISE, "leverOpposition"),
        (OPPOSITION, EMISE, "leverMonOpposition"),
        (OPPOSITION, ACTIVE, "leverMonOpposition"),
        # Of the card whose place is taken.
        *((de, ANNULEE, "activerCarte") for de in (EMISE, ACTIVE, OPPOSITION)),
        (None, EMISE, "emettreCartes"),
        (None, EMISE, "remplacerCarte"),
    }
    assert {tuple(one) for one in VIE} == tested | elsewhere


@pytest.mark.parametrize("before", [EMISE, ACTIVE])
def test_what_was_blocked_is_what_it_was_and_only_who_placed_a_block_lifts_it(
    office: Office, lives: Lives, before: str
) -> None:
    carte = lives.carte(before)
    mine, other = office.world.api(carte), office.world.api(carte)

    def lift(api: Any) -> Any:
        return api.post("/lever-opposition", json={**carte.query, "reference": new_reference()})

    def block() -> None:
        corps = {**carte.query, "reference": new_reference()}
        motif = {"motifOpposition": "BLOCAGE_TEMPORAIRE"}
        assert mine.post("/opposer-carte", json={**corps, **motif}).status_code == 200

    block()
    assert lift(other).json()["code"] == "3007"
    assert lift(mine).json()["data"][0]["statut"] == before
    # What the back office makes more severe, or places itself, no partner lifts.
    block()
    assert (
        office.maker.enter(
            "/opposer-carte",
            carteId=carte.carte_id,
            motifOpposition="AUTRE",
            commentaire="Vérification",
        )["statut"]
        == "EXECUTEE"
    )
    assert block_of(office, carte) == (before, None), "the back office's from now on"
    assert lift(mine).json()["code"] == "3007"
    levee = {"carteId": carte.carte_id, "motif": "Vérifiée"}
    waiting = office.maker.enter("/lever-opposition", **levee)
    assert waiting["statut"] == "SAISIE"
    office.checker.agreed(waiting)
    assert seen(office, carte)["statut"] == before
    lives.opposed(carte, "BLOCAGE_TEMPORAIRE")
    assert lift(mine).json()["code"] == "3007"
    # A block for a time is lifted by who entered it, whoever placed it.
    assert office.maker.enter("/lever-opposition", **levee)["statut"] == "EXECUTEE"
    block()
    assert office.maker.enter("/lever-opposition", **levee)["statut"] == "EXECUTEE"
    assert seen(office, carte)["statut"] == before
    assert block_of(office, carte) == (None, None)
    assert seen(office, carte)["commentaireStatut"] is None


def test_a_stolen_card_is_not_freed_by_anybody(office: Office, lives: Lives) -> None:
    for motif in ("VOLEE", "FRAUDE"):
        carte = lives.carte(OPPOSITION, motif=motif)
        corps = {"reference": new_reference(), "carteId": carte.carte_id, "motif": "Retrouvée"}
        assert office.maker.post("/lever-opposition", json=corps).json()["code"] == "3007"
    lost = lives.carte(OPPOSITION, motif="PERDUE")
    office.checker.agreed(
        office.maker.enter("/lever-opposition", carteId=lost.carte_id, motif="Retrouvée")
    )
    assert seen(office, lost)["statut"] == ACTIVE


def test_a_block_becomes_more_severe_and_never_less(office: Office, lives: Lives) -> None:
    carte = lives.carte()
    ordered = ["BLOCAGE_TEMPORAIRE", "SUSPICION", "AUTRE", "PERDUE", "VOLEE", "FRAUDE"]
    for number, motif in enumerate(ordered):
        asked = {"carteId": carte.carte_id, "motifOpposition": motif, "commentaire": "Appel"}
        office.maker.enter("/opposer-carte", **asked)
        for less in ordered[: number + 1]:
            again = {**asked, "motifOpposition": less, "reference": new_reference()}
            refused = office.maker.post("/opposer-carte", json=again).json()
            assert (refused["code"], refused["moreInfo"]) == ("3006", REFUSED[OPPOSITION])
    history = seen(office, carte)["historiqueStatuts"]
    assert [(one["de"], one["vers"], one["motif"]) for one in history] == [
        *((OPPOSITION, OPPOSITION, motif) for motif in reversed(ordered[1:])),
        (ACTIVE, OPPOSITION, ordered[0]),
    ]


def test_why_nobody_wrote_down_is_no_block_for_a_time(office: Office, lives: Lives) -> None:
    carte = lives.carte()
    lives.alter(carte, statut=OPPOSITION)
    asked = {"carteId": carte.carte_id, "commentaire": "Reprise"}
    for motif in ("BLOCAGE_TEMPORAIRE", "SUSPICION"):
        corps = {**asked, "motifOpposition": motif, "reference": new_reference()}
        assert office.maker.post("/opposer-carte", json=corps).json()["code"] == "3006"
    office.maker.enter("/opposer-carte", motifOpposition="AUTRE", **asked)
    waiting = office.maker.enter("/lever-opposition", carteId=carte.carte_id, motif="Fin")
    assert office.checker.agreed(waiting)["statut"] == "EXECUTEE"
    assert seen(office, carte)["statut"] == ACTIVE


def test_a_block_for_another_reason_says_which(office: Office, lives: Lives) -> None:
    carte = lives.carte()
    corps = {"reference": new_reference(), "carteId": carte.carte_id, "motifOpposition": "AUTRE"}
    assert office.maker.post("/opposer-carte", json=corps).json()["code"] == "405"
    assert seen(office, carte)["statut"] == ACTIVE


def test_renewal_is_later_than_today_and_than_before(office: Office, lives: Lives) -> None:
    expired = lives.carte(fin_validite=today() - timedelta(1))
    assert seen(office, expired)["expiree"]
    waiting = office.maker.enter("/renouveler-carte", carteId=expired.carte_id)
    office.checker.agreed(waiting)
    after = seen(office, expired)
    assert (after["expiree"], after["renouvellements"], after["statut"]) == (False, 1, ACTIVE)
    again = {"reference": new_reference(), "carteId": expired.carte_id, "validiteMois": 1}
    assert office.maker.post("/renouveler-carte", json=again).json()["code"] == "405"
    assert seen(office, expired) == after


def test_activation_asks_for_what_stands_on_the_plastic(office: Office, lives: Lives) -> None:
    carte = lives.emitted()
    wrong = f"{(int(carte.numero[-4:]) + 1) % 10_000:04d}"
    corps = {"reference": new_reference(), "carteId": carte.carte_id, "dernierQuatre": wrong}
    assert office.maker.post("/activer-carte", json=corps).json()["code"] == "405"
    assert seen(office, carte)["statut"] == EMISE


def test_activation_of_an_expired_card_or_of_a_suspended_client_is_refused(
    office: Office, lives: Lives
) -> None:
    carte = lives.emitted()
    asked = {"carteId": carte.carte_id, "dernierQuatre": carte.numero[-4:]}
    lives.alter(carte, fin_validite=today() - timedelta(1))
    refused = office.maker.post("/activer-carte", json={"reference": new_reference(), **asked})
    assert refused.json()["code"] == "3001"
    lives.alter(carte, fin_validite=today())
    client = {"clientId": carte.membre.client_id}
    lives.done("changerStatutClient", statut="SUSPENDU", **client)
    for path, corps in (
        ("/activer-carte", asked),
        ("/renouveler-carte", {"carteId": carte.carte_id}),
        ("/emettre-cartes", _emission(lives, carte)),
    ):
        answer = office.maker.post(path, json={"reference": new_reference(), **corps})
        assert answer.json()["code"] == "3005", path
    lives.done("changerStatutClient", statut="ACTIF", **client)
    office.maker.enter("/activer-carte", **asked)
    assert seen(office, carte)["statut"] == ACTIVE


def _emission(lives: Lives, carte: Carte) -> Json:
    return {
        "clientId": carte.membre.client_id,
        "profilId": lives.standing_profil,
        "porteurs": [{"membreId": carte.membre.membre_id}],
    }


def test_a_card_of_a_client_of_others_is_as_if_absent(office: Office, lives: Lives) -> None:
    carte = lives.carte()
    elsewhere = office.bureau.agent("SAISIE", clients=[office.client_id])
    corps = {"reference": new_reference(), "carteId": carte.carte_id, "motifOpposition": "VOLEE"}
    unknown = {**corps, "carteId": "0" * 26}
    assert elsewhere.get("/get-carte", params={"carteId": carte.carte_id}).json()["code"] == "6007"
    assert (
        elsewhere.post("/opposer-carte", json=corps).json()["message"]
        == office.maker.post("/opposer-carte", json=unknown).json()["message"]
    )
    assert seen(office, carte)["statut"] == ACTIVE


def test_search_leads_on_by_links_and_an_export_is_in_the_audit(
    office: Office, lives: Lives
) -> None:
    first = lives.carte(fin_validite=today() - timedelta(1))
    others = [lives.carte(membre=first.membre) for _ in range(2)]
    corps = {"clientId": first.membre.client_id}
    path: str | None = "/rechercher-cartes?limite=2"
    pages = []
    while path is not None:
        answer = office.maker.post(path, json=corps)
        assert answer.status_code == 200, answer.text
        pages.append([one["carteId"] for one in answer.json()["data"]])
        following = answer.links.get("next")
        path = None if following is None else f"/rechercher-cartes?{following['url'].split('?')[1]}"
    assert pages == [[first.carte_id, others[0].carte_id], [others[1].carte_id]]
    expired = {**corps, "expireAvant": f"{today():%d/%m/%Y}"}
    (found,) = office.maker.post("/rechercher-cartes", json=expired).json()["data"]
    assert (found["carteId"], found["expiree"]) == (first.carte_id, True)
    nowhen = {**corps, "expireAvant": "31/02/2026"}
    assert office.maker.post("/rechercher-cartes", json=nowhen).json()["code"] == "405"

    export = office.maker.post(
        "/rechercher-cartes", json={"numeroCarte": first.numero}, headers={"Accept": "text/csv"}
    )
    head, line = export.text.splitlines()
    assert head.startswith("carteId,numeroCarte,clientId,")
    assert line.startswith(f"{first.carte_id},{first.numero},{first.membre.client_id},")
    told = office.checker.data(
        "/get-audit", action="rechercherCartes", acteurId=office.maker.agent_id
    )
    masked = f"{first.numero[:6]}******{first.numero[-4:]}"
    assert told[-1]["apres"] == {"numeroCarte": masked}
