"""Operations of the tag `sante`."""

from typing import Never

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.views.sante import render_sante
from handlers.wire import Sante
from models.migrate import check_current


def health_live() -> Answer[Never, Sante]:
    return render_sante()


def health_ready(*, connection: Connection) -> Answer[Never, Sante]:
    check_current(connection)
    return render_sante()
