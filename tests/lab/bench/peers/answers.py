"""What every peer says, and how it writes it: no web library, no database.

A row is a sequence of columns, in the order of the statements of store.py.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

PEPPER = os.environ.get("CYNOD_PEPPER", "").encode()
POOL_SIZE = int(os.environ.get("BENCH_POOL", "10"))
WAIT_S = 10
TOKEN_S = 3600

SOLDE = "Sauf omission* de notre part votre nouveau solde est de {soldeOnline:.0f}  FCFA "
VALIDE = "Votre carte est valide et valable jusqu'au {finValidite}"
DEBITE = (
    "Votre carte a été débitée de {montant} FCFA, votre nouveau solde est de {soldeOnline:.0f} FCFA"
)
USABLE, OPPOSITION, ANNULEE = "ACTIVE", "OPPOSITION", "ANNULEE"
DEBIT, EXECUTEE = "DEBIT", "EXECUTEE"


# ── refusals ─────────────────────────────────────────────────────────────────────────────────────
class Refused(Exception):
    """A refusal of the catalogue: HTTP status, code, text."""

    def __init__(self, status: int, code: str, message: str, *places: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {
            "success": False,
            "code": code,
            "message": message,
            "debugMessage": None if code == "405" else message,
            "moreInfo": None,
            "requestId": secrets.token_hex(16),
            "documentation": f"/#code-{code}",
            "erreurs": [
                {"dans": "PARAMETRE", "emplacement": place, "code": code, "message": message}
                for place in places
            ],
        }


def malformed(name: str) -> Refused:
    """A parameter that is missing, does not fit, or is not declared; no field is measured."""
    return Refused(400, "405", f"Paramètre {name} manquant ou invalide", name)


def unreadable() -> Refused:
    """A body that is no JSON object."""
    return Refused(400, "1001", "Corps de la requête illisible")


def unknown() -> Refused:
    """No such card or client for this partner."""
    return Refused(400, "412", "Utilisateur inexistant ou invalide")


def unauthenticated() -> Refused:
    """No token, or one that opens nothing."""
    return Refused(401, "2001", "Authentification requise ou invalide")


def check_usable(statut: str, fin_validite: date) -> None:
    """Raises Refused for a card that nothing may be done with."""
    if statut == ANNULEE:
        raise Refused(400, "3003", "Carte annulée")
    if statut == OPPOSITION:
        raise Refused(400, "3002", "Carte en opposition")
    if fin_validite < datetime.now(UTC).date():
        raise Refused(400, "3001", "Carte expirée")


# ── who calls ────────────────────────────────────────────────────────────────────────────────────
class Caller(NamedTuple):
    """Who calls."""

    id: int
    compte_id: int


def hash_secret(secret: str) -> bytes:
    """As it is stored."""
    return hmac.digest(PEPPER, secret.encode(), hashlib.sha256)


def read_bearer(authorization: str | None) -> str:
    """The token of a `Bearer …` header. Raises Refused."""
    scheme, _, token = (authorization or "").partition(" ")
    if scheme.lower() != "bearer":
        raise unauthenticated()
    return token


def check_token(row: Any) -> tuple[Caller, set[str]]:
    """The caller of a token's row, and what the token entitles to. Raises Refused."""
    if row is None:
        raise unauthenticated()
    partenaire, compte, scopes, granted, expire_le = row
    if expire_le <= datetime.now(UTC):
        raise Refused(401, "2002", "Jeton expiré")
    return Caller(partenaire, compte), set(scopes.split()) & set(granted.split())


def check_scope(scope: str, scopes: set[str]) -> None:
    """Raises Refused when the scope is not among those."""
    if scope not in scopes:
        raise Refused(403, "2003", "Droit insuffisant pour cette opération")


def check_secret(rows: Sequence[Any], secret: str) -> tuple[int, str]:
    """Of the rows of a pair that the secret is of: the partenaire, its scopes. Raises Refused."""
    given = hash_secret(secret)
    matches = [hmac.compare_digest(given, empreinte) for _, _, empreinte in rows]
    if not any(matches):
        raise Refused(401, "2101", "Consumer-key ou consumer-secret invalide")
    partenaire, scopes, _ = rows[0]
    return partenaire, " ".join(sorted(scopes.split()))


# ── successes ────────────────────────────────────────────────────────────────────────────────────
def _jour(jour: date | None) -> str:
    return f"{jour:%d/%m/%Y}" if jour else ""


def _instant(moment: datetime) -> str:
    return f"{moment:%d-%m-%Y %H:%M:%S}"


def _item(text: str, item: dict[str, Any]) -> dict[str, Any]:
    return {"success": True, "code": 200, "message": text.format_map(item), "data": [item]}


def _page(text: str, items: list[dict[str, Any]], suivant: str | None) -> dict[str, Any]:
    return {
        "success": True,
        "code": 200,
        "message": text,
        "data": items,
        "curseurSuivant": suivant,
    }


