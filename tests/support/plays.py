"""Everything that the program does, played once: each command that writes, each operation, each demande."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from handlers.cli.root import cli
from models.agent import note_activite
from models.audit import Objet, record
from models.back_office.moteur import Saisie, expirer, saisir
from models.back_office.registre import TYPES
from models.base import now
from models.books.demo import CONSUMER_KEY
from models.books.rows import COLUMNS
from models.database.engine import Database
from models.demande import EXECUTEE, EXPIREE, SAISIE, find_demande
from models.retrait import withdraw
from tests.support.acteurs import TESTEUR
from tests.support.scene import ALL, ROTATION, Scene
from tests.support.siege import Siege, personne
from tests.support.world import PEPPER, Membre, World, new_number

CARD = "7019800100009569"


def _run(*arguments: str) -> str:
    """Run a command that succeeds; what it prints."""
    result = CliRunner().invoke(cli, list(arguments), prog_name="cynod")
    assert result.exit_code == 0, result.output
    return result.stdout


def play_commands(folder: Path) -> str:
    """Each command that writes, on the database of the settings, which holds nothing yet; what it shows of
    the partner that it creates."""
    _run("seed", "--demo")
    row = "CLI-9,Société,M9,Ndiaye,Fatou,,221779999999,,,7019800900000009,18/07/2029,ACTIVE,500"
    file = folder / "cards.csv"
    file.write_text("\n".join([",".join(COLUMNS), row, ""]), encoding="utf-8")
    _run("import", str(file))
    whose = ("--client", "CLI-9", "--scope", "soldes:lire", "--json")
    shown = _run("partenaire", "create", "--nom", "X", *whose)
    key = json.loads(shown)["consumerKey"]
    shown += _run("partenaire", "rotate", key)
    for subject in (("--partenaire", CONSUMER_KEY), ("--carte", CARD)):
        limit = (*subject, "--type", "DEBIT", "--periode", "MOIS")
        _run("plafond", "set", *limit, "--montant", "5000")
        _run("plafond", "remove", *limit)
    for words in (
        ("opposer", "7019800900000009", "--motif", "PERDUE"),
        ("lever", "7019800900000009", "--motif", "Retrouvée"),
        ("renouveler", "7019800900000009", "--mois", "60"),
        ("annuler", "7019800900000009", "--motif", "AUTRE", "--yes"),
        ("renouveler", "--client", "CLI-0001"),
    ):
        _run("carte", *words)
    _run("partenaire", "basic", key, "--autoriser")
    _run("partenaire", "scopes", key, "--scope", "cartes:lire")
    _run("partenaire", "modify", key, "--nom", "Y", "--contact-email", "it@exemple.sn")
    _run("partenaire", "adresses", key, "--mode", "OBSERVER", "--adresse", "192.0.2.0/24")
    _run("partenaire", "suspend", key, "--motif", "essai")
    _run("partenaire", "resume", key, "--motif", "essai")
    _run("demande", "expirer")
    _run("journal", "seal")
    _run("partenaire", "jetons", key, "--revoquer", "--yes")
    _run("partenaire", "revoke", key, "--yes")
    return shown


def play_operations(scene: Scene, *, prepared: Callable[[], object] = lambda: None) -> None:
    """Each operation once as it succeeds, under a limit of the partner, and a movement reversed.

    `prepared` is called once the cards and partners are there that the operations are about.
    """
    calls = {name: scene.call(name) for name in ALL if name not in ROTATION}
    callers = {name: scene.caller(name) for name in ALL}
    prepared()
    for type_ in ("CREDIT", "DEBIT"):
        whose = ("--partenaire", scene.pair.consumer_key)
        _run("plafond", "set", *whose, "--type", type_, "--periode", "MOIS", "--nombre", "9")
    for name in ALL:
        call = calls[name] if name in calls else scene.call(name)
        answer = call.send(callers[name])
        assert answer.status_code == 200, answer.text
    scene.api.post("/debit-carte", json=scene.carte.mouvement(1, "D"))
    undone = {"referenceOrigine": "D", "reference": "D2"}
    assert scene.api.post("/annuler-operation", json=undone).status_code == 200


def _play_partenaire(siege: Siege, client_id: str) -> set[str]:
    """A partner's life, whose codes are used: the types of what was asked."""
    asked: set[str] = set()

    def ask(type_: str, **contenu: Any) -> Any:
        asked.add(type_)
        demande = siege.enter(type_, **contenu)
        executed = siege.agree(demande) if demande.statut == SAISIE else demande
        assert executed.statut == EXECUTEE, type_
        return executed.resultat

    def withdrawn(resultat: Any) -> str:
        with siege.database.transaction() as connection:
            return withdraw(connection, resultat["codeRetrait"], pepper=PEPPER).secret_id

    named = {"type": "EXTERNE", "scopes": ["cartes:lire", "soldes:lire"], "clients": [client_id]}
    made = ask("saisirPartenaire", nom="Banque", **named)
    key = {"consumerKey": made["consumerKey"]}
    first = withdrawn(made)
    ask("modifierPartenaire", **key, nom="Autre", contactTechnique={"telephone": "338000000"})
    ask("modifierPartenaire", **key, scopes=["soldes:lire"])
    ask("saisirAdressesPartenaire", **key, adresses=["192.0.2.0/24"], mode="APPLIQUER")
    withdrawn(ask("renouvelerSecretPartenaire", **key, delaiHeures=1))
    ask("revoquerSecretPartenaire", **key, secretId=first)
    ask("revoquerJetonsPartenaire", **key)
    limit = {**key, "type": "DEBIT", "periode": "JOUR"}
    ask("saisirPlafondPartenaire", **limit, nombreMaximal=5)
    ask("retirerPlafondPartenaire", **limit)
    for statut in ("SUSPENDU", "ACTIF", "REVOQUE"):
        ask("changerStatutPartenaire", **key, statut=statut)
    return asked


