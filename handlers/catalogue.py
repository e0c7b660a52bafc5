"""Operations of the tag `catalogue`."""

from handlers.answer import Answer
from handlers.contract.model import Contract, SelfCheck
from handlers.views.catalogue import render_catalogue, render_conformite
from handlers.wire import CodeErreurCatalogue, Conformite


def get_codes_erreur(*, contract: Contract) -> Answer[CodeErreurCatalogue]:
    return render_catalogue(list(contract.catalogue.values()))


def get_conformite(*, conformite: SelfCheck) -> Answer[Conformite]:
    return render_conformite(conformite)
