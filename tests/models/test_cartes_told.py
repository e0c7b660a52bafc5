"""What each act of a card's life says: its result, its rows of the audit, and its refusals, whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from models.back_office.audits import FiltreAudit, list_audit
from models.back_office.cartes import add_months
from models.base import mask, today
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION
from models.database.engine import Database
from models.demande import EXECUTEE, Demande
from models.errors import Refusal
from models.etat_carte import EtatCarte, find_etat_carte
from tests.support.acteurs import TESTEUR
from tests.support.lives import Lives
from tests.support.world import Carte, World, new_number

ULID = 26


@pytest.fixture
def ground(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def lives(ground: World) -> Lives:
    return Lives(ground)


def rows(world: World, demande: Demande) -> list[tuple[Any, ...]]:
    """The rows of the audit of a demande: by whom, what, and the fields before and after."""
    with world.database.reading() as connection:
        page = list_audit(
            connection, None, FiltreAudit(demande_id=demande.demande_id), limite=100, curseur=None
        )
    return [
        (one.acteur_nom, one.action, one.objet_type, one.objet_id, one.avant, one.apres)
        for one in page.lignes
    ]


def row(action: str, carte: Carte, avant: Any, apres: Any) -> tuple[Any, ...]:
    """A row about a card."""
    return (TESTEUR.nom, action, "CARTE", carte.carte_id, avant, apres)


def state_of(world: World, carte: Carte) -> EtatCarte:
    """What is kept of a card."""
    with world.database.reading() as connection:
        found = find_etat_carte(connection, carte.carte_id)
    assert found is not None
    return found


def new_card(carte: Carte, profil_id: str | None, fin: date, **more: Any) -> dict[str, Any]:
    """What the audit says of a card that is issued."""
    return {
        "carteId": carte.carte_id,
        "numeroCarte": mask(carte.numero),
        "clientId": carte.membre.client_id,
        "membreId": carte.membre.membre_id,
        "profilId": profil_id,
        "statut": EMISE,
        "motif": None,
        "commentaire": None,
        "finValidite": fin.isoformat(),
        "annuleePar": None,
        "renouvellements": 0,
        **more,
    }


# ── what is done ─────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("mois", [None, 7])
def test_cards_that_are_issued_are_told_one_by_one(
    ground: World, lives: Lives, mois: int | None
) -> None:
    membre, profil = ground.membre(), lives.profil(validiteMois=9)
    given = f"{new_number() % 10**16:016d}"
    porteurs = [
        {"membreId": membre.membre_id, "numeroCarte": given},
        {"membreId": membre.membre_id},
    ]
    asked = {} if mois is None else {"validiteMois": mois}
    done = lives.done(
        "emettreCartes", profilId=profil, clientId=membre.client_id, porteurs=porteurs, **asked
    )
    assert done.resultat is not None
    told = done.resultat["cartes"]
    made = [lives.named(one["carteId"], membre) for one in told]
    assert done.resultat == {
        "clientId": membre.client_id,
        "profilId": profil,
        "cartes": [
            {"membreId": membre.membre_id, "carteId": one.carte_id, "numeroCarte": one.numero}
            for one in made
        ],
    }
    assert made[0].numero == given
    assert {len(one.carte_id) for one in made} == {ULID}
    fin = add_months(today(), mois or 9)
    assert rows(ground, done) == [
        row("emettreCartes", one, None, new_card(one, profil, fin)) for one in made
    ]


def test_each_passage_says_what_it_changed(ground: World, lives: Lives) -> None:
    carte = lives.carte(EMISE)
    name = {"carteId": carte.carte_id}

    def done(action: str, avant: dict[str, Any], apres: dict[str, Any], **contenu: Any) -> None:
        demande = lives.done(action, **name, **contenu)
        assert (demande.statut, demande.resultat) == (EXECUTEE, name)
        assert rows(ground, demande) == [row(action, carte, avant, apres)]

    end = state_of(ground, carte).fin_validite
    later = add_months(today(), 60)
    done(
        "opposerCarte",
        {"statut": EMISE, "motif": None, "commentaire": None},
        {"statut": OPPOSITION, "motif": "AUTRE", "commentaire": "au guichet"},
        motifOpposition="AUTRE", commentaire="au guichet",
    )  # fmt: skip
    done(
        "leverOpposition",
        {"statut": OPPOSITION, "motif": "AUTRE", "commentaire": "au guichet"},
        {"statut": EMISE, "motif": None, "commentaire": None},
    )
    done("activerCarte", {"statut": EMISE}, {"statut": ACTIVE}, dernierQuatre=carte.numero[-4:])
    done(
        "renouvelerCarte",
        {"finValidite": end.isoformat(), "renouvellements": 0},
        {"finValidite": later.isoformat(), "renouvellements": 1},
        validiteMois=60,
    )
    done(
        "opposerCarte", {"statut": ACTIVE, "motif": None}, {"statut": OPPOSITION, "motif": "PERDUE"},
        motifOpposition="PERDUE",
    )  # fmt: skip
    done(
        "annulerCarte",
        {"statut": OPPOSITION, "motif": "PERDUE", "commentaire": None, "annuleePar": None},
        {
            "statut": ANNULEE, "motif": "DEMANDE_CLIENT", "commentaire": "rendue",
            "annuleePar": TESTEUR.nom,
        },
        motifAnnulation="DEMANDE_CLIENT", commentaire="rendue",
    )  # fmt: skip
    kept = state_of(ground, carte)
    assert kept.activee_le is not None
    assert (kept.fin_validite, kept.oppose_par, kept.etat_version) == (later, None, 7)


@pytest.mark.parametrize(
    ("profil_mois", "mois"), [(30, 30), (None, 12)], ids=["of its profile", "of none"]
)
def test_renewal_lasts_as_long_as_the_profile_says_where_nobody_says(
    ground: World, lives: Lives, profil_mois: int | None, mois: int
) -> None:
    if profil_mois is None:
        carte = ground.carte(fin_validite=today())
    else:
        profil = lives.profil(validiteMois=profil_mois)
        carte = lives.emitted(profilId=profil, validiteMois=1)
    lives.done("renouvelerCarte", carteId=carte.carte_id)
    assert state_of(ground, carte).fin_validite == add_months(today(), mois)


def test_replacement_tells_of_both_cards(ground: World, lives: Lives) -> None:
    old, profil = lives.carte(ACTIVE, 700), lives.profil(validiteMois=11)
    asked = {"carteId": old.carte_id, "motifRemplacement": "PERDUE", "profilId": profil}
    replaced = lives.done("remplacerCarte", **asked)
    assert replaced.resultat is not None
    new = lives.named(replaced.resultat["carteId"], old.membre)
    assert replaced.resultat == {"carteId": new.carte_id, "numeroCarte": new.numero}
    fin = add_months(today(), 11)
    told = new_card(new, profil, fin, remplaceCarteId=old.carte_id)
    assert rows(ground, replaced) == [row("remplacerCarte", new, None, told)]
    assert state_of(ground, old).motif_statut == "PERDUE", "blocked at once"
    activated = lives.activated(new)
    assert activated.resultat is not None
    numero = activated.resultat["numeroOperation"]
    assert activated.resultat == {"carteId": new.carte_id, "numeroOperation": numero}
    assert len(numero) == ULID
    assert rows(ground, activated) == [
        row("activerCarte", new, {"statut": EMISE}, {"statut": ACTIVE}),
        row(
            "activerCarte", old,
            {"statut": OPPOSITION, "motif": "PERDUE", "annuleePar": None},
            {"statut": ANNULEE, "motif": "REMPLACEE", "annuleePar": TESTEUR.nom},
        ),
    ]  # fmt: skip
    assert (ground.solde(old), ground.solde(new)) == (0, 700)


def test_card_with_nothing_on_it_is_replaced_without_an_operation(
    ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE)
    new = lives.replaced(old)
    activated = lives.activated(new)
    assert activated.resultat == {"carteId": new.carte_id, "numeroOperation": None}
    assert ground.journal(new) == ground.journal(old) == []


def test_months_later_is_the_same_day_or_the_last_one_of_its_month() -> None:
    ends = [add_months(date(2027, 1, 31), mois).isoformat()[5:] for mois in range(14)]
    assert ends == [
        *("01-31", "02-28", "03-31", "04-30", "05-31", "06-30"),
        *("07-31", "08-31", "09-30", "10-31", "11-30", "12-31"),
        *("01-31", "02-29"),
    ]
    assert add_months(date(2027, 12, 15), 1) == date(2028, 1, 15)


# ── what is refused ──────────────────────────────────────────────────────────────────────────────
Asked = Callable[[World, Lives], tuple[str, dict[str, Any]]]


def about(type_: str, statut: str, **contenu: Any) -> Asked:
    """What is asked of a card in a state."""
    return lambda _world, lives: (type_, {"carteId": lives.carte(statut).carte_id, **contenu})


def emission(**contenu: Any) -> Asked:
    """What is asked of a new member."""

    def make(world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
        membre = world.membre()
        told: dict[str, Any] = {
            "profilId": lives.standing_profil,
            "clientId": membre.client_id,
            "porteurs": [{"membreId": membre.membre_id}],
        }
        return "emettreCartes", told | contenu

    return make


def same_number_twice(world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
    type_, told = emission()(world, lives)
    (one,) = told["porteurs"]
    numbered = {**one, "numeroCarte": f"{new_number() % 10**16:016d}"}
    return type_, told | {"porteurs": [numbered, numbered]}


def retired_profile(world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
    profil = lives.profil()
    lives.done("modifierProfilCarte", profilId=profil, statut="RETIRE")
    return emission(profilId=profil)(world, lives)


def member_who_left(world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
    type_, told = emission()(world, lives)
    (one,) = told["porteurs"]
    lives.done("changerStatutMembre", clientId=told["clientId"], statut="CLOS", **one)
    return type_, told


def of_suspended(type_: str, statut: str, **contenu: Any) -> Asked:
    """What is asked of a card whose client is suspended."""

    def make(_world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
        carte = lives.carte(statut)
        lives.done("changerStatutClient", clientId=carte.membre.client_id, statut="SUSPENDU")
        return type_, {"carteId": carte.carte_id, **contenu}

    return make


def not_later(world: World, _lives: Lives) -> tuple[str, dict[str, Any]]:
    fin = add_months(today(), 5)
    return "renouvelerCarte", {"carteId": world.carte(fin_validite=fin).carte_id, "validiteMois": 5}


def expired(_world: World, lives: Lives) -> tuple[str, dict[str, Any]]:
    carte = lives.carte(EMISE)
    lives.alter(carte, fin_validite=today() - timedelta(days=1))
    return "activerCarte", {"carteId": carte.carte_id, "dernierQuatre": carte.numero[-4:]}


REFUSED: dict[str, tuple[Asked, str, dict[str, str]]] = {
    "a number twice": (same_number_twice, "405", {"parametre": "porteurs"}),
    "no such client": (emission(clientId="RIEN"), "6007", {"objet": "Client"}),
    "no such member": (emission(porteurs=[{"membreId": "RIEN"}]), "6007", {"objet": "Membre"}),
    "no such profile": (emission(profilId="RIEN"), "6007", {"objet": "Profil"}),
    "a profile that is retired": (retired_profile, "6009", {"statut": "RETIRE"}),
    "a member who left": (member_who_left, "6009", {"statut": "CLOS"}),
    "another plastic": (
        about("activerCarte", EMISE, dernierQuatre="x"), "405", {"parametre": "dernierQuatre"},
    ),
    "an expired card": (expired, "3001", {}),
    "a block without a word": (
        about("opposerCarte", ACTIVE, motifOpposition="AUTRE"), "405", {"parametre": "commentaire"},
    ),
    "a block of what is cancelled": (
        about("opposerCarte", ANNULEE, motifOpposition="PERDUE"), "3003", {},
    ),
    "no block, of an active card": (
        about("leverOpposition", ACTIVE), "3006", {"transition": "de=ACTIVE;vers=ACTIVE"},
    ),
    "no block, of a new card": (
        about("leverOpposition", EMISE), "3006", {"transition": "de=EMISE;vers=EMISE"},
    ),
    "no block, of a cancelled card": (
        about("leverOpposition", ANNULEE), "3006", {"transition": "de=ANNULEE;vers=ACTIVE"},
    ),
    "cancelled twice": (
        about("annulerCarte", ANNULEE, motifAnnulation="AUTRE"), "3003", {},
    ),
    "renewed though cancelled": (about("renouvelerCarte", ANNULEE, validiteMois=60), "3003", {}),
    "renewed though blocked": (about("renouvelerCarte", OPPOSITION, validiteMois=60), "3002", {}),
    "renewed for no later day": (not_later, "405", {"parametre": "validiteMois"}),
    "renewed for a suspended client": (
        of_suspended("renouvelerCarte", ACTIVE, validiteMois=60), "3005", {},
    ),
    "replaced for a suspended client": (
        of_suspended("remplacerCarte", ACTIVE, motifRemplacement="DEGRADEE"), "3005", {},
    ),
    "replaced though cancelled": (
        about("remplacerCarte", ANNULEE, motifRemplacement="DEGRADEE"), "3003", {},
    ),
    "replaced though nobody had it": (
        about("remplacerCarte", EMISE, motifRemplacement="DEGRADEE"),
        "3006", {"transition": "de=EMISE;vers=ANNULEE"},
    ),
    "replaced without a profile": (
        about("remplacerCarte", ACTIVE, motifRemplacement="DEGRADEE"),
        "405", {"parametre": "profilId"},
    ),
    "another profile that is not said": (
        about("remplacerCarte", ACTIVE, motifRemplacement="CHANGEMENT_PROFIL", numeroCarte="9" * 16),
        "405", {"parametre": "profilId"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_refusal_says_why(ground: World, lives: Lives, what: str) -> None:
    asked, code, fields = REFUSED[what]
    type_, contenu = asked(ground, lives)
    with pytest.raises(Refusal) as refused:
        lives.done(type_, **contenu)
    assert refused.value.code == code
    transition = getattr(refused.value, "more_info", None)
    told = refused.value.fields if transition is None else {"transition": transition}
    assert told == fields
