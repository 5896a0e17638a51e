"""A chart in HTML needs no network, and ends no script of its own."""

from __future__ import annotations

import re

from jupyter_costmeter import chart_html

ITEM = {"version": "3.9.2", "doc": {"title": "</script><script>alert(1)//", "ink": chart_html.INK}}


def test_a_fragment_has_one_script_and_says_what_to_do_without() -> None:
    made = chart_html.fragment(ITEM, "No <chart> here")
    assert made.count("<script>") == made.count("</script>") == 1
    assert "<small>No &lt;chart&gt; here</small>" in made
    assert chart_html.INK in made


def test_a_still_picture_stands_there_until_it_is_drawn() -> None:
    made = chart_html.fragment(ITEM, "", '<img alt="one">')
    assert '"><img alt="one"></div><script>' in made


def test_two_of_one_chart_do_not_meet() -> None:
    ids = {re.findall('id="([^"]+)"', chart_html.fragment(ITEM, ""))[0] for _ in range(9)}
    assert len(ids) == 9


def test_a_file_holds_all_it_needs() -> None:
    made = chart_html.whole("a < b", chart_html.fragment(ITEM, ""))
    assert "<title>a &lt; b</title>" in made
    assert "default-src 'none'" in made
    assert len(made) > 1_000_000
    assert not re.findall(r"<(?:script|link|img)[^>]+(?:src|href)=", made)
    assert len(chart_html.whole("a", "b", charts=False)) < 2000
