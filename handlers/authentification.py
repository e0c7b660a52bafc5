"""Operations of the tag `authentification`."""

from typing import Never

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.settings import Settings
from handlers.views.authentification import render_droits, render_jeton
from handlers.wire import DemandeJeton, Droits, JetonBeside
from models.authentification import issue_token
from models.partenaire import Partenaire, list_clients
from models.plafond import remaining
from models.secret import find_secret_expiry


def access_token(
    corps: DemandeJeton, *, connection: Connection, partenaire: Partenaire, settings: Settings
) -> Answer[Never, JetonBeside]:
    jeton = issue_token(
        connection,
        partenaire,
        scope=corps.get("scope"),
        duree_s=settings.jeton_duree_s,
        pepper=settings.pepper,
    )
    return render_jeton(jeton)


def mes_droits(*, connection: Connection, partenaire: Partenaire) -> Answer[Droits]:
    return render_droits(
        partenaire,
        list_clients(connection, partenaire),
        find_secret_expiry(connection, partenaire),
        remaining(connection, partenaire),
    )
