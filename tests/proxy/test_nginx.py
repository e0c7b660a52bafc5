"""docs/nginx.conf, run by a real nginx before a real server."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from ipaddress import ip_network
from pathlib import Path
from typing import Any, TypeVar

import httpx
import pytest

from models.database.engine import Database
from tests.proxy.nginx import (
    FILE,
    HOST,
    Nginx,
    assert_own_refusal,
    begin_debit,
    from_server,
    nginx,
    only,
)
from tests.support.contract_client import CATALOGUE
from tests.support.live import serving, settings_for
from tests.support.patience import CALL_S, wait_until
from tests.support.scene import (
    BY_PAIR,
    CONTRACT,
    PLACES,
    WITH_BODY,
    WITH_FORM,
    WITH_JSON,
    Scene,
)
from tests.support.world import World, new_number

Made = TypeVar("Made")

DEFAULT_MAX_BODY = 65_536
DEPLOYMENT = FILE.with_name("deploiement.md")


@pytest.fixture(scope="module")
def server(shared_database: Database) -> Iterator[str]:
    """The `host:port` of a server that believes the proxy of this machine."""
    settings = settings_for(shared_database.url.render_as_string(hide_password=False))
    settings = replace(settings, proxies=(ip_network("127.0.0.1"),))
    with serving(settings, shared_database) as url:
        yield url.removeprefix("http://")


@pytest.fixture(scope="module")
def proxy(folder: Path, server: str) -> Iterator[Nginx]:
    """The proxy before it, as the file has it."""
    with nginx(folder, server) as made:
        yield made


@pytest.fixture
def scene(world: World) -> Scene:
    """A card and a partner of this test."""
    return Scene(world)


def of_partner(proxy: Nginx, scene: Scene, **options: Any) -> httpx.Client:
    """A client of the proxy with the token of the scene's partner."""
    return proxy.client(Authorization=scene.api.headers["Authorization"], **options)


def raw(proxy: Nginx, request: bytes, *, tls: bool = True) -> httpx.Response:
    """Send these bytes and read one answer."""
    with ExitStack() as stack:
        plain = socket.create_connection(("127.0.0.1", proxy.port), timeout=CALL_S)
        connection = stack.enter_context(
            proxy.tls.wrap_socket(plain, server_hostname=HOST) if tls else plain
        )
        # nginx may refuse, and close, before it has read everything.
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            connection.sendall(request)
        return read_answer(connection)


def read_answer(connection: socket.socket) -> httpx.Response:
    """One answer with a Content-Length, without what interim answers came before it."""
    received = b""
    while True:
        head, end, body = received.partition(b"\r\n\r\n")
        if end and head.startswith(b"HTTP/1.1 100"):
            received = body
            continue
        status, *lines = head.decode("latin-1").split("\r\n")
        headers = httpx.Headers([line.partition(": ")[::2] for line in lines])
        if end and len(body) >= int(headers["Content-Length"]):
            return httpx.Response(int(status.split()[1]), headers=headers, content=body)
        chunk = connection.recv(65_536)
        assert chunk, f"the connection was closed after {received!r}"
        received += chunk


# ── bodies ───────────────────────────────────────────────────────────────────────────────────────
def padded(scene: Scene, operation_id: str, length: int) -> tuple[bytes, dict[str, str]]:
    """A body of the operation of this length, and its headers; white space fills JSON."""
    call = scene.call(operation_id)
    request = httpx.Request("POST", "http://x", **call.options)
    body, headers = request.read(), {"Content-Type": request.headers["Content-Type"]}
    if operation_id in WITH_FORM:
        return body + b"&x=".ljust(length - len(body), b"a"), headers
    return body.ljust(length), headers


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("operation_id", WITH_BODY)
def test_largest_body_of_an_operation_reaches_the_server_and_one_byte_more_is_refused(
    scene: Scene, proxy: Nginx, operation_id: str, chunked: bool
) -> None:
    largest = CONTRACT[operation_id].get("x-corps-maximal", DEFAULT_MAX_BODY)
    path = PLACES[operation_id][1]
    caller = scene.caller(operation_id)
    named = {} if operation_id in BY_PAIR else {"Authorization": caller.headers["Authorization"]}
    with proxy.client(**named) as client:
        for length in (largest, largest + 1):
            body, headers = padded(scene, operation_id, length)
            content: Any = iter([body[:999], body[999:]]) if chunked else body
            answer = from_server(client.post(path, content=content, headers=headers))
            if length > largest:
                assert (answer.status_code, answer.json()["code"]) == (413, "1006")
            elif operation_id in WITH_JSON:
                assert answer.status_code == 200, answer.text
            else:
                assert answer.status_code != 413


