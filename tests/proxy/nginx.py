"""A real nginx that runs docs/nginx.conf, with other addresses and paths, and shorter waits."""

from __future__ import annotations

import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.support.contract_client import CATALOGUE, ROOT, check_exchange
from tests.support.machine import find_nginx
from tests.support.needs import need
from tests.support.patience import CALL_S
from tests.support.process import free_port

FILE = ROOT / "docs" / "nginx.conf"
HOST = "api.example"

QUICK = {
    "client_header_timeout 10s": "client_header_timeout 600ms",
    "client_body_timeout 10s": "client_body_timeout 300ms",
    "proxy_connect_timeout 2s": "proxy_connect_timeout 300ms",
    "proxy_read_timeout 30s": "proxy_read_timeout 300ms",
    "limit_conn adresses 512": "limit_conn adresses 3",
}
"""The waits of the file, and the connections of an address, made small enough to be tried."""


def only(*names: str) -> dict[str, str]:
    """Some of the small waits: a busy machine must not run into the others."""
    return {old: new for old, new in QUICK.items() if old.startswith(names)}


def has_ipv6() -> bool:
    """Whether this machine can listen on an IPv6 address."""
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


def make_certificate(folder: Path) -> None:
    """A certificate of the documentation's host name that signs itself, and its key."""
    need("nginx")
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2"
    command += f" -keyout key.pem -out certificate.pem -subj /CN={HOST}"
    command += f" -addext subjectAltName=DNS:{HOST}"
    subprocess.run(command.split(), cwd=folder, check=True, capture_output=True)


def replaced(text: str, changes: dict[str, str]) -> str:
    """The text with every change made. What is to be changed must be there."""
    for old, new in changes.items():
        assert old in text, f"docs/nginx.conf no longer has {old!r}: change {__file__} with it"
        text = text.replace(old, new)
    return text


@dataclass
class Nginx:
    """A running nginx. `url` is what its clients call; its name is that of the certificate."""

    folder: Path
    port: int
    tls: ssl.SSLContext

    @property
    def url(self) -> str:
        """Its base URL."""
        return f"https://127.0.0.1:{self.port}"

    def client(self, *, source: str = "127.0.0.1", **headers: str) -> httpx.Client:
        """A client that calls it from an address of this machine; each answer is to be HTTP's own."""
        return httpx.Client(
            base_url=self.url,
            headers={"Host": HOST, **headers},
            timeout=CALL_S,
            trust_env=False,
            transport=httpx.HTTPTransport(verify=self.tls, local_address=source),
        )

    def connect(self, *, source: str = "127.0.0.1", timeout: float = CALL_S) -> ssl.SSLSocket:
        """A connection for what no client library sends."""
        plain = socket.create_connection(
            ("127.0.0.1", self.port), timeout=timeout, source_address=(source, 0)
        )
        return self.tls.wrap_socket(plain, server_hostname=HOST)

    def access_log(self, *until: str) -> str:
        """What it wrote of the requests that have ended, once all of this is in it.

        nginx writes a line after it has sent the answer: who has the answer can be sooner.
        """
        patience = time.monotonic() + CALL_S
        while True:
            written = (self.folder / "access.log").read_text()
            if all(text in written for text in until):
                return written
            assert time.monotonic() < patience, f"{until} is not all in the log:\n{written}"
            time.sleep(0.005)

    @property
    def error_log(self) -> str:
        """What went wrong, in its own eyes."""
        return (self.folder / "error.log").read_text()


ADDED = ("Strict-Transport-Security",)
"""What nginx says of itself beside any answer."""


def from_server(answer: httpx.Response) -> httpx.Response:
    """The answer, held to the contract: one that the server gave, and nginx only passed on."""
    headers = httpx.Headers([pair for pair in answer.headers.multi_items() if pair[0] != "server"])
    request = answer.request
    status, body = answer.status_code, answer.read()
    check_exchange(request.method, request.url.path, status, headers, body, added=ADDED)
    assert "X-Contract-Version" in headers
    return answer


