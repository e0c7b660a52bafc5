"""Nothing that is not money is changed without a row of the audit: the database itself is asked.

Which code may write at all is tests/models/test_writers.py's; this is what the database says of all of it.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, func, select, text
from sqlalchemy.exc import IntegrityError

from models.audit import AGENT, Acteur, Objet, audit, record
from models.books.chaine import export_audit, verify_chaine
from models.books.demo import CONSUMER_SECRET, seed_demo
from models.books.importation import import_cartes
from models.books.rows import COLUMNS
from models.database.engine import Database
from models.errors import AuthentificationInvalide, EtatInterdit
from models.plafond import TYPES
from models.schema import metadata
from models.secret import create, rotate
from tests.support.acteurs import TESTEUR
from tests.support.partners import revoke, revoke_jetons
from tests.support.plafonds import remove_plafond, set_plafond
from tests.support.plays import play_commands, play_demandes, play_operations
from tests.support.scene import Scene
from tests.support.scenes import NewUrl, NewWorld
from tests.support.witness import AUDITED, BY_DEMANDE, dismiss, install
from tests.support.world import PEPPER


def _count(database: Database) -> int:
    with database.reading() as connection:
        return connection.execute(select(func.count()).select_from(audit)).scalar_one()


def _actions(database: Database, after: int) -> list[str]:
    """What was done since that position, but by the test itself."""
    with database.reading() as connection:
        found = connection.scalars(
            select(audit.c.action).where(audit.c.position > after, audit.c.acteur_id != TESTEUR.id)
        )
        return sorted(found)


@pytest.fixture(scope="module")
def watched(new_database_url: NewUrl) -> Iterator[Database]:
    """The demo data, watched."""
    database = Database(new_database_url())
    with database.transaction() as connection:
        seed_demo(connection, TESTEUR, scopes=["soldes:lire"], pepper=PEPPER)
    install(database)
    for statement in PERSONS:
        _change(database, statement)
    yield database
    database.close()


PERSONS = [
    (
        "INSERT INTO agents (agent_id, nom, email, emetteur, sujet, roles, statut, version, cree_le)"
        " VALUES ('A', 'A', '', 'https://id.example', 'a', 'LECTEUR', 'ACTIF', 1, '2026-01-01 00:00:00')"
    ),
    (
        "INSERT INTO reseaux (reseau_id, nom, version, cree_le) VALUES ('R', 'R', 1, '2026-01-01 00:00:00')"
    ),
    (
        "INSERT INTO plafonds (id, partenaire_id, type, periode, montant_maximal, cree_le)"
        " VALUES (-8, 1, 'DEBIT', 'MOIS', 1, '2026-01-01 00:00:00')"
    ),
    (
        "INSERT INTO profils_carte (id, profil_id, nom, unite, validite_mois, prefixe, plafonds,"
        " hors_ligne_autorise, statut, cree_le)"
        " VALUES (-8, 'P', 'P', 'FCFA', 12, '701980', '[]', 0, 'ACTIF', '2026-01-01 00:00:00')"
    ),
]


def test_no_command_and_no_operation_goes_around_the_audit(
    own_world: NewWorld, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CYNOD_PEPPER", PEPPER.decode())
    with own_world() as world:
        url = world.database.url.render_as_string(hide_password=False)
        monkeypatch.setenv("CYNOD_DATABASE_URL", url)
        install(world.database)
        secrets = re.findall(r"\b[A-Za-z0-9]{43}\b", play_commands(tmp_path))
        play_demandes(world.database)
        dismiss(world.database)
        scene, before = Scene(world), 0

        def watch() -> None:
            nonlocal before
            install(world.database)
            before = _count(world.database)

        play_operations(scene, prepared=watch)
        # Of what the partner does, five operations change something that is no money.
        assert _actions(world.database, before) == [
            *("leverMonOpposition", "opposerMaCarte", "renouvelerSecret"),
            *("retirerSecretInitial", "revoquerSecret"),
            *["saisirPlafondPartenaire"] * 2,
        ]
        with world.database.snapshot() as connection:
            assert verify_chaine(connection).rupture is None
            pieces: list[str] = []
            export_audit(connection, pieces.append, format_="jsonl")
    told = "".join(pieces)
    assert len(secrets) == 2, "of the partner who was created, and of the same after a rotation"
    for hidden in (
        *secrets,
        CONSUMER_SECRET,
        *scene.pair[1:],
        scene.carte.numero,
        scene.autre.numero,
    ):
        assert hidden not in told
    assert not re.search(r"(?<![0-9a-f])[0-9]{13,19}(?![0-9a-f])", told), "the number of a card"


# ── any sequence ─────────────────────────────────────────────────────────────────────────────────
class _Undone(Exception):
    """What a transaction ends with of which nothing is to stay."""


Row = tuple[str, str]
"""What is expected of a row of the audit: its action, its objet."""


class Changes:
    """What commands do, by the functions that they call, and the rows that the audit must have of it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.keys = ["inconnu"]

    def do(self, action: str, which: int, *, stays: bool) -> list[Row]:
        """Do one thing, which is rolled back unless it stays: the rows that there must be of it."""
        if action == "load":
            return self._load(which, stays=stays)
        key = self.keys[which % len(self.keys)]
        rows: list[Row] = []
        with suppress(_Undone), self.database.transaction() as connection:
            try:
                changed: Row | None = getattr(self, f"_{action}")(connection, key, which)
            except EtatInterdit:  # who is revoked gets no limit
                raise _Undone from None
            if changed is None or not stays:  # what is refused is undone, as the server does
                raise _Undone
            rows = [changed]
        self.keys += [objet for action, objet in rows if action == "saisirPartenaire"]
        return rows

    def _create(self, connection: Connection, _key: str, which: int) -> Row:
        client_ids = ["CLI-0001", "CLI-0002"][: which % 3]
        pair = create(
            connection, TESTEUR, nom="P", client_ids=client_ids, scopes=["soldes:lire"], adresses=[],
            pepper=PEPPER,
        )  # fmt: skip
        return "saisirPartenaire", pair.consumer_key

    def _rotate(self, connection: Connection, key: str, which: int) -> Row | None:
        try:
            rotate(connection, TESTEUR, key, delai=timedelta(hours=which % 2), pepper=PEPPER)
        except AuthentificationInvalide:
            return None
        return "renouvelerSecretPartenaire", key

    def _revoke(self, connection: Connection, key: str, _which: int) -> Row | None:
        return ("changerStatutPartenaire", key) if revoke(connection, TESTEUR, key) else None

    def _end(self, connection: Connection, key: str, _which: int) -> Row | None:
        ended = revoke_jetons(connection, TESTEUR, key)
        return None if ended is None else ("revoquerJetonsPartenaire", key)

    def _limit(self, connection: Connection, key: str, which: int) -> Row | None:
        type_ = TYPES[which % 2]
        done = set_plafond(
            connection, TESTEUR, type_=type_, periode="MOIS", consumer_key=key, montant_maximal=which,
            nombre_maximal=None,
        )  # fmt: skip
        return ("saisirPlafondPartenaire", f"{key}:{type_}:MOIS") if done else None

    def _free(self, connection: Connection, key: str, which: int) -> Row | None:
        type_ = TYPES[which % 2]
        done = remove_plafond(connection, TESTEUR, type_=type_, periode="MOIS", consumer_key=key)
        return ("retirerPlafondPartenaire", f"{key}:{type_}:MOIS") if done else None

    def _load(self, which: int, *, stays: bool) -> list[Row]:
        """A file, whose cards may be there already."""
        card = (
            f"CLI-7,C,M{which},N,P,,22177000000{which},,,701980000000000{which},18/07/2029,ACTIVE,5"
        )
        file = "\n".join([",".join(COLUMNS), card, ""]).encode()
        summary = import_cartes(self.database, io.BytesIO(file), TESTEUR, dry_run=not stays)
        loaded = stays and summary.creees
        return [("import", hashlib.sha256(file).hexdigest())] if loaded else []


