"""Builds the image of Containerfile and runs it: `python -m tests.lab.image`. It takes minutes.

It needs root, Debian's buildah, and whatever index pip is told of here. The base is made of this machine's
Python and the libraries that it needs, so that no registry of images is asked; no daemon, no cgroup, no
runtime: steps run in a chroot, the image in namespaces, as its account, on a file system that takes no write.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.process import free_port

ROOT = Path(__file__).resolve().parents[2]
STEP_S = 900
READY_S = 60
ACCOUNT = 10001

PROGRAMS = ("sh", "env")
BESIDE = (
    *("libgcc_s.so.1", "libstdc++.so.6", "libnss_files.so.2", "libnss_dns.so.2"),
    *("libpthread.so.0", "libdl.so.2", "librt.so.1", "libutil.so.1", "libm.so.6", "libz.so.1"),
)
"""What wheels and the C library load by name."""


class ImageError(Exception):
    """The image cannot be built, or does not do what it must; the text says what."""


def run(*command: str | Path, **more: Any) -> str:
    """A program to its end; what it printed. Raises ImageError."""
    done = subprocess.run(
        [*map(str, command)], capture_output=True, text=True, timeout=STEP_S, check=False, **more
    )
    if done.returncode != 0:
        raise ImageError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return str(done.stdout)


class Builder:
    """buildah with a storage of its own, which needs no driver of the kernel."""

    def __init__(self, folder: Path) -> None:
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def __call__(self, command: str, *arguments: str | Path) -> str:
        """A command of buildah; what it printed."""
        storage = [*self._storage, "--storage-driver", "vfs"]
        return run("buildah", *storage, command, *arguments).strip()


def make_base(folder: Path) -> Path:
    """The files of a base: this machine's Python, a shell, the libraries of both, pip's configuration."""
    base = folder / "base"
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copytree(
        prefix / "lib" / version,
        base / "usr/local/lib" / version,
        ignore=shutil.ignore_patterns(
            "site-packages", "dist-packages", "test", "__pycache__", "*.a"
        ),
    )
    (base / "usr/local/bin").mkdir(parents=True)
    python = base / "usr/local/bin" / version
    shutil.copy2(Path(sys.executable).resolve(), python)
    (base / "usr/local/bin/python3").symlink_to(version)
    for name in ("bin", "lib", "lib64"):
        (base / "usr" / name).mkdir(parents=True, exist_ok=True)
        (base / name).symlink_to(f"usr/{name}")
    needed = [python, *(base / "usr/local/lib" / version / "lib-dynload").glob("*.so")]
    for name in PROGRAMS:
        program = shutil.which(name)
        assert program is not None, "every Debian has it"
        shutil.copy2(Path(program).resolve(), base / "usr/bin" / name)
        needed.append(base / "usr/bin" / name)
    for library in _libraries(needed):
        target = base / str(library).lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(library.resolve(), target)
    for place in ("etc/ssl/certs", "etc/pip.conf", "etc/xdg/pip"):
        if (source := Path("/", place)).exists():
            _copy(source, base / place)
    (base / "tmp").mkdir(mode=0o1777)
    return base


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, target, ignore_dangling_symlinks=True)
    else:
        shutil.copy2(source, target)


def _libraries(programs: list[Path]) -> Iterator[Path]:
    told = subprocess.run(["ldd", *map(str, programs)], capture_output=True, text=True, check=False)
    found = set(re.findall(r"(?:=> |^\t)(/\S+) \(0x", told.stdout, re.MULTILINE))
    cache = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    for name in BESIDE:
        found.update(re.findall(rf"{re.escape(name)} \(libc6,x86-64.*=> (\S+)", cache)[:1])
    return map(Path, sorted(found))


def build(builder: Builder, folder: Path) -> str:
    """Build the image as Containerfile says; its name."""
    scratch = builder("from", "scratch")
    builder("copy", "--quiet", scratch, make_base(folder), "/")
    builder("commit", "--quiet", scratch, "localhost/base")
    arguments = ["--quiet", "--isolation", "chroot", "--network", "host", "--pull-never"]
    arguments += ["--build-arg", "BASE=localhost/base", "--format", "docker"]
    arguments += ["--tag", "localhost/cynod-api", "--file", str(ROOT / "Containerfile"), str(ROOT)]
    builder("build", *arguments)
    return "localhost/cynod-api"


@contextmanager
def unpacked(builder: Builder, image: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """The files of an image, and what it says of how it is run."""
    told = json.loads(builder("inspect", "--type", "image", image))
    container = builder("from", image)
    try:
        yield Path(builder("mount", container)), told["Docker"]["config"]
    finally:
        builder("umount", container)
        builder("rm", container)


_INSIDE = """
set -e
mount --make-rprivate /
mount --bind "$FILES" "$FILES"
cd "$FILES"
mount -t proc proc proc
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=700,uid=$ACCOUNT,gid=$ACCOUNT tmpfs var/lib/cynod
mount -t tmpfs tmpfs dev
for name in null zero random urandom; do
    touch dev/$name
    mount --bind /dev/$name dev/$name
