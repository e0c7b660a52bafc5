"""The limit of a debit on PostgreSQL: pgbench running the statements that the server sends for one.

They are taken from PostgreSQL's own log while the server executes a debit, then made into a script: what
followed from that debit (its card, its reference, the ids that a statement gave to the next) varies.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import psycopg
from sqlalchemy.engine import make_url

from models.secret import hash_secret
from tests.lab.bench.ground import (
    CLIENT,
    PEPPER,
    PER_MEMBRE,
    Carte,
    Ground,
)
from tests.lab.bench.load import CONNECTIONS, LoadError
from tests.lab.bench.servers import OURS, serve

MONTANT = 137
"""An amount that no id of the sample has."""

TIMES = 12
"""Debits before the one that is copied: by then psycopg has prepared what it will prepare."""

WAIT_S = 10


class Statement(NamedTuple):
    """A statement as PostgreSQL logged it: SQL with $1, $2 …, and their values as text."""

    sql: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Script:
    """A transaction script for a card that `place` names."""

    text: str
    statements: int


_ENTRY = re.compile(r"^\d{4}-\d\d-\d\d [^\[]*\[\d+\] (\w+):  (.*)$")
_SAID = re.compile(r"^(?:statement|execute [^:]*): (.*)$", re.DOTALL)
_VALUE = re.compile(r"\$(\d+) = (?:NULL|'((?:[^']|'')*)')")
_PLACEHOLDER = re.compile(r"\$(\d+)")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?[+-]\d\d(?::?\d\d)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")


def read_log(text: str) -> list[Statement]:
    """The statements of a part of PostgreSQL's log, in their order."""
    entries: list[list[str]] = []
    for line in text.splitlines():
        found = _ENTRY.match(line)
        if found:
            entries.append([found[1], found[2]])
        elif entries:
            entries[-1][1] += "\n" + line.removeprefix("\t")
    made: list[Statement] = []
    for level, said in entries:
        statement = _SAID.match(said)
        if level == "LOG" and statement:
            made.append(Statement(statement[1].strip(), ()))
        elif level == "DETAIL" and made and said.lower().startswith("parameters:"):
            values = {
                int(one[1]): None if one[2] is None else one[2].replace("''", "'")
                for one in _VALUE.finditer(said)
            }
            numbers = range(1, max(values, default=0) + 1)
            made[-1] = Statement(made[-1].sql, tuple(values[number] for number in numbers))
    return made


def write_script(
    statements: Sequence[Statement], known: Mapping[str, str], first: int, last: int
) -> Script:
    """A pgbench script of the statements. `known` gives for a value of the sample what stands for it.

    `:sN_name` in it is the column `name` that statement N returned. Raises LoadError when a value
    comes from a statement that does not return it.
    """
    made = [f"\\set place random({first}, {last})", "\\set salt random(1, 9000000000000000)"]
    asked = set(re.findall(r":s(\d+)_", " ".join(known.values())))
    for number, (sql, values) in enumerate(statements):
        body = _PLACEHOLDER.sub(
            lambda found, values=values: _expression(values[int(found[1]) - 1], known),  # type: ignore[misc]
            " ".join(sql.rstrip("; \n").split()),
        )
        made.append(f"{body} \\gset s{number}_" if str(number) in asked else f"{body};")
    return Script("\n".join(made) + "\n", len(statements))


def _expression(value: str | None, known: Mapping[str, str]) -> str:
    if value is None:
        return "NULL"
    if value in known:
        return known[value]
    if _INSTANT.fullmatch(value):
        return "now()"
    if _DAY.fullmatch(value):
        return "current_date"
    if re.fullmatch(r"-?\d+", value):
        return f"({value})" if value.startswith("-") else value
    quoted = value.replace("'", "''")
    return f"'{quoted}'"


def _find(statements: Sequence[Statement], what: str, table: str, column: str) -> str:
    """The pgbench variable of what the first such statement returns. Raises LoadError."""
    pattern = re.compile(rf"\b{what}\b.*\b{table}\b", re.IGNORECASE | re.DOTALL)
    for number, statement in enumerate(statements):
        if pattern.search(statement.sql) and re.search(rf"\b{column}\b", statement.sql):
            return f":s{number}_{column}"
    raise LoadError(
        f"no {what} … {table} of a debit returns {column}: tests/lab/bench/pgbench.py follows models/journal/"
    )


def _connect(ground: Ground) -> psycopg.Connection[Any]:
    url = make_url(ground.url)
    return psycopg.connect(
        host=url.host, port=url.port, user=url.username, dbname=url.database, autocommit=True
    )


