"""Demandes about réseaux, and their list."""

from __future__ import annotations

from typing import Any, NamedTuple

from sqlalchemy import Connection

from models.audit import Objet
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import Parcours, read_page
from models.errors import ObjetExistant
from models.reseau import Reseau, create_reseau, find_reseau, reseaux

RESEAU_OBJET = "RESEAU"
RESEAU = "Réseau"
"""What a refusal calls it."""

_CURSEUR = "r1"
"""Kind of the list's curseurs."""


def told(reseau: Reseau) -> dict[str, Any]:
    """A réseau under the names of the contract."""
    return {"reseauId": reseau.reseau_id, "nom": reseau.nom}


class PageReseaux(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    reseaux: list[Reseau]
    curseur_suivant: str | None


def list_reseaux(connection: Connection, *, limite: int, curseur: str | None) -> PageReseaux:
    """A page of all réseaux, in the order of their creation.

    Raises ParametreInvalide for a curseur that this API did not give.
    """
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    lue = read_page(connection, reseaux, [Parcours()], position=position, limite=limite)
    found = [Reseau._make(getattr(row, name) for name in Reseau._fields) for row in lue.lignes]
    return PageReseaux(found, None if lue.suite is None else encode_curseur(_CURSEUR, lue.suite))


def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    reseau = find_reseau(connection, objet_id, lock=lock)
    return None if reseau is None else Etat(reseau.version, told(reseau))


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    if find_reseau(connection, contenu["reseauId"]) is not None:
        raise ObjetExistant(objet=RESEAU)


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    reseau = Reseau(acte.contenu["reseauId"], acte.contenu["nom"], 0, 1)
    if not create_reseau(connection, reseau.reseau_id, reseau.nom):
        raise ObjetExistant(objet=RESEAU)
    objet = Objet(RESEAU_OBJET, reseau.reseau_id)
    return Effet(objet, None, told(reseau), {"reseauId": reseau.reseau_id})


SAISIR = TypeDemande(
    "saisirReseau", RESEAU_OBJET, "clients:valider", _read, _check_new, _create, nom_objet=RESEAU
)
