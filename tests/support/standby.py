"""A standby of a PostgreSQL server of the tests: made from it, and following it."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator

from tests.support.machine import find_binaries, how_to_get
from tests.support.postgresql import TIMEOUT_S, PostgresqlError, PostgresqlServer


class StandbyServer(PostgresqlServer):
    """A copy that follows its primary over a connection of its own (streaming replication)."""

    def __init__(self, primary: PostgresqlServer) -> None:
        binaries = find_binaries()
        if binaries is None:
            raise PostgresqlError(how_to_get("postgresql"))
        self._of = primary
        super().__init__(binaries)

    def _initialise(self) -> None:
        program = shutil.which(str(self._binaries / "pg_basebackup")) or "pg_basebackup"
        arguments = [
            *(program, f"--pgdata={self.data_directory}", "--write-recovery-conf", "--no-sync"),
            *("--checkpoint=fast", "--wal-method=stream", "--username=postgres"),
            *("--host=127.0.0.1", f"--port={self._of.port}"),
        ]
        with self.log_file.open("ab") as log:
            status = self._spawn(arguments, log).wait(TIMEOUT_S)
        if status:
            raise PostgresqlError(f"pg_basebackup: {self.log_file.read_text()[-2000:]}")


@contextlib.contextmanager
def running_standby(primary: PostgresqlServer) -> Iterator[StandbyServer]:
    """Run a standby of this server for the block."""
    made = StandbyServer(primary)
    try:
        made.start()
        yield made
    finally:
        made.destroy()
