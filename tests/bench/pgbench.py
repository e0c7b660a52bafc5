"""The limit of a debit on PostgreSQL: pgbench with the statements that the server sends for one."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

from sqlalchemy import select
from sqlalchemy.engine import make_url

from models.base import UNITE
from models.db import Database
from models.partenaire import hash_secret, partenaires
from tests.bench.ground import CLIENT, PEPPER, PER_MEMBRE, Ground
from tests.bench.load import CONNECTIONS, LoadError

SCRIPT = """\
\\set place random(0, {last})
\\set salt random(1, 9000000000000000)
SELECT p.id, p.nom, p.consumer_key, p.compte_id, p.scopes, p.adresses, p.demo, p.plafonne,
 j.scopes, j.expire_le FROM jetons j JOIN partenaires p ON p.id = j.partenaire_id
 WHERE j.empreinte = '\\x{token}' AND p.revoque_le IS NULL;
BEGIN;
SELECT c.id AS carte, c.numero_carte, c.compte_id AS compte, c.unite, c.statut, c.fin_validite,
 c.solde, c.date_solde, c.client_id, c.plafonnee FROM cartes c, acces a, membres m
 WHERE c.numero_carte = '70' || lpad((:place)::text, 14, '0') AND c.client_id = '{client}'
 AND a.client_id = c.client_id AND a.partenaire_id = {partenaire} AND m.client_id = c.client_id
 AND m.membre_id = c.membre_id
 AND m.wallet_id = '77' || lpad((:place / {per_membre})::text, 10, '0') \\gset
INSERT INTO operations (numero_operation, partenaire_id, reference, empreinte, type, statut,
 carte_id, montant, unite, date_operation) VALUES (substr(upper(md5(:salt::text)), 1, 26),
 {partenaire}, 'PGB-' || :salt::text, sha256(:salt::text::bytea), 'DEBIT', 'EXECUTEE', :carte, 1,
 '{unite}', now()) ON CONFLICT DO NOTHING
 RETURNING id AS operation, pg_advisory_xact_lock(:salt) \\gset
UPDATE cartes SET solde = solde - 1, version = version + 1, date_solde = now() WHERE id = :carte
 AND statut = 'ACTIVE' AND fin_validite >= current_date AND solde >= 1
 RETURNING solde AS reste, version AS numero \\gset
INSERT INTO ecritures (operation_id, compte_debit, compte_credit, montant, unite, version_debit, solde_debit)
 VALUES (:operation, :compte, {reglement}, 1, '{unite}', :numero, :reste);
COMMIT;
"""


def run_pgbench(ground: Ground, seconds: float, folder: Path, *, hot: bool = False) -> float:
    """Debits a second. Raises LoadError."""
    program = shutil.which("pgbench")
    if program is None:
        raise LoadError("pgbench is not installed (on Debian: the package postgresql).")
    url = make_url(ground.url)
    script = folder / "debit.sql"
    database = Database(ground.url)
    with database.reading() as session:
        wanted = select(partenaires.c.id, partenaires.c.compte_id)
        partenaire, reglement = session.execute(wanted).one()
    database.close()
    text = SCRIPT.format(
        last=0 if hot else ground.count - 1,
        token=hash_secret(ground.tokens[0], PEPPER).hex(),
        client=CLIENT,
        partenaire=partenaire,
        reglement=reglement,
        unite=UNITE,
        per_membre=PER_MEMBRE,
    )
    script.write_text(text, encoding="utf-8")
    result = subprocess.run(
        [
            *(program, "--no-vacuum", "--protocol", "prepared", "--file", str(script)),
            *("--client", str(CONNECTIONS), "--jobs", "2", "--time", str(max(1, round(seconds)))),
            *("--host", str(url.host), "--port", str(url.port), "--username", str(url.username)),
            str(url.database),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"tps = ([0-9.]+)", result.stdout)
    if result.returncode or not found:
        raise LoadError(f"pgbench: {result.stdout}{result.stderr}"[-1500:])
    return float(found[1])
