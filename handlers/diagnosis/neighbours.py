"""What a server asks beside its database: a standby, Redis, the OpenID provider."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy.exc import DBAPIError

from handlers.contract.surface import SURFACES
from handlers.diagnosis.constat import Constat, Subject, doubtful, right, wrong
from handlers.edge.limits import open_redis
from handlers.edge.oidc import ProviderAway, read_keys
from handlers.settings import SettingsError
from models.database.engine import Database, describe_error
from models.database.failures import DatabaseUrlError
from models.database.standby import compare

KEEPS = "noeviction"

WAIT_S = 5
"""Of what is asked of a standby."""


def check_standby(subject: Subject) -> Iterator[Constat]:
    """That lists can be read from the standby. One that cannot be read from is in nobody's way."""
    settings = subject.read()
    if not settings.lecture_url:
        yield right("not configured: everything is read where it is written")
        return
    mend = "correct CYNOD_LECTURE_URL: until then lists are read where they are written"
    try:
        standby = Database(settings.lecture_url, wait_s=WAIT_S)
    except DatabaseUrlError as error:
        yield wrong(f"CYNOD_LECTURE_URL: {error}", "correct CYNOD_LECTURE_URL")
        return
    try:
        with subject.opened().reading() as primary, standby.reading() as there:
            found = compare(primary, there)
    except DBAPIError as error:
        yield doubtful(describe_error(standby, error).removesuffix("."), mend)
        return
    finally:
        standby.close()
    if not found.is_standby:
        yield doubtful("the database of CYNOD_LECTURE_URL is no standby: it takes writes", mend)
    elif found.follows and found.timeline is None:
        yield doubtful(
            "the role is not told which timeline the standby follows, and does not read from it",
            "GRANT pg_monitor to it, on the primary",
        )
    elif found.timeline != found.of_primary:
        yield doubtful("the standby does not follow this primary", "make it follow the primary")
    yield right(f"the standby follows, {found.behind:,} bytes of log behind")


def check_redis(subject: Subject) -> Iterator[Constat]:
    """That counters are kept, and by one Redis for all processes."""
    settings = subject.read()
    if not settings.redis_url:
        if subject.workers > 1:
            yield doubtful(
                f"each of {subject.workers} processes counts rates alone", "set CYNOD_REDIS_URL"
            )
        yield right("not configured: rates are counted by each process alone")
        return
    try:
        storage = open_redis(settings.redis_url)
        client: Any = storage.get_connection()
    except SettingsError as error:
        yield wrong(str(error).removesuffix("."), "correct CYNOD_REDIS_URL")
        return
    try:
        client.ping()
        policy = client.info("memory").get("maxmemory_policy")
        version = client.info("server").get("redis_version")
    except storage.base_exceptions as error:
        # Its text may name the user of the address.
        yield wrong(
            f"Redis does not answer: {type(error).__name__}",
            "start it, or correct CYNOD_REDIS_URL: without it nothing is limited",
        )
        return
    finally:
        client.close()
    if policy != KEEPS:
        yield wrong(
            f"Redis forgets counters when its memory is full (maxmemory-policy {policy})",
            f"CONFIG SET maxmemory-policy {KEEPS}",
        )
    yield right(f"Redis {version} answers, maxmemory-policy {policy}")


def check_oidc(subject: Subject) -> Iterator[Constat]:
    """That the provider is found, and publishes keys that sign."""
    settings = subject.read()
    if not settings.oidc_emetteur:
        of_persons = [
            one.name for one in SURFACES.values() if one.persons and one.name in settings.surfaces
        ]
        if of_persons:
            yield doubtful(
                f"{of_persons[0]} takes tokens of this machine's own key",
                "set CYNOD_OIDC_EMETTEUR before production",
            )
        yield right("not configured: no person calls")
        return
    try:
        keys = read_keys(settings.oidc_emetteur).keys
    except ProviderAway as error:
        yield wrong(
            f"{settings.oidc_emetteur}: {error}",
            "correct CYNOD_OIDC_EMETTEUR, or start the provider",
        )
        return
    yield right(f"{settings.oidc_emetteur} publishes {len(keys)} signing key{'s'[: len(keys) > 1]}")
