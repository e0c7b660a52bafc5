"""Operations of the tag `authentification`."""

from sqlalchemy import Connection

from handlers.settings import Settings
from handlers.views import Answer, render_jeton
from handlers.wire import DemandeJeton
from models.partenaire import Partenaire, issue_token


def access_token(
    corps: DemandeJeton, *, session: Connection, partenaire: Partenaire, settings: Settings
) -> Answer:
    jeton = issue_token(
        session,
        partenaire,
        scope=corps.get("scope"),
        duree_s=settings.jeton_duree_s,
        pepper=settings.pepper,
    )
    return render_jeton(jeton)