@pytest.mark.parametrize("chunked", [False, True], ids=["length", "chunked"])
def test_much_larger_body_is_refused_by_the_proxy_as_the_contract_says(
    proxy: Nginx, chunked: bool
) -> None:
    with proxy.client() as client:
        for path, length in (("/credit-carte", 100_000), ("/verifier-references", 1_000_000)):
            body = b" " * length
            content: Any = iter([body[:999], body[999:]]) if chunked else body
            assert_own_refusal(client.post(path, content=content), "1006")


def test_body_is_announced_before_it_is_sent(scene: Scene, proxy: Nginx) -> None:
    call = scene.call("creditCarte")
    body = json.dumps(call.values).encode()
    head = (
        f"POST {call.path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
        f"Authorization: {scene.api.headers['Authorization']}\r\n"
        "Expect: 100-continue\r\nContent-Length: %d  \r\n\r\n"
    )
    with proxy.connect() as connection:
        connection.sendall((head % len(body)).encode())
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)
        assert read_answer(connection).status_code == 200
        # The next request on the connection is the next one, not what was left of the first.
        connection.sendall((head % 100_000).encode())
        assert_own_refusal(read_answer(connection), "1006")
    assert scene.world.solde(scene.carte) == 10_000 + call.values["montant"]


# ── heads, methods, languages ────────────────────────────────────────────────────────────────────
HEAD = f"Host: {HOST}\r\n"
LONG_HEADER = f"X: {'a' * 30_000}\r\n"
UNREADABLE = {
    "no HTTP": "GARBAGE\r\n\r\n",
    "a version that nobody speaks": f"GET / HTTP/3.0\r\n{HEAD}\r\n",
    "no Host": "GET / HTTP/1.1\r\n\r\n",
    "a line without an end": f"GET /{'a' * 40_000} HTTP/1.1\r\n{HEAD}\r\n",
    "a header without an end": f"GET / HTTP/1.1\r\n{HEAD}X: {'a' * 40_000}\r\n\r\n",
    "many long headers": f"GET / HTTP/1.1\r\n{HEAD}{LONG_HEADER * 6}\r\n",
    "a length that is none": f"POST / HTTP/1.1\r\n{HEAD}Content-Length: x\r\n\r\n",
    "a coding that nobody knows": f"POST / HTTP/1.1\r\n{HEAD}Transfer-Encoding: gzip\r\n\r\n",
    "CONNECT": f"CONNECT x HTTP/1.1\r\n{HEAD}\r\n",
}


@pytest.mark.parametrize("request_", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_read_is_refused_as_the_contract_says(proxy: Nginx, request_: str) -> None:
    assert_own_refusal(raw(proxy, request_.encode()), "1002")


def test_call_without_tls_is_refused_as_the_contract_says(proxy: Nginx) -> None:
    request = f"GET /health/live HTTP/1.1\r\n{HEAD}\r\n".encode()
    assert_own_refusal(raw(proxy, request, tls=False), "1002")


def test_largest_head_reaches_the_server(scene: Scene, proxy: Nginx) -> None:
    call = scene.call("getSoldeCarte")
    with of_partner(proxy, scene) as client:
        for header in ({"X-A": "a" * 31_000}, {f"X-{n}": "a" * 1000 for n in range(30)}):
            assert from_server(call.send(client, headers=header)).status_code == 200
        too_large = from_server(call.send(client, headers={"X-A": "a" * 33_000}))
        too_long = from_server(client.get(call.path, params={"x": "a" * 9000}))
    assert [too_large.json()["code"], too_long.json()["code"]] == ["1002", "1002"]


def test_method_that_nginx_refuses_is_refused_by_the_server(proxy: Nginx) -> None:
    with proxy.client() as client:
        answer = from_server(client.request("TRACE", "/credit-carte"))
    assert (answer.status_code, answer.json()["code"]) == (405, "1004")
    assert answer.headers["Allow"] == "POST"


def test_path_of_nginx_s_own_is_unknown_to_others(proxy: Nginx) -> None:
    with proxy.client() as client:
        assert_own_refusal(client.get("/refus"), "1003", place=("GET", "/refus"))


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("en", "en"), ("EN-us", "en"), ("en-GB,en;q=0.9,fr;q=0.8", "en"), ("de, en;q=0.5", "en"),
        ("fr", "fr"), ("fr-FR,fr;q=0.9,en;q=0.8", "fr"), ("de", "fr"), ("*", "fr"), ("", "fr"),
        ("eng", "fr"), ("x-en", "fr"),
    ],
)  # fmt: skip
def test_language_of_the_proxy_is_that_of_the_server(
    proxy: Nginx, accepted: str, language: str
) -> None:
    with proxy.client(**{"Accept-Language": accepted}) as client:
        assert_own_refusal(
            client.post("/credit-carte", content=b" " * 100_000), "1006", language=language
        )
        told = from_server(client.get("/no-such-path")).json()["message"]
    assert told == CATALOGUE["1003"]["message"][language]


