"""The exported journal, read and checked by hledger: a program that knows nothing of this one."""

from __future__ import annotations

import csv
import os
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from urllib.parse import unquote

import pytest
from sqlalchemy import func, select

from models.annulation import annuler
from models.carte import cartes
from models.compte import comptes
from models.db import Database
from models.exportation import Exportation, export_journal
from models.journal import Details, ecritures
from models.mouvement import CarteDesignee, Demande, crediter, debiter, transferer
from models.operation import operations
from models.partenaire import Partenaire, find_by_secret, partenaires
from models.suivi import close_reference
from tests.needs import need
from tests.world import PEPPER, Carte, World

SPECIALS = (
    "; comment",
    "a|b \"c\" 'd'",
    "date:2020-01-01, x:y",
    "[2020-01-01=2020-01-02]",
    "é ñ 漢字 🂡",
    "  = 5 FCFA @ 2 EUR",
    "* ! (code) %3B # ~ {1}\t.",
)

Hledger = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="session")
def hledger(tmp_path_factory: pytest.TempPathFactory) -> Hledger:
    """Run hledger on a file."""
    need("hledger")
    home = tmp_path_factory.mktemp("hledger")

    def run(file: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["hledger", "-f", file, *arguments],
            # Neither a configuration nor a locale of the machine: the file is ASCII.
            env={"PATH": os.environ["PATH"], "HOME": str(home), "LC_ALL": "C"},
            capture_output=True,
            encoding="ascii",
            check=False,
        )

    return run


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
        with database.transaction() as session:
            partenaire = find_by_secret(
                session, *pair, pepper=PEPPER, demo_allowed=False
            ).partenaire
        assert partenaire is not None
        _move(database, partenaire, owned, number)
    with database.transaction() as session:
        session.execute(
            partenaires.update()
            .where(partenaires.c.id == session.scalar(select(func.max(partenaires.c.id))))
            .values(consumer_key='k;|"é, date:1')
        )
    return database


def _move(database: Database, partenaire: Partenaire, owned: list[Carte], number: int) -> None:
    """Let a partner credit, debit, transfer, reverse and close, in its own words."""

    def demande(carte: Carte, montant: int, reference: str, to: Carte | None = None) -> Demande:
        details = Details(motif=SPECIALS[number], terminal=SPECIALS[-number - 1])
        return Demande(_named(carte), montant, reference, details, _named(to) if to else None)

    with database.transaction() as session:
        for text in SPECIALS:
            crediter(session, partenaire, demande(owned[0], 1_000 + number, f"C{text}"))
            debiter(session, partenaire, demande(owned[1], 10 + number, f"D{text}"))
        transferer(session, partenaire, demande(owned[2], 99, "T1", owned[0]))
        transferer(session, partenaire, demande(owned[0], 33, "T2", owned[2]))
        for origine in (f"C{SPECIALS[0]}", f"D{SPECIALS[1]}"):
            annuler(
                session,
                partenaire,
                reference_origine=origine,
                reference=f"A{origine}",
                motif=SPECIALS[2],
                fenetre=timedelta(days=1),
            )
        close_reference(session, partenaire, "X;1")


def _named(carte: Carte) -> CarteDesignee:
    return CarteDesignee(carte.numero, carte.membre.wallet_id, carte.membre.client_id)


def _export(database: Database, file: Path) -> Exportation:
    with database.snapshot() as session, file.open("w", encoding="ascii") as out:
        return export_journal(session, out.write)


def _accounts(database: Database) -> dict[str, int]:
    """What each compte was debited less what it was credited; of a card, less its solde."""
    names = {
        "CARTE": "passif:cartes",
        "REGLEMENT": "reglement:partenaire",
        "OUVERTURE": "ouverture",
    }
    with database.reading() as session:
        sums = dict.fromkeys(session.scalars(select(comptes.c.id)), 0)
        for debit, credit, montant in session.execute(
            select(ecritures.c.compte_debit, ecritures.c.compte_credit, ecritures.c.montant)
        ):
            sums[debit] += montant
            sums[credit] -= montant
        for compte_id, solde in session.execute(select(cartes.c.compte_id, cartes.c.solde)):
            assert sums[compte_id] == -solde
        return {
            f"{names[type_]}:{compte_id:06d}": sums[compte_id]
            for compte_id, type_ in session.execute(select(comptes.c.id, comptes.c.type))
        }


def _balances(text: str) -> dict[str, int]:
    rows = list(csv.reader(text.splitlines()))[1:]
    return {account: int(amount.removesuffix(" FCFA")) for account, amount in rows}