_ACTIONS = ["create", "create", "rotate", "revoke", "end", "limit", "limit", "free", "load"]
_steps = st.tuples(st.sampled_from(_ACTIONS), st.integers(0, 9), st.integers(0, 3).map(bool))


def test_any_sequence_leaves_a_whole_chain_with_one_row_a_change(watched: Database) -> None:
    @settings(
        max_examples=8,
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(_steps, min_size=8, max_size=14))
    def any_sequence(steps: list[tuple[str, int, bool]]) -> None:
        before = _count(watched)
        changes = Changes(watched)
        expected = [
            row for action, which, stays in steps for row in changes.do(action, which, stays=stays)
        ]
        with watched.reading() as connection:
            rows = connection.execute(
                select(audit.c.action, audit.c.objet_id)
                .where(audit.c.position > before)
                .order_by(audit.c.position)
            ).all()
            proved = verify_chaine(connection)
        assert [tuple(row) for row in rows] == expected
        assert proved[:4] == (before + len(expected), 1, before + len(expected), None)

    any_sequence()


# ── the witness itself ───────────────────────────────────────────────────────────────────────────
MADE_TO_BE_DELETED = {
    "DELETE FROM clients WHERE client_id = 'CLI-0003'": (
        "INSERT INTO clients (client_id, nom) VALUES ('CLI-0003', 'X')"
    ),
    "DELETE FROM secrets WHERE id = -9": (
        "INSERT INTO secrets (id, partenaire_id, empreinte, cree_le, secret_id)"
        " SELECT -9, partenaire_id, empreinte, cree_le, 'X'"
        " FROM secrets WHERE id = (SELECT max(id) FROM secrets)"
    ),
}
"""What is deleted is nobody else's: the other tests find what they need, whichever come first."""

