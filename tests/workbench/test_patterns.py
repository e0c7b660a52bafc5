"""The comparison of two patterns, for the judgement of a changed contract."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from handlers.workbench.diff.patterns import UnknownPattern, compare
from tests.support.contract_client import CONTRACT

BOTH, ONE, OTHER, NEITHER = (True, True), (True, False), (False, True), (False, False)


@pytest.mark.parametrize(
    ("one", "other", "takes_all"),
    [
        ("^[0-9]{16}$", "^[0-9]{12,16}$", OTHER),
        ("^[0-9]{16}$", "^[0-9]{15}$", NEITHER),
        ("^[ -~]{1,128}$", "^[ -~]{0,128}$", OTHER),
        ("^a(bc)*$", "^(a|abc(bc)*)$", BOTH),
        ("^[^a]$", "^[b-z]$", ONE),
        (r"^[.\-\]]+$", r"^(\.|-|\])(\.|-|\])*$", BOTH),
        (r"^\u00e9$", "^é$", BOTH),
        ("^(a*)*b$", "^a*b$", BOTH),
        ("^a{2,}$", "^aaa*$", BOTH),
        ("^(a?){3}$", "^a{0,3}$", BOTH),
        ("^$", "^a?$", OTHER),
    ],
)
def test_pattern_takes_all_that_another_takes(
    one: str, other: str, takes_all: tuple[bool, bool]
) -> None:
    assert compare(one, other) == takes_all
    assert compare(other, one) == takes_all[::-1]


@pytest.mark.parametrize(
    "pattern",
    [
        *(
            "[0-9]",
            "^[0-9]",
            "[0-9]$",
            r"^\d$",
            "^.$",
            "^a*?$",
            "^a++$",
            "^(?=a)a$",
            "^(a$",
            "^a)$",
        ),
        *("^[a$", "^a{2}{3}$", r"^\u12$", "^*$", "^a^b$", "^\\$", "^((((a|b)*a(a|b){20})))$"),
    ],
)
def test_pattern_that_is_not_read_is_said_to_be_so(pattern: str) -> None:
    started = time.process_time()
    with pytest.raises(UnknownPattern):
        compare(pattern, "^a$")
    assert time.process_time() - started < 30


def test_every_pattern_of_the_contract_is_read_and_takes_what_it_takes() -> None:
    patterns = set(re.findall(r'pattern: "(\^.*\$)"', CONTRACT.read_text(encoding="utf-8")))
    assert patterns
    for pattern in patterns:
        assert compare(pattern, pattern) == BOTH, pattern


NODES = st.recursive(
    st.sampled_from(["a", "b", "[ab]", "[^a]"]),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map("".join),
        st.lists(inner, min_size=2, max_size=3).map(lambda parts: f"({'|'.join(parts)})"),
        st.tuples(inner, st.sampled_from(["*", "+", "?", "{2}", "{0,2}", "{1,}"])).map(
            lambda pair: f"(?:{pair[0]}){pair[1]}"
        ),
    ),
    max_leaves=6,
)


@settings(max_examples=150, deadline=None)
@given(NODES, NODES, st.text("abc", max_size=6))
def test_comparison_agrees_with_python_on_every_text(one: str, other: str, text: str) -> None:
    one_takes_all, other_takes_all = compare(f"^{one}$", f"^{other}$")
    by_one, by_other = (re.fullmatch(each, text) is not None for each in (one, other))
    assert not (one_takes_all and by_other and not by_one)
    assert not (other_takes_all and by_one and not by_other)
