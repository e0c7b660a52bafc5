"""Réseaux of their own; clients and membres with a life, a version, and the order of their creation

Revision: 0009
Follows: 0008
"""

import itertools
import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None
kind = "stop"

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
CLE = sa.String(length=64).with_variant(sa.String(length=64, collation="C"), "postgresql")
INSTANT = sa.DateTime(timezone=True)
IDENTIFIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
BATCH = 5_000

REFERENCES = {
    ("membres", "fk_membres_client_id"): (["client_id"], "clients"),
    ("acces", "fk_acces_client_id"): (["client_id"], "clients"),
    ("cartes", "fk_cartes_client_id_membre_id"): (["client_id", "membre_id"], "membres"),
}
"""What refers to a client or a membre. PostgreSQL ties it to the key of the table, which is replaced."""

TEXTS = {"contact_nom": 200, "contact_email": 254, "contact_telephone": 32, "ninea": 32}
CHECKS = {
    "clients": {
        "statut_connu": "statut IN ('ACTIF', 'SUSPENDU', 'CLOS')",
        "nombres_positifs": "nombre_membres >= 0 AND nombre_cartes >= 0",
        "version_positive": "version > 0",
    },
    "membres": {
        "statut_connu": "statut IN ('ACTIF', 'CLOS')",
        "version_positive": "version > 0",
        "wallet_partage_booleen": "wallet_partage IN (0, 1)",
    },
}
KEYS = {"clients": ["client_id"], "membres": ["client_id", "membre_id"]}
INDEXES = {
    "clients": (
        ["statut", "id"],
        ["reseau_id", "id"],
        ["reseau_id", "statut", "id"],
        ["cle_id", "id"],
        ["cle_nom", "id"],
    ),
    "membres": (
        ["client_id", "wallet_id"],
        ["client_id", "id"],
        ["client_id", "statut", "id"],
        ["client_id", "cle_id", "id"],
        ["client_id", "cle_nom", "id"],
    ),
}
OF_CLIENTS = "client_id, nom"
OF_MEMBRES = (
    "client_id, membre_id, wallet_id, nom, prenom, email, telephone, numero_piece, date_naissance"
)
PARTAGE = (
    "EXISTS (SELECT 1 FROM membres AS autre WHERE autre.client_id = membres.client_id"
    " AND autre.wallet_id = membres.wallet_id AND autre.membre_id <> membres.membre_id)"
)
ONE_OF_A_WALLET = "statut = 'ACTIF' AND wallet_partage = 0"


def upgrade() -> None:
    _create_reseaux()
    names = _name_reseaux()
    if _on_sqlite():
        _rebuild("clients", _old_clients(), _new_of_clients(), OF_CLIENTS, "reseau")
        _rebuild("membres", _old_membres(), _new_of_membres(), OF_MEMBRES)
    else:
        _alter(_new_of_clients(), _new_of_membres())
    for texte, reseau_id in names.items():
        op.execute(
            sa.text("UPDATE clients SET reseau_id = :id WHERE reseau = :texte").bindparams(
                id=reseau_id, texte=texte
            )
        )
    op.drop_column("clients", "reseau")
    _create_indexes()
    _count()
    _fold_names("clients", "client_id", "nom")
    _fold_names("membres", "membre_id", "nom || ' ' || prenom")


def downgrade() -> None:
    """Fails, and changes nothing, where a client or a membre is what version 0008 cannot say."""
    _refuse_to_forget()
    op.add_column("clients", sa.Column("reseau", sa.String(length=64), nullable=True))
    op.execute(
        "UPDATE clients SET reseau ="
        " (SELECT nom FROM reseaux WHERE reseaux.reseau_id = clients.reseau_id)"
    )
    op.drop_index(op.f("uq_membres_wallet_actif"), "membres")
    for table, indexes in INDEXES.items():
        for columns in indexes:
            op.drop_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table)
    if _on_sqlite():
        _rebuild("clients", _old_clients(), [], f"{OF_CLIENTS}, reseau")
        _rebuild("membres", _old_membres(), [], OF_MEMBRES)
    else:
        _alter_back()
    _create_index_of_wallets()
    op.drop_table("reseaux")


