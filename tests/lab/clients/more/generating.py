"""The further generators: the command of each, as docs/clients.md tells it, and the files it is judged by.

Nobody downloads these clients, so they have no package; what they cost is paid by `make clients ALL=1` alone.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from handlers.contract.edition import edition_31
from tests.lab.clients.generators import (
    JAVA_IN_HASTE,
    PYTHON,
    generator_jar,
    install,
    run,
)
from tests.support.contract_client import CONTRACT, DOCUMENT, ROOT

HERE = Path(__file__).parent
TOOLS = ROOT / "build" / "clients-more-tools"
CLIENTS = TOOLS / "clients"
"""Below the tools: what is written in TypeScript finds its libraries above it."""


@dataclass(frozen=True, slots=True)
class Generator:
    """One client: the command that makes it in the folder where it is run, and the files to read names from.

    {contract} is the file, {edition} its 3.1 edition; `operations` says whether it has them, or schemas only.
    """

    command: tuple[str, ...]
    sources: str
    operations: bool = True


def _openapi_generator(language: str, *options: str) -> tuple[str, ...]:
    generate = ("generate", "-i", "{contract}", "-o", ".", "-g", language)
    return ("openapi-generator-cli", *generate, *options)


MORE = {
    "typescript-axios": Generator(_openapi_generator("typescript-axios"), "*.ts"),
    "ruby": Generator(
        _openapi_generator(
            "ruby", "--additional-properties", "gemName=cynod_client,moduleName=CynodClient"
        ),
        "lib/**/*.rb",
    ),
    "rust": Generator(
        _openapi_generator("rust", "--additional-properties", "packageName=cynod"), "src/**/*.rs"
    ),
    "swagger-typescript-api": Generator(
        ("swagger-typescript-api", "generate", "-p", "{contract}", "-o", ".", "-n", "api.ts"),
        "api.ts",
    ),
    "orval-zod": Generator(("orval", "--config", "../../orval.config.mjs"), "*.ts"),
    "kubb": Generator(("kubb", "generate", "--config", "../../kubb.config.mjs"), "clients/*.ts"),
    "datamodel-code-generator": Generator(
        ("datamodel-codegen", "--input", "{edition}", "--output", "cynod.py"), "cynod.py", False
    ),
}


STORIES = {
    "typescript-axios": ("story.ts", "typescript-axios.ts"),
    "swagger-typescript-api": ("story.ts", "swagger-typescript-api.ts"),
    "orval-zod": ("story.ts", "orval-zod.ts", "http.ts"),
    "kubb": ("story.ts", "kubb.ts"),
    "ruby": ("story.rb",),
    "datamodel-code-generator": ("story.py",),
}
"""What a client plays; Rust's is not built, as Debian's cargo and reqwest are older than what it needs."""


@cache
def make_more(name: str) -> Path:
    """The folder of one of these clients, made anew once a run. Raises ClientError."""
    install_more()
    generator = MORE[name]
    folder = CLIENTS / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for story in STORIES.get(name, ()):
        shutil.copy(HERE / "stories" / story, folder)
    for config in HERE.glob("*.config.mjs"):
        shutil.copy(config, TOOLS)
    edition = TOOLS / "openapi-3.1.json"
    edition.write_text(json.dumps(edition_31(DOCUMENT), ensure_ascii=False), encoding="utf-8")
    asked = [part.format(contract=CONTRACT, edition=edition) for part in generator.command]
    said = run(
        [*_program(asked[0]), *asked[1:]],
        cwd=folder,
        CONTRACT=str(CONTRACT),
        CLIENT=str(folder),
        NO_COLOR="1",
    )
    (folder / "generation.log").write_text(said, encoding="utf-8")
    return folder


def install_more() -> None:
    """The tools, from their lock files: those of the other clients, and npm's of these."""
    install()
    pins = (HERE / "package-lock.json").read_text(encoding="utf-8")
    stamp = TOOLS / ".installed"
    if stamp.exists() and stamp.read_text(encoding="utf-8") == pins:
        return
    shutil.rmtree(TOOLS, ignore_errors=True)
    TOOLS.mkdir(parents=True)
    for one in ("package.json", "package-lock.json", "tsconfig.json"):
        shutil.copy(HERE / one, TOOLS)
    run(["npm", "ci", "--ignore-scripts", "--silent"], cwd=TOOLS)
    stamp.write_text(pins, encoding="utf-8")


def _program(name: str) -> list[str]:
    if name == "openapi-generator-cli":
        return ["java", *JAVA_IN_HASTE, "-jar", str(generator_jar())]
    beside_python = PYTHON.with_name(name)
    return [str(beside_python if beside_python.exists() else TOOLS / "node_modules/.bin" / name)]
