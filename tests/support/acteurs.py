"""Who does what tests do."""

from __future__ import annotations

from models.audit import CLI, Acteur

TESTEUR = Acteur(CLI, "testeur", "Testeur")
