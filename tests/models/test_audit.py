"""The audit's chain: what a row says, what is found when a row is touched, who waits for whom."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, LargeBinary, String, cast, select, text, type_coerce, update
from sqlalchemy.exc import DBAPIError, ProgrammingError

from models.audit import (
    AGENT,
    PARTENAIRE,
    PREMIERE,
    SYSTEME,
    Acteur,
    Objet,
    Tete,
    audit,
    record,
    shown,
)
from models.base import now
from models.books.chaine import (
    FORMATS,
    Choix,
    Rupture,
    Verification,
    export_audit,
    verify_chaine,
    verify_part,
)
from models.database.engine import Database
from models.errors import ParametreInvalide
from tests.support.acteurs import TESTEUR
from tests.support.scenes import NewUrl

AWA = Acteur(
    AGENT,
    "awa",
    "Awa Diop",
    via_application="back-office",
    pour_le_compte_de="Fatou",
    adresse="192.0.2.7",
    request_id="req-1",
)
KEY = Objet(PARTENAIRE, "KEY")
TESTING = settings(
    deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


class _Undone(Exception):
    """What a transaction ends with of which nothing is to stay."""


def write(database: Database, number: int, acteur: Acteur = TESTEUR) -> Tete:
    """So many rows, each in a transaction of its own; the end."""
    tete = Tete(0, PREMIERE)
    for at in range(number):
        with database.transaction() as connection:
            objet = Objet("CLIENT", f"CLI-{at}")
            tete = record(
                connection, acteur, "modifierClient", objet, {"nom": "é"}, {"nom": f"{at}"}
            )
    return tete


def prove(database: Database, kept: str | None = None) -> Verification:
    """The chain, computed again."""
    with database.reading() as connection:
        return verify_chaine(connection, kept=kept)


def prove_in_parts(connection: Connection, most: int) -> list[Verification]:
    """The chain, so many rows at a time, to its end or its first break."""
    parts = [verify_part(connection, most=most)]
    while parts[-1].rupture is None and parts[-1].tete is not None:
        depuis = (parts[-1].derniere or 0) + 1
        if depuis > parts[-1].tete.position:
            break
        parts.append(verify_part(connection, depuis=depuis, most=most))
    return parts


def test_chain_is_proved_in_parts_that_each_take_a_moment(database: Database) -> None:
    write(database, 7)
    with database.reading() as connection:
        whole = verify_chaine(connection)
        parts = prove_in_parts(connection, 3)
        middle = verify_part(connection, depuis=3, jusqua=5)
        behind = verify_part(connection, depuis=99)
    assert [one[:4] for one in parts] == [(3, 1, 3, None), (3, 4, 6, None), (1, 7, 7, None)]
    assert (middle[:4], middle.tete) == ((3, 3, 5, None), whole.tete)
    assert behind == (0, None, None, None, whole.tete)
    with database.reading() as connection, pytest.raises(ParametreInvalide):
        verify_part(connection, depuis=3, jusqua=2)


def export(database: Database, format_: str = "jsonl", **choix: Any) -> str:
    """The rows that are chosen."""
    pieces: list[str] = []
    with database.snapshot() as connection:
        export_audit(connection, pieces.append, Choix(**choix), format_)
    return "".join(pieces)


def rows_of(database: Database, **choix: Any) -> list[dict[str, Any]]:
    """The same as objects."""
    return [json.loads(line) for line in export(database, **choix).splitlines()]


# ── what a row says ──────────────────────────────────────────────────────────────────────────────
def test_row_says_who_changed_what_when_before_and_after(database: Database) -> None:
    begun = now()
    with database.transaction() as connection:
        tete = record(
            connection,
            AWA,
            "modifierPartenaire",
            KEY,
            {"nom": "Wari", "scopes": ["soldes:lire"], "version": 1},
            {"nom": "Wari", "scopes": ["cartes:lire", "soldes:lire"], "version": 2},
            motif="à sa demande",
            demande_id="0" * 26,
            meme_personne=True,
        )
    (row,) = rows_of(database)
    written = row.pop("date")
    assert begun <= datetime.fromisoformat(written) <= now()
    assert written.endswith("Z")
    assert len(written) == len("2026-11-28T17:02:55.225109Z")
    assert row == {
        "position": 1,
        "acteurType": "AGENT",
        "acteurId": "awa",
        "acteurNom": "Awa Diop",
        "viaApplication": "back-office",
        "pourLeCompteDe": "Fatou",
        "adresse": "192.0.2.7",
        "requestId": "req-1",
        "action": "modifierPartenaire",
        "objetType": "PARTENAIRE",
        "objetId": "KEY",
        "demandeId": "0" * 26,
        "avant": {"scopes": ["soldes:lire"], "version": 1},
        "apres": {"scopes": ["cartes:lire", "soldes:lire"], "version": 2},
        "motif": "à sa demande",
        "memePersonne": True,
        "empreintePrecedente": "0" * 64,
        "empreinte": tete.empreinte,
    }
    assert prove(database) == Verification(1, 1, 1, None, tete)


def test_exported_line_proves_itself_without_this_program(database: Database) -> None:
    write(database, 3, AWA)
    before = "0" * 64
    for line in export(database).splitlines():
        row = json.loads(line)
        empreinte = row["empreinte"]
        assert row["empreintePrecedente"] == before
        content = line.replace(f'"empreinte":"{empreinte}",', "") + before
        before = hashlib.sha256(content.encode()).hexdigest()
        assert empreinte == before


def test_numbers_of_cards_are_masked_and_what_names_a_person_is_a_hash() -> None:
    numero = "7019800100009569"
    told = shown(
        {
            "numeroCarte": numero,
            "numeroCarteDestination": numero,
            "porteurs": [{"numeroCarte": numero, "membreId": "M1", "email": "awa@example.com"}],
            "numeroPiece": "1 234 1990 00001",
            "email": "",
            "motif": f"perdue {numero}, 7019 8001-0000.9569",
            "walletId": "221771234567",
            "secretId": "S1",
            "secrets": [{"secretId": "S1", "secretExpireLe": datetime(2026, 1, 1, tzinfo=UTC)}],
            "finValidite": date(2029, 7, 18),
            "clients": {"CLI-2", "CLI-1"},
            "demo": False,
            "montantMaximal": None,
        }
    )
    piece, email = (
        f"sha256:{hashlib.sha256(text.encode()).hexdigest()[:16]}"
        for text in ("1 234 1990 00001", "awa@example.com")
    )
    masked = "701980******9569"
    assert told == {
        "numeroCarte": masked,
        "numeroCarteDestination": masked,
        "porteurs": [{"numeroCarte": masked, "membreId": "M1", "email": email}],
        "numeroPiece": piece,
        "email": "",
        "motif": f"perdue {masked}, {masked}",
        "walletId": "221771234567",
        "secretId": "S1",
        "secrets": [{"secretId": "S1", "secretExpireLe": "2026-01-01T00:00:00.000000Z"}],
        "finValidite": "2029-07-18",
        "clients": ["CLI-1", "CLI-2"],
        "demo": False,
        "montantMaximal": None,
    }


@pytest.mark.parametrize(
    "name", ["consumerSecret", "secret", "jeton", "accessToken", "codeRetrait", "CYNOD_PEPPER"]
)
def test_a_secret_is_refused_and_nothing_is_written(database: Database, name: str) -> None:
    with (
        pytest.raises(ValueError, match=f"the audit holds no secret: {name}"),
        database.transaction() as connection,
    ):
        record(connection, TESTEUR, "saisirPartenaire", KEY, None, {"bien": {name: "x"}})
    assert prove(database) == Verification(0, None, None, None, Tete(0, PREMIERE))


def test_motif_of_a_row_has_no_number_of_a_card(database: Database) -> None:
    with database.transaction() as connection:
        record(
            connection, AWA, "opposerCarte", KEY, None, {}, motif="carte 7019800100009569 perdue"
        )
    assert [row["motif"] for row in rows_of(database)] == ["carte 701980******9569 perdue"]


def test_what_is_removed_has_nothing_after_and_a_list_keeps_its_order(database: Database) -> None:
    before = {"roles": ["VALIDATION", "LECTEUR"], "commentaire": "rendue, 7019800100009569"}
    with database.transaction() as connection:
        record(connection, AWA, "retirer", KEY, before, None)
    (row,) = rows_of(database)
    shown_ = {"roles": ["VALIDATION", "LECTEUR"], "commentaire": "rendue, 701980******9569"}
    assert (row["avant"], row["apres"]) == (shown_, None)


# ── exports ──────────────────────────────────────────────────────────────────────────────────────
def test_rows_are_chosen_by_day_objet_and_acteur(database: Database) -> None:
    changes = [
        (TESTEUR, Objet("CLIENT", "CLI-1")),
        (AWA, Objet("MEMBRE", "CLI-1:M1")),
        (AWA, Objet("CLIENT", "CLI-10")),
        (TESTEUR, Objet("CLIENT", "cli-1:M1")),
        (Acteur(SYSTEME, "testeur", "expiration"), Objet("DEMANDE", "CLI%1")),
    ]
    with database.transaction() as connection:
        for acteur, objet in changes:
            record(connection, acteur, "modifier", objet, None, {})

    def chosen(**choix: Any) -> list[int]:
        return [row["position"] for row in rows_of(database, **choix)]

    today = now().date()
    assert chosen() == [1, 2, 3, 4, 5]
    assert chosen(objet_id="CLI-1") == [1, 2]
    assert chosen(objet_id="CLI%1") == [5]
    assert chosen(acteur_id="testeur") == [1, 4, 5]
    assert chosen(acteur_type="CLI", acteur_id="testeur") == [1, 4]
    assert chosen(acteur_id="awa", objet_id="CLI-1") == [2]
    assert chosen(debut=today - timedelta(1), fin=today + timedelta(1)) == [1, 2, 3, 4, 5]
    assert chosen(debut=today + timedelta(2)) == chosen(fin=today - timedelta(2)) == []
    assert chosen(fin=date.max) == [1, 2, 3, 4, 5]


def test_csv_of_the_audit_runs_in_no_spreadsheet(database: Database) -> None:
    run = "=HYPERLINK(1)"
    mallory = Acteur(AGENT, "-1+1", run)
    with database.transaction() as connection:
        objet = Objet("CLIENT", "@x")
        tete = record(
            connection, mallory, "modifier", objet, {"nom": 'a"b'}, {"nom": run}, motif="+1"
        )
    (row,) = rows_of(database)
    head, line, rest = export(database, "csv").split("\r\n")
    assert head == (
        "\ufeffposition,date,acteurType,acteurId,acteurNom,viaApplication,pourLeCompteDe,adresse,requestId,"
        "action,objetType,objetId,demandeId,avant,apres,motif,memePersonne,empreintePrecedente,empreinte"
    )
    assert line == (
        f"1,{row['date']},AGENT,'-1+1,'{run},,,,,modifier,CLIENT,'@x,,"
        '"{""nom"":""a\\""b""}","{""nom"":""=HYPERLINK(1)""}"'
        f",'+1,false,{PREMIERE},{tete.empreinte}"
    )
    assert rest == ""


# ── the chain ────────────────────────────────────────────────────────────────────────────────────
def test_change_that_is_rolled_back_leaves_no_row_and_no_gap(database: Database) -> None:
    write(database, 2)
    with suppress(_Undone), database.transaction() as connection:
        record(connection, TESTEUR, "modifier", KEY, None, {})
        raise _Undone
    write(database, 1)
    assert [row["position"] for row in rows_of(database)] == [1, 2, 3]
    assert prove(database).rupture is None


def test_changes_at_once_leave_a_chain_without_a_gap(database: Database) -> None:
    """Also where some of them are rolled back, and one proves meanwhile."""

    def change(at: int) -> bool:
        try:
            with database.transaction() as connection:
                record(connection, TESTEUR, "modifier", Objet("CLIENT", str(at)), None, {"n": at})
                assert at % 4
        except AssertionError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        changed = pool.map(change, range(48))
        meanwhile = list(pool.map(lambda _: prove(database).rupture, range(4)))
        written = sum(changed)
    assert written == 36
    assert meanwhile == [None] * 4
    rows = rows_of(database)
    assert [row["position"] for row in rows] == list(range(1, 37))
    assert [row["date"] for row in rows] == sorted(row["date"] for row in rows)
    assert {int(row["objetId"]) for row in rows} == {at for at in range(48) if at % 4}
    assert prove(database)[:4] == (36, 1, 36, None)


GUARDED = [
    "UPDATE audit SET action = action",
    "DELETE FROM audit",
    "DELETE FROM audit WHERE position = 2",
    "TRUNCATE audit",
    "UPDATE audit_tete SET empreinte = empreinte",
    "UPDATE audit_tete SET position = 1",
    "UPDATE audit_tete SET position = 4",
    "DELETE FROM audit_tete",
    "TRUNCATE audit_tete",
    "INSERT INTO audit_tete (id, position, empreinte) VALUES (2, 9, '')",
]
REPLACED = [
    "REPLACE INTO audit SELECT * FROM audit WHERE position = 2",
    "REPLACE INTO audit_tete SELECT id, 1, empreinte FROM audit_tete",
]


@pytest.fixture(scope="module")
def guarded(new_database_url: NewUrl) -> Iterator[Database]:
    """A chain of two rows, which nothing changes."""
    database = Database(new_database_url())
    write(database, 2)
    yield database
    database.close()


@pytest.mark.parametrize("statement", GUARDED + REPLACED)
def test_database_lets_nobody_change_the_audit(guarded: Database, statement: str) -> None:
    database = guarded
    if database.dialect == "sqlite":
        statement = statement.replace("TRUNCATE", "DELETE FROM")
    elif statement in REPLACED:
        statement = statement.replace("REPLACE", "INSERT")
    with pytest.raises(DBAPIError), database.transaction() as connection:
        connection.execute(text(statement))
    assert prove(database)[:4] == (2, 1, 2, None)


@pytest.mark.only_on("postgresql")
def test_role_of_the_service_writes_rows_and_can_do_nothing_else_to_them(guarded: Database) -> None:
    """With the rights that docs/deploiement.md gives it."""
    for forbidden in (
        None,
        "UPDATE audit SET action = action",
        "DELETE FROM audit",
        "TRUNCATE audit",
        "DELETE FROM audit_tete",
        "ALTER TABLE audit DISABLE TRIGGER USER",
        "DROP TRIGGER audit_append_only ON audit",
        "SET session_replication_role = replica",
    ):
        with suppress(_Undone), guarded.transaction() as connection:
            for statement in (
                "CREATE ROLE service_de_l_audit",
                "GRANT SELECT, INSERT ON audit TO service_de_l_audit",
                "GRANT SELECT, UPDATE ON audit_tete TO service_de_l_audit",
                "SET LOCAL ROLE service_de_l_audit",
            ):
                connection.execute(text(statement))
            record(connection, TESTEUR, "modifier", KEY, None, {})
            assert verify_chaine(connection)[:4] == (3, 1, 3, None)
            if forbidden is not None:
                with pytest.raises(ProgrammingError, match=r"permission denied|must be owner"):
                    connection.execute(text(forbidden))
            raise _Undone
    assert prove(guarded)[:4] == (2, 1, 2, None)


# ── who touches it all the same ──────────────────────────────────────────────────────────────────
def unguard(connection: Connection) -> None:
    """Take away what stands in the way, as whoever owns the database may."""
    if connection.dialect.name == "postgresql":
        for table in ("audit", "audit_tete"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for check in ("position_positive", "acteur_type_connu", "meme_personne_booleen"):
            connection.execute(text(f"ALTER TABLE audit DROP CONSTRAINT ck_audit_{check}"))
        return
    for name in connection.scalars(text("SELECT name FROM sqlite_master WHERE type = 'trigger'")):
        if name.startswith("audit"):
            connection.execute(text(f"DROP TRIGGER {name}"))


class Rewriter:
    """Changes rows behind everybody's back, and has the chain proved before all is undone."""

    def __init__(self, database: Database) -> None:
        self.database = database
        with database.transaction() as connection:
            unguard(connection)

    @contextmanager
    def touching(self) -> Iterator[Connection]:
        """A transaction of which nothing stays."""
        with suppress(_Undone), self.database.transaction() as connection:
            if self.database.dialect == "sqlite":
                connection.execute(text("PRAGMA ignore_check_constraints = ON"))
            yield connection
            raise _Undone

    def find(self, *statements: str, kept: str | None = None) -> Rupture | None:
        """What is found after these."""
        with self.touching() as connection:
            for statement in statements:
                connection.execute(text(statement))
            proved = verify_chaine(connection, kept=kept)
        return proved.rupture


