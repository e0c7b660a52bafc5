"""Partners as persons change them: who is what, who may not be what, and who learns a secret."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import func, insert, select, update

from handlers.contract.scopes import declared_scopes
from models import adresse_vue
from models.adresse_vue import (
    AUTRES,
    GARDE_JOURS,
    AdresseVue,
    Vues,
    adresses_vues,
    forget_adresses,
    list_adresses,
    note_adresses,
)
from models.audit import audit
from models.authentification import jetons
from models.back_office.partenaires import find_fiche_partenaire, list_partenaires
from models.base import now, today
from models.database.engine import Database
from models.demande import EXECUTEE, SAISIE, Demande, demandes, find_demande
from models.errors import CodeRetraitInvalide, ObjetInconnu
from models.fiche import Fiche, find_fiche
from models.partenaire import (
    ACTIF,
    APPLIQUER,
    EXTERNE,
    INTERNE,
    LIBRE,
    OBSERVER,
    PASSAGES,
    REVOQUE,
    SCOPES,
    SUSPENDU,
    partenaires,
)
from models.retrait import DUREE, Retrait, codes_retrait, withdraw
from models.secret import SecretDuPartenaire, find_by_secret, list_alive, list_secrets
from tests.support.contract_client import base_core, read_contract
from tests.support.siege import Siege
from tests.support.world import PEPPER, World, new_number

ALL = ("cartes:debiter", "cartes:lire", "soldes:lire")


@pytest.fixture
def siege(shared_database: Database) -> Siege:
    return Siege(shared_database, of="SECURITE_")


@pytest.fixture
def ground(shared_database: Database) -> World:
    """Makes clients and cards without a server."""
    return World(shared_database, "")


@pytest.fixture
def client_id(ground: World) -> str:
    return ground.client()


def of(database: Database, key: str) -> Fiche:
    """The partner as it is, without what no person tells."""
    with database.reading() as connection:
        found = find_fiche(connection, key)
    assert found is not None
    return found._replace(id=0, cree_le=None, revoque_le=None)


def entered(siege: Siege, client_id: str, **more: Any) -> Demande:
    """A partner that is asked for."""
    told = {"nom": "Banque", "type": EXTERNE, "scopes": ["soldes:lire"], "clients": [client_id]}
    return siege.enter("saisirPartenaire", **{**told, **more})


def new_partner(siege: Siege, client_id: str, **more: Any) -> tuple[str, str]:
    """A partner that was entered and agreed to: its key, and the code of its first secret."""
    executed = siege.agree(entered(siege, client_id, **more))
    assert executed.resultat is not None
    return executed.resultat["consumerKey"], executed.resultat["codeRetrait"]


def withdrawn(siege: Siege, code: str) -> Retrait:
    """What the code opens. Raises Refusal."""
    with siege.database.transaction() as connection:
        return withdraw(connection, code, pepper=PEPPER, adresse="192.0.2.1")


def opens(siege: Siege, retrait: Retrait) -> bool:
    """Whether the pair is good."""
    with siege.database.reading() as connection:
        found = find_by_secret(
            connection,
            retrait.consumer_key,
            retrait.consumer_secret,
            pepper=PEPPER,
            demo_allowed=True,
        )
    return found.valid


def alive(siege: Siege, key: str) -> list[SecretDuPartenaire]:
    """The partner's secrets that open something, newest first."""
    with siege.database.reading() as connection:
        found = find_fiche(connection, key)
        assert found is not None
        return list_alive(connection, found.id)


def audited(siege: Siege, key: str) -> list[tuple[str, str]]:
    """Who did what with the partner."""
    with siege.database.reading() as connection:
        return [
            (row.action, row.acteur_id)
            for row in connection.execute(
                select(audit).where(audit.c.objet_id == key).order_by(audit.c.position)
            )
        ]