done
mount -o remount,bind,ro "$FILES"
exec setpriv --no-new-privs chroot --userspec=$ACCOUNT:$ACCOUNT --groups= "$FILES" \\
    env --ignore-environment --chdir=/var/lib/cynod "$@"
"""
"""All that it mounts is in the folder of the image, in namespaces that end with their first process."""

_STORY = """
touch /opt/cynod/new 2> /dev/null && echo "the file system takes writes"
cynod migrate && exec cynod serve --check --workers 2
"""


def _inside(settings: list[str], *command: str) -> list[str]:
    """What runs a command in the image, as its account, where nothing but its own folder takes a write."""
    spaces = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
    return [*spaces, "bash", "-c", _INSIDE, "bash", *settings, *command]


def play(files: Path, config: dict[str, Any]) -> list[str]:
    """Run the image from its first start to its end; what was seen. Raises ImageError."""
    port = free_port()
    given = {"PORT": str(port), "HOST": "127.0.0.1", "CYNOD_PEPPER": "poivre"}
    settings = [*config["Env"], *(f"{name}={value}" for name, value in given.items())]
    for place in ("proc", "tmp", "var/lib/cynod", "dev"):
        (files / place).mkdir(parents=True, exist_ok=True)
    environment = {"FILES": str(files), "ACCOUNT": str(ACCOUNT), "PATH": os.environ["PATH"]}
    with subprocess.Popen(
        _inside(settings, "sh", "-c", _STORY),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        try:
            _wait_ready(process, port)
            (first,) = _children(process.pid)
            account = _status(first, "Uid")
            health = config["Healthcheck"]["Test"][1:]
            run(*_inside(settings, *health), env=environment)
            os.kill(first, signal.Signals[config["StopSignal"]])
            code = process.wait(READY_S)
        finally:
            process.kill()
        assert process.stdout is not None
        said = process.stdout.read()
    if "takes writes" in said or code != 0 or set(account.split()) != {str(ACCOUNT)}:
        raise ImageError(f"exit code {code}, account {account}: {said[-2000:]}")
    return [f"account {account}", "no write but to its own folder", "healthy", "ended with 0"]


def _wait_ready(process: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + READY_S
    while time.monotonic() < until:
        if process.poll() is not None:
            assert process.stdout is not None
            raise ImageError(f"it ended with {process.returncode}: {process.stdout.read()[-2000:]}")
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health/ready", timeout=2).close()
            return
        except OSError:
            time.sleep(0.1)
    raise ImageError("it was not ready in time")


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _status(pid: int, name: str) -> str:
    return str(re.findall(rf"(?m)^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text())[0])


def main() -> int:
    """Build and play; the exit code."""
    if os.geteuid() != 0 or shutil.which("buildah") is None:
        sys.stderr.write("it takes root and buildah (on Debian: apt-get install buildah)\n")
        return 1
    began = time.monotonic()
    folder = Path(tempfile.mkdtemp(prefix="cynod-image-", dir="/var/tmp"))
    try:
        builder = Builder(folder)
        image = build(builder, folder)
        print(f"built in {time.monotonic() - began:.0f} s")  # noqa: T201 - a program's answer
        with unpacked(builder, image) as (files, config):
            for seen in play(files, config):
                print(seen)  # noqa: T201 - as above
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    finally:
        _remove(folder)
    return 0


def _remove(folder: Path) -> None:
    """Remove what was made, unless something is still mounted there: what that holds is not ours."""
    if str(folder) in Path("/proc/self/mountinfo").read_text(encoding="utf-8"):
        sys.stderr.write(f"{folder} is left: something is mounted in it\n")
        return
    shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
