"""What a contract says, kept as JSON: YAML takes thirty times as long to read, and six times the memory.

`make contract` writes it beside the handlers. It is taken for the files alone of which it was made, byte for
byte: one that was edited since is read itself, and so is everything where what is kept was edited.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from pathlib import Path

import orjson

from handlers.contract.bundle import as_published
from handlers.contract.model import Json
from handlers.contract.surface import Surface

FILE = "document.json"

_ROOT = Path(__file__).parents[2]


def read_kept(path: Path, source: bytes, surface: Surface) -> tuple[Json, bytes] | None:
    """The document of the contract whose file says `source`, and the bytes that are published; None unless
    that was kept."""
    place = _ROOT.joinpath(*surface.package.split("."), FILE)
    # Whatever is wrong with it, the contract itself is there.
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        kept = orjson.loads(place.read_bytes())
        document: Json = kept["document"]
        main, *others = kept["of"].items()
        if main == (path.name, _hash(source)) and _hash(orjson.dumps(document)) == kept["sha256"]:
            if not others:
                return document, source
            if all(_hash(path.with_name(name).read_bytes()) == sha256 for name, sha256 in others):
                return document, as_published(document, list(kept["of"]))
    return None


def render_kept(document: Json, sources: Mapping[str, bytes], note: str) -> str:
    """The text of the file that keeps a document, which was made of these files, its own first."""
    kept = {
        "note": note,
        "of": {name: _hash(source) for name, source in sources.items()},
        "sha256": _hash(orjson.dumps(document)),
        "document": document,
    }
    return f"{orjson.dumps(kept, option=orjson.OPT_INDENT_2).decode()}\n"


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
