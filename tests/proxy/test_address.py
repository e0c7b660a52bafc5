"""Whose call it is: addresses as sockets, proxies and operators write them."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handlers.edge.address import UNKNOWN, client_address, is_within, parse_address, rate_key

PROXIES = (ip_network("10.0.0.0/8"), ip_network("::1"))

_V4 = st.ip_addresses(v=4).map(str)
# Above what is mapped from IPv4.
_ADDRESSES_V6 = st.builds(IPv6Address, st.integers(2**64, 2**128 - 1))
_V6 = _ADDRESSES_V6.map(str)
_TEXT = st.text() | st.text(alphabet='0123456789abcdef.:[]%"/ \t')
_ANYTHING = st.one_of(_V4, _V6, _TEXT)
_PORT = st.integers(0, 65_535)
_WAYS_V4 = ("{0}", "{0}:{1}", '"{0}"', '"{0}:{1}"', " {0}\t", "::ffff:{0}", "[::ffff:{0}]:{1}")
_WAYS_V6 = ("{0}", "[{0}]", "[{0}]:{1}", '"[{0}]:{1}"', "{0}%eth0", "[{0}%25eth0]:{1}", "\t{0} ")

# fmt: off
_NO_ADDRESSES = (
    "", " ", '"', '""', "unknown", "_hidden", "-", "unix:", "1", "1.2.3", "1.2.3.4.5", "01.2.3.4",
    "256.1.1.1", "1.2.3.4:", "1.2.3.4:x", "1.2.3.4:123456", "1.2.3.4%eth0", "1.2.3.4/8",
    "0x7f000001", "١.2.3.4", "1.2.3.4 5.6.7.8", "for=1.2.3.4", "api.example", "[1.2.3.4]:80", ":", "[]",
    "[::1", "::1]", "[::1]x", "[::1]:", "::1%", "::1/64", "::1::", "%eth0", "[%e]", "1.2.3.4\x00",
    "1.2.3.4\xa0", "1.2.3.4\n", "1" * 10_000, f"::1%{'e' * 10_000}",
)
# fmt: on


def _bytes(text: str) -> bytes:
    return text.encode("latin-1", "replace")


@given(_V4, _PORT, st.sampled_from(_WAYS_V4))
def test_ipv4_address_is_read_however_it_is_written(address: str, port: int, way: str) -> None:
    assert parse_address(way.format(address, port)) == IPv4Address(address)


@given(_V6, _PORT, st.sampled_from(_WAYS_V6))
def test_ipv6_address_is_read_however_it_is_written(address: str, port: int, way: str) -> None:
    assert parse_address(way.format(address, port)) == IPv6Address(address)


@pytest.mark.parametrize(
    "text",
    _NO_ADDRESSES,
)
def test_what_is_no_address_is_told_from_one(text: str) -> None:
    assert parse_address(text) is None
    assert rate_key(text) == UNKNOWN
    assert not is_within(text, ("0.0.0.0/0", "::/0"))


@given(_ANYTHING, st.lists(_ANYTHING.map(_bytes)))
def test_forwarded_for_is_ignored_without_proxies(peer: str, headers: list[bytes]) -> None:
    assert client_address(peer, headers, ()) == str(parse_address(peer) or UNKNOWN)


@given(_TEXT)
def test_forwarded_for_of_a_stranger_is_ignored(claimed: str) -> None:
    assert client_address("192.0.2.7", [_bytes(claimed)], PROXIES) == "192.0.2.7"


@given(st.lists(_ANYTHING, max_size=4), st.sampled_from(_WAYS_V4), _PORT)
def test_what_the_caller_writes_at_the_left_never_wins(
    spoofed: list[str], way: str, port: int
) -> None:
    hops = [*spoofed, way.format("198.51.100.9", port), way.format("10.1.1.1", port)]
    for headers in ([_bytes(", ".join(hops))], [_bytes(hop) for hop in hops]):
        assert client_address("::ffff:10.0.0.1", headers, PROXIES) == "198.51.100.9"


@given(st.lists(_ANYTHING.map(_bytes), min_size=1))
def test_caller_behind_a_proxy_is_an_address_or_is_unknown(headers: list[bytes]) -> None:
    """Whatever the header says: an address in its one form, so that nothing else is ever compared."""
    found = client_address("10.0.0.1", headers, PROXIES)
    assert found == UNKNOWN or str(parse_address(found)) == found


@pytest.mark.parametrize(
    "garbage", ["", "unknown", "_a", "10.1.1", "x" * 5000, '"', "\x00", "\xff"]
)
def test_hop_that_is_no_address_is_nobody_and_not_the_hop_at_its_left(garbage: str) -> None:
    headers = [_bytes(f"198.51.100.9,{garbage}, 10.1.1.1")]
    assert client_address("10.0.0.1", headers, PROXIES) == UNKNOWN


def test_hops_of_several_headers_are_read_as_one() -> None:
    headers = [b"203.0.113.1", b"198.51.100.9, 10.2.2.2"]
    assert client_address("::1", headers, PROXIES) == "198.51.100.9"


def test_call_of_a_proxy_itself_is_its_own() -> None:
    assert client_address("10.0.0.1", [b"10.9.9.9"], PROXIES) == "10.9.9.9"
    assert client_address("10.0.0.1", [], PROXIES) == "10.0.0.1"


@given(st.ip_addresses(v=4), st.integers(0, 32))
def test_network_of_ipv4_is_the_same_however_it_is_written(address: IPv4Address, bits: int) -> None:
    plain = ip_network((address, bits), strict=False)
    mapped = f"::ffff:{plain.network_address}/{96 + bits}"
    for caller in (str(address), f"::ffff:{address}"):
        assert is_within(caller, (str(plain),))
        assert is_within(caller, (mapped,))
        assert is_within(caller, (ip_network(mapped),))
    other = IPv4Address(int(address) ^ (1 << 31))
    for network in (str(plain), mapped):
        assert is_within(f"::ffff:{other}", (network,)) == (bits == 0)


def test_networks_of_ipv6_hold_no_ipv4() -> None:
    assert is_within("2001:db8::1", ("192.0.2.1", "::/0"))
    assert not is_within("::ffff:192.0.2.1", ("::/0",))
    assert not is_within("2001:db8::1", ("0.0.0.0/0",))


@given(_ADDRESSES_V6, st.integers(0, 2**64 - 1))
def test_network_of_one_ipv6_subscriber_is_counted_as_one(address: IPv6Address, host: int) -> None:
    subscriber = IPv6Network((address, 64), strict=False)
    other = subscriber[host]
    assert rate_key(str(address)) == rate_key(str(other)) == str(subscriber)
    stranger = IPv6Address(int(address) ^ (1 << 64))
    assert rate_key(str(stranger)) != rate_key(str(address))


@given(st.ip_addresses(v=4))
def test_ipv4_callers_are_counted_one_by_one(address: IPv4Address) -> None:
    assert rate_key(f"::ffff:{address}") == rate_key(str(address)) == str(address)
