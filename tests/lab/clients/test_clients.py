"""Each generated client is compiled or type-checked, then plays the whole story against the live server.

The story is told once a language, as the client's own README says to use it; what it saw is compared whole.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from handlers.contract.reading import load
from handlers.site.packages import TITLES, packages
from models.carte import ACTIVE, EMISE, OPPOSITION
from models.database.engine import Database, sqlite_module
from tests.lab.clients import generators
from tests.lab.clients.generators import (
    CLIENTS,
    GENERATORS,
    HERE,
    JAVA_IN_HASTE,
    NODE,
    PYTHON,
    TOOLS,
    class_path,
    make,
    make_of_published,
    run,
)
from tests.lab.clients.packages import LEFT_OUT, pack
from tests.support.contract_client import CONTRACT, DOCUMENT, Json
from tests.support.live import serving, settings_for
from tests.support.lives import Lives
from tests.support.machine import GO_LIBRARIES, GUZZLE
from tests.support.needs import need
from tests.support.world import World, new_number

pytestmark = pytest.mark.only_on("sqlite")

Player = Callable[[Path, dict[str, str]], str]
"""What plays the story with the client in a folder: what the story printed."""

EXAMPLES = DOCUMENT["components"]["examples"]
NEW_CODE = "4999"


@pytest.fixture(scope="module", autouse=True)
def _tools() -> None:
    need("node", "java", "php", "go")


# ── names and warnings ────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize("name", GENERATORS)
def test_client_is_generated_without_a_warning_of_the_contract(name: str) -> None:
    log = (make(name) / "generation.log").read_text(encoding="utf-8")
    assert generators.warnings_of(name, log) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_names_are_those_of_the_contract(name: str) -> None:
    """No name that a generator had to make up, and each operation by its own."""
    folder = make(name)
    files = list(folder.glob(GENERATORS[name].sources))
    text = "\n".join(path.read_text(encoding="utf-8") for path in files)
    assert re.findall(r"\b[A-Z]\w*(?:InlineObject|InlineResponse|Inner|AllOf|OneOf)\b", text) == []
    # openapi-python-client calls a module by its operation.
    plain = (text + " ".join(path.stem for path in files)).replace("_", "").lower()
    operations = [one for item in DOCUMENT["paths"].values() for one in item.values()]
    assert [
        one["operationId"] for one in operations if one["operationId"].lower() not in plain
    ] == []
    schemas = [
        schema
        for schema, node in DOCUMENT["components"]["schemas"].items()
        if node.get("type") == "object" and node.get("properties")
    ]
    assert [
        schema for schema in schemas if schema.lower() not in plain and schema not in FORMS
    ] == []
    numbered = set(re.findall(r"\b(?:class|interface|type|struct) (\w+[A-Za-z][0-9])\b", text))
    assert numbered - TOOLS_OWN == set()


def test_packages_are_offered_by_a_server_of_this_contract(tmp_path: Path) -> None:
    contract = load(CONTRACT)
    files = [make(name).parent / f"cynod-{name}-{contract.version}.zip" for name in TITLES]
    offered = packages(generators.CLIENTS, contract)
    assert [one.file for one in offered] == files
    assert TITLES.keys() == GENERATORS.keys()
    assert packages(tmp_path, contract) == []


@pytest.mark.parametrize("name", GENERATORS)
def test_package_is_the_client_whole_and_the_same_each_time(name: str, tmp_path: Path) -> None:
    folder = make(name)
    with zipfile.ZipFile(file_of(folder)) as package:
        inside = {one.filename.partition("/")[2]: package.read(one) for one in package.infolist()}
    assert inside["README.md"]
    assert not {path for path in inside if path.startswith(".") or path in LEFT_OUT}
    for path, content in inside.items():
        assert (folder / path).read_bytes() == content
    # No name of a package, and no licence, that its generator made up.
    text = b"\n".join(content for content in inside.values())
    assert (
        re.findall(rb"GIT_\w+_ID|YOUR_GIT\w*|(?i:unlicense)|OpenAPI-Generator Contrib", text) == []
    )
    sources = {str(path.relative_to(folder)) for path in folder.glob(GENERATORS[name].sources)}
    assert sources <= inside.keys()
    copy = tmp_path / name
    for path, content in inside.items():
        (copy / path).parent.mkdir(parents=True, exist_ok=True)
        (copy / path).write_bytes(content)
        (copy / path).chmod((folder / path).stat().st_mode)
    assert pack(copy).read_bytes() == file_of(folder).read_bytes()


def file_of(folder: Path) -> Path:
    """The file beside a client's folder."""
    return folder.parent / f"cynod-{folder.name}-{DOCUMENT['info']['version']}.zip"