def test_hledger_checks_the_journal_and_finds_every_solde(
    journal: Database, hledger: Hledger, tmp_path: Path
) -> None:
    file = tmp_path / "journal.hledger"
    written = _export(journal, file)
    assert written == (4 + 3 * (2 * len(SPECIALS) + 4), 5)
    checked = hledger(file, "check", "--strict")
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "", "")
    balance = hledger(file, "balance", "--flat", "--empty", "--no-total", "-O", "csv")
    assert balance.returncode == 0, balance.stderr
    assert _balances(balance.stdout) == _accounts(journal)
    only_cards = hledger(file, "balance", "--flat", "--empty", "-N", "-O", "csv", "type:L")
    assert len(_balances(only_cards.stdout)) == written.cartes


def test_hledger_reads_every_tag_and_code_as_it_was_written(
    journal: Database, hledger: Hledger, tmp_path: Path
) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file)

    def values(tag: str) -> set[str]:
        answer = hledger(file, "tags", "--values", f"^{tag}$")
        assert answer.returncode == 0, answer.stderr
        return {unquote(line) for line in answer.stdout.splitlines()}

    with journal.reading() as session:
        moved = operations.c.type != "CLOTURE"
        references = session.scalars(
            select(operations.c.reference).where(operations.c.reference.is_not(None), moved)
        ).all()
        assert values("reference") == set(references)
        assert values("partenaire") == set(session.scalars(select(partenaires.c.consumer_key)))
        assert values("client") == set(session.scalars(select(cartes.c.client_id)))
        annulees = select(operations.c.annulation_de).where(operations.c.annulation_de.is_not(None))
        assert values("annule") == set(
            session.scalars(
                select(operations.c.numero_operation).where(operations.c.id.in_(annulees))
            )
        )
        numeros = session.scalars(select(operations.c.numero_operation).where(moved)).all()
        types = set(session.scalars(select(operations.c.type).where(moved)))
    assert sorted(hledger(file, "codes").stdout.split()) == sorted(numeros)
    descriptions = set(hledger(file, "descriptions").stdout.splitlines())
    assert descriptions == types | {"solde"}
    assert types == {"OUVERTURE", "CREDIT", "DEBIT", "TRANSFERT", "ANNULATION"}


@pytest.mark.parametrize(
    ("pattern", "replacement"),
    [
        # One side; then both, so that only the solde can tell.
        (r"(\) CREDIT [^\n]+\n    \S+  )1000( )", r"\g<1>1001\g<2>"),
        (
            r"(\) CREDIT [^\n]+\n    \S+  )1000( FCFA\n    \S+  -)1000( )",
            r"\g<1>1001\g<2>1001\g<3>",
        ),
        (r"(\) TRANSFERT [^\n]+\n    passif:cartes:)\d+", r"\g<1>000999"),
        (r"\n[^\n]+\) DEBIT [^\n]+(\n    [^\n]+){2}\n", r"\n"),
        (r"\n[^\n]+\) OUVERTURE [^\n]+(\n    [^\n]+){2}\n", r"\n"),
        (r"(== -\d*)(\d) FCFA", lambda found: f"{found[1]}{(int(found[2]) + 1) % 10} FCFA"),
        (r"(  )(\d+) FCFA", r"\g<1>\g<2> EUR"),
    ],
    ids=["side", "both sides", "card", "debit", "opening", "solde", "unite"],
)
def test_hledger_refuses_a_journal_of_which_one_figure_changed(
    journal: Database,
    hledger: Hledger,
    tmp_path: Path,
    pattern: str,
    replacement: str | Callable[[re.Match[str]], str],
) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file)
    changed, count = re.subn(pattern, replacement, file.read_text(encoding="ascii"), count=1)
    assert count == 1
    file.write_text(changed, encoding="ascii")
    refused = hledger(file, "check", "--strict")
    assert refused.returncode == 1
    assert str(file) in refused.stderr


def test_an_empty_journal_is_read(database: Database, hledger: Hledger, tmp_path: Path) -> None:
    file = tmp_path / "journal.hledger"
    assert _export(database, file) == (0, 0)
    assert hledger(file, "check", "--strict").returncode == 0


def test_no_card_number_and_no_motif_leaves_the_database(journal: Database, tmp_path: Path) -> None:
    file = tmp_path / "journal.hledger"
    _export(journal, file)
    text = unquote(file.read_text(encoding="ascii"))
    with journal.reading() as session:
        numbers = session.scalars(select(cartes.c.numero_carte)).all()
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
    with journal.snapshot() as session:
        session.execute(select(func.count()).select_from(operations)).all()
        world.carte(500)
        export_journal(session, pieces.append)
    assert "".join(pieces) == before.read_text(encoding="ascii")


def test_progress_moves_to_the_end(journal: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.exportation.LOT", 1)
    told: list[tuple[int, int]] = []
    with journal.snapshot() as session:
        written = export_journal(
            session, lambda _piece: None, lambda done, total: told.append((done, total))
        )
    total = written.operations + written.cartes
    assert told == [(done, total) for done in range(1, total + 1)]
