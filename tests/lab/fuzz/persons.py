"""The back office, tried by generated calls of two persons: one who enters, and one who validates.

It has hooks of its own (tests/lab/fuzz/person_hooks.py): what makes a call of a person real is a demande that
waits and the version of an object, not a card.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from tests.lab.fuzz import land as lands
from tests.lab.fuzz.land import Land
from tests.lab.fuzz.report import Part, Veil
from tests.lab.fuzz.run import QUICK_PHASES, Plan, check_alarms, run_hooked
from tests.lab.fuzz.stage import Stage
from tests.support.contract_client import BASE_CORE_PREFIX, Json, base_core
from tests.support.process import ServerProcess

SAISIE, VALIDATION, CIBLE = "fuzz-saisie", "fuzz-validation", "fuzz-cible"
ROLES = {
    SAISIE: ("SAISIE", "SECURITE_SAISIE", "AUDITEUR"),
    VALIDATION: ("VALIDATION", "SECURITE_VALIDATION", "AUDITEUR"),
    CIBLE: ("LECTEUR",),
}
"""The agents of a run. Whatever is asked about an agent is asked about the last one."""

ENVIRONMENT = "CYNOD_FUZZ_PERSONS"
HOOKS = "tests/lab/fuzz/person_hooks.py"
PERSONS_S = 45
"""Seconds at most, of a run that has no time of its own."""

SURFACE = " base-core"
"""What the name of a part ends with whose calls were made by persons."""


@dataclass(frozen=True)
class Office:
    """Where a run acts, and as whom."""

    url: str
    seed: int
    tokens: dict[str, str]
    clients: dict[str, list[str]] = field(default_factory=dict)
    """The members of each client that is there."""

    profil_id: str = "FUZZ-PROFIL"
    """A profile that cards are issued of."""

    consumer_key: str = ""
    """The partner about whom is asked whatever is asked about one: nobody calls with its pair."""

    replay: bool = False

    def write(self, path: Path) -> None:
        """Write it for the hooks, for the owner's eyes only."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(self.__dict__), encoding="utf-8")


def from_environment() -> Office:
    """The office that CYNOD_FUZZ_PERSONS names."""
    raw: dict[str, Any] = json.loads(Path(os.environ[ENVIRONMENT]).read_text(encoding="utf-8"))
    return Office(**raw)


@dataclass(frozen=True)
class Served:
    """A server of both surfaces, and the office that its persons act in."""

    server: ServerProcess
    land: Land
    office: Office
    file: Path
    """Where the hooks read it."""

    @property
    def place(self) -> str:
        """Where the contract is served."""
        return f"{self.server.url}{BASE_CORE_PREFIX}/openapi.yaml"

    @property
    def variables(self) -> dict[str, str]:
        """What tells the hooks."""
        return {ENVIRONMENT: str(self.file)}


@contextmanager
def served(made: Stage, folder: Path, seed: int, *, replay: bool = False) -> Iterator[Served]:
    """Make the agents of a run, and serve both surfaces on the stage's database."""
    folder.mkdir(parents=True, exist_ok=True)
    key = str(folder / "agents.pem")
    for agent, roles in ROLES.items():
        made.cynod_done("agent", "creer", *("--sujet", agent), *("--nom", agent), "--role", *roles)
    tokens = {
        agent: made.cynod_done("agent", "jeton", agent, CYNOD_CLE_LOCALE=key).splitlines()[0]
        for agent in (SAISIE, VALIDATION)
    }
    clients = {
        client: sorted({one.membre for one in lands.make_cartes(name) if one.client == client})
        for name, of_name in lands.CLIENTS.items()
        for client in of_name
    }
    with made.serve(CYNOD_SURFACES="partenaire,base-core", CYNOD_CLE_LOCALE=key) as server:
        office = Office(
            server.url, seed, tokens, clients, consumer_key=_target(made), replay=replay
        )
        _make_profil(office)
        file = folder / "office.json"
        office.write(file)
        yield Served(server, made.land(server.url, seed, "A"), office, file)


def _target(made: Stage) -> str:
    """A new partner for persons to change."""
    client = next(iter(lands.CLIENTS.values()))[0]
    words = ("--nom", "Cible", "--client", client, "--scope", "soldes:lire", "cartes:lire")
    key: str = json.loads(made.cynod_done("partenaire", "create", *words, "--json"))["consumerKey"]
    return key


def _make_profil(office: Office) -> None:
    """The profile: one person enters it, the other agrees."""
    profil = {
        "profilId": office.profil_id,
        "nom": "Profil",
        "unite": "FCFA",
        "prefixe": "70198078",
        "validiteMois": 12,
        "plafonds": [],
        "horsLigneAutorise": False,
        "reference": f"FUZZ-{office.seed}-profil",
    }
    with httpx.Client(base_url=f"{office.url}{BASE_CORE_PREFIX}", trust_env=False) as client:

        def ask(agent: str, path: str, body: Json) -> Json:
            headers = {"Authorization": f"Bearer {office.tokens[agent]}"}
            answer = client.post(path, json=body, headers=headers)
            assert answer.status_code == 200, answer.text
            demande: Json = answer.json()["data"][0]
            return demande

        demande = ask(SAISIE, "/saisir-profil-carte", profil)
        named = {name: demande[name] for name in ("demandeId", "empreinte")}
        if demande["statut"] == "SAISIE":
            ask(VALIDATION, "/valider-demande", named)


def fuzz_persons(kind: str, made: Stage, plan: Plan, folder: Path) -> Part:
    """Serve both surfaces on the stage's database, try the back office, look at the audit and the books."""
    started = time.monotonic()
    part = Part(f"{kind}{SURFACE}", SAISIE, whole=False, contract=base_core())
    # Without a time of its own it is short: there are many operations, and much of them is the same.
    options = [*plan.options, "--phases", QUICK_PHASES[kind]]
    options += [] if plan.seconds else ["--max-time", str(PERSONS_S)]
    plan = replace(plan, options=options, quick=plan.quick or plan.seconds is None)
    say = partial(plan.progress.at, part.name)
    say("making its agents")
    with served(made, folder, plan.seed) as one:
        say("generated calls", one.server.log_file)
        run_hooked(part, one.land, plan, folder, one.place, HOOKS, one.variables)
        say("its log and its audit")
        tokens = [*one.office.tokens.values()]
        check_alarms(part, one.server.log, Veil(one.land, tokens))
        if any(token in one.server.log for token in tokens):
            part.faults.append("a server's log holds the token of a person")
    for words in (("audit", "verify"), ("journal", "verify")):
        result = made.cynod(*words)
        told = f"cynod {' '.join(words)}: {(result.stdout + result.stderr).strip()[:600]}"
        (part.notes if result.returncode == 0 else part.faults).append(told)
    say("done")
    part.seconds = time.monotonic() - started
    return part
