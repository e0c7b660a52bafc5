"""Settings, read once from the environment, checked, and frozen."""

from __future__ import annotations

import difflib
import ipaddress
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

PRODUCTION = "production"
ROOT = Path(__file__).resolve().parents[1]

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(ValueError):
    """A setting cannot be used; the text is one sentence that names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a deployment chooses. Durations in seconds, sizes in bytes."""

    environment: str = "development"
    database_url: str = "sqlite:///cynod.db"
    host: str = "127.0.0.1"
    port: int = 8080
    contract: Path = ROOT / "openapi.yaml"
    surfaces: tuple[str, ...] = ("partenaire",)
    clients: Path = ROOT / "build" / "clients"
    pepper: bytes = b""
    jeton_duree_s: int = 3600
    pool_size: int = 8
    attente_s: int = 10
    arret_s: int = 30
    annulation_fenetre_s: int = 86_400
    proxies: tuple[Network, ...] = ()
    limites: Mapping[str, str] = field(default_factory=dict)
    redis_url: str = ""
    desactivees: frozenset[str] = frozenset()
    log_format: str = "auto"
    log_level: str = "info"

    @property
    def is_production(self) -> bool:
        return self.environment == PRODUCTION


OTHER_VARIABLES = frozenset({"CYNOD_CONSUMER_KEY", "CYNOD_CONSUMER_SECRET"})
"""Variables that a command reads by itself."""

TOOLS = ("CYNOD_TEST_", "CYNOD_FUZZ_", "CYNOD_EXCHANGES")
"""Beginnings of the names that only the tests and their tools read."""


class _Asked(dict[str, str]):
    """An empty environment that notes which variables it is asked for."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def get(self, name: str, default: Any = None) -> Any:
        """Note the name."""
        self.names.add(name)
        return default


def find_unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """The CYNOD_ variables that nothing reads, each with the known name that it resembles."""
    env = os.environ if environ is None else environ
    asked = _Asked()
    read_settings(asked)
    known = asked.names | OTHER_VARIABLES
    return {
        name: next(iter(difflib.get_close_matches(name.upper(), known, 1, 0.8)), None)
        for name in sorted(env)
        if name.upper().startswith("CYNOD_") and name not in known and not name.startswith(TOOLS)
    }


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of the environment. Raises SettingsError naming the variable at fault."""
    env = os.environ if environ is None else environ
    environment = env.get("CYNOD_ENV", "development")
    if environment not in ("development", "test", PRODUCTION):
        raise SettingsError("CYNOD_ENV must be development, test or production.")
    log_format = env.get("CYNOD_LOG_FORMAT", "auto")
    if log_format not in ("auto", "json", "texte"):
        raise SettingsError("CYNOD_LOG_FORMAT must be auto, json or texte.")
    log_level = env.get("CYNOD_LOG_LEVEL", "info").lower()
    if log_level not in ("debug", "info", "warning", "error"):
        raise SettingsError("CYNOD_LOG_LEVEL must be debug, info, warning or error.")
    return Settings(
        environment=environment,
        database_url=env.get("CYNOD_DATABASE_URL", "") or "sqlite:///cynod.db",
        # An address of IPv6 may stand in the brackets that it has in a URL.
        host=env.get("HOST", "").strip("[]") or "127.0.0.1",
        port=_integer(env, "PORT", 8080, 0, 65535),
        contract=Path(env.get("CYNOD_CONTRACT", "") or ROOT / "openapi.yaml"),
        surfaces=tuple(env.get("CYNOD_SURFACES", "").replace(",", " ").split()) or ("partenaire",),
        clients=Path(env.get("CYNOD_CLIENTS", "") or ROOT / "build" / "clients"),
        pepper=env.get("CYNOD_PEPPER", "").encode(),
        jeton_duree_s=_integer(env, "CYNOD_JETON_DUREE_S", 3600, 1, 86_400),
        pool_size=_integer(env, "CYNOD_POOL_SIZE", 8, 1, 100),
        attente_s=_integer(env, "CYNOD_ATTENTE_S", 10, 1, 60),
        arret_s=_integer(env, "CYNOD_ARRET_S", 30, 1, 600),
        annulation_fenetre_s=_integer(env, "CYNOD_ANNULATION_FENETRE_S", 86_400, 1, 31_622_400),
        proxies=_networks(env, "CYNOD_PROXIES"),
        limites=_pairs(env, "CYNOD_LIMITES"),
        redis_url=env.get("CYNOD_REDIS_URL", ""),
        desactivees=frozenset(
            env.get("CYNOD_OPERATIONS_DESACTIVEES", "").replace(",", " ").split()
        ),
        log_format=log_format,
        log_level=log_level,
    )


def _integer(env: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    text = env.get(name, "") or str(default)
    if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
        raise SettingsError(f"{name} must be an integer from {low} to {high}.")
    return int(text)


def _networks(env: Mapping[str, str], name: str) -> tuple[Network, ...]:
    try:
        return tuple(
            ipaddress.ip_network(part) for part in env.get(name, "").replace(",", " ").split()
        )
    except ValueError:
        raise SettingsError(
            f"{name} must be IP addresses or networks separated by commas."
        ) from None


def _pairs(env: Mapping[str, str], name: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in env.get(name, "").replace(" ", "").split(",") if part]
    if any(not (key and sep and value) for key, sep, value in pairs):
        raise SettingsError(f"{name} must be class=limit pairs separated by commas.")
    return {key: value for key, _, value in pairs}
