"""The rules of this contract's own words: codes, rights, rates; and of the names that clients are made of.

No tool knows the extensions, and a name (of a tag, a schema, a path's parameter) is a text to Redocly,
although generated clients call their classes and arguments by it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from handlers.contract.model import METHODS, Json
from handlers.contract.scopes import declared_scopes
from handlers.workbench.diff.change import (
    ADDITIVE,
    BOTH,
    BREAKING,
    RECEIVED,
    SENT,
    TEXT,
    Change,
)
from handlers.workbench.diff.directions import dotted, resolve

_PARAMETER = re.compile(r"\{([^}]*)\}")
_SECONDS = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}


def own_changes(before: Json, after: Json) -> list[Change]:
    """The changes that only a reader of this contract sees."""
    return [
        *_operations(before, after),
        *_catalogue(before, after),
        *_rate_classes(before, after),
        *_scopes(before, after),
        *_roles(before, after),
        *_messages(before, after),
        *_schema_names(before, after),
        *_classes(before, after, before, after, ()),
        *_servers(before, after),
        *_tags(before, after),
        *_shared_codes(before, after),
    ]


# ── operations ────────────────────────────────────────────────────────────────────────────────────


def _operations(before: Json, after: Json) -> Iterator[Change]:
    shapes = {_shape(path): path for path in after.get("paths", {})}
    for path, item in before.get("paths", {}).items():
        twin = shapes.get(_shape(path))
        if twin is None:
            continue  # Redocly tells that a path is gone.
        if twin != path:
            yield Change(
                BREAKING,
                SENT,
                f"paths.{path}",
                f"the path is {twin} now: its arguments have other names",
            )
        for method in METHODS:
            old, new = item.get(method), after["paths"][twin].get(method)
            if old is not None and new is not None:
                yield from _operation(f"paths.{twin}.{method}", old, new, before, after)


def _shape(path: str) -> str:
    return _PARAMETER.sub("{}", path)


def _operation(where: str, old: Json, new: Json, before: Json, after: Json) -> Iterator[Change]:
    if old.get("tags") != new.get("tags"):
        yield Change(
            BREAKING,
            BOTH,
            f"{where}.tags",
            f"{_list(old.get('tags'))} became {_list(new.get('tags'))}: generated clients have it in "
            "another class",
        )
    yield from _order_of_parameters(where, old, new, before, after)
    yield from _codes(f"{where}.x-codes-erreur", old, new)
    yield from _security(f"{where}.security", _needs(old, before), _needs(new, after))
    for name, rule in _EXTENSIONS.items():
        if old.get(name) != new.get(name):
            impact, direction, reason = rule(old.get(name), new.get(name))
            yield Change(impact, direction, f"{where}.{name}", reason)


def _order_of_parameters(
    where: str, old: Json, new: Json, before: Json, after: Json
) -> Iterator[Change]:
    """Clients that take their arguments one after the other: first those that must be sent."""
    for required in (True, False):
        known = _parameters(old, before, required=required)
        told = _parameters(new, after, required=required)
        kept = [name for name in known if name in told]
        if told[: len(kept)] != kept:
            yield Change(
                BREAKING,
                SENT,
                f"{where}.parameters",
                f"the order was {_list(kept)} and is {_list(told)}: generated clients take their "
                "arguments in that order",
            )


def _parameters(operation: Json, document: Json, *, required: bool) -> list[str]:
    nodes = [
        resolve(document, node["$ref"]) or {} if "$ref" in node else node
        for node in operation.get("parameters", [])
    ]
    return [f"{node.get('name')}" for node in nodes if bool(node.get("required")) == required]


def _codes(where: str, old: Json, new: Json) -> Iterator[Change]:
    known, told = set(old.get("x-codes-erreur", [])), set(new.get("x-codes-erreur", []))
    for code in sorted(told - known):
        yield Change(ADDITIVE, RECEIVED, where, f"code {code} may be answered too")
    for code in sorted(known - told):
        yield Change(
            BREAKING,
            RECEIVED,
            where,
            f"code {code} is no longer answered: who waits for it waits in vain",
        )


def _shared_codes(before: Json, after: Json) -> Iterator[Change]:
    """Codes that a shared response carries: its operations tell whom that reaches."""
    new = after.get("components", {}).get("responses", {})
    for name, node in before.get("components", {}).get("responses", {}).items():
        carried = new.get(name, node).get("x-codes-erreur")
        if carried is not None and node.get("x-codes-erreur") != carried:
            where = f"components.responses.{name}.x-codes-erreur"
            yield Change(TEXT, RECEIVED, where, f"carries {_list(carried)}")


Need = frozenset[tuple[str, frozenset[str]]]
_NOBODY: Need = frozenset()


def _needs(operation: Json, document: Json) -> list[Need]:
    owner = operation if "security" in operation else document
    needs: list[dict[str, list[str]]] = owner.get("security", [])
    return [frozenset((name, frozenset(scopes)) for name, scopes in need.items()) for need in needs]


def _security(where: str, old: list[Need], new: list[Need]) -> Iterator[Change]:
    if set(old) == set(new):
        return
    # None at all is as good as an empty one: everybody may call.
    kept = new or [_NOBODY]
    lost = [need for need in (old or [_NOBODY]) if not any(_admits(one, need) for one in kept)]
    if lost:
        told = "; ".join(map(_told, lost))
        yield Change(BREAKING, SENT, where, f"{told} no longer suffices, {_all(new)} is asked")
    else:
        yield Change(ADDITIVE, SENT, where, f"{_all(old)} suffices as before, now {_all(new)} does")


def _admits(new: Need, old: Need) -> bool:
    """Whether who brings `old` brings all that `new` asks."""
    brought = dict(old)
    return all(name in brought and scopes <= brought[name] for name, scopes in new)


def _told(need: Need) -> str:
    parts = [f"{name} {_list(sorted(scopes))}" if scopes else name for name, scopes in sorted(need)]
    return " with ".join(parts) or "no authentication"


def _all(needs: list[Need]) -> str:
    return " or ".join(map(_told, needs)) or "no authentication"


def _idempotence(old: Any, new: Any) -> tuple[str, str, str]:
    if old is None:
        return ADDITIVE, BOTH, f"may be repeated without harm, by {new}"
    return BREAKING, BOTH, f"was repeated without harm by {old}, now by {new or 'nothing'}"


def _body_size(old: Any, new: Any) -> tuple[str, str, str]:
    default = 65_536
    smaller = (new or default) < (old or default)
    reason = f"a body may have {new or default} bytes, had {old or default}"
    return (BREAKING if smaller else ADDITIVE), SENT, reason


def _optional(_old: Any, new: Any) -> tuple[str, str, str]:
    if new:
        return ADDITIVE, RECEIVED, "a server may not offer it, and then answers its own code"
    return ADDITIVE, RECEIVED, "every server offers it"


def _withdrawal(old: Any, new: Any) -> tuple[str, str, str]:
    if old and new and str(new.get("retrait")) < str(old.get("retrait")):
        return BREAKING, BOTH, f"withdrawn earlier: {new['retrait']} instead of {old['retrait']}"
    return ADDITIVE, BOTH, f"to be withdrawn: {new.get('retrait') if new else 'no more'}"


def _rate_class(old: Any, new: Any) -> tuple[str, str, str]:
    if new == "libre":
        return ADDITIVE, SENT, "no longer counted"
    return BREAKING, SENT, f"counts as {new}, was {old}: calls may be refused that were taken"


def _text(_old: Any, _new: Any) -> tuple[str, str, str]:
    return TEXT, RECEIVED, "another text"


def _reads_only(_old: Any, new: Any) -> tuple[str, str, str]:
    return TEXT, BOTH, "changes nothing" if new else "changes something"


def _right(old: Any, new: Any) -> tuple[str, str, str]:
    if new == "aucun":
        return ADDITIVE, SENT, f"every agent may call it, {old} was needed"
    return BREAKING, SENT, f"needs the right {new}, needed {old}: who had that one may be refused"


def _audited(_old: Any, new: Any) -> tuple[str, str, str]:
    return TEXT, BOTH, "is a row of the audit" if new else "is no row of the audit any more"


_EXTENSIONS = {
    "x-droit": _right,
    "x-lecture-auditee": _audited,
    "x-idempotence": _idempotence,
    "x-corps-maximal": _body_size,
    "x-optionnelle": _optional,
    "x-obsolescence": _withdrawal,
    "x-classe-debit": _rate_class,
    "x-message-succes": _text,
    "x-lecture-seule": _reads_only,
}


# ── the rest ──────────────────────────────────────────────────────────────────────────────────────


def _catalogue(before: Json, after: Json) -> Iterator[Change]:
    old, new = (
        {entry.get("code"): entry for entry in document.get("x-catalogue-erreurs", [])}
        for document in (before, after)
    )
    for code in sorted(new.keys() - old.keys()):
        yield Change(ADDITIVE, RECEIVED, f"x-catalogue-erreurs.{code}", f"new code {code}")
    for code in sorted(old.keys() - new.keys()):
        yield Change(BREAKING, RECEIVED, f"x-catalogue-erreurs.{code}", f"code {code} is gone")
    for code in sorted(old.keys() & new.keys()):
        for field in sorted(old[code].keys() | new[code].keys()):
            was, now = old[code].get(field), new[code].get(field)
            if was != now:
                texts = field in ("message", "conseil")
                reason = "another text" if texts else f"{field} {was} became {now}"
                yield Change(
                    TEXT if texts else BREAKING,
                    RECEIVED,
                    f"x-catalogue-erreurs.{code}.{field}",
                    reason,
                )


def _rate_classes(before: Json, after: Json) -> Iterator[Change]:
    old, new = before.get("x-classes-debit", {}), after.get("x-classes-debit", {})
    for name in sorted(old.keys() | new.keys()):
        was, now = old.get(name), new.get(name)
        if was == now or was is None or now is None:
            continue  # A class that comes or goes reaches somebody by the operations that name it.
        lower = _per_second(now) < _per_second(was)
        reason = f"{was} became {now}: {'calls may be refused that were taken' if lower else 'more calls'}"
        yield Change(BREAKING if lower else ADDITIVE, SENT, f"x-classes-debit.{name}", reason)


def _per_second(rate: str) -> float:
    count, _, span = str(rate).partition("/")
    return int(count) / _SECONDS.get(span, 1) if count.isdecimal() else float("inf")


def _scopes(before: Json, after: Json) -> Iterator[Change]:
    old, new = (declared_scopes(document) for document in (before, after))
    place = "components.securitySchemes.oauth2.flows.clientCredentials.scopes"
    for name in sorted(new.keys() - old.keys()):
        yield Change(ADDITIVE, SENT, f"{place}.{name}", "a new right")
    for name in sorted(old.keys() - new.keys()):
        yield Change(
            BREAKING, SENT, f"{place}.{name}", "the right is gone: who asks for it is refused"
        )
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield Change(TEXT, SENT, f"{place}.{name}", "another text")


def _roles(before: Json, after: Json) -> Iterator[Change]:
    """What persons may do by the roles that they have."""
    old, new = (document.get("x-roles", {}) for document in (before, after))
    for role in sorted(old.keys() | new.keys()):
        had, has = set(old.get(role, ())), set(new.get(role, ()))
        where = f"x-roles.{role}"
        if role not in old:
            yield Change(ADDITIVE, SENT, where, f"a new role, with {_list(sorted(has))}")
        elif role not in new:
            yield Change(BREAKING, SENT, where, "the role is gone: who has it is refused")
        elif lost := sorted(had - has):
            yield Change(BREAKING, SENT, where, f"{_list(lost)} is no longer of this role")
        elif has - had:
            yield Change(ADDITIVE, SENT, where, f"{_list(sorted(has - had))} is of this role too")


def _messages(before: Json, after: Json) -> Iterator[Change]:
    """The messages of a success that several operations share: who reads them reads texts."""
    old, new = (
        document.get("components", {}).get("x-messages", {}) for document in (before, after)
    )
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield Change(TEXT, RECEIVED, f"components.x-messages.{name}", "another text")


def _schema_names(before: Json, after: Json) -> Iterator[Change]:
    old, new = (document.get("components", {}).get("schemas", {}) for document in (before, after))
    gone, come = old.keys() - new.keys(), new.keys() - old.keys()
    for name in sorted(gone):
        twins = [other for other in sorted(come) if _same(old[name], new[other], name, other)]
        if twins:
            reason = f"{name} is {twins[0]} now: generated clients have another class"
        elif _is_used(before, name):
            reason = f"{name} is gone: generated clients have its class no more"
        else:
            continue
        yield Change(BREAKING, BOTH, f"components.schemas.{name}", reason)


def _classes(
    before: Json, after: Json, old: Any, new: Any, place: tuple[str, ...]
) -> Iterator[Change]:
    """References that name another object: of the same form, Redocly sees no change."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return
    for key in old.keys() & new.keys():
        yield from _classes(before, after, old[key], new[key], (*place, key))
    was, now = old.get("$ref"), new.get("$ref")
    if was == now or not (isinstance(was, str) and isinstance(now, str)):
        return
    schemas = [resolve(after, name) for name in (was, now) if _is_of_schema(name)]
    # What is there no more is told once, with its own name.
    if len(schemas) == 2 and schemas[0] and any(_is_object(one) for one in schemas):
        told = f"{_name(was)} became {_name(now)}: generated clients have another class"
        yield Change(BREAKING, BOTH, dotted([*place, "$ref"]), told)


