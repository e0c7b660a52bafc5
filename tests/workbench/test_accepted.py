"""Changes that were let through although a rule calls them breaking: each is one, and has its proof."""

from __future__ import annotations

from pathlib import Path

import pytest

from handlers.settings import ROOT
from handlers.workbench.diff.accepted import FILE, Accepted, accept, read_accepted
from handlers.workbench.diff.change import ADDITIVE, BOTH, BREAKING, SENT, TEXT, Change
from handlers.workbench.diff.compare import compare, read
from handlers.workbench.diff.redocly import RedoclyMissing, kept_running
from handlers.workbench.history import CONTRACT, HISTORY, parse_version, published
from tests.support.needs import lack

KNOWN = read_accepted(HISTORY)
ONE = Accepted("1.4.0", "a.b", "it is narrower", "nobody sends it", "tests/x.py::test_x")
CHANGE = Change(BREAKING, SENT, "a.b", "it is narrower")


def test_each_accepted_change_is_called_breaking_by_a_rule() -> None:
    """One that no rule speaks of any more is to be removed, or its words to be mended."""
    versions = {one.name: one.path for one in published()}
    served = str(read(CONTRACT)["info"]["version"])
    stale = []
    try:
        with kept_running():
            for since in sorted({one.since for one in KNOWN}):
                before = max(
                    (name for name in versions if parse_version(name) < parse_version(since)),
                    key=parse_version,
                )
                after = CONTRACT if since == served else versions[since]
                found = {
                    (one.where, one.reason)
                    for one in compare(versions[before], after)
                    if one.impact == BREAKING
                }
                stale += [
                    one
                    for one in KNOWN
                    if one.since == since and (one.where, one.reason) not in found
                ]
    except RedoclyMissing as error:
        lack(str(error))
    assert stale == []


@pytest.mark.parametrize("one", KNOWN, ids=lambda one: one.where)
def test_each_accepted_change_names_a_test_that_is_there(one: Accepted) -> None:
    file, _, name = one.proof.partition("::")
    assert f"def {name}(" in (ROOT / file).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("before", "after", "impact"),
    [
        ("1.3.0", "1.4.0", ADDITIVE),
        ("1.2.1", "1.10.0", ADDITIVE),
        ("1.4.0", "1.5.0", BREAKING),
        ("1.2.1", "1.3.0", BREAKING),
        ("1.4.0", "1.3.0", BREAKING),
    ],
)
def test_change_is_accepted_between_the_versions_that_it_lies_between(
    before: str, after: str, impact: str
) -> None:
    (told,) = accept([CHANGE], [ONE], before, after)
    assert told.impact == impact
    assert ("accepted: nobody sends it" in told.reason) is (impact == ADDITIVE)


@pytest.mark.parametrize(
    "other",
    [
        Change(BREAKING, SENT, "a.c", "it is narrower"),
        Change(BREAKING, SENT, "a.b", "it is gone"),
        Change(TEXT, BOTH, "a.b", "it is narrower"),
    ],
)
def test_no_other_change_is_accepted(other: Change) -> None:
    assert accept([other], [ONE], "1.3.0", "1.4.0") == [other]


def test_history_without_the_file_accepts_nothing(tmp_path: Path) -> None:
    assert not (tmp_path / FILE).exists()
    assert read_accepted(tmp_path) == []
