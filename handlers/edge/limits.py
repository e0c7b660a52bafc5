"""Rate limits by class, as the contract declares them, counted in memory or in Redis.

Two classes count no calls of an operation but failed authentications: `echec` by what was presented (a
consumer-key, or a token), `echec-adresse` by where it came from.
"""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections.abc import Sequence
from typing import Any

import structlog
from limits import RateLimitItem, parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import MemoryStorage, Storage, storage_from_string
from limits.strategies import FixedWindowRateLimiter

from handlers.contract.model import Contract, ContractError
from handlers.contract.together import merge_rate_classes
from handlers.edge.address import rate_key
from handlers.edge.refusals import TropDeRequetes
from handlers.settings import Settings, SettingsError

OFF = "off"

FAILURES, FAILURES_OF_ADDRESS = "echec", "echec-adresse"

BUCKETS = 4_096
"""Counters of a class of failures. What a stranger sends chooses one and makes none, so that names made up
by the million take no memory; two that share one share their count, which hurts nobody who succeeds."""


SWEEP_S = 10.0
"""Between two sweeps of counters that have ended; until then each takes some hundred bytes."""


class _Seldom:
    """A timer that counts as running, and is not replaced, until the next sweep is due."""

    def __init__(self, timer: threading.Timer) -> None:
        self._timer = timer
        self._until = time.monotonic() + SWEEP_S

    def start(self) -> None:
        self._timer.daemon = True
        self._timer.start()

    def is_alive(self) -> bool:
        return time.monotonic() < self._until


class _Counters(MemoryStorage):
    """Counters in memory. By itself the library sweeps them in a new thread every hundredth of a second."""

    @property
    def timer(self) -> Any:
        return self._seldom

    @timer.setter
    def timer(self, timer: threading.Timer) -> None:
        self._seldom = _Seldom(timer)


def _storage(redis_url: str) -> Storage:
    if not redis_url:
        return _Counters()
    try:
        storage = storage_from_string(
            redis_url, wrap_exceptions=True, socket_timeout=0.5, socket_connect_timeout=0.5
        )
    except (ConfigurationError, ValueError):
        storage = None
    # The library knows other counters, of one process alone or for asynchronous callers.
    if not redis_url.startswith("redis") or not isinstance(storage, Storage):
        raise SettingsError("CYNOD_REDIS_URL is not a Redis address like redis://host:6379/0.")
    return storage


class RateLimits:
    """Counts calls by class and caller. One process counts alone; Redis counts for all of them.

    `waits` says that to count asks another machine.
    """

    def __init__(self, contracts: Sequence[Contract], settings: Settings) -> None:
        declared = merge_rate_classes(contracts)
        unknown = sorted(settings.limites.keys() - declared.keys())
        if unknown:
            raise SettingsError(
                f"CYNOD_LIMITES names {unknown[0]}; the classes are {', '.join(declared)}."
            )
        self._limits: dict[str, RateLimitItem] = {}
        for name, text in {**declared, **settings.limites}.items():
            if text == OFF:
                continue
            try:
                self._limits[name] = parse(text)
            except ValueError:
                fault = f"the rate {text!r} of class {name} is not like 100/second or 6000/minute."
                if name in settings.limites:
                    raise SettingsError(f"CYNOD_LIMITES: {fault}") from None
                file = next(one.surface.file for one in contracts if name in one.rate_classes)
                raise ContractError(f"{file}, x-classes-debit: {fault}") from None
        self.waits = bool(settings.redis_url)
        self._pepper = settings.pepper
        self._limiter = FixedWindowRateLimiter(_storage(settings.redis_url))
        self._log = structlog.get_logger("cynod")

    def count_failure(self, presented: bytes, address: str) -> None:
        """Count a failed authentication. Raises the refusal 1008 with Retry-After when one was too many.

        It is asked after the failure and answers in its place: who succeeds is never hurt, and a known
        key is not told apart from an unknown one.
        """
        places = {FAILURES: presented, FAILURES_OF_ADDRESS: rate_key(address).encode()}
        refusals: list[TropDeRequetes] = []
        for rate_class, name in places.items():
            try:
                self.count(rate_class, self._bucket(name))
            except TropDeRequetes as refusal:
                refusals.append(refusal)
        if refusals:
            raise max(refusals, key=lambda refusal: refusal.wait_s)

    def _bucket(self, name: bytes) -> str:
        # Under the pepper, nobody can choose names that share a counter, and Redis holds no name.
        digest = hmac.digest(self._pepper, name, "sha256")
        return str(int.from_bytes(digest[:4], "big") % BUCKETS)

    def count(self, rate_class: str, caller: str) -> None:
        """Count one call. Raises the refusal 1008 with Retry-After when the caller has had enough."""
        limit = self._limits.get(rate_class)
        if limit is None:
            return
        try:
            if self._limiter.hit(limit, rate_class, caller):
                return
            reset = self._limiter.get_window_stats(limit, rate_class, caller).reset_time
        except StorageError as error:
            # Payments go on when the counter is away: a limit protects the service, not the money.
            self._log.warning("compteur de requêtes indisponible", cause=str(error)[:200])
            return
        wait = max(1, math.ceil(reset - time.time()))
        raise TropDeRequetes(wait)
