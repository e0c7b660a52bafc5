"""Import: all or nothing, twice is once, a bad row is named, rows come back as they were written."""

from __future__ import annotations

import gzip
import io
from datetime import date, timedelta
from itertools import zip_longest
from threading import Thread
from typing import Any, BinaryIO, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, insert, select, text, update

from models.audit import Objet, record
from models.base import SOLDE_MAXIMAL
from models.books.demo import seed_demo
from models.books.importation import (
    COLUMNS,
    LIGNE_MAXIMALE,
    LOT,
    ImportationRefusee,
    Rejected,
    Summary,
    import_cartes,
)
from models.books.rows import UNTERMINATED
from models.books.verification import verify
from models.carte import cartes
from models.client import Client, clients, find_client
from models.compte import comptes
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.journal.ouverture import open_cartes
from models.membre import Membre, find_membre, membres
from models.motifs import DU_CONTRAT
from models.mouvement import CarteDesignee, Demande, debiter
from models.operation import operations
from models.reseau import find_reseau
from models.secret import find_by_secret
from models.telephone import Deviation, Telephones
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import DOCUMENT
from tests.support.siege import Siege

HEADER = ",".join(COLUMNS)
ROW = {
    "clientId": "CLI-0001",
    "clientNom": "Société de transport",
    "membreId": "MBR-0001",
    "nom": "Ndiaye",
    "prenom": "Fatou",
    "email": "fatou@exemple.sn",
    "telephone": "221771234567",
    "numeroPiece": "1 751 1985",
    "dateNaissance": "01/03/1985",
    "numeroCarte": "7019800100009569",
    "finValidite": "18/07/2029",
    "statut": "ACTIVE",
    "solde": "142000",
}
TABLES = (clients, membres, comptes, cartes, operations, ecritures)


def _row(**cells: str) -> str:
    return ",".join({**ROW, **cells}.values())


def _row_of(number: int, **cells: str) -> str:
    """A row of a card and a member of its own."""
    own = {"membreId": f"M{number}", "telephone": f"22177{number:07d}"}
    return _row(**{**own, "numeroCarte": f"7019800{number:09d}", **cells})


def _file(*rows: str) -> BinaryIO:
    return io.BytesIO("\n".join([HEADER, *rows, ""]).encode())


def _import(database: Database, *rows: str) -> tuple[int, int, int, int, int]:
    return import_cartes(database, _file(*rows), TESTEUR)[:5]


def _skip_bad(database: Database, source: BinaryIO) -> tuple[Summary, list[Rejected]]:
    rejets: list[Rejected] = []
    return import_cartes(database, source, TESTEUR, reject=rejets.append), rejets


def _content(database: Database) -> dict[str, list[Any]]:
    with database.reading() as connection:
        return {
            table.name: sorted(
                tuple(row) for row in connection.execute(select(*table.primary_key, table))
            )
            for table in TABLES
            if table is not comptes
        } | {"comptes": [connection.scalar(select(func.count()).select_from(comptes))]}


def _refusal(database: Database, source: BinaryIO) -> tuple[int, str, str]:
    with pytest.raises(ImportationRefusee) as refused:
        import_cartes(database, source, TESTEUR)
    return refused.value.ligne, refused.value.colonne, refused.value.motif


def test_a_row_becomes_a_client_a_membre_a_carte_and_an_opening(database: Database) -> None:
    assert _import(database, _row()) == (1, 0, 0, 1, 1)
    with database.reading() as connection:
        assert find_client(connection, "CLI-0001") == Client(
            "CLI-0001", ROW["clientNom"], nombre_membres=1, nombre_cartes=1
        )
        assert find_membre(connection, "CLI-0001", "MBR-0001") == Membre(
            "CLI-0001",
            "MBR-0001",
            "221771234567",
            "Ndiaye",
            "Fatou",
            "fatou@exemple.sn",
            "221771234567",
            "1 751 1985",
            date(1985, 3, 1),
        )
        carte = connection.execute(select(cartes)).mappings().one()
        assert carte == {
            "id": carte["id"],
            "numero_carte": "7019800100009569",
            "client_id": "CLI-0001",
            "membre_id": "MBR-0001",
            "compte_id": carte["compte_id"],
            "fin_validite": date(2029, 7, 18),
            "statut": "ACTIVE",
            "unite": "FCFA",
            "solde": 142000,
            "version": 1,
            "date_solde": carte["date_solde"],
            "plafonnee": 0,
            "motif_statut": None,
            "statut_avant_opposition": None,
            "oppose_par": None,
            "etat_version": 1,
            "carte_id": carte["carte_id"],
            "profil_id": None,
            "commentaire_statut": None,
            "emise_le": carte["date_solde"],
            "activee_le": carte["date_solde"],
            "annulee_par": None,
            "remplace_id": None,
            "renouvellements": 0,
            "dernier_quatre": "9569",
        }
        operation = connection.execute(select(operations)).mappings().one()
        assert operation == {
            "id": operation["id"],
            "numero_operation": operation["numero_operation"],
            "partenaire_id": None,
            "reference": None,
            "empreinte": None,
            "empreinte_version": None,
            "type": "OUVERTURE",
            "statut": "EXECUTEE",
            "carte_id": carte["id"],
            "carte_destination_id": None,
            "annulation_de": None,
            "montant": 142000,
            "unite": "FCFA",
            "motif": None,
            "point_de_service": None,
            "terminal": None,
            "date_operation": carte["date_solde"],
            "demande_id": None,
        }
        types = {row.type: row.id for row in connection.execute(select(comptes))}
        ecriture = connection.execute(select(ecritures)).mappings().one()
        assert ecriture == {
            "id": ecriture["id"],
            "operation_id": operation["id"],
            "compte_debit": types["OUVERTURE"],
            "compte_credit": types["CARTE"],
            "montant": 142000,
            "unite": "FCFA",
            "version_debit": None,
            "version_credit": 1,
            "solde_debit": None,
            "solde_credit": 142000,
        }


