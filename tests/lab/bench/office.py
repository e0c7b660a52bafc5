"""The back office at size: lists of clients, membres, demandes and the audit, in a database of many rows."""

from __future__ import annotations

import contextlib
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, Table, update

from handlers.edge.local_issuer import EMETTEUR, LocalIssuer
from models.audit import CLI, Acteur, audit, audit_tete, find_tete, hash_row
from models.back_office.moteur import Personne, Saisie, saisir
from models.base import canonical_json, new_ulid, write_instant
from models.client import clients
from models.database.bulk import insert_rows
from models.database.curseur import encode_curseur
from models.database.engine import Database
from models.database.parcours import fold
from models.demande import EXECUTEE, SAISIE, demandes, validations
from models.membre import membres, name_of
from tests.lab.bench.ground import PEPPER, POSTGRESQL, Ground, Size, ground, settle
from tests.lab.bench.load import LIMITE, Line, Lines, Workload
from tests.lab.bench.servers import CLASSES, unlimited
from tests.support.postgresql import PostgresqlServer
from tests.support.process import CYNOD, environment

Json = dict[str, Any]

OFFICE = "rows of the back office"
"""What grows."""

AUDIENCE = "cynod-base-core"
SURFACES = "partenaire,base-core"
MAKERS = ("awa", "binta", "cheikh")
VALIDATOR = "binta"
"""Who calls: he has entered a third of what is pending himself."""

CROWDED = "CLI-000000"
"""The client of most membres."""

