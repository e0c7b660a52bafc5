"""Internet addresses as callers and proxies write them: read, judged and counted at this one place."""

from __future__ import annotations

import re
from functools import lru_cache
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from models.adresse import Network, plain_network

Address = IPv4Address | IPv6Address

UNKNOWN = "unknown"
"""The caller's address when the proxy wrote none that can be read. It lies in no network."""

_MAX_LENGTH = 80
"""Characters of the longest text that can be an address, with a zone and a port, and some to spare."""

_IPV6_CALLER = 64
"""Bits that tell one IPv6 caller from another: the rest of them is anybody's own to vary."""

# An IPv6 address with a port stands in brackets (RFC 3986, 3.2.2); an IPv4 address needs none.
_WRITTEN = re.compile(
    r"(?P<ipv4>[0-9.]+)(?::[0-9]{1,5})?"
    r"|\[(?P<bracketed>[^\]%]+)(?:%[^\]]+)?\](?::[0-9]{1,5})?"
    r"|(?P<ipv6>[^%]+)(?:%.+)?"
)


@lru_cache(maxsize=4_096)
def parse_address(text: str) -> Address | None:
    """The address in a text of a socket or of a hop of X-Forwarded-For, None when there is none.

    White space around it, double quotes, brackets, a port and the zone of a link are no part of it.
    `::ffff:a.b.c.d` is a.b.c.d.
    """
    text = text.strip(" \t")
    if len(text) > 1 and text[0] == text[-1] == '"':
        text = text[1:-1]
    found = _WRITTEN.fullmatch(text) if len(text) <= _MAX_LENGTH else None
    if found is None:
        return None
    try:
        if found["ipv4"]:
            return IPv4Address(found["ipv4"])
        address = IPv6Address(found["bracketed"] or found["ipv6"])
    except ValueError:
        return None
    return address.ipv4_mapped or address


def is_within(address: str, networks: tuple[str, ...] | tuple[Network, ...]) -> bool:
    """Whether an address lies in one of the networks; what is no address lies in none."""
    parsed = parse_address(address)
    return parsed is not None and any(parsed in plain_network(network) for network in networks)


@lru_cache(maxsize=4_096)
def rate_key(address: str) -> str:
    """Under what name the calls from an address are counted.

    The /64 of an IPv6 address, which is what one subscriber has; all that is no address is one.
    """
    parsed = parse_address(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, IPv6Address):
        return str(IPv6Network((parsed, _IPV6_CALLER), strict=False))
    return str(parsed)


def client_address(peer: str, forwarded_for: list[bytes], proxies: tuple[Network, ...]) -> str:
    """The caller's address: the right-most hop that is not one of our proxies, `UNKNOWN` if unreadable.

    Only what our own proxies wrote is believed; without configured proxies X-Forwarded-For is
    ignored altogether.
    """
    address = _canonical(peer)
    if not proxies or not forwarded_for:
        return address
    for hop in reversed(b",".join(forwarded_for).decode("latin-1").split(",")):
        if not is_within(address, proxies):
            break
        address = _canonical(hop)
    return address


@lru_cache(maxsize=4_096)  # callers come again and again, and to read an address takes ten calls
def _canonical(text: str) -> str:
    return str(parse_address(text) or UNKNOWN)