def test_request_id_is_the_caller_s_if_it_is_sane_on_both_sides(proxy: Nginx) -> None:
    with proxy.client() as client:
        for given, kept in (("mine-1", True), ("a" * 65, False), ("a b", False), ("é", False)):
            headers = httpx.Headers({"X-Request-Id": given}, encoding="utf-8")
            for answer in (
                client.post("/credit-carte", content=b" " * 100_000, headers=headers),
                from_server(client.get("/health/live", headers=headers)),
            ):
                assert (answer.headers["X-Request-Id"] == given) == kept
                proxy.access_log(answer.headers["X-Request-Id"])


# ── addresses ────────────────────────────────────────────────────────────────────────────────────
def test_allow_list_is_of_the_caller_s_address_whatever_the_caller_claims(
    world: World, proxy: Nginx
) -> None:
    carte = world.carte(1000)
    pair = world.partenaire([carte.membre.client_id], adresses=["127.0.0.9"])
    statuses = []
    for source in ("127.0.0.9", "127.0.0.1", "127.0.0.8"):
        for claimed in ({}, {"X-Forwarded-For": "127.0.0.9"}, {"X-Forwarded-For": "192.0.2.1"}):
            with proxy.client(source=source, **claimed) as client:
                answer = client.get(
                    "/get-solde-carte",
                    params=carte.query,
                    auth=(pair.consumer_key, pair.consumer_secret),
                )
            statuses.append(from_server(answer).status_code)
    assert statuses == [200] * 3 + [403] * 6


# ── what is kept and what is told ────────────────────────────────────────────────────────────────
def test_numbers_of_cards_are_in_no_log(scene: Scene, proxy: Nginx) -> None:
    numero = scene.carte.numero
    spaced = " ".join(numero[at : at + 4] for at in range(0, 16, 4))
    with of_partner(proxy, scene) as client:
        assert scene.call("getSoldeCarte").send(client).status_code == 200
        for path in (f"/cartes/{numero}", f"/cartes/{spaced}", f"/%37{numero[1:]}/x"):
            assert from_server(client.get(path)).status_code == 404
        named = scene.call("getSoldeCarte").send(client, headers={"X-Request-Id": f"c-{numero}"})
        assert named.headers["X-Request-Id"] == f"c-{numero}"
        long = {**scene.carte.query, "x": "a" * 40_000}
        last = client.get("/get-solde-carte", params=long)
        assert last.status_code == 400
    written = proxy.access_log('"GET /get-solde-carte" 200', last.headers["X-Request-Id"])
    written += proxy.error_log
    for kept in (
        numero,
        numero[4:],
        spaced,
        spaced.replace(" ", "%20"),
        scene.carte.membre.wallet_id,
    ):
        assert kept not in written


def test_token_is_new_each_time_and_kept_by_nobody(scene: Scene, proxy: Nginx) -> None:
    with proxy.client() as client:
        answers = [from_server(scene.call("accessToken").send(client)) for _ in range(2)]
    assert len({answer.json()["access_token"] for answer in answers}) == 2
    assert {answer.headers["Cache-Control"] for answer in answers} == {"no-store"}
    assert all("Content-Encoding" not in answer.headers for answer in answers)


def test_contract_is_served_as_it_is(proxy: Nginx, server: str) -> None:
    with proxy.client() as client:
        served = client.get("/openapi.yaml")
    assert served.headers["Content-Encoding"] == "gzip"
    assert (
        served.content
        == httpx.get(f"http://{server}/openapi.yaml", trust_env=False, timeout=CALL_S).content
    )


