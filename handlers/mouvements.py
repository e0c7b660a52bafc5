"""Operations of the tag `mouvements`."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.views.mouvements import read_demande, read_transfert, render_mouvement
from handlers.views.operations import render_operation
from handlers.wire import DemandeMouvement, DemandeTransfert, Mouvement, Operation
from models.mouvement import crediter, debiter, transferer
from models.partenaire import Partenaire


def credit_carte(
    corps: DemandeMouvement, *, connection: Connection, partenaire: Partenaire
) -> Answer[Mouvement]:
    return render_mouvement(crediter(connection, partenaire, read_demande(corps)))


def debit_carte(
    corps: DemandeMouvement, *, connection: Connection, partenaire: Partenaire
) -> Answer[Mouvement]:
    return render_mouvement(debiter(connection, partenaire, read_demande(corps)))


def transferer_solde(
    corps: DemandeTransfert, *, connection: Connection, partenaire: Partenaire
) -> Answer[Operation]:
    return render_operation(transferer(connection, partenaire, read_transfert(corps)))
