"""The audit: who changed what that is not money, one row a change, each row sealed to the one before.

A row is written by the transaction of the change, after the change, so that there is none of what was rolled
back. Its `empreinte` is SHA-256 over all the rest of it and over the row before: whoever changes, removes or
slips in a row breaks the chain from there, and `models.books.chaine` says where. Whoever writes the whole
chain again is found out by an empreinte that was kept elsewhere.

The chain has one end, the row of `audit_tete`, which a transaction holds from its row to its COMMIT:
positions have no gap, and changes wait for each other there. Money does not: the audit of a debit is its
operation.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Index,
    String,
    Table,
    Text,
    insert,
    select,
    update,
)

from models.base import BigId, Instant, canonical_json, mask, metadata, now, write_instant

AGENT, PARTENAIRE, SYSTEME, CLI = "AGENT", "PARTENAIRE", "SYSTEME", "CLI"
"""Types of acteurs: a person, a partner's machine, what the program does by itself, the command line."""

ACTEURS = (AGENT, PARTENAIRE, SYSTEME, CLI)

PREMIERE = "0" * 64
"""What stands for the empreinte before the first row."""

audit = Table(
    "audit",
    metadata,
    Column("position", BigId, primary_key=True, autoincrement=False),
    Column("date", Instant, nullable=False),
    Column("acteur_type", String(16), nullable=False),
    Column("acteur_id", String(64), nullable=False),
    Column("acteur_nom", String(200), nullable=False),
    Column("via_application", String(200)),
    Column("pour_le_compte_de", String(64)),
    Column("adresse", String(64)),
    Column("request_id", String(64)),
    Column("action", String(64), nullable=False, doc="operationId of the contract, or a task"),
    Column("objet_type", String(16), nullable=False),
    Column(
        "objet_id", String(128), nullable=False, doc="what is of another begins with its id and :"
    ),
    Column("demande_id", String(26)),
    Column("avant", Text, doc="canonical JSON of the changed fields; null where there was nothing"),
    Column("apres", Text, doc="canonical JSON of the changed fields; null where nothing is left"),
    Column("motif", String(140)),
    Column(
        "meme_personne", BigId, nullable=False, server_default="0", doc="1: entered and validated"
    ),
    Column("empreinte_precedente", String(64), nullable=False),
    Column("empreinte", String(64), nullable=False, unique=True),
    CheckConstraint("position > 0", name="position_positive"),
    CheckConstraint(
        "acteur_type IN ('AGENT', 'PARTENAIRE', 'SYSTEME', 'CLI')", name="acteur_type_connu"
    ),
    CheckConstraint("meme_personne IN (0, 1)", name="meme_personne_booleen"),
    Index(None, "objet_id", "position"),
    Index(None, "acteur_id", "position"),
    Index(None, "objet_type", "position"),
    Index(None, "action", "position"),
    Index(None, "demande_id", "position"),
    Index(None, "request_id", "position"),
    Index(None, "date"),
)

audit_tete = Table(
    "audit_tete",
    metadata,
    Column("id", BigId, primary_key=True, autoincrement=False),
    Column("position", BigId, nullable=False),
    Column("empreinte", String(64), nullable=False),
    CheckConstraint("id = 1", name="une_seule"),
)


class Acteur(NamedTuple):
    """Who does something. `id` names him among those of his type; the rest is what else is known.

    `pour_le_compte_de` is what he says himself, and proves nothing.
    """

    type: str
    id: str
    nom: str
    via_application: str | None = None
    pour_le_compte_de: str | None = None
    adresse: str | None = None
    request_id: str | None = None


class Objet(NamedTuple):
    """What is changed. An object of another has an id that begins with the other's and a colon: to look for
    `CLI-0001` is to look for its members too."""

    type: str
    id: str


class Tete(NamedTuple):
    """The end of the chain: its last row, position 0 and `PREMIERE` when there is none."""

    position: int
    empreinte: str


Champs = Mapping[str, object]
"""Fields of an object, under the names of the contract."""


def record(
    connection: Connection,
    acteur: Acteur,
    action: str,
    objet: Objet,
    avant: Champs | None,
    apres: Champs | None,
    *,
    motif: str | None = None,
    demande_id: str | None = None,
    meme_personne: bool = False,
) -> Tete:
    """Write the row of one change into its transaction, which is the change's own: call it last.

    Of `avant` and `apres` the fields that differ are kept, as `shown` shows them; None is an object that was
    not there before, or is not any more. From here to COMMIT every other change waits, so that what may wait
    for something else comes before.
    """
    avant, apres = _changed(avant, apres)
    before = _hold_tete(connection)
    row = {
        "position": before.position + 1,
        "date": now(),
        **{f"acteur_{name}": getattr(acteur, name) for name in ("type", "id", "nom")},
        "via_application": acteur.via_application,
        "pour_le_compte_de": acteur.pour_le_compte_de,
        "adresse": acteur.adresse,
        "request_id": acteur.request_id,
        "action": action,
        "objet_type": objet.type,
        "objet_id": objet.id,
        "demande_id": demande_id,
        "avant": None if avant is None else canonical_json(shown(avant)),
        "apres": None if apres is None else canonical_json(shown(apres)),
        "motif": None if motif is None else _without_numbers(motif),
        "meme_personne": int(meme_personne),
        "empreinte_precedente": before.empreinte,
    }
    tete = Tete(before.position + 1, hash_row({**row, "date": write_instant(row["date"])}))
    connection.execute(insert(audit).values(**row, empreinte=tete.empreinte))
    connection.execute(update(audit_tete).values(position=tete.position, empreinte=tete.empreinte))
    return tete


