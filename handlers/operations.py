"""Operations of the tag `operations`."""

from datetime import timedelta

from sqlalchemy import Connection

from handlers.answer import Answer
from handlers.settings import Settings
from handlers.views.operations import (
    read_lignes,
    render_cloture,
    render_operation,
    render_rapprochement,
)
from handlers.wire import (
    Cloture,
    DemandeAnnulation,
    DemandeCloture,
    DemandeRapprochement,
    LigneRapprochee,
    Operation,
    ReponseRapprochementBeside,
)
from models.annulation import annuler
from models.partenaire import Partenaire
from models.rapprochement import verifier_references as compare_references
from models.suivi import close_reference, find_operation


def get_operation(
    reference: str | None,
    numero_operation: str | None,
    *,
    connection: Connection,
    partenaire: Partenaire,
) -> Answer[Operation]:
    operation = find_operation(
        connection, partenaire, reference=reference, numero_operation=numero_operation
    )
    return render_operation(operation)


def cloturer_reference(
    corps: DemandeCloture, *, connection: Connection, partenaire: Partenaire
) -> Answer[Cloture]:
    return render_cloture(close_reference(connection, partenaire, corps["reference"]))


def annuler_operation(
    corps: DemandeAnnulation, *, connection: Connection, partenaire: Partenaire, settings: Settings
) -> Answer[Operation]:
    operation = annuler(
        connection,
        partenaire,
        reference_origine=corps["referenceOrigine"],
        reference=corps["reference"],
        motif=corps.get("motif"),
        fenetre=timedelta(seconds=settings.annulation_fenetre_s),
    )
    return render_operation(operation)


def verifier_references(
    corps: DemandeRapprochement, *, connection: Connection, partenaire: Partenaire
) -> Answer[LigneRapprochee, ReponseRapprochementBeside]:
    return render_rapprochement(compare_references(connection, partenaire, *read_lignes(corps)))
