"""Machines in forms: what they are, and where; never what they are called."""

from __future__ import annotations

from dataclasses import replace

import pytest

from jupyter_costmeter.norms import hardware
from jupyter_costmeter.statement import Machine, Statement

PLAIN = Machine("secret", "Xeon", 16, 64e9, {})
GPUS = replace(PLAIN, gpus={"A100": 2, "T4": 1}, gpu_bytes={"A100": 40e9}, system="Linux", storage_bytes=2e12)


@pytest.mark.parametrize(
    ("machine", "said"),
    [
        (PLAIN, "Xeon, 16 logical CPUs, 64.0 GB of memory"),
        (GPUS, "2 × A100 (40.0 GB each); 1 × T4, Xeon, 16 logical CPUs, 64.0 GB of memory, 2.00 TB of disk, Linux"),
        (Machine("secret", "", None, None, {}), ""),
        (Machine("secret", "", None, None, {"H100": 1}, {"H100": 80e9}), "1 × H100 (80.0 GB)"),
    ],
)
def test_a_machine_is_described_by_what_is_known(machine: Machine, said: str) -> None:
    assert hardware.described(machine) == said


@pytest.mark.parametrize(
    ("more", "site", "region"),
    [
        ({}, "", ""),
        ({"kind": "lab", "region": "FR"}, "lab", "France"),
        ({"kind": "laptop"}, "laptop", ""),
        ({"kind": "lab", "partition": "gpu"}, "cluster (SLURM partition gpu)", ""),
        ({"kind": "cloud"}, "cloud", ""),
        ({"region": "my own grid"}, "", "my own grid"),
    ],
)
def test_where_it_stands_is_only_what_was_said(more: dict[str, str], site: str, region: str) -> None:
    machine = replace(PLAIN, **more)
    assert (hardware.site(machine), hardware.region(machine)) == (site, region)


def test_a_clouds_provider_is_in_its_regions_id() -> None:
    machine = replace(PLAIN, region="gcp/us-central1")
    assert hardware.provider(machine) == "gcp"
    assert hardware.site(machine) == "cloud (gcp)"
    assert hardware.region(machine)


def test_machines_that_are_alike_are_told_once(golden: Statement) -> None:
    alike = replace(golden, machines=(PLAIN, replace(PLAIN, host="other"), GPUS))
    text = hardware.all_described(alike) or ""
    assert text.startswith("(1) 2 machines, each with Xeon")
    assert "(2) 2 × A100" in text
    assert hardware.all_described(replace(golden, machines=())) is None


def test_gpus_of_all_machines_are_counted_by_hosts(golden: Statement) -> None:
    def of(*machines: Machine) -> str | None:
        return hardware.all_gpus(replace(golden, machines=machines))

    node = replace(PLAIN, gpus={"A100": 2})
    other, changed = replace(node, host="other"), replace(node, memory_bytes=128e9)
    assert of(node) == of(node, changed) == "2 × A100"
    assert of(node, other) == of(node, changed, other) == "2 machines, each with 2 × A100"
    assert of(node, other, PLAIN) == "(1) 2 machines, each with 2 × A100; (2) Xeon, 16 logical CPUs"
    assert of(node, Machine("other", "", None, None, {})) is None
    assert of() is None


def test_what_one_machine_does_not_know_is_not_known_of_all(golden: Statement) -> None:
    both = replace(golden, machines=(replace(PLAIN, region="FR"), replace(PLAIN, region="SE")))
    assert hardware.each(both, hardware.region) == "France; Sweden"
    one = replace(golden, machines=(replace(PLAIN, region="FR"), PLAIN))
    assert hardware.each(one, hardware.region) is None
    assert hardware.regions(one) == ("France",)
    assert hardware.each(replace(golden, machines=()), hardware.region) is None
