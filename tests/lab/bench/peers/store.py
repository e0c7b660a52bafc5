"""What every peer does with the database: SQLAlchemy Core, prepared once, one statement a step.

The promises are those of models.database, in the plainest words: one transaction for a debit, commits that
are flushed, BEGIN IMMEDIATE and a queue of writers on SQLite, autocommit for what only reads.
"""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    Connection,
    bindparam,
    create_engine,
    event,
    exists,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.pool import QueuePool

from models.authentification import jetons
from models.carte import ACTIVE as USABLE
from models.carte import cartes
from models.database.engine import sqlite_module
from models.journal.ecriture import ecritures
from models.membre import membres
from models.operation import DEBIT, EXECUTEE, new_numero_operation, operations
from models.partenaire import acces, partenaires
from models.secret import secrets as pairs
from tests.lab.bench.peers import answers
from tests.lab.bench.peers.answers import POOL_SIZE, TOKEN_S, WAIT_S, Caller, Refused

URL = os.environ.get("CYNOD_DATABASE_URL", "")
IS_SQLITE = URL.startswith("sqlite")


# ── the engine ───────────────────────────────────────────────────────────────────────────────────
def _engine() -> Any:
    if IS_SQLITE:
        made = create_engine(
            URL,
            module=sqlite_module(),
            poolclass=QueuePool,
            pool_size=POOL_SIZE,
            max_overflow=0,
            pool_timeout=WAIT_S,
            connect_args={
                "isolation_level": None,
                "check_same_thread": False,
                "timeout": WAIT_S,
            },
        )

        @event.listens_for(made, "connect")
        def configure(connection: Any, _record: Any) -> None:
            for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
                connection.execute(f"PRAGMA {pragma}")

        return made
    return create_engine(
        URL,
        pool_size=POOL_SIZE,
        max_overflow=0,
        pool_timeout=WAIT_S,
        isolation_level="READ COMMITTED",
    )


engine = _engine()
_autocommit = engine if IS_SQLITE else engine.execution_options(isolation_level="AUTOCOMMIT")
# SQLite has one writer: those of a process queue here, or they would poll its lock.
_writer = threading.Lock()


@contextmanager
def reading() -> Iterator[Connection]:
    """A connection for statements that write nothing: no BEGIN, no COMMIT."""
    with _autocommit.connect() as connection:
        yield connection


@contextmanager
def transaction() -> Iterator[Connection]:
    """A transaction, committed at the end of the block, rolled back when it raises."""
    if not IS_SQLITE:
        with engine.begin() as connection:
            yield connection
        return
    with _writer, engine.connect() as connection:
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        try:
            yield connection
            connection.exec_driver_sql("COMMIT")
        except BaseException:
            connection.exec_driver_sql("ROLLBACK")
            raise


# ── who calls ────────────────────────────────────────────────────────────────────────────────────
_TOKEN = (
    select(
        partenaires.c.id,
        partenaires.c.compte_id,
        partenaires.c.scopes,
        jetons.c.scopes.label("granted"),
        jetons.c.expire_le,
    )
    .join(jetons, jetons.c.partenaire_id == partenaires.c.id)
    .where(jetons.c.empreinte == bindparam("empreinte"), partenaires.c.revoque_le.is_(None))
)


def authenticate(connection: Connection, authorization: str | None, scope: str) -> Caller:
    """The caller of a `Bearer …` header, entitled to the scope. Raises Refused."""
    caller, scopes = find_caller(connection, answers.read_bearer(authorization))
    answers.check_scope(scope, scopes)
    return caller


def find_caller(connection: Connection, token: str) -> tuple[Caller, set[str]]:
    """The caller of a bearer token, and what the token entitles to. Raises Refused."""
    row = connection.execute(_TOKEN, {"empreinte": answers.hash_secret(token)}).first()
    return answers.check_token(row)