def _play_carte(siege: Siege) -> set[str]:
    """A card's life, and that of the one that takes its place: the types of what was asked."""
    asked: set[str] = set()

    def ask(type_: str, **contenu: Any) -> Any:
        asked.add(type_)
        demande = siege.enter(type_, **contenu)
        executed = siege.agree(demande) if demande.statut == SAISIE else demande
        assert executed.statut == EXECUTEE, type_
        return executed.resultat

    client = {"clientId": f"CLI-{new_number()}"}
    membre = {"membreId": "MBR-1"}
    assert siege.do("saisirClient", **client, nom="Client") == EXECUTEE
    assert siege.do("saisirMembre", **client, **membre, walletId="221770000003") == EXECUTEE
    profil = {"profilId": f"PRF-{new_number()}"}
    limit = {"type": "DEBIT", "periode": "JOUR", "montantMaximal": 5}
    ask(
        "saisirProfilCarte", **profil, nom="Carte", unite="FCFA", validiteMois=12,
        prefixe=f"{new_number() % 10**8:08d}", plafonds=[limit], horsLigneAutorise=False,
    )  # fmt: skip
    ask("modifierProfilCarte", **profil, nom="Carte flotte")
    (first, _) = ask("emettreCartes", **client, **profil, porteurs=[membre] * 2)["cartes"]
    carte = {"carteId": first["carteId"]}
    ask("activerCarte", **carte, dernierQuatre=first["numeroCarte"][-4:])
    ask("renouvelerCarte", **carte, validiteMois=24)
    for motif in ("BLOCAGE_TEMPORAIRE", "PERDUE"):
        ask("opposerCarte", **carte, motifOpposition=motif)
        ask("leverOpposition", **carte)
    second = ask("remplacerCarte", **carte, motifRemplacement="VOLEE")
    ask("activerCarte", carteId=second["carteId"], dernierQuatre=second["numeroCarte"][-4:])
    _play_fonds(siege, ask, {**client, **membre}, second["carteId"])
    ask("annulerCarte", carteId=second["carteId"], motifAnnulation="DEMANDE_CLIENT")
    return asked


