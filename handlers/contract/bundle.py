"""A contract that refers to another file, made self-contained: what is served, hashed, published, compared.

`openapi.yaml#/components/responses/NonAuthentifie` becomes `#/components/responses/NonAuthentifie`, and
that response comes along under its own name, with all that it refers to. What a reference to another
place designates is written in its stead: in a list, one list after the other. There an item may be
named by its `code` or `name`: `openapi.yaml#/x-catalogue-erreurs/1002`, or without the code all of them.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from handlers.contract.lines import Place, dotted
from handlers.contract.model import ContractError, Json
from handlers.contract.text import as_yaml

Read = Callable[[Path], tuple[Json, bytes]]

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]*\.ya?ml")
_SHOWN = frozenset({"example", "value"})
_COMPONENT = re.compile(r"/components/(\w+)/([^/]+)")


def read_whole(path: Path, read: Read) -> tuple[Json, bytes]:
    """The self-contained document of a contract, and its bytes: the file's own when it needs no other.

    Raises ContractError.
    """
    document, source = read(path)
    if not _is_referring(document):
        return document, source
    bundle = _Bundle(path, document, read)
    made = bundle.make()
    text = f"# Made of {' and '.join(bundle.files)}; edit these.\n{as_yaml(made)}"
    return made, text.encode()


def _is_referring(node: Any) -> bool:
    if isinstance(node, dict):
        reference = node.get("$ref")
        if isinstance(reference, str) and not reference.startswith("#"):
            return True
        return any(map(_is_referring, node.values()))
    return isinstance(node, list) and any(map(_is_referring, node))


class WrongReference(ContractError):
    """A reference to another file that leads nowhere: where it stands, and what is wrong with it."""

    def __init__(self, file: str, place: Place, text: str) -> None:
        super().__init__(f"{file}, {dotted(place)}: {text}")
        self.file = file
        self.place = place
        self.text = text


class _Bundle:
    """One making. A place is named as in messages: its file, and the keys that lead to it."""

    def __init__(self, path: Path, document: Json, read: Read) -> None:
        self._folder, self._main = path.parent, path.name
        self._documents = {path.name: document}
        self._read = read
        self._copied: dict[tuple[str, str], dict[str, Any]] = {}
        """What came along, by kind and name, then by file."""
        self._replacing: list[str] = []

    @property
    def files(self) -> list[str]:
        """The files of which it was made, the contract's own first."""
        return list(self._documents)

    def make(self) -> Json:
        """The whole document. What came along follows what the contract has, in the order of its file."""
        made: Json = self._copy(self._documents[self._main], self._main, ())
        components: Json = made.setdefault("components", {})
        own = {
            (kind, name): node for kind, nodes in components.items() for name, node in nodes.items()
        }
        for key, by_file in self._copied.items():
            found = by_file | ({self._main: own[key]} if key in own else {})
            _refuse_different(key, found)
        for file in self.files[1:]:
            for kind, nodes in self._documents[file].get("components", {}).items():
                for name in nodes:
                    node = self._copied.get((kind, name), {}).get(file)
                    if node is not None:
                        components.setdefault(kind, {}).setdefault(name, node)
        return made

    def _copy(self, node: Any, file: str, place: Place) -> Any:
        """The node of a file as it is in the self-contained form."""
        if isinstance(node, list):
            return self._list(node, file, place)
        if not isinstance(node, dict):
            return self._at_own_version(node, file, place)
        if isinstance(node.get("$ref"), str):
            return self._reference(node, file, place)
        made = {key: self._copy(value, file, (*place, str(key))) for key, value in node.items()}
        if place[-1:] == ("discriminator",) and isinstance(made.get("mapping"), dict):
            made["mapping"] = {
                value: self._reference({"$ref": to}, file, place)["$ref"] if "#/" in to else to
                for value, to in made["mapping"].items()
            }
        return made

    def _at_own_version(self, node: Any, file: str, place: Place) -> Any:
        """Where an example of another file shows the version of that one, it is the contract's own here."""
        if file == self._main or not isinstance(node, str) or not _SHOWN.intersection(place):
            return node
        shown, mark, sha256 = node.partition("+")
        if shown != self._documents[file].get("info", {}).get("version"):
            return node
        own = self._documents[self._main].get("info", {}).get("version")
        return f"{own}{mark}{sha256}"

    def _list(self, node: list[Any], file: str, place: Place) -> list[Any]:
        made = []
        for number, item in enumerate(node):
            one = self._copy(item, file, (*place, number))
            if isinstance(one, list) and not isinstance(item, list):
                made += one
            else:
                made.append(one)
        return made

    def _reference(self, node: Json, file: str, place: Place) -> Any:
        reference: str = node["$ref"]
        named, _, pointer = reference.partition("#")
        target = named or file
        if file == target == self._main:
            return dict(node)
        try:
            found, keys = self._find(target, pointer)
        except ContractError as error:
            raise WrongReference(file, place, f"$ref {reference}{error}") from None
        component = _COMPONENT.fullmatch(pointer)
        if component is None or (file == self._main and place == keys):
            return self._stead(found, target, keys, (file, place, reference))
        kind, name = keys[1:]
        if target != self._main:
            by_file = self._copied.setdefault((kind, name), {})
            if target not in by_file:
                by_file[target] = None  # it may refer to itself
                by_file[target] = self._copy(found, target, keys)
        return {"$ref": f"#{pointer}"}

    def _stead(
        self, found: Any, file: str, keys: tuple[str, ...], of: tuple[str, Place, str]
    ) -> Any:
        referring, place, reference = of
        if reference in self._replacing:
            raise WrongReference(referring, place, f"$ref {reference} leads back to itself.")
        self._replacing.append(reference)
        made = self._copy(found, file, keys)
        self._replacing.pop()
        return made

    def _find(self, file: str, pointer: str) -> tuple[Any, tuple[str, ...]]:
        """What a pointer designates in a file, and the keys that lead there.

        Raises ContractError with the end of a sentence that begins with the reference.
        """
        if not _FILE.fullmatch(file) or not pointer.startswith("/"):
            raise ContractError(
                " must name a place in a file beside this one, such as "
                "openapi.yaml#/components/schemas/Refus."
            )
        if file not in self._documents:
            try:
                self._documents[file] = self._read(self._folder / file)[0]
            except ContractError as error:
                raise ContractError(f": {error}") from None
        node: Any = self._documents[file]
        keys: list[str] = []
        for part in pointer[1:].split("/"):
            key = unquote(part).replace("~1", "/").replace("~0", "~")
            keys.append(key)
            node = _child(node, key)
            if node is None:
                raise ContractError(f" leads nowhere: {file} has no {'.'.join(keys)}.")
        return node, tuple(keys)


def _child(node: Any, key: str) -> Any:
    if isinstance(node, dict):
        return node.get(key)
    if not isinstance(node, list):
        return None
    for item in node:
        if isinstance(item, dict) and key in (item.get("code"), item.get("name")):
            return item
    return node[int(key)] if key.isdecimal() and int(key) < len(node) else None


def _refuse_different(key: tuple[str, str], by_file: dict[str, Any]) -> None:
    (first, node), *others = by_file.items()
    for file, other in others:
        if other != node:
            kind, name = key
            raise ContractError(
                f"{file}, components.{kind}.{name} is not what {first} has under that name, which comes "
                f"along too; give it another name, or refer to {first}#/components/{kind}/{name}."
            )