def render_solde(row: Any) -> dict[str, Any]:
    """ReponseSoldeCarte."""
    _, numero, _, unite, solde, date_solde = row
    item = {
        "numeroCarte": numero,
        "soldeOnline": float(solde),
        "dateSolde": _instant(date_solde),
        "unite": unite,
    }
    return _item(SOLDE, item)


def render_validite(row: Any) -> dict[str, Any]:
    """ReponseValiditeCarte. Raises Refused."""
    numero, statut, fin, nom, prenom, email, telephone, piece, naissance = row
    check_usable(statut, fin)
    item = {
        "numeroCarte": numero,
        "finValidite": _jour(fin),
        "nom": nom,
        "prenom": prenom,
        "email": email,
        "telephone": telephone,
        "numeroPiece": piece,
        "dateNaissance": _jour(naissance),
    }
    return _item(VALIDE, item)


def render_liste(rows: Sequence[Any], limite: int) -> dict[str, Any]:
    """ReponseListeCartes of the rows of a page, and one more if there is one."""
    today = datetime.now(UTC).date()
    items = [
        {
            "numeroCarte": numero,
            "carteId": carte,
            "membreId": membre,
            "porteur": f"{prenom} {nom}".strip(),
            "statut": statut,
            "motifStatut": motif,
            "finValidite": _jour(fin),
            "soldeOnline": float(solde),
            "unite": unite,
            "expiree": fin < today,
            "utilisable": statut == USABLE and fin >= today,
        }
        for _, numero, carte, membre, prenom, nom, statut, motif, fin, solde, unite in rows[:limite]
    ]
    suivant = write_curseur("1", rows[limite - 1][0]) if len(rows) > limite else None
    return _page("Liste des cartes", items, suivant)


def render_historique(rows: Sequence[Any], limite: int) -> dict[str, Any]:
    """ReponseHistorique of the rows of a page, and one more if there is one."""
    items = [
        {
            "numeroOperation": numero,
            "reference": reference,
            "type": type_,
            "sens": sens,
            "montant": montant,
            "unite": unite,
            "soldeOnline": float(solde),
            "dateOperation": _instant(at),
            "motif": motif,
            "pointDeService": point,
            "terminal": terminal,
        }
        for numero, reference, type_, sens, montant, unite, solde, at, motif, point, terminal, _ in rows[
            :limite
        ]
    ]
    suivant = write_curseur("h1", rows[limite - 1][-1]) if len(rows) > limite else None
    return _page("Historique de la carte", items, suivant)


def render_mouvement(
    body: dict[str, Any], numero: str, unite: str, reste: int, at: datetime
) -> dict[str, Any]:
    """ReponseMouvement."""
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
    return _item(DEBITE, item)


def render_replay(body: dict[str, Any], row: Any, empreinte: bytes) -> dict[str, Any]:
    """ReponseMouvement of the operation that has the reference already. Raises Refused."""
    if row is None or row[1] != empreinte:
        raise Refused(400, "4002", "Référence déjà utilisée pour une autre opération")
    numero, _, unite, at, reste = row
    return render_mouvement(body, numero, unite, reste, at)


def render_jeton(token: str, scope: str) -> dict[str, Any]:
    """Jeton."""
    return {
        "success": True,
        "code": 200,
        "message": "Jeton délivré",
        "access_token": token,
        "token_type": "Bearer",
        "expires_in": TOKEN_S,
        "scope": scope,
    }


# ── what a request says ──────────────────────────────────────────────────────────────────────────
def write_curseur(kind: str, position: int) -> str:
    """The curseur after a position."""
    return base64.urlsafe_b64encode(f"{kind}:{position}".encode()).rstrip(b"=").decode()


def read_curseur(kind: str, curseur: str) -> int:
    """The position of a curseur. Raises Refused."""
    try:
        found, _, position = base64.urlsafe_b64decode(curseur + "==").decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        raise malformed("curseur") from None
    if found != kind or not position.isdecimal():
        raise malformed("curseur")
    return int(position)


DETAILS = ("motif", "pointDeService", "terminal")


def hash_content(body: dict[str, Any]) -> bytes:
    """The hash of a debit as ours makes it, so that either replays the other's."""
    ids = (body["numeroCarte"], body["walletId"], body["clientId"])
    details = [body.get(name) for name in DETAILS]
    content = json.dumps([DEBIT, ids, body["montant"], details, None])
    return hashlib.sha256(content.encode("ascii")).digest()


def find_lock(caller: Caller, reference: str) -> int:
    """The key of the advisory lock by which ours tells that an operation of the reference runs."""
    digest = hashlib.sha256(f"{caller.id}:{reference}".encode()).digest()
    return int.from_bytes(digest[:8], signed=True)
