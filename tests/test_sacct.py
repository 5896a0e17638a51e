"""Lines of sacct, of several versions and clusters; and one that fails, lies or hangs."""

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


def told(name: str) -> list[sacct.Accounted]:
    return sacct.parsed((DATA / name).read_text().splitlines())


def test_an_array() -> None:
    found = {job.name: job for job in told("array-23.02.txt")}
    assert list(found) == ["4200_1", "4200_2", "4200_3", "4200_4"]  # what waits has been given nothing
    assert [job.raw_id for job in found.values()] == ["4201", "4202", "4203", "4200"]
    assert [job.state for job in found.values()] == ["COMPLETED", "TIMEOUT", "CANCELLED", "RUNNING"]
    assert [(job.gpu_s or 0) / 3600 for job in found.values()] == pytest.approx([4.0, 8.0, 2.0, 96.0 + 40 / 3600])
    assert found["4200_1"].cpu_s == 32 * 3600


def test_steps_are_parts_of_their_job() -> None:
    (job,) = told("steps-19.05.txt")
    assert (job.name, job.gpus, job.cpus, job.elapsed_s) == ("4242", 2, 8, 600.0)


def test_where_gpus_are_not_accounted_for_their_number_is_not_zero() -> None:
    oom, failed = told("no-gpus-accounted.txt")
    assert (oom.gpus, oom.gpu_s, oom.cpu_s) == (None, None, 120.0)
    assert (failed.cpus, failed.cpu_s) == (None, None)


def test_gpus_by_type_alone() -> None:
    (job,) = told("only-types.txt")
    assert job.gpus == 3


@given(st.lists(st.text(st.characters(codec="utf-8")) | st.from_regex(r"[0-9._+|:a-z=,/-]{0,60}", fullmatch=True)))
def test_no_line_breaks_it(lines: list[str]) -> None:
    assert all(job.elapsed_s >= 0 for job in sacct.parsed(lines))


def test_it_is_asked_for_the_jobs_alone(fake: Fake, tmp_path: Path) -> None:
    fake(f"cat {DATA}/array-23.02.txt")
    assert sacct.found()
    assert len(sacct.accounted(["4200", "4242_7"])) == 4
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
        ("echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1", "Connection refused"),
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
