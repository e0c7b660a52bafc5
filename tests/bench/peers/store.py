"""What every peer does with the database: SQLAlchemy Core, one statement for each step."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, exists, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from models.carte import ACTIVE, cartes
from models.db import Database
from models.journal import ecritures
from models.membre import membres
from models.operation import DEBIT, EXECUTEE, new_numero_operation, operations
from models.partenaire import acces, jetons, partenaires
from models.partenaire import secrets as secrets_table

PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
POOL_SIZE = 10
HOLDER = ("nom", "prenom", "email", "telephone", "numero_piece", "date_naissance")
MONEY_FIELDS = ("numeroCarte", "walletId", "clientId", "montant", "reference")


SOLDE = "Sauf omission* de notre part votre nouveau solde est de {soldeOnline:.0f}  FCFA "
VALIDE = "Votre carte est valide et valable jusqu'au {finValidite}"
DEBITE = (
    "Votre carte a été débitée de {montant} FCFA, votre nouveau solde est de {soldeOnline:.0f} FCFA"
)


def answer(text: str, item: dict[str, Any]) -> dict[str, Any]:
    """The envelope of one item."""
    return {"success": True, "code": 200, "message": text.format_map(item), "data": [item]}


def page(rows: list[dict[str, Any]], limite: int) -> dict[str, Any]:
    """The envelope of a page, from one row more than fits."""
    ids = [row.pop("id") for row in rows]
    following = (
        len(rows) > limite
        and base64.urlsafe_b64encode(b"1:%d" % ids[limite - 1]).rstrip(b"=").decode()
    )
    return {
        "success": True,
        "code": 200,
        "message": "Liste des cartes",
        "data": rows[:limite],
        "curseurSuivant": following,
    }


class Refused(Exception):
    """A refusal of the catalogue: HTTP status, code, text."""

    def __init__(self, status: int, code: str, message: str, *, debug: bool = False) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "success": False,
            "code": code,
            "message": message,
            "debugMessage": message if debug else None,
            "moreInfo": None,
        }


def malformed(name: str) -> Refused:
    """405 of the catalogue."""
    return Refused(400, "405", f"Paramètre {name} manquant ou invalide")


def unknown() -> Refused:
    """412 of the catalogue."""
    return Refused(400, "412", "Utilisateur inexistant ou invalide", debug=True)


def unauthenticated() -> Refused:
    """2001 of the catalogue."""
    return Refused(401, "2001", "Authentification absente ou invalide", debug=True)


def open_database() -> Database:
    """The database of the environment."""
    return Database(os.environ["CYNOD_DATABASE_URL"], pool_size=POOL_SIZE)


class Caller(NamedTuple):
    """Who calls."""

    id: int
    compte_id: int
    consumer_key: str
    scopes: frozenset[str]


def authenticate(session: Connection, authorization: str | None, scope: str) -> Caller:
    """The caller of a bearer token. Raises Refused."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthenticated()
    row = session.execute(
        select(
            partenaires.c.id,
            partenaires.c.compte_id,
            partenaires.c.consumer_key,
            partenaires.c.scopes,
            jetons.c.scopes.label("granted"),
            jetons.c.expire_le,
        )
        .join(jetons, jetons.c.partenaire_id == partenaires.c.id)
        .where(jetons.c.empreinte == _hash(token), partenaires.c.revoque_le.is_(None))
    ).first()
    if row is None:
        raise unauthenticated()
    if row.expire_le <= datetime.now(UTC):
        raise Refused(401, "2002", "Jeton expiré")
    scopes = frozenset(row.scopes.split()) & frozenset(row.granted.split())
    if scope not in scopes:
        raise Refused(403, "2003", "Droit insuffisant")
    return Caller(row.id, row.compte_id, row.consumer_key, scopes)


def _hash(secret: str) -> bytes:
    return hmac.digest(PEPPER, secret.encode(), hashlib.sha256)


