"""What a test needs to exist: clients, members, cards, partners, under ids of its own.

Tests share one server and one database per kind of database; nothing that a test makes is seen by
another, since every id is new.
"""

from __future__ import annotations

import itertools
import random
import ssl
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from itertools import accumulate
from typing import Any

import httpx
from sqlalchemy import Connection, bindparam, insert, or_, select, update

from models.audit import Objet, record
from models.carte import ACTIVE, cartes
from models.client import clients, find_client, update_client
from models.database.engine import Database
from models.journal.ecriture import ecritures
from models.journal.ouverture import NouvelleCarte, find_ouverture, open_cartes
from models.membre import membres
from models.operation import operations
from models.partenaire import EXTERNE
from models.reseau import create_reseau
from models.secret import NouveauPartenaire, create
from tests.support.acteurs import TESTEUR
from tests.support.contract_client import ContractClient

ALL_SCOPES = (
    "soldes:lire",
    "cartes:lire",
    "cartes:crediter",
    "cartes:debiter",
    "secrets:gerer",
    "jetons:verifier",
    "cartes:opposer",
)
PEPPER = b"pepper of the tests"
FAR = date(2099, 12, 31)
OPENED = datetime(2026, 1, 1, tzinfo=UTC)

# Made once, and empty: to read the system's certificates would take longer than most tests.
TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)

# Made once: to put a statement together takes longer than to run it.
_NEW_CLIENT = insert(clients)
_NEW_MEMBRE = insert(membres)
_IDS_OF_CARTES = select(cartes.c.numero_carte, cartes.c.id, cartes.c.carte_id).where(
    cartes.c.numero_carte.in_(bindparam("numeros", expanding=True))
)

_numbers = itertools.count(random.randrange(10**9) * 1000)


@dataclass(frozen=True)
class Membre:
    """A member and the ids that name it in requests."""

    client_id: str
    membre_id: str
    wallet_id: str


@dataclass(frozen=True)
class Carte:
    """A card and the ids that name it in requests."""

    id: int
    numero: str
    membre: Membre
    carte_id: str = ""

    @property
    def query(self) -> dict[str, str]:
        """The three parameters of getSoldeCarte."""
        return {
            "numeroCarte": self.numero,
            "walletId": self.membre.wallet_id,
            "clientId": self.membre.client_id,
        }

    def mouvement(self, montant: Any, reference: str, **more: Any) -> dict[str, Any]:
        """The body of creditCarte or debitCarte."""
        return {**self.query, "montant": montant, "reference": reference, **more}

    def transfert(
        self, destination: Carte, montant: Any, reference: str, **more: Any
    ) -> dict[str, Any]:
        """The body of transfererSolde, from this card to another."""
        to = {f"{name}Destination": value for name, value in destination.query.items()}
        return {**self.mouvement(montant, reference, **more), **to}


def place(connection: Connection, reseau_id: str | None, *client_ids: str) -> None:
    """Put clients into a réseau, which is made, or into none."""
    if reseau_id is not None:
        create_reseau(connection, reseau_id, f"Réseau {reseau_id}")
    for client_id in client_ids:
        before = find_client(connection, client_id)
        assert before is not None
        assert update_client(connection, before, before._replace(reseau_id=reseau_id))
    record(connection, TESTEUR, "placer", Objet("CLIENT", client_ids[0]), None, {})


def new_number() -> int:
    """A number that no other call of this run gives."""
    return next(_numbers)


def _new_numero() -> str:
    return f"70{new_number():014d}"


