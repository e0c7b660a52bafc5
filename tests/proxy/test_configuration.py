"""The figures and the texts of docs/nginx.conf are those of the contract and of the server's settings."""

from __future__ import annotations

import re

import pytest

from handlers.contract.reading import load
from handlers.edge import http
from handlers.edge.replies import RETRY_AFTER_S
from handlers.server import server_config
from handlers.settings import Settings
from tests.proxy.nginx import FILE
from tests.support.contract_client import CATALOGUE, CONTRACT

TEXT = re.sub(r"(?m)^\s*#.*$", "", FILE.read_text())
UNITS = {"": 1, "k": 1024, "s": 1}
MARGIN = 4096
"""Bytes by which a body may be too large and still be refused by the server itself."""

LARGEST = {one.path: one.max_body for one in load(CONTRACT).operations.values() if one.body}


def figure(name: str, text: str = TEXT) -> int:
    """The figure of a directive, in bytes or seconds; the last one of several."""
    found = re.findall(rf"(?m)^\s*{name} (?:\d+ )?(\d+)([a-z]?);", text)
    assert found, f"docs/nginx.conf does not say {name}"
    number, unit = found[-1]
    return int(number) * UNITS[unit]


def location(path: str) -> str:
    """What the configuration says for a path: its own block after what is said for all of them."""
    general, _, blocks = TEXT.partition("location / {")
    own = re.search(rf"location = {re.escape(path)} {{([^}}]*)}}", blocks)
    return general + (own[1] if own else "")


@pytest.mark.parametrize("path", LARGEST)
@pytest.mark.parametrize("name", ["client_max_body_size", "client_body_buffer_size"])
def test_largest_body_passes_and_stays_in_memory(path: str, name: str) -> None:
    assert LARGEST[path] < figure(name, location(path)) <= LARGEST[path] + MARGIN


def test_no_path_has_limits_of_its_own_without_need() -> None:
    own = set(re.findall(r"location = (\S+) {\s*client_max_body_size", TEXT))
    general = figure("client_max_body_size", location("/"))
    assert own == {path for path, largest in LARGEST.items() if largest >= general}


def test_head_that_the_server_takes_passes() -> None:
    number, size = re.findall(r"large_client_header_buffers (\d+) (\d+)k;", TEXT)[0]
    # A field stands whole in one buffer, with the colon and the space that the server does not count.
    assert int(size) * 1024 > http.MAX_HEADERS + len(": \r\n")
    assert int(size) * 1024 > http.MAX_QUERY + 4096
    assert int(number) * int(size) * 1024 > http.MAX_HEADERS + http.MAX_QUERY


def test_server_answers_before_the_proxy_gives_up() -> None:
    settings = Settings()
    assert figure("proxy_connect_timeout") < settings.wait_s
    assert figure("proxy_read_timeout") >= 2 * settings.wait_s


def test_proxy_leaves_a_connection_before_the_server_closes_it() -> None:
    upstream = TEXT.partition("upstream cynod {")[2].partition("}")[0]
    kept = server_config(None, Settings()).timeout_keep_alive
    assert figure("keepalive_timeout", upstream) < kept


def test_statuses_and_texts_are_those_of_the_catalogue() -> None:
    codes = re.search(r"map \$status \$code {\s*default (\d+);([^}]*)}", TEXT)
    assert codes is not None
    pairs = dict(re.findall(r"(\d+) (\d+);", codes[2]))
    assert pairs == {str(CATALOGUE[code]["statut"]): code for code in pairs.values()}
    assert CATALOGUE[codes[1]]["statut"] == 500

    texts = _texts("message")
    expected = {
        f"{code} {language}": CATALOGUE[code]["message"][language]
        for code in (*pairs.values(), codes[1])
        for language in ("fr", "en")
    }
    assert {**texts, f"{codes[1]} fr": texts["default"]} == {
        **expected,
        "default": expected["9999 fr"],
    }
    assert all("debugMessage" not in CATALOGUE[code] for code in pairs.values())


def test_advice_is_that_of_the_catalogue_where_the_outcome_is_not_known() -> None:
    advice = CATALOGUE["5001"]["conseil"]
    assert _texts("conseil") == {
        "default": "null",
        "5001 fr": f'"{advice["fr"]}"',
        "5001 en": f'"{advice["en"]}"',
    }
    waits = re.search(r"map \$code \$attente {([^}]*)}", TEXT)
    assert waits is not None
    assert dict(re.findall(r"(\d+) +(\d+);", waits[1])) == dict.fromkeys(
        ("1008", "5001"), str(RETRY_AFTER_S)
    )


def _texts(variable: str) -> dict[str, str]:
    block = re.search(rf'map "\$code \$langue" \${variable} {{(.*?)\n    }}', TEXT, re.DOTALL)
    assert block is not None
    pairs = re.findall(r"""(?m)^\s*"?([^"]*?)"?\s+(?:"(.*)"|'(.*)');$""", block[1])
    return {key: (one or other).replace("\\'", "'") for key, one, other in pairs}
