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
Serve = Callable[[bytes], "Once"]


class Once:
    """A server that gives each connection one answer, and closes it."""

    def __init__(self, answer: bytes) -> None:
        self._answer = answer
        self._closed = threading.Semaphore(0)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.settimeout(CALL_S)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        for _ in range(2):
            connection, _ = self._listener.accept()
            with connection:
                connection.recv(65_536)
                connection.sendall(self._answer)
                connection.shutdown(socket.SHUT_WR)
            self._closed.release()

    def wait_until_closed(self) -> None:
        """The connection that it answered on has ended."""
        assert self._closed.acquire(timeout=CALL_S)

    def end(self) -> None:
        """Take no more: both connections were made."""
        self._thread.join(CALL_S)
        self._listener.close()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts a server that gives two connections an answer."""
    made: list[Once] = []

    def start(answer: bytes) -> Once:
        made.append(Once(answer))
        return made[-1]

    yield start
    for one in made:
        one.end()


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
    server = serve(ALIVE)
    for _ in range(2):
        answer = client.get(server.url)
        server.wait_until_closed()
        assert (answer.status_code, answer.content) == (200, b"ok")
        assert answer.headers.get_list("x-a") == ["1", "2"]


@pytest.mark.parametrize(
    "answer",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nok", b"HTTP/1.1 two hundred\r\n\r\n"],
    ids=["none", "cut off", "malformed"],
)
def test_answer_that_is_none_is_an_error(serve: Serve, client: httpx.Client, answer: bytes) -> None:
    server = serve(answer)
    for _ in range(2):
        with pytest.raises(httpx.RemoteProtocolError):
            client.get(server.url)
        server.wait_until_closed()


def test_answer_to_head_has_no_body(serve: Serve, client: httpx.Client) -> None:
    server = serve(ALIVE.removesuffix(b"ok"))
    for _ in range(2):
        assert client.head(server.url).content == b""
        server.wait_until_closed()
