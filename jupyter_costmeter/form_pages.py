"""A filled form as a section of tables and prose, and as a page; the norm's own file as text."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from . import layout
from .pages import Page, Table, counted
from .statement import Form, Grid, Item

TODO = "TODO"
INDENT = "    "
LINE_ENDS = "\x85\u2028\u2029"


@dataclass(frozen=True, slots=True)
class Section:
    """A heading, paragraphs, tables, and what is to be pasted: prose, or a norm's own file (``code``).

    ``todos`` are what the author must fill in; ``source`` is where a norm's words are from, never a user's text.
    """

    title: str
    lines: tuple[str, ...] = ()
    grids: tuple[Grid, ...] = ()
    todos: tuple[str, ...] = ()
    text: str = ""
    code: str = ""
    language: str = ""
    source: str = ""


def form_section(form: Form) -> Section:
    """A form: its questions and answers, what is left to the author, its tables and what can be pasted."""
    right = frozenset[str]()
    grid = Grid("Questions and answers", ("field", "question", "answer", "how it is known"),
                tuple(map(_item, form.items)), right)  # fmt: skip
    todos = tuple(f"{item.key}: {item.todo}" for item in form.todos)
    code, language = native(form)
    return Section(form.title, (), (grid, *form.tables), todos, form.text, code, language, form.source)


#: What is set as code in a text: commands, and what is said with them; no name that a user gave can be more in it.
CODE = re.compile(r"`((?:%cost|jupyter costmeter|in_paper=)[A-Za-z0-9_=.,/ -]*)`")
#: An address in the source of a norm.
LINK = re.compile(r"(https://[a-z0-9.-]*[a-z0-9](?:/[A-Za-z0-9./_-]*[A-Za-z0-9/_-])?)")


def _item(item: Item) -> tuple[str, ...]:
    return item.key, item.asks, item.answer if item.answer is not None else TODO, item.how


def native(form: Form) -> tuple[str, str]:
    """The norm's own file as text, and its language; ``""`` where it has none."""
    if form.native is None:
        return "", ""
    if form.native_suffix == "yaml":
        return dumped(form.native), "yaml"
    return json.dumps(form.native, indent=2, ensure_ascii=False, default=str) + "\n", "json"


def own_file(form: Form) -> str:
    """The same as a file of its own. In YAML what is left to the author stands above it, as comments."""
    code, language = native(form)
    todos = [f"{item.key}: {item.todo}" for item in form.todos] if language == "yaml" else []
    return "".join(f"# {TODO} {_comment(todo)}\n" for todo in todos) + code


def _comment(text: str) -> str:
    """On one line, and of characters that YAML allows in a comment."""
    return "".join(c if c.isprintable() else " " for c in text)


def dumped(body: Any) -> str:
    """As YAML that loads back equal: keys in their order, no line folded."""
    import yaml

    def text(dumper: Any, value: str) -> Any:
        style = '"' if any(mark in value for mark in LINE_ENDS) else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style)

    class Dumper(yaml.SafeDumper):  # type: ignore[misc]
        """But for the rarer line ends: unquoted they would come back as others."""

    Dumper.add_representer(str, text)
    found: str = yaml.dump(_simple(body), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10**6)
    return found


def _simple(body: Any) -> Any:
    """What YAML's own types are."""
    if isinstance(body, Mapping):
        return {str(key): _simple(value) for key, value in body.items()}
    if isinstance(body, (list, tuple)):
        return [_simple(value) for value in body]
    return body if body is None or isinstance(body, (str, bool, int, float)) else str(body)


def forms_page(title: str, forms: Sequence[Form], notes: Sequence[str] = ()) -> Page:
    """Filled forms: for each a table of what it asks, what the ledger answers, and what is left to the author."""
    tables = [table for form in forms for table in _form_tables(form)]
    todos = sum(len(form.todos) for form in forms)
    left = f"{counted(todos, 'field')} left to you: TODO says what." if todos else "Nothing is left to fill in."
    return Page(title, tables, [*_texts(forms), *notes], [*(f"{form.name}: {form.title}" for form in forms), left])


class Fields(Table):
    """A form's questions and answers, which in a terminal stand below each other: they are too long for columns."""

    def text(self, width: int | None = None) -> str:
        """``key: answer``, below it what is asked and what is left to do; a table without a width."""
        if width is None:
            return super().text()
        found = [self.columns[0], "-" * len(self.columns[0])]
        for key, asks, answer, todo in self.rows:
            found += layout.wrapped(f"{key}: {answer}", width)
            found += layout.wrapped(asks, width, INDENT) if asks else []
            found += layout.wrapped(f"{TODO}: {todo}", width, INDENT) if todo else []
        return "\n".join(found)


def _form_tables(form: Form) -> Iterator[Table]:
    rows = [(item.key, item.asks, "—" if item.answer is None else item.answer, item.todo or "") for item in form.items]
    yield Fields((form.name, "question", "answer", TODO), rows)
    for grid in form.tables:
        yield Table(grid.columns, grid.rows, grid.right)


def _texts(forms: Sequence[Form]) -> Iterator[str]:
    for form in forms:
        if form.text:
            yield f"{form.name}, to paste:"
            yield from (line for line in form.text.splitlines() if line.strip())
