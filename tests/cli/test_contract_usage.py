"""`cynod contract usage` and `cynod contract diff --usage`, on what a server really wrote to its log."""

from __future__ import annotations

import copy
import gzip
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from handlers.cli import contract as contract_cli
from handlers.cli.root import cli
from handlers.contract.rules import check_openapi
from handlers.workbench import usage as reading
from handlers.workbench.diff.change import BOTH, BREAKING, RECEIVED, SENT, Change
from handlers.workbench.diff.redocly import RedoclyMissing, kept_running
from handlers.workbench.diff.report import as_text
from handlers.workbench.diff.touched import Part, Versions
from handlers.workbench.diff.usage_report import Told
from handlers.workbench.usage import Usage
from models.books.demo import CONSUMER_KEY, seed_demo
from models.database.engine import Database
from models.migrate import upgrade
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import DOCUMENT, OPERATIONS, Json
from tests.support.live import serving, settings_for
from tests.support.log import logged
from tests.support.needs import lack
from tests.support.scene import NEEDED
from tests.support.world import PEPPER, World

SCOPES = sorted({scope for needed in NEEDED.values() for scope in needed or []})
CARTE = {
    "numeroCarte": "7019800100009569",
    "walletId": "221771234567",
    "clientId": "CLI-0001",
}
OTHER = "autre-partenaire"
NOON = "2026-11-{:02}T12:00:00Z"

Run = Callable[..., tuple[int, str, str]]


def contract(*arguments: str, **options: Any) -> tuple[int, str, str]:
    """Exit code and both streams of `cynod contract`."""
    done = CliRunner().invoke(cli, ["contract", *arguments], prog_name="cynod", **options)
    return done.exit_code, done.stdout, done.stderr


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """What a server wrote of ten calls and a page, one a day at noon."""
    database = Database(f"sqlite:///{tmp_path_factory.mktemp('usage') / 'cynod.db'}")
    upgrade(database)
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=SCOPES, pepper=PEPPER)
    url = database.url.render_as_string(hide_password=False)
    with logged() as log, serving(settings_for(url), database) as base_url:
        world = World(database, base_url)
        other = world.partenaire(["CLI-0001"], pair=(OTHER, "x" * 43))
        told = [_line(log, answer) for answer in _story(world, other)]
        world.close()
    database.close()
    return [
        re.sub(r'("timestamp":")[^"]*', rf"\g<1>2026-11-{day:02}T12:00:00.5Z", line)
        for day, line in enumerate(told, 1)
    ]


def _story(world: World, other: Any) -> Iterator[Any]:
    demo = world.anonymous()
    pair = {"client_id": CONSUMER_KEY, "client_secret": "demo-secret"}
    form = {"grant_type": "client_credentials", "scope": "soldes:lire", **pair}
    yield demo.post("/access-token", data=form)
    del form["scope"]
    token = demo.post("/access-token", data=form).json()["access_token"]
    demo.headers["Authorization"] = f"Bearer {token}"
    autre = world.api_of(other)
    yield demo.get("/get-solde-carte", params=CARTE)
    yield demo.get("/get-solde-carte", params=CARTE)
    yield autre.get("/get-solde-carte", params={**CARTE, "numeroCarte": "7019800199999999"})
    yield demo.get("/get-historique-carte", params={**CARTE, "limite": "7"})
    yield autre.get("/get-historique-carte", params=CARTE, headers={"Accept": "text/csv"})
    body = {**CARTE, "montant": 100, "reference": "USAGE-1"}
    yield demo.post("/debit-carte", json={**body, "terminal": "TPE-7"})
    yield autre.post("/debit-carte", json={**body, "montant": -1})
    yield world.anonymous().get("/get-solde-carte", params=CARTE)
    yield demo.get("/openapi.yaml")


def _line(log: Any, answer: Any) -> str:
    request_id = answer.headers["X-Request-Id"]
    log.line_of(request_id)
    (line,) = [one for one in log.getvalue().splitlines() if f'"{request_id}"' in one]
    return str(line)


@pytest.fixture
def log(lines: list[str], tmp_path: Path) -> str:
    """The whole log as a file."""
    file = tmp_path / "cynod.log"
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(file)


# ── the table ────────────────────────────────────────────────────────────────────────────────────

