"""The demande about the rules of validation themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from models.audit import Objet
from models.back_office.type_demande import Acte, Contenu, Effet, Etat, TypeDemande
from models.errors import RegleIntouchable, VersionPerimee
from models.regle_validation import Regle, is_forte, read_regle, update_regle


def told(regle: Regle) -> dict[str, Any]:
    """A rule under the names of the contract."""
    return {
        "type": regle.type,
        "montantMinimal": regle.montant_minimal or None,
        "validations": regle.validations,
        "minimum": regle.minimum,
        "forte": regle.forte,
        "memePersonne": regle.meme_personne,
    }


def _find(connection: Connection, contenu: Contenu) -> Regle | None:
    return read_regle(connection, contenu["type"], contenu.get("montantMinimal") or 0)


def _read(connection: Connection, objet_id: str, *, lock: bool) -> Etat | None:
    # Its id is its type and its amount; the type of a variant has a colon of its own.
    type_, colon, montant = objet_id.rpartition(":")
    named = (type_, int(montant)) if colon and montant.isdecimal() else (objet_id, 0)
    regle = read_regle(connection, *named, lock=lock)
    return None if regle is None else Etat(regle.version, told(regle))


def _check(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    regle = _find(connection, contenu)
    assert regle is not None, "the engine refuses what is not there"
    lowered = contenu["validations"] < regle.minimum
    alone = contenu["memePersonne"] and regle.minimum > 0
    if lowered or alone or (is_forte(regle) and not contenu["forte"]):
        raise RegleIntouchable


def _change(connection: Connection, acte: Acte, _etat: Etat | None) -> Effet:
    contenu = acte.contenu
    before = _find(connection, contenu)
    assert before is not None, "the engine refuses what is not there"
    after = before._replace(
        validations=contenu["validations"],
        forte=contenu["forte"],
        meme_personne=contenu["memePersonne"],
    )
    if not update_regle(connection, before, after):
        raise VersionPerimee
    return Effet(Objet("REGLE", _objet_id(before)), told(before), told(after), {})


def _objet_id(regle: Regle) -> str:
    return ":".join([regle.type, *([str(regle.montant_minimal)] if regle.montant_minimal else [])])


SAISIR = TypeDemande(
    "saisirRegleValidation", "REGLE", "regles:valider", _read, _check, _change,
    nom_objet="Règle", cle=("type", "montantMinimal"),
)  # fmt: skip
