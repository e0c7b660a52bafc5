"""Persons of the back office: agents, with tokens that the tests sign, and machines of the company."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import OKPKey

from handlers.edge.local_issuer import ALGORITHM, EMETTEUR
from models.back_office.moteur import Personne, Saisie, saisir
from models.partenaire import INTERNE
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import BASE_CORE_PREFIX, ContractClient, Json
from tests.support.world import World, new_number

AUDIENCE = "cynod-base-core"
MACHINE_SCOPES = ("base-core:lire", "base-core:saisir")


class Signer:
    """The key that servers of the tests take for the local one: it signs whatever it is told."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "agents.pem"
        self.key = OKPKey.generate_key("Ed25519")
        self.key.ensure_kid()
        self.file.write_bytes(self.key.as_pem(private=True))

    def token(self, sujet: str, *, header: Json | None = None, **claims: Any) -> str:
        """A token of this subject, good unless told otherwise; a claim that is `...` is not in it."""
        moment = int(time.time())
        told = {
            "iss": EMETTEUR,
            "aud": AUDIENCE,
            "sub": sujet,
            "azp": "back-office",
            "iat": moment,
            "auth_time": moment,
            "exp": moment + 900,
            **claims,
        }
        head = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self.key.kid, **(header or {})}
        left = {name: value for name, value in told.items() if value is not ...}
        return jwt.encode(head, left, self.key, algorithms=[ALGORITHM])


class PersonClient(ContractClient):
    """What a person calls with. Paths are those of the back office, without their prefix."""

    def __init__(self, url: str, agent_id: str, token: str) -> None:
        super().__init__(base_url=f"{url}{BASE_CORE_PREFIX}")
        self.agent_id = agent_id
        self.headers["Authorization"] = f"Bearer {token}"

    def data(self, path: str, **query: Any) -> list[Json]:
        """What a read that succeeds gives."""
        answer = self.get(path, params=query)
        assert answer.status_code == 200, answer.text
        items: list[Json] = answer.json()["data"]
        return items

    def enter(self, path: str, reference: str | None = None, **corps: Any) -> Json:
        """The demande that a write that succeeds enters, or has executed."""
        answer = self.post(path, json={"reference": reference or new_reference(), **corps})
        assert answer.status_code == 200, answer.text
        demande: Json = answer.json()["data"][0]
        return demande

    def agree(self, demande: Json) -> httpx.Response:
        """Validate what was seen."""
        corps = {name: demande[name] for name in ("demandeId", "empreinte")}
        return self.post("/valider-demande", json=corps)

    def agreed(self, demande: Json) -> Json:
        """The demande after this validation, which succeeds."""
        answer = self.agree(demande)
        assert answer.status_code == 200, answer.text
        after: Json = answer.json()["data"][0]
        return after


def new_reference() -> str:
    """A reference that no other call of this run gives."""
    return f"REF-{new_number()}"


@dataclass
class Bureau:
    """Makes agents and machines of a server that serves the back office."""

    world: World
    url: str
    signer: Signer
    opened: list[ContractClient] = field(default_factory=list)

    def agent(
        self, *roles: str, clients: Iterable[str] = (), agent_id: str | None = None, **claims: Any
    ) -> PersonClient:
        """A client with the token of a new agent who has these roles."""
        agent_id = agent_id or f"agent-{new_number()}"
        contenu = {
            "agentId": agent_id,
            "nom": f"Agent {agent_id}",
            "email": "",
            "emetteur": EMETTEUR,
            "sujet": agent_id,
            "roles": list(roles),
            "clients": list(clients),
        }
        with self.world.writing() as connection:
            saisir(connection, Personne(TESTEUR), Saisie("saisirAgent", new_reference(), contenu))
        return self.known(agent_id, **claims)

    def known(self, agent_id: str, **claims: Any) -> PersonClient:
        """A client with another token of an agent."""
        made = PersonClient(self.url, agent_id, self.signer.token(agent_id, **claims))
        self.opened.append(made)
        return made

    def machine(self, *scopes: str) -> PersonClient:
        """A client with the token of a new machine of the company."""
        pair = self.world.partenaire([], scopes=scopes or MACHINE_SCOPES, type_=INTERNE)
        made = PersonClient(self.url, pair.consumer_key, self.world.token(pair))
        self.opened.append(made)
        return made

    def with_token(self, token: str) -> PersonClient:
        """A client with any token."""
        made = PersonClient(self.url, "", token)
        self.opened.append(made)
        return made

    def close(self) -> None:
        """Close the clients."""
        for client in self.opened:
            client.close()
