"""The demande about the rules of validation themselves."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from models.audit import Objet
from models.back_office.type_demande import Contenu, Effet, Etat, TypeDemande
from models.errors import RegleIntouchable, VersionPerimee
from models.regle_validation import Regle, find_regle, list_regles, update_regle


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


def _of(connection: Connection, type_: str, montant: int | None) -> Regle | None:
    found = list_regles(connection, type_.partition(":")[0])
    wanted = (type_, montant or 0)
    return next((one for one in found if (one.type, one.montant_minimal) == wanted), None)


def _read(connection: Connection, objet_id: str) -> Etat | None:
    # Its id is its type: of the brackets of an amount, the content names one.
    try:
        regle = find_regle(connection, objet_id)
    except LookupError:
        return None
    return Etat(regle.version, told(regle))


def _check(connection: Connection, contenu: Contenu, _etat: Etat | None) -> None:
    regle = _of(connection, contenu["type"], contenu.get("montantMinimal"))
    if regle is None:
        raise RegleIntouchable
    lowered = contenu["validations"] < regle.minimum
    alone = contenu["memePersonne"] and regle.minimum > 0
    weaker = regle.forte and not contenu["forte"]
    if lowered or alone or weaker:
        raise RegleIntouchable


def _change(connection: Connection, contenu: Contenu, _etat: Etat | None) -> Effet:
    before = _of(connection, contenu["type"], contenu.get("montantMinimal"))
    assert before is not None, "it was checked before"
    after = before._replace(
        validations=contenu["validations"],
        forte=contenu["forte"],
        meme_personne=contenu["memePersonne"],
    )
    if not update_regle(connection, before, after):
        raise VersionPerimee
    return Effet(Objet("REGLE", before.type), told(before), told(after), {})


SAISIR = TypeDemande(
    "saisirRegleValidation", "REGLE", "regles:valider", _read, _check, _change, objet_id="type"
)