def _play_fonds(
    siege: Siege, ask: Callable[..., Any], membre: dict[str, str], destination: str
) -> None:
    """Limits of a card, and money that demandes move from one that was opened with some."""
    limit = {"carteId": destination, "type": "CREDIT", "periode": "MOIS"}
    ask("saisirPlafondCarte", **limit, montantMaximal=5)
    ask("retirerPlafondCarte", **limit)
    world = World(siege.database, "")
    holder = Membre(membre["clientId"], membre["membreId"], "221770000003")
    with world.writing() as connection:
        opened = world.carte(1_000, membre=holder)
        record(connection, TESTEUR, "preparer", Objet("CARTE", opened.carte_id), None, {})
    carte = {"carteId": opened.carte_id}
    ask("corrigerSoldeOuverture", **carte, soldeOuverture=900)
    ask("opposerCarte", **carte, motifOpposition="FRAUDE")
    ask("transfererSoldeSpecial", **carte, carteIdDestination=destination)


def play_demandes(database: Database) -> None:
    """Each type of demande once as it succeeds, one that waits too long, and what is noted of an agent."""
    client = {"clientId": f"CLI-{new_number()}"}
    membre = {**client, "membreId": "MBR-1"}
    reseau = {"reseauId": f"RES-{new_number()}"}
    agent = {"agentId": f"awa-{new_number()}"}
    who = {"nom": "Awa", "email": "", "emetteur": "https://id.example", "sujet": agent["agentId"]}
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        ("saisirReseau", {**reseau, "nom": "Réseau"}),
        ("saisirClient", {**client, "nom": "Client"}),
        ("affecterReseau", {**client, **reseau}),
        ("modifierClient", {**client, "nom": "Autre", "contact": {"nom": "Awa"}, "ninea": "1"}),
        ("saisirMembre", {**membre, "walletId": "221770000001"}),
        ("modifierMembre", {**membre, "walletId": "221770000002", "dateNaissance": "01/02/1980"}),
        ("changerStatutMembre", {**membre, "statut": "CLOS"}),
        ("changerStatutClient", {**client, "statut": "SUSPENDU"}),
        ("changerStatutClient", {**client, "statut": "CLOS"}),
        ("saisirAgent", {**agent, **who, "roles": ["LECTEUR"]}),
        ("modifierAgent", {**agent, "roles": ["SAISIE"]}),
        ("changerStatutAgent", {**agent, "statut": "SUSPENDU"}),
        ("changerStatutAgent", {**agent, "statut": "ACTIF"}),
        (
            "saisirRegleValidation",
            {"type": "saisirClient", "validations": 1, "forte": True, "memePersonne": False},
        ),
    )
    of_clients, of_rights = Siege(database), Siege(database, of="SECURITE_")
    for type_, contenu in asked:
        by = of_rights if TYPES[type_].valider.startswith(("agents", "regles")) else of_clients
        assert by.do(type_, **contenu) == EXECUTEE, type_
    played = {type_ for type_, _ in asked} | _play_partenaire(of_rights, client["clientId"])
    played |= _play_carte(of_clients)
    assert played == TYPES.keys()
    saisie = Saisie("saisirReseau", f"LATE-{new_number()}", {"reseauId": "TARD", "nom": "Tard"})
    with database.transaction() as connection:
        late = saisir(connection, personne(of_clients.saisie), saisie, duree=timedelta(0))
    with database.transaction() as connection:
        note_activite(connection, agent["agentId"], now())
        expirer(connection)
    with database.reading() as connection:
        found = find_demande(connection, demande_id=late.demande_id)
    assert found is not None
    assert found.statut == EXPIREE
