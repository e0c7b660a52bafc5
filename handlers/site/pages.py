"""The pages for people: the partner's pages, the contract as it is, its Postman collection, and a console
(Swagger UI) that shows it.

Everything comes from this server, whose files are there at start, so that the pages work offline and
under a Content-Security-Policy without exceptions. Their links are relative: they work under any prefix,
and `make docs` writes the same pages for a server of files.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from handlers.contract.edition import edition_31_json
from handlers.contract.model import Contract
from handlers.contract.surface import PARTENAIRE, SURFACES, Surface
from handlers.edge.document import Document
from handlers.settings import ROOT
from handlers.site.packages import Package

_UI = Path(__file__).with_name("ui")
_VENDORED = _UI / "swagger-ui"

_OWN_FILES = ("access.js", "icon.svg", "init.js", "page.css", "page.js", "style.css")
_VENDORED_FILES = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css")

_CONTENT_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "base-uri 'none'; form-action 'none'"
)
_BASED_POLICY = PAGE_POLICY.replace("base-uri 'none'", "base-uri 'self'")
# Swagger UI styles its elements through the DOM, which needs no 'unsafe-inline'; its icons are
# `data:` images.
CONSOLE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
# A browser ignores it, with a warning, where the page itself declares its policy.
_NO_FRAMES = "; frame-ancestors 'none'"

_PAGES = ("index", "doc/concepts", "doc/codes", "doc/telechargements")
"""Those of every contract, beside one per operation and, where something is told of it, its changes."""

_SEARCHED = "doc/recherche.js"


@dataclass(frozen=True, slots=True)
class File:
    """A file beside the first page: what it holds, its type, and in Markdown what it is."""

    read: Callable[[Contract], bytes]
    media_type: bytes
    words: str


_POSTMAN = {
    False: "la collection Postman : renseignez `baseUrl`, `consumerKey` et `consumerSecret`, "
    "elle demande elle-même son jeton",
    True: "la collection Postman : renseignez `baseUrl` et `jeton`, celui d'une personne",
}
"""What is said of the collection: of partners, and of persons."""


def files(*, persons: bool) -> dict[str, File]:
    """What every contract has to download, by its name."""
    return {
        "openapi.yaml": File(
            lambda contract: contract.source, b"application/yaml", "le contrat, tel qu'il est écrit"
        ),
        "openapi.json": File(
            lambda contract: contract.json, b"application/json", "le même, en JSON"
        ),
        "openapi-3.1.json": File(
            lambda contract: edition_31_json(contract.document),
            b"application/json",
            "son édition OpenAPI 3.1, qui en est déduite et dit la même chose",
        ),
        "collection.postman.json": File(collection, b"application/json", _POSTMAN[persons]),
    }


_REVALIDATE = b"no-cache"
_FOR_EVER = b"public, max-age=31536000, immutable"


def pages(
    contract: Contract, clients: list[Package], changelog: Path = ROOT / "CHANGELOG.md"
) -> dict[str, Document]:
    """Every page by its path: the partner's, the contract (YAML as it is published, JSON, and its 3.1
    edition), its collection, its clients, the console, their files. All are below the prefix of the contract.
    """
    written = partner_pages(contract, clients, changelog)
    result = {
        f"/{path}": _html_page(read, PAGE_POLICY)
        if path.endswith(".html")
        else _page(read, _CONTENT_TYPES[".js"])
        for path, read in written.items()
    }
    result["/"] = result["/index.html"]
    if contract.surface.prefix:
        # As people type it, without the slash: its links are then below it by the page's own word.
        result[""] = _html_page(partial(_below, written["index.html"], contract), _BASED_POLICY)
    console = _html_page(lambda: console_page(contract, root="./", here="ui/"), CONSOLE_POLICY)
    # A redirect would be built from a Host that a proxy may have changed: here is a page of its own.
    inside = _html_page(lambda: console_page(contract, root="../", here="./"), CONSOLE_POLICY)
    result |= {"/ui": console, "/ui/": inside, "/ui/index.html": inside}
    for name, one in files(persons=contract.surface.persons).items():
        result[f"/{name}"] = _page(partial(one.read, contract), one.media_type)
    for client in clients:
        result[f"/clients/{client.file.name}"] = _page(client.file.read_bytes, b"application/zip")
    for path, file in console_files().items():
        file.stat()  # An installation without its files is told at start, not by the first reader.
        cache = _FOR_EVER if file.parent == _VENDORED else _REVALIDATE
        result[f"/ui/{path}"] = _page(file.read_bytes, _CONTENT_TYPES[file.suffix], cache)
    return {f"{contract.surface.prefix}{path}": page for path, page in result.items()}


def _below(read: Callable[[], bytes], contract: Contract) -> bytes:
    """A page whose links start in the folder of the contract, wherever a proxy has put that."""
    folder = contract.surface.prefix.rpartition("/")[2]
    return read().replace(b"<head>", f'<head>\n    <base href="{folder}/">'.encode(), 1)


def console_files() -> dict[str, Path]:
    """What the pages load, by its place below `ui/`."""
    # A new release has new addresses, so a browser may keep those of this one for ever.
    vendored = f"swagger-ui-{_swagger_ui_version()}"
    return {name: _UI / name for name in _OWN_FILES} | {
        f"{vendored}/{name}": _VENDORED / name for name in _VENDORED_FILES
    }


def partner_pages(
    contract: Contract, clients: list[Package], changelog: Path, *, static: bool = False
) -> dict[str, Callable[[], bytes]]:
    """What writes each of the partner's pages, and what their search looks in, by its path below the prefix.

    Nothing is written before it is asked for. `static` pages declare their policy themselves.
    """
    text = changelog.read_text(encoding="utf-8") if changelog.exists() else ""
    changes = changes_of(contract.surface, text)

    @cache
    def renderer() -> Callable[[str], bytes]:
        from handlers.site import page  # noqa: PLC0415 - half a second and 6 MiB, for pages few open

        own = files(persons=contract.surface.persons)
        downloads = [page.Download(name, one.words) for name, one in own.items()]
        policy = PAGE_POLICY if static else None
        return page.Site(contract, clients, changes, downloads, policy).render

    def write(path: str) -> bytes:
        return renderer()(path)

    names = [*_PAGES, *(["doc/changements"] if changes else [])]
    names += [f"doc/{operation}" for operation in contract.operations]
    paths = [*(f"{name}.html" for name in names), _SEARCHED]
    return {path: partial(write, path) for path in paths}


def changes_of(surface: Surface, changelog: str) -> str:
    """Of the changelog, what is told of this contract: partners read nothing of the back office.

    What stands above its first version is for who writes the file.
    """
    sections = re.split(r"^(?=## )", changelog, flags=re.MULTILINE)[1:]
    return "".join(one for one in sections if _surface_of(one) is surface)


def _surface_of(section: str) -> Surface:
    title = section.partition("\n")[0].removeprefix("## ").strip()
    named = [one for one in SURFACES.values() if one.prefix and title.startswith(one.heading(""))]
    return named[0] if named else PARTENAIRE


def collection(contract: Contract) -> bytes:
    """The Postman collection."""
    from handlers.site import postman  # noqa: PLC0415 - as above

    return postman.render(contract)


def console_page(contract: Contract, *, root: str, here: str, static: bool = False) -> bytes:
    """The console's page: `root` leads to the folder of the contract, `here` to that of its own files.

    A `static` one declares its policy itself, and calls nothing: no API is where it lies.
    """
    policy = f'<meta http-equiv="Content-Security-Policy" content="{CONSOLE_POLICY}">'
    values = {
        "@SWAGGER_UI@": f"{here}swagger-ui-{_swagger_ui_version()}",
        "@HERE@": here,
        "@ROOT@": f"{root}index.html" if static else root,
        "@CONTRACT@": f"{root.removeprefix('./')}openapi",
        "@PREFIX@": contract.surface.prefix,
        "@TITLE@": html.escape(str(contract.document["info"]["title"])),
        "@POLICY@": policy if static else "",
        "@CREDENTIALS@": (
            "le jeton d’une personne"
            if contract.surface.persons
            else "consumer-key et consumer-secret"
        ),
        "@REAL@": (
            "une demande est enregistrée, et inscrite à l’audit"
            if contract.surface.persons
            else "un crédit ou un débit change le solde de la carte"
        ),
        "@CALLS@": "non" if static else "oui",
    }
    text = (_UI / "index.html").read_text(encoding="utf-8")
    for mark, value in values.items():
        text = text.replace(mark, value)
    return text.encode()


def _swagger_ui_version() -> str:
    """The release that `handlers/site/ui/update.sh` wrote down, such as 5.1.0."""
    name_and_version, _, _ = (_VENDORED / "VERSION").read_text(encoding="ascii").partition("\n")
    return name_and_version.split(" ")[1]


def _html_page(read: Callable[[], bytes], policy: str) -> Document:
    return _page(
        read,
        b"text/html; charset=utf-8",
        _REVALIDATE,
        (b"content-security-policy", (policy + _NO_FRAMES).encode()),
        (b"referrer-policy", b"no-referrer"),
    )


def _page(
    read: Callable[[], bytes],
    content_type: bytes,
    cache: bytes = _REVALIDATE,
    *more: tuple[bytes, bytes],
) -> Document:
    return Document(
        read,
        [
            (b"content-type", content_type),
            (b"cache-control", cache),
            (b"x-content-type-options", b"nosniff"),
            *more,
        ],
    )
