"""A server that listens on `::`, which names its IPv4 callers in IPv6, and what proxies tell it."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from handlers.settings import Settings, read_settings
from models.database.engine import Database
from tests.support.contract_client import ContractClient
from tests.support.live import serving, settings_for, with_limits
from tests.support.needs import lack
from tests.support.world import World


@pytest.fixture(scope="module")
def dual_stack(shared_database: Database) -> Settings:
    """The settings of a server that listens on `::`, with 127.0.0.1 as its proxy."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::", 0))
    except OSError:
        lack("this machine has no IPv6")
    given = read_settings({"HOST": "[::]", "CYNOD_PROXIES": "::ffff:127.0.0.1"})
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    return replace(settings, host=given.host, proxies=given.proxies)


@pytest.fixture(scope="module")
def url(dual_stack: Settings, shared_database: Database) -> Iterator[str]:
    """Its base URL, of IPv4."""
    with serving(dual_stack, shared_database) as base_url:
        yield base_url


def _status(world: World, url: str, adresse: str, forwarded_for: str | None) -> int:
    """What a partner allowed from one address is answered, when it calls as a proxy says."""
    carte = world.carte(1000)
    pair = world.partenaire([carte.membre.client_id], adresses=[adresse])
    headers = {} if forwarded_for is None else {"X-Forwarded-For": forwarded_for}
    auth = (pair.consumer_key, pair.consumer_secret)
    client = world.anonymous(url)
    return client.get(
        "/get-solde-carte", params=carte.query, headers=headers, auth=auth
    ).status_code


@pytest.mark.parametrize(
    ("adresse", "forwarded_for", "status"),
    [
        ("127.0.0.0/8", None, 200),
        ("::ffff:127.0.0.1", None, 200),
        ("::ffff:127.0.0.0/104", None, 200),
        ("127.0.0.2", None, 403),
        ("::/0", None, 403),
        ("192.0.2.7", "192.0.2.7", 200),
        ("192.0.2.7", "192.0.2.7:50123", 200),
        ("192.0.2.7", "::ffff:192.0.2.7", 200),
        ("::ffff:192.0.2.7", '"192.0.2.7"', 200),
        ("192.0.2.7", "203.0.113.1,192.0.2.7 , 127.0.0.1", 200),
        ("192.0.2.7", "192.0.2.7, 203.0.113.1", 403),
        ("192.0.2.7", "192.0.2.7, unknown", 403),
        ("192.0.2.7", "192.0.2.7,", 403),
        ("0.0.0.0/0", "%s[", 403),
        ("2001:db8::/32", "[2001:db8::7]:50123", 200),
        ("fe80::/10", "fe80::1%eth0", 200),
    ],
)
def test_caller_is_judged_by_its_address_however_that_is_written(
    world: World, url: str, adresse: str, forwarded_for: str | None, status: int
) -> None:
    assert _status(world, url, adresse, forwarded_for) == status


def test_tokens_are_counted_by_the_network_of_an_ipv6_subscriber(
    world: World, dual_stack: Settings, shared_database: Database
) -> None:
    pair = world.partenaire([world.client()])
    hops = ["2001:db8::1", "[2001:db8::2]:443", "2001:db8::3", "2001:db8:0:1::1", "192.0.2.1:1"]
    with serving(with_limits(dual_stack, jeton="1/hour"), shared_database) as base_url:
        client = world.anonymous(base_url)
        statuses = [_ask_token(client, pair, hop) for hop in hops]
    assert statuses[0] == 200
    assert 429 in statuses[1:3]  # a new hour may start between two calls, never between three
    assert statuses[3:] == [200, 200]


def _ask_token(client: ContractClient, pair: tuple[str, str], hop: str) -> int:
    answer: httpx.Response = client.post(
        "/access-token",
        auth=pair,
        data={"grant_type": "client_credentials"},
        headers={"X-Forwarded-For": hop},
    )
    return answer.status_code