# ── cards ────────────────────────────────────────────────────────────────────────────────────────
_OF_CALLER = (
    cartes.c.numero_carte == bindparam("numero"),
    cartes.c.client_id == bindparam("client"),
    acces.c.client_id == cartes.c.client_id,
    acces.c.partenaire_id == bindparam("partenaire"),
    membres.c.client_id == cartes.c.client_id,
    membres.c.membre_id == cartes.c.membre_id,
    membres.c.wallet_id == bindparam("wallet"),
)
_CARTE = select(
    cartes.c.id,
    cartes.c.numero_carte,
    cartes.c.compte_id,
    cartes.c.unite,
    cartes.c.solde,
    cartes.c.date_solde,
).where(*_OF_CALLER)
_PORTEUR = select(
    cartes.c.numero_carte,
    cartes.c.statut,
    cartes.c.fin_validite,
    membres.c.nom,
    membres.c.prenom,
    membres.c.email,
    membres.c.telephone,
    membres.c.numero_piece,
    membres.c.date_naissance,
).where(*_OF_CALLER)
_ALLOWED = select(
    exists().where(
        acces.c.partenaire_id == bindparam("partenaire"), acces.c.client_id == bindparam("client")
    )
)
_LIST = (
    select(
        cartes.c.id,
        cartes.c.numero_carte,
        cartes.c.carte_id,
        cartes.c.membre_id,
        membres.c.prenom,
        membres.c.nom,
        cartes.c.statut,
        cartes.c.motif_statut,
        cartes.c.fin_validite,
        cartes.c.solde,
        cartes.c.unite,
    )
    .where(
        cartes.c.client_id == bindparam("client"),
        cartes.c.id > bindparam("after"),
        membres.c.client_id == cartes.c.client_id,
        membres.c.membre_id == cartes.c.membre_id,
    )
    .order_by(cartes.c.id)
    .limit(bindparam("count"))
)


def _find(connection: Connection, caller: Caller, statement: Any, ids: tuple[str, str, str]) -> Any:
    numero, wallet, client = ids
    values = {"numero": numero, "wallet": wallet, "client": client, "partenaire": caller.id}
    row = connection.execute(statement, values).first()
    if row is None:
        raise answers.unknown()
    return row


