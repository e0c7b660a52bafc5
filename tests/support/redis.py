"""A Redis of the tests' own."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis

from tests.support.needs import need
from tests.support.patience import CALL_S
from tests.support.process import free_port


@contextmanager
def running_redis(folder: Path) -> Iterator[str]:
    """Run it until the block ends; its URL."""
    need("redis")
    port = free_port()
    command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", ""]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL) as process:
        _wait_ready(port)
        yield f"redis://127.0.0.1:{port}/0"
        process.terminate()


def _wait_ready(port: int) -> None:
    deadline = time.monotonic() + CALL_S
    with redis.Redis(port=port) as client:
        while True:
            try:
                client.ping()
                return
            except redis.ConnectionError:
                assert time.monotonic() < deadline, "redis-server did not start"
                time.sleep(0.02)
