"""The two roles of docs/roles.sql on a database of their own."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from sqlalchemy import make_url

from models import migrate
from models.database.engine import Database
from tests.support.contract_client import ROOT
from tests.support.postgresql import create_database

ROLES = (ROOT / "docs" / "roles.sql").read_text(encoding="utf-8")
OWNER, SERVICE = "cynod_owner", "cynod_service"


class Two(NamedTuple):
    """A database as its owner opens it, and as the service does."""

    owner: Database
    service: Database


@contextmanager
def two_roles(postgresql_url: str) -> Iterator[Two]:
    """A migrated database of an owner, with the rights of docs/roles.sql."""
    suffix = uuid.uuid4().hex[:12]
    names = {OWNER: f"owner_{suffix}", SERVICE: f"service_{suffix}"}
    administrator = Database(create_database(postgresql_url, f"roles_{suffix}"))
    name = make_url(postgresql_url).set(database=f"roles_{suffix}")
    with administrator.transaction() as connection:
        for role in names.values():
            connection.exec_driver_sql(f"CREATE ROLE {role} LOGIN PASSWORD '{suffix}'")
        connection.exec_driver_sql(f"ALTER DATABASE {name.database} OWNER TO {names[OWNER]}")
    owner, service = (
        Database(
            name.set(username=role, password=suffix).render_as_string(hide_password=False), wait_s=2
        )
        for role in names.values()
    )
    migrate.upgrade(owner)
    with owner.transaction() as connection:
        connection.exec_driver_sql(
            ROLES.replace(OWNER, names[OWNER]).replace(SERVICE, names[SERVICE])
        )
    yield Two(owner, service)
    owner.close()
    service.close()
    with administrator.transaction() as connection:
        connection.exec_driver_sql(f"REASSIGN OWNED BY {names[OWNER]} TO CURRENT_USER")
        connection.exec_driver_sql(f"DROP OWNED BY {', '.join(names.values())}")
        connection.exec_driver_sql(f"DROP ROLE {', '.join(names.values())}")
    administrator.close()
