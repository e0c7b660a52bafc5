"""A rule of validation: how many other persons a demande needs, by its type and its amount.

The rules are data, so that a deployment can ask for more; what a rule may at least ask is not lowered.
"""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    PrimaryKeyConstraint,
    String,
    Table,
    select,
    update,
)

from models.base import BigId, metadata

regles_validation = Table(
    "regles_validation",
    metadata,
    Column("type", String(64), nullable=False, doc="operationId, and a variant behind a colon"),
    Column("montant_minimal", BigId, nullable=False, doc="0: whatever the amount, or without one"),
    Column("validations", BigId, nullable=False),
    Column("minimum", BigId, nullable=False, doc="what `validations` may be lowered to"),
    Column("forte", BigId, nullable=False, doc="1: who validates has authenticated a moment ago"),
    Column("meme_personne", BigId, nullable=False, doc="1: who entered may validate"),
    Column("version", BigId, nullable=False),
    PrimaryKeyConstraint("type", "montant_minimal"),
    CheckConstraint("validations BETWEEN minimum AND 2", name="validations_permises"),
    CheckConstraint("minimum BETWEEN 0 AND 2", name="minimum_permis"),
    CheckConstraint("forte IN (0, 1)", name="forte_booleen"),
    CheckConstraint(
        "meme_personne IN (0, 1) AND meme_personne + minimum <= 1", name="meme_personne_permise"
    ),
)


class Regle(NamedTuple):
    """A rule. `montant_minimal` in francs, 0 where the amount does not matter."""

    type: str
    montant_minimal: int
    validations: int
    minimum: int
    forte: bool
    meme_personne: bool
    version: int


def _regles(*types: str, validations: int, minimum: int, forte: bool = False) -> list[Regle]:
    return [Regle(one, 0, validations, minimum, forte, False, 1) for one in types]


REGLES: list[Regle] = [
    # What protects is immediate.
    *_regles("changerStatutAgent:SUSPENDU", validations=0, minimum=0),
    *_regles("changerStatutClient:SUSPENDU", validations=0, minimum=0),
    *_regles("opposerCarte", "leverOpposition:BLOCAGE_TEMPORAIRE", validations=0, minimum=0),
    *_regles("saisirPlafondCarte:BAISSE", "saisirPlafondPartenaire:BAISSE", validations=0, minimum=0),
    *_regles("changerStatutPartenaire:SUSPENDU", "modifierPartenaire:RETRAIT", validations=0, minimum=0),
    *_regles("revoquerSecretPartenaire", "revoquerJetonsPartenaire", validations=0, minimum=0),
    # What its holder, or its partner's engineer, waits for, and what was agreed to before.
    *_regles("activerCarte", "renouvelerSecretPartenaire", validations=0, minimum=0),
    # What a deployment may make immediate.
    *_regles("saisirClient", "modifierClient", "saisirReseau", validations=1, minimum=0),
    *_regles("saisirMembre", "modifierMembre", "changerStatutMembre", validations=1, minimum=0),
    *_regles("saisirProfilCarte", "modifierProfilCarte", validations=1, minimum=0),
    # What exposes money, identities or rights waits for a second person.
    *_regles("changerStatutClient", "affecterReseau", validations=1, minimum=1),
    *_regles("modifierMembre:walletId", validations=1, minimum=1),
    *_regles("emettreCartes", "renouvelerCarte", "remplacerCarte", validations=1, minimum=1),
    *_regles("annulerCarte", "leverOpposition", validations=1, minimum=1),
    *_regles("saisirPlafondCarte", "retirerPlafondCarte", validations=1, minimum=1),
    *_regles("transfererSoldeSpecial", "corrigerSoldeOuverture", validations=1, minimum=1, forte=True),
    Regle("transfererSoldeSpecial", 1_000_000, 2, 1, True, False, 1),
    *_regles("saisirPlafondPartenaire", "retirerPlafondPartenaire", validations=1, minimum=1, forte=True),
    *_regles("saisirPartenaire", "modifierPartenaire", validations=1, minimum=1, forte=True),
    *_regles("changerStatutPartenaire", "saisirAdressesPartenaire", validations=1, minimum=1, forte=True),
    *_regles("saisirAgent", "modifierAgent", "changerStatutAgent", validations=1, minimum=1, forte=True),
    *_regles("saisirRegleValidation", validations=1, minimum=1, forte=True),
]  # fmt: skip
"""The rules of a new database, which its migrations write. Of special transfers, three persons from a million
francs on."""


_COLUMNS = [regles_validation.c[name] for name in Regle._fields]


def _read(row: tuple[object, ...]) -> Regle:
    regle = Regle._make(row)
    return regle._replace(forte=bool(regle.forte), meme_personne=bool(regle.meme_personne))


def find_regle(connection: Connection, type_: str, montant: int | None = None) -> Regle:
    """The rule of a type of demande: of its highest bracket that the amount reaches.

    Of a variant that has no rule of its own (`modifierMembre:nom`), that of the type before the colon.
    Raises LookupError: every type has one.
    """
    names = [type_, type_.partition(":")[0]]
    rows = connection.execute(
        select(*_COLUMNS)
        .where(
            regles_validation.c.type.in_(names),
            regles_validation.c.montant_minimal <= (montant or 0),
        )
        .order_by(regles_validation.c.montant_minimal.desc())
    ).all()
    for name in names:
        for row in rows:
            if row.type == name:
                return _read(tuple(row))
    raise LookupError(f"no rule of validation for {type_}")


def read_regle(
    connection: Connection, type_: str, montant_minimal: int, *, lock: bool = False
) -> Regle | None:
    """The rule of this very type and bracket; held until the transaction ends with `lock`."""
    statement = select(*_COLUMNS).where(
        regles_validation.c.type == type_, regles_validation.c.montant_minimal == montant_minimal
    )
    row = connection.execute(statement.with_for_update() if lock else statement).first()
    return None if row is None else _read(tuple(row))


_FORTES = frozenset(one.type for one in REGLES if one.forte)


def is_forte(regle: Regle) -> bool:
    """Whether its validations can never be given without having authenticated a moment ago."""
    return regle.type in _FORTES


def list_regles(connection: Connection, type_: str | None = None) -> list[Regle]:
    """The rules, of one type and its variants or of all, by type and amount."""
    statement = select(*_COLUMNS).order_by(
        regles_validation.c.type, regles_validation.c.montant_minimal
    )
    found = [_read(tuple(row)) for row in connection.execute(statement)]
    return [one for one in found if type_ is None or one.type.partition(":")[0] == type_]


def update_regle(connection: Connection, before: Regle, after: Regle) -> bool:
    """Replace a rule by another one, one version later. False when it was changed meanwhile."""
    changed = connection.execute(
        update(regles_validation)
        .where(
            regles_validation.c.type == before.type,
            regles_validation.c.montant_minimal == before.montant_minimal,
            regles_validation.c.version == before.version,
        )
        .values(
            validations=after.validations,
            forte=int(after.forte),
            meme_personne=int(after.meme_personne),
            version=before.version + 1,
        )
    )
    return changed.rowcount == 1