JSON_TYPE = "application/json"
TABLE = [
    f"accessToken {CONSUMER_KEY} - 1 0 {NOON.format(1)}",
    f"accessToken {CONSUMER_KEY} client_id 1 - {NOON.format(1)}",
    f"accessToken {CONSUMER_KEY} scope 1 - {NOON.format(1)}",
    f"accessToken {CONSUMER_KEY} {JSON_TYPE} 1 - {NOON.format(1)}",
    f"debitCarte {OTHER} - 1 1 {NOON.format(8)}",
    f"debitCarte {CONSUMER_KEY} - 1 0 {NOON.format(7)}",
    f"debitCarte {CONSUMER_KEY} terminal 1 - {NOON.format(7)}",
    f"debitCarte {CONSUMER_KEY} {JSON_TYPE} 1 - {NOON.format(7)}",
    f"getHistoriqueCarte {OTHER} - 1 0 {NOON.format(6)}",
    f"getHistoriqueCarte {OTHER} text/csv 1 - {NOON.format(6)}",
    f"getHistoriqueCarte {CONSUMER_KEY} - 1 0 {NOON.format(5)}",
    f"getHistoriqueCarte {CONSUMER_KEY} limite 1 - {NOON.format(5)}",
    f"getHistoriqueCarte {CONSUMER_KEY} {JSON_TYPE} 1 - {NOON.format(5)}",
    f"getSoldeCarte - - 1 1 {NOON.format(9)}",
    f"getSoldeCarte {OTHER} - 1 1 {NOON.format(4)}",
    f"getSoldeCarte {OTHER} {JSON_TYPE} 1 - {NOON.format(4)}",
    f"getSoldeCarte {CONSUMER_KEY} - 2 0 {NOON.format(3)}",
    f"getSoldeCarte {CONSUMER_KEY} {JSON_TYPE} 2 - {NOON.format(3)}",
]
HEAD = "operation partner used calls refused last"
READ = f"9 calls from {NOON.format(1)} to {NOON.format(9)}."


def _told(said: str) -> list[str]:
    return [" ".join(line.split()) for line in said.splitlines()]


def test_table_says_who_used_what_how_often_and_when_last(log: str) -> None:
    code, said, told = contract("usage", log)
    assert (code, told) == (0, "")
    assert _told(said) == [
        HEAD,
        *TABLE,
        f"1 log, 10 lines: {READ}",
        "Lines that tell of no call of an operation: 1.",
    ]


def test_logs_may_be_many_compressed_and_piped(lines: list[str], tmp_path: Path) -> None:
    """The rotated one is compressed, the one before is cut, another is of something else."""
    whole = tmp_path / "cynod.log.1.gz"
    whole.write_bytes(gzip.compress("\n".join(lines[:4]).encode()))
    cut = tmp_path / "cynod.log.2.gz"
    cut.write_bytes(gzip.compress("\n".join(lines[4:7]).encode() + b"\n")[:-8])
    other = tmp_path / "other.log"
    noise = [
        *("Started CYNOD.", "", '{"event":', "[1]", '{"event":"x"}', "{}"),
        *('{"event":"requete","operation":7}', "x" * (3 * reading.MAX_LINE)),
    ]
    other.write_text("\n".join(noise) + "\n", encoding="utf-8")
    rest = "".join(f"{line}\n" for line in lines[7:])
    code, said, told = contract("usage", str(whole), str(cut), "-", str(other), input=rest)
    assert (code, told) == (0, "")
    assert _told(said) == [
        HEAD,
        *TABLE,
        f"4 logs, 17 lines: {READ}",
        "Lines that are no JSON: 3.",
        "Lines that tell of no call of an operation: 5.",
        f"{cut} is damaged or ends too early: what is before is counted.",
    ]


def test_table_is_told_to_a_program(log: str) -> None:
    code, said, _ = contract("usage", log, "--json")
    told = json.loads(said)
    assert (code, told["logs"]) == (
        0,
        {
            "files": 1,
            "lines": 10,
            "calls": 9,
            "first": NOON.format(1),
            "last": NOON.format(9),
            "not_json": 0,
            "of_no_operation": 1,
            "silent_calls": 0,
            "dropped_calls": 0,
            "damaged": [],
        },
    )
    assert told["usage"][4] == {
        "operation": "getHistoriqueCarte",
        "partner": CONSUMER_KEY,
        "calls": 1,
        "last": NOON.format(5),
        "refused": 0,
        "silent_calls": 0,
        "optional_inputs": {"limite": {"calls": 1, "last": NOON.format(5)}},
        "media_types": {JSON_TYPE: {"calls": 1, "last": NOON.format(5)}},
    }
    assert [one["operation"] for one in told["usage"]] == [
        *("accessToken", "debitCarte", "debitCarte", "getHistoriqueCarte", "getHistoriqueCarte"),
        *("getSoldeCarte", "getSoldeCarte", "getSoldeCarte"),
    ]