# ── clients that are slow or gone ────────────────────────────────────────────────────────────────
def test_dribbled_head_is_cut_in_bounded_time_and_others_are_served(
    scene: Scene, folder: Path, server: str
) -> None:
    with ExitStack() as stack:
        changes = only("client_header_timeout")
        hasty = stack.enter_context(nginx(folder, server, changes=changes))
        client = stack.enter_context(of_partner(hasty, scene))
        # On a busy machine this side can be too slow too, until it has a connection that is kept.
        balance = partial(scene.call("getSoldeCarte").send, client)
        from_server(_sooner_or_later(balance))
        slow = [stack.enter_context(_sooner_or_later(hasty.connect)) for _ in range(20)]
        until = time.monotonic() + CALL_S
        served = 0
        while slow:
            assert time.monotonic() < until, f"{len(slow)} are still connected"
            slow = [connection for connection in slow if _dribble(connection)]
            served += from_server(balance()).status_code == 200
    assert served


def _sooner_or_later(attempt: Callable[[], Made]) -> Made:
    """What it gives the first time that nginx does not close the connection meanwhile."""
    made: list[Made] = []

    def try_it() -> bool:
        with contextlib.suppress(OSError, httpx.TransportError):
            made.append(attempt())
        return bool(made)

    wait_until(try_it, "nginx closes each connection")
    return made[0]


def _dribble(connection: ssl.SSLSocket) -> bool:
    """Send a byte of a head; whether the connection is still open some time later."""
    try:
        connection.sendall(b"G")
        connection.settimeout(0.02)
        return bool(connection.recv(1))
    except TimeoutError:
        return True
    except OSError:
        return False


def test_body_in_single_bytes_costs_its_sender_alone(
    scene: Scene, folder: Path, server: str
) -> None:
    with ExitStack() as stack:
        # A body may pause for as long as a busy machine lets this test pause.
        patient = {"client_body_timeout 10s": f"client_body_timeout {CALL_S}s"}
        changes = {**only("limit_conn"), **patient}
        hasty = stack.enter_context(nginx(folder, server, changes=changes))
        slow = [stack.enter_context(hasty.connect(source="127.0.0.6")) for _ in range(3)]
        for connection in slow:
            begin_debit(connection, scene.api.headers["Authorization"])
        for _ in range(5):
            for connection in slow:
                connection.sendall(b" ")
            with hasty.client(source="127.0.0.6") as same, of_partner(hasty, scene) as other:
                assert_own_refusal(same.get("/health/live"), "1008", retry=True)
                assert from_server(scene.call("getSoldeCarte").send(other)).status_code == 200


def test_payment_of_a_client_that_is_gone_is_done_once(scene: Scene, proxy: Nginx) -> None:
    body = scene.carte.mouvement(700, f"R-{new_number()}")
    data = json.dumps(body).encode()
    head = f"POST /debit-carte HTTP/1.1\r\n{HEAD}Content-Type: application/json\r\n"
    head += f"Authorization: {scene.api.headers['Authorization']}\r\n"
    for _ in range(5):
        with proxy.connect() as connection:
            connection.sendall(f"{head}Content-Length: {len(data)}\r\n\r\n".encode() + data)
    with of_partner(proxy, scene) as client:
        assert from_server(client.post("/debit-carte", json=body)).status_code == 200
    assert scene.world.solde(scene.carte) == 10_000 - 700
    scene.world.check_books(scene.carte)


# ── a prefix ─────────────────────────────────────────────────────────────────────────────────────
def _documented_prefix() -> dict[str, str]:
    """The locations of docs/nginx.conf, and those that docs/deploiement.md has in their place."""
    (block,) = re.findall(r"```nginx\n(.*?)```", DEPLOYMENT.read_text(), re.DOTALL)
    text = FILE.read_text()
    own = text[text.index("location / {") : text.index("# What is no HTTP")]
    return {own: block}


def test_prefix_is_the_proxy_s_alone(scene: Scene, folder: Path, server: str) -> None:
    call = scene.call("getSoldeCarte")
    path = PLACES["verifierReferences"][1]
    body, headers = padded(scene, "verifierReferences", 262_144)
    with (
        nginx(folder, server, changes=_documented_prefix()) as proxy,
        of_partner(proxy, scene) as client,
        proxy.client() as nobody,
    ):
        direct = call.send(scene.api)
        behind = call._replace(path=f"/cynod{call.path}").send(client)
        assert (behind.status_code, behind.content) == (200, direct.content)
        token = scene.call("accessToken")._replace(path="/cynod/access-token").send(nobody)
        assert token.status_code == 200
        answer = client.post(f"/cynod{path}", content=body, headers=headers)
        assert answer.status_code == 200, answer.text
        unknown = client.get("/cynod/no-such-path")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "1003")
        assert "X-Contract-Version" in unknown.headers
        elsewhere = call.send(client)
        assert_own_refusal(elsewhere, "1003", place=("GET", "/elsewhere"))
