"""Operations of the tag `mouvements`."""

from sqlalchemy import Connection

from handlers.views import Answer, read_demande, render_mouvement
from handlers.wire import DemandeMouvement
from models.mouvement import crediter, debiter
from models.partenaire import Partenaire


def credit_carte(corps: DemandeMouvement, *, session: Connection, partenaire: Partenaire) -> Answer:
    return render_mouvement(crediter(session, partenaire, read_demande(corps)))


def debit_carte(corps: DemandeMouvement, *, session: Connection, partenaire: Partenaire) -> Answer:
    return render_mouvement(debiter(session, partenaire, read_demande(corps)))