def test_a_solde_of_zero_needs_no_operation(database: Database) -> None:
    assert _import(database, _row(solde="0")) == (1, 0, 0, 1, 1)
    with database.reading() as connection:
        assert connection.execute(select(cartes.c.solde, cartes.c.version)).all() == [(0, 0)]
        assert connection.execute(select(operations)).all() == []
        assert verify(connection).faults == []


def test_the_greatest_values_of_every_column_are_imported(database: Database) -> None:
    row = _row(
        clientId="C" * 32,
        clientNom="é" * 200,
        membreId="9" + "-" * 31,
        nom="é" * 200,
        prenom="é" * 200,
        email="a" * 64 + "@" + "b" * 189,
        telephone="+" + "9" * 15,
        numeroPiece="é" * 64,
        numeroCarte="9" * 19,
        finValidite="31/12/9999",
        solde=str(SOLDE_MAXIMAL),
    )
    assert _import(database, row) == (1, 0, 0, 1, 1)
    assert _import(database, row) == (0, 1, 0, 0, 0)


def test_a_byte_order_mark_windows_line_ends_quotes_and_empty_lines_are_read(
    database: Database,
) -> None:
    name = '"Transports ""Le Lion"", SA"'
    source = (
        f"\r\n{HEADER}\r\n"[2:] + _row(clientNom=name) + "\r\n\r\n" + _row(clientNom=name) + "\r\n"
    )
    summary = import_cartes(database, io.BytesIO(b"\xef\xbb\xbf" + source.encode()), TESTEUR)
    assert summary[:5] == (1, 1, 0, 1, 1)
    with database.reading() as connection:
        assert connection.scalar(select(clients.c.nom)) == 'Transports "Le Lion", SA'


def test_a_header_alone_imports_nothing(database: Database) -> None:
    assert _import(database) == (0, 0, 0, 0, 0)
    assert import_cartes(database, io.BytesIO(HEADER.encode()), TESTEUR)[:5] == (0, 0, 0, 0, 0)


@pytest.mark.parametrize("rows", [3, 2 * LOT + 1])
def test_the_same_file_twice_changes_nothing_the_second_time(database: Database, rows: int) -> None:
    file = [_row_of(number) for number in range(rows)]
    assert _import(database, *file) == (rows, 0, 0, 1, rows)
    before = _content(database)
    assert _import(database, *file) == (0, rows, 0, 0, 0)
    assert _content(database) == before
    with database.reading() as connection:
        assert verify(connection).faults == []


def test_soldes_that_moved_since_are_left_as_they_are(database: Database) -> None:
    _import(database, _row())
    with database.transaction() as connection:
        connection.execute(update(cartes).values(solde=1, version=2))
    before = _content(database)
    assert _import(database, _row()) == (0, 1, 0, 0, 0)
    assert _content(database) == before


@pytest.mark.parametrize("opened", ["142000", "0"])
def test_a_card_that_was_opened_with_another_solde_is_told_with_both(
    database: Database, opened: str
) -> None:
    _import(database, _row(solde=opened))
    before = _content(database)
    told = (2, "solde", f"the card is already known, opened with {opened}, not with 5")
    assert _refusal(database, _file(_row(solde="5"))) == told
    assert _content(database) == before


@pytest.mark.parametrize("good", [0, 1, LOT, LOT + 1])
def test_a_bad_last_row_changes_nothing(database: Database, good: int) -> None:
    _import(database, _row())
    before = _content(database)
    rows = [_row_of(number) for number in range(good)]
    refusal = _refusal(database, _file(*rows, _row_of(good, statut="PERDUE")))
    assert refusal == (good + 2, "statut", "it must be one of ACTIVE, OPPOSITION, ANNULEE")
    assert _content(database) == before


def test_the_first_bad_row_is_the_one_named(database: Database) -> None:
    contradiction = _row(numeroCarte="7019800100009570", nom="Diop")
    refusal = _refusal(database, _file(_row(), contradiction, _row_of(3, solde="-1")))
    assert refusal == (
        3,
        "nom",
        "the membre MBR-0001 of CLI-0001 is already known with another nom",
    )


IDENTIFIANT = "it must be 1 to 32 of A-Z a-z 0-9 . _ -"
TELEPHONE = "it must be 6 to 15 digits, with or without a leading +"
JOUR = "it must be a day dd/MM/yyyy that exists, from 01/01/1900"
CONTROL = "it holds a control character"
SOLDE = f"it must be an integer of francs from 0 to {SOLDE_MAXIMAL}"
STATUT = "it must be one of ACTIVE, OPPOSITION, ANNULEE"
DIGITS = "it must be 12 to 19 digits"


