"""The back office's contract: what it says is what its core does, and each operation says who may."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from itertools import product

import pytest

from handlers.contract.model import ContractError
from handlers.contract.reading import build, load
from handlers.contract.surface import BASE_CORE, PARTENAIRE
from handlers.workbench.diff.change import ADDITIVE, BREAKING, SENT
from handlers.workbench.diff.cynod_rules import own_changes
from models.agent import DROITS, ROLES
from models.agent import STATUTS as STATUTS_OF_AGENTS
from models.back_office.registre import TYPES
from models.carte import (
    ACTIVE,
    ANNULEE,
    EMISE,
    MOTIFS_ANNULATION,
    MOTIFS_OPPOSITION,
    OPPOSITION,
)
from models.demande import STATUTS, VIE
from models.etat_carte import VIE as VIE_DE_CARTE
from models.regle_validation import REGLES
from tests.support.contract_client import BASE_CORE_CONTRACT, CONTRACT, Json, base_core

READING = base_core()
BY_ID = READING.by_id
DESCRIPTION: str = READING.document["info"]["description"]
SCHEMAS: Json = READING.document["components"]["schemas"]


def _table(first: str) -> list[list[str]]:
    """The rows of the table whose first column has this head."""
    head = next(line for line in DESCRIPTION.split("\n") if line.startswith(f"| {first} |"))
    rows = DESCRIPTION.partition(head)[2].partition("\n\n")[0].strip().split("\n")[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# ── who may ──────────────────────────────────────────────────────────────────────────────────────


def test_roles_of_the_contract_are_those_of_the_core() -> None:
    assert {role: frozenset(rights) for role, rights in READING.document["x-roles"].items()} == (
        ROLES
    )
    assert set(SCHEMAS["Role"]["enum"]) == ROLES.keys()


def test_roles_are_told_in_words_as_they_are() -> None:
    told: dict[str, frozenset[str]] = {}
    for role, rights in _table("rôle"):
        named = frozenset(re.findall(r"`([a-z]+:[a-z]+)`", rights))
        of_another = re.search(r"ceux de ([A-Z]+)", rights)
        told[role] = named | (told[of_another[1]] if of_another else frozenset())
    assert told == ROLES


def test_every_right_of_an_operation_is_held_by_a_role() -> None:
    asked = {one["x-droit"] for one in BY_ID.values()}
    assert asked - DROITS == {"*:valider", "*:saisir", "aucun"}


def test_write_is_validated_by_the_right_that_its_text_names() -> None:
    told = {
        name: re.findall(r"droit\s+`([a-z]+:valider)`", BY_ID[name]["description"])
        for name in TYPES
    }
    assert told == {name: [one.valider] for name, one in TYPES.items()}


# ── what a demande is ────────────────────────────────────────────────────────────────────────────


def test_life_of_a_demande_is_told_as_the_core_lives_it() -> None:
    lived = [
        [
            one.de or "—",
            one.vers,
            one.par,
            "la ligne du changement" if one.action is None else f"`{one.action}`",
        ]
        for one in VIE
    ]
    assert _table("de") == lived
    assert SCHEMAS["StatutDemande"]["enum"] == list(STATUTS)


def test_life_of_a_card_is_told_as_the_core_lives_it() -> None:
    lived = {(one.de or "—", one.vers, one.par) for one in VIE_DE_CARTE}
    told = {
        passage
        for row in _table("avant")
        for passage in product(*(re.findall(r"\b[A-Z]{5,}\b|—|[a-z]+[A-Z]\w+", one) for one in row))
    }
    assert told == lived
    assert SCHEMAS["StatutCarteDemande"]["enum"] == [EMISE, ACTIVE, OPPOSITION, ANNULEE]
    assert SCHEMAS["MotifOppositionCarte"]["enum"] == list(MOTIFS_OPPOSITION)
    assert SCHEMAS["MotifAnnulation"]["enum"] == list(MOTIFS_ANNULATION)


def test_every_type_of_demande_is_an_operation_and_the_other_way_round() -> None:
    asked = {name for name, one in BY_ID.items() if one.get("x-idempotence")}
    assert asked == TYPES.keys()
    objects = {one.objet_type for one in TYPES.values()}
    assert set(SCHEMAS["ObjetType"]["enum"]) == objects
    for name in ("Demande", "LigneDemande", "DemandeDetaillee"):
        values = SCHEMAS[name]["properties"]["objetType"]["description"]
        assert set(re.findall(r"\b[A-Z]{2,}\b", values)) == objects


def test_statuts_that_may_be_asked_are_those_of_the_core() -> None:
    assert SCHEMAS["StatutAgentDemande"]["enum"] == list(STATUTS_OF_AGENTS)


@pytest.mark.parametrize("regle", REGLES, ids=lambda one: one.type)
def test_rule_of_a_new_database_is_told_by_its_operation(regle: object) -> None:
    assert isinstance(regle, tuple)
    type_, _, validations, minimum, forte, *_ = regle
    operation, _, variant = type_.partition(":")
    text = " ".join(BY_ID[operation]["description"].split())
    told = text.partition("**Validation** : ")[2].partition(" **Effet**")[0]
    assert told, f"{operation}: say **Validation** in its description."
    if variant:
        # Each variant has a part of its own.
        told = next((one for one in re.split(r" ; |, l'effet", told) if variant in one), told)
    words = (
        f"{validations} {'au moins' if minimum == validations else 'par défaut'}"
        if validations
        else "aucune"
    )
    assert words in told
    assert not forte or "forte" in told


def test_demande_on_the_wire_has_what_a_list_of_them_has_and_its_content() -> None:
    whole = list(SCHEMAS["Demande"]["properties"])
    assert list(SCHEMAS["LigneDemande"]["properties"]) == [
        name for name in whole if name != "contenu"
    ]
    assert list(SCHEMAS["DemandeDetaillee"]["properties"]) == [
        *whole,
        *("etatActuel", "peutValider", "raison"),
    ]


@pytest.mark.parametrize("name", [name for name in BY_ID if BY_ID[name].get("x-idempotence")])
def test_body_of_a_write_has_its_own_reference_and_who_it_is_for(name: str) -> None:
    reference = BY_ID[name]["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    schema = SCHEMAS[reference.rpartition("/")[2]]
    assert {"reference", "motif", "pourLeCompteDe"} <= schema["properties"].keys()
    assert "reference" in schema["required"]
    assert ("versionAttendue" in schema["properties"]) == ("6006" in BY_ID[name]["x-codes-erreur"])


# ── which codes an operation lists ───────────────────────────────────────────────────────────────

OF_EVERY_OPERATION = {
    *("405", "1002", "1005", "1008", "2001", "2002", "2003", "2004", "2005", "2007", "5001", "9999")
}
OF_A_BODY = {"1001", "1006", "1007"}
OF_ITS_WORK = {
    "getDemande": {"6001"},
    "validerDemande": {
        *("2008", "2009", "6001", "6002", "6003", "6004", "6005"),
        # The demande is judged again as when it was entered.
        *("2104", "2105", "2106", "3001", "3002", "3003", "3004", "3005", "3006", "3007", "3008"),
        *("3009", "4001", "4003", "4004", "4014", "6006", "6007", "6008", "6009", "6010", "6011"),
        "6013",
    },
    "rejeterDemande": {"2009", "6001", "6002", "6003", "6004"},
    "retirerDemande": {"6001", "6002", "6004"},
    "saisirRegleValidation": {"6006", "6007", "6011", "6012"},
    "saisirAgent": {"6007", "6008"},
    "modifierAgent": {"6003", "6006", "6007", "6012", "6013"},
    "changerStatutAgent": {"6007", "6009", "6012", "6013"},
    "getClient": {"6007"},
    "saisirClient": {"6007", "6008"},
    "modifierClient": {"6006", "6007", "6009", "6012"},
    "changerStatutClient": {"6007", "6009", "6010", "6012"},
    "saisirReseau": {"6008"},
    "affecterReseau": {"6006", "6007", "6009", "6012"},
    "getListeMembres": {"6007"},
    "getMembre": {"6007"},
    "saisirMembre": {"6007", "6008", "6009"},
    "modifierMembre": {"6006", "6007", "6008", "6009", "6012"},
    "changerStatutMembre": {"6007", "6009", "6010", "6012"},
    "saisirProfilCarte": {"6008"},
    "modifierProfilCarte": {"6006", "6007", "6012"},
    "rechercherCartes": {"6007"},
    "getCarte": {"6007"},
    "emettreCartes": {"3005", "3008", "6007", "6009"},
    "activerCarte": {"3001", "3005", "3006", "6007", "6012"},
    "opposerCarte": {"3003", "3006", "6007", "6012"},
    "leverOpposition": {"3006", "3007", "6007", "6012"},
    "annulerCarte": {"3003", "6007", "6012"},
    "renouvelerCarte": {"3002", "3003", "3005", "6007", "6012"},
    "remplacerCarte": {"3003", "3005", "3006", "3008", "3009", "6007", "6009", "6012"},
    "saisirPlafondCarte": {"3003", "6007", "6012"},
    "retirerPlafondCarte": {"6007", "6012"},
    "saisirPlafondPartenaire": {"6007", "6009", "6012"},
    "retirerPlafondPartenaire": {"6007", "6012"},
    "transfererSoldeSpecial": {
        *("3001", "3002", "3003", "3004", "3005", "4001", "4003", "4004", "4014", "6007", "6012")
    },
    "corrigerSoldeOuverture": {"4001", "4003", "6007", "6009", "6012"},
    "getHistoriqueOperations": {"6007"},
    "getPartenaire": {"6007"},
    "saisirPartenaire": {"6007", "6015"},
    "modifierPartenaire": {"6006", "6007", "6009", "6012"},
    "changerStatutPartenaire": {"6007", "6009", "6012"},
    "saisirAdressesPartenaire": {"6006", "6007", "6009", "6012", "6015"},
    "renouvelerSecretPartenaire": {"2105", "6007", "6009", "6012"},
    "revoquerSecretPartenaire": {"2104", "2106", "6007", "6012"},
    "revoquerJetonsPartenaire": {"6007", "6012"},
}


@pytest.mark.parametrize("name", BY_ID)
def test_operation_lists_the_codes_of_what_it_takes_and_does_and_no_other(name: str) -> None:
    one = BY_ID[name]
    taken = OF_EVERY_OPERATION | (OF_A_BODY if "requestBody" in one else set())
    entered = {"4002"} if one.get("x-idempotence") else set()
    assert set(one["x-codes-erreur"]) == taken | entered | OF_ITS_WORK.get(name, set())


# ── what does not start ──────────────────────────────────────────────────────────────────────────

PROFIL, LISTE = "/base-core/get-mon-profil", "/base-core/get-liste-clients"


def _without_right(document: Json) -> None:
    del document["paths"][PROFIL]["get"]["x-droit"]


def _unknown_right(document: Json) -> None:
    document["paths"][LISTE]["get"]["x-droit"] = "clients:tout"


def _open_to_machines_alone(document: Json) -> None:
    document["paths"][LISTE]["get"]["security"] = [{"oauth2": ["base-core:lire"]}]


WRONG: dict[str, tuple[Callable[[Json], None], str]] = {
    "no right": (
        _without_right,
        (
            f"base-core.yaml: paths.{PROFIL}.get has x-droit None; write a right of x-roles, or one of "
            "*:valider, *:saisir, aucun: whoever calls it is let in by that alone."
        ),
    ),
    "an unknown right": (
        _unknown_right,
        f"base-core.yaml: paths.{LISTE}.get has x-droit 'clients:tout'; ",
    ),
    "no person": (
        _open_to_machines_alone,
        f"base-core.yaml: paths.{LISTE}.get: security lacks `agent`: its callers are persons.",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_operation_whose_right_is_not_told_does_not_start(name: str) -> None:
    spoil, told = WRONG[name]
    document = copy.deepcopy(READING.document)
    spoil(document)
    with pytest.raises(ContractError) as refused:
        build(document, b"", surface=BASE_CORE)
    assert str(refused.value).startswith(told), refused.value


def test_right_has_no_place_where_the_callers_are_no_persons() -> None:
    document = copy.deepcopy(load(CONTRACT).document)
    document["paths"]["/get-solde-carte"]["get"]["x-droit"] = "cartes:lire"
    with pytest.raises(ContractError, match="has x-droit, but its callers are no persons"):
        build(document, b"", surface=PARTENAIRE)


def test_partners_contract_knows_nothing_of_it() -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    assert "base-core" not in text
    assert load(BASE_CORE_CONTRACT, surface=BASE_CORE).source != text.encode()


def test_version_that_its_examples_show_is_its_own() -> None:
    """It need not be published anew with each version of the partners' contract."""
    served = load(BASE_CORE_CONTRACT, surface=BASE_CORE)
    shown = served.document["components"]["schemas"]["VersionServie"]["example"]
    assert shown.partition("+")[0] == served.version
    assert load(CONTRACT).version.encode() not in served.source


