"""Peaks: each device by its whole name or not at all, no row without a source, the user's word first."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from jupyter_costmeter.peaks import COLUMNS, DECLARED, HALVED, TABLE, TERA, peak
from jupyter_costmeter.record import PRECISIONS

DOC = Path(__file__).parent.parent / "docs" / "peaks.md"
A100 = "NVIDIA A100-SXM4-80GB"
KNOWN = [
    ("Tesla P100-SXM2-16GB", "fp32", 10.6),
    ("Tesla P100-PCIE-16GB", "fp64", 4.7),
    ("Tesla V100-SXM2-16GB", "fp16", 125),
    ("Tesla V100-SXM2-32GB", "fp64", 7.8),
    ("Tesla V100-PCIE-32GB", "fp16", 112),
    ("Tesla V100S-PCIE-32GB", "fp16", 130),
    ("Tesla T4", "fp16", 65),
    ("NVIDIA GeForce RTX 2080 Ti", "fp16", 53.8),
    ("GeForce RTX 2080 Ti", "fp16", 53.8),  # as drivers before 470 wrote it
    ("Quadro RTX 6000", "fp16", 130.5),
    ("NVIDIA A100-SXM4-40GB", "bf16", 312),
    ("A100-SXM4-40GB", "bf16", 312),
    (A100, "tf32", 156),
    (A100, "fp64", 19.5),
    ("NVIDIA A100-PCIE-40GB", "bf16", 312),
    ("NVIDIA A100 80GB PCIe", "int8", 624),
    ("NVIDIA A10", "bf16", 125),
    ("NVIDIA A10G", "bf16", 70),
    ("NVIDIA A30", "bf16", 165),
    ("NVIDIA A40", "bf16", 149.7),
    ("NVIDIA RTX A6000", "bf16", 154.8),
    ("NVIDIA RTX 6000 Ada Generation", "bf16", 364.2),
    ("NVIDIA GeForce RTX 3090", "bf16", 71),
    ("NVIDIA GeForce RTX 4090", "bf16", 165.2),
    ("NVIDIA GeForce RTX 4090", "fp8", 330.3),
    ("NVIDIA L4", "bf16", 121),
    ("NVIDIA L40S", "bf16", 362.05),
    ("NVIDIA H100 80GB HBM3", "bf16", 989.4),
    ("NVIDIA H100 80GB HBM3", "fp32", 66.9),
    ("NVIDIA H100 PCIe", "bf16", 756),
    ("NVIDIA H100 NVL", "bf16", 835.5),
    ("NVIDIA H200", "fp8", 1979),
    ("NVIDIA H200 NVL", "bf16", 835.5),
    ("NVIDIA GH200 480GB", "bf16", 989.5),
    ("NVIDIA B200", "fp4", 9000),
    ("NVIDIA B200", "bf16", 2250),
    ("NVIDIA GB200", "bf16", 2500),
    ("AMD Instinct MI210", "bf16", 181),
    ("AMD Instinct MI250X", "bf16", 191.5),
    ("AMD Instinct MI300X", "fp8", 2614.9),
]
UNKNOWN = [
    "NVIDIA GeForce RTX 4090 Laptop GPU",
    "NVIDIA GeForce RTX 4090 D",
    "NVIDIA GeForce RTX 3090 Ti",
    "NVIDIA GeForce RTX 3080",  # two cards of different size have this name
    "NVIDIA GeForce RTX 2080 Ti with Max-Q Design",
    "Quadro RTX 6000 with Max-Q Design",
    "NVIDIA A100-SXM-64GB",  # Leonardo's, which is larger
    "NVIDIA A100X",
    "NVIDIA A10M",
    "NVIDIA H100",
    "NVIDIA H800",
    "NVIDIA L40",
    "NVIDIA RTX 6000",
    "NVIDIA A40-48Q",  # a virtual GPU
    "Tesla V100-SXM3-32GB",
    "AMD Instinct MI250X/MI250",
    "AMD Instinct MI300X VF",
    "Apple M3 Max",
    "CPU",
    "a GPU",
    "",
]


@pytest.mark.parametrize(("name", "precision", "tera"), KNOWN)
def test_a_known_device(name: str, precision: str, tera: float) -> None:
    found = peak(name, precision, {})
    assert found is not None
    assert found.flops_per_s == pytest.approx(tera * TERA)
    assert found.source
    assert not found.declared


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_only_looks_like_a_known_device_is_none(name: str) -> None:
    assert [p for p in PRECISIONS if peak(name, p, {})] == []


@pytest.mark.parametrize(
    ("name", "precision"),
    [("Tesla V100-SXM2-16GB", "bf16"), (A100, "fp8"), (A100, "int"), ("NVIDIA GeForce RTX 4090", "fp64"), (A100, "x")],
)
def test_a_precision_that_nobody_printed_is_none(name: str, precision: str) -> None:
    assert peak(name, precision, {}) is None


def test_every_row_has_a_source_of_a_maker_and_a_year_and_known_precisions() -> None:
    for row in TABLE:
        assert re.search(
            r"^(NVIDIA|AMD) .*(data sheet|white paper).*\(20\d\d\)|data sheet of AWS \(20\d\d\)", row.source
        )
        assert row.tera
        assert set(row.tera) <= set(PRECISIONS)
        assert all(0 < tera < 20_000 for tera in row.tera.values())
    assert set(COLUMNS) == set(PRECISIONS) - {"int"}


def test_no_name_fits_two_rows() -> None:
    for name, _, _ in KNOWN:
        assert len([r for r in TABLE if re.fullmatch(r.names, name.removeprefix("NVIDIA "))]) == 1


def test_every_row_is_tested() -> None:
    names = [name.removeprefix("NVIDIA ") for name, _, _ in KNOWN] + ["AMD Instinct MI250"]
    assert [r.names for r in TABLE if not any(re.fullmatch(r.names, name) for name in names)] == []


@pytest.mark.parametrize("row", TABLE, ids=lambda row: str(row.names))
def test_fewer_bits_are_never_slower(row: Any) -> None:
    ladder = [row.tera[p] for p in ("fp64", "fp32", "tf32", "bf16", "fp8", "fp4") if p in row.tera]
    assert ladder == sorted(ladder)
    assert row.tera.get("fp16", 0) >= row.tera.get("bf16", 0)
    assert row.tera.get("int8", 1e9) >= row.tera.get("fp16", 0)


@pytest.mark.parametrize("row", [r for r in TABLE if "bf16" in r.tera and "AMD" not in r.names], ids=lambda r: r.names)
def test_tensor_cores_halve_with_each_doubling_of_bits(row: Any) -> None:
    """A figure with sparsity, or with FP16 accumulation, among dense ones would be off by two."""
    bf16 = row.tera["bf16"]
    assert row.tera["tf32"] == pytest.approx(bf16 / 2, rel=0.03)
    if "fp8" in row.tera:
        assert row.tera["fp8"] == pytest.approx(2 * bf16, rel=0.03)


#: SMs, boost clock in GHz and FP16 FLOPs (dense, FP32 accumulation) per SM and clock, by the white papers.
BY_CLOCK = [
    ("Tesla V100-SXM2-16GB", 80, 1.53, 1024),
    ("Tesla T4", 40, 1.59, 1024),
    ("NVIDIA GeForce RTX 2080 Ti", 68, 1.545, 512),
    ("Quadro RTX 6000", 72, 1.77, 1024),
    (A100, 108, 1.41, 2048),
    ("NVIDIA A30", 56, 1.44, 2048),
    ("NVIDIA A10", 72, 1.695, 1024),
    ("NVIDIA A10G", 80, 1.71, 512),
    ("NVIDIA A40", 84, 1.74, 1024),
    ("NVIDIA RTX A6000", 84, 1.8, 1024),
    ("NVIDIA GeForce RTX 3090", 82, 1.695, 512),
    ("NVIDIA GeForce RTX 4090", 128, 2.52, 512),
    ("NVIDIA RTX 6000 Ada Generation", 142, 2.505, 1024),
    ("NVIDIA L4", 58, 2.04, 1024),
    ("NVIDIA L40S", 142, 2.52, 1024),
    ("NVIDIA H100 80GB HBM3", 132, 1.83, 4096),
    ("NVIDIA H100 PCIe", 114, 1.62, 4096),
    ("NVIDIA B200", 148, 1.856, 8192),
    ("AMD Instinct MI210", 104, 1.7, 1024),
    ("AMD Instinct MI250", 104, 1.7, 1024),
    ("AMD Instinct MI250X", 110, 1.7, 1024),
    ("AMD Instinct MI300X", 304, 2.1, 2048),
]


@pytest.mark.parametrize(("name", "units", "ghz", "per_clock"), BY_CLOCK)
def test_the_printed_figure_is_that_of_units_and_clock(name: str, units: int, ghz: float, per_clock: int) -> None:
    found = peak(name, "fp16", {})
    assert found is not None
    assert found.flops_per_s == pytest.approx(units * ghz * 1e9 * per_clock, rel=0.015)


# The user's word


def test_the_users_figure_wins_and_is_said_to_be_theirs() -> None:
    found = peak(A100, "bf16", {A100: {"bf16": 250e12}})
    assert found is not None
    assert (found.flops_per_s, found.source, found.declared) == (250e12, DECLARED, True)


def test_the_user_may_write_patterns_and_only_what_they_know() -> None:
    declared = {"NVIDIA GeForce RTX 40*": {"bf16": 58e12}, "*": {"fp32": 1e12}}
    unknown = peak("NVIDIA GeForce RTX 4070", "bf16", declared)
    assert unknown is not None
    assert unknown.flops_per_s == 58e12
    later = peak("NVIDIA GeForce RTX 4070", "fp32", declared)
    assert later is not None
    assert later.flops_per_s == 1e12
    listed = peak("NVIDIA GeForce RTX 4090", "fp8", declared)
    assert listed is not None
    assert not listed.declared


@pytest.mark.parametrize("wrong", [0, -1.0, float("nan"), float("inf"), None, "58e12", True])
def test_what_is_no_peak_is_not_taken(wrong: Any) -> None:
    found = peak(A100, "bf16", {A100: {"bf16": wrong}})
    assert found is not None
    assert not found.declared
    assert peak("CPU", "fp32", {"CPU": {"fp32": wrong}}) is None


def test_a_declaration_of_another_shape_is_not_taken() -> None:
    wrong: Any = {"CPU": 58e12}
    assert peak("CPU", "fp32", wrong) is None


def test_a_name_with_brackets_is_itself() -> None:
    assert peak("GPU [0]", "fp32", {"GPU [0]": {"fp32": 1e12}}) is not None


# Slices

SLICES = [f"{A100} MIG 1g.10gb", f"{A100} MIG 1c.2g.20gb", f"{A100} MIG 1g.10gb+me", f"{A100} (a MIG slice)"]


@pytest.mark.parametrize("name", SLICES)
def test_a_slice_is_not_the_whole_device(name: str) -> None:
    assert peak(name, "bf16", {}) is None
    assert peak(name, "bf16", {"*": {"bf16": 312e12}}) is None
    found = peak(name, "bf16", {}, share=2 / 7)
    assert found is not None
    assert found.flops_per_s == pytest.approx(312e12 * 2 / 7)
    assert "0.286 of the device" in found.source


@pytest.mark.parametrize("name", SLICES)
def test_what_is_declared_of_a_slice_is_the_slices_own(name: str) -> None:
    for key in (name, f"{A100}*MIG*"):
        for share in (None, 1 / 7):
            found = peak(name, "bf16", {key: {"bf16": 40e12}}, share)
            assert found is not None
            assert found.flops_per_s == 40e12


def test_what_is_declared_of_the_whole_is_parted() -> None:
    found = peak(SLICES[0], "bf16", {"NVIDIA A100*": {"bf16": 280e12}}, share=1 / 7)
    assert found is not None
    assert found.flops_per_s == pytest.approx(40e12)
    assert found.declared


@pytest.mark.parametrize("share", [0.0, -1.0, 1.1, float("nan")])
def test_a_share_that_is_none(share: float) -> None:
    assert peak(A100, "bf16", {}, share) is None


# The page


def test_the_page_lists_the_table() -> None:
    lines = DOC.read_text().splitlines()
    for row in TABLE:
        cells = " | ".join(f"{row.tera[p]:g}" if p in row.tera else "–" for p in COLUMNS)
        assert any(f"| {cells} | {row.source}" in line for line in lines), (row.names, cells)
    assert len([line for line in lines if re.search(r"\(20\d\d\)", line)]) >= len(TABLE)
    assert HALVED in DOC.read_text()
