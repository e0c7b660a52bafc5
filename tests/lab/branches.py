"""`python -m tests.lab.branches`: the share of branches that a run under coverage took, by room."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

LEAST = 95
"""Per cent, of handlers/ and of models/ each."""

ROOMS = ("handlers", "models")


def main() -> None:
    """Exit with 1 when a room has less than it must."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "coverage.json"
        command = [sys.executable, "-m", "coverage", "json", "--quiet", "-o", str(report)]
        subprocess.run(command, check=True)
        files = json.loads(report.read_text(encoding="utf-8"))["files"]
    taken: Counter[str] = Counter()
    there: Counter[str] = Counter()
    for name, file in files.items():
        room = Path(name).parts[0]
        taken[room] += file["summary"]["covered_branches"]
        there[room] += file["summary"]["num_branches"]
    shares = {room: 100 * taken[room] / max(1, there[room]) for room in ROOMS}
    lines = [
        f"{room}/: {taken[room]} of {there[room]} branches, {shares[room]:.1f} %" for room in ROOMS
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    sys.exit(min(shares.values()) < LEAST)


if __name__ == "__main__":
    main()
