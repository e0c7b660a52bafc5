"""What the tests use of a machine beside Python and make: what each is for, where it is, how to get it.

It imports the standard library alone, so that it answers before anything is installed:
`python3 tests/support/machine.py` tells what is missing, `--packages` only the Debian packages that bring it.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

JARS = tuple(
    Path("/usr/share/java") / name
    for name in (
        "httpmime.jar",
        "httpclient.jar",
        "httpcore.jar",
        "commons-logging.jar",
        "jakarta-annotation-api.jar",
    )
)
"""What the generated Java client needs, from Debian."""

GUZZLE = Path("/usr/share/php/GuzzleHttp/autoload.php")
GO_LIBRARIES = Path("/usr/share/gocode")
FAKETIME = Path(f"/usr/lib/{os.uname().machine}-linux-gnu/faketime/libfaketime.so.1")
OLDEST_NODE = (20, 19)
POSTGRESQL_PROGRAMS = ("initdb", "pg_ctl", "postgres")


class Tool(NamedTuple):
    """A program, or what stands in for one: the Debian packages that bring it, and what it is for."""

    packages: tuple[str, ...]
    purpose: str
    is_here: Callable[[], bool]


def find_binaries() -> Path | None:
    """Return the folder of PostgreSQL's server programs, or None when it is not installed.

    PATH comes first, then what `pg_config` says, then the usual places, newest version first.
    """
    initdb = shutil.which("initdb")
    if initdb is not None:
        # A link in PATH may stand alone; the folder that it points to has all the programs.
        for folder in (Path(initdb).resolve().parent, Path(initdb).parent):
            if _has_programs(folder):
                return folder
    pg_config = shutil.which("pg_config")
    if pg_config is not None:
        answer = subprocess.run(
            [pg_config, "--bindir"], capture_output=True, text=True, check=False
        )
        folder = Path(answer.stdout.strip())
        if answer.returncode == 0 and _has_programs(folder):
            return folder
    # Debian and Ubuntu keep one folder per version; Homebrew does so on either kind of Mac.
    folders = [
        *Path("/usr/lib/postgresql").glob("*/bin"),
        *Path("/opt/homebrew/opt").glob("postgresql@*/bin"),
        *Path("/usr/local/opt").glob("postgresql@*/bin"),
    ]
    return next(filter(_has_programs, sorted(folders, key=_version_of, reverse=True)), None)


def _has_programs(folder: Path) -> bool:
    return all(os.access(folder / program, os.X_OK) for program in POSTGRESQL_PROGRAMS)


def _version_of(folder: Path) -> tuple[int, ...]:
    """Read 15 from .../15/bin and 17 from .../postgresql@17/bin."""
    text = folder.parent.name.rpartition("@")[2]
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _programs(*names: str) -> Callable[[], bool]:
    return lambda: all(shutil.which(name) for name in names)


def find_nginx() -> str | None:
    """nginx, or None: it is one of an administrator's programs."""
    return find_sbin("nginx")


def find_sbin(name: str) -> str | None:
    """A program, or None: on Debian it is in the sbin beside a bin of PATH, which only root has in PATH."""
    places = os.environ.get("PATH", "").split(os.pathsep)
    beside = [f"{place.removesuffix('bin')}sbin" for place in places if place.endswith("/bin")]
    return shutil.which(name) or shutil.which(name, path=os.pathsep.join(beside))


def _php_has_curl() -> bool:
    php = shutil.which("php")
    if php is None:
        return False
    return "curl" in subprocess.run([php, "-m"], capture_output=True, text=True, check=False).stdout


def _node_is_new() -> bool:
    node = shutil.which("node")
    if node is None or shutil.which("npm") is None:
        return False
    said = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout
    return tuple(map(int, re.findall(r"[0-9]+", said)[:2])) >= OLDEST_NODE


TOOLS = {
    "postgresql": Tool(
        ("postgresql",),
        "every test on its second database, and the proofs",
        lambda: find_binaries() is not None,
    ),
    "redis": Tool(
        ("redis-server",), "rates that several servers count together", _programs("redis-server")
    ),
    "ip": Tool(("iproute2",), "a network that loses packets", _programs("ip")),
    "cluster": Tool(
        ("etcd-server", "patroni", "haproxy", "libfaketime"),
        "a PostgreSQL cluster that loses its nodes",
        lambda: (
            bool(_programs("etcd", "patroni", "patronictl", "unshare", "nsenter")())
            and find_sbin("haproxy") is not None
            and FAKETIME.exists()
        ),
    ),
    "pgbouncer": Tool(
        ("pgbouncer",),
        "connections that transactions share",
        lambda: find_sbin("pgbouncer") is not None,
    ),
    "systemd": Tool(
        ("systemd",), "the units, verified and run", _programs("systemd-analyze", "systemctl")
    ),
    "hledger": Tool(
        ("hledger",), "an accountant's check of the exported journal", _programs("hledger")
    ),
    "beancount": Tool(("beancount",), "the same, by beancount", _programs("bean-check")),
    "nginx": Tool(
        ("nginx-light", "openssl"),
        "the proxy's configuration",
        lambda: find_nginx() is not None and bool(_programs("openssl")()),
    ),
    # The two come with make: `make test` takes them from their lock files.
    "node": Tool((), "comparing contracts, TypeScript, Postman's runner", _node_is_new),
    "java": Tool(
        ("default-jdk-headless", "libhttpmime-java", "libjakarta-annotation-api-java"),
        "generated clients, and snippets, in Java",
        lambda: bool(_programs("java", "javac")()) and all(jar.exists() for jar in JARS),
    ),
    "php": Tool(
        ("php-cli", "php-mbstring", "php-curl", "php-guzzlehttp-guzzle"),
        "generated clients, and snippets, in PHP",
        lambda: _php_has_curl() and GUZZLE.exists(),
    ),
    "go": Tool(
        ("golang-go", "golang-golang-x-oauth2-dev"),
        "the generated client in Go",
        lambda: bool(_programs("go")()) and (GO_LIBRARIES / "src/golang.org/x/oauth2").exists(),
    ),
    "chromium": Tool(
        ("chromium", "chromium-driver", "fonts-dejavu-core"),
        "the pages in a browser",
        _programs("chromium", "chromedriver"),
    ),
    "promtool": Tool(
        ("prometheus",), "the rules of the alerts, and what Prometheus reads", _programs("promtool")
    ),
    "buildah": Tool(
        ("buildah",), "the image, built and run", _programs("buildah", "unshare", "setpriv")
    ),
    "curl": Tool(
        ("curl",), "the README's exchange, and snippets", _programs("bash", "curl", "sed")
    ),
}
"""By the name under which a test asks for it."""


def how_to_get(name: str) -> str:
    """One sentence on a tool that is missing."""
    tool = TOOLS[name]
    how = f"on Debian and Ubuntu: apt-get install {' '.join(tool.packages)}"
    if not tool.packages:
        how = f"Node.js {'.'.join(map(str, OLDEST_NODE))} or newer, with npm; then `make test`"
    return f"no {name} ({tool.purpose}); {how}"


def missing() -> list[str]:
    """The names of the tools that are not here."""
    return [name for name, tool in TOOLS.items() if not tool.is_here()]


def main(*arguments: str) -> None:
    """Tell what is missing."""
    for name in missing():
        if "--packages" in arguments:
            sys.stdout.write("".join(f"{package}\n" for package in TOOLS[name].packages))
        else:
            sys.stdout.write(f"{how_to_get(name)}\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
