"""A selection as a file: whole or not at all, by suffix, of any length."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import golden
import pytest
from kernels import ALL
from shell import cell, costmeter, fill, said, session

from jupyter_costmeter import report
from jupyter_costmeter.costing import Costing
from jupyter_costmeter.errors import ReportError, UsageError
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord, Stored

T = TypeVar("T")
INFO = session("aaa1", "/home/ada/paper/train.ipynb")


@pytest.fixture
def few(ledger: Ledger) -> Ledger:
    ledger.append(INFO, [cell(INFO, 1), cell(INFO, 2, None), cell(INFO, 3)])
    return ledger


@pytest.mark.parametrize("name", ["out.json", "out.csv", "out.md", "OUT.JSON", "my.notebook.csv"])
def test_the_suffix_tells_the_format(name: str, few: Ledger, home: Path) -> None:
    report.export(few, ALL, home / name)
    start = (home / name).read_text()[:200]
    kinds = {"json": start.startswith('{\n "schema": 2'), "csv": start.startswith("id,"), "md": start.startswith("# ")}
    assert kinds[name.rpartition(".")[2].lower()]
    assert [p.name for p in home.iterdir() if p.is_file()] == [name]


@pytest.mark.parametrize("name", ["out.xlsx", "out", ".json", "json"])
def test_an_unknown_suffix_names_those_there_are(name: str, few: Ledger, home: Path) -> None:
    with pytest.raises(UsageError, match=r"use one of \.json, \.csv, \.md"):
        report.export(few, ALL, home / name)
    assert not (home / name).exists()


def test_a_file_that_is_there_is_kept(few: Ledger, home: Path) -> None:
    path = home / "out.csv"
    path.write_text("mine")
    with pytest.raises(UsageError, match="--force replaces it"):
        report.export(few, ALL, path)
    assert path.read_text() == "mine"
    report.export(few, ALL, path, force=True)
    assert path.read_text().startswith("id,")


@pytest.mark.parametrize("target", ["missing/out.csv", "file/out.csv", "folder.csv"])
def test_where_nothing_can_be_written(target: str, few: Ledger, home: Path) -> None:
    (home / "file").write_text("")
    (home / "folder.csv").mkdir()
    with pytest.raises(ReportError, match="cannot write"):
        report.export(few, ALL, home / target, force=True)
    assert not list(home.rglob("*out.csv*"))
    assert not list(home.rglob("*.part"))


@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(28, "No space left on device")])
def test_a_file_is_whole_or_not_there(error: BaseException, few: Ledger, home: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    (home / "out.json").write_text("the old one")
    whole = few.stored

    def broken(selection: Selection) -> object:
        yield next(whole(selection))
        raise error

    monkeypatch.setattr(few, "stored", broken)
    with pytest.raises((type(error) if isinstance(error, BaseException) else error, ReportError)):
        report.export(few, ALL, home / "out.json", force=True)
    assert (home / "out.json").read_text() == "the old one"
    assert [p.name for p in home.iterdir() if p.is_file()] == ["out.json"]


def test_a_report_says_of_what_it_is(few: Ledger, home: Path) -> None:
    for scope, key, title in [
        ("session", "aaa1", "Cost of session aaa1"),
        ("notebook", INFO.notebook, "Cost of notebook train.ipynb"),
        ("project", INFO.project, "Cost of project paper"),
        ("all", None, "Cost of everything in the ledger"),
    ]:
        report.export(few, Selection(scope, key), home / "out.json", force=True)  # type: ignore[arg-type]
        body = json.loads((home / "out.json").read_text())
        assert body["title"] == title
        assert len(body["cells"]) == 3


def test_thousands_of_cells_are_streamed(ledger: Ledger, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger.append(INFO, [cell(INFO, n) for n in range(3000)])
    alive, written = [], []

    def watched(records: Iterator[T]) -> Iterator[T]:
        for number, record in enumerate(records):
            if number in (1999, 2999):
                alive.append(sum(type(o) in (CellRecord, Stored) for o in gc.get_objects()))
                (part,) = home.glob(".out.*.part")
                written.append(part.stat().st_size)
            yield record

    for name in ("records", "stored"):
        whole = getattr(ledger, name)
        monkeypatch.setattr(ledger, name, lambda selection, whole=whole: watched(whole(selection)))
    for suffix in ("json", "csv", "md"):
        path = home / f"out.{suffix}"
        report.export(ledger, ALL, path)
        assert written[-2] > 0.5 * path.stat().st_size
        assert written[-1] > 0.9 * path.stat().st_size
    assert max(alive) < 1200  # of 3000
    assert len(json.loads((home / "out.json").read_text())["cells"]) == 3000
    assert len((home / "out.csv").read_text().splitlines()) == 3001
    assert (home / "out.md").read_text().count("| In \\[") == 3000


def test_a_ledger_of_background_work_only_is_something(ledger: Ledger, home: Path) -> None:
    ledger.append(INFO, [replace(golden.AFTER, session_id="aaa1", notebook=INFO.notebook)])
    report.export(ledger, ALL, home / "out.md")
    assert "in the background" in (home / "out.md").read_text()


def test_the_shell_writes_what_is_in_the_ledger(home: Path, ledger_path: Path) -> None:
    other = session("bbb2", "/home/ada/other/x.ipynb")
    fill(ledger_path, INFO, cell(INFO, 1, label="train"), cell(INFO, 2, outcome="killed"))
    fill(ledger_path, other, cell(other, 3))
    for name in ("out.json", "out.csv", "out.md"):
        shown = said(costmeter("export", "--session", "aaa", name, cwd=home))
        assert shown.startswith(f"Wrote {name}: 2 cells of session aaa1.\n")
        assert ("Digest of the whole file: " in shown) == (name == "out.json")
        assert "--force replaces it" in said(costmeter("export", "--session", "aaa", name, cwd=home), 2)
    assert "Wrote out.md: 1 cell of session" in said(
        costmeter("export", "--session", "bbb", "out.md", "--force", cwd=home)
    )
    assert "cannot tell the format of 'out.xls'" in said(costmeter("export", "out.xls", cwd=home), 2)
    assert "cannot write nowhere/out.md" in said(costmeter("export", "--all", "nowhere/out.md", cwd=home), 1)
    found = open_ledger(ledger_path)
    expected = [r.id for r in found.records(Selection("session", "aaa1"))]
    assert [c["id"] for c in json.loads((home / "out.json").read_text())["cells"]] == expected
    assert [line.split(",")[0] for line in (home / "out.csv").read_text().splitlines()[1:]] == expected


def test_memory_does_not_grow_with_the_records(tmp_path: Path) -> None:
    """Nothing is kept of a record that was written: three times as many need hardly more."""
    counts = (100, 1000, 3000)  # the first imports what is needed
    for count in counts:
        fill(tmp_path / f"{count}.sqlite", INFO, *(cell(INFO, n, float(n + 1)) for n in range(count)))
    for suffix in report.formats():
        _, few, many = (peak_bytes(tmp_path / f"{count}.sqlite", suffix) for count in counts)
        assert many < 1.25 * few, (suffix, few, many)


def peak_bytes(path: Path, suffix: str) -> int:
    """The most that Python held while it exported, beyond what it held before."""
    ledger, costing = open_ledger(path), Costing(None, path.parent)
    tracemalloc.start()
    try:
        report.export(ledger, ALL, path.with_suffix(f".{suffix}"), costing=costing)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        ledger.close()


@pytest.mark.parametrize("suffix", report.formats())
@pytest.mark.parametrize("anonymous", [False, True])
def test_the_progress_bar_moves_with_each_record_that_is_written(
    suffix: str, anonymous: bool, ledger: Ledger, home: Path
) -> None:
    ledger.append(INFO, [cell(INFO, n) for n in range(1200)])
    seen: list[tuple[int, int]] = []

    def bar(items: Iterable[CellRecord], total: int | None, what: str) -> Iterator[CellRecord]:
        assert (total, what) == (1200, "exporting")
        for number, record in enumerate(items, 1):
            yield record
            (part,) = home.glob(".out.*.part")
            seen.append((number, part.stat().st_size))

    report.export(ledger, ALL, home / f"out.{suffix}", bar=bar, anonymous=anonymous)
    assert [number for number, _ in seen] == list(range(1, 1201))
    sizes = [size for _, size in seen]
    assert sizes[300] < sizes[600] < sizes[1199]  # it tells of what is in the file, and not of what was read ahead


def test_the_collector_is_as_it_was() -> None:
    """Also where it was off, and where the export broke off."""
    for was in (True, False):
        (gc.enable if was else gc.disable)()
        try:
            with suppress(ZeroDivisionError), report.uncollected():
                assert not gc.isenabled()
                raise ZeroDivisionError
            assert gc.isenabled() is was
        finally:
            gc.enable()
