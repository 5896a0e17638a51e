"""Names, tags and metrics that mean something to a format are texts in it: harmless, and as they were."""

from __future__ import annotations

import csv
import io
import re
from dataclasses import replace
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from nasty import NASTY, document, form, texts

from jupyter_costmeter import chart_html, plugins
from jupyter_costmeter.form_pages import dumped, own_file
from jupyter_costmeter.spreadsheet import FORMULA
from jupyter_costmeter.statement import Document, Form, Item
from jupyter_costmeter.statements.tex import escaped
from jupyter_costmeter.tables import printable

few = settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
SAID = st.lists(texts(), min_size=1, max_size=3).map(tuple)


def written(suffix: str, made: Document) -> str:
    out = io.StringIO(newline="")
    plugins.load("statements", suffix).write(out, made)
    out.getvalue().encode()  # it can be written
    return out.getvalue()


# Markdown

MARKDOWN = MarkdownIt("commonmark", {"html": True}).enable("table")
#: What our own Markdown makes; nothing else may come of a text.
OURS = {
    "heading", "paragraph", "inline", "table", "thead", "tbody", "tr", "th", "td", "bullet_list", "list_item", "fence",
    "text", "strong", "softbreak", "list",
}  # fmt: skip
HEADINGS = {
    "What it took", "By category", "By experiment", "Trials", "Machines", "Factors, with their sources", "What to know",
    "Norm", "Left to you", "To paste",
}  # fmt: skip


def tokens(text: str) -> list[Any]:
    found = []
    for token in MARKDOWN.parse(text):
        found += [token, *(token.children or ())]
    return found


@few
@given(SAID)
def test_markdown_has_no_markup_but_ours(said: tuple[str, ...]) -> None:
    text = written("md", document(*said))
    found = tokens(text)
    assert {token.type.removesuffix("_open").removesuffix("_close") for token in found} <= OURS
    headings = [after.content for token, after in zip(found, found[1:], strict=False) if token.type == "heading_open"]
    assert set(headings[1:]) <= HEADINGS
    assert not re.search(r"(?i)(?<!\\)://|(?<=www)(?<!\\)\.", re.sub(r"(?s)```.*?```", "", text))


@few
@given(SAID)
def test_markdown_tables_keep_their_columns(said: tuple[str, ...]) -> None:
    columns = 0
    for line in written("md", document(*said)).split("\n"):
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) if line.startswith("|") else 0
        assert not bars or bars == (columns or bars), line
        columns = bars


# HTML


class Elements(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, tuple[str, ...]]] = []
        self.texts: list[str] = []
        self.comments = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, tuple(sorted(name for name, _ in attrs))))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments += 1


def elements(text: str) -> Elements:
    found = Elements()
    found.feed(text)
    found.close()
    return found


