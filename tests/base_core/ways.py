"""A way to each answer that base-core.yaml declares: for some codes one for all operations, for those of a
business a scene of each."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from sqlalchemy import delete, select

from models.audit import Objet, record
from models.base import SOLDE_MAXIMAL
from models.partenaire import partenaires
from models.regle_validation import regles_validation
from models.reseau import reseaux
from models.secret import list_secrets
from tests.support.acteurs import TESTEUR
from tests.support.office import CHECKER, CONTRACT, MAKER, ROLES, WRITES, Ask, Office, opens
from tests.support.persons import PersonClient
from tests.support.registry import entry_of
from tests.support.world import Carte, Membre, new_number, place

UNKNOWN_ULID = "7ZZZZZZZZZZZZZZZZZZZZZZZZZ"
OTHER_EMPREINTE = "0" * 64
NOBODY = "NOBODY"
NO_TIME = timedelta(seconds=-1)
PAST = date(2020, 1, 31)

Way = Callable[[Office, str], Ask]
SCENES: dict[tuple[str, str], Way] = {}
"""By operation and code."""

OTHERS: list[tuple[str, str, Way]] = []
"""Other scenes of the same codes: operation, code and scene."""

HERE = "tests/base_core/ways.py"


def _but(ask: Ask, **values: Any) -> Ask:
    """The same with some values replaced."""
    return ask._replace(call=ask.call.with_values(**values))


def scene(code: str, *operations: str) -> Callable[[Way], Way]:
    """Say that a function makes the scene in which these operations answer this code."""

    def note(way: Way) -> Way:
        for operation in operations:
            SCENES[operation, code] = way
        return way

    return note


def other(code: str, operation: str) -> Callable[[Way], Way]:
    """Say that a function makes another scene in which an operation answers a code."""

    def note(way: Way) -> Way:
        OTHERS.append((operation, code, way))
        return way

    return note


def way_to(operation: str, code: str) -> Way:
    """The way to a code of an operation, or a failure that says where to write one."""
    __tracebackhide__ = True
    if code in ALIKE:
        return ALIKE[code]
    write = f"a function marked @scene({code!r}, {operation!r})"
    return entry_of(SCENES, (operation, code), write=write, file=HERE)


# ── what is refused before the operation is asked: the same for all ──────────────────────────────
def _with(**options: Any) -> Way:
    """The call as it succeeds, with other options of httpx."""

    def make(office: Office, operation: str) -> Ask:
        return Ask(office.caller(operation), office.standing(operation), options=options)

    return make


def _body(content: bytes, content_type: str = "application/json") -> Way:
    """The call with another body."""

    def make(office: Office, operation: str) -> Ask:
        maximum = CONTRACT[operation].get("x-corps-maximal", 65_536)
        sent = content * (maximum + 1) if content == b" " else content
        call = office.standing(operation)._replace(options={"content": sent})
        headers = {"Content-Type": content_type}
        return Ask(office.caller(operation), call, options={"headers": headers})

    return make


def _by(who: Callable[[Office], PersonClient]) -> Way:
    """The call by somebody else."""
    return lambda office, operation: Ask(who(office), office.standing(operation))


def _surplus(office: Office, operation: str) -> Ask:
    call = office.standing(operation)
    options = {"params": {**call.options.get("params", {}), "surplus": "1"}}
    return Ask(office.caller(operation), call, {"parametre": "surplus"}, options)


def _without_right(office: Office, operation: str) -> Ask:
    """By a person whose role does not have the right; where each has it, by a machine without the scope."""
    call, droit = office.standing(operation), CONTRACT[operation]["x-droit"]
    role = next((one for one in ROLES if not opens(droit, one)), None)
    if role is not None:
        return Ask(office.with_role(role), call)
    return Ask(office.machine_that_enters, call)


ALIKE: dict[str, Way] = {
    "405": _surplus,
    "1001": _body(b"{"),
    "1002": _with(headers={"X-Header": "x" * 40_000}),
    "1005": _with(headers={"Accept": "text/html"}),
    "1006": _body(b" "),
    "1007": _body(b"{}", "text/plain"),
    "2001": _by(lambda office: office.unsigned),
    "2002": _by(lambda office: office.late),
    "2003": _without_right,
    "2004": _by(lambda office: office.machine_elsewhere),
    "2005": _by(lambda office: office.machine_suspended),
    "2007": _by(lambda office: office.stranger),
    "2009": _by(lambda office: office.machine),
}
"""How any operation comes to answer a code, before it is known what it asks."""


# ── who may agree, and how ───────────────────────────────────────────────────────────────────────
JUDGED = ("validerDemande", "rejeterDemande")
ON_A_DEMANDE = (*JUDGED, "retirerDemande")


@scene("2008", "validerDemande")
def strong_rule_asks_who_authenticated_long_ago_to_do_it_again(
    office: Office, operation: str
) -> Ask:
    ask = office.ask(operation)
    asked = office.entered("saisirAgent", {**office.person(), "roles": ["LECTEUR"], "clients": []})
    return ask._replace(client=office.stale, call=ask.call.with_values(**asked))


@scene("6001", "getDemande", *ON_A_DEMANDE)
def demande_that_nobody_entered_is_unknown(office: Office, operation: str) -> Ask:
    return office.ask(operation, demandeId=UNKNOWN_ULID)


@scene("6002", *ON_A_DEMANDE)
def demande_that_was_rejected_is_over(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "REJETEE"})
    rejected = {"demandeId": ask.call.values["demandeId"], "motif": "Non"}
    answer = office.checker.post("/rejeter-demande", json=rejected)
    assert answer.status_code == 200, answer.text
    return ask


@scene("6003", *JUDGED)
def who_entered_a_demande_does_not_judge_it(office: Office, operation: str) -> Ask:
    entered = office.both.enter("/saisir-reseau", reseauId=f"RES-{new_number()}", nom="Réseau")
    named = {"demandeId": entered["demandeId"]}
    if operation == "validerDemande":
        named["empreinte"] = entered["empreinte"]
    ask = office.ask(operation, **named)
    return ask._replace(client=office.both)


@scene("6003", "modifierAgent")
def nobody_changes_his_own_rights(office: Office, operation: str) -> Ask:
    return office.ask(operation, agentId=office.maker.agent_id, clients=None)


@scene("6004", *ON_A_DEMANDE)
def demande_that_waited_too_long_is_expired_before_the_task_says_so(
    office: Office, operation: str
) -> Ask:
    ask, expired = office.ask(operation), office.waiting(duree=NO_TIME)
    named = {name: expired[name] for name in ask.call.values.keys() & expired.keys()}
    return _but(ask, **named)


@scene("6005", "validerDemande")
def who_saw_other_content_does_not_agree(office: Office, operation: str) -> Ask:
    return office.ask(operation, empreinte=OTHER_EMPREINTE)


# ── what was true when it was entered, and is no more ────────────────────────────────────────────
@scene("6006", "validerDemande")
def object_that_changed_since_the_demande_is_seen_again_first(
    office: Office, operation: str
) -> Ask:
    client_id = office.world.client()
    asked = office.entered("modifierClient", {"clientId": client_id, "nom": "Un nom"})
    office.changed("modifierClient", {"clientId": client_id, "nom": "Un autre"})
    return office.ask(operation, **asked)


@scene("6007", "validerDemande")
def reseau_that_is_gone_is_unknown_to_the_client_who_was_to_enter_it(
    office: Office, operation: str
) -> Ask:
    reseau_id = f"RES-{new_number()}"
    office.changed("saisirReseau", {"reseauId": reseau_id, "nom": "Réseau"})
    client_id = f"CLI-{new_number()}"
    asked = office.entered(
        "saisirClient", {"clientId": client_id, "nom": "Client", "reseauId": reseau_id}
    )
    with office.world.database.transaction() as connection:
        connection.execute(delete(reseaux).where(reseaux.c.reseau_id == reseau_id))
        record(connection, TESTEUR, "retirer", Objet("RESEAU", reseau_id), {}, None)
    return office.ask(operation, told={"objet": "Réseau"}, **asked)


@scene("6008", "validerDemande")
def client_that_another_demande_made_meanwhile_exists_already(
    office: Office, operation: str
) -> Ask:
    client_id = f"CLI-{new_number()}"
    asked = office.entered("saisirClient", {"clientId": client_id, "nom": "Client"})
    office.changed("saisirClient", {"clientId": client_id, "nom": "Client"})
    return office.ask(operation, told={"objet": "Client"}, **asked)


@scene("6009", "validerDemande")
def client_that_was_closed_meanwhile_gets_no_membre(office: Office, operation: str) -> Ask:
    client_id = office.world.client()
    number = new_number()
    membre = {"membreId": f"MBR-{number}", "walletId": f"{number:012d}"[-12:]}
    asked = office.entered("saisirMembre", {"clientId": client_id, **membre})
    office.changed("changerStatutClient", {"clientId": client_id, "statut": "CLOS"})
    return office.ask(operation, told={"statut": "CLOS"}, **asked)


@scene("6010", "validerDemande")
def membre_who_was_given_a_card_meanwhile_is_not_closed(office: Office, operation: str) -> Ask:
    membre = office.world.membre(office.client_id)
    named = {"clientId": membre.client_id, "membreId": membre.membre_id}
    asked = office.entered("changerStatutMembre", {**named, "statut": "CLOS"})
    office.world.carte(membre=membre)
    return office.ask(operation, told={"par": "cartes"}, **asked)


@scene("6011", "validerDemande")
def rule_whose_minimum_was_raised_meanwhile_is_not_lowered(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    type_ = office.regle()
    rule = {"type": type_, "validations": 0, "forte": False, "memePersonne": False}
    asked = office.entered("saisirRegleValidation", rule)
    is_it = regles_validation.c.type == type_
    office.alter(regles_validation, Objet("REGLE", type_), is_it, minimum=1)
    return _but(ask, **asked)


# ── money and cards: the same, each code of what is executed ──────────────────────────────────────
def _transfer_to(office: Office, carte: Carte, *, of: int = 5_000, **more: Any) -> dict[str, Any]:
    """A special transfer to a card, which waits for one who agrees: what it is asked of is blocked."""
    source = office.new_carte("OPPOSITION", of)
    return office.entered(
        "transfererSoldeSpecial", {**_of(source), **_to(carte), **more}, motif="Carte perdue"
    )


@scene("3001", "validerDemande")
def card_that_expired_meanwhile_gets_nothing(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    asked = _transfer_to(office, carte)
    office.lives.alter(carte, fin_validite=PAST)
    return office.ask(operation, **asked)


@scene("3002", "validerDemande")
def card_that_was_blocked_meanwhile_gets_nothing(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    asked = _transfer_to(office, carte)
    office.lives.opposed(carte, "PERDUE")
    return office.ask(operation, **asked)


@scene("3003", "validerDemande")
def card_that_was_cancelled_meanwhile_gets_nothing(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    asked = _transfer_to(office, carte)
    office.changed("annulerCarte", {**_of(carte), "motifAnnulation": "DEMANDE_CLIENT"})
    return office.ask(operation, **asked)


@scene("3004", "validerDemande")
def card_that_is_not_active_any_more_gets_nothing(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    asked = _transfer_to(office, carte)
    office.lives.alter(carte, statut="EMISE")
    return office.ask(operation, **asked)


@scene("3005", "validerDemande")
def client_that_was_suspended_meanwhile_gets_no_card(office: Office, operation: str) -> Ask:
    membre = office.world.membre()
    client = {"clientId": membre.client_id}
    porteurs = [{"membreId": membre.membre_id}]
    emission = {**client, "profilId": office.profil_id, "porteurs": porteurs}
    asked = office.entered("emettreCartes", emission)
    office.changed("changerStatutClient", {**client, "statut": "SUSPENDU"})
    return office.ask(operation, **asked)


@scene("3006", "validerDemande")
def card_that_is_active_already_is_not_activated(office: Office, operation: str) -> Ask:
    carte = office.new_carte("EMISE")
    activation = {**_of(carte), "dernierQuatre": carte.numero[-4:]}
    asked = office.entered_as_if("activerCarte", activation)
    office.lives.alter(carte, statut="ACTIVE")
    return office.ask(operation, **asked)._replace(more_info="de=ACTIVE;vers=ACTIVE")


@scene("3007", "validerDemande")
def block_that_was_made_final_meanwhile_is_not_lifted(office: Office, operation: str) -> Ask:
    carte = office.new_carte("OPPOSITION")
    asked = office.entered("leverOpposition", _of(carte))
    office.lives.alter(carte, motif_statut="VOLEE")
    return office.ask(operation, **asked)


@scene("3008", "validerDemande")
def number_that_another_card_was_given_meanwhile_is_taken(office: Office, operation: str) -> Ask:
    emission = {"clientId": office.client_id, "profilId": office.profil_id}
    porteur = {"membreId": office.membre.membre_id, "numeroCarte": f"70{new_number():014d}"}
    asked = office.entered("emettreCartes", {**emission, "porteurs": [porteur]})
    office.changed("emettreCartes", {**emission, "porteurs": [porteur]})
    return office.ask(operation, **asked)


@scene("3009", "validerDemande")
def card_that_was_replaced_meanwhile_is_not_replaced_again(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    replacement = {"motifRemplacement": "DEGRADEE", "profilId": office.profil_id}
    asked = office.entered("remplacerCarte", {**_of(carte), **replacement})
    office.lives.replaced(carte)
    return office.ask(operation, **asked)


@scene("4001", "validerDemande")
def money_that_left_the_card_meanwhile_is_not_transferred(office: Office, operation: str) -> Ask:
    carte = office.new_carte(solde=5_000)
    _paid(office, carte, 1)
    asked = office.entered("corrigerSoldeOuverture", {**_of(carte), "soldeOuverture": 1_000})
    _paid(office, carte, 4_000)
    return office.ask(operation, **asked)


@scene("4003", "validerDemande")
def card_that_was_filled_meanwhile_gets_nothing(office: Office, operation: str) -> Ask:
    carte = office.new_carte(solde=SOLDE_MAXIMAL - 5_000)
    asked = _transfer_to(office, carte)
    _paid(office, carte, -1)
    return office.ask(operation, **asked)


@scene("4004", "validerDemande")
def client_that_left_the_reseau_meanwhile_gets_nothing(office: Office, operation: str) -> Ask:
    carte, other = office.world.carte(), office.world.carte(5_000)
    ids = (carte.membre.client_id, other.membre.client_id)
    with office.world.writing() as connection:
        place(connection, f"RES-{new_number()}", *ids)
    office.lives.opposed(other, "PERDUE")
    transfer = {**_of(other), **_to(carte)}
    asked = office.entered("transfererSoldeSpecial", transfer, motif="Carte perdue")
    office.changed("affecterReseau", {"clientId": ids[0], "reseauId": None})
    return office.ask(operation, **asked)


@scene("4014", "validerDemande")
def card_that_is_in_service_again_is_not_emptied(office: Office, operation: str) -> Ask:
    source = office.new_carte("OPPOSITION", 5_000)
    transfer = {**_of(source), **_to(office.carte)}
    asked = office.entered("transfererSoldeSpecial", transfer, motif="Carte perdue")
    office.lives.alter(source, statut="ACTIVE", motif_statut=None)
    return office.ask(operation, **asked)


@scene("2104", "validerDemande")
def secret_that_nobody_has_is_found_out_by_who_agrees(office: Office, operation: str) -> Ask:
    named = {"consumerKey": office.consumer_key, "secretId": UNKNOWN_ULID}
    return office.ask(operation, **office.entered_as_if("revoquerSecretPartenaire", named))


@scene("2105", "validerDemande")
def partner_who_has_two_secrets_meanwhile_gets_no_third(office: Office, operation: str) -> Ask:
    consumer_key = office.partner()
    asked = office.entered_as_if("renouvelerSecretPartenaire", {"consumerKey": consumer_key})
    office.second_secret(consumer_key)
    return office.ask(operation, **asked)


@scene("2106", "validerDemande")
def secret_that_is_the_last_one_meanwhile_stays(office: Office, operation: str) -> Ask:
    consumer_key = office.partner()
    first = {"consumerKey": consumer_key, "secretId": _secrets_of(office, consumer_key)[0]}
    second = {"consumerKey": consumer_key, "secretId": office.second_secret(consumer_key)}
    asked = office.entered_as_if("revoquerSecretPartenaire", second)
    office.changed("revoquerSecretPartenaire", first)
    return office.ask(operation, **asked)


# ── what is entered ──────────────────────────────────────────────────────────────────────────────
@scene("4002", *WRITES)
def reference_of_another_demande_is_taken(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    first = ask.send()
    assert first.status_code == 200, first.text
    return _but(ask, motif="Un autre motif")


@scene(
    "6006", "saisirRegleValidation", "modifierAgent", "modifierClient", "affecterReseau",
    "modifierMembre", "modifierProfilCarte", "modifierPartenaire", "saisirAdressesPartenaire",
)  # fmt: skip
def object_of_another_version_is_seen_again_first(office: Office, operation: str) -> Ask:
    return office.ask(operation, versionAttendue=99)


MISSING: dict[str, tuple[str, dict[str, Any]]] = {
    "saisirRegleValidation": ("Règle", {"type": "nothing"}),
    "saisirAgent": ("Client", {"clients": [NOBODY]}),
    "modifierAgent": ("Agent", {"agentId": NOBODY}),
    "changerStatutAgent": ("Agent", {"agentId": NOBODY}),
    "getClient": ("Client", {"clientId": NOBODY}),
    "saisirClient": ("Réseau", {"reseauId": NOBODY}),
    "modifierClient": ("Client", {"clientId": NOBODY}),
    "changerStatutClient": ("Client", {"clientId": NOBODY}),
    "affecterReseau": ("Réseau", {"reseauId": NOBODY}),
    "getListeMembres": ("Client", {"clientId": NOBODY}),
    "getMembre": ("Membre", {"membreId": NOBODY}),
    "saisirMembre": ("Client", {"clientId": NOBODY}),
    "modifierMembre": ("Membre", {"membreId": NOBODY}),
    "changerStatutMembre": ("Membre", {"membreId": NOBODY}),
    "modifierProfilCarte": ("Profil", {"profilId": NOBODY}),
    "rechercherCartes": ("Client", {"clientId": NOBODY}),
    "emettreCartes": ("Profil", {"profilId": NOBODY}),
    "remplacerCarte": ("Profil", {"profilId": NOBODY}),
    "retirerPlafondCarte": ("Plafond", {"type": "CREDIT"}),
    "retirerPlafondPartenaire": ("Plafond", {"type": "CREDIT"}),
    "transfererSoldeSpecial": ("Carte", {"carteIdDestination": UNKNOWN_ULID}),
    "getHistoriqueOperations": ("Client", {"clientId": NOBODY}),
    "saisirPartenaire": ("Client", {"clients": [NOBODY]}),
    "modifierPartenaire": ("Client", {"clients": [NOBODY]}),
    **dict.fromkeys(
        (
            *("getCarte", "activerCarte", "opposerCarte", "leverOpposition", "annulerCarte"),
            *("renouvelerCarte", "saisirPlafondCarte", "corrigerSoldeOuverture"),
        ),
        ("Carte", {"carteId": UNKNOWN_ULID}),
    ),
    **dict.fromkeys(
        (
            *("getPartenaire", "saisirPlafondPartenaire", "changerStatutPartenaire"),
            *("saisirAdressesPartenaire", "renouvelerSecretPartenaire"),
            *("revoquerSecretPartenaire", "revoquerJetonsPartenaire"),
        ),
        ("Partenaire", {"consumerKey": NOBODY}),
    ),
}
"""What each operation calls the object that is not there, and what names one that is not."""


@scene("6007", *MISSING)
def object_that_is_not_there_is_unknown(office: Office, operation: str) -> Ask:
    objet, values = MISSING[operation]
    return office.ask(operation, told={"objet": objet}, **values)


@scene("6008", "saisirAgent")
def agent_who_is_there_exists_already(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Agent"}, agentId=office.checker.agent_id)


@scene("6008", "saisirClient")
def client_that_is_there_exists_already(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"}, clientId=office.client_id)


@scene("6008", "saisirReseau")
def reseau_that_is_there_exists_already(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Réseau"}, reseauId=office.reseau_id)


@scene("6008", "saisirMembre", "modifierMembre")
def wallet_of_another_membre_of_the_client_is_taken(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Membre"}, walletId=office.membre.wallet_id)


@scene("6008", "saisirProfilCarte")
def profile_that_is_there_exists_already(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Profil"}, profilId=office.profil_id)


@scene("6009", "modifierClient", "affecterReseau", "saisirMembre")
def client_that_is_closed_stays_as_it_is(office: Office, operation: str) -> Ask:
    client_id = office.world.client()
    office.changed("changerStatutClient", {"clientId": client_id, "statut": "CLOS"})
    ask = office.ask(operation, told={"statut": "CLOS"}, clientId=client_id)
    return _but(ask, versionAttendue=2) if "versionAttendue" in ask.call.values else ask


@scene("6009", "changerStatutClient", "changerStatutAgent")
def who_is_active_is_not_made_active(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"statut": "ACTIF"}, statut="ACTIF")


@scene("6009", "modifierMembre", "changerStatutMembre")
def membre_who_is_closed_stays_so(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "CLOS"})
    named = {name: ask.call.values[name] for name in ("clientId", "membreId")}
    office.changed("changerStatutMembre", {**named, "statut": "CLOS"})
    return _but(ask, versionAttendue=2) if "versionAttendue" in ask.call.values else ask


@scene("6010", "changerStatutClient")
def client_with_a_card_is_not_closed(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"par": "cartes"})
    office.world.carte(membre=office.world.membre(ask.call.values["clientId"]))
    return ask


@scene("6010", "changerStatutMembre")
def membre_whose_cancelled_card_holds_money_is_not_closed(office: Office, operation: str) -> Ask:
    membre = office.world.membre(office.client_id)
    office.world.carte(5, membre=membre, statut="ANNULEE", fin_validite=date(2099, 1, 1))
    named = {"clientId": membre.client_id, "membreId": membre.membre_id}
    return office.ask(operation, told={"par": "solde"}, **named)


@scene("6011", "saisirRegleValidation")
def rule_is_not_lowered_below_its_minimum(office: Office, operation: str) -> Ask:
    return office.ask(operation, type="affecterReseau", validations=0)


@scene(
    "6012", "saisirRegleValidation", "modifierAgent", "changerStatutAgent", "modifierClient",
    "changerStatutClient", "affecterReseau", "modifierMembre", "changerStatutMembre",
    "modifierProfilCarte", "leverOpposition", "annulerCarte", "renouvelerCarte", "remplacerCarte",
    "saisirPlafondCarte", "retirerPlafondCarte", "saisirPlafondPartenaire",
    "retirerPlafondPartenaire", "transfererSoldeSpecial", "corrigerSoldeOuverture",
    "modifierPartenaire", "changerStatutPartenaire", "saisirAdressesPartenaire",
)  # fmt: skip
def second_demande_about_an_object_waits_for_the_end_of_the_first(
    office: Office, operation: str
) -> Ask:
    ask = office.ask(operation)
    values = ask.call.values
    if operation in ("changerStatutAgent", "changerStatutPartenaire"):
        # To suspend somebody waits for nobody; to have him back does.
        key = "agentId" if operation == "changerStatutAgent" else "consumerKey"
        office.changed(operation, {key: values[key], "statut": "SUSPENDU"})
        ask = _but(ask, statut="ACTIF")
    if operation in ("saisirPlafondCarte", "saisirPlafondPartenaire"):
        # Nor does a lower limit; a higher one does.
        key = "carteId" if operation == "saisirPlafondCarte" else "consumerKey"
        office.limited(operation, {key: values[key]})
        ask = _but(ask, montantMaximal=200_000, nombreMaximal=None)
    first = ask.send()
    assert first.json()["data"][0]["statut"] == "SAISIE", first.text
    return _but(ask, reference=f"REF-{new_number()}")


@scene(
    "6012", "activerCarte", "opposerCarte", "renouvelerSecretPartenaire",
    "revoquerSecretPartenaire", "revoquerJetonsPartenaire",
)  # fmt: skip
def second_demande_waits_where_a_rule_has_the_first_one_wait(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    lower = office.asked_of_two(operation)
    first = ask.send()
    assert first.json()["data"][0]["statut"] == "SAISIE", first.text
    return _but(ask, reference=f"REF-{new_number()}")._replace(after=lower)


# ── cards: what their states forbid ──────────────────────────────────────────────────────────────
def _of(carte: Carte) -> dict[str, Any]:
    return {"carteId": carte.carte_id}


def _suspended(office: Office) -> Membre:
    """A membre of a client that is suspended."""
    membre = office.world.membre()
    office.changed("changerStatutClient", {"clientId": membre.client_id, "statut": "SUSPENDU"})
    return membre


@scene("3001", "activerCarte")
def card_that_expired_before_it_was_activated_is_not(office: Office, operation: str) -> Ask:
    carte = office.new_carte("EMISE")
    office.lives.alter(carte, fin_validite=PAST)
    return office.ask(operation, **_of(carte), dernierQuatre=carte.numero[-4:])


@scene("3002", "renouvelerCarte")
def card_that_is_blocked_is_not_renewed(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_of(office.new_carte("OPPOSITION")))


@scene(
    "3003", "opposerCarte", "annulerCarte", "renouvelerCarte", "remplacerCarte",
    "saisirPlafondCarte",
)  # fmt: skip
def card_that_is_cancelled_stays_so(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_of(office.new_carte("ANNULEE")))


@scene("3005", "renouvelerCarte", "remplacerCarte")
def card_of_a_client_that_is_suspended_is_not_made_good(office: Office, operation: str) -> Ask:
    membre = office.world.membre()
    carte = office.lives.carte(membre=membre, fin_validite=date(2030, 1, 1))
    office.changed("changerStatutClient", {"clientId": membre.client_id, "statut": "SUSPENDU"})
    return office.ask(operation, **_of(carte))


@scene("3005", "activerCarte")
def card_of_a_client_that_is_suspended_is_not_activated(office: Office, operation: str) -> Ask:
    membre = office.world.membre()
    carte = office.lives.carte("EMISE", membre=membre)
    office.changed("changerStatutClient", {"clientId": membre.client_id, "statut": "SUSPENDU"})
    return office.ask(operation, **_of(carte), dernierQuatre=carte.numero[-4:])


@scene("3005", "emettreCartes")
def client_that_is_suspended_gets_no_card(office: Office, operation: str) -> Ask:
    membre = _suspended(office)
    porteurs = [{"membreId": membre.membre_id}]
    return office.ask(operation, clientId=membre.client_id, porteurs=porteurs)


@scene("3006", "activerCarte")
def card_that_is_active_is_not_activated(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    ask = office.ask(operation, **_of(carte), dernierQuatre=carte.numero[-4:])
    return ask._replace(more_info="de=ACTIVE;vers=ACTIVE")


@scene("3006", "opposerCarte")
def block_is_not_made_milder(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, **_of(office.new_carte("OPPOSITION", motif="VOLEE")))
    return ask._replace(more_info="de=OPPOSITION;vers=OPPOSITION")


@scene("3006", "leverOpposition")
def card_that_is_not_blocked_is_not_freed(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, **_of(office.new_carte()))
    return ask._replace(more_info="de=ACTIVE;vers=ACTIVE")


@scene("3006", "remplacerCarte")
def card_that_nobody_had_yet_is_not_replaced(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, **_of(office.new_carte("EMISE")))
    return ask._replace(more_info="de=EMISE;vers=ANNULEE")


@scene("3007", "leverOpposition")
def block_of_a_stolen_card_is_not_lifted(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_of(office.new_carte("OPPOSITION", motif="VOLEE")))


@scene("3008", "remplacerCarte")
def number_of_another_card_is_not_given_again(office: Office, operation: str) -> Ask:
    return office.ask(operation, numeroCarte=office.carte.numero)


@scene("3008", "emettreCartes")
def number_of_another_card_is_not_given_to_a_new_one(office: Office, operation: str) -> Ask:
    porteur = {"membreId": office.membre.membre_id, "numeroCarte": office.carte.numero}
    return office.ask(operation, porteurs=[porteur])


@scene("3009", "remplacerCarte")
def card_is_replaced_by_one_at_a_time(office: Office, operation: str) -> Ask:
    carte = office.new_carte()
    office.lives.replaced(carte)
    return office.ask(operation, **_of(carte))


@scene("6009", "emettreCartes", "remplacerCarte")
def profile_that_is_retired_issues_no_card(office: Office, operation: str) -> Ask:
    profil_id = office.lives.profil()
    office.changed("modifierProfilCarte", {"profilId": profil_id, "statut": "RETIRE"})
    return office.ask(operation, told={"statut": "RETIRE"}, profilId=profil_id)


# ── money ────────────────────────────────────────────────────────────────────────────────────────
def _paid(office: Office, carte: Carte, montant: int) -> None:
    """Debit a card as a partner does, or credit it with what is below zero."""
    path = "/debit-carte" if montant > 0 else "/credit-carte"
    corps = carte.mouvement(abs(montant), f"REF-{new_number()}")
    answer = office.till.post(path, json=corps)
    assert answer.status_code == 200, answer.text


def _to(carte: Carte) -> dict[str, Any]:
    return {"carteIdDestination": carte.carte_id}


@scene("3001", "transfererSoldeSpecial")
def expired_card_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.new_carte(fin_validite=PAST)))


@scene("3002", "transfererSoldeSpecial")
def blocked_card_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.new_carte("OPPOSITION")))


@scene("3003", "transfererSoldeSpecial")
def cancelled_card_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.new_carte("ANNULEE")))


@scene("3004", "transfererSoldeSpecial")
def card_that_is_not_activated_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.new_carte("EMISE")))


@scene("3005", "transfererSoldeSpecial")
def card_of_a_suspended_client_gets_nothing(office: Office, operation: str) -> Ask:
    membre = office.world.membre()
    carte = office.world.carte(membre=membre)
    with office.world.writing() as connection:
        place(connection, f"RES-{new_number()}", membre.client_id)
    office.changed("changerStatutClient", {"clientId": membre.client_id, "statut": "SUSPENDU"})
    return office.ask(operation, **_to(carte))


@scene("4001", "transfererSoldeSpecial")
def more_than_the_card_holds_is_not_transferred(office: Office, operation: str) -> Ask:
    return office.ask(operation, montant=5_001)


@scene("4003", "transfererSoldeSpecial")
def card_that_is_full_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.new_carte(solde=SOLDE_MAXIMAL)))


@scene("4004", "transfererSoldeSpecial")
def card_of_another_reseau_gets_nothing(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_to(office.world.carte()))


@scene("4014", "transfererSoldeSpecial")
def card_in_service_is_paid_with_not_emptied(office: Office, operation: str) -> Ask:
    return office.ask(operation, **_of(office.new_carte(solde=5_000)))


@scene("4001", "corrigerSoldeOuverture")
def opening_is_not_lowered_by_what_was_spent(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    carte = office.new_carte(solde=5_000)
    _paid(office, carte, 4_500)
    return _but(ask, **_of(carte), soldeOuverture=4_000)


@scene("4003", "corrigerSoldeOuverture")
def opening_is_not_raised_above_what_a_card_may_hold(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    carte = office.new_carte(solde=5_000)
    _paid(office, carte, -1_000)
    return _but(ask, **_of(carte), soldeOuverture=SOLDE_MAXIMAL)


@scene("6009", "corrigerSoldeOuverture")
def card_that_began_with_nothing_has_no_opening(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"statut": "ACTIVE"}, **_of(office.new_carte()))


# ── partners ─────────────────────────────────────────────────────────────────────────────────────
def _revoked(office: Office) -> str:
    consumer_key = office.partner()
    office.changed("changerStatutPartenaire", {"consumerKey": consumer_key, "statut": "REVOQUE"})
    return consumer_key


@scene(
    "6009", "saisirPlafondPartenaire", "modifierPartenaire", "changerStatutPartenaire",
    "saisirAdressesPartenaire", "renouvelerSecretPartenaire",
)  # fmt: skip
def partner_that_is_revoked_stays_as_it_is(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "REVOQUE"}, consumerKey=_revoked(office))
    return _but(ask, versionAttendue=2) if "versionAttendue" in ask.call.values else ask


@scene("6015", "saisirPartenaire", "saisirAdressesPartenaire")
def network_as_wide_as_a_country_is_no_address(office: Office, operation: str) -> Ask:
    return office.ask(operation, adresses=["192.0.0.0/15"])


@scene("2104", "revoquerSecretPartenaire")
def secret_that_nobody_has_is_not_revoked(office: Office, operation: str) -> Ask:
    return office.ask(operation, secretId=UNKNOWN_ULID)


@scene("2105", "renouvelerSecretPartenaire")
def partner_with_two_secrets_gets_no_third(office: Office, operation: str) -> Ask:
    return office.ask(operation, consumerKey=office.partner(secrets_alive=2))


@scene("2106", "revoquerSecretPartenaire")
def last_secret_of_a_partner_stays(office: Office, operation: str) -> Ask:
    consumer_key = office.partner()
    (only,) = _secrets_of(office, consumer_key)
    return office.ask(operation, consumerKey=consumer_key, secretId=only)


def _secrets_of(office: Office, consumer_key: str) -> list[str]:
    is_it = partenaires.c.consumer_key == consumer_key
    with office.world.database.reading() as connection:
        partenaire_id = connection.scalars(select(partenaires.c.id).where(is_it)).one()
        return [one.secret_id for one in list_secrets(connection, partenaire_id)]


# ── other scenes of the same codes ───────────────────────────────────────────────────────────────
def _restricted(office: Office) -> PersonClient:
    """Somebody who may do everything, with another client than the one that stands."""
    return office.bureau.agent(*MAKER, *CHECKER, clients=[office.other_client_id])


@other("6007", "getClient")
def client_that_the_agent_does_not_see_is_unknown(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"})._replace(client=_restricted(office))


@other("6007", "getListeMembres")
def membres_of_a_client_that_the_agent_does_not_see_are_unknown(
    office: Office, operation: str
) -> Ask:
    return office.ask(operation, told={"objet": "Client"})._replace(client=_restricted(office))


@other("6007", "getMembre")
def membre_of_a_client_that_the_agent_does_not_see_is_unknown(
    office: Office, operation: str
) -> Ask:
    return office.ask(operation, told={"objet": "Membre"})._replace(client=_restricted(office))


@other("6007", "modifierClient")
def client_that_the_agent_does_not_see_is_not_changed(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"})._replace(client=_restricted(office))


@other("6007", "saisirMembre")
def client_that_the_agent_does_not_see_gets_no_membre(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"})._replace(client=_restricted(office))


@other("6007", "saisirClient")
def agent_of_some_clients_enters_no_other_one(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"})._replace(client=_restricted(office))


@other("6007", "affecterReseau")
def client_that_is_not_there_goes_into_no_reseau(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Client"}, clientId=NOBODY)


@other("6001", "validerDemande")
def demande_of_a_client_that_the_agent_does_not_see_is_unknown(
    office: Office, operation: str
) -> Ask:
    return office.ask(operation)._replace(client=_restricted(office))


@other("6001", "getDemande")
def reference_that_nobody_gave_is_of_no_demande(office: Office, operation: str) -> Ask:
    return office.ask(operation, demandeId=None, reference=f"REF-{new_number()}")


@other("6002", "validerDemande")
def demande_that_was_executed_is_not_agreed_to_again(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "EXECUTEE"})
    assert ask.send().status_code == 200
    return ask


@other("6002", "rejeterDemande")
def demande_that_was_withdrawn_is_not_rejected(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "RETIREE"})
    withdrawn = {"demandeId": ask.call.values["demandeId"]}
    assert office.maker.post("/retirer-demande", json=withdrawn).status_code == 200
    return ask


@other("2003", "retirerDemande")
def demande_is_withdrawn_by_nobody_but_who_entered_it(office: Office, operation: str) -> Ask:
    return office.ask(operation)._replace(client=office.both)


@other("2003", "rejeterDemande")
def right_to_reject_others_is_not_that_to_reject_this(office: Office, operation: str) -> Ask:
    return office.ask(operation)._replace(client=office.with_role("SECURITE_VALIDATION"))


@other("2003", "validerDemande")
def right_to_agree_to_others_is_not_that_to_agree_to_this(office: Office, operation: str) -> Ask:
    return office.ask(operation)._replace(client=office.with_role("SECURITE_VALIDATION"))


@other("2007", "getMonProfil")
def agent_who_was_suspended_is_unknown_from_then_on(office: Office, operation: str) -> Ask:
    suspended = office.bureau.agent("LECTEUR")
    named = {"agentId": suspended.agent_id, "statut": "SUSPENDU"}
    office.changed("changerStatutAgent", named)
    return office.ask(operation)._replace(client=suspended)


@other("6003", "validerDemande")
def nobody_agrees_twice_where_two_are_asked_for(office: Office, operation: str) -> Ask:
    regle = {"type": "saisirReseau", "forte": False}
    # Not even where one person may do both.
    two = {**regle, "validations": 2, "memePersonne": True}
    office.changed("saisirRegleValidation", two)
    asked = office.entered("saisirReseau", {"reseauId": f"RES-{new_number()}", "nom": "Réseau"})
    one = {**regle, "validations": 1, "memePersonne": False}
    office.changed("saisirRegleValidation", one)
    ask = office.ask(operation, **asked)
    first = ask.send()
    assert first.json()["data"][0]["validationsManquantes"] == 1, first.text
    return ask


@other("6003", "validerDemande")
def nobody_agrees_to_a_change_of_his_own_rights(office: Office, operation: str) -> Ask:
    change = {"agentId": office.checker.agent_id, "roles": list(CHECKER)}
    return office.ask(operation, **office.entered("modifierAgent", change))


@other("6008", "saisirAgent")
def subject_of_another_agent_is_taken(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Agent"}, sujet=office.checker.agent_id)


@other("6008", "saisirMembre")
def membre_id_of_another_membre_of_the_client_is_taken(office: Office, operation: str) -> Ask:
    return office.ask(operation, told={"objet": "Membre"}, membreId=office.membre.membre_id)


@other("6009", "changerStatutClient")
def client_that_is_closed_is_not_opened_again(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"statut": "CLOS"}, statut="ACTIF")
    named = {"clientId": ask.call.values["clientId"]}
    office.changed("changerStatutClient", {**named, "statut": "CLOS"})
    return ask


@other("6010", "changerStatutClient")
def client_whose_cancelled_card_holds_money_is_not_closed(office: Office, operation: str) -> Ask:
    ask = office.ask(operation, told={"par": "solde"})
    membre = office.world.membre(ask.call.values["clientId"])
    office.world.carte(5, membre=membre, statut="ANNULEE")
    return ask


@other("6011", "saisirRegleValidation")
def rule_that_others_must_agree_to_is_not_given_to_one_person(
    office: Office, operation: str
) -> Ask:
    return office.ask(operation, type="affecterReseau", memePersonne=True)


@other("6011", "saisirRegleValidation")
def rule_that_is_strong_stays_so(office: Office, operation: str) -> Ask:
    return office.ask(operation, type="saisirAgent", forte=False)


@other("4002", "saisirClient")
def reference_of_somebody_else_is_taken(office: Office, operation: str) -> Ask:
    ask = office.ask(operation)
    assert ask.send().status_code == 200
    return ask._replace(client=office.both)
