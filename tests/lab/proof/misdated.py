"""A program in Python whose clock is wrong by the seconds in a file: `misdated.py FILE PROGRAM ARGUMENTS`.

libfaketime, which does that to PostgreSQL, breaks the sleep of Python 3.11.
"""

import runpy
import sys
import time
from pathlib import Path


def main() -> None:
    """Run the program in this process, as if it had been started by itself."""
    file, right = Path(sys.argv[1]), time.time

    def wrong() -> float:
        return right() + float(file.read_text(encoding="ascii"))

    time.time = wrong
    sys.argv = sys.argv[2:]
    runpy.run_path(sys.argv[0], run_name="__main__")


if __name__ == "__main__":
    main()