def _is_of_schema(reference: str) -> bool:
    return reference.startswith("#/components/schemas/")


def _is_object(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("type") == "object"


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _same(old: Any, new: Any, name: str, other: str) -> bool:
    """Whether two schemas differ by their names alone."""
    if isinstance(old, dict) and isinstance(new, dict):
        return old.keys() == new.keys() and all(
            key in ("description", "example") or _same(old[key], new[key], name, other)
            for key in old
        )
    if isinstance(old, list) and isinstance(new, list):
        return len(old) == len(new) and all(
            _same(a, b, name, other) for a, b in zip(old, new, strict=True)
        )
    if isinstance(old, str) and old.endswith(f"/schemas/{name}"):
        return bool(new == old.replace(f"/schemas/{name}", f"/schemas/{other}"))
    return bool(old == new)


def _is_used(document: Json, name: str) -> bool:
    return f"'#/components/schemas/{name}'" in repr(document)


def _servers(before: Json, after: Json) -> Iterator[Change]:
    old, new = (
        {
            server.get("url"): (str(at), server)
            for at, server in enumerate(document.get("servers", []))
        }
        for document in (before, after)
    )
    places = {at: url for url, (at, _) in new.items() if url not in old}
    for url, (at, server) in old.items():
        named = [other for other in places.values() if _names(other, url)]
        if url not in new and named:
            told = f"{url} was whoever publishes the contract, which has an address now"
            yield Change(ADDITIVE, BOTH, f"servers.{at}.url", told)
        elif url not in new:
            told = f"{url} became {places.pop(at)}" if at in places else f"the server {url} is gone"
            yield Change(BREAKING, BOTH, f"servers.{at}.url", told)
        elif server != new[url][1]:
            yield Change(TEXT, BOTH, f"servers.{new[url][0]}", "another text")
    for at, url in places.items():
        yield Change(ADDITIVE, BOTH, f"servers.{at}.url", f"another server, {url}")


def _names(url: str, before: str) -> bool:
    """Whether an address has the very paths that a relative one had, on a server that it names."""
    known, told = urlsplit(before), urlsplit(url)
    relative = not known.scheme and not known.netloc
    return relative and bool(told.netloc) and told.path.rstrip("/") == known.path.rstrip("/")


def _tags(before: Json, after: Json) -> Iterator[Change]:
    old, new = (
        {tag.get("name"): tag for tag in document.get("tags", [])} for document in (before, after)
    )
    for name in sorted(old.keys() ^ new.keys()):
        told = "is no more" if name in old else "is new"
        yield Change(
            TEXT, BOTH, f"tags.{name}", f"the tag {told}; its operations tell what follows"
        )
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            yield Change(TEXT, BOTH, f"tags.{name}", "another text")


def _list(values: Any) -> str:
    return "[" + ", ".join(map(str, values or [])) + "]"
