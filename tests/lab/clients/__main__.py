"""`python -m tests.lab.clients`: the command behind `make clients`."""

from __future__ import annotations

import sys

from tests.lab.clients.generators import (
    GENERATORS,
    ClientError,
    make,
    warnings_of,
)
from tests.support.contract_client import ROOT


def main() -> int:
    """Make every client; 1 when one cannot be made, or its generator warns of the contract."""
    failed = False
    for name in GENERATORS:
        try:
            folder = make(name)
        except ClientError as error:
            sys.stderr.write(f"{name}: {error}\n")
            failed = True
            continue
        warnings = warnings_of(name, (folder / "generation.log").read_text(encoding="utf-8"))
        failed = failed or bool(warnings)
        sys.stdout.write(
            f"{folder.relative_to(ROOT)}\n" + "".join(f"  {line}\n" for line in warnings)
        )
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
