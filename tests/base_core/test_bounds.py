"""Every value that a request of the back office may hold, at the edges of what its contract says, and just
beyond: each place that does not fit is told, and no other.

One field too many keeps each of these requests from being carried out, so that many values can be tried of
one call, a value of every field at a time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.base_core.test_every_value import VALUES, full
from tests.support.contract_client import Json
from tests.support.edges import Case, Edges
from tests.support.every_value import valid_text
from tests.support.office import ALL, CONTRACT, PLACES, READING, Office
from tests.support.scene import Call, assert_refused

pytestmark = pytest.mark.only_on("sqlite")  # the edge refuses these before any database is asked

SURPLUS = "surplus"
MAX_BODY = 65_536
EDGES = Edges(READING)
resolve = READING.resolve


def parameters_of(office: Office, operation: str) -> Iterator[tuple[Call, Case]]:
    """Calls with other parameters."""
    call, fields = office.standing(operation), VALUES.by_name[operation].parameters
    schemas = {name: field.schema for name, field in fields.items()}
    texts = {name: valid_text(call, field) for name, field in fields.items()}
    for case in EDGES.of_fields(schemas, texts):
        written = {
            name: str(value).lower() if isinstance(value, bool) else str(value)
            for name, value in case.value.items()
        }
        yield call._replace(options={"params": {**written, SURPLUS: "1"}}), case


def bodies_of(office: Office, operation: str) -> Iterator[tuple[Call, Case]]:
    """Calls with another body."""
    call = full(office, operation)
    (media_type,) = resolve(CONTRACT[operation]["requestBody"])["content"].values()
    schema: Json = resolve(media_type["schema"])
    for case in EDGES.cases(schema, call.options["json"]):
        yield call._replace(options={"json": {**case.value, SURPLUS: "1"}}), case


@pytest.mark.parametrize("operation", ALL)
def test_what_does_not_fit_is_told_and_nothing_else(office: Office, operation: str) -> None:
    # Not by who calls for all others: nobody may call as often as this.
    caller = office.another(operation)
    made = bodies_of if PLACES[operation][0] == "POST" else parameters_of
    for call, case in made(office, operation):
        answer = call.send(caller)
        assert answer.status_code == 400, answer.text
        told = {one["emplacement"] for one in answer.json()["erreurs"]}
        assert told == {*case.places, SURPLUS}, case.value


@pytest.mark.parametrize("operation", [name for name in ALL if PLACES[name][0] == "POST"])
def test_body_is_read_up_to_its_size_and_no_further(office: Office, operation: str) -> None:
    most = CONTRACT[operation].get("x-corps-maximal", MAX_BODY)
    caller, path = office.caller(operation), PLACES[operation][1]
    headers = {"Content-Type": "application/json"}
    assert_refused(caller.post(path, content=b" " * most, headers=headers), "1001")
    assert_refused(caller.post(path, content=b" " * (most + 1), headers=headers), "1006")
