"""Costs are cut out of notebooks, and nothing else changes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import here, said

from jupyter_costmeter import stripping
from jupyter_costmeter.errors import ReportError, UsageError

COSTS = {"schema": 1, "at": "2026-09-22T10:00:00Z", "joules": 3650.1, "at_least": ["flops"]}


def notebook(*metadata: dict[str, Any]) -> dict[str, Any]:
    cells = [
        {"cell_type": "code", "id": f"c{i}", "metadata": one, "outputs": [], "source": ["é = 1\n"]}
        for i, one in enumerate(metadata)
    ]
    return {"cells": cells, "metadata": {"costmeter": "not a cell's"}, "nbformat": 4, "nbformat_minor": 5}


def written(found: dict[str, Any], indent: int = 1, ascii_only: bool = False) -> str:
    """As nbformat writes it."""
    return json.dumps(found, indent=indent, ensure_ascii=ascii_only) + "\n"


PLACES = [
    ({"costmeter": COSTS}, {}),
    ({"costmeter": COSTS, "tags": ["a"]}, {"tags": ["a"]}),
    ({"tags": ["a"], "costmeter": COSTS}, {"tags": ["a"]}),
    ({"tags": ["a"], "costmeter": COSTS, "z": {"costmeter": 1}}, {"tags": ["a"], "z": {"costmeter": 1}}),
    ({"costmeter": None}, {}),
    ({}, {}),
    ({"tags": ['"costmeter": {}']}, {"tags": ['"costmeter": {}']}),
]


@pytest.mark.parametrize("layout", [{}, {"indent": 2}, {"ascii_only": True}])
@pytest.mark.parametrize(("carries", "left"), PLACES)
def test_what_is_left_is_as_nbformat_writes_it(
    carries: dict[str, Any], left: dict[str, Any], layout: dict[str, Any]
) -> None:
    before, after = (written(notebook({"a": 1}, one, {}), **layout).encode() for one in (carries, left))
    assert stripping.stripped(before, "x") == (after, int(carries != left))


def test_a_notebook_of_nbformat(tmp_path: Path) -> None:
    """What nbformat itself writes, in all its minor versions."""
    for minor in range(6):
        made = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1"), nbformat.v4.new_markdown_cell("ü")])  # type: ignore[no-untyped-call]
        made.nbformat_minor = minor
        plain = nbformat.writes(made, version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
        made.cells[0].metadata["costmeter"] = COSTS
        carries = nbformat.writes(made, version=nbformat.NO_CONVERT)  # type: ignore[no-untyped-call]
        assert stripping.stripped(carries.encode(), "x") == (plain.encode(), 1)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\ufeff" + text,
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(": ", ":").replace("\n", "").replace("  ", ""),
        lambda text: "\n\t" + text + "\n\n",
    ],
    ids=["CRLF", "byte order mark", "no newline at its end", "one line", "blanks around"],
)
def test_layouts_that_others_write(change: Any) -> None:
    one, other = {"b": 1, "costmeter": COSTS}, {"b": 1}
    before, after = (change(written(notebook(found, {"k": 1}))).encode() for found in (one, other))
    assert stripping.stripped(before, "x") == (after, 1)


def test_a_key_that_is_there_twice() -> None:
    text = written(notebook({})).replace('"metadata": {}', '"metadata": {"costmeter": 1, "a": 2, "costmeter": 3}')
    found, count = stripping.stripped(text.encode(), "x")
    assert (count, b'"costmeter": 3' in found, json.loads(found)["cells"][0]["metadata"]) == (1, False, {"a": 2})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.just("costmeter"), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.lists(st.dictionaries(st.text() | st.sampled_from(["costmeter", "tags"]), JSON, max_size=4), max_size=4),
    st.sampled_from([None, 0, 1, 4]),
    st.booleans(),
)
def test_any_metadata(metadata: list[dict[str, Any]], indent: int | None, ascii_only: bool) -> None:
    """The same as reading it, deleting and writing it anew, and never more."""
    left = [{key: value for key, value in one.items() if key != "costmeter"} for one in metadata]
    before, after = (
        json.dumps(notebook(*one), indent=indent, ensure_ascii=ascii_only).encode("utf-8", "surrogatepass")
        for one in (metadata, left)
    )
    assert stripping.stripped(before, "x") == (after, sum("costmeter" in one for one in metadata))
    assert stripping.stripped(after, "x") == (after, 0)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "no JSON at line 1"),
        (b"import numpy\n", "no JSON at line 1"),
        (b'{"cells": [],\n "nbformat": 4', "no JSON at line 2"),
        (b'{"cells": []}', "it has no nbformat"),
        (b"[4]", "it has no nbformat"),
        (b'{"nbformat": "4"}', "it has no nbformat"),
        (b"\xff\xfe{\x00}\x00", "no UTF-8"),
        (b"[" * 100_000, "too deep"),
    ],
)
def test_what_is_no_notebook(content: bytes, why: str) -> None:
    with pytest.raises(UsageError, match=f"it.ipynb is no notebook: {why}"):
        stripping.stripped(content, "it.ipynb")


@pytest.mark.parametrize(
    "odd",
    [
        '{"nbformat": 3, "worksheets": [{"cells": []}]}',
        '{"nbformat": 4, "cells": [1, null, {"metadata": 3}, {"metadata": []}, {}]}',
        '{"nbformat": 4, "cells": {"metadata": {"costmeter": 1}}}',
        '{"nbformat": 4}',
    ],
)
def test_odd_ones_are_left_as_they_are(odd: str) -> None:
    assert stripping.stripped(odd.encode(), "x") == (odd.encode(), 0)


# Files and the command


def save(path: Path, *metadata: dict[str, Any]) -> str:
    path.write_text(written(notebook(*metadata)), encoding="utf-8")
    return str(path)


def test_several_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = save(tmp_path / "1.ipynb", {"costmeter": COSTS}, {"costmeter": 1}), save(tmp_path / "2.ipynb", {})
    os.chmod(one, 0o640)
    (tmp_path / "link.ipynb").symlink_to(one)
    untouched = os.stat(two).st_mtime_ns
    ran = here(capsys, "strip", str(tmp_path / "link.ipynb"), two)
    assert "The costs of 2 cells were taken out of" in said(ran)
    assert f"{two} carries no costs." in ran.stdout
    assert Path(one).read_text(encoding="utf-8") == written(notebook({}, {}))
    assert (tmp_path / "link.ipynb").is_symlink()
    assert (os.stat(one).st_mode & 0o777, os.stat(two).st_mtime_ns) == (0o640, untouched)
    assert sorted(os.listdir(tmp_path)) == ["1.ipynb", "2.ipynb", "link.ipynb"]


def test_check_changes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clean, carries = save(tmp_path / "1.ipynb", {}), save(tmp_path / "2.ipynb", {"costmeter": COSTS})
    before = Path(carries).read_bytes()
    assert "carries no costs" in said(here(capsys, "strip", "--check", clean))
    ran = here(capsys, "strip", "--check", clean, carries)
    assert (ran.returncode, ran.stderr) == (1, "")
    assert f"{carries} carries the costs of 1 cell." in ran.stdout
    assert Path(carries).read_bytes() == before


def test_one_that_is_no_notebook_leaves_all_as_they_are(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good, bad = save(tmp_path / "good.ipynb", {"costmeter": COSTS}), tmp_path / "bad.ipynb"
    bad.write_text("import numpy\n")
    before = Path(good).read_bytes()
    for wrong, why in ((str(bad), "is no notebook"), (str(tmp_path / "no.ipynb"), "No such file"), (str(tmp_path), "")):
        assert why in said(here(capsys, "strip", good, wrong), 2)
        assert Path(good).read_bytes() == before


def test_a_write_that_fails_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = Path(save(tmp_path / "a.ipynb", {"costmeter": COSTS}))
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(ReportError, match="cannot write .*: No space left on device"):
        stripping.strip([path])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.ipynb"]


def filtered(content: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "jupyter_costmeter.cli", "strip", *words]
    return subprocess.run(command, input=content, capture_output=True, timeout=60, check=False)


def test_a_filter_of_git() -> None:
    carries, plain = (written(notebook(one)).replace("\n", "\r\n").encode() for one in ({"costmeter": COSTS}, {}))
    ran = filtered(carries, "-")
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, plain, b"")
    ran = filtered(carries, "-", "--check")
    assert (ran.returncode, ran.stdout, ran.stderr) == (1, b"", b"")
    ran = filtered(b"no notebook", "-")
    assert (ran.returncode, ran.stdout) == (2, b"")
    assert b"stdin is no notebook" in ran.stderr


def test_stdin_stands_alone(capsys: pytest.CaptureFixture[str]) -> None:
    assert "stands alone" in said(here(capsys, "strip", "-", "a.ipynb"), 2)
