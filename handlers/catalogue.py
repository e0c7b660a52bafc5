"""Operations of the tag `catalogue`."""

from handlers.edge.contract import Contract
from handlers.views import Answer, render_catalogue


def get_codes_erreur(*, contract: Contract) -> Answer:
    return render_catalogue(list(contract.catalogue.values()))
