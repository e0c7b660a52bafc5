"""The tests' client reads an answer as it came, and sends nothing over a connection that has ended."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator

import httpx
import pytest

from tests.support.patience import CALL_S
from tests.support.wire import Wire

ALIVE = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: 1\r\nX-A: 2\r\n\r\nok"
Serve = Callable[[bytes], str]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives each connection one answer, and closes it."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(CALL_S)
    threads = []

    def run(answer: bytes) -> None:
        for _ in range(2):
            connection, _ = listener.accept()
            with connection:
                if connection.recv(65_536):
                    connection.sendall(answer)

    def start(answer: bytes) -> str:
        thread = threading.Thread(target=run, args=(answer,), daemon=True)
        thread.start()
        threads.append(thread)
        return f"http://127.0.0.1:{listener.getsockname()[1]}"

    yield start
    for thread in threads:
        thread.join(CALL_S)
    listener.close()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A client of a wire of its own."""
    wire = Wire()
    with httpx.Client(transport=wire, trust_env=False) as made:
        yield made
    wire.forget()


def test_connection_that_the_server_closed_is_not_used_again(
    serve: Serve, client: httpx.Client
) -> None:
    url = serve(ALIVE)
    for _ in range(2):
        answer = client.get(url)
        assert (answer.status_code, answer.content) == (200, b"ok")
        assert answer.headers.get_list("x-a") == ["1", "2"]


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"HTTP/1.1 two hundred\r\n\r\n"],
    ids=["none", "cut off", "malformed"],
)
def test_answer_that_is_none_is_an_error(serve: Serve, client: httpx.Client, answer: bytes) -> None:
    url = serve(answer)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(url)


def test_answer_to_head_has_no_body(serve: Serve, client: httpx.Client) -> None:
    url = serve(ALIVE.removesuffix(b"ok"))
    for _ in range(2):
        assert client.head(url).content == b""
