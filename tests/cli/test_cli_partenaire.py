"""`cynod partenaire` where it takes rights away: what it asks, tells, waits for and refuses."""

from __future__ import annotations

import json
import os
import pty
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import Connection, select, update

from handlers.cli.root import cli
from models.audit import audit
from models.authentification import issue_token, jetons
from models.base import now
from models.books.demo import CONSUMER_KEY, CONSUMER_SECRET, seed_demo
from models.database.engine import Database
from models.errors import AuthentificationInvalide
from models.mouvement import CarteDesignee, Demande, debiter
from models.partenaire import Partenaire
from models.secret import find_by_secret
from tests.support.acteurs import TESTEUR
from tests.support.patience import CALL_S
from tests.support.process import start_cynod

PEPPER = "pepper of the tests"
HOLDER = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")
ENDING = [("revoke", CONSUMER_KEY), ("jetons", CONSUMER_KEY, "--revoquer")]
ENDINGS = pytest.mark.parametrize("command", ENDING, ids=["revoke", "jetons"])
NOBODY = "no active partner has the consumer-key 'inconnu'."

Cynod = Callable[..., Result]


@pytest.fixture
def cynod(database: Database, monkeypatch: pytest.MonkeyPatch) -> Cynod:
    """Run `cynod partenaire` on the demo data, without a terminal."""
    monkeypatch.setenv("CYNOD_DATABASE_URL", _url(database))
    monkeypatch.setenv("CYNOD_PEPPER", PEPPER)
    with database.transaction() as connection:
        seed_demo(
            connection, TESTEUR, scopes=["cartes:debiter", "soldes:lire"], pepper=PEPPER.encode()
        )

    def run(*arguments: str, **variables: str) -> Result:
        return CliRunner(env=variables).invoke(cli, ["partenaire", *arguments], prog_name="cynod")

    return run


def _url(database: Database) -> str:
    return database.url.render_as_string(hide_password=False)


def _answer(result: Result) -> tuple[int, str, str]:
    return result.exit_code, result.stdout, result.stderr


def _partner(connection: Connection) -> Partenaire:
    found = find_by_secret(
        connection, CONSUMER_KEY, CONSUMER_SECRET, pepper=PEPPER.encode(), demo_allowed=True
    )
    assert found.partenaire is not None
    return found.partenaire


def _issue(database: Database, *lives_s: int, scope: str | None = None) -> list[str]:
    """Issue tokens of these lives; the tokens."""
    with database.transaction() as connection:
        owner = _partner(connection)
        return [
            issue_token(
                connection, owner, scope=scope, duree_s=s, pepper=PEPPER.encode()
            ).access_token
            for s in lives_s
        ]


def _living(cynod: Cynod) -> Any:
    """What `jetons --json` tells."""
    return json.loads(cynod("jetons", CONSUMER_KEY, "--json").stdout)


def _is_active(cynod: Cynod) -> bool:
    (one,) = json.loads(cynod("list", "--json").stdout)
    return one["revoqueLe"] is None


# ── tokens ───────────────────────────────────────────────────────────────────────────────────────
def test_tokens_are_listed_without_what_they_are(cynod: Cynod, database: Database) -> None:
    assert _answer(cynod("jetons", CONSUMER_KEY)) == (0, "No token lives.\n", "")
    nothing = {"consumerKey": CONSUMER_KEY, "jetonsActifs": 0, "jetonsExpirentLe": None}
    assert _living(cynod) == {**nothing, "jetons": []}
    shown = _issue(database, 600, scope="soldes:lire") + _issue(database, 60)
    with database.transaction() as connection:  # of a token that is over, nothing is told
        _issue_expired(connection)
    told = _living(cynod)
    assert [(one["scopes"], set(one)) for one in told["jetons"]] == [
        (["cartes:debiter", "soldes:lire"], {"emisLe", "expireLe", "scopes"}),
        (["soldes:lire"], {"emisLe", "expireLe", "scopes"}),
    ]
    last = told["jetons"][1]["expireLe"]
    assert (told["jetonsActifs"], told["jetonsExpirentLe"]) == (2, last)
    result = cynod("jetons", CONSUMER_KEY)
    first, *table = result.stdout.splitlines()
    assert first == f"2 tokens live until {last}."
    assert [line.split() for line in table] == [
        ["émis", "expire", "scopes"],
        *([one["emisLe"], one["expireLe"], *one["scopes"]] for one in told["jetons"]),
    ]
    for token in shown:
        assert token not in result.output


