"""Persons who come from a real provider, and a provider that is away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from models.back_office.moteur import Personne, Saisie, saisir
from models.database.engine import Database
from tests.support.acteurs import TESTEUR
from tests.support.live import serving, settings_for, with_back_office
from tests.support.persons import AUDIENCE, PersonClient, Signer, new_reference
from tests.support.process import free_port
from tests.support.provider import running_provider
from tests.support.world import new_number

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")


def enter_agent(database: Database, emetteur: str, sujet: str) -> None:
    """Make this person of the provider an agent who reads."""
    contenu = {
        "agentId": sujet,
        "nom": "Awa Diop",
        "email": "",
        "roles": ["LECTEUR"],
        "emetteur": emetteur,
        "sujet": sujet,
        "clients": [],
    }
    with database.transaction() as connection:
        saisir(connection, Personne(TESTEUR), Saisie("saisirAgent", new_reference(), contenu))


def test_person_logs_in_at_the_provider_and_is_served_while_it_is_away(
    shared_database: Database, signer: Signer
) -> None:
    url = shared_database.url.render_as_string(hide_password=False)
    login = f"awa-{new_number()}"
    with running_provider() as provider:
        enter_agent(shared_database, provider.url, login)
        settings = with_back_office(settings_for(url), signer)
        with serving(replace(settings, oidc_emetteur=provider.url)) as base_url:
            token, local = provider.log_in(login), signer.token(login)
            with PersonClient(base_url, login, token) as awa:
                (profile,) = awa.data("/get-mon-profil")
                assert (profile["agentId"], profile["emetteur"]) == (login, provider.url)
                assert profile["authentifieLe"] is not None
            with PersonClient(base_url, "", provider.log_in(f"b-{new_number()}")) as stranger:
                assert stranger.get("/get-mon-profil").json()["code"] == "2007"
            with PersonClient(base_url, login, local) as forger:
                assert forger.get("/get-mon-profil").json()["code"] == "2001"
            provider.leave()
            with PersonClient(base_url, login, token) as awa:
                assert awa.get("/get-mon-profil").status_code == 200


def test_provider_that_was_never_there_is_told_as_a_service_that_is_away(
    shared_database: Database, signer: Signer
) -> None:
    url = shared_database.url.render_as_string(hide_password=False)
    settings = with_back_office(settings_for(url), signer)
    away = f"http://localhost:{free_port()}"
    with serving(replace(settings, oidc_emetteur=away)) as base_url:
        token = signer.token("awa", iss=away, aud=AUDIENCE)
        with PersonClient(base_url, "", token) as awa:
            for _ in range(2):
                answer = awa.get("/get-mon-profil")
                assert (answer.status_code, answer.json()["code"]) == (503, "5001")
                assert answer.headers["retry-after"]
