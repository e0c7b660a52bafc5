"""`cynod` as its users meet it: what each command prints, changes and refuses, on both databases."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select, update

from handlers.cli.root import cli
from models.authentification import issue_token, jetons
from models.base import now
from models.books.importation import COLUMNS
from models.carte import cartes, find_carte
from models.client import clients
from models.database.engine import Database
from models.membre import membres
from models.migrate import expected_revision
from models.operation import operations
from models.partenaire import partenaires
from models.secret import find_by_secret, secrets
from tests.support.process import run_afresh
from tests.support.world import ALL_SCOPES

PEPPER = "pepper of the tests"
HEADER = ",".join(COLUMNS)
SCOPES = ", ".join(ALL_SCOPES)

Cynod = Callable[..., Result]


@pytest.fixture
def cynod(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cynod:
    """Run a command on the test's database."""
    monkeypatch.setenv("CYNOD_DATABASE_URL", database.url.render_as_string(hide_password=False))
    monkeypatch.setenv("CYNOD_PEPPER", PEPPER)
    monkeypatch.setenv("CYNOD_ENV", "test")

    def run(*arguments: Any, **variables: str) -> Result:
        return CliRunner(env=variables).invoke(
            cli, [str(one) for one in arguments], prog_name="cynod"
        )

    return run


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def _row(number: int, solde: str = "5000", nom: str = "Ndiaye") -> str:
    return (
        f"CLI-0001,Société,M{number},{nom},Fatou,,22177{number:07d},,,"
        f"7019800{number:09d},18/07/2029,ACTIVE,{solde}"
    )


def _write(path: Path, *rows: str) -> Path:
    path.write_text("\n".join([HEADER, *rows, ""]), encoding="utf-8")
    return path


def _count(database: Database, table: Any) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(table)).scalar_one()


def _valid(database: Database, key: str, secret: str) -> bool:
    with database.reading() as connection:
        return find_by_secret(
            connection, key, secret, pepper=PEPPER.encode(), demo_allowed=False
        ).valid


# ── migrate ──────────────────────────────────────────────────────────────────────────────────────


def test_migrate_creates_a_sqlite_database_and_says_when_there_is_nothing_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_DATABASE_URL", f"sqlite:///{tmp_path / 'new.db'}")
    first, second = (CliRunner().invoke(cli, ["migrate"]) for _ in range(2))
    assert _answer(first) == (0, f"Migrated to {expected_revision()}.\n", "")
    assert _answer(second) == (0, f"Already at {expected_revision()}.\n", "")


def test_migrate_leaves_a_database_of_a_newer_version_alone(
    cynod: Cynod, database: Database
) -> None:
    with database.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    told = (
        "cynod: the database cannot be migrated by this version:"
        " Can't locate revision identified by '9999'.\n"
    )
    assert _answer(cynod("migrate")) == (1, "", told)
    assert _answer(cynod("migrate", "--plan")) == (1, "", told)


