"""`make docs`: the pages that a server shows, as a folder for any server of files, under any prefix.

Each contract has a folder of its own: who publishes the partners' pages publishes nothing of the back office.
"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from handlers.contract.model import Contract, ContractError
from handlers.contract.reading import load
from handlers.contract.surface import PARTENAIRE, SURFACES
from handlers.settings import ROOT, SettingsError, read_settings
from handlers.site.packages import Package, packages
from handlers.site.pages import (
    console_files,
    console_page,
    files,
    partner_pages,
)


def write(
    contract: Contract,
    clients: list[Package],
    folder: Path,
    changelog: Path = ROOT / "CHANGELOG.md",
) -> None:
    """Write the pages into `folder`. A release of Swagger UI, clients and pages that it had are taken away;
    nothing else is."""
    for old in folder.glob("ui/swagger-ui-*"):
        shutil.rmtree(old)
    for old_file in (*folder.glob("clients/cynod-*.zip"), *folder.glob("doc/*.html")):
        old_file.unlink()
    own = files(persons=contract.surface.persons)
    pages = partner_pages(contract, clients, changelog, static=True)
    for name, content in {
        **{name: read() for name, read in pages.items()},
        **{name: one.read(contract) for name, one in own.items()},
        "ui/index.html": console_page(contract, root="../", here="", static=True),
        **{f"clients/{one.file.name}": one.file.read_bytes() for one in clients},
        **{f"ui/{name}": file.read_bytes() for name, file in console_files().items()},
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def main() -> int:
    """Write into the folder that the command line names, and beside it for other contracts. The exit code."""
    folder = Path(sys.argv[1])
    try:
        settings = read_settings()
        for surface in SURFACES.values():
            of = surface is PARTENAIRE
            file = settings.contract if of else settings.contract.with_name(surface.file)
            contract = load(file, surface=surface)
            target = folder if of else folder.with_name(f"{folder.name}-{surface.name}")
            write(contract, packages(settings.clients, contract) if of else [], target)
            sys.stdout.write(f"{target}/index.html\n")
    except (ContractError, SettingsError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