def test_no_value_comes_from_the_log(log: str, lines: list[str]) -> None:
    _, said, _ = contract("usage", log)
    for value in (*CARTE.values(), "TPE-7", "USAGE-1", "demo-secret"):
        assert value not in said
        assert value not in "".join(lines)


def test_log_that_is_not_there_is_told_in_a_sentence(log: str) -> None:
    assert contract("usage", log, "absent.log") == (
        1,
        "",
        "cynod: absent.log: No such file or directory.\n",
    )
    assert contract("usage")[0] == 2
    for options in (["--usage"], ["--usage", "--format", "json"]):
        code, said, told = contract("diff", *options)
        assert (code, said) == (2, "")
        assert told.endswith("Error: --usage needs a file, or - for standard input.\n")


def test_memory_is_bounded_and_what_is_not_kept_is_counted(
    lines: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(reading, "MAX_PAIRS", 2)
    monkeypatch.setattr(reading, "MAX_NAMES", 1)
    file = tmp_path / "cynod.log"
    file.write_text("\n".join(lines[:4]), encoding="utf-8")
    _, said, _ = contract("usage", str(file))
    assert _told(said) == [
        HEAD,
        f"accessToken {CONSUMER_KEY} - 1 0 {NOON.format(1)}",
        f"accessToken {CONSUMER_KEY} client_id 1 - {NOON.format(1)}",
        f"accessToken {CONSUMER_KEY} {JSON_TYPE} 1 - {NOON.format(1)}",
        f"getSoldeCarte {CONSUMER_KEY} - 2 0 {NOON.format(3)}",
        f"getSoldeCarte {CONSUMER_KEY} {JSON_TYPE} 2 - {NOON.format(3)}",
        f"1 log, 4 lines: 3 calls from {NOON.format(1)} to {NOON.format(3)}.",
        "Lines of more partners and operations than can be told apart: 1.",
    ]


def test_long_reading_tells_how_far_it_is(
    log: str, lines: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PROGRESS_LINES", 5)
    monkeypatch.setattr("handlers.cli.shown.INTERVALLE_S", 0)
    _, _, told = contract("usage", log)
    assert re.fullmatch(r"(cynod: reading logs: \d+ %\n){2}", told), told
    _, _, told = contract("usage", "-", input="\n".join(lines))
    assert told == "cynod: reading logs: 5\ncynod: reading logs: 10\n"


# ── whom a change touches ────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def changed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The contract, and one that breaks some of its users and warns others."""
    folder = tmp_path_factory.mktemp("contracts")
    after = copy.deepcopy(DOCUMENT)
    history = after["paths"]["/get-historique-carte"]["get"]
    del history["responses"]["200"]["content"]["text/csv"]
    schemas = after["components"]["schemas"]
    del schemas["DemandeMouvement"]["properties"]["terminal"]
    schemas["Motif"]["maxLength"] = 100
    solde = after["paths"]["/get-solde-carte"]["get"]
    solde |= {
        "deprecated": True,
        "x-obsolescence": {"depuis": "2026-12-01", "retrait": "2027-12-01"},
    }
    files = []
    for name, document in (("before.json", DOCUMENT), ("after.json", after)):
        (folder / name).write_text(json.dumps(document), encoding="utf-8")
        files.append(str(folder / name))
    try:
        # Whether they are valid is asked by each command; once is enough here.
        with kept_running(), pytest.MonkeyPatch.context() as patch:
            for file in files:
                check_openapi(json.loads(Path(file).read_bytes()), file)
            patch.setattr(contract_cli, "check_openapi", lambda _document, _name: None)
            yield files[0], files[1]
    except RedoclyMissing as error:
        lack(str(error))


MOTIF = ", ".join(
    f"{name} (motif)"
    for name in ("creditCarte", "debitCarte", "transfererSolde", "annulerOperation")
)
BREAKS = f"""\
breaking  components.schemas.DemandeMouvement.properties.terminal
          what clients send: terminal is refused from now on
          used by {CONSUMER_KEY}, 1 call, last {NOON.format(7)}: debitCarte (terminal)
          of 1 call the logs cannot tell: an older server wrote them
breaking  components.schemas.Motif.maxLength
          what clients send: maxLength 140 became 100: what was taken may now be refused
          used by nobody in these logs: {MOTIF}
          of 1 call the logs cannot tell: an older server wrote them
breaking  paths./get-historique-carte.get.responses.200.content.text/csv
          what clients receive: the media type is gone
          used by {OTHER}, 1 call, last {NOON.format(6)}: getHistoriqueCarte (text/csv)
additive  paths./get-solde-carte.get.deprecated
          both sides: deprecated
additive  paths./get-solde-carte.get.x-obsolescence
          both sides: to be withdrawn: 2027-12-01
deprecated  paths./get-solde-carte.get, withdrawn 2027-12-01
          used by {CONSUMER_KEY}, 2 calls, last {NOON.format(3)}: getSoldeCarte
          used by {OTHER}, 1 call, last {NOON.format(4)}: getSoldeCarte
          used by unknown callers, 1 call, last {NOON.format(9)}: getSoldeCarte
2 logs, 11 lines: 10 calls from 2026-01-31T12:00:00Z to {NOON.format(9)}.
Lines that tell of no call of an operation: 1.
Lines of an older server, without optional inputs and media types: 1.
before.json -> after.json: 3 breaking, 2 additive, 0 text.
"""


@pytest.fixture
def older(tmp_path: Path) -> str:
    """The log of a server that did not tell optional inputs yet."""
    file = tmp_path / "older.log"
    line = {
        "event": "requete",
        "operation": "debitCarte",
        "partenaire": "ancien",
        "statut": 200,
        "timestamp": "2026-01-31T12:00:00.25Z",
    }
    file.write_text(json.dumps(line), encoding="utf-8")
    return str(file)


def test_diff_says_whom_it_breaks_and_who_uses_what_is_deprecated(
    changed: tuple[str, str], log: str, older: str
) -> None:
    assert contract("diff", *changed, "--usage", log, older) == (1, BREAKS, "")


def test_touched_partners_are_told_to_a_program(changed: tuple[str, str], log: str) -> None:
    code, said, _ = contract("diff", "--usage", log, "--format", "json", *changed)
    told = json.loads(said)
    part = {
        "operation": "getHistoriqueCarte",
        "optional_input": None,
        "media_type": "text/csv",
    }
    counted = {"calls": 1, "last": NOON.format(6)}
    assert (code, told["changes"][2]["usage"]) == (
        1,
        {
            "parts": [part],
            "cannot_tell": None,
            "at_most": None,
            "silent_calls": 0,
            "partners": [{"partner": OTHER, **counted, "parts": [{**part, **counted}]}],
        },
    )
    assert [(one["where"], one["withdrawn"]) for one in told["deprecated"]] == [
        ("paths./get-solde-carte.get", "2027-12-01")
    ]
    assert [one["partner"] for one in told["deprecated"][0]["usage"]["partners"]] == [
        *(CONSUMER_KEY, OTHER, None)
    ]
    assert "usage" not in told["changes"][3]
    assert told["logs"]["calls"] == 9


def test_touched_partners_are_told_as_markdown(
    changed: tuple[str, str], log: str, older: str
) -> None:
    _, said, _ = contract("diff", *changed, "--format", "markdown", "--usage", log, older)
    csv = "`paths./get-historique-carte.get.responses.200.content.text/csv`"
    terminal = "`components.schemas.DemandeMouvement.properties.terminal`"
    assert said.partition("## Whom it touches\n\n")[2].splitlines()[:7] == [
        "| where | partner | calls | last | of |",
        "|---|---|---|---|---|",
        f"| {terminal} | {CONSUMER_KEY} | 1 | {NOON.format(7)} | debitCarte (terminal) |",
        f"| {terminal} | unknown | 1 not told | - | creditCarte (terminal), debitCarte (terminal) |",
        f"| `components.schemas.Motif.maxLength` | nobody in these logs | 0 | - | {MOTIF} |",
        f"| `components.schemas.Motif.maxLength` | unknown | 1 not told | - | {MOTIF} |",
        f"| {csv} | {OTHER} | 1 | {NOON.format(6)} | getHistoriqueCarte (text/csv) |",
    ]


def test_logs_without_a_call_are_told_to_say_nothing() -> None:
    change = Change(BREAKING, SENT, "paths./get-solde-carte", "the path is gone")
    usage = Usage(files=1)
    told = Told(usage, Versions(DOCUMENT, DOCUMENT, usage).breaking([change]), {})
    assert as_text("1", "2", [change], told).splitlines()[2:] == [
        "          the logs cannot tell who uses it: they hold no call of an operation",
        "1 log, 0 lines: 0 calls.",
        "1 -> 2: 1 breaking, 0 additive, 0 text.",
    ]


# ── what a change concerns ───────────────────────────────────────────────────────────────────────


def _drop_limite(document: Json) -> None:
    parameters = document["paths"]["/get-liste-cartes"]["get"]["parameters"]
    del parameters[3]


def _ask_more(document: Json) -> None:
    parameters = document["paths"]["/get-liste-cartes"]["get"]["parameters"]
    parameters.append({"name": "nouveau", "in": "query", "required": True})


def _rename(document: Json) -> None:
    document["paths"]["/v.2/get-solde"] = document["paths"].pop("/get-solde-carte")


def _nothing(_document: Json) -> None:
    pass


LISTE = "paths./get-liste-cartes.get"
SOLDE = Part("getSoldeCarte")
ALL = [Part(one["operationId"]) for one in OPERATIONS.values()]
SECURED = [Part(one["operationId"]) for one in OPERATIONS.values() if one["security"]]
VALUES, FIELDS = "the logs hold no values", "the logs do not tell what a client reads of an answer"
WHO, YET = "the logs tell who calls, not how", "the logs tell who calls, not who sends this already"


@pytest.mark.parametrize(
    ("edit", "where", "direction", "parts", "at_most"),
    [
        (_nothing, "paths./get-solde-carte", SENT, [SOLDE], None),
        (_nothing, "paths./get-solde-carte.get.security", SENT, [SOLDE], WHO),
        (_rename, "paths./v.2/get-solde.key", SENT, [SOLDE], None),
        (_drop_limite, f"{LISTE}.parameters.3", SENT, [Part("getListeCartes", "limite")], None),
        (
            _drop_limite,
            f"{LISTE}.parameters.3.schema",
            SENT,
            [Part("getListeCartes", "curseur")],
            VALUES,
        ),
        (_nothing, f"{LISTE}.parameters.0", SENT, [Part("getListeCartes")], None),
        (
            _nothing,
            f"{LISTE}.parameters.4.required",
            SENT,
            [Part("getListeCartes", "curseur")],
            YET,
        ),
        (_ask_more, f"{LISTE}.parameters.5", SENT, [Part("getListeCartes")], YET),
        (
            _nothing,
            "components.schemas.LigneARapprocher.properties.montant.maximum",
            SENT,
            [Part("verifierReferences")],
            VALUES,
        ),
        (
            _nothing,
            "components.schemas.DemandeMouvement.required",
            SENT,
            [Part("creditCarte"), Part("debitCarte")],
            YET,
        ),
        (
            _nothing,
            "components.schemas.DemandeMouvement.properties.nouveau",
            SENT,
            [Part("creditCarte"), Part("debitCarte")],
            YET,
        ),
        (
            _nothing,
            "components.schemas.DemandeJeton.properties.client_secret",
            SENT,
            [Part("accessToken")],
            "the logs do not name the fields of secrets",
        ),
        (_nothing, "components.schemas.SoldeCarte.properties.unite", RECEIVED, [SOLDE], FIELDS),
        (
            _nothing,
            "x-classes-debit.jeton",
            SENT,
            [Part("accessToken"), Part("revoquerJeton")],
            WHO,
        ),
        (_nothing, "x-catalogue-erreurs.4004.statut", RECEIVED, [Part("transfererSolde")], WHO),
        (_nothing, "components.links.NullePart", RECEIVED, [], None),
        (
            _nothing,
            "components.parameters.Limite.deprecated",
            SENT,
            [Part("getListeCartes", "limite")],
            None,
        ),
        (_nothing, f"{LISTE}.parameters.key", SENT, [Part("getListeCartes")], YET),
        (_nothing, "components.securitySchemes.basic", SENT, SECURED, WHO),
        (_nothing, "servers.0.url", BOTH, ALL, WHO),
    ],
)
def test_change_concerns_the_parts_that_the_logs_can_tell(
    edit: Callable[[Json], None], where: str, direction: str, parts: list[Part], at_most: str | None
) -> None:
    after = copy.deepcopy(DOCUMENT)
    edit(after)
    versions = Versions(DOCUMENT, after, Usage())
    touched = versions.touched_by(Change(BREAKING, direction, where, ""))
    assert (list(touched.parts), touched.at_most) == (parts, at_most)
