"""A cell's FLOPs and rates as they are read in ``%cost last``."""

from __future__ import annotations

from dataclasses import replace

import golden
import pytest

from jupyter_costmeter import accounting, pages, rates, speed
from jupyter_costmeter.record import Figure, Provenance, Usage

CPU = Provenance("measured", "CPU clock", 0.01)
ORDER = Provenance("modelled", "leading order", 0.3)


def headline(usage: Usage, names: dict[str, str] = golden.NAMES) -> list[str]:
    return speed.headline(accounting.cell_totals(usage), rates.rates(usage, names, {}))


def flops(**by_name: float) -> Usage:
    figures = [Figure(n, v, ORDER if n.endswith("leading") else golden.FLOPS, "GPU-1") for n, v in by_name.items()]
    return Usage(2.0, (*figures, Figure("cpu_energy_j", 900.0, golden.NVML)))


def test_the_headline_says_work_precision_share_of_peak_and_energy() -> None:
    # 3.12e14 FLOP in 2 s are half of an A100's 312e12 FLOP/s (FACTS: bf16, dense)
    assert headline(flops(flops_bf16=3.12e14)) == ["312 TFLOP bf16 · 50 % of peak · 900 J"]


@pytest.mark.parametrize(
    ("by_name", "said"),
    [
        ({"flops_bf16": 9e9, "flops_fp32": 1e9}, "mostly bf16"),
        ({"flops_bf16": 1e9, "flops_fp32": 1e9}, "mixed precision"),
        ({"flops_fp32": 1e9, "flops_fp32_leading": 1e9}, "fp32"),
        ({"flops_bf16": 999e9, "flops_fp32": 1e9}, "bf16"),
    ],
)
def test_precisions(by_name: dict[str, float], said: str) -> None:
    assert f"FLOP {said} · " in headline(flops(**by_name))[0]


def test_a_lower_bound_is_marked_and_never_at_least_less_than_one_percent() -> None:
    lacking = Figure("flops_uncounted", None, golden.NUMPY, "numpy")
    usage = flops(flops_bf16=3.12e14)
    assert headline(replace(usage, figures=(*usage.figures, lacking)))[0].startswith(
        "≥ 312 TFLOP bf16 · ≥ 50 % of peak"
    )
    usage = flops(flops_bf16=3e9)
    assert headline(replace(usage, figures=(*usage.figures, lacking)))[0].startswith(
        "≥ 3.00 GFLOP bf16 · > 0 % of peak"
    )


def test_an_unknown_device_has_no_share_of_peak_and_says_how_to_declare_it() -> None:
    usage = flops(flops_bf16=1e12)
    assert headline(usage, {"GPU-1": "Quantum 9000"}) == ["1.00 TFLOP bf16 · 900 J"]
    found = rates.rates(usage, {"GPU-1": "Quantum 9000"}, {})
    assert found is not None
    rows = {row[0]: row for row in speed.lines(found)}
    assert rows["· of peak (MFU)"][1] == "—"
    assert 'c.CostMeter.peak_flops = {"Quantum 9000": {"bf16": 1e12}}' in rows["· of peak (MFU)"][4]
    assert rows["· per second"][1] == "500 GFLOP/s"
    assert rows["· per joule"][1] == "1.11 GFLOP/J"  # 1e12 / 900


def test_a_cells_page_has_it_all() -> None:
    text = pages.cell_page(golden.FIRST, golden.DERIVE.rates(golden.FIRST.usage)).text()
    # 12.5 s at 1e14 FLOP/s bf16 and 1e11 FLOP/s fp32; 80 % of the time busy; (3.75 + 0.25) × 12.5 + 3600 J
    assert "1.25 PFLOP bf16 · 32 % of peak · 3.65 kJ" in text
    assert "32 % (40 % when busy)" in text
    assert "NVIDIA A100 data sheet" in text
    assert "· fp32" in text
    without = pages.cell_page(golden.SECOND, golden.DERIVE.rates(golden.SECOND.usage)).text()
    assert "FLOPs: a lower bound. Not counted: numpy: " in without


def test_nothing_counted_says_nothing() -> None:
    assert headline(Usage(1.0, (Figure("cpu_s", 1.0, CPU),))) == []
    uncounted = Usage(1.0, (Figure("flops_uncounted", None, golden.NUMPY, "numpy"),))
    assert headline(uncounted) == []
    notes = list(pages.notes(accounting.cell_totals(uncounted)))
    assert notes == ["FLOPs: none were counted. Not counted: numpy: its arithmetic leaves no trace to count by."]
