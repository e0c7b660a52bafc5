"""`cynod audit`, and what the other commands write into it."""

from __future__ import annotations

import hashlib
import json
import os
import pwd
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import text

from handlers.cli.root import cli
from models.audit import PREMIERE, Tete, audit, find_tete
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET
from models.books.rows import COLUMNS
from models.database.engine import Database
from tests.support.world import ALL_SCOPES

USER = pwd.getpwuid(os.getuid()).pw_name
CARD = "7019800100009569"
ROW = "CLI-9,Société,M9,Ndiaye,Fatou,f@example.com,221779999999,99,,7019800900000009,18/07/2029,ACTIVE,500"

Cynod = Callable[..., Result]


@pytest.fixture
def cynod(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cynod:
    """Run `cynod` on a database of the test's own, by somebody who called sudo."""
    monkeypatch.setenv("CYNOD_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("SUDO_USER", "fatou\x1b")

    def run(*arguments: object) -> Result:
        return CliRunner().invoke(cli, [str(one) for one in arguments], prog_name="cynod")

    return run


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def _done(result: Result) -> str:
    assert result.exit_code == 0, result.output
    return result.stdout


def _rows(cynod: Cynod, *options: str) -> list[dict[str, Any]]:
    """The rows of the audit, each without what differs from day to day."""
    rows = map(
        json.loads, _done(cynod("audit", "export", "--format", "jsonl", *options)).splitlines()
    )
    unsteady = ("date", "acteurNom", "empreinte", "empreintePrecedente")
    return [{name: row[name] for name in row if name not in unsteady} for row in rows]


def _import(cynod: Cynod, folder: Path, *rows: str, **options: str) -> tuple[Result, str]:
    """Import a file of these rows; what it answered, and the SHA-256 of the file."""
    file = folder / "cards.csv"
    file.write_text("\n".join([",".join(COLUMNS), *rows, ""]), encoding="utf-8")
    return cynod("import", file, *options.values()), hashlib.sha256(file.read_bytes()).hexdigest()


# ── what commands write ──────────────────────────────────────────────────────────────────────────
def test_each_command_that_changes_something_writes_one_row_as_who_runs_it(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    _done(cynod("seed", "--demo"))
    imported, sha256 = _import(cynod, tmp_path, ROW)
    _done(imported)
    whose = (
        "--client",
        "CLI-9",
        "--scope",
        "soldes:lire",
        "cartes:lire",
        "--adresse",
        "192.0.2.0/24",
    )
    pair = json.loads(_done(cynod("partenaire", "create", "--nom", "Wari", *whose, "--json")))
    key = pair["consumerKey"]
    _done(cynod("partenaire", "rotate", key, "--delai", "0"))
    limits = {
        f"{key}:CREDIT:JOUR": ("--partenaire", key, "--type", "CREDIT", "--periode", "JOUR"),
        "{carte}:DEBIT:MOIS": ("--carte", CARD, "--type", "DEBIT", "--periode", "MOIS"),
    }
    for limit in limits.values():
        _done(cynod("plafond", "set", *limit, "--montant", "5000", "--nombre", "3"))
        _done(cynod("plafond", "set", *limit, "--montant", "9000", "--nombre", "3"))
        _done(cynod("plafond", "remove", *limit))
    _done(cynod("partenaire", "jetons", key, "--revoquer", "--yes"))
    _done(cynod("partenaire", "revoke", key, "--yes"))
    by_action = {row["action"]: row for row in _rows(cynod)}
    withdrawn = by_action["retirerSecretInitial"]
    expire = by_action["renouvelerSecretPartenaire"]["apres"]["secretPrecedentExpireLe"]
    with database.reading() as connection:
        carte = connection.scalar(
            text("SELECT carte_id FROM cartes WHERE numero_carte = :card"), {"card": CARD}
        )
    expected: list[tuple[str, str, str, Any, Any]] = [
        (
            "saisirPartenaire", "PARTENAIRE", CONSUMER_KEY, None,
            {
                "nom": "Partenaire de démonstration", "clients": ["CLI-0001"], "adresses": [],
                "scopes": sorted(ALL_SCOPES), "demo": True, "basicAutorise": True,
            },
        ),
        ("seed", "FICHIER", "demo", None, {"clients": 2, "membres": 2, "cartes": 8}),
        ("import", "FICHIER", sha256, None, {"clients": 1, "membres": 1, "cartes": 1, "lignesRejetees": 0}),
        (
            "saisirPartenaire", "PARTENAIRE", key, None,
            {
                "consumerKey": key, "nom": "Wari", "type": "EXTERNE", "statut": "ACTIF",
                "clients": ["CLI-9"], "scopes": ["cartes:lire", "soldes:lire"],
                "adresses": ["192.0.2.0/24"], "modeAdresses": "APPLIQUER", "basicAutorise": False,
                "contactTechnique": {"email": "", "telephone": ""},
            },
        ),
        ("retirerSecretInitial", "PARTENAIRE", key, {}, {"secretId": withdrawn["apres"]["secretId"]}),
        (
            "renouvelerSecretPartenaire", "PARTENAIRE", key,
            {"secretPrecedentExpireLe": None}, {"secretPrecedentExpireLe": expire},
        ),
    ]  # fmt: skip
    of_whom = ("Partenaire", "Carte")
    for whom, name in zip(of_whom, limits, strict=True):
        of = ("PLAFOND", name.format(carte=carte))
        first, second = ({"montantMaximal": most, "nombreMaximal": 3} for most in (5000, 9000))
        changed = ({"montantMaximal": 5000}, {"montantMaximal": 9000})
        expected += [
            (f"saisirPlafond{whom}", *of, None, first),
            (f"saisirPlafond{whom}", *of, *changed),
            (f"retirerPlafond{whom}", *of, second, None),
        ]
    expected += [
        (
            "revoquerJetonsPartenaire",
            "PARTENAIRE",
            key,
            {"generation": 0},
            {"generation": 1, "jetonsRevoques": 0},
        ),
        ("changerStatutPartenaire", "PARTENAIRE", key, {"statut": "ACTIF"}, {"statut": "REVOQUE"}),
    ]
    # Partners and limits change by demandes alone, which whoever has a shell executes by himself.
    of_demandes = {
        *("saisirPlafondPartenaire", "retirerPlafondPartenaire"),
        *("saisirPlafondCarte", "retirerPlafondCarte"),
        *("revoquerJetonsPartenaire", "changerStatutPartenaire"),
    }
    told = [{**row, "demandeId": row["demandeId"] is not None} for row in _rows(cynod)]
    assert told == [
        {
            "position": position,
            "acteurType": "CLI",
            "acteurId": USER,
            "viaApplication": None,
            "pourLeCompteDe": "fatou",
            "adresse": socket.gethostname(),
            "requestId": None,
            "action": action,
            "objetType": objet_type,
            "objetId": objet_id,
            "demandeId": action in of_demandes
            or (action == "saisirPartenaire" and objet_id == key),
            "avant": avant,
            "apres": apres,
            "motif": None,
            "memePersonne": False,
        }
        for position, (action, objet_type, objet_id, avant, apres) in enumerate(expected, 1)
    ]
    assert len(_rows(cynod, "--objet", key)) == 8
    assert len(_rows(cynod, "--acteur", f"CLI:{USER}")) == len(expected)
    assert _rows(cynod, "--acteur", "SYSTEME:x") == _rows(cynod, "--acteur", "personne:x") == []
    whole = _done(cynod("audit", "export"))
    for hidden in (
        CARD,
        "7019800900000009",
        CONSUMER_SECRET,
        pair["consumerSecret"],
        "f@example.com",
    ):
        assert hidden not in whole


def test_command_that_changes_nothing_writes_nothing(cynod: Cynod, tmp_path: Path) -> None:
    _done(cynod("seed", "--demo"))
    _done(_import(cynod, tmp_path, ROW)[0])
    before = _rows(cynod)
    assert _import(cynod, tmp_path, ROW)[0].exit_code == 0
    assert (
        _import(cynod, tmp_path, ROW.replace("900000009", "900000008"), dry="--dry-run")[
            0
        ].exit_code
        == 0
    )
    limit = ("--carte", CARD, "--type", "DEBIT", "--periode", "MOIS")
    for refused in (
        ("import", tmp_path / "absent.csv"),
        ("plafond", "remove", *limit),
        ("partenaire", "rotate", "inconnu"),
        ("partenaire", "revoke", "inconnu", "--yes"),
        ("partenaire", "create", "--nom", "X", "--client", "absent", "--scope", "soldes:lire"),
    ):
        assert cynod(*refused).exit_code == 1
    assert _import(cynod, tmp_path, ROW.replace("ACTIVE", "?"))[0].exit_code == 1
    for reading in (
        ("partenaire", "list"),
        ("plafond", "list"),
        ("journal", "verify"),
        ("migrate",),
    ):
        _done(cynod(*reading))
    assert _rows(cynod) == before


# ── head and verify ──────────────────────────────────────────────────────────────────────────────
def _tete(database: Database) -> Tete:
    with database.reading() as connection:
        tete = find_tete(connection)
    assert tete is not None
    return tete


def test_empty_audit_is_verified_too(cynod: Cynod) -> None:
    assert _answer(cynod("audit", "head")) == (0, f"0 {PREMIERE}\n", "")
    assert _answer(cynod("audit", "verify")) == (
        0,
        f"Audit verified: 0 rows; head 0 {PREMIERE}\n",
        "",
    )
    assert _answer(cynod("audit", "verify", "--head", PREMIERE)) == _answer(
        cynod("audit", "verify")
    )


def test_chain_is_verified_in_one_line_and_by_a_head_that_was_kept(
    cynod: Cynod, database: Database
) -> None:
    _done(cynod("seed", "--demo"))
    kept = _done(cynod("audit", "head"))
    _done(
        cynod(
            "plafond",
            "set",
            "--carte",
            CARD,
            "--type",
            "DEBIT",
            "--periode",
            "MOIS",
            "--montant",
            "1",
        )
    )
    tete = _tete(database)
    assert kept != f"3 {tete.empreinte}\n" == _done(cynod("audit", "head"))
    told = (0, f"Audit verified: 3 rows; head 3 {tete.empreinte}\n", "")
    assert _answer(cynod("audit", "verify")) == told
    assert _answer(cynod("audit", "verify", "--head", kept)) == told
    assert _answer(cynod("audit", "verify", "--head", kept.split()[1])) == told
    assert _answer(cynod("audit", "verify", "--head", "0" * 63 + "1")) == (
        1,
        "",
        (
            "cynod: the audit does not hold: no row has the empreinte that was kept: the chain was written"
            " again, or the database restored to a point before that row.\n"
        ),
    )
    described = json.loads(_done(cynod("audit", "verify", "--json")))
    assert described.pop("secondes") >= 0
    assert described == {
        "lignes": 3,
        "premiere": 1,
        "derniere": 3,
        "intacte": True,
        "premiereRupture": None,
        "tete": tete.empreinte,
    }
    assert json.loads(_done(cynod("audit", "head", "--json"))) == {
        "position": 3,
        "tete": tete.empreinte,
    }


@pytest.mark.parametrize("given", ["", "x", "0" * 63, "G" * 64, "A" * 64])
def test_head_that_is_none_is_wrong_usage(cynod: Cynod, given: str) -> None:
    result = cynod("audit", "verify", "--head", given)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"{given!r} is not the 64 hexadecimal digits of a head.\n")


def test_row_that_was_changed_is_told_with_its_place(cynod: Cynod, database: Database) -> None:
    _done(cynod("seed", "--demo"))
    with database.transaction() as connection:
        if database.dialect == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        else:
            connection.execute(text("DROP TRIGGER audit_append_only_update"))
        connection.execute(audit.update().where(audit.c.position == 2).values(acteur_id="x"))
    changed = "empreinte is not that of what the row holds: it was changed"
    refused = f"cynod: the audit does not hold at row 2: {changed}.\n"
    assert _answer(cynod("audit", "verify")) == (1, "", refused)
    result = cynod("audit", "verify", "--json")
    described = json.loads(result.stdout)
    assert (result.exit_code, result.stderr, described.pop("secondes") >= 0) == (1, refused, True)
    assert described == {
        "lignes": 1,
        "premiere": 1,
        "derniere": 1,
        "intacte": False,
        "premiereRupture": {"position": 2, "motif": changed},
        "tete": _tete(database).empreinte,
    }


# ── export ───────────────────────────────────────────────────────────────────────────────────────
def test_export_goes_to_a_file_of_its_owner_and_says_so(cynod: Cynod, tmp_path: Path) -> None:
    _done(cynod("seed", "--demo"))
    file = tmp_path / "audit.csv"
    told = _answer(cynod("audit", "export", "--output", file))
    assert told == (0, f"2 rows of the audit are in {file}.\n", "")
    assert file.stat().st_mode & 0o777 == 0o600
    shown = cynod("audit", "export", "--json")
    assert file.read_bytes() == shown.stdout_bytes
    assert json.loads(shown.stderr) == {"fichier": None, "format": "csv", "lignes": 2}
    many = ("audit", "export", "--format", "jsonl", "--output", file, "--json")
    assert json.loads(_done(cynod(*many))) == {"fichier": str(file), "format": "jsonl", "lignes": 2}
    assert len(file.read_text(encoding="utf-8").splitlines()) == 2
    assert _answer(cynod("audit", "export", "--format", "jsonl", "--to", "2020-01-01")) == (
        0,
        "",
        "",
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (
            ("--from", "2026-02-01", "--to", "2026-01-01"),
            "--from 2026-02-01 is after --to 2026-01-01.",
        ),
        (("--from", "hier"), "'hier' is not a day of the form YYYY-MM-DD."),
        (("--objet", "\x00"), "--objet and --acteur are printable texts."),
        (("--acteur", "\udcff"), "--objet and --acteur are printable texts."),
    ],
)
def test_export_of_what_nobody_can_mean_is_wrong_usage(
    cynod: Cynod, options: tuple[str, ...], told: str
) -> None:
    result = cynod("audit", "export", *options)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(f"{told}\n")