@pytest.mark.parametrize(
    "command",
    [
        ("journal", "verify"),
        ("journal", "seal"),
        ("journal", "export"),
        ("agent", "list"),
        ("agent", "creer", "--nom", "x", "--sujet", "x", "--role", "LECTEUR"),
        ("agent", "suspendre", "x", "--motif", "x"),
        ("agent", "jeton", "x"),
        ("audit", "head"),
        ("audit", "verify"),
        ("audit", "export"),
        ("plafond", "list"),
        ("plafond", "remove", "--carte", "1", "--type", "DEBIT", "--periode", "JOUR"),
        ("import", "x.csv"),
        ("partenaire", "list"),
        ("partenaire", "revoke", "x"),
        ("partenaire", "rotate", "x"),
        ("partenaire", "jetons", "x"),
        ("partenaire", "create", "--nom", "x", "--client", "C", "--scope", "soldes:lire"),
    ],
)
def test_a_database_that_is_not_there_or_not_migrated_is_told_to_migrate(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "absent.db"
    monkeypatch.setenv("CYNOD_DATABASE_URL", f"sqlite:///{file}")
    absent = CliRunner().invoke(cli, command)
    assert _answer(absent) == (
        1,
        "",
        (
            f"cynod: the database {file} does not exist; correct CYNOD_DATABASE_URL, or run"
            " `cynod migrate` to create it.\n"
        ),
    )
    assert not file.exists()
    file.touch()
    assert _answer(CliRunner().invoke(cli, command)) == (
        1,
        "",
        (
            f"cynod: the database was never migrated and this version needs {expected_revision()}; run"
            " `cynod migrate`.\n"
        ),
    )


def test_seed_makes_the_sqlite_database_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new.db"
    monkeypatch.setenv("CYNOD_DATABASE_URL", f"sqlite:///{file}")
    assert CliRunner().invoke(cli, ["seed", "--demo"]).exit_code == 0
    assert CliRunner().invoke(cli, ["journal", "verify"]).exit_code == 0


# ── seed ─────────────────────────────────────────────────────────────────────────────────────────


def test_seed_writes_the_demo_once(cynod: Cynod, database: Database) -> None:
    assert _answer(cynod("seed", "--demo")) == (
        0,
        "Demo data written; consumer-key demo-partenaire, consumer-secret demo-secret.\n",
        "",
    )
    with database.reading() as connection:
        partenaire = find_by_secret(
            connection, "demo-partenaire", "demo-secret", pepper=PEPPER.encode(), demo_allowed=True
        ).partenaire
        assert partenaire is not None
        assert partenaire.scopes == set(SCOPES.split(", "))
        carte = find_carte(
            connection,
            partenaire,
            numero_carte="7019800100009569",
            wallet_id="221771234567",
            client_id="CLI-0001",
        )
        assert (carte.solde, carte.date_solde.isoformat()) == (142000, "2021-08-23T10:11:42+00:00")
        assert connection.execute(
            select(cartes.c.numero_carte, cartes.c.statut, cartes.c.solde).order_by(cartes.c.id)
        ).all() == [
            ("7019800100009569", "ACTIVE", 142000),
            ("7019800100009577", "ACTIVE", 25000),
            ("7019800100009585", "OPPOSITION", 5000),
            ("7019800100009593", "ACTIVE", 5000),
            ("7019800100009601", "ANNULEE", 5000),
            ("7019800200000017", "ACTIVE", 50000),
            ("7019800100009619", "ANNULEE", 0),
            ("7019800100009627", "EMISE", 0),
        ]
        assert connection.execute(
            select(membres.c.membre_id, membres.c.nom, membres.c.email, membres.c.telephone)
        ).all() == [("MBR-0001", "xxx", "", ""), ("MBR-0002", "xxx", "", "")]
    refused = (1, "", "cynod: the database already holds data; the demo needs an empty one.\n")
    assert _answer(cynod("seed", "--demo")) == refused
    assert _answer(cynod("journal", "verify")) == (
        0,
        "Journal verified: 6 operations, 6 ecritures, 8 cartes; nothing differs.\n",
        "",
    )


def test_seed_is_refused_in_production_and_beside_imported_data(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    assert _answer(cynod("seed", "--demo", CYNOD_ENV="production")) == (
        1,
        "",
        "cynod: demo data has no place in production (CYNOD_ENV=production).\n",
    )
    assert _count(database, clients) == 0
    assert cynod("import", _write(tmp_path / "a.csv", _row(1))).exit_code == 0
    assert cynod("seed", "--demo").exit_code == 1
    assert _count(database, partenaires) == 0
    assert cynod("seed").exit_code == 2


# ── import ───────────────────────────────────────────────────────────────────────────────────────


def test_import_says_what_is_new_and_what_was_there(cynod: Cynod, tmp_path: Path) -> None:
    file = _write(tmp_path / "cards.csv", _row(1), _row(2))
    first, second = (cynod("import", file) for _ in range(2))
    assert (first.exit_code, first.stderr) == (0, "")
    summary, speed = first.stdout.splitlines()
    assert summary == "2 new, 0 unchanged; 1 new client, 2 new membres."
    assert speed.startswith("2 rows in ")
    assert speed.endswith(" rows/s).")
    assert second.exit_code == 0
    assert second.stdout.splitlines()[0] == "0 new, 2 unchanged; 0 new clients, 0 new membres."


def test_import_stops_at_a_bad_row_and_changes_nothing(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    file = _write(tmp_path / "cards.csv", _row(1), _row(2, solde="-5"))
    assert _answer(cynod("import", file)) == (
        1,
        "",
        (
            f"cynod: {file}, line 3, column solde: it must be an integer of francs from 0 to"
            " 9007199254740991. Nothing was imported.\n"
        ),
    )
    assert (_count(database, clients), _count(database, operations)) == (0, 0)


def test_rejected_rows_can_be_corrected_and_imported(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    file = _write(tmp_path / "cards.csv", _row(1), _row(2, solde="?", nom='"a, ""b"""'), "x,y")
    rejects = tmp_path / "rejects.csv"
    rejects.write_text("what was there before", encoding="utf-8")
    result = cynod("import", file, "--skip-bad", rejects)
    assert (result.exit_code, result.stderr) == (0, "")
    told = result.stdout.splitlines()
    assert told[0] == "1 new, 0 unchanged, 2 rejected; 1 new client, 1 new membre."
    assert told[2] == f"The rejected rows are in {rejects}."
    with rejects.open(encoding="utf-8", newline="") as lines:
        found = list(csv.reader(lines))
    cells = _row(2, solde="?").split(",")
    cells[3] = 'a, "b"'
    assert found == [
        [*COLUMNS, "ligne", "colonne", "motif"],
        [*cells, "3", "solde", "it must be an integer of francs from 0 to 9007199254740991"],
        ["x,y", *[""] * 12, "4", "", "2 columns instead of 13"],
    ]
    corrected = tmp_path / "corrected.csv"
    with corrected.open("w", encoding="utf-8", newline="") as lines:
        csv.writer(lines).writerows([found[0][:13], [*cells[:12], "7"]])
    assert cynod("import", corrected).stdout.startswith("1 new, 0 unchanged;")
    assert _count(database, cartes) == 2
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".csv") == [
        "cards.csv",
        "corrected.csv",
        "rejects.csv",
    ]


def test_a_file_of_rejects_is_replaced_only_when_the_import_succeeds(
    cynod: Cynod, database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "cards.csv"
    file.write_text("not the header\n", encoding="utf-8")
    rejects = tmp_path / "rejects.csv"
    rejects.write_text("kept", encoding="utf-8")
    result = cynod("import", file, "--skip-bad", rejects)
    assert result.exit_code == 1
    assert "line 1, column clientId: the header must be exactly" in result.stderr
    assert rejects.read_text(encoding="utf-8") == "kept"
    assert _answer(cynod("import", file, "--skip-bad", file)) == (
        1,
        "",
        "cynod: REJECTS.csv must be another file than FILE.csv.\n",
    )
    assert file.read_text(encoding="utf-8") == "not the header\n"
    assert not list(tmp_path.glob(".*"))
    assert _count(database, cartes) == 0


def test_files_that_cannot_be_read_or_written_are_named(cynod: Cynod, tmp_path: Path) -> None:
    absent = tmp_path / "absent.csv"
    told = f"cynod: {absent}: No such file or directory.\n"
    assert _answer(cynod("import", absent)) == (1, "", told)
    assert _answer(cynod("import", tmp_path)) == (1, "", f"cynod: {tmp_path}: Is a directory.\n")
    file = _write(tmp_path / "cards.csv", _row(1))
    result = cynod("import", file, "--skip-bad", tmp_path / "no" / "rejects.csv")
    assert result.exit_code == 1
    assert result.stderr.endswith(": No such file or directory.\n")
    assert len(result.stderr.splitlines()) == 1


# ── partenaire ───────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def with_clients(cynod: Cynod, tmp_path: Path) -> Cynod:
    """Three clients exist."""
    rows = [_row(number).replace("CLI-0001", f"CLI-000{number}") for number in (1, 2, 3)]
    assert cynod("import", _write(tmp_path / "cards.csv", *rows)).exit_code == 0
    return cynod


def _create(cynod: Cynod, *arguments: str) -> dict[str, Any]:
    base = ("partenaire", "create", "--nom", "Banque")
    result = cynod(
        *base, *(arguments or ("--client", "CLI-0001", "--scope", "soldes:lire")), "--json"
    )
    assert (result.exit_code, result.stderr) == (0, "")
    created: dict[str, Any] = json.loads(result.stdout)
    return created


@pytest.mark.parametrize(
    "arguments",
    [
        "--client CLI-0001 CLI-0002 --scope soldes:lire cartes:lire --adresse ::ffff:192.0.2.0/120 ::1",
        (
            "--client CLI-0001 --client CLI-0002 --scope soldes:lire --scope cartes:lire"
            " --adresse 192.0.2.0/24 --adresse ::1"
        ),
        (
            "--scope=cartes:lire soldes:lire --client=CLI-0002 CLI-0001 CLI-0001"
            " --adresse=192.0.2.0/24 ::1/128"
        ),
    ],
)
def test_create_takes_several_values_after_one_option_or_repeated(
    with_clients: Cynod, database: Database, arguments: str
) -> None:
    created = _create(with_clients, *arguments.split())
    key, secret = created.pop("consumerKey"), created.pop("consumerSecret")
    assert created == {
        "nom": "Banque",
        "clients": ["CLI-0001", "CLI-0002"],
        "scopes": ["cartes:lire", "soldes:lire"],
        "adresses": ["192.0.2.0/24", "::1/128"],
        "basicAutorise": False,
    }
    assert _valid(database, key, secret)
    (listed,) = json.loads(with_clients("partenaire", "list", "--json").stdout)
    assert listed == {
        "consumerKey": key,
        **created,
        "modeAdresses": "APPLIQUER",
        "type": "EXTERNE",
        "statut": "ACTIF",
        "secretsActifs": 1,
        "creeLe": listed["creeLe"],
        "revoqueLe": None,
    }


def test_basic_is_given_at_creation_and_taken_and_given_again(with_clients: Cynod) -> None:
    arguments = ("--client", "CLI-0001", "--scope", "soldes:lire", "--basic")
    key = _create(with_clients, *arguments)["consumerKey"]

    def listed() -> bool:
        (one,) = json.loads(with_clients("partenaire", "list", "--json").stdout)
        return bool(one["basicAutorise"])

    assert listed()
    told = with_clients("partenaire", "basic", key, "--interdire").stdout
    assert (told, listed()) == (f"{key} may not use Basic for operations.\n", False)
    told = with_clients("partenaire", "basic", key, "--autoriser", "--json").stdout
    assert json.loads(told) == {"consumerKey": key, "basicAutorise": True}
    assert listed()


def test_scopes_are_those_that_are_given_last(with_clients: Cynod) -> None:
    key = _create(with_clients, "--client", "CLI-0001", "--scope", "soldes:lire")["consumerKey"]
    given = with_clients("partenaire", "scopes", key, "--scope", "secrets:gerer", "soldes:lire")
    assert given.stdout == f"{key} has the scopes secrets:gerer soldes:lire.\n"
    given = with_clients("partenaire", "scopes", key, "--scope", "cartes:opposer", "--json")
    assert json.loads(given.stdout) == {"consumerKey": key, "scopes": ["cartes:opposer"]}
    (listed,) = json.loads(with_clients("partenaire", "list", "--json").stdout)
    assert listed["scopes"] == ["cartes:opposer"]
    refused = with_clients("partenaire", "scopes", key, "--scope", "cartes:peindre")
    told = f"cynod: unknown scope cartes:peindre; known: {SCOPES}.\n"
    assert _answer(refused) == (1, "", told)


def test_create_shows_the_secret_once_and_stores_a_hash(
    with_clients: Cynod, database: Database
) -> None:
    result = with_clients(
        "partenaire", "create", "--nom", "Banque", "--client", "CLI-0001", "--scope", "soldes:lire"
    )
    first, second, third = result.stdout.splitlines()
    key, secret = first.removeprefix("consumer-key:    "), second.removeprefix("consumer-secret: ")
    assert third == "Keep the secret now: it is not shown again."
    assert _valid(database, key, secret)
    table = with_clients("partenaire", "list").stdout
    assert [line.split() for line in table.splitlines()] == [
        ["consumer-key", "nom", "clients", "scopes", "adresses", "secrets", "basic", "statut"],
        [key, "Banque", "CLI-0001", "soldes:lire", "toutes", "1", "non", "actif"],
    ]
    with database.reading() as connection:
        assert secret.encode() not in connection.scalars(select(secrets.c.empreinte)).one()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ("--client", "CLI-0001", "CLI-9", "CLI-8", "--scope", "soldes:lire"),
            "unknown client CLI-9, CLI-8; no partner was created.",
        ),
        (
            ("--client", "CLI-0001", "--scope", "soldes:lire", "soldes:ecrire"),
            f"unknown scope soldes:ecrire; known: {SCOPES}.",
        ),
        (
            ("--client", "CLI-0001", "--scope", "soldes:lire", "--adresse", "10.0.0.1/8"),
            "--adresse 10.0.0.1/8: 10.0.0.1/8 has host bits set.",
        ),
        (
            ("--client", "CLI-0001", "--scope", "soldes:lire", "--adresse", "dakar"),
            "--adresse dakar: 'dakar' does not appear to be an IPv4 or IPv6 network.",
        ),
        (
            ("--client", "CLI-0001", "--scope", "soldes:lire", "--nom", "a\x00b"),
            "--nom must be 1 to 200 printable characters.",
        ),
        (
            ("--client", "CLI-0001", "--scope", "soldes:lire", "--nom", " "),
            "--nom must be 1 to 200 printable characters.",
        ),
        (
            ("--client", "\x00", "--scope", "soldes:lire"),
            "unknown client \x00; no partner was created.",
        ),
    ],
)
def test_create_refuses_what_is_unknown_and_creates_nothing(
    with_clients: Cynod, database: Database, arguments: tuple[str, ...], told: str
) -> None:
    result = with_clients("partenaire", "create", "--nom", "Banque", *arguments)
    assert _answer(result) == (1, "", f"cynod: {told}\n")
    assert _count(database, partenaires) == 0


def test_create_without_client_or_scope_is_wrong_usage(with_clients: Cynod) -> None:
    for arguments in (("--client", "CLI-0001"), ("--scope", "soldes:lire"), ()):
        assert with_clients("partenaire", "create", "--nom", "x", *arguments).exit_code == 2


def test_revoke_ends_secrets_and_tokens_once(with_clients: Cynod, database: Database) -> None:
    created = _create(with_clients)
    key, secret = created["consumerKey"], created["consumerSecret"]
    with database.transaction() as connection:
        partenaire = find_by_secret(
            connection, key, secret, pepper=PEPPER.encode(), demo_allowed=False
        ).partenaire
        assert partenaire is not None
        issue_token(connection, partenaire, scope=None, duree_s=60, pepper=PEPPER.encode())
    told = (0, f"{key} is revoked.\n", "")
    assert _answer(with_clients("partenaire", "revoke", key, "--yes")) == told
    assert not _valid(database, key, secret)
    assert _count(database, jetons) == 0
    refused = (1, "", f"cynod: no active partner has the consumer-key '{key}'.\n")
    assert _answer(with_clients("partenaire", "revoke", key)) == refused
    assert _answer(with_clients("partenaire", "rotate", key)) == refused
    assert "révoqué" in with_clients("partenaire", "list").stdout


def test_rotate_keeps_the_secret_before_for_the_delay(
    with_clients: Cynod, database: Database
) -> None:
    created = _create(with_clients)
    key, first = created["consumerKey"], created["consumerSecret"]
    result = json.loads(with_clients("partenaire", "rotate", key, "--json").stdout)
    second = result.pop("consumerSecret")
    tokens = {"jetonsActifs": 0, "jetonsExpirentLe": None}
    assert result == {"consumerKey": key, "delaiHeures": 24, **tokens}
    assert _valid(database, key, first)
    assert _valid(database, key, second)
    with database.transaction() as connection:
        connection.execute(
            update(secrets).where(secrets.c.expire_le.is_not(None)).values(expire_le=now())
        )
    assert not _valid(database, key, first)
    text = with_clients("partenaire", "rotate", key, "--delai", "0").stdout.splitlines()
    assert text[3] == "The secret before it stays good for 0 h."
    assert not _valid(database, key, second)
    assert _valid(database, key, text[1].removeprefix("consumer-secret: "))
    assert with_clients("partenaire", "rotate", key, "--delai", "-1").exit_code == 2


def test_list_of_no_partner(cynod: Cynod) -> None:
    assert _answer(cynod("partenaire", "list")) == (0, "No partner.\n", "")
    assert _answer(cynod("partenaire", "list", "--json")) == (0, "[]\n", "")


# ── journal ──────────────────────────────────────────────────────────────────────────────────────


def test_verify_lists_what_differs_with_masked_cards(cynod: Cynod, database: Database) -> None:
    assert cynod("seed", "--demo").exit_code == 0
    with database.transaction() as connection:
        connection.execute(
            update(cartes).where(cartes.c.numero_carte == "7019800100009577").values(solde=1)
        )
    assert _answer(cynod("journal", "verify")) == (
        1,
        (
            "Not so: a carte's solde is what its ecritures credit less what they debit\n"
            "  carte 701980******9577: solde 1, ecritures 25000\n"
        ),
        "cynod: the journal does not hold; the list above says where.\n",
    )


# ── whatever a user can cause ────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        (
            {"CYNOD_DATABASE_URL": "postgresql://lui:tres-secret@127.0.0.1:1/cynod"},
            "cynod: the database postgresql+psycopg://lui:***@127.0.0.1:1/cynod cannot be used:",
        ),
        ({"CYNOD_DATABASE_URL": "cynod.db"}, "cynod: not a database URL; expected sqlite:///path"),
        (
            {"CYNOD_DATABASE_URL": "mysql://localhost/x"},
            "cynod: database 'mysql' is not supported;",
        ),
        (
            {"CYNOD_DATABASE_URL": f"sqlite:///{__file__}"},
            f"cynod: the database sqlite:///{__file__} cannot be used: file is not a database.",
        ),
        ({"CYNOD_ENV": "prod"}, "cynod: CYNOD_ENV must be development, test or production."),
    ],
)
def test_a_setting_at_fault_is_one_sentence(
    variables: dict[str, str], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    result = CliRunner().invoke(cli, ["journal", "verify"])
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.startswith(told)
    assert len(result.stderr.splitlines()) == 1
    assert "tres-secret" not in result.stderr


def test_a_contract_that_cannot_be_read_is_one_sentence(
    with_clients: Cynod, tmp_path: Path
) -> None:
    arguments = ("partenaire", "create", "--nom", "x", "--client", "CLI-0001", "--scope", "y")
    absent = tmp_path / "absent.yaml"
    assert _answer(with_clients(*arguments, CYNOD_CONTRACT=str(absent))) == (
        1,
        "",
        f"cynod: the contract {absent} cannot be read: No such file or directory.\n",
    )
    broken = tmp_path / "broken.yaml"
    broken.write_text("openapi: [", encoding="utf-8")
    code, said, sentence = _answer(with_clients(*arguments, CYNOD_CONTRACT=str(broken)))
    assert (code, said, sentence.count("\n")) == (1, "", 1)
    assert sentence.startswith("cynod: broken.yaml is not YAML at line ")


@pytest.mark.parametrize("written", ["openapi: 3.1.0", "components: 1", "components: {}"])
def test_a_contract_without_scopes_is_one_sentence(
    with_clients: Cynod, tmp_path: Path, written: str
) -> None:
    arguments = ("partenaire", "create", "--nom", "x", "--client", "CLI-0001", "--scope", "y")
    without = tmp_path / "without.yaml"
    without.write_text(written, encoding="utf-8")
    assert _answer(with_clients(*arguments, CYNOD_CONTRACT=str(without))) == (
        1,
        "",
        f"cynod: the contract {without} declares no scopes; run `cynod contract build --check`.\n",
    )


@pytest.mark.parametrize(
    "command",
    [
        "",
        "serve",
        "migrate",
        "seed",
        "import",
        "partenaire",
        "partenaire create",
        "partenaire list",
        "partenaire revoke",
        "partenaire rotate",
        "partenaire jetons",
        "journal",
        "journal verify",
        "journal seal",
        "journal export",
        "audit",
        "audit head",
        "audit verify",
        "audit export",
        "plafond",
        "plafond set",
        "plafond remove",
        "plafond list",
        "contract",
        "contract build",
        "contract show",
        "contract outline",
        "contract edition",
        "contract usage",
    ],
)
def test_every_command_has_a_help(command: str) -> None:
    result = CliRunner().invoke(cli, [*command.split(), "--help"], prog_name="cynod")
    assert result.exit_code == 0
    assert result.stdout.startswith(f"Usage: cynod {command}".rstrip())


def test_the_command_of_a_process_exits_with_the_code_and_one_sentence(tmp_path: Path) -> None:
    """As a person starts it: most other tests fork it from a process that has imported it already."""
    run = partial(run_afresh, folder=tmp_path)
    assert run("migrate").stdout == f"Migrated to {expected_revision()}.\n"
    file = _write(tmp_path / "cards.csv", _row(1))
    assert run("import", str(file)).stderr == ""
    refused = run("import", "absent.csv")
    assert (refused.returncode, refused.stdout, refused.stderr) == (
        1,
        "",
        "cynod: absent.csv: No such file or directory.\n",
    )
    assert run("import").returncode == 2
