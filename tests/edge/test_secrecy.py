"""What must stay secret is in no log line and in no database."""

from __future__ import annotations

import base64
import io
import json
from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import MetaData

from handlers.edge.logs import plain_path, scrub
from models.database.engine import Database
from tests.support.contract_client import envelope_of
from tests.support.live import serving, settings_for
from tests.support.patience import CALL_S
from tests.support.process import run_cynod, serve
from tests.support.world import World

NUMERO = "7019800100009569"
CARTE = {"numeroCarte": NUMERO, "walletId": "221771234567", "clientId": "CLI-0001"}
DEMO = ("demo-partenaire", "demo-secret")


def test_logs_of_a_served_day_hold_no_secret(tmp_path: Path) -> None:
    with (
        serve("--demo", folder=tmp_path) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=CALL_S) as api,
    ):
        form = {"grant_type": "client_credentials"}
        token = api.post("/access-token", auth=DEMO, data=form).json()["access_token"]
        bearer = {"Authorization": f"Bearer {token}"}
        assert api.get("/get-solde-carte", params=CARTE, headers=bearer).status_code == 200
        assert api.get("/get-solde-carte", params=CARTE, auth=DEMO).status_code == 200
        api.get("/get-solde-carte", params={**CARTE, NUMERO: "1"}, headers=bearer)
        api.get(f"/cartes/{NUMERO}")
        api.get(f"/cartes/{NUMERO}/", headers={"X-Request-Id": "a b"})
        api.post("/debit-carte", json={**CARTE, "montant": 1, "reference": "S1"}, headers=bearer)
        api.post("/debit-carte", content=f"[{NUMERO}", headers=bearer)
        api.post("/access-token", data={**form, "client_id": DEMO[0], "client_secret": DEMO[1]})
        api.post("/access-token", data={**form, "client_secret": NUMERO})
        server.stop()
        log = server.log
    basic = base64.b64encode(":".join(DEMO).encode()).decode()
    for secret in (NUMERO, token, DEMO[1], basic, "walletId", "221771234567", "?"):
        assert secret not in log, secret
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["event"] == "requete"]
    balance = next(line for line in requests if line["operation"] == "getSoldeCarte")
    assert set(balance) == {
        "request_id", "methode", "chemin", "operation", "partenaire", "statut", "code", "duree_ms",
        "media", "facultatifs", "event", "level", "timestamp",
    }  # fmt: skip
    assert (balance["partenaire"], balance["statut"], balance["code"]) == (DEMO[0], 200, "200")
    served = [line for line in requests if not str(line["operation"]).startswith("health")]
    assert [
        (line["operation"], line["partenaire"], line["statut"], line["code"]) for line in served
    ] == [
        ("accessToken", DEMO[0], 200, "200"),
        ("getSoldeCarte", DEMO[0], 200, "200"),
        ("getSoldeCarte", DEMO[0], 200, "200"),
        ("getSoldeCarte", DEMO[0], 400, "405"),
        (None, None, 404, "1003"),
        (None, None, 404, "1003"),
        ("debitCarte", DEMO[0], 200, "200"),
        ("debitCarte", None, 415, "1007"),
        ("accessToken", DEMO[0], 200, "200"),
        ("accessToken", None, 401, "2101"),
    ]
    unknown = [line["chemin"] for line in requests if line["operation"] is None]
    assert "/cartes/701980******9569" in unknown


def test_database_files_hold_no_secret(tmp_path: Path) -> None:
    with serve("--demo", folder=tmp_path) as server:
        form = {"grant_type": "client_credentials"}
        answer = httpx.post(
            f"{server.url}/access-token", auth=DEMO, data=form, trust_env=False, timeout=CALL_S
        )
        token = answer.json()["access_token"]
    created = run_cynod(
        "partenaire", "create", "--nom", "P", "--client", "CLI-0001", "--scope", "soldes:lire", "--json",
        folder=tmp_path,
    )  # fmt: skip
    secret = json.loads(created.stdout)["consumerSecret"]
    for file in tmp_path.glob("cynod.db*"):
        data = file.read_bytes()
        assert token.encode() not in data
        assert DEMO[1].encode() not in data
        assert secret.encode() not in data


