"""Networks from which a partner may call, as persons write them: read and judged at this one place."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Network, ip_network

from models.errors import AdressesInvalides, ParametreInvalide

Network = IPv4Network | IPv6Network

_MAPPED = IPv6Network("::ffff:0:0/96")
"""Where IPv6 keeps the whole of IPv4 (RFC 4291, 2.5.5.2): what a socket on `::` calls 127.0.0.1."""

PLUS_LARGE = {4: 16, 6: 32}
"""Bits of the widest network of each version of IP that is a list's."""


@lru_cache(maxsize=1024)
def plain_network(network: str | Network) -> Network:
    """The network, of IPv4 when it is a part of IPv4 that is written as IPv6. Raises ValueError."""
    network = ip_network(network)
    if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
        first = network.network_address.ipv4_mapped
        assert first is not None, "the network is a part of the mapped ones"
        return IPv4Network((first, network.prefixlen - _MAPPED.prefixlen))
    return network


def read_networks(adresses: Iterable[str]) -> tuple[str, ...]:
    """The networks of a list, each once, in its order.

    Raises ParametreInvalide for what is none, AdressesInvalides for one that is too wide.
    """
    networks: dict[str, None] = {}
    for adresse in adresses:
        try:
            network = plain_network(adresse)
        except ValueError:
            raise ParametreInvalide("adresses") from None
        if network.prefixlen < PLUS_LARGE[network.version]:
            raise AdressesInvalides
        networks[str(network)] = None
    return tuple(networks)
