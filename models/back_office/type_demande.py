"""What the engine must know of a type of demande; each type says the rest beside its object."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from sqlalchemy import Connection

from models.audit import Acteur, Objet

Contenu = Mapping[str, Any]
"""Fields under the names of the contract."""


class Etat(NamedTuple):
    """An object as it is now: its version, its fields, and the client whose it is."""

    version: int
    champs: Contenu
    client_id: str | None = None


class Acte(NamedTuple):
    """What is executed: what was asked, by which demande, why, and who has it done. What an execution writes
    beside the fields of its object names that demande."""

    contenu: Contenu
    demande_id: str
    motif: str | None
    acteur: Acteur
    pepper: bytes = b""
    """Of the deployment, for what is kept as a hash."""


class Changement(NamedTuple):
    """What became of an object: which fields."""

    objet: Objet
    avant: Contenu | None
    apres: Contenu | None


class Prealable(NamedTuple):
    """What is asked first, and at once: as which type, and what."""

    type: str
    contenu: Contenu


class Effet(NamedTuple):
    """What an execution did: to which object, which fields, and what the caller learns of it. `une_fois` is
    told beside the result to who has it executed, once: it is kept nowhere."""

    objet: Objet
    avant: Contenu | None
    apres: Contenu | None
    resultat: Contenu
    une_fois: Contenu = MappingProxyType({})
    autres: tuple[Changement, ...] = ()
    """Other objects that it changed: each has its row of the audit."""


class Lire(Protocol):
    """Reads the object of an id, held until the transaction ends with `lock`; None when there is none."""

    def __call__(self, connection: Connection, objet_id: str, /, *, lock: bool) -> Etat | None:
        """The object as it is now."""


Verifier = Callable[[Connection, Contenu, Etat | None], None]
"""Raises the Refusal for which the demande cannot be executed now, whatever its version."""

Executer = Callable[[Connection, Acte, Etat | None], Effet]
"""Does it. Called after `verifier`, in the same transaction, with the object held. Raises Refusal."""

Constater = Callable[[Connection, Effet], None]
"""Raises the Refusal for which what was done may not stay. Called last, when every other change has either
been committed, and is seen, or waits for this one: what must hold over several objects is asked here, and
needs no lock of theirs."""


def _one_variant(_contenu: Contenu, _etat: Etat | None) -> str:
    return ""


def _no_droit(_contenu: Contenu) -> str | None:
    return None


def _no_client(_contenu: Contenu) -> str | None:
    return None


def _no_montant(_contenu: Contenu, _etat: Etat | None) -> int | None:
    return None


def _no_others(_connection: Connection, _contenu: Contenu) -> Collection[str]:
    return ()


def _nothing_first(_contenu: Contenu, _etat: Etat | None) -> Prealable | None:
    return None


def _all_well(_connection: Connection, _effet: Effet) -> None:
    """Nothing has to hold over several objects."""


@dataclass(frozen=True, slots=True)
class TypeDemande:
    """A type of demande, called as the operation that asks it.

    `cle` names the fields of its content that name its object; none for what makes one. `variante` gives the
    end of the rule's name: `SUSPENDU` of `changerStatutAgent:SUSPENDU`.
    """

    nom: str
    objet_type: str
    """As the contract lists them."""
    valider: str
    """The right of who validates."""
    lire: Lire
    verifier: Verifier
    executer: Executer
    nom_objet: str = ""
    """What its object is called where there is none; its type, unless said."""
    cle: tuple[str, ...] = ()
    variante: Callable[[Contenu, Etat | None], str] = _one_variant
    droit: Callable[[Contenu], str | None] = _no_droit
    """The right that a person needs to ask for this content, beside the one that opens the operation."""
    client: Callable[[Contenu], str | None] = _no_client
    """The client that the content names, for what makes an object; of others, `Etat` has it."""
    autres_clients: Callable[[Connection, Contenu], Collection[str]] = _no_others
    """Clients whose objects it touches beside its own: who asks it or agrees to it sees them too."""
    montant: Callable[[Contenu, Etat | None], int | None] = _no_montant
    """The francs by which its rule is chosen: those of the content, or of the object where it says so."""
    constater: Constater = _all_well
    prealable: Callable[[Contenu, Etat | None], Prealable | None] = _nothing_first
    """What protects, and does not wait for those who agree to the rest."""
    of_others: bool = False
    """Whether its object is a person who neither enters it nor agrees to it."""

    def objet_id(self, contenu: Contenu) -> str | None:
        """The id of the object that the content names, as the audit has it: what is of another begins with
        the other's id and a colon. None for what makes one."""
        named = [str(contenu[field]) for field in self.cle if contenu.get(field)]
        return ":".join(named) or None
