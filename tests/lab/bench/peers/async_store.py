"""What the peers on an event loop do with PostgreSQL: asyncpg, SQL by hand, the statements of store.py.

A request has one connection of the pool, which it gives back as it is: asyncpg's own reset would be one
more statement for each, and nothing here leaves anything behind.
"""

from __future__ import annotations

import os
import secrets
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
from asyncpg.pool import PoolConnectionProxy as Connection

from tests.lab.bench.peers import answers
from tests.lab.bench.peers.answers import (
    DEBIT,
    EXECUTEE,
    POOL_SIZE,
    TOKEN_S,
    USABLE,
    Caller,
    Refused,
)

URL = os.environ.get("CYNOD_DATABASE_URL", "").replace("+psycopg", "")


async def _leave(_connection: object) -> None:
    """Reset nothing."""


def open_pool() -> Any:
    """The pool of a process, a context manager."""
    return asyncpg.create_pool(URL, min_size=POOL_SIZE, max_size=POOL_SIZE, reset=_leave)


# ── who calls ────────────────────────────────────────────────────────────────────────────────────
_TOKEN = """
SELECT p.id, p.compte_id, p.scopes, j.scopes, j.expire_le
FROM partenaires p JOIN jetons j ON j.partenaire_id = p.id
WHERE j.empreinte = $1 AND p.revoque_le IS NULL
"""


async def authenticate(connection: Connection, authorization: str | None, scope: str) -> Caller:
    """The caller of a `Bearer …` header, entitled to the scope. Raises Refused."""
    token = answers.read_bearer(authorization)
    row = await connection.fetchrow(_TOKEN, answers.hash_secret(token))
    caller, scopes = answers.check_token(row)
    answers.check_scope(scope, scopes)
    return caller


# ── cards ────────────────────────────────────────────────────────────────────────────────────────
_OF_CALLER = """
FROM cartes c, acces a, membres m
WHERE c.numero_carte = $1 AND c.client_id = $3
AND a.client_id = c.client_id AND a.partenaire_id = $4
AND m.client_id = c.client_id AND m.membre_id = c.membre_id AND m.wallet_id = $2
"""
_CARTE = f"""
SELECT c.id, c.numero_carte, c.compte_id, c.unite, c.solde, c.date_solde {_OF_CALLER}
"""
_PORTEUR = f"""
SELECT c.numero_carte, c.statut, c.fin_validite, m.nom, m.prenom, m.email, m.telephone,
m.numero_piece, m.date_naissance {_OF_CALLER}
"""
_ALLOWED = "SELECT EXISTS (SELECT FROM acces WHERE partenaire_id = $1 AND client_id = $2)"
_LIST = """
SELECT c.id, c.numero_carte, c.carte_id, c.membre_id, m.prenom, m.nom, c.statut, c.motif_statut,
c.fin_validite, c.solde, c.unite
FROM cartes c JOIN membres m ON m.client_id = c.client_id AND m.membre_id = c.membre_id
WHERE c.client_id = $1 AND c.id > $2 ORDER BY c.id LIMIT $3
"""


async def _find(
    connection: Connection, caller: Caller, statement: str, ids: tuple[str, ...]
) -> Any:
    row = await connection.fetchrow(statement, *ids, caller.id)
    if row is None:
        raise answers.unknown()
    return row


