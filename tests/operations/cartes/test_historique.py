"""getHistoriqueCarte: every operation of a card once, newest first, in JSON and in CSV."""

from __future__ import annotations

import contextlib
import csv
import io
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert, select, update

import models.historique
import models.journal.reference
from handlers.edge.streaming import csv_lines
from handlers.views.formats import read_jour
from models.carte import ANNULEE, OPPOSITION, cartes
from models.database.engine import Database
from models.database.waiting import aside
from models.errors import ParametreInvalide
from models.journal.ecriture import ecritures
from models.operation import new_numero_operation, operations
from models.partenaire import partenaires
from tests.support.contract_client import DOCUMENT, ContractClient, Json, resolve
from tests.support.live import let_notice
from tests.support.patience import CALL_S
from tests.support.scene import CONTRACT, Scene, assert_refused
from tests.support.steps import (
    ask,
    copies,
    credit,
    debit,
    item,
    new_reference,
    reverse,
    row_of,
    success,
    transfer,
)
from tests.support.world import TLS, Carte, World

PATH = "/get-historique-carte"
CSV = {"Accept": "text/csv"}
COLUMNS = [
    "numeroOperation",
    "reference",
    "type",
    "sens",
    "montant",
    "unite",
    "soldeOnline",
    "dateOperation",
    "motif",
    "pointDeService",
    "terminal",
]


def read(api: httpx.Client, carte: Carte, **params: str | int) -> httpx.Response:
    """Ask for the historique as JSON."""
    return api.get(PATH, params={**carte.query, **params})


def lines(api: httpx.Client, carte: Carte, **params: str | int) -> list[Json]:
    """The lines of one page."""
    answer = read(api, carte, **params)
    assert answer.status_code == 200, answer.text
    found: list[Json] = answer.json()["data"]
    return found


def read_csv(api: httpx.Client, carte: Carte, **params: str | int) -> httpx.Response:
    """Ask for the historique as CSV."""
    answer = api.get(PATH, params={**carte.query, **params}, headers=CSV)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    return answer


def table(answer: httpx.Response) -> list[list[str]]:
    """The rows of a CSV answer, header first."""
    assert answer.content.endswith(b"\r\n")
    return list(csv.reader(io.StringIO(answer.content.decode(), newline=""), strict=True))


def as_cells(line: Json) -> list[str]:
    """A line of the JSON as CSV must write it."""
    assert list(line) == COLUMNS
    return ["" if value is None else str(value) for value in line.values()]


def walk(api: httpx.Client, carte: Carte, limite: int, **params: str) -> Iterator[list[Json]]:
    """The pages, one after the other, to the end."""
    curseur: str | None = None
    while True:
        more = {} if curseur is None else {"curseur": curseur}
        body = read(api, carte, limite=limite, **params, **more).json()
        yield body["data"]
        curseur = body["curseurSuivant"]
        if curseur is None:
            return


@pytest.fixture
def history(scene: Scene) -> dict[str, str]:
    """Five operations of the scene's card: what they are, and their references."""
    api, carte, texts = scene.api, scene.carte, {"motif": "Gazole", "pointDeService": "STATION 1"}
    made = {
        kind: new_reference() for kind in ("credit", "debit", "transfert", "recu", "annulation")
    }
    credit(api, carte, 5_000, made["credit"])
    ask(api, "debitCarte", carte.mouvement(2_000, made["debit"], terminal="TPE-1", **texts))
    transfer(api, carte, scene.autre, 1_000, made["transfert"])
    transfer(api, scene.autre, carte, 500, made["recu"])
    reverse(api, made["debit"], made["annulation"], motif="Erreur")
    return made


