"""The pages for people: the contract as it is, and a console (Swagger UI) that shows it.

Everything comes from this server, whose files are there at start, so that the console works offline and
under a Content-Security-Policy without exceptions.
"""

from __future__ import annotations

import hashlib
import html
import json
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

_UI = Path(__file__).resolve().parent.parent / "ui"
_VENDORED = _UI / "swagger-ui"

_OWN_FILES = ("icon.svg", "init.js", "style.css")
_VENDORED_FILES = ("swagger-ui-bundle.js", "swagger-ui-bundle.js.LICENSE.txt", "swagger-ui.css")

_CONTENT_TYPES = {
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".txt": b"text/plain; charset=utf-8",
}

# Swagger UI styles its elements through the DOM, which needs no 'unsafe-inline'; its icons are
# `data:` images.
_CONTENT_SECURITY_POLICY = (
    b"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_REVALIDATE = b"no-cache"
_FOR_EVER = b"public, max-age=31536000, immutable"


class Page:
    """An answer to GET, finished when it is first asked for: body, and headers without content-length.

    Who serves payments should not keep two megabytes of a console that nobody opens.
    """

    def __init__(self, read: Callable[[], bytes], headers: list[tuple[bytes, bytes]]) -> None:
        self._read = read
        self._headers = headers

    @cached_property
    def body(self) -> bytes:
        """What is served."""
        return self._read()

    @cached_property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """The type, how long a browser may keep it, and its ETag."""
        etag = f'"{hashlib.sha256(self.body).hexdigest()[:32]}"'
        return [*self._headers, (b"etag", etag.encode())]


def pages(contract: bytes, contract_json: bytes) -> dict[str, Page]:
    """Every page by its path: the contract (YAML as it is, and JSON), the console, its files."""
    version = _swagger_ui_version()
    # A new release has new addresses, so a browser may keep those of this one for ever.
    vendored_path = f"/ui/swagger-ui-{version}"
    title = str(json.loads(contract_json)["info"]["title"])
    console = (
        (_UI / "index.html")
        .read_text(encoding="utf-8")
        .replace("@SWAGGER_UI@", vendored_path)
        .replace("@TITLE@", html.escape(title))
    )
    result = {
        "/openapi.yaml": _page(contract, b"application/yaml"),
        "/openapi.json": _page(contract_json, b"application/json"),
        "/ui": _page(
            console.encode(),
            b"text/html; charset=utf-8",
            (b"content-security-policy", _CONTENT_SECURITY_POLICY),
            (b"referrer-policy", b"no-referrer"),
        ),
    }
    for name in _OWN_FILES:
        result[f"/ui/{name}"] = _file(_UI / name, _REVALIDATE)
    for name in _VENDORED_FILES:
        result[f"{vendored_path}/{name}"] = _file(_VENDORED / name, _FOR_EVER)
    return result


def _swagger_ui_version() -> str:
    """The release that `handlers/ui/update.sh` wrote down, such as 5.1.0."""
    name_and_version, _, _ = (_VENDORED / "VERSION").read_text(encoding="ascii").partition("\n")
    return name_and_version.split(" ")[1]


def _file(path: Path, cache: bytes) -> Page:
    path.stat()  # An installation without its files is told at start, not by the first reader.
    return Page(path.read_bytes, _headers(_CONTENT_TYPES[path.suffix], cache))


def _page(body: bytes, content_type: bytes, *more: tuple[bytes, bytes]) -> Page:
    return Page(lambda: body, _headers(content_type, _REVALIDATE, *more))


def _headers(
    content_type: bytes, cache: bytes, *more: tuple[bytes, bytes]
) -> list[tuple[bytes, bytes]]:
    return [
        (b"content-type", content_type),
        (b"cache-control", cache),
        (b"x-content-type-options", b"nosniff"),
        *more,
    ]