@pytest.fixture(scope="module")
def rewriter(new_database_url: NewUrl) -> Iterator[Rewriter]:
    """Of a chain of five rows, every column of which holds something."""
    database = Database(new_database_url())
    for at in range(5):
        with database.transaction() as connection:
            objet = Objet("CLIENT", f"CLI-{at}")
            record(
                connection, AWA, "modifier", objet, {"nom": "é"}, {"nom": f"{at}"},
                motif="à sa demande", demande_id="0" * 26, meme_personne=at == 1,
            )  # fmt: skip
    yield Rewriter(database)
    database.close()


GAP = "the row is missing: {} comes next"
HASH = "empreinte is not that of what the row holds: it was changed"


@pytest.mark.parametrize(
    ("statement", "position", "motif"),
    [
        ("DELETE FROM audit WHERE position = 1", 1, GAP.format(2)),
        ("DELETE FROM audit WHERE position = 3", 3, GAP.format(4)),
        ("DELETE FROM audit WHERE position = 5", 5, "the rows are missing to the end, 5"),
        ("DELETE FROM audit WHERE position > 2", 3, "the rows are missing to the end, 5"),
        ("DELETE FROM audit", 1, "the rows are missing to the end, 5"),
        ("UPDATE audit SET position = 0 WHERE position = 3", 0, "the row stands before the first"),
        ("UPDATE audit SET position = 9 WHERE position = 3", 3, GAP.format(4)),
        ("UPDATE audit SET apres = NULL WHERE position = 2", 2, HASH),
        ("UPDATE audit SET motif = '' WHERE position = 2", 2, HASH),
        (
            'UPDATE audit SET apres = \'{"nom": "1"}\' WHERE position = 2',
            2,
            "apres is not canonical JSON",
        ),
        ("UPDATE audit SET apres = '{' WHERE position = 2", 2, "apres is not canonical JSON"),
        ("UPDATE audit SET apres = '[NaN]' WHERE position = 2", 2, "apres is not canonical JSON"),
        ("UPDATE audit SET meme_personne = 2 WHERE position = 2", 2, HASH),
        (
            "UPDATE audit SET empreinte_precedente = empreinte WHERE position = 4",
            4,
            "empreintePrecedente is not the empreinte of the row before",
        ),
        (
            "UPDATE audit_tete SET position = 4",
            4,
            "the end of the chain has not the empreinte of the last row",
        ),
        ("UPDATE audit_tete SET position = 7", 6, "the rows are missing to the end, 7"),
        (
            (
                "UPDATE audit_tete SET position = 4, empreinte ="
                " (SELECT empreinte FROM audit WHERE position = 4)"
            ),
            5,
            "the row stands behind the end, 4",
        ),
        (
            "DELETE FROM audit_tete",
            None,
            "audit_tete holds no row, which says where the chain ends",
        ),
    ],
)
def test_what_was_touched_is_found_and_located(
    rewriter: Rewriter, statement: str, position: int | None, motif: str
) -> None:
    assert rewriter.find(statement) == Rupture(position, motif)
    with rewriter.touching() as connection:
        connection.execute(text(statement))
        ruptures = [one.rupture for one in prove_in_parts(connection, 2)]
    found = ruptures[-1]
    assert found is not None
    # A row that stands before the first is in no part: that it is missing where it was is found.
    assert found.position == (3 if position == 0 else position)
    assert prove(rewriter.database).rupture is None


