"""A code of withdrawal: with it the engineer of a partner takes a pair himself, so that no employee sees it.

The secret is made when the code is used, and nothing of the partner changes before: who never comes for it
leaves the partner with the secret that it has. A code is kept as a secret is, as a hash under the pepper.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import (
    CheckConstraint,
    Column,
    ColumnElement,
    Connection,
    ForeignKey,
    LargeBinary,
    Table,
    insert,
    select,
    update,
)

from models.audit import PARTENAIRE, Acteur, record
from models.base import BigId, Instant, metadata, now
from models.errors import CodeRetraitInvalide
from models.partenaire import ACTIF, hold_row, objet_partenaire, partenaires
from models.secret import hash_secret, new_secret, replace_secret

DUREE = timedelta(hours=72)
"""How long a code can be used."""

codes_retrait = Table(
    "codes_retrait",
    metadata,
    Column("id", BigId, primary_key=True),
    Column("partenaire_id", ForeignKey("partenaires.id"), nullable=False, index=True),
    Column("empreinte", LargeBinary(32), nullable=False, unique=True),
    Column("delai_heures", BigId, nullable=False, doc="how long the secret before then stays good"),
    Column("cree_le", Instant, nullable=False),
    Column("expire_le", Instant, nullable=False),
    Column("utilise_le", Instant),
    CheckConstraint("delai_heures >= 0", name="delai_positif"),
)


class Retrait(NamedTuple):
    """What a code opened, told once. `secret_id` is the name of the secret."""

    consumer_key: str
    consumer_secret: str
    secret_id: str


def give_code(
    connection: Connection,
    partenaire_id: int,
    *,
    pepper: bytes,
    delai_heures: int = 0,
    code: str | None = None,
) -> str:
    """A code for the partner, which is held: a new one, unless told. One from before opens nothing more."""
    moment = now()
    connection.execute(
        update(codes_retrait)
        .where(codes_retrait.c.partenaire_id == partenaire_id, *_alive(moment))
        .values(expire_le=moment)
    )
    code = code or new_secret()
    connection.execute(
        insert(codes_retrait).values(
            partenaire_id=partenaire_id,
            empreinte=hash_secret(code, pepper),
            delai_heures=delai_heures,
            cree_le=moment,
            expire_le=moment + DUREE,
        )
    )
    return code


def withdraw(
    connection: Connection,
    code: str,
    *,
    pepper: bytes,
    adresse: str | None = None,
    acteur: Acteur | None = None,
) -> Retrait:
    """Use a code: a new secret, and an end for those before it. It is the partner who does, unless told.

    Raises CodeRetraitInvalide for one that is unknown, used or too old, or of a partner that may not call: of
    one that is suspended it is as good as before, afterwards.
    """
    found = connection.execute(
        select(
            codes_retrait.c.id, codes_retrait.c.partenaire_id, codes_retrait.c.delai_heures
        ).where(codes_retrait.c.empreinte == hash_secret(code, pepper))
    ).first()
    if found is None:
        raise CodeRetraitInvalide
    hold_row(connection, found.partenaire_id)
    partenaire = connection.execute(
        select(partenaires).where(partenaires.c.id == found.partenaire_id)
    ).one()
    moment = now()
    used = connection.execute(
        update(codes_retrait)
        .where(codes_retrait.c.id == found.id, *_alive(moment))
        .values(utilise_le=moment)
    )
    if used.rowcount != 1 or partenaire.statut != ACTIF:
        raise CodeRetraitInvalide
    made = replace_secret(
        connection,
        partenaire.id,
        delai=timedelta(hours=found.delai_heures),
        pepper=pepper,
        retire_le=moment,
    )
    engineer = Acteur(PARTENAIRE, partenaire.consumer_key, partenaire.nom, adresse=adresse)
    record(
        connection,
        acteur or engineer,
        "retirerSecretInitial",
        objet_partenaire(partenaire.consumer_key),
        {"secretPrecedentExpireLe": made.fin_avant},
        {"secretId": made.secret_id, "secretPrecedentExpireLe": made.fin_remplace},
    )
    return Retrait(partenaire.consumer_key, made.secret, made.secret_id)


def _alive(moment: datetime) -> tuple[ColumnElement[bool], ...]:
    return codes_retrait.c.utilise_le.is_(None), codes_retrait.c.expire_le > moment
