"""Names of any letters, in any form of Unicode and either case, stand in no anonymous file."""

from __future__ import annotations

import html
import io
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from unicodedata import category
from urllib.parse import unquote

import pytest
import stated
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from spelled import spellings

from jupyter_costmeter import report, stating
from jupyter_costmeter.anonymous import Names, Veil
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.folding import plain
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.record import CellRecord, SessionInfo
from jupyter_costmeter.scrubbing import COMMON
from jupyter_costmeter.tag import tags_of

FILES = [*((suffix, True) for suffix in ("md", "tex", "html", "csv", "yaml")),
         *((suffix, False) for suffix in ("json", "csv", "md"))]  # fmt: skip
LETTERS = st.one_of(
    st.characters(categories=["L", "M"]), st.sampled_from("abcdeé\u0301\u0323אבישםعربيकािﬁŁßıİσςＡ'\"’"),
)  # fmt: skip


def is_telling(name: str) -> bool:
    """Long enough, no word that anybody writes, and none that stands by chance in a hash or a chart's id."""
    letters = [sign for sign in plain(name) if category(sign).startswith("L")]
    return (
        len(letters) > 3
        and not set(letters) <= set("abcdef")
        and plain(name) not in COMMON
        and plain(name).strip("'\"") not in COMMON
    )


NAME = st.text(LETTERS, min_size=4, max_size=9).filter(is_telling)


@dataclass(frozen=True)
class Whose:
    user: str
    host: str
    notebook: str
    project: str

    def names(self) -> list[str]:
        return [self.user, self.host, self.notebook, self.project]

    def info(self) -> SessionInfo:
        folder = f"/home/{self.user}/{self.project}"
        return replace(
            stated.TRAIN, host=f"{self.host}.lab.example", user=self.user, notebook=f"{folder}/{self.notebook}.ipynb",
            project=folder,
        )  # fmt: skip

    def record(self) -> CellRecord:
        info, texts = self.info(), [form for name in self.names() for form in sorted(spellings(name))]
        said = {"category": "hpo", "method": f"by {texts[0]}", "param.x": texts, f"param.{self.user}": 1, "score.y": 1}
        used = stated.usage(60.0, ("GPU-1",))
        figures = [replace(f, provenance=replace(f.provenance, source=f"{self.host} in {info.notebook}: it"))
                   for f in used.figures]  # fmt: skip
        return replace(
            stated.record(info, 1, 0.0, replace(used, figures=tuple(figures))), label=" ; ".join(texts),
            error_type=f"{self.user} Error", tags=tags_of("g1-1", said, info.started_at, "run", self.user, self.host),
        )  # fmt: skip


def written(whose: Whose, anonymous: bool = True) -> str:
    """All exports in one text, with what is written otherwise (in HTML, JSON, URLs) as it reads."""
    with TemporaryDirectory() as name:
        folder, selection = Path(name), Selection("session", "g1")
        ledger, costing = open_ledger(folder / "l.sqlite"), stated.golden_costing(folder)
        ledger.append(whose.info(), [whose.record()])
        found = [_file(ledger, selection, *one, costing, anonymous) for one in FILES]
        ledger.close()
    text = "\n".join(found)
    return "\n".join((text, html.unescape(text), unquote(text), text.replace("\\", "")))


def _file(ledger: object, selection: Selection, suffix: str, statement: bool, costing: Costing, anonymous: bool) -> str:
    out = io.StringIO(newline="")
    if statement:
        stating.write_statement(ledger, selection, suffix, out, costing, (), anonymous)  # type: ignore[arg-type]
    else:
        report.write(ledger, selection, suffix, out, costing, anonymous=anonymous)  # type: ignore[arg-type]
    text = out.getvalue()
    return "\n".join(_texts(json.loads(text))) if suffix == "json" else text


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for key, one in value.items():
            yield from (key, *_texts(one))
    elif isinstance(value, list):
        for one in value:
            yield from _texts(one)
    else:
        yield str(value)


@cache
def ours() -> str:
    """What every file says, whosever it is."""
    return written(Whose("zzqxa", "zzqxb", "zzqxc", "zzqxd"))


def leaks(text: str, names: Iterable[str]) -> list[str]:
    return [form for name in names for form in spellings(name) if form in text and form not in ours()]


WHOSE = st.builds(Whose, NAME, NAME, NAME, NAME)


@settings(max_examples=12, deadline=None)
@given(WHOSE)
@example(Whose("jos\u00e9", "Grüße", "ﬁsher", "א\u05b4מ\u05b8\u05bcא"))
@example(Whose("o'neil", "İzmir", '"quoted"', "ΣΊΣΥΦΟΣ"))
@example(Whose("gemini", "cats", "wkwh", "ofcell"))
def test_no_form_of_a_name_is_in_any_export(whose: Whose) -> None:
    assume(not leaks("".join(COMMON), whose.names()))
    assert leaks(written(whose), whose.names()) == []


def test_the_search_finds_them_where_they_are() -> None:
    whose = Whose("jos\u00e9", "Grüße", "ﬁsher", "Ångström")
    assert {"JOSE\u0301", "jos\u00e9", "fisher"} <= set(leaks(written(whose, anonymous=False), whose.names()))


@pytest.mark.parametrize("name", ["a", "train", "gpu", "kWh", "W", "measured"])
def test_a_name_that_anybody_writes_spoils_no_words(name: str) -> None:
    """It identifies nobody: categories and units stay."""
    text = written(Whose(name, name, name, name))
    for word in ("hpo", "kWh", "gpu_energy_j", "measured", "modelled"):
        assert text.count(word) >= ours().count(word)


def test_one_name_in_two_forms_is_one_number() -> None:
    """A file system that decomposes letters, and one that does not."""
    veil = Veil(Names(notebooks=("/p/jos\u00e9.ipynb",)))
    assert veil.notebook("/p/jos\u00e9.ipynb") == "notebook 1"
    assert veil.notebook("/p/jose\u0301.ipynb") == "notebook 1 (2)"  # the ledger tells their runs apart
    assert veil.notebook("/p/x.ipynb") == "notebook 2"