@pytest.mark.only_on("sqlite")
@pytest.mark.parametrize(
    ("value", "motif", "shown_as"),
    [
        ("CAST(X'41FF' AS TEXT)", "a column holds what is no text", "xff"),
        ("CAST(acteur_nom AS BLOB)", "acteurNom holds another kind of value", "Awa Diop"),
    ],
)
def test_what_no_program_of_ours_writes_is_found_too(
    rewriter: Rewriter, value: str, motif: str, shown_as: str
) -> None:
    statement = f"UPDATE audit SET acteur_nom = {value} WHERE position = 3"
    assert rewriter.find(statement) == Rupture(3, motif)
    with rewriter.touching() as connection:
        connection.execute(text(statement))
        for format_ in FORMATS:
            pieces: list[str] = []
            assert export_audit(connection, pieces.append, format_=format_) == 5
            assert shown_as in "".join(pieces)


def test_rows_of_two_are_not_exchanged_unseen(rewriter: Rewriter) -> None:
    found = rewriter.find(
        "UPDATE audit SET position = 9 WHERE position = 2",
        "UPDATE audit SET position = 2 WHERE position = 3",
        "UPDATE audit SET position = 3 WHERE position = 9",
    )
    assert found == Rupture(2, "empreintePrecedente is not the empreinte of the row before")