# ── creation, and a secret that nobody sees ──────────────────────────────────────────────────────
def test_partner_is_what_was_entered_once_another_person_agreed(
    siege: Siege, client_id: str
) -> None:
    demande = entered(
        siege, client_id, scopes=[*ALL, "soldes:lire"], adresses=["::ffff:192.0.2.0/120", "2001:db8::/32"],
        contactTechnique={"email": "it@banque.example"}, basicAutorise=True,
    )  # fmt: skip
    assert (demande.statut, demande.resultat) == (SAISIE, None)
    executed = siege.agree(demande)
    assert executed.resultat is not None
    assert executed.resultat.keys() == {"consumerKey", "codeRetrait"}
    key = executed.resultat["consumerKey"]
    assert of(siege.database, key) == Fiche(
        key, "Banque", EXTERNE, ALL, (client_id,), ("192.0.2.0/24", "2001:db8::/32"), APPLIQUER,
        True, "it@banque.example", "", ACTIF, 1,
    )  # fmt: skip
    assert alive(siege, key) == []
    assert audited(siege, key) == [("saisirPartenaire", siege.validation.agent_id)]


def test_code_is_told_once_and_kept_nowhere(siege: Siege, client_id: str) -> None:
    demande = entered(siege, client_id)
    code = siege.agree(demande).resultat["codeRetrait"]  # type: ignore[index]
    with siege.database.reading() as connection:
        stored = find_demande(connection, demande_id=demande.demande_id)
        assert stored is not None
        assert stored.resultat == {"consumerKey": stored.resultat["consumerKey"]}  # type: ignore[index]
        texts = [
            json.dumps([str(value) for value in row])
            for table in (audit, demandes, codes_retrait)
            for row in connection.execute(select(table))
        ]
    assert not [text for text in texts if code in text]


def test_renewal_that_is_repeated_tells_no_code(siege: Siege, client_id: str) -> None:
    key, _ = new_partner(siege, client_id)
    first = siege.enter("renouvelerSecretPartenaire", consumerKey=key)
    assert first.resultat is not None
    assert first.resultat.keys() == {"consumerKey", "codeRetrait"}
    with siege.database.transaction() as connection:
        found = find_demande(connection, reference=first.reference)
    assert found is not None
    assert found.resultat == {"consumerKey": key}


