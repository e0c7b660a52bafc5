"""Demandes about card profiles, and their list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection

from models.audit import Objet
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.database.curseur import decode_curseur, encode_curseur
from models.database.parcours import choose_way, read_page
from models.errors import ObjetExistant, ParametreInvalide, VersionPerimee
from models.profil_carte import (
    PlafondProfil,
    Profil,
    create_profil,
    find_profil,
    profils_carte,
    read_profil,
    sort_plafonds,
    update_profil,
)

PROFIL_OBJET = "PROFIL"
PROFIL = "Profil"
"""What a refusal calls it."""

_CURSEUR = "p1"
"""Kind of the list's curseurs."""

_FIELDS = {
    "nom": "nom",
    "unite": "unite",
    "validiteMois": "validite_mois",
    "prefixe": "prefixe",
    "horsLigneAutorise": "hors_ligne_autorise",
    "statut": "statut",
}
"""Fields of the contract, and what they are called here."""


def told(profil: Profil) -> dict[str, Any]:
    """A profile under the names of the contract."""
    return {
        "profilId": profil.profil_id,
        **{field: getattr(profil, name) for field, name in _FIELDS.items()},
        "plafonds": [
            {
                "type": one.type,
                "periode": one.periode,
                "montantMaximal": one.montant_maximal,
                "nombreMaximal": one.nombre_maximal,
            }
            for one in profil.plafonds
        ],
    }


class PageProfils(NamedTuple):
    """A page of the list, and the curseur of the next one, None at the end."""

    profils: list[Profil]
    curseur_suivant: str | None


def list_profils(
    connection: Connection, statut: str | None, *, limite: int, curseur: str | None
) -> PageProfils:
    """A page of the profiles, in the order of their creation.

    Raises ParametreInvalide for a curseur that this API did not give.
    """
    position = None if curseur is None else decode_curseur(_CURSEUR, curseur)
    ways = [choose_way({"statut": statut})]
    lue = read_page(connection, profils_carte, ways, position=position, limite=limite)
    return PageProfils(
        [read_profil(row) for row in lue.lignes],
        None if lue.suite is None else encode_curseur(_CURSEUR, lue.suite),
    )


# ── demandes ─────────────────────────────────────────────────────────────────────────────────────
def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    profil = find_profil(connection, objet_id, lock=lock)
    return None if profil is None else Etat(profil.version, told(profil))


def _held(connection: Connection, contenu: Contenu) -> Profil:
    profil = find_profil(connection, contenu["profilId"], lock=True)
    assert profil is not None, "the engine refuses what is not there"
    return profil


def read_plafonds(given: Sequence[Contenu]) -> tuple[PlafondProfil, ...]:
    """The limits of a profile: one of a type and period, each of an amount or of a number of operations.

    Raises ParametreInvalide, as a limit of a card would be refused.
    """
    plafonds = [
        PlafondProfil(
            one["type"], one["periode"], one.get("montantMaximal"), one.get("nombreMaximal")
        )
        for one in given
    ]
    for one in plafonds:
        of_nothing = one.montant_maximal is None and one.nombre_maximal is None
        if of_nothing or (one.periode == "OPERATION" and one.nombre_maximal is not None):
            raise ParametreInvalide("plafonds")
    if len({(one.type, one.periode) for one in plafonds}) < len(plafonds):
        raise ParametreInvalide("plafonds")
    return sort_plafonds(plafonds)


def _changed(profil: Profil, contenu: Contenu) -> Profil:
    changes: dict[str, Any] = {
        name: contenu[field] for field, name in _FIELDS.items() if field in contenu
    }
    if "plafonds" in contenu:
        changes["plafonds"] = read_plafonds(contenu["plafonds"])
    return profil._replace(**changes)


def _new(contenu: Contenu) -> Profil:
    return _changed(Profil(contenu["profilId"], contenu["nom"], contenu["prefixe"]), contenu)


def _check_new(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _new(contenu)
    if find_profil(connection, contenu["profilId"]) is not None:
        raise ObjetExistant(objet=PROFIL)


def _create(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    profil = _new(acte.contenu)
    if not create_profil(connection, profil):
        raise ObjetExistant(objet=PROFIL)
    return _effet(None, profil)


def _check_changes(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    _changed(_held(connection, contenu), contenu)


def _modify(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    before = _held(connection, acte.contenu)
    after = _changed(before, acte.contenu)
    if not update_profil(connection, before, after):
        raise VersionPerimee
    return _effet(before, after)


def _effet(before: Profil | None, after: Profil) -> Effet:
    return Effet(
        Objet(PROFIL_OBJET, after.profil_id),
        None if before is None else told(before),
        told(after),
        {"profilId": after.profil_id},
    )


_VALIDER = "cartes:valider"

SAISIR = TypeDemande(
    "saisirProfilCarte", PROFIL_OBJET, _VALIDER, _read, _check_new, _create, nom_objet=PROFIL
)
MODIFIER = TypeDemande(
    "modifierProfilCarte", PROFIL_OBJET, _VALIDER, _read, _check_changes, _modify,
    nom_objet=PROFIL, cle=("profilId",),
)  # fmt: skip
