"""A client as a file to hand on: the same bytes whenever it is made from the same contract."""

from __future__ import annotations

import json
import shutil
import zipfile
from pathlib import Path

from handlers.contract.reading import load
from handlers.site.packages import file_name
from tests.support.contract_client import CONTRACT

LEFT_OUT = ("git_push.sh", "generation.log")
"""What a generator leaves beside the client; so are its hidden files."""

_DATE = (1980, 1, 1, 0, 0, 0)


def add_own_files(template: Path, folder: Path) -> None:
    """Copy what a package needs beside what was generated; package.json learns the version."""
    shutil.copytree(template, folder, dirs_exist_ok=True)
    path = folder / "package.json"
    described = json.loads(path.read_text(encoding="utf-8"))
    described["version"] = load(CONTRACT).version
    path.write_text(json.dumps(described, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def pack(folder: Path) -> Path:
    """Write the client of this folder into a file beside it, marked with the contract; older ones go."""
    contract = load(CONTRACT)
    for old in folder.parent.glob(f"cynod-{folder.name}-[0-9]*.zip"):
        old.unlink()
    target = folder.parent / file_name(folder.name, contract.version)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as package:
        package.comment = contract.served_version.encode("ascii")
        for path in sorted(folder.rglob("*")):
            inside = path.relative_to(folder)
            if path.is_dir() or inside.parts[0].startswith(".") or inside.name in LEFT_OUT:
                continue
            entry = zipfile.ZipInfo(str(Path(target.stem, inside)), _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (path.stat().st_mode & 0o777) << 16
            package.writestr(entry, path.read_bytes())
    return target
