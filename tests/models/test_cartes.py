"""Cards: issued, replaced, looked for; and what happens of two things at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from typing import Any, NamedTuple, get_args

import pytest
from sqlalchemy import func, select
from stdnum import luhn

from handlers.base_core import wire
from models import numero_carte
from models.annulation import annuler
from models.audit import audit
from models.back_office.cartes import add_months
from models.back_office.fiches_cartes import (
    FicheCarte,
    FiltreCartes,
    find_fiche_carte,
    open_recherche,
    search_cartes,
)
from models.back_office.moteur import Saisie, rejeter, saisir
from models.back_office.profils import list_profils
from models.base import mask, today
from models.carte import (
    ACTIVE,
    ANNULEE,
    EMISE,
    OPPOSITION,
    cartes,
    find_carte,
)
from models.client import clients
from models.database import parcours
from models.database.engine import Database
from models.demande import EXECUTEE, SAISIE, Demande, demandes
from models.errors import ObjetInconnu, ParametreInvalide, Refusal
from models.historique import Filtre, list_operations
from models.journal.reference import Details
from models.mouvement import CarteDesignee, crediter, debiter, transferer
from models.mouvement import Demande as Mouvement
from models.operation import DEBIT, TRANSFERT_SPECIAL, Operation
from models.opposition import DemandeOpposition, opposer
from models.partenaire import Partenaire
from models.profil_carte import ACTIF, RETIRE
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.lives import Lives
from tests.support.plafonds import set_plafond
from tests.support.siege import Siege, personne
from tests.support.world import PEPPER, Carte, World, new_number


@pytest.fixture
def siege(shared_database: Database) -> Siege:
    return Siege(shared_database)


@pytest.fixture
def ground(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def lives(ground: World) -> Lives:
    return Lives(ground)


def fiche_of(world: World, carte: Carte) -> FicheCarte:
    """All that is known of a card."""
    with world.database.reading() as connection:
        return find_fiche_carte(connection, None, carte.carte_id)


class State(NamedTuple):
    """What matters of a card."""

    statut: str
    motif: str | None
    solde: int
    remplace: str | None = None
    remplacee_par: str | None = None


def state_of(world: World, carte: Carte) -> State:
    """What a card is."""
    lue = fiche_of(world, carte).carte
    return State(lue.statut, lue.motif_statut, lue.solde, lue.remplace, lue.remplacee_par)


class Partner:
    """A partner of the clients of some cards. Each act is a transaction of its own."""

    def __init__(self, world: World, *owned: Carte) -> None:
        self.world = world
        pair = world.partenaire({one.membre.client_id for one in owned})
        with world.database.reading() as connection:
            found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=True).partenaire
        assert found is not None
        self.partenaire: Partenaire = found

    def move(self, act: Callable[..., Operation], carte: Carte, *more: Any) -> Operation:
        """Move one franc. Raises Refusal."""
        asked = Mouvement(designation(carte), 1, f"REF-{new_number()}", *more)
        with self.world.database.transaction() as connection:
            return act(connection, self.partenaire, asked)

    def debit(self, carte: Carte) -> Operation:
        """Spend one franc. Raises Refusal."""
        return self.move(debiter, carte)


def designation(carte: Carte) -> CarteDesignee:
    """A card as partners name it."""
    return CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)


def told(act: Callable[[], Any]) -> str:
    """The statut of what was done, or the code of the refusal."""
    try:
        done = act()
    except Refusal as refused:
        return refused.code
    return str(done.statut)


def at_once(*acts: Callable[[], Any]) -> list[str]:
    """What each is told, all begun together."""
    with ThreadPoolExecutor(len(acts)) as pool:
        return [one.result() for one in [pool.submit(told, act) for act in acts]]


# ── issued ───────────────────────────────────────────────────────────────────────────────────────
def emission(lives: Lives, porteurs: list[dict[str, str]], **more: Any) -> dict[str, Any]:
    """What emettreCartes asks."""
    return {"profilId": lives.standing_profil, "porteurs": porteurs, **more}


def test_fifty_cards_are_issued_with_numbers_of_their_profile(
    siege: Siege, ground: World, lives: Lives
) -> None:
    membre = ground.membre()
    prefixe = f"{new_number() % 10**6:06d}"
    limit = {"type": "DEBIT", "periode": "JOUR", "montantMaximal": 5_000}
    profil_id = lives.profil(prefixe=prefixe, plafonds=[limit], validiteMois=36)
    porteurs = [{"membreId": membre.membre_id}] * 50
    asked = emission(lives, porteurs, profilId=profil_id, clientId=membre.client_id)
    demande = siege.enter("emettreCartes", **asked)
    assert (demande.statut, demande.objet_id) == (SAISIE, None)
    resultat = siege.agree(demande).resultat
    assert resultat is not None
    numeros = [one["numeroCarte"] for one in resultat["cartes"]]
    assert all(len(one) == 16 and luhn.is_valid(one) for one in numeros)
    assert [one[:-1] for one in numeros] == [f"{prefixe}{rank:09d}" for rank in range(50)]
    fiche = fiche_of(ground, lives.named(resultat["cartes"][7]["carteId"], membre))
    assert fiche.carte.numero_carte == numeros[7]
    assert fiche.carte.fin_validite == add_months(today(), 36)
    assert (fiche.carte.statut, fiche.carte.solde, fiche.carte.activee_le) == (EMISE, 0, None)
    assert [(one.type, one.montant_maximal, one.montant_restant) for one in fiche.plafonds] == [
        ("DEBIT", 5_000, 5_000)
    ]
    assert [(one.de, one.vers, one.demande_id) for one in fiche.historique_statuts] == [
        (None, EMISE, demande.demande_id)
    ]
    with ground.database.reading() as connection:
        counted = select(clients.c.nombre_cartes).where(clients.c.client_id == membre.client_id)
        assert connection.scalar(counted) == 50
        rows = select(func.count()).where(
            audit.c.demande_id == demande.demande_id, audit.c.action == "emettreCartes"
        )
        assert connection.scalar(rows) == 50, "one row of the audit for each card"


def test_numbers_that_are_taken_are_passed_by(
    ground: World, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    prefixe = f"{new_number() % 10**8:08d}"
    profil_id, membre = lives.profil(prefixe=prefixe), ground.membre()
    for rank in (0, 1, 3):
        digits = f"{prefixe}{rank:07d}"
        ground.carte(membre=membre, numero=f"{digits}{luhn.calc_check_digit(digits)}")
    # A block of the search ends between them.
    monkeypatch.setattr(numero_carte, "_BLOC", 2)
    drawn = [lives.emitted(membre, profilId=profil_id).numero[8:15] for _ in range(3)]
    assert drawn == ["0000002", "0000004", "0000005"]


def test_a_sequence_that_is_used_up_draws_no_number(
    siege: Siege, ground: World, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    membre = ground.membre()
    profil_id = lives.profil(prefixe=f"{new_number() % 10**8:08d}")
    monkeypatch.setattr(numero_carte, "LONGUEUR", 10)
    porteurs = [{"membreId": membre.membre_id}] * 11
    asked = emission(lives, porteurs, profilId=profil_id, clientId=membre.client_id)
    assert siege.do("emettreCartes", **asked) == "3008"


def test_what_cannot_be_issued_is_refused(siege: Siege, ground: World, lives: Lives) -> None:
    carte = ground.carte()
    membre = carte.membre
    closed, retired = ground.membre(membre.client_id), lives.profil()
    lives.done(
        "changerStatutMembre", clientId=closed.client_id, membreId=closed.membre_id, statut="CLOS"
    )
    lives.done("modifierProfilCarte", profilId=retired, statut=RETIRE)
    one = {"membreId": membre.membre_id}
    new = {**one, "numeroCarte": f"{new_number():015d}"}
    asked = emission(lives, [one], clientId=membre.client_id)
    refused: dict[str, dict[str, Any]] = {
        "6007": {"clientId": "CLI-INCONNU"},
        "6007 ": {"profilId": "PRF-INCONNU"},
        "6007  ": {"porteurs": [one, {"membreId": "MBR-INCONNU"}]},
        "6009": {"porteurs": [{"membreId": closed.membre_id}]},
        "6009 ": {"profilId": retired},
        "405": {"porteurs": [new, new]},
        "3008": {"porteurs": [one, {**one, "numeroCarte": carte.numero}]},
    }
    for code, more in refused.items():
        assert siege.do("emettreCartes", **{**asked, **more}) == code.strip(), more
    client_id = ground.client()
    lives.done("changerStatutClient", clientId=client_id, statut="CLOS")
    assert siege.do("emettreCartes", **{**asked, "clientId": client_id}) == "6009"
    with ground.database.reading() as connection:
        made = select(func.count()).where(cartes.c.client_id == membre.client_id)
        assert connection.scalar(made) == 1


def test_what_was_free_when_it_was_asked_may_be_taken_when_it_is_agreed(
    siege: Siege, ground: World, lives: Lives
) -> None:
    membre = ground.membre()
    numero = f"{new_number():015d}"
    porteurs = [{"membreId": membre.membre_id, "numeroCarte": numero}]
    asked = emission(lives, porteurs, clientId=membre.client_id)
    entered = [siege.enter("emettreCartes", **asked) for _ in range(4)]
    acts = [partial(siege.agree, one) for one in entered]
    assert sorted(at_once(*acts)) == ["3008"] * 3 + [EXECUTEE]


def test_many_who_draw_at_once_draw_other_numbers(
    siege: Siege, ground: World, lives: Lives
) -> None:
    prefixe = f"{new_number() % 10**8:08d}"
    # Two profiles of one prefix, and as many clients as demandes.
    profils = [lives.profil(prefixe=prefixe) for _ in range(2)]
    entered = []
    for number in range(4):
        membre = ground.membre()
        porteurs = [{"membreId": membre.membre_id}] * 3
        more = {"clientId": membre.client_id, "profilId": profils[number % 2]}
        entered.append(siege.enter("emettreCartes", **emission(lives, porteurs, **more)))
    assert at_once(*[partial(siege.agree, one) for one in entered]) == [EXECUTEE] * 4
    with ground.database.reading() as connection:
        drawn = connection.scalars(
            select(cartes.c.numero_carte).where(cartes.c.numero_carte.like(f"{prefixe}%"))
        ).all()
    assert sorted(int(one[8:15]) for one in drawn) == list(range(12))


def test_a_membre_is_closed_or_given_a_card_and_not_both(
    siege: Siege, ground: World, lives: Lives
) -> None:
    for _ in range(3):
        membre = ground.membre()
        named: dict[str, Any] = {"clientId": membre.client_id, "membreId": membre.membre_id}
        porteurs = [{"membreId": membre.membre_id}]
        issue = siege.enter("emettreCartes", **emission(lives, porteurs, clientId=membre.client_id))
        close = siege.enter("changerStatutMembre", **named, statut="CLOS")
        done = at_once(partial(siege.agree, issue), partial(siege.agree, close))
        assert done in ([EXECUTEE, "6010"], ["6009", EXECUTEE])


def test_profiles_are_entered_changed_and_listed(siege: Siege, ground: World) -> None:
    profil_id = f"PRF-{new_number()}"
    limit = {"type": "DEBIT", "periode": "MOIS", "nombreMaximal": 3}
    asked: dict[str, Any] = {
        "profilId": profil_id, "nom": "Carte flotte", "unite": "FCFA", "validiteMois": 24,
        "prefixe": "701980", "plafonds": [limit], "horsLigneAutorise": True,
    }  # fmt: skip
    for wrong in (
        [{**limit, "periode": "OPERATION"}],
        [limit, limit],
        [{"type": "DEBIT", "periode": "MOIS"}],
    ):
        assert siege.do("saisirProfilCarte", **{**asked, "plafonds": wrong}) == "405", wrong
    assert siege.do("saisirProfilCarte", **asked) == EXECUTEE
    assert siege.do("saisirProfilCarte", **asked) == "6008"
    assert siege.do("modifierProfilCarte", profilId="PRF-INCONNU", nom="x", version=1) == "6007"
    change = {"profilId": profil_id, "statut": RETIRE, "plafonds": []}
    assert siege.do("modifierProfilCarte", **change, version=2) == "6006"
    assert siege.do("modifierProfilCarte", **change, version=1) == EXECUTEE
    with ground.database.reading() as connection:
        found, curseur = [], None
        while True:
            page = list_profils(connection, RETIRE, limite=2, curseur=curseur)
            found += page.profils
            if (curseur := page.curseur_suivant) is None:
                break
        assert all(
            one.statut == ACTIF
            for one in list_profils(connection, ACTIF, limite=500, curseur=None).profils
        )
    (mine,) = [one for one in found if one.profil_id == profil_id]
    assert (mine.nom, mine.validite_mois, mine.prefixe, mine.version) == (
        "Carte flotte", 24, "701980", 2,
    )  # fmt: skip
    assert (mine.plafonds, mine.hors_ligne_autorise) == ((), True)


# ── replaced ─────────────────────────────────────────────────────────────────────────────────────
def replacement(siege: Siege, lives: Lives, carte: Carte, motif: str, **more: Any) -> Demande:
    """Ask for another card."""
    profil: dict[str, Any] = {"profilId": lives.standing_profil, **more}
    return siege.enter("remplacerCarte", carteId=carte.carte_id, motifRemplacement=motif, **profil)


@pytest.mark.parametrize("motif", get_args(wire.MotifRemplacement))
def test_the_new_card_receives_all_and_the_old_one_is_cancelled_at_its_activation(
    siege: Siege, ground: World, lives: Lives, motif: str
) -> None:
    old = lives.carte(ACTIVE, 1_000)
    for periode in ("JOUR", "MOIS"):
        with ground.database.transaction() as connection:
            set_plafond(
                connection, TESTEUR, numero_carte=old.numero,
                type_=DEBIT, periode=periode, montant_maximal=10, nombre_maximal=None,
            )  # fmt: skip
    partner = Partner(ground, old)
    partner.debit(old)
    demande = replacement(siege, lives, old, motif)
    lost = motif in ("PERDUE", "VOLEE", "FRAUDE")
    blocked = State(OPPOSITION, motif, 999) if lost else State(ACTIVE, None, 999)
    assert (demande.statut, state_of(ground, old)) == (SAISIE, blocked)
    resultat = siege.agree(demande).resultat
    assert resultat is not None
    new = lives.named(resultat["carteId"], old.membre)
    assert new.numero == resultat["numeroCarte"] != old.numero
    assert state_of(ground, new) == State(EMISE, None, 0, remplace=old.carte_id)
    assert state_of(ground, old) == blocked._replace(remplacee_par=new.carte_id)
    assert told(lambda: partner.debit(new)) == "3004"
    assert told(lambda: partner.debit(old)) == ("3002" if lost else EXECUTEE)
    spent = 1 if lost else 2

    digits: dict[str, Any] = {"dernierQuatre": new.numero[-4:]}
    done = siege.enter("activerCarte", carteId=new.carte_id, **digits)
    assert done.statut == EXECUTEE
    assert state_of(ground, new) == State(ACTIVE, None, 1_000 - spent, remplace=old.carte_id)
    assert state_of(ground, old) == State(ANNULEE, "REMPLACEE", 0, remplacee_par=new.carte_id)
    assert told(lambda: partner.debit(old)) == "3003"
    fiche = fiche_of(ground, new)
    assert {one.montant_restant for one in fiche.plafonds} == {10 - spent}, "nothing is doubled"
    assert fiche_of(ground, old).plafonds == []
    with ground.database.reading() as connection:
        named = find_carte(connection, partner.partenaire, **designation(new)._asdict())
        history = list_operations(
            connection, partner.partenaire, named, Filtre(), limite=10, curseur=None
        )
        rows = connection.execute(
            select(audit.c.objet_id, audit.c.acteur_nom)
            .where(audit.c.demande_id == done.demande_id)
            .order_by(audit.c.position)
        ).all()
    assert done.resultat is not None
    (line,) = history.lignes
    assert (line.numero_operation, line.type, line.montant, line.motif) == (
        done.resultat["numeroOperation"],
        TRANSFERT_SPECIAL,
        1_000 - spent,
        f"Remplacement de la carte {mask(old.numero)}",
    )
    assert [row.objet_id for row in rows] == [new.carte_id, old.carte_id], "two cards, two rows"
    assert fiche_of(ground, old).carte.annulee_par == siege.saisie.nom
    assert partner.debit(new).solde == 999 - spent
    ground.check_books(old, new)


def test_what_was_blocked_stays_so_whatever_becomes_of_its_replacement(
    siege: Siege, ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE, 10)
    demande = replacement(siege, lives, old, "VOLEE")
    with ground.database.reading() as connection:
        (first,) = connection.execute(
            select(demandes.c.type, demandes.c.statut, demandes.c.motif).where(
                demandes.c.objet_id == old.carte_id, demandes.c.statut == EXECUTEE
            )
        ).all()
    assert tuple(first) == ("opposerCarte", EXECUTEE, demande.motif)
    (blocked,) = fiche_of(ground, old).historique_statuts
    assert (blocked.motif, blocked.acteur) == ("VOLEE", siege.saisie.nom)
    assert blocked.demande_id != demande.demande_id
    with ground.database.transaction() as connection:
        rejeter(connection, personne(siege.validation), demande.demande_id, motif="Non")
    assert state_of(ground, old) == State(OPPOSITION, "VOLEE", 10)


def test_a_replacement_that_is_refused_blocks_nothing(
    siege: Siege, ground: World, lives: Lives
) -> None:
    old, other = lives.carte(ACTIVE, 10), lives.carte()
    asked: dict[str, Any] = {"carteId": old.carte_id, "motifRemplacement": "VOLEE"}
    for code, more in {
        "405": {},
        "405 ": {"motifRemplacement": "CHANGEMENT_PROFIL", "numeroCarte": f"{new_number():015d}"},
        "3008": {"profilId": lives.standing_profil, "numeroCarte": other.numero},
        "6007": {"profilId": "PRF-INCONNU"},
        "6007 ": {"carteId": "0" * 26, "profilId": lives.standing_profil},
    }.items():
        assert siege.do("remplacerCarte", **{**asked, **more}) == code.strip(), more
        assert state_of(ground, old) == State(ACTIVE, None, 10)
    pending = replacement(siege, lives, old, "DEGRADEE")
    assert told(lambda: replacement(siege, lives, old, "VOLEE")) == "6012"
    assert state_of(ground, old) == State(ACTIVE, None, 10)
    assert siege.agree(pending).statut == EXECUTEE


def test_a_card_that_came_without_a_profile_may_be_replaced_by_a_number_that_is_given(
    siege: Siege, ground: World, lives: Lives
) -> None:
    old, numero = lives.carte(), f"{new_number():015d}"
    asked: dict[str, Any] = {
        "carteId": old.carte_id,
        "motifRemplacement": "DEGRADEE",
        "numeroCarte": numero,
    }
    resultat = siege.agree(siege.enter("remplacerCarte", **asked)).resultat
    assert resultat is not None
    new = fiche_of(ground, lives.named(resultat["carteId"], old.membre)).carte
    assert (new.numero_carte, new.profil_id, new.statut) == (numero, None, EMISE)
    assert new.fin_validite == add_months(today(), 12)


def test_a_card_has_one_replacement_until_that_one_is_cancelled(
    siege: Siege, ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE, 10)
    entered = replacement(siege, lives, old, "DEGRADEE")
    resultat = siege.agree(entered).resultat
    assert resultat is not None
    first = lives.named(resultat["carteId"], old.membre)
    assert told(lambda: replacement(siege, lives, old, "DEGRADEE")) == "3009"
    lives.opposed(first, "PERDUE")
    assert told(lambda: replacement(siege, lives, old, "DEGRADEE")) == "3009"
    cancel: dict[str, Any] = {"carteId": first.carte_id, "motifAnnulation": "NON_DISTRIBUEE"}
    assert siege.do("annulerCarte", **cancel) == EXECUTEE
    assert state_of(ground, old) == State(ACTIVE, None, 10), "nobody replaces it any more"
    second = lives.replaced(old)
    lives.activated(second)
    assert state_of(ground, second) == State(ACTIVE, None, 10, remplace=old.carte_id)
    assert state_of(ground, old) == State(ANNULEE, "REMPLACEE", 0, remplacee_par=second.carte_id)
    # The one that took its place is replaced in its turn.
    third = lives.replaced(second, "VOLEE")
    lives.activated(third)
    assert state_of(ground, third).solde == 10
    ground.check_books(old, first, second, third)


def test_who_cancelled_the_old_card_meanwhile_keeps_his_reason_and_the_new_one_gets_what_is_on_it(
    ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE, 10)
    new = lives.replaced(old)
    lives.done("annulerCarte", carteId=old.carte_id, motifAnnulation="FRAUDE")
    lives.activated(new)
    assert state_of(ground, new) == State(ACTIVE, None, 10, remplace=old.carte_id)
    assert state_of(ground, old) == State(ANNULEE, "FRAUDE", 0, remplacee_par=new.carte_id)


def test_a_replacement_entered_where_nobody_else_is_asked_blocks_the_card_too(
    ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE, 10)
    new = lives.replaced(old, "PERDUE")
    assert state_of(ground, old) == State(OPPOSITION, "PERDUE", 10, remplacee_par=new.carte_id)
    # It is found, lifted, and used until the new one is activated.
    lives.done("leverOpposition", carteId=old.carte_id)
    partner = Partner(ground, old)
    assert partner.debit(old).solde == 9
    lives.activated(new)
    assert state_of(ground, new).solde == 9


def test_money_that_comes_back_to_a_replaced_card_stays_there_for_a_special_transfer(
    ground: World, lives: Lives
) -> None:
    old = lives.carte(ACTIVE, 10)
    partner = Partner(ground, old)
    spent = partner.debit(old)
    new = lives.replaced(old)
    lives.activated(new)
    with ground.database.transaction() as connection:
        back = annuler(
            connection, partner.partenaire, reference_origine=spent.reference,
            reference=f"REF-{new_number()}", motif=None, fenetre=timedelta(1),
        )  # fmt: skip
    assert back.solde == 1
    assert state_of(ground, old) == State(ANNULEE, "REMPLACEE", 1, remplacee_par=new.carte_id)
    ground.check_books(old, new)


# ── at once ──────────────────────────────────────────────────────────────────────────────────────
TURNS = 4


@pytest.mark.parametrize("block", ["opposerCarte", "remplacerCarte", "opposerMaCarte"])
def test_after_the_answer_of_a_block_no_debit_is_committed(
    siege: Siege, ground: World, lives: Lives, block: str
) -> None:
    for _ in range(TURNS):
        carte = lives.carte(ACTIVE, 100)
        partner = Partner(ground, carte)
        soldes: list[int] = []

        def blocked(
            carte: Carte = carte, partner: Partner = partner, soldes: list[int] = soldes
        ) -> Any:
            asked: dict[str, Any] = {"carteId": carte.carte_id, "motifOpposition": "VOLEE"}
            if block == "opposerCarte":
                done = siege.enter("opposerCarte", **asked)
            elif block == "remplacerCarte":
                done = replacement(siege, lives, carte, "VOLEE")
            else:
                done = _block(partner, carte)
            soldes.append(ground.solde(carte))
            return done

        debit = partial(partner.debit, carte)
        done = at_once(blocked, debit, debit, debit)
        assert done[0] in (EXECUTEE, SAISIE, OPPOSITION)
        assert set(done[1:]) <= {EXECUTEE, "3002"}
        spent = done[1:].count(EXECUTEE)
        assert [ground.solde(carte)] == soldes == [100 - spent], "none came after the answer"


def _block(partner: Partner, carte: Carte) -> Any:
    asked = DemandeOpposition(designation(carte), "VOLEE", f"REF-{new_number()}")
    with partner.world.database.transaction() as connection:
        return opposer(connection, partner.partenaire, asked)


def test_an_activation_among_movements_moves_all_and_loses_nothing(
    siege: Siege, ground: World, lives: Lives
) -> None:
    for _ in range(TURNS):
        old = lives.carte(ACTIVE, 100)
        other = lives.carte(ACTIVE, 100, membre=old.membre)
        partner, new = Partner(ground, old), lives.replaced(old)
        asked: dict[str, Any] = {"carteId": new.carte_id, "dernierQuatre": new.numero[-4:]}
        moves = (
            partial(partner.debit, old),
            partial(partner.move, crediter, old),
            partial(partner.move, transferer, old, Details(), designation(other)),
            partial(partner.debit, new),
        )
        done = at_once(partial(siege.enter, "activerCarte", **asked), *moves)
        assert done[0] == EXECUTEE
        assert set(done[1:4]) <= {EXECUTEE, "3003"}
        assert done[4] in (EXECUTEE, "3004", "4001")
        moved = [one == EXECUTEE for one in done]
        assert ground.solde(old) == 0
        assert ground.solde(new) == 100 - moved[1] + moved[2] - moved[3] - moved[4]
        assert ground.solde(other) == 100 + moved[3]
        ground.check_books(old, new, other)


def test_cancel_among_transfers_keeps_what_is_on_the_card(
    siege: Siege, ground: World, lives: Lives
) -> None:
    for _ in range(TURNS):
        carte = lives.carte(ACTIVE, 100)
        other = lives.carte(ACTIVE, 100, membre=carte.membre)
        partner = Partner(ground, carte)
        cancel = siege.enter(
            "annulerCarte", carteId=carte.carte_id, motifAnnulation="FIN_DE_CONTRAT"
        )
        ways = ((carte, other), (other, carte))
        done = at_once(
            partial(siege.agree, cancel),
            *(partial(partner.move, transferer, a, Details(), designation(b)) for a, b in ways),
        )
        assert done[0] == EXECUTEE
        assert set(done[1:]) <= {EXECUTEE, "3003"}
        out, back = (one == EXECUTEE for one in done[1:])
        assert (ground.solde(carte), ground.solde(other)) == (100 - out + back, 100 + out - back)
        ground.check_books(carte, other)


def test_of_two_passages_at_once_one_is_told_that_the_card_has_changed(
    siege: Siege, ground: World, lives: Lives
) -> None:
    for _ in range(TURNS):
        carte = lives.carte(OPPOSITION, 5, motif="PERDUE")
        lift = siege.enter("leverOpposition", carteId=carte.carte_id)
        cancel = siege.enter("annulerCarte", carteId=carte.carte_id, motifAnnulation="PERDUE")
        done = at_once(partial(siege.agree, lift), partial(siege.agree, cancel))
        assert sorted(done) == ["6006", EXECUTEE]
        expected = ACTIVE if done[0] == EXECUTEE else ANNULEE
        assert state_of(ground, carte).statut == expected


def test_a_replacement_is_asked_once_of_twins(siege: Siege, ground: World, lives: Lives) -> None:
    for number in range(TURNS):
        carte = lives.carte(ACTIVE, 5)
        saisie = Saisie(
            "remplacerCarte",
            f"TWIN-{carte.carte_id}-{number}",
            {
                "carteId": carte.carte_id,
                "motifRemplacement": "VOLEE",
                "profilId": lives.standing_profil,
            },
        )

        def enter(saisie: Saisie = saisie) -> Demande:
            with ground.database.transaction() as connection:
                return saisir(connection, personne(siege.saisie), saisie)

        assert at_once(enter, enter) == [SAISIE, SAISIE]
        fiche = fiche_of(ground, carte)
        assert len(fiche.historique_statuts) == 1
        assert fiche.demandes_en_attente == 1


def test_one_reference_for_two_cards_that_are_lost_is_refused_and_nobody_waits_for_ever(
    siege: Siege, ground: World, lives: Lives
) -> None:
    for number in range(TURNS):
        two = [lives.carte(ACTIVE, 5) for _ in range(2)]

        def enter(carte: Carte, number: int = number, two: list[Carte] = two) -> Demande:
            contenu = {
                "carteId": carte.carte_id,
                "motifRemplacement": "VOLEE",
                "profilId": lives.standing_profil,
            }
            reference = f"SAME-{two[0].carte_id}-{number}"
            with ground.database.transaction() as connection:
                saisie = Saisie("remplacerCarte", reference, contenu)
                return saisir(connection, personne(siege.saisie), saisie)

        done = at_once(*[partial(enter, one) for one in two])
        assert sorted(done) == ["4002", SAISIE]
        assert sorted(state_of(ground, one).statut for one in two) == [ACTIVE, OPPOSITION]


def test_suspension_of_a_client_among_activations_and_movements_ends(
    siege: Siege, ground: World, lives: Lives
) -> None:
    """Whoever suspends a client waits for its partners' movements, which wait for cards."""
    for _ in range(TURNS):
        old = lives.carte(ACTIVE, 100)
        partner, new = Partner(ground, old), lives.replaced(old)
        asked: dict[str, Any] = {"carteId": new.carte_id, "dernierQuatre": new.numero[-4:]}
        suspend: dict[str, Any] = {"clientId": old.membre.client_id, "statut": "SUSPENDU"}
        debit = partial(partner.debit, old)
        done = at_once(
            partial(siege.enter, "activerCarte", **asked),
            debit,
            partial(siege.enter, "changerStatutClient", **suspend),
            debit,
        )
        assert done[2] == EXECUTEE
        assert done[0] in (EXECUTEE, "3005")
        assert {done[1], done[3]} <= {EXECUTEE, "3003", "3005"}
        ground.check_books(old, new)


