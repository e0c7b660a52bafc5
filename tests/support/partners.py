"""What an operator does with a partner, by the engine, in a transaction of the test's own."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from models.audit import Acteur
from models.back_office.moteur import Personne, Saisie, saisir
from models.demande import Demande
from models.fiche import find_fiche
from models.partenaire import PASSAGES, REVOQUE, SUSPENDU
from tests.support.world import PEPPER, new_number


def change(connection: Connection, acteur: Acteur, type_: str, key: str, **contenu: Any) -> Demande:
    """A demande about the partner, executed. Raises Refusal."""
    saisie = Saisie(
        type_, f"PARTNER-{new_number()}", {"consumerKey": key, **contenu}, motif="motif"
    )
    return saisir(connection, Personne(acteur), saisie, pepper=PEPPER)


def revoke(connection: Connection, acteur: Acteur, key: str) -> bool:
    """Revoke the partner. False when there is none of that key, or it was."""
    return _pass(connection, acteur, key, REVOQUE)


def suspend(connection: Connection, acteur: Acteur, key: str) -> bool:
    """Suspend the partner. False when there is none of that key, or it was, or is revoked."""
    return _pass(connection, acteur, key, SUSPENDU)


def resume(connection: Connection, acteur: Acteur, key: str) -> bool:
    """Resume the partner. False when there is none of that key, or it is not suspended."""
    return _pass(connection, acteur, key, "ACTIF")


def _pass(connection: Connection, acteur: Acteur, key: str, statut: str) -> bool:
    found = find_fiche(connection, key, lock=True)
    if found is None or statut not in PASSAGES[found.statut]:
        return False
    change(connection, acteur, "changerStatutPartenaire", key, statut=statut)
    return True


def revoke_jetons(connection: Connection, acteur: Acteur, key: str) -> int | None:
    """End every token of the partner: how many lived, None when no active partner has that key."""
    found = find_fiche(connection, key, lock=True)
    if found is None or found.statut == REVOQUE:
        return None
    demande = change(connection, acteur, "revoquerJetonsPartenaire", key)
    assert demande.resultat is not None
    ended: int = demande.resultat["jetonsRevoques"]
    return ended


def allow_basic(connection: Connection, acteur: Acteur, key: str, *, allowed: bool) -> None:
    """Whether the partner's pair opens operations by Basic, from its next call on."""
    change(connection, acteur, "modifierPartenaire", key, basicAutorise=allowed)
