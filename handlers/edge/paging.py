"""Where the next page of a list is, in a header (RFC 8288): a reader of CSV has no other place to look."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from handlers.edge.call import Call
from handlers.edge.parsing import parse_pairs

CURSOR, NEXT_CURSOR = "curseur", "curseurSuivant"
"""The parameter of a list by pages, and the field of its answer that holds the next one."""


def next_page(call: Call, curseur: str) -> tuple[str, str]:
    """The `Link` of a page that another one follows: the same request, from another position.

    It is relative to the address that was asked, so that it holds behind any proxy. It names the last part of
    the path, although a query alone would do (RFC 3986, 5.3): Java's URI resolves that one to another path.
    """
    given, _ = parse_pairs(call.query)
    query = urlencode({**given, CURSOR: curseur})
    return "Link", f'<{quote(call.path.rpartition("/")[2])}?{query}>; rel="next"'