def _issue_expired(connection: Connection) -> None:
    owner = _partner(connection)
    issue_token(connection, owner, scope=None, duree_s=1, pepper=PEPPER.encode())
    past = now() - timedelta(seconds=1)
    connection.execute(
        update(jetons)
        .where(jetons.c.expire_le < now() + timedelta(seconds=5))
        .values(expire_le=past)
    )


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, f"No token of {CONSUMER_KEY} lived."),
        (1, f"1 token of {CONSUMER_KEY} ended."),
        (2, f"2 tokens of {CONSUMER_KEY} ended."),
    ],
)
def test_tokens_are_ended_and_the_partner_goes_on(
    cynod: Cynod, database: Database, number: int, told: str
) -> None:
    _issue(database, *[600] * number)
    result = cynod("jetons", CONSUMER_KEY, "--revoquer", "--yes")
    assert _answer(result) == (0, f"{told}\n", "")
    assert _living(cynod)["jetonsActifs"] == 0
    _issue(database, 600)
    ended = cynod("jetons", CONSUMER_KEY, "--revoquer", "--yes", "--json")
    assert json.loads(ended.stdout) == {"consumerKey": CONSUMER_KEY, "jetonsRevoques": 1}
    assert _is_active(cynod)


def test_rotate_tells_the_tokens_that_live_on_and_how_to_end_them(
    cynod: Cynod, database: Database
) -> None:
    text = cynod("rotate", CONSUMER_KEY).stdout.splitlines()
    assert text[3:] == ["The secret before it stays good for 24 h.", "No token lives."]
    secret = text[1].removeprefix("consumer-secret: ")
    with database.transaction() as connection:
        owner = find_by_secret(
            connection, CONSUMER_KEY, secret, pepper=PEPPER.encode(), demo_allowed=True
        ).partenaire
        assert owner is not None
        issue_token(connection, owner, scope=None, duree_s=600, pepper=PEPPER.encode())
    until = _living(cynod)["jetonsExpirentLe"]
    assert cynod("rotate", CONSUMER_KEY, "--delai", "0").stdout.splitlines()[3:] == [
        "The secret before it stays good for 0 h.",
        f"1 token lives until {until}.",
        f"To end it now: cynod partenaire jetons {CONSUMER_KEY} --revoquer",
    ]
    rotated = json.loads(cynod("rotate", CONSUMER_KEY, "--json").stdout)
    assert (rotated["jetonsActifs"], rotated["jetonsExpirentLe"]) == (1, until)


def test_pair_made_in_production_without_the_pepper_is_warned_of(cynod: Cynod) -> None:
    warning = "cynod: warning: CYNOD_PEPPER is not set here; the server must have the same.\n"
    production = {"CYNOD_ENV": "production"}
    assert cynod("rotate", CONSUMER_KEY, CYNOD_PEPPER="", **production).stderr == warning
    assert cynod("rotate", CONSUMER_KEY, **production).stderr == ""


# ── asking before ────────────────────────────────────────────────────────────────────────────────
@ENDINGS
def test_nothing_ends_where_nobody_can_be_asked(
    cynod: Cynod, database: Database, command: tuple[str, ...]
) -> None:
    _issue(database, 600)
    result = cynod(*command)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.endswith(
        "Error: This cannot be undone, and nobody can be asked here; give --yes.\n"
    )
    assert _is_active(cynod)
    assert _living(cynod)["jetonsActifs"] == 1


@pytest.mark.parametrize(
    "command",
    [("revoke",), ("revoke", "--yes"), ("jetons",), ("jetons", "--revoquer"), ("rotate",)],
)
@pytest.mark.parametrize("key", ["inconnu", "\x00", "\udcff"])
def test_key_of_nobody_is_told_before_anything_is_asked(
    cynod: Cynod, command: tuple[str, ...], key: str
) -> None:
    told = f"cynod: {NOBODY.replace('inconnu', repr(key)[1:-1])}\n"
    assert _answer(cynod(*command, key)) == (1, "", told)