# ── what it tells ────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("language", "message"), [("fr", "Historique de la carte"), ("en", "History of the card")]
)
def test_history_tells_every_operation_newest_first(
    scene: Scene, history: dict[str, str], language: str, message: str
) -> None:
    def line(kind: str, sens: str, montant: int, solde: int, **more: str) -> Json:
        row = row_of(scene.world, history[kind])
        told = {
            "numeroOperation": row.numero_operation,
            "reference": history[kind],
            "type": "TRANSFERT" if kind == "recu" else kind.upper(),
            "sens": sens,
            "montant": montant,
            "unite": "FCFA",
            "soldeOnline": float(solde),
            "dateOperation": f"{row.date_operation:%d-%m-%Y %H:%M:%S}",
            "motif": None,
            "pointDeService": None,
            "terminal": None,
        }
        return {**told, **more}

    with scene.world.database.reading() as connection:
        opening = connection.execute(
            select(operations).where(
                operations.c.carte_id == scene.carte.id, operations.c.type == "OUVERTURE"
            )
        ).one()
    texts = {"motif": "Gazole", "pointDeService": "STATION 1", "terminal": "TPE-1"}
    expected = [
        line("annulation", "CREDIT", 2_000, 14_500, motif="Erreur"),
        line("recu", "CREDIT", 500, 12_500),
        line("transfert", "DEBIT", 1_000, 12_000),
        line("debit", "DEBIT", 2_000, 13_000, **texts),
        line("credit", "CREDIT", 5_000, 15_000),
        {
            **line("credit", "CREDIT", 10_000, 10_000),
            "numeroOperation": opening.numero_operation,
            "reference": None,
            "type": "OUVERTURE",
            "dateOperation": "01-01-2026 00:00:00",
        },
    ]
    scene.api.headers["Accept-Language"] = language
    answer = read(scene.api, scene.carte)
    assert (answer.status_code, answer.json()) == (
        200,
        success(message, *expected, curseurSuivant=None),
    )


def test_history_of_a_new_card_is_empty(world: World) -> None:
    carte = world.carte(0)
    api = world.api(carte)
    assert read(api, carte).json() == success("Historique de la carte", curseurSuivant=None)
    assert table(read_csv(api, carte)) == [COLUMNS]


def test_reference_and_motif_of_another_partner_are_hidden(scene: Scene) -> None:
    other = scene.world.api(scene.carte)
    texts = {"motif": "Confidentiel", "pointDeService": "STATION 1", "terminal": "TPE-1"}
    ask(scene.api, "debitCarte", scene.carte.mouvement(1_000, new_reference(), **texts))
    (mine, _), (theirs, _) = lines(scene.api, scene.carte), lines(other, scene.carte)
    assert mine["reference"] is not None
    assert mine["motif"] == "Confidentiel"
    assert theirs == {**mine, "reference": None, "motif": None}
    assert table(read_csv(other, scene.carte))[1] == as_cells(theirs)
    assert b"Confidentiel" not in read_csv(other, scene.carte).content


@pytest.mark.parametrize("change", [{"statut": OPPOSITION}, {"statut": ANNULEE}])
def test_history_of_an_unusable_card_is_readable(scene: Scene, change: Json) -> None:
    scene.world.change_carte(scene.carte, **change)
    assert [line["type"] for line in lines(scene.api, scene.carte)] == ["OUVERTURE"]


@pytest.mark.parametrize("headers", [{}, CSV], ids=["json", "csv"])
def test_history_of_a_card_that_is_not_the_partner_s_is_refused_in_json(
    scene: Scene, headers: dict[str, str]
) -> None:
    foreign = scene.world.carte(100)
    assert_refused(scene.api.get(PATH, params=foreign.query, headers=headers), "412")
    query = {**scene.carte.query, "walletId": "770000001"}
    assert_refused(scene.api.get(PATH, params=query, headers=headers), "412")