CHANGES = [
    *MADE_TO_BE_DELETED,
    "INSERT INTO clients (client_id, nom) VALUES ('X', 'X')",
    "UPDATE clients SET nom = nom",
    "UPDATE membres SET wallet_id = wallet_id",
    "UPDATE agents SET roles = roles",
    "UPDATE regles_validation SET validations = validations",
    "UPDATE partenaires SET scopes = ''",
    "UPDATE partenaires SET plafonne = plafonne",
    "DELETE FROM acces",
    "UPDATE secrets SET expire_le = cree_le",
    (
        "INSERT INTO plafonds (id, carte_id, type, periode, montant_maximal, cree_le)"
        " VALUES (-9, 1, 'DEBIT', 'JOUR', 1, '2026-01-01 00:00:00')"
    ),
    "UPDATE cartes SET statut = 'ACTIVE'",
    "UPDATE cartes SET fin_validite = fin_validite",
]


@pytest.mark.parametrize("statement", CHANGES)
def test_change_without_a_row_of_the_audit_is_not_committed(
    watched: Database, statement: str
) -> None:
    if statement in MADE_TO_BE_DELETED:
        _change(watched, MADE_TO_BE_DELETED[statement])
    before = _count(watched)
    for row_before in (False, True):
        with pytest.raises(IntegrityError, match=r"(?i)foreign key"):
            _change(watched, statement, row_before=row_before, row_after=False)
    assert _count(watched) == before
    _change(watched, statement)
    assert _count(watched) == before + 1


def _change(
    database: Database,
    statement: str,
    *,
    row_before: bool = False,
    row_after: bool = True,
    acteur: Acteur = TESTEUR,
) -> None:
    with database.transaction() as connection:
        if row_before:
            _record(connection, acteur)
        connection.execute(text(statement))
        if row_after:
            _record(connection, acteur)


def _record(connection: Connection, acteur: Acteur) -> None:
    record(connection, acteur, "modifier", Objet("CLIENT", "X"), None, {})


@pytest.mark.parametrize("table", sorted(BY_DEMANDE))
def test_change_around_the_demandes_is_not_committed(watched: Database, table: str) -> None:
    """A person, or a machine, changes nothing of it but by a demande that others agreed to."""
    column = {"regles_validation": "version", "plafonds": "type", "cartes": "statut"}.get(
        table, "nom"
    )
    before = _count(watched)
    with pytest.raises(IntegrityError, match="around the demandes"):
        _change(watched, f"UPDATE {table} SET {column} = {column}", acteur=Acteur(AGENT, "a", "A"))
    assert _count(watched) == before


def test_money_needs_no_row(watched: Database) -> None:
    before = _count(watched)
    with watched.transaction() as connection:
        # Of a card that may hold money, whatever became of the others.
        moved = connection.execute(
            text(
                "UPDATE cartes SET solde = 1, version = 9, date_solde = date_solde"
                " WHERE statut = 'ACTIVE' AND solde > 0"
            )
        )
        assert moved.rowcount > 0
    assert _count(watched) == before


def test_every_table_of_what_is_not_money_is_watched() -> None:
    """A table that comes stands in one of the two: it is changed by somebody, or it is no change."""
    assert {table.name for table in AUDITED} | NO_CHANGES.keys() == metadata.tables.keys()


NO_CHANGES = {
    "audit": "the audit itself",
    "audit_tete": "the audit itself",
    "comptes": "made with what it is of",
    "operations": "money",
    "ecritures": "money",
    "consommations": "what money has counted of a limit",
    "numeros_carte": "how far numbers are drawn; the cards that have them have their rows",
    "sceaux": "what proves the books, chained by itself",
    "gestes": "what a partner asked under a reference; what that changed has its row",
    "adresses_vues": "counted beside the calls",
    "jetons": "issued to whoever has a secret; ended by a change of the partner",
}
