"""Cards in every state, by the demandes that bring them there; who has a shell enters those."""

from __future__ import annotations

from datetime import date
from typing import Any

from sqlalchemy import update

from models.audit import record
from models.back_office.moteur import Personne, Saisie, saisir
from models.carte import ACTIVE, ANNULEE, EMISE, OPPOSITION, cartes, objet_carte
from models.demande import Demande
from tests.support.acteurs import TESTEUR
from tests.support.persons import new_reference
from tests.support.world import Carte, Membre, World, new_number


class Lives:
    """Makes cards of a world, and changes their states."""

    def __init__(self, world: World) -> None:
        self.world = world
        self._profil: str | None = None

    def done(self, type_: str, **contenu: Any) -> Demande:
        """A demande that was executed at once."""
        with self.world.writing() as connection:
            return saisir(connection, Personne(TESTEUR), Saisie(type_, new_reference(), contenu))

    def profil(self, **more: Any) -> str:
        """The profilId of a new profile."""
        profil_id = f"PRF-{new_number()}"
        self.done(
            "saisirProfilCarte",
            **{
                "profilId": profil_id,
                "nom": "Carte flotte",
                "unite": "FCFA",
                "validiteMois": 24,
                "prefixe": f"{new_number() % 10**8:08d}",
                "plafonds": [],
                "horsLigneAutorise": False,
                **more,
            },
        )
        return profil_id

    @property
    def standing_profil(self) -> str:
        """A profile that nothing changes."""
        self._profil = self._profil or self.profil()
        return self._profil

    def emitted(self, membre: Membre | None = None, **more: Any) -> Carte:
        """A new card, which was never active."""
        membre = membre or self.world.membre()
        porteur = {"membreId": membre.membre_id}
        asked = {"profilId": self.standing_profil, "clientId": membre.client_id, **more}
        demande = self.done("emettreCartes", porteurs=[porteur], **asked)
        assert demande.resultat is not None
        return self.named(demande.resultat["cartes"][0]["carteId"], membre)

    def named(self, carte_id: str, membre: Membre) -> Carte:
        """The card of this name, as tests know it."""
        with self.world.database.reading() as connection:
            columns = cartes.c["id", "numero_carte"]
            where = cartes.c.carte_id == carte_id
            id_, numero = connection.execute(
                cartes.select().with_only_columns(*columns).where(where)
            ).one()
        return Carte(id_, numero, membre, carte_id)

    def carte(
        self,
        statut: str = ACTIVE,
        solde: int = 0,
        *,
        membre: Membre | None = None,
        fin_validite: date | None = None,
        motif: str = "SUSPICION",
    ) -> Carte:
        """A card in a state, with francs on it unless it was never active."""
        if statut == EMISE:
            return self.emitted(membre)
        carte = self.world.carte(solde, membre=membre)
        if fin_validite is not None:
            self.alter(carte, fin_validite=fin_validite)
        if statut == OPPOSITION:
            self.opposed(carte, motif)
        if statut == ANNULEE:
            self.done("annulerCarte", carteId=carte.carte_id, motifAnnulation="FIN_DE_CONTRAT")
        return carte

    def opposed(self, carte: Carte, motif: str) -> Demande:
        """Block it."""
        return self.done("opposerCarte", carteId=carte.carte_id, motifOpposition=motif)

    def activated(self, carte: Carte) -> Demande:
        """Put it into service."""
        asked = {"carteId": carte.carte_id, "dernierQuatre": carte.numero[-4:]}
        return self.done("activerCarte", **asked)

    def replaced(self, carte: Carte, motif: str = "DEGRADEE", **more: Any) -> Carte:
        """The card that shall take its place, not active yet."""
        profil = {"profilId": self.standing_profil, **more}
        asked = {"carteId": carte.carte_id, "motifRemplacement": motif, **profil}
        demande = self.done("remplacerCarte", **asked)
        assert demande.resultat is not None
        return self.named(demande.resultat["carteId"], carte.membre)

    def alter(self, carte: Carte, **columns: Any) -> None:
        """Change its row behind the API's back."""
        with self.world.writing() as connection:
            connection.execute(update(cartes).where(cartes.c.id == carte.id).values(**columns))
            record(connection, TESTEUR, "changer", objet_carte(carte.carte_id), None, {})
