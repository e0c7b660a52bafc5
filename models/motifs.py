"""The patterns that the core checks by itself; a test holds them against the contract's."""

from __future__ import annotations

import re

IDENTIFIANT = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
TELEPHONE = re.compile(r"[+]?[0-9]{6,15}")
NUMERO_CARTE = re.compile(r"[0-9]{12,19}")

DU_CONTRAT = {
    "ClientId": IDENTIFIANT,
    "MembreId": IDENTIFIANT,
    "WalletId": TELEPHONE,
    "NumeroCarte": NUMERO_CARTE,
}
"""The contract's schema of each: what is stored must be what a request can name."""
