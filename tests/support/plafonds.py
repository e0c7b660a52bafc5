"""Limits that a test sets and takes away, by the demandes that do it; who has a shell enters those."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from models.audit import Acteur
from models.back_office.designation import find_designee
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import new_ulid
from models.errors import ObjetInconnu


def set_plafond(
    connection: Connection,
    acteur: Acteur,
    *,
    type_: str,
    periode: str,
    montant_maximal: int | None,
    nombre_maximal: int | None,
    numero_carte: str | None = None,
    consumer_key: str | None = None,
) -> bool:
    """Give a card or a partner a limit. False when there is no such card or partner."""
    bounds = {"montantMaximal": montant_maximal, "nombreMaximal": nombre_maximal}
    given = {name: value for name, value in bounds.items() if value is not None}
    contenu = {"type": type_, "periode": periode, **given}
    return _done(connection, acteur, "saisir", contenu, numero_carte, consumer_key)


def remove_plafond(
    connection: Connection,
    acteur: Acteur,
    *,
    type_: str,
    periode: str,
    numero_carte: str | None = None,
    consumer_key: str | None = None,
) -> bool:
    """Take a limit away. False when there is none such."""
    contenu = {"type": type_, "periode": periode}
    return _done(connection, acteur, "retirer", contenu, numero_carte, consumer_key)


def _done(
    connection: Connection,
    acteur: Acteur,
    verb: str,
    contenu: dict[str, Any],
    numero_carte: str | None,
    consumer_key: str | None,
) -> bool:
    if consumer_key is not None:
        type_, named = f"{verb}PlafondPartenaire", {"consumerKey": consumer_key}
    else:
        carte = find_designee(connection, numero_carte or "")
        if carte is None:
            return False
        type_, named = f"{verb}PlafondCarte", {"carteId": carte.carte_id}
    try:
        saisir(connection, Personne(acteur), Saisie(type_, new_ulid(), {**named, **contenu}))
    except ObjetInconnu:
        return False
    return True