FORMS = {
    media["schema"]["$ref"].rpartition("/")[2]
    for item in DOCUMENT["paths"].values()
    for operation in item.values()
    for kind, media in operation.get("requestBody", {}).get("content", {}).items()
    if kind == "application/x-www-form-urlencoded"
}
"""The schemas of forms: most generators make an argument of each field."""

TOOLS_OWN = {"Options2"}
"""Numbered names that a generator gives to its own code."""


# ── the story ─────────────────────────────────────────────────────────────────────────────────────
class Tomorrow(BaseHTTPRequestHandler):
    """A server of the next minor version: a field more in each object, and a code that is new."""

    def do_GET(self) -> None:
        """A balance."""
        value = json.loads(json.dumps(EXAMPLES["SoldeCarte"]["value"]))
        value["nouveau"] = {"a": [1]}
        value["data"][0]["plafond"] = 5
        self._answer(200, value)

    def do_POST(self) -> None:
        """A refusal."""
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        value = {**EXAMPLES["SoldeInsuffisant"]["value"], "code": NEW_CODE, "nouveau": "a"}
        self._answer(400, value)

    def _answer(self, status: int, value: Json) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def tomorrow() -> Iterator[str]:
    """The URL of that server."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Tomorrow) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def down(database: Database) -> Iterator[str]:
    """The URL of a server on a copy of the database, as it is now, that lets nobody write."""
    url, path = database.url.render_as_string(hide_password=False), database.url.database
    assert path is not None
    copy = f"{path}.{new_number()}"
    connect = sqlite_module().connect
    with closing(connect(path)) as source, closing(connect(copy)) as target:
        source.backup(target)
    locked = Database(url.replace(path, copy), wait_s=1)
    lock = connect(copy, isolation_level=None)
    with serving(replace(settings_for(url.replace(path, copy)), wait_s=1), locked) as base_url:
        lock.execute("BEGIN IMMEDIATE")
        yield base_url
        lock.close()
    locked.close()


def story(world: World, tomorrow: str, shared_database: Database) -> tuple[dict[str, str], Json]:
    """The variables of a story, and what it must see, the operations' numbers left out.

    `EMISE` and `SUSPENDED` are of what contracts before 1.5.0 did not know.
    """
    carte, lives = world.carte(10_000), Lives(world)
    stolen = lives.carte(OPPOSITION, membre=carte.membre, motif="VOLEE")
    cartes = [carte, stolen, lives.carte(EMISE, membre=carte.membre)]
    suspended = world.partenaire([carte.membre.client_id])
    suspended_token = world.token(suspended)
    lives.done("changerStatutPartenaire", consumerKey=suspended.consumer_key, statut="SUSPENDU")
    pair = world.partenaire([carte.membre.client_id])
    short = replace(
        settings_for(shared_database.url.render_as_string(hide_password=False)), jeton_duree_s=1
    )
    with serving(short, shared_database) as url:
        token = world.anonymous(url).post(
            "/access-token",
            data={
                "grant_type": "client_credentials",
                "client_id": pair.consumer_key,
                "client_secret": pair.consumer_secret,
            },
        )
    variables = {
        "URL": world.url,
        "KEY": pair.consumer_key,
        "SECRET": pair.consumer_secret,
        "CARTE": carte.numero,
        "WALLET": carte.membre.wallet_id,
        "CLIENT": carte.membre.client_id,
        "REFERENCE": f"STORY-{carte.numero}",
        "EXPIRED": token.json()["access_token"],
        "DOWN_TOKEN": world.token(pair),
        "NEXT": tomorrow,
        "EMISE": cartes[2].numero,
        "SUSPENDED": suspended_token,
    }
    expected = {
        "jeton": "Bearer",
        "solde": 10_000,
        "pages": [[cartes[0].numero, cartes[1].numero], [cartes[2].numero]],
        "credit": {"montant": 1000, "solde": 11_000, "rejoue": False},
        "debit": {"montant": 500, "solde": 10_500, "rejoue": False},
        "encore": {"montant": 500, "solde": 10_500, "rejoue": True},
        "insuffisant": {"statut": 400, "code": "4001"},
        "inconnue": {"statut": 400, "code": "412"},
        "expire": {"statut": 401, "code": "2002"},
        "indisponible": {"statut": 503, "code": "5001"},
        "demain": {"solde": 142_000, "statut": 400, "code": NEW_CODE},
        "etats": [
            [carte.carte_id, ACTIVE, None],
            [stolen.carte_id, OPPOSITION, "VOLEE"],
            [cartes[2].carte_id, EMISE, None],
        ],
        "emise": {"statut": 400, "code": "3004"},
        "suspendu": {"statut": 403, "code": "2005"},
    }
    time.sleep(1.1)  # the token's life
    return variables, expected


@contextmanager
def to_be_checked(kept: Path, folder: Path, program: str, *stories: Path) -> Iterator[bool]:
    """Whether a client and its story are yet to be compiled or checked, by this program: what was made of
    the very same texts is in the folder `kept`, which is made anew otherwise."""
    found = Path(shutil.which(program) or program).resolve()
    own = hashlib.sha256(f"{found} {found.stat().st_mtime_ns}".encode())
    for path in (folder / ".made", *stories, Path(__file__), HERE / "generators.py"):
        own.update(path.read_bytes())
    stamp = kept / ".checked"
    done = stamp.exists() and stamp.read_text(encoding="ascii") == own.hexdigest()
    if not done:
        shutil.rmtree(kept, ignore_errors=True)
    yield not done
    kept.mkdir(exist_ok=True)
    stamp.write_text(own.hexdigest(), encoding="ascii")


def _is_of_before(folder: Path) -> bool:
    """Whether a client is one of a published contract: it was checked while that one was today's."""
    return CLIENTS not in folder.parents


