"""Run a command with what a unit of systemd takes away from its processes: `confined.py UNIT COMMAND…`.

Its system calls (SystemCallFilter), memory that is written and executed (MemoryDenyWriteExecute) and new
privileges, as systemd does it, by seccomp and prctl. Folders and accounts are those of whoever calls.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

ALLOW, NO_NEW_PRIVILEGES, DENY_WRITE_EXECUTE, REFUSE_EXECUTE_GAIN = 0x7FFF0000, 38, 65, 1
EPERM = 0x00050000 | errno.EPERM


def read_allowed(unit: str) -> set[str]:
    """The system calls that a unit leaves to its processes."""
    allowed: set[str] = set()
    for line in re.findall(r"(?m)^SystemCallFilter=(.*)$", unit):
        named = {call for name in line.lstrip("~").split() for call in expand(name)}
        allowed = allowed - named if line.startswith("~") else allowed | named
    return allowed


@cache
def expand(name: str) -> frozenset[str]:
    """The system calls of a set, of which some hold others."""
    if not name.startswith("@"):
        return frozenset({name})
    told = subprocess.run(
        ["systemd-analyze", "--no-pager", "syscall-filter", name],
        capture_output=True,
        text=True,
        check=True,
    )
    found: set[str] = set()
    for line in told.stdout.splitlines()[1:]:
        if re.fullmatch(r" +@?[a-z0-9_-]+", line):
            found |= expand(line.strip())
    return frozenset(found)


def confine(unit: str) -> None:
    """Take it away from this process and its children, for good."""
    library = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_load.argtypes = [ctypes.c_void_p]
    library.seccomp_rule_add.argtypes = [
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_int,
        ctypes.c_uint,
    ]
    libc = ctypes.CDLL(None, use_errno=True)
    filtered = library.seccomp_init(EPERM)
    for call in read_allowed(unit):
        number = library.seccomp_syscall_resolve_name(call.encode())
        if number >= 0:  # others are of other machines
            library.seccomp_rule_add(filtered, ALLOW, number, 0)
    if libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) or library.seccomp_load(filtered):
        raise OSError(ctypes.get_errno(), "the filter was not taken")
    if "MemoryDenyWriteExecute=yes" in unit:
        # Linux has it since 6.3; older ones are as strict by systemd's own filter alone.
        libc.prctl(DENY_WRITE_EXECUTE, REFUSE_EXECUTE_GAIN, 0, 0, 0)


if __name__ == "__main__":
    confine(Path(sys.argv[1]).read_text(encoding="utf-8"))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - what this is for