# ── pages ────────────────────────────────────────────────────────────────────────────────────────
def test_page_has_fifty_lines_unless_told(scene: Scene) -> None:
    for _ in range(50):
        credit(scene.api, scene.carte, 1, new_reference())
    body = read(scene.api, scene.carte).json()
    assert len(body["data"]) == 50
    assert body["curseurSuivant"] is not None
    assert [len(page) for page in walk(scene.api, scene.carte, 50)] == [50, 1]
    assert [len(page) for page in walk(scene.api, scene.carte, 51)] == [51]
    assert len(table(read_csv(scene.api, scene.carte))) == 52


@pytest.mark.parametrize("limite", ["0", "101", "-1", "x", ""])
def test_other_limits_are_refused(scene: Scene, limite: str) -> None:
    assert_refused(read(scene.api, scene.carte, limite=limite), "405", parametre="limite")


@pytest.mark.parametrize("curseur", ["x", "MTo1MA", "aDE6", "aDE6LTE", "aDE6MDE"])
@pytest.mark.parametrize("headers", [{}, CSV], ids=["json", "csv"])
def test_cursor_that_the_api_did_not_give_is_refused(
    scene: Scene, curseur: str, headers: dict[str, str]
) -> None:
    params = {**scene.carte.query, "curseur": curseur}
    answer = scene.api.get(PATH, params=params, headers=headers)
    assert_refused(answer, "405", parametre="curseur")


@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.integers(0, 7),
    limite=st.integers(1, 4),
    arrivals=st.lists(st.integers(0, 3), max_size=6),
)
def test_pages_skip_and_repeat_nothing_while_operations_arrive(
    scene: Scene, before: int, limite: int, arrivals: list[int]
) -> None:
    carte = scene.world.carte(1_000, membre=scene.carte.membre)
    moves: list[Callable[..., httpx.Response]] = [credit, debit]
    for number in range(before):
        item(moves[number % 2](scene.api, carte, 1 + number, new_reference()))
    expected = lines(scene.api, carte)
    assert len(expected) == before + 1
    seen, coming = [], iter(arrivals)
    for page in walk(scene.api, carte, limite):
        seen += page
        for number in range(next(coming, 0)):
            item(moves[number % 2](scene.api, carte, 1, new_reference()))
    assert seen == expected


# ── filters ──────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("type_", "kinds"),
    [
        ("CREDIT", ["credit"]),
        ("DEBIT", ["debit"]),
        ("TRANSFERT", ["recu", "transfert"]),
        ("ANNULATION", ["annulation"]),
    ],
)
def test_history_of_one_type(
    scene: Scene, history: dict[str, str], type_: str, kinds: list[str]
) -> None:
    references = [history[kind] for kind in kinds]
    assert [line["reference"] for line in lines(scene.api, scene.carte, type=type_)] == references
    pages = list(walk(scene.api, scene.carte, 1, type=type_))
    assert [line["reference"] for page in pages for line in page] == references
    assert [row[1] for row in table(read_csv(scene.api, scene.carte, type=type_))[1:]] == references


def test_history_of_openings_is_the_opening(scene: Scene, history: dict[str, str]) -> None:
    assert history
    (line,) = lines(scene.api, scene.carte, type="OUVERTURE")
    assert (line["type"], line["montant"]) == ("OUVERTURE", 10_000)


@pytest.mark.parametrize("type_", ["CLOTURE", "credit", "AUTRE", ""])
def test_unknown_type_is_refused(scene: Scene, type_: str) -> None:
    assert_refused(read(scene.api, scene.carte, type=type_), "405", parametre="type")


MIDNIGHT = datetime(2026, 3, 1, tzinfo=UTC)
TICK = timedelta(microseconds=1)