@pytest.mark.only_on("sqlite")
@ENDINGS
@pytest.mark.parametrize(("typed", "ends"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_terminal_is_asked_and_obeyed(
    cynod: Cynod,
    database: Database,
    tmp_path: Path,
    command: tuple[str, ...],
    typed: str,
    ends: bool,
) -> None:
    _issue(database, 600)
    ours, theirs = pty.openpty()
    process = start_cynod(
        *("partenaire", *command),
        folder=tmp_path,
        streams=(theirs, subprocess.PIPE, subprocess.PIPE),
        CYNOD_DATABASE_URL=_url(database),
    )
    os.close(theirs)
    os.write(ours, typed.encode())
    out, err = process.communicate(timeout=CALL_S)
    os.close(ours)
    question = {
        "revoke": f"Revoke Partenaire de démonstration ({CONSUMER_KEY}) for good? [y/N]: ",
        "jetons": f"End every token of Partenaire de démonstration ({CONSUMER_KEY})? [y/N]: ",
    }[command[0]]
    assert err == question + ("" if ends else "cynod: nothing was changed.\n")
    assert (process.returncode, bool(out)) == ((0, True) if ends else (1, False))
    assert _is_active(cynod) == (not ends or command[0] == "jetons")


def test_revoke_tells_programs_who_is_revoked_since_when(cynod: Cynod) -> None:
    told = json.loads(cynod("revoke", CONSUMER_KEY, "--yes", "--json").stdout)
    assert [told] == json.loads(cynod("list", "--json").stdout)
    assert told["revoqueLe"] is not None


# ── waiting ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("command", "outcome"),
    [
        (ENDING[0], f"{CONSUMER_KEY} is not revoked"),
        (ENDING[1], f"no token of {CONSUMER_KEY} is ended"),
    ],
    ids=["revoke", "jetons"],
)
def test_what_does_not_end_in_time_is_told_and_nothing_is_changed(
    cynod: Cynod, database: Database, command: tuple[str, ...], outcome: str
) -> None:
    _issue(database, 600)
    with database.transaction() as connection:
        debiter(connection, _partner(connection), Demande(HOLDER, 1, "D1"))
        assert _answer(cynod(*command, "--yes", CYNOD_ATTENTE_S="1")) == (
            1,
            "",
            (
                f"cynod: {outcome}: operations under way did not end in time;"
                " run the command again.\n"
            ),
        )
    assert _is_active(cynod)
    assert _living(cynod)["jetonsActifs"] == 1
    assert cynod(*command, "--yes").exit_code == 0


def test_caller_known_before_a_revocation_executes_nothing_after_it(
    cynod: Cynod, database: Database
) -> None:
    with database.reading() as connection:
        known = _partner(connection)
    assert cynod("revoke", CONSUMER_KEY, "--yes").exit_code == 0
    with pytest.raises(AuthentificationInvalide), database.transaction() as connection:
        debiter(connection, known, Demande(HOLDER, 1, "D1"))


# ── changes ──────────────────────────────────────────────────────────────────────────────────────
def _listed(cynod: Cynod) -> dict[str, Any]:
    (one,) = json.loads(cynod("list", "--json").stdout)
    return dict(one)


def _row(cynod: Cynod) -> str:
    """The partner in the table for people."""
    return " ".join(cynod("list").stdout.splitlines()[1].split())


def test_partner_is_suspended_and_resumed_and_the_audit_says_by_whom(
    cynod: Cynod, database: Database
) -> None:
    why = ("--motif", "Debits at night")
    assert _answer(cynod("suspend", CONSUMER_KEY, *why)) == (
        0,
        f"{CONSUMER_KEY} is suspended.\n",
        "",
    )
    assert (_listed(cynod)["statut"], _row(cynod).split()[-1]) == ("SUSPENDU", "suspendu")
    again = cynod("suspend", CONSUMER_KEY, *why)
    assert _answer(again) == (1, "", f"cynod: {CONSUMER_KEY} is SUSPENDU already.\n")
    resumed = cynod("resume", CONSUMER_KEY, *why, "--json")
    assert json.loads(resumed.stdout) == {"consumerKey": CONSUMER_KEY, "statut": "ACTIF"}
    assert (_listed(cynod)["statut"], _row(cynod).split()[-1]) == ("ACTIF", "actif")
    with database.reading() as connection:
        rows = connection.execute(
            select(audit.c.acteur_type, audit.c.action, audit.c.avant, audit.c.apres, audit.c.motif)
            .order_by(audit.c.position.desc())
            .limit(2)
        ).all()
    told = [(*row[:2], json.loads(row[2]), json.loads(row[3]), row[4]) for row in reversed(rows)]
    life = ({"statut": "ACTIF"}, {"statut": "SUSPENDU"})
    assert told == [
        ("CLI", "changerStatutPartenaire", *life, why[1]),
        ("CLI", "changerStatutPartenaire", *reversed(life), why[1]),
    ]


@pytest.mark.parametrize("command", ["suspend", "resume"])
def test_life_of_a_partner_is_changed_for_a_reason(cynod: Cynod, command: str) -> None:
    assert cynod(command, CONSUMER_KEY).exit_code == 2
    assert cynod(command, CONSUMER_KEY, "--motif", "").exit_code == 2
    assert _answer(cynod(command, "inconnu", "--motif", "x")) == (1, "", f"cynod: {NOBODY}\n")
    assert _is_active(cynod)


def test_what_is_given_of_a_partner_is_changed_and_the_rest_stays(
    cynod: Cynod, database: Database
) -> None:
    before = _listed(cynod)
    given = ("--nom", "Banque Y", "--scope", "cartes:lire", "--contact-email", "it@banque.example")
    assert _answer(cynod("modify", CONSUMER_KEY, *given)) == (
        0,
        f"{CONSUMER_KEY} is changed.\n",
        "",
    )
    assert _listed(cynod) == {**before, "nom": "Banque Y", "scopes": ["cartes:lire"]}
    told = cynod("modify", CONSUMER_KEY, "--contact-telephone", "338000000", "--json")
    assert json.loads(told.stdout) == {
        "consumerKey": CONSUMER_KEY,
        "nom": "Banque Y",
        "clients": before["clients"],
        "scopes": ["cartes:lire"],
        "contactTechnique": {"email": "it@banque.example", "telephone": "338000000"},
    }
    with database.reading() as connection:
        assert _partner(connection).scopes == {"cartes:lire"}


@pytest.mark.parametrize(
    ("given", "code", "told"),
    [
        ((), 2, None),
        (("--nom", " "), 1, "--nom must be 1 to 200 printable characters."),
        (("--client", "CLI-9"), 1, "unknown client CLI-9; nothing was changed."),
        (("--contact-telephone", "3" * 33), 2, None),
    ],
)
def test_change_that_cannot_be_changes_nothing(
    cynod: Cynod, given: tuple[str, ...], code: int, told: str | None
) -> None:
    before = _listed(cynod)
    result = cynod("modify", CONSUMER_KEY, *given)
    assert result.exit_code == code
    assert told is None or result.stderr == f"cynod: {told}\n"
    assert _listed(cynod) == before


def test_contact_of_nobody_is_not_changed(cynod: Cynod) -> None:
    asked = cynod("modify", "inconnu", "--contact-email", "it@banque.example")
    assert _answer(asked) == (1, "", f"cynod: {NOBODY}\n")


def test_list_of_addresses_is_observed_then_applied(cynod: Cynod) -> None:
    def told(mode: str, *adresses: str) -> tuple[str, str]:
        given = [part for one in adresses for part in ("--adresse", one)]
        result = cynod("adresses", CONSUMER_KEY, "--mode", mode, *given)
        return result.stdout + result.stderr, _row(cynod)

    text, row = told("OBSERVER", "::ffff:192.0.2.0/120", "::1")
    assert text == f"{CONSUMER_KEY} calls under OBSERVER, its list: 192.0.2.0/24 ::1/128.\n"
    assert "192.0.2.0/24 ::1/128 (observées)" in row
    text, row = told("APPLIQUER", "192.0.2.0/24")
    assert text == f"{CONSUMER_KEY} calls under APPLIQUER, its list: 192.0.2.0/24.\n"
    assert "192.0.2.0/24 1" in row
    wrong = (
        "cynod: a list of addresses that is applied is not empty, and no network is wider than /16 of IPv4"
        " or /32 of IPv6; nothing was changed.\n"
    )
    assert told("APPLIQUER") == told("OBSERVER", "10.0.0.0/8") == (wrong, row)
    many = [f"10.0.0.{number}" for number in range(51)]
    assert told("OBSERVER", *many) == (
        "cynod: a partner has at most 50 addresses; give networks.\n",
        row,
    )
    text, row = told("LIBRE")
    assert text == f"{CONSUMER_KEY} calls under LIBRE, its list: none.\n"
    assert "toutes" in row
    listed = cynod("adresses", CONSUMER_KEY, "--mode", "OBSERVER", "--adresse", *many[:2], "--json")
    assert json.loads(listed.stdout) == {
        "consumerKey": CONSUMER_KEY,
        "adresses": ["10.0.0.0/32", "10.0.0.1/32"],
        "mode": "OBSERVER",
    }
