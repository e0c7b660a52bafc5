"""verifierAudit: what it proves of an audit that holds, and where one begins that somebody changed."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select, text

from models.audit import audit, find_tete
from tests.support.office import Office


def verified(office: Office, depuis: int, jusqua: int) -> Any:
    """What the operation says of this part of the audit."""
    answer = office.ask("verifierAudit", depuis=depuis, jusqua=jusqua).send()
    assert answer.status_code == 200, answer.text
    (item,) = answer.json()["data"]
    return item


def head(office: Office) -> Any:
    """The end of the chain."""
    with office.world.database.reading() as connection:
        tete = find_tete(connection)
    assert tete is not None
    return tete.empreinte


def change(office: Office, position: int) -> None:
    """Change a row of the audit, as one who owns the database can."""
    with office.world.database.transaction() as connection:
        if office.world.database.dialect == "postgresql":
            connection.execute(text("ALTER TABLE audit DISABLE TRIGGER USER"))
        else:
            connection.execute(text("DROP TRIGGER audit_append_only_update"))
        connection.execute(
            audit.update().where(audit.c.position == position).values(acteur_id="personne")
        )


def test_first_row_that_somebody_changed_is_told(lone_office: Office) -> None:
    for role in ("LECTEUR", "AUDITEUR"):
        lone_office.with_role(role)
    with lone_office.world.database.reading() as connection:
        last = int(connection.scalar(select(func.max(audit.c.position))) or 0)
    assert last > 3
    whole = {"lignes": last, "premiere": 1, "derniere": last, "intacte": True}
    assert verified(lone_office, 1, last) == {
        **whole,
        "premiereRupture": None,
        "tete": head(lone_office),
    }
    changed = last - 1
    change(lone_office, changed)
    assert verified(lone_office, 1, last) == {
        "lignes": changed - 1,
        "premiere": 1,
        "derniere": changed - 1,
        "intacte": False,
        "premiereRupture": changed,
        "tete": head(lone_office),
    }
    assert verified(lone_office, changed, last) == {
        "lignes": 0,
        "premiere": None,
        "derniere": None,
        "intacte": False,
        "premiereRupture": changed,
        "tete": head(lone_office),
    }
    before = verified(lone_office, 1, changed - 1)
    assert (before["intacte"], before["premiereRupture"]) == (True, None)