REFUSED_CELLS = [
    ("clientId", "", IDENTIFIANT),
    ("clientId", "C" * 33, IDENTIFIANT),
    ("clientId", "-CLI", IDENTIFIANT),
    ("clientId", "CLÏ", IDENTIFIANT),
    ("clientNom", " ", "it must not be empty"),
    ("clientNom", "é" * 201, "it has 201 characters; 200 is the most"),
    ("clientNom", "a\x00b", CONTROL),
    ("membreId", "M 1", IDENTIFIANT),
    ("nom", "a\tb", CONTROL),
    ("nom", "a\rb", CONTROL),
    ("prenom", "a\x85b", CONTROL),
    ("email", "fatou", "it must be empty or an e-mail address"),
    ("email", "a@" + "b" * 253, "it has 255 characters; 254 is the most"),
    ("telephone", "", TELEPHONE),
    ("telephone", "12345", TELEPHONE),
    ("telephone", "1" * 16, TELEPHONE),
    ("telephone", "٢٢١٧٧١٢٣٤٥٦٧", TELEPHONE),
    ("numeroPiece", "1" * 65, "it has 65 characters; 64 is the most"),
    ("dateNaissance", "1985-03-01", JOUR),
    ("dateNaissance", "01/01/2999", "it is in the future"),
    ("numeroCarte", "1" * 11, DIGITS),
    ("numeroCarte", "1" * 20, DIGITS),
    ("numeroCarte", "7019800100009569 ", DIGITS),
    ("numeroCarte", "７０１９８００１００００９５６９", DIGITS),
    ("finValidite", "", JOUR),
    ("finValidite", "29/02/2027", JOUR),
    ("finValidite", "1/1/2029", JOUR),
    ("finValidite", "31/12/1899", JOUR),
    ("statut", "active", STATUT),
    ("statut", "", STATUT),
    ("solde", "", SOLDE),
    ("solde", "-1", SOLDE),
    ("solde", "1.0", SOLDE),
    ("solde", "1_000", SOLDE),
    ("solde", "²", SOLDE),
    ("solde", str(SOLDE_MAXIMAL + 1), SOLDE),
    ("solde", "9" * 10_000, SOLDE),
]


def test_a_bad_cell_is_named_by_line_and_column(database: Database) -> None:
    told = [
        _refusal(database, _file(_row_of(1), "", _row_of(2, **{column: cell}), _row_of(3)))
        for column, cell, _ in REFUSED_CELLS
    ]
    assert told == [(4, column, motif) for column, _, motif in REFUSED_CELLS]


QUOTE = (
    'a quote is not closed, or stands inside a field; write a field that holds one as "a ""b"" c"'
)


@pytest.mark.parametrize(
    ("line", "column", "motif"),
    [
        (_row(nom='"Ndiaye').encode(), "nom", QUOTE),
        (_row(nom='"Ndi"aye').encode(), "nom", QUOTE),
        (_row(solde='1"').encode(), "solde", QUOTE),
        (_row(prenom="Aïssatou").encode("latin-1"), "clientNom", "this is not UTF-8 text"),
        (_row(clientNom="x", email="\xe9").encode("latin-1"), "email", "this is not UTF-8 text"),
        (b"a,b", "", "2 columns instead of 13"),
        (_row().encode() + b",", "", "14 columns instead of 13"),
        (b"x" * (LIGNE_MAXIMALE + 1), "", f"the line is longer than {LIGNE_MAXIMALE} bytes"),
        (b"x" * (3 * LIGNE_MAXIMALE + 6), "", f"the line is longer than {LIGNE_MAXIMALE} bytes"),
        (b'"' + b"x" * 10**6, "", f"the line is longer than {LIGNE_MAXIMALE} bytes"),
    ],
)
def test_a_line_that_is_no_row_is_named_and_spoils_no_other(
    database: Database, line: bytes, column: str, motif: str
) -> None:
    source = b"\n".join([HEADER.encode(), _row_of(1).encode(), line, _row_of(2).encode(), b""])
    assert _refusal(database, io.BytesIO(source)) == (3, column, motif)
    summary, rejets = _skip_bad(database, io.BytesIO(source))
    assert summary[:5] == (2, 0, 1, 1, 2)
    assert [rejected[1:] for rejected in rejets] == [(3, column, motif)]


def test_a_wrong_header_is_refused_even_when_bad_rows_are_skipped(database: Database) -> None:
    expected = f"the header must be exactly {HEADER}; found"
    empty = "the file is empty; its first line must be the header"
    told = []
    for header in (
        b"\n",
        HEADER.lower().encode(),
        b"clientId;clientNom",
        HEADER.encode() + b",ligne",
        HEADER.encode("utf-16-le"),
    ):
        with pytest.raises(ImportationRefusee) as refused:
            _skip_bad(database, io.BytesIO(header + b"\n" + _row().encode()))
        told.append((refused.value.ligne, refused.value.colonne, refused.value.motif))
    assert told == [
        (1, "clientId", f"{expected} '' there"),
        (1, "clientId", f"{expected} 'clientid' there"),
        (1, "", f"{expected} 2 columns, separated by ; instead of 13"),
        (1, "", f"{expected} 14 columns instead of 13"),
        (1, "", "it is UTF-16 or no text at all; save it as UTF-8"),
    ]
    assert _refusal(database, io.BytesIO(b"")) == (1, "", empty)