PAGES = 10
LOT = 10_000
_ADMIN = Personne(Acteur(CLI, "bench", "bench"))
_FIRST = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class OfficeSize:
    """Rows of each table; of the membres a tenth is of one client, or all of few."""

    clients: int
    membres: int
    audit: int
    demandes: int
    pendantes: int

    @property
    def crowd(self) -> int:
        """Membres of the crowded client."""
        return max(self.membres // 10, min(self.membres, 1_000))


FEW = OfficeSize(1_000, 1_000, 1_000, 1_000, 300)


def many(rows: int) -> OfficeSize:
    """So many membres and rows of the audit, a tenth as many clients and demandes."""
    return OfficeSize(rows // 10, rows, rows, rows // 10, 300 + rows // 1_000)


@dataclass(frozen=True)
class Land(Ground):
    """A database with this much in its back office, and the key that its servers take for a provider's."""

    rows: OfficeSize
    key: Path

    @property
    def bearer(self) -> str:
        """The header of the validator, with a fresh token."""
        return f"Authorization: Bearer {LocalIssuer(self.key).sign(VALIDATOR, AUDIENCE)}"

    @property
    def variables(self) -> dict[str, str]:
        """What a server of it must be told."""
        return {
            "CYNOD_SURFACES": SURFACES,
            "CYNOD_CLE_LOCALE": str(self.key),
            "CYNOD_LIMITES": unlimited(*CLASSES, "base-core"),
        }


@contextlib.contextmanager
def office(
    kind: str, size: OfficeSize, folder: Path, cluster: PostgresqlServer | None
) -> Iterator[Land]:
    """A database of this kind with this much in its back office."""
    with ground(kind, Size(10), folder, cluster) as made:
        database = Database(made.url, wait_s=60)
        try:
            _fill(database, size)
        finally:
            database.close()
        yield Land(**vars(made), rows=size, key=folder / "agents.pem")


# ── what is asked of it ──────────────────────────────────────────────────────────────────────────
def _pages(path: str, kind: str, among: Callable[[OfficeSize], int], **query: str) -> Lines:
    """Pages at even distances through the list, the first among them."""

    def lines(land: Ground) -> list[Line]:
        assert isinstance(land, Land)
        found = []
        for number in range(PAGES):
            asked = {**query, "limite": str(LIMITE)}
            if number:
                # Behind the last of them a whole page follows, in the small database too.
                position = among(land.rows) * number * 4 // (5 * PAGES)
                asked["curseur"] = encode_curseur(kind, position)
            target = f"/base-core/{path}?{urlencode(asked)}"
            found.append(Line("GET", target, (land.bearer,)))
        return found

    return lines


def _searches(path: str, form: str, among: Callable[[OfficeSize], int], **query: str) -> Lines:
    """Beginnings of names that a hundred have, at even distances."""

    def lines(land: Ground) -> list[Line]:
        assert isinstance(land, Land)
        found = []
        for number in range(PAGES):
            debut = form.format(among(land.rows) * number // PAGES)[:-2]
            asked = {**query, "recherche": debut, "limite": str(LIMITE)}
            target = f"/base-core/{path}?{urlencode(asked)}"
            found.append(Line("GET", target, (land.bearer,)))
        return found

    return lines


def _clients_in(size: OfficeSize) -> int:
    return size.clients


def _crowd_in(size: OfficeSize) -> int:
    return size.crowd


def _audit_in(size: OfficeSize) -> int:
    return size.audit


def _none_in(_size: OfficeSize) -> int:
    return 0


def _demandes_in(size: OfficeSize) -> int:
    return size.demandes


_MEMBRES = {"clientId": CROWDED}
_NEXT = '"curseurSuivant"'

OFFICE_WORKLOADS = (
    Workload("clients", _pages("get-liste-clients", "c1", _clients_in), (), answer=_NEXT),
    Workload(
        *("clients by name", _searches("get-liste-clients", "client {:06d}", _clients_in), ()),
        answer='"clientId"',
    ),
    Workload(
        *("clients by id", _searches("get-liste-clients", "cli-{:06d}", _clients_in), ()),
        answer='"clientId"',
    ),
    Workload(
        *("membres", _pages("get-liste-membres", "m1", _crowd_in, **_MEMBRES), ()), answer=_NEXT
    ),
    Workload(
        "membres by name",
        _searches("get-liste-membres", "diop awa {:07d}", _crowd_in, **_MEMBRES),
        *((),),
        answer='"membreId"',
    ),
    Workload(
        "demandes to validate",
        _pages("get-liste-demandes", "d1", _demandes_in, aValider="true"),
        *((),),
        answer=_NEXT,
    ),
    Workload("audit", _pages("get-audit", "a1", _audit_in), (), answer=_NEXT),
    Workload(
        *("audit of an acteur", _pages("get-audit", "a1", _audit_in, acteurId="awa"), ()),
        answer=_NEXT,
    ),
    Workload(
        *("audit of an objet", _pages("get-audit", "a1", _none_in, objetId="CLI-000007"), ()),
        answer=_NEXT,
    ),
)
"""Lists of the back office, each by its contract's operation. A reading of the audit writes a row of it."""

OFFICE_LISTS = tuple(one.name for one in OFFICE_WORKLOADS)


# ── its audit ────────────────────────────────────────────────────────────────────────────────────
def verify_audit(land: Land, folder: Path) -> Json:
    """What `cynod audit verify` takes for all of it, and the lines of progress that it told a log."""
    given = environment(folder, CYNOD_DATABASE_URL=land.url, CYNOD_PEPPER=PEPPER.decode())
    with (folder / "verify.log").open("w+b") as output:
        begun, peak = time.monotonic(), 0
        process = subprocess.Popen(
            [*CYNOD, "audit", "verify"], cwd=folder, env=given, stdout=output, stderr=output
        )
        # What the system counts at its end has the memory of who started it in it.
        while (ended := os.wait4(process.pid, os.WNOHANG))[0] == 0:
            peak = max(peak, _peak_kib(process.pid))
            time.sleep(0.02)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(ended[1])
        output.seek(0)
        lines = output.read().decode().splitlines()
    return {
        "database": land.kind,
        "rows": land.rows.audit,
        "seconds": round(seconds, 1),
        "cpu_s": round(ended[2].ru_utime + ended[2].ru_stime, 1),
        "peak_mib": round(peak / 1024, 1),
        "progress": lines[:-1],
        "complaint": "" if process.returncode == 0 else "; ".join(lines[-3:]),
    }


def _peak_kib(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) for line in lines if line.startswith("VmHWM:")), 0)


# ── what is in it ────────────────────────────────────────────────────────────────────────────────
def _fill(database: Database, size: OfficeSize) -> None:
    with database.transaction() as connection:
        for agent_id in MAKERS:
            contenu = {
                "agentId": agent_id,
                "nom": agent_id.capitalize(),
                "email": "",
                "emetteur": EMETTEUR,
                "sujet": agent_id,
                "roles": ["SAISIE", "VALIDATION", "AUDITEUR"],
                "clients": [],
            }
            saisir(connection, _ADMIN, Saisie("saisirAgent", f"BENCH-{agent_id}", contenu))
        if database.dialect == POSTGRESQL:
            # Neither triggers, which let the end of the audit advance by one row only, nor foreign keys.
            connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            connection.exec_driver_sql("SET LOCAL statement_timeout = 0")
        _insert(connection, clients, _clients(size))
        _insert(connection, membres, _membres(size))
        entered = list(_demandes(size))
        _insert(connection, demandes, entered)
        agreed = [one for one in entered if one["statut"] == EXECUTEE]
        _insert(connection, validations, map(_validation, agreed))
        _fill_audit(connection, size.audit)
    settle(database)


def _insert(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    left = iter(rows)
    while lot := list(itertools.islice(left, LOT)):
        insert_rows(connection, table, tuple(lot[0]), (tuple(one.values()) for one in lot))


def _clients(size: OfficeSize) -> Iterator[dict[str, Any]]:
    others = (size.membres - size.crowd) // max(1, size.clients - 1)
    for number in range(size.clients):
        client_id, nom = f"CLI-{number:06d}", f"Client {number:06d}"
        yield {
            "client_id": client_id,
            "nom": nom,
            "statut": "ACTIF",
            "nombre_membres": others if number else size.crowd,
            "cle_id": fold(client_id),
            "cle_nom": fold(nom),
        }


def _membres(size: OfficeSize) -> Iterator[dict[str, Any]]:
    for number in range(size.membres):
        of = 0 if number < size.crowd else 1 + (number - size.crowd) % (size.clients - 1)
        membre_id, prenom = f"MBR-{number:07d}", f"Awa {number:07d}"
        yield {
            "client_id": f"CLI-{of:06d}",
            "membre_id": membre_id,
            "wallet_id": f"22177{number:07d}",
            "nom": "Diop",
            "prenom": prenom,
            "cle_id": fold(membre_id),
            "cle_nom": name_of("Diop", prenom),
        }


def _demandes(size: OfficeSize) -> Iterator[dict[str, Any]]:
    every = size.demandes // size.pendantes
    for number in range(size.demandes):
        pending = number % every == 0
        moment = _FIRST + timedelta(minutes=number)
        client_id = f"CLI-{number % size.clients:06d}"
        yield {
            "demande_id": new_ulid(),
            # Of an object one demande of a type is pending: creations have no object yet.
            "type": "saisirClient",
            "statut": SAISIE if pending else EXECUTEE,
            "reference": f"BENCH-{number}",
            "objet_type": "CLIENT",
            "client_id": client_id,
            "contenu": canonical_json({"clientId": client_id, "nom": "Bench"}),
            "empreinte": f"{number:064x}",
            "validations_requises": 1,
            "forte": 0,
            "meme_personne": 0,
            "saisie_par_type": "AGENT",
            "saisie_par_id": MAKERS[number % 3],
            "saisie_par_nom": MAKERS[number % 3].capitalize(),
            "saisie_le": moment,
            "expire_le": datetime(2099, 1, 1, tzinfo=UTC),
            "traitee_par": None if pending else MAKERS[(number + 1) % 3],
            "traitee_le": None if pending else moment,
            "resultat": None if pending else "{}",
        }


def _validation(demande: dict[str, Any]) -> dict[str, Any]:
    return {
        "demande_id": demande["demande_id"],
        "agent_id": demande["traitee_par"],
        "date": demande["traitee_le"],
    }


def _fill_audit(connection: Connection, count: int) -> None:
    """Rows behind those that are there, each sealed to the one before."""
    tete = find_tete(connection)
    assert tete is not None
    position, empreinte = tete

    def rows() -> Iterator[dict[str, Any]]:
        nonlocal position, empreinte
        for number in range(count):
            position += 1
            moment = _FIRST + timedelta(seconds=20 * number)
            row = {
                "position": position,
                "date": moment,
                "acteur_type": "AGENT",
                "acteur_id": MAKERS[number % 3],
                "acteur_nom": MAKERS[number % 3].capitalize(),
                "via_application": "back-office",
                "pour_le_compte_de": None,
                "adresse": "192.0.2.1",
                "request_id": f"{number:032x}",
                "action": ("modifierClient", "saisirMembre")[number % 2],
                "objet_type": "CLIENT",
                "objet_id": f"CLI-{number % 40:06d}",
                "demande_id": None,
                "avant": canonical_json({"nom": f"Client {number}"}),
                "apres": canonical_json({"nom": f"Client {number} changé"}),
                "motif": None,
                "meme_personne": 0,
                "empreinte_precedente": empreinte,
            }
            empreinte = hash_row({**row, "date": write_instant(moment)})
            yield {**row, "empreinte": empreinte}

    _insert(connection, audit, rows())
    with _unguarded(connection, audit_tete):
        connection.execute(update(audit_tete).values(position=position, empreinte=empreinte))


@contextlib.contextmanager
def _unguarded(connection: Connection, table: Table) -> Iterator[None]:
    """Without the triggers of SQLite's table, which let its row advance by one position only."""
    if connection.dialect.name == POSTGRESQL:
        yield
        return
    found = connection.exec_driver_sql(
        "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?", (table.name,)
    ).all()
    for name, _ in found:
        connection.exec_driver_sql(f"DROP TRIGGER {name}")
    yield
    for _, sql in found:
        connection.exec_driver_sql(sql)