def _sample(ground: Ground, carte: Carte, url: str) -> tuple[str, str]:
    """Execute debits through a server; the log of the last one, and its reference."""
    assert ground.cluster is not None
    log, reference, start = ground.cluster.log_file, "", 0
    headers = {"Authorization": f"Bearer {ground.tokens[0]}"}
    with httpx.Client(trust_env=False, base_url=url, headers=headers) as client:
        for _ in range(TIMES):
            reference = f"C-{uuid.uuid4().hex}"
            start = log.stat().st_size
            body = {
                "numeroCarte": carte.numero,
                "walletId": carte.wallet,
                "clientId": CLIENT,
                "montant": MONTANT,
                "reference": reference,
            }
            answer = client.post("/debit-carte", json=body)
            if answer.status_code != 200:
                raise LoadError(f"a debit to copy is refused: {json.dumps(answer.json())}")
    deadline = time.monotonic() + WAIT_S
    while True:
        with log.open("rb") as file:
            file.seek(start)
            text = file.read().decode("utf-8", "replace")
        if re.search(r"(?i): COMMIT\b", text):
            return text, reference
        if time.monotonic() > deadline:
            raise LoadError("PostgreSQL's log has no COMMIT of the debit to copy")
        time.sleep(0.05)


def capture(ground: Ground, folder: Path) -> Script:
    """The statements of one debit of ours, as a script. Raises LoadError."""
    # Ids of this card and of its account occur nowhere else in a debit.
    carte = Carte(min(777, ground.size.cartes - 1))
    name = make_url(ground.url).database
    with _connect(ground) as admin:
        admin.execute(f"ALTER DATABASE {name} SET log_statement = 'all'".encode())
        try:
            with serve(OURS, ground, 1, folder) as server:
                text, reference = _sample(ground, carte, server.url)
        finally:
            admin.execute(f"ALTER DATABASE {name} RESET log_statement".encode())
        row = admin.execute(
            "SELECT o.id, o.numero_operation, encode(o.empreinte, 'hex'), c.id, c.compte_id, c.solde,"
            " c.version FROM operations o JOIN cartes c ON c.id = o.carte_id WHERE o.reference = %s",
            (reference,),
        ).fetchone()
    assert row is not None
    statements = read_log(text)
    operation, numero, empreinte, card, compte, solde, version = map(str, row)
    token = "\\x" + hash_secret(ground.tokens[0], PEPPER).hex()
    salted = "md5((:salt)::text)"
    known = {
        carte.numero: "('70' || lpad((:place)::text, 14, '0'))",
        carte.wallet: f"('77' || lpad(((:place)::bigint / {PER_MEMBRE})::text, 10, '0'))",
        reference: f"('PGB-' || {salted})",
        numero: f"substr(upper({salted}), 1, 26)",
        f"\\x{empreinte}": f"sha256({salted}::bytea)",
        token: f"'{token}'::bytea",
        operation: _find(statements, "INSERT INTO", "operations", "id"),
        card: _find(statements, "FROM", "cartes", "id"),
        compte: _find(statements, "FROM", "cartes", "compte_id"),
        solde: _find(statements, "UPDATE", "cartes", "solde"),
        version: _find(statements, "UPDATE", "cartes", "version"),
    }
    # The amount, and what is the same in every debit: a version, and that of the hash.
    if len(known) != 11 or {"1", "2", str(MONTANT)} & known.keys():
        raise LoadError(
            "two values of the debit to copy are equal: it cannot be told which is which"
        )
    # The key of the reference's advisory lock: as good as any number that no other debit has.
    for statement in statements:
        known |= {
            value: "(:salt)::bigint"
            for value in statement.values
            if value and re.fullmatch(r"-?\d{15,20}", value) and value not in known
        }
    return write_script(statements, known, 0, ground.size.cartes - 1)


def ask_debit(ground: Ground, url: str) -> list[Statement]:
    """What a running server sends PostgreSQL for one debit. Raises LoadError."""
    with _connect(ground) as admin:
        admin.execute("ALTER SYSTEM SET log_statement = 'all'")
        admin.execute("SELECT pg_reload_conf()")
        try:
            text, _ = _sample(ground, Carte(0), url)
        finally:
            admin.execute("ALTER SYSTEM RESET log_statement")
            admin.execute("SELECT pg_reload_conf()")
    return read_log(text)


def find_pgbench() -> str:
    """The path of pgbench. Raises LoadError."""
    program = shutil.which("pgbench")
    if program is None:
        raise LoadError(
            "pgbench is not installed; on Debian and Ubuntu: apt-get install postgresql-client"
        )
    return program


def run_pgbench(
    script: Script, ground: Ground, seconds: int, folder: Path, *, hot: bool = False
) -> float:
    """Debits a second by as many clients as a load has connections. Raises LoadError."""
    url = make_url(ground.url)
    file = folder / "debit.sql"
    text = script.text
    if hot:
        text = re.sub(
            r"^\\set place .*$", rf"\\set place {ground.hot}", text, count=1, flags=re.MULTILINE
        )
    file.write_text(text, encoding="utf-8")
    result = subprocess.run(
        [
            *(find_pgbench(), "--no-vacuum", "--protocol", "prepared", "--file", str(file)),
            *("--client", str(CONNECTIONS), "--jobs", "2", "--time", str(seconds)),
            *("--host", str(url.host), "--port", str(url.port), "--username", str(url.username)),
            str(url.database),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([0-9.]+)", result.stdout)
    failed = re.search(r"number of failed transactions: ([1-9]\d*)", result.stdout)
    if result.returncode or not found or failed:
        raise LoadError(f"pgbench: {result.stdout}{result.stderr}"[-1500:])
    return float(found[1])
