"""The registers of the back office as SQL tells them: nothing here knows the application."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tests.lab.proof.books import reading

Json = dict[str, Any]


class Demande(NamedTuple):
    """A row of demandes; JSON is read."""

    demande_id: str
    type: str
    statut: str
    reference: str
    objet_type: str
    objet_id: str | None
    contenu: Json
    empreinte: str
    version_objet: int | None
    requises: int
    saisie_par: tuple[str, str]
    traitee_par: str | None
    motif: str | None
    motif_rejet: str | None
    resultat: Json | None
    expire_le: int
    """In nanoseconds since 1970."""
    traitee_le: int | None


class Agent(NamedTuple):
    """A person, as his provider names him."""

    agent_id: str
    nom: str
    emetteur: str
    sujet: str


class Audit(NamedTuple):
    """A row of the audit, and what it is hashed from, under the names of the contract."""

    position: int
    acteur: tuple[str, str]
    action: str
    objet: tuple[str, str]
    demande_id: str | None
    avant: Any
    apres: Any
    said: Json
    precedente: str
    empreinte: str


class Objet(NamedTuple):
    """A client, réseau or membre: its version, and its fields as the contract calls them."""

    version: int
    champs: Json


class Carte(NamedTuple):
    """A card: its state, why, what it was before a block, whose place it takes, what is on it."""

    carte_id: str
    numero: str
    statut: str
    motif: str | None
    avant: str | None
    changes: int
    remplace: str | None
    activated: bool
    solde: int


class Special(NamedTuple):
    """Money that a demande has moved, and what was left on the card that it came from."""

    numero: str
    demande_id: str
    type: str
    de: str
    vers: str | None
    montant: int
    left: int | None


class Plafond(NamedTuple):
    """A limit of a card by period, and what it has counted."""

    carte_id: str
    type: str
    montant: int
    nombre: int


@dataclass(frozen=True)
class Registers:
    """Everything that the auditor needs, read in one transaction."""

    demandes: list[Demande]
    validations: dict[str, list[str]]
    agents: dict[str, Agent]
    regles: dict[str, int]
    audit: list[Audit]
    tete: tuple[int, str] | None
    objets: dict[tuple[str, str], Objet]
    inside: dict[str, tuple[int, int]]
    """By the id of a réseau or a client: how many it says that it has, and how many there are."""
    cartes: dict[str, Carte] = field(default_factory=dict)
    specials: list[Special] = field(default_factory=list)
    plafonds: list[Plafond] = field(default_factory=list)
    moved: dict[tuple[str, str], tuple[int, int]] = field(default_factory=dict)
    """By card and type: francs and number of the operations that were not reversed."""


_DEMANDES = """
    SELECT demande_id, type, statut, reference, objet_type, objet_id, contenu, empreinte,
           version_objet, validations_requises, saisie_par_type, saisie_par_id, traitee_par, motif,
           motif_rejet, resultat, expire_le, traitee_le
      FROM demandes ORDER BY id
"""
_AUDIT_COLUMNS = (
    *("position", "date", "acteur_type", "acteur_id", "acteur_nom", "via_application"),
    *("pour_le_compte_de", "adresse", "request_id", "action", "objet_type", "objet_id"),
    *(
        "demande_id",
        "avant",
        "apres",
        "motif",
        "meme_personne",
        "empreinte_precedente",
        "empreinte",
    ),
)
_AUDIT = f"SELECT {', '.join(_AUDIT_COLUMNS)} FROM audit ORDER BY position"
_CLIENTS = "SELECT client_id, version, nom, statut, reseau_id FROM clients"
_RESEAUX = "SELECT reseau_id, version, nom FROM reseaux"
_MEMBRES = "SELECT client_id, membre_id, version, wallet_id, nom, prenom, statut FROM membres"
_INSIDE = """
    SELECT r.reseau_id, r.nombre_clients, count(c.id)
      FROM reseaux r LEFT JOIN clients c ON c.reseau_id = r.reseau_id
     GROUP BY r.reseau_id, r.nombre_clients
    UNION ALL
    SELECT c.client_id, c.nombre_membres, count(m.id)
      FROM clients c LEFT JOIN membres m ON m.client_id = c.client_id
     GROUP BY c.client_id, c.nombre_membres
"""


_CARTES = """
    SELECT c.carte_id, c.numero_carte, c.statut, c.motif_statut, c.statut_avant_opposition,
           c.etat_version, r.carte_id, c.activee_le IS NOT NULL, c.solde
      FROM cartes c LEFT JOIN cartes r ON r.id = c.remplace_id ORDER BY c.id
"""
_SPECIALS = """
    SELECT o.numero_operation, o.demande_id, o.type, c.carte_id, d.carte_id, o.montant, e.solde_debit
      FROM operations o JOIN cartes c ON c.id = o.carte_id
      LEFT JOIN cartes d ON d.id = o.carte_destination_id
      LEFT JOIN ecritures e ON e.operation_id = o.id
     WHERE o.demande_id IS NOT NULL ORDER BY o.id