@dataclass
class World:
    """Makes what a test needs in the database that a server serves."""

    database: Database
    url: str
    opened: list[httpx.Client] = field(default_factory=list)
    _own: threading.local = field(default_factory=threading.local)

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """One transaction for all that this thread makes inside the block."""
        connection: Connection | None = getattr(self._own, "connection", None)
        if connection is not None:
            yield connection
            return
        with self.database.transaction() as connection:
            self._own.connection = connection
            try:
                yield connection
            finally:
                self._own.connection = None

    def client(self, client_id: str | None = None) -> str:
        """A new client's clientId."""
        client_id = client_id or f"CLI-{new_number()}"
        with self.writing() as connection:
            connection.execute(_NEW_CLIENT, {"client_id": client_id, "nom": f"Client {client_id}"})
        return client_id

    def membre(
        self,
        client_id: str | None = None,
        *,
        membre_id: str | None = None,
        wallet_id: str | None = None,
        **columns: Any,
    ) -> Membre:
        """A new member, of a new client unless told."""
        number = new_number()
        with self.writing() as connection:
            membre = Membre(
                client_id or self.client(),
                membre_id or f"MBR-{number}",
                wallet_id or f"{number:012d}"[-12:],
            )
            values = {"nom": "Diop", "prenom": "Awa", "telephone": membre.wallet_id, **columns}
            connection.execute(_NEW_MEMBRE, {**vars(membre), **values})
        return membre

    def carte(
        self,
        solde: int = 0,
        *,
        membre: Membre | None = None,
        statut: str = ACTIVE,
        fin_validite: date = FAR,
        numero: str | None = None,
        date_solde: datetime = OPENED,
    ) -> Carte:
        """A new card, its solde opened in the journal."""
        with self.writing() as connection:
            membre = membre or self.membre()
            (made,) = self._open(
                connection,
                membre,
                [
                    NouvelleCarte(
                        numero_carte=numero or _new_numero(),
                        client_id=membre.client_id,
                        membre_id=membre.membre_id,
                        fin_validite=fin_validite,
                        statut=statut,
                        solde=solde,
                    )
                ],
                date_solde,
            )
        return made

    def cartes(self, count: int, solde: int, membre: Membre) -> list[Carte]:
        """Several at once, in about the time of one."""
        with self.writing() as connection:
            nouvelles = [
                NouvelleCarte(
                    numero_carte=_new_numero(),
                    client_id=membre.client_id,
                    membre_id=membre.membre_id,
                    fin_validite=FAR,
                    statut=ACTIVE,
                    solde=solde,
                )
                for _ in range(count)
            ]
            return self._open(connection, membre, nouvelles, OPENED)

    def _open(
        self,
        connection: Connection,
        membre: Membre,
        nouvelles: list[NouvelleCarte],
        date_solde: datetime,
    ) -> list[Carte]:
        contra = find_ouverture(connection)
        open_cartes(connection, nouvelles, contra=contra, date_solde=date_solde)
        numeros = [nouvelle.numero_carte for nouvelle in nouvelles]
        found = connection.execute(_IDS_OF_CARTES, {"numeros": numeros})
        ids = {row.numero_carte: row for row in found}
        return [Carte(ids[numero].id, numero, membre, ids[numero].carte_id) for numero in numeros]

    def partenaire(
        self,
        client_ids: Iterable[str],
        *,
        scopes: Iterable[str] = ALL_SCOPES,
        adresses: Iterable[str] = (),
        demo: bool = False,
        pair: tuple[str, str] | None = None,
        basic: bool = True,
        type_: str = EXTERNE,
    ) -> NouveauPartenaire:
        """A new partner of these clients, of a pair that is drawn unless told. It may use Basic, as those may
        that were there before it could be refused."""
        with self.writing() as connection:
            return create(
                connection,
                TESTEUR,
                nom=f"Partenaire {new_number()}",
                client_ids=list(client_ids),
                scopes=list(scopes),
                adresses=list(adresses),
                pepper=PEPPER,
                demo=demo,
                basic_autorise=basic,
                type_=type_,
                consumer_key=pair[0] if pair else None,
                consumer_secret=pair[1] if pair else None,
            )

    def anonymous(self, url: str | None = None) -> ContractClient:
        """A client without credentials, of this world's server unless told."""
        client = ContractClient(base_url=url or self.url)
        self.opened.append(client)
        return client

    def api(self, *owned: Carte | str, **rights: Any) -> ContractClient:
        """A client with the token of a new partner of the clients of these cards (or clientIds)."""
        client_ids = [item if isinstance(item, str) else item.membre.client_id for item in owned]
        return self.api_of(self.partenaire(dict.fromkeys(client_ids), **rights))

    def api_of(self, pair: NouveauPartenaire) -> ContractClient:
        """A client with a token of this partner."""
        client = self.anonymous()
        client.headers["Authorization"] = f"Bearer {self.token(pair, client)}"
        return client

    def token(
        self, pair: NouveauPartenaire, client: httpx.Client | None = None, **form: str
    ) -> str:
        """A token of this partner, asked for by a client that has none yet."""
        answer = (client or self.anonymous()).post(
            "/access-token",
            auth=(pair[0], pair[1]),
            data={"grant_type": "client_credentials", **form},
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def solde(self, carte: Carte) -> int:
        """The solde that the card's row holds."""
        with self.database.reading() as connection:
            return int(
                connection.execute(
                    select(cartes.c.solde).where(cartes.c.id == carte.id)
                ).scalar_one()
            )

    def journal(self, carte: Carte) -> list[tuple[str, int]]:
        """Type and amount of the card's operations, oldest first."""
        with self.database.reading() as connection:
            rows = connection.execute(
                select(operations.c.type, ecritures.c.montant)
                .join_from(operations, ecritures, ecritures.c.operation_id == operations.c.id)
                .where(operations.c.carte_id == carte.id)
                .order_by(operations.c.id)
            )
            return [(row[0], row[1]) for row in rows]

    def change_carte(self, carte: Carte, **columns: Any) -> None:
        """Change the card's row behind the API's back, as CYNOD's own screens would."""
        with self.database.transaction() as connection:
            connection.execute(update(cartes).where(cartes.c.id == carte.id).values(**columns))
            record(connection, TESTEUR, "changer", Objet("CARTE", str(carte.id)), None, {})

    def check_books(self, *owned: Carte) -> None:
        """Assert that each card's solde and version are the fold of its ecritures, without a gap."""
        with self.database.reading() as connection:
            for carte in owned:
                compte_id, solde, version = connection.execute(
                    select(cartes.c.compte_id, cartes.c.solde, cartes.c.version).where(
                        cartes.c.id == carte.id
                    )
                ).one()
                rows = connection.execute(
                    select(ecritures).where(
                        or_(
                            ecritures.c.compte_debit == compte_id,
                            ecritures.c.compte_credit == compte_id,
                        )
                    )
                ).all()
                lines = sorted(
                    (row.version_debit, -row.montant, row.solde_debit)
                    if row.compte_debit == compte_id
                    else (row.version_credit, row.montant, row.solde_credit)
                    for row in rows
                )
                assert [line[0] for line in lines] == list(range(1, version + 1))
                assert [line[2] for line in lines] == list(accumulate(line[1] for line in lines))
                assert solde == sum(line[1] for line in lines)

    def close(self) -> None:
        """Close the clients."""
        for client in self.opened:
            client.close()