def page(made: Document) -> str:
    """Without BokehJS, which is ours in all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chart_html, "bokeh_js", lambda: "")
        return written("html", made)


@cache
def _tags_of_ours() -> frozenset[tuple[str, tuple[str, ...]]]:
    return frozenset(elements(page(document("TODO x\ny", "x" * 99))).tags)


@settings(few, max_examples=8)
@given(SAID)
def test_html_has_no_element_or_attribute_but_ours(said: tuple[str, ...]) -> None:
    found = elements(page(document(*said)))
    assert set(found.tags) <= _tags_of_ours()
    assert found.comments == 0
    scripts = [tag for tag, _ in found.tags if tag == "script"]
    assert len(scripts) <= 1 + 3  # BokehJS, and one a chart


@pytest.mark.parametrize("text", NASTY)
def test_html_shows_the_text(text: str) -> None:
    shown = "".join(elements(page(Document(document("x").statement, (form(text),)))).texts)
    for line in text.splitlines():
        assert printable(line) in shown


def test_html_asks_no_server() -> None:
    text = page(document("x"))
    assert "default-src 'none'" in text
    assert {tag for tag, _ in elements(text).tags} & {"link", "img", "iframe", "object", "base", "form", "a"} == set()


SOURCED = replace(form("x"), source="A norm, form of 2024, https://norm.example/a/Page (v1), https://norm.example.")


def test_only_the_source_of_a_norm_is_a_link() -> None:
    made = Document(document("https://evil.example").statement, (SOURCED,))
    assert re.findall('<a href="([^"]+)"', page(made)) == ["https://norm.example/a/Page", "https://norm.example"]
    text = written("md", made)
    links = [token.attrGet("href") for token in tokens(text) if token.type == "link_open"]
    assert links == ["https://norm.example/a/Page", "https://norm.example"]
    assert "Source: A norm, form of 2024, <https://norm.example/a/Page> (v1), <https://norm.example>." in text


SAY = "say `%cost where FR`, and `in_paper=no`"


@pytest.mark.parametrize(
    ("suffix", "made"),
    [
        ("html", "say <code>%cost where FR</code>, and <code>in_paper=no</code>"),
        ("md", SAY),
        ("tex", r"say \texttt{\%cost where FR},{} and \texttt{in\_\allowbreak{}paper=no}"),
    ],
)
def test_commands_are_code(suffix: str, made: str) -> None:
    item = Item("a", "asks", None, "", SAY)
    one = Document(document("x").statement, (Form("norm", "Norm", "", (item,), f"TODO(author): {SAY}."),))
    text = page(one) if suffix == "html" else written(suffix, one)
    assert text.count(made) == 2


# LaTeX

#: What our LaTeX is made of; no other command may come of a text.
COMMANDS = re.compile(r"\\([A-Za-z]+|.)", re.DOTALL)


@few
@given(texts())
def test_a_text_in_latex_has_no_command_of_its_own(text: str) -> None:
    made = escaped(text)
    assert made.isascii()
    assert "\n" not in made
    bare = re.sub(r"\\(?:[A-Za-z]+|[^A-Za-z])", "", made)
    assert not set(bare) & set("\\$&#%^_")  # each was a part of a command of ours
    assert _balanced(made)
    assert not re.search(r"\\(?:input|include|write|openin|def|catcode|end|begin|csname|verb)(?![A-Za-z])", made)


def _balanced(made: str) -> bool:
    depth = 0
    for mark in re.findall(r"(?<!\\)(?:\\\\)*[{}]", made):
        depth += 1 if mark[-1] == "{" else -1
        assert depth >= 0
    return depth == 0


# YAML


@few
@given(SAID)
def test_yaml_loads_back_to_the_same_texts(said: tuple[str, ...]) -> None:
    one = document(*said)
    made = Document(one.statement, (*one.forms, Form("other", "Other", "", ())))
    body = yaml.safe_load(written("yaml", made))
    assert body["statement"]["title"]["value"] == made.statement.title
    items = body["forms"]["norm"]["items"]
    for item in made.forms[0].items:
        assert items[item.key] == {"asks": item.asks, "answer": item.answer, "how": item.how, "todo": item.todo}
    assert body["forms"]["norm"].get("native") == made.forms[0].native


@given(st.recursive(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), texts()),
                    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts(), inner, max_size=3)),
                    max_leaves=8))  # fmt: skip
def test_what_json_has_loads_back_equal(body: Any) -> None:
    assert yaml.safe_load(dumped(body)) == body


@pytest.mark.parametrize("text", NASTY)
def test_a_front_matter_loads_back_equal(text: str) -> None:
    made = form(text)
    assert yaml.safe_load(own_file(made)) == made.native
    assert own_file(made).count("# TODO") == len(made.todos)


# CSV


@few
@given(SAID)
def test_no_cell_of_csv_begins_like_a_formula(said: tuple[str, ...]) -> None:
    text = written("csv", document(*said))
    rows = list(csv.reader(io.StringIO(text, newline="")))
    assert {len(row) for row in rows} == {6}
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(FORMULA)
    for line in text.splitlines()[1:]:  # many locales' spreadsheets separate by ";"
        for cell in next(csv.reader([line], delimiter=";")):
            assert not cell.lstrip().startswith(FORMULA)
