"""What documentation has people paste into a shell, played as it stands."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.patience import PROGRAM_S
from tests.support.process import run_cynod

COMMAND = ".venv/bin/cynod"


def paste(script: str, meant: Mapping[str, str], folder: Path, **variables: str) -> str:
    """What the script prints, with what is `meant` in the place of what is written. It must succeed."""
    with _answering_commands(folder, variables) as program:
        for written, used in {**meant, COMMAND: str(program)}.items():
            assert written in script, f"the page says {written} no more"
            script = script.replace(written, used)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=PROGRAM_S,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout[-2_000:]
    return done.stdout


@contextmanager
def _answering_commands(folder: Path, variables: dict[str, Any]) -> Iterator[Path]:
    """A program that hands its arguments to this process, which runs the command: a fork of what has imported
    everything, where each start of cynod would take a second."""

    class Command(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            done = run_cynod(*sent.split("\0")[:-1], folder=folder, **variables)
            self.send_response(200 if done.returncode == 0 else 400)
            self.end_headers()
            self.wfile.write((done.stdout if done.returncode == 0 else done.stderr).encode())

        def log_message(self, *_args: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Command)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    program = folder / "cynod"
    program.write_text(
        "#!/bin/bash\nprintf '%s\\0' \"$@\" | curl -sS --fail-with-body --data-binary @-"
        f" http://127.0.0.1:{server.server_port}/\n",
        encoding="utf-8",
    )
    program.chmod(0o700)
    try:
        yield program
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
