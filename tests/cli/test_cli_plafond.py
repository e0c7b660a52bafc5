"""`cynod plafond` as an operator runs it."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import func, select

from handlers.cli.root import cli
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET, seed_demo
from models.database.engine import Database
from models.errors import PlafondDepasse
from models.mouvement import CarteDesignee, Demande, debiter
from models.plafond import plafonds
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.process import run_cynod

CARD = "7019800100009569"
MASKED = "701980******9569"
HOLDER = CarteDesignee(CARD, "221771234567", "CLI-0001")


@pytest.fixture
def demo(database: Database, monkeypatch: pytest.MonkeyPatch) -> Database:
    """The demo data, in the database of the commands."""
    monkeypatch.setenv("CYNOD_DATABASE_URL", _url(database))
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=["cartes:debiter"], pepper=b"pepper")
    return database


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _cynod(arguments: str, *more: str) -> Result:
    """Run `cynod plafond`. It shows no card number, whatever happens."""
    words = ["plafond", *arguments.split(), *more]
    result = CliRunner().invoke(cli, words, prog_name="cynod")
    assert CARD not in result.output
    return result


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def _debit(database: Database, montant: int, reference: str) -> int:
    with database.transaction() as connection:
        partenaire = find_by_secret(
            connection, CONSUMER_KEY, CONSUMER_SECRET, pepper=b"pepper", demo_allowed=True
        ).partenaire
        assert partenaire is not None
        return debiter(connection, partenaire, Demande(HOLDER, montant, reference)).solde


def _count(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(plafonds)).scalar_one()


def test_limit_is_set_listed_obeyed_replaced_and_removed(demo: Database) -> None:
    assert _answer(_cynod("list")) == (0, "No limit.\n", "")
    assert _answer(_cynod("list --json")) == (0, "[]\n", "")
    _debit(demo, 1_000, "D1")
    limit = f"--carte {CARD} --type DEBIT --periode MOIS"
    assert _answer(_cynod(f"set {limit} --montant 5000 --nombre 3")) == (
        0,
        f"carte {MASKED}: DEBIT per MOIS, at most 5000 FCFA and 3 operations.\n",
        "",
    )
    with pytest.raises(PlafondDepasse):
        _debit(demo, 4_001, "D2")
    assert _debit(demo, 3_000, "D2") == 138_000
    listed: list[dict[str, Any]] = json.loads(_cynod("list --json").stdout)
    created = [datetime.fromisoformat(one.pop("creeLe")) for one in listed]
    assert all(one.tzinfo for one in created)
    compte = listed[0]["carte"].pop("compte")
    assert listed == [
        {
            "portee": "CARTE",
            "carte": {"numeroCarte": MASKED, "clientId": "CLI-0001", "membreId": "MBR-0001"},
            "consumerKey": None,
            "type": "DEBIT",
            "periode": "MOIS",
            "montantMaximal": 5000,
            "montantRestant": 1000,
            "nombreMaximal": 3,
            "nombreRestant": 1,
        }
    ]
    assert _cynod(f"set {limit} --montant 9000").stdout == (
        f"carte {MASKED}: DEBIT per MOIS, at most 9000 FCFA.\n"
    )
    assert _cynod(
        f"set --partenaire {CONSUMER_KEY} --type CREDIT --periode JOUR --nombre 7"
    ).stdout == (f"partenaire '{CONSUMER_KEY}': CREDIT per JOUR, at most 7 operations.\n")
    table = [line.split() for line in _cynod("list").stdout.splitlines()]
    assert table == [
        [
            *("carte", "compte", "client", "membre", "partenaire", "type", "periode"),
            *("montant", "reste", "nombre", "reste"),
        ],
        f"{MASKED} {compte} CLI-0001 MBR-0001 - DEBIT MOIS 9000 5000 - -".split(),
        f"- - - - {CONSUMER_KEY} CREDIT JOUR - - 7 7".split(),
    ]
    assert _answer(_cynod(f"remove {limit}")) == (
        0,
        f"carte {MASKED}: no limit of DEBIT per MOIS any more.\n",
        "",
    )
    assert _answer(_cynod(f"remove {limit}")) == (
        1,
        "",
        f"cynod: carte {MASKED} has no limit of DEBIT per MOIS.\n",
    )
    assert _debit(demo, 10_000, "D3") == 128_000
    assert _count(demo) == 1


@pytest.mark.parametrize(
    ("subject", "portee"),
    [(f"--carte {CARD}", "CARTE"), (f"--partenaire {CONSUMER_KEY}", "PARTENAIRE")],
)
def test_limit_is_told_to_programs_when_it_is_set_and_as_it_was_when_it_is_removed(
    demo: Database, subject: str, portee: str
) -> None:
    limit = f"{subject} --type DEBIT --periode JOUR"
    _cynod(f"set {subject} --type DEBIT --periode MOIS --nombre 9")
    result = _cynod(f"set {limit} --montant 5000 --json")
    assert (result.exit_code, result.stderr) == (0, "")
    made = json.loads(result.stdout)
    assert made == json.loads(_cynod("list --json").stdout)[1]
    assert (made["portee"], made["periode"], made["montantRestant"]) == (portee, "JOUR", 5_000)
    _debit(demo, 1_000, "D1")
    was = json.loads(_cynod(f"remove {limit} --json").stdout)
    assert was == {**made, "montantRestant": 4_000}
    assert _cynod(f"remove {limit} --json").exit_code == 1
    assert _count(demo) == 1


@pytest.mark.usefixtures("demo")
def test_one_operation_is_told_as_one() -> None:
    result = _cynod(f"set --carte {CARD} --type DEBIT --periode JOUR --nombre 1")
    assert result.stdout == f"carte {MASKED}: DEBIT per JOUR, at most 1 operation.\n"


@pytest.mark.parametrize(
    ("subject", "name"),
    [
        (f"--carte {CARD}", f"carte {MASKED}"),
        (f"--partenaire {CONSUMER_KEY}", f"partenaire '{CONSUMER_KEY}'"),
    ],
)
def test_limit_that_operations_do_not_let_in_is_told_and_not_set(
    demo: Database, monkeypatch: pytest.MonkeyPatch, subject: str, name: str
) -> None:
    monkeypatch.setenv("CYNOD_ATTENTE_S", "1")
    with demo.transaction() as connection:
        partenaire = find_by_secret(
            connection, CONSUMER_KEY, CONSUMER_SECRET, pepper=b"pepper", demo_allowed=True
        ).partenaire
        assert partenaire is not None
        debiter(connection, partenaire, Demande(HOLDER, 1, "D1"))
        for words, outcome in (("set --montant 1", "set"), ("remove", "removed")):
            verb, *more = words.split()
            told = (
                f"cynod: the limit of {name} is not {outcome}: operations under way did not end in"
            )
            assert _answer(_cynod(f"{verb} {subject} --type DEBIT --periode JOUR", *more)) == (
                1,
                "",
                f"{told} time; run the command again.\n",
            )
    assert _count(demo) == 0


@pytest.mark.parametrize(
    ("subject", "told"),
    [
        (("--carte", "700000000000"), "no card has this number."),
        (("--carte", "carte"), "no card has this number."),
        (("--carte", "\udcff"), "no card has this number."),
        (("--carte", ""), "no card has this number."),
        (("--partenaire", "inconnu"), "no partner has the consumer-key 'inconnu'."),
        (("--partenaire", "\udcff"), r"no partner has the consumer-key '\udcff'."),
    ],
)
def test_limit_of_nobody_is_refused(demo: Database, subject: tuple[str, str], told: str) -> None:
    refused = _cynod("set --type DEBIT --periode JOUR --montant 1", *subject)
    assert _answer(refused) == (1, "", f"cynod: {told}\n")
    refused = _cynod("remove --type DEBIT --periode JOUR", *subject)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert len(refused.stderr.splitlines()) == 1
    assert _count(demo) == 0


WHOLE = f"set --carte {CARD} --type DEBIT --periode JOUR --montant 1"


@pytest.mark.parametrize(
    "arguments",
    [
        "set --type DEBIT --periode JOUR --montant 1",
        f"{WHOLE} --partenaire {CONSUMER_KEY}",
        WHOLE.replace(" --montant 1", ""),
        WHOLE.replace("JOUR", "OPERATION") + " --nombre 1",
        WHOLE.replace("JOUR", "SEMAINE"),
        WHOLE.replace("DEBIT", "ANNULATION"),
        WHOLE.replace(" --type DEBIT", ""),
        WHOLE.replace(" --periode JOUR", ""),
        WHOLE.replace("montant 1", "montant -1"),
        WHOLE.replace("montant 1", "montant 1.5"),
        WHOLE.replace("montant 1", "montant 9007199254740992"),
        f"{WHOLE} --nombre 1000000001",
        f"remove --carte {CARD} --partenaire {CONSUMER_KEY} --type DEBIT --periode JOUR",
        f"remove --carte {CARD} --type DEBIT",
        "list extra",
        "",
    ],
)
def test_wrong_usage_exits_with_2_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: str
) -> None:
    monkeypatch.setenv("CYNOD_DATABASE_URL", f"sqlite:///{tmp_path / 'absent.db'}")
    result = _cynod(arguments)
    assert (result.exit_code, result.stdout) == (2, "")
    assert "Usage: cynod plafond" in result.stderr
    assert not list(tmp_path.iterdir())


def test_process_sets_a_limit_refuses_one_and_exits_with_the_code(
    demo: Database, tmp_path: Path
) -> None:
    answers = [
        _answer_of(
            run_cynod("plafond", *words.split(), folder=tmp_path, CYNOD_DATABASE_URL=_url(demo))
        )
        for words in (WHOLE, WHOLE.replace(CARD, "700000000000"), WHOLE.replace("DEBIT", "X"))
    ]
    assert answers[0] == (0, f"carte {MASKED}: DEBIT per JOUR, at most 1 FCFA.\n", "")
    assert answers[1] == (1, "", "cynod: no card has this number.\n")
    assert answers[2][:2] == (2, "")
    assert _count(demo) == 1


def _answer_of(result: subprocess.CompletedProcess[str]) -> tuple[int, str, str]:
    return result.returncode, result.stdout, result.stderr


def test_limit_of_zero_and_the_greatest_are_taken(demo: Database) -> None:
    assert _cynod(WHOLE.replace("montant 1", "montant 0")).exit_code == 0
    with pytest.raises(PlafondDepasse):
        _debit(demo, 1, "D1")
    greatest = WHOLE.replace("montant 1", "montant 9007199254740991 --nombre 1000000000")
    assert _cynod(greatest).exit_code == 0
    assert _debit(demo, 1, "D1") == 141_999
