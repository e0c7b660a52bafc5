"""What HTTP itself asks of a request: its head, its negotiation, its body within its limit."""

from __future__ import annotations

import re

from starlette.types import Receive, Scope

from handlers.contract.model import OperationContract
from handlers.edge.call import Call, ClientGone
from handlers.edge.negotiation import MAX_PREFERENCES, choose_media_type
from handlers.edge.refusals import (
    CorpsTropGrand,
    ReponseNonAcceptable,
    RequeteMalFormee,
    TypeContenuRefuse,
)

MAX_QUERY = 8_192
MAX_HEADERS = 32_768
MAX_HEADER_COUNT = 100
"""Limits of a request's head, in bytes and in number."""


_VERSIONS = ("1.1", "1.0")


# RFC 3986, 3.2.2: a name, an IPv4 or an IPv6 address, and a port. RFC 9112 allows an empty one.
_HOST = re.compile(
    rb"(?:\[[0-9A-Fa-f:.]+\]|(?:[A-Za-z0-9._~!$&'()*+;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?"
)


def check_head(scope: Scope, call: Call) -> None:
    headers = scope["headers"]
    if (
        len(call.query) > MAX_QUERY
        or len(headers) > MAX_HEADER_COUNT
        or sum([len(name) + len(value) for name, value in headers]) > MAX_HEADERS
    ):
        raise RequeteMalFormee
    if len(call.headers.get(b"accept", b"")) > MAX_PREFERENCES:
        raise RequeteMalFormee("Accept")
    version, host = scope["http_version"], call.headers.get(b"host")
    if version not in _VERSIONS:
        raise RequeteMalFormee
    # RFC 9112, 3.2: a server must refuse an HTTP/1.1 request without a valid Host, or with several.
    if b"host" in call.repeated or (host is None and version == "1.1"):
        raise RequeteMalFormee("Host")
    if host is not None and not _HOST.fullmatch(host):
        raise RequeteMalFormee("Host")
    # RFC 9112, 6.1: a coding that is not understood; any beside chunked is one.
    if call.headers.get(b"transfer-encoding", b"chunked").lower() != b"chunked":
        raise RequeteMalFormee("Transfer-Encoding")


def check_http(call: Call, operation: OperationContract) -> None:
    headers = call.headers
    media_type = choose_media_type(headers.get(b"accept"), operation.media_types)
    if media_type is None:
        raise ReponseNonAcceptable
    call.media_type = media_type
    if b"content-length" in call.repeated:
        raise RequeteMalFormee("Content-Length")
    if operation.body is None:
        if b"transfer-encoding" in headers:
            raise RequeteMalFormee("Transfer-Encoding")
        if headers.get(b"content-length", b"0").strip(b"0"):
            raise RequeteMalFormee("Content-Length")
        return
    if b"content-type" in call.repeated or not _is_media_type(
        headers.get(b"content-type", b""), operation.body.media_type
    ):
        raise TypeContenuRefuse
    if b"content-encoding" in call.repeated or headers.get(
        b"content-encoding", b"identity"
    ).lower() not in (b"identity", b""):
        raise TypeContenuRefuse("Content-Encoding")


def _is_media_type(content_type: bytes, expected: str) -> bool:
    """Whether a Content-Type names the expected media type, in UTF-8 if it names a charset."""
    media_type, *parameters = content_type.decode("latin-1").lower().split(";")
    if media_type.strip() != expected:
        return False
    for parameter in parameters:
        name, _, value = parameter.strip().partition("=")
        if name.strip() == "charset" and value.strip().strip('"') not in ("utf-8", "utf8"):
            return False
    return True


async def read_body(call: Call, receive: Receive, limit: int) -> bytes:
    """The whole body, refused as soon as it is larger than `limit`, before it is parsed."""
    declared = call.headers.get(b"content-length", b"0")
    if len(declared.lstrip(b"0")) > 9 or int(declared) > limit:
        raise CorpsTropGrand
    message = await receive()
    if message["type"] == "http.disconnect":
        raise ClientGone
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        if len(body) > limit:
            raise CorpsTropGrand
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        body += message.get("body", b"")
    if len(body) > limit:
        raise CorpsTropGrand
    return body
