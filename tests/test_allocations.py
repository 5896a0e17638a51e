"""What SLURM gave jobs beside what was used of it: in pure arithmetic, in a merged ledger, and in what is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shell import cell, here, session

from jupyter_costmeter import allocations, slurm, slurm_pages
from jupyter_costmeter.allocations import BUSY, CPU, HELD, Allocation
from jupyter_costmeter.ledger import Selection, open_ledger
from jupyter_costmeter.merging import merge
from jupyter_costmeter.record import CellRecord, Figure, Provenance, SessionInfo, Summary, Usage
from jupyter_costmeter.sacct import Accounted

START = 1_790_000_000
HOUR = 3600.0
LOOKED = Provenance("measured", "NVML", 0.01)
DATA = Path(__file__).parent / "data" / "sacct"


def task(number: int, **said: str) -> SessionInfo:
    """A session of an array's task, begun a minute after its job."""
    told = {
        "JOB_ID": str(4200 + number), "ARRAY_JOB_ID": "4200", "ARRAY_TASK_ID": str(number), "GPUS_ON_NODE": "4",
        "JOB_CPUS_PER_NODE": "32", "JOB_START_TIME": str(START), **said,
    }  # fmt: skip
    facts = slurm.facts({f"SLURM_{name}": value for name, value in told.items()})
    made = session(f"task{number}", "/home/ada/paper/train.ipynb")
    return replace(made, started_at=START + 60.0, environment={**made.environment, **facts})


def work(info: SessionInfo, hours: float, held: float = 1.0, busy: float = 0.5) -> CellRecord:
    """One cell that ran for so long and held all four GPUs for a part of it."""
    figures = [Figure(HELD, 4 * held * hours * HOUR, LOOKED), Figure(BUSY, 4 * busy * hours * HOUR, LOOKED),
               Figure(CPU, 32 * busy * hours * HOUR, LOOKED)]  # fmt: skip
    return replace(cell(info, 1), started_at=START + 60.0, usage=Usage(hours * HOUR, tuple(figures)))


def of(path: Path) -> list[Allocation]:
    ledger = open_ledger(path)
    infos = ledger.sessions(Selection("all"))
    ids = [info.id for info in infos]
    sums = {key: ledger.summary(Selection("session", key)) for key in ids}
    found = allocations.allocations(infos, ledger.ends(ids), sums)
    ledger.close()
    return found


def filled(path: Path, *made: tuple[SessionInfo, Sequence[CellRecord]]) -> Path:
    ledger = open_ledger(path)
    for info, records in made:
        ledger.append(info, records)
    ledger.close()
    return path


def test_an_allocation_is_from_the_jobs_start_to_the_last_end(tmp_path: Path) -> None:
    (one,) = of(filled(tmp_path / "l.sqlite", (task(1), [work(task(1), 1.0)])))
    assert one.wall_s == HOUR + 60.0
    assert one.gpu_s is not None
    assert (one.gpu_s.value, one.gpu_s.method) == (4 * (HOUR + 60.0), "declared")
    assert "SLURM_GPUS_ON_NODE" in one.gpu_s.sources[0]
    assert one.used[HELD].value == 4 * HOUR


def test_several_sessions_of_one_job_share_one_allocation(tmp_path: Path) -> None:
    """As two steps, or a notebook and a script."""
    one, other = task(1), replace(task(1, STEP_ID="0"), id="step0")
    (found,) = of(filled(tmp_path / "l.sqlite", (one, [work(one, 1.0)]), (other, [work(other, 2.0)])))
    assert found.wall_s == 2 * HOUR + 60.0
    assert found.used[HELD].value == 4 * 3 * HOUR
    assert found.cells == 2


def test_a_job_that_was_started_again_has_run_twice(tmp_path: Path) -> None:
    one = task(1)
    again = replace(task(1, RESTART_COUNT="1", JOB_START_TIME=str(START + 7200)), id="again", started_at=START + 7260.0)
    late = replace(work(again, 1.0), started_at=again.started_at)
    found = of(filled(tmp_path / "l.sqlite", (one, [work(one, 1.0)]), (again, [late])))
    assert [round(each.wall_s or 0) for each in found] == [3660, 3660]


def test_the_run_itself_counts_until_its_end(tmp_path: Path) -> None:
    info = task(1)
    whole = allocations.record_of(info, START + 2 * HOUR)
    assert whole is not None
    path = filled(tmp_path / "l.sqlite", (info, [work(info, 1.0), whole]))
    (found,) = of(path)
    assert found.wall_s == 2 * HOUR
    ledger = open_ledger(path)
    summary = ledger.summary(Selection("all"))
    assert (summary.cells, summary.wall_s) == (1, HOUR)  # it is in no total
    assert ledger.check() == []
    ledger.close()
    assert allocations.record_of(session("x", "/n.ipynb"), START) is None


