"""The error catalogue and the conformity on the wire."""

from __future__ import annotations

from collections.abc import Sequence

from handlers import wire
from handlers.answer import Answer
from handlers.contract.model import CatalogueEntry, SelfCheck
from handlers.views.formats import format_instant


def render_catalogue(entries: Sequence[CatalogueEntry]) -> Answer[wire.CodeErreurCatalogue]:
    """ReponseCodesErreur."""
    items: list[wire.CodeErreurCatalogue] = [
        {
            "code": entry.code,
            "nom": entry.nom,
            "statutHttp": entry.statut,
            "message": {"fr": entry.message["fr"], "en": entry.message["en"]},
            "conseil": {"fr": entry.conseil["fr"], "en": entry.conseil["en"]},
            "reessayer": entry.reessayer,
        }
        for entry in entries
    ]
    return Answer(items)


def render_conformite(conformite: SelfCheck) -> Answer[wire.Conformite]:
    """ReponseConformite."""
    item: wire.Conformite = {
        "version": conformite.version,
        "empreinte": conformite.sha256,
        "dernierControle": format_instant(conformite.checked),
        "operationsFacultatives": [
            {"operation": name, "activee": offered}
            for name, offered in conformite.optional_operations
        ],
    }
    return Answer([item])
