"""Settings, read once from the environment, checked, and frozen. `Settings` is the one table of them."""

from __future__ import annotations

import dataclasses
import difflib
import ipaddress
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

PRODUCTION = "production"
ROOT = Path(__file__).resolve().parents[1]
_CONTRACT, _CLIENTS = ROOT / "openapi.yaml", ROOT / "build" / "clients"

OF_THE_URL = frozenset({"metadonneesOauth", "metadonneesRessource"})
"""What tells the server's own address, and can be told only where it is set."""

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class SettingsError(ValueError):
    """A setting cannot be used; the text is one sentence that names it."""


class Check(NamedTuple):
    """What a text must be, and what it means. `read` raises ValueError when it is something else."""

    read: Callable[[str], Any]
    must_be: str = ""
    takes_empty: bool = False
    """An empty variable is one that is not set, unless its check is asked."""


class Variable(NamedTuple):
    """A variable of the environment, as docs/deploiement.md lists it."""

    name: str
    field: str
    default: Any
    check: Check
    sentence: str

    def read(self, environ: Mapping[str, str]) -> Any:
        """Its value. Raises SettingsError."""
        text = environ.get(self.name)
        if text is None or not (text or self.check.takes_empty):
            return self.default
        try:
            return self.check.read(text)
        except ValueError:
            raise SettingsError(f"{self.name} must be {self.check.must_be}.") from None


def _setting(name: str, default: Any, check: Check, sentence: str) -> Any:
    about = {"name": name, "default": default, "check": check, "sentence": sentence}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=default.copy, metadata=about)
    return dataclasses.field(default=default, metadata=about)


def _one_of(*words: str, any_case: bool = False) -> Check:
    def read(text: str) -> str:
        return words[words.index(text.lower() if any_case else text)]

    return Check(read, f"{', '.join(words[:-1])} or {words[-1]}", takes_empty=True)


def _integer(low: int, high: int) -> Check:
    def read(text: str) -> int:
        if not (text.isascii() and text.isdecimal() and low <= int(text) <= high):
            raise ValueError(text)
        return int(text)

    return Check(read, f"an integer from {low} to {high}")


def _read_networks(text: str) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(part) for part in text.replace(",", " ").split())


def _read_url(text: str) -> str:
    url = urlsplit(text)
    local = url.hostname == "localhost" or _is_loopback(url.hostname or "")
    if url.scheme != "https" and not (url.scheme == "http" and local):
        raise ValueError(text)
    if not url.hostname or url.username is not None or url.query or url.fragment:
        raise ValueError(text)
    if not (text.isascii() and text.isprintable()) or " " in text or url.port == 0:
        raise ValueError(text)
    return text.rstrip("/")


def _read_issuer(text: str) -> str:
    # It is compared with what tokens say, so that a slash at its end is a part of it.
    _read_url(text)
    return text


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


class Address(NamedTuple):
    """Where to listen."""

    host: str
    port: int


def _read_address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    if not (host and port.isascii() and port.isdecimal() and int(port) <= 65_535):
        raise ValueError(text)
    return Address(str(ipaddress.ip_address(host.strip("[]"))), int(port))


def _read_pairs(text: str) -> dict[str, str]:
    pairs = [part.partition("=") for part in text.replace(" ", "").split(",") if part]
    if any(not (key and sep and value) for key, sep, value in pairs):
        raise ValueError(text)
    return {key: value for key, _, value in pairs}