def test_rotation_and_tokens_leave_no_secret_in_log_database_or_repeat(tmp_path: Path) -> None:
    with (
        serve("--demo", folder=tmp_path) as server,
        httpx.Client(base_url=server.url, trust_env=False, timeout=CALL_S) as api,
    ):
        form = {"grant_type": "client_credentials"}
        token = api.post("/access-token", auth=DEMO, data=form).json()["access_token"]
        api.headers["Authorization"] = f"Bearer {token}"
        renewal = {"reference": "S1"}
        made = api.post("/renouveler-secret", json=renewal)
        secret = made.json()["data"][0]["consumerSecret"]
        assert made.headers["Cache-Control"] == "no-store"
        told = [api.post("/renouveler-secret", json=renewal), api.get("/get-mes-secrets")]
        told.append(api.post("/introspecter-jeton", data={"token": token}))
        told.append(api.post("/introspecter-jeton", data={"token": secret}))
        pair = {"client_id": DEMO[0], "client_secret": secret}
        told.append(api.post("/revoquer-jeton", data={"token": token, **pair}))
        assert [one.status_code for one in told] == [200] * 5
        told.append(api.post("/renouveler-secret", json={secret: 1}))
        told.append(api.post("/revoquer-jeton", data={"token": token, "client_id": secret}))
        server.stop()
        said = server.log + "".join(one.text + repr(one.headers) for one in told)
    files = b"".join(file.read_bytes() for file in tmp_path.glob("cynod.db*"))
    for hidden in (secret, token, DEMO[1]):
        assert hidden not in said
        assert hidden.encode() not in files


def test_tables_hold_no_secret(world: World, shared_database: Database) -> None:
    pair = world.partenaire([world.client()])
    token = world.token(pair)
    tables = MetaData()
    with shared_database.reading() as connection:
        tables.reflect(connection)
        rows = repr([connection.execute(table.select()).all() for table in tables.sorted_tables])
    assert pair.consumer_key in rows
    assert pair.consumer_secret not in rows
    assert token not in rows