def test_chain_that_was_written_again_is_found_by_a_head_that_was_kept(rewriter: Rewriter) -> None:
    database = rewriter.database
    heads = [row["empreinte"] for row in rows_of(database)]
    with rewriter.touching() as connection:
        connection.execute(text("DELETE FROM audit WHERE position > 3"))
        connection.execute(
            text("UPDATE audit_tete SET position = 3, empreinte = :kept"), {"kept": heads[2]}
        )
        tete = record(connection, TESTEUR, "modifier", KEY, None, {"n": 3})
        found = [verify_chaine(connection, kept=kept) for kept in (None, *heads, PREMIERE)]
    lost = Rupture(
        None,
        "no row has the empreinte that was kept: the chain was written again, or the database restored to a"
        " point before that row",
    )
    assert [one.rupture for one in found] == [None, None, None, None, lost, lost, None]
    assert {one.tete for one in found} == {tete}
    assert [prove(database, kept).rupture for kept in heads] == [None] * 5


TOUCHED = [column.name for column in audit.c]


class Touch(NamedTuple):
    """A byte of a value of a row, and what is put in its place."""

    position: int
    at: int
    other: int


touches = st.builds(Touch, st.integers(1, 5), st.integers(0, 63), st.integers(1, 255))


def test_any_byte_of_any_column_that_is_changed_is_found_where_it_is(rewriter: Rewriter) -> None:
    @settings(TESTING, max_examples=8)
    @given(st.lists(touches, min_size=len(TOUCHED), max_size=len(TOUCHED)))
    def any_byte(drawn: list[Touch]) -> None:
        for column, touch in zip(TOUCHED, drawn, strict=True):
            with rewriter.touching() as connection:
                places = _change_a_byte(connection, column, touch)
                found = verify_chaine(connection).rupture
            assert found is not None, (column, touch)
            assert found.position in places, (column, touch, found)

    any_byte()


