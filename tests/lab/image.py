"""Builds the image of Containerfile and runs it: `python -m tests.lab.image`, and a test does the same.

It takes a minute of processor time, of which pip and the compiler take the half, and all that it makes is
kept in memory where there is enough: four copies of the files would be two gigabytes for the disk. It needs
root, Debian's buildah, and whatever index pip is told of here. The base is made of this machine's Python and
the libraries that it needs, so that no registry of images is asked; no daemon, no cgroup, no runtime: steps
run in a chroot, the image in namespaces, as its account, on a file system that takes no write.
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

from tests.lab.proof.places import NotPossibleHereError
from tests.support.machine import TOOLS, how_to_get
from tests.support.patience import CALL_S, PROGRAM_S
from tests.support.process import free_port

ROOT = Path(__file__).resolve().parents[2]
MEMORY_KB = 6_000_000
ACCOUNT = 10001

SPACES = ("unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child")
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
        [*map(str, command)], capture_output=True, text=True, timeout=PROGRAM_S, check=False, **more
    )
    if done.returncode != 0:
        raise ImageError(f"{command[0]} ended with {done.returncode}: {done.stderr[-2000:]}")
    return str(done.stdout)


class Builder:
    """buildah with a storage of its own, which needs no driver of the kernel: overlay costs no less here."""

    def __init__(self, folder: Path) -> None:
        self._environment = {**os.environ, "TMPDIR": str(folder)}
        self._storage = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]
        self._storage += ["--storage-driver", "vfs"]

    def __call__(self, command: str, *arguments: str | Path) -> str:
        """A command of buildah; what it printed."""
        return run("buildah", *self._storage, command, *arguments, env=self._environment).strip()


def make_base(folder: Path) -> Path:
    """The files of a base: this machine's Python, a shell, the libraries of both, pip's configuration."""
    base = folder / "base"
    prefix = Path(sys.base_prefix)
    version = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    shutil.copytree(
        prefix / "lib" / version,
        base / "usr/local/lib" / version,
        # With what is compiled of it: each program of the build and of the image starts from that.
        ignore=shutil.ignore_patterns(
            *("site-packages", "dist-packages", "test", "idlelib", "lib2to3", "tkinter"),
            *("*.a", "*.opt-?.pyc"),
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
    return [*SPACES, "bash", "-c", _INSIDE, "bash", *settings, *command]


def play(files: Path, config: dict[str, Any]) -> list[str]:
    """Run the image from its first start to its end; what was seen. Raises ImageError."""
    port = free_port()
    given = {"PORT": str(port), "HOST": "127.0.0.1", "CYNOD_PEPPER": "poivre"}
    settings = [*config["Env"], *(f"{name}={value}" for name, value in given.items())]
    for place in ("proc", "tmp", "var/lib/cynod", "dev"):
        (files / place).mkdir(parents=True, exist_ok=True)
    user = config["User"].partition(":")[0]
    environment = {"FILES": str(files), "ACCOUNT": user, "PATH": os.environ["PATH"]}
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
            _wait_healthy(_inside(settings, *config["Healthcheck"]["Test"][1:]), environment)
            os.kill(first, signal.Signals[config["StopSignal"]])
            code = process.wait(CALL_S)
        finally:
            process.kill()
        assert process.stdout is not None
        said = process.stdout.read()
    if "takes writes" in said or code != 0 or set(account.split()) != {str(ACCOUNT)}:
        raise ImageError(f"exit code {code}, account {account}: {said[-2000:]}")
    return [f"account {ACCOUNT}", "no write but to its own folder", "healthy", "ended with 0"]


def _wait_ready(process: subprocess.Popen[str], port: int) -> None:
    until = time.monotonic() + CALL_S
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


def _wait_healthy(command: list[str], environment: dict[str, str]) -> None:
    """What runs an image asks several times too, before it gives it up."""
    until = time.monotonic() + CALL_S
    while True:
        try:
            run(*command, env=environment)
        except ImageError:
            if time.monotonic() > until:
                raise
        else:
            return


def _children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _status(pid: int, name: str) -> str:
    return str(re.findall(rf"(?m)^{name}:\s*(.*)$", Path(f"/proc/{pid}/status").read_text())[0])


def check_possible() -> None:
    """Raises NotPossibleHereError, which says what this machine lacks."""
    if not TOOLS["buildah"].is_here():
        raise NotPossibleHereError(how_to_get("buildah"))
    if os.geteuid() != 0:
        raise NotPossibleHereError("only root can build an image without a daemon, and run it")
    probe = [*SPACES, "sh", "-c", "mount --make-rprivate / && mount -t tmpfs tmpfs /mnt"]
    done = subprocess.run(probe, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise NotPossibleHereError(f"this machine gives no namespaces: {done.stderr.strip()}")


def look(files: Path) -> list[str]:
    """Look at what is in the image; what was seen. Raises ImageError."""
    place = files / "opt/cynod"
    here = {path.name for path in place.iterdir()}
    copied = {
        name.partition("/")[0]
        for line in re.findall(
            r"(?m)^COPY (?!--)(.*)$", (ROOT / "Containerfile").read_text("utf-8")
        )
        for name in line.split()[:-1]
    }
    if here != copied | {".venv"}:
        raise ImageError(f"it holds {here}, and {copied} is copied for it")
    compiled = {path.name.partition(".")[0] for path in place.rglob("__pycache__/*.pyc")}
    for path in place.rglob("*"):
        found = path.lstat()
        if (found.st_uid, found.st_gid) != (0, 0):
            raise ImageError(f"{path} is not root's")
        if found.st_mode & 0o022 and not path.is_symlink():
            raise ImageError(f"whoever it is run as may write {path}")
        if path.suffix == ".py" and ".venv" not in path.parts and path.stem not in compiled:
            raise ImageError(f"{path} is not compiled")
    return ["what was copied, compiled, and root's alone"]


def make_and_play(folder: Path) -> int:
    """Build, look, play; the exit code. For a process whose mounts nobody else sees."""
    available = re.findall(r"MemAvailable: +([0-9]+) kB", Path("/proc/meminfo").read_text("ascii"))
    if int(available[0]) > MEMORY_KB:
        run("mount", "-t", "tmpfs", "-o", "mode=700", "tmpfs", folder)
    began = time.monotonic()
    try:
        builder = Builder(folder)
        with unpacked(builder, build(builder, folder)) as (files, config):
            print(f"built in {time.monotonic() - began:.0f} s")  # noqa: T201 - a program's answer
            for seen in [*look(files), *play(files, config)]:
                print(seen)  # noqa: T201 - as above
    except ImageError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def main(*arguments: str) -> int:
    """Build, look and play, in namespaces of its own; the exit code."""
    if arguments:
        return make_and_play(Path(*arguments))
    try:
        check_possible()
    except NotPossibleHereError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    with tempfile.TemporaryDirectory(prefix="cynod-image-", dir="/var/tmp") as folder:
        # They end with whoever asks, be that one killed, and what is mounted ends with them.
        command = ["setpriv", "--pdeathsig", "KILL", *SPACES, "--mount-proc", sys.executable]
        done = subprocess.run([*command, "-m", "tests.lab.image", folder], cwd=ROOT, check=False)
    return done.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
