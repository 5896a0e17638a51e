"""What a sacct answered (recorded, and by hand where it could not be); and one that fails, lies or hangs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import sacct
from jupyter_costmeter.errors import CostMeterError

DATA = Path(__file__).parent / "data" / "sacct"
RECORDED = "slurm-22.05.8"
Fake = Callable[[str], None]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Puts a sacct on PATH that does this, in sh; its words are in the file ``words``."""

    def put(script: str) -> None:
        path = tmp_path / "sacct"
        path.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" >> {tmp_path}/words\n{script}\n')
        path.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")

    return put


def told(name: str) -> dict[str, sacct.Accounted]:
    return {job.name: job for job in sacct.parsed((DATA / name).read_text().splitlines())}


def test_jobs_as_a_cluster_accounted_them() -> None:
    found = told(f"{RECORDED}/jobs.txt")
    assert {name: (job.state, job.gpus, job.cpus, job.elapsed_s) for name, job in found.items()} == {
        "1": ("COMPLETED", 1, 8, 4), "3": ("COMPLETED", 2, 4, 5), "4": ("FAILED", 1, 2, 1), "5": ("TIMEOUT", 1, 2, 80),
        "6": ("CANCELLED", 1, 2, 8), "7": ("COMPLETED", None, 2, 2), "12": ("COMPLETED", 1, 2, 2),
        "13": ("CANCELLED", None, None, 0), "14": ("TIMEOUT", 1, 8, 610), "15": ("PENDING", None, None, 0),
        "26": ("RUNNING", 1, 2, 119),
    }  # fmt: skip


def test_an_array_and_one_task_of_it() -> None:
    found = told(f"{RECORDED}/array.txt")
    assert {name: (job.raw_id, job.gpu_s, job.cpu_s) for name, job in found.items()} == {
        "2_1": ("8", 3, 12), "2_2": ("9", 4, 16), "2_3": ("2", 5, 20),
    }  # fmt: skip
    assert told(f"{RECORDED}/array-task.txt") == {"2_2": found["2_2"]}


def test_tasks_that_have_not_begun_have_been_given_nothing() -> None:
    assert list(told(f"{RECORDED}/array-waiting.txt")) == ["27_1", "27_2"]
    assert list(told(f"{RECORDED}/array-cancelled.txt")) == [f"16_{task}" for task in range(1, 6)]


def test_each_component_of_a_heterogeneous_job_is_a_job() -> None:
    found = told(f"{RECORDED}/heterogeneous.txt")
    assert {name: (job.raw_id, job.gpus, job.cpu_s) for name, job in found.items()} == {
        "30+0": ("30", 1, 3), "30+1": ("31", None, 6),
    }  # fmt: skip


def test_steps_are_parts_of_their_job() -> None:
    found = told(f"{RECORDED}/steps.txt")
    assert {name: (job.gpus, job.cpus) for name, job in found.items()} == {"3": (2, 4), "14": (1, 8)}


def test_of_a_job_that_was_started_again_the_last_run_counts() -> None:
    assert told(f"{RECORDED}/requeued-duplicates.txt")["12"].elapsed_s == 2


def test_where_gpus_are_not_accounted_for_their_number_is_not_zero() -> None:
    found = told(f"{RECORDED}/no-gpus-accounted.txt")
    assert [(job.gpus, job.gpu_s, job.cpu_s) for job in found.values()] == [
        (None, None, 8), (None, None, 4), (None, None, 6),
    ]  # fmt: skip
    oom, failed = told("by-hand/rare-states.txt").values()
    assert (oom.gpus, oom.gpu_s, oom.cpu_s) == (None, None, 120.0)
    assert (failed.cpus, failed.cpu_s) == (None, None)


def test_gpus_by_type_alone() -> None:
    assert [job.gpus for job in told(f"{RECORDED}/only-types.txt").values()] == [2, None, 3]
    assert told("by-hand/several-types.txt")["90"].gpus == 3


def test_hours_and_days() -> None:
    found = told("by-hand/hours.txt")
    assert list(found) == ["4200_1", "4200_2", "4200_3", "4200_4"]
    assert [(job.gpu_s or 0) / 3600 for job in found.values()] == pytest.approx([4.0, 8.0, 2.0, 96.0 + 40 / 3600])
    assert found["4200_3"].state == "CANCELLED"


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.from_regex(r"[0-9._+|:a-z=,/-]{0,60}", fullmatch=True)))
def test_no_line_breaks_it(lines: list[str]) -> None:
    assert all(job.elapsed_s >= 0 for job in sacct.parsed(lines))


def test_it_is_asked_for_the_jobs_alone(fake: Fake, tmp_path: Path) -> None:
    fake(f"cat {DATA}/{RECORDED}/array.txt")
    assert sacct.found()
    assert len(sacct.accounted(["4200", "4242_7"])) == 3
    words = (tmp_path / "words").read_text().split("\n")
    assert "--jobs=4200,4242_7" in words
    assert "--parsable2" in words


def test_many_jobs_are_asked_for_some_at_a_time(fake: Fake, tmp_path: Path) -> None:
    fake("")
    sacct.accounted([str(i) for i in range(2 * sacct.SOME + 1)])
    assert (tmp_path / "words").read_text().count("--jobs=") == 3


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (f"cat {DATA}/{RECORDED}/no-database.txt >&2; exit 1", "Connection refused"),
        ("echo 'sacct: fatal: Invalid field requested: \"AllocTRES\"' >&2; exit 1", "Invalid field"),
        ("exit 3", "exit status 3"),
    ],
)
def test_one_that_fails_says_why(fake: Fake, script: str, why: str) -> None:
    fake(script)
    with pytest.raises(CostMeterError, match=why):
        sacct.accounted(["1"])


def test_one_that_hangs_is_not_waited_for(fake: Fake) -> None:
    fake("exec sleep 30")
    began = time.monotonic()
    with pytest.raises(CostMeterError, match=r"has not answered for 0\.5 s"):
        sacct.accounted(["1"], timeout_s=0.5)
    assert time.monotonic() - began < 10


def test_garbage_is_no_job(fake: Fake) -> None:
    fake(r"printf '\377\376|||||\nslurm_load_jobs error|x|y|z|a|b\n\n'")
    assert sacct.accounted(["1"]) == []


def test_none_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert not sacct.found()
    with pytest.raises(CostMeterError, match="cannot be run"):
        sacct.accounted(["1"])
