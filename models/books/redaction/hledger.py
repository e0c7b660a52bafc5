"""The journal for hledger (https://hledger.org), and for ledger."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache, partial
from urllib.parse import quote

from models.base import mask, write_instant
from models.books.redaction.base import (
    Accounts,
    Chart,
    Compte,
    Cote,
    Entete,
    Mouvement,
    describe,
    write_comments,
    write_end,
)
from models.compte import COMPTE_CARTE, COMPTE_OUVERTURE, COMPTE_REGLEMENT

_LISIBLE = re.compile(r"[^A-Za-z0-9 .'&/+-]+")
_PLAIN = re.compile(r"[A-Za-z0-9._:-]+(?: [A-Za-z0-9._:-]+)*")
"""Most texts: they are their own encoding."""

# hledger's strict check walks the sorted accounts from the first one, for each posting: those of many
# postings come before those of which there are many.
CHART = Chart(
    roots={
        COMPTE_REGLEMENT: "actif:partenaires",
        COMPTE_OUVERTURE: "capital:ouverture",
        COMPTE_CARTE: "passif:clients",
    },
    unknown={COMPTE_REGLEMENT: "actif:inconnu", COMPTE_CARTE: "passif:inconnu"},
    stray="inconnu",
    encode=partial(quote, safe=""),
)


class Hledger:
    """Plain text that hledger reads, and ledger. It is ASCII, since hledger reads by the locale: but
    in a description, a byte that is not, or that could mean something, is %XX."""

    def __init__(self, *, par_carte: bool) -> None:
        self._accounts = Accounts(CHART, par_carte=par_carte)

    def head(self, entete: Entete) -> str:
        """See Redaction. The commodity has no format, for which each program has its own form."""
        lines = [
            *describe(entete, CHART.roots, _tag),
            "%XX in an account or a tag is a byte of UTF-8.",
        ]
        roots = "".join(
            f"account {name}\n    ; type:{letter}\n"
            for name, letter in (("actif", "A"), ("capital", "E"), ("passif", "L"))
        )
        commodities = "".join(f"commodity {_commodity(unite)}\n" for unite in entete.unites)
        return f"{write_comments(lines)}\n{commodities}\n{roots}"

    def account(self, compte: Compte, entete: Entete) -> str:
        """See Redaction."""
        tags = {
            "client": compte.client_id,
            "nom": compte.client_nom if compte.type == COMPTE_CARTE else compte.partenaire_nom,
            "numero": compte.numero if entete.par_carte else None,
            "partenaire": compte.consumer_key,
        }
        parts = [] if (tags["nom"] or "").isascii() else [_lisible(tags["nom"] or "")]
        comment = ", ".join(part for part in (*parts, _tags(tags)) if part)
        # On a line of its own, which ledger does not take for a part of the name.
        return f"account {self._accounts.of(compte)}\n" + (f"    ; {comment}\n" if comment else "")

    def opening_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f"\n{entete.premier_jour.isoformat()} * Soldes au debut de la periode\n"

    def opening(self, compte: Compte, montant: int, _entete: Entete) -> str:
        """See Redaction. What the account becomes, not what it receives: nothing, when the period
        before has been read too."""
        return f"    {self._accounts.of(compte)}  = {montant} {_commodity(compte.unite)}\n"

    def mouvement(self, mouvement: Mouvement) -> str:
        """See Redaction."""
        payee = ""
        if mouvement.partenaire_nom is not None:
            payee = f"{_lisible(mouvement.partenaire_nom) or _tag(mouvement.consumer_key)} | "
        tags = {
            "instant": write_instant(mouvement.instant),
            "partenaire": mouvement.consumer_key,
            "reference": mouvement.reference,
            "annule": mouvement.annulation_de,
            "demande": mouvement.demande_id,
            "motif": mouvement.motif,
            "pointDeService": mouvement.point_de_service,
            "terminal": mouvement.terminal,
        }
        head = (
            f"\n{mouvement.instant.date().isoformat()} * ({mouvement.numero_operation})"
            f" {payee}{mouvement.type}  ; {_tags(tags)}\n"
        )
        return head + "".join(map(self._posting, mouvement.cotes))

    def _posting(self, cote: Cote) -> str:
        name = self._accounts.of_side(cote)
        carte = ""
        if cote.numero_carte is not None:
            carte = f"  ; carte:{cote.compte_id:06d}, numero:{mask(cote.numero_carte)}"
        return f"    {name}  {cote.montant} {_commodity(cote.unite)}{carte}\n"

    def soldes_head(self, entete: Entete) -> str:
        """See Redaction."""
        return f"\n{entete.dernier_jour.isoformat()} * Soldes a la fin de la periode\n"

    def solde(self, compte: Compte, montant: int, _entete: Entete) -> str:
        """See Redaction."""
        unite = _commodity(compte.unite)
        return f"    {self._accounts.of(compte)}  0 {unite} = {montant} {unite}\n"

    def end(self, operations: int, comptes: int, soldes: int) -> str:
        """See Redaction."""
        return write_end(operations, comptes, soldes)


def _commodity(unite: str) -> str:
    return unite if unite.isascii() and unite.isalpha() else f'"{_tag(unite)}"'


@lru_cache(maxsize=4096)
def _lisible(value: str) -> str:
    """A text without its accents and signs, for the eye."""
    plain = unicodedata.normalize("NFKD", value).encode("ascii", "ignore").decode("ascii")
    return " ".join(_LISIBLE.sub(" ", plain).split())


def _tags(values: dict[str, str | None]) -> str:
    return ", ".join(f"{name}:{_tag(value)}" for name, value in values.items() if value is not None)


def _tag(value: str | None) -> str:
    """A text that ends no tag, opens no other and is ASCII: `unquote` gives it back."""
    if value is not None and _PLAIN.fullmatch(value):
        return value
    encoded = quote(value or "", safe=" :/'()*!@&+=#?$")
    # hledger takes white space at either end for no part of the value.
    inner = encoded.strip(" ")
    before = len(encoded) - len(encoded.lstrip(" "))
    return "%20" * before + inner + "%20" * (len(encoded) - before - len(inner))
