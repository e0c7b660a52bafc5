"""Who runs a command: the acteur of what the command line changes."""

from __future__ import annotations

import os
import pwd
import socket

from models.audit import CLI, Acteur


def read_operateur() -> Acteur:
    """The unix user of this process, and the machine. Who called sudo stands beside it, and proves nothing:
    the environment is the caller's own."""
    uid = os.getuid()
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:  # a container may run under a number that nobody has
        return _acteur(str(uid), str(uid))
    return _acteur(entry.pw_name, entry.pw_gecos.partition(",")[0].strip() or entry.pw_name)


def _acteur(name: str, nom: str) -> Acteur:
    caller = _plain(os.environ.get("SUDO_USER", ""))[:64]
    return Acteur(
        CLI,
        _plain(name)[:64],
        _plain(nom)[:200],
        pour_le_compte_de=caller or None,
        adresse=_plain(socket.gethostname())[:64] or None,
    )


def _plain(text: str) -> str:
    """What any database takes: neither control characters nor what is not Unicode."""
    return "".join(sign for sign in text if sign.isprintable())
