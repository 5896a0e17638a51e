"""What SLURM's variables say of a job, as versions and clusters set them."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jupyter_costmeter import slurm, slurm_pages
from jupyter_costmeter.record import SessionInfo, Total
from jupyter_costmeter.slurm import Job, job_of

MIB = 1024**2


def info(**said: str) -> SessionInfo:
    return SessionInfo(
        "s", 1e9, "node1", "ada", 1, 1.0, environment=slurm.facts({f"SLURM_{n}": v for n, v in said.items()})
    )


def job(**said: str) -> Job:
    found = job_of(info(JOB_ID="4242", **said))
    assert found is not None
    return found


def test_outside_of_a_job_nothing_is_kept() -> None:
    assert slurm.facts({"SLURM_CLUSTER_NAME": "alps", "SLURM_CONF": "/etc/slurm.conf"}) == {}
    assert job_of(info()) is None


def test_a_job_of_sbatch() -> None:
    found = job(
        CLUSTER_NAME="alps", JOB_PARTITION="gpu", JOB_NUM_NODES="1", JOB_CPUS_PER_NODE="32", CPUS_ON_NODE="32",
        GPUS_ON_NODE="4", JOB_GPUS="0,1,2,3", MEM_PER_NODE="131072", JOB_START_TIME="1790000000",
    )  # fmt: skip
    assert (found.name, found.task, found.cluster, found.partition) == ("4242", None, "alps", "gpu")
    assert (found.gpus, found.cpus, found.memory_bytes) == (4, 32, 131072 * MIB)
    assert (found.started_at, found.gpus_by) == (1790000000, "SLURM_GPUS_ON_NODE")


def test_a_task_of_an_array_is_called_as_sacct_does() -> None:
    found = job(ARRAY_JOB_ID="4200", ARRAY_TASK_ID="7")
    assert (found.name, found.id, found.array_id, found.task) == ("4200_7", "4242", "4200", "7")


@pytest.mark.parametrize(
    ("said", "gpus", "by"),
    [
        ({"GPUS": "8", "GPUS_ON_NODE": "4", "JOB_NUM_NODES": "2"}, 8, "SLURM_GPUS"),
        ({"GPUS": "a100:4"}, 4, "SLURM_GPUS"),
        ({"GPUS": "a100:2,v100:1"}, 3, "SLURM_GPUS"),
        ({"GPUS_ON_NODE": "4", "JOB_NUM_NODES": "2"}, 8, "SLURM_GPUS_ON_NODE × 2 nodes"),
        ({"JOB_GPUS": "2,3"}, 2, "SLURM_JOB_GPUS"),  # --gres=gpu:2 before 20.11
        ({"GPUS": "some"}, None, None),
        ({"GPUS_ON_NODE": "-1"}, None, None),
        ({}, None, None),
    ],
)
def test_gpus_are_of_all_nodes(said: dict[str, str], gpus: int | None, by: str | None) -> None:
    found = job(**said)
    assert (found.gpus, found.gpus_by) == (gpus, by)


@pytest.mark.parametrize(
    ("said", "cpus"),
    [
        ({"JOB_CPUS_PER_NODE": "72(x2),36", "CPUS_ON_NODE": "72"}, 180),
        ({"JOB_CPUS_PER_NODE": "16"}, 16),
        ({"CPUS_ON_NODE": "8", "JOB_NUM_NODES": "3"}, 24),
        ({}, None),
    ],
)
def test_cpus_are_of_all_nodes(said: dict[str, str], cpus: int | None) -> None:
    assert job(**said).cpus == cpus


def test_memory_by_node_by_cpu_and_by_gpu() -> None:
    assert job(MEM_PER_NODE="1024", JOB_NUM_NODES="2").memory_bytes == 2048 * MIB
    assert job(MEM_PER_CPU="1024", JOB_CPUS_PER_NODE="4").memory_bytes == 4096 * MIB
    assert job(MEM_PER_GPU="1024", GPUS_ON_NODE="2").memory_bytes == 2048 * MIB
    assert job(MEM_PER_CPU="1024").memory_bytes is None


def test_steps_that_have_a_name() -> None:
    assert [job(STEP_ID=step).step for step in ("0", "4294967291", "4294967290")] == ["0", "batch", "interactive"]


@given(st.dictionaries(st.sampled_from(slurm.KEPT), st.text(max_size=20)))
def test_no_value_breaks_it(said: dict[str, str]) -> None:
    found = job_of(SessionInfo("s", 1e9, "n", "a", 1, 1.0, environment={slurm.FACT: json.dumps(said)}))
    assert (found is not None) == bool(said.get("JOB_ID"))
    assert found is None or found.gpus is None or found.gpus >= 0


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "3"])
def test_what_is_no_such_fact_is_no_job(text: str) -> None:
    assert job_of(SessionInfo("s", 1e9, "n", "a", 1, 1.0, environment={slurm.FACT: text})) is None


def test_an_anonymous_file_keeps_sizes_only() -> None:
    kept = slurm.sizes(info(JOB_ID="4242", CLUSTER_NAME="alps", JOB_PARTITION="lab-smith", GPUS_ON_NODE="4"))
    assert json.loads(kept[slurm.FACT]) == {"GPUS_ON_NODE": "4"}


def test_little_is_not_nothing() -> None:
    """Two decimals of an hour are 36 s."""
    of = [
        Total("cpu_s", "s", value, "measured", 1.0, missing, None) for value, missing in ((9.0, 0), (9.0, 1), (0.0, 0))
    ]
    assert [slurm_pages._hours(one) for one in of] == ["< 0.01", "≥ 0.00", "0.00"]