_TETE = select(audit_tete.c.position, audit_tete.c.empreinte)


def _hold_tete(connection: Connection) -> Tete:
    return Tete._make(connection.execute(_TETE.with_for_update()).one())


def find_tete(connection: Connection) -> Tete | None:
    """The end of the chain, None when somebody has removed the row that says it."""
    row = connection.execute(_TETE).first()
    return None if row is None else Tete._make(row)


# ── what a row says ──────────────────────────────────────────────────────────────────────────────
def _changed(avant: Champs | None, apres: Champs | None) -> tuple[Champs | None, Champs | None]:
    if avant is None or apres is None:
        return avant, apres
    kept = [name for name in {**avant, **apres} if avant.get(name) != apres.get(name)]
    return _only(kept, avant), _only(kept, apres)


def _only(names: Iterable[str], champs: Champs) -> Champs:
    return {name: champs[name] for name in names if name in champs}


_PERSONAL = {"email", "numeroPiece"}
_SECRET = re.compile(r"(?i)secret|jeton|token|pepper|mot_?de_?passe|password|code_?retrait")
_NUMBER = re.compile(r"[0-9](?:[ .-]?[0-9]){11,18}")


def shown(champs: Champs) -> dict[str, object]:
    """Fields as the audit may show them for ever: card numbers masked, what names a person in other files as
    the beginning of its SHA-256, by which two of them can be told apart.

    Raises ValueError for a field that by its name is a secret: nobody may have it written.
    """
    return {name: _show(name, value) for name, value in champs.items()}


def _show(name: str, value: object) -> object:  # noqa: PLR0911 - one line a kind of value
    if isinstance(value, Mapping):
        return shown(value)
    if isinstance(value, list | tuple | set | frozenset):
        return [
            _show(name, one)
            for one in (value if isinstance(value, list | tuple) else sorted(value))
        ]
    if isinstance(value, datetime):
        return write_instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if not isinstance(value, str) or not value:
        return value
    if _SECRET.search(name) and not name.endswith("Id"):
        raise ValueError(f"the audit holds no secret: {name}")
    if name.startswith("numeroCarte"):
        return mask(value)
    if name in _PERSONAL:
        return f"sha256:{hashlib.sha256(value.encode()).hexdigest()[:16]}"
    return _without_numbers(value) if name in ("motif", "commentaire") else value


def _without_numbers(text: str) -> str:
    """What a person wrote, with whatever may be the number of a card masked."""
    return _NUMBER.sub(lambda found: mask(re.sub(r"[ .-]", "", found[0])), text)


# ── its seal ─────────────────────────────────────────────────────────────────────────────────────
def wire_name(column: str) -> str:
    """What the contract calls a column, or a field."""
    first, *others = column.split("_")
    return first + "".join(map(str.capitalize, others))


NAMES = {column.name: wire_name(column.name) for column in audit.c}
"""The columns, and what they are called in what is hashed and exported."""

_INTEGERS = ("position", "meme_personne")
_OBJECTS = ("avant", "apres")


def describe(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row, or a part of it, as JSON: `avant` and `apres` as the objects that they are.

    Raises ValueError, which says it, when a column holds what this code never writes there: the text of
    another kind of value, or another text of the same one.
    """
    said: dict[str, Any] = {}
    for column, value in row.items():
        kind = int if column in _INTEGERS else str
        if value is not None and type(value) is not kind:
            raise ValueError(f"{NAMES[column]} holds another kind of value")
        is_object = value is not None and column in _OBJECTS
        said[NAMES[column]] = _read_object(column, str(value)) if is_object else value
    if said.get("memePersonne") in (0, 1):
        said["memePersonne"] = bool(said["memePersonne"])
    return said


def _read_object(column: str, text: str) -> object:
    try:
        value: object = json.loads(text)
        if canonical_json(value) == text:
            return value
    except (ValueError, RecursionError):
        pass
    raise ValueError(f"{NAMES[column]} is not canonical JSON")


def hash_row(row: Mapping[str, Any]) -> str:
    """The empreinte of a row whose date is text: SHA-256 of its JSON, then of the empreinte before it.

    Raises ValueError as `describe`.
    """
    said = describe({name: value for name, value in row.items() if name != "empreinte"})
    return hashlib.sha256(
        f"{canonical_json(said)}{said['empreintePrecedente']}".encode()
    ).hexdigest()