def _of_caller(caller: Caller, numero: str, client: str) -> tuple[Any, ...]:
    return (
        cartes.c.numero_carte == numero,
        cartes.c.client_id == client,
        acces.c.client_id == cartes.c.client_id,
        acces.c.partenaire_id == caller.id,
        membres.c.client_id == cartes.c.client_id,
        membres.c.membre_id == cartes.c.membre_id,
    )


def _find_carte(session: Connection, caller: Caller, carte: tuple[str, ...], *columns: Any) -> Any:
    """The columns of the card of this numeroCarte, walletId and clientId. Raises Refused."""
    numero, wallet, client = carte
    row = session.execute(
        select(*columns).where(
            cartes.c.numero_carte == numero,
            cartes.c.client_id == client,
            acces.c.client_id == cartes.c.client_id,
            acces.c.partenaire_id == caller.id,
            membres.c.client_id == cartes.c.client_id,
            membres.c.membre_id == cartes.c.membre_id,
            membres.c.wallet_id == wallet,
        )
    ).first()
    if row is None:
        raise unknown()
    return row


def solde(session: Connection, caller: Caller, *carte: str) -> dict[str, Any]:
    """The item of getSoldeCarte, of a numeroCarte, a walletId and a clientId."""
    columns = (cartes.c.numero_carte, cartes.c.solde, cartes.c.date_solde, cartes.c.unite)
    row = _find_carte(session, caller, carte, *columns)
    return {
        "numeroCarte": row.numero_carte,
        "soldeOnline": float(row.solde),
        "dateSolde": row.date_solde.strftime("%d-%m-%Y %H:%M:%S"),
        "unite": row.unite,
    }


def validite(session: Connection, caller: Caller, *carte: str) -> dict[str, Any]:
    """The item of checkCardValidity, of a numeroCarte, a walletId and a clientId."""
    holder = [membres.c[name] for name in HOLDER]
    columns = (cartes.c.numero_carte, cartes.c.statut, cartes.c.fin_validite, *holder)
    row = _find_carte(session, caller, carte, *columns)
    if row.statut != ACTIVE or row.fin_validite < datetime.now(UTC).date():
        raise Refused(400, "3001", "Carte inutilisable")
    return {
        "numeroCarte": row.numero_carte,
        "finValidite": _jour(row.fin_validite),
        "nom": row.nom,
        "prenom": row.prenom,
        "email": row.email,
        "telephone": row.telephone,
        "numeroPiece": row.numero_piece,
        "dateNaissance": _jour(row.date_naissance),
    }


def _jour(jour: date | None) -> str:
    return jour.strftime("%d/%m/%Y") if jour else ""


def liste(session: Connection, caller: Caller, client: str, limite: int) -> list[dict[str, Any]]:
    """The items of the first page of getListeCartes, one more than asked for when there is another page."""
    allowed = exists().where(acces.c.partenaire_id == caller.id, acces.c.client_id == client)
    if not session.scalar(select(allowed)):
        raise unknown()
    rows = session.execute(
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
            cartes.c.client_id == client,
            membres.c.client_id == cartes.c.client_id,
            membres.c.membre_id == cartes.c.membre_id,
        )
        .order_by(cartes.c.id)
        .limit(limite + 1)
    ).all()
    return [
        {
            "id": row.id,
            "numeroCarte": row.numero_carte,
            "membreId": row.membre_id,
            "porteur": f"{row.prenom} {row.nom}".strip(),
            "statut": row.statut,
            "finValidite": _jour(row.fin_validite),
            "soldeOnline": float(row.solde),
            "unite": row.unite,
        }
        for row in rows
    ]


