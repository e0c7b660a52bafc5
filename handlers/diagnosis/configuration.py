"""What is set, and what is installed: settings, variables, the contract, proxies."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address

from handlers.app import check_contracts, check_provider
from handlers.contract.checked import CONTRACT_SHA256
from handlers.contract.model import Contract, ContractError
from handlers.contract.reading import read_published
from handlers.contracts import load_contracts
from handlers.diagnosis.constat import Constat, Subject, doubtful, right, wrong
from handlers.edge.limits import RateLimits
from handlers.settings import (
    VARIABLES,
    Network,
    SettingsError,
    find_unknown_variables,
    read_settings,
)
from handlers.workbench.history import history_of

WIDE = {4: 8, 6: 32}
"""Fewer bits than these of a network of proxies leave a part of the internet in it."""


def check_settings(subject: Subject) -> Iterator[Constat]:
    """Each variable by itself."""
    for variable in VARIABLES:
        try:
            variable.read(subject.environ)
        except SettingsError as error:
            yield wrong(str(error).removesuffix("."), f"correct {variable.name}")
            return
    settings = subject.settings = read_settings(subject.environ)
    if not settings.pepper:
        yield (
            doubtful(
                "CYNOD_PEPPER is not set: stored hashes of secrets have no key of this deployment",
                "set it before the first partner is made",
            )
            if settings.is_production
            else right("CYNOD_PEPPER is not set")
        )
    given = sum(1 for one in VARIABLES if subject.environ.get(one.name))
    yield right(f"CYNOD_ENV is {settings.environment}; {given} of {len(VARIABLES)} variables set")


def check_variables(subject: Subject) -> Iterator[Constat]:
    """Those that nothing reads: most are mistyped, and a default rules."""
    for name, near in find_unknown_variables(subject.environ).items():
        yield doubtful(
            f"{name} is not known, nothing reads it",
            f"unset {name}" if near is None else f"rename {name} to {near}",
        )
    yield right("every CYNOD_ variable is known")


def check_contract(subject: Subject) -> Iterator[Constat]:
    """That what is served is what was checked and published, and can be served with these settings."""
    settings = subject.read()
    try:
        contracts = subject.contracts = load_contracts(settings)
        check_contracts(contracts, settings)
        check_provider(contracts, settings)
        RateLimits(contracts, settings)
    except ContractError as error:
        yield wrong(
            str(error).splitlines()[0].removesuffix("."), "run `cynod contract build --check`"
        )
        return
    except SettingsError as error:
        yield wrong(str(error).removesuffix("."), "correct the setting")
        return
    for contract in contracts:
        yield _compare(subject, contract)


def _compare(subject: Subject, contract: Contract) -> Constat:
    """A contract with the hash that was written when it was checked, and with its published version."""
    surface = contract.surface
    name = f"{surface.file} {contract.version}"
    frozen = history_of(surface) / f"{contract.version}.yaml"
    again = "install the published version again"
    if contract.sha256 != CONTRACT_SHA256.get(surface.file):
        return subject.in_production(f"{name} was changed since it was checked", again)
    try:
        published = read_published(frozen)[1]
    except ContractError:
        return subject.in_production(f"{name} was never published", again)
    if published != contract.source:
        return subject.in_production(
            f"{name} is not what was published as {contract.version}", again
        )
    return right(f"{name} is the published one (sha256 {contract.sha256[:12]})")


def check_proxies(subject: Subject) -> Iterator[Constat]:
    """Whom `X-Forwarded-For` is believed from."""
    settings = subject.read()
    narrow = "name the addresses of your proxies alone in CYNOD_PROXIES"
    for network in settings.proxies:
        if network.prefixlen < WIDE[network.version]:
            yield wrong(f"{network} is believed: anybody there writes his own address", narrow)
        elif network.is_global and network.num_addresses > 256:
            yield doubtful(
                f"{network} is a public network of {network.num_addresses} addresses", narrow
            )
    if not settings.proxies and settings.is_production:
        yield doubtful(
            "no proxy is believed: limits and lists of addresses see the proxy in place of the caller",
            "set CYNOD_PROXIES to the proxy's address",
        )
    if settings.is_production and not _is_inside(settings.host, settings.proxies):
        yield doubtful(
            f"{settings.host} listens beyond this machine, in plain HTTP",
            "listen on a private address behind the proxy",
        )
    told = ", ".join(map(str, settings.proxies)) or "none, whoever connects is the caller"
    yield right(f"believed: {told}")


def _is_inside(host: str, proxies: tuple[Network, ...]) -> bool:
    """Whether the internet cannot reach it: a private address, or a name, of which nothing is known."""
    try:
        address = ip_address(host)
    except ValueError:
        return True
    return (address.is_private and not address.is_unspecified) or any(
        address.version == one.version and address in one for one in proxies
    )
