"""What every peer does with the database: SQLAlchemy Core, prepared once, one statement a step.

The promises are those of models.database, in the plainest words: one transaction for a debit, commits that
are flushed, BEGIN IMMEDIATE and a queue of writers on SQLite, autocommit for what only reads.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    bindparam,
    create_engine,
    delete,
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
from models.carte import ANNULEE, OPPOSITION, cartes
from models.database.engine import sqlite_module
from models.journal.ecriture import ecritures
from models.membre import membres
from models.operation import DEBIT, EXECUTEE, new_numero_operation, operations
from models.partenaire import acces, partenaires
from models.secret import secrets as pairs

URL = os.environ.get("CYNOD_DATABASE_URL", "")
PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
POOL_SIZE = int(os.environ.get("BENCH_POOL", "10"))
IS_SQLITE = URL.startswith("sqlite")
WAIT_S = 10
TOKEN_S = 3600

SOLDE = "Sauf omission* de notre part votre nouveau solde est de {soldeOnline:.0f}  FCFA "
VALIDE = "Votre carte est valide et valable jusqu'au {finValidite}"
DEBITE = (
    "Votre carte a été débitée de {montant} FCFA, votre nouveau solde est de {soldeOnline:.0f} FCFA"
)


# ── answers ──────────────────────────────────────────────────────────────────────────────────────
class Refused(Exception):
    """A refusal of the catalogue: HTTP status, code, text."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "success": False,
            "code": code,
            "message": message,
            "debugMessage": None if code == "405" else message,
            "moreInfo": None,
        }


def malformed(name: str) -> Refused:
    """A parameter or a field that is missing, does not fit, or is not declared."""
    return Refused(400, "405", f"Paramètre {name} manquant ou invalide")


def unreadable() -> Refused:
    """A body that is no JSON object."""
    return Refused(400, "1001", "Corps de la requête illisible")


def unknown() -> Refused:
    """No such card or client for this partner."""
    return Refused(400, "412", "Utilisateur inexistant ou invalide")


def unauthenticated() -> Refused:
    """No token, or one that opens nothing."""
    return Refused(401, "2001", "Authentification requise ou invalide")


def answer(text: str, item: dict[str, Any]) -> dict[str, Any]:
    """The envelope of one item."""
    return {"success": True, "code": 200, "message": text.format_map(item), "data": [item]}


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
class Caller(NamedTuple):
    """Who calls."""

    id: int
    compte_id: int


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


def hash_secret(secret: str) -> bytes:
    """As it is stored."""
    return hmac.digest(PEPPER, secret.encode(), hashlib.sha256)


def authenticate(connection: Connection, authorization: str | None, scope: str) -> Caller:
    """The caller of a `Bearer …` header, entitled to the scope. Raises Refused."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthenticated()
    caller, scopes = find_caller(connection, token)
    if scope not in scopes:
        raise Refused(403, "2003", "Droit insuffisant pour cette opération")
    return caller


def find_caller(connection: Connection, token: str) -> tuple[Caller, set[str]]:
    """The caller of a bearer token, and what the token entitles to. Raises Refused."""
    row = connection.execute(_TOKEN, {"empreinte": hash_secret(token)}).first()
    if row is None:
        raise unauthenticated()
    if row.expire_le <= datetime.now(UTC):
        raise Refused(401, "2002", "Jeton expiré")
    scopes = set(row.scopes.split()) & set(row.granted.split())
    return Caller(row.id, row.compte_id), scopes


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
        cartes.c.membre_id,
        membres.c.prenom,
        membres.c.nom,
        cartes.c.statut,
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
        raise unknown()
    return row


def _jour(jour: date | None) -> str:
    return f"{jour:%d/%m/%Y}" if jour else ""


def _instant(moment: datetime) -> str:
    return f"{moment:%d-%m-%Y %H:%M:%S}"


def _check_usable(statut: str, fin_validite: date) -> None:
    if statut == ANNULEE:
        raise Refused(400, "3003", "Carte annulée")
    if statut == OPPOSITION:
        raise Refused(400, "3002", "Carte en opposition")
    if fin_validite < datetime.now(UTC).date():
        raise Refused(400, "3001", "Carte expirée")


def solde(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """getSoldeCarte of a numeroCarte, a walletId and a clientId. Raises Refused."""
    row = _find(connection, caller, _CARTE, (ids[0], ids[1], ids[2]))
    item = {
        "numeroCarte": row.numero_carte,
        "soldeOnline": float(row.solde),
        "dateSolde": _instant(row.date_solde),
        "unite": row.unite,
    }
    return answer(SOLDE, item)


def validite(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """checkCardValidity of a numeroCarte, a walletId and a clientId. Raises Refused."""
    row = _find(connection, caller, _PORTEUR, (ids[0], ids[1], ids[2]))
    _check_usable(row.statut, row.fin_validite)
    item = {
        "numeroCarte": row.numero_carte,
        "finValidite": _jour(row.fin_validite),
        "nom": row.nom,
        "prenom": row.prenom,
        "email": row.email,
        "telephone": row.telephone,
        "numeroPiece": row.numero_piece,
        "dateNaissance": _jour(row.date_naissance),
    }
    return answer(VALIDE, item)


def liste(
    connection: Connection, caller: Caller, client: str, limite: int, curseur: str | None
) -> dict[str, Any]:
    """A page of getListeCartes. Raises Refused."""
    after = _position(curseur) if curseur else 0
    if not connection.scalar(_ALLOWED, {"partenaire": caller.id, "client": client}):
        raise unknown()
    values = {"client": client, "after": after, "count": limite + 1}
    rows = connection.execute(_LIST, values).all()
    more = len(rows) > limite
    return {
        "success": True,
        "code": 200,
        "message": "Liste des cartes",
        "data": [
            {
                "numeroCarte": row.numero_carte,
                "membreId": row.membre_id,
                "porteur": f"{row.prenom} {row.nom}".strip(),
                "statut": row.statut,
                "finValidite": _jour(row.fin_validite),
                "soldeOnline": float(row.solde),
                "unite": row.unite,
            }
            for row in rows[:limite]
        ],
        "curseurSuivant": cursor(rows[limite - 1].id) if more else None,
    }


def cursor(position: int) -> str:
    """The cursor after a card's id."""
    return base64.urlsafe_b64encode(b"1:%d" % position).rstrip(b"=").decode()