@pytest.mark.parametrize("known_from", ["database", "file"])
@pytest.mark.parametrize(
    ("other", "column", "motif"),
    [
        ({"clientNom": "X"}, "clientNom", "the client CLI-0001 is already known by another name"),
        ({"nom": "X"}, "nom", "the membre MBR-0001 of CLI-0001 is already known with another nom"),
        (
            {"telephone": "221770000000"},
            "telephone",
            "the membre MBR-0001 of CLI-0001 is already known with another telephone",
        ),
        (
            {"dateNaissance": ""},
            "dateNaissance",
            "the membre MBR-0001 of CLI-0001 is already known with another dateNaissance",
        ),
        (
            {"membreId": "MBR-0002"},
            "numeroCarte",
            "the card is already given{} to another client or membre",
        ),
        (
            {"clientId": "CLI-0002"},
            "numeroCarte",
            "the card is already given{} to another client or membre",
        ),
        (
            {"finValidite": "19/07/2029"},
            "finValidite",
            "the card is already known{} with another finValidite",
        ),
        ({"statut": "ANNULEE"}, "statut", "the card is already known{} as ACTIVE"),
    ],
)
def test_a_row_that_contradicts_what_is_known_is_refused(
    database: Database, known_from: str, other: dict[str, str], column: str, motif: str
) -> None:
    in_file = known_from == "file"
    if not in_file:
        _import(database, _row())
    before = _content(database)
    rows = [_row(), _row(**other)] if in_file else [_row(**other)]
    expected = (len(rows) + 1, column, motif.format(" by line 2" if in_file else ""))
    assert _refusal(database, _file(*rows)) == expected
    assert _content(database) == before


@pytest.mark.parametrize("between", [0, LOT])
@pytest.mark.parametrize("existing", [False, True])
def test_one_card_with_two_soldes_in_the_file_is_refused(
    database: Database, between: int, *, existing: bool
) -> None:
    if existing:
        _import(database, _row())
    others = [_row_of(number) for number in range(between)]
    refusal = _refusal(database, _file(_row(), *others, _row(solde="1")))
    assert refusal == (
        between + 3,
        "solde",
        "the card is already known by line 2 with another solde",
    )
    assert _import(database, _row(), *others, _row()) == (
        between + (not existing),
        1 + existing,
        0,
        int(not existing),
        between + (not existing),
    )


def test_skipping_bad_rows_imports_the_others_and_gives_back_their_cells(
    database: Database,
) -> None:
    bad = _row_of(2, nom='"a, ""b"""', solde="?")
    summary, rejets = _skip_bad(
        database, _file(_row_of(1), bad, _row_of(3), "x,y", _row_of(1, solde="7"), _row_of(4))
    )
    assert summary[:5] == (3, 0, 3, 1, 3)
    cells = {**ROW, "membreId": "M2", "telephone": "221770000002", "nom": 'a, "b"', "solde": "?"}
    assert rejets == [
        Rejected(list((cells | {"numeroCarte": "7019800000000002"}).values()), 3, "solde", SOLDE),
        Rejected(["x,y"], 5, "", "2 columns instead of 13"),
        Rejected(
            _row_of(1, solde="7").split(","),
            6,
            "solde",
            "the card is already known by line 2 with another solde",
        ),
    ]


def test_a_bad_row_teaches_nothing_to_the_rows_after_it(database: Database) -> None:
    summary, rejets = _skip_bad(database, _file(_row(nom="Faux", solde="?"), _row()))
    assert summary[:5] == (1, 0, 1, 1, 1)
    assert [rejected.ligne for rejected in rejets] == [2]


def test_progress_tells_the_bytes_read(database: Database) -> None:
    source = _file(*(_row_of(number) for number in range(LOT + 1)))
    told: list[int] = []
    import_cartes(database, source, TESTEUR, progress=told.append)
    assert len(told) == 2
    assert told == sorted(told)
    assert told[-1] == len(cast(io.BytesIO, source).getvalue())


def test_an_import_joins_what_was_there_before(database: Database) -> None:
    with database.transaction() as connection:
        connection.execute(insert(clients).values(client_id="CLI-0001", nom=ROW["clientNom"]))
    assert _import(database, _row()) == (1, 0, 0, 0, 1)
    assert _import(database, _row_of(2)) == (1, 0, 0, 0, 1)


def test_a_debit_during_an_import_is_neither_lost_nor_doubled(database: Database) -> None:
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=[], pepper=b"")
        partenaire = find_by_secret(
            connection, "demo-partenaire", "demo-secret", pepper=b"", demo_allowed=True
        ).partenaire
    assert partenaire is not None
    carte = CarteDesignee("7019800100009569", "221771234567", "CLI-0001")
    demande = Demande(carte, 2000, "D1")

    def debit() -> None:
        with database.transaction() as connection:
            debiter(connection, partenaire, demande)

    threads: list[Thread] = []

    def begin_debit(_position: int) -> None:
        threads.append(Thread(target=debit))
        threads[-1].start()

    rows = [_row_of(number, clientId="CLI-0009") for number in range(2 * LOT)]
    assert import_cartes(database, _file(*rows), TESTEUR, progress=begin_debit)[:5] == (
        2 * LOT,
        0,
        0,
        1,
        2 * LOT,
    )
    for thread in threads:
        thread.join()
    assert len(threads) == 3
    with database.reading() as connection:
        by_number = select(cartes.c.solde).where(cartes.c.numero_carte == carte.numero_carte)
        assert connection.scalar(by_number) == 140000
        assert verify(connection).faults == []