async def solde(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """getSoldeCarte of a numeroCarte, a walletId and a clientId. Raises Refused."""
    return answers.render_solde(await _find(connection, caller, _CARTE, ids))


async def validite(connection: Connection, caller: Caller, *ids: str) -> dict[str, Any]:
    """checkCardValidity of a numeroCarte, a walletId and a clientId. Raises Refused."""
    return answers.render_validite(await _find(connection, caller, _PORTEUR, ids))


async def liste(
    connection: Connection, caller: Caller, client: str, limite: int, curseur: str | None
) -> dict[str, Any]:
    """A page of getListeCartes. Raises Refused."""
    after = answers.read_curseur("1", curseur) if curseur else 0
    if not await connection.fetchval(_ALLOWED, caller.id, client):
        raise answers.unknown()
    rows = await connection.fetch(_LIST, client, after, limite + 1)
    return answers.render_liste(rows, limite)


def _side(sens: str) -> str:
    side = sens.lower()
    return f"""
    (SELECT o.numero_operation, CASE WHEN o.partenaire_id = $1 THEN o.reference END, o.type, '{sens}',
    e.montant, e.unite, e.solde_{side}, o.date_operation,
    CASE WHEN o.partenaire_id = $1 THEN o.motif END, o.point_de_service, o.terminal,
    e.version_{side} AS version
    FROM ecritures e JOIN operations o ON o.id = e.operation_id
    WHERE e.compte_{side} = $2 AND e.version_{side} < $3
    ORDER BY e.version_{side} DESC LIMIT $4)
    """


# Two branches, so that each walks the index of its own versions.
_HISTORIQUE = f"{_side('DEBIT')} UNION ALL {_side('CREDIT')} ORDER BY version DESC LIMIT $4"
_NEWEST = 2**62


async def historique(
    connection: Connection, caller: Caller, ids: tuple[str, ...], limite: int, curseur: str | None
) -> dict[str, Any]:
    """A page of getHistoriqueCarte, newest first. Raises Refused."""
    before = answers.read_curseur("h1", curseur) if curseur else _NEWEST
    carte = await _find(connection, caller, _CARTE, ids)
    values = (caller.id, carte["compte_id"], before, limite + 1)
    return answers.render_historique(await connection.fetch(_HISTORIQUE, *values), limite)


# ── debit ────────────────────────────────────────────────────────────────────────────────────────
_CLAIM = """
INSERT INTO operations (numero_operation, partenaire_id, reference, empreinte, type, statut,
carte_id, montant, unite, motif, point_de_service, terminal, date_operation)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
ON CONFLICT DO NOTHING RETURNING id, pg_advisory_xact_lock($14)
"""
_TAKE = f"""
UPDATE cartes SET solde = solde - $2, version = version + 1, date_solde = $4
WHERE id = $1 AND statut = '{USABLE}' AND fin_validite >= $3 AND solde >= $2
RETURNING solde, version
"""
_STATE = "SELECT statut, fin_validite FROM cartes WHERE id = $1"
_FIRST = """
SELECT o.numero_operation, o.empreinte, o.unite, o.date_operation, e.solde_debit
FROM operations o JOIN ecritures e ON e.operation_id = o.id
WHERE o.partenaire_id = $1 AND o.reference = $2
"""
_POST = """
INSERT INTO ecritures (operation_id, compte_debit, compte_credit, montant, unite, version_debit,
solde_debit) VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"


def _new_numero() -> str:
    value = (time.time_ns() // 1_000_000) << 80 | secrets.randbits(80)
    return "".join([_CROCKFORD[(value >> shift) & 31] for shift in range(125, -1, -5)])


async def debiter(connection: Connection, caller: Caller, body: dict[str, Any]) -> dict[str, Any]:
    """debitCarte: with the token, seven statements. Raises Refused."""
    ids = (body["numeroCarte"], body["walletId"], body["clientId"])
    montant, reference = body["montant"], body["reference"]
    details = [body.get(name) for name in answers.DETAILS]
    empreinte = answers.hash_content(body)
    at, numero = datetime.now(UTC), _new_numero()
    async with connection.transaction():
        carte = await _find(connection, caller, _CARTE, ids)
        card, _, compte, unite, _, _ = carte
        operation_id = await connection.fetchval(
            _CLAIM,
            *(numero, caller.id, reference, empreinte, DEBIT, EXECUTEE),
            *(card, montant, unite, *details, at, answers.find_lock(caller, reference)),
        )
        if operation_id is None:
            first = await connection.fetchrow(_FIRST, caller.id, reference)
            return answers.render_replay(body, first, empreinte)
        moved = await connection.fetchrow(_TAKE, card, montant, at.date(), at)
        if moved is None:
            state = await connection.fetchrow(_STATE, card)
            assert state is not None
            answers.check_usable(*state)
            raise Refused(400, "4001", "Solde insuffisant")
        reste, version = moved
        values = (operation_id, compte, caller.compte_id, montant, unite, version, reste)
        await connection.execute(_POST, *values)
    return answers.render_mouvement(body, numero, unite, reste, at)


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
_PAIR = """
SELECT p.id, p.scopes, s.empreinte FROM partenaires p JOIN secrets s ON s.partenaire_id = p.id
WHERE p.consumer_key = $1 AND p.revoque_le IS NULL AND (s.expire_le IS NULL OR s.expire_le > $2)
"""
_ISSUE = """
INSERT INTO jetons (empreinte, partenaire_id, scopes, emis_le, expire_le)
VALUES ($1, $2, $3, $4, $5)
"""


async def jeton(connection: Connection, key: str, secret: str) -> dict[str, Any]:
    """accessToken. Raises Refused."""
    at, token = datetime.now(UTC), secrets.token_urlsafe(32)
    async with connection.transaction():
        rows = await connection.fetch(_PAIR, key, at)
        owner, scope = answers.check_secret(rows, secret)
        expire_le = at + timedelta(seconds=TOKEN_S)
        values = (answers.hash_secret(token), owner, scope, at, expire_le)
        await connection.execute(_ISSUE, *values)
    return answers.render_jeton(token, scope)
