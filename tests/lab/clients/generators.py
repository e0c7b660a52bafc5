"""The generators of clients, one for each package of build/clients, and how each is run and checked.

Everything comes from openapi.yaml as it is. The tools are pinned (requirements.lock, node/package-lock.json)
and installed into build/clients-tools; what they make is kept until the contract or a pin changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.lab.clients.packages import add_own_files, pack
from tests.support.contract_client import CONTRACT, DOCUMENT, ROOT
from tests.support.machine import JARS
from tests.support.patience import PROGRAM_S

HERE = Path(__file__).parent
TOOLS = ROOT / "build" / "clients-tools"
CLIENTS = ROOT / "build" / "clients"
PYTHON = TOOLS / "python" / "bin" / "python"
NODE = TOOLS / "node"


VERSION = DOCUMENT["info"]["version"]
HOST = "api.cynod.example"
SITE = f"https://{HOST}"

JAVA_IN_HASTE = ("-XX:TieredStopAtLevel=1", "-Xshare:auto")
"""Programs that end after seconds: to optimise them takes longer than it saves."""

HARMLESS = {
    "Ignoring complex example on request body": "only the first example reaches Java's documentation",
    "(reserved word) cannot be used as": "Go keeps `type` for itself; the argument is `type_`",
    "AbstractRustCodegen": "Rust keeps `type` too, and writes media types as names of its own",
}
"""Warnings that concern the generator, and why they do not concern the contract."""

HARMLESS_OF = {
    "python-pydantic": {
        "Failed to get the schema name: null": "Python's generator asks each property without $ref for one",
    },
}
"""The same of one client alone: of the others this warning would tell of a named array's inline items."""


class ClientError(RuntimeError):
    """A client cannot be made; the text says why."""


@dataclass(frozen=True, slots=True)
class Generator:
    """One package: its name, its language, the arguments of its tool, and the files to read names from."""

    name: str
    tool: str
    arguments: tuple[str, ...]
    sources: str


def _openapi_generator(language: str, sources: str, *options: str, **names: str) -> Generator:
    """A client of openapi-generator, whose package has the names of its own field, and ours."""
    properties = ",".join(f"{name}={value}" for name, value in names.items())
    place = ("--git-host", HOST, "--git-user-id", "clients", "--git-repo-id", language)
    arguments = ("-g", language, *place, *options, "--additional-properties", properties)
    name = "python-pydantic" if language == "python" else language
    return Generator(name, "openapi-generator", arguments, sources)


GENERATORS = {
    one.name: one
    for one in (
        Generator("python-httpx", "openapi-python-client", (), "**/*.py"),
        _openapi_generator(
            "python",
            "cynod_client/**/*.py",
            packageName="cynod_client",
            projectName="cynod-client",
            packageVersion=VERSION,
            packageUrl=SITE,
        ),
        Generator("typescript-fetch", "openapi-typescript", (), "*.ts"),
        Generator("typescript-hey", "openapi-ts", (), "*.gen.ts"),
        _openapi_generator(
            "java",
            "src/main/java/**/*.java",
            *("--library", "native"),
            openApiNullable="false",
            useJakartaEe="true",
            hideGenerationTimestamp="true",
            groupId="cynod",
            artifactId="cynod-client",
            artifactVersion=VERSION,
            artifactDescription="API CYNOD",
            artifactUrl=SITE,
            scmUrl=SITE,
            scmConnection=SITE,
            scmDeveloperConnection=SITE,
            developerName="CYNOD",
            developerEmail=DOCUMENT["info"]["contact"]["email"],
            developerOrganization="CYNOD",
            developerOrganizationUrl=SITE,
            licenseName="Proprietary",
            licenseUrl=SITE,
            invokerPackage="cynod.client",
            apiPackage="cynod.client.api",
            modelPackage="cynod.client.model",
        ),
        _openapi_generator(
            "php",
            "lib/**/*.php",
            composerPackageName="cynod/client",
            artifactVersion=VERSION,
            artifactUrl=SITE,
            developerOrganization="CYNOD",
            developerOrganizationUrl=SITE,
            licenseName="proprietary",
            invokerPackage="Cynod\\Client",
        ),
        _openapi_generator(
            "go",
            "*.go",
            enumClassPrefix="true",
            packageName="cynod",
            packageVersion=VERSION,
        ),
        _openapi_generator(
            "kotlin",
            "src/main/kotlin/**/*.kt",
            groupId="cynod",
            artifactId="cynod-client",
            artifactVersion=VERSION,
            packageName="cynod.client",
        ),
        _openapi_generator(
            "dart",
            "lib/**/*.dart",
            pubName="cynod_client",
            pubLibrary="cynod_client.api",
            pubVersion=VERSION,
            pubDescription="API CYNOD",
            pubHomepage=SITE,
            pubAuthor="CYNOD",
        ),
    )
}


def make(name: str) -> Path:
    """The folder of a client, made when it is not there for this contract, and packed into a file beside
    it. Raises ClientError."""
    folder = CLIENTS / name
    with _made_anew(GENERATORS[name], folder, CONTRACT) as needed:
        if needed:
            if _template(name).exists():
                add_own_files(_template(name), folder)
            pack(folder)
    return folder


def make_of_published(name: str, version: str) -> Path:
    """The folder of a client as a partner made it from a published contract: no package is offered of it.
    Raises ClientError."""
    folder = CLIENTS.with_name(f"clients-{version}") / name
    published = CONTRACT.parent / "docs" / "contract" / f"{version}.yaml"
    with _made_anew(GENERATORS[name], folder, published):
        return folder