TEXTS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\u2028\u2029"), max_size=20
)
IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}", fullmatch=True)
DAYS = st.dates(date(1900, 1, 1), date(9999, 12, 31))
PAST_DAYS = st.none() | st.dates(date(1900, 1, 1), date.today() - timedelta(days=1))  # noqa: DTZ011


@st.composite
def _worlds(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Rows that agree with each other: the cells by name, days as days and the solde as a number."""
    names = draw(st.dictionaries(IDS, TEXTS.filter(str.strip), min_size=1, max_size=3))
    member = st.fixed_dictionaries(
        {
            "nom": TEXTS,
            "prenom": TEXTS,
            "email": st.sampled_from(["", "a@b.sn"]),
            "telephone": st.from_regex(r"[+]?[0-9]{6,15}", fullmatch=True),
            "numeroPiece": TEXTS,
            "dateNaissance": PAST_DAYS,
        }
    )
    keys = st.tuples(st.sampled_from(sorted(names)), IDS)
    members = draw(st.dictionaries(keys, member, min_size=1, max_size=4))
    numbers = st.from_regex(r"[0-9]{12,19}", fullmatch=True)
    rows = []
    for number in draw(st.lists(numbers, unique=True, max_size=8)):
        client_id, membre_id = key = draw(st.sampled_from(sorted(members)))
        rows.append(
            {
                "clientId": client_id,
                "clientNom": names[client_id],
                "membreId": membre_id,
                **members[key],
                "numeroCarte": number,
                "finValidite": draw(DAYS),
                "statut": draw(st.sampled_from(["ACTIVE", "OPPOSITION", "ANNULEE"])),
                "solde": draw(st.integers(0, SOLDE_MAXIMAL)),
            }
        )
    return rows


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, date):
        return f"{value.day:02d}/{value.month:02d}/{value.year:04d}"
    text = str(value)
    return '"' + text.replace('"', '""') + '"' if set(text) & set(',"') else text


def _lines(rows: list[dict[str, Any]]) -> list[str]:
    return [",".join(_cell(row[column]) for column in COLUMNS) for row in rows]


def _empty(database: Database) -> None:
    """Forget everything, as no transaction of the product can."""
    with database.transaction() as connection:
        for table in reversed(TABLES):
            if database.dialect == "postgresql":
                connection.exec_driver_sql(f"ALTER TABLE {table.name} DISABLE TRIGGER USER")
            else:
                for verb in ("update", "delete"):
                    connection.exec_driver_sql(
                        f"DROP TRIGGER IF EXISTS {table.name}_append_only_{verb}"
                    )
            connection.exec_driver_sql(f"DELETE FROM {table.name}")


BY_EXAMPLE = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@BY_EXAMPLE
@given(rows=_worlds())
def test_what_is_imported_is_read_back_as_it_was_written(
    database: Database, rows: list[dict[str, Any]]
) -> None:
    _empty(database)
    assert _import(database, *_lines(rows))[:3] == (len(rows), 0, 0)
    assert _import(database, *_lines(rows))[:3] == (0, len(rows), 0)
    with database.reading() as connection:
        found = connection.execute(
            select(
                clients.c.client_id,
                clients.c.nom,
                membres.c.membre_id,
                membres.c.nom,
                membres.c.prenom,
                membres.c.email,
                membres.c.telephone,
                membres.c.numero_piece,
                membres.c.date_naissance,
                cartes.c.numero_carte,
                cartes.c.fin_validite,
                cartes.c.statut,
                cartes.c.solde,
                membres.c.wallet_id,
            )
            .join_from(cartes, membres)
            .join(clients, clients.c.client_id == membres.c.client_id)
            .order_by(cartes.c.id)
        ).all()
        assert verify(connection).faults == []
    assert [tuple(row) for row in found] == [
        (*(row[column] for column in COLUMNS), row["telephone"]) for row in rows
    ]


BAD_CELLS = {
    "clientId": ["", "é", "a b"],
    "clientNom": ["", "a\x07"],
    "membreId": ["", ".a"],
    "nom": ["\x00", "x" * 201],
    "prenom": ["\x1b"],
    "email": ["a", "a b@c"],
    "telephone": ["", "+", "77 123 45 67"],
    "numeroPiece": ["x" * 65],
    "dateNaissance": ["31/02/2000", "hier"],
    "numeroCarte": ["", "7019-8001-0000-9569"],
    "finValidite": ["", "00/01/2029"],
    "statut": ["EXPIREE"],
    "solde": ["", "1,5", "+1", "1e3"],
}


@BY_EXAMPLE
@given(data=st.data(), before=st.integers(0, 5), after=st.integers(0, 5))
def test_a_bad_cell_anywhere_is_located_and_changes_nothing(
    database: Database, data: st.DataObject, before: int, after: int
) -> None:
    column = data.draw(st.sampled_from(COLUMNS))
    cell = data.draw(st.sampled_from(BAD_CELLS[column]))
    rows = [_row_of(number) for number in range(before + after + 1)]
    rows[before] = _row_of(before, **{column: _cell(cell)})
    ligne, colonne, _ = _refusal(database, _file(*rows))
    assert (ligne, colonne) == (before + 2, column)
    assert _content(database)["cartes"] == []


@BY_EXAMPLE
@given(junk=st.lists(st.binary(max_size=200), max_size=5))
def test_no_bytes_at_all_break_the_import(database: Database, junk: list[bytes]) -> None:
    lines = b"\n".join(junk).split(b"\n")
    rows = zip_longest(lines, [_row_of(1).encode()] * len(lines))
    source = b"\n".join([HEADER.encode(), *(one for pair in rows for one in pair), b""])
    summary, rejets = _skip_bad(database, io.BytesIO(source))
    blank = sum(not line.replace("\u00a0".encode(), b"").strip(b' \t",\r') for line in lines)
    assert summary.creees + summary.inchangees == len(lines)
    assert len(rejets) == summary.rejetees == len(lines) - blank


# ── what a file may be ───────────────────────────────────────────────────────────────────────────
def _bytes(*lines: str, end: str = "\n") -> bytes:
    return "".join(line + end for line in (HEADER, *lines)).encode()


@pytest.mark.parametrize(
    "source",
    [
        _bytes(_row()).replace(b",", b";"),
        _bytes(_row()).replace(b",", b"\t"),
        _bytes('"' + _row().replace(",", '","') + '"').replace(
            HEADER.encode(), ('"' + HEADER.replace(",", '","') + '"').encode()
        ),
        _bytes(_row()).replace(b",clientNom", b", clientNom\xc2\xa0"),
        b"\xef\xbb\xbf" + _bytes(_row(), end="\r\n"),
        _bytes(",,,,,,,,,,,,", _row(), ",,,,", "  ", '"","",', "\u00a0,\u00a0,"),
        _bytes(_row()).replace(b",", b";") + b";;;;;;;;;;;;\n",
    ],
    ids=["semicolons", "tabs", "quoted", "spaced header", "Excel", "blank rows", "blank ;"],
)
def test_a_file_as_spreadsheets_write_it_is_taken(database: Database, source: bytes) -> None:
    assert import_cartes(database, io.BytesIO(source), TESTEUR)[:5] == (1, 0, 0, 1, 1)
    assert _import(database, _row()) == (0, 1, 0, 0, 0)


@pytest.mark.parametrize(
    ("source", "motif"),
    [
        (_bytes(_row()).decode().encode("utf-16"), "it is UTF-16; save it as UTF-8"),
        (
            b"\xfe\xff" + _bytes(_row()).decode().encode("utf-16-be"),
            "it is UTF-16; save it as UTF-8",
        ),
        (
            _bytes(_row()).decode().encode("utf-16-be"),
            "it is UTF-16 or no text at all; save it as UTF-8",
        ),
        (
            gzip.compress(_bytes(_row())),
            "it is compressed by gzip; decompress it first: gunzip",
        ),
        (
            b"PK\x03\x04 and so on",
            "it is a workbook or a ZIP archive; save the sheet as CSV UTF-8",
        ),
        (
            _bytes(_row(), end="\r"),
            "its lines end with CR alone, as on old Macs; save it with LF or CR LF",
        ),
        (
            _bytes(_row()).replace(b",", b"|"),
            f"the header must be exactly {HEADER}; this one is separated by |",
        ),
    ],
    ids=["utf-16", "utf-16-be", "no mark", "gzip", "xlsx", "cr", "bars"],
)
def test_a_file_of_another_kind_is_refused_by_its_name(
    database: Database, source: bytes, motif: str
) -> None:
    assert _refusal(database, io.BytesIO(source)) == (1, "", motif)
    with pytest.raises(ImportationRefusee):
        _skip_bad(database, io.BytesIO(source))


def test_a_file_without_a_header_shows_no_number_of_a_card(database: Database) -> None:
    _, colonne, motif = _refusal(database, io.BytesIO(b"7019800100009569 x\n"))
    assert (colonne, motif) == (
        "clientId",
        f"the header must be exactly {HEADER}; found '… x' there",
    )


@pytest.mark.parametrize(
    ("column", "cell"),
    [("numeroCarte", '"7,0198E+15"'), ("solde", "1.42E+05"), ("telephone", "2E11")],
)
def test_a_number_that_a_spreadsheet_rounded_is_named(
    database: Database, column: str, cell: str
) -> None:
    ligne, colonne, motif = _refusal(database, _file(_row(**{column: cell})))
    assert (ligne, colonne) == (2, column)
    assert motif.endswith(
        "; a spreadsheet has rounded it: make its column text before the file is opened"
    )


def test_a_row_with_another_separator_than_the_header_is_named(database: Database) -> None:
    source = _bytes(_row().replace(",", ";"))
    told = (2, "", "1 column instead of 13; this row is separated by ;")
    assert _refusal(database, io.BytesIO(source)) == told


@pytest.mark.parametrize(
    ("column", "cell", "invisible"),
    [
        ("numeroCarte", "\u00a07019800100009569", "U+00A0"),
        ("solde", "142\u202f000", "U+202F"),
        ("telephone", "221771234567\u200e", "U+200E"),
        ("clientId", "\ufeffCLI-0001", "U+FEFF"),
        ("statut", "ACTIVE\u00a0", "U+00A0"),
        ("finValidite", "18/07/2029\u200b", "U+200B"),
    ],
)
def test_what_no_screen_shows_is_named(
    database: Database, column: str, cell: str, invisible: str
) -> None:
    ligne, colonne, motif = _refusal(database, _file(_row(**{column: cell})))
    assert (ligne, colonne) == (2, column)
    assert motif.endswith(f"; it holds the invisible character {invisible}")


# ── a file that was cut ──────────────────────────────────────────────────────────────────────────
CUT = _bytes(_row_of(1)) + _row_of(2, solde="500").encode()


def test_a_last_row_without_its_end_is_refused(database: Database) -> None:
    assert _refusal(database, io.BytesIO(CUT)) == (3, "", UNTERMINATED)
    assert _content(database)["cartes"] == []
    summary, rejets = _skip_bad(database, io.BytesIO(CUT))
    assert summary[:5] == (1, 0, 1, 1, 1)
    assert rejets == [Rejected([_row_of(2, solde="500")], 3, "", UNTERMINATED)]


def test_a_last_row_without_its_end_is_taken_when_that_is_asked(database: Database) -> None:
    summary = import_cartes(database, io.BytesIO(CUT), TESTEUR, last_row_unterminated=True)
    assert summary[:5] == (2, 0, 0, 1, 2)
    whole = _file(_row_of(1), _row_of(2, solde="50000"))
    told = (3, "solde", "the card is already known, opened with 500, not with 50000")
    assert _refusal(database, whole) == told


@pytest.mark.parametrize("rest", ["", ",,,", "  "])
def test_an_end_of_file_without_a_row_is_no_cut(database: Database, rest: str) -> None:
    source = io.BytesIO(_bytes(_row()) + rest.encode())
    assert import_cartes(database, source, TESTEUR)[:5] == (1, 0, 0, 1, 1)


# ── all of it is told ────────────────────────────────────────────────────────────────────────────
def test_every_bad_row_is_told_up_to_twenty_and_counted(database: Database) -> None:
    rows = [_row_of(number, solde="?" if number % 2 else "5") for number in range(60)]
    with pytest.raises(ImportationRefusee) as refused:
        import_cartes(database, _file(*rows), TESTEUR)
    assert refused.value.nombre == 30
    assert [fault.ligne for fault in refused.value.faults] == list(range(3, 43, 2))
    assert {fault[2:] for fault in refused.value.faults} == {("solde", SOLDE)}
    assert _content(database)["cartes"] == []


def test_a_dry_run_counts_as_an_import_does_and_changes_nothing(database: Database) -> None:
    _import(database, _row())
    before = _content(database)
    rows = [_row(), *(_row_of(number) for number in range(LOT))]
    wanted = import_cartes(database, _file(*rows), TESTEUR, dry_run=True)[:5]
    assert _content(database) == before
    with pytest.raises(ImportationRefusee):
        import_cartes(database, _file(_row(statut="?")), TESTEUR, dry_run=True)
    assert _import(database, *rows) == wanted == (LOT, 1, 0, 0, LOT)


def test_what_cannot_be_settled_is_not_imported(database: Database) -> None:
    def fail() -> None:
        raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        import_cartes(database, _file(_row()), TESTEUR, settle=fail)
    assert _content(database)["cartes"] == []


def test_an_import_that_is_interrupted_between_two_batches_leaves_nothing(
    database: Database,
) -> None:
    def stop(_position: int) -> None:
        raise KeyboardInterrupt

    rows = [_row_of(number) for number in range(LOT + 1)]
    with pytest.raises(KeyboardInterrupt):
        import_cartes(database, _file(*rows), TESTEUR, progress=stop)
    assert _content(database)["cartes"] == []
    assert _import(database, *rows) == (LOT + 1, 0, 0, 1, LOT + 1)


# ── telephones ───────────────────────────────────────────────────────────────────────────────────
FORMS = ["+221771234567", "00221771234567", "771234567", "221771234567"]


def test_telephones_in_other_forms_are_noted_with_the_suggested_one(database: Database) -> None:
    telephones = Telephones()
    rows = [_row_of(number, telephone=form) for number, form in enumerate(FORMS)]
    import_cartes(database, _file(*rows), TESTEUR, telephones=telephones)
    assert telephones.nombre == 3
    assert telephones.deviations == [
        Deviation(number + 2, form, "221771234567") for number, form in enumerate(FORMS[:3])
    ]
    with database.reading() as connection:
        stored = connection.scalars(select(membres.c.wallet_id).order_by(membres.c.membre_id)).all()
    assert stored == FORMS


def test_telephones_are_written_in_the_suggested_form_when_that_is_asked(
    database: Database,
) -> None:
    telephones = Telephones(normalise=True)
    forms = [*FORMS, "+221 77 123 45 67", "33 820 12 34", "999999"]
    rows = [
        _row_of(number, clientId=f"CLI-{number}", telephone=form)
        for number, form in enumerate(forms)
    ]
    import_cartes(database, _file(*rows), TESTEUR, telephones=telephones)
    with database.reading() as connection:
        stored = connection.scalars(select(membres.c.wallet_id).order_by(membres.c.membre_id)).all()
    assert stored == ["221771234567"] * 5 + ["221338201234", "999999"]
    assert telephones.nombre == 0


@pytest.mark.parametrize(
    ("region", "given", "suggested"),
    [
        ("SN", "33612345678", "33612345678"),
        ("FR", "0612345678", "33612345678"),
        ("FR", "221771234567", "221771234567"),
        ("ML", "76123456", "22376123456"),
        ("SN", "12345678", None),
    ],
)
def test_the_suggested_form_is_that_of_the_region(
    region: str, given: str, suggested: str | None
) -> None:
    assert Telephones(region).suggest(given) == suggested


# ── one source ───────────────────────────────────────────────────────────────────────────────────
def test_the_patterns_of_the_core_are_the_contracts() -> None:
    schemas = DOCUMENT["components"]["schemas"]
    assert {name: f"^{motif.pattern}$" for name, motif in DU_CONTRAT.items()} == {
        name: schemas[name]["pattern"] for name in DU_CONTRAT
    }


# ── réseaux, wallets, what is closed ─────────────────────────────────────────────────────────────
def test_new_clients_go_into_the_reseau_and_known_ones_stay(database: Database) -> None:
    _import(database, _row_of(1))
    rows = [_row_of(2), _row_of(3, clientId="CLI-0002", clientNom="Autre")]
    summary = import_cartes(database, _file(*rows), TESTEUR, reseau="RES-1")
    assert (summary.reseau_cree, summary.non_places, summary.montres) == (True, 1, ("CLI-0001",))
    again = import_cartes(database, _file(*rows), TESTEUR, reseau="RES-1")
    assert (again.creees, again.reseau_cree, again.montres) == (0, False, ("CLI-0001",))
    with database.reading() as connection:
        placed = connection.execute(select(clients.c.client_id, clients.c.reseau_id)).all()
        assert find_reseau(connection, "RES-1") == ("RES-1", "RES-1", 1, 1)
    assert sorted(placed) == [("CLI-0001", None), ("CLI-0002", "RES-1")]


def test_reseau_is_not_made_for_nobody(database: Database) -> None:
    _import(database, _row_of(1))
    summary = import_cartes(database, _file(_row_of(2)), TESTEUR, reseau="RES-1")
    assert (summary.creees, summary.reseau_cree) == (1, False)
    with database.reading() as connection:
        assert find_reseau(connection, "RES-1") is None


def test_counts_of_a_client_grow_with_each_file(database: Database) -> None:
    _import(database, _row_of(1), _row_of(2), _row_of(2, numeroCarte="7019800999999999"))
    _import(database, _row_of(2), _row_of(3))
    with database.reading() as connection:
        client = find_client(connection, "CLI-0001")
    assert client is not None
    assert (client.nombre_membres, client.nombre_cartes) == (3, 4)


CLOSED: dict[str, tuple[tuple[str, str], str]] = {
    "client": (("clients", "CLI-0001"), "the client CLI-0001 is closed"),
    "membre": (("membres", "M1"), "the membre M1 of CLI-0001 is closed"),
}


@pytest.mark.parametrize("what", CLOSED)
def test_who_is_closed_is_given_no_card(database: Database, what: str) -> None:
    rows = [_row_of(1, statut="ANNULEE", solde="0")]
    _import(database, *rows)
    (table, named), motif = CLOSED[what]
    key = f"{what}_id"
    with database.transaction() as connection:
        connection.execute(
            text(f"UPDATE {table} SET statut = 'CLOS' WHERE {key} = :named"),
            {"named": named},
        )
        record(connection, TESTEUR, "fermer", Objet("CLIENT", "CLI-0001"), None, {})
    assert _import(database, *rows) == (0, 1, 0, 0, 0)
    source = _file(*rows, _row_of(1, numeroCarte="7019800999999999"))
    assert _refusal(database, source) == (3, key.replace("_id", "Id"), motif)


def test_wallet_is_one_membre_s_of_a_client(database: Database) -> None:
    """In the database and in the file itself; another client may have it too."""
    _import(database, _row_of(1))
    taken = {"telephone": "221770000001"}
    rows = [
        _row_of(2, **taken),
        _row_of(3),
        _row_of(4, telephone="221770000003"),
        _row_of(5, clientId="CLI-0002", clientNom="Autre", **taken),
    ]
    summary, rejets = _skip_bad(database, _file(*rows))
    assert summary[:3] == (2, 0, 2)
    assert [one[1:] for one in rejets] == [
        (2, "telephone", "it is that of the membre M1 of CLI-0001"),
        (4, "telephone", "it is that of the membre M3 of CLI-0001"),
    ]


@pytest.mark.parametrize("what", CLOSED)
def test_who_is_closed_meanwhile_undoes_the_import(
    database: Database, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Between the look at him and his new card: what the database then says counts."""
    _import(database, _row_of(1, statut="ANNULEE", solde="0"))
    before = _content(database)
    (table, named), _motif = CLOSED[what]

    def close_first(connection: Connection, *given: Any, **named_: Any) -> None:
        sql = f"UPDATE {table} SET statut = 'CLOS' WHERE {what}_id = :named"
        connection.execute(text(sql), {"named": named})
        open_cartes(connection, *given, **named_)

    monkeypatch.setattr("models.books.importation.open_cartes", close_first)
    _, _, motif = _refusal(database, _file(_row_of(1, numeroCarte="7019800999999999")))
    assert motif.endswith("was closed while the file was imported")
    assert _content(database) == before


@pytest.mark.only_on("postgresql")
def test_client_is_suspended_while_a_file_with_its_cards_is_imported(database: Database) -> None:
    """What protects does not wait: only the end of the import holds the client."""
    _import(database, _row_of(1))
    siege = Siege(database)
    done: list[str] = []

    def suspend() -> None:
        done.append(siege.do("changerStatutClient", clientId="CLI-0001", statut="SUSPENDU"))

    import_cartes(
        database, _file(_row_of(2)), TESTEUR, reseau="RES-1", progress=lambda _: suspend()
    )
    assert done[:1] == ["EXECUTEE"]
    with database.reading() as connection:
        client = find_client(connection, "CLI-0001")
    assert client is not None
    assert (client.statut, client.nombre_cartes) == ("SUSPENDU", 2)