"""
_PLAFONDS = """
    SELECT c.carte_id, l.type, sum(coalesce(n.montant, 0)), sum(coalesce(n.nombre, 0))
      FROM plafonds l JOIN cartes c ON c.id = l.carte_id
      LEFT JOIN consommations n ON n.plafond_id = l.id
     WHERE l.periode = 'MOIS' GROUP BY l.id, c.carte_id, l.type ORDER BY l.id
"""
_MOVED = """
    SELECT c.carte_id, o.type, sum(o.montant), count(*)
      FROM operations o JOIN cartes c ON c.id = o.carte_id
     WHERE o.type IN ('CREDIT', 'DEBIT', 'TRANSFERT')
       AND NOT EXISTS (SELECT 1 FROM operations a WHERE a.annulation_de = o.id)
     GROUP BY c.carte_id, o.type
"""


def read_registers(url: str) -> Registers:
    """Read the registers of a database: an address as `read_books` takes it."""
    with reading(url) as connection:
        return _read(connection)


def _read(connection: Any) -> Registers:
    def select(statement: str) -> Iterable[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = connection.execute(statement).fetchall()
        return found

    validations: dict[str, list[str]] = {}
    for demande_id, agent_id in select(
        "SELECT demande_id, agent_id FROM validations ORDER BY date, agent_id"
    ):
        validations.setdefault(demande_id, []).append(agent_id)
    persons = select("SELECT agent_id, nom, emetteur, sujet FROM agents")
    tetes = list(select("SELECT position, empreinte FROM audit_tete"))
    regles = select("SELECT type, validations FROM regles_validation WHERE montant_minimal = 0")
    return Registers(
        demandes=[_read_demande(row) for row in select(_DEMANDES)],
        validations=validations,
        agents={row[0]: Agent._make(row) for row in persons},
        regles={row[0]: row[1] for row in regles},
        audit=[_read_audit(row) for row in select(_AUDIT)],
        tete=(tetes[0][0], tetes[0][1]) if len(tetes) == 1 else None,
        objets=dict(_read_objets(select)),
        inside={row[0]: (row[1], row[2]) for row in select(_INSIDE)},
        cartes={row[0]: Carte._make((*row[:7], bool(row[7]), row[8])) for row in select(_CARTES)},
        specials=[Special._make(row) for row in select(_SPECIALS)],
        plafonds=[Plafond._make((*row[:2], int(row[2]), int(row[3]))) for row in select(_PLAFONDS)],
        moved={(row[0], row[1]): (int(row[2]), int(row[3])) for row in select(_MOVED)},
    )


def _read_demande(row: tuple[Any, ...]) -> Demande:
    told = list(row)
    told[6] = json.loads(told[6])
    told[15] = None if told[15] is None else json.loads(told[15])
    told[16:] = [None if date is None else _instant(date) for date in told[16:]]
    return Demande._make([*told[:10], (told[10], told[11]), *told[12:]])


def _read_audit(row: tuple[Any, ...]) -> Audit:
    by_name = dict(zip(_AUDIT_COLUMNS, row, strict=True))
    said = {_wire(name): value for name, value in by_name.items() if name != "empreinte"}
    said["date"] = _write_date(by_name["date"])
    for name in ("avant", "apres"):
        said[name] = None if by_name[name] is None else json.loads(by_name[name])
    said["memePersonne"] = bool(by_name["meme_personne"])
    return Audit(
        position=by_name["position"],
        acteur=(by_name["acteur_type"], by_name["acteur_id"]),
        action=by_name["action"],
        objet=(by_name["objet_type"], by_name["objet_id"]),
        demande_id=by_name["demande_id"],
        avant=said["avant"],
        apres=said["apres"],
        said=said,
        precedente=by_name["empreinte_precedente"],
        empreinte=by_name["empreinte"],
    )


def _wire(column: str) -> str:
    first, *others = column.split("_")
    return first + "".join(map(str.capitalize, others))


def _write_date(stored: str | datetime) -> str:
    if isinstance(stored, str):
        return f"{stored.replace(' ', 'T')}Z"
    moment = stored.astimezone(UTC).replace(tzinfo=None)
    return f"{moment.isoformat(timespec='microseconds')}Z"


def _instant(stored: str | datetime) -> int:
    return int(datetime.fromisoformat(_write_date(stored)).timestamp() * 1e6) * 1_000


def _read_objets(select: Any) -> Iterable[tuple[tuple[str, str], Objet]]:
    for client_id, version, nom, statut, reseau_id in select(_CLIENTS):
        champs = {"nom": nom, "statut": statut, "reseauId": reseau_id}
        yield ("CLIENT", client_id), Objet(version, champs)
    for reseau_id, version, nom in select(_RESEAUX):
        yield ("RESEAU", reseau_id), Objet(version, {"nom": nom})
    for client_id, membre_id, version, wallet_id, nom, prenom, statut in select(_MEMBRES):
        champs = {"walletId": wallet_id, "nom": nom, "prenom": prenom, "statut": statut}
        yield ("MEMBRE", f"{client_id}:{membre_id}"), Objet(version, champs)