def debiter(session: Connection, caller: Caller, body: dict[str, Any]) -> Any:
    """The item of debitCarte. Raises Refused, to be rolled back."""
    named = (body["numeroCarte"], body["walletId"], body["clientId"])
    columns = (cartes.c.id, cartes.c.compte_id, cartes.c.unite)
    carte = _find_carte(session, caller, named, *columns)
    content = json.dumps([DEBIT, *(body.get(name) for name in MONEY_FIELDS)])
    empreinte = hashlib.sha256(content.encode()).digest()
    quand, numero = datetime.now(UTC), new_numero_operation()
    dialect = postgresql if session.dialect.name == "postgresql" else sqlite
    operation_id = session.execute(
        dialect.insert(operations)
        .values(
            numero_operation=numero,
            partenaire_id=caller.id,
            reference=body["reference"],
            empreinte=empreinte,
            type=DEBIT,
            statut=EXECUTEE,
            carte_id=carte.id,
            montant=body["montant"],
            unite=carte.unite,
            date_operation=quand,
        )
        .on_conflict_do_nothing()
        .returning(operations.c.id)
    ).scalar()
    if operation_id is None:
        return _replay(session, caller, body, empreinte)
    moved = session.execute(
        update(cartes)
        .where(
            cartes.c.id == carte.id,
            cartes.c.statut == ACTIVE,
            cartes.c.fin_validite >= quand.date(),
            cartes.c.solde >= body["montant"],
        )
        .values(
            solde=cartes.c.solde - body["montant"],
            version=cartes.c.version + 1,
            date_solde=quand,
        )
        .returning(cartes.c.solde, cartes.c.version)
    ).first()
    if moved is None:
        raise Refused(400, "4001", "Solde insuffisant")
    session.execute(
        insert(ecritures).values(
            operation_id=operation_id,
            compte_debit=carte.compte_id,
            compte_credit=caller.compte_id,
            montant=body["montant"],
            unite=carte.unite,
            version_debit=moved.version,
            solde_debit=moved.solde,
        )
    )
    return _item(body, numero, carte.unite, moved.solde, quand)


def _replay(session: Connection, caller: Caller, body: dict[str, Any], empreinte: bytes) -> Any:
    row = session.execute(
        select(
            operations.c.numero_operation,
            operations.c.empreinte,
            operations.c.unite,
            operations.c.date_operation,
            ecritures.c.solde_debit,
        )
        .join(ecritures, ecritures.c.operation_id == operations.c.id)
        .where(operations.c.partenaire_id == caller.id, operations.c.reference == body["reference"])
    ).one()
    if row.empreinte != empreinte:
        raise Refused(400, "4002", "Référence déjà utilisée")
    return _item(body, row.numero_operation, row.unite, row.solde_debit, row.date_operation)


def _item(body: dict[str, Any], numero: str, unite: str, solde_: int, quand: datetime) -> Any:
    return {
        "reference": body["reference"],
        "numeroOperation": numero,
        "type": DEBIT,
        "statut": EXECUTEE,
        "numeroCarte": body["numeroCarte"],
        "montant": body["montant"],
        "unite": unite,
        "soldeOnline": float(solde_),
        "dateOperation": quand.strftime("%d-%m-%Y %H:%M:%S"),
    }


def jeton(session: Connection, key: str, secret: str) -> dict[str, Any]:
    """The body of accessToken. Raises Refused."""
    given = _hash(secret)
    rows = session.execute(
        select(partenaires.c.id, partenaires.c.scopes, secrets_table.c.empreinte)
        .join(secrets_table, secrets_table.c.partenaire_id == partenaires.c.id)
        .where(partenaires.c.consumer_key == key, partenaires.c.revoque_le.is_(None))
    ).all()
    if not any(hmac.compare_digest(given, row.empreinte) for row in rows):
        raise Refused(401, "2101", "Client inconnu ou secret invalide")
    token, now = secrets.token_urlsafe(32), datetime.now(UTC)
    scope = " ".join(sorted(rows[0].scopes.split()))
    session.execute(
        delete(jetons).where(
            jetons.c.partenaire_id == rows[0].id, jetons.c.expire_le < now - timedelta(days=1)
        )
    )
    session.execute(
        insert(jetons).values(
            empreinte=_hash(token),
            partenaire_id=rows[0].id,
            scopes=scope,
            emis_le=now,
            expire_le=now + timedelta(hours=1),
        )
    )
    return {
        "success": True,
        "code": 200,
        "message": "Jeton délivré",
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": 3600,
        "scope": scope,
    }