def python_httpx(folder: Path, environment: dict[str, str]) -> str:
    """mypy strict, then the story."""
    return _python(folder, environment, "python_httpx", "cynod_httpx")


def python_pydantic(folder: Path, environment: dict[str, str]) -> str:
    """mypy, then the story."""
    return _python(folder, environment, "python_pydantic", "cynod_client")


def _python(folder: Path, environment: dict[str, str], story_of: str, package: str) -> str:
    script = str(HERE / story_of / "story.py")
    path = {"PYTHONPATH": str(folder), "MYPYPATH": str(folder)}
    if _is_of_before(folder):
        return run([str(PYTHON), script], cwd=folder, **path, **environment)
    cache = str(TOOLS / "mypy")  # of both clients: most of it is of the libraries
    strict = [
        "--strict",
        "--follow-imports",
        "silent",
        "--cache-dir",
        cache,
        "--config-file",
        os.devnull,
    ]
    with to_be_checked(folder / ".checked", folder, str(PYTHON), Path(script)) as needed:
        if needed:
            run([str(PYTHON), "-m", "mypy", *strict, script], cwd=folder, **path)
            run([str(PYTHON), "-m", "compileall", "-q", package], cwd=folder)
    return run([str(PYTHON), script], cwd=folder, **path, **environment)


TYPES_OFF = """
const { transpileModule } = require("typescript");
const { mkdirSync, readdirSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname } = require("node:path");
const compilerOptions = { module: "esnext", target: "es2022" };
for (const file of readdirSync(".", { recursive: true }).filter((one) => one.endsWith(".ts"))) {
  const target = `js/${file.replace(/ts$/, "js")}`;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(target, transpileModule(readFileSync(file, "utf8"), { compilerOptions }).outputText);
}
"""
"""What is left of TypeScript without its types, none of which is checked: a fifth of tsc's time."""


def typescript(story_of: str) -> Player:
    """tsc strict over client and story, then the story."""

    def play(folder: Path, environment: dict[str, str]) -> str:
        # It finds its libraries above it.
        place = NODE / "-".join(folder.relative_to(CLIENTS.parent).parts)
        story = HERE / story_of / "story.ts"
        tsc = str(NODE / "node_modules" / ".bin" / "tsc")
        with to_be_checked(place, folder, tsc, story) as needed:
            if needed:
                left_out = shutil.ignore_patterns("generation.log", ".made")
                shutil.copytree(folder, place, ignore=left_out)
                shutil.copy(story, place)
                config = {
                    "extends": "../tsconfig.json",
                    "compilerOptions": {"rootDir": ".", "outDir": "js"},
                    "include": ["**/*.ts"],
                }
                (place / "tsconfig.json").write_text(json.dumps(config), encoding="utf-8")
                if not (place / "package.json").exists():
                    (place / "package.json").write_text('{"type": "module"}\n', encoding="utf-8")
                compiler = ["node", "-e", TYPES_OFF] if _is_of_before(folder) else [tsc, "-p", "."]
                run(compiler, cwd=place)
        return run(["node", "js/story.js"], cwd=place, **environment)

    return play