def test_days_begin_and_end_at_midnight_utc(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    moments = {
        "27 first": MIDNIGHT - timedelta(days=2),
        "28 first": MIDNIGHT - timedelta(days=1),
        "28 last": MIDNIGHT - TICK,
        "1 first": MIDNIGHT,
        "1 last": MIDNIGHT + timedelta(days=1) - TICK,
        "2 first": MIDNIGHT + timedelta(days=1),
    }
    for montant, moment in enumerate(moments.values(), 1):
        monkeypatch.setattr(models.journal.reference, "now", lambda moment=moment: moment)
        item(debit(scene.api, scene.carte, montant, new_reference()))

    def days(**params: str) -> list[int]:
        told = [line["montant"] for line in lines(scene.api, scene.carte, type="DEBIT", **params)]
        rows = table(read_csv(scene.api, scene.carte, type="DEBIT", **params))[1:]
        assert [int(row[4]) for row in rows] == told
        return told[::-1]

    assert days() == [1, 2, 3, 4, 5, 6]
    assert days(dateDebut="28/02/2026") == [2, 3, 4, 5, 6]
    assert days(dateFin="28/02/2026") == [1, 2, 3]
    assert days(dateDebut="28/02/2026", dateFin="28/02/2026") == [2, 3]
    assert days(dateDebut="01/03/2026", dateFin="01/03/2026") == [4, 5]
    assert days(dateDebut="28/02/2026", dateFin="01/03/2026") == [2, 3, 4, 5]
    assert days(dateDebut="02/03/2026") == [6]
    assert days(dateDebut="03/03/2026") == []
    assert days(dateDebut="01/01/1000", dateFin="31/12/2999") == [1, 2, 3, 4, 5, 6]
    pages = list(walk(scene.api, scene.carte, 2, dateDebut="28/02/2026", dateFin="01/03/2026"))
    assert [[line["montant"] for line in page] for page in pages] == [[5, 4], [3, 2]]


@pytest.mark.parametrize("name", ["dateDebut", "dateFin"])
@pytest.mark.parametrize(
    "value",
    [
        *("29/02/2026", "31/04/2026", "00/01/2026", "01/00/2026", "32/01/2026", "01/13/2026"),
        *("2026-03-01", "1/3/2026", "01/03/26", "01/03/0999", "01/03/2026 ", "aujourd'hui", ""),
    ],
)
@pytest.mark.parametrize("headers", [{}, CSV], ids=["json", "csv"])
def test_date_that_is_none_is_refused_by_its_name(
    scene: Scene, name: str, value: str, headers: dict[str, str]
) -> None:
    params = {**scene.carte.query, name: value}
    answer = scene.api.get(PATH, params=params, headers=headers)
    assert_refused(answer, "405", parametre=name)


def test_pattern_of_a_day_refuses_no_day_of_the_calendar() -> None:
    """It is narrower than that of 1.3.0: what it takes no more was refused all the same, and with 405."""
    before = re.compile("[0-3][0-9]/[01][0-9]/[12][0-9]{3}")
    today = re.compile(DOCUMENT["components"]["schemas"]["JourDemande"]["pattern"])
    texts = [
        f"{day:02}/{month:02}/{year}"
        for year in (1000, 1900, 2000, 2024, 2026, 2999)
        for month in range(20)
        for day in range(40)
    ]
    assert all(before.fullmatch(text) for text in texts)
    for text in texts:
        if not today.match(text):
            with pytest.raises(ParametreInvalide):
                read_jour(text, "jour")
    assert not any(today.match(text) for text in ("00/00/1000", "39/19/2026", "32/01/2026"))


PERIODS = [
    (name, media_type)
    for name, operation in CONTRACT.items()
    if {"dateDebut", "dateFin"} <= {resolve(one)["name"] for one in operation.get("parameters", [])}
    for media_type in operation["responses"]["200"]["content"]
]


@pytest.mark.parametrize(("operation", "media_type"), PERIODS)
def test_period_that_ends_before_it_begins_is_refused(
    scene: Scene, operation: str, media_type: str
) -> None:
    """It would be an empty page, which says that nothing happened."""
    call, api = scene.call(operation), scene.caller(operation)
    headers = {"Accept": media_type}
    mixed = call.with_values(dateDebut="02/01/2026", dateFin="01/01/2026")
    assert_refused(mixed.send(api, headers=headers), "405", parametre="dateFin")
    one_day = call.with_values(dateDebut="02/01/2026", dateFin="02/01/2026")
    assert one_day.send(api, headers=headers).status_code == 200


def test_leap_day_is_a_date(scene: Scene) -> None:
    assert lines(scene.api, scene.carte, dateDebut="29/02/2028") == []


# ── CSV ──────────────────────────────────────────────────────────────────────────────────────────
def test_csv_is_the_json_line_by_line(scene: Scene, history: dict[str, str]) -> None:
    assert history
    motif = 'Été, "gazole"; 50 % – =1+1'
    ask(scene.api, "debitCarte", scene.carte.mouvement(1, new_reference(), motif=motif))
    told = lines(scene.api, scene.carte)
    answer = read_csv(scene.api, scene.carte)
    assert table(answer) == [COLUMNS, *map(as_cells, told)]
    assert answer.content.count(b"\r\n") == answer.content.count(b"\n") == len(told) + 1
    assert not answer.content.startswith(b"\xef\xbb\xbf")


@pytest.mark.parametrize(
    "motif",
    [
        *("=cmd|' /C calc'!A0", "+1+1", "-2+3", "@SUM(A1:A9)", '=HYPERLINK("http://x","y")'),
        *(" =1+1", "\u00a0@A1", "\uff1d1+1", "\uff0b1", "\uff0d1", "\uff20A1"),
    ],
)
def test_text_that_a_spreadsheet_would_run_is_one_of_csv_and_itself_in_json(
    scene: Scene, motif: str
) -> None:
    """OWASP, CSV injection: every text of a caller may be a formula."""
    reference = f"-{new_reference()}"
    ask(scene.api, "debitCarte", scene.carte.mouvement(1, reference, motif=motif))
    told = lines(scene.api, scene.carte)[0]
    assert (told["reference"], told["motif"]) == (reference, motif)
    neutral = {**told, "reference": f"'{reference}", "motif": f"'{motif}"}
    assert table(read_csv(scene.api, scene.carte))[1] == as_cells(neutral)


@pytest.mark.parametrize("motif", ["a=b", "'=1", "1-2", "50 %", "\u2013 1", "Été"])
def test_text_that_no_spreadsheet_would_run_is_left_alone(scene: Scene, motif: str) -> None:
    ask(scene.api, "debitCarte", scene.carte.mouvement(1, new_reference(), motif=motif))
    told = lines(scene.api, scene.carte)[0]
    assert told["motif"] == motif
    assert table(read_csv(scene.api, scene.carte))[1] == as_cells(told)


def test_number_of_csv_is_never_a_text_and_no_control_sign_begins_one() -> None:
    rows: list[list[Any]] = [[-5, -5.5, 0, None, ""], ["\t=1", "\r1", "\n1", " \t-1", "5"]]
    told = list(csv.reader(io.StringIO(csv_lines(rows).decode(), newline="")))
    assert told == [["-5", "-5.5", "0", "", ""], ["'\t=1", "'\r1", "'\n1", "' \t-1", "5"]]


def test_csv_of_a_page_is_the_page(scene: Scene, history: dict[str, str]) -> None:
    assert history
    first = read(scene.api, scene.carte, limite=2).json()
    told = table(read_csv(scene.api, scene.carte, limite=2))
    assert told == [COLUMNS, *map(as_cells, first["data"])]
    curseur = first["curseurSuivant"]
    second = lines(scene.api, scene.carte, limite=2, curseur=curseur)
    told = table(read_csv(scene.api, scene.carte, limite=2, curseur=curseur))
    assert told == [COLUMNS, *map(as_cells, second)]
    rest = lines(scene.api, scene.carte, curseur=curseur)
    told = table(read_csv(scene.api, scene.carte, curseur=curseur))
    assert told == [COLUMNS, *map(as_cells, rest)]


def fill(database: Database, carte: Carte, consumer_key: str, nombre: int) -> None:
    """Write credits of 1, 2, 3 … FCFA into the books, as so many calls would."""
    moment = datetime(2026, 2, 1, tzinfo=UTC)
    with database.transaction() as connection:
        compte_id, solde, version = connection.execute(
            select(cartes.c.compte_id, cartes.c.solde, cartes.c.version).where(
                cartes.c.id == carte.id
            )
        ).one()
        partenaire_id, reglement = connection.execute(
            select(partenaires.c.id, partenaires.c.compte_id).where(
                partenaires.c.consumer_key == consumer_key
            )
        ).one()
        connection.execute(
            insert(operations),
            [
                {
                    "numero_operation": new_numero_operation(),
                    "partenaire_id": partenaire_id,
                    "reference": f"F-{montant}",
                    "empreinte": bytes(32),
                    "type": "CREDIT",
                    "statut": "EXECUTEE",
                    "carte_id": carte.id,
                    "montant": montant,
                    "unite": "FCFA",
                    "date_operation": moment + timedelta(seconds=montant),
                }
                for montant in range(1, nombre + 1)
            ],
        )
        rows = connection.execute(
            select(operations.c.id, operations.c.montant)
            .where(operations.c.carte_id == carte.id, operations.c.reference.startswith("F-"))
            .order_by(operations.c.montant)
        ).all()
        connection.execute(
            insert(ecritures),
            [
                {
                    "operation_id": operation_id,
                    "compte_debit": reglement,
                    "compte_credit": compte_id,
                    "montant": montant,
                    "unite": "FCFA",
                    "version_credit": version + montant,
                    "solde_credit": solde + montant * (montant + 1) // 2,
                }
                for operation_id, montant in rows
            ],
        )
        connection.execute(
            update(cartes)
            .where(cartes.c.id == carte.id)
            .values(solde=solde + nombre * (nombre + 1) // 2, version=version + nombre)
        )


def test_long_csv_is_streamed_and_whole(scene: Scene) -> None:
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, 1_203)
    scene.world.check_books(scene.carte)
    answer = read_csv(scene.api, scene.carte)
    assert answer.headers["transfer-encoding"] == "chunked"
    assert "content-length" not in answer.headers
    told = table(answer)
    assert told[0] == COLUMNS
    assert [int(row[4]) for row in told[1:]] == [*range(1_203, 0, -1), 10_000]
    pages = walk(scene.api, scene.carte, 100)
    assert told[1:] == [as_cells(line) for page in pages for line in page]
    solo = table(read_csv(scene.api, scene.carte, limite=100))
    assert solo == told[:101]


def test_operations_that_arrive_during_a_stream_leave_it_alone(own_scene: Scene) -> None:
    scene = own_scene
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, 1_203)
    headers = {"Authorization": scene.api.headers["Authorization"], **CSV}
    with (
        httpx.Client(
            base_url=scene.world.url, verify=TLS, trust_env=False, timeout=CALL_S
        ) as plain,
        plain.stream("GET", PATH, params=scene.carte.query, headers=headers) as answer,
    ):
        chunks = answer.iter_raw()
        received = next(chunks)
        for _ in range(3):
            item(credit(scene.api, scene.carte, 5, new_reference()))
        received += b"".join(chunks)
    rows = list(csv.reader(io.StringIO(received.decode(), newline="")))
    # What arrived before the first lines were read may stand above them.
    told = [row[1] for row in rows if row[1].startswith("F-")]
    assert told == [f"F-{number}" for number in range(1_203, 0, -1)]
    assert [row[2] for row in rows[-2:]] == ["CREDIT", "OUVERTURE"]