def _on_sqlite() -> bool:
    return op.get_bind().dialect.name == "sqlite"


# ── réseaux ──────────────────────────────────────────────────────────────────────────────────────
def _create_reseaux() -> None:
    op.create_table(
        "reseaux",
        sa.Column("id", ID, nullable=False),
        sa.Column("reseau_id", sa.String(length=32), nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("nombre_clients", ID, server_default="0", nullable=False),
        sa.Column("version", ID, server_default="1", nullable=False),
        sa.Column("cree_le", INSTANT, nullable=True),
        sa.CheckConstraint("nombre_clients >= 0", name=op.f("ck_reseaux_nombre_clients_positif")),
        sa.CheckConstraint("version > 0", name=op.f("ck_reseaux_version_positive")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reseaux")),
        sa.UniqueConstraint("reseau_id", name=op.f("uq_reseaux_reseau_id")),
    )


def _name_reseaux() -> dict[str, str]:
    """A réseau for each text that clients had; its id, by the text.

    A text that can be an id is its own; another one is given the nearest that is free.
    """
    found = op.get_bind().scalars(
        sa.text("SELECT DISTINCT reseau FROM clients WHERE reseau IS NOT NULL")
    )
    texts = sorted(found, key=lambda texte: (not IDENTIFIANT.fullmatch(texte), texte))
    names: dict[str, str] = {}
    for texte in texts:
        taken = set(names.values())
        names[texte] = next(one for one in _candidates(texte) if one not in taken)
        op.execute(
            sa.text("INSERT INTO reseaux (reseau_id, nom) VALUES (:id, :nom)").bindparams(
                id=names[texte], nom=texte or names[texte]
            )
        )
    return names


def _candidates(texte: str) -> Iterator[str]:
    bare = unicodedata.normalize("NFKD", texte).encode("ascii", "ignore").decode()
    near = re.sub(r"[^A-Za-z0-9._-]+", "-", bare).strip("._-")
    if IDENTIFIANT.fullmatch(texte):
        yield texte
    if near:
        yield near[:32]
    for number in itertools.count(1):
        yield f"{near[:24] or 'RES'}-{number}"


# ── the two tables ───────────────────────────────────────────────────────────────────────────────
def _key(table: str) -> list[sa.schema.SchemaItem]:
    columns = KEYS[table]
    name = op.f(f"uq_{table}_{'_'.join(columns)}")
    return [
        sa.PrimaryKeyConstraint("id", name=op.f(f"pk_{table}")),
        sa.UniqueConstraint(*columns, name=name),
        *(
            sa.CheckConstraint(condition, name=op.f(f"ck_{table}_{check}"))
            for check, condition in CHECKS[table].items()
        ),
    ]


def _old_clients() -> list[sa.Column[Any]]:
    return [
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("nom", sa.String(length=200), nullable=False),
        sa.Column("reseau", sa.String(length=64), nullable=True),
    ]


def _new_of_clients() -> list[sa.Column[Any]]:
    return [
        sa.Column("reseau_id", sa.String(length=32), nullable=True),
        sa.Column("statut", sa.String(length=8), server_default="ACTIF", nullable=False),
        *(
            sa.Column(name, sa.String(length=size), server_default="", nullable=False)
            for name, size in TEXTS.items()
        ),
        sa.Column("nombre_membres", ID, server_default="0", nullable=False),
        sa.Column("nombre_cartes", ID, server_default="0", nullable=False),
        sa.Column("version", ID, server_default="1", nullable=False),
        sa.Column("cree_le", INSTANT, nullable=True),
        *_cles(),
    ]


def _old_membres() -> list[sa.Column[Any]]:
    return [
        sa.Column("client_id", sa.String(length=32), nullable=False),
        sa.Column("membre_id", sa.String(length=32), nullable=False),
        sa.Column("wallet_id", sa.String(length=16), nullable=False),
        *(
            sa.Column(name, sa.String(length=size), server_default="", nullable=False)
            for name, size in {
                "nom": 200,
                "prenom": 200,
                "email": 254,
                "telephone": 32,
                "numero_piece": 64,
            }.items()
        ),
        sa.Column("date_naissance", sa.Date(), nullable=True),
    ]


def _new_of_membres() -> list[sa.Column[Any]]:
    return [
        sa.Column("statut", sa.String(length=8), server_default="ACTIF", nullable=False),
        sa.Column("version", ID, server_default="1", nullable=False),
        sa.Column("wallet_partage", ID, server_default="0", nullable=False),
        *_cles(),
    ]


def _cles() -> list[sa.Column[Any]]:
    return [
        sa.Column(name, CLE, server_default="", nullable=False) for name in ("cle_id", "cle_nom")
    ]


def _rebuild(
    table: str,
    old: list[sa.Column[Any]],
    new: list[sa.Column[Any]],
    columns: str,
    *more: str,
) -> None:
    """SQLite changes no constraint of a table that exists: it gets a new one, with the same rows."""
    constraints: list[sa.schema.SchemaItem] = []
    if new:
        constraints += [sa.Column("id", ID, nullable=False), *_key(table)]
    else:
        constraints.append(sa.PrimaryKeyConstraint(*KEYS[table], name=op.f(f"pk_{table}")))
    if table == "membres":
        constraints.append(
            sa.ForeignKeyConstraint(
                ["client_id"], ["clients.client_id"], name=op.f("fk_membres_client_id")
            )
        )
    elif new:
        constraints.append(
            sa.ForeignKeyConstraint(
                ["reseau_id"], ["reseaux.reseau_id"], name=op.f("fk_clients_reseau_id")
            )
        )
    op.create_table(f"new_{table}", *old, *new, *constraints)
    copied = ", ".join([columns, *more])
    order = "rowid" if new else "id"
    op.execute(
        f"INSERT INTO new_{table} ({copied}) SELECT {copied} FROM {table} ORDER BY {order}"  # noqa: S608
    )
    op.execute(f"DROP TABLE {table}")  # its indexes go with it
    op.execute(f"ALTER TABLE new_{table} RENAME TO {table}")


def _alter(of_clients: list[sa.Column[Any]], of_membres: list[sa.Column[Any]]) -> None:
    for table, name in REFERENCES:
        op.drop_constraint(op.f(name), table, type_="foreignkey")
    for table, columns in (("clients", of_clients), ("membres", of_membres)):
        op.drop_constraint(op.f(f"pk_{table}"), table, type_="primary")
        op.execute(f"ALTER TABLE {table} ADD COLUMN id BIGSERIAL")
        for column in columns:
            op.add_column(table, column)
        op.create_primary_key(op.f(f"pk_{table}"), table, ["id"])
        op.create_unique_constraint(op.f(f"uq_{table}_{'_'.join(KEYS[table])}"), table, KEYS[table])
        for check, condition in CHECKS[table].items():
            op.create_check_constraint(op.f(f"ck_{table}_{check}"), table, condition)
    _refer_again()
    op.create_foreign_key(
        op.f("fk_clients_reseau_id"), "clients", "reseaux", ["reseau_id"], ["reseau_id"]
    )


def _alter_back() -> None:
    for table, name in REFERENCES:
        op.drop_constraint(op.f(name), table, type_="foreignkey")
    for table, columns in (("clients", _new_of_clients()), ("membres", _new_of_membres())):
        op.drop_constraint(op.f(f"uq_{table}_{'_'.join(KEYS[table])}"), table, type_="unique")
        for column in columns:  # their checks and references go with them
            op.drop_column(table, column.name)
        op.drop_column(table, "id")
        op.create_primary_key(op.f(f"pk_{table}"), table, KEYS[table])
    _refer_again()


def _refer_again() -> None:
    for (table, name), (columns, to) in REFERENCES.items():
        op.create_foreign_key(op.f(name), table, to, columns, columns)


def _create_index_of_wallets() -> None:
    op.create_index(op.f("ix_membres_client_id_wallet_id"), "membres", ["client_id", "wallet_id"])


def _create_indexes() -> None:
    if _on_sqlite():
        _create_index_of_wallets()
    # Who had the wallet of another one keeps it, and nobody else is given it.
    op.execute(f"UPDATE membres SET wallet_partage = 1 WHERE {PARTAGE}")  # noqa: S608
    for table, indexes in INDEXES.items():
        for columns in indexes:
            if columns != ["client_id", "wallet_id"]:
                op.create_index(op.f(f"ix_{table}_{'_'.join(columns)}"), table, columns)
    op.create_index(
        op.f("uq_membres_wallet_actif"),
        "membres",
        ["client_id", "wallet_id"],
        unique=True,
        postgresql_where=sa.text(ONE_OF_A_WALLET),
        sqlite_where=sa.text(ONE_OF_A_WALLET),
    )


# ── what follows from the rows ───────────────────────────────────────────────────────────────────
def _count() -> None:
    for table, column in (("membres", "nombre_membres"), ("cartes", "nombre_cartes")):
        op.execute(
            f"UPDATE clients SET {column} ="  # noqa: S608 - our names
            f" (SELECT count(*) FROM {table} WHERE {table}.client_id = clients.client_id)"
        )
    op.execute(
        "UPDATE reseaux SET nombre_clients ="
        " (SELECT count(*) FROM clients WHERE clients.reseau_id = reseaux.reseau_id)"
    )


def _fold(texte: str) -> str:
    bare = "".join(
        one for one in unicodedata.normalize("NFKD", texte) if not unicodedata.combining(one)
    )
    return " ".join(bare.casefold().split())[:64].rstrip()


def _fold_names(table: str, key: str, name: str) -> None:
    """Names as they are searched, which no SQL of both databases makes."""
    connection = op.get_bind()
    batch = sa.text(
        f"SELECT id, {key}, {name} FROM {table} WHERE id > :last ORDER BY id LIMIT {BATCH}"  # noqa: S608
    )
    write = _writer(table)
    last = 0
    while rows := connection.execute(batch, {"last": last}).all():
        write([(row[0], _fold(row[1]), _fold(row[2])) for row in rows])
        last = rows[-1][0]


def _writer(table: str) -> Callable[[list[tuple[int, str, str]]], None]:
    connection = op.get_bind()
    if _on_sqlite():
        one = f"UPDATE {table} SET cle_id = ?, cle_nom = ? WHERE id = ?"  # noqa: S608

        def write_each(rows: list[tuple[int, str, str]]) -> None:
            connection.exec_driver_sql(one, [(*row[1:], row[0]) for row in rows])

        return write_each
    many = sa.text(
        f"UPDATE {table} SET cle_id = lue.cle_id, cle_nom = lue.cle_nom"  # noqa: S608
        " FROM unnest(CAST(:ids AS BIGINT[]), CAST(:cles AS TEXT[]), CAST(:noms AS TEXT[]))"
        f" AS lue (id, cle_id, cle_nom) WHERE {table}.id = lue.id"
    )

    def write(rows: list[tuple[int, str, str]]) -> None:
        ids, cles, noms = (list(column) for column in zip(*rows, strict=True))
        connection.execute(many, {"ids": ids, "cles": cles, "noms": noms})

    return write


def _refuse_to_forget() -> None:
    connection = op.get_bind()
    for what, query in {
        "clients that are suspended or closed": "SELECT count(*) FROM clients WHERE statut <> 'ACTIF'",
        "membres that are closed": "SELECT count(*) FROM membres WHERE statut <> 'ACTIF'",
        "clients with a contact or a number": (
            "SELECT count(*) FROM clients WHERE contact_nom <> '' OR contact_email <> ''"
            " OR contact_telephone <> '' OR ninea <> ''"
        ),
        "réseaux of one name, or of a long one": (
            "SELECT count(*) FROM reseaux WHERE length(nom) > 64 OR EXISTS (SELECT 1 FROM reseaux AS"
            " autre WHERE autre.nom = reseaux.nom AND autre.id <> reseaux.id)"
        ),
    }.items():
        nombre = connection.scalar(sa.text(query))
        if nombre:
            raise ValueError(f"version 0008 has no place for {nombre} {what}")