def java(folder: Path, environment: dict[str, str]) -> str:
    """javac over client and story, then the story."""
    classes = folder / "classes"
    stories = [HERE / "java" / "Story.java"]
    if not _is_of_before(folder):
        stories.append(HERE / "java" / "Etats.java")
    sources = [str(path) for path in (folder / "src" / "main" / "java").rglob("*.java")]
    options = [*(f"-J{option}" for option in JAVA_IN_HASTE), "-proc:none", "-nowarn"]
    with to_be_checked(classes, folder, "javac", *stories) as needed:
        if needed:
            command = ["javac", *options, "-d", str(classes), "-cp", class_path(), *sources]
            run([*command, *map(str, stories)], cwd=folder)
    path = f"{classes}{os.pathsep}{class_path()}"
    return run(["java", *JAVA_IN_HASTE, "-cp", path, stories[-1].stem], cwd=folder, **environment)


def php(folder: Path, environment: dict[str, str]) -> str:
    """php -l over every file, then the story."""
    with to_be_checked(folder / ".linted", folder, "php") as needed:
        if needed:
            for path in (folder / "lib").rglob("*.php"):
                run(["php", "-l", str(path)], cwd=folder)
    where = {"GUZZLE": str(GUZZLE), "LIB": str(folder / "lib")}
    script = str(HERE / "php" / "story.php")
    return run(["php", "-d", "zend.assertions=1", script], cwd=folder, **where, **environment)


PLAYERS: dict[str, Player] = {
    "python-httpx": python_httpx,
    "python-pydantic": python_pydantic,
    "typescript-fetch": typescript("typescript_fetch"),
    "typescript-hey": typescript("typescript_hey"),
    "java": java,
    "php": php,
}


@pytest.mark.parametrize("name", PLAYERS)
def test_client_plays_the_whole_story(
    name: str, world: World, tomorrow: str, shared_database: Database
) -> None:
    play_the_story(PLAYERS[name], make(name), world, tomorrow, shared_database)


PLAYED_OF_BEFORE = ("python-httpx", "typescript-hey")
"""Both have code of their own for every answer, which openapi-fetch has not, and need no Java."""

VERSIONS_BEFORE = ("1.2.1", "1.4.0")
"""The contract of the first clients that were handed out, and the one before today's."""

OF_TODAY = ("etats", "emise", "suspendu")
"""What clients generated before 1.5.0 do not tell: they have no field for it."""


@pytest.mark.parametrize("version", VERSIONS_BEFORE)
@pytest.mark.parametrize("name", PLAYED_OF_BEFORE)
def test_client_that_was_generated_before_plays_its_story_against_this_server(
    name: str, version: str, world: World, tomorrow: str, shared_database: Database
) -> None:
    """What a partner built then, and has not touched since. Its list holds a card in a state that its
    contract did not name, and cards with fields that it has no name for."""
    folder = make_of_published(name, version)
    play_the_story(PLAYERS[name], folder, world, tomorrow, shared_database)


def play_the_story(
    player: Player, folder: Path, world: World, tomorrow: str, shared_database: Database
) -> None:
    """Play the story of the client in this folder, and compare what it saw."""
    variables, expected = story(world, tomorrow, shared_database)
    if folder.parent.name in {f"clients-{version}" for version in VERSIONS_BEFORE}:
        del variables["EMISE"], variables["SUSPENDED"]
        expected = {name: seen for name, seen in expected.items() if name not in OF_TODAY}
    with down(shared_database) as url:
        said = player(folder, {**variables, "DOWN": url, "NO_PROXY": "127.0.0.1"})
    seen = json.loads(said.strip().splitlines()[-1])
    numbers = [seen[one].pop("numero") for one in ("credit", "debit", "encore")]
    assert seen == expected
    assert numbers[1] == numbers[2] != numbers[0]
    assert re.fullmatch(r"[0-9A-Z]{26}", numbers[1])


def test_go_client_compiles(tmp_path: Path) -> None:
    """Against the libraries of Debian: no module is fetched."""
    module = tmp_path / "src" / "api.cynod.example" / "clients" / "go"
    shutil.copytree(make("go"), module, ignore=shutil.ignore_patterns("test"))
    assert run(["go", "vet", "."], cwd=module, **go_environment(tmp_path)) == ""


def go_environment(place: Path) -> dict[str, str]:
    """The variables of a build from `place` and Debian's libraries; what was built is kept."""
    return {
        "GO111MODULE": "off",
        "GOPATH": f"{place}{os.pathsep}{GO_LIBRARIES}",
        "GOCACHE": str(generators.TOOLS / "go"),
        "CGO_ENABLED": "0",
    }
