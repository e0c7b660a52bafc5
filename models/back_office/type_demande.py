"""What the engine must know of a type of demande; each type says the rest beside its object."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection

from models.audit import Objet

Contenu = Mapping[str, Any]
"""Fields under the names of the contract."""


class Etat(NamedTuple):
    """An object as it is now: its version, its fields, and the client whose it is."""

    version: int
    champs: Contenu
    client_id: str | None = None


class Effet(NamedTuple):
    """What an execution did: to which object, which fields, and what the caller learns of it."""

    objet: Objet
    avant: Contenu | None
    apres: Contenu | None
    resultat: Contenu


Lire = Callable[[Connection, str], Etat | None]
"""The object of this id, held until the transaction ends; None when there is none."""

Verifier = Callable[[Connection, Contenu, Etat | None], None]
"""Raises the Refusal for which the demande cannot be executed now, whatever its version."""

Executer = Callable[[Connection, Contenu, Etat | None], Effet]
"""Does it. Called after `verifier`, in the same transaction, with the object held. Raises Refusal."""


def _one_variant(_contenu: Contenu, _etat: Etat | None) -> str:
    return ""


def _no_client(_contenu: Contenu) -> str | None:
    return None


def _no_montant(_contenu: Contenu) -> int | None:
    return None


@dataclass(frozen=True, slots=True)
class TypeDemande:
    """A type of demande, called as the operation that asks it.

    `objet_id` names the field of its content that names its object; None for what makes one. `variante` gives
    the end of the rule's name: `SUSPENDU` of `changerStatutAgent:SUSPENDU`.
    """

    nom: str
    objet_type: str
    valider: str
    """The right of who validates."""
    lire: Lire
    verifier: Verifier
    executer: Executer
    objet_id: str | None = None
    variante: Callable[[Contenu, Etat | None], str] = _one_variant
    client: Callable[[Contenu], str | None] = _no_client
    """The client that the content names, for what makes an object; of others, `Etat` has it."""
    montant: Callable[[Contenu], int | None] = _no_montant
    of_others: bool = False
    """Whether its object is a person who neither enters it nor agrees to it."""
