"""Demandes about money: what is on a card that is out of service, and what a card began with.

They are judged twice: when they are entered, of cards that others may change, and when they are executed, of
cards that are held. Two cards are held in the order of their ids, so neither is held before that.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import date
from typing import Any, NamedTuple

from sqlalchemy import Connection, select

from models.audit import Objet
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.base import SOLDE_MAXIMAL
from models.carte import ANNULEE, OPPOSITION, cartes, check_usable
from models.client import clients, find_client
from models.errors import (
    CarteEnService,
    EtatInterdit,
    ObjetInconnu,
    ParametreInvalide,
    SoldeInsuffisant,
    SoldeMaximalDepasse,
)
from models.journal.special import (
    Ouverture,
    correct_ouverture,
    find_ouverture_of,
    hold_cartes,
    transfer_special,
)
from models.mouvement import check_reseau

FONDS_OBJET = "FONDS"
CARTE = "Carte"
"""What a refusal calls a card that is not there."""

HORS_SERVICE = (OPPOSITION, ANNULEE)
"""What is on such a card leaves it by special transfer only."""


class _Carte(NamedTuple):
    """A card as its money is judged. `solde` in units of `unite`."""

    id: int
    carte_id: str
    numero_carte: str
    client_id: str
    statut: str
    fin_validite: date
    solde: int
    unite: str
    etat_version: int
    client_statut: str


def _find(connection: Connection, carte_id: str) -> _Carte | None:
    columns = [cartes.c[name] for name in _Carte._fields if name != "client_statut"]
    row = connection.execute(
        select(*columns, clients.c.statut)
        .join_from(cartes, clients, clients.c.client_id == cartes.c.client_id)
        .where(cartes.c.carte_id == carte_id)
    ).first()
    return None if row is None else _Carte._make(row)


def _source(connection: Connection, contenu: Contenu) -> _Carte:
    carte = _find(connection, contenu["carteId"])
    assert carte is not None, "the engine refuses what is not there"
    return carte


def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    """The card, never held: see above. `lock` is what any type is asked with."""
    _ = lock
    carte = _find(connection, objet_id)
    if carte is None:
        return None
    champs = {
        "carteId": carte.carte_id,
        "numeroCarte": carte.numero_carte,
        "clientId": carte.client_id,
        "statut": carte.statut,
        "solde": carte.solde,
        "unite": carte.unite,
    }
    return Etat(carte.etat_version, champs, carte.client_id)


# ── the special transfer ─────────────────────────────────────────────────────────────────────────
def _client_of_destination(connection: Connection, contenu: Contenu) -> Collection[str]:
    carte = _find(connection, contenu["carteIdDestination"])
    return () if carte is None else (carte.client_id,)


def _two(connection: Connection, contenu: Contenu) -> tuple[_Carte, _Carte]:
    """The card that gives and the card that receives. Raises ParametreInvalide, ObjetInconnu."""
    if contenu["carteId"] == contenu["carteIdDestination"]:
        raise ParametreInvalide("carteIdDestination")
    destination = _find(connection, contenu["carteIdDestination"])
    if destination is None:
        raise ObjetInconnu(objet=CARTE)
    return _source(connection, contenu), destination


def _check_transfer(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _judge(connection, *_two(connection, contenu), contenu)


def _judge(connection: Connection, source: _Carte, destination: _Carte, contenu: Contenu) -> int:
    """The francs to move. Raises CarteEnService, what `check_usable` does, TransfertHorsReseau,
    SoldeInsuffisant, SoldeMaximalDepasse."""
    if source.statut not in HORS_SERVICE:
        raise CarteEnService
    check_usable(destination.statut, destination.fin_validite, destination.client_statut)
    check_reseau(connection, source, destination)
    montant = _montant_of(contenu, source.solde)
    if not 0 < montant <= source.solde:
        raise SoldeInsuffisant
    if destination.solde + montant > SOLDE_MAXIMAL:
        raise SoldeMaximalDepasse
    return montant


def _montant_of(contenu: Contenu, solde: int) -> int:
    """What is asked for: without an amount, all that is there."""
    montant = contenu.get("montant")
    return solde if montant is None else int(montant)


def _montant(contenu: Contenu, etat: Etat | None) -> int:
    assert etat is not None, "the engine refuses what is not there"
    return _montant_of(contenu, etat.champs["solde"])


def _transfer(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    source, destination = _two(connection, acte.contenu)
    # Who suspends the client that receives waits for this, or is seen.
    find_client(connection, destination.client_id, lock=True)
    hold_cartes(connection, source.id, destination.id)
    source, destination = _two(connection, acte.contenu)
    montant = _judge(connection, source, destination, acte.contenu)
    done = transfer_special(
        connection, source.id, destination.id, montant,
        demande_id=acte.demande_id, motif=acte.motif,
    )  # fmt: skip
    avant = {"solde": source.solde, "soldeDestination": destination.solde}
    apres = {
        "solde": source.solde - montant,
        "soldeDestination": destination.solde + montant,
        "carteIdDestination": destination.carte_id,
        "montant": montant,
        "numeroOperation": done.numero_operation,
    }
    return _effet(source, avant, apres)


# ── the opening ──────────────────────────────────────────────────────────────────────────────────
def _check_correction(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _judge_correction(connection, _source(connection, contenu), contenu)


def _judge_correction(connection: Connection, carte: _Carte, contenu: Contenu) -> Ouverture:
    """The opening, which is to be another one. Raises EtatInterdit, SoldeInsuffisant, SoldeMaximalDepasse."""
    ouverture = find_ouverture_of(connection, carte.id)
    if ouverture is None or carte.statut in HORS_SERVICE:
        raise EtatInterdit(statut=carte.statut)
    difference = contenu["soldeOuverture"] - ouverture.solde
    if not difference:
        raise EtatInterdit(statut=carte.statut)
    if carte.solde + difference < 0:
        raise SoldeInsuffisant
    if carte.solde + difference > SOLDE_MAXIMAL:
        raise SoldeMaximalDepasse
    return ouverture


def _correct(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    carte = _source(connection, acte.contenu)
    hold_cartes(connection, carte.id)
    carte = _source(connection, acte.contenu)
    ouverture = _judge_correction(connection, carte, acte.contenu)
    wanted = acte.contenu["soldeOuverture"]
    done = correct_ouverture(
        connection, carte.id, wanted - ouverture.solde,
        contra=ouverture.contra, demande_id=acte.demande_id, motif=acte.motif,
    )  # fmt: skip
    avant = {"soldeOuverture": ouverture.solde, "solde": carte.solde}
    apres = {
        "soldeOuverture": wanted,
        "solde": carte.solde + wanted - ouverture.solde,
        "numeroOperation": done.numero_operation,
    }
    return _effet(carte, avant, apres)


def _effet(carte: _Carte, avant: dict[str, Any], apres: dict[str, Any]) -> Effet:
    resultat = {"carteId": carte.carte_id, "numeroOperation": apres["numeroOperation"]}
    return Effet(Objet(FONDS_OBJET, carte.carte_id), avant, apres, resultat)


_VALIDER = "fonds:valider"

TRANSFERER = TypeDemande(
    "transfererSoldeSpecial", FONDS_OBJET, _VALIDER, _read, _check_transfer, _transfer,
    nom_objet=CARTE, cle=("carteId",), autres_clients=_client_of_destination, montant=_montant,
)  # fmt: skip
CORRIGER = TypeDemande(
    "corrigerSoldeOuverture", FONDS_OBJET, _VALIDER, _read, _check_correction, _correct,
    nom_objet=CARTE, cle=("carteId",),
)  # fmt: skip