_TEXT = Check(str)
_PATH = Check(Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything a deployment chooses. Durations in seconds, sizes in bytes."""

    environment: str = _setting(
        "CYNOD_ENV",
        "development",
        _one_of("development", "test", PRODUCTION),
        "`production`: no demo data, demo credentials open nothing",
    )
    database_url: str = _setting(
        "CYNOD_DATABASE_URL",
        "sqlite:///cynod.db",
        _TEXT,
        "`postgresql+psycopg://user:password@host/name` in production",
    )
    pepper: bytes = _setting(
        "CYNOD_PEPPER",
        b"",
        Check(str.encode),
        "key of the stored hashes of secrets and tokens; set it once, keep it secret, the same everywhere",
    )
    host: str = _setting(
        "HOST",
        "127.0.0.1",
        # An address of IPv6 may stand in the brackets that it has in a URL.
        Check(lambda text: text.strip("[]") or "127.0.0.1"),
        "where to listen; `::` is every address, IPv6 and IPv4",
    )
    port: int = _setting("PORT", 8080, _integer(0, 65_535), "where to listen; `0` is any free port")
    proxies: tuple[Network, ...] = _setting(
        "CYNOD_PROXIES",
        (),
        Check(_read_networks, "IP addresses or networks separated by commas"),
        "addresses or networks of your proxies; only what they write in `X-Forwarded-For` is believed",
    )
    jeton_duree_s: int = _setting(
        "CYNOD_JETON_DUREE_S", 3600, _integer(1, 86_400), "life of an access token, in seconds"
    )
    annulation_fenetre_s: int = _setting(
        "CYNOD_ANNULATION_FENETRE_S",
        86_400,
        _integer(1, 31_622_400),
        "age up to which an operation can be reversed, in seconds",
    )
    pool_size: int = _setting(
        "CYNOD_POOL_SIZE",
        11,
        _integer(1, 100),
        "operations that one process runs at once, and their connections to PostgreSQL",
    )
    lecture_url: str = _setting(
        "CYNOD_LECTURE_URL",
        "",
        _TEXT,
        "a standby of PostgreSQL: partners' lists and histories are read there while it is young enough; "
        "empty: all is read where it is written",
    )
    lecture_retard_s: int = _setting(
        "CYNOD_LECTURE_RETARD_S",
        5,
        _integer(1, 300),
        "how old what is read there may be, in seconds; an older standby is left until it has caught up",
    )
    deadline_s: int = _setting(
        "CYNOD_DELAI_S",
        10,
        _integer(1, 300),
        "longest that one call may take, its turn, locks, statements and COMMIT included, in seconds; "
        "past it the answer is 503",
    )
    wait_s: int = _setting(
        "CYNOD_ATTENTE_S",
        10,
        _integer(1, 60),
        "longest wait for a connection, a lock or a statement, in seconds",
    )
    stop_s: int = _setting(
        "CYNOD_ARRET_S",
        30,
        _integer(1, 600),
        "longest wait for requests in flight at the end, in seconds",
    )
    limites: Mapping[str, str] = _setting(
        "CYNOD_LIMITES",
        {},
        Check(_read_pairs, "class=limit pairs separated by commas"),
        "other rates than the contract's, for example "
        "`lecture=100/second,ecriture=50/second,jeton=30/minute`, or `lecture=off`; `echec` and "
        "`echec-adresse` count failed authentications, per key or token and per address",
    )
    desactivees: frozenset[str] = _setting(
        "CYNOD_OPERATIONS_DESACTIVEES",
        frozenset(),
        Check(lambda text: frozenset(text.replace(",", " ").split())),
        "optional operations of the contract that this server does not offer, for example `transfererSolde`",
    )
    url_publique: str = _setting(
        "CYNOD_URL_PUBLIQUE",
        "",
        Check(_read_url, "an https URL without query, or an http one of this machine"),
        "address under which partners reach the API, for example `https://api.cynod.example`; with it, OAuth "
        "clients discover the server (`metadonneesOauth`, `metadonneesRessource`)",
    )
    redis_url: str = _setting(
        "CYNOD_REDIS_URL",
        "",
        _TEXT,
        "`redis://host:6379/0`, to count rate limits over all processes",
    )
    log_format: str = _setting(
        "CYNOD_LOG_FORMAT",
        "auto",
        _one_of("auto", "json", "texte"),
        "`json`, `texte`, or JSON unless stderr is a terminal",
    )
    log_level: str = _setting(
        "CYNOD_LOG_LEVEL",
        "info",
        _one_of("debug", "info", "warning", "error", any_case=True),
        "`debug`, `info`, `warning`, `error`",
    )
    metriques: Address | None = _setting(  # noqa: RUF009 - as above
        "CYNOD_METRIQUES",
        None,
        Check(_read_address, "an IP address and a port, as 127.0.0.1:9464"),
        "address of the metrics alone, for example `127.0.0.1:9464`, where Prometheus reads `/metrics`; "
        "nobody from outside may reach it; empty: nothing is counted",
    )
    verifications: str = _setting(
        "CYNOD_VERIFICATIONS",
        "",
        _TEXT,
        "file in which `journal verify`, `journal seal` and `audit verify` keep how they ended, and which "
        "the metrics tell",
    )
    contract: Path = _setting(  # noqa: RUF009 - a field, as those of immutable types
        "CYNOD_CONTRACT",
        _CONTRACT,
        _PATH,
        "another path of the partners' contract; the others stand beside it",
    )
    surfaces: tuple[str, ...] = _setting(
        "CYNOD_SURFACES",
        ("partenaire",),
        Check(lambda text: tuple(text.replace(",", " ").split())),
        "the contracts that the server serves, separated by commas; the paths of one that it does not serve "
        "are unknown to it (code 1003)",
    )
    oidc_emetteur: str = _setting(
        "CYNOD_OIDC_EMETTEUR",
        "",
        Check(_read_issuer, "an https URL without query, or an http one of this machine"),
        "issuer of the persons' access tokens, as it writes itself in `iss`: the company's OpenID provider; "
        "`base-core` is not served in production without it",
    )
    oidc_audience: str = _setting(
        "CYNOD_OIDC_AUDIENCE",
        "cynod-base-core",
        _TEXT,
        "what the provider calls this API: a person's token must name it in `aud`",
    )
    oidc_acr: tuple[str, ...] = _setting(
        "CYNOD_OIDC_ACR",
        (),
        Check(lambda text: tuple(text.replace(",", " ").split())),
        "values of `acr`, separated by commas, one of which a token must have to validate what a rule marks "
        "`forte`; any does when empty",
    )
    cle_locale: str = _setting(
        "CYNOD_CLE_LOCALE",
        "cynod-agents.pem",
        _TEXT,
        "file of the key that signs agents' tokens where there is no provider (`cynod agent jeton`); made "
        "when it is needed, never in production",
    )
    demande_duree_h: int = _setting(
        "CYNOD_DEMANDE_DUREE_H",
        168,
        _integer(1, 8_784),
        "how long a demande waits for those who may validate it, in hours",
    )
    clients: Path = _setting(  # noqa: RUF009 - as above
        "CYNOD_CLIENTS",
        _CLIENTS,
        _PATH,
        "folder of what `make clients` wrote; the partner's pages offer the files made from this very "
        "contract",
    )

    @property
    def switched_off(self) -> frozenset[str]:
        """The optional operations that this server does not offer: those named, and those that it cannot."""
        return self.desactivees if self.url_publique else self.desactivees | OF_THE_URL

    @property
    def is_production(self) -> bool:
        return self.environment == PRODUCTION


VARIABLES = tuple(Variable(field=one.name, **one.metadata) for one in dataclasses.fields(Settings))
"""The variables of the settings, in the order in which they are told."""

OTHER_VARIABLES = frozenset({"CYNOD_CONSUMER_KEY", "CYNOD_CONSUMER_SECRET", "CYNOD_JETON_AGENT"})
"""Variables that a command reads by itself."""

TOOLS = ("CYNOD_TEST_", "CYNOD_FUZZ_", "CYNOD_EXCHANGES")
"""Beginnings of the names that only the tests and their tools read."""


def find_unknown_variables(environ: Mapping[str, str] | None = None) -> dict[str, str | None]:
    """The CYNOD_ variables that nothing reads, each with the known name that it resembles."""
    env = os.environ if environ is None else environ
    known = {variable.name for variable in VARIABLES} | OTHER_VARIABLES
    return {
        name: next(iter(difflib.get_close_matches(name.upper(), known, 1, 0.8)), None)
        for name in sorted(env)
        if name.upper().startswith("CYNOD_") and name not in known and not name.startswith(TOOLS)
    }


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """Read the settings of the environment. Raises SettingsError naming the variable at fault."""
    env = os.environ if environ is None else environ
    return Settings(**{variable.field: variable.read(env) for variable in VARIABLES})