def test_code_gives_a_pair_that_opens_and_no_second_one(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    retrait = withdrawn(siege, code)
    assert retrait.consumer_key == key
    assert opens(siege, retrait)
    (secret,) = alive(siege, key)
    assert (secret.secret_id, secret.fin4) == (retrait.secret_id, retrait.consumer_secret[-4:])
    assert secret.retire_le is not None
    for dead in (code, "x" * 43):
        with pytest.raises(CodeRetraitInvalide):
            withdrawn(siege, dead)
    assert [one.secret_id for one in alive(siege, key)] == [secret.secret_id]
    assert audited(siege, key)[1:] == [("retirerSecretInitial", key)]


def test_code_that_is_too_old_gives_nothing(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    with siege.database.transaction() as connection:
        (life,) = connection.execute(
            select(codes_retrait.c.cree_le, codes_retrait.c.expire_le)
            .join(partenaires)
            .where(partenaires.c.consumer_key == key)
        ).all()
        assert life.expire_le - life.cree_le == DUREE == timedelta(hours=72)
        connection.execute(
            update(codes_retrait)
            .where(codes_retrait.c.expire_le == life.expire_le)
            .values(expire_le=now())
        )
    with pytest.raises(CodeRetraitInvalide):
        withdrawn(siege, code)
    assert alive(siege, key) == []


@pytest.mark.parametrize("pepper", [b"", b"another"])
def test_code_under_another_pepper_gives_nothing(
    siege: Siege, client_id: str, pepper: bytes
) -> None:
    _, code = new_partner(siege, client_id)
    with pytest.raises(CodeRetraitInvalide), siege.database.transaction() as connection:
        withdraw(connection, code, pepper=pepper)


def test_code_of_a_suspended_partner_is_good_again_afterwards(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    assert siege.do("changerStatutPartenaire", consumerKey=key, statut=SUSPENDU) == EXECUTEE
    with pytest.raises(CodeRetraitInvalide):
        withdrawn(siege, code)
    assert siege.do("changerStatutPartenaire", consumerKey=key, statut=ACTIF) == EXECUTEE
    assert opens(siege, withdrawn(siege, code))


def test_code_of_a_revoked_partner_gives_nothing(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    assert siege.do("changerStatutPartenaire", consumerKey=key, statut=REVOQUE) == EXECUTEE
    with pytest.raises(CodeRetraitInvalide):
        withdrawn(siege, code)


# ── what a partner may be ────────────────────────────────────────────────────────────────────────
NOT_THERE: dict[str, tuple[dict[str, Any], str]] = {
    "unknown client": ({"clients": ["CLI-nobody"]}, "6007"),
    "no client": ({"clients": []}, "405"),
    "scope of a machine": ({"scopes": ["base-core:lire"]}, "405"),
    "scope of nobody": ({"scopes": ["soldes:ecrire"]}, "405"),
    "machine with a client": ({"type": INTERNE, "scopes": ["base-core:lire"]}, "405"),
    "machine with a partner's scope": ({"type": INTERNE, "clients": []}, "405"),
    "no address": ({"adresses": ["999.0.0.0/24"]}, "405"),
    "address with host bits": ({"adresses": ["192.0.2.1/24"]}, "405"),
    "wide IPv4": ({"adresses": ["10.0.0.0/15"]}, "6015"),
    "wide IPv6": ({"adresses": ["2001:db8::/31"]}, "6015"),
    "empty list that is applied": ({"adresses": [], "mode": APPLIQUER}, "6015"),
}


@pytest.mark.parametrize(("told", "code"), NOT_THERE.values(), ids=NOT_THERE)
def test_partner_that_cannot_be_is_refused(
    siege: Siege, client_id: str, told: dict[str, Any], code: str
) -> None:
    with siege.database.reading() as connection:
        before = connection.scalar(select(func.count()).select_from(partenaires))
    asked = {"nom": "Banque", "type": EXTERNE, "scopes": ["soldes:lire"], "clients": [client_id]}
    assert siege.do("saisirPartenaire", **{**asked, **told}) == code
    with siege.database.reading() as connection:
        assert connection.scalar(select(func.count()).select_from(partenaires)) == before


WIDTHS = [("10.0.0.0/16",), ("2001:db8::/32",), ()]


@pytest.mark.parametrize("adresses", WIDTHS, ids=str)
def test_list_is_applied_where_it_holds_something_unless_told(
    siege: Siege, client_id: str, adresses: tuple[str, ...]
) -> None:
    key, _ = new_partner(siege, client_id, adresses=list(adresses))
    found = of(siege.database, key)
    assert (found.adresses, found.mode_adresses) == (adresses, APPLIQUER if adresses else LIBRE)
    key, _ = new_partner(siege, client_id, adresses=list(adresses), mode=OBSERVER)
    assert of(siege.database, key).mode_adresses == OBSERVER


def test_fifty_of_the_longest_addresses_fit(siege: Siege, client_id: str) -> None:
    longest = [f"2001:db8:1111:2222:3333:4444:5555:{0x1000 + one:x}/128" for one in range(50)]
    key, _ = new_partner(siege, client_id, adresses=longest)
    assert list(of(siege.database, key).adresses) == longest


def test_scopes_of_each_kind_are_those_of_its_contract() -> None:
    assert {EXTERNE: set(declared_scopes(read_contract())), INTERNE: set(
        declared_scopes(base_core().document)
    )} == SCOPES, "a scope of a contract stands in models.partenaire.SCOPES too"  # fmt: skip


# ── changes ──────────────────────────────────────────────────────────────────────────────────────
CHANGES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "name": ({"nom": "Autre"}, {"nom": "Autre"}),
    "scopes": (
        {"scopes": ["cartes:lire", "soldes:lire"]},
        {"scopes": ("cartes:lire", "soldes:lire")},
    ),
    "Basic": ({"basicAutorise": True}, {"basic_autorise": True}),
    "contact": (
        {"contactTechnique": {"telephone": "338000000"}},
        {"contact_email": "", "contact_telephone": "338000000"},
    ),
}


@pytest.mark.parametrize(("told", "after"), CHANGES.values(), ids=CHANGES)
def test_change_is_made_once_another_person_agreed(
    siege: Siege, client_id: str, told: dict[str, Any], after: dict[str, Any]
) -> None:
    contact = {"email": "it@banque.example", "telephone": "1"}
    key, code = new_partner(siege, client_id, contactTechnique=contact)
    pair = withdrawn(siege, code)
    before = of(siege.database, key)
    demande = siege.enter("modifierPartenaire", consumerKey=key, version=1, **told)
    assert (demande.statut, of(siege.database, key)) == (SAISIE, before)
    assert siege.agree(demande).statut == EXECUTEE
    assert of(siege.database, key) == before._replace(**after, version=2)
    assert opens(siege, pair)


def test_clients_are_replaced_as_a_whole(siege: Siege, ground: World, client_id: str) -> None:
    second, third = sorted(ground.client() for _ in range(2))
    key, _ = new_partner(siege, client_id, clients=[client_id, second])
    assert siege.do("modifierPartenaire", consumerKey=key, clients=[second, third]) == EXECUTEE
    assert of(siege.database, key).clients == (second, third)


@pytest.mark.parametrize(
    ("told", "statut"),
    [
        ({"scopes": ["cartes:lire"]}, EXECUTEE),
        ({"scopes": ["cartes:lire", "soldes:lire"]}, EXECUTEE),
        ({"scopes": ["cartes:debiter"]}, SAISIE),
        ({"scopes": ["cartes:lire"], "nom": "Autre"}, SAISIE),
    ],
    ids=["fewer", "as many", "others", "and a name"],
)
def test_what_only_takes_away_needs_nobody_else(
    siege: Siege, client_id: str, told: dict[str, Any], statut: str
) -> None:
    key, _ = new_partner(siege, client_id, scopes=["cartes:lire", "soldes:lire"])
    assert siege.enter("modifierPartenaire", consumerKey=key, **told).statut == statut


def test_clients_are_taken_away_at_once_and_the_last_one_never(
    siege: Siege, ground: World, client_id: str
) -> None:
    key, _ = new_partner(siege, client_id, clients=[client_id, ground.client()])
    entered_ = siege.enter("modifierPartenaire", consumerKey=key, clients=[client_id])
    assert entered_.statut == EXECUTEE
    assert of(siege.database, key).clients == (client_id,)
    assert siege.do("modifierPartenaire", consumerKey=key, clients=[]) == "405"


def test_change_of_what_was_changed_meanwhile_is_refused(siege: Siege, client_id: str) -> None:
    key, _ = new_partner(siege, client_id)
    demande = siege.enter("modifierPartenaire", consumerKey=key, version=1, nom="Autre")
    told = {"consumerKey": key, "adresses": ["192.0.2.0/28"], "mode": OBSERVER}
    assert siege.do("saisirAdressesPartenaire", **told, version=1) == EXECUTEE
    found = of(siege.database, key)
    assert (found.adresses, found.mode_adresses, found.version) == (("192.0.2.0/28",), OBSERVER, 2)
    assert siege.do("saisirAdressesPartenaire", **told, version=1) == "6006"
    assert siege.do("modifierPartenaire", consumerKey=key, version=2, nom="Encore") == "6012"
    with pytest.raises(Exception, match="6006"):
        siege.agree(demande)


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({"adresses": [], "mode": APPLIQUER}, "6015"),
        ({"adresses": ["10.0.0.0/8"], "mode": OBSERVER}, "6015"),
        ({"adresses": ["dakar"], "mode": LIBRE}, "405"),
        ({"adresses": [], "mode": LIBRE}, EXECUTEE),
        ({"adresses": [], "mode": OBSERVER}, EXECUTEE),
    ],
)
def test_list_of_addresses_is_judged(
    siege: Siege, client_id: str, told: dict[str, Any], code: str
) -> None:
    key, _ = new_partner(siege, client_id, adresses=["192.0.2.1"])
    assert siege.do("saisirAdressesPartenaire", consumerKey=key, **told) == code


# ── its life ─────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("de", PASSAGES)
@pytest.mark.parametrize("vers", PASSAGES)
def test_each_passage_of_its_life_and_no_other(
    siege: Siege, client_id: str, de: str, vers: str
) -> None:
    key, code = new_partner(siege, client_id)
    pair = withdrawn(siege, code)
    if de != ACTIF:
        assert siege.do("changerStatutPartenaire", consumerKey=key, statut=de) == EXECUTEE
    before = of(siege.database, key)
    allowed = vers in PASSAGES[de]
    told = siege.do("changerStatutPartenaire", consumerKey=key, statut=vers)
    assert told == (EXECUTEE if allowed else "6009")
    after = before._replace(statut=vers, version=before.version + 1) if allowed else before
    assert of(siege.database, key) == after
    assert opens(siege, pair) == (after.statut != REVOQUE)


def test_only_suspension_is_immediate_and_needs_no_right_to_enter(
    siege: Siege, client_id: str
) -> None:
    key, _ = new_partner(siege, client_id)
    judge = siege.validation
    for statut in (ACTIF, REVOQUE):
        told = siege.do("changerStatutPartenaire", consumerKey=key, statut=statut, by=judge)
        assert told == "2003"
    assert (
        siege.do("changerStatutPartenaire", consumerKey=key, statut=SUSPENDU, by=judge) == EXECUTEE
    )
    assert siege.enter("changerStatutPartenaire", consumerKey=key, statut=ACTIF).statut == SAISIE
    assert of(siege.database, key).statut == SUSPENDU


OF_REVOKED: dict[str, dict[str, Any]] = {
    "modifierPartenaire": {"nom": "Autre"},
    "saisirAdressesPartenaire": {"adresses": [], "mode": LIBRE},
    "renouvelerSecretPartenaire": {},
}


@pytest.mark.parametrize("type_", OF_REVOKED)
def test_revoked_partner_is_changed_no_more(siege: Siege, client_id: str, type_: str) -> None:
    key, _ = new_partner(siege, client_id)
    assert siege.do("changerStatutPartenaire", consumerKey=key, statut=REVOQUE) == EXECUTEE
    before = of(siege.database, key)
    assert siege.do(type_, consumerKey=key, **OF_REVOKED[type_]) == "6009"
    assert of(siege.database, key) == before


@pytest.mark.parametrize(
    "type_", [*OF_REVOKED, "changerStatutPartenaire", "revoquerSecretPartenaire", "revoquerJetonsPartenaire"]
)  # fmt: skip
def test_nobody_is_changed_by_a_key_that_no_partner_has(siege: Siege, type_: str) -> None:
    told = {"statut": SUSPENDU, "secretId": "0" * 26, **OF_REVOKED.get(type_, {})}
    assert siege.do(type_, consumerKey="nobody", **told) == "6007"


# ── secrets and tokens ───────────────────────────────────────────────────────────────────────────
def test_renewal_changes_nothing_until_the_code_is_used(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    first = withdrawn(siege, code)
    demande = siege.enter("renouvelerSecretPartenaire", consumerKey=key, delaiHeures=48)
    assert demande.statut == EXECUTEE
    (secret,) = alive(siege, key)
    assert secret.expire_le is None
    second = withdrawn(siege, demande.resultat["codeRetrait"])  # type: ignore[index]
    new, old = alive(siege, key)
    assert (new.secret_id, new.expire_le) == (second.secret_id, None)
    assert old.secret_id == first.secret_id
    assert old.expire_le is not None
    assert timedelta(hours=47) < old.expire_le - now() <= timedelta(hours=48)
    assert opens(siege, first)
    assert opens(siege, second)
    assert siege.do("renouvelerSecretPartenaire", consumerKey=key) == "2105"


def test_renewal_without_delay_ends_the_secret_before_when_the_code_is_used(
    siege: Siege, client_id: str
) -> None:
    key, code = new_partner(siege, client_id)
    first = withdrawn(siege, code)
    demande = siege.enter("renouvelerSecretPartenaire", consumerKey=key, delaiHeures=0)
    assert opens(siege, first)
    second = withdrawn(siege, demande.resultat["codeRetrait"])  # type: ignore[index]
    assert [opens(siege, one) for one in (first, second)] == [False, True]


def test_second_code_ends_the_first_one(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    again = siege.enter("renouvelerSecretPartenaire", consumerKey=key)
    with pytest.raises(CodeRetraitInvalide):
        withdrawn(siege, code)
    assert opens(siege, withdrawn(siege, again.resultat["codeRetrait"]))  # type: ignore[index]


def test_secret_is_ended_but_not_the_last_one_nor_another_partners(
    siege: Siege, client_id: str
) -> None:
    key, code = new_partner(siege, client_id)
    first = withdrawn(siege, code)
    demande = siege.enter("renouvelerSecretPartenaire", consumerKey=key)
    second = withdrawn(siege, demande.resultat["codeRetrait"])  # type: ignore[index]
    other, _ = new_partner(siege, client_id)
    end = "revoquerSecretPartenaire"
    assert siege.do(end, consumerKey=other, secretId=first.secret_id) == "2104"
    assert siege.do(end, consumerKey=key, secretId=second.secret_id) == EXECUTEE
    assert [opens(siege, one) for one in (first, second)] == [True, False]
    (left,) = alive(siege, key)
    assert left.expire_le is None, "the one that was to end does no more"
    assert siege.do(end, consumerKey=key, secretId=first.secret_id) == "2106"
    assert opens(siege, first)


def test_tokens_are_ended_and_counted(siege: Siege, client_id: str) -> None:
    key, _ = new_partner(siege, client_id)
    with siege.database.transaction() as connection:
        found = find_fiche(connection, key)
        assert found is not None
        for hours in (-1, 1, 2):
            connection.execute(
                insert(jetons).values(
                    empreinte=new_number().to_bytes(32), partenaire_id=found.id, scopes="soldes:lire",
                    emis_le=now(), expire_le=now() + timedelta(hours=hours),
                )
            )  # fmt: skip
    demande = siege.enter("revoquerJetonsPartenaire", consumerKey=key)
    assert demande.resultat == {"consumerKey": key, "jetonsRevoques": 2}
    with siege.database.reading() as connection:
        left = select(func.count()).where(jetons.c.partenaire_id == found.id)
        assert connection.scalar(left) == 0


# ── who sees what ────────────────────────────────────────────────────────────────────────────────
def keys(siege: Siege, agent: Any, **filtre: Any) -> set[str]:
    """The keys of all partners that the agent is shown."""
    found, curseur = set(), None
    wanted = {"statut": None, "type_": None, **filtre}
    with siege.database.reading() as connection:
        while True:
            page = list_partenaires(connection, agent, limite=100, curseur=curseur, **wanted)
            found |= {one.fiche.consumer_key for one in page.lignes}
            curseur = page.curseur_suivant
            if curseur is None:
                return found


def test_agent_of_some_clients_sees_and_changes_partners_of_these_alone(
    siege: Siege, ground: World, client_id: str
) -> None:
    other = ground.client()
    mine, _ = new_partner(siege, client_id)
    both, _ = new_partner(siege, client_id, clients=[client_id, other])
    machine, _ = new_partner(siege, client_id, type=INTERNE, scopes=["base-core:lire"], clients=[])
    agent = siege.agent("SECURITE_SAISIE", [client_id])
    assert keys(siege, agent) & {mine, both, machine} == {mine}
    assert keys(siege, None) >= {mine, both, machine}
    with siege.database.reading() as connection:
        assert find_fiche_partenaire(connection, agent, mine).ligne.fiche.clients == (client_id,)
        for hidden in (both, machine, "nobody"):
            with pytest.raises(ObjetInconnu):
                find_fiche_partenaire(connection, agent, hidden)
    by = {"by": agent}
    assert siege.do("changerStatutPartenaire", consumerKey=mine, statut=SUSPENDU, **by) == EXECUTEE
    for hidden in (both, machine):
        told = siege.do("changerStatutPartenaire", consumerKey=hidden, statut=SUSPENDU, **by)
        assert told == "6007"
    assert (
        siege.do("modifierPartenaire", consumerKey=mine, clients=[client_id, other], **by) == "6007"
    )
    asked = {"nom": "Banque", "type": EXTERNE, "scopes": ["soldes:lire"]}
    assert siege.do("saisirPartenaire", **asked, clients=[other], **by) == "6007"
    of_machine = {"nom": "M", "type": INTERNE, "scopes": ["base-core:lire"], "clients": []}
    assert siege.do("saisirPartenaire", **of_machine, **by) == "6007"


def test_list_is_of_a_statut_or_a_type(siege: Siege, client_id: str) -> None:
    active, _ = new_partner(siege, client_id)
    machine, _ = new_partner(siege, client_id, type=INTERNE, scopes=["base-core:lire"], clients=[])
    assert siege.do("changerStatutPartenaire", consumerKey=machine, statut=SUSPENDU) == EXECUTEE
    mine = {active, machine}
    assert keys(siege, None, statut=SUSPENDU) & mine == {machine}
    assert keys(siege, None, type_=EXTERNE) & mine == {active}
    assert keys(siege, None, statut=ACTIF, type_=INTERNE) & mine == set()


def test_partner_is_shown_with_all_that_is_known_of_it(siege: Siege, client_id: str) -> None:
    key, code = new_partner(siege, client_id)
    withdrawn(siege, code)
    siege.enter("modifierPartenaire", consumerKey=key, nom="Autre")
    with siege.database.transaction() as connection:
        found = find_fiche(connection, key)
        assert found is not None
        last = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC).replace(year=now().year)
        last = min(last, now())
        note_adresses(connection, found.id, {"192.0.2.9": Vues(3, 1, last)})
        shown = find_fiche_partenaire(connection, None, key)
        assert shown == (
            (found, 1, last),
            list_adresses(connection, found.id),
            list_secrets(connection, found.id),
            [],
            1,
        )


# ── addresses that were seen ─────────────────────────────────────────────────────────────────────
@pytest.fixture
def partenaire_id(siege: Siege, client_id: str) -> int:
    """A partner whose calls are counted."""
    key, _ = new_partner(siege, client_id)
    with siege.database.reading() as connection:
        found = find_fiche(connection, key)
    assert found is not None
    return found.id


def test_calls_add_up_by_address_and_day(siege: Siege, partenaire_id: int) -> None:
    moment = now()
    before = moment - timedelta(days=1)
    with siege.database.transaction() as connection:
        note_adresses(connection, partenaire_id, {"192.0.2.1": Vues(2, 0, before)})
        note_adresses(
            connection, partenaire_id,
            {"192.0.2.1": Vues(3, 1, moment), "2001:db8::1": Vues(1, 1, before)},
        )  # fmt: skip
        note_adresses(connection, partenaire_id, {"192.0.2.1": Vues(4, 4, moment)})
        assert list_adresses(connection, partenaire_id) == [
            AdresseVue("192.0.2.1", moment.date(), 7, 5, moment),
            AdresseVue("192.0.2.1", before.date(), 2, 0, before),
            AdresseVue("2001:db8::1", before.date(), 1, 1, before),
        ]


def test_addresses_of_a_day_have_an_end(
    siege: Siege, partenaire_id: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adresse_vue, "MAX_PAR_JOUR", 2)
    moment = now()
    with siege.database.transaction() as connection:
        for last in range(5):
            note_adresses(connection, partenaire_id, {f"192.0.2.{last}": Vues(1, 0, moment)})
        note_adresses(connection, partenaire_id, {"192.0.2.1": Vues(1, 0, moment)})
        found = {one.adresse: one.appels for one in list_adresses(connection, partenaire_id)}
    assert found == {"192.0.2.0": 1, "192.0.2.1": 2, AUTRES: 3}


def test_addresses_are_forgotten_after_their_days(siege: Siege, partenaire_id: int) -> None:
    kept = [0, GARDE_JOURS, GARDE_JOURS + 1]
    with siege.database.transaction() as connection:
        for days in kept:
            moment = now() - timedelta(days=days)
            note_adresses(connection, partenaire_id, {"192.0.2.1": Vues(1, 0, moment)})
        forget_adresses(connection)
        days_left = connection.scalars(
            select(adresses_vues.c.jour)
            .where(adresses_vues.c.partenaire_id == partenaire_id)
            .order_by(adresses_vues.c.jour.desc())
        ).all()
    assert [(today() - one).days for one in days_left] == kept[:2]
