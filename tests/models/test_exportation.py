"""The exported journal, read and checked by hledger and by beancount, which know nothing of this
program."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import subprocess
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, func, select

from models import migrate
from models.annulation import annuler
from models.books.exportation import (
    Choix,
    Exportation,
    Inconnu,
    export_journal,
)
from models.books.redaction import REDACTIONS
from models.books.redaction.base import (
    Compte,
    Cote,
    Entete,
    Mouvement,
)
from models.carte import cartes
from models.client import clients
from models.compte import COMPTE_CARTE, COMPTE_OUVERTURE, COMPTE_REGLEMENT, comptes
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.journal.ouverture import NouvelleCarte, find_ouverture, open_cartes
from models.journal.reference import Details
from models.mouvement import CarteDesignee, Demande, crediter, debiter, transferer
from models.operation import operations
from models.partenaire import Partenaire, partenaires
from models.secret import NouveauPartenaire, find_by_secret
from models.suivi import close_reference
from tests.support.lives import Lives
from tests.support.needs import need
from tests.support.world import (
    FAR,
    PEPPER,
    Carte,
    World,
    place,
)

SPECIALS = (
    "; comment",
    "a|b \"c\" 'd'",
    "date:2020-01-01, x:y",
    "[2020-01-01=2020-01-02]",
    "é ñ 漢字 🂡",
    "  = 5 FCFA @ 2 EUR",
    "* ! (code) %3B # ~ {1}\t.",
)
ODD = (
    "\"'\\\n\r\t\f\b;|=*!()[]{}:,.%#@&$^~`<>+- aAxX0"
    "\u0001\u0085\u00a0\u00e9\u200f\u202e\u2028\u6f22\U0001f0a1"
)
TEXTS = st.text(
    st.one_of(
        st.sampled_from(ODD), st.characters(exclude_categories=["Cs"], exclude_characters="\0")
    ),
    max_size=60,
)

WHOLE = Choix()

Program = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def hledger(tmp_path_factory: pytest.TempPathFactory) -> Program:
    """Run hledger on files."""
    need("hledger")
    home = tmp_path_factory.mktemp("hledger")

    def run(file: Path, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["hledger", "-f", file, *arguments],
            # Neither a configuration nor a locale of the machine: the file is ASCII.
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
            capture_output=True,
            encoding="ascii",
            check=False,
        )

    return run


@pytest.fixture(scope="session")
def bean_check() -> Program:
    """Run bean-check on a file."""
    need("beancount")

    def run(file: Path) -> subprocess.CompletedProcess[str]:
        # Without its cache, which is a file beside the other.
        return subprocess.run(
            ["bean-check", "--no-cache", file], capture_output=True, encoding="utf-8", check=False
        )

    return run


_READ_BEANCOUNT = """
import json, sys
from beancount import loader
from beancount.core.data import Open, Transaction
entries, errors, _ = loader.load_file(sys.argv[1])
accounts, sums, operations = {}, {}, []
for entry in entries:
    if isinstance(entry, Open):
        accounts[entry.account] = {k: v for k, v in entry.meta.items() if isinstance(v, str)}
        sums[entry.account] = 0
    elif isinstance(entry, Transaction):
        operations.append([entry.payee, {k: v for k, v in entry.meta.items() if isinstance(v, str)}])
        for posting in entry.postings:
            sums[posting.account] += int(posting.units.number)
