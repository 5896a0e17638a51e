"""A cell's last runs: the same code first, the newest first."""

from __future__ import annotations

from dataclasses import replace

from recorded import SESSIONS, record

from jupyter_costmeter.ledger.store import Ledger
from jupyter_costmeter.record import CellRecord

NOTEBOOK, COPY = "/p/a.ipynb", "/p/b.ipynb"


def run(n: int, code: str | None, cell_id: str = "c1", notebook: str | None = NOTEBOOK, **more: object) -> CellRecord:
    made = replace(record(n, 10.0 + n, 1e9 + 100 * n, cpu_s=float(n)), cell_id=cell_id, code_hash=code)
    return replace(made, notebook=notebook, **more)  # type: ignore[arg-type]


def found(ledger: Ledger, count: int = 5, project: str | None = None, code: str | None = "new") -> list[str]:
    return [one.id for _, one in ledger.history("c1", code, NOTEBOOK, count, project)]


def test_runs_of_the_same_code_the_newest_first_with_their_figures(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [run(1, "new"), run(2, "old"), run(3, "new", "c2"), run(4, "new")])
    assert found(ledger) == ["r4", "r3", "r1"]
    assert found(ledger, count=2) == ["r4", "r3"]
    info, newest = ledger.history("c1", "new", NOTEBOOK, 1)[0]
    assert (info, newest.wall_s) == (SESSIONS["s1"], 14.0)
    assert [figure.value for figure in newest.usage.figures] == [4.0]


def test_without_a_good_run_of_the_code_come_the_cells_earlier_versions(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [run(1, "old"), run(2, "older"), run(3, "old", "c2"), run(4, "old", notebook=COPY)])
    assert found(ledger) == ["r2", "r1"]
    ledger.append(SESSIONS["s1"], [run(5, "new", outcome="error")])
    assert found(ledger) == ["r5", "r2", "r1"]
    ledger.append(SESSIONS["s1"], [run(6, "new")])
    assert found(ledger) == ["r6", "r5"]


def test_the_same_code_of_another_notebook_counts_in_the_same_project_only(ledger: Ledger) -> None:
    other = run(2, "new", notebook="/q/c.ipynb", project="/q")
    ledger.append(SESSIONS["s1"], [run(1, "new", notebook=COPY), other])
    assert found(ledger) == []
    assert found(ledger, project="/p") == ["r1"]


def test_inner_windows_and_what_is_no_cell_are_left_out(ledger: Ledger) -> None:
    inner, gap = run(1, "new", parent_id="r0"), run(2, "new", bucket="background")
    ledger.append(SESSIONS["s1"], [inner, gap])
    assert found(ledger) == []


def test_the_last_runs_of_each_cell_whatever_their_code_was(ledger: Ledger) -> None:
    runs = [run(n, f"code {n}", outcome="error" if n == 3 else "ok") for n in range(1, 7)]
    others = [run(7, "new", "c2"), run(8, "new", "c3"), run(9, "new", notebook=COPY), run(10, "new", parent_id="r1")]
    ledger.append(SESSIONS["s1"], [*runs, *others])
    ledger.append(SESSIONS["s2"], [replace(run(11, "new", "c2"), session_id="s2")])
    told = ledger.last_runs(NOTEBOOK, ["c2", "c1", "never", "c1"])
    assert {cell_id: [one.id for _, one in found] for cell_id, found in told.items()} == {
        "c1": ["r6", "r5", "r4", "r3", "r2"], "c2": ["r11", "r7"],
    }  # fmt: skip
    assert [info.id for info, _ in told["c2"]] == ["s2", "s1"]
    assert [figure.value for figure in told["c1"][3][1].usage.figures] == [3.0]
    assert [len(found) for found in ledger.last_runs(NOTEBOOK, ["c1"], 2).values()] == [2]


def test_a_block_without_code_or_id_has_no_history(ledger: Ledger) -> None:
    ledger.append(SESSIONS["s1"], [run(1, None)])
    assert ledger.history(None, None, NOTEBOOK, 5) == []
