"""docs/nginx.conf before servers that are away, frozen, or die."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.proxy.nginx import assert_own_refusal, begin_debit, nginx, only
from tests.support.patience import CALL_S
from tests.support.process import free_port
from tests.support.scene import PLACES


class Upstream:
    """A server of the tests' own. It counts connections and requests, and answers what it is told to."""

    def __init__(self, answer: bytes | None) -> None:
        self.answer = answer
        self.connections = 0
        self.requests: list[bytes] = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"

    def run(self) -> None:
        """Serve each connection in a thread of its own, until the listener is closed."""
        opened: list[socket.socket] = []
        with ThreadPoolExecutor(32) as pool:
            while True:
                try:
                    connection, _ = self.listener.accept()
                except OSError:
                    break
                self.connections += 1
                opened.append(connection)
                pool.submit(self._serve, connection)
            for connection in opened:
                # nginx keeps its connections open: nobody else would end them.
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            while received := connection.recv(65_536):
                self.requests.append(received)
                if self.answer is None:
                    return
                connection.sendall(self.answer)


@contextmanager
def upstream(answer: bytes | None) -> Iterator[Upstream]:
    """Run one; an answer of None closes the connection after the request."""
    made = Upstream(answer)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        # Closing alone does not wake who waits in accept.
        made.listener.shutdown(socket.SHUT_RDWR)
        made.listener.close()
        thread.join(CALL_S)


OK = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"


@pytest.mark.parametrize("language", ["fr", "en"])
def test_server_that_is_away_is_unavailable(folder: Path, language: str) -> None:
    with nginx(folder, f"127.0.0.1:{free_port()}") as proxy:
        with proxy.client(**{"Accept-Language": language}) as client:
            for method, path in {*PLACES.values(), ("TRACE", "/"), ("GET", "/ui/init.js")}:
                answer = client.request(method, path)
                assert_own_refusal(answer, "5001", language=language, retry=True)
        proxy.access_log('"POST /credit-carte" 503', " 502 ")


def test_frozen_server_is_unavailable_in_bounded_time(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=16) as frozen:
        address = f"127.0.0.1:{frozen.getsockname()[1]}"
        changes = only("proxy_")
        with nginx(folder, address, changes=changes) as proxy, proxy.client() as client:
            started = time.monotonic()
            assert_own_refusal(client.post("/debit-carte", json={}), "5001", retry=True)
            # The waits of the file as it is would take longer.
            assert time.monotonic() - started < 30


def test_payment_that_was_sent_is_never_sent_again(folder: Path) -> None:
    with upstream(None) as one, upstream(None) as other:
        with nginx(folder, one.address, other.address) as proxy, proxy.client() as client:
            assert_own_refusal(client.post("/debit-carte", json={"n": 1}), "5001", retry=True)
        assert len(one.requests) + len(other.requests) == 1


def test_server_that_is_away_is_not_felt_beside_another(folder: Path) -> None:
    with upstream(OK) as present:
        away = f"127.0.0.1:{free_port()}"
        with nginx(folder, away, present.address) as proxy, proxy.client() as client:
            answers = [client.post("/debit-carte", json={}) for _ in range(6)]
        assert [answer.status_code for answer in answers] == [200] * 6
        assert len(present.requests) == 6


def test_connections_to_the_server_are_kept(folder: Path) -> None:
    with upstream(OK) as server:
        one_process = {"worker_processes auto;": "worker_processes 1;"}
        with nginx(folder, server.address, changes=one_process) as proxy:
            for _ in range(3):
                with proxy.client() as client:
                    assert client.get("/health/live").status_code == 200
        assert (len(server.requests), server.connections) == (3, 1)


def test_silence_in_a_body_ends_the_connection_before_the_server_knows_of_it(folder: Path) -> None:
    changes = only("client_body_timeout")
    with upstream(OK) as server, nginx(folder, server.address, changes=changes) as proxy:
        with proxy.connect() as connection:
            begin_debit(connection, "Bearer x")
            assert connection.recv(100) == b""
        assert server.connections == 0