json.dump([[str(one.message) for one in errors], accounts, sums, operations], sys.stdout)
"""


@pytest.fixture(scope="session")
def beancount() -> Callable[[Path], Any]:
    """What beancount reads in a file: errors, accounts, their sums, payees and metadata."""
    need("beancount")
    program = shutil.which("bean-check")
    assert program is not None
    # It is a library of the Python that its program names.
    interpreter = Path(program).read_text(encoding="utf-8").splitlines()[0].removeprefix("#!")

    def read(file: Path) -> Any:
        asked = subprocess.run(
            [*interpreter.split(), "-c", _READ_BEANCOUNT, file],
            env={"PATH": os.environ["PATH"], "BEANCOUNT_DISABLE_LOAD_CACHE": "1"},
            capture_output=True,
            encoding="utf-8",
            check=True,
        )
        return json.loads(asked.stdout)

    return read


@pytest.fixture
def journal(database: Database) -> Database:
    """Every type of operation, of three partners and five cards, with every odd text."""
    world = World(database, "")
    membres = [
        world.membre(world.client(f"C{number}{text}")) for number, text in enumerate(SPECIALS)
    ]
    owned = [world.carte(10_000 * number, membre=membres[number % 2]) for number in range(4)]
    world.carte(7, membre=membres[2], statut="ANNULEE")
    clients = [membre.client_id for membre in membres]
    for number in range(3):
        pair = world.partenaire(clients)
        _move(database, _partenaire(database, pair), owned, number)
    _move_by_demandes(world, owned)
    with database.transaction() as connection:
        connection.execute(
            partenaires.update()
            .where(partenaires.c.id == connection.scalar(select(func.max(partenaires.c.id))))
            .values(consumer_key='k;|"é, date:1')
        )
    return database


def _move_by_demandes(world: World, owned: list[Carte]) -> None:
    """Correct an opening, and move what is left on a blocked card to another one of its client."""
    lives = Lives(world)
    lives.done("corrigerSoldeOuverture", carteId=owned[3].carte_id, soldeOuverture=12_345)
    lives.opposed(owned[2], "VOLEE")
    two = {"carteId": owned[2].carte_id, "carteIdDestination": owned[0].carte_id}
    lives.done("transfererSoldeSpecial", **two)


def _partenaire(database: Database, pair: NouveauPartenaire) -> Partenaire:
    with database.reading() as connection:
        found = find_by_secret(connection, *pair, pepper=PEPPER, demo_allowed=False).partenaire
    assert found is not None
    return found


def _move(database: Database, partenaire: Partenaire, owned: list[Carte], number: int) -> None:
    """Let a partner credit, debit, transfer, reverse and close, in its own words."""

    def demande(carte: Carte, montant: int, reference: str, to: Carte | None = None) -> Demande:
        details = Details(motif=SPECIALS[number], terminal=SPECIALS[-number - 1])
        return Demande(_named(carte), montant, reference, details, _named(to) if to else None)

    with database.transaction() as connection:
        for text in SPECIALS:
            crediter(connection, partenaire, demande(owned[0], 1_000 + number, f"C{text}"))
            debiter(connection, partenaire, demande(owned[1], 10 + number, f"D{text}"))
        transferer(connection, partenaire, demande(owned[2], 99, "T1", owned[0]))
        transferer(connection, partenaire, demande(owned[0], 33, "T2", owned[2]))
        for origine in (f"C{SPECIALS[0]}", f"D{SPECIALS[1]}"):
            annuler(
                connection,
                partenaire,
                reference_origine=origine,
                reference=f"A{origine}",
                motif=SPECIALS[2],
                fenetre=timedelta(days=1),
            )
        close_reference(connection, partenaire, "X;1")


def _named(carte: Carte) -> CarteDesignee:
    return CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)


def _export(
    database: Database, file: Path, choix: Choix = WHOLE, format_: str = "hledger"
) -> Exportation:
    with database.snapshot() as connection, file.open("w", encoding="utf-8", newline="") as out:
        return export_journal(connection, out.write, choix, format_)


def _sums(database: Database, *, par_carte: bool) -> dict[tuple[str, str], int]:
    """What each account was debited less what it was credited, by type and owner."""
    with database.reading() as connection:
        sums = dict.fromkeys(connection.scalars(select(comptes.c.id)), 0)
        for debit, credit, montant in connection.execute(
            select(ecritures.c.compte_debit, ecritures.c.compte_credit, ecritures.c.montant)
        ):
            sums[debit] += montant
            sums[credit] -= montant
        owners = {
            compte_id: (COMPTE_OUVERTURE, f"{compte_id:06d}")
            for compte_id in connection.scalars(select(comptes.c.id))
        }
        for compte_id, client_id, solde in connection.execute(
            select(cartes.c.compte_id, cartes.c.client_id, cartes.c.solde)
        ):
            assert sums[compte_id] == -solde
            owners[compte_id] = (
                COMPTE_CARTE,
                f"{client_id}:{compte_id:06d}" if par_carte else client_id,
            )
        for compte_id, key in connection.execute(
            select(partenaires.c.compte_id, partenaires.c.consumer_key)
        ):
            owners[compte_id] = (COMPTE_REGLEMENT, key)
    found: dict[tuple[str, str], int] = {}
    for compte_id, owner in owners.items():
        found[owner] = found.get(owner, 0) + sums[compte_id]
    return found


_HLEDGER = {
    "passif:clients": COMPTE_CARTE,
    "actif:partenaires": COMPTE_REGLEMENT,
    "capital:ouverture": COMPTE_OUVERTURE,
}


def _balances(hledger: Program, file: Path, query: Iterable[str] = ()) -> dict[str, int]:
    """What hledger finds in the accounts of this file."""
    asked = hledger(file, "balance", "--flat", "--empty", "-N", "-O", "csv", *query)
    assert asked.returncode == 0, asked.stderr
    rows = list(csv.reader(asked.stdout.splitlines()))[1:]
    return {account: int(amount.removesuffix(" FCFA")) for account, amount in rows}


def _concatenate(folder: Path, *files: Path) -> Path:
    """Files as one, which is not what hledger makes of several -f: to it, each begins with nothing."""
    one = folder / "one"
    one.write_text("".join(file.read_text(encoding="ascii") for file in files), encoding="ascii")
    return one


def _by_owner(balances: dict[str, int]) -> dict[tuple[str, str], int]:
    found = {}
    for account, solde in balances.items():
        root, type_ = next(one for one in _HLEDGER.items() if account.startswith(one[0]))
        found[type_, unquote(account.removeprefix(f"{root}:"))] = solde
    return found


def _check(hledger: Program, file: Path) -> None:
    checked = hledger(file, "check", "--strict")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")


# ── the whole journal ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("par_carte", [False, True])
def test_hledger_checks_the_journal_and_finds_every_solde(
    journal: Database, hledger: Program, tmp_path: Path, *, par_carte: bool
) -> None:
    file = tmp_path / "journal.hledger"
    written = _export(journal, file, Choix(par_carte=par_carte))
    sums = _sums(journal, par_carte=par_carte)
    operations_of_all = 4 + 2 + 3 * (2 * len(SPECIALS) + 4)
    assert written == (operations_of_all, len(sums), len(sums))
    _check(hledger, file)
    assert _by_owner(_balances(hledger, file)) == sums
    owed = _balances(hledger, file, query=["type:L"])
    assert len(owed) == sum(type_ == COMPTE_CARTE for type_, _ in sums)


@pytest.mark.parametrize("par_carte", [False, True])
def test_beancount_checks_the_journal_and_finds_every_solde(
    journal: Database,
    bean_check: Program,
    beancount: Callable[[Path], Any],
    tmp_path: Path,
    *,
    par_carte: bool,
) -> None:
    file = tmp_path / "journal.beancount"
    _export(journal, file, Choix(par_carte=par_carte), "beancount")
    checked = bean_check(file)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    errors, accounts, found, _ = beancount(file)
    assert errors == []
    assert {
        _owner_in_beancount(account, accounts[account], par_carte=par_carte): solde
        for account, solde in found.items()
    } == _sums(journal, par_carte=par_carte)


def _owner_in_beancount(
    account: str, metadata: dict[str, str], *, par_carte: bool
) -> tuple[str, str]:
    last = account.rsplit(":", 1)[1]
    if "client" in metadata:
        client = metadata["client"]
        return COMPTE_CARTE, f"{client}:{last}" if par_carte else client
    return (
        (COMPTE_REGLEMENT, metadata["partenaire"])
        if "partenaire" in metadata
        else (COMPTE_OUVERTURE, last)
    )


def test_the_chart_of_accounts_names_clients_and_partenaires(
    journal: Database, tmp_path: Path
) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file)
    with journal.reading() as connection:
        names = {
            *connection.scalars(
                select(clients.c.nom).join(cartes, cartes.c.client_id == clients.c.client_id)
            )
        }
        names |= {*connection.scalars(select(partenaires.c.nom))}
    text = file.read_text(encoding="ascii")
    chart = text[: text.index(" * (")]
    assert {unquote(name) for name in re.findall(r"nom:([^,\n]*)", chart)} == names


def test_hledger_reads_every_tag_and_code_as_it_was_written(
    journal: Database, hledger: Program, tmp_path: Path
) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file)

    def values(tag: str) -> set[str]:
        answer = hledger(file, "tags", "--values", f"^{tag}$")
        assert answer.returncode == 0, answer.stderr
        return {unquote(line) for line in answer.stdout.splitlines()}

    with journal.reading() as connection:
        moved = operations.c.type != "CLOTURE"

        def told(column: Any) -> set[Any]:
            return set(connection.scalars(select(column).where(column.is_not(None), moved)))

        assert values("reference") == told(operations.c.reference)
        assert values("demande") == told(operations.c.demande_id)
        assert values("motif") == told(operations.c.motif)
        assert values("terminal") == told(operations.c.terminal)
        assert values("partenaire") == set(connection.scalars(select(partenaires.c.consumer_key)))
        assert values("client") == set(connection.scalars(select(cartes.c.client_id)))
        assert values("carte") == {
            f"{number:06d}"
            for number in connection.scalars(select(cartes.c.compte_id))
            if number
            in set(connection.scalars(select(ecritures.c.compte_debit)))
            | set(connection.scalars(select(ecritures.c.compte_credit)))
        }
        annulees = select(operations.c.annulation_de).where(operations.c.annulation_de.is_not(None))
        assert values("annule") == set(
            connection.scalars(
                select(operations.c.numero_operation).where(operations.c.id.in_(annulees))
            )
        )
        numeros = connection.scalars(select(operations.c.numero_operation).where(moved)).all()
        types = set(connection.scalars(select(operations.c.type).where(moved)))
        noms = set(connection.scalars(select(partenaires.c.nom)))
    assert sorted(hledger(file, "codes").stdout.split()) == sorted(numeros)
    descriptions = set(hledger(file, "descriptions").stdout.splitlines())
    by_us = {"OUVERTURE", "TRANSFERT_SPECIAL", "CORRECTION_OUVERTURE"}
    by_us.add("Soldes a la fin de la periode")
    assert descriptions == by_us | {f"{nom} | {type_}" for nom in noms for type_ in types - by_us}
    assert types == {
        *("OUVERTURE", "CREDIT", "DEBIT", "TRANSFERT", "ANNULATION"),
        *("TRANSFERT_SPECIAL", "CORRECTION_OUVERTURE"),
    }


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        # One side; then both, so that only the solde can tell.
        (r"(\) [^\n]+ CREDIT [^\n]+\n    \S+  )1000( )", r"\g<1>1001\g<2>"),
        (
            r"(\) [^\n]+ CREDIT [^\n]+\n    \S+  )1000( FCFA\n    \S+  -)1000( )",
            r"\g<1>1001\g<2>1001\g<3>",
        ),
        (r"(\) [^\n]+ TRANSFERT [^\n]+\n    passif:clients:)\S+", r"\g<1>nobody"),
        (r"\n[^\n]+\) [^\n]+ DEBIT [^\n]+(\n    [^\n]+){2}\n", r"\n"),
        (r"\n[^\n]+\) OUVERTURE [^\n]+(\n    [^\n]+){2}\n", r"\n"),
        (r"( = -\d*)(\d) FCFA", lambda found: f"{found[1]}{(int(found[2]) + 1) % 10} FCFA"),
        (r"(  )(\d+) FCFA", r"\g<1>\g<2> EUR"),
    ],
    ids=["side", "both sides", "card", "debit", "opening", "solde", "unite"],
)
@pytest.mark.only_on("sqlite")
def test_hledger_refuses_a_journal_of_which_one_figure_changed(
    journal: Database,
    hledger: Program,
    tmp_path: Path,
    pattern: str,
    replacement: str | Callable[[re.Match[str]], str],
) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file, Choix(par_carte=True))
    changed, count = re.subn(pattern, replacement, file.read_text(encoding="ascii"), count=1)
    assert count == 1
    file.write_text(changed, encoding="ascii")
    refused = hledger(file, "check", "--strict")
    assert refused.returncode == 1
    assert str(file) in refused.stderr


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        (r"(\n  Liabilities:\S+  )(\d+)( XOF)", r"\g<1>9\g<2>\g<3>"),
        (r'\n[^\n]+"OUVERTURE"\n(  [^\n]+\n)+', "\n"),
        (r"( balance Liabilities:\S+  -?)(\d+)", r"\g<1>9\g<2>"),
        (r"(\n  Liabilities:)\S+", r"\g<1>Clients:Nobody"),
    ],
    ids=["side", "opening", "solde", "card"],
)
@pytest.mark.only_on("sqlite")
def test_beancount_refuses_a_journal_of_which_one_figure_changed(
    journal: Database, bean_check: Program, tmp_path: Path, pattern: str, replacement: str
) -> None:
    file = tmp_path / "journal.beancount"
    _export(journal, file, format_="beancount")
    changed, count = re.subn(pattern, replacement, file.read_text(encoding="utf-8"), count=1)
    assert count == 1
    file.write_text(changed, encoding="utf-8")
    assert bean_check(file).returncode == 1


def test_a_solde_that_its_ecritures_do_not_make_is_refused_by_both(
    journal: Database, hledger: Program, bean_check: Program, tmp_path: Path
) -> None:
    with journal.transaction() as connection:
        connection.execute(
            cartes.update().values(solde=cartes.c.solde + 1).where(cartes.c.solde == 7)
        )
    file = tmp_path / "file"
    for choix in (WHOLE, Choix(date(2019, 1, 1), date(2019, 1, 31))):
        _export(journal, file, choix)
        assert hledger(file, "check").returncode == 1
        _export(journal, file, choix, "beancount")
        assert bean_check(file).returncode == 1


# ── periods, clients, partners ───────────────────────────────────────────────────────────────────
JANUARY = (date(2026, 1, 1), date(2026, 1, 31))
FEBRUARY = (date(2026, 2, 1), date(2026, 2, 28))


class _Ecriture(NamedTuple):
    jour: date
    clients: set[str]
    consumer_key: str | None
    sides: list[tuple[tuple[str, str], int]]


@pytest.fixture
def months(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """Three clients' and two partners' operations, at the edges of January and February too."""
    world = World(database, "")
    moment = [datetime(2025, 12, 20, tzinfo=UTC)]
    monkeypatch.setattr("models.journal.reference.now", lambda: moment[0])
    membres = [world.membre(world.client(f"CLI-{number}")) for number in range(3)]
    owned = [
        world.carte(
            50_000, membre=membres[number % 3], date_solde=datetime(2025, 12, 1, tzinfo=UTC)
        )
        for number in range(5)
    ]
    world.carte(5_000, membre=membres[1], date_solde=datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC))
    everybody = [membre.client_id for membre in membres]
    with database.transaction() as connection:
        place(connection, "R", *everybody)
    partners = [_partenaire(database, world.partenaire(everybody)) for _ in range(2)]
    days = [
        datetime(2025, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        *(datetime(2026, month, 1, tzinfo=UTC) for month in (1, 2, 3)),
        *(datetime(2026, 1, day, 12, tzinfo=UTC) for day in (9, 5, 31)),
        datetime(2026, 1, 31, 23, 59, 59, 999_999, tzinfo=UTC),
        datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC),
        *(datetime(2026, 2, day, 8, tzinfo=UTC) for day in (3, 14)),
    ]
    for number, when in enumerate(days):
        moment[0] = when
        for turn, partner in enumerate(partners):
            mine, other = owned[(number + turn) % 5], owned[(number + 2 * turn + 1) % 5]
            with database.transaction() as connection:
                crediter(connection, partner, Demande(_named(mine), 1_000 + number, f"C{number}"))
                debiter(connection, partner, Demande(_named(other), 10 + number, f"D{number}"))
                if mine != other:
                    demande = Demande(
                        _named(mine), 100 + number, f"T{number}", Details(), _named(other)
                    )
                    transferer(connection, partner, demande)
    return database


def _read(database: Database) -> list[_Ecriture]:
    """Every ecriture, as the export is to select it."""
    with database.reading() as connection:
        owners = {
            id_: (COMPTE_OUVERTURE, f"{id_:06d}")
            for id_ in connection.scalars(select(comptes.c.id))
        }
        client_of = {}
        for carte_id, compte_id, client_id in connection.execute(
            select(cartes.c.id, cartes.c.compte_id, cartes.c.client_id)
        ):
            owners[compte_id] = (COMPTE_CARTE, client_id)
            client_of[carte_id] = client_id
        keys = {}
        for id_, compte_id, key in connection.execute(
            select(partenaires.c.id, partenaires.c.compte_id, partenaires.c.consumer_key)
        ):
            owners[compte_id] = (COMPTE_REGLEMENT, key)
            keys[id_] = key
        rows = connection.execute(
            select(operations, ecritures).join_from(
                ecritures, operations, operations.c.id == ecritures.c.operation_id
            )
        ).mappings()
        return [
            _Ecriture(
                row[operations.c.date_operation].date(),
                {client_of[row[operations.c.carte_id]]}
                | {client_of.get(row[operations.c.carte_destination_id], "")},
                keys.get(row[operations.c.partenaire_id]),
                [
                    (owners[row[ecritures.c.compte_debit]], row[ecritures.c.montant]),
                    (owners[row[ecritures.c.compte_credit]], -row[ecritures.c.montant]),
                ],
            )
            for row in rows
        ]


def _fold(lines: list[_Ecriture], choix: Choix) -> dict[tuple[str, str], int]:
    """What the selected ecritures make of their accounts until the end of the period."""
    found: dict[tuple[str, str], int] = {}
    for line in lines:
        if (
            (choix.fin is None or line.jour <= choix.fin)
            and (choix.client_id is None or choix.client_id in line.clients)
            and choix.consumer_key in (None, line.consumer_key)
        ):
            for owner, montant in line.sides:
                found[owner] = found.get(owner, 0) + montant
    return {owner: solde for owner, solde in found.items() if solde}


def _add_up(file: Path) -> dict[str, int]:
    """Debits less credits of each account of a CSV, which are what its last line says."""
    sums: dict[str, int] = {}
    with file.open(encoding="utf-8-sig", newline="") as opened:
        for row in csv.DictReader(opened):
            account = row["compte"]
            if row["type"] == "SOLDE FINAL":
                assert sums.get(account, 0) == int(row["solde"])
            else:
                moved = int(row["debit"] or 0) - int(row["credit"] or 0)
                sums[account] = sums.get(account, 0) + moved
    return sums


def _without_zeros(found: dict[tuple[str, str], int]) -> dict[tuple[str, str], int]:
    return {owner: solde for owner, solde in found.items() if solde}


@pytest.mark.parametrize("of", ["everything", "a client", "a partenaire", "both"])
def test_each_month_ends_with_what_was_moved_until_then_and_begins_the_next(
    months: Database, hledger: Program, beancount: Callable[[Path], Any], tmp_path: Path, of: str
) -> None:
    lines = _read(months)
    key = next(line.consumer_key for line in lines if line.consumer_key)
    client = "CLI-1" if of in ("a client", "both") else None
    partenaire = key if of in ("a partenaire", "both") else None
    january, february, two = (tmp_path / name for name in ("january", "february", "two"))
    written = {}
    for file, (debut, fin) in (
        (january, JANUARY),
        (february, FEBRUARY),
        (two, (JANUARY[0], FEBRUARY[1])),
    ):
        choix = Choix(debut, fin, client, partenaire)
        written[file] = _export(months, file, choix)
        _check(hledger, file)
        expected = _fold(lines, choix)
        assert _without_zeros(_by_owner(_balances(hledger, file))) == expected
        _export(months, tmp_path / "beans", choix, "beancount")
        errors, accounts, found, _ = beancount(tmp_path / "beans")
        assert errors == []
        assert expected == _without_zeros(
            {
                _owner_in_beancount(account, accounts[account], par_carte=False): solde
                for account, solde in found.items()
            }
        )
        _export(months, tmp_path / "sheet", choix, "csv")
        assert expected == _without_zeros(_by_owner(_add_up(tmp_path / "sheet")))
    opened = _balances(hledger, february, query=["desc:debut de la periode"])
    ended = _balances(hledger, january)
    assert opened == {account: solde for account, solde in ended.items() if solde}
    both = _concatenate(tmp_path, january, february)
    _check(hledger, both)
    assert _balances(hledger, both) == _balances(hledger, two)
    assert written[january].operations + written[february].operations == written[two].operations
    whole = {"everything": 1 + 2 + 3, "a client": 1, "a partenaire": 1, "both": 0}[of]
    assert {one.soldes for one in written.values()} == {whole}


def test_periods_without_an_end_run_from_the_beginning_and_until_now(
    months: Database, hledger: Program, tmp_path: Path
) -> None:
    lines = _read(months)
    file = tmp_path / "journal"
    for choix in (
        Choix(debut=FEBRUARY[0]),
        Choix(fin=JANUARY[1]),
        Choix(date.min, date.max),
        Choix(date(2027, 1, 1)),
        Choix(None, date(2020, 1, 1)),
    ):
        for par_carte in (False, True):
            _export(months, file, choix._replace(par_carte=par_carte))
            _check(hledger, file)
            balances = _balances(hledger, file)
            if not par_carte:
                assert _without_zeros(_by_owner(balances)) == _fold(lines, choix)


def test_a_client_or_partenaire_that_nobody_is_is_told_before_anything_is_written(
    months: Database,
) -> None:
    for choix, champ in (
        (Choix(client_id="CLI-9"), "client_id"),
        (Choix(consumer_key="nobody"), "consumer_key"),
    ):
        pieces: list[str] = []
        with months.snapshot() as connection, pytest.raises(Inconnu) as refused:
            export_journal(connection, pieces.append, choix)
        assert (refused.value.champ, pieces) == (champ, [])


# ── size ─────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.only_on("sqlite")
def test_hledger_reads_as_many_cards_as_there_are_in_a_time_that_grows_with_them(
    database: Database, hledger: Program, tmp_path: Path
) -> None:
    """Its strict check walks all accounts for each posting: cards are no accounts, unless asked for."""
    world = World(database, "")
    membre = world.membre()
    nouvelles = [
        NouvelleCarte(f"70198{number:011d}", membre.client_id, membre.membre_id, FAR, "ACTIVE", 100)
        for number in range(5_000)
    ]
    with database.transaction() as connection:
        contra = find_ouverture(connection)
        open_cartes(
            connection, nouvelles, contra=contra, date_solde=datetime(2026, 1, 5, tzinfo=UTC)
        )
    file = tmp_path / "january"
    assert _export(database, file, Choix(*JANUARY)) == (5_000, 2, 2)
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    _check(hledger, file)
    # Less than a second. Were each card an account, twice as many would take four times as long.
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - before < 10


def test_sqlite_sorts_nothing_that_grows_with_the_journal(tmp_path: Path) -> None:
    """As it is built for Python, it sorts in memory: whole tables are read in the order of an index."""
    database = Database(f"sqlite:///{tmp_path / 'empty.db'}")
    migrate.upgrade(database)
    world = World(database, "")
    choix = Choix(*JANUARY, world.client("CLI-1"), world.partenaire(["CLI-1"]).consumer_key)
    ran: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, values: Any, *_others: Any) -> None:
        ran.append((statement, values))

    event.listen(database.engine, "before_cursor_execute", note)
    with database.snapshot() as connection:
        export_journal(connection, lambda _piece: None, choix)
    event.remove(database.engine, "before_cursor_execute", note)
    asked = [one for one in ran if one[0].startswith("SELECT") and "DISTINCT" not in one[0]]
    assert len(asked) > 5
    with database.reading() as connection:
        for statement, values in asked:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)
            words = ("TEMP B-TREE", "MATERIALIZE", "AUTOMATIC")
            assert not [row.detail for row in plan if any(word in row.detail for word in words)]
    database.close()


# ── texts ────────────────────────────────────────────────────────────────────────────────────────
_INSTANT = datetime(2026, 1, 5, 12, tzinfo=UTC)


def _write(texts: list[str], file: Path, format_: str) -> None:
    """A file in which each text is a name, an id and all that a partner may say of an operation."""
    redaction = REDACTIONS[format_](par_carte=False)
    day = _INSTANT.date()
    entete = Entete(day, day, day, day, texts[0], texts[-1], texts[0], texts[-1], False, ["FCFA"])
    pieces = [redaction.head(entete)]
    # Upper and lower case are one client to neither program: an account is told by its owner alone.
    owners = list(dict.fromkeys(text or "-" for text in texts))
    for number, owner in enumerate(owners):
        carte = Compte(number, COMPTE_CARTE, "FCFA", owner, owner, "701980******0017", None, None)
        reglement = Compte(number, COMPTE_REGLEMENT, "FCFA", None, None, None, owner, owner)
        pieces += [redaction.account(one, entete) for one in (carte, reglement)]
    for number, text in enumerate(texts):
        owner = text or "-"
        cotes = [
            Cote(number, COMPTE_CARTE, owner, "7019800200000017", None, 1, "FCFA"),
            Cote(number, COMPTE_REGLEMENT, None, None, owner, -1, "FCFA"),
        ]
        mouvement = Mouvement(
            numero_operation=f"{number:026d}",
            type="DEBIT",
            instant=_INSTANT,
            consumer_key=owner,
            partenaire_nom=text,
            reference=text,
            annulation_de=None,
            demande_id=None,
            motif=text,
            point_de_service=text,
            terminal=text,
            cotes=cotes,
        )
        pieces.append(redaction.mouvement(mouvement))
    pieces.append(redaction.end(len(texts), 2 * len(owners), 0))
    file.write_text(
        "".join(pieces), encoding="ascii" if format_ == "hledger" else "utf-8", newline=""
    )


_few = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@_few
@given(st.lists(TEXTS, min_size=1, max_size=80))
def test_whatever_partners_write_hledger_reads_it_back(
    hledger: Program, tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("texts") / "journal.hledger"
    _write([*SPECIALS, *texts], file, "hledger")
    _check(hledger, file)
    for tag in ("motif", "pointDeService", "terminal", "reference"):
        told = hledger(file, "tags", "--values", "--parsed", "--empty", f"^{tag}$")
        assert [unquote(line) for line in told.stdout.splitlines()] == [*SPECIALS, *texts]


@_few
@given(st.lists(TEXTS, min_size=1, max_size=80))
def test_whatever_partners_write_beancount_reads_it_back(
    bean_check: Program,
    beancount: Callable[[Path], Any],
    tmp_path_factory: pytest.TempPathFactory,
    texts: list[str],
) -> None:
    file = tmp_path_factory.mktemp("texts") / "journal.beancount"
    written = [*SPECIALS, *texts]
    _write(written, file, "beancount")
    checked = bean_check(file)
    assert (checked.returncode, checked.stderr) == (0, "")
    errors, accounts, _, read = beancount(file)
    assert errors == []
    assert [accounts[account]["nom"] for account in accounts] == [
        text or "-" for text in dict.fromkeys(written) for _ in range(2)
    ]
    keys = ("motif", "point-de-service", "terminal", "reference")
    assert [[payee, *(metadata[key] for key in keys)] for payee, metadata in read] == [
        [text] * 5 for text in written
    ]


@_few
@given(st.lists(TEXTS, min_size=1, max_size=80))
def test_whatever_partners_write_a_spreadsheet_reads_it_back_and_runs_nothing(
    tmp_path_factory: pytest.TempPathFactory, texts: list[str]
) -> None:
    file = tmp_path_factory.mktemp("texts") / "journal.csv"
    written = ["=1+1", " @x", "\t-2", *SPECIALS, *texts]
    _write(written, file, "csv")
    with file.open(encoding="utf-8-sig", newline="") as opened:
        cells = [row["motif"] for row in csv.DictReader(opened)][::2]
    formula = re.compile(r"\s*[=+@\-\uff0b\uff0d\uff1d\uff20]|[\t\r\n]")
    assert cells == [f"'{text}" if formula.match(text) else text for text in written]


# ── what is left of what was there ───────────────────────────────────────────────────────────────
def test_an_empty_journal_is_read(
    database: Database, hledger: Program, bean_check: Program, tmp_path: Path
) -> None:
    file = tmp_path / "journal"
    for choix in (Choix(), Choix(date(2026, 1, 1), date(2026, 1, 31)), Choix(fin=date.max)):
        assert _export(database, file, choix) == (0, 0, 0)
        _check(hledger, file)
        assert file.read_text(encoding="ascii").endswith("Nothing was moved in this period.\n")
        _export(database, file, choix, "beancount")
        assert bean_check(file).returncode == 0
        _export(database, file, choix, "csv")
        assert len(file.read_text(encoding="utf-8-sig").splitlines()) == 1


@pytest.mark.parametrize("format_", REDACTIONS)
def test_no_card_number_leaves_the_database(
    journal: Database, tmp_path: Path, format_: str
) -> None:
    file = tmp_path / "journal"
    _export(journal, file, Choix(par_carte=True), format_)
    text = unquote(file.read_text(encoding="utf-8"))
    with journal.reading() as connection:
        numbers = connection.scalars(select(cartes.c.numero_carte)).all()
    assert numbers
    assert not [number for number in numbers if number in text]
    assert f"{numbers[0][:6]}******{numbers[0][-4:]}" in text


def test_the_same_journal_gives_the_same_text(journal: Database, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for file in (first, second):
        _export(journal, file)
    assert first.read_bytes() == second.read_bytes()


def test_what_is_written_meanwhile_is_not_exported(journal: Database, tmp_path: Path) -> None:
    """The export is of one instant: its soldes are those of its operations."""
    before = tmp_path / "before"
    _export(journal, before)
    pieces: list[str] = []
    world = World(journal, "")
    with journal.snapshot() as connection:
        connection.execute(select(func.count()).select_from(operations)).all()
        world.carte(500)
        export_journal(connection, pieces.append)
    assert "".join(pieces) == before.read_text(encoding="ascii")


def test_progress_moves_to_the_end(journal: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.books.exportation.LOT", 1)
    told: list[tuple[int, int]] = []
    with journal.snapshot() as connection:
        written = export_journal(
            connection,
            lambda _piece: None,
            Choix(par_carte=True),
            progress=lambda done, total: told.append((done, total)),
        )
    total = written.operations + written.comptes
    assert told == [(done, total) for done in range(1, total + 1)]