def _position(curseur: str) -> int:
    try:
        version, _, position = base64.urlsafe_b64decode(curseur + "==").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise malformed("curseur") from None
    if version != "1" or not position.isdecimal():
        raise malformed("curseur")
    return int(position)


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
_DETAILS = ("motif", "pointDeService", "terminal")


def debiter(connection: Connection, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """debitCarte, in a transaction that the caller ends. Raises Refused."""
    ids = (body["numeroCarte"], body["walletId"], body["clientId"])
    carte = _find(connection, caller, _CARTE, ids)
    montant, reference = body["montant"], body["reference"]
    details = [body.get(name) for name in _DETAILS]
    # The hash of the content as ours makes it, so that either replays the other's.
    content = json.dumps([DEBIT, ids, montant, details, None])
    empreinte = hashlib.sha256(content.encode("ascii")).digest()
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
        digest = hashlib.sha256(f"{caller.id}:{reference}".encode()).digest()
        values["lock"] = int.from_bytes(digest[:8], signed=True)
    operation_id = connection.execute(_CLAIM, values).scalar()
    if operation_id is None:
        return _replay(connection, caller, body, empreinte)
    moved = connection.execute(
        _TAKE, {"card": carte.id, "today": at.date(), "amount": montant, "at": at}
    ).first()
    if moved is None:
        _check_usable(*connection.execute(_STATE, {"card": carte.id}).one())
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
    return _mouvement(body, numero, carte.unite, moved.solde, at)


def _replay(
    connection: Connection, caller: Caller, body: dict[str, Any], empreinte: bytes
) -> dict[str, Any]:
    values = {"partenaire": caller.id, "reference": body["reference"]}
    row = connection.execute(_FIRST, values).first()
    if row is None or row.empreinte != empreinte:
        raise Refused(400, "4002", "Référence déjà utilisée pour une autre opération")
    return _mouvement(body, row.numero_operation, row.unite, row.solde_debit, row.date_operation)


def _mouvement(
    body: dict[str, Any], numero: str, unite: str, reste: int, at: datetime
) -> dict[str, Any]:
    item = {
        "reference": body["reference"],
        "numeroOperation": numero,
        "type": DEBIT,
        "statut": EXECUTEE,
        "numeroCarte": body["numeroCarte"],
        "montant": body["montant"],
        "unite": unite,
        "soldeOnline": float(reste),
        "dateOperation": _instant(at),
    }
    return answer(DEBITE, item)


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
_FORGET = delete(jetons).where(
    jetons.c.partenaire_id == bindparam("owner"), jetons.c.expire_le < bindparam("before")
)
_ISSUE = insert(jetons)


def jeton(connection: Connection, key: str, secret: str) -> dict[str, Any]:
    """accessToken, in a transaction that the caller ends. Raises Refused."""
    at = datetime.now(UTC)
    rows = connection.execute(_PAIR, {"key": key, "at": at}).all()
    given = hash_secret(secret)
    matches = [hmac.compare_digest(given, row.empreinte) for row in rows]
    if not any(matches):
        raise Refused(401, "2101", "Consumer-key ou consumer-secret invalide")
    token, owner = secrets.token_urlsafe(32), rows[0]
    scope = " ".join(sorted(owner.scopes.split()))
    connection.execute(_FORGET, {"owner": owner.id, "before": at - timedelta(days=1)})
    connection.execute(
        _ISSUE,
        {
            "empreinte": hash_secret(token),
            "partenaire_id": owner.id,
            "scopes": scope,
            "emis_le": at,
            "expire_le": at + timedelta(seconds=TOKEN_S),
        },
    )
    return {
        "success": True,
        "code": 200,
        "message": "Jeton délivré",
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_S,
        "scope": scope,
    }