def assert_own_refusal(
    answer: httpx.Response,
    code: str,
    *,
    language: str = "fr",
    retry: bool = False,
    place: tuple[str, str] = ("POST", "/credit-carte"),
) -> None:
    """Assert that nginx itself refused as the contract would, with all headers that it can know."""
    entry = CATALOGUE[code]
    message = entry["message"][language]
    assert answer.status_code == entry["statut"]
    assert answer.json() == {
        "success": False,
        "code": code,
        "message": message,
        "debugMessage": message,
        "moreInfo": entry["conseil"][language] if code == "5001" else None,
    }
    headers = answer.headers
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["Server"] == "nginx"
    assert headers.get("Retry-After") == ("2" if retry else None)
    # What else the contract asks of an answer. The version served is only the server's to tell.
    known = [pair for pair in headers.multi_items() if pair[0] != "server"]
    version: tuple[str, str] = ("x-contract-version", "0.0.0+000000000000")

    headers = httpx.Headers([*known, version])
    check_exchange(*place, answer.status_code, headers, answer.content, added=ADDED, located=False)


def begin_debit(connection: ssl.SSLSocket, authorization: str) -> None:
    """Send the head of a debit, and the first byte of its body once nginx asks for it: it has read the head,
    and counts the connection."""
    head = f"POST /debit-carte HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"
    head += (
        f"Authorization: {authorization}\r\nExpect: 100-continue\r\nContent-Length: 60000\r\n\r\n"
    )
    connection.sendall(head.encode())
    assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
    connection.sendall(b"{")


@contextmanager
def nginx(folder: Path, *upstreams: str, changes: dict[str, str] | None = None) -> Iterator[Nginx]:
    """Run docs/nginx.conf before these `host:port`, with these changes; `folder` has a certificate."""
    need("nginx")
    program = find_nginx() or "nginx"
    run = folder / f"nginx-{free_port()}"
    run.mkdir()
    port = free_port()
    servers = " ".join(f"server {upstream};" for upstream in upstreams)
    folders = {kind: run / kind for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")}
    temporary = " ".join(f"{kind}_temp_path {path};" for kind, path in folders.items())
    text = replaced(
        FILE.read_text(),
        {
            "server 127.0.0.1:8080;": servers,
            "listen 443 ssl;": f"listen 127.0.0.1:{port} ssl;",
            "listen [::]:443 ssl;": f"listen [::1]:{port} ssl;" if has_ipv6() else "",
            "/etc/ssl/certs/api.example.pem": str(folder / "certificate.pem"),
            "/etc/ssl/private/api.example.key": str(folder / "key.pem"),
            "/var/log/nginx/cynod.log": str(run / "access.log"),
            "/var/log/nginx/cynod-erreurs.log": str(run / "error.log"),
            "http {": f"http {{ {temporary}",
            **(changes or {}),
        },
    )
    configuration = run / "nginx.conf"
    configuration.write_text(text)
    command = [program, "-p", str(run), "-c", str(configuration), "-e", str(run / "start.log")]
    command += ["-g", f"daemon off; pid {run}/nginx.pid;"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        try:
            _wait_listening(process, port)
            # A body, which holds numbers of cards, must not be written to the disk: it cannot.
            folders["client_body"].rmdir()
            tls = ssl.create_default_context(cafile=str(folder / "certificate.pem"))
            tls.check_hostname = False  # the clients call an address
            yield Nginx(run, port, tls)
        finally:
            process.terminate()
            process.wait(CALL_S)


def _wait_listening(process: subprocess.Popen[str], port: int) -> None:
    deadline = time.monotonic() + CALL_S
    while True:
        if process.poll() is not None:
            assert process.stderr is not None
            raise AssertionError(f"nginx ended: {process.stderr.read()}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=CALL_S).close()
        except OSError:
            assert time.monotonic() < deadline, "nginx does not listen"
            time.sleep(0.01)
        else:
            return
