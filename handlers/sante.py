"""Operations of the tag `sante`."""

from sqlalchemy import Connection

from handlers.views import Answer, render_sante
from models.migrate import check_current


def health_live() -> Answer:
    return render_sante()


def health_ready(*, session: Connection) -> Answer:
    check_current(session)
    return render_sante()