def _change_a_byte(connection: Connection, name: str, touch: Touch) -> tuple[int, ...]:
    """Change it; where that is to be found."""
    row = audit.c.position == touch.position
    raw = _raw(connection, audit.c[name])
    before = connection.execute(select(raw).where(row)).scalar_one()
    after, stored = _changed(before, touch)
    if name == "position" and after in range(1, 6):
        after = stored = before + 32
    connection.execute(update(audit).where(row).values({name: stored}))
    return (touch.position, after) if name == "position" else (touch.position,)


def _raw(connection: Connection, column: Any) -> Any:
    """SQLite's bytes, where PostgreSQL lets nobody see its own."""
    if connection.dialect.name == "sqlite" and column.name not in ("position", "meme_personne"):
        return type_coerce(cast(column, LargeBinary), LargeBinary)
    return column


def _changed(before: Any, touch: Touch) -> tuple[Any, Any]:
    """The value with one byte changed, and how it is written."""
    if isinstance(before, int):
        after = before ^ (1 << (touch.at % 40))
        return after, after
    if isinstance(before, datetime):
        moved = before + timedelta(microseconds=1 << (touch.at % 40))
        return moved, moved
    at = touch.at % len(before)
    if isinstance(before, bytes):
        raw = bytes([*before[:at], before[at] ^ touch.other, *before[at + 1 :]])
        return raw, type_coerce(cast(type_coerce(raw, LargeBinary), String), String)
    other = before[:at] + chr(ord(before[at]) ^ touch.other or 1) + before[at + 1 :]
    return other, other