# ── looked for ───────────────────────────────────────────────────────────────────────────────────
def found(world: World, agent: Any = None, *, limite: int = 100, **looked: Any) -> list[str]:
    """Numbers of the cards that are looked for, all pages of them."""
    numeros: list[str] = []
    curseur = None
    while True:
        with world.database.reading() as connection:
            page = search_cartes(
                connection, agent, FiltreCartes(**looked), limite=limite, curseur=curseur
            )
        numeros += [one.numero_carte for one in page.cartes]
        curseur = page.curseur_suivant
        if curseur is None:
            return numeros


def test_cards_are_found_by_whatever_is_known_of_them(
    ground: World, lives: Lives, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ground.membre(), None
    second = ground.membre(first.client_id)
    many = ground.cartes(4, 10, first)
    expired = lives.carte(membre=second, fin_validite=today() - timedelta(1))
    lost = lives.carte(OPPOSITION, membre=second, motif="PERDUE")
    new = lives.emitted(second)
    client: dict[str, Any] = {"client_id": first.client_id}
    numeros = [one.numero for one in (*many, expired, lost, new)]
    # Pages are cut off before they are full where few rows are what is looked for.
    monkeypatch.setattr(parcours, "EXAMINEES", 3)
    for looked, expected in (
        ({"numero_carte": lost.numero}, [lost.numero]),
        ({"carte_id": new.carte_id}, [new.numero]),
        ({"wallet_id": second.wallet_id}, numeros[4:]),
        ({"wallet_id": second.wallet_id, "statut": OPPOSITION}, [lost.numero]),
        (client, numeros),
        ({**client, "membre_id": first.membre_id}, numeros[:4]),
        ({**client, "statut": ACTIVE}, numeros[:5]),
        ({**client, "statut": ACTIVE, "expire_avant": today()}, [expired.numero]),
        ({**client, "motif_statut": "PERDUE"}, [lost.numero]),
        ({**client, "sans_transaction_depuis": today()}, numeros[:6]),
        (
            {**client, "dernier_quatre": many[0].numero[-4:]},
            [one for one in numeros if one[-4:] == many[0].numero[-4:]],
        ),
        ({"carte_id": new.carte_id, "statut": ACTIVE}, []),
        ({"numero_carte": "0" * 16}, []),
    ):
        for limite in (2, 100):
            assert found(ground, limite=limite, **looked) == expected, looked
    with ground.database.reading() as connection:
        filtre = FiltreCartes(**client)
        lecture = open_recherche(connection, None, filtre, limite=None, curseur=None)
        streamed, place = [], lecture.position
        while True:
            lines, place = lecture.read(connection, place)
            streamed += [one.numero_carte for one in lines]
            if place is None:
                break
        page = open_recherche(connection, None, filtre, limite=2, curseur=None)
        alone, after = page.read(connection, page.position)
    assert (streamed, lecture.curseur_suivant) == (numeros, None)
    assert ([one.numero_carte for one in alone], after) == (numeros[:2], None)
    assert page.curseur_suivant is not None


def test_what_would_look_through_all_cards_is_refused(ground: World) -> None:
    too_wide: tuple[dict[str, Any], ...] = (
        {},
        {"statut": ACTIVE},
        {"dernier_quatre": "1234"},
        {"wallet_id": "221770000000", "membre_id": "MBR-1"},
    )
    for looked in too_wide:
        with pytest.raises(ParametreInvalide):
            found(ground, **looked)
    with pytest.raises(ObjetInconnu):
        found(ground, client_id="CLI-INCONNU")


def test_an_agent_of_some_clients_finds_theirs_alone(siege: Siege, ground: World) -> None:
    wallet_id = f"{new_number():012d}"[-12:]
    mine, other = (ground.carte(membre=ground.membre(wallet_id=wallet_id)) for _ in range(2))
    agent = siege.agent("LECTEUR", [mine.membre.client_id])
    assert found(ground, wallet_id=wallet_id) == [mine.numero, other.numero]
    assert found(ground, agent, wallet_id=wallet_id) == [mine.numero]
    assert found(ground, agent, numero_carte=other.numero) == []
    assert found(ground, agent, carte_id=other.carte_id) == []
    with pytest.raises(ObjetInconnu):
        found(ground, agent, client_id=other.membre.client_id)
    with ground.database.reading() as connection, pytest.raises(ObjetInconnu):
        find_fiche_carte(connection, agent, other.carte_id)
