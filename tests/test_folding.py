"""All spellings of a name are one in folded texts, and where each stood is known."""

from __future__ import annotations

import html
import json
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from spelled import spellings

from jupyter_costmeter.folding import folded, plain

NAMES = st.text(st.characters(categories=["L", "M"]), min_size=1, max_size=8)


@settings(max_examples=500)
@given(NAMES)
def test_all_spellings_are_one(name: str) -> None:
    assert {plain(one) for one in spellings(name)} == {plain(name)}


@given(st.text(st.characters(categories=["L", "N"]), min_size=1, max_size=8))
def test_other_ways_to_write_a_sign(name: str) -> None:
    written = (quote(name), json.dumps(name)[1:-1], name.encode("ascii", "xmlcharrefreplace").decode())
    assert {plain(one) for one in written} == {plain(name)}


def test_html_and_latex() -> None:
    assert plain(html.escape("smith & 'co'")) == plain(r"smith \& 'co'") == "smith & 'co'"


@given(st.text(max_size=30), NAMES, st.text(max_size=30))
def test_where_a_name_stood(before: str, name: str, after: str) -> None:
    text = f"{before} {name} {after}"
    found = folded(text)
    if found.starts:
        assert len(found.starts) == len(found.ends) == len(found.text)
        assert list(found.starts) == sorted(found.starts)
        assert all(0 <= start < end <= len(text) for start, end in zip(found.starts, found.ends, strict=True))


@pytest.mark.parametrize(
    ("text", "name", "written"),
    [
        ("by JOSE\u0301!", "jos\u00e9", "JOSE\u0301"),
        ("%C3%A4da%20x", "äda", "%C3%A4da"),
        (r"a \u00e4da b", "äda", r"\u00e4da"),
        ("the ﬁsh", "fish", "ﬁsh"),
        ("Straße STRASSE", "straße", "Straße"),
        ("a\u200bda", "ada", "a\u200bda"),
    ],
)
def test_the_part_that_is_found(text: str, name: str, written: str) -> None:
    found, wanted = folded(text), plain(name)
    at = found.text.index(wanted)
    start, end = found.span(at, at + len(wanted))
    assert text[start:end] == written


@pytest.mark.parametrize("text", ["%zz &nothing; \\u12 %ff%fe", "&#0;&#1;", "&NotEqualTilde;", "\\ud800"])
def test_what_only_looks_escaped_is_no_error(text: str) -> None:
    assert folded(text).text
