"""The record of HTTP exchanges: one JSON line each, from any test and any process of a test.

`record(...)` appends to a file of this process in the folder that the environment variable
CYNOD_EXCHANGES names, and does nothing when it names none; `make test` sets it. A test that starts
a process of its own hands the variable on and that process calls `record` too. The test is the one
that pytest runs (PYTEST_CURRENT_TEST, which child processes inherit).

No secret is written: of Authorization the scheme only, of a secret its form, of a card number the
first six and the last four digits unless it is one of the demo's, which are published so that a
request can be sent again; of an answer its shape. `tests.lab.coverage` reads it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes, unquote_to_bytes, urlsplit

FOLDER = "CYNOD_EXCHANGES"
SECRET = "$SECRET"

Headers = Mapping[str, str] | Iterable[tuple[str, str]]

_lock = threading.Lock()
_open: dict[tuple[str, int], int] = {}
"""Descriptors, not files: a process that just ends leaves nothing unwritten and nothing to warn of."""

# Digits inside a word are no card number, unless what is before them is an escaped character.
_CARD = re.compile(
    r"(?:(?<![0-9A-Za-z])|(?<=%[0-9A-Fa-f]{2})|(?<=\\u[0-9A-Fa-f]{4}))"
    r"([0-9]{6})([0-9]{2,})([0-9]{4})(?![0-9A-Za-z])"
)
_MASKED = re.compile(r"(?<![0-9A-Za-z])([0-9]{6})(0{2,9})([0-9]{4})(?![0-9A-Za-z])")
DEMO = frozenset(
    {
        *("7019800100009569", "7019800100009577", "7019800100009585", "7019800100009593"),
        *("7019800100009601", "7019800200000017", "7019800100009619", "7019800100009627"),
        *("221771234567", "221770000002"),
    }
)
"""Cards and telephones of `cynod serve --demo`, as the README tells them."""

DEMO_CODE = "codeDeDemonstrationQuiNOuvreRienEnProduction"
"""The demo's code of withdrawal, which the contract shows."""

GREATEST = frozenset({"9007199254740991", "9007199254740992"})
"""The greatest number that JSON's readers agree on, and the next one: bounds, and as long as a card's."""

_FORM_SECRET = re.compile(r"(client_secret|access_token|token)=([^&\s]*)")
_JSON_SECRET = re.compile(r'("(?:client_secret|access_token|token)"\s*:\s*")((?:[^"\\]|\\.)*)')
# A code of withdrawal has no sign that is escaped; what has one is a test's, and nobody's code.
_JSON_CODE = re.compile(r'("codeRetrait"\s*:\s*")([^"\\]*)(?=")')
_UNTOLD = frozenset(
    {"host", "user-agent", "accept-encoding", "connection", "content-length", "cookie"}
    | {"x-schemathesis-testcaseid"}
)
LARGEST_BODY = 400_000
LARGEST_HEADER = 200


def mask(text: str) -> str:
    """The text with the middle digits of every card number made 0: as long, and of the same form."""
    return _CARD.sub(lambda found: _hidden(found, "0"), text)


def star(text: str) -> str:
    """A masked text as it is shown: stars for the digits that are not told."""
    return _MASKED.sub(lambda found: _hidden(found, "*"), text)


def _hidden(found: re.Match[str], sign: str) -> str:
    return found[0] if found[0] in DEMO | GREATEST else found[1] + sign * len(found[2]) + found[3]


def _hide_form(found: re.Match[str]) -> str:
    value = unquote_to_bytes(found[2])
    if re.fullmatch(rb"[ -~]{1,256}", value):
        return f"{found[1]}={SECRET}"
    # What is refused for its form keeps its form, and no letter of it.
    return f"{found[1]}={quote_from_bytes(re.sub(rb'[0-9A-Za-z]', b'x', value))}"


def _hide_code(found: re.Match[str]) -> str:
    hidden = re.sub("[0-9A-Za-z]", "x", found[2])
    return found[0] if found[2] == DEMO_CODE else found[1] + hidden


def sanitise(text: str) -> str:
    """A query or a body without secrets and card numbers, fitting or breaking the contract as before."""
    if "codeRetrait" in text:
        text = _JSON_CODE.sub(_hide_code, text)
    if "secret" in text or "token" in text:
        text = _FORM_SECRET.sub(_hide_form, text)
        text = _JSON_SECRET.sub(lambda found: found[1] + SECRET, text)
    return mask(text)


