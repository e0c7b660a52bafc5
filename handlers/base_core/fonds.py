"""Operations of the tag `fonds` of the back office."""

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.base_core.saisie import enter
from handlers.base_core.views.demandes import read_saisie
from handlers.base_core.wire import CorrectionOuverture, Demande, TransfertSpecial
from handlers.settings import Settings
from models.back_office.moteur import Personne


def transferer_solde_special(
    corps: TransfertSpecial, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("transfererSoldeSpecial", corps)
    return enter(connection, personne, settings, saisie, corps)


def corriger_solde_ouverture(
    corps: CorrectionOuverture, *, connection: Connection, personne: Personne, settings: Settings
) -> Answer[Demande]:
    saisie = read_saisie("corrigerSoldeOuverture", corps)
    return enter(connection, personne, settings, saisie, corps)