def solde(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """getSoldeCarte of a numeroCarte, a walletId and a clientId. Raises Refused."""
    return answers.render_solde(_find(connection, caller, _CARTE, (ids[0], ids[1], ids[2])))


def validite(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """checkCardValidity of a numeroCarte, a walletId and a clientId. Raises Refused."""
    return answers.render_validite(_find(connection, caller, _PORTEUR, (ids[0], ids[1], ids[2])))


def liste(
    connection: Connection, caller: Caller, client: str, limite: int, curseur: str | None
) -> dict[str, Any]:
    """A page of getListeCartes. Raises Refused."""
    after = answers.read_curseur("1", curseur) if curseur else 0
    if not connection.scalar(_ALLOWED, {"partenaire": caller.id, "client": client}):
        raise answers.unknown()
    values = {"client": client, "after": after, "count": limite + 1}
    return answers.render_liste(connection.execute(_LIST, values).all(), limite)


# ── debit ────────────────────────────────────────────────────────────────────────────────────────
_CLAIMED: dict[str, Any] = {
    name: bindparam(f"v_{name}")
    for name in (
        *("numero_operation", "partenaire_id", "reference", "empreinte", "type", "statut"),
        *("carte_id", "montant", "unite", "motif", "point_de_service", "terminal"),
        "date_operation",
    )
}
# The advisory lock is how ours tells that an operation of the reference is running.
_CLAIM: Any = (
    sqlite.insert(operations).values(_CLAIMED).on_conflict_do_nothing().returning(operations.c.id)
    if IS_SQLITE
    else postgresql.insert(operations)
    .values(_CLAIMED)
    .on_conflict_do_nothing()
    .returning(operations.c.id, func.pg_advisory_xact_lock(bindparam("lock")))
)
_TAKE = (
    update(cartes)
    .where(
        cartes.c.id == bindparam("card"),
        cartes.c.statut == USABLE,
        cartes.c.fin_validite >= bindparam("today"),
        cartes.c.solde >= bindparam("amount"),
    )
    .values(
        solde=cartes.c.solde - bindparam("amount"),
        version=cartes.c.version + 1,
        date_solde=bindparam("at"),
    )
    .returning(cartes.c.solde, cartes.c.version)
)
_STATE = select(cartes.c.statut, cartes.c.fin_validite).where(cartes.c.id == bindparam("card"))
_FIRST = (
    select(
        operations.c.numero_operation,
        operations.c.empreinte,
        operations.c.unite,
        operations.c.date_operation,
        ecritures.c.solde_debit,
    )
    .join(ecritures, ecritures.c.operation_id == operations.c.id)
    .where(
        operations.c.partenaire_id == bindparam("partenaire"),
        operations.c.reference == bindparam("reference"),
    )
)
_POST = insert(ecritures)


def debiter(connection: Connection, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """debitCarte, in a transaction that the caller ends. Raises Refused."""
    ids = (body["numeroCarte"], body["walletId"], body["clientId"])
    carte = _find(connection, caller, _CARTE, ids)
    montant, reference = body["montant"], body["reference"]
    details = [body.get(name) for name in answers.DETAILS]
    empreinte = answers.hash_content(body)
    at, numero = datetime.now(UTC), new_numero_operation()
    values = dict(
        zip(
            (f"v_{name}" for name in _CLAIMED),
            (
                *(numero, caller.id, reference, empreinte, DEBIT, EXECUTEE, carte.id, montant),
                *(carte.unite, *details, at),
            ),
            strict=True,
        )
    )
    if not IS_SQLITE:
        values["lock"] = answers.find_lock(caller, reference)
    operation_id = connection.execute(_CLAIM, values).scalar()
    if operation_id is None:
        first = {"partenaire": caller.id, "reference": reference}
        row = connection.execute(_FIRST, first).first()
        return answers.render_replay(body, row, empreinte)
    moved = connection.execute(
        _TAKE, {"card": carte.id, "today": at.date(), "amount": montant, "at": at}
    ).first()
    if moved is None:
        answers.check_usable(*connection.execute(_STATE, {"card": carte.id}).one())
        raise Refused(400, "4001", "Solde insuffisant")
    connection.execute(
        _POST,
        {
            "operation_id": operation_id,
            "compte_debit": carte.compte_id,
            "compte_credit": caller.compte_id,
            "montant": montant,
            "unite": carte.unite,
            "version_debit": moved.version,
            "solde_debit": moved.solde,
        },
    )
    return answers.render_mouvement(body, numero, carte.unite, moved.solde, at)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
_PAIR = (
    select(partenaires.c.id, partenaires.c.scopes, pairs.c.empreinte)
    .join(pairs, pairs.c.partenaire_id == partenaires.c.id)
    .where(
        partenaires.c.consumer_key == bindparam("key"),
        partenaires.c.revoque_le.is_(None),
        or_(pairs.c.expire_le.is_(None), pairs.c.expire_le > bindparam("at")),
    )
)
_ISSUE = insert(jetons)


def jeton(connection: Connection, key: str, secret: str) -> dict[str, Any]:
    """accessToken, in a transaction that the caller ends. Raises Refused."""
    at = datetime.now(UTC)
    rows = connection.execute(_PAIR, {"key": key, "at": at}).all()
    owner, scope = answers.check_secret(rows, secret)
    token = secrets.token_urlsafe(32)
    connection.execute(
        _ISSUE,
        {
            "empreinte": answers.hash_secret(token),
            "partenaire_id": owner,
            "scopes": scope,
            "emis_le": at,
            "expire_le": at + timedelta(seconds=TOKEN_S),
        },
    )
    return answers.render_jeton(token, scope)