def shape(value: Any) -> Any:
    """The form of a JSON value: field names and types, each form of a list's items once."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        forms: list[Any] = []
        for item in value:
            form = shape(item)
            if form not in forms:
                forms.append(form)
        return forms
    if value is None:
        return None
    if isinstance(value, bool):
        return "boolean"
    return "number" if isinstance(value, int | float) else "string"


def _headers(headers: Headers) -> list[tuple[str, str]]:
    pairs = headers.items() if isinstance(headers, Mapping) else headers
    told = []
    for name, value in pairs:
        lower = name.lower()
        if lower == "authorization":
            scheme = value.split(" ")[0].lower()
            told.append((lower, scheme if scheme in ("bearer", "basic") else "other"))
        elif lower not in _UNTOLD:
            short = value if len(value) <= LARGEST_HEADER else f"<{len(value)} characters>"
            told.append((lower, mask(short)))
    return told


def _answer(status: int, media_type: str, body: bytes) -> dict[str, Any]:
    if not body:
        return {"code": None, "message": None, "shape": None}
    if media_type == "text/csv":
        first, _, rest = body.decode("utf-8", "replace").partition("\r\n")
        return {"code": str(status), "message": None, "shape": {"csv": first, "lines": bool(rest)}}
    try:
        value = json.loads(body)
    except ValueError:
        return {"code": None, "message": None, "shape": None}
    told = value if isinstance(value, dict) else {}
    code = str(status) if status == 200 else told.get("code")
    message = told.get("message")
    return {
        "code": code,
        "message": mask(message) if isinstance(message, str) else None,
        "shape": shape(value),
    }


def record(
    method: str,
    target: str,
    headers: Headers,
    body: bytes | None,
    *,
    status: int,
    answer_headers: Headers,
    answer: bytes,
) -> None:
    """Record one exchange: a request as it was sent, and its final answer.

    `target` is the path with its query as it travelled; `body` is None when it is no longer known
    (it was streamed). Of `answer` the code, the message and the shape are kept.
    """
    folder = os.environ.get(FOLDER)
    if not folder:
        return
    path, _, query = target.partition("?")
    pairs = list(answer_headers.items() if isinstance(answer_headers, Mapping) else answer_headers)
    content_type = next((v for n, v in pairs if n.lower() == "content-type"), "")
    media_type = content_type.split(";")[0].strip()
    text: str | int | None = None
    if body is not None:
        # A body too large to be kept is told by its size.
        text = sanitise(body.decode("latin-1")) if len(body) <= LARGEST_BODY else len(body)
    line = {
        "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
        "method": method,
        "path": mask(path)[:400],
        "query": sanitise(query)[:10_000],
        "headers": _headers(headers),
        "body": text,
        "status": status,
        "answer_headers": sorted({name.lower() for name, value in pairs if value}),
        "media_type": media_type,
        **_answer(status, media_type, answer),
    }
    _write(folder, json.dumps(line, separators=(",", ":")))


def record_bytes(request: bytes, *, status: int, answer_headers: Headers, answer: bytes) -> None:
    """Record an exchange whose request was written by hand, however malformed."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, *_ = [*first.split(" "), "", ""]
    headers = [(n.strip(), v.strip()) for n, _, v in (line.partition(":") for line in lines)]
    chunked = any(n.lower() == "transfer-encoding" for n, _ in headers)
    record(
        method,
        target,
        headers,
        None if chunked else body,
        status=status,
        answer_headers=answer_headers,
        answer=answer,
    )


def record_schemathesis(response: Any) -> None:
    """Record what Schemathesis sent and got; one call in a check of its hooks does."""
    request = response.request
    address = urlsplit(str(request.url))
    body = request.body
    record(
        str(request.method),
        address.path + (f"?{address.query}" if address.query else ""),
        {name: str(value) for name, value in request.headers.items()},
        body.encode() if isinstance(body, str) else body if isinstance(body, bytes) else b"",
        status=response.status_code,
        answer_headers={name: ", ".join(values) for name, values in response.headers.items()},
        answer=response.content,
    )


def _write(folder: str, line: str) -> None:
    with _lock:
        key = (folder, os.getpid())
        if key not in _open:
            # A folder given up by the run that made it is no reason for a test to fail.
            with contextlib.suppress(OSError):
                Path(folder).mkdir(parents=True, exist_ok=True)
            target = Path(folder) / f"{key[1]}.jsonl"
            _open[key] = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        os.write(_open[key], f"{line}\n".encode())


def close_all() -> None:
    """Close the files of this process; the next exchange opens its own again."""
    with _lock:
        for descriptor in _open.values():
            os.close(descriptor)
        _open.clear()
