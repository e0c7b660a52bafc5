"""An address of several hosts, of which one can be written to: libpq's own list, for clusters.

libpq tries them in their order each time. One that says nothing, switched off or cut off, then costs every
new connection the whole time that one may take (`connect_timeout`), which can be all that a call has. So the
host that took the last connection is tried first.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_LISTED = re.compile(
    r"(?P<before>postgres(?:ql)?(?:\+psycopg)?://(?:[^@/]*@)?)(?P<hosts>[^/?]*,[^/?]*)(?P<path>[^?]*)"
    r"\??(?P<query>.*)"
)
_PORT = "5432"


def spell_out(given: str) -> str:
    """SQLAlchemy's form of libpq's `//h1:5432,h2:5432/name`, which it does not read; any other as it is."""
    found = _LISTED.fullmatch(given)
    if found is None or ":" not in found["hosts"]:
        return given
    hosts = [one if ":" in one else f"{one}:{_PORT}" for one in found["hosts"].split(",")]
    query = [*(f"host={one}" for one in hosts), *filter(None, [found["query"]])]
    return f"{found['before']}{found['path']}?{'&'.join(query)}"


class Hosts:
    """The hosts of an engine's address, and which of them took the last connection."""

    def __init__(self) -> None:
        self._first = 0

    def in_order(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """psycopg's parameters, the host first that took the last connection."""
        first, turned = self._first, dict(given)
        for name in ("host", "hostaddr", "port"):
            values = str(given.get(name, "")).split(",")
            if len(values) > 1:
                turned[name] = ",".join([*values[first:], *values[:first]])
        return turned

    def remember(self, given: Mapping[str, Any], host: str, port: int) -> None:
        """Which of these parameters' hosts took a connection: where it is."""
        hosts = str(given.get("host", "")).split(",")
        if len(hosts) == 1:
            return
        ports = str(given.get("port", "")).split(",")
        each = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=True)
        for at, (one, its_port) in enumerate(each):
            if (one, its_port or str(port)) == (host, str(port)):
                self._first = at
                return