def test_internal_error_tells_nothing_and_logs_no_secret(
    database: Database,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise RuntimeError(
            f"card {NUMERO} Bearer abcdefghijkl postgresql://cynod:hidden-word@db/cynod"
        )

    settings = settings_for(database.url.render_as_string(hide_password=False))
    with serving(settings, database) as base:
        world = World(database, base)
        carte = world.carte(1000)
        api = world.api(carte)
        monkeypatch.setattr("handlers.cartes.find_carte", fail)
        answer = api.get("/get-solde-carte", params=carte.query)
        world.close()
    assert answer.status_code == 500
    assert envelope_of(answer) == {
        "success": False,
        "code": "9999",
        "message": "Erreur système",
        "debugMessage": "Erreur système",
        "moreInfo": None,
    }
    log = capsys.readouterr().err
    assert "RuntimeError" in log
    for secret in (NUMERO, "abcdefghijkl", "hidden-word"):
        assert secret not in log


_EDGES = st.text(" ,;:=/\"'{}()\n", max_size=20)


def test_answer_does_not_depend_on_its_log(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    carte = world.carte(1000)
    api = world.api(carte)
    closed = io.StringIO()
    closed.close()
    monkeypatch.setattr("sys.stderr", closed)
    assert api.post("/debit-carte", json=carte.mouvement(400, "R1")).status_code == 200
    monkeypatch.setattr("handlers.mouvements.debiter", None)
    assert api.post("/debit-carte", json=carte.mouvement(400, "R2")).status_code == 500


@given(_EDGES, st.from_regex(r"[0-9]{12,19}", fullmatch=True), _EDGES)
def test_no_card_number_survives_the_scrubber(before: str, numero: str, after: str) -> None:
    scrubbed = scrub(before + numero + after)
    assert numero not in scrubbed
    assert f"{numero[:6]}******{numero[-4:]}" in scrubbed


@given(st.from_regex(r"[A-Za-z0-9_-]{20,60}", fullmatch=True), st.sampled_from(["Bearer", "basic"]))
def test_no_credentials_survive_the_scrubber(token: str, scheme: str) -> None:
    assert token not in scrub(f"Authorization: {scheme} {token}")


_TRACES = [
    "Bearer ",
    "baSic\t",
    "client_secret",
    "ACCESS_TOKEN=",
    "password: ",
    "consumer_secret'='",
]
_BITS = ["://", "u:p@", "a1b2" * 8, "1234567", "70198001", " ", '"', "\\n", "x", "ſecret", "bearer"]
_FRAGMENTS = st.sampled_from([*_TRACES, *_BITS])


@given(st.lists(_FRAGMENTS, max_size=8).map("".join))
def test_scrubber_that_finds_no_trace_would_have_changed_nothing(text: str) -> None:
    # A sign outside ASCII, which no expression knows, makes it look at length.
    assert scrub(text) == scrub(f"€{text}")[1:]


@given(st.text("abcdefgh éà.,;-/ 123\n", max_size=60))
def test_harmless_text_passes_the_scrubber(text: str) -> None:
    if not any(len(run) >= 12 for run in "".join(c if c.isdigit() else " " for c in text).split()):
        assert scrub(text) == text


_PLAIN_GAPS = [
    "",
    " ",
    "-",
    ".",
    "/",
    "+",
    "_",
    "\t",
    " - ",
    "\u00a0",
    "\u200b",
    "\u2013",
    "\u3000",
]
_ENCODED_GAPS = ["%20", "%2D", "%2e", "%2F", "%2B", "%C2%A0", "%2520", "\\xa0", "\\u2009"]
_GAPS = st.sampled_from([*_PLAIN_GAPS, *_ENCODED_GAPS])
_FORMS = st.sampled_from(["{}", "{}", "%3{}", "%253{}"])


@st.composite
def _written_numbers(draw: st.DrawFn, gaps: st.SearchStrategy[str] = _GAPS) -> tuple[str, str]:
    """A card number, and the same as somebody may have written it."""
    numero = draw(st.from_regex(r"[0-9]{13,19}", fullmatch=True))
    full_width = draw(st.booleans())
    written = ""
    for place, digit in enumerate(numero):
        form = draw(_FORMS)
        shown = chr(0xFF10 + int(digit)) if full_width and form == "{}" else digit
        written += (draw(gaps) if place else "") + form.format(shown)
    return numero, written


@given(_EDGES, _written_numbers(), _EDGES)
def test_card_number_is_masked_however_it_is_written(
    before: str, number: tuple[str, str], after: str
) -> None:
    numero, written = number
    masked = f"{numero[:6]}******{numero[-4:]}"
    assert masked in scrub(f"carte{before},{written},{after}")
    assert masked in plain_path(f"/cartes/{written}/solde")


@given(_written_numbers(st.sampled_from([":", "=", ";", ",", "&", "%3A", "'", "|", "%2C", ""])))
def test_card_number_in_a_path_is_masked_whatever_parts_its_digits(number: tuple[str, str]) -> None:
    numero, written = number
    assert f"{numero[:6]}******{numero[-4:]}" in plain_path(f"/cartes/{written}")


_DAYS = st.dates(date(1950, 1, 1), date(2090, 12, 31))
_MOMENTS = st.builds(datetime.combine, _DAYS, st.times())
_INNOCENT = st.one_of(
    st.uuids().map(str),
    st.uuids().map(lambda made: made.hex).filter(lambda text: not text.isdigit()),
    st.ip_addresses().map(str),
    st.integers(1, 10**11 - 1).map(str),
    st.integers(1, 10**11 - 1).map(lambda amount: f"{amount:,} FCFA".replace(",", " ")),
    st.integers(-(10**10), 10**10).map(lambda amount: f"{amount / 10:.1f}"),
    _DAYS.map("{:%d/%m/%Y}".format),
    _DAYS.map("{:%Y-%m-%d}".format),
    st.tuples(_DAYS, _DAYS).map("{0[0]:%d-%m-%Y} {0[1]:%d-%m-%Y}".format),
    _MOMENTS.map(lambda moment: moment.isoformat() + "Z"),
    _MOMENTS.map(str),
    _MOMENTS.map("{:%d-%m-%Y %H:%M:%S}".format),
)


@given(st.lists(_INNOCENT, min_size=1, max_size=4))
def test_moments_amounts_and_identifiers_are_no_card_numbers(texts: list[str]) -> None:
    text = " ; ".join(texts)
    assert scrub(text) == text


def test_card_number_is_masked_wherever_it_stands() -> None:
    for text in (f"/cartes/X{NUMERO}", f"a\\n{NUMERO}", f"a\n{NUMERO}b", f"{NUMERO}{NUMERO}"):
        assert NUMERO not in scrub(text), text
    for length in range(80, 100):
        assert NUMERO[:12] not in plain_path("/" + "a" * length + "/" + NUMERO)