@contextmanager
def _made_anew(generator: Generator, folder: Path, contract: Path) -> Iterator[bool]:
    """Whether a client had to be generated; it counts as made when the block has ended well."""
    stamp, identity = folder / ".made", _identity(generator, contract)
    with _alone("-".join(folder.parts[-2:])):
        if stamp.exists() and stamp.read_text() == identity:
            yield False
            return
        install()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        said = _generate(generator, folder, str(contract))
        (folder / "generation.log").write_text(said, encoding="utf-8")
        yield True
        stamp.write_text(identity)


def warnings_of(name: str, log: str) -> list[str]:
    """The warnings and errors in what a client's generator said, those left out that concern itself."""
    harmless = (*HARMLESS, *HARMLESS_OF.get(name, ()))
    lines = re.findall(r"^.*(?:\bWARN\b|\bERROR\b|^Warning|warning:).*$", log, re.MULTILINE)
    return [line for line in lines if not any(text in line for text in harmless)]


def run(command: list[str], *, cwd: Path, **environment: str) -> str:
    """What a program prints on both streams. Raises ClientError when it fails."""
    done = subprocess.run(
        command,
        cwd=cwd,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PROGRAM_S,
        check=False,
    )
    if done.returncode != 0:
        raise ClientError(
            f"{' '.join(command)[:300]} ended with {done.returncode}:\n{done.stdout[-4000:]}"
        )
    return done.stdout


def generator_jar() -> Path:
    """openapi-generator, which also has the Jackson that its Java client needs."""
    (found,) = (TOOLS / "python").glob("lib/*/site-packages/openapi_generator_cli/*.jar")
    return found


def class_path() -> str:
    """What the Java client is compiled against."""
    return os.pathsep.join(map(str, (generator_jar(), *JARS)))


def _generate(generator: Generator, folder: Path, contract: str) -> str:
    if generator.tool == "openapi-generator":
        command = ["-jar", str(generator_jar()), "generate", "-i", contract, "-o", str(folder)]
        return _java(*command, *generator.arguments)
    if generator.tool == "openapi-python-client":
        tool = str(PYTHON.with_name("openapi-python-client"))
        config = str(HERE / "openapi-python-client.yaml")
        command = [
            tool,
            "generate",
            "--path",
            contract,
            "--output-path",
            str(folder),
            "--overwrite",
        ]
        return run([*command, "--config", config], cwd=TOOLS)
    tool = str(NODE / "node_modules" / ".bin" / generator.tool)
    if generator.tool == "openapi-typescript":
        return run([tool, contract, "-o", str(folder / "schema.d.ts")], cwd=NODE, NO_COLOR="1")
    return run([tool, "-i", contract, "-o", str(folder), "--no-log-file"], cwd=NODE, NO_COLOR="1")


def _java(*command: str) -> str:
    """Run openapi-generator. Its first run leaves the classes that it loaded, which is half of its work."""
    archive = TOOLS / "generator.jsa"
    with _alone("classes"):
        if not archive.exists():
            made = archive.with_suffix(".new")
            silent = ("-Xlog:disable", "-Xlog:all=error:stderr")
            leaving = (*silent, f"-XX:ArchiveClassesAtExit={made}")
            said = run(["java", *JAVA_IN_HASTE, *leaving, *command], cwd=TOOLS)
            made.replace(archive)
            return said
    # One that another Java has left is passed over.
    return run(["java", *JAVA_IN_HASTE, f"-XX:SharedArchiveFile={archive}", *command], cwd=TOOLS)


def install() -> None:
    """The tools, from their lock files."""
    with _alone("tools"):
        pins = _pins()
        stamp = TOOLS / ".installed"
        if stamp.exists() and stamp.read_text() == pins:
            return
        shutil.rmtree(TOOLS, ignore_errors=True)
        TOOLS.mkdir(parents=True)
        # The pip of this environment serves that one: to install another takes seconds.
        run([sys.executable, "-m", "venv", "--without-pip", str(TOOLS / "python")], cwd=TOOLS)
        pip = [sys.executable, "-m", "pip", "--python", str(PYTHON), "--disable-pip-version-check"]
        # What the lock names, and nothing that pip resolves or builds.
        locked = ["--no-deps", "--only-binary", ":all:", "--require-hashes"]
        run([*pip, "install", "-qq", *locked, "-r", str(HERE / "requirements.lock")], cwd=TOOLS)
        run([*pip, "check"], cwd=TOOLS)
        shutil.copytree(HERE / "node", NODE)
        run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=NODE)
        stamp.write_text(pins)


def _pins() -> str:
    made = hashlib.sha256()
    for path in (
        HERE / "requirements.lock",
        HERE / "node" / "package-lock.json",
        HERE / "node" / "tsconfig.json",
    ):
        made.update(path.read_bytes())
    return made.hexdigest()


def _template(name: str) -> Path:
    """What a client has beside what is generated, where that is no package by itself."""
    return HERE / name.replace("-", "_") / "package"


def _identity(generator: Generator, contract: Path) -> str:
    own = hashlib.sha256(repr(generator).encode())
    template = sorted(_template(generator.name).rglob("*"))
    for path in (Path(__file__), HERE / "packages.py", *template):
        own.update(path.read_bytes())
    return f"{_pins()} {hashlib.sha256(contract.read_bytes()).hexdigest()} {own.hexdigest()}"


@contextmanager
def _alone(name: str) -> Iterator[None]:
    """One process at a time: the tests run in several."""
    locks = ROOT / "build" / "clients-locks"
    locks.mkdir(parents=True, exist_ok=True)
    with (locks / name).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
