"""Rate limits by class, as the contract declares them, counted in memory or in Redis.

Two classes count no calls of an operation but failed authentications: `echec` by what was presented (a
consumer-key, or a token), `echec-adresse` by where it came from.

What counts a call says in the same answer how many are left and until when: that is told to the caller
(draft-ietf-httpapi-ratelimit-headers), and costs nothing more.
"""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections.abc import Sequence

import structlog
from limits import RateLimitItem, parse
from limits.errors import ConfigurationError, StorageError
from limits.storage import RedisStorage, storage_from_string

from handlers.contract.model import Contract, ContractError
from handlers.contract.together import merge_rate_classes
from handlers.edge.address import rate_key
from handlers.edge.refusals import TropDeRequetes
from handlers.metrics.recorder import Recorder
from handlers.settings import Settings, SettingsError

OFF = "off"

FAILURES, FAILURES_OF_ADDRESS = "echec", "echec-adresse"

BUCKETS = 4_096
"""Counters of a class of failures. What a stranger sends chooses one and makes none, so that names made up
by the million take no memory; two that share one share their count, which hurts nobody who succeeds."""


SWEEP_S = 10.0
"""Between two sweeps of counters that have ended; until then each takes some hundred bytes."""


class _Counters:
    """Counters in memory: of each key, when its window ends, and how many were counted in it.

    The library's own call fourteen functions for one call, and a thread to sweep.
    """

    def __init__(self) -> None:
        self._windows: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()
        self._next_sweep = 0.0

    def count(self, key: str, window_s: int) -> tuple[int, float]:
        """Count one more; how many that makes in its window, and the seconds until it ends."""
        moment = time.monotonic()
        with self._lock:
            if moment >= self._next_sweep:
                self._next_sweep = moment + SWEEP_S
                self._windows = {
                    name: window for name, window in self._windows.items() if window[0] > moment
                }
            end, used = self._windows.get(key, (0.0, 0))
            if end <= moment:
                end, used = moment + window_s, 0
            self._windows[key] = end, used + 1
        return used + 1, min(end - moment, window_s)  # a sum of floats may be more than its parts


_COUNT = b"""
local used = redis.call("incr", KEYS[1])
if used == 1 then redis.call("expire", KEYS[1], ARGV[1]) end
return {used, redis.call("pttl", KEYS[1])}
"""
"""What the library's script does, which tells the count alone: when it ends would be asked by itself."""


class _SharedCounters:
    """Counters in Redis."""

    def __init__(self, storage: RedisStorage) -> None:
        self._storage = storage
        self._script = storage.get_connection().register_script(_COUNT)
        self._errors = storage.base_exceptions

    def count(self, key: str, window_s: int) -> tuple[int, float]:
        """As those in memory, in one round trip. Raises StorageError."""
        try:
            used, left_ms = self._script([self._storage.prefixed_key(key)], [window_s])
        except self._errors as error:
            raise StorageError(error) from error
        return int(used), int(left_ms) / 1000


def _counters(redis_url: str) -> _Counters | _SharedCounters:
    return _SharedCounters(open_redis(redis_url)) if redis_url else _Counters()


def open_redis(redis_url: str) -> RedisStorage:
    """Redis, which is not asked yet; it is waited for half a second at most. Raises SettingsError."""
    try:
        storage = storage_from_string(
            redis_url, wrap_exceptions=True, socket_timeout=0.5, socket_connect_timeout=0.5
        )
    except (ConfigurationError, ValueError):
        storage = None
    # The library knows other counters, of one process alone or for asynchronous callers.
    if not redis_url.startswith("redis") or not isinstance(storage, RedisStorage):
        raise SettingsError("CYNOD_REDIS_URL is not a Redis address like redis://host:6379/0.")
    return storage


Header = tuple[bytes, bytes]


Tally = tuple[int, tuple[Header, ...]]
"""Of a call that was counted: the seconds to wait when it was one too many, else 0; and what its caller is
told. Plain, because it is made for every call."""


class _Limit:
    """The limit of a class, with all that can be said of it before anybody calls."""

    def __init__(self, rate_class: str, item: RateLimitItem) -> None:
        self.amount, self.window_s = item.amount, item.get_expiry()
        self.before, self.after = item.key_for(rate_class, "\n").split("\n")
        policy = f'"{rate_class}";q={self.amount};w={self.window_s}'
        self._policy: Header = (b"ratelimit-policy", policy.encode("ascii"))
        self._left = f'"{rate_class}";r=%d;t=%d'.encode("ascii")

    def tally(self, used: int, left_s: float) -> Tally:
        """What is said of a call that was the `used`-th of its window."""
        wait_s = max(1, math.ceil(left_s))
        left = self.amount - used
        told: Header = (b"ratelimit", self._left % (max(left, 0), wait_s))
        return wait_s if left < 0 else 0, (self._policy, told)


class RateLimits:
    """Counts calls by class and caller. One process counts alone; Redis counts for all of them.

    `waits` says that to count asks another machine.
    """

    def __init__(
        self, contracts: Sequence[Contract], settings: Settings, recorder: Recorder | None = None
    ) -> None:
        declared = merge_rate_classes(contracts)
        unknown = sorted(settings.limites.keys() - declared.keys())
        if unknown:
            raise SettingsError(
                f"CYNOD_LIMITES names {unknown[0]}; the classes are {', '.join(declared)}."
            )
        self._limits: dict[str, _Limit] = {}
        for name, text in {**declared, **settings.limites}.items():
            if text == OFF:
                continue
            try:
                self._limits[name] = _Limit(name, parse(text))
            except ValueError:
                fault = f"the rate {text!r} of class {name} is not like 100/second or 6000/minute."
                if name in settings.limites:
                    raise SettingsError(f"CYNOD_LIMITES: {fault}") from None
                file = next(one.surface.file for one in contracts if name in one.rate_classes)
                raise ContractError(f"{file}, x-classes-debit: {fault}") from None
        self.waits = bool(settings.redis_url)
        self._pepper = settings.pepper
        self._recorder = recorder
        self._counters = _counters(settings.redis_url)
        self._log = structlog.get_logger("cynod")

    def count_failure(self, presented: bytes, address: str) -> None:
        """Count a failed authentication. Raises the refusal 1008 with Retry-After when one was too many.

        It is asked after the failure and answers in its place: who succeeds is never hurt, and a known
        key is not told apart from an unknown one.
        """
        places = {FAILURES: presented, FAILURES_OF_ADDRESS: rate_key(address).encode()}
        counted = [self.count(of, self._bucket(name)) for of, name in places.items()]
        wait_s = max((tally[0] for tally in counted if tally is not None), default=0)
        if wait_s:
            raise TropDeRequetes(wait_s)

    def _bucket(self, name: bytes) -> str:
        # Under the pepper, nobody can choose names that share a counter, and Redis holds no name.
        digest = hmac.digest(self._pepper, name, "sha256")
        return str(int.from_bytes(digest[:4], "big") % BUCKETS)

    def count(self, rate_class: str, caller: str) -> Tally | None:
        """Count one call; None where nothing limits it, or nothing can be counted."""
        limit = self._limits.get(rate_class)
        if limit is None:
            return None
        try:
            counted = self._counters.count(f"{limit.before}{caller}{limit.after}", limit.window_s)
        except StorageError as error:
            # Payments go on when the counter is away: a limit protects the service, not the money.
            self._log.warning("compteur de requêtes indisponible", cause=str(error)[:200])
            return None
        tally = limit.tally(*counted)
        if tally[0] and self._recorder is not None:
            self._recorder.limit(rate_class)
        return tally
