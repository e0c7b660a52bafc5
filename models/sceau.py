"""A sceau: the seal of a range of operations and of their ecritures. The seals are a chain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Connection,
    LargeBinary,
    SmallInteger,
    Table,
    bindparam,
)
from sqlalchemy.dialects import postgresql, sqlite

from models.base import BigId, Instant, metadata
from models.database.prepared import Prepared

sceaux = Table(
    "sceaux",
    metadata,
    Column("numero", BigId, primary_key=True, autoincrement=False, doc="1, 2, 3, without a gap"),
    Column("scelle_le", Instant, nullable=False),
    Column(
        "forme",
        SmallInteger,
        nullable=False,
        doc="what is sealed of a row: see models/books/feuilles.py",
    ),
    Column(
        "jusqu_a",
        BigInteger,
        nullable=False,
        doc="id of its last operation; its first one follows the last of the seal before",
    ),
    Column("operations", BigInteger, nullable=False),
    Column("ecritures", BigInteger, nullable=False),
    Column("racine", LargeBinary(32), nullable=False, doc="Merkle root of its leaves"),
    Column("precedente", LargeBinary(32), nullable=False, doc="head of the seal before, or zeros"),
    Column(
        "empreinte",
        LargeBinary(32),
        nullable=False,
        doc="the head: hash of all the above; who keeps it elsewhere can prove all seals up to this",
    ),
    Column(
        "feuilles",
        LargeBinary,
        nullable=False,
        doc="the leaves, one of 41 bytes for each row: by them a changed row is named",
    ),
    CheckConstraint("numero > 0", name="numero_positif"),
)

_VALUES: dict[str, Any] = {column.name: bindparam(column.name) for column in sceaux.c}

_ADD = Prepared(
    {
        "postgresql": postgresql.insert(sceaux)
        .values(_VALUES)
        .on_conflict_do_nothing()
        .returning(sceaux.c.numero),
        "sqlite": sqlite.insert(sceaux)
        .values(_VALUES)
        .on_conflict_do_nothing()
        .returning(sceaux.c.numero),
    }
)


def add_sceau(connection: Connection, values: Mapping[str, Any]) -> bool:
    """Write a seal, unless another bears its number."""
    return _ADD.first(connection, dict(values)) is not None