@pytest.mark.parametrize("version", ["1.0", "1.1"])
def test_stream_that_breaks_does_not_pass_for_a_whole_one(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """RFC 9112, 8: to HTTP/1.0 the end of the connection is the end of the answer, unless it is reset."""
    scene, batches, read = own_scene, 0, models.historique.Lecture.read
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, 100)

    def broken(*arguments: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 2:
            raise RuntimeError("the second batch cannot be read")
        return read(*arguments)

    monkeypatch.setattr(models.historique, "BATCH", 20)
    monkeypatch.setattr(models.historique.Lecture, "read", broken)
    url = httpx.URL(scene.world.url)
    head = (
        f"GET {PATH}?{httpx.QueryParams(scene.carte.query)} HTTP/{version}\r\nHost: x\r\nAccept: text/csv\r\n"
        f"Authorization: {scene.api.headers['Authorization']}\r\n\r\n"
    )
    received = b""
    with socket.create_connection((url.host, url.port), timeout=CALL_S) as connection:
        connection.sendall(head.encode())
        ended = False
        with contextlib.suppress(ConnectionResetError):
            while chunk := connection.recv(65_536):
                received += chunk
            ended = True
    assert ended is (version == "1.1")
    assert not received.endswith(b"\r\n0\r\n\r\n")


def test_stream_that_nobody_reads_any_more_is_read_no_further(
    own_scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene, left, batches = own_scene, threading.Event(), 0
    fill(scene.world.database, scene.carte, scene.pair.consumer_key, 1_203)
    read = models.historique.Lecture.read

    def counted(*arguments: Any) -> Any:
        nonlocal batches
        batches += 1
        if batches == 2:
            assert aside(lambda: left.wait(CALL_S))
        return read(*arguments)

    monkeypatch.setattr(models.historique, "BATCH", 20)
    monkeypatch.setattr(models.historique.Lecture, "read", counted)
    headers = {"Authorization": scene.api.headers["Authorization"], **CSV}
    with (
        httpx.Client(
            base_url=scene.world.url, verify=TLS, trust_env=False, timeout=CALL_S
        ) as plain,
        plain.stream("GET", PATH, params=scene.carte.query, headers=headers) as answer,
    ):
        next(answer.iter_raw())
    let_notice(scene.nobody)
    left.set()
    time.sleep(0.3)
    assert batches < 10


# ── Accept ───────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv"),
        ("text/*", "text/csv"),
        ("TEXT/CSV", "text/csv"),
        ("text/csv, application/json;q=0.9", "text/csv"),
        ("application/json;q=0.4, text/csv;q=0.5", "text/csv"),
        ("*/*;q=0.1, text/csv", "text/csv"),
        ("text/html, text/csv;q=0.2", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/csv;q=0.5, application/json", "application/json"),
        ("text/csv;q=0.5, application/json;q=0.501", "application/json"),
        ("text/csv, application/json", "application/json"),
        ("text/*;q=0.5, application/*;q=0.6", "application/json"),
        ("text/csv;q=0, */*", "application/json"),
        ("*/*", "application/json"),
        ("application/json", "application/json"),
        ("text/html, */*;q=0.1", "application/json"),
    ],
)
def test_format_that_is_preferred_is_served(scene: Scene, accept: str, media_type: str) -> None:
    answer = scene.api.get(PATH, params=scene.carte.query, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"].partition(";")[0] == media_type


@pytest.mark.parametrize(
    "accept", ["text/html", "text/html, application/xml;q=0.9", "text/csv;q=0", "*/*;q=0"]
)
def test_other_formats_are_refused(scene: Scene, accept: str) -> None:
    assert_refused(
        scene.api.get(PATH, params=scene.carte.query, headers={"Accept": accept}), "1005"
    )


def test_other_operations_have_no_csv(scene: Scene, world: World) -> None:
    api: ContractClient = copies(scene, 1, world.url)[0]
    answer = api.get("/get-solde-carte", params=scene.carte.query, headers=CSV)
    assert_refused(answer, "1005")
