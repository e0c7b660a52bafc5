"""Flask's request: nobody of ours asks it for anything, and whoever does finds what Flask's own says."""

from __future__ import annotations

import copy

import flask
import pytest

from handlers.edge.bridge import CynodRequest, _environ
from handlers.edge.call import Call
from models.database.waiting import Wanted

ASKED = ("path", "full_path", "url", "host", "remote_addr", "query_string", "data", "mimetype")


def environment() -> dict[str, object]:
    """That of a call with something of everything."""
    headers = {b"host": b"cynod.example", b"content-type": b"text/plain", b"x-one": b"1"}
    call = Call(
        *("POST", "/débit", b"a=1&a=2", headers, frozenset(), "192.0.2.1", "1", "fr", Wanted(60))
    )
    call.body = b"body"
    return _environ(call)


@pytest.mark.parametrize("first", [*ASKED, "args", "headers"])
def test_request_says_what_flask_s_own_says_whatever_is_asked_first(first: str) -> None:
    request, own = CynodRequest(environment()), flask.Request(environment())
    getattr(request, first)
    assert [getattr(request, name) for name in ASKED] == [getattr(own, name) for name in ASKED]
    assert request.args.to_dict(flat=False) == {"a": ["1", "2"]}
    assert list(request.headers) == list(own.headers)
    assert (request.method, request.url_rule, request.routing_exception) == ("POST", None, None)
    request.close()


def test_request_lacks_what_flask_s_own_lacks() -> None:
    request = CynodRequest(environment())
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        _ = request.nothing_of_the_kind
    with pytest.raises(AttributeError, match="neither"):
        _ = request.neither
    assert not hasattr(copy.copy(request), "__nothing__")