# ── what a change of rights is to those who have them ────────────────────────────────────────────


def _droit(value: str) -> Callable[[Json], None]:
    def edit(document: Json) -> None:
        document["paths"][LISTE]["get"]["x-droit"] = value

    return edit


def _role(name: str, rights: list[str] | None) -> Callable[[Json], None]:
    def edit(document: Json) -> None:
        if rights is None:
            del document["x-roles"][name]
        else:
            document["x-roles"][name] = rights

    return edit


LECTEUR: list[str] = READING.document["x-roles"]["LECTEUR"]
RIGHTS = {
    "another right": (_droit("cartes:lire"), BREAKING, f"paths.{LISTE}.get.x-droit"),
    "no right any more": (_droit("aucun"), ADDITIVE, f"paths.{LISTE}.get.x-droit"),
    "a right more": (_role("LECTEUR", [*LECTEUR, "agents:lire"]), ADDITIVE, "x-roles.LECTEUR"),
    "a right less": (_role("LECTEUR", LECTEUR[1:]), BREAKING, "x-roles.LECTEUR"),
    "a new role": (_role("VISITEUR", LECTEUR[:1]), ADDITIVE, "x-roles.VISITEUR"),
    "a role gone": (_role("SUPPORT", None), BREAKING, "x-roles.SUPPORT"),
}


@pytest.mark.parametrize("name", RIGHTS)
def test_change_of_rights_is_told_to_whom_it_touches(name: str) -> None:
    edit, impact, where = RIGHTS[name]
    after = copy.deepcopy(READING.document)
    edit(after)
    told = own_changes(READING.document, after)
    assert [(one.impact, one.direction, one.where) for one in told] == [(impact, SENT, where)]
