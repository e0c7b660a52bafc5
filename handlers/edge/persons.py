"""Operations of the back office: called by persons, and by machines of the company.

A person comes with a token of the provider, which is judged before any connection is taken, and is looked
up among the agents; what he may do is said there. A machine comes as a partner does, with a token of ours
and the scopes of the back office.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from handlers.contract.model import Contract
from handlers.edge.call import Call
from handlers.edge.local_issuer import LocalIssuer
from handlers.edge.oidc import Persons, Provider
from handlers.edge.refusals import EdgeRefusal
from handlers.edge.runner import Caller, OperationRunner, Way
from handlers.edge.security import authorization_of, is_jwt, split_authorization
from handlers.settings import Settings
from models.agent import ACTIF, Agent, find_by_sujet
from models.audit import AGENT, PARTENAIRE, Acteur
from models.back_office.moteur import FORTE_S, Personne
from models.errors import (
    AgentInconnu,
    AuthentificationInsuffisante,
    AuthentificationInvalide,
    DroitInsuffisant,
)
from models.partenaire import INTERNE

ANY_DROIT = "aucun"
"""The `x-droit` of what every agent may call."""

OF_ANY = "*:"
"""How an `x-droit` begins that any right of this verb opens: which one is needed, the demande says."""

VALIDATION_BY_PERSONS = "2009"
"""Where an operation has this code, the engine tells a machine that it never validates, and audits it."""


def open_persons(settings: Settings) -> Persons:
    """Who judges tokens of persons: by the keys of the provider, or by the local one where there is none."""
    if settings.oidc_emetteur:
        return Persons(Provider(settings.oidc_emetteur), settings.oidc_audience)
    return Persons(LocalIssuer(Path(settings.cle_locale)), settings.oidc_audience)


def again(acr: Sequence[str]) -> str:
    """What asks a person to authenticate again, and how (RFC 9470, 3)."""
    asked = [
        'Bearer realm="cynod", error="insufficient_user_authentication"',
        f"max_age={FORTE_S}",
        *([f'acr_values="{" ".join(acr)}"'] if acr else []),
    ]
    return ", ".join(asked)


class AuthentificationAReprendre(EdgeRefusal):
    """The person must authenticate again, as RFC 9470 tells his application."""

    code = AuthentificationInsuffisante.code


class PersonRunner(OperationRunner):
    """Runs one operation that persons call."""

    caller = "personne"

    def __init__(
        self,
        *args: Any,
        persons: Persons,
        note_activite: Callable[[str], None],
        contract: Contract,
        settings: Settings,
        **options: Any,
    ) -> None:
        super().__init__(*args, contract=contract, settings=settings, **options)
        self._persons = persons
        self._note_activite = note_activite
        self._scopes = contract.scopes
        self._acr = settings.oidc_acr
        self._again = {"WWW-Authenticate": again(self._acr)}

    def _choose_way(self) -> Way:
        return Way((self._judge_token,), self._identify, (self._count, self._check))

    def _judge_token(self, call: Call) -> None:
        scheme, value = split_authorization(authorization_of(call))
        if scheme != b"bearer":
            raise AuthentificationInvalide
        if is_jwt(value):
            call.identite = self._persons.identify(value)

    def _identify(self, call: Call, connection: Connection) -> Caller:
        if call.identite is None:
            return self._identify_machine(call, connection)
        agent = find_by_sujet(connection, call.identite.emetteur, call.identite.sujet)
        if agent is None or agent.statut != ACTIF:
            self._count(call)
            raise AgentInconnu
        call.agent = agent.agent_id
        if not self._may(agent):
            self._count(call)
            raise DroitInsuffisant
        self._note_activite(agent.agent_id)
        identite = call.identite
        weak = bool(self._acr) and identite.acr not in self._acr
        return Personne(
            Acteur(
                AGENT,
                agent.agent_id,
                agent.nom,
                via_application=identite.application,
                adresse=call.address,
                request_id=call.request_id,
            ),
            agent,
            None if weak else identite.authentifie_le,
        )

    def _may(self, agent: Agent) -> bool:
        droit = self.operation.droit
        if droit is None or droit == ANY_DROIT:
            return True
        if droit.startswith(OF_ANY):
            verb = droit.removeprefix(OF_ANY)
            return any(one.partition(":")[2] == verb for one in agent.droits)
        return droit in agent.droits

    def _identify_machine(self, call: Call, connection: Connection) -> Personne:
        partenaire = self._security.authenticate(connection, authorization_of(call), call.address)
        call.partenaire = partenaire.consumer_key
        is_told_why = VALIDATION_BY_PERSONS in self.operation.codes
        opened_by = self._scopes if is_told_why else self.operation.scopes
        if partenaire.type != INTERNE or not opened_by & partenaire.scopes:
            self._count(call)
            raise DroitInsuffisant
        return Personne(
            Acteur(
                PARTENAIRE,
                partenaire.consumer_key,
                partenaire.nom,
                adresse=call.address,
                request_id=call.request_id,
            ),
            machine=partenaire,
        )

    def _slowed(self, error: Exception, call: Call) -> Exception:
        if isinstance(error, AuthentificationInsuffisante):
            return AuthentificationAReprendre(self._again)
        return super()._slowed(error, call)