def test_a_start_that_cannot_be_is_not_believed() -> None:
    (found,) = allocations.allocations([task(1, JOB_START_TIME=str(START + 9999))], {"task1": START + 70.0}, {})
    assert found.wall_s == 10.0


@given(st.lists(st.tuples(st.integers(1, 3), st.floats(0, 1e5)), max_size=12))
def test_what_jobs_use_is_what_their_sessions_used(runs: list[tuple[int, float]]) -> None:
    infos, sums = [], {}
    for number, (job, seconds) in enumerate(runs):
        infos.append(replace(task(job), id=f"s{number}"))
        total = Usage(seconds, (Figure(HELD, seconds, LOOKED),))
        sums[f"s{number}"] = Summary(1, 0, 1, seconds, allocations_of(total))
    found = allocations.allocations(infos, {}, sums)
    assert sum(one.used[HELD].value or 0.0 for one in found) == pytest.approx(sum(seconds for _, seconds in runs))
    assert len(found) == len({job for job, _ in runs})


def allocations_of(usage: Usage):  # type: ignore[no-untyped-def]
    from jupyter_costmeter.accounting import cell_totals

    return cell_totals(usage)


def test_three_ledgers_of_an_array_merge_into_one_statement(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sources = [filled(tmp_path / f"task{n}.sqlite", (task(n), [work(task(n), float(n), held=0.5)])) for n in (1, 2, 3)]
    merge(tmp_path / "whole.sqlite", sources)
    merge(tmp_path / "whole.sqlite", sources)  # twice is once
    assert [(one.name, one.used[HELD].value) for one in of(tmp_path / "whole.sqlite")] == [
        ("4200_1", 2 * HOUR), ("4200_2", 4 * HOUR), ("4200_3", 6 * HOUR),
    ]  # fmt: skip
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = here(capsys, "slurm", "--all", "--ledger", str(tmp_path / "whole.sqlite"))
    assert ran.returncode == 0
    for words in ("4200_1", "4200_2", "4200_3", "all 3", "There is no sacct here"):
        assert words in ran.stdout
    assert " 12.00" in ran.stdout  # GPU-hours held, of all
    one = here(capsys, "slurm", "4200_2", "--all", "--ledger", str(tmp_path / "whole.sqlite"))
    assert "4200_2" in one.stdout
    assert "4200_3" not in one.stdout
    out = tmp_path / "out.csv"
    assert here(capsys, "export", str(out), "--all", "--ledger", str(tmp_path / "whole.sqlite")).returncode == 0
    head, *lines = out.read_text().splitlines()
    assert head.endswith("slurm_job,slurm_array,slurm_task,slurm_step")
    assert [line.rsplit(",", 4)[1:] for line in lines] == [[str(4200 + n), "4200", str(n), ""] for n in (1, 2, 3)]


def test_sacct_is_shown_beside(
    tmp_path: Path, home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = filled(tmp_path / "l.sqlite", *((task(n), [work(task(n), n - 1 / 60, held=0.5)]) for n in (1, 2)))
    fake = tmp_path / "sacct"
    fake.write_text(f"#!/bin/sh\n/bin/cat {DATA}/by-hand/hours.txt\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    shown = here(capsys, "slurm", "--all", "--ledger", str(path)).stdout
    first = next(line for line in shown.splitlines() if line.startswith("4200_1")).split()
    assert first[:2] == ["4200_1", "4"]
    assert "~4.00" in first  # given: declared
    assert "+0.00" in first  # sacct accounts the same
    assert "completed" in first
    assert "timeout" in shown
    assert "Of 4200_3, 4200_4 nothing was metered here." in " ".join(shown.split())
    fake.write_text("#!/bin/sh\necho 'sacct: error: no such cluster' >&2; exit 1\n")
    shown = here(capsys, "slurm", "--all", "--ledger", str(path)).stdout
    assert "What the cluster accounts is not known: sacct failed: sacct: error: no such cluster." in " ".join(
        shown.split()
    )
    assert "4200_1" in shown


def test_accounting_belongs_to_the_last_run_of_a_job() -> None:
    first = Allocation("4242", slurm.Job("4242"), 1, 0.0, 10.0, {})
    again = Allocation("4242", slurm.Job("4242", restarts=1), 1, 20.0, 10.0, {})
    known = Accounted("4242", "4242", "COMPLETED", 10.0, 1, 1)
    found = allocations.with_accounted([first, again], [known, replace(known, name="9", raw_id="9")])
    assert [(one.name, one.accounted is not None) for one in found] == [("4242", False), ("4242", True), ("9", True)]


def test_without_slurm_it_says_so(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = here(capsys, "slurm", "--all")
    assert ran.returncode == 0
    assert "in a job of SLURM" in ran.stdout


def test_a_difference_of_a_second_is_none() -> None:
    assert [slurm_pages._plain(seconds, "+") for seconds in (-1.0, 1.0, -36.0, None)] == [
        "+0.00",
        "+0.00",
        "-0.01",
        "—",
    ]
